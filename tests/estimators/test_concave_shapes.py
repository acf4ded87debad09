"""Shapes that flatten out: stationary points, what bounds them, and their corners."""

import cvxpy as cp
import dask
import numpy as np
import pytest
from sklearn.base import clone

from mtlreg import (
    GroupLassoClassifier,
    GroupLassoRegressor,
    GroupLassoRegressorCV,
    PenalizedRegressor,
    alpha_max,
    distributed,
    regularization_path,
)
from mtlreg.datasets import make_multitask_regression
from mtlreg.penalties.concave import ConcaveL21
from tests import oracles
from tests.estimators.cases import draw

every_shape = pytest.mark.parametrize("shape", ["log", "mcp"])


def cost(r, alpha, shape, gamma=3.0):
    eps = gamma * alpha
    if shape == "log":
        return alpha * eps * np.log(1 + r / eps)
    return np.where(r <= eps, alpha * (r - r**2 / (2 * eps)), alpha * eps / 2)


def slope(r, alpha, shape, gamma=3.0):
    eps = gamma * alpha
    return (
        alpha / (1 + r / eps) if shape == "log" else alpha * np.maximum(1 - r / eps, 0)
    )


def rows(X, y, tasks):
    return [(X[tasks == t], y[tasks == t]) for t in np.unique(tasks)]


def data_term(est, X, y, tasks):
    """The loss at a fit, and minus its gradient, (d, T)."""
    total, slopes = 0.0, []
    for t, (Xt, yt) in enumerate(rows(X, y, tasks)):
        z = Xt @ est.coef_[t] + est.intercept_[t]
        if hasattr(est, "classes_"):
            signs = 2 * yt - 1
            total += np.mean(np.log1p(np.exp(-signs * z)))
            slopes.append(Xt.T @ (signs / (1 + np.exp(signs * z))) / len(yt))
        else:
            total += np.mean((yt - z) ** 2) / 2
            slopes.append(Xt.T @ (yt - z) / len(yt))
    return total, np.stack(slopes, axis=1)


@every_shape
@pytest.mark.parametrize("cls", [GroupLassoRegressor, GroupLassoClassifier])
def test_fits_are_stationary_and_below_the_convex_one(cls, shape):
    kind = "classifier" if cls is GroupLassoClassifier else "regressor"
    X, y, tasks = draw(kind, n=300, d=6)
    X[:, :3] += 0.5 * X[:, 3:]
    alpha = 0.4 * alpha_max(cls(), X, y, tasks=tasks)
    est = cls(alpha, shape=shape, tol=1e-9).fit(X, y, tasks=tasks)
    convex = cls(alpha, tol=1e-9).fit(X, y, tasks=tasks)
    values = []
    for fit in (est, convex):
        loss, _ = data_term(fit, X, y, tasks)
        values.append(
            loss + np.sum(cost(np.linalg.norm(fit.coef_, axis=0), alpha, shape))
        )
    assert values[0] < values[1] * (1 - 1e-4)
    _, G = data_term(est, X, y, tasks)
    r = np.linalg.norm(est.coef_, axis=0)
    assert est.support_.any()
    for j in range(6):
        if r[j] > 0:
            expected = slope(r[j], alpha, shape) * est.coef_[:, j] / r[j]
            np.testing.assert_allclose(G[j], expected, rtol=0, atol=1e-3 * alpha)
        else:
            assert np.linalg.norm(G[j]) <= alpha
    assert not hasattr(est, "dual_gap_")
    null = cls(3 * alpha).fit(X, y, tasks=tasks)
    assert 0 <= est.optimality_ <= 1e-9 * data_term(null, X, y, tasks)[0]
    assert not hasattr(convex, "optimality_")


@every_shape
def test_optimality_is_a_gap_of_the_tangent(shape):
    X, y, tasks = draw(d=5)
    est = GroupLassoRegressor(0.4, shape=shape, tol=1e-3).fit(X, y, tasks=tasks)
    weight = slope(np.linalg.norm(est.coef_, axis=0), 0.4, shape)
    A, b = cp.Variable((5, 3)), cp.Variable(3)
    F = sum(weight[j] * cp.norm2(A[j]) for j in range(5))
    for t, (Xt, yt) in enumerate(rows(X, y, tasks)):
        F += cp.sum_squares(yt - Xt @ A[:, t] - b[t]) / (2 * len(yt))
    least = oracles.minimise(F)
    here = data_term(est, X, y, tasks)[0] + weight @ np.linalg.norm(est.coef_, axis=0)
    assert est.optimality_ >= here - least - 1e-9
    F0 = np.sum([np.var(yt) / 2 for _, yt in rows(X, y, tasks)])
    assert est.optimality_ <= 1e-3 * F0


def test_mcp_of_one_task_and_orthogonal_features_is_firm_thresholding():
    rng = np.random.default_rng(0)
    X, _ = np.linalg.qr(rng.normal(size=(40, 6)))
    X = np.sqrt(40) * X
    z = np.array([3.0, -2.0, 1.3, 1.05, -0.9, 0.2])
    est = GroupLassoRegressor(
        1.0, shape="mcp", gamma=2.5, fit_intercept=False, tol=1e-12
    )
    est.fit(X, X @ z)
    firm = np.sign(z) * np.maximum(np.abs(z) - 1, 0) / (1 - 1 / 2.5)
    expected = np.where(np.abs(z) > 2.5, z, firm)
    np.testing.assert_allclose(est.coef_[0], expected, atol=1e-5)


@every_shape
def test_corners_and_scales(shape):
    X, y, tasks = draw(d=5)
    fit = {"X": X, "y": y, "tasks": tasks}
    convex = GroupLassoRegressor(0.3, tol=1e-10).fit(**fit)
    near = clone(convex).set_params(shape=shape, gamma=1e9).fit(**fit)
    np.testing.assert_allclose(near.coef_, convex.coef_, atol=1e-6)
    largest = alpha_max(near, **fit)
    assert largest == alpha_max(convex, **fit)
    assert not GroupLassoRegressor(largest, shape=shape).fit(**fit).coef_.any()
    est = GroupLassoRegressor(0.3, shape=shape, tol=1e-10).fit(**fit)
    other = GroupLassoRegressor(30.0, shape=shape, tol=1e-10)
    other.fit(X, 100 * y, tasks=tasks)
    np.testing.assert_allclose(other.coef_, 100 * est.coef_, rtol=1e-4, atol=1e-4)
    single = clone(est).fit(X.astype(np.float32), y, tasks=tasks)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, est.coef_, atol=1e-2)


@every_shape
def test_options_and_other_ways_to_the_same_fit(shape):
    X, y, tasks = draw(d=5)
    weight = np.array([2.0, 0.0, np.inf, 0.5, 1.0])
    params = {"shape": shape, "feature_weight": weight, "ridge": 0.1, "tol": 1e-9}
    est = GroupLassoRegressor(0.3, **params).fit(X, y, tasks=tasks)
    assert est.optimality_ <= 1e-7
    assert est.coef_[:, 1].all()
    assert not est.coef_[:, 2].any()
    _, G = data_term(est, X, y, tasks)
    G -= 0.1 * est.coef_.T
    for j in (0, 1, 3, 4):
        r, w = np.linalg.norm(est.coef_[:, j]), weight[j]
        if r > 0:
            expected = w * slope(w * r, 0.3, shape) * est.coef_[:, j] / r
            np.testing.assert_allclose(G[j], expected, rtol=0, atol=1e-4)
    held = PenalizedRegressor(
        ConcaveL21(0.3, shape), **{k: v for k, v in params.items() if k != "shape"}
    ).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(held.coef_, est.coef_, atol=1e-8)
    fista = clone(est).set_params(solver="fista").fit(X, y, tasks=tasks)
    np.testing.assert_allclose(fista.coef_, est.coef_, atol=1e-3)
    path = regularization_path(est, X, y, tasks=tasks, alphas=[0.6, 0.3])
    np.testing.assert_allclose(path.coef[1], est.coef_, atol=1e-3)
    search = GroupLassoRegressorCV(alphas=[0.3, 0.03, 3.0], **params)
    search.fit(X, y, tasks=tasks)
    assert search.optimality_ >= 0
    assert not hasattr(search, "dual_gap_")
    if shape == "log":
        signed = GroupLassoRegressor(0.3, shape=shape, positive=True)
        assert np.all(signed.fit(X, y, tasks=tasks).coef_ >= 0)


def test_large_rows_are_shrunken_less():
    data = make_multitask_regression(
        n_tasks=6, n_features=30, n_informative=4, n_samples=60, random_state=0
    )
    errors = {}
    for shape in ("convex", "log", "mcp"):
        est = GroupLassoRegressor(0.7, shape=shape)
        est.fit(data.X, data.y, tasks=data.tasks)
        assert np.array_equal(est.support_, data.coef.any(axis=0))
        errors[shape] = np.linalg.norm(est.coef_ - data.coef)
    assert errors["mcp"] < errors["log"] < errors["convex"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"shape": "log", "l1_ratio": 0.5}, "set l1_ratio=0 and norm='l2'"),
        ({"shape": "mcp", "norm": "linf"}, "set l1_ratio=0 and norm='l2'"),
        ({"shape": "scad"}, "shape must be one of"),
        ({"shape": "log", "gamma": 0.0}, "gamma"),
        ({"shape": "mcp", "positive": True}, "set positive=False or shape='log'"),
    ],
)
def test_what_does_not_go_together(params, message):
    X, y, tasks = draw()
    with pytest.raises(ValueError, match=message):
        GroupLassoRegressor(**params).fit(X, y, tasks=tasks)


@every_shape
def test_parts_of_the_rows(shape):
    X, y, tasks = draw(d=5)
    est = GroupLassoRegressor(0.3, shape=shape, tol=1e-9)
    whole = clone(est).fit(X, y, tasks=tasks)
    for part in (slice(0, 20), slice(20, 60)):
        est.partial_fit(X[part], y[part], tasks=tasks[part])
    np.testing.assert_allclose(est.coef_, whole.coef_, rtol=1e-8)
    assert est.optimality_ >= 0
    given = {"X": X, "y": np.sign(y), "tasks": tasks}
    chunks = {k: [dask.delayed(lambda part: part)(v)] for k, v in given.items()}
    with pytest.raises(ValueError, match=r"not convex.*fit with these.*'convex'"):
        distributed.fit(GroupLassoClassifier(shape=shape), **chunks)


@every_shape
def test_majorants_touch_the_penalty_from_above(shape):
    rng = np.random.default_rng(0)
    weight = np.array([1.0, 2.0, 0.5, 0.0])
    penalty = ConcaveL21(0.7, shape, 2.0, feature_weight=weight, ridge=0.3)
    A = rng.normal(size=(4, 3)) * [[0.1], [1], [9], [1]]
    r = np.linalg.norm(A, axis=1)
    expected = np.sum(cost(weight * r, 0.7, shape, 2.0)) + 0.15 * np.sum(A**2)
    assert penalty.value(A) == pytest.approx(expected)
    bound = penalty.majorant(A)
    constant = penalty.value(A) - bound.value(A)
    for scale in (0.01, 0.3, 1, 3):
        B = A + scale * rng.normal(size=A.shape)
        assert bound.value(B) + constant >= penalty.value(B)
        nearer = A + 1e-6 * (B - A)
        change = bound.value(nearer) + constant - penalty.value(nearer)
        assert change <= 1e-8
    some = penalty.restrict(features=np.array([0, 2]))
    assert some.value(A[[0, 2]]) == pytest.approx(
        penalty.value(A) - penalty.restrict(features=np.array([1, 3])).value(A[[1, 3]])
    )
    with pytest.raises(NotImplementedError, match="majorants"):
        penalty.prox(A, 1.0)
