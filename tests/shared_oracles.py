"""Oracles of the penalties with a vector that all tasks share."""

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
