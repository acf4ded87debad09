"""Sequences of problems on the same data, each started from the last solutions."""

import time
from dataclasses import dataclass

import numpy as np

from mtlreg.solvers.base import Solution

CHECKS_A_POINT = 10  # products with the data that a point of a path takes at least
_MOST_SOLUTIONS = 3  # that a start is made of


@dataclass(frozen=True)
class PathPoint:
    """One point of a path.

    Attributes
    ----------
    solution : Solution
    seconds : float
        That it took, warm start included.
    """

    solution: Solution
    seconds: float


def solve_path(problem, solver, factors):
    """Solve a problem with all strengths times each factor, one after the other.

    A point starts from the last solution, or from the line or the parabola through the
    last ones as functions of the factor, where `Solver.merit` is less there; a start
    within the tolerance is the solution. Where it pays for that many points, all work
    is done on the statistics of the data.

    Parameters
    ----------
    problem : Problem or StatisticsProblem
    solver : Solver
    factors : sequence of float
        Positive; decreasing ones are fastest.

    Yields
    ------
    PathPoint
    """
    statistics = problem.on_statistics(CHECKS_A_POINT * len(factors))
    base, penalty, past = statistics or problem, problem.penalty, []
    for factor in factors:
        start = time.perf_counter()
        here = base.with_penalty(penalty.scaled(factor))
        solution = solver.solve(here, _warm_start(solver, here, factor, past))
        last_iteration, _ = solution.history[-1]
        known = any(factor == other for other, _ in past)
        if last_iteration > 0 and not known:
            # a start that was left as it is knows nothing that those before do not
            past = [*past[1 - _MOST_SOLUTIONS :], (factor, solution.A)]
        yield PathPoint(solution, time.perf_counter() - start)


def _warm_start(solver, problem, factor, past):
    """Return where to begin, given the last (factor, A), or None."""
    best, lowest = None, np.inf
    for count in range(1, len(past) + 1):
        candidate = _extrapolated(past[-count:], factor)
        value = solver.merit(problem, candidate)
        if not value < lowest:
            break
        best, lowest = candidate, value
    return best


def _extrapolated(past, factor):
    """Return the value at a factor of the polynomial through all (factor, A)."""
    total = np.zeros_like(past[0][1])
    for one, A in past:
        share = np.prod([(factor - f) / (one - f) for f, _ in past if f != one])
        total += total.dtype.type(share) * A
    return total
