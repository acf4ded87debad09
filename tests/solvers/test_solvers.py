"""The contract of every solver, on every penalty, loss and layout that it takes."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from mtlreg.losses import LOSSES
from mtlreg.penalties import L1, L21, Dirty, InfimalSum, L1Linf, MeanRegularization
from mtlreg.problem.terms import DataTerm, StatisticsTerm
from mtlreg.solvers import FISTA, SOLVERS, Direct, Solver, choose_solver
from tests.problems import (
    PENALTY_CASES,
    Case,
    random_case,
    random_data,
)
from tests.solvers.combinations import (
    TRIPLES,
    assert_solution,
    every_layout,
    every_triple,
)

PAIRS = [
    pytest.param(*pair, id="-".join(pair))
    for pair in itertools.product(LOSSES, PENALTY_CASES)
]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
every_pair = pytest.mark.parametrize(("loss", "penalty"), PAIRS)


def first_case(solver, layout="stacked-dense", **options):
    """A case of the first loss and penalty that a solver takes."""
    name, loss, penalty = next(p.values for p in TRIPLES if p.values[0] == solver)
    return SOLVERS[name], random_case(loss, penalty, layout, **options)


@every_triple
@every_layout
def test_every_solver_reaches_its_gap(solver, loss, penalty, layout):
    for seed, intercept in enumerate([True, False]):
        case = random_case(loss, penalty, layout, intercept=intercept, seed=seed)
        problem = case.problem()
        solution = SOLVERS[solver](tol=1e-7).solve(problem)
        assert_solution(solution, problem)
        assert solution.converged
        F0 = problem.null_value
        assert 0 <= solution.gap <= 1e-7 * F0
        # from scratch, in the units of X
        gap = case.gap(solution.A, solution.intercept)
        assert solution.gap == pytest.approx(gap, abs=1e-12 * F0)
        if not intercept:
            assert not solution.intercept.any()


def test_every_problem_has_a_solver_and_the_registry_holds_solvers():
    taken = {p.values[1:] for p in TRIPLES}
    assert taken == set(itertools.product(LOSSES, PENALTY_CASES))
    assert all(issubclass(kind, Solver) for kind in SOLVERS.values())


@pytest.mark.parametrize("penalty", ["mean", "mean-free"])
@every_layout
@pytest.mark.parametrize("intercept", [True, False])
def test_fista_agrees_with_the_direct_solution(penalty, layout, intercept):
    problem = random_case("squared", penalty, layout, intercept=intercept).problem()
    direct = Direct().solve(problem)
    fista = FISTA(tol=1e-12).solve(problem)
    assert direct.n_iter == 1
    assert direct.gap <= 1e-13 * problem.null_value
    F = problem.objective(direct.A)
    assert problem.objective(fista.A) == pytest.approx(F, rel=1e-11)
    np.testing.assert_allclose(fista.A, direct.A, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 40), (40, 3)])
@pytest.mark.parametrize("layout", ["stacked-dense", "shared-dense", "stacked-sparse"])
@pytest.mark.parametrize("intercept", [True, False])
def test_direct_solves_the_normal_equations(shape, layout, intercept):
    n, d = shape
    case = random_case("squared", "mean", layout, n=n, d=d, intercept=intercept)
    solution = Direct().solve(case.problem())
    n_tasks, blocks, target = 3, [], []
    for X, y, v in case.tasks():
        rows = X - (v @ X / v.sum() if intercept else 0)
        blocks.append(rows.T @ (v[:, None] * rows))
        target.append(rows.T @ (v * (y - (v @ y / v.sum() if intercept else 0))))
    average = np.full((n_tasks, n_tasks), 1 / n_tasks)
    Q = case.penalty.alpha * (np.eye(n_tasks) - average)
    Q += case.penalty.alpha_mean * average
    system = np.kron(Q, np.eye(d))
    for t, block in enumerate(blocks):
        system[t * d : (t + 1) * d, t * d : (t + 1) * d] += block
    expected = np.linalg.solve(system, np.concatenate(target)).reshape(n_tasks, d).T
    np.testing.assert_allclose(solution.A, expected, rtol=0, atol=1e-11)


@every_layout
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_dirty_gauge_reaches_the_optimum_of_the_sum(loss, layout, norm):
    case = random_case(loss, f"dirty-{norm}", layout)
    problem = case.problem()
    alpha, group = case.penalty, {"linf": L1Linf, "l2": L21}[norm]
    both = InfimalSum(group(alpha.alpha_shared), L1(alpha.alpha_specific))
    other = replace(case, penalty=both).problem()
    one, two = (FISTA(tol=1e-10).solve(p) for p in (problem, other))
    F = problem.objective(one.A), other.objective(two.A)
    # both within their gap of one optimum
    rounding = 1e-14 * F[0]
    assert F[0] - one.gap - rounding <= F[1] <= F[0] + two.gap + rounding
    assert problem.objective(two.A.sum(axis=0)) <= F[1] * (1 + 1e-13)
    blocks = np.stack(alpha.split(one.A))
    assert other.objective(blocks) == pytest.approx(F[0], rel=1e-13)


@every_triple
def test_init_is_used_and_not_written(solver, loss, penalty):
    problem = random_case(loss, penalty, "stacked-dense").problem()
    kind = SOLVERS[solver]
    cold = kind(tol=1e-8).solve(problem)
    init = cold.A.copy()
    init.flags.writeable = False
    warm = kind(tol=1e-8).solve(problem, init=init)
    np.testing.assert_array_equal(init, cold.A)
    assert warm.converged
    assert warm.n_iter == 1
    rng = np.random.default_rng(0)
    for start in (np.asfortranarray(rng.normal(size=problem.shape)), 5 + 0 * init):
        before = start.copy()
        again = kind(tol=1e-8).solve(problem, init=start)
        np.testing.assert_array_equal(start, before)
        assert again.converged
        F = problem.objective(cold.A)
        slack = max(cold.gap, again.gap) + 1e-14 * F
        assert abs(problem.objective(again.A) - F) <= slack


@every_solver
def test_the_monitor_sees_every_check_and_stops(solver):
    kind, case = first_case(solver)
    problem, seen = case.problem(), []

    def monitor(iteration, A, gap):
        assert A.shape == problem.shape
        rounding = 1e-12 * problem.null_value
        assert gap == pytest.approx(problem.certificate(A).gap, abs=rounding)
        seen.append((iteration, gap))
        return False

    solution = kind(tol=1e-8).solve(problem, monitor=monitor)
    assert seen == solution.history
    assert solution.converged

    def stop_at_second(iteration, A, gap):
        calls.append(A.copy())
        return len(calls) == 2

    calls = []
    stopped = kind(tol=1e-14).solve(problem, monitor=stop_at_second)
    assert len(calls) == len(stopped.history) <= 2
    np.testing.assert_array_equal(stopped.A, calls[-1])
    assert_solution(stopped, problem)
    assert stopped.converged == (stopped.gap <= problem.gap_target(1e-14))


@every_triple
@pytest.mark.parametrize("max_iter", [1, 7])
def test_few_iterations_give_a_complete_solution(solver, loss, penalty, max_iter):
    case = random_case(loss, penalty, "shared-dense")
    problem = case.problem()
    solution = SOLVERS[solver](max_iter=max_iter, tol=1e-14).solve(problem)
    assert_solution(solution, problem)
    assert solution.n_iter <= max_iter
    assert solution.converged == (solution.gap <= problem.gap_target(1e-14))
    # the certificate is that of what is returned, intercept and all
    F0 = case.null_value()
    if penalty != "mean-free":
        gap = case.gap(solution.A, solution.intercept)
        assert solution.gap == pytest.approx(gap, abs=1e-11 * F0)
    certificate = problem.certificate(solution.A)
    assert solution.gap == pytest.approx(certificate.gap, rel=1e-9)
    np.testing.assert_allclose(certificate.intercept, solution.intercept, atol=1e-9)


NO_NULL = (
    "mean",
    "mean-ridge",
    "mean-complete",
    "positive-mean",
    "squared-trace",
    "ridge-squared",
    "squared-cluster",
)
WITHOUT_NULL = {("logistic", p) for p in NO_NULL}


@pytest.mark.parametrize(
    ("solver", "loss", "penalty"),
    # without a polar only a gradient of exact zeros shows that the null model is best
    [p for p in TRIPLES if p.values[1:] not in WITHOUT_NULL],
)
def test_zero_is_decided_before_the_first_iteration(solver, loss, penalty):
    case = random_case(loss, penalty, "stacked-dense")
    if case.penalty.has_polar:
        factor = case.problem().alpha_factor
        case = replace(case, penalty=case.penalty.scaled(factor))
    elif loss == "squared":
        case = replace(case, data=replace(case.data, y=np.zeros_like(case.data.y)))
    else:
        # two tasks that agree, so that nothing draws them from their mean
        data = random_data(loss, "shared-dense", n_tasks=1)
        y, weight = np.tile(data.y, 2), np.tile(data.weight, 2)
        data = replace(data, y=y, weight=weight)
        case = replace(case, data=data, task_scale=np.ones(2))
    problem = case.problem()
    assert problem.is_null
    null = problem.null_point()
    solution = SOLVERS[solver](tol=1e-10).solve(problem, init=np.ones(problem.shape))
    np.testing.assert_array_equal(solution.A, null)
    assert null.any() == (loss == "logistic" and penalty == "mean-free")
    assert solution.converged
    assert solution.n_iter == 1
    assert solution.history == [(0, solution.gap)]
    assert solution.gap <= problem.gap_target(0)


@every_solver
def test_refusals_name_a_solver_that_works(solver):
    kind = SOLVERS[solver]
    for loss, penalty in itertools.product(LOSSES, PENALTY_CASES):
        case = random_case(loss, penalty, "stacked-dense")
        reason = kind().refuses(case.loss, case.penalty)
        if reason is None:
            continue
        problem = case.problem()
        with pytest.raises(ValueError, match=f"solver '{solver}'") as refusal:
            kind().solve(problem)
        assert str(refusal.value) == reason
        named = [name for name in SOLVERS if f"use '{name}'" in reason]
        assert named
        for name in named:
            assert SOLVERS[name]().refuses(case.loss, case.penalty) is None


@every_pair
def test_auto_chooses_a_solver_that_works(loss, penalty):
    case = random_case(loss, penalty, "stacked-dense")
    chosen = choose_solver(case.problem(), 123, 1e-5)
    assert chosen.refuses(case.loss, case.penalty) is None
    assert (chosen.max_iter, chosen.tol) == (123, 1e-5)
    assert isinstance(chosen, Direct) == penalty.startswith("mean")


@every_solver
def test_a_feature_that_is_constant_in_a_task_gets_nothing_there(solver):
    for loss, penalty in [p.values[1:] for p in TRIPLES if p.values[0] == solver]:
        data = random_data(loss, "stacked-dense", d=5)
        X = data.X.copy()
        X[: data.offsets[1], 1] = 0.1
        X[:, 4] = np.repeat([1.0, 2.0, 7.0], np.diff(data.offsets))
        data = replace(data, X=X)
        case = Case(data, LOSSES[loss](), PENALTY_CASES[penalty], np.ones(3)).scaled(
            0.1
        )
        problem = case.problem()
        solution = SOLVERS[solver](tol=1e-8).solve(problem)
        assert solution.converged
        A = problem.penalty.combine(solution.A)
        if problem.penalty.has_polar:
            assert not A[4].any()
        # what no data speaks of is the penalty's choice alone
        np.testing.assert_allclose(A[4], A[4].mean(), atol=1e-9)
        if penalty in ("l1", "sparse-l2", "sparse-linf"):
            assert A[1, 0] == 0


def test_solvers_are_values():
    for kind in SOLVERS.values():
        solver = kind()
        assert (solver.max_iter, solver.tol) == (10_000, 1e-6)
        assert solver == kind(10_000, 1e-6)
        with pytest.raises(AttributeError):
            solver.tol = 1.0


@pytest.mark.parametrize("check_every", [1, 3, 10])
def test_fista_checks_as_often_as_told(check_every):
    case = random_case("squared", "l21", "stacked-dense")
    solver = FISTA(max_iter=25, tol=1e-16, check_every=check_every)
    iterations = [k for k, _ in solver.solve(case.problem()).history]
    expected = [k for k in range(26) if k % check_every == 0 or k == 25]
    assert iterations == expected[: len(iterations)]


def test_direct_solution_of_the_limits():
    data = random_data("squared", "stacked-dense")
    ends = {}
    for alpha, alpha_mean in [(0.3, 0.3), (1e13, 0.1)]:
        penalty = MeanRegularization(alpha, alpha_mean)
        case = Case(data, LOSSES["squared"](), penalty, np.array([0.5, 1, 2]))
        ends[alpha] = Direct().solve(case.problem()).A
    pooled, target = np.zeros((4, 4)), np.zeros(4)
    for t, (X, y, v) in enumerate(case.tasks()):
        rows, rest = X - v @ X / v.sum(), y - v @ y / v.sum()
        H, q = rows.T @ (v[:, None] * rows), rows.T @ (v * rest)
        # equal strengths: independent ridges
        alone = np.linalg.solve(H + 0.3 * np.eye(4), q)
        np.testing.assert_allclose(ends[0.3][:, t], alone, atol=1e-12)
        pooled += H + 0.1 * np.eye(4)
        target += q
    # alpha -> inf: one slope vector
    one = np.linalg.solve(pooled, target)
    np.testing.assert_allclose(ends[1e13], np.tile(one[:, None], 3), atol=1e-11)


def test_dirty_corners_are_the_simpler_models():
    data, loss = random_data("squared", "stacked-dense"), LOSSES["squared"]()
    solve = FISTA(tol=1e-10).solve
    for dirty, simple in [
        (Dirty(0.5, 0.51, "linf"), L1Linf(0.5)),
        (Dirty(0.5, 0.51, "l2"), L21(0.5)),
        (Dirty(0.91, 0.3, "linf"), L1(0.3)),
        (Dirty(0.53, 0.3, "l2"), L1(0.3)),
    ]:
        first, second = (
            solve(Case(data, loss, penalty, np.ones(3)).problem())
            for penalty in (dirty, simple)
        )
        np.testing.assert_allclose(first.A, second.A, atol=1e-12)


@pytest.mark.parametrize("penalty", ["trace", "l21"])
@pytest.mark.parametrize("loss", LOSSES)
def test_rounding_does_not_shorten_steps_for_ever(loss, penalty, monkeypatch):
    # near the optimum of badly scaled data images differ by rounding where A does not
    case = random_case(loss, penalty, "stacked-dense")

    def bends(term, lipschitz, *ends):
        return lipschitz < np.inf

    for kind in (DataTerm, StatisticsTerm):
        monkeypatch.setattr(kind, "bends_more", bends)
    solution = FISTA(tol=1e-6).solve(case.problem())
    assert solution.converged
