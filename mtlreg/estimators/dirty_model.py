"""The dirty model."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from mtlreg.estimators._checks import check_choice
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.two_parts import TwoParts
from mtlreg.penalties import Dirty
from mtlreg.penalties.sparse_group import NORMS


@dataclass(eq=False, repr=False)
class _DirtyModel(TwoParts):
    """The penalty on A = ``coef_.T``, split into B + S, is::

        min over B + S = A of  alpha_shared sum_j ||B_j||_q + alpha_specific ||S||_1

    with q = inf or 2. Three regimes: ``alpha_specific > alpha_shared`` makes S zero,
    ``alpha_shared > T alpha_specific`` (q = 2: ``sqrt(T) alpha_specific``) makes B
    zero, and in between both are used.

    Parameters
    ----------
    alpha_shared : float, default=0.14
        Strength of the shared block B, > 0.
    alpha_specific : float, default=0.1
        Strength of the block S of single entries, > 0.
    norm : {"linf", "l2"}, default="linf"
        Norm q of a row of B.

    Search parameters
    -----------------
    ratios : array-like of shape (n_ratios,), optional
        ``alpha_shared / alpha_specific`` to choose from. By default three, evenly on a
        logarithmic scale, between 1 and T (``norm="l2"``: the root of T), where both
        blocks are used.

    Attributes
    ----------
    shared_coef_, specific_coef_ : ndarrays of shape (n_tasks, n_features)
        B and S, transposed: ``coef_`` is their sum. Of all optimal splits the one that
        clips every row of A at the lowest level.

    References
    ----------
    Jalali, Ravikumar, Sanghavi, Ruan (2010), A dirty model for multi-task learning,
    eq. 1, there with the squared loss.
    """

    alpha_shared: float = 0.14
    alpha_specific: float = 0.1
    _: KW_ONLY
    norm: str = "linf"

    _strengths: ClassVar = ("alpha_shared", "alpha_specific")

    def _check_strengths(self):
        super()._check_strengths()
        check_choice(self.norm, "norm", list(NORMS))

    def _ends(self, shape):
        n_tasks = shape[1]
        return 1.0, n_tasks if self.norm == "linf" else np.sqrt(n_tasks)

    def _penalty(self, read):
        return Dirty(self.alpha_shared, self.alpha_specific, self.norm)


@estimator
class DirtyModelRegressor(_DirtyModel, MultiTaskRegressor):
    """Features shared by all tasks plus features of single tasks: a dirty model.

    Examples
    --------
    >>> from mtlreg import DirtyModelRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     n_tasks=5, structure="dirty", random_state=0
    ... )
    >>> model = DirtyModelRegressor(alpha_shared=0.7, alpha_specific=0.5)
    >>> model.fit(data.X, data.y, tasks=data.tasks).shared_coef_.shape
    (5, 20)
    """


@estimator
class DirtyModelClassifier(_DirtyModel, MultiTaskClassifier):
    """Binary tasks with shared features plus features of single tasks: a dirty model.

    Examples
    --------
    >>> from mtlreg import DirtyModelClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(
    ...     n_tasks=5, structure="dirty", random_state=0
    ... )
    >>> model = DirtyModelClassifier(alpha_shared=0.03, alpha_specific=0.02)
    >>> model.fit(data.X, data.y, tasks=data.tasks).specific_coef_.shape
    (5, 20)
    """


@estimator
class DirtyModelRegressorCV(RegressorCV):
    """`DirtyModelRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import DirtyModelRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="dirty", random_state=0)
    >>> model = DirtyModelRegressorCV(alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 10, 5)
    """

    _model_class = DirtyModelRegressor


@estimator
class DirtyModelClassifierCV(ClassifierCV):
    """`DirtyModelClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import DirtyModelClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="dirty", random_state=0)
    >>> model = DirtyModelClassifierCV(alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 10, 5)
    """

    _model_class = DirtyModelClassifier
