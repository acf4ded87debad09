"""scikit-learn estimators: which loss, which penalty."""

from mtlreg.estimators.clustered import (
    ClusteredClassifier,
    ClusteredClassifierCV,
    ClusteredRegressor,
    ClusteredRegressorCV,
)
from mtlreg.estimators.common_deviation import (
    CommonDeviationClassifier,
    CommonDeviationClassifierCV,
    CommonDeviationRegressor,
    CommonDeviationRegressorCV,
)
from mtlreg.estimators.crossed import CrossedMeanRegularizedRegressor
from mtlreg.estimators.dirty_model import (
    DirtyModelClassifier,
    DirtyModelClassifierCV,
    DirtyModelRegressor,
    DirtyModelRegressorCV,
)
from mtlreg.estimators.fused_group_lasso import (
    FusedGroupLassoClassifier,
    FusedGroupLassoClassifierCV,
    FusedGroupLassoRegressor,
    FusedGroupLassoRegressorCV,
)
from mtlreg.estimators.graph_regularized import (
    GraphRegularizedClassifier,
    GraphRegularizedClassifierCV,
    GraphRegularizedRegressor,
    GraphRegularizedRegressorCV,
)
from mtlreg.estimators.group_lasso import (
    GroupLassoClassifier,
    GroupLassoClassifierCV,
    GroupLassoRegressor,
    GroupLassoRegressorCV,
)
from mtlreg.estimators.mean_regularized import (
    MeanRegularizedClassifier,
    MeanRegularizedClassifierCV,
    MeanRegularizedRegressor,
    MeanRegularizedRegressorCV,
)
from mtlreg.estimators.paths import RegularizationPath, regularization_path
from mtlreg.estimators.penalized import (
    PenalizedClassifier,
    PenalizedClassifierCV,
    PenalizedRegressor,
    PenalizedRegressorCV,
)
from mtlreg.estimators.reduced_rank import ReducedRankRegressor, ReducedRankRegressorCV
from mtlreg.estimators.robust_group_lasso import (
    RobustGroupLassoClassifier,
    RobustGroupLassoClassifierCV,
    RobustGroupLassoRegressor,
    RobustGroupLassoRegressorCV,
)
from mtlreg.estimators.robust_low_rank import (
    RobustLowRankClassifier,
    RobustLowRankClassifierCV,
    RobustLowRankRegressor,
    RobustLowRankRegressorCV,
)
from mtlreg.estimators.robust_mean import (
    RobustMeanClassifier,
    RobustMeanClassifierCV,
    RobustMeanRegressor,
    RobustMeanRegressorCV,
)
from mtlreg.estimators.sparse_low_rank import (
    SparseLowRankClassifier,
    SparseLowRankClassifierCV,
    SparseLowRankRegressor,
    SparseLowRankRegressorCV,
)
from mtlreg.estimators.strengths import alpha_grid, alpha_max
from mtlreg.estimators.task_relationship import (
    TaskRelationshipClassifier,
    TaskRelationshipClassifierCV,
    TaskRelationshipRegressor,
    TaskRelationshipRegressorCV,
)
from mtlreg.estimators.trace_norm import (
    TraceNormClassifier,
    TraceNormClassifierCV,
    TraceNormRegressor,
    TraceNormRegressorCV,
)
from mtlreg.estimators.tree_group_lasso import (
    TreeGroupLassoClassifier,
    TreeGroupLassoClassifierCV,
    TreeGroupLassoRegressor,
    TreeGroupLassoRegressorCV,
)

# the classes of a stem: without and with cross-validation, regressor and classifier
STEMS = {
    "MeanRegularized": (
        MeanRegularizedRegressor,
        MeanRegularizedClassifier,
        MeanRegularizedRegressorCV,
        MeanRegularizedClassifierCV,
    ),
    "GroupLasso": (
        GroupLassoRegressor,
        GroupLassoClassifier,
        GroupLassoRegressorCV,
        GroupLassoClassifierCV,
    ),
    "TraceNorm": (
        TraceNormRegressor,
        TraceNormClassifier,
        TraceNormRegressorCV,
        TraceNormClassifierCV,
    ),
    "DirtyModel": (
        DirtyModelRegressor,
        DirtyModelClassifier,
        DirtyModelRegressorCV,
        DirtyModelClassifierCV,
    ),
    "FusedGroupLasso": (
        FusedGroupLassoRegressor,
        FusedGroupLassoClassifier,
        FusedGroupLassoRegressorCV,
        FusedGroupLassoClassifierCV,
    ),
    "TreeGroupLasso": (
        TreeGroupLassoRegressor,
        TreeGroupLassoClassifier,
        TreeGroupLassoRegressorCV,
        TreeGroupLassoClassifierCV,
    ),
    "TaskRelationship": (
        TaskRelationshipRegressor,
        TaskRelationshipClassifier,
        TaskRelationshipRegressorCV,
        TaskRelationshipClassifierCV,
    ),
    "CommonDeviation": (
        CommonDeviationRegressor,
        CommonDeviationClassifier,
        CommonDeviationRegressorCV,
        CommonDeviationClassifierCV,
    ),
    "RobustMean": (
        RobustMeanRegressor,
        RobustMeanClassifier,
        RobustMeanRegressorCV,
        RobustMeanClassifierCV,
    ),
    "RobustLowRank": (
        RobustLowRankRegressor,
        RobustLowRankClassifier,
        RobustLowRankRegressorCV,
        RobustLowRankClassifierCV,
    ),
    "SparseLowRank": (
        SparseLowRankRegressor,
        SparseLowRankClassifier,
        SparseLowRankRegressorCV,
        SparseLowRankClassifierCV,
    ),
    "RobustGroupLasso": (
        RobustGroupLassoRegressor,
        RobustGroupLassoClassifier,
        RobustGroupLassoRegressorCV,
        RobustGroupLassoClassifierCV,
    ),
    "GraphRegularized": (
        GraphRegularizedRegressor,
        GraphRegularizedClassifier,
        GraphRegularizedRegressorCV,
        GraphRegularizedClassifierCV,
    ),
    "Clustered": (
        ClusteredRegressor,
        ClusteredClassifier,
        ClusteredRegressorCV,
        ClusteredClassifierCV,
    ),
}

__all__ = [
    "STEMS",
    "ClusteredClassifier",
    "ClusteredClassifierCV",
    "ClusteredRegressor",
    "ClusteredRegressorCV",
    "CommonDeviationClassifier",
    "CommonDeviationClassifierCV",
    "CommonDeviationRegressor",
    "CommonDeviationRegressorCV",
    "CrossedMeanRegularizedRegressor",
    "DirtyModelClassifier",
    "DirtyModelClassifierCV",
    "DirtyModelRegressor",
    "DirtyModelRegressorCV",
    "FusedGroupLassoClassifier",
    "FusedGroupLassoClassifierCV",
    "FusedGroupLassoRegressor",
    "FusedGroupLassoRegressorCV",
    "GraphRegularizedClassifier",
    "GraphRegularizedClassifierCV",
    "GraphRegularizedRegressor",
    "GraphRegularizedRegressorCV",
    "GroupLassoClassifier",
    "GroupLassoClassifierCV",
    "GroupLassoRegressor",
    "GroupLassoRegressorCV",
    "MeanRegularizedClassifier",
    "MeanRegularizedClassifierCV",
    "MeanRegularizedRegressor",
    "MeanRegularizedRegressorCV",
    "PenalizedClassifier",
    "PenalizedClassifierCV",
    "PenalizedRegressor",
    "PenalizedRegressorCV",
    "ReducedRankRegressor",
    "ReducedRankRegressorCV",
    "RegularizationPath",
    "RobustGroupLassoClassifier",
    "RobustGroupLassoClassifierCV",
    "RobustGroupLassoRegressor",
    "RobustGroupLassoRegressorCV",
    "RobustLowRankClassifier",
    "RobustLowRankClassifierCV",
    "RobustLowRankRegressor",
    "RobustLowRankRegressorCV",
    "RobustMeanClassifier",
    "RobustMeanClassifierCV",
    "RobustMeanRegressor",
    "RobustMeanRegressorCV",
    "SparseLowRankClassifier",
    "SparseLowRankClassifierCV",
    "SparseLowRankRegressor",
    "SparseLowRankRegressorCV",
    "TaskRelationshipClassifier",
    "TaskRelationshipClassifierCV",
    "TaskRelationshipRegressor",
    "TaskRelationshipRegressorCV",
    "TraceNormClassifier",
    "TraceNormClassifierCV",
    "TraceNormRegressor",
    "TraceNormRegressorCV",
    "TreeGroupLassoClassifier",
    "TreeGroupLassoClassifierCV",
    "TreeGroupLassoRegressor",
    "TreeGroupLassoRegressorCV",
    "alpha_grid",
    "alpha_max",
    "regularization_path",
]
