"""The tree group penalty: features are used by the tasks of some branches of a tree."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.cluster.hierarchy import linkage

from mtlreg._numba import polar_rows, prox_row, solve_row
from mtlreg.penalties.base import RowPenalty, check_strengths
from mtlreg.penalties.face import linear_face
from mtlreg.penalties.l1 import L1Row
from mtlreg.penalties.l21 import L21Row, row_norms


class TreeRow(NamedTuple):
    """What compiled solvers see of `TreeGroup`: nodes of two or more tasks, and tasks.

    A node comes before the one it lies in.
    """

    alpha: float
    entry: np.ndarray  # weight of each task on its own
    node: np.ndarray  # the smallest node that each task is in, or -1
    weight: np.ndarray  # of each node
    parent: np.ndarray  # the smallest node that each node lies in, or -1


class FlatRow(NamedTuple):
    """The same where the nodes are the tasks and all of them."""

    alpha: float


@prox_row.register(FlatRow)
def _prox_flat_row(params, j, row, step, scratch):
    prox_row(L1Row(params.alpha), j, row, step, scratch)
    if row.size > 1:
        root = params.alpha * np.sqrt(float(row.size))
        prox_row(L21Row(root), j, row, step, scratch)


@solve_row.register(FlatRow)
def _solve_flat_row(params, j, z, curvature, row, scratch):
    if row.size > 1:
        prox_row(L1Row(params.alpha), j, z, 1.0, scratch)
        root = params.alpha * np.sqrt(float(row.size))
        solve_row(L21Row(root), j, z, curvature, row, scratch)
    else:
        solve_row(L1Row(params.alpha), j, z, curvature, row, scratch)


@prox_row.register(TreeRow)
def _prox_row(params, j, row, step, scratch):
    # from the leaves to the root: that of a node, of what those below it have left
    entry, node, weight, parent = (
        params.entry,
        params.node,
        params.weight,
        params.parent,
    )
    level = step * params.alpha
    largest = 0.0
    for t in range(row.size):
        size = max(abs(row[t]) - level * entry[t], 0.0)
        row[t] = size if row[t] > 0.0 else (-size if size > 0.0 else 0.0)
        largest = max(largest, size)
    if largest == 0.0:
        return
    for v in range(weight.size):
        scratch[v] = 0.0
    # squares in units of the largest entry, against overflow
    for t in range(row.size):
        if node[t] >= 0:
            scratch[node[t]] += (row[t] / largest) ** 2
    for v in range(weight.size):
        norm = largest * np.sqrt(scratch[v])
        cut = level * weight[v]
        shrink = 1.0 - cut / norm if norm > cut else 0.0
        if parent[v] >= 0:
            scratch[parent[v]] += shrink * shrink * scratch[v]
        scratch[v] = shrink
    for v in range(weight.size - 1, -1, -1):
        if parent[v] >= 0:
            scratch[v] *= scratch[parent[v]]
    for t in range(row.size):
        if node[t] >= 0:
            row[t] = scratch[node[t]] * row[t] if scratch[node[t]] > 0.0 else 0.0


@solve_row.register(TreeRow)
def _solve_row(params, j, z, curvature, row, scratch):
    # with r_v the norms of the nodes |a_t| = z_t / (c_t + sum_v alpha w_v / r_v), where
    # z is less the weights of entries: the squares s of the r_v are the root of
    # s = H(s) = sum_{t in v} a_t(s)^2, which is concave and grows with s, as a power
    # mean of the exponent -1/2. So Newton's method goes down to it from where s >= H(s)
    entry, node, weight, parent = (
        params.entry,
        params.node,
        params.weight,
        params.parent,
    )
    size, n_nodes = row.size, weight.size
    # which entries are 0 does not depend on the curvature
    for t in range(size):
        row[t] = z[t]
    prox_row(params, j, row, 1.0, scratch)
    bend, flattest, largest = 0.0, np.inf, 0.0
    for t in range(size):
        if row[t] != 0.0:
            z[t] = abs(z[t]) - params.alpha * entry[t]
            bend = max(bend, curvature[t])
            flattest = min(flattest, curvature[t])
            largest = max(largest, z[t])
        else:
            z[t] = 0.0
    if largest == 0.0:
        return
    if flattest == bend:
        for t in range(size):
            row[t] /= bend
        return
    # in units of the largest z and curvature
    alpha, flattest = params.alpha / largest, flattest / bend
    norms, slopes = scratch[:size], scratch[size : 2 * size]
    pulls, rests = scratch[2 * size : 3 * size], scratch[3 * size : 4 * size]
    for v in range(n_nodes):
        norms[v] = 0.0
    for t in range(size):
        if node[t] >= 0:
            norms[node[t]] += (row[t] / largest) ** 2
        row[t] = 1.0 if row[t] > 0.0 else (-1.0 if row[t] < 0.0 else 0.0)
    # all curvatures at the least one: the prox over it, which is too large
    for v in range(n_nodes):
        if parent[v] >= 0:
            norms[parent[v]] += norms[v]
        norms[v] = np.sqrt(norms[v]) / flattest
    tiny = 1e-15 if row.itemsize == 8 else 1e-7
    change = np.inf
    for _ in range(200):
        for v in range(n_nodes - 1, -1, -1):
            above = pulls[parent[v]] if parent[v] >= 0 else 0.0
            own = alpha * weight[v] / norms[v] if norms[v] > 0.0 else 0.0
            pulls[v] = above + own
            rests[v], slopes[v] = 0.0, 0.0
        for t in range(size):
            if z[t] > 0.0 and node[t] >= 0:
                q = curvature[t] / bend + pulls[node[t]]
                share = z[t] / largest / q
                rests[node[t]] += share * share
                slopes[node[t]] += share * share / q
        # (I - H') d = s - H with d the step down, from the leaves to the root and back
        for v in range(n_nodes):
            pulls[v] = 0.0
        for v in range(n_nodes):
            if norms[v] == 0.0:
                continue
            square = norms[v] * norms[v]
            found = rests[v]
            rests[v] = square - found
            gain = alpha * weight[v] / norms[v] / square
            rest = 1.0 - gain * slopes[v]
            if parent[v] >= 0:
                u = parent[v]
                rests[u] += found
                pulls[u] += (pulls[v] + gain * slopes[v] * rests[v]) / rest
                slopes[u] += slopes[v] / rest
        before, change = change, 0.0
        for v in range(n_nodes - 1, -1, -1):
            above = pulls[parent[v]] if parent[v] >= 0 else 0.0
            if norms[v] == 0.0:
                pulls[v] = above
                continue
            square = norms[v] * norms[v]
            gain = alpha * weight[v] / norms[v] / square
            rest = 1.0 - gain * slopes[v]
            down = (rests[v] + pulls[v] + slopes[v] * above) / rest
            pulls[v] = above + gain * down
            # beyond 0 by rounding only
            share = min(down / square, 0.99) if rest > 0.0 else 0.0
            norms[v] *= np.sqrt(1.0 - share)
            change = max(change, abs(share))
        if change <= tiny or (change >= before and change <= np.sqrt(tiny)):
            break
    for v in range(n_nodes - 1, -1, -1):
        above = pulls[parent[v]] if parent[v] >= 0 else 0.0
        own = alpha * weight[v] / norms[v] if norms[v] > 0.0 else 0.0
        pulls[v] = above + own
    for t in range(size):
        pull = pulls[node[t]] if node[t] >= 0 else 0.0
        if z[t] > 0.0:
            row[t] *= z[t] / bend / (curvature[t] / bend + pull)


@dataclass(frozen=True, eq=False)
class TreeGroup(RowPenalty):
    """``alpha sum_j sum_v w_v ||A_jv||_2`` over the nodes v of a tree of the tasks.

    A_jv are the coefficients of feature j in the tasks of the node.

    Parameters
    ----------
    alpha : float
        Strength, > 0.
    groups : ndarray of bool, shape (n_tasks, n_nodes), optional
        Which tasks are in which node: two nodes share no task, or one lies in the
        other. By default the nodes are the single tasks and all tasks together.
    node_weight : "size" or ndarray of shape (n_nodes,), default="size"
        The w_v, >= 0, and > 0 for some node of every task; "size" is the square root of
        the number of tasks, where two nodes of the same tasks are one.
    ward : bool, default=False
        Whether groups that are not given are learned of single-task fits: by Ward's
        linkage of the columns of A.

    References
    ----------
    Kim, Xing (2012), Tree-guided group lasso for multi-response regression with
    structured sparsity. The prox: Jenatton, Mairal, Obozinski, Bach (2011),
    Proximal methods for hierarchical sparse coding, by composition from the leaves.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import TreeGroup
    >>> pair = np.array([[True, True], [True, True], [False, True]])
    >>> penalty = TreeGroup(1.0, pair, node_weight=[1.0, 2.0])
    >>> penalty.prox(np.array([[3.0, 4.0, 3.0]]), step=1.0).round(12)
    array([[1.44, 1.92, 1.8 ]])
    """

    alpha: float
    groups: np.ndarray | None = None
    node_weight: Any = "size"
    ward: bool = False

    by_task: ClassVar[tuple[str, ...]] = ("groups",)

    of_magnitudes = True
    has_tangent = False

    def __post_init__(self):
        check_strengths(self)
        if self.groups is not None:
            groups = np.array(self.groups)
            if groups.dtype != bool or groups.ndim != 2:
                raise ValueError(
                    f"groups of TreeGroup must hold True or False for every task and "
                    f"node, got {self.groups!r}"
                )
            object.__setattr__(self, "groups", groups)
        if not self._by_size:
            object.__setattr__(self, "node_weight", self._read_weight())
        if self.groups is not None:
            self._check_covered()
            self._tree  # noqa: B018  (which is there of trees alone)

    @property
    def _by_size(self):
        return isinstance(self.node_weight, str) and self.node_weight == "size"

    def _read_weight(self):
        try:
            weight = np.array(self.node_weight, dtype=np.float64)
        except (TypeError, ValueError):
            weight = np.empty(0)
        if weight.ndim != 1 or not np.all((weight >= 0) & (weight < np.inf)):
            weight = np.empty(0)
        n_nodes = len(weight) if self.groups is None else self.groups.shape[1]
        if not weight.size or weight.shape != (n_nodes,):
            which = "every node" if self.groups is None else f"each of {n_nodes} nodes"
            raise ValueError(
                f"node_weight must be 'size' or hold one number >= 0 for {which} of "
                f"the tree, in the order of the rows of tree_; got {self.node_weight!r}"
            )
        return weight

    def _check_covered(self):
        bare = ~(self.groups @ (self._weights > 0))
        if bare.any():
            raise ValueError(
                f"node_weight leaves the task in place {np.argmax(bare)} of tasks_ "
                f"without a node of weight > 0, so that its coefficients would cost "
                f"nothing: give one of its nodes a weight"
            )

    @cached_property
    def _sets(self):
        """Where each set of tasks is first, and which set each node is."""
        # eight tasks a byte, which are sorted sooner
        bits = np.packbits(self.groups, axis=0)
        _, first, place = np.unique(
            bits, axis=1, return_index=True, return_inverse=True
        )
        return first, place.ravel()

    @cached_property
    def _weights(self):
        """The w_v of the columns of groups, 0 for one that is there before."""
        if not self._by_size:
            return self.node_weight
        first, _ = self._sets
        weight = np.zeros(self.groups.shape[1])
        weight[first] = np.sqrt(self.groups[:, first].sum(axis=0))
        return weight

    @cached_property
    def _tree(self):
        """The `TreeRow` but for the strength, and which tasks are in its nodes."""
        first, place = self._sets
        sets = self.groups[:, first]
        weight = np.bincount(place, self._weights, minlength=len(first))
        counts = sets.sum(axis=0)
        entry = sets[:, counts == 1] @ weight[counts == 1]
        inner = np.flatnonzero((counts > 1) & (weight > 0))
        inner = inner[np.argsort(counts[inner], kind="stable")]
        sets, weight = sets[:, inner], weight[inner]
        parent, node = _nest(sets)
        return TreeRow(1.0, entry, node, weight, parent), sets.astype(np.float64)

    @property
    def row_params(self):
        if self.groups is None:
            return FlatRow(float(self.alpha))
        return self._tree[0]._replace(alpha=float(self.alpha))

    def scaled(self, factor):
        # of the same tree, which is not sorted out anew
        other = object.__new__(type(self))
        vars(other).update(vars(self), alpha=factor * self.alpha)
        check_strengths(other)
        return other

    def _nodes(self, n_tasks):
        """Return the weights of entries, and the tasks and weights of the nodes."""
        if self.groups is None:
            root = np.ones((n_tasks, int(n_tasks > 1)))
            return np.ones(n_tasks), root, np.sqrt(root.sum(axis=0))
        row, sets = self._tree
        return row.entry, sets, row.weight

    def _row_values(self, A):
        entry, sets, weight = self._nodes(A.shape[1])
        unit, largest = _in_units(A)
        norms = np.abs(unit) @ entry + np.sqrt(unit**2 @ sets) @ weight
        return self.alpha * largest * norms

    def value(self, A):
        return float(np.sum(self._row_values(A)))

    def row_polars(self, G):
        unit, largest = _in_units(G)
        values = self._row_values(unit)
        values[values == 0] = np.inf
        polars = row_norms(unit) ** 2 / values
        polar_rows(self.row_params, unit, polars, np.empty((2, G.shape[1])))
        return largest * polars

    def face(self, A):
        # with r_v the norms of the nodes, the Hessian is less than that of one norm of
        # all entries with the diagonal sum_v alpha w_v / r_v, and the same along A
        entry, sets, weight = self._nodes(A.shape[1])
        unit, largest = _in_units(A)
        norms = largest[:, None] * np.sqrt(unit**2 @ sets)
        pulls = np.divide(weight, norms, out=np.zeros_like(norms), where=norms > 0)
        bend = np.where(A != 0, self.alpha * (pulls @ sets.T), 0.0)
        length = np.sqrt(np.sum(bend * unit**2, axis=1, keepdims=True))
        along = np.divide(bend * unit, length, out=np.zeros(A.shape), where=length > 0)
        bend, along = bend.astype(A.dtype), along.astype(A.dtype)
        entries = linear_face(A, (self.alpha * entry).astype(A.dtype))
        return entries._replace(
            slope=entries.slope + bend * A,
            bend=bend,
            direction=along,
            ratio=entries.ratio + bend,
        )

    def retract(self, A, moved):
        return np.where(A * moved > 0, moved, 0)

    @property
    def learns(self):
        return self.ward and self.groups is None

    def learned(self, training):
        """As `mtlreg.penalties.learning.learned`."""
        groups = ward_groups(training.coefficients(), training.kept)
        return replace(self, groups=groups)

    def attributes(self, A, blocks):
        groups = flat_groups(A.shape[1]) if self.groups is None else self.groups
        found = {"tree_": np.ascontiguousarray(groups.T)}
        return super().attributes(A, blocks) | found


def _in_units(A):
    """Return A in units of the largest entry of each row, against overflow, and these.

    In float64.
    """
    exact = np.asarray(A, dtype=np.float64)
    largest = np.max(np.abs(exact), axis=1, initial=0.0)
    return exact / np.where(largest > 0, largest, 1.0)[:, None], largest


def _nest(sets):
    """Return what every set lies in, and every task: the smallest one, or -1.

    Parameters
    ----------
    sets : ndarray of bool, shape (n_tasks, n_sets)
        Different ones, the smaller first.
    """
    parent, node = np.full(sets.shape[1], -1), np.full(len(sets), -1)
    for v in range(sets.shape[1] - 1, -1, -1):
        around = np.unique(node[sets[:, v]])
        if len(around) > 1:
            raise ValueError(
                f"the nodes of a tree are apart or one lies in the other, but that of "
                f"the tasks in the places {np.flatnonzero(sets[:, v]).tolist()} of "
                f"tasks_ shares only some of them with another: change one of the two"
            )
        parent[v], node[sets[:, v]] = around[0], v
    return parent, node


def flat_groups(n_tasks):
    """Return the nodes of the tree in which all tasks are next to each other."""
    if n_tasks == 1:
        return np.ones((1, 1), dtype=bool)
    return np.eye(n_tasks, n_tasks + 1, dtype=bool) | (
        np.arange(n_tasks + 1) == n_tasks
    )


def linked_groups(links, n_tasks):
    """Return the nodes of a linkage matrix as scipy has it: tasks, then each link."""
    groups = np.eye(n_tasks, n_tasks + len(links), dtype=bool)
    for i, (one, other) in enumerate(links[:, :2].astype(np.intp)):
        groups[:, n_tasks + i] = groups[:, one] | groups[:, other]
    return groups


def ward_groups(A, kept):
    """Return the nodes of Ward's linkage of the columns of A, of the tasks kept.

    The other tasks are below the root alone.
    """
    n_tasks, n_kept = len(kept), A.shape[1]
    links = linkage(A.T, "ward") if n_kept > 1 else np.empty((0, 4))
    linked = linked_groups(links, n_kept)[:, n_kept:]
    groups = np.eye(n_tasks, n_tasks + linked.shape[1], dtype=bool)
    groups[kept, n_tasks:] = linked
    if n_kept < n_tasks:
        groups = np.append(groups, np.ones((n_tasks, 1), dtype=bool), axis=1)
    return groups
