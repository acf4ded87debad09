"""Exact leave-one-out residuals of mean regularisation with the squared loss."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from mtlreg._numba import njit_sums
from mtlreg.problem import costs
from mtlreg.problem.problem import Problem
from mtlreg.problem.statistics import Statistics
from mtlreg.sequences.folds import take_rows, task_totals
from mtlreg.solvers.direct import Direct
from mtlreg.solvers.pooling import pooled_sum, pseudo_inverse, pseudo_inverses

_BATCH_ENTRIES = 2**22  # of the matrices that are inverted together
_NEAR_SINGULAR = 1e-6  # determinant of I - M V below which a row is fitted without


@dataclass(frozen=True)
class _Group:
    """Rows without which the data weigh alike.

    Attributes
    ----------
    factors : ndarray of shape (n_tasks,)
        By which the weights v of every task grow.
    blocks : list of (tasks, rows)
        The tasks of which a row has cells, and the positions of such rows.
    """

    factors: np.ndarray
    blocks: list


@dataclass(frozen=True)
class _Batch:
    """Rows of tasks with rows of their own, alike in a cell: of one task and weight.

    Attributes
    ----------
    tasks, factors : ndarrays of shape (n_cells,)
        The task, and by which its weights v grow without a row.
    common : float
        By which those of the other tasks do.
    rows, cells : ndarrays of int, shape (n_rows,)
    """

    tasks: np.ndarray
    factors: np.ndarray
    common: float
    rows: np.ndarray
    cells: np.ndarray


class LeaveOneOut:
    """Residuals ``y_ti - x_i . a_t - b_t`` of the fits without row i.

    The fit without a row is that of all rows with the weights v of the objective as
    they are without it, less the row. With P_ts the blocks of the inverse of the
    Hessian of that problem, x_t = x_i - xbar_t and r the residuals of its fit, those
    without the row are::

        (I - M V)^-1 r,   M_ts = x_t' P_ts x_s + [t = s] / sum_i v_ti,  V = diag(v_ti)

    for the tasks t of which row i has cells. With K_t = (H_t + alpha I)^-1::

        P_ts = [t = s] K_t + K_t p [p sum_u R_u]^-1 p K_s
        R_t = K_t (H_t + alpha_mean I),   p = alpha - alpha_mean

    where alpha_mean and p may be diagonal matrices; p R_t is symmetric. Where alpha
    differs from feature to feature they are in units in which it does not.

    Parameters
    ----------
    problem : Problem
        Of the squared loss on all rows.
    data : MultiTaskData
        Its data.
    proportional : bool
        Whether c_t is proportional to W_t, which changes with a row; else it is fixed.

    Raises
    ------
    ValueError
        If there are too many features for it.

    References
    ----------
    Allen (1974), The relationship between variable selection and data augmentation and
    a method for prediction, for one task and weights that do not change.
    """

    def __init__(self, problem, data, proportional):
        self._problem, self._proportional = problem, proportional
        design, term = problem.design, problem.term
        self._data = replace(data, y=term.y)
        d, n_tasks = design.n_features, design.n_tasks
        if 8 * d * d * (1 if design.same_rows else n_tasks) > costs.MOST_BYTES:
            raise ValueError(
                f"cv='loo' needs a matrix of {d} x {d} numbers for every task, too much"
                f" for {n_tasks} tasks; use folds, such as cv=5"
            )
        moments = -design.adjoint(term.slopes(np.zeros_like(term.y)))
        self._statistics = Statistics.of_design(design, moments)
        self._units = None
        self._targets = term.intercept(np.zeros_like(term.y))
        if data.offsets is None:
            self._groups = list(self._make_groups())
        else:
            self._batches = list(self._make_batches())

    def residuals(self, penalty):
        """Return the residuals, an array over cells; 0 where nothing is observed.

        Parameters
        ----------
        penalty : Penalty
            With a `task_matrix`, of the strengths alpha, 0 < alpha < inf, and
            alpha_mean.
        """
        if self._data.offsets is not None:
            return self._residuals_of_own_rows(penalty)
        alpha, alpha_mean, p = self._pose(penalty)
        out = np.zeros(self._data.y.shape)
        values, vectors, moments = self._spectra
        pooled = pooled_sum(values, vectors, alpha, alpha_mean)
        target = self._rotate(moments / (values + alpha))
        for group in self._groups:
            f = group.factors[:, None]
            shifted = f * values + alpha
            # R_t and K_t q_t with H_t and q_t f times as large, less what they were
            turned = values * (f - 1) / (shifted * (values + alpha))
            lifted = moments * (f - 1) * alpha / (shifted * (values + alpha))
            changed = np.flatnonzero(group.factors != 1)
            system = pooled + self._sum(turned, changed) * p
            inverse = pseudo_inverse(_symmetric(p[:, None] * system))
            pulled = p * (inverse @ (p * (target + self._rotate(lifted, changed))))
            coupling = p[:, None] * inverse * p
            for tasks, rows in group.blocks:
                left = []
                for t in tasks:
                    U = self._bases[t]
                    a = U @ ((f[t] * moments[t] + pulled @ U) / shifted[t])
                    left.append(self._residual(t, rows, a))
                M = self._influence(tasks, rows, group.factors, shifted, coupling)
                found, close = self._without_row(
                    tasks, rows, group.factors, np.stack(left, axis=1), M
                )
                for row in np.flatnonzero(close):
                    found[row] = self._refit(tasks, rows[row], penalty)
                out[np.ix_(rows, tasks)] = found
        return out

    def _residuals_of_own_rows(self, penalty):
        """Return the residuals of tasks with rows of their own, all tasks at once.

        In the eigenvectors U_t of H_t only p and the sum of the R_u are no diagonals.
        """
        alpha, alpha_mean, p = self._pose(penalty)
        values, vectors, moments = self._spectra
        data, design = self._data, self._problem.design
        out = np.empty(len(data.y))
        for batch in self._batches:
            t, f, common = batch.tasks, batch.factors[:, None], batch.common
            before, shifted = common * values + alpha, f * values[t] + alpha
            moved = (f - common) / (shifted * before[t])
            pooled = pooled_sum(common * values, vectors, alpha, alpha_mean)
            target = np.einsum("jtk,tk->j", vectors, common * moments / before)
            U = np.moveaxis(vectors, 1, 0)[t]
            pU = p[:, None] * U
            turned = (pU * (values[t] * moved)[:, None]) @ pU.transpose(0, 2, 1)
            inverses = pseudo_inverses(_symmetric(p[:, None] * pooled) + turned)
            lifted = np.einsum("cjk,ck->cj", U, alpha * moments[t] * moved)
            m = np.einsum("cjk,ck->cj", inverses, p * (target + lifted))
            fits = (f * moments[t] + np.einsum("cjk,cj->ck", pU, m)) / shifted
            coupling = pU.transpose(0, 2, 1) @ (inverses @ pU)
            rows, cells = batch.rows, batch.cells
            x = self._rotated[rows]
            left = data.y[rows] - self._targets[t][cells]
            left -= np.einsum("ij,ij->i", x, fits[cells])
            inner = x / shifted[cells]
            M = np.einsum("ij,ij->i", x, inner)
            M += quadratic_forms(coupling, cells, inner)
            if self._problem.term.fit_intercept:
                M += 1 / (design.task_weights[t] * batch.factors)[cells]
            rest = 1.0 - M * (batch.factors[cells] * design.v[rows])
            close = np.abs(rest) < _NEAR_SINGULAR
            out[rows] = left / np.where(close, 1.0, rest)
            for i in np.flatnonzero(close):
                task = (int(t[cells[i]]),)
                out[rows[i]] = self._refit(task, rows[i], penalty)[0]
        return out

    def _pose(self, penalty):
        """Return alpha, one number, alpha_mean and p in the units that make it one."""
        spread, mean = penalty.task_matrix
        units = np.sqrt(np.divide(spread, np.max(spread)))
        # those of a path are the same but for rounding
        if self._units is None or not np.allclose(units, self._units, rtol=1e-12):
            self._take_units(units)
        mean = mean / self._units**2
        d = self._problem.design.n_features
        return np.max(spread), mean, np.broadcast_to(np.max(spread) - mean, d)

    def _take_units(self, units):
        """Take the features in other units: diagonalise the H_t."""
        self._units, design = units, self._problem.design
        self._spectra = self._statistics.in_units(units).spectra
        vectors = self._spectra[1]
        several = vectors.shape[1] > 1
        self._bases = [vectors[:, t if several else 0] for t in range(design.n_tasks)]
        if self._data.offsets is not None:
            given = vectors / np.reshape(units, (-1, 1, 1))
            columns = [design.predict(given[..., k]) for k in range(given.shape[2])]
            self._rotated = np.stack(columns, axis=1)

    def _rotate(self, coordinates, tasks=None):
        """Return the sum over tasks of vectors in the eigenvectors of their H_t."""
        tasks = range(len(coordinates)) if tasks is None else tasks
        return sum(self._bases[t] @ coordinates[t] for t in tasks)

    def _sum(self, diagonals, tasks):
        """Return the sum over tasks of matrices that are diagonal there."""
        return sum((self._bases[t] * diagonals[t]) @ self._bases[t].T for t in tasks)

    def _without_row(self, tasks, rows, factors, left, M):
        """Return ``(I - M V)^-1 r`` of some rows, and where it is near singular.

        There a row alone determines a direction, and needs a fit of its own.
        """
        v = [factors[t] * self._cells(self._problem.design.v, t, rows) for t in tasks]
        systems = np.eye(len(tasks)) - M * np.stack(v, axis=1)[:, None, :]
        close = np.abs(np.linalg.det(systems)) < _NEAR_SINGULAR
        systems[close] = np.eye(len(tasks))
        return np.linalg.solve(systems, left[:, :, None])[:, :, 0], close

    def _influence(self, tasks, rows, factors, shifted, coupling):
        """Return the M_ts of some rows, shape (n_rows, n_tasks, n_tasks)."""
        own, pulled = [], []
        for t in tasks:
            rotated = self._centred(t, rows) @ self._bases[t]
            inner = rotated / shifted[t]
            own.append(np.sum(rotated * inner, axis=1))
            pulled.append(inner @ self._bases[t].T)
        pulled = np.stack(pulled, axis=1)
        M = (pulled @ coupling) @ pulled.transpose(0, 2, 1)
        diagonal = np.arange(len(tasks))
        M[:, diagonal, diagonal] += np.stack(own, axis=1)
        if self._problem.term.fit_intercept:
            weights = self._problem.design.task_weights * factors
            M[:, diagonal, diagonal] += 1 / weights[list(tasks)]
        return M

    def _residual(self, t, rows, a):
        fitted = self._centred(t, rows) @ a + self._targets[t]
        return self._cells(self._data.y, t, rows) - fitted

    def _centred(self, t, rows):
        design = self._problem.design
        X = design.X[rows]
        X = X.toarray() if sp.issparse(X) else X
        return (X if design.shift is None else X - design.shift[:, t]) / self._units

    def _cells(self, values, t, rows):
        return values[rows] if values.ndim == 1 else values[rows, t]

    def _refit(self, tasks, row, penalty):
        """Return the residuals of a row that alone determines a direction."""
        data, keep = self._data, np.ones(len(self._data.y), dtype=bool)
        keep[row] = False
        rest = take_rows(data, keep)
        scale = self._scale_without(task_totals(rest))
        intercept = self._problem.term.fit_intercept
        # exact, as what is not refitted
        solution = Direct(tol=0.0).solve(
            Problem(rest, self._problem.loss, penalty, scale, intercept)
        )
        x = data.X[[row]]
        x = x.toarray() if sp.issparse(x) else x
        z = (x @ solution.A + solution.intercept)[0, list(tasks)]
        return np.array([self._cells(data.y, t, row) for t in tasks]) - z

    def _scale_without(self, totals):
        c = self._problem.design.task_weights
        return len(c) * totals / totals.sum() if self._proportional else c

    def _make_groups(self):
        totals = task_totals(self._data)

        def factors(removed):
            kept = totals - removed
            return (
                self._scale_without(kept) / kept * totals / self._scale_without(totals)
            )

        patterns, codes = np.unique(self._data.weight, axis=0, return_inverse=True)
        for k, pattern in enumerate(patterns):
            tasks = tuple(np.flatnonzero(pattern))
            rows = np.flatnonzero(codes.ravel() == k)
            yield _Group(factors(pattern), [(tasks, rows)])

    def _make_batches(self):
        """Yield rows of tasks with rows of their own, as many as memory takes."""
        totals, weight = task_totals(self._data), self._data.weight
        tasks = np.repeat(np.arange(len(totals)), np.diff(self._data.offsets))
        kinds, codes = np.unique(weight, return_inverse=True)
        if self._proportional:
            # c_t that follow the weights grow alike whatever the task of the row
            for k, common in enumerate(totals.sum() / (totals.sum() - kinds)):
                rows = np.flatnonzero(codes == k)
                keys, cells = np.unique(tasks[rows], return_inverse=True)
                yield from self._split(
                    _Batch(keys, np.full(len(keys), common), common, rows, cells)
                )
            return
        keys, cells = np.unique(tasks * len(kinds) + codes, return_inverse=True)
        held, removed = keys // len(kinds), kinds[keys % len(kinds)]
        factors = totals[held] / (totals[held] - removed)
        yield from self._split(
            _Batch(held, factors, 1.0, np.arange(len(weight)), cells)
        )

    def _split(self, batch):
        """Yield a batch in parts whose matrices are no larger than is handy."""
        step = max(1, _BATCH_ENTRIES // self._problem.design.n_features**2)
        order = np.argsort(batch.cells, kind="stable")
        bounds = np.arange(0, len(batch.tasks) + step, step)
        for first, rows in zip(
            bounds,
            np.split(order, np.searchsorted(batch.cells[order], bounds[1:-1])),
            strict=False,
        ):
            part = slice(first, first + step)
            yield _Batch(
                batch.tasks[part],
                batch.factors[part],
                batch.common,
                batch.rows[rows],
                batch.cells[rows] - first,
            )


def _symmetric(matrix):
    """Return the symmetric part of a matrix, of which the rest is rounding."""
    return 0.5 * (matrix + matrix.T)


@njit_sums
def _add_forms(matrices, cells, vectors, out):
    for i in range(cells.size):
        matrix, total = matrices[cells[i]], 0.0
        for j in range(vectors.shape[1]):
            inner = 0.0
            for k in range(vectors.shape[1]):
                inner += matrix[j, k] * vectors[i, k]
            total += inner * vectors[i, j]
        out[i] = total


def quadratic_forms(matrices, cells, vectors):
    """Return ``z_i' B z_i`` with B the matrix of the cell of row i, (n_rows,)."""
    out = np.empty(len(cells))
    _add_forms(matrices, cells, vectors, out)
    return out
