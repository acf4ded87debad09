"""What a solver takes, and what it has to return."""

import itertools

import pytest

from mtlreg.losses import LOSSES
from mtlreg.solvers import SOLVERS
from tests.problems import LAYOUTS, PENALTY_CASES

TRIPLES = [
    pytest.param(*triple, id="-".join(triple))
    for triple in itertools.product(SOLVERS, LOSSES, PENALTY_CASES)
    if SOLVERS[triple[0]]().refuses(LOSSES[triple[1]](), PENALTY_CASES[triple[2]])
    is None
]
every_triple = pytest.mark.parametrize(("solver", "loss", "penalty"), TRIPLES)
# of every triple one layout of each kind of rows and of matrix, in turn; all at night
HALF = [("shared-dense", "stacked-sparse"), ("shared-sparse", "stacked-dense")]
triples_by_layout = pytest.mark.parametrize(
    ("solver", "loss", "penalty", "layout"),
    [
        pytest.param(
            *triple.values,
            layout,
            id=f"{triple.id}-{layout}",
            marks=() if layout in HALF[number % 2] else pytest.mark.nightly,
        )
        for number, triple in enumerate(TRIPLES)
        for layout in LAYOUTS
    ],
)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def assert_solution(solution, problem):
    """The shapes and types of a complete Solution."""
    assert solution.A.shape == problem.shape
    assert solution.A.dtype == solution.intercept.dtype == problem.dtype
    assert solution.A.flags.c_contiguous
    assert solution.intercept.shape == problem.shape[-1:]
    assert isinstance(solution.n_iter, int)
    assert solution.n_iter >= 1
    assert isinstance(solution.converged, bool)
    iterations = [iteration for iteration, _ in solution.history]
    assert iterations == sorted(iterations)
    assert solution.history[-1][1] == solution.gap
    assert max(iterations[-1], 1) == solution.n_iter
