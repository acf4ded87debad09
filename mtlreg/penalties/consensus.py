"""Consensus of the tasks: one vector for all of them, which nothing penalises."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mtlreg.penalties.base import Gauge
from mtlreg.penalties.prior import TaskPrior
from mtlreg.penalties.space import Space


@dataclass(frozen=True)
class Consensus(Gauge):
    """0 where all columns of A are one vector, and infinity elsewhere.

    As a block of a sum it is what the penalty of the other block draws all tasks to:
    ``InfimalSum(Consensus(), ColumnL2(alpha))`` is the robust mean, ``min over m of
    alpha sum_t ||a_t - m||_2``.

    References
    ----------
    Duan, Wang (2023), Adaptive and robust multi-task learning.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import Consensus
    >>> Consensus().prox(np.array([[1.0, 3.0]]), step=1.0)
    array([[2., 2.]])
    """

    strengths: ClassVar[tuple[str, ...]] = ()
    ignores_basis = True
    has_tangent = True

    def value(self, A):
        return 0.0 if self.inside(A) is A else np.inf

    def inside(self, A):
        return A if np.all(A[:, :1] == A) else self.prox(A, 1.0)

    def prox(self, A, step, out=None):
        if out is None:
            out = np.empty(A.shape, dtype=np.result_type(A, np.float32))
        out[...] = A.mean(axis=1, dtype=np.float64)[:, None]
        return out

    def tangent(self, A, step):
        return _CommonColumns(self.prox(A, step), A, step)

    def polar(self, G):
        # all that it leaves free is left out of G
        return 0.0

    def free_directions(self, n_tasks):
        return np.ones((n_tasks, 1))

    def penalised(self, G):
        return G - G.mean(axis=1, keepdims=True)

    def prior(self, A):
        return TaskPrior.of_features(common_column(A), np.full(len(A), np.inf))

    def absent_task(self, A):
        return A[:, 0]

    def attributes(self, A, blocks):
        return {"center_coef_": common_column(A)}


class _CommonColumns(Space):
    """The matrices of equal columns, as the space of a prox.

    Parameters
    ----------
    A, W : ndarray of shape (n_features, n_tasks)
        The prox, and of what.
    step : float

    Attributes
    ----------
    A, iterate, value, subgradient, dimension
        As those of `FixedRank`.
    """

    value = 0.0

    kinked = True

    def __init__(self, A, W, step):
        self.A = self.iterate = A
        self.subgradient = (W - A) / step
        # the mean of W has lost digits of the sum, which is 0
        self.subgradient -= self.subgradient.mean(axis=1, keepdims=True)
        self.dimension, self._n_tasks = A.shape
        self._unit = self._n_tasks**-0.5

    def coordinates(self, B):
        return self._unit * B.sum(axis=1)

    def matrix(self, x):
        return np.repeat(self._unit * x[:, None], self._n_tasks, axis=1)

    def retract(self, moved):
        return moved

    def resolvent(self, sigma):
        """Return x -> ``x / sigma``, in coordinates: nothing bends there."""
        return lambda x: x / sigma


def common_column(block):
    """Return the column that all are, or their mean: in other units they differ."""
    first = block[:, 0]
    return first + (block - first[:, None]).mean(axis=1)
