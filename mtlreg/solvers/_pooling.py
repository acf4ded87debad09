"""Linear systems of tasks that are coupled through their mean alone."""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import blas, lapack, pinvh

_EPS = np.finfo(np.float64).eps


class TaskSystems:
    """The quadratic ``sum_t 1/2 <a_t, H_t a_t> - <q_t, a_t>`` plus mean regularisation.

    With K_t = (H_t + alpha I)^-1 the mean m of the minimiser, and the minimiser::

        [sum_t R_t] m = sum_t K_t q_t,   R_t = K_t (H_t + alpha_mean I)
        a_t = K_t (q_t + (alpha - alpha_mean) m)

    By Cholesky factors of the d x d matrices ``H_t + alpha I``, or of the n_t x n_t
    kernel for tasks with fewer rows than features; where all rows together are fewer,
    m too comes from a kernel. Tasks whose H_t are multiples of one matrix share its
    eigenvectors.

    Parameters
    ----------
    design : Design
    bend : ndarray over cells
        The weights w >= 0 of the rows in H_t; the rows are centred by their mean under
        w if the design is.
    residual : ndarray over cells
        r, of sum 0 in every task if the design is centred; q_t = X_t'r_t.
    alpha : float
    alpha_mean : float
    """

    def __init__(self, design, bend, residual, alpha, alpha_mean):
        self._design, self._bend, self._residual = design, bend, residual
        self._alpha, self._alpha_mean = alpha, alpha_mean
        self._constants = design.square_norms.T == 0
        self._has_constants = self._constants.any(axis=1)
        # dense rows come centred by their mean under v
        stored = bend is design.v and not sp.issparse(design.X)
        self._centres = design.centred and not (stored and design.shift is None)

    def solve(self):
        """Return the minimiser, shape (n_features, n_tasks)."""
        design = self._design
        if design.same_rows and self._bend is design.v:
            return self._solve_same_rows()
        d, n_tasks = design.n_features, design.n_tasks
        sizes = np.array([len(design.select(design.v, t)) for t in range(n_tasks)])
        if np.sum(sizes) < d:
            tasks = [self._by_kernel(t) for t in range(n_tasks)]
            m = self._mean_of_few_rows(tasks)
        else:
            tasks, pooled = self._factorised(sizes < d)
            m = _minimum_norm(pooled, sum(task.alone for task in tasks))
        return np.stack([task.column(m) for task in tasks], axis=1)

    def _solve_same_rows(self):
        """Solve where the H_t are multiples of one matrix, in its eigenvectors."""
        weights = self._design.task_weights
        rows, v = self._design.rows(0)
        if rows.shape[0] < rows.shape[1]:
            half = self._half(0, rows, v)
            _, sigma, vectors = np.linalg.svd(half, full_matrices=False)
            values, U = sigma**2, vectors.T
        else:
            values, U = np.linalg.eigh(self._design.gram(0))
        values = np.maximum(values, 0.0) * (weights / weights[0])[:, None]
        moments = self._design.adjoint(self._residual).T @ U
        spectra = values, U[:, None], moments
        return solve_spectra(*spectra, self._alpha, self._alpha_mean)

    def _mean_of_few_rows(self, tasks):
        """Return ``m = W'[(1 - o) W W' + o T I]^+ y``, with o = alpha_mean / alpha.

        W and y are those of all tasks below each other.
        """
        W = np.vstack([task.W for task in tasks])
        y = np.concatenate([task.y for task in tasks])
        outside = self._alpha_mean / self._alpha
        kernel = (1.0 - outside) * (W @ W.T)
        kernel.reshape(-1)[:: len(y) + 1] += len(tasks) * outside
        return W.T @ _minimum_norm(kernel, y)

    def _factorised(self, thin):
        """Return the systems of the tasks, and the sum of the R_t."""
        d, n_tasks = self._design.n_features, self._design.n_tasks
        moments = self._design.adjoint(self._residual).T
        pooled, tasks = np.zeros((d, d), order="F"), []
        # in one piece: the fresh pages of many cost as much as the arithmetic
        grams = iter(np.empty((n_tasks - sum(thin), d, d)))
        for t in range(n_tasks):
            if thin[t]:
                tasks.append(self._by_kernel(t))
                tasks[t].add_to(pooled)
            else:
                tasks.append(self._by_gram(t, moments[t], next(grams), pooled))
        return tasks, np.triu(pooled) + np.triu(pooled, 1).T

    def _by_gram(self, t, q, gram, pooled):
        """Return the system of task t, held in ``gram``; add R_t, an upper triangle."""
        alpha, alpha_mean = self._alpha, self._alpha_mean
        self._write_gram(t, gram)
        diagonal = gram.reshape(-1)[:: len(q) + 1]
        cancels = alpha > diagonal.max()
        target = gram.copy() if cancels else None
        diagonal += alpha
        factor, info = lapack.dpotrf(gram.T, clean=0, overwrite_a=1)
        if info:
            # alpha is below the rounding of a singular H_t
            self._write_gram(t, gram)
            system = _Spectrum(gram, q, alpha, alpha_mean)
            pooled += system.ratio()
            return system
        if cancels:
            # I - (alpha - alpha_mean) K would
            target.reshape(-1)[:: len(q) + 1] += alpha_mean
            pooled += lapack.dpotrs(factor, target.T, overwrite_b=1)[0]
        else:
            pooled += (alpha_mean - alpha) * lapack.dpotri(factor)[0]
            pooled.reshape(-1, order="F")[:: len(q) + 1] += 1.0
        return _Cholesky(factor, q, alpha - alpha_mean)

    def _by_kernel(self, t):
        """Return the system of a task with few rows."""
        bend = self._design.select(self._bend, t)
        half, root = self._half(t, self._design.rows(t)[0], bend), np.sqrt(bend)
        residual = self._design.select(self._residual, t)
        r = np.divide(residual, root, out=np.zeros_like(root), where=root > 0)
        return _Thin(half, r, self._alpha, self._alpha_mean)

    def _write_gram(self, t, out):
        rows, _ = self._design.rows(t)
        bend = self._design.select(self._bend, t)
        if sp.issparse(rows):
            out[:] = self._design.gram(t, bend)
        else:
            half = self._half(t, rows, bend)
            np.matmul(half.T, half, out=out)

    def _half(self, t, rows, bend):
        """Return the centred rows, each times the root of its weight."""
        half = rows.toarray() if sp.issparse(rows) else rows
        half = half.astype(np.float64, copy=False)
        if self._centres:
            half = half - bend @ half / np.sum(bend)
        half = np.sqrt(bend)[:, None] * half
        if self._has_constants[t]:
            half[:, self._constants[t]] = 0.0
        return half


def solve_spectra(values, vectors, moments, alpha, alpha_mean):
    """Return the minimiser, as `TaskSystems` does, from `Statistics.spectra`."""
    shifted = values + alpha
    alone = moments / shifted
    if vectors.shape[1] == 1:
        target, pooled = (
            alone.sum(axis=0),
            np.sum((values + alpha_mean) / shifted, axis=0),
        )
        held = pooled > _cutoff(pooled) * pooled.max()
        m = np.divide(target, pooled, out=np.zeros_like(target), where=held)
        return vectors[:, 0] @ (alone + (alpha - alpha_mean) * m / shifted).T
    wide = vectors.reshape(len(vectors), -1)
    pooled = pooled_sum(values, vectors, alpha, alpha_mean)
    m = _minimum_norm(pooled, wide @ alone.ravel())
    rotated = alone + (alpha - alpha_mean) * (m @ wide).reshape(values.shape) / shifted
    return np.einsum("jtk,tk->jt", vectors, rotated)


def pooled_sum(values, vectors, alpha, alpha_mean):
    """Return ``sum_t K_t (H_t + alpha_mean I)``, from `Statistics.spectra`."""
    ratio = (values + alpha_mean) / (values + alpha)
    if vectors.shape[1] == 1:
        ratio = ratio.sum(axis=0)
    wide = vectors.reshape(len(vectors), -1)
    return (wide * ratio.ravel()) @ wide.T


class _Cholesky:
    """``H + alpha I`` by its factor; the task's right side is ``q + pull m``."""

    def __init__(self, factor, q, pull):
        self._factor, self._q, self._pull = factor, q, pull
        self.alone = lapack.dpotrs(factor, q)[0]

    def column(self, m):
        return lapack.dpotrs(self._factor, self._q + self._pull * m)[0]


class _Spectrum:
    """The same for a singular H, by its eigenvectors."""

    def __init__(self, gram, q, alpha, alpha_mean):
        values, self._U = np.linalg.eigh(gram)
        self._values = np.maximum(values, 0.0)
        self._q, self._alpha, self._alpha_mean = q, alpha, alpha_mean
        self.alone = self.column(0.0)

    def ratio(self):
        """Return R."""
        shifted = self._values + self._alpha
        return (self._U * ((self._values + self._alpha_mean) / shifted)) @ self._U.T

    def column(self, m):
        q = self._q + (self._alpha - self._alpha_mean) * m
        return self._U @ ((self._U.T @ q) / (self._values + self._alpha))


class _Thin:
    """``H = V'V`` of few rows V and ``q = V'r``, by the kernel ``V V' + alpha I``.

    With its Cholesky factor L, W = L^-1 V and y = L^-1 r::

        K H = W'W,   K q = W'y,   alpha K = I - W'W
    """

    def __init__(self, V, r, alpha, alpha_mean):
        kernel, both = V @ V.T, np.column_stack([V, r])
        shifted = kernel.copy()
        shifted.reshape(-1)[:: len(r) + 1] += alpha
        factor, info = lapack.dpotrf(shifted.T, lower=1, overwrite_a=1)
        if info:
            # alpha is below the rounding of a singular kernel
            values, U = np.linalg.eigh(kernel)
            held = values > _cutoff(values) * values[-1]
            root = np.sqrt(values[held] + alpha)
            both = (U[:, held].T @ both) / root[:, None]
        else:
            both = lapack.dtrtrs(factor, both, lower=1)[0]
        self.W, self.y = np.asfortranarray(both[:, :-1]), both[:, -1]
        self.alone = self.W.T @ self.y
        self._outside = alpha_mean / alpha

    def add_to(self, pooled):
        """Add R, an upper triangle: ``W'W + outside (I - W'W)``."""
        blas.dsyrk(
            1.0 - self._outside, self.W, trans=1, beta=1.0, c=pooled, overwrite_c=1
        )
        pooled.reshape(-1, order="F")[:: len(pooled) + 1] += self._outside

    def column(self, m):
        rest = m - self.W.T @ (self.W @ m)
        return self.alone + (1.0 - self._outside) * rest


def _cutoff(values):
    """Return the share of the largest eigenvalue that counts as rounding."""
    return 10 * len(values) * _EPS


def _minimum_norm(matrix, target):
    """Return the solution of least norm of a positive semidefinite system."""
    cutoff = _cutoff(target)
    factor, info = lapack.dpotrf(matrix)
    if not info and lapack.dpocon(factor, np.linalg.norm(matrix, 1))[0] > cutoff:
        return lapack.dpotrs(factor, target)[0]
    return pseudo_inverse(matrix) @ target


def pseudo_inverse(matrix):
    """Return the inverse of a positive semidefinite matrix, but for its rounding."""
    return pinvh(matrix, rtol=_cutoff(matrix))
