"""The robust mean: optima, the pooled fit, outliers, what has no data."""

import cvxpy as cp
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from mtlreg import RobustMeanRegressor, alpha_max
from mtlreg.datasets import make_multitask_regression
from mtlreg.estimators import STEMS
from mtlreg.penalties import Consensus
from tests import oracles
from tests.estimators.cases import KINDS, draw, penalty_of
from tests.estimators.naive import NaiveProblem


def model(kind, alpha, **params):
    cls = STEMS["RobustMean"][KINDS.index(kind)]
    return cls(alpha, **{"tol": 1e-9} | params)


def overlapping(kind, **options):
    """Tasks around a center, with classes that overlap."""
    X, y, tasks = draw(kind, **options)
    if kind == "classifier":
        y = np.where(np.arange(len(y)) % 7 == 0, 1 - y, y)
    return X, y, tasks


@pytest.mark.parametrize("ridge", [0.0, 0.05])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_is_that_of_cvxpy(seed, kind, ridge):
    X, y, tasks = overlapping(kind, n=200, n_tasks=5, seed=seed)
    largest = alpha_max(model(kind, 1.0, ridge=ridge), X, y, tasks=tasks)
    est = model(kind, 0.4 * largest, ridge=ridge).fit(X, y, tasks=tasks)
    naive = NaiveProblem(est, X, y, None, tasks)
    A, b, m = cp.Variable((4, 5)), cp.Variable(5), cp.Variable(4)
    F = est.alpha * sum(cp.norm2(A[:, t] - m) for t in range(5))
    F += ridge / 2 * cp.sum_squares(A)
    for t, (Z, target, v) in enumerate(naive.blocks):
        z = Z @ A[:, t] + b[t]
        loss = cp.logistic(-cp.multiply(target, z))
        F += v @ (loss if naive.logistic else cp.square(target - z) / 2)
    assert naive.objective() == pytest.approx(oracles.minimise(F), rel=1e-6)
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=1e-5, abs=1e-14)
    deviations = est.coef_ - est.center_coef_
    np.testing.assert_allclose(deviations, est.specific_coef_, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(est.outlier_tasks_, est.specific_coef_.any(axis=1))
    assert est.outlier_tasks_.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_all_tasks_are_at_the_center_from_alpha_max_on(kind, ridge):
    X, y, tasks = overlapping(kind)
    largest = alpha_max(model(kind, 1.0, ridge=ridge), X, y, tasks=tasks)
    for factor in (1.0, 10.0):
        est = model(kind, factor * largest, ridge=ridge).fit(X, y, tasks=tasks)
        assert est.n_iter_ == 1
        assert not est.outlier_tasks_.any()
        np.testing.assert_array_equal(est.coef_, est.coef_[[0] * 3])
        np.testing.assert_array_equal(est.center_coef_, est.coef_[0])
    below = model(kind, 0.99 * largest, ridge=ridge).fit(X, y, tasks=tasks)
    assert below.outlier_tasks_.any()
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(below.coef_[0], below.coef_[1], rtol=1e-6)


def test_the_center_alone_is_the_pooled_fit():
    X, y, tasks = draw(n=90)
    pooled = np.column_stack([X, np.eye(3)[tasks]])
    # 30 rows a task: their mean losses add up to the sum over the rows
    least = LinearRegression(fit_intercept=False).fit(pooled, y).coef_
    est = model("regressor", 1e6, ridge=0.0).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.center_coef_, least[:4], rtol=1e-10)
    np.testing.assert_allclose(est.intercept_, least[4:], rtol=1e-8)
    assert est.dual_gap_ <= 1e-12


def test_one_task_is_not_penalised_but_by_the_ridge():
    X, y, _ = draw(layout="single")
    est = RobustMeanRegressor(5.0, ridge=0.0).fit(X, y)
    np.testing.assert_allclose(est.coef_[0], LinearRegression().fit(X, y).coef_)
    assert alpha_max(est, X, y) == 0


def test_fewer_rows_than_features_have_the_shortest_center():
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(12, 20)), np.arange(12) % 3
    y = X @ rng.normal(size=20)
    est = RobustMeanRegressor(1e3, ridge=0.0, fit_intercept=False)
    est.fit(X, y, tasks=tasks)
    shortest = np.linalg.lstsq(X, y)[0]
    np.testing.assert_allclose(est.center_coef_, shortest, rtol=0, atol=1e-10)


def test_outliers_are_found_and_do_not_move_the_center():
    data = make_multitask_regression(
        n_tasks=10, n_samples=100, structure="mean", random_state=0
    )
    X, tasks = data.X, data.tasks
    rng = np.random.default_rng(0)
    center = rng.normal(size=20)
    y = X @ center + rng.normal(size=len(X))
    found = []
    for size in (5.0, 500.0):
        far = np.where(tasks == 3, y + size * X.sum(axis=1), y)
        est = RobustMeanRegressor(1.5).fit(X, far, tasks=tasks)
        assert est.tasks_[est.outlier_tasks_].tolist() == [3]
        found.append(np.linalg.norm(est.center_coef_ - center))
    assert found[1] < 1.5 * found[0] < 1.0


def test_the_center_in_the_units_of_targets():
    X, y, tasks = draw(n=120)
    est = model("regressor", 1e3, normalize_y=True)
    est.fit(X, y * np.array([1.0, 10.0, 100.0])[tasks], tasks=tasks)
    common = est.coef_ / est.y_scale_[:, None]
    np.testing.assert_allclose(common, common[[0] * 3], rtol=1e-12)
    np.testing.assert_allclose(est.center_coef_, est.coef_.mean(axis=0), rtol=1e-12)
    assert not est.outlier_tasks_.any()


def test_features_have_weights_but_no_signs():
    X, y, tasks = draw(n=120)
    est = model("regressor", 0.5, ridge=0.0, feature_weight=[0.5, 1, 2, 4])
    est.fit(X, y, tasks=tasks)
    scaled = model("regressor", 0.5, ridge=0.0)
    scaled.fit(X / np.array([0.5, 1, 2, 4]), y, tasks=tasks)
    found = scaled.coef_ / np.array([0.5, 1, 2, 4])
    np.testing.assert_allclose(est.coef_, found, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="Consensus is not: set positive=False"):
        model("regressor", 0.5, positive=True).fit(X, y, tasks=tasks)


@pytest.mark.parametrize("solver", ["auto", "fista"])
def test_warm_starts_and_float32_end_at_the_same_optimum(solver):
    X, y, tasks = draw(n=120)
    cold = model("regressor", 0.3, solver=solver).fit(X, y, tasks=tasks)
    warm = model("regressor", 0.6, solver=solver, warm_start=True)
    warm.fit(X, y, tasks=tasks).set_params(alpha=0.3).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(warm.coef_, cold.coef_, rtol=0, atol=1e-4)
    assert warm.n_iter_ <= cold.n_iter_
    single = model("regressor", 0.3, tol=1e-5).fit(X.astype("f4"), y, tasks=tasks)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, cold.coef_, rtol=0, atol=0.05)


def test_consensus_is_one_column():
    A = np.random.default_rng(0).normal(size=(4, 3))
    P = Consensus().prox(A, 0.3)
    np.testing.assert_allclose(P, np.repeat(A.mean(axis=1)[:, None], 3, axis=1))
    assert Consensus().value(P) == 0
    assert Consensus().inside(P) is P
    assert Consensus().value(A) == np.inf
    assert penalty_of(RobustMeanRegressor()).polar(P) <= 1e-14
