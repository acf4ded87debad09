"""Newton's method for mean regularisation, exact for least squares."""

import itertools
from dataclasses import dataclass

import numpy as np

from mtlreg.penalties import MeanRegularization
from mtlreg.problem import StatisticsProblem
from mtlreg.solvers._pooling import TaskSystems, solve_spectra
from mtlreg.solvers.base import GapCheck, Solver

_EPS = np.finfo(np.float64).eps
_FLATTEST = _EPS**2  # share of v that a saturated cell keeps as its curvature
_HALVINGS = 40
_SUFFICIENT = 1e-4  # share of the fall that the slope promises
_MOST_LINEAR = 20  # steps in a row at linear pace until no minimiser is expected


@dataclass(frozen=True)
class Direct(Solver):
    """Direct solve of `MeanRegularization`: one linear system for the squared loss.

    For any other loss Newton's method, damped, a system a step. With w the second
    derivatives of the loss (v for the squared one), H_t the Gram matrix of task t under
    w, centred if there is an intercept, q_t = H_t a_t - gradient_t at the iterate,
    K_t = (H_t + alpha I)^-1 and m the mean of the next a_t::

        [sum_t K_t (H_t + alpha_mean I)] m = sum_t K_t q_t
        a_t = K_t (q_t + (alpha - alpha_mean) m)

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
    >>> from mtlreg.design import MultiTaskData
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
        if isinstance(penalty, MeanRegularization):
            return None
        return (
            "solver 'direct' solves mean regularisation only, "
            f"not {type(penalty).__name__}; use 'fista'"
        )

    def _solve(self, problem, init, image, monitor):
        check = GapCheck(problem, self.tol, monitor)
        A = np.zeros(problem.shape)
        if init is not None:
            A[...] = init
            if check(0, A, image):
                return check.solution()
        if problem.loss.quadratic:
            check(1, _least_squares_point(problem))
            return check.solution()
        point, falls = _Point.at(problem, A), []
        # quadratic convergence: the gap of a step is about the square of its fall, so
        # that this leaves a hundredth of the target
        near = 0.1 * np.sqrt(check.target * problem.scale)
        for iteration in range(1, self.max_iter + 1):
            before, point = point.value, _descend(problem, point)
            falls.append(before - point.value)
            last = iteration == self.max_iter or falls[-1] <= _EPS * problem.scale
            if problem.penalty.alpha_mean == 0:
                last = last or _on_a_tail(falls)
            near_end = falls[-1] <= near
            if (near_end or last) and (check(iteration, point.A, point.Z) or last):
                break
        return check.solution()


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
    A = _newton_point(problem, point.Z, slopes)
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
    if isinstance(problem, StatisticsProblem):
        spectra = problem.term.statistics.spectra
        return solve_spectra(
            *spectra, problem.penalty.alpha, problem.penalty.alpha_mean
        )
    Z = problem.term.image(np.zeros(problem.shape))
    return _newton_point(problem, Z, problem.term.slopes(Z))


def _newton_point(problem, Z, slopes):
    """Return the minimiser of the penalty plus the data term's second order at Z.

    Parameters
    ----------
    Z, slopes : ndarrays over cells
        An image and ``v loss'`` there.
    """
    term, design, penalty = problem.term, problem.design, problem.penalty
    bend = design.v
    if not term.loss.quadratic:
        z = Z + term.cells.spread(term.intercept(Z))
        bend = np.maximum(term.loss.hessian(z, term.y, term.v), _FLATTEST * term.v)
    inner = Z
    if term.fit_intercept:
        means = term.cells.sum(bend * Z) / term.cells.sum(bend)
        inner = Z - term.cells.spread(means)
    strengths = float(penalty.alpha), float(penalty.alpha_mean)
    return TaskSystems(design, bend, bend * inner - slopes, *strengths).solve()
