"""The judge against the oracles of the other tests, and against what it must refuse."""

import numpy as np
import pytest

from mtlreg import DirtyModelRegressor, GroupLassoRegressor
from tests import problems
from tests.fuzz import penalties
from tests.fuzz.draw import Drawn, draw
from tests.fuzz.judge import Judge, orthonormal
from tests.fuzz.search import REACH, reach
from tests.fuzz.trial import Failure, check_fit, strength

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
}


@pytest.mark.parametrize("loss", problems.LOSSES)
@pytest.mark.parametrize("name", PENALTIES)
def test_verdicts_are_those_of_the_other_oracles(name, loss):
    """Both are the same formulas, written twice and in other precisions."""
    entry = problems.LOSSES[loss]()
    data = problems.random_data(loss, "stacked-dense", n_tasks=3)
    scale = np.array([1.0, 0.5, 2.0])
    case = problems.Case(data, entry, problems.PENALTY_CASES[name], scale)
    rows = [
        (data.X[part], data.y[part], data.weight[part])
        for part in map(slice, data.offsets[:-1], data.offsets[1:])
    ]
    judge = Judge.of_rows(rows, scale, loss, PENALTIES[name], fit_intercept=True)
    A = 0.1 * np.random.default_rng(0).normal(size=(data.X.shape[1], 3))
    verdict = judge.verdict(A)
    b = verdict.intercept.astype(float)
    np.testing.assert_allclose(float(verdict.objective), case.objective(A, b), 1e-10)
    np.testing.assert_allclose(float(verdict.gap), case.gap(A, b), 1e-8)


def test_singular_values_and_bases_in_longdouble():
    A = np.random.default_rng(0).normal(size=(7, 4))
    found = np.sort(penalties.singular_values(A))[::-1].astype(float)
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
    coef, intercept, gap = model.coef_, model.intercept_, model.dual_gap_
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
    return judge.verdict(coef.T).intercept.astype(float)
