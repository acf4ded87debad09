"""Searches over the strengths of intercepts, against fits one by one."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.model_selection import LeaveOneOut

from mtlreg import (
    MeanRegularizedClassifier,
    MeanRegularizedClassifierCV,
    MeanRegularizedRegressor,
    MeanRegularizedRegressorCV,
)
from mtlreg.model_selection import TaskKFold
from tests.estimators.cases import draw

ALPHAS, RATIOS, INTERCEPTS = [1.0, 0.1, 0.01], [0.1, 1.5], [0.0, 0.5, 5.0]
GRID = {"alphas": ALPHAS, "ratios": RATIOS, "intercept_ratios": INTERCEPTS}
KINDS = {
    "regressor": (MeanRegularizedRegressor, MeanRegularizedRegressorCV),
    "classifier": (MeanRegularizedClassifier, MeanRegularizedClassifierCV),
}
WEIGHTS = ["equal", "proportional", [1.0, 2.0, 0.5]]


def quiet_fit(est, *args, **kwargs):
    """Fit without what is said of the ends of so small a grid."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the best", UserWarning)
        return est.fit(*args, **kwargs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [60, 400])
@pytest.mark.parametrize("positive", [False, [True, False, True, True]])
def test_scores_are_those_of_fits(kind, n, positive):
    """On rows and on statistics; the pairs in the order that the docstring says."""
    X, y, tasks = draw(kind, n=n)
    cls, search = KINDS[kind]
    # held-out losses differ by the root of the tolerance
    options = {"positive": positive, "tol": 1e-11}
    found = quiet_fit(search(**GRID, cv=3, **options), X, y, tasks=tasks)
    assert found.score_path_.shape == (6, 3, 3)
    pairs = [(ratio, share) for share in INTERCEPTS for ratio in RATIOS]
    folds = list(TaskKFold(3, random_state=0).split(X, y, groups=tasks))
    for row, (ratio, share) in enumerate(pairs):
        for column, alpha in enumerate(ALPHAS):
            for number, (train, test) in enumerate(folds):
                own = {"alpha_mean": alpha * ratio, "alpha_intercept": alpha * share}
                est = cls(alpha, **own, **options)
                est.fit(X[train], y[train], tasks=tasks[train])
                losses = []
                for t in range(3):
                    part = test[tasks[test] == t]
                    given = X[part], np.full(len(part), t)
                    if kind == "regressor":
                        z = est.predict(given[0], tasks=given[1])
                        losses.append(np.mean((y[part] - z) ** 2))
                    else:
                        p = est.predict_proba(given[0], tasks=given[1])
                        losses.append(log_loss(y[part], p, labels=[0.0, 1.0]))
                score = found.score_path_[row, column, number]
                assert score == pytest.approx(-np.mean(losses), rel=1e-4)
    means = found.score_path_.mean(axis=2)
    row, column = np.unravel_index(means.argmax(), means.shape)
    assert (found.ratio_, found.alpha_) == (pairs[row][0], ALPHAS[column])
    assert found.intercept_ratio_ == pytest.approx(pairs[row][1], rel=1e-12)
    assert found.alpha_intercept_ == pytest.approx(pairs[row][1] * ALPHAS[column])
    names = ("alpha", "alpha_mean", "alpha_intercept")
    best = {name: getattr(found, f"{name}_") for name in names}
    assert found.cv_results_["params"][means.argmax()] == best
    plain = cls(**best, **options).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(found.coef_, plain.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.intercept_, plain.intercept_, rtol=1e-4)


@pytest.mark.parametrize("rule", WEIGHTS, ids=str)
@pytest.mark.parametrize("layout", ["rows", "columns", "holes"])
def test_leave_one_out_is_that_of_fits(rule, layout):
    X, y, tasks = draw(layout="rows" if layout == "rows" else "columns", n=24)
    if layout == "holes":
        y[::5, 0] = y[1::7, 2] = np.nan
    weight = np.random.default_rng(0).choice([1.0, 2.0], 24)
    options = {**GRID, "task_weight": rule, "tol": 1e-12}
    found, expected = (
        quiet_fit(
            MeanRegularizedRegressorCV(**options, cv=cv), X, y, weight, tasks=tasks
        )
        for cv in ("loo", LeaveOneOut())
    )
    np.testing.assert_allclose(found.score_path_, expected.score_path_, rtol=1e-8)


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_leave_one_out_with_ridges_and_weights(layout):
    """Strengths by feature, in ratios that change along a path."""
    X, y, tasks = draw(layout=layout, n=24)
    weight = [0.5, 3.0, 1.0, 2.0]
    options = {**GRID, "ridge": 0.2, "feature_weight": weight, "tol": 1e-12}
    found, expected = (
        quiet_fit(MeanRegularizedRegressorCV(**options, cv=cv), X, y, tasks=tasks)
        for cv in ("loo", LeaveOneOut())
    )
    np.testing.assert_allclose(found.score_path_, expected.score_path_, rtol=1e-7)


def test_without_intercepts_there_are_no_ratios_of_them():
    X, y, tasks = draw()
    est = MeanRegularizedRegressorCV(**GRID, cv=3, fit_intercept=False)
    quiet_fit(est, X, y, tasks=tasks)
    assert est.score_path_.shape == (2, 3, 3)
    assert est.intercept_ratio_ == est.alpha_intercept_ == 0


def test_one_task_has_no_ratios_of_intercepts():
    X, y, _ = draw()
    est = quiet_fit(MeanRegularizedRegressorCV(**GRID, cv=3), X, y)
    assert est.score_path_.shape == (2, 3, 3)
    assert est.intercept_ratio_ == 0


def test_the_grid_is_that_of_free_intercepts():
    X, y, tasks = draw()
    grids = []
    for ratios in ([0.0], [0.0, 1.0], [1.0]):
        est = MeanRegularizedRegressorCV(alphas=5, cv=3, intercept_ratios=ratios)
        grids.append(quiet_fit(est, X + 100.0, y, tasks=tasks).alphas_[0])
    np.testing.assert_array_equal(grids[1], grids[0])
    np.testing.assert_array_equal(grids[2], grids[0])


def test_tasks_of_one_class_are_fitted_and_not_told_of():
    X, y, tasks = draw("classifier")
    y[tasks == 1] = 1
    search = MeanRegularizedClassifierCV(alphas=[1.0, 0.1], cv=3, ratios=[0.1])
    found = quiet_fit(search.set_params(intercept_ratios=[0.5]), X, y, tasks=tasks)
    assert found.intercept_[1] > found.intercept_[[0, 2]].max()
    with pytest.warns(UserWarning, match="one class only"):
        quiet_fit(search.set_params(intercept_ratios=[0.0, 0.5]), X, y, tasks=tasks)


@pytest.mark.parametrize("ratios", [[], [-1.0], [np.nan], [np.inf], "a", [[0.1]], None])
@pytest.mark.parametrize("kind", KINDS)
def test_refused_ratios(kind, ratios):
    X, y, tasks = draw(kind)
    est = KINDS[kind][1](intercept_ratios=ratios, cv=3)
    with pytest.raises((ValueError, TypeError), match="intercept_ratios"):
        est.fit(X, y, tasks=tasks)
