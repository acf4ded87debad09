"""From checked input to the problem of one fit, and back to fitted attributes."""

import copy
import dataclasses
import warnings

import numpy as np

from mtlreg.estimators._checks import (
    check_choice,
    levels_to_caller,
    numbers_of_tasks,
)
from mtlreg.inputs.read import keep_tasks
from mtlreg.penalties.learning import Training, learned, learns, single_tasks
from mtlreg.problem.data import Cells
from mtlreg.problem.problem import Problem
from mtlreg.problem.rows import append_ones, scale_columns
from mtlreg.solvers import SOLVERS, choose_solver
from mtlreg.solvers.reweighted import Reweighted


class Fit:
    """The numbers of one fit: the problem, the solver, and how to read a solution.

    Parameters
    ----------
    model : MultiTaskLinearModel
        Whose parameters say what is to be solved.
    read : FitInput
    penalty : Penalty
        Of all tasks of ``read``.
    place : str
        Where these rows are from, for messages.
    warn : bool
        Whether to tell of tasks with one class.

    Attributes
    ----------
    problem : Problem
        Of the tasks that have an optimum, ``kept``.
    solver : Solver
    totals : ndarray of shape (n_tasks,)
        The weights W_t of the tasks.
    units : ndarray or None
        By which the columns of X are divided in the problem, and a last one of ones
        where the intercepts are shrunken.
    """

    def __init__(self, model, read, penalty, place="", warn=True):
        self.read, self._place, self._warn = read, place, warn
        data, loss = read.data, model._loss()
        self.kept = np.ones(len(read.tasks), dtype=bool)
        self._in_A, self._origin = model._shrinks_intercepts(), 0.0
        self.units = model._units(read, penalty)
        if self._in_A:
            self._check_bounded(loss)
            self._origin = self._mean_target(loss)
        elif model.fit_intercept:
            self.kept &= loss.bounded(data.y, data.weight, data.cells)
        data = self.data
        self.totals = totals = data.cells.total(data.weight)
        if not self.kept.all():
            self._tell_of_unbounded(loss)
            constants = loss.shrunken_constant(data.y, data.weight, data.cells)
            self._constants = constants[~self.kept]
            data = keep_tasks(data, self.kept)
        scale = task_scale(model.task_weight, read.tasks, totals, self.kept)
        held = self._of_kept(penalty)
        intercept = bool(model.fit_intercept) and not self._in_A
        problem = self._problem(data, loss, held, scale, intercept)
        self._dtype = problem.dtype
        self._pose(model, penalty, problem)

    def _problem(self, data, loss, penalty, scale, intercept):
        """Return the problem of the data of the tasks that are kept."""
        return Problem(data, loss, penalty, scale, intercept)

    @classmethod
    def of_statistics(cls, model, read, penalty, part, origin=None):
        """Return the fit of the rows that statistics are of.

        Parameters
        ----------
        model : MultiTaskLinearModel
        read : FitInput
            Without rows.
        penalty : Penalty
        part : PartStatistics
            About the means, in the units of the fit.
        origin : float, optional
            Where the penalty has intercepts at 0, by default the mean of all targets.
        """
        fit = cls.__new__(cls)
        fit.read, fit._place, fit._warn = read, "", True
        fit.kept, fit._dtype = np.ones(len(read.tasks), dtype=bool), np.float64
        part = part if model.fit_intercept else part.about_zero()
        return fit.with_statistics(model, penalty, part, origin)

    def _check_bounded(self, loss):
        """Raise ValueError where the mean of the intercepts has no optimum."""
        data = self.read.data
        every = (
            np.ravel(data.y),
            np.ravel(data.weight),
            Cells(np.array([0, data.y.size])),
        )
        if not np.all(loss.bounded(*every)):
            raise ValueError(
                f"y has {loss.unbounded}{self._place}, so that there is no optimum "
                f"with an intercept; set fit_intercept=False"
            )

    def _mean_target(self, loss):
        """Return what all intercepts have in common, which costs nothing."""
        data = self.read.data
        if loss.quadratic and data.X.dtype == np.float64:
            return float(np.average(data.y, weights=data.weight))
        return 0.0

    @property
    def data(self):
        """The rows of all tasks as the problem has them."""
        data = self.read.data
        X, y = data.X, data.y
        if self._in_A:
            X = append_ones(X)
        if self._origin:
            y = np.where(data.weight > 0, y - self._origin, 0.0)
        if self.units is not None:
            X = scale_columns(X, 1.0 / self.units)
        return dataclasses.replace(data, X=X, y=y)

    def poses(self, model, penalty):
        """Return whether the problem of a model differs in its penalty only."""
        return model._shrinks_intercepts() == self._in_A and np.array_equal(
            model._units(self.read, penalty), self.units
        )

    def with_penalty(self, model, penalty):
        """Return the fit of the same data with the penalty of another model."""
        problem = self.problem.with_penalty(self._of_kept(penalty))
        return self._with_problem(model, penalty, problem)

    def with_statistics(self, model, penalty, statistics, origin=None):
        """Return the fit of other rows of the same tasks.

        Parameters
        ----------
        model : MultiTaskLinearModel
        penalty : Penalty
        statistics : PartStatistics
        origin : float, optional
            As in `of_statistics`.
        """
        other = copy.copy(self)
        other._in_A, other._origin = model._shrinks_intercepts(), 0.0
        other.units = model._units(self.read, penalty)
        if other._in_A:
            other._origin = statistics.mean_target if origin is None else origin
            statistics = statistics.with_ones(other._origin)
        if other.units is not None:
            statistics = statistics.in_units(other.units)
        every = np.ones(len(statistics.weight), dtype=bool)
        other.totals = statistics.weight
        scale = task_scale(model.task_weight, self.read.tasks, other.totals, every)
        problem = statistics.problem(penalty, scale, self._dtype)
        other._pose(model, penalty, problem)
        return other

    def _with_problem(self, model, penalty, problem):
        other = copy.copy(self)
        other._pose(model, penalty, problem)
        return other

    def _pose(self, model, penalty, problem):
        if learns(penalty):
            training = self._training(model, penalty, problem)
            penalty = learned(penalty, training)
            problem = problem.with_penalty(self._of_kept(penalty))
        self.model, self._penalty, self.problem = model, penalty, problem
        self.solver = self._solver()

    def _training(self, model, penalty, problem):
        """Return what the penalty may learn of the rows."""
        self.model = model

        def coefficients():
            alone = single_tasks(float(np.mean(problem.square_norms)))
            posed = problem.with_penalty(alone)
            A = self._solver_of("auto", posed).solve(posed).A
            return self._of_kept(penalty).inside(A)

        return Training(self.kept, coefficients, problem.spectra)

    def _of_kept(self, penalty):
        return penalty if self.kept.all() else penalty.restrict(tasks=self.kept)

    def _tell_of_unbounded(self, loss):
        """Warn of tasks without an optimum, or raise ValueError if no task has one."""
        if not self.kept.any():
            raise ValueError(
                f"y has {loss.unbounded} in every task{self._place}, so that no task "
                f"has an optimum with an intercept; leave such tasks out or set "
                f"fit_intercept=False"
            )
        if self._warn:
            warnings.warn(
                f"the target has {loss.unbounded} in the tasks "
                f"{self.read.tasks[~self.kept].tolist()}{self._place}: they are left "
                f"out of the fit and predicted from their intercept and the other "
                f"tasks",
                UserWarning,
                stacklevel=levels_to_caller(),
            )

    def _solver(self):
        problem, name, start = self.problem, self.model.solver, self._penalty.start
        if start is None:
            return self._solver_of(name, problem)
        problem = problem.with_penalty(problem.penalty.start)
        # closer than the whole, which ends where the last majorant is as near
        inner = self._solver_of(name, problem, share=0.1)
        return Reweighted(inner.max_iter, float(self.model.tol), inner)

    def _solver_of(self, name, problem, share=1.0):
        """Return the solver of a problem with a convex penalty.

        Parameters
        ----------
        name : str
            "auto", or one of `SOLVERS`.
        problem : Problem
        share : float
            Of the tolerance of the model.
        """
        options = int(self.model.max_iter), share * float(self.model.tol)
        if name == "auto":
            return choose_solver(problem, *options)
        solver = SOLVERS[name](*options)
        solver.check(problem)
        return solver

    def coefficients(self, A, intercept):
        """Return A (n_features, n_tasks) and b of all tasks for a solver's solution.

        In the units of the fit.
        """
        variable, b = self._of_all_tasks(A, intercept)
        return self._penalty.combine(variable), b

    def reported(self, A, intercept):
        """Return what `coefficients` does in the units of the target."""
        return tuple(map(self._in_units, self.coefficients(A, intercept)))

    def _in_units(self, values):
        """Return values (..., n_tasks) of the fit in the units of the target."""
        scale = self.read.y_scale
        return values if scale is None else values * scale.astype(values.dtype)

    def _of_all_tasks(self, A, intercept):
        """Return the variable, in the units of X, and b of all tasks."""
        if not self.kept.all():
            b = np.empty(len(self.kept), dtype=A.dtype)
            b[self.kept], b[~self.kept] = intercept, self._constants
            A, intercept = self._penalty.with_absent(A, self.kept), b
        if self.units is not None:
            A = (A / self.units[:, None]).astype(A.dtype, copy=False)
        if self._in_A:
            return A[:-1], A[-1] + A.dtype.type(self._origin)
        return A, intercept

    def variable(self, blocks, intercept):
        """Return the variable of a solver for what was fitted.

        Parameters
        ----------
        blocks : ndarray of shape (n_blocks, n_features, n_tasks)
            A, or what it is the sum of, in the units of the fit.
        intercept : ndarray of shape (n_tasks,)
        """
        blocks, intercept = blocks[..., self.kept], intercept[self.kept]
        _, *coordinates = self.posed
        return in_problem(blocks, intercept, *coordinates).reshape(self.problem.shape)

    @property
    def posed(self):
        """The penalty of all tasks and its coordinates, see `in_problem`."""
        return self._penalty, self.units, self._in_A, self._origin

    def attributes(self, A, intercept, n_iter, gap):
        """Return the fitted attributes for a solver's solution, by name."""
        variable, b = self._of_all_tasks(A, intercept)
        blocks = [self._in_units(block) for block in self._penalty.split(variable)]
        full = self._in_units(self._penalty.combine(variable))
        found = {
            "coef_": np.ascontiguousarray(full.T),
            "intercept_": self._in_units(b),
            "tasks_": self.read.tasks,
            "coef_feature_names_": self.read.feature_names,
            "_layout": self.read.layout,
            "n_iter_": max(n_iter, 1),
        }
        # where the problem is not convex, the gap is that of a bound of it
        convex = self._penalty.start is None
        found["dual_gap_" if convex else "optimality_"] = gap
        if self.read.classes is not None:
            found["classes_"] = self.read.classes
        else:
            scale = self.read.y_scale
            found["y_scale_"] = np.ones(len(b)) if scale is None else scale
        if len(blocks) > 1:
            found["_parts"] = np.stack([block.T for block in blocks])
        if self._penalty.n_blocks > 1:
            found["blocks_"] = found["_parts"]
        return found | self._penalty.attributes(full, blocks)


def in_problem(blocks, intercept, units, in_A, origin):
    """Return what was fitted in the coordinates of a problem.

    Parameters
    ----------
    blocks : ndarray of shape (n_blocks, n_features, n_tasks)
    intercept : ndarray of shape (n_tasks,)
    units : ndarray or None
        As of `Fit`.
    in_A : bool
        Whether the intercepts, less their ``origin``, are the last row.
    origin : float
    """
    if in_A:
        row = np.reshape(intercept - origin, (1, 1, -1))
        row = np.repeat(row, len(blocks), axis=0)
        blocks = np.concatenate([blocks, row], axis=1)
    return blocks if units is None else units[:, None] * blocks


def task_scale(task_weight, tasks, totals, kept):
    """Return the c_t of the tasks that are kept, from the parameter and the W_t."""
    if isinstance(task_weight, str):
        check_choice(task_weight, "task_weight", ["equal", "proportional"])
        if task_weight == "equal":
            return np.ones(int(kept.sum()))
        return kept.sum() * totals[kept] / totals[kept].sum()
    return numbers_of_tasks(task_weight, "task_weight", tasks)[kept]
