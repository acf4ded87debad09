"""The L1 penalty: every entry of A on its own."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties.base import RowPenalty, check_strengths
from mtlreg.penalties.face import linear_face
from mtlreg.penalties.prior import TaskPrior


class L1Row(NamedTuple):
    """What compiled solvers see of `L1`."""

    alpha: float


@prox_row.register(L1Row)
def _prox_row(params, j, row, step, scratch):
    # soft threshold: sign(v) (|v| - step alpha)_+
    level = step * params.alpha
    for t in range(row.size):
        if row[t] > level:
            row[t] -= level
        elif row[t] < -level:
            row[t] += level
        else:
            row[t] = 0.0


@solve_row.register(L1Row)
def _solve_row(params, j, z, curvature, row, scratch):
    # soft(z, alpha) / curvature
    for t in range(row.size):
        if z[t] > params.alpha and curvature[t] > 0.0:
            row[t] = (z[t] - params.alpha) / curvature[t]
        elif z[t] < -params.alpha and curvature[t] > 0.0:
            row[t] = (z[t] + params.alpha) / curvature[t]
        else:
            row[t] = 0.0


@dataclass(frozen=True)
class L1(RowPenalty):
    """Entrywise L1 norm, ``alpha sum_jt |A_jt|``: one lasso a task.

    Parameters
    ----------
    alpha : float
        Strength, > 0.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import L1
    >>> L1(0.5).prox(np.array([[2.0, -0.25]]), step=1.0)
    array([[1.5, 0. ]])
    """

    alpha: float

    of_magnitudes = True

    def __post_init__(self):
        check_strengths(self)

    @property
    def row_params(self):
        return L1Row(float(self.alpha))

    def prior(self, A):
        # it is what it was; only its scale is that of the tasks
        return TaskPrior.of_entries(self.alpha, np.full(len(A), np.abs(A).mean()))

    def value(self, A):
        return self.alpha * float(np.sum(np.abs(A), dtype=np.float64))

    def face(self, A):
        return linear_face(A, self.alpha)

    def retract(self, A, moved):
        return np.where(A * moved > 0, moved, 0)

    def row_polars(self, G):
        return np.max(np.abs(G), axis=1, initial=0.0) / self.alpha
