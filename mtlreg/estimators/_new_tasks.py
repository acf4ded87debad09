"""One more task for a fit, from few rows, inside what its tasks share."""

import copy

import numpy as np
import scipy.sparse as sp
from scipy.special import stdtrit

from mtlreg.inputs.labels import encode, unique_labels
from mtlreg.losses.shifted import around
from mtlreg.model_selection import TaskKFold
from mtlreg.penalties import L1, MeanRegularization, Ridge, Weighted
from mtlreg.penalties.prior import WIDE
from mtlreg.problem.data import Cells, MultiTaskData
from mtlreg.problem.problem import Problem
from mtlreg.solvers import choose_solver

# factors of the expected strengths that are tried, and folds that rows make
_FACTORS = np.logspace(1.5, -1.5, 13)
_MOST_FOLDS = 10
# deviation of the logarithm of the factor that suits a task
_SPREAD = np.log(1.5)
_FARTHEST = 10.0  # that the expected factor is from 1
_LEAST_LEFT = 0.1  # of the degrees of freedom of the rows
_LEVEL = 0.05  # of the test that says whether losses are clearly more
_LEAST_NOISE = 1e-6  # of the square of how far levels differ
# what a task has in the attributes that do not begin with the tasks
_AXES = {"blocks_": 1, "_parts": 1, "task_score_path_": -1}


class Inside:
    """The rows of a task in the coordinates of its prior.

    With the rows x and their mean xbar a prediction is ``(x - xbar) . a + c``, of the
    slopes ``a = centre + F w`` and a level c: the expected one, see `Levels`, plus v
    times what levels differ by, in units in which v costs what w does. So nothing
    depends on where the features have their origin. A single task says nothing of such
    differences: the level is free.

    Parameters
    ----------
    model : MultiTaskLinearModel
    learned : Learned
    priors : list of TaskPrior
    data : MultiTaskData
        Of one task.
    alpha : float or None
        The factor of the strengths of the fit; by default these are those to expect.
    """

    def __init__(self, model, learned, priors, data, alpha=None):
        self._d, self._data, self._loss = learned.blocks.shape[2], data, model._loss()
        self._options = {"max_iter": int(model.max_iter), "tol": float(model.tol)}
        self._row_weight = 1.0 / np.mean(learned.totals)
        X, weight, d = data.X, data.weight, self._d
        Z = np.hstack([_dense(X @ prior.factor[:d]) for prior in priors])
        self._sizes = [prior.factor.shape[1] for prior in priors]
        precision = np.concatenate([prior.precision for prior in priors])
        magnitude = np.concatenate([prior.magnitude for prior in priors])
        self._mean = None
        if learned.in_A:
            Z = Z + np.hstack([_dense(p.factor[[d]]) for p in priors])
        elif model.fit_intercept:
            self._mean = np.asarray(weight @ X) / weight.sum()
            Z = Z - (weight @ Z) / weight.sum()
        unknown = 1.0
        if any(prior.unseen is not None for prior in priors):
            factor = 1.0 if alpha is None else alpha
            unknown = self._unknown(learned, Z, factor * _costs(precision, magnitude))
        self._priors = [prior.towards_unseen(unknown) for prior in priors]
        centre = sum(prior.centre for prior in self._priors)
        offset = X @ centre[:d]
        if learned.in_A:
            offset = offset + centre[d] + learned.origin
            self._origin = learned.origin
        elif model.fit_intercept:
            several = np.count_nonzero(learned.levels.known) > 1
            self._level, self._scale = self._levels(
                learned, several, centre[:d], unknown
            )
            offset = offset - self._mean @ centre[:d] + self._level
        self._offset = offset
        # of a lasso beside what deviates otherwise the strength stays that of the fit
        self._fixed_lasso = alpha is None and np.any(magnitude == 0)
        if alpha is None:
            precision = self._usual(learned, Z, precision, magnitude) * precision
        if self._mean is not None:
            Z = np.column_stack([Z, np.full(len(Z), self._scale)])
            precision = np.append(precision, float(several))
            magnitude = np.append(magnitude, 0.0)
        if not Z.shape[1]:
            # nothing may deviate
            Z, precision, magnitude = np.zeros((len(Z), 1)), np.ones(1), np.zeros(1)
        # in units in which the precisions are 1; a ridge beside magnitudes is the same
        # for all, so that what is free costs next to nothing there
        held = precision > 0
        rest = WIDE if magnitude.any() else 1.0
        self._units = units = np.where(held, np.sqrt(precision), 1.0 / rest)
        self._Z, self._magnitude, self._held = Z / units, magnitude / units, held
        self._check_bounded()

    def _levels(self, learned, several, *where):
        """Return the expected level and what differences are counted in."""
        levels = learned.levels
        fitted = self._loss, learned.coef, learned.level, *where
        if not several:
            return self._mean @ where[0] + levels.expected(*fitted), 1.0
        given = self._data.weight.sum(), learned.noise, fitted
        level, spread = levels.at(self._mean, *given)
        noise = max(learned.noise, _LEAST_NOISE * spread**2)
        return level, spread / np.sqrt(noise * self._row_weight) if spread > 0 else 0.0

    def _unknown(self, learned, Z, cost):
        """Return the share of how far tasks differ that these rows leave open.

        Along what costs p_k they differ by ``1 / p_k``, of which rows that bend the
        loss by h leave ``1 / (p_k + h)``.
        """
        data, held = self._data, cost > 0
        differ = (data.weight @ Z[:, held] ** 2) / cost[held]
        if not np.any(differ):
            return 1.0
        z = data.X @ learned.coef.mean(axis=0) + learned.level.mean()
        bends = self._row_weight * self._loss.hessian(z, data.y, data.weight)
        told = (bends @ Z[:, held] ** 2) / cost[held]
        return float(np.sum(differ / (1.0 + told)) / np.sum(differ))

    def _usual(self, learned, Z, precision, magnitude):
        """Return the factor to expect of each strength: the mean of two guesses.

        Of their logarithms: 1, the strengths of the fit, and f, at which tasks deviate
        from the centre, in predictions of these rows, by what those of the fit do. With
        normal errors of the variance v of w, that of a w_k is ``v / f``; the rows of a
        task tell it up to ``v / h_k``, and the fit has the share ``s_k = h_k / (1 +
        h_k)`` of what they tell: squares of ``s_k^2 v (1 / f + 1 / h_k)``. Each part
        has its own f. What costs its magnitude is not normal, and stays as it was.
        """
        X, weight, d = self._data.X, self._data.weight, self._d
        bend = self._loss.hessian(self._offset, self._data.y, weight).sum()
        cost = _costs(precision, magnitude)
        held = cost > 0
        squares = np.zeros(len(cost))
        squares[held] = (weight @ Z[:, held] ** 2) / cost[held]
        told = squares * bend / weight.sum() ** 2
        share = told / (1.0 + told)
        variance = self._row_weight * learned.noise
        if not self._loss.binary:
            # the fit has bent towards its own rows
            n_rows = learned.n_rows or learned.totals.sum()
            used = (share.sum() + 1.0) * len(learned.totals) / n_rows
            variance /= max(1.0 - used, _LEAST_LEFT)
        expected = variance * squares * share**2
        noise = variance * squares * share * (1.0 - share)
        strengths = np.ones(len(cost))
        ends = np.cumsum(self._sizes)
        for prior, part, end in zip(self._priors, learned.parts(), ends, strict=True):
            where = slice(end - prior.factor.shape[1], end)
            total = float(expected[where].sum())
            if not total > 0 or magnitude[where].any():
                continue
            apart = part - prior.centre[:, None]
            apart = X @ apart[:d] + apart[d:].sum(axis=0)
            if self._mean is not None:
                apart -= (weight @ apart) / weight.sum()
            found = float(np.sum(weight @ apart**2)) / apart.shape[1]
            least, most = total / _FARTHEST**2, total * _FARTHEST**2
            ratio = total / np.clip(found - noise[where].sum(), least, most)
            strengths[where] = np.sqrt(ratio)
        return strengths

    def _check_bounded(self):
        data, loss = self._data, self._loss
        bounded = loss.bounded(data.y, data.weight, data.cells)
        if not (self._held.all() or np.all(bounded)):
            raise ValueError(
                f"y has {loss.unbounded}, and one task in the fit does not say how far "
                f"levels differ: give rows of both classes, or fit several tasks"
            )

    def _penalty(self, factor):
        """Return the penalty of w with the strengths times a factor."""
        if self._magnitude.any():
            lasso = L1(1.0 if self._fixed_lasso else factor)
            return Ridge(Weighted(lasso, self._magnitude), factor)
        strength = factor if self._held.all() else factor * self._held
        return MeanRegularization(strength, strength)

    def problem(self, factor, rows=slice(None)):
        """Return the problem of some rows with the strengths times a factor."""
        y, weight = self._data.y[rows], self._data.weight[rows]
        loss, y = around(self._loss, self._offset[rows], y)
        part = MultiTaskData(self._Z[rows], y, weight, np.array([0, len(y)]))
        scale = np.array([self._row_weight * weight.sum()])
        return Problem(part, loss, self._penalty(factor), scale, fit_intercept=False)

    def left_out(self, factors):
        """Return the losses of rows that are left out, (n_rows, n_factors), or None.

        None where a part that is trained on has one class: what predicts that class for
        all rows is then found to be the better, the surer it is.
        """
        y, weight, n = self._data.y, self._data.weight, len(self._data.y)
        folds = TaskKFold(min(n, _MOST_FOLDS), random_state=0)
        every, found = np.zeros(n, dtype=int), np.empty((n, len(factors)))
        for train, test in folds.split(every[:, None], y, groups=every):
            cells = Cells(np.array([0, len(train)]))
            if not np.all(self._loss.bounded(y[train], weight[train], cells)):
                return None
            first, A = self.problem(factors[0], train), None
            solver = choose_solver(first, **self._options)
            for k, factor in enumerate(factors):
                here = first.with_penalty(self._penalty(factor))
                A = solver.solve(here, A).A
                z = self._Z[test] @ A[:, 0] + self._offset[test]
                found[test, k] = weight[test] * self._loss.pointwise(z, y[test])
        return found

    def misfit(self, losses):
        """Return -2 log likelihood of rows that are left out, but for a constant.

        Of numbers it is that of normal errors, at the variance that suits best.

        Parameters
        ----------
        losses : ndarray of shape (n_rows, n_factors)
            See `left_out`.
        """
        mean = losses.sum(axis=0) / self._data.weight.sum()
        if not self._loss.binary:
            mean = 0.5 * np.log(np.maximum(mean, np.finfo(np.float64).tiny))
        return 2.0 * len(losses) * mean

    def likely(self, alpha):
        """Return the factor to take, and the losses (n_rows, 1) of rows left out there.

        These are None where they do not tell. Few rows tell little: log factors are
        taken to be normal around that of the strengths to expect, 0, and the factor is
        the mean of those that are left, by how likely they make the rows.

        Parameters
        ----------
        alpha : float or None
            The factor, if it is given.
        """
        factors = _FACTORS if alpha is None else np.array([alpha])
        losses = self.left_out(factors) if len(self._data.y) > 1 else None
        if alpha is not None or losses is None:
            return 1.0 if alpha is None else alpha, losses
        moved = np.log(_FACTORS)
        cost = self.misfit(losses) + (moved / _SPREAD) ** 2
        share = np.exp(0.5 * (cost.min() - cost))
        share /= share.sum()
        return float(np.exp(moved @ share)), losses @ share[:, None]

    def solve(self, factor):
        """Return slopes of each part, the intercept, the solution and its problem."""
        problem = self.problem(factor)
        solution = choose_solver(problem, **self._options).solve(problem)
        slopes, intercept = self._coefficients(solution.A[:, 0].astype(np.float64))
        return slopes, intercept, solution, problem

    def _coefficients(self, w):
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

    A factor of the strengths that is not given is chosen by predictions of rows that
    are left out, and so is whether the task deviates where most tasks do not: unless
    the losses are clearly less then, it does not.

    Parameters
    ----------
    model : MultiTaskLinearModel
    learned : Learned
    priors : list of TaskPrior
    read : FitInput
        Of one task with rows, in the units of the fit.
    alpha : float or None
    """
    variants = [[p.at_centre() if p.optional else p for p in priors]]
    if any(prior.optional and prior.factor.shape[1] for prior in priors):
        variants.append(priors)
    best, least = None, None
    for variant in variants:
        inside = Inside(model, learned, variant, read.data, alpha)
        if alpha is not None and len(variants) == 1:
            return inside.solve(alpha)
        factor, losses = inside.likely(alpha)
        if losses is None:
            return inside.solve(factor)
        if least is None or _clearly_more(least - losses).all():
            best, least = (inside, factor), losses
    inside, factor = best
    return inside.solve(factor)


def _clearly_more(differences):
    """Return whether the mean of each column is more than 0, by a one-sided t-test."""
    n = len(differences)
    error = differences.std(axis=0, ddof=1) / np.sqrt(n)
    return differences.mean(axis=0) > stdtrit(n - 1, 1.0 - _LEVEL) * error


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
        "_parts": parts[:, None],
    }
    found = {name: v for name, v in found.items() if hasattr(model, name)}
    insert_tasks(other, task, found)
    place = int(encode(task, other.tasks_)[0])
    held = getattr(model, "_parts", model.coef_[None])
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


def _costs(precision, magnitude):
    """Return the precisions of what costs as much, 0 of what is free."""
    return precision * np.where(magnitude > 0, WIDE**2, 1.0)


def _dense(values):
    return values.toarray() if sp.issparse(values) else np.asarray(values)
