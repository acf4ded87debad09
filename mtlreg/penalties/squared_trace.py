"""The square of the trace norm: a covariance of the tasks is learned."""

from dataclasses import dataclass

import numpy as np

from mtlreg.penalties.base import check_strengths
from mtlreg.penalties.fixed_rank import FixedRankOfSquare, squared_level
from mtlreg.penalties.prior import TaskPrior, about_mean
from mtlreg.penalties.squared import SquaredGauge
from mtlreg.penalties.trace import (
    OfSingularValues,
    column_space,
    spectral_norm,
    thresholded,
    trace_norm,
)


@dataclass(frozen=True)
class SquaredTraceNorm(OfSingularValues, SquaredGauge):
    """Half the square of the sum of the singular values, ``alpha/2 ||A||_*^2``.

    It is ``min alpha/2 trace(A Omega^-1 A')`` over the covariances Omega >= 0 of the
    tasks with trace 1, at ``Omega = (A'A)^(1/2) / ||A||_*``.

    Parameters
    ----------
    alpha : float
        Strength, > 0.

    References
    ----------
    Zhang, Yeung (2010), A convex formulation for learning task relationships in
    multi-task learning.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import SquaredTraceNorm
    >>> SquaredTraceNorm(1.0).prox(np.diag([3.0, 0.5]), step=1.0)
    array([[1.5, 0. ],
           [0. , 0. ]])
    """

    alpha: float

    def __post_init__(self):
        check_strengths(self)

    def norm(self, A):
        return trace_norm(A)

    def dual_norm(self, G):
        return spectral_norm(G)

    def factored_prox(self, A, step):
        return thresholded(A, lambda sigma: squared_level(sigma, step * self.alpha))

    def tangent(self, A, step):
        return FixedRankOfSquare(A, step, self.alpha)

    def prior(self, A):
        # alpha/2 <A, D^-1 A> with D = (A A')^(1/2) / ||A||_*
        mean, apart = about_mean(A)
        U, sigma = column_space(apart)
        precision = self.alpha * sigma.sum() / sigma
        return TaskPrior.of_subspace(mean, U, precision)

    def attributes(self, A, blocks):
        _, sigma, Vt = np.linalg.svd(A.astype(np.float64), full_matrices=False)
        total, n_tasks = sigma.sum(), A.shape[1]
        if total > 0:
            covariance = (Vt.T * (sigma / total)) @ Vt
        else:
            covariance = np.eye(n_tasks) / n_tasks
        deviation = np.sqrt(np.diag(covariance))
        product = np.outer(deviation, deviation)
        # a task of coefficients 0 is related to none but itself
        correlation = np.eye(n_tasks)
        np.divide(covariance, product, out=correlation, where=product > 0)
        np.fill_diagonal(correlation, 1.0)
        return {
            "task_covariance_": covariance.astype(A.dtype, copy=False),
            "task_correlation_": correlation.astype(A.dtype, copy=False),
        }
