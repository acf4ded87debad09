"""Faces of row penalties: derivatives along them, and where they end."""

import numpy as np
import pytest

from mtlreg.penalties import Dirty
from tests.penalties.matrices import ROW_CASES, matrix

CASES = {
    name: penalty
    for name, penalty in ROW_CASES.items()
    if penalty.has_polar and penalty.has_tangent
}
CASES |= {
    "dirty-specific": Dirty(50.0, 0.8, "l2"),
    "dirty-integer": Dirty(2.0, 1.0),
    "dirty-both": Dirty(2.5, 1.0, "l2"),
}
every_row_gauge = pytest.mark.parametrize("name", CASES)


def structured(penalty, rng, n_tasks=7):
    """A point with the ties and zeros that a prox makes, without rows of zeros."""
    A = penalty.prox(matrix(penalty, 40, n_tasks, rng, scale=3.0), 1.0)
    return A[np.any(A != 0, axis=1)]


def gaps(A):
    """The least distance between two magnitudes of a row, or of one from 0."""
    size = np.sort(np.abs(A), axis=1)
    steps = np.diff(np.concatenate([np.zeros((len(A), 1)), size], axis=1), axis=1)
    return np.min(np.where(steps > 1e-12, steps, np.inf), axis=1, keepdims=True)


@every_row_gauge
def test_penalty_is_smooth_along_its_face(name):
    penalty, rng = CASES[name], np.random.default_rng(0)
    A = structured(penalty, rng)
    assert len(A) > 5
    face = penalty.face(A)
    move = face.project(rng.normal(size=A.shape))
    # short enough to stay on the face
    move *= 1e-4 * np.minimum(gaps(A), 1.0)
    values = [[penalty.value(row[None]) for row in B] for B in (A, A + move)]
    before, after = np.array(values)
    first = np.sum(face.slope * move, axis=1)
    second = 0.5 * np.sum(move * face.curve(move), axis=1)
    rounding = 64 * np.finfo(float).eps * before.max()
    change = after - before - first
    np.testing.assert_allclose(change, second, rtol=2e-3, atol=rounding)


@every_row_gauge
def test_face_is_a_space_and_its_hessian_is_positive(name):
    penalty, rng = CASES[name], np.random.default_rng(1)
    A = structured(penalty, rng)
    face = penalty.face(A)
    V = rng.normal(size=A.shape)
    np.testing.assert_allclose(face.project(face.project(V)), face.project(V))
    along = face.project(V)
    assert np.all(np.sum(along * face.curve(along), axis=1) >= -1e-12)
    assert np.all(face.ratio >= 0)
    # the point itself is a direction, in which a gauge grows by its value
    np.testing.assert_allclose(face.project(A), A, atol=1e-14)
    ridge = getattr(penalty, "ridge", 0.0)
    twice = penalty.value(A) + ridge / 2 * np.sum(A**2)
    assert np.vdot(face.slope, A) == pytest.approx(twice)
    curved = face.project(face.curve(A))
    np.testing.assert_allclose(curved, ridge * A, atol=1e-12)


@every_row_gauge
def test_short_moves_along_the_face_are_left_alone(name):
    penalty, rng = CASES[name], np.random.default_rng(2)
    A = structured(penalty, rng)
    move = penalty.face(A).project(rng.normal(size=A.shape))
    move *= 1e-3 * np.minimum(gaps(A), 1.0)
    np.testing.assert_array_equal(penalty.retract(A, A + move), A + move)


@every_row_gauge
def test_long_moves_end_where_the_slope_of_the_penalty_does(name):
    """What is cut off a move does not make the penalty larger."""
    penalty, rng = CASES[name], np.random.default_rng(3)
    A = structured(penalty, rng)
    moved = A + penalty.face(A).project(rng.normal(scale=10, size=A.shape))
    held = penalty.retract(A, moved)
    assert penalty.value(held) <= penalty.value(moved) * (1 + 1e-14)
    assert not held[A == 0].any() or penalty.face(A).free[A == 0].any()


@every_row_gauge
@pytest.mark.parametrize("n_tasks", [2, 7])
def test_ties_are_told_of(name, n_tasks):
    penalty = CASES[name]
    A = structured(penalty, np.random.default_rng(3), n_tasks)
    assert penalty.ties(n_tasks) == np.any(penalty.face(A).tied)
