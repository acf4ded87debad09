"""Penalties that hold arrays: a group lasso and a lasso with weights."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties import L21, Gauge, RowPenalty
from mtlreg.penalties.base import check_strengths
from mtlreg.penalties.face import norm_face
from mtlreg.penalties.l21 import L21Row, row_norms


class WeightedRow(NamedTuple):
    alpha: float
    weights: np.ndarray


@prox_row.register(WeightedRow)
def _prox_row(params, j, row, step, scratch):
    prox_row(L21Row(params.alpha * params.weights[j]), j, row, step, scratch)


@solve_row.register(WeightedRow)
def _solve_row(params, j, z, curvature, row, scratch):
    alpha = params.alpha * params.weights[j]
    solve_row(L21Row(alpha), j, z, curvature, row, scratch)


@dataclass(frozen=True, eq=False)
class WeightedL21(RowPenalty):
    """``alpha sum_j weights_j ||A_j||_2``, without faces."""

    alpha: float
    weights: np.ndarray

    by_feature: ClassVar[tuple[str, ...]] = ("weights",)

    def __post_init__(self):
        check_strengths(self)

    @property
    def row_params(self):
        return WeightedRow(self.alpha, np.asarray(self.weights, dtype=np.float64))

    def value(self, A):
        return self.alpha * float(self.weights @ row_norms(A))

    def row_polars(self, G):
        return row_norms(G) / (self.alpha * self.weights)


@dataclass(frozen=True, eq=False)
class FacedL21(WeightedL21):
    """The same with faces, for Newton's method."""

    def face(self, A):
        levels = (self.alpha * self.weights)[:, None].astype(A.dtype)
        return norm_face(A, np.ones(A.shape, dtype=bool), levels)

    def retract(self, A, moved):
        return L21.retract(self, A, moved)


@dataclass(frozen=True, eq=False)
class TaskL1(Gauge):
    """``alpha sum_t weights_t ||a_t||_1``; no weights are weights of 1."""

    alpha: float
    weights: np.ndarray | None = None

    by_task: ClassVar[tuple[str, ...]] = ("weights",)

    def _levels(self, A):
        ones = np.ones(A.shape[1])
        return self.alpha * (ones if self.weights is None else self.weights)

    def value(self, A):
        return float(np.sum(self._levels(A) * np.abs(A)))

    def prox(self, A, step, out=None):
        found = np.sign(A) * np.maximum(np.abs(A) - step * self._levels(A), 0)
        if out is None:
            return found
        out[...] = found
        return out

    def polar(self, G):
        return float(np.max(np.abs(G) / self._levels(G), initial=0.0))
