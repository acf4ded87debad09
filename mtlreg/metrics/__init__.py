r"""Errors and scores of predictions, task by task.

A metric is computed on every task and then aggregated. The tasks are told by ``tasks``,
one label per row, or they are the columns of a 2-D ``y_true``, in which NaN is a target
that is not observed; without either there is one task. With weights :math:`w_{ti}` and
:math:`W_t = \sum_i w_{ti}`, task t has the mean :math:`\bar y_t = \sum_i w_{ti} y_{ti}
/ W_t` and the sums

.. math:: SSE_t = \sum_i w_{ti} (y_{ti} - \hat y_{ti})^2, \qquad
    SST_t = \sum_i w_{ti} (y_{ti} - \bar y_t)^2.

Weight k is the same as k copies of a row, and weight 0 as none. ``multioutput`` names
the aggregate: ``"raw_values"``, one figure per task, sorted by label or in the order of
the columns; ``"uniform_average"``, their mean; ``"size_weighted"``, their mean with the
weights :math:`W_t`. A task on which a metric is not defined is NaN among the raw values
and left out of the means, with an `UndefinedMetricWarning` that names it.
"""

from mtlreg.metrics._classification import task_accuracy, task_auc, task_log_loss
from mtlreg.metrics._regression import (
    task_amse,
    task_explained_variance,
    task_nmse,
    task_r2,
    task_rmse,
    task_rrmse,
)
from mtlreg.metrics._scorer import task_scorer

__all__ = [
    "task_accuracy",
    "task_amse",
    "task_auc",
    "task_explained_variance",
    "task_log_loss",
    "task_nmse",
    "task_r2",
    "task_rmse",
    "task_rrmse",
    "task_scorer",
]
