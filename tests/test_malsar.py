"""MALSAR's formulations, mapped to ours: the optimum of the objective it states.

A loss of MALSAR is a sum over the rows of all tasks, so ours is it over their number,
with `task_weight="proportional"` and strengths to match; it has no intercept.
"""

import cvxpy as cp
import numpy as np
import pytest

from mtlreg import (
    RobustGroupLassoRegressor,
    RobustLowRankRegressor,
    SparseLowRankRegressor,
)
from tests import oracles


def columns(S):
    return sum(cp.norm2(S[:, t]) for t in range(S.shape[1]))


def entries(S):
    return cp.sum(cp.abs(S))


def rows(P):
    return sum(cp.norm2(P[j]) for j in range(P.shape[0]))


# the model, and MALSAR's penalty of both parts at strengths of 1
SUMS = {
    "Least_RMTL": (RobustLowRankRegressor, cp.normNuc, columns),
    "Least_rMTFL": (RobustGroupLassoRegressor, rows, columns),
    # of which MALSAR bounds the trace norm: by that of our optimum
    "Least_SparseTrace": (SparseLowRankRegressor, cp.normNuc, entries),
}


def problem_of(seed):
    """Rows of unequal tasks, one of which is an outlier: X and y by task."""
    rng = np.random.default_rng(seed)
    d, n_tasks = rng.integers(2, 6, size=2)
    A = np.outer(rng.normal(size=d), rng.normal(size=n_tasks))
    A[:, 0] += rng.normal(size=d)
    sizes = rng.integers(4, 12, size=n_tasks)
    Xs = [rng.normal(size=(n, d)) for n in sizes]
    return Xs, [
        X @ a + 0.3 * rng.normal(size=len(X)) for X, a in zip(Xs, A.T, strict=True)
    ]


def bounded(first, bound):
    """The indicator of a norm of at most a bound."""
    return lambda P: cp.transforms.indicator([first(P) <= bound])


def stated_optimum(Xs, ys, first, second, rho):
    """``sum_t ||y_t - X_t (p_t + q_t)||^2`` and both penalties, by CVXPY."""
    P, Q = (cp.Variable((Xs[0].shape[1], len(Xs))) for _ in range(2))
    loss = sum(
        cp.sum_squares(y - X @ (P + Q)[:, t])
        for t, (X, y) in enumerate(zip(Xs, ys, strict=True))
    )
    return oracles.minimise(loss + rho[0] * first(P) + rho[1] * second(Q))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", SUMS)
def test_sums_of_two_parts(name, seed):
    cls, first, second = SUMS[name]
    Xs, ys = problem_of(seed)
    rho = np.random.default_rng(seed + 100).uniform(1.0, 3.0, size=2)
    # (T / N) sum 1/2 r^2 is T / 2N of sum r^2
    unit = len(Xs) / (2 * sum(map(len, Xs)))
    names = dict(zip(cls._strengths, (unit * rho).tolist(), strict=True))
    model = cls(**names, fit_intercept=False, task_weight="proportional", tol=1e-9)
    tasks = np.repeat(np.arange(len(Xs)), list(map(len, Xs)))
    model.fit(np.concatenate(Xs), np.concatenate(ys), tasks=tasks)
    coef = model.coef_.T
    found = sum(
        np.sum((y - X @ a) ** 2) for X, y, a in zip(Xs, ys, coef.T, strict=True)
    )
    parts = model.shared_coef_.T, model.specific_coef_.T
    for strength, penalty, part in zip(rho, (first, second), parts, strict=True):
        found += strength * penalty(cp.Constant(part)).value
    if name == "Least_SparseTrace":
        norm = first(cp.Constant(parts[0])).value
        found -= rho[0] * norm
        first = bounded(first, norm)
    best = stated_optimum(Xs, ys, first, second, rho)
    assert found == pytest.approx(best, rel=1e-6)
