"""Tables in chunks, larger than memory or on a cluster: fits by Dask."""

import contextlib
import functools
import inspect
import operator
from numbers import Real

import dask
import numpy as np
import scipy.sparse as sp
from dask.base import get_scheduler
from dask.delayed import Delayed
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.validation import _num_samples

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.declarations import Search
from mtlreg.inputs.parts import PartRows
from mtlreg.sequences.chunks import answer
from mtlreg.statistics import TaskStatistics

__all__ = ["ChunkError", "fit"]

_MERGED = 4  # statistics that one task of the reduction merges


class ChunkError(ValueError):
    """A chunk cannot be computed or used, or is not like others; says which one."""


def fit(estimator, X, y, *, tasks=None, sample_weight=None, n_folds=5):
    """Fit rows that are in chunks, where they are.

    With the squared loss in one pass: every chunk becomes
    `mtlreg.statistics.TaskStatistics`, these are merged as a tree, and the rest is
    solved here, without the rows: any penalty, and all strengths and folds of a search.

    A classifier takes some ten passes, or rounds: around a point its loss is nearly a
    squared one, whose statistics are summed up in the same way. Newton's method goes
    from one point to the next until the duality gap of all rows is at most ``tol F0``;
    ``n_iter_`` is the number of its steps.

    The scheduler is that of Dask: threads, or the cluster of the current
    ``distributed.Client``. Rows of a task may be in any chunk. Between rounds a cluster
    holds the rows, and makes anew what a lost worker held; in one process chunks are
    computed in each round, unless they are persisted already.

    A search takes its folds from a hash of what identifies a row, whoever reads it: its
    label in a data frame with known divisions, its position in an array with known
    chunks, otherwise the number of the chunk and the position in it.

    Parameters
    ----------
    estimator : regressor or classifier
        A regressor has the squared loss, and as a search neither ``cv`` nor
        ``scoring``; a classifier is no search. It is fitted itself; with
        ``warm_start=True`` from where it is.
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
        Fitted as by ``fit_statistics``, or ``fit`` of a classifier, in float64.

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
    by_statistics = hasattr(estimator, "fit_statistics")
    if by_statistics:
        estimator._check_for_statistics()
    else:
        _check_for_rounds(estimator)
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
    columns = [
        [c[number] if isinstance(c, list) else c for c in chunks.values()]
        for number in range(n_chunks)
    ]
    if not by_statistics:
        rounds = _Rounds(estimator.task_column, columns)
        return estimator._fit_chunks(rounds.labels(), rounds.asker(estimator))
    leaves = []
    for number, start in enumerate(_starts(X, n_chunks)):
        how = number, start, n_folds if by_folds else 1, estimator.task_column
        leaves.append(dask.delayed(_chunk_statistics)(*how, *columns[number]))
    folds = _computed(_reduced(leaves), leaves)
    return estimator.fit_statistics(folds if by_folds else folds[0])


def _check_for_rounds(estimator):
    """Raise ValueError where an estimator cannot be fitted in rounds."""
    if not isinstance(estimator, MultiTaskClassifier):
        raise ValueError(
            f"only classifiers and regressors with the squared loss are fitted in "
            f"chunks, got {type(estimator).__name__}; use its fit with rows that fit "
            f"into memory"
        )
    if isinstance(estimator, Search):
        raise ValueError(
            f"{type(estimator).__name__} chooses strengths by folds, whose rows would "
            f"be read for each strength and fold; fit the classifier at each strength "
            f"with warm_start=True and score it on chunks that are left out, or use "
            f"the search's fit with rows that fit into memory"
        )
    estimator._check_parameters()


class _Rounds:
    """Rows in chunks that stay where they are, and are asked in rounds.

    A cluster holds them; in one process they are read in each round, so that they may
    be more than there is memory.

    Parameters
    ----------
    task_column : str or int or None
    columns : list of list
        X, y, tasks and weights of each chunk.
    """

    def __init__(self, task_column, columns):
        read = dask.delayed(_read_chunk)
        self._read = [read(k, task_column, *given) for k, given in enumerate(columns)]
        self._held = self._read

    def labels(self):
        """Return the `mtlreg.inputs.parts.Labels` of all rows, by the first round."""
        of_chunk = dask.delayed(_chunk_labels)
        if _is_cluster():
            self._held = list(dask.persist(*self._read))
        leaves = [of_chunk(k, part) for k, part in enumerate(self._held)]
        (found,) = _computed(_reduced(leaves), leaves, self._read)
        if found is None:
            raise ValueError("all chunks are empty; give them rows")
        return found

    def asker(self, estimator):
        """Return what makes the function that asks the rows, see `ChunkedFit`."""
        loss, centred = estimator._loss(), bool(estimator.fit_intercept)
        return functools.partial(self._ask_of, loss, centred)

    def _ask_of(self, loss, centred, read, shares):
        read, shares = (dask.delayed(one, traverse=False) for one in (read, shares))
        of_chunk, reply = dask.delayed(_chunk_data), dask.delayed(_chunk_answer)
        data = [of_chunk(k, part, read, shares) for k, part in enumerate(self._held)]
        if _is_cluster():
            data = list(dask.persist(*data))
        self._held = None

        def ask(question):
            sent = dask.delayed(question, traverse=False)
            leaves = [
                reply(k, part, loss, centred, sent) for k, part in enumerate(data)
            ]
            return _computed(_reduced(leaves), leaves, self._read)[0]

        return ask


def _is_cluster():
    """Return whether Dask computes elsewhere, by the current client."""
    return inspect.ismethod(get_scheduler())


def _reduced(leaves):
    """Return the tree that merges the numbered results of chunks."""
    level, merge = leaves, dask.delayed(_merge)
    while len(level) > 1:
        groups = range(0, len(level), _MERGED)
        level = [merge(level[first : first + _MERGED]) for first in groups]
    return level[0]


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
    with _naming(number):
        if n_folds == 1:
            folds[0].update(**columns)
        else:
            _update_folds(folds, start, columns)
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


def _read_chunk(number, task_column, X, y, tasks, sample_weight):
    """Return the `PartRows` of a chunk; like all below a function of the chunk."""
    with _naming(number):
        return PartRows(task_column=task_column).read(X, y, tasks, sample_weight)


def _chunk_labels(number, part):
    with _naming(number):
        labels = part.labels()
    return None if labels is None else number, [labels]


def _chunk_data(number, part, read, shares):
    with _naming(number):
        return part.data(read, shares)


def _chunk_answer(number, data, loss, centred, question):
    with _naming(number):
        return number, [answer(data, loss, centred, question)]


@contextlib.contextmanager
def _naming(number):
    """Say in errors which chunk they are of."""
    try:
        yield
    except Exception as error:
        raise ChunkError(f"chunk {number}: {error}") from error


def _merge(parts):
    """Return the sums of the results of several chunks, each by its number."""
    first, whole = parts[0]
    # in place but for the first two, which may be asked for again
    add = operator.add
    for number, found in parts[1:]:
        try:
            whole = list(map(functools.partial(_sum, add), whole, found))
        except ValueError as error:
            raise ChunkError(
                f"chunk {number} is not like chunk {first}: {error}"
            ) from error
        add = operator.iadd
        first = number if first is None else first
    return first, whole


def _sum(add, one, other):
    return (one or other) if one is None or other is None else add(one, other)


def _computed(whole, leaves, origins=()):
    """Return the sums of the reduction, or raise an error that names the chunk.

    Parameters
    ----------
    whole : Delayed
    leaves : list of Delayed
        The results of the chunks.
    origins : list of Delayed
        What of the chunks is held.
    """
    try:
        return whole.compute()[1]
    except ChunkError:
        raise
    except Exception as error:
        number = _failed(leaves, origins, error)
        if number is None:
            raise
        raise ChunkError(f"chunk {number} cannot be computed: {error!r}") from error


def _failed(leaves, origins, error):
    """Return the number of the first chunk that cannot be computed, or None."""
    # what a worker had to do that died of it is not to be repeated
    task = getattr(error, "task", None)
    if task is not None:
        users = _users(str(task), leaves) or _users(str(task), list(origins))
        return users[0] if len(users) == 1 else None
    for number, leaf in enumerate(leaves):
        try:
            leaf.compute()
        except Exception:
            return number
    return None


def _users(task, parts):
    """Return the numbers of the parts that need a task."""
    needs = dask.delayed(list)(parts).__dask_graph__().get_all_dependencies()
    used_by = dask.core.reverse_dict(needs)
    found = {key for key in needs if str(key) == task}
    waiting = list(found)
    while waiting:
        new = used_by[waiting.pop()] - found
        found |= new
        waiting += new
    return [number for number, part in enumerate(parts) if part.key in found]
