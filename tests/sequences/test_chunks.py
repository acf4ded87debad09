"""Rounds of questions: every gap is honest, wherever Newton's method is."""

import functools
import operator

import numpy as np
import pytest

from mtlreg.losses import Logistic
from mtlreg.penalties import (
    L1,
    L21,
    InfimalSum,
    MeanRegularization,
    TraceNorm,
    with_options,
)
from mtlreg.problem import Problem
from mtlreg.problem.data import MultiTaskData
from mtlreg.sequences.chunks import ChunkedProblem, ProximalNewton, answer
from mtlreg.solvers import choose_solver

T, D = 4, 5
SIZES = np.array([40, 70, 55, 61])
OFFSETS = np.concatenate([[0], np.cumsum(SIZES)])
CODES = np.repeat(np.arange(T), SIZES)


def draw(rare=False, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(OFFSETS[-1], D)) + 1.0
    z = X @ [1.5, -1.0, 0.0, 0.0, 0.2] + 0.3 * rng.normal(size=len(X))
    level = 97 if rare else 50
    y = np.where(z > np.percentile(z, level), 1.0, -1.0)
    y[OFFSETS[:-1]], y[OFFSETS[:-1] + 1] = 1.0, -1.0
    v = rng.uniform(0.2, 2.0, size=len(X))
    v /= np.add.reduceat(v, OFFSETS[:-1])[CODES]
    return MultiTaskData(X, y, v, OFFSETS)


def part_of(data, rows):
    counts = np.bincount(CODES[rows], minlength=T)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return MultiTaskData(data.X[rows], data.y[rows], data.weight[rows], offsets)


def chunked(data, penalty, intercept=True, n_chunks=3):
    """The problem in chunks, and the list of the questions that were asked."""
    order = np.arange(len(data.y))
    chunks = [part_of(data, order[k::n_chunks]) for k in range(n_chunks)]
    chunks.append(None)
    asked = []

    def ask(question):
        asked.append(question)
        answers = (answer(one, Logistic(), intercept, question) for one in chunks)
        return functools.reduce(operator.add, answers)

    table = np.zeros((2, T))
    np.add.at(table, ((data.y > 0).astype(int), CODES), data.weight)
    signs = np.repeat([[-1.0], [1.0]], T, axis=1)
    classes = MultiTaskData(np.zeros((2, D)), signs, table)
    every, scale = np.ones(T, dtype=bool), np.ones(T)
    given = classes, Logistic(), penalty, scale, intercept, None, every, False
    return ChunkedProblem(ask, *given), asked


FREE = np.array([2.0, 0.0, 1.0, np.inf, 1.0])
PENALTIES = [
    L21(0.03),
    L21(1e-4),
    TraceNorm(0.02),
    MeanRegularization(0.01, 0.001),
    InfimalSum(TraceNorm(0.05), L1(0.03)),
    # that leave directions free
    MeanRegularization(0.01, 0.0),
    with_options(L21(0.03), feature_weight=FREE),
    with_options(L21(0.03), feature_weight=FREE, ridge=0.1),
]


def test_moments_of_features_are_those_of_the_rows():
    data, penalty = draw(), L21(0.03)
    rows = Problem(data, Logistic(), penalty, np.ones(T))
    problem, _ = chunked(data, penalty)
    np.testing.assert_allclose(problem.means, rows.means, rtol=1e-12)
    np.testing.assert_allclose(problem.within, rows.within, rtol=1e-12)
    assert chunked(data, penalty, intercept=False)[0].means is None


@pytest.mark.parametrize("rare", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_every_gap_is_above_the_distance_to_the_optimum(penalty, rare):
    data = draw(rare)
    rows = Problem(data, Logistic(), penalty, np.ones(T))
    exact = choose_solver(rows, 10_000, 1e-11).solve(rows)
    lowest = rows.objective(exact.A)
    problem, asked = chunked(data, penalty)
    assert problem.null_value == pytest.approx(rows.null_value, rel=1e-12)
    assert problem.alpha_factor == pytest.approx(rows.alpha_factor, rel=1e-10)
    # from where the curvature is nearly 0, and the first steps are far too long
    rng = np.random.default_rng(1)
    for size in (0.0, 1.0, 30.0):
        if size:
            start = size * rng.normal(size=problem.shape)
            start = problem.penalty.inside(start)
            problem.null, _ = problem._visit(start, np.full(T, size))
        del asked[:]
        seen = []
        found = ProximalNewton(100, 1e-9).solve(problem, None, follow(seen))
        assert found.converged
        for A, gap in seen:
            # with the best intercepts, which are no worse
            assert rows.objective(A) - lowest <= gap + 1e-14
        matrix = problem.penalty.combine(found.A)
        z = np.sum(data.X * matrix.T[CODES], axis=1) + found.intercept[CODES]
        above = Logistic().value(z, data.y, data.weight) + penalty.value(found.A)
        assert above - lowest <= found.gap + 1e-14
        assert size > 0 or len(asked) <= 15
        # any point has a certificate, if not the best one
        problem, asked = chunked(data, penalty)
        gap = problem.certificate(found.A).gap
        assert gap >= rows.objective(found.A) - lowest - 1e-14


def follow(seen):
    return lambda _, A, gap: seen.append((A, gap))


def test_another_penalty_of_the_same_rows():
    data = draw()
    problem, _ = chunked(data, L21(0.03))
    solver = ProximalNewton(100, 1e-9)
    solver.solve(problem)
    penalty = InfimalSum(TraceNorm(0.05), L1(0.03))
    other = solver.solve(problem.with_penalty(penalty))
    fresh = solver.solve(chunked(data, penalty)[0])
    np.testing.assert_array_equal(other.A, fresh.A)
    assert other.gap == fresh.gap


def test_answers_are_sums_over_chunks():
    data = draw()
    penalty = L21(0.03)
    whole, parts = (chunked(data, penalty, n_chunks=n)[0] for n in (1, 5))
    for name in ("means", "targets", "gram", "cross", "square", "weight"):
        one, other = (getattr(problem.null.part, name) for problem in (whole, parts))
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert whole.null.value == pytest.approx(parts.null.value, rel=1e-13)


def test_rows_that_say_nothing():
    # of one task, in which the loss and its derivatives are 0 far from the null model
    data = draw()
    mine = CODES == 2
    data.y[mine] = np.where(data.X[mine, 0] > 1.0, 1.0, -1.0)
    data.X[mine, 0] = 1e4 * data.y[mine]
    penalty = MeanRegularization(1e-3, 1e-3)
    problem, _ = chunked(data, penalty)
    A = np.zeros(problem.shape)
    A[0, 2] = 1.0
    problem.null, _ = problem._visit(A, np.zeros(T))
    assert problem.null.part.weight[2] == 0 < problem.null.part.weight[1]
    rows = Problem(data, Logistic(), penalty, np.ones(T))
    found = ProximalNewton(100, 1e-9).solve(problem)
    assert found.converged
    exact = choose_solver(rows, 1000, 1e-11).solve(rows)
    assert rows.objective(found.A) <= rows.objective(exact.A) + found.gap
