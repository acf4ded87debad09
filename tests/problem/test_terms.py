"""The data term on rows and on statistics, against dense matrices, task by task."""

from dataclasses import replace

import numpy as np
import pytest

from mtlreg.losses import LOSSES
from mtlreg.penalties import L21, MeanRegularization
from mtlreg.penalties.factored import Factored
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.statistics import Statistics
from mtlreg.problem.terms import PenalisedTerm, StatisticsTerm, rounding_of_means
from tests.oracles import loss_oracle
from tests.problems import LAYOUTS, Case, random_case, random_data

EPS = np.finfo(float).eps
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
both_intercepts = pytest.mark.parametrize("intercept", [True, False])
of_any_size = pytest.mark.parametrize("ulps", range(6, 12))


def draw(loss, layout, intercept=True, **options):
    """A case, its term, and a point of coefficients."""
    case = random_case(loss, "l21", layout, intercept=intercept, **options)
    A = np.random.default_rng(7).normal(size=(case.data.X.shape[1], 3))
    return case, case.problem().term, A


def curvatures(case, A, b):
    """The ``v loss''`` at A and b, of the rows of every task."""
    oracle = loss_oracle(case.loss)
    for t, (X, y, v) in enumerate(case.tasks()):
        yield X, v * oracle.bend(y, X @ A[:, t] + b[t])


def hessians(case, A, b):
    """The Hessians of the tasks by a_t where the intercepts are optimised out."""
    found = []
    for X, w in curvatures(case, A, b):
        H = X.T @ (w[:, None] * X)
        if case.fit_intercept:
            H -= np.outer(w @ X, w @ X) / w.sum()
        found.append(H)
    return np.array(found)


def bounds_of_hessians(case):
    """The largest that these Hessians may be."""
    zero = np.zeros((case.data.X.shape[1], 3)), np.zeros(3)
    squared = replace(case, loss=LOSSES["squared"]())
    return case.loss.curvature * hessians(squared, *zero)


def in_units_of_X(case, term, A):
    """The best intercepts of the rows as they are, at A."""
    moved = term.intercept(term.image(A)) + term.origin
    means = [v @ X / v.sum() for X, _, v in case.tasks()]
    return moved - case.fit_intercept * np.sum(A * np.transpose(means), axis=0)


@every_loss
@every_layout
@both_intercepts
def test_targets_and_weights(loss, layout, intercept):
    case, term, _ = draw(loss, layout, intercept)
    centred = intercept and case.loss.quadratic
    scale = 0.0
    for t, (_, y, v) in enumerate(case.tasks()):
        origin = v @ y / v.sum() if centred else 0.0
        assert term.origin[t] == pytest.approx(origin, rel=1e-14)
        scale += v @ loss_oracle(case.loss).value(y - origin, 0.0)
        cells = (slice(None), t)
        if case.data.offsets is not None:
            cells = slice(*case.data.offsets[t : t + 2])
        held = case.data.weight[cells] > 0
        np.testing.assert_allclose(term.v[cells][held], v, rtol=1e-14)
        np.testing.assert_allclose(term.y[cells][held], y - origin, atol=1e-14)
        assert not term.y[cells][~held].any()
        assert not term.v[cells][~held].any()
    assert term.scale == pytest.approx(scale, rel=1e-14)


def test_the_rounding_of_means_counts():
    scale, means = np.array([0.5, 2.0]), np.array([3.0, -10.0])
    assert rounding_of_means(scale, means) == EPS * (4.5 + 200)
    data = random_data("squared", "stacked-dense")
    far = replace(data, y=np.where(data.weight > 0, 1e8, 0.0))
    term = Case(far, LOSSES["squared"](), L21(1.0), np.full(3, 2.0)).problem().term
    assert term.scale == pytest.approx(EPS * 6e16, rel=1e-12)


@every_loss
@every_layout
@both_intercepts
def test_value_and_slopes(loss, layout, intercept):
    case, term, A = draw(loss, layout, intercept)
    Z, b = term.image(A), in_units_of_X(case, term, A)
    oracle, value = loss_oracle(case.loss), 0.0
    slopes, gradient = term.slopes(Z), term.gradient(Z)
    for t, (X, y, v) in enumerate(case.tasks()):
        z = X @ A[:, t] + b[t]
        value += v @ oracle.value(y, z)
        slope = v * oracle.slope(y, z)
        cells = (slice(None), t)
        if case.data.offsets is not None:
            cells = slice(*case.data.offsets[t : t + 2])
        held = case.data.weight[cells] > 0
        np.testing.assert_allclose(slopes[cells][held], slope, atol=1e-13)
        assert not slopes[cells][~held].any()
        np.testing.assert_allclose(gradient[:, t], X.T @ slope, atol=1e-12)
        if intercept:
            assert np.sum(slope) == pytest.approx(0, abs=1e-14)
    assert term.value(Z) == pytest.approx(value, rel=1e-13)
    assert term.value_at(A, Z) == term.value(Z)
    both = term.value_and_gradient(A)
    assert both[0] == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(both[1], gradient, atol=1e-13)


@every_layout
def test_predictions_and_their_rounding(layout):
    _, term, A = draw("logistic", layout)
    Z = term.image(A)
    best = Z + term.cells.spread(term.intercept(Z))
    np.testing.assert_array_equal(term.predictions(Z), best)
    rounding = np.array([0.25, -0.5, 4.0])
    off = best + term.cells.spread(rounding)
    np.testing.assert_allclose(term.predictions(Z, rounding), off, rtol=1e-14)
    _, plain, _ = draw("logistic", layout, intercept=False)
    Z = plain.image(A)
    assert plain.predictions(Z, rounding) is Z


@every_layout
@pytest.mark.parametrize("weighted", [False, True])
def test_image_of_factors(layout, weighted):
    _, term, _ = draw("logistic", layout, weighted=weighted)
    rng = np.random.default_rng(8)
    factors = Factored(rng.normal(size=(4, 1)), rng.normal(size=(3, 1)))
    expected = term.image(factors.array)
    np.testing.assert_allclose(term.image(factors), expected, atol=1e-13)


@every_loss
@every_layout
def test_gradients_are_in_the_precision_of_the_image(loss, layout):
    _, term, A = draw(loss, layout, dtype=np.float32)
    Z = term.image(A)
    single = term.gradient(Z.astype(np.float32))
    assert single.dtype == np.float32
    assert term.gradient(Z).dtype == np.float64
    np.testing.assert_allclose(single, term.gradient(Z), atol=2e-5)


@every_loss
@every_layout
@both_intercepts
def test_hessians_are_those_of_the_rows(loss, layout, intercept):
    case, term, A = draw(loss, layout, intercept, n=9)
    Z, H = term.image(A), hessians(case, A, in_units_of_X(case, term, A))
    rng = np.random.default_rng(9)
    D, U = rng.normal(size=A.shape), np.linalg.qr(rng.normal(size=(4, 2)))[0]
    product = np.einsum("tjk,kt->jt", H, D)
    np.testing.assert_allclose(term.hessian(Z)(D), product, atol=1e-12)
    np.testing.assert_allclose(
        term.design.adjoint(term.bent(Z)(D)), product, atol=1e-12
    )
    compressed = term.compressed_hessian(U, Z)
    np.testing.assert_allclose(compressed, U.T @ H @ U, atol=1e-12)


@every_layout
@both_intercepts
def test_a_task_that_curves_nowhere(layout, intercept):
    # so far away that the loss is linear in double precision
    _, term, A = draw("logistic", layout, intercept)
    far = A * [1e6, 1.0, 1.0]
    product = term.hessian(term.image(far))(np.ones_like(A))
    assert np.all(np.isfinite(product))
    assert product[:, 1:].any()


@every_loss
@every_layout
@both_intercepts
def test_spectrum_of_the_mean_of_bounds(loss, layout, intercept):
    case, term, _ = draw(loss, layout, intercept)
    mean = bounds_of_hessians(case).mean(axis=0)
    values, vectors = term.pooled_spectrum(10**6)
    np.testing.assert_allclose((vectors * values) @ vectors.T, mean, atol=1e-12)
    assert values.min() >= 0


@every_loss
@both_intercepts
def test_diagonal_of_the_mean_where_its_spectrum_takes_long(loss, intercept):
    case, term, _ = draw(loss, "stacked-dense", intercept, n=8, d=120)
    mean = bounds_of_hessians(case).mean(axis=0)
    values, vectors = term.pooled_spectrum(1)
    assert vectors is None
    np.testing.assert_allclose(values, np.diag(mean), rtol=1e-11)
    _, vectors = term.pooled_spectrum(10**6)
    assert vectors.shape == mean.shape


@every_loss
@every_layout
@both_intercepts
def test_inverse_of_hessians_and_a_shift(loss, layout, intercept):
    case, term, A = draw(loss, layout, intercept, n=5, d=30)
    Z, b = term.image(A), in_units_of_X(case, term, A)
    rng = np.random.default_rng(10)
    R, P = rng.normal(size=(3, 2)), rng.normal(size=(30, 2))
    inverse = term.shifted_inverse(R, 0.3, Z)
    if layout != "stacked-dense":
        assert inverse is None
        return
    H = hessians(case, A, b)
    solved = inverse(P)
    forward = np.einsum("tjk,kt->jt", H, solved @ R.T) @ R + 0.3 * solved
    np.testing.assert_allclose(forward, P, atol=1e-11)


@every_loss
def test_no_inverse_of_many_rows(loss):
    _, term, A = draw(loss, "stacked-dense")
    assert term.shifted_inverse(np.ones((3, 1)), 0.3, term.image(A)) is None


@every_loss
@every_layout
@both_intercepts
def test_lipschitz_constant(loss, layout, intercept):
    case, term, _ = draw(loss, layout, intercept)
    largest = np.linalg.eigvalsh(bounds_of_hessians(case)).max()
    assert term.lipschitz == pytest.approx(largest, rel=1e-12)


class Counting:
    """A loss that counts how it is asked about intercepts."""

    def __init__(self, loss):
        self._loss, self.steps, self.fits, self.starts = loss, 0, 0, []

    def __getattr__(self, name):
        return getattr(self._loss, name)

    def derivatives(self, *cells):
        self.steps += 1
        return self._loss.derivatives(*cells)

    def fit_intercept(self, *cells, start=None):
        self.fits += 1
        self.starts.append(start)
        return self._loss.fit_intercept(*cells, start=start)


def counting_term(loss="logistic", layout="stacked-dense", intercept=True):
    case = random_case(loss, "l21", layout, intercept=intercept)
    A = np.random.default_rng(11).normal(size=(4, 3))
    term = replace(case, loss=Counting(case.loss)).problem().term
    term.loss.fits, term.loss.starts = 0, []
    return term, term.image(A)


def test_best_intercepts_are_found_once_an_image():
    term, Z = counting_term()
    term.intercept(Z)
    best = term.intercept(Z)
    assert term.loss.fits == 1
    near = term.intercept(Z + 0.01)
    assert term.loss.fits == 2
    assert term.loss.starts[1] is best
    np.testing.assert_allclose(near, best - 0.01, rtol=1e-12)
    # an equal image may be another one
    term.intercept(Z.copy())
    assert term.loss.fits == 3
    term, Z = counting_term(intercept=False)
    assert not term.intercept(Z).any()
    assert not term.loss.fits


@pytest.mark.parametrize(
    ("move", "steps", "fits"),
    [
        # one Newton step from nearer than 1e-6, with slopes that are linear in it
        (0.0, 1, 0),
        (0.9e-6, 1, 0),
        (1.1e-6, 2, 0),
        (1e-4, 2, 0),
        (0.05, 3, 0),
        # a step longer than 0.1 is none of Newton's
        (0.15, 1, 1),
        (3.0, 1, 1),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("layout", ["stacked-dense", "shared-dense"])
def test_gradients_follow_the_intercepts(move, steps, fits, sign, layout):
    term, Z = counting_term(layout=layout)
    exact = term.gradient(Z)
    assert (term.loss.steps, term.loss.fits) == (0, 1)
    # the intercepts go where the predictions come from, and nothing else changes
    shift = term.cells.spread(sign * move * np.array([1.0, 0.3, 0.0]))
    found = term.gradient(Z + shift)
    assert (term.loss.steps, term.loss.fits) == (steps, 1 + fits)
    np.testing.assert_allclose(found, exact, atol=1e-12)
    if fits:
        assert term.loss.starts[1] is not None
    # a certificate in between changes no gradient
    before = term.loss.steps
    term.intercept(Z - 7.0)
    again = term.gradient(Z + shift)
    assert term.loss.steps == before + 1
    np.testing.assert_allclose(again, found, atol=1e-12)


def test_intercepts_that_no_three_steps_reach():
    # nearly all targets are of one class, so that the curvature changes by e^move
    y = np.where(np.arange(2000) < 2, 1.0, -1.0)
    data = MultiTaskData(np.zeros((2000, 1)), y, np.ones(2000), np.array([0, 2000]))
    loss = Counting(LOSSES["logistic"]())
    case = Case(data, loss, L21(1.0), np.ones(1))
    term = case.problem().term
    Z = np.zeros(2000)
    term.gradient(Z)
    loss.steps = loss.fits = 0
    term.gradient(Z + 0.09)
    assert (loss.steps, loss.fits) == (3, 1)


@pytest.mark.parametrize(
    ("loss", "intercept"), [("squared", True), ("logistic", False)]
)
def test_gradients_with_nothing_to_follow(loss, intercept):
    term, Z = counting_term(loss, intercept=intercept)
    for image in (Z, Z + 0.01):
        np.testing.assert_array_equal(
            term.gradient(image), term.design.adjoint(term.slopes(image))
        )
    assert not term.loss.steps


def test_a_task_without_curvature_is_not_followed():
    term, Z = counting_term()
    first = term.cells.spread(np.array([1.0, 0.0, 0.0]))
    term.gradient(Z)
    # both classes so far apart that neither slope changes
    far = Z + 2e4 * first * term.y
    gradient = term.gradient(far)
    assert np.all(np.isfinite(gradient))
    assert np.all(np.isfinite(term.gradient(far * (1 + 1e-9))))


def one_cell(loss="squared"):
    """The term of one row of 1 of a task, whose image is the coefficient."""
    data = MultiTaskData(np.ones((1, 1)), np.ones(1), np.ones(1), np.array([0, 1]))
    return Case(data, LOSSES[loss](), L21(0.1), np.ones(1), False).problem().term


FAR = 2.0**40  # of which one unit in the last place is 2^-12
ULP = 2.0**-12


@of_any_size
def test_rows_bend_more_beyond_the_rounding_of_the_ends(ulps):
    # eps times the size of an image is one such unit; 8 of them are rounding
    term, move = one_cell(), np.array([[20 * ULP]])
    ends = np.array([FAR]), np.array([FAR + (20 + ulps) * ULP])
    assert term.bends_more(1.0, move, *ends) == (ulps > 8)
    # of an image near 0 nothing is
    near = np.zeros(1), np.array([(20 + ulps) * ULP])
    assert term.bends_more(1.0, move, *near)


@of_any_size
def test_statistics_bend_more_beyond_the_rounding_of_the_ends(ulps):
    statistics = Statistics(np.ones((1, 1, 1)), None, np.ones((1, 1)))
    term, move = StatisticsTerm(statistics, 1.0), np.array([[20 * ULP]])
    ends = np.array([[FAR]]), np.array([[FAR + (20 + ulps) * ULP]])
    assert term.bends_more(1.0, move, *ends) == (ulps > 8)
    near = np.zeros((1, 1)), np.array([[(20 + ulps) * ULP]])
    assert term.bends_more(1.0, move, *near)


@pytest.mark.parametrize("on_statistics", [False, True])
def test_what_does_not_move_does_not_bend(on_statistics):
    problem = random_case("squared", "l21", "stacked-dense", n=80).problem()
    term = (problem.on_statistics() if on_statistics else problem).term
    Z = term.image(np.ones((4, 3)))
    assert not term.bends_more(0.0, np.zeros((4, 3)), Z, Z)


@every_loss
@every_layout
@both_intercepts
@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_bends_more_compares_with_the_curve_of_the_bound(loss, layout, intercept, size):
    case, term, A = draw(loss, layout, intercept)
    move = size * np.random.default_rng(12).normal(size=A.shape)
    H = bounds_of_hessians(case)
    curve = np.einsum("jt,tjk,kt->", move, H, move) / np.sum(move**2)
    ends = term.image(A), term.image(A + move)
    assert term.bends_more(curve * (1 - 1e-8), move, *ends)
    assert not term.bends_more(curve * (1 + 1e-8), move, *ends)


@every_layout
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_statistics_bend_as_the_rows(layout, blocks, size):
    case, _, A = draw("squared", layout, n=80, weighted=False)
    term = case.problem().on_statistics().term
    shape = A.shape if blocks == 1 else (blocks, *A.shape)
    move = size * np.random.default_rng(13).normal(size=shape)
    total = move.reshape(-1, *A.shape).sum(axis=0)
    H = bounds_of_hessians(case)
    curve = np.einsum("jt,tjk,kt->", total, H, total) / np.sum(move**2)
    ends = term.image(A), term.image(A + total)
    assert term.bends_more(curve * (1 - 1e-8), move, *ends)
    assert not term.bends_more(curve * (1 + 1e-8), move, *ends)


@pytest.mark.parametrize("loss", ["squared", "logistic", "statistics"])
@pytest.mark.parametrize("layout", ["shared-sparse", "stacked-dense"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_a_term_with_a_quadratic(loss, layout, blocks):
    name = "squared" if loss == "statistics" else loss
    case, plain, A = draw(name, layout, n=80, weighted=False)
    if loss == "statistics":
        plain = case.problem().on_statistics().term
    ridge, rng = 0.7, np.random.default_rng(14)
    quadratic = MeanRegularization(ridge, ridge)
    term, Z = PenalisedTerm(plain, quadratic), plain.image(A)
    both = term.image(A)
    for found, expected in zip(term.split(both), (Z, A), strict=True):
        np.testing.assert_array_equal(found, expected)
    value = plain.value_at(A, Z) + ridge / 2 * np.sum(A**2)
    assert term.value_at(A, both) == pytest.approx(value, rel=1e-14)
    D = rng.normal(size=A.shape)
    expected = plain.gradient(Z) + ridge * A
    # intercepts go on from the last
    np.testing.assert_allclose(term.gradient(both), expected, rtol=1e-12)
    expected = plain.hessian(Z)(D) + ridge * D
    np.testing.assert_allclose(term.hessian(both)(D), expected, rtol=1e-13)
    assert term.lipschitz == plain.lipschitz + ridge
    # the curve of a move of both blocks, or of one
    move = rng.normal(size=A.shape if blocks == 1 else (blocks, *A.shape))
    total = move.reshape(-1, *A.shape).sum(axis=0)
    H = bounds_of_hessians(case) + ridge * np.eye(len(A))
    curve = np.einsum("jt,tjk,kt->", total, H, total) / np.sum(move**2)
    ends = both, term.image(A + total)
    assert term.bends_more(curve * (1 - 1e-8), move, *ends)
    assert not term.bends_more(curve * (1 + 1e-8), move, *ends)
    assert term.bends_more(0.1 * ridge, move, *ends)
    assert not term.bends_more(0.0, 0 * move, both, both)


@every_layout
@both_intercepts
def test_the_term_of_statistics(layout, intercept):
    case, rows, A = draw("squared", layout, intercept, n=80, weighted=False)
    problem = case.problem()
    term = problem.on_statistics().term
    H = bounds_of_hessians(case)
    Z, U = term.image(A), np.linalg.qr(A)[0]
    value, gradient = rows.value_and_gradient(A)
    assert term.value_at(A, Z) == pytest.approx(value, rel=1e-11)
    np.testing.assert_allclose(Z, np.einsum("tjk,kt->jt", H, A), atol=1e-11)
    np.testing.assert_allclose(term.gradient(Z), gradient, atol=1e-11)
    np.testing.assert_allclose(term.hessian(Z)(A), Z, atol=1e-12)
    np.testing.assert_allclose(term.compressed_hessian(U, Z), U.T @ H @ U, atol=1e-11)
    values, vectors = term.pooled_spectrum(1)
    np.testing.assert_allclose((vectors * values) @ vectors.T, H.mean(0), atol=1e-11)
    assert term.shifted_inverse(np.ones((3, 1)), 0.3, Z) is None
    assert term.lipschitz == pytest.approx(np.linalg.eigvalsh(H).max(), rel=1e-12)
