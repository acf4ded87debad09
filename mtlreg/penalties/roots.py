"""Roots of the sums by which a row is solved for, in brackets or by sorting."""

import numpy as np

from mtlreg._numba import njit_part


@njit_part
def step_inside(x, step, lower, upper):
    """Return the next point of Newton's method in a bracket, x itself at its end.

    A step out of the bracket, or one that is not finite, gives way to a bisection.
    """
    following = x + step
    if abs(step) <= 1e-15 * abs(x):
        return x
    if not lower < following < upper:
        following = 0.5 * (lower + upper)
        if not lower < following < upper:
            return x
    return following


def sorted_magnitudes(G):
    """Return ``|G|`` in float64 with every row in decreasing order."""
    return -np.sort(-np.abs(np.asarray(G, dtype=np.float64)), axis=-1)
