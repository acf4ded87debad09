"""Low rank with single entries."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.two_parts import TwoBlocks
from mtlreg.penalties import L1, InfimalSum, TraceNorm


@dataclass(eq=False, repr=False)
class _SparseLowRank(TwoBlocks):
    """The penalty on A = ``coef_.T``, split into L + S, is::

        min over L + S = A of  alpha_low_rank ||L||_* + alpha_sparse ||S||_1

    ``alpha_sparse >= alpha_low_rank`` makes S zero, ``alpha_low_rank >= sqrt(d T)
    alpha_sparse`` makes L zero.

    Parameters
    ----------
    alpha_low_rank : float, default=0.15
        Strength of the low rank L, > 0.
    alpha_sparse : float, default=0.1
        Strength of the entries of S, > 0.

    Search parameters
    -----------------
    ratios : array-like of shape (n_ratios,), optional
        ``alpha_low_rank / alpha_sparse`` to choose from. By default three, evenly on a
        logarithmic scale, between 1 and ``sqrt(d T)``, where both parts are used.

    Attributes
    ----------
    rank_ : int
        Rank of ``shared_coef_``.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace that the tasks share, of ``shared_coef_``.

    References
    ----------
    Chen, Liu, Ye (2010), Learning incoherent sparse and low-rank patterns from multiple
    tasks, there with a bound on the trace norm in place of its strength.
    """

    alpha_low_rank: float = 0.15
    _: KW_ONLY
    alpha_sparse: float = 0.1

    _strengths: ClassVar = ("alpha_low_rank", "alpha_sparse")

    def _ends(self, shape):
        return 1.0, np.sqrt(np.prod(shape))

    def _penalty(self, read):
        return InfimalSum(TraceNorm(self.alpha_low_rank), L1(self.alpha_sparse))


@estimator
class SparseLowRankRegressor(_SparseLowRank, MultiTaskRegressor):
    """Tasks in a common subspace, but for single coefficients: low rank plus sparse.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import SparseLowRankRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="low_rank", rank=2, random_state=0)
    >>> y = data.y + np.where(data.tasks == 3, 20 * data.X[:, 0], 0)
    >>> model = SparseLowRankRegressor(2.0, alpha_sparse=1.0)
    >>> np.argwhere(model.fit(data.X, y, tasks=data.tasks).specific_coef_).tolist()
    [[3, 0]]
    """


@estimator
class SparseLowRankClassifier(_SparseLowRank, MultiTaskClassifier):
    """Binary tasks in a common subspace, but for single coefficients.

    Examples
    --------
    >>> from mtlreg import SparseLowRankClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="low_rank", random_state=0)
    >>> model = SparseLowRankClassifier(0.05, alpha_sparse=0.03)
    >>> model.fit(data.X, data.y, tasks=data.tasks).shared_coef_.shape
    (10, 20)
    """


@estimator
class SparseLowRankRegressorCV(RegressorCV):
    """`SparseLowRankRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import SparseLowRankRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="low_rank", random_state=0)
    >>> model = SparseLowRankRegressorCV(alphas=4, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 4, 5)
    """

    _model_class = SparseLowRankRegressor


@estimator
class SparseLowRankClassifierCV(ClassifierCV):
    """`SparseLowRankClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import SparseLowRankClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(
    ...     n_tasks=4, structure="low_rank", random_state=0
    ... )
    >>> model = SparseLowRankClassifierCV(alphas=3, eps=0.2, cv=3)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 3, 3)
    """

    _model_class = SparseLowRankClassifier
