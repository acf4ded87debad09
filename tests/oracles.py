"""Slow references that share no code with the package: one per penalty and per loss.

A penalty has a CVXPY expression and, in numpy, what its dual needs: the polar of a
gauge or the conjugate of a quadratic; and the penalties of its kind that tests try. A
loss has its pointwise formulas and a CVXPY expression. A registry entry without an
oracle fails the suite.
"""

import itertools
import warnings
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from scipy.optimize import brentq, lsq_linear, minimize_scalar, nnls
from scipy.special import xlogy

from mtlreg.losses import LOSSES
from mtlreg.penalties import (
    L1,
    L21,
    PENALTIES,
    ColumnL2,
    CommonDeviation,
    CompleteGraph,
    Consensus,
    Dirty,
    FusedGroup,
    InfimalSum,
    L1Linf,
    MeanRegularization,
    Positive,
    PositiveMean,
    Ridge,
    SparseGroup,
    SquaredClusterNorm,
    SquaredTraceNorm,
    TraceNorm,
)
from tests import shared_oracles


def minimise(objective):
    """Minimise a CVXPY expression, its variables keep the minimiser; its value."""
    # asked for more than it may reach, of which it then warns, or breaks down
    options = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    problem = cp.Problem(cp.Minimize(objective))
    with warnings.catch_warnings(action="ignore"):
        try:
            return problem.solve(cp.CLARABEL, **options)
        except cp.SolverError:
            return problem.solve(cp.SCS, eps_abs=1e-9, eps_rel=1e-9)


class LossOracle(NamedTuple):
    """Pointwise formulas at target y, prediction z, dual q; targets near a number.

    ``domain`` holds the targets' ends of the q with a finite conjugate.
    """

    value: object
    slope: object
    bend: object
    conjugate: object
    domain: object
    expression: object
    target: object


def _entropy(a):
    a = np.clip(a, 0, 1)
    return xlogy(a, a) + xlogy(1 - a, 1 - a)


LOSS_ORACLES = {
    "squared": LossOracle(
        value=lambda y, z: (y - z) ** 2 / 2,
        slope=lambda y, z: z - y,
        bend=lambda y, z: np.ones_like(z),
        conjugate=lambda y, q: q**2 / 2 + q * y,
        domain=lambda y: (-np.inf, np.inf),
        expression=lambda y, z: cp.square(y - z) / 2,
        target=lambda z: z,
    ),
    "logistic": LossOracle(
        value=lambda y, z: np.log1p(np.exp(-y * z)),
        slope=lambda y, z: -y / (1 + np.exp(y * z)),
        bend=lambda y, z: 1 / (2 + np.exp(z) + np.exp(-z)),
        conjugate=lambda y, q: _entropy(-q * y),
        domain=lambda y: (min(-y, 0.0), max(-y, 0.0)),
        expression=lambda y, z: cp.logistic(-cp.multiply(y, z)),
        target=lambda z: np.where(z > 0, 1.0, -1.0),
    ),
}


def loss_oracle(loss):
    return LOSS_ORACLES[_key(LOSSES, loss)]


class PenaltyOracle(NamedTuple):
    """CVXPY expression of the matrix (of its blocks), and polar or conjugate of G.

    ``cases`` are the penalties to try, by name.
    """

    expression: object
    dual: object
    cases: dict


def _l1(penalty, A):
    return penalty.alpha * cp.sum(cp.abs(A))


def _l1_polar(penalty, G):
    return np.abs(G).max() / penalty.alpha


def _l21(penalty, A):
    return penalty.alpha * sum(cp.norm2(row) for row in A)


def _l21_polar(penalty, G):
    return max(np.linalg.norm(row) for row in G) / penalty.alpha


def _l1linf(penalty, A):
    return penalty.alpha * sum(cp.max(cp.abs(row)) for row in A)


def _l1linf_polar(penalty, G):
    return max(np.abs(row).sum() for row in G) / penalty.alpha


def _group(norm, alpha):
    return {"l2": L21, "linf": L1Linf}[norm](alpha)


def _sparse_group(penalty, A):
    group = _group(penalty.norm, penalty.alpha * (1 - penalty.l1_ratio))
    return expression(group, A) + expression(L1(penalty.alpha * penalty.l1_ratio), A)


def _sparse_group_polar(penalty, G):
    """The root s of ``||soft(g, s alpha r)||_q* = s alpha (1 - r)``, largest row."""
    r = penalty.l1_ratio
    order = {"l2": 2, "linf": 1}[penalty.norm]
    roots = [0.0]
    for g in np.abs(G):

        def excess(s, g=g):
            soft = np.maximum(g - s * penalty.alpha * r, 0)
            return np.linalg.norm(soft, order) - s * penalty.alpha * (1 - r)

        # the root is at most the polar of the L1 part alone
        upper = g.max() / (penalty.alpha * r)
        if upper > 0:
            roots.append(brentq(excess, 0, upper, xtol=1e-15 * upper, rtol=1e-14))
    return max(roots)


def _fused_group(penalty, A):
    costs = expression(L1(1.0), A) * penalty.alpha_sparse
    costs += expression(L21(1.0), A) * penalty.alpha_group
    for t in range(A.shape[1] - 1):
        costs += penalty.alpha_fused * cp.norm1(A[:, t + 1] - A[:, t])
    return costs


def _fused_group_polar(penalty, G):
    """The root s of the distance of g from s times the ball without the group norm.

    Without it: the largest ratio of the sum of g over an interval to its cost.
    """
    T = G.shape[1]
    changes = np.eye(T)[:, 1:] - np.eye(T)[:, :-1]
    columns = np.hstack(
        [penalty.alpha_sparse * np.eye(T), penalty.alpha_fused * changes]
    )
    roots = [0.0]
    for g in G:
        size = np.abs(g).max()
        if penalty.alpha_group == 0:
            for start, end in itertools.combinations(range(T + 1), 2):
                indicator = (np.arange(T) >= start) & (np.arange(T) < end)
                cost = np.abs(columns.T @ indicator).sum()
                roots.append(abs(g @ indicator) / cost)
        elif size > 0:

            def excess(s, g=g / size):
                found = lsq_linear(s * columns, g, (-1, 1), "bvls", tol=1e-15)
                return np.linalg.norm(found.fun) - s * penalty.alpha_group

            upper = np.linalg.norm(g / size) / penalty.alpha_group
            roots.append(size * brentq(excess, 0, upper, xtol=1e-15, rtol=1e-14))
    return max(roots)


def _tree_costs(penalty, n_tasks):
    """The strength of each set of tasks that is a node; single tasks always are."""
    every, groups = frozenset(range(n_tasks)), penalty.groups
    if groups is None:
        nodes = [frozenset([t]) for t in every] + [every]
    else:
        nodes = [frozenset(np.flatnonzero(column).tolist()) for column in groups.T]
    by_size = isinstance(penalty.node_weight, str)
    costs = dict.fromkeys([frozenset([t]) for t in every], 0.0)
    for i, node in enumerate(nodes):
        if by_size:
            costs[node] = len(node) ** 0.5
        else:
            costs[node] = costs.get(node, 0.0) + penalty.node_weight[i]
    return {node: penalty.alpha * cost for node, cost in costs.items() if node}


def _tree_group(penalty, A):
    costs = _tree_costs(penalty, A.shape[1]).items()
    return sum(cost * cp.norm2(row[sorted(node)]) for node, cost in costs for row in A)


def _tree_group_polar(penalty, G):
    """The root s of what the nodes leave of g, each after those in it."""
    costs = _tree_costs(penalty, G.shape[1])
    costs = {node: cost for node, cost in costs.items() if cost > 0 or len(node) == 1}
    roots = [0.0]

    def excess(s, g, node):
        inside = [other for other in costs if other < node]
        tops = [other for other in inside if not any(other < one for one in inside)]
        rests = [max(excess(s, g, top), 0) for top in tops]
        return np.linalg.norm(rests or g[list(node)]) - s * costs[node]

    for g in G:
        for node in [node for node in costs if not any(node < one for one in costs)]:
            size = np.linalg.norm(g[list(node)])
            if size > 0:
                top = 1.1 * size / costs[node]
                roots.append(brentq(excess, 0, top, (g, node), 1e-15 * top, 1e-14))
    return max(roots)


def _trace(penalty, A):
    return penalty.alpha * cp.normNuc(A)


def _trace_polar(penalty, G):
    return np.linalg.svd(G, compute_uv=False)[0] / penalty.alpha


def _squared_trace(penalty, A):
    return penalty.alpha / 2 * cp.square(cp.normNuc(A))


def _squared_trace_conjugate(penalty, G):
    return np.linalg.svd(G, compute_uv=False)[0] ** 2 / (2 * penalty.alpha)


def _n_clusters(penalty, n_tasks):
    if penalty.n_clusters is None:
        return max(1, round(n_tasks**0.5))
    return min(penalty.n_clusters, n_tasks)


def _cluster(penalty, A):
    """By the covariance itself."""
    n_tasks, eta = A.shape[1], penalty.eta
    M = cp.Variable((n_tasks, n_tasks), PSD=True)
    inside = [np.eye(n_tasks) - M >> 0, cp.trace(M) == _n_clusters(penalty, n_tasks)]
    cost = cp.matrix_frac(A.T, eta * np.eye(n_tasks) + M)
    return penalty.alpha / 2 * eta * (1 + eta) * cost + _held(inside)


def _cluster_value(penalty, A):
    """By bisection for the level of which the shares have the sum."""
    n_tasks, eta = A.shape[1], penalty.eta
    sigma = np.linalg.svd(A, compute_uv=False)
    sigma = sigma[sigma > 1e-14 * sigma.max(initial=0)]
    k = min(_n_clusters(penalty, n_tasks), len(sigma))

    def shares(x):
        return np.clip(sigma * x - eta, 0, 1)

    if k == 0:
        return 0.0
    top = (1 + eta) / sigma.min()
    m = shares(top)
    if k < len(sigma):
        m = shares(brentq(lambda x: shares(x).sum() - k, 0, top, xtol=1e-15 * top))
    return penalty.alpha / 2 * eta * (1 + eta) * np.sum(sigma**2 / (eta + m))


def _cluster_conjugate(penalty, G):
    sigma, eta = np.linalg.svd(G, compute_uv=False), penalty.eta
    best = sigma[: _n_clusters(penalty, G.shape[1])]
    total = eta * np.sum(sigma**2) + np.sum(best**2)
    return total / (2 * penalty.alpha * eta * (1 + eta))


def _held(constraints):
    """The indicator of constraints, of which there may be none."""
    return cp.transforms.indicator(constraints) if constraints else 0


def _mean_rows(penalty, n_features):
    """The strengths of each row, or None where it is excluded."""
    strengths = penalty.alpha, penalty.alpha_mean, penalty.ridge
    rows = zip(*(np.broadcast_to(s, n_features) for s in strengths), strict=True)
    return [None if row[1] == np.inf else _MeanRow(*row) for row in rows]


class _MeanRow(NamedTuple):
    alpha: float
    alpha_mean: float
    ridge: float


def _mean(penalty, A):
    if np.ndim(penalty.alpha):
        rows = enumerate(_mean_rows(penalty, A.shape[0]))
        parts = [(row, A[j : j + 1]) for j, row in rows]
        excluded = [a == 0 for row, a in parts if not row]
        total = sum(_mean(row, a) for row, a in parts if row)
        return total + _held(excluded)
    mean = cp.sum(A, axis=1) / A.shape[1]
    spread = sum(cp.sum_squares(A[:, t] - mean) for t in range(A.shape[1]))
    common = penalty.alpha_mean * A.shape[1] * cp.sum_squares(mean)
    return (penalty.alpha * spread + common + penalty.ridge * cp.sum_squares(A)) / 2


def _mean_matrix(penalty, n_tasks):
    """Q, alpha on the deviations and alpha_mean on the mean."""
    average = np.ones((n_tasks, n_tasks)) / n_tasks
    Q = penalty.alpha * (np.eye(n_tasks) - average) + penalty.alpha_mean * average
    return Q + penalty.ridge * np.eye(n_tasks)


def _mean_conjugate(penalty, G):
    """``tr(G Q^+ G') / 2``, of each row."""
    if np.ndim(penalty.alpha):
        rows = zip(_mean_rows(penalty, len(G)), G, strict=True)
        return sum(_mean_conjugate(row, g[None]) for row, g in rows if row)
    Q = _mean_matrix(penalty, G.shape[1])
    return np.trace(G @ np.linalg.pinv(Q, hermitian=True) @ G.T) / 2


def _graph_rows(penalty, n_features):
    """The alpha of each row, or None where it is excluded."""
    rows = np.broadcast_to(penalty.alpha, n_features)
    return [None if alpha == np.inf else alpha for alpha in rows]


def _graph(penalty, A):
    """Edge by edge, each once."""
    rows = _graph_rows(penalty, A.shape[0])
    total = penalty.ridge / 2 * cp.sum_squares(A)
    for s, t in zip(*np.nonzero(np.triu(penalty.graph)), strict=True):
        apart = cp.square(A[:, s] - A[:, t])
        alpha = np.array([alpha or 0.0 for alpha in rows])
        total += penalty.graph[s, t] / 2 * (alpha @ apart)
    return total + _held([A[j] == 0 for j, alpha in enumerate(rows) if alpha is None])


def _graph_conjugate(penalty, G):
    """``tr(G Q^+ G') / 2``, of each row."""
    n_tasks, total = G.shape[1], 0.0
    incidence = [
        np.sqrt(penalty.graph[s, t]) * (np.eye(n_tasks)[s] - np.eye(n_tasks)[t])
        for s in range(n_tasks)
        for t in range(s)
    ]
    laplacian = sum((np.outer(e, e) for e in incidence), np.zeros((n_tasks, n_tasks)))
    for alpha, g in zip(_graph_rows(penalty, len(G)), G, strict=True):
        if alpha is not None:
            Q = alpha * laplacian + penalty.ridge * np.eye(n_tasks)
            total += g @ np.linalg.pinv(Q, rcond=1e-13, hermitian=True) @ g / 2
    return total


def _dirty(penalty, A):
    B = cp.Variable(A.shape)
    shared = expression(_group(penalty.norm, penalty.alpha_shared), B)
    return shared + expression(L1(penalty.alpha_specific), A - B)


def _dirty_polar(penalty, G):
    shared = polar(_group(penalty.norm, penalty.alpha_shared), G)
    return max(shared, _l1_polar(L1(penalty.alpha_specific), G))


def _signed(penalty, n_features):
    """Which features may not be negative."""
    return np.flatnonzero(np.broadcast_to(penalty.positive, n_features))


def _positive(penalty, A):
    signs = cp.transforms.indicator([A[_signed(penalty, A.shape[0])] >= 0])
    return expression(penalty.penalty, A) + signs


def _positive_polar(penalty, G):
    cut = np.array(G)
    which = _signed(penalty, len(G))
    cut[which] = np.maximum(cut[which], 0)
    return polar(penalty.penalty, cut)


def _positive_mean_conjugate(penalty, G):
    """By the best of all supports of a row with a solution that is not negative."""
    total = 0.0
    rows = _mean_rows(penalty.penalty, len(G))
    for row, g in [pair for pair in zip(rows, G, strict=True) if pair[0]]:
        Q = _mean_matrix(row, len(g))
        values = [0.0]
        for size in range(1, len(g) + 1):
            for support in map(list, itertools.combinations(range(len(g)), size)):
                a = np.linalg.solve(Q[np.ix_(support, support)], g[support])
                values += [a @ g[support] / 2] if np.all(a >= 0) else []
        total += max(values)
    return total


def _weighted(penalty, A):
    """Excluded features have coefficients of 0."""
    weight = penalty.feature_weight
    finite, excluded = np.where(np.isinf(weight), 0, weight), np.isinf(weight)
    found = expression(penalty.penalty, cp.multiply(finite[:, None], A))
    return found + _held([A[j] == 0 for j in np.flatnonzero(excluded)])


def _weighted_polar(penalty, G):
    """On what it penalises."""
    held = penalty.feature_weight > 0
    return polar(penalty.penalty, G[held] / penalty.feature_weight[held, None])


def _ridge(penalty, A):
    return expression(penalty.penalty, A) + penalty.ridge / 2 * cp.sum_squares(A)


def _ridge_dual(penalty, G):
    """The polar, or of a squared trace norm the conjugate.

    The best singular values s >= 0 have ``g's - alpha/2 (sum s)^2 - ridge/2 ||s||^2``.
    """
    if penalty.penalty.has_polar:
        return polar(penalty.penalty, G)
    g = np.linalg.svd(G, compute_uv=False)
    Q = penalty.penalty.alpha + penalty.ridge * np.eye(len(g))
    root = np.linalg.cholesky(Q).T
    _, distance = nnls(root, target := np.linalg.solve(root.T, g))
    return (target @ target - distance**2) / 2


def _tied(penalty, A):
    return expression(penalty.penalty, A) + expression(penalty.quadratic, A)


def _tied_polar(penalty, G):
    return polar(penalty.penalty, G)


def _infimal_sum(penalty, blocks):
    costs = expression(penalty.first, blocks[0]) + expression(penalty.second, blocks[1])
    return costs + penalty.ridge / 2 * cp.sum_squares(blocks[0] + blocks[1])


def _infimal_sum_polar(penalty, G):
    if isinstance(penalty.first, Consensus):
        # which is free, and left out
        G = G - G.mean(axis=1, keepdims=True)
    return max(polar(penalty.first, G), polar(penalty.second, G))


PENALTY_ORACLES = {
    "l1": PenaltyOracle(_l1, _l1_polar, {"l1": L1(0.7)}),
    "l21": PenaltyOracle(_l21, _l21_polar, {"l21": L21(1.3)}),
    "l1linf": PenaltyOracle(_l1linf, _l1linf_polar, {"l1linf": L1Linf(1.1)}),
    "sparse_group": PenaltyOracle(
        _sparse_group,
        _sparse_group_polar,
        {
            "sparse-l2": SparseGroup(0.9, 0.4, "l2"),
            "sparse-linf": SparseGroup(1.2, 0.6, "linf"),
        },
    ),
    "fused_group": PenaltyOracle(
        _fused_group,
        _fused_group_polar,
        {
            "fused": FusedGroup(0.6, 0.5, 0.3),
            "fused-group": FusedGroup(0.8, 1.1, 0.0),
            "fused-entries": FusedGroup(1.1, 0.0, 0.4),
        },
    ),
    # of so many tasks as the tree has: see `tests.problems.WEIGHTED_CASES`
    "tree_group": PenaltyOracle(_tree_group, _tree_group_polar, {}),
    "trace": PenaltyOracle(_trace, _trace_polar, {"trace": TraceNorm(0.8)}),
    "squared_trace": PenaltyOracle(
        _squared_trace,
        _squared_trace_conjugate,
        {"squared-trace": SquaredTraceNorm(0.3)},
    ),
    # the other block of a sum: see `tests.problems.WEIGHTED_CASES`
    "consensus": PenaltyOracle(shared_oracles.consensus, lambda penalty, G: 0.0, {}),
    "column_l2": PenaltyOracle(
        shared_oracles.column_l2,
        shared_oracles.column_l2_polar,
        {"columns": ColumnL2(1.1)},
    ),
    "squared_cluster": PenaltyOracle(
        _cluster,
        _cluster_conjugate,
        {"squared-cluster": SquaredClusterNorm(0.3, 2, eta=0.2)},
    ),
    "mean": PenaltyOracle(
        _mean,
        _mean_conjugate,
        {
            "mean": MeanRegularization(0.3, 0.05),
            "mean-free": MeanRegularization(0.3, 0.0),
            "mean-ridge": MeanRegularization(0.3, 0.0, ridge=0.2),
        },
    ),
    "complete_graph": PenaltyOracle(
        _mean, _mean_conjugate, {"mean-complete": CompleteGraph(0.3, ridge=0.2)}
    ),
    # of so many tasks as the graph has: see `tests.problems.WEIGHTED_CASES`
    "graph": PenaltyOracle(_graph, _graph_conjugate, {}),
    "dirty": PenaltyOracle(
        _dirty,
        _dirty_polar,
        {
            "dirty-linf": Dirty(1.5, 0.9, "linf"),
            "dirty-l2": Dirty(1.2, 0.9, "l2"),
        },
    ),
    "common_deviation": PenaltyOracle(
        shared_oracles.common_deviation,
        shared_oracles.common_deviation_polar,
        {"common": CommonDeviation(1.3, 0.9)},
    ),
    "infimal_sum": PenaltyOracle(
        _infimal_sum,
        _infimal_sum_polar,
        {
            "sum-linf": InfimalSum(L1Linf(1.5), L1(0.9)),
            "sum-trace": InfimalSum(TraceNorm(1.0), L1(0.6)),
            "sum-columns": InfimalSum(TraceNorm(1.0), ColumnL2(0.7)),
            "positive-sum": InfimalSum(Positive(L1Linf(1.5)), Positive(L1(0.9))),
            "ridge-sum": InfimalSum(TraceNorm(1.0), L1(0.6), ridge=0.4),
        },
    ),
    "ridge": PenaltyOracle(
        _ridge,
        _ridge_dual,
        {
            "ridge-l21": Ridge(L21(1.3), 0.4),
            "ridge-linf": Ridge(SparseGroup(1.2, 0.6, "linf"), 0.2),
            "ridge-dirty": Ridge(Dirty(1.2, 0.9, "l2"), 0.3),
            "ridge-trace": Ridge(TraceNorm(0.8), 0.5),
            "ridge-squared": Ridge(SquaredTraceNorm(0.3), 0.2),
            "positive-ridge": Ridge(Positive(L1Linf(1.1)), 0.3),
        },
    ),
    # see `tests/penalties/test_tied.py`
    "tied": PenaltyOracle(_tied, _tied_polar, {}),
    # of so many features as there are weights: see `tests.problems.WEIGHTED_CASES`
    "weighted": PenaltyOracle(_weighted, _weighted_polar, {}),
    "positive": PenaltyOracle(
        _positive,
        _positive_polar,
        {
            "positive-l1": Positive(L1(0.7)),
            "positive-l21": Positive(L21(1.3)),
            "positive-linf": Positive(SparseGroup(1.2, 0.6, "linf")),
            "positive-dirty": Positive(Dirty(1.5, 0.9, "linf")),
        },
    ),
    "positive_mean": PenaltyOracle(
        _positive,
        _positive_mean_conjugate,
        {"positive-mean": PositiveMean(MeanRegularization(0.3, 0.05))},
    ),
}


def _key(registry, entry):
    (name,) = (name for name, kind in registry.items() if type(entry) is kind)
    return name


def expression(penalty, A):
    """The penalty of a CVXPY matrix, or of the list of blocks of an infimal sum."""
    return PENALTY_ORACLES[_key(PENALTIES, penalty)].expression(penalty, A)


def polar(penalty, G):
    """The polar of a gauge at G."""
    return PENALTY_ORACLES[_key(PENALTIES, penalty)].dual(penalty, G)


def conjugate(penalty, G):
    """The conjugate of a quadratic penalty at G, on what it penalises."""
    return PENALTY_ORACLES[_key(PENALTIES, penalty)].dual(penalty, G)


def value(penalty, A):
    """The penalty at an array (stacked blocks for an infimal sum), in numpy."""
    if type(penalty) is PENALTIES["dirty"]:
        return sum(dirty_row(penalty, row)[0] for row in np.abs(A))
    if type(penalty) is PENALTIES["consensus"]:
        return shared_oracles.consensus_value(A)
    if type(penalty) is PENALTIES["column_l2"]:
        return shared_oracles.column_l2_value(penalty, A)
    if type(penalty) is PENALTIES["common_deviation"]:
        return shared_oracles.common_deviation_value(penalty, A)
    if type(penalty) is PENALTIES["squared_cluster"]:
        return _cluster_value(penalty, A)
    if type(penalty) is PENALTIES["weighted"]:
        finite = np.isfinite(weight := penalty.feature_weight)
        scaled = np.where(finite, weight, 0)[:, None] * A
        return np.inf if A[~finite].any() else value(penalty.penalty, scaled)
    if type(penalty) is PENALTIES["ridge"]:
        return value(penalty.penalty, A) + penalty.ridge / 2 * np.sum(A**2)
    if type(penalty) in (PENALTIES["positive"], PENALTIES["positive_mean"]):
        inside = np.all(A[_signed(penalty, len(A))] >= 0)
        return value(penalty.penalty, A) if inside else np.inf
    if type(penalty) is PENALTIES["infimal_sum"]:
        costs = value(penalty.first, A[0]) + value(penalty.second, A[1])
        return costs + penalty.ridge / 2 * np.sum((A[0] + A[1]) ** 2)
    blocks = [cp.Constant(block) for block in np.atleast_3d(A.T).T]
    return float(expression(penalty, blocks if A.ndim == 3 else blocks[0]).value)


def dirty_row(penalty, a):
    """Cost of a row of magnitudes and its level tau, over all ``B = clip(a, tau)``."""

    def cost(tau):
        order = {"l2": 2, "linf": np.inf}[penalty.norm]
        shared = np.linalg.norm(np.minimum(a, tau), order)
        above = np.maximum(a - tau, 0).sum()
        return penalty.alpha_shared * shared + penalty.alpha_specific * above

    # piecewise linear for linf; for l2 convex, with its bends at the magnitudes
    levels = np.unique([0.0, *a])
    if penalty.norm == "l2":
        found = [
            minimize_scalar(cost, bounds=pair, method="bounded", options={"xatol": 0}).x
            for pair in itertools.pairwise(levels)
        ]
        levels = np.sort([*levels, *found])
    costs = np.array([cost(tau) for tau in levels])
    best = costs.min()
    return best, levels[np.flatnonzero(costs <= best * (1 + 1e-14))[0]]


def infimum(penalty, A):
    """The smallest cost of blocks of an infimal sum that add up to A, by CVXPY."""
    B = cp.Variable(A.shape)
    return minimise(expression(penalty, [B, A - B]))


def cheapest_columns(penalty, A, kept):
    """A with columns of the other tasks whose cost is least, by CVXPY."""
    full = cp.Variable((len(A), len(kept)))
    held = cp.transforms.indicator([full[:, np.flatnonzero(kept)] == A])
    minimise(expression(penalty, full) + held)
    found = full.value
    found[:, kept] = A
    return found


def prox(penalty, A, step):
    """``argmin_Z penalty(Z) + ||Z - A||_F^2 / (2 step)``, by CVXPY."""
    Z = cp.Variable(A.shape)
    distance = cp.sum_squares(Z - A) / (2 * step)
    minimise(expression(penalty, Z) + distance)
    return penalty.inside(Z.value)
