"""Laws that the solution of every solver obeys: weights, order, scale, precision."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.losses import LOSSES
from mtlreg.problem.data import MultiTaskData
from mtlreg.solvers import FISTA, SOLVERS
from tests.problems import random_case
from tests.solvers.combinations import (
    TRIPLES,
    assert_solution,
    every_layout,
    every_triple,
    triples_by_layout,
)

# these extrapolate, and take residuals or Gram matrices as is cheaper for the rows at
# hand: rounding changes the way to the optimum, not the optimum
FREE_WAY = {"bcd"}


def assert_same(solver, case, other, rounding, order=slice(None)):
    """The same iterations end in the same (A, b), of ``other`` in another order."""
    # conjugate gradients on both blocks of a sum end where rounding has it
    exact = solver not in FREE_WAY and case.penalty.n_blocks == 1
    solve = SOLVERS[solver](tol=1e-8 if exact else 1e-14).solve
    first, second = solve(case.problem()), solve(other.problem())
    assert not exact or first.n_iter == second.n_iter
    atol = rounding if exact else 1e-6
    np.testing.assert_allclose(first.A[..., order], second.A, rtol=0, atol=atol)
    b, other_b = first.intercept[order], second.intercept
    np.testing.assert_allclose(b, other_b, rtol=0, atol=10 * atol)


def copied(data, times):
    """The data with every row ``times`` over."""
    rows = np.repeat(np.arange(data.X.shape[0]), times)
    offsets = None if data.offsets is None else data.offsets * times
    return MultiTaskData(data.X[rows], data.y[rows], data.weight[rows], offsets)


@every_triple
@every_layout
def test_a_weight_is_that_many_copies(solver, loss, penalty, layout):
    case = random_case(loss, penalty, layout)
    copies = replace(case, data=copied(case.data, 3))
    heavy = replace(case, data=replace(case.data, weight=3 * case.data.weight))
    assert_same(solver, heavy, copies, 1e-12)


@every_triple
def test_permuting_the_tasks_permutes_the_solution(solver, loss, penalty):
    case = random_case(loss, penalty, "shared-dense")
    # of those that have an order, from the other end
    order, data = [2, 1, 0] if "fused" in penalty else [2, 0, 1], case.data
    moved = replace(
        case,
        data=replace(data, y=data.y[:, order], weight=data.weight[:, order]),
        task_scale=case.task_scale[order],
    )
    assert_same(solver, case, moved, 1e-11, order)


@every_triple
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_equal_stacked_blocks_are_a_shared_problem(solver, loss, penalty, kind):
    case = random_case(loss, penalty, f"shared-{kind}")
    data = case.data
    blocks = [data.X] * 3
    stacked = replace(
        data,
        X=np.vstack(blocks) if kind == "dense" else sp.csr_array(sp.vstack(blocks)),
        y=data.y.T.ravel(),
        weight=data.weight.T.ravel(),
        offsets=np.arange(4) * data.X.shape[0],
    )
    assert_same(solver, case, replace(case, data=stacked), 1e-11)


@every_triple
@pytest.mark.parametrize("rows", ["shared", "stacked"])
def test_sparse_rows_give_the_solution_of_dense_ones(solver, loss, penalty, rows):
    case = random_case(loss, penalty, f"{rows}-sparse")
    dense = replace(case, data=replace(case.data, X=case.data.X.toarray()))
    assert_same(solver, case, dense, 1e-11)


@triples_by_layout
def test_float32_reaches_what_it_promises(solver, loss, penalty, layout):
    case = random_case(loss, penalty, layout, dtype=np.float32)
    problem = case.problem()
    solution = SOLVERS[solver](tol=1e-9).solve(problem)
    assert_solution(solution, problem)
    assert solution.A.dtype == np.float32
    F0 = problem.null_value
    assert solution.converged
    assert solution.gap <= 2e-6 * F0
    # of the coefficients as they are returned
    A, b = (part.astype(np.float64) for part in (solution.A, solution.intercept))
    gap = case.gap(A, b)
    if penalty != "mean-free":
        assert gap <= 2e-6 * F0 + 1e-10 * F0
    double = replace(case, data=replace(case.data, X=case.data.X.astype(np.float64)))
    exact = SOLVERS[solver](tol=1e-9).solve(double.problem())
    least = case.objective(exact.A, exact.intercept) - exact.gap
    assert case.objective(A, b) - least <= solution.gap + 1e-8 * F0


@every_triple
@every_layout
def test_iterations_stay_few(solver, loss, penalty, layout):
    problem = random_case(loss, penalty, layout, n=30).problem()
    solution = SOLVERS[solver](tol=1e-6).solve(problem)
    # some 2 to 4 times what these easy problems take today
    assert solution.n_iter <= 300


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mean", [0.0, 30.0, 1000.0])
def test_the_mean_of_a_feature_costs_no_iterations(loss, mean):
    case = random_case(loss, "l21", "stacked-dense", n=30)
    moved = replace(case, data=replace(case.data, X=case.data.X + mean))
    solve = FISTA(tol=1e-8).solve
    first, second = solve(case.problem()), solve(moved.problem())
    assert abs(first.n_iter - second.n_iter) <= FISTA().check_every
    np.testing.assert_allclose(first.A, second.A, atol=1e-6)


@pytest.mark.parametrize(
    ("solver", "loss", "penalty"), [p for p in TRIPLES if p.values[1] == "squared"]
)
def test_targets_scale_the_solution(solver, loss, penalty):
    """y -> c y takes alpha -> c alpha in a gauge, and leaves a quadratic as it is.

    With c a power of 2 not even the rounding changes.
    """
    case = random_case(loss, penalty, "stacked-dense")
    gauge = case.penalty.has_polar
    moved = replace(
        case,
        data=replace(case.data, y=1024 * case.data.y),
        penalty=case.penalty.scaled(1024.0) if gauge else case.penalty,
    )
    solve = SOLVERS[solver](tol=1e-8).solve
    first, second = solve(case.problem()), solve(moved.problem())
    assert first.n_iter == second.n_iter
    np.testing.assert_allclose(1024 * first.A, second.A, rtol=1e-9, atol=0)
    assert second.gap == pytest.approx(2.0**20 * first.gap, rel=1e-9)
