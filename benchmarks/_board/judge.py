"""The judge: primal value and duality gap of a matrix, whoever found it.

With z = X A, theta the negative slope of the loss at z and G = X' theta, the dual value
at ``s theta`` is concave in s, and the judge takes the best s that is feasible. The
relative gap is ``(P - D) / P``.
"""

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, xlogy

from _board.penalties import ElasticNet


class Judge:
    """Independent check of solutions of one problem.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem):
        self.problem = problem
        self._parts = None if problem.shared else problem.parts()

    def image(self, A):
        """Return the predictions, an array like y."""
        if self.problem.shared:
            return self.problem.X @ A
        columns = np.ascontiguousarray(A.T)
        pairs = zip(self._parts, columns, strict=True)
        return np.concatenate([X @ a for (X, _), a in pairs])

    def adjoint(self, R):
        """Return ``X_t' r_t`` for every task, shape (d, T)."""
        if self.problem.shared:
            return self.problem.X.T @ R
        split = np.split(R, self.problem.offsets[1:-1])
        pairs = zip(self._parts, split, strict=True)
        return np.stack([X.T @ r for (X, _), r in pairs], axis=1)

    def largest_strength(self):
        """Return alpha_max, or the mean curvature where there is none."""
        problem = self.problem
        if not hasattr(problem.penalty, "polar"):
            squares = sum(float(np.sum(X**2)) for X, _ in self._parts)
            return squares / np.prod(problem.shape)
        slope = problem.y if problem.loss == "squared" else 0.5 * problem.y
        return problem.penalty.polar(self.adjoint(slope))

    def gap(self, A, lam):
        """Return the relative duality gap of A; inf for what is no solution at all."""
        return self.primal_and_gap(A, lam)[1]

    def primal_and_gap(self, A, lam):
        """Return the objective of A and its relative duality gap.

        Parameters
        ----------
        A : ndarray of shape (d, T), or (2, d, T) for the blocks of a sum
        lam : float
        """
        A = np.asarray(A, dtype=np.float64)
        expected = self.problem.shape
        if self.problem.penalty.n_blocks == 2:
            expected = (2, *expected)
        if A.shape != expected or not np.isfinite(A).all():
            return np.inf, np.inf
        z = self.image(A.sum(axis=0) if A.ndim == 3 else A)
        primal = self._loss(z) + lam * self.problem.penalty.value(A)
        return primal, (primal - self._dual(z, lam)) / primal

    def _loss(self, z):
        y = self.problem.y
        if self.problem.loss == "squared":
            return 0.5 * float(np.sum((y - z) ** 2))
        return float(np.logaddexp(0, -y * z).sum())

    def _dual(self, z, lam):
        y, penalty = self.problem.y, self.problem.penalty
        if self.problem.loss == "logistic":
            u = expit(-y * z)
            limit = lam / penalty.polar(self.adjoint(y * u))
            return _best_entropy(u, limit)
        theta = y - z
        G = self.adjoint(theta)
        linear, square = float(np.vdot(theta, y)), float(np.vdot(theta, theta))
        if isinstance(penalty, ElasticNet):
            return _best_scale(
                lambda s: (
                    s * linear
                    - 0.5 * s**2 * square
                    - lam * penalty.conjugate(s / lam * G)
                )
            )
        if not hasattr(penalty, "polar"):
            # the conjugate of lam Omega is 1/lam times that of Omega
            return 0.5 * linear**2 / (square + 2 * penalty.conjugate(G) / lam)
        polar = penalty.polar(G)
        s = linear / square
        if polar > 0:
            s = min(s, lam / polar)
        return s * linear - 0.5 * s**2 * square


def _best_scale(dual):
    """Return the largest value of a concave function of a scale near 1, that of 1 too.

    At the optimum the best scale is 1.
    """
    found = minimize_scalar(
        lambda s: -dual(s), bounds=(0.0, 2.0), method="bounded", options={"xatol": 1e-9}
    )
    return max(-float(found.fun), dual(1.0))


def _best_entropy(u, limit):
    """Return the largest sum of the entropies of ``s u`` over ``0 < s <= limit``."""
    upper = min(limit, 1 / u.max())

    def slope(s):
        return -float(np.sum(u * (np.log(s * u) - np.log1p(-s * u))))

    inside = upper * (1 - 1e-12)
    s = upper
    if slope(inside) < 0:
        s = brentq(slope, 1e-6 * upper, inside, xtol=1e-15)
    rest = np.maximum(1 - s * u, 0.0)
    return -float(np.sum(xlogy(s * u, s * u) + xlogy(rest, rest)))
