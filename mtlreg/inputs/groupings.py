"""Tables in which several columns say which groups a row belongs to."""

from dataclasses import dataclass

import numpy as np

from mtlreg.inputs.frames import check_rows
from mtlreg.inputs.labels import encode, known_labels, unique_labels
from mtlreg.inputs.read import UNSEEN, codes_in_fit, read_columns
from mtlreg.inputs.targets import check_weighted, read_numbers, read_weight


@dataclass(frozen=True)
class CrossedInput:
    """What ``fit`` was given, checked, without the rows of weight 0.

    Attributes
    ----------
    X : ndarray (C-contiguous) or csr_array of shape (n_rows, n_features)
        Without the columns of labels.
    y, weight : ndarrays of shape (n_rows,)
    tasks : dict of ndarray
        The sorted labels of each column.
    codes : list of ndarray of int, shape (n_rows,)
        The position of the label of every row, a column after the other.
    feature_names : ndarray of shape (n_features,)
        Names (object) of the columns of ``X``.
    """

    X: object
    y: np.ndarray
    weight: np.ndarray
    tasks: dict
    codes: list
    feature_names: np.ndarray


def read_crossed_fit(estimator, X, y, sample_weight, columns):
    """Check the input of ``fit``.

    Sets ``n_features_in_`` (columns of labels count) and ``feature_names_in_``.

    Parameters
    ----------
    estimator : estimator
    X : array-like, frame or sparse matrix of shape (n_rows, n_features)
    y : array-like or series of shape (n_rows,)
    sample_weight : None, float or array-like of shape (n_rows,)
    columns : list of str or int

    Returns
    -------
    CrossedInput

    Raises
    ------
    ValueError
        If X, y, labels or weights cannot be used; the message names the remedy.
    TypeError
        If a column is neither a name nor a position.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    X, labels, names = read_columns(estimator, X, columns, reset=True)
    y, observed, _ = read_numbers(y)
    check_rows(X.shape[0], y=y)
    if y.ndim == 2:
        raise ValueError(
            f"y of shape {y.shape} is 2-D, but every row has one target here. Pass y "
            "as 1-D (y.ravel() for one column), or fit each column by itself."
        )
    weight = read_weight(sample_weight, observed)
    held, tasks, codes = weight > 0, {}, []
    for column, values in zip(columns, labels, strict=True):
        tasks[column] = unique_labels(values)
        places = encode(values, tasks[column])
        check_weighted(np.bincount(places, weights=held), tasks[column])
        codes.append(places[held])
    if not held.all():
        X, y, weight = X[held], y[held], weight[held]
    return CrossedInput(X, y, weight, tasks, codes, names)


def read_crossed_predict(estimator, X):
    """Check the input of ``predict`` against the fit.

    Parameters
    ----------
    estimator : fitted estimator
        ``tasks_``, by column, and ``unseen_task`` are read.
    X : array-like, frame or sparse matrix of shape (n_rows, n_features)

    Returns
    -------
    X : C-contiguous ndarray or csr_array
        Without the columns of labels.
    codes : dict of ndarray of int, shape (n_rows,)
        The position of every label in the ``tasks_`` of its column, `UNSEEN` where it
        is not there (only with ``unseen_task="mean"``) or missing (None, NaN).

    Raises
    ------
    ValueError
        If X does not fit, or labels are of another kind than in fit, or unseen with
        ``unseen_task="error"``.
    """
    given = estimator, X, list(estimator.tasks_)
    X, found, _ = read_columns(*given, reset=False, read=known_labels)
    codes = {}
    for (column, fitted), (labels, known) in zip(
        estimator.tasks_.items(), found, strict=True
    ):
        codes[column] = np.full(len(known), UNSEEN)
        if labels.size:
            place = f" (task_column {column!r})"
            codes[column][known] = codes_in_fit(estimator, labels, fitted, place)
    return X, codes
