"""What scikit-learn's checks ask of every estimator, here with a task column."""

import copy
import inspect
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

from tests.estimators.cases import (
    ESTIMATORS,
    FEATURES,
    SCHOOLS,
    draw,
    is_classifier,
    oracle_of,
    school_table,
    table_of,
)

LIBRARIES = ["pandas", "polars", "object"]
COLUMNS = ["a", "b", "school", "c", "d"]


@pytest.fixture(params=ESTIMATORS, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


@pytest.fixture(params=LIBRARIES)
def library(request):
    return request.param


@pytest.fixture
def case(cls, library):
    """An unfitted estimator, its table and its target."""
    table, y, column = school_table(library, kind_of(cls))
    return cls(task_column=column), table, y


def kind_of(cls):
    return "classifier" if is_classifier(cls) else "regressor"


def methods_of(estimator):
    names = ["predict", "decision_function", "predict_proba", "predict_log_proba"]
    return [name for name in [*names, "transform"] if hasattr(estimator, name)]


def rows_of(table, rows):
    if isinstance(table, pd.DataFrame):
        return table.iloc[rows]
    return table[np.asarray(rows).tolist() if isinstance(table, pl.DataFrame) else rows]


def assert_same_state(state, other):
    assert state.keys() == other.keys()
    for name, value in state.items():
        np.testing.assert_equal(value, other[name], err_msg=name)


def test_clone(case):
    est, table, y = case
    twin = clone(est)
    assert twin.get_params() == est.get_params()
    est.fit(table, y)
    assert_same_state(clone(est).fit(table, y).__dict__, est.__dict__)
    with pytest.raises(NotFittedError):
        clone(est).predict(table)


@pytest.mark.parametrize("copied", ["pickle", "deepcopy"])
def test_pickle_and_copy(case, copied):
    est, table, y = case
    est.fit(table, y)
    by_pickle = copied == "pickle"
    twin = pickle.loads(pickle.dumps(est)) if by_pickle else copy.deepcopy(est)
    assert_same_state(twin.__dict__, est.__dict__)
    for method in methods_of(est):
        expected = getattr(est, method)(table)
        np.testing.assert_array_equal(getattr(twin, method)(table), expected)


def test_params(cls):
    signature = inspect.signature(cls)
    defaults = {name: p.default for name, p in signature.parameters.items()}
    assert cls().get_params() == defaults
    # no copy, no conversion: grid search compares by identity
    marked = {name: object() for name in defaults}
    assert all(vars(cls(**marked))[name] is value for name, value in marked.items())
    est = cls().set_params(**marked)
    assert all(est.get_params()[name] is value for name, value in marked.items())
    with pytest.raises(ValueError, match="Invalid parameter 'strength'"):
        est.set_params(strength=1)


def test_only_strengths_are_positional(cls):
    found, expected = (
        [p.name for p in s.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        for s in (inspect.signature(cls), own_signature(cls))
    )
    assert found == expected
    assert found[0] == cls._strengths[0]
    assert set(found) <= set(cls._strengths)


def own_signature(cls):
    """The signature of the parameters that are the stem's own."""
    return inspect.signature(eval(f"lambda {oracle_of(cls).parameters}: None"))


COMMON_DEFAULTS = {
    "ridge": 0.0,
    "feature_weight": None,
    "positive": False,
    "fit_intercept": True,
    "task_column": None,
    "unseen_task": "error",
    "task_weight": "equal",
    "max_iter": 10_000,
    "tol": 1e-6,
    "warm_start": False,
    "solver": "auto",
}


def test_defaults(cls):
    own = {k: p.default for k, p in own_signature(cls).parameters.items()}
    of_kind = {"class_weight": None} if is_classifier(cls) else {"normalize_y": False}
    common = COMMON_DEFAULTS | {"ridge": oracle_of(cls).ridge}
    assert cls().get_params() == own | common | of_kind


def test_fit_returns_self_and_keeps_the_parameters(case):
    est, table, y = case
    before = dict(est.get_params())
    assert est.fit(table, y) is est
    assert est.get_params() == before
    added = set(vars(est)) - set(before)
    private = {"_layout", "_learned", "_parts", "_posterior", "_shared"}
    assert all(name.endswith("_") or name in private for name in added)


def test_common_attributes(case, library):
    est, table, y = case
    est.fit(table, y)
    assert est.coef_.shape == (3, 4)
    assert est.intercept_.shape == (3,)
    assert est.tasks_.tolist() == sorted(SCHOOLS)
    assert est.n_features_in_ == 5
    assert isinstance(est.n_iter_, int)
    assert est.n_iter_ >= 1
    assert isinstance(est.dual_gap_, float)
    assert est.dual_gap_ >= 0
    names = ["x0", "x1", "x3", "x4"] if library == "object" else FEATURES
    assert est.coef_feature_names_.tolist() == names
    if library == "object":
        assert not hasattr(est, "feature_names_in_")
    else:
        assert est.feature_names_in_.tolist() == COLUMNS


def test_names_are_checked_in_predict(case, library):
    est, table, y = case
    est.fit(table, y)
    if library == "object":
        with pytest.raises(ValueError, match=r"4 features, but .* is expecting 5"):
            est.predict(table[:, 1:])
        return
    reordered = table[["b", "a", "school", "c", "d"]]
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict(reordered)


def test_predictions_change_nothing(case):
    est, table, y = case
    before = copy.deepcopy(vars(est.fit(table, y)))
    for method in methods_of(est):
        getattr(est, method)(table)
    est.score(table, y)
    assert_same_state(vars(est), before)


def test_before_fit(case):
    est, table, y = case
    for method in methods_of(est):
        with pytest.raises(NotFittedError):
            getattr(est, method)(table)
    with pytest.raises(NotFittedError):
        est.score(table, y)


@pytest.mark.parametrize("mapped", [False, True])
def test_read_only_input_stays_as_it_is(cls, mapped, tmp_path):
    X, y, tasks = draw(kind_of(cls))
    table = np.column_stack([X, tasks])
    arrays = {"X": table, "y": y, "sample_weight": np.arange(1.0, len(y) + 1)}
    expected = cls(task_column=-1).fit(*arrays.values())
    if mapped:
        joblib.dump(arrays, tmp_path / "arrays")
        given = joblib.load(tmp_path / "arrays", mmap_mode="r")
    else:
        given = copy.deepcopy(arrays)
        for value in given.values():
            value.flags.writeable = False
    est = cls(task_column=-1).fit(*given.values())
    np.testing.assert_array_equal(est.coef_, expected.coef_)
    np.testing.assert_array_equal(est.predict(given["X"]), expected.predict(table))
    for name, value in given.items():
        np.testing.assert_array_equal(value, arrays[name])


def test_tables_stay_as_they_are(case):
    est, table, y = case
    twin, target = copy.deepcopy(table), y.copy()
    weight = np.arange(1.0, len(y) + 1)
    est.fit(table, y, weight)
    for method in methods_of(est):
        getattr(est, method)(table)
    est.score(table, y, weight)
    same = table.equals(twin) if hasattr(table, "equals") else (table == twin).all()
    assert same
    np.testing.assert_array_equal(y, target)
    np.testing.assert_array_equal(weight, np.arange(1.0, len(y) + 1))


def test_fitting_twice_gives_the_same(case):
    est, table, y = case
    first = copy.deepcopy(vars(est.fit(table, y)))
    assert_same_state(vars(est.fit(table, y)), first)


def test_refit_leaves_nothing_of_the_first_fit(case, cls):
    est, table, y = case
    X, other, tasks = draw(kind_of(cls), n=40, d=6, n_tasks=2, seed=1)
    plain = np.column_stack([tasks, X])
    fresh = cls(task_column=0).fit(plain, other)
    est.fit(table, y).set_params(task_column=0).fit(plain, other)
    assert_same_state(vars(est), vars(fresh))


def test_subset_invariance(case):
    est, table, y = case
    est.fit(table, y)
    for method in methods_of(est):
        predict = getattr(est, method)
        whole = predict(table)
        for rows in (slice(0, 7), [3], [9, 2, 2, 30], slice(None, None, -1)):
            part = predict(rows_of(table, np.arange(len(y))[rows]))
            np.testing.assert_allclose(part, whole[rows], rtol=1e-12, atol=1e-13)


def test_all_tables_agree(cls):
    fits = []
    for library in LIBRARIES:
        table, y, column = school_table(library, kind_of(cls))
        est = cls(task_column=column).fit(table, y)
        fits.append([est.coef_, est.intercept_, est.tasks_.tolist()])
        fits[-1].append(est.predict(table))
    np.testing.assert_equal(fits[1], fits[0])
    np.testing.assert_equal(fits[2], fits[0])


@pytest.mark.parametrize("position", [0, 2, -1])
@pytest.mark.parametrize("fmt", ["csr", "csc", "coo"])
def test_sparse_with_a_task_column(cls, position, fmt):
    X, y, tasks = draw(kind_of(cls))
    X[np.abs(X) < 0.5] = 0.0
    where = position % (X.shape[1] + 1)
    table = np.insert(X, where, tasks, axis=1)
    dense = cls(task_column=position, tol=1e-10).fit(table, y)
    other = sparse.coo_array(table).asformat(fmt)
    est = cls(task_column=position, tol=1e-10).fit(other, y)
    np.testing.assert_allclose(est.coef_, dense.coef_, rtol=0, atol=1e-4)
    # F0, or for classes an upper bound of it
    null = len(est.tasks_) * np.log(2)
    if not is_classifier(est):
        null = sum(np.var(y[tasks == task]) / 2 for task in est.tasks_)
    assert max(est.dual_gap_, dense.dual_gap_) <= 1e-10 * null
    for method in methods_of(est):
        predict = getattr(est, method)
        np.testing.assert_allclose(predict(other), predict(table), rtol=1e-12)


def test_score_is_that_of_the_predictions(case):
    est, table, y = case
    weight = np.arange(1.0, len(y) + 1)
    metric = accuracy_score if is_classifier(est) else r2_score
    predicted = est.fit(table, y).predict(table)
    for w in (None, weight):
        expected = metric(y, predicted, sample_weight=w)
        assert est.score(table, y, w) == pytest.approx(expected, rel=1e-14)
        assert est.score(table, y, w) > 0.5


def test_tags(cls):
    for column in (None, "school"):
        tags = get_tags(cls(task_column=column))
        assert tags.input_tags.sparse
        assert tags.input_tags.string is tags.input_tags.categorical
        assert tags.input_tags.string is (column is not None)
        assert tags.target_tags.required
        if is_classifier(cls):
            assert tags.classifier_tags.multi_label
            assert not tags.target_tags.multi_output
        else:
            assert tags.target_tags.multi_output is (column is None)


def test_tasks_are_requested_by_default(cls):
    predictions = ["decision_function", "predict_proba", "predict_log_proba"]
    own = predictions if is_classifier(cls) else ["partial_fit"]
    methods = ["fit", "predict", "score", *own]
    routing = get_routing_for_object(cls())
    for method in methods:
        assert getattr(routing, method).requests["tasks"] is True
        parameter = inspect.signature(getattr(cls, method)).parameters["tasks"]
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is None


def test_float32_stays(cls):
    X, y, tasks = draw(kind_of(cls))
    est = cls().fit(X.astype(np.float32), y, tasks=tasks)
    found = {k: v for k, v in vars(est).items() if isinstance(v, np.ndarray)}
    parts = [k for k in found if "coef_" in k and "names" not in k]
    for name in [*parts, "intercept_"]:
        assert found[name].dtype == np.float32, name
    assert est.predict(X.astype(np.float32), tasks=tasks).dtype == (
        y.dtype if is_classifier(cls) else np.float32
    )
    table = table_of("pandas", X.astype(np.float32), SCHOOLS[tasks])
    assert cls(task_column="school").fit(table, y).coef_.dtype == np.float32
