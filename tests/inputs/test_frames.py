"""The task column of every kind of table."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from tests.task_stubs import (
    FEATURES,
    FRAMES,
    SCHOOLS,
    SPARSE_FORMATS,
    TABLES,
    D,
    N,
    Regressor,
    as_objects,
    as_pandas,
    as_polars,
    assert_tables_equal,
)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, D))


@pytest.fixture
def y():
    return np.arange(N, dtype=float)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("column", ["school", 3, -1, np.int64(3)])
def test_task_column_of_frames(kind, column, X, y):
    table = FRAMES[kind](X, SCHOOLS)
    est = Regressor(column).fit(table, y)
    assert_tables_equal(est.read_, X, y, SCHOOLS)
    assert est.n_features_in_ == D + 1
    assert est.feature_names_in_.tolist() == [*FEATURES, "school"]
    assert est.read_.feature_names.tolist() == FEATURES
    features, codes = est.predict_input(table)
    np.testing.assert_array_equal(features, X)
    assert est.tasks_[codes].tolist() == SCHOOLS.tolist()


@pytest.mark.parametrize("kind", ["object", "list"])
@pytest.mark.parametrize("column", [3, -1])
def test_task_column_of_arrays(kind, column, X, y):
    table = TABLES[kind](X, SCHOOLS)
    est = Regressor(column).fit(table, y)
    assert_tables_equal(est.read_, X, y, SCHOOLS)
    assert est.n_features_in_ == D + 1
    assert est.read_.feature_names.tolist() == ["x0", "x1", "x2"]


def test_feature_names_count_the_position_in_the_users_table(X, y):
    table = np.insert(X, 1, np.arange(N) % 3, axis=1)
    est = Regressor(1).fit(table, y)
    assert_tables_equal(est.read_, X, y, np.arange(N) % 3)
    assert est.read_.feature_names.tolist() == ["x0", "x2", "x3"]


@pytest.mark.parametrize("fmt", SPARSE_FORMATS)
@pytest.mark.parametrize("container", ["array", "matrix"])
def test_task_column_of_sparse(fmt, container, X, y):
    labels = np.arange(N) % 3
    table = getattr(sparse, f"{fmt}_{container}")(np.column_stack([X, labels]))
    est = Regressor(-1).fit(table, y)
    assert isinstance(est.read_.data.X, sparse.csr_array)
    assert_tables_equal(est.read_, X, y, labels)


def test_pandas_with_integer_column_labels(X, y):
    table = pd.DataFrame(X).assign(school=SCHOOLS)
    table.columns = range(4)
    est = Regressor(3).fit(table, y)
    assert_tables_equal(est.read_, X, y, SCHOOLS)
    assert est.read_.feature_names.tolist() == ["x0", "x1", "x2"]


def test_a_unique_renamed_column_is_found(X, y):
    table = as_pandas(X, SCHOOLS).rename(columns={"school": "remainder__school"})
    assert_tables_equal(Regressor("school").fit(table, y).read_, X, y, SCHOOLS)
    table["other__school"] = SCHOOLS
    with pytest.raises(ValueError, match=r"task_column='school'.*other__school"):
        Regressor("school").fit(table, y)


def test_a_name_is_found_again_in_an_array(X, y):
    est = Regressor("school").fit(as_polars(X, SCHOOLS), y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        features, codes = est.predict_input(as_objects(X, SCHOOLS))
    np.testing.assert_array_equal(features, X)
    assert est.tasks_[codes].tolist() == SCHOOLS.tolist()


def test_no_name_is_left_from_an_earlier_fit(X, y):
    est = Regressor("school").fit(as_pandas(X, SCHOOLS), y)
    with pytest.raises(ValueError, match="has no column names"):
        est.fit(as_objects(X, SCHOOLS), y)


@pytest.mark.parametrize("column", [True, np.bool_(False), 1.0, ("school",), b"school"])
def test_task_column_is_a_name_or_a_position(column, X, y):
    with pytest.raises(TypeError, match=r"task_column=.*name.*position"):
        Regressor(column).fit(as_pandas(X, SCHOOLS), y)


@pytest.mark.parametrize(
    ("column", "kind", "message"),
    [
        ("schol", "pandas", r"task_column='schol'.*'school'.*integer position"),
        ("zzz", "polars", r"task_column='zzz'.*'a', 'b', 'c', 'school'"),
        ("school", "object", r"task_column='school'.*set_output\(transform='pandas'\)"),
        (4, "pyarrow", r"task_column=4.*4 columns.*-4 to 3"),
        (-5, "list", r"task_column=-5.*4 columns"),
    ],
)
def test_absent_task_column(column, kind, message, X, y):
    with pytest.raises(ValueError, match=message):
        Regressor(column).fit(TABLES[kind](X, SCHOOLS), y)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"school": SCHOOLS}),
        pl.DataFrame({"school": SCHOOLS.tolist()}),
        SCHOOLS[:, None],
        sparse.csr_array(np.ones((N, 1))),
    ],
)
def test_no_features_beside_the_task_column(table, y):
    with pytest.raises(ValueError, match=r"0 feature\(s\) beside the task column"):
        Regressor(0).fit(table, y)


@pytest.mark.parametrize("column", [None, "a", 0])
def test_duplicate_names(column, X, y):
    table = pd.DataFrame(X, columns=["a", "a", "b"])
    with pytest.raises(ValueError, match=r"unique column names.*\s.*'a'"):
        Regressor(column).fit(table, y)


def test_a_lazy_frame_is_refused(X, y):
    with pytest.raises(ValueError, match=r"X is a lazy frame.*collect"):
        Regressor("school").fit(as_polars(X, SCHOOLS).lazy(), y)
