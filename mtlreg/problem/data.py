"""The rows of all tasks as plain arrays, and sums over the cells of a task."""

from dataclasses import dataclass

import numpy as np

from mtlreg.problem.threads import largest_product


@dataclass(frozen=True)
class MultiTaskData:
    """Rows of all tasks as plain arrays, checked and in the order solvers want.

    Attributes
    ----------
    X : ndarray (C-contiguous) or csr_array of shape (n_rows, n_features)
        float64 or float32, finite. Without ``offsets`` every task sees all rows, and X
        may be a csc_array.
    y : ndarray of shape (n_rows,) with ``offsets``, else (n_rows, n_tasks)
        float64, finite, and 0 where ``weight`` is 0.
    weight : ndarray of the shape of ``y``
        Weights w_ti >= 0 (float64), 0 where a target is not observed; every task has a
        positive sum.
    offsets : ndarray of shape (n_tasks + 1,) or None
        Task t owns the rows ``offsets[t]:offsets[t + 1]``; None: one X for all tasks.
    """

    X: object
    y: np.ndarray
    weight: np.ndarray
    offsets: np.ndarray | None = None

    @property
    def cells(self):
        """The sums over the cells of a task, see `Cells`."""
        return Cells(self.offsets)

    @property
    def work(self):
        """Multiply-adds of the largest product with the rows."""
        n_rows, n_features = self.X.shape
        if self.offsets is None:
            return largest_product(n_rows, n_features, self.y.shape[1])
        return largest_product(np.diff(self.offsets).max(), n_features)


class Cells:
    """Reductions over the cells (observed targets) of each task.

    Parameters
    ----------
    offsets : ndarray of shape (n_tasks + 1,) or None
        As in `MultiTaskData`; None: cells are rows by tasks.
    """

    def __init__(self, offsets):
        self.offsets = offsets

    def _reduce(self, ufunc, values):
        if self.offsets is None:
            return ufunc.reduce(values, axis=0)
        return ufunc.reduceat(values, self.offsets[:-1])

    def total(self, values):
        """Return the sum of each task, the same to the bit for tasks that are alike."""
        return self._reduce(np.add, values)

    def sum(self, values):
        """Return the sum of each task, (n_tasks,)."""
        if self.offsets is None:
            # many times faster than a reduction of short rows
            return np.ones(len(values), dtype=values.dtype) @ values
        return self._reduce(np.add, values)

    def max(self, values):
        """Return the maximum of each task, (n_tasks,)."""
        return self._reduce(np.maximum, values)

    def min(self, values):
        """Return the minimum of each task, (n_tasks,)."""
        return self._reduce(np.minimum, values)

    def spread(self, per_task):
        """Return an array that broadcasts a value of each task over its cells."""
        if self.offsets is None:
            return per_task
        return np.repeat(per_task, np.diff(self.offsets))
