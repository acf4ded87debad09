"""Products with the rows of X: in chunks, in float64, centred, block-diagonal."""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import blas

from mtlreg._numba import njit, njit_sums

_NEAR = 1.0  # ratio of squared mean and variance up to which no digits are lost
# the same for sparse columns, two digits: a column beyond has hardly an entry that is
# not stored, so that the centred one takes no more memory
_FAR = 100.0
CONSTANT = 1e-28  # ratio of variance and squared mean of a column that is rounding
BATCH_ENTRIES = 2**18  # of tasks that are treated at once
_LARGE_TASK = 2**14  # entries of a task whose products take far longer than calls
_CACHED_ENTRIES = 2**15  # entries of a chunk that stays in the cache between two uses


def equal_tasks(bounds, width, then=None):
    """Yield tasks with as many rows as each other, to be treated all at once.

    A library then loops over the tasks, which costs far less than a call for each.
    Large tasks come alone, without a copy.

    Parameters
    ----------
    bounds : ndarray of shape (n_tasks + 1,)
        Task t owns the rows ``bounds[t]:bounds[t + 1]``.
    width : int
        Numbers a row takes; tasks are so many as fit into the cache.
    then : ndarray of shape (n_tasks,), optional
        What tasks with as many rows are to be alike in.

    Yields
    ------
    tasks : ndarray of int, shape (m,)
    rows : tuple
        ``values[rows]`` are those of an array over rows, (m, size, ...).
    """
    sizes = np.diff(bounds)
    order = np.lexsort((sizes,) if then is None else (then, sizes))
    for group in np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1):
        entries = sizes[group[0]] * width if group.size else 0
        step = BATCH_ENTRIES // max(entries, 1) if entries <= _LARGE_TASK else 1
        for start in range(0, group.size, step):
            tasks = group[start : start + step]
            if len(tasks) == 1:
                yield tasks, (None, slice(*bounds[tasks[0] : tasks[0] + 2]))
            else:
                yield tasks, (bounds[tasks, None] + np.arange(sizes[tasks[0]]),)


def squares_of(parts):
    """Return ``part part'`` of matrices (m, k, n), (m, k, k)."""
    if len(parts) == 1:
        # of one matrix a library computes a half
        return (parts[0] @ parts[0].T)[None]
    return parts @ parts.swapaxes(1, 2)


def block_diagonal(X, tasks, n_tasks):
    """Return sparse X with the columns of every task side by side.

    So block-diagonal where rows are in the order of their tasks. It shares the entries
    of X.

    Parameters
    ----------
    X : csr_array of shape (n, d)
    tasks : ndarray of int, shape (n,)
    n_tasks : int

    Returns
    -------
    csr_array of shape (n, n_tasks * d)
    """
    d = X.shape[1]
    wide = n_tasks * d > np.iinfo(np.int32).max
    index = np.dtype(np.int64) if wide else X.indices.dtype
    starts = np.repeat(tasks.astype(index) * index.type(d), np.diff(X.indptr))
    return sp.csr_array(
        (X.data, X.indices.astype(index) + starts, X.indptr.astype(index)),
        shape=(X.shape[0], n_tasks * d),
    )


def append_ones(X):
    """Return X with a last column of ones, in the order that `MultiTaskData` has."""
    ones = np.ones((X.shape[0], 1), dtype=X.dtype)
    if sp.issparse(X):
        return sp.hstack([X, sp.csr_array(ones)], format=X.format)
    return np.concatenate([X, ones], axis=1)


def scale_columns(X, factors):
    """Return X with its columns multiplied, in its precision and format."""
    factors = factors.astype(X.dtype, copy=False)
    if not sp.issparse(X):
        return X * factors
    scaled = X.copy()
    by_column = X.format == "csc"
    scaled.data *= (
        np.repeat(factors, np.diff(X.indptr)) if by_column else factors[X.indices]
    )
    return scaled


def scale_rows(X, factors):
    if sp.issparse(X):
        return sp.dia_array((factors[None], [0]), shape=(len(factors),) * 2) @ X
    return factors[:, None] * X


def sparse_moments(X, units):
    """Return the weighted means and mean squares of sparse columns."""
    exact = X.astype(np.float64, copy=False)
    entries = np.square(exact.data), exact.indices, exact.indptr
    return exact.T @ units, type(X)(entries, shape=X.shape).T @ units


def sparse_task_moments(X, units, codes, n_tasks):
    """Return the weighted means and mean squares of the sparse columns of every task.

    Parameters
    ----------
    X : csr_array of shape (n, d), or csc_array of one task
    units : ndarray of shape (n,)
        Weights that sum to 1 in each task.
    codes : ndarray of int, shape (n,)
    n_tasks : int

    Returns
    -------
    means, squares : ndarrays of shape (d, n_tasks)
    """
    blocks = X if n_tasks == 1 else block_diagonal(X, codes, n_tasks)
    means, squares = (
        np.ascontiguousarray(part.reshape(n_tasks, -1).T)
        for part in sparse_moments(blocks, units)
    )
    return means, squares


def centre_sparse(X, units, offsets):
    """Centre the sparse columns of every task whose mean hides their deviation.

    In a copy in float64, unless there are none; float32 would round what is centred.

    Parameters
    ----------
    X : csr_array of shape (n, d), or csc_array of one task
    units, offsets
        As in `task_moments`.

    Returns
    -------
    X, means, shift, squares
        As of `centre_tasks`, without None.
    """
    n_tasks = len(offsets) - 1
    codes = np.repeat(np.arange(n_tasks), np.diff(offsets))
    means, squares = sparse_task_moments(X, units, codes, n_tasks)
    squares -= means**2
    centre = np.where(means**2 > _FAR * squares, means, 0.0)
    if not centre.any():
        return X, means, means, squares
    rows = sp.csr_array(centre.T)[codes]
    X = X.astype(np.float64, copy=False) - rows.asformat(X.format)
    shift, squares = sparse_task_moments(X, units, codes, n_tasks)
    squares -= shift**2
    constant = squares <= CONSTANT * centre**2
    if constant.any():
        entries = X.tocoo(copy=False)
        X.data[constant[entries.col, codes[entries.row]]] = 0.0
        X.eliminate_zeros()
        shift[constant] = squares[constant] = 0.0
    return X, centre + shift, shift, squares


def nonzero_rows(A):
    """Return which rows of A are not 0."""
    # several times faster than A.any(axis=1)
    return (A != 0) @ np.ones(A.shape[1], dtype=bool)


def take_columns(X, features):
    """Return some columns of X, or X itself if ``features`` is None."""
    if features is None:
        return X
    # of dense rows several times faster than X[:, features]
    return X[:, features] if sp.issparse(X) else np.take(X, features, axis=1)


@njit
def _transpose_columns(X, features, out):
    # as many rows at a time as one cache line of a row of out holds
    size = 64 // out.itemsize
    for start in range(0, X.shape[0], size):
        stop = min(start + size, X.shape[0])
        for k in range(features.size):
            j = features[k]
            for i in range(start, stop):
                out[k, i] = X[i, j]


def transposed_columns(X, features, dtype):
    """Return some columns of dense X as the rows of a C-contiguous array."""
    columns = np.empty((len(features), X.shape[0]), dtype=dtype)
    _transpose_columns(X, features, columns)
    return columns


@njit
def _moments(X, offsets, units, means, squares):
    for t in range(offsets.size - 1):
        for i in range(offsets[t], offsets[t + 1]):
            for j in range(X.shape[1]):
                x = np.float64(X[i, j])
                part = units[i] * x
                means[t, j] += part
                squares[t, j] += part * x


@njit
def _centre(X, offsets, units, stored, means, squares):
    left, constant = np.empty(X.shape[1]), np.empty(X.shape[1], dtype=np.bool_)
    for t in range(offsets.size - 1):
        rows = range(offsets[t], offsets[t + 1])
        for i in rows:
            for j in range(X.shape[1]):
                means[t, j] += units[i] * X[i, j]
        left[:] = 0.0
        for i in rows:
            for j in range(X.shape[1]):
                stored[i, j] = X[i, j] - means[t, j]
                rest = np.float64(stored[i, j])
                left[j] += units[i] * rest
                squares[t, j] += units[i] * (rest * rest)
        again = False
        for j in range(X.shape[1]):
            squares[t, j] -= left[j] * left[j]
            constant[j] = squares[t, j] <= CONSTANT * means[t, j] ** 2
            moved = left[j] * left[j] > 1e-20 * squares[t, j]
            again = again or moved or constant[j]
        if again:
            # what is rounding to the mean may be much to a column of small variance
            for i in rows:
                for j in range(X.shape[1]):
                    stored[i, j] = 0.0 if constant[j] else stored[i, j] - left[j]


def task_moments(X, units, offsets):
    """Return the weighted means and mean squares of the dense columns of every task.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    units : ndarray of shape (n,)
        Weights that sum to 1 in each task.
    offsets : ndarray of shape (n_tasks + 1,)

    Returns
    -------
    means, squares : ndarrays of shape (d, n_tasks)
    """
    means, squares = np.zeros((2, len(offsets) - 1, X.shape[1]))
    _moments(X, offsets, units, means, squares)
    return np.ascontiguousarray(means.T), np.ascontiguousarray(squares.T)


def centre_tasks(X, units, offsets):
    """Centre the dense columns of every task by their weighted means.

    In a copy, unless no mean is larger than the deviation of its column: subtraction
    from the products then costs no digits.

    Parameters
    ----------
    X, units, offsets
        As in `task_moments`.

    Returns
    -------
    X : ndarray of shape (n, d)
    means : ndarray of shape (d, n_tasks)
        Of the columns that came in.
    shift : ndarray like means, or None
        Those of the columns that are returned, None if they are 0.
    squares : ndarray like means
        Mean squares of the centred columns; exactly 0 in the copy for a column that is
        constant in a task.
    """
    means, squares = task_moments(X, units, offsets)
    if np.all(means**2 <= _NEAR * (squares - means**2)):
        return X, means, means, squares - means**2
    means, squares = np.zeros((2, len(offsets) - 1, X.shape[1]))
    stored = np.empty_like(X)
    _centre(X, offsets, units, stored, means, squares)
    means, squares = np.ascontiguousarray(means.T), np.ascontiguousarray(squares.T)
    return stored, means, None, squares


@njit_sums
def _predict_tasks(X, offsets, columns, out):
    for t in range(offsets.size - 1):
        for i in range(offsets[t], offsets[t + 1]):
            z = out.dtype.type(0)
            for j in range(X.shape[1]):
                z += X[i, j] * columns[t, j]
            out[i] = z


@njit_sums
def _adjoint_tasks(X, offsets, R, out):
    for t in range(offsets.size - 1):
        for i in range(offsets[t], offsets[t + 1]):
            for j in range(X.shape[1]):
                out[t, j] += R[i] * X[i, j]


@njit_sums
def _predict_rows(X, codes, columns, out):
    for i in range(codes.size):
        t = codes[i]
        z = out.dtype.type(0)
        for j in range(X.shape[1]):
            z += X[i, j] * columns[t, j]
        out[i] = z


def predict_rows(X, coef, intercept, codes):
    """Return ``x_i . coef[codes_i] + intercept[codes_i]`` for every row of X.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_rows, n_features)
    coef : ndarray of shape (n_tasks, n_features)
    intercept : ndarray of shape (n_tasks,)
    codes : ndarray of int, shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    columns = np.ascontiguousarray(coef)
    if sp.issparse(X):
        z = block_diagonal(X, codes, len(columns)) @ columns.ravel()
    else:
        z = np.empty(len(X), dtype=np.result_type(X, columns))
        _predict_rows(X, codes, columns, z)
    return z + intercept[codes]


@njit_sums
def _predict_centred(X, offsets, centre, columns, out):
    for t in range(offsets.size - 1):
        for i in range(offsets[t], offsets[t + 1]):
            z = 0.0
            for j in range(X.shape[1]):
                z += (X[i, j] - centre[t, j]) * columns[t, j]
            out[i] = z


@njit_sums
def _adjoint_centred(X, offsets, centre, R, out):
    for t in range(offsets.size - 1):
        for i in range(offsets[t], offsets[t + 1]):
            for j in range(X.shape[1]):
                out[t, j] += R[i] * (X[i, j] - centre[t, j])


def predict_tasks(X, offsets, columns, centre=None):
    """Return ``X_t a_t`` for the dense rows of every task, (n,).

    One pass over X, where a product a task spends its time on calls if tasks are many.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    offsets : ndarray of shape (n_tasks + 1,)
    columns : ndarray of shape (n_tasks, d)
        The a_t.
    centre : ndarray of shape (n_tasks, d), optional
        What is to be subtracted from the rows of each task, in float64.
    """
    out = np.empty(len(X), dtype=np.result_type(X, columns))
    if centre is None:
        _predict_tasks(X, offsets, columns, out)
    else:
        _predict_centred(X, offsets, centre, columns, out)
    return out


def adjoint_tasks(X, offsets, R, centre=None):
    """Return ``X_t' r_t`` for the dense rows of every task, (n_tasks, d)."""
    out = np.zeros((len(offsets) - 1, X.shape[1]), dtype=np.result_type(X, R))
    if centre is None:
        _adjoint_tasks(X, offsets, R, out)
    else:
        _adjoint_centred(X, offsets, centre, R, out)
    return out


def column_moments(X, units):
    """Return the weighted means and mean squares of dense columns, in float64.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    units : ndarray of shape (n, m)
        m sets of weights that sum to 1.

    Returns
    -------
    means, squares : ndarrays of shape (d, m)
    """
    if units.shape[1] == 1:
        return task_moments(X, np.ascontiguousarray(units[:, 0]), np.array([0, len(X)]))
    means, squares = np.zeros((2, X.shape[1], units.shape[1]))
    for rows, chunk in chunks(X, max(16, _CACHED_ENTRIES // max(X.shape[1], 1))):
        values = chunk.astype(np.float64, copy=False)
        means += values.T @ units[rows]
        squares += np.square(values).T @ units[rows]
    return means, squares


def chunks(X, size):
    for start in range(0, X.shape[0], size):
        rows = slice(start, start + size)
        yield rows, X[rows]


def promotes(X, other):
    return not sp.issparse(X) and np.result_type(X, other) != X.dtype


def _chunks64(X, centre):
    """Yield centred chunks of a float32 matrix in float64.

    In a buffer that stays in the cache: a new array a chunk would take as long as a
    product with it.
    """
    size = max(32, 8 * _CACHED_ENTRIES // max(X.shape[1], 1))
    buffer = np.empty((min(size, len(X)), X.shape[1]))
    for rows, chunk in chunks(X, size):
        exact = buffer[: len(chunk)]
        np.subtract(chunk, centre, out=exact)
        yield rows, exact


def product64(X, centre, A):
    """Return ``(X - centre) A`` in float64 for a float32 X."""
    Z = np.empty((len(X), A.shape[1]))
    for rows, chunk in _chunks64(X, centre):
        np.matmul(chunk, A, out=Z[rows])
    return Z


def adjoint64(X, centre, R):
    """Return ``(X - centre)' R`` in float64 for a float32 X."""
    G = np.zeros((X.shape[1], R.shape[1]), order="F")
    for rows, chunk in _chunks64(X, centre):
        # in place, without a transposed copy
        G = blas.dgemm(
            1.0, chunk.T, R[rows].T, beta=1.0, c=G, trans_b=True, overwrite_c=True
        )
    return G
