"""Reduced-rank regression: global optima, what makes them, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from mtlreg import ReducedRankRegressor, ReducedRankRegressorCV, TraceNormRegressor
from mtlreg.datasets import make_multitask_regression
from tests.estimators.test_docstrings import names_in, section


@parametrize_with_checks([ReducedRankRegressor(), ReducedRankRegressorCV(cv=3)])
def test_sklearn_check(estimator, check):
    check(estimator)


def draw(n=50, d=6, n_tasks=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * rng.uniform(0.3, 3, d) + rng.normal(size=d)
    Y = X @ rng.normal(size=(d, n_tasks)) + rng.normal(size=n_tasks)
    return X, Y + rng.normal(size=Y.shape), rng.uniform(0.5, 2.0, n)


def objective(X, Y, w, coef, intercept, scale=1.0, ridge=0.0):
    rest = Y - X @ coef.T - intercept
    losses = w @ rest**2 / w.sum() / 2
    return np.sum(scale * losses) + ridge / 2 * np.sum(coef**2)


SETTINGS = {
    "plain": ({}, 1.0),
    "ridge": ({"ridge": 0.4}, 1.0),
    "no intercept": ({"fit_intercept": False}, 1.0),
    "weights of tasks": ({"task_weight": [0.2, 3, 1, 0.5, 2]}, [0.2, 3, 1, 0.5, 2]),
    "one weight": ({"task_weight": np.full(5, 3.0), "ridge": 0.4}, 3.0),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("rank", [1, 3])
def test_no_matrix_of_the_rank_is_better(setting, rank):
    params, scale = SETTINGS[setting]
    X, Y, w = draw()
    ridge, centred = params.get("ridge", 0.0), params.get("fit_intercept", True)
    est = ReducedRankRegressor(rank, **params).fit(X, Y, w)
    assert est.rank_ == rank == np.linalg.matrix_rank(est.coef_)
    best = objective(X, Y, w, est.coef_, est.intercept_, scale, ridge)

    def cost(x):
        L, R = x[: 5 * rank].reshape(5, rank), x[5 * rank :].reshape(rank, 6)
        coef = L @ R
        b = (w @ (Y - X @ coef.T) / w.sum()) * centred
        rest = Y - X @ coef.T - b
        slope = -(w / w.sum() * (rest * scale).T) @ X + ridge * coef
        return objective(X, Y, w, coef, b, scale, ridge), np.concatenate(
            [(slope @ R.T).ravel(), (L.T @ slope).ravel()]
        )

    # from anywhere, in the factors of a matrix of the rank
    starts = np.random.default_rng(0).normal(size=(5, 11 * rank))
    found = [minimize(cost, start, jac=True).fun for start in starts]
    assert min(found) >= best * (1 - 1e-12)
    assert min(found) == pytest.approx(best, rel=1e-6)
    U, s, Vt = np.linalg.svd(est.coef_)
    exact = np.concatenate([(U[:, :rank] * s[:rank]).ravel(), Vt[:rank].ravel()])
    start = objective(X, Y, w, 0 * est.coef_, (w @ Y / w.sum()) * centred, scale)
    assert np.abs(cost(exact)[1]).max() <= 1e-12 * start
    assert 0 <= est.optimality_ <= 1e-14 * start


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_by_the_formula_of_the_papers(ridge):
    X, Y, _ = draw()
    est = ReducedRankRegressor(2, ridge=ridge).fit(X, Y)
    Xc, Yc = X - X.mean(axis=0), Y - Y.mean(axis=0)
    full = np.linalg.solve(Xc.T @ Xc + len(X) * ridge * np.eye(6), Xc.T @ Yc)
    _, V = np.linalg.eigh(Yc.T @ Xc @ full)
    np.testing.assert_allclose(est.coef_.T, full @ V[:, -2:] @ V[:, -2:].T, rtol=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_of_full_rank_it_is_least_squares(ridge):
    X, Y, w = draw()
    est = ReducedRankRegressor(5, ridge=ridge).fit(X, Y, w)
    other = Ridge(ridge * w.sum()) if ridge else LinearRegression()
    other.fit(X, Y, w)
    np.testing.assert_allclose(est.coef_, other.coef_, rtol=1e-10)
    np.testing.assert_allclose(est.predict(X), other.predict(X), rtol=1e-10)


def test_rows_that_do_not_determine_the_coefficients():
    X, Y, _ = draw(n=8, d=30)
    X = np.hstack([X, X[:, :3]])
    est = ReducedRankRegressor(5).fit(X, Y)
    expected = np.linalg.pinv(X - X.mean(axis=0)) @ (Y - Y.mean(axis=0))
    np.testing.assert_allclose(est.coef_.T, expected, atol=1e-12)
    # no variation, no rank
    est.fit(np.ones((8, 5)), Y)
    assert est.rank_ == 0
    assert est.components_.shape == (0, 5)
    np.testing.assert_allclose(est.predict(X[:, :5]), np.tile(Y.mean(axis=0), (8, 1)))


def test_columns_of_very_different_sizes_keep_their_digits():
    X, Y, _ = draw()
    size = np.geomspace(1e-5, 1e5, 6)
    est, other = ReducedRankRegressor(2).fit(X * size, Y), ReducedRankRegressor(2)
    other.fit(X, Y)
    np.testing.assert_allclose(est.coef_ * size, other.coef_, rtol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_weights_are_copies_and_sparse_rows_the_same(ridge):
    X, Y, _ = draw()
    X[np.abs(X) < 1] = 0
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    est = ReducedRankRegressor(2, ridge=ridge).fit(X, Y, counts)
    copies = clone(est).fit(np.repeat(X, counts, 0), np.repeat(Y, counts, 0))
    np.testing.assert_allclose(est.coef_, copies.coef_, rtol=1e-9, atol=1e-12)
    for kind in (sp.csr_array, sp.csc_array, sp.coo_array):
        other = clone(est).fit(kind(X), Y, counts)
        np.testing.assert_allclose(other.coef_, est.coef_, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(other.intercept_, est.intercept_, rtol=1e-9)
    single = clone(est).fit(X.astype(np.float32), Y, counts)
    assert single.coef_.dtype == single.components_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, est.coef_, rtol=1e-4, atol=1e-5)


def test_targets_in_units_of_their_own():
    X, Y, _ = draw()
    units = np.geomspace(1e-3, 1e3, 5)
    est = ReducedRankRegressor(2, normalize_y=True).fit(X, Y * units)
    other = ReducedRankRegressor(2).fit(X, Y / Y.std(axis=0))
    np.testing.assert_allclose(est.y_scale_, Y.std(axis=0) * units)
    np.testing.assert_allclose(
        est.predict(X), other.predict(X) * est.y_scale_, rtol=1e-9
    )


def test_a_search_finds_the_rank_and_the_subspace():
    data = make_multitask_regression(
        n_tasks=12,
        n_samples=200,
        structure="low_rank",
        rank=3,
        shared_X=True,
        noise=0.5,
        random_state=0,
    )
    search = GridSearchCV(ReducedRankRegressor(), {"rank": [1, 2, 3, 5, 8, 12]})
    best = search.fit(data.X, data.y).best_estimator_
    assert best.rank == best.rank_ == 3
    np.testing.assert_allclose(
        best.components_ @ best.components_.T, np.eye(3), atol=1e-12
    )
    coef = data.coef
    outside = coef - coef @ best.components_.T @ best.components_
    assert np.linalg.norm(outside) <= 0.1 * np.linalg.norm(coef)
    assert best.transform(data.X).shape == (200, 3)
    error = np.linalg.norm(best.coef_ - coef)
    trace = TraceNormRegressor(0.05).fit(data.X, data.y)
    assert error < np.linalg.norm(trace.coef_ - coef)


def test_ranks_are_scored_on_what_a_fold_leaves_out():
    X, Y, w = draw(n=60)
    scale = np.array([0.2, 3, 1, 0.5, 2])
    parts = np.arange(60) % 4
    folds = [(np.flatnonzero(parts != k), np.flatnonzero(parts == k)) for k in range(4)]
    w[5] = 0.0
    search = ReducedRankRegressorCV([4, 1, 2], task_weight=scale, cv=folds)
    search.fit(X, Y, w)
    assert search.ranks_.tolist() == [1, 2, 4]
    scores = np.empty((3, 4))
    for i, rank in enumerate(search.ranks_):
        est = ReducedRankRegressor(rank, task_weight=scale)
        for k, (train, test) in enumerate(folds):
            z = est.fit(X[train], Y[train], w[train]).predict(X[test])
            errors = np.average((Y[test] - z) ** 2, axis=0, weights=w[test])
            scores[i, k] = -np.average(errors, weights=scale)
    np.testing.assert_allclose(search.score_path_, scores, rtol=1e-10)
    best = search.ranks_[np.argmax(scores.mean(axis=1))]
    assert search.best_rank_ == search.rank_ == best
    est = ReducedRankRegressor(best, task_weight=scale).fit(X, Y, w)
    np.testing.assert_array_equal(search.coef_, est.coef_)
    assert search.optimality_ == est.optimality_
    assert ReducedRankRegressorCV().fit(X, Y).score_path_.shape == (5, 5)
    for ranks, message in (
        ([2, 9], "ranks=9 is more"),
        ([], "at least one"),
        (3, "at"),
    ):
        with pytest.raises(ValueError, match=message):
            ReducedRankRegressorCV(ranks).fit(X, Y)


def test_what_has_no_closed_form_is_refused():
    X, Y, w = draw()
    est, tasks = ReducedRankRegressor(2), np.arange(50) % 3
    with pytest.raises(ValueError, match=r"rows of their own.*use TraceNormRegressor"):
        est.fit(X, Y[:, 0], tasks=tasks)
    holes = Y.copy()
    holes[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"cells without a target.*leave such rows"):
        est.fit(X, holes)
    with pytest.raises(ValueError, match="differs within a row"):
        est.fit(X, Y, np.outer(w, [1, 1, 1, 1, 2]))
    with pytest.raises(ValueError, match=r"ridge=0.1 and the weights of tasks"):
        ReducedRankRegressor(2, ridge=0.1, task_weight=[1, 1, 1, 1, 2]).fit(X, Y)
    with pytest.raises(ValueError, match=r"rank=6 .* 6 features and 5 tasks .* most 5"):
        ReducedRankRegressor(6).fit(X, Y)
    with pytest.raises(ValueError, match="rank == 0"):
        ReducedRankRegressor(0).fit(X, Y)
    with pytest.raises(ValueError, match="ridge == -1"):
        ReducedRankRegressor(ridge=-1.0).fit(X, Y)
    assert not vars(est).keys() - est.get_params().keys()
    assert not hasattr(est, "partial_fit")
    assert not hasattr(est, "fit_statistics")


def test_documented_are_the_parameters_and_what_a_fit_sets():
    X, Y, _ = draw()
    est = ReducedRankRegressor().fit(pd.DataFrame(X, columns=list("abcdef")), Y)
    doc = ReducedRankRegressor.__doc__
    assert sorted(names_in(section(doc, "Parameters"))) == sorted(est.get_params())
    fitted = {name for name in vars(est) if name.endswith("_")}
    assert fitted == set(names_in(section(doc, "Attributes")))


def test_a_row_without_any_target_is_left_out():
    X, Y, _ = draw()
    holes = Y.copy()
    holes[:10] = np.nan
    est = ReducedRankRegressor(2).fit(X, holes)
    other = ReducedRankRegressor(2).fit(X[10:], Y[10:])
    np.testing.assert_allclose(est.coef_, other.coef_, rtol=1e-12)
