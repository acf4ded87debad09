"""Similarities, ranks and shares of fitted coefficients; the test of poolability."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal
from sklearn.exceptions import NotFittedError

from mtlreg import GroupLassoRegressor, MeanRegularizedRegressor
from mtlreg.datasets import make_multitask_regression
from mtlreg.inspection import (
    between_task_share,
    effective_rank,
    outlier_scores,
    poolability_test,
    task_similarity,
)


def fitted(coef, cls=MeanRegularizedRegressor):
    """An estimator with these coefficients, as a fit leaves it."""
    coef = np.array(coef, dtype=float)
    n_tasks, d = coef.shape
    X = np.random.default_rng(0).normal(size=(2 * n_tasks, d))
    model = cls().fit(X, X[:, 0], tasks=np.repeat(np.arange(n_tasks), 2))
    model.coef_ = coef
    return model


def test_metrics():
    model = fitted([[1, 1, 0], [2, 2, 0], [-1, -1, 0], [0, 0, 3], [1, 0, 0]])
    found = {
        name: task_similarity(model, name).similarity
        for name in ("cosine", "correlation", "support", "subspace")
    }
    assert found["cosine"][0, :4].tolist() == pytest.approx([1, 1, -1, 0])
    assert found["cosine"][0, 4] == pytest.approx(np.sqrt(0.5))
    expected = np.corrcoef(model.coef_)
    np.testing.assert_allclose(found["correlation"], expected, atol=1e-12)
    assert found["support"][0].tolist() == [1, 1, 1, 0, 0.5]
    np.testing.assert_allclose(found["subspace"], np.abs(found["cosine"]))
    for values in found.values():
        np.testing.assert_array_equal(np.diag(values), 1.0)
        np.testing.assert_allclose(values, values.T, atol=1e-15)


def test_order_puts_like_tasks_side_by_side():
    a, b = np.array([1.0, 0.2, 0.0]), np.array([0.0, 0.3, 1.0])
    model = fitted([a, b, 1.1 * a + 0.01, b + 0.02, [0, 0, 0], a - 0.01])
    found = task_similarity(model)
    assert found.order[-1] == 4  # which has no direction
    groups = [int(task in (0, 2, 5)) for task in found.order[:-1]]
    assert sorted(groups) in (groups, groups[::-1])
    assert np.isnan(found.similarity[4]).all()
    frame = found.to_frame()
    assert frame.index.tolist() == found.order.tolist()
    assert frame.iloc[0, 0] == 1.0
    assert found.linkage.shape == (4, 4)
    single = task_similarity(fitted([[1.0, 2.0]]))
    assert single.order.tolist() == [0]


def test_effective_rank():
    assert effective_rank(fitted(np.eye(3))) == pytest.approx(3)
    line = np.outer([1.0, 2.0, -1.0], [1.0, 1.0])
    assert effective_rank(fitted(line)) == pytest.approx(1)
    assert effective_rank(fitted(np.zeros((2, 3)))) == 0
    # p = 3/4 and 1/4
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert effective_rank(fitted(np.diag([3.0, 1.0]))) == pytest.approx(expected)
    shifted = np.ones((3, 2)) * 5 + np.outer([1.0, 0.0, -1.0], [1.0, -1.0])
    assert effective_rank(fitted(shifted), centred=True) == pytest.approx(1)


def test_shares_and_outliers():
    coef = np.array([[1.0, 1, 0], [1, -1, 0], [1, 1, 0], [1, -1, 0]])
    assert between_task_share(fitted(coef))[:2].tolist() == [0, 1]
    assert np.isnan(between_task_share(fitted(coef))[2])
    rng = np.random.default_rng(0)
    coef = 1 + 0.1 * rng.normal(size=(20, 4))
    coef[7] += 2
    scores = outlier_scores(fitted(coef))
    assert np.flatnonzero(scores > 3).tolist() == [7]
    assert outlier_scores(fitted(np.ones((4, 2)))).tolist() == [0] * 4


def normal_likelihood(X, y, tasks, slope, intercept, noise):
    """The restricted log-likelihood by its definition, of dense covariances."""
    Z = np.column_stack([np.ones(len(X)), X])
    V = noise * np.eye(len(y))
    for t in np.unique(tasks):
        own = tasks == t
        V[np.ix_(own, own)] += intercept + slope * X[own] @ X[own].T
    inverse = np.linalg.inv(V)
    inner = Z.T @ inverse @ Z
    mean = np.linalg.solve(inner, Z.T @ inverse @ y)
    value = multivariate_normal(Z @ mean, V).logpdf(y)
    constant = 0.5 * Z.shape[1] * np.log(2 * np.pi)
    return value - 0.5 * np.linalg.slogdet(inner)[1] + constant


def test_statistic_is_that_of_dense_likelihoods():
    data = make_multitask_regression(5, 8, 2, structure="independent", random_state=3)
    X, y, tasks = data.X, data.y, data.tasks
    found = poolability_test(X, y, tasks=tasks)
    assert found.p_value < 0.01
    # both models at their best, by a search in each variance in turn
    best = {}
    for name in ("whole", "pooled"):
        logs = np.array([-1.0, 0.0, 0.0])
        for _ in range(60):
            for k in range(3):
                if name == "pooled" and k == 0:
                    continue

                def cost(value, k=k, logs=logs, name=name):
                    v = np.exp(np.where(np.arange(3) == k, value, logs))
                    slope = 0.0 if name == "pooled" else v[0]
                    return -normal_likelihood(X, y, tasks, slope, v[1], v[2])

                logs[k] = minimize_scalar(cost, bounds=(-14, 6), method="bounded").x
        best[name] = -cost(logs[2], 2)
    expected = 2 * (best["whole"] - best["pooled"])
    assert found.statistic == pytest.approx(expected, rel=1e-3)


def test_poolable_tasks_are_seldom_called_different():
    rng, small = np.random.default_rng(0), 0
    for _ in range(60):
        X, tasks = rng.normal(size=(120, 2)), np.repeat(np.arange(20), 6)
        y = X[:, 0] + rng.normal(size=20)[tasks] + rng.normal(size=120)
        small += poolability_test(X, y, tasks=tasks).p_value < 0.1
    # a binomial of 60 and 0.1 is above 13 once in a thousand
    assert small <= 13


def test_clear_errors():
    with pytest.raises(NotFittedError):
        task_similarity(GroupLassoRegressor())
    with pytest.raises(ValueError, match="metric must be one of"):
        task_similarity(fitted(np.eye(2)), "euclidean")
