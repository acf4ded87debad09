"""The penalties in extended precision: values, polars, conjugates."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tests.fuzz.base import Gauge, Penalty
from tests.fuzz.numerics import (
    HALVINGS,
    LONG,
    components,
    directions,
    project,
    row_norms,
    singular_values,
    solve,
    without,
)

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


@dataclass(frozen=True)
class ColumnsInDesign(Gauge):
    """The lengths of what rows predict, of the columns that they see."""

    alpha: float
    roots: list

    def value(self, A):
        parts = zip(self.roots, A.T, strict=True)
        return LONG(self.alpha) * sum(np.sqrt(np.sum((R @ a) ** 2)) for R, a in parts)

    @cached_property
    def _spectra(self):
        """Bases of what the rows see, in float64, and their Gram matrices in these."""
        found = []
        for R in self.roots:
            values, Q = np.linalg.eigh((R.T @ R).astype(float))
            Q = Q[:, values > 10 * len(Q) * np.finfo(float).eps * values.max()]
            found.append((Q.astype(LONG), (R @ Q).T @ (R @ Q)))
        return found

    def polar(self, G):
        squares = [
            (Q.T @ g) @ solve(K, Q.T @ g)
            for (Q, K), g in zip(self._spectra, G.T, strict=True)
        ]
        return np.sqrt(max(squares)) / LONG(self.alpha)

    def largest_polar(self, dG):
        squares = [
            np.sum((np.abs(Q.T) @ np.abs(g)) ** 2 / np.diag(K))
            for (Q, K), g in zip(self._spectra, dG.T, strict=True)
        ]
        return np.sqrt(max(squares)) / LONG(self.alpha)


@dataclass(frozen=True)
class RobustMean(Gauge):
    """Of a center, the mean of the first block, and deviations from it.

    Its polar is that where the center gains nothing.
    """

    alpha: float
    metric: str

    has_blocks = True
    free_mean = True

    @property
    def columns(self):
        """The penalty of the deviations."""
        return ColumnL2(self.alpha)

    def of_design(self, roots):
        if self.metric == "identity":
            return self
        return InDesign(self.alpha, self.metric, roots)

    def value(self, A):
        return self.columns.value(A.sum(axis=0) - A[0].mean(axis=1, keepdims=True))

    def polar(self, G):
        return self.columns.polar(G)

    def largest_polar(self, dG):
        return self.columns.largest_polar(dG)

    def settled(self, A, kept):
        """Return whether the other tasks are at the center."""
        unit = 100 * np.finfo(A.dtype).eps * np.abs(A).max()
        return not A[1][:, ~kept].any() and np.all(np.ptp(A[0], axis=1) <= unit)


@dataclass(frozen=True)
class InDesign(RobustMean):
    """The same with deviations by what the rows of tasks predict."""

    roots: list

    @cached_property
    def columns(self):
        """The penalty of the deviations."""
        return ColumnsInDesign(self.alpha, self.roots)


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

    def _laplacian(self, n_tasks):
        graph = self.weights(n_tasks).astype(LONG)
        return np.diag(graph.sum(axis=1)) - graph

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
        """Return <G, G Q^-1> / 2 where nothing is free, of the means by themselves.

        A ridge may be less than the rounding of a strength.
        """
        parts = self.parts(G.shape[1])
        Q = self.alpha * (self._laplacian(G.shape[1]) + parts @ parts.T)
        Q += self.ridge * np.eye(len(Q))
        inner = project(G, parts)
        total = np.sum(inner * solve(Q, inner.T).T) / 2
        if self.ridge:
            total += np.sum((G - inner) ** 2) / (2 * LONG(self.ridge))
        return total

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG of G makes of a gap, in the metric of the dual."""
        curvatures = np.linalg.eigvalsh(self._laplacian(A.shape[1]).astype(float))
        tied = self.alpha * curvatures[self.parts(A.shape[1]).shape[1] :]
        weakest = np.append(tied, self.ridge)
        if not weakest.any():
            return LONG(0)
        error = np.sum(dG**2) / (2 * weakest[weakest > 0].min())
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
