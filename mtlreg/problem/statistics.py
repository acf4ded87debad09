"""Sufficient statistics of least squares: centred Gram matrices and moments."""

from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cholesky, solve_triangular

from mtlreg._numba import njit, njit_sums
from mtlreg.penalties.factored import apply_factored, as_array
from mtlreg.problem import costs
from mtlreg.problem.rows import equal_tasks, nonzero_rows, squares_of

_EPS = np.finfo(np.float64).eps
_CLEAR = 1e-10  # of the largest eigenvalue, what is no rounding of features of one size


@njit
def _multiply_stacked(gram, A, out):
    # out_jt = sum_k gram_jkt A_kt
    for j in range(gram.shape[0]):
        for t in range(out.shape[1]):
            out[j, t] = 0.0
        for k in range(gram.shape[1]):
            for t in range(out.shape[1]):
                out[j, t] += gram[j, k, t] * A[k, t]


@njit
def _image_factors(factor, bounds, A, out):
    # out_i = sum_j factor_ji A_jt for the entries i of task t; here and below unsigned,
    # which spares loops the look at indices below 0 and makes them three times as fast
    for j in range(factor.shape[0]):
        row = factor[j]
        for t in range(bounds.size - 1):
            share = A[j, t]
            if share != 0.0:
                for i in range(np.uint64(bounds[t]), np.uint64(bounds[t + 1])):
                    out[i] += share * row[i]


@njit_sums
def _adjoint_factors(factor, bounds, r, out):
    # out_jt = sum_i factor_ji r_i
    for j in range(factor.shape[0]):
        row = factor[j]
        for t in range(bounds.size - 1):
            total = out.dtype.type(0)
            for i in range(np.uint64(bounds[t]), np.uint64(bounds[t + 1])):
                total += row[i] * r[i]
            out[j, t] = total


@njit_sums
def _square_factors(factor, bounds, out):
    # out_jt = sum_i factor_ji^2
    for j in range(factor.shape[0]):
        row = factor[j]
        for t in range(bounds.size - 1):
            total = out.dtype.type(0)
            for i in range(np.uint64(bounds[t]), np.uint64(bounds[t + 1])):
                total += row[i] * row[i]
            out[j, t] = total


class Statistics:
    """H_t and q_t of ``1/2 <a_t, H_t a_t> - <q_t, a_t>``, the least squares of task t.

    Always float64; the cost of a product does not depend on the number of rows.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features, n_tasks), or without the last axis
        The H_t; or one matrix, of which they are multiples.
    scale : ndarray of shape (n_tasks,) or None
        The multiples.
    moments : ndarray of shape (n_features, n_tasks)
        The q_t.
    """

    def __init__(self, gram, scale, moments):
        self.gram, self.scale, self.moments = gram, scale, moments

    @classmethod
    def of_design(cls, design, moments):
        """Return the statistics of the rows of a design, given the q_t."""
        design = design.exact()
        if design.same_rows:
            return cls(
                design.gram(0) / design.task_weights[0], design.task_weights, moments
            )
        d, n_tasks = moments.shape
        gram = np.empty((d, d, n_tasks))
        design.grams(gram)
        return cls(gram, None, moments)

    def multiply(self, A):
        """Return the H_t a_t, shape (n_features, n_tasks), of an array or factors."""
        if self.scale is not None:
            return apply_factored(self._common_product, A) * self.scale
        A = np.ascontiguousarray(as_array(A), dtype=np.float64)
        out = np.empty_like(A)
        _multiply_stacked(self.gram, A, out)
        return out

    def _common_product(self, A):
        used = np.flatnonzero(nonzero_rows(A))
        if len(used) < costs.GATHERED_SHARE * len(A):
            # the matrix is symmetric, and its rows are quicker to gather
            return self.gram[used].T @ A[used]
        return self.gram @ A

    def restrict(self, features):
        """Return the statistics of some features, in order, without moments."""
        if len(features) == len(self.gram):
            return Statistics(self.gram, self.scale, None)
        square = np.ix_(features, features)
        return Statistics(self.gram[square], self.scale, None)

    def in_units(self, units):
        """Return the statistics of features that are divided by numbers."""
        column = np.reshape(units, (-1, 1))
        both = column * units
        gram = self.gram / (both if self.scale is not None else both[:, :, None])
        return Statistics(gram, self.scale, self.moments / column)

    @property
    def common(self):
        """Whether one matrix is the H_t of every task."""
        return self.scale is not None and np.all(self.scale == self.scale[0])

    def shifted_inverse(self, shift):
        """Invert ``H + diag(shift)`` where one matrix H is the H_t of every task.

        Returns
        -------
        inverse : ndarray of shape (n_features, n_features)
        apply : callable
            ``apply(R)`` returns the inverse times R.
        """
        matrix = self.scale[0] * self.gram
        matrix[np.diag_indices_from(matrix)] += shift
        inverse = np.linalg.inv(matrix)
        return inverse, inverse.__matmul__

    def stacked(self):
        """Return the H_t as an array (n_features, n_features, n_tasks)."""
        if self.scale is None:
            return self.gram
        return self.gram[:, :, None] * self.scale

    @cached_property
    def spectra(self):
        """The eigenvalues >= 0 of the H_t, their eigenvectors, and the q_t in these.

        Returns
        -------
        values : ndarray of shape (n_tasks, n_features)
        vectors : ndarray of shape (n_features, n_tasks, n_features)
            ``vectors[:, t]`` holds those of H_t in its columns; one for all tasks,
            (n_features, 1, n_features), where the H_t are multiples of one matrix.
        moments : ndarray of shape (n_tasks, n_features)
        """
        if self.scale is not None:
            values, vectors = np.linalg.eigh(self.gram)
            values, vectors = values * self.scale[:, None], vectors[:, None]
            moments = self.moments.T @ vectors[:, 0]
        else:
            values, vectors = np.linalg.eigh(np.moveaxis(self.gram, 2, 0))
            vectors = np.ascontiguousarray(np.moveaxis(vectors, 0, 1))
            moments = np.einsum("jtk,jt->tk", vectors, self.moments)
        # the rounding of a zero would count where a strength is as small
        rounding = 10 * values.shape[1] * _EPS * values.max(axis=1, keepdims=True)
        return np.where(values > rounding, values, 0.0), vectors, moments

    def spectra_over(self, scale):
        """Return the eigenvalues and vectors of `spectra`, of the H_t over numbers.

        Raises
        ------
        ValueError
            Where features of one size would have more eigenvalues.
        """
        values, vectors = self._clear_spectra
        return values / scale[:, None], vectors

    @cached_property
    def _clear_spectra(self):
        values, vectors, _ = self.spectra
        sizes = np.sqrt(np.mean(self.diagonal(), axis=1))
        alike, *_ = self.in_units(np.where(sizes > 0, sizes, 1.0)).spectra
        clear = alike > _CLEAR * alike.max(axis=1, keepdims=True)
        if np.any(np.sum(clear, axis=1) > np.sum(values > 0, axis=1)):
            raise ValueError(
                f"features are of such unlike sizes, from {sizes[sizes > 0].min():.2g} "
                f"to {sizes.max():.2g}, that the smaller are rounding in the metric of "
                f"the design: standardise them, or use metric='identity'"
            )
        return values, vectors

    def mean(self):
        """Return the mean of the H_t, (n_features, n_features)."""
        if self.scale is not None:
            return self.gram * np.mean(self.scale)
        return np.mean(self.gram, axis=2)

    def compressed(self, U):
        """Return the ``U'H_t U``, (n_tasks, r, r)."""
        if self.scale is not None:
            return self.scale[:, None, None] * (U.T @ self.gram @ U)
        half = np.tensordot(U, self.gram, (0, 0))
        return np.moveaxis(np.tensordot(U, half, (0, 1)), 2, 0)

    def diagonal(self):
        """Return the diagonals of the H_t, shape (n_features, n_tasks)."""
        if self.scale is None:
            return np.einsum("jjt->jt", self.gram)
        return np.diag(self.gram)[:, None] * self.scale

    def largest_eigenvalue(self):
        """Return ``max_t lambda_max(H_t)``."""
        if self.scale is not None:
            return float(np.linalg.eigvalsh(self.gram)[-1] * self.scale.max())
        return float(np.linalg.eigvalsh(np.moveaxis(self.gram, 2, 0)).max())

    def power_bound(self, n_steps=10):
        """Return a lower bound of ``max_t lambda_max(H_t)``, by the power method."""
        # from the longest columns, which features take along when they change places
        # or signs
        columns = self.diagonal().argmax(axis=0)
        if self.scale is None:
            V = self.gram[:, columns, np.arange(len(columns))]
        else:
            V = self.gram[:, columns]
        for _ in range(n_steps):
            # in units of the largest, against overflow
            largest = np.abs(V).max(axis=0)
            V = V / np.where(largest > 0, largest, 1.0)
            V /= np.maximum(np.linalg.norm(V, axis=0), 1.0)
            image = self.multiply(V)
            bounds, V = np.einsum("jt,jt->t", V, image), image
        return float(bounds.max())


class Factors(Statistics):
    """The same for ``H_t = scale_t C C'`` by the factor C, which has few columns.

    Parameters
    ----------
    factor : ndarray of shape (n_features, m)
    scale : ndarray of shape (n_tasks,)
    """

    def __init__(self, factor, scale):
        self._factor, self.scale = factor, scale

    def multiply(self, A):
        return self._factor @ (self._factor.T @ A) * self.scale

    def shifted_inverse(self, shift):
        # Woodbury: D - D C (I / scale + C'DC)^-1 C'D with D = diag(1 / shift)
        divided = self._factor.T / shift
        inner = divided @ self._factor
        inner[np.diag_indices_from(inner)] += 1 / self.scale[0]
        half = solve_triangular(
            cholesky(inner, lower=True, check_finite=False),
            divided,
            lower=True,
            check_finite=False,
        )
        inverse = half.T @ half
        np.negative(inverse, out=inverse)
        inverse[np.diag_indices_from(inverse)] += 1 / shift

        def apply(R):
            return R / shift[:, None] - half.T @ (half @ R)

        return inverse, apply

    def stacked(self):
        return (self._factor @ self._factor.T)[:, :, None] * self.scale

    def diagonal(self):
        return np.sum(self._factor**2, axis=1)[:, None] * self.scale


class StackedFactors(Statistics):
    """The same for ``H_t = C_t C_t'`` by the factors, which have few columns.

    Parameters
    ----------
    factor : ndarray of shape (n_features, n)
        The C_t side by side.
    bounds : ndarray of shape (n_tasks + 1,)
        Where their columns begin and end.
    """

    scale = None

    def __init__(self, factor, bounds):
        self.factor, self.bounds = factor, bounds
        self._shape = len(factor), len(bounds) - 1

    def image(self, A):
        """Return the ``C_t' a_t`` one after the other, (n,)."""
        out = np.zeros(self.factor.shape[1], dtype=np.result_type(self.factor, A))
        _image_factors(self.factor, self.bounds, np.ascontiguousarray(A), out)
        return out

    def adjoint(self, r):
        """Return the ``C_t r_t``, (n_features, n_tasks)."""
        out = np.empty(self._shape, dtype=np.result_type(self.factor, r))
        _adjoint_factors(self.factor, self.bounds, r, out)
        return out

    def multiply(self, A):
        return self.adjoint(self.image(A))

    def stacked(self):
        k, n_tasks = self._shape
        grams = np.empty((n_tasks, k, k), dtype=self.factor.dtype)
        for tasks, cells in equal_tasks(self.bounds, k):
            parts = self.factor[:, *cells].swapaxes(0, 1)
            grams[tasks] = squares_of(parts)
        return np.ascontiguousarray(np.moveaxis(grams, 0, 2))

    def diagonal(self):
        out = np.empty(self._shape, dtype=self.factor.dtype)
        _square_factors(self.factor, self.bounds, out)
        return out


def statistics_pay(design, n_products, n_kept=1):
    """Return whether so many products are faster on statistics than on the rows.

    Parameters
    ----------
    design : Design
    n_products : int
    n_kept : int
        How many times the Gram matrices of all tasks are in memory at once.
    """
    d, n_tasks = design.n_features, design.n_tasks
    shared = design.cells.offsets is None
    grams = 1 if design.same_rows else n_tasks
    if n_kept * grams * d * d * 8 > costs.MOST_BYTES:
        return False
    entries = design.X.nnz if sp.issparse(design.X) else design.X.size
    building = d * entries * (grams if shared else 1)
    one_product = entries * (n_tasks if shared else 1)
    # an iteration takes two products with the rows, one with the Gram matrices
    saved = 2 * one_product - d * d * n_tasks
    return building <= n_products * saved
