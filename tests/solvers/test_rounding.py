"""Coefficients in single precision that cannot be certified."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from mtlreg import GroupLassoRegressor
from mtlreg.losses import LOSSES
from mtlreg.problem.data import MultiTaskData
from mtlreg.solvers import BCD, FISTA, Direct
from tests.problems import PENALTY_CASES, Case

every_way = pytest.mark.parametrize(
    ("solver", "penalty", "loss"),
    [
        (FISTA, "l21", "squared"),
        (FISTA, "trace", "logistic"),
        (BCD, "l21", "squared"),
        (BCD, "l21", "logistic"),
        (BCD, "dirty-linf", "squared"),
        (Direct, "mean", "squared"),
        (Direct, "mean", "logistic"),
    ],
)


def offset_data(loss, offset, n=40, d=3, n_tasks=2):
    """Features in float32 far from 0, of which a target depends on differences."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(n * n_tasks, d)) + offset).astype(np.float32)
    y = 2 * (X[:, 0].astype(np.float64) - X[:, 1]) + rng.normal(size=len(X))
    y = np.sign(y) if loss == "logistic" else y
    return MultiTaskData(X, y, np.ones(len(X)), n * np.arange(n_tasks + 1))


def offset_case(loss, penalty, offset, fraction):
    data = offset_data(loss, offset)
    case = Case(data, LOSSES[loss](), PENALTY_CASES[penalty], np.ones(2), False)
    return case.scaled(fraction)


@every_way
def test_a_run_ends_where_only_rounding_is_left(solver, penalty, loss):
    case = offset_case(loss, penalty, 300.0, 0.01)
    solution = solver().solve(case.problem())
    assert solution.A.dtype == np.float32
    assert solution.rounded
    assert not solution.converged
    assert solution.n_iter < 10_000
    assert case.gap(solution.A, solution.intercept) > case.problem().gap_target(1e-6)
    double = replace(case, data=replace(case.data, X=case.data.X.astype(np.float64)))
    exact = solver().solve(double.problem())
    assert (exact.converged, exact.rounded) == (True, False)


def test_the_gradient_is_that_of_the_point_before_rounding():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(200, 20)) + 100).astype(np.float32)
    Z = (X - 100) @ rng.normal(size=(20, 3))
    data = MultiTaskData(X, np.where(Z > 0, 1.0, -1.0), np.ones(Z.shape))
    case = Case(data, LOSSES["logistic"](), PENALTY_CASES["l1"], np.ones(3), False)
    problem = case.scaled(0.01).problem()
    solution = BCD().solve(problem)
    # in float64 it takes 344; by the gradient of rounded points the gap grows, for all
    # of 10,000 (sums in another order change the count)
    assert solution.n_iter < 2000
    assert solution.rounded


@every_way
def test_single_precision_that_can_be_certified_is(solver, penalty, loss):
    solution = solver().solve(offset_case(loss, penalty, 0.0, 0.1).problem())
    assert (solution.converged, solution.rounded) == (True, False)


def test_the_warning_names_the_precision():
    data = offset_data("squared", 300.0)
    model = GroupLassoRegressor(alpha=0.05, fit_intercept=False)
    with pytest.warns(ConvergenceWarning, match="rounding .* to float32: convert X to"):
        model.fit(data.X, data.y)
    assert model.n_iter_ < 10_000
