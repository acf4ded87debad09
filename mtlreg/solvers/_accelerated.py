"""The iteration of accelerated proximal gradient."""

import numpy as np

from mtlreg.penalties.factored import as_array


def accelerated(term, penalty, A, lipschitz=None, most=np.inf):
    """Yield the iterates of accelerated proximal gradient, for ever.

    The step is 1/L; whenever the term curves more along a step than L allows, L grows
    and the step is taken again. The momentum restarts when it points uphill.

    Parameters
    ----------
    term : DataTerm or StatisticsTerm
    penalty : Penalty
    A : ndarray
        The start, of the shape of the variable of ``penalty``; not written to.
    lipschitz : float, optional
        L to start with, that of the term if left out.
    most : float
        A bound of the curvature: a step that bends more does so by rounding alone.

    Yields
    ------
    A : ndarray, Factored or Blocks
        The iterate.
    Z : ndarray
        Its image by the term.
    lipschitz : float
        L of the step that led there.
    """
    combine = penalty.combine
    if lipschitz is None:
        # a little above the constant, which is exact up to rounding only
        lipschitz = (1 + 1e-10) * penalty.n_blocks * term.lipschitz
    Z = term.image(combine(A))
    A = A.astype(Z.dtype, copy=False)
    Y, image, momentum = A, Z, 1.0
    while True:
        gradient = term.gradient(image)
        while True:
            start, step = Y - gradient / _as(Y, lipschitz), 1 / lipschitz
            iterate = penalty.factored_prox(start, step)
            following, following_image = as_array(iterate), term.image(combine(iterate))
            ends = following - Y, image, following_image
            if lipschitz > most or not term.bends_more(lipschitz, *ends):
                break
            del ends
            lipschitz *= 1.5
        move = following - A
        if np.vdot(Y - following, move) > 0:
            momentum = 1.0
        grown = 0.5 * (1 + np.sqrt(1 + 4 * momentum**2))
        beta = (momentum - 1) / grown
        Y = following + _as(A, beta) * move
        image = following_image + _as(Z, beta) * (following_image - Z)
        A, Z, momentum = following, following_image, grown
        del gradient, start, move, ends  # which would last until the next step
        yield iterate, Z, lipschitz


def _as(like, value):
    """Return the number in the precision of an array, which then keeps its own."""
    return like.dtype.type(value)
