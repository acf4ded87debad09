"""Solutions along a grid of strengths."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from mtlreg.estimators.strengths import check_grid, check_ratios, default_grid
from mtlreg.path import solve_path


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
        Duality gaps, in the units of the objective.
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

    A point starts from the last solution, or from the secant through the last two where
    the objective is lower there, and stops at a duality gap of ``tol F0`` like a fit.

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
        One path for each of these: ``l1_ratio`` of the group lasso, ``alpha_shared /
        alpha_specific`` of the dirty model, ``alpha_mean / alpha`` of mean
        regularisation. By default the ratio that the estimator has.

    Returns
    -------
    RegularizationPath

    Raises
    ------
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
    read = clone(estimator)._read_fit(X, y, sample_weight, tasks)
    if ratios is None:
        return _one_path(clone(estimator), read, alphas, eps)
    ratios = check_ratios(ratios)
    paths = []
    for ratio in ratios:
        changed = clone(estimator).set_params(**estimator._at_ratio(float(ratio)))
        changed._check_parameters()
        paths.append(_one_path(changed, read.with_penalty(changed), alphas, eps))
    columns = {
        name: np.stack([getattr(path, name) for path in paths])
        for name in ("alphas", "coef", "intercept", "gap", "n_iter", "seconds")
    }
    return RegularizationPath(**columns, tasks=read.read.tasks, ratios=ratios)


def _one_path(estimator, fit, alphas, eps):
    if np.ndim(alphas):
        alphas = check_grid(alphas, "alphas")
    else:
        alphas = default_grid(fit.problem, estimator, alphas, eps)
    leading = float(getattr(estimator, estimator._strengths[0]))
    solutions, seconds = [], []
    for point in solve_path(fit.problem, fit.solver, alphas / leading):
        solutions.append(point.solution)
        seconds.append(point.seconds)
    short = [a for a, s in zip(alphas, solutions, strict=True) if not s.converged]
    if short:
        warnings.warn(
            f"{len(short)} of {len(alphas)} points did not reach tol="
            f"{estimator.tol:g}, the first at {short[0]:.3g}: scale the features, or "
            f"increase max_iter={estimator.max_iter} or tol",
            ConvergenceWarning,
            stacklevel=3,
        )
    fitted = [fit.coefficients(s.A, s.intercept) for s in solutions]
    return RegularizationPath(
        alphas=alphas,
        coef=np.stack([A.T for A, _ in fitted]),
        intercept=np.stack([b for _, b in fitted]),
        gap=np.array([s.gap for s in solutions]),
        n_iter=np.array([s.n_iter for s in solutions]),
        seconds=np.array(seconds),
        tasks=fit.read.tasks,
    )
