"""A common vector and sparse deviations from it."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from mtlreg.estimators._checks import as_numbers, given_values, numbers_of_tasks
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.two_parts import TwoParts
from mtlreg.penalties import CommonDeviation


@dataclass(eq=False, repr=False)
class _CommonDeviation(TwoParts):
    """The penalty on A = ``coef_.T``, with one vector b for all tasks, is::

        min over b of  alpha_common ||b||_1 + alpha_specific sum_t r_t ||a_t - b||_1

    Entries of A are b or deviate from it. ``alpha_common >= alpha_specific sum_t r_t``
    makes b zero: one lasso a task. A large ``alpha_specific`` leaves b alone: one lasso
    for the rows of all tasks, with intercepts of their own. What a task has no data for
    is b.

    Parameters
    ----------
    alpha_common : float, default=0.1
        Strength of b, > 0.
    alpha_specific : float, default=0.1
        Strength of the deviations, > 0.
    specific_weight : array-like of shape (n_tasks,) or dict, optional
        The r_t, > 0, in the order of ``tasks_`` or by task. By default
        ``1 / sqrt(n_tasks)``.

    Search parameters
    -----------------
    ratios : array-like of shape (n_ratios,), optional
        ``alpha_common / alpha_specific`` to choose from. By default three, evenly on a
        logarithmic scale, between the mean of the r_t, where what all tasks have in
        common costs no more than the deviation of one, and their sum, from which on b
        is zero.

    Attributes
    ----------
    common_coef_ : ndarray of shape (n_features,)
        b: of all optimal ones the nearest to 0. With ``normalize_y`` the mean over
        tasks of what b is in the units of their targets.
    specific_coef_ : ndarray of shape (n_tasks, n_features)
        The deviations from b.

    References
    ----------
    Gross, Tibshirani (2016), Data shared lasso: a novel tool to discover uplift, there
    with the sum of squared errors.
    """

    alpha_common: float = 0.1
    _: KW_ONLY
    alpha_specific: float = 0.1
    specific_weight: Any = None

    _strengths: ClassVar = ("alpha_common", "alpha_specific")

    def _ends(self, shape):
        n_tasks = shape[1]
        if self.specific_weight is None:
            return 1 / np.sqrt(n_tasks), np.sqrt(n_tasks)
        weights = as_numbers(given_values(self.specific_weight), "specific_weight")
        return weights.mean(), weights.mean() * n_tasks

    def _penalty(self, read):
        weights = self.specific_weight
        if weights is not None:
            weights = numbers_of_tasks(weights, "specific_weight", read.tasks)
        return CommonDeviation(self.alpha_common, self.alpha_specific, weights)


@estimator
class CommonDeviationRegressor(_CommonDeviation, MultiTaskRegressor):
    """One lasso for all tasks, and sparse deviations of each: a data shared lasso.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import CommonDeviationRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="mean", random_state=0)
    >>> y = data.y + np.where(data.tasks == 3, 20 * data.X[:, 0], 0)
    >>> model = CommonDeviationRegressor(20.0, alpha_specific=20.0)
    >>> np.argwhere(model.fit(data.X, y, tasks=data.tasks).specific_coef_).tolist()
    [[3, 0]]
    """


@estimator
class CommonDeviationClassifier(_CommonDeviation, MultiTaskClassifier):
    """One sparse logistic regression for all tasks, and sparse deviations of each.

    Examples
    --------
    >>> from mtlreg import CommonDeviationClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="mean", random_state=0)
    >>> model = CommonDeviationClassifier(0.1, alpha_specific=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).common_coef_.shape
    (20,)
    """


@estimator
class CommonDeviationRegressorCV(RegressorCV):
    """`CommonDeviationRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import CommonDeviationRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="mean", random_state=0)
    >>> model = CommonDeviationRegressorCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 4, 5)
    """

    _model_class = CommonDeviationRegressor


@estimator
class CommonDeviationClassifierCV(ClassifierCV):
    """`CommonDeviationClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import CommonDeviationClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="mean", random_state=0)
    >>> model = CommonDeviationClassifierCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 4, 5)
    """

    _model_class = CommonDeviationClassifier
