"""What one would use without sharing: a fit for each task, and one fit for all."""

import functools
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators import (
    MeanRegularizedClassifierCV,
    MeanRegularizedRegressorCV,
)
from mtlreg.inputs.labels import encode, unique_labels
from mtlreg.inputs.read import read_rows

# of mean regularisation: a ridge, the same for every task
_RIDGE = {"ratios": [1.0], "intercept_ratios": [0.0]}


def independent(classifier, task_column, grid):
    """Return a ridge (logistic) regression for each task, of one strength."""
    return _ridge(classifier, task_column=task_column, **grid)


def grid_of(search):
    """Return how many strengths and folds a search has, for those of its baselines."""
    given = {name: getattr(search, name, None) for name in ("alphas", "cv")}
    return {name: n for name, n in given.items() if isinstance(n, Integral)}


def _ridge(classifier, **options):
    if classifier:
        return MeanRegularizedClassifierCV(ratios=[1.0], **options)
    return MeanRegularizedRegressorCV(**_RIDGE, **options)


class Pooled(BaseEstimator):
    """One ridge (logistic) regression of the rows of all tasks.

    Parameters
    ----------
    classifier : bool
    task_column : str, int or None
        As of the estimators of mtlreg.
    grid : dict
        See `grid_of`.
    dummies : bool
        Whether every task has a column of zeros and ones, with a coefficient that the
        ridge shrinks as any other.
    """

    def __init__(self, classifier, task_column, grid, dummies=False):
        self.classifier = classifier
        self.task_column = task_column
        self.grid = grid
        self.dummies = dummies

    def fit(self, X, y, *, tasks=None):
        """Fit to rows of tasks, or to the columns of a 2-D y."""
        X, labels, _ = read_rows(self, X, tasks, reset=True)
        y = np.asarray(y)
        if labels is None:
            observed = np.isfinite(y)
            rows, codes = np.nonzero(observed)
            X, y = X[rows], y[observed]
            self.n_tasks_ = observed.shape[1]
        else:
            self.tasks_ = unique_labels(labels)
            codes, self.n_tasks_ = encode(labels, self.tasks_), len(self.tasks_)
        model = _ridge(self.classifier, **self.grid)
        self.model_ = model.fit(self._columns(X, codes), y)
        return self

    def _columns(self, X, codes):
        if not self.dummies:
            return X
        shape = X.shape[0], self.n_tasks_
        if not sparse.issparse(X) and shape[1] <= 1000:
            return np.hstack([X, codes[:, None] == np.arange(shape[1])])
        ones = np.ones(shape[0])
        columns = sparse.csr_array((ones, (np.arange(shape[0]), codes)), shape)
        return sparse.hstack([sparse.csr_array(X), columns], format="csr")

    def _each(self, method, X, tasks):
        check_is_fitted(self)
        X, labels, _ = read_rows(self, X, tasks, reset=False)
        if labels is not None:
            return method(self._columns(X, encode(labels, self.tasks_)))
        found = [
            method(self._columns(X, np.full(X.shape[0], t)))
            for t in range(self.n_tasks_)
        ]
        return np.stack(found, axis=1)

    def predict(self, X, *, tasks=None):
        """Return the predictions, as the estimators of mtlreg do."""
        return self._each(self.model_.predict, X, tasks)

    def predict_proba(self, X, *, tasks=None):
        """Return the probability of the second class."""
        return self._each(lambda Z: self.model_.predict_proba(Z)[:, 1], X, tasks)


BASELINES = {
    "independent": independent,
    "pooled": Pooled,
    "pooled+dummies": functools.partial(Pooled, dummies=True),
}


def in_place_of(estimator, baseline):
    """Return a baseline where the estimator of mtlreg stands, behind the same steps.

    Parameters
    ----------
    estimator : estimator of mtlreg, or a pipeline or a search with one at its end
    baseline : estimator
    """
    inner = getattr(estimator, "estimator", None)
    if inner is not None:
        return in_place_of(inner, baseline)
    if not hasattr(estimator, "steps"):
        return baseline
    name, last = estimator.steps[-1]
    changed = clone(estimator)
    return changed.set_params(**{name: in_place_of(last, baseline)})


def last_of(estimator):
    """Return the estimator of mtlreg itself."""
    inner = getattr(estimator, "estimator", None)
    if inner is not None:
        return last_of(inner)
    steps = getattr(estimator, "steps", None)
    return last_of(steps[-1][1]) if steps else estimator
