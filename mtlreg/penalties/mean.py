"""Mean regularisation: every task is drawn to the mean of the tasks."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import prox_row
from mtlreg.penalties.base import (
    Quadratic,
    RowSeparable,
    TaskMatrix,
    check_strengths,
)


class MeanRow(NamedTuple):
    """What compiled solvers see of `MeanRegularization`."""

    alpha: float
    alpha_mean: float


@prox_row.register(MeanRow)
def _prox_row(params, j, row, step, scratch):
    # m / (1 + step alpha_mean) + (v - m) / (1 + step alpha) with m the mean of v
    mean = 0.0
    for t in range(row.size):
        mean += row[t] / row.size
    centre = mean / (1.0 + step * params.alpha_mean)
    for t in range(row.size):
        row[t] = centre + (row[t] - mean) / (1.0 + step * params.alpha)


@dataclass(frozen=True)
class MeanRegularization(Quadratic, RowSeparable):
    """``alpha/2 sum_t ||a_t - m||^2 + alpha_mean/2 T ||m||^2``, m the mean of the a_t.

    Parameters
    ----------
    alpha : float
        Strength of the deviations, > 0.
    alpha_mean : float
        Strength of the mean, >= 0; 0 leaves it free.

    References
    ----------
    Evgeniou, Pontil (2004), Regularized multi-task learning, eq. 6 (lemma 2.2).

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import MeanRegularization
    >>> MeanRegularization(1.0, 0.0).prox(np.array([[1.0, 3.0]]), step=1.0)
    array([[1.5, 2.5]])
    """

    alpha: float
    alpha_mean: float

    strengths: ClassVar[tuple[str, ...]] = ("alpha", "alpha_mean")
    ignores_basis = True

    def __post_init__(self):
        check_strengths(self, allow_zero=("alpha_mean",))

    @property
    def row_params(self):
        return MeanRow(float(self.alpha), float(self.alpha_mean))

    @property
    def task_matrix(self):
        return TaskMatrix(self.alpha, self.alpha_mean)

    def value(self, A):
        mean, deviation = _split(A)
        spread = self.alpha * np.sum(deviation**2)
        return 0.5 * float(spread + self.alpha_mean * A.shape[1] * np.sum(mean**2))

    def gradient(self, A):
        mean, deviation = _split(A)
        return self.alpha * deviation + self.alpha_mean * mean

    def conjugate(self, G):
        return self._conjugate(*_split(G))

    def divergence(self, A, G):
        # part by part: the rounding of alpha (A - m) is much to a small alpha_mean
        (mean, deviation), (mean_A, deviation_A) = _split(G), _split(A)
        return self._conjugate(
            mean - self.alpha_mean * mean_A, deviation - self.alpha * deviation_A
        )

    def _conjugate(self, mean, deviation):
        value = np.sum(deviation**2) / self.alpha
        if self.alpha_mean > 0:
            value += deviation.shape[1] * np.sum(mean**2) / self.alpha_mean
        return 0.5 * float(value)

    def absent_task(self, A):
        return A.mean(axis=1)

    def attributes(self, A, blocks):
        return {"mean_coef_": A.mean(axis=1)}

    def free_directions(self, n_tasks):
        return np.ones((n_tasks, 0 if self.alpha_mean > 0 else 1))


def _split(A):
    """Return the row means (n_features, 1) and the deviations from them, in float64."""
    exact = np.asarray(A, dtype=np.float64)
    mean = exact.mean(axis=1, keepdims=True)
    return mean, exact - mean
