"""Fused group lasso over tasks."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from mtlreg.estimators._checks import check_real, check_strength
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.penalties import FusedGroup


@dataclass(eq=False, repr=False)
class _FusedGroupLasso(Stem):
    """The penalty on A = ``coef_.T``, with the tasks in the order of ``tasks_``, is::

        alpha_fused sum_jt |A_j,t+1 - A_jt|
            + alpha_group sum_j ||A_j||_2 + alpha_sparse sum_jt |A_jt|

    so that coefficients are the same in tasks that follow each other, but where the
    data say that they change: for labels such as dates, doses or stages.

    Parameters
    ----------
    alpha_fused : float, default=0.05
        Strength of the changes from one task to the next, > 0.
    alpha_group : float, default=0.02
        Strength of the norms of features over all tasks, >= 0.
    alpha_sparse : float, default=0.02
        Strength of single coefficients, >= 0; not 0 where ``alpha_group`` is.

    Search parameters
    -----------------
    ratios : array-like of shape (n_ratios,), default=(0.1, 0.5, 2.5)
        ``alpha_group / alpha_fused`` to choose from, and ``alpha_sparse / alpha_fused``
        as well: both have the same ratio.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_features,)
        Features that are not 0 in all tasks.
    change_points_ : ndarray of bool, shape (n_tasks - 1, n_features)
        Where ``coef_`` changes between a task and the next. With ``normalize_y`` it is
        in units of the targets of each task that coefficients are equal.

    References
    ----------
    Zhou, Liu, Narayan, Ye (2012), Modeling disease progression via fused sparse group
    lasso, eq. 3, there with the squared loss.
    """

    alpha_fused: float = 0.05
    _: KW_ONLY
    alpha_group: float = 0.02
    alpha_sparse: float = 0.02

    _strengths: ClassVar = ("alpha_fused", "alpha_group", "alpha_sparse")
    _ratio: ClassVar = "ratios"
    _default_ratios: ClassVar = (0.1, 0.5, 2.5)

    def _check_strengths(self):
        check_strength(self.alpha_fused, "alpha_fused")
        check_real(self.alpha_group, "alpha_group", minimum=0.0)
        check_real(self.alpha_sparse, "alpha_sparse", minimum=0.0)
        if self.alpha_group == self.alpha_sparse == 0:
            raise ValueError(
                "alpha_group=0 and alpha_sparse=0 leave coefficients free that are "
                "equal in all tasks: set one of them to more than 0"
            )

    def _at_ratio(self, ratio):
        if ratio <= 0:
            raise ValueError(f"ratios of a fused group lasso must be > 0, got {ratio}")
        return dict.fromkeys(self._strengths[1:], self.alpha_fused * ratio)

    def _penalty(self, read):
        return FusedGroup(self.alpha_fused, self.alpha_group, self.alpha_sparse)


@estimator
class FusedGroupLassoRegressor(_FusedGroupLasso, MultiTaskRegressor):
    """Tasks in an order, with coefficients that seldom change: a fused group lasso.

    Examples
    --------
    >>> from mtlreg import FusedGroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=5, random_state=0)
    >>> model = FusedGroupLassoRegressor(alpha_fused=0.5)
    >>> model.fit(data.X, data.y, tasks=data.tasks).change_points_.shape
    (4, 20)
    """


@estimator
class FusedGroupLassoClassifier(_FusedGroupLasso, MultiTaskClassifier):
    """Binary tasks in an order, with coefficients that seldom change.

    Examples
    --------
    >>> from mtlreg import FusedGroupLassoClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, random_state=0)
    >>> model = FusedGroupLassoClassifier(0.02, alpha_group=0.01, alpha_sparse=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).change_points_.shape
    (4, 20)
    """


@estimator
class FusedGroupLassoRegressorCV(RegressorCV):
    """`FusedGroupLassoRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import FusedGroupLassoRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=5, random_state=0)
    >>> model = FusedGroupLassoRegressorCV(alphas=5, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 5, 5)
    """

    _model_class = FusedGroupLassoRegressor


@estimator
class FusedGroupLassoClassifierCV(ClassifierCV):
    """`FusedGroupLassoClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import FusedGroupLassoClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, random_state=0)
    >>> model = FusedGroupLassoClassifierCV(alphas=5, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 5, 5)
    """

    _model_class = FusedGroupLassoClassifier
