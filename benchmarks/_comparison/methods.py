"""The methods that are compared: mtlreg's estimators and what one would use else."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import mtlreg
from mtlreg.report.pipelines import SHARES


class Search(NamedTuple):
    """How all methods choose their strengths: the same folds, as many strengths."""

    cv: list
    n_strengths: int
    tol: float


class Fitted(NamedTuple):
    """A fitted method: predictions (or decisions) at cells, what it chose, its gap."""

    predict: Any
    strengths: dict
    gap: float


@dataclass(frozen=True)
class MultiTask:
    """An estimator of mtlreg that chooses its strengths by cross-validation.

    Parameters
    ----------
    name, stem : str
        As the report and as the package call it.
    parameters : dict
        Those that are not the default.
    pooled : bool
        One model for the rows of all tasks.
    shares : str
        What the tasks share; "" for a baseline.
    """

    name: str
    stem: str
    parameters: dict = field(default_factory=dict)
    pooled: bool = False
    shares: str = ""

    def admits(self, table):
        return not (self.pooled and table.task_column is None)

    def fit(self, part, classifier, search):
        estimator = getattr(mtlreg, self.stem + kind(classifier) + "CV")
        model = estimator(
            task_column=None if self.pooled else part.task_column,
            alphas=search.n_strengths,
            cv=search.cv,
            tol=search.tol,
            **self.parameters,
        )
        model.fit(self._features(part), part.y)
        method = model.decision_function if classifier else model.predict

        def predict(part):
            z = method(self._features(part))
            return z if z.ndim == 1 else z[part.rows, part.tasks]

        names = model._model_class._strengths
        strengths = {name: getattr(model, f"{name}_") for name in names}
        gap = model.dual_gap_ / part.null_objective(classifier, self.pooled)
        return Fitted(predict, strengths, gap)

    def _features(self, part):
        return part.features if self.pooled else part.X


@dataclass(frozen=True)
class OneModel:
    """A model of scikit-learn for all rows, which has the task as one more feature.

    Parameters
    ----------
    name : str
    regressor, classifier : callable
        ``(n_cells, n_strengths)`` -> estimator, parameter to choose, its values.
    encoder : transformer
        Of the task.
    of_columns : bool
        Whether columns of y are tasks to it: an intercept each would be all they get
        if the model were additive.
    """

    name: str
    regressor: Any
    classifier: Any
    encoder: Any
    of_columns: bool
    shares: str = ""

    def admits(self, table):
        return self.of_columns or table.task_column is not None

    def fit(self, part, classifier, search):
        make = self.classifier if classifier else self.regressor
        model, name, values = make(len(part.rows), search.n_strengths)
        folds = [
            [np.flatnonzero(np.isin(part.rows, rows)) for rows in fold]
            for fold in search.cv
        ]
        model = make_pipeline(
            make_column_transformer((self.encoder, [0]), remainder="passthrough"),
            GridSearchCV(
                model,
                {name: values},
                scoring="neg_log_loss" if classifier else "neg_mean_squared_error",
                cv=folds,
            ),
        ).fit(self._features(part), part.targets)
        method = model.decision_function if classifier else model.predict
        return Fitted(
            lambda part: method(self._features(part)), model[-1].best_params_, np.nan
        )

    def _features(self, part):
        return np.column_stack([part.tasks, part.features.to_numpy()[part.rows]])


def kind(classifier):
    return "Classifier" if classifier else "Regressor"


def ridge(n_cells, n_strengths):
    return Ridge(tol=1e-6), "alpha", n_cells * np.geomspace(1e-5, 10, n_strengths)


def logistic(n_cells, n_strengths):
    values = 1 / (n_cells * np.geomspace(1e-5, 10, n_strengths))
    return LogisticRegression(max_iter=1000), "C", values


# few rows a task: small trees, and their number from a short list
SMALL = {"max_leaf_nodes": 8, "min_samples_leaf": 5, "categorical_features": [0]}
SMALL |= {"early_stopping": False, "random_state": 0}
N_TREES = [25, 100]


def boosted_regression(n_cells, n_strengths):
    return HistGradientBoostingRegressor(**SMALL), "max_iter", N_TREES


def boosted_classification(n_cells, n_strengths):
    return HistGradientBoostingClassifier(**SMALL), "max_iter", N_TREES


SEPARATE = "separate fits"
POOLED = "pooled fit"
DUMMIES = "pooled, task dummies"
BOOSTING = "gradient boosting"
# of mean regularisation: a ridge for each task
INDEPENDENT = {"ratios": [1.0], "intercept_ratios": [0.0]}
METHODS = [
    MultiTask(SEPARATE, "MeanRegularized", INDEPENDENT),
    MultiTask(POOLED, "MeanRegularized", INDEPENDENT, pooled=True),
    OneModel(
        DUMMIES,
        ridge,
        logistic,
        OneHotEncoder(handle_unknown="ignore"),
        of_columns=False,
    ),
    OneModel(
        BOOSTING,
        boosted_regression,
        boosted_classification,
        # boosting takes 255 categories at most: the smallest tasks count as one
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=250
        ),
        of_columns=True,
    ),
    *(MultiTask(stem, stem, shares=what) for stem, what in SHARES.items()),
]
