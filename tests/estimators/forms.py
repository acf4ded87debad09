"""One table, in every form in which estimators take tasks."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import KFold

from mtlreg import GroupLassoClassifier, GroupLassoRegressor
from tests.estimators.cases import FEATURES, SCHOOLS, draw

FOLDS = KFold(3, shuffle=True, random_state=0)


@dataclass
class Form:
    """The data, in one of the forms in which an estimator takes tasks.

    Attributes
    ----------
    X, y : array or frame, array
    metadata : dict of array
        What is said beside X and y: the tasks, or nothing.
    column : str, int or None
        ``task_column`` of the estimators.
    kind : {"regressor", "classifier"}
    """

    X: object
    y: np.ndarray
    metadata: dict = field(default_factory=dict)
    column: object = None
    kind: str = "regressor"

    def estimator(self, **params):
        cls = GroupLassoRegressor
        if self.kind == "classifier":
            cls = GroupLassoClassifier
        return cls(**{"alpha": 0.05, "task_column": self.column} | params)

    def of(self, rows):
        """The arguments of `fit` for some rows."""
        X = self.X.iloc[rows] if isinstance(self.X, pd.DataFrame) else self.X[rows]
        metadata = {name: values[rows] for name, values in self.metadata.items()}
        return X, self.y[rows], metadata

    def fit(self, rows=slice(None), estimator=None, y=None):
        """An estimator fitted to some rows, without any tool."""
        X, own, metadata = self.of(rows)
        estimator = clone(self.estimator() if estimator is None else estimator)
        return estimator.fit(X, own if y is None else y, **metadata)

    def predict(self, model, rows=slice(None), method="predict"):
        X, _, metadata = self.of(rows)
        return getattr(model, method)(X, **metadata)

    def score(self, model, rows=slice(None)):
        X, y, metadata = self.of(rows)
        return model.score(X, y, **metadata)

    def by_folds(self, estimator=None):
        """The score of every fold."""
        return [
            self.score(self.fit(train, estimator), test)
            for train, test in FOLDS.split(self.X)
        ]

    def other_features(self, columns):
        """The form with some features only, given by their positions in FEATURES."""
        labels = [column for column in [self.column] if column is not None]
        if isinstance(self.X, pd.DataFrame):
            X = self.X[[FEATURES[j] for j in columns] + labels]
        else:
            X = self.X[:, [*columns, *labels]]
        return Form(X, self.y, self.metadata, self.column, self.kind)


def form(name, kind="regressor"):
    X, y, tasks = draw(kind, n=48, layout="columns" if name == "2-D y" else "rows")
    if name == "tasks=":
        return Form(X, y, {"tasks": tasks}, kind=kind)
    if name == "name":
        table = pd.DataFrame(X, columns=FEATURES)
        table["school"] = SCHOOLS[tasks]
        return Form(table, y, column="school", kind=kind)
    if name == "position":
        return Form(np.column_stack([X, tasks]), y, column=-1, kind=kind)
    return Form(X, y, kind=kind)
