"""A gauge beside a quadratic that ties the tasks."""

from dataclasses import replace

import numpy as np
import pytest

from mtlreg import PenalizedRegressor, PenalizedRegressorCV, alpha_max
from mtlreg.losses import LOSSES
from mtlreg.penalties import (
    L1,
    L21,
    GraphRegularization,
    InfimalSum,
    MeanRegularization,
    Quadratic,
    Ridge,
    Tied,
    Weighted,
    with_options,
)
from mtlreg.penalties.factored import as_array
from mtlreg.solvers import FISTA
from tests import oracles
from tests.penalties.matrices import matrix
from tests.problems import CHAIN, LAYOUTS, TIED_CASES, Case, random_data

every_tied = pytest.mark.parametrize("name", TIED_CASES)


def case_of(name, loss="squared", layout="stacked-dense", share=0.3, seed=0):
    data = random_data(loss, layout, seed=seed)
    case = Case(data, LOSSES[loss](), TIED_CASES[name], np.array([1.0, 0.5, 2.0]))
    return case.scaled(share)


@every_tied
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_optimum_is_that_of_cvxpy(name, loss, layout):
    case = case_of(name, loss, layout)
    solution = FISTA(tol=1e-11).solve(case.problem())
    assert solution.converged
    assert solution.n_iter <= 600
    best = case.objective(*case.cvxpy_optimum())
    found = case.objective(solution.A, solution.intercept)
    assert found == pytest.approx(best, rel=1e-7)


@every_tied
def test_the_gap_is_that_of_a_dual_point(name):
    penalty, rng = TIED_CASES[name], np.random.default_rng(0)
    gauge, quadratic, scales = penalty.penalty, penalty.quadratic, set()
    for _ in range(30):
        A = penalty.inside(matrix(penalty, 4, 3, rng))
        slope = quadratic.gradient(A)
        G = slope + rng.choice([0.1, 1.0, 5.0]) * rng.normal(size=A.shape)
        rest, size, s, _ = penalty.gap(A, G)
        assert size == pytest.approx(oracles.value(penalty, A), rel=1e-12)
        # s G = s (G - QA) + s QA, the first of which costs the gauge nothing
        assert oracles.polar(gauge, s * (G - slope)) <= 1 + 1e-9
        conjugate = s**2 * quadratic.value(A)
        expected = size + conjugate - s * np.sum(A * G)
        assert rest == pytest.approx(expected, rel=1e-9, abs=1e-12 * size)
        assert penalty.gap(A, G, size).rest == pytest.approx(rest, rel=1e-9)
        scales.add(s == 1)
    assert scales == {False, True}


@every_tied
def test_gap_bounds_the_suboptimality(name):
    case = case_of(name, seed=1)
    problem, rng = case.problem(), np.random.default_rng(2)
    best = FISTA(tol=1e-12).solve(problem)
    least = case.objective(best.A, best.intercept)
    for size in (1.0, 1e-2, 1e-4):
        A = as_array(best.A) + size * rng.normal(size=best.A.shape)
        check = problem.certificate(case.penalty.inside(A))
        F = case.objective(case.penalty.inside(A), check.intercept)
        assert check.gap >= (F - least) * (1 - 1e-9)
        assert check.gap <= 1e4 * (F - least)


@every_tied
def test_curvature_and_prox(name):
    penalty, rng = TIED_CASES[name], np.random.default_rng(0)
    quadratic = penalty.quadratic
    Q = np.stack([quadratic.gradient(row[None])[0] for row in np.eye(3)])
    assert quadratic.curvature == pytest.approx(np.linalg.eigvalsh(Q)[-1])
    A = matrix(penalty, 4, 3, rng)
    P = penalty.prox(A, 0.4)
    np.testing.assert_array_equal(P, penalty.penalty.prox(A, 0.4))
    assert penalty.smooth is quadratic
    assert penalty.scaled(2.0) == replace(penalty, penalty=penalty.penalty.scaled(2.0))


def test_curvature_where_features_differ():
    weight = np.array([1.0, 2.0, 0.0, np.inf])
    mean = with_options(MeanRegularization(0.3, 0.1), feature_weight=weight)
    assert mean.curvature == pytest.approx(1.2)
    chain = GraphRegularization(0.3, CHAIN)
    weighted = with_options(chain, feature_weight=weight)
    assert weighted.curvature == pytest.approx(4 * chain.curvature)


def test_some_features_and_tasks():
    penalty = TIED_CASES["weighted"].restrict(features=[1, 3])
    assert penalty.penalty.feature_weight.tolist() == [2.0, np.inf]
    chain = TIED_CASES["l1-chain"]
    part = chain.restrict(tasks=[0, 2])
    assert part == replace(chain, quadratic=chain.quadratic.restrict(tasks=[0, 2]))
    A, kept = np.array([[1.0, 3.0]]), np.array([True, False, True])
    # the mean of the neighbours by the weights
    assert chain.with_absent(A, kept)[0, 1] == pytest.approx((0.5 + 6.0) / 2.5)
    mean = TIED_CASES["fused-mean"]
    assert mean.absent_task(A).tolist() == [2.0]
    with pytest.raises(ValueError, match="there are 4 tasks"):
        chain.check_shape(2, 4)


def test_estimators():
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(90, 6)), np.repeat(list("abc"), 30)
    y = X[:, 0] + 0.3 * rng.normal(size=90)
    est = PenalizedRegressor(TIED_CASES["l21-chain-ridge"]).fit(X, y, tasks=tasks)
    assert est.support_.shape == (6,)
    assert est.graph_.shape == (3, 3)
    with_ridge = PenalizedRegressor(
        Tied(L21(1.3), GraphRegularization(0.5, CHAIN)), ridge=0.2
    ).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(with_ridge.coef_, est.coef_, rtol=1e-12)
    est.set_params(penalty__penalty__alpha=1.3 * alpha_max(est, X, y, tasks=tasks))
    assert not est.fit(X, y, tasks=tasks).coef_.any()
    est.set_params(penalty__penalty__alpha=0.98 * est.penalty.penalty.alpha)
    assert est.fit(X, y, tasks=tasks).coef_.any()
    search = PenalizedRegressorCV(TIED_CASES["l1-chain"], alphas=4, eps=0.05)
    assert search.fit(X, y, tasks=tasks).score(X, y, tasks=tasks) > 0.8


class Unknown(Quadratic):
    """A quadratic that does not know its curvature."""

    def value(self, A):
        return 0.0

    def prox(self, A, step, out=None):
        return A

    def gradient(self, A):
        return 0 * A


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((MeanRegularization(1.0, 0.0), MeanRegularization(1.0, 0.0)), "takes a gauge"),
        ((Ridge(L1(1.0), 0.1), MeanRegularization(1.0, 0.0)), "takes a gauge"),
        ((InfimalSum(L21(1.0), L1(0.6)), MeanRegularization(1.0, 0.0)), "one block"),
        ((Weighted(L1(1.0), np.zeros(2)), MeanRegularization(1.0, 0.0)), "penalises"),
        ((L1(1.0), L21(1.0)), "takes a quadratic"),
        ((L1(1.0), Unknown()), "takes a quadratic"),
    ],
)
def test_refused_parts(parts, message):
    with pytest.raises(ValueError, match=message):
        Tied(*parts)


@pytest.mark.parametrize(
    ("option", "value"), [("positive", True), ("feature_weight", np.ones(4))]
)
def test_options_belong_to_the_gauge(option, value):
    with pytest.raises(ValueError, match=f"has no {option}: give it to the gauge"):
        with_options(TIED_CASES["l1-chain"], **{option: value})
