"""A common vector and deviations from it: optima, corners, what has no data."""

import cvxpy as cp
import numpy as np
import pytest
from sklearn.linear_model import Lasso

from mtlreg import (
    CommonDeviationClassifier,
    CommonDeviationRegressor,
    CommonDeviationRegressorCV,
    GroupLassoRegressor,
)
from mtlreg.datasets import make_multitask_regression
from mtlreg.estimators import STEMS
from mtlreg.penalties import CommonDeviation, Weighted
from tests import oracles
from tests.estimators.cases import KINDS, draw, penalty_of
from tests.estimators.naive import NaiveProblem

N_TASKS = 3
WEIGHTS = {"s": 0.4, "n": 1.5, "w": 0.7}
NAMES = np.array(["s", "n", "w"], dtype=object)


def model(kind, *strengths, **params):
    cls = STEMS["CommonDeviation"][KINDS.index(kind)]
    common, specific = strengths
    return cls(common, alpha_specific=specific, **{"tol": 1e-10} | params)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_the_optimum_is_that_of_cvxpy(kind, seed):
    rng = np.random.default_rng(seed)
    X, y, tasks = draw(kind, n=160, n_tasks=4, seed=seed)
    weights = rng.uniform(0.3, 2.0, 4) if seed % 2 else None
    strengths = rng.uniform(0.02, 0.15, 2)
    est = model(kind, *strengths, specific_weight=weights, tol=1e-8)
    est.fit(X, y, tasks=tasks)
    naive, penalty = NaiveProblem(est, X, y, None, tasks), penalty_of(est)
    A, b = cp.Variable((4, 4)), cp.Variable(4)
    F = oracles.expression(penalty, A)
    for t, (Z, target, v) in enumerate(naive.blocks):
        z = Z @ A[:, t] + b[t]
        loss = cp.logistic(-cp.multiply(target, z))
        F += v @ (loss if naive.logistic else cp.square(target - z) / 2)
    assert naive.objective() == pytest.approx(oracles.minimise(F), rel=1e-6)
    np.testing.assert_allclose(
        est.common_coef_ + est.specific_coef_, est.coef_, rtol=0, atol=1e-15
    )
    found = strengths[0] * np.abs(est.common_coef_).sum()
    r = oracles.shared_oracles.specific_weights(penalty, 4)
    found += strengths[1] * r @ np.abs(est.specific_coef_).sum(axis=1)
    assert found == pytest.approx(oracles.value(penalty, est.coef_.T), rel=1e-12)


def test_no_deviations_is_one_lasso_with_intercepts_by_task():
    X, y, tasks = draw(n=90)
    est = model("regressor", 0.3, 100.0).fit(X, y, tasks=tasks)
    assert not est.specific_coef_.any()
    means = {t: (X[tasks == t].mean(axis=0), y[tasks == t].mean()) for t in range(3)}
    centred = X - np.stack([means[t][0] for t in tasks])
    target = y - np.stack([means[t][1] for t in tasks])
    lasso = Lasso(0.3 / N_TASKS, fit_intercept=False, tol=1e-12).fit(centred, target)
    np.testing.assert_allclose(est.common_coef_, lasso.coef_, rtol=0, atol=1e-4)
    assert est.coef_.any()


@pytest.mark.parametrize("beyond", [True, False])
def test_a_common_vector_that_costs_too_much_is_0(beyond):
    X, y, tasks = draw(n=90)
    end = np.sqrt(N_TASKS) * 0.2 * (1.0001 if beyond else 0.7)
    est = model("regressor", end, 0.2).fit(X, y, tasks=tasks)
    alone = GroupLassoRegressor(0.2 / np.sqrt(N_TASKS), l1_ratio=1.0, tol=1e-10)
    alone.fit(X, y, tasks=tasks)
    assert est.common_coef_.any() != beyond
    assert np.allclose(est.coef_, alone.coef_, rtol=0, atol=1e-4) == beyond


def test_single_deviations_are_found():
    data = make_multitask_regression(structure="mean", random_state=0)
    y = data.y + np.where(data.tasks == 3, 20 * data.X[:, 0], 0)
    est = CommonDeviationRegressor(20.0, alpha_specific=20.0)
    est.fit(data.X, y, tasks=data.tasks)
    assert np.argwhere(est.specific_coef_).tolist() == [[3, 0]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["bcd", "fista"])
def test_a_feature_that_is_constant_in_a_task_is_common_there(kind, solver):
    X, y, tasks = draw(kind, n=120)
    X[tasks == 1, 2] = 5.0
    est = model(kind, 0.02, 0.03, solver=solver, tol=1e-8).fit(X, y, tasks=tasks)
    assert est.common_coef_[2] != 0
    assert est.coef_[1, 2] == est.common_coef_[2]
    assert NaiveProblem(est, X, y, None, tasks).gap() <= est.dual_gap_ + 1e-12


def test_weights_belong_to_tasks_in_any_order_and_in_folds():
    X, y, codes = draw("classifier", n=150)
    tasks = NAMES[codes]
    y[tasks == "n"] = 1.0
    rest = tasks != "n"
    found = []
    for weights in (WEIGHTS, [WEIGHTS[t] for t in sorted(WEIGHTS)]):
        est = model("classifier", 0.01, 0.02, specific_weight=weights)
        with pytest.warns(UserWarning, match=r"one class only in the tasks \['n'\]"):
            found.append(est.fit(X, y, tasks=tasks).coef_)
        # what the others have in common, whatever its own weight is
        np.testing.assert_array_equal(est.coef_[0], est.common_coef_)
    np.testing.assert_array_equal(*found)
    alone = model("classifier", 0.01, 0.02, specific_weight=WEIGHTS)
    alone.fit(X[rest], y[rest], tasks=tasks[rest])
    np.testing.assert_array_equal(est.coef_[1:], alone.coef_)
    X, y, codes = draw(n=150)
    train = codes != 1
    search = CommonDeviationRegressorCV(
        ratios=[0.5],
        alphas=[0.05],
        specific_weight=[0.7, 1.5, 0.4],
        cv=[(train, ~train)],
        unseen_task="mean",
        tol=1e-10,
    )
    search.fit(X, y, tasks=codes)
    alone = model("regressor", 0.05, 0.1, specific_weight=[0.7, 0.4])
    alone.set_params(unseen_task="mean").fit(X[train], y[train], tasks=codes[train])
    errors = y[~train] - alone.predict(X[~train], tasks=codes[~train])
    assert search.score_path_[0, 0, 0] == pytest.approx(-np.mean(errors**2), rel=1e-5)


def test_default_ratios_use_both_parts():
    X, y, tasks = draw()
    given = {"alphas": 2, "eps": 0.5, "cv": 3, "tol": 1e-4}
    search = CommonDeviationRegressorCV(**given).fit(X, y, tasks=tasks)
    root = np.sqrt(N_TASKS)
    np.testing.assert_allclose(search.ratios_, np.geomspace(1 / root, root, 5)[1:-1])
    search = CommonDeviationRegressorCV(specific_weight={0: 1, 1: 2, 2: 3}, **given)
    search.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(search.ratios_, np.geomspace(2.0, 6.0, 5)[1:-1])


def test_common_coefficients_in_the_units_of_targets():
    X, y, tasks = draw(n=120)
    est = model("regressor", 0.2, 10.0, normalize_y=True)
    est.fit(X, y * np.array([1.0, 10.0, 100.0])[tasks], tasks=tasks)
    common = est.coef_ / est.y_scale_[:, None]
    np.testing.assert_allclose(common, common[[0] * 3], rtol=1e-12)
    np.testing.assert_allclose(est.common_coef_, est.coef_.mean(axis=0), rtol=1e-12)


def test_weights_of_features_and_of_tasks_in_one_penalty():
    rng, r = np.random.default_rng(0), np.array([0.5, 1.0, 2.0, 0.8])
    penalty = CommonDeviation(1.2, 0.7, r)
    A = rng.normal(size=(6, 4)).round(1)
    assert penalty.value(A) == pytest.approx(oracles.value(penalty, A), rel=1e-13)
    P = penalty.prox(A, 0.4)
    assert penalty.polar(A - P) <= 0.4 * (1 + 1e-14)
    assert np.sum((A - P) * P) == pytest.approx(0.4 * penalty.value(P), rel=1e-13)
    order = [2, 0, 3, 1]
    part = penalty.restrict(tasks=order)
    np.testing.assert_allclose(part.prox(A[:, order], 0.4), P[:, order], atol=1e-15)
    weighted = Weighted(penalty, np.array([1.0, 2, 1, 1, 0.5, np.inf]))
    np.testing.assert_array_equal(weighted.prox(A, 0.4)[0], P[0])
    kept = np.array([True, False, True, True])
    full = penalty.with_absent(A[:, kept], kept)
    common = penalty.restrict(tasks=kept).split(A[:, kept])[0][:, 0]
    np.testing.assert_array_equal(full[:, 1], common)
    np.testing.assert_array_equal(penalty.split(full)[0][:, 1], common)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"shape \(2,\), but there are 3 tasks"),
        ({0: 1.0, 1: 1.0}, r"no entry for the tasks \[2\]"),
        ([1.0, 0.0, 1.0], "finite and > 0, got 0.0 for task .*1"),
    ],
)
def test_weights_of_tasks_are_checked(weights, message):
    X, y, tasks = draw()
    est = CommonDeviationRegressor(specific_weight=weights)
    with pytest.raises(ValueError, match=f"specific_weight .*{message}"):
        est.fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="specific_weight of CommonDeviation must"):
        CommonDeviation(1.0, 1.0, [1.0, -1.0])
    assert CommonDeviationClassifier().specific_weight is None
