"""Metrics of regression: ratios of sums over the rows of a task."""

import numpy as np

from mtlreg.metrics._cells import (
    aggregate,
    check_choice,
    read_numbers,
    read_reference,
)

_CONSTANT = "where all targets are the same"


def task_rmse(
    y_true, y_pred, *, tasks=None, sample_weight=None, multioutput="uniform_average"
):
    r"""Return the root mean squared error of every task, :math:`\sqrt{SSE_t / W_t}`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_tasks)
        NaN in a 2-D y: not observed.
    y_pred : array-like of the shape of y_true
        Predictions.
    tasks : array-like of shape (n_samples,), optional
        Task labels; not together with a 2-D y.
    sample_weight : float or array-like, shape (n_samples,) or that of y, optional
        Weights >= 0.
    multioutput : {"raw_values", "uniform_average", "size_weighted"}
        How the tasks are aggregated.

    Returns
    -------
    float, or ndarray of shape (n_tasks,) for "raw_values"

    Raises
    ------
    ValueError
        If an argument is not as described, or no task has an observed target.

    Examples
    --------
    >>> from mtlreg.metrics import task_rmse
    >>> task_rmse([1.0, 2.0, 5.0], [1.0, 2.0, 3.0], tasks=["a", "a", "b"])
    1.0
    """
    cells = read_numbers(y_true, y_pred, tasks, sample_weight)
    return aggregate("task_rmse", np.sqrt(cells.sse / cells.size), cells, multioutput)


def task_r2(
    y_true, y_pred, *, tasks=None, sample_weight=None, multioutput="uniform_average"
):
    r"""Return the coefficient of determination of every task, 1 - SSE_t / SST_t.

    It is not defined on a task whose observed targets are all the same.

    Parameters
    ----------
    y_true, y_pred, tasks, sample_weight, multioutput
        As in `task_rmse`.

    Returns
    -------
    float, or ndarray of shape (n_tasks,) for "raw_values"

    Raises
    ------
    ValueError
        If an argument is not as described, or the metric is defined on no task.

    Examples
    --------
    >>> from mtlreg.metrics import task_r2
    >>> task_r2([1.0, 3.0, 5.0, 7.0], [1.0, 3.0, 5.0, 6.0], tasks=[0, 0, 1, 1])
    0.75
    """
    cells = read_numbers(y_true, y_pred, tasks, sample_weight)
    values = 1 - cells.sse / cells.sst
    return aggregate("task_r2", values, cells, multioutput, _CONSTANT)


def task_nmse(
    y_true, y_pred, *, tasks=None, sample_weight=None, multioutput="uniform_average"
):
    r"""Return the normalised mean squared error of every task, SSE_t / SST_t.

    The mean squared error over the variance of the target [1]_, which is one minus
    `task_r2`. It is not defined on a task whose observed targets are all the same.

    Parameters
    ----------
    y_true, y_pred, tasks, sample_weight, multioutput
        As in `task_rmse`.

    Returns
    -------
    float, or ndarray of shape (n_tasks,) for "raw_values"

    Raises
    ------
    ValueError
        If an argument is not as described, or the metric is defined on no task.

    References
    ----------
    .. [1] Zhang and Yeung (2010). A convex formulation for learning task relationships
       in multi-task learning. UAI, 733-742.

    Examples
    --------
    >>> from mtlreg.metrics import task_nmse
    >>> task_nmse([1.0, 3.0, 5.0, 7.0], [1.0, 3.0, 5.0, 6.0], tasks=[0, 0, 1, 1])
    0.25
    """
    cells = read_numbers(y_true, y_pred, tasks, sample_weight)
    values = cells.sse / cells.sst
    return aggregate("task_nmse", values, cells, multioutput, _CONSTANT)


def task_rrmse(
    y_true,
    y_pred,
    *,
    tasks=None,
    sample_weight=None,
    multioutput="uniform_average",
    reference=None,
):
    r"""Return the relative root mean squared error of every task.

    .. math:: \sqrt{SSE_t \Big/ \sum_i w_{ti} (y_{ti} - m_t)^2}

    the error over that of a constant m_t, the mean of the task in the training part
    [1]_; their mean over the tasks is known as aRRMSE. It is not defined on a task
    whose observed targets are all m_t.

    Parameters
    ----------
    y_true, y_pred, tasks, sample_weight, multioutput
        As in `task_rmse`.
    reference : array-like of shape (n_tasks,) or dict by task, optional
        The constants m_t. By default the means of ``y_true``, with which it is the root
        of `task_nmse`.

    Returns
    -------
    float, or ndarray of shape (n_tasks,) for "raw_values"

    Raises
    ------
    ValueError
        If an argument is not as described, or the metric is defined on no task.

    References
    ----------
    .. [1] Spyromitros-Xioufis, Tsoumakas, Groves and Vlahavas (2016). Multi-target
       regression via input space expansion: treating targets as inputs. Machine
       Learning 104, 55-98.

    Examples
    --------
    >>> from mtlreg.metrics import task_rrmse
    >>> y, z, tasks = [1.0, 3.0, 5.0, 7.0], [1.0, 3.0, 5.0, 6.0], ["a", "a", "b", "b"]
    >>> task_rrmse(y, z, tasks=tasks, reference={"a": 2.0, "b": 7.0})
    0.25
    """
    cells = read_numbers(y_true, y_pred, tasks, sample_weight)
    if reference is None:
        squares = cells.sst
    else:
        means = read_reference(reference, cells.tasks)
        squares = cells.total((cells.y - means[cells.code]) ** 2)
        squares[squares == 0] = np.nan
    values = np.sqrt(cells.sse / squares)
    why = "where all targets are the reference"
    return aggregate("task_rrmse", values, cells, multioutput, why)


def task_amse(
    y_true, y_pred, *, tasks=None, sample_weight=None, multioutput="uniform_average"
):
    r"""Return :math:`SSE_t / \sum_i w_{ti} y_{ti}^2` of every task.

    The mean squared error over the mean square of the target [1]_, which depends on
    where the target has its zero. It is not defined on a task whose observed targets
    are all 0.

    Parameters
    ----------
    y_true, y_pred, tasks, sample_weight, multioutput
        As in `task_rmse`.

    Returns
    -------
    float, or ndarray of shape (n_tasks,) for "raw_values"

    Raises
    ------
    ValueError
        If an argument is not as described, or the metric is defined on no task.

    References
    ----------
    .. [1] Chen, Zhou and Ye (2011). Integrating low-rank and group-sparse structures
       for robust multi-task learning. KDD, 42-50.

    Examples
    --------
    >>> from mtlreg.metrics import task_amse
    >>> task_amse([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 9.0], tasks=[0, 0, 1, 1])
    0.5
    """
    cells = read_numbers(y_true, y_pred, tasks, sample_weight)
    squares = cells.total(cells.y**2)
    squares[squares == 0] = np.nan
    values = cells.sse / squares
    why = "where all targets are 0"
    return aggregate("task_amse", values, cells, multioutput, why)


def task_explained_variance(
    y_true, y_pred, *, tasks=None, sample_weight=None, reference="within"
):
    r"""Return the share of the variance of all tasks that is explained.

    .. math:: 1 - \sum_t SSE_t \Big/ \sum_t SST_t \qquad \text{or} \qquad
        1 - \sum_t SSE_t \Big/ \sum_{ti} w_{ti} (y_{ti} - \bar y)^2

    with the means of the tasks (``"within"``) or the mean of all targets
    (``"overall"``, the figure of [1]_). Where the means of the tasks differ, the second
    is the higher one: never compare one with the other. Neither is
    `sklearn.metrics.explained_variance_score`, which forgives a constant error.

    Parameters
    ----------
    y_true, y_pred, tasks, sample_weight
        As in `task_rmse`.
    reference : {"within", "overall"}
        What the target varies around.

    Returns
    -------
    float
        A ratio of sums over all tasks; `task_r2` has the shares of the single tasks.

    Raises
    ------
    ValueError
        If an argument is not as described, or the target does not vary.

    References
    ----------
    .. [1] Bakker and Heskes (2003). Task clustering and gating for Bayesian multitask
       learning. Journal of Machine Learning Research 4, 83-99.

    Examples
    --------
    >>> from mtlreg.metrics import task_explained_variance
    >>> y, z, tasks = [1.0, 3.0, 5.0, 7.0], [1.0, 3.0, 5.0, 6.0], [0, 0, 1, 1]
    >>> task_explained_variance(y, z, tasks=tasks)
    0.75
    >>> task_explained_variance(y, z, tasks=tasks, reference="overall")
    0.95
    """
    check_choice(reference, "reference", ["within", "overall"])
    cells = read_numbers(y_true, y_pred, tasks, sample_weight)
    if reference == "within":
        variation = np.nansum(cells.sst)
    else:
        mean = np.average(cells.y, weights=cells.weight)
        spread = np.ptp(cells.y) > 0
        variation = spread * np.sum(cells.weight * (cells.y - mean) ** 2)
    if variation == 0:
        around = {"within": "every task", "overall": "all rows"}[reference]
        raise ValueError(
            f"task_explained_variance is not defined: the target is constant in "
            f"{around}. Score on rows where it varies, or use task_rmse."
        )
    return float(1 - np.nansum(cells.sse) / variation)
