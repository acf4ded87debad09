"""What all losses share: sums in chunks, ratios, and the search for the intercept."""

import numpy as np
import pytest

from mtlreg.losses import LOSSES, Logistic, Loss, Squared
from mtlreg.losses.base import ratio, sum_in_chunks
from mtlreg.problem.data import Cells

EPS = np.finfo(float).eps
CHUNK = 2**14


class Summing:
    """Keeps what it is asked to sum."""

    def __init__(self):
        self.parts = []

    @sum_in_chunks
    def total(self, *cells, factor=1.0):
        self.parts.append(cells)
        return factor * float(sum(part.sum() for part in cells))


@pytest.mark.parametrize(
    ("shape", "lengths"),
    [
        ((1,), [1]),
        ((CHUNK - 1,), [CHUNK - 1]),
        ((CHUNK,), [CHUNK]),
        ((CHUNK + 1,), [CHUNK, 1]),
        ((3 * CHUNK,), [CHUNK] * 3),
        ((CHUNK // 8, 8), [CHUNK // 8]),
        ((CHUNK // 8 + 1, 8), [CHUNK // 8, 1]),
        # as many whole rows as fit, and one at least
        ((10_000, 3), [5461, 4539]),
        ((2, CHUNK), [1, 1]),
        ((3, CHUNK + 5), [1, 1, 1]),
    ],
)
def test_sums_take_so_many_cells_at_a_time(shape, lengths):
    first = np.arange(np.prod(shape), dtype=float).reshape(shape)
    summing = Summing()
    found = summing.total(first, 2 * first, factor=0.5)
    assert [len(part) for part, _ in summing.parts] == lengths
    assert found == pytest.approx(1.5 * first.sum(), rel=1e-14)
    # every cell once, with what belongs to it
    for k, array in enumerate((first, 2 * first)):
        parts = [parts[k] for parts in summing.parts]
        np.testing.assert_array_equal(np.concatenate(parts), array)


@pytest.mark.parametrize("name", LOSSES)
def test_a_quadratic_loss_curves_the_same_everywhere(name):
    loss, z = LOSSES[name](), np.array([-1.0, 0.0, 2.0])
    bends = loss.hessian(z, np.ones(3), np.ones(3))
    assert loss.quadratic == bool(np.all(bends == bends[0]))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(CHUNK - 1,), (CHUNK + 3,), (7000, 5), (2, 20_000)])
def test_sums_of_losses_are_those_of_their_parts(name, shape):
    loss, rng = LOSSES[name](), np.random.default_rng(0)
    z, v = rng.normal(size=shape), rng.uniform(0.5, 1.5, shape)
    y = rng.choice([-1.0, 1.0], shape)
    u = -0.4 * v * y
    apart = np.array_split(np.arange(shape[0]), 40 if len(shape) == 1 else shape[0])
    for method, cells, named in [
        (loss.value, (z, y, v), {}),
        (loss.conjugate, (u, y, v), {}),
        (loss.divergence, (z, u, y, v), {"scale": 0.7}),
    ]:
        parts = [method(*(part[rows] for part in cells), **named) for rows in apart]
        assert method(*cells, **named) == pytest.approx(sum(parts), rel=1e-12)


def test_ratio_of_cells():
    u, v = np.array([1.0, 0.0, 3.0]), np.array([2.0, 0.5, 4.0])
    np.testing.assert_array_equal(ratio(u, v), [0.5, 0.0, 0.75])
    # what has no weight takes no part, whatever it is
    u, v = np.array([1.0, 0.0, 3.0, 3.0]), np.array([2.0, 0.0, 0.0, 0.5])
    np.testing.assert_array_equal(ratio(u, v), [0.5, 0.0, 0.0, 6.0])


ONE = Cells(np.array([0, 2]))


class Scripted(Squared):
    """Says what it is told of one task of two cells; keeps where it is asked."""

    fit_intercept = Loss.fit_intercept

    def __init__(self, *script):
        self.script, self.asked = list(script), []

    def derivatives(self, z, y, v):
        self.asked.append(0.5 * (z[0] + z[1]))
        slope, bend = self.script[min(len(self.asked), len(self.script)) - 1]
        # a slope may come in two parts, whose sizes tell what is rounding
        slopes = np.array(slope if np.ndim(slope) else [slope, 0.0])
        return slopes, np.array([bend, 0.0])

    def search(self, start=0.0):
        """The intercept between -1 and 1, from ``start``."""
        y, v = np.zeros(2), np.ones(2)
        start = None if start is None else np.array([start])
        (found,) = self.fit_intercept(np.array([-1.0, 1.0]), y, v, ONE, start=start)
        return found


REST = (0.0, 1.0)  # no slope: the search is over


@pytest.mark.parametrize(
    ("slope", "bend", "then"),
    [
        # a step of Newton's method inside the bracket
        (-0.25, 0.5, 0.5),
        (0.25, 0.5, -0.5),
        (-1.5, 2.0, 0.75),
        (1.5, 2.0, -0.75),
        # at its ends or beyond, or without curvature: half of what is left
        (-1.0, 1.0, 0.5),
        (1.0, 1.0, -0.5),
        (-3.0, 1.0, 0.5),
        (3.0, 1.0, -0.5),
        (-1.0, 0.0, 0.5),
        (1.0, 0.0, -0.5),
        # an overflow is beyond
        (-1e10, 1e-300, 0.5),
        (1e10, 1e-300, -0.5),
    ],
)
def test_one_step_of_the_search(slope, bend, then):
    loss = Scripted((slope, bend), REST)
    assert loss.search() == then
    assert loss.asked == [0.0, then]


def test_the_bracket_closes_from_both_sides():
    loss = Scripted((-1.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.01, 1.0), REST)
    # in [0, 1], [0, 0.5], [0.25, 0.5]
    assert loss.search() == pytest.approx(0.365, abs=1e-15)
    assert loss.asked == pytest.approx([0.0, 0.5, 0.25, 0.375, 0.365], abs=1e-15)
    # the same for a step that would leave what has become of it
    loss = Scripted((-1.0, 0.0), (1.0, 1.0), REST)
    assert loss.search() == 0.25


@pytest.mark.parametrize(
    ("start", "first"), [(None, 0.0), (0.25, 0.25), (7.0, 1.0), (-7.0, -1.0)]
)
def test_the_search_starts_inside_its_bracket(start, first):
    loss = Scripted(REST)
    assert loss.search(start) == first
    assert loss.asked == [first]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("end", [-1, 1])
def test_the_bracket_holds_the_best_constant(name, end):
    class Traced(LOSSES[name]):
        fit_intercept = Loss.fit_intercept
        asked = None

        def derivatives(self, z, y, v):
            self.asked = z if self.asked is None else self.asked
            return super().derivatives(z, y, v)

    y, v = np.array([1.0, 1.0, -1.0]), np.array([1.0, 0.5, 1.0])
    z, loss = np.array([3.0, -2.0, 0.5]), Traced()
    loss.fit_intercept(z, y, v, Cells(np.array([0, 3])), start=np.array([end * 1e3]))
    constant = loss.constant(0.5 / 2.5)
    expected = constant - (z.min() if end > 0 else z.max())
    np.testing.assert_allclose(loss.asked - z, expected, rtol=1e-14)


def test_the_search_ends_where_the_slope_is_rounding():
    # 4 eps times the sizes of the slopes, 2
    for slopes, passes in [
        ([1 + 4 * EPS, -1 + 4 * EPS], 1),
        ([1 - 4 * EPS, -1 - 4 * EPS], 1),
        ([1 + 4 * EPS, -1 + 4.5 * EPS], 2),
        ([1 - 4.5 * EPS, -1 - 4 * EPS], 2),
    ]:
        loss = Scripted((slopes, 0.0), REST)
        loss.search()
        assert len(loss.asked) == passes


@pytest.mark.parametrize(
    ("length", "passes"), [(1e-8, 1), (0.5e-8, 1), (1.5e-8, 2), (1e-4, 2)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_search_ends_after_a_short_step(length, passes, sign):
    # whose square is rounding
    loss = Scripted((-sign * length, 1.0), REST)
    assert loss.search() == sign * length
    assert len(loss.asked) == passes


def test_a_short_step_of_one_task_does_not_end_the_search_of_another():
    loss, cells = Logistic(), Cells(np.array([0, 4, 8]))
    y = np.array([1.0, 1.0, 1.0, -1.0] * 2)
    z, v = np.concatenate([[0.0] * 4, [3.0, -4.0, 1.0, 2.0]]), np.ones(8)
    found = loss.fit_intercept(z, y, v, cells)
    for part, one in ((slice(4), found[0]), (slice(4, 8), found[1])):
        cells = z[part], y[part], v[part], Cells(np.array([0, 4]))
        (alone,) = loss.fit_intercept(*cells)
        assert one == pytest.approx(alone, rel=1e-15)
    # the first is at its optimum from the start, and stays
    assert found[0] == loss.constant(0.5)


def test_a_task_at_rest_stays_where_it_is():
    class Pair(Squared):
        fit_intercept = Loss.fit_intercept

        def derivatives(self, z, y, v):
            # the first task has a slope of just 4 eps of its sizes, and no curvature
            rest, steep = [1 + 4 * EPS, -1 + 4 * EPS], [z[2] - 0.5, z[2] - 0.5]
            return np.array(rest + steep), np.array([0.0, 0.0, 1.0, 1.0])

    z, y = np.array([-1.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 2.0, 2.0])
    cells, start = Cells(np.array([0, 2, 4])), np.array([0.25, 0.0])
    found = Pair().fit_intercept(z, y, np.ones(4), cells, start=start)
    np.testing.assert_array_equal(found, [0.25, 2.0])


class Jump(Scripted):
    """The slope has one size and changes its sign at a point."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def derivatives(self, z, y, v):
        b = 0.5 * (z[0] + z[1])
        self.asked.append(b)
        return np.array([1.0 if b > self.where else -1.0, 0.0]), np.zeros(2)


def test_the_search_ends_where_no_number_is_left():
    loss = Jump(1 / 3)
    assert abs(loss.search() - 1 / 3) <= EPS
    # a bit of the bracket a pass
    assert 50 <= len(loss.asked) <= 56


def test_the_search_ends():
    loss = Jump(1e-300)
    loss.search()
    assert len(loss.asked) == 100


class Counting(Logistic):
    def __init__(self):
        self.passes = 0

    def derivatives(self, *cells):
        self.passes += 1
        return super().derivatives(*cells)


@pytest.mark.parametrize(
    ("spread", "passes"), [(0.1, 4), (1.0, 5), (10.0, 7), (1000.0, 33)]
)
def test_how_many_passes_the_search_takes(spread, passes):
    rng, loss = np.random.default_rng(0), Counting()
    cells = Cells(np.arange(0, 601, 20))
    z = spread * rng.normal(size=600)
    y = np.where(rng.random(600) < 0.3, 1.0, -1.0)
    y[::20], y[1::20] = 1.0, -1.0
    b = loss.fit_intercept(z, y, np.ones(600), cells)
    assert loss.passes <= passes + 1
    loss.passes = 0
    again = loss.fit_intercept(z, y, np.ones(600), cells, start=b)
    assert loss.passes == 1
    np.testing.assert_allclose(again, b, atol=1e-13)
    # two from nearby
    loss.passes = 0
    loss.fit_intercept(z + 1e-5, y, np.ones(600), cells, start=b)
    assert loss.passes == 2
