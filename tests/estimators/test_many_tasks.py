"""No line of Python runs once for each task, in fits, predictions, scores or paths."""

import sys
from collections import Counter

import numba
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import is_classifier

import mtlreg
from mtlreg.metrics import task_auc, task_log_loss, task_r2, task_rmse
from mtlreg.model_selection import TaskKFold

pytestmark = [
    pytest.mark.skipif(
        bool(numba.config.DISABLE_JIT), reason="kernels are then loops of Python"
    ),
    pytest.mark.filterwarnings("ignore"),  # what these small fits are told, often
]

N_TASKS, N_ROWS = 20, 6
FEW, MANY = 2, 20  # copies of the tasks
SCORES = {False: [task_rmse, task_r2], True: [task_auc, task_log_loss]}


def models(copies):
    """Models that have the same solution, the same times, on copies of the tasks."""
    norm, total = 0.05 * np.sqrt(copies), 0.05 * copies
    cv = {"alphas": 3, "eps": 0.1}
    return {
        "group": mtlreg.GroupLassoRegressor(norm),
        "fista": mtlreg.GroupLassoRegressor(norm, solver="fista"),
        "linf": mtlreg.GroupLassoRegressor(total, norm="linf"),
        "l1": mtlreg.GroupLassoRegressor(0.05, l1_ratio=1.0),
        "dirty": mtlreg.DirtyModelRegressor(total, 0.02),
        "dirty-l2": mtlreg.DirtyModelRegressor(norm, 0.04, norm="l2"),
        "trace": mtlreg.TraceNormRegressor(norm),
        "group-logistic": mtlreg.GroupLassoClassifier(0.4 * norm),
        "dirty-logistic": mtlreg.DirtyModelClassifier(0.4 * total, 0.01),
        "trace-logistic": mtlreg.TraceNormClassifier(0.4 * norm),
        "group-cv": mtlreg.GroupLassoRegressorCV(**cv),
        "trace-cv": mtlreg.TraceNormRegressorCV(**cv),
        "dirty-logistic-cv": mtlreg.DirtyModelClassifierCV(**cv),
    }


def copied_rows(copies, classes, sparse, n_features):
    """Copies of tasks that have rows of their own: X, y, tasks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_TASKS * N_ROWS, n_features))
    if sparse:
        X = np.where(rng.random(X.shape) < 0.4, 1.0, 0.0)
    tasks = np.repeat(np.arange(N_TASKS), N_ROWS)
    coef = rng.normal(1, 0.3, size=(N_TASKS, 2))
    y = np.sum(X[:, :2] * coef[tasks], axis=1) + rng.normal(size=len(X))
    if classes:
        median = np.median(y.reshape(N_TASKS, N_ROWS), axis=1)
        y = (y > median[tasks]).astype(int)
    tasks = (N_TASKS * np.arange(copies)[:, None] + tasks).ravel()
    X = np.tile(X, (copies, 1))
    return (sp.csr_array(X) if sparse else X), np.tile(y, copies), tasks


def copied_columns(copies, classes, missing):
    """Copies of the columns of Y, on one X."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5 * N_ROWS, 5))
    Y = X[:, :2] @ rng.normal(1, 0.3, size=(2, N_TASKS))
    Y += rng.normal(size=Y.shape)
    if classes:
        Y = np.where(np.median(Y, axis=0) < Y, 1.0, 0.0)
    Y[rng.random(Y.shape) < missing] = np.nan
    return X, np.tile(Y, (1, copies)), None


LAYOUTS = {
    "rows": lambda *how: copied_rows(*how, sparse=False, n_features=5),
    "wide": lambda *how: copied_rows(*how, sparse=False, n_features=70),
    "sparse": lambda *how: copied_rows(*how, sparse=True, n_features=5),
    "columns": lambda *how: copied_columns(*how, missing=0.0),
    "missing": lambda *how: copied_columns(*how, missing=0.1),
}


def steps(name, layout, copies):
    """What is done with a model, by name, in order."""
    model = models(copies)[name]
    X, y, tasks = LAYOUTS[layout](copies, is_classifier(model))
    given = {} if tasks is None else {"tasks": tasks}
    test = np.arange(X.shape[0]) % 3 == np.arange(3)[:, None]
    if hasattr(model, "cv"):
        model.set_params(cv=[(~part, part) for part in test])
    yield "fit", lambda: model.fit(X, y, **given)
    yield "predict", lambda: model.predict(X, **given)
    yield "score", lambda: model.score(X, y, **given)
    if not hasattr(model, "cv"):
        alphas = getattr(model, model._strengths[0]) * np.array([2.0, 1.0])
        path = mtlreg.regularization_path
        yield "path", lambda: path(model, X, y, alphas=alphas, **given)


def lines_run(step):
    """How often every line of Python runs, those of libraries included."""
    counts = {}

    def in_code(code):
        # a counter and a function for each code, as this is called for every line
        lines = Counter()

        def in_frame(frame, event, arg):
            if event == "line":
                lines[frame.f_lineno] += 1
            return in_frame

        return code, lines, in_frame

    def in_call(frame, event, arg):
        # codes of equal text are equal, and take long to compare
        found = counts.get(id(frame.f_code))
        if found is None:
            found = counts[id(frame.f_code)] = in_code(frame.f_code)
        return found[2]

    before = sys.gettrace()
    sys.settrace(in_call)
    try:
        step()
    finally:
        sys.settrace(before)
    found = Counter()
    for code, lines, _ in counts.values():
        for number, count in lines.items():
            found[code.co_filename, number] += count
    return found


def assert_no_loop(few, many):
    """Fail where a line runs more often by as many times as there are more tasks."""
    more = (MANY - FEW) * N_TASKS
    # iterations, which rounding may make a few more, are far fewer
    loops = {
        f"{path}:{number}": (few[path, number], count)
        for (path, number), count in many.items()
        if count - few[path, number] > 0.5 * more and count > 2 * few[path, number]
    }
    assert not loops


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", models(1))
def test_nothing_loops_over_tasks(name, layout):
    for copies in (1, MANY):
        for _, step in steps(name, layout, copies):
            step()  # compiles kernels
    few = {what: lines_run(step) for what, step in steps(name, layout, FEW)}
    for what, step in steps(name, layout, MANY):
        assert_no_loop(few[what], lines_run(step))


def folds_and_scores(layout, copies, classes):
    """Folds by task, and the scores of each task."""
    X, y, tasks = LAYOUTS[layout](copies, classes)
    z = np.random.default_rng(0).uniform(size=y.shape)
    yield "folds", lambda: list(TaskKFold(3).split(X, y, groups=tasks))
    for metric in SCORES[classes]:
        yield metric.__name__, lambda: metric(y, z, tasks=tasks)  # noqa: B023


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_fold_or_score_loops_over_tasks(layout, classes):
    few = folds_and_scores(layout, FEW, classes)
    for (_, fewer), (_, more) in zip(
        few, folds_and_scores(layout, MANY, classes), strict=True
    ):
        fewer()
        assert_no_loop(lines_run(fewer), lines_run(more))
