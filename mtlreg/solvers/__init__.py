"""Solvers: they iterate on a problem and return a solution with its certificate."""

from mtlreg.solvers.base import Solution, Solver
from mtlreg.solvers.bcd import BCD
from mtlreg.solvers.direct import Direct
from mtlreg.solvers.fista import FISTA

SOLVERS = {"fista": FISTA, "bcd": BCD, "direct": Direct}

_DIRECT_LIMIT = 3000  # features; beyond, matrices of features by features do not pay

__all__ = ["BCD", "FISTA", "SOLVERS", "Direct", "Solution", "Solver", "choose_solver"]


def choose_solver(problem, max_iter, tol):
    """Return the solver that ``solver="auto"`` stands for.

    Parameters
    ----------
    problem : Problem
    max_iter : int
    tol : float

    Returns
    -------
    Solver
    """
    small = problem.design.n_features <= _DIRECT_LIMIT
    for solver in (Direct, BCD) if small else (BCD,):
        if solver(max_iter, tol).refuses(problem.loss, problem.penalty) is None:
            return solver(max_iter, tol)
    return FISTA(max_iter, tol)
