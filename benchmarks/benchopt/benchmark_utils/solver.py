"""What the solvers of the benchmark share: they drive a competitor of the board."""

import warnings

import numpy as np
from benchopt import BaseSolver
from benchopt.stopping_criterion import SufficientProgressCriterion

from benchmark_utils import packages


class BoardSolver(BaseSolver):
    """A competitor of the board, driven by its tolerance or its iterations.

    Attributes
    ----------
    competitor : str
        Name of a class of the board's packages.
    """

    competitor = ""
    sampling_strategy = "tolerance"
    # a solver that checks now and then returns one point for several tolerances
    stopping_criterion = SufficientProgressCriterion(patience=10, strategy="tolerance")

    @staticmethod
    def get_next(control):
        """Return the next tolerance, half a decade down; the first is infinite."""
        return min(control, 1.0) / np.sqrt(10)

    def set_objective(self, problem, lam):
        self.peer = self.choose(problem)
        self.lam = lam

    def choose(self, problem):
        """Return the competitor for a problem."""
        return getattr(packages, self.competitor)(problem)

    def skip(self, problem, lam):
        if not getattr(packages, self.competitor).accepts(problem):
            return True, "another penalty or another layout"
        return False, None

    def warm_up(self):
        self.run_once(self.peer.controls[0])

    def run(self, control):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.fitted = self.peer.solve(self.lam, self.scale(control))

    def scale(self, control):
        """Return the control in the units of the competitor."""
        # below is rounding, in search of which some would go on for minutes
        return max(control, 1e-13)

    def get_result(self):
        return {"A": self.peer.matrix(self.fitted)}
