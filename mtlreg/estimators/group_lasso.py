"""Group lasso over tasks."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from mtlreg.estimators._checks import check_choice, check_real
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.penalties import L1, SparseGroup
from mtlreg.penalties.sparse_group import NORMS


@dataclass(eq=False, repr=False)
class _GroupLasso(Stem):
    """The penalty on A = ``coef_.T`` is::

        alpha [(1 - l1_ratio) sum_j ||A_j||_q + l1_ratio sum_jt |A_jt|],  q = 2 or inf

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0; see `mtlreg.alpha_max` for its scale.
    l1_ratio : float, default=0.0
        Share of the L1 norm in [0, 1]: between the ends (a sparse group lasso) the
        used features are used by some tasks only; 1: independent lassos. (In
        `MultiTaskElasticNet` this name means the share against a ridge.)
    norm : {"l2", "linf"}, default="l2"
        Norm q of a row.

    Search parameters
    -----------------
    l1_ratio : float or array-like of shape (n_ratios,), default=0.0
        Shares of the L1 norm, in [0, 1], to choose from.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_features,)
        Whether some task uses the feature.

    References
    ----------
    Obozinski, Taskar, Jordan (2010), Joint covariate selection and joint subspace
    selection for multiple classification problems, eq. 3; the L1/Linf norm: Turlach,
    Venables, Wright (2005), Simultaneous variable selection, eq. 2; sparse groups:
    Simon, Friedman, Hastie, Tibshirani (2013), A sparse-group lasso, eq. 3.
    """

    alpha: float = 0.1
    _: KW_ONLY
    l1_ratio: float = 0.0
    norm: str = "l2"

    _ratio: ClassVar = "l1_ratio"

    def _check_strengths(self):
        super()._check_strengths()
        check_real(self.l1_ratio, "l1_ratio", minimum=0.0)
        if self.l1_ratio > 1:
            raise ValueError(f"l1_ratio must be at most 1, got {self.l1_ratio!r}")
        check_choice(self.norm, "norm", list(NORMS))

    def _ratio_limits(self, shape):
        return 0.0, 1.0

    def _penalty(self, read):
        if self.l1_ratio == 1:
            return L1(self.alpha)
        if self.l1_ratio == 0:
            group, _ = NORMS[self.norm]
            return group(self.alpha)
        return SparseGroup(self.alpha, self.l1_ratio, self.norm)


@estimator
class GroupLassoRegressor(_GroupLasso, MultiTaskRegressor):
    """MultiTaskLasso for any tasks: a group is a ROW of A, not a set of features.

    A feature, a row of A, is used by all tasks or by none; scikit-learn's
    `MultiTaskLasso` is the case of one X for all tasks with a complete 2-D y.

    Examples
    --------
    >>> from mtlreg import GroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     n_tasks=5, n_features=20, n_informative=4, random_state=0
    ... )
    >>> model = GroupLassoRegressor(alpha=0.8).fit(data.X, data.y, tasks=data.tasks)
    >>> model.coef_.shape, int(model.support_.sum())
    ((5, 20), 4)
    """


@estimator
class GroupLassoClassifier(_GroupLasso, MultiTaskClassifier):
    """Logistic group lasso: a group is a ROW of A, not a set of features.

    A feature, a row of A, is used by all tasks or by none: `MultiTaskLasso` for binary
    targets.

    Examples
    --------
    >>> from mtlreg import GroupLassoClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, n_features=8, random_state=0)
    >>> model = GroupLassoClassifier(alpha=0.02).fit(data.X, data.y, tasks=data.tasks)
    >>> model.predict_proba(data.X, tasks=data.tasks).shape
    (250, 2)
    """


@estimator
class GroupLassoRegressorCV(RegressorCV):
    """`GroupLassoRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import GroupLassoRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=5, random_state=0)
    >>> model = GroupLassoRegressorCV(alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 10, 5)
    """

    _model_class = GroupLassoRegressor


@estimator
class GroupLassoClassifierCV(ClassifierCV):
    """`GroupLassoClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import GroupLassoClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, random_state=0)
    >>> model = GroupLassoClassifierCV(alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 10, 5)
    """

    _model_class = GroupLassoClassifier
