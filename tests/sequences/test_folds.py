"""Parts of the rows: their statistics, merges, problems and losses, by plain numpy."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.losses import LOSSES
from mtlreg.problem import Problem
from mtlreg.problem.data import MultiTaskData
from mtlreg.sequences.folds import HeldOutRows, take_rows, task_totals
from mtlreg.sequences.parts import PartStatistics, one_gram, training_statistics
from tests import oracles
from tests.problems import LAYOUTS, PENALTY_CASES, random_data

every_loss = pytest.mark.parametrize("loss", LOSSES)
both_intercepts = pytest.mark.parametrize("centred", [True, False])
# with weights 0 to 3, and with one weight for all rows (then Gram matrices are shared)
every_data = pytest.mark.parametrize(
    ("layout", "weighted"), [(layout, w) for layout in LAYOUTS for w in (True, False)]
)


def tasks_of(data):
    """(X_t, y_t, w_t) of every task, dense float64."""
    X = data.X.toarray() if sp.issparse(data.X) else data.X
    X = X.astype(np.float64)
    if data.offsets is None:
        return [(X, y, w) for y, w in zip(data.y.T, data.weight.T, strict=True)]
    edges = zip(data.offsets[:-1], data.offsets[1:], strict=True)
    return [(X[a:b], data.y[a:b], data.weight[a:b]) for a, b in edges]


def naive_statistics(data, centred):
    """The fields of `PartStatistics`, the Gram matrices stacked, 0 without rows."""
    tasks = tasks_of(data)
    d, T = data.X.shape[1], len(tasks)
    fields = [np.zeros(s) for s in [(T,), (d, T), (T,), (d, d, T), (d, T), (T,)]]
    weight, means, targets, gram, cross, square = fields
    for t, (X, y, w) in enumerate(tasks):
        weight[t] = w.sum()
        if not weight[t]:
            continue
        if centred:
            means[:, t], targets[t] = w @ X / weight[t], w @ y / weight[t]
        Z, r = X - means[:, t], y - targets[t]
        gram[:, :, t], cross[:, t], square[t] = (
            Z.T @ (w[:, None] * Z),
            Z.T @ (w * r),
            (w @ r**2),
        )
    return fields


def assert_statistics(found, data, centred, rtol=1e-12):
    weight, means, targets, gram, cross, square = naive_statistics(data, centred)
    shared = found.gram.ndim == 2
    stacked = (
        np.repeat(found.gram[:, :, None], len(weight), 2) if shared else found.gram
    )
    size = np.einsum("jjt->jt", gram)
    size = size + weight * means**2  # what centring may cancel
    bound = rtol * (np.sqrt(size[:, None] * size) + 1e-300)
    high = rtol * (np.sqrt(size * square) + 1e-300)
    np.testing.assert_allclose(found.weight, weight, rtol=1e-14)
    np.testing.assert_allclose(found.means, means, rtol=rtol, atol=1e-14)
    np.testing.assert_allclose(found.targets, targets, rtol=rtol, atol=1e-14)
    np.testing.assert_allclose(found.square, square, rtol=rtol, atol=1e-14)
    assert np.all(np.abs(stacked - gram) <= bound)
    assert np.all(np.abs(found.cross - cross) <= high + 1e-14)


def random_masks(data, n_parts, seed=1):
    part = np.random.default_rng(seed).integers(0, n_parts, data.X.shape[0])
    return [part == k for k in range(n_parts)]


def without_first_task(data):
    """A mask of rows that leaves a stacked first task without any."""
    first = data.X.shape[0] if data.offsets is None else data.offsets[1]
    return np.arange(data.X.shape[0]) >= first


@every_data
@both_intercepts
def test_statistics_of_the_rows(layout, weighted, centred):
    data = random_data("squared", layout, weighted=weighted)
    found = PartStatistics.of_data(data, centred)
    shared = layout.startswith("shared")
    assert one_gram(data) == (shared and not weighted)
    assert found.gram.ndim == (2 if shared and not weighted else 3)
    assert_statistics(found, data, centred)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_of_equal_weights_have_equal_gram_matrices(layout):
    data = random_data("squared", layout, n=30)
    if data.offsets is None:
        weight = data.weight.copy()
        weight[:, 2] = weight[:, 0]
        data = replace(data, weight=weight, y=np.where(weight > 0, data.y, 0.0))
    assert_statistics(PartStatistics.of_data(data, True), data, True)


@every_data
@both_intercepts
def test_merging_is_the_statistics_of_both(layout, weighted, centred):
    data = random_data("squared", layout, n=30, weighted=weighted)
    X = data.X + 0 if sp.issparse(data.X) else data.X + 50.0
    data = replace(data, X=X)
    masks = random_masks(data, 2)
    first, second = (PartStatistics.of_data(take_rows(data, m), centred) for m in masks)
    for merged in (first.merge(second), second.merge(first)):
        assert_statistics(merged, data, centred)


@pytest.mark.parametrize("layout", ["stacked-dense", "stacked-sparse"])
@both_intercepts
def test_parts_without_rows_of_a_task(layout, centred):
    data = random_data("squared", layout)
    late = without_first_task(data)
    rest, task = (
        PartStatistics.of_data(take_rows(data, mask), centred) for mask in (late, ~late)
    )
    np.testing.assert_array_equal(rest.weight > 0, [False, True, True])
    np.testing.assert_array_equal(task.weight > 0, [True, False, False])
    assert not rest.gram[:, :, 0].any()
    for merged in (rest.merge(task), task.merge(rest)):
        assert_statistics(merged, data, centred)
    twice = rest.merge(rest)
    assert twice.weight[0] == 0
    assert np.all(np.isfinite(twice.gram))
    coef, intercept = np.ones((2, 3, 4)), np.ones((2, 3))
    assert np.all(rest.losses(coef, intercept)[:, 0] == 0)
    assert np.all(task.losses(coef, intercept)[:, 1:] == 0)


@pytest.mark.parametrize("d", [4, 3])  # 3: the number of tasks
def test_a_column_without_targets_in_a_part(d):
    data = random_data("squared", "shared-dense", weighted=False, d=d)
    early = np.arange(14) < 5
    weight = data.weight.copy()
    weight[early, 1] = 0.0
    data = replace(data, weight=weight, y=np.where(weight > 0, data.y, 0.0))
    first, second = (
        PartStatistics.of_data(take_rows(data, mask), True) for mask in (early, ~early)
    )
    np.testing.assert_array_equal(first.weight, [5, 0, 5])
    # one Gram matrix serves the second part alone
    assert (first.gram.ndim, second.gram.ndim) == (3, 2)
    for merged in (first.merge(second), second.merge(first)):
        assert_statistics(merged, data, True)


@every_data
@both_intercepts
def test_training_parts_are_the_other_rows(layout, weighted, centred):
    data = random_data("squared", layout, n=40, weighted=weighted)
    masks = random_masks(data, 5)
    parts = [PartStatistics.of_data(take_rows(data, m), centred) for m in masks]
    for n_folds in (5, 4):  # the last part may be in no test part
        training = training_statistics(parts, n_folds)
        assert len(training) == n_folds
        for merge, mask in zip(training, masks, strict=False):
            assert_statistics(merge(), take_rows(data, ~mask), centred)


@pytest.mark.parametrize("n_parts", [2, 3])
@pytest.mark.parametrize("outlier", [1.0, 1e8])
@both_intercepts
def test_merging_is_exact_for_a_feature_of_one_part(n_parts, outlier, centred):
    # a difference of sums would leave the rounding of outlier^2
    data = random_data("squared", "stacked-dense", n=40, weighted=False)
    masks = random_masks(data, n_parts)
    X = data.X.copy()
    X[:, 0] = 0.7 if centred else 0.0
    X[masks[0], 0] += outlier * np.random.default_rng(2).normal(size=masks[0].sum())
    data = replace(data, X=X)
    parts = [PartStatistics.of_data(take_rows(data, m), centred) for m in masks]
    for number, merge in enumerate(training_statistics(parts, n_parts)):
        rest = take_rows(data, ~masks[number])
        found = merge()
        assert_statistics(found, rest, centred)
        penalty, ones = PENALTY_CASES["l21"], np.ones(3)
        problem = found.problem(penalty, ones, np.float64)
        exact = Problem(rest, LOSSES["squared"](), penalty, ones, centred)
        dead = exact.square_norms == 0
        np.testing.assert_array_equal(problem.square_norms == 0, dead)
        assert np.all(dead[0]) == (number == 0)
        statistics = problem.term.statistics
        assert not statistics.moments[dead].any()
        if number == 0:
            assert not statistics.gram[0].any()
            assert not statistics.gram[:, 0].any()


PENALTIES = [name for name in PENALTY_CASES if name != "mean-free"]


@every_data
@both_intercepts
@pytest.mark.parametrize("penalty", PENALTIES)
def test_problems_are_those_of_the_rows(layout, weighted, centred, penalty):
    data = random_data("squared", layout, n=30, weighted=weighted)
    penalty, scale = PENALTY_CASES[penalty], np.array([0.5, 1.0, 3.0])
    masks = random_masks(data, 3)
    parts = [PartStatistics.of_data(take_rows(data, m), centred) for m in masks]
    problem = training_statistics(parts, 3)[1]().problem(penalty, scale, np.float64)
    rows = Problem(
        take_rows(data, ~masks[1]), LOSSES["squared"](), penalty, scale, centred
    )
    assert problem.shape == rows.shape
    for name in ("null_value", "alpha_factor", "scale"):
        expected = getattr(rows, name)
        assert getattr(problem, name) == pytest.approx(expected, rel=1e-11)
    np.testing.assert_allclose(problem.square_norms, rows.square_norms, rtol=1e-11)
    rng, F0 = np.random.default_rng(0), rows.null_value
    for size in (0.0, 0.1, 1.0):
        A = size * rng.normal(size=rows.shape)
        found, exact = problem.certificate(A), rows.certificate(A)
        assert found.gap == pytest.approx(exact.gap, rel=1e-9, abs=1e-12 * F0)
        np.testing.assert_allclose(found.intercept, exact.intercept, atol=1e-11)
        assert problem.objective(A) == pytest.approx(rows.objective(A), rel=1e-11)


def naive_losses(data, loss, coef, intercept):
    value, out = oracles.LOSS_ORACLES[loss].value, np.zeros(intercept.shape)
    for t, (X, y, w) in enumerate(tasks_of(data)):
        for point in range(len(coef)):
            out[point, t] = w @ value(y, X @ coef[point, t] + intercept[point, t])
    return out


def random_points():
    """Coefficients (4 points, 3 tasks, 4 features), first 0, and intercepts."""
    rng = np.random.default_rng(3)
    coef = rng.normal(size=(4, 3, 4))
    coef[0], coef[1, :, 2] = 0.0, 0.0
    return coef, rng.normal(size=(4, 3))


@every_loss
@every_data
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_losses_of_rows(loss, layout, weighted, dtype):
    data = random_data(loss, layout, weighted=weighted, dtype=dtype)
    keep = np.random.default_rng(0).random(len(data.y)) < 0.6
    held_out = HeldOutRows(data, keep, LOSSES[loss]())
    part = take_rows(data, keep)
    coef, intercept = random_points()
    expected = naive_losses(part, loss, coef, intercept)
    np.testing.assert_allclose(held_out.losses(coef, intercept), expected, rtol=1e-12)
    weights = [w.sum() for *_, w in tasks_of(part)]
    np.testing.assert_allclose(held_out.weight, weights, rtol=1e-14)


@every_data
@both_intercepts
def test_losses_of_statistics(layout, weighted, centred):
    data = random_data("squared", layout, weighted=weighted)
    part = PartStatistics.of_data(data, centred)
    coef, intercept = random_points()
    intercept *= centred
    expected = naive_losses(data, "squared", coef, intercept)
    # squares of the targets are what cancels
    atol = 1e-13 * part.square.max()
    found = part.losses(coef, intercept)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=atol)


@both_intercepts
def test_losses_of_a_perfect_fit_are_not_negative(centred):
    data = random_data("squared", "stacked-dense", n=40, weighted=False)
    coef, intercept = random_points()
    coef[:], intercept[:] = coef[3], centred * intercept[3]
    y = [X @ coef[0, t] + intercept[0, t] for t, (X, *_) in enumerate(tasks_of(data))]
    part = PartStatistics.of_data(replace(data, y=np.concatenate(y)), centred)
    found = part.losses(coef, intercept)
    assert np.all(found >= 0)
    assert np.all(found <= 1e-13 * part.square)


@every_loss
@pytest.mark.parametrize("layout", ["stacked-dense", "stacked-sparse"])
def test_losses_where_tasks_have_no_rows(loss, layout):
    data = random_data(loss, layout)
    part = take_rows(data, without_first_task(data))
    held_out = HeldOutRows(data, without_first_task(data), LOSSES[loss]())
    coef, intercept = random_points()
    assert held_out.weight[0] == 0
    expected = naive_losses(part, loss, coef, intercept)
    assert not expected[:, 0].any()
    np.testing.assert_allclose(held_out.losses(coef, intercept), expected, rtol=1e-12)


@pytest.mark.parametrize("layout", [*LAYOUTS, "shared-csc"])
def test_rows_are_taken_with_their_tasks(layout):
    name = layout.replace("csc", "sparse")
    data = random_data("squared", name)
    if layout == "shared-csc":
        data = replace(data, X=sp.csc_array(data.X))
    keep = random_masks(data, 2)[0]
    part = take_rows(data, keep)
    assert isinstance(part, MultiTaskData)
    tasks = np.zeros(len(keep), dtype=int)
    if data.offsets is not None:
        tasks = np.repeat(np.arange(3), np.diff(data.offsets))
    dense = data.X.toarray() if sp.issparse(data.X) else data.X
    for t, (X, y, w) in enumerate(tasks_of(part)):
        if data.offsets is None:
            rows, column = keep, (slice(None), t)
        else:
            rows, column = keep & (tasks == t), slice(None)
        np.testing.assert_array_equal(X, dense[rows])
        np.testing.assert_array_equal(y, data.y[column][rows])
        np.testing.assert_array_equal(w, data.weight[column][rows])
        expected = task_totals(data, keep)[t]
        assert w.sum() == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(
        task_totals(data), task_totals(data, keep) + task_totals(data, ~keep)
    )
