"""Problems that contradict themselves: nothing may count as their solution."""

from dataclasses import replace

import numpy as np
import pytest

from mtlreg.penalties import L21, TraceNorm
from mtlreg.problem.problem import StatisticsProblem
from mtlreg.problem.statistics import Statistics
from mtlreg.solvers import BCD, FISTA, SOLVERS
from mtlreg.solvers._columns import make_model
from tests.problems import random_case
from tests.solvers.combinations import TRIPLES

PAIRS = [
    pytest.param(solver, penalty, id=f"{solver}-{penalty}")
    for solver, loss, penalty in (case.values for case in TRIPLES)
    if loss == "squared" and penalty != "mean-free"
]


def on_statistics(penalty, null_share=1.0, bend=0.0):
    """Statistics with a share of their F0, less multiples of the identity."""
    case = random_case("squared", penalty, "stacked-dense", n=80, weighted=False)
    whole = case.problem().on_statistics()
    known = whole.term.statistics
    lowered = bend * known.largest_eigenvalue() * np.eye(len(known.gram))
    return StatisticsProblem(
        Statistics(known.gram - lowered[:, :, None], None, known.moments),
        whole.penalty,
        null_share * whole.null_value,
        square_norms=whole.square_norms,
        means=np.zeros(whole.square_norms.shape),
        targets=np.zeros(whole.square_norms.shape[1]),
        origin=np.zeros(whole.square_norms.shape[1]),
        task_scale=np.ones(whole.square_norms.shape[1]),
        scale=whole.scale,
        dtype=np.float64,
    )


@pytest.mark.parametrize(("solver", "penalty"), PAIRS)
@pytest.mark.parametrize(
    "broken",
    [{"null_share": None}, {"null_share": -1.0}, {"bend": 0.5}],
    ids=["more explained than there is", "F0 below 0", "not convex"],
)
def test_a_negative_loss_is_no_solution(solver, penalty, broken):
    whole = on_statistics(penalty)
    solution = SOLVERS[solver](tol=1e-4).solve(whole)
    assert solution.converged
    if broken == {"null_share": None}:
        # of F0, half of what the fit explains
        A = whole.penalty.combine(solution.A)
        left = whole.term.value_at(A, whole.term.image(A))
        broken = {"null_share": 0.5 * (1 - left / whole.null_value)}
    solution = SOLVERS[solver](tol=1e-4).solve(on_statistics(penalty, **broken))
    assert not solution.converged
    assert solution.gap == np.inf
    assert solution.n_iter < 1000


def test_rounding_of_a_loss_is_not_negative():
    # without noise, and hardly penalised: the loss is rounding of F0
    case = random_case("squared", "l21", "stacked-dense", n=80, weighted=False)
    coef = np.random.default_rng(0).normal(size=(4, 3))
    y = np.concatenate([X @ a for (X, *_), a in zip(case.tasks(), coef.T, strict=True)])
    case = replace(case, data=replace(case.data, y=y), penalty=L21(1e-9))
    problem = case.problem().on_statistics()
    values, rng = [], np.random.default_rng(1)
    for _ in range(100):
        A = coef * (1 + 1e-9 * rng.normal(size=coef.shape))
        values.append(problem.term.value_at(A, problem.term.image(A)))
        assert problem.certificate(A).gap <= 1e-8 * problem.null_value
    assert min(values) < 0


class HalfL21(L21):
    """A penalty from outside whose polar is too small."""

    def row_polars(self, G):
        return 0.5 * super().row_polars(G)


class HalfTrace(TraceNorm):
    def polar(self, G):
        return 0.5 * super().polar(G)


@pytest.mark.parametrize(
    ("penalty", "wrong"), [(L21(0.1), HalfL21), (TraceNorm(0.1), HalfTrace)]
)
@pytest.mark.parametrize("layout", ["shared-dense", "stacked-sparse"])
def test_a_wrong_polar_is_no_certificate(penalty, wrong, layout):
    case = replace(random_case("squared", "l21", layout, n=80), penalty=penalty)
    problem = case.problem()
    A = FISTA(tol=1e-8).solve(problem).A
    # where <A, G> = alpha value(A), to a penalty of less than alpha
    weaker = problem.with_penalty(wrong(penalty.alpha / 1.5))
    for form in (weaker, weaker.on_statistics()):
        assert form.certificate(A).gap == np.inf
        assert not FISTA(tol=0.1).solve(form, A).converged


def test_a_model_with_a_negative_loss_has_no_gap():
    problem = on_statistics("l21")
    A = BCD(tol=1e-10).solve(problem).A
    certificate, rows = problem.certificate(A), np.arange(4)
    model = make_model(problem, rows, A, certificate)
    assert model.gap() <= 1e-9 * problem.null_value
    model._loss = -1e-3 * problem.null_value
    assert model.gap() == np.inf
    rate = model.solve(1.0, 1.0, 100, 1.0, 0.1)
    assert rate == 0.1
