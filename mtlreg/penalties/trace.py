"""The trace norm: the tasks share a subspace."""

from dataclasses import dataclass

import numpy as np

from mtlreg.penalties.base import Gauge, Penalty, check_strengths
from mtlreg.penalties.factored import Factored
from mtlreg.penalties.fixed_rank import FixedRank
from mtlreg.penalties.prior import TaskPrior, about_mean


class OfSingularValues(Penalty):
    """Penalty of the singular values alone, whose prox comes by its factors."""

    ignores_basis = True
    has_tangent = True

    def prox(self, A, step, out=None):
        result = self.factored_prox(A, step).array
        if out is None:
            return result
        out[...] = result
        return out


@dataclass(frozen=True)
class TraceNorm(OfSingularValues, Gauge):
    """Sum of the singular values, ``alpha ||A||_*``.

    Parameters
    ----------
    alpha : float
        Strength, > 0.

    References
    ----------
    Argyriou, Evgeniou, Pontil (2008), Convex multi-task feature learning, section 4;
    the prox: Cai, Candes, Shen (2010), A singular value thresholding algorithm for
    matrix completion, theorem 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import TraceNorm
    >>> TraceNorm(1.0).prox(np.diag([3.0, 0.5]), step=1.0)
    array([[2., 0.],
           [0., 0.]])
    """

    alpha: float

    def __post_init__(self):
        check_strengths(self)

    @property
    def factor_strength(self):
        return self.alpha

    def tangent(self, A, step):
        return FixedRank(A, step, self.alpha)

    def value(self, A):
        return self.alpha * trace_norm(A)

    def factored_prox(self, A, step):
        return thresholded(A, lambda sigma: step * self.alpha)

    def attributes(self, A, blocks):
        return subspace(A)

    def prior(self, A):
        # alpha ||A||_* = alpha/2 (<A, D^-1 A> + trace D), D = (A A')^(1/2)
        mean, apart = about_mean(A)
        U, sigma = column_space(apart)
        return TaskPrior.of_subspace(mean, U, self.alpha / sigma)

    def polar(self, G):
        return spectral_norm(G) / self.alpha


def subspace(A, rank=None):
    """Return the rank of A and the components of its columns, by attribute.

    Parameters
    ----------
    A : ndarray of shape (n_features, n_tasks)
    rank : int, optional
        By default how many singular values are more than rounding.
    """
    _, sigma, Vt = np.linalg.svd(A.T.astype(np.float64), full_matrices=False)
    if rank is None:
        rounding = max(A.shape) * np.finfo(A.dtype).eps
        rank = int(np.sum(sigma > rounding * np.max(sigma, initial=0.0)))
    # the sign of a singular vector is arbitrary
    largest = np.argmax(np.abs(Vt), axis=1)
    signs = np.sign(np.take_along_axis(Vt, largest[:, None], axis=1))
    components = (Vt * signs)[:rank]
    return {
        "rank_": rank,
        "components_": np.ascontiguousarray(components, dtype=A.dtype),
    }


def column_space(A):
    """Return the left singular vectors of A and their singular values, but for 0."""
    U, sigma, _ = np.linalg.svd(A, full_matrices=False)
    held = sigma > max(A.shape) * np.finfo(A.dtype).eps * sigma.max(initial=0.0)
    return U[:, held], sigma[held]


def trace_norm(A):
    """Return the sum of the singular values of a matrix or of `Factored`."""
    if isinstance(A, Factored):
        # |A|_* <= sum_k |l_k| |r_k| of the columns of the factors, and no less where
        # both are orthogonal, as those of a prox are
        lengths = (np.linalg.norm(factor, axis=0) for factor in A)
        return float(np.dot(*lengths))
    sigma = np.linalg.svd(np.asarray(A, dtype=np.float64), compute_uv=False)
    return float(np.sum(sigma))


def spectral_norm(G):
    """Return the largest singular value."""
    gram, _ = smaller_gram(np.asarray(G, dtype=np.float64))
    if gram.size == 0:
        return 0.0
    return float(np.sqrt(max(np.linalg.eigvalsh(gram)[-1], 0.0)))


def thresholded(A, level_of):
    """Return `Factored` of A with a level taken off its singular values.

    Parameters
    ----------
    A : ndarray
    level_of : callable
        Of the singular values, those of no more than the level become 0.
    """
    exact = np.asarray(A, dtype=np.float64)
    gram, wide = smaller_gram(exact)
    eigenvalues, vectors = np.linalg.eigh(gram)
    sigma = np.sqrt(np.maximum(eigenvalues, 0.0))
    level = level_of(sigma)
    kept = sigma > level
    V = vectors[:, kept]
    # sum over the kept directions of (1 - level / sigma) times the projection of A
    shrunk = V * (1.0 - level / sigma[kept])
    factors = (shrunk, exact.T @ V) if wide else (exact @ shrunk, V)
    dtype = np.result_type(A, np.float32)
    return Factored(*(factor.astype(dtype, copy=False) for factor in factors))


def smaller_gram(A):
    """Return the smaller of A A' and A'A, and whether it is A A'."""
    wide = A.shape[0] < A.shape[1]
    return (A @ A.T if wide else A.T @ A), wide
