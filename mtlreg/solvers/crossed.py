"""Conjugate gradients for deviations by several groupings, with blocks by label."""

import numpy as np

from mtlreg.problem import costs
from mtlreg.problem.threads import held_threads
from mtlreg.solvers.base import GapCheck

_EPS = np.finfo(np.float64).eps
_BELOW = 1e-4  # of the rounding that a certificate allows for, which iterations lack


def minimise_crossed(problem, max_iter, tol):
    """Minimise a `CrossedProblem` by preconditioned conjugate gradients.

    The gap is half the square of the gradient, which every iteration has; where that
    reaches the target a certificate has the last word, and more iterations take the
    rounding off while it pays.

    Parameters
    ----------
    problem : CrossedProblem
    max_iter : int
    tol : float
        Stop when the duality gap is at most ``tol F0``, see `CrossedProblem`.

    Returns
    -------
    Solution
    """
    with held_threads(problem.work):
        check = GapCheck(problem, tol, None)
        W, best, gap, iteration = np.zeros(problem.shape), None, np.inf, 0
        aim = max(0.5 * tol * problem.null_value, _BELOW * problem.gap_target(0.0))
        precondition = None
        while not check(iteration, W):
            before, gap = gap, check.certificate.gap
            if not gap < before:
                check(iteration, best)
            if iteration >= max_iter or not gap < 0.5 * before:
                break
            if precondition is None:
                precondition = _preconditioner(problem)
            best, gradient = W, check.certificate.gradient
            move, made = _conjugate_gradients(
                problem, precondition, gradient, aim, max_iter - iteration
            )
            W, iteration = problem.centred(W + move), iteration + made
        return check.solution()


def _conjugate_gradients(problem, precondition, gradient, target, max_iter):
    """Return a move after which half the square of the gradient is the target, or less.

    And the number of iterations.
    """
    move, left = np.zeros_like(gradient), -gradient
    direction, size = 0.0, np.inf
    made = 0
    while made < max_iter:
        turned = precondition(left)
        before, size = size, float(np.vdot(left, turned))
        direction = turned + (size / before) * direction
        bent = problem.hessian(direction)
        curve = float(np.vdot(direction, bent))
        if not (size > 0 and curve > 0):
            break  # squares underflow
        step = size / curve
        move += step * direction
        left -= step * bent
        made += 1
        if 0.5 * float(np.vdot(left, left)) <= target:
            break
    return move, made


def _preconditioner(problem):
    """Return the inverse of the Hessian without what ties labels of several groupings.

    For residuals and moves whose sum over the labels of a grouping is 0. By the blocks
    of the labels, or their diagonals where the blocks take much memory.
    """
    n_labels, q = problem.shape
    if 8 * n_labels * q**2 <= costs.MOST_BYTES:
        grams = [problem.grams(k) for k in range(len(problem.starts) - 1)]
        roots = np.concatenate([_inverse_roots(gram) for gram in grams])
        turned = roots.swapaxes(1, 2)
        return lambda W: problem.centred((turned @ (roots @ W[:, :, None]))[:, :, 0])
    inverse = 1.0 / (1.0 + problem.squares())
    return lambda W: problem.centred(inverse * W)


def _inverse_roots(grams):
    """Return matrices R with ``R'R = (I + G)^-1`` for each of many G, (n, q, q).

    Where the rank is less but for rounding, diagonals are made larger by as much.
    """
    q = grams.shape[1]
    shifted, excess = grams + np.eye(q), 4 * q * _EPS
    diagonals = np.einsum("tjj->tj", shifted)
    np.maximum(diagonals, 1.0, out=diagonals)
    while True:
        try:
            return np.linalg.inv(np.linalg.cholesky(shifted))
        except np.linalg.LinAlgError:
            diagonals *= 1.0 + excess
            excess *= 10
