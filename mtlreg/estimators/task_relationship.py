"""Task relationship learning."""

from dataclasses import dataclass

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.penalties import SquaredTraceNorm


@dataclass(eq=False, repr=False)
class _TaskRelationship(Stem):
    """The penalty on A = ``coef_.T`` learns a covariance Omega of the tasks::

        alpha/2 min_Omega trace(A Omega^-1 A') = alpha/2 ||A||_*^2,

    over all Omega >= 0 with trace(Omega) = 1; ``||A||_*`` is the sum of the singular
    values. A ``ridge`` is the second term of the source.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0. There is no largest one: coefficients become
        small, and not 0.

    Attributes
    ----------
    task_covariance_ : ndarray of shape (n_tasks, n_tasks)
        The optimal Omega, ``(A'A)^(1/2) / ||A||_*``; the unit matrix over n_tasks where
        all coefficients are 0.
    task_correlation_ : ndarray of shape (n_tasks, n_tasks)
        The same in units of the deviations of the tasks: negative for tasks whose
        coefficients have opposite signs.

    References
    ----------
    Zhang, Yeung (2010), A convex formulation for learning task relationships in
    multi-task learning.
    """

    alpha: float = 0.1

    def _penalty(self, read):
        return SquaredTraceNorm(self.alpha)


@estimator
class TaskRelationshipRegressor(_TaskRelationship, MultiTaskRegressor):
    """Which tasks are like which is learned: a covariance of the tasks.

    Examples
    --------
    >>> from mtlreg import TaskRelationshipRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     n_tasks=5, structure="mean", random_state=0
    ... )
    >>> model = TaskRelationshipRegressor(alpha=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).task_correlation_.shape
    (5, 5)
    """


@estimator
class TaskRelationshipClassifier(_TaskRelationship, MultiTaskClassifier):
    """Logistic regressions, and which tasks are like which: a covariance is learned.

    Examples
    --------
    >>> from mtlreg import TaskRelationshipClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(
    ...     n_tasks=5, structure="mean", random_state=0
    ... )
    >>> model = TaskRelationshipClassifier(alpha=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).task_covariance_.shape
    (5, 5)
    """


@estimator
class TaskRelationshipRegressorCV(RegressorCV):
    """`TaskRelationshipRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import TaskRelationshipRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=5, random_state=0)
    >>> model = TaskRelationshipRegressorCV(alphas=[0.01, 0.1, 1.0])
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 3, 5)
    """

    _model_class = TaskRelationshipRegressor


@estimator
class TaskRelationshipClassifierCV(ClassifierCV):
    """`TaskRelationshipClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import TaskRelationshipClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, random_state=0)
    >>> model = TaskRelationshipClassifierCV(alphas=[0.001, 0.01, 0.1])
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 3, 5)
    """

    _model_class = TaskRelationshipClassifier
