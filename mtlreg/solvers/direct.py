"""Exact solution of mean-regularised least squares."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve, pinvh

from mtlreg.losses import Squared
from mtlreg.penalties import MeanRegularization
from mtlreg.solvers.base import GapCheck, Solver


@dataclass(frozen=True)
class Direct(Solver):
    """Direct solve of `MeanRegularization` with the squared loss.

    With H_t the centred Gram matrix and q_t = X_t'y_t of task t (both weighted),
    K_t = (H_t + alpha I)^-1 and m the mean of the a_t::

        [sum_t K_t (H_t + alpha_mean I)] m = sum_t K_t q_t
        a_t = K_t (q_t + (alpha - alpha_mean) m)

    in this form, so that nothing cancels for a large ``alpha``; ``alpha_mean = 0``
    gives the mean of minimum norm. By Cholesky factors, or by singular vectors for
    tasks with fewer rows than features; O(T d^2 min(n_t, d) + d^3) operations and
    ``T d min(n_t, d)`` memory.

    Parameters
    ----------
    max_iter : int, default=10_000
        Not used.
    tol : float, default=1e-6
        The solution counts as converged when its gap is at most ``tol F0``.

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
        if isinstance(loss, Squared) and isinstance(penalty, MeanRegularization):
            return None
        return (
            "solver 'direct' solves mean regularisation with the squared loss only, "
            f"not {type(penalty).__name__} with {type(loss).__name__}; use 'fista'"
        )

    def _solve(self, problem, init, monitor):
        check = GapCheck(problem, self.tol, monitor)
        design, penalty = problem.design, problem.penalty
        term = problem.term
        zero = term.image(np.zeros(problem.shape))
        Q = -term.design.adjoint(term.slopes(zero))
        alpha, alpha_mean = float(penalty.alpha), float(penalty.alpha_mean)
        factors, pooled, target = [], 0.0, 0.0
        for t in range(design.n_tasks):
            factor, ratio = _factor(design, t, alpha, alpha_mean)
            factors.append(factor)
            pooled = pooled + ratio
            target = target + factor.solve(Q[:, t])
        m = _minimum_norm(pooled, target)
        rhs = Q.T + (alpha - alpha_mean) * m
        columns = [f.solve(r) for f, r in zip(factors, rhs, strict=True)]
        A = np.stack(columns, axis=1).astype(problem.dtype)
        check(1, A)
        return check.solution()


def _factor(design, t, alpha, alpha_mean):
    """Return ``H_t + alpha I`` ready to solve, its inverse times H_t + alpha_mean I."""
    rows, v = design.rows(t)
    if rows.shape[0] < rows.shape[1] and not sp.issparse(rows):
        shift = 0.0 if design.shift is None else design.shift[:, t]
        half = np.sqrt(v)[:, None] * (rows.astype(np.float64) - shift)
        _, sigma, vectors = np.linalg.svd(half, full_matrices=False)
        factor = _Spectrum(sigma**2, vectors.T, alpha)
        return factor, factor.ratio(alpha_mean)
    gram = design.gram(t)
    try:
        factor = _Cholesky(_shifted(gram, alpha))
    except np.linalg.LinAlgError:
        # alpha is below the rounding of a singular H_t
        values, U = np.linalg.eigh(gram)
        factor = _Spectrum(np.maximum(values, 0.0), U, alpha)
        return factor, factor.ratio(alpha_mean)
    ratio = factor.solve(_shifted(gram, alpha_mean))
    return factor, 0.5 * (ratio + ratio.T)


class _Cholesky:
    """A positive definite matrix by its Cholesky factor."""

    def __init__(self, matrix):
        self._factor = cho_factor(matrix, overwrite_a=True, check_finite=False)

    def solve(self, q):
        """Return the inverse times q."""
        return cho_solve(self._factor, q, check_finite=False)


class _Spectrum:
    """``H + alpha I`` with ``H = U diag(values) U'``; U may have few columns."""

    def __init__(self, values, U, alpha):
        self._values, self._U, self._alpha = values, U, alpha
        self._thin = U.shape[1] < U.shape[0]

    def solve(self, q):
        """Return ``(H + alpha I)^-1 q``."""
        inner = self._U.T @ q
        outside = (q - self._U @ inner) / self._alpha if self._thin else 0.0
        return self._U @ (inner / (self._values + self._alpha)) + outside

    def ratio(self, alpha_mean):
        """Return ``(H + alpha I)^-1 (H + alpha_mean I)``."""
        ratio = (self._values + alpha_mean) / (self._values + self._alpha)
        if not self._thin:
            return (self._U * ratio) @ self._U.T
        outside = alpha_mean / self._alpha
        return _shifted((self._U * (ratio - outside)) @ self._U.T, outside)


def _shifted(matrix, value):
    """Return ``matrix + value I``."""
    shifted = matrix.copy()
    shifted[np.diag_indices_from(shifted)] += value
    return shifted


def _minimum_norm(matrix, target):
    cutoff = 10 * len(target) * np.finfo(np.float64).eps
    return pinvh(matrix, rtol=cutoff) @ target
