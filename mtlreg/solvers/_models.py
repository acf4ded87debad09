"""Models of some rows of A, solved to a duality gap."""

import itertools
import math

import numpy as np

from mtlreg._numba import njit, njit_sums, source_digest
from mtlreg.problem.problem import nonnegative
from mtlreg.problem.rows import nonzero_rows
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
from mtlreg.solvers._newton import newton_step

_STRIDE = 8  # most epochs from one extrapolation and gap check to the next
_LEAST_STRIDE = 2
_GATHERED = 16  # epochs with momentum from one look at their mean rate to the next
_PATIENCE = 20  # gap checks without progress, which then is rounding error
_NEWTON_STEPS = 8  # most in a row
_FALL = 1e-4  # of the objective in a Newton step, as a share of the gap, is nothing
_EPOCHS_AFTER = 2  # a Newton step, over the rows that are not 0
_HALVINGS = 7  # of a step that does not make the objective fall
_ROUNDING = 500  # units in the last place of the objective that mean nothing
_AGREEING = 2  # times the gap of a model is still what rounding leaves it at
_DAMPING = 0.01  # of the first Newton step
_LEAST_RATE = 1e-3  # of the fall of the logarithm of the gap in an epoch
_EXPECTED_STEPS = 4, 16  # of Newton's method, on a face that holds all moves, or not
_STEPS_FOR_MOMENTUM = 64  # which it has to be worth to be given up for
_CHEAP = 500_000  # multiply-adds of an epoch that take no longer than a gap check
_ROW = 20  # multiply-adds that solving for one entry of a row is worth
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


@njit
def _lead(array, last, lead, share):
    # array goes on by a share of its last move
    for i in range(array.size):
        lead[i] = share * (array[i] - last[i])
        last[i] = array[i]
        array[i] += lead[i]


@njit_sums
def _goes_back(array, last, lead):
    # whether what was done after the lead goes back on it
    total = 0.0
    for i in range(array.size):
        move = array[i] - last[i]
        total += (lead[i] - move) * move
    return total > 0.0


_gradients = _build_gradients(source_digest())
_half_square = _build_half_square(source_digest())
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
    gradient : ndarray of shape (k, n_tasks)
        Of the quadratic part at A.
    loss : float
        ``1/2 sum w r^2``.
    block : object, optional
        What knows, by `gram_pays` and `gram`, the same columns as Gram matrices; of
        columns that keep the residual.
    """

    def __init__(self, columns, curvature, penalty, A, gradient, loss, block=None):
        self.curvature, self.penalty, self.A = curvature, penalty, A
        self._block, self._params = block, penalty.row_params
        self._buffers = np.empty((3, A.shape[1]), dtype=A.dtype)
        self.n_epochs, self._stop = 0, 0
        self._damping, self._gap = _DAMPING, 0.0
        self._ties, self._uphill = penalty.ties(A.shape[1]), False
        self._rounding = _ROUNDING * float(np.finfo(A.dtype).eps)
        self._keep(columns, gradient, loss)

    def _keep(self, columns, gradient, loss):
        """Go on from A with some columns, of which the gradient and loss are given."""
        names = ("gradient", "residual", "intercept")
        self._state = [getattr(columns, n) for n in names if n in columns._fields]
        self.columns, self._hessian = columns, make_hessian(columns)
        self._halt()
        self._begin(gradient, loss)

    @property
    def _by_gram(self):
        """Whether the gradient is kept, and not the residual."""
        return "gradient" in self.columns._fields

    @property
    def _sparse(self):
        """Whether the columns are sparse."""
        return "data" in self.columns._fields

    def _begin(self, gradient, loss):
        self._loss = loss
        if self._by_gram:
            self._first = self.A.copy()
            self._first_gradient = gradient.astype(self.A.dtype)

    def renewed(self, gap, gradient, loss):
        """Return whether the state is free of the rounding of many epochs.

        A gradient is put right. A residual is as well built anew, but lasts while the
        gap is what it was taken to be.

        Parameters
        ----------
        gap : float
            At A, exact as all that follows.
        gradient : ndarray of shape (k, n_tasks)
        loss : float
            Of the quadratic part at A.
        """
        if not self._by_gram:
            return gap <= _AGREEING * self._gap
        self.columns.gradient[...] = gradient
        self._begin(gradient, loss)
        return True

    def start_evenly(self, n_steps):
        """Take some proximal gradient steps, if there are Gram matrices, from A = 0.

        They treat rows of collinear features alike, whereas the first one would take
        all when rows are solved one after the other.
        """
        if not self._by_gram:
            return
        gram, scale = self.columns.gram, getattr(self.columns, "scale", None)
        start = self.columns.gradient.astype(np.float64)
        exact = Statistics(gram.astype(np.float64, copy=False), scale, -start)
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
        if self._by_gram:
            return self.columns.gradient.copy()
        out = np.empty_like(self.A)
        _gradients(self.columns, out)
        return out

    def _value(self):
        """Return the quadratic part at A."""
        if not self._by_gram:
            return float(_half_square(self.columns))
        move = self.A - self._first
        slopes = self.columns.gradient + self._first_gradient
        return self._loss + 0.5 * float(np.vdot(move, slopes))

    def _values(self):
        """Return the quadratic part and the penalty at A."""
        return self._value(), self.penalty.value(self.A)

    def objective(self):
        """Return the model plus the penalty at A."""
        return sum(self._values())

    def gap(self, values=None):
        """Return the duality gap of the model at A, of its values where at hand."""
        value, penalty = self._values() if values is None else values
        gradient = self.gradient()
        polar = self.penalty.polar(gradient)
        s = 1.0 if polar <= 1 else 1.0 / polar
        rest = penalty + s * float(np.vdot(self.A, gradient))
        sizes = self._loss + penalty, (self.A, gradient)
        value, rest = (nonnegative(x, *sizes, self._rounding) for x in (value, rest))
        return rest + (1 - s) ** 2 * value if value < np.inf else np.inf

    def solve(self, target, aim, max_epochs, gap, rate):
        """Run epochs until the gap of the model is at most ``target``, or stalls.

        Parameters
        ----------
        target : float
        aim : float
            Of Newton steps, at most the target.
        max_epochs : int
        gap : float
            At A, or of the whole problem there.
        rate : float
            At which the logarithm of the gap is expected to fall in an epoch.

        Returns
        -------
        rate : float
            As it fell in the last epochs.
        """
        self._stop = self.n_epochs + max_epochs
        best, idle, values, self._gap = np.inf, 0, None, 0.0
        while self.n_epochs < self._stop and idle < _PATIENCE:
            before, rest = gap, self._stop - self.n_epochs
            n_epochs = min(self._epochs_to(target, gap, rate), rest)
            self.n_epochs += n_epochs
            if self._rolls:
                values = self._epochs_with_momentum(n_epochs, values or self._values())
                if self._uphill:
                    continue
            else:
                values = self._extrapolated_epochs(n_epochs)
            gap = self.gap(values)
            if gap == np.inf:
                break
            if gap <= target:
                self._gap = gap
                return np.log(before / max(gap, 1e-3 * target)) / n_epochs
            # what is no better than before a Newton step only mends what that broke
            rate = max(np.log(min(before, best) / gap) / n_epochs, _LEAST_RATE)
            if self._grams_pay(rate, gap, target):
                gradient = self.gradient()
                columns, _ = self._block.gram(gradient)
                self._keep(columns, gradient, self._value())
            if self._rolls and self._rolled is None:
                self._rolled = self.n_epochs, gap
            if self._newton_pays(rate, gap, aim, n_epochs):
                self._newton(aim)
                gap, values = self.gap(), None
            if gap <= target:
                self._gap = gap
                break
            idle = 0 if gap < 0.9 * best else idle + 1
            best = min(best, gap)
        return rate

    def _epochs_to(self, target, gap, rate):
        """Return the length of a stride: short where few epochs are expected to do.

        Else it is enough to extrapolate from, as it is where epochs cost next to
        nothing.
        """
        expected = max(_LEAST_STRIDE, np.ceil(np.log(gap / target) / rate))
        short = 2 * expected <= _STRIDE
        cheap = self._epoch_cost(len(self.A)) < _CHEAP
        return int(expected) if short and not cheap else _STRIDE

    def _epoch_cost(self, n_rows):
        """Return the multiply-adds of an epoch over some rows."""
        columns, (k, n_tasks) = self.columns, self.A.shape
        if self._by_gram:
            touched = k * n_tasks
        elif self._sparse:
            shared = columns.residual.ndim == 2
            touched = 2 * len(columns.data) * (n_tasks if shared else 1) / k
        else:
            touched = 2 * columns.residual.size
        return n_rows * (touched + n_tasks * _ROW)

    @property
    def _rolls(self):
        """Whether epochs take momentum, instead of mixing and Newton's method.

        Where entries of a row are tied, the pieces of the penalty change too often for
        what takes it to be smooth.
        """
        return self._ties and not self._uphill

    def _halt(self):
        """Give up momentum that was gathered."""
        self._momentum, self._last, self._rolled = 1.0, None, None

    def _epochs_with_momentum(self, n_epochs, values):
        """Epochs from where the last two lead, taken back if the objective grows.

        With Nesterov's sequence, begun anew when it points uphill (O'Donoghue, Candes,
        2015, Adaptive restart for accelerated gradient schemes, eq. 12). Epochs need
        not converge with it: it is given up when they do not.

        Returns the values at A, given those before.
        """
        # views, whatever the order
        flat = [array.ravel(order="K") for array in (self.A, *self._state)]
        start = [array.copy() for array in flat]
        if self._last is None:
            self._last = [array.copy() for array in flat]
        leads = [np.empty_like(array) for array in flat]
        variables = list(zip(flat, self._last, leads, strict=True))
        for epoch in range(n_epochs):
            following = 0.5 * (1 + math.sqrt(1 + 4 * self._momentum**2))
            share = (self._momentum - 1) / following
            for array, last, lead in variables:
                _lead(array, last, lead, array.dtype.type(share))
            self._epoch(active_only=epoch > 0)
            self._momentum = 1.0 if _goes_back(*variables[0]) else following
        reached = self._values()
        if sum(reached) <= sum(values) + self._rounding * abs(sum(values)):
            return reached
        for array, kept in zip(flat, start, strict=True):
            array[...] = kept
        self._uphill = True
        return values

    def _extrapolated_epochs(self, n_epochs):
        """Epochs, and an extrapolation of their moves; returns the values at A."""
        self._halt()
        # to move sparse columns takes less than to keep what an epoch makes of the rest
        kept = () if self._sparse else self._state
        moves, *states = (
            np.empty((n_epochs, *array.shape), dtype=array.dtype)
            for array in (self.A, *kept)
        )
        for epoch in range(n_epochs):
            np.negative(self.A, out=moves[epoch])
            self._epoch(active_only=epoch > 0)
            moves[epoch] += self.A
            for state, array in zip(states, kept, strict=True):
                state[epoch] = array
        return self._extrapolated(moves.reshape(n_epochs, -1), states)

    def _epoch(self, active_only):
        run_epoch(
            self.columns,
            self._params,
            self.curvature,
            self.A,
            active_only,
            self._buffers,
        )

    def _extrapolated(self, moves, states):
        """Anderson extrapolation, kept if the objective falls; returns the values at A.

        The mix sum_i c_i A_i with sum_i c_i = 1 that makes the mix of the last moves
        smallest (Bertrand, Massias, 2021, Anderson acceleration of coordinate descent,
        algorithm 2); the state is affine in A and mixed alike.
        """
        before = self._values()
        # in units of the largest, against overflow
        largest = max(moves.max(), -moves.min(), np.finfo(moves.dtype).tiny)
        moves /= largest
        products = (moves @ moves.T).astype(np.float64)
        size = np.trace(products)
        if not size > 0:
            return before
        products += 1e-9 * size * np.eye(len(moves))
        mix = np.linalg.solve(products, np.ones(len(moves)))
        mix /= mix.sum()
        variables = self.A, *self._state
        last = [array.copy() for array in variables]
        # A_i is the last point less the moves after i
        back = largest * ((np.cumsum(mix) - mix) @ moves)
        self.A -= back.reshape(self.A.shape)
        if states:
            for array, state in zip(self._state, states, strict=True):
                array[...] = np.tensordot(mix, state, 1)
        else:
            change = self.A - last[0]
            rows = np.flatnonzero(nonzero_rows(change))
            _move(self.columns, rows, change[rows], self._buffers[0])
        # by more than rounding, which must not decide: copies of rows, as weights
        # instead, would otherwise take another path
        mixed = self._values()
        if sum(mixed) < sum(before) - self._rounding * abs(sum(before)):
            return mixed
        for array, kept in zip(variables, last, strict=True):
            array[...] = kept
        return before

    def _newton(self, target):
        """Newton steps on the active rows, while the objective falls.

        A step that is cut short has met the end of a face, on which the next one is not
        too long: only one that fails makes it more damped.
        """
        self._halt()
        gap = np.inf
        for _ in range(_NEWTON_STEPS):
            active = np.flatnonzero(nonzero_rows(self.A))
            if not active.size:
                break
            share, fall = self._newton_step(active)
            before, gap = gap, self.gap()
            # a gap that stays where the objective does is that of another face
            idle = fall < _FALL * gap and gap > 0.5 * before
            if fall <= 0 or idle or gap <= target:
                break
            if share == 1:
                self._damping *= 0.1

    def _newton_step(self, active):
        """Take one step; return the share of it and by how much the objective fell."""
        A, gradient = self.A[active], self.gradient()[active]
        value, hessian = self.penalty.value(A), self._hessian.take(active)
        noise = self._rounding * abs(self._value() + value)
        face = self.penalty.face(A)
        try:
            step = newton_step(hessian, face, self._damping, gradient)
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
                if self._by_gram and np.any(face.bend):
                    # short rows bend the penalty by more than its quadratic model has;
                    # epochs on residuals would cost more than the steps they save
                    for _ in range(min(_EPOCHS_AFTER, self._stop - self.n_epochs)):
                        self._epoch(active_only=True)
                        self.n_epochs += 1
                return share, -change
        self._damping = min(100 * self._damping, 1.0)
        return 0.0, 0.0

    def _grams_pay(self, rate, gap, target):
        """Return whether the epochs to come are enough to make Gram matrices for."""
        if self._by_gram:
            return False
        n_active = np.count_nonzero(nonzero_rows(self.A))
        if self._epoch_cost(n_active) < _CHEAP:
            return False
        return self._block.gram_pays(np.log(gap / target) / rate, n_active)

    def _newton_pays(self, rate, gap, target, n_epochs):
        """Return whether Newton steps cost less than the epochs to come.

        Both are counted in multiply-adds of the epochs' loops, the epochs by the rate
        of the last stride, of ``n_epochs``. With momentum the gap falls unevenly: its
        mean rate counts, which is looked at now and then.
        """
        if self._rolls:
            begun, then = self._rolled
            gathered = self.n_epochs - begun
            if gathered < _GATHERED or gathered % _GATHERED >= n_epochs:
                return False
            rate = max(np.log(then / gap) / gathered, _LEAST_RATE)
        active = nonzero_rows(self.A)
        epoch = self._epoch_cost(np.count_nonzero(active))
        face = self.penalty.face(self.A[active])
        steps = _EXPECTED_STEPS[0 if face.free.all() else 1]
        steps = _STEPS_FOR_MOMENTUM if self._rolls else steps
        bordered = np.count_nonzero(np.any(face.direction + face.tied, axis=1))
        step = self._hessian.cost(face, bordered)
        return steps * step <= np.log(gap / target) / rate * epoch
