"""The CV estimators against an explicit double loop of fits."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import KFold, ShuffleSplit

from mtlreg import GroupLassoRegressorCV, MeanRegularizedRegressorCV
from mtlreg.datasets import make_multitask_classification, make_multitask_regression
from mtlreg.estimators import _splits
from mtlreg.model_selection import TaskKFold
from mtlreg.problem import costs
from mtlreg.problem.statistics import statistics_pay
from tests.datafiles import load_data
from tests.estimators.cases import (
    CV_CLASSIFIERS,
    CV_ESTIMATORS,
    CV_REGRESSORS,
    draw,
    is_classifier,
    one_of_a_kind,
    oracle_of,
    penalty_of,
    plain_of,
    school_table,
)
from tests.estimators.loops import (
    RTOL,
    SPLITS,
    N,
    double_loop,
    integer_weights,
    kind_of,
    multiclass,
    punched,
    search_of,
)

STRUCTURES = ["mean", "group", "low_rank", "dirty"]
TASK_WEIGHTS = {
    "proportional": "proportional",
    "dict": {0: 0.5, 1: 1.0, 2: 3.0, 9: 7.0},
    "array": [0.5, 1.0, 3.0],
}
every_search = pytest.mark.parametrize("cls", CV_ESTIMATORS, ids=lambda c: c.__name__)
# folds know no penalty but by its kind
each_kind = pytest.mark.parametrize(
    "cls", one_of_a_kind(CV_ESTIMATORS), ids=lambda c: c.__name__
)
each_regressor = pytest.mark.parametrize(
    "cls", one_of_a_kind(CV_REGRESSORS), ids=lambda c: c.__name__
)


def assert_losses(found, expected, rtol=RTOL):
    """Equal where predictions are off by a share of the size of the targets.

    A loss is then off by as much of the geometric mean of its own and that size, which
    is here that of the largest loss.
    """
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    size = np.abs(expected)
    noise = rtol * (size + np.sqrt(size * np.nanmax(size)))
    assert np.all((np.abs(found - expected) <= noise) | np.isnan(expected))


def assert_is_loop(
    search, X, y, weight=None, tasks=None, splits=SPLITS, task_rtol=RTOL
):
    """Fit a search; its scores and its choice are those of the loops."""
    search.fit(X, y, weight, tasks=tasks)
    loop = double_loop(search, X, y, splits, weight, tasks)
    found, expected = search.task_score_path_, loop.task_scores
    assert_losses(search.score_path_, loop.scores)
    assert_losses(found, expected, task_rtol)
    ratio, index = loop.best
    alphas = np.atleast_2d(search.alphas_)
    leading = search._model_class._strengths[0]
    ratios = getattr(search, "ratios_", [None])
    means = np.mean(loop.scores, axis=-1)
    # two ratios have one optimum where the specific part is 0: either is the choice
    tied = np.argwhere(np.isclose(means, means[ratio, index], rtol=1e-12, atol=0))
    chosen = getattr(search, f"{leading}_"), getattr(search, "ratio_", None)
    assert chosen in [(alphas[i, j], ratios[i]) for i, j in tied]


def has_zeros(cls):
    """Whether all is 0 at large strengths, without a center that nothing penalises."""
    penalty = penalty_of(plain_of(cls)())
    return not (penalty.has_polar and penalty.free_directions(1).size)


def by_rows(cls, change=lambda X: X, weight=None, **params):
    X, y, tasks = draw(kind_of(cls))
    return (change(X), y, weight, tasks), params


def by_table(cls, library, weight=None):
    table, y, column = school_table(library, kind_of(cls))
    return (table, y, weight, None), {"task_column": column}


def by_columns(cls, change=lambda X, Y: (X, Y), weight=None, **params):
    X, Y, _ = draw(kind_of(cls), layout="columns")
    return (*change(X, Y), weight, None), params


def single(cls):
    """Of one task all norms of a row are the same, and so are the ratios of them."""
    X, y, _ = draw(kind_of(cls), layout="single")
    points = oracle_of(cls).points
    ratios = {name: points[name][:1] for name in points.keys() - {"alphas"}}
    return (X, y, None, None), ratios


def thinned(X, to=sparse.csr_array):
    return to(X * (np.abs(X) > 0.5))


def one_missing(X, Y):
    """A cell of one fold: in the others all tasks have the same rows."""
    Y = Y.astype(float)
    Y[0, 0] = np.nan
    return X, Y


def one_fold_only(X, outlier):
    """A feature that is 0 outside the test part of the first fold, with an outlier."""
    lonely = np.zeros(len(X))
    lonely[SPLITS[0][1]] = np.random.default_rng(6).normal(size=len(SPLITS[0][1]))
    lonely[SPLITS[0][1][3]] *= outlier
    return np.column_stack([lonely, X])


LAYOUTS = {
    "tasks": by_rows,
    "pandas": lambda cls: by_table(cls, "pandas"),
    "polars": lambda cls: by_table(cls, "polars", integer_weights()),
    "columns": by_columns,
    "missing": lambda cls: by_columns(cls, lambda X, Y: (X, punched(Y))),
    "a missing cell": lambda cls: by_columns(cls, one_missing),
    "a missing cell, as many features as tasks": lambda cls: by_columns(
        cls, lambda X, Y: one_missing(X[:, :3], Y)
    ),
    "single": single,
    "weights": lambda cls: by_rows(cls, weight=integer_weights()),
    "columns, weights of cells": lambda cls: by_columns(
        cls, lambda X, Y: (X, punched(Y)), weight=integer_weights((N, 3))
    ),
    "no intercept": lambda cls: by_rows(cls, fit_intercept=False),
    "sparse": lambda cls: by_rows(cls, thinned),
    "sparse columns": lambda cls: by_columns(
        cls, lambda X, Y: (thinned(X, sparse.csc_array), punched(Y))
    ),
    "large means": lambda cls: by_rows(cls, lambda X: X + 1e6),
    "sparse, large means": lambda cls: by_rows(
        cls, lambda X: sparse.csr_array(X + 1e6)
    ),
    "sparse columns, large means": lambda cls: by_columns(
        cls, lambda X, Y: (sparse.csc_array(X + 1e6), punched(Y))
    ),
    # at strengths of the scale of what it makes of X, but for a center, which fits it
    "an outlier in one fold": lambda cls: by_rows(
        cls, lambda X: one_fold_only(X, 1e6 if has_zeros(cls) else 1e2), alphas=3
    ),
}


@pytest.mark.parametrize(
    ("layout", "cls"),
    [
        # every kind with half of the layouts and every layout with half of the kinds,
        # with regressors as with classifiers; all pairs at night
        pytest.param(
            layout,
            cls,
            id=f"{layout}-{cls.__name__}",
            marks=pytest.mark.nightly if (row + column) % 2 else (),
        )
        for row, layout in enumerate(LAYOUTS)
        for kind in (CV_REGRESSORS, CV_CLASSIFIERS)
        for column, cls in enumerate(one_of_a_kind(kind))
    ],
)
def test_scores_and_choice_are_those_of_a_double_loop(cls, layout):
    given, params = LAYOUTS[layout](cls)
    assert_is_loop(search_of(cls, **params), *given)


@every_search
def test_a_double_loop_over_tasks(cls):
    given, params = LAYOUTS["tasks"](cls)
    assert_is_loop(search_of(cls, **params), *given)


@pytest.mark.parametrize("cls", CV_CLASSIFIERS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("weight", [None, integer_weights()], ids=["", "weighted"])
def test_multiclass_scores_are_the_mean_of_the_classes(cls, weight):
    X, _, _ = draw(layout="columns")
    assert_is_loop(search_of(cls), X, multiclass(), weight)


@each_kind
@pytest.mark.parametrize("rule", TASK_WEIGHTS)
def test_task_weights_are_those_of_the_training_part(cls, rule):
    # tasks of unequal size
    X, y, tasks = draw(kind_of(cls))
    tasks = np.where(np.arange(N) % 10 < 4, 0, tasks)
    search = search_of(cls, task_weight=TASK_WEIGHTS[rule])
    # of a task that counts less than the mean the certificate tells less
    assert_is_loop(search, X, y, integer_weights(), tasks, task_rtol=10 * RTOL)


@each_kind
@pytest.mark.parametrize("rule", TASK_WEIGHTS)
def test_task_weights_of_columns(cls, rule):
    X, Y, _ = draw(kind_of(cls), layout="columns")
    search = search_of(cls, task_weight=TASK_WEIGHTS[rule])
    assert_is_loop(search, X, punched(Y), integer_weights((N, 3)))


@pytest.mark.parametrize("rule", ["equal", *TASK_WEIGHTS])
def test_scores_weigh_the_tasks_that_are_left_out_as_the_objective_does(rule):
    # of one task nothing is left out in a fold; scales and sizes are unequal
    X, y, tasks = draw()
    tasks = np.where(np.arange(N) % 10 < 4, 0, tasks)
    y = y * np.array([1.0, 100.0, 0.01])[tasks]
    held = [np.flatnonzero((tasks != k) & (np.arange(N) % 3 == 0)) for k in range(2)]
    splits = [(np.setdiff1d(np.arange(N), rows), rows) for rows in held]
    weighting = TASK_WEIGHTS.get(rule, rule)
    search = search_of(GroupLassoRegressorCV, cv=splits, task_weight=weighting)
    weight = integer_weights()
    search.fit(X, y, weight, tasks=tasks)
    for k, rows in enumerate(held):
        c = {"equal": np.ones(3), "dict": [0.5, 1.0, 3.0], "array": [0.5, 1.0, 3.0]}
        c["proportional"] = [weight[rows][tasks[rows] == t].sum() for t in range(3)]
        c = np.where(np.arange(3) == k, 0.0, c[rule])
        by_task = np.nan_to_num(search.task_score_path_[:, :, k])
        expected = by_task @ c / c.sum()
        np.testing.assert_allclose(search.score_path_[:, :, k], expected, rtol=1e-12)
    np.testing.assert_array_equal(search.mse_path_, -search.score_path_)


def test_a_series_of_task_weights_in_folds_without_a_task():
    X, y, tasks = draw()
    first = np.arange(len(y)) < 40
    folds = [(np.flatnonzero(first & (tasks != 1)), np.flatnonzero(~first))]
    found = []
    for weight in ([1.0, 2.0, 5.0], pd.Series([5.0, 1.0, 2.0], index=[2, 0, 1])):
        search = search_of(
            GroupLassoRegressorCV, task_weight=weight, unseen_task="mean", cv=folds
        )
        found.append(search.fit(X, y, tasks=tasks).score_path_)
    np.testing.assert_array_equal(*found)


class Counter:
    """Counts which folds are fitted on statistics."""

    def __init__(self, monkeypatch, pay):
        self.n_on_statistics, fits = 0, _splits.StatisticsFold.fits

        def counted(fold, models):
            self.n_on_statistics += 1
            return fits(fold, models)

        monkeypatch.setattr(_splits.StatisticsFold, "fits", counted)
        monkeypatch.setattr(_splits, "statistics_pay", lambda *sizes: pay)


def on_both(monkeypatch, search, X, y, weight=None, tasks=None):
    """Scores with the statistics of folds, then with their rows."""
    found = []
    for pay in (True, False):
        with monkeypatch.context() as patch:
            counter = Counter(patch, pay)
            search.fit(X, y, weight, tasks=tasks)
        n_folds = search.score_path_.shape[2]
        assert counter.n_on_statistics == (n_folds if pay else 0)
        found.append((search.score_path_, search.task_score_path_, search.coef_))
    return found


@each_regressor
@pytest.mark.parametrize("layout", LAYOUTS)
def test_statistics_of_folds_score_what_rows_score(cls, layout, monkeypatch):
    (X, y, weight, tasks), params = LAYOUTS[layout](cls)
    search = search_of(cls, **params)
    ours, theirs = on_both(monkeypatch, search, X, y, weight, tasks)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=RTOL, atol=1e-6)


@each_regressor
@pytest.mark.parametrize("layout", ["tasks", "missing", "sparse"])
def test_an_offset_of_the_targets_changes_no_score(cls, layout, monkeypatch):
    (X, y, weight, tasks), _ = LAYOUTS[layout](cls)
    far = y + 1.7e9
    near = far - 1.7e9  # what rounding has left
    search = search_of(cls, alphas=5)
    expected = on_both(monkeypatch, search, X, near, weight, tasks)
    alphas = search.alphas_
    found = on_both(monkeypatch, search, X, far, weight, tasks)
    np.testing.assert_allclose(search.alphas_, alphas, rtol=1e-12)
    # as an intercept of this size is rounded
    rtol = 16 * np.finfo(float).eps * 1.7e9
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


@each_regressor
@pytest.mark.parametrize("shared", [False, True])
def test_statistics_serve_many_rows_by_themselves(cls, shared, monkeypatch):
    structure = {"shared_X": shared, "n_samples": 400, "n_features": 5, "n_tasks": 3}
    data = make_multitask_regression(**structure, random_state=2)
    tasks = None if shared else data.tasks
    splits = list(KFold(3, shuffle=True, random_state=1).split(data.X))
    counter = Counter(monkeypatch, None)
    monkeypatch.setattr(_splits, "statistics_pay", statistics_pay)
    search = search_of(cls, cv=splits)
    assert_is_loop(search, data.X, data.y, None, tasks, splits)
    assert counter.n_on_statistics == 3


@pytest.mark.parametrize("n_fit", [6, 7])
def test_statistics_of_all_folds_have_to_fit_into_memory(n_fit, monkeypatch):
    data = make_multitask_regression(3, 400, 5, random_state=2)
    # of three test parts, what comes after two of them, what came before, and one more
    monkeypatch.setattr(costs, "MOST_BYTES", n_fit * 8 * 3 * 5 * 5)
    counter = Counter(monkeypatch, None)
    monkeypatch.setattr(_splits, "statistics_pay", statistics_pay)
    search = GroupLassoRegressorCV(alphas=3, cv=3)
    search.fit(data.X, data.y, tasks=data.tasks)
    assert counter.n_on_statistics == (3 if n_fit == 7 else 0)


@each_regressor
def test_rows_in_no_test_part_are_always_trained_on(cls, monkeypatch):
    X, y, tasks = draw()
    tests = [test[:15] for _, test in SPLITS]
    splits = [(np.setdiff1d(np.arange(N), test), test) for test in tests]
    counter = Counter(monkeypatch, True)
    assert_is_loop(search_of(cls, cv=splits), X, y, None, tasks, splits)
    assert counter.n_on_statistics == 3


@pytest.mark.parametrize(
    "splits",
    [
        [(SPLITS[0][0][:30], SPLITS[0][1]), *SPLITS[1:]],
        [*SPLITS, SPLITS[0]],
        list(ShuffleSplit(3, random_state=0).split(np.zeros((N, 1)))),
    ],
    ids=["rows left out", "tested twice", "shuffled"],
)
def test_folds_that_are_no_merges_are_fitted_on_rows(splits, monkeypatch):
    X, y, tasks = draw()
    counter = Counter(monkeypatch, True)
    search = search_of(GroupLassoRegressorCV, cv=splits)
    assert_is_loop(search, X, y, None, tasks, splits)
    assert counter.n_on_statistics == 0


def test_tasks_without_rows_left_out_have_no_score():
    X, y, tasks = draw()
    held = [np.flatnonzero((tasks != k) & (np.arange(N) % 3 == 0)) for k in range(2)]
    splits = [(np.setdiff1d(np.arange(N), rows), rows) for rows in held]
    search = search_of(GroupLassoRegressorCV, cv=splits).fit(X, y, tasks=tasks)
    missing = np.isnan(search.task_score_path_).all(axis=(0, 1))
    np.testing.assert_array_equal(missing, [[True, False, False], [False, True, False]])
    np.testing.assert_array_equal(
        missing, np.isnan(search.task_score_path_).any((0, 1))
    )
    loop = double_loop(search, X, y, splits, None, tasks)
    np.testing.assert_allclose(search.task_score_path_, loop.task_scores, rtol=RTOL)


def test_a_free_mean_is_fitted_on_rows_beside_others_on_statistics(monkeypatch):
    X, y, tasks = draw()
    counter = Counter(monkeypatch, True)
    search = search_of(MeanRegularizedRegressorCV, ratios=[0.0, 0.5, 0.0, 1.0])
    assert_is_loop(search, X, y, None, tasks)
    assert counter.n_on_statistics == 3


@each_kind
@pytest.mark.parametrize("layout", ["tasks", "columns"])
def test_float32_scores_are_as_good_as_its_certificate(cls, layout):
    (X, y, weight, tasks), params = LAYOUTS[layout](cls)
    X, scores = X.astype(np.float32), []
    search = search_of(cls, alphas=[0.2, 0.02], **params)
    for given in (X, X.astype(np.float64)):
        search.fit(given, y, weight, tasks=tasks)
        assert search.coef_.dtype == given.dtype
        assert search.score_path_.dtype == np.float64
        scores.append(search.score_path_)
    # sqrt(2 * 2e-6) = 2e-3 of the fitted values
    np.testing.assert_allclose(*scores, rtol=4e-3)


@each_kind
@pytest.mark.parametrize("structure", STRUCTURES)
def test_generated_structures(cls, structure):
    make = make_multitask_regression
    if is_classifier(cls):
        make = make_multitask_classification
    data = make(
        structure=structure,
        n_tasks=4,
        n_features=6,
        n_informative=2,
        rank=2,
        random_state=3,
    )
    splits = list(KFold(3, shuffle=True, random_state=0).split(data.X))
    search = search_of(cls, cv=splits, tol=1e-12)
    # the certificate is of the sum over tasks: a single one may be sqrt(2 tol F0) off
    given = data.X, data.y, None, data.tasks, splits
    assert_is_loop(search, *given, task_rtol=1e-4)


def school():
    data = load_data("school")
    # with weaker strengths the minimisers of L1/Linf norms of dummies are not unique,
    # and differ on rows unlike those of the training part
    return data["X"][:, :-1], data["y"], data["tasks"], {"eps": 0.2}


def parkinsons():
    data = load_data("parkinsons")
    return standardised(data["X"]), data["y"], data["tasks"], {}


def landmine():
    data = load_data("landmine")
    return data["X"], data["y"], data["tasks"], {}


def rf1():
    """Missing features get their median; then a fifth of the targets is taken out."""
    data = load_data("rf1")
    X, Y = data["X"][::4], data["Y"][::4].copy()
    X = np.where(np.isnan(X), np.nanmedian(X, axis=0), X)
    Y[np.random.default_rng(0).random(Y.shape) < 0.2] = np.nan
    return standardised(X), Y, None, {}


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("read", "cls"),
    [
        (read, cls)
        for read in (school, parkinsons, rf1)
        for cls in one_of_a_kind(CV_REGRESSORS)
    ]
    + [(landmine, cls) for cls in one_of_a_kind(CV_CLASSIFIERS)],
    ids=lambda value: value.__name__,
)
def test_published_data(read, cls):
    X, y, tasks, params = read()
    splits = list(TaskKFold(2, random_state=0).split(X, y, tasks))
    search = search_of(cls, cv=splits, **params | {"tol": 1e-10})
    assert_is_loop(search, X, y, None, tasks, splits, task_rtol=1e-4)
