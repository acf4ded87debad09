"""The generated data are what their docstrings promise."""

import sys

import numpy as np
import pandas as pd
import pytest

from mtlreg.datasets import make_multitask_classification, make_multitask_regression
from mtlreg.datasets.structures import STRUCTURES

both = pytest.mark.parametrize(
    "make", [make_multitask_regression, make_multitask_classification]
)


def predictions(data):
    """x @ coef[t] + intercept[t], in the shape of y."""
    if data.tasks is None:
        return data.X @ data.coef.T + data.intercept
    Z = data.X @ data.coef.T + data.intercept
    return Z[np.arange(len(Z)), data.tasks]


@both
def test_shapes_of_stacked_rows(make):
    data = make(4, [3, 5, 2, 8], 6, random_state=0)
    assert data.X.shape == (18, 6)
    assert data.y.shape == data.tasks.shape == (18,)
    np.testing.assert_array_equal(np.bincount(data.tasks), [3, 5, 2, 8])
    assert data.coef.shape == (4, 6)
    assert data.shared_coef.shape == data.specific_coef.shape == (4, 6)
    assert data.intercept.shape == (4,)
    assert data.frame is None


@both
def test_shapes_of_a_shared_design(make):
    data = make(4, 30, 6, shared_X=True, random_state=0)
    assert data.X.shape == (30, 6)
    assert data.y.shape == (30, 4)
    assert data.tasks is None


@both
def test_defaults(make):
    data = make(random_state=0)
    assert data.X.shape == (500, 20)
    np.testing.assert_array_equal(np.bincount(data.tasks), np.full(10, 50))
    assert np.all(np.count_nonzero(data.coef, axis=1) == 5)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("shared_X", [False, True])
def test_targets_follow_the_coefficients(structure, shared_X):
    options = {"structure": structure, "shared_X": shared_X, "random_state": 1}
    data = make_multitask_regression(noise=0, **options)
    np.testing.assert_allclose(data.y, predictions(data), rtol=0, atol=1e-13)
    labels = make_multitask_classification(noise=0, **options)
    np.testing.assert_array_equal(labels.y, predictions(labels) > 0)
    assert labels.y.dtype == int
    assert set(np.unique(labels.y)) == {0, 1}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_noise_has_its_size(structure):
    data = make_multitask_regression(
        5, 4000, structure=structure, noise=0.7, random_state=2
    )
    residual = data.y - predictions(data)
    # 20000 draws: mean and deviation are known to 0.7 / sqrt(20000) = 0.005
    assert abs(residual.mean()) < 0.025
    assert abs(residual.std() - 0.7) < 0.025


def test_labels_follow_the_logistic_model():
    data = make_multitask_classification(5, 4000, noise=2.0, random_state=3)
    probability = 1 / (1 + np.exp(-predictions(data) / 2.0))
    for low in [0.0, 0.2, 0.4, 0.6, 0.8]:
        bin_ = (probability >= low) & (probability < low + 0.2)
        # binomial error of the smallest bin, five standard deviations
        bound = 2.5 / np.sqrt(bin_.sum())
        assert bin_.sum() > 1000
        assert abs(data.y[bin_].mean() - probability[bin_].mean()) < bound


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("n_tasks", [1, 7])
def test_parts_add_up(structure, n_tasks):
    data = make_multitask_regression(n_tasks, structure=structure, random_state=4)
    np.testing.assert_array_equal(data.coef, data.shared_coef + data.specific_coef)


def test_mean_structure():
    data = make_multitask_regression(40, structure="mean", random_state=5)
    assert np.ptp(data.shared_coef, axis=0).max() == 0
    np.testing.assert_allclose(
        data.coef.mean(axis=0), data.shared_coef[0], rtol=0, atol=1e-14
    )
    # 800 deviations: their standard deviation is known to 0.3 / sqrt(1600) = 0.0075
    assert abs(data.specific_coef.std() - 0.3) < 0.0375


def test_group_structure():
    data = make_multitask_regression(structure="group", n_informative=4, random_state=6)
    active = data.coef != 0
    assert np.all(active == active[0])
    assert active[0].sum() == 4
    magnitude = np.abs(data.coef[active])
    assert magnitude.min() >= 0.5
    assert magnitude.max() <= 1.5
    assert not data.specific_coef.any()


@pytest.mark.parametrize(("rank", "expected"), [(1, 1), (3, 3), (50, 6)])
def test_low_rank_structure(rank, expected):
    data = make_multitask_regression(
        6, 5, 9, structure="low_rank", rank=rank, random_state=7
    )
    assert np.linalg.matrix_rank(data.coef) == expected
    assert not data.specific_coef.any()


@pytest.mark.parametrize("n_informative", [0, 1, 4, 5, 20])
def test_dirty_structure(n_informative):
    data = make_multitask_regression(
        structure="dirty", n_informative=n_informative, random_state=8
    )
    shared, specific = data.shared_coef != 0, data.specific_coef != 0
    n_shared = -(-n_informative // 2)
    assert np.all(shared == shared[0])
    assert shared[0].sum() == n_shared
    assert np.all(specific.sum(axis=1) == n_informative - n_shared)
    assert not (shared & specific).any()


def test_dirty_tasks_choose_their_own_features():
    data = make_multitask_regression(structure="dirty", random_state=9)
    specific = data.specific_coef != 0
    assert np.any(specific != specific[0])


def test_independent_structure():
    data = make_multitask_regression(structure="independent", random_state=10)
    active = data.coef != 0
    assert np.all(active.sum(axis=1) == 5)
    assert np.any(active != active[0])
    assert not data.shared_coef.any()


def test_graph_structure():
    data = make_multitask_regression(4, 5, 20_000, structure="graph", random_state=0)
    lag = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    np.testing.assert_array_equal(data.graph, lag == 1)
    # entries of a sample covariance of 20000 features: as of test_feature_correlation
    np.testing.assert_allclose(np.cov(data.coef), 0.9**lag, rtol=0, atol=0.05)


def test_fused_structure():
    data = make_multitask_regression(12, structure="fused", random_state=0)
    active = data.coef != 0
    assert np.all(active == active[0])
    assert active[0].sum() == 5
    changes = np.count_nonzero(np.diff(data.coef, axis=0), axis=0)
    np.testing.assert_array_equal(changes, 2 * active[0])


@pytest.mark.parametrize(
    "structure", ["low_rank_outliers", "group_outliers", "outliers"]
)
def test_structures_with_outliers(structure):
    data = make_multitask_regression(
        10, 5, 2000, structure=structure, rank=2, random_state=0
    )
    own = data.specific_coef
    outliers = own.any(axis=1)
    assert outliers.sum() == 2
    # 4000 entries: their variance is known to 4 sqrt(2 / 4000) = 0.09
    assert abs(own[outliers].var() - 4) < 0.45
    shared = data.shared_coef
    if structure == "low_rank_outliers":
        assert np.linalg.matrix_rank(shared) == 2
    elif structure == "group_outliers":
        assert np.all(np.count_nonzero(shared, axis=1) == 5)
        assert np.all((shared != 0) == (shared[0] != 0))
    else:
        assert np.ptp(shared, axis=0).max() == 0


def test_low_rank_sparse_structure():
    data = make_multitask_regression(structure="low_rank_sparse", random_state=0)
    assert np.linalg.matrix_rank(data.shared_coef) == 3
    own = data.specific_coef != 0
    assert np.all(own.sum(axis=1) == 3)
    assert np.any(own != own[0])
    assert np.abs(data.specific_coef[own]).min() >= 1.5


def test_common_structure():
    data = make_multitask_regression(structure="common", random_state=0)
    assert np.ptp(data.shared_coef, axis=0).max() == 0
    assert np.all(np.count_nonzero(data.shared_coef, axis=1) == 3)
    own = data.specific_coef != 0
    assert np.all(own.sum(axis=1) == 2)
    assert np.any(own != own[0])


def test_clusters_structure():
    data = make_multitask_regression(
        10, n_features=400, structure="clusters", random_state=0
    )
    np.testing.assert_array_equal(np.sort(np.bincount(data.task_clusters)), [3, 3, 4])
    same = np.equal.outer(data.task_clusters, data.task_clusters)
    centers = data.shared_coef
    distance = np.linalg.norm(centers[:, None] - centers, axis=2)
    np.testing.assert_array_equal(distance == 0, same)
    # 4000 deviations: their standard deviation is known to 0.3 / sqrt(8000)
    assert abs(data.specific_coef.std() - 0.3) < 0.017


def test_related_structure():
    data = make_multitask_regression(
        6, 5, 20_000, structure="related", rank=2, random_state=0
    )
    covariance = data.task_covariance
    np.testing.assert_allclose(np.diag(covariance), np.ones(6))
    assert covariance.min() < -0.2
    np.testing.assert_allclose(np.cov(data.coef), covariance, rtol=0, atol=0.05)


def test_tree_structure():
    data = make_multitask_regression(8, structure="tree", random_state=0)
    assert data.tree == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    active = data.coef != 0
    assert np.all(active.sum(axis=1) == 5)
    shared = active.astype(int) @ active.T
    assert np.all(shared[[0, 2], [1, 3]] == 5)
    assert np.all(shared[[0, 1, 4], [2, 3, 7]] >= 4)
    assert np.all(shared >= 3)
    assert shared.min() < 4


def test_what_is_known_of_one_structure_is_not_of_others():
    plain = set(make_multitask_regression())
    known = [
        set(make_multitask_regression(structure=name)) - plain for name in STRUCTURES
    ]
    assert sum(map(len, known)) == len(set().union(*known)) == 4


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (9, 2)])
def test_at_most_all_features_are_informative(structure, shape):
    n_tasks, n_features = shape
    data = make_multitask_regression(
        n_tasks, 3, n_features, structure=structure, random_state=11
    )
    assert data.coef.shape == shape
    assert np.all(np.isfinite(data.coef))
    if structure in ("group", "independent", "tree", "fused"):
        assert np.count_nonzero(data.coef) == data.coef.size


@both
def test_same_seed_same_data(make):
    first, again, other = (make(random_state=seed) for seed in (0, 0, 1))
    for key in ["X", "y", "tasks", "coef", "intercept"]:
        np.testing.assert_array_equal(first[key], again[key])
    assert not np.array_equal(first.X, other.X)
    stream = np.random.RandomState(0)
    np.testing.assert_array_equal(make(random_state=stream).y, first.y)
    assert not np.array_equal(make(random_state=stream).y, first.y)


@pytest.mark.parametrize(
    "options",
    [
        {"n_samples": 7},
        {"noise": 0.1, "correlation": 0.5},
        {"shared_X": True, "missing": 0.3},
        {"as_frame": True},
    ],
    ids=str,
)
def test_coefficients_do_not_depend_on_the_rows(options):
    expected = make_multitask_regression(random_state=0)
    for make in [make_multitask_regression, make_multitask_classification]:
        data = make(**options, random_state=0)
        np.testing.assert_array_equal(data.coef, expected.coef)
        np.testing.assert_array_equal(data.intercept, expected.intercept)


def test_without_intercept():
    data = make_multitask_regression(intercept=False, noise=0, random_state=0)
    assert not data.intercept.any()
    np.testing.assert_allclose(data.y, predictions(data), rtol=0, atol=1e-13)


def test_rows_come_in_random_order():
    tasks = make_multitask_regression(random_state=0).tasks
    assert set(tasks[:100]) == set(range(10))


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_feature_correlation(correlation):
    X = make_multitask_regression(
        1, 20_000, 4, correlation=correlation, random_state=0
    ).X
    lag = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    # entries of a sample covariance of 20000 rows: deviation at most sqrt(2 / 20000)
    np.testing.assert_allclose(
        np.cov(X, rowvar=False), correlation**lag, rtol=0, atol=0.05
    )


@both
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.85])
@pytest.mark.parametrize("shape", [(30, 6), (4, 9)])
def test_missing_cells(make, missing, shape):
    n_rows, n_tasks = shape
    options = {"shared_X": True, "random_state": 0}
    data = make(n_tasks, n_rows, missing=missing, **options)
    observed = ~np.isnan(data.y)
    n_observed = max(n_tasks, n_rows * n_tasks - round(missing * n_rows * n_tasks))
    assert observed.sum() == n_observed
    assert observed.any(axis=0).all()
    assert observed.any(axis=1).sum() == min(n_rows, n_observed)
    complete = make(n_tasks, n_rows, **options)
    np.testing.assert_array_equal(data.y[observed], complete.y[observed])


def test_every_task_keeps_a_cell():
    data = make_multitask_regression(
        8, 50, shared_X=True, missing=0.999, random_state=0
    )
    np.testing.assert_array_equal((~np.isnan(data.y)).sum(axis=0), np.ones(8))


@both
def test_frame_of_stacked_rows(make):
    plain = make(3, 10, 2, random_state=0)
    data = make(3, 10, 2, as_frame=True, random_state=0)
    assert list(data.X.columns) == ["task", "x0", "x1"]
    assert data.X["task"].dtype == int
    np.testing.assert_array_equal(data.X["task"], plain.tasks)
    np.testing.assert_array_equal(data.X[["x0", "x1"]], plain.X)
    np.testing.assert_array_equal(data.tasks, plain.tasks)
    assert isinstance(data.y, pd.Series)
    np.testing.assert_array_equal(data.y, plain.y)
    pd.testing.assert_frame_equal(data.frame, data.X.assign(target=data.y))


@both
def test_frame_of_a_shared_design(make):
    options = {"shared_X": True, "missing": 0.2, "random_state": 0}
    plain = make(3, 10, 2, **options)
    data = make(3, 10, 2, as_frame=True, **options)
    assert list(data.X.columns) == ["x0", "x1"]
    assert list(data.y.columns) == ["task0", "task1", "task2"]
    np.testing.assert_array_equal(data.y, plain.y)
    pd.testing.assert_frame_equal(data.frame, data.X.join(data.y))
    assert data.tasks is None


@both
def test_frames_need_pandas(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert make(3, 10, 2, random_state=0).X.shape == (30, 2)
    with pytest.raises(
        ImportError, match=r"as_frame=True needs pandas.*mtlreg\[demo\]"
    ):
        make(3, 10, 2, as_frame=True)


@both
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_tasks": 0}, ValueError, "n_tasks == 0, must be >= 1"),
        ({"n_tasks": 2.0}, TypeError, "n_tasks must be an instance of int"),
        ({"n_features": 0}, ValueError, "n_features == 0, must be >= 1"),
        ({"n_samples": 0}, ValueError, "n_samples == 0, must be >= 1"),
        ({"n_samples": "50"}, TypeError, "n_samples must be an instance of int"),
        ({"n_samples": [5, 5]}, ValueError, r"2 entries: .* n_tasks=10"),
        ({"n_samples": [5] * 9 + [0]}, ValueError, r"n_samples\[9\] == 0"),
        ({"n_samples": [5.5] * 10}, TypeError, r"n_samples\[0\] must be an instance"),
        ({"n_samples": [5] * 10, "shared_X": True}, ValueError, "int with shared_X"),
        ({"structure": "forest"}, ValueError, "structure='forest' .* 'mean', 'group'"),
        ({"n_informative": -1}, ValueError, "n_informative == -1, must be >= 0"),
        ({"rank": 0}, ValueError, "rank == 0, must be >= 1"),
        ({"noise": -1.0}, ValueError, "noise=-1.0 must be at least 0"),
        ({"noise": np.nan}, ValueError, "noise=nan must be at least 0"),
        ({"noise": np.inf}, ValueError, "noise=inf must be .* below inf"),
        ({"noise": "1"}, TypeError, "noise must be an instance of float"),
        ({"correlation": 1.0}, ValueError, "correlation=1.0 must be .* below 1"),
        ({"correlation": -0.5}, ValueError, "correlation=-0.5 must be at least 0"),
        ({"missing": 1, "shared_X": True}, ValueError, "missing=1 must be .* below 1"),
        ({"missing": 0.2}, ValueError, "missing=0.2 needs shared_X=True"),
        ({"random_state": "x"}, ValueError, "cannot be used to seed"),
    ],
    ids=str,
)
def test_bad_arguments(make, options, error, message):
    with pytest.raises(error, match=message):
        make(**options)
