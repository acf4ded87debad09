"""``alpha_max`` and ``alpha_grid``."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Lasso, lasso_path

from mtlreg import (
    DirtyModelRegressor,
    GroupLassoClassifier,
    GroupLassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    alpha_grid,
    alpha_max,
    regularization_path,
)
from tests.estimators.cases import (
    CV_ESTIMATORS,
    GAUGES,
    KINDS,
    draw,
    make,
    scaled,
    school_table,
)
from tests.estimators.naive import NaiveProblem

SETTINGS = {
    "plain": {},
    "no intercept": {"fit_intercept": False},
    "proportional": {"task_weight": "proportional"},
}


def leading(estimator):
    return getattr(estimator, estimator._strengths[0])


def at(estimator, X, y, weight, tasks, factor):
    """The estimator fitted at a factor of its alpha_max, ratios as they are."""
    largest = alpha_max(estimator, X, y, weight, tasks=tasks)
    est = scaled(clone(estimator), factor * largest / leading(estimator))
    return est.fit(X, y, weight, tasks=tasks)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layout", ["rows", "columns", "single"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", GAUGES)
def test_zeros_begin_at_alpha_max(penalty, kind, layout, weighted, setting):
    X, y, tasks = draw(kind, layout=layout)
    weight = np.random.default_rng(0).uniform(0.1, 2, 60) if weighted else None
    est = make(penalty, kind, tol=1e-8, **SETTINGS[setting])
    null = at(est, X, y, weight, tasks, 1.0)
    assert not null.coef_.any()
    assert null.n_iter_ == 1
    naive = NaiveProblem(null, X, y, weight, tasks)
    assert null.dual_gap_ <= 1e-13 * naive.null_value()
    assert naive.objective() == pytest.approx(naive.null_value(), rel=1e-13)
    assert not at(est, X, y, weight, tasks, 1.5).coef_.any()
    assert at(est, X, y, weight, tasks, 0.99).coef_.any()


@pytest.mark.parametrize("penalty", GAUGES)
def test_gap_of_zero_below_alpha_max(penalty):
    # at A = 0 and alpha = f alpha_max the gap is (1 - f)^2 F0 with the squared loss
    X, y, tasks = draw()
    est = make(penalty, "regressor", tol=1.01e-4)
    just_below = at(est, X, y, None, tasks, 0.99)
    assert not just_below.coef_.any()
    null = NaiveProblem(just_below, X, y, None, tasks).null_value()
    assert just_below.dual_gap_ == pytest.approx(1e-4 * null, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", GAUGES)
def test_only_ratios_of_strengths_matter(penalty, kind):
    X, y, tasks = draw(kind)
    est = make(penalty, kind)
    params = est.get_params()
    largest = alpha_max(est, X, y, tasks=tasks)
    assert isinstance(largest, float)
    for factor in (1e-6, 1e3):
        other = alpha_max(scaled(clone(est), factor), X, y, tasks=tasks)
        assert other == pytest.approx(largest, rel=1e-12)
    # the estimator is not touched
    assert est.get_params() == params
    assert vars(est).keys() == params.keys()


def test_leading_strength_of_the_dirty_model():
    X, y, tasks = draw()
    for shared, specific in [(0.14, 0.1), (1.0, 0.9), (2.0, 0.5)]:
        est = DirtyModelRegressor(shared, specific)
        largest = alpha_max(est, X, y, tasks=tasks)
        group = alpha_max(GroupLassoRegressor(norm="linf"), X, y, tasks=tasks)
        lasso = alpha_max(GroupLassoRegressor(l1_ratio=1), X, y, tasks=tasks)
        # the larger polar decides, each at its own strength
        expected = max(group, lasso * shared / specific)
        assert largest == pytest.approx(expected, rel=1e-12)


def test_alpha_max_of_scikit_learn():
    X, y, _ = draw(layout="single")
    # lasso_path does not centre
    y, X = y - y.mean(), X - X.mean(axis=0)
    alphas, *_ = lasso_path(X, y, alphas=5)
    assert alpha_max(GroupLassoRegressor(), X, y) == pytest.approx(alphas[0])
    grid = alpha_grid(GroupLassoRegressor(), X, y, n_alphas=5)
    np.testing.assert_allclose(grid, alphas, rtol=1e-12)


@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
def test_with_a_task_column(library):
    X, y, tasks = draw()
    table, y, column = school_table(library, "regressor")
    est = GroupLassoRegressor(task_column=column)
    expected = alpha_max(GroupLassoRegressor(), X, y, tasks=tasks)
    assert alpha_max(est, table, y) == pytest.approx(expected, rel=1e-12)
    grid = alpha_grid(est, table, y, n_alphas=4)
    assert grid[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("cls", [MeanRegularizedRegressor, MeanRegularizedClassifier])
@pytest.mark.parametrize("alpha_mean", [0.0, 0.001])
def test_no_alpha_max_for_mean_regularisation(cls, alpha_mean):
    X, y, tasks = draw(KINDS[cls is MeanRegularizedClassifier])
    y = np.where(np.arange(60) % 5 == 0, 1 - y, y)  # classes that overlap
    with pytest.raises(ValueError, match=r"has no alpha_max.*alpha_grid"):
        alpha_max(cls(alpha_mean=alpha_mean), X, y, tasks=tasks)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", GAUGES)
def test_grid_of_a_gauge(penalty, kind):
    X, y, tasks = draw(kind)
    est = make(penalty, kind)
    largest = alpha_max(est, X, y, tasks=tasks)
    grid = alpha_grid(est, X, y, tasks=tasks, n_alphas=7, eps=1e-2)
    np.testing.assert_allclose(grid, largest * np.geomspace(1, 1e-2, 7), rtol=1e-12)
    assert grid[0] == largest
    assert alpha_grid(est, X, y, tasks=tasks).shape == (100,)
    assert alpha_grid(est, X, y, tasks=tasks)[-1] == pytest.approx(1e-3 * largest)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", KINDS)
def test_grid_of_mean_regularisation(kind, layout):
    X, y, tasks = draw(kind, layout=layout)
    weight = np.random.default_rng(0).uniform(0.1, 2, 60)
    est = make("mean", kind, task_weight=[1.0, 2.0, 0.5])
    curvature = 0.0
    for t, c in enumerate([1.0, 2.0, 0.5]):
        rows = np.ones(60, bool) if layout == "columns" else tasks == t
        v = weight[rows] / weight[rows].sum()
        centred = X[rows] - v @ X[rows]
        curvature += c * (v @ centred**2).sum() / (3 * 4)
    grid = alpha_grid(est, X, y, weight, tasks=tasks, n_alphas=5)
    expected = curvature * np.geomspace(1e3, 1e-3, 5)
    np.testing.assert_allclose(grid, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_alphas": 0}, "n_alphas == 0, must be >= 1"),
        ({"n_alphas": 2.5}, "n_alphas must be an instance of int"),
        ({"eps": 0.0}, "eps == 0.0, must be > 0"),
        ({"eps": 1.0}, "eps == 1.0, must be < 1"),
        ({"eps": 1}, r"eps == 1, must be < 1: a number in \(0, 1\)"),
        ({"eps": "small"}, "eps must be an instance of float"),
        ({"eps": True}, "eps must be a number, got True"),
        ({"n_alphas": True}, "n_alphas must be a number, got True"),
    ],
)
def test_refused_arguments(options, match):
    X, y, tasks = draw()
    kind = ValueError if "==" in match else TypeError
    with pytest.raises(kind, match=match):
        alpha_grid(GroupLassoRegressor(), X, y, tasks=tasks, **options)


def test_eps_is_any_real_number():
    X, y, tasks = draw()
    grids = [
        alpha_grid(GroupLassoRegressor(), X, y, tasks=tasks, n_alphas=2, eps=eps)
        for eps in (0.125, np.float32(0.125), Fraction(1, 8))
    ]
    for grid in grids:
        np.testing.assert_array_equal(grid, grids[0])


@pytest.mark.parametrize("function", [alpha_max, alpha_grid])
def test_parameters_and_data_are_checked(function):
    X, y, tasks = draw()
    with pytest.raises(ValueError, match="alpha == -1, must be > 0"):
        function(GroupLassoRegressor(-1), X, y, tasks=tasks)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        function(GroupLassoRegressor(), X, np.full(60, np.nan), tasks=tasks)
    with pytest.raises(ValueError, match="negative"):
        function(GroupLassoRegressor(), X, y, -np.ones(60), tasks=tasks)


@pytest.mark.parametrize("function", [alpha_max, alpha_grid, regularization_path])
@pytest.mark.parametrize("cls", [*CV_ESTIMATORS, Lasso], ids=lambda c: c.__name__)
def test_an_estimator_without_strengths_is_refused_by_name(function, cls):
    X, y, _ = draw()
    name = cls.__name__
    plain = name.removesuffix("CV") if name.endswith("CV") else "GroupLassoRegressor"
    with pytest.raises(TypeError, match=f"{name} has no strengths .* pass .*{plain}"):
        function(cls(), X, y)


def test_targets_without_a_scale():
    X = draw()[0]
    constant = np.full(60, 3.0)
    assert alpha_max(GroupLassoRegressor(), X, constant) == 0
    est = GroupLassoRegressor(1e-9).fit(X, constant)
    assert not est.coef_.any()
    assert est.intercept_.tolist() == [3.0]
    for cls in (GroupLassoRegressor, MeanRegularizedRegressor):
        with pytest.raises(ValueError, match="no scale for the strengths"):
            alpha_grid(cls(), np.ones((60, 2)), X[:, 0])


def test_a_classifier_of_three_classes():
    X, Z, _ = draw(layout="columns")
    y = np.argmax(Z, axis=1)
    est = GroupLassoClassifier(tol=1e-8)
    assert not at(est, X, y, None, None, 1.0).coef_.any()
    assert at(est, X, y, None, None, 0.99).coef_.any()
