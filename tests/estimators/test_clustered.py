"""Clustered tasks: corners, the covariance, the clusters that are found."""

import cvxpy as cp
import numpy as np
import pytest

from mtlreg import ClusteredClassifier, ClusteredRegressor, PenalizedRegressor
from mtlreg.estimators import STEMS
from mtlreg.penalties import SquaredClusterNorm
from mtlreg.penalties.shares import box_shares
from tests import oracles
from tests.estimators.cases import KINDS, draw
from tests.estimators.naive import NaiveProblem


def model(kind, **params):
    return STEMS["Clustered"][KINDS.index(kind)](**{"tol": 1e-10} | params)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_for_each_task_leaves_independent_ridges(kind):
    X, y, tasks = draw(kind, n=120, d=6, n_tasks=4)
    est = model(kind, alpha=0.5, n_clusters=4, eta=0.2, tol=1e-12)
    other = STEMS["MeanRegularized"][KINDS.index(kind)](0.1, alpha_mean=0.1, tol=1e-12)
    est.fit(X, y, tasks=tasks)
    other.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, other.coef_, rtol=0, atol=1e-5)
    np.testing.assert_allclose(est.task_covariance_, 1.2 * np.eye(4), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_is_the_optimum_over_coefficients_and_covariances(kind, ridge):
    # of the objective as the source has it, M a variable
    X, y, tasks = draw(kind, n=100, d=3, n_tasks=4)
    given = {"alpha": 0.4, "n_clusters": 2, "eta": 0.3, "ridge": ridge}
    est = model(kind, **given).fit(X, y, tasks=tasks)
    naive = NaiveProblem(est, X, y, None, tasks)
    A, b = cp.Variable((3, 4)), cp.Variable(4)
    F = oracles.expression(SquaredClusterNorm(0.4, 2, 0.3), A)
    F += ridge / 2 * cp.sum_squares(A)
    for t, (Z, target, v) in enumerate(naive.blocks):
        z = Z @ A[:, t] + b[t]
        loss = cp.logistic(-cp.multiply(target, z))
        F += v @ (loss if naive.logistic else cp.square(target - z) / 2)
    assert naive.objective() == pytest.approx(oracles.minimise(F), rel=1e-6)


@pytest.mark.parametrize("d", [3, 8])
@pytest.mark.parametrize("n_clusters", [1, 2, 5, 6])
def test_the_covariance_attains_the_minimum(d, n_clusters):
    X, y, tasks = draw(n=120, d=d, n_tasks=6)
    est = model("regressor", alpha=0.3, n_clusters=n_clusters, eta=0.2)
    est.fit(X, y, tasks=tasks)
    omega, A = est.task_covariance_, est.coef_.T
    values = np.linalg.eigvalsh(omega - 0.2 * np.eye(6))
    assert values.sum() == pytest.approx(n_clusters)
    assert values.min() >= -1e-12
    assert values.max() <= 1 + 1e-12
    cost = 0.15 * 0.2 * 1.2 * np.trace(A @ np.linalg.solve(omega, A.T))
    penalty = SquaredClusterNorm(0.3, n_clusters, 0.2)
    assert cost == pytest.approx(penalty.value(A), rel=1e-12)


@pytest.mark.parametrize("total", [1, 3, 7])
def test_shares_solve_their_problem(total):
    rng = np.random.default_rng(total)
    for scale in (0.1, 1.0, 30.0):
        sigma = np.exp(scale * rng.normal(size=9))
        sigma[:2], sigma[3] = 0.0, sigma[4]
        for shift in (1e-6, 0.3, 1e3):
            m = box_shares(sigma, shift, total)
            assert np.all((m >= 0) & (m <= 1))
            expected = min(total, np.count_nonzero(sigma))
            assert m.sum() == pytest.approx(expected, rel=1e-12 * (1 + shift))
            # what one more would save is even, less where it is 0, more where it is 1
            saved = sigma / (shift + m)
            level = np.where((m > 0) & (m < 1), saved, np.nan)
            if not np.isnan(level).all():
                low, high = np.nanmin(level), np.nanmax(level)
                assert high <= low * (1 + 1e-9)
                assert np.all(saved[m == 0] <= high * (1 + 1e-9))
                assert np.all(saved[m == 1] >= low * (1 - 1e-9))
    assert box_shares(np.ones(4), 0.5, 2).tolist() == [0.5] * 4
    assert box_shares(np.array([2.0, 1.0]), 0.5, 2).tolist() == [1.0, 1.0]
    assert box_shares(np.zeros(3), 0.5, 1).tolist() == [0.0] * 3


def clustered(noise, n_tasks=12, d=15, seed=0):
    """Tasks in three clusters, of few rows: X, y, tasks, coefficients, clusters."""
    rng = np.random.default_rng(seed)
    member_of = np.append([2, 0, 1], rng.integers(0, 3, n_tasks - 3))
    coef = 2.0 * rng.normal(size=(3, d))[member_of]
    coef += noise * rng.normal(size=coef.shape)
    tasks = np.repeat(np.arange(n_tasks), 20)
    X = rng.normal(size=(len(tasks), d))
    y = np.einsum("ij,ij->i", X, coef[tasks]) + rng.normal(size=len(tasks))
    return X, y, tasks, coef, member_of


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_found_and_help(seed):
    X, y, tasks, coef, member_of = clustered(0.1, seed=seed)
    est = ClusteredRegressor(0.1, n_clusters=3).fit(X, y, tasks=tasks)
    # numbered by their first task
    assert est.task_clusters_[:3].tolist() == [0, 1, 2]
    assert est.task_clusters_.dtype.kind == "i"
    place = {2: 0, 0: 1, 1: 2}
    assert est.task_clusters_.tolist() == [place[c] for c in member_of]
    ridge = ClusteredRegressor(0.1, n_clusters=12).fit(X, y, tasks=tasks)
    errors = [np.sum((found.coef_ - coef) ** 2) for found in (est, ridge)]
    assert errors[0] < errors[1]


def test_tasks_of_a_target_that_nothing_explains_are_one_cluster():
    X, _, tasks = draw()
    est = ClusteredRegressor(n_clusters=2).fit(X, np.ones(len(X)), tasks=tasks)
    np.testing.assert_array_equal(est.task_clusters_, [0, 0, 0])
    np.testing.assert_allclose(est.task_covariance_, (0.1 + 2 / 3) * np.eye(3))


def test_the_number_of_clusters():
    X, y, codes = draw(n=90, n_tasks=5)
    tasks = np.array(["a", "b", "c", "d", "e"])[codes]
    for cls in (ClusteredRegressor, ClusteredClassifier):
        with pytest.raises(ValueError, match=r"n_clusters=6 is more than the 5 tasks"):
            cls(n_clusters=6).fit(X, y > 0, tasks=tasks)
    est = model("regressor").fit(X, y, tasks=tasks)
    two = model("regressor", n_clusters=2).fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(est.coef_, two.coef_)
    for k in (None, 1, 2):
        single = ClusteredRegressor(n_clusters=k).fit(X, y)
        assert single.task_covariance_ == pytest.approx(1.1)
    other = PenalizedRegressor(SquaredClusterNorm(0.1, 2), tol=1e-10)
    other.fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(other.coef_, two.coef_)
    np.testing.assert_array_equal(other.task_clusters_, two.task_clusters_)
    for wrong in (0, 1.5, True, "2"):
        with pytest.raises(ValueError, match="n_clusters of SquaredClusterNorm must"):
            SquaredClusterNorm(0.1, wrong)


def test_a_task_of_one_class_still_counts():
    X, y, tasks = draw("classifier", n=160, n_tasks=3)
    y[tasks == 1] = 1.0
    with pytest.warns(UserWarning, match=r"one class only in the tasks \[1\]"):
        est = model("classifier", n_clusters=3).fit(X, y, tasks=tasks)
    assert not est.coef_[1].any()
    assert est.task_covariance_.trace() == pytest.approx(3.3)
