"""How many epochs problems take at most."""

import numpy as np
import pytest

from mtlreg.losses import Logistic, Squared
from mtlreg.penalties import L1, L21, Dirty, L1Linf, SparseGroup
from mtlreg.problem import costs
from mtlreg.problem.data import MultiTaskData
from mtlreg.sequences.path import solve_path
from mtlreg.solvers import BCD
from mtlreg.solvers._state import ModelState
from tests.problems import Case, random_case


def binary(penalty, seed, shape, noise=0.0, intercept=True, dtype=np.float64):
    """Logistic: tasks of n rows each, with correlated binary features.

    Without noise the features separate them, if there are more than rows.
    """
    n_tasks, n, d = shape
    rng = np.random.default_rng(seed)
    offsets = n * np.arange(n_tasks + 1)
    factors = rng.normal(size=(offsets[-1], 2)) @ rng.normal(size=(2, d))
    X = (factors + 0.5 * rng.normal(size=factors.shape) > 0).astype(dtype)
    margin = X @ rng.normal(size=d) + noise * rng.logistic(size=len(X))
    margin = margin.reshape(n_tasks, n)
    y = np.where(margin > np.median(margin, axis=1, keepdims=True), 1.0, -1.0)
    y[:, 0], y[:, 1] = 1.0, -1.0
    data = MultiTaskData(X, y.ravel(), np.ones(y.size), offsets)
    return Case(data, Logistic(), penalty, np.ones(n_tasks), intercept)


@pytest.mark.parametrize(
    "fraction", [1 / 500, pytest.param(1e-4, marks=pytest.mark.slow)]
)
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
        case = binary(penalty, seed, (4, 10, 20), intercept=intercept)
        problem = case.scaled(fraction).problem()
        assert BCD(tol=1e-10, max_iter=2000).solve(problem).converged


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_task_that_features_separate_takes_few_epochs(dtype):
    for seed in range(6):
        case = binary(L1(1.0), seed, (1, 10, 20), dtype=dtype)
        problem = case.scaled(1e-4).problem()
        assert BCD(tol=1e-7, max_iter=400).solve(problem).converged


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 13))]
)
def test_weak_penalties_on_correlated_binary_features_take_few_epochs(seed):
    problem = binary(Dirty(0.002, 0.002), seed, (4, 60, 20), noise=0.1).problem()
    assert BCD(tol=1e-10, max_iter=2000).solve(problem).converged


def test_points_of_a_path_take_no_more_epochs_than_they_need(monkeypatch):
    # as if epochs were dear, so that a small problem does
    monkeypatch.setattr(costs, "CHEAP_EPOCH", 0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 40))
    X[:, 1:] += 0.5 * X[:, :-1]
    Y = X[:, :5] @ rng.normal(size=(5, 4)) + rng.normal(size=(120, 4))
    data = MultiTaskData(X, Y, np.ones(Y.shape))
    problem = Case(data, Squared(), L21(1.0), np.ones(4)).problem()
    factors = problem.alpha_factor * np.geomspace(1, 0.01, 50)
    points = [p.solution for p in solve_path(problem, BCD(tol=1e-3), factors)]
    assert all(solution.converged for solution in points)
    moved = [s.n_iter for s in points if len(s.history) > 1]
    assert len(moved) > 25
    assert np.mean(moved) <= 4


@pytest.mark.parametrize(("penalty", "calls"), [("l21", 1), ("ridge-l21", 0)])
def test_only_one_of_many_optima_has_to_be_chosen(penalty, calls, monkeypatch):
    found, start = [], ModelState.start_evenly

    def counted(model, n_steps):
        found.append(n_steps)
        start(model, n_steps)

    monkeypatch.setattr(ModelState, "start_evenly", counted)
    case = random_case("squared", penalty, "shared-dense", n=40)
    assert BCD(tol=1e-10).solve(case.problem()).converged
    assert len(found) == calls
