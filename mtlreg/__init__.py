"""Classical regularised multi-task learning with duality-gap certificates."""

from mtlreg.estimators import (
    DirtyModelClassifier,
    DirtyModelRegressor,
    GroupLassoClassifier,
    GroupLassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
    alpha_grid,
    alpha_max,
    regularization_path,
)
from mtlreg.tasks import stack_tasks

__version__ = "0.1.0"

__all__ = [
    "DirtyModelClassifier",
    "DirtyModelRegressor",
    "GroupLassoClassifier",
    "GroupLassoRegressor",
    "MeanRegularizedClassifier",
    "MeanRegularizedRegressor",
    "TraceNormClassifier",
    "TraceNormRegressor",
    "__version__",
    "alpha_grid",
    "alpha_max",
    "regularization_path",
    "stack_tasks",
]
