"""Labels that are missing where something is predicted: a task that is not known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mtlreg import (
    CrossedMeanRegularizedRegressor,
    MeanRegularizedRegressor,
    TraceNormRegressor,
)
from tests.estimators.cases import (
    ESTIMATORS,
    SCHOOLS,
    draw,
    is_classifier,
    school_table,
)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_it_is_a_new_task_without_rows(cls):
    table, y, column = school_table(
        "pandas", "classifier" if is_classifier(cls) else "regressor"
    )
    model = cls(task_column=column).fit(table, y)
    empty = model.fit_new_task(None, None, task="r")
    here, there = (
        (one.decision_function if is_classifier(cls) else one.predict)
        for one in (empty, model)
    )
    expected = here(table.assign(school="r"))
    found = there(table.assign(school=None))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_labels_that_are_missing(missing):
    table, y, column = school_table("pandas", "regressor")
    steps = FunctionTransformer()
    model = make_pipeline(steps, MeanRegularizedRegressor(0.4, task_column=column))
    model.fit(table, y)
    known = model.predict(table)
    some = table.copy()
    some.loc[::7, "school"] = missing
    found = model.predict(some)
    rest = np.arange(len(y)) % 7 > 0
    np.testing.assert_array_equal(found[rest], known[rest])
    fitted = model[-1]
    X = table.drop(columns="school").to_numpy()
    share = 1 - fitted.alpha_mean / fitted.alpha
    expected = share * X @ fitted.mean_coef_ + fitted.intercept_.mean()
    np.testing.assert_allclose(found[~rest], expected[~rest], rtol=1e-10)
    every = model.predict(table.assign(school=[missing] * len(y)))
    np.testing.assert_allclose(every, expected, rtol=1e-10)
    # other than a label that is new
    with pytest.raises(ValueError, match="not seen in fit"):
        model.predict(table.assign(school="x"))
    fitted.set_params(unseen_task="mean")
    new = model.predict(table.assign(school="x"))
    np.testing.assert_allclose(new, expected + X @ fitted.mean_coef_ * (1 - share))
    # as an argument, of numbers
    X, y, tasks = draw()
    model = TraceNormRegressor(0.1).fit(X, y, tasks=tasks)
    labels = np.where(np.arange(60) < 5, np.nan, tasks)
    np.testing.assert_array_equal(
        model.predict(X, tasks=labels)[5:], model.predict(X, tasks=tasks)[5:]
    )


def test_standard_deviations_and_crossed_labels():
    X, y, tasks = draw()
    model = MeanRegularizedRegressor(alpha_intercept=0.1, unseen_task="mean")
    model.fit(X, y, tasks=tasks)
    _, first = model.predict(X, tasks=np.full(60, 9), return_std=True)
    _, second = model.predict(X, tasks=np.full(60, np.nan), return_std=True)
    np.testing.assert_array_equal(first, second)
    table = pd.DataFrame(X, columns=list("abcd")).assign(s=SCHOOLS[tasks], t=tasks)
    crossed = CrossedMeanRegularizedRegressor(["s", "t"]).fit(table, y)
    found = crossed.predict(table.assign(s=None, t=np.nan))
    m, b = crossed.common_coef_, crossed.common_intercept_
    np.testing.assert_allclose(found, X @ m + b, rtol=1e-10)
