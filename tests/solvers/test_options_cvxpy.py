"""Random problems with options against the optimum that CVXPY finds."""

import numpy as np
import pytest

from mtlreg.losses import LOSSES
from mtlreg.penalties import (
    L1,
    L21,
    Dirty,
    InfimalSum,
    L1Linf,
    MeanRegularization,
    SparseGroup,
    TraceNorm,
    with_options,
)
from mtlreg.solvers import SOLVERS
from tests.problems import LAYOUTS, Case, random_data

PENALTIES = [
    L1(0.7),
    L21(1.3),
    L1Linf(1.1),
    SparseGroup(0.9, 0.4, "l2"),
    SparseGroup(1.2, 0.6, "linf"),
    Dirty(1.5, 0.9, "linf"),
    Dirty(1.2, 0.9, "l2"),
    MeanRegularization(0.3, 0.05),
    MeanRegularization(0.3, 0.0),
    InfimalSum(L1Linf(1.5), L1(0.9)),
    InfimalSum(TraceNorm(1.0), L1(0.6)),
]
SHARE, PROBLEMS, DAILY = 20, 200, 60


def drawn(seed):
    """A case: weights of 0 are missing cells where tasks share their rows."""
    rng = np.random.default_rng([2026, seed])
    penalty, loss = PENALTIES[seed % len(PENALTIES)], list(LOSSES)[seed % 2]
    weight = 10 ** rng.uniform(-0.5, 0.5, 4)
    weight[0] = rng.choice([0.0, 1.0])
    weight[1] = rng.choice([np.inf, 1.0])
    given = rng.random(3) < 0.6
    signs = (rng.random(4) < 0.6) & (weight > 0)
    ridge = float(rng.uniform(0.05, 0.5))
    if isinstance(getattr(penalty, "first", None), TraceNorm):
        given = [False, False, True]  # it takes no other
    no_mean = isinstance(penalty, MeanRegularization) and penalty.alpha_mean == 0
    options = {
        "feature_weight": weight if given[0] else None,
        "positive": signs if given[1] and signs.any() else None,
        "ridge": ridge if given[2] or (no_mean and given[1]) else None,
    }
    layout = LAYOUTS[int(rng.integers(4))]
    data = random_data(loss, layout, seed=seed, n=40, weighted=bool(seed % 3))
    scale = rng.uniform(0.4, 2.2, 3)
    held = with_options(penalty, **options)
    case = Case(data, LOSSES[loss](), held, scale, bool(rng.random() < 0.7))
    return case.scaled(float(rng.choice([0.5, 0.2, 0.05])))


def when(share):
    if share * SHARE >= DAILY:
        return pytest.mark.nightly
    return pytest.mark.slow if share else ()


@pytest.mark.parametrize(
    "share", [pytest.param(k, marks=when(k)) for k in range(PROBLEMS // SHARE)]
)
def test_no_solution_is_above_or_below_its_bounds(share):
    for seed in range(share * SHARE, (share + 1) * SHARE):
        case = drawn(seed)
        A, b = case.cvxpy_optimum()
        optimum = case.objective(A, np.zeros(A.shape[-1]) if b is None else b)
        problem = case.problem()
        for kind in SOLVERS.values():
            if kind().refuses(case.loss, case.penalty):
                continue
            solution = kind(tol=1e-8).solve(problem)
            assert solution.converged, seed
            F = case.objective(solution.A, solution.intercept)
            assert abs(F - optimum) <= 1e-6 * optimum, seed
            assert optimum >= F - solution.gap - 1e-12 * problem.null_value, seed
