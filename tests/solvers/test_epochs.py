"""How many epochs hard problems take at most."""

import numpy as np
import pytest

from mtlreg.design import MultiTaskData
from mtlreg.losses import Logistic
from mtlreg.penalties import L1, L21, Dirty, L1Linf, SparseGroup
from mtlreg.solvers import BCD
from tests.problems import Case


def separable(penalty, seed, fraction, *, n_tasks=4, intercept=True, dtype=np.float64):
    """Logistic: 20 correlated binary features that separate the 10 rows of a task."""
    rng = np.random.default_rng(seed)
    n, d = 10, 20
    offsets = n * np.arange(n_tasks + 1)
    factors = rng.normal(size=(offsets[-1], 2)) @ rng.normal(size=(2, d))
    X = (factors + 0.5 * rng.normal(size=factors.shape) > 0).astype(dtype)
    margin = (X @ rng.normal(size=d)).reshape(n_tasks, n)
    y = np.where(margin > np.median(margin, axis=1, keepdims=True), 1.0, -1.0)
    y[:, 0], y[:, 1] = 1.0, -1.0
    data = MultiTaskData(X, y.ravel(), np.ones(y.size), offsets)
    case = Case(data, Logistic(), penalty, np.ones(n_tasks), intercept)
    return case.scaled(fraction).problem()


@pytest.mark.parametrize("fraction", [1 / 500, 1e-4])
@pytest.mark.parametrize(
    "penalty",
    [
        L1(1.0),
        L21(1.0),
        L1Linf(1.0),
        SparseGroup(1.0, 0.5, "linf"),
        Dirty(1.5, 1.0, "linf"),
        Dirty(1.2, 1.0, "l2"),
    ],
    ids=repr,
)
def test_tasks_that_features_separate_take_few_epochs(penalty, fraction):
    for seed, intercept in enumerate([True, False]):
        problem = separable(penalty, seed, fraction, intercept=intercept)
        assert BCD(tol=1e-10, max_iter=2000).solve(problem).converged


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_task_that_features_separate_takes_few_epochs(dtype):
    for seed in range(6):
        problem = separable(L1(1.0), seed, 1e-4, n_tasks=1, dtype=dtype)
        assert BCD(tol=1e-7, max_iter=400).solve(problem).converged
