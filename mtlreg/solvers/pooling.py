"""Linear systems of tasks that are coupled through their mean alone."""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack, pinvh

from mtlreg.losses.base import ratio
from mtlreg.problem import costs
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.design import make_design
from mtlreg.problem.rows import adjoint_tasks, predict_tasks
from mtlreg.solvers._systems import (
    factorise_tasks,
    orthogonalise_tasks,
    solve_tasks,
)

_EPS = np.finfo(np.float64).eps
_FEW_DIGITS = 1e-8  # pivots that are a smaller share of the diagonal have lost half
_LEAST_SHARE = 1e-3  # of alpha that alpha_mean must be for I - (alpha - alpha_mean) K


class TaskSystems:
    """The quadratic ``sum_t 1/2 <a_t, H_t a_t> - <q_t, a_t>`` plus mean regularisation.

    Here for the move D from a point A. With K_t = (H_t + alpha I)^-1, g_t the gradient
    with its sign changed, and m the mean of the d_t::

        [sum_t R_t] m = sum_t K_t g_t,   R_t = K_t (H_t + alpha_mean I)
        d_t = K_t (g_t + (alpha - alpha_mean) m)

    so that at A a rounding of the factors does not count. By Cholesky factors of the
    d x d matrices ``H_t + alpha I``, or by orthogonal rows for tasks with fewer rows
    than features; where all rows together are fewer, m too comes from a kernel. Both
    take features in any units. Where tasks are many and their systems small no step
    is taken task by task.

    Parameters
    ----------
    design : Design
    bend : ndarray over cells
        The weights w >= 0 of the rows in H_t; the rows are centred by their mean under
        w if the design is.
    residual : ndarray over cells
        r, of sum 0 in every task if the design is centred; X_t'r_t is minus the
        gradient of the data term at A.
    A : ndarray of shape (n_features, n_tasks)
    alpha : float
    alpha_mean : float or ndarray of shape (n_features,)
    """

    def __init__(self, design, bend, residual, A, alpha, alpha_mean):
        self._design, self._residual = design, residual
        self._bend = None if bend is design.v else bend
        self._strengths = alpha, alpha_mean
        mean, self._outside = A.mean(axis=1, keepdims=True), alpha_mean / alpha
        self._mean = mean[:, 0]
        # of the penalty's gradient alpha times this, where nothing cancels
        self._pull = (A - mean) + _column(self._outside) * mean

    def solve(self):
        """Return the move, shape (n_features, n_tasks)."""
        d, sizes = self._design.n_features, _sizes(self._design)
        if np.sum(sizes) < d and not np.ndim(self._outside):
            every = self._by_rows(np.full(len(sizes), True))
            m = self._mean_of_few_rows(every)
            return np.ascontiguousarray(every.columns(m))
        kinds = (self._by_rows, sizes < d), (self._by_grams, sizes >= d)
        parts = [(make(tasks), tasks) for make, tasks in kinds if tasks.any()]
        pooled = sum(part.pooled for part, _ in parts)
        target = sum(part.alone.sum(axis=1) for part, _ in parts)
        m = mean_of_moves(pooled, target, 1.0 - self._outside)
        out = np.empty((d, len(sizes)))
        for part, tasks in parts:
            out[:, tasks] = part.columns(m)
        return out

    def _mean_of_few_rows(self, every):
        """Return the mean by ``W'[(1 - o) W W' + o T I]^+``, o = alpha_mean / alpha."""
        W, o = every.W, self._outside
        kernel = (1.0 - o) * (W @ W.T)
        kernel.reshape(-1)[:: len(W) + 1] += self._pull.shape[1] * o
        target = every.y + (1.0 - o) * (W @ self._mean)
        return W.T @ _minimum_norm(kernel, target) - self._mean

    def _by_grams(self, tasks):
        """Return the systems of tasks with many rows."""
        design, bend, residual = self._restricted(tasks)
        gradient = design.adjoint(residual) - self._strengths[0] * self._pull[:, tasks]
        grams = empty_grams(*gradient.shape)
        design.grams(grams, bend)
        return GramSystems(grams, gradient, *self._strengths)

    def _by_rows(self, tasks):
        """Return the systems of tasks with few rows."""
        design, bend, residual = self._restricted(tasks)
        bend, sizes = design.v if bend is None else bend, _sizes(design)
        if design.cells.offsets is None:
            used, X = design.v.T > 0, design.X
            taken = np.nonzero(used)[1]
            rows = sp.csr_array(X)[taken] if sp.issparse(X) else X[taken]
            weight, residual = bend.T[used], residual.T[used]
        else:
            rows, weight = design.X, bend
        rows = rows.toarray() if sp.issparse(rows) else rows
        rows = rows.astype(np.float64)
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        if design.centred:
            total = np.add.reduceat(weight, offsets[:-1])[:, None]
            means = adjoint_tasks(rows, offsets, weight)
            means /= np.where(total > 0, total, 1.0)
            rows -= np.repeat(means, sizes, axis=0)
        root = np.sqrt(weight)
        rows *= root[:, None]
        constant = design.square_norms.T == 0
        if constant.any():
            rows[np.repeat(constant, sizes, axis=0)] = 0.0
        pull = self._pull[:, tasks]
        return _RowSystems(rows, offsets, ratio(residual, root), pull, *self._strengths)

    def _restricted(self, tasks):
        """Return the design of some tasks, and bend and residual there."""
        design, cells = self._design, (self._bend, self._residual)
        if tasks.all():
            return design, *cells
        offsets, X = design.cells.offsets, design.X
        held = (slice(None), tasks)
        if offsets is not None:
            sizes = _sizes(design)
            held = np.repeat(tasks, sizes)
            offsets, X = np.concatenate([[0], np.cumsum(sizes[tasks])]), X[held]
        v = design.v[held]
        part = make_design(MultiTaskData(X, v, v, offsets), v, design.centred)
        return part, *(None if values is None else values[held] for values in cells)


def _sizes(design):
    """Return how many rows of positive weight each task has."""
    if design.cells.offsets is None:
        return np.count_nonzero(design.v > 0, axis=0)
    return np.diff(design.cells.offsets)


def same_rows_point(design, residual, alpha, alpha_mean):
    """Return the minimiser where the H_t are multiples of one matrix."""
    weights = design.task_weights
    rows, v = design.rows(0)
    if rows.shape[0] < rows.shape[1]:
        rows = rows.toarray() if sp.issparse(rows) else rows
        half = rows.astype(np.float64, copy=False)
        if design.centred:
            half = half - v @ half / np.sum(v)
        half = np.sqrt(v)[:, None] * half
        half[:, design.square_norms[:, 0] == 0] = 0.0
        _, sigma, vectors = np.linalg.svd(half, full_matrices=False)
        values, U = sigma**2, vectors.T
    else:
        values, U = np.linalg.eigh(design.gram(0))
    values = np.maximum(values, 0.0) * (weights / weights[0])[:, None]
    moments = design.adjoint(residual).T @ U
    return solve_spectra(values, U[:, None], moments, alpha, alpha_mean)


def solve_spectra(values, vectors, moments, alpha, alpha_mean):
    """Return the minimiser, as `TaskSystems` does, from `Statistics.spectra`."""
    shifted = values + alpha
    alone = moments / shifted
    if vectors.shape[1] == 1 and not np.ndim(alpha_mean):
        target, pooled = (
            alone.sum(axis=0),
            np.sum((values + alpha_mean) / shifted, axis=0),
        )
        held = pooled > _cutoff(pooled) * pooled.max()
        m = np.divide(target, pooled, out=np.zeros_like(target), where=held)
        return vectors[:, 0] @ (alone + (alpha - alpha_mean) * m / shifted).T
    common, wide = vectors.shape[1] == 1, vectors.reshape(len(vectors), -1)
    pull = alpha - alpha_mean
    pooled = pooled_sum(values, vectors, alpha, alpha_mean)
    target = wide @ (alone.sum(axis=0) if common else alone.ravel())
    if np.ndim(alpha_mean):
        m = mean_of_moves(pooled, target, pull)
    else:
        m = _minimum_norm(pooled, target)
    turned = ((pull * m) @ wide).reshape(-1, values.shape[1])
    rotated = alone + turned / shifted
    if common:
        return vectors[:, 0] @ rotated.T
    return np.einsum("jtk,tk->jt", vectors, rotated)


def pooled_sum(values, vectors, alpha, alpha_mean):
    """Return ``sum_t K_t (H_t + alpha_mean I)``, from `Statistics.spectra`."""
    wide = vectors.reshape(len(vectors), -1)

    def summed(ratio):
        if vectors.shape[1] == 1:
            ratio = ratio.sum(axis=0)
        return (wide * ratio.ravel()) @ wide.T

    if np.ndim(alpha_mean):
        own = summed(values / (values + alpha))
        return own + summed(1.0 / (values + alpha)) * alpha_mean
    return summed((values + alpha_mean) / (values + alpha))


def empty_grams(d, n_tasks):
    """Return an array (d, d, n_tasks) for Gram matrices in the order of their use."""
    if d <= costs.FACTORS_AT_ONCE:
        return np.empty((d, d, n_tasks))
    return np.moveaxis(np.empty((n_tasks, d, d)), 0, 2)


class GramSystems:
    """The systems ``H_t + alpha I`` of some tasks by their Cholesky factors.

    Attributes
    ----------
    alone : ndarray of shape (n_features, n_tasks)
        The ``K_t g_t``.
    pooled : ndarray of shape (n_features, n_features)
        The sum of the R_t.

    Parameters
    ----------
    grams : ndarray of shape (n_features, n_features, n_tasks)
        The H_t, which may be overwritten.
    gradient : ndarray of shape (n_features, n_tasks)
        The g_t.
    alpha : float
    alpha_mean : float or ndarray of shape (n_features,)
    """

    def __init__(self, grams, gradient, alpha, alpha_mean):
        diagonals = np.einsum("jjt->tj", grams)
        size = diagonals.sum(axis=0)
        alpha_mean = np.broadcast_to(np.float64(alpha_mean), len(grams))
        self._gradient, self._pull = gradient, alpha - alpha_mean
        even = np.all(alpha_mean == alpha_mean[0])
        if len(grams) <= costs.FACTORS_AT_ONCE:
            self._factors = grams
            pooled = factorise_tasks(grams, alpha, alpha_mean)
        else:
            # I - (alpha - alpha_mean) K is R where nothing cancels
            near = even and alpha_mean[0] >= _LEAST_SHARE * alpha
            cancels = alpha > diagonals.max(axis=1) if near else np.ones(len(diagonals))
            self._factors = np.ascontiguousarray(np.moveaxis(grams, 2, 0))
            pooled, upper = (np.zeros(grams.shape[:2], order="F") for _ in range(2))
            for gram, whole in zip(self._factors, cancels, strict=True):
                target = gram.copy() if whole else None
                _factorise(gram, alpha)
                # in place
                if whole:
                    target.reshape(-1)[:: len(gram) + 1] += alpha_mean
                    pooled += lapack.dpotrs(gram.T, target.T, overwrite_b=1)[0]
                else:
                    upper += lapack.dpotri(gram.T)[0]
            upper *= alpha_mean[0] - alpha
            upper.reshape(-1, order="F")[:: len(grams) + 1] += np.sum(cancels == 0)
            pooled += np.triu(upper) + np.triu(upper, 1).T
        # of the two of a pair the one that is exact beside the smaller feature
        rank = np.argsort(np.argsort(size, kind="stable"))
        if even:
            pooled = np.where(rank[:, None] >= rank, pooled, pooled.T)
        self.pooled = pooled
        self.alone = self._solve(gradient)

    def solve(self):
        """Return the d_t where these are all tasks."""
        target = self.alone.sum(axis=1)
        return self.columns(mean_of_moves(self.pooled, target, self._pull))

    def columns(self, m):
        """Return the d_t for their mean m."""
        return self._solve(self._gradient + (self._pull * m)[:, None])

    def _solve(self, right):
        if len(right) <= costs.FACTORS_AT_ONCE:
            return solve_tasks(self._factors, right)
        pairs = zip(self._factors, right.T, strict=True)
        found = [lapack.dpotrs(factor.T, column)[0] for factor, column in pairs]
        return np.stack(found, axis=1)


def _factorise(gram, alpha):
    """Make a Gram matrix the Cholesky factor of ``H + alpha I``.

    Of a matrix whose rank is less but for rounding, each diagonal entry is larger by
    as much.
    """
    d = len(gram)
    diagonal = gram.reshape(-1)[:: d + 1]
    shifted, excess, least = diagonal + alpha, 0.0, d * _EPS
    diagonal += alpha
    while True:
        _, info = lapack.dpotrf(gram.T, clean=0, overwrite_a=1)
        if not info and (excess or (diagonal * diagonal > least * shifted).all()):
            return
        excess = max(10 * excess, 2 * least)
        # the other triangle still holds H
        below = np.tril_indices(d, -1)
        gram[below] = gram.T[below]
        diagonal[:] = (1.0 + excess) * shifted


class _RowSystems:
    """The same for ``H_t = V_t'V_t`` of few rows, from ``W = L^-1 V``, L L' = V V' +
    alpha I, and y = L^-1 r of the residual r::

        K H = W'W,   K V'r = W'y,   alpha K = I - W'W

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        The V_t, one after the other; overwritten.
    offsets : ndarray of shape (n_tasks + 1,)
    r : ndarray of shape (n,)
        Overwritten.
    pull : ndarray of shape (n_features, n_tasks)
        The gradient of the penalty over alpha.
    alpha, alpha_mean : float
    """

    def __init__(self, rows, offsets, r, pull, alpha, alpha_mean):
        known = np.zeros(len(offsets) - 1, dtype=bool)
        for t in np.flatnonzero(np.diff(offsets) > costs.FACTORS_AT_ONCE):
            part = slice(*offsets[t : t + 2])
            known[t] = _whiten(rows[part], r[part], alpha)
        orthogonalise_tasks(rows, offsets, known, alpha, r)
        self.W, self._offsets = rows, offsets
        self.y = r
        if pull.any():
            self.y = r + predict_tasks(rows, offsets, np.ascontiguousarray(pull.T))
        self.alone = self._adjoint(self.y) - pull
        self._outside = alpha_mean / alpha

    @property
    def pooled(self):
        """``sum_t W'W + (I - W'W) outside``."""
        pooled = (self.W.T @ self.W) * (1.0 - self._outside)
        n_tasks = len(self._offsets) - 1
        pooled.reshape(-1)[:: len(pooled) + 1] += n_tasks * self._outside
        return pooled

    def columns(self, m):
        m = (1.0 - self._outside) * m
        return self.alone + m[:, None] - self._adjoint(self.W @ m)

    def _adjoint(self, r):
        return adjoint_tasks(self.W, self._offsets, r).T


def _whiten(V, r, alpha):
    """Make V ``L^-1 V`` and r ``L^-1 r``, unless the factor L has lost its digits."""
    kernel = V @ V.T
    kernel.reshape(-1)[:: len(r) + 1] += alpha
    diagonal = np.diag(kernel).copy()
    factor, info = lapack.dpotrf(kernel.T, lower=1, overwrite_a=1)
    if info or np.any(np.diag(factor) ** 2 <= _FEW_DIGITS * diagonal):
        return False
    both = lapack.dtrtrs(factor, np.column_stack([V, r]), lower=1)[0]
    V[:], r[:] = both[:, :-1], both[:, -1]
    return True


def _column(strength):
    """Return a strength so that it multiplies the rows of a matrix."""
    return strength[:, None] if np.ndim(strength) else strength


def _cutoff(values):
    """Return the share of the largest eigenvalue that counts as rounding."""
    return 10 * len(values) * _EPS


def _minimum_norm(matrix, target, unit=1.0):
    """Return the solution of least norm of a positive semidefinite system.

    What counts as rounding is decided after a division of rows and columns by units.
    """
    cutoff = _cutoff(target)
    unit = np.broadcast_to(unit, target.shape)
    scaled, right = matrix / np.outer(unit, unit), target / unit
    factor, info = lapack.dpotrf(scaled)
    if not info and lapack.dpocon(factor, np.linalg.norm(scaled, 1))[0] > cutoff:
        return lapack.dpotrs(factor, right)[0] / unit
    values, U = np.linalg.eigh(scaled)
    held = np.abs(values) > cutoff * np.abs(values).max()
    found = U[:, held] @ ((U[:, held].T @ right) / values[held]) / unit
    # of the solutions that differ by what the matrix does not see
    free, _ = np.linalg.qr(U[:, ~held] / unit[:, None])
    return found - free @ (free.T @ found)


def mean_of_moves(pooled, target, pull=1.0):
    """Return the mean of the moves, for features in any units.

    Parameters
    ----------
    pooled : ndarray of shape (n_features, n_features)
        The sum of the ``R_t = I - K_t (alpha - alpha_mean)``.
    target : ndarray of shape (n_features,)
    pull : float or ndarray of shape (n_features,)
        A multiple of ``alpha - alpha_mean``, by which rows make the matrix symmetric;
        where it is 0 the mean does not count.
    """
    if np.ndim(pull):
        pooled, target = pull[:, None] * pooled, pull * target
    diagonal = np.sqrt(np.abs(np.diag(pooled)))
    return _minimum_norm(pooled, target, np.where(diagonal > 0, diagonal, 1.0))


def pseudo_inverse(matrix):
    """Return the inverse of a positive semidefinite matrix, but for its rounding."""
    return pinvh(matrix, rtol=_cutoff(matrix))


def pseudo_inverses(matrices):
    """Return the same of a stack of matrices, (n, d, d)."""
    cutoff = _cutoff(matrices[0])
    try:
        inverses = np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(matrices, rcond=cutoff, hermitian=True)
    sizes = np.abs(matrices).sum(axis=2).max(axis=1)
    bad = np.abs(inverses).sum(axis=2).max(axis=1) * sizes * cutoff > 1.0
    if bad.any():
        inverses[bad] = np.linalg.pinv(matrices[bad], rcond=cutoff, hermitian=True)
    return inverses
