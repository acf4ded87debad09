"""Trace-norm regularisation."""

from dataclasses import dataclass

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.inputs.read import read_features
from mtlreg.penalties import TraceNorm


class Subspace(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """What all have whose ``components_`` are a subspace: these as new features."""

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


@dataclass(eq=False, repr=False)
class _TraceNorm(Subspace, Stem):
    """The penalty on A = ``coef_.T`` is the sum of its singular values::

        alpha ||A||_*

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0; see `mtlreg.alpha_max` for its scale.

    Attributes
    ----------
    rank_ : int
        Rank of ``coef_``.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace of the tasks, the right singular vectors of
        ``coef_``; the largest entry of each is positive.

    References
    ----------
    Argyriou, Evgeniou, Pontil (2008), Convex multi-task feature learning, section 4;
    Pong, Tseng, Ji, Ye (2010), Trace norm regularization: reformulations, algorithms,
    and multi-task learning, eq. 2; for classification: Amit, Fink, Srebro, Ullman
    (2007), Uncovering shared structures in multiclass classification, eq. 4.
    """

    alpha: float = 0.1

    def _penalty(self, read):
        return TraceNorm(self.alpha)


@estimator
class TraceNormRegressor(_TraceNorm, MultiTaskRegressor):
    """Tasks in a common subspace: a low-rank task matrix by the trace norm.

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


@estimator
class TraceNormClassifier(_TraceNorm, MultiTaskClassifier):
    """Binary tasks in a common subspace: a low-rank task matrix by the trace norm.

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


@estimator
class TraceNormRegressorCV(Subspace, RegressorCV):
    """`TraceNormRegressor` with strengths by cross-validation.

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


@estimator
class TraceNormClassifierCV(Subspace, ClassifierCV):
    """`TraceNormClassifier` with strengths by cross-validation.

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
