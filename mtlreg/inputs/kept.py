"""Rows of tasks that have few of them, which are less than the sums over these."""

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.sparse import issparse

from mtlreg.inputs.labels import encode, unique_labels
from mtlreg.inputs.read import keep_tasks
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.memory import has_room

__all__ = ["KeptRows", "few_rows", "of_some_tasks", "stack_rows", "sums_as_rows"]


@dataclass(frozen=True)
class KeptRows:
    """Dense rows of tasks, sorted by these, which are never written to.

    Attributes
    ----------
    tasks : ndarray of shape (n_tasks,)
        Sorted labels of the tasks, all of which have rows.
    data : MultiTaskData
        In float64, with offsets and weights > 0.
    """

    tasks: np.ndarray
    data: MultiTaskData

    @classmethod
    def of_rows(cls, tasks, data, rows):
        """Return the rows at some positions, in the order of ``data.offsets``."""
        X = data.X[rows]
        X = X.toarray() if issparse(X) else X
        X = X.astype(np.float64, copy=False)
        return cls(
            tasks, MultiTaskData(X, data.y[rows], data.weight[rows], data.offsets)
        )

    @classmethod
    def of_arrays(cls, arrays):
        """Return the rows of the attributes by name, those of the data too."""
        names = [field.name for field in fields(MultiTaskData)]
        return cls(arrays["tasks"], MultiTaskData(*map(arrays.get, names)))

    @classmethod
    def empty(cls, n_features):
        """Return the rows of no tasks."""
        data = MultiTaskData(np.empty((0, n_features)), *np.empty((2, 0)), np.zeros(1))
        return cls(np.empty(0), data)

    @property
    def sizes(self):
        """How many rows the tasks have."""
        return np.diff(self.data.offsets)

    @property
    def counts(self):
        """Rows and sums of the logarithms of their weights, (2, n_tasks)."""
        return np.stack([self.sizes, self.data.cells.sum(np.log(self.data.weight))])

    def restrict(self, features=None, tasks=None):
        """Return the rows of some features and of the tasks in a mask."""
        whole = tasks is None or tasks.all()
        data = self.data if whole else keep_tasks(self.data, tasks)
        if features is not None:
            data = replace(data, X=np.ascontiguousarray(data.X[:, features]))
        return KeptRows(self.tasks if whole else self.tasks[tasks], data)

    def is_of(self, n_features):
        """Return whether all arrays have the shapes of so many features."""
        X, y, weight, offsets = vars(self.data).values()
        n_rows = offsets[-1] if offsets.size else -1
        return (
            X.shape == (n_rows, n_features)
            and y.shape == weight.shape == (n_rows,)
            and offsets.shape == (len(self.tasks) + 1,)
        )


def stack_rows(parts):
    """Return the rows of several `KeptRows` as one, and of which part each is."""
    if len(parts) == 1:
        return parts[0], np.zeros(len(parts[0].data.y), dtype=np.intp)
    tasks = unique_labels(np.concatenate([part.tasks for part in parts]))
    places = [np.repeat(encode(part.tasks, tasks), part.sizes) for part in parts]
    sizes = list(map(len, places))
    codes, which = np.concatenate(places), np.repeat(np.arange(len(parts)), sizes)
    order = np.argsort(codes, kind="stable")
    at = np.empty_like(order)
    at[order] = np.arange(len(order))
    # each part goes to its places at once, with no other copy of all of them
    X = np.empty((len(order), parts[0].data.X.shape[1]))
    y, weight = np.empty((2, len(order)))
    for part, rows in zip(parts, np.split(at, np.cumsum(sizes)[:-1]), strict=True):
        X[rows], y[rows], weight[rows] = part.data.X, part.data.y, part.data.weight
    counts = np.bincount(codes, minlength=len(tasks))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return KeptRows(tasks, MultiTaskData(X, y, weight, offsets)), which[order]


def sums_as_rows(part):
    """Return rows that have the sums of a part: d + 2 of each task, equal in weight.

    With S = C'C the squares of z = (x, y) about its mean, in m = d + 2 rows of weight W
    / m these are the mean and ``sqrt(m / W)`` times the rows of QC, where the columns
    of Q, orthonormal, sum up to 0: those of the reflection of 1 / sqrt(m) to the first
    unit vector but for the first one. C is good to the rounding of every variable's own
    square.

    Parameters
    ----------
    part : PartStatistics
        About the means, of tasks with weight.

    Returns
    -------
    MultiTaskData
    """
    n_tasks, d = len(part.weight), len(part.means)
    squares = np.empty((n_tasks, d + 1, d + 1))
    squares[:, :d, :d] = np.moveaxis(np.atleast_3d(part.gram), 2, 0)
    squares[:, :d, d] = squares[:, d, :d] = part.cross.T
    squares[:, d, d] = part.square
    size = np.sqrt(np.diagonal(squares, axis1=1, axis2=2))
    unit = np.where(size > 0, size, 1.0)
    squares /= unit[:, :, None] * unit[:, None]
    values, vectors = np.linalg.eigh(squares)
    values[values <= (d + 1) * np.finfo(np.float64).eps * values[:, -1:]] = 0.0
    root = np.sqrt(values)[:, :, None] * vectors.swapaxes(1, 2) * size[:, None]
    m, total = d + 2, root.sum(axis=1)
    rows = np.empty((n_tasks, m, d + 1))
    rows[:, 0] = total / np.sqrt(m)
    rows[:, 1:] = root - total[:, None] / (m - np.sqrt(m))
    rows *= np.sqrt(m / part.weight)[:, None, None]
    rows += np.append(part.means, part.targets[None], axis=0).T[:, None]
    rows = rows.reshape(n_tasks * m, d + 1)
    X, y = np.ascontiguousarray(rows[:, :d]), rows[:, d].copy()
    offsets = m * np.arange(n_tasks + 1)
    return MultiTaskData(X, y, np.repeat(part.weight / m, m), offsets)


def of_some_tasks(data, rows, keep):
    """Return data with the offsets of some tasks, and their rows in that order."""
    if keep.all():
        return data, rows
    sizes = np.diff(data.offsets)
    offsets = np.concatenate([[0], np.cumsum(sizes[keep])])
    return replace(data, offsets=offsets), rows[np.repeat(keep, sizes)]


def few_rows(sizes, summed, n_features, n_summed, others=()):
    """Return which tasks are to be kept as rows, none where that saves too little.

    A row takes d + 2 numbers and the sums of a task take ``(d + 1)^2``. Sums are the
    faster to add to and to fit, so that rows have to take less than half of that, where
    there is room for sums of all tasks.

    Parameters
    ----------
    sizes : ndarray of shape (n_tasks,)
        How many rows the tasks have.
    summed : ndarray of bool of shape (n_tasks,)
        Which of them have sums already.
    n_features : int
    n_summed : int
        How many tasks have sums, of all.
    others : sequence of KeptRows
        More rows that are kept.
    """
    few = ~summed & (sizes <= n_features)
    n_rows = sizes[few].sum() + sum(len(part.data.y) for part in others)
    n_tasks = n_summed + (~summed).sum() + sum(len(part.tasks) for part in others)
    n_sums, of_sums = n_summed + np.sum(~summed & ~few), (n_features + 1) ** 2
    mixed = n_sums * of_sums + n_rows * (n_features + 2)
    saves = 2 * mixed <= n_tasks * of_sums
    return few & (saves or not has_room(n_tasks, n_features))
