"""What every task gains by sharing, with the error of it."""

from dataclasses import dataclass

import numpy as np

from mtlreg.plotting._axes import (
    DARK,
    MARK,
    add_legend,
    axes_of,
    check_matplotlib,
    label_places,
    of_tasks,
)


@dataclass(eq=False, repr=False)
class TransferGainDisplay:
    """Gains of the tasks, in order, with one standard error to both sides.

    Tasks that are flagged have a marker and a colour of their own, and their labels go
    before others where not all fit. Tasks whose gain is not known are left out.

    Parameters
    ----------
    tasks : array-like of shape (n_tasks,)
    gain, error : ndarray of shape (n_tasks,)
    flagged : ndarray of bool, shape (n_tasks,)
    name : str, default="gain"
        What the gain is.
    flag : str, default="flagged"
        What the flag says.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    errorbar_ : matplotlib ErrorbarContainer
    points_, flagged_points_ : matplotlib Line2D
    order_ : ndarray of int
        Positions of the tasks that are shown, the least gain first, at the bottom.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.plotting import TransferGainDisplay
    >>> display = TransferGainDisplay(
    ...     ["a", "b", "c"],
    ...     np.array([0.1, -0.2, 0.3]),
    ...     np.array([0.05, 0.05, 0.1]),
    ...     np.array([False, True, False]),
    ... ).plot()
    >>> display.order_
    array([1, 0, 2])
    """

    tasks: np.ndarray
    gain: np.ndarray
    error: np.ndarray
    flagged: np.ndarray
    name: str = "gain"
    flag: str = "flagged"

    @classmethod
    def from_report(cls, report, *, baseline=None, ax=None):
        """Draw the gains of a `mtlreg.inspection.TransferReport`.

        Parameters
        ----------
        report : TransferReport
        baseline : str, optional
            By default the first one, against which tasks are flagged.
        ax : matplotlib Axes, optional

        Returns
        -------
        TransferGainDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_report")
        gain, error, _ = report.gains(baseline)
        score = report.score
        return cls(
            report.tasks,
            gain,
            error,
            report.negative_transfer,
            f"gain in {score} on {baseline or report.baselines[0]} fits",
            f"loses on {report.baselines[0]} fits (false discovery rate "
            f"{report.level:g})",
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
        gain, error = np.asarray(self.gain), np.asarray(self.error)
        order = np.argsort(gain, kind="stable")
        self.order_ = order = order[np.isfinite(gain[order])]
        n_shown, flagged = len(order), np.asarray(self.flagged)[order]
        height = float(np.clip(1.5 + 0.2 * n_shown, 2.6, 9.0))
        self.ax_ = ax = axes_of(self, ax, (6.4, height))
        self.figure_ = ax.figure
        places, gain = np.arange(n_shown), gain[order]
        known = np.isfinite(error[order])
        many = n_shown > 60
        ax.axvline(0.0, color=DARK, linewidth=0.8)
        self.errorbar_ = ax.errorbar(
            gain[known],
            places[known],
            xerr=error[order][known],
            fmt="none",
            ecolor="#7a7a7a",
            elinewidth=0.6 if many else 1.2,
        )
        style = {"linestyle": "", "markersize": 3 if many else 6}
        (self.points_,) = ax.plot(
            gain[~flagged],
            places[~flagged],
            marker="o",
            markeredgecolor=DARK,
            markerfacecolor="white",
            label="gain and its standard error",
            **style,
        )
        (self.flagged_points_,) = ax.plot(
            gain[flagged],
            places[flagged],
            marker="X",
            color=MARK,
            markeredgecolor=DARK,
            markeredgewidth=0.5,
            label=self.flag if flagged.any() else "_no task",
            linestyle="",
            markersize=1.5 * style["markersize"],
        )
        ax.set(xlabel=self.name, ylim=(-0.7, max(n_shown, 1) - 0.3))
        left_out = len(self.tasks) - n_shown
        more = f" ({left_out} without a gain left out)" if left_out else ""
        ax.set_ylabel(of_tasks(n_shown) + more)
        shown = [self.tasks[t] for t in order]
        label_places(ax.yaxis, shown, np.flatnonzero(flagged).tolist())
        ax.xaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
        add_legend(ax)
        return self
