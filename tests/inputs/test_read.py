"""Layouts of the tasks, and every kind of X."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from mtlreg.inputs.read import keep_tasks
from mtlreg.inputs.stack import stack_tasks
from tests.task_stubs import (
    FEATURES,
    FRAMES,
    SCHOOLS,
    SPARSE_FORMATS,
    TABLES,
    TEXT,
    Classifier,
    D,
    N,
    Regressor,
    as_objects,
    as_pandas,
    assert_tables_equal,
    read_only,
)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, D))


@pytest.fixture
def y():
    return np.arange(N, dtype=float)


def test_tasks_must_agree_with_the_fit(X, y):
    est = Regressor().fit(X, y, tasks=SCHOOLS)
    with pytest.raises(ValueError, match=r"fitted with tasks=.*task_column"):
        est.predict_input(X)
    for plain in (Regressor().fit(X, y), Regressor().fit(X, np.column_stack([y, y]))):
        with pytest.raises(ValueError, match=r"tasks= is given.*fitted without"):
            plain.predict_input(X, SCHOOLS)
        assert plain.predict_input(X)[1] is None


def test_tasks_and_task_column_exclude_each_other(X, y):
    est = Regressor("school")
    table = as_pandas(X, SCHOOLS)
    with pytest.raises(ValueError, match=r"tasks= and task_column='school' are both"):
        est.fit(table, y, tasks=SCHOOLS)
    with pytest.raises(ValueError, match=r"tasks= and task_column='school' are both"):
        est.fit(table, y).predict_input(table, SCHOOLS)


@pytest.mark.parametrize(
    ("kind", "columns"), [(Regressor, 1), (Regressor, 2), (Classifier, 2)]
)
def test_labels_exclude_a_2d_y(kind, columns, X):
    Y = np.tile([[0.0], [1.0]], (6, columns))
    with pytest.raises(ValueError, match=r"y of shape.*2-D and tasks= is given"):
        kind().fit(X, Y, tasks=SCHOOLS)
    with pytest.raises(ValueError, match=r"y of shape.*2-D and task_column is given"):
        kind("school").fit(as_pandas(X, SCHOOLS), Y)


def test_one_task_without_labels(X, y):
    fit = Regressor().fit(X, y).read_
    assert fit.layout == "single"
    assert fit.tasks.tolist() == [0]
    assert fit.data.offsets.tolist() == [0, N]
    assert fit.classes is None
    np.testing.assert_array_equal(fit.data.X, X)
    np.testing.assert_array_equal(fit.data.y, y)


def test_one_row_in_a_task(X, y):
    labels = ["only", *TEXT[1:]]
    assert_tables_equal(Regressor().fit(X, y, tasks=labels).read_, X, y, labels)


def test_keep_tasks_of_rows(X, y):
    fit = Regressor().fit(X, y, np.arange(N), tasks=SCHOOLS).read_
    kept = keep_tasks(fit.data, np.array([True, False, True]))
    alone = SCHOOLS != "s"
    other = Regressor().fit(X[alone], y[alone], np.arange(N)[alone], tasks=TEXT_KEPT)
    for name in ("X", "y", "weight", "offsets"):
        expected = getattr(other.read_.data, name)
        np.testing.assert_array_equal(getattr(kept, name), expected)


TEXT_KEPT = [school for school in TEXT if school != "s"]


def test_keep_tasks_of_columns(X):
    Y = np.random.default_rng(1).normal(size=(N, 3))
    Y[0, :2] = Y[3, 1] = np.nan
    kept = keep_tasks(Regressor().fit(X, Y).read_.data, np.array([True, True, False]))
    expected = Regressor().fit(X, Y[:, :2]).read_.data
    assert kept.offsets is None
    for name in ("X", "y", "weight"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(expected, name))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, pl.DataFrame, "arrow"])
def test_float_types_stay(dtype, make, X, y):
    table = X.astype(dtype)
    if make == "arrow":
        table = pa.table({name: table[:, j] for j, name in enumerate(FEATURES)})
    else:
        table = make(table)
    assert Regressor().fit(table, y).read_.data.X.dtype == dtype


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_float32_beside_a_task_column_stays(kind, X, y):
    fit = Regressor(-1).fit(FRAMES[kind](X.astype(np.float32), SCHOOLS), y).read_
    assert fit.data.X.dtype == np.float32


def memmap(X, tmp_path):
    stored = np.memmap(tmp_path / "X", dtype=X.dtype, mode="w+", shape=X.shape)
    stored[:] = X
    return np.memmap(tmp_path / "X", dtype=X.dtype, mode="r", shape=X.shape)


ARRAYS = {
    "F-ordered": lambda X, _: np.asfortranarray(X),
    "read-only": lambda X, _: read_only(X),
    "memory-mapped": memmap,
    "strided": lambda X, _: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": lambda X, _: X[::-1].copy()[::-1],
    "integer": lambda X, _: X.astype(np.int32),
    "bool": lambda X, _: X > 0,
    "float16": lambda X, _: X.astype(np.float16),
    "object": lambda X, _: X.astype(object),
    "list": lambda X, _: X.tolist(),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("form", ["single", "tasks", "columns", "task_column"])
def test_arrays_of_every_kind(name, form, X, y, tmp_path):
    est, tasks = Regressor(), None
    plain = np.column_stack([np.round(X * 4), np.arange(N) % 2])
    table = ARRAYS[name](plain, tmp_path)
    expected = np.array(table, dtype=float)
    before = np.array(table)
    target, weight = read_only(y), read_only(np.ones(N))
    if form == "tasks":
        tasks = SCHOOLS
    elif form == "columns":
        target = read_only(np.column_stack([y, np.where(y > 3, y, np.nan)]))
    elif form == "task_column":
        est.task_column = -1
    fit = est.fit(table, target, weight, tasks=tasks).read_
    assert fit.data.X.flags.c_contiguous
    assert fit.data.X.dtype == np.float64
    expected = expected[:, :-1] if form == "task_column" else expected
    order = {
        "tasks": np.argsort(SCHOOLS, kind="stable"),
        "task_column": np.argsort(np.arange(N) % 2, kind="stable"),
    }.get(form, slice(None))
    np.testing.assert_array_equal(fit.data.X, expected[order])
    for values in (fit.data.y, fit.data.weight):
        assert values.dtype == np.float64
        assert not np.shares_memory(values, weight)
    np.testing.assert_array_equal(np.array(table), before)


@pytest.mark.parametrize("fmt", SPARSE_FORMATS)
@pytest.mark.parametrize("container", ["array", "matrix"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_sparse_formats(fmt, container, dtype, X, y):
    plain = np.where(X > 0, np.round(4 * X), 0).astype(dtype)
    table = getattr(sparse, f"{fmt}_{container}")(plain)
    data = Regressor().fit(table, y, tasks=SCHOOLS).read_.data
    assert isinstance(data.X, sparse.csr_array)
    assert data.X.dtype == (np.float64 if dtype == np.int64 else dtype)
    order = np.argsort(SCHOOLS, kind="stable")
    np.testing.assert_array_equal(data.X.toarray(), plain[order])


@pytest.mark.parametrize("container", ["array", "matrix"])
def test_sparse_columns_stay_columns_where_the_tasks_are_columns(container, X, y):
    table = getattr(sparse, f"csc_{container}")(np.where(X > 0, X, 0))
    before = table.copy()
    data = Regressor().fit(table, np.column_stack([y, y])).read_.data
    assert isinstance(data.X, sparse.csc_array)
    np.testing.assert_array_equal(data.X.toarray(), before.toarray())
    doubled = np.repeat(table.data, 2), np.repeat(table.indices, 2), 2 * table.indptr
    twice = sparse.csc_array(doubled, shape=table.shape)
    data = Regressor().fit(twice, np.column_stack([y, y])).read_.data
    assert data.X.has_canonical_format
    assert twice.nnz == 2 * table.nnz
    np.testing.assert_array_equal(data.X.toarray(), 2 * before.toarray())


def test_sparse_with_wide_indices_and_duplicates(X, y):
    rows, columns = np.array([0, 0, 5], dtype=np.int64), np.array([1, 1, 2])
    table = sparse.csr_array((N, D))
    table.indptr = np.searchsorted(rows, np.arange(N + 1)).astype(np.int64)
    table.indices = columns.astype(np.int64)
    table.data = np.array([1.0, 2.0, 3.0])
    expected = table.toarray()
    data = Regressor().fit(table, y).read_.data
    assert data.X.has_canonical_format
    assert table.nnz == 3
    np.testing.assert_array_equal(data.X.toarray(), expected)


def outside(fmt, column):
    """A sparse table in which one entry lies in no column."""
    table = sparse.coo_array(np.eye(N, D)).asformat(fmt)
    if fmt == "coo":
        table.coords[1][0] = column
    elif fmt == "csc":
        table.indices[0] = N  # these are rows
    else:
        table.indices[0] = column
    return table


@pytest.mark.parametrize("column", [D, 10**6, -1])
@pytest.mark.parametrize("fmt", ["csr", "csc", "coo", "bsr"])
def test_sparse_indices_outside_the_table(fmt, column, X, y):
    table, match = outside(fmt, column), f"X is no valid {fmt} matrix"
    est = Regressor().fit(X, y)
    for task_column in (None, 0):
        with pytest.raises(ValueError, match=match):
            Regressor(task_column).fit(table, y)
    with pytest.raises(ValueError, match=match):
        est.predict_input(table)
    with pytest.raises(ValueError, match="y is no valid"):
        Regressor().fit(X, table)
    with pytest.raises(ValueError, match="y is no valid"):
        Classifier().fit(X, table)
    with pytest.raises(ValueError, match=r"Xs\[0\] is no valid"):
        stack_tasks([table], [y])


DAYS = np.arange(N).astype("datetime64[D]")
DATES_IN_X = {
    "array": DAYS[:, None],
    "durations": (DAYS - DAYS[0])[:, None],
    "list": [[day] for day in DAYS],
    "objects": DAYS.astype(object)[:, None],
    "pandas": pd.DataFrame({"day": DAYS}),
    "pandas beside numbers": pd.DataFrame({"day": DAYS, "x": np.arange(N)}),
    "pandas with a zone": pd.DataFrame({"day": pd.Series(DAYS).dt.tz_localize("UTC")}),
    "polars": pl.DataFrame({"day": DAYS}),
    "polars beside numbers": pl.DataFrame({"day": DAYS, "x": np.arange(N)}),
}


@pytest.mark.parametrize("name", DATES_IN_X)
def test_dates_are_no_numbers(name, X, y):
    table = DATES_IN_X[name]
    with pytest.raises(TypeError, match=r"X has a column that does not hold numbers"):
        Regressor().fit(table, y)
    with pytest.raises(ValueError, match="y of a regressor must hold numbers"):
        Regressor().fit(X, table)
    with pytest.raises(ValueError, match="sample_weight must hold finite numbers"):
        Regressor().fit(X, np.ones((N, np.shape(table)[1])), table)


def test_pandas_sparse_columns_stay_sparse(X, y):
    plain = np.where(X > 0, X, 0)
    table = pd.DataFrame(plain, columns=FEATURES).astype(pd.SparseDtype(float, 0.0))
    fit = Regressor("school").fit(table.assign(school=SCHOOLS), y).read_
    assert sparse.issparse(fit.data.X)
    assert_tables_equal(fit, plain, y, SCHOOLS)


@pytest.mark.parametrize("kind", FRAMES)
def test_object_and_nullable_columns_that_hold_numbers(kind, X, y):
    table = FRAMES[kind](np.round(X), SCHOOLS)
    if kind == "pandas":
        table = table.astype({"a": "Float64", "b": object, "c": "int64[pyarrow]"})
    assert_tables_equal(Regressor(-1).fit(table, y).read_, np.round(X), y, SCHOOLS)


@pytest.mark.parametrize("kind", TABLES)
def test_strings_in_X_suggest_the_task_column(kind, X, y):
    with pytest.raises(ValueError, match=r"X has a column.*task_column="):
        Regressor().fit(TABLES[kind](X, SCHOOLS), y)
    with pytest.raises(ValueError, match=r"X has a column.*OneHotEncoder$"):
        Regressor(0).fit(TABLES[kind](np.round(X), SCHOOLS), y)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("column", [None, 3])
@pytest.mark.parametrize("kind", ["array", "pandas", "polars", "sparse"])
def test_values_that_are_not_finite_in_X(value, column, kind, X, y):
    X[1, 1] = value
    make = {"array": np.asarray, "pandas": pd.DataFrame, "polars": pl.DataFrame}
    make["sparse"] = sparse.csr_array
    table = make[kind](np.column_stack([X, np.arange(N) % 3]))
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        Regressor(column).fit(table, y)


def test_complex_and_unconvertible_X(X, y):
    with pytest.raises(ValueError, match="Complex data not supported"):
        Regressor().fit(X + 1j, y)
    table = X.astype(object)
    table[0, 0] = {"a": 1}
    with pytest.raises(TypeError, match=r"X has.*argument must be .* string.* number"):
        Regressor().fit(table, y)
    dates = pd.DataFrame(X).assign(when=pd.Timestamp(2024, 1, 1))
    dates.columns = [*FEATURES, "when"]
    with pytest.raises(TypeError, match="X has a column that does not hold numbers"):
        Regressor().fit(dates, y)
    with pytest.raises(ValueError, match="X has masked values"):
        Regressor(0).fit(np.ma.masked_array(X, X > 1), y)


@pytest.mark.parametrize("column", [None, 0, -1])
def test_X_of_a_wrong_shape(column, X, y):
    for wrong in (X[0], np.float64(1), X[None], sparse.coo_array(X[0])):
        with pytest.raises(ValueError, match=r"2D array|Expected 2D|dim 3"):
            Regressor(column).fit(wrong, y)
    with pytest.raises(ValueError, match="0 sample"):
        Regressor(column).fit(np.empty((0, 3)), y)


def test_no_rows_or_columns(y):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        Regressor().fit(np.empty((0, D)), [])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        Regressor().fit(np.empty((N, 0)), y)


def test_predict_checks_the_features(X, y):
    est = Regressor("school").fit(as_pandas(X, SCHOOLS), y)
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict_input(as_pandas(X, SCHOOLS)[["b", "a", "c", "school"]])
    with pytest.raises(ValueError, match="3 features, but Regressor is expecting 4"):
        Regressor(-1).fit(as_objects(X, SCHOOLS), y).predict_input(X)
    with pytest.raises(ValueError, match="Reshape your data"):
        Regressor().fit(X, y).predict_input(X[0])


@pytest.mark.parametrize("kind", TABLES)
def test_user_tables_stay_as_they_are(kind, X, y):
    table, twin = (TABLES[kind](X.copy(), SCHOOLS) for _ in range(2))
    target, weight = read_only(y), read_only(np.arange(N) + 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        est = Regressor(3).fit(table, target, weight)
        est.predict_input(table)
        est.score_target(target, (N,), sample_weight=weight)
    same = table.equals(twin) if kind in FRAMES else np.array_equal(table, twin)
    assert same
