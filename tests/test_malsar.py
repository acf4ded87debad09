"""MALSAR's formulations, mapped to ours: the optimum of the objective it states.

A squared loss of MALSAR is a sum over the rows of all tasks, so ours is it over their
number, with `task_weight="proportional"` and strengths to match, without intercepts. A
logistic loss is the mean over the rows of each task, with intercepts, as here. What is
left out has an objective that is not convex, or no loss that is a sum over rows.
"""

from typing import NamedTuple

import cvxpy as cp
import numpy as np
import pytest

from mtlreg import PenalizedClassifier, PenalizedRegressor
from mtlreg.estimators import STEMS
from mtlreg.penalties import L1, L21, GraphRegularization, Tied
from tests import oracles

MODELS = STEMS | {"Penalized": (PenalizedRegressor, PenalizedClassifier)}


class Formulation(NamedTuple):
    """A model of ours, and MALSAR's penalty at the strengths ``rho``.

    ``squares`` is the factor of the sum of squares, ``stated`` gives the penalty of the
    parts, and ``options`` the parameters of ours for a loss that is ``unit`` times
    MALSAR's, of so many tasks.
    """

    stem: str
    squares: float
    stated: object
    options: object
    n_parts: int = 1


def entries(W):
    return cp.sum(cp.abs(W))


def rows(W):
    return cp.sum(cp.norm(W, axis=1))


def columns(W):
    return cp.sum(cp.norm(W, axis=0))


def levels(W):
    return cp.sum(cp.max(cp.abs(W), axis=1))


def steps(W):
    return W[:, 1:] - W[:, :-1]


def plus_ridge(norm):
    return lambda rho, W: rho[0] * norm(W) + rho[1] * cp.sum_squares(W)


def two(first, second):
    return lambda rho, P, Q: rho[0] * first(P) + rho[1] * second(Q)


def clustered(by_task):
    """``rho_1 eta (1 + eta) trace(W (eta I + M)^-1 W')``, M least, eta half of 1."""

    def stated(rho, W):
        V = W.T if by_task else W
        M = cp.Variable((V.shape[0], V.shape[0]), PSD=True)
        eye, k = np.eye(V.shape[0]), 1
        held = cp.transforms.indicator([eye - M >> 0, cp.trace(M) == k])
        return rho[0] * 0.75 * cp.matrix_frac(V, 0.5 * eye + M) + held

    return stated


def strengths(*names, **others):
    """The strengths times the unit, twice those of squares, and other options."""

    def options(unit, rho, n_tasks):
        found = {}
        for name, size in zip(names, rho, strict=False):
            square = name in ("ridge", "twice")
            found[name.replace("twice", "alpha")] = (1 + square) * unit * size
        return found | others

    return options


def smooth_steps(norm):
    def stated(rho, W):
        squares = rho[0] * cp.sum_squares(W) + rho[1] * cp.sum_squares(steps(W))
        return squares + rho[2] * norm(W)

    return stated


def tied(kind):
    """A chain of tasks with a ridge, beside a gauge."""

    def options(unit, rho, n_tasks):
        graph = np.eye(n_tasks, k=1) + np.eye(n_tasks, k=-1)
        ridge, alpha = 2 * unit * rho[0], 2 * unit * rho[1]
        quadratic = GraphRegularization(alpha, graph, ridge=ridge)
        return {"penalty": Tied(kind(unit * rho[2]), quadratic)}

    return options


FORMULATIONS = {
    "Lasso": Formulation(
        "GroupLasso", 0.5, plus_ridge(entries), strengths("alpha", "ridge", l1_ratio=1)
    ),
    "L21": Formulation(
        "GroupLasso", 0.5, plus_ridge(rows), strengths("alpha", "ridge")
    ),
    # tasks are patterns of sources, and lack the features of the others
    "iMSF": Formulation(
        "GroupLasso", 0.5, lambda rho, W: rho[0] * rows(W), strengths("alpha")
    ),
    "Trace": Formulation(
        "TraceNorm", 0.5, plus_ridge(cp.normNuc), strengths("alpha", "ridge")
    ),
    "SRMTL": Formulation(
        "GraphRegularized",
        0.5,
        plus_ridge(lambda W: cp.sum_squares(steps(W))),
        strengths("twice", "ridge", graph="chain"),
    ),
    "SRMTL-L1": Formulation("Penalized", 0.5, smooth_steps(entries), tied(L1)),
    "TGL": Formulation("Penalized", 0.5, smooth_steps(rows), tied(L21)),
    "CFGLasso": Formulation(
        "FusedGroupLasso",
        0.5,
        lambda rho, W: (
            rho[0] * entries(W) + rho[1] * entries(steps(W)) + rho[2] * rows(W)
        ),
        strengths("alpha_sparse", "alpha_fused", "alpha_group"),
    ),
    "CMTL": Formulation(
        "Clustered", 0.5, clustered(True), strengths("twice", n_clusters=1, eta=0.5)
    ),
    # the same: only the singular values count
    "CASO": Formulation(
        "Clustered", 0.5, clustered(False), strengths("twice", n_clusters=1, eta=0.5)
    ),
    "Dirty": Formulation(
        "DirtyModel",
        1.0,
        two(levels, entries),
        strengths("alpha_shared", "alpha_specific"),
        2,
    ),
    "RMTL": Formulation(
        "RobustLowRank",
        1.0,
        two(cp.normNuc, columns),
        strengths("alpha_shared", "alpha_outlier"),
        2,
    ),
    "rMTFL": Formulation(
        "RobustGroupLasso",
        1.0,
        two(rows, columns),
        strengths("alpha_shared", "alpha_outlier"),
        2,
    ),
    # of which MALSAR bounds the trace norm: by that of our optimum
    "SparseTrace": Formulation(
        "SparseLowRank",
        1.0,
        two(cp.normNuc, entries),
        strengths("alpha_low_rank", "alpha_sparse"),
        2,
    ),
}
WITH_LOGISTIC = sorted(FORMULATIONS.keys() - {"RMTL", "SparseTrace"})


def problem_of(name, seed):
    """Rows of unequal tasks, one of which is an outlier: X and scores by task."""
    rng = np.random.default_rng(seed)
    d, n_tasks = rng.integers(2, 6, size=2)
    A = np.outer(rng.normal(size=d), rng.normal(size=n_tasks))
    A[:, 0] += rng.normal(size=d)
    sizes = rng.integers(4, 12, size=n_tasks)
    Xs = [rng.normal(size=(n, d)) for n in sizes]
    if name == "iMSF":
        for t, X in enumerate(Xs):
            X[:, t % d] = 0.0
    return Xs, [
        X @ a + 0.3 * rng.normal(size=len(X)) for X, a in zip(Xs, A.T, strict=True)
    ]


def fitted(model, Xs, ys):
    tasks = np.repeat(np.arange(len(Xs)), list(map(len, Xs)))
    model.fit(np.concatenate(Xs), np.concatenate(ys), tasks=tasks)
    if hasattr(model, "specific_coef_"):
        return [model.shared_coef_.T, model.specific_coef_.T]
    return [model.coef_.T]


def stated(formulation, loss, rho, parts, b):
    """Return the least of the stated objective, and that at the parts and b given."""
    variables = [cp.Variable(part.shape) for part in parts]
    intercept = cp.Variable(len(b))
    objective = loss(sum(variables), intercept) + formulation.stated(rho, *variables)
    best = oracles.minimise(objective)
    given = [v == part for v, part in zip(variables, parts, strict=True)]
    held = cp.transforms.indicator([*given, intercept == b])
    return best, oracles.minimise(objective + held)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", FORMULATIONS)
def test_least(name, seed):
    formulation = FORMULATIONS[name]
    Xs, ys = problem_of(name, seed)
    rho = np.random.default_rng(seed + 100).uniform(1.0, 3.0, size=3) / 2
    rho *= 2 * formulation.squares
    # ours is (T / N) sum 1/2 r^2
    unit = len(Xs) / (2 * formulation.squares * sum(map(len, Xs)))
    options = formulation.options(unit, rho.tolist(), len(Xs))
    cls = MODELS[formulation.stem][0]
    model = cls(**options, fit_intercept=False, task_weight="proportional", tol=1e-9)
    parts = fitted(model, Xs, ys)

    def loss(W, b):
        return cp.sum_squares(b) + formulation.squares * sum(
            cp.sum_squares(y - X @ W[:, t])
            for t, (X, y) in enumerate(zip(Xs, ys, strict=True))
        )

    if name == "SparseTrace":
        bound = cp.normNuc(cp.Constant(parts[0])).value

        def bounded(rho, P, Q):
            # room for the rounding of the optimum that is given
            inside = cp.transforms.indicator([cp.normNuc(P) <= bound * (1 + 1e-9)])
            return rho[1] * entries(Q) + inside

        formulation = formulation._replace(stated=bounded)
    best, found = stated(formulation, loss, rho, parts, np.zeros(len(Xs)))
    assert found == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", WITH_LOGISTIC)
def test_logistic(name, seed):
    formulation = FORMULATIONS[name]
    Xs, scores = problem_of(name, seed)
    ys = [np.where(z > np.median(z), 1.0, -1.0) for z in scores]
    rho = np.random.default_rng(seed + 100).uniform(0.02, 0.1, size=3)
    options = formulation.options(1.0, rho.tolist(), len(Xs))
    model = MODELS[formulation.stem][1](**options, tol=1e-9)
    parts = fitted(model, Xs, ys)

    def loss(W, b):
        return sum(
            cp.sum(cp.logistic(-cp.multiply(y, X @ W[:, t] + b[t]))) / len(X)
            for t, (X, y) in enumerate(zip(Xs, ys, strict=True))
        )

    best, found = stated(formulation, loss, rho, parts, model.intercept_)
    assert found == pytest.approx(best, rel=1e-6)
