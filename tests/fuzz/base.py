"""What the judge asks of a penalty, in extended precision."""

import numpy as np

from tests.fuzz.numerics import LONG


class Penalty:
    """A penalty of A, or of the blocks that it is the sum of, (n_blocks, d, T)."""

    is_gauge = False
    free_mean = False
    has_dual = True  # as tight as that of the package
    has_blocks = False

    def free(self, d):
        """Return masks of features that are free, and of those whose mean is."""
        none = np.zeros(d, dtype=bool)
        return none, none | self.free_mean

    def parts(self, n_tasks):
        """Return indicators (n_tasks, n_parts) of those whose mean each is meant."""
        return np.ones((n_tasks, 1), dtype=LONG)

    def restrict(self, kept):
        """Return the penalty where tasks but those of a mask cost as little as can."""
        return self

    def of_design(self, roots):
        """Return the penalty that is meant, for rows of the weight 1 in all.

        Parameters
        ----------
        roots : list of ndarray
            The centred rows of the tasks, times the square roots of their weights.
        """
        return self

    def absent(self, A, kept):
        """Return the columns of the other tasks, which cost least beside A."""
        return np.zeros((len(A), np.sum(~kept)), dtype=LONG)

    def settled(self, A, kept):
        """Return whether the other tasks are as `absent` has them, up to rounding."""
        unit = 100 * np.finfo(A.dtype).eps
        A = A.sum(axis=0) if self.has_blocks else A
        found = self.absent(A[:, kept].astype(LONG), kept)
        return np.all(np.abs(A[:, ~kept] - found) <= unit * np.abs(A).max())


class Gauge(Penalty):
    """A positively homogeneous penalty; a subclass has ``value`` and ``polar``."""

    is_gauge = True

    def dual_scale(self, G):
        return 1 / max(LONG(1), self.polar(G))

    def conjugate(self, G):
        return LONG(0)

    def largest_polar(self, dG):
        """Return the largest polar of a matrix with entries of these sizes at most."""
        return self.polar(dG)

    def rounding(self, A, G, dG, s, energy, gap):
        """Return what an error dG of G makes of a gap, through s."""
        ds = self.largest_polar(dG)
        return ds * (abs(np.sum(A * G)) + 4 * (1 - s + ds) * energy)
