"""Penalties on the task matrix A of shape (n_features, n_tasks)."""

from mtlreg.penalties.base import (
    Gauge,
    Penalty,
    Quadratic,
    RowPenalty,
    RowSeparable,
)
from mtlreg.penalties.cluster import SquaredClusterNorm
from mtlreg.penalties.columns import ColumnL2
from mtlreg.penalties.common import CommonDeviation
from mtlreg.penalties.consensus import Consensus
from mtlreg.penalties.dirty import Dirty
from mtlreg.penalties.fused import FusedGroup
from mtlreg.penalties.graph import CompleteGraph, GraphRegularization
from mtlreg.penalties.infimal import InfimalSum
from mtlreg.penalties.l1 import L1
from mtlreg.penalties.l1linf import L1Linf
from mtlreg.penalties.l21 import L21
from mtlreg.penalties.mean import MeanRegularization
from mtlreg.penalties.options import with_options
from mtlreg.penalties.positive import Positive, PositiveMean
from mtlreg.penalties.ridge import Ridge
from mtlreg.penalties.sparse_group import SparseGroup
from mtlreg.penalties.squared import SquaredGauge
from mtlreg.penalties.squared_trace import SquaredTraceNorm
from mtlreg.penalties.tied import Tied
from mtlreg.penalties.trace import TraceNorm
from mtlreg.penalties.tree import TreeGroup
from mtlreg.penalties.weighted import Weighted

PENALTIES = {
    "l1": L1,
    "l21": L21,
    "l1linf": L1Linf,
    "sparse_group": SparseGroup,
    "fused_group": FusedGroup,
    "tree_group": TreeGroup,
    "trace": TraceNorm,
    "squared_trace": SquaredTraceNorm,
    "column_l2": ColumnL2,
    "consensus": Consensus,
    "squared_cluster": SquaredClusterNorm,
    "mean": MeanRegularization,
    "complete_graph": CompleteGraph,
    "graph": GraphRegularization,
    "dirty": Dirty,
    "common_deviation": CommonDeviation,
    "infimal_sum": InfimalSum,
    "ridge": Ridge,
    "tied": Tied,
    "weighted": Weighted,
    "positive": Positive,
    "positive_mean": PositiveMean,
}

__all__ = [
    "L1",
    "L21",
    "PENALTIES",
    "ColumnL2",
    "CommonDeviation",
    "CompleteGraph",
    "Consensus",
    "Dirty",
    "FusedGroup",
    "Gauge",
    "GraphRegularization",
    "InfimalSum",
    "L1Linf",
    "MeanRegularization",
    "Penalty",
    "Positive",
    "PositiveMean",
    "Quadratic",
    "Ridge",
    "RowPenalty",
    "RowSeparable",
    "SparseGroup",
    "SquaredClusterNorm",
    "SquaredGauge",
    "SquaredTraceNorm",
    "Tied",
    "TraceNorm",
    "TreeGroup",
    "Weighted",
    "with_options",
]
