"""Block coordinate descent on a working set."""

from dataclasses import dataclass

import numpy as np

from mtlreg.problem import costs
from mtlreg.problem.rows import nonzero_rows
from mtlreg.solvers._columns import make_model
from mtlreg.solvers.base import GapCheck, Solver

_EVEN_STEPS = 30  # of proximal gradient before the first epoch
_TARGET_SHARE = 0.5  # to which a working set is solved
_LAST_SHARE = 0.99  # to which all rows are, as only rounding is left
_INNER_SHARE = 0.1  # of the gap, to which one is that may not be the last
_FARTHEST = 30  # that the model of one cell alone moves its prediction
_LEAST_CURVATURE = 1e-16  # of a Newton weight, as a share of the largest possible
_LEAST_SIZE = 10  # of a working set
# at which the logarithm of the gap is taken to fall in the first epochs from A = 0, and
# from a start, which is near and has few rows to find
_RATE, _RATE_OF_STARTS = 0.1, 1.0
_PATIENCE = 10  # gap checks without progress before float32 becomes float64


@dataclass(frozen=True)
class BCD(Solver):
    """Block coordinate descent over the rows of A, for sums over rows with a polar.

    The free rows are those that are not 0 and those nearest to leaving 0, at least
    twice as many as are active. On them a quadratic model of the data term (for the
    squared loss, the term itself) plus the penalty is minimised to a share of the
    duality gap, and to the end once no other row leaves 0: rows exactly, one after the
    other, with the curvature of every task, extrapolated every few epochs. Where the
    gap falls slowly, damped Newton steps on the face of the penalty take over, or
    momentum where entries of a row are tied. Other losses take the model at each point
    as a Newton step, shortened until the objective falls.

    Where Gram matrices pay, some proximal gradient steps come first unless the penalty
    is strictly convex: of many optima they choose the one that treats collinear
    features alike.

    Parameters
    ----------
    max_iter : int, default=10_000
        Most epochs.
    tol : float, default=1e-6
        Stop when the duality gap is at most ``tol F0``.
    first_size : int, default=100
        Size of the first working set, or less where few rows leave 0.

    References
    ----------
    Massias, Gramfort, Salmon (2018), Celer: a fast solver for the Lasso with dual
    extrapolation, section 4 (working sets); Bertrand, Massias (2021), Anderson
    acceleration of coordinate descent, algorithm 2; O'Donoghue, Candes (2015), Adaptive
    restart for accelerated gradient schemes, eq. 12 (momentum).

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.problem import MultiTaskData
    >>> from mtlreg.losses import Squared
    >>> from mtlreg.penalties import L21
    >>> from mtlreg.problem import Problem
    >>> from mtlreg.solvers import BCD
    >>> X = np.array([[1.0], [-1.0]])
    >>> Y = np.array([[3.0, 4.0], [-3.0, -4.0]])
    >>> data = MultiTaskData(X, Y, np.ones((2, 2)))
    >>> problem = Problem(data, Squared(), L21(1.0), np.ones(2))
    >>> BCD(tol=1e-12).solve(problem).A.round(6)
    array([[2.4, 3.2]])
    """

    first_size: int = 100

    def refuses(self, loss, penalty):
        if penalty.row_separable and penalty.has_polar:
            return None
        return (
            f"solver 'bcd' needs a gauge that is a sum over features, which "
            f"{type(penalty).__name__} is not; use 'fista'"
        )

    def _solve(self, problem, init, image, monitor):
        check = GapCheck(problem, self.tol, monitor)
        A = problem.null_point()
        if init is not None:
            A[...] = init
        quadratic = problem.loss.quadratic
        model, held, inner, Z, value = None, None, problem, image, None
        size, epochs = self.first_size, 0
        rate = _RATE if init is None else _RATE_OF_STARTS
        while True:
            if Z is None:
                Z = inner.term.image(A.astype(np.float64, copy=False))
            last = epochs >= self.max_iter
            if check(epochs, A, Z, last) or last:
                return check.solution()
            if A.dtype != np.float64 and check.stalled(_PATIENCE):
                # rounding keeps the gap up, go on from here in float64
                A, model, value = A.astype(np.float64), None, None
            gap = check.certificate.gap
            rows, complete = _working_set(inner, A, check.certificate, size, held)
            # whether the model is the problem
            whole = quadratic and len(rows) == len(A)
            size, confirmed = len(rows), whole or rows is held
            kept = quadratic and rows is held and model is not None
            point = inner.at_point(check.certificate, Z)
            gradient = point.gradient[rows]
            if not (kept and model.renewed(gap, gradient, inner.term.value_at(A, Z))):
                if model is not None and inner is problem:
                    # the first working set was too small
                    check.estimate = problem.on_statistics(costs.PRODUCTS_LEFT)
                    inner = check.estimate or problem
                model = None  # frees its columns before the next are made
                model = self._model(inner, rows, A, Z, point)
                held = rows
                # with one optimum there is nothing to choose
                chooses = quadratic and not problem.penalty.strictly_convex
                if chooses and init is None and epochs == 0:
                    model.start_evenly(_EVEN_STEPS)
            target = (_LAST_SHARE if whole else _TARGET_SHARE) * check.target
            share = max(target, _INNER_SHARE * gap)
            # Newton steps are quick to go on; epochs wait until the rows have proved
            # to be all
            quick = quadratic and complete and (whole or epochs)
            aim = target if quick else share
            target = aim if confirmed else share
            before = model.n_epochs
            rate = model.solve(target, aim, self.max_iter - epochs, gap, rate)
            epochs += model.n_epochs - before
            if quadratic:
                A[rows], Z = model.A, None
            else:
                A, Z, value = _line_search(problem, A, Z, rows, model.A, value)

    def _model(self, problem, rows, A, Z, certificate):
        term, weight = problem.term, None
        if not problem.loss.quadratic:
            # of a cell, -slope / weight is its move. A separable cell has slope and
            # curvature vanish alike: more weight would hold it back. One on the wrong
            # side is steep and flat: less weight would send it off.
            weight = problem.loss.hessian(term.predictions(Z), term.y, term.v)
            weight = np.maximum(weight, np.abs(certificate.slopes) / _FARTHEST)
            flattest = _LEAST_CURVATURE * problem.loss.curvature * term.v
            weight = np.maximum(weight, flattest)
        return make_model(problem, rows, A, certificate, weight)


def _working_set(problem, A, certificate, size, held):
    """Return the rows to free, and whether no other row leaves 0 as things stand.

    They stay those that are held, or None, while that is so of them. Else they are the
    active ones and those with the least distance to the boundary of the dual domain,
    ``(1 - polar) / ||x_j||`` in units of their column norms.
    """
    if size >= len(A):
        return np.arange(len(A)) if held is None else held, True
    norms, polars = problem.column_norms, certificate.polars
    if held is not None and not _outside(polars, held).max(initial=0.0) > 1:
        return held, True
    active = nonzero_rows(A)
    if problem.penalty.free_rows is not None:
        active |= problem.penalty.free_rows
    if held is None and size < len(A):
        wanted = np.count_nonzero(active | (polars > 1))
        size = min(size, max(_LEAST_SIZE, 2 * wanted))
    size = min(len(A), max(size, 2 * np.count_nonzero(active)))
    scaled = polars / max(1.0, polars.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(norms > 0, (1 - scaled) / norms, np.inf)
    distance[active] = -np.inf
    free = np.sort(np.argpartition(distance, size - 1)[:size])
    return free, not _outside(polars, free).max(initial=0.0) > 1


def _outside(values, rows):
    """Return the values of all other rows."""
    others = np.ones(len(values), dtype=bool)
    others[rows] = False
    return values[others]


def _line_search(problem, A, Z, rows, proposed, value=None):
    """Return the point from A towards the proposed rows where F is no higher.

    With its image and F, or A, Z and its value where there is none.
    """
    if value is None:
        value = problem.term.value(Z) + problem.penalty.value(A)
    # what is left near the optimum is below the rounding of F, but not of the gap
    most = value + 4 * np.finfo(np.float64).eps * abs(value)
    move = proposed - A[rows]
    for halvings in range(30):
        candidate = A.copy()
        candidate[rows] += A.dtype.type(0.5**halvings) * move
        image = problem.term.image(candidate.astype(np.float64, copy=False))
        reached = problem.term.value(image) + problem.penalty.value(candidate)
        if reached <= most:
            return candidate, image, reached
    return A, Z, value
