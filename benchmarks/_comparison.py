"""Nested cross-validation of multi-task estimators on one table, all by task."""

import time
import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import entr
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mtlreg
from mtlreg.model_selection import TaskKFold


@dataclass(frozen=True)
class Table:
    """A table whose rows, or whose targets, belong to tasks.

    Parameters
    ----------
    name : str
    X : DataFrame of shape (n_rows, n_features), with the task column if there is one
        Numbers as float64, categories as strings.
    y : ndarray of shape (n_rows,), or (n_rows, n_tasks) with NaN where not observed
        Classes are 0 and 1.
    task_column : str or None
        None: the tasks are the columns of y.
    classifier : bool
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    task_column: str | None
    classifier: bool

    @cached_property
    def codes(self):
        """Task of every row, shape (n_rows,), or None with a 2-D y."""
        if self.task_column is None:
            return None
        return pd.factorize(self.X[self.task_column])[0]

    @property
    def n_tasks(self):
        return self.y.shape[1] if self.codes is None else self.codes.max() + 1

    @property
    def n_features(self):
        return self.X.shape[1] - (self.task_column is not None)

    @property
    def metric(self):
        """What a score is, as the tables and the picture call it."""
        if self.classifier:
            return "AUC"
        return "rmse / sd" if self.task_column is None else "rmse"

    @property
    def sign(self):
        """1 if a higher score is better, otherwise -1."""
        return 1 if self.classifier else -1


@dataclass(frozen=True)
class Method:
    """An estimator that chooses its strengths by cross-validation.

    Parameters
    ----------
    name, stem : str
        As the report and as the package call it.
    parameters : dict
        Those that are not the default.
    pooled : bool
        One model for the rows of all tasks.
    """

    name: str
    stem: str
    parameters: dict = field(default_factory=dict)
    pooled: bool = False

    def model(self, table, **parameters):
        kind = "ClassifierCV" if table.classifier else "RegressorCV"
        task_column = None if self.pooled else table.task_column
        return getattr(mtlreg, self.stem + kind)(
            task_column=task_column, **self.parameters, **parameters
        )


INDEPENDENT = "independent fits"
RIDGE = {"ratios": [1.0]}
METHODS = [
    Method(INDEPENDENT, "MeanRegularized", RIDGE),
    Method("one pooled model", "MeanRegularized", RIDGE, pooled=True),
    Method("MeanRegularized", "MeanRegularized"),
    Method("GroupLasso", "GroupLasso"),
    Method("TraceNorm", "TraceNorm"),
    Method("DirtyModel", "DirtyModel"),
]


@dataclass
class Result:
    """What one method did on one table.

    Attributes
    ----------
    scores : list of ndarray of shape (n_tasks,), one per outer fold
        NaN where a task has no score in the fold.
    strengths : list of dict
        Those chosen in each outer fold.
    gap : float
        Largest ``dual_gap_ / F(0, best intercept)`` of its fits to the training parts.
    seconds : float
        Time of all its fits, cross-validation included, and predictions.
    """

    scores: list = field(default_factory=list)
    strengths: list = field(default_factory=list)
    gap: float = 0.0
    seconds: float = 0.0

    @property
    def fold_scores(self):
        """Mean over the tasks, shape (n_folds,)."""
        return np.array([mean_score(scores) for scores in self.scores])

    @property
    def task_scores(self):
        """Mean over the folds, shape (n_tasks,), NaN for tasks without any score."""
        scores = np.array(self.scores)
        count = np.isfinite(scores).sum(axis=0)
        total = np.nansum(scores, axis=0)
        return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


class Split:
    """Training and test part of a table, prepared by what the training part tells.

    Features are imputed, one-hot encoded and standardised while the task column stays
    as it is. Several regression targets may have several units: they are standardised
    too.
    """

    def __init__(self, table, train, test):
        self.table = table
        features = preprocessing(table)
        self.X = features.fit_transform(table.X.iloc[train])
        self.X_test = features.transform(table.X.iloc[test])
        self.y, self.y_test = table.y[train], table.y[test]
        if table.task_column is None and not table.classifier:
            scaler = StandardScaler().fit(self.y)
            self.y, self.y_test = (
                scaler.transform(self.y),
                scaler.transform(self.y_test),
            )
        codes = table.codes
        self.codes = None if codes is None else codes[train]
        self.codes_test = None if codes is None else codes[test]

    def features(self, X, method):
        return X.drop(columns=self.table.task_column) if method.pooled else X

    def fit(self, model, method):
        """Fit; return the duality gap relative to F(0, best intercept)."""
        model.fit(self.features(self.X, method), self.y)
        codes = np.zeros(len(self.y), int) if method.pooled else self.codes
        return model.dual_gap_ / null_objective(self.y, codes, self.table.classifier)

    def score(self, model, method):
        """Return the scores of the tasks on the test part, shape (n_tasks,)."""
        X = self.features(self.X_test, method)
        classifier = self.table.classifier
        z = model.decision_function(X) if classifier else model.predict(X)
        scores = np.full(self.table.n_tasks, np.nan)
        for t, y_t, z_t in by_task(self.codes_test, self.y_test, z):
            if not classifier:
                scores[t] = root_mean_squared_error(y_t, z_t)
            elif np.ptp(y_t) > 0:
                scores[t] = roc_auc_score(y_t, z_t)
        return scores


def compare(table, *, folds, n_strengths, tol, seed, announce=lambda text: None):
    """Compare all methods on a table, with the same folds for all of them.

    Parameters
    ----------
    table : Table
    folds : int
        Number of outer folds, and of the inner folds that choose the strengths.
    n_strengths : int
        Size of the grid of `mtlreg.alpha_grid`, for each ratio of two strengths.
    tol : float
        Tolerance of every fit.
    seed : int
        Seed of the folds.
    announce : callable
        Is told every step before it is taken, see `n_steps`.

    Returns
    -------
    dict of Result, by the name of the method

    Raises
    ------
    ValueError
        If a task has too few rows or too few rows of a class, or the table is refused
        by an estimator.
    """
    check_size(table, folds)
    results = {method.name: Result() for method in methods(table)}
    for k, (train, test) in enumerate(deal(table.y, table.codes, folds, seed)):
        split = Split(table, train, test)
        shared = {
            "alphas": n_strengths,
            "cv": deal(split.y, split.codes, folds, seed),
            "tol": tol,
        }
        for method in methods(table):
            announce(f"{table.name}, fold {k + 1} of {folds}: {method.name}")
            with warnings.catch_warnings():
                # all show in the report: as a gap, scores of small tasks, strengths
                warnings.simplefilter("ignore", ConvergenceWarning)
                warnings.filterwarnings("ignore", "the target has one class only")
                warnings.filterwarnings("ignore", "the best .* of its grid")
                evaluate(method, split, shared, results[method.name])
    return results


def n_steps(table, folds):
    """Return how often `compare` announces a step."""
    return folds * len(methods(table))


def methods(table):
    """Return the methods that a table admits; columns of y are never pooled."""
    return [m for m in METHODS if not (m.pooled and table.task_column is None)]


def evaluate(method, split, shared, result):
    """Fit with the parameters that all methods share, and add to the result."""
    start = time.perf_counter()
    model = method.model(split.table, **shared)
    result.gap = max(result.gap, split.fit(model, method))
    result.scores.append(split.score(model, method))
    names = model._model_class._strengths
    result.strengths.append({name: getattr(model, f"{name}_") for name in names})
    result.seconds += time.perf_counter() - start


def preprocessing(table):
    """Return the transformer of the features; the task column passes through."""
    X = table.X.drop(columns=[table.task_column] if table.task_column else [])
    numbers = X.select_dtypes("number").columns
    categories = X.columns.difference(numbers)
    return ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(
                    SimpleImputer(strategy="median", keep_empty_features=True),
                    StandardScaler(),
                ),
                numbers,
            ),
            (
                "categories",
                make_pipeline(
                    OneHotEncoder(
                        handle_unknown="infrequent_if_exist",
                        max_categories=30,
                        sparse_output=False,
                    ),
                    StandardScaler(),
                ),
                categories,
            ),
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def deal(y, codes, folds, seed):
    """Return training and test rows of folds that halve no task and no class."""
    splitter = TaskKFold(folds, random_state=seed)
    return list(splitter.split(np.zeros((len(y), 1)), y, groups=codes))


def by_task(codes, y, *arrays):
    """Yield each task with its cells of the arrays: rows, or observed cells of y."""
    if codes is None:
        for t, observed in enumerate(np.isfinite(y).T):
            if observed.any():
                yield t, *(array[observed, t] for array in (y, *arrays))
    else:
        for t in np.unique(codes):
            yield t, *(array[codes == t] for array in (y, *arrays))


def null_objective(y, codes, classifier):
    """Return F(0, best intercept): the sum of the tasks' variances / 2 or entropies."""
    if not classifier:
        return sum(np.var(y_t) / 2 for _, y_t in by_task(codes, y))
    rates = np.array([y_t.mean() for _, y_t in by_task(codes, y)])
    return np.sum(entr(rates) + entr(1 - rates))


def mean_score(scores):
    """Return the mean over the tasks that have a score."""
    if not np.isfinite(scores).any():
        raise ValueError(
            "no task has both classes in the test part of some fold: use fewer folds, "
            "or leave the small tasks out"
        )
    return np.nanmean(scores)


def check_size(table, folds):
    """Raise unless there are tasks, and rows enough in each for nested folds."""
    if table.n_tasks < 2:
        raise ValueError(f"{table.name} has one task only: there is nothing to share")
    if table.task_column is None:
        count = pd.Series(np.isfinite(table.y).sum(axis=0))
    else:
        count = table.X[table.task_column].value_counts()
    small = count[count < 2 * folds]
    if len(small):
        raise ValueError(
            f"too few rows for {folds} folds in {len(small)} of {table.n_tasks} tasks, "
            f"e.g. task {small.index[0]!r} has {small.iloc[0]}: leave tasks of fewer "
            f"than {2 * folds} rows out, or use fewer folds"
        )
