"""What all estimators share: fit, prediction input, warnings, callbacks."""

import functools
import inspect
import types
import warnings
from abc import abstractmethod
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators._callbacks import CallbackSupportMixin, with_callbacks
from mtlreg.estimators._checks import (
    check_choice,
    check_count,
    check_flag,
    check_real,
    levels_to_caller,
)
from mtlreg.estimators._fit import Fit
from mtlreg.estimators._learned import Learned
from mtlreg.estimators._new_tasks import solve_inside, with_new_task
from mtlreg.estimators._options import check_options
from mtlreg.estimators._summary import coef_frame, summary
from mtlreg.inputs.new_task import read_neighbours, read_new_task
from mtlreg.inputs.parts import READ
from mtlreg.inputs.read import (
    MISSING,
    UNSEEN,
    read_fit_input,
    read_predict_input,
)
from mtlreg.problem.rows import predict_rows
from mtlreg.solvers import SOLVERS


def restores_on_failure(method):
    """Put the estimator back to what it was when the method raises."""

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        before = dict(self.__dict__)
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return guarded


class MultiTaskLinearModel(CallbackSupportMixin, BaseEstimator):
    """Base of all estimators: a subclass names its loss, its stem the penalty.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features)
        Slopes, one row a task; without the task column.
    intercept_ : ndarray of shape (n_tasks,)
        Intercepts, 0 without ``fit_intercept``.
    tasks_ : ndarray of shape (n_tasks,)
        Sorted task labels, names of the columns of a 2-D y, or the classes.
    n_iter_ : int
        Iterations of the solver, at least 1.
    dual_gap_ : float
        Duality gap at ``coef_`` and ``intercept_`` in the units of F: F is at most that
        much above its minimum.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the columns of ``coef_``.
    n_features_in_ : int
        Number of columns of X, the task column included.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if they are all strings.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        inherited = cls.__init__
        if "__init__" not in vars(cls) and inspect.isfunction(inherited):
            # Python names the function in its errors, so that it is the class's own
            cls.__init__ = _renamed(inherited, f"{cls.__qualname__}.__init__")

    # the parameters of all regressors, or all classifiers, and their defaults
    _options: ClassVar[dict] = {}

    __metadata_request__fit: ClassVar = {"tasks": True}
    __metadata_request__predict: ClassVar = {"tasks": True}
    __metadata_request__score: ClassVar = {"tasks": True}

    @abstractmethod
    def _loss(self):
        """Return the loss."""

    @abstractmethod
    def _whole_penalty(self, read):
        """Return the penalty of the tasks and features of a `FitInput`."""

    @restores_on_failure
    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, tasks=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            NaN in a 2-D y: not observed.
        sample_weight : float or array-like, shape (n_samples,) or that of y, optional
            Weights >= 0. Weight k is the same as k copies of the row.
        tasks : array-like of shape (n_samples,), optional
            Task labels; not together with ``task_column`` or a 2-D y.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X, y, tasks, the weights or a parameter is not as described; the
            estimator is then as it was before.
        """
        context = self._init_callback_context(max_subtasks=None)
        inputs = {"X": X, "y": y, "metadata": fit_metadata(sample_weight, tasks)}
        context.call_on_fit_task_begin(estimator=self, **inputs)
        fit = self._read_fit(X, y, sample_weight, tasks)
        start = self._start(fit)
        self._forget()
        self._solve(fit, start, context, inputs)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=dict, **inputs
        )
        return self

    def _solve(self, fit, start, context, inputs):
        """Solve the problem of a fit and set the fitted attributes."""
        progress = _Progress(self, fit, context, inputs)
        solution = fit.solver.solve(fit.problem, start, progress.monitor)
        point = solution.A, solution.intercept, solution.n_iter, solution.gap
        found = fit.attributes(*point)
        vars(self).update(found)
        self._learned = Learned.of_fit(fit, found, solution)
        if not (solution.converged or progress.stopped):
            self._warn_not_converged(fit.problem, solution)

    def _read_fit(self, X, y, sample_weight, tasks):
        """Check parameters and input; return the problem to solve."""
        self._check_parameters()
        read = self._read(X, y, sample_weight, tasks)
        return Fit(self, read, self._whole_penalty(read))

    def _read(self, X, y, sample_weight, tasks):
        """Return what `fit` was given as a `FitInput`."""
        return read_fit_input(
            self, X, y, sample_weight, tasks, classifier=is_classifier(self)
        )

    def _check_parameters(self):
        self._check_strengths()
        check_options(self)
        check_count(self.max_iter, "max_iter")
        check_real(self.tol, "tol", minimum=0.0)
        for name in ("fit_intercept", "warm_start"):
            check_flag(getattr(self, name), name)
        check_choice(self.unseen_task, "unseen_task", ["error", "mean"])
        check_choice(self.solver, "solver", ["auto", *SOLVERS])

    def fit_new_task(
        self, X, y, *, task=None, sample_weight=None, alpha=None, neighbours=None
    ):
        """Fit one more task, from few rows, inside what the tasks of the fit share.

        The other tasks, and what all share, stay as they are. The slopes a and the
        intercept b of the new one are the minimum of::

            1/V sum_i w_i loss(y_i, x_i . a + b) + alpha R(a, b)

        with V the mean weight of a task in the fit. R is what the penalty makes of one
        more task, most often the quadratic that touches it at the deviations of the
        tasks from their mean: the new one may deviate as these do, to all sides by as
        much, along their subspace, or in the features that they use. Where intercepts
        are free in the fit, the level at the mean of the rows is drawn to what those of
        the other tasks say of one there, by a ridge regression on the means of their
        features (Mundlak 1978), the more the less these differ, and few rows are drawn
        to slopes without what shrinkage has taken from all tasks alike. Those of a
        class are drawn to what predicts the mean probability of the tasks (Zeger, Liang
        and Albert 1988). A task deviates in a part that is for outlier tasks if
        predictions of rows that are left out say so.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features) or None
            All rows of the task, with the task column if there is one. Without rows, or
            with None, the task is what is to be expected of one that is not known.
        y : array-like of shape (n_samples,) or None
        task : label, optional
            Of the new task; it may be left out where the task column has it.
        sample_weight : float or array-like of shape (n_samples,), optional
        alpha : float, optional
            Factor of the strengths of the fit, > 0: with 1 the penalty is to a row what
            it is there. By default a guess: the geometric mean of 1 and of that at
            which tasks would deviate by what those of the fit do. Predictions of rows
            that are left out, each of up to ten or a tenth of them at a time, move it:
            its logarithm is the mean of 13 around the guess, with normal weights of
            deviation log 1.5 times the likelihood. A single row does not, nor rows of
            which these would leave one class.
        neighbours : dict or list of labels, optional
            Of a graph with weights, the weights of the edges by label, 1 in a list. By
            default every task is a neighbour.

        Returns
        -------
        estimator
            A copy that knows the task; in it ``n_iter_`` and ``dual_gap_`` are those of
            the new task. Attributes that are learned from all tasks, such as
            ``mean_coef_``, ``support_`` or ``components_``, are those of the fit.

        Raises
        ------
        ValueError
            If rows have no task labels, coefficients may not be negative, or an
            argument is not as described or not like those of the fit.

        References
        ----------
        Denevi, Ciliberto, Stamos, Pontil (2018), Learning to learn around a common
        mean. Mundlak (1978), On the pooling of time series and cross section data,
        Econometrica 46, 69-85. Zeger, Liang, Albert (1988), Models for longitudinal
        data: a generalized estimating equation approach, Biometrics 44, 1049-1060.
        """
        check_is_fitted(self)
        if self._layout != "rows":
            raise ValueError(
                f"fit_new_task is for rows that belong to tasks, but this "
                f"{type(self).__name__} was fitted without tasks= or task_column; name "
                f"the task of each row, or fit anew with one more column of y"
            )
        if np.any(self.positive):
            raise ValueError(
                "fit_new_task is for coefficients of any sign; set positive=False"
            )
        if alpha is not None:
            check_real(alpha, "alpha", minimum=0.0, strict=True)
        ties = read_neighbours(neighbours, self.tasks_)
        learned = self._learned
        read = self._read_new_task(X, y, task, sample_weight)
        scale, n_iter, gap = float(learned.y_scale.mean()), 1, 0.0
        if read.data is None:
            parts, intercept = learned.expected(ties)
        else:
            priors = learned.priors(ties, self._loss())
            given = self, learned, priors, read, alpha
            parts, intercept, solution, problem = solve_inside(*given)
            scale = 1.0 if read.y_scale is None else float(read.y_scale[0])
            parts, intercept = scale * parts, scale * intercept
            n_iter, gap = solution.n_iter, solution.gap
            if not solution.converged:
                self._warn_not_converged(problem, solution)
        other = with_new_task(self, read.tasks, parts, intercept, scale, ties)
        other.n_iter_ = n_iter
        # where the problem of the fit is not convex it has no dual gap
        convex = hasattr(self, "dual_gap_")
        setattr(other, "dual_gap_" if convex else "optimality_", gap)
        other._forget_deviations()
        return other

    def _read_new_task(self, X, y, task, sample_weight):
        """Return the `FitInput` of one more task, in the units of the fit."""
        return read_new_task(
            self, X, y, task, sample_weight, classifier=is_classifier(self)
        )

    def _forget_deviations(self):
        """Drop what a change of tasks leaves unknown until the next fit."""

    def _forget(self):
        """Drop what an earlier fit has set, such as attributes of another penalty."""
        for name in list(vars(self)):
            if name.endswith("_") and name not in READ:
                delattr(self, name)

    def _start(self, fit):
        """Return where a warm start begins, or None."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        blocks = getattr(self, "blocks_", self.coef_[None])
        same = (
            np.array_equal(self.tasks_, fit.read.tasks)
            and np.array_equal(self.coef_feature_names_, fit.read.feature_names)
            and len(blocks) == fit.problem.penalty.n_blocks
            and np.all(np.isfinite(blocks))
        )
        if not same:
            return None
        scale = 1.0 if fit.read.y_scale is None else fit.read.y_scale
        return fit.variable(blocks.swapaxes(1, 2) / scale, self.intercept_ / scale)

    def _warn_not_converged(self, problem, solution):
        target = problem.gap_target(self.tol)
        what = "duality gap" if hasattr(self, "dual_gap_") else "optimality_"
        if solution.rounded:
            advice = (
                f"The rest is the rounding of coefficients and intercepts to "
                f"{problem.dtype}: convert X to float64, or centre the features "
                f"and the target, or increase tol."
            )
        else:
            # more iterations are no help to a solver that stopped by itself
            more = f"max_iter={self.max_iter}, " * (solution.n_iter >= self.max_iter)
            advice = (
                f"Scale the features (StandardScaler in a ColumnTransformer, so that a "
                f"task column stays as it is), or increase {more}tol, or the strength "
                f"of the penalty."
            )
        warnings.warn(
            f"{type(self).__name__} did not converge: after {solution.n_iter} "
            f"iterations the {what} is {solution.gap:.3g}, the target is "
            f"{target:.3g} (tol={self.tol:g}). {advice}",
            ConvergenceWarning,
            stacklevel=levels_to_caller(),
        )

    def _linear_prediction(self, X, tasks):
        """Return ``x . a_t + b_t``: (n,) for the rows of tasks, else (n, n_tasks)."""
        check_is_fitted(self)
        X, codes = read_predict_input(self, X, tasks)
        coef, intercept = self.coef_, self.intercept_
        if codes is None:
            z = X @ coef.T + intercept
            return z[:, 0] if self._layout == "single" else z
        if np.any(codes < 0):
            expected, b = coef.mean(axis=0), intercept.mean()
            coef, intercept = np.vstack([coef, expected]), np.append(intercept, b)
            if np.any(codes == MISSING):
                parts, b = self._learned.expected()
                coef = np.vstack([coef, parts.sum(axis=0).astype(coef.dtype)])
                intercept = np.append(intercept, intercept.dtype.type(b))
            places = {UNSEEN: len(self.coef_), MISSING: len(self.coef_) + 1}
            for code, place in places.items():
                codes = np.where(codes == code, place, codes)
        return predict_rows(X, coef, intercept, codes)

    def coef_frame(self):
        """Return the coefficients as a data frame, a row a task.

        Returns
        -------
        pandas.DataFrame of shape (n_tasks, n_features)
            With the labels of ``tasks_`` as its index and ``coef_feature_names_`` as
            its columns. Where the penalty splits ``coef_`` into two parts it is as wide
            three times, with the parts on a first level of the columns: "coef", and
            such as "shared" and "specific", which add up to it.

        Raises
        ------
        ImportError
            If there is no pandas.
        """
        check_is_fitted(self)
        return coef_frame(self)

    def summary(self):
        """Return the fit in a few lines of text.

        Returns
        -------
        str
            Tasks, rows, features, strengths, the dual gap, and what the penalty reports
            of its own: features in use, a rank, outlier tasks, clusters, parts.
        """
        check_is_fitted(self)
        return summary(self)

    def __setstate__(self, state):
        super().__setstate__(state)
        # what was pickled before there was a parameter has its default
        for name, parameter in inspect.signature(type(self)).parameters.items():
            vars(self).setdefault(name, parameter.default)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coef_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = self.task_column is not None
        tags.input_tags.categorical = self.task_column is not None
        return tags


def _renamed(function, qualname):
    """Return a copy of a function with another name in errors."""
    other = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    functools.update_wrapper(other, function)
    other.__kwdefaults__ = function.__kwdefaults__
    other.__qualname__ = qualname
    del other.__wrapped__
    return other


class _Progress:
    """Tells the callbacks of every gap check, and remembers a stop that they ask for.

    Parameters
    ----------
    estimator : MultiTaskLinearModel
    fit : Fit
    context : callback context of the fit
    inputs : dict
        X, y and metadata as they came.
    """

    def __init__(self, estimator, fit, context, inputs):
        self.stopped = False
        listening = hasattr(estimator, "_skl_callbacks")
        self.monitor = self._tell if listening else None
        self._estimator, self._fit = estimator, fit
        self._context, self._inputs = context, inputs

    def _tell(self, iteration, A, gap):
        step = self._context.subcontext(task_name="gap check")
        step.call_on_fit_task_begin(estimator=self._estimator, **self._inputs)

        def attributes():
            intercept = self._fit.problem.certificate(A).intercept
            return self._fit.attributes(A, intercept, iteration, gap)

        self.stopped = step.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=attributes,
            **self._inputs,
        )
        return self.stopped


def fit_metadata(sample_weight, tasks):
    """Return the arguments of ``fit`` beside X and y that were given."""
    given = {"sample_weight": sample_weight, "tasks": tasks}
    return {name: value for name, value in given.items() if value is not None}
