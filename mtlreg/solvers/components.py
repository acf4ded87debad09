"""Systems of tasks in which every feature has a variance over tasks, perhaps 0."""

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from mtlreg._numba import njit_sums
from mtlreg.penalties.task_matrix import TaskMatrix
from mtlreg.problem import costs
from mtlreg.problem.pseudo_inverse import inverse_and_null
from mtlreg.solvers.pooling import mean_of_moves

_LANES = 32  # tasks in step, so that arithmetic is vectorised over them
_EPS = np.finfo(np.float64).eps


@njit_sums
def _triangles(gram, cross, lower, half, factor, right):
    # R'R = gram with R upper triangular, below the first rows and columns of factor;
    # a pivot that is rounding leaves a row of zeros
    d, n_tasks = cross.shape
    more = factor.shape[0] - d
    for first in range(0, n_tasks, _LANES):
        lanes = min(_LANES, n_tasks - first)
        for j in range(d):
            for k in range(j + 1):
                for i in range(lanes):
                    lower[j, k, i] = gram[j, k, first + i]
                for p in range(k):
                    for i in range(lanes):
                        lower[j, k, i] -= lower[j, p, i] * lower[k, p, i]
                if k < j:
                    for i in range(lanes):
                        lower[j, k, i] *= half[k, i]
            for i in range(lanes):
                pivot = lower[j, j, i]
                kept = pivot > 8.0 * d * _EPS * gram[j, j, first + i]
                lower[j, j, i] = np.sqrt(pivot) if kept else 0.0
                # the reciprocal of the diagonal
                half[j, i] = 1.0 / lower[j, j, i] if kept else 0.0
        for j in range(d):
            for i in range(lanes):
                total = cross[j, first + i]
                for k in range(j):
                    total -= lower[j, k, i] * right[more + k, first + i]
                right[more + j, first + i] = total * half[j, i]
            for k in range(j + 1):
                for i in range(lanes):
                    factor[more + k, more + j, first + i] = lower[j, k, i]


@njit_sums
def _reduce(factor, right, ratios, lower, half, matrices, vectors, sums, tops, totals):
    # M_t = R'(I + R D R')^-1 R, r_t = R'(I + R D R')^-1 u, and what they sum to:
    # sums = sum M, tops = sum r, totals = sum log|I + R D R'|, u'(I + R D R')^-1 u
    q, n_tasks = right.shape
    for first in range(0, n_tasks, _LANES):
        lanes = min(_LANES, n_tasks - first)
        for j in range(q):
            for k in range(j + 1):
                for i in range(lanes):
                    lower[j, k, i] = 1.0 if j == k else 0.0
                for p in range(j, q):
                    if ratios[p] > 0.0:
                        for i in range(lanes):
                            lower[j, k, i] += (
                                ratios[p]
                                * factor[j, p, first + i]
                                * factor[k, p, first + i]
                            )
                for p in range(k):
                    for i in range(lanes):
                        lower[j, k, i] -= lower[j, p, i] * lower[k, p, i]
                if k < j:
                    for i in range(lanes):
                        lower[j, k, i] *= lower[k, k, i]
            for i in range(lanes):
                # no smaller but for rounding
                pivot = max(lower[j, j, i], 1.0)
                totals[0] += np.log(pivot)
                lower[j, j, i] = 1.0 / np.sqrt(pivot)
            for c in range(q + 1):
                for i in range(lanes):
                    half[j, c, i] = right[j, first + i]
                    if c < q:
                        half[j, c, i] = factor[j, c, first + i]
                for k in range(j):
                    for i in range(lanes):
                        half[j, c, i] -= lower[j, k, i] * half[k, c, i]
                for i in range(lanes):
                    half[j, c, i] *= lower[j, j, i]
        for a in range(q + 1):
            for b in range(a + 1):
                for i in range(lanes):
                    lower[0, 0, i] = 0.0
                for j in range(q):
                    for i in range(lanes):
                        lower[0, 0, i] += half[j, a, i] * half[j, b, i]
                total = 0.0
                for i in range(lanes):
                    total += lower[0, 0, i]
                if a < q:
                    for i in range(lanes):
                        matrices[a, b, first + i] = lower[0, 0, i]
                        matrices[b, a, first + i] = lower[0, 0, i]
                    sums[a, b] += total
                elif b < q:
                    for i in range(lanes):
                        vectors[b, first + i] = lower[0, 0, i]
                    tops[b] += total
                else:
                    totals[1] += total


def triangles(grams, cross, factor, right):
    """Write R_t and u_t with ``R_t'R_t = H_t`` and ``R_t'u_t = c_t``, of any rank.

    R_t is upper triangular.

    Parameters
    ----------
    grams : ndarray of shape (n_features, n_features, n_tasks)
        The H_t.
    cross : ndarray of shape (n_features, n_tasks)
        The c_t, of the column space of H_t.
    factor : ndarray of shape (q, q, n_tasks), q >= n_features
        Zeros, of which the last rows and columns become the R_t.
    right : ndarray of shape (q, n_tasks)
        Of which the last rows become the u_t.
    """
    d, n_tasks = cross.shape
    if d <= costs.FACTORS_AT_ONCE:
        grams, cross = map(np.ascontiguousarray, (grams, cross))
        scratch = np.empty((d, d, _LANES)), np.empty((d, _LANES))
        _triangles(grams, cross, *scratch, factor, right)
        return
    rest = slice(len(right) - d, None)
    for t in range(n_tasks):
        values, vectors = np.linalg.eigh(grams[:, :, t])
        kept = values > 8 * d * _EPS * values[-1]
        root = np.sqrt(np.where(kept, values, 0.0))
        moments = vectors.T @ cross[:, t]
        moments = np.divide(moments, root, out=np.zeros(d), where=kept)
        Q, factor[rest, rest, t] = np.linalg.qr(root[:, None] * vectors.T)
        right[rest, t] = Q.T @ moments


def reduce_tasks(factor, right, ratios):
    """Return what the tasks ask of the mean m of ``m + u_t``, and what they sum to.

    With D the diagonal matrix of the ratios, the minimum over u_t of
    ``||R_t (m + u_t) - right_t||^2 + u_t' D^-1 u_t`` is, but for a constant,
    ``m' M_t m - 2 r_t' m``. It is at ``u_t = D (r_t - M_t m)``, whatever D: nothing
    cancels for small ratios, which may be 0, nor for large ones.

    Parameters
    ----------
    factor : ndarray of shape (q, q, n_tasks)
        Of `triangles`.
    right : ndarray of shape (q, n_tasks)
    ratios : ndarray of shape (q,)

    Returns
    -------
    matrices : ndarray of shape (q, q, n_tasks)
        ``M_t = R_t'(I + R_t D R_t')^-1 R_t``.
    vectors : ndarray of shape (q, n_tasks)
        ``r_t = R_t'(I + R_t D R_t')^-1 right_t``.
    sums : ndarray of shape (q, q)
        The sum of the M_t.
    tops : ndarray of shape (q,)
        That of the r_t.
    totals : ndarray of shape (2,)
        Those of the ``log|I + R_t D R_t'|`` and of the constants.
    """
    q, n_tasks = right.shape
    matrices, vectors = np.empty(factor.shape), np.empty(right.shape)
    sums, tops, totals = np.zeros((q, q)), np.zeros(q), np.zeros(2)
    if q <= costs.FACTORS_AT_ONCE:
        scratch = np.empty((q, q, _LANES)), np.empty((q, q + 1, _LANES))
        arrays = *scratch, matrices, vectors, sums, tops, totals
        _reduce(factor, right, ratios, *arrays)
        return matrices, vectors, np.tril(sums) + np.tril(sums, -1).T, tops, totals
    for t in range(n_tasks):
        R = factor[:, :, t]
        lower = cholesky(np.eye(q) + (R * ratios) @ R.T, lower=True)
        both = np.column_stack([R, right[:, t]])
        half = solve_triangular(lower, both, lower=True)
        matrices[:, :, t] = half[:, :q].T @ half[:, :q]
        vectors[:, t] = half[:, :q].T @ half[:, q]
        totals += 2.0 * np.sum(np.log(np.diag(lower))), half[:, q] @ half[:, q]
    return matrices, vectors, matrices.sum(axis=2), vectors.sum(axis=1), totals


def move_to_minimum(grams, gradient, A, strengths):
    """Return the move of A to the minimum of least squares and mean regularisation.

    With v_t what the task would move by if its data said nothing, m the mean of the
    moves and D = 1 / alpha, feature by feature::

        d_t = v_t + D (r_t - M_t v_t),  v_t = (1 - o) m - o mean(A) - (a_t - mean(A))

    where ``o = alpha_mean / alpha``, and r_t of ``u_t`` with ``R_t'u_t = g_t``.

    Parameters
    ----------
    grams : ndarray of shape (n_features, n_features, n_tasks)
        The H_t.
    gradient : ndarray of shape (n_features, n_tasks)
        The g_t, minus the gradients of the data term at A.
    A : ndarray of shape (n_features, n_tasks)
    strengths : TaskMatrix
        Numbers or arrays by feature; alpha may be inf, and alpha_mean with it, which
        keeps a feature where it is. Features with an alpha of 0 are solved for first.
    """
    d, n_tasks = A.shape
    alpha, alpha_mean = (np.broadcast_to(s, d).astype(np.float64) for s in strengths)
    if not np.all(alpha > 0):
        return _move_with_free(grams, gradient, A, TaskMatrix(alpha, alpha_mean))
    # the largest first, which are then in few rows of R_t and swamp no others
    order = np.argsort(-np.einsum("jjt->j", grams) / alpha, kind="stable")
    moves, order = np.zeros(A.shape), order[alpha_mean[order] < np.inf]
    grams, gradient, A = grams[np.ix_(order, order)], gradient[order], A[order]
    alpha, alpha_mean, d = alpha[order], alpha_mean[order], len(order)
    ratios = 1.0 / alpha
    outside = (alpha_mean * ratios)[:, None]
    factor, right = np.zeros((d, d, n_tasks)), np.zeros((d, n_tasks))
    triangles(grams, gradient, factor, right)
    matrices, vectors, sums, tops, _ = reduce_tasks(factor, right, ratios)
    mean = A[:, :1] + (A - A[:, :1]).mean(axis=1, keepdims=True)
    pull = (A - mean) + outside * mean
    target = tops + np.einsum("jkt,kt->j", matrices, pull)
    target -= n_tasks * alpha_mean * mean[:, 0]
    if alpha_mean.any():
        system = sums * (1.0 - outside[:, 0]) + n_tasks * np.diag(alpha_mean)
        unit = np.sqrt(np.diag(system))
        unit = np.where(unit > 0, unit, 1.0)
        m = np.linalg.lstsq(system / np.outer(unit, unit), target / unit)[0] / unit
    else:
        m = mean_of_moves(sums, target)
    v = (1.0 - outside) * m[:, None] - pull
    left = vectors - np.einsum("jkt,kt->jt", matrices, v)
    moves[order] = v + ratios[:, None] * left
    return moves


def _move_with_free(grams, gradient, A, strengths):
    """Return what `move_to_minimum` does, with features that nothing penalises.

    With F these and the others the rest, of every task::

        d_F = H_FF^+ (g_F - H_Fr d_r)

    and the rest has the Gram matrix ``H_rr - H_rF H_FF^+ H_Fr``.
    """
    free = np.flatnonzero(strengths.spread == 0)
    rest = np.flatnonzero(strengths.spread > 0)
    by_task = np.moveaxis(grams, 2, 0)
    cross = by_task[:, free][:, :, rest]
    inverse, _, _ = inverse_and_null(by_task[:, free][:, :, free])
    across = inverse @ cross
    moves = np.zeros(A.shape)
    moves[free] = np.einsum("tij,jt->it", inverse, gradient[free])
    if rest.size:
        schur = by_task[:, rest][:, :, rest] - cross.swapaxes(1, 2) @ across
        left = gradient[rest] - np.einsum("tij,it->jt", across, gradient[free])
        some = TaskMatrix(*(s[rest] for s in strengths))
        schur = np.moveaxis(schur, 0, 2)
        moves[rest] = move_to_minimum(schur, left, A[rest], some)
        moves[free] -= np.einsum("tij,jt->it", across, moves[rest])
    return moves
