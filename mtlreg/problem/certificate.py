"""What is known of a point, and numbers that are not negative."""

import math
from dataclasses import dataclass

import numpy as np

# by which long sums may be off, as a share of their sizes
ROUNDING = 4096 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Certificate:
    """What is known of a point: its intercepts and its distance from the optimum.

    Attributes
    ----------
    gap : float
        Duality gap, at least ``F(A, b) - inf F`` and >= 0; F where 0 is the only dual
        point that is known, inf where a term that cannot be negative is.
    intercept : ndarray of shape (n_tasks,)
        b in the units of X and the precision of X; the gap is that of (A, b).
    slopes : ndarray over cells, or None
        ``v loss'`` at the optimum over what nothing penalises; minus theta.
    gradient : ndarray of shape (n_features, n_tasks), or None
        Its adjoint, -G.
    polars : ndarray of shape (n_features,), or None
        Of the rows of G, of gauges that are sums over rows.
    hidden : float
        The part of the gap that stands for rounding of statistics.
    loss : float or None
        The data term, where the loss is no likelihood.
    """

    gap: float
    intercept: np.ndarray
    slopes: np.ndarray | None = None
    gradient: np.ndarray | None = None
    polars: np.ndarray | None = None
    hidden: float = 0.0
    loss: float | None = None


def nonnegative(term, size, factors, rounding=ROUNDING):
    """Return a number that is at least 0 but for rounding; inf where it is not.

    Parameters
    ----------
    term : float
    size : float
    factors : tuple of ndarray
        ``size`` and the magnitudes of their products are what the number is made of.
    rounding : float
        By how much of these it may be off.
    """
    if term >= 0:
        return term
    size += float(np.sum(np.abs(math.prod(factors))))
    return 0.0 if -term <= rounding * size else np.inf
