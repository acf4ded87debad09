"""Warm starts, and the warning of a fit that stops short."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from mtlreg import GroupLassoRegressor, MeanRegularizedRegressor
from tests.estimators.cases import (
    EACH_KIND,
    ESTIMATORS,
    KINDS,
    draw,
    is_classifier,
    make,
    scaled,
)
from tests.estimators.naive import NaiveProblem


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_warm_start_takes_fewer_iterations(penalty, kind):
    X, y, tasks = draw(kind, n=90, d=8)
    options = {"solver": "fista", "tol": 1e-8}
    warm = make(penalty, kind, 0.1, warm_start=True, **options).fit(X, y, tasks=tasks)
    again = warm.n_iter_
    assert again > 10
    coef = warm.coef_.copy()
    warm.fit(X, y, tasks=tasks)
    assert warm.n_iter_ == 1
    np.testing.assert_array_equal(warm.coef_, coef)
    cold = make(penalty, kind, 0.099, **options).fit(X, y, tasks=tasks)
    scaled(warm, 0.99).fit(X, y, tasks=tasks)
    assert warm.n_iter_ < cold.n_iter_
    naive = NaiveProblem(warm, X, y, None, tasks)
    assert warm.dual_gap_ <= 1e-8 * naive.null_value() * (1 + 1e-12)
    assert naive.gap() == pytest.approx(
        warm.dual_gap_, rel=0, abs=1e-13 * naive.null_value()
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_a_warm_start_that_is_not_finite_is_cold(penalty, kind, value):
    X, y, tasks = draw(kind)
    warm = make(penalty, kind, 0.1, warm_start=True).fit(X, y, tasks=tasks)
    coef = warm.coef_.copy()
    warm.coef_[0, 0] = value
    warm.fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(warm.coef_, coef)


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_is_off_by_default(kind):
    X, y, tasks = draw(kind)
    est = make("l21", kind, 0.1, solver="fista").fit(X, y, tasks=tasks)
    n_iter = est.n_iter_
    assert est.fit(X, y, tasks=tasks).n_iter_ == n_iter > 1


OTHERS = {
    "tasks": lambda X, y, tasks: (X, y, tasks + 1),
    "number of tasks": lambda X, y, tasks: (X, y, tasks // 2),
    "features": lambda X, y, tasks: (X[:, :-1], y, tasks),
    "names": lambda X, y, tasks: (pd.DataFrame(X, columns=[*"abcd"]), y, tasks),
    "layout": lambda X, y, tasks: (X, np.column_stack([y, y[::-1]]), None),
}


@pytest.mark.parametrize("change", OTHERS)
@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_cold_when_tasks_or_features_changed(cls, change):
    X, y, tasks = draw("classifier" if is_classifier(cls) else "regressor")
    X2, y2, tasks2 = OTHERS[change](X, y, tasks)
    warm = cls(warm_start=True, solver="fista").fit(X, y, tasks=tasks)
    warm.fit(X2, y2, tasks=tasks2)
    cold = cls(solver="fista").fit(X2, y2, tasks=tasks2)
    assert warm.n_iter_ == cold.n_iter_
    np.testing.assert_array_equal(warm.coef_, cold.coef_)
    np.testing.assert_array_equal(warm.intercept_, cold.intercept_)


def test_warm_start_of_other_rows_of_the_same_tasks():
    X, y, tasks = draw(n=200, d=8)
    half = np.arange(200) % 2 == 0
    options = {"solver": "fista", "tol": 1e-10}
    warm = GroupLassoRegressor(0.05, warm_start=True, **options)
    warm.fit(X[half], y[half], tasks=tasks[half]).fit(X, y, tasks=tasks)
    cold = GroupLassoRegressor(0.05, **options).fit(X, y, tasks=tasks)
    assert warm.n_iter_ < cold.n_iter_
    np.testing.assert_allclose(warm.coef_, cold.coef_, rtol=0, atol=1e-4)


@pytest.mark.parametrize("penalty", EACH_KIND)
def test_warm_start_with_a_task_of_one_class(penalty):
    X, y, tasks = draw("classifier")
    one = y.copy()
    one[tasks == 1] = 1.0
    est = make(penalty, "classifier", 0.1, warm_start=True, solver="fista")
    with pytest.warns(UserWarning, match="one class only"):
        first = est.fit(X, one, tasks=tasks).coef_
    with pytest.warns(UserWarning, match="one class only"):
        est.fit(X, one, tasks=tasks)
    assert est.n_iter_ == 1
    np.testing.assert_array_equal(est.coef_, first)
    est.fit(X, y, tasks=tasks)  # and back to all tasks
    null = NaiveProblem(est, X, y, None, tasks).null_value()
    assert est.dual_gap_ <= 1e-6 * null * (1 + 1e-12)


def test_warm_start_keeps_the_first_coefficients():
    X, y, tasks = draw()
    est = GroupLassoRegressor(0.1, warm_start=True).fit(X, y, tasks=tasks)
    held, before = est.coef_, est.coef_.copy()
    est.set_params(alpha=0.01).fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(held, before)
    assert not np.array_equal(est.coef_, before)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_warning_of_a_fit_that_stops_short(cls):
    X, y, tasks = draw("classifier" if is_classifier(cls) else "regressor")
    est = scaled(cls(max_iter=3, tol=1e-9, solver="fista"), 0.1)
    with pytest.warns(ConvergenceWarning) as record:
        est.fit(X, y, tasks=tasks)
    (warning,) = record
    assert warning.filename == __file__
    message = str(warning.message)
    assert message.startswith(f"{cls.__name__} did not converge")
    found = re.search(
        r"after 3 iterations the duality gap is (\S+), the target is (\S+) "
        r"\(tol=1e-09\)",
        message,
    )
    gap, target = map(float, found.groups())
    null = NaiveProblem(est, X, y, None, tasks).null_value()
    assert gap == pytest.approx(est.dual_gap_, rel=1e-2)
    assert target == pytest.approx(1e-9 * null, rel=1e-2)
    for advice in ("StandardScaler", "max_iter=3", "tol", "strength"):
        assert advice in message
    # the model is usable all the same
    assert est.n_iter_ == 3
    assert est.predict(X, tasks=tasks).shape == y.shape


@pytest.mark.parametrize("solver", ["auto", "direct"])
def test_an_exact_solve_converges(solver):
    X, y, tasks = draw()
    est = MeanRegularizedRegressor(solver=solver, tol=0.0).fit(X, y, tasks=tasks)
    assert est.n_iter_ == 1


@pytest.mark.parametrize("max_iter", [1, 2, 15])
def test_max_iter(max_iter):
    X, y, tasks = draw()
    est = GroupLassoRegressor(1e-3, max_iter=max_iter, tol=1e-14, solver="fista")
    with pytest.warns(ConvergenceWarning, match=f"after {max_iter} iterations"):
        est.fit(X, y, tasks=tasks)
    assert est.n_iter_ == max_iter


def test_a_solver_that_stops_by_itself_is_not_told_to_go_on():
    X, y, tasks = draw("regressor", n=90, d=4)
    X[:, 0] *= 1e16
    X[:, 1] = X[:, 0]
    est = MeanRegularizedRegressor(solver="direct")
    with pytest.warns(ConvergenceWarning) as caught:
        est.fit(X, y, tasks=tasks)
    message = str(caught[0].message)
    assert "StandardScaler" in message
    assert "max_iter" not in message
    assert est.n_iter_ < 10
