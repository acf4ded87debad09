"""Folds that leave every task in training, in every container and search."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.utils.multiclass import type_of_target

from mtlreg import GroupLassoClassifier, GroupLassoRegressor
from mtlreg.metrics import task_scorer
from mtlreg.model_selection import TaskKFold
from tests.estimators.cases import FEATURES, draw, school_table
from tests.task_stubs import TABLES

N = 60
GRID = {"alpha": [0.01, 0.1]}


def labelled(sizes, seed=0):
    """Shuffled labels with given numbers of rows."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(seed).permutation(labels)


def folds_of(splitter, X, y=None, groups=None):
    """Test fold of every row, -1 if none; each split is a partition of the rows."""
    fold = np.full(len(X), -1)
    for k, (train, test) in enumerate(splitter.split(X, y, groups)):
        assert np.array_equal(np.sort(np.r_[train, test]), np.arange(len(X)))
        assert (fold[test] == -1).all()
        fold[test] = k
    assert set(range(splitter.n_splits)) <= set(fold.tolist())
    return fold


def counts(fold, rows, n_splits):
    return np.bincount(fold[rows], minlength=n_splits)


def uneven(numbers):
    return np.ptp(numbers) > 1


@given(
    st.lists(st.integers(2, 12), min_size=1, max_size=8),
    st.integers(2, 6),
    st.booleans(),
)
def test_every_task_is_in_every_training_part(sizes, n_splits, shuffle):
    tasks = labelled(sizes)
    if len(tasks) < n_splits:
        return
    splitter = TaskKFold(n_splits, shuffle=shuffle)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fold = folds_of(splitter, tasks[:, None], groups=tasks)
        for train, _ in splitter.split(tasks[:, None], groups=tasks):
            assert set(tasks[train]) == set(range(len(sizes)))
    assert fold.min() == 0
    assert not uneven(np.bincount(fold))
    for task in range(len(sizes)):
        assert not uneven(counts(fold, tasks == task, n_splits))


CLASSES = {
    "ints": lambda rng, n: rng.integers(0, 2, n),
    "floats": lambda rng, n: rng.integers(0, 3, n).astype(float),
    "strings": lambda rng, n: np.array(["no", "yes"])[rng.integers(0, 2, n)],
    "objects": lambda rng, n: np.array(["no", "yes"], object)[rng.integers(0, 2, n)],
    "bools": lambda rng, n: rng.integers(0, 2, n) > 0,
    "series": lambda rng, n: pd.Series(rng.integers(0, 2, n), dtype="category"),
    "polars": lambda rng, n: pl.Series(rng.integers(0, 2, n)),
    "column": lambda rng, n: rng.integers(0, 2, (n, 1)),
    "list": lambda rng, n: rng.integers(0, 2, n).tolist(),
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("shuffle", [True, False])
def test_classes_are_dealt_within_tasks(name, shuffle):
    tasks = labelled([30, 17, 9, 41])
    y = CLASSES[name](np.random.default_rng(1), len(tasks))
    fold = folds_of(TaskKFold(4, shuffle=shuffle), tasks[:, None], y, tasks)
    values = np.asarray(y).ravel()
    for task in range(4):
        assert not uneven(counts(fold, tasks == task, 4))
        for value in np.unique(values):
            rows = (tasks == task) & (values == value)
            assert not uneven(counts(fold, rows, 4))


def test_without_stratification_classes_would_be_uneven():
    tasks = labelled([30, 17, 9, 41])
    y = np.random.default_rng(1).integers(0, 2, len(tasks))
    fold = folds_of(TaskKFold(4, random_state=0), tasks[:, None], y + 0.5, tasks)
    spread = [
        uneven(counts(fold, (tasks == task) & (y == value), 4))
        for task in range(4)
        for value in (0, 1)
    ]
    assert any(spread)
    assert type_of_target(y + 0.5) == "continuous"


def test_counts_are_still_shuffled():
    tasks, y = np.zeros(N, dtype=int), np.arange(N)
    first, second = (
        folds_of(TaskKFold(5, random_state=s), y[:, None], y, tasks) for s in (0, 1)
    )
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, np.arange(N) % 5)


def test_order_is_kept_without_shuffle():
    tasks = np.array([1, 0, 1, 0, 1, 0])
    fold = folds_of(TaskKFold(3, shuffle=False), tasks[:, None], None, tasks)
    assert fold.tolist() == [0, 0, 1, 1, 2, 2]
    tasks = np.array([0, 1, 0, 1])
    fold = folds_of(TaskKFold(2, shuffle=False), tasks[:, None], None, tasks)
    assert fold.tolist() == [0, 0, 1, 1]


def test_folds_go_on_from_task_to_task():
    tasks = np.repeat(np.arange(5), 3)
    fold = folds_of(TaskKFold(2, shuffle=False), tasks[:, None], None, tasks)
    assert fold.tolist() == [0, 1] * 7 + [0]


def test_random_state():
    tasks = labelled([20, 20])
    X = tasks[:, None]

    def fold(random_state):
        return folds_of(TaskKFold(5, random_state=random_state), X, None, tasks)

    np.testing.assert_array_equal(fold(0), fold(0))
    assert not np.array_equal(fold(0), fold(1))
    generator = np.random.RandomState(0)
    assert not np.array_equal(fold(generator), fold(generator))
    assert not np.array_equal(fold(None), fold(None))


def test_small_tasks_are_named():
    tasks = np.array(["big"] * 10 + ["two"] * 2 + ["one"], dtype=object)
    splitter = TaskKFold(4, random_state=0)
    with pytest.warns(UserWarning, match=r"task\(s\) \['one', 'two'\]") as caught:
        splits = list(splitter.split(tasks[:, None], groups=tasks))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert all(12 in train for train, _ in splits)
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested.tolist()) == list(range(12))
    for train, _ in splits:
        assert set(tasks[train]) == {"big", "two", "one"}


@pytest.mark.parametrize("kind", [*TABLES, "csr", "csc"])
def test_labels_are_read_from_the_column(kind):
    X, y, tasks = draw()
    if kind in ("csr", "csc"):
        table = sparse.csr_array(np.column_stack([X, tasks])).asformat(kind)
    else:
        table = TABLES[kind](X[:, :3], np.array(["s", "n", "w"])[tasks])
    column = "school" if kind in ("pandas", "polars", "pyarrow") else -1
    codes = tasks if kind in ("csr", "csc") else np.array([1, 0, 2])[tasks]
    found = list(TaskKFold(task_column=column, random_state=0).split(table, y))
    expected = list(TaskKFold(random_state=0).split(X, y, codes))
    for (train, test), (other_train, other_test) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(train, other_train)
        np.testing.assert_array_equal(test, other_test)


def test_a_column_of_labels_is_table_enough():
    tasks = labelled([10, 10])
    table = pd.DataFrame({"school": tasks})
    fold = folds_of(TaskKFold(task_column="school", random_state=0), table)
    by_groups = folds_of(TaskKFold(random_state=0), table, None, tasks)
    np.testing.assert_array_equal(fold, by_groups)


def punched(n=200, T=12, seed=0):
    """A 2-D y with columns of 1 up to n / 2 observed targets."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n, T))
    for t, kept in enumerate(np.geomspace(1, n / 2, T).astype(int)):
        y[rng.permutation(n)[kept:], t] = np.nan
    return y


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_columns_keep_targets_in_training(shuffle, seed):
    y = punched(seed=seed)
    splitter = TaskKFold(5, shuffle=shuffle)
    with pytest.warns(UserWarning, match=r"task\(s\) \[0, 1, 2, 3\] have fewer"):
        splits = list(splitter.split(y, y))
    for train, _ in splits:
        assert (~np.isnan(y[train])).any(axis=0).all()
    sizes = [len(test) for _, test in splits]
    assert np.ptp(sizes) <= 4
    many = np.sum(~np.isnan(y), axis=0) >= 5
    for _, test in splits:
        assert (~np.isnan(y[test][:, many])).any(axis=0).all()


def test_the_only_target_of_a_column_stays_in_training():
    y = np.ones((10, 2)) + np.arange(10)[:, None] / 7
    y[1:, 0] = np.nan
    with pytest.warns(UserWarning, match=r"\[0\] have fewer"):
        fold = folds_of(TaskKFold(3, random_state=0), y, y)
    assert fold[0] == -1
    assert (fold[1:] >= 0).all()


def test_targets_that_other_columns_put_into_one_fold_are_parted():
    rng, parted = np.random.default_rng(0), 0
    for _ in range(300):
        y = rng.normal(size=(rng.integers(8, 15), rng.integers(4, 9)))
        y[rng.random(y.shape) < 0.75] = np.nan
        y[:, 0] = 0.5
        y = y[:, np.sum(~np.isnan(y), axis=0) >= 2]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            fold = folds_of(TaskKFold(3, random_state=0), y, y)
        for k in range(3):
            assert (~np.isnan(y[fold != k])).any(axis=0).all()
        parted += fold.min() < 0
    assert 0 < parted < 20


def test_classes_of_columns_are_dealt():
    rng = np.random.default_rng(0)
    y = (rng.random((300, 6)) < [0.03, 0.05, 0.1, 0.2, 0.3, 0.5]).astype(float)
    y[rng.random(y.shape) < 0.2] = np.nan
    for train, test in TaskKFold(5, random_state=0).split(y, y):
        for part in (train, test):
            assert (y[part] == 1).any(axis=0).all()
            assert (y[part] == 0).any(axis=0).all()
        assert abs(len(test) - 60) <= 6


def test_complete_columns_are_dealt_evenly():
    y = np.random.default_rng(0).normal(size=(23, 4))
    fold = folds_of(TaskKFold(5, random_state=0), y, y)
    assert not uneven(np.bincount(fold))
    frame = pl.DataFrame(y, schema=["p", "q", "r", "s"])
    np.testing.assert_array_equal(
        fold, folds_of(TaskKFold(5, random_state=0), y, frame)
    )


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("classes", [False, True])
def test_one_column_is_dealt_like_one_task(shuffle, classes):
    y = np.random.default_rng(0).normal(size=23)
    y = np.floor(y) if classes else y
    splitter = TaskKFold(5, shuffle=shuffle, random_state=0 if shuffle else None)
    task = folds_of(splitter, y, y, np.zeros(23, dtype=int))
    for column in (y[:, None], pd.DataFrame({"score": y})):
        np.testing.assert_array_equal(folds_of(splitter, y, column), task)


def test_rows_without_a_target_are_dealt_evenly_too():
    y = np.random.default_rng(0).normal(size=(33, 1))
    y[::3] = np.nan
    fold = folds_of(TaskKFold(5, random_state=0), y, y)
    for rows in (np.isnan(y[:, 0]), ~np.isnan(y[:, 0])):
        assert fold[rows].min() == 0
        assert not uneven(counts(fold, rows, 5))
    y[:31] = np.nan
    with pytest.warns(UserWarning, match=r"task\(s\) \[0\] have fewer"):
        fold = folds_of(TaskKFold(5, random_state=0), y, y)
    assert fold[31] != fold[32]


def test_groups_rule_over_columns_of_y():
    tasks = labelled([10, 20])
    y = np.random.default_rng(0).normal(size=(30, 2))
    fold = folds_of(TaskKFold(5, random_state=0), y, y, tasks)
    np.testing.assert_array_equal(
        fold, folds_of(TaskKFold(5, random_state=0), y, None, tasks)
    )


X, TASKS = np.zeros((6, 2)), np.array([0, 1] * 3)
FRAME = pd.DataFrame({"school": TASKS, "x": 1.0})


@pytest.mark.parametrize(
    ("params", "arguments", "message"),
    [
        (
            {"n_splits": 7},
            (X, None, TASKS),
            "n_splits=7 is greater .* rows, n_samples=6",
        ),
        ({}, (X, None, None), "pass groups=.* or set task_column"),
        ({}, (X, np.arange(6.0), None), "pass groups="),
        ({"task_column": "scool"}, (FRAME,), r"not a column of X.*\['school'\]"),
        ({"task_column": "school"}, (X,), "X has no column names"),
        ({"task_column": 2}, (X,), "not a position in X with 2 columns"),
        ({"task_column": 0}, (X, None, TASKS), "groups= and task_column=0 are both"),
        ({}, (X, None, [0, 1, None, 1, 0, 1]), "groups has missing task labels"),
        ({}, (X, None, np.array([0, np.nan] * 3)), "missing task labels .3 rows"),
        ({}, (X, None, np.array([0.5, 1] * 3)), "groups holds non-integer floats"),
        ({}, (X, None, TASKS[:5]), "inconsistent numbers of samples"),
        ({"n_splits": 2}, (X, None, np.arange(6)), "only 0 of 6 rows"),
        ({"n_splits": 3}, (X, None, [0, 0, 1, 2, 3, 4]), "only 2 of 6 rows"),
    ],
)
@pytest.mark.filterwarnings("ignore:task:UserWarning")
def test_refused_input(params, arguments, message):
    splitter = TaskKFold(**{"n_splits": 2, **params})
    with pytest.raises(ValueError, match=message):
        next(splitter.split(*arguments))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_splits": 1}, ValueError, "n_splits must be an integer >= 2, got 1"),
        ({"n_splits": 2.0}, ValueError, "n_splits must be an integer"),
        ({"n_splits": True}, ValueError, "n_splits must be an integer"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False"),
        ({"shuffle": False, "random_state": 0}, ValueError, "has no effect"),
        ({"task_column": 1.0}, TypeError, "task_column=1.0 must be"),
        ({"task_column": True}, TypeError, "task_column=True must be"),
    ],
)
def test_refused_parameters(params, error, message):
    with pytest.raises(error, match=message):
        TaskKFold(**params)


def test_is_a_splitter_of_scikit_learn():
    splitter = TaskKFold(np.int64(3), task_column="school", random_state=0)
    assert splitter.get_n_splits() == splitter.get_n_splits(X, None, TASKS) == 3
    expected = "n_splits=3, random_state=0, shuffle=True, task_column='school'"
    assert sorted(repr(splitter)[10:-1].split(", ")) == expected.split(", ")
    copied = clone(splitter, safe=False)
    assert repr(copied) == repr(splitter)
    search = clone(GridSearchCV(Ridge(), GRID, cv=splitter))
    assert repr(search.cv) == repr(splitter)


@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
@pytest.mark.parametrize("routing", [True, False])
def test_nested_searches_by_column(library, routing):
    table, y, column = school_table(library, "regressor")
    folds = TaskKFold(3, task_column=column, random_state=0)
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(GroupLassoRegressor(task_column=column), GRID, cv=folds)
        scores = cross_validate(search, table, y, cv=folds, error_score="raise")
        assert scores["test_score"].min() > 0.8
        predicted = cross_val_predict(search, table, y, cv=folds)
    assert np.mean((predicted - y) ** 2) < 0.3 * np.var(y)


def test_nested_searches_by_groups():
    X, y, tasks = draw("classifier")
    folds, scorer = TaskKFold(3, random_state=0), task_scorer("task_accuracy")
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(GroupLassoClassifier(), GRID, cv=folds, scoring=scorer)
        params = {"tasks": tasks, "groups": tasks}
        scores = cross_val_score(
            search,
            X,
            y,
            cv=folds,
            params=params,
            scoring=lambda fitted, X, y: fitted.best_score_,
            error_score="raise",
        )
    assert scores.min() > 0.7


def test_groups_without_routing():
    X, y, tasks = draw()
    scores = cross_val_score(Ridge(), X, y, groups=tasks, cv=TaskKFold(4))
    assert scores.shape == (4,)
    search = GridSearchCV(Ridge(), GRID, cv=TaskKFold(4))
    assert search.fit(X, y, groups=tasks).best_score_ <= 1


def test_a_task_column_takes_the_request_of_groups_back():
    table, y, column = school_table("pandas", "regressor")
    numbers, groups = table[FEATURES], np.arange(len(y)) % 6
    with config_context(enable_metadata_routing=True):
        assert TaskKFold().get_metadata_routing().split.requests == {"groups": True}
        inner = TaskKFold(3, task_column=column)
        assert inner.get_metadata_routing().split.requests == {"groups": False}
        renamed = TaskKFold().set_split_request(groups="school")
        params = {"school": table[column]}
        assert cross_val_score(Ridge(), numbers, y, cv=renamed, params=params).any()
        search = GridSearchCV(GroupLassoRegressor(task_column=column), GRID, cv=inner)
        result = cross_validate(
            search,
            table,
            y,
            cv=GroupKFold(3),
            params={"groups": groups},
            error_score="raise",
        )
    assert result["test_score"].shape == (3,)


def test_columns_of_y_in_a_search():
    X, y, _ = draw(layout="columns")
    folds = TaskKFold(4, random_state=0)
    y[::7, 1] = np.nan
    search = GridSearchCV(GroupLassoRegressor(), GRID, cv=folds, error_score="raise")
    assert search.fit(X, y).best_score_ > 0.8


def test_folds_do_not_depend_on_the_container():
    X, y, tasks = draw("classifier")
    expected = folds_of(TaskKFold(random_state=0), X, y, tasks)
    for groups in (tasks.tolist(), pd.Series(tasks), pl.Series(tasks), pa.array(tasks)):
        found = folds_of(TaskKFold(random_state=0), X, y, groups)
        np.testing.assert_array_equal(found, expected)
