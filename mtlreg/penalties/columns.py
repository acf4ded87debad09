"""Penalties of the columns of A: a task deviates as a whole, or not at all."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mtlreg.penalties.base import Gauge, check_strengths
from mtlreg.penalties.l21 import L21, row_norms
from mtlreg.penalties.prior import TaskPrior
from mtlreg.penalties.space import Space
from mtlreg.penalties.task_metrics import TaskMetrics


@dataclass(frozen=True, eq=False)
class ColumnL2(Gauge):
    """Sum of the norms of the columns, ``alpha sum_t (a_t' H_t a_t)^(1/2)``.

    With the identity as metric they are Euclidean, and it is `L21` of the transposed
    matrix. As a block of a sum it takes up the tasks that the other block does not fit.

    Parameters
    ----------
    alpha : float
        Strength, > 0.
    metric : str or ndarray of shape (n_tasks, n_features, n_features)
        The H_t, symmetric and >= 0: "identity", the default, or "design", which a fit
        replaces by the ``X_t' X_t / n_t`` of its rows, weighted, and centred where
        there are intercepts; it is the identity without one. A column has to be in the
        range of its H_t, where the rows of a task see it, up to 10 ``n_features`` times
        the rounding of the largest eigenvalue; elsewhere the penalty is infinite.

    References
    ----------
    Chen, Zhou, Ye (2011), Integrating low-rank and group-sparse structures for robust
    multi-task learning, of the block S; Kim (2026), Multi-task linear regression
    without eigenvalue lower bounds, of other metrics.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import ColumnL2
    >>> ColumnL2(2.5).prox(np.array([[3.0, 1.0], [4.0, 1.0]]), step=1.0)
    array([[1.5, 0. ],
           [2. , 0. ]])
    """

    alpha: float
    metric: Any = "identity"

    has_tangent = True

    def __post_init__(self):
        check_strengths(self)
        named = isinstance(self.metric, str) and self.metric in ("identity", "design")
        if not (named or isinstance(self.metric, TaskMetrics)):
            metrics = TaskMetrics.of_matrices(self.metric)
            object.__setattr__(self, "metric", metrics)

    @property
    def _metric(self):
        return _Euclidean() if isinstance(self.metric, str) else self.metric

    @property
    def ignores_basis(self):
        return isinstance(self.metric, str)

    @property
    def learns(self):
        return isinstance(self.metric, str) and self.metric == "design"

    def learned(self, training):
        """As `mtlreg.penalties.learning.learned`."""
        metrics = TaskMetrics.of_spectra(*training.spectra(), training.kept)
        return replace(self, metric=metrics)

    def restrict(self, features=None, tasks=None):
        if isinstance(self.metric, str):
            return self
        return replace(self, metric=self.metric.restrict(features, tasks))

    def check_shape(self, n_features, n_tasks):
        self._metric.check_shape(n_features, n_tasks)

    def inside(self, A):
        return self._metric.inside(A)

    def value(self, A):
        metric = self._metric
        if metric.inside(A) is not A:
            return np.inf
        return self.alpha * float(np.sum(metric.norms(A)))

    def prox(self, A, step, out=None):
        result = self._metric.prox(A, step * self.alpha)
        if out is None:
            kind = np.result_type(A, np.float32)
            return np.ascontiguousarray(result, dtype=kind)
        out[...] = result
        return out

    def tangent(self, A, step):
        return self._metric.space(self, A, step)

    def polar(self, G):
        norms = self._metric.dual_norms(G)
        return float(np.max(norms, initial=0.0)) / self.alpha

    def of_new_tasks(self):
        if isinstance(self.metric, str):
            return self
        return replace(self, metric=self.metric.mean())

    def prior(self, A):
        # of a task that is as far off as these are on average, if it is
        return replace(self._metric.prior(A, self.alpha), optional=True)

    def attributes(self, A, blocks):
        return {"outlier_tasks_": np.any(A != 0, axis=0)}


class _Euclidean:
    """What `TaskMetrics` are where every H_t is the identity."""

    def check_shape(self, n_features, n_tasks):
        """Do nothing: it is of all shapes."""

    def inside(self, A):
        return A

    def norms(self, A):
        return row_norms(A.T)

    def dual_norms(self, G):
        return row_norms(G.T)

    def prox(self, A, threshold):
        return L21(1.0).prox(A.T, threshold).T

    def space(self, penalty, W, step):
        return _Transposed(L21(penalty.alpha).tangent(W.T, step))

    def prior(self, A, alpha):
        size = np.mean(self.norms(A))
        precision = np.full(len(A), alpha / size if size > 0 else np.inf)
        return TaskPrior.of_features(np.zeros(len(A)), precision)


class _Transposed(Space):
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
