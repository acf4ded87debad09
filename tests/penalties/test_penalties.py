"""The contract of every penalty but its prox: value, polar or conjugate, scaling."""

from dataclasses import fields, replace

import numpy as np
import pytest

from mtlreg.penalties import (
    PENALTIES,
    InfimalSum,
    L1Linf,
    MeanRegularization,
    TraceNorm,
)
from mtlreg.penalties.derived import Derived
from tests import oracles
from tests.penalties.matrices import (
    QUADRATIC_CASES,
    SINGLE_CASES,
    every_gauge,
    every_penalty,
    every_quadratic,
    every_single_penalty,
    matrix,
)
from tests.problems import GAUGE_CASES, PENALTY_CASES, TIED_CASES, WEIGHTED_CASES


def test_every_penalty_has_an_oracle_and_a_case():
    assert set(oracles.PENALTY_ORACLES) == set(PENALTIES)
    cases = (PENALTY_CASES | WEIGHTED_CASES | TIED_CASES).values()
    parts = [p.penalty for p in cases if isinstance(p, Derived)]
    parts += [p.first for p in cases if isinstance(p, InfimalSum)]
    assert {type(p) for p in [*cases, *parts]} == set(PENALTIES.values())


@every_penalty
@pytest.mark.parametrize("shape", [(4, 3), (1, 5), (3, 1)])
def test_value_is_that_of_the_oracle(name, shape):
    penalty = PENALTY_CASES[name]
    for seed in range(5):
        A = matrix(penalty, *shape, np.random.default_rng(seed))
        assert penalty.value(A) == pytest.approx(oracles.value(penalty, A), rel=1e-9)


@every_gauge
@pytest.mark.parametrize("shape", [(5, 4), (2, 9), (6, 1), (1, 1)])
def test_polar_is_that_of_the_oracle(name, shape):
    penalty = GAUGE_CASES[name]
    for seed in range(10):
        G = matrix(PENALTY_CASES["l1"], *shape, np.random.default_rng(seed)) + 1e-3
        expected = oracles.polar(penalty, G)
        assert penalty.polar(G) == pytest.approx(expected, rel=1e-13)
        for scale in [1e-100, 1e100]:
            scaled = penalty.polar(scale * G)
            assert scaled == pytest.approx(scale * expected, rel=1e-13)
        for factor in [1e-200, 1e200]:
            scaled = factor * penalty.scaled(factor).polar(G)
            assert scaled == pytest.approx(expected, rel=1e-13)
        single = penalty.polar(G.astype(np.float32))
        assert single == pytest.approx(expected, rel=3e-7)
    assert penalty.polar(np.zeros(shape)) == 0


@every_gauge
def test_polar_bounds_every_inner_product(name):
    penalty = GAUGE_CASES[name]
    rng = np.random.default_rng(0)
    for _ in range(200):
        G, A = matrix(PENALTY_CASES["l1"], 3, 4, rng), matrix(penalty, 3, 4, rng)
        A = penalty.inside(A)
        inner = np.sum(G * penalty.combine(A))
        assert inner <= penalty.polar(G) * penalty.value(A) * (1 + 1e-13) + 1e-300


@every_gauge
def test_gauges_are_positively_homogeneous_and_convex(name):
    penalty, rng = GAUGE_CASES[name], np.random.default_rng(0)
    for _ in range(50):
        A, B = (penalty.inside(matrix(penalty, 4, 3, rng)) for _ in range(2))
        assert penalty.value(2.5 * A) == pytest.approx(
            2.5 * penalty.value(A), rel=1e-13
        )
        both = penalty.value(A) + penalty.value(B)
        assert penalty.value(A + B) <= both * (1 + 1e-13)


@every_penalty
@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_scaled_multiplies_the_penalty(name, factor):
    penalty = PENALTY_CASES[name]
    scaled = penalty.scaled(factor)
    A = matrix(penalty, 6, 4, np.random.default_rng(0))
    G = A if penalty.n_blocks == 1 else A[0]
    assert type(scaled) is type(penalty)
    if ridge := getattr(penalty, "ridge", 0.0):
        # it stays as it is
        assert scaled.ridge == ridge
        bent = ridge / 2 * np.sum(penalty.combine(A) ** 2)
        expected = factor * (penalty.value(A) - bent) + bent
        assert scaled.value(A) == pytest.approx(expected, rel=1e-13)
        if penalty.has_polar:
            assert scaled.polar(G) == pytest.approx(penalty.polar(G) / factor)
        return
    assert scaled.value(A) == pytest.approx(factor * penalty.value(A), rel=1e-13)
    P = penalty.prox(A, 0.5 * factor)
    np.testing.assert_allclose(scaled.prox(A, 0.5), P, atol=1e-13)
    dual = "polar" if penalty.is_gauge else "conjugate"
    expected = getattr(penalty, dual)(G) / factor
    assert getattr(scaled, dual)(G) == pytest.approx(expected, rel=1e-13)


@every_penalty
def test_free_directions_cost_nothing(name):
    penalty, rng = PENALTY_CASES[name], np.random.default_rng(0)
    patterns = penalty.free_directions(4)
    assert patterns.shape[0] == 4
    assert patterns.shape[1] == (name == "mean-free")
    A = matrix(penalty, 5, 4, rng)
    free = rng.normal(size=(5, patterns.shape[1])) @ patterns.T
    assert penalty.value(A + free) == pytest.approx(penalty.value(A), rel=1e-13)


@every_single_penalty
def test_an_absent_task_gets_the_cheapest_column(name):
    penalty = SINGLE_CASES[name]
    A = penalty.inside(matrix(penalty, 3, 4, np.random.default_rng(0)))
    A[0] = np.abs(A[0]) + 0.5
    kept = np.arange(5) != 2
    full = penalty.with_absent(A, kept)
    np.testing.assert_array_equal(full[:, kept], A)
    column, unused = full[:, 2], np.insert(A, 2, 0.0, axis=1)
    if penalty.value(unused) == pytest.approx(penalty.value(A), rel=1e-13):
        assert not column.any()
    elif penalty.has_polar:
        # between its neighbours
        assert column.any()
        assert penalty.value(full) < penalty.value(unused)
    else:
        # where a new column is drawn to, whatever the strength of the mean
        np.testing.assert_allclose(column, A.mean(axis=1), rtol=1e-14)


@every_quadratic
def test_gradient_by_differences(name):
    penalty, rng = QUADRATIC_CASES[name], np.random.default_rng(0)
    A = matrix(penalty, 4, 3, rng)
    gradient = penalty.gradient(A)
    for _ in range(10):
        D = rng.normal(size=A.shape)
        # exact for a quadratic, but for rounding
        slope = (penalty.value(A + D) - penalty.value(A - D)) / 2
        assert np.sum(gradient * D) == pytest.approx(slope, rel=1e-12)
    assert penalty.value(A) == pytest.approx(np.sum(gradient * A) / 2, rel=1e-13)


@every_quadratic
def test_conjugate_by_fenchel_young(name):
    penalty, rng = QUADRATIC_CASES[name], np.random.default_rng(0)
    for _ in range(50):
        A, G = matrix(penalty, 4, 3, rng), matrix(penalty, 4, 3, rng)
        patterns = penalty.free_directions(3)
        assert penalty.conjugate(G) == pytest.approx(oracles.conjugate(penalty, G))
        along = patterns @ np.linalg.pinv(patterns)
        assert penalty.conjugate(G @ along) <= 1e-28
        G -= G @ along
        value = penalty.value(A) + penalty.conjugate(G)
        assert value >= np.sum(A * G) - 1e-12 * value
        G = penalty.gradient(A)
        value = penalty.value(A) + penalty.conjugate(G)
        assert value == pytest.approx(np.sum(A * G), rel=1e-13)


@every_penalty
def test_the_gap_is_that_of_the_conjugate(name):
    penalty, rng = PENALTY_CASES[name], np.random.default_rng(0)
    A = penalty.inside(matrix(penalty, 5, 4, rng))
    G = 3.0 * rng.normal(size=(5, 4))
    G -= G @ np.linalg.pinv(penalty.free_directions(4)).T @ penalty.free_directions(4).T
    rest, size, scale, polars = penalty.gap(A, G)
    inner = np.sum(penalty.combine(A) * G)
    if penalty.is_gauge:
        # s G is in the domain of the conjugate, which is 0 there
        assert scale == pytest.approx(1 / max(1, penalty.polar(G)), rel=1e-14)
        expected = penalty.value(A) - scale * inner
        assert penalty.polar(scale * G) <= 1 + 1e-12
        assert size == pytest.approx(penalty.value(A), rel=1e-14)
        assert penalty.gap(A, G, value=7.0).rest == pytest.approx(7.0 - scale * inner)
    elif penalty.has_polar:
        assert_gap = _assert_ridge_gap if penalty.n_blocks == 1 else _assert_sum_gap
        assert_gap(penalty, A, G)
        return
    else:
        expected = penalty.value(A) + penalty.conjugate(G) - inner
        assert scale == 1
    assert rest == pytest.approx(expected, rel=1e-10)
    assert (polars is not None) == (penalty.has_polar and penalty.row_separable)


def _assert_ridge_gap(penalty, A, G):
    """That of one dual point of the ridge or the other, whichever has the lesser."""
    gauge, r, taken = penalty.penalty, penalty.ridge, set()
    best = gauge.prox(G / r, 1 / r)
    for share in (1.0, 1e-3, 1e-6, 0.0):
        B = best + share * (A - best)
        rest, size, scale, polars = penalty.gap(B, G)
        value = penalty.value(B)
        assert size == pytest.approx(value, rel=1e-14)
        assert (polars is not None) == penalty.row_separable
        dual = B if scale < 1 else best
        assert gauge.polar(scale * (G - r * dual)) <= 1 + 1e-12
        expected = value + r * scale**2 / 2 * np.sum(dual**2) - scale * np.sum(B * G)
        assert rest == pytest.approx(expected, rel=1e-9, abs=1e-12 * value)
        taken.add(scale == 1)
    # where B attains the conjugate of G nothing is left
    assert taken == {False, True}
    assert abs(rest) <= 1e-12 * value


def _assert_sum_gap(penalty, A, G):
    """The same of a sum, the second dual point of which is by that of the gauges."""
    r, taken = penalty.ridge, set()
    near = np.stack([G / r, np.zeros_like(G)])
    for B in (A, 0.01 * A, near + 3.0 * A, near):
        matrix, (rest, size, scale, polars) = B[0] + B[1], penalty.gap(B, G)
        value, D = penalty.value(B), G - r * matrix
        s = 1 / max(1.0, penalty.polar(D))
        assert (size, polars) == (pytest.approx(value, rel=1e-14), None)
        assert scale in (s, 1.0)
        # of the ridge there is what the gauges leave of G
        dual = scale * G - s * D
        expected = value + np.sum(dual**2) / (2 * r) - scale * np.sum(matrix * G)
        assert rest == pytest.approx(expected, rel=1e-12, abs=1e-12 * value)
        taken.add((scale == 1, s == 1))
    assert taken == {(False, False), (True, False), (True, True)}


@every_gauge
def test_gauges_have_no_conjugate(name):
    with pytest.raises(NotImplementedError, match="has no conjugate"):
        GAUGE_CASES[name].conjugate(np.ones((2, 2)))


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan, "0.1", None])
@every_single_penalty
def test_strengths_are_checked(name, value):
    penalty = SINGLE_CASES[name]
    kind = type(penalty).__name__
    for strength in penalty.strengths:
        # a free mean, and no deviations
        if isinstance(penalty, MeanRegularization) and (
            (strength, value) in [("alpha_mean", 0.0), ("alpha", np.inf)]
        ):
            continue
        # one norm of two
        if kind == "FusedGroup" and strength != "alpha_fused" and value == 0.0:
            continue
        with pytest.raises(ValueError, match=f"{strength} of {kind} must be"):
            replace(penalty, **{strength: value})


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("sparse_group", (1.0, 0.0), "strictly between 0 and 1"),
        ("sparse_group", (1.0, 1.0), "use L1, L21 or L1Linf"),
        ("sparse_group", (1.0, 0.5, "l1"), "norm must be one of"),
        ("dirty", (1.0, 1.0, 2), "norm must be one of"),
        ("fused_group", (1.0, 0.0, 0.0), "alpha_group or alpha_sparse of FusedGroup"),
        ("infimal_sum", (L1Linf(1.0), MeanRegularization(1.0, 1.0)), "two gauges"),
        ("infimal_sum", (TraceNorm(1.0), PENALTY_CASES["sum-linf"]), "on one block"),
    ],
)
def test_other_parameters_are_checked(name, bad, message):
    with pytest.raises(ValueError, match=message):
        PENALTIES[name](*bad)


@every_single_penalty
def test_strengths_of_another_precision_do_not_lend_it(name):
    penalty = PENALTY_CASES[name]
    numbers = {n: v for n, v in vars(penalty).items() if isinstance(v, float)}
    single = {n: np.float32(v) for n, v in numbers.items()}
    found = replace(penalty, **single)
    expected = replace(penalty, **{n: float(v) for n, v in single.items()})
    A = matrix(penalty, 5, 4, np.random.default_rng(0))
    assert numbers or isinstance(penalty, Derived)
    assert found.value(A) == expected.value(A)
    np.testing.assert_array_equal(found.prox(A, 0.3), expected.prox(A, 0.3))


def test_penalties_cannot_be_changed():
    for penalty in PENALTY_CASES.values():
        field = fields(penalty)[0].name
        with pytest.raises(AttributeError):
            setattr(penalty, field, 2.0)
