"""Statistics of parts: merged, saved, and fitted as the rows that they are of."""

import copy
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import mtlreg
from mtlreg import distributed
from mtlreg.model_selection import TaskKFold
from mtlreg.statistics import TaskStatistics
from tests.datafiles import load_data
from tests.estimators.cases import (
    CV_REGRESSORS,
    REGRESSORS,
    one_of_a_kind,
)

EXACT = 1e-12  # the tolerance of fits that are to be equal to 1e-8


def table(n=240, d=4, n_tasks=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + rng.normal(size=d)
    tasks = rng.permutation(np.arange(n) % n_tasks)
    slopes = rng.normal(size=d) + 0.5 * rng.normal(size=(n_tasks, d))
    y = np.sum(X * slopes[tasks], axis=1) + tasks + 0.5 * rng.normal(size=n)
    return X, y, tasks, rng.uniform(0.2, 2.0, size=n)


def in_parts(X, y, parts, **columns):
    stats = TaskStatistics()
    for part in parts:
        stats.update(X[part], y[part], **{k: v[part] for k, v in columns.items()})
    return stats


def assert_alike(first, second, atol=1e-8):
    size = max(1.0, np.abs(second.coef_).max())
    np.testing.assert_allclose(first.coef_, second.coef_, rtol=0, atol=atol * size)
    size = max(1.0, np.abs(second.intercept_).max())
    np.testing.assert_allclose(
        first.intercept_, second.intercept_, rtol=0, atol=atol * size
    )
    np.testing.assert_array_equal(first.tasks_, second.tasks_)
    assert first.n_features_in_ == second.n_features_in_


OPTIONS = [
    {},
    {"fit_intercept": False},
    {"task_weight": "proportional"},
    {"normalize_y": True},
    {"ridge": 0.1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "plain")
@pytest.mark.parametrize("cls", one_of_a_kind(REGRESSORS), ids=lambda c: c.__name__)
def test_fits_are_those_of_the_rows(cls, options):
    X, y, tasks, weight = table()
    order = np.random.default_rng(1).permutation(len(y))
    columns = {"tasks": tasks, "sample_weight": weight}
    stats = in_parts(X, y, np.array_split(order, 7), **columns)
    model = cls(tol=EXACT, **options)
    streamed = clone(model).fit_statistics(stats)
    assert_alike(streamed, model.fit(X, y, weight, tasks=tasks))
    np.testing.assert_allclose(
        streamed.predict(X, tasks=tasks), model.predict(X, tasks=tasks), atol=1e-7
    )
    np.testing.assert_allclose(streamed.y_scale_, model.y_scale_)
    assert streamed.dual_gap_ <= 10 * EXACT * np.sum(y**2)


@pytest.mark.parametrize("cls", one_of_a_kind(REGRESSORS), ids=lambda c: c.__name__)
def test_parts_one_after_the_other(cls):
    X, y, tasks, weight = table()
    model, whole = cls(tol=EXACT), cls(tol=EXACT)
    # in the order of the tasks, so that new ones appear
    order = np.argsort(tasks, kind="stable")
    for end in (50, 130, 240):
        part = order[{50: 0, 130: 50, 240: 130}[end] : end]
        model.partial_fit(X[part], y[part], weight[part], tasks=tasks[part])
        seen = order[:end]
        whole.fit(X[seen], y[seen], weight[seen], tasks=tasks[seen])
        assert_alike(model, whole)
    again = pickle.loads(pickle.dumps(model))
    again.partial_fit(X[:9], y[:9], tasks=tasks[:9])
    both = np.append(order, np.arange(9))
    weight = np.append(weight[order], np.ones(9))
    assert_alike(again, whole.fit(X[both], y[both], weight, tasks=tasks[both]))
    # a fit begins anew
    model.fit(X[:60], y[:60], tasks=tasks[:60])
    model.partial_fit(X[60:], y[60:], tasks=tasks[60:])
    assert_alike(model, whole.fit(X[60:], y[60:], tasks=tasks[60:]))


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("cls", one_of_a_kind(CV_REGRESSORS), ids=lambda c: c.__name__)
def test_searches_by_folds_of_statistics(cls, intercept):
    X, y, tasks, weight = table()
    splits = list(TaskKFold(4, random_state=0).split(X, y, groups=tasks))
    columns = {"tasks": tasks, "sample_weight": weight}
    folds = [in_parts(X, y, np.array_split(test, 2), **columns) for _, test in splits]
    search = cls(alphas=6, tol=EXACT, fit_intercept=intercept)
    streamed = clone(search).fit_statistics(folds)
    search.set_params(cv=splits).fit(X, y, weight, tasks=tasks)
    scores = streamed.score_path_, search.score_path_
    np.testing.assert_allclose(*scores, rtol=1e-7)
    assert_alike(streamed, search)


@pytest.mark.parametrize("intercept", [True, False])
def test_tasks_in_one_fold_alone_are_trained_on(intercept):
    X, y, tasks, weight = table()
    rng = np.random.default_rng(0)
    fold = rng.integers(4, size=len(y))
    # tasks of one row, of two rows in one fold, and of two in different ones
    tasks[:5], fold[:5] = [7, 8, 8, 9, 9], [0, 2, 2, 1, 3]
    tested = np.where(np.isin(tasks, [7, 8]), -1, fold)
    splits = [
        (np.flatnonzero(tested != k), np.flatnonzero(tested == k)) for k in range(4)
    ]
    columns = {"tasks": tasks, "sample_weight": weight}
    folds = [in_parts(X, y, [fold == k], **columns) for k in range(4)]
    search = mtlreg.MeanRegularizedRegressorCV(
        alphas=5, tol=EXACT, fit_intercept=intercept
    )
    streamed = clone(search).fit_statistics(folds)
    search.set_params(cv=splits).fit(X, y, weight, tasks=tasks)
    np.testing.assert_allclose(streamed.score_path_, search.score_path_, rtol=1e-7)
    for_task = streamed.task_score_path_, search.task_score_path_
    np.testing.assert_allclose(*for_task, rtol=1e-7)
    assert np.isnan(streamed.task_score_path_[..., 5:7]).all()
    assert_alike(streamed, search)


@pytest.mark.parametrize("strength", [0.01, 1.0, np.inf])
def test_shrunken_intercepts(strength):
    X, y, tasks, weight = table()
    columns = {"tasks": tasks, "sample_weight": weight}
    stats = in_parts(X, y, np.array_split(np.arange(len(y)), 3), **columns)
    model = mtlreg.MeanRegularizedRegressor(tol=EXACT, alpha_intercept=strength)
    whole = clone(model).fit(X, y, weight, tasks=tasks)
    assert_alike(model.fit_statistics(stats), whole)


@pytest.mark.parametrize(
    "options", [{}, {"per_feature": True}, {"fit_intercept": False}]
)
def test_restricted_maximum_likelihood(options):
    X, y, tasks, weight = table()
    columns = {"tasks": tasks, "sample_weight": weight}
    parts = [in_parts(X, y, [rows], **columns) for rows in np.split(np.arange(240), 4)]
    model = mtlreg.MeanRegularizedRegressorCV(
        cv="reml", task_weight="proportional", tol=EXACT, **options
    )
    whole = clone(model).fit(X, y, weight, tasks=tasks)
    for given in (parts, sum(parts, TaskStatistics())):
        streamed = clone(model).fit_statistics(given)
        for name in ("log_likelihood_", "noise_variance_", "task_variance_"):
            first, second = getattr(streamed, name), getattr(whole, name)
            np.testing.assert_allclose(first, second, rtol=1e-6)
        assert_alike(streamed, whole, atol=1e-6)
    constant = TaskStatistics().update(X, np.full_like(y, 1e8), tasks=tasks)
    with pytest.raises(ValueError, match="constant targets"):
        model.fit_statistics(constant)
    with pytest.raises(ValueError, match="proportional"):
        clone(model).set_params(task_weight="equal").fit_statistics(parts)


@pytest.mark.parametrize("missing", [False, True])
def test_several_targets(missing):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 3)), rng.normal(size=(60, 4))
    if missing:
        Y[rng.random(Y.shape) < 0.3] = np.nan
        Y[:20, 1] = np.nan  # in the first part no target of a task is observed
    frame = pd.DataFrame(Y, columns=list("pqrs"))
    stats = TaskStatistics()
    for start in (0, 20, 40):
        stats.update(X[start : start + 20], frame[start : start + 20])
    # one matrix where tasks have the same rows
    assert stats.part.gram.ndim == (3 if missing else 2)
    np.testing.assert_array_equal(stats.n_rows_, np.sum(~np.isnan(Y), axis=0))
    model = mtlreg.GroupLassoRegressor(tol=EXACT)
    assert_alike(clone(model).fit_statistics(stats), model.fit(X, frame))


@pytest.mark.parametrize("n_tasks", [1, 5])
def test_rows_are_added_to_sums_of_their_own(n_tasks):
    X, y, tasks, _ = table(n_tasks=n_tasks)
    stats = TaskStatistics().update(X[:120], y[:120], tasks=tasks[:120])
    shared = [copy.copy(stats), stats + stats, TaskStatistics().merge(stats)]
    shared += [
        stats.restrict(tasks=stats.tasks_[:2]),
        pickle.loads(pickle.dumps(stats)),
    ]
    before = [copy.deepcopy(one) for one in shared]
    seen, kept = stats.gram_, stats.gram_.copy()
    stats.update(X[120:], y[120:], tasks=tasks[120:])
    np.testing.assert_array_equal(seen, kept)
    for one, known in zip(shared, before, strict=True):
        for name in ("gram_", "n_rows_", "weight_", "feature_means_", "cross_"):
            np.testing.assert_array_equal(getattr(one, name), getattr(known, name))
        np.testing.assert_array_equal(one.square_, known.square_)
        # and the other way about
        now = stats.gram_.copy()
        one.update(X, y, tasks=tasks)
        np.testing.assert_array_equal(stats.gram_, now)
    assert stats.n_rows_.sum() == 240


def test_batches_of_any_size_and_far_apart():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 3)) + np.array([0.0, 1e6, -1e3])
    X[::2, 2] = 0.1  # constant in a task but for one row
    y, tasks = X @ [1.0, -2.0, 0.5], np.arange(700) % 2
    X[0] = 1e9  # the first row of a task is none like the others
    weight = rng.uniform(0.0, 2.0, size=700) * (rng.random(700) < 0.9)
    weight[0] = 1.0
    for cuts in ([], [1], [1, 2, 3], [300], [350, 351, 600]):
        parts = np.split(np.arange(700), cuts)
        stats = in_parts(X, y, parts, tasks=tasks, sample_weight=weight)
        for t in range(2):
            rows = tasks == t
            w = weight[rows]
            mean = w @ X[rows] / w.sum()
            left = X[rows] - mean
            left -= w @ left / w.sum()
            gram = (w * left.T) @ left
            size = np.sqrt(np.diag(gram))
            size[size == 0] = 1.0
            apart = (stats.gram_[t] - gram) / (size[:, None] * size)
            # means are known to the rounding of 1e6 deviations
            assert np.abs(apart).max() <= 1e6 * np.finfo(float).eps


def test_sums_are_those_of_the_definition():
    X, y, tasks, weight = table()
    columns = {"tasks": tasks, "sample_weight": weight}
    stats = in_parts(X, y, np.array_split(np.arange(len(y)), 5), **columns)
    for t in range(5):
        rows = tasks == t
        w, x, z = weight[rows], X[rows], y[rows]
        mean, target = w @ x / w.sum(), w @ z / w.sum()
        np.testing.assert_allclose(stats.weight_[t], w.sum())
        np.testing.assert_allclose(stats.feature_means_[t], mean)
        np.testing.assert_allclose(stats.target_means_[t], target)
        x, z = x - mean, z - target
        np.testing.assert_allclose(stats.gram_[t], (w[:, None] * x).T @ x)
        np.testing.assert_allclose(stats.cross_[t], (w * z) @ x)
        np.testing.assert_allclose(stats.square_[t], w @ z**2)
        assert stats.n_rows_[t] == rows.sum()


@pytest.mark.parametrize("layout", ["dense", "sparse", "float32", "frame"])
def test_containers(layout):
    X, y, tasks, _ = table()
    X[X < 0] = 0.0
    given = {
        "dense": X,
        "sparse": sp.csr_array(X),
        "float32": X.astype(np.float32),
        "frame": pd.DataFrame(X, columns=list("abcd")),
    }[layout]
    stats = TaskStatistics()
    for rows in np.split(np.arange(len(y)), 4):
        part = given.iloc[rows] if layout == "frame" else given[rows]
        stats.update(part, y[rows], tasks=tasks[rows])
    exact = X.astype(np.float32).astype(float) if layout == "float32" else X
    whole = TaskStatistics().update(exact, y, tasks=tasks)
    np.testing.assert_allclose(stats.gram_, whole.gram_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(stats.cross_, whole.cross_, rtol=1e-11, atol=1e-11)


def test_large_means_lose_no_more_digits_than_in_one_piece():
    X, y, tasks, _ = table()
    moved, y = X + 2.0**20, y + 2.0**20  # the last bits of X that are left are known
    X = moved - 2.0**20
    exact = in_parts(X, y - 2.0**20, [np.arange(len(y))], tasks=tasks)
    parts = np.array_split(np.random.default_rng(0).permutation(len(y)), 9)
    stats = in_parts(moved, y, parts, tasks=tasks)
    for name in ("gram_", "cross_", "square_"):
        size = np.abs(getattr(exact, name)).max()
        error = np.abs(getattr(stats, name) - getattr(exact, name)).max()
        # the rounding of means of the size 1e6 beside deviations of 1
        assert error <= 1e-9 * size


def test_merges_and_sums():
    X, y, tasks, weight = table()
    columns = {"tasks": tasks, "sample_weight": weight}
    order = np.argsort(tasks, kind="stable")
    parts = [in_parts(X, y, [rows], **columns) for rows in np.array_split(order, 3)]
    before = copy.deepcopy(parts)
    whole = in_parts(X, y, [order], **columns)
    for found in (
        parts[0] + parts[1] + parts[2],
        parts[2] + (parts[1] + parts[0]),
        TaskStatistics().merge(parts[1]).merge(parts[2]).merge(parts[0]),
    ):
        np.testing.assert_array_equal(found.tasks_, whole.tasks_)
        np.testing.assert_array_equal(found.n_rows_, whole.n_rows_)
        for name in ("weight_", "gram_", "cross_", "square_", "target_means_"):
            np.testing.assert_allclose(getattr(found, name), getattr(whole, name))
    for part, kept in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part.tasks_, kept.tasks_)
        np.testing.assert_array_equal(part.gram_, kept.gram_)


def peak_of(job):
    """Return the bytes that a job takes beside what there is, and what it returns."""
    tracemalloc.start()
    try:
        found = job()
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shift", [0, 20, 40])
def test_a_merge_holds_nothing_twice(shift):
    X, y, tasks, _ = table(n=1600, d=30, n_tasks=40)
    parts = [TaskStatistics().update(X, y, tasks=tasks + k) for k in (0, shift)]
    sizes = [part.gram_.nbytes for part in parts]
    peak, whole = peak_of(lambda: parts[0] + parts[1])
    # beside the result matrices without one of the axes of features
    assert whole.gram_.nbytes == sizes[0] * (40 + shift) // 40
    assert peak <= 1.25 * whole.gram_.nbytes


def test_a_reduction_holds_one_result_beside_what_it_merges():
    # not beside a cluster, whose threads allocate in between
    X, y, tasks, _ = table(n=1600, d=30, n_tasks=40)
    parts = [(k, [TaskStatistics().update(X, y, tasks=tasks)]) for k in range(4)]
    size = max(part.gram_.nbytes for _, (part,) in parts)
    peak, (_, (whole,)) = peak_of(lambda: distributed._merge(parts))
    assert peak <= 1.25 * size
    for _, (part,) in parts:
        np.testing.assert_array_equal(4 * part.n_rows_, whole.n_rows_)


def test_merges_in_place_are_of_what_nobody_has_seen():
    X, y, tasks, _ = table()
    parts = [
        TaskStatistics().update(X[k::4], y[k::4], tasks=tasks[k::4]) for k in range(4)
    ]
    before = copy.deepcopy(parts)
    whole = parts[0] + parts[1]
    whole += parts[2]
    seen, kept, other = whole.gram_, whole.gram_.copy(), copy.copy(whole)
    whole += parts[3]
    np.testing.assert_array_equal(seen, kept)
    np.testing.assert_array_equal(other.gram_, kept)
    taken = TaskStatistics().merge(whole)
    whole += parts[0]
    np.testing.assert_array_equal(taken.n_rows_, np.bincount(tasks))
    for name in ("gram_", "cross_", "square_", "weight_"):
        exact = getattr(TaskStatistics().update(X, y, tasks=tasks), name)
        np.testing.assert_allclose(getattr(taken, name), exact)
        for part, known in zip(parts, before, strict=True):
            np.testing.assert_array_equal(getattr(part, name), getattr(known, name))


def test_rows_without_weight_and_no_rows_are_none():
    X, y, tasks, weight = table()
    weight[tasks == 3] = 0.0
    stats = TaskStatistics().update(X[:0], y[:0], tasks=tasks[:0])
    stats.update(X, y, tasks=tasks, sample_weight=weight)
    stats.update(X[:3], y[:3], tasks=tasks[:3], sample_weight=0.0)
    stats.update(X[:0], y[:0], tasks=tasks[:0])
    np.testing.assert_array_equal(stats.tasks_, [0, 1, 2, 4])
    assert stats.n_rows_.sum() == np.sum(weight > 0)


def test_files(tmp_path):
    X, y, tasks, _ = table()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(school=tasks.astype(str))
    stats = TaskStatistics(task_column="school").update(frame, y)
    path = tmp_path / "stats.npz"
    stats.save(path)
    found = TaskStatistics.load(path)
    for name in ("tasks_", "feature_names_", "gram_", "n_rows_", "square_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(stats, name))
    model = mtlreg.GroupLassoRegressor(task_column="school", tol=EXACT)
    streamed = clone(model).fit_statistics(found)
    assert_alike(streamed, model.fit(frame, y))
    np.testing.assert_allclose(streamed.predict(frame), model.predict(frame))
    # it goes on
    found.update(frame[:9], y[:9])
    assert found.n_rows_.sum() == len(y) + 9


@pytest.mark.parametrize("labels", ["dates", "integers", "names", "large integers"])
def test_labels_in_files(tmp_path, labels):
    X, y, tasks, _ = table()
    tasks = {
        "dates": np.datetime64("2026-01-01") + tasks,
        "integers": tasks - 2,
        "names": np.array(list("vwxyz"), dtype=object)[tasks],
        "large integers": np.array([-1, 2**63, 2**70, 5, 7], dtype=object)[tasks],
    }[labels]
    stats = TaskStatistics().update(X, y, tasks=tasks)
    stats.save(tmp_path / "s.npz")
    found = TaskStatistics.load(tmp_path / "s.npz")
    np.testing.assert_array_equal(found.tasks_, stats.tasks_)
    np.testing.assert_array_equal((found + stats).n_rows_, 2 * stats.n_rows_)


def test_columns_in_any_order():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    Y[:10, 0] = Y[:25, 1] = np.nan
    frame = pd.DataFrame(Y, columns=[3, 1, 2])
    stats = TaskStatistics().update(X[:30], frame[:30]).update(X[30:], frame[30:])
    np.testing.assert_array_equal(stats.tasks_, [3, 1, 2])
    np.testing.assert_array_equal(stats.n_rows_, [50, 35, 60])
    some = stats.restrict(tasks=[2, 1, 2])
    np.testing.assert_array_equal(some.tasks_, [1, 2])
    np.testing.assert_array_equal(some.n_rows_, [35, 60])


def test_names_of_files(tmp_path):
    X, y, _, _ = table()
    stats = TaskStatistics().update(X, y)
    stats.save(tmp_path / "stats")
    assert TaskStatistics.load(tmp_path / "stats").n_rows_ == 240
    np.save(tmp_path / "array.npy", X)
    np.savez(tmp_path / "bare.npz", format="mtlreg.TaskStatistics")
    for name in ("array.npy", "bare.npz"):
        with pytest.raises(ValueError, match="holds no TaskStatistics"):
            TaskStatistics.load(tmp_path / name)


def test_files_that_are_none(tmp_path):
    X, y, tasks, _ = table()
    path = tmp_path / "stats.npz"
    stats = TaskStatistics().update(X, y, tasks=tasks)
    stats.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(tmp_path / "newer.npz", **arrays | {"version": 99})
    np.savez(tmp_path / "other.npz", **arrays | {"format": "another"})
    np.savez(tmp_path / "foreign.npz", X=X)
    np.savez(tmp_path / "shapes.npz", **arrays | {"weight": np.ones(3)})
    content = path.read_bytes()
    for cut in (0, 10, len(content) // 2, len(content) - 30):
        (tmp_path / "cut.npz").write_bytes(content[:cut])
        with pytest.raises(ValueError, match="damaged"):
            TaskStatistics.load(tmp_path / "cut.npz")
    with pytest.raises(ValueError, match="version 99"):
        TaskStatistics.load(tmp_path / "newer.npz")
    for name in ("other", "foreign", "shapes"):
        with pytest.raises(ValueError, match="holds no TaskStatistics"):
            TaskStatistics.load(tmp_path / f"{name}.npz")
    with pytest.raises(FileNotFoundError):
        TaskStatistics.load(tmp_path / "nowhere.npz")
    with pytest.raises(ValueError, match="empty"):
        TaskStatistics().save(path)


def test_some_features_and_tasks():
    X, y, tasks, _ = table()
    stats = TaskStatistics().update(X, y, tasks=tasks)
    part = stats.restrict(features=[2, 0], tasks=[1, 4])
    rows = np.isin(tasks, [1, 4])
    model = mtlreg.GroupLassoRegressor(tol=EXACT)
    streamed = clone(model).fit_statistics(part)
    assert_alike(streamed, model.fit(X[rows][:, [2, 0]], y[rows], tasks=tasks[rows]))
    assert list(streamed.coef_feature_names_) == ["x2", "x0"]
    with pytest.raises(ValueError, match="not there"):
        stats.restrict(tasks=[7])


def bad_parts():
    X, y, tasks, _ = table(n=20)
    nan = X.copy()
    nan[3, 1] = np.nan
    yield "other columns", (X[:, :3], y), {"tasks": tasks}, "X has 3 features"
    yield "a NaN", (nan, y), {"tasks": tasks}, "NaN"
    yield "no labels", (X, y), {}, "one task here"
    yield "other labels", (X, y), {"tasks": tasks.astype(str)}, "strings here"
    yield "columns of y", (X, np.stack([y, y], axis=1)), {}, "columns of y are"
    yield "fewer targets", (X, y[:5]), {"tasks": tasks}, "y has 5"
    weight = {"sample_weight": -np.ones(20)}
    yield "no table", (None, y), {}, "2D array"
    yield "negative weights", (X, y), {"tasks": tasks} | weight, "sample_weight"


@pytest.mark.parametrize(
    ("part", "columns", "message"),
    [case[1:] for case in bad_parts()],
    ids=[case[0] for case in bad_parts()],
)
def test_a_bad_part_changes_nothing(part, columns, message):
    X, y, tasks, _ = table()
    stats = TaskStatistics().update(X, y, tasks=tasks)
    model = mtlreg.GroupLassoRegressor().partial_fit(X, y, tasks=tasks)
    before, known = copy.deepcopy(stats), copy.deepcopy(model)
    for change in (stats.update, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            change(*part, **columns)
    np.testing.assert_array_equal(stats.gram_, before.gram_)
    np.testing.assert_array_equal(stats.tasks_, before.tasks_)
    np.testing.assert_array_equal(model.coef_, known.coef_)
    np.testing.assert_array_equal(model._seen.gram_, known._seen.gram_)


def test_a_name_of_another_column():
    X, y, _, _ = table()
    stats = TaskStatistics().update(pd.DataFrame(X, columns=list("abcd")), y)
    with pytest.raises(ValueError, match="feature names"):
        stats.update(pd.DataFrame(X, columns=list("abce")), y)
    with pytest.raises(ValueError, match="features here are"):
        stats.merge(TaskStatistics().update(pd.DataFrame(X, columns=list("bacd")), y))


def test_statistics_that_cannot_be_fitted():
    X, y, tasks, _ = table()
    stats = TaskStatistics().update(X, y, tasks=tasks)
    model = mtlreg.GroupLassoRegressor()
    with pytest.raises(ValueError, match="are empty"):
        model.fit_statistics(TaskStatistics())
    with pytest.raises(ValueError, match="must be TaskStatistics"):
        model.fit_statistics([stats])
    with pytest.raises(ValueError, match="task_column"):
        clone(model).set_params(task_column=0).fit_statistics(stats)
    with pytest.raises(ValueError, match="TaskStatistics can be merged"):
        stats.merge(model)
    with pytest.raises(ValueError, match="task_column is"):
        stats.merge(TaskStatistics(task_column="a"))
    Y = np.stack([y, np.full_like(y, np.nan)], axis=1)
    with pytest.raises(ValueError, match="no observed target"):
        model.fit_statistics(TaskStatistics().update(X, Y))
    assert not hasattr(model, "coef_")
    search = mtlreg.GroupLassoRegressorCV(alphas=3)
    with pytest.raises(ValueError, match="two folds"):
        search.fit_statistics(stats)
    alone = [stats.restrict(tasks=part) for part in ([0, 1], [1], [2])]
    with pytest.raises(ValueError, match="fold 2 have no rows of a task"):
        search.fit_statistics(alone)
    with pytest.raises(ValueError, match="cv=5 is for rows"):
        clone(search).set_params(cv=5).fit_statistics([stats, stats])
    assert not hasattr(search, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as raised:
        search.partial_fit(X, y, tasks=tasks)
    assert "fit_statistics" in str(raised.value.__cause__)


@pytest.mark.data
@pytest.mark.parametrize("n_parts", [1, 7, 139])
def test_school(n_parts):
    data = load_data("school")
    X, y, tasks = (
        data["X"][:, :-1].astype(float),
        data["y"].astype(float),
        data["tasks"],
    )
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    order = np.random.default_rng(0).permutation(len(y))
    stats = in_parts(X, y, np.array_split(order, n_parts), tasks=tasks)
    for cls in one_of_a_kind(REGRESSORS):
        model = cls(tol=1e-11)
        assert_alike(clone(model).fit_statistics(stats), model.fit(X, y, tasks=tasks))
