"""
Stores and products: two groupings at once
==========================================

A row is a week of a product in a store, and the demand falls with the price. How much
it falls depends on the product, how much is sold at all on both. A model by product
knows nothing of stores, and pairs of both have hardly a row each: deviations by both
columns at once add up.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, train_test_split

from mtlreg import CrossedMeanRegularizedRegressor

rng = np.random.default_rng(0)
n, n_stores, n_products = 3000, 40, 100
store, product = rng.integers(0, n_stores, n), rng.integers(0, n_products, n)
price = rng.normal(size=n)
slopes = -2.0 + 0.8 * rng.normal(size=n_products)
levels = 1.5 * rng.normal(size=n_stores), 1.0 * rng.normal(size=n_products)
demand = 10.0 + levels[0][store] + levels[1][product] + slopes[product] * price
demand += 1.5 * rng.normal(size=n)
table = pd.DataFrame({"price": price, "store": store, "product": product})
train, test, y_train, y_test = train_test_split(table, demand, random_state=0)

# %%
# A strength for each column, chosen by cross-validation; ``unseen_task="mean"`` lets a
# row with a label that a fold has not seen go by its other label.

grid = 10.0 ** np.arange(-3, 2)
errors = {}
for columns in (["store"], ["product"], ["store", "product"]):
    rest = [name for name in ("store", "product") if name not in columns]
    pairs = np.stack(np.meshgrid(*[grid] * len(columns)), axis=-1)
    search = GridSearchCV(
        CrossedMeanRegularizedRegressor(columns, unseen_task="mean"),
        {"alpha": pairs.reshape(-1, len(columns)).tolist()},
    ).fit(train.drop(columns=rest), y_train)
    predicted = search.predict(test.drop(columns=rest))
    errors[" and ".join(columns)] = np.sqrt(np.mean((predicted - y_test) ** 2))
    print(f"{columns}: alpha={search.best_params_['alpha']}")

# %%
# The noise has the standard deviation 1.5, which no model can be better than.

fig, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
axes[0].bar(errors.keys(), errors.values())
axes[0].axhline(1.5, color="k", linestyle="--")
axes[0].set_ylabel("root mean squared error")
model = search.best_estimator_
found = model.common_coef_ + model.coef_["product"][:, 0]
axes[1].plot(slopes[model.tasks_["product"]], found, ".")
axes[1].axline((-2, -2), slope=1, color="k", linestyle="--")
axes[1].set_xlabel("slope of the product")
axes[1].set_ylabel("estimate")
