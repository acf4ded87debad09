"""Labels of tasks and classes: every type, every container, every refusal."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from mtlreg.inputs.labels import encode, label_array, unique_labels
from tests.task_stubs import (
    BINARY,
    BOOLS,
    DATES,
    INTS,
    SCHOOLS,
    TABLES,
    TEXT,
    TIMES,
    Classifier,
    D,
    N,
    Regressor,
    as_pandas,
    as_polars,
    assert_tables_equal,
    rows_of,
)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, D))


@pytest.fixture
def y():
    return np.arange(N, dtype=float)


ZONED = [time.replace(tzinfo=datetime.UTC) for time in TIMES]
BIG = [2**63 + 2, 2**63, 2**63 + 1] * 4

LABELS = {
    "str list": (TEXT, TEXT),
    "str array": (np.array(TEXT), TEXT),
    "str dtype": (np.array(TEXT, dtype=np.dtypes.StringDType()), TEXT),
    "str pandas": (pd.Series(TEXT), TEXT),
    "str polars": (pl.Series(TEXT), TEXT),
    "str pyarrow": (pa.array(TEXT), TEXT),
    "str chunked": (pa.chunked_array([TEXT]), TEXT),
    "category": (pd.Series(TEXT, dtype="category"), TEXT),
    "int category": (pd.Series(INTS, dtype="category"), INTS),
    "pandas Categorical": (pd.Categorical(TEXT), TEXT),
    "polars Categorical": (pl.Series(TEXT, dtype=pl.Categorical), TEXT),
    "polars Enum": (pl.Series(TEXT, dtype=pl.Enum(["w", "n", "s"])), TEXT),
    "dictionary": (pa.array(TEXT).dictionary_encode(), TEXT),
    "int list": (INTS, INTS),
    "int8 array": (np.array(INTS, dtype=np.int8), INTS),
    "uint64 array": (np.array([3, 1, 2] * 4, dtype=np.uint64), [3, 1, 2] * 4),
    "beyond int64": (np.array(BIG, dtype=np.uint64), BIG),
    "int polars": (pl.Series(INTS), INTS),
    "nullable int": (pd.Series(INTS, dtype="Int64"), INTS),
    "int objects": (np.array(INTS, dtype=object), INTS),
    "float": (np.array(INTS, dtype=float), INTS),
    "float16": (np.array(INTS, dtype=np.float16), INTS),
    "float and int": ([3.0, -1, np.int8(2)] * 4, INTS),
    "bool list": (BOOLS, BOOLS),
    "bool array": (np.array(BOOLS), BOOLS),
    "nullable bool": (pd.Series(BOOLS, dtype="boolean"), BOOLS),
    "bool polars": (pl.Series(BOOLS), BOOLS),
    "dates": (DATES, DATES),
    "polars dates": (pl.Series(DATES), DATES),
    "times": (TIMES, TIMES),
    "pandas times": (pd.Series(TIMES), TIMES),
    "polars times": (pl.Series(TIMES), TIMES),
    "pyarrow times": (pa.array(TIMES), TIMES),
    "numpy times": (np.array(TIMES, dtype="datetime64[s]"), TIMES),
    "zoned times": (ZONED, TIMES),
    "zoned pandas": (pd.Series(ZONED).dt.tz_convert("Europe/Berlin"), TIMES),
    "zoned timestamps": (list(pd.Series(ZONED)), TIMES),
    "period of categories": (pd.Series(pd.Series(TIMES), dtype="category"), TIMES),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_every_container(name, X, y):
    labels, plain = LABELS[name]
    est = Regressor().fit(X, y, tasks=labels)
    assert_tables_equal(est.read_, X, y, plain)
    for again, _ in [LABELS[name], (list(plain), plain)]:
        features, codes = est.predict_input(X, again)
        assert features is not None
        assert codes.dtype == np.intp
        assert est.tasks_[codes].tolist() == list(plain)


def test_string_labels_are_python_strings(X, y):
    labels = ["a", "a\0", "b"] * 4
    for given_labels in [labels, pl.Series(labels), np.array(labels, dtype=object)]:
        fit = Regressor().fit(X, y, tasks=given_labels).read_
        assert fit.tasks.dtype == object
        assert fit.tasks.tolist() == ["a", "a\0", "b"]


def test_dates_match_over_units(X, y):
    noon = [datetime.datetime(2024, 1, 1, 12), datetime.datetime(2024, 1, 2)] * 6
    est = Regressor(unseen_task="mean").fit(X, y, tasks=noon)
    days = np.array(["2024-01-01", "2024-01-02"] * 6, dtype="datetime64[D]")
    assert est.predict_input(X, days)[1].tolist() == [-1, 1] * 6


NA_LABELS = [
    [*TEXT[:-1], None],
    [*TEXT[:-1], np.nan],
    [*TEXT[:-1], pd.NA],
    np.array([*INTS[:-1], np.nan]),
    pd.Series([*INTS[:-1], None], dtype="Int64"),
    np.ma.masked_array(INTS, np.arange(N) == N - 1),
    pd.Series([*TEXT[:-1], None]),
    pd.Series([*TEXT[:-1], None], dtype="category"),
    pd.Series([*TIMES[:-1], pd.NaT]),
    pl.Series([*TEXT[:-1], None]),
    pl.Series([*INTS[:-1], None]),
    pl.Series([*BOOLS[:-1], None]),
    pa.array([*TEXT[:-1], None]),
    [*TIMES[:-1], pd.NaT],
    np.array([*DATES[:-1], None], dtype="datetime64[D]"),
]


@pytest.mark.parametrize("labels", NA_LABELS, ids=lambda v: type(v).__module__)
def test_missing_labels(labels, X, y):
    with pytest.raises(ValueError, match=r"tasks has missing task labels.*row 11"):
        Regressor().fit(X, y, tasks=labels)


@pytest.mark.parametrize("kind", TABLES)
def test_missing_labels_in_a_column(kind, X, y):
    table = TABLES[kind](X, np.array([*TEXT[:-1], None], dtype=object))
    with pytest.raises(ValueError, match="task_column=3 has missing task labels"):
        Regressor(3).fit(table, y)


@pytest.mark.parametrize(
    "labels",
    [
        [1, "1"] * 6,
        [True, 2] * 6,
        ["a", datetime.date(2024, 1, 1)] * 6,
        [("a",), {"b"}] * 6,
        [b"a", b"b"] * 6,
        [datetime.timedelta(1)] * N,
        np.array([1, "1"] * 6, dtype=object),
    ],
)
def test_labels_of_mixed_or_other_types(labels, X, y):
    with pytest.raises(
        ValueError, match=r"tasks (must hold values of one type|has dtype)"
    ):
        Regressor().fit(X, y, tasks=labels)


@pytest.mark.parametrize("make", [list, pd.Series, np.array])
def test_times_with_and_without_a_zone(make, X, y):
    labels = make([*ZONED[:-1], TIMES[-1]])
    with pytest.raises(ValueError, match="tasks holds 11 times with a time zone and 1"):
        Regressor().fit(X, y, tasks=labels)
    # as classes too
    with pytest.raises(ValueError, match="y holds 11 times with a time zone and 1"):
        Classifier().fit(X, labels)


@pytest.mark.parametrize("dtype", ["S1", "m8[s]", "c16"])
def test_labels_of_another_dtype(dtype, X, y):
    with pytest.raises(ValueError, match="tasks"):
        Regressor().fit(X, y, tasks=np.ones(N, dtype="i8").astype(dtype))


@pytest.mark.parametrize("value", [0.5, np.inf, 2.0**63])
@pytest.mark.parametrize("kind", ["array", "pandas", "polars", "sparse"])
def test_scaled_task_column(value, kind, X, y):
    labels = np.array([value, 1.0] * 6)
    make = {"array": lambda *a: np.column_stack(a), "pandas": as_pandas}
    make["polars"] = as_polars
    make["sparse"] = lambda *a: sparse.csr_array(np.column_stack(a))
    with pytest.raises(
        ValueError, match=r"task_column=-1.*non-integer floats.*passthr"
    ):
        Regressor(-1).fit(make[kind](X, labels), y)


@pytest.mark.parametrize(
    "labels", [np.ones((N, 1)), [["a"]] * N, "a", pd.DataFrame([1])]
)
def test_labels_are_one_dimensional(labels, X, y):
    with pytest.raises(ValueError, match="tasks must be 1-D"):
        Regressor().fit(X, y, tasks=labels)


@pytest.mark.parametrize(
    ("fitted", "asked", "message"),
    [
        (INTS, TEXT, "strings here.*integers in fit"),
        (TEXT, INTS, "integers here.*strings in fit"),
        (BOOLS, INTS, "integers here.*booleans in fit"),
        (INTS, BOOLS, "booleans here.*integers in fit"),
        (DATES, TEXT, "strings here.*dates in fit"),
    ],
)
@pytest.mark.parametrize("unseen_task", ["error", "mean"])
def test_labels_of_another_type_than_in_fit(fitted, asked, message, unseen_task, X, y):
    est = Regressor(unseen_task=unseen_task).fit(X, y, tasks=fitted)
    with pytest.raises(ValueError, match=message):
        est.predict_input(X, asked)


@pytest.mark.parametrize("kind", TABLES)
def test_unseen_tasks(kind, X, y):
    est = Regressor(3).fit(TABLES[kind](X, SCHOOLS), y)
    new = np.where(SCHOOLS == "w", "x", SCHOOLS).astype(object)
    table = TABLES[kind](X, new)
    with pytest.raises(
        ValueError, match=r"1 task.*not seen.*\['x'\].*unseen_task='mean"
    ):
        est.predict_input(table)
    codes = est.set_params(unseen_task="mean").predict_input(table)[1]
    np.testing.assert_array_equal(codes, np.tile([1, 0, -1], 4))


def test_a_long_list_of_unseen_tasks_is_cut(X, y):
    est = Regressor().fit(X, y, tasks=np.zeros(N, dtype=int))
    with pytest.raises(ValueError, match=r"12 task.*: \[100, .*, 109, \.\.\.\]"):
        est.predict_input(X, np.arange(100, 112))


labels_of_one_kind = st.one_of(
    st.lists(values, min_size=1)
    for values in (
        st.text(max_size=3),
        st.integers(-(2**80), 2**80),
        st.integers(-5, 5),
        st.integers(2**63 - 5, 2**63 - 1),
        st.integers(-(2**63), -(2**63) + 5),
        st.booleans(),
        st.dates(),
    )
)


@given(labels_of_one_kind, st.sampled_from(["list", "object"]))
def test_encoding_round_trip(values, container):
    labels = values if container == "list" else np.array(values, dtype=object)
    labels = label_array(labels, "tasks")
    tasks = unique_labels(labels)
    assert tasks.tolist() == sorted(set(values))
    assert tasks[encode(labels, tasks)].tolist() == values


@given(labels_of_one_kind)
def test_encoding_finds_no_task_that_is_not_there(values):
    labels = label_array(values, "tasks")
    tasks = unique_labels(labels)[::2]
    codes = encode(labels, tasks)
    known = set(tasks.tolist())
    assert [code >= 0 for code in codes] == [value in known for value in values]


PAIRS = {
    "str": np.array(["no", "yes"] * 6),
    "str objects": np.array(["no", "yes"] * 6, dtype=object),
    "str list": ["no", "yes"] * 6,
    "str pandas": pd.Series(["no", "yes"] * 6),
    "str polars": pl.Series(["no", "yes"] * 6),
    "category": pd.Series(["no", "yes"] * 6, dtype="category"),
    "polars Categorical": pl.Series(["no", "yes"] * 6, dtype=pl.Categorical),
    "pyarrow": pa.array(["no", "yes"] * 6),
    "int": np.array([3, 5] * 6),
    "int objects": np.array([3, 5] * 6, dtype=object),
    "nullable": pd.Series([3, 5] * 6, dtype="Int64"),
    "float": np.array([0.0, 1.0] * 6),
    "bool": np.array([False, True] * 6),
    "bool list": [False, True] * 6,
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("tasks", [None, SCHOOLS])
def test_two_classes(name, tasks, X):
    y = PAIRS[name]
    est = Classifier().fit(X, y, tasks=tasks)
    fit = est.read_
    assert fit.layout == ("single" if tasks is None else "rows")
    assert fit.classes.tolist() == sorted(set(np.array(y).tolist()))
    order = np.arange(N) if tasks is None else np.argsort(SCHOOLS, kind="stable")
    np.testing.assert_array_equal(fit.data.y, np.tile([-1.0, 1.0], 6)[order])
    target, weight = est.score_target(y, (N,))
    assert (target == fit.classes[np.arange(N) % 2]).all()
    np.testing.assert_array_equal(weight, np.ones(N))


def test_a_class_per_task(X):
    y = np.array(["b", "c", "a"] * 4)
    weight = np.arange(N)
    fit = Classifier().fit(X, y, weight).read_
    assert fit.layout == "multiclass"
    assert fit.tasks.tolist() == fit.classes.tolist() == ["a", "b", "c"]
    expected = np.where(y[1:, None] == fit.classes, 1.0, -1.0)
    np.testing.assert_array_equal(fit.data.y, expected)
    np.testing.assert_array_equal(fit.data.weight, np.tile(weight[1:, None], 3))
    np.testing.assert_array_equal(fit.data.X, X[1:])
    assert fit.data.offsets is None


def test_refused_classes(X, y):
    with pytest.raises(ValueError, match="y has one class only"):
        Classifier().fit(X, np.ones(N))
    with pytest.raises(ValueError, match="3 classes, but rows that belong to tasks"):
        Classifier().fit(X, np.arange(N) % 3, tasks=SCHOOLS)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        Classifier().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="y must hold values of one type"):
        Classifier().fit(X, [1, "a"] * 6)


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, np.ndarray.tolist])
def test_a_column_vector_of_classes(make, X):
    est = Classifier()
    column = make(np.array([0, 1] * 6)[:, None])
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        est.fit(X, column, tasks=SCHOOLS)
    assert est.read_.layout == "rows"
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        target, _ = est.score_target(column, (N,))
    np.testing.assert_array_equal(target, [0, 1] * 6)


def test_rows_of_weight_zero_do_not_make_a_class(X):
    y = np.array(["a", "b", "c"] * 4)
    fit = Classifier().fit(X, y, y != "c", tasks=INTS_KEPT).read_
    assert fit.classes.tolist() == ["a", "b"]
    fit = Classifier().fit(X, y, y == "a").read_
    assert fit.classes.tolist() == ["a", "b", "c"]
    fit = Classifier().fit(X, y[:2].repeat(6), np.arange(N) < 6).read_
    assert fit.classes.tolist() == ["a", "b"]
    np.testing.assert_array_equal(fit.data.y, -np.ones(6))


INTS_KEPT = np.arange(N) // 6


def test_a_task_with_one_class_is_left_to_the_estimator(X):
    y = np.where(SCHOOLS == "s", "yes", np.where(np.arange(N) < 6, "no", "yes"))
    fit = Classifier().fit(X, y, tasks=SCHOOLS).read_
    assert rows_of(fit, "s")[1].tolist() == [1.0] * 4


CELLS = np.arange(2 * N).reshape(N, 2) % 7 != 3
WORDS = np.where(CELLS, np.array(["no", "yes"], dtype=object)[BINARY], None)
CLASS_MATRICES = {
    "int": (BINARY, [0, 1]),
    "bool": (BINARY == 1, [False, True]),
    "float with NaN": (np.where(CELLS, BINARY, np.nan), [0, 1]),
    "None": (np.where(CELLS, BINARY.astype(object), None), [0, 1]),
    "masked": (np.ma.masked_array(BINARY, ~CELLS), [0, 1]),
    "sparse": (sparse.csr_array(BINARY), [0, 1]),
    "words": (WORDS, ["no", "yes"]),
    "word list": (WORDS.tolist(), ["no", "yes"]),
    "pandas words": (pd.DataFrame(WORDS, columns=["u", "v"]), ["no", "yes"]),
    "polars words": (
        pl.DataFrame(WORDS.tolist(), schema=["u", "v"], orient="row"),
        ["no", "yes"],
    ),
    "nullable": (
        pd.DataFrame(np.where(CELLS, BINARY, np.nan)).astype("Int64"),
        [0, 1],
    ),
    "nullable bool": (
        pd.DataFrame(np.where(CELLS, BINARY.astype(object), None)).astype("boolean"),
        [False, True],
    ),
}


@pytest.mark.parametrize("name", CLASS_MATRICES)
def test_2d_classes(name, X):
    Y, pair = CLASS_MATRICES[name]
    est = Classifier().fit(X, Y)
    fit = est.read_
    assert fit.layout == "columns"
    assert fit.classes.tolist() == [pair, pair]
    assert fit.classes.shape == (2, 2)
    full = name in ("int", "bool", "sparse")
    weight = np.ones((N, 2)) if full else CELLS.astype(float)
    np.testing.assert_array_equal(fit.data.weight, weight)
    np.testing.assert_array_equal(fit.data.y, (2.0 * BINARY - 1) * weight)
    target, observed = est.score_target(Y, (N, 2))
    np.testing.assert_array_equal(observed, weight)
    labels = fit.classes[[0, 1], BINARY]
    assert (target == labels)[weight > 0].all()
    assert all(cell in pair for cell in target.ravel().tolist())


def test_2d_classes_of_different_types(X):
    Y = pd.DataFrame({"u": BINARY[:, 0], "v": WORDS[:, 1]})
    fit = Classifier().fit(X, Y).read_
    assert fit.classes.dtype == object
    assert fit.classes.tolist() == [[0, 1], ["no", "yes"]]
    assert fit.tasks.tolist() == ["u", "v"]


def test_a_column_with_one_class_takes_the_pair_of_the_others(X):
    Y = np.column_stack([BINARY, np.ones(N, dtype=int)])
    fit = Classifier().fit(X, Y).read_
    assert fit.classes.tolist() == [[0, 1]] * 3
    np.testing.assert_array_equal(fit.data.y[:, 2], np.ones(N))
    for last in (np.full(N, 2), np.full(N, -1)):
        with pytest.raises(ValueError, match="column 2 of y has one class only"):
            Classifier().fit(X, np.column_stack([BINARY, last]))
    with pytest.raises(ValueError, match="column 0 of y has one class only"):
        Classifier().fit(X, np.ones((N, 2)))


def test_a_column_with_many_classes(X):
    Y = np.column_stack([BINARY[:, 0], np.arange(N) % 3])
    with pytest.raises(ValueError, match="column 1 of y has 3 classes"):
        Classifier().fit(X, Y)
    fit = Classifier().fit(X, Y, np.arange(N) % 3 < 2).read_
    assert fit.classes.tolist() == [[0, 1], [0, 1]]
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        Classifier().fit(X, X)


def test_a_class_of_weight_zero_completes_the_pair_of_a_column(X):
    Y = np.column_stack([np.arange(N) % 2, np.arange(N) % 2 + 2])
    fit = Classifier().fit(X, Y, np.column_stack([np.ones(N), Y[:, 1] == 2])).read_
    assert fit.classes.tolist() == [[0, 1], [2, 3]]
