"""Folds of a cross-validation: who is in them, and the problems they pose."""

import copy
import dataclasses

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.validation import _num_samples

from mtlreg.estimators._checks import has_labels
from mtlreg.estimators._fit import Fit
from mtlreg.inputs.frames import listed
from mtlreg.inputs.read import keep_tasks
from mtlreg.model_selection import TaskKFold
from mtlreg.problem.statistics import statistics_pay
from mtlreg.sequences.folds import HeldOutRows, take_rows, task_totals
from mtlreg.sequences.parts import PartStatistics, training_statistics
from mtlreg.sequences.path import CHECKS_A_POINT

_DEFAULT_FOLDS = 5


def make_splitter(cv):
    """Return the splitter that the parameter ``cv`` asks for."""
    if cv is None or (isinstance(cv, int | np.integer) and not isinstance(cv, bool)):
        n_splits = _DEFAULT_FOLDS if cv is None else cv
        return TaskKFold(n_splits, random_state=0)
    return check_cv(cv)


def read_splits(splitter, X, y, read, params):
    """Return the folds as masks of rows, checked.

    Parameters
    ----------
    splitter : cross-validator
    X, y
        As the user gave them.
    read : FitInput
    params : dict
        What the user gave the splitter; `TaskKFold` gets the labels of the tasks as
        ``groups`` without being given them.

    Returns
    -------
    list of (train, test)
        Masks of the rows of X.

    Raises
    ------
    ValueError
        If a part is empty or holds rows that X has not, or a row is in both parts or
        more than once.
    """
    n_rows = _num_samples(X)
    own = isinstance(splitter, TaskKFold) and splitter.task_column is None
    if own and "groups" not in params and read.layout != "columns":
        labels = read.labels
        params = params | {"groups": np.zeros(n_rows) if labels is None else labels}
    splits = []
    for number, (train, test) in enumerate(splitter.split(X, y, **params)):
        positions = [_positions(number, part, n_rows) for part in (train, test)]
        masks = [_mask(part, n_rows) for part in positions]
        _check_split(number, *masks, sum(map(len, positions)))
        splits.append(tuple(masks))
    if not splits:
        raise ValueError("cv yields no fold; give at least one (train, test)")
    return splits


def _positions(number, part, n_rows):
    """Return the positions of the rows of a part, given by these or by a mask."""
    try:
        return np.arange(n_rows)[part]
    except IndexError as error:
        raise ValueError(f"fold {number} of cv does not fit X: {error}") from error


def _mask(positions, n_rows):
    mask = np.zeros(n_rows, dtype=bool)
    mask[positions] = True
    return mask


def _check_split(number, train, test, n_given):
    for name, part in (("training", train), ("test", test)):
        if not part.any():
            raise ValueError(f"the {name} part of fold {number} is empty; change cv")
    both = np.flatnonzero(train & test)
    if both.size:
        raise ValueError(
            f"{both.size} row(s) are in the training and in the test part of fold "
            f"{number}, such as {both[0]}: their scores would favour weak strengths; "
            f"change cv"
        )
    if train.sum() + test.sum() < n_given:
        raise ValueError(
            f"fold {number} holds rows more than once; give each once and repeat rows "
            f"by sample_weight"
        )


def make_folds(fit, splits, n_points):
    """Return the folds of a fit, on statistics or on rows, whichever is faster.

    Parameters
    ----------
    fit : Fit
        Of all rows.
    splits : list of (train, test)
        Masks of the rows of X.
    n_points : int
        Problems that are to be solved on each.

    Returns
    -------
    list of RowFold
    """
    read, problem = fit.read, fit.problem
    folds = [
        RowFold(fit.model, read, number, train[read.rows], test[read.rows])
        for number, (train, test) in enumerate(splits)
    ]
    n_products = CHECKS_A_POINT * n_points * len(folds)
    # the test parts, what is merged of those after each, and of those before
    n_kept = 2 * len(folds) + 1
    if not problem.loss.quadratic or not statistics_pay(
        problem.design, n_products, n_kept
    ):
        return folds
    tested = np.sum([fold.test for fold in folds], axis=0)
    apart = tested.max() == 1 and all(np.all(f.train != f.test) for f in folds)
    if not apart or not all(fold.present.all() for fold in folds):
        return folds
    masks = [fold.test for fold in folds]
    if not tested.all():
        masks.append(tested == 0)
    centred, origin = bool(fit.model.fit_intercept), problem.term.origin
    data = dataclasses.replace(read.data, y=problem.term.y)
    parts = [PartStatistics.of_data(take_rows(data, m), centred, origin) for m in masks]
    return statistics_folds(fit, parts, len(folds))


def statistics_folds(fit, parts, n_folds):
    """Return the folds of which there are statistics.

    Parameters
    ----------
    fit : Fit
        Of all rows.
    parts : list of PartStatistics
        Of the test parts, and perhaps of rows that are in none.
    n_folds : int

    Returns
    -------
    list of StatisticsFold
    """
    training = training_statistics(parts, n_folds)
    return [
        StatisticsFold(fit, part, merge)
        for part, merge in zip(parts, training, strict=False)
    ]


class RowFold:
    """A test part, and the fits on a training part.

    Parameters
    ----------
    model : MultiTaskLinearModel
        Any of those that are to be fitted.
    read : FitInput
        Of all rows.
    number : int
    train, test : ndarray of bool of shape (n_rows,)
        Rows of ``read.data``.

    Attributes
    ----------
    present : ndarray of bool of shape (n_tasks,)
        Tasks with rows in the training part.

    Raises
    ------
    ValueError
        If a task has no rows in the training part, unless ``unseen_task="mean"``, or no
        task has any in the test part.
    """

    def __init__(self, model, read, number, train, test):
        self.train, self.test, self._read = train, test, read
        self._place = f" in the training part of fold {number}"
        self.present = task_totals(read.data, train) > 0
        missing = read.tasks[~self.present]
        if missing.size and (model.unseen_task == "error" or not self.present.any()):
            raise ValueError(
                f"task(s) {listed(missing)} have no rows of positive weight"
                f"{self._place}; use cv=TaskKFold(...), or unseen_task='mean' to score "
                f"them with the mean of the other tasks"
            )
        if not task_totals(read.data, test).any():
            raise ValueError(
                f"the test part of fold {number} has no observed target of positive "
                f"weight; change cv"
            )

    def fits(self, models):
        """Generate the fits of models that differ in their penalty only."""
        fit = None
        for model in models:
            penalty = model._whole_penalty(self._read)
            if not self.present.all():
                penalty = penalty.restrict(tasks=self.present)
            if fit is not None and fit.poses(model, penalty):
                fit = fit.with_penalty(model, penalty)
            else:
                fit = self._fit(model, penalty)
            yield fit

    def held_out(self, model):
        """Return the losses on the test part, of all tasks."""
        return HeldOutRows(self._read.data, self.test, model._loss())

    def coefficients(self, fit, solution):
        """Return coef (n_tasks, n_features) and intercepts of all tasks.

        Those of a task without rows are the means of the others.
        """
        A, b = fit.coefficients(solution.A, solution.intercept)
        if self.present.all():
            return A.T, b
        shape = len(self.present), len(A)
        coef = np.broadcast_to(A.mean(axis=1), shape).copy()
        intercept = np.full(len(self.present), b.mean())
        coef[self.present], intercept[self.present] = A.T, b
        return coef, intercept

    def _fit(self, model, penalty):
        read = self._read
        data = take_rows(read.data, self.train)
        if not self.present.all():
            data = keep_tasks(data, self.present)
            model = copy.copy(model)
            by_name = isinstance(model.task_weight, str) or has_labels(
                model.task_weight
            )
            if not by_name:
                model.task_weight = np.asarray(model.task_weight)[self.present]
        classes = read.classes
        if classes is not None and classes.ndim == 2:
            classes = classes[self.present]
        scale = None if read.y_scale is None else read.y_scale[self.present]
        read = dataclasses.replace(
            read,
            data=data,
            tasks=read.tasks[self.present],
            classes=classes,
            y_scale=scale,
        )
        fit = Fit(model, read, penalty, self._place)
        # the design holds what is needed of the rows, perhaps in a copy
        fit.read = dataclasses.replace(read, data=None)
        return fit


class StatisticsFold:
    """The same on statistics.

    Parameters
    ----------
    fit : Fit
        Of all rows.
    part : PartStatistics
        Of the test part.
    merge : callable
        Returns those of the training part.
    """

    def __init__(self, fit, part, merge):
        self._fit, self._part, self._merge = fit, part, merge

    def fits(self, models):
        """Generate the fits of models that differ in their penalty only."""
        training, fit = self._merge(), None
        for model in models:
            penalty = model._whole_penalty(self._fit.read)
            if fit is not None and fit.poses(model, penalty):
                fit = fit.with_penalty(model, penalty)
            else:
                fit = self._fit.with_statistics(model, penalty, training)
            yield fit

    def held_out(self, model):
        """Return the losses on the test part, of all tasks."""
        return self._part

    def coefficients(self, fit, solution):
        """Return coef (n_tasks, n_features) and intercepts."""
        A, b = fit.coefficients(solution.A, solution.intercept)
        return A.T, b
