"""The direct solver: Newton's method, thin tasks, extreme strengths, no minimiser."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.losses import LOSSES
from mtlreg.penalties import MeanRegularization
from mtlreg.problem import costs
from mtlreg.solvers import FISTA, Direct, choose_solver
from tests.problems import Case, counted, random_case, random_data
from tests.solvers.combinations import assert_solution, every_layout

# rows a task and features: more rows, fewer rows, fewer rows in all than features
SHAPES = {"tall": (14, 4), "thin": (8, 12), "few": (4, 40)}
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_loss = pytest.mark.parametrize("loss", LOSSES)
both_intercepts = pytest.mark.parametrize("intercept", [True, False])


def shaped_case(loss, layout, shape, alpha=0.3, alpha_mean=0.05, **options):
    n, d = SHAPES[shape]
    case = random_case(loss, "mean", layout, n=n, d=d, **options)
    return replace(case, penalty=MeanRegularization(alpha, alpha_mean))


@every_loss
@every_layout
@every_shape
@both_intercepts
@pytest.mark.parametrize("weighted", [True, False])
def test_the_optimum_of_fista(loss, layout, shape, intercept, weighted):
    case = shaped_case(loss, layout, shape, intercept=intercept, weighted=weighted)
    problem = case.problem()
    direct, fista = (kind(tol=1e-12).solve(problem) for kind in (Direct, FISTA))
    assert_solution(direct, problem)
    F0 = problem.null_value
    naive = case.gap(direct.A, direct.intercept)
    assert naive == pytest.approx(direct.gap, abs=1e-12 * F0)
    assert direct.converged
    assert fista.converged
    # F grows by at least alpha_mean / 2 times the square of the distance
    atol = 4 * np.sqrt(2 * problem.gap_target(1e-12) / 0.05)
    np.testing.assert_allclose(direct.A, fista.A, rtol=0, atol=atol)
    assert direct.n_iter <= (1 if loss == "squared" else 8)


@both_intercepts
@every_layout
def test_a_free_mean_of_the_logistic_loss(layout, intercept):
    case = random_case("logistic", "mean-free", layout, intercept=intercept, n=40)
    problem = case.problem()
    direct, fista = (kind(tol=1e-10).solve(problem) for kind in (Direct, FISTA))
    assert direct.converged
    assert fista.converged
    assert direct.n_iter <= 10
    F = problem.objective(direct.A)
    assert problem.objective(fista.A) == pytest.approx(F, rel=1e-9)


@every_loss
@every_layout
def test_single_precision(loss, layout):
    case = random_case(loss, "mean", layout, dtype=np.float32)
    problem = case.problem()
    solution = Direct().solve(problem)
    assert_solution(solution, problem)
    assert solution.converged
    wide = replace(case, data=replace(case.data, X=case.data.X.astype(float))).problem()
    best = wide.objective(Direct(tol=1e-12).solve(wide).A)
    assert wide.objective(solution.A) - best <= 2e-6 * wide.null_value


@every_shape
@every_layout
@pytest.mark.parametrize(
    ("alpha", "alpha_mean"),
    [(0.1, 1e-11), (1e-8, 1e-10), (1e-10, 1e-10), (1e-8, 0.0), (1e8, 1e-3), (1e14, 1)],
)
def test_extreme_strengths(shape, layout, alpha, alpha_mean):
    case = shaped_case("squared", layout, shape, alpha, alpha_mean, weighted=False)
    problem = case.problem()
    solution = Direct().solve(problem)
    assert 0 <= solution.gap <= 1e-15 * problem.scale


@every_shape
@every_layout
def test_a_mean_that_is_held_and_deviations_that_are_free(shape, layout):
    case = shaped_case("squared", layout, shape, 1e-8, 1e6, weighted=False)
    problem = case.problem()
    solution = Direct().solve(problem)
    assert 0 <= solution.gap <= 1e-6 * problem.scale
    A = solution.A
    assert np.abs(A.mean(axis=1)).max() <= 1e-5 * np.abs(A).max()


@every_shape
@every_layout
def test_strengths_below_the_rounding_of_the_data(shape, layout):
    case = shaped_case("squared", layout, shape, 1e-15, 1e-15, weighted=False)
    data = case.data
    # two equal columns, so that no H_t is positive definite
    X = data.X.toarray() if "sparse" in layout else data.X.copy()
    X[:, 1] = X[:, 0]
    X = type(data.X)(X) if "sparse" in layout else X
    problem = replace(case, data=replace(data, X=X)).problem()
    solution = Direct().solve(problem)
    assert np.isfinite(solution.A).all()
    # the data term alone is at its minimum, to the rounding of a singular system
    assert problem.objective(solution.A) <= problem.null_value
    assert solution.gap <= 1e-8 * problem.scale


@both_intercepts
@every_shape
def test_one_matrix_for_tasks_with_the_same_rows(shape, intercept):
    n, d = SHAPES[shape]
    data = random_data("squared", "shared-dense", n=n, d=d, weighted=False)
    scale = np.array([0.5, 1.0, 2.0])
    stacked = replace(
        data,
        X=np.vstack([data.X] * 3),
        y=data.y.T.ravel(),
        weight=data.weight.T.ravel(),
        offsets=np.arange(4) * len(data.X),
    )
    for alpha_mean in (0.0, 0.01):
        penalty = MeanRegularization(0.1, alpha_mean)
        cases = [Case(d, LOSSES["squared"](), penalty, scale) for d in (data, stacked)]
        shared, own = (replace(c, fit_intercept=intercept).problem() for c in cases)
        assert shared.design.same_rows
        assert not own.design.same_rows
        found, expected = (Direct().solve(p).A for p in (shared, own))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("alpha_mean", [0.05, 1e-4])
def test_damping_makes_the_objective_fall(alpha_mean):
    case = shaped_case("logistic", "stacked-dense", "tall", 0.05, alpha_mean)
    problem = case.problem()
    init = 30 * np.random.default_rng(1).normal(size=problem.shape)
    values = [problem.objective(init)]
    for steps in range(1, 20):
        solution = Direct(max_iter=steps, tol=1e-12).solve(problem, init=init)
        values.append(problem.objective(solution.A))
    assert solution.converged
    rounding = 1e-14 * values[0]
    assert all(b <= a + rounding for a, b in itertools.pairwise(values))
    cold = Direct(tol=1e-12).solve(problem)
    assert values[-1] == pytest.approx(problem.objective(cold.A), rel=1e-11)


def test_max_iter_counts_newton_steps():
    problem = shaped_case("logistic", "stacked-dense", "tall").problem()
    full = Direct(tol=1e-12).solve(problem)
    assert full.n_iter > 2
    short = Direct(max_iter=2, tol=1e-12).solve(problem)
    assert short.n_iter == 2
    assert not short.converged
    assert short.gap > full.gap
    # from its own solution not a step is made
    again = Direct(tol=1e-12).solve(problem, init=full.A)
    assert again.history == [(0, again.gap)]


def separable_case(share):
    """The first feature tells the class, in a share of the tasks."""
    data = random_data("logistic", "stacked-dense", weighted=False, n_tasks=4, n=30)
    y = data.y.copy()
    end = data.offsets[round(4 * share)]
    first = data.X[:, 0] - np.median(data.X[:, 0])
    y[:end] = np.where(first[:end] > 0, 1.0, -1.0)
    penalty = MeanRegularization(0.1, 0.0)
    return Case(replace(data, y=y), LOSSES["logistic"](), penalty, np.ones(4))


def test_a_mean_that_nothing_bounds_is_given_up():
    problem = separable_case(1.0).problem()
    solution = Direct(tol=1e-10).solve(problem)
    assert_solution(solution, problem)
    assert not solution.converged
    assert np.isfinite(solution.A).all()
    assert solution.n_iter <= 40
    # the data are fitted all the same
    assert problem.objective(solution.A) <= 1e-5 * problem.scale


def test_a_mean_that_some_tasks_bound_is_found():
    problem = separable_case(0.75).problem()
    solution = Direct(tol=1e-10).solve(problem)
    assert solution.converged
    assert solution.n_iter <= 12


@every_loss
def test_auto_leaves_large_problems_to_fista(loss, monkeypatch):
    problem = random_case(loss, "mean", "stacked-dense", d=5).problem()
    assert isinstance(choose_solver(problem, 10, 1e-6), Direct)
    held = 8 * 5 * 5 * 3
    monkeypatch.setattr(costs, "DIRECT_BYTES", held)
    assert isinstance(choose_solver(problem, 10, 1e-6), Direct)
    monkeypatch.setattr(costs, "DIRECT_BYTES", held - 1)
    assert isinstance(choose_solver(problem, 10, 1e-6), FISTA)
    monkeypatch.undo()
    monkeypatch.setattr(costs, "DIRECT_FEATURES", 4)
    assert isinstance(choose_solver(problem, 10, 1e-6), FISTA)


def exact_suboptimality(case, solution):
    """F at a solution less its minimum, in extended precision."""
    tasks, penalty = [], case.penalty
    for X, y, v in case.tasks():
        X, y, v = (part.astype(np.longdouble) for part in (X, y, v))
        means = v @ X / v.sum(), v @ y / v.sum()
        centre, target = means if case.fit_intercept else (0 * means[0], 0 * means[1])
        tasks.append((X - centre, y - target, v, centre, target))
    d, T = solution.A.shape
    mean = np.kron(np.full((T, T), 1 / np.longdouble(T)), np.eye(d))
    H = penalty.alpha * (np.eye(d * T) - mean) + penalty.alpha_mean * mean
    q = np.concatenate([X.T @ (v * y) for X, y, v, *_ in tasks])
    for t, (X, _, v, *_) in enumerate(tasks):
        block = slice(t * d, (t + 1) * d)
        H[block, block] += X.T @ (v[:, None] * X)
    best = np.zeros(d * T, dtype=np.longdouble)
    for _ in range(30):
        rest = (q - H @ best).astype(np.float64)
        best = best + np.linalg.solve(H.astype(np.float64), rest)

    move = solution.A.T.astype(np.longdouble).ravel() - best
    excess = move @ H @ move / 2
    for A, b, (*_, v, centre, target) in zip(
        solution.A.T, solution.intercept, tasks, strict=True
    ):
        off = b + centre @ A.astype(np.longdouble) - target
        excess += v.sum() * off**2 / 2
    return float(excess)


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_layout
@both_intercepts
def test_gaps_bound_the_suboptimality_in_extended_precision(
    layout, dtype, offset, intercept
):
    for seed, alpha in enumerate([1e-4, 1e-2, 1.0, 100.0]):
        case = random_case(
            "squared", "mean", layout, dtype=dtype, seed=seed, intercept=intercept
        )
        X = case.data.X.copy()
        if sp.issparse(X):
            X.data += dtype(offset)
        else:
            X += dtype(offset)
        data = replace(case.data, X=X)
        case = replace(case, data=data, penalty=MeanRegularization(alpha, 0.1 * alpha))
        problem = case.problem()
        solution = Direct().solve(problem)
        short = exact_suboptimality(case, solution) - solution.gap
        assert short <= 8 * np.finfo(float).eps * problem.scale


@every_loss
@both_intercepts
@pytest.mark.parametrize(
    "alpha_mean", [0.05, pytest.param(1e-5, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("layout", ["stacked-dense", "stacked-sparse"])
def test_tasks_with_many_and_with_few_rows(loss, layout, intercept, alpha_mean):
    """Of more features than compiled passes take, and of few."""
    for d in (6, 60):
        case = shaped_case(loss, layout, "tall", 0.3, alpha_mean, intercept=intercept)
        data = random_data(loss, layout, n=3 * d, d=d, weighted=True)
        sizes = np.diff(data.offsets)
        keep = np.ones(len(data.y), dtype=bool)
        keep[data.offsets[1] + d // 2 : data.offsets[2]] = False
        sizes[1] = d // 2
        data = replace(
            data,
            X=data.X[keep],
            y=data.y[keep],
            weight=data.weight[keep],
            offsets=np.concatenate([[0], np.cumsum(sizes)]),
        )
        problem = replace(case, data=data).problem()
        solution = Direct(tol=1e-12).solve(problem)
        assert solution.converged
        assert solution.n_iter <= (1 if loss == "squared" else 20)


@every_loss
@pytest.mark.parametrize("alpha_mean", [0.05, 1e-5, 0.0])
@pytest.mark.parametrize(("n", "d"), [(4, 1), (6, 3), (3, 7)])
def test_no_step_is_taken_task_by_task(loss, n, d, alpha_mean):
    calls = []
    for n_tasks in (50, 500):
        data = random_data(
            loss, "stacked-dense", n=n, d=d, n_tasks=n_tasks, weighted=False
        )
        penalty = MeanRegularization(0.3, alpha_mean)
        problem = Case(data, LOSSES[loss](), penalty, np.ones(n_tasks)).problem()
        # the same number of steps, whatever the data
        calls.append(counted(lambda p=problem: Direct(max_iter=1).solve(p)))
    # intercepts may take some steps more, but a loop over tasks 450 calls
    assert calls[1] < calls[0] + 300


SCALES = {
    "large": [1e8, 1, 1, 1, 1],
    "small": [1, 1e-8, 1, 1, 1],
    "both": [1e8, 1e-8, 1, 1, 1],
    "many": [1e6, 1e-6, 1e3, 1e-3, 1],
}


@pytest.mark.parametrize(
    ("alpha_mean", "duplicated"), [(1e-3, True), (1e-3, False), (0.0, False)]
)
@pytest.mark.parametrize("n", [30, 4])
@pytest.mark.parametrize("scale", SCALES)
@both_intercepts
def test_features_in_any_units(intercept, scale, n, alpha_mean, duplicated):
    data = random_data("squared", "stacked-dense", n=n, d=5, n_tasks=8, weighted=False)
    X = data.X * np.array(SCALES[scale])
    X[:, 4] = X[:, 0] if duplicated else 3.0
    X[: data.offsets[4], 3] = 1.0
    penalty = MeanRegularization(0.1, alpha_mean)
    case = Case(replace(data, X=X), LOSSES["squared"](), penalty, np.ones(8))
    problem = replace(case, fit_intercept=intercept).problem()
    solution = Direct().solve(problem)
    assert solution.converged
    assert solution.n_iter <= 4
