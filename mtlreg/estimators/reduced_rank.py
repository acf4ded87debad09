"""Reduced-rank regression."""

from typing import ClassVar

import numpy as np
from sklearn.utils.metaestimators import available_if

from mtlreg.estimators._checks import check_count, check_flag, check_real
from mtlreg.estimators._fit import task_scale
from mtlreg.estimators._learned import Learned
from mtlreg.estimators._splits import make_splitter, read_splits
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.trace_norm import Subspace
from mtlreg.penalties.trace import subspace
from mtlreg.sequences.folds import take_rows
from mtlreg.solvers.reduced_rank import ReducedRankProblem

_NO_CLOSED_FORM = "the best matrix of a rank has no closed form"
_REMEDY = "use TraceNormRegressor, whose problem is convex"


def _of_rows(model):
    raise AttributeError(
        f"{type(model).__name__} is fitted to rows that all tasks share: use fit"
    )


class ReducedRankRegressor(Subspace, MultiTaskRegressor):
    """Least squares with a task matrix of at most a given rank, in closed form.

    All tasks share the rows of X, and y is 2-D and complete, a column a task. The
    objective, for rows i with weights w_i of W in all, is::

        F = sum_t c_t / (2 W) sum_i w_i (y_it - x_i . a_t - b_t)^2 + ridge/2 ||A||_F^2
        over A = coef_.T with rank(A) <= rank

    The matrices of a rank are no convex set, so that there is no duality gap; but the
    minimum is known: by the leading singular vectors of the fitted values without a
    bound. With tasks that have rows of their own, missing targets, weights for single
    targets, or classes it is not, for which there is the convex `TraceNormRegressor`
    or `TraceNormClassifier`. `ReducedRankRegressorCV` chooses the rank.

    Parameters
    ----------
    rank : int, default=1
        The largest rank, from 1 to the lesser number of features and tasks.
    ridge : float, default=0.0
        Of ``ridge/2 ||A||_F^2``: >= 0, and 0 where the c_t differ. Without it, where
        the rows do not determine the coefficients, they are those of least norm.
    fit_intercept : bool, default=True
        Whether every task has an intercept b_t, which is never penalised.
    task_weight : {"equal", "proportional"}, dict or array-like, default="equal"
        The c_t of the objective: 1, which "proportional" is as well for tasks that
        share their rows; or positive numbers, by task (a dict, or a pandas series by
        its index; extra keys are ignored) or in the order of ``tasks_``.
    normalize_y : bool, default=False
        Whether the fit has the target of every task in units of its own weighted
        standard deviation (a constant one as it is). Coefficients, intercepts and
        predictions are in the units of y, ``optimality_`` in those of the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features)
        Slopes, one row a task.
    intercept_ : ndarray of shape (n_tasks,)
        Intercepts, 0 without ``fit_intercept``.
    rank_ : int
        Rank of ``coef_``, less than ``rank`` only where fewer are enough.
    components_ : ndarray of shape (rank, n_features)
        Orthonormal basis of the subspace of the tasks, the right singular vectors of
        ``coef_``; the largest entry of each is positive.
    optimality_ : float
        By how much F at ``coef_`` and ``intercept_`` is above its least value over all
        matrices of the rank: 0 but for rounding. It stands in the place of
        ``dual_gap_``, which there is for convex problems alone.
    tasks_ : ndarray of shape (n_tasks,)
        Names of the columns of y.
    y_scale_ : ndarray of shape (n_tasks,)
        The units of the fit, 1 without ``normalize_y``.
    n_iter_ : int
        1: nothing iterates.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the columns of ``coef_``.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if they are all strings.

    References
    ----------
    Izenman (1975), Reduced-rank regression for the multivariate linear model; with a
    ridge: Mukherjee, Zhu (2011), Reduced rank ridge regression and its kernel
    extensions. The best matrix of a rank: Eckart, Young (1936), The approximation of
    one matrix by another of lower rank.

    Examples
    --------
    >>> from mtlreg import ReducedRankRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     structure="low_rank", rank=2, shared_X=True, random_state=0
    ... )
    >>> model = ReducedRankRegressor(rank=2).fit(data.X, data.y)
    >>> model.coef_.shape, model.rank_, model.optimality_ < 1e-10
    ((10, 20), 2, True)
    """

    # all rows are those of every task
    task_column: ClassVar[None] = None
    unseen_task: ClassVar[str] = "error"

    def __init__(
        self,
        rank=1,
        *,
        ridge=0.0,
        fit_intercept=True,
        task_weight="equal",
        normalize_y=False,
    ):
        self.rank = rank
        self.ridge = ridge
        self.fit_intercept = fit_intercept
        self.task_weight = task_weight
        self.normalize_y = normalize_y

    def _check_parameters(self):
        for rank in self._bounds(1):
            check_count(rank, self._name)
        check_real(self.ridge, "ridge", minimum=0.0)
        check_flag(self.fit_intercept, "fit_intercept")
        check_flag(self.normalize_y, "normalize_y")

    def _read_fit(self, X, y, sample_weight, tasks):
        self._check_parameters()
        read = self._read(X, y, sample_weight, tasks)
        n_features, n_tasks = len(read.feature_names), len(read.tasks)
        if read.layout == "rows":
            raise ValueError(
                f"tasks= gives tasks rows of their own, for which {_NO_CLOSED_FORM}: "
                f"give y as 2-D, a column a task, or {_REMEDY}"
            )
        weight = read.data.weight.reshape(-1, n_tasks)
        if np.any(weight != weight[:, :1]):
            raise ValueError(
                f"y has cells without a target, or sample_weight differs within a row, "
                f"for which {_NO_CLOSED_FORM}: leave such rows out, or {_REMEDY}"
            )
        largest = min(n_features, n_tasks)
        most = max(self._bounds(largest))
        if most > largest:
            raise ValueError(
                f"{self._name}={most} is more than a matrix of {n_features} features "
                f"and {n_tasks} tasks can have: give at most {largest}"
            )
        return read

    _name: ClassVar[str] = "rank"

    def _bounds(self, largest):
        """Return the bounds of the rank to choose from."""
        return [self.rank]

    def _chosen(self, read, scale, inputs):
        """Return the bound of the rank to fit all rows with."""
        return int(self.rank)

    def _start(self, read):
        return None

    def _solve(self, read, start, context, inputs):
        data = read.data
        every = np.ones(len(read.tasks), dtype=bool)
        totals = data.cells.total(data.weight)
        scale = task_scale(self.task_weight, read.tasks, totals, every)
        if self.ridge > 0 and np.any(scale != scale[0]):
            raise ValueError(
                f"ridge={self.ridge} and the weights of tasks {scale[:10]}, which "
                f"differ, do not go together, as {_NO_CLOSED_FORM} then: set ridge=0 "
                f"or task_weight='equal', or {_REMEDY}"
            )
        rank, problem = self._chosen(read, scale, inputs), self._problem(data, scale)
        A, found, b = problem.solution(rank)
        A, b = A.astype(data.X.dtype), b.astype(data.X.dtype)
        self.optimality_ = problem.excess(A, rank)
        unit = np.ones(len(b)) if read.y_scale is None else read.y_scale
        full = A * unit.astype(A.dtype)
        self.coef_ = np.ascontiguousarray(full.T)
        self.intercept_ = b * unit.astype(b.dtype)
        vars(self).update(subspace(full, found))
        self.tasks_, self.y_scale_, self.n_iter_ = read.tasks, unit, 1
        self.coef_feature_names_ = read.feature_names
        self._layout = read.layout
        self._learned = Learned.of_model(self, totals, len(read.rows))

    def _strength_names(self):
        """As `Stem._strength_names`."""
        return ("ridge",)

    def _problem(self, data, scale):
        n_tasks, how = len(scale), (float(self.ridge), bool(self.fit_intercept))
        y, weight = data.y.reshape(-1, n_tasks), data.weight.reshape(-1, n_tasks)
        return ReducedRankProblem(data.X, y, weight[:, 0], scale, *how)

    @available_if(_of_rows)
    def partial_fit(self, X, y, sample_weight=None, *, tasks=None):
        """Not for this model."""

    @available_if(_of_rows)
    def fit_statistics(self, stats):
        """Not for this model."""


class ReducedRankRegressorCV(ReducedRankRegressor):
    """`ReducedRankRegressor` with a rank by cross-validation.

    Every fold is fitted once, in closed form for all ranks, and scored on the rows it
    leaves out. The least rank with the best mean score then serves a fit of all rows.

    Parameters
    ----------
    ranks : array-like of int, optional
        To choose from, by default all from 1 to the lesser number of features and
        tasks.
    ridge, fit_intercept, task_weight, normalize_y
        As in `ReducedRankRegressor`.
    cv : int, cross-validation generator or iterable of (train, test), optional
        By default 5 folds, and with an int as many, of
        `mtlreg.model_selection.TaskKFold` with ``random_state=0``.

    Attributes
    ----------
    ranks_ : ndarray of shape (n_ranks,)
        Those to choose from, increasing.
    best_rank_ : int
        The one that was chosen.
    score_path_ : ndarray of shape (n_ranks, n_folds)
        Minus ``sum_t c_t L_t / sum_t c_t``, with L_t the weighted mean squared error of
        a task in the units of the fit; more is better.
    coef_, intercept_, rank_, components_, optimality_
        As those of `ReducedRankRegressor`, of all rows.
    tasks_, y_scale_, n_iter_, coef_feature_names_, n_features_in_, feature_names_in_
        Likewise.

    Examples
    --------
    >>> from mtlreg import ReducedRankRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     structure="low_rank", rank=2, shared_X=True, random_state=0
    ... )
    >>> model = ReducedRankRegressorCV().fit(data.X, data.y)
    >>> model.best_rank_, model.score_path_.shape
    (2, (10, 5))
    """

    _name: ClassVar[str] = "ranks"

    def __init__(
        self,
        ranks=None,
        *,
        ridge=0.0,
        fit_intercept=True,
        task_weight="equal",
        normalize_y=False,
        cv=None,
    ):
        self.ranks = ranks
        self.ridge = ridge
        self.fit_intercept = fit_intercept
        self.task_weight = task_weight
        self.normalize_y = normalize_y
        self.cv = cv

    def _bounds(self, largest):
        if self.ranks is None:
            return list(range(1, largest + 1))
        ranks = np.asarray(self.ranks).tolist()
        if not isinstance(ranks, list) or not ranks:
            raise ValueError(
                f"ranks must hold at least one rank to choose from, got {self.ranks!r}"
            )
        return sorted(set(ranks))

    def _chosen(self, read, scale, inputs):
        largest = min(len(read.feature_names), len(read.tasks))
        self.ranks_ = np.array(self._bounds(largest))
        X, y, data = inputs["X"], inputs["y"], read.data
        scores = []
        for number, masks in enumerate(
            read_splits(make_splitter(self.cv), X, y, read, {})
        ):
            train, test = (take_rows(data, mask[read.rows]) for mask in masks)
            if not len(train.y) or not len(test.y):
                raise ValueError(
                    f"fold {number} of cv has no row of positive weight to train on, "
                    f"or to test; change cv"
                )
            problem = self._problem(train, scale)
            y_test = test.y.reshape(-1, len(scale))
            weight = test.weight.reshape(-1, len(scale))[:, 0]
            for rank in self.ranks_:
                A, _, b = problem.solution(rank)
                errors = weight @ (y_test - test.X @ A - b) ** 2 / weight.sum()
                scores.append(-float(scale @ errors) / scale.sum())
        self.score_path_ = np.reshape(scores, (-1, len(self.ranks_))).T
        self.best_rank_ = int(self.ranks_[np.argmax(self.score_path_.mean(axis=1))])
        return self.best_rank_
