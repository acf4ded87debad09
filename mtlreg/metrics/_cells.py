"""Targets, predictions and weights of all tasks in one long form."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_consistent_length

from mtlreg.inputs.frames import column_names, listed
from mtlreg.inputs.labels import encode, label_array, read_classes, unique_labels
from mtlreg.inputs.targets import read_target

_AGGREGATES = ["raw_values", "uniform_average", "size_weighted"]


@dataclass(frozen=True)
class Cells:
    """The observed targets of positive weight.

    Attributes
    ----------
    y, z, weight, code : ndarray of shape (n_cells,)
        Targets, predictions, weights and positions in ``tasks``.
    tasks : ndarray of shape (n_tasks,)
        Labels or names of columns; some may have no cell.
    by_column : bool
        Whether the tasks are the columns of a 2-D y.
    """

    y: np.ndarray
    z: np.ndarray
    weight: np.ndarray
    code: np.ndarray
    tasks: np.ndarray
    by_column: bool

    def total(self, values):
        """Return the weighted sum over the cells of every task."""
        return np.bincount(self.code, self.weight * values, len(self.tasks))

    @cached_property
    def size(self):
        """Sum W_t of the weights of every task, NaN where there is no cell."""
        size = self.total(np.ones(len(self.y)))
        return np.where(size > 0, size, np.nan)

    @cached_property
    def sse(self):
        """Sum of the squared errors of every task."""
        return self.total((self.y - self.z) ** 2)

    @cached_property
    def sst(self):
        """Sum of the squares around the mean of every task, NaN for a constant."""
        first = np.zeros(len(self.tasks))
        first[self.code[::-1]] = self.y[::-1]
        # the mean of a constant is rounded, so that its sum of squares may not be 0
        varies = self.total(self.y != first[self.code]) > 0
        mean = self.total(self.y) / self.size
        return np.where(varies, self.total((self.y - mean[self.code]) ** 2), np.nan)


def read_numbers(y_true, y_pred, tasks, sample_weight):
    """Return the cells of a regression."""
    names, z = column_names(y_pred), _as_floats(y_pred, "y_pred").astype(np.float64)
    cells = read_cells(y_true, z, tasks, sample_weight, names, classifier=False)
    _check_finite(cells.z, "y_pred")
    return cells


def read_scores(y_true, y_score, tasks, sample_weight, labels, name):
    """Return the cells, which are positive, and of which tasks that is known."""
    names, z = column_names(y_score), _second_column(y_true, y_score, name)
    cells = read_cells(y_true, z, tasks, sample_weight, names, classifier=True)
    _check_finite(cells.z, name)
    pairs = np.empty((len(cells.tasks), 2), dtype=object)
    if labels is None:
        pairs[:] = _pairs(cells) if cells.by_column else _pair(cells.y)
    else:
        pairs[:] = _check_pairs(labels, len(pairs) if cells.by_column else 1)
    known = pairs[:, 1] != None  # noqa: E711 - elementwise
    first, second = pairs[cells.code].T
    positive = np.asarray(cells.y == second, dtype=bool)
    foreign = ~positive & (cells.y != first)
    if foreign.any():
        raise ValueError(
            f"y_true holds {listed(cells.y[foreign], 1)}, which is not among labels="
            f"{np.asarray(labels).tolist()}. Pass the two classes of y_true."
        )
    return cells, positive, known


def one_vs_rest(y_true, y_score, labels):
    """Return a column of y for each class, and its labels, where scores are by class.

    That is a 1-D y with more than two columns of scores; all else is as it was.
    """
    shape = np.shape(y_score) if _is_column(y_true) else ()
    if len(shape) != 2 or shape[1] <= 2:
        return y_true, labels
    y, _, _ = read_classes(y_true)
    classes = np.unique(y) if labels is None else np.asarray(labels)
    if classes.shape != shape[1:]:
        raise ValueError(
            f"the prediction has shape {shape}, but there are {len(classes)} classes, "
            f"such as {listed(classes, 3)}. Pass a column for every class, and all "
            f"classes as labels=."
        )
    members = y[:, None] == classes
    foreign = ~members.any(axis=1)
    if foreign.any():
        raise ValueError(
            f"y_true holds {listed(y[foreign], 1)}, which is not among labels="
            f"{classes.tolist()}. Pass all classes of y_true."
        )
    return members.astype(np.int64), [0, 1]


def read_cells(y_true, z, tasks, sample_weight, names, *, classifier):
    """Check targets, weights and labels against the predictions z.

    Parameters
    ----------
    y_true, tasks, sample_weight
        As the metrics take them.
    z : ndarray of shape (n_samples,) or (n_samples, n_tasks)
    names : ndarray of shape (n_tasks,) or None
        Names of the columns of z.
    classifier : bool
        Whether the targets are classes.

    Returns
    -------
    Cells
    """
    check_consistent_length(y_true, z, tasks)
    if z.ndim == 2 and z.shape[1] == 1:
        z = z[:, 0]
    y, weight, columns = read_target(
        y_true, sample_weight, z.shape, classifier=classifier
    )
    used = weight > 0
    if z.ndim == 2:
        if tasks is not None:
            raise ValueError(
                f"y_true of shape {y.shape} is 2-D and tasks= is given: either the "
                "columns of y_true are the tasks or the rows have labels. Leave out "
                "tasks, or pass y_true as 1-D."
            )
        _check_names(columns, names)
        code = np.nonzero(used)[1]
    elif tasks is None:
        columns = np.array([0]) if columns is None else columns
        code = np.zeros(np.count_nonzero(used), dtype=np.intp)
    else:
        labels = label_array(tasks, "tasks")
        columns = unique_labels(labels)
        code = encode(labels, columns)[used]
    return Cells(y[used], z[used], weight[used], code, columns, z.ndim == 2)


def aggregate(name, values, cells, multioutput, why="without an observed target"):
    """Return the values of all tasks, or their mean over those that have one.

    Parameters
    ----------
    name : str
        Of the metric.
    values : ndarray of shape (n_tasks,)
        NaN where the metric is not defined.
    cells : Cells
    multioutput : {"raw_values", "uniform_average", "size_weighted"}
    why : str
        On which tasks the metric is not defined, in words.
    """
    check_choice(multioutput, "multioutput", _AGGREGATES)
    defined = ~np.isnan(values)
    if not defined.any():
        raise ValueError(f"{name} is not defined on any task: not {why}.")
    if multioutput == "raw_values":
        return values
    if not defined.all():
        warnings.warn(
            f"{name} is not defined {why}: task(s) {listed(cells.tasks[~defined])} are "
            "left out of the mean.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
    by_size = multioutput == "size_weighted"
    weights = cells.size[defined] if by_size else None
    return float(np.average(values[defined], weights=weights))


def check_choice(value, name, choices):
    """Raise ValueError unless ``value`` is one of the strings in ``choices``."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")


def read_reference(reference, tasks):
    """Return a finite number for every task, given in their order or by label."""
    if hasattr(reference, "keys"):
        missing = [task for task in tasks.tolist() if task not in reference]
        if missing:
            raise ValueError(
                f"reference has no entry for the tasks {missing[:10]}; give every task "
                f"a number"
            )
        reference = [reference[task] for task in tasks.tolist()]
    means = np.asarray(reference, dtype=np.float64)
    if means.shape != tasks.shape:
        raise ValueError(
            f"reference has shape {means.shape}, but there are {len(tasks)} tasks; "
            f"give one number for each, or a dict by task"
        )
    if not np.all(np.isfinite(means)):
        raise ValueError(
            f"reference must be finite, got {means[~np.isfinite(means)][0]}"
        )
    return means


def _as_floats(z, name):
    """The values as floats of their own precision, NaN where they are masked."""
    try:
        if isinstance(z, np.ma.MaskedArray):
            z = z.astype(np.float64).filled(np.nan)
        z = np.asarray(z)
        if z.dtype.kind == "c":
            raise TypeError("Complex data not supported")
        return z if z.dtype.kind == "f" else z.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}") from error


def _check_finite(z, name):
    if not np.isfinite(z).all():
        raise ValueError(
            f"{name} holds NaN or infinity where y_true is observed. Predict every row "
            "and task that is scored."
        )


def _check_names(columns, names):
    if names is None or "O" not in (columns.dtype.kind, names.dtype.kind):
        return
    given, known = names.tolist(), columns.tolist()
    if given != known and set(given) == set(known):
        raise ValueError(
            f"the columns of the prediction are {given}, those of y_true {known}. "
            "Select them in one order."
        )


def _second_column(y_true, z, name):
    """Scores of the second class, of the shape of y_true."""
    if isinstance(z, list) and z and all(np.ndim(part) == 2 for part in z):
        z = [np.asarray(part) for part in z]
        if any(part.shape[1] != 2 for part in z):
            raise ValueError(
                f"{name} is a list of arrays of {[part.shape[1] for part in z]} "
                "columns. Pass two columns, one per class, for every task."
            )
        z = np.stack([part[:, 1] for part in z], axis=1)
    z = _as_floats(z, name)
    if not _is_column(y_true) or z.shape[1:] in [(), (1,)]:
        return z
    if z.shape[1:] != (2,):
        raise ValueError(
            f"y_true has one column, but the prediction has shape {z.shape}. Pass two "
            "columns, one per class; of more classes, use task_accuracy or task_auc."
        )
    return z[:, 1]


def _is_column(y):
    return np.shape(y)[1:] in [(), (1,)]


def _pairs(cells):
    """The `_pair` of every task, one for all tasks with the same classes."""
    if len(set(map(type, cells.y.tolist()))) > 1:
        # columns of several types, which have no order
        tasks = np.arange(len(cells.tasks))
        return np.array([_pair(cells.y[cells.code == t]) for t in tasks], dtype=object)
    classes, codes = np.unique(cells.y, return_inverse=True)
    first = np.full(len(cells.tasks), len(classes))
    last = np.full(len(cells.tasks), -1)
    np.minimum.at(first, cells.code, codes)
    np.maximum.at(last, cells.code, codes)
    more = (codes != first[cells.code]) & (codes != last[cells.code])
    if more.any():
        _pair(cells.y[cells.code == cells.code[more][0]])  # raises
    ends = np.stack([first, last], axis=1)
    kinds, which = np.unique(ends, axis=0, return_inverse=True)
    pairs = np.empty((len(kinds), 2), dtype=object)
    pairs[:] = [_pair(classes[kind[kind < len(classes)]]) for kind in kinds]
    return pairs[which.reshape(-1)]


def _pair(values):
    """First and second class among the values; None where it cannot be known."""
    classes = np.unique(values).tolist()
    if len(classes) > 2:
        raise ValueError(
            f"y_true has {len(classes)} classes, {listed(classes, 3)}, where two are "
            "needed. Pass binary targets, or use task_accuracy."
        )
    if len(classes) == 2:
        return classes
    if classes and classes[0] in (-1, 0, 1):
        return [min(classes[0], 0), 1]
    return [*classes, None, None][:2]


def _check_pairs(labels, n_tasks):
    pairs = np.array(labels, dtype=object)
    ragged = pairs.ndim == 1 and any(np.ndim(label) for label in pairs)
    if ragged or pairs.shape not in [(2,), (n_tasks, 2)]:
        raise ValueError(
            f"labels has shape {pairs.shape}; it must hold the first and the second "
            f"class, shape (2,), or those of every column of y_true, shape (n_tasks, 2)"
        )
    return pairs
