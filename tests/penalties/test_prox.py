"""The prox of every penalty: oracle, exact certificate, scales, types, buffers."""

import numpy as np
import pytest

from mtlreg.penalties import TraceNorm
from mtlreg.penalties.factored import Factored, apply_factored, as_array
from tests import oracles
from tests.penalties.matrices import (
    QUADRATIC_CASES,
    ROW_CASES,
    every_gauge,
    every_penalty,
    every_quadratic,
    every_row_penalty,
    matrix,
    parts_of,
)
from tests.problems import GAUGE_CASES, PENALTY_CASES

EPS = np.finfo(float).eps


def assert_prox(penalty, A, P, step, eps=EPS):
    """P = prox(A, step) iff polar(A - P) <= step and <A - P, P> = step value(P)."""
    # what rounding of P, relative to A, does to either; the trace norm works on A'A
    noise = 16 * eps if penalty.row_separable else 6e-14 + 16 * eps
    assert np.all(np.isfinite(P))
    A, P = np.asarray(A, np.float64), np.asarray(P, np.float64)
    assert penalty.polar(A - P) <= step * (1 + noise) + noise * penalty.polar(abs(A))
    size = np.sum(np.abs(A)) * np.max(np.abs(A), initial=0)
    assert np.sum((A - P) * P) == pytest.approx(
        step * penalty.value(P), rel=0, abs=noise * size
    )


@every_penalty
@pytest.mark.parametrize("shape", [(4, 3), (3, 6), (1, 5), (3, 1)])
def test_prox_beats_the_oracle(name, shape):
    penalty = PENALTY_CASES[name]
    for seed, step in enumerate([0.05, 0.5, 2.0]):
        blocks = matrix(penalty, *shape, np.random.default_rng(seed))
        found = penalty.prox(blocks, step)
        assert found.shape == blocks.shape
        found = found if penalty.n_blocks > 1 else [found]
        parts = parts_of(penalty, blocks)
        for (part, A), P in zip(parts, found, strict=True):
            Z = oracles.prox(part, A, step)

            def cost(Z, part=part, A=A, step=step):
                return oracles.value(part, Z) + np.sum((Z - A) ** 2) / (2 * step)

            # strong convexity: P is the minimiser iff this holds for every Z
            distance = np.sum((Z - P) ** 2) / (2 * step)
            rounding = 1e-13 * (1 + cost(np.zeros_like(A)))
            assert cost(P) + distance <= cost(Z) + rounding
            np.testing.assert_allclose(P, Z, atol=1e-4)


@every_gauge
@pytest.mark.parametrize("shape", [(5, 4), (2, 9), (6, 1), (1, 1), (1, 30), (30, 3)])
def test_prox_has_the_exact_certificate(name, shape):
    penalty = GAUGE_CASES[name]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        for step in [1e-8, 0.1, 1.0, 3.0]:
            A = matrix(penalty, *shape, rng)
            P = penalty.prox(A, step)
            found = parts_of(penalty, P)
            for (part, V), (_, block) in zip(parts_of(penalty, A), found, strict=True):
                assert_prox(part, V, block, step)


@every_gauge
@pytest.mark.parametrize("scale", [1e-100, 1e-8, 1e8, 1e100])
def test_prox_at_any_scale(name, scale):
    penalty = GAUGE_CASES[name]
    A = matrix(penalty, 6, 4, np.random.default_rng(0), scale)
    P = penalty.prox(A, 0.7 * scale)
    assert np.any(P)
    unit = penalty.prox(A / scale, 0.7)
    np.testing.assert_allclose(P, scale * unit, rtol=1e-12, atol=1e-13 * scale)


@every_gauge
def test_prox_of_the_extremes(name):
    penalty = GAUGE_CASES[name]
    A = matrix(penalty, 5, 4, np.random.default_rng(0))
    assert not penalty.prox(np.zeros_like(A), 1.0).any()
    assert not penalty.prox(A, 1e100).any()
    inside = penalty.inside(A)
    np.testing.assert_allclose(penalty.prox(A, 1e-100), inside, rtol=0, atol=1e-13)
    subnormal = penalty.prox(1e-310 * A, 1e-310)
    assert np.all(np.isfinite(subnormal))
    assert np.all(np.abs(subnormal) <= np.abs(1e-310 * A).max())


@every_penalty
def test_prox_of_no_features(name):
    penalty = PENALTY_CASES[name]
    A = matrix(penalty, 0, 3, np.random.default_rng(0))
    assert penalty.prox(A, 1.0).shape == A.shape
    assert penalty.value(A) == 0
    G = np.zeros((0, 3))
    assert (penalty.polar(G) if penalty.has_polar else penalty.conjugate(G)) == 0


@every_gauge
def test_a_row_comes_back_as_zeros_exactly_within_the_polar(name):
    penalty = GAUGE_CASES[name]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for part, V in parts_of(penalty, matrix(penalty, 1, 5, rng) + 0.1):
            step = part.polar(V)
            assert not part.prox(V, step * (1 + 1e-12)).any()
            P = part.prox(V, step * (1 - 1e-6))
            assert P.any()
            # and where it points, the polar is attained
            attained = np.sum(V * P) / part.value(P)
            assert attained == pytest.approx(step, rel=2e-6)


@every_penalty
def test_prox_writes_where_it_is_told_only(name):
    penalty = PENALTY_CASES[name]
    A = matrix(penalty, 6, 4, np.random.default_rng(0))
    expected = penalty.prox(A, 0.5)
    before = A.copy()
    A.flags.writeable = False
    np.testing.assert_array_equal(penalty.prox(A, 0.5), expected)
    np.testing.assert_array_equal(penalty.prox(np.asfortranarray(A), 0.5), expected)
    spread = np.repeat(A, 2, axis=-1)[..., ::2]
    np.testing.assert_array_equal(penalty.prox(spread, 0.5), expected)
    out = np.full_like(A, np.nan)
    assert penalty.prox(A, 0.5, out=out) is out
    np.testing.assert_array_equal(out, expected)
    own = A.copy()
    assert penalty.prox(own, 0.5, out=own) is own
    np.testing.assert_array_equal(own, expected)
    np.testing.assert_array_equal(A, before)


@every_penalty
def test_prox_of_float32_is_float32(name):
    penalty = PENALTY_CASES[name]
    eps = np.finfo(np.float32).eps
    for seed in range(5):
        A = matrix(penalty, 6, 4, np.random.default_rng(seed)).astype(np.float32)
        A.flags.writeable = False
        P = penalty.prox(A, 0.5)
        assert P.dtype == np.float32
        exact = penalty.prox(A.astype(np.float64), 0.5)
        np.testing.assert_allclose(P, exact, rtol=0, atol=8 * eps * np.abs(A).max())
        out = np.empty_like(A)
        penalty.prox(A, 0.5, out=out)
        np.testing.assert_array_equal(out, P)
        for (part, V), (_, Q) in zip(
            parts_of(penalty, A), parts_of(penalty, P), strict=True
        ):
            if part.is_gauge:
                assert_prox(part, V, Q, 0.5, eps)


@every_penalty
def test_prox_of_integers_is_float(name):
    penalty = PENALTY_CASES[name]
    A = np.round(3 * matrix(penalty, 6, 4, np.random.default_rng(0)))
    P = penalty.prox(A.astype(np.int64), 0.5)
    np.testing.assert_array_equal(P, penalty.prox(A, 0.5))


@every_row_penalty
def test_rows_do_not_see_each_other(name):
    penalty = ROW_CASES[name]
    A = matrix(penalty, 6, 4, np.random.default_rng(0))
    P = penalty.prox(A, 0.5)
    for j in range(6):
        np.testing.assert_array_equal(P[[j]], penalty.prox(A[[j]], 0.5))
    rows = sum(penalty.value(A[[j]]) for j in range(6))
    assert penalty.value(A) == pytest.approx(rows, rel=1e-14)


@every_penalty
def test_tasks_and_signs_are_all_alike(name):
    penalty = PENALTY_CASES[name]
    A = matrix(penalty, 6, 4, np.random.default_rng(0))
    # of those that have an order, from the other end
    order = [3, 2, 1, 0] if name.startswith("fused") else [2, 0, 3, 1]
    P = penalty.prox(A, 0.5)
    np.testing.assert_allclose(
        penalty.prox(A[..., order], 0.5), P[..., order], atol=1e-13
    )
    if name.startswith("positive"):
        assert penalty.value(P[..., order]) == pytest.approx(penalty.value(P))
        return
    np.testing.assert_allclose(penalty.prox(-A, 0.5), -P, atol=1e-13)
    assert penalty.value(-A[..., order]) == pytest.approx(penalty.value(A), rel=1e-13)


@every_quadratic
@pytest.mark.parametrize("step", [1e-8, 0.5, 1e8])
def test_prox_solves_the_linear_equation(name, step):
    penalty = QUADRATIC_CASES[name]
    A = matrix(penalty, 6, 4, np.random.default_rng(0))
    # the gradient at the unit rows is Q itself
    system = np.eye(4) + step * penalty.gradient(np.eye(4))
    expected = np.linalg.solve(system, A.T).T
    noise = 8 * EPS * np.abs(A).max() * np.linalg.cond(system)
    np.testing.assert_allclose(penalty.prox(A, step), expected, rtol=0, atol=noise)


def test_factors_of_the_trace_norm_are_its_prox():
    penalty, rng = TraceNorm(0.8), np.random.default_rng(0)
    for shape in [(7, 4), (4, 7)]:
        A = rng.normal(size=shape)
        factors = penalty.factored_prox(A, 1.2)
        np.testing.assert_array_equal(factors.array, penalty.prox(A, 1.2))
        value = penalty.value(factors.array)
        assert penalty.value(factors) == pytest.approx(value, rel=1e-13)
        single = penalty.factored_prox(A.astype(np.float32), 1.2)
        assert single.array.dtype == np.float32


@pytest.mark.parametrize("rank", [0, 1, 4])
def test_products_of_factors(rank):
    rng = np.random.default_rng(rank)
    X, factors = rng.normal(size=(5, 6)), Factored(*rng.normal(size=(2, 6, rank)))
    exact = X @ factors.array
    np.testing.assert_allclose(apply_factored(X.__matmul__, factors), exact, atol=1e-13)
    np.testing.assert_array_equal(apply_factored(X.__matmul__, factors.array), exact)
    assert as_array(factors).shape == (6, 6)
    norm = TraceNorm(1.0).value
    assert norm(factors) >= (1 - 8 * EPS) * norm(factors.array)
