"""Penalties of features that count more, or less, or that are excluded."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties.base import RowSeparable
from mtlreg.penalties.derived import Derived
from mtlreg.penalties.prior import TaskPrior


class WeightedRow(NamedTuple):
    """What compiled solvers see of `Weighted`."""

    inner: NamedTuple
    weight: np.ndarray


@prox_row.register(WeightedRow)
def _prox_row(params, j, row, step, scratch):
    weight = params.weight[j]
    if weight == 0.0:
        return
    if weight < np.inf:
        prox_row(params.inner, j, row, step * weight, scratch)
    else:
        for t in range(row.size):
            row[t] = 0.0


@solve_row.register(WeightedRow)
def _solve_row(params, j, z, curvature, row, scratch):
    # in units of the weight; an infinite one leaves neither z nor curvature
    weight = params.weight[j]
    if weight == 0.0:
        for t in range(row.size):
            row[t] = z[t] / curvature[t] if curvature[t] > 0.0 else 0.0
        return
    for t in range(row.size):
        z[t] /= weight
        curvature[t] /= weight
    solve_row(params.inner, j, z, curvature, row, scratch)


@dataclass(frozen=True, eq=False)
class Weighted(Derived):
    """The penalty of ``diag(feature_weight) A``, of a gauge that is a sum over rows.

    So the strengths of row j are multiplied by the weight of feature j.

    Parameters
    ----------
    penalty : Penalty
    feature_weight : ndarray of shape (n_features,)
        With 0 a feature is not penalised; inf excludes it, its coefficients are 0.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import L1, Weighted
    >>> penalty = Weighted(L1(0.5), np.array([1.0, 3.0, np.inf]))
    >>> penalty.prox(np.array([[2.0], [2.0], [2.0]]), step=1.0)
    array([[1.5],
           [0.5],
           [0. ]])
    """

    feature_weight: np.ndarray

    by_feature: ClassVar[tuple[str, ...]] = ("feature_weight",)

    def __post_init__(self):
        super().__post_init__()
        if not (self.penalty.is_gauge and self.penalty.row_separable):
            raise ValueError(
                f"feature_weight needs a gauge that is a sum over features, which "
                f"{type(self.penalty).__name__} is not: set feature_weight=None and "
                f"divide the columns of X by their weights, or use another penalty, "
                f"such as that of a group lasso"
            )
        weight = check_weight(self.feature_weight, type(self).__name__)
        object.__setattr__(self, "feature_weight", weight)

    is_gauge = True

    @property
    def free_rows(self):
        free = self.feature_weight == 0
        return free if free.any() else None

    @property
    def row_params(self):
        return WeightedRow(self.penalty.row_params, self.feature_weight)

    def inside(self, A):
        inside = self.penalty.inside(A)
        excluded = np.isinf(self.feature_weight)
        if not inside[excluded].any():
            return inside
        return np.where(excluded[:, None], 0, inside)

    def value(self, A):
        weight = self.feature_weight
        excluded = np.isinf(weight)
        if not excluded.any():
            return self.penalty.value(weight[:, None] * A)
        if A[excluded].any():
            return np.inf
        return self.penalty.value(np.where(excluded, 0, weight)[:, None] * A)

    prox = RowSeparable.prox

    def _over_weight(self, G):
        """Return G over the weights, and 0 where they are."""
        weight = self.feature_weight[:, None]
        return np.divide(G, weight, out=np.zeros_like(G), where=weight > 0)

    def polar(self, G):
        return self.penalty.polar(self._over_weight(G))

    def row_polars(self, G):
        """As `RowPenalty.row_polars`."""
        return self.penalty.row_polars(self._over_weight(G))

    def gap(self, A, G, value=None):
        value = self.value(A) if value is None else value
        # <A, G> is that of diag(weight) A and G over the weights, as excluded rows of
        # A are 0, but for the rows that are free
        weight = self.feature_weight[:, None]
        finite = np.where(np.isinf(weight), 0, weight)
        return self.penalty.gap(finite * A, self._over_weight(G), value)

    def priors(self, A, ties=None):
        weight = self.feature_weight
        finite = np.where(np.isinf(weight), 0.0, weight)
        found = super().priors(finite[:, None] * A, ties)
        first, *others = [prior.over(weight) for prior in found]
        if self.free_rows is not None:
            centre = np.where(self.free_rows, A.mean(axis=1), 0.0)
            free = np.where(self.free_rows, 0.0, np.inf)
            first = first.beside(TaskPrior.of_features(centre, free))
        return [first, *others]

    def face(self, A):
        """As `RowPenalty.face`."""
        face = self.penalty.face(A)
        if face is None:
            return None
        weight = self.feature_weight[:, None].astype(A.dtype)
        return face._replace(
            free=np.where(weight == 0, np.ones_like(A), face.free),
            tied=np.where(weight == 0, np.zeros_like(A), face.tied),
            slope=weight * face.slope,
            bend=weight * face.bend,
            direction=np.sqrt(weight) * face.direction,
            ratio=weight * face.ratio,
        )

    def retract(self, A, moved):
        """As `RowPenalty.retract`."""
        free = self.feature_weight[:, None] == 0
        return np.where(free, moved, self.penalty.retract(A, moved))


def check_weight(feature_weight, owner):
    """Return weights as an array, or raise ValueError where they are no weights."""
    weight = np.asarray(feature_weight, dtype=np.float64)
    if weight.ndim != 1 or not np.all(weight >= 0):
        raise ValueError(
            f"feature_weight of {owner} must hold one number >= 0 for every feature, "
            f"or inf to exclude it; got {feature_weight!r}"
        )
    return weight
