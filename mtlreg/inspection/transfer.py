"""Does sharing help, and which tasks does it hurt? Nested cross-validation by task."""

import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from scipy.special import xlogy
from sklearn.base import clone, is_classifier
from sklearn.utils import _safe_indexing, check_random_state

from mtlreg.inputs.frames import column_names, listed
from mtlreg.inputs.labels import (
    encode,
    label_array,
    read_classes,
    task_labels,
    unique_labels,
)
from mtlreg.inputs.targets import read_numbers
from mtlreg.inspection.baselines import BASELINES, grid_of, in_place_of, last_of
from mtlreg.inspection.transfer_gains import TransferReport, mean_known
from mtlreg.model_selection import TaskKFold

_TWINS = 0.01  # share of rows with a twin in their task that is worth a warning
_ALIKE = 0.1  # correlation of the residuals of rows next to each other


def transfer_report(
    estimator,
    X,
    y,
    *,
    tasks=None,
    cv=5,
    n_repeats=2,
    baselines=("independent", "pooled", "pooled+dummies"),
    level=0.1,
    random_state=0,
    n_jobs=None,
):
    """Tell whether an estimator gains on fits that share nothing, task by task.

    The estimator and baselines are fitted to the training parts of the same folds and
    score on the rows left out, in the data term of the objective: half the squared
    error or the log loss, over that of the best constant of the task. So the score is
    R2, or D2 (McFadden's) of a classifier, and the gain of a task is the difference of
    two scores. The baselines choose their strength by `MeanRegularizedRegressorCV` or
    its twin inside each training part, as a search that is given does, of as many
    strengths by as many folds where ``alphas`` and ``cv`` of it are numbers; an
    estimator without a search is fitted as it is.

    The standard error of a gain over the K splits is that of Nadeau and Bengio [1]_,
    ``sqrt((1/K + n_test / n_train) var(gain))``, since the training parts overlap; a
    task that loses has a one-sided p-value by Student's t with K - 1 degrees of
    freedom. Those of all tasks are adjusted to a false discovery rate [2]_.

    Parameters
    ----------
    estimator : estimator of mtlreg
        Best one that chooses its strengths, such as `GroupLassoRegressorCV`; or a
        pipeline, or a search of scikit-learn, with one at its end that names its
        ``task_column``.
    X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        NaN in a 2-D y: not observed.
    tasks : array-like of shape (n_samples,), optional
        Task labels, as of ``fit``; not together with ``task_column`` or a 2-D y.
    cv : int, cross-validation generator or iterable, default=5
        Folds of every repetition, by `TaskKFold`; or the splits themselves, then
        without repetitions. Use splits by time where rows have an order.
    n_repeats : int, default=2
        How often rows are dealt anew.
    baselines : sequence of {"independent", "pooled", "pooled+dummies"}
        A ridge for each task, one for all rows, and one with an indicator of each task
        as a feature more. The first one is what tasks lose against.
    level : float, default=0.1
        False discovery rate of the tasks that are flagged.
    random_state : int, RandomState instance or None, default=0
        Of the folds.
    n_jobs : int, optional
        Splits at a time, as in joblib.

    Returns
    -------
    TransferReport

    Warns
    -----
    UserWarning
        Where random folds are likely to flatter: rows that occur more than once in
        their task, or errors of rows next to each other that are alike.

    References
    ----------
    .. [1] Nadeau, Bengio (2003), Inference for the generalization error.
    .. [2] Benjamini, Hochberg (1995), Controlling the false discovery rate.

    Examples
    --------
    >>> from mtlreg import MeanRegularizedRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.inspection import transfer_report
    >>> data = make_multitask_regression(
    ...     n_tasks=8, n_samples=15, n_features=6, structure="mean", random_state=0
    ... )
    >>> report = transfer_report(
    ...     MeanRegularizedRegressorCV(alphas=10), data.X, data.y, tasks=data.tasks
    ... )
    >>> report.n_gaining
    8
    """
    table = _read(estimator, X, y, tasks)
    names = _check_baselines(baselines)
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level!r}")
    classifier = is_classifier(last_of(estimator))
    column = getattr(last_of(estimator), "task_column", None)
    models, grid = {"model": estimator}, grid_of(last_of(estimator))
    for name in names:
        baseline = BASELINES[name](classifier, column, grid)
        models[name] = in_place_of(estimator, baseline)
    splits = list(_splits(table, cv, n_repeats, random_state))
    if len(splits) < 2:
        raise ValueError(f"cv gives {len(splits)} split; a gain needs two or more")
    found = Parallel(n_jobs=n_jobs)(
        delayed(_scores)(models, table, train, test, classifier)
        for train, test in splits
    )
    losses = {name: np.stack([loss[name] for loss, _ in found]) for name in models}
    if not isinstance(cv, Integral) or n_repeats < 1:
        n_repeats = 1
    _warn_of_flattery(
        table, [errors for _, errors in found[: len(splits) // n_repeats]]
    )
    ratio = np.mean([len(test) / len(train) for train, test in splits])
    return TransferReport(
        table.names, table.sizes, losses, names, float(ratio), level, classifier
    )


@dataclass(frozen=True)
class _Table:
    """Rows of tasks as they came; y as numbers, classes as 0 and 1.

    Attributes
    ----------
    codes : ndarray of shape (n_samples,) or None
        The task of each row; None: the columns of y.
    labels : array-like or None
        ``tasks`` as they came.
    nulls : ndarray of shape (n_tasks,)
        Mean loss of the best constant, NaN where it is 0.
    """

    X: object
    y: np.ndarray
    codes: np.ndarray | None
    labels: object
    names: np.ndarray
    nulls: np.ndarray

    @property
    def sizes(self):
        if self.codes is None:
            return np.isfinite(self.y).sum(axis=0)
        return np.bincount(self.codes, minlength=len(self.names))


def _read(estimator, X, y, tasks):
    """Return the `_Table` of the arguments of `transfer_report`."""
    last = last_of(estimator)
    name = type(last).__name__
    if not hasattr(last, "task_column"):
        raise ValueError(
            f"{name} has no task_column: give an estimator of mtlreg, or a pipeline "
            f"with one at its end"
        )
    if last.task_column is not None and tasks is not None:
        raise ValueError(
            f"tasks= and task_column={last.task_column!r} are both given: leave out one"
        )
    classifier = is_classifier(last)
    columns = column_names(y)
    values, observed, found = (read_classes if classifier else read_numbers)(y)
    if classifier:
        values = _zero_one(values, observed)
    labels = None
    if last.task_column is not None:
        labels = task_labels(X, last.task_column)
    elif tasks is not None:
        labels = label_array(tasks, "tasks")
    if labels is None and found is None:
        raise ValueError(
            "there are no tasks: give tasks=, set task_column of the estimator, or "
            "pass a 2-D y, a column for each task"
        )
    if labels is not None and found is not None:
        raise ValueError(
            f"y of shape {values.shape} is 2-D and rows have labels: pass y as 1-D"
        )
    if labels is None:
        values = np.where(observed, values, np.nan)
        return _Table(
            X,
            values,
            None,
            None,
            found if columns is None else columns,
            _null_losses(
                [column[np.isfinite(column)] for column in values.T], classifier
            ),
        )
    names = unique_labels(labels)
    codes = encode(labels, names)
    parts = [values[codes == t] for t in range(len(names))]
    return _Table(X, values, codes, tasks, names, _null_losses(parts, classifier))


def _zero_one(values, observed):
    """Return classes as 0 and 1, by column where there are several."""
    if values.ndim == 1:
        classes = np.unique(values)
        if len(classes) != 2:
            raise ValueError(
                f"a transfer report needs two classes, but y has {len(classes)}: "
                f"{listed(classes)}"
            )
        return (values == classes[1]).astype(float)
    found = np.full(values.shape, np.nan)
    for t, held in enumerate(observed.T):
        classes = np.unique(values[held, t])
        if len(classes) > 2:
            raise ValueError(f"column {t} of y has {len(classes)} classes, not two")
        found[held, t] = values[held, t] == classes[-1]
    return found


def _null_losses(parts, classifier):
    """Return the mean loss of the best constant of each task; NaN where it is 0."""
    nulls = np.full(len(parts), np.nan)
    for t, values in enumerate(parts):
        if len(values) == 0 or np.all(values == values[0]):
            continue
        mean = values.mean()
        if classifier:
            nulls[t] = -xlogy(mean, mean) - xlogy(1 - mean, 1 - mean)
        else:
            nulls[t] = 0.5 * np.mean((values - mean) ** 2)
    return nulls


def _check_baselines(baselines):
    given = (baselines,) if isinstance(baselines, str) else tuple(baselines)
    unknown = [name for name in given if name not in BASELINES]
    if unknown or not given:
        raise ValueError(
            f"baselines must name some of {list(BASELINES)}, got {baselines!r}"
        )
    return given


def _splits(table, cv, n_repeats, random_state):
    """Yield training and test rows."""
    if not isinstance(cv, Integral):
        if hasattr(cv, "split"):
            requests = getattr(cv.get_metadata_routing().split, "requests", {})
            labels = table.labels if requests.get("groups") else None
            cv = cv.split(table.X, table.y, labels)
        yield from ((np.asarray(train), np.asarray(test)) for train, test in cv)
        return
    rng = check_random_state(random_state)
    placeholder = np.empty((len(table.y), 0))
    # by name, for warnings of small tasks
    labels = None if table.codes is None else table.names[table.codes]
    for _ in range(n_repeats):
        folds = TaskKFold(cv, random_state=int(rng.randint(2**31 - 1)))
        yield from folds.split(placeholder, table.y, groups=labels)


def _scores(models, table, train, test, classifier):
    """Return the losses of each model by task, and the errors of the model's rows."""
    losses, errors = {}, None
    for name, model in models.items():
        given = {}
        if table.labels is not None:
            given = {"tasks": _safe_indexing(table.labels, train)}
        fitted = clone(model)
        with warnings.catch_warnings():
            # of fits to parts: what they tell shows in the scores
            warnings.simplefilter("ignore")
            fitted.fit(_safe_indexing(table.X, train), table.y[train], **given)
        if given:
            given = {"tasks": _safe_indexing(table.labels, test)}
        part = _safe_indexing(table.X, test)
        if classifier:
            z = np.asarray(fitted.predict_proba(part, **given))
            z = z[:, 1] if table.codes is not None and z.ndim == 2 else z
        else:
            z = np.asarray(fitted.predict(part, **given))
        y = table.y[test]
        loss = _log_loss(y, z) if classifier else 0.5 * (y - z) ** 2
        losses[name] = _by_task(loss, table, test) / table.nulls
        if name == "model":
            errors = test, y - z
    return losses, errors


def _log_loss(y, p):
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return -np.where(y == 1, np.log(p), np.log1p(-p)) + 0 * y


def _by_task(loss, table, test):
    """Return the mean loss of every task in the test part."""
    if table.codes is None:
        return mean_known(loss)
    codes, n_tasks = table.codes[test], len(table.names)
    count = np.bincount(codes, minlength=n_tasks)
    total = np.bincount(codes, loss, minlength=n_tasks)
    return np.divide(total, count, out=np.full(n_tasks, np.nan), where=count > 0)


def _warn_of_flattery(table, errors):
    """Warn of rows that occur twice, and of errors like that of the row before."""
    twins = _share_of_twins(table)
    if twins > _TWINS:
        warnings.warn(
            f"{twins:.0%} of the rows have a twin in their task, of the same features: "
            f"where one of them is in the training part, the score of the other is "
            f"flattered. Leave them out, or give cv= splits that keep them together",
            UserWarning,
            stacklevel=3,
        )
    error = np.full(table.y.shape, np.nan)
    for test, rest in errors:
        error[test] = rest
    r, n = _neighbours(table, error)
    if n > 20 and r > _ALIKE and r * np.sqrt(n) > 4:
        warnings.warn(
            f"errors of rows next to each other in a task are alike (correlation "
            f"{r:.2f}): if rows are in the order of time, random folds flatter all "
            f"models. Give cv= splits by time",
            UserWarning,
            stacklevel=3,
        )


def _share_of_twins(table):
    """Return the share of rows whose features and task occur more than once."""
    X = table.X
    if hasattr(X, "tocsr"):
        X = X.tocsr()
        rows = [(part.indices.tobytes(), part.data.tobytes()) for part in X]
    elif hasattr(X, "columns"):
        rows = list(
            zip(*(np.asarray(X[name]).tolist() for name in X.columns), strict=True)
        )
    else:
        rows = list(map(tuple, np.asarray(X).tolist()))
    if table.codes is not None:
        rows = list(zip(rows, table.codes.tolist(), strict=True))
    places, seen = {}, np.zeros(len(rows), dtype=np.intp)
    for i, row in enumerate(rows):
        seen[i] = places.setdefault(row, len(places))
    return float(np.mean(np.bincount(seen)[seen] > 1))


def _neighbours(table, error):
    """Return the correlation of errors of consecutive rows of a task, and how many."""
    if table.codes is None:
        pairs = np.concatenate(
            [np.stack([column[:-1], column[1:]]) for column in error.T], axis=1
        )
    else:
        order = np.argsort(table.codes, kind="stable")
        same = table.codes[order[1:]] == table.codes[order[:-1]]
        pairs = np.stack([error[order[:-1]][same], error[order[1:]][same]])
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    if pairs.shape[1] < 3 or np.any(pairs.std(axis=1) == 0):
        return 0.0, pairs.shape[1]
    return float(np.corrcoef(pairs)[0, 1]), pairs.shape[1]
