"""Targets and weights: checked once, they become plain arrays."""

import numbers
from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils import check_array

from mtlreg.inputs.frames import (
    check_rows,
    check_sparse,
    column_names,
    listed,
    value_kinds,
)
from mtlreg.inputs.labels import check_target, is_missing, read_classes


def read_score_target(estimator, y, sample_weight, shape):
    """Check y and weights of ``score`` against a prediction.

    Parameters
    ----------
    estimator : fitted estimator
    y : array-like, series or frame of shape (n_rows,) or (n_rows, n_tasks)
    sample_weight : None, float or array-like of the shape of y or (n_rows,)
    shape : tuple
        Shape of the prediction.

    Returns
    -------
    y : ndarray of that shape
        float64, or the labels of a classifier; any finite value or label where a
        target is not observed.
    weight : ndarray of that shape
        0 where a target is not observed.

    Raises
    ------
    ValueError
        If y or sample_weight cannot be used or have another shape.
    """
    classifier = is_classifier(estimator)
    y, weight, columns = read_target(y, sample_weight, shape, classifier=classifier)
    fitted = estimator.tasks_
    if columns is not None and "O" in (columns.dtype.kind, fitted.dtype.kind):
        given, known = columns.tolist(), fitted.tolist()
        if given != known and set(given) == set(known):
            raise ValueError(
                f"the columns of y are {given}, but tasks_ is {known}. Select them in "
                "the order of tasks_."
            )
    return y, weight


def read_target(y, sample_weight, shape, *, classifier):
    """Check y and weights against the shape of a prediction.

    Parameters
    ----------
    y, sample_weight, shape
        As in `read_score_target`.
    classifier : bool
        Targets are classes.

    Returns
    -------
    y, weight : ndarrays of that shape
        As `read_score_target` returns them.
    columns : ndarray of shape (n_tasks,) or None
        Names or positions of the columns of a 2-D y.
    """
    if y is None:
        raise ValueError("score needs the target, but y is None.")
    y, observed, columns = (read_classes if classifier else read_numbers)(y)
    check_rows(shape[0], y=y)
    if y.size == np.prod(shape) and 1 in (*y.shape[1:], *shape[1:]):
        y, observed = y.reshape(shape), observed.reshape(shape)
    if y.shape != tuple(shape):
        raise ValueError(
            f"y has shape {y.shape}, but the prediction has shape {tuple(shape)}. Pass "
            "one target per prediction."
        )
    weight = read_weight(sample_weight, observed)
    if not weight.any():
        raise ValueError("y has no observed target of positive weight to score.")
    return y, weight, columns


def read_weight(sample_weight, observed, part=False):
    """Weights >= 0 (float64) of the cells of y, 0 where nothing is seen; read-only."""
    shape = observed.shape
    if sample_weight is None:
        return np.broadcast_to(1.0, shape) if observed.all() else observed.astype(float)
    if isinstance(sample_weight, numbers.Real):
        sample_weight = np.full(shape[0], sample_weight, dtype=np.float64)
    try:
        if np.ma.is_masked(sample_weight):
            raise ValueError("it has masked values")
        if value_kinds(sample_weight, "sample_weight") - {"n"}:
            raise ValueError("it holds labels; pass those of tasks by name, tasks=...")
        weight = check_array(
            sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"sample_weight must hold finite numbers, one per row: {error}"
        ) from error
    check_rows(shape[0], sample_weight=weight)
    if weight.ndim == 1:
        weight = weight.reshape(-1, *[1] * (len(shape) - 1))
    elif weight.shape != tuple(shape):
        raise ValueError(
            f"sample_weight has shape {weight.shape}; it must be a number, one weight "
            f"per row, shape ({shape[0]},), or have the shape {tuple(shape)} of y."
        )
    if (weight < 0).any():
        raise ValueError(
            f"sample_weight has negative values, the smallest is {weight.min()}. "
            "Weights must be >= 0; 0 leaves a row out."
        )
    if not (part or weight.any()):
        raise ValueError("sample_weight is zero everywhere. Give rows weights > 0.")
    weight = np.broadcast_to(weight.copy(), shape)
    return weight if observed.all() else np.where(observed, weight, 0.0)


def check_weighted(totals, tasks):
    empty = tasks[totals <= 0]
    if empty.size:
        raise ValueError(
            f"task(s) {listed(empty)} have no observed target in y with "
            "sample_weight > 0. Leave these tasks out or give them data."
        )


def read_numbers(y):
    """Targets of a regressor (float64, 0 where missing; read-only), observed, names."""
    names = column_names(y)
    try:
        if isinstance(y, np.ma.MaskedArray):
            y = y.astype(np.float64).filled(np.nan)
        if "M" in value_kinds(y, "y"):
            raise TypeError("it holds dates; give their distance to one of them")
        check_sparse(y, "y")
        y = np.asarray(y.toarray() if sparse.issparse(y) else y)
        if y.dtype.kind == "O":
            y = np.where(is_missing(y), np.nan, y)
        y = check_array(
            y,
            ensure_2d=False,
            ensure_all_finite=False,
            dtype=np.float64,
            order="C",
            input_name="y",
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"y of a regressor must hold numbers: {error}") from error
    missing = np.isnan(y)
    check_target(np.isinf(y), "infinity or a value too large for dtype('float64')")
    if y.ndim == 1:
        check_target(missing, "NaN")
    elif names is None:
        names = np.arange(y.shape[1])
    if missing.any():
        y = np.where(missing, 0.0, y)
    return y, ~missing, names


def weigh_classes(read, class_weight):
    """Multiply the weights of the cells by those of their classes.

    Parameters
    ----------
    read : FitInput
        Of a classifier.
    class_weight : dict or "balanced"
        By class, 1 for those that are not named; or half the weight of a task over
        that of the class in it.

    Returns
    -------
    FitInput

    Raises
    ------
    ValueError
        If a class is not in y, or a weight is not finite and > 0.
    """
    data, cells = read.data, read.data.cells
    positive = data.y > 0
    if isinstance(class_weight, str):
        totals = [cells.sum(data.weight * held) for held in (~positive, positive)]
        weight = cells.sum(data.weight)
        shares = [
            np.divide(weight, 2 * total, out=np.ones_like(total), where=total > 0)
            for total in totals
        ]
        factor = np.where(positive, *map(cells.spread, shares[::-1]))
    else:
        factor = _weights_of_classes(read, class_weight, positive)
    return replace(read, data=replace(data, weight=data.weight * factor))


def _weights_of_classes(read, class_weight, positive):
    """Return what the weights of the cells are multiplied by, or raise ValueError."""
    labels = read.classes.tolist()
    pairs = labels if read.classes.ndim == 2 else [labels]
    known = {label for pair in pairs for label in pair}
    for label, value in class_weight.items():
        if label not in known:
            raise ValueError(
                f"class_weight has the class {label!r}, which y has not; its classes "
                f"are {sorted(known, key=str)[:10]}"
            )
        if not (isinstance(value, numbers.Real) and 0 < value < np.inf):
            raise ValueError(
                f"class_weight must be finite and > 0, got {value!r} for the class "
                f"{label!r}"
            )
    values = [[float(class_weight.get(label, 1.0)) for label in pair] for pair in pairs]
    if read.layout == "multiclass":
        # a row counts alike in the tasks of all classes
        of_rows = np.array(values[0])[np.argmax(positive, axis=1)]
        return of_rows[:, None]
    low, high = np.array(values).T
    return np.where(positive, high, low)
