"""Solvers: they iterate on a problem and return a solution with its certificate."""

import numpy as np

from mtlreg.problem import costs
from mtlreg.solvers.base import Solution, Solver
from mtlreg.solvers.bcd import BCD
from mtlreg.solvers.direct import Direct
from mtlreg.solvers.fista import FISTA

SOLVERS = {"fista": FISTA, "bcd": BCD, "direct": Direct}

__all__ = ["BCD", "FISTA", "SOLVERS", "Direct", "Solution", "Solver", "choose_solver"]


def choose_solver(problem, max_iter, tol):
    """Return the solver that ``solver="auto"`` stands for.

    `Direct` for mean regularisation and graphs while its matrices are small, `BCD` for
    gauges that are sums over rows, `FISTA` for the rest. ``benchmarks/board.py``
    measures these choices against accelerated proximal gradient (its column
    "textbook"): the rows mean-* the first, trace-* the last, all others the second.

    Parameters
    ----------
    problem : Problem
    max_iter : int
    tol : float

    Returns
    -------
    Solver
    """
    for solver in (Direct, BCD) if _is_small(problem) else (BCD,):
        if solver(max_iter, tol).refuses(problem.loss, problem.penalty) is None:
            return solver(max_iter, tol)
    return FISTA(max_iter, tol)


def _is_small(problem):
    """Return whether the matrices of `Direct` are worth their size."""
    d, n_tasks = problem.square_norms.shape
    if not problem.has_rows:
        return d <= costs.DIRECT_FEATURES
    design = problem.design
    if design.cells.offsets is None:
        one_for_all = design.same_rows and problem.loss.quadratic
        n_rows = np.full(1 if one_for_all else n_tasks, len(design.v))
    else:
        n_rows = np.diff(design.cells.offsets)
    held = 8 * d * int(np.sum(np.minimum(n_rows, d)))
    return d <= costs.DIRECT_FEATURES and held <= costs.DIRECT_BYTES
