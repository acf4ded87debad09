"""The L1/Linf penalty: a feature costs its largest coefficient."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties.base import RowPenalty, check_strengths, tied_face


class L1LinfRow(NamedTuple):
    """What compiled solvers see of `L1Linf`."""

    alpha: float


@prox_row.register(L1LinfRow)
def _prox_row(params, row, step, scratch):
    # sign(v) min(|v|, cap) with sum_t (|v_t| - cap)_+ = step alpha, or 0 if no cap >= 0
    radius = step * params.alpha
    for t in range(row.size):
        scratch[t] = abs(row[t])
    scratch.sort()
    total = 0.0
    cap = 0.0
    for k in range(1, row.size + 1):
        total += scratch[row.size - k]
        following = scratch[row.size - k - 1] if k < row.size else 0.0
        cap = (total - radius) / k
        if cap >= following:
            break
    for t in range(row.size):
        if cap <= 0.0:
            row[t] = 0.0
        elif row[t] > cap:
            row[t] = cap
        elif row[t] < -cap:
            row[t] = -cap


@solve_row.register(L1LinfRow)
def _solve_row(params, z, curvature, row, scratch):
    # sign(z) min(|z| / curvature, cap) with sum_t (|z_t| - curvature_t cap)_+ = alpha;
    # the sum is convex in cap, so that Newton's method goes up to the root, and ends
    # there after finitely many steps because it is piecewise linear; rounding may not
    # send it down again
    cap = 0.0
    while True:
        total = -params.alpha
        bend = 0.0
        for t in range(row.size):
            if abs(z[t]) > curvature[t] * cap:
                total += abs(z[t])
                bend += curvature[t]
        if bend == 0.0 or total / bend <= cap:
            break
        cap = total / bend
    for t in range(row.size):
        if abs(z[t]) <= curvature[t] * cap:
            row[t] = z[t] / curvature[t] if curvature[t] > 0.0 else 0.0
        else:
            row[t] = cap if z[t] > 0.0 else -cap


@dataclass(frozen=True)
class L1Linf(RowPenalty):
    """Sum of the largest magnitudes of the rows, ``alpha sum_j max_t |A_jt|``.

    Parameters
    ----------
    alpha : float
        Strength, > 0.

    References
    ----------
    Quattoni, Carreras, Collins, Darrell (2009), An efficient projection for
    l1,infinity regularization, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import L1Linf
    >>> L1Linf(1.0).prox(np.array([[3.0, -2.5, 1.0]]), step=1.0)
    array([[ 2.25, -2.25,  1.  ]])
    """

    alpha: float

    def __post_init__(self):
        check_strengths(self)

    @property
    def row_params(self):
        return L1LinfRow(float(self.alpha))

    def value(self, A):
        largest = np.max(np.abs(A), axis=1, initial=0.0)
        return self.alpha * float(np.sum(largest, dtype=np.float64))

    def face(self, A):
        size = np.abs(A)
        return tied_face(A, size == size.max(axis=1, keepdims=True), self.alpha)

    def retract(self, A, moved):
        size = np.abs(A)
        tied = size == size.max(axis=1, keepdims=True)
        cap = np.max(np.where(tied, moved * np.sign(A), 0), axis=1, keepdims=True)
        return np.clip(moved, -cap, cap)

    def row_polars(self, G):
        return np.sum(np.abs(G), axis=1, dtype=np.float64) / self.alpha
