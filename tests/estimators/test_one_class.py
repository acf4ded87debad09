"""Tasks with one class: no share in F, the penalty's slopes, a smoothed intercept."""

import warnings

import numpy as np
import pytest
from scipy.special import logit

from mtlreg.penalties import (
    CommonDeviation,
    FusedGroup,
    InfimalSum,
    MeanRegularization,
)
from tests import oracles
from tests.estimators.cases import (
    CLASSIFIERS,
    EACH_KIND,
    draw,
    make,
    penalty_of,
    with_optimum,
)
from tests.estimators.naive import NaiveProblem

WARNING = r"one class only in the tasks \['n'\]"
NAMES = np.array(["s", "n", "w"], dtype=object)


def rows_with_one_class(value=1.0):
    """Task "n" (the first in order) has the class ``value`` only."""
    X, y, codes = draw("classifier", n=80)
    tasks = NAMES[codes]
    y[tasks == "n"] = value
    return X, y, tasks


@pytest.mark.parametrize("rule", ["equal", "proportional"])
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_left_out_of_the_problem(penalty, rule):
    X, y, tasks = rows_with_one_class()
    options = {"task_weight": rule} | with_optimum(penalty)
    est = make(penalty, "classifier", 0.3, **options)
    with pytest.warns(UserWarning, match=WARNING):
        est.fit(X, y, tasks=tasks)
    rest = tasks != "n"
    alone = make(penalty, "classifier", 0.3, **options)
    alone.fit(X[rest], y[rest], tasks=tasks[rest])
    assert est.tasks_.tolist() == ["n", "s", "w"]
    np.testing.assert_array_equal(est.coef_[1:], alone.coef_)
    np.testing.assert_array_equal(est.intercept_[1:], alone.intercept_)
    assert est.dual_gap_ == alone.dual_gap_
    naive = NaiveProblem(est, X, y, None, tasks)
    assert naive.kept.tolist() == [False, True, True]
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_slopes_and_intercept(penalty, value):
    X, y, tasks = rows_with_one_class(value)
    weight = np.random.default_rng(0).uniform(0.1, 2.0, size=len(y))
    est = make(penalty, "classifier", 0.3, **with_optimum(penalty))
    with pytest.warns(UserWarning, match=WARNING):
        est.fit(X, y, weight, tasks=tasks)
    expected = np.zeros(4)
    if isinstance(penalty_of(est), MeanRegularization):
        expected = est.coef_[1:].mean(axis=0)
    if penalty == "common":
        expected = est.common_coef_
        assert expected.any()
    if penalty == "robust-mean":
        expected = est.center_coef_
        np.testing.assert_array_equal(est.shared_coef_[0], expected)
        est.shared_coef_[0] = 0
    if penalty == "mean":
        np.testing.assert_allclose(est.mean_coef_, expected, rtol=1e-13)
    if penalty == "fused":
        held, A = penalty_of(est), est.coef_[1:].T
        best = oracles.cheapest_columns(held, A, np.arange(3) > 0)
        found, least = (oracles.value(held, B) for B in (est.coef_.T, best))
        assert found <= least * (1 + 1e-12)
    else:
        np.testing.assert_allclose(est.coef_[0], expected, rtol=1e-13)
    total = weight[tasks == "n"].sum()
    odds = logit((value * total + 0.5) / (total + 1))
    assert est.intercept_[0] == pytest.approx(odds, rel=1e-12)
    p = est.predict_proba(X[:5], tasks=["n"] * 5)
    assert np.isfinite(p).all()
    for name in ("shared_coef_", "specific_coef_"):
        if hasattr(est, name):
            assert not getattr(est, name)[0].any()


@pytest.mark.parametrize("cls", CLASSIFIERS, ids=lambda cls: cls.__name__)
def test_only_rows_of_positive_weight_count(cls):
    X, y, tasks = draw("classifier", n=80)
    tasks = NAMES[tasks]
    weight = np.where((tasks == "n") & (y == 0), 0.0, 1.0)
    with pytest.warns(UserWarning, match=WARNING):
        est = cls().fit(X, y, weight, tasks=tasks)
    held = weight > 0
    with pytest.warns(UserWarning, match=WARNING):
        dropped = cls().fit(X[held], y[held], tasks=tasks[held])
    np.testing.assert_array_equal(est.coef_, dropped.coef_)
    np.testing.assert_array_equal(est.intercept_, dropped.intercept_)


@pytest.mark.parametrize("penalty", EACH_KIND)
def test_nothing_special_without_intercept(penalty):
    X, y, tasks = rows_with_one_class()
    est = make(penalty, "classifier", 0.1, fit_intercept=False, tol=1e-4)
    est.fit(X, y, tasks=tasks)
    assert est.coef_[0].any()
    np.testing.assert_array_equal(est.intercept_, 0.0)
    naive = NaiveProblem(est, X, y, None, tasks)
    assert naive.kept.all()
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=1e-6)


@pytest.mark.parametrize("cls", CLASSIFIERS, ids=lambda cls: cls.__name__)
def test_a_column_with_one_class(cls):
    X, Y, _ = draw("classifier", layout="columns")
    Y[:, 1] = 1.0
    with pytest.warns(UserWarning, match=r"in the tasks \[1\]"):
        est = cls().fit(X, Y)
    assert est.classes_.tolist() == [[0.0, 1.0]] * 3
    rest = cls().fit(X, Y[:, [0, 2]])
    np.testing.assert_allclose(est.coef_[[0, 2]], rest.coef_, rtol=1e-12)
    assert est.intercept_[1] == pytest.approx(logit(60.5 / 61), rel=1e-12)
    drawn = MeanRegularization | FusedGroup | CommonDeviation | InfimalSum
    if not isinstance(penalty_of(est), drawn):
        assert (est.predict(X)[:, 1] == 1.0).all()
    assert est.predict_proba(X).shape == (60, 3)


@pytest.mark.parametrize("cls", CLASSIFIERS, ids=lambda cls: cls.__name__)
def test_no_task_with_two_classes(cls):
    X, y, tasks = draw("classifier")
    for labels in (y.astype(int), NAMES[y.astype(int)]):
        with pytest.raises(ValueError, match="one class only in every task"):
            cls().fit(X, y, tasks=labels)
    # without an intercept there is an optimum
    cls(fit_intercept=False).fit(X, y, tasks=y.astype(int))
    with pytest.raises(ValueError, match="one class"):
        cls().fit(X, np.ones(len(y)), tasks=tasks)


def test_the_warning_names_all_tasks_and_points_here():
    X, y, codes = draw("classifier", n=90, n_tasks=5)
    y[np.isin(codes, [1, 3])] = 0.0
    with pytest.warns(UserWarning, match=r"in the tasks \[1, 3\]") as record:
        CLASSIFIERS[0]().fit(X, y, tasks=codes)
    (warning,) = record
    assert warning.filename == __file__


def test_one_class_tasks_can_be_predicted_by_the_mean_of_all():
    X, y, tasks = rows_with_one_class()
    est = CLASSIFIERS[1](unseen_task="mean")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        est.fit(X, y, tasks=tasks)
    z = est.decision_function(X[:3], tasks=["new"] * 3)
    expected = X[:3] @ est.coef_.mean(axis=0) + est.intercept_.mean()
    np.testing.assert_allclose(z, expected, rtol=1e-12)
