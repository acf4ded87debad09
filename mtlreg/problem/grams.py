"""Gram matrices of the weighted rows of one task, or of many."""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import blas

from mtlreg._numba import njit, njit_sums
from mtlreg.problem import costs
from mtlreg.problem.rows import (
    BATCH_ENTRIES,
    chunks,
    equal_tasks,
    scale_rows,
    squares_of,
    take_columns,
)

_GRAM_ROWS = 256  # rows that are multiplied with themselves at a time
_COLUMN = 64  # entries of columns that are multiplied with each other at a time


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
    for rows, chunk in chunks(X, _GRAM_ROWS):
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


@njit
def _sparse_gram_tasks(rows, offsets, weight, place, centred, sums, gram, out):
    data, indices, indptr = rows
    k = sums.size
    for t in range(offsets.size - 1):
        total = 0.0
        sums[:] = 0.0
        gram[:] = 0.0
        for i in range(offsets[t], offsets[t + 1]):
            total += weight[i]
            for e in range(indptr[i], indptr[i + 1]):
                j = place[indices[e]]
                if j >= 0:
                    product = weight[i] * data[e]
                    sums[j] += product
                    for f in range(indptr[i], e + 1):
                        p = place[indices[f]]
                        if p >= 0:
                            gram[max(j, p), min(j, p)] += product * data[f]
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
    X : ndarray or csr_array of shape (n, d)
    offsets : ndarray of shape (n_tasks + 1,)
    weight : ndarray of shape (n,)
    features : ndarray of int, shape (k,)
    centred : bool
        Whether the rows of each task are centred by their weighted mean.
    out : ndarray of shape (k, k, n_tasks)
    """
    k = len(features)
    sums, gram = np.empty(k), np.empty((k, k))
    if sp.issparse(X):
        place = np.full(X.shape[1], -1)
        place[features] = np.arange(k)
        rows = X.data, X.indices, X.indptr
        _sparse_gram_tasks(rows, offsets, weight, place, centred, sums, gram, out)
        return
    if k <= costs.GRAMS_AT_ONCE:
        columns, roots = np.empty((k, _COLUMN)), np.sqrt(weight)
        _gram_tasks(X, offsets, roots, features, centred, columns, sums, gram, out)
        return
    for tasks, rows in equal_tasks(offsets, k):
        if len(tasks) == 1:
            gram, sums = weighted_gram(X[rows][0], weight[rows][0], features)
            grams, sums = gram[None], sums[None, :, None]
        else:
            root = np.sqrt(weight[rows])[:, :, None]
            half = (root * np.take(X[rows], features, axis=2)).swapaxes(1, 2)
            grams, sums = squares_of(half), half @ root
        if centred:
            total = np.sum(weight[rows], axis=1)
            share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
            grams -= sums * (share[:, None, None] * sums.swapaxes(1, 2))
        if len(tasks) == 1:
            out[:, :, tasks[0]] = grams[0]
        else:
            out[:, :, tasks] = np.moveaxis(grams, 0, 2)


def gram_columns(X, weight, features, centred, out):
    """Write ``X' diag(w_t) X`` of some features and many weights to ``out``.

    The products of a feature with those before it are multiplied with all weights.

    Parameters
    ----------
    X : ndarray or csc_array of shape (n, d)
    weight : ndarray of shape (n, n_tasks)
    features, centred, out
        As in `gram_tasks`.
    """
    out[...] = 0.0
    part = take_columns(X, features)
    sums = part.T @ weight
    if sp.issparse(part):
        rows = sp.csr_array(part).astype(np.float64, copy=False)
        for j in range(len(features)):
            entries = slice(*part.indptr[j : j + 2])
            held = part.indices[entries]
            products = scale_rows(rows[held], part.data[entries].astype(np.float64))
            out[j] = products.T @ weight[held]
    else:
        size = max(_GRAM_ROWS, BATCH_ENTRIES // max(part.shape[1], 1))
        for rows, chunk in chunks(part, size):
            columns = np.ascontiguousarray(chunk.T, dtype=np.float64)
            for j in range(len(features)):
                out[j, : j + 1] += (columns[: j + 1] * columns[j]) @ weight[rows]
    for j in range(len(features)):
        if centred:
            out[j, : j + 1] -= sums[j] / np.sum(weight, axis=0) * sums[: j + 1]
        out[:j, j] = out[j, :j]


def kernel_tasks(X, rows, weight, centred, live):
    """Return the smaller Gram matrices of the weighted rows of tasks of one size.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, d)
    rows : tuple
        Of `equal_tasks`, of more than one.
    weight : ndarray of shape (m, size)
    centred : bool
    live : ndarray of bool, shape (m, d)
        Of the features of each task; the others count as 0.

    Returns
    -------
    ndarray of shape (m, k, k), with k the number of rows or of features
    """
    part = X[rows[0].ravel()]
    if sp.issparse(part):
        used = np.unique(part.indices)
        part, live = part[:, used].toarray(), live[:, used]
    part = part.reshape(*weight.shape, -1).astype(np.float64, copy=False)
    root = np.sqrt(weight)[:, :, None]
    if centred:
        mean = weight[:, None, :] @ part / np.sum(weight, axis=1)[:, None, None]
        part = part - mean
    half = root * part * live[:, None, :]
    # rows without an entry have kernels of 0, not of no size
    narrow = 0 < half.shape[2] <= half.shape[1]
    return squares_of(half.swapaxes(1, 2) if narrow else half)


def inner_products(X):
    """Return the inner products of the rows of X in float64, (n, n)."""
    X = X.astype(np.float64, copy=False)
    return (X @ X.T).toarray() if sp.issparse(X) else X @ X.T


def weighted_kernels(inner, weight, centred):
    """Return the inner products of rows under many weights, (n_tasks, n, n).

    Parameters
    ----------
    inner : ndarray of shape (n, n)
        Those of the rows as they are.
    weight : ndarray of shape (n, n_tasks)
    centred : bool
        Whether the rows are centred by their weighted mean.
    """
    root = np.sqrt(weight).T
    kernels = np.broadcast_to(inner, (len(root), *inner.shape))
    if centred:
        units = weight / np.sum(weight, axis=0)
        cross = (inner @ units).T
        square = np.sum(units.T * cross, axis=1)
        apart = cross[:, :, None] + cross[:, None, :]
        kernels = kernels - apart + square[:, None, None]
    return root[:, :, None] * kernels * root[:, None, :]


def column_kernels(X, weight, centred, live):
    """Yield the smaller Gram matrices of the rows of X under many weights.

    Parameters
    ----------
    X : ndarray or csc_array of shape (n, d)
    weight : ndarray of shape (n, n_tasks)
    centred : bool
    live : ndarray of bool, shape (d, n_tasks)
        As in `kernel_tasks`; where X has no fewer rows than features.

    Yields
    ------
    part : slice
        Of the tasks, as many as fit into the cache.
    kernels : ndarray of shape (m, k, k), with k the number of rows or of features
    """
    n, d = X.shape
    step = max(1, BATCH_ENTRIES // min(n, d) ** 2)
    inner = inner_products(X) if n < d else None
    for start in range(0, weight.shape[1], step):
        part = slice(start, start + step)
        if n < d:
            yield part, weighted_kernels(inner, weight[:, part], centred)
            continue
        grams = np.empty((d, d, weight[:, part].shape[1]))
        gram_columns(X, weight[:, part], np.arange(d), centred, grams)
        grams *= live[:, None, part] & live[None, :, part]
        yield part, np.moveaxis(grams, 2, 0)
