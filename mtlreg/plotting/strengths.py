"""Curves against the strength of the penalty: norms of features, and scores."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators import regularization_path
from mtlreg.estimators.strengths import with_strengths
from mtlreg.inspection.transfer_gains import mean_known
from mtlreg.plotting._axes import (
    DARK,
    MARK,
    PALE,
    STYLES,
    add_legend,
    axes_of,
    check_matplotlib,
    of_tasks,
    short,
)

_FEW_TASKS = 12  # up to which every task has a line


@dataclass(eq=False, repr=False)
class RegularizationPathDisplay:
    """Norms of the features over the tasks, against the strength.

    The features of the largest norms have lines and markers of their own and are named,
    the others are thin lines.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
    norms : ndarray of shape (n_alphas, n_features)
    features : array-like of shape (n_features,)
    alpha : float, optional
        A strength to mark.
    strength : str, default="alpha"
        Its name.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        Of the features, in their order.
    named_ : ndarray of int
        Positions of the features that are named, the largest norm first.
    alpha_line_ : matplotlib Line2D or None

    Examples
    --------
    >>> from mtlreg import GroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.plotting import RegularizationPathDisplay
    >>> data = make_multitask_regression(n_features=20, random_state=0)
    >>> display = RegularizationPathDisplay.from_estimator(
    ...     GroupLassoRegressor(), data.X, data.y, tasks=data.tasks, alphas=20
    ... )
    >>> len(display.lines_)
    20
    """

    alphas: np.ndarray
    norms: np.ndarray
    features: np.ndarray
    alpha: float | None = None
    strength: str = "alpha"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        sample_weight=None,
        *,
        tasks=None,
        alphas=100,
        eps=1e-3,
        ax=None,
    ):
        """Solve the path of an estimator and draw it, its own strength marked.

        Parameters
        ----------
        estimator : estimator of mtlreg
            Fitted or not; it is not changed. With strengths of its own.
        X, y, sample_weight, tasks, alphas, eps
            As of `mtlreg.regularization_path`.
        ax : matplotlib Axes, optional

        Returns
        -------
        RegularizationPathDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        model = with_strengths(estimator)
        path = regularization_path(
            model, X, y, sample_weight, tasks=tasks, alphas=alphas, eps=eps
        )
        features = model._read(X, y, sample_weight, tasks).feature_names
        strength, alpha = model._strengths[0], model._leading()
        return cls.from_path(
            path, features=features, alpha=alpha, strength=strength, ax=ax
        )

    @classmethod
    def from_path(
        cls,
        path,
        *,
        ratio=None,
        features=None,
        alpha=None,
        strength="alpha",
        ax=None,
    ):
        """Draw what `mtlreg.regularization_path` returns.

        Parameters
        ----------
        path : RegularizationPath
        ratio : float, optional
            Of a path with ``ratios``: which one.
        features : array-like of shape (n_features,), optional
            Names; by default numbers.
        alpha : float, optional
            A strength to mark.
        strength : str, default="alpha"
            What the strengths are called.
        ax : matplotlib Axes, optional

        Returns
        -------
        RegularizationPathDisplay

        Raises
        ------
        ValueError
            If ``ratio`` is not one of those of the path, or missing.
        """
        check_matplotlib(f"{cls.__name__}.from_path")
        alphas, coef = path.alphas, path.coef
        if path.ratios is not None:
            known = np.asarray(path.ratios)
            ratio = known[0] if ratio is None and len(known) == 1 else ratio
            place = np.flatnonzero(known == ratio)
            if len(place) == 0:
                raise ValueError(
                    f"ratio must be one of {known.tolist()}, got {ratio!r}"
                )
            alphas, coef = alphas[place[0]], coef[place[0]]
        elif ratio is not None:
            raise ValueError(f"the path has no ratios, but ratio={ratio!r}")
        norms = np.linalg.norm(coef, axis=1)
        features = np.arange(norms.shape[1]) if features is None else features
        return cls(alphas, norms, features, alpha, strength).plot(ax)

    def plot(self, ax=None, *, n_named=6):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure.
        n_named : int, default=6
            How many features are named; fewer where they are 0 at all strengths.

        Returns
        -------
        self
        """
        self.ax_ = ax = axes_of(self, ax, (6.4, 4.2))
        self.figure_ = ax.figure
        alphas, norms = np.asarray(self.alphas), np.asarray(self.norms)
        largest = norms.max(axis=0)
        order = np.argsort(-largest, kind="stable")[: min(n_named, len(STYLES))]
        self.named_ = order[largest[order] > 0]
        rank = {feature: k for k, feature in enumerate(self.named_)}
        self.lines_ = []
        for j, values in enumerate(norms.T):
            style = {"color": PALE, "linewidth": 0.7, "zorder": 1.5}
            if j in rank:
                color, dashes, marker = STYLES[rank[j]]
                every = max(len(alphas) // 8, 1)
                style = {"color": color, "linestyle": dashes, "linewidth": 1.6}
                # not all lines have theirs at the same strengths
                offset = rank[j] * every // len(STYLES)
                style |= {"marker": marker, "markevery": (offset, every)}
                style |= {"markersize": 5, "label": short(self.features[j])}
            (line,) = ax.plot(alphas, values, **style)
            self.lines_.append(line)
        ax.set(xscale="log", xlabel=self.strength, ylim=(0, None))
        ax.set_ylabel("norm over the tasks")
        self.alpha_line_ = None
        if self.alpha is not None and alphas.min() <= self.alpha <= alphas.max():
            self.alpha_line_ = ax.axvline(
                self.alpha, color=DARK, linestyle=(0, (1, 1)), linewidth=1.2
            )
            self.alpha_line_.set_label(f"{self.strength} = {self.alpha:.3g}")
        handles = [self.lines_[j] for j in self.named_]
        handles += [] if self.alpha_line_ is None else [self.alpha_line_]
        add_legend(ax, handles=handles)
        return self


@dataclass(eq=False, repr=False)
class CVCurveDisplay:
    """Scores of a search against the strength, and the strengths one may choose.

    Of the tasks it shows what the strength means to them: the score of each less its
    score at the chosen strength, so that all go through one point. A task whose curve
    is above it elsewhere would rather have another strength.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
    mean, error : ndarray of shape (n_alphas,)
        Mean score and its standard error over the folds; NaN where it is not known.
    task_scores : ndarray of shape (n_alphas, n_tasks) or None
    best, one_se, chosen : int
        Positions of the best mean score, of the largest strength within a standard
        error of it, and of the one that was chosen.
    score : str, default="score"
        What the scores are.
    strength : str, default="alpha"

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
        Of the mean scores.
    error_ : matplotlib PolyCollection
        One standard error to both sides.
    task_lines_ : list of matplotlib Line2D
        Of each task, if they are few.
    task_band_ : matplotlib PolyCollection or None
        Eight of ten tasks, if they are many.
    best_, one_se_ : matplotlib Line2D
        The points; the one that was chosen is filled.

    Examples
    --------
    >>> from mtlreg import GroupLassoRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.plotting import CVCurveDisplay
    >>> data = make_multitask_regression(n_tasks=5, random_state=0)
    >>> model = GroupLassoRegressorCV(alphas=20).fit(data.X, data.y, tasks=data.tasks)
    >>> display = CVCurveDisplay.from_estimator(model)
    >>> len(display.task_lines_)
    5
    """

    alphas: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    task_scores: np.ndarray | None
    best: int
    one_se: int
    chosen: int
    score: str = "score"
    strength: str = "alpha"

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the scores of a fitted search, at the ratio that it has chosen.

        Parameters
        ----------
        estimator : fitted search of mtlreg, such as `GroupLassoRegressorCV`
        ax : matplotlib Axes, optional

        Returns
        -------
        CVCurveDisplay

        Raises
        ------
        TypeError
            For an estimator that has not searched, such as one with ``cv="reml"``.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if not hasattr(estimator, "task_score_path_"):
            raise TypeError(
                f"{type(estimator).__name__} has no scores of strengths: fit an "
                f"estimator that chooses them by cross-validation, such as "
                f"GroupLassoRegressorCV"
            )
        scores = estimator._scores
        ratio, best = scores.select("min")
        _, one_se = scores.select("one_se")
        _, chosen = scores.select(estimator.selection)
        tasks = None
        # those of tasks are losses, which another scoring does not compare with
        if estimator.scoring is None:
            tasks = mean_known(scores.tasks[ratio], axis=1)
        squared = hasattr(estimator, "mse_path_")
        default = "- mean squared error" if squared else "- mean loss"
        name = estimator.scoring or default
        return cls(
            np.atleast_2d(estimator.alphas_)[ratio],
            scores.means[ratio],
            scores.standard_error(ratio),
            tasks,
            best,
            one_se,
            chosen,
            name if isinstance(name, str) else "score",
            estimator._model_class._strengths[0],
        ).plot(ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure.

        Returns
        -------
        self
        """
        self.ax_ = ax = axes_of(self, ax, (6.4, 4.2))
        self.figure_ = ax.figure
        alphas, mean = np.asarray(self.alphas), np.asarray(self.mean)
        self._plot_tasks(alphas, mean)
        self.error_ = ax.fill_between(
            alphas,
            mean - self.error,
            mean + self.error,
            facecolor=("#56b4e9", 0.5),
            edgecolor=DARK,
            linestyle=":",
            linewidth=0.8,
            label="standard error",
        )
        marker = "." if len(alphas) < 3 else None
        (self.line_,) = ax.plot(
            alphas, mean, color=DARK, linewidth=1.8, marker=marker, label="mean score"
        )
        # they may be one point: the circle is seen inside of the square
        self.one_se_ = self._mark(self.one_se, "s", 11, "within 1 SE", "--")
        self.best_ = self._mark(self.best, "o", 6, "best", "-")
        ax.set(xscale="log", xlabel=self.strength, ylabel=self.score)
        add_legend(ax)
        return self

    def _plot_tasks(self, alphas, mean):
        """Draw the scores of the tasks, level with the mean at the chosen strength."""
        self.task_lines_, self.task_band_ = [], None
        if self.task_scores is None:
            return
        level = self.task_scores - self.task_scores[self.chosen] + mean[self.chosen]
        n_tasks = level.shape[1]
        label = f"{of_tasks(n_tasks)}, shifted"
        if n_tasks <= _FEW_TASKS:
            style = {"color": PALE, "linewidth": 0.8}
            self.task_lines_ = self.ax_.plot(alphas, level, **style)
            self.task_lines_[0].set_label(label)
            return
        low, high = np.nanquantile(level, [0.1, 0.9], axis=1)
        style = {"color": "#d0d0d0", "linewidth": 0, "label": f"10 to 90 % of {label}"}
        self.task_band_ = self.ax_.fill_between(alphas, low, high, **style)

    def _mark(self, index, marker, size, what, dashes):
        """Mark a point of the curve; return the marker."""
        alpha = self.alphas[index]
        self.ax_.axvline(alpha, color=MARK, linestyle=dashes, linewidth=0.8)
        chosen = index == self.chosen
        (point,) = self.ax_.plot(
            [alpha],
            [self.mean[index]],
            linestyle=dashes,
            linewidth=0.8,
            color=MARK,
            marker=marker,
            markersize=size,
            markerfacecolor=MARK if chosen else "white",
            markeredgecolor=DARK,
            label=f"{what}: {self.strength} = {alpha:.3g}{' (chosen)' * chosen}",
            zorder=3,
        )
        return point
