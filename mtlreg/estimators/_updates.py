"""Updates of single tasks of mean regularisation around what all of them share."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators._checks import has_labels
from mtlreg.estimators._fit import Fit
from mtlreg.estimators._new_tasks import insert_tasks
from mtlreg.estimators.base import restores_on_failure
from mtlreg.inputs.frames import listed
from mtlreg.inputs.labels import label_kind
from mtlreg.penalties import MeanRegularization
from mtlreg.statistics import TaskStatistics


class WithUpdates:
    """What a regressor needs to solve for single tasks again."""

    def _solve(self, fit, start, context, inputs):
        super()._solve(fit, start, context, inputs)
        self._shared = Shared.of_fit(fit, self)

    @restores_on_failure
    def update_tasks(self, X, y=None, sample_weight=None, *, tasks=None):
        """Solve for single tasks again, known or new, and leave the others as they are.

        What the tasks share is that of the last fit: the mean m of its slopes,
        ``mean_coef_``, and where intercepts are shrunken their mean. Given m, the fit
        of a task is the minimum of its own data term and of the penalty::

            alpha/2 ||a_t - (1 - alpha_mean / alpha) m||^2

        at which a task with the rows of the fit stays as it is. It is found as exactly
        as that of a fit, at a cost that does not depend on the other tasks, but for a
        copy of ``coef_``. In the other attributes, ``dual_gap_`` and ``n_iter_`` are
        then those of this problem, and bound nothing for the other tasks or the mean;
        there are no standard deviations until the next fit.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)
            All rows of these tasks that are to count; or their
            `mtlreg.statistics.TaskStatistics`, to which new rows can be added, with
            nothing else.
        y, sample_weight, tasks
            As in `fit`; columns of a 2-D y are found by their names.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is not as described or not like those of the fit, if
            coefficients may not be negative, or if ``task_weight`` has no weight for a
            task; the estimator is then as it was before.
        """
        check_is_fitted(self)
        stats = X
        if not isinstance(X, TaskStatistics):
            stats = TaskStatistics(task_column=self.task_column)
            stats.update(X, y, tasks=tasks, sample_weight=sample_weight)
        elif any(given is not None for given in (y, sample_weight, tasks)):
            raise ValueError(
                "TaskStatistics have targets, weights and tasks in them; leave out y, "
                "sample_weight and tasks"
            )
        read, part = self._read_statistics(stats)
        self._check_like_fit(read)
        fit, solution, coef, intercept = self._shared.solve(read, part)
        scale = np.ones(len(read.tasks)) if read.y_scale is None else read.y_scale
        found = {"coef_": (scale * coef).T, "intercept_": scale * intercept}
        insert_tasks(self, read.tasks, found | {"y_scale_": scale})
        self.n_iter_, self.dual_gap_ = solution.n_iter, solution.gap
        self._forget_deviations()
        if not solution.converged:
            self._warn_not_converged(fit.problem, solution)
        return self

    def _check_like_fit(self, read):
        """Raise ValueError where features or labels are not those of the fit."""
        if not np.array_equal(read.feature_names, self.coef_feature_names_):
            raise ValueError(
                f"the features here are {listed(read.feature_names)}, but were "
                f"{listed(self.coef_feature_names_)} in fit; give the same columns in "
                f"one order"
            )
        kinds = [(read.layout, label_kind(read.tasks))]
        kinds.append((self._layout, label_kind(self.tasks_)))
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"task labels are {listed(read.tasks)} here, but were "
                f"{listed(self.tasks_)} in fit; name the tasks in the same way"
            )


class Shared(NamedTuple):
    """What the fit of one more task needs of that of others.

    Attributes
    ----------
    model_class : type
    parameters : dict
        Of the model that was fitted.
    matrix : TaskMatrix or None
        Of its penalty, in the coordinates of its problem.
    slopes : ndarray of shape (n_features,)
        Their mean over the tasks, in the units of the fit.
    intercept : float
        The same of the intercepts.
    row_weight : float
        ``c_t / W_t`` where every row counts the same.
    """

    model_class: type
    parameters: dict
    matrix: Any
    slopes: np.ndarray
    intercept: float
    row_weight: float

    @classmethod
    def of_fit(cls, fit, found):
        """Return what is shared in a fit.

        Parameters
        ----------
        fit : Fit
        found : MultiTaskRegressor
            With its attributes.
        """
        model = type(fit.model), fit.model.get_params(deep=False)
        slopes, intercepts = (
            _mean(np.asarray(values.T, dtype=np.float64) / found.y_scale_)
            for values in (found.coef_, found.intercept_)
        )
        matrix, row_weight = fit.problem.penalty.task_matrix, 1 / np.mean(fit.totals)
        return cls(*model, matrix, slopes, float(intercepts), row_weight)

    def solve(self, read, part):
        """Solve for some tasks.

        Parameters
        ----------
        read : FitInput
            Of these tasks, without rows.
        part : PartStatistics
            In the units of the fit.

        Returns
        -------
        fit : Fit
            Of the deviations from what is shared.
        solution : Solution
        coef : ndarray of shape (n_features, n_tasks)
        intercept : ndarray of shape (n_tasks,)
        """
        if self.matrix is None:
            raise ValueError(
                "update_tasks is for coefficients of any sign; set positive=False"
            )
        model = self._of_tasks(part.weight)
        n_features, in_A = len(self.slopes), model._shrinks_intercepts()
        spread, mean = self.matrix
        strength = spread
        if not self.matrix.uniform:
            strength = np.broadcast_to(spread, n_features + in_A)
        spread, mean = (np.broadcast_to(s, n_features + in_A) for s in (spread, mean))
        # without deviations a feature is its mean; without strengths nothing draws it
        finite = (spread > 0) & (spread < np.inf)
        share = np.divide(mean, spread, out=np.equal(spread, 0) * 1.0, where=finite)
        centre = self.slopes * (1.0 - share[:n_features])
        fit = Fit.of_statistics(
            model,
            read,
            MeanRegularization(strength, strength),
            part.around(centre),
            origin=self.intercept,
        )
        solution = fit.solver.solve(fit.problem)
        A, b = fit.coefficients(solution.A, solution.intercept)
        return fit, solution, A + centre[:, None], b

    def _of_tasks(self, weight):
        """Return the model with the weights of some tasks among those of the fit."""
        given = self.parameters["task_weight"]
        if not (isinstance(given, str) or has_labels(given)):
            raise ValueError(
                "task_weight has an entry for each of the tasks of the fit; give them "
                "by task in a dict, to which those of new tasks are added, and fit anew"
            )
        if isinstance(given, str) and given == "proportional":
            given = self.row_weight * weight
        return self.model_class(**self.parameters | {"task_weight": given})


def _mean(values):
    """Return the means over the last axis, exact where all entries are the same."""
    first = values[..., :1]
    return first[..., 0] + (values - first).mean(axis=-1)
