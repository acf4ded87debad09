"""The penalties in extended precision: values, polars, conjugates."""

from dataclasses import dataclass

import numpy as np

LONG = np.longdouble
HALVINGS = 120


class Gauge:
    """A positively homogeneous penalty; a subclass has ``value`` and ``polar``."""

    free_mean = False
    has_dual = True  # as tight as that of the package

    def free(self, d):
        """Return masks of features that are free, and of those whose mean is."""
        none = np.zeros(d, dtype=bool)
        return none, none | self.free_mean

    def dual_scale(self, G):
        return 1 / max(LONG(1), self.polar(G))

    def conjugate(self, G):
        return LONG(0)

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG of G makes of a gap, through s."""
        ds = self.polar(dG)
        return ds * (abs(np.sum(A * G)) + 4 * (1 - s + ds) * energy)


def row_norms(A, norm):
    """Return the "l1", "l2" or "linf" norms of the rows."""
    A = np.abs(A)
    if norm == "l2":
        return np.sqrt(np.sum(A**2, axis=1))
    return A.sum(axis=1) if norm == "l1" else A.max(axis=1)


def directions(G, level, free):
    """Return a basis (k, n_features, n_tasks) of matrices of two masks of entries.

    Those of a row in ``level`` have one absolute value and the signs of G, those in
    ``free`` any value.
    """
    found = []
    for j, (row, own) in enumerate(zip(level & ~free, free, strict=True)):
        rows = [np.sign(G[j]) * row] if row.any() else []
        rows += list(np.eye(len(own))[own])
        found += [np.eye(len(G))[:, [j]] * row for row in rows]
    return np.array(found).reshape(-1, *G.shape)


DUAL = {"l2": "l2", "linf": "l1"}


@dataclass(frozen=True)
class GroupLasso(Gauge):
    alpha: float
    l1_ratio: float
    norm: str

    def value(self, A):
        groups = row_norms(A, self.norm).sum()
        r = LONG(self.l1_ratio)
        return LONG(self.alpha) * ((1 - r) * groups + r * np.abs(A).sum())

    def polar(self, G):
        """Return the largest root s of ||soft(|g|, s alpha r)||_q* = s alpha (1-r)."""
        a, r = LONG(self.alpha), LONG(self.l1_ratio)
        G = np.abs(G)
        if r == 1:
            return G.max() / a
        low = np.zeros(len(G), dtype=LONG)
        high = row_norms(G, DUAL[self.norm]) / (a * (1 - r))
        if r == 0:
            return high.max()
        for _ in range(HALVINGS):
            s = (low + high) / 2
            soft = np.maximum(G - (s * a * r)[:, None], 0)
            above = row_norms(soft, DUAL[self.norm]) > s * a * (1 - r)
            low, high = np.where(above, s, low), np.where(above, high, s)
        return high.max()

    def face(self, G, dG):
        """As `directions`, of all A with ``<G, A> = value(A)``, of the norm "linf"."""
        bend = LONG(self.alpha) * self.l1_ratio
        over = np.maximum(np.abs(G) - bend + dG, 0).sum(axis=1, keepdims=True)
        active = over >= LONG(self.alpha) - bend
        tied = np.abs(np.abs(G) - bend) <= dG
        return directions(G, active & (np.abs(G) > bend), active & tied)


@dataclass(frozen=True)
class TraceNorm(Gauge):
    alpha: float

    def value(self, A):
        return LONG(self.alpha) * singular_values(A).sum()

    def polar(self, G):
        return singular_values(G).max() / LONG(self.alpha)


@dataclass(frozen=True)
class DirtyModel(Gauge):
    alpha_shared: float
    alpha_specific: float
    norm: str

    def value(self, A):
        """Return the least cost over all B = clip(A, -tau, tau), S = A - B.

        Convex in the levels tau of the rows, so that an interval can be narrowed.
        """
        A = np.abs(A)
        low, high = np.zeros(len(A), dtype=LONG), A.max(axis=1)
        if self.norm == "linf":
            # piecewise linear, with bends at the entries
            levels = np.column_stack([low, A])
            return np.min([self._costs(A, tau) for tau in levels.T], axis=0).sum()
        for _ in range(2 * HALVINGS):
            left, right = (2 * low + high) / 3, (low + 2 * high) / 3
            better = self._costs(A, left) <= self._costs(A, right)
            low, high = np.where(better, low, left), np.where(better, right, high)
        ends = [low, (low + high) / 2, 0 * low, A.max(axis=1)]
        return np.min([self._costs(A, tau) for tau in ends], axis=0).sum()

    def _costs(self, A, tau):
        B = np.minimum(A, tau[:, None])
        shared = LONG(self.alpha_shared) * row_norms(B, self.norm)
        return shared + LONG(self.alpha_specific) * (A - B).sum(axis=1)

    def polar(self, G):
        shared = row_norms(G, DUAL[self.norm]).max() / LONG(self.alpha_shared)
        return max(shared, np.abs(G).max() / LONG(self.alpha_specific))

    def face(self, G, dG):
        """As `directions`, of all A with ``<G, A> = value(A)``, of the norm "linf"."""
        most = np.abs(G) + dG
        active = most.sum(axis=1, keepdims=True) >= self.alpha_shared
        free = active & (np.abs(G) <= dG) | (most >= self.alpha_specific)
        return directions(G, np.broadcast_to(active, G.shape), free)


@dataclass(frozen=True)
class MeanRegularized:
    """The quadratic: alpha on deviations from the mean, alpha_mean on the mean."""

    alpha: float
    alpha_mean: float

    has_dual = True
    free = Gauge.free

    @property
    def free_mean(self):
        return self.alpha_mean == 0

    def value(self, A):
        mean = A.mean(axis=1, keepdims=True)
        common = LONG(self.alpha_mean) * A.shape[1] * np.sum(mean**2)
        return (LONG(self.alpha) * np.sum((A - mean) ** 2) + common) / 2

    def dual_scale(self, G):
        return LONG(1)

    def conjugate(self, G):
        mean = G.mean(axis=1, keepdims=True)
        total = np.sum((G - mean) ** 2) / (2 * LONG(self.alpha))
        if not self.free_mean:
            total += G.shape[1] * np.sum(mean**2) / (2 * LONG(self.alpha_mean))
        return total

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG of G makes of a gap, in the metric of the dual."""
        weakest = self.alpha if self.free_mean else min(self.alpha, self.alpha_mean)
        error = np.sum(dG**2) / (2 * LONG(weakest))
        return error + 2 * np.sqrt(error * max(gap, 0))


@dataclass(frozen=True)
class WithOptions(Gauge):
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
        A = A[self._slopes]
        excluded = np.broadcast_to(np.isinf(self.weight), len(A))
        signs = np.broadcast_to(self.signs, len(A))
        if A[excluded].any() or np.any(A[signs] < 0):
            return LONG(np.inf)
        scaled = np.where(excluded, 0, self.weight)[:, None] * A
        costs += LONG(self.ridge) / 2 * np.sum(A**2)
        return self.penalty.value(scaled) + costs

    def dual_scale(self, G):
        return LONG(0)

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG makes of the gap of a point of the dual domain."""
        A, G, dG = (part[self._slopes] for part in (A, G, dG))
        held = np.broadcast_to(self.weight, len(A))[:, None]
        over = np.where(held > 0, held, np.inf)
        G, dG = G / over, dG / over
        s = self.penalty.dual_scale(G)
        finite = np.where(np.isinf(held), 0, held)
        return self.penalty.rounding(finite * A, G, dG, s, energy, gap)


def singular_values(A):
    """Return the singular values, by one-sided Jacobi rotations."""
    columns = np.array(A if A.shape[0] >= A.shape[1] else A.T, dtype=LONG)
    for _ in range(40):
        worst = LONG(0)
        for i in range(columns.shape[1]):
            for j in range(i):
                p, q = columns[:, j], columns[:, i]
                a, b, c = p @ p, q @ q, p @ q
                if c == 0 or abs(c) <= np.finfo(LONG).eps * np.sqrt(a * b):
                    continue
                worst = max(worst, abs(c) / np.sqrt(a * b))
                tau = (b - a) / (2 * c)
                tangent = (1 if tau >= 0 else -1) / (abs(tau) + np.hypot(1, tau))
                cosine = 1 / np.sqrt(1 + tangent**2)
                columns[:, j], columns[:, i] = (
                    cosine * (p - tangent * q),
                    cosine * (q + tangent * p),
                )
        if worst == 0:
            break
    return np.sqrt(np.sum(columns**2, axis=0))
