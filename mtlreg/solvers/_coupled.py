"""Least squares of tasks that any quadratic couples, by conjugate gradients."""

import itertools

import numpy as np

_EPS = np.finfo(np.float64).eps
_PRODUCTS = 20  # that there will be, for the preconditioner to be worth its matrix
_BETWEEN = 10  # products from one check to the next, while the residual tells of none
_REFRESHED = 3  # times that the residual is taken anew, after which all is rounding


def coupled_points(problem, A, target):
    """Yield ever better solutions of ``H(A) + A Q = b``, and the products so far.

    With H the Hessian of the squared loss and Q the matrix of the penalty. The
    preconditioner is the inverse for the mean of the H_t over the tasks, exact where
    all have one, as it is with two eigendecompositions::

        H = U diag(h) U', Q = V diag(q) V':  A = U [U'B V / (h + q')] V'

    Parameters
    ----------
    problem : Problem
        Of the squared loss, with a penalty that has a `task_spectrum`.
    A : ndarray of shape (n_features, n_tasks)
        The start; not written to.
    target : float
        Of the gap, which the residual estimates: points are worth a check from there.

    Yields
    ------
    A : ndarray
    products : int
    """
    term, penalty = problem.term, problem.penalty
    solve = _mean_inverse(term, penalty.task_spectrum)
    Z = term.image(A)
    hessian = term.hessian(Z)
    near, left = target, _REFRESHED
    residual = -(term.gradient(Z) + penalty.gradient(A))
    move = solved = solve(residual)
    size = first = float(np.vdot(residual, solved))
    for products in itertools.count(1):
        bent = hessian(move) + penalty.gradient(move)
        curvature = float(np.vdot(move, bent))
        length = size / curvature if curvature > 0 else 0.0
        A = A + length * move
        residual = residual - length * bent
        solved = solve(residual)
        before, size = size, float(np.vdot(residual, solved))
        move = solved + (size / before if before else 0.0) * move
        done = size <= _EPS**2 * first or length == 0
        if 0.5 * size <= near or products % _BETWEEN == 0 or done:
            yield A, products
            near = min(near, 0.1 * size)
        if done:
            # from here on without the rounding of the products so far
            if not left:
                return
            residual = -(term.gradient(term.image(A)) + penalty.gradient(A))
            move = solved = solve(residual)
            size = first = float(np.vdot(residual, solved))
            left -= 1


def _mean_inverse(term, task_spectrum):
    """Return B -> A with ``H A + A Q = B``, H the mean of the tasks; of least norm."""
    h, U = term.pooled_spectrum(_PRODUCTS)
    q, V = task_spectrum
    bend = h[:, None] + q
    inverse = np.zeros_like(bend)
    np.divide(1.0, bend, out=inverse, where=bend > bend.size * _EPS * bend.max())

    def solve(B):
        B = (B if U is None else U.T @ B) @ V * inverse @ V.T
        return B if U is None else U @ B

    return solve
