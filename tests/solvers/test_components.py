"""Mean regularisation with strengths by feature: every solver, and dense systems."""

import numpy as np
import pytest

from mtlreg.losses import LOSSES
from mtlreg.penalties import MeanRegularization
from mtlreg.penalties.task_matrix import TaskMatrix
from mtlreg.problem import Problem, costs
from mtlreg.solvers import FISTA, Direct
from mtlreg.solvers.components import move_to_minimum, reduce_tasks, triangles
from tests.problems import LAYOUTS, random_data

OWN = np.array([1.0, 0.3, np.inf, 0.1])
STRENGTHS = {
    "own": (OWN, np.array([0.1, 0.0, 0.2, 0.0])),
    "own-free": (OWN, 0.0),
    "larger-mean": (np.array([1.0, 0.3, 2.0, 0.1]), np.array([0.1, 0.5, 2.0, 0.1])),
    "own-mean": (0.5, np.array([0.1, 0.0, 0.2, 0.7])),
    "excluded": (
        np.array([1.0, 0.3, np.inf, np.inf]),
        np.array([0.1, 0.5, 0.2, np.inf]),
    ),
    "excluded-free": (
        np.array([1.0, np.inf, 0.3, np.inf]),
        np.array([0.0, np.inf, 0.2, 0.0]),
    ),
    "pooled": (np.inf, 0.1),
    "pooled-free": (np.inf, 0.0),
}
TOL = 1e-8


@pytest.fixture(params=["compiled", "library"])
def way(request, monkeypatch):
    """Both sides of the size at which libraries are faster."""
    if request.param == "library":
        monkeypatch.setattr(costs, "FACTORS_AT_ONCE", 2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("intercept", [True, False])
def test_solvers_agree(strengths, loss, layout, intercept):
    data = random_data(loss, layout)
    penalty = MeanRegularization(*STRENGTHS[strengths])
    scale = np.array([0.5, 1.0, 2.0])
    problem = Problem(data, LOSSES[loss](), penalty, scale, intercept)
    found = [solver(tol=TOL).solve(problem) for solver in (Direct, FISTA)]
    values = [problem.objective(solution.A) for solution in found]
    for solution, value in zip(found, values, strict=True):
        assert solution.converged
        again = problem.certificate(solution.A).gap
        assert again == pytest.approx(solution.gap, rel=1e-6, abs=1e-25)
        assert value - min(values) <= solution.gap + 1e-13 * problem.null_value


@pytest.mark.parametrize("strengths", ["pooled", "larger-mean", "excluded"])
def test_statistics_give_the_same(strengths):
    data = random_data("squared", "stacked-dense", n=30)
    penalty = MeanRegularization(*STRENGTHS[strengths])
    problem = Problem(data, LOSSES["squared"](), penalty, np.ones(3), True)
    statistics = problem.on_statistics(10_000)
    found = [Direct(tol=1e-12).solve(one) for one in (problem, statistics)]
    np.testing.assert_allclose(found[0].A, found[1].A, rtol=1e-9)
    np.testing.assert_allclose(found[0].intercept, found[1].intercept, rtol=1e-9)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("n", "d"), [(14, 4), (14, 30), (3, 12)])
@pytest.mark.parametrize(
    "weighted", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_one_spread_is_the_same_for_every_feature(layout, loss, n, d, weighted):
    """By the systems of one number, and by those of a number for each."""
    data = random_data(loss, layout, n=n, d=d, weighted=weighted)
    alpha_mean = np.append(np.full(d - 1, 0.1), 0.0)
    for alpha in (0.05, 0.5, 1e4):
        one, many = (
            Problem(data, LOSSES[loss](), penalty, np.ones(3))
            for penalty in (
                MeanRegularization(alpha, alpha_mean),
                MeanRegularization(np.full(d, alpha), alpha_mean),
            )
        )
        found = [Direct(tol=1e-10).solve(problem) for problem in (one, many)]
        assert found[0].converged
        scale = np.abs(found[1].A).max()
        np.testing.assert_allclose(found[0].A, found[1].A, atol=1e-6 * scale)


def systems(d=5, n_tasks=3, rank=3, seed=0):
    rng = np.random.default_rng(seed)
    C = rng.normal(size=(n_tasks, rank, d))
    H = C.swapaxes(1, 2) @ C
    g = np.einsum("tkj,tk->jt", C, rng.normal(size=(n_tasks, rank)))
    return np.moveaxis(H, 0, 2), g, rng.normal(size=(d, n_tasks))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("rank", [0, 1, 3, 5])
def test_triangles_and_what_they_reduce_to(rank):
    H, g, _ = systems(rank=rank)
    factor, right = np.zeros((6, 6, 3)), np.zeros((6, 3))
    triangles(H, g, factor, right)
    products = np.einsum("kit,kjt->ijt", factor, factor)
    np.testing.assert_allclose(products[1:, 1:], H, atol=1e-12)
    moments = np.einsum("kit,kt->it", factor, right)
    np.testing.assert_allclose(moments[1:], g, atol=1e-12)
    ratios = np.array([0.0, 0.5, 1e6, 1e-6, 0.0, 2.0])
    matrices, vectors, sums, tops, totals = reduce_tasks(factor, right, ratios)
    expected = np.zeros(2)
    for t in range(3):
        R, u = factor[:, :, t], right[:, t]
        V = np.eye(6) + (R * ratios) @ R.T
        M = R.T @ np.linalg.solve(V, R)
        np.testing.assert_allclose(matrices[:, :, t], M, atol=1e-9)
        np.testing.assert_allclose(
            vectors[:, t], R.T @ np.linalg.solve(V, u), atol=1e-9
        )
        expected += np.linalg.slogdet(V)[1], u @ np.linalg.solve(V, u)
    np.testing.assert_allclose(sums, matrices.sum(axis=2), atol=1e-12)
    np.testing.assert_allclose(tops, vectors.sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(totals, expected, rtol=1e-9)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("alpha_mean", "least"), [(0.0, 1e-9), (0.2, 0.1)])
def test_moves_end_in_the_minimum(alpha_mean, least):
    """Where the gradient of the whole objective is 0."""
    H, g, A = systems(rank=5)
    # also where one of them swamps the others
    alpha = np.array([0.5, 2.0, 1e6, 0.3, least])
    D = move_to_minimum(H, g, A, TaskMatrix(alpha, alpha_mean))
    penalty = MeanRegularization(alpha, alpha_mean)
    left = np.einsum("jkt,kt->jt", H, D) - g + penalty.gradient(A + D)
    np.testing.assert_allclose(left, 0.0, atol=1e-9)
