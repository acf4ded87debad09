"""Sequences of problems on the same data, each started from the last solutions."""

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

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
        known = any(factor == point.factor for point in past)
        if last_iteration > 0 and not known:
            # a start that was left as it is knows nothing that those before do not
            matrix = penalty.combine(solution.A.astype(np.float64, copy=False))
            point = _Known(factor, solution.A, base.term.image(matrix))
            past = [*past[1 - _MOST_SOLUTIONS :], point]
        yield PathPoint(solution, time.perf_counter() - start)


class _Known(NamedTuple):
    """A solution, and its image by the term."""

    factor: float
    A: np.ndarray
    Z: np.ndarray


def _warm_start(solver, problem, factor, past):
    """Return where to begin, given the last solutions, or None."""
    best, lowest = None, np.inf
    for count in range(len(past), 0, -1):
        A, Z = _extrapolated(past[-count:], factor)
        value = solver.merit(problem, A, Z)
        if value < lowest:
            best, lowest = A, value
        elif best is not None:
            break
    return best


def _extrapolated(past, factor):
    """Return the values at a factor of the polynomials through all A, and all Z."""
    factors = [point.factor for point in past]
    A, Z = np.zeros_like(past[0].A), np.zeros_like(past[0].Z)
    for point in past:
        others = [f for f in factors if f != point.factor]
        share = math.prod((factor - f) / (point.factor - f) for f in others)
        A += A.dtype.type(share) * point.A
        Z += share * point.Z
    return A, Z
