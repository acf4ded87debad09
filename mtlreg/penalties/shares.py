"""Shares of the singular values in a trace, and the derivative of a prox by them."""

import numpy as np

from mtlreg.penalties.space import Space


def box_shares(sigma, shift, total):
    """Return the ``0 <= m <= 1`` of a sum with the least ``sum sigma^2 / (shift + m)``.

    It is ``clip(x sigma - shift, 0, 1)`` with x the root of a sum that is linear
    between the points where one of them begins to grow or is full; or 1 for all > 0 if
    these are no more than the sum.

    Parameters
    ----------
    sigma : ndarray of shape (n,)
        >= 0.
    shift : float
        > 0.
    total : int
        The sum.
    """
    m = np.zeros(len(sigma))
    held = sigma > 0
    if np.count_nonzero(held) <= total:
        m[held] = 1.0
        return m
    a = sigma[held] / sigma.max()
    with np.errstate(over="ignore"):
        begins, full = shift / a, (1.0 + shift) / a
    bends = np.sort(np.concatenate([begins, full]))
    low, high = 0, len(bends) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if np.clip(a * bends[middle] - shift, 0.0, 1.0).sum() <= total:
            low = middle
        else:
            high = middle
    done, grows = full <= bends[low], (begins <= bends[low]) & (full > bends[low])
    rest = total - np.count_nonzero(done)
    m[held] = done
    if grows.any():
        x = (rest + shift * np.count_nonzero(grows)) / a[grows].sum()
        m[np.flatnonzero(held)[grows]] = np.clip(a[grows] * x - shift, 0.0, 1.0)
    return m


class SpaceOfShares(Space):
    """The prox of ``c/2 min_m sum_i sigma_i^2 / (eta + m_i)``, and all moves from it.

    With ``W = U S V'`` and the shares m of S at ``eta + step c`` the prox is ``A = U F
    V'``, ``f = s (eta + m) / (eta + m + step c)``. The penalty is smooth but for where
    a share begins to grow or is full; N is its Hessian at A.

    Parameters
    ----------
    W : ndarray of shape (n_features, n_tasks)
    step : float
    alpha, eta : float
        ``c = alpha eta (1 + eta)``.
    total : int
        The sum of the shares.

    Attributes
    ----------
    A, iterate, value, subgradient, dimension
        As those of `FixedRank`, the space of which is here that of all matrices.
    """

    kinked = False

    def __init__(self, W, step, alpha, eta, total):
        self._wide = W.shape[0] < W.shape[1]
        U, sigma, Vt = np.linalg.svd(W.T if self._wide else W, full_matrices=False)
        self._eta, self._c = eta, alpha * eta * (1.0 + eta)
        moved = step * self._c
        self._shares = m = box_shares(sigma, eta + moved, total)
        self._kept = f = sigma * (eta + m) / (eta + m + moved)
        self._U, self._V = U, Vt.T
        tall = (U * f) @ Vt
        self.A = self.iterate = np.ascontiguousarray(tall.T if self._wide else tall)
        self.value = 0.5 * self._c * float(np.sum(f**2 / (eta + m)))
        self.subgradient = (W - self.A) / step
        self.dimension = W.size

    def coordinates(self, B):
        """Return the entries of B."""
        return B.ravel()

    def matrix(self, x):
        """Return the matrix of the entries x."""
        return x.reshape(self.A.shape)

    def retract(self, moved):
        return moved

    def resolvent(self, sigma):
        """Return x -> ``(sigma + N)^-1 x`` in coordinates.

        It is the derivative of the prox of step 1 / sigma at ``A + E / sigma``, E the
        subgradient, over sigma. With s the singular values there, f those of A and k =
        c / sigma, the diagonal D of ``U' X V`` becomes ``r D``, r = f / s, where shares
        are 0 or 1, and elsewhere ``D - k sum(D) / sum(eta + m + k)``, sums over these;
        the entries off it as in `FixedRank.resolvent`.
        """
        U, V, f, k = self._U, self._V, self._kept, self._c / sigma
        m = self._eta + self._shares
        r = m / (m + k)
        s = f / r
        grows = (self._shares > 0) & (self._shares < 1)
        bend = k / np.sum(m[grows] + k) if grows.any() else 0.0
        slope = np.where(grows, 1.0, r)
        apart, both = s[:, None] - s, s[:, None] + s
        # of equal ones the slope, and no quotient of roundings
        even = np.broadcast_to(slope, apart.shape)
        told = np.abs(apart) > 1e-8 * both
        even = np.where(told, (f[:, None] - f) / np.where(told, apart, 1.0), even)
        even = np.clip(0.5 * (even + even.T), 0.0, 1.0)
        odd = np.broadcast_to(r, both.shape).copy()
        np.divide(f[:, None] + f, both, out=odd, where=both > 0)

        def apply(x):
            X = self.matrix(x)
            right = (X.T if self._wide else X) @ V
            inner = U.T @ right
            turned = 0.5 * (inner + inner.T)
            result = even * turned + odd * (inner - turned)
            diagonal = np.diag(inner)
            shift = bend * np.where(grows, diagonal, 0.0).sum()
            np.fill_diagonal(result, slope * diagonal - grows * shift)
            found = (U @ (result - inner * r) + right * r) @ V.T
            return (found.T if self._wide else found).ravel() / sigma

        return apply
