"""Penalties with an array over the features, on working sets and on faces."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.losses import LOSSES
from mtlreg.penalties import L21, RowPenalty
from mtlreg.problem.rows import nonzero_rows
from mtlreg.solvers import BCD, FISTA, _columns
from mtlreg.solvers._models import RowModel
from mtlreg.solvers._newton_steps import NewtonSteps
from tests.penalties.weighted import FacedL21, WeightedL21
from tests.problems import LAYOUTS, Case, random_data
from tests.solvers.test_newton import collinear

EPS = np.finfo(float).eps


def weights(d):
    return np.random.default_rng(7).uniform(0.3, 3.0, d)


def rescaled(case):
    """The same with plain L21, of columns in units of their weights."""
    X, scale = case.data.X, 1 / case.penalty.weights
    X = sp.csr_array(X.multiply(scale)) if sp.issparse(X) else X * scale
    return replace(case, data=replace(case.data, X=X), penalty=L21(case.penalty.alpha))


@pytest.mark.parametrize(
    ("loss", "layout"),
    [
        # alike for all layouts, and without compilation for one of them in seconds
        pytest.param(
            *case, marks=pytest.mark.slow if case[1] == "stacked-dense" else ()
        )
        for case in itertools.product(LOSSES, LAYOUTS)
    ],
)
def test_working_sets_solve_the_problem_of_rescaled_columns(layout, loss, monkeypatch):
    sizes, make = [], _columns.make_model

    def made(problem, rows, *rest):
        sizes.append(len(rows))
        return make(problem, rows, *rest)

    monkeypatch.setattr("mtlreg.solvers.bcd.make_model", made)
    d = 150
    data = random_data(loss, layout, d=d, n=40)
    case = Case(data, LOSSES[loss](), FacedL21(1.0, weights(d)), np.ones(3))
    case = case.scaled(0.1)
    problem, plain = case.problem(), rescaled(case).problem()
    assert problem.alpha_factor == pytest.approx(plain.alpha_factor, rel=1e-12)
    solution = BCD(tol=1e-10, first_size=20).solve(problem)
    assert solution.converged
    assert solution.A.any()
    assert max(sizes) < d
    # the same point, by a problem that knows no weights
    target = plain.gap_target(1e-10)
    there = case.penalty.weights[:, None] * solution.A
    assert plain.certificate(there).gap <= target + 64 * EPS * plain.null_value
    for other, inner in ((FISTA(tol=1e-8), problem), (BCD(tol=1e-10), plain)):
        found = other.solve(inner)
        assert found.converged
        F = inner.objective(found.A), problem.objective(solution.A)
        assert abs(F[0] - F[1]) <= found.gap + target + 64 * EPS * F[1]


@pytest.mark.parametrize("shared", [True, False])
def test_newton_steps_know_the_rows_they_move(shared, monkeypatch):
    taken, take = [], NewtonSteps.take

    def counted(steps, model, *rest):
        before = model.objective()
        take(steps, model, *rest)
        taken.append(before - model.objective())

    monkeypatch.setattr(NewtonSteps, "take", counted)
    problem = collinear(FacedL21(1.0, weights(15)), shared)
    solution = BCD(tol=1e-10).solve(problem)
    assert solution.converged
    # some rows are 0, so that those that move are not the first ones
    assert not nonzero_rows(solution.A)[:-1].all()
    assert max(taken) > 0
    monkeypatch.setattr(RowModel, "_newton_pays", lambda *args: False)
    plain = BCD(tol=1e-10).solve(problem)
    assert 3 * solution.n_iter <= plain.n_iter


@pytest.mark.parametrize("shared", [True, False])
def test_a_penalty_without_faces_takes_epochs_alone(shared, monkeypatch):
    asked, face = [], RowPenalty.face

    def looked_for(penalty, A):
        asked.append(len(A))
        return face(penalty, A)

    monkeypatch.setattr(RowPenalty, "face", looked_for)
    problem = collinear(WeightedL21(1.0, weights(15)), shared)
    solution = BCD(tol=1e-10).solve(problem)
    assert asked
    assert solution.converged
    faced = collinear(FacedL21(1.0, weights(15)), shared)
    target = faced.gap_target(1e-10)
    assert faced.certificate(solution.A).gap <= target + 64 * EPS * faced.null_value
