"""FISTA with a constant step and adaptive restart in plain numpy."""

from benchmark_utils import packages
from benchmark_utils.solver import BoardSolver
from benchopt.stopping_criterion import SufficientProgressCriterion


class Solver(BoardSolver):
    name = "textbook FISTA"
    requirements = ["numpy"]
    competitor = "Textbook"
    sampling_strategy = "iteration"
    stopping_criterion = SufficientProgressCriterion(patience=5, strategy="iteration")

    @staticmethod
    def get_next(control):
        """Return the next number of iterations."""
        return max(control + 1, round(1.4 * control))

    def choose(self, problem):
        # the Gram variant comes last and only where it pays
        return packages.Textbook.variants(problem)[-1]

    def warm_up(self):
        """Nothing is compiled."""

    def scale(self, control):
        return max(control, 1)
