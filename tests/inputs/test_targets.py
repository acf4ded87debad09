"""Targets of regressors, weights, and the target of ``score``."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.task_stubs import (
    BINARY,
    COLUMNS,
    INTS,
    SCHOOLS,
    Classifier,
    D,
    N,
    Regressor,
    assert_tables_equal,
    read_only,
)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, D))


@pytest.fixture
def y():
    return np.arange(N, dtype=float)


TARGETS = {
    "list": list,
    "object": lambda y: y.astype(object),
    "int": lambda y: y.astype(int),
    "bool": lambda y: y > 3,
    "float32": lambda y: y.astype(np.float32),
    "pandas": pd.Series,
    "nullable": lambda y: pd.Series(y.astype(int), dtype="Int64"),
    "pandas objects": lambda y: pd.Series(y.astype(object), index=range(N, 0, -1)),
    "polars": pl.Series,
    "pyarrow": pa.array,
    "chunked": lambda y: pa.chunked_array([y[:5], y[5:]]),
    "read-only": read_only,
    "strided": lambda y: np.repeat(y, 2)[::2],
}


@pytest.mark.parametrize("name", TARGETS)
def test_1d_targets(name, X, y):
    target = TARGETS[name](y)
    fit = Regressor().fit(X, target, tasks=SCHOOLS).read_
    assert_tables_equal(fit, X, np.array(target, dtype=float), SCHOOLS)


HOLES = np.where(np.arange(2 * N).reshape(N, 2) % 5 == 3, np.nan, COLUMNS)
NULLS = np.where(np.isnan(HOLES), None, HOLES)
MATRICES = {
    "array": HOLES,
    "object": NULLS,
    "list": NULLS.tolist(),
    "masked": np.ma.masked_array(COLUMNS.astype(int), np.isnan(HOLES)),
    "pandas": pd.DataFrame(HOLES, columns=["u", "v"]),
    "nullable": pd.DataFrame(HOLES, columns=["u", "v"]).astype("Int64"),
    "pandas objects": pd.DataFrame(NULLS, columns=["u", "v"], dtype=object).replace(
        {None: pd.NA}
    ),
    "polars": pl.DataFrame(NULLS.tolist(), schema=["u", "v"], orient="row"),
    "pyarrow": pa.table({name: list(NULLS[:, j]) for j, name in enumerate("uv")}),
}


@pytest.mark.parametrize("name", MATRICES)
def test_2d_targets(name, X):
    est = Regressor().fit(X, MATRICES[name])
    data = est.read_.data
    named = hasattr(MATRICES[name], "columns")
    assert est.read_.layout == "columns"
    assert est.tasks_.tolist() == (["u", "v"] if named else [0, 1])
    assert data.offsets is None
    np.testing.assert_array_equal(data.weight, ~np.isnan(HOLES))
    np.testing.assert_array_equal(data.y, np.nan_to_num(HOLES))
    y, weight = est.score_target(MATRICES[name], (N, 2), sample_weight=np.arange(N))
    np.testing.assert_array_equal(weight, np.arange(N)[:, None] * ~np.isnan(HOLES))
    np.testing.assert_array_equal(y[weight > 0], HOLES[weight > 0])


@pytest.mark.parametrize(
    "Y",
    [
        np.arange(N)[:, None],
        pd.DataFrame({"u": range(N)}),
        pl.DataFrame({"u": range(N)}),
    ],
)
def test_one_column_is_a_2d_target_of_a_regressor(Y, X):
    est = Regressor().fit(X, Y)
    assert est.read_.layout == "columns"
    assert est.read_.data.y.shape == (N, 1)
    assert est.score_target(Y, (N, 1))[0].shape == (N, 1)
    assert est.score_target(np.arange(N), (N, 1))[0].shape == (N, 1)


def test_pandas_targets_with_integer_column_labels(X):
    Y = pd.DataFrame(COLUMNS, columns=[7, 3])
    assert Regressor().fit(X, Y).tasks_.tolist() == [7, 3]
    Y.columns = pd.MultiIndex.from_tuples([("u", 1), ("u", 2)])
    assert Regressor().fit(X, Y).tasks_.tolist() == [("u", 1), ("u", 2)]


@pytest.mark.parametrize("kind", [Regressor, Classifier])
def test_y_is_needed(kind, X):
    with pytest.raises(ValueError, match="requires y to be passed, but the target y"):
        kind().fit(X, None)


@pytest.mark.parametrize("kind", [Regressor, Classifier])
@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_1d_target_with_a_hole(kind, value, X):
    y = np.array([0.0, 1.0] * 6, dtype=object)
    y[4] = value
    found = "infinity" if value == np.inf else "NaN"
    for target in (y, list(y), y.astype(float), pd.Series(y), pl.Series(y.tolist())):
        with pytest.raises(ValueError, match=f"Input y contains {found}.*row 4"):
            kind().fit(X, target, tasks=SCHOOLS)


@pytest.mark.parametrize("kind", [Regressor, Classifier])
def test_infinity_in_a_2d_target(kind, X):
    Y = np.tile([[0.0, 1.0], [1.0, np.nan]], (6, 1))
    Y[4, 1] = np.inf
    with pytest.raises(ValueError, match=r"Input y contains infinity.*row 4"):
        kind().fit(X, Y)


@pytest.mark.parametrize("kind", [Regressor, Classifier])
def test_unusable_targets(kind, X, y):
    with pytest.raises(ValueError, match="Complex data not supported"):
        kind().fit(X, y + 1j)
    with pytest.raises(ValueError, match=r"inconsistent.*X has 12 rows, y has 11"):
        kind().fit(X, np.arange(11) % 2)
    with pytest.raises(ValueError, match=r"dim 3|1-D"):
        kind().fit(X, np.ones((N, 2, 2)))
    with pytest.raises(ValueError, match=r"inconsistent.*tasks has 11"):
        kind().fit(X, np.arange(N) % 2, tasks=INTS[:11])


@pytest.mark.parametrize("y", [SCHOOLS, 1.0, [[1.0], [1.0, 2.0]] * 6, [{}] * N])
def test_no_regression_target(y, X):
    with pytest.raises(ValueError, match="y of a regressor must hold numbers"):
        Regressor().fit(X, y)


@pytest.mark.parametrize("kind", [Regressor, Classifier])
def test_array_likes_without_a_shape(kind, X):
    class ArrayLike:
        def __init__(self, values):
            self.values = np.asarray(values)

        def __array__(self, dtype=None, copy=None):
            return self.values.astype(dtype or self.values.dtype)

    for y in (np.arange(N) % 2, BINARY):
        given = [ArrayLike(values) for values in (X, y, np.ones(y.shape))]
        data, plain = kind().fit(*given).read_.data, kind().fit(X, y).read_.data
        np.testing.assert_array_equal(data.X, plain.X)
        np.testing.assert_array_equal(data.y, plain.y)


@pytest.mark.parametrize("kind", [Regressor, Classifier])
@pytest.mark.parametrize("form", ["array", "pandas"])
def test_a_column_without_a_target(kind, form, X):
    Y = np.tile([[0.0, 1.0], [1.0, 0.0]], (6, 1))
    Y[:, 1] = np.nan
    Y = Y if form == "array" else pd.DataFrame(Y, columns=["u", "v"])
    name = "1" if form == "array" else "'v'"
    with pytest.raises(ValueError, match=rf"task\(s\) \[{name}\] have no observed"):
        kind().fit(X, Y)


def test_rows_of_weight_zero_are_dropped(X, y):
    weight = np.arange(N) % 4
    kept = weight > 0
    with_zeros = Regressor().fit(X, y, weight, tasks=SCHOOLS).read_.data
    dropped = Regressor().fit(X[kept], y[kept], weight[kept], tasks=SCHOOLS[kept])
    for name in ("X", "y", "weight", "offsets"):
        expected = getattr(dropped.read_.data, name)
        np.testing.assert_array_equal(getattr(with_zeros, name), expected)


def test_rows_without_a_cell_of_weight_are_dropped(X):
    weight = np.ones((N, 2))
    weight[0], weight[1, 0], weight[2, 1] = 0, 0, 0
    Y = COLUMNS + 1
    Y[2, 0] = np.nan
    data = Regressor().fit(X, Y, weight).read_.data
    np.testing.assert_array_equal(data.X, np.delete(X, [0, 2], axis=0))
    np.testing.assert_array_equal(data.weight[0], [0, 1])
    np.testing.assert_array_equal(data.y[0], [0, Y[1, 1]])


@pytest.mark.parametrize(
    "weight",
    [2, 2.0, [2] * N, np.full(N, 2), pd.Series([2] * N), pl.Series([2] * N)],
)
@pytest.mark.parametrize("form", ["single", "columns"])
def test_weights_of_every_container(weight, form, X, y):
    target = y if form == "single" else COLUMNS
    data = Regressor().fit(X, target, weight).read_.data
    np.testing.assert_array_equal(data.weight, np.full(target.shape, 2.0))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(N), "sample_weight has negative values"),
        (-1, "sample_weight has negative values"),
        (np.full(N, np.nan), "Input sample_weight contains NaN"),
        (np.full(N, np.inf), "Input sample_weight contains infinity"),
        (np.zeros(N), "sample_weight is zero everywhere"),
        (0, "sample_weight is zero everywhere"),
        (np.ones(N - 1), "inconsistent.*sample_weight has 11"),
        (["a"] * N, r"sample_weight must hold finite numbers.*tasks="),
        (["1"] * N, r"sample_weight must hold finite numbers.*tasks="),
        (pd.Series(["1"] * N, dtype="category"), r"sample_weight must.*tasks="),
        (pd.Series([1] * N, dtype="category"), r"sample_weight must.*tasks="),
        (pl.Series(["1"] * N), r"sample_weight must.*tasks="),
        (np.ma.masked_array(np.ones(N), np.arange(N) == 3), "masked values"),
        (np.array(2.0), "sample_weight must hold finite numbers"),
        (np.ones((N, 2)), "sample_weight has shape"),
        (np.ones((N, 1)), "sample_weight has shape"),
    ],
)
def test_refused_weights(weight, message, X, y):
    est = Regressor()
    with pytest.raises(ValueError, match=message):
        est.fit(X, y, weight, tasks=SCHOOLS)
    with pytest.raises(ValueError, match=message):
        est.fit(X, y, tasks=SCHOOLS).score_target(y, (N,), sample_weight=weight)


def test_refused_weights_of_columns(X):
    with pytest.raises(ValueError, match=r"sample_weight has shape \(12, 3\)"):
        Regressor().fit(X, COLUMNS, np.ones((N, 3)))
    with pytest.raises(ValueError, match=r"task\(s\) \[1\] have no observed"):
        Regressor().fit(X, COLUMNS, np.tile([1, 0], (N, 1)))
    with pytest.raises(ValueError, match="sample_weight has shape"):
        Classifier().fit(X, np.arange(N) % 3, np.ones((N, 3)))


def test_weights_of_which_none_is_masked(X, y):
    weight = np.ma.masked_array(np.full(N, 2), np.zeros(N, dtype=bool))
    data = Regressor().fit(X, y, weight).read_.data
    np.testing.assert_array_equal(data.weight, np.full(N, 2))
    with pytest.raises(ValueError, match="masked values"):
        Regressor().fit(X, COLUMNS, np.ma.masked_equal(COLUMNS, COLUMNS[0, 0]))


def test_a_task_of_weight_zero(X, y):
    with pytest.raises(ValueError, match=r"task\(s\) \['n', 's'\].*sample_weight > 0"):
        Regressor().fit(X, y, SCHOOLS == "w", tasks=SCHOOLS)


def test_score_of_rows(X, y):
    est = Regressor().fit(X, y, tasks=SCHOOLS)
    target, weight = est.score_target(pd.Series(y), (N,), sample_weight=np.arange(N))
    np.testing.assert_array_equal(target, y)
    np.testing.assert_array_equal(weight, np.arange(N))
    target, _ = est.score_target(y[:, None], (N,))
    np.testing.assert_array_equal(target, y)


@pytest.mark.parametrize("kind", [Regressor, Classifier])
def test_score_where_a_column_is_not_observed(kind, X):
    Y = BINARY.astype(float)
    est = kind().fit(X, Y)
    Y[:, 1] = np.nan
    target, weight = est.score_target(Y, (N, 2))
    np.testing.assert_array_equal(weight, np.tile([1, 0], (N, 1)))
    assert np.isfinite(target).all()
    with pytest.raises(ValueError, match="no observed target"):
        est.score_target(np.full((N, 2), np.nan), (N, 2))


def test_score_refuses_another_target(X):
    est = Regressor().fit(X, pd.DataFrame(COLUMNS, columns=["u", "v"]))
    with pytest.raises(ValueError, match=r"\['v', 'u'\].*order of tasks_"):
        est.score_target(pd.DataFrame(COLUMNS, columns=["v", "u"]), (N, 2))
    with pytest.raises(ValueError, match=r"y has shape \(12, 3\), but the prediction"):
        est.score_target(np.ones((N, 3)), (N, 2))
    with pytest.raises(ValueError, match=r"inconsistent.*y has 11"):
        est.score_target(COLUMNS[:11], (N, 2))
    with pytest.raises(ValueError, match="y is None"):
        est.score_target(None, (N, 2))
