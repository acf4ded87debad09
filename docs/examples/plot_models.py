"""
One picture of every model
==========================

What has to be true of tasks for each model to help, as a picture: the true coefficients
of twelve tasks (rows) and fifteen features (columns), what a ridge regression of each
task finds in twenty-five rows, and what the model finds in the same rows. The number is
the squared distance from the truth.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import mtlreg
from mtlreg import MeanRegularizedRegressorCV
from mtlreg.datasets import make_multitask_regression

# strengths at an end of these short grids
warnings.filterwarnings("ignore", category=UserWarning)
SEARCH = {"alphas": 15, "cv": 3, "tol": 1e-4, "eps": 1e-2}


def make(structure, **options):
    return make_multitask_regression(
        12, 25, 15, structure=structure, rank=2, noise=1.5, random_state=1, **options
    )


def picture(name, model, data):
    """Draw the truth, separate fits and a model that chooses its strengths."""
    separate = MeanRegularizedRegressorCV(ratios=[1.0], intercept_ratios=[0.0])
    models = {"separate": separate.set_params(**SEARCH), name: model}
    shown = {"truth": data.coef}
    for name, model in models.items():
        coef = model.fit(data.X, data.y, tasks=data.tasks).coef_
        error = np.mean(np.sum((coef - data.coef) ** 2, axis=1))
        shown[f"{name}: {error:.2f}"] = coef
    fig, axes = plt.subplots(1, 3, figsize=(9, 2.6), sharey=True, layout="constrained")
    limit = np.quantile(np.abs(data.coef), 0.99)
    for ax, (name, coef) in zip(axes, shown.items(), strict=True):
        image = ax.imshow(coef, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
        ax.set(title=name, xlabel="feature", xticks=[], yticks=[])
    axes[0].set_ylabel("task")
    fig.colorbar(image, ax=axes, shrink=0.9)


# %%
# Tasks at one vector, more or less
# ---------------------------------

picture("MeanRegularized", mtlreg.MeanRegularizedRegressorCV(**SEARCH), make("mean"))

# %%
# The same features
# -----------------

picture("GroupLasso", mtlreg.GroupLassoRegressorCV(**SEARCH), make("group"))

# %%
# The same features, and some of a task's own
# -------------------------------------------

picture("DirtyModel", mtlreg.DirtyModelRegressorCV(**SEARCH), make("dirty"))

# %%
# A few combinations of features
# ------------------------------

picture("TraceNorm", mtlreg.TraceNormRegressorCV(**SEARCH), make("low_rank"))

# %%
# Tasks that are alike, opposite or unrelated
# -------------------------------------------

picture(
    "TaskRelationship", mtlreg.TaskRelationshipRegressorCV(**SEARCH), make("related")
)

# %%
# Clusters of tasks
# -----------------

picture("Clustered", mtlreg.ClusteredRegressorCV(**SEARCH), make("clusters"))

# %%
# Neighbours in a graph
# ---------------------

data = make("graph")
model = mtlreg.GraphRegularizedRegressorCV(graph=data.graph, **SEARCH)
picture("GraphRegularized", model, data)

# %%
# Tasks in an order
# -----------------

picture("FusedGroupLasso", mtlreg.FusedGroupLassoRegressorCV(**SEARCH), make("fused"))

# %%
# Branches of a tree
# ------------------

data = make("tree")
model = mtlreg.TreeGroupLassoRegressorCV(tree=data.tree, **SEARCH)
picture("TreeGroupLasso", model, data)

# %%
# One vector and deviations in single features
# --------------------------------------------

picture("CommonDeviation", mtlreg.CommonDeviationRegressorCV(**SEARCH), make("common"))

# %%
# One vector, but for outlier tasks
# ---------------------------------

picture("RobustMean", mtlreg.RobustMeanRegressorCV(**SEARCH), make("outliers"))

# %%
# A few combinations of features, but for outlier tasks
# -----------------------------------------------------

picture(
    "RobustLowRank",
    mtlreg.RobustLowRankRegressorCV(**SEARCH),
    make("low_rank_outliers"),
)

# %%
# A few combinations of features, but for single entries
# ------------------------------------------------------

picture(
    "SparseLowRank", mtlreg.SparseLowRankRegressorCV(**SEARCH), make("low_rank_sparse")
)

# %%
# The same features, but for outlier tasks
# ----------------------------------------

picture(
    "RobustGroupLasso",
    mtlreg.RobustGroupLassoRegressorCV(**SEARCH),
    make("group_outliers"),
)

# %%
# The same features, which are not shrunken
# -----------------------------------------

model = mtlreg.GroupLassoRegressorCV(shape="log", **SEARCH)
picture("shape='log'", model, make("group"))

# %%
# A given rank
# ------------
# Of one X for all tasks, and with a ridge.

data = make("low_rank", shared_X=True)
picture("ReducedRank", mtlreg.ReducedRankRegressorCV(ridge=0.1), data)
plt.show()
