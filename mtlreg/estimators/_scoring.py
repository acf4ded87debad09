"""Scores of the points of a path on what a fold holds out."""

import copy
import functools
import inspect
from difflib import get_close_matches

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import _safe_indexing, indexable

from mtlreg.estimators._fit import task_scale
from mtlreg.estimators._learned import Learned
from mtlreg.inputs.labels import is_missing
from mtlreg.metrics import __all__ as METRICS
from mtlreg.metrics import task_scorer
from mtlreg.metrics._scorer import TaskScorer

_NAMES = [name for name in METRICS if name != "task_scorer"]
_TAKE_TASKS = (
    "predict",
    "decision_function",
    "predict_proba",
    "predict_log_proba",
    "score",
)


class LossScore:
    """Minus the data term of the objective on the held-out rows, over sum_t c_t.

    Parameters
    ----------
    factor : float
        Of the loss: the squared error is twice the squared loss.
    weight : ndarray of shape (n_tasks,)
        Sums of the weights of the held-out rows.
    task_weight : str, dict or array-like
        The parameter of the model; it gives the c_t of the tasks with such rows.
    tasks : ndarray of shape (n_tasks,)
        Labels.
    """

    def __init__(self, factor, weight, task_weight, tasks):
        self._factor, self._weight, self._held = factor, weight, weight > 0
        self._scale = task_scale(task_weight, tasks, weight, self._held)

    def of_tasks(self, losses):
        """Return the scores (n_points, n_tasks); NaN for a task without rows.

        Parameters
        ----------
        losses : ndarray of shape (n_points, n_tasks)
            Sums over the held-out rows.
        """
        means = np.full(losses.shape, np.nan)
        means[:, self._held] = losses[:, self._held] / self._weight[self._held]
        return -self._factor * means

    def of_all(self, losses):
        """Return the scores (n_points,)."""
        means = self.of_tasks(losses)[:, self._held]
        return np.average(means, axis=1, weights=self._scale)


class ScorerScore:
    """The score that a scorer gives to an estimator on the held-out rows of X.

    Parameters
    ----------
    scorer : callable
    X, y
        As the user gave them.
    metadata : dict
        Arguments of the scorer, an entry for every row.
    tasks : array-like of shape (n_rows,) or None
        Labels that `predict` takes.
    """

    def __init__(self, scorer, X, y, metadata, tasks):
        self._scorer = scorer
        self._X, self._y = indexable(X, y)
        self._metadata, self._tasks = metadata, tasks

    def of_model(self, fitted, test):
        """Return the score of a fitted model on the rows of a mask."""
        rows = np.flatnonzero(test)
        kwargs = {name: _take(value, rows) for name, value in self._metadata.items()}
        if self._tasks is not None:
            fitted = _with_tasks(fitted, _take(self._tasks, rows))
        y = _take(self._y, rows)
        try:
            return self._scorer(fitted, _take(self._X, rows), y, **kwargs)
        except ValueError as error:
            missing = np.ndim(y) == 2 and is_missing(y).any()
            if not missing or isinstance(self._scorer, TaskScorer):
                raise
            name = "task_accuracy" if is_classifier(fitted) else "task_r2"
            raise ValueError(
                f"the scorer cannot score the targets of y that are not observed "
                f"({error}); use a metric by task, such as scoring={name!r}"
            ) from error


def _with_tasks(model, tasks):
    """Return a fitted model whose methods know the tasks of the rows to come."""
    knowing = copy.copy(model)
    for name in _TAKE_TASKS:
        method = getattr(model, name, None)
        if method is not None:
            with_tasks = functools.partial(method, tasks=tasks)
            # scikit-learn asks a method for its name
            setattr(knowing, name, functools.update_wrapper(with_tasks, method))
    return knowing


def make_scorer(estimator, scoring):
    """Return the scorer that the parameter ``scoring`` asks for."""
    if isinstance(scoring, str) and scoring in _NAMES:
        return task_scorer(scoring, task_column=estimator.task_column)
    if not (isinstance(scoring, str) or callable(scoring)):
        raise ValueError(f"scoring must be one name or callable, got {scoring!r}")
    if isinstance(scoring, str) and scoring not in get_scorer_names():
        raise ValueError(
            f"the 'scoring' parameter {scoring!r} is not known"
            f"{_did_you_mean(scoring)}: use a metric of mtlreg.metrics, one of "
            f"{_NAMES}, or one of sklearn.metrics.get_scorer_names()"
        )
    return check_scoring(estimator, scoring=scoring)


def _did_you_mean(scoring):
    near = [f"task_{scoring}"] if f"task_{scoring}" in _NAMES else []
    near = near or get_close_matches(scoring, [*_NAMES, *get_scorer_names()], n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def scorer_metadata(scorer, given):
    """Return what a scorer takes of the arguments of ``fit``, without routing."""
    known = set(_parameters(scorer.__call__ if _is_object(scorer) else scorer))
    accepts = getattr(scorer, "_accept_sample_weight", None)
    if accepts is not None and not accepts():
        known.discard("sample_weight")
    if getattr(scorer, "_task_column", None) is not None:
        known.discard("tasks")
    return {name: value for name, value in given.items() if name in known}


def fitted_model(parent, fit, solution):
    """Return a fitted copy of a fit's model.

    Parameters
    ----------
    parent : estimator
        Who read X, and so knows its columns.
    fit : Fit
    solution : Solution
    """
    model = copy.copy(fit.model)
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(parent, name):
            setattr(model, name, getattr(parent, name))
    found = solution.A, solution.intercept, solution.n_iter, solution.gap
    attributes = fit.attributes(*found)
    for name, value in attributes.items():
        setattr(model, name, value)
    model._learned = Learned.of_fit(fit, attributes, solution)
    return model


def _is_object(scorer):
    return not (inspect.isfunction(scorer) or inspect.ismethod(scorer))


def _parameters(function):
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _take(values, rows):
    return _safe_indexing(values, rows) if np.ndim(values) else values
