"""Fits that have to agree with scikit-learn, or with each other at a limit.

Both sides are solved at tol = 1e-10; see `assert_as_good` for how they are compared.
Coefficients are compared where the optimum is unique.
"""

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LogisticRegression, MultiTaskLasso, Ridge

from mtlreg import (
    DirtyModelRegressor,
    GroupLassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
)
from tests.estimators.cases import KINDS, STEMS, draw, make
from tests.estimators.naive import TOL, assert_as_good


def stack(fits):
    coef = np.stack([np.ravel(fit.coef_) for fit in fits])
    return coef, np.array([float(np.ravel(fit.intercept_)[0]) for fit in fits])


def rows_of_tasks(X, y, tasks):
    return [(X[tasks == t], y[tasks == t]) for t in np.unique(tasks)]


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 0.3, 1.5])
def test_multi_task_lasso(fit_intercept, weighted, alpha):
    X, Y, _ = draw(n=50, d=12, n_tasks=5, layout="columns")
    weight = np.random.default_rng(1).uniform(0.1, 2, size=50) if weighted else None
    options = {"fit_intercept": fit_intercept, "tol": TOL}
    est = GroupLassoRegressor(alpha, **options).fit(X, Y, weight)
    # its target is tol ||Y||^2 for the sum of squares, not half the mean
    other = MultiTaskLasso(alpha, fit_intercept=fit_intercept, tol=TOL / 4)
    other.fit(X, Y, sample_weight=weight)
    intercept = np.broadcast_to(other.intercept_, 5)
    assert_as_good(est, other.coef_, intercept, X, Y, weight)
    np.testing.assert_array_equal(est.coef_ != 0, other.coef_ != 0)
    np.testing.assert_allclose(est.coef_, other.coef_, rtol=0, atol=1e-5)


ROW_GAUGES = ["l21", "l1linf", "l1", "sparse-l2", "sparse-linf"]


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("penalty", [*ROW_GAUGES, "dirty-linf", "dirty-l2"])
def test_one_task_is_the_lasso(penalty, fit_intercept):
    X, y, _ = draw(layout="single", d=10)
    options = {"fit_intercept": fit_intercept, "tol": TOL}
    est = make(penalty, "regressor", **options).fit(X, y)
    # the default alpha, and the smaller one of the dirty model
    lasso = Lasso(0.1, fit_intercept=fit_intercept, tol=TOL / 4).fit(X, y)
    assert_as_good(est, *stack([lasso]), X, y)
    np.testing.assert_allclose(est.coef_[0], lasso.coef_, rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_l1_ratio_1_is_a_lasso_for_every_task(layout, norm):
    X, y, tasks = draw(n=90, d=8, n_tasks=4, layout=layout)
    options = {"l1_ratio": 1, "norm": norm, "tol": TOL}
    est = GroupLassoRegressor(0.2, **options).fit(X, y, tasks=tasks)
    if layout == "rows":
        blocks = rows_of_tasks(X, y, tasks)
    else:
        blocks = [(X, column) for column in y.T]
    lassos = [Lasso(0.2, tol=TOL / 8).fit(*block) for block in blocks]
    assert_as_good(est, *stack(lassos), X, y, tasks=tasks)
    assert not np.array_equal(est.support_, (est.coef_ != 0).all(axis=0))


@pytest.mark.parametrize("solver", ["direct", "fista"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_equal_strengths_are_independent_ridges(layout, fit_intercept, solver):
    X, y, tasks = draw(n=70, layout=layout)
    options = {"fit_intercept": fit_intercept, "tol": TOL, "solver": solver}
    est = MeanRegularizedRegressor(0.3, alpha_mean=0.3, **options)
    est.fit(X, y, tasks=tasks)
    if layout == "rows":
        blocks = rows_of_tasks(X, y, tasks)
    else:
        blocks = [(X, column) for column in y.T]
    ridges = [
        Ridge(0.3 * len(target), fit_intercept=fit_intercept).fit(rows, target)
        for rows, target in blocks
    ]
    coef, intercept = stack(ridges)
    assert_as_good(est, coef, intercept, X, y, tasks=tasks)
    atol = 1e-12 if solver == "direct" else 1e-4
    np.testing.assert_allclose(est.coef_, coef, rtol=0, atol=atol)
    np.testing.assert_allclose(est.intercept_, intercept, rtol=0, atol=atol)


def test_equal_strengths_are_independent_logistic_regressions():
    X, y, tasks = draw("classifier", n=90)
    est = MeanRegularizedClassifier(0.2, alpha_mean=0.2, tol=TOL)
    est.fit(X, y, tasks=tasks)
    others = [
        LogisticRegression(C=1 / (0.2 * len(target)), tol=1e-9, max_iter=1000).fit(
            rows, target
        )
        for rows, target in rows_of_tasks(X, y, tasks)
    ]
    assert_as_good(est, *stack(others), X, y, tasks=tasks)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("kind", KINDS)
def test_dirty_without_specific_part(kind, norm):
    X, y, tasks = draw(kind, n=90, d=6)
    dirty = STEMS["DirtyModel"][KINDS.index(kind)](0.05, 0.0501, norm=norm, tol=TOL)
    group = STEMS["GroupLasso"][KINDS.index(kind)](0.05, norm=norm, tol=TOL)
    group.fit(X, y, tasks=tasks)
    dirty.fit(X, y, tasks=tasks)
    assert not dirty.specific_coef_.any()
    np.testing.assert_array_equal(dirty.shared_coef_, dirty.coef_)
    assert_as_good(dirty, group.coef_, group.intercept_, X, y, tasks=tasks)


@pytest.mark.parametrize(("norm", "bound"), [("l2", np.sqrt(3)), ("linf", 3.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_dirty_without_shared_part(kind, norm, bound):
    X, y, tasks = draw(kind, n=90, d=6)
    strengths = (1.001 * bound * 0.05, 0.05)
    dirty = STEMS["DirtyModel"][KINDS.index(kind)](*strengths, norm=norm, tol=TOL)
    lasso = STEMS["GroupLasso"][KINDS.index(kind)](0.05, l1_ratio=1, tol=TOL)
    lasso.fit(X, y, tasks=tasks)
    dirty.fit(X, y, tasks=tasks)
    assert not dirty.shared_coef_.any()
    np.testing.assert_array_equal(dirty.specific_coef_, dirty.coef_)
    assert_as_good(dirty, lasso.coef_, lasso.intercept_, X, y, tasks=tasks)


def test_dirty_between_its_corners_uses_both_parts():
    X, y, tasks = draw(n=90, d=6)
    est = DirtyModelRegressor(0.3, 0.2).fit(X, y, tasks=tasks)
    assert est.shared_coef_.any()
    assert est.specific_coef_.any()


def pooled(X, y, tasks, alpha_mean, weights=None):
    """One slope vector with an intercept for each task."""
    d, n_tasks = X.shape[1], len(np.unique(tasks))
    H, q = n_tasks * alpha_mean * np.eye(d), np.zeros(d)
    for t, (rows, target) in enumerate(rows_of_tasks(X, y, tasks)):
        c = 1.0 if weights is None else weights[t]
        rows, target = rows - rows.mean(axis=0), target - target.mean()
        H += c / len(rows) * rows.T @ rows
        q += c / len(rows) * rows.T @ target
    return np.linalg.lstsq(H, q, rcond=1e-12)[0]


@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0, 0.5])])
@pytest.mark.parametrize("alpha_mean", [0.0, 0.1])
def test_one_slope_vector_for_a_large_alpha(alpha_mean, weights):
    X, y, tasks = draw(n=80)
    rule = "equal" if weights is None else weights
    est = MeanRegularizedRegressor(1e12, alpha_mean=alpha_mean, task_weight=rule)
    est.fit(X, y, tasks=tasks)
    slope = pooled(X, y, tasks, alpha_mean, weights)
    np.testing.assert_allclose(est.coef_, np.tile(slope, (3, 1)), rtol=1e-10)
    for t, (rows, target) in enumerate(rows_of_tasks(X, y, tasks)):
        own = target.mean() - rows.mean(axis=0) @ slope
        assert est.intercept_[t] == pytest.approx(own, rel=1e-10)


def test_alpha_mean_0_is_the_limit():
    X, y, tasks = draw(n=80)
    free = MeanRegularizedRegressor(0.5, alpha_mean=0).fit(X, y, tasks=tasks)
    for alpha_mean in (1e-6, 1e-9):
        est = MeanRegularizedRegressor(0.5, alpha_mean=alpha_mean)
        est.fit(X, y, tasks=tasks)
        np.testing.assert_allclose(est.coef_, free.coef_, rtol=0, atol=5 * alpha_mean)


def test_alpha_mean_0_takes_the_mean_of_minimum_norm():
    X, y, tasks = draw(n=30, d=4, seed=1)
    # twice the same feature: only the sum of the two mean slopes is determined
    twice = np.column_stack([X, X[:, 0]])
    est = MeanRegularizedRegressor(0.5, alpha_mean=0).fit(twice, y, tasks=tasks)
    limit = MeanRegularizedRegressor(0.5, alpha_mean=1e-7).fit(twice, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, limit.coef_, rtol=0, atol=1e-5)
    assert est.mean_coef_[0] == pytest.approx(est.mean_coef_[4], rel=1e-9)


def test_logistic_alpha_mean_0_is_the_limit():
    X, y, tasks = draw("classifier", n=90)
    y = np.where(np.random.default_rng(0).uniform(size=90) < 0.2, 1 - y, y)
    options = {"tol": TOL}
    free = MeanRegularizedClassifier(0.5, alpha_mean=0, **options)
    near = MeanRegularizedClassifier(0.5, alpha_mean=1e-8, **options)
    free.fit(X, y, tasks=tasks)
    near.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(free.coef_, near.coef_, rtol=0, atol=1e-4)
