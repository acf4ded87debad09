"""Newton's method on the face of a row penalty: its smooth part around a point."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from mtlreg._numba import njit, njit_sums
from mtlreg.problem import costs
from mtlreg.problem.rows import equal_tasks, squares_of
from mtlreg.problem.statistics import StackedFactors

_RESIDUAL = 1e-4  # to which the linear system is solved, as a share of its right side
_MOST_PRODUCTS = 20  # with the Hessian, for one step
_LEAST_DAMPING = 1e-8
_LEAST_PIVOT = 1e-11  # of a diagonal; below, an unknown stays 0


def newton_step(hessian, face, damping, gradient):
    """Return a damped Newton step along the face of a penalty.

    The step d solves ``P (H + K + damping D) P d = -P (g + s)``, with H the Hessian of
    a quadratic and g its gradient, P the projection to the face, K and s the second and
    first derivative of the penalty on it, and ``D = diag(s / a + h_t)``, h_t the mean
    of the diagonal of H_t.

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
    # in the directions of H that gain nothing, the steps are the shortest
    size = np.mean(hessian.diagonal(), axis=0)
    bend = face.bend + max(damping, _LEAST_DAMPING) * (face.ratio + size)
    damped = face._replace(bend=bend)
    if isinstance(hessian, StackedFactors):
        kind = _SampleInverse
    else:
        kind = _CommonInverse if is_common(hessian, face) else _FaceInverse
    return _conjugate_gradients(hessian, damped, gradient, kind(hessian, damped))


def is_common(hessian, face):
    """Return whether the matrix of a Newton system is the same for all tasks."""
    bend = face.bend
    return bool(hessian.common and face.free.all() and np.all(bend == bend[:, :1]))


def _conjugate_gradients(hessian, face, gradient, inverse):
    """Return the solution of the Newton system, from one that is nearly its inverse."""
    step = np.zeros_like(gradient)
    residual = -face.project(gradient + face.slope)
    along = shaped = inverse.solve(residual)
    size = first = np.vdot(residual, shaped)
    if first < 0:
        raise np.linalg.LinAlgError("by rounding, the inverse is indefinite")
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


class _SampleInverse:
    """The inverse of ``P (C C' + K) P``, by matrices of the size of the samples.

    On the face, K has the inverse ``J = diag(f) + Q Q'`` with one column of Q a row. By
    the formula of Woodbury the whole one is ``J - J C S^-1 C' J`` with ``S = 1 + C' J
    C``: one matrix ``L_t L_t' = 1 + C_t' diag(f_t) C_t`` a task, plus ``B' B`` with the
    border ``B = Q' C``, which the same formula takes in.

    Parameters
    ----------
    hessian : StackedFactors
        The C_t.
    face : Face
    """

    def __init__(self, hessian, face):
        self._hessian = hessian
        free, bend, w = face.free, face.bend, face.direction
        self._free = np.divide(free, bend, out=np.zeros_like(bend), where=bend > 0)
        # diag(bend) - w w' is singular but for the damping
        left = 1 - np.sum(self._free * w**2, axis=1, keepdims=True)
        left = np.sqrt(np.maximum(left, np.finfo(bend.dtype).eps))
        size = np.sqrt(np.sum(face.tied**2 * bend, axis=1, keepdims=True))
        tied = np.divide(face.tied, size, out=np.zeros_like(bend), where=size > 0)
        self._along = self._free * w / left + tied
        rows = np.flatnonzero(self._along.any(axis=1))
        self._border, self._halves = hessian.factor[rows], []
        moving = np.count_nonzero(self._free, axis=0)
        for tasks, cells in equal_tasks(hessian.bounds, len(free), moving):
            half = self._half(tasks, cells)
            part = self._border[:, *cells] * self._along[rows][:, tasks, None]
            # (row, task, cell) and back, a product a task
            part = part.swapaxes(0, 1) @ half.swapaxes(1, 2)
            self._border[:, *cells] = part.swapaxes(0, 1)
            self._halves.append((cells, half))
        schur = self._border @ self._border.T
        schur[np.diag_indices_from(schur)] += 1.0
        self._schur = cho_factor(schur, overwrite_a=True, check_finite=False)

    def _half(self, tasks, cells):
        """Return ``L^-1`` for ``L L' = 1 + C' diag(f) C`` of tasks with as many cells.

        Of shape (m, size, size).
        """
        free = self._free[:, tasks]
        most = np.max(np.count_nonzero(free, axis=0))
        # rows that move first, for each task
        moving = np.argsort(free == 0, axis=0, kind="stable")[:most]
        root = np.sqrt(np.take_along_axis(free, moving, axis=0))
        if len(tasks) == 1:
            part = self._hessian.factor[moving[:, 0], cells[1]][:, None]
        else:
            part = self._hessian.factor[moving[:, :, None], cells[0]]
        part *= root[:, :, None]
        matrix = squares_of(part.transpose(1, 2, 0))
        matrix += np.eye(matrix.shape[1], dtype=matrix.dtype)
        return np.linalg.inv(np.linalg.cholesky(matrix))

    def _bent(self, r):
        """Return J r."""
        along = np.sum(self._along * r, axis=1, keepdims=True)
        return self._free * r + self._along * along

    def _by_task(self, r, transposed=False):
        """Return the ``L_t^-1 r_t`` or ``L_t^-T r_t``."""
        out = np.empty_like(r)
        for cells, half in self._halves:
            half = half.swapaxes(1, 2) if transposed else half
            out[cells] = (half @ r[cells][:, :, None])[:, :, 0]
        return out

    def solve(self, r):
        """Return the inverse times r (k, n_tasks), both on the face."""
        u = self._bent(r)
        z = self._by_task(self._hessian.image(u))
        z -= cho_solve(self._schur, self._border @ z, check_finite=False) @ self._border
        return u - self._bent(self._hessian.adjoint(self._by_task(z, transposed=True)))


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
        free, w, e = face.free, face.direction, face.tied
        H = np.ascontiguousarray(hessian.stacked())
        factors = _Factors if len(free) > costs.FACTORS_AT_ONCE else _FactorsAtOnce
        self._free, self._factors = free, factors(H, free, face.bend)
        rows = np.flatnonzero(np.any((w != 0) | (e != 0), axis=1))
        self._rows, self._tied = rows, e[rows]
        # columns of the border first: (row, entry, task)
        self._border = np.empty((rows.size, *free.shape), dtype=free.dtype)
        schur = np.empty((rows.size, rows.size), dtype=free.dtype)
        _write_border(H, free, w, e, rows, self._border, schur)
        diagonal = np.einsum("jj->j", schur)
        bend = np.sum(self._tied**2 * face.bend[rows], axis=1)
        diagonal += np.where(self._tied.any(axis=1), bend, 1.0)
        self._factors.forward(self._border)
        flat = self._border.reshape(rows.size, free.size)
        schur -= flat @ flat.T
        # as the factors of one task
        self._schur = schur[:, :, None]
        _factorise(self._schur, _LEAST_PIVOT)

    def solve(self, r):
        """Return the inverse times r (k, n_tasks), both on the face."""
        u = self._free * r
        self._factors.forward(u[None])
        c = np.sum(self._tied * r[self._rows], axis=1)
        c -= np.tensordot(self._border, u)
        _forward(self._schur, c[None, :, None])
        _backward(self._schur, c[:, None])
        u -= np.tensordot(c, self._border, 1)
        self._factors.backward(u)
        u[self._rows] += self._tied * c[:, None]
        return u


class _Factors:
    """Cholesky factors L L' of the matrices of tasks, on the free entries of each.

    Parameters
    ----------
    H : ndarray of shape (k, k, n_tasks)
    free, bend : ndarrays of shape (k, n_tasks)
    """

    def __init__(self, H, free, bend):
        self._parts = []
        for t in range(H.shape[2]):
            rows = np.flatnonzero(free[:, t])
            matrix = H[np.ix_(rows, rows, [t])][:, :, 0]
            matrix[np.diag_indices_from(matrix)] += bend[rows, t]
            factor = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
            self._parts.append((rows, factor))

    def forward(self, columns):
        """Replace columns (m, k, n_tasks), 0 where not free, by ``L^-1 columns``."""
        for t, (rows, factor) in enumerate(self._parts):
            right = columns[:, rows, t].T
            columns[:, rows, t] = solve_triangular(
                factor, right, lower=True, check_finite=False
            ).T

    def backward(self, x):
        """Replace x (k, n_tasks), 0 where not free, by ``L^-T x``."""
        for t, (rows, factor) in enumerate(self._parts):
            x[rows, t] = solve_triangular(
                factor, x[rows, t], lower=True, trans="T", check_finite=False
            )


class _FactorsAtOnce:
    """The same for small matrices, all tasks at once."""

    def __init__(self, H, free, bend):
        self._factor = np.empty_like(H)
        _write_shifted(H, free, bend, self._factor)
        _factorise(self._factor, _LEAST_PIVOT)

    def forward(self, columns):
        _forward(self._factor, columns)

    def backward(self, x):
        _backward(self._factor, x)


@njit_sums
def _write_border(H, free, w, tied, rows, border, corner):
    # border_rlt = tied_jt H_jlt free_lt + w_jt [l = j] with j the row r of the border,
    # corner_rs = sum_t tied_jt H_jlt tied_lt with l the row s
    k, n_tasks = free.shape
    for r in range(rows.size):
        j = rows[r]
        for i in range(k):
            for t in range(n_tasks):
                border[r, i, t] = tied[j, t] * H[j, i, t] * free[i, t]
        for t in range(n_tasks):
            border[r, j, t] += w[j, t]
        for s in range(rows.size):
            total = 0.0
            for t in range(n_tasks):
                total += tied[j, t] * H[j, rows[s], t] * tied[rows[s], t]
            corner[r, s] = total


@njit
def _write_shifted(H, free, bend, out):
    # the lower triangles of H_t + diag(bend_t) on the free entries, 1 elsewhere
    k, n_tasks = free.shape
    for i in range(k):
        for j in range(i + 1):
            for t in range(n_tasks):
                out[i, j, t] = H[i, j, t] * free[i, t] * free[j, t]
        for t in range(n_tasks):
            out[i, i, t] += bend[i, t] if free[i, t] > 0 else 1.0


@njit
def _factorise(matrices, least):
    # Cholesky factors of all symmetric matrices (k, k, T) at once, in place, with the
    # inverse of their diagonals; of a pivot that is next to nothing it is 0, and so are
    # the entries below, which keeps its unknown at 0
    k, _, n_tasks = matrices.shape
    smallest = np.empty((k, n_tasks), dtype=matrices.dtype)
    for j in range(k):
        for t in range(n_tasks):
            smallest[j, t] = least * matrices[j, j, t]
    for j in range(k):
        for t in range(n_tasks):
            pivot = matrices[j, j, t]
            matrices[j, j, t] = 1 / np.sqrt(pivot) if pivot > smallest[j, t] else 0.0
        for i in range(j + 1, k):
            for t in range(n_tasks):
                matrices[i, j, t] *= matrices[j, j, t]
        for i in range(j + 1, k):
            for p in range(j + 1, i + 1):
                for t in range(n_tasks):
                    matrices[i, p, t] -= matrices[i, j, t] * matrices[p, j, t]


@njit
def _forward(factor, columns):
    # columns (m, k, T) become L^-1 columns, for the factors that `_factorise` leaves;
    # two at a time, for the factors are much to read
    m, k, n_tasks = columns.shape
    for p in range(0, m, 2):
        x = columns[p]
        y = columns[p + 1] if p + 1 < m else np.zeros_like(x)
        first = 0
        while first < k and not (np.any(x[first]) or np.any(y[first])):
            first += 1
        for i in range(first, k):
            xi, yi = x[i], y[i]
            for j in range(first, i):
                left, xj, yj = factor[i, j], x[j], y[j]
                for t in range(n_tasks):
                    xi[t] -= left[t] * xj[t]
                    yi[t] -= left[t] * yj[t]
            inverse = factor[i, i]
            for t in range(n_tasks):
                xi[t] *= inverse[t]
                yi[t] *= inverse[t]


@njit
def _backward(factor, x):
    # x (k, T) becomes L^-T x
    k, n_tasks = x.shape
    for j in range(k - 1, -1, -1):
        for t in range(n_tasks):
            x[j, t] *= factor[j, j, t]
        for i in range(j):
            for t in range(n_tasks):
                x[i, t] -= factor[j, i, t] * x[j, t]
