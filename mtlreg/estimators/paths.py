"""Solutions along a grid of strengths."""

import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from mtlreg.estimators._callbacks import with_callbacks
from mtlreg.estimators._checks import levels_to_caller
from mtlreg.estimators.base import fit_metadata
from mtlreg.estimators.strengths import (
    check_grid,
    check_ratios,
    default_grid,
    with_strengths,
)
from mtlreg.sequences.path import solve_path


@dataclass(frozen=True)
class RegularizationPath:
    """What `regularization_path` returns.

    With ``ratios`` every array has a first axis more, of length n_ratios.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Leading strengths, decreasing.
    coef : ndarray of shape (n_alphas, n_tasks, n_features)
    intercept : ndarray of shape (n_alphas, n_tasks)
    gap : ndarray of shape (n_alphas,)
        Duality gaps, in the units of the objective, or what ``optimality_`` is where
        that is not convex.
    n_iter : ndarray of int, shape (n_alphas,)
    seconds : ndarray of shape (n_alphas,)
        Wall time of each point.
    tasks : ndarray of shape (n_tasks,)
        Labels of the tasks.
    ratios : ndarray of shape (n_ratios,) or None
    """

    alphas: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    n_iter: np.ndarray
    seconds: np.ndarray
    tasks: np.ndarray
    ratios: np.ndarray | None = None


def regularization_path(
    estimator,
    X,
    y,
    sample_weight=None,
    *,
    tasks=None,
    alphas=100,
    eps=1e-3,
    ratios=None,
):
    """Fit an estimator at every strength of a grid, each fit started from the last.

    A point starts from the last solution, or from the line, the parabola or the cubic
    through the last two to four where that is nearer to the optimum, and stops at a
    duality gap of ``tol F0`` like a fit.

    Parameters
    ----------
    estimator : estimator
        Unfitted or fitted; it is not changed. Its leading strength is replaced and the
        ratio of its strengths kept.
    X, y, sample_weight, tasks
        As in its ``fit``.
    alphas : int or array-like of shape (n_alphas,), default=100
        Leading strengths > 0 (they are sorted, largest first), or the size of the grid
        of `alpha_grid`.
    eps : float, default=1e-3
        Smallest over largest strength of that grid.
    ratios : array-like of shape (n_ratios,), optional
        One path for each of these, in this order: ``l1_ratio`` of the group lasso,
        ``alpha_shared / alpha_specific`` of the dirty model, ``alpha_mean / alpha`` of
        mean regularisation. By default the ratio that the estimator has.

    Returns
    -------
    RegularizationPath
        A callback of the estimator is told of every point. Where it asks to stop, there
        are the points up to there; of several ratios, those with all their points, or
        the first.

    Raises
    ------
    TypeError
        For an estimator without strengths of its own, such as one that chooses them by
        cross-validation.
    ValueError
        If an argument is not as described, or the penalty has one strength and
        ``ratios`` is given.

    Examples
    --------
    >>> from mtlreg import GroupLassoRegressor, regularization_path
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(random_state=0)
    >>> path = regularization_path(
    ...     GroupLassoRegressor(), data.X, data.y, tasks=data.tasks, alphas=5
    ... )
    >>> path.coef.shape == (5, len(path.tasks), data.X.shape[1])
    True
    """
    given = (X, y, sample_weight, tasks)
    return _walk(with_strengths(estimator), given, alphas, eps, ratios)


@with_callbacks
def _walk(model, given, alphas, eps, ratios):
    """Return the paths of a model; its callbacks are told of every point."""
    X, y, sample_weight, tasks = given
    inputs = {"X": X, "y": y, "metadata": fit_metadata(sample_weight, tasks)}
    context = model._init_callback_context("regularization_path", max_subtasks=None)
    context.call_on_fit_task_begin(estimator=model, **inputs)
    fit = model._read_fit(*given)
    changed = [model]
    if ratios is not None:
        ratios = check_ratios(ratios)
        changed = [clone(model).set_params(**model._at_ratio(r)) for r in ratios]
    paths, stopped = [], False
    for one in changed:
        one._check_parameters()
        penalty = one._whole_penalty(fit.read)
        points = _Points(one, fit.with_penalty(one, penalty), context, inputs)
        path = points.path(alphas, eps)
        stopped = points.stopped
        if not (stopped and paths):
            paths.append(path)
        if stopped:
            break
    context.call_on_fit_task_end(estimator=model, **inputs)
    if ratios is None:
        return paths[0]
    columns = {
        name: np.stack([getattr(path, name) for path in paths])
        for name in ("alphas", "coef", "intercept", "gap", "n_iter", "seconds")
    }
    done = ratios[: len(paths)]
    return RegularizationPath(**columns, tasks=fit.read.tasks, ratios=done)


class _Points:
    """One path, told point by point.

    Parameters
    ----------
    model : estimator
    fit : Fit
        Of the model.
    context, inputs
        Of its callbacks.

    Attributes
    ----------
    stopped : bool
        Whether a callback asked to stop.
    """

    def __init__(self, model, fit, context, inputs):
        self._model, self._fit = model, fit
        self._context, self._inputs = context, inputs
        self.stopped = False

    def path(self, alphas, eps):
        """Return the path at the strengths, or in the grid, that was asked for."""
        model, fit = self._model, self._fit
        if np.ndim(alphas):
            alphas = check_grid(alphas, "alphas")
        else:
            alphas = default_grid(fit.problem, model, alphas, eps)
        found = list(self._solve(alphas / model._leading()))
        solutions = [point.solution for point in found]
        alphas = alphas[: len(found)]
        short = [a for a, s in zip(alphas, solutions, strict=True) if not s.converged]
        if short:
            warnings.warn(
                f"{len(short)} of {len(alphas)} points did not reach tol={model.tol:g},"
                f" the first at {short[0]:.3g}: scale the features, or increase "
                f"max_iter={model.max_iter} or tol",
                ConvergenceWarning,
                stacklevel=levels_to_caller(),
            )
        pairs = [fit.reported(s.A, s.intercept) for s in solutions]
        return RegularizationPath(
            alphas=alphas,
            coef=np.stack([A.T for A, _ in pairs]),
            intercept=np.stack([b for _, b in pairs]),
            gap=np.array([s.gap for s in solutions]),
            n_iter=np.array([s.n_iter for s in solutions]),
            seconds=np.array([point.seconds for point in found]),
            tasks=fit.read.tasks,
        )

    def _solve(self, factors):
        """Yield the points, until a callback asks to stop."""
        path = solve_path(self._fit.problem, self._fit.solver, factors)
        for _ in factors:
            step = self._context.subcontext(task_name="point")
            step.call_on_fit_task_begin(estimator=self._model, **self._inputs)
            point = next(path)
            yield point
            self.stopped = step.call_on_fit_task_end(
                estimator=self._model,
                reconstruction_attributes=partial(self._attributes, point.solution),
                **self._inputs,
            )
            if self.stopped:
                return

    def _attributes(self, solution):
        return self._fit.attributes(
            solution.A, solution.intercept, solution.n_iter, solution.gap
        )
