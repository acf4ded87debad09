"""What the rows of all tasks span, where they are far fewer than the features."""

import numpy as np
import scipy.sparse as sp

from mtlreg.problem import costs


class Span:
    """An orthonormal basis Q of the rows of a design, and the rows in it.

    With ``X_t = Z_t Q'`` the predictions of ``A = Q B`` are those of B by the Z_t, and
    a penalty that an orthogonal change of basis leaves alone, and that projections do
    not increase, is that of B.

    Parameters
    ----------
    design : Design

    Attributes
    ----------
    rows : ndarray of shape (n_rows, k)
        The Z_t, k the smaller of the numbers of rows and features.
    """

    def __init__(self, design):
        X, self._n_features = design.exact_rows(), design.n_features
        self._used = None
        if sp.issparse(X):
            X = sp.csr_array(X)
            self._used = np.unique(X.indices)
            X = X[:, self._used].toarray()
        self._basis, upper = np.linalg.qr(X.T)
        self.rows = np.ascontiguousarray(upper.T)

    def lift(self, B):
        """Return ``Q B``, of shape (..., n_features, n_tasks)."""
        if self._used is None:
            return self._basis @ B
        A = np.zeros((*B.shape[:-2], self._n_features, B.shape[-1]))
        A[..., self._used, :] = self._basis @ B
        return A

    def coordinates(self, A):
        """Return the B of the projection ``Q B`` of A, of the same predictions."""
        return self._basis.T @ (A if self._used is None else A[..., self._used, :])


def span_pays(design, n_products):
    """Return whether so many iterations in the span of the rows cost less.

    Parameters
    ----------
    design : Design
    n_products : int
    """
    X, (n, d), n_tasks = design.X, design.X.shape, design.n_tasks
    shared, entries, used = design.cells.offsets is None, n * d, d
    if sp.issparse(X):
        entries, used = X.nnz, min(d, X.nnz)
    if 2 * n > used or 8 * n * used > costs.MOST_BYTES:
        return False
    # two products with the rows and a prox; those in the span take no time beside them
    iteration = 2 * entries * (n_tasks if shared else 1) + 2 * d * n_tasks**2
    saved = n_products * iteration
    building = 2 * n**2 * used
    return saved >= costs.SMALL_SPAN and building <= costs.BLAS_OF_PRODUCTS * saved
