"""The robust mean: tasks at one vector, but for outlier tasks."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from mtlreg.estimators._checks import check_choice
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.penalties import ColumnL2, Consensus, InfimalSum


@dataclass(eq=False, repr=False)
class _RobustMean(Stem):
    """The penalty on the vectors a_t of the tasks, the rows of ``coef_``, is::

        min over m of  alpha sum_t ||a_t - m|| + ridge/2 ||A||_F^2

    with Euclidean norms or those of the predictions, see ``metric``. The norms are not
    squared: tasks are at the center m exactly, or they are outliers, drawn to it by a
    force that does not grow with their distance. From `mtlreg.alpha_max` on all are at
    m: one fit of the rows of all tasks, with intercepts of their own, and the ridge. A
    task of one class is at m.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the deviations, > 0.
    ridge : float, default=0.001
        Of ``ridge/2 ||A||_F^2``: >= 0. With 0 nothing penalises m, and the classes of
        all tasks together must overlap. It is no strength: paths and searches leave it
        as it is.
    metric : {"identity", "design"}, default="identity"
        "identity": Euclidean norms. "design": ``((a_t - m)' H_t (a_t - m))^(1/2)`` with
        H_t the ``X_t' X_t / n_t`` of the rows of the task, weighted, and centred where
        there are intercepts: the root mean square by which the predictions of a_t and
        of m differ, whatever the units of the features. Where the rows of a task see
        nothing, as where they are fewer than features, a_t is m. In cross-validation
        they are those of each training part.

    Search parameters
    -----------------
    eps : float, default=1e-2
        Smallest over largest strength of that grid.

    Attributes
    ----------
    center_coef_ : ndarray of shape (n_features,)
        m. With ``normalize_y`` the mean over tasks of what m is in the units of their
        targets.
    outlier_tasks_ : ndarray of bool, shape (n_tasks,)
        Which of ``tasks_`` are not at the center.
    shared_coef_, specific_coef_ : ndarrays of shape (n_tasks, n_features)
        The center for every task, and the deviations from it.
    blocks_ : ndarray of shape (2, n_tasks, n_features)
        Both of them.

    References
    ----------
    Duan, Wang (2023), Adaptive and robust multi-task learning; the metric of the
    design: Kim (2026), Multi-task linear regression without eigenvalue lower bounds:
    adaptivity, robustness and safety.
    """

    alpha: float = 0.1
    _: KW_ONLY
    ridge: float = 0.001
    metric: str = "identity"

    _search_defaults: ClassVar = {"eps": 1e-2}

    def _penalty(self, read):
        check_choice(self.metric, "metric", ["identity", "design"])
        return InfimalSum(Consensus(), ColumnL2(self.alpha, self.metric))


@estimator
class RobustMeanRegressor(_RobustMean, MultiTaskRegressor):
    """One linear regression for all tasks, but for outlier tasks: a robust mean.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import RobustMeanRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="mean", random_state=0)
    >>> y = np.where(data.tasks == 3, 5 * data.X.sum(axis=1), data.y)
    >>> model = RobustMeanRegressor(10.0).fit(data.X, y, tasks=data.tasks)
    >>> model.tasks_[model.outlier_tasks_]
    array([3])
    """


@estimator
class RobustMeanClassifier(_RobustMean, MultiTaskClassifier):
    """One logistic regression for all tasks, but for outlier tasks: a robust mean.

    Examples
    --------
    >>> from mtlreg import RobustMeanClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="mean", random_state=0)
    >>> model = RobustMeanClassifier().fit(data.X, data.y, tasks=data.tasks)
    >>> model.center_coef_.shape
    (20,)
    """


@estimator
class RobustMeanRegressorCV(RegressorCV):
    """`RobustMeanRegressor` with the strength by cross-validation.

    Examples
    --------
    >>> from mtlreg import RobustMeanRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="mean", random_state=0)
    >>> model = RobustMeanRegressorCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 4, 5)
    """

    _model_class = RobustMeanRegressor


@estimator
class RobustMeanClassifierCV(ClassifierCV):
    """`RobustMeanClassifier` with the strength by cross-validation.

    Examples
    --------
    >>> from mtlreg import RobustMeanClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="mean", random_state=0)
    >>> model = RobustMeanClassifierCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 4, 5)
    """

    _model_class = RobustMeanClassifier
