"""The recipes of CONTRIBUTING.md, from a folder outside the package."""

import pathlib
import re
import textwrap

import numpy as np
import pytest

from mtlreg.losses import Loss, Squared
from mtlreg.penalties import L21, Penalty, RowPenalty
from mtlreg.problem import MultiTaskData, Problem
from mtlreg.solvers import Solver
from tests.test_numba import run

ROOT = pathlib.Path(__file__).parents[1]
EPS = np.finfo(float).eps

# rows of the tasks' own, more features than the first working set has rows
SCRIPT = """
import json, sys
import numpy as np
from mtlreg.losses import Logistic, Squared
from mtlreg.penalties import L21
from mtlreg.problem import MultiTaskData, Problem
from mtlreg.solvers import BCD, FISTA

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 150)) + rng.normal(size=(60, 1))
y = X[:, :3].sum(axis=1) + rng.normal(size=60)

def report(y, loss, penalty, *solvers):
    data = MultiTaskData(X, y, np.ones(60), np.array([0, 20, 40, 60]))
    problem = Problem(data, loss, penalty, np.ones(3))
    solutions = [solver.solve(problem) for solver in solvers]
    return {
        "A": [solution.A.tolist() for solution in solutions],
        "gap": [solution.gap for solution in solutions],
        "F": [problem.objective(solution.A) for solution in solutions],
        "F0": problem.null_value,
    }
"""
TOL = 1e-8


def recipe(kind):
    """The text of a recipe, and the file that it is."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    text = text.partition(f"- **{kind}**")[2]
    text = re.split(r"\n(?=\S)", text)[0]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    return text, textwrap.dedent(block[1])


@pytest.mark.parametrize(
    ("kind", "contracts"),
    [("Penalty", [Penalty, RowPenalty]), ("Loss", [Loss]), ("Solver", [Solver])],
)
def test_a_recipe_names_every_member_of_its_contract(kind, contracts):
    text, _ = recipe(kind)
    members = {
        name
        for contract in contracts
        for name in (*vars(contract), *contract.__annotations__)
        if not name.startswith("_")
    }
    assert [name for name in members if not re.search(rf"\b{name}\b", text)] == []
    assert len(members) > 4


def outside(folder, kind, name, script):
    """Write the file of a recipe; return what runs a script beside it."""
    (folder / name).write_text(recipe(kind)[1])
    cache = str(folder / "cache")
    return lambda *args: run(
        SCRIPT + script, *args, folder=folder, NUMBA_CACHE_DIR=cache
    )


def assert_certified(report):
    """The points of all solvers are as near to each other as their gaps say."""
    rounding = 64 * EPS * report["F0"]
    assert len(report["gap"]) > 1
    assert max(report["gap"]) <= TOL * report["F0"]
    assert np.ptp(report["F"]) <= max(report["gap"]) + rounding


# what a search, a path and a grid find with a penalty at a strength
SEARCH = """
from weighted import WeightedGroupLasso
from sklearn.model_selection import GridSearchCV
from mtlreg import PenalizedRegressor, PenalizedRegressorCV, regularization_path
from mtlreg.model_selection import TaskKFold

weights = np.linspace(0.5, 2.0, 150)
tasks = np.repeat([0, 1, 2], 20)
Z = np.column_stack([tasks, X])

def searched(alpha):
    penalty = WeightedGroupLasso(alpha, weights)
    search = PenalizedRegressorCV(penalty, alphas=5, eps=0.05, tol=1e-6)
    search.fit(X, y, tasks=tasks)
    return {
        "coef": search.coef_.tolist(),
        "gap": search.dual_gap_,
        "strength": search.penalty_.alpha,
        "factor": search.alpha_factor_,
        "support": search.support_.tolist(),
        "alphas": search.alphas_.tolist(),
    }

def along(alpha):
    model = PenalizedRegressor(WeightedGroupLasso(alpha, weights), task_column=0)
    path = regularization_path(model, Z, y, alphas=4, eps=0.1)
    folds = TaskKFold(3, task_column=0, random_state=0)
    grid = GridSearchCV(model, {"penalty__alpha": [0.5, 0.1]}, cv=folds).fit(Z, y)
    return {
        "path": path.coef.tolist(),
        "scores": grid.cv_results_["mean_test_score"].tolist(),
        "best": grid.best_params_["penalty__alpha"],
    }

alpha = float(sys.argv[1])
solvers = BCD(tol=1e-8), FISTA(tol=1e-8)
found = report(y, Squared(), WeightedGroupLasso(alpha, weights), *solvers)
found |= {"X": X.tolist(), "y": y.tolist(), "own": {**searched(alpha), **along(alpha)}}
print(json.dumps({**found, "strong": searched(4 * alpha)}))
"""


@pytest.fixture(scope="module")
def weighted(tmp_path_factory):
    """A folder with the penalty of the recipe, what it finds there, before and after.

    A process compiles all kernels of types from outside anew, in many seconds: there
    is one with an empty cache and one with what the first has left there.
    """
    folder = tmp_path_factory.mktemp("weighted")
    solved = outside(folder, "Penalty", "weighted.py", SEARCH)
    first = solved("0.5")
    # an edit of the kernels, and of what goes with them, doubles the strength
    module = folder / "weighted.py"
    edited = module.read_text().replace(".alpha *", ".alpha * 2 *")
    assert edited.count(".alpha * 2 *") == 4
    module.write_text(edited)
    return folder, first, solved("0.25")


@pytest.mark.slow
def test_a_penalty_by_the_recipe(weighted):
    folder, first, edited = weighted
    assert_certified(first)
    # and by the plain group lasso of columns in units of their weights
    weights = np.linspace(0.5, 2.0, 150)
    X, y = np.array(first["X"]) / weights, np.array(first["y"])
    data = MultiTaskData(X, y, np.ones(60), np.array([0, 20, 40, 60]))
    plain = Problem(data, Squared(), L21(0.5), np.ones(3))
    assert plain.alpha_factor > 1
    for A in np.array(first["A"]):
        gap = plain.certificate(weights[:, None] * A).gap
        assert gap <= (TOL + 64 * EPS) * plain.null_value
    files = list((folder / "cache").rglob("*.nb?"))
    assert files
    assert not [path for path in files if b"weighted" in path.read_bytes()]
    # to the last bit, although most of its kernels come from the cache
    assert edited["A"] == first["A"]


@pytest.mark.slow
def test_a_penalty_by_the_recipe_has_estimators(weighted):
    _, report, after_edit = weighted
    first, again, edited = report["own"], report["strong"], after_edit["own"]
    # strengths are shares of the largest, whatever the penalty comes with
    assert again["alphas"] == first["alphas"]
    np.testing.assert_allclose(first["alphas"], np.geomspace(1, 0.05, 5), rtol=1e-12)
    np.testing.assert_allclose(again["coef"], first["coef"], rtol=0, atol=1e-3)
    assert first["gap"] > 0
    assert np.any(first["coef"], axis=0).tolist() == first["support"]
    assert not np.any(first["path"][0])
    assert np.any(first["path"][-1])
    assert len(set(first["scores"])) == 2
    assert first["best"] in (0.5, 0.1)
    # an edit of the kernels takes effect: half the strength does as much
    assert edited["coef"] == first["coef"]
    assert edited["strength"] == first["strength"] / 2
    # of the same numbers, twice the penalty
    assert edited["scores"] != first["scores"]


@pytest.mark.slow
def test_a_loss_by_the_recipe(tmp_path):
    script = """
from shares import Shares

p, v, z = 1 / (1 + np.exp(-y)), rng.uniform(0.5, 2.0, 60), rng.normal(size=60)
u = 0.7 * Shares().gradient(rng.normal(size=60), p, v)
young = Shares().value(z, p, v) + Shares().conjugate(u, p, v) - u @ z
assert abs(young - Shares().divergence(z, u, p, v)) <= 1e-13 * v.sum()
classes, solvers = (p > 0.5).astype(float), (BCD(tol=1e-8), FISTA(tol=1e-8))
print(json.dumps({
    "shares": report(p, Shares(), L21(0.02), *solvers),
    "classes": report(classes, Shares(), L21(0.02), *solvers),
    "logistic": report(2 * classes - 1, Logistic(), L21(0.02), *solvers),
}))
"""
    found = outside(tmp_path, "Loss", "shares.py", script)()
    for report in found.values():
        assert_certified(report)
    same = {k: found["classes"][k] + found["logistic"][k] for k in ("gap", "F")}
    assert_certified({**same, "F0": found["logistic"]["F0"]})
    assert np.any(found["classes"]["A"])


@pytest.mark.slow
def test_a_solver_by_the_recipe(tmp_path):
    script = """
from gradient import ProximalGradient
from mtlreg.penalties import L1, InfimalSum, TraceNorm

solvers = ProximalGradient(tol=1e-8, max_iter=100_000), FISTA(tol=1e-8)
reasons = [
    solvers[0].refuses(Squared(), penalty)
    for penalty in (L21(0.5), InfimalSum(L1(1.0), TraceNorm(1.0)))
]
found = report(y, Squared(), L21(0.5), *solvers)
print(json.dumps({**found, "reasons": reasons}))
"""
    found = outside(tmp_path, "Solver", "gradient.py", script)()
    assert_certified(found)
    assert found["reasons"][0] is None
    assert "fista" in found["reasons"][1]
