"""Quadratic penalties that tie tasks through their mean, as a matrix."""

from typing import NamedTuple

import numpy as np


class TaskMatrix(NamedTuple):
    """``Q = spread (I - 11'/T) + mean 11'/T`` of a penalty ``1/2 trace(A Q A')``.

    Numbers, or arrays with one for every feature; a spread of inf makes the entries of
    a row one number, and a mean of inf with it that number 0.
    """

    spread: float | np.ndarray
    mean: float | np.ndarray

    @property
    def uniform(self):
        """Whether the spread is one finite number for all features."""
        return np.ndim(self.spread) == 0 and self.spread < np.inf
