"""Standard deviations against the inverse of the Hessian of F, and simulated data."""

import pickle

import mixedlm
import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg import (
    GroupLassoRegressor,
    MeanRegularizedRegressor,
    MeanRegularizedRegressorCV,
)
from mtlreg.problem import costs
from mtlreg.sequences.posterior import Posterior
from tests.estimators.cases import draw

CASES = {
    "free": {"alpha_mean": 0.1},
    "shrunken": {"alpha_mean": 0.1, "alpha_intercept": 0.7},
    "free-mean": {"alpha_mean": 0.0, "alpha_intercept": 0.7},
    "own": {"alpha_mean": 0.5},
    "more": {"alpha_mean": 0.8, "alpha_intercept": 0.7},
    "none": {"alpha_mean": 0.1, "fit_intercept": False},
    "none-free": {"alpha_mean": 0.0, "fit_intercept": False},
    "proportional": {"alpha_intercept": 0.7, "task_weight": "proportional"},
    "weights": {"alpha_intercept": 0.7, "task_weight": [1.0, 2.0, 0.5]},
}
ALPHA = 0.5


class Dense:
    """The joint system of all coefficients and intercepts, task after task."""

    def __init__(self, X, y, weight, tasks, est):
        n_tasks, d = est.coef_.shape
        totals = np.bincount(tasks, weight)
        c = {"equal": np.ones(n_tasks), "proportional": n_tasks * totals / totals.sum()}
        rule = est.task_weight
        c = c[rule] if isinstance(rule, str) else np.array(rule)
        self.v = weight * (c / totals)[tasks]
        q = d + 1
        Z = np.column_stack([X, np.ones(len(y))])
        self.J = np.zeros((len(y), n_tasks * q))
        for i, t in enumerate(tasks):
            self.J[i, t * q : (t + 1) * q] = Z[i]
        centre = np.eye(n_tasks) - 1 / n_tasks
        slopes = est.alpha * centre + est.alpha_mean / n_tasks
        inner = np.zeros((n_tasks, q, n_tasks, q))
        for j in range(d):
            inner[:, j, :, j] = slopes
        inner[:, d, :, d] = est.alpha_intercept * centre
        hessian = (self.J.T * self.v) @ self.J + inner.reshape((n_tasks * q,) * 2)
        self.inverse = np.zeros_like(hessian)
        used = np.arange(n_tasks * q) % q < d + est.fit_intercept
        square = np.ix_(used, used)
        self.inverse[square] = np.linalg.inv(hessian[square])
        hat = self.J @ self.inverse @ (self.J.T * self.v)
        z = X @ est.coef_.T + est.intercept_
        left = y - z[np.arange(len(y)), tasks]
        n_used = np.count_nonzero(weight)
        self.noise = np.sum(self.v * left**2) / (n_used - np.trace(hat))
        self.units = totals / c

    def deviations(self, Z):
        return np.sqrt(self.noise * np.sum((Z @ self.inverse) * Z, axis=1))


def table(n=60, d=4):
    X, y, tasks = draw(n=n, d=d)
    weight = np.random.default_rng(0).choice([0.0, 1.0, 2.5], n)
    weight[:15] = 1.0
    return X, y, weight, tasks


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("d", [4, 40])
def test_deviations_are_those_of_the_joint_system(name, d):
    """For fewer rows than features, too."""
    X, y, weight, tasks = table(d=d)
    est = MeanRegularizedRegressor(ALPHA, **CASES[name])
    est.fit(X, y, weight, tasks=tasks)
    dense = Dense(X, y, weight, tasks, est)
    mean, std = est.predict(X, tasks=tasks, return_std=True)
    np.testing.assert_array_equal(mean, est.predict(X, tasks=tasks))
    np.testing.assert_allclose(std, dense.deviations(dense.J), rtol=1e-7)
    _, wider = est.predict(X, tasks=tasks, return_std=True, noise=True)
    new = dense.noise * dense.units[tasks]
    np.testing.assert_allclose(wider**2, std**2 + new, rtol=1e-7)
    slopes = np.sqrt(dense.noise * np.diag(dense.inverse)).reshape(3, d + 1)[:, :d]
    np.testing.assert_allclose(est.coef_std_, slopes, rtol=1e-7)


def test_every_layout_and_form():
    X, Y, _ = draw(layout="columns")
    Y[::4, 1] = np.nan
    options = {"alpha_intercept": 0.5, "tol": 1e-12}
    est = MeanRegularizedRegressor(ALPHA, **options).fit(X, Y)
    rows, tasks = np.nonzero(np.isfinite(Y))
    for given in (X[rows], sp.csr_array(X[rows])):
        other = MeanRegularizedRegressor(ALPHA, **options)
        other.fit(given, Y[rows, tasks], tasks=tasks)
        np.testing.assert_allclose(other.coef_std_, est.coef_std_, rtol=1e-8)
        _, std = other.predict(given, tasks=tasks, return_std=True)
        by_column = est.predict(X, return_std=True)[1]
        np.testing.assert_allclose(std, by_column[rows, tasks], rtol=1e-8)
    single = MeanRegularizedRegressor(ALPHA).fit(X, Y[:, 0])
    assert single.predict(X, return_std=True)[1].shape == (60,)
    # without a mean to share: ridge
    narrow = MeanRegularizedRegressor(ALPHA, alpha_mean=ALPHA).fit(X, Y[:, 0])
    Z = X - X.mean(axis=0)
    inverse = np.linalg.inv(Z.T @ Z / 60 + ALPHA * np.eye(4))
    left = Y[:, 0] - narrow.predict(X)
    used = 1 + np.trace(inverse @ Z.T @ Z / 60)
    s2 = left @ left / 60 / (60 - used)
    np.testing.assert_allclose(narrow.coef_std_[0], np.sqrt(s2 * np.diag(inverse)))


def test_sleepstudy_has_the_standard_errors_of_mixed_models():
    rows = mixedlm.load_sleepstudy()
    est = MeanRegularizedRegressorCV(
        cv="reml",
        task_weight="proportional",
        task_column="Subject",
        unseen_task="mean",
    ).fit(rows[["Days", "Subject"]], rows["Reaction"])
    # lme4: 6.885 and 1.560
    assert est.mean_coef_std_[0] == pytest.approx(1.559566, abs=5e-6)
    posterior = est._known_posterior()
    assert np.sqrt(posterior.noise * posterior.common[1, 1]) == pytest.approx(
        6.885381, abs=5e-6
    )
    assert posterior.noise * 10 == pytest.approx(est.noise_variance_, rel=1e-8)
    # a new subject on day d: Var(m0 + m1 d) + variances of its own deviations
    new = rows[["Days", "Subject"]].iloc[:3].assign(Subject="999")
    _, std = est.predict(new, return_std=True)
    common = posterior.noise * posterior.common
    for day, found in enumerate(std):
        z = np.array([day, 1.0])
        own = est.task_variance_ * day**2 + est.intercept_variance_
        assert found**2 == pytest.approx(z @ common @ z + own, rel=1e-8)
    _, wider = est.predict(new, return_std=True, noise=True)
    np.testing.assert_allclose(wider**2, std**2 + est.noise_variance_, rtol=1e-8)


def test_reliability_is_credibility():
    """Of intercepts alone: the variance of a task's mean within that of all means."""
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(20), rng.integers(2, 20, 20))
    y = 3 * rng.normal(size=20)[tasks] + rng.normal(size=len(tasks))
    est = MeanRegularizedRegressorCV(cv="reml", task_weight="proportional")
    est.fit(np.zeros((len(y), 1)), y, tasks=tasks)
    ratio = est.noise_variance_ / est.intercept_variance_
    n = np.bincount(tasks)
    np.testing.assert_allclose(est.reliability_, n / (n + ratio), rtol=1e-8)
    means = np.bincount(tasks, y) / n
    share = est.reliability_
    found = share * means + (1 - share) * est.intercept_.mean()
    np.testing.assert_allclose(est.intercept_, found, rtol=1e-8)
    X, y, tasks = draw()
    for strength, expected in [(0.0, 1.0), (np.inf, 0.0)]:
        est = MeanRegularizedRegressor(alpha_intercept=strength).fit(X, y, tasks=tasks)
        assert est.reliability_.tolist() == [expected] * 3


def test_a_copy_says_the_same():
    X, y, tasks = draw()
    est = MeanRegularizedRegressor(alpha_intercept=1.0).fit(X, y, tasks=tasks)
    before = len(pickle.dumps(est))
    std = est.predict(X, tasks=tasks, return_std=True)[1]
    assert len(pickle.dumps(est)) == before
    twin = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(twin.coef_std_, est.coef_std_)
    np.testing.assert_array_equal(twin.predict(X, tasks=tasks, return_std=True)[1], std)


def test_what_is_refused(monkeypatch):
    X, y, tasks = draw()
    est = MeanRegularizedRegressor(unseen_task="mean").fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="fit with alpha_intercept > 0, or cv='reml'"):
        est.predict(X[:1], tasks=[7], return_std=True)
    with pytest.raises(ValueError, match="noise=True is for return_std=True"):
        est.predict(X, tasks=tasks, noise=True)
    with pytest.raises(ValueError, match="or use MeanRegularizedRegressor"):
        GroupLassoRegressor().fit(X, y, tasks=tasks).predict(
            X, tasks=tasks, return_std=True
        )
    exact = MeanRegularizedRegressor(1e-12, alpha_mean=1e-12, tol=1e-3)
    exact.fit(X[:6], y[:6], tasks=[0, 0, 1, 1, 2, 2])
    with pytest.raises(ValueError, match="no degrees of freedom"):
        exact.predict(X, tasks=tasks, return_std=True)
    monkeypatch.setattr(costs, "KEPT_BYTES", 100)
    large = MeanRegularizedRegressor().fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="use fewer features"):
        large.predict(X, tasks=tasks, return_std=True)
    assert not hasattr(large, "coef_std_")
    assert not hasattr(MeanRegularizedRegressor(), "reliability_")


@pytest.mark.parametrize("option", [{"normalize_y": True}, {"positive": True}])
def test_options_without_standard_deviations(option):
    X, y, tasks = draw("regressor")
    model = MeanRegularizedRegressor(**option).fit(X, y, tasks=tasks)
    assert not hasattr(model, "coef_std_")
    with pytest.raises(ValueError, match="normalize_y=False, positive=False and"):
        model.predict(X, tasks=tasks, return_std=True)


def test_a_ridge_adds_to_both_strengths():
    X, y, tasks = draw("regressor")
    both = MeanRegularizedRegressor(0.3, alpha_mean=0.1, ridge=0.2)
    one = MeanRegularizedRegressor(0.5, alpha_mean=0.3)
    for model in (both, one):
        model.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(both.coef_std_, one.coef_std_, rtol=1e-9)
    np.testing.assert_allclose(both.mean_coef_std_, one.mean_coef_std_, rtol=1e-9)


def test_nobody_pays_for_covariances_that_nobody_asks_for(monkeypatch):
    X, y, tasks = draw("regressor")
    made = []
    original = Posterior.of_problem

    def counted(*given):
        made.append(given)
        return original(*given)

    monkeypatch.setattr(Posterior, "of_problem", counted)
    model = MeanRegularizedRegressor().fit(X, y, tasks=tasks)
    model.predict(X, tasks=tasks)
    assert not made
    twin = pickle.loads(pickle.dumps(model))
    assert len(made) == 1
    np.testing.assert_array_equal(twin.coef_std_, model.coef_std_)
    assert len(made) == 1
    # rows that are large are let go at once
    monkeypatch.setattr(costs, "KEPT_BYTES", X.nbytes - 1)
    MeanRegularizedRegressor().fit(X, y, tasks=tasks)
    assert len(made) == 2
