"""The Hessians of the tasks in short, for preconditioners."""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve

from mtlreg.problem import costs
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.design import make_design
from mtlreg.problem.grams import weighted_gram


def pooling_pays(design, n_products):
    """Return whether the spectrum of `pooled_gram` is as fast as so many products."""
    (n, d), X = design.X.shape, design.X
    entries = X.nnz if sp.issparse(X) else X.size
    product = entries * (design.n_tasks if design.cells.offsets is None else 1)
    most = costs.BLAS_OF_PRODUCTS * n_products * product
    return n * d**2 + 10 * d**3 <= max(most, costs.SMALL_SPECTRUM)


def pooled_gram(design):
    """Return the sum over tasks of `Design.gram`, (n_features, n_features)."""
    gram, _ = weighted_gram(design.X, design.v.reshape(len(design.v), -1).sum(axis=1))
    if design.shift is not None:
        gram = gram - (design.shift * design.task_weights) @ design.shift.T
    return gram


def spectrum(matrix):
    """Return the eigenvalues, made >= 0, and the eigenvectors of a symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.maximum(values, 0.0), vectors


def compressed_grams(design, U, weight=None):
    """Return ``U'H_t U``, (n_tasks, r, r), with H_t the `Design.gram` of a task.

    Parameters
    ----------
    design : Design
    U : ndarray of shape (n_features, r)
    weight : ndarray over cells, optional
        As in `Design.grams`.
    """
    v, r = design.v, U.shape[1]
    data = MultiTaskData(design.X @ U, v, v, design.cells.offsets)
    narrow = make_design(data, v, design.centred)
    if design.same_rows and weight is None:
        unit = narrow.gram(0) / design.task_weights[0]
        return design.task_weights[:, None, None] * unit
    out = np.empty((r, r, design.n_tasks))
    narrow.grams(out, weight)
    return np.moveaxis(out, 2, 0)


def few_rows(design):
    """Return whether `shifted_inverse` is there and costs little.

    So few rows of their own leave the tasks Hessians of which the mean tells little.
    """
    n, d = design.X.shape
    own = design.cells.offsets is not None and not sp.issparse(design.X)
    return own and n <= min(d, costs.KERNEL_ROWS)


def shifted_inverse(design, R, shift, weight):
    """Return the inverse of ``P -> H(P R') R + shift P`` with H the Hessian.

    With the rows c_i of task t(i), times the roots of their weights, H(D) is
    ``sum_i c_i c_i' d_t(i) e_t(i)'``. By Woodbury's formula the system becomes one of
    the kernel ``<c_i, c_j> <r_t(i), r_t(j)>`` of the rows.

    Parameters
    ----------
    design : StackedDesign
        Dense, see `few_rows`.
    R : ndarray of shape (n_tasks, r)
    shift : float
    weight : ndarray of shape (n_rows,)
        In the place of v; the rows of a task are centred by their mean under these.

    Returns
    -------
    callable
        Of an ndarray of shape (n_features, r).
    """
    cells, half = design.cells, design.X
    if design.centred:
        total = cells.total(weight)
        share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        mean = share[:, None] * cells.total(weight[:, None] * half)
        half = half - np.repeat(mean, np.diff(cells.offsets), axis=0)
    half = np.sqrt(weight)[:, None] * half
    spread = np.repeat(R, np.diff(cells.offsets), axis=0)
    kernel = (half @ half.T) * (spread @ spread.T)
    kernel[np.diag_indices_from(kernel)] += shift
    factor = cho_factor(kernel, lower=True, check_finite=False)

    def apply(P):
        along = np.sum((half @ P) * spread, axis=1)
        solved = cho_solve(factor, along, check_finite=False)
        return (P - half.T @ (solved[:, None] * spread)) / shift

    return apply
