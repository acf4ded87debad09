"""Models of some rows: what they keep up to date."""

import itertools

import numpy as np
import pytest

from mtlreg.losses import LOSSES, Squared
from mtlreg.penalties import L21, L1Linf
from mtlreg.problem import costs
from mtlreg.problem.data import MultiTaskData
from mtlreg.solvers import BCD, _columns
from mtlreg.solvers._acceleration import Momentum
from mtlreg.solvers._models import RowModel
from tests.problems import Case, random_data
from tests.solvers.combinations import every_layout


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("kept", ["gradient", "residual", "residual at first"])
@every_layout
def test_a_model_of_a_squared_loss_is_the_data_term(
    layout, kept, weighted, fit_intercept, monkeypatch
):
    answers = itertools.chain(
        [kept == "gradient"], itertools.repeat(kept != "residual")
    )
    monkeypatch.setattr(_columns._Block, "gram_pays", lambda *args: next(answers))
    monkeypatch.setattr(costs, "CHEAP_EPOCH", 0)
    data = random_data("squared", layout, weighted=weighted)
    case = Case(data, Squared(), L21(1.0), np.array([1.0, 0.7, 1.5]), fit_intercept)
    problem = case.scaled(0.02).problem()
    start = np.zeros(problem.shape)
    start[0] = 0.3
    rows, certificate = np.array([0, 2, 3]), problem.certificate(start)
    model = _columns.make_model(problem, rows, start, certificate)
    model.solve(1e-12, 1e-12, 1, certificate.gap, 0.1)
    model.epoch(active_only=False)
    A = np.zeros(problem.shape)
    A[rows] = model.A
    assert ("residual" if kept == "residual" else "gradient") in model.columns._fields
    assert np.any(start != A)
    found = problem.objective(A)
    assert model.objective() == pytest.approx(found, rel=1e-12)
    gradient = problem.certificate(A).gradient[rows]
    np.testing.assert_allclose(model.gradient(), gradient, rtol=0, atol=1e-10)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("form", ["gram", "grams of rows", "factors of rows"])
@every_layout
def test_the_hessian_of_some_rows_is_how_the_gradient_moves(
    layout, form, weighted, fit_intercept, loss, monkeypatch
):
    monkeypatch.setattr(_columns._Block, "gram_pays", lambda *args: form == "gram")
    grams = 1e3 if form == "grams of rows" else 0.0
    monkeypatch.setattr(costs, "GRAMS_BY_SAMPLES", grams)
    data = random_data(loss, layout, weighted=weighted, d=12, n=8)
    strengths = np.array([1.0, 0.7, 1.5])
    case = Case(data, LOSSES[loss](), L21(1.0), strengths, fit_intercept)
    problem = case.scaled(0.2).problem()
    start = np.zeros(problem.shape)
    certificate = problem.certificate(start)
    weight = None
    if loss == "logistic":
        rng = np.random.default_rng(1)
        weight = problem.term.v * rng.uniform(0.1, 0.25, problem.term.v.shape)
    rows, active = np.arange(1, 12), np.array([0, 2, 3, 4, 5, 6, 7, 8, 10])
    model = _columns.make_model(problem, rows, start, certificate, weight)
    before = model.gradient()
    move = np.random.default_rng(2).normal(size=(len(active), 3))
    model.follow(active, move)
    expected = (model.gradient() - before)[active]
    found = model.hessian.take(active).multiply(move)
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-12 * np.abs(found).max()
    )


@every_layout
def test_newton_steps_end_where_no_row_is_active(layout):
    problem = Case(
        random_data("squared", layout), Squared(), L21(1.0), np.ones(3)
    ).problem()
    start = np.zeros(problem.shape)
    certificate = problem.certificate(start)
    model = _columns.make_model(problem, np.array([0, 2]), start, certificate)
    model._newton.take(model, 0.0, 0)
    assert not model.A.any()


def test_the_first_working_set_has_no_more_rows_than_are_wanted(monkeypatch):
    # of 120 rows only two leave 0; the columns of the others are orthogonal to y
    X = np.kron(np.eye(120), [[1.0], [-1.0]])
    Y = X[:, :2] @ np.array([[3.0, 4.0], [5.0, 12.0]])
    data = MultiTaskData(X, Y, np.ones(Y.shape))
    problem = Case(data, Squared(), L21(0.01), np.ones(2)).problem()
    sizes, make = [], BCD._model

    def model(self, inner, rows, *rest):
        sizes.append(len(rows))
        return make(self, inner, rows, *rest)

    monkeypatch.setattr(BCD, "_model", model)
    assert BCD(tol=1e-10).solve(problem).converged
    assert sizes == [10]


def tied(collinear, n=30, d=120, n_tasks=6):
    """An L1/Linf problem with more features than rows, which every task has own."""
    rng = np.random.default_rng(0)
    offsets = n * np.arange(n_tasks + 1)
    X = rng.normal(size=(n * n_tasks, d))
    X += collinear * rng.normal(size=(len(X), 1))
    coef = rng.normal(size=(d, n_tasks)) * (rng.random((d, 1)) < 0.2)
    y = np.einsum("ij,ij->i", X, np.repeat(coef.T, n, axis=0))
    y += rng.normal(size=len(y))
    data = MultiTaskData(X, y, np.ones_like(y), offsets)
    return Case(data, Squared(), L1Linf(1.0), np.ones(n_tasks)).scaled(0.02).problem()


@pytest.mark.slow
def test_momentum_saves_epochs_where_entries_are_tied(monkeypatch):
    problem = tied(collinear=0.0)
    monkeypatch.setattr(RowModel, "_newton_pays", lambda *args: False)
    solution = BCD(tol=1e-8).solve(problem)
    monkeypatch.setattr(L1Linf, "ties", lambda *args: False)
    plain = BCD(tol=1e-8).solve(problem)
    assert solution.converged
    assert 2 * solution.n_iter <= plain.n_iter


def test_momentum_is_taken_back_and_given_up_where_it_leads_uphill(monkeypatch):
    changes, roll = [], Momentum.epochs

    def rolled(momentum, model, *args):
        before = model.objective()
        values = roll(momentum, model, *args)
        assert sum(values) == pytest.approx(model.objective(), rel=1e-14)
        changes.append((not momentum.on, model.objective() / before - 1))
        return values

    monkeypatch.setattr(Momentum, "epochs", rolled)
    assert BCD(tol=1e-8).solve(tied(collinear=3.0)).converged
    assert any(uphill for uphill, _ in changes)
    assert max(change for _, change in changes) <= 1e-12
