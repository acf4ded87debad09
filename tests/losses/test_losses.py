"""The contract of every loss, and its best intercept."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from mtlreg.losses import LOSSES
from mtlreg.problem.data import Cells
from tests.oracles import LOSS_ORACLES

EPS = np.finfo(float).eps
every_loss = pytest.mark.parametrize("name", LOSSES)


def draw(name, shape=(40, 3), seed=0, spread=3.0):
    """Predictions, targets and weights, some of them 0 with a target of 0."""
    rng = np.random.default_rng(seed)
    z = spread * rng.normal(size=shape)
    y = LOSS_ORACLES[name].target(spread * rng.normal(size=shape))
    v = rng.choice([0.0, 0.2, 1.0, 1.7], size=shape)
    return z, np.where(v > 0, y, 0.0), v


def dual_point(name, y, v, rng):
    """Random u in the domain of the conjugate."""
    ends = np.array([LOSS_ORACLES[name].domain(target) for target in y.ravel()])
    lower, upper = np.clip(ends, -5, 5).T.reshape(2, *y.shape)
    return v * (lower + rng.random(y.shape) * (upper - lower))


def test_every_loss_has_an_oracle():
    assert set(LOSS_ORACLES) == set(LOSSES)


@every_loss
@pytest.mark.parametrize("shape", [(40, 3), (50,), (1, 1)])
def test_value_gradient_and_hessian_are_those_of_the_oracle(name, shape):
    loss, oracle = LOSSES[name](), LOSS_ORACLES[name]
    z, y, v = draw(name, shape)
    assert loss.value(z, y, v) == pytest.approx(np.sum(v * oracle.value(y, z)), 1e-14)
    held = v > 0
    for mine, theirs in [
        (loss.gradient(z, y, v), oracle.slope),
        (loss.hessian(z, y, v), oracle.bend),
    ]:
        assert mine.shape == z.shape
        np.testing.assert_allclose(mine[held], (v * theirs(y, z))[held], rtol=1e-13)


@every_loss
def test_derivatives_by_differences(name):
    loss, step = LOSSES[name](), 1e-5
    z, y, v = draw(name, (30,))
    one = np.eye(30)
    above = np.array([loss.value(z + step * e, y, v) for e in one])
    below = np.array([loss.value(z - step * e, y, v) for e in one])
    rounding = 4 * EPS * loss.value(z, y, v) / step
    # the third derivative of the logistic loss is at most 0.1
    slope = (above - below) / (2 * step)
    np.testing.assert_allclose(loss.gradient(z, y, v), slope, atol=rounding + step**2)
    bend = (loss.gradient(z + step, y, v) - loss.gradient(z - step, y, v)) / (2 * step)
    np.testing.assert_allclose(loss.hessian(z, y, v), bend, atol=1e-9)


@every_loss
def test_conjugate_is_the_supremum(name):
    loss, oracle = LOSSES[name](), LOSS_ORACLES[name]
    rng = np.random.default_rng(1)
    y = oracle.target(rng.normal(size=20))
    v = rng.uniform(0.5, 2, size=20)
    u = dual_point(name, y, v, rng)
    for target, weight, dual in zip(y, v, u, strict=True):

        def below(z, target=target, weight=weight, dual=dual):
            return weight * oracle.value(target, z) - dual * z

        best = minimize_scalar(below, bounds=(-40, 40), options={"xatol": 1e-9})
        mine = loss.conjugate(*np.array([[dual], [target], [weight]]))
        assert mine == pytest.approx(-best.fun, abs=1e-9)


@every_loss
def test_fenchel_young(name):
    loss, rng = LOSSES[name](), np.random.default_rng(2)
    for seed in range(20):
        z, y, v = draw(name, (15, 4), seed)
        value, slopes = loss.value(z, y, v), loss.gradient(z, y, v)
        size = value + np.sum(np.abs(slopes * z)) + np.sum(v * np.abs(y))
        equal = value + loss.conjugate(slopes, y, v) - np.sum(slopes * z)
        assert abs(equal) <= 32 * EPS * size
        u = dual_point(name, y, v, rng)
        assert value + loss.conjugate(u, y, v) - np.sum(u * z) > 0


@every_loss
def test_divergence_is_fenchel_young_without_cancellation(name):
    loss, rng = LOSSES[name](), np.random.default_rng(3)
    for seed in range(20):
        z, y, v = draw(name, (15, 4), seed)
        u = dual_point(name, y, v, rng)
        parts = loss.value(z, y, v), loss.conjugate(u, y, v), -np.sum(u * z)
        rounding = 32 * EPS * (np.sum(np.abs(parts)) + np.sum(np.abs(u * y)))
        divergence = loss.divergence(z, u, y, v)
        assert divergence == pytest.approx(sum(parts), rel=0, abs=rounding)
        assert divergence > 0
        assert loss.divergence(z, 2.0 * u, y, v, scale=0.5) == divergence
        slopes, bend = loss.gradient(z, y, v), loss.hessian(z, y, v)
        assert 0 <= loss.divergence(z, slopes, y, v) <= 4 * EPS * np.sum(v)
        # half the bend times the square; the bend itself changes by the factor e^h
        for h in (1e-4, 1e-6):
            near = loss.divergence(z, loss.gradient(z + h, y, v), y, v)
            assert near == pytest.approx(np.sum(bend) * h**2 / 2, rel=2 * h)


@every_loss
def test_conjugate_is_infinite_outside_its_domain(name):
    loss, oracle = LOSSES[name](), LOSS_ORACLES[name]
    for y in oracle.target(np.array([-1.0, 1.0])):
        lower, upper = oracle.domain(y)
        for end, beyond in [(lower, lower - 1e-3), (upper, upper + 1e-3)]:
            for q, finite in [(end, True), (beyond, False)]:
                if not np.isfinite(q):
                    q, finite = np.sign(q) * 1e3, True
                cell = np.array([2 * q]), np.array([y]), np.array([2.0])
                assert np.isfinite(loss.conjugate(*cell)) == finite
                assert np.isfinite(loss.divergence(np.zeros(1), *cell)) == finite


@every_loss
@pytest.mark.parametrize("margin", [30.0, 400.0, 1e3, 1e8])
def test_extreme_predictions(name, margin):
    loss, oracle = LOSSES[name](), LOSS_ORACLES[name]
    z = np.array([margin, -margin, margin, -margin])
    y = oracle.target(np.array([1.0, 1.0, -1.0, -1.0]))
    v = np.array([1.0, 0.5, 2.0, 1.0])
    slopes = loss.gradient(z, y, v)
    for result in (loss.value(z, y, v), slopes, loss.hessian(z, y, v)):
        assert np.all(np.isfinite(result))
    assert loss.value(z, y, v) >= 0
    assert loss.divergence(z, slopes, y, v) <= 4 * EPS * np.sum(v)
    zero = loss.divergence(z, np.zeros(4), y, v)
    assert zero == pytest.approx(loss.value(z, y, v) + loss.conjugate(0 * z, y, v))


def test_logistic_keeps_the_tails():
    loss, one = LOSSES["logistic"](), np.ones(1)
    assert loss.value(700 * one, one, one) == pytest.approx(np.exp(-700.0))
    assert loss.gradient(700 * one, one, one) == pytest.approx(-np.exp(-700.0))
    assert loss.value(-1e3 * one, one, one) == 1e3


@every_loss
def test_cells_of_weight_0_take_no_part(name):
    loss, rng = LOSSES[name](), np.random.default_rng(4)
    z, y, v = draw(name)
    other = np.where(v > 0, z, 1e6 * rng.normal(size=z.shape))
    u = dual_point(name, y, v, rng)
    assert loss.value(z, y, v) == loss.value(other, y, v)
    assert loss.divergence(z, u, y, v) == loss.divergence(other, u, y, v)
    assert not loss.gradient(other, y, v)[v == 0].any()
    assert not loss.hessian(other, y, v)[v == 0].any()
    held = v > 0
    for method, first in [(loss.value, z), (loss.conjugate, u)]:
        apart = method(first[held], y[held], v[held])
        assert method(first, y, v) == pytest.approx(apart, rel=1e-13)


@every_loss
def test_curvature_is_the_largest_second_derivative(name):
    loss = LOSSES[name]()
    z = np.linspace(-50, 50, 20_001)
    for y in LOSS_ORACLES[name].target(np.array([-1.0, 1.0])):
        bend = loss.hessian(z, np.full_like(z, y), np.full_like(z, 3.0))
        assert bend.max() == pytest.approx(3 * loss.curvature, rel=1e-12)


@every_loss
def test_a_perfect_prediction_costs_nothing(name):
    loss, oracle = LOSSES[name](), LOSS_ORACLES[name]
    y = oracle.target(np.linspace(-2, 2, 6))
    perfect = y if np.isinf(oracle.domain(1.0)[0]) else 1e3 * y
    assert loss.value(perfect, y, np.ones(6)) == 0


def intercept_problem(name, layout, seed=0, spread=2.0):
    rng = np.random.default_rng(seed)
    if layout == "shared":
        shape, cells = (30, 3), Cells(None)
    else:
        shape, cells = (45,), Cells(np.array([0, 12, 20, 45]))
    z, y, v = draw(name, shape, seed, spread)
    # both classes in every task
    y[[0, 1]] = y[[12, 13]] = y[[20, 21]] = np.array(
        [
            LOSS_ORACLES[name].target(x)
            for x in (np.ones(shape[1:]), -np.ones(shape[1:]))
        ]
    )
    v[[0, 1, 12, 13, 20, 21]] = 1.0
    return z + rng.normal(), y, v, cells


both_layouts = pytest.mark.parametrize("layout", ["shared", "stacked"])


@every_loss
@both_layouts
@pytest.mark.parametrize("spread", [0.0, 2.0, 100.0])
def test_intercept_has_no_slope_beyond_rounding(name, layout, spread):
    loss = LOSSES[name]()
    for seed in range(10):
        z, y, v, cells = intercept_problem(name, layout, seed, spread)
        b = loss.fit_intercept(z, y, v, cells)
        slopes = loss.gradient(z + cells.spread(b), y, v)
        rounding = EPS * cells.sum(
            v * (np.abs(z) + np.abs(y) + cells.spread(np.abs(b)))
        )
        assert b.shape == (3,)
        assert np.all(np.abs(cells.sum(slopes)) <= 8 * rounding)


@every_loss
@both_layouts
def test_intercept_is_the_root_of_the_slope(name, layout):
    loss, oracle = LOSSES[name](), LOSS_ORACLES[name]
    z, y, v, cells = intercept_problem(name, layout)
    b = loss.fit_intercept(z, y, v, cells)
    for t in range(3):
        rows = (slice(None), t) if layout == "shared" else slice(*cells.offsets[t:][:2])

        def slope(b, rows=rows):
            held = v[rows] > 0
            terms = v[rows] * oracle.slope(y[rows], z[rows] + b)
            return terms[held].sum()

        assert b[t] == pytest.approx(brentq(slope, -50, 50, xtol=1e-13), abs=1e-11)


@every_loss
@both_layouts
@pytest.mark.parametrize("offset", [1.0, 1e3, 1e8])
def test_intercept_takes_a_shift_of_the_predictions_back(name, layout, offset):
    loss = LOSSES[name]()
    z, y, v, cells = intercept_problem(name, layout)
    b = loss.fit_intercept(z, y, v, cells)
    shifted = loss.fit_intercept(z + offset, y, v, cells)
    np.testing.assert_allclose(
        shifted + offset, b, rtol=0, atol=64 * EPS * offset + 1e-13
    )


@every_loss
@both_layouts
@pytest.mark.parametrize("start", [-1e6, -3.0, 0.0, 50.0, 1e6])
def test_intercept_does_not_depend_on_the_start(name, layout, start):
    loss = LOSSES[name]()
    z, y, v, cells = intercept_problem(name, layout)
    b = loss.fit_intercept(z, y, v, cells)
    again = loss.fit_intercept(z, y, v, cells, start=np.full(3, start))
    np.testing.assert_allclose(again, b, atol=1e-13)


@every_loss
def test_intercept_of_constant_predictions_is_the_constant(name):
    loss = LOSSES[name]()
    y = LOSS_ORACLES[name].target(np.array([1.0, -1.0, -1.0, 2.0, -0.5])[:, None])
    v = np.array([1.0, 2.0, 0.5, 1.0, 3.0])[:, None]
    constant = loss.constant(np.sum(v * y, axis=0) / np.sum(v))
    b = loss.fit_intercept(np.full((5, 1), 7.0), y, v, Cells(None))
    np.testing.assert_allclose(b + 7.0, constant, atol=1e-14)

    def value(c):
        return loss.value(np.full((5, 1), c), y, v)

    assert value(constant[0]) <= min(
        value(constant[0] + 1e-4), value(constant[0] - 1e-4)
    )


@pytest.mark.parametrize("positives", [1, 3, 99_999])
def test_logistic_intercept_of_one_class_almost(positives):
    loss, n = LOSSES["logistic"](), 100_000
    z = np.random.default_rng(0).normal(size=n)
    y = np.where(np.arange(n) < positives, 1.0, -1.0)
    v, cells = np.full(n, 1 / n), Cells(np.array([0, n]))
    b = loss.fit_intercept(z, y, v, cells)
    slopes = loss.gradient(z + b, y, v)
    assert abs(slopes.sum()) <= 1e-14 * np.abs(slopes).sum()


def test_logistic_constant_of_one_class_is_infinite():
    np.testing.assert_array_equal(
        LOSSES["logistic"]().constant(np.array([-1.0, 1.0])), [-np.inf, np.inf]
    )


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("squared", [0.0, np.nan]),
        ("squared", [np.inf]),
        ("logistic", [0.0, 1.0]),
        ("logistic", [1.0, 2.0]),
        ("logistic", [np.nan, 1.0]),
    ],
)
def test_targets_outside_the_domain_are_refused(name, bad):
    with pytest.raises(ValueError, match=f"y of the {name} loss must"):
        LOSSES[name]().check_target(np.array(bad))


@every_loss
def test_targets_inside_the_domain_pass(name):
    y = LOSS_ORACLES[name].target(np.linspace(-3, 3, 6))
    assert LOSSES[name]().check_target(y) is None


def test_inverse_links():
    z = np.array([-1e3, -1.0, 0.0, 1.0, 1e3])
    np.testing.assert_array_equal(LOSSES["squared"]().inverse_link(z), z)
    share = [0.0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1.0]
    np.testing.assert_allclose(LOSSES["logistic"]().inverse_link(z), share, rtol=1e-15)


@pytest.mark.parametrize("mean", [-4.0, -1.0, 0.0, 2.5])
@pytest.mark.parametrize("deviation", [0.3, 1.0, 3.0])
def test_damping_is_that_of_a_mean_over_normal_predictions(mean, deviation):
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    z, share = mean + deviation * nodes, weights / weights.sum()
    variance = np.array(deviation**2)
    for name, error in (("squared", 1e-12), ("logistic", 0.02)):
        loss = LOSSES[name]()
        factor = loss.damping(variance)
        expected = share @ loss.inverse_link(z)
        found = loss.inverse_link(factor * mean)
        np.testing.assert_allclose(found, expected, atol=error)
        back = loss.damping(-variance * factor**2)
        np.testing.assert_allclose(factor * back, 1.0, rtol=1e-12)
