"""The exact row subproblems of block coordinate descent, by their optimality."""

import numpy as np
import pytest

from mtlreg._numba import solve_row
from mtlreg.penalties import L1, L21, PENALTIES, Dirty, L1Linf, SparseGroup
from mtlreg.penalties.base import RowPenalty

ROW_GAUGES = [
    L1(0.7),
    L21(0.7),
    L1Linf(0.7),
    SparseGroup(0.9, 0.3, "l2"),
    SparseGroup(0.9, 0.6, "linf"),
    Dirty(0.5, 0.3),
    Dirty(0.6, 0.3),
    Dirty(0.29, 0.3),
    Dirty(1.5, 0.3),
    Dirty(0.5, 0.3, "l2"),
    Dirty(0.6, 0.3, "l2"),
    Dirty(5, 0.3, "l2"),
]
every_gauge = pytest.mark.parametrize("penalty", ROW_GAUGES, ids=repr)


def solved(penalty, z, curvature, start):
    row = start.copy()
    solve_row(penalty.row_params, z.copy(), curvature, row, np.empty_like(row))
    return row


def test_every_row_gauge_is_tried():
    kinds = {kind for kind in PENALTIES.values() if issubclass(kind, RowPenalty)}
    gauges = {kind for kind in kinds if kind.is_gauge}
    assert {type(penalty) for penalty in ROW_GAUGES} == gauges


@every_gauge
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_row_is_optimal(penalty, scale):
    # z - curvature a is a subgradient at a: polar <= 1 and <subgradient, a> = value
    rng = np.random.default_rng(0)
    for trial in range(100):
        size = rng.integers(1, 12)
        z = scale * rng.normal(size=size)
        curvature = 10 ** rng.uniform(-3, 3, size)
        if trial % 3 == 0:
            curvature[:] = curvature[0]
        if trial % 4 == 0:
            z = np.round(z)
        start = rng.normal(size=size) * (trial % 2)
        row = solved(penalty, z, curvature, start)
        subgradient = (z - curvature * row)[None]
        assert penalty.polar(subgradient) <= 1 + 1e-12 * max(1, np.abs(z).max())
        value = penalty.value(row[None])
        assert np.vdot(subgradient, row) == pytest.approx(value, rel=1e-9, abs=1e-12)


@every_gauge
def test_task_without_curvature_gets_zero(penalty):
    z, curvature = np.array([5.0, 0.0, -4.0]), np.array([1.0, 0.0, 2.0])
    row = solved(penalty, z, curvature, np.zeros(3))
    alone = solved(penalty, z[[0, 2]], curvature[[0, 2]], np.zeros(2))
    assert row[1] == 0
    np.testing.assert_allclose(row[[0, 2]], alone, rtol=1e-12)


@every_gauge
def test_one_curvature_is_the_prox(penalty):
    rng = np.random.default_rng(1)
    for bend in [1e-2, 1.0, 30.0]:
        z = 3 * rng.normal(size=6)
        row = solved(penalty, z, np.full(6, bend), np.zeros(6))
        prox = penalty.prox((z / bend)[None], 1 / bend)[0]
        np.testing.assert_allclose(row, prox, rtol=1e-9, atol=1e-12)


def test_cap_of_a_linf_row_ends_where_rounding_holds_it():
    # weights of thirds, where total / bend * bend is not total
    rng = np.random.default_rng(2)
    for _ in range(2000):
        curvature = rng.integers(1, 30, 15) / 3
        row = solved(L1Linf(0.1), rng.normal(size=15), curvature, np.zeros(15))
        assert np.all(np.isfinite(row))
