"""``regularization_path``: the fits of a grid, each started from the last."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from mtlreg import (
    DirtyModelRegressor,
    GroupLassoRegressor,
    MeanRegularizedRegressor,
    TraceNormRegressor,
    alpha_grid,
    alpha_max,
    regularization_path,
)
from mtlreg.datasets import make_multitask_classification, make_multitask_regression
from mtlreg.problem.terms import StatisticsTerm
from tests.estimators.cases import ESTIMATORS, GAUGES, is_classifier, make
from tests.estimators.naive import NaiveProblem

every_estimator = pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda c: c.__name__)


def table(cls, shared=False, seed=0):
    make = make_multitask_regression
    if is_classifier(cls):
        make = make_multitask_classification
    options = {"n_samples": 40, "n_features": 8, "n_tasks": 4, "shared_X": shared}
    data = make(**options, random_state=seed)
    return data.X, data.y, None if shared else data.tasks


@every_estimator
@pytest.mark.parametrize("shared", [False, True])
def test_points_are_those_of_single_fits(cls, shared):
    X, y, tasks = table(cls, shared)
    est = cls(tol=1e-10)
    path = regularization_path(est, X, y, tasks=tasks, alphas=6, eps=0.05)
    np.testing.assert_array_equal(
        path.alphas, alpha_grid(est, X, y, tasks=tasks, n_alphas=6, eps=0.05)
    )
    assert path.coef.shape == (6, len(path.tasks), X.shape[1])
    assert path.intercept.shape == (6, len(path.tasks))
    assert path.ratios is None
    first, *others = est._strengths
    for index, alpha in enumerate(path.alphas):
        factor = alpha / getattr(est, first)
        strengths = {name: factor * getattr(est, name) for name in [first, *others]}
        alone = clone(est).set_params(**strengths).fit(X, y, tasks=tasks)
        np.testing.assert_allclose(path.coef[index], alone.coef_, atol=2e-4)
        np.testing.assert_allclose(path.intercept[index], alone.intercept_, atol=2e-4)
        null = NaiveProblem(alone, X, y, None, tasks).null_value()
        assert 0 <= path.gap[index] <= 1e-10 * null
    assert np.all(path.seconds > 0)
    assert np.all(path.n_iter >= 1)


@pytest.mark.parametrize("penalty", GAUGES)
def test_null_model_at_alpha_max_and_not_below(penalty):
    est = make(penalty, "regressor")
    X, y, tasks = table(type(est))
    largest = alpha_max(est, X, y, tasks=tasks)
    path = regularization_path(est, X, y, tasks=tasks, alphas=[largest, 0.99 * largest])
    assert not path.coef[0].any()
    assert path.coef[1].any()


def test_statistics_take_over_where_rows_are_many():
    data = make_multitask_regression(
        n_samples=3000, n_features=10, n_tasks=3, shared_X=True, random_state=1
    )
    est = GroupLassoRegressor(tol=1e-9)
    path = regularization_path(est, data.X, data.y, alphas=20)
    for index in (5, 19):
        alone = clone(est).set_params(alpha=path.alphas[index]).fit(data.X, data.y)
        np.testing.assert_allclose(path.coef[index], alone.coef_, atol=1e-4)
        np.testing.assert_allclose(path.intercept[index], alone.intercept_, atol=1e-4)


def test_warm_starts_save_iterations():
    X, y, tasks = table(TraceNormRegressor, seed=3)
    est = TraceNormRegressor(tol=1e-8)
    path = regularization_path(est, X, y, tasks=tasks, alphas=50, eps=1e-2)
    cold = sum(
        clone(est).set_params(alpha=alpha).fit(X, y, tasks=tasks).n_iter_
        for alpha in path.alphas
    )
    assert path.n_iter.sum() < 0.4 * cold


def test_points_on_a_line_are_free(monkeypatch):
    # orthonormal features: the lasso is linear in alpha while its signs stay
    X = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 4)))[0]
    y = X @ np.array([4.0, -3.0, 2.0, 5.0])
    est = GroupLassoRegressor(l1_ratio=1.0, fit_intercept=False, tol=1e-10)
    largest = alpha_max(est, X, y)
    path = regularization_path(est, X, y, alphas=np.linspace(0.3, 0.02, 20) * largest)
    expected = 40 * path.alphas[:, None, None] * np.sign([4.0, -3.0, 2.0, 5.0])
    np.testing.assert_allclose(path.coef, [4.0, -3.0, 2.0, 5.0] - expected, atol=1e-6)
    assert list(path.n_iter[2:]) == [1] * 18
    assert path.n_iter[1] > 1
    # nor do they need a product for their predictions
    images, image = [], StatisticsTerm.image
    monkeypatch.setattr(
        StatisticsTerm, "image", lambda term, A: images.append(1) or image(term, A)
    )
    counts = []
    for alphas in (path.alphas[:10], path.alphas):
        images.clear()
        regularization_path(est, X, y, alphas=alphas)
        counts.append(len(images))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(
    ("est", "ratios", "name"),
    [
        (GroupLassoRegressor(), [0.0, 0.5], "l1_ratio"),
        (DirtyModelRegressor(), [1.5, 2.0], "alpha_specific"),
        (MeanRegularizedRegressor(), [0.1, 1.0], "alpha_mean"),
    ],
)
def test_one_path_for_each_ratio(est, ratios, name):
    X, y, tasks = table(type(est))
    path = regularization_path(est, X, y, tasks=tasks, alphas=4, ratios=ratios)
    assert path.coef.shape == (2, 4, len(path.tasks), X.shape[1])
    assert path.alphas.shape == path.gap.shape == path.n_iter.shape == (2, 4)
    np.testing.assert_array_equal(path.ratios, ratios)
    for index, ratio in enumerate(path.ratios):
        changed = clone(est).set_params(**est._at_ratio(ratio))
        assert name in est._at_ratio(ratio)
        alone = regularization_path(changed, X, y, tasks=tasks, alphas=4)
        np.testing.assert_allclose(path.coef[index], alone.coef, atol=1e-12)
        np.testing.assert_allclose(path.alphas[index], alone.alphas)


def test_strengths_are_sorted_and_the_estimator_is_left_alone():
    X, y, tasks = table(GroupLassoRegressor)
    est = GroupLassoRegressor(alpha=0.3)
    path = regularization_path(est, X, y, tasks=tasks, alphas=[0.01, 0.1])
    np.testing.assert_array_equal(path.alphas, [0.1, 0.01])
    assert vars(est) == vars(GroupLassoRegressor(alpha=0.3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alphas": []}, "alphas must hold at least one"),
        ({"alphas": [[0.1]]}, "alphas must hold"),
        ({"alphas": [0.1, -1.0]}, r"alphas must be finite and more than 0, got -1"),
        ({"alphas": [0.1, np.nan]}, "alphas must be finite"),
        ({"alphas": 0}, "n_alphas"),
        ({"eps": 2.0}, "eps"),
        ({"ratios": [np.inf]}, "ratios must be finite"),
    ],
)
def test_bad_grids_are_refused(options, message):
    X, y, tasks = table(GroupLassoRegressor)
    with pytest.raises(ValueError, match=message):
        regularization_path(GroupLassoRegressor(), X, y, tasks=tasks, **options)


@pytest.mark.parametrize("value", ["0.1", True, None, 1j])
@pytest.mark.parametrize("name", ["alphas", "ratios"])
def test_strengths_that_are_no_numbers_are_refused(name, value):
    X, y, tasks = table(GroupLassoRegressor)
    with pytest.raises(TypeError, match=f"{name} must hold numbers, got"):
        regularization_path(
            GroupLassoRegressor(), X, y, tasks=tasks, **{name: [0.5, value]}
        )


def test_ratios_of_one_strength_are_refused():
    X, y, tasks = table(TraceNormRegressor)
    with pytest.raises(ValueError, match="ratios must be None"):
        regularization_path(TraceNormRegressor(), X, y, tasks=tasks, ratios=[1.0])


def test_points_that_fall_short_are_said_once():
    X, y, tasks = table(TraceNormRegressor)
    est = TraceNormRegressor(max_iter=1, tol=1e-12)
    with pytest.warns(ConvergenceWarning, match=r"points did not reach tol=1e-12") as w:
        path = regularization_path(est, X, y, tasks=tasks, alphas=4, eps=0.1)
    assert len(w) == 1
    assert np.all(np.isfinite(path.coef))
