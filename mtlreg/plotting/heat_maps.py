"""Heat maps of tasks: their coefficients, and how alike they are."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators._summary import parts_of
from mtlreg.inspection import TaskSimilarity, task_similarity
from mtlreg.plotting._axes import (
    DARK,
    axes_of,
    axis_length,
    check_matplotlib,
    diverging,
    label_places,
    of_tasks,
    panels,
    text_width,
)


@dataclass(eq=False, repr=False)
class CoefficientDisplay:
    """Coefficients as a heat map, tasks by features, like tasks side by side.

    Where the model is a sum of two parts they have a map each, of the same colours.
    Brighter than the grey of 0 is positive, darker is negative, in colour as in grey.

    Parameters
    ----------
    parts : dict of ndarray of shape (n_tasks, n_features)
        By name.
    tasks : array-like of shape (n_tasks,)
    features : array-like of shape (n_features,)
    order : array-like of int, shape (n_tasks,), optional
        Positions of the tasks from top to bottom.

    Attributes
    ----------
    ax_ : matplotlib Axes
    axes_ : ndarray of matplotlib Axes, shape (n_parts,)
        Of the maps: ``ax_``, or inside of it where there are two.
    figure_ : matplotlib Figure
    images_ : list of matplotlib AxesImage
    colorbar_ : matplotlib Colorbar

    Examples
    --------
    >>> from mtlreg import DirtyModelRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.plotting import CoefficientDisplay
    >>> data = make_multitask_regression(n_tasks=4, random_state=0)
    >>> model = DirtyModelRegressor().fit(data.X, data.y, tasks=data.tasks)
    >>> display = CoefficientDisplay.from_estimator(model)
    >>> [ax.get_title() for ax in display.axes_]
    ['shared', 'specific']
    """

    parts: dict
    tasks: np.ndarray
    features: np.ndarray
    order: np.ndarray | None = None

    @classmethod
    def from_estimator(cls, estimator, *, metric="cosine", ax=None, im_kw=None):
        """Draw the coefficients of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of mtlreg
        metric : str, default="cosine"
            By which tasks are alike, see `mtlreg.inspection.task_similarity`.
        ax, im_kw
            Of `plot`.

        Returns
        -------
        CoefficientDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if isinstance(estimator.coef_, dict):
            raise TypeError(
                f"{type(estimator).__name__} has coefficients by several groupings: "
                f"pass those of one to CoefficientDisplay"
            )
        parts = parts_of(estimator)
        if len(parts) > 1:
            del parts["coef"]
        order = task_similarity(estimator, metric).order
        features = estimator.coef_feature_names_
        return cls(parts, estimator.tasks_, features, order).plot(ax, im_kw=im_kw)

    def plot(self, ax=None, *, im_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure.
        im_kw : dict, optional
            For `matplotlib.axes.Axes.imshow`, such as another ``cmap`` or ``vmax``.

        Returns
        -------
        self
        """
        n_parts, n_tasks = len(self.parts), len(self.tasks)
        size = 6.4 + 3.0 * (n_parts - 1), _height(n_tasks)
        self.ax_ = axes_of(self, ax, size)
        self.figure_ = self.ax_.figure
        width = 1.0 / (n_parts + 0.05 * (n_parts - 1))
        lefts = 1.05 * width * np.arange(n_parts)
        self.axes_ = panels(self.ax_, [(left, 0, width, 1) for left in lefts])
        order = np.arange(n_tasks) if self.order is None else np.asarray(self.order)
        largest = max(np.abs(values).max(initial=0.0) for values in self.parts.values())
        colours = {"cmap": diverging(), "vmax": largest or 1.0} | (im_kw or {})
        colours = {"vmin": -colours["vmax"]} | colours
        self.images_ = []
        for axes, (name, values) in zip(self.axes_, self.parts.items(), strict=True):
            self.images_.append(_heat_map(axes, values[order], colours))
            if text_width([name, "feature"], 12) < axis_length(axes.xaxis):
                axes.set_xlabel("feature")
                axes.set_title(name if n_parts > 1 else "", fontsize=12)
        bar = self.figure_.colorbar(self.images_[0], ax=self.ax_, label="coefficient")
        self.colorbar_ = bar
        for axes in self.axes_:
            label_places(axes.xaxis, self.features)
            axes.tick_params(labelleft=axes is self.axes_[0])
        label_places(self.axes_[0].yaxis, np.asarray(self.tasks)[order])
        for axes in self.axes_[1:]:
            axes.set_yticks([])
        like = ", clustered" if self.order is not None else ""
        self.axes_[0].set_ylabel(of_tasks(n_tasks, like))
        return self


@dataclass(eq=False, repr=False)
class TaskSimilarityDisplay:
    """How alike the tasks are: a heat map under the tree of their clustering.

    The tree joins tasks at the average of ``1 - similarity`` between them. Tasks whose
    similarity is not known are hatched, at the end and not in the tree.

    Parameters
    ----------
    similarity : TaskSimilarity
        Of `mtlreg.inspection.task_similarity`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    axes_ : ndarray of matplotlib Axes
        Of the heat map and, from two tasks on, of the tree, both inside of ``ax_``.
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage
    tree_ : matplotlib LineCollection or None
    colorbar_ : matplotlib Colorbar

    Examples
    --------
    >>> from mtlreg import TraceNormRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.plotting import TaskSimilarityDisplay
    >>> data = make_multitask_regression(n_tasks=4, random_state=0)
    >>> model = TraceNormRegressor().fit(data.X, data.y, tasks=data.tasks)
    >>> display = TaskSimilarityDisplay.from_estimator(model)
    >>> display.image_.get_array().shape
    (4, 4)
    """

    similarity: TaskSimilarity

    @classmethod
    def from_estimator(cls, estimator, *, metric="cosine", ax=None, im_kw=None):
        """Draw how alike the tasks of a fitted estimator are.

        Parameters
        ----------
        estimator : fitted estimator of mtlreg
        metric : str, default="cosine"
            See `mtlreg.inspection.task_similarity`.
        ax, im_kw
            Of `plot`.

        Returns
        -------
        TaskSimilarityDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        return cls.from_similarity(
            task_similarity(estimator, metric), ax=ax, im_kw=im_kw
        )

    @classmethod
    def from_similarity(cls, similarity, *, ax=None, im_kw=None):
        """Draw a `TaskSimilarity`.

        Parameters
        ----------
        similarity : TaskSimilarity
        ax, im_kw
            Of `plot`.

        Returns
        -------
        TaskSimilarityDisplay
        """
        return cls(similarity).plot(ax, im_kw=im_kw)

    def plot(self, ax=None, *, im_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure.
        im_kw : dict, optional
            For `matplotlib.axes.Axes.imshow`. By default colours are of -1 to 1 where
            there are similarities below 0, of 0 to 1 else.

        Returns
        -------
        self
        """
        tasks, similarity, order, links = self.similarity
        n_tasks = len(tasks)
        side = _height(n_tasks)
        self.ax_ = axes_of(self, ax, (side + 1.0, side + 0.5))
        self.figure_ = self.ax_.figure
        rectangles = [(0, 0, 1, 0.85), (0, 0.86, 1, 0.14)] if len(links) else [None]
        self.axes_ = panels(self.ax_, rectangles)
        values = similarity[np.ix_(order, order)]
        signed = np.any(values < 0)
        colours = {"vmin": -float(signed), "vmax": 1.0}
        colours |= {"cmap": diverging() if signed else "cividis"} | (im_kw or {})
        self.image_ = _heat_map(self.axes_[0], values, colours)
        bar = self.figure_.colorbar(self.image_, ax=self.ax_, label="similarity")
        self.colorbar_ = bar
        for axis in (self.axes_[0].xaxis, self.axes_[0].yaxis):
            label_places(axis, np.asarray(tasks)[order])
        self.axes_[0].set_ylabel(of_tasks(n_tasks, ", clustered"))
        self.tree_ = None
        if len(links):
            self.tree_ = _draw_tree(self.axes_[1], links, order, n_tasks)
        return self


def _height(n_tasks):
    """Return the inches that suit so many rows."""
    return float(np.clip(3.0 + 0.2 * n_tasks, 4.0, 8.0))


def _heat_map(ax, values, options):
    """Draw values on axes that are hatched where there are none."""
    ax.patch.set(facecolor="white", hatch="////", edgecolor=DARK, linewidth=0)
    shown = np.ma.masked_invalid(np.asarray(values, dtype=float))
    return ax.imshow(shown, **({"aspect": "auto"} | options))


def _draw_tree(ax, links, order, n_tasks):
    """Draw the tree over the places of its leaves."""
    from matplotlib.collections import LineCollection

    lines = tree_lines(links, order)
    tree = ax.add_collection(LineCollection(lines, colors=DARK, linewidths=0.9))
    ax.set(xlim=(-0.5, n_tasks - 0.5), ylim=(0, 1.05 * max(links[:, 2].max(), 1e-12)))
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_visible(False)
    return tree


def tree_lines(links, order):
    """Return the lines of a tree, each from one child up, across, and down.

    Parameters
    ----------
    links : ndarray of shape (n_leaves - 1, 4)
        As of `scipy.cluster.hierarchy.linkage`.
    order : ndarray of int
        Its leaves, positions in ascending order, as they are drawn; then others.

    Returns
    -------
    ndarray of shape (n_leaves - 1, 4, 2)
    """
    n_leaves = len(links) + 1
    # x and height of the leaves, then of the clusters
    x, height = np.zeros((2, 2 * n_leaves - 1))
    x[:n_leaves] = np.argsort(order[:n_leaves])
    lines = np.empty((n_leaves - 1, 4, 2))
    for k, (left, right, top, _) in enumerate(links):
        a, b = int(left), int(right)
        lines[k] = [(x[a], height[a]), (x[a], top), (x[b], top), (x[b], height[b])]
        x[n_leaves + k], height[n_leaves + k] = (x[a] + x[b]) / 2, top
    return lines
