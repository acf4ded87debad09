"""What all estimators share: fit, prediction input, warnings, callbacks."""

import copy
import functools
import inspect
import warnings
from abc import abstractmethod
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from mtlreg._labels import encode, label_array
from mtlreg.design import predict_rows
from mtlreg.estimators._callbacks import CallbackSupportMixin, with_callbacks
from mtlreg.problem import Problem
from mtlreg.solvers import SOLVERS, choose_solver
from mtlreg.tasks import keep_tasks, read_fit_input, read_predict_input


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
    """Base of all estimators: a subclass names its loss and its penalty."""

    __metadata_request__fit: ClassVar = {"tasks": True}
    __metadata_request__predict: ClassVar = {"tasks": True}
    __metadata_request__score: ClassVar = {"tasks": True}

    @abstractmethod
    def _loss(self):
        """Return the loss."""

    @abstractmethod
    def _penalty(self):
        """Return the penalty at the strengths of the parameters."""

    @abstractmethod
    def _check_strengths(self):
        """Raise unless the parameters of the penalty are valid."""

    @abstractmethod
    def _at_ratio(self, ratio):
        """Return the parameters at another ratio of the strengths, by name."""

    def _penalty_attributes(self, A):
        """Return the attributes that belong to the penalty, by name."""
        return {}

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
        inputs = {"X": X, "y": y, "metadata": _metadata(sample_weight, tasks)}
        context.call_on_fit_task_begin(estimator=self, **inputs)
        fit = self._read_fit(X, y, sample_weight, tasks)
        progress = _Progress(self, fit, context, inputs)
        solution = fit.solver.solve(fit.problem, self._start(fit), progress.monitor)
        for name, value in fit.attributes(self, solution.A, solution.intercept).items():
            setattr(self, name, value)
        self.n_iter_ = solution.n_iter
        self.dual_gap_ = solution.gap
        if not (solution.converged or progress.stopped):
            self._warn_not_converged(fit, solution)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=dict, **inputs
        )
        return self

    def _read_fit(self, X, y, sample_weight, tasks):
        """Check parameters and input; return the problem to solve."""
        self._check_parameters()
        read = read_fit_input(
            self, X, y, sample_weight, tasks, classifier=is_classifier(self)
        )
        return Fit(self, read)

    def _check_parameters(self):
        self._check_strengths()
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)
        check_real(self.tol, "tol", minimum=0.0)
        for name in ("fit_intercept", "warm_start"):
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise ValueError(f"{name} must be True or False, got {value!r}")
        check_choice(self.unseen_task, "unseen_task", ["error", "mean"])
        check_choice(self.solver, "solver", ["auto", *SOLVERS])

    def _start(self, fit):
        """Return where a warm start begins, or None."""
        before = getattr(self, "coef_", None)
        if not self.warm_start or before is None:
            return None
        same = (
            np.array_equal(self.tasks_, fit.read.tasks)
            and np.array_equal(self.coef_feature_names_, fit.read.feature_names)
            and fit.problem.penalty.n_blocks == 1
        )
        return before[fit.kept].T if same else None

    def _warn_not_converged(self, fit, solution):
        target = fit.problem.gap_target(self.tol)
        warnings.warn(
            f"{type(self).__name__} did not converge: after {solution.n_iter} "
            f"iterations the duality gap is {solution.gap:.3g}, the target is "
            f"{target:.3g} (tol={self.tol:g}). Scale the features (StandardScaler in a "
            f"ColumnTransformer, so that a task column stays as it is), or increase "
            f"max_iter={self.max_iter}, tol, or the strength of the penalty.",
            ConvergenceWarning,
            stacklevel=_levels_to_caller(),
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
            coef = np.concatenate([coef, coef.mean(axis=0, keepdims=True)])
            intercept = np.append(intercept, intercept.mean())
            codes = np.where(codes < 0, len(coef) - 1, codes)
        return predict_rows(X, coef, intercept, codes)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coef_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = self.task_column is not None
        tags.input_tags.categorical = self.task_column is not None
        return tags


class Fit:
    """The numbers of one fit: the problem, the solver, and how to read a solution.

    Parameters
    ----------
    estimator : MultiTaskLinearModel
    read : FitInput

    Attributes
    ----------
    problem : Problem
        Of the tasks that have an optimum, ``kept``.
    solver : Solver
    """

    def __init__(self, estimator, read):
        self.read = read
        data = read.data
        self._weights = data.cells.sum(data.weight)
        self._positives = None
        self.kept = np.ones(len(read.tasks), dtype=bool)
        if read.classes is not None and estimator.fit_intercept:
            self._positives = data.cells.sum(data.weight * (data.y > 0))
            negatives = data.cells.sum(data.weight * (data.y < 0))
            self.kept = (self._positives > 0) & (negatives > 0)
            data = self._without_one_class(estimator, data)
        scale = _task_scale(estimator.task_weight, read.tasks, self._weights, self.kept)
        self.problem = Problem(
            data,
            estimator._loss(),
            estimator._penalty(),
            scale,
            bool(estimator.fit_intercept),
        )
        self.solver = self._solver(estimator)

    def with_penalty(self, estimator):
        """Return the fit of the same data with the penalty of another estimator."""
        other = copy.copy(self)
        other.problem = self.problem.with_penalty(estimator._penalty())
        other.solver = other._solver(estimator)
        return other

    def _without_one_class(self, estimator, data):
        if self.kept.all():
            return data
        if not self.kept.any():
            raise ValueError(
                "y has one class only in every task, so that no task has an optimum "
                "with an intercept; leave such tasks out or set fit_intercept=False"
            )
        warnings.warn(
            f"the target has one class only in the tasks "
            f"{self.read.tasks[~self.kept].tolist()}: they are left out of the fit and "
            f"predicted from their intercept and the other tasks",
            UserWarning,
            stacklevel=_levels_to_caller(),
        )
        return keep_tasks(data, self.kept)

    def _solver(self, estimator):
        options = {"max_iter": int(estimator.max_iter), "tol": float(estimator.tol)}
        if estimator.solver == "auto":
            return choose_solver(self.problem, **options)
        solver = SOLVERS[estimator.solver](**options)
        solver.check(self.problem)
        return solver

    def attributes(self, estimator, A, intercept):
        """Return the fitted attributes for the solver's variable A, by name."""
        A = self.problem.penalty.combine(A)
        full = np.empty((A.shape[0], len(self.kept)), dtype=A.dtype)
        full[:, self.kept] = A
        b = np.empty(len(self.kept), dtype=A.dtype)
        b[self.kept] = intercept
        if not self.kept.all():
            left_out = ~self.kept
            full[:, left_out] = self.problem.penalty.absent_task(A)[:, None]
            k, weight = self._positives[left_out], self._weights[left_out]
            b[left_out] = np.log((k + 0.5) / (weight - k + 0.5))
        found = {
            "coef_": np.ascontiguousarray(full.T),
            "intercept_": b,
            "tasks_": self.read.tasks,
            "coef_feature_names_": self.read.feature_names,
            "_layout": self.read.layout,
        }
        if self.read.classes is not None:
            found["classes_"] = self.read.classes
        return found | estimator._penalty_attributes(full)


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
            found = self._fit.attributes(self._estimator, A, intercept)
            return found | {"n_iter_": max(iteration, 1), "dual_gap_": gap}

        self.stopped = step.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=attributes,
            **self._inputs,
        )
        return self.stopped


def _metadata(sample_weight, tasks):
    given = {"sample_weight": sample_weight, "tasks": tasks}
    return {name: value for name, value in given.items() if value is not None}


def _task_scale(task_weight, tasks, totals, kept):
    """Return the c_t of the tasks that are kept, from the parameter and the W_t."""
    if isinstance(task_weight, str):
        check_choice(task_weight, "task_weight", ["equal", "proportional"])
        if task_weight == "equal":
            return np.ones(int(kept.sum()))
        return kept.sum() * totals[kept] / totals[kept].sum()
    if isinstance(task_weight, dict):
        scale = _by_label(task_weight, tasks)
    else:
        scale = np.asarray(task_weight, dtype=np.float64)
        if scale.shape != tasks.shape:
            raise ValueError(
                f"task_weight has shape {scale.shape}, but there are {len(tasks)} "
                f"tasks; give one weight for each of tasks_, or a dict by task"
            )
    bad = ~(np.isfinite(scale) & (scale > 0))
    if bad.any():
        raise ValueError(
            f"task_weight must be finite and > 0, got {scale[bad][0]} for task "
            f"{tasks[bad][0]!r}"
        )
    return scale[kept]


def _by_label(weights, tasks):
    labels = tasks.tolist()
    if all(label in weights for label in labels):
        return np.array([weights[label] for label in labels], dtype=np.float64)
    # dates have many types, of which only the labels themselves are made one
    keys = label_array(list(weights), "the keys of task_weight")
    order = np.argsort(keys)
    codes = encode(tasks, keys[order])
    if np.any(codes < 0):
        raise ValueError(
            f"task_weight has no entry for the tasks {tasks[codes < 0][:10].tolist()} "
            f"(its keys are like {keys[:3].tolist()}); give every task a weight"
        )
    return np.array(list(weights.values()), dtype=np.float64)[order[codes]]


def check_real(value, name, *, minimum, strict=False):
    """Raise unless ``value`` is a finite number >= (or >, if strict) ``minimum``."""
    boundaries = "neither" if strict else "left"
    check_scalar(value, name, Real, min_val=minimum, include_boundaries=boundaries)
    if not np.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")


def check_choice(value, name, choices):
    """Raise ValueError unless ``value`` is one of the strings in ``choices``."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")


def _levels_to_caller():
    """Return the ``stacklevel`` at which a warning points at the caller of mtlreg."""
    frame, level = inspect.currentframe().f_back, 1
    # scikit-learn's callbacks wrap fit
    passed = ("mtlreg.", "sklearn.callback.")
    while frame is not None and frame.f_globals["__name__"].startswith(passed):
        frame, level = frame.f_back, level + 1
    return level
