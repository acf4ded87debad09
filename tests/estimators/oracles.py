"""What every stem declares, in other words: all else about it in the tests follows.

A stem of the registry without an oracle fails the suite.
"""

from typing import NamedTuple

import numpy as np

from mtlreg.penalties import (
    L1,
    L21,
    ColumnL2,
    CommonDeviation,
    CompleteGraph,
    Consensus,
    Dirty,
    FusedGroup,
    InfimalSum,
    L1Linf,
    MeanRegularization,
    SquaredClusterNorm,
    SquaredTraceNorm,
    TraceNorm,
    TreeGroup,
)
from mtlreg.penalties.sparse_group import SparseGroup

NOT_STRENGTHS = [-1.0, np.nan, np.inf, -np.inf, "a", "0.1", None, 1j, [0.1], True]
FINITE_OR_NONE = [value for value in NOT_STRENGTHS if value != np.inf]
NOT_A_CHOICE = ["other", None, 1, ["l2"]]


class StemOracle(NamedTuple):
    """The penalty of a stem, and its own part of what is public.

    Attributes
    ----------
    penalty : callable
        Of an estimator, read off its public parameters: a penalty with an oracle in
        `tests.oracles`.
    parameters : str
        Its own parameters, as the signature has them.
    attributes : str
        The names of those that fits have.
    cases : dict
        Parameters to try, by the name of the penalty that they make.
    refused, accepted : dict
        Values of its own parameters that are no strengths, or strengths that may be 0.
    search_parameters, chosen : str
        The same of its searches, and the attributes that say what they chose.
    points : dict
        What a search of a few points takes.
    one_ratio : dict
        And of one ratio only, at which the norms of a row of one task are one.
    eps : float
        The default of its searches.
    searched : dict
        Other parameters, with which a small gap makes scores accurate.
    ridge : float
        The default of that option.
    at : callable
        The parameters at a strength and a ratio, None where there is none.
    """

    penalty: object
    parameters: str
    attributes: str
    cases: dict
    refused: dict = {}  # noqa: RUF012  (not written to)
    accepted: dict = {}  # noqa: RUF012
    search_parameters: str = ""
    chosen: str = "alpha_"
    points: dict = {}  # noqa: RUF012
    one_ratio: dict = {}  # noqa: RUF012
    eps: float = 0.001
    searched: dict = {}  # noqa: RUF012
    ridge: float = 0.0
    at: object = lambda alpha, ratio: {"alpha": alpha}


def _group_lasso(est):
    if est.l1_ratio == 1:
        return L1(est.alpha)
    if est.l1_ratio > 0:
        return SparseGroup(est.alpha, est.l1_ratio, est.norm)
    return {"l2": L21, "linf": L1Linf}[est.norm](est.alpha)


def _two_blocks(first, second, name, attributes, ratios):
    """Of a sum of two blocks: a penalty, the name of its strength and the default."""
    (shared, lead, default), (specific, other, other_default) = first, second

    def penalty(est):
        return InfimalSum(shared(getattr(est, lead)), specific(getattr(est, other)))

    return StemOracle(
        penalty=penalty,
        parameters=f"{lead}={default}, *, {other}={other_default}",
        attributes=f"shared_coef_ specific_coef_ blocks_ {attributes}".strip(),
        cases={name: {}},
        search_parameters="ratios=None",
        chosen=f"{lead}_ {other}_ ratio_ ratios_",
        points={"ratios": ratios},
        one_ratio={"ratios": [1.0]},
        eps=0.01,
        at=lambda alpha, ratio: {lead: alpha, other: alpha / ratio},
    )


STEM_ORACLES = {
    "MeanRegularized": StemOracle(
        penalty=lambda est: MeanRegularization(est.alpha, est.alpha_mean),
        parameters="alpha=0.1, *, alpha_mean=0.001, alpha_intercept=0.0",
        attributes="mean_coef_",
        cases={"mean": {}},
        refused={
            "alpha": [0, 0.0, *FINITE_OR_NONE],
            "alpha_mean": NOT_STRENGTHS,
            "alpha_intercept": FINITE_OR_NONE,
        },
        accepted={
            "alpha": [1, np.float32(0.1), 1e-3, 1e8, np.inf],
            "alpha_mean": [0, 0.0, 1, np.float32(0.5)],
            "alpha_intercept": [0, 1, np.float32(0.5), np.inf],
        },
        search_parameters="ratios=(0.001, 0.01, 0.1, 1.0), intercept_ratios=(0.0, 0.1)",
        chosen="intercept_ratio_ alpha_ alpha_mean_ alpha_intercept_ ratio_ ratios_",
        points={
            "ratios": [1.5, 0.3],
            "intercept_ratios": [0.0],
            "alphas": [0.1, 10.0, 1.0],
        },
        one_ratio={"ratios": [1.0], "intercept_ratios": [0.0]},
        at=lambda alpha, ratio: {"alpha": alpha, "alpha_mean": ratio * alpha},
    ),
    "GroupLasso": StemOracle(
        penalty=_group_lasso,
        parameters="alpha=0.1, *, l1_ratio=0.0, norm='l2', shape='convex', gamma=3.0",
        attributes="support_",
        cases={
            "l21": {},
            "l1linf": {"norm": "linf"},
            "l1": {"l1_ratio": 1.0},
            "sparse-l2": {"l1_ratio": 0.5},
            "sparse-linf": {"l1_ratio": 0.3, "norm": "linf"},
        },
        refused={
            "l1_ratio": [1.0001, *NOT_STRENGTHS],
            "norm": NOT_A_CHOICE,
            "shape": NOT_A_CHOICE,
            "gamma": [0, *NOT_STRENGTHS],
        },
        accepted={
            "l1_ratio": [0, 1, 0.5, np.float32(0.25)],
            "norm": ["l2", "linf"],
            "shape": ["convex", "log", "mcp"],
            "gamma": [1, np.float32(2.5)],
        },
        search_parameters="l1_ratio=0.0, norm='l2', shape='convex', gamma=3.0",
        chosen="alpha_ ratio_ ratios_",
        points={"l1_ratio": [0.5, 0.0]},
        one_ratio={"l1_ratio": [0.0]},
        at=lambda alpha, ratio: {"alpha": alpha, "l1_ratio": ratio or 0.0},
    ),
    "TraceNorm": StemOracle(
        penalty=lambda est: TraceNorm(est.alpha),
        parameters="alpha=0.1",
        attributes="rank_ components_",
        cases={"trace": {}},
    ),
    "FusedGroupLasso": StemOracle(
        penalty=lambda est: FusedGroup(
            est.alpha_fused, est.alpha_group, est.alpha_sparse
        ),
        parameters="alpha_fused=0.05, *, alpha_group=0.02, alpha_sparse=0.02",
        attributes="support_ change_points_",
        cases={"fused": {}},
        refused={"alpha_group": NOT_STRENGTHS, "alpha_sparse": NOT_STRENGTHS},
        accepted={"alpha_group": [0, 1, np.float32(0.5)], "alpha_sparse": [0, 1]},
        search_parameters="ratios=(0.1, 0.5, 2.5)",
        chosen="alpha_fused_ alpha_group_ alpha_sparse_ ratio_ ratios_",
        points={"ratios": [1.5, 0.3]},
        one_ratio={"ratios": [1.0]},
        at=lambda alpha, ratio: {
            "alpha_fused": alpha,
            "alpha_group": ratio * alpha,
            "alpha_sparse": ratio * alpha,
        },
    ),
    "TreeGroupLasso": StemOracle(
        penalty=lambda est: TreeGroup(est.alpha),
        parameters="alpha=0.05, *, tree='flat', node_weight='size'",
        attributes="support_ tree_",
        cases={"tree": {}},
        refused={
            "tree": ["other", None, 1, [], [[]], [0, 1], [0, 1, 2, 2], np.ones((3, 3))],
            "node_weight": ["other", None, [1.0], [1.0, 1.0, 1.0, -1.0]],
        },
        accepted={
            "tree": ["flat", "ward", [[0, 1], 2], np.ones((1, 3), dtype=bool)],
            "node_weight": ["size", [0.0, 0.0, 0.0, 1.0], np.ones(4)],
        },
        search_parameters="tree='flat', node_weight='size'",
    ),
    "TaskRelationship": StemOracle(
        penalty=lambda est: SquaredTraceNorm(est.alpha),
        parameters="alpha=0.1",
        attributes="task_covariance_ task_correlation_",
        cases={"squared-trace": {}},
        points={"alphas": [0.1, 10.0, 1.0]},
    ),
    "GraphRegularized": StemOracle(
        penalty=lambda est: CompleteGraph(est.alpha),
        parameters="alpha=0.1, *, graph='complete'",
        attributes="graph_",
        cases={"graph": {}},
        refused={"graph": ["other", None, 1, [0, 1], [(0, 9)], np.ones((3, 3))]},
        accepted={"graph": ["chain", "complete", [], [(0, 2)], 1.0 - np.eye(3)]},
        search_parameters="graph='complete'",
        points={"alphas": [0.1, 10.0, 1.0]},
        searched={"ridge": 0.03},
        ridge=0.001,
    ),
    "Clustered": StemOracle(
        penalty=lambda est: SquaredClusterNorm(est.alpha, est.n_clusters, est.eta),
        parameters="alpha=0.1, *, n_clusters=None, eta=0.1",
        attributes="task_clusters_ task_covariance_",
        cases={"squared-cluster": {}},
        refused={
            "eta": [0, *NOT_STRENGTHS],
            "n_clusters": [0, -1, 1.5, "a", True, 4, [2]],
        },
        accepted={"eta": [1, np.float32(0.5), 1e-3], "n_clusters": [1, np.int64(3)]},
        search_parameters="n_clusters=None, eta=0.1",
    ),
    "DirtyModel": StemOracle(
        penalty=lambda est: Dirty(est.alpha_shared, est.alpha_specific, est.norm),
        parameters="alpha_shared=0.14, alpha_specific=0.1, *, norm='linf'",
        attributes="shared_coef_ specific_coef_",
        cases={"dirty-linf": {}, "dirty-l2": {"norm": "l2"}},
        refused={"norm": NOT_A_CHOICE},
        accepted={"norm": ["l2", "linf"]},
        search_parameters="ratios=None, norm='linf'",
        chosen="alpha_shared_ alpha_specific_ ratio_ ratios_",
        points={"ratios": [2.0, 1.4]},
        one_ratio={"ratios": [1.0]},
        at=lambda alpha, ratio: {
            "alpha_shared": alpha,
            "alpha_specific": alpha / ratio,
        },
    ),
    "CommonDeviation": StemOracle(
        penalty=lambda est: CommonDeviation(
            est.alpha_common, est.alpha_specific, est.specific_weight
        ),
        parameters="alpha_common=0.1, *, alpha_specific=0.1, specific_weight=None",
        attributes="common_coef_ specific_coef_",
        cases={"common": {}},
        refused={"specific_weight": [0, 1.0, "a", [1, 2], [1, 1, 0], {0: 1.0}]},
        accepted={"specific_weight": [None, [1, 2, 3], {0: 1.0, 1: 2.0, 2: 3.0}]},
        search_parameters="ratios=None, specific_weight=None",
        chosen="alpha_common_ alpha_specific_ ratio_ ratios_",
        points={"ratios": [1.2, 0.8]},
        one_ratio={"ratios": [1.0]},
        at=lambda alpha, ratio: {
            "alpha_common": alpha,
            "alpha_specific": alpha / ratio,
        },
    ),
    "RobustMean": StemOracle(
        penalty=lambda est: InfimalSum(Consensus(), ColumnL2(est.alpha, est.metric)),
        parameters="alpha=0.1, *, metric='identity'",
        attributes="center_coef_ outlier_tasks_ shared_coef_ specific_coef_ blocks_",
        # whose scale would be another one than that of the strength
        cases={"robust-mean": {"ridge": 0.0}},
        refused={"metric": NOT_A_CHOICE},
        accepted={"metric": ["identity", "design"]},
        search_parameters="metric='identity'",
        searched={"ridge": 0.03},
        ridge=0.001,
        eps=0.01,
    ),
    "RobustLowRank": _two_blocks(
        (TraceNorm, "alpha_shared", 0.12),
        (ColumnL2, "alpha_outlier", 0.1),
        name="low-rank-columns",
        attributes="rank_ components_ outlier_tasks_",
        ratios=[1.5, 1.2],
    ),
    "SparseLowRank": _two_blocks(
        (TraceNorm, "alpha_low_rank", 0.15),
        (L1, "alpha_sparse", 0.1),
        name="low-rank-entries",
        attributes="rank_ components_",
        ratios=[2.0, 1.5],
    ),
    "RobustGroupLasso": _two_blocks(
        (L21, "alpha_shared", 0.1),
        (ColumnL2, "alpha_outlier", 0.12),
        name="rows-columns",
        attributes="support_ outlier_tasks_",
        ratios=[1.2, 0.8],
    ),
}
