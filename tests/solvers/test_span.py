"""Problems with far more features than rows, solved in the span of the rows."""

from dataclasses import replace

import numpy as np
import pytest

from mtlreg import TraceNormRegressor, alpha_max, regularization_path
from mtlreg.losses import LOSSES
from mtlreg.problem.curvature import few_rows
from mtlreg.problem.span import Span
from mtlreg.solvers import FISTA
from tests.problems import LAYOUTS, PENALTY_CASES, random_case

every_layout = pytest.mark.parametrize("layout", LAYOUTS)
every_loss = pytest.mark.parametrize("loss", LOSSES)


def wide_case(loss, layout, penalty="trace", n=12, d=200, **options):
    return random_case(loss, penalty, layout, n=n, d=d, **options).scaled(0.05)


@pytest.mark.parametrize("name", PENALTY_CASES)
def test_what_ignores_the_basis(name):
    penalty, rng = PENALTY_CASES[name], np.random.default_rng(0)
    blocks = (penalty.n_blocks,) if penalty.n_blocks > 1 else ()
    # positive, where signs are asked for
    B, A = np.abs(rng.normal(size=(*blocks, 4, 3))), rng.normal(size=(*blocks, 9, 3))
    Q = np.linalg.qr(rng.normal(size=(9, 4)))[0]
    same = penalty.value(Q @ B) == pytest.approx(penalty.value(B), rel=1e-12)
    assert same == penalty.ignores_basis
    if same:
        assert penalty.value(Q @ (Q.T @ A)) <= penalty.value(A)


@every_layout
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_predictions_in_the_span(layout, intercept, dtype):
    case = replace(wide_case("squared", layout), fit_intercept=intercept)
    X = case.data.X.astype(dtype)
    problem = replace(case, data=replace(case.data, X=X)).problem()
    span, inner = Span(problem.design), problem.in_span()
    rng = np.random.default_rng(1)
    A = rng.normal(size=problem.shape)
    B = inner.coordinates(A)
    assert inner.dtype == np.float64
    assert inner.shape[0] == len(span.rows) < len(A)
    held = problem.term.v > 0
    images = inner.term.image(B)[held], problem.term.image(A)[held]
    np.testing.assert_allclose(*images, atol=1e-10)
    # the projection of A, which is a fixed point
    np.testing.assert_allclose(inner.coordinates(inner.lift(B)), B, atol=1e-12)
    assert problem.penalty.value(inner.lift(B)) <= problem.penalty.value(A)
    assert inner.null_value == pytest.approx(problem.null_value, rel=1e-12)
    assert inner.objective(B) == pytest.approx(problem.objective(inner.lift(B)))


@every_loss
@every_layout
@pytest.mark.parametrize("penalty", ["trace", "mean"])
def test_the_optimum_is_that_of_the_problem(loss, layout, penalty, monkeypatch):
    case = wide_case(loss, layout, penalty)
    problem, seen = case.problem(), []

    def monitor(iteration, A, gap):
        seen.append(A.shape)

    solver = FISTA(tol=1e-9)
    found = solver.solve(problem, monitor=monitor)
    assert problem.in_span() is not None
    assert set(seen) == {problem.shape}
    assert found.converged
    # the gap is that of what is returned
    rounding = 1e-12 * problem.null_value
    assert found.gap == pytest.approx(problem.certificate(found.A).gap, abs=rounding)
    assert case.gap(found.A, found.intercept) <= 2 * problem.gap_target(1e-9)
    monkeypatch.setattr("mtlreg.problem.problem.span_pays", lambda *_: False)
    plain = solver.solve(case.problem())
    np.testing.assert_allclose(found.A, plain.A, atol=1e-3 * np.abs(plain.A).max())


def test_only_where_rows_are_few():
    assert wide_case("squared", "stacked-dense", n=60).problem().in_span() is None
    for name in ("l21", "mean-free"):
        assert wide_case("squared", "shared-dense", name).problem().in_span() is None


def test_a_solution_is_a_start_within_the_tolerance():
    problem = wide_case("squared", "stacked-dense").problem()
    found = FISTA(tol=1e-8).solve(problem)
    again = FISTA(tol=1e-8).solve(problem, found.A)
    assert again.history[-1][0] == 0
    np.testing.assert_allclose(again.A, found.A, atol=1e-12)


@every_loss
@pytest.mark.parametrize("intercept", [False, True])
def test_shifted_inverse(loss, intercept):
    case = replace(wide_case(loss, "stacked-dense"), fit_intercept=intercept)
    problem, rng = case.problem(), np.random.default_rng(2)
    term, (d, n_tasks) = problem.term, problem.shape
    assert few_rows(problem.design)
    Z = term.image(rng.normal(size=problem.shape))
    R, P = rng.normal(size=(n_tasks, 2)), rng.normal(size=(d, 2))
    bent = term.hessian(Z)(P @ R.T) @ R + 0.3 * P
    np.testing.assert_allclose(term.shifted_inverse(R, 0.3, Z)(bent), P, atol=1e-9)


def few_rows_of_tasks(n_features=20_000):
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(4), 5)
    X = rng.normal(size=(20, n_features))
    left = rng.normal(size=(n_features, 2)) * (rng.random((n_features, 1)) < 1e-3)
    coef = left @ rng.normal(size=(2, 4))
    y = np.sum(X * coef.T[tasks], axis=1) + rng.normal(size=20)
    return X, y, tasks


@pytest.mark.parametrize(
    "fraction", [1e-1, *(pytest.param(f, marks=pytest.mark.slow) for f in (1e-2, 1e-3))]
)
def test_rows_of_their_own_and_far_more_features(fraction):
    X, y, tasks = few_rows_of_tasks()
    largest = alpha_max(TraceNormRegressor(), X, y, tasks=tasks)
    model = TraceNormRegressor(alpha=fraction * largest).fit(X, y, tasks=tasks)
    assert model.n_iter_ <= 200


@pytest.mark.slow
def test_a_path():
    X, y, tasks = few_rows_of_tasks()
    path = regularization_path(TraceNormRegressor(), X, y, tasks=tasks, alphas=30)
    assert path.n_iter.sum() <= 680
