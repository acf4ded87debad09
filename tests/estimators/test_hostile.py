"""Hostile tables: a clean error, or finite coefficients with a finite gap >= 0."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from mtlreg import MeanRegularizedClassifier, regularization_path
from tests.estimators.cases import (
    EACH_KIND,
    GAUGES,
    KINDS,
    draw,
    is_gauge,
    make,
    scaled,
)
from tests.estimators.naive import NaiveProblem

# the squares of the first two and the last two are beyond float64
SCALES = [1e-250, 1e-160, 1e-60, 1e-30, 1e-8, 1.0, 1e8, 1e30, 1e60, 1e160, 1e250]


@st.composite
def tables(draw_value):
    """X, y, sample_weight, tasks; often of columns that carry nothing."""
    n = draw_value(st.integers(1, 12))
    rng = np.random.default_rng(draw_value(st.integers(0, 99)))
    columns = []
    for _ in range(draw_value(st.integers(1, 4))):
        scale = draw_value(st.sampled_from([1.0, 1.0, *SCALES]))
        shape = draw_value(
            st.sampled_from(["normal", "zero", "constant", "same", "0/1"])
        )
        column = {
            "normal": rng.normal(size=n),
            "zero": np.zeros(n),
            "constant": np.full(n, 0.1),
            "same": columns[-1] if columns else np.ones(n),
            "0/1": rng.integers(0, 2, size=n),
        }[shape]
        shift = draw_value(st.sampled_from([0.0, 0.0, 1.0, 1e9]))
        columns.append(column if shape == "same" else scale * (column + shift))
    y = draw_value(st.sampled_from([1.0, 1.0, *SCALES])) * rng.normal(size=n)
    y = y if draw_value(st.booleans()) else np.zeros(n)
    weight = None
    if draw_value(st.booleans()):
        weight = 10.0 ** rng.integers(-12, 12, size=n)
    tasks = np.arange(n) % draw_value(st.integers(1, n))
    return np.column_stack(columns), y, weight, tasks


def fit_quietly(estimator, *args, **kwargs):
    """Fit; warnings about convergence and one-class tasks are no news here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "the target has one class only")
        return estimator.fit(*args, **kwargs)


def assert_finite(estimator):
    for name, value in vars(estimator).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert np.isfinite(value).all(), name
    assert 0 <= estimator.dual_gap_ < np.inf


CLEAN = "squares (over|under)flow|one class|no observed target"


def check(penalty, kind, strength, table, layout="rows", **params):
    X, y, weight, tasks = table
    if kind == "classifier":
        y = np.where(y > 0, 1.0, 0.0)
    if layout == "columns":
        y, tasks = np.column_stack([y, y[::-1]]), None
    est = make(penalty, kind, strength, max_iter=60, **params)
    try:
        fit_quietly(est, X, y, weight, tasks=tasks)
    except ValueError as error:
        if not re.search(CLEAN, str(error)):
            raise
        return
    assert_finite(est)
    assert np.isfinite(est.predict(X, tasks=tasks)).all()


STRENGTHS = st.sampled_from([1e-200, 1e-6, 1e-2, 1.0, 1e6, 1e200, 1e307])


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
@settings(max_examples=25)
@given(table=tables(), strength=STRENGTHS, fit_intercept=st.booleans())
def test_never_nan(penalty, kind, layout, table, strength, fit_intercept):
    check(penalty, kind, strength, table, layout, fit_intercept=fit_intercept)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
@settings(max_examples=15)
@given(table=tables(), strength=STRENGTHS)
def test_never_nan_by_fista(penalty, kind, table, strength):
    check(penalty, kind, strength, table, solver="fista")


@pytest.mark.parametrize("scale", [1e155, 1e200, 1e300])
@pytest.mark.parametrize("layout", ["rows", "columns", "single"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", ["mean", "l21"])
def test_overflow_is_an_error(penalty, kind, layout, scale):
    X, y, tasks = draw(kind, layout=layout)
    for Z in (scale * X, np.column_stack([X, scale * X[:, 0]])):
        with pytest.raises(ValueError, match="squares overflow"):
            make(penalty, kind).fit(Z, y, tasks=tasks)


@pytest.mark.parametrize("scale", [1e80, 1e120, 1e150])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_units_just_below_overflow(penalty, kind, scale):
    X, y, tasks = draw(kind)
    check(penalty, kind, 1.0, (scale * X, y, None, tasks))


@pytest.mark.parametrize("scale", [1e-60, 1e-8, 1e8, 1e60])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_scales_that_can_be_fitted(penalty, kind, scale):
    # by the scaling laws the fit is that of X, whatever the unit of X
    X, y, tasks = draw(kind)
    unit = make(penalty, kind, 0.3, tol=1e-10).fit(X, y, tasks=tasks)
    strength = 0.3 * (scale if is_gauge(penalty) else scale**2)
    est = make(penalty, kind, strength, tol=1e-10).fit(scale * X, y, tasks=tasks)
    naive = NaiveProblem(unit, X, y, None, tasks)
    found = naive.objective(est.coef_ * scale, est.intercept_)
    assert abs(found - naive.objective()) <= 2e-10 * naive.null_value()


UNITS = [1e-170, 1e-120, 1e-70, 1.0, 1e70, 1e120, 1e170]


@pytest.mark.parametrize("x", UNITS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_units_are_refused_or_do_not_matter(penalty, kind, x):
    X, y, tasks = draw(kind)
    unit = make(penalty, kind, 0.3, tol=1e-10).fit(X, y, tasks=tasks)
    naive = NaiveProblem(unit, X, y, None, tasks)
    accepted = 0
    for u in UNITS if kind == "regressor" else [1.0]:
        # in steps, as x u may underflow
        est = scaled(make(penalty, kind, 0.3, tol=1e-10), x)
        est = scaled(est, u if is_gauge(penalty) else x)
        target = u * y if kind == "regressor" else y
        try:
            fit_quietly(est, x * X, target, tasks=tasks)
        except ValueError as error:
            if not re.search("squares|must be", str(error)):
                raise
            continue
        accepted += 1
        assert_finite(est)
        found = naive.objective(est.coef_ / u * x, est.intercept_ / u)
        assert abs(found - naive.objective()) <= 2e-10 * naive.null_value()
    assert accepted > 0 or x not in UNITS[2:-2]


@pytest.mark.parametrize("scale", [1e-120, 1e120])
@pytest.mark.parametrize("penalty", GAUGES)
def test_paths_in_any_unit(penalty, scale):
    # from one strength to the next solutions are extrapolated, over differences of them
    X, y, tasks = draw()
    estimator = make(penalty, "regressor")
    path = regularization_path(estimator, scale * X, y, tasks=tasks, alphas=7)
    plain = regularization_path(estimator, X, y, tasks=tasks, alphas=7)
    np.testing.assert_allclose(path.alphas, scale * plain.alphas, rtol=1e-12)
    null_value = sum(np.var(y[tasks == task]) / 2 for task in path.tasks)
    assert np.all(path.gap <= (1 + 1e-12) * estimator.tol * null_value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_one_row_in_a_task(penalty, kind):
    X, y, tasks = draw(kind)
    tasks[0] = 7
    est = fit_quietly(make(penalty, kind, 0.3), X, y, tasks=tasks)
    assert est.tasks_.tolist() == [0, 1, 2, 7]
    assert_finite(est)
    if kind == "regressor":
        # a row alone is fitted by its own intercept
        found = est.predict(X[:1], tasks=[7])
        np.testing.assert_allclose(found, y[:1], rtol=1e-10)


@pytest.mark.parametrize("penalty", EACH_KIND)
def test_one_row_in_every_task(penalty):
    X, y, _ = draw(n=8)
    est = make(penalty, "regressor", 0.3).fit(X, y, tasks=np.arange(8))
    assert not est.coef_.any()
    np.testing.assert_allclose(est.intercept_, y, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_columns_that_carry_nothing(penalty, kind):
    X, y, tasks = draw(kind)
    within = np.choose(tasks, [0.1, -3.3, 1e6])  # constant within a task
    Z = np.column_stack([X, np.full(60, 0.1), np.zeros(60), within])
    est = make(penalty, kind, 0.1).fit(Z, y, tasks=tasks)
    plain = make(penalty, kind, 0.1).fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(est.coef_[:, 4:], 0.0)
    naive = NaiveProblem(plain, X, y, None, tasks)
    found = naive.objective(est.coef_[:, :4], est.intercept_)
    assert abs(found - naive.objective()) <= 2e-6 * naive.null_value()


@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_a_mean_that_nothing_bounds(alpha):
    # separable classes and alpha_mean = 0: there is no optimum, only a warning
    X, y, tasks = draw("classifier")
    y = np.where(X[:, 0] > np.median(X[:, 0]), 1, 0)
    est = MeanRegularizedClassifier(alpha, alpha_mean=0, max_iter=50)
    with pytest.warns(ConvergenceWarning):
        est.fit(X, y, tasks=tasks)
    assert np.isfinite(est.coef_).all()
    assert est.dual_gap_ > 0
