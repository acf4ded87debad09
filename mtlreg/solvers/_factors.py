"""Newton's method on the factors of A."""

import itertools
from functools import cached_property

import numpy as np

from mtlreg.penalties.factored import Factored
from mtlreg.problem import costs

_RESIDUAL = 0.2  # of a linear system, relative, in the norm of its preconditioner
_FEW_PRODUCTS = 2  # for a column that is about to grow to show beside a steep one
_ROUNDING = 1e-10  # a residual after which more products tell nothing
_LEAST_PRODUCTS = 30  # that one linear system may take, however few came before
_LEAST_DECREASE = 0.01  # of what the slope along a step promises
_SHORTEST = 1e-4  # share of a step that is tried
_WIDER = 2.0  # growth of the region that steps may reach, after a good one
_EPS = np.finfo(np.float64).eps


class Point:
    """A proximal gradient step, and what is known where it ends.

    The step is 1 / lipschitz, or shorter where the term bends more.

    Parameters
    ----------
    problem : Problem
    term : DataTerm or StatisticsTerm
    lipschitz : float
    A, Z : ndarray
        Where the step starts, and its image by the term.

    Attributes
    ----------
    lipschitz : float
        That of the step.
    factors : Factored
        The end of the step, both factors of equal column norms.
    Z : ndarray
        Its image by the term.
    value : float
        The objective there.
    """

    def __init__(self, problem, term, lipschitz, A, Z):
        self._term, self._strength = term, problem.penalty.factor_strength
        gradient = term.gradient(Z)
        while True:
            found = problem.penalty.factored_prox(
                A - gradient / lipschitz, 1 / lipschitz
            )
            end, self.Z = found.array, term.image(found)
            # a step of 2 over the curvature does not go up yet
            if not term.bends_more(2 * lipschitz, end - A, Z, self.Z):
                break
            lipschitz *= 1.5
        self.lipschitz, self.factors = lipschitz, found.balanced
        self.value = term.value_at(end, self.Z) + problem.penalty.value(found)

    @cached_property
    def gradient(self):
        """That of the term."""
        return self._term.gradient(self.Z)

    @cached_property
    def slopes(self):
        """The gradient of the objective by the factors, one below the other."""
        L, R = self.factors
        return np.concatenate(
            [
                self.gradient @ R + self._strength * L,
                self.gradient.T @ L + self._strength * R,
            ]
        )

    def below(self, other):
        """Return whether the objective is lower, or the slopes if that is rounding."""
        if abs(self.value - other.value) > 4 * _EPS * abs(other.value):
            return self.value < other.value
        return np.linalg.norm(self.slopes) < np.linalg.norm(other.slopes)


class FactoredNewton:
    """Newton steps on the factors, each ended by a proximal gradient step.

    Where ``penalty(A) = min s/2 (||L||^2 + ||R||^2)`` over ``A = L R'``, the objective
    is smooth in L and R, and columns of both that fade take the rank down. The
    proximal gradient step from ``L R'`` balances the factors and takes the rank up
    where it has to. A step (P, Q) solves::

        H(D) R + s P + G Q = -(G R + s L)
        H(D)'L + s Q + G'P = -(G'L + s R)        D = P R' + L Q'

    with G and H the gradient and the Hessian of f, by conjugate gradients within a
    region that grows and shrinks with their success, or as far as they meet negative
    curvature. It is shortened until the objective is lower after the proximal gradient
    step. Their preconditioner is the diagonal blocks for L, or for a column of it with
    the mean of the Hessians of the tasks, and for a row of R, so that neither scales
    nor correlations of features slow them down.

    Parameters
    ----------
    problem : Problem
        Its penalty has a `factor_strength`.
    term : DataTerm or StatisticsTerm

    Attributes
    ----------
    iteration : int
        Iterations so far, of steps that failed too.

    References
    ----------
    Burer, Monteiro (2003), A nonlinear programming algorithm for solving semidefinite
    programs via low-rank factorization; the region: Steihaug (1983), The conjugate
    gradient method and trust regions in large scale optimization.
    """

    def __init__(self, problem, term):
        self._problem, self._term = problem, term

    def steps(self, A, Z, lipschitz, iteration, max_iter):
        """Yield Newton iterates while they go down.

        Parameters
        ----------
        A, Z : ndarray
            Where to start, and its image by the term.
        lipschitz : float
            The first proximal gradient step is 1 / lipschitz.
        iteration, max_iter : int
            Iterations so far and in all; a product with the Hessian is one, and a step
            that was too long.

        Yields
        ------
        A : Factored
        Z : ndarray
        """
        self.iteration = iteration
        A, radius = A.astype(np.float64, copy=False), np.inf
        point = Point(self._problem, self._term, lipschitz, A, Z)
        while point.factors.rank and self.iteration < max_iter:
            # a system may cost half of what was spent up to here
            budget = max(_LEAST_PRODUCTS, self.iteration // 2)
            most = min(budget, max_iter - self.iteration)
            move, length, inside, spent = self._move(point, radius, most)
            following, share, tries = self._shortened(point, move)
            self.iteration = min(self.iteration + spent + tries - 1, max_iter)
            if share < 1:
                radius = share * length
            elif not inside or _WIDER * length > radius:
                radius = _WIDER * length
            if not following.below(point):
                return
            point = following
            yield point.factors, point.Z

    def _move(self, point, radius, most):
        """Return a step of the factors, and how it was found, see `_within_region`."""
        (L, R), G, d = point.factors, point.gradient, len(point.factors.left)
        hessian = self._term.hessian(point.Z)
        strength = self._problem.penalty.factor_strength
        left, right = np.hstack([L, L]), np.hstack([R, R])

        def product(x):
            P, Q = x[:d], x[d:]
            left[:, : P.shape[1]], right[:, P.shape[1] :] = P, Q
            bent, out = hessian(Factored(left, right)), strength * x
            out[:d] += bent @ R + G @ Q
            out[d:] += bent.T @ L + G.T @ P
            return out

        solve = self._preconditioner(point, strength)
        return _within_region(product, solve, -point.slopes, radius, most)

    def _preconditioner(self, point, strength):
        """Return x -> M^-1 x with M the diagonal blocks of the system at a point."""
        (L, R), term, d = point.factors, self._term, len(point.factors.left)
        values, vectors = term.pooled_spectrum(self.iteration)
        of_columns = term.shifted_inverse(R, strength, point.Z)
        if of_columns is None:
            of_columns = _mean_inverse(values, vectors, R, strength)
        if L.shape[1] <= costs.BLOCK_RANK:
            blocks = term.compressed_hessian(L, point.Z)
        else:
            half = L if vectors is None else vectors.T @ L
            blocks = (half.T @ (values[:, None] * half))[None]
        of_rows = np.linalg.inv(blocks + strength * np.eye(L.shape[1]))

        def solve(x):
            P, Q = x[:d], x[d:]
            return np.concatenate([of_columns(P), (of_rows @ Q[:, :, None])[:, :, 0]])

        return solve

    def _shortened(self, point, move):
        """Halve a step until the proximal gradient step from its end goes down.

        That takes off what the curvature of ``L R'`` along the step, ``P Q'``, does to
        a steep data term, so that steps follow a curved valley.

        Returns
        -------
        following : Point
        share : float
            Of the step.
        tries : int
        """
        d, term = len(point.factors.left), self._term
        slope = float(np.vdot(point.slopes, move))
        noise, share = 4 * _EPS * abs(point.value), 1.0
        for tries in itertools.count(1):
            L, R = point.factors.left + share * move[:d], share * move[d:]
            R += point.factors.right
            Z = term.image(Factored(L, R))
            following = Point(self._problem, term, point.lipschitz, L @ R.T, Z)
            enough = point.value + _LEAST_DECREASE * share * slope + noise
            if following.value <= enough or share < _SHORTEST:
                return following, share, tries
            share *= 0.5


def _mean_inverse(values, vectors, R, shift):
    """Return the inverse of ``P -> H P R'R + shift P`` with H of a spectrum.

    The columns of R are orthogonal.
    """
    scale = 1 / (np.outer(values, np.sum(R**2, axis=0)) + shift)
    if vectors is None:
        return lambda P: scale * P
    return lambda P: vectors @ (scale * (vectors.T @ P))


def _within_region(product, solve, target, radius, most):
    """Solve ``B x = target`` as far as a region and the curvature of B allow.

    Preconditioned conjugate gradients that stop where they leave the region, where
    they meet curvature <= 0, or with the residual.

    Parameters
    ----------
    product, solve : callable
        x -> B x and x -> M^-1 x.
    target : ndarray
    radius : float
        The region is ``<x, M x> <= radius^2``.
    most : int
        Products.

    Returns
    -------
    x : ndarray
    length : float
        Of x, in the norm of M.
    inside : bool
        Whether x solves the system.
    spent : int
        Products.
    """
    x, residual = np.zeros_like(target), target
    p = solve(residual)
    size = first = square = float(np.vdot(residual, p))
    if not size > 0:
        return x, 0.0, True, 0
    length, along = 0.0, 0.0  # <x, M x>, <x, M p>; square is <p, M p>
    for spent in range(1, most + 1):
        bent = product(p)
        curvature = float(np.vdot(p, bent))
        step = size / curvature if curvature > 0 else np.inf
        reached = length + step * (2 * along + step * square)
        if not reached < radius**2:
            if radius == np.inf:
                # without a region, stay, or go as the preconditioner alone would
                x, length = (x, length) if spent > 1 else (p, square)
                return x, np.sqrt(length), False, spent
            rest = np.sqrt(along**2 + square * (radius**2 - length))
            return x + (rest - along) / square * p, radius, False, spent
        x, length = x + step * p, reached
        residual = residual - step * bent
        z = solve(residual)
        previous, size = size, float(np.vdot(residual, z))
        enough = _RESIDUAL if spent >= _FEW_PRODUCTS else _ROUNDING
        if size <= enough**2 * first:
            return x, np.sqrt(length), True, spent
        growth = size / previous
        along = growth * (along + step * square)
        square = size + growth**2 * square
        p = z + growth * p
    return x, np.sqrt(length), False, most
