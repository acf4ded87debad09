"""Hessians of a model of some rows of A, in the form that Newton's method wants.

Of rows that move, ``take`` returns the `Statistics` and ``cost`` what a Newton step
costs, in multiply-adds of the loops of an epoch.
"""

from functools import cached_property

import numpy as np
import scipy.sparse as sp

from mtlreg._numba import njit
from mtlreg.problem import costs
from mtlreg.problem.statistics import Factors, StackedFactors, Statistics
from mtlreg.solvers import _blocks
from mtlreg.solvers._newton import is_common


def make_hessian(columns):
    """Return the Hessian of a block, of which its state is no part."""
    if isinstance(columns, (_blocks.SharedGram, _blocks.StackedGram)):
        return GramHessian(columns)
    if isinstance(columns, _blocks.SparseRows) or getattr(columns, "common", False):
        return SharedHessian(columns)
    return TaskHessian(columns)


class GramHessian:
    """The Hessian of a block that keeps Gram matrices."""

    def __init__(self, columns):
        self._all = Statistics(columns.gram, getattr(columns, "scale", None), None)

    def take(self, rows):
        """Return the `Statistics` of some rows."""
        return self._all.restrict(rows)

    def cost(self, face, bordered):
        """Return what a step costs.

        Parameters
        ----------
        face : Face
            Of the rows that move.
        bordered : int
            How many of them join the tasks.
        """
        if not is_common(self._all, face):
            return _cost_by_grams(face.free, bordered)
        k = len(face.free)
        return k**2 * (2 * k + k / 3) / costs.BLAS


class SharedHessian:
    """The Hessian of a block of rows that are the same for all tasks."""

    def __init__(self, columns):
        self._columns = columns

    def take(self, rows):
        columns = self._columns
        factor = _dense(columns, rows)
        if isinstance(columns, _blocks.SparseRows):
            factor -= np.outer(columns.means[rows, 0], columns.root)
        if factor.shape[1] < factor.shape[0]:
            return Factors(factor, columns.scale)
        return Statistics(factor @ factor.T, columns.scale, None)

    def cost(self, face, bordered):
        k, n = len(face.free), _n_entries(self._columns)
        if not _fits(self._columns, k * n * face.free.itemsize):
            return np.inf
        if not is_common(Statistics(None, self._columns.scale, None), face):
            return _cost_by_grams(face.free, bordered)
        return k**2 * (2 * min(k, n) + k / 3) / costs.BLAS


class TaskHessian:
    """The Hessian of a block of rows that tasks have, or weigh, for themselves."""

    def __init__(self, columns):
        self._columns = columns

    def take(self, rows):
        factor, bounds = self._factor(rows)
        factors = StackedFactors(factor, bounds)
        if self._by_grams(len(rows)):
            return Statistics(factors.stacked(), None, None)
        return factors

    def cost(self, face, bordered):
        free = face.free
        n, k = self._counts, len(free)
        if not _fits(self._columns, k * n.sum() * free.itemsize):
            return np.inf
        if self._by_grams(k):
            return n.sum() * k**2 / 2 + _cost_by_grams(free, bordered)
        some = np.count_nonzero(free, axis=0)
        each = n * (n * (n + some + bordered) + bordered**2 / 2)
        return (np.sum(each) + bordered**3 / 3) / costs.BLAS_BY_MEMORY

    def _by_grams(self, k):
        return k < costs.GRAMS_BY_SAMPLES * np.mean(self._counts)

    @cached_property
    def _cells(self):
        """The weights of all cells, where those of a task end, and where its rows
        start.
        """
        columns = self._columns
        if isinstance(columns, _blocks.WeightedRows):
            return columns.weight, columns.bounds, columns.starts
        if isinstance(columns, _blocks.SparseSharedRows):
            n, n_tasks = columns.weight.shape
            starts = np.zeros(n_tasks, dtype=np.intp)
            return columns.weight.T.ravel(), n * np.arange(n_tasks + 1), starts
        edges = np.arange(columns.intercept.size + 1)
        bounds = np.searchsorted(columns.task, edges)
        return columns.weight, bounds, bounds[:-1]

    @cached_property
    def _counts(self):
        """How many samples a task has."""
        if isinstance(self._columns, _blocks.Rows):
            return np.diff(self._columns.bounds)
        weight, bounds, _ = self._cells
        return np.diff(np.concatenate([[0], np.cumsum(weight != 0)])[bounds])

    def _factor(self, rows):
        """Return the columns times the roots of the weights, and where tasks begin."""
        columns = self._columns
        dense = _dense(columns, rows)
        if isinstance(columns, _blocks.Rows):
            return dense, columns.bounds
        ends = np.concatenate([[0], np.cumsum(self._counts)])
        factor = np.empty((len(rows), ends[-1]), dtype=dense.dtype)
        _write_factor(
            np.ascontiguousarray(dense), columns.means[rows], *self._cells, factor
        )
        return factor, ends


@njit
def _write_factor(dense, means, weight, bounds, starts, out):
    # the columns of the cells of positive weight, centred, times the roots of these
    for j in range(out.shape[0]):
        last = 0
        for t in range(starts.size):
            for i in range(bounds[t], bounds[t + 1]):
                if weight[i] != 0.0:
                    x = dense[j, starts[t] + i - bounds[t]] - means[j, t]
                    out[j, last] = np.sqrt(weight[i]) * x
                    last += 1


def _cost_by_grams(free, bordered):
    k, n_tasks = free.shape
    # the factors of all tasks, and the border
    if k * (k + bordered) * n_tasks * free.itemsize > costs.MOST_BYTES:
        return np.inf
    return n_tasks * k**2 * (k / 3 + 2 * bordered) / costs.BLAS


def _fits(columns, n_bytes):
    """Return whether the columns are at hand as they are, or not too many to write."""
    return isinstance(columns, _blocks.Rows) or n_bytes <= costs.COPIED_BYTES


def _n_entries(columns):
    """Return the length of the columns of a block."""
    dense = "columns" in columns._fields
    return columns.columns.shape[1] if dense else len(columns.residual)


def _dense(columns, rows):
    """Return some columns of a block as the rows of an array."""
    if "columns" in columns._fields:
        return columns.columns[rows]
    parts = columns.data, columns.indices, columns.indptr
    shape = len(columns.residual), len(columns.indptr) - 1
    return sp.csc_array(parts, shape=shape)[:, rows].T.toarray()
