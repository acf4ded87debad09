"""Axes that stay readable: labels that fit, and colours that differ in grey too."""

import numpy as np

# black, blue, vermilion, purple, green and sky of Okabe and Ito, who chose them for all
# kinds of sight; neighbours differ in lightness, line and marker as well
STYLES = [
    ("#000000", "-", "o"),
    ("#d55e00", "--", "s"),
    ("#0072b2", "-.", "^"),
    ("#cc79a7", ":", "D"),
    ("#009e73", (0, (6, 2, 1, 2, 1, 2)), "v"),
    ("#56b4e9", (0, (8, 3)), "P"),
]
DARK, MARK, PALE = "#1a1a1a", "#d55e00", "#9a9a9a"

# lightness grows from end to end, and 0 is the grey between: signs differ in grey and
# for every kind of sight, which maps with two dark ends do not offer
_DIVERGING = ["#08214f", "#2b5c9e", "#8c8c8c", "#f0b04f", "#fffad6"]

_LONGEST_LABEL = 18
_MEASURED = 20  # the longest labels, one of which is the widest


def axes_of(display, ax, size):
    """Return the axes to draw into: ``ax``, or those of a new figure.

    Raises
    ------
    ImportError
        If there is no matplotlib.
    """
    check_matplotlib(type(display).__name__)
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def check_matplotlib(caller):
    """Raise ImportError if there is no matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed: "
            f"pip install 'mtlreg[plot]'"
        ) from error


def diverging():
    """Return the colours of numbers of two signs, with that of 0 in the middle."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("mtlreg_diverging", _DIVERGING)


def short(label):
    """Return a label in one line that is not too long; the middle gives way."""
    text = " ".join(str(label).split())
    if len(text) > _LONGEST_LABEL:
        tail = _LONGEST_LABEL // 3
        text = f"{text[: _LONGEST_LABEL - tail - 1]}…{text[-tail:]}"
    return text.replace("$", r"\$")  # which would begin a formula


def label_places(axis, labels, first=()):
    """Label the places 0, 1, ... of an axis, as many as fit whenever it is drawn.

    None on axes that are smaller than a label.

    Parameters
    ----------
    axis : matplotlib Axis
    labels : sequence
    first : sequence of int
        Places whose labels go before others where not all fit.
    """
    from matplotlib.ticker import FuncFormatter, Locator

    texts = [short(label) for label in labels]
    size = _label_size(axis)
    along, across = 1.3 * size, text_width(texts, size)
    other = axis.axes.yaxis if axis.axis_name == "x" else axis.axes.xaxis
    if axis.axis_name == "x":
        wide = across + size
        # the axes may still give some room to a colour bar
        if wide * len(texts) <= 0.8 * axis_length(axis):
            along, across = wide, along
        else:
            axis.set_tick_params(labelrotation=90)

    class Places(Locator):
        def __call__(self):
            low, high = sorted(axis.get_view_interval())
            length = axis_length(axis)
            if length < along or axis_length(other) < across:
                return []
            gap = max(along * (high - low) / length, 1.0)
            low, high = max(int(np.ceil(low)), 0), min(int(high), len(texts) - 1)
            inside = [place for place in first if low <= place <= high]
            return _apart([*inside, *range(low, high + 1, int(np.ceil(gap)))], gap)

        def tick_values(self, vmin, vmax):
            return self()

    def name(place, _=None):
        known = 0 <= round(place) < len(texts)
        return texts[round(place)] if known else ""

    axis.set_major_locator(Places())
    axis.set_major_formatter(FuncFormatter(name))


def _apart(places, gap):
    """Return the places, in order of preference, that leave a gap to those before."""
    kept = []
    for place in places:
        if all(abs(place - other) >= gap for other in kept):
            kept.append(place)
    return kept


def axis_length(axis):
    """Return how long an axis is, in points."""
    box = axis.axes.get_window_extent()
    pixels = box.width if axis.axis_name == "x" else box.height
    return 72 * pixels / axis.axes.figure.dpi


def _label_size(axis):
    """Return the size of tick labels, in points."""
    import matplotlib as mpl
    from matplotlib.font_manager import FontProperties

    size = mpl.rcParams[f"{axis.axis_name}tick.labelsize"]
    return FontProperties(size=size).get_size_in_points()


def text_width(texts, size):
    """Return how wide the widest text is, in points."""
    from matplotlib.textpath import TextPath

    longest = sorted(filter(None, texts), key=len)[-_MEASURED:]
    paths = [TextPath((0, 0), text, size=size) for text in longest]
    return max((path.get_extents().width for path in paths), default=0.0)


def add_legend(ax, **options):
    """Add a legend above the axes, in columns that fit, unless it is too large.

    Nothing that is drawn can hide below it.
    """
    figure = ax.figure.canvas.figure
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
    room = ax.get_window_extent()
    for n_columns in (3, 2, 1):
        legend = ax.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=n_columns,
            frameon=False,
            fontsize="small",
            **options,
        )
        box = legend.get_window_extent()
        if box.width <= room.width and box.height <= 0.8 * room.height:
            return
    legend.remove()


def panels(ax, rectangles):
    """Return axes inside of others, which are then their frame alone."""
    if len(rectangles) == 1:
        return np.array([ax])
    ax.set_axis_off()
    return np.array([ax.inset_axes(rectangle) for rectangle in rectangles])


def of_tasks(n_tasks, and_more=""):
    """Say how many tasks there are."""
    return f"{n_tasks} task{'s' * (n_tasks != 1)}{and_more if n_tasks > 1 else ''}"
