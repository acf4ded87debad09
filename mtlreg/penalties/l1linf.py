"""The L1/Linf penalty: a feature costs its largest coefficient."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mtlreg._numba import njit_part, prox_row, solve_row
from mtlreg.penalties.base import RowPenalty, check_strengths
from mtlreg.penalties.face import tied_face


class L1LinfRow(NamedTuple):
    """What compiled solvers see of `L1Linf`."""

    alpha: float


@njit_part
def _find_cap(z, curvature, alpha, cap):
    # the root, or 0 if there is none, of sum_t (|z_t| - curvature_t cap)_+ = alpha; the
    # sum is convex in cap, so that Newton's method goes up to the root from the second
    # point on, and ends there after finitely many steps because it is piecewise linear;
    # rounding may not send it down again
    first = True
    while True:
        total = -alpha
        bend = 0.0
        for t in range(z.size):
            size = abs(z[t])
            above = size > curvature[t] * cap
            total += size if above else 0.0
            bend += curvature[t] if above else 0.0
        following = total / bend if bend > 0.0 else 0.0
        if following <= cap and not (first and cap > 0.0):
            return cap
        cap, first = max(following, 0.0), False


@prox_row.register(L1LinfRow)
def _prox_row(params, j, row, step, scratch):
    # sign(v) min(|v|, cap) with sum_t (|v_t| - cap)_+ = step alpha, or 0 if no cap >= 0
    for t in range(row.size):
        scratch[t] = 1.0
    cap = _find_cap(row, scratch, step * params.alpha, 0.0)
    for t in range(row.size):
        row[t] = min(max(row[t], -cap), cap)


@solve_row.register(L1LinfRow)
def _solve_row(params, j, z, curvature, row, scratch):
    # sign(z) min(|z| / curvature, cap) with sum_t (|z_t| - curvature_t cap)_+ = alpha
    cap = 0.0
    for t in range(row.size):
        cap = max(cap, abs(row[t]))
    cap = _find_cap(z, curvature, params.alpha, cap)
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

    of_magnitudes = True

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

    def ties(self, n_tasks):
        return True

    def row_polars(self, G):
        return np.sum(np.abs(G), axis=1, dtype=np.float64) / self.alpha
