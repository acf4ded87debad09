"""scikit-learn estimators: which loss, which penalty."""

from mtlreg.estimators.dirty_model import DirtyModelClassifier, DirtyModelRegressor
from mtlreg.estimators.group_lasso import GroupLassoClassifier, GroupLassoRegressor
from mtlreg.estimators.mean_regularized import (
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
)
from mtlreg.estimators.paths import RegularizationPath, regularization_path
from mtlreg.estimators.strengths import alpha_grid, alpha_max
from mtlreg.estimators.trace_norm import TraceNormClassifier, TraceNormRegressor

__all__ = [
    "DirtyModelClassifier",
    "DirtyModelRegressor",
    "GroupLassoClassifier",
    "GroupLassoRegressor",
    "MeanRegularizedClassifier",
    "MeanRegularizedRegressor",
    "RegularizationPath",
    "TraceNormClassifier",
    "TraceNormRegressor",
    "alpha_grid",
    "alpha_max",
    "regularization_path",
]
