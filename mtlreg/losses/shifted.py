"""A loss of predictions that are added to what is known of each cell."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mtlreg.losses.base import Loss
from mtlreg.losses.squared import Squared


@dataclass(frozen=True)
class Shifted(Loss):
    """``loss(y, z + offset)``, of all cells at once and without intercepts.

    Parameters
    ----------
    loss : Loss
    offset : ndarray of the shape of the targets
    """

    loss: Any
    offset: np.ndarray

    @property
    def curvature(self):
        return self.loss.curvature

    @property
    def binary(self):
        return self.loss.binary

    @property
    def error_factor(self):
        return self.loss.error_factor

    def pointwise(self, z, y):
        return self.loss.pointwise(z + self.offset, y)

    def value(self, z, y, v):
        return self.loss.value(z + self.offset, y, v)

    def gradient(self, z, y, v):
        return self.loss.gradient(z + self.offset, y, v)

    def hessian(self, z, y, v):
        return self.loss.hessian(z + self.offset, y, v)

    def derivatives(self, z, y, v):
        return self.loss.derivatives(z + self.offset, y, v)

    def conjugate(self, u, y, v):
        # sup_z u z - f(z + o)
        return self.loss.conjugate(u, y, v) - float(np.vdot(u, self.offset))

    def divergence(self, z, u, y, v, scale=1.0):
        return self.loss.divergence(z + self.offset, u, y, v, scale=scale)

    def constant(self, mean):
        raise NotImplementedError("a shifted loss is for problems without intercepts")

    def check_target(self, y):
        self.loss.check_target(y)

    def inverse_link(self, z):
        return self.loss.inverse_link(z + self.offset)


def around(loss, offset, y):
    """Return a loss and targets for predictions to which an offset is added."""
    if isinstance(loss, Squared):
        return loss, y - offset
    return Shifted(loss, offset), y
