"""Sums over rows of A with an order or a tree of the tasks, or one vector for all."""

from dataclasses import dataclass, replace

import numpy as np

from tests.fuzz.base import Gauge
from tests.fuzz.numerics import HALVINGS, LONG, fuse, row_norms


def polar_of_rows(G, left, bounds):
    """Return the smallest s at which nothing is ``left(row, s)`` of any prox."""
    largest = LONG(0)
    for row, high in zip(G, bounds, strict=True):
        if left(row, largest):
            low = largest
            for _ in range(HALVINGS):
                s = (low + high) / 2
                if not low < s < high:
                    break
                low, high = (s, high) if left(row, s) else (low, s)
            largest = high
    return largest


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
        bounds = np.array([self.largest_polar(row[None]) for row in G])
        return polar_of_rows(G, self._left, bounds)

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
class TreeGroupLasso(Gauge):
    """Of nodes, rows of a mask, whose weights are the roots of their sizes."""

    alpha: float
    tree: object

    def _nodes(self, n_tasks):
        """Return the nodes, once each, from the leaves to the root."""
        nodes = self.tree
        if isinstance(nodes, str):
            nodes = np.vstack([np.eye(n_tasks), np.ones(n_tasks)]) > 0
        nodes = np.unique(nodes[nodes.any(axis=1)], axis=0)
        return nodes[np.argsort(nodes.sum(axis=1), kind="stable")]

    def restrict(self, kept):
        return (
            self
            if isinstance(self.tree, str)
            else replace(self, tree=self.tree[:, kept])
        )

    def value(self, A):
        norms = [
            np.sqrt(LONG(node.sum())) * row_norms(A[:, node], "l2").sum()
            for node in self._nodes(A.shape[1])
        ]
        return LONG(self.alpha) * sum(norms)

    def _left(self, row, s):
        row = row.copy()
        for node in self._nodes(len(row)):
            size = np.sqrt(row[node] @ row[node])
            level = s * self.alpha * np.sqrt(LONG(node.sum()))
            row[node] *= max(LONG(0), 1 - level / size) if size > 0 else 0
        return row.any()

    def polar(self, G):
        return polar_of_rows(G, self._left, np.abs(G).max(axis=1) / LONG(self.alpha))
