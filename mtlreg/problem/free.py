"""Directions that nothing penalises: the optimum of the data term over them."""

import itertools

import numpy as np
from scipy.linalg import eigh

from mtlreg.losses.base import ratio

_EPS = np.finfo(np.float64).eps


class FreeDirections:
    """The moves ``M C'`` of A, of which a penalty does not change.

    Parameters
    ----------
    term : DataTerm
    patterns : ndarray of shape (n_tasks, k)
        C; there may be none.
    features : ndarray of bool, optional
        The rows of M that are not 0; all by default.
    """

    def __init__(self, term, patterns, features=None):
        self._term, self._patterns = term, patterns
        every = np.arange(term.design.n_features)
        self._features = every if features is None else every[features]
        self._constant = None  # inverse of the Hessian of a quadratic loss
        self._last = None  # shift of the last optimum that left nothing

    def optimum(self, Z):
        """Minimise the data term over ``Z + image(M C')``.

        Newton's method in M with a pseudo-inverse; for the squared loss its first step
        is exact and the second takes the rounding off. For any other it starts from the
        last optimum if nothing was left there: no minimiser exists then, and every
        optimum is as far away.

        Returns
        -------
        slopes : ndarray over cells
            ``v loss'`` there, less what is left of it along the free directions; or 0,
            a dual point of every problem, where that is not possible.
        shift : ndarray of shape (n_features, n_tasks), or None without patterns
            ``M C'``.
        """
        term, patterns = self._term, self._patterns
        if patterns.shape[1] == 0:
            return term.slopes(Z), None
        shift, reached, value = self._start(Z)
        slopes, moved = term.slopes(reached), True
        for _ in range(50):
            # no loss is below 0, so that there is an end where nothing is left of it
            if not moved or value <= _EPS * term.scale:
                break
            gradient = self._along(slopes)
            if np.all(np.abs(gradient) <= self._noise(slopes, reached)):
                break
            move = self._of_all(self._inverse(reached).solve(-gradient))
            shift, lower = self._damped(Z, shift, move, value)
            moved, value = lower < value, min(lower, value)
            reached = Z + term.image(shift)
            slopes = term.slopes(reached)
        nothing_left = value <= _EPS * term.scale
        self._last = shift if nothing_left and not term.loss.quadratic else None
        return self._without_free_part(slopes, reached), shift

    def shortest(self, shift):
        """Return the shift of least norm with the image of a given one."""
        null = self._inverse(np.broadcast_to(0.0, self._term.y.shape)).null
        k = self._patterns.shape[1]
        moves = [self._of_all(m.reshape(-1, k)).ravel() for m in null.T]
        if not moves:
            return shift
        basis, _ = np.linalg.qr(np.stack(moves, axis=1))
        flat = shift.ravel()
        return (flat - basis @ (basis.T @ flat)).reshape(shift.shape)

    def _start(self, Z):
        """Return a shift to start from, what it makes of Z, and the value there."""
        term = self._term
        shift = np.zeros((term.design.n_features, term.design.n_tasks))
        value = term.value(Z)
        if self._last is not None:
            reached = Z + term.image(self._last)
            lower = term.value(reached)
            if lower < value:
                return self._last, reached, lower
        return shift, Z, value

    def _without_free_part(self, slopes, Z):
        """Project what is left along the free directions out of the slopes at Z.

        The metric is that of ``1 / (v loss'')``, so that they stay in the domain of the
        conjugate if the projection is small. Returns 0 where they leave it, or where
        more than rounding remains.
        """
        term = self._term
        inverse, bent = self._inverse(Z), term.bent(Z)
        for _ in range(2):
            gradient = self._along(slopes)
            slopes = slopes + bent(self._of_all(inverse.solve(-gradient)))
        gradient = self._along(slopes)
        left = np.any(np.abs(gradient) > self._noise(slopes))
        if left or not np.isfinite(term.loss.conjugate(slopes, term.y, term.v)):
            return np.zeros_like(slopes)
        return slopes

    def _noise(self, slopes, Z=None):
        """Bound the rounding of slopes, at the image Z, along the free directions."""
        term = self._term
        size = np.abs(slopes)
        if Z is not None:
            bend = term.loss.hessian(term.predictions(Z), term.y, term.v)
            size += bend * np.abs(Z)
        squares = term.cells.sum(size * ratio(size, term.v))
        sizes = np.sqrt(term.design.square_norms[self._features] * squares)
        return 16 * _EPS * sizes @ np.abs(self._patterns)

    def _along(self, slopes):
        """Return the derivative by M of what has the slopes."""
        return self._term.design.adjoint(slopes)[self._features] @ self._patterns

    def _of_all(self, M):
        """Return ``M C'`` for the rows of M that are not 0, (n_features, n_tasks)."""
        moved = M @ self._patterns.T
        if len(M) == self._term.design.n_features:
            return moved
        out = np.zeros((self._term.design.n_features, moved.shape[1]))
        out[self._features] = moved
        return out

    def _damped(self, Z, shift, move, value):
        """Halve a Newton step until the data term does not grow beyond rounding."""
        for halvings in range(40):
            candidate = shift + 0.5**halvings * move
            reached = self._term.value(Z + self._term.image(candidate))
            if reached <= value + 4 * _EPS * abs(value):
                return candidate, reached
        return shift, value

    def _inverse(self, Z):
        """Return the inverse of `_hessian`, made once where that is constant."""
        if not self._term.loss.quadratic:
            return Inverse(self._hessian(Z))
        if self._constant is None:
            self._constant = Inverse(self._hessian(Z))
        return self._constant

    def _hessian(self, Z):
        """Return the Hessian of the data term by the rows of M that are not 0.

        By features or by tasks, whichever are fewer.
        """
        term, design, patterns = self._term, self._term.design, self._patterns
        features, (n_tasks, k) = self._features, patterns.shape
        if len(features) * k < n_tasks:
            image, columns = term.hessian(Z), []
            for j, pattern in itertools.product(features, patterns.T):
                direction = np.zeros((design.n_features, n_tasks))
                direction[j] = np.where(design.square_norms[j] > 0, pattern, 0.0)
                columns.append((image(direction)[features] @ patterns).ravel())
            return 0.5 * (np.array(columns) + np.array(columns).T)
        curved = term.loss.hessian(term.predictions(Z), term.y, term.v)
        some = None if len(features) == design.n_features else features
        return sum(
            np.kron(
                design.gram(t, design.select(curved, t), some),
                np.outer(pattern, pattern),
            )
            for t, pattern in enumerate(patterns)
        )


class FreeOnStatistics:
    """The same for the squared loss on statistics, whose Hessian is constant.

    Parameters
    ----------
    statistics : Statistics
    patterns : ndarray of shape (n_tasks, k)
    features : ndarray of bool, optional
    """

    def __init__(self, statistics, patterns, features=None):
        d, self._patterns = len(statistics.moments), patterns
        self._multiply = statistics.multiply
        every = np.arange(d)
        self._features = every if features is None else every[features]
        grams = statistics.restrict(self._features).stacked()
        size = len(self._features) * patterns.shape[1]
        hessian = np.einsum("jkt,tp,tq->jpkq", grams, patterns, patterns, optimize=True)
        self._inverse = Inverse(hessian.reshape(size, size))

    def optimum(self, gradient):
        """Minimise over the directions from a point with the gradient.

        Returns
        -------
        shift, image : ndarrays of shape (n_features, n_tasks)
            The move, and what it adds to the gradient.
        """
        shift, image = np.zeros_like(gradient), np.zeros_like(gradient)
        # the second step takes the rounding of the first off
        for _ in range(2):
            left = (gradient + image)[self._features] @ self._patterns
            move = self._inverse.solve(-left) @ self._patterns.T
            shift[self._features] += move
            image = self._multiply(shift)
        return shift, image


class Inverse:
    """A pseudo-inverse, in units in which the diagonal of the Hessian is 1.

    Attributes
    ----------
    null : ndarray of shape (d k, n_null)
        A basis, not orthogonal, of what the Hessian takes to 0.
    """

    def __init__(self, hessian):
        diagonal = np.sqrt(np.maximum(np.diag(hessian), 0.0))
        self._unit = np.where(diagonal > 0, diagonal, 1.0)
        # this driver keeps the most digits of small eigenvalues
        scaled = hessian / np.outer(self._unit, self._unit)
        values, vectors = eigh(scaled, driver="ev")
        sizes = np.abs(values)
        kept = sizes > 10 * len(hessian) * _EPS * sizes.max(initial=0.0)
        self._inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        self.null = vectors[:, ~kept] / self._unit[:, None]

    def solve(self, target):
        """Return the solution of the system that has the least norm in these units."""
        moved = self._inverse @ (target.ravel() / self._unit) / self._unit
        return moved.reshape(target.shape)
