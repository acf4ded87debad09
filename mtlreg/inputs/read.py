"""From user input to plain task data: labels, layouts, targets and weights.

Everything about X, y, tasks and weights is checked here, once, and every complaint
about them is raised here.
"""

import functools
from dataclasses import dataclass, replace

import narwhals.stable.v2 as nw
import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from mtlreg.inputs.frames import (
    as_frame,
    check_rows,
    check_sparse,
    check_task_column,
    listed,
    split_columns,
    value_kinds,
)
from mtlreg.inputs.labels import (
    encode,
    encode_classes,
    encode_columns,
    known_labels,
    label_array,
    label_kind,
    read_classes,
    unique_labels,
)
from mtlreg.inputs.targets import check_weighted, read_numbers, read_weight
from mtlreg.problem.data import MultiTaskData

__all__ = [
    "MISSING",
    "UNSEEN",
    "FitInput",
    "by_columns",
    "by_rows",
    "codes_in_fit",
    "keep_tasks",
    "normalise_targets",
    "read_cells",
    "read_columns",
    "read_features",
    "read_fit_input",
    "read_predict_input",
    "read_rows",
]

# codes of a label that fit has not seen, and of one that is missing
UNSEEN, MISSING = -1, -2

# what numpy says of strings, of other objects, and of dates beside numbers
_NO_NUMBERS = ("could not convert string", "must be a string", "could not be promoted")


@dataclass(frozen=True)
class FitInput:
    """What ``fit`` was given, checked.

    Attributes
    ----------
    data : MultiTaskData
        Without the rows of weight 0; stacked rows stably sorted by task.
    layout : {"single", "rows", "columns", "multiclass"}
        Which statement of the tasks was used: none, a label per row, the columns of a
        2-D y, or one one-vs-rest task per class.
    tasks : ndarray of shape (n_tasks,)
        ``tasks_``: [0], the sorted labels, the columns of y, or the classes.
    classes : ndarray of shape (2,), (n_classes,) or (n_tasks, 2), or None
        ``classes_`` of a classifier.
    feature_names : ndarray of shape (n_features,)
        Names (object) of the columns of ``coef_``, the task column taken out.
    rows : ndarray of shape (n_rows,)
        Positions of the rows of ``data`` in X as it was given.
    labels : ndarray of shape (n_rows of X,) or None
        The task of every row of X as it was given, where rows have labels.
    y_scale : ndarray of shape (n_tasks,) or None
        What the targets of each task are divided by in ``data``, if anything.
    """

    data: MultiTaskData
    layout: str
    tasks: np.ndarray
    classes: np.ndarray | None
    feature_names: np.ndarray
    rows: np.ndarray
    labels: np.ndarray | None = None
    y_scale: np.ndarray | None = None


def read_fit_input(estimator, X, y, sample_weight, tasks, *, classifier, part=False):
    """Check the input of ``fit`` and lay it out by task.

    Sets ``n_features_in_`` (the task column counts) and ``feature_names_in_``.

    Parameters
    ----------
    estimator : estimator with a ``task_column`` parameter
    X : array-like, frame or sparse matrix of shape (n_rows, n_features)
    y : array-like, series or frame of shape (n_rows,) or (n_rows, n_tasks)
    sample_weight : None, float or array-like of the shape of y or (n_rows,)
    tasks : None or array-like of shape (n_rows,)
    classifier : bool
        Targets are classes; ``data.y`` then holds -1 and +1, the later class.
    part : bool, default=False
        Some rows only: tasks may have no weight, known columns have to be the same,
        and dense rows are not sorted: ``rows`` is what would sort them.

    Returns
    -------
    FitInput

    Raises
    ------
    ValueError
        If X, y, tasks or weights cannot be used; the message names the remedy.
    TypeError
        If ``task_column`` is neither a name nor a position.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    known = part and hasattr(estimator, "n_features_in_")
    X, labels, names = read_rows(estimator, X, tasks, reset=not known)
    given = y, sample_weight, X, labels
    y, observed, columns, weight = read_cells(estimator, *given, classifier, part)
    classes = None
    if columns is not None:
        if not part:
            check_weighted(weight.sum(axis=0), columns)
        if classifier:
            y, classes = encode_columns(y, observed, weight, columns)
    elif classifier:
        y, classes = encode_classes(y, weight, by_task=labels is not None)
    given = X, y, weight, columns, labels, classes
    (data, rows), layout, tasks = _lay_out(*given, sparse.issparse(X) or not part)
    if not part and data.offsets is not None:
        check_weighted(np.diff(data.offsets), tasks)
    return FitInput(data, layout, tasks, classes, names, rows, labels)


def read_cells(estimator, y, sample_weight, X, labels, classifier, part):
    """Targets, where they are observed, names of columns and weights of checked rows.

    The arguments are those of `read_fit_input`, X and labels as `read_rows` returns
    them; y is returned as `read_classes` or `read_numbers` does.
    """
    y, observed, columns = (read_classes if classifier else read_numbers)(y)
    check_rows(X.shape[0], y=y, tasks=labels)
    if columns is not None and labels is not None:
        used = "tasks=" if estimator.task_column is None else "task_column"
        raise ValueError(
            f"y of shape {y.shape} is 2-D and {used} is given: either the columns of y "
            "are the tasks or the rows have labels. Pass y as 1-D (y.ravel() for one "
            f"column) or leave out {used}."
        )
    return y, observed, columns, read_weight(sample_weight, observed, part)


def _lay_out(X, y, weight, columns, labels, classes, sort):
    """Data with its rows, layout and tasks of checked input."""
    if columns is not None:
        return by_columns(X, y, weight), "columns", columns
    if labels is not None:
        tasks = unique_labels(labels)
        codes = encode(labels, tasks)
        return by_rows(X, y, weight, codes, tasks, sort), "rows", tasks
    if y.ndim == 2:
        weight = np.repeat(weight[:, None], len(classes), axis=1)
        return by_columns(X, y, weight), "multiclass", classes
    tasks, codes = np.array([0]), np.zeros(len(y), dtype=np.intp)
    X = sparse.csr_array(X) if sparse.issparse(X) else X
    return by_rows(X, y, weight, codes, tasks, sort), "single", tasks


def read_predict_input(estimator, X, tasks):
    """Check the input of ``predict`` against the fit.

    Parameters
    ----------
    estimator : fitted estimator
        ``tasks_``, ``_layout``, ``task_column`` and ``unseen_task`` are read.
    X : array-like, frame or sparse matrix of shape (n_rows, n_features)
    tasks : None or array-like of shape (n_rows,)

    Returns
    -------
    X : C-contiguous ndarray or csr_array of shape (n_rows, n_features)
        Without the task column.
    codes : ndarray of shape (n_rows,) or None
        Position of every row's task in ``tasks_``, `UNSEEN` where it was not seen in
        fit (only with ``unseen_task="mean"``), `MISSING` where there is no label (None,
        NaN); None when rows have no labels.

    Raises
    ------
    ValueError
        If X does not fit, labels are left out, superfluous, of another kind than in
        fit, or unseen with ``unseen_task="error"``.
    """
    by_rows = estimator._layout == "rows"
    name = type(estimator).__name__
    if by_rows and tasks is None and estimator.task_column is None:
        raise ValueError(
            f"This {name} was fitted with tasks=; pass tasks= here too, one label per "
            "row. Where no argument can be passed (scorers, cross_val_predict), keep "
            "the labels in a column of X and name it with task_column."
        )
    if not by_rows and tasks is not None:
        raise ValueError(
            f"tasks= is given, but this {name} was fitted without it. Leave it out, or "
            "fit with tasks= too."
        )
    X, found, _ = read_rows(estimator, X, tasks, reset=False, read=known_labels)
    if found is None:
        return X, None
    labels, known = found
    check_rows(X.shape[0], tasks=known)
    codes = np.full(len(known), MISSING)
    if labels.size:
        codes[known] = codes_in_fit(estimator, labels, estimator.tasks_)
    return X, codes


def codes_in_fit(estimator, labels, fitted, place=""):
    """Return the position of every label among those of the fit, `UNSEEN` if new.

    Parameters
    ----------
    estimator : estimator
        ``unseen_task`` says whether labels may be new.
    labels : ndarray of shape (n_rows,)
        A `label_array`.
    fitted : ndarray of shape (n_tasks,)
    place : str
        Where the labels are from, for messages.
    """
    if label_kind(labels) != label_kind(fitted):
        raise ValueError(
            f"task labels are {label_kind(labels)}{place} here, such as "
            f"{listed(labels, 3)}, but were {label_kind(fitted)} in fit, such as "
            f"{listed(fitted, 3)}. Convert them to the type used in fit."
        )
    codes = encode(labels, fitted)
    unseen = unique_labels(labels[codes < 0])
    if unseen.size and estimator.unseen_task == "error":
        raise ValueError(
            f"{unseen.size} task(s) not seen in fit{place}: {listed(unseen)}. Fit with "
            "rows of them (mtlreg.model_selection.TaskKFold keeps rows of every task "
            "in training), or set unseen_task='mean' to predict with the mean of the "
            "fitted tasks."
        )
    return codes


def read_features(estimator, X):
    """Check X of a fitted estimator; return it without the task column.

    Parameters
    ----------
    estimator : fitted estimator
    X : array-like, frame or sparse matrix of shape (n_rows, n_features)

    Returns
    -------
    C-contiguous ndarray or csr_array of shape (n_rows, n_features)
    """
    X, _, _ = read_rows(estimator, X, None, reset=False)
    return X


def normalise_targets(read, constant=1.0):
    """Divide the targets of each task by their weighted standard deviation.

    Parameters
    ----------
    read : FitInput
    constant : float
        The unit of targets that are all the same.

    Returns
    -------
    FitInput
        With these as ``y_scale``.
    """
    data, cells = read.data, read.data.cells
    observed, weight = data.weight > 0, cells.sum(data.weight)
    highest = cells.max(np.where(observed, data.y, -np.inf))
    lowest = cells.min(np.where(observed, data.y, np.inf))
    # in units of the largest deviation, whose square may overflow
    unit = np.where(highest > lowest, 0.5 * highest - 0.5 * lowest, 1.0)
    left = (data.y - cells.spread(0.5 * highest + 0.5 * lowest)) / cells.spread(unit)
    left -= cells.spread(cells.sum(data.weight * left) / weight)
    deviation = np.sqrt(cells.sum(data.weight * left**2) / weight)
    scale = np.where(highest > lowest, unit * deviation, constant)
    return replace(
        read, data=replace(data, y=data.y / cells.spread(scale)), y_scale=scale
    )


def keep_tasks(data, keep):
    """The sub-problem on some tasks.

    Parameters
    ----------
    data : MultiTaskData
    keep : ndarray of bool of shape (n_tasks,)

    Returns
    -------
    MultiTaskData
        Without the other tasks and without rows that no kept task uses.
    """
    if data.offsets is None:
        return by_columns(data.X, data.y[:, keep], data.weight[:, keep])[0]
    sizes = np.diff(data.offsets)
    rows = np.flatnonzero(np.repeat(keep, sizes))
    offsets = np.concatenate([[0], np.cumsum(sizes[keep])])
    return MultiTaskData(data.X[rows], data.y[rows], data.weight[rows], offsets)


def read_rows(estimator, X, tasks, *, reset, read=label_array):
    """Features, labels (or None) as ``read`` has them, and names of the features."""
    column = estimator.task_column
    if column is not None and tasks is not None:
        raise ValueError(
            f"tasks= and task_column={column!r} are both given. Pass the labels once: "
            "leave out tasks=, or set task_column=None."
        )
    if column is not None:
        given = estimator, X, [column]
        Z, (labels,), names = read_columns(*given, reset=reset, read=read)
        return Z, labels, names
    _check_unmasked(X)
    # rows without labels are not sorted, so that columns may stay as they are
    formats = ["csr", "csc"] if reset and tasks is None else "csr"
    Z = _check_features(X, estimator, formats)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    labels = None if tasks is None else read(tasks, "tasks")
    return Z, labels, _feature_names(estimator, [])


def read_columns(estimator, X, columns, *, reset, read=label_array):
    """Check X, and take the labels out of it.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and ``feature_names_in_``, or has them.
    X : array-like, frame or sparse matrix of shape (n_rows, n_features)
    columns : list of str or int
        Names or positions of the columns that hold labels.
    reset : bool
        Whether this is a fit.
    read : callable
        `label_array`, or `known_labels`.

    Returns
    -------
    X : C-contiguous ndarray or csr_array
        The other columns.
    labels : list
        What ``read`` makes of each column, such as its `label_array`.
    names : ndarray of shape (X.shape[1],)
        Of the other columns.
    """
    _check_unmasked(X)
    frame = as_frame(X)
    for column in columns:
        check_task_column(column)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    names = getattr(estimator, "feature_names_in_", None)
    names = names if frame is None else frame.columns
    values, rest, positions = split_columns(X, frame, columns, names)
    labels = [
        read(held, f"task_column={column!r}")
        for held, column in zip(values, columns, strict=True)
    ]
    Z = _check_features(rest, estimator, "csr")
    return Z, labels, _feature_names(estimator, positions)


def _check_unmasked(X):
    if np.ma.is_masked(X):
        raise ValueError("X has masked values. Fill them or drop their rows.")


def _feature_names(estimator, left_out):
    """Names of the columns of X but those at some positions, numbered without names."""
    numbered = _numbered(estimator.n_features_in_)
    names = getattr(estimator, "feature_names_in_", numbered)
    return np.delete(np.array(names, dtype=object), left_out)


@functools.lru_cache(maxsize=1)
def _numbered(n_features):
    return [f"x{j}" for j in range(n_features)]


def _check_features(X, estimator, formats):
    check_sparse(X)
    frame = as_frame(X)
    if frame is not None and set(frame.schema.values()) == {nw.Float32}:
        X = frame.to_numpy()  # check_array would widen polars and pyarrow
    try:
        if "M" in value_kinds(X):
            raise TypeError("dates could not be promoted to numbers")
        X = check_array(
            X,
            accept_sparse=formats,
            dtype=[np.float64, np.float32],
            order="C",
            input_name="X",
            estimator=estimator,
        )
    except (TypeError, ValueError) as error:
        if not any(reason in str(error) for reason in _NO_NUMBERS):
            raise
        remedy = "Encode it, for example with OneHotEncoder"
        if estimator.task_column is None:
            remedy += "; if it says which task a row belongs to, name it: task_column="
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"X has a column that does not hold numbers ({error}). {remedy}"
        ) from error
    if not sparse.issparse(X):
        return X
    X = sparse.csc_array(X) if X.format == "csc" else sparse.csr_array(X)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def by_rows(X, y, weight, codes, tasks, sort):
    """Rows of positive weight, stably sorted by task, and their positions."""
    held = weight > 0
    complete = held.all()
    counts = np.bincount(codes if complete else codes[held], minlength=len(tasks))
    rows = np.arange(len(y))
    if not (complete and np.all(codes[:-1] <= codes[1:])):
        # short integers are sorted by their digits
        short = codes.astype(np.uint16 if len(tasks) < 2**16 else np.intp)
        rows = np.argsort(short, kind="stable")
        rows = rows[held[rows]]
        X, y, weight = (X[rows], y[rows], weight[rows]) if sort else (X, y, weight)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return MultiTaskData(X, y, weight, offsets), rows


def by_columns(X, y, weight):
    """Rows in which some task has a target of positive weight, and their positions."""
    held = weight > 0
    if held.all():
        return MultiTaskData(X, y, weight), np.arange(len(y))
    y = np.where(held, y, 0.0)
    rows = np.flatnonzero(held.any(axis=1))
    if len(rows) < len(y):
        X, y, weight = X[rows], y[rows], weight[rows]
    return MultiTaskData(X, y, weight), rows
