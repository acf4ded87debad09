"""Where a prox of row penalties and of sums ends, and the moves along it."""

from dataclasses import dataclass

import numpy as np
import pytest

from mtlreg.penalties import (
    L1,
    L21,
    ColumnL2,
    Consensus,
    Dirty,
    InfimalSum,
    MeanRegularization,
    SquaredClusterNorm,
    TraceNorm,
)
from mtlreg.penalties.factored import Blocks, Factored, as_array
from mtlreg.penalties.on_face import AtRest
from tests.penalties.matrices import matrix, parts_of
from tests.penalties.test_faces import CASES as ROW_GAUGES
from tests.problems import PENALTY_CASES

# of nine features in five tasks: one sees two directions, and one sees nothing
ROOTS = np.random.default_rng(0).normal(size=(5, 12, 9))
ROOTS[1, 2:], ROOTS[3] = 0.0, 0.0
IN_METRIC = ColumnL2(1.1, ROOTS.swapaxes(1, 2) @ ROOTS)
CASES = ROW_GAUGES | {
    "sum-linf": PENALTY_CASES["sum-linf"],
    "sum-trace": PENALTY_CASES["sum-trace"],
    "columns": PENALTY_CASES["columns"],
    "sum-columns": PENALTY_CASES["sum-columns"],
    "metric": IN_METRIC,
    "sum-metric": InfimalSum(TraceNorm(1.0), IN_METRIC),
    "consensus": InfimalSum(Consensus(), IN_METRIC),
    "ridge-trace": PENALTY_CASES["ridge-trace"],
    "squared-trace": PENALTY_CASES["squared-trace"],
    "ridge-squared": PENALTY_CASES["ridge-squared"],
    "squared-cluster": PENALTY_CASES["squared-cluster"],
    "squared-cluster-full": SquaredClusterNorm(0.3, 5, eta=0.2),
    "squared-cluster-even": SquaredClusterNorm(2.0, 3, eta=1.0),
    "sum-first-0": InfimalSum(TraceNorm(90.0), L21(0.7)),
    "sum-second-0": InfimalSum(Dirty(2.5, 1.0, "l2"), L1(90.0)),
}
every_case = pytest.mark.parametrize("name", CASES)
SHAPE = 9, 5


@dataclass(frozen=True)
class OtherL1(L1):
    """The L1 norm, of which nobody says where it is smooth."""

    has_tangent = False

    def face(self, A):
        raise AssertionError("no face was promised")


def at_random(name, seed):
    """A penalty, a matrix to take the prox of, with rows that it takes to 0."""
    penalty, rng = CASES[name], np.random.default_rng(seed)
    W = matrix(penalty, *SHAPE, rng, scale=3.0)
    W[..., 4:6, :] *= 0.01
    if name.startswith("positive"):
        W[W == 0] = -0.1  # where the prox has a bend
    return penalty, W, rng


@every_case
def test_the_point_is_the_prox(name):
    penalty, W, _ = at_random(name, 0)
    tangent = penalty.tangent(W, 0.8)
    np.testing.assert_allclose(tangent.A, penalty.prox(W, 0.8), atol=1e-13)
    np.testing.assert_array_equal(as_array(tangent.iterate), tangent.A)
    np.testing.assert_allclose(tangent.A + 0.8 * tangent.subgradient, W, atol=1e-13)
    assert tangent.value == pytest.approx(penalty.value(tangent.A))
    assert penalty.value(tangent.iterate) == pytest.approx(tangent.value)
    assert tangent.dimension > 0


@every_case
def test_coordinates_are_those_of_an_orthonormal_basis(name):
    penalty, W, rng = at_random(name, 1)
    tangent = penalty.tangent(W, 0.8)
    B = rng.normal(size=W.shape)
    x = tangent.coordinates(B)
    inside = as_array(tangent.matrix(x))
    assert x.shape == (tangent.dimension,)
    assert np.linalg.norm(x) == pytest.approx(np.linalg.norm(inside))
    np.testing.assert_allclose(tangent.coordinates(inside), x, atol=1e-13)
    # the point itself is a direction: all penalties here are made of gauges
    there = as_array(tangent.matrix(tangent.coordinates(tangent.A)))
    np.testing.assert_allclose(there, tangent.A, atol=1e-13)


@pytest.mark.parametrize("name", [*ROW_GAUGES, "columns", "metric", "consensus"])
def test_the_slope_along_the_space_keeps_its_digits(name):
    """However short the step is, which W - A is divided by."""
    penalty, W, _ = at_random(name, 1)
    tangent, step = penalty.tangent(W, 0.8), 1e-9
    short = penalty.tangent(tangent.A + step * tangent.subgradient, step)
    slope, expected = (t.coordinates(t.subgradient) for t in (short, tangent))
    np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-13)


@every_case
@pytest.mark.parametrize("sigma", [0.3, 4.0])
def test_resolvent_is_the_derivative_of_the_prox(name, sigma):
    penalty, W, rng = at_random(name, 2)
    tangent = penalty.tangent(W, 0.8)
    start, h = tangent.A + tangent.subgradient / sigma, 1e-6
    D = rng.normal(size=W.shape)
    before, after = (penalty.prox(start + s * h * D, 1 / sigma) for s in (-1, 1))
    moved = tangent.resolvent(sigma)(tangent.coordinates(D))
    expected = (after - before) / (2 * h)
    found = sigma * as_array(tangent.matrix(moved))
    np.testing.assert_allclose(found, expected, atol=1e-7)


@every_case
def test_preconditioner_is_symmetric_and_knows_the_hessian(name):
    penalty, W, rng = at_random(name, 2)
    tangent, sigma = penalty.tangent(W, 0.8), 1.7
    solve, resolvent = tangent.preconditioner(sigma), tangent.resolvent(sigma)
    x, y = rng.normal(size=(2, tangent.dimension))
    z, w = solve(x)
    np.testing.assert_allclose(resolvent(w), z, atol=1e-12)
    assert np.vdot(x, z) > 0
    assert np.vdot(y, z) == pytest.approx(np.vdot(x, solve(y)[0]), abs=1e-10)


@pytest.mark.parametrize("name", ["sum-trace"])
def test_blocks_that_have_one_curvature_are_solved_for_together(name):
    """Of a Hessian that is sigma: no eigenvalue above 1, and few below."""
    penalty, W, _ = at_random(name, 3)
    tangent, sigma = penalty.tangent(W, 0.8), 1.7
    solve, resolvent = tangent.preconditioner(sigma), tangent.resolvent(sigma)
    unit = np.eye(tangent.dimension)

    def hessian(x):
        blocks = tangent.matrix(x)
        return sigma * tangent.coordinates(as_array(penalty.combine(blocks)))

    H = np.array([hessian(x) for x in unit])
    N = np.linalg.inv([resolvent(x) for x in unit]) - sigma * np.eye(len(unit))
    swept, each = ([f(x) for x in unit] for f in (lambda x: solve(x)[0], resolvent))
    values = [np.linalg.eigvals((H + N) @ M).real for M in (swept, each)]
    assert values[0].max() < 1 + 1e-8
    assert values[1].max() > 1.2
    assert np.ptp(values[0]) < np.ptp(values[1])


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_row_that_is_nearly_0(norm):
    penalty = {"l2": L21(1.0), "linf": PENALTY_CASES["l1linf"]}[norm]
    tangent = penalty.tangent(np.full((1, 3), 1e-300), 1e-305)
    assert tangent.dimension > 0
    x = tangent.coordinates(np.array([[1.0, 2.0, 3.0]]))
    assert np.all(np.isfinite(tangent.resolvent(1.0)(x)))


@pytest.mark.parametrize("name", ["sum-trace", "sum-first-0", "sum-second-0"])
def test_one_matrix_is_a_direction_of_both_blocks(name):
    penalty, W, rng = at_random(name, 3)
    tangent, G = penalty.tangent(W, 0.8), rng.normal(size=SHAPE)
    both = tangent.coordinates(np.stack([G, G]))
    np.testing.assert_array_equal(tangent.coordinates(G), both)
    x = rng.normal(size=tangent.dimension)
    sizes = [part.tangent(w, 0.8).dimension for part, w in parts_of(penalty, W)]
    assert tangent.dimension == sum(sizes)
    assert (0 in sizes) == (name != "sum-trace")
    move = tangent.matrix(x)
    combined = as_array(penalty.combine(move))
    np.testing.assert_allclose(combined, penalty.combine(as_array(move)), atol=1e-13)


def test_factors_are_kept_where_the_other_block_is_0():
    rng = np.random.default_rng(4)
    penalty = InfimalSum(TraceNorm(1.0), L1(90.0))
    low = penalty.factored_prox(rng.normal(size=(2, *SHAPE)), 0.8)
    assert isinstance(penalty.combine(low), Factored)
    assert low.array.shape == (2, *SHAPE)
    none = penalty.factored_prox(np.zeros((2, *SHAPE)), 0.8)
    assert not as_array(penalty.combine(none)).any()


@pytest.mark.parametrize("level", [0.4, 90.0])
def test_a_block_without_spaces_has_to_be_0(level):
    W = 3 * np.random.default_rng(5).normal(size=(2, *SHAPE))
    other = OtherL1(level)
    assert isinstance(other.tangent(W[0], 1.0), AtRest)
    assert not InfimalSum(other, OtherL1(1.0)).has_tangent
    for order in (1, -1):
        penalty = InfimalSum(*[TraceNorm(0.8), other][::order])
        assert penalty.has_tangent
        tangent = penalty.tangent(W, 1.0)
        assert (tangent.dimension > 0) == (level > 1)
        # nothing is lost but the moves
        np.testing.assert_allclose(tangent.A, penalty.prox(W, 1.0), atol=1e-13)


def test_which_penalties_have_spaces():
    assert not MeanRegularization(0.3, 0.05).has_tangent
    assert all(CASES[name].has_tangent for name in CASES)


def test_which_block_moves_alone():
    first, second = TraceNorm(1.0), L1(0.5)
    penalty, zero = InfimalSum(first, second), np.zeros((2, 3, 4))
    wide, entry = np.ones((3, 4)), np.eye(3, 4)
    assert first.polar(wide) > second.polar(wide)
    assert second.polar(entry) > first.polar(entry)
    for G, k in [(wide, 0), (entry, 1), (0.4 * entry, 0)]:
        assert penalty.sole(zero, G) == k
        block = penalty.alone(wide, 1 - k)
        assert isinstance(block, Blocks)
        np.testing.assert_array_equal(penalty.combine(block.array), wide)
        # the other one has to move as well, if it is asked to
        expected = 1 - k if penalty.parts[k].polar(G) <= 1 else None
        assert penalty.sole(block.array, G) == expected
    assert penalty.sole(np.ones((2, 3, 4)), wide) is None
    assert first.sole(wide, wide) is None
