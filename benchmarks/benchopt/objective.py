"""Multi-task least squares with a group lasso or a trace norm penalty."""

import numpy as np
from benchmark_utils import Judge, penalties, problems
from benchopt import BaseObjective

PENALTIES = {
    "l21": penalties.L21,
    "l1linf": penalties.L1Linf,
    "trace": penalties.Trace,
}


class Objective(BaseObjective):
    """``1/2 sum_t ||y_t - X_t a_t||^2 + lam Omega(A)``, lam = alpha_max / fraction.

    Every result is judged by its relative duality gap.
    """

    name = "Multi-task regression"
    min_benchopt_version = "1.8"
    requirements = ["numpy", "scipy"]
    parameters = {
        "penalty": list(PENALTIES),
        "fraction": [10, 50],
    }

    def set_data(self, X, y, offsets):
        penalty = PENALTIES[self.penalty]()
        self.problem = problems.Problem("benchopt", X, y, offsets, penalty)
        self.judge = Judge(self.problem)
        self.lam = self.judge.largest_strength() / self.fraction

    def evaluate_result(self, A):
        primal, gap = self.judge.primal_and_gap(A, self.lam)
        return {"value": max(gap, 0.0), "primal": primal}

    def get_one_result(self):
        return {"A": np.zeros(self.problem.shape)}

    def get_objective(self):
        return {"problem": self.problem, "lam": self.lam}
