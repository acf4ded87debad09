"""The squared norm of clustered tasks: a covariance with as many large directions."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from mtlreg.penalties.base import check_number, check_strengths
from mtlreg.penalties.prior import TaskPrior, about_mean
from mtlreg.penalties.shares import SpaceOfShares, box_shares
from mtlreg.penalties.squared import SquaredGauge
from mtlreg.penalties.trace import column_space, smaller_gram


@dataclass(frozen=True)
class SquaredClusterNorm(SquaredGauge):
    """``alpha/2 eta (1 + eta) min_M trace(A (eta I + M)^-1 A')``.

    The minimum is over the matrices ``0 <= M <= I`` of the tasks with the trace k, the
    number of clusters: a relaxation of what k-means makes of the columns of A. It is
    the square of a norm of the singular values: k directions of the tasks cost
    ``alpha eta / 2`` times the square of what is along them, and the others ``alpha (1
    + eta) / 2``, or something between for both.

    Parameters
    ----------
    alpha : float
        Strength, > 0.
    n_clusters : int, optional
        k, >= 1, of which as many count as there are tasks; by default the square root
        of the number of tasks, rounded.
    eta : float, default=0.1
        What is within a cluster costs ``(1 + eta) / eta`` times as much as what its
        tasks have in common: > 0.

    References
    ----------
    Zhou, Chen, Ye (2011), Clustered multi-task learning via alternating structure
    optimization, section 3; as a norm: McDonald, Pontil, Stamos (2016), New
    perspectives on k-support and cluster norms; clusters by pivots: Zha, He, Ding, Gu,
    Simon (2001), Spectral relaxation for k-means clustering.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import SquaredClusterNorm
    >>> penalty = SquaredClusterNorm(1.0, n_clusters=1, eta=0.5)
    >>> penalty.value(np.diag([3.0, 0.5]))
    2.4375
    """

    alpha: float
    n_clusters: int | None = None
    eta: float = 0.1

    ignores_basis = True
    strictly_convex = True
    has_tangent = True

    def __post_init__(self):
        check_strengths(self)
        check_number(self, "eta")
        k = self.n_clusters
        whole = isinstance(k, (int, np.integer)) and not isinstance(k, bool)
        if k is not None and not (whole and k >= 1):
            raise ValueError(
                f"n_clusters of {type(self).__name__} must be an int >= 1, or None for "
                f"the square root of the number of tasks; got {k!r}"
            )

    def _total(self, n_tasks):
        """Return the trace of M."""
        if self.n_clusters is None:
            return max(1, round(np.sqrt(n_tasks)))
        return min(self.n_clusters, n_tasks)

    def norm(self, A):
        sigma = np.linalg.svd(np.asarray(A, dtype=np.float64), compute_uv=False)
        shares = self.eta + box_shares(sigma, self.eta, self._total(A.shape[1]))
        root = np.sqrt(self.eta * (1.0 + self.eta) / shares)
        return float(np.linalg.norm(root * sigma))

    def dual_norm(self, G):
        gram, _ = smaller_gram(np.asarray(G, dtype=np.float64))
        squares = np.maximum(np.linalg.eigvalsh(gram), 0.0)[::-1]
        best = squares[: self._total(G.shape[1])].sum()
        bound = (self.eta * squares.sum() + best) / (self.eta * (1.0 + self.eta))
        return float(np.sqrt(bound))

    def prox(self, A, step, out=None):
        # p = a (eta + m) / (eta + m + step c), of the same m as a norm with the eta
        # ``eta + step c`` has at a; those of m = 0 are shrunken alike
        moved = step * self.alpha * self.eta * (1.0 + self.eta)
        exact = np.asarray(A, dtype=np.float64)
        gram, wide = smaller_gram(exact)
        values, vectors = np.linalg.eigh(gram)
        sigma = np.sqrt(np.maximum(values, 0.0))
        m = box_shares(sigma, self.eta + moved, self._total(A.shape[1]))
        kept = m > 0
        least = self.eta / (self.eta + moved)
        V, m = vectors[:, kept], m[kept]
        more = V * (m * moved / ((self.eta + moved) * (self.eta + m + moved)))
        result = least * exact
        result += more @ (V.T @ exact) if wide else (exact @ V) @ more.T
        if out is None:
            return result.astype(np.result_type(A, np.float32), copy=False)
        out[...] = result
        return out

    def tangent(self, A, step):
        total = self._total(A.shape[1])
        return SpaceOfShares(A, step, self.alpha, self.eta, total)

    def prior(self, A):
        # a'(eta I + U m U')^-1 a
        cost = self.alpha * self.eta * (1.0 + self.eta)
        mean, apart = about_mean(A)
        U, sigma = column_space(apart)
        m = box_shares(sigma, self.eta, self._total(A.shape[1]))
        outside, precision = cost / self.eta, cost / (self.eta + m)
        return TaskPrior.of_subspace(mean, U, precision, outside)

    def attributes(self, A, blocks):
        n_tasks, total = A.shape[1], self._total(A.shape[1])
        _, sigma, Vt = np.linalg.svd(A.astype(np.float64), full_matrices=False)
        rounding = max(A.shape) * np.finfo(A.dtype).eps * sigma.max(initial=0.0)
        V = Vt[sigma > rounding].T
        m = box_shares(sigma[: V.shape[1]], self.eta, total)
        # what is left is spread evenly over directions in which A is 0
        even = (total - m.sum()) / max(n_tasks - V.shape[1], 1)
        covariance = (self.eta + even) * np.eye(n_tasks) + (V * (m - even)) @ V.T
        return {
            "task_clusters_": _clusters((V * np.sqrt(m))[:, :total]),
            "task_covariance_": covariance.astype(A.dtype, copy=False),
        }


def _clusters(rows):
    """Return a label of every row: the nearest of those that are most unlike.

    These are the pivots of an orthogonal factorisation. Labels are numbered in the
    order of the rows.
    """
    if not rows.shape[1]:
        return np.zeros(len(rows), dtype=np.intp)
    _, _, order = qr(rows.T, mode="economic", pivoting=True)
    pivots = rows[order[: rows.shape[1]]]
    distances = np.linalg.norm(rows[:, None] - pivots, axis=2)
    found = np.argmin(distances, axis=1)
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
