"""Metrics by task against loops over scikit-learn's."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import metrics as reference
from sklearn.exceptions import DataConversionWarning, UndefinedMetricWarning

from mtlreg.metrics import (
    task_accuracy,
    task_amse,
    task_auc,
    task_explained_variance,
    task_log_loss,
    task_nmse,
    task_r2,
    task_rmse,
    task_rrmse,
)
from tests.datafiles import load_data

N, SIZES = 90, [40, 30, 20]
NAMES = np.array(["b", "c", "a"], dtype=object)
ORDER = np.argsort(NAMES)


def nmse(y, z, sample_weight):
    mean = np.full(len(y), np.average(y, weights=sample_weight))
    return reference.mean_squared_error(
        y, z, sample_weight=sample_weight
    ) / reference.mean_squared_error(y, mean, sample_weight=sample_weight)


def amse(y, z, sample_weight):
    zero = np.zeros(len(y))
    return reference.mean_squared_error(
        y, z, sample_weight=sample_weight
    ) / reference.mean_squared_error(y, zero, sample_weight=sample_weight)


ORACLES = {
    task_rmse: ("numbers", reference.root_mean_squared_error),
    task_rrmse: ("numbers", lambda *given, **named: np.sqrt(nmse(*given, **named))),
    task_r2: ("numbers", reference.r2_score),
    task_nmse: ("numbers", nmse),
    task_amse: ("numbers", amse),
    task_auc: ("scores", reference.roc_auc_score),
    task_log_loss: ("scores", reference.log_loss),
    task_accuracy: ("classes", reference.accuracy_score),
}
every_metric = pytest.mark.parametrize("metric", ORACLES, ids=lambda f: f.__name__)


def targets(kind, shape=N, seed=0):
    """Targets and predictions."""
    rng = np.random.default_rng(seed)
    y, p = rng.normal(size=shape) + 1, rng.random(shape)
    if kind == "numbers":
        return y, y + rng.normal(size=shape)
    y = (rng.random(shape) < 0.5 * p + 0.2).astype(float)
    return y, (p if kind == "scores" else (p > 0.5).astype(float))


def weights(weighted, shape=N):
    if not weighted:
        return None
    return np.random.default_rng(5).integers(0, 4, shape).astype(float)


def check(metric, values, sizes, *args, **kwargs):
    """Compare the raw values of the tasks and their two means."""
    found = metric(*args, multioutput="raw_values", **kwargs)
    np.testing.assert_allclose(found, values, rtol=1e-12)
    mean = metric(*args, **kwargs)
    assert isinstance(mean, float)
    assert mean == pytest.approx(np.mean(values), rel=1e-12)
    by_size = metric(*args, multioutput="size_weighted", **kwargs)
    assert by_size == pytest.approx(np.average(values, weights=sizes), rel=1e-12)


@every_metric
@pytest.mark.parametrize("weighted", [False, True])
def test_tasks_of_rows(metric, weighted):
    kind, oracle = ORACLES[metric]
    y, z = targets(kind)
    tasks = np.random.default_rng(1).permutation(np.repeat(NAMES, SIZES))
    w = weights(weighted)
    each = np.ones(N) if w is None else w
    rows = [np.flatnonzero((tasks == name) & (each > 0)) for name in NAMES[ORDER]]
    values = [oracle(y[i], z[i], sample_weight=each[i]) for i in rows]
    sizes = [each[i].sum() for i in rows]
    check(metric, values, sizes, y, z, tasks=tasks, sample_weight=w)
    check(metric, values, sizes, list(y), list(z), tasks=list(tasks), sample_weight=w)


@every_metric
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("library", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_tasks_in_columns(metric, weighted, library):
    kind, oracle = ORACLES[metric]
    y, z = targets(kind, (N, 3))
    y[np.random.default_rng(1).random(y.shape) < 0.4] = np.nan
    w = weights(weighted, y.shape)
    each = np.ones(y.shape) if w is None else w
    used = ~np.isnan(y) & (each > 0)
    values = [
        oracle(y[i, t], z[i, t], sample_weight=each[i, t]) for t, i in enumerate(used.T)
    ]
    sizes = (each * used).sum(axis=0)
    check(metric, values, sizes, library(y), library(z), sample_weight=w)


@every_metric
def test_weights_are_copies(metric):
    y, z = targets(ORACLES[metric][0])
    tasks, w = np.repeat([0, 1, 2], SIZES), weights(True)
    copies = np.repeat(np.arange(N), w.astype(int))
    for aggregate in ("uniform_average", "size_weighted"):
        assert metric(
            y, z, tasks=tasks, sample_weight=w, multioutput=aggregate
        ) == pytest.approx(
            metric(y[copies], z[copies], tasks=tasks[copies], multioutput=aggregate),
            rel=1e-12,
        )


@every_metric
def test_one_task(metric):
    kind, oracle = ORACLES[metric]
    y, z = targets(kind)
    expected = oracle(y, z, sample_weight=np.ones(N))
    assert metric(y, z) == pytest.approx(expected, rel=1e-12)
    column = y[:, None]
    if kind == "numbers":
        assert metric(column, z[:, None]) == metric(column, z) == metric(y, z)
    else:
        with pytest.warns(DataConversionWarning):
            assert metric(column, z) == metric(y, z)


@pytest.mark.parametrize("weighted", [False, True])
def test_explained_variance(weighted):
    y, z = targets("numbers")
    tasks, w = np.repeat([0, 1, 2], SIZES), weights(weighted)
    y, z = y + 3 * tasks, z + 3 * tasks
    each = np.ones(N) if w is None else w
    mean = np.full(N, np.average(y, weights=each))
    own = np.empty(N)
    for t in range(3):
        own[tasks == t] = np.average(y[tasks == t], weights=each[tasks == t])
    given = {"tasks": tasks, "sample_weight": w}
    within = 1 - each @ (y - z) ** 2 / (each @ (y - own) ** 2)
    overall = 1 - each @ (y - z) ** 2 / (each @ (y - mean) ** 2)
    assert overall > within + 0.1
    found = task_explained_variance(y, z, **given)
    assert found == pytest.approx(within, rel=1e-12)
    found = task_explained_variance(y, z, reference="overall", **given)
    assert found == pytest.approx(overall, rel=1e-12)
    assert overall == pytest.approx(reference.r2_score(y, z, sample_weight=w))


def test_explained_variance_of_columns():
    y, z = targets("numbers", (N, 3))
    found = task_explained_variance(y, z)
    pooled = reference.r2_score(y, z, multioutput="variance_weighted")
    assert found == pytest.approx(pooled, rel=1e-12)
    y[::2, 1] = np.nan
    seen = ~np.isnan(y)
    found = task_explained_variance(y, z, reference="overall")
    assert found == pytest.approx(reference.r2_score(y[seen], z[seen]), rel=1e-12)


def test_a_constant_task_counts_in_the_explained_error():
    y, z, tasks = np.array([0.0, 2.0, 5.0]), np.array([0.0, 2.0, 4.0]), [0, 0, 1]
    assert task_explained_variance(y, z, tasks=tasks) == 0.5


CONSTANT = np.r_[np.full(10, 0.1), np.arange(10.0)]
HALVES = np.repeat(["flat", "steep"], 10)


@pytest.mark.parametrize("metric", [task_r2, task_nmse], ids=lambda f: f.__name__)
def test_constant_targets_are_left_out(metric):
    z = CONSTANT + 0.5
    # the mean of ten times 0.1 is not 0.1 in floating point in every order of summation
    with pytest.warns(UndefinedMetricWarning, match=r"\['flat'\] are left") as caught:
        value = metric(CONSTANT, z, tasks=HALVES)
    assert caught[0].filename == __file__
    assert value == metric(CONSTANT[10:], z[10:])
    raw = metric(CONSTANT, z, tasks=HALVES, multioutput="raw_values")
    np.testing.assert_array_equal(np.isnan(raw), [True, False])
    with pytest.raises(ValueError, match="not defined on any task"):
        metric(CONSTANT[:10], z[:10])
    with pytest.raises(ValueError, match="not defined on any task"):
        metric([1.0, 2.0], [1.0, 2.0], tasks=["one row", "each"])


def test_zero_targets_have_no_amse():
    y, tasks = np.array([0.0, 0.0, 1.0]), [0, 0, 1]
    with pytest.warns(UndefinedMetricWarning, match=r"targets are 0: task\(s\) \[0\]"):
        assert task_amse(y, np.ones(3), tasks=tasks) == 0.0
    with pytest.raises(ValueError, match="not defined on any task"):
        task_amse(np.zeros(3), np.ones(3))


def test_one_class_has_no_auc():
    y, p = np.array([0, 1, 1, 1]), np.array([0.1, 0.9, 0.4, 0.5])
    with pytest.warns(UndefinedMetricWarning, match=r"one class .* \['b'\]"):
        assert task_auc(y, p, tasks=["a", "a", "b", "b"]) == 1.0
    with pytest.raises(ValueError, match="task_auc is not defined on any task"):
        task_auc(y[1:], p[1:])


def test_tasks_without_weight_are_left_out():
    y = np.array([1.0, 2.0, 3.0])
    with pytest.warns(UndefinedMetricWarning, match=r"observed target: task\(s\) \[7"):
        assert task_rmse(y, y + 1, tasks=[7, 8, 8], sample_weight=[0, 1, 1]) == 1.0
    y = np.array([[1.0, np.nan], [2.0, np.nan]])
    with pytest.warns(UndefinedMetricWarning, match=r"task\(s\) \[1\] are left out"):
        assert task_rmse(y, np.zeros((2, 2))) == pytest.approx(np.sqrt(2.5))


def test_predictions_of_cells_that_are_not_observed_do_not_matter():
    y, z = targets("numbers", (N, 3))
    y[::2, 1] = np.nan
    holes = np.where(np.isnan(y), np.nan, z)
    assert task_rmse(y, holes) == task_rmse(y, z)


@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_auc_with_ties(shift):
    rng = np.random.default_rng(0)
    tasks, y = np.repeat([0, 1, 2], SIZES), rng.integers(0, 2, N)
    z, w = np.round(3 * rng.random(N) + y) + shift * tasks, rng.random(N)
    values = [
        reference.roc_auc_score(y[i], z[i], sample_weight=w[i])
        for i in (tasks == t for t in range(3))
    ]
    raw = task_auc(y, z, tasks=tasks, sample_weight=w, multioutput="raw_values")
    np.testing.assert_allclose(raw, values, rtol=1e-12)


def test_log_loss_of_one_class():
    p = np.array([0.5, 0.25, 0.5])
    log2 = np.log(2)
    for one, zero in [(1, 0), (1, -1), (True, False)]:
        y = np.array([one, zero, one])
        raw = task_log_loss(y, p, tasks=[0, 1, 2], multioutput="raw_values")
        np.testing.assert_allclose(raw, [log2, -np.log(0.75), log2])
        assert task_log_loss(y[:1], p[:1]) == pytest.approx(log2)
        assert task_log_loss(y[1:2], p[1:2]) == pytest.approx(-np.log(0.75))
    with pytest.raises(ValueError, match="pass both as labels"):
        task_log_loss(["yes"], [0.25])
    given = {"labels": ["no", "yes"]}
    assert task_log_loss(["yes"], [0.25], **given) == pytest.approx(-np.log(0.25))
    assert task_log_loss(["no"], [0.25], **given) == pytest.approx(-np.log(0.75))


def test_classes_of_every_column():
    y = np.array([["no", 3], ["yes", 4], ["yes", None]], dtype=object)
    p = np.array([[0.2, 0.4], [0.6, 0.7], [0.8, 0.1]])
    first = reference.log_loss([0, 1, 1], p[:, 0])
    second = reference.log_loss([0, 1], p[:2, 1])
    pairs = [["no", "yes"], [3, 4]]
    for labels in (None, pairs):
        raw = task_log_loss(y, p, labels=labels, multioutput="raw_values")
        np.testing.assert_allclose(raw, [first, second], rtol=1e-12)
    swapped = task_auc(y, p, labels=[["no", "yes"], [4, 3]], multioutput="raw_values")
    np.testing.assert_array_equal(swapped, [1.0, 0.0])


def test_probabilities_in_two_columns():
    y, p = targets("scores")
    both = np.column_stack([1 - p, p])
    for metric in (task_auc, task_log_loss):
        assert metric(y, both) == metric(y, p)
    y, p = targets("scores", (N, 2))
    listed = [np.column_stack([1 - q, q]) for q in p.T]
    for metric in (task_auc, task_log_loss):
        assert metric(y, listed) == metric(y, p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_certain_and_wrong(dtype):
    y, p = np.array([1, 0]), np.array([0.0, 0.5], dtype=dtype)
    found = task_log_loss(y, p)
    assert np.isfinite(found)
    assert found == pytest.approx(reference.log_loss(y, p), rel=1e-6)


def test_accuracy_of_many_classes_and_of_text():
    tasks = [0, 0, 1, 1]
    assert task_accuracy([1, 2, 3, 4], [1, 2, 3, 3], tasks=tasks) == 0.75
    y = pd.Series(["u", "v", "w", "u"], dtype="category")
    assert task_accuracy(y, np.array(["u", "v", "w", "w"]), tasks=tasks) == 0.75
    assert task_accuracy([1, 0], [1.0, 0.0]) == task_accuracy([True], [1]) == 1.0


ONES, PAIR = np.ones(4), np.arange(8.0).reshape(4, 2)


@pytest.mark.parametrize(
    ("metric", "arguments", "given", "message"),
    [
        (task_rmse, (None, ONES), {}, "y is None"),
        (task_rmse, (ONES, ONES[:3]), {}, "inconsistent numbers of samples"),
        (task_rmse, (ONES, PAIR), {}, r"shape \(4,\).*prediction has shape \(4, 2\)"),
        (task_rmse, (ONES, list("abcd")), {}, "y_pred must hold numbers: could not"),
        (task_rmse, (ONES, 1j * ONES), {}, "y_pred must hold numbers: Complex"),
        (task_rmse, (ONES, np.ma.array(ONES, mask=ONES)), {}, "y_pred holds NaN"),
        (task_rmse, ([], []), {}, "0 sample"),
        (task_auc, ([], []), {}, "no observed target"),
        (task_auc, ([0, 1], ["a", "b"]), {}, "y_score must hold numbers"),
        (task_rmse, (ONES, ONES), {"tasks": [0, 1]}, "inconsistent numbers"),
        (task_rmse, (PAIR, PAIR), {"tasks": [0, 1, 0, 1]}, "2-D and tasks= is given"),
        (task_rmse, (ONES, ONES), {"tasks": [0, None, 1, 1]}, "missing task labels"),
        (task_rmse, (ONES, ONES * np.nan), {}, "y_pred holds NaN or infinity"),
        (task_rmse, (ONES * np.nan, ONES), {}, "Input y contains NaN"),
        (task_rmse, (ONES * np.inf, ONES), {}, "infinity"),
        (task_rmse, (PAIR * np.nan, PAIR), {}, "no observed target"),
        (task_rmse, (ONES, ONES), {"sample_weight": -ONES}, "negative values"),
        (task_rmse, (ONES, ONES), {"sample_weight": 0 * ONES}, "zero everywhere"),
        (task_rmse, (ONES, ONES), {"multioutput": "macro"}, "multioutput must be one"),
        (task_rmse, (ONES, ONES), {"multioutput": None}, "multioutput must be one"),
        (task_explained_variance, (ONES, ONES), {}, "constant in every task"),
        (
            task_explained_variance,
            (0.1 * ONES[:3], ONES[:3]),
            {"reference": "overall"},
            "constant in all rows",
        ),
        (
            task_explained_variance,
            (ONES, ONES),
            {"reference": "between"},
            r"reference must be one of \['within', 'overall'\]",
        ),
        (task_auc, ([0, 1, 2], ONES[:3]), {}, "has 3 classes"),
        (task_auc, ([0, 1, 1, 0], ONES * np.nan), {}, "y_score holds NaN"),
        (task_auc, ([0, 1], [[1.0, 2, 3]] * 2), {}, "prediction has shape"),
        (task_auc, ([0, 1], [0.0, 1.0]), {"labels": [0, 1, 2]}, "labels has shape"),
        (task_auc, ([0, 1], [0.0, 1.0]), {"labels": [0, 2]}, r"holds \[1\].*labels="),
        (task_auc, ([[0, 1]], [np.ones((1, 2)), np.ones((1, 1))]), {}, r"\[2, 1\]"),
        (task_log_loss, ([0, 1], [0.0, 1.5]), {}, r"outside \[0, 1\]"),
        (task_log_loss, ([0, 1], [-0.5, 0.5]), {}, r"outside \[0, 1\]"),
        (task_accuracy, ([0, 1], ["0", "1"]), {}, "both of one type"),
        (task_accuracy, ([0, 1], [0.3, 0.7]), {}, "Pass what predict returns"),
        (task_accuracy, (PAIR, PAIR * [[np.nan, 1]]), {}, "y_pred has missing"),
        (
            task_rmse,
            (pd.DataFrame({"p": ONES, "q": ONES}), pl.DataFrame({"q": [1], "p": [1]})),
            {},
            "inconsistent numbers",
        ),
        (
            task_rmse,
            (pd.DataFrame({"p": [1], "q": [2]}), pl.DataFrame({"q": [2], "p": [1]})),
            {},
            "Select them in one order",
        ),
    ],
)
def test_refused_input(metric, arguments, given, message):
    with pytest.raises(ValueError, match=message):
        metric(*arguments, **given)


def test_arguments_are_not_written_to():
    y, z = targets("numbers", (N, 3))
    y[::2, 1] = np.nan
    w = np.ones((N, 3))
    for values in (y, z, w):
        values.flags.writeable = False
    assert np.isfinite(task_rmse(y, z, sample_weight=w))


@pytest.mark.data
def test_published_error_of_task_means_on_school():
    school = load_data("school")
    y, tasks = school["y"], school["tasks"]
    errors = []
    for train in school["splits_train"]:
        test = ~train
        means = pd.Series(y[train]).groupby(tasks[train]).mean()
        z, given = means[tasks[test]].to_numpy(), {"tasks": tasks[test]}
        errors.append(task_rmse(y[test], z, **given))
        within = task_explained_variance(y[test], z, **given)
        overall = task_explained_variance(y[test], z, reference="overall", **given)
        assert within < 0.0 < overall
    assert np.mean(errors) == pytest.approx(11.869, abs=0.0005)


def test_errors_over_those_of_the_training_means():
    y, z = targets("numbers")
    tasks = np.repeat(NAMES, SIZES)
    weight = weights(True)
    means = {"a": 0.5, "b": -1.0, "c": 3.0}
    expected = []
    for task in sorted(NAMES):
        held = tasks == task
        error = np.sum(weight[held] * (y[held] - z[held]) ** 2)
        constant = np.sum(weight[held] * (y[held] - means[task]) ** 2)
        expected.append(np.sqrt(error / constant))
    given = {"tasks": tasks, "sample_weight": weight}
    sizes = [weight[tasks == task].sum() for task in sorted(NAMES)]
    for reference_means in (means, [0.5, -1.0, 3.0], pd.Series(means)):
        check(task_rrmse, expected, sizes, y, z, reference=reference_means, **given)
    assert task_rrmse([1.0, 5.0], [1.0, 4.0], reference=[1.0]) == 0.25


@pytest.mark.parametrize(
    ("means", "message"),
    [
        ({"a": 1.0}, r"reference has no entry for the tasks \['b', 'c'\]"),
        ([1.0, 2.0], r"reference has shape \(2,\), but there are 3 tasks"),
        ([1.0, np.nan, 2.0], "reference must be finite, got nan"),
    ],
)
def test_references_are_checked(means, message):
    y, z = targets("numbers")
    with pytest.raises(ValueError, match=message):
        task_rrmse(y, z, tasks=np.repeat(NAMES, SIZES), reference=means)
