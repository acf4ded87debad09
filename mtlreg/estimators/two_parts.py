"""What stems share whose A is a sum of two parts with a strength each."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mtlreg.estimators.declarations import Stem


@dataclass(eq=False, repr=False)
class TwoParts(Stem):
    """Base of the stems with two strengths, whose search has ratios of the first.

    By default these are three, evenly on a logarithmic scale, between those from which
    one part or the other is zero.
    """

    _ratio: ClassVar = "ratios"

    @abstractmethod
    def _ends(self, shape):
        """Return the ratios up to which the second part is 0, and from which the first.

        Parameters
        ----------
        shape : tuple of int
            Of A, (n_features, n_tasks).
        """

    def _at_ratio(self, ratio):
        if ratio <= 0:
            name = type(self).__name__
            raise ValueError(f"ratios of {name} must be > 0, got {ratio}")
        leading, other = self._strengths
        return {other: getattr(self, leading) / ratio}

    def _ratio_grid(self, ratios, shape):
        if ratios is None:
            return self._both_parts(shape)
        return super()._ratio_grid(ratios, shape)

    def _ratio_limits(self, shape):
        # one step from the models with one part
        return self._both_parts(shape)[[0, -1]]

    def _both_parts(self, shape):
        smallest, largest = self._ends(shape)
        if smallest == largest:
            return np.array([largest])
        return np.geomspace(smallest, largest, 5)[1:-1]


@dataclass(eq=False, repr=False)
class TwoBlocks(TwoParts):
    """Base of the stems whose parts are blocks of a `mtlreg.penalties.InfimalSum`.

    Small strengths, at which blocks tell little apart, take many iterations: grids of
    searches end at a hundredth of the largest one.

    Search parameters
    -----------------
    eps : float, default=1e-2
        Smallest over largest strength of that grid.

    Attributes
    ----------
    shared_coef_, specific_coef_ : ndarrays of shape (n_tasks, n_features)
        The first and the second part, transposed: ``coef_`` is their sum.
    blocks_ : ndarray of shape (2, n_tasks, n_features)
        Both of them.
    """

    _search_defaults: ClassVar = {"eps": 1e-2}
