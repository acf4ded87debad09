"""The logistic loss."""

import numpy as np
from scipy.special import expit, xlog1py, xlogy

from mtlreg.losses.base import Loss, ratio, sum_in_chunks

_EPSNEG = np.finfo(np.float64).epsneg


class Logistic(Loss):
    """Negative log-likelihood of a binary target, ``loss(y, z) = log(1 + exp(-y z))``.

    The targets are -1 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.losses import Logistic
    >>> round(Logistic().value(np.zeros(2), np.array([-1.0, 1.0]), np.ones(2)), 4)
    1.3863
    """

    curvature = 0.25
    binary = True
    unbounded = "one class only"

    def pointwise(self, z, y):
        # many times faster than logaddexp, where exp and log1p are vectorised
        margin = y * z
        terms = np.log1p(np.exp(-np.abs(margin)))
        terms -= np.minimum(margin, 0.0)
        return terms

    @sum_in_chunks
    def value(self, z, y, v):
        return float(np.vdot(v, self.pointwise(z, y)))

    def gradient(self, z, y, v):
        slopes = _odds(y * z)
        slopes += 1.0
        np.divide(v * y, slopes, out=slopes)
        return np.negative(slopes, out=slopes)

    def hessian(self, z, y, v):
        # the smaller of the two odds is exact however small
        odds = _odds(-np.abs(z))
        bends = v * odds
        odds += 1.0
        odds *= odds
        bends /= odds
        return bends

    def derivatives(self, z, y, v):
        odds = _odds(y * z)
        odds += 1.0
        p = np.divide(1.0, odds, out=odds)
        bends = v * p
        slopes = bends * -y
        bends *= 1.0 - p
        return slopes, bends

    @sum_in_chunks
    def conjugate(self, u, y, v):
        # loss*(q) = a log a + (1 - a) log(1 - a), a = -q y in [0, 1]
        a = -ratio(u, v) * y
        if np.any((a < 0) | (a > 1)):
            return np.inf
        return float(np.vdot(v, _negative_entropy(a)))

    @sum_in_chunks
    def divergence(self, z, u, y, v, scale=1.0):
        # the Kullback-Leibler divergence of Bernoulli(a) from Bernoulli(p),
        # a log(a / p) + (1 - a) log((1 - a) / (1 - p))
        a = ratio(scale * u, v)
        a *= -y
        if a.min() < 0 or a.max() > 1:
            return np.inf
        margin = y * z
        odds = _odds(margin)
        inverse = 1.0 + odds  # of p
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            excess = (a - 1.0 / inverse) * inverse
            terms = (1.0 - a) * _log1p(excess / -odds)
            terms += a * _log1p(excess)
        # where the loss underflows in p, a log(a / p) is a log a + a margin
        far = ~np.isfinite(terms)
        if np.any(far):
            a, loss = a[far], self.pointwise(z[far], y[far])
            terms[far] = _negative_entropy(a) + loss + a * margin[far]
        return float(np.vdot(v, np.maximum(terms, 0.0)))

    def constant(self, mean):
        # the logit of the share of positives, (1 + mean) / 2
        with np.errstate(divide="ignore"):
            return 2.0 * np.arctanh(mean)

    def bounded(self, y, v, cells):
        positives, negatives = cells.sum(v * (y > 0)), cells.sum(v * (y < 0))
        return (positives > 0) & (negatives > 0)

    def shrunken_constant(self, y, v, cells):
        # the log-odds of k + 1/2 in W + 1, k of the weight W positive
        k, weight = cells.sum(v * (y > 0)), cells.sum(v)
        return np.log((k + 0.5) / (weight - k + 0.5))

    def damping(self, variance):
        # of the normal distribution function with the same slope at 0: MacKay (1992),
        # The evidence framework applied to classification networks
        return 1.0 / np.sqrt(np.maximum(1.0 + np.pi / 8.0 * variance, _EPSNEG))

    def check_target(self, y):
        if not np.all(np.abs(y) == 1):
            raise ValueError("y of the logistic loss must hold -1 and 1 only")

    def inverse_link(self, z):
        return expit(z)


def _odds(margin):
    """Return ``(1 - p) / p = exp(margin)``, inf where it overflows."""
    with np.errstate(over="ignore"):
        return np.exp(margin)


def _log1p(x):
    """Return ``log(1 + x)`` in place, of x = -1 a finite number to multiply by 0."""
    np.maximum(x, -1.0 + _EPSNEG, out=x)
    return np.log1p(x, out=x)


def _negative_entropy(a):
    return xlogy(a, a) + xlog1py(1.0 - a, -a)
