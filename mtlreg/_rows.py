"""Products with the rows of X: in chunks, in float64, centred, block-diagonal."""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import blas

from mtlreg._numba import njit, njit_sums

_NEAR = 1.0  # ratio of squared mean and variance up to which no digits are lost
CONSTANT = 1e-28  # ratio of variance and squared mean of a column that is rounding
_GRAM_ROWS = 256  # rows that are multiplied with themselves at a time
_COLUMN = 64  # entries of columns that are multiplied with each other at a time
_CACHED_ENTRIES = 2**15  # entries of a chunk that stays in the cache between two uses


def block_diagonal(X, offsets):
    """Return the block-diagonal matrix of the tasks, sharing the entries of X."""
    n_tasks, d = len(offsets) - 1, X.shape[1]
    index = np.int64 if n_tasks * d > np.iinfo(np.int32).max else X.indices.dtype
    counts = np.diff(X.indptr[offsets])
    starts = np.arange(n_tasks, dtype=index) * d
    indices = X.indices.astype(index) + np.repeat(starts, counts)
    return sp.csr_array(
        (X.data, indices, X.indptr.astype(index)), shape=(X.shape[0], n_tasks * d)
    )


def scale_rows(X, factors):
    if sp.issparse(X):
        return sp.dia_array((factors[None], [0]), shape=(len(factors),) * 2) @ X
    return factors[:, None] * X


def sparse_moments(X, units):
    """Return the weighted means and mean squares of sparse columns."""
    exact = X.astype(np.float64, copy=False)
    return exact.T @ units, exact.power(2).T @ units


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
def _scale_columns(X, factors, features, out):
    for i in range(out.shape[0]):
        for k in range(features.size):
            out[i, k] = factors[i] * X[i, features[k]]


@njit
def _mirror(matrix):
    for i in range(matrix.shape[0]):
        for j in range(i):
            matrix[i, j] = matrix[j, i]


def weighted_gram(X, weight, features=None):
    """Return ``X' diag(weight) X`` and ``X' weight`` of some features, in float64.

    Dense rows are taken a chunk at a time, which is all that is ever copied.
    """
    root = np.sqrt(weight)
    if sp.issparse(X):
        half = scale_rows(take_columns(X, features), root)
        return (half.T @ half).toarray(), half.T @ root
    d = X.shape[1] if features is None else len(features)
    buffer = np.empty((min(_GRAM_ROWS, len(X)), d))
    gram, sums = np.zeros((d, d), order="F"), np.zeros(d)
    for rows, chunk in _chunks(X, _GRAM_ROWS):
        half, factors = buffer[: len(chunk)], root[rows]
        if features is None:
            np.multiply(factors[:, None], chunk, out=half)
        else:
            _scale_columns(chunk, factors, features, half)
        if len(X) <= _GRAM_ROWS:
            return half.T @ half, half.T @ factors
        # in place, the upper triangle only
        gram = blas.dsyrk(1.0, half.T, beta=1.0, c=gram, overwrite_c=True)
        sums += half.T @ factors
    _mirror(gram)
    return gram.T, sums


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


def predict_tasks(X, offsets, columns):
    """Return ``X_t a_t`` for the dense rows of every task, (n,).

    One pass over X, where a product a task spends its time on calls if tasks are many.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    offsets : ndarray of shape (n_tasks + 1,)
    columns : ndarray of shape (n_tasks, d)
        The a_t.
    """
    out = np.empty(len(X), dtype=np.result_type(X, columns))
    _predict_tasks(X, offsets, columns, out)
    return out


def adjoint_tasks(X, offsets, R):
    """Return ``X_t' r_t`` for the dense rows of every task, (n_tasks, d)."""
    out = np.zeros((len(offsets) - 1, X.shape[1]), dtype=np.result_type(X, R))
    _adjoint_tasks(X, offsets, R, out)
    return out


@njit_sums
def _gram_tasks(X, offsets, roots, features, centred, columns, sums, gram, out):
    k, size = columns.shape
    for t in range(offsets.size - 1):
        total = 0.0
        sums[:] = 0.0
        gram[:] = 0.0
        for start in range(offsets[t], offsets[t + 1], size):
            n = min(size, offsets[t + 1] - start)
            for i in range(n):
                root = roots[start + i]
                total += root * root
                for j in range(k):
                    columns[j, i] = root * X[start + i, features[j]]
                    sums[j] += root * columns[j, i]
            for j in range(k):
                left = columns[j, :n]
                for p in range(j + 1):
                    right = columns[p, :n]
                    product = 0.0
                    for i in range(n):
                        product += left[i] * right[i]
                    gram[j, p] += product
        for j in range(k):
            for p in range(j + 1):
                if centred and total > 0:
                    gram[j, p] -= sums[j] * sums[p] / total
                out[j, p, t] = out[p, j, t] = gram[j, p]


def gram_tasks(X, offsets, weight, features, centred, out):
    """Write ``X_t' diag(w_t) X_t`` of some features of every task to ``out``.

    One pass over X, where a product a task spends its time on calls if tasks are many.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    offsets : ndarray of shape (n_tasks + 1,)
    weight : ndarray of shape (n,)
    features : ndarray of int, shape (k,)
    centred : bool
        Whether the rows of each task are centred by their weighted mean.
    out : ndarray of shape (k, k, n_tasks)
    """
    k = len(features)
    scratch = np.empty((k, _COLUMN)), np.empty(k), np.empty((k, k))
    _gram_tasks(X, offsets, np.sqrt(weight), features, centred, *scratch, out)


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
    for rows, chunk in _chunks(X, max(16, _CACHED_ENTRIES // max(X.shape[1], 1))):
        values = chunk.astype(np.float64, copy=False)
        means += values.T @ units[rows]
        squares += np.square(values).T @ units[rows]
    return means, squares


def _chunks(X, size):
    for start in range(0, X.shape[0], size):
        rows = slice(start, start + size)
        yield rows, X[rows]


def promotes(X, other):
    return not sp.issparse(X) and np.result_type(X, other) != X.dtype


def _chunks64(X):
    """Yield chunks of a float32 matrix in float64, in a buffer that stays in the cache.

    A new array a chunk would take as long as a product with it.
    """
    size = max(32, 8 * _CACHED_ENTRIES // max(X.shape[1], 1))
    buffer = np.empty((min(size, len(X)), X.shape[1]))
    for rows, chunk in _chunks(X, size):
        exact = buffer[: len(chunk)]
        np.copyto(exact, chunk)
        yield rows, exact


def product64(X, A):
    """Return ``X A`` in float64 for a float32 X."""
    Z = np.empty((len(X), A.shape[1]))
    for rows, chunk in _chunks64(X):
        np.matmul(chunk, A, out=Z[rows])
    return Z


def adjoint64(X, R):
    """Return ``X' R`` in float64 for a float32 X."""
    G = np.zeros((X.shape[1], R.shape[1]), order="F")
    for rows, chunk in _chunks64(X):
        # in place, without a transposed copy
        G = blas.dgemm(
            1.0, chunk.T, R[rows].T, beta=1.0, c=G, trans_b=True, overwrite_c=True
        )
    return G
