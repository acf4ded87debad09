"""Oracles of the penalties with a vector that all tasks share, and of columns."""

import cvxpy as cp
import numpy as np


def specific_weights(penalty, n_tasks):
    if penalty.specific_weight is None:
        return np.full(n_tasks, n_tasks**-0.5)
    return np.asarray(penalty.specific_weight)


def common_deviation(penalty, A):
    b = cp.Variable(A.shape[0])
    weights = specific_weights(penalty, A.shape[1])
    deviations = sum(r * cp.norm1(A[:, t] - b) for t, r in enumerate(weights))
    return penalty.alpha_common * cp.norm1(b) + penalty.alpha_specific * deviations


def common_deviation_polar(penalty, G):
    common = np.abs(G.sum(axis=1)).max() / penalty.alpha_common
    weights = penalty.alpha_specific * specific_weights(penalty, G.shape[1])
    return max(common, (np.abs(G) / weights).max())


def common_deviation_value(penalty, A):
    """By the best common number of a row: one of its entries, or 0."""
    weights = penalty.alpha_specific * specific_weights(penalty, A.shape[1])
    return sum(
        min(
            penalty.alpha_common * abs(b) + weights @ np.abs(row - b)
            for b in [0.0, *row]
        )
        for row in A
    )


def consensus(penalty, A):
    others = range(1, A.shape[1])
    return cp.transforms.indicator([A[:, 0] == A[:, t] for t in others] or [A == A])


def consensus_value(A):
    return 0.0 if np.all(A[:, :1] == A) else np.inf


def metrics(penalty, n_features, n_tasks):
    """Roots R_t of the H_t = R_t'R_t, and bases of what these do not see."""
    if isinstance(penalty.metric, str):
        return [(np.eye(n_features), np.zeros((n_features, 0)))] * n_tasks
    found = []
    for H in penalty.metric.matrices():
        values, Q = np.linalg.eigh(H)
        held = values > 1e-12 * values.max()
        found.append((np.sqrt(values[held])[:, None] * Q[:, held].T, Q[:, ~held]))
    return found


def column_l2(penalty, A):
    total = 0
    for t, (R, hidden) in enumerate(metrics(penalty, *A.shape)):
        if hidden.size:
            total += cp.transforms.indicator([hidden.T @ A[:, t] == 0])
        total += penalty.alpha * cp.norm2(R @ A[:, t]) if R.size else 0
    return total


def column_l2_polar(penalty, G):
    """The least length of a vector u with g = R'u, of what R sees of g."""
    parts = zip(metrics(penalty, *G.shape), G.T, strict=True)
    lengths = [np.linalg.norm(np.linalg.pinv(R.T) @ g) for (R, _), g in parts]
    return max(lengths) / penalty.alpha


def column_l2_value(penalty, A):
    total = 0.0
    for (R, hidden), a in zip(metrics(penalty, *A.shape), A.T, strict=True):
        if np.linalg.norm(hidden.T @ a) > 1e-6 * np.linalg.norm(a):
            return np.inf
        total += penalty.alpha * np.linalg.norm(R @ a)
    return total
