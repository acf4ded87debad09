"""Rows of one more task for a fitted estimator, and the label of that task."""

import numpy as np
from scipy import sparse

from mtlreg.inputs.frames import count_rows, listed
from mtlreg.inputs.labels import encode, label_array, label_kind, unique_labels
from mtlreg.inputs.read import FitInput, read_cells, read_rows
from mtlreg.inputs.targets import check_weighted
from mtlreg.problem.data import MultiTaskData

__all__ = ["read_neighbours", "read_new_task"]


def read_new_task(estimator, X, y, task, sample_weight, *, classifier):
    """Check the rows of one more task.

    Parameters
    ----------
    estimator : fitted estimator
        ``tasks_``, ``classes_`` of a classifier, and ``task_column`` are read.
    X : array-like, frame or sparse matrix of shape (n_rows, n_features), or None
        With the task column, if the estimator has one. None, or no row: no data.
    y : array-like or series of shape (n_rows,), or None
    task : label or None
        None: it is in the task column.
    sample_weight : None, float or array-like of shape (n_rows,)
    classifier : bool

    Returns
    -------
    FitInput
        Of the one task, with None for its data where there are no rows.

    Raises
    ------
    ValueError
        If the rows are not like those of the fit, or the label is missing, malformed,
        of another kind than those of the fit or one of these.
    """
    column, label = estimator.task_column, None
    names = estimator.coef_feature_names_
    classes = estimator.classes_ if classifier else None
    if task is not None:
        if np.ndim(task) > 0:
            raise ValueError(f"task must be one label, got {task!r}: give one value")
        label = label_array([task], "task")
    if X is None or count_rows(X) == 0:
        if label is None:
            raise ValueError("task=None names no task; give the label of the new one")
        if y is not None and count_rows(y) != 0:
            raise ValueError("y has targets, but X has no rows; give both or neither")
        read = FitInput(None, "rows", label, classes, names, np.arange(0))
        return _checked(estimator, read)
    if y is None:
        raise ValueError("y=None is for a task without rows; give the target of each")
    X, labels, _ = read_rows(estimator, X, None, reset=False)
    if column is None and label is None:
        raise ValueError("task=None names no task; give the label of the new one")
    if column is not None:
        found = unique_labels(labels)
        if len(found) > 1:
            raise ValueError(
                f"X has rows of {len(found)} tasks, {listed(found)} in task_column="
                f"{column!r}; give those of one new task at a time"
            )
        if label is not None and not np.array_equal(found, label):
            raise ValueError(
                f"task={task!r}, but the rows of X have {listed(found)} in "
                f"task_column={column!r}; leave out task="
            )
        label = found
    labels = np.repeat(label, X.shape[0])
    cells = read_cells(estimator, y, sample_weight, X, labels, classifier, True)
    y, _, _, weight = cells
    held = weight > 0
    check_weighted(np.array([weight.sum()]), label)
    X = sparse.csr_array(X) if sparse.issparse(X) else X
    X, y, weight = X[held], y[held], weight[held]
    if classifier:
        y = _signs(y, classes)
    data = MultiTaskData(X, y, weight, np.array([0, len(y)]))
    read = FitInput(data, "rows", label, classes, names, np.flatnonzero(held))
    return _checked(estimator, read)


def _signs(y, classes):
    """Return -1 and 1 for the classes of the fit."""
    codes = encode(y, classes)
    if np.any(codes < 0):
        raise ValueError(
            f"y has the class(es) {listed(unique_labels(y[codes < 0]))}, but those of "
            f"the fit are {listed(classes)}; give y in these"
        )
    return np.where(codes == 1, 1.0, -1.0)


def _checked(estimator, read):
    """Return the input of a label that is new, or raise ValueError."""
    label, fitted = read.tasks, estimator.tasks_
    if label_kind(label) != label_kind(fitted):
        raise ValueError(
            f"the new task {listed(label)} is of {label_kind(label)}, but labels were "
            f"{label_kind(fitted)} in fit, such as {listed(fitted, 3)}; convert it to "
            f"their type"
        )
    if encode(label, fitted)[0] >= 0:
        raise ValueError(
            f"the task {label[0]!r} is known already; give a label that is not among "
            f"tasks_, or fit anew with its rows"
        )
    return read


def read_neighbours(neighbours, tasks):
    """Return the weights of the edges of a new task to each of the tasks, or None.

    Parameters
    ----------
    neighbours : dict, list of labels, or None
        Weights >= 0 by label; those in a list have 1.
    tasks : ndarray of shape (n_tasks,)
    """
    if neighbours is None:
        return None
    if not isinstance(neighbours, dict):
        neighbours = dict.fromkeys(np.atleast_1d(neighbours).tolist(), 1.0)
    if not neighbours:
        return np.zeros(len(tasks))
    labels = label_array(list(neighbours), "neighbours")
    codes = encode(labels, tasks)
    if np.any(codes < 0):
        raise ValueError(
            f"neighbours has {listed(labels[codes < 0])}, which are no tasks of the "
            f"fit; name some of {listed(tasks)}"
        )
    weights = np.array(list(neighbours.values()), dtype=np.float64)
    if not np.all((weights >= 0) & (weights < np.inf)):
        raise ValueError(
            f"neighbours must have finite weights >= 0, got {weights.tolist()}"
        )
    return np.bincount(codes, weights, len(tasks))
