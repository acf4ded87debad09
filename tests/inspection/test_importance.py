"""Importances by column of X, and the selectors that drop columns by them."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.multioutput import RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mtlreg import GroupLassoRegressor, MeanRegularizedRegressor
from mtlreg.inspection import feature_importance

RNG = np.random.default_rng(0)
TASKS = np.repeat([0, 1, 2], 20)
# whole numbers, any column of which would pass for labels
X = RNG.integers(-2, 3, size=(60, 4)).astype(float)
Y = X @ [0.0, 3.0, 1.0, 2.0] + TASKS * X[:, 1] + RNG.normal(size=60)
FIRST, LAST = np.column_stack([TASKS, X]), np.column_stack([X, TASKS])


def table(names, labels=TASKS):
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    return frame.assign(school=labels)[list(names)]


def test_columns_of_coefficients_stay_where_they_are():
    plain = GroupLassoRegressor(0.1).fit(X, Y, tasks=TASKS)
    size = np.abs(plain.coef_)
    np.testing.assert_array_equal(feature_importance(plain), size)
    model = GroupLassoRegressor(0.1, task_column="school")
    names = ["a", "school", "b", "c", "d"]
    found = feature_importance(model.fit(table(names), Y))
    np.testing.assert_array_equal(np.delete(found, 1, axis=1), size)
    for position, array in ((0, FIRST), (-1, LAST)):
        found = feature_importance(model.set_params(task_column=position).fit(array, Y))
        np.testing.assert_array_equal(np.delete(found, position, axis=1), size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_task_column_is_above_all(dtype):
    model = GroupLassoRegressor(task_column=0).fit(FIRST.astype(dtype), Y)
    for coef in (
        np.zeros((3, 4)),
        np.full((3, 4), 0.3),
        [[0, 0, 1, 2], [0, 0, -9, 0], [0] * 4],
    ):
        model.coef_ = np.array(coef, dtype=dtype)
        found = feature_importance(model)
        assert found.shape == (3, 5)
        for order in (1, 2, np.inf):
            norms = np.linalg.norm(found, axis=0, ord=order)
            assert norms[0] > norms[1:].max()


@pytest.mark.parametrize(("position", "array"), [(0, FIRST), (-1, LAST)])
def test_elimination_keeps_the_labels(position, array):
    search = RFE(
        MeanRegularizedRegressor(task_column=position),
        n_features_to_select=3,
        importance_getter=feature_importance,
    ).fit(array, Y)
    twin = RFE(MeanRegularizedRegressor(), n_features_to_select=2)
    twin.fit(X, Y, tasks=TASKS)
    kept = np.delete(search.support_, position)
    np.testing.assert_array_equal(kept, twin.support_)
    np.testing.assert_array_equal(kept, [False, True, False, True])
    assert search.support_[position]
    np.testing.assert_array_equal(search.estimator_.tasks_, [0, 1, 2])
    predicted = twin.estimator_.predict(X[:, twin.support_], tasks=TASKS)
    np.testing.assert_allclose(search.predict(array), predicted, rtol=1e-12)


def test_thresholds_of_selectors():
    frame = table(["a", "school", "b", "c", "d"], np.array(["s", "n", "w"])[TASKS])
    model = MeanRegularizedRegressor(task_column="school")
    for options, names in (
        ({}, ["school", "b"]),
        ({"threshold": "0.5*mean"}, ["school", "b", "d"]),
        ({"threshold": 4.0}, ["school", "b", "d"]),
        ({"threshold": -np.inf, "max_features": 3}, ["school", "b", "d"]),
        ({"threshold": 100.0}, []),
    ):
        select = SelectFromModel(model, importance_getter=feature_importance, **options)
        assert select.fit(frame, Y).get_feature_names_out().tolist() == names
    chain = make_pipeline(
        SelectFromModel(model, importance_getter=feature_importance),
        MeanRegularizedRegressor(task_column="school"),
    ).set_output(transform="pandas")
    chain.fit(frame, Y)
    alone = MeanRegularizedRegressor(task_column="school")
    alone.fit(frame[["school", "b"]], Y)
    np.testing.assert_array_equal(
        chain.predict(frame), alone.predict(frame[["school", "b"]])
    )


def test_a_chain_of_targets_with_labels_first():
    targets = np.column_stack([Y, Y**2])
    model = MeanRegularizedRegressor(task_column=0)
    chain = RegressorChain(model).fit(FIRST, targets)
    first = MeanRegularizedRegressor().fit(X, Y, tasks=TASKS)
    second = MeanRegularizedRegressor()
    second.fit(np.column_stack([X, Y]), Y**2, tasks=TASKS)
    predicted = first.predict(X, tasks=TASKS)
    expected = second.predict(np.column_stack([X, predicted]), tasks=TASKS)
    np.testing.assert_allclose(chain.predict(FIRST)[:, 1], expected, rtol=1e-12)


def test_what_is_refused():
    model = GroupLassoRegressor(task_column=4)
    with pytest.raises(NotFittedError):
        feature_importance(model)
    with pytest.raises(ValueError, match=r"task_column=4 is a position that changes"):
        feature_importance(model.fit(LAST, Y))
    pipeline = make_pipeline(StandardScaler(), model)
    with pytest.raises(TypeError, match=r"Pipeline. Put other steps before"):
        feature_importance(pipeline)
    dropped = re.escape("If a step before drops it, keep it there: ColumnTransformer")
    with pytest.raises(ValueError, match=dropped):
        model.set_params(task_column="school").fit(table(["a", "b"]), Y)
    moved = r"such as a selector or Bagging\(max_features=\), take or move it\?.*tasks="
    with pytest.raises(ValueError, match=moved):
        model.set_params(task_column=0).fit(X + 0.5, Y)
