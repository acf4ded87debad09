"""Sums of tasks by label, and rows of the tasks that have few of these."""

import numpy as np
from scipy.sparse import issparse

from mtlreg.inputs.kept import (
    KeptRows,
    few_rows,
    of_some_tasks,
    stack_rows,
    sums_as_rows,
)
from mtlreg.inputs.labels import encode, unique_labels
from mtlreg.inputs.read import keep_tasks
from mtlreg.sequences.mixed_model import counts_of
from mtlreg.sequences.parts import PartStatistics
from mtlreg.sequences.sums import TaskSums

__all__ = ["TaskStore"]

_SUMS = ("weight", "means", "targets", "gram", "cross", "square")
_KEPT = "kept_"  # in front of the names of what is kept of rows


class TaskStore:
    """What `mtlreg.statistics.TaskStatistics` know of the rows of every task.

    A task has sums, to which rows are added in place, or its rows are kept; which of
    them is decided where somebody looks, and now and then as rows come in.

    Parameters
    ----------
    tasks : ndarray of shape (n_tasks,), optional
        Labels of tasks with sums, sorted but for columns of y.
    part : PartStatistics, optional
        Their sums.
    counts : ndarray of shape (2, n_tasks), optional
        Rows of positive weight, and sums of the logarithms of these.
    kept : tuple of KeptRows
    """

    # what rows are added to, of this object alone; newer than _part where that is None
    _sums = None
    _fresh = False  # whether _part was made by a merge, and nobody has seen it since
    _settled = False  # whether kept rows are in one part, and of few a task

    def __init__(self, tasks=None, part=None, counts=None, kept=()):
        self._tasks, self._part, self._counts = tasks, part, counts
        self._kept = kept

    @classmethod
    def of_data(cls, tasks, data, kept=()):
        """Return the sums of data of some tasks, beside rows that are kept."""
        part = PartStatistics.of_data(data, centred=True)
        return cls(tasks, part, np.stack(counts_of(data)), kept)

    def add(self, labels, data, rows):
        """Take in rows in place, or raise MemoryError and take in none of them.

        Parameters
        ----------
        labels : ndarray of shape (n_tasks,)
            Sorted, of tasks that all have rows.
        data : MultiTaskData
            Sparse rows are sorted by task.
        rows : ndarray of int
            The positions of dense ones, in the order of ``data.offsets``.
        """
        self._settle_if_due()
        few = self._few(labels, np.diff(data.offsets), data.X.shape[1], self._kept)
        kept = ()
        if few.any():
            part = of_some_tasks(data, rows, few)
            kept = (KeptRows.of_rows(labels[few], *part),)
        if issparse(data.X) and not few.all():
            part = keep_tasks(data, ~few) if few.any() else data
            return self.merge(TaskStore.of_data(labels[~few], part, kept))
        if not few.all():
            self._add_to_sums(labels[~few], *of_some_tasks(data, rows, ~few))
        self._kept, self._settled = self._kept + kept, False
        return self

    def merge(self, other):
        """Take in the rows that another store is of, which stays as it is."""
        self._settle_if_due()
        here, there = self._summed(), other._summed()
        if here is None:
            self._tasks, self._part, self._counts = other._tasks, there, other._counts
            self._fresh = other._fresh = False
        elif there is not None:
            tasks = _union(self._tasks, other._tasks)
            places = [_places(one._tasks, tasks) for one in (self, other)]
            if self._fresh and len(tasks) == len(self._tasks):
                here.add(there, places[1])
                self._counts[:, places[1]] += other._counts
            else:
                counts = np.zeros((2, len(tasks)))
                for one, held in zip((self, other), places, strict=True):
                    counts[:, held] += one._counts
                part = here.merge(there, len(tasks), places)
                self._tasks, self._part, self._counts = tasks, part, counts
                self._fresh = part.gram.ndim == 3
            self._sums = None
        self._kept, self._settled = self._kept + other._kept, False
        return self

    def _few(self, tasks, sizes, n_features, others=()):
        """Return of which tasks rows are to be kept, see `few_rows`."""
        summed, n_summed = np.zeros(len(tasks), dtype=bool), 0
        if self._tasks is not None:
            summed, n_summed = encode(tasks, self._tasks) >= 0, len(self._tasks)
        return few_rows(sizes, summed, n_features, n_summed, others)

    def _settle(self, refuse=False):
        """Make one part of the rows that are kept, and sums of tasks with many.

        Where there is no room for these the rows stay, or ``refuse`` raises.
        """
        if self._settled or not self._kept:
            return
        kept, _ = stack_rows(self._kept)
        few = self._few(kept.tasks, kept.sizes, kept.data.X.shape[1])
        if not few.all():
            many = kept.restrict(tasks=~few)
            try:
                self._add_to_sums(many.tasks, many.data, np.arange(len(many.data.y)))
            except MemoryError:
                if refuse:
                    raise
                few[:] = True
        self._kept = (kept.restrict(tasks=few),) if few.any() else ()
        self._settled = True

    def _settle_if_due(self):
        """Do so where more rows came than there were before: seldom enough.

        Raises MemoryError where sums have no room.
        """
        sizes = [len(part.data.y) for part in self._kept]
        if len(sizes) > 1 and sum(sizes[1:]) >= sizes[0]:
            self._settle(refuse=True)

    def _add_to_sums(self, labels, data, rows):
        tasks, sums = self._tasks, self._sums
        if tasks is None:
            tasks, sums = labels, TaskSums.empty(len(labels), data.X.shape[1])
        sums = sums or TaskSums.of_part(self._part, self._counts)
        places = encode(labels, tasks)
        if np.any(places < 0):
            tasks = _union(self._tasks, labels)
            sums = sums.among(len(tasks), encode(self._tasks, tasks))
            places = encode(labels, tasks)
        sums.add(data, rows, places)
        self._tasks, self._sums, self._part = tasks, sums, None

    def _summed(self):
        """Return the `PartStatistics` of the tasks with sums, or None."""
        if self._part is None and self._sums is not None:
            self._part, self._counts = self._sums.part()
        return self._part

    @property
    def _made(self):
        self._settle()
        self._summed()
        self._fresh = False
        return self

    def __getstate__(self):
        # a copy adds rows to sums of its own
        return {k: v for k, v in vars(self._made).items() if k != "_sums"}

    @property
    def has_rows(self):
        """Whether there are tasks of which rows are kept."""
        return bool(self._made._kept)

    @property
    def labels(self):
        """Labels of some tasks."""
        return self._kept[0].tasks if self._tasks is None else self._tasks

    @property
    def tasks(self):
        """Labels of all tasks."""
        if self._made._tasks is None or not self._kept:
            return self.labels
        return _union(self._tasks, self._kept[0].tasks)

    @property
    def unweighted(self):
        """Labels of tasks without a row of positive weight."""
        part = self._made._part
        return self.labels[:0] if part is None else self._tasks[part.weight <= 0]

    @property
    def part(self):
        """The `PartStatistics` of all tasks."""
        if not self.has_rows:
            return self._part
        (kept,) = self._kept
        part = PartStatistics.of_data(kept.data, centred=True)
        if self._part is None:
            return part
        every = self.tasks
        places = [_places(tasks, every) for tasks in (self._tasks, kept.tasks)]
        return self._part.merge(part, len(every), places)

    @property
    def counts(self):
        """Rows of positive weight and sums of logarithms of these, (2, n_tasks)."""
        if not self.has_rows:
            return self._counts
        every = self.tasks
        counts = np.zeros((2, len(every)))
        counts[:, _places(self._kept[0].tasks, every)] += self._kept[0].counts
        if self._part is not None:
            counts[:, _places(self._tasks, every)] += self._counts
        return counts

    def rows(self):
        """Return `KeptRows` of all tasks, those of sums made by `sums_as_rows`."""
        parts = self._made._kept
        if self._part is not None:
            parts = *parts, KeptRows(self._tasks, sums_as_rows(self._part))
        return stack_rows(parts)[0]

    def aligned(self, tasks):
        """Return the `PartStatistics` of these tasks, some perhaps without rows."""
        places = _places(self.tasks, tasks)
        if isinstance(places, slice):
            return self.part
        return self.part.among(len(tasks), places)

    def restrict(self, features, held):
        """Return a store of some features, all for None, and of tasks in a mask."""
        every, found = self.tasks, TaskStore()
        for kept in self._kept:
            some = held[_places(kept.tasks, every)]
            found._kept = (kept.restrict(features, some),) if some.any() else ()
        if self._part is not None:
            some = np.flatnonzero(held[_places(self._tasks, every)])
            if some.size:
                found._tasks, found._counts = self._tasks[some], self._counts[:, some]
                found._part = self._part.restrict(features, some)
        return found

    def arrays(self, n_features):
        """Return all there is as arrays by name."""
        tasks, counts, part = self._made._tasks, self._counts, self._part
        if part is None:
            tasks, counts = self.labels[:0], np.empty((2, 0))
            part = PartStatistics.empty(0, n_features)
        kept = self._kept[0] if self._kept else KeptRows.empty(n_features)
        rows = {"tasks": kept.tasks} | vars(kept.data)
        return (
            {"tasks": tasks, "counts": counts}
            | {name: getattr(part, name) for name in _SUMS}
            | {_KEPT + name: array for name, array in rows.items()}
        )

    @classmethod
    def of_arrays(cls, arrays, n_features):
        """Return what `arrays` were of, or None where they do not fit together."""
        tasks, counts = arrays["tasks"], arrays["counts"]
        part = PartStatistics(*(arrays[name] for name in _SUMS))
        right, kept = part.is_of(n_features, len(tasks)), ()
        # files of version 1 have none
        if _KEPT + "tasks" in arrays:
            own = {k: v for k, v in arrays.items() if k.startswith(_KEPT)}
            rows = KeptRows.of_arrays(
                {name.removeprefix(_KEPT): array for name, array in own.items()}
            )
            right, kept = right and rows.is_of(n_features), (rows,)
        if not right:
            return None
        sums = (tasks, part, counts) if len(tasks) else ()
        return cls(*sums, kept=tuple(one for one in kept if len(one.tasks)))


def _union(tasks, others):
    """Return the sorted labels of both, of columns in their order."""
    if np.array_equal(tasks, others):
        return tasks
    return unique_labels(np.concatenate([tasks, others]))


def _places(tasks, every):
    """Return where tasks are among sorted ones, or in the same order."""
    return slice(None) if np.array_equal(tasks, every) else encode(tasks, every)
