"""Newton's method on matrices of one rank, inside FISTA."""

from dataclasses import replace

import numpy as np
import pytest

from mtlreg.losses import LOSSES
from mtlreg.penalties import TraceNorm
from mtlreg.penalties.fixed_rank import FixedRank
from mtlreg.problem.data import MultiTaskData
from mtlreg.solvers import FISTA
from mtlreg.solvers._semismooth import Point
from tests.problems import LAYOUTS, Case, random_case

every_layout = pytest.mark.parametrize("layout", LAYOUTS)
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_shape = pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (6, 1), (1, 3)])


def trace_case(loss, layout, fraction=0.1, **options):
    return random_case(loss, "trace", layout, **options).scaled(fraction)


def plain(monkeypatch, problem, **options):
    """The solution of proximal gradient alone."""
    with monkeypatch.context() as patch:
        patch.setattr(TraceNorm, "has_tangent", False)
        return FISTA(**options).solve(problem)


def products(case):
    """The smooth terms of a problem that there are."""
    problem = case.problem()
    estimate = problem.on_statistics()
    return problem, [problem.term] + ([estimate.term] if estimate else [])


@every_loss
@every_layout
@pytest.mark.parametrize("intercept", [False, True])
def test_hessian_is_the_derivative_of_the_gradient(loss, layout, intercept):
    case = replace(trace_case(loss, layout, n=40), fit_intercept=intercept)
    problem, terms = products(case)
    rng = np.random.default_rng(0)
    A, D, other = rng.normal(size=(3, *problem.shape))
    for term in terms:
        product = term.hessian(term.image(A))
        h = 1e-5
        before, after = (term.gradient(term.image(A + s * h * D)) for s in (-1, 1))
        difference = (after - before) / (2 * h)
        size = np.abs(difference).max()
        np.testing.assert_allclose(product(D), difference, atol=1e-8 * size)
        assert np.vdot(other, product(D)) == pytest.approx(np.vdot(D, product(other)))


@every_shape
def test_prox_of_the_tangent_space_is_the_prox(shape):
    W = np.random.default_rng(1).normal(size=shape)
    penalty = TraceNorm(0.6)
    tangent = penalty.tangent(W, 0.8)
    np.testing.assert_allclose(tangent.A, penalty.prox(W, 0.8), atol=1e-13)
    assert tangent.value == pytest.approx(penalty.value(tangent.A))
    assert tangent.rank == np.linalg.matrix_rank(tangent.A)
    np.testing.assert_allclose(tangent.A + 0.8 * tangent.subgradient, W, atol=1e-13)
    assert penalty.polar(tangent.subgradient) <= 1 + 1e-12


@every_shape
@pytest.mark.parametrize("sigma", [0.3, 1.25, 4.0])
def test_resolvent_is_the_derivative_of_the_prox(shape, sigma):
    rng = np.random.default_rng(2)
    penalty, W, D = TraceNorm(0.4), *rng.normal(size=(2, *shape))
    tangent = FixedRank(W, 0.8, 0.4)
    start, h = tangent.A + tangent.subgradient / sigma, 1e-6
    before, after = (penalty.prox(start + s * h * D, 1 / sigma) for s in (-1, 1))
    moved = tangent.resolvent(sigma)(tangent.coordinates(D))
    expected = (after - before) / (2 * h)
    np.testing.assert_allclose(sigma * tangent.matrix(moved).array, expected, atol=1e-7)


@every_shape
def test_coordinates_are_those_of_an_orthonormal_basis(shape):
    rng = np.random.default_rng(3)
    tangent = FixedRank(rng.normal(size=shape), 1.0, 0.7)
    B = rng.normal(size=shape)
    x = tangent.coordinates(B)
    inside = tangent.matrix(x).array
    assert x.size == tangent.dimension
    assert np.linalg.norm(x) == pytest.approx(np.linalg.norm(inside))
    np.testing.assert_allclose(tangent.coordinates(inside), x, atol=1e-13)
    assert np.vdot(inside, B) == pytest.approx(np.vdot(inside, inside))
    # a move of A along a curve of matrices of its rank is inside
    left, right = rng.normal(size=(shape[0],) * 2), rng.normal(size=(shape[1],) * 2)
    move = left @ tangent.A + tangent.A @ right
    np.testing.assert_allclose(tangent.matrix(tangent.coordinates(move)).array, move)


def test_equal_and_vanishing_singular_values():
    W = np.diag([3.0, 3.0, 1.0, 0.0])[:, :3]
    W[:, 2] = 0.0
    tangent = FixedRank(W, 1.0, 1.0)
    x = tangent.resolvent(1.0)(tangent.coordinates(np.ones(W.shape)))
    assert (tangent.rank, np.all(np.isfinite(x))) == (2, True)


@every_loss
@every_layout
@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.9])
def test_the_optimum_is_that_of_proximal_gradient(loss, layout, fraction, monkeypatch):
    problem = trace_case(loss, layout, fraction, n=30).problem()
    options = {"tol": 1e-11, "max_iter": 30_000}
    solution = FISTA(**options).solve(problem)
    expected = plain(monkeypatch, problem, **options)
    assert solution.converged
    assert expected.converged
    assert problem.certificate(solution.A).gap <= problem.gap_target(1e-11)
    least = problem.objective(expected.A)
    assert problem.objective(solution.A) == pytest.approx(least, rel=2e-11)
    assert np.linalg.matrix_rank(solution.A, tol=1e-7) == np.linalg.matrix_rank(
        expected.A, tol=1e-7
    )


@pytest.mark.parametrize("layout", ["shared-dense", "stacked-dense"])
@every_loss
def test_single_precision(loss, layout):
    case = trace_case(loss, layout, 0.05, n=30)
    single = replace(case, data=replace(case.data, X=case.data.X.astype(np.float32)))
    solution = FISTA(tol=1e-9).solve(single.problem())
    assert solution.A.dtype == np.float32
    assert solution.converged


def hard_problem(loss):
    """Correlated features of unequal size and coefficients of rank 2."""
    rng = np.random.default_rng(4)
    d, n_tasks, n = 12, 9, 60
    mixing = (np.eye(d) + 0.5) * np.linspace(0.3, 2.0, d)
    X = rng.normal(size=(n_tasks * n, d)) @ mixing
    A = rng.normal(size=(d, 2)) @ rng.normal(size=(2, n_tasks))
    z = np.einsum("tij,jt->ti", X.reshape(n_tasks, n, d), A).ravel()
    y = z + 0.3 * z.std() * rng.normal(size=z.shape)
    y = np.where(y > 0, 1.0, -1.0) if loss == "logistic" else y
    data = MultiTaskData(X, y, np.ones(y.shape), n * np.arange(n_tasks + 1))
    case = Case(data, LOSSES[loss](), TraceNorm(1.0), np.ones(n_tasks))
    return case.scaled(0.02).problem()


@every_loss
def test_a_point_is_below_another_by_less_than_rounding(loss):
    problem = hard_problem(loss)
    problem = problem.on_statistics() or problem
    term, best = problem.term, FISTA(tol=1e-14).solve(problem).A
    for seed in range(20):
        D = np.random.default_rng(seed).normal(size=best.shape)
        D *= 1e-9 * np.linalg.norm(best)
        starts = best + D, best + 2 * D
        near, far = (Point(problem, term, 1e-3, A, term.image(A)) for A in starts)
        assert near.below(far)
        assert not far.below(near)


@every_loss
def test_it_takes_fewer_iterations(loss, monkeypatch):
    problem = hard_problem(loss)
    fast = FISTA(tol=1e-9).solve(problem)
    slow = plain(monkeypatch, problem, tol=1e-9)
    assert fast.converged
    assert 2 * fast.n_iter < slow.n_iter


@every_loss
def test_a_step_is_enough_near_the_optimum(loss, monkeypatch):
    problem = hard_problem(loss)
    near = FISTA(tol=1e-5).solve(problem).A
    solution = FISTA(tol=1e-7).solve(problem, near)
    assert solution.converged
    assert len(solution.history) <= 4
    assert 2 * solution.n_iter < FISTA(tol=1e-7).solve(problem).n_iter


@every_loss
@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_warm_starts_keep_to_their_iterations(loss, max_iter):
    problem = hard_problem(loss)
    for start in (np.zeros(problem.shape), 100 * np.eye(*problem.shape)):
        solution = FISTA(max_iter=max_iter, tol=1e-14).solve(problem, start)
        assert solution.n_iter <= max_iter
        assert np.isfinite(solution.gap)
