"""Conjugate gradients for several groupings: iterations, blocks, rounding."""

import numpy as np
import pytest

from mtlreg.problem import costs
from mtlreg.problem.crossed import CrossedProblem
from mtlreg.solvers.crossed import minimise_crossed


def draw(n, sizes, d=3, seed=0, offset=0.0):
    """Features, a target, and as many crossed groupings as there are sizes."""
    rng = np.random.default_rng(seed)
    X, codes = rng.normal(size=(n, d)) + offset, []
    y = rng.normal(size=n)
    for size in sizes:
        labels = np.append(np.arange(size), rng.integers(0, size, n - size))
        y += np.sum(rng.normal(size=(size, d))[labels] * X, axis=1)
        codes.append(labels)
    return X, y, codes


def pose(X, y, codes, alpha=0.1, alpha_mean=0.0):
    strengths = np.full((len(codes), X.shape[1] + 1), alpha)
    return CrossedProblem(X, y, np.ones(len(y)), codes, strengths, alpha_mean)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [10.0, 0.1, 1e-3, 1e-6])
def test_well_filled_tables_take_few_iterations(alpha):
    problem = pose(*draw(20_000, [200, 200]), alpha)
    solution = minimise_crossed(problem, 100, 1e-6)
    assert solution.converged
    assert solution.n_iter <= 16


@pytest.mark.slow
@pytest.mark.parametrize("own", [0.01, 0.0])
def test_features_far_from_zero_take_few_iterations(own):
    X, y, codes = draw(20_000, [200, 200], offset=100.0)
    strengths = np.full((2, 4), 0.01)
    strengths[1, -1] = own
    problem = CrossedProblem(X, y, np.ones(len(y)), codes, strengths, 0.0)
    assert minimise_crossed(problem, 100, 1e-6).n_iter <= 20


def test_nothing_is_left_along_what_is_free():
    X, y, codes = draw(200, [5, 8])
    # nearly the same, so that one step leaves its rounding
    X[:, 1] = X[:, 0] + 1e-6 * X[:, 1]
    problem = pose(X, y, codes)
    W = problem.centred(np.random.default_rng(0).normal(size=problem.shape))
    theta = -problem.certificate(W).slopes
    left = np.abs(X.T @ theta) / (np.abs(X).T @ np.abs(theta))
    assert max(left.max(), abs(theta.sum()) / np.abs(theta).sum()) <= 1e-15


def test_blocks_that_take_much_memory_give_way_to_their_diagonals(monkeypatch):
    problem = pose(*draw(300, [10, 20], d=4), alpha_mean=0.1)
    expected = minimise_crossed(problem, 1000, 0.0)
    monkeypatch.setattr(costs, "MOST_BYTES", 0)
    monkeypatch.setattr(CrossedProblem, "grams", None)
    found = minimise_crossed(problem, 1000, 0.0)
    assert found.converged
    np.testing.assert_allclose(found.A, expected.A, atol=1e-9)


def test_the_hessian_is_the_derivative_of_the_gradient():
    problem = pose(*draw(100, [4, 7]), alpha_mean=0.2)
    rng = np.random.default_rng(0)
    W, D, E = (problem.centred(rng.normal(size=problem.shape)) for _ in range(3))
    gradients = [problem.certificate(V).gradient for V in (W + D, W)]
    moved = problem.hessian(D)
    np.testing.assert_allclose(gradients[0] - gradients[1], moved, atol=1e-12)
    assert np.vdot(E, moved) == pytest.approx(np.vdot(D, problem.hessian(E)))
    assert np.vdot(D, moved) >= np.vdot(D, D)


def test_a_solution_without_deviations_takes_no_iteration():
    X, _, codes = draw(100, [4, 7])
    solution = minimise_crossed(pose(X, 1.0 + X @ [1.0, 2.0, 3.0], codes), 10, 0.0)
    assert solution.converged
    assert solution.n_iter == 1
    assert not solution.A.any()


def test_few_rows_a_label_and_hardly_a_penalty_still_converge():
    problem = pose(*draw(300, [40, 150]), alpha=1e-4)
    solution = minimise_crossed(problem, 10_000, 1e-8)
    assert solution.converged
    assert solution.gap <= 1e-8 * problem.null_value


@pytest.mark.parametrize("alpha", [1e-12, 1e-40])
def test_blocks_of_less_than_full_rank(alpha):
    # a label a row, whose features less their mean are nothing but rounding
    X, y, codes = draw(30, [29, 5], d=2, offset=1e8)
    strengths = np.full((2, 3), alpha)
    strengths[0, -1] = 0.0
    problem = CrossedProblem(X, y, np.ones(len(y)), codes, strengths, 1.0)
    solution = minimise_crossed(problem, 300, 1e-6)
    assert np.isfinite(solution.gap)
    assert np.all(np.isfinite(solution.A))


@pytest.mark.parametrize("apart", [0.0, 1e-3, 1e-7])
def test_common_slopes_that_the_sums_hide_certify_nothing(apart):
    """Of free common slopes, where the Gram matrix rounds away what y depends on."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 500))
    X, y = np.column_stack([x, x + apart * noise]), x + noise
    problem = pose(X, y, [np.arange(500) % 7])
    gap = problem.certificate(np.zeros(problem.shape)).gap
    # what common slopes leave, in a basis that hides nothing
    basis = np.column_stack([np.ones(500), x, noise if apart else x])
    left = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    assert gap >= problem.null_value - 0.5 * float(left @ left) / 500 - 1e-9
    assert minimise_crossed(problem, 1000, 1e-8).converged == (apart != 1e-7)
