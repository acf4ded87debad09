"""What sharing does: whether it helps, and which tasks are alike."""

from mtlreg.inspection.importance import feature_importance
from mtlreg.inspection.relatedness import (
    PoolabilityTest,
    TaskSimilarity,
    between_task_share,
    effective_rank,
    outlier_scores,
    poolability_test,
    task_similarity,
)
from mtlreg.inspection.transfer import transfer_report
from mtlreg.inspection.transfer_gains import TransferReport

__all__ = [
    "PoolabilityTest",
    "TaskSimilarity",
    "TransferReport",
    "between_task_share",
    "effective_rank",
    "feature_importance",
    "outlier_scores",
    "poolability_test",
    "task_similarity",
    "transfer_report",
]
