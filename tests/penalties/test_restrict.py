"""Penalties of some rows and columns of A, and the shapes of their arrays."""

import numpy as np
import pytest

from mtlreg.penalties import L1, InfimalSum
from tests.penalties.matrices import every_penalty
from tests.penalties.weighted import FacedL21, TaskL1
from tests.problems import PENALTY_CASES

WEIGHTS = np.array([0.5, 2.0, 1.0, 3.0, 0.1])
SOME = [np.array([3, 0]), np.array([True, False, False, True, False])]


@every_penalty
def test_without_arrays_a_part_is_the_whole(name):
    penalty = PENALTY_CASES[name]
    assert penalty.restrict(np.arange(2), np.arange(1)) is penalty
    penalty.check_shape(7, 3)


@pytest.mark.parametrize("rows", SOME, ids=["indices", "mask"])
def test_rows_keep_what_is_theirs(rows):
    penalty, rng = FacedL21(0.7, WEIGHTS), np.random.default_rng(0)
    A = rng.normal(size=(5, 3))
    part, rest = penalty.restrict(rows), np.zeros_like(A)
    rest[rows] = A[rows]
    assert part.value(A[rows]) == pytest.approx(penalty.value(rest), rel=1e-14)
    np.testing.assert_array_equal(part.row_polars(A[rows]), penalty.row_polars(A)[rows])
    moved = part.prox(A[rows], 0.3)
    np.testing.assert_array_equal(moved, penalty.prox(A, 0.3)[rows])
    slopes = part.face(A[rows]).slope
    np.testing.assert_array_equal(slopes, penalty.face(A).slope[rows])
    assert penalty.restrict(tasks=rows) is penalty
    np.testing.assert_array_equal(penalty.weights, WEIGHTS)


@pytest.mark.parametrize("tasks", SOME, ids=["indices", "mask"])
def test_tasks_keep_what_is_theirs(tasks):
    penalty, rng = TaskL1(0.7, WEIGHTS), np.random.default_rng(0)
    A = rng.normal(size=(3, 5))
    part = penalty.restrict(np.array([1]), tasks)
    expected = penalty.prox(A, 0.3)[1:2, tasks]
    np.testing.assert_array_equal(part.prox(A[1:2, tasks], 0.3), expected)
    assert penalty.restrict(np.array([1])) is penalty
    assert TaskL1(0.7).restrict(tasks=tasks).weights is None


def test_a_sum_of_penalties_passes_it_on():
    penalty = InfimalSum(FacedL21(0.7, WEIGHTS), L1(0.2))
    part = penalty.restrict(np.array([2, 3]))
    np.testing.assert_array_equal(part.first.weights, WEIGHTS[2:4])
    assert part.second is penalty.second
    with pytest.raises(ValueError, match="weights of FacedL21"):
        penalty.check_shape(4, 3)


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (
            FacedL21(1.0, WEIGHTS),
            r"weights of FacedL21 has the shape \(5,\), but there are 4 features; "
            r"give it one entry for each feature",
        ),
        (TaskL1(1.0, WEIGHTS[:2]), r"weights of TaskL1 .* 3 tasks; .* each task"),
        (TaskL1(1.0, np.float64(2.0)), r"has the shape \(\), but there are 3 tasks"),
    ],
)
def test_arrays_of_another_length_are_refused(penalty, message):
    with pytest.raises(ValueError, match=message):
        penalty.check_shape(4, 3)


def test_arrays_that_fit_are_taken():
    FacedL21(1.0, WEIGHTS).check_shape(5, 3)
    TaskL1(1.0, WEIGHTS).check_shape(4, 5)
    TaskL1(1.0).check_shape(4, 3)
