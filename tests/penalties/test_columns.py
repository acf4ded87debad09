"""Norms of columns in the metrics of their tasks."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from mtlreg.penalties import ColumnL2
from mtlreg.penalties.learning import Training, learned, learns
from mtlreg.problem.statistics import Statistics
from tests import oracles


def draw(seed=0, ranks=(7, 2, 4, 0, 1), d=4):
    """A penalty with a matrix of some rank for every task, and the matrices."""
    rng = np.random.default_rng(seed)
    H = np.array([R.T @ R for R in (rng.normal(size=(r, d)) for r in ranks)])
    return ColumnL2(0.7, H), H, rng


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float64, 1e-60), (np.float64, 1.0), (np.float64, 1e60), (np.float32, 1e-3)],
)
@pytest.mark.parametrize("seed", range(5))
def test_the_prox_is_optimal(seed, dtype, scale):
    penalty, _, rng = draw(seed)
    penalty = penalty.scaled(scale)
    V = (scale * rng.normal(size=(4, 5)) * rng.choice([0.1, 1, 9], 5)).astype(dtype)
    step, tol = rng.choice([0.1, 0.5, 2.0]), 1e-12 if dtype == np.float64 else 1e-5
    P = penalty.prox(V, step)
    assert P.dtype == dtype
    assert penalty.inside(P) is P
    # the conditions of a gauge, see `docs/mathematics.md`
    exact, rest = P.astype(float), V.astype(float) - P.astype(float)
    assert penalty.polar(rest) <= step * (1 + tol)
    along = np.vdot(rest, exact)
    size = step * oracles.value(penalty, exact)
    assert along == pytest.approx(size, rel=tol, abs=tol * scale**2)
    assert penalty.value(P) == pytest.approx(oracles.value(penalty, exact), rel=tol)
    assert not P[:, 3].any()
    assert np.any(P[:, :3])


def test_a_column_is_in_the_range_or_infinite():
    penalty, H, rng = draw()
    A = rng.normal(size=(4, 5))
    assert penalty.value(A) == oracles.value(penalty, A) == np.inf
    inside = penalty.inside(A)
    nearest = np.stack(
        [
            M @ np.linalg.pinv(M, hermitian=True) @ a
            for M, a in zip(H, A.T, strict=True)
        ],
        axis=1,
    )
    np.testing.assert_allclose(inside, nearest, atol=1e-12)
    assert penalty.inside(inside) is inside
    single = inside.astype(np.float32)
    assert penalty.inside(single) is single
    assert penalty.value(single) == pytest.approx(penalty.value(inside), rel=1e-6)
    G = rng.normal(size=(4, 5))
    assert penalty.polar(G) == pytest.approx(oracles.polar(penalty, G), rel=1e-12)


def test_one_matrix_for_all_tasks_is_told_once():
    _, H, rng = draw()
    X = rng.normal(size=(20, 4))
    weight = np.array([0.5, 2.0, 1.0])
    kept = np.array([True, True, False, True])
    statistics = Statistics(X.T @ X, weight, np.zeros((4, 3)))

    def spectra():
        return statistics.spectra_over(np.array([1.0, 2.0, 4.0]))

    unlearned = ColumnL2(0.3, "design")
    assert learns(unlearned)
    found = learned(unlearned, Training(kept, None, spectra))
    assert not learns(found)
    assert len(found.metric.vectors) == 1
    H = np.zeros((4, 4, 4))
    H[kept] = X.T @ X * np.array([0.5, 1.0, 0.25])[:, None, None]
    given = ColumnL2(0.3, H)
    np.testing.assert_allclose(found.metric.matrices(), H, atol=1e-12)
    V = rng.normal(size=(4, 4))
    np.testing.assert_allclose(found.prox(V, 0.4), given.prox(V, 0.4), atol=1e-13)
    assert found.polar(V) == pytest.approx(given.polar(V), rel=1e-12)
    part = found.restrict(tasks=kept)
    expected = given.prox(V, 0.4)[:, kept]
    np.testing.assert_allclose(part.prox(V[:, kept], 0.4), expected, atol=1e-13)


def test_arrays_are_kept_and_compared():
    penalty, H, rng = draw(ranks=(7, 5, 6))
    before = H.copy()
    some = penalty.restrict(np.array([2, 0]), np.array([True, False, True]))
    other = ColumnL2(0.7, H[[0, 2]][:, [2, 0]][:, :, [2, 0]])
    A = rng.normal(size=(2, 2))
    assert some.value(A) == pytest.approx(other.value(A), rel=1e-13)
    for same in (pickle.loads(pickle.dumps(penalty)), clone(penalty), ColumnL2(0.7, H)):
        assert same == penalty
    assert replace(penalty, metric=2 * H) != penalty
    assert replace(penalty, metric="identity") != penalty
    assert penalty.scaled(2.0).metric is penalty.metric
    np.testing.assert_array_equal(H, before)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("other", "metric must be 'identity', 'design', or finite numbers"),
        (None, "metric must be"),
        (np.eye(3), "metric must be"),
        (np.ones((2, 3, 4)), "metric must be"),
        (np.full((2, 3, 3), np.nan), "metric must be"),
        (np.array([np.eye(2), [[1, 2], [0, 1]]]), "task in the place 1 is none"),
        (np.array([[[1.0, 2.0], [2.0, 1.0]]]), "without negative eigenvalues"),
    ],
)
def test_what_is_no_metric(metric, message):
    with pytest.raises(ValueError, match=message):
        ColumnL2(1.0, metric)
    with pytest.raises(ValueError, match="2 matrices of 3 features, but there are 4"):
        ColumnL2(1.0, np.array([np.eye(3)] * 2)).check_shape(3, 4)
