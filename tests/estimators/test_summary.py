"""Coefficients as a data frame, and fits in a few lines of text."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from mtlreg import (
    DirtyModelRegressorCV,
    GroupLassoRegressor,
    MeanRegularizedRegressor,
    PenalizedRegressor,
    ReducedRankRegressor,
    RobustLowRankRegressor,
)
from mtlreg.penalties import L1, InfimalSum, TraceNorm
from mtlreg.statistics import TaskStatistics
from tests.estimators.cases import ESTIMATORS, draw, is_classifier, school_table


def lines_of(model):
    """The first line, and the others by the word that they begin with."""
    title, *lines = model.summary().split("\n")
    pairs = [line.split(maxsplit=1) for line in lines if "dual gap" not in line]
    return title, {name: value for name, value in pairs}


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_every_estimator(cls):
    kind = "classifier" if is_classifier(cls) else "regressor"
    table, y, column = school_table("pandas", kind)
    model = cls(task_column=column).fit(table, y)
    frame = model.coef_frame()
    assert frame.index.tolist() == ["n", "s", "w"]
    if frame.columns.nlevels == 2:
        first, second = (frame[part] for part in frame.columns.levels[0].drop("coef"))
        np.testing.assert_allclose(first + second, frame["coef"], atol=1e-12)
        frame = frame["coef"]
    assert frame.columns.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(frame, model.coef_)
    text = model.summary()
    assert text.startswith(cls.__name__ + "\n")
    assert "3: 'n', 's', 'w'" in text
    assert "60, weight 20 a task" in text


def test_a_model_without_a_penalty():
    X, Y, _ = draw(layout="columns")
    model = ReducedRankRegressor(2, ridge=0.1).fit(X, Y)
    assert model.coef_frame().shape == (3, 4)
    text = model.summary()
    assert "2 of 3" in text
    assert "ridge=0.1" in text
    assert "optimality" in text
    assert "60, weight 60 a task" in text


def test_what_a_penalty_reports():
    X, y, tasks = draw(d=12)
    model = GroupLassoRegressor(0.5).fit(X, y, sample_weight=tasks + 1.0, tasks=tasks)
    title, found = lines_of(model)
    assert title == "GroupLassoRegressor"
    assert found["rows"] == "60, weight 20 to 60 a task"
    assert found["strengths"] == "alpha=0.5"
    assert found["support"] == f"{model.support_.sum()} of 12"
    assert 0 < model.support_.sum() < 12
    model = RobustLowRankRegressor(alpha_shared=0.8, alpha_outlier=0.6)
    _, found = lines_of(model.fit(X, y, tasks=tasks))
    assert found["rank"] == f"{model.rank_} of 3"
    outliers = np.flatnonzero(model.outlier_tasks_).tolist()
    assert found["outliers"].startswith(f"{len(outliers)} of 3 tasks")
    model = DirtyModelRegressorCV(alphas=3).fit(X, y, tasks=tasks)
    _, found = lines_of(model)
    assert found["strengths"].startswith(f"alpha_shared_={model.alpha_shared_:.4g}, ")
    used = np.count_nonzero(model.specific_coef_)
    assert found["specific"] == f"{used} of 36 coefficients are not 0"
    model = PenalizedRegressor(InfimalSum(TraceNorm(0.5), L1(0.4)))
    _, found = lines_of(model.fit(X, y, tasks=tasks))
    assert found["strengths"] == f"penalty={model.penalty}"


def test_rows_that_are_not_known():
    X, y, tasks = draw()
    stats = TaskStatistics().update(X, y, tasks=tasks)
    model = MeanRegularizedRegressor().fit_statistics(stats)
    assert lines_of(model)[1]["rows"].endswith("weight 20 a task")


def test_before_fit_and_without_pandas(monkeypatch):
    model = GroupLassoRegressor()
    for ask in (model.coef_frame, model.summary):
        with pytest.raises(NotFittedError):
            ask()
    X, y, tasks = draw()
    model.fit(X, y, tasks=tasks)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas"):
        model.coef_frame()
