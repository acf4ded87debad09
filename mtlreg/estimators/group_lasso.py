"""Group lasso over tasks."""

from typing import ClassVar

import numpy as np

from mtlreg.estimators._checks import check_choice, check_real
from mtlreg.estimators._docs import document
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import CrossValidatedModel
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.strengths import check_ratios
from mtlreg.penalties import L1, SparseGroup
from mtlreg.penalties.sparse_group import NORMS


class _GroupLasso:
    """The parameters of the group lasso."""

    _strengths: ClassVar[tuple[str, ...]] = ("alpha",)

    def __init__(
        self,
        alpha=0.1,
        *,
        l1_ratio=0.0,
        norm="l2",
        fit_intercept=True,
        task_column=None,
        unseen_task="error",
        task_weight="equal",
        max_iter=10_000,
        tol=1e-6,
        warm_start=False,
        solver="auto",
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.norm = norm
        self.fit_intercept = fit_intercept
        self.task_column = task_column
        self.unseen_task = unseen_task
        self.task_weight = task_weight
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _check_strengths(self):
        check_real(self.alpha, "alpha", minimum=0.0, strict=True)
        check_real(self.l1_ratio, "l1_ratio", minimum=0.0)
        if self.l1_ratio > 1:
            raise ValueError(f"l1_ratio must be at most 1, got {self.l1_ratio!r}")
        check_choice(self.norm, "norm", list(NORMS))

    def _at_ratio(self, ratio):
        return {"l1_ratio": ratio}

    def _penalty(self):
        if self.l1_ratio == 1:
            return L1(self.alpha)
        if self.l1_ratio == 0:
            group, _ = NORMS[self.norm]
            return group(self.alpha)
        return SparseGroup(self.alpha, self.l1_ratio, self.norm)

    def _penalty_attributes(self, A):
        return {"support_": np.any(A != 0, axis=1)}


@document
class GroupLassoRegressor(_GroupLasso, MultiTaskRegressor):
    """MultiTaskLasso for any tasks: a group is a ROW of A, not a set of features.

    A feature, a row of A, is used by all tasks or by none; scikit-learn's
    `MultiTaskLasso` is the case of one X for all tasks with a complete 2-D y.

    %(rows)s
    %(squared)s
    The penalty on A = ``coef_.T`` is::

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
    %(parameters)s

    Attributes
    ----------
    %(attributes)s
    support_ : ndarray of bool, shape (n_features,)
        Whether some task uses the feature.

    References
    ----------
    Obozinski, Taskar, Jordan (2010), Joint covariate selection and joint subspace
    selection for multiple classification problems, eq. 3; the L1/Linf norm: Turlach,
    Venables, Wright (2005), Simultaneous variable selection, eq. 2; sparse groups:
    Simon, Friedman, Hastie, Tibshirani (2013), A sparse-group lasso, eq. 3.

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


@document
class GroupLassoClassifier(_GroupLasso, MultiTaskClassifier):
    """Logistic group lasso: a group is a ROW of A, not a set of features.

    A feature, a row of A, is used by all tasks or by none: `MultiTaskLasso` for binary
    targets.

    %(rows)s
    %(logistic)s
    The penalty on A = ``coef_.T`` is::

        alpha [(1 - l1_ratio) sum_j ||A_j||_q + l1_ratio sum_jt |A_jt|],  q = 2 or inf

    %(one_class)s

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
    %(parameters)s

    Attributes
    ----------
    %(attributes)s
    %(classes)s
    support_ : ndarray of bool, shape (n_features,)
        Whether some task uses the feature.

    References
    ----------
    Obozinski, Taskar, Jordan (2010), Joint covariate selection and joint subspace
    selection for multiple classification problems, eq. 3.

    Examples
    --------
    >>> from mtlreg import GroupLassoClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, n_features=8, random_state=0)
    >>> model = GroupLassoClassifier(alpha=0.02).fit(data.X, data.y, tasks=data.tasks)
    >>> model.predict_proba(data.X, tasks=data.tasks).shape
    (250, 2)
    """


class _GroupLassoCV(CrossValidatedModel):
    """The parameters of the group lasso with cross-validation."""

    def __init__(
        self,
        *,
        l1_ratio=0.0,
        norm="l2",
        alphas=100,
        eps=1e-3,
        cv=None,
        scoring=None,
        selection="min",
        n_jobs=None,
        fit_intercept=True,
        task_column=None,
        unseen_task="error",
        task_weight="equal",
        max_iter=10_000,
        tol=1e-6,
        solver="auto",
    ):
        self.l1_ratio = l1_ratio
        self.norm = norm
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.n_jobs = n_jobs
        self.fit_intercept = fit_intercept
        self.task_column = task_column
        self.unseen_task = unseen_task
        self.task_weight = task_weight
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver

    def _ratio_grid(self, n_tasks):
        several = np.ndim(self.l1_ratio) > 0
        return check_ratios(self.l1_ratio if several else [self.l1_ratio], "l1_ratio")

    def _ratio_limits(self, n_tasks):
        return 0.0, 1.0


@document
class GroupLassoRegressorCV(_GroupLassoCV, MultiTaskRegressor):
    """`GroupLassoRegressor` with strengths by cross-validation.

    %(rows)s
    %(squared)s
    The penalty on A = ``coef_.T`` is::

        alpha [(1 - l1_ratio) sum_j ||A_j||_q + l1_ratio sum_jt |A_jt|],  q = 2 or inf

    %(search)s

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_ratios,), default=0.0
        Shares of the L1 norm, in [0, 1], to choose from.
    norm : {"l2", "linf"}, default="l2"
        Norm q of a row.
    %(cv_parameters)s
    %(cv_model_parameters)s

    Attributes
    ----------
    %(attributes)s
    %(cv_attributes)s
    %(mse)s
    alpha_, ratio_ : float
        The strength and the ``l1_ratio`` that were chosen.
    ratios_ : ndarray of shape (n_ratios,)
        Those there were to choose from.
    support_ : ndarray of bool, shape (n_features,)
        Whether some task uses the feature.

    References
    ----------
    Obozinski, Taskar, Jordan (2010), Joint covariate selection and joint subspace
    selection for multiple classification problems, eq. 3.

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


@document
class GroupLassoClassifierCV(_GroupLassoCV, MultiTaskClassifier):
    """`GroupLassoClassifier` with strengths by cross-validation.

    %(rows)s
    %(logistic)s
    The penalty on A = ``coef_.T`` is::

        alpha [(1 - l1_ratio) sum_j ||A_j||_q + l1_ratio sum_jt |A_jt|],  q = 2 or inf

    %(search)s

    %(one_class)s

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_ratios,), default=0.0
        Shares of the L1 norm, in [0, 1], to choose from.
    norm : {"l2", "linf"}, default="l2"
        Norm q of a row.
    %(cv_parameters)s
    %(cv_model_parameters)s

    Attributes
    ----------
    %(attributes)s
    %(classes)s
    %(cv_attributes)s
    alpha_, ratio_ : float
        The strength and the ``l1_ratio`` that were chosen.
    ratios_ : ndarray of shape (n_ratios,)
        Those there were to choose from.
    support_ : ndarray of bool, shape (n_features,)
        Whether some task uses the feature.

    References
    ----------
    Obozinski, Taskar, Jordan (2010), Joint covariate selection and joint subspace
    selection for multiple classification problems, eq. 3.

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
