"""Task relationship learning: the covariance, and what it is equal to."""

import cvxpy as cp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mtlreg import TaskRelationshipRegressor, TraceNormRegressor
from mtlreg.datasets import make_multitask_regression
from tests import oracles
from tests.estimators.cases import KINDS, draw, make
from tests.estimators.naive import NaiveProblem


@pytest.mark.parametrize("kind", KINDS)
def test_is_the_trace_norm_of_the_strength_alpha_times_the_norm(kind):
    X, y, tasks = draw(kind, n=90, d=6, n_tasks=5)
    est = make("squared-trace", kind, 0.3, tol=1e-12).fit(X, y, tasks=tasks)
    norm = np.linalg.svd(est.coef_, compute_uv=False).sum()
    other = make("trace", kind, tol=1e-12).set_params(alpha=est.alpha * norm)
    other.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, other.coef_, atol=2e-5)
    assert 0 < np.linalg.matrix_rank(est.coef_, tol=1e-9) <= 5


def test_the_covariance_attains_the_minimum():
    X, y, tasks = draw(n=90, d=6, n_tasks=5)
    est = make("squared-trace", "regressor", 0.3, tol=1e-10).fit(X, y, tasks=tasks)
    omega = est.task_covariance_
    assert np.trace(omega) == pytest.approx(1.0)
    cost = np.trace(est.coef_.T @ np.linalg.pinv(omega, rtol=1e-10) @ est.coef_)
    norm = np.linalg.svd(est.coef_, compute_uv=False).sum()
    assert cost == pytest.approx(norm**2)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_is_the_optimum_over_coefficients_and_covariances(ridge):
    # of the objective as the source has it, Omega a variable
    X, y, tasks = draw(n=40, d=3, n_tasks=3)
    est = make("squared-trace", "regressor", 1.0, ridge=ridge, tol=1e-10)
    naive = NaiveProblem(est.fit(X, y, tasks=tasks), X, y, None, tasks)
    A, b, M = cp.Variable((3, 3)), cp.Variable(3), cp.Variable((6, 6), PSD=True)
    # trace of the upper block >= trace(A Omega^-1 A'), by the Schur complement
    held = [M[:3, 3:] == A, cp.trace(M[3:, 3:]) == 1]
    objective = est.alpha / 2 * cp.trace(M[:3, :3]) + ridge / 2 * cp.sum_squares(A)
    for t in range(3):
        rows = tasks == t
        errors = y[rows] - X[rows] @ A[:, t] - b[t]
        objective += cp.sum_squares(errors) / (2 * rows.sum())
    best = oracles.minimise(objective + cp.transforms.indicator(held))
    assert naive.objective() == pytest.approx(best, rel=1e-6)


def test_signs_and_strangers_are_seen_in_the_correlations():
    data = make_multitask_regression(
        n_tasks=1, n_samples=200, n_features=4, noise=0.1, random_state=0
    )
    rng = np.random.default_rng(0)
    X = np.concatenate([data.X] * 3)
    y = np.concatenate([data.y, -data.y, rng.normal(size=200)])
    est = TaskRelationshipRegressor(alpha=1e-4)
    found = est.fit(X, y, tasks=np.repeat([0, 1, 2], 200)).task_correlation_
    assert found[0, 1] < -0.99
    assert np.all(np.abs(found[2, :2]) < 0.5)
    np.testing.assert_array_equal(np.diag(found), 1.0)


def test_tasks_of_a_target_that_nothing_explains_are_independent():
    X, _, tasks = draw()
    est = TaskRelationshipRegressor().fit(X, np.ones(len(X)), tasks=tasks)
    np.testing.assert_array_equal(est.task_covariance_, np.eye(3) / 3)
    np.testing.assert_array_equal(est.task_correlation_, np.eye(3))


@pytest.mark.parametrize("alpha", [1e-16, 1e-18, 1e-22])
@pytest.mark.parametrize("seed", range(3))
def test_next_to_nothing_beside_a_ridge(alpha, seed):
    data = make_multitask_regression(n_tasks=5, n_features=6, random_state=seed)
    est = TaskRelationshipRegressor(alpha=alpha, ridge=1.0, tol=1e-8)
    est.fit(data.X, data.y, tasks=data.tasks)
    for t in range(5):
        rows = data.tasks == t
        alone = Ridge(rows.sum()).fit(data.X[rows], data.y[rows])
        np.testing.assert_allclose(est.coef_[t], alone.coef_, rtol=0, atol=1e-2)
    assert np.isfinite(est.dual_gap_)


def test_there_is_no_largest_strength():
    X, y, tasks = draw()
    est = TaskRelationshipRegressor(alpha=1e6).fit(X, y, tasks=tasks)
    trace = TraceNormRegressor(alpha=1e6).fit(X, y, tasks=tasks)
    assert est.coef_.any()
    assert not trace.coef_.any()
