"""Pseudo-inverses of Hessians along what nothing penalises, and what they may miss."""

import numpy as np
from scipy.linalg import eigh

_EPS = np.finfo(np.float64).eps


class BorderedInverse:
    """A pseudo-inverse of blocks of tasks with a border, ``[A B; B' C]``.

    By that of ``C - sum_t B_t' A_t^+ B_t``.

    Parameters
    ----------
    own : ndarray of shape (n_tasks, r, r)
        The A_t, by the rows of each task.
    border : ndarray of shape (n_tasks, r, m)
    common : ndarray of shape (m, m)

    Attributes
    ----------
    null : ndarray of shape (n_tasks r + m, n_null)
        What the Hessian takes to 0, up to what the A_t do: vectors, not orthogonal.
    """

    def __init__(self, own, border, common):
        self._shape = own.shape[1], len(own)
        self._own, self._own_null, self._most_own = inverse_and_null(own)
        self._border = border
        self._across = self._own @ border
        schur = common - np.einsum("tim,tin->mn", border, self._across)
        self._common, null, self._most_common = inverse_and_null(schur)
        null = null[:, null.any(axis=0)]
        across = -np.einsum("tim,mn->itn", self._across, null)
        size = np.prod(self._shape), null.shape[1]
        self.null = np.concatenate([across.reshape(size), null])

    def solve(self, target):
        """Return a solution of the system with the target."""
        own, common = np.split(target, [self._shape[0] * self._shape[1]])
        own = np.einsum("tij,jt->ti", self._own, own.reshape(self._shape))
        common = self._common @ (common - np.einsum("tim,ti->m", self._border, own))
        own = own - self._across @ common
        return np.concatenate([own.T.ravel(), common])

    def bound(self, noise):
        """Return a bound of ``e' H^-1 e`` over all e of no larger entries than these.

        What counts as 0 of H may be as large as what does not.
        """
        own, common = np.split(noise, [self._shape[0] * self._shape[1]])
        own = own.reshape(self._shape).T
        common = common + np.einsum("tim,ti->m", np.abs(self._across), own)
        squares = np.einsum("ti,tij,tj->", own, self._most_own, own)
        return float(squares + common @ self._most_common @ common)

    def shortest(self, own):
        """Return rows (r, n_tasks) less what the A_t take to 0."""
        null = self._own_null
        return own - np.einsum("tij,tjk,kt->it", null, np.linalg.pinv(null), own)


def inverse_and_null(hessian):
    """Return the pseudo-inverse in units in which the diagonal is 1, and a null space.

    Of one matrix, or of a stack of them; its vectors are columns among zeros. Last the
    magnitudes of an inverse of which no eigenvalue is less than what rounding leaves.
    """
    hessian = 0.5 * (hessian + np.swapaxes(hessian, -1, -2))
    diagonal = np.sqrt(np.maximum(np.diagonal(hessian, axis1=-2, axis2=-1), 0.0))
    unit = np.where(diagonal > 0, diagonal, 1.0)
    scaled = hessian / unit[..., :, None] / unit[..., None, :]
    if hessian.ndim == 2 and hessian.size:
        # this driver keeps the most digits of small eigenvalues
        values, vectors = eigh(scaled, driver="ev")
    else:
        values, vectors = np.linalg.eigh(scaled)
    sizes = np.abs(values)
    rounding = 10 * hessian.shape[-1] * _EPS
    least = rounding * sizes.max(axis=-1, initial=0.0, keepdims=True)
    kept, vectors = sizes > least, vectors / unit[..., :, None]

    def of_values(vectors, inverse):
        return (vectors * inverse[..., None, :]) @ np.swapaxes(vectors, -1, -2)

    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    most = np.maximum(sizes, least)
    most = np.divide(1.0, most, out=np.zeros_like(values), where=most > 0)
    null = np.where(kept[..., None, :], 0.0, vectors)
    return of_values(vectors, inverse), null, of_values(np.abs(vectors), most)
