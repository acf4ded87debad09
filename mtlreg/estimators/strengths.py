"""The scale of the strengths: alpha_max and grids below it."""

import numpy as np
from sklearn.base import clone

from mtlreg.estimators._checks import as_numbers, check_count, check_real


def alpha_max(estimator, X, y, sample_weight=None, *, tasks=None):
    """Return the smallest leading strength at which no feature is used.

    It is the smallest factor by which all strengths of the estimator can be multiplied
    so that A = 0 is optimal, times its leading strength: ``alpha``, or ``alpha_shared``
    of the dirty model. Ratios of strengths stay as they are.

    Parameters
    ----------
    estimator : estimator
        Unfitted or fitted; it is not changed.
    X, y, sample_weight, tasks
        As in its ``fit``.

    Returns
    -------
    float
        With this strength ``fit`` returns exact zeros, but for features of weight 0. 0
        where no strength is needed.

    Raises
    ------
    TypeError
        For an estimator without strengths of its own, such as one that chooses them by
        cross-validation.
    ValueError
        For a penalty whose optimum is 0 at no finite strength; use `alpha_grid`.

    Examples
    --------
    >>> from mtlreg import GroupLassoRegressor, alpha_max
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(shared_X=True, random_state=0)
    >>> largest = alpha_max(GroupLassoRegressor(), data.X, data.y)
    >>> bool(GroupLassoRegressor(alpha=largest).fit(data.X, data.y).coef_.any())
    False
    """
    problem = _problem(estimator, X, y, sample_weight, tasks)
    return alpha_max_of(problem, estimator)


def alpha_grid(
    estimator, X, y, sample_weight=None, *, tasks=None, n_alphas=100, eps=1e-3
):
    """Return a grid of leading strengths, from the largest that makes sense down.

    Where `alpha_max` exists the grid is ``alpha_max * geomspace(1, eps, n_alphas)``.
    For other penalties it is ``h * geomspace(1e3, 1e-3, n_alphas)`` with the mean
    curvature ``h = sum_t trace(H_t) / (n_tasks n_features)``, where H_t is the weighted
    centred Gram matrix of task t.

    Parameters
    ----------
    estimator : estimator
        Unfitted or fitted; it is not changed.
    X, y, sample_weight, tasks
        As in its ``fit``.
    n_alphas : int, default=100
    eps : float, default=1e-3
        Smallest over largest strength, in (0, 1), where `alpha_max` exists.

    Returns
    -------
    ndarray of shape (n_alphas,)
        Decreasing.

    Raises
    ------
    TypeError
        For an estimator without strengths of its own, such as one that chooses them by
        cross-validation.
    ValueError
        If the null model fits the target exactly, or no feature varies.

    Examples
    --------
    >>> from mtlreg import MeanRegularizedRegressor, alpha_grid
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(random_state=0)
    >>> grid = alpha_grid(
    ...     MeanRegularizedRegressor(), data.X, data.y, tasks=data.tasks, n_alphas=3
    ... )
    >>> grid.shape
    (3,)
    """
    problem = _problem(estimator, X, y, sample_weight, tasks)
    return default_grid(problem, estimator, n_alphas, eps)


def default_grid(problem, estimator, n_alphas, eps):
    """Return the grid of `alpha_grid` for the problem of an estimator."""
    largest = largest_strength(problem, estimator)
    if largest <= 0:
        raise ValueError(
            "there is no scale for the strengths: X has no feature that varies with y"
        )
    return grid_below(largest, problem, n_alphas, eps)


def largest_strength(problem, estimator):
    """Return the largest leading strength of the grid of `alpha_grid`; 0: none."""
    if problem.penalty.has_polar:
        return alpha_max_of(problem, estimator)
    return 1e3 * float(np.mean(problem.square_norms))


def grid_below(largest, problem, n_alphas, eps):
    """Return a grid from the largest strength down, as `alpha_grid` does."""
    check_count(n_alphas, "n_alphas")
    check_real(eps, "eps", minimum=0.0, strict=True)
    if eps >= 1:
        raise ValueError(f"eps == {eps!r}, must be < 1: a number in (0, 1)")
    smallest = float(eps) if problem.penalty.has_polar else 1e-6
    return largest * np.geomspace(1.0, smallest, n_alphas)


def check_grid(values, name):
    """Return strengths as a decreasing array, or raise ValueError naming the fault."""
    return -np.sort(-_check_numbers(values, name, 0.0, "more than 0"))


def check_ratios(values, name="ratios"):
    """Return ratios of strengths as an array, or raise ValueError naming the fault."""
    return _check_numbers(values, name, -np.finfo(float).tiny, "0 or more")


def _check_numbers(values, name, above, bound):
    numbers = as_numbers(values, name)
    if numbers.ndim != 1 or numbers.size == 0:
        raise ValueError(
            f"{name} must hold at least one number, got shape {numbers.shape}"
        )
    bad = ~(np.isfinite(numbers) & (numbers > above))
    if bad.any():
        raise ValueError(f"{name} must be finite and {bound}, got {numbers[bad][0]}")
    return numbers


def with_strengths(estimator):
    """Return an unfitted copy of an estimator, or raise if it has no strengths."""
    if hasattr(estimator, "_strengths"):
        return clone(estimator)
    plain = getattr(estimator, "_model_class", None)
    remedy = "pass an estimator that has, such as GroupLassoRegressor"
    if plain is not None:
        remedy = f"it chooses them; pass {plain.__name__} with the same parameters"
    raise TypeError(f"{type(estimator).__name__} has no strengths of its own: {remedy}")


def _problem(estimator, X, y, sample_weight, tasks):
    return with_strengths(estimator)._read_fit(X, y, sample_weight, tasks).problem


def alpha_max_of(problem, estimator):
    """Return `alpha_max` for the problem of an estimator."""
    if not problem.penalty.has_polar:
        raise ValueError(
            f"{type(estimator).__name__} has no alpha_max: its coefficients are 0 at "
            f"no finite strength; use alpha_grid for a range of strengths"
        )
    return problem.alpha_factor * estimator._leading()
