"""The columns of a design in the form that a model of some rows of A wants."""

import math

import numpy as np
import scipy.sparse as sp

from mtlreg._numba import njit_sums
from mtlreg.problem import costs
from mtlreg.problem.rows import transposed_columns
from mtlreg.problem.statistics import StackedFactors
from mtlreg.solvers import _blocks
from mtlreg.solvers._models import RowModel


@njit_sums
def _centre_columns(columns, bounds, weight, totals):
    for j in range(columns.shape[0]):
        column = columns[j]
        for t in range(totals.size):
            # unsigned, as in `_image_factors`
            first, end = np.uint64(bounds[t]), np.uint64(bounds[t + 1])
            total = 0.0
            for i in range(first, end):
                total += column[i] * weight[i]
            mean = columns.dtype.type(total / totals[t])
            for i in range(first, end):
                column[i] -= mean


def make_model(problem, rows, A, certificate, weight=None):
    """Return the `RowModel` of the data term at a point.

    Parameters
    ----------
    problem : Problem
    rows : ndarray of int, shape (k,)
        The rows of A that are free.
    A : ndarray of shape (n_features, n_tasks)
        The point; its precision is that of the model.
    certificate : Certificate
        Of the point: its slopes and gradient are used.
    weight : ndarray over cells, optional
        Second derivatives of the term by the predictions; those of a squared loss,
        the weights v of the term, if left out.
    """
    term, gradient, block = problem.term, certificate.gradient[rows], None
    if not problem.has_rows:
        columns = _statistics_columns(term.statistics.restrict(rows), gradient, A.dtype)
        curvature = problem.square_norms[rows]
        loss = term.value_at(A, certificate.gradient + term.statistics.moments)
    else:
        fixed = weight is None
        weight = term.v if fixed else weight
        slopes = certificate.slopes
        residual = np.zeros_like(slopes)
        np.divide(slopes, weight, out=residual, where=weight > 0)
        block = _Block(term, rows, weight, residual, fixed, A.dtype)
        if block.gram_pays(costs.EXPECTED_EPOCHS / block.blas, len(rows)):
            columns, curvature = block.gram(gradient)
        else:
            columns, curvature = block.rows()
            block.residual = None  # the columns have a copy
        loss = 0.5 * float(np.sum(slopes * residual))
    curvature = np.array(curvature, dtype=A.dtype, order="C")
    curvature[problem.square_norms[rows] == 0] = 0.0
    penalty, start = problem.penalty.restrict(rows), np.ascontiguousarray(A[rows])
    return RowModel(columns, curvature, penalty, start, gradient, loss, block)


def _statistics_columns(statistics, gradient, dtype):
    """Return the block of Gram matrices at a gradient."""
    gram = np.ascontiguousarray(statistics.gram, dtype=dtype)
    gradient = np.array(gradient, dtype=dtype, order="C")
    if statistics.scale is None:
        return _blocks.StackedGram(gram, gradient)
    return _blocks.SharedGram(gram, statistics.scale.astype(dtype), gradient)


class _Block:
    """The columns of some features under weights, in every form a model may take."""

    def __init__(self, term, rows, weight, residual, fixed, dtype):
        self.design, self.dtype = term.design, dtype
        self.weight, self.residual, self.fixed = weight, residual, fixed
        self.index = rows
        self.centred = term.fit_intercept
        self.shared = self.design.cells.offsets is None
        self.sparse = sp.issparse(self.design.X)
        # one column of weights and one Gram matrix serve all tasks
        self.common = fixed and self.design.same_rows
        self.totals = self.design.cells.total(weight)
        self.blas = 1
        if not self.sparse:
            self.blas = costs.BLAS_OF_SHARED if self.shared else costs.BLAS_OF_OWN

    def gram_pays(self, n_epochs, n_active):
        """Return whether epochs cost more by the residual than Gram matrices and they.

        Parameters
        ----------
        n_epochs : float
        n_active : int
            Rows of A that they visit.
        """
        k, n_tasks = len(self.index), self.design.n_tasks
        cells = self.weight.size
        entries = k * cells
        if self.sparse:
            density = self.design.X.nnz / max(np.prod(self.design.X.shape), 1)
            entries *= density
        kept = k * k * (1 if self.common else n_tasks)
        fits = kept * np.dtype(self.dtype).itemsize <= costs.MOST_BYTES
        building = k * entries / (n_tasks if self.common else 1) / self.blas
        saved = n_epochs * (2 * entries / k - k * n_tasks) * n_active
        return fits and building <= saved

    def _columns(self):
        return transposed_columns(self.design.X, self.index, self.dtype)

    def _scaled(self):
        """Return dense centred columns times the roots of the weights, and the roots.

        Only for weights that rows carry: of stacked tasks, or common to all tasks.
        """
        columns, shift = self._columns(), self.design.shift
        if self.common:
            if shift is not None:
                columns -= shift[self.index, :1].astype(self.dtype)
            root = np.sqrt(self.weight[:, 0] / self.totals[0])
            columns *= root.astype(self.dtype)
            return columns, root
        bounds, root = self.design.cells.offsets, np.sqrt(self.weight)
        if self.centred and not (self.fixed and shift is None):
            _centre_columns(columns, bounds, self.weight, self.totals)
        columns *= root.astype(self.dtype)
        return columns, root

    def rows(self):
        """Return the block that keeps the residual, and the curvature."""
        if self.sparse:
            return self._sparse_rows()
        if self.shared and not self.common:
            return self._weighted_rows()
        columns, root = self._scaled()
        design = self.design
        if self.common:
            starts, bounds = _repeated(design.n_tasks, len(root))
            residual = (self.residual * root[:, None]).T.ravel()
            scale = self.totals
        else:
            bounds = design.cells.offsets
            starts = bounds[:-1]
            residual = self.residual * root
            scale = np.ones(design.n_tasks)
        if self.fixed:
            curvature = design.square_norms[self.index]
        else:
            curvature = StackedFactors(columns, bounds).diagonal()
        return _blocks.Rows(
            columns,
            starts,
            bounds,
            scale.astype(self.dtype),
            residual.astype(self.dtype, copy=False),
        ), curvature

    def _means(self, products):
        """Return the weighted means of the columns, 0 without an intercept."""
        means = products / self.totals
        return (means if self.centred else np.zeros_like(means)).astype(self.dtype)

    def _weighted_rows(self):
        columns, n_tasks = self._columns(), self.design.n_tasks
        means = self._means(columns @ self.weight)
        curvature = columns**2 @ self.weight - self.totals * means**2
        starts, bounds = _repeated(n_tasks, len(self.weight))
        return _blocks.WeightedRows(
            columns,
            starts,
            bounds,
            self.weight.T.ravel().astype(self.dtype),
            means,
            self.residual.T.ravel().astype(self.dtype),
            np.zeros(n_tasks, dtype=self.dtype),
        ), np.maximum(curvature, 0.0)

    def _sparse_rows(self):
        design, n_tasks = self.design, self.design.n_tasks
        columns = design.columns[:, self.index].astype(self.dtype, copy=False)
        intercept = np.zeros(n_tasks, dtype=self.dtype)
        if self.common:
            return self._common_sparse_rows(columns, intercept)
        parts = columns.data, columns.indices, columns.indptr
        state = self.residual.astype(self.dtype), intercept
        weight = self.weight.astype(self.dtype)
        if self.shared:
            means = self._means(columns.T @ self.weight)
            squares = columns.power(2).T @ self.weight
            block = _blocks.SparseSharedRows(*parts, weight, means, *state)
        else:
            task = np.repeat(np.arange(n_tasks), np.diff(design.cells.offsets))
            owner = np.repeat(np.arange(len(self.index)), np.diff(columns.indptr))
            entries = owner * n_tasks + task[columns.indices]
            shape = len(self.index), n_tasks
            products = columns.data * self.weight[columns.indices]

            def summed(values):
                return np.bincount(entries, values, math.prod(shape)).reshape(shape)

            means = self._means(summed(products))
            squares = summed(products * columns.data)
            block = _blocks.SparseStackedRows(*parts, task, weight, means, *state)
        return block, np.maximum(squares - self.totals * means**2, 0.0)

    def _common_sparse_rows(self, columns, intercept):
        root = np.sqrt(self.weight[:, 0] / self.totals[0])
        means = np.zeros((len(self.index), len(intercept)), dtype=self.dtype)
        if self.design.shift is not None:
            means[:] = self.design.shift[self.index]
        block = _blocks.SparseRows(
            columns.data * root.astype(self.dtype)[columns.indices],
            columns.indices,
            columns.indptr,
            root.astype(self.dtype, copy=False),
            self.totals.astype(self.dtype),
            means,
            (self.residual * root[:, None]).astype(self.dtype, copy=False),
            intercept,
        )
        return block, self.design.square_norms[self.index]

    def gram(self, gradient):
        """Return the block that keeps the gradient, and the curvature."""
        design = self.design
        gradient = np.ascontiguousarray(gradient, dtype=self.dtype)
        if self.common:
            gram = design.gram(0, features=self.index) / self.totals[0]
            gram = np.ascontiguousarray(gram, dtype=self.dtype)
            scale = self.totals.astype(self.dtype)
            diagonal = np.diag(gram)[:, None] * scale
            return _blocks.SharedGram(gram, scale, gradient), diagonal
        k = len(self.index)
        gram = np.empty((k, k, design.n_tasks), dtype=self.dtype)
        design.grams(gram, self.weight, self.index)
        diagonal = np.einsum("jjt->jt", gram)
        return _blocks.StackedGram(gram, gradient), diagonal


def _repeated(n_tasks, n):
    """Return the starts and bounds of tasks that all use the same n entries."""
    return np.zeros(n_tasks, dtype=np.intp), n * np.arange(n_tasks + 1)
