"""Paths and scores against the strength: what is drawn, and what is marked."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from mtlreg import (
    DirtyModelRegressor,
    GroupLassoClassifierCV,
    GroupLassoRegressor,
    GroupLassoRegressorCV,
    MeanRegularizedRegressorCV,
    regularization_path,
)
from mtlreg.datasets import (
    make_multitask_classification,
    make_multitask_regression,
)
from mtlreg.plotting import CVCurveDisplay, RegularizationPathDisplay

DATA = make_multitask_regression(
    n_tasks=5, n_features=12, n_informative=3, noise=2.0, random_state=0, as_frame=True
)


def search(cls=GroupLassoRegressorCV, data=DATA, **options):
    options = {"alphas": 12, "task_column": "task"} | options
    return cls(**options).fit(data.X, data.y)


def test_the_path_of_an_estimator():
    model = GroupLassoRegressor(0.3, task_column="task")
    display = RegularizationPathDisplay.from_estimator(model, DATA.X, DATA.y, alphas=8)
    path = regularization_path(model, DATA.X, DATA.y, alphas=8)
    assert len(display.lines_) == 12
    for j, line in enumerate(display.lines_):
        np.testing.assert_array_equal(line.get_xdata(), path.alphas)
        expected = np.sqrt(np.sum(path.coef[:, :, j] ** 2, axis=1))
        np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-12)
    largest = display.norms.max(axis=0)
    assert display.named_.tolist() == np.argsort(-largest)[:6].tolist()
    ax = display.ax_
    assert ax.get_xscale() == "log"
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    names = [f"x{j}" for j in range(12)]
    assert told == [names[j] for j in display.named_] + ["alpha = 0.3"]
    assert set(display.alpha_line_.get_xdata()) == {0.3}
    looks = {
        (str(display.lines_[j].get_linestyle()), display.lines_[j].get_marker())
        for j in display.named_
    }
    assert len(looks) == 6


def test_paths_with_ratios():
    X, y = DATA.X, DATA.y
    model = DirtyModelRegressor(task_column="task")
    path = regularization_path(model, X, y, alphas=4, ratios=[1.2, 1.6])
    display = RegularizationPathDisplay.from_path(path, ratio=1.6)
    np.testing.assert_array_equal(display.alphas, path.alphas[1])
    expected = np.linalg.norm(path.coef[1], axis=1)
    np.testing.assert_array_equal(display.norms, expected)
    assert display.alpha_line_ is None
    with pytest.raises(ValueError, match=r"one of \[1.2, 1.6\], got None"):
        RegularizationPathDisplay.from_path(path)
    plain = regularization_path(model, X, y, alphas=2)
    with pytest.raises(ValueError, match="has no ratios"):
        RegularizationPathDisplay.from_path(plain, ratio=1.2)
    with pytest.raises(TypeError, match="it chooses them"):
        RegularizationPathDisplay.from_estimator(GroupLassoRegressorCV(), X, y)


def test_features_without_a_norm_are_not_named():
    norms = np.outer([0.0, 1.0], [0.0, 2.0, 0.0, 1.0])
    display = RegularizationPathDisplay([2.0, 1.0], norms, list("abcd"), 5.0).plot()
    assert display.named_.tolist() == [1, 3]
    assert display.alpha_line_ is None  # which is outside


@pytest.mark.parametrize("selection", ["min", "one_se"])
def test_the_marks_are_what_a_search_chooses(selection):
    model = search(selection=selection)
    display = CVCurveDisplay.from_estimator(model)
    alpha = {s: search(selection=s).alpha_ for s in ("min", "one_se")}
    assert alpha["min"] < alpha["one_se"]
    assert display.best_.get_xdata() == [alpha["min"]]
    assert display.one_se_.get_xdata() == [alpha["one_se"]]
    assert display.best_.get_marker() != display.one_se_.get_marker()
    chosen = [
        point.get_markerfacecolor() != "white"
        for point in (display.best_, display.one_se_)
    ]
    assert chosen == [selection == "min", selection == "one_se"]
    np.testing.assert_array_equal(display.line_.get_xdata(), model.alphas_)
    np.testing.assert_array_equal(
        display.line_.get_ydata(), model.cv_results_["mean_test_score"]
    )
    folds = model.score_path_[0]
    error = folds.std(axis=1, ddof=1) / np.sqrt(folds.shape[1])
    np.testing.assert_allclose(display.error, error, rtol=1e-10)
    ax = display.ax_
    assert (ax.get_xscale(), ax.get_ylabel()) == ("log", "- mean squared error")
    assert ax.get_xlabel() == "alpha"


def test_lines_of_tasks_meet_at_the_choice():
    model = search()
    display = CVCurveDisplay.from_estimator(model)
    values = np.array([line.get_ydata() for line in display.task_lines_])
    mean, chosen = display.mean, display.chosen
    np.testing.assert_allclose(values[:, chosen], mean[chosen])
    # each with the shape of its own scores
    shapes = np.nanmean(model.task_score_path_[0], axis=1)
    np.testing.assert_allclose(np.diff(values), np.diff(shapes.T), atol=1e-9)
    assert display.task_band_ is None


def test_many_tasks_are_a_band():
    rng = np.random.default_rng(0)
    tasks = rng.normal(size=(4, 300))
    tasks[:, 7] = np.nan  # which no fold has left out
    display = CVCurveDisplay(
        np.array([8.0, 4.0, 2.0, 1.0]), np.zeros(4), np.ones(4), tasks, 1, 0, 1
    ).plot()
    assert display.task_lines_ == []
    found = display.task_band_.get_datalim(display.ax_.transData)
    level = tasks - tasks[1]
    low, high = np.nanquantile(level, [0.1, 0.9], axis=1)
    assert (found.y0, found.y1) == (low.min(), high.max())


def test_other_scorings_have_no_tasks():
    model = search(scoring="r2")
    display = CVCurveDisplay.from_estimator(model)
    assert display.task_scores is None
    assert display.task_lines_ == []
    assert display.ax_.get_ylabel() == "r2"


def test_classifiers_and_several_ratios():
    data = make_multitask_classification(
        n_tasks=3, n_samples=40, n_features=5, as_frame=True, random_state=0
    )
    model = search(GroupLassoClassifierCV, data, alphas=5, l1_ratio=[0.1, 0.9])
    display = CVCurveDisplay.from_estimator(model)
    assert display.ax_.get_ylabel() == "- mean loss"
    row = [0.1, 0.9].index(model.ratio_)
    np.testing.assert_array_equal(display.alphas, model.alphas_[row])
    assert display.alphas[display.chosen] == model.alpha_
    means = model.cv_results_["mean_test_score"].reshape(2, 5)
    np.testing.assert_array_equal(display.mean, means[row])


def test_one_split_has_no_standard_error():
    half = np.arange(len(DATA.y)) % 2 == 0
    split = [(np.flatnonzero(half), np.flatnonzero(~half))]
    display = CVCurveDisplay.from_estimator(search(cv=split, selection="one_se"))
    assert np.isnan(display.error).all()
    assert display.best == display.one_se == display.chosen


def test_what_has_no_scores():
    with pytest.raises(NotFittedError):
        CVCurveDisplay.from_estimator(GroupLassoRegressorCV())
    plain = GroupLassoRegressor(task_column="task").fit(DATA.X, DATA.y)
    with pytest.raises(TypeError, match="GroupLassoRegressor has no scores"):
        CVCurveDisplay.from_estimator(plain)
    found = MeanRegularizedRegressorCV(
        cv="reml", task_weight="proportional", task_column="task"
    ).fit(DATA.X, DATA.y)
    with pytest.raises(TypeError, match="has no scores"):
        CVCurveDisplay.from_estimator(found)
