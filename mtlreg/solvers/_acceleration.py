"""Epochs of a model of some rows of A, accelerated: extrapolation and momentum."""

import math

import numpy as np

from mtlreg._numba import njit, njit_sums
from mtlreg.problem.rows import nonzero_rows


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


class Momentum:
    """Epochs from where the last two lead, taken back if the objective grows.

    With Nesterov's sequence, begun anew when it points uphill (O'Donoghue, Candes,
    2015, Adaptive restart for accelerated gradient schemes, eq. 12). Epochs need not
    converge with it: it is given up when they do not.

    Parameters
    ----------
    on : bool
        Whether epochs take it at all, until it is given up.

    Attributes
    ----------
    begun : (int, float) or None
        Epochs and gap from which on its rate counts; set by who looks at it.
    """

    def __init__(self, on):
        self.on = on
        self.halt()

    def halt(self):
        """Forget what was gathered."""
        self._momentum, self._last, self.begun = 1.0, None, None

    def epochs(self, model, n_epochs, values):
        """Take epochs; return the values of the model at A, given those before."""
        # views, whatever the order
        flat = [array.ravel(order="K") for array in model.variables]
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
            model.epoch(active_only=epoch > 0)
            self._momentum = 1.0 if _goes_back(*variables[0]) else following
        reached = model.values()
        if sum(reached) <= sum(values) + model.rounding * abs(sum(values)):
            return reached
        for array, kept in zip(flat, start, strict=True):
            array[...] = kept
        self.on = False
        self.halt()
        return values


def extrapolated_epochs(model, n_epochs):
    """Take epochs, and extrapolate their moves; return the values at A."""
    A, *state = model.variables
    # to move sparse columns takes less than to keep what an epoch makes of the rest
    kept = () if model.sparse else state
    moves, *states = (
        np.empty((n_epochs, *array.shape), dtype=array.dtype) for array in (A, *kept)
    )
    for epoch in range(n_epochs):
        np.negative(A, out=moves[epoch])
        model.epoch(active_only=epoch > 0)
        moves[epoch] += A
        for after, array in zip(states, kept, strict=True):
            after[epoch] = array
    return _extrapolated(model, moves.reshape(n_epochs, -1), states)


def _extrapolated(model, moves, states):
    """Anderson extrapolation, kept if the objective falls; return the values at A.

    The mix sum_i c_i A_i with sum_i c_i = 1 that makes the mix of the last moves
    smallest (Bertrand, Massias, 2021, Anderson acceleration of coordinate descent,
    algorithm 2); the state is affine in A and mixed alike.
    """
    before = model.values()
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
    A, *state = model.variables
    last = [array.copy() for array in model.variables]
    # A_i is the last point less the moves after i
    back = largest * ((np.cumsum(mix) - mix) @ moves)
    A -= back.reshape(A.shape)
    if states:
        for array, after in zip(state, states, strict=True):
            array[...] = np.tensordot(mix, after, 1)
    else:
        change = A - last[0]
        rows = np.flatnonzero(nonzero_rows(change))
        model.follow(rows, change[rows])
    # by more than rounding, which must not decide: copies of rows, as weights instead,
    # would otherwise take another path
    mixed = model.values()
    if sum(mixed) < sum(before) - model.rounding * abs(sum(before)):
        return mixed
    for array, kept in zip(model.variables, last, strict=True):
        array[...] = kept
    return before
