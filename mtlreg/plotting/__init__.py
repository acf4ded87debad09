"""Pictures of fits, in the manner of scikit-learn's displays; they need matplotlib."""

from mtlreg.plotting.convergence import ConvergenceDisplay
from mtlreg.plotting.gains import TransferGainDisplay
from mtlreg.plotting.heat_maps import CoefficientDisplay, TaskSimilarityDisplay
from mtlreg.plotting.strengths import CVCurveDisplay, RegularizationPathDisplay

__all__ = [
    "CVCurveDisplay",
    "CoefficientDisplay",
    "ConvergenceDisplay",
    "RegularizationPathDisplay",
    "TaskSimilarityDisplay",
    "TransferGainDisplay",
]
