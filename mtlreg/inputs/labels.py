"""Labels and targets: from any container to one plain kind of value."""

import datetime
import numbers

import narwhals.stable.v2 as nw
import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from mtlreg.inputs.frames import (
    as_frame,
    check_sparse,
    column_names,
    read_column,
)

_KINDS = {
    "booleans": (bool, np.bool_),
    "strings": (str,),
    "dates": (datetime.date, np.datetime64),
    "numbers": (numbers.Real,),
}
_MISSING = {"NoneType", "NAType", "NaTType"}


def as_1d(values, name):
    """Values of a list, array or series as a 1-D array, None and NaN still in it.

    Strings and mixed values stay Python objects: no ``1`` becomes ``"1"``, no ``True``
    becomes ``1``, and a string keeps its trailing NUL characters.
    """
    series = values
    if not isinstance(values, np.ndarray):
        series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        dtype = series.dtype
        plain = dtype.is_numeric() or dtype.is_temporal() or dtype == nw.Boolean
        values = series.to_numpy() if plain else series.to_list()
    if isinstance(values, np.ma.MaskedArray):
        values = _unmasked(values)
    if not hasattr(values, "__array__"):
        values = np.array(values, dtype=object)
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(
            f"{name} must be 1-D, one value per row; got an array of shape "
            f"{values.shape}. Pass a single column."
        )
    return values


def _unmasked(values):
    return np.where(np.ma.getmaskarray(values), None, values.data)


def is_missing(values):
    """Boolean array of the shape of ``values``: None, NaN, NaT or NA."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "mM":
        return np.isnat(values)
    if values.dtype.kind not in "OT":
        return np.zeros(values.shape, dtype=bool)
    cells = values.astype(object).ravel().tolist()
    types = set(map(type, cells))
    absent = {kind for kind in types if kind.__name__ in _MISSING}
    floats = tuple(kind for kind in types if issubclass(kind, (float, np.floating)))
    mask = np.zeros(len(cells), dtype=bool)
    if absent or floats:
        mask[:] = [
            type(cell) in absent or (isinstance(cell, floats) and cell != cell)
            for cell in cells
        ]
    return mask.reshape(values.shape)


def unify(values, name):
    """Observed values of a 1-D array as one dtype: the plain one where they agree.

    Python objects become bool, int64, float64 or datetime64 (time zones: UTC); strings
    and integers beyond int64 stay objects.
    """
    if values.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} is complex.")
    if values.dtype.kind == "T":
        values = values.astype(object)
    if values.dtype.kind != "O" or values.size == 0:
        return values
    types = sorted(set(map(type, values.tolist())), key=lambda kind: kind.__name__)
    kinds = {_kind_of_type(kind) for kind in types}
    if len(kinds) > 1 or None in kinds:
        found = ", ".join(kind.__name__ for kind in types)
        raise ValueError(
            f"{name} must hold values of one type: strings, numbers, booleans, "
            f"categories or dates; found {found}. Convert them to one of these."
        )
    (kind,) = kinds
    if kind == "booleans":
        return values.astype(bool)
    if kind == "dates":
        zoned = sum(getattr(value, "tzinfo", None) is not None for value in values)
        if 0 < zoned < len(values):
            raise ValueError(
                f"{name} holds {zoned} times with a time zone and "
                f"{len(values) - zoned} without: which are the same is not known. Give "
                "all of them a time zone, or none."
            )
        return np.array([_datetime64(value) for value in values])
    if kind == "numbers":
        return _numbers(values, types)
    return values


def _kind_of_type(kind):
    for name, kinds in _KINDS.items():
        if issubclass(kind, kinds):
            return name
    return None


def _numbers(values, types):
    if not all(issubclass(kind, numbers.Integral) for kind in types):
        return values.astype(np.float64)
    try:
        return values.astype(np.int64)
    except OverflowError:
        return values


def _datetime64(value):
    if hasattr(value, "to_datetime64"):  # pandas: keeps nanoseconds
        return value.to_datetime64()
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(value)


def label_array(values, name):
    """Task labels as a 1-D array of one kind, refused where no task can be meant.

    Parameters
    ----------
    values : array-like or series of shape (n_rows,)
    name : str
        What the labels are called in error messages.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
        bool, int64, datetime64, or object: str, or int where int64 is too narrow.

    Raises
    ------
    ValueError
        If labels are missing, of mixed type, non-integer floats, or no labels at all.
    """
    values = as_1d(values, name)
    missing = is_missing(values)
    if missing.any():
        raise ValueError(
            f"{name} has missing task labels ({int(missing.sum())} rows, the first is "
            f"row {int(np.argmax(missing))}). Drop these rows or give them a label."
        )
    if values.dtype.kind == "U":
        values = values.astype(object)
    values = unify(values, name)
    if values.dtype.kind == "f":
        return _integer_labels(values, name)
    if values.dtype.kind in "iu":
        exact = values.size == 0 or values.max() <= np.iinfo(np.int64).max
        return values.astype(np.int64 if exact else object)
    if values.dtype.kind not in "bMO":
        raise ValueError(
            f"{name} has dtype {values.dtype}: task labels must be strings, integers, "
            "booleans, categories or dates. Convert them to one of these."
        )
    return values


def known_labels(values, name):
    """Return a `label_array` of the labels that are not missing, and where these are.

    Parameters
    ----------
    values, name
        As `label_array` takes them.

    Returns
    -------
    labels : ndarray of shape (n_known,)
    known : ndarray of bool, shape (n_rows,)
    """
    values = as_1d(values, name)
    known = ~is_missing(values)
    return label_array(values[known], name), known


def task_labels(X, column):
    """The `label_array` in the task column of any table."""
    return label_array(read_column(X, column), f"task_column={column!r}")


def _integer_labels(values, name):
    values = values.astype(np.float64)
    odd = (np.floor(values) != values) | (np.abs(values) >= 2.0**63)
    if odd.any():
        raise ValueError(
            f"{name} holds non-integer floats such as {values[np.argmax(odd)]}: task "
            "labels must be strings, integers, booleans, categories or dates. Did a "
            "scaler or PCA swallow the task column? Keep it out of them with "
            "ColumnTransformer(..., remainder='passthrough'). Did a step that drops or "
            "adds columns, such as a selector or Bagging(max_features=), take or move "
            "it? Leave it out of X there, and pass tasks= by metadata routing."
        )
    return values.astype(np.int64)


def label_kind(labels):
    """Kind of the labels of a non-empty `label_array`, in words."""
    if labels.dtype.kind == "O":
        return "strings" if isinstance(labels.flat[0], str) else "integers"
    return {"b": "booleans", "i": "integers", "M": "dates"}[labels.dtype.kind]


def unique_labels(labels):
    """Sorted distinct labels of a `label_array`."""
    if _near(labels, len(labels)):
        low = labels.min()
        found = np.zeros(labels.max() - low + 1, dtype=bool)
        found[labels - low] = True
        return np.flatnonzero(found) + low
    if labels.dtype.kind != "O":
        return np.unique(labels[_run_starts(labels)])
    return np.array(sorted(set(labels.tolist())), dtype=object)


def _near(labels, size):
    """Whether a table of all integers between labels is not much longer than ``size``.

    With an entry to spare at both ends.
    """
    if labels.dtype.kind != "i" or not labels.size:
        return False
    low, high = int(labels.min()), int(labels.max())
    limits = np.iinfo(labels.dtype)
    return limits.min < low and high < limits.max and high - low <= 4 * size


def _run_starts(labels):
    """Where equal labels begin to follow one another, as those of a task often do."""
    return np.flatnonzero(np.append(labels.size > 0, labels[1:] != labels[:-1]))


def encode(labels, tasks):
    """Position of every label in the sorted ``tasks``, -1 where it is not there."""
    if "O" in (labels.dtype.kind, tasks.dtype.kind):
        position = {task: code for code, task in enumerate(tasks.tolist())}
        codes = [position.get(label, -1) for label in labels.tolist()]
        return np.array(codes, dtype=np.intp)
    if labels.dtype.kind == "i" and _near(tasks, len(labels) + len(tasks)):
        below, above = tasks[0] - 1, tasks[-1] + 1
        position = np.full(above - below + 1, -1, dtype=np.intp)
        position[tasks - below] = np.arange(len(tasks))
        return position[np.clip(labels, below, above) - below]
    starts = _run_starts(labels)
    firsts = labels[starts]
    codes = np.searchsorted(tasks, firsts)
    codes[codes == len(tasks)] = 0
    codes[tasks[codes] != firsts] = -1
    return np.repeat(codes, np.diff(starts, append=len(labels)))


def check_target(wrong, what):
    """Raise where ``wrong`` says that y holds ``what``."""
    if wrong.any():
        row = np.argwhere(wrong)[0][0]
        raise ValueError(
            f"Input y contains {what}. The first is in row {row}; leave such rows out. "
            "Only a 2-D y may hold NaN, where a task's target is not observed."
        )


def read_classes(y):
    """Class labels of y, where they are observed, and the names of the columns."""
    names, block = column_names(y), plain_columns(y)
    if block is not None:
        missing = is_missing(block)
        check_target(np.isinf(block), "infinity")
        names = np.arange(block.shape[1]) if names is None else names
        return fill_missing(block, missing), ~missing, names
    cells = target_columns(y)
    columns = cells if isinstance(cells, list) else [cells]
    missing = [is_missing(column) for column in columns]
    found = [
        unify(column[~gone], "y") for column, gone in zip(columns, missing, strict=True)
    ]
    for values, gone in zip(found, missing, strict=True):
        if values.dtype.kind == "f":
            infinite = np.zeros(len(gone), dtype=bool)
            infinite[~gone] = np.isinf(values)
            check_target(infinite, "infinity")
    if len(columns) == 1:
        if isinstance(cells, list):
            column_or_1d(np.zeros((len(columns[0]), 1)), warn=True)
        check_target(missing[0], "NaN")
        return found[0], ~missing[0], None
    missing = np.column_stack(missing)
    if names is None:
        names = np.arange(len(columns))
    return _side_by_side(found, missing), ~missing, names


def plain_columns(y):
    """A 2-D y of several columns of numbers or booleans as one array, or None."""
    if not hasattr(y, "__array__") or isinstance(y, np.ma.MaskedArray):
        return None
    y = np.asarray(y)
    plain = y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "biuf"
    return y if plain else None


def fill_missing(y, missing):
    """A 2-D y with its first observed value in the other cells of a column, or 0."""
    first = y[np.argmin(missing, axis=0), np.arange(y.shape[1])]
    filler = np.where(missing.all(axis=0), y.dtype.type(0), first)
    return np.where(missing, filler, y)


def two_valued(y):
    """The least and the largest value of every column, and whether it has no others.

    Of whole numbers or booleans; a column of others is said to have more.
    """
    low, high = y.min(axis=0), y.max(axis=0)
    whole = np.all(np.floor(y) == y, axis=0)
    return low, high, whole & np.all((y == low) | (y == high), axis=0)


def target_columns(y):
    """A 1-D y as one array, a 2-D y as the list of its columns."""
    frame = as_frame(y, "y")
    if frame is not None:
        return [as_1d(frame[:, j].to_native(), "y") for j in range(frame.shape[1])]
    if not isinstance(y, np.ndarray):
        series = nw.from_native(y, series_only=True, pass_through=True)
        if isinstance(series, nw.Series):
            return as_1d(y, "y")
    if sparse.issparse(y):
        check_sparse(y, "y")
        y = y.toarray()
    elif isinstance(y, np.ma.MaskedArray):
        y = _unmasked(y)
    y = np.asarray(y) if hasattr(y, "__array__") else np.array(y, dtype=object)
    if y.ndim == 2 and y.shape[1] > 0:
        return list(y.T)
    return as_1d(y, "y")


def _side_by_side(found, missing):
    """Observed labels of every column in one array, any label in the other cells."""
    used = [values.dtype for values in found if values.size]
    kinds = {"f" if dtype.kind in "iuf" else dtype.kind for dtype in used}
    dtype = np.result_type(*used) if len(kinds) == 1 else object
    y = np.empty(missing.shape, dtype=dtype)
    for t, values in enumerate(found):
        y[~missing[:, t], t] = values
        y[missing[:, t], t] = values[0] if values.size else np.zeros(1, dtype)[0]
    return y


def _classes(y, weight):
    """Sorted classes of the rows of positive weight, of all if that leaves one."""
    if not weight.all():
        classes = unique_labels(y[weight > 0])
        if len(classes) > 1:
            return classes
    return unique_labels(y)


def encode_classes(y, weight, *, by_task):
    """A 1-D y as -1/+1, one column per class if there are more than two."""
    distinct = unique_labels(y)
    binary = len(distinct) == 2
    # two whole numbers are classes; of other targets scikit-learn is to say so
    if not (binary and distinct.dtype.kind in "biuf" and np.all(distinct % 1 == 0)):
        check_classification_targets(distinct if binary else y)
    classes = distinct if weight.all() else _classes(y, weight)
    if len(classes) == 1:
        raise ValueError(
            f"y has one class only, {classes.tolist()}. A classifier needs rows of at "
            "least two classes."
        )
    if len(classes) == 2:
        return np.where(y == classes[1], 1.0, -1.0), classes
    if by_task:
        raise ValueError(
            f"y has {len(classes)} classes, but rows that belong to tasks need exactly "
            "two. Leave the task labels out (one task per class), or make y binary."
        )
    return np.where(y[:, None] == classes, 1.0, -1.0), classes


def encode_columns(y, observed, weight, tasks):
    """A 2-D y as -1/+1, with the pair of classes of every column."""
    classes, others = np.empty((len(tasks), 2), dtype=y.dtype), np.arange(len(tasks))
    if y.dtype.kind in "biuf":
        classes[:, 0], classes[:, 1], plain = two_valued(y)
        others = np.flatnonzero(~plain)
    for t in others:
        seen = observed[:, t]
        values = unify(y[seen, t], "y")
        found = _classes(values, weight[seen, t])
        continuous = values.dtype.kind == "f" and (values % 1 != 0).any()
        if len(found) > 2 and not continuous:
            raise ValueError(
                f"column {tasks.tolist()[t]!r} of y has {len(found)} classes; every "
                "column of a 2-D y needs two. Pass y as 1-D, or make the column binary."
            )
        check_classification_targets(values)
        classes[t] = found[[0, -1]]
    single = classes[:, 0] == classes[:, 1]
    _complete(classes, single, tasks)
    return np.where(y == classes[:, 1], 1.0, -1.0), classes


def _complete(classes, single, tasks):
    """Give columns with one class the pair that all others share."""
    pairs = classes[~single]
    shared = pairs[0] if len(pairs) and np.all(pairs == pairs[0]) else classes[:0, 0]
    foreign = np.flatnonzero(single & ~np.isin(classes[:, 0], shared))
    if foreign.size:
        t = foreign[0]
        raise ValueError(
            f"column {tasks.tolist()[t]!r} of y has one class only, "
            f"{classes[t].tolist()[0]!r}, and the other columns do not share one pair "
            "of classes with it. Leave the column out."
        )
    if single.any():
        classes[single] = shared


def positions(labels, tasks, name):
    """Return the places of labels among the tasks, or raise ValueError.

    Parameters
    ----------
    labels : list
    tasks : ndarray of shape (n_tasks,)
    name : str
        Of the argument that holds the labels.
    """
    if not labels:
        return np.zeros(0, dtype=np.intp)
    values = np.empty(len(labels), dtype=object)
    values[:] = labels
    found = label_array(values, name)
    same = label_kind(found) == label_kind(tasks)
    codes = encode(found, tasks) if same else np.full(len(found), -1)
    if np.any(codes < 0):
        unknown = list(dict.fromkeys(found[codes < 0].tolist()))
        raise ValueError(
            f"{name} has no tasks {unknown[:10]} to tie (tasks_ is like "
            f"{tasks[:3].tolist()}): leave them out, or give them as in the data"
        )
    return codes
