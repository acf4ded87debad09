"""Group lasso over tasks."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from mtlreg.estimators._checks import check_choice, check_real
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.penalties import L1, SparseGroup
from mtlreg.penalties.concave import SHAPES, ConcaveL21
from mtlreg.penalties.sparse_group import NORMS


@dataclass(eq=False, repr=False)
class _GroupLasso(Stem):
    """The penalty on A = ``coef_.T`` is::

        alpha [(1 - l1_ratio) sum_j ||A_j||_q + l1_ratio sum_jt |A_jt|],  q = 2 or inf

    or, with a ``shape`` that flattens out, so that large rows are shrunken less::

        sum_j f(||A_j||_2),  eps = gamma alpha
        "log": f(r) = alpha eps log(1 + r / eps)
        "mcp": f(r) = alpha (r - r^2 / (2 eps)) for r <= eps, else alpha eps / 2

    That is not convex. A fit starts from the convex one and solves it again with
    weights ``f'(||A_j||) / alpha`` of the rows of the last solution, until this is
    stationary: it depends on the start, and need not be the least of all.

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
    shape : {"convex", "log", "mcp"}, default="convex"
        How the penalty of a row grows with its norm. Other shapes than the first are
        for ``l1_ratio=0`` and ``norm="l2"``, and "mcp" for ``positive=False``. They
        suppose features of variances near 1, and classes that overlap.
    gamma : float, default=3.0
        Of the other shapes, > 0: the norms at which they flatten out, in units of
        alpha. The larger, the nearer to the convex one.

    Search parameters
    -----------------
    l1_ratio : float or array-like of shape (n_ratios,), default=0.0
        Shares of the L1 norm, in [0, 1], to choose from.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_features,)
        Whether some task uses the feature.
    optimality_ : float
        Of a shape that is not convex, in the place of ``dual_gap_``, as no dual problem
        bounds its minimum: the duality gap of the convex problem whose penalty is the
        tangent of the shape at ``coef_``. It is 0 where ``coef_`` is stationary, and F
        falls by no more in another round.

    References
    ----------
    Obozinski, Taskar, Jordan (2010), Joint covariate selection and joint subspace
    selection for multiple classification problems, eq. 3; the L1/Linf norm: Turlach,
    Venables, Wright (2005), Simultaneous variable selection, eq. 2; sparse groups:
    Simon, Friedman, Hastie, Tibshirani (2013), A sparse-group lasso, eq. 3; "log":
    Candes, Wakin, Boyd (2008), Enhancing sparsity by reweighted l1 minimization;
    "mcp": Breheny, Huang (2015), Group descent algorithms for nonconvex penalized
    linear and logistic regression models with grouped predictors.
    """

    alpha: float = 0.1
    _: KW_ONLY
    l1_ratio: float = 0.0
    norm: str = "l2"
    shape: str = "convex"
    gamma: float = 3.0

    _ratio: ClassVar = "l1_ratio"

    def _check_strengths(self):
        super()._check_strengths()
        check_real(self.l1_ratio, "l1_ratio", minimum=0.0)
        if self.l1_ratio > 1:
            raise ValueError(f"l1_ratio must be at most 1, got {self.l1_ratio!r}")
        check_choice(self.norm, "norm", list(NORMS))
        check_choice(self.shape, "shape", ["convex", *SHAPES])
        check_real(self.gamma, "gamma", minimum=0.0, strict=True)
        if self.shape != "convex" and (self.l1_ratio > 0 or self.norm != "l2"):
            raise ValueError(
                f"shape={self.shape!r} is for norms of whole rows, but l1_ratio="
                f"{self.l1_ratio!r} and norm={self.norm!r}: set l1_ratio=0 and "
                f"norm='l2', or shape='convex'"
            )

    def _ratio_limits(self, shape):
        return 0.0, 1.0

    def _penalty(self, read):
        if self.shape != "convex":
            return ConcaveL21(self.alpha, self.shape, self.gamma)
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
