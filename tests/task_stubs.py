"""Estimators that only read their input, and small tables for them."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from mtlreg.inputs.read import read_fit_input, read_predict_input
from mtlreg.inputs.targets import read_score_target

N, D = 12, 3
FEATURES = ["a", "b", "c"]
SCHOOLS = np.array(["s", "n", "w"] * 4, dtype=object)
TEXT, INTS, BOOLS = SCHOOLS.tolist(), [3, -1, 2] * 4, [True, False, True] * 4
DATES = [datetime.date(2024, 1 + k, 1) for k in (2, 0, 1)] * 4
TIMES = [datetime.datetime(2024, 1, 1, 3 * k) for k in (2, 0, 1)] * 4
BINARY = np.tile([[0, 1], [1, 0], [1, 1]], (4, 1))
COLUMNS = np.column_stack([np.arange(N), 2.0 * np.arange(N)])
SPARSE_FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]


class Stub(BaseEstimator):
    """As much of an estimator as the readers look at."""

    def __init__(self, task_column=None, unseen_task="error"):
        self.task_column = task_column
        self.unseen_task = unseen_task

    def fit(self, X, y, sample_weight=None, *, tasks=None):
        classifier = isinstance(self, ClassifierMixin)
        self.read_ = read_fit_input(
            self, X, y, sample_weight, tasks, classifier=classifier
        )
        self.tasks_, self._layout = self.read_.tasks, self.read_.layout
        return self

    def predict_input(self, X, tasks=None):
        return read_predict_input(self, X, tasks)

    def score_target(self, y, shape, sample_weight=None):
        return read_score_target(self, y, sample_weight, shape)


class Regressor(RegressorMixin, Stub):
    pass


class Classifier(ClassifierMixin, Stub):
    pass


def dense(X):
    return X.toarray() if sparse.issparse(X) else X


def rows_of(fit, task):
    """The rows (X, y) of one task."""
    t = fit.tasks.tolist().index(task)
    rows = slice(*fit.data.offsets[t : t + 2])
    return dense(fit.data.X)[rows], fit.data.y[rows]


def assert_tables_equal(fit, X, y, labels):
    """Every task owns its own rows of X and y, in their order."""
    labels = np.asarray(labels)
    if fit.tasks.dtype.kind == "M":
        labels = labels.astype(fit.tasks.dtype)
    assert fit.layout == "rows"
    assert fit.tasks.tolist() == sorted(set(labels.tolist()))
    for task in fit.tasks.tolist():
        features, target = rows_of(fit, task)
        np.testing.assert_array_equal(features, X[labels == task])
        np.testing.assert_array_equal(target, y[labels == task])


def as_pandas(X, labels):
    return pd.DataFrame(X, columns=FEATURES).assign(school=labels)


def as_polars(X, labels):
    frame = pl.DataFrame(X, schema=FEATURES)
    return frame.with_columns(pl.Series("school", list(labels)))


def as_arrow(X, labels):
    columns = {name: X[:, j] for j, name in enumerate(FEATURES)}
    return pa.table({**columns, "school": pa.array(list(labels))})


def as_objects(X, labels):
    return np.column_stack([X.astype(object), labels])


FRAMES = {"pandas": as_pandas, "polars": as_polars, "pyarrow": as_arrow}
TABLES = {**FRAMES, "object": as_objects, "list": lambda *a: as_objects(*a).tolist()}


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X
