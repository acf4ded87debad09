"""Quadratic models on some rows of A, as block coordinate descent wants them.

A model is ``1/2 sum_i w_i (r_i + x_i . D + b)^2`` over the cells of each task,
minimised over the intercept b, with D the change of the rows of A in the block. A block
keeps a state up to date, column by column: the residual r of all cells, or the gradient
of all its rows through their Gram matrix. Which of the two, dense or sparse, shared or
stacked, is the type of the NamedTuple; the one loop over rows, `run_epoch`, is the
same for all.
"""

from typing import NamedTuple

import numpy as np

from mtlreg._numba import (
    chosen_by_type,
    njit,
    njit_part,
    solve_row,
    source_digest,
)


@chosen_by_type
def gradient_row(columns, j, out):
    """Write the gradient of the model by row j, (n_tasks,), to ``out``."""


@chosen_by_type
def move_row(columns, j, delta):
    """Bring the state up to date after row j has moved by ``delta`` (n_tasks,)."""


@chosen_by_type
def half_square(columns):
    """Return the value of a model that keeps the residual."""


class SharedGram(NamedTuple):
    """Gram matrix of one X for all tasks; H_t is ``scale_t gram``."""

    gram: np.ndarray  # (k, k)
    scale: np.ndarray  # (n_tasks,)
    gradient: np.ndarray  # state, (k, n_tasks)


@njit_part
def _copy(row, out):
    # a slice that is assigned to makes numba compile error messages, for seconds
    for t in range(out.size):
        out[t] = row[t]


@gradient_row.register(SharedGram)
def _shared_gram_gradient(columns, j, out):
    _copy(columns.gradient[j], out)


@njit_part
def _add_outer(left, right, out):
    for i in range(left.size):
        for t in range(right.size):
            out[i, t] += left[i] * right[t]


@move_row.register(SharedGram)
def _shared_gram_move(columns, j, delta):
    for t in range(delta.size):
        delta[t] *= columns.scale[t]
    _add_outer(columns.gram[j], delta, columns.gradient)


class StackedGram(NamedTuple):
    """Gram matrices of the tasks, stored so that tasks are contiguous."""

    gram: np.ndarray  # (k, k, n_tasks)
    gradient: np.ndarray  # state, (k, n_tasks)


@gradient_row.register(StackedGram)
def _stacked_gram_gradient(columns, j, out):
    _copy(columns.gradient[j], out)


@njit_part
def _add_product(left, right, out):
    for i in range(left.shape[0]):
        for t in range(right.size):
            out[i, t] += left[i, t] * right[t]


@move_row.register(StackedGram)
def _stacked_gram_move(columns, j, delta):
    _add_product(columns.gram[j], delta, columns.gradient)


class Rows(NamedTuple):
    """Dense centred columns, times the roots of weights that are part of the columns.

    The residuals of task t are ``residual[bounds[t]:bounds[t + 1]]``; they belong to
    the entries of a column from ``starts[t]`` on: 0 for one X for all tasks.
    """

    columns: np.ndarray  # (k, n)
    starts: np.ndarray  # (n_tasks,)
    bounds: np.ndarray  # (n_tasks + 1,)
    scale: np.ndarray  # (n_tasks,), what is left of the weights
    residual: np.ndarray  # state, (n_cells,)

    @property
    def common(self):
        """Whether all tasks have the same rows."""
        return not self.starts.any()


@njit_part
def _dot(left, right):
    total = 0.0
    for i in range(left.size):
        total += left[i] * right[i]
    return total


@njit_part
def _add(factor, column, out):
    for i in range(column.size):
        out[i] += factor * column[i]


@gradient_row.register(Rows)
def _rows_gradient(columns, j, out):
    for t in range(out.size):
        cells = columns.residual[columns.bounds[t] : columns.bounds[t + 1]]
        first = columns.starts[t]
        column = columns.columns[j, first : first + cells.size]
        out[t] = columns.scale[t] * _dot(column, cells)


@move_row.register(Rows)
def _rows_move(columns, j, delta):
    for t in range(delta.size):
        if delta[t] != 0.0:
            cells = columns.residual[columns.bounds[t] : columns.bounds[t + 1]]
            first = columns.starts[t]
            _add(delta[t], columns.columns[j, first : first + cells.size], cells)


@half_square.register(Rows)
def _rows_half_square(columns):
    total = 0.0
    for t in range(columns.scale.size):
        cells = columns.residual[columns.bounds[t] : columns.bounds[t + 1]]
        total += columns.scale[t] * _dot(cells, cells)
    return total / 2


class WeightedRows(NamedTuple):
    """Dense columns, with a weight for every cell; cells as in `Rows`."""

    columns: np.ndarray  # (k, n)
    starts: np.ndarray  # (n_tasks,)
    bounds: np.ndarray  # (n_tasks + 1,)
    weight: np.ndarray  # (n_cells,)
    means: np.ndarray  # (k, n_tasks), weighted; 0 without intercept
    residual: np.ndarray  # state, (n_cells,), without the intercept
    intercept: np.ndarray  # state, (n_tasks,)


@njit_part
def _weighted_dot(left, weight, right, shift):
    total = 0.0
    for i in range(left.size):
        total += left[i] * (weight[i] * (right[i] + shift))
    return total


@gradient_row.register(WeightedRows)
def _weighted_rows_gradient(columns, j, out):
    for t in range(out.size):
        cells = columns.residual[columns.bounds[t] : columns.bounds[t + 1]]
        weight = columns.weight[columns.bounds[t] : columns.bounds[t + 1]]
        first = columns.starts[t]
        column = columns.columns[j, first : first + cells.size]
        out[t] = _weighted_dot(column, weight, cells, columns.intercept[t])


@move_row.register(WeightedRows)
def _weighted_rows_move(columns, j, delta):
    for t in range(delta.size):
        if delta[t] != 0.0:
            cells = columns.residual[columns.bounds[t] : columns.bounds[t + 1]]
            first = columns.starts[t]
            _add(delta[t], columns.columns[j, first : first + cells.size], cells)
            columns.intercept[t] -= columns.means[j, t] * delta[t]


@njit_part
def _weighted_square(weight, cells, shift):
    total = 0.0
    for i in range(cells.size):
        total += weight[i] * (cells[i] + shift) ** 2
    return total


@half_square.register(WeightedRows)
def _weighted_rows_half_square(columns):
    total = 0.0
    for t in range(columns.intercept.size):
        cells = slice(columns.bounds[t], columns.bounds[t + 1])
        weight, residual = columns.weight[cells], columns.residual[cells]
        total += _weighted_square(weight, residual, columns.intercept[t])
    return total / 2


class SparseRows(NamedTuple):
    """Sparse columns of one X for all tasks, times the roots of weights of the rows.

    These weights sum to 1; a task has ``scale`` times them.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    root: np.ndarray  # (n,), of the weights
    scale: np.ndarray  # (n_tasks,)
    means: np.ndarray  # (k, n_tasks), weighted; 0 without intercept
    residual: np.ndarray  # state, (n, n_tasks), without the intercept, times the roots
    intercept: np.ndarray  # state, (n_tasks,)


@njit_part
def _add_rows(factors, rows, matrix, out):
    # out = sum_e factors_e matrix[rows_e], four at a time: out is read and written less
    out[:] = 0.0
    fours = rows.size - rows.size % 4
    for e in range(0, fours, 4):
        a, b, c, d = factors[e], factors[e + 1], factors[e + 2], factors[e + 3]
        first, second = matrix[np.uint64(rows[e])], matrix[np.uint64(rows[e + 1])]
        third, fourth = matrix[np.uint64(rows[e + 2])], matrix[np.uint64(rows[e + 3])]
        for t in range(out.size):
            out[t] += (a * first[t] + b * second[t]) + (c * third[t] + d * fourth[t])
    for e in range(fours, rows.size):
        _add(factors[e], matrix[np.uint64(rows[e])], out)


@njit_part
def _add_to_rows(factors, rows, delta, matrix):
    # matrix[rows_e] += factors_e delta, four tasks at a time: delta stays in registers
    one, four = np.uint64(1), np.uint64(4)
    n_tasks = np.uint64(delta.size)
    fours = n_tasks - n_tasks % four
    for t in range(np.uint64(0), fours, four):
        u, v, w = t + one, t + one + one, t + one + one + one
        a, b, c, d = delta[t], delta[u], delta[v], delta[w]
        for e in range(rows.size):
            factor, i = factors[e], np.uint64(rows[e])
            matrix[i, t] += factor * a
            matrix[i, u] += factor * b
            matrix[i, v] += factor * c
            matrix[i, w] += factor * d
    for t in range(fours, n_tasks):
        for e in range(rows.size):
            matrix[np.uint64(rows[e]), t] += factors[e] * delta[t]


@gradient_row.register(SparseRows)
def _sparse_gradient(columns, j, out):
    entries = slice(columns.indptr[j], columns.indptr[j + 1])
    data, indices = columns.data[entries], columns.indices[entries]
    _add_rows(data, indices, columns.residual, out)
    for t in range(out.size):
        out[t] += columns.means[j, t] * columns.intercept[t]
        out[t] *= columns.scale[t]


@move_row.register(SparseRows)
def _sparse_move(columns, j, delta):
    entries = slice(columns.indptr[j], columns.indptr[j + 1])
    data, indices = columns.data[entries], columns.indices[entries]
    _add_to_rows(data, indices, delta, columns.residual)
    for t in range(delta.size):
        columns.intercept[t] -= columns.means[j, t] * delta[t]


@njit_part
def _shifted_square(cells, root, shift, scale):
    total = 0.0
    for t in range(cells.size):
        total += scale[t] * (cells[t] + root * shift[t]) ** 2
    return total


@half_square.register(SparseRows)
def _sparse_half_square(columns):
    total, residual = 0.0, columns.residual
    for i in range(len(residual)):
        total += _shifted_square(
            residual[i], columns.root[i], columns.intercept, columns.scale
        )
    return total / 2


class SparseSharedRows(NamedTuple):
    """Sparse columns of one X with weights for each row and task."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    weight: np.ndarray  # (n, n_tasks)
    means: np.ndarray  # (k, n_tasks), weighted; 0 without intercept
    residual: np.ndarray  # state, (n, n_tasks), without the intercept
    intercept: np.ndarray  # state, (n_tasks,)


@gradient_row.register(SparseSharedRows)
def _sparse_shared_gradient(columns, j, out):
    out[:] = 0.0
    for entry in range(columns.indptr[j], columns.indptr[j + 1]):
        i, x = columns.indices[entry], columns.data[entry]
        for t in range(out.size):
            moved = columns.residual[i, t] + columns.intercept[t]
            out[t] += x * columns.weight[i, t] * moved


@move_row.register(SparseSharedRows)
def _sparse_shared_move(columns, j, delta):
    for entry in range(columns.indptr[j], columns.indptr[j + 1]):
        i, x = columns.indices[entry], columns.data[entry]
        for t in range(delta.size):
            columns.residual[i, t] += x * delta[t]
    for t in range(delta.size):
        columns.intercept[t] -= columns.means[j, t] * delta[t]


@half_square.register(SparseSharedRows)
def _sparse_shared_half_square(columns):
    total = 0.0
    for i in range(len(columns.residual)):
        for t in range(columns.intercept.size):
            moved = columns.residual[i, t] + columns.intercept[t]
            total += columns.weight[i, t] * moved**2
    return total / 2


class SparseStackedRows(NamedTuple):
    """Sparse columns of stacked tasks with weights."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    task: np.ndarray  # (N,), of each row
    weight: np.ndarray  # (N,)
    means: np.ndarray  # (k, n_tasks), weighted; 0 without intercept
    residual: np.ndarray  # state, (N,), without the intercept
    intercept: np.ndarray  # state, (n_tasks,)


@gradient_row.register(SparseStackedRows)
def _sparse_stacked_gradient(columns, j, out):
    out[:] = 0.0
    for entry in range(columns.indptr[j], columns.indptr[j + 1]):
        i = columns.indices[entry]
        t = columns.task[i]
        moved = columns.residual[i] + columns.intercept[t]
        out[t] += columns.data[entry] * columns.weight[i] * moved


@move_row.register(SparseStackedRows)
def _sparse_stacked_move(columns, j, delta):
    for entry in range(columns.indptr[j], columns.indptr[j + 1]):
        i = columns.indices[entry]
        columns.residual[i] += columns.data[entry] * delta[columns.task[i]]
    for t in range(delta.size):
        columns.intercept[t] -= columns.means[j, t] * delta[t]


@half_square.register(SparseStackedRows)
def _sparse_stacked_half_square(columns):
    total = 0.0
    for i in range(len(columns.residual)):
        moved = columns.residual[i] + columns.intercept[columns.task[i]]
        total += columns.weight[i] * moved**2
    return total / 2


def _build_run_epoch(salt):
    @njit
    def run_epoch(columns, params, curvature, A, active_only, buffers):
        salt  # noqa: B018  (in the cache key, see njit)
        z, bends, before = buffers[0], buffers[1], buffers[2]
        scratch = buffers[3:].reshape(-1)
        for j in range(A.shape[0]):
            row = A[j]
            active = False
            for t in range(row.size):
                before[t] = row[t]
                active = active or row[t] != 0.0
            if active_only and not active:
                continue
            gradient_row(columns, j, z)
            for t in range(row.size):
                bend = curvature[j, t]
                z[t] = bend * row[t] - z[t] if bend > 0.0 else 0.0
                bends[t] = bend
            solve_row(params, j, z, bends, row, scratch)
            moved = False
            for t in range(row.size):
                before[t] = row[t] - before[t]
                moved = moved or before[t] != 0.0
            if moved:
                move_row(columns, j, before)

    return run_epoch


run_epoch = _build_run_epoch(source_digest())
"""Minimise model plus penalty over one row of A after the other.

``run_epoch(columns, params, curvature, A, active_only, buffers)`` with ``columns`` the
NamedTuple of a block, ``params`` of a row penalty, ``curvature`` (k, n_tasks) the
second derivatives of the model and ``buffers`` (7, n_tasks). Rows that are 0 are passed
over if ``active_only``. A and the state of ``columns`` are changed in place.
"""
