"""The penalties in extended precision: values, polars, conjugates."""

from dataclasses import dataclass, replace

import numpy as np

from tests.fuzz.numerics import (
    HALVINGS,
    LONG,
    components,
    directions,
    fuse,
    project,
    row_norms,
    singular_values,
    solve,
    without,
)


class Penalty:
    """A penalty of A, or of the blocks that it is the sum of, (n_blocks, d, T)."""

    is_gauge = False
    free_mean = False
    has_dual = True  # as tight as that of the package
    has_blocks = False

    def free(self, d):
        """Return masks of features that are free, and of those whose mean is."""
        none = np.zeros(d, dtype=bool)
        return none, none | self.free_mean

    def parts(self, n_tasks):
        """Return indicators (n_tasks, n_parts) of those whose mean each is meant."""
        return np.ones((n_tasks, 1), dtype=LONG)

    def restrict(self, kept):
        """Return the penalty where tasks but those of a mask cost as little as can."""
        return self

    def absent(self, A, kept):
        """Return the columns of the other tasks, which cost least beside A."""
        return np.zeros((len(A), np.sum(~kept)), dtype=LONG)

    def settled(self, A, kept):
        """Return whether the other tasks are as `absent` has them, up to rounding."""
        found = self.absent(A[:, kept].astype(LONG), kept)
        unit = 100 * np.finfo(A.dtype).eps
        return np.all(np.abs(A[:, ~kept] - found) <= unit * np.abs(A).max())


class Gauge(Penalty):
    """A positively homogeneous penalty; a subclass has ``value`` and ``polar``."""

    is_gauge = True

    def dual_scale(self, G):
        return 1 / max(LONG(1), self.polar(G))

    def conjugate(self, G):
        return LONG(0)

    def largest_polar(self, dG):
        """Return the largest polar of a matrix with entries of these sizes at most."""
        return self.polar(dG)

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG of G makes of a gap, through s."""
        ds = self.largest_polar(dG)
        return ds * (abs(np.sum(A * G)) + 4 * (1 - s + ds) * energy)


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
class FusedGroupLasso(Gauge):
    alpha_fused: float
    alpha_group: float
    alpha_sparse: float

    def value(self, A):
        changes = np.abs(np.diff(A, axis=1)).sum()
        groups, entries = row_norms(A, "l2").sum(), np.abs(A).sum()
        strengths = self.alpha_fused, self.alpha_group, self.alpha_sparse
        return np.dot(np.array(strengths, dtype=LONG), [changes, groups, entries])

    def polar(self, G):
        """Return the smallest s at which no row is left of a prox."""
        largest = LONG(0)
        for row in G:
            if self._left(row, largest):
                low, high = largest, self.largest_polar(row[None])
                for _ in range(HALVINGS):
                    s = (low + high) / 2
                    if not low < s < high:
                        break
                    low, high = (s, high) if self._left(row, s) else (low, s)
                largest = high
        return largest

    def _left(self, row, s):
        row = fuse(row, s * self.alpha_fused)
        row = np.maximum(np.abs(row) - s * self.alpha_sparse, 0)
        return np.sqrt(row @ row) > s * self.alpha_group

    def largest_polar(self, dG):
        strengths = np.array([self.alpha_group, self.alpha_sparse], dtype=LONG)
        sizes = np.array([row_norms(dG, norm).max() for norm in ("l2", "linf")])
        return np.min(sizes[strengths > 0] / strengths[strengths > 0])

    def settled(self, A, kept):
        """Return whether no move of other tasks, some side by side, costs less."""
        most = 1 - 100 * np.finfo(A.dtype).eps
        ends = [
            (first, last)
            for first, last in np.argwhere(np.triu(np.ones((len(kept),) * 2)))
            if not kept[first : last + 1].any()
        ]
        for row in A.astype(LONG)[:, None]:
            cost, size = self.value(row), np.abs(row).max()
            for first, last in ends:
                for share in (0.1, 1e-3, 1e-5, -0.1, -1e-3, -1e-5):
                    moved = row.copy()
                    moved[:, first : last + 1] += share * size
                    if self.value(moved) < most * cost:
                        return False
        return True


@dataclass(frozen=True)
class CommonDeviation(Gauge):
    alpha_common: float
    alpha_specific: float
    specific_weight: object

    def _weights(self, n_tasks):
        if self.specific_weight is None:
            return np.full(n_tasks, 1 / np.sqrt(LONG(n_tasks)))
        return np.array(self.specific_weight, dtype=LONG)

    def restrict(self, kept):
        if self.specific_weight is None:
            return self
        return replace(self, specific_weight=self.specific_weight[kept])

    def _common(self, A):
        """Return the best vector, an entry of each row or 0, and what it costs."""
        levels = np.column_stack([np.zeros(len(A), dtype=LONG), A])
        apart = np.abs(A[:, None] - levels[:, :, None]) @ self._weights(A.shape[1])
        costs = self.alpha_common * np.abs(levels) + self.alpha_specific * apart
        best = np.argmin(costs, axis=1)[:, None]
        found = np.take_along_axis(levels, best, 1), np.take_along_axis(costs, best, 1)
        return found

    def value(self, A):
        return self._common(A)[1].sum()

    def polar(self, G):
        own = np.abs(G) / (self.alpha_specific * self._weights(G.shape[1]))
        return max(own.max(), np.abs(G.sum(axis=1)).max() / LONG(self.alpha_common))

    def largest_polar(self, dG):
        return self.polar(np.abs(dG))

    def absent(self, A, kept):
        common, _ = self.restrict(kept)._common(A)
        return np.repeat(common, np.sum(~kept), axis=1)


@dataclass(frozen=True)
class ColumnL2(Gauge):
    alpha: float

    def value(self, A):
        return LONG(self.alpha) * row_norms(A.T, "l2").sum()

    def polar(self, G):
        return row_norms(G.T, "l2").max() / LONG(self.alpha)


class Sum(Gauge):
    """Of two blocks; a subclass has their ``gauges``."""

    has_blocks = True

    def value(self, A):
        return sum(
            part.value(block) for part, block in zip(self.gauges, A, strict=True)
        )

    def polar(self, G):
        return max(part.polar(G) for part in self.gauges)


@dataclass(frozen=True)
class RobustLowRank(Sum):
    alpha_shared: float
    alpha_outlier: float

    @property
    def gauges(self):
        return TraceNorm(self.alpha_shared), ColumnL2(self.alpha_outlier)


@dataclass(frozen=True)
class SparseLowRank(Sum):
    alpha_low_rank: float
    alpha_sparse: float

    @property
    def gauges(self):
        return TraceNorm(self.alpha_low_rank), GroupLasso(self.alpha_sparse, 1.0, "l2")


@dataclass(frozen=True)
class RobustGroupLasso(Sum):
    alpha_shared: float
    alpha_outlier: float

    @property
    def gauges(self):
        return GroupLasso(self.alpha_shared, 0.0, "l2"), ColumnL2(self.alpha_outlier)


class Square(Penalty):
    """alpha/2 times the square of a gauge, which a subclass has as ``norm``."""

    def value(self, A):
        return LONG(self.alpha) / 2 * self.norm.value(A) ** 2

    def dual_scale(self, G):
        return LONG(1)

    def conjugate(self, G):
        return self.norm.polar(G) ** 2 / (2 * LONG(self.alpha))

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG of G makes of the conjugate, and of <A, G>."""
        error = self.norm.largest_polar(dG)
        slope = self.norm.polar(G) / LONG(self.alpha) + self.norm.value(A)
        return error * slope + error**2 / (2 * LONG(self.alpha))


@dataclass(frozen=True)
class TaskRelationship(Square):
    alpha: float

    norm = TraceNorm(1.0)


@dataclass(frozen=True)
class ClusterNorm(Gauge):
    """Its square is eta (1 + eta) min trace(A (eta I + M)^-1 A'), 0 <= M <= I."""

    n_clusters: int | None
    eta: float

    def _total(self, A):
        n_tasks = A.shape[1]
        return min(self.n_clusters or max(1, round(np.sqrt(n_tasks))), n_tasks)

    def value(self, A):
        """M has the eigenvalues clip(c sigma - eta, 0, 1), with the right sum."""
        sigma, eta, total = singular_values(A), LONG(self.eta), self._total(A)
        sigma = sigma[sigma > 0]
        shares = np.ones_like(sigma)
        if len(sigma) > total:
            # so that as many are above 0, and as many at 1
            last = np.sort(sigma)[-total]
            low, high = eta / last, (1 + eta) / last
            for _ in range(HALVINGS):
                c = (low + high) / 2
                shares = np.clip(c * sigma - eta, 0, 1)
                low, high = (c, high) if shares.sum() < total else (low, c)
        return np.sqrt(eta * (1 + eta) * np.sum(sigma**2 / (eta + shares)))

    def polar(self, G):
        squares, eta = np.sort(singular_values(G) ** 2), LONG(self.eta)
        best = squares[-self._total(G) :].sum()
        return np.sqrt((eta * squares.sum() + best) / (eta * (1 + eta)))

    def largest_polar(self, dG):
        return np.sqrt(np.sum(dG**2) / LONG(self.eta))


@dataclass(frozen=True)
class Clustered(Square):
    alpha: float
    n_clusters: int | None
    eta: float

    @property
    def norm(self):
        return ClusterNorm(self.n_clusters, self.eta)


@dataclass(frozen=True)
class GraphRegularized(Penalty):
    """The quadratic of the edges of a graph, which are an array for some tasks."""

    alpha: float
    graph: object
    ridge: float

    @property
    def free_mean(self):
        return self.ridge == 0

    def weights(self, n_tasks):
        """Return the graph as an array."""
        if isinstance(self.graph, str):
            pairs = np.subtract.outer(np.arange(n_tasks), np.arange(n_tasks))
            chain = self.graph == "chain"
            return (abs(pairs) == 1) if chain else (pairs != 0) / LONG(n_tasks)
        return np.array(self.graph, dtype=LONG)

    def parts(self, n_tasks):
        return components(self.weights(n_tasks))

    def restrict(self, kept):
        graph = self.weights(len(kept))
        for t in np.flatnonzero(~kept)[::-1]:
            graph, _ = without(graph, t)
        return replace(self, graph=graph)

    def absent(self, A, kept):
        graph, stack = self.weights(len(kept)), []
        for t in np.flatnonzero(~kept)[::-1]:
            graph, shares = without(graph, t)
            stack.append((t, shares))
        for t, shares in stack[::-1]:
            A = np.insert(A, t, A @ shares, axis=1)
        return A[:, ~kept]

    def _matrix(self, n_tasks):
        graph = self.weights(n_tasks).astype(LONG)
        laplacian = np.diag(graph.sum(axis=1)) - graph
        return LONG(self.alpha) * laplacian + self.ridge * np.eye(n_tasks)

    def value(self, A):
        graph = np.triu(self.weights(A.shape[1]))
        edges = sum(
            graph[s, t] * np.sum((A[:, s] - A[:, t]) ** 2)
            for s, t in np.argwhere(graph)
        )
        return (LONG(self.alpha) * edges + LONG(self.ridge) * np.sum(A**2)) / 2

    def dual_scale(self, G):
        return LONG(1)

    def conjugate(self, G):
        """Return <G, G Q^-1> / 2 where nothing is free."""
        Q = self._matrix(G.shape[1])
        if self.free_mean:
            parts = self.parts(G.shape[1])
            G, Q = project(G, parts), Q + self.alpha * parts @ parts.T
        return np.sum(G * solve(Q, G.T).T) / 2

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG of G makes of a gap, in the metric of the dual."""
        curvatures = np.linalg.eigvalsh(self._matrix(A.shape[1]).astype(float))
        weakest = curvatures[self.free_mean * self.parts(A.shape[1]).shape[1] :]
        if not len(weakest):
            return LONG(0)
        error = np.sum(dG**2) / (2 * weakest[0])
        return error + 2 * np.sqrt(error * max(gap, 0))


@dataclass(frozen=True)
class MeanRegularized(Penalty):
    """The quadratic: alpha on deviations from the mean, alpha_mean on the mean."""

    alpha: float
    alpha_mean: float

    @property
    def free_mean(self):
        return self.alpha_mean == 0

    def value(self, A):
        mean = A.mean(axis=1, keepdims=True)
        common = LONG(self.alpha_mean) * A.shape[1] * np.sum(mean**2)
        return (LONG(self.alpha) * np.sum((A - mean) ** 2) + common) / 2

    def absent(self, A, kept):
        return np.repeat(A.mean(axis=1, keepdims=True), np.sum(~kept), axis=1)

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
