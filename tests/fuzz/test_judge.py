"""The judge against the oracles of the other tests, and against what it must refuse."""

from dataclasses import replace

import numpy as np
import pytest

from mtlreg import DirtyModelRegressor, GroupLassoRegressor
from mtlreg.penalties import (
    L21,
    ColumnL2,
    CommonDeviation,
    GraphRegularization,
    InfimalSum,
    TreeGroup,
)
from tests import oracles, problems
from tests.fuzz import penalties, rows
from tests.fuzz.draw import Drawn, draw
from tests.fuzz.judge import Judge, orthonormal
from tests.fuzz.numerics import LONG, fuse, singular_values
from tests.fuzz.search import REACH, reach
from tests.fuzz.trial import Failure, check_fit, coefficients, strength

COMMON = 0.5, 0.7, np.array([0.3, 1.0, 0.6])
NODES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1]]) > 0
PENALTIES = {
    "l1": penalties.GroupLasso(0.7, 1.0, "l2"),
    "l21": penalties.GroupLasso(1.3, 0.0, "l2"),
    "l1linf": penalties.GroupLasso(1.1, 0.0, "linf"),
    "sparse-l2": penalties.GroupLasso(0.9, 0.4, "l2"),
    "sparse-linf": penalties.GroupLasso(1.2, 0.6, "linf"),
    "trace": penalties.TraceNorm(0.8),
    "mean": penalties.MeanRegularized(0.3, 0.05),
    "mean-free": penalties.MeanRegularized(0.3, 0.0),
    "dirty-linf": penalties.DirtyModel(1.5, 0.9, "linf"),
    "dirty-l2": penalties.DirtyModel(1.2, 0.9, "l2"),
    "fused": rows.FusedGroupLasso(0.6, 0.5, 0.3),
    "fused-group": rows.FusedGroupLasso(0.8, 1.1, 0.0),
    "fused-entries": rows.FusedGroupLasso(1.1, 0.0, 0.4),
    "common": rows.CommonDeviation(*COMMON),
    "flat": rows.TreeGroupLasso(0.7, "flat"),
    "tree": rows.TreeGroupLasso(0.7, NODES),
    "squared-trace": penalties.TaskRelationship(0.3),
    "squared-cluster": penalties.Clustered(0.3, 2, 0.2),
    "mean-complete": penalties.GraphRegularized(0.3, "complete", 0.2),
    "chain": penalties.GraphRegularized(0.3, "chain", 0.0),
    "sum-trace": penalties.SparseLowRank(1.0, 0.6),
    "sum-columns": penalties.RobustLowRank(1.0, 0.7),
    "rows-columns": penalties.RobustGroupLasso(1.0, 0.7),
}
OTHERS = problems.PENALTY_CASES | {
    "chain": GraphRegularization(0.3, np.eye(3, k=1) + np.eye(3, k=-1)),
    "common": CommonDeviation(*COMMON),
    "flat": TreeGroup(0.7),
    "tree": TreeGroup(0.7, NODES.T),
    "rows-columns": InfimalSum(L21(1.0), ColumnL2(0.7)),
}


@pytest.mark.parametrize("loss", problems.LOSSES)
@pytest.mark.parametrize("name", PENALTIES)
def test_verdicts_are_those_of_the_other_oracles(name, loss):
    """Both are the same formulas, written twice and in other precisions."""
    entry = problems.LOSSES[loss]()
    data = problems.random_data(loss, "stacked-dense", n_tasks=3)
    scale = np.array([1.0, 0.5, 2.0])
    case = problems.Case(data, entry, OTHERS[name], scale)
    rows = [
        (data.X[part], data.y[part], data.weight[part])
        for part in map(slice, data.offsets[:-1], data.offsets[1:])
    ]
    judge = Judge.of_rows(rows, scale, loss, PENALTIES[name], fit_intercept=True)
    shape = data.X.shape[1], 3
    shape = (2, *shape) if PENALTIES[name].has_blocks else shape
    A = 0.1 * np.random.default_rng(0).normal(size=shape)
    verdict = judge.verdict(A)
    b = verdict.intercept.astype(float)
    np.testing.assert_allclose(float(verdict.objective), case.objective(A, b), 1e-10)
    np.testing.assert_allclose(float(verdict.gap), case.gap(A, b), 1e-8)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_a_task_that_is_left_out_of_a_graph_is_where_it_costs_least(ridge):
    rng = np.random.default_rng(0)
    graph = np.triu(rng.random((6, 6)) * (rng.random((6, 6)) < 0.6), 1)
    graph[:, 4] = graph[4] = 0
    full = penalties.GraphRegularized(0.7, graph + graph.T, ridge)
    kept, A = np.arange(6) < 3, rng.normal(size=(2, 6))
    A[:, ~kept] = full.absent(A[:, kept], kept)
    assert not A[:, 4].any()
    edges = replace(full, ridge=0.0)
    part = edges.restrict(kept)
    np.testing.assert_allclose(float(part.value(A[:, kept])), float(edges.value(A)))
    for t in (3, 5):
        slope = np.sum(edges.weights(6)[t] * (A - A[:, [t]]), axis=1)
        np.testing.assert_allclose(slope.astype(float), 0, atol=1e-15)


def test_columns_by_what_rows_predict():
    rng = np.random.default_rng(0)
    roots = [rng.normal(size=(n, 4)) for n in (7, 2, 4)]
    penalty = penalties.ColumnsInDesign(0.7, [R.astype(LONG) for R in roots])
    other = ColumnL2(0.7, np.array([R.T @ R for R in roots]))
    G = np.stack([R.T @ rng.normal(size=len(R)) for R in roots], axis=1)
    A = np.stack([R.T @ rng.normal(size=len(R)) for R in roots], axis=1)
    np.testing.assert_allclose(float(penalty.value(A)), oracles.value(other, A))
    polar = float(penalty.polar(G))
    np.testing.assert_allclose(polar, oracles.polar(other, G))
    assert penalty.largest_polar(G) >= polar


def test_clusters_beside_what_rounding_leaves_of_singular_values():
    norm = penalties.ClusterNorm(1, 0.1)
    whole = norm.value(np.diag([3.0, 1.0, 0.5]).astype(LONG))
    nearly = norm.value(np.diag([3.0, 1.0, 0.5, 1e-35]).astype(LONG))
    np.testing.assert_allclose(float(nearly), float(whole), rtol=1e-15)


def test_a_ridge_below_the_rounding_of_a_strength():
    penalty = penalties.GraphRegularized(1e25, "chain", 1e-3)
    G = np.ones((2, 3), dtype=LONG)
    np.testing.assert_allclose(float(penalty.conjugate(G)), 6 / (2 * 1e-3))
    assert np.isfinite(penalty.rounding(G, G, 1e-16 * G, 1, 1, LONG(1e-9)))


def test_strings_in_a_tube():
    rng = np.random.default_rng(0)
    for level in (0.0, 0.1, 1.0, 10.0):
        z = rng.normal(size=7).astype(LONG)
        a = fuse(z, level)
        dual, changes = np.cumsum(z - a), np.diff(a)
        # of a prox: differences are those of a dual vector that is at its bound
        assert abs(dual[-1]) < 1e-17
        assert np.all(np.abs(dual) <= level + 1e-17)
        np.testing.assert_allclose(
            (dual[:-1] * -np.sign(changes))[changes != 0].astype(float), level
        )


def test_singular_values_and_bases_in_longdouble():
    A = np.random.default_rng(0).normal(size=(7, 4))
    found = np.sort(singular_values(A))[::-1].astype(float)
    np.testing.assert_allclose(found, np.linalg.svd(A, compute_uv=False), rtol=1e-13)
    basis = orthonormal(np.column_stack([A, A[:, 0]]).astype(np.longdouble))
    assert basis.shape == (7, 4)
    np.testing.assert_allclose((basis.T @ basis).astype(float), np.eye(4), atol=1e-17)


@pytest.mark.parametrize(
    "model",
    [
        GroupLassoRegressor(0.1, norm="linf", tol=1e-10),
        GroupLassoRegressor(0.1, l1_ratio=0.3, norm="linf", tol=1e-10),
        DirtyModelRegressor(0.1, 0.07, tol=1e-10),
    ],
)
def test_scores_of_one_of_many_optima_tell_nothing(model):
    rng = np.random.default_rng(0)
    X, train = rng.normal(size=(40, 3)), np.arange(40) < 30
    Y = X @ np.array([[1.0, 2.0], [1.0, -1.0], [0.0, 0.0]])
    Y += 0.1 * rng.normal(size=Y.shape)

    def moved():
        codes, weights = np.zeros(40, dtype=int), np.ones(Y.shape)
        drawn = Drawn(model, X, Y, {}, "columns", X, codes, Y, weights)
        return reach(drawn, model.fit(X[train], Y[train]), train, ~train)

    assert 0 < moved() < REACH
    # equal where it is fitted, not where it is held out
    X[train, 2] = X[train, 1]
    assert moved() == np.inf


@pytest.mark.parametrize("seed", range(3))
def test_only_what_is_wrong_fails(seed):
    rng = np.random.default_rng(seed)
    drawn = draw(rng, tame=True)
    factor = strength(rng, drawn) / 3
    model = drawn.model.set_params(fit_intercept=True, tol=1e-6)
    names = model._strengths
    model.set_params(**{name: factor * getattr(model, name) for name in names})
    model.fit(drawn.X, drawn.y, **drawn.keywords)
    coef, intercept, gap = coefficients(model), model.intercept_, model.dual_gap_
    check_fit(drawn, model, coef, intercept, gap, short=False)
    away = -coef
    level = best_intercept(drawn, away)
    with pytest.raises(Failure, match="found"):
        check_fit(drawn, model, away, level, gap, short=False)
    with pytest.raises(Failure, match="FALSE CERTIFICATE"):
        check_fit(drawn, model, away, level, gap, short=True)
    moved = intercept + 0.01 * np.abs(drawn.targets[drawn.weights > 0]).max()
    with pytest.raises(Failure, match="other intercepts"):
        check_fit(drawn, model, coef, moved, gap, short=False)


def best_intercept(drawn, coef):
    judge, _ = drawn.judge()
    return judge.verdict(coef.swapaxes(-1, -2)).intercept.astype(float)
