"""Metrics of classification: two classes, or any number for the accuracy."""

import numpy as np
from scipy.special import xlogy

from mtlreg.inputs.frames import column_names, listed
from mtlreg.inputs.labels import read_classes
from mtlreg.metrics._cells import aggregate, one_vs_rest, read_cells, read_scores


def task_auc(
    y_true,
    y_score,
    *,
    tasks=None,
    sample_weight=None,
    multioutput="uniform_average",
    labels=None,
):
    r"""Return the area under the ROC curve of every task.

    The share of pairs of one row of each class, both of the task, that the scores put
    in the right order; ties count half. It is not defined on a task with one class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Classes, two for all tasks, or two in each column; NaN or None in a 2-D y: not
        observed.
    y_score : array-like of the shape of y_true, or (n_samples, n_classes)
        Decisions or probabilities of the second class, in the second column of two;
        also the list of such arrays, one per column of a 2-D y. With a 1-D y of more
        classes a column for each, which is one task then: the class against the rest.
    tasks, sample_weight, multioutput
        As in `task_rmse`.
    labels : array-like of shape (2,) or (n_tasks, 2), optional
        First and second class, of every column of a 2-D y if they differ; by default
        those of y_true, sorted, where a lone 0 or -1 goes with 1. Of more classes all,
        shape (n_classes,), in the order of the columns of y_score.

    Returns
    -------
    float, or ndarray of shape (n_tasks,) for "raw_values"

    Raises
    ------
    ValueError
        If an argument is not as described, or the metric is defined on no task.

    Examples
    --------
    >>> from mtlreg.metrics import task_auc
    >>> y, tasks = [0, 1, 0, 1, 1], ["a", "a", "b", "b", "b"]
    >>> task_auc(y, [0.1, 0.9, 0.5, 0.4, 0.6], tasks=tasks)
    0.75
    """
    y_true, labels = one_vs_rest(y_true, y_score, labels)
    cells, positive, _ = read_scores(
        y_true, y_score, tasks, sample_weight, labels, "y_score"
    )
    values = _ordered_pairs(cells, positive)
    why = "where only one class is observed"
    return aggregate("task_auc", values, cells, multioutput, why)


def task_log_loss(
    y_true,
    y_proba,
    *,
    tasks=None,
    sample_weight=None,
    multioutput="uniform_average",
    labels=None,
):
    r"""Return the mean of :math:`-\log p(y_{ti})` of every task.

    Probabilities are kept from 0 and 1 by the machine epsilon of their dtype, as in
    `sklearn.metrics.log_loss`. It is not defined on a task whose second class is not
    known: one class among its targets, and no ``labels``.

    Parameters
    ----------
    y_true
        As in `task_auc`.
    y_proba : array-like of the shape of y_true, or (n_samples, 2) with a 1-D y
        Probabilities of the second class, in the second column of two; also the list
        of such arrays, one per column of a 2-D y.
    tasks, sample_weight, multioutput
        As in `task_rmse`.
    labels
        As in `task_auc`.

    Returns
    -------
    float, or ndarray of shape (n_tasks,) for "raw_values"

    Raises
    ------
    ValueError
        If an argument is not as described, or the metric is defined on no task.

    Examples
    --------
    >>> from mtlreg.metrics import task_log_loss
    >>> task_log_loss([0, 1, 1], [0.5, 0.5, 1.0], tasks=["a", "a", "b"])
    0.3466
    """
    cells, positive, known = read_scores(
        y_true, y_proba, tasks, sample_weight, labels, "y_proba"
    )
    if cells.z.min() < 0 or cells.z.max() > 1:
        raise ValueError(
            "y_proba must hold probabilities, but has values outside [0, 1]. Pass what "
            "predict_proba returns."
        )
    eps = np.finfo(cells.z.dtype).eps
    p = np.clip(cells.z, eps, 1 - eps).astype(np.float64)
    loss = -xlogy(positive, p) - xlogy(~positive, 1 - p)
    values = np.where(known, cells.total(loss) / cells.size, np.nan)
    why = "where one class only is observed (pass both as labels=)"
    return aggregate("task_log_loss", values, cells, multioutput, why)


def task_accuracy(
    y_true, y_pred, *, tasks=None, sample_weight=None, multioutput="uniform_average"
):
    r"""Return the share of right classes in every task.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Classes, of any number; NaN or None in a 2-D y: not observed.
    y_pred : array-like of the shape of y_true
        Predicted classes.
    tasks, sample_weight, multioutput
        As in `task_rmse`.

    Returns
    -------
    float, or ndarray of shape (n_tasks,) for "raw_values"

    Raises
    ------
    ValueError
        If an argument is not as described, or no task has an observed target.

    Examples
    --------
    >>> from mtlreg.metrics import task_accuracy
    >>> task_accuracy(["x", "y", "y"], ["x", "x", "y"], tasks=[0, 0, 1])
    0.75
    """
    z, seen, _ = read_classes(y_pred)
    names = column_names(y_pred)
    cells = read_cells(y_true, z, tasks, sample_weight, names, classifier=True)
    if not seen.all():
        raise ValueError("y_pred has missing values. Predict every row and task.")
    if _kind(cells.y) != _kind(cells.z):
        raise ValueError(
            f"y_true holds classes such as {listed(cells.y, 1)}, y_pred such as "
            f"{listed(cells.z, 1)}. Pass what predict returns, and both of one type."
        )
    hits = cells.total(cells.y == cells.z)
    return aggregate("task_accuracy", hits / cells.size, cells, multioutput)


def _ordered_pairs(cells, positive):
    """Share of the pairs (second class, first class) of every task with z in order."""
    order = np.lexsort((cells.z, cells.code))
    code, z, second = cells.code[order], cells.z[order], positive[order]
    weight = cells.weight[order]
    starts = np.r_[True, (np.diff(code) != 0) | (np.diff(z) != 0)]
    tie = np.cumsum(starts) - 1  # cells of one task with one score
    above, below = np.bincount(tie, weight * second), np.bincount(tie, weight * ~second)
    task = code[starts]
    firsts = np.bincount(task, below, len(cells.tasks))
    seconds = np.bincount(task, above, len(cells.tasks))
    earlier = np.cumsum(below) - below - (np.cumsum(firsts) - firsts)[task]
    ordered = np.bincount(task, above * (earlier + below / 2), len(cells.tasks))
    pairs = firsts * seconds
    return np.where(pairs > 0, ordered, np.nan) / np.where(pairs > 0, pairs, 1.0)


def _kind(classes):
    """What the classes are: a probability is no class."""
    if classes.dtype.kind == "f" and (np.floor(classes) != classes).any():
        return "fractions"
    return "text" if isinstance(classes[:1].tolist()[0], str) else "numbers"
