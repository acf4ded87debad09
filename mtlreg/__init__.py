"""Classical regularised multi-task learning with duality-gap certificates."""

from mtlreg.estimators import (
    DirtyModelClassifier,
    DirtyModelClassifierCV,
    DirtyModelRegressor,
    DirtyModelRegressorCV,
    GroupLassoClassifier,
    GroupLassoClassifierCV,
    GroupLassoRegressor,
    GroupLassoRegressorCV,
    MeanRegularizedClassifier,
    MeanRegularizedClassifierCV,
    MeanRegularizedRegressor,
    MeanRegularizedRegressorCV,
    TraceNormClassifier,
    TraceNormClassifierCV,
    TraceNormRegressor,
    TraceNormRegressorCV,
    alpha_grid,
    alpha_max,
    regularization_path,
)
from mtlreg.inputs.stack import stack_tasks

__version__ = "0.1.0"

__all__ = [
    "DirtyModelClassifier",
    "DirtyModelClassifierCV",
    "DirtyModelRegressor",
    "DirtyModelRegressorCV",
    "GroupLassoClassifier",
    "GroupLassoClassifierCV",
    "GroupLassoRegressor",
    "GroupLassoRegressorCV",
    "MeanRegularizedClassifier",
    "MeanRegularizedClassifierCV",
    "MeanRegularizedRegressor",
    "MeanRegularizedRegressorCV",
    "TraceNormClassifier",
    "TraceNormClassifierCV",
    "TraceNormRegressor",
    "TraceNormRegressorCV",
    "__version__",
    "alpha_grid",
    "alpha_max",
    "regularization_path",
    "stack_tasks",
]
