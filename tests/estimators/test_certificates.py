"""``dual_gap_``: recomputed as primal minus dual, and a bound of what is missing."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from mtlreg import alpha_grid, alpha_max
from tests.datafiles import load_data
from tests.estimators.cases import GAUGES, KINDS, PENALTIES, draw, make, with_optimum
from tests.estimators.naive import NaiveProblem

ROUNDING = 1e-13  # of F0: primal minus dual is a difference of sums of that size

SETTINGS = {
    "plain": {},
    "no intercept": {"fit_intercept": False},
    "proportional": {"task_weight": "proportional"},
    "unequal": {"task_weight": [0.5, 2.0, 1.0]},
}


def weights_like(y, seed=3):
    weight = np.random.default_rng(seed).uniform(0.2, 3.0, size=y.shape)
    weight.flat[::7] = 0.0
    return weight


def fit_short(estimator, *args, **kwargs):
    """Fit, whether or not it converges."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*args, **kwargs)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_gap_from_scratch(penalty, kind, layout, weighted, setting):
    X, y, tasks = draw(kind, layout=layout, seed=5)
    weight = weights_like(y) if weighted else None
    options = {"tol": 1e-4, "solver": "fista"} | SETTINGS[setting]
    est = make(penalty, kind, 0.2, **options).fit(X, y, weight, tasks=tasks)
    naive = NaiveProblem(est, X, y, weight, tasks)
    null = naive.null_value()
    assert est.dual_gap_ <= 1e-4 * null * (1 + 1e-12)
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=0, abs=ROUNDING * null)
    tight = clone(est).set_params(tol=1e-13).fit(X, y, weight, tasks=tasks)
    best = naive.objective(tight.coef_, tight.intercept_)
    assert naive.objective() - est.dual_gap_ <= best + ROUNDING * null
    assert best <= naive.objective() + ROUNDING * null


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("alpha_mean", [1e-3, 0.5])
def test_gap_of_the_direct_solve(layout, alpha_mean):
    X, y, tasks = draw(layout=layout)
    est = make("mean", "regressor", alpha_mean=alpha_mean, solver="direct")
    naive = NaiveProblem(est.fit(X, y, tasks=tasks), X, y, None, tasks)
    assert abs(naive.gap()) <= ROUNDING * naive.null_value()
    assert est.dual_gap_ <= ROUNDING * naive.null_value()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_gap_of_a_fit_that_stops_short(penalty, kind):
    X, y, tasks = draw(kind)
    options = {"max_iter": 1, "tol": 1e-9, "solver": "fista"} | with_optimum(penalty)
    est = make(penalty, kind, 0.1, **options)
    with pytest.warns(ConvergenceWarning):
        est.fit(X, y, tasks=tasks)
    naive = NaiveProblem(est, X, y, None, tasks)
    assert est.dual_gap_ > 1e-9 * naive.null_value()
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
def test_tol_is_relative_to_the_null_model(kind, tol):
    for factor in (1.0, 1e-3) if kind == "regressor" else (1.0,):
        X, y, tasks = draw(kind)
        est = make("l21", kind, factor, tol=tol).fit(X, factor * y, tasks=tasks)
        null = NaiveProblem(est, X, factor * y, None, tasks).null_value()
        assert 0 < est.dual_gap_ <= tol * null * (1 + 1e-12)


@pytest.mark.parametrize("tol", [0.0, 1e-30])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_target_has_a_floor(penalty, tol):
    # 16 eps S with S the loss of the prediction 0, so that tol=0 still ends
    X, y, tasks = draw()
    est = make(penalty, "regressor", tol=tol, solver="fista").fit(X, y, tasks=tasks)
    scale = sum(0.5 * np.mean(y[tasks == t] ** 2) for t in est.tasks_)
    assert est.dual_gap_ <= 16 * np.finfo(float).eps * scale * (1 + 1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_float32_gap_is_computed_in_float64(penalty, kind):
    X, y, tasks = draw(kind)
    X = X.astype(np.float32)
    options = {"tol": 1e-12, "solver": "fista"} | with_optimum(penalty)
    est = make(penalty, kind, 0.2, **options).fit(X, y, tasks=tasks)
    assert est.coef_.dtype == np.float32
    naive = NaiveProblem(est, X, y, None, tasks)
    null = naive.null_value()
    assert est.dual_gap_ <= 2e-6 * null * (1 + 1e-12)
    # the intercept, rounded to float32, shifts the residuals off their best
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=1e-3, abs=1e-7 * null)


@pytest.mark.data
@pytest.mark.parametrize("penalty", ["mean", "l21", "trace", "dirty-linf"])
def test_gap_on_schools(penalty):
    data = load_data("school")
    X, y, tasks = data["X"], data["y"], data["tasks"]
    scale = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    est = make(penalty, "regressor")
    if penalty in GAUGES:
        largest = alpha_max(est, X, y, tasks=tasks)
    else:
        largest = 10 * alpha_grid(est, X, y, tasks=tasks, n_alphas=3)[1]
    factor = largest / 10 / getattr(est, est._strengths[0])
    est = make(penalty, "regressor", factor).fit(X, y, tasks=tasks)
    naive = NaiveProblem(est, X, y, None, tasks)
    null = naive.null_value()
    assert est.dual_gap_ <= 1e-6 * null * (1 + 1e-12)
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=0, abs=1e-12 * null)
