"""Group lasso with outlier tasks."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.two_parts import TwoBlocks
from mtlreg.penalties import L21, ColumnL2, InfimalSum


@dataclass(eq=False, repr=False)
class _RobustGroupLasso(TwoBlocks):
    """The penalty on A = ``coef_.T``, split into P + Q, is::

        min over P + Q = A of  alpha_shared sum_j ||P_j||_2
                               + alpha_outlier sum_t ||q_t||_2

    with P_j the rows of P, one a feature, and q_t the columns of Q, one a task.
    ``alpha_outlier >= sqrt(d) alpha_shared`` makes Q zero, ``alpha_shared >= sqrt(T)
    alpha_outlier`` makes P zero.

    Parameters
    ----------
    alpha_shared : float, default=0.1
        Strength of the rows of P, > 0.
    alpha_outlier : float, default=0.12
        Strength of the columns of Q, > 0.

    Search parameters
    -----------------
    ratios : array-like of shape (n_ratios,), optional
        ``alpha_shared / alpha_outlier`` to choose from. By default three, evenly on a
        logarithmic scale, between ``1 / sqrt(d)`` and ``sqrt(T)``, where both parts are
        used.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_features,)
        Whether the tasks share the feature, in ``shared_coef_``.
    outlier_tasks_ : ndarray of bool, shape (n_tasks,)
        Which of ``tasks_`` have coefficients of their own in ``specific_coef_``.

    References
    ----------
    Gong, Ye, Zhang (2012), Robust multi-task feature learning, there with the
    sum of squared errors.
    """

    alpha_shared: float = 0.1
    _: KW_ONLY
    alpha_outlier: float = 0.12

    _strengths: ClassVar = ("alpha_shared", "alpha_outlier")

    def _ends(self, shape):
        n_features, n_tasks = shape
        return 1 / np.sqrt(n_features), np.sqrt(n_tasks)

    def _penalty(self, read):
        return InfimalSum(L21(self.alpha_shared), ColumnL2(self.alpha_outlier))


@estimator
class RobustGroupLassoRegressor(_RobustGroupLasso, MultiTaskRegressor):
    """Features shared by all tasks, but for outlier tasks: rows plus columns.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import RobustGroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_informative=3, random_state=0)
    >>> y = np.where(data.tasks == 3, 5 * data.X.sum(axis=1), data.y)
    >>> model = RobustGroupLassoRegressor(1.0, alpha_outlier=2.0)
    >>> model.fit(data.X, y, tasks=data.tasks).tasks_[model.outlier_tasks_]
    array([3])
    """


@estimator
class RobustGroupLassoClassifier(_RobustGroupLasso, MultiTaskClassifier):
    """Binary tasks with shared features, but for outliers: rows plus columns.

    Examples
    --------
    >>> from mtlreg import RobustGroupLassoClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(random_state=0)
    >>> model = RobustGroupLassoClassifier(0.05, alpha_outlier=0.03)
    >>> model.fit(data.X, data.y, tasks=data.tasks).shared_coef_.shape
    (10, 20)
    """


@estimator
class RobustGroupLassoRegressorCV(RegressorCV):
    """`RobustGroupLassoRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import RobustGroupLassoRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(random_state=0)
    >>> model = RobustGroupLassoRegressorCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 4, 5)
    """

    _model_class = RobustGroupLassoRegressor


@estimator
class RobustGroupLassoClassifierCV(ClassifierCV):
    """`RobustGroupLassoClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import RobustGroupLassoClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(random_state=0)
    >>> model = RobustGroupLassoClassifierCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 4, 5)
    """

    _model_class = RobustGroupLassoClassifier
