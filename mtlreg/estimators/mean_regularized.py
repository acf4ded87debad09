"""Mean regularisation."""

import functools
import operator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from mtlreg.estimators._checks import check_flag, check_real, check_strength
from mtlreg.estimators._fit import Fit
from mtlreg.estimators._uncertainty import WithUncertainty
from mtlreg.estimators._updates import WithUpdates
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.strengths import check_ratios
from mtlreg.inputs.frames import listed
from mtlreg.penalties import MeanRegularization
from mtlreg.sequences.leave_one_out import LeaveOneOut
from mtlreg.sequences.mixed_model import TaskFactors, restricted_maximum
from mtlreg.statistics import TaskStatistics


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
    ratios : array-like of shape (n_ratios,), default=(0.001, 0.01, 0.1, 1.0)
        ``alpha_mean / alpha`` to choose from; 1 is an independent ridge for every task,
        and a small one leaves the mean free also where alpha is so large that there are
        hardly any deviations.

    Attributes
    ----------
    mean_coef_ : ndarray of shape (n_features,)
        Mean of ``coef_`` over the tasks of the fit.

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
    _default_ratios: ClassVar = (0.001, 0.01, 0.1, 1.0)

    def _check_strengths(self):
        check_strength(self.alpha, "alpha", infinite=True)
        check_real(self.alpha_mean, "alpha_mean", minimum=0.0)
        check_real(self.alpha_intercept, "alpha_intercept", minimum=0.0, infinite=True)
        if self.alpha_intercept > 0 and not self.fit_intercept:
            raise ValueError(
                f"alpha_intercept={self.alpha_intercept!r} shrinks intercepts, but "
                f"there are none: set fit_intercept=True or alpha_intercept=0"
            )

    def _shrinks_intercepts(self):
        return bool(self.alpha_intercept > 0)

    def _units(self, read, penalty=None):
        with np.errstate(all="ignore"):
            ratio = np.divide(self.alpha_intercept, self.alpha)
        if not 0 < ratio < np.inf:
            return None
        # so that one strength is that of slopes and of intercepts
        return np.append(np.ones(len(read.feature_names)), np.sqrt(ratio))

    def _leading(self):
        if self.alpha == np.inf:
            raise ValueError("there is no path from alpha=inf; give a finite alpha")
        return super()._leading()

    def _at_ratio(self, ratio):
        return {"alpha_mean": self.alpha * ratio}

    def _ratio_limits(self, shape):
        # the mean as good as free, and every task on its own
        return 0.001, 1.0

    def _penalty(self, read):
        if not self._shrinks_intercepts():
            return MeanRegularization(self.alpha, self.alpha_mean)
        d = len(read.feature_names)
        alpha = self.alpha
        if self._units(read) is None:
            alpha = np.append(np.full(d, alpha), self.alpha_intercept)
        return MeanRegularization(alpha, np.append(np.full(d, self.alpha_mean), 0.0))

    def _penalty_options(self, penalty, read):
        options = super()._penalty_options(penalty, read)
        if self._shrinks_intercepts():
            # which are of the slopes alone
            d = len(read.feature_names)
            none = {"ridge": 0.0, "feature_weight": 1.0, "positive": False}
            for name, off in none.items():
                if (value := options[name]) is not None:
                    options[name] = np.append(np.broadcast_to(value, d), off)
        return options


@estimator
class MeanRegularizedRegressor(
    _MeanRegularized, WithUncertainty, WithUpdates, MultiTaskRegressor
):
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


class _SearchOfIntercepts:
    """What the searches share: ratios of the strengths of intercepts.

    Parameters
    ----------
    intercept_ratios : array-like of shape (n,), default=(0.0, 0.1)
        ``alpha_intercept / alpha`` to choose from; 0 has free intercepts. "Ratios" in
        the shapes of the attributes are pairs with one of ``ratios``: all of them with
        the first of these, then with the second.

    Attributes
    ----------
    intercept_ratio_ : float
        The one of ``intercept_ratios`` that was chosen.
    """

    def _models(self, shape):
        models = super()._models(shape)
        ratios = check_ratios(self.intercept_ratios, "intercept_ratios")
        if shape[1] == 1 or not self.fit_intercept:
            # no intercept has another to differ from
            return models
        return [
            clone(model).set_params(alpha_intercept=float(ratio))
            for ratio in ratios
            for model in models
        ]

    def _of_centred_rows(self, model):
        return clone(model).set_params(alpha_intercept=0.0)

    def _record(self, grid, scores):
        chosen = super()._record(grid, scores)
        self.intercept_ratio_ = chosen.alpha_intercept / chosen.alpha
        return chosen


@estimator
class MeanRegularizedRegressorCV(
    _SearchOfIntercepts, WithUncertainty, WithUpdates, RegressorCV
):
    """`MeanRegularizedRegressor` with strengths by cross-validation.

    With ``cv="loo"`` by exact leave-one-out, for little more than a fit for each
    strength and task; ``score_path_`` then has a fold for each row of positive weight,
    ``task_score_path_`` the weighted mean over the rows of a task as its only fold, and
    the strengths with the best ``mean_test_score`` are chosen, the score of all rows
    together: the mean over the tasks of those by task, in which each counts c_t.

    With ``cv="reml"`` without cross-validation, by restricted maximum likelihood of the
    mixed model ``y_ti = x_ti . (m + u_t) + b + v_t + e_ti`` with independent normal
    deviations u_t and v_t of variances ``task_variance_`` and ``intercept_variance_``
    and noise e_ti of variance ``noise_variance_ / w_ti``: the minimiser of F is its
    best linear unbiased prediction where a strength is ``T / sum w`` times the variance
    of the noise over that of the deviation. The mean is free, ``alpha_mean_ = 0``, and
    the intercepts are shrunken; a strength is inf where the variance is 0, and
    ``alpha_`` is an array with ``per_feature``. It needs
    ``task_weight="proportional"``, has no grid and no scores, and sets the attributes
    named "reml" in the place of those of a search.

    Parameters
    ----------
    per_feature : bool, default=False
        With ``cv="reml"``, whether the deviations of every feature have a variance of
        their own; else they share one, for features in comparable units.
    cv : "loo", "reml", int, cross-validation generator or iterable, optional
        By default 5 folds, and with an int as many, of
        `mtlreg.model_selection.TaskKFold` with ``random_state=0``.

    Attributes
    ----------
    noise_variance_ : float
        Of a row of weight 1 ("reml").
    task_variance_ : float or ndarray of shape (n_features,)
        Of the slopes around their mean, ``per_feature``: of each ("reml").
    intercept_variance_ : float
        Of the intercepts around their mean ("reml").
    singular_ : bool
        Whether a variance is 0 ("reml").
    log_likelihood_ : float
        The restricted log-likelihood at the variances ("reml").

    Examples
    --------
    >>> from mtlreg import MeanRegularizedRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="mean", random_state=0)
    >>> model = MeanRegularizedRegressorCV(alphas=10)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (8, 10, 5)
    >>> model = MeanRegularizedRegressorCV(cv="reml", task_weight="proportional")
    >>> model.fit(data.X, data.y, tasks=data.tasks).singular_
    False
    """

    intercept_ratios: Any = (0.0, 0.1)
    per_feature: bool = False

    _model_class = MeanRegularizedRegressor
    _named_cv = ("loo", "reml")

    def _check_parameters(self):
        super()._check_parameters()
        check_flag(self.per_feature, "per_feature")
        if self.per_feature and not self._has_likelihood:
            raise ValueError(
                f"per_feature=True is for cv='reml', but cv={self.cv!r}; set one or "
                f"the other"
            )

    @property
    def _has_likelihood(self):
        """Whether strengths are those of a likelihood, without folds."""
        return isinstance(self.cv, str) and self.cv == "reml"

    def _choose(self, given, read, context, inputs):
        if not self._has_likelihood:
            return super()._choose(given, read, context, inputs)
        data = read.data
        observed = data.y[data.weight > 0]
        self._check_reml(read, np.all(observed == observed[0]))
        mean = float(np.average(data.y, weights=data.weight))
        origin = mean if self.fit_intercept else 0.0
        factors = TaskFactors.of_data(data, bool(self.fit_intercept), origin)
        chosen, penalty, *found = self._by_reml(read, factors, data.weight.sum())
        fit = Fit(chosen, read, penalty)
        return fit, _start_of_reml(fit, *found, origin)

    def _check_for_statistics(self):
        if self._has_likelihood:
            MultiTaskRegressor._check_for_statistics(self)
        else:
            super()._check_for_statistics()

    def _fit_of_statistics(self, stats, context, inputs):
        if not self._has_likelihood:
            return super()._fit_of_statistics(stats, context, inputs)
        if not isinstance(stats, TaskStatistics):
            stats = functools.reduce(operator.add, stats)
        read, part = self._read_statistics(stats)
        self._check_reml(read, not part.varies)
        centred = bool(self.fit_intercept)
        origin = part.mean_target if centred else 0.0
        seen = part if centred else part.about_zero()
        factors = TaskFactors.of_statistics(seen, *stats.counts, centred, origin)
        self._forget()
        chosen, penalty, *found = self._by_reml(read, factors, part.weight.sum())
        fit = Fit.of_statistics(chosen, read, penalty, part)
        return fit, _start_of_reml(fit, *found, origin)

    def _check_reml(self, read, constant):
        """Raise ValueError where there are no variances to estimate."""
        options = {
            name: getattr(self, name)
            for name in ("ridge", "feature_weight", "positive", "normalize_y")
            if np.any(getattr(self, name))
        }
        if options:
            raise ValueError(
                f"cv='reml' is for the mixed model as it is, but there are {options}; "
                f"leave them out, or use cv=5"
            )
        if self.scoring is not None:
            raise ValueError(
                f"cv='reml' has no scores, but scoring={self.scoring!r}; leave it out, "
                f"or use cv=5"
            )
        if not _is_proportional(self):
            raise ValueError(
                f"cv='reml' is for rows of one noise variance, but task_weight="
                f"{self.task_weight!r} weighs them by task; set "
                f"task_weight='proportional', or use cv=5"
            )
        if len(read.tasks) == 1:
            raise ValueError(
                "cv='reml' estimates variances over tasks, but there is one task only; "
                "use cv=5, or give the labels of several tasks"
            )
        if constant:
            raise ValueError(
                "cv='reml' finds no variance in constant targets; use another "
                "estimator, or another target"
            )

    def _by_reml(self, read, factors, weight):
        """Set the attributes of restricted maximum likelihood.

        Returns
        -------
        chosen : MeanRegularizedRegressor
        penalty : MeanRegularization
            Of its problem.
        coef, first
            Of the mixed model, and how many of its rows are intercepts.
        """
        if factors.freedom <= 0:
            raise ValueError(
                f"cv='reml' needs more rows than the {factors.basis.shape[1]} common "
                f"coefficients, but there are {int(factors.n_rows.sum())}; use fewer "
                f"features, or cv=5"
            )
        n, first = len(read.feature_names), int(self.fit_intercept)
        groups = np.arange(n) if self.per_feature else np.zeros(n, dtype=np.intp)
        if first:
            groups = np.append(0, groups + 1)
        mixed = restricted_maximum(factors, groups)
        ratios, noise = mixed.ratios, mixed.noise
        # c_t / W_t, the same for all tasks
        unit = len(read.tasks) / float(weight)
        with np.errstate(divide="ignore"):
            strengths = unit / ratios
        slopes = strengths[first:], noise * ratios[first:]
        if not self.per_feature:
            slopes = (float(values[0]) for values in slopes)
        self.alpha_, self.task_variance_ = slopes
        self.alpha_mean_, self.alpha_intercept_ = 0.0, 0.0
        self.intercept_variance_ = 0.0
        if first:
            self.alpha_intercept_ = float(strengths[0])
            self.intercept_variance_ = float(noise * ratios[0])
        self.noise_variance_, self.log_likelihood_ = noise, mixed.log_likelihood
        self.singular_ = mixed.singular
        chosen = self._model().set_params(
            alpha_mean=0.0, alpha_intercept=self.alpha_intercept_
        )
        order = np.roll(strengths, -first)
        units = chosen._units(read)
        if units is not None:
            order /= units**2
        penalty = MeanRegularization(order, np.zeros(len(order)))
        return chosen, penalty, mixed.coefficients, first

    def _plan(self, given, read):
        if not isinstance(self.cv, str):
            return super()._plan(given, read)
        if self.scoring is not None:
            raise ValueError(
                f"cv='loo' scores by the squared error, but scoring={self.scoring!r}; "
                f"leave it out, or use cv=sklearn.model_selection.LeaveOneOut()"
            )
        matrix = self._model()._whole_penalty(read).task_matrix
        if matrix is None or np.any(np.isin(matrix.spread, [0.0, np.inf])):
            raise ValueError(
                "cv='loo' is for coefficients of any sign and features with weights "
                "between 0 and inf: set positive=False and give such a feature_weight, "
                "or use cv=sklearn.model_selection.LeaveOneOut()"
            )
        return None

    def _jobs(self, plan, whole, models, factors):
        if plan is not None:
            return super()._jobs(plan, whole, models, factors)
        return [partial(_leave_one_out_scores, whole, models, factors)]


@estimator
class MeanRegularizedClassifierCV(_SearchOfIntercepts, ClassifierCV):
    """`MeanRegularizedClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import MeanRegularizedClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="mean", random_state=0)
    >>> model = MeanRegularizedClassifierCV(alphas=10)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (8, 10, 5)
    """

    intercept_ratios: Any = (0.0, 0.1)

    _model_class = MeanRegularizedClassifier


def _is_proportional(model):
    """Return whether every row counts the same."""
    return isinstance(model.task_weight, str) and model.task_weight == "proportional"


def _start_of_reml(fit, coef, first, origin):
    """Return the variable of a fit for the coefficients of a mixed model."""
    intercept = coef[0] + origin if first else np.zeros(coef.shape[1])
    return fit.variable(coef[None, first:], intercept)


def _leave_one_out_scores(whole, models, factors):
    """Return what a job of `CrossValidatedModel` does, for folds of one row each.

    The scores of the tasks are means over their rows, shape (n_ratios, n_alphas, 1,
    n_tasks); that of all folds is the score of all rows as one test part.
    """
    read = whole.read
    data, n_rows = read.data, len(read.data.y)
    _check_rows_to_leave(read)
    proportional = _is_proportional(whole.model)
    fit, left_out = None, None
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
        if fit is None or not fit.poses(model, penalty):
            fit = Fit(model, read, penalty)
            left_out = LeaveOneOut(fit.problem, fit.data, proportional)
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
