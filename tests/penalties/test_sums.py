"""A = B + S: the dirty gauge against its definition, the infimal sum, and corners."""

import numpy as np
import pytest

from mtlreg.penalties import L1, L21, Dirty, InfimalSum, L1Linf, TraceNorm
from tests import oracles

EPS = np.finfo(float).eps
GROUPS = {"linf": L1Linf, "l2": L21}
every_norm = pytest.mark.parametrize("norm", GROUPS)
RATIOS = [0.3, 1.0, 1.4, 2.0, 2.5, 3.0, 4.0, 7.0]
every_ratio = pytest.mark.parametrize("ratio", RATIOS)


def random_rows(rng, d=6, n_tasks=4):
    A = rng.normal(size=(d, n_tasks)) * rng.choice([0.1, 1, 5], (d, n_tasks))
    A[rng.random(A.shape) < 0.15] = 0
    A[0] = 0
    A[1] = np.round(A[1])
    A[2] = 1.5 * np.sign(A[2])
    return A


@every_norm
@every_ratio
@pytest.mark.parametrize("n_tasks", [1, 2, 4, 9])
def test_split_adds_up_and_costs_the_value(norm, ratio, n_tasks):
    penalty = Dirty(ratio, 1.0, norm)
    for seed in range(10):
        A = random_rows(np.random.default_rng(seed), 6, n_tasks)
        B, S = penalty.split(A)
        np.testing.assert_allclose(B + S, A, rtol=2 * EPS)
        assert np.all(B * A >= 0)
        assert np.all(S * A >= 0)
        cost = GROUPS[norm](ratio).value(B) + L1(1.0).value(S)
        assert penalty.value(A) == pytest.approx(cost, rel=1e-14)
        best = sum(oracles.dirty_row(penalty, row)[0] for row in np.abs(A))
        assert cost == pytest.approx(best, rel=1e-13)


@every_norm
@every_ratio
def test_value_is_the_infimum(norm, ratio):
    penalty = Dirty(ratio, 1.0, norm)
    both = InfimalSum(GROUPS[norm](ratio), L1(1.0))
    A = random_rows(np.random.default_rng(1), 4, 4)
    infimum = oracles.infimum(both, A)
    assert penalty.value(A) == pytest.approx(infimum, rel=1e-8)
    # no blocks that add up to A cost less, the split among them
    rng = np.random.default_rng(2)
    for size in [1e-3, 0.1, 3.0]:
        B = rng.normal(scale=size, size=A.shape)
        assert both.value(np.stack([B, A - B])) >= penalty.value(A)
    assert both.value(np.stack(penalty.split(A))) == pytest.approx(penalty.value(A))


@every_norm
@every_ratio
def test_split_has_the_smallest_level(norm, ratio):
    penalty = Dirty(ratio, 1.0, norm)
    for seed in range(10):
        A = random_rows(np.random.default_rng(seed))
        B, _ = penalty.split(A)
        for row, shared in zip(np.abs(A), np.abs(B), strict=True):
            cost, level = oracles.dirty_row(penalty, row)
            # as near as the cost, flat in the level at its minimum, can tell for l2
            atol = 0 if norm == "linf" else 1e-6 * (1 + row.max())
            np.testing.assert_allclose(shared, np.minimum(row, level), atol=atol)
            below = np.minimum(row, 0.99 * shared.max())
            dearer = GROUPS[norm](ratio).value(below[None]) + np.sum(row - below)
            if shared.any():
                assert dearer > cost


@every_norm
def test_split_of_other_arrays(norm):
    penalty = Dirty(2.5, 1.0, norm)
    A = random_rows(np.random.default_rng(0))
    for blocks in (penalty.split(np.asfortranarray(A)), penalty.split(A[::-1])):
        assert [block.shape for block in blocks] == [A.shape, A.shape]
    B, S = penalty.split(A.astype(np.float32))
    assert B.dtype == S.dtype == np.float32
    np.testing.assert_allclose(B + S, A.astype(np.float32), rtol=3e-7)
    B, S = penalty.split(np.zeros((0, 4)))
    assert B.shape == S.shape == (0, 4)


@every_norm
@every_ratio
@pytest.mark.parametrize("n_tasks", [1, 2, 4, 12])
def test_dirty_prox_has_the_exact_certificate(norm, ratio, n_tasks):
    penalty = Dirty(ratio, 1.0, norm)
    for seed in range(10):
        A = random_rows(np.random.default_rng(seed), 8, n_tasks)
        for step in [1e-6, 0.3, 1.0, 2.5]:
            P = penalty.prox(A, step)
            noise = 16 * EPS * np.abs(A).max()
            assert penalty.polar(A - P) <= step * (1 + 16 * EPS) + noise / min(ratio, 1)
            inner = np.sum((A - P) * P)
            size = np.sum(np.abs(A)) * np.abs(A).max()
            assert inner == pytest.approx(
                step * penalty.value(P), rel=0, abs=16 * EPS * size
            )


@every_norm
@pytest.mark.parametrize("n_tasks", [2, 5])
def test_corners_of_the_dirty_model(norm, n_tasks):
    A = random_rows(np.random.default_rng(0), 6, n_tasks)
    # no entry of its own
    shared = Dirty(0.99, 1.0, norm)
    B, S = shared.split(A)
    assert not S.any()
    group = GROUPS[norm](0.99)
    assert shared.value(A) == pytest.approx(group.value(A), rel=1e-14)
    np.testing.assert_allclose(shared.prox(A, 0.7), group.prox(A, 0.7), atol=1e-14)
    # nothing shared
    limit = n_tasks if norm == "linf" else np.sqrt(n_tasks)
    specific = Dirty(1.01 * limit, 1.0, norm)
    B, S = specific.split(A)
    assert not B.any()
    assert specific.value(A) == pytest.approx(L1(1.0).value(A), rel=1e-14)
    np.testing.assert_allclose(specific.prox(A, 0.7), L1(1.0).prox(A, 0.7), atol=1e-14)
    # and between them, both
    B, S = Dirty(0.5 * (1 + limit), 1.0, norm).split(np.eye(1, n_tasks) * 3 + 1)
    assert B.any()
    assert S.any()


def test_corners_of_sparse_plus_low_rank():
    A = np.random.default_rng(0).normal(size=(3, 4))
    trace, entries = TraceNorm(1.0), L1(1.0)
    low_rank = oracles.infimum(InfimalSum(trace, L1(1.01)), A)
    assert low_rank == pytest.approx(trace.value(A), rel=1e-8)
    sparse = oracles.infimum(InfimalSum(TraceNorm(1.01 * np.sqrt(12)), entries), A)
    assert sparse == pytest.approx(entries.value(A), rel=1e-8)


def test_an_infimal_sum_acts_on_its_blocks():
    first, second = TraceNorm(1.3), L1(0.4)
    penalty = InfimalSum(first, second)
    A = np.random.default_rng(0).normal(size=(2, 4, 3))
    assert penalty.value(A) == first.value(A[0]) + second.value(A[1])
    P = penalty.prox(A, 0.5)
    np.testing.assert_array_equal(P[0], first.prox(A[0], 0.5))
    np.testing.assert_array_equal(P[1], second.prox(A[1], 0.5))
    np.testing.assert_array_equal(penalty.combine(A), A[0] + A[1])
    assert penalty.polar(A[0]) == max(first.polar(A[0]), second.polar(A[0]))
    assert penalty.scaled(2.0) == InfimalSum(TraceNorm(2.6), L1(0.8))


@every_norm
def test_the_dirty_polar_is_that_of_the_sum(norm):
    both = InfimalSum(GROUPS[norm](1.7), L1(1.2))
    G = random_rows(np.random.default_rng(3))
    assert Dirty(1.7, 1.2, norm).polar(G) == pytest.approx(both.polar(G), rel=1e-14)
