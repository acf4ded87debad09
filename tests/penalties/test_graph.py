"""The penalty of a graph: edges, spectrum, what is free, graphs of some tasks."""

import numpy as np
import pytest

from mtlreg.penalties import GraphRegularization, MeanRegularization, with_options
from tests import oracles

# two components, and a task without an edge
GRAPH = np.zeros((6, 6))
for s, t, weight in [(0, 2, 1.0), (2, 5, 0.3), (0, 5, 2.0), (1, 4, 1e-6)]:
    GRAPH[s, t] = GRAPH[t, s] = weight
CASES = {
    "free": GraphRegularization(0.7, GRAPH),
    "ridge": GraphRegularization(0.7, GRAPH, ridge=0.2),
    "rows": with_options(
        GraphRegularization(0.7, GRAPH), feature_weight=np.array([1.0, 0.0, 3.0, 0.1])
    ),
}
every_case = pytest.mark.parametrize("name", CASES)


def draw(seed=0, d=4, n_tasks=6):
    return np.random.default_rng(seed).normal(size=(d, n_tasks))


@every_case
def test_value_gradient_and_conjugate(name):
    penalty, A, D = CASES[name], draw(), draw(1)
    assert penalty.value(A) == pytest.approx(oracles.value(penalty, A), rel=1e-12)
    slope = (penalty.value(A + D) - penalty.value(A - D)) / 2
    Q = penalty.gradient(A)
    assert np.vdot(Q, D) == pytest.approx(slope, rel=1e-12)
    value = penalty.value(A)
    assert penalty.conjugate(Q) == pytest.approx(value, rel=1e-12)
    assert penalty.conjugate(Q) == pytest.approx(
        oracles.conjugate(penalty, Q), rel=1e-8
    )
    assert penalty.divergence(A, Q) <= 1e-28
    rest = penalty.value(A) + penalty.conjugate(Q + penalty.gradient(D))
    rest -= np.vdot(A, Q + penalty.gradient(D))
    assert penalty.divergence(A, Q + penalty.gradient(D)) == pytest.approx(rest)


@every_case
@pytest.mark.parametrize("step", [1e-8, 0.5, 1e8])
def test_prox_solves_the_linear_equation(name, step):
    penalty, A = CASES[name], draw()
    P = penalty.prox(A, step)
    for j in range(len(A)):
        row = penalty.restrict(features=[j]) if penalty.by_feature else penalty
        system = np.eye(6) + step * np.array(
            [row.gradient(e[None])[0] for e in np.eye(6)]
        )
        noise = 1e-15 * np.linalg.cond(system)
        np.testing.assert_allclose(P[j], np.linalg.solve(system, A[j]), atol=10 * noise)
    single = penalty.prox(A.astype(np.float32), step)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, P, atol=3e-6)
    np.testing.assert_array_equal(penalty.prox(A[:, ::-1][:, ::-1], step), P)


def test_the_means_of_components_are_free_without_a_ridge():
    penalty, A = CASES["free"], draw()
    patterns = penalty.free_directions(6)
    expected = np.zeros((6, 3))
    expected[[0, 2, 5], 0] = expected[[1, 4], 1] = expected[3, 2] = 1.0
    np.testing.assert_array_equal(patterns > 0, expected > 0)
    np.testing.assert_allclose(patterns.T @ patterns, np.eye(3), atol=1e-15)
    # however far off
    shifted = A + 1e8 * draw(1, 4, 3) @ patterns.T
    value = penalty.value(shifted - 1e8 * draw(1, 4, 3) @ patterns.T)
    assert penalty.value(shifted) == pytest.approx(value, rel=1e-6)
    assert penalty.conjugate(1e3 * patterns.T) <= 1e-20
    assert CASES["ridge"].free_directions(6).shape == (6, 0)
    assert CASES["rows"].free_features.tolist() == [True, False, True, True]
    assert CASES["rows"].free_rows.tolist() == [False, True, False, False]


@pytest.mark.parametrize("kept", [[0, 1, 5], [2], [1, 3], [5, 4, 3, 1, 0]])
def test_the_penalty_of_some_tasks_is_the_least_over_the_others(kept):
    penalty = CASES["free"]
    mask = np.isin(np.arange(6), kept)
    A = draw(2, 4, len(kept))
    full = penalty.with_absent(A, mask)
    np.testing.assert_array_equal(full[:, mask], A)
    slopes = penalty.gradient(full)[:, ~mask]
    np.testing.assert_allclose(slopes, 0.0, atol=1e-14)
    part = penalty.restrict(tasks=mask)
    assert part.value(A) == pytest.approx(penalty.value(full), rel=1e-12, abs=1e-25)
    # a ridge is that of the tasks that are there
    ridged = CASES["ridge"].restrict(tasks=mask)
    assert ridged == with_options(part, ridge=0.2)
    # in any order, and twice as once
    places = part.restrict(tasks=np.arange(len(kept))[::-1])
    np.testing.assert_allclose(places.graph, part.graph[::-1, ::-1], atol=1e-16)
    two = penalty.restrict(tasks=np.union1d(kept, [0, 4]))
    again = two.restrict(tasks=np.isin(np.union1d(kept, [0, 4]), kept))
    np.testing.assert_allclose(again.graph, part.graph, atol=1e-15)


def test_a_task_between_two_ties_them():
    chain = np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1)
    part = GraphRegularization(1.0, chain).restrict(tasks=np.array([0, 2]))
    np.testing.assert_allclose(part.graph, [[0.0, 0.5], [0.5, 0.0]])
    # and complete graphs are those of fewer tasks
    complete = (1.0 - np.eye(5)) / 5
    part = GraphRegularization(1.0, complete).restrict(tasks=np.arange(4))
    np.testing.assert_allclose(part.graph, (1.0 - np.eye(4)) / 4, atol=1e-16)


def test_the_complete_graph_is_mean_regularisation():
    A, complete = draw(), (1.0 - np.eye(6)) / 6
    for ridge in (0.0, 0.3):
        penalty = GraphRegularization(0.7, complete, ridge)
        mean = MeanRegularization(0.7 + ridge, ridge)
        assert penalty.value(A) == pytest.approx(mean.value(A), rel=1e-13)
        assert penalty.conjugate(A) == pytest.approx(mean.conjugate(A), rel=1e-13)
        np.testing.assert_allclose(penalty.prox(A, 0.4), mean.prox(A, 0.4), atol=1e-14)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"alpha of GraphRegularization must"):
        GraphRegularization(np.array([1.0, -1.0]), GRAPH)
    with pytest.raises(ValueError, match=r"ridge of GraphRegularization must"):
        GraphRegularization(1.0, GRAPH, -0.1)
    with pytest.raises(ValueError, match=r"graph of GraphRegularization has the shape"):
        GraphRegularization(1.0, GRAPH[:2])
    with pytest.raises(ValueError, match="has no signs: set positive=False"):
        with_options(CASES["free"], positive=True)
    with pytest.raises(ValueError, match=r"holds 1e-200, .* give a larger weight"):
        with_options(CASES["free"], feature_weight=np.array([1e-200, 1.0]))
    with pytest.raises(ValueError, match=r"graph of .* there are 5 tasks"):
        CASES["free"].check_shape(4, 5)
    graph = GRAPH.copy()
    penalty = GraphRegularization(1.0, graph)
    graph[0, 2] = 9.0
    assert penalty.graph[0, 2] == 1.0
