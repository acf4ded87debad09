"""Compiled row subproblems: any start, exact zeros, scales, single precision."""

from dataclasses import replace

import numpy as np
import pytest

from mtlreg._numba import njit, solve_row
from mtlreg.penalties import CommonDeviation, Dirty, Ridge, SparseGroup
from tests.penalties.matrices import ROW_CASES

EPS = np.finfo(float).eps
CASES = {name: ROW_CASES[name] for name in ROW_CASES if ROW_CASES[name].has_polar}
CASES |= {
    "dirty-integer": Dirty(2.0, 1.0),
    "dirty-root": Dirty(np.sqrt(2.0), 1.0, "l2"),
    "dirty-shared": Dirty(0.7, 0.8),
    "dirty-specific": Dirty(50.0, 0.8, "l2"),
    "common-mostly": CommonDeviation(0.5, 1.1),
    "common-never": CommonDeviation(9.0, 1.1),
    "common-half": CommonDeviation(1.0, 2.0),
    "sparse-mostly": SparseGroup(1.0, 0.99, "linf"),
}
every_row_gauge = pytest.mark.parametrize("name", CASES)


@njit
def _solve(params, z, curvature, row, scratch):
    solve_row(params, 0, z, curvature, row, scratch)


def solve(penalty, z, curvature, start=None):
    row = np.zeros_like(z) if start is None else start.copy()
    # which may overwrite both
    scratch = np.empty(4 * z.size, dtype=z.dtype)
    _solve(penalty.row_params, z.copy(), curvature.copy(), row, scratch)
    return row


def draw(rng, n_tasks, scale=1.0):
    """Linear terms with ties and zeros, curvatures over six decades, some of them 0."""
    z = rng.normal(size=n_tasks) * rng.choice([0.3, 3, 30])
    ties = rng.random(n_tasks) < 0.3
    z[ties] = np.round(z[ties])
    curvature = 10 ** rng.uniform(-3, 3, n_tasks)
    curvature[rng.random(n_tasks) < 0.3] = 1.0
    dead = rng.random(n_tasks) < 0.15
    z[dead] = curvature[dead] = 0.0
    return scale * z, curvature


def assert_optimal(penalty, z, curvature, row):
    """z - curvature a is a subgradient: polar <= 1 and <z - curvature a, a> = h(a)."""
    if isinstance(penalty, Ridge):
        # of the gauge, with more curvature
        bend = curvature + penalty.ridge
        return assert_optimal(penalty.penalty, z, bend, row)
    assert np.all(np.isfinite(row))
    if penalty.of_magnitudes:
        assert not row[curvature == 0].any()
    slope = z - curvature * row
    noise = 64 * EPS * (1 + penalty.polar(np.abs(z)[None]))
    assert penalty.polar(slope[None]) <= 1 + noise
    value = penalty.value(row[None])
    rounding = 64 * EPS * (value + np.sum(np.abs(z * row)))
    assert slope @ row == pytest.approx(value, rel=0, abs=rounding)


@every_row_gauge
@pytest.mark.parametrize("n_tasks", [1, 2, 3, 8, 25])
def test_rows_are_optimal(name, n_tasks):
    penalty = CASES[name]
    for seed in range(60):
        z, curvature = draw(np.random.default_rng(seed), n_tasks)
        assert_optimal(penalty, z, curvature, solve(penalty, z, curvature))


@every_row_gauge
def test_the_start_does_not_matter(name):
    penalty = CASES[name]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        z, curvature = draw(rng, 5)
        cold = solve(penalty, z, curvature)
        for start in (cold, 1e-8 * rng.normal(size=5), 1e3 * rng.normal(size=5)):
            start = np.where(curvature > 0, start, 0.0)
            row = solve(penalty, z, curvature, start)
            assert_optimal(penalty, z, curvature, row)
            np.testing.assert_allclose(
                row, cold, rtol=0, atol=1e-11 * np.abs(cold).max()
            )


@every_row_gauge
def test_rows_within_the_polar_are_exact_zeros(name):
    penalty = CASES[name]
    for seed in range(40):
        z, curvature = draw(np.random.default_rng(seed), 6)
        z += 0.1 * (curvature > 0)
        z[np.argmax(curvature)] = 0.5
        z /= penalty.polar(z[None])
        assert not solve(penalty, z * (1 - 1e-12), curvature).any()
        assert solve(penalty, z * (1 + 1e-6), curvature).any()
        start = np.where(curvature > 0, 1.0, 0.0)
        assert not solve(penalty, z * (1 - 1e-12), curvature, start).any()
        assert not solve(penalty, 0 * z, curvature, start).any()


@every_row_gauge
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_rows_of_other_scales(name, scale):
    """Small curvatures make large rows, and the reverse."""
    penalty = CASES[name]
    other = penalty
    if isinstance(penalty, Ridge):
        other = replace(penalty, ridge=penalty.ridge / scale)
    for seed in range(30):
        z, curvature = draw(np.random.default_rng(seed), 5)
        row = solve(penalty, z, scale * curvature)
        assert_optimal(penalty, z, scale * curvature, row)
        expected = solve(other, z, curvature) / scale
        size = np.abs(expected).max()
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-11 * size)


@every_row_gauge
def test_single_precision(name):
    penalty = CASES[name]
    for seed in range(20):
        z, curvature = draw(np.random.default_rng(seed), 5)
        single = [part.astype(np.float32) for part in (z, curvature)]
        row = solve(penalty, *single)
        assert row.dtype == np.float32
        exact = solve(penalty, *(part.astype(np.float64) for part in single))
        # the curvature may be small: compare the slopes
        error = np.abs(single[1] * (row - exact))
        assert np.all(error <= 1e-5 * (1 + np.abs(z).max()))
