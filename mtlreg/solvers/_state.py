"""The state of a model of some rows of A: its epochs, values, gradient and gap."""

import itertools

import numpy as np

from mtlreg._numba import njit, source_digest
from mtlreg.problem import costs
from mtlreg.problem.free import FreeMoves, FreeOnStatistics
from mtlreg.problem.problem import nonnegative
from mtlreg.problem.statistics import Statistics
from mtlreg.problem.terms import StatisticsTerm
from mtlreg.solvers._accelerated import accelerated
from mtlreg.solvers._blocks import (
    gradient_row,
    half_square,
    move_row,
    run_epoch,
)
from mtlreg.solvers._hessians import make_hessian

_ROUNDING = 500  # units in the last place of the objective that mean nothing
_ABOVE_POWER = 1.1  # Lipschitz constant over what some power steps find


def _build_gradients(salt):
    @njit
    def gradients(columns, out):
        salt  # noqa: B018  (in the cache key, see njit)
        for j in range(out.shape[0]):
            gradient_row(columns, j, out[j])

    return gradients


def _build_half_square(salt):
    @njit
    def kept_half_square(columns):
        salt  # noqa: B018
        return half_square(columns)

    return kept_half_square


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
_half_square = _build_half_square(source_digest())
_move = _build_move(source_digest())


class ModelState:
    """Weighted least squares in some rows of A, plus a row penalty.

    The model is ``1/2 sum w (r + x . D + b)^2 + penalty(A)`` with D the change of A
    since the model was made and b the intercepts that are best for it.

    Parameters
    ----------
    columns : NamedTuple of `mtlreg.solvers._blocks`
        With its state at A.
    curvature : ndarray of shape (k, n_tasks)
    penalty : Penalty
        A sum over rows with a polar.
    A : ndarray of shape (k, n_tasks)
        Changed in place.
    gradient : ndarray of shape (k, n_tasks)
        Of the quadratic part at A.
    loss : float
        ``1/2 sum w r^2``.

    Attributes
    ----------
    variables : tuple of ndarray
        A, and what the columns keep up to date with it: affine in A.
    hessian : object
        Of the quadratic part, see `make_hessian`.
    n_epochs : int
        Epochs so far.
    rounding : float
        Share of the objective that means nothing.
    """

    def __init__(self, columns, curvature, penalty, A, gradient, loss):
        self.curvature, self.penalty, self.A = curvature, penalty, A
        self._params = penalty.row_params
        self._buffers = np.empty((7, A.shape[1]), dtype=A.dtype)
        self.n_epochs = 0
        self.rounding = _ROUNDING * float(np.finfo(A.dtype).eps)
        self.keep(columns, gradient, loss)

    def keep(self, columns, gradient, loss):
        """Go on from A with some columns, of which the gradient and loss are given."""
        names = ("gradient", "residual", "intercept")
        state = (getattr(columns, n) for n in names if n in columns._fields)
        self.variables = self.A, *state
        self.columns, self.hessian = columns, make_hessian(columns)
        self._free = self._free_directions()
        self._begin(gradient, loss)

    def _free_directions(self):
        """Return what minimises over rows that nothing penalises, or None."""
        free = self.penalty.free_rows
        if free is None or self.penalty.ridge_of_free_rows:
            return None
        shape = np.count_nonzero(free), self.A.shape[1]
        moves = FreeMoves(shape, np.zeros((shape[1], 0)), rows=np.full(shape[0], True))
        return FreeOnStatistics(self.hessian.take(np.flatnonzero(free)), moves)

    @property
    def by_gram(self):
        """Whether the gradient is kept, and not the residual."""
        return "gradient" in self.columns._fields

    @property
    def sparse(self):
        """Whether the columns are sparse."""
        return "data" in self.columns._fields

    def _begin(self, gradient, loss):
        self._loss = loss
        if self.by_gram:
            self._first = self.A.copy()
            self._first_gradient = gradient.astype(self.A.dtype)

    def put_right(self, gradient, loss):
        """Take the rounding of many epochs off a gradient that is kept.

        Parameters
        ----------
        gradient : ndarray of shape (k, n_tasks)
        loss : float
            Of the quadratic part at A.
        """
        self.columns.gradient[...] = gradient
        self._begin(gradient, loss)

    def start_evenly(self, n_steps):
        """Take some proximal gradient steps, if there are Gram matrices.

        They treat rows of collinear features alike, whereas the first one would take
        all when rows are solved one after the other.
        """
        if not self.by_gram:
            return
        gram, scale = self.columns.gram, getattr(self.columns, "scale", None)
        start = self.columns.gradient.astype(np.float64)
        exact = Statistics(gram.astype(np.float64, copy=False), scale, None)
        # of a quadratic that is 0 at A = 0
        start -= exact.multiply(self.A)
        exact.moments = -start
        # which grows where it is too small
        lipschitz = _ABOVE_POWER * exact.power_bound()
        steps = accelerated(
            StatisticsTerm(exact, 0.0), self.penalty, self.A.astype(float), lipschitz
        )
        *_, (A, Z, _) = itertools.islice(steps, n_steps)
        self.A[...] = A
        self.columns.gradient[...] = start + Z

    def gradient(self):
        """Return the gradient of the quadratic part at A, (k, n_tasks)."""
        if self.by_gram:
            return self.columns.gradient.copy()
        out = np.empty_like(self.A)
        _gradients(self.columns, out)
        return out

    def value(self):
        """Return the quadratic part at A."""
        if not self.by_gram:
            return float(_half_square(self.columns))
        move = self.A - self._first
        slopes = self.columns.gradient + self._first_gradient
        return self._loss + 0.5 * float(np.vdot(move, slopes))

    def values(self):
        """Return the quadratic part and the penalty at A."""
        return self.value(), self.penalty.value(self.A)

    def objective(self):
        """Return the model plus the penalty at A."""
        return sum(self.values())

    def gap(self, values=None):
        """Return the duality gap of the model at A, of its values where at hand."""
        value, penalty = self.values() if values is None else values
        gradient = self.gradient()
        rest, _, s, _ = self.penalty.gap(self.A, -gradient, penalty)
        sizes = self._loss + penalty, (self.A, gradient)
        if self._free is not None:
            shift, image = self._free.optimum(gradient[self.penalty.free_rows])
            rest += 0.5 * max(float(np.vdot(shift, image)), 0.0)
        value, rest = (nonnegative(x, *sizes, self.rounding) for x in (value, rest))
        return rest + (1 - s) ** 2 * value if value < np.inf else np.inf

    def epoch(self, active_only):
        """Solve for one row after the other, or for those that are not 0."""
        run_epoch(
            self.columns,
            self._params,
            self.curvature,
            self.A,
            active_only,
            self._buffers,
        )

    def follow(self, rows, moves):
        """Bring what is kept up to date after ``moves`` of some rows of A."""
        _move(self.columns, rows, moves, self._buffers[0])

    def epoch_cost(self, n_rows):
        """Return the multiply-adds of an epoch over some rows."""
        columns, (k, n_tasks) = self.columns, self.A.shape
        if self.by_gram:
            touched = k * n_tasks
        elif self.sparse:
            shared = columns.residual.ndim == 2
            touched = 2 * len(columns.data) * (n_tasks if shared else 1) / k
        else:
            touched = 2 * columns.residual.size
        return n_rows * (touched + n_tasks * costs.ROW)
