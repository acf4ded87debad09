"""Fits of rows that stay where they are, in rounds of questions to all of them."""

import numpy as np

from mtlreg.estimators._fit import Fit
from mtlreg.losses.base import ratio
from mtlreg.sequences.chunks import ChunkedProblem, ProximalNewton
from mtlreg.solvers import SOLVERS, choose_solver


class ChunkedFit(Fit):
    """The numbers of a fit of which only the classes are at hand.

    Parameters
    ----------
    model : MultiTaskClassifier
    read : FitInput
        Of `mtlreg.inputs.parts.Labels.read`, with the weights of classes.
    penalty : Penalty
    totals : ndarray of shape (n_classes, n_tasks)
        The sums of the weights as they were given.
    rounds : callable
        ``rounds(shares)`` returns what asks the rows whose weights are multiplied by
        the shares of shape (n_classes, n_tasks), see `ChunkedProblem`.
    """

    def __init__(self, model, read, penalty, totals, rounds):
        if penalty.start is not None:
            raise ValueError(
                f"{type(penalty).__name__} is not convex, for which a fit needs the "
                f"rows at hand: use fit with these, or a convex penalty, such as that "
                f"of shape='convex'"
            )
        self._totals, self._rounds = totals, rounds
        super().__init__(model, read, penalty)

    def _problem(self, data, loss, penalty, scale, intercept):
        shares = np.zeros(self._totals.shape)
        share = scale / data.cells.total(data.weight)
        weight = self.read.data.weight[:, self.kept]
        shares[:, self.kept] = ratio(weight, self._totals[:, self.kept]) * share
        ask = self._rounds(shares)
        how = scale, intercept, self.units, self.kept, self._in_A
        return ChunkedProblem(ask, data, loss, penalty, *how)

    def _solver_of(self, name, problem, share=1.0):
        options = int(self.model.max_iter), share * float(self.model.tol)
        inner = choose_solver
        if name != "auto":
            inner = SOLVERS[name]
            inner(*options).check(problem)
        return ProximalNewton(*options, inner=inner)

    def variable(self, blocks, intercept):
        # other than with rows at hand, the best intercepts of a start are not known
        self.problem.start_intercept = intercept[self.kept]
        return super().variable(blocks, intercept)
