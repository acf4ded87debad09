"""The fused group penalty: coefficients change seldom from one task to the next."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import njit_part, polar_rows, prox_row, solve_row
from mtlreg.penalties.base import RowPenalty, check_strengths
from mtlreg.penalties.face import linear_face, norm_face
from mtlreg.penalties.l1 import L1Row
from mtlreg.penalties.l21 import L21Row, row_norms


class FusedGroupRow(NamedTuple):
    """What compiled solvers see of `FusedGroup`."""

    fused: float
    entries: L1Row
    group: L21Row


@njit_part
def _bound(total, bend, if_none):
    # total / bend, infinite in the direction of total where there is no bend
    if bend > 0.0:
        return total / bend
    return if_none if total == 0.0 else (np.inf if total > 0.0 else -np.inf)


@njit_part
def _fuse(z, shift, curvature, scale, ground, level, out):
    # argmin sum_t c_t a_t^2 / 2 - (z_t + shift) a_t + level |a_t+1 - a_t| with
    # c = scale curvature + ground; out may be z
    # the sums U of z + shift - c a up to t are within +-level, 0 at the end, -level
    # where a goes up and level where it goes down: a piece of equal entries is as long
    # as one a keeps U inside, and ends where it last bounded the a that does
    start, before = 0, 0.0
    while start < z.size:
        total, bend = before, 0.0
        low, high = -np.inf, np.inf
        low_end, high_end = start, start
        k = start
        while True:
            total += z[k] + shift
            bend += scale * curvature[k] + ground
            last = k == z.size - 1
            if last:
                lower = _bound(total, bend, 0.0)
                upper = lower
            else:
                lower = _bound(total - level, bend, -np.inf)
                upper = _bound(total + level, bend, np.inf)
            if lower > high:
                value, end, before = high, high_end, -level
                break
            if upper < low:
                value, end, before = low, low_end, level
                break
            if last:
                value, end = lower, k
                break
            if lower >= low:
                low, low_end = lower, k
            if upper <= high:
                high, high_end = upper, k
            k += 1
        for t in range(start, end + 1):
            out[t] = value
        start = end + 1


@njit_part
def _fuse_sparsely(params, z, curvature, scale, ground, row, scratch):
    # the same with the entries' norm: where a is above a height depends on the slopes
    # there alone, which are those of z - alpha above 0 and of z + alpha below
    alpha = params.entries.alpha
    _fuse(z, -alpha, curvature, scale, ground, params.fused, row)
    _fuse(z, alpha, curvature, scale, ground, params.fused, scratch)
    for t in range(row.size):
        row[t] = max(row[t], 0.0) + min(scratch[t], 0.0)


@prox_row.register(FusedGroupRow)
def _prox_row(params, j, row, step, scratch):
    # in this order alone it is a prox
    for t in range(row.size):
        scratch[t] = 1.0
    _fuse(row, 0.0, scratch, 1.0, 0.0, step * params.fused, row)
    prox_row(params.entries, j, row, step, scratch)
    prox_row(params.group, j, row, step, scratch)


@solve_row.register(FusedGroupRow)
def _solve_row(params, j, z, curvature, row, scratch):
    alpha = params.group.alpha
    if alpha == 0.0:
        _fuse_sparsely(params, z, curvature, 1.0, 0.0, row, scratch)
        return
    # a = r w with r = ||a|| and w the solution for the curvature c r + alpha, without
    # the norm; ||w|| falls with r to 1, the root, by Newton's method on 1 / ||w||
    # inside a bracket
    # r is in units of alpha over the largest curvature, against overflow
    tiny = 1e-15 if row.itemsize == 8 else 1e-7
    top, largest, squares = 0.0, 0.0, 0.0
    for t in range(row.size):
        top = max(top, curvature[t])
        largest = max(largest, abs(row[t]))
    unit = alpha / top if top > 0.0 else 0.0
    for t in range(row.size):
        squares += (row[t] / largest) ** 2 if largest > 0.0 else 0.0
    start = largest / unit * np.sqrt(squares) if unit > 0.0 else 0.0
    r, lower, upper, first = 0.0, 0.0, np.inf, 0.0
    for _ in range(100):
        scale = r * unit
        _fuse_sparsely(params, z, curvature, scale, alpha, row, scratch)
        squares, slope = 0.0, 0.0
        t = 0
        while t < row.size:
            # a piece of equal entries
            entry, count, bend = row[t], 1, curvature[t] * unit
            t += 1
            while t < row.size and row[t] == entry:
                count += 1
                bend += curvature[t] * unit
                t += 1
            square = count * entry * entry
            squares += square
            slope += square * bend / (bend * r + count * alpha)
        norm = np.sqrt(squares)
        if r == 0.0 and norm <= 1.0:
            break
        if norm > 1.0:
            lower = r
        else:
            upper = r
        following = r + (norm - 1.0) * squares / slope if slope > 0.0 else upper
        if abs(norm - 1.0) <= tiny or abs(following - r) <= tiny * r:
            break
        if r == 0.0:
            first = following
            following = start if 0.0 < start < np.inf else first
        elif following <= lower and lower < first < upper:
            following = first
        if not lower < following < upper:
            following = 0.5 * (lower + upper)
            if not lower < following < upper:
                break
        r = following
    for t in range(row.size):
        row[t] *= r * unit


@dataclass(frozen=True)
class FusedGroup(RowPenalty):
    """Of the rows of A, their changes from task to task, entries and norms::

        alpha_fused sum_jt |A_j,t+1 - A_jt|
            + alpha_group sum_j ||A_j||_2 + alpha_sparse ||A||_1

    The order of the tasks counts. One that is left out is passed over: its neighbours
    are neighbours then.

    Parameters
    ----------
    alpha_fused : float
        Strength of the changes, > 0.
    alpha_group, alpha_sparse : float
        Strengths of the norms of rows and of entries, >= 0, one of them > 0: with
        neither, coefficients that are equal in all tasks would cost nothing.

    References
    ----------
    Zhou, Liu, Narayan, Ye (2012), Modeling disease progression via fused sparse group
    lasso, eq. 3 and theorem 1. The taut string: Davies, Kovac (2001), Local extremes,
    runs, strings and multiresolution, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import FusedGroup
    >>> penalty = FusedGroup(1.0, alpha_group=0.0, alpha_sparse=0.5)
    >>> penalty.prox(np.array([[4.0, 5.0, 0.0]]), step=1.0)
    array([[3.5, 3.5, 0.5]])
    """

    alpha_fused: float
    alpha_group: float
    alpha_sparse: float

    strengths: ClassVar[tuple[str, ...]] = (
        "alpha_fused",
        "alpha_group",
        "alpha_sparse",
    )
    has_tangent = False

    def __post_init__(self):
        check_strengths(self, ("alpha_group", "alpha_sparse"))
        if self.alpha_group == self.alpha_sparse == 0:
            raise ValueError(
                "alpha_group or alpha_sparse of FusedGroup must be more than 0, got 0 "
                "for both: nothing would hold coefficients that are equal in all tasks"
            )

    @property
    def row_params(self):
        entries, group = L1Row(self.alpha_sparse), L21Row(self.alpha_group)
        return FusedGroupRow(self.alpha_fused, entries, group)

    def _row_values(self, A):
        exact = np.asarray(A, dtype=np.float64)
        changes = np.sum(np.abs(np.diff(exact, axis=1)), axis=1)
        entries = np.sum(np.abs(exact), axis=1)
        costs = self.alpha_fused * changes + self.alpha_sparse * entries
        return costs + self.alpha_group * row_norms(exact)

    def value(self, A):
        return float(np.sum(self._row_values(A)))

    def row_polars(self, G):
        # in units of the largest entry, against overflow
        G = np.asarray(G, dtype=np.float64)
        largest = np.max(np.abs(G), axis=1, initial=0.0)
        unit = G / np.where(largest > 0, largest, 1.0)[:, None]
        values = self._row_values(unit)
        values[values == 0] = np.inf
        polars = row_norms(unit) ** 2 / values
        polar_rows(self.row_params, unit, polars, np.empty((2, G.shape[1])))
        return largest * polars

    def face(self, A):
        # entries on their own, and of the pieces of equal ones the longest of a row:
        # the others stay, so that this is no tangent
        n_rows, n_tasks = A.shape
        nonzero, rises = A != 0, np.sign(np.diff(A, axis=1))
        begins = np.ones(A.shape, dtype=bool)
        begins[:, 1:] = (rises != 0) | ~nonzero[:, 1:]
        piece = np.cumsum(begins, axis=1) - 1
        places = piece + n_tasks * np.arange(n_rows)[:, None]
        counts = np.bincount(places.ravel(), minlength=A.size).reshape(A.shape)
        length = np.take_along_axis(counts, piece, axis=1)
        longest = np.argmax(counts, axis=1)[:, None]
        tied = np.where((piece == longest) & (length > 1), 1 / np.sqrt(length), 0)
        change = np.zeros_like(A)
        change[:, 1:] += rises
        change[:, :-1] -= rises
        entries = linear_face(A, self.alpha_sparse)
        group = norm_face(A, nonzero, self.alpha_group)
        return group._replace(
            free=(nonzero & (length == 1)).astype(A.dtype),
            tied=tied.astype(A.dtype),
            slope=entries.slope + group.slope + self.alpha_fused * change,
            ratio=entries.ratio + group.ratio,
        )

    def retract(self, A, moved):
        return np.where(A * moved > 0, moved, 0)

    def attributes(self, A, blocks):
        changes = np.diff(A, axis=1) != 0
        found = {"change_points_": np.ascontiguousarray(changes.T)}
        return super().attributes(A, blocks) | found

    def with_absent(self, A, kept):
        """Return the variable of all tasks; those without data have the cheapest.

        A run of n such entries between l and r is constant, of a magnitude x between 0
        and the lesser one of theirs, or 0 where they have two signs. Towards 0 it costs
        ``k alpha_fused - n alpha_sparse`` more, with k = 2 sides or 1 at an end, and
        the norm of the row ``alpha_group n x / ||row||`` less.
        """
        exact, last = A.astype(np.float64), A.shape[1] - 1
        places = np.concatenate([[-1], np.flatnonzero(kept), [len(kept)]])
        runs = np.flatnonzero(np.diff(places) > 1)
        n = np.diff(places)[runs] - 1
        left = exact[:, np.maximum(runs - 1, 0)]
        right = exact[:, np.minimum(runs, last)]
        sides = np.where((runs == 0) | (runs > last), 1, 2)
        pull = sides * self.alpha_fused - n * self.alpha_sparse
        found = np.clip(0.0, np.minimum(left, right), np.maximum(left, right))
        found[:, pull <= 0] = 0.0
        if self.alpha_group > 0:
            _shorten(found, n, pull / (n * self.alpha_group), exact)
        full = np.empty((len(A), len(kept)), dtype=A.dtype)
        full[:, kept] = A
        full[:, ~kept] = np.repeat(found, n, axis=1)
        return full


def _shorten(found, n, ratio, others):
    """Cut entries, each there n times, at ``ratio ||row||``, the others included.

    With s the square of this norm, ``s = sum others^2 + sum_i n_i min(ratio_i^2 s,
    found_i^2)``, the right side is concave: Newton's method goes down to the root.
    """
    squares = n * found**2
    rest = np.sum(others**2, axis=1, keepdims=True)
    size = rest + np.sum(squares, axis=1, keepdims=True)
    while True:
        cut = n * ratio**2 * size < squares
        level = rest + np.sum(np.where(cut, 0.0, squares), axis=1, keepdims=True)
        slope = np.sum(np.where(cut, n * ratio**2, 0.0), axis=1, keepdims=True)
        following = level / (1.0 - slope)
        if not np.any(following < size):
            break
        size = np.minimum(size, following)
    most = np.abs(ratio) * np.sqrt(size)
    np.clip(found, -most, most, out=found)
