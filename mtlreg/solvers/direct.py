"""Exact solution of mean-regularised least squares."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import pinvh

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

    through the spectra of the H_t, so that nothing cancels for a large ``alpha``;
    ``alpha_mean = 0`` gives the mean of minimum norm. Takes O(T d^2 min(n_t, d) + d^3)
    operations and ``d^2`` memory.

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
        spectra = [_Spectrum(design, t) for t in range(design.n_tasks)]
        pooled = sum(s.function(alpha_mean, alpha) for s in spectra)
        target = sum(s.solve(alpha, q) for s, q in zip(spectra, Q.T, strict=True))
        m = _minimum_norm(pooled, target)
        rhs = Q.T + (alpha - alpha_mean) * m
        columns = [s.solve(alpha, r) for s, r in zip(spectra, rhs, strict=True)]
        A = np.stack(columns, axis=1).astype(problem.dtype)
        check(1, A)
        return check.solution()


class _Spectrum:
    """``H_t = U diag(values) U'`` of one task; U has min(n_t, d) columns."""

    def __init__(self, design, t):
        rows, v = design.rows(t)
        if rows.shape[0] >= rows.shape[1] or sp.issparse(rows):
            self.values, self.U = np.linalg.eigh(design.gram(t))
            self.values = np.maximum(self.values, 0.0)
        else:
            shift = 0.0 if design.shift is None else design.shift[:, t]
            half = np.sqrt(v)[:, None] * (rows.astype(np.float64) - shift)
            _, sigma, vectors = np.linalg.svd(half, full_matrices=False)
            self.values, self.U = sigma**2, vectors.T

    def solve(self, alpha, q):
        """Return ``(H_t + alpha I)^-1 q``."""
        inner = self.U.T @ q
        outside = (q - self.U @ inner) / alpha if self._thin else 0.0
        return self.U @ (inner / (self.values + alpha)) + outside

    def function(self, alpha_mean, alpha):
        """Return ``(H_t + alpha I)^-1 (H_t + alpha_mean I)``."""
        ratio = (self.values + alpha_mean) / (self.values + alpha)
        if not self._thin:
            return (self.U * ratio) @ self.U.T
        outside = alpha_mean / alpha
        result = (self.U * (ratio - outside)) @ self.U.T
        result[np.diag_indices_from(result)] += outside
        return result

    @property
    def _thin(self):
        return self.U.shape[1] < self.U.shape[0]


def _minimum_norm(matrix, target):
    cutoff = 10 * len(target) * np.finfo(np.float64).eps
    return pinvh(matrix, rtol=cutoff) @ target
