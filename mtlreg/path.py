"""Sequences of problems on the same data, each started from the last solutions."""

import time
from dataclasses import dataclass

from mtlreg.solvers.base import Solution

CHECKS_A_POINT = 10  # products with the data that a point of a path takes at least


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

    A point starts from the last solution, or from the secant through the last two,
    as a function of the factor, where the objective is lower there. Where it pays for
    that many points, all work is done on the statistics of the data.

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
        solution = solver.solve(here, _warm_start(here, factor, past))
        past = [*past[-1:], (factor, solution.A)]
        yield PathPoint(solution, time.perf_counter() - start)


def _warm_start(problem, factor, past):
    """Return where to begin, given the last one or two (factor, A), or None."""
    if not past:
        return None
    last_factor, last = past[-1]
    if len(past) < 2 or past[0][0] == last_factor:
        return last
    share = (factor - last_factor) / (last_factor - past[0][0])
    secant = last + last.dtype.type(share) * (last - past[0][1])
    lower = problem.objective(secant) < problem.objective(last)
    return secant if lower else last
