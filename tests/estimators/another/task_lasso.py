"""Independent lassos."""

from dataclasses import dataclass

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.penalties import L1


@dataclass(eq=False, repr=False)
class _TaskLasso(Stem):
    """The penalty on A = ``coef_.T`` is::

        alpha sum_jt |A_jt|

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_features,)
        Whether some task uses the feature.

    References
    ----------
    Tibshirani (1996), Regression shrinkage and selection via the lasso, eq. 1.
    """

    alpha: float = 0.1

    def _penalty(self, read):
        return L1(self.alpha)


@estimator
class TaskLassoRegressor(_TaskLasso, MultiTaskRegressor):
    """A lasso for every task, on their own.

    Examples
    --------
    >>> model = TaskLassoRegressor(0.5)
    """


@estimator
class TaskLassoClassifier(_TaskLasso, MultiTaskClassifier):
    """A logistic lasso for every task, on their own.

    Examples
    --------
    >>> model = TaskLassoClassifier(0.5)
    """


@estimator
class TaskLassoRegressorCV(RegressorCV):
    """`TaskLassoRegressor` with its strength by cross-validation.

    Examples
    --------
    >>> model = TaskLassoRegressorCV(alphas=10)
    """

    _model_class = TaskLassoRegressor


@estimator
class TaskLassoClassifierCV(ClassifierCV):
    """`TaskLassoClassifier` with its strength by cross-validation.

    Examples
    --------
    >>> model = TaskLassoClassifierCV(alphas=10)
    """

    _model_class = TaskLassoClassifier
