"""Sufficient statistics of the squared loss: made of parts, merged, saved, fitted."""

import copy
from dataclasses import replace

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from mtlreg.inputs.archive import read_archive, write_archive
from mtlreg.inputs.frames import count_rows, listed
from mtlreg.inputs.labels import encode, unique_labels
from mtlreg.inputs.parts import READ, check_alike
from mtlreg.inputs.read import FitInput, keep_tasks, read_fit_input
from mtlreg.inputs.sums import read_sums
from mtlreg.sequences.mixed_model import counts_of
from mtlreg.sequences.parts import PartStatistics
from mtlreg.sequences.sums import TaskSums

__all__ = ["TaskStatistics"]

_FORMAT, _VERSION = "mtlreg.TaskStatistics", 1
_ARRAYS = ("weight", "means", "targets", "gram", "cross", "square")


class TaskStatistics(BaseEstimator):
    """What the squared loss needs of the rows of every task, made a part at a time.

    Of the rows of task t with weights w, and the weighted means m and mu of x and y::

        W_t = sum_i w_i                   H_t = sum_i w_i (x_i - m)(x_i - m)'
        q_t = sum_i w_i (x_i - m)(y_i - mu)         s_t = sum_i w_i (y_i - mu)^2

    Parts are merged about their means, in float64 whatever the precision of X, so that
    features with a mean of 1e6 deviations lose no more digits than in one piece. Where
    all tasks have the same rows and weights there is one H.

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
    _layout = _names = _tasks = _part = _counts = None
    # what rows are added to in place, of this object alone; newer than _part
    _sums = None

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
        data, labels, part._layout = read.data, read.tasks, read.layout
        if data.offsets is not None:
            held = np.diff(data.offsets) > 0
            labels = labels[held]
        if not len(labels):
            return self
        part._names, part._tasks = read.feature_names, labels
        if data.offsets is None or issparse(data.X):
            data = keep_tasks(data, held) if len(labels) < len(read.tasks) else data
            data = replace(data, X=data.X.astype(np.float64, copy=False))
            part._part = PartStatistics.of_data(data, centred=True)
            part._counts = np.stack(counts_of(data))
            return self._take(part)
        offsets = np.append(data.offsets[:-1][held], data.offsets[-1])
        return self._add(part, replace(data, offsets=offsets), read.rows)

    def _add(self, part, data, rows):
        """Add dense rows, of the tasks and columns of ``part``, in place."""
        tasks, sums = part._tasks, self._sums
        if self.is_empty:
            sums, places = TaskSums.empty(len(tasks), data.X.shape[1]), slice(None)
        else:
            self._check_alike(part)
            tasks = self._tasks
            places = encode(part._tasks, tasks)
            sums = sums or TaskSums.of_part(self._part, self._counts)
            if np.any(places < 0):
                tasks = self._all_tasks(part)
                sums = sums.among(len(tasks), encode(self._tasks, tasks))
                places = encode(part._tasks, tasks)
        sums.add(data, rows, np.arange(len(tasks))[places])
        vars(self).update(vars(part))
        self._tasks, self._sums, self._part = tasks, sums, None
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
        stats._tasks, stats._counts, arrays = read_sums(
            tasks, n_rows, sums, products, shift, weight, log_weight
        )
        stats._part = part = PartStatistics.of_sums(**arrays)
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
        return self if other.is_empty else self._take(other)

    def __add__(self, other):
        return TaskStatistics(task_column=self.task_column).merge(self).merge(other)

    def _take(self, other):
        if self.is_empty:
            vars(self).update(other.__getstate__())
            return self
        self._check_alike(other)
        tasks = self._all_tasks(other)
        places = [one._places(tasks) for one in (self, other)]
        counts = np.zeros((2, len(tasks)))
        for one, held in zip((self, other), places, strict=True):
            counts[:, held] += one.counts
        part = self.part.merge(other.part, len(tasks), places)
        self._tasks, self._counts, self._part, self._sums = tasks, counts, part, None
        return self

    def _all_tasks(self, other):
        if np.array_equal(self._tasks, other._tasks):
            return self._tasks
        return unique_labels(np.concatenate([self._tasks, other._tasks]))

    def __getstate__(self):
        # of a copy, whose rows are its own
        _ = None if self.is_empty else self._made
        state = super().__getstate__().copy()
        state.pop("_sums", None)
        return state

    def aligned(self, tasks):
        """Return the `PartStatistics` of these tasks, some perhaps without rows.

        Parameters
        ----------
        tasks : ndarray of shape (n_tasks,)
            Sorted labels, ``tasks_`` among them.
        """
        places = self._places(tasks)
        if isinstance(places, slice):
            return self.part
        return self.part.among(len(tasks), places)

    def _places(self, tasks):
        """Return where the tasks are among sorted ones, or in the same order."""
        if np.array_equal(self.tasks_, tasks):
            return slice(None)
        return encode(self.tasks_, tasks)

    def _check_alike(self, other):
        """Raise ValueError where the columns or the tasks are of another kind."""
        kinds = ((one._names, one._layout, one._tasks) for one in (other, self))
        check_alike(*kinds)

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
        places = np.arange(len(self.tasks_))
        if tasks is not None:
            # columns may have any order, in which objects are found
            kind = object if self._layout == "columns" else None
            places = np.unique(encode(np.asarray(tasks, dtype=kind), self._tasks))
            if np.any(places < 0):
                raise ValueError(
                    f"tasks={tasks!r} names tasks that are not there; there are "
                    f"{listed(self._tasks)}"
                )
        found = copy.copy(self)
        found._tasks, found._counts = self._tasks[places], self.counts[:, places]
        if features is not None:
            features = np.asarray(features)
            found._names, found.task_column = self._names[features], None
            found.n_features_in_ = len(found._names)
            if hasattr(self, "feature_names_in_"):
                found.feature_names_in_ = found._names
        found._part = self.part.restrict(features, places)
        return found

    def save(self, path):
        """Write the statistics to an npz file.

        Parameters
        ----------
        path : str or path
        """
        arrays = {name: getattr(self.part, name) for name in _ARRAYS} | {
            "layout": self._layout,
            "tasks": self._tasks,
            "names": list(map(str, self._names)),
            "columns": np.array(getattr(self, "feature_names_in_", []), dtype=str),
            "n_columns": self.n_features_in_,
            "task_column": [] if self.task_column is None else [self.task_column],
            "counts": self.counts,
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
        stats._names, stats._tasks = arrays["names"], arrays["tasks"]
        stats._counts = arrays["counts"]
        stats._part = PartStatistics(*(arrays[name] for name in _ARRAYS))
        if not stats._part.is_of(len(stats._names), len(stats._tasks)):
            raise ValueError(
                f"{path} holds no TaskStatistics, or is damaged (arrays of unlike "
                f"shapes); write it again by TaskStatistics.save"
            )
        return stats

    def fit_input(self):
        """Return what an estimator reads: a `FitInput` without rows."""
        empty = self.tasks_[self.part.weight <= 0]
        if empty.size:
            raise ValueError(
                f"task(s) {listed(empty)} have no observed target of positive weight; "
                f"leave them out by restrict(tasks=...)"
            )
        rows = np.arange(0)
        return FitInput(None, self._layout, self._tasks, None, self._names, rows)

    @property
    def is_empty(self):
        """Whether there are no rows so far."""
        return self._part is None and self._sums is None

    @property
    def part(self):
        """The `PartStatistics` of all tasks."""
        return self._made._part

    @property
    def counts(self):
        """Rows of positive weight and sums of logarithms of these, (2, n_tasks)."""
        return self._made._counts

    @property
    def _made(self):
        if self.is_empty:
            raise ValueError(
                "these TaskStatistics are empty; give them rows by update(X, y)"
            )
        if self._part is None:
            self._part, self._counts = self._sums.part()
        return self

    @property
    def tasks_(self):
        return self._made._tasks

    @property
    def feature_names_(self):
        return self._made._names

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
