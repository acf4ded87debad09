"""Options of every penalty in extended precision."""

from dataclasses import dataclass, replace

import numpy as np

from tests.fuzz.base import Penalty
from tests.fuzz.numerics import LONG


@dataclass(frozen=True)
class WithOptions(Penalty):
    """A penalty with options of features, and with intercepts as a last row that cost.

    Nothing of its dual.
    """

    penalty: object
    ridge: float
    weight: np.ndarray
    signs: np.ndarray
    alpha_intercept: float = 0.0

    has_dual = False

    @property
    def _slopes(self):
        return slice(None, -1) if self.alpha_intercept else slice(None)

    @property
    def is_gauge(self):
        return self.penalty.is_gauge

    @property
    def has_blocks(self):
        return self.penalty.has_blocks

    def parts(self, n_tasks):
        return self.penalty.parts(n_tasks)

    def restrict(self, kept):
        return replace(self, penalty=self.penalty.restrict(kept))

    def of_design(self, roots):
        over = np.where(self.weight > 0, self.weight, 1)
        roots = [R[:, self._slopes] / over for R in roots]
        return replace(self, penalty=self.penalty.of_design(roots))

    def settled(self, A, kept):
        return self.penalty.settled(A, kept)

    def free(self, d):
        """Return masks of features that are free, and of those whose mean is."""
        weight = np.broadcast_to(self.weight, d - bool(self.alpha_intercept))
        own = (weight == 0) & (self.ridge == 0)
        common = ~own & self.penalty.free_mean & (self.ridge == 0)
        ends = [False], [True]
        parts = zip((own, common & np.isfinite(weight)), ends, strict=True)
        return [
            np.append(mask, end) if self.alpha_intercept else mask
            for mask, end in parts
        ]

    def value(self, A):
        costs = LONG(0)
        if self.alpha_intercept:
            costs = LONG(self.alpha_intercept) * np.sum((A[-1] - A[-1].mean()) ** 2) / 2
        A = A[..., self._slopes, :]
        excluded = np.broadcast_to(np.isinf(self.weight), A.shape[-2])
        signs = np.broadcast_to(self.signs, A.shape[-2])
        if A[..., excluded, :].any() or np.any(A[..., signs, :] < 0):
            return LONG(np.inf)
        scaled = np.where(excluded, 0, self.weight)[:, None] * A
        matrix = A.sum(axis=0) if self.has_blocks else A
        costs += LONG(self.ridge) / 2 * np.sum(matrix**2)
        return self.penalty.value(scaled) + costs

    def dual_scale(self, G):
        return LONG(0)

    def conjugate(self, G):
        return LONG(0)

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG makes of the gap of a point of the dual domain."""
        A, G, dG = (part[..., self._slopes, :] for part in (A, G, dG))
        held = np.broadcast_to(self.weight, len(G))[:, None]
        over = np.where(held > 0, held, np.inf)
        G, dG = G / over, dG / over
        s = self.penalty.dual_scale(G)
        finite = np.where(np.isinf(held), 0, held)
        return self.penalty.rounding(finite * A, G, dG, s, energy, gap)
