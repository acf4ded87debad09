"""What the regressors share: the squared loss, predict and score."""

import copy
import dataclasses
from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from mtlreg.estimators._callbacks import with_callbacks
from mtlreg.estimators._checks import check_flag
from mtlreg.estimators._fit import Fit
from mtlreg.estimators.base import READ, MultiTaskLinearModel, restores_on_failure
from mtlreg.estimators.declarations import Search
from mtlreg.inputs.read import normalise_targets
from mtlreg.inputs.targets import read_score_target
from mtlreg.losses import Squared
from mtlreg.statistics import TaskStatistics


def _fits_alone(model):
    """Return whether a model is no search, whose folds are not those of parts."""
    if isinstance(model, Search):
        raise AttributeError(
            f"{type(model).__name__} chooses strengths by folds, which are not known "
            f"of a part of the rows; use fit_statistics with statistics of each fold"
        )
    return True


class MultiTaskRegressor(RegressorMixin, MultiTaskLinearModel):
    """Base of the regressors.

    Parameters
    ----------
    normalize_y : bool, default=False
        Whether the fit has the target of every task in units of its own weighted
        standard deviation (a constant one as it is), so that tasks in different units
        count alike. Coefficients, intercepts and predictions are in the units of y,
        ``dual_gap_`` and the default scores of cross-validation in those of the fit.

    Attributes
    ----------
    y_scale_ : ndarray of shape (n_tasks,)
        The units of the fit, 1 without ``normalize_y``.
    """

    _options: ClassVar[dict] = {"normalize_y": False}
    __metadata_request__partial_fit: ClassVar = {"tasks": True}

    _seen = None  # the statistics of what `partial_fit` was given

    def _forget(self):
        super()._forget()
        vars(self).pop("_seen", None)

    def _check_parameters(self):
        super()._check_parameters()
        check_flag(self.normalize_y, "normalize_y")

    def _read(self, X, y, sample_weight, tasks):
        read = super()._read(X, y, sample_weight, tasks)
        return normalise_targets(read) if self.normalize_y else read

    def _read_new_task(self, X, y, task, sample_weight):
        read = super()._read_new_task(X, y, task, sample_weight)
        if not self.normalize_y or read.data is None:
            return read
        return normalise_targets(read, constant=self._learned.y_scale.mean())

    def _loss(self):
        return Squared()

    @restores_on_failure
    @with_callbacks
    def fit_statistics(self, stats):
        """Fit the rows that statistics are of, as `fit` would.

        Parameters
        ----------
        stats : mtlreg.statistics.TaskStatistics, or a sequence of these
            Made with the ``task_column`` of the estimator. A search takes those of each
            fold, two at least; the rows of a task that has them in one fold alone are
            always trained on and never tested. With ``cv="reml"`` these or their sum.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the statistics are empty, a task has no weight, a fold cannot be fitted
            or scored, or a parameter is not as described; the estimator is then as it
            was before.
        """
        self._check_for_statistics()
        context = self._init_callback_context(max_subtasks=None)
        inputs = {"X": None, "y": None, "metadata": {}}
        context.call_on_fit_task_begin(estimator=self, **inputs)
        fit, start = self._fit_of_statistics(stats, context, inputs)
        self._solve(fit, start, context, inputs)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=dict, **inputs
        )
        return self

    def _fit_of_statistics(self, stats, context, inputs):
        """Return the fit of statistics, and where it starts or None."""
        self._check_statistics(stats)
        if stats.has_rows:
            fit = self._fit_of_rows(self, self._read_rows(stats.rows(), stats))
        else:
            read, part = self._read_statistics(stats)
            fit = Fit.of_statistics(self, read, self._whole_penalty(read), part)
        start = self._start(fit)
        self._forget()
        return fit, start

    def _fit_of_rows(self, model, read):
        """Return the fit of rows that may stand for sums."""
        fit = Fit(model, read, model._whole_penalty(read))
        # that are no rows to judge the noise by
        fit.read = dataclasses.replace(read, data=None)
        return fit

    @available_if(_fits_alone)
    @restores_on_failure
    def partial_fit(self, X, y, sample_weight=None, *, tasks=None):
        """Fit these rows and all that `partial_fit` was given before.

        Parameters
        ----------
        X, y, sample_weight, tasks
            As in `fit`; tasks may be new.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is not as described, or is not like those before it; the
            estimator is then as it was before.
        """
        seen = self._seen or TaskStatistics(task_column=self.task_column)
        seen = copy.copy(seen)
        seen.update(X, y, tasks=tasks, sample_weight=sample_weight)
        self.fit_statistics(seen)
        self._seen = seen
        return self

    def _check_for_statistics(self):
        """Raise ValueError where the parameters are not for fits of statistics."""
        self._check_parameters()
        if not self._loss().quadratic:
            raise ValueError(
                f"statistics are those of the squared loss, but loss={self.loss!r}; "
                f"use fit with the rows"
            )

    def _check_statistics(self, stats):
        """Raise ValueError where there are others than statistics of such columns."""
        if not isinstance(stats, TaskStatistics):
            raise ValueError(
                f"stats must be TaskStatistics, got {type(stats).__name__}; make them "
                f"by mtlreg.statistics.TaskStatistics().update(X, y, tasks=...)"
            )
        if stats.task_column != self.task_column:
            raise ValueError(
                f"the statistics have task_column={stats.task_column!r}, the estimator "
                f"{self.task_column!r}; set both to the same"
            )

    def _read_columns(self, stats):
        """Return the `FitInput` of statistics, without rows, and know the columns."""
        read = stats.fit_input()
        for name in READ:
            vars(self).pop(name, None)
            if hasattr(stats, name):
                setattr(self, name, getattr(stats, name))
        return read

    def _read_rows(self, rows, stats):
        """Return the `FitInput` of the rows of statistics, in the units of the fit."""
        read = dataclasses.replace(
            self._read_columns(stats), data=rows.data, rows=np.arange(len(rows.data.y))
        )
        return normalise_targets(read) if self.normalize_y else read

    def _read_statistics(self, stats):
        """Return the `FitInput` and `PartStatistics` of the fit, and know the columns.

        Both are in the units of the fit.
        """
        self._check_statistics(stats)
        read, part = self._read_columns(stats), stats.part
        if self.normalize_y:
            scale = part.deviations()
            read = dataclasses.replace(read, y_scale=scale)
            part = part.with_targets_over(scale)
        return read, part

    def predict(self, X, *, tasks=None, return_std=False, noise=False):
        """Predict the target.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)
        tasks : array-like of shape (n_samples,), optional
            Task labels, if and only if `fit` took them. One that is missing (None, NaN)
            stands for a task that is not known, see `fit_new_task`.
        return_std : bool, default=False
            Whether to return standard deviations too, of the mean of the target, which
            mean regularisation has.
        noise : bool, default=False
            Whether these are of new observations, of weight 1.

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a 2-D y
            The predictions, or with ``return_std`` a tuple of two such arrays.

        Raises
        ------
        ValueError
            For a task that `fit` has not seen, unless ``unseen_task="mean"``; for
            ``return_std`` where there are no standard deviations.
        """
        z = self._loss().inverse_link(self._linear_prediction(X, tasks))
        if return_std:
            return z, self._deviations(X, tasks, noise)
        if noise:
            raise ValueError("noise=True is for return_std=True; set both or neither")
        return z

    def _deviations(self, X, tasks, noise):
        """Return the standard deviations of what `predict` predicts."""
        raise ValueError(
            f"{type(self).__name__} has no standard deviations: predict without "
            f"return_std, or use MeanRegularizedRegressor"
        )

    def score(self, X, y, sample_weight=None, *, tasks=None):
        """Return R2: over all rows, or the mean of the columns of a 2-D y.

        Parameters
        ----------
        X, y, sample_weight, tasks
            As in `fit`. Cells of a 2-D y that are NaN do not count.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If no column of y has two observed targets.
        """
        z = self.predict(X, tasks=tasks)
        y, weight = read_score_target(self, y, sample_weight, z.shape)
        if z.ndim == 1:
            return r2_score(y, z, sample_weight=weight)
        several = np.count_nonzero(weight, axis=0) >= 2
        if not several.any():
            raise ValueError(
                "R2 needs at least two observed targets in some column of y"
            )
        y, z, weight = y[:, several], z[:, several], weight[:, several]
        mean = np.sum(weight * y, axis=0) / np.sum(weight, axis=0)
        left = np.sum(weight * (y - z) ** 2, axis=0)
        varied = np.sum(weight * (y - mean) ** 2, axis=0)
        # of a constant target, as scikit-learn has it
        scores = np.where(left > 0, 0.0, 1.0)
        np.divide(varied - left, varied, out=scores, where=varied > 0)
        return float(np.mean(scores))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self.task_column is None
        return tags
