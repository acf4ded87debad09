"""The estimators of all stems, and small tables for them."""

import numpy as np
import pandas as pd
import polars as pl

from mtlreg import MeanRegularizedRegressor, MeanRegularizedRegressorCV
from mtlreg.estimators import STEMS
from tests.estimators.oracles import STEM_ORACLES

REGRESSORS, CLASSIFIERS, CV_REGRESSORS, CV_CLASSIFIERS = (
    list(classes) for classes in zip(*STEMS.values(), strict=True)
)
ESTIMATORS = [*REGRESSORS, *CLASSIFIERS]
CV_ESTIMATORS = [*CV_REGRESSORS, *CV_CLASSIFIERS]
STEM_OF = {cls: stem for stem, classes in STEMS.items() for cls in classes}

# parameters that one class has beside those of its stem
OF_ITS_OWN = {MeanRegularizedRegressorCV: "per_feature=False"}
# what a class has beside, or sets with other parameters than its defaults
BY_RULE = ["coef_std_", "mean_coef_std_", "reliability_"]
OTHERWISE = {
    **{cls: ["optimality_"] for cls in STEMS["GroupLasso"]},
    MeanRegularizedRegressor: BY_RULE,
    MeanRegularizedRegressorCV: [
        *BY_RULE,
        "noise_variance_",
        "task_variance_",
        "intercept_variance_",
        "singular_",
        "log_likelihood_",
    ],
}

# every penalty that an estimator can have, by stem and its own parameters
PENALTIES = {
    name: (stem, params)
    for stem in STEMS
    for name, params in STEM_ORACLES[stem].cases.items()
}
KINDS = ["regressor", "classifier"]

FEATURES = ["a", "b", "c", "d"]
SCHOOLS = np.array(["s", "n", "w"], dtype=object)


def oracle_of(estimator):
    """The oracle of the stem of an estimator or class, derived ones too."""
    cls = estimator if isinstance(estimator, type) else type(estimator)
    (stem,) = {STEM_OF[base] for base in cls.__mro__ if base in STEM_OF}
    return STEM_ORACLES[stem]


def penalty_of(estimator):
    """The penalty that the parameters of an estimator without CV state."""
    return oracle_of(estimator).penalty(estimator)


def one_of_a_kind(classes):
    """The first class of each kind of penalty, for what no other stem can change."""
    kinds = {}
    for cls in classes:
        penalty = penalty_of(plain_of(cls)() if cls in CV_ESTIMATORS else cls())
        kind = penalty.is_gauge, penalty.row_separable, penalty.n_blocks
        kinds.setdefault((*kind, is_classifier(cls)), cls)
    return list(kinds.values())


def plain_of(cls):
    """The class without cross-validation of one with it."""
    return STEMS[STEM_OF[cls]][is_classifier(cls)]


def make(penalty, kind, strength=None, **params):
    """An estimator of a penalty; ``strength`` multiplies its default strengths."""
    stem, own = PENALTIES[penalty]
    estimator = STEMS[stem][KINDS.index(kind)](**own | params)
    return estimator if strength is None else scaled(estimator, strength)


def is_gauge(name):
    return penalty_of(make(name, "regressor")).is_gauge


def scaled(estimator, factor):
    """The estimator with all strengths multiplied."""
    names = estimator._strengths
    if type(estimator)().ridge:
        names = (*names, "ridge")  # without which there need not be an optimum
    values = {name: getattr(estimator, name) for name in names}
    return estimator.set_params(**{k: factor * v for k, v in values.items()})


def is_classifier(estimator):
    return hasattr(estimator, "predict_proba")


def by_rows(name):
    """Whether it is a sum over features, which may have no weight or a sign."""
    return penalty_of(make(name, "regressor")).row_separable


def has_one_block(name):
    """Whether the variable is A, not two blocks of which it is the sum."""
    return penalty_of(make(name, "regressor")).n_blocks == 1


def has_center(name):
    """Whether all tasks have something in common that it leaves free."""
    return penalty_of(make(name, "regressor")).free_directions(1).size > 0


def with_optimum(penalty):
    """A ridge for what all tasks have in common, of which the classes are apart."""
    return {"ridge": 0.01} if has_center(penalty) else {}


GAUGES = [name for name in PENALTIES if is_gauge(name) and not has_center(name)]
# one sum of two blocks for all, where it is the kind that counts
ONE_SUM = [name for name in GAUGES if not has_one_block(name)][:1]
EACH_KIND = [
    name
    for name in PENALTIES
    if has_one_block(name) or has_center(name) or name in ONE_SUM
]


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
