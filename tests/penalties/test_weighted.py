"""Weights of features: each row as with strengths of its own, or excluded."""

import numpy as np
import pytest

from mtlreg.penalties import (
    L1,
    L21,
    Dirty,
    L1Linf,
    MeanRegularization,
    Positive,
    SparseGroup,
    TraceNorm,
    Weighted,
    with_options,
)
from mtlreg.penalties.on_face import OnFace
from tests.penalties.matrices import matrix
from tests.penalties.test_faces import structured
from tests.penalties.test_rows import draw, solve
from tests.problems import WEIGHTED_CASES, random_case

PARTS = {
    "l1": L1(0.7),
    "l21": L21(1.3),
    "l1linf": L1Linf(1.1),
    "sparse-l2": SparseGroup(0.9, 0.4, "l2"),
    "dirty-linf": Dirty(1.5, 0.9, "linf"),
    "dirty-l2": Dirty(1.2, 0.9, "l2"),
    "positive": Positive(L21(1.3)),
    "mean": MeanRegularization(0.3, 0.05),
    "mean-ridge": MeanRegularization(0.3, 0.05, 0.2),
    "mean-free": MeanRegularization(0.3, 0.0),
}
WEIGHT = np.array([0.5, 2.0, np.inf, 1.0, 3.0, 1e-3])
every_part = pytest.mark.parametrize("name", PARTS)
every_gauge = pytest.mark.parametrize("name", [n for n in PARTS if "mean" not in n])


def weighted(name, weight=WEIGHT):
    return with_options(PARTS[name], feature_weight=weight)


def rows_of(name, weight=WEIGHT):
    """The penalty of every row, None of those that are excluded."""
    part, power = PARTS[name], 2 if "mean" in name else 1
    return [None if np.isinf(w) else part.scaled(w**power) for w in weight]


@every_part
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_have_strengths_of_their_own(name, dtype):
    penalty, rng = weighted(name), np.random.default_rng(0)
    W, G = (matrix(PARTS["l1"], 6, 4, rng).astype(dtype) for _ in range(2))
    P, A = penalty.prox(W, 0.3), penalty.inside(W)
    assert P.dtype == dtype
    value = rest = 0.0
    tol = 1e-12 if dtype == np.float64 else 1e-5
    polars = []
    for j, row in enumerate(rows_of(name)):
        if row is None:
            assert not P[j].any()
            assert not A[j].any()
            polars.append(0.0)
            continue
        np.testing.assert_allclose(P[[j]], row.prox(W[[j]], 0.3), atol=tol)
        value += row.value(A[[j]])
        rest += row.gap(A[[j]], G[[j]]).rest if "mean" in name else 0.0
        polars += [row.polar(G[[j]])] if "mean" not in name else []
    assert penalty.value(A) == pytest.approx(value, rel=tol)
    found = penalty.gap(A, G)
    if "mean" in name:
        assert found.rest == pytest.approx(rest, rel=tol)
        return
    np.testing.assert_allclose(penalty.row_polars(G), polars, rtol=tol)
    np.testing.assert_allclose(found.polars, polars, rtol=tol)
    assert penalty.polar(G) == pytest.approx(max(polars), rel=tol)
    scale = 1 / max(1.0, max(polars))
    assert found.scale == pytest.approx(scale, rel=tol)
    assert found.rest == pytest.approx(value - scale * np.sum(A * G), rel=10 * tol)
    assert penalty.scaled(2.0).value(A) == pytest.approx(2 * value, rel=tol)


@every_part
def test_an_excluded_feature_may_not_be_used(name):
    penalty, A = weighted(name), np.ones((6, 4))
    assert penalty.value(A) == np.inf
    assert penalty.gap(A, A).rest == np.inf
    inside = penalty.inside(A)
    np.testing.assert_array_equal(inside, np.isfinite(WEIGHT)[:, None] * A)
    assert penalty.inside(inside) is inside
    part = penalty.restrict(np.array([5, 0]))
    assert part.inside(A[:2]) is not None
    np.testing.assert_array_equal(part.prox(A[:2], 0.3), penalty.prox(A, 0.3)[[5, 0]])
    with pytest.raises(ValueError, match=r"(weight|alpha) of \w+ has the shape"):
        penalty.check_shape(5, 4)


@every_gauge
def test_compiled_rows_are_those_of_other_strengths(name):
    for seed in range(20):
        z, curvature = draw(np.random.default_rng(seed), 5)
        for j, row in enumerate(rows_of(name)):
            penalty = weighted(name, WEIGHT[[j]])
            found = solve(penalty, z, curvature)
            if row is None:
                assert not found.any()
                continue
            expected = solve(row, z, curvature)
            size = np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * size)


@every_gauge
def test_faces_are_those_of_other_strengths(name):
    weight = WEIGHT[np.isfinite(WEIGHT)]
    A = structured(PARTS[name], np.random.default_rng(0))[: len(weight)]
    penalty = weighted(name, weight)
    face, moved = penalty.face(A), A + np.random.default_rng(1).normal(size=A.shape)
    retracted = penalty.retract(A, moved)
    for j, row in enumerate(rows_of(name, weight)):
        alone = row.face(A[[j]])
        for found, expected in zip(face, alone, strict=True):
            np.testing.assert_allclose(found[[j]], expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(retracted[[j]], row.retract(A[[j]], moved[[j]]))


@every_gauge
def test_the_face_of_a_prox_is_that_of_its_rows(name):
    """Rows that are 0 take their weights along with them."""
    penalty = weighted(name)
    W = 3 * matrix(PARTS["l1"], 6, 4, np.random.default_rng(2))
    W[0] = 1e-9
    tangent = penalty.tangent(W, 0.4)
    assert isinstance(tangent, OnFace)
    assert not tangent.A[[0, 2]].any()
    rows = np.flatnonzero(tangent.A.any(axis=1))
    alone = penalty.restrict(rows).tangent(W[rows], 0.4)
    x = np.random.default_rng(3).normal(size=tangent.dimension)
    found, expected = (space.resolvent(0.7)(x) for space in (tangent, alone))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("layout", ["shared-sparse", "stacked-dense"])
@pytest.mark.parametrize("penalty", WEIGHTED_CASES)
def test_gaps_from_scratch(penalty, layout, loss):
    # enough rows that no feature alone separates the classes of a task
    case = random_case(loss, penalty, layout, n=40)
    problem, rng = case.problem(), np.random.default_rng(0)
    statistics = problem.on_statistics(10**6)
    assert (statistics is None) == (loss == "logistic")
    for size in (0.0, 0.1, 1.0):
        A = case.penalty.inside(size * rng.normal(size=problem.shape))
        certificate = problem.certificate(A)
        expected = case.gap(A, certificate.intercept)
        scale = problem.null_value + expected
        assert certificate.gap == pytest.approx(expected, abs=1e-11 * scale)
        if statistics is not None:
            found = statistics.certificate(A).gap
            assert found == pytest.approx(expected, abs=1e-11 * scale)


def test_what_weights_are_refused():
    for wrong in (np.array([1.0, -0.5]), np.array([1.0, np.nan]), [-1.0], 2.0):
        with pytest.raises(ValueError, match="one number >= 0 for every feature"):
            Weighted(L1(1.0), wrong)
    with pytest.raises(ValueError, match=r"divide the columns of X by their weights"):
        Weighted(TraceNorm(1.0), np.ones(3))
    mean, zeros = MeanRegularization(1.0, 1.0), np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="more than 0, feature_weight too"):
        with_options(mean, positive=True, feature_weight=zeros)
    pooled = MeanRegularization(np.inf, 1.0)
    with pytest.raises(ValueError, match="set alpha to less than inf"):
        with_options(pooled, positive=True, feature_weight=WEIGHT)
    with pytest.raises(ValueError, match="feature_weight of MeanRegularization must"):
        with_options(MeanRegularization(1.0, 1.0), feature_weight=np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"holds 1e-200, .* give a larger weight"):
        with_options(MeanRegularization(1.0, 1.0), feature_weight=np.array([1e-200]))
    free = np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="positive is not for a feature without"):
        with_options(L1(1.0), feature_weight=free, positive=True)
    with pytest.raises(ValueError, match="positive is not for a feature without"):
        with_options(L1(1.0), feature_weight=free, positive=free == 0, ridge=1.0)
    with_options(L1(1.0), feature_weight=free, positive=free > 0)
    with pytest.raises(TypeError, match="options are"):
        with_options(L1(1.0), weight=np.ones(3))
