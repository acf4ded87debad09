"""The linear map: against rows centred in extended precision, in every layout."""

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.problem.data import Cells, MultiTaskData
from mtlreg.problem.design import make_design
from mtlreg.problem.rows import predict_rows
from mtlreg.problem.statistics import Statistics
from tests.problems import LAYOUTS, random_data

EPS = np.finfo(float).eps
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
both_centrings = pytest.mark.parametrize("centred", [False, True])


def task_rows(data, n_tasks):
    """(cells of the task, its X dense, its weights) of every task, in float64."""
    X = data.X.toarray() if sp.issparse(data.X) else data.X
    for t in range(n_tasks):
        if data.offsets is None:
            cells = (slice(None), t)
            yield cells, X.astype(np.float64), data.weight[cells]
        else:
            cells = slice(data.offsets[t], data.offsets[t + 1])
            yield cells, X[cells].astype(np.float64), data.weight[cells]


def centred_rows(X, v):
    """X minus its weighted mean, in extended precision."""
    X, v = X.astype(np.longdouble), v.astype(np.longdouble)
    return (X - (v @ X) / v.sum()).astype(np.float64)


def reference(data, centred, n_tasks=3):
    """(cells, rows, v) of every task; v are the weights, as they stand."""
    for cells, X, v in task_rows(data, n_tasks):
        yield cells, (centred_rows(X, v) if centred else X), v


def draw(layout, seed=0, **options):
    """Data, a matrix A and an array over cells, zero in the cells of weight 0."""
    data = random_data("squared", layout, seed=seed, **options)
    rng = np.random.default_rng(seed + 100)
    n_tasks = options.get("n_tasks", 3)
    A = rng.normal(size=(data.X.shape[1], n_tasks))
    return data, A, rng.normal(size=data.y.shape) * (data.weight > 0)


@every_layout
@both_centrings
@pytest.mark.parametrize("seed", range(3))
def test_map_and_adjoint_are_those_of_the_centred_rows(layout, centred, seed):
    data, A, R = draw(layout, seed)
    design = make_design(data, data.weight, centred)
    Z, G = design.predict(A), design.adjoint(R)
    assert Z.shape == data.y.shape
    assert G.shape == A.shape
    for t, (cells, X, v) in enumerate(reference(data, centred)):
        np.testing.assert_allclose(Z[cells], X @ A[:, t], atol=1e-13)
        np.testing.assert_allclose(G[:, t], X.T @ R[cells], atol=1e-12)
        np.testing.assert_allclose(
            design.square_norms[:, t], v @ X**2, rtol=1e-12, atol=0
        )
    assert np.sum(Z * R) == pytest.approx(np.sum(A * G), abs=1e-12 * np.sum(np.abs(G)))
    np.testing.assert_allclose(
        design.task_weights, [v.sum() for *_, v in reference(data, centred)], rtol=1e-14
    )


@every_layout
@both_centrings
def test_gram_is_that_of_the_rows(layout, centred):
    data, *_ = draw(layout)
    design = make_design(data, data.weight, centred)
    other = np.random.default_rng(1).uniform(0.1, 2, data.y.shape)
    for t, (cells, X, v) in enumerate(reference(data, centred)):
        np.testing.assert_allclose(design.gram(t), X.T @ (v[:, None] * X), atol=1e-11)
        chosen = design.select(other, t)
        rows, v_rows = design.rows(t)
        assert rows.shape == (len(chosen), 4)
        assert len(v_rows) == len(chosen)
        # rows of weight 0 may be left out, the others are all there
        assert np.sum(v_rows) == pytest.approx(v.sum())
        held = v > 0
        if len(chosen) == held.sum():
            X, v_other = X[held], other[cells][held]
        else:
            v_other = other[cells]
        X = centred_rows(X, v_other) if centred else X
        expected = X.T @ (v_other[:, None] * X)
        np.testing.assert_allclose(design.gram(t, chosen), expected, atol=1e-11)


@every_layout
@both_centrings
@pytest.mark.parametrize("rows", [7, 150])
def test_grams_are_those_of_the_tasks_one_by_one(layout, centred, rows):
    rng = np.random.default_rng(rows)
    kind, storage = layout.split("-")
    X = rng.normal(0.3, 1, (rows, 4))
    X[: rows // 2, 3] = 2.0  # constant in the first of the stacked tasks
    offsets = np.array([0, rows // 2, rows]) if kind == "stacked" else None
    shape = rows if kind == "stacked" else (rows, 2)
    stored = sp.csr_array(X) if storage == "sparse" else X
    data = MultiTaskData(stored, np.zeros(shape), rng.uniform(0.1, 2, shape), offsets)
    design = make_design(data, data.weight, centred)
    for weight in (None, rng.uniform(0.1, 2, shape)):
        for features in (None, np.array([3, 1])):
            size = 4 if features is None else 2
            grams = np.empty((size, size, 2))
            design.grams(grams, weight, features)
            for t in range(2):
                part = None if weight is None else design.select(weight, t)
                expected = design.gram(t, part, features)
                np.testing.assert_allclose(grams[:, :, t], expected, atol=1e-11)
                np.testing.assert_array_equal(grams[:, :, t] == 0, expected == 0)


@every_layout
def test_centred_predictions_have_weighted_mean_0(layout):
    data, A, _ = draw(layout)
    design = make_design(data, data.weight, True)
    means = design.cells.sum(data.weight * design.predict(A))
    np.testing.assert_allclose(means, 0, atol=1e-12)
    for t, (_, X, v) in enumerate(task_rows(data, 3)):
        np.testing.assert_allclose(design.means[:, t], v @ X / v.sum(), rtol=1e-13)


def shifted(data, means, dtype=np.float64):
    """The data with other means of its columns."""
    X = data.X.toarray() if sp.issparse(data.X) else data.X
    X = (np.round(X, 3) + means).astype(dtype)
    X = sp.csr_array(X) if sp.issparse(data.X) else X
    return MultiTaskData(X, data.y, data.weight, data.offsets)


@every_layout
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mean", [1e2, 1e4, 1e6])
def test_centring_is_exact_at_large_means(layout, weighted, mean):
    data, A, R = draw(layout, weighted=weighted)
    data = shifted(data, np.array([mean, -mean, mean, 0.0]))
    design = make_design(data, data.weight, True)
    Z, G = design.predict(A), design.adjoint(R)
    grams = np.empty((4, 4, 3))
    design.grams(grams)
    largest = design.largest_eigenvalues()
    for t, (cells, rows, v) in enumerate(reference(data, True)):
        np.testing.assert_allclose(Z[cells], rows @ A[:, t], atol=1e-13)
        np.testing.assert_allclose(G[:, t], rows.T @ R[cells], atol=1e-12)
        np.testing.assert_allclose(design.square_norms[:, t], v @ rows**2, rtol=1e-12)
        gram = rows.T @ (v[:, None] * rows)
        np.testing.assert_allclose(design.gram(t), gram, atol=1e-11)
        np.testing.assert_allclose(grams[:, :, t], gram, atol=1e-11)
        assert largest[t] == pytest.approx(np.linalg.eigvalsh(gram)[-1], rel=1e-12)


@pytest.mark.parametrize("layout", ["shared-sparse", "stacked-sparse"])
def test_sparse_rows_of_float32_are_centred_without_rounding(layout):
    data, A, R = draw(layout)
    data = shifted(data, np.array([300.0, -3e3, 3e4, 0.0]), np.float32)
    design = make_design(data, data.weight, True)
    assert design.dtype == np.float32
    Z, G = design.predict(A), design.adjoint(R)
    assert Z.dtype == G.dtype == np.float64
    assert design.predict(A.astype(np.float32)).dtype == np.float32
    assert design.adjoint(R.astype(np.float32)).dtype == np.float32
    for t, (cells, rows, _) in enumerate(reference(data, True)):
        np.testing.assert_allclose(Z[cells], rows @ A[:, t], atol=1e-13)
        np.testing.assert_allclose(G[:, t], rows.T @ R[cells], atol=1e-12)


@pytest.mark.parametrize("layout", ["shared-sparse", "stacked-sparse"])
def test_sparse_columns_near_0_stay_as_they_are(layout):
    data, *_ = draw(layout, n=40)
    assert make_design(data, data.weight, False).X.nnz == data.X.nnz
    for_all = np.array([1e4, 0.0, 0.0, 0.0])
    design = make_design(shifted(data, for_all), data.weight, True)
    full = data.X.shape[0] + data.X[:, 1:].nnz
    assert design.X.nnz == full
    X = data.X if data.offsets is not None else sp.csc_array(data.X)
    data = MultiTaskData(X, data.y, data.weight, data.offsets)
    design = make_design(data, data.weight, True)
    assert np.shares_memory(design.X.data, X.data)


@pytest.mark.parametrize("layout", ["shared-sparse", "stacked-sparse"])
def test_sparse_centring_loses_the_digits_of_the_mean_only(layout):
    data, A, R = draw(layout, n=40)
    X = data.X.copy()
    X.data += 1e6
    data = MultiTaskData(X, data.y, data.weight, data.offsets)
    design = make_design(data, data.weight, True)
    Z, G = design.predict(A), design.adjoint(R)
    for t, (cells, rows, _) in enumerate(reference(data, True)):
        np.testing.assert_allclose(Z[cells], rows @ A[:, t], atol=64 * EPS * 1e6)
        np.testing.assert_allclose(G[:, t], rows.T @ R[cells], atol=512 * EPS * 1e6)


@pytest.mark.parametrize("n", [14, 20_000])
def test_rows_are_the_same_where_tasks_count_differently(n):
    weight = np.random.default_rng(0).random((n, 1)) * np.ones(5)
    weight *= np.array([1.0, 0.7, 1.1, 1 / 3, 1e-6]) / np.sum(weight, axis=0)
    data = MultiTaskData(np.ones((n, 2)), np.zeros(weight.shape), weight)
    assert make_design(data, weight, True).same_rows
    weight[0, 3] *= 1 + 1e-9
    assert not make_design(data, weight, True).same_rows


@pytest.mark.parametrize("kind", ["shared", "stacked"])
@both_centrings
def test_dense_equals_sparse(kind, centred):
    data, A, R = draw(f"{kind}-sparse")
    dense = MultiTaskData(data.X.toarray(), data.y, data.weight, data.offsets)
    sparse_design = make_design(data, data.weight, centred)
    dense_design = make_design(dense, data.weight, centred)
    for method, argument in [("predict", A), ("adjoint", R)]:
        first = getattr(sparse_design, method)(argument)
        second = getattr(dense_design, method)(argument)
        assert isinstance(first, np.ndarray)
        np.testing.assert_allclose(first, second, atol=1e-12)
    for name in ("square_norms", "means", "task_weights"):
        first, second = getattr(sparse_design, name), getattr(dense_design, name)
        np.testing.assert_allclose(first, second, rtol=1e-12)
    np.testing.assert_allclose(
        sparse_design.largest_eigenvalues(), dense_design.largest_eigenvalues(), 1e-12
    )


@both_centrings
@pytest.mark.parametrize("complete", [False, True])
def test_sparse_rows_may_come_by_columns(centred, complete):
    data, A, R = draw("shared-sparse")
    weight = np.ones_like(data.weight) if complete else data.weight
    by_columns = MultiTaskData(sp.csc_array(data.X), data.y, weight)
    first = make_design(data, weight, centred)
    second = make_design(by_columns, weight, centred)
    assert np.shares_memory(second.X.data, by_columns.X.data)
    np.testing.assert_array_equal(first.predict(A), second.predict(A))
    np.testing.assert_array_equal(first.adjoint(R), second.adjoint(R))
    np.testing.assert_array_equal(first.square_norms, second.square_norms)
    A[1:] = 0.0
    np.testing.assert_allclose(
        second.predict(A),
        data.X.toarray()[:, :1] @ A[:1] - second.means[0] * A[0],
        atol=1e-13,
    )


@every_layout
def test_columns_that_are_constant_are_stored_as_0(layout):
    data, *_ = draw(layout, weighted=False)
    X = data.X.toarray() if sp.issparse(data.X) else data.X.copy()
    X[:, 1] = 0.1
    X[: len(X) // 2, 2] = 1e5 / 3
    X = sp.csr_array(X) if sp.issparse(data.X) else X
    data = MultiTaskData(X, data.y, np.ones_like(data.weight), data.offsets)
    design = make_design(data, data.weight, True)
    for t in range(3):
        rows, _ = design.rows(t)
        rows = rows.toarray() if sp.issparse(rows) else rows
        dead = design.square_norms[:, t] == 0
        assert dead[1]
        assert not rows[:, dead].any()
        assert not design.gram(t, features=np.flatnonzero(dead)).any()


@pytest.mark.parametrize("layout", ["shared-dense", "stacked-dense"])
def test_power_bound_is_below_the_largest_eigenvalue_and_near(layout):
    data, A, _ = draw(layout, n=30)
    design = make_design(data, np.ones_like(data.weight), True)
    statistics = Statistics.of_design(design, np.zeros_like(A))
    largest = statistics.largest_eigenvalue()
    bound = statistics.power_bound(50)
    assert 0.99 * largest <= bound <= (1 + 1e-12) * largest
    order, signs = [2, 0, 3, 1], np.array([1.0, -1.0, -1.0, 1.0])
    X = data.X[:, order] * signs
    other = MultiTaskData(X, data.y, data.weight, data.offsets)
    design = make_design(other, np.ones_like(data.weight), True)
    moved = Statistics.of_design(design, np.zeros_like(A)).power_bound(3)
    assert moved == pytest.approx(statistics.power_bound(3), rel=1e-10)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@both_centrings
def test_equal_stacked_blocks_are_a_shared_design(kind, centred):
    data, A, R = draw(f"shared-{kind}")
    blocks = [data.X] * 3
    X = sp.csr_array(sp.vstack(blocks)) if kind == "sparse" else np.vstack(blocks)
    y, weight = data.y.T.ravel(), data.weight.T.ravel()
    stacked = MultiTaskData(X, y, weight, np.arange(4) * data.X.shape[0])
    first = make_design(data, data.weight, centred)
    second = make_design(stacked, weight, centred)
    Z = second.predict(A).reshape(3, -1).T
    np.testing.assert_allclose(first.predict(A), Z, atol=1e-13)
    G = second.adjoint(R.T.ravel())
    np.testing.assert_allclose(first.adjoint(R), G, atol=1e-12)
    np.testing.assert_allclose(first.square_norms, second.square_norms, rtol=1e-12)
    np.testing.assert_allclose(
        first.largest_eigenvalues(), second.largest_eigenvalues(), rtol=1e-12
    )


@every_layout
@both_centrings
def test_a_weight_is_that_many_copies(layout, centred):
    data, A, _ = draw(layout)
    times = np.full(data.X.shape[0], 2)
    times[1::3] = 3
    weight = data.weight * (times if data.y.ndim == 1 else times[:, None])
    design = make_design(data, weight, centred)
    rows = np.repeat(np.arange(len(times)), times)
    offsets = data.offsets
    if offsets is not None:
        offsets = np.searchsorted(rows, offsets)
    copies = MultiTaskData(data.X[rows], data.y[rows], data.weight[rows], offsets)
    other = make_design(copies, copies.weight, centred)
    np.testing.assert_allclose(other.predict(A), design.predict(A)[rows], atol=1e-13)
    np.testing.assert_allclose(other.square_norms, design.square_norms, rtol=1e-12)
    np.testing.assert_allclose(
        other.largest_eigenvalues(), design.largest_eigenvalues(), rtol=1e-12
    )


@every_layout
@both_centrings
def test_user_arrays_stay_as_they_are(layout, centred):
    data, A, R = draw(layout)
    X = data.X.copy()
    arrays = [data.X.data if sp.issparse(data.X) else data.X, data.y, data.weight, A, R]
    for array in arrays:
        array.flags.writeable = False
    design = make_design(data, data.weight, centred)
    design.predict(A)
    design.adjoint(R)
    design.largest_eigenvalues()
    assert abs(data.X - X).max() == 0


@pytest.mark.parametrize("kind", ["shared", "stacked"])
@both_centrings
def test_float32_rows_are_multiplied_in_the_precision_of_the_other(kind, centred):
    """More rows than are taken to float64 at a time."""
    data, A, R = draw(f"{kind}-dense", n=5000, dtype=np.float32)
    assert data.X.dtype == np.float32
    design = make_design(data, data.weight, centred)
    assert design.dtype == np.float32
    Z, G = design.predict(A), design.adjoint(R)
    assert Z.dtype == G.dtype == np.float64
    single = design.predict(A.astype(np.float32)), design.adjoint(R.astype(np.float32))
    for exact, rounded in zip((Z, G), single, strict=True):
        assert rounded.dtype == np.float32
        np.testing.assert_allclose(rounded, exact, atol=1e-4 * np.abs(exact).max())
    for t, (cells, X, v) in enumerate(reference(data, centred)):
        # the rows as they are stored: centred, then rounded to float32
        stored, _ = design.rows(t)
        shift = 0 if design.shift is None else design.shift[:, t]
        rows = stored.astype(np.float64) - shift
        held = v > 0 if len(rows) == np.sum(v > 0) else slice(None)
        np.testing.assert_allclose(rows, X[held], atol=4e-7 * np.abs(X).max())
        # whose rounding is in no product with float64
        np.testing.assert_allclose(Z[cells], X @ A[:, t], atol=1e-13)
        np.testing.assert_allclose(G[:, t], X.T @ R[cells], rtol=1e-11)


@every_layout
def test_a_feature_that_is_constant_in_a_task_is_dead_there(layout):
    """0.1 a hundred thousand times, whose weighted mean is not 0.1."""
    rng, n = np.random.default_rng(0), 100_000
    kind, storage = layout.split("-")
    X = rng.normal(size=(n, 3))
    X[:, 1] = 0.1
    X[:, 2] = 1e6 + 1e-3 * rng.normal(size=n)
    if kind == "stacked":
        X[n // 2 :, 1] = rng.normal(size=n // 2)
    stored = sp.csr_array(X) if storage == "sparse" else X
    offsets = np.array([0, n // 2, n]) if kind == "stacked" else None
    weight = rng.choice([0.3, 0.7, 1.1], n if kind == "stacked" else (n, 2))
    data = MultiTaskData(stored, np.zeros_like(weight), weight, offsets)
    design = make_design(data, weight, True)
    expected = [[0.0, 0.0], [0.0, 0.0 if kind == "shared" else np.nan], [1.0, 1.0]]
    for t, (_, rows, v) in enumerate(reference(data, True, 2)):
        norms = v @ rows**2
        assert (design.square_norms[1, t] == 0) == (expected[1][t] == 0)
        assert design.square_norms[2, t] == pytest.approx(norms[2], rel=1e-6)
        assert design.square_norms[0, t] == pytest.approx(norms[0], rel=1e-12)
    G = design.adjoint(rng.normal(size=weight.shape))
    np.testing.assert_array_equal(G == 0, design.square_norms == 0)


@every_layout
@both_centrings
def test_a_column_of_zeros_is_dead(layout, centred):
    data, A, R = draw(layout)
    X = data.X.toarray() if sp.issparse(data.X) else data.X.copy()
    X[:, 2] = 0
    X = sp.csr_array(X) if sp.issparse(data.X) else X
    data = MultiTaskData(X, data.y, data.weight, data.offsets)
    design = make_design(data, data.weight, centred)
    assert not design.square_norms[2].any()
    assert not design.adjoint(R)[2].any()
    assert np.all(design.square_norms[[0, 1, 3]] > 0)
    assert np.all(np.isfinite(design.predict(A)))


def test_a_task_of_one_row_has_nothing_to_learn_from_but_its_mean():
    X = np.array([[0.1, 3.0], [1.0, 2.0], [2.0, 0.5]])
    for rows in (X, sp.csr_array(X)):
        data = MultiTaskData(rows, np.zeros(3), np.ones(3), np.array([0, 1, 3]))
        design = make_design(data, data.weight, True)
        assert not design.square_norms[:, 0].any()
        assert design.largest_eigenvalues()[0] == 0
        np.testing.assert_allclose(design.predict(np.ones((2, 2)))[0], 0, atol=1e-15)


@every_layout
@both_centrings
@pytest.mark.parametrize("shape", [(30, 5), (6, 40)])
def test_largest_eigenvalues_of_gram_and_kernel(layout, centred, shape):
    n, d = shape
    data, *_ = draw(layout, n=n, d=d)
    design = make_design(data, data.weight, centred)
    found = design.largest_eigenvalues()
    for t, (_, X, v) in enumerate(reference(data, centred)):
        largest = np.linalg.norm(np.sqrt(v)[:, None] * X, 2) ** 2
        assert found[t] == pytest.approx(largest, rel=1e-12)


@pytest.mark.parametrize("layout", ["shared-dense", "stacked-sparse"])
@both_centrings
def test_largest_eigenvalues_of_large_tasks_are_upper_bounds(layout, centred):
    data, *_ = draw(layout, n=1400, d=1010, n_tasks=1)
    design = make_design(data, data.weight, centred)
    ((_, X, v),) = reference(data, centred, 1)
    half = np.sqrt(v)[:, None] * X
    largest = np.linalg.eigvalsh(half.T @ half)[-1]
    (found,) = design.largest_eigenvalues()
    assert largest <= found <= 1.015 * largest


def test_equal_rows_are_decomposed_once_and_scaled():
    data, *_ = draw("shared-dense", weighted=False)
    scale = np.array([0.5, 1.0, 3.0])
    design = make_design(data, data.weight * scale, True)
    assert design.same_rows
    found = design.largest_eigenvalues()
    np.testing.assert_allclose(found / scale, found[1], rtol=1e-13)
    assert found[1] == pytest.approx(np.linalg.eigvalsh(design.gram(1))[-1], rel=1e-13)
    assert not make_design(data, draw("shared-dense")[0].weight, True).same_rows


@pytest.mark.parametrize("kind", ["shared", "stacked"])
@both_centrings
def test_sparse_indices_of_64_bits(kind, centred):
    data, A, R = draw(f"{kind}-sparse")
    X = data.X.copy()
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    wide = MultiTaskData(X, data.y, data.weight, data.offsets)
    first = make_design(data, data.weight, centred)
    second = make_design(wide, data.weight, centred)
    np.testing.assert_array_equal(first.predict(A), second.predict(A))
    np.testing.assert_array_equal(first.adjoint(R), second.adjoint(R))
    np.testing.assert_array_equal(first.square_norms, second.square_norms)
    np.testing.assert_allclose(
        first.largest_eigenvalues(), second.largest_eigenvalues(), rtol=1e-14
    )


@every_layout
def test_cells_reduce_and_spread(layout):
    data, _, R = draw(layout)
    cells = Cells(data.offsets)
    parts = [R[c] for c, *_ in task_rows(data, 3)]
    np.testing.assert_allclose(cells.sum(R), [p.sum() for p in parts], atol=1e-14)
    np.testing.assert_array_equal(cells.max(R), [p.max() for p in parts])
    np.testing.assert_array_equal(cells.min(R), [p.min() for p in parts])
    spread = R + cells.spread(np.array([10.0, 20.0, 30.0]))
    for t, (c, *_) in enumerate(task_rows(data, 3)):
        np.testing.assert_array_equal(spread[c], R[c] + 10 * (t + 1))


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_predict_rows_takes_every_row_to_its_task(storage, dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(20, 4)) * (rng.random((20, 4)) < 0.6)).astype(dtype)
    stored = sp.csr_array(X) if storage == "sparse" else X
    coef, intercept = rng.normal(size=(5, 4)), rng.normal(size=5)
    # task 3 has no rows
    codes = rng.choice([0, 1, 2, 4], 20)
    expected = np.array(
        [coef[t] @ x + intercept[t] for x, t in zip(X, codes, strict=True)]
    )
    found = predict_rows(stored, coef, intercept, codes)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-13)
    single = predict_rows(stored, coef.astype(dtype), intercept.astype(dtype), codes)
    assert single.dtype == dtype
    for order in (codes.argsort(), codes.argsort()[::-1]):
        again = predict_rows(stored[order], coef, intercept, codes[order])
        np.testing.assert_allclose(again, found[order], atol=1e-13)
    none = predict_rows(stored[:0], coef, intercept, codes[:0])
    assert none.shape == (0,)


@every_layout
def test_few_used_features_give_the_same_predictions(layout):
    data, A, _ = draw(layout, d=30)
    A[np.arange(30) % 10 > 0] = 0
    design = make_design(data, data.weight, True)
    Z = design.predict(A)
    for t, (cells, X, _) in enumerate(reference(data, True)):
        np.testing.assert_allclose(Z[cells], X @ A[:, t], atol=1e-12)
    assert not design.predict(np.zeros_like(A)).any()


@pytest.mark.parametrize("n_tasks", [3, 7, 20, 50])
def test_tasks_that_are_alike_weigh_the_same(n_tasks):
    weight = np.random.default_rng(0).random((101, 1))
    data = MultiTaskData(
        np.ones((101, 2)), np.zeros((101, n_tasks)), np.repeat(weight, n_tasks, axis=1)
    )
    design = make_design(data, data.weight / 3.0, False)
    assert np.all(design.task_weights == design.task_weights[0])
    assert design.same_rows


@pytest.mark.parametrize("intercept", [True, False])
def test_tasks_of_sparse_rows_without_an_entry(intercept):
    X = np.zeros((12, 3))
    X[2:] = np.random.default_rng(0).normal(size=(10, 3))
    bounds, y = np.array([0, 1, 2, 7, 12]), np.arange(12.0)
    found = []
    for rows in (sp.csr_array(X), X):
        data = MultiTaskData(rows, y, np.ones(12), bounds)
        found.append(make_design(data, data.weight, intercept).largest_eigenvalues())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    assert not found[0][:2].any()
