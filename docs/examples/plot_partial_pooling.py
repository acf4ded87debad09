"""
Partial pooling without cross-validation: mixed models
======================================================

Forty groups have a line each, seen through two to twelve noisy points. A line for each
group follows the noise, one line for all misses the groups. A mixed model is in
between, by how much the groups differ, how noisy the rows are, and how many a group
has: mean regularisation at the strengths that restricted maximum likelihood finds.
"""

import matplotlib.pyplot as plt
import numpy as np

from mtlreg import MeanRegularizedRegressor, MeanRegularizedRegressorCV

rng = np.random.default_rng(1)
n_groups = 40
groups = np.repeat(np.arange(n_groups), rng.integers(2, 13, n_groups))
intercepts = 5.0 + 1.5 * rng.normal(size=n_groups)
slopes = 1.0 + 0.5 * rng.normal(size=n_groups)
x = rng.uniform(-2, 2, len(groups))
y = intercepts[groups] + slopes[groups] * x + 1.5 * rng.normal(size=len(groups))

# %%
# The variances are estimated from all groups together, in milliseconds.

model = MeanRegularizedRegressorCV(
    cv="reml", task_weight="proportional", unseen_task="mean"
).fit(x[:, None], y, tasks=groups)
for name, truth in [("intercept", 1.5), ("task", 0.5), ("noise", 1.5)]:
    found = np.sqrt(getattr(model, f"{name}_variance_"))
    print(f"standard deviation, {name}: {found:.2f} (true: {truth})")

# %%
# The lines of groups with few points are drawn to the common line; ``reliability_``
# says how far an intercept is its own. The bands are two standard deviations of the
# line of the group, wider where there is less to learn it from.

alone = MeanRegularizedRegressor(1e-8, alpha_mean=1e-8).fit(x[:, None], y, tasks=groups)
sizes = np.bincount(groups)
shown = np.argsort(sizes)[[0, 13, 26, 39]]
grid = np.linspace(-2, 2, 50)
fig, axes = plt.subplots(1, 4, figsize=(11, 3), sharey=True, layout="constrained")
for axis, group in zip(axes, shown, strict=True):
    here = np.full(50, group)
    mean, std = model.predict(grid[:, None], tasks=here, return_std=True)
    axis.fill_between(grid, mean - 2 * std, mean + 2 * std, alpha=0.2)
    axis.plot(grid, mean, label="mixed model")
    axis.plot(grid, alone.predict(grid[:, None], tasks=here), ":", label="alone")
    axis.plot(grid, intercepts[group] + slopes[group] * grid, "k--", label="truth")
    axis.plot(x[groups == group], y[groups == group], "k.")
    share = model.reliability_[group]
    axis.set_title(f"{sizes[group]} points, reliability {share:.2f}")
    axis.set_xlabel("x")
axes[0].set_ylabel("y")
axes[0].legend()

# %%
# On the true lines, the mixed model is nearer than either extreme. A group that the fit
# has not seen gets the common line, and standard deviations that include how much
# groups differ.

lines = intercepts + np.outer(grid, slopes)
pooled = np.polynomial.Polynomial.fit(x, y, 1)(grid)[:, None]
for name, found in [
    ("one line for all", pooled),
    ("a line for each group", alone.intercept_ + np.outer(grid, alone.coef_[:, 0])),
    ("mixed model", model.intercept_ + np.outer(grid, model.coef_[:, 0])),
]:
    error = np.sqrt(np.mean((found - lines) ** 2))
    print(f"{name}: root mean squared error {error:.2f}")
mean, std = model.predict([[0.0]], tasks=[99], return_std=True)
print(f"a new group at x = 0: {mean[0]:.2f} +- {std[0]:.2f}")
