"""Newton's method on faces: the linear system, and what it saves."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_blobs

from mtlreg import RobustMeanClassifier
from mtlreg.losses import Squared
from mtlreg.penalties import L21, Dirty, L1Linf
from mtlreg.problem import costs
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.statistics import Factors, StackedFactors, Statistics
from mtlreg.solvers import BCD
from mtlreg.solvers._blocks import SharedGram
from mtlreg.solvers._hessians import make_hessian
from mtlreg.solvers._models import RowModel
from mtlreg.solvers._newton import _conjugate_gradients, newton_step
from tests.penalties.test_faces import CASES, structured
from tests.problems import Case

KINDS = ["stacked", "scaled", "common", "factors", "stacked-factors"]


def hessians(k, n_tasks, rng):
    """Statistics of every kind; those of one matrix for all tasks twice."""
    rows = rng.normal(size=(n_tasks, 2 * k, k))
    stacked = np.ascontiguousarray(np.einsum("tij,til->jlt", rows, rows))
    few = rng.normal(size=(k, max(k // 2, 1)))
    bounds = np.cumsum(np.arange(n_tasks + 1))  # 1, 2, ... columns
    own = rng.normal(size=(k, bounds[-1]))
    scale, one = rng.uniform(0.5, 2, n_tasks), np.full(n_tasks, 0.7)
    return {
        "stacked": Statistics(stacked, None, None),
        "scaled": Statistics(stacked[:, :, 0], scale, None),
        "common": Statistics(stacked[:, :, 0], one, None),
        "factors": Factors(few, one),
        "scaled-factors": Factors(few, scale),
        "stacked-factors": StackedFactors(own, bounds),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("at_once", [0, 100])
def test_step_solves_the_newton_system(name, kind, at_once, monkeypatch):
    monkeypatch.setattr(costs, "FACTORS_AT_ONCE", at_once)
    penalty, rng = CASES[name], np.random.default_rng(0)
    A = structured(penalty, rng)
    hessian = hessians(*A.shape, rng)[kind]
    face, gradient = penalty.face(A), rng.normal(size=A.shape)
    step = newton_step(hessian, face, 0.1, gradient)
    damping = 0.1 * (face.ratio + hessian.diagonal().mean(axis=0))
    left = hessian.multiply(step) + face.curve(step) + damping * step
    left, right = face.project(left), -face.project(gradient + face.slope)
    np.testing.assert_allclose(face.project(step), step, atol=1e-9)
    assert np.linalg.norm(left - right) <= 1e-3 * np.linalg.norm(right)


def test_kinds_of_statistics_agree():
    rng = np.random.default_rng(0)
    found = hessians(9, 4, rng)
    A = rng.normal(size=(9, 4))
    for hessian in found.values():
        stacked = Statistics(np.ascontiguousarray(hessian.stacked()), None, None)
        np.testing.assert_allclose(hessian.multiply(A), stacked.multiply(A))
        np.testing.assert_allclose(hessian.diagonal(), stacked.diagonal())
    for kind in ("common", "factors"):
        inverse, apply = found[kind].shifted_inverse(np.arange(1.0, 10.0))
        whole = found[kind].stacked()[:, :, 0] + np.diag(np.arange(1.0, 10.0))
        np.testing.assert_allclose(inverse @ whole, np.eye(9), atol=1e-9)
        np.testing.assert_allclose(apply(A), inverse @ A)


def test_factors_of_tasks_that_do_not_fit_are_not_made(monkeypatch):
    rng = np.random.default_rng(0)
    k, n_tasks = 5, 30
    A, gram = rng.normal(size=(k, n_tasks)), np.eye(k)
    face = L21(1.0).face(A)

    def cost(scale):
        return make_hessian(SharedGram(gram, scale, A)).cost(face, k)

    one, several = np.ones(n_tasks), np.linspace(1, 2, n_tasks)
    # one matrix for all tasks, or one for each
    assert cost(one) < cost(several) < np.inf
    monkeypatch.setattr(costs, "MOST_BYTES", 8 * 2 * k * k * n_tasks - 1)
    assert cost(one) < cost(several) == np.inf


def test_rows_that_are_zero_cost_nothing():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(12, 12))
    gram, A = factor @ factor.T, np.zeros((12, 4))
    A[[1, 5, 6]] = rng.normal(size=(3, 4))
    scale = rng.uniform(0.5, 2, 4)
    expected = (gram @ A) * scale
    passed = ~A.any(axis=1)
    gram[np.ix_(passed, passed)] = np.nan
    found = Statistics(gram, scale, None).multiply(A)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def collinear(penalty, shared, n=60, d=15, kind="dense"):
    """Features that are nearly one another, so that epochs gain little."""
    rng = np.random.default_rng(4)
    n_tasks = 6
    X = rng.normal(size=(n if shared else n * n_tasks, d))
    X += 4 * rng.normal(size=(len(X), 1))
    truth = rng.normal(size=(d, n_tasks)) * (rng.random((d, 1)) < 0.5)
    if shared:
        y, offsets = X @ truth + rng.normal(size=(n, n_tasks)), None
    else:
        offsets = n * np.arange(n_tasks + 1)
        y = np.einsum("ij,ij->i", X, np.repeat(truth.T, n, axis=0))
        y = y + rng.normal(size=len(X))
    weight = np.ones_like(y)
    if kind == "missing":
        weight[rng.random(y.shape) < 0.2] = 0.0
    X = sp.csr_array(X) if kind == "sparse" else X
    data = MultiTaskData(X, y * weight, weight, offsets)
    return Case(data, Squared(), penalty, np.ones(n_tasks)).scaled(0.003).problem()


@pytest.mark.parametrize("max_iter", [1, 10, 17, 18, 25])
def test_epochs_after_newton_steps_count(max_iter):
    problem = collinear(L21(1.0), shared=True)
    assert BCD(tol=1e-14, max_iter=max_iter).solve(problem).n_iter <= max_iter


@pytest.mark.parametrize(
    "shape",
    [
        (True, 60, 15),
        (False, 60, 15),
        pytest.param((False, 20, 80), marks=pytest.mark.slow),
        pytest.param((True, 30, 80, "missing"), marks=pytest.mark.slow),
        pytest.param((True, 30, 80, "sparse"), marks=pytest.mark.slow),
        pytest.param((False, 20, 80, "sparse"), marks=pytest.mark.slow),
    ],
    ids=lambda shape: "-".join(map(str, shape)),
)
@pytest.mark.parametrize("penalty", [L21(1.0), L1Linf(1.0), Dirty(2.5, 1.0)], ids=repr)
def test_epochs_are_saved_where_features_are_collinear(penalty, shape, monkeypatch):
    problem = collinear(penalty, *shape)
    solution = BCD(tol=1e-10).solve(problem)
    assert solution.converged
    monkeypatch.setattr(RowModel, "_newton_pays", lambda *args: False)
    plain = BCD(tol=1e-10).solve(problem)
    assert 3 * solution.n_iter <= plain.n_iter
    np.testing.assert_allclose(
        problem.objective(solution.A), problem.objective(plain.A), rtol=1e-9
    )


@pytest.mark.parametrize("alpha", [1e-8, 1e-7, 3e-7])
def test_steps_end_where_columns_vanish(alpha):
    X, y = make_blobs(centers=3, random_state=1, cluster_std=20)
    weights = np.where(y == 0, 1e3, 1e-4)  # classes that hardly bend the loss
    model = RobustMeanClassifier(alpha).fit(X, y, sample_weight=weights)
    assert model.n_iter_ <= 100


def test_a_system_that_rounding_makes_indefinite_is_refused():
    class Inverse:
        def solve(self, r):
            return -r

    rng = np.random.default_rng(0)
    A = structured(CASES["l21"], rng)
    hessian, face = hessians(*A.shape, rng)["stacked"], CASES["l21"].face(A)
    with pytest.raises(np.linalg.LinAlgError, match="indefinite"):
        _conjugate_gradients(hessian, face, rng.normal(size=A.shape), Inverse())
