"""Every penalty, loss and layout against the optimum that CVXPY finds."""

import itertools

import numpy as np
import pytest

from mtlreg.losses import LOSSES
from mtlreg.solvers import SOLVERS
from tests.problems import LAYOUTS, PENALTY_CASES, WEIGHTED_CASES, random_case


def marks(layout, weighted):
    """Unequal weights of dense rows are also tried without compilation.

    Equal weights are the simpler half: those of sparse rows wait for the night.
    """
    sparse = "sparse" in layout
    if weighted:
        return pytest.mark.slow if sparse else ()
    return pytest.mark.nightly if sparse else pytest.mark.slow


CASES = [
    pytest.param(
        *names,
        seed,
        weighted,
        id="-".join([*names, str(weighted)]),
        marks=marks(names[-1], weighted),
    )
    for seed, names in enumerate(
        itertools.product(LOSSES, PENALTY_CASES | WEIGHTED_CASES, LAYOUTS)
    )
    for weighted in (True, False)
]


def test_there_are_enough_cases():
    assert len(CASES) >= 40


@pytest.mark.parametrize(("loss", "penalty", "layout", "seed", "weighted"), CASES)
def test_the_optimum_is_that_of_cvxpy(loss, penalty, layout, seed, weighted):
    """Weights on and off, with them unequal c_t; strengths and intercepts in turn."""
    intercept = (seed % 2 == 0) == weighted
    case = random_case(
        loss,
        penalty,
        layout,
        seed=seed,
        weighted=weighted,
        intercept=intercept,
        # enough that no feature alone separates the classes of a task
        n=80 if "-0-" in penalty or "free" in penalty else 14,
        fraction=[0.5, 0.2, 0.05][seed % 3],
        scale=np.array([0.4, 1.0, 2.2]) if weighted else np.ones(3),
    )
    optimum = case.objective(*cvxpy_optimum(case))
    problem = case.problem()
    for kind in SOLVERS.values():
        if kind().refuses(case.loss, case.penalty):
            continue
        solution = kind(tol=1e-8).solve(problem)
        assert solution.converged
        F = case.objective(solution.A, solution.intercept)
        assert abs(F - optimum) <= 1e-6 * optimum
        assert optimum >= F - solution.gap - 1e-12 * problem.null_value


def cvxpy_optimum(case):
    A, b = case.cvxpy_optimum()
    return A, (np.zeros(A.shape[-1]) if b is None else b)
