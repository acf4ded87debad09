"""Every hyper-parameter that is refused, by a message that names it."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.estimators.cases import (
    CV_ESTIMATORS,
    ESTIMATORS,
    draw,
    is_classifier,
    oracle_of,
    penalty_of,
)
from tests.estimators.oracles import NOT_A_CHOICE, NOT_STRENGTHS

STRENGTHS = {name for cls in ESTIMATORS for name in cls._strengths}
REFUSED = {name: [0, 0.0, *NOT_STRENGTHS] for name in STRENGTHS} | {
    "unseen_task": NOT_A_CHOICE,
    "solver": NOT_A_CHOICE,
    "fit_intercept": [1, "yes", None],
    "warm_start": [0, "no", None],
    "normalize_y": [0, "no", None],
    "ridge": NOT_STRENGTHS,
    "positive": [1, "yes", None, [True, False], [1.0, 0.0, 1.0]],
    "class_weight": ["even", 1.0, [1.0, 2.0], {2: 1.0}, {0: 0.0}, {0: "1"}],
    "max_iter": [0, -5, 10.0, "many", None, True],
    "tol": [-1e-9, np.nan, np.inf, "small", None, True],
    "task_column": [True, 1.5, ["a"], ("a",)],
    "feature_weight": [
        "other",
        2.0,
        [1.0, 1.0],
        [[1.0] * 4],
        [1.0, -1.0, 1.0, 1.0],
        [1.0, np.nan, 1.0, 1.0],
        [np.inf] * 4,
        ["1", "1", "1", "1"],
        [1.0, True, 1.0, 1.0],
        {"other": 1.0},
        {0: "1"},
        pd.Series([1.0, 2.0], index=["x", "y"]),
    ],
    "task_weight": [
        "other",
        [1.0, 1.0],
        [1.0, 0.0, 1.0],
        [1.0, -1.0, 1.0],
        [1.0, np.nan, 1.0],
        [1.0, np.inf, 1.0],
        2.0,
        ["1", "1", "1"],
        [1.0, True, 1.0],
        {},
        {0: 1.0, 1: "1", 2: 1.0},
        {0: 1.0, 1: 1.0},
        {0: 1.0, 1: 0.0, 2: 1.0},
        {"0": 1.0, "1": 1.0, "2": 1.0},
        pd.Series([1.0, 1.0, 1.0], index=[1, 2, 3]),
        pd.Series([1.0, 1.0, 1.0, 1.0], index=[0, 1, 2, 2]),
        np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]),
    ],
}
ACCEPTED = {
    name: [1, np.float32(0.1), np.int64(2), np.float64(0.1), 1e-3, 1e8]
    for name in STRENGTHS
} | {
    "unseen_task": ["error", "mean"],
    "solver": ["auto", "fista"],
    "fit_intercept": [False, np.True_],
    "warm_start": [True, np.False_],
    "normalize_y": [True, np.True_],
    "ridge": [0, 0.5, 1, np.float32(0.5)],
    "positive": [False, np.False_],
    "class_weight": [None, "balanced", {}, {1: 2}, {0: np.float32(0.5), 1: 3.0}],
    "max_iter": [np.int32(5000), 5000],
    "tol": [0.1, 1, np.float32(1e-4)],
    "feature_weight": [
        None,
        [1, 2, 3, 4],
        (0.5, 1.0, 1.0, 2.0),
        np.ones(4, dtype=np.float32),
        {},
        pl.Series([1.0, 2.0, 3.0, 4.0]),
    ],
    "task_weight": [
        "equal",
        "proportional",
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([1, 2, 3]),
        {0: 1, 1: 2, 2: 3, 9: -1},
        {2.0: 1, 1.0: 2, 0.0: 3},
        pd.Series([3, 2, 1, -1], index=[2, 1, 0, 9]),
        pl.Series([1, 2, 3]),
    ],
}


def accepted():
    return [
        pytest.param(cls, name, value, id=f"{cls.__name__}-{name}={value!r}")
        for cls in ESTIMATORS
        for name in cls().get_params()
        for value in (ACCEPTED | oracle_of(cls).accepted).get(name, [])
    ]


def is_infinite(cls, value):
    return "MeanRegularized" in cls.__name__ and value == np.inf


def fit(cls, **params):
    kind = "classifier" if is_classifier(cls) else "regressor"
    X, y, tasks = draw(kind)
    if kind == "classifier":
        y[::5] = 1 - y[::5]  # classes that overlap, so that alpha_mean may be 0
    return cls(**params).fit(X, y, tasks=tasks)


def names_refused():
    return [
        pytest.param(cls, name, id=f"{cls.__name__}-{name}")
        for cls in ESTIMATORS
        for name in cls().get_params()
        if (REFUSED | oracle_of(cls).refused).get(name)
    ]


@pytest.mark.parametrize(("cls", "name"), names_refused())
def test_refused(cls, name):
    wrong = []
    for value in (REFUSED | oracle_of(cls).refused)[name]:
        message = "accepted"
        try:
            fit(cls, **{name: value})
        except (ValueError, TypeError) as error:
            message = str(error)
            if re.search(name, message):
                continue
        wrong.append((value, message))
    assert not wrong


@pytest.mark.parametrize(("cls", "name", "value"), accepted())
def test_accepted(cls, name, value):
    # weights do not go together with a ridge beside what is no sum over features
    by_rows = name != "feature_weight" or penalty_of(cls()).row_separable
    est = fit(cls, **({} if by_rows else {"ridge": 0.0}) | {name: value})
    assert getattr(est, name) is value
    assert np.isfinite(est.coef_).all()


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_series_of_task_weights_goes_by_its_index(cls):
    by_array = fit(cls, task_weight=[1.0, 2.0, 5.0])
    series = pd.Series([5.0, 9.0, 1.0, 2.0], index=[2, 7, 0, 1])
    by_series = fit(cls, task_weight=series)
    np.testing.assert_array_equal(by_series.coef_, by_array.coef_)
    with pytest.raises(
        ValueError, match=r"task_weight has no entry for the tasks \[0\]"
    ):
        fit(cls, task_weight=series.drop(0))


def test_every_parameter_is_tried():
    for cls in ESTIMATORS:
        names, oracle = cls().get_params().keys(), oracle_of(cls)
        assert names <= REFUSED.keys() | oracle.refused.keys()
        assert names - {"task_column"} <= ACCEPTED.keys() | oracle.accepted.keys()


@pytest.mark.parametrize("cls", [*ESTIMATORS, *CV_ESTIMATORS], ids=lambda c: c.__name__)
def test_errors_of_calls_name_the_public_class(cls):
    with pytest.raises(TypeError, match=rf"^{cls.__name__}\.__init__\(\) got an unexp"):
        cls(strength=1.0)

    class Own(cls):
        pass

    assert Own().get_params() == cls().get_params()
    with pytest.raises(TypeError, match=r"Own\.__init__\(\) got an unexpected"):
        Own(strength=1.0)
