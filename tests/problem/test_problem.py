"""Objective, certificate and null model, against the same written out naively."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.losses import LOSSES
from mtlreg.penalties import L21, MeanRegularization
from mtlreg.problem import free as _free
from mtlreg.problem import pseudo_inverse as _pseudo_inverse
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.design import StackedDesign
from mtlreg.problem.problem import Problem
from mtlreg.solvers import BCD, FISTA, Direct
from tests import oracles
from tests.problems import (
    GAUGE_CASES,
    LAYOUTS,
    PENALTY_CASES,
    Case,
    random_case,
    random_data,
)

EPS = np.finfo(float).eps
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_penalty = pytest.mark.parametrize("penalty", PENALTY_CASES)
every_gauge = pytest.mark.parametrize("penalty", GAUGE_CASES)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
both_intercepts = pytest.mark.parametrize("intercept", [True, False])


def points(problem, seed=0):
    """Variables of a problem, from almost nothing to far away."""
    rng = np.random.default_rng(seed)
    for scale in [1e-6, 0.1, 1.0, 10.0]:
        A = scale * rng.normal(size=problem.shape)
        A[rng.random(A.shape) < 0.3] = 0
        yield A


@every_loss
@every_penalty
@every_layout
def test_gap_bounds_the_suboptimality(loss, penalty, layout):
    for seed, intercept in enumerate([True, False]):
        case = random_case(loss, penalty, layout, intercept=intercept, seed=seed)
        problem = case.problem()
        best = FISTA(tol=1e-8).solve(problem)
        least, F0 = case.objective(best.A, best.intercept), case.null_value()
        for A in points(problem, seed):
            certificate = problem.certificate(A)
            F = case.objective(A, certificate.intercept)
            assert problem.objective(A) == pytest.approx(F, rel=1e-12)
            assert certificate.gap >= F - least - 1e-12 * F0
            if penalty != "mean-free":
                # the same dual point: equal but for the rounding of F minus the dual
                naive = case.gap(A, certificate.intercept)
                assert certificate.gap == pytest.approx(naive, abs=1e-12 * (F + F0))


@every_loss
@every_penalty
@every_layout
@both_intercepts
def test_null_model_and_alpha_factor(loss, penalty, layout, intercept):
    case = random_case(loss, penalty, layout, intercept=intercept, fraction=1 / 3)
    problem = case.problem()
    A = problem.null_point()
    assert A.shape == problem.shape
    b = problem.certificate(A).intercept
    assert case.objective(A, b) == pytest.approx(problem.null_value, rel=1e-12)
    if penalty != "mean-free":
        assert problem.null_value == pytest.approx(case.null_value(), rel=1e-13)
        assert not A.any()
    if not problem.penalty.has_polar:
        assert problem.alpha_factor == np.inf
        assert not problem.is_null
        return
    assert problem.alpha_factor == pytest.approx(3, rel=1e-12)
    at_max = replace(case, penalty=case.penalty.scaled(problem.alpha_factor)).problem()
    assert at_max.is_null
    below = case.penalty.scaled(0.999 * problem.alpha_factor)
    assert not replace(case, penalty=below).problem().is_null


@every_gauge
@every_layout
@both_intercepts
@pytest.mark.parametrize("fraction", [0.99, 0.5, 1e-3])
def test_gap_of_zero_is_known_for_the_squared_loss(
    penalty, layout, intercept, fraction
):
    case = random_case(
        "squared", penalty, layout, intercept=intercept, fraction=fraction
    )
    problem = case.problem()
    expected = (1 - fraction) ** 2 * case.null_value()
    gap = problem.certificate(np.zeros(problem.shape)).gap
    assert gap == pytest.approx(expected, rel=1e-10)


@every_loss
@every_gauge
def test_alpha_factor_is_the_polar_of_the_null_gradient(loss, penalty):
    case = random_case(loss, penalty, "stacked-dense")
    oracle, columns = oracles.LOSS_ORACLES[loss], []
    for X, y, v in case.tasks():
        b = case.loss.constant(v @ y / v.sum())
        columns.append(-X.T @ (v * oracle.slope(y, b)))
    expected = oracles.polar(case.penalty, np.stack(columns, axis=1))
    assert case.problem().alpha_factor == pytest.approx(expected, rel=1e-11)


@every_loss
@every_layout
@both_intercepts
def test_gradient_by_differences(loss, layout, intercept):
    term = random_case(loss, "l21", layout, intercept=intercept).problem().term
    rng, step = np.random.default_rng(0), 1e-5
    A = rng.normal(size=(4, 3))
    value, gradient = term.value_and_gradient(A)
    for _ in range(10):
        D = rng.normal(size=A.shape)
        above, _ = term.value_and_gradient(A + step * D)
        below, _ = term.value_and_gradient(A - step * D)
        slope = (above - below) / (2 * step)
        assert np.sum(gradient * D) == pytest.approx(slope, abs=1e-9 * (1 + value))


@every_loss
@every_layout
@both_intercepts
def test_lipschitz_constant_bounds_the_change_of_the_gradient(loss, layout, intercept):
    term = random_case(loss, "l21", layout, intercept=intercept).problem().term
    rng, L = np.random.default_rng(0), term.lipschitz
    bends = []
    for scale in [1e-3, 0.1, 1.0, 10.0] * 5:
        A, D = scale * rng.normal(size=(2, 4, 3))
        _, first = term.value_and_gradient(A)
        _, second = term.value_and_gradient(A + D)
        ratio = np.linalg.norm(first - second) / np.linalg.norm(D)
        assert ratio <= L * (1 + 1e-12)
        ends = D, term.image(A), term.image(A + D)
        assert not term.bends_more(L, *ends)
        bends.append(term.bends_more(0.1 * L, *ends))
    # and it is no wild one
    assert any(bends)


@pytest.mark.parametrize("size", [1e-250, 1.0, 1e250])
@every_layout
@pytest.mark.parametrize("on_statistics", [False, True])
def test_moves_of_any_size_bend_by_as_much(layout, on_statistics, size):
    problem = random_case("squared", "l21", layout, n=80, weighted=False).problem()
    term = (problem.on_statistics() if on_statistics else problem).term
    D = np.random.default_rng(0).normal(size=(4, 3))
    before, after = term.image(0 * D), term.image(D)
    ends = size * D, size * before, size * after
    assert not term.bends_more(term.lipschitz, *ends)
    assert term.bends_more(1e-3 * term.lipschitz, *ends)


@pytest.mark.parametrize("penalty", ["l21", "trace", "mean", "sum-trace"])
@every_layout
@both_intercepts
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_say_what_the_rows_say(penalty, layout, intercept, weighted):
    # so many rows that statistics pay
    options = {"n": 80, "intercept": intercept, "weighted": weighted}
    problem = random_case("squared", penalty, layout, **options).problem()
    statistics = problem.on_statistics()
    rows, term = problem.term, statistics.term
    F0, blocks = problem.null_value, problem.penalty.n_blocks
    assert term.lipschitz == pytest.approx(rows.lipschitz, rel=1e-10)
    for A in points(problem):
        matrix = problem.penalty.combine(A)
        value, gradient = rows.value_and_gradient(matrix)
        Z = term.image(matrix)
        size = value + F0
        assert term.value_at(matrix, Z) == pytest.approx(value, abs=1e-12 * size)
        np.testing.assert_allclose(term.gradient(Z), gradient, atol=1e-12 * size)
        found, exact = statistics.certificate(A, Z), problem.certificate(A)
        assert found.gap == pytest.approx(exact.gap, rel=1e-9, abs=1e-12 * F0)
        np.testing.assert_allclose(found.intercept, exact.intercept, atol=1e-10)
        assert statistics.objective(A) == pytest.approx(problem.objective(A), rel=1e-12)
        ends = A, term.image(0 * matrix), Z
        assert not term.bends_more(blocks * term.lipschitz * (1 + 1e-10), *ends)
        assert term.bends_more(1e-3 * term.lipschitz, *ends)


@pytest.mark.parametrize("penalty", ["l21", "trace", "mean"])
@both_intercepts
def test_null_model_of_statistics_is_that_of_the_rows(penalty, intercept):
    case = random_case("squared", penalty, "stacked-dense", n=80, intercept=intercept)
    problem = case.problem()
    statistics = problem.on_statistics()
    for attribute in ("null_value", "alpha_factor", "scale"):
        exact = getattr(problem, attribute)
        assert getattr(statistics, attribute) == pytest.approx(exact, rel=1e-12)
    assert statistics.gap_target(1e-6) == pytest.approx(problem.gap_target(1e-6))
    zero = np.zeros(problem.shape)
    first, second = (p.certificate(zero) for p in (statistics, problem))
    assert first.gap == pytest.approx(second.gap, rel=1e-10)
    np.testing.assert_allclose(first.intercept, second.intercept, rtol=1e-12)


FREE_PENALTIES = {
    "all": MeanRegularization(0.3, 0.0),
    "some": MeanRegularization(0.3, np.array([0.1, 0.0, 0.2, 0.0])),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["l21", "mean"])
def test_statistics_of_float32_rows_see_no_rounding_of_their_centred_copy(
    layout, weighted, name
):
    case = random_case(
        "squared", name, layout, d=6, n=60, weighted=weighted, dtype=np.float32
    )
    problem, rng = case.problem(), np.random.default_rng(0)
    statistics = problem.on_statistics(10_000)
    for scale in [0.1, 1.0, 10.0]:
        A = scale * rng.normal(size=problem.shape)
        expected = problem.certificate(A).gap
        assert statistics.certificate(A).gap == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("name", FREE_PENALTIES)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("layout", ["shared-dense", "stacked-dense"])
def test_free_directions_on_statistics(layout, intercept, name):
    data = random_data("squared", layout, n=80, weighted=layout != "shared-dense")
    scale = np.array([0.5, 1.0, 2.0])
    loss, penalty = LOSSES["squared"](), FREE_PENALTIES[name]
    problem = Problem(data, loss, penalty, scale, intercept)
    statistics = problem.on_statistics(10_000)
    assert statistics.null_value == pytest.approx(problem.null_value, rel=1e-10)
    rng = np.random.default_rng(0)
    zero, A = np.zeros(problem.shape), rng.normal(size=problem.shape)
    for point in (zero, A, problem.null_point()):
        first, second = (p.certificate(point) for p in (statistics, problem))
        assert first.gap == pytest.approx(second.gap, rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(first.intercept, second.intercept, rtol=1e-10)
    found = [Direct(tol=1e-9).solve(p) for p in (statistics, problem)]
    assert found[0].converged
    np.testing.assert_allclose(found[0].A, found[1].A, rtol=1e-8, atol=1e-10)


@every_layout
def test_another_penalty_on_the_same_data(layout):
    case = random_case("logistic", "l21", layout)
    problem = case.problem()
    for name, penalty in PENALTY_CASES.items():
        other = problem.with_penalty(penalty)
        alone = replace(case, penalty=penalty).problem()
        assert other.null_value == alone.null_value, name
        assert other.alpha_factor == alone.alpha_factor
        assert other.shape == alone.shape
        A = np.ones(other.shape)
        gap = alone.certificate(A).gap
        assert other.certificate(A).gap == pytest.approx(gap, rel=1e-12)
    assert problem.penalty is case.penalty


@every_loss
@every_layout
@pytest.mark.parametrize("offset", [0.0, 30.0, 1e5])
def test_intercept_is_moved_back_to_the_units_of_X(loss, layout, offset):
    case = random_case(loss, "l21", layout)
    X = case.data.X.copy()
    if sp.issparse(X):
        X.data += offset
    else:
        X += offset
    case = replace(case, data=replace(case.data, X=X))
    problem = case.problem()
    rng = np.random.default_rng(0)
    A = rng.normal(size=problem.shape) / (1 + (offset if sp.issparse(X) else 0))
    b = problem.certificate(A).intercept
    F, rounding = case.objective(A, b), 1e-14 * (1 + offset) + 1e-13
    assert problem.objective(A) == pytest.approx(F, rel=rounding)
    for t in range(3):
        # no other intercept is better
        for change in [-1e-3, 1e-3]:
            assert case.objective(A, b + change * np.eye(3)[t]) > F


@every_penalty
@every_layout
def test_certificate_of_a_given_image(penalty, layout):
    problem = random_case("logistic", penalty, layout).problem()
    for A in points(problem):
        Z = problem.term.image(problem.penalty.combine(A))
        given, own = problem.certificate(A, Z), problem.certificate(A)
        assert given.gap == pytest.approx(own.gap, rel=1e-12)
        np.testing.assert_allclose(given.intercept, own.intercept, atol=1e-12)


@every_loss
@every_penalty
def test_certificates_do_not_depend_on_what_was_asked_before(loss, penalty):
    case = random_case(loss, penalty, "stacked-dense")
    problem, before = case.problem(), {}
    rounds = [list(enumerate(points(problem))), list(enumerate(points(problem)))[::-1]]
    for k, A in itertools.chain(*rounds):
        copy = A.copy()
        gap = problem.certificate(A).gap
        assert gap == pytest.approx(before.setdefault(k, gap), rel=1e-10)
        np.testing.assert_array_equal(A, copy)


@every_loss
@every_penalty
@every_layout
def test_gap_is_never_negative_at_the_optimum(loss, penalty, layout):
    case = random_case(loss, penalty, layout)
    problem = case.problem()
    solution = FISTA(tol=1e-12, max_iter=3000).solve(problem)
    rng = np.random.default_rng(0)
    for size in [0.0, 1e-16, 1e-12, 1e-9]:
        A = solution.A * (1 + size * rng.normal(size=problem.shape))
        certificate = problem.certificate(A)
        assert 0 <= certificate.gap <= (1e-11 + 10 * size) * problem.scale


@pytest.mark.parametrize("alpha", [1e-10, 1e-3, 1.0, 1e4, 1e14])
@pytest.mark.parametrize("alpha_mean", [0.0, 1e-8, 0.1, 1e6])
@every_layout
def test_gap_of_the_exact_solution_is_rounding(alpha, alpha_mean, layout):
    data = random_data("squared", layout)
    penalty = MeanRegularization(alpha, alpha_mean)
    case = Case(data, LOSSES["squared"](), penalty, np.array([0.5, 1, 2]))
    problem = case.problem()
    solution = Direct().solve(problem)
    assert 0 <= solution.gap <= 1e-12 * problem.scale


def singular_case(loss, intercept=True, seed=0):
    """Tasks whose pooled matrix is singular: groups that sum to 1, a repeated column,
    and features that are constant in most tasks.
    """
    rng = np.random.default_rng(seed)
    n_tasks, n = 5, 24
    groups = np.eye(3)[rng.integers(0, 3, n_tasks * n)]
    school = np.eye(n_tasks)[np.repeat(np.arange(n_tasks), n)][:, :2]
    free = rng.normal(size=(n_tasks * n, 2))
    X = np.hstack([groups, school, free, free[:, :1]])
    z = X @ rng.normal(size=8) + 1.5 * rng.logistic(size=len(X))
    data = MultiTaskData(
        X,
        oracles.LOSS_ORACLES[loss].target(z),
        rng.choice([0.5, 1.0, 2.0], len(X)),
        np.arange(n_tasks + 1) * n,
    )
    scale = np.linspace(0.5, 2, n_tasks)
    return Case(data, LOSSES[loss](), MeanRegularization(0.2, 0.0), scale, intercept)


@every_loss
@both_intercepts
def test_gap_where_the_pooled_matrix_is_singular(loss, intercept):
    case = singular_case(loss, intercept)
    problem = case.problem()
    best = FISTA(tol=1e-9).solve(problem)
    assert best.converged
    least = case.objective(best.A, best.intercept)
    F0 = problem.null_value
    assert case.gap(best.A, best.intercept) == pytest.approx(best.gap, abs=1e-12 * F0)
    for A in points(problem):
        certificate = problem.certificate(A)
        suboptimality = case.objective(A, certificate.intercept) - least
        assert certificate.gap >= suboptimality - 1e-12 * F0
        # far away, where the classes saturate, there may be no dual point
        assert np.isfinite(certificate.gap) or np.abs(A).max() > 10


@both_intercepts
def test_direct_solution_of_a_singular_pooled_matrix(intercept):
    case = singular_case("squared", intercept)
    problem = case.problem()
    solution = Direct().solve(problem)
    assert solution.gap <= 1e-13 * problem.null_value
    naive = case.gap(solution.A, solution.intercept)
    assert naive == pytest.approx(0, abs=1e-13 * problem.null_value)
    # the limit of a vanishing strength of the mean
    near = Direct().solve(
        replace(case, penalty=MeanRegularization(0.2, 1e-9)).problem()
    )
    np.testing.assert_allclose(solution.A, near.A, atol=1e-6)


def test_the_hessian_of_free_directions_is_made_once_for_the_squared_loss(monkeypatch):
    counts = {"gram": 0, "eigh": 0}

    def counted(name, function):
        def call(*args, **kwargs):
            counts[name] += 1
            return function(*args, **kwargs)

        return call

    for owner, name in ((StackedDesign, "gram"), (_pseudo_inverse, "eigh")):
        monkeypatch.setattr(owner, name, counted(name, getattr(owner, name)))
    problem = singular_case("squared").problem()
    for A in points(problem):
        gap = problem.certificate(A).gap
        other = problem.with_penalty(MeanRegularization(0.4, 0.0))
        assert other.certificate(A).gap != gap
    assert counts == {"gram": 5, "eigh": 1}  # 5 tasks
    # that of another loss moves
    problem = singular_case("logistic").problem()
    assert counts["eigh"] > 2


@every_loss
def test_free_null_model_is_the_pooled_fit(loss):
    case = singular_case(loss)
    problem = case.problem()
    A = problem.null_point()
    np.testing.assert_allclose(A, np.tile(A[:, :1], 5), atol=1e-13)
    solution = problem.certificate(A)
    rng = np.random.default_rng(0)
    F0 = case.objective(A, solution.intercept)
    assert problem.null_value == pytest.approx(F0, rel=1e-13)
    for size in [1e-4, 1e-2, 1.0]:
        other = A + size * rng.normal(size=(8, 1))
        assert case.objective(other, problem.certificate(other).intercept) > F0


@pytest.mark.parametrize("second", [1.0, 0.5])
def test_separable_classes_with_a_free_mean_have_no_minimiser(second):
    X = np.linspace(-1, 1, 12)[:, None]
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    data = MultiTaskData(
        np.vstack([X, second * X]), np.tile(y, 2), np.ones(24), np.array([0, 12, 24])
    )
    penalty = MeanRegularization(1.0, 0.0)
    problem = Case(data, LOSSES["logistic"](), penalty, np.ones(2)).problem()
    # the infimum is 0, and so is the only dual point
    A = problem.null_point()
    assert problem.objective(A) <= problem.gap_target(0)
    solution = FISTA(max_iter=100, tol=1e-10).solve(problem)
    assert solution.gap >= (1 - 1e-12) * problem.objective(solution.A)
    for mean in [0.0, 1.0, 10.0, 100.0, 1000.0]:
        A = mean + np.array([[0.0, min(mean, 1.0)]])
        gap = problem.certificate(A).gap
        assert gap == pytest.approx(problem.objective(A), rel=1e-11)


@both_intercepts
def test_the_null_model_of_fewer_rows_than_features_has_the_least_norm(intercept):
    rng = np.random.default_rng(0)
    # in units far apart, with a constant and an empty column
    X = rng.normal(size=(6, 10)) * 10 ** rng.uniform(-2, 2, 10)
    X[:, 3], X[:, 7] = 5.0 * (not intercept), 0.0
    y = rng.normal(size=6)
    data = MultiTaskData(
        np.vstack([X, X]), np.tile(y, 2), np.ones(12), np.array([0, 6, 12])
    )
    penalty = MeanRegularization(1.0, 0.0)
    case = Case(data, LOSSES["squared"](), penalty, np.ones(2), intercept)
    if intercept:
        X, y = X - X.mean(axis=0), y - y.mean()
    expected = np.linalg.lstsq(X, y, rcond=1e-12)[0]
    A = case.problem().null_point()
    atol = 1e-9 * np.abs(expected).max()
    np.testing.assert_allclose(A, np.tile(expected[:, None], 2), rtol=0, atol=atol)


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_a_null_model_without_a_certificate_has_not_converged(loss):
    # the mean of one task is all of it: nothing is penalised
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    if loss == "logistic":
        # the last feature separates the rows that have it, without bound
        X[:, 2] *= rng.random(20) < 0.4
        y = np.where(X[:, 2] != 0, np.sign(X[:, 2]), rng.choice([-1.0, 1.0], 20))
    else:
        X, y = 1e6 + X * [3.0, 3e-5, 3e-4], rng.normal(size=20)
    data = MultiTaskData(X, y, np.ones(20), np.array([0, 20]))
    penalty = MeanRegularization(1.0, 0.0)
    case = Case(data, LOSSES[loss](), penalty, np.ones(1), fit_intercept=False)
    problem = case.problem()
    assert problem.is_null
    solution = Direct(tol=1e-8).solve(problem)
    assert solution.gap == problem.certificate(problem.null_point()).gap
    assert solution.gap > problem.gap_target(1e-8)
    assert not solution.converged
    assert solution.history == [(0, solution.gap)]


def newton_steps(problem, monkeypatch, **options):
    """Steps along free directions and certificates of a run of FISTA."""
    counts = {"_damped": 0, "optimum": 0}

    def counted(name, function):
        def call(*args):
            counts[name] += 1
            return function(*args)

        return call

    with monkeypatch.context() as patch:
        for name in counts:
            function = counted(name, getattr(_free.FreeDirections, name))
            patch.setattr(_free.FreeDirections, name, function)
        FISTA(**options).solve(problem, np.zeros(problem.shape))
    return counts["_damped"], counts["optimum"]


def test_sums_over_tasks_that_overflow_are_told_of():
    data = random_data("squared", "stacked-dense")
    data = replace(data, X=1e160 * data.X)
    case = Case(data, LOSSES["squared"](), MeanRegularization(0.3, 0.0), np.ones(3))
    with pytest.raises(ValueError, match="squares overflow"):
        case.problem()


def test_proximal_gradient_starts_at_the_null_model():
    case = random_case("squared", "mean-free", "stacked-dense")
    problem = replace(case, penalty=case.penalty.scaled(1e4)).problem()
    (first, near), *_ = FISTA().solve(problem).history
    (_, far), *_ = FISTA().solve(problem, np.zeros(problem.shape)).history
    assert first == 0
    assert near < 1e-3 * far


def test_free_directions_start_from_the_last_optimum(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(45, 30))
    y = np.where(X @ rng.normal(size=30) + 0.1 * rng.normal(size=45) > 0, 1.0, -1.0)
    data = MultiTaskData(X, y, np.ones(45), np.array([0, 15, 30, 45]))
    loss, penalty = LOSSES["logistic"](), MeanRegularization(0.3, 0.0)
    problem = Case(data, loss, penalty, np.ones(3)).problem()
    # no minimiser: the first optimum is as far away as any
    steps, checks = newton_steps(problem, monkeypatch, max_iter=300, tol=1e-10)
    assert checks == 31
    assert steps <= checks


@every_loss
@pytest.mark.parametrize("size", [1e155, 1e200, 1e300])
@every_layout
def test_overflow_is_refused(loss, size, layout):
    data = random_data(loss, layout)
    case = Case(data, LOSSES[loss](), L21(1.0), np.ones(3))
    with pytest.raises(ValueError, match="squares overflow; rescale"):
        replace(case, data=replace(data, X=data.X * size)).problem()
    if loss == "squared":
        with pytest.raises(ValueError, match="squares overflow; rescale"):
            replace(case, data=replace(data, y=data.y * size)).problem()


@every_loss
@pytest.mark.parametrize("size", [1e-150, 1e-160, 1e-200, 1e-300])
@every_layout
def test_underflow_is_refused(loss, size, layout):
    data = random_data(loss, layout)
    case = Case(data, LOSSES[loss](), L21(size), np.ones(3))
    with pytest.raises(ValueError, match="squares underflow; rescale"):
        replace(case, data=replace(data, X=data.X * size)).problem()
    if loss == "squared":
        with pytest.raises(ValueError, match="squares underflow; rescale"):
            replace(case, data=replace(data, y=data.y * size)).problem()


@pytest.mark.parametrize(
    ("x", "y", "penalty"),
    [
        (1e-90, 1e-90, L21(1e-181)),  # squares of gradients
        (1e-90, 1e90, L21(1e-1)),  # of coefficients
        (1e90, 1e-90, L21(1e-1)),
        (1.0, 1.0, L21(1e-160)),
        (1.0, 1.0, MeanRegularization(1e-300, 1e-3)),
        (1.0, 1.0, MeanRegularization(1e308, 1e-3)),
        (1.0, 1.0, MeanRegularization(1e-3, 1e308)),
        (1.0, 1.0, MeanRegularization(1e308, 0.0)),
    ],
)
@every_layout
def test_units_far_apart_are_refused(x, y, penalty, layout):
    data = random_data("squared", layout)
    data = replace(data, X=data.X * x, y=data.y * y)
    with pytest.raises(ValueError, match=r"squares underflow or overflow.*strengths"):
        Case(data, LOSSES["squared"](), penalty, np.ones(3)).problem()


@every_gauge
@every_layout
def test_a_strength_near_overflow_leaves_nothing(penalty, layout):
    case = random_case("squared", penalty, layout)
    penalty = case.penalty.scaled(1e307)
    problem = replace(case, penalty=penalty).problem()
    assert problem.is_null
    certificate = problem.certificate(problem.null_point())
    assert certificate.gap <= problem.gap_target(0.0)


@every_layout
def test_constants_may_be_small(layout):
    data = random_data("squared", layout)
    far = replace(data, X=np.full(data.X.shape, 0.1), y=0 * data.y)
    problem = Case(far, LOSSES["squared"](), L21(1.0), np.ones(3)).problem()
    assert problem.is_null


@every_layout
def test_vanishing_features_are_dead(layout):
    data = random_data("squared", layout)
    units = np.array([1.0] + [1e-200] * (data.X.shape[1] - 1))
    X = data.X * units
    data = replace(data, X=sp.csr_array(X) if sp.issparse(data.X) else X)
    problem = Case(data, LOSSES["squared"](), L21(1e-3), np.ones(3)).problem()
    solution = BCD(tol=1e-9).solve(problem)
    assert solution.converged
    assert solution.A[0].any()
    assert not solution.A[1:].any()


def test_gap_target():
    case = random_case("squared", "l21", "stacked-dense")
    problem = case.problem()
    assert problem.gap_target(1e-3) == 1e-3 * problem.null_value
    assert problem.scale == pytest.approx(case.null_value(), rel=1e-13)
    assert problem.gap_target(0.0) == 16 * EPS * problem.scale
    plain = replace(case, fit_intercept=False).problem()
    zero = case.objective(np.zeros((4, 3)), np.zeros(3))
    assert plain.scale == pytest.approx(zero, rel=1e-13)
    # an offset counts by the rounding of the intercepts that it leaves
    data, offset = case.data, 1e12
    far = replace(data, y=np.where(data.weight > 0, data.y + offset, 0.0))
    far = replace(case, data=far).problem()
    rounding = EPS * offset**2 * case.task_scale.sum()
    assert far.scale == pytest.approx(problem.scale + rounding, rel=1e-3)
    assert far.gap_target(1e-10) == 16 * EPS * far.scale > 1e-10 * far.null_value
    solution = FISTA(tol=0.0).solve(far)
    assert solution.converged
    assert solution.gap < 1e-6 * far.null_value
    single = random_case("squared", "l21", "stacked-dense", dtype=np.float32).problem()
    assert single.gap_target(1e-9) == 2e-6 * single.null_value
    assert single.gap_target(1e-3) == 1e-3 * single.null_value


@every_loss
@every_penalty
@every_layout
def test_float32_certificates_are_those_of_float64(loss, penalty, layout):
    single = random_case(loss, penalty, layout, dtype=np.float32, intercept=False)
    X = single.data.X.astype(np.float64)
    double = replace(single, data=replace(single.data, X=X))
    first, second = single.problem(), double.problem()
    assert first.dtype == np.float32
    assert first.null_point().dtype == np.float32
    for A in points(first):
        A = A.astype(np.float32)
        gaps = first.certificate(A).gap, second.certificate(A).gap
        assert gaps[0] == pytest.approx(gaps[1], rel=1e-9)


@pytest.mark.parametrize("rows", ["shared-dense", "stacked-dense"])
@pytest.mark.parametrize("weighted", [False, True])
@every_penalty
def test_float32_rows_are_not_rounded_where_they_are_centred(penalty, weighted, rows):
    single = random_case("squared", penalty, rows, dtype=np.float32, weighted=weighted)
    X = single.data.X + np.float32(100)
    single = replace(single, data=replace(single.data, X=X))
    double = replace(single, data=replace(single.data, X=X.astype(np.float64)))
    first, second = single.problem(), double.problem()
    for A in points(first):
        A = A.astype(np.float32)
        found, exact = first.certificate(A), second.certificate(A)
        # the gap counts how b is rounded
        lost = np.sum(single.task_scale * (found.intercept - exact.intercept) ** 2) / 2
        assert found.gap == pytest.approx(exact.gap + lost, rel=1e-9)


@every_loss
@every_layout
def test_the_gradient_follows_the_best_intercepts(loss, layout):
    case = random_case(loss, "l21", layout)
    rng = np.random.default_rng(0)
    A, move = rng.normal(size=(2, 4, 3))
    spans = [np.abs(X - X.mean(axis=0)).max() for X, _, _ in case.tasks()]
    term = case.problem().term
    for size in [1e-1, 1e-2, 1e-3, 1e-4]:
        before = term.intercept(term.image(A))
        Z = term.image(A + size * move)
        followed = term.gradient(Z)
        exact = case.problem().term
        gradient, moved = exact.gradient(Z), exact.intercept(Z) - before
        # the third derivative of the logistic loss is at most 0.1
        left = 0.1 * np.minimum(np.abs(moved), 1e-6) ** 2
        bound = case.task_scale * spans * (left + 16 * EPS)
        assert np.all(np.abs(followed - gradient) <= bound)
        np.testing.assert_allclose(term.intercept(Z), exact.intercept(Z), rtol=1e-13)


@every_loss
@every_layout
def test_task_scale_multiplies_the_loss_of_a_task(loss, layout):
    case = random_case(loss, "l21", layout, scale=np.array([1.0, 1.0, 1.0]))
    A = np.random.default_rng(0).normal(size=(4, 3))

    def smooth(c):
        problem = replace(case, task_scale=c).problem()
        return problem.objective(A) - case.penalty.value(A)

    parts = [smooth(c) - smooth(np.full(3, 1.0)) for c in 1.0 + np.eye(3)]
    assert sum(parts) == pytest.approx(smooth(np.ones(3)), rel=1e-12)
    assert smooth(np.full(3, 2.5)) == pytest.approx(2.5 * smooth(np.ones(3)), rel=1e-12)


@every_loss
@every_layout
def test_weights_of_a_task_count_by_their_ratios(loss, layout):
    case = random_case(loss, "l21", layout)
    factors = np.array([0.1, 1.0, 40.0])
    weight = case.data.weight * case.data.cells.spread(factors)
    other = replace(case, data=replace(case.data, weight=weight)).problem()
    for A in points(other):
        expected = case.problem().certificate(A).gap
        assert other.certificate(A).gap == pytest.approx(expected, rel=1e-11)


@every_penalty
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1.0])
def test_the_rounding_of_intercepts_is_in_the_gap(penalty, dtype, size):
    case = random_case("squared", penalty, "stacked-dense", n=80, dtype=dtype)
    data, offset = case.data, 3e4 if dtype == np.float32 else 3e12
    far = replace(data, y=np.where(data.weight > 0, data.y + offset, 0.0))
    # less what rounding has taken from it already
    near = replace(data, y=np.where(data.weight > 0, far.y - offset, 0.0))
    problem = replace(case, data=far).problem()
    A = size * np.random.default_rng(0).normal(size=problem.shape).astype(dtype)
    forms = [problem, problem.on_statistics()] if penalty != "mean-free" else [problem]
    near = replace(case, data=near).problem().certificate(A).gap
    for form in forms:
        certificate, lost = form.certificate(A), 0.0
        for t, (X, y, v) in enumerate(replace(case, data=far).tasks()):
            rest = y - certificate.intercept[t] - X @ case.penalty.combine(A)[:, t]
            lost += (v @ rest) ** 2 / (2 * v.sum())
        assert lost > 1e-4 * np.finfo(dtype).eps ** 2 * offset**2
        rounding = 1e-6 * near + 0.2 * lost
        assert certificate.gap == pytest.approx(near + lost, abs=rounding)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("layout", ["stacked-dense", "stacked-sparse", "shared-dense"])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_hessian_of_free_directions(loss, layout, intercept):
    """By features where tasks are more, the same as the sum over tasks."""
    data = random_data(loss, layout, n_tasks=9, d=4)
    X = data.X.toarray() if "sparse" in layout else data.X
    X[:, 3] = 2.0
    data = replace(data, X=sp.csr_array(X) if "sparse" in layout else X)
    patterns = np.column_stack([np.ones(9), np.linspace(-1, 1, 9)])
    penalty = MeanRegularization(0.1, 0.0)
    case = Case(data, LOSSES[loss](), penalty, np.ones(9), intercept)
    problem = case.problem()
    moves = _free.FreeMoves(problem.shape, patterns)
    free = _free.FreeDirections(problem.term, moves)
    Z = problem.term.image(np.random.default_rng(0).normal(size=problem.shape))
    term, design = problem.term, problem.design
    w = term.loss.hessian(term.predictions(Z), term.y, term.v)
    expected = sum(
        np.kron(design.gram(t, design.select(w, t)), np.outer(pattern, pattern))
        for t, pattern in enumerate(patterns)
    )
    # what it solves, from a right side in its range
    x = expected @ np.random.default_rng(1).normal(size=len(expected))
    found = expected @ free._inverse_at(Z).solve(x)
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-10 * np.abs(x).max())
    dead = np.diag(expected) == 0
    assert dead.any() == intercept
    assert not found[dead].any()


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e8])
def test_statistics_that_hide_a_free_mean_certify_nothing(offset):
    """Where the Gram matrix rounds a direction away, no gap is small."""
    rng = np.random.default_rng(0)
    X, Y = offset + rng.normal(size=(10, 4)), rng.normal(size=(10, 3))
    data = MultiTaskData(X, Y, np.ones(Y.shape))
    penalty = MeanRegularization(1e3 * (1.0 + offset) ** 2, 0.0)
    loss = LOSSES["squared"]()
    rows = Problem(data, loss, penalty, np.ones(3), fit_intercept=False)
    A = Direct().solve(rows.on_statistics()).A
    exact = X.astype(np.longdouble)
    # of equal slopes, the deviations from which cost next to nothing
    mean = np.linalg.lstsq(X, Y.mean(axis=1), rcond=None)[0]
    residual = Y - (exact @ A.astype(np.longdouble))
    best = Y - (exact @ mean.astype(np.longdouble))[:, None]
    above = 0.5 * float(np.sum(residual**2) - np.sum(best**2)) / 10
    gap = rows.on_statistics().certificate(A).gap
    assert gap >= above - 1e-12
    assert (gap == np.inf) == (offset == 1e8)


@pytest.mark.parametrize("seed", range(5))
def test_statistics_count_what_rounding_hides_along_a_free_mean(seed):
    """Where the means are a million deviations, and targets far from 0."""
    rng = np.random.default_rng(seed)
    X = 1e6 + 0.3 * rng.normal(size=(27, 8))
    y = 6e9 + 300.0 * rng.normal(size=27)
    data = MultiTaskData(X, y, np.ones(27), np.array([0, 9, 18, 27]))
    penalty, loss = MeanRegularization(1e11, 0.0), LOSSES["squared"]()
    rows = Problem(data, loss, penalty, np.ones(3), fit_intercept=False)
    statistics = rows.on_statistics(10_000)
    A, better = (Direct().solve(p).A for p in (statistics, rows))
    above = rows.objective(A) - rows.objective(better)
    assert statistics.certificate(A).gap >= above
    # and no more than that where there is nothing to hide
    near = replace(data, X=X - 1e6, y=y - 6e9)
    rows = Problem(near, loss, penalty, np.ones(3), fit_intercept=False)
    statistics = rows.on_statistics(10_000)
    A = Direct().solve(statistics).A
    assert 0 < statistics.certificate(A).hidden <= 1e-20 * rows.null_value
