"""Penalties of the columns of A: a task deviates as a whole, or not at all."""

from dataclasses import dataclass, replace

import numpy as np

from mtlreg.penalties.base import Gauge, check_strengths
from mtlreg.penalties.l21 import L21
from mtlreg.penalties.prior import TaskPrior


@dataclass(frozen=True)
class ColumnL2(Gauge):
    """Sum of the Euclidean norms of the columns, ``alpha sum_t ||a_t||_2``.

    It is `L21` of the transposed matrix. As a block of a sum it takes up the tasks that
    the other block does not fit.

    Parameters
    ----------
    alpha : float
        Strength, > 0.

    References
    ----------
    Chen, Zhou, Ye (2011), Integrating low-rank and group-sparse structures for robust
    multi-task learning, of the block S.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import ColumnL2
    >>> ColumnL2(2.5).prox(np.array([[3.0, 1.0], [4.0, 1.0]]), step=1.0)
    array([[1.5, 0. ],
           [2. , 0. ]])
    """

    alpha: float

    ignores_basis = True
    has_tangent = True

    def __post_init__(self):
        check_strengths(self)

    @property
    def _rows(self):
        return L21(self.alpha)

    def value(self, A):
        return self._rows.value(A.T)

    def prox(self, A, step, out=None):
        result = self._rows.prox(A.T, step).T
        if out is None:
            return np.ascontiguousarray(result)
        out[...] = result
        return out

    def tangent(self, A, step):
        return _Transposed(self._rows.tangent(A.T, step))

    def polar(self, G):
        return self._rows.polar(G.T)

    def prior(self, A):
        # of a task that is as far off as these are on average, if it is
        d, size = len(A), np.linalg.norm(A, axis=0).mean()
        precision = np.full(d, self.alpha / size if size > 0 else np.inf)
        found = TaskPrior.of_features(np.zeros(d), precision)
        return replace(found, optional=True)

    def attributes(self, A, blocks):
        return {"outlier_tasks_": np.any(A != 0, axis=0)}


class _Transposed:
    """The prox and the space of a penalty of A', as those of one of A.

    Parameters
    ----------
    inner : OnFace
        Of A'.

    Attributes
    ----------
    A, iterate, value, subgradient, dimension
        As those of `FixedRank`.
    """

    kinked = True

    def __init__(self, inner):
        self._inner = inner
        self.A = self.iterate = np.ascontiguousarray(inner.A.T)
        self.value, self.dimension = inner.value, inner.dimension
        self.subgradient, self.resolvent = inner.subgradient.T, inner.resolvent

    def coordinates(self, B):
        return self._inner.coordinates(B.T)

    def matrix(self, x):
        return self._inner.matrix(x).T

    def retract(self, moved):
        return self._inner.retract(moved.T).T
