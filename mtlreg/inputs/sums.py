"""Sums over the rows of tasks, made elsewhere: checked once, they become arrays."""

import numpy as np

from mtlreg.inputs.frames import listed
from mtlreg.inputs.labels import encode, label_array, unique_labels

__all__ = ["read_sums"]


def read_sums(tasks, n_rows, sums, products, shift, weight, log_weight):
    """Check what `mtlreg.statistics.TaskStatistics.from_sums` is given.

    Returns
    -------
    tasks : ndarray of shape (n_tasks,)
        The sorted labels.
    counts : ndarray of shape (2, n_tasks)
        ``n_rows`` and ``log_weight``, in their order.
    arrays : dict
        The others, as `mtlreg.sequences.folds.PartStatistics.of_sums` takes them.

    Raises
    ------
    ValueError
        As there.
    """
    labels, sums = label_array(tasks, "tasks"), np.asarray(sums, dtype=np.float64)
    if not len(labels):
        raise ValueError("tasks is empty; give the sums of one task at least")
    width = sums.shape[-1] if sums.ndim == 2 else 0
    if width < 2:
        raise ValueError(
            f"sums must have a column for each feature and one for the target, got an "
            f"array of shape {sums.shape}"
        )
    of_tasks = (len(labels),)
    wanted = {
        "n_rows": (n_rows, of_tasks),
        "log_weight": (log_weight, of_tasks),
        "weight": (n_rows if weight is None else weight, of_tasks),
        "sums": (sums, (*of_tasks, width)),
        "products": (products, (*of_tasks, width, width)),
        "shift": (shift, (*of_tasks, width)),
    }
    arrays = {name: _finite(name, *given, labels) for name, given in wanted.items()}
    empty = labels[(arrays["weight"] <= 0) | (arrays["n_rows"] < 1)]
    if empty.size:
        raise ValueError(
            f"task(s) {listed(empty)} have no rows of positive weight; leave them out"
        )
    tasks = unique_labels(labels)
    if len(tasks) < len(labels):
        raise ValueError(
            f"tasks has {len(labels)} labels, of which {len(tasks)} differ; give each "
            f"task once, and merge statistics of other rows"
        )
    order = np.argsort(encode(labels, tasks))
    arrays = {name: array[order] for name, array in arrays.items()}
    counts = np.stack([arrays.pop("n_rows"), arrays.pop("log_weight")])
    return tasks, counts, arrays


def _finite(name, values, shape, labels):
    """Return finite numbers of some shape, or raise ValueError."""
    values = np.asarray(values, dtype=np.float64)
    if values.shape != shape:
        alike = name in ("shift", "log_weight") and values.ndim < len(shape)
        if not alike or (values.ndim and values.shape != shape[-values.ndim :]):
            raise ValueError(f"{name} must have shape {shape}, got {values.shape}")
        values = np.broadcast_to(values, shape)
    wrong = ~np.isfinite(values.reshape(len(labels), -1)).all(axis=1)
    if wrong.any():
        raise ValueError(
            f"{name} of task(s) {listed(labels[wrong])} are not finite; leave out rows "
            f"with missing or infinite values or weights below 0"
        )
    return values
