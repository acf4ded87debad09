"""Sums A = B + S in FISTA: one block while the other is 0, Newton steps on both."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mtlreg.losses import LOSSES
from mtlreg.penalties import (
    L1,
    L21,
    Dirty,
    Gauge,
    InfimalSum,
    L1Linf,
    TraceNorm,
    with_options,
)
from mtlreg.problem.data import MultiTaskData
from mtlreg.sequences.path import solve_path
from mtlreg.solvers import FISTA
from tests.problems import LAYOUTS, Case, random_data

every_loss = pytest.mark.parametrize("loss", LOSSES)
# what takes many products of matrices, and no kernel that the squared loss has not
most_of_squared = pytest.mark.parametrize(
    "loss",
    [
        pytest.param(loss, marks=pytest.mark.slow if loss != "squared" else ())
        for loss in LOSSES
    ],
)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


@dataclass(frozen=True)
class PlainSum(InfimalSum):
    """A sum whose blocks both move, by proximal gradient alone."""

    has_tangent = False

    def sole(self, A, G):
        return None


@dataclass(frozen=True)
class Columns(Gauge):
    """``alpha sum_t ||a_t||``, with no more than a penalty needs."""

    alpha: float

    ignores_basis = True

    def value(self, A):
        return self.alpha * float(np.sum(np.linalg.norm(A, axis=0)))

    def prox(self, A, step, out=None):
        length = np.linalg.norm(A, axis=0)
        shrink = np.maximum(1 - step * self.alpha / np.where(length > 0, length, 1), 0)
        out = np.empty_like(A) if out is None else out
        out[...] = A * shrink.astype(A.dtype)
        return out

    def polar(self, G):
        return float(np.max(np.linalg.norm(G, axis=0), initial=0.0)) / self.alpha


# of d = 5 features and 4 tasks: which blocks are 0 for strengths of that ratio
SUMS = {
    "trace": InfimalSum(TraceNorm(1.0), L1(1.05)),
    "trace-second": InfimalSum(L1(1.05), TraceNorm(1.0)),
    "trace-rows": InfimalSum(TraceNorm(1.0), L21(1.05)),
    "trace-columns": InfimalSum(TraceNorm(1.0), Columns(1.05)),
    "l1": InfimalSum(TraceNorm(4.8), L1(1.0)),
    "rows": InfimalSum(TraceNorm(2.1), L21(1.0)),
    "columns": InfimalSum(TraceNorm(2.4), Columns(1.0)),
    "rows-l1": InfimalSum(L21(1.0), L1(1.05)),
    "l1-rows": InfimalSum(L21(2.1), L1(1.0)),
    "both-trace": InfimalSum(TraceNorm(1.0), L1(0.6)),
    "both-trace-rows": InfimalSum(TraceNorm(1.0), L21(0.8)),
    "both-trace-columns": InfimalSum(TraceNorm(1.0), Columns(0.8)),
    "both-rows": InfimalSum(L21(1.0), L1(0.7)),
    "both-linf": InfimalSum(L1Linf(1.5), L1(0.9)),
    "both-dirty": InfimalSum(Dirty(1.5, 0.9), TraceNorm(1.1)),
}
SUMS |= {f"ridge-{k}": replace(SUMS[k], ridge=0.3) for k in ("trace", "both-trace")}
CORNERS = {"trace": 0, "trace-second": 1, "trace-rows": 0, "trace-columns": 0}
CORNERS |= {"l1": 1, "rows": 1, "columns": 1, "rows-l1": 0, "l1-rows": 1}
every_sum = pytest.mark.parametrize("name", SUMS)
every_corner = pytest.mark.parametrize("name", list(CORNERS))
# its certificate is not that of its block
CORNERS |= {"ridge-trace": 0}


def sum_case(name, loss, layout, fraction=0.1, d=5, n=30, **options):
    data = random_data(loss, layout, d=d, n=n, n_tasks=4, **options)
    scale = np.linspace(0.5, 2.0, 4)
    return Case(data, LOSSES[loss](), SUMS[name], scale).scaled(fraction)


def plain(case):
    """The same case without Newton steps, both blocks moving from the first."""
    penalty = case.penalty
    return replace(case, penalty=PlainSum(*penalty.parts, penalty.ridge))


def one_block(case, k):
    penalty = with_options(case.penalty.parts[k], ridge=case.penalty.ridge or None)
    return replace(case, penalty=penalty)


@every_loss
@every_layout
@every_sum
def test_the_optimum_is_that_of_proximal_gradient(name, loss, layout):
    case = sum_case(name, loss, layout)
    problem, options = case.problem(), {"tol": 1e-11, "max_iter": 30_000}
    solution = FISTA(**options).solve(problem)
    expected = FISTA(**options).solve(plain(case).problem())
    assert solution.converged
    assert expected.converged
    target = problem.gap_target(1e-11)
    assert problem.certificate(solution.A).gap <= target
    assert problem.objective(solution.A) == pytest.approx(
        problem.objective(expected.A), abs=2 * target
    )
    if name in CORNERS:
        assert not solution.A[1 - CORNERS[name]].any()
        one = one_block(case, CORNERS[name]).problem()
        found = one.objective(solution.A.sum(axis=0))
        assert found == pytest.approx(one.objective(FISTA(**options).solve(one).A))


@every_loss
@every_layout
@every_corner
def test_a_corner_takes_the_iterations_of_its_block(name, loss, layout):
    for fraction in (0.3, 0.03):
        case = sum_case(name, loss, layout, fraction)
        whole = FISTA(tol=1e-8).solve(case.problem())
        block = FISTA(tol=1e-8).solve(one_block(case, CORNERS[name]).problem())
        assert whole.n_iter == block.n_iter
        np.testing.assert_allclose(
            whole.A.sum(axis=0), block.A, atol=1e-12 * np.abs(block.A).max()
        )


@every_loss
@every_sum
def test_a_solution_is_a_start_within_the_tolerance(name, loss):
    problem = sum_case(name, loss, "stacked-dense").problem()
    found = FISTA(tol=1e-8).solve(problem)
    again = FISTA(tol=1e-8).solve(problem, found.A)
    assert [iteration for iteration, _ in again.history] == [0]


def hard_case(penalty, loss, fraction=0.05, outliers=0.0):
    """Correlated features, coefficients of rank 2 and some entries beside."""
    rng = np.random.default_rng(4)
    d, n_tasks, n = 12, 9, 60
    X = rng.normal(size=(n_tasks * n, d)) @ (np.eye(d) + 0.2)
    A = rng.normal(size=(d, 2)) @ rng.normal(size=(2, n_tasks))
    A += outliers * rng.normal(size=A.shape) * (rng.random(A.shape) < 0.1)
    z = np.einsum("tij,jt->ti", X.reshape(n_tasks, n, d), A).ravel()
    y = z + 0.5 * z.std() * rng.normal(size=z.shape)
    y = np.where(y > 0, 1.0, -1.0) if loss == "logistic" else y
    data = MultiTaskData(X, y, np.ones(y.shape), n * np.arange(n_tasks + 1))
    return Case(data, LOSSES[loss](), penalty, np.ones(n_tasks)).scaled(fraction)


BOTH = [
    InfimalSum(TraceNorm(1.0), L1(0.3)),
    InfimalSum(TraceNorm(1.0), L21(0.6)),
    InfimalSum(L21(1.0), L1(0.4)),
]
every_pair = pytest.mark.parametrize("penalty", BOTH, ids=["l1", "l21", "rows"])


@most_of_squared
@every_pair
def test_newton_steps_of_both_blocks_take_fewer_iterations(penalty, loss):
    case = hard_case(penalty, loss, outliers=6.0)
    fast = FISTA(tol=1e-9).solve(case.problem())
    slow = FISTA(tol=1e-9).solve(plain(case).problem())
    assert fast.converged
    assert fast.A[0].any()
    assert fast.A[1].any()
    assert 1.25 * fast.n_iter < slow.n_iter


def path_iterations(case, solver, factors):
    points = solve_path(case.problem(), solver, factors)
    return sum(point.solution.n_iter for point in points)


@most_of_squared
@pytest.mark.parametrize("outliers", [0.0, 6.0])
def test_points_of_a_path_start_from_both_blocks(loss, outliers):
    level = 0.3 if outliers else 1.1
    case = hard_case(InfimalSum(TraceNorm(1.0), L1(level)), loss, 1.0, outliers)
    factors, solver = np.geomspace(0.5, 0.02, 12), FISTA(tol=1e-7)
    points = [p.solution for p in solve_path(case.problem(), solver, factors)]
    cold = sum(solver.solve(case.scaled(f).problem()).n_iter for f in factors)
    assert sum(point.n_iter for point in points) < cold
    assert all(point.converged for point in points)
    assert bool(points[-1].A[1].any()) == (outliers > 0)
    total = sum(point.n_iter for point in points)
    assert 2 * total < path_iterations(plain(case), solver, factors)
    if not outliers:
        assert total == path_iterations(one_block(case, 0), solver, factors)


@every_loss
@every_sum
def test_single_precision(name, loss):
    case = sum_case(name, loss, "stacked-dense")
    single = replace(case, data=replace(case.data, X=case.data.X.astype(np.float32)))
    solution = FISTA(tol=1e-9).solve(single.problem())
    assert solution.A.dtype == np.float32
    assert solution.converged


def plain_on_features(case):
    """The problem by proximal gradient on all features."""
    problem = plain(case).problem()
    problem.in_span = lambda: None
    return problem


@most_of_squared
@every_layout
@pytest.mark.parametrize("name", ["trace-columns", "both-trace-columns"])
def test_few_rows_span_the_optimum_of_both_blocks(name, loss, layout):
    case = sum_case(name, loss, layout, 0.05, d=200, n=8)
    problem = case.problem()
    assert problem.in_span() is not None
    found = FISTA(tol=1e-9).solve(problem)
    assert found.converged
    assert found.A.shape == problem.shape
    # of the whole problem, on the features
    target = problem.gap_target(1e-9)
    assert problem.certificate(found.A).gap <= target
    expected = FISTA(tol=1e-9).solve(plain_on_features(case))
    least = problem.objective(expected.A)
    assert problem.objective(found.A) == pytest.approx(least, abs=2 * target)
    again = FISTA(tol=1e-9).solve(problem, found.A)
    assert again.history[-1][0] == 0


@pytest.mark.parametrize("name", ["trace", "both-rows"])
def test_not_where_a_block_knows_the_features(name):
    problem = sum_case(name, "squared", "stacked-dense", d=200, n=8).problem()
    assert problem.in_span() is None


@every_loss
@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_starts_keep_to_their_iterations(loss, max_iter):
    problem = hard_case(BOTH[0], loss).problem()
    starts = None, np.zeros(problem.shape), 9 * np.ones(problem.shape)
    for start in starts:
        solution = FISTA(max_iter=max_iter, tol=1e-14).solve(problem, start)
        assert solution.n_iter <= max_iter
        assert np.isfinite(solution.gap)
