"""
Targets on different scales
===========================

Six sensors at the same sites measure what depends on the same four of twenty features,
but each in units of its own: volts, pascals, parts per million. A penalty compares the
coefficients of tasks, so that the sensor with the largest numbers decides alone which
features are used and how strong the penalty is. ``normalize_y=True`` fits every target
in units of its own standard deviation; coefficients, intercepts and predictions are in
the units of y all the same. `mtlreg.metrics.task_rrmse` compares errors across units: 1
is what predicting the training mean would give.
"""

import matplotlib.pyplot as plt
import numpy as np

from mtlreg import GroupLassoRegressorCV
from mtlreg.datasets import make_multitask_regression
from mtlreg.metrics import task_rrmse

data = make_multitask_regression(
    n_tasks=6,
    n_samples=60,
    n_features=20,
    n_informative=4,
    noise=2.0,
    shared_X=True,
    random_state=1,
)
units = np.array([1e-3, 1.0, 1e2, 1.0, 1e4, 1e-2])
X, Y = data.X, data.y * units
train = np.arange(len(X)) % 2 == 0
means = Y[train].mean(axis=0)

errors = {}
for normalize_y in (False, True):
    model = GroupLassoRegressorCV(normalize_y=normalize_y, alphas=30, eps=0.01)
    model.fit(X[train], Y[train])
    errors[normalize_y] = task_rrmse(
        Y[~train], model.predict(X[~train]), reference=means, multioutput="raw_values"
    )
    print(
        f"normalize_y={normalize_y}: {np.count_nonzero(model.support_)} features used, "
        f"relative errors {np.round(errors[normalize_y], 2)}"
    )

# %%
# In the units of y the objective is that of the fifth sensor, and the errors of the
# others come on top.

figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
place = np.arange(len(units))
ax.bar(place - 0.2, errors[False], 0.4, label="in the units of y")
ax.bar(place + 0.2, errors[True], 0.4, label="normalize_y=True")
ax.axhline(1.0, color="0.5", lw=1)
ax.set(ylabel="error / that of the mean", xticks=place)
ax.set_xticklabels([f"unit {unit:g}" for unit in units])
ax.legend()
plt.show()
