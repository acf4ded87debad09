"""Features without a penalty: `feature_weight` with entries of 0."""

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg import (
    GroupLassoRegressor,
    GroupLassoRegressorCV,
    MeanRegularizedRegressor,
    PenalizedRegressor,
    alpha_max,
    regularization_path,
)
from mtlreg.losses import Squared
from mtlreg.penalties import L1, L21, InfimalSum, with_options
from mtlreg.problem import Problem
from mtlreg.problem.data import MultiTaskData
from tests.estimators.cases import GAUGES, KINDS, by_rows, draw, make
from tests.problems import counted

WEIGHT = np.array([0.0, 1.0, 0.0, 2.0, 1.0])
FREE = WEIGHT == 0
ROW_GAUGES = [name for name in GAUGES if by_rows(name)]
every_penalty = pytest.mark.parametrize("penalty", [*ROW_GAUGES, "mean"])


def without_free(X, y, tasks):
    """What the free features and a constant leave of the others and of y, by task."""
    X, y = X.copy(), y.copy()
    for t in np.unique(tasks):
        rows = tasks == t
        known = np.column_stack([np.ones(rows.sum()), X[np.ix_(rows, FREE)]])
        both = np.column_stack([X[np.ix_(rows, ~FREE)], y[rows]])
        both -= known @ np.linalg.lstsq(known, both)[0]
        X[np.ix_(rows, ~FREE)], y[rows] = both[:, :-1], both[:, -1]
    return X[:, ~FREE], y


def solvers_of(penalty):
    first = "direct" if penalty == "mean" else "bcd"
    return [first, "fista"]


@every_penalty
@pytest.mark.parametrize("sparse", [False, True])
def test_the_rest_is_fitted_to_what_they_leave(penalty, sparse):
    X, y, tasks = draw(n=120, d=5)
    rest, left = without_free(X, y, tasks)
    weight = WEIGHT[~FREE]
    other = make(penalty, "regressor", feature_weight=weight, tol=1e-12)
    other.fit(rest, left, tasks=tasks)
    assert other.coef_.any()
    for solver in solvers_of(penalty):
        est = make(penalty, "regressor", feature_weight=WEIGHT, solver=solver)
        est.set_params(tol=1e-12)
        est.fit(sp.csr_array(X) if sparse else X, y, tasks=tasks)
        assert est.dual_gap_ <= 1e-10
        np.testing.assert_allclose(est.coef_[:, ~FREE], other.coef_, rtol=0, atol=2e-5)
        residual = y - est.predict(X, tasks=tasks)
        for t in range(3):
            slopes = X[np.ix_(tasks == t, FREE)].T @ residual[tasks == t]
            np.testing.assert_allclose(slopes, 0, atol=1e-3)


@every_penalty
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_a_small_weight_comes_near(penalty, kind, ridge):
    X, y, tasks = draw(kind, n=300, d=5)
    fits = [
        make(penalty, kind, 0.3, feature_weight=weight, ridge=ridge, tol=1e-9)
        for weight in (WEIGHT, np.where(FREE, 1e-5, WEIGHT))
    ]
    for est in fits:
        est.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("ridge", "layout"), [(0.0, "rows"), (0.2, "columns")])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", ROW_GAUGES)
def test_from_alpha_max_on_they_are_alone(penalty, kind, layout, ridge):
    X, y, tasks = draw(kind, n=200, d=5, layout=layout)
    est = make(penalty, kind, feature_weight=WEIGHT, ridge=ridge, tol=1e-10)
    largest = alpha_max(est, X, y, tasks=tasks)
    factor = largest / getattr(est, est._strengths[0])
    strengths = {name: factor * getattr(est, name) for name in est._strengths}
    est.set_params(**strengths).fit(X, y, tasks=tasks)
    assert not est.coef_[:, ~FREE].any()
    assert np.all(est.coef_[:, FREE] != 0)
    assert est.dual_gap_ <= 1e-12
    alone = make("mean", kind, tol=1e-13)
    if ridge:
        alone.set_params(alpha=ridge, alpha_mean=ridge)
    else:
        alone.set_params(feature_weight=[0.0, 0.0])
    alone.fit(X[:, FREE], y, tasks=tasks)
    np.testing.assert_allclose(est.coef_[:, FREE], alone.coef_, rtol=0, atol=1e-6)
    weaker = {name: 0.99 * value for name, value in strengths.items()}
    est.set_params(**weaker).fit(X, y, tasks=tasks)
    assert est.coef_[:, ~FREE].any()


def test_a_block_of_a_sum_has_them():
    X, y, tasks = draw(n=120, d=5)
    est = PenalizedRegressor(InfimalSum(L21(0.2), L1(0.15)), feature_weight=WEIGHT)
    est.set_params(tol=1e-9).fit(X, y, tasks=tasks)
    assert not est.blocks_[1][:, FREE].any()
    assert est.blocks_[0][:, FREE].all()
    other = make("dirty-l2", "regressor", feature_weight=WEIGHT, tol=1e-9)
    other.set_params(alpha_shared=0.2, alpha_specific=0.15).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, other.coef_, rtol=0, atol=1e-3)


@pytest.mark.parametrize("penalty", ["l21", "mean"])
def test_paths_and_searches(penalty):
    X, y, _ = draw(n=120, d=5, layout="columns")
    model = make(penalty, "regressor", feature_weight=WEIGHT, tol=1e-9)
    path = regularization_path(model, X, y, alphas=4)
    assert path.coef[:, :, FREE].all()
    assert path.coef[0][:, ~FREE].any() == (penalty == "mean")
    for alpha, coef in zip(path.alphas, path.coef, strict=True):
        ratio = alpha / model.alpha
        model.set_params(**{s: ratio * getattr(model, s) for s in model._strengths})
        model.fit(X, y)
        np.testing.assert_allclose(model.coef_, coef, rtol=0, atol=1e-3)
    if penalty == "l21":
        search = GroupLassoRegressorCV(alphas=4, feature_weight=WEIGHT).fit(X, y)
        assert search.coef_[:, FREE].all()


def test_where_a_task_has_too_few_rows_for_them():
    """Others keep their certificate: a perfect fit has no residual to tell of it."""
    X, y, tasks = draw(n=90, d=5)
    keep = (tasks != 1) | (np.cumsum(tasks == 1) <= 2)
    X, y, tasks = X[keep], y[keep], tasks[keep]
    for solver in ("bcd", "fista"):
        est = GroupLassoRegressor(0.1, feature_weight=WEIGHT, solver=solver, tol=1e-8)
        est.fit(X, y, tasks=tasks)
        assert est.dual_gap_ <= 1e-6
        assert not np.isnan(est.coef_).any()


@pytest.mark.parametrize("kind", KINDS)
def test_more_of_them_than_rows(kind):
    """Whose Hessian is kept by the rows."""
    X, y, tasks = draw(kind, n=36, d=40)
    weight = np.where(np.arange(40) < 30, 0.0, 1.0)
    est = make("l21", kind, feature_weight=weight, tol=1e-4)
    est.fit(X, y, tasks=tasks)
    assert est.score(X, y, tasks=tasks) > 0.999


def test_collinear_free_features():
    X, y, tasks = draw(n=90, d=5)
    X[:, 2] = X[:, 0]
    est = GroupLassoRegressor(0.1, feature_weight=WEIGHT, tol=1e-10)
    est.fit(X, y, tasks=tasks)
    one = GroupLassoRegressor(0.1, feature_weight=WEIGHT[1:], tol=1e-10)
    one.fit(X[:, 1:], y, tasks=tasks)
    both = est.coef_[:, FREE].sum(axis=1)
    np.testing.assert_allclose(both, one.coef_[:, 1], rtol=0, atol=1e-4)


def test_no_step_of_a_certificate_is_taken_task_by_task():
    calls = []
    for n_tasks in (40, 160):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(20 * n_tasks, 5)), rng.normal(size=20 * n_tasks)
        offsets = 20 * np.arange(n_tasks + 1)
        data = MultiTaskData(X, y, np.ones(len(y)), offsets)
        penalty = with_options(L21(0.1), feature_weight=WEIGHT)
        problem = Problem(data, Squared(), penalty, np.ones(n_tasks))
        A = rng.normal(size=problem.shape)
        calls.append(counted(lambda problem=problem, A=A: problem.certificate(A)))
    assert calls[1] <= 1.5 * calls[0]


def test_what_does_not_go_with_them():
    X, y, tasks = draw(d=5)
    for positive in (True, FREE):
        est = GroupLassoRegressor(feature_weight=WEIGHT, positive=positive)
        with pytest.raises(ValueError, match="such as 1e-4 in the place of 0"):
            est.fit(X, y, tasks=tasks)
        # what is told to do instead converges
        small = np.where(FREE, 1e-4, WEIGHT)
        est.set_params(feature_weight=small, tol=1e-8).fit(X, y, tasks=tasks)
        assert est.dual_gap_ <= 1e-6
        assert est.coef_[:, FREE].min() >= 0
        est.set_params(feature_weight=WEIGHT)
    est.set_params(positive=~FREE, tol=1e-8).fit(X, y, tasks=tasks)
    assert est.dual_gap_ <= 1e-6
    mean = MeanRegularizedRegressor(feature_weight=WEIGHT).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="feature_weight to numbers > 0"):
        mean.predict(X, tasks=tasks, return_std=True)
    with pytest.raises(AttributeError, match="feature_weight to numbers > 0"):
        _ = mean.coef_std_
