"""The optimisation problem: data, smooth term plus penalty, and the certificate."""

from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.problem import Certificate, Problem

__all__ = ["Certificate", "MultiTaskData", "Problem"]
