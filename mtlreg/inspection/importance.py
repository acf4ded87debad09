"""How much every column of X counts, the one with the task labels too."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mtlreg.inputs.frames import task_position

_ABOVE = 1.001  # strictly, also after squares and sums in single precision


def feature_importance(estimator):
    """Return the magnitudes of the coefficients, one column for each column of X.

    For ``importance_getter`` of `sklearn.feature_selection.SelectFromModel` and
    `sklearn.feature_selection.RFE`, which drop columns of X by it, and which ``coef_``
    alone would mislead where X has a ``task_column``.

    Parameters
    ----------
    estimator : fitted estimator of mtlreg

    Returns
    -------
    ndarray of shape (n_tasks, n_columns)
        The magnitudes of ``coef_``. The task column has a little more than the largest
        of each task, or 1 if those of all tasks are 0, so that it is dropped last.

    Raises
    ------
    ValueError
        If ``task_column`` is a position other than 0 and -1, which changes when columns
        are dropped.
    TypeError
        If the estimator is not one of mtlreg, such as a pipeline.

    Notes
    -----
    The task column counts in thresholds of `SelectFromModel` such as "mean", and in the
    numbers of features to keep.

    Examples
    --------
    >>> from sklearn.feature_selection import SelectFromModel
    >>> from mtlreg import GroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.inspection import feature_importance
    >>> data = make_multitask_regression(as_frame=True, random_state=0)
    >>> model = GroupLassoRegressor(alpha=3.0, task_column="task")
    >>> select = SelectFromModel(model, importance_getter=feature_importance)
    >>> select.fit(data.X, data.y).get_feature_names_out()
    array(['task', 'x1', 'x8', 'x10', 'x18', 'x19'], dtype=object)
    """
    if not hasattr(estimator, "task_column"):
        raise TypeError(
            f"estimator must be one of mtlreg with a task_column, not "
            f"{type(estimator).__name__}. Put other steps before the selector."
        )
    check_is_fitted(estimator)
    size = np.abs(estimator.coef_)
    column = estimator.task_column
    if column is None:
        return size
    if not isinstance(column, str) and column not in (0, -1):
        raise ValueError(
            f"task_column={column} is a position that changes when other columns are "
            "dropped. Put the labels first (0) or last (-1), or give their name."
        )
    names = getattr(estimator, "feature_names_in_", None)
    position = task_position(column, names, estimator.n_features_in_)
    largest = size.max(axis=1)
    largest = _ABOVE * largest if largest.any() else np.ones_like(largest)
    return np.insert(size, position, largest, axis=1)
