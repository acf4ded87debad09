"""``cv="loo"`` of `MeanRegularizedRegressorCV` against a fit without each row."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.model_selection import LeaveOneOut

from mtlreg import (
    GroupLassoRegressorCV,
    MeanRegularizedClassifierCV,
    MeanRegularizedRegressor,
    MeanRegularizedRegressorCV,
)
from mtlreg.sequences import leave_one_out as _leave_one_out
from tests.problems import counted

ALPHAS, RATIOS = [10.0, 0.5, 0.01], [0.01, 1.0]
LAYOUTS = ["rows", "columns", "missing", "single"]


def draw(layout, d=5, seed=0):
    """X, y and tasks: four tasks of unequal sizes, or twelve rows for all."""
    rng = np.random.default_rng(seed)
    sizes = [7, 4, 6, 9]
    n = sum(sizes) if layout == "rows" else 12
    X = rng.normal(size=(n, d)) + 3.0 * rng.normal(size=d)
    coef = rng.normal(size=(4, d))
    Z = X @ coef.T + rng.normal(size=(n, 4)) + rng.normal(size=4)
    if layout == "rows":
        tasks = rng.permutation(np.repeat(np.arange(4), sizes))
        return X, Z[np.arange(n), tasks], tasks
    if layout == "single":
        return X, Z[:, 0], None
    if layout == "missing":
        Z[rng.random(Z.shape) < 0.25] = np.nan
    return X, Z, None


def squared_errors(search, X, y, tasks=None, weight=None, **params):
    """Those that ``search`` should score, of a fit without each row, (..., n, 1 or T).

    NaN where nothing is observed.
    """
    shape = y.reshape(len(y), -1).shape
    errors = np.empty((len(RATIOS), len(ALPHAS), *shape))
    for row in range(len(y)):
        rest = np.arange(len(y)) != row
        here, there = {}, {}
        if tasks is not None:
            here, there = {"tasks": tasks[rest]}, {"tasks": tasks[[row]]}
        for r, ratio in enumerate(search.ratios_):
            for a, alpha in enumerate(ALPHAS):
                model = MeanRegularizedRegressor(
                    alpha, alpha_mean=alpha * ratio, tol=1e-13, **params
                )
                w = None if weight is None else weight[rest]
                model.fit(X[rest], y[rest], w, **here)
                errors[r, a, row] = (y[[row]] - model.predict(X[[row]], **there)) ** 2
    return errors


def scores_of_rows(*args, **params):
    return -np.nanmean(squared_errors(*args, **params), axis=3)


def losses_of_tasks(errors, tasks, weight):
    """Weighted means of squared errors over the rows of every task, and the W_t."""
    if tasks is not None:
        errors = np.where(tasks[:, None] == np.arange(4), errors, np.nan)
    cells = np.where(np.isnan(errors[0, 0]), 0.0, weight[:, None])
    totals = cells.sum(axis=0)
    return np.nansum(cells * errors, axis=2) / totals, totals


def search(ratios=RATIOS, **params):
    free = {"ratios": ratios, "intercept_ratios": [0.0]}
    return MeanRegularizedRegressorCV(alphas=ALPHAS, cv="loo", **free, **params)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task_weight", ["equal", "proportional"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_scores_are_those_of_a_loop(layout, task_weight, weighted, fit_intercept):
    X, y, tasks = draw(layout)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y)) if weighted else None
    params = {"task_weight": task_weight, "fit_intercept": fit_intercept}
    found = search(**params).fit(X, y, weight, tasks=tasks)
    errors = squared_errors(found, X, y, tasks, weight, **params)
    rows = -np.nanmean(errors, axis=3)
    np.testing.assert_allclose(found.score_path_, rows, rtol=1e-8)
    np.testing.assert_array_equal(found.mse_path_, -found.score_path_)
    weight = np.ones(len(y)) if weight is None else weight
    losses, totals = losses_of_tasks(errors, tasks, weight)
    np.testing.assert_allclose(found.task_score_path_[:, :, 0], -losses, rtol=1e-8)
    c = totals if task_weight == "proportional" else np.ones(len(totals))
    means = -losses @ c / c.sum()
    found_means = found.cv_results_["mean_test_score"]
    np.testing.assert_allclose(found_means, means.ravel(), rtol=1e-8)
    ratio, index = np.unravel_index(means.argmax(), (2, 3))
    assert (found.alpha_, found.ratio_) == (ALPHAS[index], RATIOS[ratio])
    assert "split0_test_score" not in found.cv_results_


def test_the_ridge_is_that_of_fits():
    X, y, tasks = draw("rows")
    found = search(ridge=0.2).fit(X, y, tasks=tasks)
    expected = scores_of_rows(found, X, y, tasks, ridge=0.2)
    np.testing.assert_allclose(found.score_path_, expected, rtol=1e-8)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mean_that_is_free_and_has_few_rows(layout):
    X, y, tasks = draw(layout, d=30)
    found = search(ratios=[0.0, 1e-3]).fit(X, y, tasks=tasks)
    expected = scores_of_rows(found, X, y, tasks)
    np.testing.assert_allclose(found.score_path_, expected, rtol=1e-7)


@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_rows_may_be_sparse_and_dummies_of_one_task(mean):
    X, y, tasks = draw("rows")
    X[:, 2] += mean
    X[tasks == 2, 0] = 0.0
    X[:, 1] = (np.arange(len(y)) == 3) * 5.0
    dense = search().fit(X, y, tasks=tasks)
    sparse = search().fit(sp.csr_array(X), y, tasks=tasks)
    np.testing.assert_allclose(dense.score_path_, sparse.score_path_, rtol=1e-9)
    # of the same rows, where refits predict without the rounding of the mean
    X[:, 2] -= mean
    expected = scores_of_rows(dense, X, y, tasks)
    np.testing.assert_allclose(dense.score_path_, expected, rtol=1e-8)


def test_rows_are_in_the_order_of_X_and_those_of_weight_0_take_no_part():
    X, y, tasks = draw("rows")
    weight = np.ones(len(y))
    weight[[2, 11]] = 0.0
    kept = weight > 0
    found = search().fit(X, y, weight, tasks=tasks)
    alone = search().fit(X[kept], y[kept], tasks=tasks[kept])
    np.testing.assert_allclose(found.score_path_, alone.score_path_, rtol=1e-10)


def test_scores_of_tasks_are_means_over_their_rows():
    X, y, tasks = draw("rows")
    found = search().fit(X, y, tasks=tasks)
    for t in range(4):
        mean = found.score_path_[:, :, tasks == t].mean(axis=2)
        np.testing.assert_allclose(found.task_score_path_[:, :, 0, t], mean)


@pytest.mark.parametrize(
    ("rule", "c"),
    [
        ("equal", [1, 1, 1, 1]),
        ("proportional", [7, 4, 6, 9]),
        ({0: 1.0, 1: 5.0, 2: 0.5, 3: 2.0}, [1, 5, 0.5, 2]),
        ([1.0, 5.0, 0.5, 2.0], [1, 5, 0.5, 2]),
    ],
)
def test_tasks_weigh_in_the_mean_as_in_the_objective(rule, c):
    X, y, tasks = draw("rows")
    y = y * np.array([1.0, 10.0, 0.1, 3.0])[tasks]
    found = search(task_weight=rule).fit(X, y, tasks=tasks)
    expected = found.task_score_path_[:, :, 0] @ c / np.sum(c)
    means = found.cv_results_["mean_test_score"]
    np.testing.assert_allclose(means, expected.ravel(), rtol=1e-12)
    best = found.cv_results_["params"][expected.argmax()]
    names = ("alpha", "alpha_mean", "alpha_intercept")
    assert best == {name: getattr(found, f"{name}_") for name in names}
    share = (np.array(c) / np.bincount(tasks))[tasks]
    spread = np.average((found.score_path_ - expected[:, :, None]) ** 2, -1, share)
    deviations = found.cv_results_["std_test_score"]
    np.testing.assert_allclose(deviations, np.sqrt(spread).ravel(), rtol=1e-9)


@pytest.mark.parametrize("rule", ["equal", "proportional", [1.0, 5.0, 0.5, 2.0]])
@pytest.mark.parametrize("layout", ["columns", "missing"])
def test_the_mean_is_that_of_tasks_where_every_cell_has_a_weight(layout, rule):
    X, y, _ = draw(layout)
    weight = np.random.default_rng(2).choice([0.5, 1.0, 30.0], size=y.shape)
    found = search(task_weight=rule).fit(X, y, weight)
    totals = np.where(np.isnan(y), 0.0, weight).sum(axis=0)
    c = {"equal": np.ones(4), "proportional": totals}.get(str(rule), rule)
    expected = (found.task_score_path_[:, :, 0] @ c / np.sum(c)).ravel()
    means = found.cv_results_["mean_test_score"]
    np.testing.assert_allclose(means, expected, rtol=1e-12)
    best = found.cv_results_["params"][expected.argmax()]
    names = ("alpha", "alpha_mean", "alpha_intercept")
    assert best == {name: getattr(found, f"{name}_") for name in names}


def test_equal_to_the_splitter_of_scikit_learn():
    X, y, tasks = draw("rows")
    folds = search(tol=1e-12).set_params(cv=LeaveOneOut())
    folds.fit(X, y, tasks=tasks)
    found = search().fit(X, y, tasks=tasks)
    np.testing.assert_allclose(found.score_path_, folds.score_path_, rtol=1e-8)
    assert found.alpha_ == folds.alpha_


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_offset_of_the_targets_changes_no_score(layout):
    X, y, tasks = draw(layout)
    far = y + 1.7e9
    near = far - 1.7e9  # what rounding has left
    found, expected = (search().fit(X, target, tasks=tasks) for target in (far, near))
    np.testing.assert_allclose(found.score_path_, expected.score_path_, rtol=1e-9)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_alone_tell_of_a_direction_are_fitted_exactly(seed):
    """With strengths that differ, a first system leaves more than rounding."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(15, 30)) * rng.uniform(1.0, 4.0, size=30)
    Y = X @ rng.normal(size=(30, 6)) + 100.0 * rng.normal(size=(15, 6))
    est = MeanRegularizedRegressorCV(
        alphas=[0.75], ratios=[0.01], intercept_ratios=[0.5], cv="loo"
    )
    found = est.fit(X, Y).score_path_.ravel()
    model = MeanRegularizedRegressor(
        0.75, alpha_mean=0.0075, alpha_intercept=0.375, tol=1e-14
    )
    for row in range(15):
        rest = np.arange(15) != row
        Z = model.fit(X[rest], Y[rest]).predict(X[[row]])
        expected = -np.mean((Y[row] - Z) ** 2)
        assert found[row] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("task_weight", ["equal", "proportional"])
def test_rows_in_several_parts(task_weight, monkeypatch):
    X, y, tasks = draw("rows")
    weight = np.random.default_rng(1).integers(1, 3, len(y)).astype(float)
    whole = search(task_weight=task_weight).fit(X, y, weight, tasks=tasks)
    monkeypatch.setattr(_leave_one_out, "_BATCH_ENTRIES", 2 * X.shape[1] ** 2)
    parts = search(task_weight=task_weight).fit(X, y, weight, tasks=tasks)
    np.testing.assert_allclose(parts.score_path_, whole.score_path_, rtol=1e-12)


@pytest.mark.parametrize("task_weight", ["equal", "proportional"])
def test_no_step_is_taken_task_by_task(task_weight):
    rng = np.random.default_rng(0)
    calls = []
    for n_tasks in (50, 500):
        tasks = np.repeat(np.arange(n_tasks), 5)
        X, y = rng.normal(size=(len(tasks), 2)), rng.normal(size=len(tasks))
        model = search(task_weight=task_weight)
        calls.append(counted(lambda m=model, d=(X, y), t=tasks: m.fit(*d, tasks=t)))
    assert calls[1] < calls[0] + 300


def test_refused():
    X, y, tasks = draw("rows")
    tasks[0] = 9
    with pytest.raises(ValueError, match=r"task\(s\) \[9\] have one row"):
        search().fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="cv='loo' scores by the squared error"):
        search(scoring="r2").fit(X, y)
    for other in (GroupLassoRegressorCV, MeanRegularizedClassifierCV):
        with pytest.raises(ValueError, match="cv='loo' is not known to"):
            other(cv="loo").fit(X, y > 0)
