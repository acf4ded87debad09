"""Penalties that are half the square of a norm."""

from abc import abstractmethod

import numpy as np

from mtlreg.penalties.base import Penalty, PenaltyGap


class SquaredGauge(Penalty):
    """Penalty ``alpha/2 N(A)^2`` of a norm N, the strength of which is ``alpha``."""

    alpha: float

    @abstractmethod
    def norm(self, A):
        """Return N at A."""

    @abstractmethod
    def dual_norm(self, G):
        """Return the smallest s with ``<G, A> <= s N(A)`` for every A."""

    def value(self, A):
        return 0.5 * self.alpha * self.norm(A) ** 2

    def conjugate(self, G):
        return 0.5 * self.dual_norm(G) ** 2 / self.alpha

    def gap(self, A, G, value=None):
        # value(A) + conjugate(G) - <A, G> in two parts that are >= 0; a value that is a
        # difference may be less than 0 by its rounding
        if value is None:
            norm = self.norm(A)
        else:
            norm = np.sqrt(2 * max(value, 0.0) / self.alpha)
        dual, root = self.dual_norm(G), np.sqrt(self.alpha)
        rest = 0.5 * (root * norm - dual / root) ** 2
        rest += norm * dual - float(np.vdot(self.combine(A), G))
        return PenaltyGap(rest, norm * dual, 1.0)
