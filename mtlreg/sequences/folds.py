"""Rows of folds, and losses on what is held out."""

import numpy as np
import scipy.sparse as sp

from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.rows import predict_rows, take_columns


def take_rows(data, keep):
    """Return the rows of ``data`` in a mask; tasks may be left without rows.

    Parameters
    ----------
    data : MultiTaskData
    keep : ndarray of bool of shape (n_rows,)

    Returns
    -------
    MultiTaskData
    """
    offsets = data.offsets
    if offsets is not None:
        offsets = np.concatenate([[0], np.cumsum(keep)])[offsets]
    X = sp.csr_array(data.X) if sp.issparse(data.X) else data.X
    return MultiTaskData(X[keep], data.y[keep], data.weight[keep], offsets)


def task_totals(data, mask=True):
    """Return the weight of every task, in a mask of rows if there is one."""
    if data.offsets is None:
        return (data.weight * np.reshape(mask, (-1, 1))).sum(axis=0)
    sizes = np.diff(data.offsets)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    return np.bincount(codes, data.weight * mask, len(sizes))


class HeldOutRows:
    """Losses on some rows.

    Parameters
    ----------
    data : MultiTaskData
    keep : ndarray of bool of shape (n_rows,)
        Some tasks may have no rows there.
    loss : Loss
    """

    def __init__(self, data, keep, loss):
        self._loss, self.weight = loss, task_totals(data, keep)
        # no copy of dense rows that have no order: the columns in use are few
        self._rows = None
        if data.offsets is None and not sp.issparse(data.X):
            self._rows = np.flatnonzero(keep)
            self._data = MultiTaskData(data.X, data.y[keep], data.weight[keep])
        else:
            self._data = take_rows(data, keep)

    def losses(self, coef, intercept):
        """Return ``sum_i w_ti loss(y_ti, x_i . a_t + b_t)`` of every task and point.

        Parameters
        ----------
        coef : ndarray of shape (n_points, n_tasks, n_features)
        intercept : ndarray of shape (n_points, n_tasks)

        Returns
        -------
        ndarray of shape (n_points, n_tasks)
        """
        X, y, weight = self._data.X, self._data.y, self._data.weight
        out = np.zeros(intercept.shape)
        if self._data.offsets is None:
            used = np.flatnonzero(coef.any(axis=(0, 1)))
            dense = self._rows is not None
            held = X[np.ix_(self._rows, used)] if dense else take_columns(X, used)
            for point, (A, b) in enumerate(zip(coef, intercept, strict=True)):
                losses = self._pointwise(held @ A[:, used].T, b, y)
                out[point] = np.sum(weight * losses, axis=0)
            return out
        sizes = np.diff(self._data.offsets)
        codes, held = np.repeat(np.arange(len(sizes)), sizes), np.flatnonzero(sizes)
        starts = self._data.offsets[held]
        for point, (A, b) in enumerate(zip(coef, intercept, strict=True)):
            z = predict_rows(X, A, np.zeros_like(b), codes)
            cells = weight * self._pointwise(z, b[codes], y)
            out[point, held] = np.add.reduceat(cells, starts)
        return out

    def _pointwise(self, z, b, y):
        """Return the losses of the predictions z + b."""
        if self._loss.quadratic:
            # of y - z - b alone: no digits of large targets are lost
            return self._loss.pointwise(z, y - b)
        return self._loss.pointwise(z + b, y)
