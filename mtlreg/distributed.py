"""Tables in chunks, larger than memory or on a cluster: fits by Dask."""

from numbers import Real

import dask
import numpy as np
import scipy.sparse as sp
from dask.delayed import Delayed
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.validation import _num_samples

from mtlreg.estimators.declarations import Search
from mtlreg.statistics import TaskStatistics

__all__ = ["ChunkError", "fit"]

_MERGED = 4  # statistics that one task of the reduction merges


class ChunkError(ValueError):
    """A chunk cannot be computed or used, or is not like others; says which one."""


def fit(estimator, X, y, *, tasks=None, sample_weight=None, n_folds=5):
    """Fit a regressor to rows that are in chunks, in one pass over them.

    Every chunk becomes `mtlreg.statistics.TaskStatistics` where it is, these are merged
    as a tree, and the rest is solved here, without the rows: any penalty, and all
    strengths and folds of a search. The scheduler is that of Dask: threads, or the
    cluster of the current ``distributed.Client``. Rows of a task may be in any chunk.

    A search takes its folds from a hash of what identifies a row, whoever reads it: its
    label in a data frame with known divisions, its position in an array with known
    chunks, otherwise the number of the chunk and the position in it.

    Parameters
    ----------
    estimator : regressor
        With the squared loss; a search has neither ``cv`` nor ``scoring``. It is fitted
        itself.
    X : dask array, dask data frame or list of delayed
        Chunks of rows, each of which is what ``estimator.fit`` takes.
    y : like X
        In as many chunks; arrays whose chunks are known are brought to those of X.
    tasks : like X, optional
        Labels of the tasks, if they are neither a column of X nor the columns of y.
    sample_weight : float or like X, optional
        Weights >= 0.
    n_folds : int, default=5
        Of a search, at least 2.

    Returns
    -------
    estimator
        Fitted as by ``fit_statistics``.

    Raises
    ------
    ChunkError
        A ValueError that says which chunk, counted from 0, cannot be computed or is not
        as described; the estimator is then as it was before.
    ValueError
        If another argument or a parameter is not as described.

    References
    ----------
    Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators: the hash.

    Examples
    --------
    >>> import dask.array as da
    >>> from mtlreg import GroupLassoRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.distributed import fit
    >>> data = make_multitask_regression(random_state=0)
    >>> X, y, tasks = (
    ...     da.from_array(part, chunks=(100, *part.shape[1:]))
    ...     for part in (data.X, data.y, data.tasks)
    ... )
    >>> model = fit(GroupLassoRegressorCV(), X, y, tasks=tasks)
    >>> model.coef_.shape == data.coef.shape
    True
    """
    if not hasattr(estimator, "fit_statistics"):
        raise ValueError(
            f"only regressors with the squared loss are fitted in chunks, got "
            f"{type(estimator).__name__}; use its fit with rows that fit into memory"
        )
    estimator._check_for_statistics()
    by_folds = isinstance(estimator, Search) and not isinstance(estimator.cv, str)
    if by_folds and not (isinstance(n_folds, int | np.integer) and n_folds >= 2):
        raise ValueError(f"n_folds must be an integer >= 2, got {n_folds!r}")
    given = {"y": y, "tasks": tasks, "sample_weight": sample_weight}
    chunks = {"X": _chunks("X", X, None)}
    chunks |= {name: _chunks(name, values, X) for name, values in given.items()}
    n_chunks = len(chunks["X"])
    for name, found in chunks.items():
        if isinstance(found, list) and len(found) != n_chunks:
            raise ValueError(
                f"{name} has {len(found)} chunks and X has {n_chunks}; give both the "
                f"same chunks of rows"
            )
    of_chunk, merge = dask.delayed(_chunk_statistics), dask.delayed(_merge_statistics)
    leaves = []
    for number, start in enumerate(_starts(X, n_chunks)):
        columns = [c[number] if isinstance(c, list) else c for c in chunks.values()]
        how = number, start, n_folds if by_folds else 1, estimator.task_column
        leaves.append(of_chunk(*how, *columns))
    level = leaves
    while len(level) > 1:
        groups = range(0, len(level), _MERGED)
        level = [merge(level[first : first + _MERGED]) for first in groups]
    _, folds = _computed(level[0], leaves)
    return estimator.fit_statistics(folds if by_folds else folds[0])


def _chunks(name, values, X):
    """Return the chunks of an argument as a list, or what is one for all of them."""
    if name in ("tasks", "sample_weight") and values is None:
        return None
    if name == "sample_weight" and isinstance(values, Real):
        return values
    if hasattr(values, "rechunk"):
        whole = {axis: -1 for axis in range(1, values.ndim)}
        like = getattr(X, "chunks", None)
        if like and not np.isnan([*like[0], *values.chunks[0]]).any():
            whole[0] = like[0]
        return values.rechunk(whole).to_delayed().ravel().tolist()
    if hasattr(values, "to_delayed"):
        return list(values.to_delayed())
    listed = isinstance(values, list | tuple) and len(values) > 0
    if not (listed and all(isinstance(chunk, Delayed) for chunk in values)):
        raise ValueError(
            f"{name} must be a dask array, a dask data frame or a list of delayed "
            f"chunks, got {type(values).__name__}; use estimator.fit for what is in "
            f"memory"
        )
    return list(values)


def _starts(X, n_chunks):
    """Return the index of the first row of each chunk, None where rows have labels."""
    if getattr(X, "known_divisions", False):
        return [None] * n_chunks
    sizes = X.chunks[0] if hasattr(X, "rechunk") else [np.nan]
    if np.isnan(sizes).any():
        return [number << 32 for number in range(n_chunks)]
    return np.cumsum([0, *sizes[:-1]]).tolist()


def _chunk_statistics(number, start, n_folds, task_column, X, y, tasks, sample_weight):
    """Return the number of a chunk and the statistics of its rows in each fold.

    A pure function of the chunk, so that it may be repeated; the number is None where
    there are no rows.
    """
    folds = [TaskStatistics(task_column=task_column) for _ in range(n_folds)]
    columns = {"X": X, "y": y, "tasks": tasks, "sample_weight": sample_weight}
    try:
        if n_folds == 1:
            folds[0].update(**columns)
        else:
            _update_folds(folds, start, columns)
    except Exception as error:
        raise ChunkError(f"chunk {number}: {error}") from error
    return None if all(fold.is_empty for fold in folds) else number, folds


def _update_folds(folds, start, columns):
    """Take the rows of a chunk into the statistics of their folds."""
    if sp.issparse(columns["X"]):
        columns["X"] = columns["X"].tocsr()
    constant = isinstance(columns["sample_weight"], Real)
    by_row = {
        name: values
        for name, values in columns.items()
        if values is not None and not (constant and name == "sample_weight")
    }
    check_consistent_length(*by_row.values())
    of_row = _hashes(columns["X"], start) % np.uint64(len(folds))
    for number, fold in enumerate(folds):
        rows = np.flatnonzero(of_row == number)
        part = {name: _safe_indexing(values, rows) for name, values in by_row.items()}
        fold.update(**columns | part)


def _hashes(X, start):
    """Return the hashes of the indices of rows, of their labels without a start."""
    if start is None:
        from pandas.util import hash_pandas_object

        return hash_pandas_object(X.index, index=False).to_numpy()
    z = np.arange(start, start + _num_samples(X), dtype=np.uint64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _merge_statistics(parts):
    """Return what `_chunk_statistics` would of the rows of several chunks."""
    first, whole = parts[0]
    for number, folds in parts[1:]:
        try:
            whole = [one + other for one, other in zip(whole, folds, strict=True)]
        except ValueError as error:
            raise ChunkError(
                f"chunk {number} is not like chunk {first}: {error}"
            ) from error
        first = number if first is None else first
    return first, whole


def _computed(whole, leaves):
    """Return the result of the reduction, or raise an error that names the chunk."""
    try:
        return whole.compute()
    except ChunkError:
        raise
    except Exception as error:
        number = _failed(leaves, error)
        if number is None:
            raise
        raise ChunkError(f"chunk {number} cannot be computed: {error!r}") from error


def _failed(leaves, error):
    """Return the number of the first chunk that cannot be computed, or None."""
    # what a worker had to do that died of it is not to be repeated
    task = getattr(error, "task", None)
    for number, leaf in enumerate(leaves):
        if task is not None:
            if str(task) in map(str, leaf.__dask_graph__()):
                return number
            continue
        try:
            leaf.compute()
        except Exception:
            return number
    return None
