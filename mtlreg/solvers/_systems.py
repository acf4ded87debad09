"""Small linear systems of many tasks, factorised and solved in compiled passes."""

import numpy as np

from mtlreg._numba import njit_part, njit_sums

_LANES = 32  # tasks in step, so that arithmetic is vectorised over them
_EPS = np.finfo(np.float64).eps


@njit_part
def _solve_lanes(factor, column, first, lanes):
    # L L' x = column, with the reciprocals of the diagonal of L in its place; rows of
    # lanes are cut out for loops to be vectorised
    d = column.shape[0]
    for j in range(d):
        x = column[j]
        for k in range(j):
            left, y = factor[j, k, first : first + lanes], column[k]
            for i in range(lanes):
                x[i] -= left[i] * y[i]
        left = factor[j, j, first : first + lanes]
        for i in range(lanes):
            x[i] *= left[i]
    for j in range(d - 1, -1, -1):
        x = column[j]
        for k in range(j + 1, d):
            left, y = factor[k, j, first : first + lanes], column[k]
            for i in range(lanes):
                x[i] -= left[i] * y[i]
        left = factor[j, j, first : first + lanes]
        for i in range(lanes):
            x[i] *= left[i]


@njit_part
def _factorise_lanes(factor, least, excess, lanes):
    # in place, the lower triangle; returns whether a pivot was rounding
    failed = False
    for j in range(factor.shape[0]):
        for k in range(j):
            for p in range(k):
                for i in range(lanes):
                    factor[j, k, i] -= factor[j, p, i] * factor[k, p, i]
            for i in range(lanes):
                factor[j, k, i] *= factor[k, k, i]
        for i in range(lanes):
            least[i] = factor.shape[0] * _EPS * factor[j, j, i]
        for p in range(j):
            for i in range(lanes):
                factor[j, j, i] -= factor[j, p, i] * factor[j, p, i]
        for i in range(lanes):
            if factor[j, j, i] <= least[i] and excess[i] == 0.0:
                excess[i] = 4.0 * factor.shape[0] * _EPS
                failed = True
            factor[j, j, i] = 1.0 / np.sqrt(max(factor[j, j, i], least[i]))
    return failed


@njit_sums
def _factorise(gram, alpha, alpha_mean, factor, column, excess, least, pooled):
    d, n_tasks = gram.shape[0], gram.shape[2]
    for first in range(0, n_tasks, _LANES):
        lanes = min(_LANES, n_tasks - first)
        excess[:] = 0.0
        failed = True
        while failed:
            for j in range(d):
                for k in range(j + 1):
                    for i in range(lanes):
                        factor[j, k, i] = gram[j, k, first + i]
                for i in range(lanes):
                    factor[j, j, i] += alpha
                    factor[j, j, i] += excess[i] * factor[j, j, i]
            failed = _factorise_lanes(factor, least, excess, lanes)
        for c in range(d):
            for j in range(d):
                for i in range(lanes):
                    column[j, i] = gram[j, c, first + i]
            for i in range(lanes):
                column[c, i] += alpha_mean[c]
            _solve_lanes(factor, column, 0, lanes)
            for j in range(d):
                for i in range(lanes):
                    pooled[j, c] += column[j, i]
        for j in range(d):
            for k in range(j + 1):
                for i in range(lanes):
                    gram[j, k, first + i] = factor[j, k, i]


@njit_sums
def _solve(factor, right, column, out):
    d, n_tasks = right.shape
    for first in range(0, n_tasks, _LANES):
        lanes = min(_LANES, n_tasks - first)
        for j in range(d):
            for i in range(lanes):
                column[j, i] = right[j, first + i]
        _solve_lanes(factor, column, first, lanes)
        for j in range(d):
            for i in range(lanes):
                out[j, first + i] = column[j, i]


def factorise_tasks(grams, alpha, alpha_mean):
    """Replace the H_t by Cholesky factors of ``H_t + alpha I``, whatever their rank.

    Where a pivot is rounding, all diagonal entries of the task are made larger by as
    much.

    Parameters
    ----------
    grams : ndarray of shape (n_features, n_features, n_tasks)
        The H_t; the lower triangles become the factors, for `solve_tasks`.
    alpha : float
    alpha_mean : ndarray of shape (n_features,)

    Returns
    -------
    ndarray of shape (n_features, n_features)
        ``sum_t (H_t + alpha I)^-1 (H_t + diag(alpha_mean))``, an error of whose columns
        is small beside the diagonal of H_t there.
    """
    d = len(grams)
    scratch = np.empty((d, d, _LANES)), np.empty((d, _LANES)), *np.empty((2, _LANES))
    pooled = np.zeros((d, d))
    _factorise(grams, alpha, alpha_mean, *scratch, pooled)
    return pooled


def solve_tasks(factors, right):
    """Return ``(H_t + alpha I)^-1`` times the column of every task, (d, n_tasks)."""
    out = np.empty(right.shape)
    column = np.empty((len(right), _LANES))
    _solve(factors, np.ascontiguousarray(right), column, out)
    return out


@njit_sums
def _orthogonalise(rows, offsets, known, root, least, parts, out):
    for t in range(offsets.size - 1):
        start, size = offsets[t], offsets[t + 1] - offsets[t]
        if known[t]:
            continue
        for i in range(size):
            row, part = rows[start + i], parts[i]
            length = 0.0
            for j in range(row.size):
                length += row[j] * row[j]
            for k in range(i):
                part[k] = 0.0
            part[i] = root
            # twice is enough: what the first sweep leaves is rounding of the row
            for _ in range(2):
                for k in range(i):
                    other, before = rows[start + k], parts[k]
                    inner = 0.0
                    for j in range(row.size):
                        inner += row[j] * other[j]
                    for p in range(k + 1):
                        inner += part[p] * before[p]
                    for j in range(row.size):
                        row[j] -= inner * other[j]
                    for p in range(k + 1):
                        part[p] -= inner * before[p]
                    out[start + i] -= inner * out[start + k]
            left = 0.0
            for j in range(row.size):
                left += row[j] * row[j]
            for p in range(i + 1):
                left += part[p] * part[p]
            scale = 1.0 / np.sqrt(left) if left > least * length else 0.0
            for j in range(row.size):
                row[j] *= scale
            for p in range(i + 1):
                part[p] *= scale
            out[start + i] *= scale


def orthogonalise_tasks(rows, offsets, known, alpha, out):
    """Make the rows V of every task ``W = L^-1 V`` and r ``L^-1 r``, in place.

    L is the Cholesky factor of ``V V' + alpha I``, by orthogonal rows ``[V, alpha^1/2
    I]``: nothing is lost where columns of V have other scales, or rows are equal.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
    offsets : ndarray of shape (n_tasks + 1,)
    known : ndarray of bool, shape (n_tasks,)
        The tasks that are to be left as they are.
    alpha : float
    out : ndarray of shape (n,)
        The r.
    """
    size = int(np.max(np.diff(offsets)[~known], initial=0))
    least = (size * _EPS) ** 2
    parts = np.empty((size, size))
    _orthogonalise(rows, offsets, known, np.sqrt(alpha), least, parts, out)
