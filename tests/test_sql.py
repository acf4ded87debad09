"""Statistics by a query: those of the rows, or a reason why not."""

import contextlib
import sqlite3

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

import mtlreg
from mtlreg.sql import TaskQuery
from mtlreg.statistics import TaskStatistics
from tests.test_statistics import EXACT, assert_alike, table

NAMES = ["a", "b c", 'd"e', "from"]


def duck(query, frame, to="df"):
    with duckdb.connect() as base:
        base.register("visits", frame)
        return getattr(base.sql(query.sql), to)()


def lite(query, frame):
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        frame.to_sql("visits", base)
        return pd.read_sql(query.sql, base)


def visits(**options):
    X, y, tasks, weight = table(**options)
    frame = pd.DataFrame(X, columns=NAMES)
    return frame.assign(target=y, school=tasks, w=weight)


def assert_same_sums(found, wanted, rtol=1e-12):
    """Equal to so much of what the entries are bounded by."""
    np.testing.assert_array_equal(found.tasks_, wanted.tasks_)
    np.testing.assert_array_equal(found.n_rows_, wanted.n_rows_)
    np.testing.assert_allclose(found.weight_, wanted.weight_, rtol=rtol)
    np.testing.assert_allclose(found.counts[1], wanted.counts[1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.feature_means_, wanted.feature_means_, rtol=rtol)
    np.testing.assert_allclose(found.target_means_, wanted.target_means_, rtol=rtol)
    size = np.sqrt(np.diagonal(wanted.gram_, axis1=1, axis2=2))
    left = (found.gram_ - wanted.gram_) / (size[:, :, None] * size[:, None])
    assert np.abs(left).max() <= rtol
    height = np.sqrt(wanted.square_)[:, None]
    assert np.abs((found.cross_ - wanted.cross_) / (size * height)).max() <= rtol
    np.testing.assert_allclose(found.square_, wanted.square_, rtol=rtol)


@pytest.mark.parametrize("run", [duck, lite])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_sums_are_those_in_memory(run, weighted, offset):
    frame = visits(n=2000)
    frame[NAMES] += offset
    frame["target"] -= offset
    frame.loc[7, "w"] = 0.0
    query = TaskQuery("visits", NAMES, "target", "school", "w" if weighted else None)
    found = query.read(run(query, frame))
    weight = frame["w"] if weighted else None
    columns = [*NAMES, "school"]
    wanted = TaskStatistics(task_column="school")
    wanted.update(frame[columns], frame["target"], sample_weight=weight)
    assert_same_sums(found, wanted)
    model = mtlreg.GroupLassoRegressor(task_column="school", tol=EXACT)
    streamed = clone(model).fit_statistics(found)
    if offset == 0:
        assert_alike(streamed, model.fit(frame[columns], frame["target"], weight))
        np.testing.assert_array_equal(
            streamed.feature_names_in_, model.feature_names_in_
        )
        np.testing.assert_allclose(
            streamed.predict(frame[columns]), model.predict(frame[columns]), atol=1e-7
        )
    # rows of another source go on
    both = found + wanted
    np.testing.assert_array_equal(both.n_rows_, 2 * wanted.n_rows_)


@pytest.mark.parametrize("to", ["df", "pl", "to_arrow_table"])
def test_results_of_any_library(to):
    frame = visits()
    frame["school"] = np.array(list("vwxyz"), dtype=object)[frame["school"]]
    frame["a"] = np.where(frame["school"] == "w", 0.1, frame["a"])  # constant in one
    query = TaskQuery("visits", NAMES, "target", "school")
    given = pl.from_pandas(frame) if to == "pl" else frame
    found = query.read(duck(query, given, to))
    columns = [*NAMES, "school"]
    model = mtlreg.GroupLassoRegressor(task_column="school", tol=EXACT)
    streamed = clone(model).fit_statistics(found)
    assert_alike(streamed, model.fit(frame[columns], frame["target"]))
    assert list(found.tasks_) == list("vwxyz")


@pytest.mark.parametrize("run", [duck, lite])
@pytest.mark.parametrize("column", ["a", "target", "school", "w"])
def test_missing_values_are_refused(run, column):
    frame = visits()
    frame["school"] = frame["school"].astype("Int64")
    frame.loc[5, column] = None
    query = TaskQuery("visits", NAMES, "target", "school", "w")
    with pytest.raises(ValueError, match="missing"):
        query.read(run(query, frame))


def test_other_values_that_are_refused():
    frame = visits()
    query = TaskQuery("visits", NAMES, "target", "school", "w")
    with pytest.raises(ValueError, match="not finite"):
        query.read(duck(query, frame.assign(a=np.inf)))
    with pytest.raises(ValueError, match="not finite"):
        query.read(duck(query, frame).assign(s0=np.nan))
    with pytest.raises(ValueError, match="not finite"):
        query.read(duck(query, frame.assign(w=-1.0)))
    with pytest.raises(ValueError, match="features must be names"):
        TaskQuery("visits", "abc", "target", "school")


def sums_of(X, y, tasks, weight, shift):
    z = np.column_stack([X, y]) - shift
    rows = [np.flatnonzero(tasks == task) for task in (2, 0, 1)]
    return {
        "tasks": [2, 0, 1],
        "n_rows": [len(part) for part in rows],
        "sums": [weight[part] @ z[part] for part in rows],
        "products": [(weight[part] * z[part].T) @ z[part] for part in rows],
        "weight": [weight[part].sum() for part in rows],
        "log_weight": [np.log(weight[part]).sum() for part in rows],
    }


def test_sums_about_any_point():
    X, y, tasks, weight = table(n_tasks=3)
    wanted = TaskStatistics().update(X, y, tasks=tasks, sample_weight=weight)
    for shift in (0.5, np.arange(5.0), np.tile(np.arange(5.0), (3, 1))):
        given = sums_of(X, y, tasks, weight, shift if np.ndim(shift) < 2 else shift[0])
        found = TaskStatistics.from_sums(**given, shift=shift)
        assert_same_sums(found, wanted, 1e-11)
        assert list(found.feature_names_) == ["x0", "x1", "x2", "x3"]
    plain = TaskStatistics().update(X, y, tasks=tasks)
    given = sums_of(X, y, tasks, np.ones(len(y)), 0.0)
    del given["weight"], given["log_weight"]
    assert_same_sums(TaskStatistics.from_sums(**given), plain, 1e-11)


def test_a_constant_feature_of_sums_about_zero():
    X, y, tasks, _ = table(n_tasks=3)
    X[tasks == 1, 2] = 0.1
    found = TaskStatistics.from_sums(**sums_of(X, y, tasks, np.ones(len(y)), 0.0))
    assert not found.gram_[1, 2].any()
    assert found.cross_[1, 2] == 0
    model = mtlreg.GroupLassoRegressor(tol=EXACT)
    assert_alike(clone(model).fit_statistics(found), model.fit(X, y, tasks=tasks))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_rows": [1, 2]}, "n_rows must have shape"),
        ({"n_rows": [1, 2, 0]}, "have no rows"),
        ({"weight": [1, 2, -1]}, "have no rows"),
        ({"tasks": [0, 1, 0]}, "3 labels, of which 2 differ"),
        ({"tasks": [0, 1, None]}, "missing task labels"),
        ({"sums": np.zeros((3, 1))}, "a column for each feature"),
        ({"sums": np.zeros(3)}, "a column for each feature"),
        ({"products": np.zeros((3, 5))}, "products must have shape"),
        ({"shift": np.zeros(3)}, "shift must have shape"),
        ({"log_weight": [1, 2, np.nan]}, "log_weight of task"),
        ({"feature_names": ["a"]}, "feature_names must be 4"),
    ],
)
def test_sums_that_are_refused(change, message):
    X, y, tasks, weight = table(n_tasks=3)
    given = sums_of(X, y, tasks, weight, 0.0) | change
    with pytest.raises(ValueError, match=message):
        TaskStatistics.from_sums(**given)
