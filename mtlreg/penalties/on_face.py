"""Where the prox of a penalty ends, and the face that a row penalty moves on there."""

import numpy as np

from mtlreg.penalties.space import Space


class AtRest(Space):
    """The prox of a penalty, and no move of it: all there is to know where it is 0.

    Parameters
    ----------
    penalty : Penalty
    W : ndarray of shape (n_features, n_tasks)
    step : float

    Attributes
    ----------
    A, iterate, value, subgradient, dimension
        As those of `FixedRank`.
    """

    dimension = 0
    kinked = True

    def __init__(self, penalty, W, step):
        self.A = self.iterate = penalty.prox(W, step)
        self.value = penalty.value(self.A)
        self.subgradient = (W - self.A) / step

    def coordinates(self, B):
        return np.empty(0)

    def matrix(self, x):
        return np.zeros_like(self.A)

    def retract(self, moved):
        return moved

    def resolvent(self, sigma):
        return lambda x: x


class OnFace(AtRest):
    """The prox of a row penalty, and the moves along its `Face` there.

    They have orthonormal coordinates: the free entries of the rows that are not 0, and
    then the length along the tied ones of each row that has some.
    """

    def __init__(self, penalty, W, step):
        super().__init__(penalty, W, step)
        self._rows = np.flatnonzero(self.A.any(axis=1))
        self._penalty = penalty.restrict(features=self._rows)
        self._face = face = self._penalty.face(self.A[self._rows])
        self._free = face.free > 0
        self._bound = np.flatnonzero(face.tied.any(axis=1))
        self._tied = face.tied[self._bound]
        self._n_free = np.count_nonzero(self._free)
        self.dimension = self._n_free + len(self._bound)
        # the gradient on the face has digits that the difference of W and A has lost
        E = self.subgradient[self._rows]
        self.subgradient[self._rows] = E + face.project(face.slope - E)

    def coordinates(self, B):
        return self._inside(B[self._rows])

    def matrix(self, x):
        out = np.zeros_like(self.A)
        out[self._rows] = self._outside(x)
        return out

    def retract(self, moved):
        out = moved.copy()
        out[self._rows] = self._penalty.retract(self.A[self._rows], moved[self._rows])
        return out

    def _inside(self, V):
        along = np.sum(self._tied * V[self._bound], axis=1)
        return np.concatenate([V[self._free], along])

    def _outside(self, x):
        V = np.zeros(self._free.shape)
        V[self._free] = x[: self._n_free]
        V[self._bound] += x[self._n_free :, None] * self._tied
        return V

    def resolvent(self, sigma):
        """Return x -> ``(sigma + N)^-1 x`` in coordinates.

        Of a row, N is ``diag(bend) - w w'`` with w the direction: with the diagonal
        matrix ``J = (sigma + bend)^-1``, Sherman and Morrison's formula is
        ``J + J w w' J / (1 - w' J w)``. Entries that are tied have one bend.
        """
        bend, w = self._face.bend, self._face.direction
        scale = 1.0 / (sigma + bend)
        # as N >= 0, the divisor is at least sigma / (sigma + bend)
        least = sigma * scale.min(axis=1, keepdims=True, initial=np.inf)
        rest = 1.0 - np.sum(w * scale * w, axis=1, keepdims=True)
        across = scale * w / np.maximum(rest, least)

        def apply(x):
            V = self._outside(x)
            along = np.sum(scale * w * V, axis=1, keepdims=True)
            return self._inside(scale * V + across * along)

        return apply
