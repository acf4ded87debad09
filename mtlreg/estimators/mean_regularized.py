"""Mean regularisation."""

import dataclasses
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from mtlreg.estimators._checks import check_real
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.inputs.frames import listed
from mtlreg.penalties import MeanRegularization
from mtlreg.sequences.leave_one_out import LeaveOneOut


@dataclass(eq=False, repr=False)
class _MeanRegularized(Stem):
    """The penalty, with m the mean of the a_t, is::

        alpha/2 sum_t ||a_t - m||^2 + alpha_mean/2 T ||m||^2
            + alpha_intercept/2 sum_t (b_t - mean(b))^2

    Equal strengths are an independent ridge for every task; with ``alpha=np.inf`` all
    tasks have the same slopes, but each its own intercept.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the deviations from the mean, > 0; ``np.inf``: there are none.
    alpha_mean : float, default=0.001
        Strength of the mean, >= 0; 0 leaves it free: where the data do not determine
        it, it is the one of minimum norm. The classes of a classifier must then
        overlap: on separable data there is no optimum, and the fit ends in a
        `ConvergenceWarning`.
    alpha_intercept : float, default=0.0
        Strength of the deviations of the intercepts from their mean, which is free; 0:
        every task has an intercept of its own, as free; ``np.inf``: there is one for
        all. An intercept is a prediction at ``x = 0``: let that be a point in the midst
        of the data.

    Search parameters
    -----------------
    ratios : array-like of shape (n_ratios,), default=(0.01, 0.1, 1.0)
        ``alpha_mean / alpha`` to choose from; 1 is an independent ridge for every task.

    Attributes
    ----------
    mean_coef_ : ndarray of shape (n_features,)
        Mean of ``coef_`` over the tasks.

    References
    ----------
    Evgeniou, Pontil (2004), Regularized multi-task learning, eq. 6 (lemma 2.2), there
    with the hinge loss.
    """

    alpha: float = 0.1
    _: KW_ONLY
    alpha_mean: float = 0.001
    alpha_intercept: float = 0.0

    _strengths: ClassVar = ("alpha", "alpha_mean", "alpha_intercept")
    _ratio: ClassVar = "ratios"
    _default_ratios: ClassVar = (0.01, 0.1, 1.0)

    def _check_strengths(self):
        check_real(self.alpha, "alpha", minimum=0.0, strict=True, infinite=True)
        check_real(self.alpha_mean, "alpha_mean", minimum=0.0)
        check_real(self.alpha_intercept, "alpha_intercept", minimum=0.0, infinite=True)
        if self.alpha_intercept > 0 and not self.fit_intercept:
            raise ValueError(
                f"alpha_intercept={self.alpha_intercept!r} shrinks intercepts, but "
                f"there are none: set fit_intercept=True or alpha_intercept=0"
            )

    def _shrinks_intercepts(self):
        return bool(self.alpha_intercept > 0)

    def _leading(self):
        if self.alpha == np.inf:
            raise ValueError("there is no path from alpha=inf; give a finite alpha")
        return super()._leading()

    def _at_ratio(self, ratio):
        return {"alpha_mean": self.alpha * ratio}

    def _ratio_limits(self, n_tasks):
        # the mean as good as free, and every task on its own
        return 0.01, 1.0

    def _penalty(self, read):
        if not self._shrinks_intercepts():
            return MeanRegularization(self.alpha, self.alpha_mean)
        d = len(read.feature_names)
        return MeanRegularization(
            np.append(np.full(d, self.alpha), self.alpha_intercept),
            np.append(np.full(d, self.alpha_mean), 0.0),
        )

    def _whole_penalty(self, read):
        penalty = super()._whole_penalty(read)
        if self.ridge and self._shrinks_intercepts():
            # which is of the slopes alone
            ridge = np.append(np.full(len(read.feature_names), self.ridge), 0.0)
            penalty = dataclasses.replace(penalty, ridge=ridge)
        return penalty


@estimator
class MeanRegularizedRegressor(_MeanRegularized, MultiTaskRegressor):
    """Ridge regression of every task towards the mean of the tasks.

    Examples
    --------
    >>> from mtlreg import MeanRegularizedRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     n_tasks=5, structure="mean", random_state=0
    ... )
    >>> model = MeanRegularizedRegressor(alpha=1.0)
    >>> model.fit(data.X, data.y, tasks=data.tasks).mean_coef_.shape
    (20,)
    """


@estimator
class MeanRegularizedClassifier(_MeanRegularized, MultiTaskClassifier):
    """Logistic regression of every task towards the mean of the tasks.

    Examples
    --------
    >>> from mtlreg import MeanRegularizedClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(
    ...     n_tasks=5, structure="mean", random_state=0
    ... )
    >>> model = MeanRegularizedClassifier(alpha=0.5)
    >>> model.fit(data.X, data.y, tasks=data.tasks).mean_coef_.shape
    (20,)
    """


@estimator
class MeanRegularizedRegressorCV(RegressorCV):
    """`MeanRegularizedRegressor` with strengths by cross-validation.

    With ``cv="loo"`` by exact leave-one-out, for little more than a fit for each
    strength and task; ``score_path_`` then has a fold for each row of positive weight,
    ``task_score_path_`` the weighted mean over the rows of a task as its only fold, and
    the strengths with the best ``mean_test_score`` are chosen, the score of all rows
    together: the mean over the tasks of those by task, in which each counts c_t.

    Examples
    --------
    >>> from mtlreg import MeanRegularizedRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="mean", random_state=0)
    >>> model = MeanRegularizedRegressorCV(alphas=10)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 10, 5)
    """

    _model_class = MeanRegularizedRegressor
    _named_cv = ("loo",)

    def _plan(self, given, read):
        if not isinstance(self.cv, str):
            return super()._plan(given, read)
        if self.scoring is not None:
            raise ValueError(
                f"cv='loo' scores by the squared error, but scoring={self.scoring!r}; "
                f"leave it out, or use cv=sklearn.model_selection.LeaveOneOut()"
            )
        return None

    def _jobs(self, plan, whole, models, factors):
        if plan is not None:
            return super()._jobs(plan, whole, models, factors)
        return [partial(_leave_one_out_scores, whole, models, factors)]


@estimator
class MeanRegularizedClassifierCV(ClassifierCV):
    """`MeanRegularizedClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import MeanRegularizedClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="mean", random_state=0)
    >>> model = MeanRegularizedClassifierCV(alphas=10)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 10, 5)
    """

    _model_class = MeanRegularizedClassifier


def _leave_one_out_scores(whole, models, factors):
    """Return what a job of `CrossValidatedModel` does, for folds of one row each.

    The scores of the tasks are means over their rows, shape (n_ratios, n_alphas, 1,
    n_tasks); that of all folds is the score of all rows as one test part.
    """
    read = whole.read
    data, n_rows = read.data, len(read.data.y)
    _check_rows_to_leave(read)
    weighting = whole.model.task_weight
    proportional = isinstance(weighting, str) and weighting == "proportional"
    left_out = LeaveOneOut(whole.problem, data, proportional)
    scores = np.empty((*factors.shape, n_rows))
    task_scores = np.empty((*factors.shape, 1, len(read.tasks)))
    totals, c = data.cells.sum(data.weight), whole.problem.design.task_weights
    in_row = data.weight
    if not proportional:
        in_row = (data.weight > 0) * data.cells.spread(c)
    in_row = in_row.reshape(n_rows, -1)
    shares = whole.problem.term.v.reshape(n_rows, -1).sum(axis=1)
    order = np.argsort(read.rows)
    for ratio, model in enumerate(models):
        penalty = model._whole_penalty(read)
        for index, factor in enumerate(factors[ratio]):
            errors = left_out.residuals(penalty.scaled(factor)) ** 2
            sums = data.cells.sum(data.weight * errors)
            task_scores[ratio, index, 0] = -sums / totals
            of_rows = np.average(errors.reshape(in_row.shape), axis=1, weights=in_row)
            scores[ratio, index] = -of_rows[order]
    means = np.average(task_scores[:, :, 0], axis=2, weights=c)
    return means, scores, task_scores, shares[order], 0


def _check_rows_to_leave(read):
    """Raise ValueError if a task would be left without rows."""
    cells = read.data.cells
    alone = cells.max(read.data.weight) >= cells.sum(read.data.weight)
    if alone.any():
        raise ValueError(
            f"task(s) {listed(read.tasks[alone])} have one row, which cv='loo' cannot "
            f"leave out; use folds, such as cv=5, or leave these tasks out"
        )
