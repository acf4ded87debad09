"""Graphs of tasks: corners, the optimum, tasks that are left out of the problem."""

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg import (
    GraphRegularizedClassifier,
    GraphRegularizedRegressor,
    GraphRegularizedRegressorCV,
    MeanRegularizedRegressor,
    PenalizedRegressor,
)
from mtlreg.estimators import STEMS
from mtlreg.penalties import GraphRegularization
from tests import oracles
from tests.estimators.cases import KINDS, draw
from tests.estimators.naive import NaiveProblem

CLOSE = {"rtol": 0, "atol": 1e-5}
CHAIN = np.eye(3, k=1) + np.eye(3, k=-1)
NAMES = np.array(["a", "b", "c", "d", "e"])


def model(kind, **params):
    return STEMS["GraphRegularized"][KINDS.index(kind)](**{"tol": 1e-10} | params)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_the_complete_graph_is_mean_regularisation(kind, ridge):
    X, y, tasks = draw(kind, n=120, n_tasks=4)
    mean = STEMS["MeanRegularized"][KINDS.index(kind)](
        0.3 + ridge, alpha_mean=ridge, tol=1e-12
    )
    mean.fit(X, y, tasks=tasks)
    weights = (1 - np.eye(4)) / 4
    for graph in ("complete", weights):
        est = model(kind, alpha=0.3, ridge=ridge, graph=graph, tol=1e-12)
        est.fit(X, y, tasks=tasks)
        np.testing.assert_allclose(est.coef_, mean.coef_, **CLOSE)
        np.testing.assert_array_equal(est.graph_, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_the_optimum_is_that_of_cvxpy(kind, ridge):
    import cvxpy as cp

    rng = np.random.default_rng(3)
    X, y, codes = draw(kind, n=250, n_tasks=5)
    weights = np.triu(rng.uniform(size=(5, 5)) * (rng.uniform(size=(5, 5)) < 0.4), 1)
    weights[0, 4], weights[1], weights[:, 1] = 0.7, 0.0, 0.0  # one is alone
    edges = [(NAMES[s], NAMES[t], weights[s, t]) for s, t in np.argwhere(weights)]
    est = model(kind, alpha=0.2, graph=edges, ridge=ridge, tol=1e-9)
    est.fit(X, y, tasks=NAMES[codes])
    np.testing.assert_array_equal(est.graph_, weights + weights.T)
    naive = NaiveProblem(est, X, y, None, NAMES[codes])
    A, b = cp.Variable((4, 5)), cp.Variable(5)
    F = oracles.expression(GraphRegularization(0.2, est.graph_, ridge), A)
    for t, (Z, target, v) in enumerate(naive.blocks):
        z = Z @ A[:, t] + b[t]
        loss = cp.logistic(-cp.multiply(target, z))
        F += v @ (loss if naive.logistic else cp.square(target - z) / 2)
    best = oracles.minimise(F)
    penalty = oracles.value(GraphRegularization(0.2, est.graph_, ridge), est.coef_.T)
    found = naive.loss(est.coef_, est.intercept_) + penalty
    assert found == pytest.approx(best, rel=1e-6)
    assert best >= found - est.dual_gap_ - 1e-9 * found


def test_tasks_without_an_edge_are_on_their_own():
    X, y, tasks = draw(n=100, n_tasks=4)
    est = model("regressor", alpha=5.0, graph=[(1, 2)], ridge=0.0)
    est.fit(X, y, tasks=tasks)
    for t in (0, 3):
        rows = tasks == t
        design = np.column_stack([X[rows], np.ones(rows.sum())])
        least = np.linalg.lstsq(design, y[rows])[0]
        np.testing.assert_allclose(est.coef_[t], least[:-1], **CLOSE)
    pair = np.isin(tasks, [1, 2])
    alone = MeanRegularizedRegressor(10.0, alpha_mean=0.0, tol=1e-10)
    alone.fit(X[pair], y[pair], tasks=tasks[pair])
    np.testing.assert_allclose(est.coef_[[1, 2]], alone.coef_, **CLOSE)


def test_a_chain_ties_neighbours():
    X, y, tasks = draw(n=150, n_tasks=5)
    est = model("regressor", alpha=1e6, graph="chain", ridge=0.0)
    est.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, est.coef_[[0] * 5], rtol=0, atol=1e-4)
    loose = model("regressor", alpha=0.1, graph="chain").fit(X, y, tasks=tasks)
    jumps = np.linalg.norm(np.diff(loose.coef_, axis=0), axis=1)
    other = model("regressor", alpha=0.1, graph=[]).fit(X, y, tasks=tasks)
    assert jumps.sum() < np.linalg.norm(np.diff(other.coef_, axis=0), axis=1).sum()


def test_a_task_of_one_class_passes_on_what_it_ties():
    X, y, tasks = draw("classifier", n=160, n_tasks=3)
    y[tasks == 1] = 1.0
    est = model("classifier", alpha=0.4, graph="chain", ridge=0.05)
    with pytest.warns(UserWarning, match=r"one class only in the tasks \[1\]"):
        est.fit(X, y, tasks=tasks)
    rest = tasks != 1
    other = model("classifier", alpha=0.4, graph=[(0, 2, 0.5)], ridge=0.05)
    other.fit(X[rest], y[rest], tasks=tasks[rest])
    np.testing.assert_allclose(est.coef_[[0, 2]], other.coef_, rtol=1e-12)
    np.testing.assert_allclose(est.coef_[1], other.coef_.mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(est.graph_, np.eye(3, k=1) + np.eye(3, k=-1))


@pytest.mark.parametrize("graph", ["chain", [(0, 1), (1, 2)], CHAIN])
def test_a_task_that_a_fold_lacks_passes_on_what_it_ties(graph):
    X, y, tasks = draw(n=90, n_tasks=3)
    train = tasks != 1
    search = GraphRegularizedRegressorCV(
        graph=graph, alphas=[0.5], cv=[(train, ~train)], unseen_task="mean", tol=1e-10
    )
    search.fit(X, y, tasks=tasks)
    alone = model("regressor", alpha=0.5, graph=[(0, 2, 0.5)], unseen_task="mean")
    alone.fit(X[train], y[train], tasks=tasks[train])
    errors = y[~train] - alone.predict(X[~train], tasks=tasks[~train])
    assert search.score_path_[0, 0, 0] == pytest.approx(-np.mean(errors**2), rel=1e-6)


def test_features_have_weights_and_the_penalty_is_an_object():
    X, y, tasks = draw(n=120, n_tasks=4)
    given = {"graph": "chain", "alpha": 0.3, "ridge": 0.0}
    est = model("regressor", feature_weight=[0.5, np.inf, 2, 1], **given)
    est.fit(X, y, tasks=tasks)
    assert not est.coef_[:, 1].any()
    columns = X[:, [0, 2, 3]] / np.array([0.5, 2, 1])
    scaled = model("regressor", **given).fit(columns, y, tasks=tasks)
    found = scaled.coef_ / np.array([0.5, 2, 1])
    np.testing.assert_allclose(est.coef_[:, [0, 2, 3]], found, **CLOSE)
    with pytest.raises(ValueError, match="set positive=False"):
        model("regressor", positive=True, **given).fit(X, y, tasks=tasks)
    penalty = GraphRegularization(0.3, np.eye(4, k=1) + np.eye(4, k=-1))
    other = PenalizedRegressor(penalty, tol=1e-10).fit(X, y, tasks=tasks)
    plain = model("regressor", **given).fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(plain.coef_, other.coef_)
    np.testing.assert_array_equal(plain.graph_, other.graph_)


def test_errors_name_the_labels():
    X, y, codes = draw(n=60, n_tasks=3)
    given = {"tasks": NAMES[codes]}
    with pytest.raises(ValueError, match=r"no tasks \['x'\] to tie"):
        GraphRegularizedRegressor(graph=[("a", "x")]).fit(X, y, **given)
    with pytest.raises(ValueError, match="the tasks 'a' and 'b' twice"):
        GraphRegularizedRegressor(graph=[("a", "b")] * 2).fit(X, y, **given)
    with pytest.raises(ValueError, match=r"shape \(4, 4\), but there are 3 tasks"):
        GraphRegularizedClassifier(graph=np.zeros((4, 4))).fit(X, y > 0, **given)


def solved(solver, X, y, tasks, **params):
    est = model("regressor", alpha=0.5, graph="chain", solver=solver, **params)
    return est.fit(X, y, tasks=tasks)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("layout", ["rows", "columns", "missing", "few", "sparse"])
def test_direct_solves_what_fista_does(layout, ridge):
    X, y, tasks = draw(n=160, d=6, n_tasks=5, layout="columns")
    if layout == "missing":
        y[np.random.default_rng(0).uniform(size=y.shape) < 0.3] = np.nan
    if layout in ("rows", "few", "sparse"):
        n, d = (60, 20) if layout == "few" else (160, 6)
        X, y, tasks = draw(n=n, d=d, n_tasks=5)
        X[:, 0] *= 30.0
    given = sp.csr_array(X * (X > 0)) if layout == "sparse" else X
    direct, fista = (
        solved(solver, given, y, tasks, ridge=ridge, tol=1e-10)
        for solver in ("direct", "fista")
    )
    values = [est.predict(given, tasks=tasks) for est in (direct, fista)]
    np.testing.assert_allclose(*values, rtol=0, atol=1e-3)
    assert direct.n_iter_ < fista.n_iter_
    # two eigendecompositions, and a step that takes their rounding off
    assert layout != "columns" or direct.n_iter_ <= 2
    # a start at the solution is one
    direct.set_params(warm_start=True, tol=1e-8).fit(given, y, tasks=tasks)
    assert direct.n_iter_ == 1


def test_direct_stops_at_rounding_and_refuses_other_losses():
    X, y, tasks = draw(n=120, d=6, n_tasks=5)
    for dtype in (np.float32, np.float64):
        est = solved("direct", X.astype(dtype), y, tasks, tol=1e-15, ridge=1e-9)
        assert est.coef_.dtype == dtype
        assert est.n_iter_ < 100
    with pytest.raises(ValueError, match="graphs for the squared loss; use 'fista'"):
        model("classifier", graph="chain", solver="direct").fit(X, y > 0, tasks=tasks)
    with pytest.raises(ValueError, match="mean regularisation and graphs only"):
        solved("direct", X, y, tasks, feature_weight=[1, 2, 1, 1, 1, 1])


@pytest.mark.parametrize("alpha", [1e-6, 1e4])
def test_features_in_any_units_and_tasks_of_few_rows(alpha):
    # where proximal gradient is far off after 10,000 iterations
    rng = np.random.default_rng(1)
    tasks = np.repeat(np.arange(8), rng.integers(3, 40, 8))
    X = rng.normal(size=(len(tasks), 12)) * np.geomspace(1, 1e6, 12)
    y = X @ (1 / np.geomspace(1, 1e6, 12)) + rng.normal(size=len(tasks))
    est = GraphRegularizedRegressor(alpha, graph="chain").fit(X, y, tasks=tasks)
    assert est.n_iter_ < 500
