"""The contract of a solver."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from mtlreg.penalties.factored import as_array
from mtlreg.problem.threads import held_threads


@dataclass(frozen=True)
class Solution:
    """What a solver returns.

    Attributes
    ----------
    A : ndarray of the shape ``problem.shape``
    intercept : ndarray of shape (n_tasks,)
        In the units of X.
    n_iter : int
        Iterations made, at least 1.
    gap : float
        Duality gap at (A, intercept), in the units of F.
    converged : bool
        Whether the gap reached its target.
    history : list of (int, float)
        Iteration and gap of every check.
    rounded : bool
        Whether the gap missed its target by the rounding of (A, intercept) to the
        precision of X alone.
    loss : float or None
        The data term there, where the loss is no likelihood.
    """

    A: np.ndarray
    intercept: np.ndarray
    n_iter: int
    gap: float
    converged: bool
    history: list
    rounded: bool = False
    loss: float | None = None


@dataclass(frozen=True)
class Solver(ABC):
    """Options of a solver; the object holds no state and may solve many problems.

    Parameters
    ----------
    max_iter : int
    tol : float
        Stop when the duality gap is at most ``tol F0``, see `Problem.gap_target`.
    """

    max_iter: int = 10_000
    tol: float = 1e-6

    def check(self, problem):
        """Raise ValueError, naming a solver that works, for a problem it refuses."""
        reason = self.refuses(problem.loss, problem.penalty)
        if reason:
            raise ValueError(reason)

    @abstractmethod
    def refuses(self, loss, penalty):
        """Return why the solver cannot take this loss and penalty, or None."""

    def solve(self, problem, init=None, monitor=None, image=None):
        """Minimise the objective of ``problem``.

        Parameters
        ----------
        problem : Problem
        init : ndarray of the shape ``problem.shape``, optional
            Where to start; not written to.
        monitor : callable, optional
            ``monitor(iteration, A, gap) -> bool`` is called once per gap check; True
            stops.
        image : ndarray, optional
            Of ``init`` by the term of the problem, where it is at hand.

        Returns
        -------
        Solution
        """
        self.check(problem)
        with held_threads(problem.work):
            return self._solve_or_null(problem, init, monitor, image)

    def _solve_or_null(self, problem, init, monitor, image):
        if problem.is_null:
            # the optimum by the test that also defines alpha_max, if it exists
            check = GapCheck(problem, self.tol, None)
            check(0, problem.in_double_precision().null_point())
            return check.solution()
        if problem.dtype != np.float64:
            image = None  # of what was rounded since
        if init is not None and (inside := problem.penalty.inside(init)) is not init:
            init, image = inside, None
        return self._solve(problem, init, image, monitor)

    def merit(self, problem, A, Z):
        """Return a number by which the better of two starts is the one with less.

        Parameters
        ----------
        problem : Problem
        A : ndarray of the shape ``problem.shape``
        Z : ndarray
            Its image by the term of the problem.
        """
        return problem.objective(A, Z)

    @abstractmethod
    def _solve(self, problem, init, image, monitor):
        """Solve a problem whose optimum is not the null model."""


class GapCheck:
    """The gap checks of one run: certificate, history, monitor, verdict.

    Parameters
    ----------
    problem : Problem
    tol : float
    monitor : callable or None
    estimate : StatisticsProblem or SpanProblem, optional
        The same problem, on which gaps are cheaper but good to rounding of F0 only, and
        whose variable is checked; where gaps would stop the run, ``problem`` has the
        last word.

    Attributes
    ----------
    certificate : Certificate
        Of the last check, of its point as it was before it was rounded.
    rounded : bool
        Whether its point had half of the target before it was rounded, which ends the
        run.
    """

    def __init__(self, problem, tol, monitor, estimate=None):
        self.problem = problem
        self.target = problem.gap_target(tol)
        self.monitor = monitor
        self.history = []
        self.estimate = estimate
        self.rounded = False

    def __call__(self, iteration, A, Z=None, last=False):
        """Certify A, rounded to the precision of X; return whether to stop.

        That is also where the gap is inf, which no iteration mends.

        Parameters
        ----------
        iteration : int
        A : ndarray, Factored or Blocks
        Z : ndarray, optional
            Its image, by the estimate if there is one.
        last : bool
            Whether A is returned whatever its gap.
        """
        value = None
        if not isinstance(A, np.ndarray):
            value, A = self.problem.penalty.value(A), as_array(A)
        if self.estimate is not None:
            self.certificate = self.estimate.certificate(A, Z, value)
            known = self.certificate.gap - self.certificate.hidden
            if self.target < known < np.inf and not last:
                return self._passed(iteration, A, value)
            # frees the gradient before the next is made
            Z = self.certificate = None
            A = self.estimate.lift(A)
        gap = self._certify(iteration, A, Z, value)
        # closer to the target the next points may still make up for their rounding
        self.rounded = bool(2 * self.certificate.gap <= self.target < gap)
        stopped = self.monitor is not None and self.monitor(iteration, self._A, gap)
        return stopped or self.rounded or not self.target < gap < np.inf

    def _passed(self, iteration, A, value):
        """Note an estimated gap above the target; return whether to stop."""
        gap = self.certificate.gap
        self.history.append((iteration, gap))
        if self.monitor is None:
            return False
        A = self.estimate.lift(A)
        if self.monitor(iteration, A, gap):
            self.history.pop()
            self._certify(iteration, A, None, value)
            return True
        return False

    def _certify(self, iteration, A, Z, value):
        problem = self.problem
        self._A = A.astype(problem.dtype, copy=False)
        # Z and the value are not of what is rounded
        known = (Z, value) if self._A.dtype == np.float64 else ()
        self._returned = self.certificate = problem.certificate(self._A, *known)
        if A.dtype != self._A.dtype:
            exact = problem.in_double_precision()
            self.certificate = exact.certificate(A, Z, value)
        self.history.append((iteration, self._returned.gap))
        return self._returned.gap

    def stalled(self, checks):
        """Return whether the last ``checks`` gaps brought nothing, or a point stays."""
        gaps = [gap for _, gap in self.history]
        if len(gaps) > 1 and gaps[-1] == gaps[-2]:
            return True
        return len(gaps) > checks and min(gaps[-checks:]) > 0.9 * min(gaps[:-checks])

    def solution(self):
        """Return the `Solution` at the point that was certified last."""
        iteration, gap = self.history[-1]
        return Solution(
            self._A,
            self._returned.intercept,
            max(iteration, 1),
            gap,
            bool(gap <= self.target),
            self.history,
            self.rounded,
            self._returned.loss,
        )
