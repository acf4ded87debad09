"""Models of some rows of A: built from a design, solved to a duality gap."""

import itertools

import numpy as np
import scipy.sparse as sp

from mtlreg._numba import njit, source_digest
from mtlreg._statistics import Factors, Statistics
from mtlreg.solvers import _blocks
from mtlreg.solvers._accelerated import accelerated
from mtlreg.solvers._blocks import gradient_row, move_row, run_epochs
from mtlreg.solvers._newton import newton_step
from mtlreg.terms import StatisticsTerm

_STRIDE = 8  # epochs from one extrapolation and gap check to the next
_PATIENCE = 20  # gap checks without progress, which then is rounding error
_NEWTON_STEPS = 8  # most in a row
_HALVINGS = 7  # of a step that does not make the objective fall
_RATE = 0.1  # at which the logarithm of the gap is taken to fall in the first epochs
_EXPECTED_STEPS = 4  # of Newton's method, for the choice between them and epochs
_BLAS = 2  # multiply-adds of a library while the loops of an epoch make one
_ROW = 20  # multiply-adds that solving for one entry of a row is worth
_EXPECTED_EPOCHS = 40  # for the choice between Gram matrices and residuals
_GRAM_BYTES = 2**30  # most that Gram matrices of a block may take


def _build_gradients(salt):
    @njit
    def gradients(columns, rows, out):
        salt  # noqa: B018  (in the cache key, see njit)
        for i in range(rows.size):
            gradient_row(columns, rows[i], out[i])

    return gradients


def _build_move(salt):
    @njit
    def move(columns, rows, D, scratch):
        salt  # noqa: B018
        for i in range(rows.size):
            for t in range(scratch.size):
                scratch[t] = D[i, t]
            move_row(columns, rows[i], scratch)

    return move


_gradients = _build_gradients(source_digest())
_move = _build_move(source_digest())


class RowModel:
    """Weighted least squares in some rows of A, plus a row penalty.

    The model is ``1/2 sum w (r + x . D + b)^2 + penalty(A)`` with D the change of A
    since the model was made and b the intercepts that are best for it.

    Parameters
    ----------
    columns : NamedTuple of `mtlreg.solvers._blocks`
        With its state at A.
    curvature : ndarray of shape (k, n_tasks)
    penalty : RowPenalty
        A gauge.
    A : ndarray of shape (k, n_tasks)
        Changed in place.
    loss : float
        ``1/2 sum w r^2``.
    """

    def __init__(self, columns, curvature, penalty, A, loss):
        self.columns, self.curvature = columns, curvature
        self.penalty, self.A = penalty, A
        self._buffers = np.empty((3, A.shape[1]), dtype=A.dtype)
        names = ("gradient", "residual", "intercept")
        self._state = [getattr(columns, n) for n in names if n in columns._fields]
        self.n_epochs, self._damping = 0, 0.1
        self._begin(loss)

    def _begin(self, loss):
        self._first, self._loss = self.A.copy(), loss
        self._first_gradient = self.gradient()

    def renewed(self, gradient, loss):
        """Take the rounding of many epochs off the state; return whether it could be.

        Only Gram matrices outlast their state; a residual is as well built anew.

        Parameters
        ----------
        gradient : ndarray of shape (k, n_tasks)
            At A, exact.
        loss : float
            Of the quadratic part at A.
        """
        if "gradient" not in self.columns._fields:
            return False
        self.columns.gradient[...] = gradient
        self._begin(loss)
        return True

    def start_evenly(self, n_steps):
        """Take some proximal gradient steps, if there are Gram matrices, from A = 0.

        They treat rows of collinear features alike, whereas the first one would take
        all when rows are solved one after the other.
        """
        if "gradient" not in self.columns._fields:
            return
        gram, scale = self.columns.gram, getattr(self.columns, "scale", None)
        start = self.columns.gradient.astype(np.float64)
        term = StatisticsTerm(Statistics(gram.astype(np.float64), scale, -start), 0.0)
        steps = accelerated(term, self.penalty, self.A.astype(np.float64))
        *_, (A, Z, _) = itertools.islice(steps, n_steps)
        self.A[...] = A
        self.columns.gradient[...] = start + Z

    def gradient(self):
        """Return the gradient of the quadratic part at A, (k, n_tasks)."""
        out = np.empty_like(self.A)
        _gradients(self.columns, np.arange(len(out)), out)
        return out

    def _value(self, gradient):
        """Return the quadratic part at A, given its gradient there."""
        move = self.A - self._first
        return self._loss + 0.5 * float(np.vdot(move, gradient + self._first_gradient))

    def gap(self):
        """Return the duality gap of the model at A."""
        gradient = self.gradient()
        polar = self.penalty.polar(gradient)
        s = 1.0 if polar <= 1 else 1.0 / polar
        rest = self.penalty.value(self.A) + s * float(np.vdot(self.A, gradient))
        return (1 - s) ** 2 * max(self._value(gradient), 0.0) + max(rest, 0.0)

    def solve(self, target, max_epochs):
        """Run epochs until the gap of the model is at most ``target``, or stalls."""
        stop = self.n_epochs + max_epochs
        best, idle, gap = np.inf, 0, np.inf
        while self.n_epochs < stop and idle < _PATIENCE:
            before = gap
            self._stride(min(_STRIDE, stop - self.n_epochs))
            gap = self.gap()
            if gap > target and self._newton_pays(before, gap, target):
                self._newton(target)
                gap = self.gap()
            if gap <= target:
                break
            idle = 0 if gap < 0.9 * best else idle + 1
            best = min(best, gap)

    def _stride(self, n_epochs):
        """Some epochs, all but the first over the active rows, and an extrapolation."""
        points = [self._copy()]
        for epoch in range(n_epochs):
            self._epoch(active_only=epoch > 0)
            points.append(self._copy())
        self.n_epochs += n_epochs
        self._extrapolate(points)

    def _epoch(self, active_only):
        run_epochs(
            self.columns,
            self.penalty.row_params,
            self.curvature,
            self.A,
            1,
            active_only,
            self._buffers,
        )

    def _copy(self):
        return [array.copy() for array in (self.A, *self._state)]

    def _assign(self, arrays):
        for array, value in zip((self.A, *self._state), arrays, strict=True):
            array[...] = value

    def _extrapolate(self, points):
        """Anderson extrapolation, kept if the objective falls.

        The mix sum_i c_i A_i with sum_i c_i = 1 that makes the mix of the last moves
        smallest (Bertrand, Massias, 2021, Anderson acceleration of coordinate descent,
        algorithm 2); the state is affine in A and mixed alike.
        """
        moves = np.diff(np.stack([p[0].ravel() for p in points]), axis=0)
        # in units of the largest, against overflow
        moves = moves / max(np.abs(moves).max(), np.finfo(moves.dtype).tiny)
        products = (moves @ moves.T).astype(np.float64)
        size = np.trace(products)
        if not size > 0:
            return
        products += 1e-9 * size * np.eye(len(moves))
        mix = np.linalg.solve(products, np.ones(len(moves)))
        mix /= mix.sum()
        before = self._objective()
        self._assign(
            [
                sum(c * array for c, array in zip(mix, arrays, strict=True))
                for arrays in zip(*points[1:], strict=True)
            ]
        )
        # by more than rounding, which must not decide: copies of rows, as weights
        # instead, would otherwise take another path
        if not self._objective() < before - 1e-13 * abs(before):
            self._assign(points[-1])

    def _newton(self, target):
        """Newton steps on the active rows, while the objective falls by enough.

        A step that was too long makes the next one more damped.
        """
        for _ in range(_NEWTON_STEPS):
            active = np.flatnonzero(np.any(self.A != 0, axis=1))
            share, fall = self._newton_step(active)
            if fall <= 1e-3 * target:
                break
            self._damping = min((10 if share < 1 else 0.1) * self._damping, 1.0)

    def _newton_step(self, active):
        """Take one step; return the share of it and by how much the objective fell."""
        A, gradient = self.A[active], self.gradient()
        value, hessian = self.penalty.value(A), self._hessian(active)
        noise = 1e-13 * abs(self._value(gradient) + value)
        gradient = gradient[active]
        try:
            step = newton_step(hessian, self.penalty.face(A), self._damping, gradient)
        except np.linalg.LinAlgError:
            self._damping = min(100 * self._damping, 1.0)
            return 0.0, 0.0
        for halving in range(_HALVINGS):
            share = A.dtype.type(0.5**halving)
            move = self.penalty.retract(A, A + share * step) - A
            change = np.vdot(move, gradient + 0.5 * hessian.multiply(move))
            change += self.penalty.value(A + move) - value
            # near the optimum, the gap still falls where the objective cannot
            if change < (noise if halving == 0 else -noise):
                self.A[active] += move
                _move(self.columns, active, move, self._buffers[0])
                return share, -change
        self._damping = min(100 * self._damping, 1.0)
        return 0.0, 0.0

    def _hessian(self, rows):
        """Return the `Statistics` of the quadratic part in some rows."""
        columns = self.columns
        scale = getattr(columns, "scale", None)
        if "gradient" in columns._fields:
            return Statistics(columns.gram, scale, None).restrict(rows)
        factor = columns.columns[rows]
        if factor.shape[1] < factor.shape[0]:
            return Factors(factor, scale)
        return Statistics(factor @ factor.T, scale, None)

    def _newton_pays(self, before, gap, target):
        """Return whether Newton steps cost less than the epochs to come.

        Both are counted in multiply-adds of the epochs' loops, the epochs by how the
        gap fell in the last stride.
        """
        columns, n_tasks = self.columns, self.A.shape[1]
        active = np.count_nonzero(np.any(self.A != 0, axis=1))
        if isinstance(columns, _blocks.StackedGram):
            length, step = len(self.A), 2.5 * active**3 * n_tasks
        elif isinstance(columns, _blocks.SharedGram):
            length, step = len(self.A), 2.5 * active**3 / _BLAS
        elif isinstance(columns, _blocks.Rows) and not columns.starts.any():
            length = 2 * columns.columns.shape[1]
            inner = 2 * min(active, columns.columns.shape[1]) + active / 3
            step = active**2 * inner / _BLAS
        else:
            return False
        epoch = active * n_tasks * (length + _ROW)
        rate = _RATE
        if before < np.inf:
            rate = max(np.log(before / gap) / _STRIDE, 1e-3)
        return _EXPECTED_STEPS * step <= np.log(gap / target) / rate * epoch

    def _objective(self):
        return self._value(self.gradient()) + self.penalty.value(self.A)


def make_model(term, penalty, rows, A, certificate, weight=None):
    """Return the `RowModel` of the data term at a point.

    Parameters
    ----------
    term : DataTerm
    penalty : RowPenalty
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
    design = term.design
    fixed = weight is None
    weight = term.v if fixed else weight
    slopes = certificate.slopes
    residual = np.divide(slopes, weight, out=np.zeros_like(slopes), where=weight > 0)
    block = _Block(term, rows, weight, residual, fixed, A.dtype)
    if block.gram_pays():
        columns, curvature = block.gram(certificate.gradient[rows])
    else:
        columns, curvature = block.rows()
    curvature = np.ascontiguousarray(curvature, dtype=A.dtype)
    curvature[design.square_norms[rows] == 0] = 0.0
    loss = 0.5 * float(np.sum(slopes * residual))
    return RowModel(columns, curvature, penalty, np.ascontiguousarray(A[rows]), loss)


class _Block:
    """The columns of some features under weights, in every form a model may take."""

    def __init__(self, term, rows, weight, residual, fixed, dtype):
        self.design, self.dtype = term.design, dtype
        self.weight, self.residual = weight, residual
        self.index = rows
        self.centred = term.fit_intercept
        self.shared = self.design.cells.offsets is None
        self.sparse = sp.issparse(self.design.X)
        # one column of weights and one Gram matrix serve all tasks
        self.common = fixed and self.design.same_rows and not self.sparse
        self.totals = self.design.cells.sum(weight)

    def gram_pays(self):
        """Whether the gradient is cheaper to keep than the residual."""
        k, n_tasks = len(self.index), self.design.n_tasks
        cells = self.weight.size
        entries = k * cells
        if self.sparse:
            density = self.design.X.nnz / max(np.prod(self.design.X.shape), 1)
            entries *= density
        kept = k * k * (1 if self.common else n_tasks)
        building = k * entries / (n_tasks if self.common else 1)
        moving = _EXPECTED_EPOCHS * k * k * n_tasks
        fits = kept * np.dtype(self.dtype).itemsize <= _GRAM_BYTES
        return fits and building + moving <= 2 * _EXPECTED_EPOCHS * entries

    def _columns(self):
        columns = self.design.X[:, self.index].T
        return np.ascontiguousarray(columns, dtype=self.dtype)

    def _scaled(self):
        """Return dense centred columns times the roots of the weights, and the roots.

        Only for weights that rows carry: of stacked tasks, or common to all tasks.
        """
        columns = self._columns()
        if self.common:
            root = np.sqrt(self.weight[:, 0] / self.totals[0])
            return columns * root.astype(self.dtype), root
        bounds, root = self.design.cells.offsets, np.sqrt(self.weight)
        if self.centred:
            for t, (a, b) in enumerate(itertools.pairwise(bounds)):
                mean = columns[:, a:b] @ self.weight[a:b] / self.totals[t]
                columns[:, a:b] -= mean[:, None].astype(self.dtype)
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
            curvature = np.sum(columns**2, axis=1)[:, None] * scale
        else:
            bounds = design.cells.offsets
            starts = bounds[:-1]
            residual = self.residual * root
            scale = np.ones(design.n_tasks)
            curvature = np.add.reduceat(columns**2, bounds[:-1], axis=1)
        return _blocks.Rows(
            columns,
            starts,
            bounds,
            scale.astype(self.dtype),
            residual.astype(self.dtype),
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
        columns = design.columns[:, self.index].astype(self.dtype)
        parts = columns.data, columns.indices, columns.indptr
        state = (
            self.residual.astype(self.dtype),
            np.zeros(n_tasks, dtype=self.dtype),
        )
        weight = self.weight.astype(self.dtype)
        if self.shared:
            means = self._means(columns.T @ self.weight)
            squares = columns.power(2).T @ self.weight
            block = _blocks.SparseSharedRows(*parts, weight, means, *state)
        else:
            task = np.repeat(np.arange(n_tasks), np.diff(design.cells.offsets))
            spread = sp.csr_array(
                (self.weight, task, np.arange(len(task) + 1)),
                shape=(len(task), n_tasks),
            )
            means = self._means((columns.T @ spread).toarray())
            squares = (columns.power(2).T @ spread).toarray()
            block = _blocks.SparseStackedRows(*parts, task, weight, means, *state)
        return block, np.maximum(squares - self.totals * means**2, 0.0)

    def gram(self, gradient):
        """Return the block that keeps the gradient, and the curvature."""
        design = self.design
        gradient = np.ascontiguousarray(gradient, dtype=self.dtype)
        if self.common:
            columns, _ = self._scaled()
            gram = columns @ columns.T
            scale = self.totals.astype(self.dtype)
            diagonal = np.diag(gram)[:, None] * scale
            return _blocks.SharedGram(gram, scale, gradient), diagonal
        k = len(self.index)
        gram = np.empty((k, k, design.n_tasks), dtype=self.dtype)
        if self.shared or self.sparse:
            for t in range(design.n_tasks):
                weight = design.select(self.weight, t)
                gram[:, :, t] = design.gram(t, weight, self.index)
        else:
            columns, _ = self._scaled()
            for t, (a, b) in enumerate(itertools.pairwise(design.cells.offsets)):
                gram[:, :, t] = columns[:, a:b] @ columns[:, a:b].T
        diagonal = np.einsum("jjt->jt", gram)
        return _blocks.StackedGram(gram, gradient), diagonal


def _repeated(n_tasks, n):
    """Return the starts and bounds of tasks that all use the same n entries."""
    return np.zeros(n_tasks, dtype=np.intp), n * np.arange(n_tasks + 1)
