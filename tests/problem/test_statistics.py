"""Sufficient statistics in every form, against dense matrices, task by task."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.penalties.factored import Factored
from mtlreg.problem.design import make_design
from mtlreg.problem.statistics import (
    Factors,
    StackedFactors,
    Statistics,
    statistics_pay,
)
from tests.problems import random_data

EPS = np.finfo(float).eps
D, T = 7, 4
SCALE = np.array([0.5, 3.0, 1.0, 2.0])
FORMS = ["stacked", "shared", "alike", "factors", "stacked-factors"]
every_form = pytest.mark.parametrize("form", FORMS)
every_gram = pytest.mark.parametrize("form", ["stacked", "shared", "alike"])


def draw(form, rank=D, seed=0):
    """Statistics, and their H_t as an array (n_tasks, n_features, n_features)."""
    rng = np.random.default_rng(seed)
    moments = rng.normal(size=(D, T))
    # of the tasks one has a single column, another none
    bounds = np.array([0, rank, rank, rank + 1, 2 * rank + 1])
    C = rng.normal(size=(D, bounds[-1] if form == "stacked-factors" else rank))
    if form == "stacked-factors":
        parts = [C[:, slice(*bounds[t : t + 2])] for t in range(T)]
        return StackedFactors(C, bounds), np.array([part @ part.T for part in parts])
    if form == "factors":
        return Factors(C, SCALE), SCALE[:, None, None] * (C @ C.T)
    if form == "stacked":
        C = rng.normal(size=(T, D, rank))
        H = C @ C.swapaxes(1, 2)
        gram = np.ascontiguousarray(np.moveaxis(H, 0, 2))
        return Statistics(gram, None, moments), H
    scale = SCALE if form == "shared" else np.full(T, 1.5)
    return Statistics(C @ C.T, scale, moments), scale[:, None, None] * (C @ C.T)


@every_form
def test_products_are_those_of_the_matrices(form):
    statistics, H = draw(form)
    rng = np.random.default_rng(1)
    A = rng.normal(size=(D, T))
    A[2], A[3, 0] = 0.0, 1.0
    for variable in (A, np.asfortranarray(A)):
        expected = np.einsum("tjk,kt->jt", H, A)
        np.testing.assert_allclose(statistics.multiply(variable), expected, atol=1e-13)
    assert statistics.multiply(A).dtype == np.float64
    np.testing.assert_allclose(
        statistics.stacked(), np.moveaxis(H, 0, 2), rtol=0, atol=1e-13
    )
    diagonal = np.einsum("tjj->jt", H)
    np.testing.assert_allclose(statistics.diagonal(), diagonal, rtol=1e-13)


@every_gram
@pytest.mark.parametrize("rank", [1, 3])
def test_products_with_factors(form, rank):
    statistics, H = draw(form)
    rng = np.random.default_rng(2)
    A = Factored(rng.normal(size=(D, rank)), rng.normal(size=(T, rank)))
    expected = np.einsum("tjk,kt->jt", H, A.array)
    np.testing.assert_allclose(statistics.multiply(A), expected, atol=1e-12)


@every_gram
def test_products_are_in_float64(form):
    statistics, H = draw(form)
    A = np.random.default_rng(3).normal(size=(D, T)).astype(np.float32)
    found = statistics.multiply(A)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.einsum("tjk,kt->jt", H, A), atol=1e-13)


@pytest.mark.parametrize(("used", "gathered"), [(0, True), (3, True), (4, False)])
def test_few_rows_are_gathered(used, gathered):
    # of a matrix that is not symmetric the rows tell themselves from the columns
    gram = np.arange(144.0).reshape(12, 12)
    A = np.zeros((12, 2))
    A[:used] = 1.0
    found = Statistics(gram, np.array([1.0, 2.0]), None).multiply(A)
    expected = (gram.T if gathered else gram) @ A * [1.0, 2.0]
    np.testing.assert_array_equal(found, expected)


@every_gram
def test_restricted_to_features(form):
    statistics, H = draw(form)
    features = np.array([5, 0, 3])
    part = statistics.restrict(features)
    expected = H[:, features][:, :, features]
    np.testing.assert_allclose(part.stacked(), np.moveaxis(expected, 0, 2))
    assert part.moments is None
    # without a copy
    assert statistics.restrict(np.arange(D)).gram is statistics.gram


@every_form
def test_common_matrices(form):
    statistics, _ = draw(form)
    assert statistics.common == (form == "alike")


def test_one_task_has_a_common_matrix():
    assert Statistics(np.eye(2), np.array([3.0]), None).common


@pytest.mark.parametrize("form", ["alike", "factors"])
@pytest.mark.parametrize("rank", [2, D])
def test_shifted_inverse(form, rank):
    statistics, _ = draw(form, rank)
    if form == "factors":
        statistics.scale = np.full(T, 1.7)
    gram = statistics.stacked()[:, :, 0].copy()
    rng = np.random.default_rng(4)
    shift, R = rng.uniform(0.5, 2, D), rng.normal(size=(D, T))
    expected = np.linalg.inv(gram + np.diag(shift))
    inverse, apply = statistics.shifted_inverse(shift)
    np.testing.assert_allclose(inverse, expected, atol=1e-13)
    np.testing.assert_allclose(apply(R), expected @ R, atol=1e-13)
    # neither is written to
    np.testing.assert_array_equal(statistics.stacked()[:, :, 0], gram)


def test_shifted_inverse_of_one_task():
    C, shift = np.arange(1.0, 7.0).reshape(3, 2), np.array([1.0, 0.5, 2.0])
    expected = np.linalg.inv(3 * C @ C.T + np.diag(shift))
    for statistics in (
        Statistics(C @ C.T, np.array([3.0]), None),
        Factors(C, np.array([3.0])),
    ):
        inverse, _ = statistics.shifted_inverse(shift)
        np.testing.assert_allclose(inverse, expected, atol=1e-13)


@every_gram
@pytest.mark.parametrize("rank", [3, D])
def test_spectra(form, rank):
    statistics, H = draw(form, rank)
    values, vectors, moments = statistics.spectra
    assert values.shape == moments.shape == (T, D)
    assert vectors.shape == (D, T if form == "stacked" else 1, D)
    for t in range(T):
        V = vectors[:, t if form == "stacked" else 0]
        np.testing.assert_allclose(V @ V.T, np.eye(D), atol=1e-13)
        np.testing.assert_allclose((V * values[t]) @ V.T, H[t], atol=1e-12)
        np.testing.assert_allclose(moments[t], V.T @ statistics.moments[:, t])
        # what rounding leaves of a zero is one
        assert np.count_nonzero(values[t]) == rank
    assert values.min() >= 0


@pytest.mark.parametrize("scale", [None, np.array([1.0, 4.0])])
def test_rounding_of_a_zero_eigenvalue(scale):
    # 10 d eps of the largest; of diagonal matrices the eigenvalues are exact
    limit = 10 * 5 * EPS
    diagonal = np.array([1.0, 0.5, 1.05 * limit, limit, -limit])
    gram = np.diag(diagonal)
    gram = gram if scale is not None else np.stack([gram, 4 * gram], axis=2)
    values, *_ = Statistics(gram, scale, np.zeros((5, 2))).spectra
    kept = np.array([0.0, 0.0, 1.05 * limit, 0.5, 1.0])
    np.testing.assert_array_equal(values, [kept, 4 * kept])


@every_gram
def test_means_compressions_and_largest_eigenvalues(form):
    statistics, H = draw(form)
    U = np.linalg.qr(np.random.default_rng(5).normal(size=(D, 3)))[0]
    np.testing.assert_allclose(statistics.mean(), H.mean(axis=0), atol=1e-13)
    np.testing.assert_allclose(statistics.compressed(U), U.T @ H @ U, atol=1e-13)
    largest = np.linalg.eigvalsh(H)[:, -1].max()
    assert statistics.largest_eigenvalue() == pytest.approx(largest, rel=1e-13)


def power_method(H, n_steps):
    """The largest Rayleigh quotient after so many steps from the longest columns."""
    bounds = []
    for matrix in H:
        v = matrix[:, np.diag(matrix).argmax()]
        for _ in range(n_steps - 1):
            v = matrix @ v
        bounds.append(v @ matrix @ v / (v @ v) if v.any() else 0.0)
    return max(bounds)


@every_gram
@pytest.mark.parametrize("size", [1.0, 1e-150, 1e150])
def test_power_bound(form, size):
    statistics, H = draw(form)
    statistics = Statistics(size * statistics.gram, statistics.scale, None)
    for n_steps in (1, 2, 5):
        expected = size * power_method(H, n_steps)
        assert statistics.power_bound(n_steps) == pytest.approx(expected, rel=1e-12)
    # far from the limit still
    assert statistics.power_bound() == statistics.power_bound(10)
    assert statistics.power_bound(11) > statistics.power_bound()


def test_power_bound_of_tasks_without_variation():
    gram = np.zeros((3, 3, 2))
    gram[:, :, 1] = np.diag([1.0, 4.0, 2.0])
    assert Statistics(gram, None, None).power_bound() == 4.0
    assert Statistics(0 * gram, None, None).power_bound() == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_image_and_adjoint_of_stacked_factors(dtype):
    statistics, _ = draw("stacked-factors")
    factor, bounds = statistics.factor, statistics.bounds
    statistics = StackedFactors(factor.astype(dtype), bounds)
    rng, rounding = np.random.default_rng(6), 16 * np.finfo(dtype).eps
    A = rng.normal(size=(D, T)).astype(dtype)
    A[1], A[4] = 0.0, 1.0
    r = rng.normal(size=factor.shape[1]).astype(dtype)
    parts = [slice(*bounds[t : t + 2]) for t in range(T)]
    image = [factor[:, part].T @ A[:, t] for t, part in enumerate(parts)]
    adjoint = [factor[:, part] @ r[part] for part in parts]
    for found, expected in [
        (statistics.image(A), np.concatenate(image)),
        (statistics.adjoint(r), np.stack(adjoint, axis=1)),
        (statistics.diagonal(), np.einsum("tjj->jt", draw("stacked-factors")[1])),
    ]:
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=rounding, atol=8 * rounding)
    assert statistics.stacked().dtype == dtype


@pytest.mark.parametrize("layout", ["shared-dense", "shared-sparse", "stacked-dense"])
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_of_a_design(layout, weighted):
    data = random_data("squared", layout, weighted=weighted)
    v = data.weight * data.cells.spread(np.array([1.0, 0.5, 2.0]))
    design = make_design(data, v, True)
    moments = np.ones((4, 3))
    statistics = Statistics.of_design(design, moments)
    assert statistics.moments is moments
    # one matrix where weights are alike but for a factor
    assert (statistics.scale is None) == (not design.same_rows)
    for t in range(3):
        H = statistics.stacked()[:, :, t]
        np.testing.assert_allclose(H, design.gram(t), atol=1e-12)


def rows(kind, n, d, n_tasks, same_rows=False):
    """What is asked of a design whose rows need no memory."""
    return SimpleNamespace(
        n_features=d,
        n_tasks=n_tasks,
        same_rows=same_rows,
        cells=SimpleNamespace(offsets=None if kind == "shared" else np.array([0, n])),
        X=np.broadcast_to(0.0, (n, d)),
    )


@pytest.mark.parametrize(
    ("design", "least"),
    [
        # building takes n d^2 of one matrix, n d^2 T of one a task, over the saved
        # 2 n d T - d^2 T of an iteration
        (rows("shared", 2, 2, 1, same_rows=True), 8 / 4),
        (rows("shared", 6, 3, 5, same_rows=True), 54 / 135),
        (rows("shared", 6, 4, 5), 480 / 160),
        # all rows n of all tasks: n d^2 over 2 n d - d^2 T
        (rows("stacked", 10, 3, 4), 90 / 24),
        (rows("stacked", 8, 4, 3), 128 / 16),
    ],
)
def test_statistics_pay_from_so_many_products_on(design, least):
    for n_products in range(12):
        assert statistics_pay(design, n_products) == (n_products >= least)


def test_statistics_of_sparse_rows_pay_by_their_entries():
    design = rows("stacked", 10, 3, 4)
    # one a row: 90 / (2 * 30 - 36)
    design.X = sp.csr_array(np.kron(np.ones((10, 1)), np.eye(3)))
    assert [statistics_pay(design, n) for n in (3, 4)] == [False, True]
    design.X = design.X[:-1]
    # 87 / (2 * 29 - 36)
    assert [statistics_pay(design, n) for n in (3, 4)] == [False, True]
    design.X = design.X[:22]
    # 66 / (44 - 36)
    assert [statistics_pay(design, n) for n in (8, 9)] == [False, True]


def test_statistics_pay_while_they_fit_into_memory():
    # n = 1000 d, so that any number of products pays
    def pays(d, n_tasks, n_kept=None, **options):
        kept = {} if n_kept is None else {"n_kept": n_kept}
        design = rows("shared", 1000 * d, d, n_tasks, **options)
        return statistics_pay(design, 10**9, **kept)

    # 2^30 bytes are 2^27 numbers: 8 matrices of 2^12 features
    d = 2**12
    assert pays(d, 8)
    assert not pays(d, 9)
    assert not pays(d + 1, 8)
    assert pays(d, 9, same_rows=True)
    assert pays(d, 4, n_kept=2)
    assert not pays(d, 3, n_kept=3)
    assert not pays(2 * d, 3)
