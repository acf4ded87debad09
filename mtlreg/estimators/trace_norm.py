"""Trace-norm regularisation."""

from typing import ClassVar

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.extmath import svd_flip
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators._checks import check_real
from mtlreg.estimators._docs import document
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import CrossValidatedModel
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.inputs.read import read_features
from mtlreg.penalties import TraceNorm


class _Subspace(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The subspace that the tasks share, as new features."""

    def transform(self, X):
        """Return the features of the subspace that the tasks share.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, rank)
            X without the task column, times ``components_.T``.
        """
        check_is_fitted(self)
        return read_features(self, X) @ self.components_.T

    @property
    def _n_features_out(self):
        return self.rank_


class _TraceNorm(_Subspace):
    """The parameters of the trace norm."""

    _strengths: ClassVar[tuple[str, ...]] = ("alpha",)

    def __init__(
        self,
        alpha=0.1,
        *,
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

    def _at_ratio(self, ratio):
        raise ValueError("ratios must be None: the trace norm has one strength")

    def _penalty(self):
        return TraceNorm(self.alpha)

    def _penalty_attributes(self, A):
        U, sigma, Vt = np.linalg.svd(A.T.astype(np.float64), full_matrices=False)
        rounding = max(A.shape) * np.finfo(A.dtype).eps
        rank = int(np.sum(sigma > rounding * np.max(sigma, initial=0.0)))
        _, components = svd_flip(U, Vt, u_based_decision=False)
        return {
            "rank_": rank,
            "components_": np.ascontiguousarray(components[:rank], dtype=A.dtype),
        }


@document
class TraceNormRegressor(_TraceNorm, MultiTaskRegressor):
    """Tasks in a common subspace: a low-rank task matrix by the trace norm.

    %(rows)s
    %(squared)s
    The penalty on A = ``coef_.T`` is the sum of its singular values::

        alpha ||A||_*

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0; see `mtlreg.alpha_max` for its scale.
    %(parameters)s

    Attributes
    ----------
    %(attributes)s
    rank_ : int
        Rank of ``coef_``.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace of the tasks, the right singular vectors of
        ``coef_``; the largest entry of each is positive.

    References
    ----------
    Argyriou, Evgeniou, Pontil (2008), Convex multi-task feature learning, section 4;
    Pong, Tseng, Ji, Ye (2010), Trace norm regularization: reformulations, algorithms,
    and multi-task learning, eq. 2.

    Examples
    --------
    >>> from mtlreg import TraceNormRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     n_tasks=8, structure="low_rank", rank=2, noise=0.1, random_state=0
    ... )
    >>> model = TraceNormRegressor(alpha=0.5).fit(data.X, data.y, tasks=data.tasks)
    >>> model.rank_, model.transform(data.X).shape
    (2, (400, 2))
    """


@document
class TraceNormClassifier(_TraceNorm, MultiTaskClassifier):
    """Binary tasks in a common subspace: a low-rank task matrix by the trace norm.

    %(rows)s
    %(logistic)s
    The penalty on A = ``coef_.T`` is the sum of its singular values::

        alpha ||A||_*

    %(one_class)s

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0; see `mtlreg.alpha_max` for its scale.
    %(parameters)s

    Attributes
    ----------
    %(attributes)s
    %(classes)s
    rank_ : int
        Rank of ``coef_``.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace of the tasks, the right singular vectors of
        ``coef_``; the largest entry of each is positive.

    References
    ----------
    Amit, Fink, Srebro, Ullman (2007), Uncovering shared structures in multiclass
    classification, eq. 4.

    Examples
    --------
    >>> from mtlreg import TraceNormClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(
    ...     n_tasks=8, structure="low_rank", rank=2, random_state=0
    ... )
    >>> model = TraceNormClassifier(alpha=0.1).fit(data.X, data.y, tasks=data.tasks)
    >>> model.components_.shape == (model.rank_, 20)
    True
    """


class _TraceNormCV(_Subspace, CrossValidatedModel):
    """The parameters of the trace norm with cross-validation."""

    def __init__(
        self,
        *,
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
        return [None]


@document
class TraceNormRegressorCV(_TraceNormCV, MultiTaskRegressor):
    """`TraceNormRegressor` with strengths by cross-validation.

    %(rows)s
    %(squared)s
    The penalty on A = ``coef_.T`` is the sum of its singular values::

        alpha ||A||_*

    %(search)s

    Parameters
    ----------
    %(cv_parameters)s
    %(cv_model_parameters)s

    Attributes
    ----------
    %(attributes)s
    %(cv_attributes)s
    %(mse)s
    alpha_ : float
        The strength that was chosen.
    rank_ : int
        Rank of ``coef_``.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace of the tasks.

    References
    ----------
    Pong, Tseng, Ji, Ye (2010), Trace norm regularization: reformulations, algorithms,
    and multi-task learning, eq. 2.

    Examples
    --------
    >>> from mtlreg import TraceNormRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="low_rank", random_state=0)
    >>> model = TraceNormRegressorCV(alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 10, 5)
    """

    _model_class = TraceNormRegressor


@document
class TraceNormClassifierCV(_TraceNormCV, MultiTaskClassifier):
    """`TraceNormClassifier` with strengths by cross-validation.

    %(rows)s
    %(logistic)s
    The penalty on A = ``coef_.T`` is the sum of its singular values::

        alpha ||A||_*

    %(search)s

    %(one_class)s

    Parameters
    ----------
    %(cv_parameters)s
    %(cv_model_parameters)s

    Attributes
    ----------
    %(attributes)s
    %(classes)s
    %(cv_attributes)s
    alpha_ : float
        The strength that was chosen.
    rank_ : int
        Rank of ``coef_``.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace of the tasks.

    References
    ----------
    Pong, Tseng, Ji, Ye (2010), Trace norm regularization: reformulations, algorithms,
    and multi-task learning, eq. 2.

    Examples
    --------
    >>> from mtlreg import TraceNormClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="low_rank", random_state=0)
    >>> model = TraceNormClassifierCV(alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 10, 5)
    """

    _model_class = TraceNormClassifier
