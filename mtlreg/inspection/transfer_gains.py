"""Gains of sharing by task, with their standard errors, as numbers and in words."""

import html
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr
from scipy.stats import false_discovery_control

from mtlreg.inputs.frames import listed

_MANY_TASKS = 20  # of which the text lists those that gain or lose most


@dataclass(frozen=True)
class TransferReport:
    """What `transfer_report` found; its text and HTML say it in words.

    Attributes
    ----------
    tasks : ndarray of shape (n_tasks,)
    n_rows : ndarray of shape (n_tasks,)
        Observed targets.
    losses : dict of ndarray of shape (n_splits, n_tasks)
        Over that of the best constant, by "model" and baseline; NaN for a task without
        rows in the test part.
    baselines : tuple of str
    ratio : float
        Rows of a test part over those of a training part, the mean of all splits.
    level : float
    classifier : bool
    """

    tasks: np.ndarray
    n_rows: np.ndarray
    losses: dict
    baselines: tuple
    ratio: float
    level: float
    classifier: bool

    @property
    def score(self):
        """What the scores are, "R2" or "D2"."""
        return "D2" if self.classifier else "R2"

    @property
    def scores(self):
        """R2 or D2 of every task, the mean over the splits, by model and baseline."""
        return {name: 1.0 - mean_known(loss) for name, loss in self.losses.items()}

    def gains(self, baseline=None):
        """Return gain, standard error and p-value of a loss, each of shape (n_tasks,).

        Parameters
        ----------
        baseline : str, optional
            The first one by default.
        """
        return _corrected(self._differences(baseline), self.ratio)

    def mean_gain(self, baseline=None):
        """Return the mean gain of the tasks, and its standard error."""
        differences = mean_known(self._differences(baseline), axis=1)
        gain, error, _ = _corrected(differences[:, None], self.ratio)
        return float(gain[0]), float(error[0])

    def _differences(self, baseline):
        name = self.baselines[0] if baseline is None else baseline
        if name not in self.baselines:
            raise ValueError(f"baseline must be one of {self.baselines}, got {name!r}")
        return self.losses[name] - self.losses["model"]

    @property
    def negative_transfer(self):
        """Which tasks lose against the first baseline, at the false discovery rate."""
        _, _, p = self.gains()
        known = np.isfinite(p)
        flagged = np.zeros(len(p), dtype=bool)
        if known.any():
            flagged[known] = false_discovery_control(p[known]) <= self.level
        return flagged

    @property
    def n_gaining(self):
        """How many tasks have a gain above 0 on the first baseline."""
        return int(np.sum(self.gains()[0] > 0))

    def to_frame(self):
        """Return a pandas data frame, a row a task."""
        import pandas as pd

        columns = {"n": self.n_rows, "score": self.scores["model"]}
        for name in self.baselines:
            gain, error, _ = self.gains(name)
            columns[f"score {name}"] = self.scores[name]
            columns[f"gain {name}"] = gain
            columns[f"std error {name}"] = error
        columns["p value of a loss"] = self.gains()[2]
        columns["negative transfer"] = self.negative_transfer
        return pd.DataFrame(columns, index=pd.Index(self.tasks, name="task"))

    @property
    def conclusion(self):
        """One paragraph in words."""
        known = int(np.sum(np.isfinite(self.gains()[0])))
        said = []
        for name in self.baselines:
            gain, error = self.mean_gain(name)
            what = f"{in_words(gain, error)} {name} fits"
            said.append(
                f"{what} ({self.score} {gain:+.3f}, standard error {error:.3f})"
            )
        lost = self.tasks[self.negative_transfer]
        flag = (
            f"It hurts {len(lost)} of them: {listed(lost)[1:-1]} (false discovery rate "
            f"{self.level:g})."
            if len(lost)
            else f"No task is shown to lose (false discovery rate {self.level:g})."
        )
        return (
            f"In the mean over {known} tasks sharing {'; it '.join(said)}. "
            f"{self.n_gaining} tasks have a gain on {self.baselines[0]} fits. {flag}"
        )

    def _rows(self):
        """Return a header and the rows of the tasks that are listed, as strings."""
        gain, error, _ = self.gains()
        order = np.argsort(np.where(np.isnan(gain), np.inf, gain), kind="stable")
        if len(order) > _MANY_TASKS:
            half = _MANY_TASKS // 2
            finite = order[: int(np.sum(np.isfinite(gain)))]
            order = np.unique(np.concatenate([finite[:half], finite[-half:]]))
            order = order[np.argsort(gain[order], kind="stable")]
        header = ["task", "n", "score", self.baselines[0], "gain", "std error", ""]
        scores, flagged = self.scores, self.negative_transfer
        return header, [
            [
                str(self.tasks[t]),
                str(self.n_rows[t]),
                _told(scores["model"][t]),
                _told(scores[self.baselines[0]][t]),
                _told(gain[t], "+.3f"),
                _told(error[t]),
                "loses" if flagged[t] else "",
            ]
            for t in order
        ]

    def __str__(self):
        header, rows = self._rows()
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [
            "  ".join(
                [f"{row[0]:<{widths[0]}}"]
                + [f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True)]
            ).rstrip()
            for row in [header, *rows]
        ]
        return "\n".join([self.conclusion, "", *lines])

    def _repr_html_(self):
        header, rows = self._rows()
        parts = [f"<p>{html.escape(self.conclusion)}</p>", "<table><thead><tr>"]
        parts += [f"<th>{html.escape(text)}</th>" for text in header]
        parts.append("</tr></thead><tbody>")
        for row in rows:
            cells = "".join(f"<td>{html.escape(text)}</td>" for text in row)
            parts.append(f"<tr>{cells}</tr>")
        return "".join([*parts, "</tbody></table>"])


def in_words(gain, error):
    """Return what is said of a gain, by twice its standard error."""
    if abs(gain) <= 2 * error:
        return "cannot be told from"
    return "gains on" if gain > 0 else "loses against"


def _told(value, form=".3f"):
    """Return a number as text, that of a task without a score as a dash."""
    return f"{value:{form}}" if np.isfinite(value) else "-"


def mean_known(values, axis=0):
    """Return the mean of what is not NaN; NaN where there is nothing."""
    count = np.isfinite(values).sum(axis=axis)
    total = np.nansum(values, axis=axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _corrected(differences, ratio):
    """Return mean, corrected standard error and p-value of a loss, by column."""
    count = np.isfinite(differences).sum(axis=0)
    mean = mean_known(differences)
    squares = np.nansum((differences - mean) ** 2, axis=0)
    enough = count > 1
    variance = np.divide(
        squares, count - 1, out=np.full(len(mean), np.nan), where=enough
    )
    error = np.sqrt((1.0 / np.maximum(count, 1) + ratio) * variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = stdtr(np.maximum(count - 1, 1), mean / error)
    p = np.where(error == 0, np.where(mean < 0, 0.0, 1.0), p)
    return mean, error, np.where(enough, p, np.nan)
