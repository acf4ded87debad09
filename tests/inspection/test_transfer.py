"""The transfer report: scores, standard errors, flags, warnings, errors."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import t as student
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mtlreg import (
    GroupLassoRegressorCV,
    MeanRegularizedClassifierCV,
    MeanRegularizedRegressor,
    MeanRegularizedRegressorCV,
)
from mtlreg.datasets import make_multitask_classification, make_multitask_regression
from mtlreg.inspection import TransferReport, transfer_report

SEARCH = MeanRegularizedRegressorCV(alphas=6, cv=3)


def table(structure="mean", n_tasks=5, n_samples=14, **options):
    return make_multitask_regression(
        n_tasks, n_samples, 5, structure=structure, random_state=0, **options
    )


def report_of(losses, ratio=0.25, level=0.1, classifier=False):
    n_tasks = next(iter(losses.values())).shape[1]
    names = tuple(name for name in losses if name != "model")
    return TransferReport(
        np.arange(n_tasks), np.full(n_tasks, 9), losses, names, ratio, level, classifier
    )


def test_scores_are_those_of_a_loop():
    data = table()
    splits = list(KFold(3, shuffle=True, random_state=0).split(data.X))
    model = MeanRegularizedRegressor(0.3, alpha_mean=0.1)
    report = transfer_report(
        model, data.X, data.y, tasks=data.tasks, cv=splits, baselines="independent"
    )
    expected = np.full((3, 5), np.nan)
    for k, (train, test) in enumerate(splits):
        model.fit(data.X[train], data.y[train], tasks=data.tasks[train])
        error = data.y[test] - model.predict(data.X[test], tasks=data.tasks[test])
        for t in range(5):
            own = data.tasks[test] == t
            variance = data.y[data.tasks == t].var()
            if own.any():
                expected[k, t] = np.mean(error[own] ** 2) / variance
    np.testing.assert_allclose(report.losses["model"], expected, rtol=1e-10)
    np.testing.assert_allclose(report.scores["model"], 1 - np.nanmean(expected, axis=0))
    # one strength for all tasks, so that the losses differ from it in that alone
    assert report.losses["independent"].shape == (3, 5)
    assert report.ratio == pytest.approx(0.5, rel=0.05)
    assert report.n_rows.tolist() == [14] * 5


def test_standard_errors_are_those_of_nadeau_and_bengio():
    rng = np.random.default_rng(0)
    losses = {"model": rng.random((6, 4)), "independent": rng.random((6, 4))}
    losses["model"][2, 1] = np.nan
    report = report_of(losses)
    gain, error, p = report.gains()
    for t in range(4):
        d = (losses["independent"] - losses["model"])[:, t]
        d = d[np.isfinite(d)]
        assert gain[t] == pytest.approx(d.mean())
        spread = np.sqrt((1 / len(d) + 0.25) * d.var(ddof=1))
        assert error[t] == pytest.approx(spread)
        assert p[t] == pytest.approx(student.cdf(d.mean() / spread, len(d) - 1))
    mean, error = report.mean_gain()
    d = np.nanmean(losses["independent"] - losses["model"], axis=1)
    assert mean == pytest.approx(d.mean())
    assert error == pytest.approx(np.sqrt((1 / 6 + 0.25) * d.var(ddof=1)))
    with pytest.raises(ValueError, match="baseline must be one of"):
        report.gains("pooled")


def test_baselines_choose_from_as_many_strengths_in_as_many_folds():
    data = table()
    ridge = MeanRegularizedRegressorCV(
        alphas=4, cv=3, ratios=[1.0], intercept_ratios=[0.0]
    )
    report = transfer_report(
        ridge, data.X, data.y, tasks=data.tasks, baselines="independent", n_repeats=1
    )
    losses = report.losses
    np.testing.assert_array_equal(losses["model"], losses["independent"])


def test_flags_hold_the_false_discovery_rate():
    rng = np.random.default_rng(1)
    losses = {"independent": 1.0 + 0.02 * rng.normal(size=(10, 40))}
    losses["model"] = losses["independent"] + 0.02 * rng.normal(size=(10, 40))
    losses["model"][:, :3] += 0.5
    report = report_of(losses)
    assert np.flatnonzero(report.negative_transfer).tolist() == [0, 1, 2]
    assert "It hurts 3 of them: 0, 1, 2 (false discovery rate 0.1)" in str(report)
    losses["model"][:, :3] -= 0.5
    assert not report_of(losses).negative_transfer.any()
    # equal losses are no loss, and a task without rows has none
    losses["model"] = losses["independent"].copy()
    losses["model"][:, 0] = losses["independent"][:, 0] = np.nan
    report = report_of(losses)
    assert not report.negative_transfer.any()
    assert report.n_gaining == 0
    assert "mean over 39 tasks" in report.conclusion
    assert "nan" not in str(report_of({k: v[:, :5] for k, v in losses.items()}))


def test_layouts_say_the_same():
    data = table(as_frame=True)
    X = data.frame.drop(columns="target") if "target" in data.frame else data.X
    by_column = transfer_report(
        SEARCH.set_params(task_column="task"), X, data.y, n_repeats=1, cv=2
    )
    features = X.drop(columns="task")
    SEARCH.set_params(task_column=None)
    by_argument = transfer_report(
        SEARCH, features, data.y, tasks=X["task"].to_numpy(), n_repeats=1, cv=2
    )
    for name, loss in by_column.losses.items():
        np.testing.assert_allclose(by_argument.losses[name], loss, rtol=1e-9)
    sparse_too = transfer_report(
        SEARCH,
        sparse.csr_array(features.to_numpy()),
        data.y,
        tasks=X["task"].to_numpy(),
        n_repeats=1,
        cv=2,
    )
    for name, loss in by_column.losses.items():
        np.testing.assert_allclose(sparse_too.losses[name], loss, rtol=1e-4)


def test_pipelines():
    data = table(as_frame=True)
    last = [name for name in data.X.columns if name != "task"]
    doubled = ColumnTransformer(
        [("twice", FunctionTransformer(lambda X: 2 * X), last)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    search = MeanRegularizedRegressorCV(alphas=6, cv=3, task_column="task")
    found = transfer_report(
        make_pipeline(doubled, search), data.X, data.y, n_repeats=1, cv=2
    )
    twice = data.X.copy()
    twice[last] *= 2
    plain = transfer_report(search, twice, data.y, n_repeats=1, cv=2)
    for name, loss in plain.losses.items():
        np.testing.assert_allclose(found.losses[name], loss, rtol=1e-9)
    grid = GridSearchCV(
        MeanRegularizedRegressor(task_column="task"), {"alpha": [0.1, 1.0]}, cv=2
    )
    found = transfer_report(grid, twice, data.y, n_repeats=1, cv=2)
    plain = transfer_report(grid.estimator, twice, data.y, n_repeats=1, cv=2)
    np.testing.assert_allclose(found.losses["pooled"], plain.losses["pooled"])


def test_columns_of_y():
    data = table(shared_X=True, n_samples=30)
    Y = np.where(np.random.default_rng(0).random(data.y.shape) < 0.2, np.nan, data.y)
    report = transfer_report(SEARCH, data.X, Y, n_repeats=1, cv=3)
    assert report.n_rows.tolist() == np.isfinite(Y).sum(axis=0).tolist()
    assert np.all(report.scores["model"] > 0.3)
    assert np.all(np.isfinite(report.scores["pooled+dummies"]))
    frame = report.to_frame()
    assert list(frame.index) == list(range(5))
    assert frame["gain pooled"].equals(
        pd.Series(report.gains("pooled")[0], frame.index, name="gain pooled")
    )


def test_classifiers():
    data = make_multitask_classification(4, 40, 4, structure="mean", random_state=0)
    splits = list(KFold(2, shuffle=True, random_state=0).split(data.X))
    search = MeanRegularizedClassifierCV(alphas=4, cv=3)
    y = np.where(data.y > 0, "yes", "no")
    report = transfer_report(search, data.X, y, tasks=data.tasks, cv=splits)
    train, test = splits[0]
    search.fit(data.X[train], y[train], tasks=data.tasks[train])
    p = search.predict_proba(data.X[test], tasks=data.tasks[test])[:, 1]
    own = data.tasks[test] == 2
    whole = y[data.tasks == 2] == "yes"
    null = log_loss(whole, np.full(len(whole), whole.mean()))
    expected = log_loss(y[test][own], p[own]) / null
    assert report.losses["model"][0, 2] == pytest.approx(expected, rel=1e-6)
    assert "D2" in report.conclusion
    with pytest.raises(ValueError, match="needs two classes, but y has 3"):
        transfer_report(
            search, data.X, np.arange(len(y)) % 3, tasks=data.tasks, cv=splits
        )


def test_sharing_that_helps_and_sharing_that_hurts():
    data = table(n_tasks=12, n_samples=10)
    report = transfer_report(SEARCH, data.X, data.y, tasks=data.tasks)
    gain, error = report.mean_gain()
    assert gain > 2 * error
    assert report.n_gaining >= 10
    # one slope vector for tasks of opposite sign
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(240, 3)), np.repeat(np.arange(8), 30)
    sign = np.where(tasks == 0, -1.0, 1.0)
    y = sign * X[:, 0] + 0.3 * rng.normal(size=240)
    shared = MeanRegularizedRegressor(1e3, alpha_mean=1e-3)
    report = transfer_report(shared, X, y, tasks=tasks)
    assert report.negative_transfer[0]
    assert "It hurts" in report.conclusion


def test_text_lists_the_ends_of_many_tasks():
    rng = np.random.default_rng(0)
    losses = {"model": rng.random((5, 50)), "independent": rng.random((5, 50))}
    report = report_of(losses)
    lines = str(report).splitlines()
    assert len(lines) == 2 + 1 + 20
    gains = [float(line.split()[4]) for line in lines[3:]]
    assert gains == sorted(gains)
    assert report._repr_html_().count("<tr>") == 21
    assert "loses" not in report._repr_html_() or report.negative_transfer.any()


def test_what_flatters_is_warned_of():
    data = table(n_tasks=3, n_samples=20)
    twice = np.tile(data.X, (2, 1)), np.tile(data.y, 2), np.tile(data.tasks, 2)
    with pytest.warns(UserWarning, match="100% of the rows have a twin"):
        transfer_report(SEARCH, twice[0], twice[1], tasks=twice[2], n_repeats=1, cv=2)
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(300, 2)), np.repeat([0, 1, 2], 100)
    walk = np.concatenate([np.cumsum(rng.normal(size=100)) for _ in range(3)])
    with pytest.warns(UserWarning, match="Give cv= splits by time"):
        transfer_report(SEARCH, X, X[:, 0] + walk, tasks=tasks, n_repeats=1, cv=3)
    order = np.argsort(np.tile(np.arange(100), 3), kind="stable")
    y = (X[:, 0] + rng.normal(size=300))[order]
    splits = TimeSeriesSplit(3)
    report = transfer_report(SEARCH, X[order], y, tasks=tasks[order], cv=splits)
    assert report.losses["model"].shape == (3, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimator": Ridge()}, "Ridge has no task_column"),
        ({"tasks": None}, "there are no tasks: give tasks="),
        ({"baselines": ("pooled", "mean")}, "baselines must name some of"),
        ({"baselines": ()}, "baselines must name some of"),
        ({"level": 1.5}, "level must be between 0 and 1"),
        ({"cv": [(np.arange(10), np.arange(10, 20))]}, "cv gives 1 split"),
        (
            {"estimator": GroupLassoRegressorCV(task_column=0)},
            "tasks= and task_column=0 are both given",
        ),
    ],
)
def test_refused(change, message):
    data = table()
    given = {"estimator": SEARCH, "X": data.X, "y": data.y, "tasks": data.tasks}
    with pytest.raises(ValueError, match=message):
        transfer_report(**(given | change))


def test_rows_with_labels_and_columns_of_y():
    data = table(shared_X=True, n_samples=12)
    with pytest.raises(ValueError, match="is 2-D and rows have labels"):
        transfer_report(SEARCH, data.X, data.y, tasks=np.arange(12) % 3)


def test_warnings_of_small_tasks_name_them():
    data = table()
    names = np.array(["a", "b", "c", "d", "e"], dtype=object)[data.tasks]
    small = np.flatnonzero(names == "e")[2:]
    X, y, names = (np.delete(part, small, axis=0) for part in (data.X, data.y, names))
    with pytest.warns(UserWarning, match=r"task\(s\) \['e'\] have fewer targets"):
        transfer_report(
            SEARCH, X, y, tasks=names, cv=3, n_repeats=1, baselines="pooled"
        )
