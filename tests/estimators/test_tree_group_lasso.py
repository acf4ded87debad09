"""Tree group lasso: optima, corners, trees that are learned, and of which rows."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from sklearn.linear_model import Ridge

from mtlreg import (
    GroupLassoRegressor,
    TreeGroupLassoClassifier,
    TreeGroupLassoRegressor,
    TreeGroupLassoRegressorCV,
    alpha_max,
)
from mtlreg.losses import LOSSES
from mtlreg.penalties import TreeGroup
from mtlreg.penalties.tree import linked_groups
from tests.estimators.cases import draw
from tests.problems import Case, random_data

TREE = [[["v", "x"], "z"], ["w", "y"]]
LABELS = np.array(list("vwxyz"))


@pytest.mark.parametrize("loss", LOSSES)
def test_is_the_optimum(loss):
    data = random_data(loss, "stacked-dense", n_tasks=5)
    groups = np.array([[1, 0, 1, 0, 0], [1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1] * 5])
    groups = np.hstack([np.eye(5), groups.T]) > 0
    penalty = TreeGroup(1.0, groups)
    case = Case(data, LOSSES[loss](), penalty, np.linspace(0.5, 2.0, 5)).scaled(0.2)
    best = case.objective(*case.cvxpy_optimum())
    cls = {"squared": TreeGroupLassoRegressor, "logistic": TreeGroupLassoClassifier}
    X, y, v = (np.concatenate(part) for part in zip(*case.tasks(), strict=True))
    tasks = np.repeat(LABELS, [len(y) for _, y, _ in case.tasks()])
    for solver in ("bcd", "fista"):
        est = cls[loss](
            case.penalty.alpha,
            tree=TREE,
            task_weight=case.task_scale,
            tol=1e-9,
            solver=solver,
        )
        est.fit(X, y, v, tasks=tasks)
        np.testing.assert_array_equal(est.tree_, groups.T)
        found = case.objective(est.coef_.T, est.intercept_)
        assert found == pytest.approx(best, rel=1e-6)
        assert est.dual_gap_ >= found - best - 1e-7 * best


def test_with_a_weight_for_the_root_alone_it_is_the_group_lasso():
    X, y, tasks = draw(n_tasks=3)
    est = TreeGroupLassoRegressor(0.1, node_weight=[0, 0, 0, 1], tol=1e-12)
    est.fit(X, y, tasks=tasks)
    other = GroupLassoRegressor(0.1, tol=1e-12).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, other.coef_, rtol=0, atol=1e-8)


def ridge_links(X, y, tasks):
    """Ward's linkage of ridge fits, of a tenth of the mean variance of a feature."""
    rows = [np.flatnonzero(tasks == t) for t in np.unique(tasks)]
    strength = 0.1 * np.mean([X[r].var(axis=0) for r in rows])
    coef = [Ridge(strength * len(r), tol=1e-12).fit(X[r], y[r]).coef_ for r in rows]
    return linkage(np.stack(coef), "ward")


def test_a_tree_is_learned_of_fits_of_single_tasks():
    X, y, tasks = draw(n=120, n_tasks=5)
    links = ridge_links(X, y, tasks)
    est = TreeGroupLassoRegressor(tree="ward", solver="bcd").fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(est.tree_, linked_groups(links, 5).T)
    other = TreeGroupLassoRegressor(tree=links).fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(est.coef_, other.coef_)
    assert alpha_max(est, X, y, tasks=tasks) == alpha_max(other, X, y, tasks=tasks)
    again = TreeGroupLassoRegressor(tree=est.tree_).fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(est.coef_, again.coef_)


@pytest.mark.parametrize("d", [4, 60])  # folds of statistics, and of rows
def test_folds_learn_of_their_training_part_alone(d):
    n = 90
    X, y, tasks = draw(n=n, d=d, n_tasks=3)
    y = y + 2 * np.random.default_rng(1).normal(size=n)
    test = np.zeros(n, dtype=bool)
    test[: n // 2] = True
    # other targets in the test part would make another tree
    y[test] += 30 * X[test, 0] * (tasks[test] == 1)
    train = ridge_links(X[~test], y[~test], tasks[~test])
    assert not np.array_equal(train[:, :2], ridge_links(X, y, tasks)[:, :2])
    options = {"alphas": [0.3, 0.1], "cv": [(~test, test)], "tol": 1e-9}
    search = TreeGroupLassoRegressorCV(tree="ward", **options).fit(X, y, tasks=tasks)
    other = TreeGroupLassoRegressorCV(tree=train, **options).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(search.score_path_, other.score_path_, rtol=1e-8)


def test_a_task_of_one_class_is_below_the_root_alone():
    X, y, tasks = draw("classifier", n=150, n_tasks=4)
    y[tasks == 2] = 1.0
    with pytest.warns(UserWarning, match="one class only"):
        est = TreeGroupLassoClassifier(0.01, tree="ward").fit(X, y, tasks=tasks)
    kept = tasks != 2
    rest = TreeGroupLassoClassifier(0.01, tree="ward").fit(
        X[kept], y[kept], tasks=tasks[kept]
    )
    np.testing.assert_array_equal(est.tree_[est.tree_[:, 2]].sum(axis=1), [1, 4])
    np.testing.assert_allclose(est.coef_[[0, 1, 3]], rest.coef_, rtol=1e-10)
    assert not est.coef_[2].any()


def test_features_of_branches_are_found():
    rng = np.random.default_rng(0)
    coef = np.zeros((6, 8))
    coef[:3, 0], coef[3:, 1], coef[:, 2] = 2.0, -2.0, 1.0
    tasks = np.repeat(np.arange(6), 60)
    X = rng.normal(size=(360, 8))
    y = np.sum(X * coef[tasks], axis=1) + 0.3 * rng.normal(size=360)
    est = TreeGroupLassoRegressor(0.05, tree="ward").fit(X, y, tasks=tasks)
    nodes = {tuple(np.flatnonzero(node)) for node in est.tree_}
    assert {(0, 1, 2), (3, 4, 5)} <= nodes
    np.testing.assert_array_equal(est.coef_ != 0, coef != 0)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tree": [[0, 1], [2, 7]]}, r"tree has no tasks \[7\]"),
        ({"tree": [[0, 1]]}, r"tree lacks the tasks \[2\]"),
        ({"tree": "star"}, "tree must be 'flat', 'ward'"),
        ({"node_weight": [1.0]}, "each of 4 nodes"),
        ({"alpha": 0.0}, "alpha"),
    ],
)
def test_parameters_are_checked(params, message):
    X, y, tasks = draw()
    with pytest.raises(ValueError, match=message):
        TreeGroupLassoRegressor(**params).fit(X, y, tasks=tasks)
