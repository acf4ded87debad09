"""Newton's method on the face of a row penalty: its smooth part around a point."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from mtlreg._numba import njit

_RESIDUAL = 1e-4  # to which the linear system is solved, as a share of its right side
_MOST_PRODUCTS = 20  # with the Hessian, for one step
_LEAST_PIVOT = 1e-11  # of a diagonal; below, an unknown stays 0


def newton_step(hessian, face, damping, gradient):
    """Return a damped Newton step along the face of a penalty.

    The step d solves ``P (H + K + damping D) P d = -P (g + s)``, with H the Hessian of
    a quadratic and g its gradient, P the projection to the face, K and s the second and
    first derivative of the penalty on it, and D the diagonal of ``diag(s / a) + H``.

    Parameters
    ----------
    hessian : Statistics
        H.
    face : Face
    damping : float
    gradient : ndarray of shape (k, n_tasks)
        g.

    Returns
    -------
    ndarray of shape (k, n_tasks)

    Raises
    ------
    LinAlgError
        If rounding makes a matrix indefinite; a larger ``damping`` helps.
    """
    bend = face.bend + damping * (face.ratio + hessian.diagonal())
    damped = face._replace(bend=bend)
    if hessian.common and face.free.all() and np.all(bend == bend[:, :1]):
        inverse = _CommonInverse(hessian, damped)
    else:
        inverse = _FaceInverse(hessian, damped)
    return _conjugate_gradients(hessian, damped, gradient, inverse)


def _conjugate_gradients(hessian, face, gradient, inverse):
    """Return the solution of the Newton system, from one that is nearly its inverse."""
    step = np.zeros_like(gradient)
    residual = -face.project(gradient + face.slope)
    along = shaped = inverse.solve(residual)
    size = first = np.vdot(residual, shaped)
    for _ in range(_MOST_PRODUCTS):
        whole = face.project(hessian.multiply(along) + face.curve(along))
        bend = np.vdot(along, whole)
        if not bend > 0:
            break
        share = size / bend
        step += share * along
        residual -= share * whole
        shaped = inverse.solve(residual)
        before, size = size, np.vdot(residual, shaped)
        if not size > _RESIDUAL**2 * first:
            break
        along = shaped + (size / before) * along
    return step


class _CommonInverse:
    """The inverse of ``M - W W'`` with one matrix M for all tasks.

    W has one column a row of A; by the formula of Woodbury.

    Parameters
    ----------
    hessian : Statistics
    face : Face
    """

    def __init__(self, hessian, face):
        self._w = face.direction
        inverse, self._apply = hessian.shifted_inverse(face.bend[:, 0])
        schur = -inverse * (self._w @ self._w.T)
        schur[np.diag_indices_from(schur)] += 1.0
        self._schur = cho_factor(schur, overwrite_a=True, check_finite=False)

    def solve(self, r):
        """Return the inverse times r, (k, n_tasks)."""
        u = self._apply(r)
        c = cho_solve(self._schur, np.sum(self._w * u, axis=1), check_finite=False)
        return u + self._apply(self._w * c[:, None])


class _FaceInverse:
    """The inverse of ``P (H + K) P``, by the blocks of tasks and a border of rows.

    On the free entries the matrix is ``M - W W'`` with ``M_t = H_t + diag(bend_t)`` and
    one column of W a row; the ties add one unknown a row. With an unknown c_j for each
    of both it is bordered, ``[M B; B' C]``, and c solves the Schur complement
    ``C - sum_t B_t' M_t^-1 B_t``.

    Parameters
    ----------
    hessian : Statistics
    face : Face
    """

    def __init__(self, hessian, face):
        self._face = face
        free, w, e = face.free, face.direction, face.tied
        H = hessian.stacked()
        self._factor = H * (free[:, None] * free)
        diagonal = np.einsum("jjt->jt", self._factor)
        diagonal += np.where(free > 0, face.bend, 1.0)
        _factorise(self._factor, _LEAST_PIVOT)
        # columns of the border first: (row, entry, task)
        self._border = e[:, None] * H * free
        corner = np.einsum("jlt,lt->jl", e[:, None] * H, e)
        inner = np.einsum("jjt->jt", self._border)
        inner += w
        diagonal = np.einsum("jj->j", corner)
        diagonal += np.where(e.any(axis=1), np.sum(e**2 * face.bend, axis=1), 1.0)
        self._solved = self._border.copy()
        for column in self._solved:
            _solve(self._factor, column)
        flat = (len(e), -1)
        taken = self._border.reshape(flat) @ self._solved.reshape(flat).T
        self._schur = np.linalg.pinv(corner - taken, rcond=_LEAST_PIVOT, hermitian=True)

    def solve(self, r):
        """Return the inverse times r (k, n_tasks), both on the face."""
        tied, u = self._face.tied, self._face.free * r
        _solve(self._factor, u)
        pulled = np.sum(tied * r, axis=1)
        c = self._schur @ (pulled - np.tensordot(self._border, u))
        return u - np.tensordot(c, self._solved, 1) + tied * c[:, None]


@njit
def _factorise(matrices, least):
    # L D L' of all symmetric matrices (k, k, T) at once, in place: D on the diagonal, L
    # below; a pivot that is next to nothing becomes inf, which keeps its unknown at 0
    k, _, n_tasks = matrices.shape
    first = np.empty((k, n_tasks), dtype=matrices.dtype)
    for j in range(k):
        for t in range(n_tasks):
            first[j, t] = matrices[j, j, t]
    for j in range(k):
        for t in range(n_tasks):
            if not matrices[j, j, t] > least * first[j, t]:
                matrices[j, j, t] = np.inf
        for i in range(j + 1, k):
            # what is above the diagonal keeps L D while it is needed
            for t in range(n_tasks):
                matrices[j, i, t] = matrices[i, j, t]
                matrices[i, j, t] /= matrices[j, j, t]
        for i in range(j + 1, k):
            for p in range(j + 1, i + 1):
                for t in range(n_tasks):
                    matrices[i, p, t] -= matrices[i, j, t] * matrices[j, p, t]


@njit
def _solve(factor, x):
    # x (k, T) becomes the solution, for the factors that `_factorise` leaves
    k, n_tasks = x.shape
    for j in range(k):
        for i in range(j + 1, k):
            for t in range(n_tasks):
                x[i, t] -= factor[i, j, t] * x[j, t]
    for j in range(k):
        for t in range(n_tasks):
            x[j, t] /= factor[j, j, t]
    for j in range(k - 1, -1, -1):
        for i in range(j):
            for t in range(n_tasks):
                x[i, t] -= factor[j, i, t] * x[j, t]
