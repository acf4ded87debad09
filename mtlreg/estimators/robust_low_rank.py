"""Low rank with outlier tasks."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.two_parts import TwoBlocks
from mtlreg.penalties import ColumnL2, InfimalSum, TraceNorm


@dataclass(eq=False, repr=False)
class _RobustLowRank(TwoBlocks):
    """The penalty on A = ``coef_.T``, split into L + S, is::

        min over L + S = A of  alpha_shared ||L||_* + alpha_outlier sum_t ||s_t||_2

    with s_t the columns of S, one a task. ``alpha_outlier >= alpha_shared`` makes S
    zero, ``alpha_shared >= sqrt(T) alpha_outlier`` makes L zero.

    Parameters
    ----------
    alpha_shared : float, default=0.12
        Strength of the low rank L, > 0.
    alpha_outlier : float, default=0.1
        Strength of the columns of S, > 0.

    Search parameters
    -----------------
    ratios : array-like of shape (n_ratios,), optional
        ``alpha_shared / alpha_outlier`` to choose from. By default three, evenly on a
        logarithmic scale, between 1 and the root of T, where both parts are used.

    Attributes
    ----------
    rank_ : int
        Rank of ``shared_coef_``.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace that the tasks share, of ``shared_coef_``.
    outlier_tasks_ : ndarray of bool, shape (n_tasks,)
        Which of ``tasks_`` have coefficients of their own in ``specific_coef_``.

    References
    ----------
    Chen, Zhou, Ye (2011), Integrating low-rank and group-sparse structures for robust
    multi-task learning, there with the sum of squared errors.
    """

    alpha_shared: float = 0.12
    _: KW_ONLY
    alpha_outlier: float = 0.1

    _strengths: ClassVar = ("alpha_shared", "alpha_outlier")

    def _ends(self, shape):
        return 1.0, np.sqrt(shape[1])

    def _penalty(self, read):
        return InfimalSum(TraceNorm(self.alpha_shared), ColumnL2(self.alpha_outlier))


@estimator
class RobustLowRankRegressor(_RobustLowRank, MultiTaskRegressor):
    """Tasks in a common subspace, but for outlier tasks: low rank plus columns.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import RobustLowRankRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="low_rank", rank=2, random_state=0)
    >>> y = np.where(data.tasks == 3, 20 * data.X[:, 0], data.y)
    >>> model = RobustLowRankRegressor(2.0, alpha_outlier=1.8)
    >>> model.fit(data.X, y, tasks=data.tasks).tasks_[model.outlier_tasks_]
    array([3])
    """


@estimator
class RobustLowRankClassifier(_RobustLowRank, MultiTaskClassifier):
    """Binary tasks in a common subspace, but for outliers: low rank plus columns.

    Examples
    --------
    >>> from mtlreg import RobustLowRankClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="low_rank", random_state=0)
    >>> model = RobustLowRankClassifier(0.05, alpha_outlier=0.03)
    >>> model.fit(data.X, data.y, tasks=data.tasks).shared_coef_.shape
    (10, 20)
    """


@estimator
class RobustLowRankRegressorCV(RegressorCV):
    """`RobustLowRankRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import RobustLowRankRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="low_rank", random_state=0)
    >>> model = RobustLowRankRegressorCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 4, 5)
    """

    _model_class = RobustLowRankRegressor


@estimator
class RobustLowRankClassifierCV(ClassifierCV):
    """`RobustLowRankClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import RobustLowRankClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="low_rank", random_state=0)
    >>> model = RobustLowRankClassifierCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 4, 5)
    """

    _model_class = RobustLowRankClassifier
