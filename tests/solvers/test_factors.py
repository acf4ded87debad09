"""Newton's method on the factors of A, and the curvature in short that it needs."""

from dataclasses import replace

import numpy as np
import pytest

from mtlreg import TraceNormRegressor, alpha_max
from mtlreg.losses import LOSSES
from mtlreg.penalties import TraceNorm
from mtlreg.penalties.factored import Factored
from mtlreg.problem.curvature import pooled_gram
from mtlreg.problem.data import MultiTaskData
from mtlreg.solvers import FISTA
from mtlreg.solvers._factors import FactoredNewton, Point, _within_region
from tests.datafiles import load_data
from tests.problems import LAYOUTS, Case, random_case

every_layout = pytest.mark.parametrize("layout", LAYOUTS)
every_loss = pytest.mark.parametrize("loss", LOSSES)


def terms(loss, layout, intercept):
    """The smooth terms of a problem that there are."""
    case = random_case(loss, "trace", layout, n=40, d=6)
    problem = replace(case, fit_intercept=intercept).problem()
    estimate = problem.on_statistics()
    return problem, [problem.term] + ([estimate.term] if estimate else [])


@every_loss
@every_layout
@pytest.mark.parametrize("intercept", [False, True])
def test_compressed_hessian(loss, layout, intercept):
    problem, known = terms(loss, layout, intercept)
    rng = np.random.default_rng(0)
    A, U = rng.normal(size=problem.shape), rng.normal(size=(problem.shape[0], 2))
    for term in known:
        Z = term.image(A)
        blocks = np.broadcast_to(term.compressed_hessian(U, Z), (3, 2, 2))
        # each column of U for all tasks at once
        wide = [term.hessian(Z)(np.repeat(u[:, None], 3, axis=1)) for u in U.T]
        expected = np.stack([U.T @ image for image in wide], axis=2)
        np.testing.assert_allclose(blocks, expected.transpose(1, 0, 2), rtol=1e-9)


@every_layout
@pytest.mark.parametrize("intercept", [False, True])
def test_pooled_spectrum_is_that_of_the_mean_hessian(layout, intercept):
    problem, known = terms("squared", layout, intercept)
    grams = [problem.design.gram(t) for t in range(problem.shape[1])]
    mean = np.mean(grams, axis=0)
    size = np.abs(mean).max()
    np.testing.assert_allclose(pooled_gram(problem.design) / 3, mean, atol=1e-9 * size)
    for term in known:
        values, vectors = term.pooled_spectrum(0)
        whole = (vectors * values) @ vectors.T
        np.testing.assert_allclose(whole, mean, atol=1e-9 * size)


def test_pooled_spectrum_without_vectors_where_they_cost_more(monkeypatch):
    problem, (term, *_) = terms("squared", "stacked-dense", True)
    monkeypatch.setattr("mtlreg.problem.costs.SMALL_SPECTRUM", 0.0)
    values, vectors = term.pooled_spectrum(0)
    assert vectors is None
    np.testing.assert_allclose(values, np.diag(pooled_gram(problem.design)) / 3)
    assert term.pooled_spectrum(1000)[1] is not None


def test_balanced_factors():
    rng = np.random.default_rng(1)
    factors = Factored(rng.normal(size=(5, 3)), 9 * rng.normal(size=(4, 3)))
    left, right = factors.balanced
    np.testing.assert_allclose(left @ right.T, factors.array)
    np.testing.assert_allclose(
        np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=0)
    )


@every_loss
@every_layout
def test_slopes_are_the_derivative_of_the_objective(loss, layout):
    problem = random_case(loss, "trace", layout, n=40, d=6).problem()
    term, penalty = problem.term, problem.penalty
    rng = np.random.default_rng(2)
    A = rng.normal(size=problem.shape)
    point = Point(problem, term, term.lipschitz, A, term.image(A))
    d, h = len(A), 1e-6

    def value(x):
        half_squares = 0.5 * np.sum(x**2)
        moved = x[:d] @ x[d:].T
        smooth = term.value_at(moved, term.image(moved))
        return smooth + penalty.factor_strength * half_squares

    x = np.concatenate(point.factors)
    assert point.value == pytest.approx(value(x))
    assert penalty.value(point.factors.array) + term.value(point.Z) == pytest.approx(
        point.value
    )
    D = rng.normal(size=x.shape)
    slope = (value(x + h * D) - value(x - h * D)) / (2 * h)
    assert np.vdot(point.slopes, D) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("radius", [np.inf, 0.5, 1e-3])
def test_steps_within_a_region(radius):
    rng = np.random.default_rng(3)
    half = rng.normal(size=(8, 8))
    B, M = half @ half.T + np.eye(8), np.diag(rng.uniform(1, 9, 8))
    target = rng.normal(size=8)
    products = B.__matmul__, np.linalg.inv(M).__matmul__
    x, length, inside, spent = _within_region(*products, target, radius, 50)
    assert length == pytest.approx(np.sqrt(x @ M @ x))
    assert length <= radius * (1 + 1e-9)
    assert inside == (length < radius)
    assert spent <= 50
    # a decrease of the model
    assert 0.5 * x @ B @ x < target @ x
    if inside:
        left = target - B @ x
        size = target @ np.linalg.solve(M, target)
        assert left @ np.linalg.solve(M, left) <= 0.2**2 * size


def test_steps_go_along_negative_curvature():
    B, target = np.diag([2.0, -1.0]), np.array([1.0, 1.0])
    x, length, inside, _ = _within_region(B.__matmul__, np.copy, target, 5.0, 9)
    assert length == pytest.approx(5.0)
    assert np.linalg.norm(x) == pytest.approx(5.0)
    assert not inside
    x, _, inside, _ = _within_region(
        B.__matmul__, np.copy, -target[1] * B[1], np.inf, 9
    )
    np.testing.assert_allclose(x, [0.0, 1.0])
    assert not inside


def test_at_the_optimum_of_the_model_there_is_no_step():
    x, length, inside, spent = _within_region(np.copy, np.copy, np.zeros(3), 1.0, 9)
    assert (length, inside, spent) == (0.0, True, 0)
    assert not x.any()


def unlike_features(loss, layout, fraction, seed=0):
    """Binary features, counts and others of scales 1 to 1000, some constant in tasks.

    They are correlated, and the coefficients nearly of rank 3.
    """
    rng = np.random.default_rng(seed)
    n_tasks, d, n = 20, 15, 40
    tasks = np.repeat(np.arange(n_tasks), n)
    common = rng.normal(size=(len(tasks), 4)) @ rng.normal(size=(4, d))
    X = 0.4 * common + rng.normal(size=(len(tasks), d))
    X[:, :5] = X[:, :5] > 0
    X[:, 5:8] = rng.poisson(np.exp(np.clip(X[:, 5:8], -3, 3) + 2))
    X[:, 8:] *= np.geomspace(1, 1000, d - 8)
    if layout == "stacked":
        for t, j in np.argwhere(rng.random((n_tasks, d)) < 0.3):
            X[tasks == t, j] = X[t * n, j]
    A = rng.normal(size=(d, 3)) @ rng.normal(size=(3, n_tasks))
    A = (A + 0.3 * rng.normal(size=A.shape)) / X.std(axis=0)[:, None]
    centred = X - X.mean(axis=0)
    if layout == "stacked":
        z = np.einsum("ij,ji->i", centred, A[:, tasks])
    else:
        z = centred[: 5 * n] @ A
    y = z + z.std() * rng.logistic(size=z.shape) / 2
    y = np.where(y > 0, 1.0, -1.0) if loss == "logistic" else y
    weight = np.ones(y.shape)
    if layout == "shared":
        weight[rng.random(y.shape) < 0.2] = 0.0
    offsets = n * np.arange(n_tasks + 1) if layout == "stacked" else None
    X = X if layout == "stacked" else X[: 5 * n]
    data = MultiTaskData(X, np.where(weight > 0, y, 0.0), weight, offsets)
    case = Case(data, LOSSES[loss](), TraceNorm(1.0), np.ones(n_tasks))
    return case.scaled(fraction).problem()


@every_loss
@pytest.mark.parametrize("layout", ["shared", "stacked"])
@pytest.mark.parametrize("seed", range(3))
def test_features_of_unlike_scales(loss, layout, seed):
    problem = unlike_features(loss, layout, 1e-2, seed)
    solution = FISTA(tol=1e-9, max_iter=500).solve(problem)
    assert solution.converged
    assert problem.certificate(solution.A).gap <= problem.gap_target(1e-9)


@pytest.mark.parametrize("max_iter", [1, 3, 20, 60])
def test_it_keeps_to_its_iterations(max_iter):
    problem = unlike_features("squared", "stacked", 1e-3)
    A = np.zeros(problem.shape)
    newton = FactoredNewton(problem, problem.term)
    start = A, problem.term.image(A), problem.term.lipschitz
    for _ in newton.steps(*start, 0, max_iter):
        assert newton.iteration <= max_iter
    assert newton.iteration <= max_iter


def test_they_go_down_to_the_optimum_from_anywhere():
    problem = unlike_features("squared", "stacked", 1e-2)
    A = 1e-2 * np.random.default_rng(5).normal(size=problem.shape)
    newton = FactoredNewton(problem, problem.term)
    start = A, problem.term.image(A), problem.term.lipschitz
    found = [A.array for A, _ in newton.steps(*start, 0, 1000)]
    values = [problem.objective(A) for A in found]
    assert np.all(np.diff(values) <= 1e-12 * values[0])
    assert problem.certificate(found[-1]).gap <= problem.gap_target(1e-9)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("fraction", [1e-2, 1e-3])
def test_school_as_it_is(fraction):
    school = load_data("school")
    data = school["X"], school["y"]
    largest = alpha_max(TraceNormRegressor(), *data, tasks=school["tasks"])
    model = TraceNormRegressor(alpha=fraction * largest, max_iter=500)
    assert model.fit(*data, tasks=school["tasks"]).n_iter_ < 500


@every_loss
def test_one_block_for_all_tasks_where_the_rank_is_high(loss, monkeypatch):
    monkeypatch.setattr("mtlreg.problem.costs.BLOCK_RANK", 0)
    problem = unlike_features(loss, "shared", 1e-2)
    assert FISTA(tol=1e-9, max_iter=1000).solve(problem).converged
