"""Products with the rows of X: in chunks, in float64, centred, block-diagonal."""

import numpy as np
import scipy.sparse as sp

_CHUNK_ROWS = 4096  # rows of a float32 matrix that are taken to float64 at a time
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
    exact = X.astype(np.float64)
    return exact.T @ units, exact.power(2).T @ units


def centre_columns(X, units, centred):
    """Centre dense columns in a copy, by the mean of their weighted means.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    units : ndarray of shape (n, m)
        m sets of weights that sum to 1.
    centred : bool
        If not, X is returned as it is.

    Returns
    -------
    X : ndarray of shape (n, d)
    means : ndarray of shape (d, m)
        Of the columns that came in; 0 if not ``centred``.
    left : ndarray of shape (d, m)
        Of the columns that are returned; 0 if not ``centred``.
    squares : ndarray of shape (d, m)
        Weighted mean squares of those about ``left``.
    """
    d, m = X.shape[1], units.shape[1]
    if not centred:
        _, squares = _moments(X, units, 0.0, None)
        return X, np.zeros((d, m)), np.zeros((d, m)), squares
    means = adjoint64(X, units)
    centre = means.mean(axis=1)
    stored = np.empty_like(X)
    left, squares = _moments(X, units, centre, stored)
    squares -= left**2
    if m == 1 and np.any(left**2 > 1e-20 * squares):
        # what is rounding to the mean may be much to a column of small variance
        stored -= left[:, 0].astype(X.dtype)
    return stored, means, left, squares


def _moments(X, units, centre, stored):
    """Return weighted means and mean squares of ``X - centre``, kept in ``stored``."""
    means, squares = np.zeros((2, X.shape[1], units.shape[1]))
    for rows, chunk in _chunks(X, max(16, _CACHED_ENTRIES // max(X.shape[1], 1))):
        values = chunk.astype(np.float64)
        if stored is not None:
            values -= centre
            stored[rows] = values
            if stored.dtype != np.float64:
                values[:] = stored[rows]
            means += values.T @ units[rows]
        np.multiply(values, values, out=values)
        squares += values.T @ units[rows]
    return means, squares


def _chunks(X, size=_CHUNK_ROWS):
    for start in range(0, X.shape[0], size):
        rows = slice(start, start + size)
        yield rows, X[rows]


def promotes(X, other):
    return not sp.issparse(X) and np.result_type(X, other) != X.dtype


def product64(X, A):
    return np.concatenate([chunk.astype(np.float64) @ A for _, chunk in _chunks(X)])


def adjoint64(X, R):
    """Return ``X' R`` in float64, taking a float32 X to float64 a chunk at a time."""
    if sp.issparse(X) or X.dtype == np.float64:
        return X.T @ np.asarray(R, dtype=np.float64)
    return sum(chunk.T.astype(np.float64) @ R[rows] for rows, chunk in _chunks(X))
