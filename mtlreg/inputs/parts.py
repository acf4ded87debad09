"""Tables in parts: what they have in common, and classes that no part knows alone."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from mtlreg.inputs.frames import count_rows, listed
from mtlreg.inputs.labels import (
    encode,
    encode_classes,
    encode_columns,
    label_kind,
    unique_labels,
)
from mtlreg.inputs.read import FitInput, by_columns, by_rows, read_cells, read_rows
from mtlreg.inputs.targets import check_weighted
from mtlreg.problem.data import MultiTaskData

__all__ = ["READ", "Labels", "PartRows", "check_alike"]

READ = "n_features_in_", "feature_names_in_"  # what reading X sets

_WORDS = {
    "columns": "the columns of y are the tasks",
    "rows": "rows have task labels",
    "single": "there is one task",
}


def check_alike(here, before):
    """Raise ValueError where the columns or the tasks of two parts are not alike.

    Parameters
    ----------
    here, before : tuple
        Names of the features, the layout (as in `FitInput`), and the labels of tasks or
        the names of the columns of y.
    """
    (names, layout, tasks), (known, usual, others) = here, before
    if not np.array_equal(known, names):
        raise ValueError(
            f"the features here are {listed(names)}, but were {listed(known)} before; "
            f"give the same columns in one order"
        )
    if usual != layout:
        raise ValueError(
            f"{_WORDS[layout]} here, but {_WORDS[usual]} before; name the tasks in one "
            f"way"
        )
    if usual == "columns" and not np.array_equal(others, tasks):
        raise ValueError(
            f"the columns of y are {listed(tasks)} here, but were {listed(others)} "
            f"before; give the same columns in one order"
        )
    if label_kind(others) != label_kind(tasks):
        raise ValueError(
            f"task labels are {label_kind(tasks)} here, but were {label_kind(others)} "
            f"before; convert them to one type"
        )


class PartRows(BaseEstimator):
    """Rows of a classifier's table, read, with classes as y has them.

    Parameters
    ----------
    task_column : str or int, optional
        As of an estimator.
    """

    _X = None

    def __init__(self, *, task_column=None):
        self.task_column = task_column

    def read(self, X, y, tasks=None, sample_weight=None):
        """Check rows as `fit` would, but for what needs all of them; return self."""
        if count_rows(X) == 0:
            return self
        self._X, self._tasks, self._names = read_rows(self, X, tasks, reset=True)
        given = y, sample_weight, self._X, self._tasks
        cells = read_cells(self, *given, classifier=True, part=True)
        self._y, self._observed, self._columns, self._weight = cells
        return self

    @property
    def _layout(self):
        if self._columns is not None:
            return "columns"
        return "single" if self._tasks is None else "rows"

    def labels(self):
        """Return the `Labels` of the rows, or None without rows."""
        if self._X is None:
            return None
        observed, columns = self._observed, self._columns
        if columns is not None:
            tasks = np.broadcast_to(np.arange(len(columns)), self._y.shape)[observed]
        else:
            tasks = np.zeros(len(self._y), int) if self._tasks is None else self._tasks
        known = {name: getattr(self, name) for name in READ if hasattr(self, name)}
        what = self._names, self._layout, columns, known
        cells = self._y[observed], tasks, self._weight[observed]
        return Labels(*what, *cells).distinct()

    def data(self, read, shares):
        """Return the rows as data of all tasks, some of which may have none here.

        Parameters
        ----------
        read : FitInput
            Of `Labels.read`.
        shares : ndarray of shape (n_classes, n_tasks)
            What the weights of a class, or of the cells of a sign where a task has two
            classes, are multiplied by.

        Returns
        -------
        MultiTaskData or None
            None without rows.
        """
        if self._X is None:
            return None
        X, y, weight, classes = self._X, self._y, self._weight, read.classes
        if read.layout in ("single", "rows"):
            X = sparse.csr_array(X) if sparse.issparse(X) else X
            y = np.where(y == classes[1], 1.0, -1.0)
            codes = np.zeros(len(y), dtype=np.intp)
            if read.layout == "rows":
                codes = encode(self._tasks, read.tasks)
            weight = weight * shares[(y > 0).astype(np.intp), codes]
            return by_rows(X, y, weight, codes, read.tasks, True)[0]
        if read.layout == "columns":
            y = np.where(y == classes[:, 1], 1.0, -1.0)
            weight = weight * np.where(y > 0, shares[1], shares[0])
            return by_columns(X, y, weight)[0]
        hits = y[:, None] == classes
        weight = weight[:, None] * shares[np.argmax(hits, axis=1)]
        return by_columns(X, np.where(hits, 1.0, -1.0), weight)[0]


@dataclass(frozen=True)
class Labels:
    """The pairs of a class and a task that rows have, and sums of weights.

    Attributes
    ----------
    names, layout : as in `FitInput`
    columns : ndarray or None
        Names of the columns of a 2-D y, of which ``tasks`` then are positions.
    known : dict
        The attributes that reading X sets.
    classes, tasks, weight : ndarray of shape (n_pairs,)
    """

    names: np.ndarray
    layout: str
    columns: np.ndarray | None
    known: dict
    classes: np.ndarray
    tasks: np.ndarray
    weight: np.ndarray

    @property
    def _kind(self):
        tasks = self.tasks if self.columns is None else self.columns
        return self.names, self.layout, tasks

    def distinct(self):
        """Return the same with each pair once."""
        classes, of_class = _places(self.classes)
        tasks, of_task = _places(self.tasks)
        pairs, which = np.unique(of_class * len(tasks) + of_task, return_inverse=True)
        weight = np.bincount(which, self.weight, len(pairs))
        cells = classes[pairs // len(tasks)], tasks[pairs % len(tasks)], weight
        return Labels(self.names, self.layout, self.columns, self.known, *cells)

    def __add__(self, other):
        """Return the labels of the rows of both, or raise ValueError if not alike."""
        check_alike(other._kind, self._kind)
        here, before = map(_kind_of_classes, (other.classes, self.classes))
        if self.columns is None and here != before:
            raise ValueError(
                f"the classes are {here} here, {listed(_places(other.classes)[0])}, "
                f"but were {before} before; convert y to one type"
            )
        both = (
            np.concatenate([getattr(one, name) for one in (self, other)])
            for name in ("classes", "tasks", "weight")
        )
        what = self.names, self.layout, self.columns, self.known
        return Labels(*what, *both).distinct()

    def read(self):
        """Return what `read_fit_input` would of all rows, with a row for each class.

        The weights of a row are the sums of those of its class in each task, or of the
        cells of a sign where a task has two classes; X holds no more than its width.
        """
        y, weight, columns = self.classes, self.weight, self.columns
        if columns is not None:
            y, classes = self._by_columns()
            codes, tasks = self.tasks, columns
        else:
            tasks = unique_labels(self.tasks)
            codes = encode(self.tasks, tasks)
            check_weighted(np.bincount(codes, weight, len(tasks)), tasks)
            by_task = self.layout == "rows"
            y, classes = encode_classes(y, weight, by_task=by_task)
        layout = self.layout
        if y.ndim == 2:
            # a task for each class, in which every row counts
            layout, tasks = "multiclass", classes
            totals = np.bincount(np.argmax(y, axis=1), weight, len(classes))
            table = np.repeat(totals[:, None], len(classes), axis=1)
            signs = 2.0 * np.eye(len(classes)) - 1.0
        else:
            table = np.zeros((2, len(tasks)))
            np.add.at(table, ((y > 0).astype(np.intp), codes), weight)
            signs = np.repeat([[-1.0], [1.0]], len(tasks), axis=1)
        X = np.zeros((len(table), len(self.names)))
        data = MultiTaskData(X, signs, table)
        return FitInput(data, layout, tasks, classes, self.names, np.arange(0))

    def _by_columns(self):
        """Return the signs of the pairs of columns, and the classes of these."""
        n_tasks, order = len(self.columns), np.argsort(self.tasks, kind="stable")
        totals = np.bincount(self.tasks, self.weight, n_tasks)
        check_weighted(totals, self.columns)
        counts = np.bincount(self.tasks, minlength=n_tasks)
        starts = np.cumsum(counts) - counts
        rank = np.empty(len(order), dtype=np.intp)
        rank[order] = np.arange(len(order)) - np.repeat(starts, counts)
        # what is not observed is any other value of the column
        cells = rank, self.tasks
        y = np.tile(self.classes[order][starts], (counts.max(), 1))
        y[cells] = self.classes
        weight = np.zeros(y.shape)
        observed = np.zeros(y.shape, dtype=bool)
        weight[cells], observed[cells] = self.weight, True
        signs, classes = encode_columns(y, observed, weight, self.columns)
        return signs[cells], classes


def _places(values):
    """Return the distinct values, and which of them each is."""
    if values.dtype.kind != "O":
        return np.unique(values, return_inverse=True)
    found = {}
    codes = [found.setdefault(value, len(found)) for value in values.tolist()]
    distinct = np.empty(len(found), dtype=object)
    distinct[:] = list(found)
    return distinct, np.array(codes, dtype=np.intp)


def _kind_of_classes(classes):
    if classes.dtype.kind == "O":
        return "strings" if isinstance(classes[0], str) else "numbers"
    return "dates" if classes.dtype.kind == "M" else "numbers"
