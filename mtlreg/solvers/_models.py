"""Models of some rows of A, solved to a duality gap."""

import numpy as np

from mtlreg.problem import costs
from mtlreg.problem.rows import nonzero_rows
from mtlreg.solvers._acceleration import Momentum, extrapolated_epochs
from mtlreg.solvers._newton_steps import NewtonSteps
from mtlreg.solvers._state import ModelState

_STRIDE = 8  # most epochs from one extrapolation and gap check to the next
_LEAST_STRIDE = 2
_GATHERED = 16  # epochs with momentum from one look at their mean rate to the next
_PATIENCE = 20  # gap checks without progress, which then is rounding error
_AGREEING = 2  # times the gap of a model is still what rounding leaves it at
_LEAST_RATE = 1e-3  # of the fall of the logarithm of the gap in an epoch


class RowModel(ModelState):
    """A `ModelState` with the ways to its optimum, and what each of them costs.

    Epochs are extrapolated, or take momentum where entries of a row are tied: there the
    pieces of the penalty change too often for what takes it to be smooth. Newton steps
    and Gram matrices come in where they cost less than the epochs to come.

    Parameters
    ----------
    columns, curvature, penalty, A, gradient, loss
        As in `ModelState`.
    block : object, optional
        What knows, by `gram_pays` and `gram`, the same columns as Gram matrices; of
        columns that keep the residual.
    """

    def __init__(self, columns, curvature, penalty, A, gradient, loss, block=None):
        super().__init__(columns, curvature, penalty, A, gradient, loss)
        self._block, self._gap = block, 0.0
        self._momentum = Momentum(penalty.ties(A.shape[1]))
        self._newton = NewtonSteps()

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
        if not self.by_gram:
            return gap <= _AGREEING * self._gap
        self.put_right(gradient, loss)
        return True

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
        momentum, stop = self._momentum, self.n_epochs + max_epochs
        best, idle, values, self._gap = np.inf, 0, None, 0.0
        while self.n_epochs < stop and idle < _PATIENCE:
            before, rest = gap, stop - self.n_epochs
            n_epochs = min(self._epochs_to(target, gap, rate), rest)
            self.n_epochs += n_epochs
            if momentum.on:
                values = momentum.epochs(self, n_epochs, values or self.values())
                if not momentum.on:
                    continue
            else:
                values = extrapolated_epochs(self, n_epochs)
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
                self.keep(columns, gradient, self.value())
                momentum.halt()
            if momentum.on and momentum.begun is None:
                momentum.begun = self.n_epochs, gap
            if self._newton_pays(rate, gap, aim, n_epochs):
                momentum.halt()
                self._newton.take(self, aim, stop)
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
        cheap = self.epoch_cost(len(self.A)) < costs.CHEAP_EPOCH
        return int(expected) if short and not cheap else _STRIDE

    def _grams_pay(self, rate, gap, target):
        """Return whether the epochs to come are enough to make Gram matrices for."""
        if self.by_gram:
            return False
        n_active = np.count_nonzero(nonzero_rows(self.A))
        if self.epoch_cost(n_active) < costs.CHEAP_EPOCH:
            return False
        return self._block.gram_pays(np.log(gap / target) / rate, n_active)

    def _newton_pays(self, rate, gap, target, n_epochs):
        """Return whether Newton steps cost less than the epochs to come.

        Both are counted in multiply-adds of the epochs' loops, the epochs by the rate
        of the last stride, of ``n_epochs``. With momentum the gap falls unevenly: its
        mean rate counts, which is looked at now and then.
        """
        rolls = self._momentum.on
        if rolls:
            begun, then = self._momentum.begun
            gathered = self.n_epochs - begun
            if gathered < _GATHERED or gathered % _GATHERED >= n_epochs:
                return False
            rate = max(np.log(then / gap) / gathered, _LEAST_RATE)
        active = nonzero_rows(self.A)
        face = self.penalty.restrict(active).face(self.A[active])
        if face is None:
            return False
        epoch = self.epoch_cost(np.count_nonzero(active))
        if rolls:
            steps = costs.STEPS_FOR_MOMENTUM
        elif face.free.all():
            steps = costs.STEPS_ON_ONE_FACE
        else:
            steps = costs.STEPS_BETWEEN_FACES
        bordered = np.count_nonzero(np.any(face.direction + face.tied, axis=1))
        step = self.hessian.cost(face, bordered)
        return steps * step <= np.log(gap / target) / rate * epoch
