"""Mean regularisation with strengths by feature, and with one that is infinite."""

import numpy as np
import pytest

from mtlreg.penalties import MeanRegularization, PositiveMean

ALPHA = np.array([0.3, 2.0, np.inf, 0.7])
MEAN = np.array([0.1, 0.0, 0.5, 0.7])


def rows(seed=0, n_tasks=5):
    rng = np.random.default_rng(seed)
    A, G = rng.normal(size=(2, 4, n_tasks))
    A[2] = A[2, 0]
    return A, G


def by_row():
    return [MeanRegularization(a, m) for a, m in zip(ALPHA, MEAN, strict=True)]


def test_rows_are_those_of_their_own_penalty():
    penalty, (A, G) = MeanRegularization(ALPHA, MEAN), rows()
    alone = by_row()
    parts = [(one, A[j : j + 1], G[j : j + 1]) for j, one in enumerate(alone)]
    for found, expected in [
        (penalty.value(A), sum(one.value(a) for one, a, _ in parts)),
        (penalty.conjugate(G), sum(one.conjugate(g) for one, _, g in parts)),
        (penalty.divergence(A, G), sum(one.divergence(a, g) for one, a, g in parts)),
    ]:
        assert found == pytest.approx(expected, rel=1e-13)
    gradient = np.concatenate([one.gradient(a) for one, a, _ in parts])
    np.testing.assert_allclose(penalty.gradient(A), gradient, rtol=1e-13)
    prox = np.concatenate([one.prox(g, 0.4) for one, _, g in parts])
    np.testing.assert_allclose(penalty.prox(G, 0.4), prox, rtol=1e-13)


def test_an_infinite_strength_is_the_limit():
    A, G = rows()
    limit, near = (MeanRegularization(a, 0.2) for a in (np.inf, 1e12))
    np.testing.assert_allclose(limit.prox(G, 0.5), near.prox(G, 0.5), rtol=1e-10)
    assert np.ptp(limit.prox(G, 0.5), axis=1).max() == 0
    assert limit.conjugate(G) == pytest.approx(near.conjugate(G), rel=1e-10)
    assert limit.value(A) == np.inf
    pooled = np.broadcast_to(A[:, :1], A.shape)
    # also where the mean of equal numbers is rounded
    assert limit.value(pooled) == pytest.approx(0.1 * np.sum(pooled**2), rel=1e-14)
    assert limit.gradient(pooled) == pytest.approx(0.2 * pooled, rel=1e-14)
    gap = limit.gap(pooled, G).rest
    assert 0 < gap < np.inf
    assert limit.gap(A, G).rest == np.inf
    inside = limit.inside(A)
    assert limit.inside(inside) is inside
    assert limit.inside(pooled) is pooled
    means = np.broadcast_to(A.mean(axis=1, keepdims=True), A.shape)
    np.testing.assert_allclose(inside, means, rtol=1e-14, atol=1e-15)


def test_what_it_says_of_itself():
    scalar, arrays = MeanRegularization(0.5, 0.0), MeanRegularization(ALPHA, MEAN)
    assert scalar.ignores_basis
    assert not arrays.ignores_basis
    assert scalar.free_features is None
    assert arrays.free_features.tolist() == [False, True, False, False]
    assert scalar.free_directions(3).tolist() == arrays.free_directions(3).tolist()
    assert MeanRegularization(ALPHA, 0.1).free_directions(3).size == 0
    assert arrays.restrict(features=[3, 1]).alpha.tolist() == [0.7, 2.0]
    assert arrays.scaled(2.0).alpha_mean.tolist() == [0.2, 0.0, 1.0, 1.4]
    with pytest.raises(ValueError, match="entry for each feature"):
        arrays.check_shape(3, 5)


@pytest.mark.parametrize(
    ("alpha", "alpha_mean", "name"),
    [
        ([0.1, 0.0], 0.1, "alpha of"),
        ([0.1, -1.0], 0.1, "alpha of"),
        ([0.1, np.nan], 0.1, "alpha of"),
        (0.1, [0.1, -1.0], "alpha_mean of"),
        (0.1, [0.1, np.inf], "alpha_mean of"),
        (0.1, np.inf, "alpha_mean of"),
    ],
)
def test_refused_strengths(alpha, alpha_mean, name):
    given = [np.array(s) if isinstance(s, list) else s for s in (alpha, alpha_mean)]
    with pytest.raises(ValueError, match=name):
        MeanRegularization(*given)


@pytest.mark.parametrize("alpha_mean", [1e-20, 1e-9, 1.0, 1e12])
def test_positive_means_at_far_strengths(alpha_mean):
    """At the gradient of a point that is positive, all but nothing is left."""
    penalty = PositiveMean(MeanRegularization(2.0, alpha_mean))
    A = np.array([[1.0, 3.0, 0.0], [2.0, 2.0, 2.0]])
    # what deviates leaves a rounding that is much to a mean that is as good as free
    A = A if alpha_mean > 1e-16 else A[1:]
    G = penalty.penalty.gradient(A)
    size = penalty.value(A) + np.sum(np.abs(A * G))
    assert 0 <= penalty.gap(A, G).rest <= 1e-13 * size
    V = A + 0.5 * G
    np.testing.assert_allclose(penalty.prox(V, 0.5), A, rtol=1e-13, atol=1e-15)
