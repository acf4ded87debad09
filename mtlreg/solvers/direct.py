"""Newton's method for quadratic penalties, exact for least squares."""

import itertools
from dataclasses import dataclass

import numpy as np

from mtlreg.solvers._coupled import coupled_points
from mtlreg.solvers.base import GapCheck, Solver
from mtlreg.solvers.components import move_to_minimum
from mtlreg.solvers.pooling import (
    GramSystems,
    TaskSystems,
    empty_grams,
    same_rows_point,
    solve_spectra,
)

_EPS = np.finfo(np.float64).eps
_FLATTEST = _EPS**2  # share of v that a saturated cell keeps as its curvature
_HALVINGS = 40
_PAYS = 0.5  # share of the gap that one more step has to take off
_SUFFICIENT = 1e-4  # share of the fall that the slope promises
_MOST_LINEAR = 20  # steps in a row at linear pace until no minimiser is expected


@dataclass(frozen=True)
class Direct(Solver):
    """Direct solve of mean regularisation: one linear system for the squared loss.

    It serves every penalty with a `task_matrix`, of the strengths alpha = ``spread``
    and alpha_mean = ``mean``, such as `mtlreg.penalties.MeanRegularization`. Where they
    differ from feature to feature, or alpha is inf, the same system is solved in the
    variances ``1 / alpha``, by matrices of d x d numbers for every task.

    With a `task_spectrum` alone, as that of `mtlreg.penalties.GraphRegularization`, the
    system of the squared loss is solved by conjugate gradients with the mean of the
    tasks as a preconditioner: at once, where all tasks have the same rows and weights.

    For any other loss Newton's method, damped, a system a step; for the squared one
    further steps only where rounding leaves more than the tolerance. With w the second
    derivatives of the loss (v for the squared one), H_t the Gram matrix of task t under
    w, centred if there is an intercept, g_t minus the gradient of F at the iterate,
    K_t = (H_t + alpha I)^-1 and m the mean of the moves d_t::

        [sum_t K_t (H_t + alpha_mean I)] m = sum_t K_t g_t
        d_t = K_t (g_t + (alpha - alpha_mean) m)

    in this form, so that nothing cancels for a large ``alpha``; ``alpha_mean = 0``
    gives the mean of minimum norm. A step takes O(T d^2 min(n_t, d) + d^3) operations
    and ``T d min(n_t, d)`` memory. The gap of a Newton step is checked as soon as the
    fall of F lets it be near the target; with ``alpha_mean = 0`` and classes that the
    mean separates there is no minimiser, and the solver gives up.

    Parameters
    ----------
    max_iter : int, default=10_000
        Most steps of Newton's method.
    tol : float, default=1e-6
        Stop when the duality gap is at most ``tol F0``.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.problem import MultiTaskData
    >>> from mtlreg.losses import Squared
    >>> from mtlreg.penalties import MeanRegularization
    >>> from mtlreg.problem import Problem
    >>> from mtlreg.solvers import Direct
    >>> X = np.array([[1.0], [-1.0]])
    >>> Y = np.array([[3.0, 4.0], [-3.0, -4.0]])
    >>> data = MultiTaskData(X, Y, np.ones((2, 2)))
    >>> penalty = MeanRegularization(1.0, 0.0)
    >>> problem = Problem(data, Squared(), penalty, np.ones(2))
    >>> Direct().solve(problem).A.round(6)
    array([[3.25, 3.75]])
    """

    def refuses(self, loss, penalty):
        if penalty.task_matrix is not None:
            return None
        if penalty.task_spectrum is not None:
            if loss.quadratic:
                return None
            return "solver 'direct' takes graphs for the squared loss; use 'fista'"
        return (
            "solver 'direct' solves mean regularisation and graphs only, "
            f"not {type(penalty).__name__}; use 'fista'"
        )

    def _solve(self, problem, init, image, monitor):
        coupled = problem.penalty.task_matrix is None
        estimate = problem.on_statistics() if coupled else None
        check = GapCheck(problem, self.tol, monitor, estimate)
        A = np.zeros(problem.shape)
        if init is not None:
            A[...] = init
            if check(0, A, None if estimate else image):
                return check.solution()
        if coupled:
            points = coupled_points(estimate or problem, A, check.target)
            for A, iteration in points:
                last = iteration >= self.max_iter
                if check(iteration, A, last=last) or last:
                    return check.solution()
            check(iteration, A, last=True)
            return check.solution()
        if problem.loss.quadratic:
            self._refine(problem, _least_squares_point(problem), check)
            return check.solution()
        point, falls = _Point.at(problem, A), []
        # quadratic convergence: the gap of a step is about the square of its fall, so
        # that this leaves a hundredth of the target
        near = 0.1 * np.sqrt(check.target * problem.scale)
        for iteration in range(1, self.max_iter + 1):
            before, point = point.value, _descend(problem, point)
            falls.append(before - point.value)
            last = iteration == self.max_iter or falls[-1] <= _EPS * problem.scale
            if np.any(problem.penalty.task_matrix.mean == 0):
                last = last or _on_a_tail(falls)
            near_end = falls[-1] <= near
            if (near_end or last) and (check(iteration, point.A, point.Z) or last):
                break
        return check.solution()

    def _refine(self, problem, A, check):
        """Check the solution of the linear system; take rounding off while it pays."""
        best, gap = A, np.inf
        for iteration in range(1, self.max_iter + 1):
            if iteration > 1:
                A = best + _newton_move(problem, best)
            if check(iteration, A):
                break
            before, gap = gap, check.certificate.gap
            if not gap < before:
                check(iteration, best)
            if not gap < _PAYS * before:
                break
            best = A


@dataclass(frozen=True)
class _Point:
    """A, its image Z and the objective there."""

    A: np.ndarray
    Z: np.ndarray
    value: float

    @classmethod
    def at(cls, problem, A, Z=None):
        Z = problem.term.image(A) if Z is None else Z
        return cls(A, Z, problem.term.value(Z) + problem.penalty.value(A))


def _descend(problem, point):
    """Return the Newton point, or one on the way there where F falls as it should."""
    slopes = problem.term.slopes(point.Z)
    A = point.A + _newton_move(problem, point.A, point.Z)
    Z = problem.term.image(A)
    uphill = np.vdot(problem.penalty.gradient(point.A), A - point.A)
    slope = min(float(np.vdot(slopes, Z - point.Z) + uphill), 0.0)
    for halvings in range(_HALVINGS):
        share = 0.5**halvings
        between = point.A + share * (A - point.A), point.Z + share * (Z - point.Z)
        candidate = _Point.at(problem, *(between if halvings else (A, Z)))
        bound = point.value + _SUFFICIENT * share * slope
        if candidate.value <= bound + 4 * _EPS * abs(point.value):
            return candidate
    return point


def _on_a_tail(falls):
    """Return whether F has long fallen at the pace of an exponential tail.

    There a Newton step divides F by e, near a minimiser by far more: what separates the
    classes is a mean that nothing bounds.
    """
    last = falls[-_MOST_LINEAR:]
    slow = all(after > 0.3 * before for before, after in itertools.pairwise(last))
    return slow and len(last) == _MOST_LINEAR


def _least_squares_point(problem):
    """Return the minimiser for the squared loss."""
    zero = np.zeros(problem.shape)
    strengths = problem.penalty.task_matrix
    if not strengths.uniform:
        return _newton_move(problem, zero)
    if not problem.has_rows:
        return solve_spectra(*problem.term.statistics.spectra, *strengths)
    if problem.design.same_rows:
        slopes = problem.term.slopes(problem.term.image(zero))
        return same_rows_point(problem.design, -slopes, *strengths)
    return _newton_move(problem, zero)


def _newton_move(problem, A, Z=None):
    """Return the move to the minimum of the penalty and the data term's second order.

    Parameters
    ----------
    problem : Problem
    A : ndarray of shape (n_features, n_tasks)
    Z : ndarray, optional
        The image of A, where it is at hand.
    """
    term, penalty = problem.term, problem.penalty
    strengths = penalty.task_matrix
    Z = term.image(A) if Z is None else Z
    if not problem.has_rows:
        if not strengths.uniform:
            stacked = term.statistics.stacked()
            return move_to_minimum(stacked, -term.gradient(Z), A, strengths)
        gradient = term.gradient(Z) + penalty.gradient(A)
        grams = empty_grams(*A.shape)
        grams[:] = term.statistics.stacked()
        return GramSystems(grams, -gradient, *strengths).solve()
    design = problem.design
    bend, slopes = design.v, term.slopes(Z)
    if not term.loss.quadratic:
        bend = term.loss.hessian(term.predictions(Z), term.y, term.v)
        bend = np.maximum(bend, _FLATTEST * term.v)
    if strengths.uniform:
        return TaskSystems(design, bend, -slopes, A, *strengths).solve()
    grams = np.empty((len(A), *A.shape))
    design.grams(grams, None if bend is design.v else bend)
    return move_to_minimum(grams, -design.adjoint(slopes), A, strengths)
