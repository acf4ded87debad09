"""The dirty model: a shared row pattern plus entries of single tasks, as one gauge."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import njit_part, prox_row, solve_row
from mtlreg.penalties.base import (
    RowPenalty,
    check_strengths,
)
from mtlreg.penalties.face import linear_face, norm_face, tied_face
from mtlreg.penalties.infimal import coefficients_of
from mtlreg.penalties.l1 import L1
from mtlreg.penalties.roots import sorted_magnitudes, step_inside
from mtlreg.penalties.sparse_group import NORMS


class DirtyLinfRow(NamedTuple):
    """What compiled solvers see of `Dirty` with an L1/Linf block."""

    shared: float
    specific: float


class DirtyL2Row(NamedTuple):
    """What compiled solvers see of `Dirty` with an L1/L2 block."""

    shared: float
    specific: float


@njit_part
def _find_level(z, curvature, radius, cap):
    # the least lam >= 0 with sum_t min(cap, (|z_t| - lam curvature_t)_+) <= radius; the
    # sum is piecewise linear and decreasing: Newton's method inside a bracket
    total = 0.0
    lower, upper = 0.0, 0.0
    for t in range(z.size):
        total += min(abs(z[t]), cap)
        if curvature[t] > 0.0:
            upper = max(upper, abs(z[t]) / curvature[t])
    lam = 0.0
    if total <= radius:
        return lam
    while True:
        total = -radius
        bend = 0.0
        for t in range(z.size):
            size = max(abs(z[t]) - lam * curvature[t], 0.0)
            total += min(size, cap)
            bend += curvature[t] if 0.0 < size < cap else 0.0
        if total > 0.0:
            lower = lam
        else:
            upper = lam
        step = total / bend if bend > 0.0 else np.inf
        following = step_inside(lam, step, lower, upper)
        if following == lam:
            return lam
        lam = following


@prox_row.register(DirtyLinfRow)
def _prox_linf_row(params, j, row, step, scratch):
    # v - p with p the projection of v onto {||p||_1 <= r, |p| <= c}, that is
    # |p| = min(c, (|v| - lam)_+), so |prox| = min(|v|, max(lam, |v| - c))
    for t in range(row.size):
        scratch[t] = 1.0
    cap = step * params.specific
    lam = _find_level(row, scratch, step * params.shared, cap)
    for t in range(row.size):
        size = abs(row[t])
        kept = min(size, max(lam, size - cap))
        row[t] = kept if row[t] > 0.0 else (-kept if kept > 0.0 else 0.0)


@prox_row.register(DirtyL2Row)
def _prox_l2_row(params, j, row, step, scratch):
    # v - p with p the projection of v onto {||p||_2 <= r, |p| <= c}, that is
    # |p| = min(c, mu |v|) with the largest mu <= 1
    radius, cap = step * params.shared, step * params.specific
    size = row.size
    for t in range(size):
        scratch[t] = abs(row[t])
    scratch[:size].sort()
    largest = scratch[size - 1]
    mu = 1.0
    if largest > 0.0:
        # in units of the largest entry, against overflow
        radius_unit, cap_unit = radius / largest, cap / largest
        inside = 0.0
        for t in range(size):
            scratch[t] /= largest
            inside += min(scratch[t], cap_unit) ** 2
        if inside > radius_unit**2:
            rest = 0.0
            for t in range(size):
                # mu if exactly the entries above the t-th smallest are cut at c; it is
                # too small as long as the next entry would not be cut by it
                rest += scratch[t] ** 2
                free = radius_unit**2 - (size - 1 - t) * cap_unit**2
                mu = np.sqrt(max(free, 0.0) / rest) if rest > 0.0 else 0.0
                if t + 1 == size or mu * scratch[t + 1] > cap_unit:
                    break
    for t in range(size):
        size_t = abs(row[t])
        kept = max(size_t - cap, (1.0 - mu) * size_t)
        if kept <= 0.0:
            row[t] = 0.0
        else:
            row[t] = kept if row[t] > 0.0 else -kept


@solve_row.register(DirtyLinfRow)
def _solve_linf_row(params, j, z, curvature, row, scratch):
    # z - curvature a is the g in {||g||_1 <= shared, |g| <= specific} nearest to z in
    # the metric of 1 / curvature: |g| = min(specific, (|z| - lam curvature)_+)
    cap = params.specific
    lam = _find_level(z, curvature, params.shared, cap)
    for t in range(row.size):
        kept = 0.0
        if curvature[t] > 0.0:
            size_t = abs(z[t])
            kept = max(lam, (size_t - cap) / curvature[t])
            kept = min(size_t / curvature[t], kept)
        row[t] = kept if z[t] > 0.0 else (-kept if kept > 0.0 else 0.0)


@solve_row.register(DirtyL2Row)
def _solve_l2_row(params, j, z, curvature, row, scratch):
    # z - curvature a is the g in {||g||_2 <= shared, |g| <= specific} nearest to z in
    # the metric of 1 / curvature: |g| = min(specific, |z| / (1 + lam curvature))
    cap, radius = params.specific, params.shared
    # squares are those of shares of the radius, against overflow
    total = 0.0
    for t in range(row.size):
        total += (min(abs(z[t]), cap) / radius) ** 2
    lam = 0.0
    if total > 1.0:
        lower, upper = 0.0, np.inf
        while True:
            squares = 0.0
            slope = 0.0
            for t in range(row.size):
                size_t = abs(z[t]) / (1.0 + lam * curvature[t])
                share = min(size_t, cap) / radius
                squares += share * share
                if size_t < cap:
                    slope += share * share * curvature[t] / (1.0 + lam * curvature[t])
            norm = np.sqrt(squares)
            if norm > 1.0:
                lower = lam
            else:
                upper = lam
            # Newton's method on 1 / norm, inside a bracket
            following = np.inf
            if slope > 0.0:
                following = lam + (norm - 1.0) * squares / slope
            if abs(following - lam) <= 1e-15 * lam:
                break
            if following <= lower or following >= upper:
                if upper == np.inf:
                    following = max(2.0 * lam, radius)
                else:
                    following = 0.5 * (lower + upper)
                if following <= lower or following >= upper:
                    break
            lam = following
    for t in range(row.size):
        kept = 0.0
        if curvature[t] > 0.0:
            size_t = abs(z[t])
            drawn = size_t * lam / (1.0 + lam * curvature[t])
            kept = max(drawn, (size_t - cap) / curvature[t])
        row[t] = kept if z[t] > 0.0 else (-kept if kept > 0.0 else 0.0)


@dataclass(frozen=True)
class Dirty(RowPenalty):
    """``min_{B + S = A} alpha_shared sum_j ||B_j||_q + alpha_specific ||S||_1``.

    The infimal sum of two row norms is again a gauge of A that is a sum over rows, so
    the variable is A; `split` gives B and S.

    Parameters
    ----------
    alpha_shared, alpha_specific : float
        Strengths, > 0.
    norm : {"linf", "l2"}
        The norm q of a row of B.

    References
    ----------
    Jalali, Ravikumar, Sanghavi, Ruan (2010), A dirty model for multi-task learning,
    eq. 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import Dirty
    >>> shared, specific = Dirty(2.5, 1.0).split(np.array([[1.0, 1.0, 1.0, 5.0]]))
    >>> shared, specific
    (array([[1., 1., 1., 1.]]), array([[0., 0., 0., 4.]]))
    """

    alpha_shared: float
    alpha_specific: float
    norm: str = "linf"

    strengths: ClassVar[tuple[str, ...]] = ("alpha_shared", "alpha_specific")
    of_magnitudes = True

    def __post_init__(self):
        check_strengths(self)
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {list(NORMS)}, got {self.norm!r}")

    @cached_property
    def _parts(self):
        group, _ = NORMS[self.norm]
        return group(self.alpha_shared), L1(self.alpha_specific)

    @property
    def _ratio(self):
        # of Python's floats, which overflow to inf in silence
        return float(self.alpha_shared) / float(self.alpha_specific)

    @property
    def row_params(self):
        row = DirtyLinfRow if self.norm == "linf" else DirtyL2Row
        return row(float(self.alpha_shared), float(self.alpha_specific))

    def value(self, A):
        if self.norm == "linf":
            # the largest entries of a row cost alpha_specific each while alpha_shared
            # lasts, the next one what is left of it, and the others nothing
            larger = np.arange(A.shape[1] - 1, -1, -1)
            weights = np.clip(self._ratio - larger, 0, 1)
            ascending = np.sort(np.abs(np.asarray(A, dtype=np.float64)), axis=1)
            return self.alpha_specific * float(np.sum(ascending @ weights))
        return sum(
            part.value(block)
            for part, block in zip(self._parts, self.split(A), strict=True)
        )

    def face(self, A):
        # entries above tau cost alpha_specific, those of B up to it
        # (alpha_shared - alpha_specific m) max |b| or, as tau follows them, a multiple
        # of their norm, with m the number above
        tau = self._clip_levels(A).astype(A.dtype)[:, None]
        size = np.abs(A)
        above = size > tau
        m = np.sum(above, axis=1, keepdims=True)
        if self.norm == "linf":
            level = self.alpha_shared - self.alpha_specific * m
            shared = tied_face(A, (size == tau) & (tau > 0), level.astype(A.dtype))
        else:
            ratio = self.alpha_specific / self.alpha_shared
            level = self.alpha_shared * np.sqrt(np.maximum(1 - m * ratio**2, 0))
            shared = norm_face(A, ~above & (tau > 0), level.astype(A.dtype))
        specific = linear_face(np.where(above, A, 0), self.alpha_specific)
        free = np.where((tau > 0) | above, np.maximum(shared.free, specific.free), 0)
        slope, ratio = shared.slope + specific.slope, shared.ratio + specific.ratio
        return shared._replace(free=free, slope=slope, ratio=ratio)

    def retract(self, A, moved):
        if self.norm != "linf":
            return moved
        tau = self._clip_levels(A).astype(A.dtype)[:, None]
        size, sign = np.abs(A), np.sign(A)
        tied = size == tau
        cap = np.max(np.where(tied, moved * sign, 0), axis=1, keepdims=True)
        return np.where(
            size > tau,
            sign * np.maximum(moved * sign, cap),
            np.clip(moved, -cap, cap),
        )

    def ties(self, n_tasks):
        # beyond that, B is 0
        shared = self.alpha_shared < n_tasks * self.alpha_specific
        return self.norm == "linf" and shared

    def row_polars(self, G):
        shared, specific = self._parts
        return np.maximum(shared.row_polars(G), specific.row_polars(G))

    def attributes(self, A, blocks):
        return coefficients_of(blocks)

    def priors(self, A, ties=None):
        self.check_ties(ties)
        parts = zip(self._parts, self.split(A), strict=True)
        return [part.prior(block) for part, block in parts]

    def split(self, A):
        """Return (B, S): ``B = clip(A_j, -tau_j, tau_j)`` with the smallest such tau.

        Parameters
        ----------
        A : ndarray of shape (n_features, n_tasks)

        Returns
        -------
        shared, specific : ndarrays like A
            They add up to A, and no other split of A costs less.
        """
        tau = self._clip_levels(A).astype(A.dtype)[:, None]
        shared = np.clip(A, -tau, tau)
        return shared, A - shared

    def _clip_levels(self, A):
        a = sorted_magnitudes(A)
        n_rows, n_tasks = a.shape
        ratio = self._ratio
        if self.norm == "linf":
            # slope in tau: alpha_shared - alpha_specific #{|a| > tau} >= 0
            above = int(min(ratio, n_tasks))
            return a[:, above] if above < n_tasks else np.zeros(n_rows)
        # with m entries above tau the slope is >= 0 where tau^2 (ratio^2 - m) is at
        # least the sum of the other squares; the smallest such tau in any segment
        ends = np.zeros((n_rows, 1))
        tails = np.cumsum(a[:, :0:-1] ** 2, axis=1)[:, ::-1]
        tails = np.concatenate([tails, ends], axis=1)
        following = np.concatenate([a[:, 1:], ends], axis=1)
        m = np.arange(1, n_tasks + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(tails / (ratio * ratio - m))
        root[tails == 0] = 0.0
        level = np.maximum(root, following)
        level[(level > a) | (m > ratio * ratio)] = np.inf
        return np.minimum(level.min(axis=1), a[:, 0])
