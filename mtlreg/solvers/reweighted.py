"""Penalties that are not convex, by the convex ones that bound them at a point."""

from dataclasses import dataclass, field

from mtlreg.solvers.base import Solution, Solver
from mtlreg.solvers.fista import FISTA


@dataclass(frozen=True)
class Reweighted(Solver):
    """Solve the problem of the `start` of a penalty, then that of majorants.

    Each majorant is no less than the penalty, and the same at the last solution, so
    that the objective falls. The gap of a solution is that of the problem of the
    majorant at the solution itself: 0 where it is stationary, and no less than what
    another round can take off the objective.

    Parameters
    ----------
    inner : Solver
        Of the convex problems.
    """

    inner: Solver = field(default_factory=FISTA)

    def refuses(self, loss, penalty):
        return self.inner.refuses(loss, penalty.start)

    def _solve(self, problem, init, image, monitor):
        penalty, target = problem.penalty, problem.gap_target(self.tol)
        told = _Told(monitor)
        here = problem.with_penalty(penalty.start)
        solution = self.inner.solve(here, init, told.monitor, image)
        n_iter, history = solution.n_iter, solution.history
        while True:
            here = problem.with_penalty(penalty.majorant(solution.A))
            found = here.certificate(solution.A)
            history = [*history, (n_iter, found.gap)]
            done = found.gap <= target or told.stopped or n_iter >= self.max_iter
            if done or not solution.converged:
                break
            told.before = n_iter
            solution = self.inner.solve(here, solution.A, told.monitor)
            n_iter += solution.n_iter
        return Solution(
            solution.A,
            found.intercept,
            n_iter,
            found.gap,
            bool(found.gap <= target),
            history,
            solution.rounded,
            found.loss,
        )


class _Told:
    """A monitor of all rounds, and whether it has asked to stop."""

    def __init__(self, monitor):
        self._monitor, self.before, self.stopped = monitor, 0, False
        self.monitor = None if monitor is None else self._tell

    def _tell(self, iteration, A, gap):
        self.stopped = self._monitor(self.before + iteration, A, gap)
        return self.stopped
