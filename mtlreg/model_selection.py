"""Folds for rows that belong to tasks."""

import warnings
from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state, indexable

from mtlreg.inputs.frames import check_task_column, column_names, listed
from mtlreg.inputs.labels import (
    encode,
    fill_missing,
    is_missing,
    label_array,
    plain_columns,
    target_columns,
    task_labels,
    two_valued,
    unify,
    unique_labels,
)

__all__ = ["TaskKFold"]


class TaskKFold(BaseCrossValidator):
    """K folds with rows of every task in every training part.

    The rows of each task are dealt out to the folds in turn, and the next task goes on
    where the last one stopped. So both the folds and the shares of a task in them
    differ by one row at most. Discrete targets (strings, booleans, integers and floats
    without fraction: what `sklearn.utils.multiclass.type_of_target` calls binary or
    multiclass) are dealt class by class within each task, whether they are classes or
    counts.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    task_column : str or int, optional
        Column of X that holds the task labels: a str is a name, an int a position. By
        default the labels are the ``groups`` of `split`, which are requested under
        metadata routing if and only if there is no ``task_column``.
    shuffle : bool, default=True
        Whether to deal the rows of a task in random order, or as they come.
    random_state : int, RandomState instance or None, optional
        Seed of the order; an int gives the same folds in every call.

    Notes
    -----
    A task with fewer rows than folds is in some test parts only, and a task with one
    row is in none, but always in training; a warning names such tasks.
    `sklearn.model_selection.cross_val_predict` needs a prediction for every row and
    refuses such folds. A class that has one row in its task is absent from the training
    part of one fold.

    A 2-D y without labels has its tasks in its columns, NaN where a target is not
    observed. A single column is dealt like one task. The rows of several are dealt by
    iterative stratification [1]_, the rarest column first (the rarest class, in a
    column with two classes), to the fold that has fewest of it. A row is kept in
    training only where a column would have no target left.

    References
    ----------
    .. [1] Sechidis, Tsoumakas and Vlahavas (2011). On the stratification of multi-label
       data. ECML PKDD, 145-158.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.model_selection import TaskKFold
    >>> X, y = np.zeros((6, 1)), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    >>> tasks = ["north", "south", "north", "south", "north", "north"]
    >>> folds = TaskKFold(2, shuffle=False)
    >>> for train, test in folds.split(X, y, groups=tasks):
    ...     print(train, test)
    [2 3 5] [0 1 4]
    [0 1 4] [2 3 5]
    """

    # scikit-learn's own splitters declare strings here, but read booleans alike
    __metadata_request__split: ClassVar = {"groups": True}  # type: ignore[misc, dict-item]

    def __init__(
        self, n_splits=5, *, task_column=None, shuffle=True, random_state=None
    ):
        integer = isinstance(n_splits, Integral) and not isinstance(n_splits, bool)
        if not integer or n_splits < 2:
            raise ValueError(f"n_splits must be an integer >= 2, got {n_splits!r}")
        if task_column is not None:
            check_task_column(task_column)
        if not isinstance(shuffle, bool | np.bool_):
            raise TypeError(f"shuffle must be True or False, got {shuffle!r}")
        if not shuffle and random_state is not None:
            raise ValueError(
                f"random_state={random_state!r} has no effect with shuffle=False; "
                "leave it out or set shuffle=True"
            )
        self.n_splits = int(n_splits)
        self.task_column = task_column
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
        """
        return self.n_splits

    def split(self, X, y=None, groups=None):
        """Generate the rows of the training and the test parts.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_samples, n_features)
            Read only for the ``task_column``.
        y : array-like of shape (n_samples,) or (n_samples, n_tasks), optional
            Needed where its columns are the tasks.
        groups : array-like of shape (n_samples,), optional
            Task labels; not together with ``task_column``.

        Yields
        ------
        train, test : ndarray
            Positions of rows, ascending.

        Raises
        ------
        ValueError
            If there are more folds than rows to deal out, no task labels, or labels
            that are missing, of mixed type or given twice.
        """
        X, y, groups = indexable(X, y, groups)
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if self.n_splits > n_rows:
            raise ValueError(
                f"n_splits={self.n_splits} is greater than the number of rows, "
                f"n_samples={n_rows}. Lower n_splits."
            )
        fold = self._folds(X, y, groups)
        dealt = np.bincount(fold[fold >= 0], minlength=self.n_splits)
        if not dealt.all():
            raise ValueError(
                f"n_splits={self.n_splits} leaves a test part empty: only "
                f"{dealt.sum()} of {n_rows} rows can leave the training part without "
                "taking a task out of it. Lower n_splits."
            )
        for k in range(self.n_splits):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)

    def get_metadata_routing(self):
        """Return the request of ``groups``, which a ``task_column`` takes back.

        Returns
        -------
        MetadataRequest
        """
        request = super().get_metadata_routing()
        if self.task_column is not None:
            request.split.add_request(param="groups", alias=False)
        return request

    def _folds(self, X, y, groups):
        """Return the fold in whose test part a row is; -1: none."""
        rng = check_random_state(self.random_state)
        targets = [] if y is None else target_columns(y)
        labels = self._labels(X, groups)
        if labels is not None:
            codes = encode(labels, unique_labels(labels))
            self._warn_small(np.bincount(codes), unique_labels(labels))
            classes = _class_codes(targets) if _is_1d(targets) else np.zeros_like(codes)
            return self._deal_tasks(codes, classes, rng)
        if not isinstance(targets, list) or not targets:
            raise ValueError(
                "TaskKFold needs to know which row belongs to which task: pass groups=,"
                " one task label per row, or set task_column (or use KFold for the "
                "rows of a single task)."
            )
        block = plain_columns(y)
        if block is None:
            missing = np.column_stack([is_missing(column) for column in targets])
            block = np.column_stack([_class_codes(column) for column in targets])
        else:
            missing = is_missing(block)
        observed = ~missing
        names = column_names(y)
        names = np.arange(len(targets)) if names is None else names
        self._warn_small(observed.sum(axis=0), names)
        if len(targets) == 1:
            # dealt like the rows of one task; those without a target are another
            unseen = (~observed[:, 0]).astype(np.intp)
            return self._deal_tasks(unseen, _class_codes(targets), rng)
        return self._deal_columns(observed, _memberships(block, observed), rng)

    def _labels(self, X, groups):
        if self.task_column is None:
            return None if groups is None else label_array(groups, "groups")
        if groups is not None:
            raise ValueError(
                f"groups= and task_column={self.task_column!r} are both given. Pass "
                "the labels once: leave out groups=, or set task_column=None."
            )
        return task_labels(X, self.task_column)

    def _warn_small(self, sizes, tasks):
        small = tasks[sizes < self.n_splits]
        if small.size:
            warnings.warn(
                f"task(s) {listed(small)} have fewer targets than n_splits="
                f"{self.n_splits}: they are in some test parts only, and in none if "
                "they have just one. Lower n_splits to have them in all.",
                UserWarning,
                stacklevel=4,
            )

    def _order(self, n_rows, rng):
        return rng.permutation(n_rows) if self.shuffle else np.arange(n_rows)

    def _deal_tasks(self, tasks, classes, rng):
        """Deal rows in turn, ordered by task, by class in it, and at random in that."""
        if self.shuffle:  # so that counts, each a class of few rows, come at random too
            classes = rng.permutation(classes.max() + 1)[classes]
        order = np.lexsort((self._order(len(tasks), rng), classes, tasks))
        order = order[np.bincount(tasks)[tasks[order]] > 1]
        fold = np.full(len(tasks), -1)
        fold[order] = np.arange(len(order)) % self.n_splits
        return fold

    def _deal_columns(self, observed, members, rng):
        """Deal rows of the rarest set first, and at last those of no set."""
        fold = np.full(len(observed), -1)
        order = self._order(len(fold), rng)
        members = np.concatenate([members, np.ones((1, len(fold)), dtype=bool)])
        # a row is placed with the first set that it is in; other sets place none
        for member in members[np.unique(np.argmax(members, axis=0))]:
            placed = fold >= 0
            rows = order[(member & ~placed)[order]]
            have = np.bincount(fold[member & placed], minlength=self.n_splits)
            size = np.bincount(fold[placed], minlength=self.n_splits)
            fold[rows] = _level(have, size, len(rows))
        # a column whose targets are all in one test part: one stays in training
        least = np.min(np.where(observed, fold[:, None], self.n_splits), axis=0)
        most = np.max(np.where(observed, fold[:, None], -1), axis=0)
        for rows in map(np.flatnonzero, observed[:, least == most].T):
            if rows.size and fold[rows[0]] >= 0 and np.ptp(fold[rows]) == 0:
                fold[rows[0]] = -1
        return fold


def _level(have, size, n):
    """Give out n rows, each to the fold that has fewest, and among them the smallest.

    Parameters
    ----------
    have, size : ndarray of shape (n_splits,)
        Rows of the set at hand, and of any, that the folds have.
    n : int

    Returns
    -------
    ndarray of shape (n,)
        Folds, in the order of giving.
    """
    smallest = np.argsort(size, kind="stable")
    levels = have[smallest, None] + np.arange(n)
    turns = np.argsort(levels.ravel(), kind="stable")[:n]
    return smallest[turns // max(n, 1)]


def _is_1d(targets):
    """Whether y is one column: 1-D, or 2-D of one column."""
    return not isinstance(targets, list) or len(targets) == 1


def _class_codes(target):
    """Codes >= 0 of the classes in a column; one for all if it is continuous."""
    column = target[0] if isinstance(target, list) else target
    codes = np.zeros(len(column), dtype=np.intp)
    seen = ~is_missing(column)
    values = unify(column[seen], "y")
    if values.dtype.kind != "f" or (np.floor(values) == values).all():
        codes[seen] = np.unique(values, return_inverse=True)[1]
    return codes


def _memberships(block, observed):
    """Rows of every observed column, of its classes where it has two; rarest first."""
    low, high, plain = two_valued(fill_missing(block, ~observed))
    second = observed & (block == high) & (plain & (low != high))
    sets = np.stack([second.T, (observed & ~second).T], axis=1)
    sets = sets.reshape(-1, len(block))
    sizes = np.count_nonzero(sets, axis=1)
    order = np.argsort(sizes, kind="stable")
    return sets[order[sizes[order] > 0]]
