"""
Few rows a task, the same features for all
==========================================

Twenty tasks with fifteen rows each and forty features, four of which matter, the same
four in every task. Fifteen rows say little about forty coefficients: a lasso for each
task picks features at random. The group lasso takes a feature for all tasks or for
none, so that three hundred rows decide which. The predictions of new rows show what
that is worth, and the duality gap shows that the solver got there.
"""

import matplotlib.pyplot as plt
import numpy as np

from mtlreg import GroupLassoRegressorCV
from mtlreg.datasets import make_multitask_regression

train = make_multitask_regression(
    n_tasks=20,
    n_samples=30,
    n_features=40,
    n_informative=4,
    noise=2.0,
    random_state=0,
)
held_out = np.arange(len(train.y)) % 2 == 1
X, y, tasks = (values[~held_out] for values in (train.X, train.y, train.tasks))

# %%
# Both choose their strength by cross-validation, with folds inside every task.
# ``l1_ratio=1`` ties nothing together: it is a lasso for each task, of one strength.

models = {
    "a lasso for each task": GroupLassoRegressorCV(l1_ratio=1.0, alphas=30, eps=0.01),
    "group lasso": GroupLassoRegressorCV(l1_ratio=0.0, alphas=30, eps=0.01),
}
for name, model in models.items():
    model.fit(X, y, tasks=tasks)
    left = train.y[held_out] - model.predict(
        train.X[held_out], tasks=train.tasks[held_out]
    )
    print(
        f"{name}: error {np.sqrt(np.mean(left**2)):.2f} on new rows (noise 2), "
        f"{np.count_nonzero(model.support_)} features used, "
        f"gap {model.dual_gap_:.1e}"
    )

# %%
# The coefficients, a row a task and a column a feature, beside those that made the
# data.

panels = {"truth": train.coef} | {name: m.coef_ for name, m in models.items()}
largest = np.abs(train.coef).max()
figure, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
for ax, (name, coef) in zip(axes, panels.items(), strict=True):
    image = ax.imshow(coef, cmap="PuOr", vmin=-largest, vmax=largest, aspect="auto")
    ax.set(title=name, xlabel="feature")
axes[0].set(ylabel="task", yticks=range(0, 20, 5))
figure.colorbar(image, ax=axes, label="coefficient")
plt.show()
