"""Sequences of problems on the same data, each started from the last solutions."""

import time
from dataclasses import dataclass

import numpy as np

from mtlreg.solvers.base import Solution

CHECKS_A_POINT = 10  # products with the data that a point of a path takes at least
# that a start is made of: three take 5 to 15 % longer (searches of all stems, one
# twice as long), five or six are no faster
_MOST_SOLUTIONS = 4


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

    A point starts from the last solution, or from the line, the parabola or the cubic
    through the last ones as functions of the factor, where `Solver.merit` is less
    there; a start within the tolerance is the solution. Where it pays for that many
    points, all work is done on the statistics of the data.

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
    base, penalty, past = statistics or problem, problem.penalty, _Interpolant()
    for factor in factors:
        start = time.perf_counter()
        here = base.with_penalty(penalty.scaled(factor))
        # in units of the first, whose powers neither overflow nor underflow
        share = factor / factors[0]
        A, Z = _warm_start(solver, here, past.at(share))
        solution = solver.solve(here, A, image=Z)
        last_iteration, _ = solution.history[-1]
        if last_iteration > 0:
            # a start that was left as it is knows nothing that those before do not
            matrix = penalty.combine(solution.A.astype(np.float64, copy=False))
            past.add(share, solution.A, base.term.image(matrix))
        yield PathPoint(solution, time.perf_counter() - start)


def _warm_start(solver, problem, starts):
    """Return the best of some starts and its image; the last ones are the likeliest."""
    best, lowest = (None, None), np.inf
    for A, Z in reversed(starts):
        value = solver.merit(problem, A, Z)
        if value < lowest:
            best, lowest = (A, Z), value
        elif best[0] is not None:
            break
    return best


class _Interpolant:
    """Polynomials in the factor through the last solutions and their images.

    In the form of Newton, by divided differences; the last solution comes first.
    """

    def __init__(self):
        self._factors, self._differences = [], []

    def add(self, factor, A, Z):
        """Take in a solution, unless there is one for the factor."""
        if factor in self._factors:
            return
        fresh = [(A, Z)]
        for known, older in zip(self._factors, self._differences, strict=True):
            pairs = zip(fresh[-1], older, strict=True)
            fresh.append(tuple((new - old) / (factor - known) for new, old in pairs))
        self._factors = [factor, *self._factors][:_MOST_SOLUTIONS]
        self._differences = fresh[:_MOST_SOLUTIONS]

    def at(self, factor):
        """Return (A, Z) at a factor of the polynomials through one, two, ... solutions.

        Both are linear in what they are made of, so that Z is the image of A.
        """
        points, share = self._differences[:1], 1.0
        for known, slopes in zip(self._factors, self._differences[1:], strict=False):
            share *= factor - known
            pairs = zip(points[-1], slopes, strict=True)
            points.append(tuple(value + share * slope for value, slope in pairs))
        return points
