"""Nested cross-validation of all methods on one table, scored by task."""

import contextlib
import time
import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import entr
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score, root_mean_squared_error
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from _comparison.methods import METHODS, Search
from mtlreg.model_selection import TaskKFold
from mtlreg.report.pipelines import preprocessing

INNER = 3  # folds of a training part, which choose the strengths


@dataclass
class Result:
    """What one method did on one table.

    Attributes
    ----------
    scores : list of ndarray of shape (n_tasks,), one per outer fold
        NaN where a task has no score in the fold.
    strengths : list of dict
        Those chosen in each outer fold.
    gap : float
        Largest ``dual_gap_ / F(0, best intercept)`` of its fits to the training parts;
        NaN of methods without a gap.
    seconds : float
        Time of all its fits, cross-validation included, and predictions.
    """

    scores: list = field(default_factory=list)
    strengths: list = field(default_factory=list)
    gap: float = -np.inf
    seconds: float = 0.0

    @property
    def fold_scores(self):
        """Mean over the tasks, shape (n_folds,)."""
        return np.nanmean(self.scores, axis=1)

    @property
    def task_scores(self):
        """Mean over the folds, shape (n_tasks,), NaN for tasks without any score."""
        scores = np.array(self.scores)
        count = np.isfinite(scores).sum(axis=0)
        total = np.nansum(scores, axis=0)
        return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


@dataclass(frozen=True)
class Part:
    """Training or test part of a table, with the features prepared.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_features), with the task column if there is one
    y : ndarray of shape (n_rows,) or (n_rows, n_tasks)
    codes : ndarray of shape (n_rows,) or None
    task_column : str or None
    """

    X: pd.DataFrame
    y: np.ndarray
    codes: np.ndarray | None
    task_column: str | None

    @cached_property
    def features(self):
        """X without the task column."""
        return self.X.drop(columns=[self.task_column] if self.task_column else [])

    @cached_property
    def _cells(self):
        if self.codes is None:
            return np.nonzero(np.isfinite(self.y))
        return np.arange(len(self.y)), self.codes

    @property
    def rows(self):
        """Row of every observed target, shape (n_cells,)."""
        return self._cells[0]

    @property
    def tasks(self):
        """Task of every observed target, shape (n_cells,)."""
        return self._cells[1]

    @property
    def targets(self):
        """Observed targets, shape (n_cells,)."""
        return self.y if self.codes is not None else self.y[self._cells]

    def null_objective(self, classifier, pooled):
        """Return F(0, best intercept): the tasks' variances / 2 or entropies, added."""
        tasks = np.zeros_like(self.tasks) if pooled else self.tasks
        groups = pd.Series(self.targets).groupby(tasks)
        if not classifier:
            return groups.var(ddof=0).sum() / 2
        rates = groups.mean()
        return np.sum(entr(rates) + entr(1 - rates))


def compare(table, *, folds, n_strengths, tol, seed, announce=lambda text: None):
    """Compare all methods on a table, with the same folds for all of them.

    Parameters
    ----------
    table : Table
    folds : int
        Number of outer folds.
    n_strengths : int
        Size of the grid of each strength or, of two with a ratio, for each ratio.
    tol : float
        Tolerance of every fit.
    seed : int
        Seed of the folds.
    announce : callable
        Is told every step before it is taken, see `n_steps`.

    Returns
    -------
    dict of Result, by the name of the method

    Raises
    ------
    ValueError
        If no task has rows enough, or enough of both classes, to be scored, or the
        table is refused by an estimator.
    """
    scored = has_scores(table, folds)
    results = {method.name: Result() for method in methods(table)}
    for k, (train, test) in enumerate(deal(table.y, table.codes, folds, seed)):
        train, test = split(table, train, test)
        search = Search(deal(train.y, train.codes, INNER, seed), n_strengths, tol)
        for method in methods(table):
            announce(f"{table.name}, fold {k + 1} of {folds}: {method.name}")
            result = results[method.name]
            start = time.perf_counter()
            with quiet():
                fitted = method.fit(train, table.classifier, search)
                z = fitted.predict(test)
            result.seconds += time.perf_counter() - start
            result.scores.append(score(test, z, scored, table.classifier))
            result.strengths.append(fitted.strengths)
            result.gap = max(result.gap, fitted.gap)
    return results


def n_steps(table, folds):
    """Return how often `compare` announces a step."""
    return folds * len(methods(table))


def methods(table):
    """Return the methods that a table admits."""
    return [method for method in METHODS if method.admits(table)]


def has_scores(table, folds):
    """Return which tasks are scored: those with two rows for each fold."""
    if table.n_tasks < 2:
        raise ValueError(f"{table.name} has one task only: there is nothing to share")
    scored = table.sizes >= 2 * folds
    if not scored.any():
        raise ValueError(
            f"too few rows for {folds} folds in every task: none has {2 * folds}, the "
            f"largest of {table.n_tasks} has {table.sizes.max()}. Use fewer folds, or "
            "another --task"
        )
    return scored


@contextlib.contextmanager
def quiet():
    """One thread: with little to do they wait for each other, for seconds in boosting.

    No warnings: all that they tell shows in the details, as a gap or a strength.
    """
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "the target has one class only")
        warnings.filterwarnings("ignore", "the best .* of its grid")
        warnings.filterwarnings("ignore", ".*too small to fit a truncated SVD")
        yield


def split(table, train, test):
    """Return both parts, prepared by what the training part tells.

    Features are imputed, encoded and standardised while the task column stays
    as it is. Several regression targets may have several units: they are standardised
    too.
    """
    transformer = preprocessing(table)
    with quiet():
        X = transformer.fit_transform(table.X.iloc[train])
    X_test = transformer.transform(table.X.iloc[test])
    y, y_test = table.y[train], table.y[test]
    if table.task_column is None and not table.classifier:
        scaler = StandardScaler().fit(y)
        y, y_test = scaler.transform(y), scaler.transform(y_test)
    codes, codes_test = (
        None if table.codes is None else table.codes[rows] for rows in (train, test)
    )
    return (
        Part(X, y, codes, table.task_column),
        Part(X_test, y_test, codes_test, table.task_column),
    )


def score(part, z, scored, classifier):
    """Return the scores of the tasks, shape (n_tasks,), NaN where there is none."""
    scores = np.full(len(scored), np.nan)
    for t, cells in pd.Series(z).groupby(part.tasks).indices.items():
        y_t, z_t = part.targets[cells], z[cells]
        if not scored[t]:
            continue
        if not classifier:
            scores[t] = root_mean_squared_error(y_t, z_t)
        elif np.ptp(y_t) > 0:
            scores[t] = roc_auc_score(y_t, z_t)
    if not np.isfinite(scores).any():
        raise ValueError(
            "no task has both classes in the test part of some fold: use fewer folds, "
            "or leave the small tasks out"
        )
    return scores


def deal(y, codes, folds, seed):
    """Return training and test rows of folds that halve no task and no class."""
    with warnings.catch_warnings():
        # small tasks: they are in training, and the report tells
        warnings.filterwarnings("ignore", "task.* have fewer targets than n_splits")
        splitter = TaskKFold(folds, random_state=seed)
        return list(splitter.split(np.zeros((len(y), 1)), y, groups=codes))
