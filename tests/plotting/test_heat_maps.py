"""Heat maps: order, signs, parts, trees, and what is not known."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.cluster.hierarchy import dendrogram, linkage
from sklearn.exceptions import NotFittedError

from mtlreg import (
    CrossedMeanRegularizedRegressor,
    DirtyModelRegressor,
    GroupLassoRegressor,
    TraceNormRegressor,
)
from mtlreg.datasets import make_multitask_regression
from mtlreg.inspection import task_similarity
from mtlreg.plotting import CoefficientDisplay, TaskSimilarityDisplay
from mtlreg.plotting.heat_maps import tree_lines

DATA = make_multitask_regression(
    n_tasks=8, n_features=10, as_frame=True, random_state=0
)


@pytest.fixture(scope="module")
def model():
    return TraceNormRegressor(0.1, task_column="task").fit(DATA.X, DATA.y)


def ticks(axis):
    axis.axes.figure.canvas.draw()
    return [label.get_text() for label in axis.get_ticklabels()]


def test_coefficients_are_in_the_order_of_the_clustering(model):
    display = CoefficientDisplay.from_estimator(model)
    order = task_similarity(model).order
    (image,) = display.images_
    np.testing.assert_array_equal(image.get_array(), model.coef_[order])
    assert ticks(display.ax_.yaxis) == [str(task) for task in model.tasks_[order]]
    shown = ticks(display.ax_.xaxis)
    assert set(shown) <= set(model.coef_feature_names_)
    low, high = image.get_clim()
    assert -low == high == np.abs(model.coef_).max()
    assert display.ax_ is display.axes_[0]
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_ylabel() == "8 tasks, clustered"


def test_parts_are_side_by_side_in_the_same_colours():
    model = DirtyModelRegressor(0.5, 0.3, task_column="task").fit(DATA.X, DATA.y)
    _, ax = plt.subplots()
    display = CoefficientDisplay.from_estimator(model, ax=ax)
    assert display.ax_ is ax
    order = task_similarity(model).order
    total = sum(image.get_array() for image in display.images_)
    np.testing.assert_allclose(total, model.coef_[order], atol=1e-12)
    assert [axes.get_title() for axes in display.axes_] == ["shared", "specific"]
    assert len({image.get_clim() for image in display.images_}) == 1
    ticks(display.axes_[0].yaxis)
    left, right = (axes.get_window_extent() for axes in display.axes_)
    assert left.x1 < right.x0
    assert ticks(display.axes_[1].yaxis) == []


def test_options_of_images(model):
    options = {"cmap": "PuOr", "vmax": 3.0}
    display = CoefficientDisplay.from_estimator(model, im_kw=options)
    assert display.images_[0].get_cmap().name == "PuOr"
    assert display.images_[0].get_clim() == (-3.0, 3.0)


def test_no_coefficient_at_all():
    display = CoefficientDisplay(
        {"coef": np.zeros((2, 3))}, ["a", "b"], range(3)
    ).plot()
    assert display.images_[0].get_clim() == (-1.0, 1.0)
    assert display.ax_.get_ylabel() == "2 tasks"


@pytest.mark.parametrize("n", [2, 7, 40])
def test_the_tree_is_that_of_scipy(n):
    links = linkage(np.random.default_rng(n).normal(size=(n, 3)), "average")
    found = dendrogram(links, no_plot=True)
    expected = np.stack([(np.array(found["icoord"]) - 5) / 10, found["dcoord"]], axis=2)
    lines = tree_lines(links, np.array(found["leaves"]))
    key = lambda part: sorted(map(tuple, np.round(part.reshape(-1, 8), 9)))  # noqa: E731
    assert key(lines) == key(expected)


def test_similarities_with_their_tree(model):
    display = TaskSimilarityDisplay.from_estimator(model, metric="correlation")
    found = task_similarity(model, "correlation")
    expected = found.similarity[np.ix_(found.order, found.order)]
    np.testing.assert_array_equal(display.image_.get_array(), expected)
    labels = [str(task) for task in model.tasks_[found.order]]
    heat, tree = display.axes_
    assert ticks(heat.yaxis) == labels
    assert display.image_.get_clim() == (-1.0, 1.0)
    assert len(display.tree_.get_segments()) == len(found.linkage)
    # its leaves stand over their columns
    assert tree.get_xlim() == heat.get_xlim()
    heat, tree = heat.get_window_extent(), tree.get_window_extent()
    np.testing.assert_allclose([tree.x0, tree.x1], [heat.x0, heat.x1])
    assert tree.y0 >= heat.y1
    subspace = TaskSimilarityDisplay.from_estimator(model, metric="subspace")
    assert subspace.image_.get_clim() == (0.0, 1.0)


def test_tasks_without_a_similarity_are_hatched_at_the_end(model):
    found = task_similarity(model)
    alone = TraceNormRegressor(0.1, task_column="task").fit(DATA.X, DATA.y)
    alone.coef_[3] = 0.0
    display = TaskSimilarityDisplay.from_similarity(task_similarity(alone))
    shown = display.image_.get_array()
    assert shown.mask[-1].all()
    assert not shown.mask[:-1, :-1].any()
    assert display.axes_[0].patch.get_hatch()
    assert len(display.tree_.get_segments()) == len(found.linkage) - 1
    leaves = np.array(display.tree_.get_segments())[:, [0, 3], 0]
    assert leaves.max() <= len(alone.tasks_) - 2


def test_one_task():
    X, y = DATA.X.drop(columns="task"), DATA.y
    model = GroupLassoRegressor(0.1).fit(X, y, tasks=np.full(len(y), "only"))
    display = CoefficientDisplay.from_estimator(model)
    assert ticks(display.ax_.yaxis) == ["only"]
    assert display.ax_.get_ylabel() == "1 task"
    alike = TaskSimilarityDisplay.from_estimator(model)
    assert alike.tree_ is None
    assert alike.image_.get_array().tolist() == [[1.0]]
    assert list(alike.axes_) == [alike.ax_]


def test_what_has_no_coefficients_of_tasks():
    for display in (CoefficientDisplay, TaskSimilarityDisplay):
        with pytest.raises(NotFittedError):
            display.from_estimator(GroupLassoRegressor())
    table = DATA.X.assign(other=np.arange(len(DATA.y)) % 3)
    crossed = CrossedMeanRegularizedRegressor(
        ["task", "other"], alpha=1.0, alpha_intercept=1.0
    ).fit(table, DATA.y)
    with pytest.raises(TypeError, match="several groupings"):
        CoefficientDisplay.from_estimator(crossed)
