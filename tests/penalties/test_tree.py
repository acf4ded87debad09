"""The tree group penalty: rows, proxes and polars of trees, and what makes one."""

import numpy as np
import pytest

from mtlreg.penalties import L1, L21, TreeGroup, Weighted
from mtlreg.penalties.learning import Training, learned, learns
from mtlreg.penalties.tree import flat_groups, ward_groups
from tests import oracles
from tests.penalties.matrices import matrix
from tests.penalties.test_rows import assert_optimal, draw, solve


def tree(n_tasks, weights=False, seed=0):
    """A tree of two branches a node, with weights of which some are 0."""
    rng = np.random.default_rng(seed)
    groups = ward_groups(rng.normal(size=(3, n_tasks)), np.ones(n_tasks, dtype=bool))
    if not weights:
        return TreeGroup(0.6, groups)
    weight = rng.choice([0.0, 0.3, 2.0], groups.shape[1])
    weight[-1] = 1.0
    return TreeGroup(0.6, groups, weight)


every_kind = pytest.mark.parametrize("weights", [False, True, None])


def of_kind(weights, n_tasks, seed=0):
    return TreeGroup(0.6) if weights is None else tree(n_tasks, weights, seed)


@every_kind
@pytest.mark.parametrize("n_tasks", [1, 2, 7, 30])
def test_rows_are_optimal(weights, n_tasks):
    for seed in range(40):
        penalty = of_kind(weights, n_tasks, seed)
        z, curvature = draw(np.random.default_rng(seed), n_tasks)
        row = solve(penalty, z, curvature)
        assert_optimal(penalty, z, curvature, row)
        single = solve(penalty, *(part.astype(np.float32) for part in (z, curvature)))
        error = np.abs(curvature * (single - row))
        assert np.all(error <= 1e-5 * (1 + np.abs(z).max()))
        inside = z / max(penalty.polar(z[None]), 1.0) * (1 - 1e-12)
        assert not solve(penalty, inside, curvature).any()


@every_kind
@pytest.mark.parametrize("n_tasks", [1, 2, 5])
def test_prox_and_polar(weights, n_tasks):
    penalty = of_kind(weights, n_tasks)
    A = matrix(penalty, 12, n_tasks, np.random.default_rng(1))
    assert penalty.value(A) == pytest.approx(oracles.value(penalty, A), rel=1e-13)
    assert penalty.polar(A) == pytest.approx(oracles.polar(penalty, A), rel=1e-13)
    # exact: a subgradient of which the product with P is the value there
    P = penalty.prox(A, 0.7)
    slope = (A - P) / 0.7
    assert oracles.polar(penalty, slope) <= 1 + 1e-13
    assert np.vdot(slope, P) == pytest.approx(penalty.value(P), rel=1e-12)


def test_corners():
    groups = tree(5).groups
    A = matrix(L21(1.0), 8, 5, np.random.default_rng(0))
    last, first = np.zeros(9), np.zeros(9)
    last[-1] = first[:5] = 1.0
    for weight, other in ((last, L21(0.6)), (first, L1(0.6))):
        penalty = TreeGroup(0.6, groups, weight)
        np.testing.assert_allclose(penalty.prox(A, 0.8), other.prox(A, 0.8), atol=1e-15)
        assert penalty.polar(A) == pytest.approx(other.polar(A), rel=1e-14)
    flat = TreeGroup(0.6, flat_groups(5))
    np.testing.assert_allclose(
        flat.prox(A, 0.3), TreeGroup(0.6).prox(A, 0.3), atol=1e-15
    )


def test_nodes_of_the_same_tasks_are_one_by_size_alone():
    groups = np.array([[True, True, True], [False, True, True]])
    A = np.array([[3.0, 4.0]])
    assert TreeGroup(1.0, groups).value(A) == pytest.approx(3 + 5 * np.sqrt(2))
    assert TreeGroup(1.0, groups, [0, 1, 1]).value(A) == pytest.approx(10)


def test_strengths_do_not_sort_out_the_tree_anew():
    penalty, A = tree(6, weights=True), matrix(L21(1.0), 5, 6, np.random.default_rng(0))
    other = penalty.scaled(2.0)
    assert other.row_params.parent is penalty.row_params.parent
    assert other.row_params.alpha == other.alpha == 1.2
    assert other.value(A) == pytest.approx(2 * penalty.value(A), rel=1e-15)
    with pytest.raises(ValueError, match="alpha of TreeGroup"):
        penalty.scaled(0.0)


def test_some_tasks_have_the_tree_of_those():
    penalty = tree(6)
    kept = np.array([True, False, True, True, False, True])
    A = matrix(penalty, 5, 4, np.random.default_rng(0))
    some, weighted = penalty.restrict(tasks=kept), tree(6, weights=True)
    inside = {frozenset(np.flatnonzero(c)) for c in penalty.groups[kept].T} - {
        frozenset()
    }
    expected = sum(
        len(v) ** 0.5 * np.linalg.norm(A[:, list(v)], axis=1) for v in inside
    )
    assert some.value(A) == pytest.approx(0.6 * expected.sum())
    full = weighted.with_absent(A, kept)
    assert not full[:, ~kept].any()
    assert weighted.restrict(tasks=kept).value(A) == pytest.approx(weighted.value(full))


def test_the_bend_of_a_face_is_no_less_than_that_of_the_penalty():
    penalty, rng = tree(6, weights=True), np.random.default_rng(0)
    A = penalty.prox(matrix(penalty, 30, 6, rng, 3.0), 0.5)
    A = A[A.any(axis=1)]
    assert np.any(A == 0)
    face = penalty.face(A)
    h = 1e-4 * np.abs(A[A != 0]).min()
    for move in (face.project(rng.normal(size=A.shape)), A / np.abs(A).max()):
        up, here, down = (penalty.value(A + s * move) for s in (h, 0.0, -h))
        assert (up - down) / (2 * h) == pytest.approx(np.vdot(face.slope, move))
        second, noise = (up - 2 * here + down) / h**2, 1e-14 * here / h**2
        assert second <= np.vdot(move, face.curve(move)) + noise
    # where the move goes along A
    assert np.abs(face.curve(A)).max() <= 1e-13


def test_trees_are_learned():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(6, 2))[:, [0, 1, 0, 1]] + 0.01 * rng.normal(size=(6, 4))
    penalty = Weighted(TreeGroup(0.6, ward=True), np.ones(6))
    assert learns(penalty)
    assert not learns(TreeGroup(0.6))
    kept = np.array([True, True, False, True, True])
    found = learned(penalty, Training(kept, lambda: A, None))
    assert not learns(found)
    groups = found.penalty.groups.T
    np.testing.assert_array_equal(groups[:5], np.eye(5))
    pairs = {tuple(np.flatnonzero(group)) for group in groups[5:]}
    assert pairs == {(0, 3), (1, 4), (0, 1, 3, 4), (0, 1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("groups", "weight", "message"),
    [
        (np.ones((2, 1)), "size", "must hold True or False"),
        (np.array([[1, 0], [1, 1], [0, 1]], dtype=bool), "size", "apart or one lies"),
        (np.ones((2, 1), dtype=bool), [0.0], "in place 0 of tasks_ without a node"),
        (np.eye(2, 1, dtype=bool), "size", "in place 1 of tasks_ without a node"),
        (
            np.ones((2, 1), dtype=bool),
            [1.0, 1.0],
            "one number >= 0 for each of 1 nodes",
        ),
        (None, [1.0, -1.0], "one number >= 0 for every node"),
        (None, "sqrt", "node_weight must be 'size'"),
    ],
)
def test_what_is_no_tree(groups, weight, message):
    with pytest.raises(ValueError, match=message):
        TreeGroup(1.0, groups, weight)
