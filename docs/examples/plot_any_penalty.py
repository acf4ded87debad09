"""
A model of your own: low rank, but for some entries
===================================================

Thirty tasks share a subspace of two dimensions, but four of their coefficients are off.
The trace norm has to find a subspace that explains these as well. A sum of two
penalties, the trace norm for what is shared and the L1 norm for the rest, needs no
estimator of its own: `PenalizedRegressor` takes any penalty as an object, chooses its
strengths like those of any other estimator, and certifies the fit.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from mtlreg import PenalizedRegressor
from mtlreg.model_selection import TaskKFold
from mtlreg.penalties import L1, InfimalSum, TraceNorm

rng = np.random.default_rng(0)
n_tasks, n_features, n_rows = 30, 15, 20
truth = rng.normal(size=(n_tasks, 2)) @ rng.normal(size=(2, n_features))
outliers = np.zeros_like(truth)
outliers[[3, 9, 17, 25], [2, 11, 6, 13]] = [8.0, -8.0, 8.0, -8.0]

tasks = np.repeat(np.arange(n_tasks), 2 * n_rows)
X = rng.normal(size=(len(tasks), n_features))
y = np.sum(X * (truth + outliers)[tasks], axis=1) + rng.normal(size=len(tasks))
table = np.column_stack([tasks, X])  # the first column says which task a row is of
train = np.arange(len(tasks)) % 2 == 0

# %%
# The fields of a penalty are parameters of the estimator, and so are those of its
# parts: a grid search sets them as it sets any other.

shared, entries = np.geomspace(0.05, 1.0, 6), np.geomspace(0.02, 0.4, 6)
searches = {
    "trace norm": (TraceNorm(1.0), {"penalty__alpha": shared}),
    "trace norm and L1": (
        InfimalSum(TraceNorm(1.0), L1(1.0)),
        {"penalty__first__alpha": shared, "penalty__second__alpha": entries},
    ),
}
folds = TaskKFold(5, task_column=0, random_state=0)
fitted = {}
for name, (penalty, grid) in searches.items():
    model = PenalizedRegressor(penalty, task_column=0, tol=1e-5)
    search = GridSearchCV(model, grid, cv=folds).fit(table[train], y[train])
    fitted[name] = search.best_estimator_
    left = y[~train] - search.predict(table[~train])
    print(
        f"{name}: error {np.sqrt(np.mean(left**2)):.2f} on new rows (noise 1), "
        f"gap {fitted[name].dual_gap_:.1e}, {fitted[name].penalty}"
    )

# %%
# ``blocks_`` are the parts whose sum ``coef_`` is: what the tasks share, and the
# entries that they do not.

low_rank, rest = fitted["trace norm and L1"].blocks_
panels = {
    "trace norm: coef_": fitted["trace norm"].coef_,
    "both: blocks_[0], shared": low_rank,
    "both: blocks_[1], entries": rest,
    "truth: entries": outliers,
}
figure, axes = plt.subplots(1, 4, figsize=(11, 3.5), sharey=True, layout="constrained")
for ax, (name, coef) in zip(axes, panels.items(), strict=True):
    image = ax.imshow(coef, cmap="PuOr", vmin=-8, vmax=8, aspect="auto")
    ax.set(title=name, xlabel="feature")
axes[0].set(ylabel="task")
figure.colorbar(image, ax=axes, label="coefficient")
plt.show()
