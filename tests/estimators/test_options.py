"""Options of all regressors, or of all classifiers."""

import numpy as np
import pytest
from sklearn.base import clone

from mtlreg import (
    GroupLassoClassifier,
    GroupLassoClassifierCV,
    GroupLassoRegressor,
    GroupLassoRegressorCV,
    MeanRegularizedRegressorCV,
    PenalizedRegressor,
    alpha_max,
    regularization_path,
)
from mtlreg.datasets import make_multitask_classification, make_multitask_regression
from mtlreg.penalties import L1, InfimalSum, TraceNorm
from tests.estimators.cases import CLASSIFIERS, EACH_KIND, REGRESSORS, make

UNITS = np.array([1.0, 1e3, 1e-4])
LEVELS = np.array([0.0, 5e4, -1.0])


@pytest.fixture
def table():
    data = make_multitask_regression(
        n_tasks=3, n_samples=20, n_features=5, n_informative=3, random_state=3
    )
    return data.X, data.y, data.tasks


def spread(tasks):
    return np.unique(tasks, return_inverse=True)[1]


def standardised(y, tasks, weight=None):
    """The targets in units of the standard deviation of their task, and these."""
    codes = spread(tasks)
    weight = np.ones(len(y)) if weight is None else weight
    scale = np.empty(codes.max() + 1)
    for t in range(len(scale)):
        held = codes == t
        mean = np.average(y[held], weights=weight[held])
        scale[t] = np.sqrt(np.average((y[held] - mean) ** 2, weights=weight[held]))
    return y / scale[codes], scale


@pytest.mark.parametrize("penalty", EACH_KIND)
def test_normalize_y_is_a_fit_of_standardised_targets(penalty, table):
    X, y, tasks = table
    weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    model = make(penalty, "regressor", normalize_y=True, tol=1e-10)
    model.fit(X, y, sample_weight=weight, tasks=tasks)
    unit, scale = standardised(y, tasks, weight)
    plain = clone(model).set_params(normalize_y=False)
    plain.fit(X, unit, sample_weight=weight, tasks=tasks)
    assert np.allclose(model.y_scale_, scale, rtol=1e-13)
    assert np.allclose(model.coef_, plain.coef_ * scale[:, None], rtol=1e-6, atol=1e-6)
    assert np.isclose(model.dual_gap_, plain.dual_gap_, rtol=0, atol=1e-9)
    expected = plain.predict(X, tasks=tasks) * scale[spread(tasks)]
    assert np.allclose(model.predict(X, tasks=tasks), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("penalty", EACH_KIND)
def test_units_do_not_count_with_normalize_y(penalty, table):
    X, y, tasks = table
    codes = spread(tasks)
    model = make(penalty, "regressor", normalize_y=True, tol=1e-10)
    first = clone(model).fit(X, y, tasks=tasks)
    other = clone(model).fit(X, UNITS[codes] * y + LEVELS[codes], tasks=tasks)
    assert np.allclose(other.y_scale_, UNITS * first.y_scale_, rtol=1e-9)
    back = other.coef_ / UNITS[:, None]
    assert np.allclose(back, first.coef_, rtol=1e-5, atol=1e-5)
    back = (other.intercept_ - LEVELS) / UNITS
    assert np.allclose(back, first.intercept_, rtol=1e-5, atol=1e-4)


def test_normalize_y_with_missing_targets(table):
    X, y, tasks = table
    n_rows, codes = len(y), spread(tasks)
    Y = np.full((n_rows, 3), np.nan)
    Y[np.arange(n_rows), codes] = y
    columns = GroupLassoRegressor(0.1, normalize_y=True, tol=1e-10).fit(X, Y)
    rows = GroupLassoRegressor(0.1, normalize_y=True, tol=1e-10)
    rows.fit(X, y, tasks=tasks)
    assert np.allclose(columns.y_scale_, rows.y_scale_, rtol=1e-12)
    assert np.allclose(columns.coef_, rows.coef_, rtol=0, atol=1e-5)


def test_a_constant_target_stays_in_its_units(table):
    X, y, tasks = table
    codes = spread(tasks)
    y[codes == 1] = 7.25
    model = GroupLassoRegressor(0.1, normalize_y=True).fit(X, y, tasks=tasks)
    assert model.y_scale_[1] == 1
    assert not model.coef_[1].any()
    assert model.intercept_[1] == 7.25


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_far_out_units(scale, table):
    X, y, tasks = table
    model = GroupLassoRegressor(0.1, normalize_y=True).fit(X, y * scale, tasks=tasks)
    plain = GroupLassoRegressor(0.1, normalize_y=True).fit(X, y, tasks=tasks)
    assert np.allclose(model.coef_ / scale, plain.coef_, rtol=1e-9)


def test_parts_add_up_in_units_of_y(table):
    X, y, tasks = table
    y = y * UNITS[spread(tasks)]
    dirty = make("dirty-linf", "regressor", normalize_y=True).fit(X, y, tasks=tasks)
    assert np.allclose(dirty.shared_coef_ + dirty.specific_coef_, dirty.coef_)
    mean = make("mean", "regressor", normalize_y=True).fit(X, y, tasks=tasks)
    assert np.allclose(mean.mean_coef_, mean.coef_.mean(axis=0))
    both = PenalizedRegressor(InfimalSum(TraceNorm(0.1), L1(0.08)), normalize_y=True)
    both.fit(X, y, tasks=tasks)
    assert np.allclose(both.blocks_.sum(axis=0), both.coef_)
    # the split is that of the fit: entries of a row are clipped at one level there
    level = dirty.shared_coef_ / dirty.y_scale_[:, None]
    clipped = np.abs(dirty.specific_coef_) > 0
    assert clipped.any()
    tops = np.abs(level).max(axis=0)
    assert np.allclose(
        np.abs(level)[clipped], np.broadcast_to(tops, level.shape)[clipped]
    )


def test_normalize_y_in_paths_and_searches(table):
    X, y, tasks = table
    unit, scale = standardised(y, tasks)
    given = {"alphas": 5, "eps": 0.05}
    model = GroupLassoRegressor(normalize_y=True, tol=1e-8)
    plain = GroupLassoRegressor(tol=1e-8)
    largest = alpha_max(model, X, y, tasks=tasks)
    assert np.isclose(largest, alpha_max(plain, X, unit, tasks=tasks), rtol=1e-12)
    path = regularization_path(model, X, y, tasks=tasks, **given)
    other = regularization_path(plain, X, unit, tasks=tasks, **given)
    assert np.allclose(path.coef, other.coef * scale[:, None], rtol=1e-5, atol=1e-5)
    search = GroupLassoRegressorCV(normalize_y=True, tol=1e-8, **given)
    search.fit(X, y, tasks=tasks)
    expected = GroupLassoRegressorCV(tol=1e-8, **given).fit(X, unit, tasks=tasks)
    assert np.allclose(search.score_path_, expected.score_path_, rtol=1e-6)
    assert np.allclose(search.coef_, expected.coef_ * scale[:, None], atol=1e-5)
    # a scorer sees predictions in the units of y
    scored = GroupLassoRegressorCV(normalize_y=True, scoring="r2", **given).fit(
        X, y, tasks=tasks
    )
    assert scored.score_path_.max() > 0


def test_leave_one_out_of_normalised_targets(table):
    X, y, tasks = table
    unit, _ = standardised(y, tasks)
    search = MeanRegularizedRegressorCV(alphas=4, cv="loo", normalize_y=True)
    search.fit(X, y, tasks=tasks)
    expected = MeanRegularizedRegressorCV(alphas=4, cv="loo").fit(X, unit, tasks=tasks)
    assert np.allclose(search.score_path_, expected.score_path_, rtol=1e-6)


def test_warm_starts_of_normalised_targets(table):
    X, y, tasks = table
    model = GroupLassoRegressor(0.1, normalize_y=True, warm_start=True, tol=1e-10)
    cold = model.fit(X, y, tasks=tasks).n_iter_
    assert model.fit(X, y, tasks=tasks).n_iter_ == 1 < cold


def test_missing_tasks_of_a_fold_with_normalize_y(table):
    X, y, tasks = table
    first = spread(tasks) == 0
    search = GroupLassoRegressorCV(
        alphas=3, normalize_y=True, cv=[(~first, first)], unseen_task="mean"
    )
    assert np.isfinite(search.fit(X, y, tasks=tasks).score_path_).all()


@pytest.mark.parametrize("value", [1, "yes", None])
@pytest.mark.parametrize("cls", REGRESSORS)
def test_normalize_y_is_a_flag(cls, value, table):
    with pytest.raises(ValueError, match="normalize_y must be True or False"):
        cls(normalize_y=value).fit(table[0], table[1], tasks=table[2])


@pytest.fixture
def classes():
    data = make_multitask_classification(
        n_tasks=3, n_samples=40, n_features=5, n_informative=3, random_state=1
    )
    y = np.where(data.y > np.min(data.y), "yes", "no")
    keep = np.random.default_rng(0).random(len(y)) < np.where(y == "yes", 0.4, 1.0)
    return data.X[keep], y[keep], data.tasks[keep]


@pytest.mark.parametrize("penalty", EACH_KIND)
def test_class_weights_multiply_those_of_rows(penalty, classes):
    X, y, tasks = classes
    weight = np.random.default_rng(0).integers(1, 3, len(y)).astype(float)
    model = make(penalty, "classifier", class_weight={"yes": 2.5}, tol=1e-9)
    model.fit(X, y, sample_weight=weight, tasks=tasks)
    plain = clone(model).set_params(class_weight=None)
    plain.fit(X, y, sample_weight=weight * np.where(y == "yes", 2.5, 1.0), tasks=tasks)
    assert np.array_equal(model.coef_, plain.coef_)
    assert np.array_equal(model.intercept_, plain.intercept_)


def test_balanced_inside_every_task(classes):
    X, y, tasks = classes
    weight = np.random.default_rng(0).integers(1, 3, len(y)).astype(float)
    model = GroupLassoClassifier(0.02, class_weight="balanced", tol=1e-9)
    model.fit(X, y, sample_weight=weight, tasks=tasks)
    balanced = weight.copy()
    for task in np.unique(tasks):
        for label in ("yes", "no"):
            held = (tasks == task) & (y == label)
            balanced[held] *= weight[tasks == task].sum() / (2 * weight[held].sum())
    plain = GroupLassoClassifier(0.02, tol=1e-9)
    plain.fit(X, y, sample_weight=balanced, tasks=tasks)
    assert np.allclose(model.coef_, plain.coef_, rtol=0, atol=1e-6)


def test_class_weights_of_one_vs_rest_and_of_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    y = np.array(["a", "b", "c"])[
        np.argmax(X[:, :3] + rng.normal(size=(90, 3)), axis=1)
    ]
    given = {"a": 3.0, "c": 0.5}
    model = GroupLassoClassifier(0.01, class_weight=given, tol=1e-9).fit(X, y)
    weight = np.array([given.get(label, 1.0) for label in y])
    plain = GroupLassoClassifier(0.01, tol=1e-9).fit(X, y, sample_weight=weight)
    assert np.allclose(model.coef_, plain.coef_, rtol=0, atol=1e-6)
    Y = np.column_stack([y == "a", y == "b"]).astype(int)
    columns = GroupLassoClassifier(0.01, class_weight={1: 2.0}, tol=1e-9).fit(X, Y)
    plain = GroupLassoClassifier(0.01, tol=1e-9)
    plain.fit(X, Y, sample_weight=np.where(Y == 1, 2.0, 1.0))
    assert np.allclose(columns.coef_, plain.coef_, rtol=0, atol=1e-6)


def test_class_weights_in_a_search(classes):
    X, y, tasks = classes
    given = {"alphas": 4, "eps": 0.05, "tol": 1e-8}
    search = GroupLassoClassifierCV(class_weight={"yes": 3.0}, **given)
    search.fit(X, y, tasks=tasks)
    plain = GroupLassoClassifierCV(**given)
    plain.fit(X, y, sample_weight=np.where(y == "yes", 3.0, 1.0), tasks=tasks)
    assert np.allclose(search.score_path_, plain.score_path_, rtol=1e-9)
    assert np.allclose(search.coef_, plain.coef_, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Balanced", "class_weight must be None, 'balanced' or a dict"),
        ([1.0, 2.0], "class_weight must be None, 'balanced' or a dict"),
        (np.ones(2), "class_weight must be None, 'balanced' or a dict"),
        ({"maybe": 1.0}, "class_weight has the class 'maybe', which y has not"),
        ({"yes": -1.0}, "class_weight must be finite and > 0, got -1.0"),
        ({"yes": np.nan}, "class_weight must be finite and > 0, got nan"),
        ({"yes": "2"}, "class_weight must be finite and > 0, got '2'"),
    ],
)
@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_class_weights_are_checked(cls, given, message, classes):
    X, y, tasks = classes
    with pytest.raises(ValueError, match=message):
        cls(class_weight=given).fit(X, y, tasks=tasks)
