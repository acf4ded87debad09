"""
Elastic net, weights and signs
==============================

Twelve tasks with few rows each. Two features are nearly copies of each other, demand is
known not to fall with any of the first four, and the last column is known only after
the fact. Three options that every estimator has say so: ``ridge``, ``positive`` and
``feature_weight``. A fit with them is certified like any other.
"""

import matplotlib.pyplot as plt
import numpy as np

from mtlreg import GroupLassoRegressor, alpha_max

rng = np.random.default_rng(0)
n_tasks, n_rows, n_features = 12, 40, 10
tasks = np.repeat(np.arange(n_tasks), n_rows)
X = rng.normal(size=(len(tasks), n_features))
X[:, 1] = X[:, 0] + 0.05 * rng.normal(size=len(X))  # nearly a copy
truth = np.zeros((n_tasks, n_features))
truth[:, :4] = rng.uniform(0.2, 1.0, size=(n_tasks, 4))
y = np.sum(X * truth[tasks], axis=1) + rng.normal(size=len(tasks))
X[:, 9] = y + 2 * rng.normal(size=len(tasks))  # known after the fact

# %%
# An infinite weight excludes a feature; any other multiplies the strength of the
# penalty for it, so that a feature of weight 2 has to explain twice as much. Of two
# features that are copies, a group lasso takes what noise prefers; with a ridge they
# share the work. With signs, no noise is bought with coefficients of the wrong one.

options = {
    "group lasso": {},
    "the last excluded": {"feature_weight": [1.0] * 9 + [np.inf]},
}
options["ridge too"] = {"ridge": 0.3, **options["the last excluded"]}
options["signs too"] = {"positive": True, **options["ridge too"]}
figure, axes = plt.subplots(1, 4, figsize=(11, 3.5), sharey=True, layout="constrained")
for ax, (name, chosen) in zip(axes, options.items(), strict=True):
    model = GroupLassoRegressor(alpha=0.15, **chosen).fit(X, y, tasks=tasks)
    image = ax.imshow(model.coef_, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    ax.set(title=name, xlabel="feature")
    error = np.sqrt(np.mean((model.coef_ - truth) ** 2))
    print(f"{name}: error of the coefficients {error:.3f}, gap {model.dual_gap_:.1e}")
axes[0].set(ylabel="task")
figure.colorbar(image, ax=axes, label="coefficient")
plt.show()

# %%
# A ridge does not move the strength from which on no feature is used, and a path or a
# search leaves it as it is.

for name, chosen in options.items():
    largest = alpha_max(GroupLassoRegressor(**chosen), X, y, tasks=tasks)
    print(f"{name}: alpha_max {largest:.3f}")
