"""The logistic loss."""

import numpy as np
from scipy.special import expit, kl_div, xlog1py, xlogy

from mtlreg.losses.base import Loss, ratio, sum_in_chunks


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

    def pointwise(self, z, y):
        return np.logaddexp(0.0, -y * z)

    @sum_in_chunks
    def value(self, z, y, v):
        return float(np.sum(v * self.pointwise(z, y)))

    def gradient(self, z, y, v):
        return -v * y * expit(-y * z)

    def hessian(self, z, y, v):
        # the smaller of the two probabilities is exact however small
        p = expit(-np.abs(z))
        return v * p * (1.0 - p)

    def derivatives(self, z, y, v):
        p = expit(-y * z)
        part = v * p
        return -y * part, part * (1.0 - p)

    @sum_in_chunks
    def conjugate(self, u, y, v):
        # loss*(q) = a log a + (1 - a) log(1 - a), a = -q y in [0, 1]
        a = -ratio(u, v) * y
        if np.any((a < 0) | (a > 1)):
            return np.inf
        return float(np.sum(v * (xlogy(a, a) + xlog1py(1.0 - a, -a))))

    @sum_in_chunks
    def divergence(self, z, u, y, v):
        # the Kullback-Leibler divergence of Bernoulli(a) from Bernoulli(p)
        a = -ratio(u, v) * y
        if np.any((a < 0) | (a > 1)):
            return np.inf
        margin = y * z
        terms = kl_div(a, expit(-margin)) + kl_div(1.0 - a, expit(margin))
        # where the loss underflows in p, a log(a / p) is a log a + a margin
        far = ~np.isfinite(terms)
        if np.any(far):
            a, margin = a[far], margin[far]
            entropy = xlogy(a, a) + xlog1py(1.0 - a, -a)
            terms[far] = entropy + np.logaddexp(0.0, -margin) + a * margin
        return float(np.sum(v * np.maximum(terms, 0.0)))

    def constant(self, mean):
        # the logit of the share of positives, (1 + mean) / 2
        with np.errstate(divide="ignore"):
            return 2.0 * np.arctanh(mean)

    def check_target(self, y):
        if not np.all(np.abs(y) == 1):
            raise ValueError("y of the logistic loss must hold -1 and 1 only")

    def inverse_link(self, z):
        return expit(z)
