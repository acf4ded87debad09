"""The L2,1 penalty: a feature is used by all tasks or by none."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties.base import RowPenalty, check_strengths
from mtlreg.penalties.face import norm_face


class L21Row(NamedTuple):
    """What compiled solvers see of `L21`."""

    alpha: float


@prox_row.register(L21Row)
def _prox_row(params, j, row, step, scratch):
    # (1 - step alpha / ||v||)_+ v, the norm taken of v / max |v| against overflow
    largest = 0.0
    for t in range(row.size):
        largest = max(largest, abs(row[t]))
    level = step * params.alpha
    shrink = 0.0
    if largest > 0.0:
        squares = 0.0
        for t in range(row.size):
            squares += (row[t] / largest) ** 2
        norm = largest * np.sqrt(squares)
        if norm > level:
            shrink = 1.0 - level / norm
    for t in range(row.size):
        row[t] = shrink * row[t] if shrink > 0.0 else 0.0


@solve_row.register(L21Row)
def _solve_row(params, j, z, curvature, row, scratch):
    # a_t = r z_t / (curvature_t r + alpha) with r = ||a||, the root of
    # 1 / ||z / (curvature r + alpha)|| = 1; the left side is concave and grows with r,
    # so that Newton's method goes to the root from below
    # in units of alpha for z and of the largest curvature, against overflow
    alpha = params.alpha
    bend = 0.0
    flattest = np.inf
    largest = 0.0
    for t in range(row.size):
        bend = max(bend, curvature[t])
        flattest = min(flattest, curvature[t])
        largest = max(largest, abs(z[t]))
    squares = 0.0
    before = 0.0
    for t in range(row.size):
        squares += (z[t] / largest) ** 2 if largest > 0.0 else 0.0
        before += (bend / alpha * row[t]) ** 2
    norm = largest * np.sqrt(squares)
    if norm <= alpha or bend == 0.0:
        for t in range(row.size):
            row[t] = 0.0
        return
    if flattest == bend:
        # of equal curvatures: the prox of z / curvature
        for t in range(row.size):
            row[t] = (1.0 - alpha / norm) * (z[t] / bend)
        return
    r = np.sqrt(before)
    for _ in range(50):
        squares = 0.0
        slope = 0.0
        for t in range(row.size):
            ratio = curvature[t] / bend
            share = z[t] / alpha / (ratio * r + 1.0)
            squares += share * share
            slope += share * share * ratio / (ratio * r + 1.0)
        norm = np.sqrt(squares)
        # slope of 1 / norm is slope / norm^3
        change = (norm - 1.0) * squares / slope if slope > 0.0 else 0.0
        r = max(r + change, 0.0)
        if abs(change) <= 1e-15 * r:
            break
    for t in range(row.size):
        row[t] = r / (curvature[t] / bend * r + 1.0) * (z[t] / bend)


@dataclass(frozen=True)
class L21(RowPenalty):
    """Sum of the Euclidean norms of the rows, ``alpha sum_j ||A_j||_2``.

    Parameters
    ----------
    alpha : float
        Strength, > 0.

    References
    ----------
    Obozinski, Taskar, Jordan (2010), Joint covariate selection and joint subspace
    selection for multiple classification problems, eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import L21
    >>> L21(2.5).prox(np.array([[3.0, 4.0], [1.0, 1.0]]), step=1.0)
    array([[1.5, 2. ],
           [0. , 0. ]])
    """

    alpha: float

    of_magnitudes = True

    def __post_init__(self):
        check_strengths(self)

    @property
    def row_params(self):
        return L21Row(float(self.alpha))

    def value(self, A):
        return self.alpha * float(np.sum(row_norms(A)))

    def face(self, A):
        return norm_face(A, np.ones(A.shape, dtype=bool), self.alpha)

    def retract(self, A, moved):
        return np.where(np.sum(A * moved, axis=1, keepdims=True) > 0, moved, 0)

    def row_polars(self, G):
        return row_norms(G) / self.alpha


def row_norms(A):
    """Return the Euclidean norms of the rows of A, in float64."""
    exact = np.asarray(A, dtype=np.float64)
    return np.sqrt(np.einsum("jt,jt->j", exact, exact))
