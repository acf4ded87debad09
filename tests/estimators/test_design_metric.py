"""The robust mean in the metric of the design: optima, what it means, whose rows."""

import pickle

import cvxpy as cp
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from mtlreg import (
    PenalizedClassifier,
    PenalizedRegressor,
    RobustMeanClassifier,
    RobustMeanRegressor,
    RobustMeanRegressorCV,
    alpha_max,
    regularization_path,
)
from mtlreg.estimators import STEMS
from mtlreg.penalties import ColumnL2, Consensus, InfimalSum
from mtlreg.statistics import TaskStatistics
from tests import oracles
from tests.estimators.cases import KINDS, draw
from tests.estimators.naive import NaiveProblem

LIKE = {"regressor": PenalizedRegressor, "classifier": PenalizedClassifier}


def model(kind, alpha, **params):
    cls = STEMS["RobustMean"][KINDS.index(kind)]
    return cls(alpha, metric="design", **{"tol": 1e-9} | params)


def overlapping(kind, **options):
    """Tasks with classes that overlap, and weights of their rows."""
    X, y, tasks = draw(kind, **options)
    if kind == "classifier":
        y = np.where(np.arange(len(y)) % 7 == 0, 1 - y, y)
    weight = np.random.default_rng(1).choice([0.5, 1.0, 3.0], len(X))
    return X, y, tasks, weight


def optimum(naive, alpha, ridge):
    """The least objective by CVXPY, with the metrics of the naive problem."""
    H = naive.grams()
    n_tasks, d = len(H), len(H[0])
    A, b, m = cp.Variable((d, n_tasks)), cp.Variable(n_tasks), cp.Variable(d)
    F, seen = ridge / 2 * cp.sum_squares(A), []
    for t, (Z, target, v) in enumerate(naive.blocks):
        values, Q = np.linalg.eigh(H[t])
        held = values > 1e-12 * values[-1]
        root = np.sqrt(values[held])[:, None] * Q[:, held].T
        F += alpha * cp.norm2(root @ (A[:, t] - m))
        if not held.all():
            seen.append(Q[:, ~held].T @ (A[:, t] - m) == 0)
        level = b[t] if naive.estimator.fit_intercept else 0
        z = Z @ A[:, t] + level
        loss = cp.logistic(-cp.multiply(target, z))
        F += v @ (loss if naive.logistic else cp.square(target - z) / 2)
    return oracles.minimise(F + cp.transforms.indicator(seen) if seen else F)


@pytest.mark.parametrize("ridge", [0.0, 0.05])
@pytest.mark.parametrize(
    ("kind", "n", "d", "options"),
    [
        ("regressor", 200, 4, {"task_weight": [0.3, 1, 1, 2, 1]}),
        ("regressor", 40, 12, {}),
        ("regressor", 60, 4, {"fit_intercept": False}),
        ("classifier", 200, 4, {"task_weight": "proportional"}),
    ],
    ids=["rows", "few", "origin", "classes"],
)
def test_the_optimum_is_that_of_cvxpy(kind, n, d, options, ridge):
    X, y, tasks, weight = overlapping(kind, n=n, d=d, n_tasks=5)
    given = {"tasks": tasks, "sample_weight": weight}
    largest = alpha_max(model(kind, 1.0, ridge=ridge, **options), X, y, **given)
    est = model(kind, 0.4 * largest, ridge=ridge, **options).fit(X, y, **given)
    naive = NaiveProblem(est, X, y, weight, tasks)
    best = optimum(naive, est.alpha, ridge)
    assert naive.objective() == pytest.approx(best, rel=1e-6)
    assert naive.objective() - est.dual_gap_ <= best * (1 + 1e-9)
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=1e-4, abs=1e-13)
    assert est.outlier_tasks_.any()
    at_center = est.coef_[~est.outlier_tasks_] - est.center_coef_
    np.testing.assert_allclose(at_center, 0.0, atol=1e-14)


def test_targets_of_which_some_are_missing():
    X, Y, _ = draw(n=40, d=6, n_tasks=4, layout="columns")
    rng = np.random.default_rng(0)
    Y[rng.random(Y.shape) < 0.4] = np.nan
    Y[4:, 0] = np.nan  # four rows of six features
    for ridge in (0.0, 0.05):
        est = model("regressor", 0.3, ridge=ridge).fit(X, Y)
        naive = NaiveProblem(est, X, Y)
        best = optimum(naive, est.alpha, ridge)
        assert naive.objective() == pytest.approx(best, rel=1e-6)
        assert naive.objective() - est.dual_gap_ <= best * (1 + 1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_all_tasks_are_at_the_center_from_alpha_max_on(kind, ridge):
    X, y, tasks, weight = overlapping(kind, n=90)
    given = {"tasks": tasks, "sample_weight": weight}
    largest = alpha_max(model(kind, 1.0, ridge=ridge), X, y, **given)
    est = model(kind, largest, ridge=ridge).fit(X, y, **given)
    assert est.n_iter_ == 1
    plain = STEMS["RobustMean"][KINDS.index(kind)](1e6, ridge=ridge, tol=1e-9)
    np.testing.assert_allclose(est.coef_, plain.fit(X, y, **given).coef_, atol=1e-9)
    below = model(kind, 0.99 * largest, ridge=ridge).fit(X, y, **given)
    assert below.outlier_tasks_.any()


def test_alpha_is_how_far_predictions_may_differ():
    X, y, tasks = draw(n=120)
    est = model("regressor", 0.3, ridge=0.0, tol=1e-13).fit(X, y, tasks=tasks)
    for t, outlier in enumerate(est.outlier_tasks_):
        rows = tasks == t
        own = LinearRegression().fit(X[rows], y[rows]).coef_
        distance = np.std(X[rows] @ (own - est.center_coef_))
        assert outlier == (distance > 0.3)
        apart = np.std(X[rows] @ (est.coef_[t] - est.center_coef_))
        assert apart == pytest.approx(max(distance - 0.3, 0), abs=1e-6)
    assert est.outlier_tasks_.any()


def test_units_of_features_do_not_matter():
    X, y, tasks = draw(n=120)
    units = np.array([0.1, 1.0, 3.0, 10.0])
    est, other = (
        model("regressor", 0.3, ridge=0.0, tol=1e-12).fit(Z, y, tasks=tasks)
        for Z in (X, X * units)
    )
    np.testing.assert_allclose(est.coef_, other.coef_ * units, atol=1e-5)
    # and neither do their weights, which are units too
    other = model("regressor", 0.3, ridge=0.0, tol=1e-12, feature_weight=1 / units)
    np.testing.assert_allclose(est.coef_, other.fit(X, y, tasks=tasks).coef_, atol=1e-5)


@pytest.mark.parametrize("ridge", [0.0, 0.01])
@pytest.mark.parametrize("seed", range(6))
def test_gaps_of_unlike_features_are_not_kept_up_by_rounding(seed, ridge):
    X, y, tasks = draw(n=120, d=6, n_tasks=5, seed=seed)
    X *= 10.0 ** np.random.default_rng(seed).uniform(-1.5, 1.5, 6)
    est = model("regressor", 0.3, ridge=ridge, tol=1e-12).fit(X, y, tasks=tasks)
    assert est.n_iter_ < 2000


@pytest.mark.parametrize("kind", KINDS)
def test_of_rows_that_are_orthonormal_it_is_the_identity(kind):
    X, y, tasks, _ = overlapping(kind, n=120)
    for t in range(3):
        Z = X[tasks == t] - X[tasks == t].mean(axis=0)
        X[tasks == t] = 2.0 * np.sqrt(len(Z)) * np.linalg.qr(Z)[0]
    est = model(kind, 0.03).fit(X, y, tasks=tasks)
    cls = STEMS["RobustMean"][KINDS.index(kind)]
    plain = cls(2 * 0.03, tol=1e-9).fit(X, y, tasks=tasks)
    assert est.outlier_tasks_.any()
    np.testing.assert_allclose(est.coef_, plain.coef_, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_metric_as_an_array(kind):
    X, y, tasks, _ = overlapping(kind, n=120)
    est = model(kind, 0.03).fit(X, y, tasks=tasks)
    given = NaiveProblem(est, X, y, None, tasks).grams()
    for metric in ("design", given):
        penalty = InfimalSum(Consensus(), ColumnL2(0.03, metric))
        like = LIKE[kind](penalty, ridge=0.001, tol=1e-9).fit(X, y, tasks=tasks)
        np.testing.assert_allclose(like.coef_, est.coef_, atol=1e-7)
    with pytest.raises(ValueError, match=r"3 matrices of 4 features, .* 2 tasks"):
        like.fit(X[tasks > 0], y[tasks > 0], tasks=tasks[tasks > 0])


@pytest.mark.parametrize("d", [4, 60])  # folds of statistics, and of rows
def test_folds_have_the_metric_of_their_training_part(d):
    n = 90
    X, y, tasks = draw(n=n, d=d)
    test = np.arange(n) < n // 3
    X[test] *= 5.0
    options = {"alphas": [1.0, 0.3], "cv": [(~test, test)], "tol": 1e-9}
    search = RobustMeanRegressorCV(metric="design", **options)
    search.fit(X, y, tasks=tasks)
    for k, alpha in enumerate(search.alphas_):
        est = model("regressor", alpha).fit(X[~test], y[~test], tasks=tasks[~test])
        error = y[test] - est.predict(X[test], tasks=tasks[test])
        score = -np.mean([np.mean(error[tasks[test] == t] ** 2) for t in range(3)])
        assert search.score_path_[0, k, 0] == pytest.approx(score, rel=1e-5)


def test_a_path_has_the_metric_of_the_fit():
    X, y, tasks = draw(n=120)
    path = regularization_path(model("regressor", 1.0), X, y, tasks=tasks, alphas=4)
    for alpha, coef in zip(path.alphas, path.coef, strict=True):
        est = model("regressor", alpha).fit(X, y, tasks=tasks)
        np.testing.assert_allclose(coef, est.coef_, atol=1e-4)


def test_statistics_and_single_precision_end_at_the_same_optimum():
    X, y, tasks, weight = overlapping("regressor", n=120)
    est = model("regressor", 0.3).fit(X, y, weight, tasks=tasks)
    stats = TaskStatistics().update(X, y, sample_weight=weight, tasks=tasks)
    streamed = model("regressor", 0.3).fit_statistics(stats)
    np.testing.assert_allclose(streamed.coef_, est.coef_, atol=1e-8)
    single = model("regressor", 0.3, tol=1e-5)
    single.fit(X.astype("f4"), y, weight, tasks=tasks)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, est.coef_, atol=0.02)


def test_a_task_of_one_class_is_at_the_center():
    X, y, tasks, _ = overlapping("classifier", n=160, n_tasks=4)
    y[tasks == 2] = 1.0
    with pytest.warns(UserWarning, match="one class only"):
        est = model("classifier", 0.02).fit(X, y, tasks=tasks)
    kept = tasks != 2
    rest = model("classifier", 0.02).fit(X[kept], y[kept], tasks=tasks[kept])
    assert rest.outlier_tasks_.any()
    np.testing.assert_allclose(est.coef_[[0, 1, 3]], rest.coef_, rtol=1e-10)
    np.testing.assert_array_equal(est.coef_[2], est.center_coef_)


def test_what_no_row_of_a_task_sees_is_that_of_the_center():
    X, y, tasks = draw(n=90, d=6)
    X[tasks == 1, 4] = 7.0
    est = model("regressor", 0.05).fit(X, y, tasks=tasks)
    assert est.outlier_tasks_[1]
    assert est.coef_[1, 4] == pytest.approx(est.center_coef_[4], rel=1e-12)
    assert est.coef_[0, 4] != pytest.approx(est.center_coef_[4], rel=1e-3)


def test_a_new_task_deviates_in_the_mean_of_the_metrics():
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(480, 3)) * [1.0, 3.0, 0.0], np.arange(480) % 12
    slopes = np.tile([1.0, -1.0, 0.0], (12, 1))
    slopes[:2] += [[2.0, 1.0, 0.0], [-1.0, 2.0, 0.0]]
    y = np.sum(X * slopes[tasks], axis=1) + rng.normal(size=480)
    est = model("regressor", 0.5, ridge=0.0, fit_intercept=False)
    est.fit(X, y, tasks=tasks)
    assert est.outlier_tasks_.tolist() == [True] * 2 + [False] * 10
    Z = rng.normal(size=(30, 3))
    z = Z @ [4.0, 2.0, 0.0] + rng.normal(size=30)
    found = est.fit_new_task(Z, z, task=99, alpha=1.0)
    H = NaiveProblem(est, X, y, None, tasks).grams()
    S, m = est.specific_coef_, est.center_coef_
    H = H.mean(axis=0)
    norms = np.sqrt(np.einsum("tj,jk,tk->t", S, H, S))
    bend = (0.5 / norms.mean() * H)[:2, :2]
    target = (Z.T @ (z - Z @ m) / 40)[:2]
    expected = m[:2] + np.linalg.solve((Z.T @ Z / 40)[:2, :2] + bend, target)
    assert found.outlier_tasks_[12]
    np.testing.assert_allclose(found.coef_[12, :2], expected, atol=1e-6)
    # which no task of the fit says anything of
    assert found.coef_[12, 2] == pytest.approx(m[2], abs=1e-12)
    # a model does not keep the metric of every task
    assert len(pickle.dumps(est._learned.penalty)) < 2000
    same = est.fit_new_task(Z, Z @ m + rng.normal(size=30), task=99)
    assert not same.outlier_tasks_[12]


def test_features_of_unlike_sizes_are_refused():
    X, y, tasks = draw(n=90)
    X[:, 0] *= 1e9
    with pytest.raises(ValueError, match="standardise them, or use metric='identity'"):
        RobustMeanRegressor(0.1, metric="design").fit(X, y, tasks=tasks)
    RobustMeanClassifier(0.1, max_iter=1, tol=1.0).fit(X, y > 0, tasks=tasks)
