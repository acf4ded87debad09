"""Newton steps of a model of some rows of A, on the face of its penalty."""

import numpy as np

from mtlreg.problem.rows import nonzero_rows
from mtlreg.solvers._newton import newton_step

_MOST_STEPS = 8  # in a row
_FALL = 1e-4  # of the objective in a step, as a share of the gap, is nothing
_EPOCHS_AFTER = 2  # a step, over the rows that are not 0
_HALVINGS = 7  # of a step that does not make the objective fall
_DAMPING = 0.01  # of the first step


class NewtonSteps:
    """Newton steps on the active rows of a model, damped as the last ones went.

    A step that is cut short has met the end of a face, on which the next one is not too
    long: only one that fails makes it more damped.
    """

    def __init__(self):
        self._damping = _DAMPING

    def take(self, model, target, last):
        """Take steps while the objective falls, until the gap is at most ``target``.

        Parameters
        ----------
        model : ModelState
        target : float
        last : int
            What the epochs of the model, some of which follow a step, may add up to.
        """
        gap = np.inf
        for _ in range(_MOST_STEPS):
            active = np.flatnonzero(nonzero_rows(model.A))
            if not active.size:
                break
            share, fall = self._step(model, active, last)
            before, gap = gap, model.gap()
            # a gap that stays where the objective does is that of another face
            idle = fall < _FALL * gap and gap > 0.5 * before
            if fall <= 0 or idle or gap <= target:
                break
            if share == 1:
                self._damping *= 0.1

    def _step(self, model, active, last):
        """Take one step; return the share of it and by how much the objective fell."""
        A, gradient = model.A[active], model.gradient()[active]
        penalty, hessian = model.penalty.restrict(active), model.hessian.take(active)
        value = penalty.value(A)
        noise = model.rounding * abs(model.value() + value)
        face = penalty.face(A)
        try:
            step = newton_step(hessian, face, self._damping, gradient)
        except np.linalg.LinAlgError:
            self._damping = min(100 * self._damping, 1.0)
            return 0.0, 0.0
        for halving in range(_HALVINGS):
            share = A.dtype.type(0.5**halving)
            move = penalty.retract(A, A + share * step) - A
            change = np.vdot(move, gradient + 0.5 * hessian.multiply(move))
            change += penalty.value(A + move) - value
            # near the optimum, the gap still falls where the objective cannot
            if change < (noise if halving == 0 else -noise):
                model.A[active] += move
                model.follow(active, move)
                if model.by_gram and np.any(face.direction):
                    # short rows bend the penalty by more than its quadratic model has;
                    # epochs on residuals would cost more than the steps they save
                    for _ in range(min(_EPOCHS_AFTER, last - model.n_epochs)):
                        model.epoch(active_only=True)
                        model.n_epochs += 1
                return share, -change
        self._damping = min(100 * self._damping, 1.0)
        return 0.0, 0.0
