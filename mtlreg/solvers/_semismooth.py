"""Newton's method on the manifold that proximal gradient has identified."""

import itertools
from functools import cached_property

import numpy as np

from mtlreg.penalties.factored import as_array
from mtlreg.problem.certificate import ROUNDING
from mtlreg.solvers._factors import FactoredNewton

_RESIDUAL = 0.1  # of a linear system, relative, in the norm of its preconditioner
_SHARES = 1, 2, 4  # of the budget of a linear system, after which its step is tried
_LEAST_PRODUCTS = 5  # for one; to try a step takes as long
_ROUNDING = 1e-10  # a residual after which more products tell nothing
_SETTLED = 0.03  # relative change of dimension between manifolds that pass for one
_NEAR = 0.15  # and that a step may make without being dropped
_FLAT = 1e-12  # curvature along a move, over that of the preconditioner: rounding
_MANY_PRODUCTS = 30  # of a linear system: its preconditioner does not know the features
_FIRST_PRODUCTS = 30  # that the first try of a step after a warm start may cost
_LENGTHS = 1.0, 0.25, 0.06  # shares of a step, until it is one that goes down
_DROPPED = 2  # steps, after which the manifold is left to the factors


class Point:
    """A proximal gradient step, and what is known where it ends.

    Parameters
    ----------
    problem : Problem
    term : DataTerm or StatisticsTerm
    step : float
    A, Z : ndarray
        Where the step starts, and its image by the term.

    Attributes
    ----------
    tangent : FixedRank, OnFace or BlockSpaces
        The prox and its tangent space.
    A : ndarray
        The end of the step.
    """

    def __init__(self, problem, term, step, A, Z):
        self._problem, self._term = problem, term
        self.tangent = problem.penalty.tangent(A - step * term.gradient(Z), step)
        self.A, self._matrix = self.tangent.A, problem.penalty.combine(self.tangent.A)

    @cached_property
    def Z(self):
        """The image of A by the term."""
        return self._term.image(self._matrix)

    @cached_property
    def value(self):
        """The objective at A."""
        return self._term.value_at(self._matrix, self.Z) + self.tangent.value

    @cached_property
    def slope(self):
        """The least subgradient that is known, ``grad f(A) + E``."""
        return self._term.gradient(self.Z) + self.tangent.subgradient

    def below(self, other):
        """Return whether the objective is lower.

        Where the difference of its values may be rounding, that is told by the slopes
        at both ends of the move, which are linear along so short a one.
        """
        noise = ROUNDING * (self._problem.scale + abs(other.value))
        if abs(self.value - other.value) > noise:
            return self.value < other.value
        return float(np.vdot(self.slope + other.slope, self.A - other.A)) < 0


class Semismooth:
    """Newton steps for ``f(A) + penalty(A)``, each ended by a proximal gradient step.

    At the end A of a proximal gradient step, of a subgradient E, the objective is
    smooth on a manifold (of one rank, for the trace norm). The step D in its tangent
    space solves ``(H + N) D = -(grad f(A) + E)``, H the Hessian of f and N that of the
    penalty, by conjugate gradients with a preconditioner as ``(sigma + N)^-1``, sigma
    the mean curvature of f. The proximal gradient step from A + D leaves the manifold
    where it has to. A step that ends far off the manifold, or not lower, is dropped:
    the optimum lies on another one. After two of these, or a linear system that takes
    long, it is the turn of `FactoredNewton`, if the penalty has a `factor_strength`.

    Parameters
    ----------
    problem : Problem
        Its penalty has a `tangent`.
    term : DataTerm or StatisticsTerm
    sigma : float
        Mean curvature of f.

    Attributes
    ----------
    iteration : int
        Iterations so far, of steps that were dropped too.

    References
    ----------
    Patrinos, Stella, Bemporad (2014), Forward-backward truncated Newton methods for
    convex composite optimization; the manifold: Bareilles, Iutzeler, Malick (2023),
    Newton acceleration on manifolds identified by proximal gradient methods.
    """

    def __init__(self, problem, term, sigma):
        self._problem, self._term, self._sigma = problem, term, sigma
        self._combine = problem.penalty.combine
        self._has_factors = problem.penalty.factor_strength is not None
        self._dimension, self._checks, self._patience = 0, 0, 0
        self._least_budget, self._dropped = 1, 0

    def begin(self, A):
        """Make the steps start from A, which is near the optimum.

        A first try may cost something there, and the proximal gradient steps are of
        2 / L: longer ones would undo in some directions what A already has.
        """
        self._least_budget = _FIRST_PRODUCTS
        self._step = 2.0 / (self._problem.penalty.n_blocks * self._term.lipschitz)
        A = A.astype(np.float64, copy=False)
        self._last = self._point(A, self._term.image(self._combine(A)))

    def ready(self, A, Z, lipschitz):
        """Return whether to try from here: at first, and when the manifold has settled.

        Parameters
        ----------
        A, Z : ndarray
            An iterate of proximal gradient and its image by the term.
        lipschitz : float
            Of the gradient of the term; the proximal gradient step is 1 / lipschitz.
        """
        self._step = 1.0 / lipschitz
        self._last = self._point(A.astype(np.float64, copy=False), Z)
        now = self._last.tangent.dimension
        self._checks = self._checks + 1 if _close(now, self._dimension) else 0
        self._dimension = now
        return self._checks >= self._patience

    def steps(self, iteration, max_iter):
        """Yield Newton iterates, from where `begin` or `ready` was, while they go down.

        After a step that was dropped, the manifold has to stay for ever more checks.

        Parameters
        ----------
        iteration, max_iter : int
            Iterations so far and in all; a product with the Hessian is one.

        Yields
        ------
        A : Factored, ndarray or Blocks
        Z : ndarray
        """
        point, self._last, self.iteration = self._last, None, iteration
        spent, dropped, slow = 0, False, False
        while point.tangent.dimension and iteration < max_iter:
            # the first try of a step may cost half of what was spent up to here
            budget = max(self._least_budget, iteration // 2)
            reached = point
            for D, spent in self._tries(point, budget, max_iter - iteration):
                self.iteration = iteration + spent
                following = self._below(reached, point, D)
                if following is None:
                    break
                reached = following
                yield reached.tangent.iterate, reached.Z
            spent, dropped = self.iteration - iteration, reached is point
            point, iteration = reached, self.iteration
            slow = spent > _MANY_PRODUCTS and self._has_factors
            if dropped or slow:
                break
        self._dropped += dropped
        self._checks, self._patience = 0, max(2, 2 * self._patience)
        if not self._has_factors or (self._dropped < _DROPPED and not slow):
            return
        factors = FactoredNewton(self._problem, self._term)
        start = point.A, point.Z, 1.0 / self._step
        for found in factors.steps(*start, self.iteration, max_iter):
            self.iteration = factors.iteration
            yield found
        self.iteration = factors.iteration

    def _below(self, reached, point, D):
        """Return where the step D from a point ends, if that is lower, or None.

        One that is not is shortened where norms of rows or columns are all that bends:
        these do ever more the less is left of them. A wrong rank is better left alone.
        """
        image, D = self._term.image(self._combine(D)), as_array(D)
        shortens = point.tangent.kinked and reached is point
        for share in _LENGTHS if shortens else _LENGTHS[:1]:
            moved, Z = point.A + share * D, point.Z + share * image
            end = point.tangent.retract(moved)
            left = not np.array_equal(end, moved)
            if left:
                Z = point.Z + self._term.image(self._combine(end - point.A))
            following = self._point(end, Z)
            dimensions = following.tangent.dimension, point.tangent.dimension
            if not (left or _close(*dimensions, _NEAR)):
                return None
            if following.below(reached):
                return following
        return None

    def _point(self, A, Z):
        return Point(self._problem, self._term, self._step, A, Z)

    def _tries(self, point, budget, most):
        """Yield ever better solutions D of one Newton step, and the products so far."""
        tangent, hessian = point.tangent, self._term.hessian(point.Z)

        def product(x):
            return tangent.coordinates(hessian(self._combine(tangent.matrix(x))))

        solve = tangent.preconditioner(self._sigma)
        target = -tangent.coordinates(point.slope)
        solving = _conjugate_gradients(product, solve, self._sigma, target)
        stops = [min(share * budget, most) for share in _SHARES]
        for spent, (x, solved) in enumerate(solving, 1):
            if solved or spent in stops:
                yield tangent.matrix(x), spent
            if solved or spent == stops[-1]:
                return


def _close(first, second, share=_SETTLED):
    """Return whether two manifolds have nearly the same dimension."""
    return abs(first - second) <= share * max(first, second)


def _conjugate_gradients(product, preconditioner, sigma, target):
    """Solve ``(H + N) x = target`` by preconditioned conjugate gradients.

    N is known by its resolvent ``R = (sigma + N)^-1`` alone: where p = R w, N p is
    w - sigma p.

    Parameters
    ----------
    product : callable
        x -> H x.
    preconditioner : callable
        x -> (z, w) with z = R w, see `Space`.
    sigma : float
    target : ndarray

    Yields
    ------
    x : ndarray
        The solution after one more product.
    solved : bool
        Whether that is all there is to gain.
    """
    x, residual = np.zeros_like(target), target
    p, w = preconditioner(target)
    size = first = float(np.vdot(residual, p))
    for spent in itertools.count(1):
        bent = product(p) + w - sigma * p
        curvature = float(np.vdot(p, bent))
        # where two blocks share moves that no penalty bends, the system is singular
        if not curvature > _FLAT * float(np.vdot(p, w)):
            yield x, True
            return
        length = size / curvature
        x = x + length * p
        residual = residual - length * bent
        z, v = preconditioner(residual)
        previous, size = size, float(np.vdot(residual, z))
        enough = _RESIDUAL if spent >= _LEAST_PRODUCTS else _ROUNDING
        yield x, size <= enough**2 * first
        p, w = z + size / previous * p, v + size / previous * w
