"""skglm's MultiTaskLasso, and its GroupLasso on the block-diagonal matrix."""

from benchmark_utils.solver import BoardSolver


class Solver(BoardSolver):
    name = "skglm"
    requirements = ["skglm"]
    competitor = "Skglm"
