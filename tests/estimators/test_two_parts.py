"""Models whose A is a sum of two parts: corners, ends of the ratios, outlier tasks."""

import numpy as np
import pytest

from mtlreg import (
    GroupLassoRegressor,
    RobustGroupLassoRegressor,
    RobustGroupLassoRegressorCV,
    RobustLowRankRegressor,
    RobustLowRankRegressorCV,
    SparseLowRankRegressor,
    SparseLowRankRegressorCV,
    TraceNormRegressor,
)
from mtlreg.datasets import make_multitask_regression
from tests.estimators.cases import draw

TOL = 1e-10
N_FEATURES, N_TASKS = 4, 3

# just beyond the ratios where one part is 0: the model, what is left, its strengths
CORNERS = {
    "low rank": (
        RobustLowRankRegressor(0.1, alpha_outlier=0.1001),
        TraceNormRegressor(0.1),
        "specific_coef_",
    ),
    "low rank of entries": (
        SparseLowRankRegressor(0.1, alpha_sparse=0.1001),
        TraceNormRegressor(0.1),
        "specific_coef_",
    ),
    "rows": (
        RobustGroupLassoRegressor(0.1, alpha_outlier=0.1001 * np.sqrt(N_FEATURES)),
        GroupLassoRegressor(0.1),
        "specific_coef_",
    ),
    "entries": (
        SparseLowRankRegressor(0.1001 * np.sqrt(12), alpha_sparse=0.1),
        GroupLassoRegressor(0.1, l1_ratio=1.0),
        "shared_coef_",
    ),
}


@pytest.mark.parametrize("name", CORNERS)
def test_a_part_that_costs_too_much_is_0(name):
    model, other, zero = CORNERS[name]
    X, y, tasks = draw()
    model.set_params(tol=TOL).fit(X, y, tasks=tasks)
    other.set_params(tol=TOL).fit(X, y, tasks=tasks)
    assert not getattr(model, zero).any()
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=0, atol=1e-4)


@pytest.mark.parametrize("cls", [RobustLowRankRegressor, RobustGroupLassoRegressor])
def test_columns_alone_where_what_is_shared_costs_too_much(cls):
    X, y, tasks = draw()
    model = cls(0.1001 * np.sqrt(N_TASKS), alpha_outlier=0.1)
    model.fit(X, y, tasks=tasks)
    assert not model.shared_coef_.any()
    assert not getattr(model, "rank_", 0)
    assert not np.any(getattr(model, "support_", False))
    assert model.outlier_tasks_.all()


def with_an_outlier():
    data = make_multitask_regression(
        n_tasks=10, structure="low_rank", rank=2, random_state=0
    )
    return data.X, np.where(data.tasks == 3, 20 * data.X[:, 0], data.y), data.tasks


def test_an_outlier_is_found_and_the_others_keep_their_subspace():
    X, y, tasks = with_an_outlier()
    model = RobustLowRankRegressor(2.0, alpha_outlier=1.8).fit(X, y, tasks=tasks)
    assert model.tasks_[model.outlier_tasks_].tolist() == [3]
    assert model.rank_ == 2
    np.testing.assert_array_equal(model.shared_coef_, model.blocks_[0])
    np.testing.assert_array_equal(model.specific_coef_, model.blocks_[1])
    basis = model.components_
    np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)


@pytest.mark.parametrize(
    ("cls", "ends"),
    [
        (RobustLowRankRegressorCV, (1.0, np.sqrt(N_TASKS))),
        (RobustGroupLassoRegressorCV, (1 / np.sqrt(N_FEATURES), np.sqrt(N_TASKS))),
        (SparseLowRankRegressorCV, (1.0, np.sqrt(N_FEATURES * N_TASKS))),
    ],
)
def test_default_ratios_use_both_parts(cls, ends):
    X, y, tasks = draw()
    search = cls(alphas=2, eps=0.5, cv=3, tol=1e-4).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(search.ratios_, np.geomspace(*ends, 5)[1:-1])
    with pytest.raises(ValueError, match=r"ratios of .* must be > 0, got 0"):
        cls(ratios=[0.0]).fit(X, y, tasks=tasks)


def test_entries_beside_a_subspace_are_found():
    X, _, tasks = with_an_outlier()
    data = make_multitask_regression(
        n_tasks=10, structure="low_rank", rank=2, random_state=0
    )
    y = data.y + np.where(tasks == 3, 20 * X[:, 0], 0)
    model = SparseLowRankRegressor(2.0, alpha_sparse=1.0).fit(X, y, tasks=tasks)
    assert np.argwhere(model.specific_coef_).tolist() == [[3, 0]]
    assert model.rank_ == 2


def test_an_outlier_is_found_and_the_others_keep_their_features():
    data = make_multitask_regression(n_tasks=10, n_informative=3, random_state=0)
    outlier = data.tasks == 3
    y = np.where(outlier, 5 * data.X.sum(axis=1), data.y)
    model = RobustGroupLassoRegressor(1.0, alpha_outlier=2.0)
    model.fit(data.X, y, tasks=data.tasks)
    assert model.tasks_[model.outlier_tasks_].tolist() == [3]
    used = np.any(data.coef[np.arange(10) != 3] != 0, axis=0)
    np.testing.assert_array_equal(model.support_, used)
