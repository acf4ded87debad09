"""Soft-thresholding of singular values, and its derivative on matrices of one rank."""

import numpy as np

from mtlreg.penalties.factored import Factored
from mtlreg.penalties.space import Space


def squared_level(sigma, tau):
    """Return the threshold of ``argmin_p ||p - sigma||^2 / 2 + tau/2 (sum_i |p_i|)^2``.

    With the k largest values above it, it is tau times their sum over ``1 + k tau``,
    for the largest k of which that is less than the k-th.

    Parameters
    ----------
    sigma : ndarray of shape (n,)
        >= 0, in any order.
    tau : float
    """
    falling = np.sort(sigma)[::-1]
    levels = tau * np.cumsum(falling) / (1.0 + tau * np.arange(1, len(sigma) + 1))
    held = int(np.count_nonzero(falling > levels))
    return float(levels[held - 1]) if held else 0.0


class FixedRank(Space):
    """The prox of ``alpha ||.||_*`` at a matrix W, and the space it moves in.

    With W = U S V' the prox is ``A = U_r F V_r'`` over the r values above the threshold
    ``step alpha``, and ``E = (W - A) / step`` is a subgradient at A, of singular values
    alpha (r times) and gamma_j <= alpha. Near A the norm is smooth on the matrices of
    rank r; N is its Hessian there. Directions D of the tangent space have orthonormal
    coordinates: the rows of ``D V_r`` and then those of ``V_n' D' U_r``, with V_n the
    other right singular vectors. A matrix that is wide is taken transposed.

    Parameters
    ----------
    W : ndarray of shape (n_features, n_tasks)
    step : float
    alpha : float

    Attributes
    ----------
    A : ndarray like W
        The prox.
    iterate : Factored
        The same.
    value : float
        ``alpha ||A||_*``.
    subgradient : ndarray like W
        E.
    rank : int
    dimension : int
        Of the tangent space, the number of coordinates.
    kinked : bool
        Whether norms of rows or columns that vanish end the manifold, and no rank does.

    References
    ----------
    The derivative of a function of singular values: Lewis, Sendov (2005), Nonsmooth
    analysis of singular values, part II, section 7.
    """

    kinked = False

    def __init__(self, W, step, alpha):
        self._wide = W.shape[0] < W.shape[1]
        tall = W.T if self._wide else W
        eigenvalues, V = np.linalg.eigh(tall.T @ tall)
        sigma = np.sqrt(np.maximum(eigenvalues, 0.0))
        self._alpha = alpha = self._strength(sigma, step, alpha)
        kept = sigma > step * alpha
        self._kept, self._gamma = sigma[kept] - step * alpha, sigma[~kept] / step
        self._V, self._others = V[:, kept], V[:, ~kept]
        self._U = (tall @ self._V) / sigma[kept]
        self.rank = int(np.count_nonzero(kept))
        self.dimension = self.rank * (sum(W.shape) - self.rank)
        self.value = alpha * float(np.sum(self._kept))
        factors = self._U * self._kept, self._V
        self.iterate = Factored(*(factors[::-1] if self._wide else factors))
        self.A = self.iterate.array
        self.subgradient = W - self.A
        self.subgradient /= step

    def _strength(self, sigma, step, alpha):
        """Return the alpha of the norm whose prox it is, for the values of W."""
        return alpha

    def coordinates(self, B):
        """Return the coordinates of the projection of B onto the tangent space."""
        tall = B.T if self._wide else B
        rows = [tall @ self._V, self._others.T @ (tall.T @ self._U)]
        return np.concatenate(rows).ravel()

    def matrix(self, x):
        """Return the matrix of the coordinates x, as `Factored`."""
        d, x = len(self._U), self._table(x)
        first = np.concatenate([x[:d], self._U], axis=1)
        second = np.concatenate([self._V, self._others @ x[d:]], axis=1)
        return Factored(second, first) if self._wide else Factored(first, second)

    def retract(self, moved):
        """Return a point near ``moved`` that has not passed the end of the face of A.

        Of a norm of singular values it is the prox that leaves the matrices of a rank.
        """
        return moved

    def _table(self, x):
        return x.reshape(sum(self.A.shape) - self.rank, self.rank)

    def resolvent(self, sigma):
        """Return x -> ``(sigma + N)^-1 x`` in coordinates.

        It is the derivative of the prox of step 1 / sigma at ``A + E / sigma``, whose
        singular vectors are those of W: where U' D V has the entries d_ij and d_ji,

        - i, j <= r: ``d_ij + d_ji`` stays, and ``d_ij - d_ji`` is multiplied by
          ``(f_i + f_j) / (s_i + s_j)``, with f the values of A and s = f + alpha /
          sigma;
        - i <= r < j: d_ij becomes ``f_i (s_i d_ij + g_j d_ji) / (s_i^2 - g_j^2)`` with
          g = gamma / sigma, and d_ji likewise; outside of U, ``d_ji f_i / s_i``;

        all over sigma.
        """
        U, d, f = self._U, len(self._U), self._kept
        s = f + self._alpha / sigma
        # g_j u_j, without the division by a g_j that may vanish
        E = self.subgradient.T if self._wide else self.subgradient
        dual = (E @ self._others) / sigma
        weight = 1.0 / (s**2 - (self._gamma[:, None] / sigma) ** 2)
        turn = (f[:, None] + f) / (s[:, None] + s)

        def apply(x):
            x = self._table(x)
            inner = U.T @ x[:d]
            outer = x[:d] - U @ inner
            even = 0.5 * (inner + inner.T)
            inner = even + turn * (inner - even)
            across = weight * (dual.T @ outer + s * x[d:])
            above = U @ inner + (f / s) * (outer + dual @ across)
            return np.concatenate([above, f * across]).ravel() / sigma

        return apply


class FixedRankOfSquare(FixedRank):
    """The same of ``alpha/2 ||.||_*^2``.

    It is the prox of ``alpha S ||.||_*`` with S the norm at the result, where the
    Hessian has the part ``alpha U_r V_r' (U_r V_r')'`` beside that of this norm, which
    is 0 along ``U_r V_r'``.
    """

    def __init__(self, W, step, alpha):
        super().__init__(W, step, alpha)
        self.value *= 0.5
        self._square = alpha

    def _strength(self, sigma, step, alpha):
        return squared_level(sigma, step * alpha) / step

    def resolvent(self, sigma):
        """Return x -> ``(sigma + N)^-1 x`` in coordinates, by the rank-one update."""
        inner, share = super().resolvent(sigma), self._square / sigma
        share /= sigma + self._square * self.rank
        # of U_r V_r', whose square is the rank
        rest = np.zeros(self._others.shape[1] * self.rank)
        unit = np.concatenate([self._U.ravel(), rest])

        def apply(x):
            return inner(x) - (share * np.vdot(unit, x)) * unit

        return apply
