"""mtlreg's public estimators."""

from benchmark_utils.solver import BoardSolver


class Solver(BoardSolver):
    name = "mtlreg"
    requirements = ["mtlreg"]
    competitor = "Mtlreg"
