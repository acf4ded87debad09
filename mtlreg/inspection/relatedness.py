"""Which fitted tasks are alike, in how many directions, and which stand apart."""

from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import squareform
from scipy.special import chdtrc
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators import MeanRegularizedRegressorCV
from mtlreg.sequences.mixed_model import TaskFactors


class TaskSimilarity(NamedTuple):
    """How alike the tasks are, and an order in which those that are alike are near.

    Attributes
    ----------
    tasks : ndarray of shape (n_tasks,)
        As ``tasks_``.
    similarity : ndarray of shape (n_tasks, n_tasks)
        1 on the diagonal; NaN beside a task whose similarity is not defined.
    order : ndarray of int, shape (n_tasks,)
        Positions of the tasks, those that have none at the end.
    linkage : ndarray
        Of the tasks that have one, as of `scipy.cluster.hierarchy.linkage`, by average
        distances ``1 - similarity``.
    """

    tasks: np.ndarray
    similarity: np.ndarray
    order: np.ndarray
    linkage: np.ndarray

    def to_frame(self):
        """Return a pandas data frame in the order of the clustering."""
        import pandas as pd

        labels = pd.Index(self.tasks[self.order], name="task")
        values = self.similarity[np.ix_(self.order, self.order)]
        return pd.DataFrame(values, labels, labels)


def task_similarity(estimator, metric="cosine"):
    """Return how alike the fitted coefficients of the tasks are.

    It compares estimates: two tasks with few rows look alike since the penalty has
    drawn them together, and noise makes tasks look different that are not. It says
    nothing of whether sharing helps: see `transfer_report`.

    Parameters
    ----------
    estimator : fitted estimator of mtlreg
    metric : {"cosine", "correlation", "support", "subspace"}
        "cosine" of the angle between two tasks' coefficients; "correlation" over the
        features, in which a shift of all coefficients does not count; "support": the
        share of the features used by either that both use (Jaccard's index), without
        signs and sizes; "subspace": the magnitude of the cosine, 1 for tasks on one
        line through 0, whatever the direction. None takes the units of features into
        account: standardise them.

    Returns
    -------
    TaskSimilarity

    Examples
    --------
    >>> from mtlreg import TraceNormRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.inspection import task_similarity
    >>> data = make_multitask_regression(n_tasks=4, structure="mean", random_state=0)
    >>> model = TraceNormRegressor().fit(data.X, data.y, tasks=data.tasks)
    >>> task_similarity(model).similarity.shape
    (4, 4)
    """
    check_is_fitted(estimator)
    if metric not in _METRICS:
        raise ValueError(f"metric must be one of {list(_METRICS)}, got {metric!r}")
    with np.errstate(divide="ignore", invalid="ignore"):
        similarity = _METRICS[metric](np.asarray(estimator.coef_, dtype=np.float64))
    known = np.isfinite(np.diag(similarity))
    similarity[known, known] = 1.0
    order, links = _clustered(similarity, known)
    return TaskSimilarity(estimator.tasks_, similarity, order, links)


def _cosine(coef):
    unit = coef / np.linalg.norm(coef, axis=1, keepdims=True)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def _correlation(coef):
    return _cosine(coef - coef.mean(axis=1, keepdims=True))


def _support(coef):
    used = (coef != 0).astype(float)
    both = used @ used.T
    size = used.sum(axis=1)
    return both / (size[:, None] + size - both)


_METRICS = {
    "cosine": _cosine,
    "correlation": _correlation,
    "support": _support,
    "subspace": lambda coef: np.abs(_cosine(coef)),
}


def _clustered(similarity, known):
    """Return an order of all tasks, and the links of those that are known."""
    places, rest = np.flatnonzero(known), np.flatnonzero(~known)
    if len(places) < 2:
        return np.concatenate([places, rest]), np.empty((0, 4))
    distance = 1.0 - similarity[np.ix_(places, places)]
    distance = squareform((distance + distance.T) / 2, checks=False)
    links = optimal_leaf_ordering(linkage(distance, "average"), distance)
    return np.concatenate([places[leaves_list(links)], rest]), links


def effective_rank(estimator, *, centred=False):
    """Return how many directions the coefficients of the tasks take.

    It is ``exp(-sum p log p)`` with p the singular values of the coefficients over
    their sum (Roy, Vetterli [1]_): 1 where all tasks lie on a line through 0, and the
    least of tasks and features where they take all directions alike. Noise adds
    directions: it is an upper bound of the rank, in a sense, and no test.

    Parameters
    ----------
    estimator : fitted estimator of mtlreg
    centred : bool, default=False
        Whether to take off the mean of the tasks first.

    Returns
    -------
    float
        0 where there are no coefficients but 0.

    References
    ----------
    .. [1] Roy, Vetterli (2007), The effective rank: a measure of effective
       dimensionality.
    """
    check_is_fitted(estimator)
    coef = np.asarray(estimator.coef_, dtype=np.float64)
    values = np.linalg.svd(coef - coef.mean(axis=0) if centred else coef)[1]
    shares = values[values > 0] / max(values.sum(), np.finfo(float).tiny)
    return float(np.exp(-np.sum(shares * np.log(shares)))) if len(shares) else 0.0


def between_task_share(estimator):
    """Return how much of each coefficient's mean square is between the tasks.

    It is ``sum_t (a_tj - m_j)^2 / sum_t a_tj^2`` with m_j the mean over the tasks: 0
    where a coefficient is the same in all of them, 1 where its mean is 0, NaN where it
    is 0. It is of the estimates, which a penalty draws together and noise drives apart;
    ``task_variance_`` of ``cv="reml"`` with ``per_feature`` takes off the noise.

    Parameters
    ----------
    estimator : fitted estimator of mtlreg

    Returns
    -------
    ndarray of shape (n_features,)
    """
    check_is_fitted(estimator)
    coef = np.asarray(estimator.coef_, dtype=np.float64)
    total = np.sum(coef**2, axis=0)
    apart = np.sum((coef - coef.mean(axis=0)) ** 2, axis=0)
    return np.divide(apart, total, out=np.full(len(total), np.nan), where=total > 0)


def outlier_scores(estimator):
    """Return how far each task stands apart from the median of the tasks.

    The distance of a task's coefficients to the median of all tasks, coefficient by
    coefficient, less the median of these distances, in units of 1.4826 times their
    median absolute deviation: above 3 a task stands apart as one in a thousand does
    where distances are normal. It is a description, no test: a task with few rows and
    free coefficients stands apart by its noise. Models with ``outlier_tasks_`` decide
    it in the fit.

    Parameters
    ----------
    estimator : fitted estimator of mtlreg

    Returns
    -------
    ndarray of shape (n_tasks,)
        All 0 where at least half of the tasks are equally far away.
    """
    check_is_fitted(estimator)
    coef = np.asarray(estimator.coef_, dtype=np.float64)
    distance = np.linalg.norm(coef - np.median(coef, axis=0), axis=1)
    apart = distance - np.median(distance)
    spread = 1.4826 * np.median(np.abs(apart))
    return apart / spread if spread > 0 else np.zeros(len(apart))


class PoolabilityTest(NamedTuple):
    """What `poolability_test` found.

    Attributes
    ----------
    statistic : float
        Twice the gain in restricted log-likelihood.
    p_value : float
    task_variance : float
        Of the slopes around their mean.
    """

    statistic: float
    p_value: float
    task_variance: float


def poolability_test(X, y, *, tasks=None, task_column=None, fit_intercept=True):
    """Test whether all tasks have the same slopes.

    The likelihood ratio of the mixed model of `MeanRegularizedRegressorCV` with
    ``cv="reml"``, one variance for the slopes and one for the intercepts, and of the
    same with a slope variance of 0. This 0 is at the boundary: under it the statistic
    is 0 with probability 1/2, and chi2 of one degree of freedom else (Self, Liang
    [1]_; Stram, Lee [2]_), for many tasks, so that the p-value is half of the usual
    one; with few tasks 0 is more likely, and it is too large. It tests slopes in the
    units of X: standardise features that have different ones. A large p-value does not
    show that pooling is best, only that these rows do not speak against it.

    Parameters
    ----------
    X, y, tasks, task_column, fit_intercept
        As of `MeanRegularizedRegressorCV`.

    Returns
    -------
    PoolabilityTest

    References
    ----------
    .. [1] Self, Liang (1987), Asymptotic properties of maximum likelihood estimators
       and likelihood ratio tests under nonstandard conditions, case 5.
    .. [2] Stram, Lee (1994), Variance components testing in the longitudinal mixed
       effects model.
    """
    options = {"task_column": task_column, "fit_intercept": fit_intercept}
    model = MeanRegularizedRegressorCV(
        cv="reml", task_weight="proportional", **options
    ).fit(X, y, tasks=tasks)
    read = clone(model)._read(X, y, None, tasks)
    mean = float(np.average(read.data.y, weights=read.data.weight))
    factors = TaskFactors.of_data(
        read.data, bool(fit_intercept), mean if fit_intercept else 0.0
    )
    n_columns = len(factors.units)

    def criterion(log_ratio):
        ratios = np.zeros(n_columns)
        ratios[0] = np.exp(log_ratio) / factors.units[0]
        return factors.at(ratios).criterion

    pooled = factors.at(np.zeros(n_columns)).log_likelihood
    if fit_intercept:
        best = minimize_scalar(criterion, bounds=(-20.0, 20.0), method="bounded")
        ratios = np.zeros(n_columns)
        ratios[0] = np.exp(best.x) / factors.units[0]
        pooled = max(pooled, factors.at(ratios).log_likelihood)
    statistic = max(2.0 * (model.log_likelihood_ - pooled), 0.0)
    p = 0.5 * chdtrc(1, statistic) if statistic > 0 else 1.0
    return PoolabilityTest(statistic, float(p), float(model.task_variance_))
