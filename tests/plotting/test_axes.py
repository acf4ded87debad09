"""Labels that do not overlap, colours that differ in grey, and no matplotlib."""

import ast
import itertools
import pathlib
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt

from mtlreg import GroupLassoRegressor, GroupLassoRegressorCV, plotting
from mtlreg.plotting._axes import STYLES, add_legend, diverging, label_places, short

NAMES = ["Saint Mary's school of the north", "Oak", "King Edward VI", "p$_1$ and q$_2$"]


def names(n):
    return [f"{NAMES[k % 4]} {k}" for k in range(n)]


def shown(axis):
    """The labels of an axis as they are drawn, from one end to the other."""
    axis.axes.figure.canvas.draw()
    low, high = sorted(axis.get_view_interval())
    return [
        tick.label1
        for tick in axis.get_major_ticks()
        if low <= tick.get_loc() <= high and tick.label1.get_text()
    ]


def overlaps(axis):
    boxes = [label.get_window_extent() for label in shown(axis)]
    return sum(a.overlaps(b) for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize("n", [1, 3, 30, 300])
def test_labels_do_not_overlap_at_any_size(n):
    figure, ax = plt.subplots(figsize=(6, 5), layout="constrained")
    ax.imshow(np.zeros((n, n)), aspect="auto")
    label_places(ax.xaxis, names(n))
    label_places(ax.yaxis, names(n))
    for size in [(6, 5), (3, 3), (9, 9)]:
        figure.set_size_inches(size)
        assert overlaps(ax.xaxis) == overlaps(ax.yaxis) == 0
        found = [len(shown(axis)) for axis in (ax.xaxis, ax.yaxis)]
        # a label of 10 points takes 13, and gaps are whole places
        room = 72 * ax.get_window_extent().size / figure.dpi
        assert all(min(n, r // 26) <= f <= n for f, r in zip(found, room, strict=True))
    text = [label.get_text() for label in shown(ax.yaxis)]
    assert text[0] == "Saint Mary'…orth 0"


def test_labels_of_a_part_and_those_that_go_first():
    _, ax = plt.subplots(figsize=(4, 3))
    ax.set_ylim(-0.5, 299.5)
    label_places(ax.yaxis, range(300), first=[101, 250])
    text = {label.get_text() for label in shown(ax.yaxis)}
    assert {"101", "250"} <= text
    assert len(text) < 20
    ax.set_ylim(99.5, 103.5)
    assert {label.get_text() for label in shown(ax.yaxis)} == {
        "100",
        "101",
        "102",
        "103",
    }


def test_axes_smaller_than_a_label_have_none():
    figure = plt.figure()
    ax = figure.add_axes((0.5, 0.5, 0.02, 0.01))
    ax.plot([0, 1, 2], label="a line")
    for axis in (ax.xaxis, ax.yaxis):
        label_places(axis, names(3))
        assert shown(axis) == []
    add_legend(ax)
    assert ax.get_legend() is None


@pytest.mark.parametrize("label", ["a", 3, "x" * 40, "two\nlines", "$x$ and $y$"])
def test_labels_are_short_and_no_formula(label):
    text = short(label)
    assert "\n" not in text
    assert len(text.replace("\\", "")) <= 18
    (drawn,) = plt.figure().texts or [plt.figure().text(0, 0, text)]
    assert drawn._preprocess_math(text)[1] is False


def lightness(colours):
    """L* of CIELAB, over 100, of sRGB colours."""
    linear = np.where(
        colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4
    )
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 0.008856, 1.16 * np.cbrt(y) - 0.16, 9.033 * y)


def test_signs_differ_in_grey():
    colours = diverging()(np.linspace(0, 1, 101))[:, :3]
    light = lightness(colours)
    assert np.all(np.diff(light) > 0)
    assert np.ptp(colours[50]) < 0.01
    # as far from 0 to both sides
    assert light[50] - light[0] > 0.35
    assert light[-1] - light[50] > 0.35


def test_styles_differ_without_their_colour():
    for part in (1, 2):
        assert len({str(style[part]) for style in STYLES}) == len(STYLES)


def test_the_legend_has_columns_that_fit():
    for width in (4.5, 6.5, 10):
        _, ax = plt.subplots(figsize=(width, 4), layout="constrained")
        for k in range(6):
            ax.plot([0, 1], label=f"the line of number {k}")
        # what the layout makes room for
        ax.set_yticks([0, 1], ["a label that is long"] * 2)
        add_legend(ax)
        ax.figure.canvas.draw()
        box = ax.get_legend().get_window_extent()
        assert box.width <= 1.02 * ax.get_window_extent().width
        assert box.y0 >= ax.get_window_extent().y1


def test_without_matplotlib(monkeypatch):
    X, y = np.eye(4), np.arange(4.0)
    tasks = [0, 0, 1, 1]
    model = GroupLassoRegressor().fit(X, y, tasks=tasks)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    calls = [
        lambda: plotting.CoefficientDisplay.from_estimator(model),
        lambda: plotting.TaskSimilarityDisplay.from_estimator(model),
        lambda: plotting.CVCurveDisplay.from_estimator(GroupLassoRegressorCV()),
        lambda: plotting.RegularizationPathDisplay.from_estimator(model, X, y),
        lambda: plotting.RegularizationPathDisplay.from_path(None),
        lambda: plotting.ConvergenceDisplay.from_estimator(model, X, y),
        lambda: plotting.ConvergenceDisplay([0], [1.0], 0.1).plot(),
        lambda: plotting.TransferGainDisplay.from_report(None),
    ]
    for call in calls:
        with pytest.raises(ImportError, match=r"Display.* needs matplotlib.*\[plot\]"):
            call()


def test_matplotlib_is_imported_where_it_is_needed_only():
    folder = pathlib.Path(plotting.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "matplotlib." not in ast.unparse(node).replace(" ", ".")
