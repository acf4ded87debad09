"""A fit that raises leaves the estimator exactly as it was."""

import copy
import functools
import re
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from mtlreg import GroupLassoClassifier, GroupLassoRegressor
from mtlreg.solvers import SOLVERS
from tests.estimators.cases import (
    ESTIMATORS,
    REGRESSORS,
    draw,
    is_classifier,
    school_table,
)

CLASS_IDS = {"ids": lambda cls: cls.__name__}


def kind_of(cls):
    return "classifier" if is_classifier(cls) else "regressor"


def assert_restored(estimator, fit, error, match=None):
    """``fit`` raises, and every attribute is the very object that it was."""
    before = dict(vars(estimator))
    with pytest.raises(error, match=match):
        fit(estimator)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[name] is value for name, value in before.items())


def assert_restored_twice(estimator, good, bad, error, match=None):
    """The same for an unfitted estimator, and for one that ``good`` has fitted."""
    assert_restored(estimator, bad, error, match)
    assert not estimator.__sklearn_is_fitted__()
    good(estimator)
    held = {k: np.copy(v) for k, v in vars(estimator).items() if k.endswith("_")}
    assert_restored(estimator, bad, error, match)
    for name, value in held.items():
        np.testing.assert_array_equal(getattr(estimator, name), value)


class Stop(Exception):
    """Raised by the tests alone."""


def without(y, value):
    y = np.array(y, dtype=float)
    y[3] = value
    return y


# how to spoil X, y, sample_weight or tasks; and what the message has to say
REFUSED = {
    "no rows": (lambda X, y, t: (X[:0], y[:0], None, t[:0]), "0 sample"),
    "no features": (lambda X, y, t: (X[:, :0], y, None, t), r"0 feature\(s\)"),
    "NaN in X": (lambda X, y, t: (without(X, np.nan), y, None, t), "X contains NaN"),
    "inf in X": (lambda X, y, t: (without(X, np.inf), y, None, t), "X contains inf"),
    "1-D X": (lambda X, y, t: (X[:, 0], y, None, t), "Expected 2D array"),
    "complex X": (lambda X, y, t: (X + 1j, y, None, t), "Complex data not supported"),
    "words in X": (lambda X, y, t: (X.astype(str) + "x", y, None, t), "task_column="),
    "NaN in y": (lambda X, y, t: (X, without(y, np.nan), None, t), "y contains NaN"),
    "inf in y": (lambda X, y, t: (X, without(y, np.inf), None, t), "y contains inf"),
    "no y": (lambda X, y, t: (X, None, None, t), "the target y is None"),
    "short y": (lambda X, y, t: (X, y[1:], None, t), "inconsistent .* y has 59"),
    "short tasks": (lambda X, y, t: (X, y, None, t[1:]), "tasks has 59"),
    "odd tasks": (lambda X, y, t: (X, y, None, t + 0.5), "tasks holds non-integer"),
    "no label": (lambda X, y, t: (X, y, None, [None, *t[1:]]), "missing task labels"),
    "mixed labels": (lambda X, y, t: (X, y, None, ["a", *t[1:]]), "one type"),
    "2-D tasks": (lambda X, y, t: (X, y, None, t[:, None]), "tasks must be 1-D"),
    "2-D y": (lambda X, y, t: (X, np.c_[y, y], None, t), "2-D and tasks= is given"),
    "w < 0": (lambda X, y, t: (X, y, -np.ones(60), t), "sample_weight has negative"),
    "w NaN": (lambda X, y, t: (X, y, without(np.ones(60), np.nan), t), "sample_weight"),
    "short w": (lambda X, y, t: (X, y, np.ones(59), t), "sample_weight has 59"),
    "2-D w": (lambda X, y, t: (X, y, np.ones((60, 2)), t), "sample_weight has shape"),
    "no weight": (lambda X, y, t: (X, y, np.zeros(60), t), "sample_weight is zero"),
    "a task's w": (lambda X, y, t: (X, y, 1.0 * (t != 1), t), r"task\(s\) \[1\] have"),
    "both forms": (lambda X, y, t: (sparse.csr_array(X), y, None, t), "task_column=0"),
    "overflow": (lambda X, y, t: (1e200 * X, y, None, t), "squares overflow"),
}


@functools.cache
def fitted(cls):
    """What a fit to good rows sets; one for all of the inputs that are refused."""
    X, y, tasks = draw(kind_of(cls))
    return vars(cls().fit(X, y, tasks=tasks))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("cls", ESTIMATORS, **CLASS_IDS)
def test_refused_input(cls, name):
    spoil, match = REFUSED[name]
    X, y, tasks = draw(kind_of(cls))
    Z, target, weight, labels = spoil(X, y, tasks)

    def bad(est):
        if name == "both forms":
            est.task_column = 0
        try:
            est.fit(Z, target, weight, tasks=labels)
        finally:
            est.task_column = None

    def good(est):
        vars(est).update(copy.deepcopy(fitted(cls)))

    assert_restored_twice(cls(), good, bad, ValueError, match)


@pytest.mark.parametrize("cls", REGRESSORS, **CLASS_IDS)
def test_targets_that_overflow(cls):
    X, y, tasks = draw()
    assert_restored_twice(
        cls(),
        lambda est: est.fit(X, y, tasks=tasks),
        lambda est: est.fit(X, 1e200 * y, tasks=tasks),
        ValueError,
        "squares overflow",
    )


COLUMNS_REFUSED = {
    "a column without target": (lambda Y: without_column(Y), r"task\(s\) \[1\] have"),
    "inf": (lambda Y: without(Y, np.inf), "y contains inf"),
}


def without_column(Y):
    Y = Y.copy()
    Y[:, 1] = np.nan
    return Y


@pytest.mark.parametrize("name", COLUMNS_REFUSED)
@pytest.mark.parametrize("cls", ESTIMATORS, **CLASS_IDS)
def test_refused_columns(cls, name):
    spoil, match = COLUMNS_REFUSED[name]
    X, Y, _ = draw(kind_of(cls), layout="columns")
    bad = spoil(Y)
    assert_restored_twice(
        cls(), lambda est: est.fit(X, Y), lambda est: est.fit(X, bad), ValueError, match
    )


@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
@pytest.mark.parametrize("cls", ESTIMATORS, **CLASS_IDS)
def test_only_the_task_column(cls, library):
    table, y, column = school_table(library, kind_of(cls))
    alone = table[:, [2]] if library == "object" else table[["school"]]
    est = cls(task_column=0 if library == "object" else column)
    with pytest.raises(ValueError, match=r"0 feature\(s\) beside the task column"):
        est.fit(alone, y)


def test_classes_that_are_refused():
    X, y, tasks = draw("classifier")
    good = {"good": lambda est: est.fit(X, y, tasks=tasks), "error": ValueError}
    three = np.arange(60) % 3
    for target, match in [
        (three, "y has 3 classes, but rows that belong to tasks need exactly two"),
        (np.zeros(60), "y has one class only"),
        (y + 0.5 * X[:, 0], "Unknown label type"),
    ]:
        assert_restored_twice(
            GroupLassoClassifier(),
            bad=lambda est, y=target: est.fit(X, y, tasks=tasks),
            match=match,
            **good,
        )
    with pytest.raises(ValueError, match="column 1 of y has 3 classes"):
        GroupLassoClassifier().fit(X, np.c_[y, three])


def test_column_names_are_checked_first():
    table, y, _ = school_table("pandas", "regressor")
    for column, error, match in [
        ("schol", ValueError, r"'schol' is not a column of X.*'school'"),
        (5, ValueError, "task_column=5 is not a position in X with 5 columns"),
        (-6, ValueError, "task_column=-6 is not a position"),
        (True, TypeError, r"task_column=True must be"),
        (1.0, TypeError, r"task_column=1.0 must be"),
    ]:
        est = GroupLassoRegressor(task_column=column)
        assert_restored(est, lambda est: est.fit(table, y), error, match)
    est = GroupLassoRegressor(task_column="school")
    match = r"name, but X has no column names.*set_output\(transform='pandas'\)"
    assert_restored(est, lambda est: est.fit(table.to_numpy(), y), ValueError, match)


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("cls", ESTIMATORS, **CLASS_IDS)
def test_failing_solver(cls, error, monkeypatch):
    X, y, tasks = draw(kind_of(cls))

    def bad(est):
        with monkeypatch.context() as patch:
            for solver in SOLVERS.values():
                patch.setattr(solver, "_solve", fail)
            est.fit(X[:, :3], y, tasks=tasks % 2)

    def fail(*args):
        raise error("inside")

    assert_restored_twice(
        cls(), lambda est: est.fit(X, y, tasks=tasks), bad, error, "inside"
    )


@pytest.mark.parametrize("cls", ESTIMATORS, **CLASS_IDS)
def test_failure_after_the_solver(cls, monkeypatch):
    X, y, tasks = draw(kind_of(cls))

    def bad(est):
        with monkeypatch.context() as patch:
            patch.setattr(type(cls()._penalty(None)), "attributes", fail)
            est.fit(X[:, :3], y, tasks=tasks)

    def fail(*args):
        raise Stop

    assert_restored_twice(cls(), lambda est: est.fit(X, y, tasks=tasks), bad, Stop)


@pytest.mark.parametrize("cls", ESTIMATORS, **CLASS_IDS)
def test_a_warning_turned_into_an_error(cls):
    X, y, tasks = draw(kind_of(cls))

    def bad(est):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            est.set_params(max_iter=1, tol=1e-9)
            try:
                est.fit(X[:, :3], y, tasks=tasks)
            finally:
                est.set_params(max_iter=10_000, tol=1e-6)

    est = cls(max_iter=10_000, tol=1e-6, solver="fista")
    good = {"good": lambda est: est.fit(X, y, tasks=tasks)}
    assert_restored_twice(est, bad=bad, error=ConvergenceWarning, **good)


class Failing:
    """A callback that raises in one of its hooks."""

    def __init__(self, hook, error, task="gap check"):
        self.hook, self.error, self.task = hook, error, task

    def _call(self, hook, context):
        if hook == self.hook and self.task in (None, context.task_name):
            raise self.error("from the callback")

    def setup(self, estimator, context):
        if self.hook == "setup":
            raise self.error("from the callback")

    def teardown(self, estimator, context):
        if self.hook == "teardown":
            raise self.error("from the callback")

    def on_fit_task_begin(self, estimator, context):
        self._call("begin", context)

    def on_fit_task_end(self, estimator, context):
        self._call("end", context)


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
@pytest.mark.parametrize("hook", ["setup", "begin", "end", "teardown"])
@pytest.mark.parametrize("task", ["fit", "gap check"])
@pytest.mark.parametrize("cls", REGRESSORS, **CLASS_IDS)
def test_failing_callback(cls, hook, task, error):
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")
    X, y, tasks = draw()
    callback = Failing(None, error, task)
    est = cls().set_callbacks(callback)

    def bad(est):
        callback.hook = hook
        try:
            est.fit(X[:, :3], y, tasks=tasks)
        finally:
            callback.hook = None

    assert_restored_twice(est, lambda est: est.fit(X, y, tasks=tasks), bad, error)


def test_a_failed_refit_can_still_predict():
    X, y, tasks = draw()
    est = GroupLassoRegressor().fit(X, y, tasks=tasks)
    expected = est.predict(X, tasks=tasks)
    with pytest.raises(ValueError, match="y contains NaN"):
        est.fit(X[:, :2], without(y, np.nan), tasks=tasks)
    np.testing.assert_array_equal(est.predict(X, tasks=tasks), expected)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("cls", ESTIMATORS, **CLASS_IDS)
def test_a_refused_solver_names_one_that_works(cls, name):
    X, y, tasks = draw(kind_of(cls))
    est, refused = cls(solver=name), None
    try:
        est.fit(X, y, tasks=tasks)
    except ValueError as error:
        refused = str(error)
    if refused:
        named = re.fullmatch(f"solver '{name}' .*; use '(.*)'", refused).group(1)
        est.set_params(solver=named).fit(X, y, tasks=tasks)
    auto = cls().fit(X, y, tasks=tasks)
    found, expected = (e.predict(X, tasks=tasks) for e in (est, auto))
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05)


def test_the_direct_solver_is_for_mean_regularisation():
    X, y, tasks = draw()
    est = GroupLassoRegressor(solver="direct")
    match = "'direct' solves mean regularisation and graphs only.*'fista'"
    assert_restored(est, lambda est: est.fit(X, y, tasks=tasks), ValueError, match)
