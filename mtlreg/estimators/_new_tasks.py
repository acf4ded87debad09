"""One more task for a fit, from few rows, inside what its tasks share."""

import copy
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from mtlreg.estimators._fit import in_problem
from mtlreg.estimators._summary import parts_of
from mtlreg.inputs.labels import encode, unique_labels
from mtlreg.losses.shifted import around
from mtlreg.model_selection import TaskKFold
from mtlreg.penalties import L1, MeanRegularization, Ridge, Weighted
from mtlreg.penalties.prior import WIDE
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.problem import Problem
from mtlreg.solvers import choose_solver

# factors of the strengths of the fit among which the rows choose, and folds they make
_FACTORS = np.logspace(3, -3, 13)
_MOST_FOLDS = 10
_ERRORS = 2.0  # standard errors within which a factor is as good as the best
# what a task has in the attributes that do not begin with the tasks
_AXES = {"blocks_": 1, "task_score_path_": -1}


class Learned(NamedTuple):
    """What a fit has learned for tasks to come.

    Attributes
    ----------
    penalty : Penalty
        Of all tasks, in the coordinates of the problem.
    units, in_A, origin
        Of these, see `mtlreg.estimators._fit.Fit`.
    totals : ndarray of shape (n_tasks,)
        The weights W_t of the tasks.
    n_rows : int
        0 where it is not known.
    blocks : ndarray of shape (n_blocks, n_tasks, n_features)
        The fitted parts of ``coef_``, or that alone.
    intercept : ndarray of shape (n_tasks,)
    y_scale : ndarray of shape (n_tasks,)
        The units of the targets in the fit.
    """

    penalty: Any
    units: np.ndarray | None
    in_A: bool
    origin: float
    totals: np.ndarray
    n_rows: int
    blocks: np.ndarray
    intercept: np.ndarray
    y_scale: np.ndarray

    @classmethod
    def of_fit(cls, fit, found):
        """Return that of a fit and its attributes by name."""
        blocks = found.get("blocks_", found["coef_"][None])
        ones = np.ones(len(found["intercept_"]))
        what = fit.totals, len(fit.read.rows), blocks, found["intercept_"]
        return cls(*fit.posed, *what, found.get("y_scale_", ones))

    @property
    def coef(self):
        """The slopes of the tasks in the units of the fit, (n_tasks, n_features)."""
        return self.blocks.sum(axis=0, dtype=np.float64) / self.y_scale[:, None]

    @property
    def level(self):
        """The intercepts in the units of the fit."""
        return self.intercept.astype(np.float64) / self.y_scale

    def priors(self, ties):
        """Return the `TaskPrior` of each part, in the units of the features.

        The intercept, where it is shrunken, is their last feature.
        """
        blocks = self.blocks.astype(np.float64) / self.y_scale[:, None]
        where = self.units, self.in_A, self.origin
        variable = in_problem(blocks.swapaxes(1, 2), self.level, *where)
        variable = variable.reshape(variable.shape[self.penalty.n_blocks == 1 :])
        priors = self.penalty.priors(variable, ties)
        return priors if self.units is None else [p.over(self.units) for p in priors]

    def expected(self, ties=None):
        """Return the slopes of each part and the intercept of a task without rows.

        In the units of the target.
        """
        scale, d = self.y_scale.mean(), self.blocks.shape[2]
        centres = np.stack([prior.centre[:d] for prior in self.priors(ties)])
        return scale * centres, scale * float(self.level.mean())


class Inside:
    """The rows of a task in the coordinates of its prior.

    With the rows x and their mean xbar a prediction is ``(x - xbar) . a + c``, of the
    slopes ``a = centre + F w`` and a level c: that of the tasks at xbar, on average,
    plus v times their deviation from it, in units in which v is of the size of w. So
    nothing depends on where the features have their origin. A single task says nothing
    of such deviations: the level is free.

    Parameters
    ----------
    learned : Learned
    priors : list of TaskPrior
    data : MultiTaskData
        Of one task.
    fit_intercept : bool
    """

    def __init__(self, learned, priors, data, fit_intercept):
        self._priors, self._d = priors, learned.blocks.shape[2]
        X, weight, d = data.X, data.weight, self._d
        coef, level = learned.coef, learned.level
        Z = np.hstack([_dense(X @ prior.factor[:d]) for prior in priors])
        centre = sum(prior.centre for prior in priors)
        self._sizes = [prior.factor.shape[1] for prior in priors]
        precision = np.concatenate([prior.precision for prior in priors])
        magnitude = np.concatenate([prior.magnitude for prior in priors])
        usual = np.where(magnitude > 0, 1.0 / WIDE, 1.0) * (precision > 0)
        self.offset = X @ centre[:d]
        self._mean = self._scale = None
        if learned.in_A:
            self.offset = self.offset + learned.origin
            Z = Z + np.hstack([_dense(p.factor[[d]]) for p in priors])
            self.offset += centre[d]
            self._origin = learned.origin
        elif fit_intercept:
            self._mean = mean = np.asarray(weight @ X) / weight.sum()
            Z = Z - (weight @ Z) / weight.sum()
            levels = coef @ mean + level
            self._level = levels.mean()
            self.offset = self.offset - mean @ centre[:d] + self._level
            if len(levels) > 1:
                deviations = coef - centre[:d]
                apart = X @ deviations.T - deviations @ mean
                size = np.sum(apart**2) / len(levels)
                unit = np.sum((Z * usual) ** 2)
                ratio = np.sqrt(size / unit) if size > 0 and unit > 0 else 1.0
                self._scale = levels.std(ddof=1) / ratio
            else:
                self._scale = 1.0
            Z = np.column_stack([Z, np.full(len(Z), self._scale)])
            precision = np.append(precision, float(len(levels) > 1))
            magnitude = np.append(magnitude, 0.0)
        if not Z.shape[1]:
            # nothing may deviate
            Z, precision, magnitude = np.zeros((len(Z), 1)), np.ones(1), np.zeros(1)
        # in units in which the precisions are 1; a ridge beside magnitudes is the same
        # for all, so that what is free costs next to nothing there
        held = precision > 0
        rest = WIDE if magnitude.any() else 1.0
        self._units = units = np.where(held, np.sqrt(precision), 1.0 / rest)
        self.Z, self._magnitude, self._held = Z / units, magnitude / units, held

    def penalty(self, factor):
        """Return the penalty of w with all strengths times a factor."""
        if self._magnitude.any():
            return Ridge(Weighted(L1(factor), self._magnitude), factor)
        strength = factor if self._held.all() else factor * self._held
        return MeanRegularization(strength, strength)

    @property
    def is_free(self):
        """Whether some of w costs nothing."""
        return not self._held.all()

    def coefficients(self, w):
        """Return the slopes of each part and the intercept."""
        *parts, rest = np.split(w / self._units, np.cumsum(self._sizes))
        moved = [
            prior.centre + prior.factor @ part
            for prior, part in zip(self._priors, parts, strict=True)
        ]
        slopes = np.stack([whole[: self._d] for whole in moved])
        if self._mean is not None:
            level = self._level + self._scale * float(rest[0])
            return slopes, level - float(slopes.sum(axis=0) @ self._mean)
        if len(moved[0]) > self._d:
            return slopes, sum(float(p[-1]) for p in moved) + self._origin
        return slopes, 0.0


def solve_inside(model, learned, priors, read, alpha):
    """Return the parts of the slopes, the intercept, the solution and its problem.

    Parameters
    ----------
    model : MultiTaskLinearModel
    learned : Learned
    priors : list of TaskPrior
    read : FitInput
        Of one task with rows, in the units of the fit.
    alpha : float or None
        Factor of the strengths of the fit; None: that with the best predictions of
        rows that are left out.
    """
    data, loss = read.data, model._loss()
    inside = Inside(learned, priors, data, bool(model.fit_intercept))
    if inside.is_free and not np.all(loss.bounded(data.y, data.weight, data.cells)):
        raise ValueError(
            f"y has {loss.unbounded}, and one task in the fit does not say how far "
            f"levels differ: give rows of both classes, or fit several tasks"
        )
    row_weight = 1.0 / np.mean(learned.totals)
    options = {"max_iter": int(model.max_iter), "tol": float(model.tol)}

    def problem(rows, factor):
        shifted, y = around(loss, inside.offset[rows], data.y[rows])
        weight = data.weight[rows]
        part = MultiTaskData(inside.Z[rows], y, weight, np.array([0, len(y)]))
        penalty, scale = inside.penalty(factor), row_weight * weight.sum()
        return Problem(part, shifted, penalty, np.array([scale]), fit_intercept=False)

    def losses(test, A):
        z = inside.Z[test] @ A[:, 0] + inside.offset[test]
        return data.weight[test] * loss.pointwise(z, data.y[test])

    every = np.arange(len(data.y))
    if alpha is None:
        alpha = _choose(data.y, len(every), problem, inside.penalty, losses, options)
    here = problem(every, alpha)
    solution = choose_solver(here, **options).solve(here)
    parts, intercept = inside.coefficients(solution.A[:, 0].astype(np.float64))
    return parts, intercept, solution, here


def _choose(y, n, problem, penalty, losses, options):
    """Return the factor of the strengths that predicts best what is left out.

    Few rows tell little of it: of the factors whose losses are not clearly above the
    least, by the standard error of the differences row by row, it is that nearest to 1.
    """
    if n == 1:
        return 1.0
    folds = TaskKFold(min(n, _MOST_FOLDS), random_state=0)
    found = np.empty((n, len(_FACTORS)))
    for train, test in folds.split(np.zeros((n, 1)), y, groups=np.zeros(n, dtype=int)):
        first, A = problem(train, 1.0), None
        solver = choose_solver(first, **options)
        for k, factor in enumerate(_FACTORS):
            A = solver.solve(first.with_penalty(penalty(factor)), A).A
            found[test, k] = losses(test, A)
    more = found - found[:, [np.argmin(found.sum(axis=0))]]
    near = more.mean(axis=0) <= _ERRORS * more.std(axis=0, ddof=1) / np.sqrt(n)
    return float(min(_FACTORS[near], key=lambda factor: abs(np.log(factor))))


def insert_tasks(model, tasks, found):
    """Put attributes of some tasks, known or new, among those of all of a model.

    Parameters
    ----------
    model : MultiTaskLinearModel
    tasks : ndarray of shape (n,)
    found : dict of ndarray
        By name, with an entry for each of the tasks.
    """
    # columns of y may have any order, in which objects are found
    by_column = model._layout == "columns"
    every = model.tasks_.astype(object) if by_column else model.tasks_
    new = tasks[encode(tasks, every) < 0]
    if new.size:
        every = np.concatenate([every, new])
        every = every if by_column else unique_labels(every)
        if hasattr(model, "task_score_path_"):
            # no search has scored them
            shape = (*model.task_score_path_.shape[:-1], len(new))
            found = found | {"task_score_path_": np.full(shape, np.nan)}
    before = encode(model.tasks_, every)
    for name, values in found.items():
        axis = _AXES.get(name, 0)
        old = np.moveaxis(getattr(model, name), axis, 0)
        whole = np.empty((len(every), *old.shape[1:]), dtype=old.dtype)
        whole[before] = old
        places = encode(new if name == "task_score_path_" else tasks, every)
        whole[places] = np.moveaxis(values, axis, 0)
        setattr(model, name, np.ascontiguousarray(np.moveaxis(whole, 0, axis)))
    if new.size:
        model.tasks_ = every


def with_new_task(model, task, parts, intercept, y_scale, ties):
    """Return a copy of a fitted model that knows one more task.

    Parameters
    ----------
    model : MultiTaskLinearModel
    task : ndarray of shape (1,)
        Its label.
    parts : ndarray of shape (n_parts, n_features)
        What its slopes are the sum of, in the units of the target, like the intercept.
    intercept, y_scale : float
    ties : ndarray or None
    """
    other = copy.copy(model)
    found = {
        "coef_": parts.sum(axis=0)[None],
        "intercept_": np.array([intercept]),
        "y_scale_": np.array([y_scale]),
        "blocks_": parts[:, None],
    }
    found = {name: v for name, v in found.items() if hasattr(model, name)}
    insert_tasks(other, task, found)
    place = int(encode(task, other.tasks_)[0])
    held = list(parts_of(model).values())[1:] or [model.coef_]
    penalty = model._learned.penalty.with_task(place, ties)

    def attributes(columns):
        pairs = zip(held, columns, strict=True)
        blocks = [np.insert(block, place, column, axis=0).T for block, column in pairs]
        return penalty.attributes(sum(blocks), blocks)

    # what has an entry for a task grows where one is there twice; the rest was learned
    # from the tasks of the fit
    twice = attributes([block[0] for block in held])
    for name, values in attributes(parts).items():
        if np.shape(twice[name]) != np.shape(getattr(model, name)):
            setattr(other, name, values)
    return other


def _dense(values):
    return values.toarray() if sp.issparse(values) else np.asarray(values)
