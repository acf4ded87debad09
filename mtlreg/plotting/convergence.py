"""How the duality gap falls while a problem is solved."""

from dataclasses import dataclass

import numpy as np

from mtlreg.estimators.strengths import with_strengths
from mtlreg.plotting._axes import (
    DARK,
    STYLES,
    add_legend,
    axes_of,
    check_matplotlib,
)


@dataclass(eq=False, repr=False)
class ConvergenceDisplay:
    """Duality gaps against iterations, and the gap at which the solver may stop.

    Several can be drawn into the same axes, each in its own line and marker. A gap of
    0, which a logarithmic axis has no place for, is a triangle at the bottom.

    Parameters
    ----------
    iterations : array-like of shape (n_checks,)
    gaps : array-like of shape (n_checks,)
    target : float
    name : str, optional
        What was solved, for the legend.
    gap_name : str, default="duality gap"

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_, target_line_ : matplotlib Line2D
    zeros_ : matplotlib Line2D or None
        Of the gaps that are 0.

    Examples
    --------
    >>> from mtlreg import GroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.plotting import ConvergenceDisplay
    >>> data = make_multitask_regression(random_state=0)
    >>> display = ConvergenceDisplay.from_estimator(
    ...     GroupLassoRegressor(), data.X, data.y, tasks=data.tasks
    ... )
    >>> bool(display.gaps[-1] <= display.target)
    True
    """

    iterations: np.ndarray
    gaps: np.ndarray
    target: float
    name: str | None = None
    gap_name: str = "duality gap"

    @classmethod
    def from_estimator(
        cls, estimator, X, y, sample_weight=None, *, tasks=None, name=None, ax=None
    ):
        """Fit a copy of an estimator and draw the gap of every check.

        Parameters
        ----------
        estimator : estimator of mtlreg
            Fitted or not; it is not changed. With strengths of its own.
        X, y, sample_weight, tasks
            As in its ``fit``.
        name : str, optional
            By default that of its class, and of its solver.
        ax : matplotlib Axes, optional

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        TypeError
            For an estimator that chooses its strengths: it solves many problems.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        fit = with_strengths(estimator)._read_fit(X, y, sample_weight, tasks)
        solution = fit.solver.solve(fit.problem)
        iterations, gaps = np.array(solution.history, dtype=float).T
        if name is None:
            name = f"{type(estimator).__name__}, {type(fit.solver).__name__}"
        convex = fit.problem.penalty.start is None
        return cls(
            iterations,
            gaps,
            fit.problem.gap_target(fit.solver.tol),
            name,
            # of what is not convex the last check is of a convex bound
            "duality gap" if convex else "gap of convex bounds",
        ).plot(ax)

    def plot(self, ax=None, *, line_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default those of a new figure.
        line_kw : dict, optional
            For `matplotlib.axes.Axes.plot` of the gaps.

        Returns
        -------
        self
        """
        self.ax_ = ax = axes_of(self, ax, (6.4, 3.8))
        self.figure_ = ax.figure
        iterations = np.asarray(self.iterations, dtype=float)
        gaps = np.asarray(self.gaps, dtype=float)
        before = [line for line in ax.lines if line.get_gid() == "gaps"]
        color, dashes, marker = STYLES[len(before) % len(STYLES)]
        style = {"color": color, "linestyle": dashes, "marker": marker}
        style |= {"markersize": 4, "markevery": max(len(gaps) // 12, 1)}
        style |= {"label": self.name, "gid": "gaps"} | (line_kw or {})
        shown = np.isfinite(gaps) & (gaps > 0)
        (self.line_,) = ax.plot(iterations[shown], gaps[shown], **style)
        ax.set_yscale("log")
        label = f"target {self.target:.2g}"
        told = label in ax.get_legend_handles_labels()[1]
        self.target_line_ = ax.axhline(
            self.target,
            color=DARK,
            linestyle=(0, (1, 1)),
            label="_told" if told else label,
        )
        self.zeros_ = None
        if np.any(gaps <= 0):
            lowest = min(gaps[shown].min(initial=np.inf), self.target or np.inf)
            bottom = lowest / 10 if np.isfinite(lowest) else 1e-16
            at = iterations[gaps <= 0]
            (self.zeros_,) = ax.plot(
                at,
                np.full(len(at), bottom),
                color=self.line_.get_color(),
                linestyle="",
                marker=11,  # a caret that points down
                label="gap 0",
            )
        ax.set(xlabel="iteration", ylabel=self.gap_name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        add_legend(ax)
        return self
