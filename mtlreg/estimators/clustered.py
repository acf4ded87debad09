"""Clustered tasks."""

from dataclasses import KW_ONLY, dataclass

from mtlreg.estimators._checks import check_count, check_real
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.penalties import SquaredClusterNorm


@dataclass(eq=False, repr=False)
class _Clustered(Stem):
    """The penalty on A = ``coef_.T`` relaxes what k-means of the tasks makes of A::

        alpha/2 eta (1 + eta) min_M trace(A (eta I + M)^-1 A'),

    over all ``0 <= M <= I`` with trace(M) = ``n_clusters``. Where M is that of clusters
    it is ``alpha (1 + eta) / 2`` times the squared distances from their means and
    ``alpha eta / 2`` times those means; a cluster for each task leaves an independent
    ridge of the strength ``alpha eta``.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0. There is no largest one: coefficients become
        small, and not 0.
    n_clusters : int, optional
        Number of clusters, from 1 to the number of tasks; by default the square root of
        this number, rounded. A single task is one cluster, whatever it is.
    eta : float, default=0.1
        Of both parts: > 0, and the smaller, the less the means of clusters cost.

    Attributes
    ----------
    task_clusters_ : ndarray of int, shape (n_tasks,)
        The cluster of each task, numbered in the order of ``tasks_``: that of the
        nearest of the tasks that are most unlike in the leading eigenvectors of M. Some
        may be empty; all are 0 where the coefficients are.
    task_covariance_ : ndarray of shape (n_tasks, n_tasks)
        The optimal ``eta I + M``, of the trace ``n_tasks eta + n_clusters``.

    References
    ----------
    Zhou, Chen, Ye (2011), Clustered multi-task learning via alternating structure
    optimization, section 3.
    """

    alpha: float = 0.1
    _: KW_ONLY
    n_clusters: int | None = None
    eta: float = 0.1

    def _check_strengths(self):
        super()._check_strengths()
        check_real(self.eta, "eta", minimum=0.0, strict=True)
        if self.n_clusters is not None:
            check_count(self.n_clusters, "n_clusters")

    def _penalty(self, read):
        k = self.n_clusters
        # scikit-learn's checks set 2 where there is one task
        if k is not None and k > len(read.tasks) > 1:
            raise ValueError(
                f"n_clusters={k} is more than the {len(read.tasks)} tasks "
                f"{read.tasks[:10].tolist()}: give at most one cluster for each"
            )
        return SquaredClusterNorm(self.alpha, self.n_clusters, self.eta)


@estimator
class ClusteredRegressor(_Clustered, MultiTaskRegressor):
    """Ridge regressions in clusters of tasks, which are learned.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import ClusteredRegressor
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> Y = X @ np.array([[3, 1, 0], [0, 0, -4], [3, 1, 0], [0, 0, -4]]).T
    >>> ClusteredRegressor(n_clusters=2).fit(X, Y).task_clusters_
    array([0, 1, 0, 1])
    """


@estimator
class ClusteredClassifier(_Clustered, MultiTaskClassifier):
    """Logistic regressions in clusters of tasks, which are learned.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import ClusteredClassifier
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> Y = X @ np.array([[3, 1, 0], [0, 0, -4], [3, 1, 0], [0, 0, -4]]).T > 0
    >>> ClusteredClassifier(n_clusters=2).fit(X, Y).task_clusters_
    array([0, 1, 0, 1])
    """


@estimator
class ClusteredRegressorCV(RegressorCV):
    """`ClusteredRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import ClusteredRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=5, random_state=0)
    >>> model = ClusteredRegressorCV(n_clusters=2, alphas=[0.01, 0.1, 1.0])
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 3, 5)
    """

    _model_class = ClusteredRegressor


@estimator
class ClusteredClassifierCV(ClassifierCV):
    """`ClusteredClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import ClusteredClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, random_state=0)
    >>> model = ClusteredClassifierCV(n_clusters=2, alphas=[0.001, 0.01, 0.1])
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 3, 5)
    """

    _model_class = ClusteredClassifier
