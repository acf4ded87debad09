"""Any loss of rows that are in chunks: what is asked of each, and Newton's method.

A round asks every chunk the same and adds up the answers. Around a point with the
predictions z the loss is nearly a weighted least squares::

    sum v loss(z') ~ sum v loss(z) + sum g (z' - z) + 1/2 sum h (z' - z)^2

with ``g = v loss'`` and ``h = v loss''``: that of the targets ``z - g / h`` with the
weights h, whose statistics are all that Newton's method needs of the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtlreg.problem.certificate import Certificate
from mtlreg.problem.free import NullModel
from mtlreg.problem.problem import Problem
from mtlreg.problem.rows import predict_rows
from mtlreg.problem.threads import largest_product
from mtlreg.sequences.folds import take_rows
from mtlreg.sequences.parts import PartStatistics
from mtlreg.solvers import Solution, Solver, choose_solver

_EPS = np.finfo(np.float64).eps
_FLATTEST = 1e-8  # least h over |g|, so that targets of least squares stay numbers
_SHARES = tuple(0.25**k for k in range(12))  # of a step, whose losses are asked at once
_FALL = 1e-4  # of the objective over that of its linear model, for a step to be taken
_ACCURACY = 1e-3  # of the model's optimum, as a share of the gap
_MOST_STEPS = 50  # to the null model
_PATIENCE = 5  # steps by which the objective falls no more than by rounding


@dataclass(frozen=True)
class Question:
    """What a round asks of the rows.

    Attributes
    ----------
    coef, intercept : ndarray of shape (n_tasks, n_features) and (n_tasks,)
        The point around which the loss is to be modelled.
    start : (coef, intercept) or None
        The point before it.
    shares : tuple of float
        Of the way from there, at which the loss is to be known.
    dual : (coef, intercept, float) or None
        A move of the point before and a scale s: how far s times the slopes there, made
        linear and moved, are from the loss.
    """

    coef: np.ndarray
    intercept: np.ndarray
    start: tuple | None = None
    shares: tuple = (1.0,)
    dual: tuple | None = None


@dataclass(frozen=True)
class Answer:
    """What some rows know of a `Question`; the answers of parts add up.

    Attributes
    ----------
    losses : ndarray of shape (n_shares,)
    divergence : float
    model : PartStatistics or None
        Of ``-g / h`` with the weights h; None without rows.
    """

    losses: np.ndarray
    divergence: float
    model: PartStatistics | None

    def __add__(self, other):
        model = self.model or other.model
        if self.model is not None and other.model is not None:
            model = self.model.merge(other.model)
        losses = self.losses + other.losses
        return Answer(losses, self.divergence + other.divergence, model)


def answer(data, loss, centred, question):
    """Return the `Answer` of the rows of a chunk.

    Parameters
    ----------
    data : MultiTaskData or None
        Of all tasks, some perhaps without rows; the weights are the v of the objective.
    loss : Loss
    centred : bool
        Whether there are intercepts.
    question : Question
    """
    if data is None or not len(data.y):
        return Answer(np.zeros(len(question.shares)), 0.0, None)
    data = replace(data, X=data.X.astype(np.float64, copy=False))
    y, v, divergence = data.y, data.weight, 0.0
    z = before = _predictions(data, question.coef, question.intercept)
    if question.start is not None:
        before = _predictions(data, *question.start)
    losses = [loss.value(before + s * (z - before), y, v) for s in question.shares]
    if question.dual is not None:
        *move, scale = question.dual
        g, h = _derivatives(loss, before, y, v)
        slopes = g + h * _predictions(data, *move)
        divergence = loss.divergence(before, slopes, y, v, scale=scale)
    g, h = _derivatives(loss, z, y, v)
    targets = np.divide(-g, h, out=np.zeros_like(g), where=h > 0)
    data = replace(data, y=targets, weight=h)
    if data.offsets is not None and not h.all():
        data = take_rows(data, h > 0)
    model = PartStatistics.of_data(data, centred)
    return Answer(np.array(losses), divergence, model)


def _predictions(data, coef, intercept):
    if data.offsets is None:
        return data.X @ coef.T + intercept
    codes = data.cells.spread(np.arange(len(intercept)))
    return predict_rows(data.X, coef, intercept, codes)


def _derivatives(loss, z, y, v):
    """Return g, and h but for what is too small for its targets."""
    g, h = loss.derivatives(z, y, v)
    return g, np.maximum(h, _FLATTEST * np.abs(g))


@dataclass(frozen=True)
class Visit:
    """A point and what a round has found there, in the coordinates of the problem.

    Attributes
    ----------
    A : ndarray
        The variable.
    intercept : ndarray of shape (n_tasks,)
    value : float
        The data term there.
    part : PartStatistics
        Of ``-g / h`` with the weights h.
    """

    A: np.ndarray
    intercept: np.ndarray
    value: float
    part: PartStatistics


class ChunkedProblem(Problem):
    """The problem of rows that are elsewhere, and answer questions.

    Parameters
    ----------
    ask : callable
        ``ask(question)`` is a round: the sum of the `Answer` of all rows, of all tasks
        and in the units of X.
    classes : MultiTaskData
        The targets, each once a task with the sum of its weights; X holds no more than
        its width.
    loss : Loss
    penalty : Penalty
    task_scale : ndarray of shape (n_tasks,)
    fit_intercept : bool
    units : ndarray of shape (n_features,) or None
        What features are divided by.
    kept : ndarray of bool
        Which of all tasks are those of the problem.
    ones : bool
        Whether the last feature of the problem is one of ones, beside those of X.

    Attributes
    ----------
    null : Visit
        Of A = 0.
    start_intercept : ndarray of shape (n_tasks,)
        The intercepts of where a solver is told to start; those of A = 0 by default.
    """

    has_rows = False

    def __init__(
        self, ask, classes, loss, penalty, task_scale, fit_intercept, units, kept, ones
    ):
        self.loss, self.dtype = loss, np.dtype(np.float64)
        self._ask, self._units, self._kept, self._ones = ask, units, kept, ones
        self.task_scale, self._origin = task_scale, 0.0
        cells = classes.cells
        v = classes.weight * cells.spread(task_scale / cells.total(classes.weight))
        zero = np.zeros(v.shape)
        self.scale = loss.value(zero, classes.y, v)
        self._constant = np.zeros(len(task_scale))
        if fit_intercept:
            self._constant = loss.fit_intercept(zero, classes.y, v, cells)
        d = classes.X.shape[1]
        self.start_intercept, self._fit_intercept = self._constant, fit_intercept
        self.square_norms = np.zeros((d, len(task_scale)))
        self.work = largest_product(d, d, len(task_scale))
        self._set_penalty(penalty)

    def _set_penalty(self, penalty):
        # the null model is a variable of the penalty, and a round finds it
        self._null_models, self._certified = {}, (None, None)
        super()._set_penalty(penalty)

    def _null_model(self):
        visit, _ = self._visit(np.zeros(self.shape), self._constant)
        shift, free = None, self._moves.any()
        # Newton's method over what nothing penalises, to rounding
        for _ in range(_MOST_STEPS if free else 0):
            model = self.model_at(visit)
            A = model.null_point()
            goal = A, model.certificate(A).intercept
            ahead, found = self._visit(*goal, visit, _SHARES)
            ahead = self._lower(visit, ahead, found)
            if ahead is None:
                break
            fall, visit = self.value(visit) - self.value(ahead), ahead
            shift = self.penalty.combine(visit.A)
            if fall <= 16 * _EPS * self.scale:
                break
        model = self.model_at(visit)
        self.null, self.square_norms = visit, model.square_norms
        G = visit.part.cross - self._dual_move(visit, model)[1]
        return NullModel(self.value(visit), G, shift, None, None)

    @property
    def means(self):
        return self.null.part.means if self._fit_intercept else None

    @property
    def within(self):
        weight = self.null.part.weight
        return self.square_norms / np.where(weight > 0, weight, 1.0)

    def spectra(self):
        # at A = 0 the rows of a task bend alike: over their sum these are weights
        part = self._visit(np.zeros(self.shape), self._constant)[0].part
        ones = np.ones(len(part.weight))
        return part.problem(self.penalty, ones, self.dtype).spectra()

    def _dual_move(self, visit, model):
        """Return the move to the optimum of a model over what nothing penalises.

        Returns
        -------
        (ndarray, ndarray)
            The move of A and of the intercepts, and that of the gradient by A.
        ndarray of shape (n_features, n_tasks)
        float
            What rounding may hide of the gap; inf where more is left along such moves.
        """
        part, G = visit.part, visit.part.cross
        if not self._moves.any() or self._moves.ridge:
            return (np.zeros(G.shape), part.targets), np.zeros(G.shape), 0.0
        free = model._null.free
        move, image = free.optimum(-G)
        known = model.square_norms, model.null_value
        hidden = free.hidden(image - G, self.penalty.combine(visit.A) + move, *known)
        return (move, part.targets - np.sum(part.means * move, axis=0)), image, hidden

    def _in_all(self, A, intercept):
        """Return coefficients and intercepts of all tasks in the units of X."""
        matrix = A if self._units is None else A / self._units[:, None]
        if self._ones:
            matrix, intercept = matrix[:-1], matrix[-1]
        coef, b = (np.zeros((len(self._kept), *s)) for s in ((len(matrix),), ()))
        coef[self._kept], b[self._kept] = matrix.T, intercept
        return coef, b

    def _visit(self, A, intercept, start=None, shares=(1.0,), dual=None):
        """Ask around a point; return its `Visit` and the `Answer`."""
        if dual is not None:
            dual = *self._in_all(*dual[:2]), dual[2]
        combine, before = self.penalty.combine, None
        if start is not None:
            before = self._in_all(combine(start.A), start.intercept)
        point = self._in_all(combine(A), intercept)
        found = self._ask(Question(*point, before, shares, dual))
        part = found.model
        if not self._kept.all():
            part = part.restrict(tasks=self._kept)
        part = part.with_ones(0.0) if self._ones else part
        if self._units is not None:
            part = part.in_units(self._units)
        value = float(found.losses[shares.index(1.0)])
        return Visit(A, intercept, value, part), found

    def model_at(self, visit):
        """Return the `StatisticsProblem` of the quadratic model around a point."""
        matrix = self.penalty.combine(visit.A)
        part = visit.part.plus(matrix, visit.intercept)
        # a task that is so far on the right side that nothing pulls at it
        part = replace(part, weight=np.where(part.weight > 0, part.weight, 1.0))
        return part.problem(self.penalty, part.weight, self.dtype)

    def advance(self, visit, A, intercept):
        """Certify a point, and go from it to another one, or a part of the way.

        Parameters
        ----------
        visit : Visit
        A, intercept : ndarray
            The other point.

        Returns
        -------
        Certificate
            Of the point of ``visit``.
        Visit or None
            Of where the objective is lower; None where that was not found.
        """
        # slopes that are linear in what nothing penalises, at its optimum
        move, image, hidden = self._dual_move(visit, self.model_at(visit))
        gradient = image - visit.part.cross
        matrix = self.penalty.combine(visit.A)
        rest, scale, polars = self._penalty_gap(visit.A, matrix, gradient)
        ahead, found = self._visit(A, intercept, visit, _SHARES, (*move, scale))
        gap = float(found.divergence) + rest + hidden
        # 0 is a dual point too, with which the gap is F
        most = self.value(visit)
        gap = min(gap, most) if gap >= 0 else most
        certificate = Certificate(gap, visit.intercept, None, gradient, polars)
        self._certified = visit.A, certificate
        return certificate, self._lower(visit, ahead, found)

    def value(self, visit):
        """Return the objective at a point."""
        return visit.value + self.penalty.value(visit.A)

    def _lower(self, visit, ahead, found):
        """Return the `Visit` of the longest share of a step that is taken, or None."""
        part, value = visit.part, self.penalty.value(visit.A)
        move, shift = ahead.A - visit.A, ahead.intercept - visit.intercept
        matrix = self.penalty.combine(move)
        slope = self.penalty.value(ahead.A) - value
        slope -= float(np.vdot(part.cross, matrix))
        shift_of_means = np.sum(part.means * matrix, axis=0) + shift
        slope -= float((part.weight * part.targets) @ shift_of_means)
        for share, loss in zip(_SHARES, found.losses, strict=True):
            A = visit.A + share * move
            change = loss - visit.value + self.penalty.value(A) - value
            if change <= _FALL * share * slope + 4 * _EPS * self.scale:
                if share == 1.0:
                    return ahead
                return self._visit(A, visit.intercept + share * shift)[0]
        return None

    def certificate(self, A, Z=None, value=None):
        """Return the `Certificate` of A, in two rounds if it was not the last one."""
        known, certificate = self._certified
        if known is None or not np.array_equal(known, A):
            visit = self.null
            if not np.array_equal(visit.A, A):
                last = visit if known is None else certificate
                visit, _ = self._visit(np.asarray(A), last.intercept)
            certificate, _ = self.advance(visit, visit.A, visit.intercept)
        return certificate

    def on_statistics(self, n_products=100):
        return None

    def in_span(self, n_products=100):
        return None


@dataclass(frozen=True)
class ProximalNewton(Solver):
    """Newton's method with a penalty: quadratic models one after the other.

    Each is solved on its statistics with the intercepts; its optimum is the next point,
    or the objective falls on the way. A round certifies a point while it goes to the
    next.

    Parameters
    ----------
    inner : callable
        ``inner(problem, max_iter, tol)`` is the solver of a model.

    References
    ----------
    Lee, Sun, Saunders (2014), Proximal Newton-type methods for minimizing composite
    functions, algorithm 1.
    """

    inner: Callable = choose_solver

    def refuses(self, loss, penalty):
        return None

    def _solve(self, problem, init, image, monitor):
        target, visit = problem.gap_target(self.tol), problem.null
        history, idle = [], 0
        for iteration in range(self.max_iter + 1):
            if iteration == self.max_iter:
                goal = visit.A, visit.intercept
            elif iteration == 0 and init is not None:
                goal = init, problem.start_intercept
            else:
                goal = self._optimum(problem, visit, target)
            certificate, ahead = problem.advance(visit, *goal)
            gap = certificate.gap
            history.append((iteration, gap))
            stopped = monitor is not None and monitor(iteration, visit.A, gap)
            if stopped or gap <= target or ahead is None or idle == _PATIENCE:
                break
            fall = problem.value(visit) - problem.value(ahead)
            idle = 0 if fall > 16 * _EPS * problem.scale else idle + 1
            visit = ahead
        iteration, converged = max(iteration, 1), bool(gap <= target)
        return Solution(visit.A, visit.intercept, iteration, gap, converged, history)

    def _optimum(self, problem, visit, target):
        """Return the optimum of the model around a point, and its intercepts."""
        model = problem.model_at(visit)
        gap = max(_ACCURACY * model.certificate(visit.A).gap, 0.1 * target)
        tol = gap / model.null_value if model.null_value > 0 else self.tol
        solution = self.inner(model, self.max_iter, tol).solve(model, visit.A)
        return solution.A, solution.intercept
