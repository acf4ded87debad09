"""Least squares with a bound on the rank, in closed form for rows that tasks share."""

import numpy as np
import scipy.sparse as sp

_EPS = np.finfo(np.float64).eps


class ReducedRankProblem:
    """Least squares of all tasks on the same rows, solved for every bound of the rank.

    With H the weighted Gram matrix of the rows, a task matrix A differs from the
    optimum M without a bound by ``1/2 ||(H + ridge I)^(1/2) (A - M)||_F^2`` in F, so
    that the best A of a rank has the leading singular vectors of ``(H + ridge I)^(1/2)
    M`` (Eckart, Young). Columns are in units of the roots of the c_t.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n_rows, n_features)
    y : ndarray of shape (n_rows, n_tasks)
    weight : ndarray of shape (n_rows,)
        Positive.
    scale : ndarray of shape (n_tasks,)
        The c_t > 0, all the same where there is a ridge.
    ridge : float
    centred : bool
        Whether there are intercepts.

    Attributes
    ----------
    sigma : ndarray of shape (n_singular,)
        The singular values, of which half the sum of squares is what F falls by.
    """

    def __init__(self, X, y, weight, scale, ridge, centred):
        v = weight / weight.sum()
        self._x_mean = _columns(v @ X) * centred
        self._y_mean = (v @ y) * centred
        self._root = np.sqrt(scale)
        targets = (y - self._y_mean) * self._root
        spectrum = _sparse_spectrum if sp.issparse(X) else _spectrum
        self._basis, bend, moments = spectrum(X, self._x_mean, v, targets)
        self._ridge = ridge / scale[0]
        self._lengths = np.sqrt(bend + self._ridge)
        left, self.sigma, right = np.linalg.svd(
            moments / self._lengths[:, None], full_matrices=False
        )
        self._left, self._right = left, right

    def solution(self, rank):
        """Return A of at most this rank, its rank, and b."""
        noise = max(self._left.shape[0], self._right.shape[1], 1) * _EPS
        kept = self.sigma[:rank] > noise * np.max(self.sigma, initial=0.0)
        best = (self._left[:, :rank] * self.sigma[:rank])[:, kept]
        A = self._basis @ (best / self._lengths[:, None])
        A = A @ (self._right[:rank][kept] / self._root)
        return A, int(kept.sum()), self._y_mean - self._x_mean @ A

    def excess(self, A, rank):
        """Return by how much F at A, and the best b, is above the least of the rank."""
        exact = np.asarray(A, dtype=np.float64) * self._root
        inside = self._basis.T @ exact
        Z = self._left.T @ (self._lengths[:, None] * inside) @ self._right.T
        best = np.diag(np.where(np.arange(len(self.sigma)) < rank, self.sigma, 0.0))
        rest = np.diag(self.sigma) - best
        # a square, and what A has in common with the rest, which is 0 at the optimum
        found = 0.5 * np.sum((Z - best) ** 2) - np.vdot(Z, rest)
        across = self._lengths[:, None] * inside
        found += 0.5 * (np.sum(across**2) - np.sum(Z**2))
        found += 0.5 * self._ridge * np.sum((exact - self._basis @ inside) ** 2)
        return max(float(found), 0.0)


def _columns(row):
    return np.asarray(row, dtype=np.float64).ravel()


def _spectrum(X, mean, v, targets):
    """Return eigenvectors and values of H, and the moments of the targets in these.

    Without those of 0, by the singular values of the rows: nothing is squared.
    """
    root = np.sqrt(v)[:, None]
    left, sigma, right = np.linalg.svd(root * (X - mean), full_matrices=False)
    noise = max(X.shape) * np.finfo(X.dtype).eps * np.max(sigma, initial=0.0)
    kept = sigma > noise
    moments = sigma[kept, None] * (left[:, kept].T @ (root * targets))
    return right[kept].T, sigma[kept] ** 2, moments


def _sparse_spectrum(X, mean, v, targets):
    """The same by H itself, which sparse rows make without being densified."""
    gram = (X.T @ (X * v[:, None])).toarray() - np.outer(mean, mean)
    bend, vectors = np.linalg.eigh(gram)
    largest = np.max(np.abs(np.diag(gram + np.outer(mean, mean))), initial=0.0)
    kept = bend > len(gram) * _EPS * largest
    weighted = v[:, None] * targets
    moments = X.T @ weighted - np.outer(mean, weighted.sum(axis=0))
    return vectors[:, kept], bend[kept], vectors[:, kept].T @ moments
