"""scikit-learn's MultiTaskLasso."""

from benchmark_utils.solver import BoardSolver


class Solver(BoardSolver):
    name = "scikit-learn"
    requirements = ["scikit-learn"]
    competitor = "ScikitLearn"
