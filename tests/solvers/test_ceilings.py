"""How many iterations hard problems take at most.

A wrong preconditioner, step, extrapolation, working set or start only costs iterations,
which no certificate sees. A ceiling is about 1.3 times what a problem takes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from mtlreg.losses import LOSSES
from mtlreg.penalties import (
    L1,
    L21,
    Dirty,
    InfimalSum,
    L1Linf,
    MeanRegularization,
    SparseGroup,
    TraceNorm,
)
from mtlreg.problem.data import MultiTaskData
from mtlreg.sequences.path import solve_path
from mtlreg.solvers import BCD, FISTA, Direct
from tests.problems import Case


def stacked(loss, X, z, sizes):
    """Data of tasks one below the other, and classes about their medians."""
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    y = z
    if loss == "logistic":
        parts = np.split(z, offsets[1:-1])
        y = np.concatenate([np.where(p > np.median(p), 1.0, -1.0) for p in parts])
    return MultiTaskData(X, y, np.ones(len(X)), offsets)


def problem(data, loss, penalty, fraction, *, intercept=True):
    """The problem at a fraction of alpha_max, if there is one."""
    n_tasks = data.y.shape[1] if data.offsets is None else len(data.offsets) - 1
    case = Case(data, LOSSES[loss](), penalty, np.ones(n_tasks), intercept)
    return case.scaled(fraction).problem()


def correlated(loss, n_tasks=8, n=40, d=20, *, rank=None, noise=0.3, decay=0.9):
    """Features each of which is near the one before it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_tasks * n, d))
    for j in range(1, d):
        X[:, j] = decay * X[:, j - 1] + np.sqrt(1 - decay**2) * X[:, j]
    A = rng.normal(size=(d, 1)) * (rng.random((d, 1)) < 0.5)
    A = A * (1 + 0.5 * rng.normal(size=(d, n_tasks)))
    if rank is not None:
        A = rng.normal(size=(d, rank)) @ rng.normal(size=(rank, n_tasks))
    z = np.einsum("tij,jt->ti", X.reshape(n_tasks, n, d), A).ravel()
    z += noise * z.std() * rng.normal(size=z.shape)
    return stacked(loss, X, z, np.full(n_tasks, n))


def raw_columns(loss, n_tasks=15, d=12):
    """Dummies, and positive columns with scales of 1 to 400, of tasks of all sizes."""
    rng = np.random.default_rng(0)
    sizes, half = rng.integers(15, 80, n_tasks), d // 2
    tasks = np.repeat(np.arange(n_tasks), sizes)
    dummies = rng.random((len(tasks), half)) < rng.uniform(0.1, 0.5, half)
    level = 2 + 0.5 * rng.normal(size=(n_tasks, half))[tasks]
    measures = np.abs(level + rng.normal(size=level.shape))
    X = np.hstack([dummies, measures * np.geomspace(1, 400, half)])
    coef = rng.normal(size=(d, 3)) @ rng.normal(size=(3, n_tasks))
    z = np.sum((X - X.mean(axis=0)) / X.std(axis=0) * coef.T[tasks], axis=1)
    z += 4 * rng.normal(size=len(tasks)) + 3 * rng.normal(size=n_tasks)[tasks]
    return stacked(loss, X, z, sizes)


def separable(n_tasks=6, n=12, d=20):
    """Binary features of two factors, more than rows: they separate the classes."""
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(n_tasks * n, 2)) @ rng.normal(size=(2, d))
    X = (factors + 0.5 * rng.normal(size=factors.shape) > 0).astype(float)
    return stacked("logistic", X, X @ rng.normal(size=d), np.full(n_tasks, n))


def uneven(loss, n_tasks=60, d=10):
    """Many tasks, of which a few have most of the rows and the largest features."""
    rng = np.random.default_rng(2)
    sizes = np.where(np.arange(n_tasks) % 20 == 0, 200, rng.integers(3, 12, n_tasks))
    tasks = np.repeat(np.arange(n_tasks), sizes)
    X = rng.normal(size=(len(tasks), d)) + 0.5 * rng.normal(size=(len(tasks), 1))
    X *= np.exp(0.8 * rng.normal(size=n_tasks))[tasks, None]
    A = rng.normal(size=(d, 1)) + 0.5 * rng.normal(size=(d, n_tasks))
    A[d // 2 :] = 0.0
    z = np.sum(X * A.T[tasks], axis=1) + rng.normal(size=len(tasks))
    return stacked(loss, X, z, sizes)


def wide(n_tasks=5, n=60, d=600):
    """One X of far more features than rows, each near the one before it."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, d))
    X[:, 1:] += 0.7 * X[:, :-1]
    A = np.zeros((d, n_tasks))
    A[::40] = rng.normal(size=(d // 40, n_tasks))
    Y = X @ A + rng.normal(size=(n, n_tasks))
    return MultiTaskData(X, Y, np.ones(Y.shape))


def unbalanced():
    """One class of three to each task, and weights that all but leave out the rest."""
    rng = np.random.default_rng(7)
    classes = rng.integers(3, size=40)
    X = rng.uniform(-5, 5, size=(3, 2))[classes] + 20 * rng.normal(size=(40, 2))
    Y = np.where(classes[:, None] == np.arange(3), 1.0, -1.0)
    weight = np.where(classes == 0, 1e3, 1e-4)
    return MultiTaskData(X, Y, np.repeat(weight[:, None], 3, axis=1))


class Hard(NamedTuple):
    """What is solved by what, and the most iterations that it may take."""

    problem: Callable
    solver: object
    ceiling: int


SPARSE = SparseGroup(1.0, 0.5, "l2")
LOW_RANK_PLUS_ENTRIES = InfimalSum(TraceNorm(1.0), L1(0.4))
HARD = {
    "fista-trace-raw-columns": Hard(
        lambda: problem(raw_columns("squared"), "squared", TraceNorm(1.0), 0.01),
        FISTA(),
        93,
    ),
    "fista-trace-logistic": Hard(
        lambda: problem(
            correlated("logistic", rank=2), "logistic", TraceNorm(1.0), 0.03
        ),
        FISTA(tol=1e-8),
        230,
    ),
    "fista-trace-unbalanced": Hard(
        lambda: problem(unbalanced(), "logistic", TraceNorm(1.0), 0.3), FISTA(), 81
    ),
    "fista-trace-few-rows": Hard(
        lambda: problem(
            correlated("squared", 4, 6, 200, rank=1), "squared", TraceNorm(1.0), 0.05
        ),
        FISTA(tol=1e-8),
        197,
    ),
    "fista-l21-correlated": Hard(
        lambda: problem(correlated("squared"), "squared", L21(1.0), 0.01), FISTA(), 507
    ),
    "fista-dirty-correlated": Hard(
        lambda: problem(
            correlated("logistic", 4, 30, 8), "logistic", Dirty(1.5, 1.0, "linf"), 0.05
        ),
        FISTA(),
        286,
    ),
    "fista-sum": Hard(
        lambda: problem(
            correlated("squared", rank=1), "squared", LOW_RANK_PLUS_ENTRIES, 0.05
        ),
        FISTA(tol=1e-5),
        91,
    ),
    "fista-mean-correlated": Hard(
        lambda: problem(
            correlated("logistic"), "logistic", MeanRegularization(0.01, 0.001), 1
        ),
        FISTA(),
        481,
    ),
    "bcd-l21-correlated": Hard(
        lambda: problem(correlated("squared", decay=0.97), "squared", L21(1.0), 0.003),
        BCD(tol=1e-9),
        33,
    ),
    "bcd-l21-wide": Hard(
        lambda: problem(wide(), "squared", L21(1.0), 0.02), BCD(tol=1e-8), 218
    ),
    "bcd-l21-logistic": Hard(
        lambda: problem(uneven("logistic"), "logistic", L21(1.0), 0.02),
        BCD(tol=1e-8),
        104,
    ),
    "bcd-l1linf-correlated": Hard(
        lambda: problem(correlated("squared"), "squared", L1Linf(1.0), 0.003),
        BCD(tol=1e-8),
        104,
    ),
    "bcd-l1linf-separable": Hard(
        lambda: problem(separable(), "logistic", L1Linf(1.0), 0.002),
        BCD(tol=1e-8),
        447,
    ),
    "bcd-l1-separable": Hard(
        lambda: problem(separable(), "logistic", L1(1.0), 1e-4, intercept=False),
        BCD(tol=1e-8),
        416,
    ),
    "bcd-sparse-group-uneven": Hard(
        lambda: problem(uneven("squared"), "squared", SPARSE, 0.01),
        BCD(tol=1e-8),
        36,
    ),
    "bcd-dirty-raw-columns": Hard(
        lambda: problem(
            raw_columns("squared"), "squared", Dirty(1.5, 1.0, "linf"), 0.003
        ),
        BCD(tol=1e-8),
        31,
    ),
    "direct-mean-separable": Hard(
        lambda: problem(separable(), "logistic", MeanRegularization(1e-3, 1e-4), 1),
        Direct(tol=1e-10),
        11,
    ),
    "direct-mean-scales": Hard(
        lambda: problem(
            raw_columns("squared"), "squared", MeanRegularization(1e-4, 1e-6), 1
        ),
        Direct(tol=1e-12),
        1,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_a_hard_problem_takes_so_many_iterations_at_most(name):
    hard = HARD[name]
    solution = hard.solver.solve(hard.problem())
    assert solution.converged
    assert solution.n_iter <= hard.ceiling


PATHS = {
    "fista-trace": Hard(
        lambda: problem(correlated("squared", rank=2), "squared", TraceNorm(1.0), 1),
        FISTA(),
        943,
    ),
    "fista-l21": Hard(
        lambda: problem(correlated("squared"), "squared", L21(1.0), 1),
        FISTA(tol=1e-4),
        2213,
    ),
    "bcd-l21-wide": Hard(
        lambda: problem(wide(), "squared", L21(1.0), 1), BCD(tol=1e-4), 553
    ),
    "bcd-l1linf": Hard(
        lambda: problem(uneven("logistic"), "logistic", L1Linf(1.0), 1),
        BCD(tol=1e-4),
        729,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PATHS)
def test_a_path_takes_so_many_iterations_at_most(name):
    hard = PATHS[name]
    start = hard.problem()
    factors = start.alpha_factor * np.geomspace(1, 0.02, 50)
    points = [point.solution for point in solve_path(start, hard.solver, factors)]
    assert all(solution.converged for solution in points)
    assert sum(solution.n_iter for solution in points) <= hard.ceiling
