"""How the coefficients of generated tasks are related."""

import numpy as np

# correlation of the coefficients of neighbours in a chain
_STEP = 0.9


def _mean(rng, shape, n_informative, rank):
    common = rng.standard_normal(shape[1])
    deviations = 0.3 * rng.standard_normal(shape)
    return np.tile(common, (shape[0], 1)), deviations - deviations.mean(axis=0), {}


def _group(rng, shape, n_informative, rank):
    shared = np.zeros(shape)
    features = rng.permutation(shape[1])[:n_informative]
    shared[:, features] = _sparse_values(rng, (shape[0], n_informative))
    return shared, np.zeros(shape), {}


def _low_rank(rng, shape, n_informative, rank):
    rank = min(rank, *shape)
    left = rng.standard_normal((shape[0], rank))
    right = rng.standard_normal((rank, shape[1]))
    return left @ right / np.sqrt(rank), np.zeros(shape), {}


def _dirty(rng, shape, n_informative, rank):
    n_common = (n_informative + 1) // 2
    features = rng.permutation(shape[1])
    shared = np.zeros(shape)
    shared[:, features[:n_common]] = _sparse_values(rng, (shape[0], n_common))
    n_own = n_informative - n_common
    return shared, _own_features(rng, shape, features[n_common:], n_own), {}


def _independent(rng, shape, n_informative, rank):
    features = np.arange(shape[1])
    return np.zeros(shape), _own_features(rng, shape, features, n_informative), {}


def _graph(rng, shape, n_informative, rank):
    coef = rng.standard_normal(shape)
    for t in range(1, shape[0]):
        coef[t] = _STEP * coef[t - 1] + np.sqrt(1 - _STEP**2) * coef[t]
    pairs = np.eye(shape[0], k=1)
    return coef, np.zeros(shape), {"graph": pairs + pairs.T}


def _fused(rng, shape, n_informative, rank):
    shared = np.zeros(shape)
    for j in rng.permutation(shape[1])[:n_informative]:
        starts = 1 + rng.permutation(shape[0] - 1)[:2]
        levels = _sparse_values(rng, len(starts) + 1)
        shared[:, j] = levels[np.isin(np.arange(shape[0]), starts).cumsum()]
    return shared, np.zeros(shape), {}


def _low_rank_outliers(rng, shape, n_informative, rank):
    shared, _, _ = _low_rank(rng, shape, n_informative, rank)
    return shared, _outliers(rng, shape), {}


def _group_outliers(rng, shape, n_informative, rank):
    shared, _, _ = _group(rng, shape, n_informative, rank)
    return shared, _outliers(rng, shape), {}


def _low_rank_sparse(rng, shape, n_informative, rank):
    shared, _, _ = _low_rank(rng, shape, n_informative, rank)
    _, own, _ = _independent(rng, shape, (n_informative + 1) // 2, rank)
    return shared, 3 * own, {}


def _equal_outliers(rng, shape, n_informative, rank):
    common = rng.standard_normal(shape[1])
    return np.tile(common, (shape[0], 1)), _outliers(rng, shape), {}


def _common(rng, shape, n_informative, rank):
    n_common = (n_informative + 1) // 2
    features = rng.permutation(shape[1])
    shared = np.zeros(shape)
    shared[:, features[:n_common]] = _sparse_values(rng, n_common)
    n_own = n_informative - n_common
    return shared, _own_features(rng, shape, features, n_own), {}


def _clusters(rng, shape, n_informative, rank):
    n_clusters = round(np.sqrt(shape[0]))
    labels = rng.permutation(np.arange(shape[0]) % n_clusters)
    centers = rng.standard_normal((n_clusters, shape[1]))
    deviations = 0.3 * rng.standard_normal(shape)
    return centers[labels], deviations, {"task_clusters": labels}


def _related(rng, shape, n_informative, rank):
    loadings = rng.standard_normal((shape[0], rank))
    covariance = loadings @ loadings.T + 0.1 * np.eye(shape[0])
    deviation = np.sqrt(np.diag(covariance))
    covariance /= np.outer(deviation, deviation)
    coef = np.linalg.cholesky(covariance) @ rng.standard_normal(shape)
    return coef, np.zeros(shape), {"task_covariance": covariance}


def _tree(rng, shape, n_informative, rank):
    every = np.arange(shape[0])
    halves = _halves(every)
    quarters = [part for half in halves for part in _halves(half)]
    third, shared = n_informative // 3, np.zeros(shape)
    sizes = n_informative - 2 * third, third, third
    for size, groups in zip(sizes, ([every], halves, quarters), strict=True):
        for group in groups:
            unused = np.flatnonzero(~shared[group].any(axis=0))
            features = rng.choice(unused, size, replace=False)
            values = _sparse_values(rng, (len(group), size))
            shared[np.ix_(group, features)] = values
    tree = [[part.tolist() for part in _halves(half)] for half in halves]
    return shared, np.zeros(shape), {"tree": tree}


def _halves(group):
    return [part for part in np.array_split(group, 2) if part.size]


def _outliers(rng, shape):
    """A normal vector of variance 4 for a fifth of the rows, 0 for the others."""
    coef = np.zeros(shape)
    rows = rng.permutation(shape[0])[: shape[0] // 5]
    coef[rows] = 2 * rng.standard_normal((len(rows), shape[1]))
    return coef


def _own_features(rng, shape, features, size):
    """Each row non-zero on its own ``size`` of the ``features``."""
    coef = np.zeros(shape)
    for row in coef:
        row[rng.choice(features, size, replace=False)] = _sparse_values(rng, size)
    return coef


def _sparse_values(rng, shape):
    """Uniform on [0.5, 1.5] with a random sign: non-zeros that can be told from 0."""
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


# (rng, (n_tasks, n_features), n_informative, rank) -> shared_coef, specific_coef, and
# by name what else is known of the tasks
STRUCTURES = {
    "mean": _mean,
    "group": _group,
    "low_rank": _low_rank,
    "dirty": _dirty,
    "independent": _independent,
    "graph": _graph,
    "fused": _fused,
    "low_rank_outliers": _low_rank_outliers,
    "group_outliers": _group_outliers,
    "low_rank_sparse": _low_rank_sparse,
    "outliers": _equal_outliers,
    "common": _common,
    "clusters": _clusters,
    "related": _related,
    "tree": _tree,
}
