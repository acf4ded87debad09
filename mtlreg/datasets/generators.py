"""Rows of tasks whose coefficients are known."""

import numbers

import numpy as np
from sklearn.utils import Bunch, check_random_state, check_scalar

from mtlreg.datasets.structures import STRUCTURES


def make_multitask_regression(
    n_tasks=10,
    n_samples=50,
    n_features=20,
    *,
    structure="group",
    n_informative=5,
    rank=3,
    noise=1.0,
    correlation=0.0,
    missing=0.0,
    shared_X=False,
    intercept=True,
    as_frame=False,
    random_state=None,
):
    """Generate linear regression tasks whose coefficients are related.

    The target of a row x of task t is ``x @ coef[t] + intercept[t] + noise * e`` with
    standard normal e. The same ``random_state`` gives the same ``coef`` and
    ``intercept`` whatever the rows, the noise and the layout are.

    Parameters
    ----------
    n_tasks : int, default=10
        Number of tasks.
    n_samples : int or sequence of int of shape (n_tasks,), default=50
        Number of rows of every task, or one number per task. With ``shared_X=True`` an
        int, the number of rows that all tasks share.
    n_features : int, default=20
        Number of features.
    structure : str, default="group"
        How the tasks are related. A "sparse" coefficient below is uniform on
        [0.5, 1.5] with a random sign; outliers are a fifth of the tasks, rounded down,
        to which a normal vector with entries of variance 4 is added.

        - "mean": a standard normal vector common to all tasks, plus deviations of
          standard deviation 0.3 that sum to zero over the tasks.
        - "group": sparse, non-zero on the same ``n_informative`` features in all tasks.
        - "low_rank": a normal matrix of rank ``rank`` with entries of variance 1.
        - "dirty": sparse, with ``n_informative`` features in each task: one half of
          them (rounded up) is common to all tasks, the others are each task's own
          choice of the remaining features.
        - "independent": sparse, each task on its own choice of ``n_informative``
          features.
        - "graph": standard normal, of a correlation of 0.9 with the task before: a
          chain.
        - "fused": sparse, non-zero on the same ``n_informative`` features in all tasks,
          and of each feature constant but for two changes along the tasks.
        - "low_rank_outliers", "group_outliers": as "low_rank" and "group", with
          outliers.
        - "low_rank_sparse": as "low_rank", plus in each task three times a sparse
          coefficient on its own choice of features, half of ``n_informative`` (rounded
          up).
        - "outliers": one standard normal vector for all tasks, with outliers.
        - "common": one sparse vector for all tasks, non-zero on half of
          ``n_informative`` features (rounded up), plus sparse deviations, each task's
          on its own choice of as many as are left of the number.
        - "clusters": as many clusters as the square root of ``n_tasks``, rounded, of
          the same size up to one, with a standard normal vector each, plus deviations
          of standard deviation 0.3.
        - "related": normal, each feature with the same random covariance of the tasks:
          ``rank`` factors and a tenth, scaled to variances of 1.
        - "tree": sparse, ``n_informative`` features in each task: a third (rounded
          down) that it shares with a quarter of the tasks, a third that it shares with
          a half of them, the others with all.
    n_informative : int, default=5
        Number of non-zero coefficients of a task where they are sparse; at most
        ``n_features`` of them are used.
    rank : int, default=3
        Rank of "low_rank" and what has it as a part, of which at most
        ``min(n_tasks, n_features)`` is used; number of factors of "related".
    noise : float, default=1.0
        Standard deviation of the noise; 0 makes the targets exact.
    correlation : float in [0, 1), default=0.0
        Features are standard normal, features i and j with correlation
        ``correlation ** abs(i - j)`` (autoregressive).
    missing : float in [0, 1), default=0.0
        Fraction of the cells of a shared-design target that is NaN. Every task keeps an
        observed cell, and so does every row as far as the fraction allows. Rows of a
        single task have no cells to leave out: without ``shared_X`` it must be 0.
    shared_X : bool, default=False
        Whether all tasks share one ``X`` and are the columns of a 2-D ``y``.
    intercept : bool, default=True
        Whether the tasks have standard normal intercepts or none.
    as_frame : bool, default=False
        Whether ``X`` and ``y`` are objects of pandas, which must be installed.
        Features are named "x0", "x1", ..., the labels become the first column "task" of
        ``X``, and with ``shared_X=True`` the columns of ``y`` are "task0", ...
    random_state : int, RandomState instance or None, default=None
        Source of randomness; an int makes the data reproducible.

    Returns
    -------
    data : Bunch
        X : ndarray or DataFrame of shape (n_rows, n_features)
            The features (as a frame of stacked rows: after the column "task").
        y : ndarray or Series of shape (n_rows,), or (n_rows, n_tasks) with ``shared_X``
            The targets, as a frame named "target".
        tasks : ndarray of shape (n_rows,) or None
            Labels 0 to n_tasks - 1 in random order, None with ``shared_X``.
        coef : ndarray of shape (n_tasks, n_features)
            The true coefficients, ``shared_coef + specific_coef``.
        intercept : ndarray of shape (n_tasks,)
            The true intercepts.
        shared_coef, specific_coef : ndarray of shape (n_tasks, n_features)
            "mean": the common vector in every row, and the deviations. "dirty": the
            part on the common features, and each task's own part. "independent": zeros
            and ``coef``. Others: the part that is named first and what is added to it,
            or ``coef`` and zeros.
        frame : DataFrame or None
            ``X`` and ``y`` in one table with ``as_frame=True``.
        graph : ndarray of shape (n_tasks, n_tasks)
            "graph" only: 1 for neighbours, 0 for others.
        task_clusters : ndarray of shape (n_tasks,)
            "clusters" only: the cluster of each task.
        task_covariance : ndarray of shape (n_tasks, n_tasks)
            "related" only: the covariance of the tasks.
        tree : list
            "tree" only: lists of lists of tasks, the halves and their quarters.

    Raises
    ------
    ValueError
        If an argument is out of its range, if ``n_samples`` has not one entry per task,
        or if ``missing`` and ``shared_X`` contradict each other.
    TypeError
        If a number is asked for and something else given.
    ImportError
        If ``as_frame`` is true and there is no pandas.

    Examples
    --------
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=3, n_samples=[20, 30, 40], noise=0)
    >>> data.X.shape, data.coef.shape
    ((90, 20), (3, 20))
    >>> rows = data.tasks == 2
    >>> z = data.X[rows] @ data.coef[2] + data.intercept[2]
    >>> bool(abs(z - data.y[rows]).max() < 1e-12)
    True
    """
    return _make_multitask(
        _noisy_value,
        n_tasks=n_tasks,
        n_samples=n_samples,
        n_features=n_features,
        structure=structure,
        n_informative=n_informative,
        rank=rank,
        noise=noise,
        correlation=correlation,
        missing=missing,
        shared_X=shared_X,
        intercept=intercept,
        as_frame=as_frame,
        random_state=random_state,
    )


def make_multitask_classification(
    n_tasks=10,
    n_samples=50,
    n_features=20,
    *,
    structure="group",
    n_informative=5,
    rank=3,
    noise=1.0,
    correlation=0.0,
    missing=0.0,
    shared_X=False,
    intercept=True,
    as_frame=False,
    random_state=None,
):
    """Generate binary classification tasks whose coefficients are related.

    The label of a row x of task t is 1 where
    ``x @ coef[t] + intercept[t] + noise * e > 0`` with standard logistic e, and 0
    elsewhere, so that P(y = 1 | x) = 1 / (1 + exp(-(x @ coef[t] + intercept[t]) /
    noise)): logistic regression is the true model. ``noise=0`` makes the two classes
    separable. Nothing forces both classes to appear in a small task.

    Parameters
    ----------
    n_tasks, n_samples, n_features, structure, n_informative, rank
        As in `make_multitask_regression`.
    noise : float, default=1.0
        Scale of the logistic noise.
    correlation, missing, shared_X, intercept, as_frame, random_state
        As in `make_multitask_regression`.

    Returns
    -------
    data : Bunch
        As in `make_multitask_regression`, with integer ``y`` in {0, 1}; where cells are
        missing ``y`` is float, in {0.0, 1.0, NaN}.

    Raises
    ------
    ValueError, TypeError, ImportError
        As in `make_multitask_regression`.

    Examples
    --------
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=4, shared_X=True, random_state=0)
    >>> data.X.shape, data.y.shape
    ((50, 20), (50, 4))
    """
    return _make_multitask(
        _noisy_label,
        n_tasks=n_tasks,
        n_samples=n_samples,
        n_features=n_features,
        structure=structure,
        n_informative=n_informative,
        rank=rank,
        noise=noise,
        correlation=correlation,
        missing=missing,
        shared_X=shared_X,
        intercept=intercept,
        as_frame=as_frame,
        random_state=random_state,
    )


def _noisy_value(rng, z, noise):
    return z + noise * rng.standard_normal(z.shape)


def _noisy_label(rng, z, noise):
    return (z + noise * rng.logistic(size=z.shape) > 0).astype(int)


def _make_multitask(
    draw_target,
    *,
    n_tasks,
    n_samples,
    n_features,
    structure,
    n_informative,
    rank,
    noise,
    correlation,
    missing,
    shared_X,
    intercept,
    as_frame,
    random_state,
):
    """Both generators: ``draw_target(rng, z, noise)`` gives y at the predictions z."""
    _check_options(
        n_tasks, n_features, structure, n_informative, rank, noise, correlation, missing
    )
    if missing and not shared_X:
        raise ValueError(
            f"missing={missing} needs shared_X=True: a row of a single task has no "
            "cells to leave out; pass fewer n_samples instead"
        )
    sizes = _task_sizes(n_samples, n_tasks, shared_X)

    # coefficients come first, so that they do not depend on how the rows are drawn
    rng = check_random_state(random_state)
    shared, specific, known = STRUCTURES[structure](
        rng, (n_tasks, n_features), min(n_informative, n_features), rank
    )
    coef = shared + specific
    intercepts = rng.standard_normal(n_tasks) * bool(intercept)

    if shared_X:
        tasks = None
        X = _draw_features(rng, sizes[0], n_features, correlation)
        z = X @ coef.T + intercepts
    else:
        tasks = rng.permutation(np.repeat(np.arange(n_tasks), sizes))
        X = _draw_features(rng, tasks.size, n_features, correlation)
        z = np.einsum("ij,ij->i", X, coef[tasks]) + intercepts[tasks]
    y = draw_target(rng, z, noise)
    if missing:
        y = _hide_cells(rng, y, missing)
    X, y, frame = _to_frames(X, y, tasks) if as_frame else (X, y, None)
    return Bunch(
        X=X,
        y=y,
        tasks=tasks,
        coef=coef,
        intercept=intercepts,
        shared_coef=shared,
        specific_coef=specific,
        frame=frame,
        **known,
    )


def _check_options(
    n_tasks, n_features, structure, n_informative, rank, noise, correlation, missing
):
    for name, value, lowest in [
        ("n_tasks", n_tasks, 1),
        ("n_features", n_features, 1),
        ("n_informative", n_informative, 0),
        ("rank", rank, 1),
    ]:
        check_scalar(value, name, numbers.Integral, min_val=lowest)
    _check_real("noise", noise, np.inf)
    _check_real("correlation", correlation, 1)
    _check_real("missing", missing, 1)
    if structure not in STRUCTURES:
        known = ", ".join(map(repr, STRUCTURES))
        raise ValueError(f"structure={structure!r} is unknown: choose one of {known}")


def _check_real(name, value, upper):
    check_scalar(value, name, numbers.Real)
    if not 0 <= value < upper:
        raise ValueError(f"{name}={value!r} must be at least 0 and below {upper}")


def _task_sizes(n_samples, n_tasks, shared_X):
    """Number of rows of each task, or of the one ``X`` that all tasks share."""
    if np.ndim(n_samples) == 0:
        check_scalar(n_samples, "n_samples", numbers.Integral, min_val=1)
        return [n_samples] * n_tasks
    if shared_X:
        raise ValueError(
            f"n_samples={n_samples!r} must be an int with shared_X=True: all tasks "
            "have the same rows"
        )
    if len(n_samples) != n_tasks:
        raise ValueError(
            f"n_samples={n_samples!r} has {len(n_samples)} entries: pass one per task, "
            f"n_tasks={n_tasks}"
        )
    for t, size in enumerate(n_samples):
        check_scalar(size, f"n_samples[{t}]", numbers.Integral, min_val=1)
    return n_samples


def _draw_features(rng, n_rows, n_features, correlation):
    """Standard normal rows with corr(x_i, x_j) = correlation ** |i - j|."""
    X = rng.standard_normal((n_rows, n_features))
    if correlation:
        scale = np.sqrt(1 - correlation**2)
        for j in range(1, n_features):
            X[:, j] = correlation * X[:, j - 1] + scale * X[:, j]
    return X


def _hide_cells(rng, y, missing):
    """NaN in a fraction of the cells: first tasks, then rows keep one if they can."""
    n_rows, n_tasks = y.shape
    # the first min(y.shape) of these cells differ in row and task, all cover y
    steps = np.arange(max(n_rows, n_tasks))
    rows = rng.permutation(n_rows)[steps % n_rows]
    columns = rng.permutation(n_tasks)[steps % n_tasks]
    cover = np.ravel_multi_index((rows, columns), y.shape)
    others = rng.permutation(np.setdiff1d(np.arange(y.size), cover))
    n_observed = max(n_tasks, y.size - round(missing * y.size))
    y = y.astype(float)
    y.flat[np.concatenate([cover, others])[n_observed:]] = np.nan
    return y


def _to_frames(X, y, tasks):
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "as_frame=True needs pandas, which is not installed: install it or mtlreg "
            'with its extra, "mtlreg[demo]", or set as_frame=False for arrays'
        ) from error

    X = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    if tasks is None:
        y = pd.DataFrame(y, columns=[f"task{t}" for t in range(y.shape[1])])
    else:
        X.insert(0, "task", tasks)
        y = pd.Series(y, name="target")
    return X, y, pd.concat([X, y], axis=1)
