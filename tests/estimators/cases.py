"""The eight estimators, and small tables for them."""

import numpy as np
import pandas as pd
import polars as pl

from mtlreg import (
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
)

STEMS = {
    "MeanRegularized": (MeanRegularizedRegressor, MeanRegularizedClassifier),
    "GroupLasso": (GroupLassoRegressor, GroupLassoClassifier),
    "TraceNorm": (TraceNormRegressor, TraceNormClassifier),
    "DirtyModel": (DirtyModelRegressor, DirtyModelClassifier),
}
REGRESSORS = [pair[0] for pair in STEMS.values()]
CLASSIFIERS = [pair[1] for pair in STEMS.values()]
ESTIMATORS = [*REGRESSORS, *CLASSIFIERS]
CV_REGRESSORS = [
    MeanRegularizedRegressorCV,
    GroupLassoRegressorCV,
    TraceNormRegressorCV,
    DirtyModelRegressorCV,
]
CV_CLASSIFIERS = [
    MeanRegularizedClassifierCV,
    GroupLassoClassifierCV,
    TraceNormClassifierCV,
    DirtyModelClassifierCV,
]
CV_ESTIMATORS = [*CV_REGRESSORS, *CV_CLASSIFIERS]

# every penalty that an estimator can have, by stem and its own parameters
PENALTIES = {
    "mean": ("MeanRegularized", {}),
    "l21": ("GroupLasso", {}),
    "l1linf": ("GroupLasso", {"norm": "linf"}),
    "l1": ("GroupLasso", {"l1_ratio": 1.0}),
    "sparse-l2": ("GroupLasso", {"l1_ratio": 0.5}),
    "sparse-linf": ("GroupLasso", {"l1_ratio": 0.3, "norm": "linf"}),
    "trace": ("TraceNorm", {}),
    "dirty-linf": ("DirtyModel", {}),
    "dirty-l2": ("DirtyModel", {"norm": "l2"}),
}
GAUGES = [name for name in PENALTIES if name != "mean"]
KINDS = ["regressor", "classifier"]

FEATURES = ["a", "b", "c", "d"]
SCHOOLS = np.array(["s", "n", "w"], dtype=object)


def make(penalty, kind, strength=None, **params):
    """An estimator of a penalty; ``strength`` multiplies its default strengths."""
    stem, own = PENALTIES[penalty]
    estimator = STEMS[stem][KINDS.index(kind)](**own, **params)
    return estimator if strength is None else scaled(estimator, strength)


def scaled(estimator, factor):
    """The estimator with all strengths multiplied."""
    values = {name: getattr(estimator, name) for name in estimator._strengths}
    return estimator.set_params(**{k: factor * v for k, v in values.items()})


def is_classifier(estimator):
    return hasattr(estimator, "predict_proba")


def draw(kind="regressor", n=60, d=4, n_tasks=3, layout="rows", seed=0):
    """X, y and tasks (None but for the layout "rows"), with targets that X explains."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + rng.normal(size=d)
    coef = rng.normal(size=(n_tasks, d)) + rng.normal(size=d)
    Z = X @ coef.T + rng.normal(size=n_tasks) + 0.5 * rng.normal(size=(n, n_tasks))
    tasks = None
    if layout == "rows":
        tasks = rng.permutation(np.arange(n) % n_tasks)
        Z = Z[np.arange(n), tasks]
    elif layout == "single":
        Z = Z[:, 0]
    if kind == "classifier":
        Z = np.where(Z - np.median(Z, axis=0) > 0.0, 1.0, 0.0)
    return X, Z, tasks


def table_of(library, X, labels):
    """X with the column "school" in third place, as a frame or an object array."""
    columns = dict(zip(FEATURES, X.T, strict=True))
    ordered = {"a": columns["a"], "b": columns["b"], "school": list(labels)}
    ordered |= {"c": columns["c"], "d": columns["d"]}
    if library == "pandas":
        return pd.DataFrame(ordered)
    if library == "polars":
        return pl.DataFrame(ordered)
    return np.array(list(zip(*ordered.values(), strict=True)), dtype=object)


def school_table(library, kind, seed=0):
    """A table with string labels, the target, and the ``task_column`` to name."""
    X, y, tasks = draw(kind, seed=seed)
    table = table_of(library, X, SCHOOLS[tasks])
    return table, y, (2 if library == "object" else "school")
