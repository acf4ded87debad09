"""One table out of one table per task."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from mtlreg.inputs.stack import stack_tasks
from tests.task_stubs import (
    BOOLS,
    DATES,
    FEATURES,
    D,
    N,
    Regressor,
    assert_tables_equal,
)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, D))


@pytest.fixture
def y():
    return np.arange(N, dtype=float)


PARTS = [slice(0, 5), slice(5, 6), slice(6, N)]
KEYS = ["s", "n", "w"]
STACKED = np.repeat([0, 1, 2], [5, 1, 6])


@pytest.mark.parametrize("container", ["list", "dict", "tuple"])
@pytest.mark.parametrize("make", [np.asarray, np.ndarray.tolist])
def test_stack_arrays(container, make, X, y):
    Xs, ys, ws = ([make(v[part]) for part in PARTS] for v in (X, y, y + 1))
    keys = [0, 1, 2]
    if container == "dict":
        keys = KEYS
        Xs = dict(zip(keys, Xs, strict=True))
        ys = dict(zip(keys[::-1], ys[::-1], strict=True))
        ws = dict(zip(keys, ws, strict=True))
    elif container == "tuple":
        Xs, ys, ws = tuple(Xs), tuple(ys), tuple(ws)
    table, target, tasks, weight = stack_tasks(Xs, ys, sample_weights=ws)
    np.testing.assert_array_equal(table, X)
    np.testing.assert_array_equal(target, y)
    np.testing.assert_array_equal(weight, y + 1)
    assert tasks.tolist() == [keys[t] for t in STACKED]
    assert len(stack_tasks(Xs, ys)) == 3
    fit = Regressor().fit(table, target, weight, tasks=tasks).read_
    assert fit.data.y.tolist() == (
        y.tolist() if container != "dict" else [*y[5:6], *y[:5], *y[6:]]
    )


@pytest.mark.parametrize("keys", [None, KEYS, [7, 5, 2**60], BOOLS[:2], DATES[:3]])
@pytest.mark.parametrize("position", [0, 1, -1, D])
def test_stack_arrays_with_a_task_column(keys, position, X, y):
    parts = PARTS[: len(keys)] if keys else PARTS
    n_rows = 6 if len(parts) == 2 else N
    Xs, ys = ([v[part] for part in parts] for v in (X, y))
    if keys:
        Xs = dict(zip(keys, Xs, strict=True))
        ys = dict(zip(keys, ys, strict=True))
    table, target, tasks = stack_tasks(Xs, ys, task_column=position)
    assert tasks is None
    fit = Regressor(position).fit(table, target).read_
    labels = [(keys or [0, 1, 2])[t] for t in STACKED[:n_rows]]
    assert_tables_equal(fit, X[:n_rows], y[:n_rows], np.array(labels, dtype=object))


@pytest.mark.parametrize("fmt", ["csr", "csc", "coo"])
@pytest.mark.parametrize("position", [None, 0, -1])
def test_stack_sparse(fmt, position, X, y):
    Xs = [sparse.csr_matrix(X[part]).asformat(fmt) for part in PARTS]
    ys = [y[part] for part in PARTS]
    table, target, tasks = stack_tasks(Xs, ys, task_column=position)
    assert isinstance(table, sparse.csr_array)
    fit = Regressor(position).fit(table, target, tasks=tasks).read_
    assert_tables_equal(fit, X, y, STACKED)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, "arrow"])
@pytest.mark.parametrize("keys", [KEYS, [3, 1, 2], DATES[:3], [2**60, 1, 2]])
@pytest.mark.parametrize("column", [None, "school"])
def test_stack_frames(make, keys, column, X, y):
    def frame(part):
        columns = {name: X[part, j] for j, name in enumerate(FEATURES)}
        return pa.table(columns) if make == "arrow" else make(columns)

    Xs = {key: frame(part) for key, part in zip(keys, PARTS, strict=True)}
    ys = {key: pl.Series(y[part]) for key, part in zip(keys, PARTS, strict=True)}
    table, target, tasks = stack_tasks(Xs, ys, task_column=column)
    assert type(table) is type(frame(PARTS[0]))
    if column:
        names = getattr(table, "column_names", None) or list(table.columns)
        assert names == [*FEATURES, "school"]
    fit = Regressor(column).fit(table, target, tasks=tasks).read_
    labels = np.array([keys[t] for t in STACKED], dtype=object)
    assert_tables_equal(fit, X, y, labels)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_stack_frames_with_uneven_numbers(make):
    Xs = [make({"a": [1, 2], "b": [1.0, 2.0]}), make({"a": [0.5], "b": [3.0]})]
    table, _, _ = stack_tasks(Xs, [[1.0, 2.0], [3.0]])
    expected = [[1.0, 1.0], [2.0, 2.0], [0.5, 3.0]]
    np.testing.assert_array_equal(np.array(table), expected)


def test_stack_keeps_class_labels():
    Xs = [[[1.0]] * 2, [[2.0]] * 2]
    words = ["no", "yes"]
    for ys in ([words, words], [pl.Series(words), np.array(words)]):
        assert stack_tasks(Xs, ys)[1].tolist() == words * 2
    assert stack_tasks(Xs, [words, [0, 1]])[1].tolist() == [*words, 0, 1]
    assert stack_tasks(Xs, [[0, 1], [1, 1]])[1].dtype == np.int64


@pytest.mark.parametrize(
    ("Xs", "ys", "options", "message"),
    [
        ([], [], {}, "Xs is empty"),
        ([[[1.0]]], [[1.0], [2.0]], {}, "ys has 2 tasks, but Xs has 1"),
        ({"a": [[1.0]]}, {"b": [1.0]}, {}, r"keys of ys are \['b'\].*\['a'\]"),
        ([[[1.0]]], {"b": [1.0]}, {}, "keys of ys"),
        ([[[1.0]]], [[1.0, 2.0]], {}, r"Xs\[0\] has 1 rows, but ys\[0\] has 2"),
        (
            [[[1.0]]],
            [[1.0]],
            {"sample_weights": [[1.0, 2.0]]},
            r"sample_weights\[0\] has 2",
        ),
        ([[[1.0]], [[1.0, 2.0]]], [[1.0], [1.0]], {}, r"Xs\[1\] has shape \(1, 2\)"),
        ([[1.0], [2.0]], [[1.0], [1.0]], {}, "Pass 2-D"),
        (
            [[[1.0]], sparse.csr_array([[1.0]])],
            [[1.0], [1.0]],
            {},
            "not of the same kind",
        ),
        (
            [pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]})],
            [[1.0], [1.0]],
            {},
            r"Xs\[1\] is not a frame of the same library",
        ),
        (
            [pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})],
            [[1.0], [1.0]],
            {},
            r"Xs\[1\] has the columns \['b'\]",
        ),
        ([pd.DataFrame({"a": [1]})], [[1.0]], {"task_column": "a"}, "already a column"),
        ([pd.DataFrame({"a": [1]})], [[1.0]], {"task_column": 0}, "need the name"),
        ([[[1.0]]], [[1.0]], {"task_column": "a"}, "no column names.*-2 to 1"),
        ([[[1.0]]], [[1.0]], {"task_column": 2}, "-2 to 1"),
        (
            {"a": sparse.csr_array([[1.0]])},
            {"a": [1.0]},
            {"task_column": 0},
            "sparse X holds numbers only.*strings",
        ),
        ({"a": [[1.0]], 1: [[1.0]]}, {"a": [1.0], 1: [1.0]}, {}, "keys of Xs.*type"),
    ],
)
def test_stack_refuses(Xs, ys, options, message):
    with pytest.raises(ValueError, match=message):
        stack_tasks(Xs, ys, **options)


def test_stack_refuses_a_bool_position():
    with pytest.raises(TypeError, match="task_column=True"):
        stack_tasks([[[1.0]]], [[1.0]], task_column=True)
