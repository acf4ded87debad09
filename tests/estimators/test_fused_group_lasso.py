"""Fused group lasso: optima, corners, change points, tasks that are passed over."""

import numpy as np
import pytest

from mtlreg import (
    FusedGroupLassoClassifier,
    FusedGroupLassoRegressor,
    GroupLassoRegressor,
)
from mtlreg.losses import LOSSES
from mtlreg.penalties import FusedGroup, SparseGroup
from tests import oracles
from tests.estimators.cases import draw
from tests.problems import Case, random_data


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_is_the_optimum(loss, seed):
    rng = np.random.default_rng(seed)
    data = random_data(loss, "stacked-dense", seed=seed, n_tasks=5)
    penalty = FusedGroup(*rng.uniform(0.1, 1.0, 3))
    case = Case(data, LOSSES[loss](), penalty, rng.uniform(0.5, 2.0, 5)).scaled(0.2)
    best = case.objective(*case.cvxpy_optimum())
    cls = {"squared": FusedGroupLassoRegressor, "logistic": FusedGroupLassoClassifier}
    X, y, v = (np.concatenate(part) for part in zip(*case.tasks(), strict=True))
    tasks = np.repeat(np.arange(5), [len(y) for _, y, _ in case.tasks()])
    names = ("alpha_fused", "alpha_group", "alpha_sparse")
    strengths = {name: getattr(case.penalty, name) for name in names}
    for solver in ("bcd", "fista"):
        est = cls[loss](
            **strengths, task_weight=case.task_scale, tol=1e-9, solver=solver
        )
        est.fit(X, y, v, tasks=tasks)
        found = case.objective(est.coef_.T, est.intercept_)
        assert found == pytest.approx(best, rel=1e-6)
        assert est.dual_gap_ >= found - best - 1e-7 * best


def test_without_changes_that_cost_it_is_the_sparse_group_lasso():
    X, y, tasks = draw(n_tasks=4)
    est = FusedGroupLassoRegressor(
        1e-12, alpha_group=0.06, alpha_sparse=0.04, tol=1e-12
    )
    est.fit(X, y, tasks=tasks)
    other = GroupLassoRegressor(0.1, l1_ratio=0.4, tol=1e-12).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, other.coef_, rtol=0, atol=1e-5)
    rng = np.random.default_rng(0)
    G = rng.normal(size=(6, 5))
    fused, sparse = FusedGroup(1e-14, 0.6, 0.4), SparseGroup(1.0, 0.4)
    np.testing.assert_allclose(fused.row_polars(G), sparse.row_polars(G), rtol=1e-12)


def test_changes_that_cost_too_much_leave_one_model_for_all():
    X, y, tasks = draw(n_tasks=4)
    est = FusedGroupLassoRegressor(1e4).fit(X, y, tasks=tasks)
    assert est.coef_.any()
    assert not est.change_points_.any()
    np.testing.assert_array_equal(est.coef_, est.coef_[[0] * 4])


def test_change_points_are_found():
    rng = np.random.default_rng(0)
    coef = np.zeros((6, 5))
    coef[:, 0], coef[3:, 1] = 2.0, 3.0
    coef[2:4, 2] = -2.0
    tasks = np.repeat(np.arange(6), 80)
    X = rng.normal(size=(480, 5))
    y = np.sum(X * coef[tasks], axis=1) + 0.1 * rng.normal(size=480)
    labels = np.array([f"2026-0{month}" for month in range(1, 7)])
    est = FusedGroupLassoRegressor(0.1, alpha_group=0.01, alpha_sparse=0.03)
    est.fit(X, y, tasks=labels[tasks])
    np.testing.assert_array_equal(est.change_points_, np.diff(coef, axis=0) != 0)
    np.testing.assert_array_equal(est.support_, [True, True, True, False, False])


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_tasks_in_which_a_feature_does_not_vary_are_bridged(ridge):
    # its coefficient there costs the penalty alone: without a ridge, one of its
    # neighbours
    X, y, tasks = draw(n=90, d=3, n_tasks=5)
    X[tasks == 2, 1] = 1.5
    found = [
        FusedGroupLassoRegressor(ridge=ridge, tol=1e-12, solver=solver).fit(
            X, y, tasks=tasks
        )
        for solver in ("bcd", "fista")
    ]
    for est in found:
        assert (est.coef_[2, 1] in est.coef_[[1, 3], 1]) == (ridge == 0)
        assert est.dual_gap_ <= 1e-10
    np.testing.assert_allclose(found[0].coef_, found[1].coef_, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "penalty",
    [
        FusedGroup(0.6, 0.5, 0.3),
        FusedGroup(0.6, 0.9, 0.0),
        FusedGroup(0.4, 0.0, 0.5),
        FusedGroup(0.5, 3.0, 0.1),
    ],
)
@pytest.mark.parametrize("absent", [[0], [2, 3], [1, 6], [0, 1, 3, 6]])
def test_absent_tasks_have_what_costs_least(penalty, absent):
    rng = np.random.default_rng(0)
    kept = ~np.isin(np.arange(7), absent)
    A = np.round(2 * rng.normal(size=(30, 7))[:, kept])
    full = penalty.with_absent(A, kept)
    np.testing.assert_array_equal(full[:, kept], A)
    least = oracles.cheapest_columns(penalty, A, kept)
    for row, other in zip(full, least, strict=True):
        cost = penalty.value(row[None])
        assert cost <= penalty.value(other[None]) * (1 + 1e-12)


def test_newton_steps_go_where_the_penalty_is_smooth():
    penalty, rng = FusedGroup(0.6, 0.5, 0.3), np.random.default_rng(0)
    A = penalty.prox(np.round(2 * rng.normal(size=(40, 7))), 1.0)
    A = A[A.any(axis=1)]
    face = penalty.face(A)
    assert np.any(face.tied)
    move = 1e-5 * face.project(rng.normal(size=A.shape))
    assert np.all(move[A == 0] == 0)
    change = penalty.value(A + move) - penalty.value(A)
    first = np.vdot(face.slope, move)
    second = 0.5 * np.vdot(move, face.curve(move))
    noise = 64 * np.finfo(float).eps * penalty.value(A)
    assert change - first == pytest.approx(second, rel=1e-3, abs=noise)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha_fused": 0.0}, "alpha_fused"),
        ({"alpha_group": -1.0}, "alpha_group"),
        ({"alpha_group": 0, "alpha_sparse": 0}, "set one of them to more than 0"),
    ],
)
def test_strengths_are_checked(params, message):
    X, y, tasks = draw()
    with pytest.raises(ValueError, match=message):
        FusedGroupLassoRegressor(**params).fit(X, y, tasks=tasks)
