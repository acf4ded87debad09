"""Penalties of the board: value, polar or conjugate, and proximal operator in numpy.

They share no code with mtlreg: the judge and the textbook solvers rest on them alone.
All act on A of shape (n_features, n_tasks); `Dirty` acts on the stacked blocks (B, S).
"""

import numpy as np


class L21:
    """``sum_j ||A_j||_2`` over the rows of A."""

    n_blocks = 1

    def value(self, A):
        return float(np.linalg.norm(A, axis=1).sum())

    def polar(self, G):
        return float(np.linalg.norm(G, axis=1).max())

    def prox(self, V, step):
        norms = np.linalg.norm(V, axis=1, keepdims=True)
        return V * np.maximum(1 - step / np.maximum(norms, 1e-300), 0)


class ElasticNet:
    """``sum_j ||A_j||_2 + ratio/2 ||A||_F^2``.

    Parameters
    ----------
    ratio : float
        Strength of the ridge over that of the norms.
    """

    n_blocks = 1

    def __init__(self, ratio):
        self.ratio, self._norms = ratio, L21()

    def value(self, A):
        return self._norms.value(A) + 0.5 * self.ratio * float(np.vdot(A, A))

    def polar(self, G):
        """Return the strength from which on A = 0 is optimal."""
        return self._norms.polar(G)

    def conjugate(self, G):
        excess = np.maximum(np.linalg.norm(G, axis=1) - 1, 0)
        return 0.5 * float(excess @ excess) / self.ratio

    def prox(self, V, step):
        return self._norms.prox(V, step) / (1 + step * self.ratio)


class L1Linf:
    """``sum_j max_t |A_jt|``."""

    n_blocks = 1

    def value(self, A):
        return float(np.abs(A).max(axis=1).sum())

    def polar(self, G):
        return float(np.abs(G).sum(axis=1).max())

    def prox(self, V, step):
        return V - _project_l1_ball(V, step)


class L1:
    """``sum_jt |A_jt|``."""

    n_blocks = 1

    def value(self, A):
        return float(np.abs(A).sum())

    def polar(self, G):
        return float(np.abs(G).max())

    def prox(self, V, step):
        return np.sign(V) * np.maximum(np.abs(V) - step, 0)


class Trace:
    """Sum of the singular values of A."""

    n_blocks = 1

    def value(self, A):
        return float(np.linalg.svd(A, compute_uv=False).sum())

    def polar(self, G):
        return float(np.linalg.norm(G, 2))

    def prox(self, V, step):
        """Shrink the singular values, through the smaller Gram matrix of V."""
        if V.shape[0] < V.shape[1]:
            return self.prox(V.T, step).T
        squares, Q = np.linalg.eigh(V.T @ V)
        sigma = np.sqrt(np.maximum(squares, 0))
        kept = sigma > step
        Q = Q[:, kept]
        return (V @ (Q * (1 - step / sigma[kept]))) @ Q.T

    def prox_svd(self, V, step):
        """Shrink the singular values of a full decomposition."""
        U, sigma, W = np.linalg.svd(V, full_matrices=False)
        return (U * np.maximum(sigma - step, 0)) @ W


class Dirty:
    """``||B||_{1,q} + ||S||_1 / ratio`` of the stacked blocks (B, S), A = B + S.

    Parameters
    ----------
    shared : L21 or L1Linf
    ratio : float
        Strength of the shared block over that of the specific block.
    """

    n_blocks = 2

    def __init__(self, shared, ratio):
        self.shared, self.specific, self.ratio = shared, L1(), ratio

    def value(self, A):
        return self.shared.value(A[0]) + self.specific.value(A[1]) / self.ratio

    def polar(self, G):
        return max(self.shared.polar(G), self.ratio * self.specific.polar(G))

    def prox(self, V, step):
        first = self.shared.prox(V[0], step)
        return np.stack([first, self.specific.prox(V[1], step / self.ratio)])


class Mean:
    """``1/2 sum_t ||a_t - m||^2 + ratio/2 T ||m||^2`` with m the mean of the a_t.

    Parameters
    ----------
    ratio : float
        Strength of the mean over that of the deviations.
    """

    n_blocks = 1

    def __init__(self, ratio):
        self.ratio = ratio

    def value(self, A):
        return 0.5 * self._weigh(A, 1.0, self.ratio)

    def conjugate(self, G):
        return 0.5 * self._weigh(G, 1.0, 1 / self.ratio)

    def prox(self, V, step):
        m = V.mean(axis=1, keepdims=True)
        return m / (1 + step * self.ratio) + (V - m) / (1 + step)

    def _weigh(self, A, deviations, mean):
        m = A.mean(axis=1, keepdims=True)
        squares = A.shape[1] * float(np.sum(m**2))
        return deviations * float(np.sum((A - m) ** 2)) + mean * squares


def _project_l1_ball(V, radius):
    """Project every row of V onto the L1 ball, by sorting."""
    sizes = np.abs(V)
    ordered = -np.sort(-sizes, axis=1)
    excess = np.cumsum(ordered, axis=1) - radius
    counts = np.arange(1, V.shape[1] + 1)
    last = np.maximum((ordered * counts > excess).sum(axis=1), 1)
    cut = excess[np.arange(len(V)), last - 1] / last
    return np.sign(V) * np.maximum(sizes - np.maximum(cut, 0)[:, None], 0)
