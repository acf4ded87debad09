"""Gains by task: their order, and the tasks that are flagged."""

import numpy as np
import pytest

from mtlreg.inspection import TransferReport
from mtlreg.plotting import TransferGainDisplay


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(0)
    alone = rng.normal(0.6, 0.02, size=(8, 6))
    gain = np.array([0.2, -0.5, 0.1, -0.1, 0.3, 0.0])
    losses = {
        "model": alone - gain + rng.normal(0, 0.05, size=alone.shape),
        "independent": alone,
        "pooled": alone + 0.3,
    }
    losses["model"][:, 4] = np.nan
    tasks = np.array([f"task {k}" for k in range(6)])
    sizes = np.full(6, 20)
    return TransferReport(
        tasks, sizes, losses, ("independent", "pooled"), 0.25, 0.1, False
    )


def test_gains_are_sorted_with_their_errors(report):
    display = TransferGainDisplay.from_report(report)
    gain, error, _ = report.gains()
    expected = [t for t in np.argsort(gain) if np.isfinite(gain[t])]
    assert display.order_.tolist() == expected
    segments = display.errorbar_.lines[2][0].get_segments()
    ends = np.array([segment[:, 0] for segment in segments])
    np.testing.assert_allclose(ends.mean(axis=1), gain[expected])
    np.testing.assert_allclose(np.ptp(ends, axis=1), 2 * error[expected])
    ax = display.ax_
    ax.figure.canvas.draw()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == report.tasks[expected].tolist()
    assert ax.get_ylabel() == "5 tasks (1 without a gain left out)"
    assert ax.get_xlabel() == "gain in R2 on independent fits"


def test_flagged_tasks_have_a_marker_of_their_own(report):
    display = TransferGainDisplay.from_report(report, baseline="pooled")
    gain = report.gains("pooled")[0]
    flagged = np.flatnonzero(report.negative_transfer)
    assert 1 in flagged
    assert sorted(display.flagged_points_.get_xdata()) == sorted(gain[flagged])
    others = len(display.order_) - len(flagged)
    assert len(display.points_.get_xdata()) == others
    assert display.points_.get_marker() != display.flagged_points_.get_marker()
    told = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert told[1] == "loses on independent fits (false discovery rate 0.1)"
    assert display.ax_.get_xlabel() == "gain in R2 on pooled fits"


@pytest.mark.parametrize("n", [1, 3, 300])
def test_flagged_tasks_are_labelled_first(n):
    gain = np.linspace(-1, 1, n)
    flagged = np.zeros(n, dtype=bool)
    flagged[n // 3] = True
    error = np.full(n, np.nan)  # of one split
    display = TransferGainDisplay(np.arange(n), gain, error, flagged).plot()
    assert display.errorbar_.lines[2][0].get_segments() == []
    display.figure_.canvas.draw()
    labels = {label.get_text() for label in display.ax_.get_yticklabels()}
    assert str(n // 3) in labels
    low, high = display.ax_.get_ylim()
    assert low < 0
    assert high > n - 1


def test_no_gain_is_known():
    values = np.full(2, np.nan)
    display = TransferGainDisplay(["a", "b"], values, values, values > 0).plot()
    assert len(display.order_) == 0
    assert display.ax_.get_ylabel() == "0 tasks (2 without a gain left out)"
