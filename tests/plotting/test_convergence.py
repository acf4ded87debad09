"""Duality gaps against iterations are those of the fit."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from mtlreg import GroupLassoRegressor, GroupLassoRegressorCV, MeanRegularizedRegressor
from mtlreg.datasets import make_multitask_regression
from mtlreg.plotting import ConvergenceDisplay

DATA = make_multitask_regression(n_tasks=4, n_features=8, random_state=0)
GIVEN = {"X": DATA.X, "y": DATA.y, "tasks": DATA.tasks}


def test_the_gaps_are_those_of_the_fit():
    model = GroupLassoRegressor(0.05, tol=1e-8, solver="fista")
    display = ConvergenceDisplay.from_estimator(model, **GIVEN)
    assert not hasattr(model, "coef_")
    fitted = model.fit(**GIVEN)
    assert display.gaps[-1] == fitted.dual_gap_
    assert display.iterations[-1] == fitted.n_iter_
    fit = model._read_fit(DATA.X, DATA.y, None, DATA.tasks)
    assert display.target == fit.problem.gap_target(1e-8)
    assert np.all(display.gaps[:-1] > display.target)
    np.testing.assert_array_equal(display.line_.get_xdata(), display.iterations)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.gaps)
    assert set(display.target_line_.get_ydata()) == {display.target}
    ax = display.ax_
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "duality gap")
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["GroupLassoRegressor, FISTA", f"target {display.target:.2g}"]


def test_several_solvers_in_one_picture():
    _, ax = plt.subplots()
    found = []
    for solver in ("fista", "bcd"):
        model = GroupLassoRegressor(0.05, solver=solver)
        found.append(ConvergenceDisplay.from_estimator(model, **GIVEN, ax=ax))
    lines = [display.line_ for display in found]
    assert found[0].ax_ is found[1].ax_ is ax
    assert lines[0].get_linestyle() != lines[1].get_linestyle()
    assert lines[0].get_marker() != lines[1].get_marker()
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(told) == 3  # the target once


def test_gaps_of_zero_are_shown():
    display = ConvergenceDisplay([0, 1, 2], [np.inf, 1.0, 0.0], 1e-3).plot()
    assert display.line_.get_ydata().tolist() == [1.0]
    assert display.zeros_.get_xdata().tolist() == [2]
    assert 0 < display.zeros_.get_ydata()[0] < 1e-3
    low, _ = display.ax_.get_ylim()
    assert low < display.zeros_.get_ydata()[0]


def test_one_step_and_no_line():
    display = ConvergenceDisplay.from_estimator(MeanRegularizedRegressor(), **GIVEN)
    assert display.line_.get_marker() not in (None, "None", "")
    assert display.gaps[-1] <= display.target


def test_bounds_of_what_is_not_convex():
    model = GroupLassoRegressor(0.1, shape="log")
    display = ConvergenceDisplay.from_estimator(model, **GIVEN)
    assert display.ax_.get_ylabel() == "gap of convex bounds"


def test_a_search_solves_many_problems():
    with pytest.raises(TypeError, match="pass GroupLassoRegressor"):
        ConvergenceDisplay.from_estimator(GroupLassoRegressorCV(), **GIVEN)
