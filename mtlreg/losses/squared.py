"""The squared loss."""

import numpy as np

from mtlreg.losses.base import Loss, ratio, sum_in_chunks


class Squared(Loss):
    """Half the squared error, ``loss(y, z) = 1/2 (y - z)^2``.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.losses import Squared
    >>> Squared().value(np.array([1.0, 4.0]), np.array([1.0, 2.0]), np.ones(2))
    2.0
    """

    curvature = 1.0
    quadratic = True
    error_factor = 2.0

    def pointwise(self, z, y):
        return 0.5 * (z - y) ** 2

    @sum_in_chunks
    def value(self, z, y, v):
        return _half_square(z - y, v)

    def gradient(self, z, y, v):
        slopes = z - y
        slopes *= v
        return slopes

    def hessian(self, z, y, v):
        return np.broadcast_to(v, np.shape(z))

    @sum_in_chunks
    def conjugate(self, u, y, v):
        # loss*(q) = q^2/2 + q y
        q = ratio(u, v)
        return float(np.sum(v * q * (0.5 * q + y)))

    @sum_in_chunks
    def divergence(self, z, u, y, v, scale=1.0):
        rest = ratio(scale * u, v)
        rest += y
        rest -= z
        return _half_square(rest, v)

    def constant(self, mean):
        return mean

    def bounded(self, y, v, cells):
        return True

    def check_target(self, y):
        if not np.all(np.isfinite(y)):
            raise ValueError("y of the squared loss must be finite")

    def inverse_link(self, z):
        return z

    def fit_intercept(self, z, y, v, cells, start=None):
        # the weighted mean of the residual, twice: the second takes the rounding off
        b = cells.sum(v * (y - z)) / cells.sum(v)
        return b + cells.sum(v * (y - z - cells.spread(b))) / cells.sum(v)


def _half_square(r, v):
    return 0.5 * float(np.vdot(v * r, r))
