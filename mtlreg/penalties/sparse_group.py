"""The sparse group penalty: whole rows and single entries of A are zero."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties.base import RowPenalty, check_strengths
from mtlreg.penalties.l1 import L1, L1Row
from mtlreg.penalties.l1linf import L1Linf, L1LinfRow
from mtlreg.penalties.l21 import L21, L21Row
from mtlreg.penalties.roots import sorted_magnitudes

NORMS = {"l2": (L21, L21Row), "linf": (L1Linf, L1LinfRow)}
"""The penalty and the row parameters of each norm that groups a row."""


class SparseGroupRow(NamedTuple):
    """What compiled solvers see of `SparseGroup`."""

    entries: L1Row
    group: NamedTuple


@prox_row.register(SparseGroupRow)
def _prox_row(params, j, row, step, scratch):
    # soft threshold first: for the l2 norm the other order is no prox
    prox_row(params.entries, j, row, step, scratch)
    prox_row(params.group, j, row, step, scratch)


@solve_row.register(SparseGroupRow)
def _solve_row(params, j, z, curvature, row, scratch):
    prox_row(params.entries, j, z, 1.0, scratch)
    solve_row(params.group, j, z, curvature, row, scratch)


@dataclass(frozen=True)
class SparseGroup(RowPenalty):
    """``alpha [(1 - l1_ratio) sum_j ||A_j||_q + l1_ratio ||A||_1]``, q = 2 or inf.

    Parameters
    ----------
    alpha : float
        Strength, > 0.
    l1_ratio : float
        Share of the L1 norm, strictly between 0 and 1.
    norm : {"l2", "linf"}
        The norm of a row.

    References
    ----------
    Simon, Friedman, Hastie, Tibshirani (2013), A sparse-group lasso, eq. 3 (there with
    groups of features instead of rows).

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import SparseGroup
    >>> penalty = SparseGroup(2.0, l1_ratio=0.5, norm="l2")
    >>> penalty.prox(np.array([[4.0, 5.0, 0.5]]), step=1.0)
    array([[2.4, 3.2, 0. ]])
    """

    alpha: float
    l1_ratio: float
    norm: str = "l2"

    of_magnitudes = True

    def __post_init__(self):
        check_strengths(self)
        if not 0 < self.l1_ratio < 1:
            raise ValueError(
                f"l1_ratio must lie strictly between 0 and 1, got {self.l1_ratio!r}; "
                f"use L1, L21 or L1Linf for the ends"
            )
        object.__setattr__(self, "l1_ratio", float(self.l1_ratio))
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {list(NORMS)}, got {self.norm!r}")

    @cached_property
    def _parts(self):
        group, _ = NORMS[self.norm]
        ratio = self.l1_ratio
        return L1(self.alpha * ratio), group(self.alpha * (1 - ratio))

    @property
    def row_params(self):
        entries, group = self._parts
        return SparseGroupRow(entries.row_params, group.row_params)

    def value(self, A):
        return sum(part.value(A) for part in self._parts)

    def face(self, A):
        entries, group = (part.face(A) for part in self._parts)
        free, slope = entries.free * group.free, entries.slope + group.slope
        return group._replace(free=free, slope=slope, ratio=entries.ratio + group.ratio)

    def retract(self, A, moved):
        entries, group = self._parts
        return group.retract(A, entries.retract(A, moved))

    def ties(self, n_tasks):
        return self.norm == "linf"

    def row_polars(self, G):
        """Return the root s of ``||soft(g, s l)||_{q*} = s m`` of every row g of G.

        Here ``l = alpha l1_ratio``, ``m = alpha (1 - l1_ratio)``, and q* is dual to q.
        """
        # in units of alpha and of the largest entry, against overflow
        entry, group = float(self.l1_ratio), 1.0 - float(self.l1_ratio)
        g = sorted_magnitudes(G)
        largest = np.max(g, axis=1, initial=0.0)
        g /= np.where(largest > 0, largest, 1.0)[:, None]
        unit = largest / self.alpha
        counts = np.arange(1, g.shape[1] + 1)
        sums = np.cumsum(g, axis=1)
        if self.norm == "linf":
            # sum_{i <= k} (g_i - s l) = s m; every k gives a lower bound, one the root
            return unit * np.max(sums / (counts * entry + group), axis=1, initial=0.0)
        squares = np.cumsum(g**2, axis=1)
        # the k entries above s l at the root are those with slack < 0 at s = g_k / l
        slack = np.sqrt(np.maximum(squares - 2 * g * sums + counts * g**2, 0.0))
        active = np.sum(slack < g * (group / entry), axis=1)
        rows = np.flatnonzero(active)
        k = active[rows]
        first, second = sums[rows, k - 1] * entry, squares[rows, k - 1]
        # (k l^2 - m^2) s^2 - 2 l S_1 s + S_2 = 0, the smaller root without cancelling
        disc = np.maximum(first**2 - (k * entry**2 - group**2) * second, 0.0)
        roots = np.zeros(len(g))
        roots[rows] = second / (first + np.sqrt(disc))
        return unit * roots
