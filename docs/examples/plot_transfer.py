"""
Does sharing help, and where?
=============================

Twenty-four tasks with twelve rows each. Those of the first cluster have nearly the same
coefficients, and so have those of a smaller second one, but others. Drawing all tasks
to one mean helps the first and may hurt the second: a transfer report says so task by
task, and the similarity of the fitted tasks shows why.
"""

import matplotlib.pyplot as plt
import numpy as np

from mtlreg import MeanRegularizedRegressorCV, TaskRelationshipRegressorCV
from mtlreg.inspection import transfer_report
from mtlreg.plotting import (
    CoefficientDisplay,
    CVCurveDisplay,
    TaskSimilarityDisplay,
    TransferGainDisplay,
)

rng = np.random.default_rng(0)
n_tasks, n_rows, n_features = 24, 12, 8
second = np.arange(n_tasks) >= 18
centers = rng.normal(size=(2, n_features))
coef = centers[second.astype(int)] + 0.2 * rng.normal(size=(n_tasks, n_features))
names = np.array([f"{'AB'[int(b)]}{t:02d}" for t, b in enumerate(second)])
codes = np.repeat(np.arange(n_tasks), n_rows)
X, tasks = rng.normal(size=(len(codes), n_features)), names[codes]
y = np.sum(X * coef[codes], axis=1) + 1.5 * rng.normal(size=len(codes))

# %%
# The gain of every task over a ridge of its own, on rows that are left out. Bars are
# one standard error; a cross would mark a task that is shown to lose. Twelve rows say
# little of a single task, whose bar may well cross 0, and more of all of them.

models = {
    "one mean": MeanRegularizedRegressorCV(alphas=12, intercept_ratios=[0.0]),
    "a learned covariance": TaskRelationshipRegressorCV(alphas=12),
}
figure, axes = plt.subplots(1, 2, figsize=(11, 6), sharex=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    report = transfer_report(model, X, y, tasks=tasks, baselines=["independent"])
    print(f"{name}: {report.conclusion}\n")
    TransferGainDisplay.from_report(report, ax=ax)
    ax.set_title(name, pad=40)

# %%
# The learned covariance finds the two clusters. Its coefficients are in the same order.

model = models["a learned covariance"].fit(X, y, tasks=tasks)
TaskSimilarityDisplay.from_estimator(model)
CoefficientDisplay.from_estimator(model)

# %%
# How strong it is was chosen by cross-validation.

CVCurveDisplay.from_estimator(model)
plt.show()
