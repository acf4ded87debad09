"""A gauge and a ridge: what an elastic net is to a lasso."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties.base import PenaltyGap, check_number
from mtlreg.penalties.derived import Derived
from mtlreg.penalties.factored import square
from mtlreg.penalties.space import Space
from mtlreg.penalties.squared import SquaredGauge


class RidgeRow(NamedTuple):
    """What compiled solvers see of `Ridge`."""

    inner: NamedTuple
    ridge: float


@prox_row.register(RidgeRow)
def _prox_row(params, j, row, step, scratch):
    # that of the gauge, of v / (1 + step ridge) with the step / (1 + step ridge)
    shrink = 1.0 / (1.0 + step * params.ridge)
    for t in range(row.size):
        row[t] *= shrink
    prox_row(params.inner, j, row, step * shrink, scratch)


@solve_row.register(RidgeRow)
def _solve_row(params, j, z, curvature, row, scratch):
    for t in range(row.size):
        curvature[t] += params.ridge
    solve_row(params.inner, j, z, curvature, row, scratch)


@dataclass(frozen=True)
class Ridge(Derived):
    """``penalty(A) + ridge/2 ||A||_F^2``, of a gauge or its square on one block.

    The ridge is no strength: `scaled` leaves it as it is, and so does a path.

    Parameters
    ----------
    penalty : Penalty
        A gauge on one block, or a `SquaredGauge`; mean regularisation has a ``ridge``
        of its own.
    ridge : float
        > 0.

    References
    ----------
    Zou, Hastie (2005), Regularization and variable selection via the elastic net,
    eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import L21, Ridge
    >>> Ridge(L21(2.5), 1.0).prox(np.array([[3.0, 4.0], [1.0, 1.0]]), step=1.0)
    array([[0.75, 1.  ],
           [0.  , 0.  ]])
    """

    ridge: float

    strictly_convex = True

    def __post_init__(self):
        squared = isinstance(self.penalty, SquaredGauge)
        if not squared:
            super().__post_init__()
        if not (squared or self.penalty.is_gauge):
            raise ValueError(f"Ridge takes a gauge, got {self.penalty}")
        check_number(self, "ridge")

    def absorb(self, option, value):
        return replace(self, ridge=self.ridge + value) if option == "ridge" else None

    @property
    def ridge_of_free_rows(self):
        return self.ridge

    @property
    def ignores_basis(self):
        return self.penalty.ignores_basis

    @property
    def row_params(self):
        return RidgeRow(self.penalty.row_params, self.ridge)

    def value(self, A):
        return self.penalty.value(A) + self._half_square(A)

    def _half_square(self, A):
        return 0.5 * self.ridge * square(A)

    def _shrunken(self, A, step):
        """Return the argument and the step of the other prox that ours is."""
        shrink = 1.0 / (1.0 + step * self.ridge)
        dtype = np.result_type(A, np.float32)
        return np.multiply(A, shrink, dtype=dtype), step * shrink

    def prox(self, A, step, out=None):
        return self.penalty.prox(*self._shrunken(A, step), out=out)

    def factored_prox(self, A, step):
        return self.penalty.factored_prox(*self._shrunken(A, step))

    def tangent(self, A, step):
        return _RidgeSpace(self, A, *self._shrunken(A, step))

    def polar(self, G):
        return self.penalty.polar(G)

    def row_polars(self, G):
        """As `RowPenalty.row_polars`, of rows that are 0."""
        return self.penalty.row_polars(G)

    def conjugate(self, G):
        P = self.penalty.prox(G / self.ridge, 1.0 / self.ridge)
        found = self._half_square(P)
        if not self.has_polar:
            found += self.penalty.conjugate(G - self.ridge * P)
        return found

    def gap(self, A, G, value=None):
        # with rA as the dual point of the ridge, it is scaled along with G, and leaves
        # r/2 (1 - s)^2 ||A||^2 beside the gap of the gauge at A and G - rA; with that
        # of the matrix P that attains the conjugate of G, s is 1 and it leaves
        # r/2 ||A - P||^2: less near the optimum, and not the more the weaker the gauge
        r, bent = self.ridge, self._half_square(A)
        level = self.penalty.value(A) if value is None else value - bent
        D = G - r * A
        inner = self.penalty.gap(A, D, level)
        # where a ridge is all there is, G alone is scaled
        alone, s = D - self.penalty.penalised(D), inner.scale
        left = s * alone - (1.0 - s) * r * A
        scaled = inner.rest + square(left) / (2 * r)
        with np.errstate(over="ignore", invalid="ignore"):
            P = self.penalty.prox(G / r, 1.0 / r)
            D = G - r * P
            rest = level - float(np.vdot(A, D)) + self._half_square(A - P)
            if not self.has_polar:
                # that of a gauge is 0
                rest += self.penalty.conjugate(D)
        size, whole = inner.size + bent, rest < scaled
        rest, scale = (rest, 1.0) if whole else (scaled, inner.scale)
        return PenaltyGap(rest, size, scale, inner.polars)

    def priors(self, A, ties=None):
        found = super().priors(A, ties)
        return [prior.with_ridge(self.ridge) for prior in found]

    def face(self, A):
        """As `RowPenalty.face`."""
        face = self.penalty.face(A)
        if face is None:
            return None
        ridge = A.dtype.type(self.ridge)
        return face._replace(
            slope=face.slope + ridge * A,
            bend=face.bend + ridge,
            ratio=face.ratio + ridge,
        )

    def retract(self, A, moved):
        """As `RowPenalty.retract`."""
        return self.penalty.retract(A, moved)


class _RidgeSpace(Space):
    """The prox of a penalty with a ridge, and the space that the other one moves in.

    Parameters
    ----------
    penalty : Ridge
    W : ndarray of shape (n_features, n_tasks)
    shrunken, step
        The argument and the step of the prox of the other penalty.

    Attributes
    ----------
    A, iterate, value, subgradient, dimension
        As those of `FixedRank`.
    """

    def __init__(self, penalty, W, shrunken, step):
        self._inner = inner = penalty.penalty.tangent(shrunken, step)
        self._ridge = penalty.ridge
        self.A, self.iterate, self.dimension = inner.A, inner.iterate, inner.dimension
        self.value = inner.value + penalty._half_square(self.A)
        self.subgradient = inner.subgradient + self._ridge * self.A
        self.coordinates, self.matrix = inner.coordinates, inner.matrix
        self.retract, self.kinked = inner.retract, inner.kinked

    def resolvent(self, sigma):
        """Return x -> ``(sigma + ridge + N)^-1 x`` in coordinates."""
        return self._inner.resolvent(sigma + self._ridge)
