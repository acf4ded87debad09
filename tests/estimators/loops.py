"""Cross-validation written out: a fit of the plain estimator for every point and fold.

Nothing here is shared with the package but the plain estimators and their public
predictions. The searches are of a few points and folds, on the data of `draw`.
"""

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing as rows_of

from tests.estimators.cases import draw, is_classifier, oracle_of, plain_of

N = 60
# a gap of tol F0 bounds fitted values by sqrt(2 tol F0): 1.4e-7 of their size
TOL, RTOL = 1e-14, 1e-6
SPLITS = list(KFold(3, shuffle=True, random_state=0).split(np.zeros((N, 1))))


def kind_of(cls):
    return "classifier" if is_classifier(cls) else "regressor"


def search_of(cls, **params):
    """A search of a few points and folds, and ratios where there are any."""
    given = {"alphas": 3, "eps": 0.05, "cv": SPLITS, "tol": TOL}
    given |= oracle_of(cls).points | oracle_of(cls).searched
    return cls(**given | params)


def punched(Y, seed=0):
    """A 2-D y of which some targets are missing, of every column in every fold some."""
    Y = Y.copy()
    Y[np.random.default_rng(seed).random(Y.shape) < 0.3] = np.nan
    return Y


def integer_weights(shape=N):
    return np.random.default_rng(4).integers(0, 4, shape).astype(float)


def multiclass():
    return draw(layout="columns")[1].argmax(axis=1)


class Looped(NamedTuple):
    """What the loops found.

    Attributes
    ----------
    scores : ndarray of shape (n_ratios, n_alphas, n_folds)
    task_scores : ndarray of shape (n_ratios, n_alphas, n_folds, n_tasks)
    best : tuple of int
        Positions of ratio and strength of the highest mean score, the first of equals.
    """

    scores: np.ndarray
    task_scores: np.ndarray
    best: tuple


def plain_at(search, alpha, ratio=None):
    """The estimator without CV at a point of the grid of ``search``."""
    cls = plain_of(type(search))
    known = cls().get_params()
    own = {k: v for k, v in search.get_params().items() if k in known}
    strengths = oracle_of(search).at(alpha, ratio)
    return cls(**own | strengths)


def grid_of(search):
    """The points (ratio, alphas) of a fitted search."""
    ratios = getattr(search, "ratios_", [None])
    return list(zip(ratios, np.atleast_2d(search.alphas_), strict=True))


def part_of(X, y, weight, tasks, rows):
    """The arguments of a fit or score on some rows, as (X, y, weight), keywords."""
    weight = None if weight is None else rows_of(weight, rows)
    keywords = {} if tasks is None else {"tasks": rows_of(tasks, rows)}
    return (rows_of(X, rows), rows_of(y, rows), weight), keywords


def double_loop(search, X, y, splits, weight=None, tasks=None, score=None):
    """Fit and score every point of the grid of a fitted search.

    Parameters
    ----------
    search : fitted CV estimator
        Of its fitted attributes only ``alphas_``, ``ratios_`` and ``tasks_`` are used.
    splits : list of (train, test) positions
    score : callable, optional
        ``score(fitted, test, keywords)`` of one fit; by default the negative mean loss.
    """
    grid, T = grid_of(search), len(search.tasks_)
    shape = len(grid), len(grid[0][1]), len(splits)
    scores, task_scores = np.empty(shape), np.empty((*shape, T))
    for i, (ratio, alphas) in enumerate(grid):
        for j, alpha in enumerate(alphas):
            for k, (train, test) in enumerate(splits):
                given, keywords = part_of(X, y, weight, tasks, train)
                fitted = plain_at(search, alpha, ratio).fit(*given, **keywords)
                held_out, keywords = part_of(X, y, weight, tasks, test)
                overall, by_task = mean_losses(search, fitted, *held_out, **keywords)
                scores[i, j, k], task_scores[i, j, k] = -overall, -by_task
                if score is not None:
                    scores[i, j, k] = score(fitted, test, keywords)
    means = scores.mean(axis=2)
    return Looped(scores, task_scores, np.unravel_index(means.argmax(), means.shape))


def mean_losses(search, fitted, X, y, weight=None, tasks=None):
    """Mean error of the tasks, weighted by their c_t, and of every task."""
    keywords = {} if tasks is None else {"tasks": tasks}
    labels, y = search.tasks_, np.asarray(y)
    logistic = hasattr(fitted, "decision_function")
    predict = fitted.decision_function if logistic else fitted.predict
    z = predict(X, **keywords)
    if logistic:
        y = signs(fitted.classes_, y, z.ndim)
    elif y.ndim == 1:
        y = y.astype(float)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    if weight.ndim < z.ndim:
        weight = np.repeat(weight[:, None], z.shape[1], axis=1)
    observed = ~np.isnan(y) & (weight > 0)
    y, w = np.where(observed, y, 0.0), np.where(observed, weight, 0.0)
    error = w * (np.logaddexp(0, -y * z) if logistic else (y - z) ** 2)
    if z.ndim == 2:
        return weighted_mean(search, error.sum(axis=0), w.sum(axis=0))
    own = labels_of(search, X, tasks)
    members = [slice(None)] if own is None else [own == label for label in labels]
    return weighted_mean(
        search,
        np.array([error[m].sum() for m in members]),
        np.array([w[m].sum() for m in members]),
    )


def weighted_mean(search, errors, weights):
    """``sum_t c_t L_t / sum_t c_t`` over the tasks with rows, and the L_t."""
    rule, by_task = search.task_weight, ratio_of(errors, weights)
    if isinstance(rule, dict):
        rule = [rule[label] for label in search.tasks_.tolist()]
    if isinstance(rule, str):
        rule = {"equal": np.ones(len(weights)), "proportional": weights}[rule]
    held = weights > 0
    c = np.asarray(rule)[held]
    return c @ by_task[held] / c.sum(), by_task


def signs(classes, y, ndim):
    """Targets -1 and 1 of every decision, NaN where none is observed."""
    if classes.ndim == 2:
        missing = np.isnan(y.astype(float))
        return np.where(missing, np.nan, np.where(y == classes[:, 1], 1.0, -1.0))
    if ndim == 2:
        return np.where(y[:, None] == classes, 1.0, -1.0)
    return np.where(y == classes[1], 1.0, -1.0)


def labels_of(search, X, tasks):
    """The task of every row, None where all are of one."""
    if tasks is not None:
        return np.asarray(tasks)
    column = search.task_column
    if column is None:
        return None
    return np.asarray(X[column] if isinstance(column, str) else X[:, column])


def ratio_of(total, weight):
    held = weight > 0
    return np.divide(total, weight, out=np.full(len(weight), np.nan), where=held)
