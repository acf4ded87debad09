"""Directions that nothing penalises: the optimum of the data term over them."""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtlreg.losses.base import ratio
from mtlreg.problem.pseudo_inverse import BorderedInverse

_EPS = np.finfo(np.float64).eps
_OF_SUMS = 100  # units in the last place that sums over rows are off by at most


class FreeMoves:
    """The moves ``N + M C'`` of A that a penalty leaves to the data term.

    They are free, or cost a ridge alone; ``M C'`` is of other rows than N.

    Parameters
    ----------
    shape : (n_features, n_tasks)
    patterns : ndarray of shape (n_tasks, k)
        C; there may be none.
    features : ndarray of bool, optional
        The rows of M that are not 0; all by default.
    rows : ndarray of bool, optional
        Those of N; none by default.
    ridge : float
        They cost ``ridge / 2 ||N + M C'||^2``.

    Attributes
    ----------
    key : tuple
        Equal for equal moves.
    """

    def __init__(self, shape, patterns, features=None, rows=None, ridge=0.0):
        self.shape, self.patterns, self.ridge = shape, patterns, ridge
        rows = np.zeros(shape[0], dtype=bool) if rows is None else rows
        features = np.ones(shape[0], dtype=bool) if features is None else features
        self.rows = np.flatnonzero(rows)
        self.features = np.flatnonzero(features & ~rows & (patterns.shape[1] > 0))
        arrays = self.rows, self.features, patterns
        self.key = (ridge, *((a.shape, a.tobytes()) for a in arrays))

    def any(self):
        """Return whether there are moves."""
        return self.rows.size + self.features.size > 0

    @property
    def n_own(self):
        """Number of coordinates of N, which come before those of M."""
        return self.rows.size * self.shape[1]

    @property
    def all_features(self):
        """The rows of N, and then those of M."""
        return np.concatenate([self.rows, self.features])

    def along(self, gradient):
        """Return the derivative by the coordinates of what has the gradient by A."""
        common = gradient[self.features] @ self.patterns
        return np.concatenate([gradient[self.rows].ravel(), common.ravel()])

    def bound(self, sizes):
        """Return bounds of what `along` makes of a gradient of these magnitudes."""
        own, common = np.split(sizes[self.all_features], [len(self.rows)])
        return np.concatenate([own.ravel(), (common @ np.abs(self.patterns)).ravel()])

    def matrix(self, x):
        """Return the move of the coordinates x, (n_features, n_tasks)."""
        own, common = np.split(x, [self.n_own])
        out = np.zeros(self.shape)
        out[self.rows] = own.reshape(self.rows.size, self.shape[1])
        k = self.patterns.shape[1]
        out[self.features] = common.reshape(len(self.features), k) @ self.patterns.T
        return out

    def cost(self, A):
        """Return what the ridge makes of a move A, or of none."""
        if not (self.ridge and self.any()):
            return 0.0
        return 0.5 * self.ridge * float(np.vdot(A, A))

    def slope(self, A):
        """Return the derivative of `cost` by the coordinates."""
        return self.ridge * self.along(A)

    def inverse(self, grams):
        """Return the inverse of the Hessian by the coordinates, ridge included.

        Parameters
        ----------
        grams : ndarray of shape (m, m, n_tasks)
            Hessians of the tasks by `all_features`.
        """
        r, C = self.rows.size, self.patterns
        own = np.moveaxis(grams[:r, :r], 2, 0)
        border = np.einsum("ijt,tp->tijp", grams[:r, r:], C)
        common = np.einsum("ijt,tp,tq->ipjq", grams[r:, r:], C, C, optimize=True)
        return self._inverse(own, border, common)

    def inverse_of(self, image, common=None):
        """Return the same of a Hessian that is given as a function of a direction.

        Parameters
        ----------
        image : callable, or None with ``common`` and no rows of N
        common : ndarray, optional
            The part of it by the coordinates of M, where it is at hand.
        """
        (d, n_tasks), C, f = self.shape, self.patterns, self.features.size
        own = np.empty((n_tasks, self.rows.size, self.rows.size))
        border = np.empty((n_tasks, self.rows.size, f, C.shape[1]))
        direction = np.zeros((d, n_tasks))
        for i, j in enumerate(self.rows):
            direction[j] = 1.0
            column = image(direction)
            own[:, :, i] = column[self.rows].T
            border[:, i] = column[self.features].T[:, :, None] * C[:, None]
            direction[j] = 0.0
        if common is None:
            columns = []
            for j, pattern in itertools.product(self.features, C.T):
                direction[j] = pattern
                columns.append((image(direction)[self.features] @ C).ravel())
                direction[j] = 0.0
            common = np.array(columns)
        return self._inverse(own, border, common)

    def _inverse(self, own, border, common):
        n_tasks, r = own.shape[:2]
        size = self.features.size * self.patterns.shape[1]
        own = own + self.ridge * np.eye(r)
        border, common = border.reshape(n_tasks, r, size), common.reshape(size, size)
        C = self.ridge * self.patterns.T @ self.patterns
        common = common + np.kron(np.eye(self.features.size), C)
        return BorderedInverse(own, border, common)


class FreeDirections:
    """The optimum of a data term over moves of A.

    Parameters
    ----------
    term : DataTerm
    moves : FreeMoves
    """

    def __init__(self, term, moves):
        self._term, self._moves = term, moves
        self._constant = None  # inverse of the Hessian of a quadratic loss
        self._last = None  # shift of the last optimum that left nothing

    def optimum(self, Z):
        """Minimise the data term over Z and the images of the moves.

        Newton's method with a pseudo-inverse; for the squared loss its first step is
        exact and the second takes the rounding off. For any other it starts from the
        last optimum if nothing was left there: no minimiser exists then, and every
        optimum is as far away.

        Returns
        -------
        slopes : ndarray over cells
            ``v loss'`` there, less what is left of it along the free directions; or 0,
            a dual point of every problem, where that is not possible.
        shift : ndarray of shape (n_features, n_tasks), or None without moves
        """
        term, moves = self._term, self._moves
        if not moves.any():
            return term.slopes(Z), None
        shift, reached, value = self._start(Z)
        slopes, moved = term.slopes(reached), True
        for _ in range(50):
            # no loss is below 0, so that there is an end where nothing is left of it
            if not moved or value <= _EPS * term.scale:
                break
            gradient = self._along(slopes) + moves.slope(shift)
            if np.all(np.abs(gradient) <= self._noise(slopes, reached)):
                break
            move = moves.matrix(self._inverse(reached).solve(-gradient))
            shift, lower = self._damped(Z, shift, move, value)
            moved, value = lower < value, min(lower, value)
            reached = Z + term.image(shift)
            slopes = term.slopes(reached)
        nothing_left = value <= _EPS * term.scale
        self._last = shift if nothing_left and not term.loss.quadratic else None
        if moves.ridge:
            return slopes, shift
        return self._without_free_part(slopes, reached), shift

    def shortest(self, shift):
        """Return the shift of least norm with the image of a given one."""
        inverse = self._inverse(np.broadcast_to(0.0, self._term.y.shape))
        moves, n_own = self._moves, self._moves.n_own
        flat, null = shift.copy(), inverse.null
        flat[moves.rows] = inverse.shortest(shift[moves.rows])
        basis = []
        for x in null.T:
            own = x[:n_own].reshape(moves.rows.size, moves.shape[1])
            x = np.concatenate([inverse.shortest(own).ravel(), x[n_own:]])
            basis.append(moves.matrix(x).ravel())
        if not basis:
            return flat
        basis, _ = np.linalg.qr(np.stack(basis, axis=1))
        flat = flat.ravel()
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
        more than rounding remains: in the tasks of free rows where it does.
        """
        term, moves = self._term, self._moves
        inverse, bent = self._inverse(Z), term.bent(Z)
        for _ in range(2):
            gradient = self._along(slopes)
            slopes = slopes + bent(moves.matrix(inverse.solve(-gradient)))
        own = self._left(slopes)[: moves.n_own].reshape(moves.rows.size, moves.shape[1])
        if own.any():
            slopes = slopes * term.cells.spread(~own.any(axis=0))
        left = np.any(self._left(slopes))
        if left or not np.isfinite(term.loss.conjugate(slopes, term.y, term.v)):
            return np.zeros_like(slopes)
        return slopes

    def _left(self, slopes):
        """Return where more than rounding remains along the free directions."""
        return np.abs(self._along(slopes)) > self._noise(slopes)

    def _noise(self, slopes, Z=None):
        """Bound the rounding of slopes, at the image Z, along the free directions."""
        term, moves = self._term, self._moves
        size = np.abs(slopes)
        if Z is not None:
            bend = term.loss.hessian(term.predictions(Z), term.y, term.v)
            size += bend * np.abs(Z)
        squares = term.cells.sum(size * ratio(size, term.v))
        return 16 * _EPS * moves.bound(np.sqrt(term.design.square_norms * squares))

    def _along(self, slopes):
        """Return the derivative by the moves of what has the slopes."""
        return self._moves.along(self._term.design.adjoint(slopes))

    def _damped(self, Z, shift, move, value):
        """Halve a Newton step until the data term does not grow beyond rounding."""
        for halvings in range(40):
            candidate = shift + 0.5**halvings * move
            reached = self._term.value(Z + self._term.image(candidate))
            reached += self._moves.cost(candidate)
            if reached <= value + 4 * _EPS * abs(value):
                return candidate, reached
        return shift, value

    def _inverse(self, Z):
        """Return the inverse of the Hessian, made once where that is constant."""
        if not self._term.loss.quadratic:
            return self._inverse_at(Z)
        if self._constant is None:
            self._constant = self._inverse_at(Z)
        return self._constant

    def _inverse_at(self, Z):
        """Return the inverse of the Hessian of the data term by the moves.

        By products, or by the Gram matrices of tasks where these are fewer.
        """
        term, moves, design = self._term, self._moves, self._term.design
        patterns, n_tasks = moves.patterns, design.n_tasks
        n_common, common = moves.features.size * patterns.shape[1], None
        own_by_grams = not n_common and moves.rows.size >= n_tasks
        if own_by_grams or n_common >= n_tasks:
            curved = term.loss.hessian(term.predictions(Z), term.y, term.v)
        if own_by_grams:
            grams = np.empty((moves.rows.size, moves.rows.size, n_tasks))
            design.grams(grams, curved, moves.rows)
            return moves.inverse(grams)
        if n_common >= n_tasks:
            features = moves.features
            some = None if len(features) == design.n_features else features
            common = sum(
                np.kron(
                    design.gram(t, design.select(curved, t), some),
                    np.outer(pattern, pattern),
                )
                for t, pattern in enumerate(patterns)
            )
        if common is not None and not moves.rows.size:
            return moves.inverse_of(None, common)
        varies, image = design.square_norms > 0, term.hessian(Z)
        return moves.inverse_of(lambda D: image(np.where(varies, D, 0.0)), common)


class FreeOnStatistics:
    """The same for the squared loss on statistics, whose Hessian is constant.

    Parameters
    ----------
    statistics : Statistics
    moves : FreeMoves
    """

    def __init__(self, statistics, moves):
        self._multiply, self._moves = statistics.multiply, moves
        features = moves.all_features
        order = np.sort(features)
        if len(order) < moves.shape[0]:
            statistics = statistics.restrict(order)
        places = np.searchsorted(order, features)
        self._inverse = moves.inverse(statistics.stacked()[np.ix_(places, places)])

    def optimum(self, gradient):
        """Minimise over the moves from a point with the gradient.

        Returns
        -------
        shift, image : ndarrays of shape (n_features, n_tasks)
            The move, and what it adds to the gradient.
        """
        moves = self._moves
        shift, image = np.zeros_like(gradient), np.zeros_like(gradient)
        # the second step takes the rounding of the first off
        for _ in range(2):
            left = moves.along(gradient + image) + moves.slope(shift)
            shift += moves.matrix(self._inverse.solve(-left))
            image = self._multiply(shift)
        return shift, image

    def hidden(self, gradient, A, square_norms, value):
        """Return what rounding may hide of the gap, inf where more than that is left.

        An error e of the gradient along the moves is ``1/2 e' H^+ e`` of the gap, which
        is much where H is nearly singular: as of features whose means are a million
        deviations, without intercepts.

        Parameters
        ----------
        gradient, A : ndarray of shape (n_features, n_tasks)
            The gradient at A.
        square_norms : ndarray of shape (n_features, n_tasks)
        value : float
            Of the data term at A = 0.
        """
        roots = np.sqrt(square_norms)
        residual = np.sqrt(2.0 * value) + (roots * np.abs(A)).sum(axis=0)
        noise = self._moves.bound(_OF_SUMS * _EPS * roots * residual)
        if np.any(np.abs(self._moves.along(gradient)) > noise):
            return np.inf
        return 0.5 * self._inverse.bound(noise)


@dataclass(frozen=True)
class NullModel:
    """The optimum where A is 0 but for moves that are free, or cost a ridge alone.

    Attributes
    ----------
    value : float
        The objective there.
    G : ndarray of shape (n_features, n_tasks)
        Minus the gradient of the data term.
    shift, Z : ndarray or None
        A and its image; a shift of None is 0.
    free : FreeDirections, FreeOnStatistics or None
    """

    value: float
    G: np.ndarray
    shift: np.ndarray | None
    Z: np.ndarray
    free: FreeDirections | FreeOnStatistics | None

    @cached_property
    def unit(self):
        """A power of two, in units of which the squares of G do not underflow."""
        return 2.0 ** np.frexp(np.max(np.abs(self.G), initial=0.0))[1]

    @cached_property
    def square(self):
        """The sum of the squares of G."""
        return float(np.vdot(self.G, self.G))

    @classmethod
    def of_rows(cls, term, moves):
        """Return the null model of a `DataTerm`."""
        Z = np.broadcast_to(0.0, term.y.shape)
        free = FreeDirections(term, moves)
        slopes, shift = free.optimum(Z)
        if moves.any():
            shift = free.shortest(shift)
            Z = Z + term.image(shift)
            slopes = term.slopes(Z)
        at_zero = not (term.fit_intercept or moves.any())
        value = term.scale if at_zero else term.value(Z) + moves.cost(shift)
        return cls(value, -term.design.adjoint(slopes), shift, Z, free)

    @classmethod
    def of_statistics(cls, term, moves):
        """Return the null model of a `StatisticsTerm`."""
        statistics, free = term.statistics, None
        shift = image = np.zeros(moves.shape)
        if moves.any():
            free = FreeOnStatistics(statistics, moves)
            shift, image = free.optimum(-statistics.moments)
        value = max(term.value_at(shift, image), 0.0) + moves.cost(shift)
        return cls(value, statistics.moments - image, shift, image, free)
