"""Gram matrices and norms of many tasks, against one task after the other."""

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.design import make_design
from mtlreg.problem.grams import weighted_gram
from mtlreg.problem.rows import equal_tasks
from tests.problems import LAYOUTS, random_data

N_TASKS = 40
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
both_centrings = pytest.mark.parametrize("centred", [False, True])


def dense_rows(design, t, weight=None):
    """Rows of task t, centred by their weighted mean, times the roots of weights."""
    rows, v = design.rows(t)
    rows = rows.toarray() if sp.issparse(rows) else rows
    v = v if weight is None else design.select(weight, t)
    rows = rows - v @ rows / v.sum() if design.centred else rows
    return np.sqrt(v)[:, None] * rows


@every_layout
@both_centrings
@pytest.mark.parametrize("d", [4, 70])
def test_grams_of_many_tasks(layout, centred, d):
    data = random_data("squared", layout, n_tasks=N_TASKS, d=d)
    design = make_design(data, data.weight, centred)
    other = np.where(data.weight > 0, data.weight + 0.3, 0.0)
    for weight in (None, other):
        for features in (np.arange(d), np.arange(d)[::-2]):
            grams = np.empty((len(features), len(features), N_TASKS))
            design.grams(grams, weight, features)
            for t in range(N_TASKS):
                half = dense_rows(design, t, weight)[:, features]
                np.testing.assert_allclose(grams[:, :, t], half.T @ half, atol=1e-10)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 512, 700])
@pytest.mark.parametrize("features", [None, [4, 0, 2]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gram_of_rows_that_come_in_chunks(n, features, dtype):
    rng = np.random.default_rng(n)
    X, weight = rng.normal(size=(n, 5)).astype(dtype), rng.uniform(0, 2, n)
    features = None if features is None else np.array(features)
    part = (X if features is None else X[:, features]).astype(float)
    # n sums and a few products of terms, whose sizes add up to at most that
    rounding = (n + 4) * np.finfo(float).eps * np.max(weight @ (1 + part**2))
    for rows in (X, sp.csr_array(X)):
        gram, sums = weighted_gram(rows, weight, features)
        assert gram.dtype == sums.dtype == np.float64
        np.testing.assert_allclose(
            gram, part.T @ (weight[:, None] * part), rtol=0, atol=rounding
        )
        np.testing.assert_allclose(sums, part.T @ weight, rtol=0, atol=rounding)


def test_the_smaller_matrix_is_decomposed(monkeypatch):
    sizes = []

    def kept(function):
        def call(matrices):
            sizes.append(matrices.shape[-1])
            return function(matrices)

        return call

    monkeypatch.setattr(np.linalg, "eigvalsh", kept(np.linalg.eigvalsh))
    for layout in LAYOUTS:
        for n, d, smaller in [(6, 30, 6), (40, 5, 5)]:
            for n_tasks in (2, N_TASKS):
                options = {"n": n, "d": d, "n_tasks": n_tasks, "weighted": True}
                data = random_data("squared", layout, **options)
                sizes.clear()
                make_design(data, data.weight, True).largest_eigenvalues()
                # stacked tasks have up to 4 rows more
                assert sizes
                assert all(size <= smaller + 4 for size in sizes)


def test_tasks_with_equal_weights_share_their_gram():
    data = random_data("squared", "shared-dense", n_tasks=N_TASKS)
    weight = np.tile(data.weight[:, :20], (1, 2))
    data = MultiTaskData(data.X, np.zeros_like(weight), weight)
    design = make_design(data, weight, True)
    grams = np.empty((4, 4, N_TASKS))
    design.grams(grams)
    np.testing.assert_array_equal(grams[:, :, :20], grams[:, :, 20:])
    half = dense_rows(design, 3)
    np.testing.assert_allclose(grams[:, :, 23], half.T @ half, atol=1e-11)


@every_layout
@both_centrings
@pytest.mark.parametrize("d", [4, 70])
def test_largest_eigenvalues_of_many_tasks(layout, centred, d):
    data = random_data("squared", layout, n_tasks=N_TASKS, d=d)
    design = make_design(data, data.weight, centred)
    found = design.largest_eigenvalues()
    for t in range(N_TASKS):
        largest = np.linalg.norm(dense_rows(design, t), 2) ** 2
        assert found[t] == pytest.approx(largest, rel=1e-12)


@pytest.mark.parametrize("layout", ["shared-dense", "shared-sparse", "stacked-sparse"])
def test_columns_that_nearly_are_constant_in_many_tasks(layout):
    data = random_data("squared", layout, n_tasks=N_TASKS)
    rng = np.random.default_rng(0)
    X = data.X.toarray() if sp.issparse(data.X) else data.X.copy()
    X[:, 0], X[:, 1] = 0.1, 1e3 + 1e-3 * rng.normal(size=len(X))
    if layout == "shared-dense":
        # the common centre leaves means that many tasks do not vary around
        X[:, 1] = 0.0
        X[:2, 1] = 1.0, -1.0
        data.weight[:2, ::2] = 0.0
    stored = sp.csr_array(X) if layout.endswith("sparse") else X
    data = MultiTaskData(stored, np.zeros_like(data.y), data.weight, data.offsets)
    design = make_design(data, data.weight, True)
    assert not design.square_norms[0].any()
    for t in range(N_TASKS):
        cells = (slice(None), t)
        if data.offsets is not None:
            cells = slice(*data.offsets[t : t + 2])
        rows = X[cells] if data.offsets is not None else X
        v = data.weight[cells].astype(np.longdouble)
        rest = rows - v @ rows / v.sum()
        exact = np.asarray(v @ rest**2, dtype=float)
        np.testing.assert_allclose(design.square_norms[1:, t], exact[1:], rtol=1e-8)


def test_tasks_come_with_those_of_their_size():
    sizes = np.array([3, 1, 3, 0, 1, 3])
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    seen = {}
    row = np.arange(bounds[-1])
    for tasks, rows in equal_tasks(bounds, 4, then=np.array([2, 0, 1, 0, 0, 0])):
        seen[row[rows].shape[1]] = tasks.tolist()
        for t, positions in zip(tasks, row[rows], strict=True):
            np.testing.assert_array_equal(positions, np.arange(*bounds[t : t + 2]))
    assert seen == {0: [3], 1: [1, 4], 3: [5, 2, 0]}
    assert [len(tasks) for tasks, _ in equal_tasks(bounds, 2**18)] == [1] * 6
