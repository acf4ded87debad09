"""Intercepts that are drawn to their mean, and slopes that are all the same."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression, Ridge

from mtlreg import (
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    regularization_path,
)
from tests.estimators.cases import draw

CLASSES = {
    "regressor": MeanRegularizedRegressor,
    "classifier": MeanRegularizedClassifier,
}
STRENGTHS = [(1.0, 0.1, 0.5), (0.3, 0.01, 5.0), (1.0, 0.05, 0.01)]
every_kind = pytest.mark.parametrize("kind", CLASSES)


def objective(kind, X, y, tasks, strengths, coef, b):
    """F written out, for tasks of equal weight."""
    alpha, alpha_mean, alpha_intercept = strengths
    loss = 0.0
    for t in range(len(b)):
        z = X[tasks == t] @ coef[t] + b[t]
        target = y[tasks == t]
        if kind == "regressor":
            loss += np.mean(0.5 * (target - z) ** 2)
        else:
            loss += np.mean(np.logaddexp(0.0, -(2 * target - 1) * z))
    mean = coef.mean(axis=0)
    return (
        loss
        + alpha / 2 * np.sum((coef - mean) ** 2)
        + alpha_mean / 2 * len(b) * np.sum(mean**2)
        + alpha_intercept / 2 * np.sum((b - b.mean()) ** 2)
    )


@every_kind
@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("solver", ["direct", "fista"])
def test_the_optimum_is_that_of_a_search(kind, strengths, solver):
    X, y, tasks = draw(kind)
    names = ("alpha", "alpha_mean", "alpha_intercept")
    own = dict(zip(names, strengths, strict=True))
    est = CLASSES[kind](**own, solver=solver, tol=1e-9).fit(X, y, tasks=tasks)

    def value(point):
        coef = point[: est.coef_.size].reshape(est.coef_.shape)
        b = point[est.coef_.size :]
        return objective(kind, X, y, tasks, strengths, coef, b)

    point = np.append(est.coef_.ravel(), est.intercept_)
    best = minimize(value, point, method="BFGS", options={"gtol": 1e-9}).fun
    assert value(point) - best <= est.dual_gap_ + 1e-13 * best


@every_kind
@pytest.mark.parametrize("alpha_intercept", [0.02, 3.0, np.inf])
@pytest.mark.parametrize("positive", [True, [True, False, True, False]])
def test_signs_are_of_the_slopes_alone(kind, alpha_intercept, positive):
    X, y, tasks = draw(kind)
    X[:, :3] *= -1
    # so that intercepts are negative
    X, y = (X, y - 20.0) if kind == "regressor" else (-X, 1 - y)
    strengths = 0.3, 0.05, alpha_intercept
    own = dict(zip(("alpha", "alpha_mean", "alpha_intercept"), strengths, strict=True))
    for given, weight in [(X, None), (sp.csr_array(X), [1.0, 2.0, 0.5, np.inf])]:
        est = CLASSES[kind](**own, positive=positive, feature_weight=weight, tol=1e-9)
        est.fit(given, y, tasks=tasks)
        signed = np.broadcast_to(positive, 4)
        assert est.coef_[:, signed].min() == 0
        assert est.coef_[:, signed].any()
        assert np.ptp(est.intercept_) > 0 or alpha_intercept == np.inf
        assert est.intercept_.min() < 0
        w = np.ones(4) if weight is None else np.where(np.isinf(weight), 0, weight)
        size, n_tasks = est.coef_.size, len(est.intercept_)

        scaled = X * np.divide(1, w, out=np.zeros(4), where=w > 0)
        # one intercept costs nothing
        costs = *strengths[:2], min(alpha_intercept, 1e9)

        def value(point, X=scaled, costs=costs, size=size, n_tasks=n_tasks):
            coef, b = point[:size].reshape(n_tasks, 4), point[size:]
            b = np.broadcast_to(b, n_tasks)
            return objective(kind, X, y, tasks, costs, coef, b)

        b = est.intercept_[:1] if alpha_intercept == np.inf else est.intercept_
        point = np.append((est.coef_ * w).ravel(), b)
        bounds = [(0.0 if s else None, None) for s in np.tile(signed, n_tasks)]
        bounds += [(None, None)] * len(b)
        options = {"ftol": 1e-15, "gtol": 1e-9}
        best = minimize(value, point, method="L-BFGS-B", bounds=bounds, options=options)
        assert value(point) - best.fun <= est.dual_gap_ + 1e-13 * best.fun
        assert est.dual_gap_ <= 1e-8 * best.fun


@every_kind
def test_the_ends_are_free_and_common_intercepts(kind):
    X, y, tasks = draw(kind)
    cls, names = CLASSES[kind], ("coef_", "intercept_")
    for end, near in [(0.0, 1e-9), (np.inf, 1e9)]:
        found = [
            cls(alpha_intercept=a, tol=1e-12).fit(X, y, tasks=tasks)
            for a in (end, near)
        ]
        for name in names:
            both = [getattr(est, name) for est in found]
            np.testing.assert_allclose(*both, rtol=1e-5, atol=1e-6)
    assert np.ptp(found[0].intercept_) == 0


@every_kind
def test_pooled_slopes_are_the_limit(kind):
    X, y, tasks = draw(kind)
    for alpha_intercept in (0.0, 0.5, np.inf):
        options = {"alpha_mean": 0.1, "alpha_intercept": alpha_intercept, "tol": 1e-12}
        pooled, near = (
            CLASSES[kind](alpha, **options).fit(X, y, tasks=tasks)
            for alpha in (np.inf, 1e9)
        )
        assert np.ptp(pooled.coef_, axis=0).max() == 0
        np.testing.assert_allclose(pooled.coef_, near.coef_, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(pooled.intercept_, near.intercept_, rtol=1e-5)


def test_everything_common_is_one_regression():
    X, y, tasks = draw()
    options = {"alpha_intercept": np.inf, "task_weight": "proportional"}
    est = MeanRegularizedRegressor(np.inf, alpha_mean=0.0, **options)
    est.fit(X, y, tasks=tasks)
    plain = LinearRegression().fit(X, y)
    np.testing.assert_allclose(est.coef_[0], plain.coef_, rtol=1e-10)
    np.testing.assert_allclose(est.intercept_, plain.intercept_, rtol=1e-10)
    # 1/2 T mean loss + alpha_mean/2 T ||m||^2
    est.set_params(alpha_mean=0.2).fit(X, y, tasks=tasks)
    ridge = Ridge(0.2 * len(y)).fit(X, y)
    np.testing.assert_allclose(est.coef_[0], ridge.coef_, rtol=1e-10)


@every_kind
def test_tables_in_other_forms_give_the_same(kind):
    X, y, tasks = draw(kind)
    est = CLASSES[kind](alpha_intercept=0.5, tol=1e-10).fit(X, y, tasks=tasks)
    sparse = CLASSES[kind](alpha_intercept=0.5, tol=1e-10)
    sparse.fit(sp.coo_array(X), y, tasks=tasks)
    np.testing.assert_allclose(sparse.coef_, est.coef_, rtol=1e-7)
    weight = np.arange(len(y)) % 3
    heavy = CLASSES[kind](alpha_intercept=0.5, tol=1e-10)
    heavy.fit(X, y, sample_weight=weight, tasks=tasks)
    repeated = [np.repeat(part, weight, axis=0) for part in (X, y, tasks)]
    copies = CLASSES[kind](alpha_intercept=0.5, tol=1e-10)
    copies.fit(*repeated[:2], tasks=repeated[2])
    np.testing.assert_allclose(heavy.coef_, copies.coef_, rtol=1e-6)
    np.testing.assert_allclose(heavy.intercept_, copies.intercept_, rtol=1e-6)
    single = CLASSES[kind](alpha_intercept=0.5).fit(
        X.astype(np.float32), y, tasks=tasks
    )
    assert single.intercept_.dtype == single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, est.coef_, atol=5e-3)


def test_columns_of_y_with_holes_are_stacked_rows():
    X, Y, _ = draw(layout="columns")
    Y[::4, 1] = np.nan
    est = MeanRegularizedRegressor(alpha_intercept=0.5, tol=1e-12).fit(X, Y)
    held = np.isfinite(Y)
    rows, tasks = np.nonzero(held)
    stacked = MeanRegularizedRegressor(alpha_intercept=0.5, tol=1e-12)
    stacked.fit(X[rows], Y[held], tasks=tasks)
    np.testing.assert_allclose(est.coef_, stacked.coef_, rtol=1e-9)
    np.testing.assert_allclose(est.intercept_, stacked.intercept_, rtol=1e-9)


def test_a_target_far_from_0_moves_the_intercepts_alone():
    X, y, tasks = draw()
    near = MeanRegularizedRegressor(alpha_intercept=0.5).fit(X, y, tasks=tasks)
    far = MeanRegularizedRegressor(alpha_intercept=0.5).fit(X, y + 2.0**33, tasks=tasks)
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-5)
    np.testing.assert_allclose(far.intercept_ - 2.0**33, near.intercept_, rtol=1e-5)


def test_unseen_tasks_get_the_mean_intercept():
    X, y, tasks = draw()
    est = MeanRegularizedRegressor(alpha_intercept=2.0, unseen_task="mean")
    est.fit(X, y, tasks=tasks)
    found = est.predict(X[:5], tasks=np.full(5, 9))
    expected = X[:5] @ est.mean_coef_ + est.intercept_.mean()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_tasks_of_one_class_stay_in_the_problem():
    X, y, tasks = draw("classifier")
    y[tasks == 1] = 1
    est = MeanRegularizedClassifier(alpha_intercept=0.1, tol=1e-9)
    est.fit(X, y, tasks=tasks)
    assert est.intercept_[1] > est.intercept_[[0, 2]].max()
    wider = MeanRegularizedClassifier(alpha_intercept=1e-3, tol=1e-9)
    wider.fit(X, y, tasks=tasks)
    assert wider.intercept_[1] > est.intercept_[1]
    y[:] = 1
    y[0] = 0
    est.fit(X, y, tasks=tasks)
    assert est.dual_gap_ < 1e-6


@every_kind
def test_a_warm_start_is_at_the_end_at_once(kind):
    X, y, tasks = draw(kind)
    options = {"alpha_intercept": 0.5, "solver": "fista", "warm_start": True}
    est = CLASSES[kind](**options).fit(X, y, tasks=tasks)
    assert est.n_iter_ > 1
    assert est.fit(X, y, tasks=tasks).n_iter_ == 1


def test_paths_keep_the_ratio():
    X, y, tasks = draw()
    est = MeanRegularizedRegressor(0.5, alpha_mean=0.05, alpha_intercept=0.25)
    path = regularization_path(est, X, y, tasks=tasks, alphas=[1.0, 0.1])
    alone = MeanRegularizedRegressor(0.1, alpha_mean=0.01, alpha_intercept=0.05)
    alone.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(path.coef[1], alone.coef_, rtol=1e-5)
    np.testing.assert_allclose(path.intercept[1], alone.intercept_, rtol=1e-5)


def test_what_is_refused():
    X, y, tasks = draw()
    est = MeanRegularizedRegressor(alpha_intercept=0.5, fit_intercept=False)
    with pytest.raises(ValueError, match=r"alpha_intercept=0\.5 shrinks intercepts"):
        est.fit(X, y, tasks=tasks)
    for params, remedy in [({"alpha": np.inf}, "less than"), ({}, "set alpha_mean")]:
        est = MeanRegularizedRegressor(alpha_mean=0.0, alpha_intercept=0.5)
        with pytest.raises(ValueError, match=rf"positive needs .* {remedy}"):
            est.set_params(positive=True, **params).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="no path from alpha=inf"):
        regularization_path(MeanRegularizedRegressor(np.inf), X, y, tasks=tasks)


@every_kind
@pytest.mark.parametrize("alpha_intercept", [0.4, np.inf])
def test_a_ridge_is_of_the_slopes_alone(kind, alpha_intercept):
    X, y, tasks = draw(kind)
    given = {"alpha_intercept": alpha_intercept, "tol": 1e-12}
    both = CLASSES[kind](0.3, alpha_mean=0.1, ridge=0.2, **given)
    one = CLASSES[kind](0.5, alpha_mean=0.3, **given)
    for est in (both, one):
        est.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(both.coef_, one.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(both.intercept_, one.intercept_, rtol=0, atol=1e-6)
