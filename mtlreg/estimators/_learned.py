"""What a fit has learned for tasks to come."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from mtlreg.estimators._fit import in_problem
from mtlreg.estimators._levels import Levels


class Learned(NamedTuple):
    """What a fit has learned for tasks to come.

    Attributes
    ----------
    penalty : Penalty
        Of all tasks, in the coordinates of the problem.
    units, in_A, origin
        Of these, see `mtlreg.estimators._fit.Fit`.
    totals : ndarray of shape (n_tasks,)
        The weights W_t of the tasks.
    n_rows : int
        0 where it is not known.
    noise : float
        The variance of the mean of targets, times the sum of their weights: of a row it
        is twice the mean loss of the fit, or 1 where the loss is a likelihood.
    blocks : ndarray of shape (n_blocks, n_tasks, n_features)
        The fitted parts of ``coef_``, or that alone.
    intercept : ndarray of shape (n_tasks,)
    y_scale : ndarray of shape (n_tasks,)
        The units of the targets in the fit.
    levels : Levels or None
        None where there is no intercept, or no task is its rows, and where intercepts
        are shrunken beside a loss whose expected targets are linear.
    shrunken : ndarray of shape (n_features,) or None
        What shrinkage has taken from the slopes of all tasks alike; None where levels
        are, where intercepts are shrunken, and where the rows are not at hand.
    """

    penalty: Any
    units: np.ndarray | None
    in_A: bool
    origin: float
    totals: np.ndarray
    n_rows: int
    noise: float
    blocks: np.ndarray
    intercept: np.ndarray
    y_scale: np.ndarray
    levels: Levels | None = None
    shrunken: np.ndarray | None = None

    @classmethod
    def of_fit(cls, fit, found, solution):
        """Return that of a fit, its attributes by name, and its solution."""
        blocks = found.get("blocks_", found["coef_"][None])
        ones = np.ones(len(found["intercept_"]))
        n_rows, totals = len(fit.read.rows), fit.totals
        of_row = totals.sum() / n_rows if n_rows else 1.0
        mean, loss = 0.5, solution.loss
        if loss is not None and loss < np.inf:
            mean = loss / float(np.sum(fit.problem.task_scale))
        what = totals, n_rows, 2.0 * of_row * mean, blocks, found["intercept_"]
        penalty, *where = fit.posed
        scale = found.get("y_scale_", ones)
        # columns of y, which share their rows, have no new task
        placed = fit.read.layout == "rows" and fit.model.fit_intercept
        free = placed and not where[1]
        told = free or (placed and fit.problem.loss.binary)
        levels = Levels.of_fit(fit, of_row) if told else None
        shrunken = None
        # chunks on a cluster would be read twice more
        if free and hasattr(fit.problem, "term"):
            shrunken = _shrunken(fit.problem, solution.A)
            shrunken = shrunken if where[0] is None else shrunken / where[0]
        given = *where, *what, scale, levels, shrunken
        return cls(penalty.of_new_tasks(), *given)

    @classmethod
    def of_model(cls, model, totals, n_rows):
        """Return that of a fitted model without a penalty, which says of rows alone."""
        blocks, scale = model.coef_[None], model.y_scale_
        given = totals, n_rows, 1.0, blocks, model.intercept_, scale
        return cls(None, None, False, 0.0, *given)

    @property
    def coef(self):
        """The slopes of the tasks in the units of the fit, (n_tasks, n_features)."""
        return self.blocks.sum(axis=0, dtype=np.float64) / self.y_scale[:, None]

    @property
    def level(self):
        """The intercepts in the units of the fit."""
        return self.intercept.astype(np.float64) / self.y_scale

    def parts(self):
        """Return the parts of ``coef_``, in the units of the features.

        As `priors`, with the tasks as their columns.
        """
        parts = self.penalty.split(self._variable(self.blocks, self.level))
        return parts if self.units is None else [p / self.units[:, None] for p in parts]

    def priors(self, ties, loss=None):
        """Return the `TaskPrior` of each part, in the units of the features.

        The intercept, where it is shrunken, is their last feature. With a loss they say
        where what predicts means of targets is, if that is not the centre.
        """
        priors = self._priors(self._variable(self.blocks, self.level), ties)
        if loss is None or self.levels is None:
            return priors
        if not loss.binary:
            return self._without_shrinkage(priors)
        factors, level = self.levels.factors(loss, self.coef, self.level)
        moved = self._variable(factors[:, None] * self.blocks, level)
        pairs = zip(priors, self._priors(moved, ties), strict=True)
        priors = [replace(prior, unseen=other.centre) for prior, other in pairs]
        return self._without_shrinkage(priors)

    def _without_shrinkage(self, priors):
        """Return priors with the centres that tasks would have without shrinkage."""
        # a move of all tasks would go towards outliers
        if self.shrunken is None or any(prior.optional for prior in priors):
            return priors
        first, *others = priors
        centre = sum(prior.centre for prior in priors)
        # what all tasks are alike in, where they share it
        more = np.where(centre != 0, self.shrunken, 0.0)
        unseen = None if first.unseen is None else first.unseen + more
        return [replace(first, centre=first.centre + more, unseen=unseen), *others]

    def _priors(self, variable, ties):
        priors = self.penalty.priors(variable, ties)
        return priors if self.units is None else [p.over(self.units) for p in priors]

    def _variable(self, blocks, level):
        """Return what was fitted, or may have been, as the penalty has it."""
        blocks = blocks.astype(np.float64) / self.y_scale[:, None]
        where = self.units, self.in_A, self.origin
        variable = in_problem(blocks.swapaxes(1, 2), level, *where)
        return variable.reshape(variable.shape[self.penalty.n_blocks == 1 :])

    def expected(self, ties=None):
        """Return the slopes of each part and the intercept of a task without rows.

        In the units of the target.
        """
        scale, d = self.y_scale.mean(), self.blocks.shape[2]
        centres = np.stack([prior.centre[:d] for prior in self.priors(ties)])
        return scale * centres, scale * float(self.level.mean())


def _shrunken(problem, A):
    """Return what shrinkage has taken from the slopes of all tasks alike.

    A step of Newton's method for the data term from a solution A, of all tasks at once,
    with the diagonal of the Hessian, in the features in use, as long as the Hessian
    says; as far as the mean that it leads to is more than tasks have by chance (the
    positive part of James and Stein 1961).
    """
    matrix = np.asarray(problem.penalty.combine(A), dtype=np.float64)
    Z, n_tasks = problem.term.image(matrix), matrix.shape[1]
    gradient, bends = problem.term.gradient(Z), problem.square_norms
    used = np.any(matrix != 0, axis=1) & (bends.sum(axis=1) > 0)
    slope, found = -gradient.sum(axis=1), np.zeros(len(matrix))
    move = np.divide(slope, bends.sum(axis=1), out=np.zeros(len(slope)), where=used)
    every = np.repeat(move[:, None], n_tasks, axis=1)
    bent = float(move @ problem.term.hessian(Z)(every).sum(axis=1))
    if not bent > 0:
        return found
    length = float(slope @ move) / bent
    alone = np.divide(-gradient, bends, out=np.zeros(bends.shape), where=bends > 0)
    chance = (matrix + length * alone).var(axis=1) / max(n_tasks - 1, 1)
    square = (matrix.mean(axis=1) + length * move) ** 2
    kept = np.divide(square - chance, square, out=found, where=square > chance)
    return length * kept * move
