"""Sufficient statistics of the squared loss: made of parts, merged, saved, fitted."""

import copy
from dataclasses import replace

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from mtlreg.inputs.archive import read_archive, write_archive
from mtlreg.inputs.frames import count_rows, listed
from mtlreg.inputs.kept import of_some_tasks
from mtlreg.inputs.labels import encode
from mtlreg.inputs.parts import READ, check_alike
from mtlreg.inputs.read import FitInput, read_fit_input
from mtlreg.inputs.store import TaskStore
from mtlreg.inputs.sums import read_sums
from mtlreg.sequences.parts import PartStatistics

__all__ = ["TaskStatistics"]

_FORMAT, _VERSION = "mtlreg.TaskStatistics", 2  # 1: of sums alone


class TaskStatistics(BaseEstimator):
    """What the squared loss needs of the rows of every task, made a part at a time.

    Of the rows of task t with weights w, and the weighted means m and mu of x and y::

        W_t = sum_i w_i                   H_t = sum_i w_i (x_i - m)(x_i - m)'
        q_t = sum_i w_i (x_i - m)(y_i - mu)         s_t = sum_i w_i (y_i - mu)^2

    Parts are merged about their means, in float64 whatever the precision of X, so that
    features with a mean of 1e6 deviations lose no more digits than in one piece. Where
    all tasks have the same rows and weights there is one H. Of tasks with fewer rows
    than features the rows are kept where these take less than half of the memory; their
    sums are then made for who asks for an attribute that has them.

    Parameters
    ----------
    task_column : str or int, optional
        Column of X that names the task, as of an estimator; not together with
        ``tasks=`` or a 2-D y.

    Attributes
    ----------
    tasks_ : ndarray of shape (n_tasks,)
        Sorted labels of the tasks so far, or names of the columns of y.
    n_rows_ : ndarray of shape (n_tasks,)
        Rows, or observed targets, of positive weight.
    weight_ : ndarray of shape (n_tasks,)
        W_t.
    feature_means_ : ndarray of shape (n_tasks, n_features)
        m.
    target_means_ : ndarray of shape (n_tasks,)
        mu.
    gram_ : ndarray of shape (n_tasks, n_features, n_features)
        H_t; a view of one matrix where it is that of all tasks.
    cross_ : ndarray of shape (n_tasks, n_features)
        q_t.
    square_ : ndarray of shape (n_tasks,)
        s_t.
    feature_names_ : ndarray of shape (n_features,)
        Names of the features, without the task column.
    n_features_in_ : int
        Columns of X, the task column included.

    References
    ----------
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, eq. 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import GroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.statistics import TaskStatistics
    >>> data = make_multitask_regression(random_state=0)
    >>> stats = TaskStatistics()
    >>> for part in np.array_split(np.arange(len(data.y)), 3):
    ...     _ = stats.update(data.X[part], data.y[part], tasks=data.tasks[part])
    >>> model = GroupLassoRegressor(tol=1e-10)
    >>> streamed = model.fit_statistics(stats).coef_
    >>> whole = model.fit(data.X, data.y, tasks=data.tasks).coef_
    >>> bool(np.allclose(streamed, whole, atol=1e-6))
    True
    """

    # nothing so far
    _layout = _names = _store = None

    def __init__(self, *, task_column=None):
        self.task_column = task_column

    def update(self, X, y, *, tasks=None, sample_weight=None):
        """Take in some rows; where that raises, nothing is taken in.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)
            With the columns of the parts before; without rows nothing happens.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            NaN in a 2-D y: not observed.
        tasks : array-like of shape (n_samples,), optional
            Task labels, which may be new.
        sample_weight : float or array-like, shape (n_samples,) or that of y, optional
            Weights >= 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is not as described, or is not like those before it.
        MemoryError
            If a fit of all tasks so far has no room on this machine.
        """
        if count_rows(X) == 0:
            return self
        part = TaskStatistics(task_column=self.task_column)
        vars(part).update({k: v for k, v in vars(self).items() if k in READ})
        given = X, y, sample_weight, tasks
        read = read_fit_input(part, *given, classifier=False, part=True)
        part._layout, part._names = read.layout, read.feature_names
        data, labels, rows = read.data, read.tasks, read.rows
        if data.offsets is not None:
            held = np.diff(data.offsets) > 0
            rows = np.arange(len(data.y)) if issparse(data.X) else rows
            labels, (data, rows) = labels[held], of_some_tasks(data, rows, held)
        if not len(labels):
            return self
        if not self.is_empty:
            self._check_alike(part, labels)
        store = TaskStore() if self.is_empty else self._store
        if data.offsets is None or issparse(data.X):
            data = replace(data, X=data.X.astype(np.float64, copy=False))
        if data.offsets is None:
            store.merge(TaskStore.of_data(labels, data))
        else:
            store.add(labels, data, rows)
        vars(self).update(vars(part) | {"_store": store})
        return self

    @classmethod
    def from_sums(
        cls,
        tasks,
        n_rows,
        sums,
        products,
        *,
        shift=0.0,
        weight=None,
        log_weight=0.0,
        feature_names=None,
        task_column=None,
    ):
        """Make statistics of sums over the rows of each task, with z = (x, y).

        Parameters
        ----------
        tasks : array-like of shape (n_tasks,)
            Labels, each once.
        n_rows : array-like of shape (n_tasks,)
            Rows of positive weight.
        sums : array-like of shape (n_tasks, n_features + 1)
            ``sum_i w_i (z_i - shift)``.
        products : array-like of shape (n_tasks, n_features + 1, n_features + 1)
            ``sum_i w_i (z_i - shift)(z_i - shift)'``.
        shift : array-like of shape (n_tasks, n_features + 1), (n_features + 1,) or ()
            The nearer to the means, the fewer digits are lost; 0 loses as many as there
            are in the squares of means over variances.
        weight : array-like of shape (n_tasks,), optional
            Sums of the weights, by default of 1.
        log_weight : array-like of shape (n_tasks,) or float
            Sums of their logarithms.
        feature_names : array-like of str, shape (n_features,), optional
        task_column : str, optional
            Name of the column of labels, after the features, in tables to predict.

        Returns
        -------
        TaskStatistics

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, a task has no weight or is
            there twice.
        """
        stats = cls(task_column=task_column)
        stats._layout = "rows"
        tasks, counts, arrays = read_sums(
            tasks, n_rows, sums, products, shift, weight, log_weight
        )
        part = PartStatistics.of_sums(**arrays)
        stats._store = TaskStore(tasks, part, counts)
        names = feature_names
        if names is None:
            names = [f"x{j}" for j in range(len(part.means))]
        names = np.array(names, dtype=object)
        if names.shape != (len(part.means),):
            raise ValueError(
                f"feature_names must be {len(part.means)} names, got {names.tolist()}"
            )
        own = [] if task_column is None else [task_column]
        stats._names, stats.n_features_in_ = names, len(names) + len(own)
        if feature_names is not None:
            stats.feature_names_in_ = np.array([*names, *own], dtype=object)
        return stats

    def merge(self, other):
        """Take in the rows that other statistics are of.

        Parameters
        ----------
        other : TaskStatistics
            Of other rows with the same columns; it is left as it is.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If they are not statistics of the same columns.
        """
        if not isinstance(other, TaskStatistics):
            raise ValueError(
                f"only TaskStatistics can be merged, got {type(other).__name__}"
            )
        if other.task_column != self.task_column:
            raise ValueError(
                f"task_column is {self.task_column!r} here and {other.task_column!r} "
                f"there; make both in the same way"
            )
        if self.is_empty or other.is_empty:
            vars(self).update({} if other.is_empty else other.__getstate__())
            return self
        self._check_alike(other, other._store.labels)
        self._store.merge(other._store)
        return self

    def __add__(self, other):
        return TaskStatistics(task_column=self.task_column).merge(self).merge(other)

    def __iadd__(self, other):
        return self.merge(other)

    def __getstate__(self):
        # of a copy, whose rows are its own
        state = super().__getstate__().copy()
        return state if self.is_empty else state | {"_store": copy.copy(self._store)}

    def _check_alike(self, other, tasks):
        """Raise ValueError where the columns or the tasks are of another kind."""
        here = other._names, other._layout, tasks
        check_alike(here, (self._names, self._layout, self._store.labels))

    def restrict(self, *, features=None, tasks=None):
        """Return the statistics of some features, in this order, and of some tasks.

        Parameters
        ----------
        features : array-like of int, optional
            Positions in ``feature_names_``.
        tasks : array-like, optional
            Labels.

        Returns
        -------
        TaskStatistics

        Raises
        ------
        ValueError
            For a task that is not there.
        """
        every = self.tasks_
        held = np.full(len(every), tasks is None)
        if tasks is not None:
            # columns may have any order, in which objects are found
            kind = object if self._layout == "columns" else None
            places = encode(np.asarray(tasks, dtype=kind), every)
            held[places] = True
            if np.any(places < 0):
                raise ValueError(
                    f"tasks={tasks!r} names tasks that are not there; there are "
                    f"{listed(every)}"
                )
        if not held.any():
            raise ValueError("tasks is empty; name one task at least")
        found = copy.copy(self)
        if features is not None:
            features = np.asarray(features)
            found._names, found.task_column = self._names[features], None
            found.n_features_in_ = len(found._names)
            if hasattr(self, "feature_names_in_"):
                found.feature_names_in_ = found._names
        found._store = self._store.restrict(features, held)
        return found

    def save(self, path):
        """Write the statistics to an npz file.

        Parameters
        ----------
        path : str or path
        """
        arrays = self._made.arrays(len(self.feature_names_)) | {
            "layout": self._layout,
            "names": list(map(str, self._names)),
            "columns": np.array(getattr(self, "feature_names_in_", []), dtype=str),
            "n_columns": self.n_features_in_,
            "task_column": [] if self.task_column is None else [self.task_column],
        }
        write_archive(path, _FORMAT, _VERSION, arrays)

    @classmethod
    def load(cls, path):
        """Read what `save` has written.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        TaskStatistics

        Raises
        ------
        ValueError
            For a file that is none of these, damaged, or of a newer version.
        """
        arrays = read_archive(path, _FORMAT, _VERSION)
        column = arrays["task_column"].tolist()
        stats = cls(task_column=column[0] if column else None)
        stats.n_features_in_ = int(arrays["n_columns"])
        if arrays["columns"].size:
            stats.feature_names_in_ = arrays["columns"]
        stats._layout = str(arrays["layout"])
        stats._names = arrays["names"]
        stats._store = TaskStore.of_arrays(arrays, len(stats._names))
        if stats.is_empty:
            raise ValueError(
                f"{path} holds no TaskStatistics, or is damaged (arrays of unlike "
                f"shapes); write it again by TaskStatistics.save"
            )
        return stats

    def fit_input(self):
        """Return what an estimator reads: a `FitInput` without rows."""
        empty = self._made.unweighted
        if empty.size:
            raise ValueError(
                f"task(s) {listed(empty)} have no observed target of positive weight; "
                f"leave them out by restrict(tasks=...)"
            )
        rows = np.arange(0)
        return FitInput(None, self._layout, self.tasks_, None, self._names, rows)

    @property
    def is_empty(self):
        """Whether there are no rows so far."""
        return self._store is None

    @property
    def has_rows(self):
        """Whether rows of some tasks are kept, which have no sums."""
        return self._made.has_rows

    def rows(self):
        """Return the `KeptRows` of all tasks, of sums such with the same sums."""
        return self._made.rows()

    def aligned(self, tasks):
        """Return the `PartStatistics` of these tasks, some perhaps without rows.

        Parameters
        ----------
        tasks : ndarray of shape (n_tasks,)
            Sorted labels, ``tasks_`` among them.
        """
        return self._made.aligned(tasks)

    @property
    def part(self):
        """The `PartStatistics` of all tasks."""
        return self._made.part

    @property
    def counts(self):
        """Rows of positive weight and sums of logarithms of these, (2, n_tasks)."""
        return self._made.counts

    @property
    def _made(self):
        if self.is_empty:
            raise ValueError(
                "these TaskStatistics are empty; give them rows by update(X, y)"
            )
        return self._store

    @property
    def tasks_(self):
        return self._made.tasks

    @property
    def feature_names_(self):
        _ = self._made
        return self._names

    @property
    def n_rows_(self):
        return self.counts[0].astype(np.int64)

    @property
    def weight_(self):
        return self.part.weight

    @property
    def feature_means_(self):
        return self.part.means.T

    @property
    def target_means_(self):
        return self.part.targets

    @property
    def gram_(self):
        gram = self.part.gram
        if gram.ndim == 3:
            return np.moveaxis(gram, 2, 0)
        return np.broadcast_to(gram, (len(self.weight_), *gram.shape))

    @property
    def cross_(self):
        return self.part.cross.T

    @property
    def square_(self):
        return self.part.square
