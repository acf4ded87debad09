"""The layouts of the tasks: shapes of what fit and predict return, scores, labels."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, r2_score

from tests.estimators.cases import CLASSIFIERS, ESTIMATORS, REGRESSORS, draw
from tests.estimators.cases import is_classifier as classifies

N, D, T = 60, 4, 3


def ids(cls):
    return cls.__name__


def kind_of(cls):
    return "classifier" if classifies(cls) else "regressor"


def assert_shapes(est, coef, predicted, tasks=None, *, table=None):
    X = draw()[0] if table is None else table
    assert est.coef_.shape == coef
    assert est.intercept_.shape == coef[:1]
    assert est.tasks_.shape == coef[:1]
    for method, shape in predicted.items():
        values = getattr(est, method)(X, tasks=tasks)
        assert type(values) is np.ndarray
        assert values.shape == shape


BINARY = {
    "predict": (N,),
    "decision_function": (N,),
    "predict_proba": (N, 2),
    "predict_log_proba": (N, 2),
}
PLAIN = {"predict": (N,)}


@pytest.mark.parametrize("cls", ESTIMATORS, ids=ids)
def test_one_task(cls):
    X, y, _ = draw(kind_of(cls), layout="single")
    est = cls().fit(X, y)
    assert est.tasks_.tolist() == [0]
    assert_shapes(est, (1, D), BINARY if classifies(cls) else PLAIN)
    if classifies(cls):
        assert est.classes_.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("form", ["tasks", "task_column"])
@pytest.mark.parametrize("cls", ESTIMATORS, ids=ids)
def test_rows_with_labels(cls, form):
    X, y, tasks = draw(kind_of(cls))
    shapes = BINARY if classifies(cls) else PLAIN
    if form == "tasks":
        est = cls().fit(X, y, tasks=tasks)
        assert_shapes(est, (T, D), shapes, tasks)
    else:
        table = np.column_stack([X, tasks])
        est = cls(task_column=D).fit(table, y)
        assert_shapes(est, (T, D), shapes, table=table)
    assert est.tasks_.tolist() == [0, 1, 2]
    if classifies(cls):
        assert est.classes_.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("n_tasks", [1, 3])
@pytest.mark.parametrize("cls", REGRESSORS, ids=ids)
def test_columns(cls, n_tasks):
    X, Y, _ = draw(layout="columns", n_tasks=n_tasks)
    est = cls().fit(X, Y)
    assert est.tasks_.tolist() == list(range(n_tasks))
    assert_shapes(est, (n_tasks, D), {"predict": (N, n_tasks)})


@pytest.mark.parametrize("cls", CLASSIFIERS, ids=ids)
def test_columns_of_classes(cls):
    X, Y, _ = draw("classifier", layout="columns")
    est = cls().fit(X, Y)
    assert_shapes(est, (T, D), dict.fromkeys(BINARY, (N, T)))
    assert isinstance(est.classes_, np.ndarray)
    assert est.classes_.tolist() == [[0.0, 1.0]] * T
    z = est.decision_function(X)
    np.testing.assert_array_equal(est.predict_proba(X), expit(z))
    expected = np.take_along_axis(est.classes_.T, (z > 0).astype(int), axis=0)
    np.testing.assert_array_equal(est.predict(X), expected)


def three_classes(labels=("x", "y", "z")):
    X, Z, _ = draw(layout="columns")
    return X, np.array(labels)[np.argmax(Z, axis=1)]


@pytest.mark.parametrize("cls", CLASSIFIERS, ids=ids)
def test_more_than_two_classes(cls):
    X, y = three_classes()
    est = cls().fit(X, y)
    shapes = dict.fromkeys(BINARY, (N, 3)) | {"predict": (N,)}
    assert_shapes(est, (3, D), shapes)
    assert est.classes_.tolist() == est.tasks_.tolist() == ["x", "y", "z"]
    z, p = est.decision_function(X), est.predict_proba(X)
    odds = expit(z)
    np.testing.assert_allclose(p, odds / odds.sum(axis=1, keepdims=True), rtol=1e-13)
    np.testing.assert_array_equal(est.predict(X), est.classes_[z.argmax(axis=1)])
    # the same problem as one column per class
    columns = cls().fit(X, np.where(y[:, None] == est.classes_, 1, 0))
    np.testing.assert_array_equal(columns.coef_, est.coef_)
    np.testing.assert_array_equal(columns.intercept_, est.intercept_)


@pytest.mark.parametrize("cls", CLASSIFIERS, ids=ids)
def test_a_column_vector_of_classes_is_one_task(cls):
    X, y, _ = draw("classifier", layout="single")
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        est = cls().fit(X, y[:, None])
    assert est.predict(X).shape == (N,)
    np.testing.assert_array_equal(est.coef_, cls().fit(X, y).coef_)


@pytest.mark.parametrize("cls", CLASSIFIERS, ids=ids)
@pytest.mark.parametrize("layout", ["single", "rows", "columns", "multiclass"])
@pytest.mark.parametrize("scale", [1e0, 1e5, 1e200])
def test_probabilities(cls, layout, scale):
    X, y, tasks = draw("classifier", layout="rows" if layout == "rows" else "columns")
    if layout == "single":
        y = y[:, 0]
    elif layout == "multiclass":
        X, y = three_classes()
    est = cls().fit(X, y, tasks=tasks)
    # at 1e200 the decisions are beyond the range of exp
    p = est.predict_proba(scale * X, tasks=tasks)
    log_p = est.predict_log_proba(scale * X, tasks=tasks)
    assert np.all((p >= 0) & (p <= 1))
    assert np.isfinite(log_p).all()
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-12, atol=0)
    if layout != "columns":
        np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    if layout in ("single", "rows"):
        z = est.decision_function(scale * X, tasks=tasks)
        np.testing.assert_array_equal(p, np.stack([expit(-z), expit(z)], axis=1))
        second = est.predict(scale * X, tasks=tasks) == est.classes_[1]
        np.testing.assert_array_equal(second, z > 0)


CLASS_LABELS = {
    "int": [-3, 7],
    "bool": [False, True],
    "str": ["no", "yes"],
    "float": [0.0, 2.0],
}


@pytest.mark.parametrize("name", CLASS_LABELS)
@pytest.mark.parametrize("layout", ["single", "rows", "columns"])
def test_class_labels(name, layout):
    X, y, tasks = draw("classifier", layout=layout)
    labels = np.array(CLASS_LABELS[name])
    named = labels[y.astype(int)]
    for cls in CLASSIFIERS:
        est, plain = cls().fit(X, named, tasks=tasks), cls().fit(X, y, tasks=tasks)
        np.testing.assert_array_equal(est.coef_, plain.coef_)
        found = est.predict(X, tasks=tasks)
        assert found.dtype.kind == labels.dtype.kind or name == "str"
        expected = labels[plain.predict(X, tasks=tasks).astype(int)]
        assert found.tolist() == expected.tolist()
        assert est.score(X, named, tasks=tasks) == plain.score(X, y, tasks=tasks)


def test_every_column_has_its_own_classes():
    X, Y, _ = draw("classifier", layout="columns")
    names = np.array([["no", "yes"], ["down", "up"], ["a", "b"]], dtype=object)
    named = np.stack([names[t][Y[:, t].astype(int)] for t in range(T)], axis=1)
    named[::9, 1] = None
    for cls in CLASSIFIERS:
        est = cls().fit(X, named)
        assert est.classes_.tolist() == names.tolist()
        assert set(est.predict(X)[:, 1]) <= {"down", "up"}
        assert est.score(X, named) > 0.8


@pytest.mark.parametrize("make_frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("cls", ESTIMATORS, ids=ids)
def test_names_of_columns_are_the_tasks(cls, make_frame):
    X, Y, _ = draw(kind_of(cls), layout="columns")
    frame = make_frame({"v": Y[:, 0], "u": Y[:, 1], "w": Y[:, 2]})
    est = cls().fit(X, frame)
    # columns are in the order of y, to which the columns of predict belong
    assert est.tasks_.tolist() == ["v", "u", "w"]
    np.testing.assert_array_equal(est.coef_, cls().fit(X, Y).coef_)
    assert est.score(X, frame) == est.score(X, Y)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=ids)
@pytest.mark.parametrize("weighted", [False, True])
def test_score_of_columns(cls, weighted):
    X, Y, _ = draw(kind_of(cls), layout="columns")
    rng = np.random.default_rng(0)
    Y[rng.uniform(size=Y.shape) < 0.3] = np.nan
    weight = rng.uniform(0.1, 2, size=Y.shape) if weighted else np.ones(Y.shape)
    est = cls().fit(X, Y, weight)
    predicted = est.predict(X)
    metric = accuracy_score if classifies(cls) else r2_score
    scores = []
    for t in range(T):
        held = ~np.isnan(Y[:, t])
        cells = (Y[held, t], predicted[held, t])
        scores.append(metric(*cells, sample_weight=weight[held, t]))
    found = est.score(X, Y, weight if weighted else None)
    assert found == pytest.approx(np.mean(scores), rel=1e-13)
    assert 0.5 < found < 1.0
    assert est.score(X, Y, weight[:, 0]) == pytest.approx(
        est.score(X, Y, np.repeat(weight[:, :1], T, axis=1)), rel=1e-13
    )


@pytest.mark.parametrize("cls", ESTIMATORS, ids=ids)
def test_fitted_with_or_without_tasks(cls):
    X, y, tasks = draw(kind_of(cls))
    methods = ["predict"]
    if classifies(cls):
        methods += ["decision_function", "predict_proba", "predict_log_proba"]
    by_rows = cls().fit(X, y, tasks=tasks)
    columns = draw(kind_of(cls), layout="columns")[1]
    others = [cls().fit(X, y), cls().fit(X, columns)]
    for method in methods:
        with pytest.raises(ValueError, match=r"fitted with tasks=.*task_column"):
            getattr(by_rows, method)(X)
        for other in others:
            with pytest.raises(ValueError, match="tasks= is given, but"):
                getattr(other, method)(X, tasks=tasks)
    with pytest.raises(ValueError, match="fitted with tasks="):
        by_rows.score(X, y)
    with pytest.raises(ValueError, match="tasks= is given, but"):
        others[0].score(X, y, tasks=tasks)


def test_task_column_excludes_other_forms():
    X, y, tasks = draw()
    for cls in REGRESSORS:
        est = cls(task_column=0)
        with pytest.raises(ValueError, match=r"tasks= and task_column=0 are both"):
            est.fit(X, y, tasks=tasks)
        with pytest.raises(ValueError, match=r"2-D and task_column is given"):
            est.fit(np.column_stack([tasks, X]), np.column_stack([y, y]))
        with pytest.raises(ValueError, match=r"2-D and tasks= is given"):
            cls().fit(X, np.column_stack([y, y]), tasks=tasks)


DAYS = [datetime.date(2026, 3, 1), datetime.date(2026, 1, 1), datetime.date(2026, 2, 1)]
TASK_LABELS = {
    "int": [5, -2, 9],
    "float": [5.0, -2.0, 9.0],
    "str": ["s", "n", "w"],
    "date": DAYS,
    "datetime64": np.array(DAYS, dtype="datetime64[ns]"),
    "category": pd.Series(["s", "n", "w"], dtype="category"),
}


@pytest.mark.parametrize("name", TASK_LABELS)
@pytest.mark.parametrize("cls", ESTIMATORS, ids=ids)
def test_task_labels(cls, name):
    X, y, codes = draw(kind_of(cls))
    labels = np.asarray(TASK_LABELS[name])
    given = labels[codes]
    if name == "category":
        given = pd.Series(given, dtype="category")
    est = cls().fit(X, y, tasks=given)
    expected = np.sort(labels).astype(est.tasks_.dtype)
    np.testing.assert_array_equal(est.tasks_, expected)
    plain = cls().fit(X, y, tasks=np.argsort(np.argsort(labels))[codes])
    np.testing.assert_array_equal(est.coef_, plain.coef_)
    table = pd.DataFrame(X, columns=[*"abcd"]).assign(task=given)
    column = cls(task_column="task").fit(table, y)
    np.testing.assert_array_equal(column.coef_, est.coef_)
    np.testing.assert_array_equal(column.predict(table), est.predict(X, tasks=given))


def test_boolean_labels():
    X, y, codes = draw(n_tasks=2)
    est = REGRESSORS[0]().fit(X, y, tasks=codes == 1)
    assert est.tasks_.tolist() == [False, True]
    with pytest.raises(ValueError, match="labels are integers here"):
        est.predict(X, tasks=codes)


def test_integer_valued_floats_are_integers():
    X, y, codes = draw()
    est = REGRESSORS[0]().fit(X, y, tasks=codes)
    assert est.tasks_.dtype == np.int64
    found = est.predict(X, tasks=codes.astype(float))
    np.testing.assert_array_equal(found, est.predict(X, tasks=codes))
    for wrong, kind in ((codes.astype(str), "strings"), (codes == 0, "booleans")):
        with pytest.raises(ValueError, match=f"labels are {kind} here"):
            est.predict(X, tasks=wrong)
    with pytest.raises(ValueError, match="non-integer floats"):
        est.predict(X, tasks=codes + 0.5)


@pytest.mark.parametrize("form", ["tasks", "task_column"])
@pytest.mark.parametrize("cls", ESTIMATORS, ids=ids)
def test_unseen_tasks(cls, form):
    X, y, codes = draw(kind_of(cls))
    labels = np.array(["s", "n", "w"], dtype=object)[codes]
    new = labels.copy()
    new[[1, 4]] = ["other", "another"]

    def given(tasks):
        if form == "tasks":
            return {"X": X, "tasks": tasks}
        return {"X": pd.DataFrame(X, columns=[*"abcd"]).assign(school=tasks)}

    column = None if form == "tasks" else "school"
    est = cls(task_column=column).fit(y=y, **given(labels))
    methods = ["decision_function", "predict_proba"] if classifies(cls) else []
    for method in ["predict", *methods]:
        with pytest.raises(ValueError, match=r"2 task.*'another', 'other'.*'mean'"):
            getattr(est, method)(**given(new))
    est.set_params(unseen_task="mean")
    linear = est.decision_function if classifies(cls) else est.predict
    found = linear(**given(new))
    mean = X @ est.coef_.mean(axis=0) + est.intercept_.mean()
    unseen = np.isin(np.arange(N), [1, 4])
    np.testing.assert_allclose(found[unseen], mean[unseen], rtol=1e-12)
    np.testing.assert_array_equal(found[~unseen], linear(**given(labels))[~unseen])
    assert est.score(y=y, **given(new)) > 0.5
