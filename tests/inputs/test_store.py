"""Statistics that keep the rows of tasks with few of them: the same, in less memory."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import mtlreg
from mtlreg.inputs.kept import sums_as_rows
from mtlreg.problem import memory
from mtlreg.statistics import TaskStatistics
from tests.estimators.cases import CV_REGRESSORS, REGRESSORS, one_of_a_kind
from tests.test_statistics import EXACT, assert_alike, in_parts, peak_of

N_FEATURES = 9
SUMS = "weight_", "feature_means_", "target_means_", "gram_", "cross_", "square_"


def table(n_few=40, sizes=(30, 50), seed=0):
    """Rows of tasks with one to four of them, and of some larger ones."""
    rng = np.random.default_rng(seed)
    sizes = np.append(np.arange(n_few) % 4 + 1, sizes).astype(int)
    tasks = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = rng.normal(size=(len(tasks), N_FEATURES)) + 3.0 * rng.normal(size=N_FEATURES)
    slopes = rng.normal(size=N_FEATURES) + 0.3 * rng.normal(
        size=(len(sizes), N_FEATURES)
    )
    y = np.sum(X * slopes[tasks], axis=1) + tasks % 3 + 0.5 * rng.normal(size=len(X))
    weight = rng.uniform(0.2, 2.0, size=len(y))
    return X, y, {"tasks": tasks, "sample_weight": weight}


def unique_of(cls):
    """Return options with which the fit of few rows is unique and known so well."""
    # the largest norm has corners that are known to the root of the gap only
    dirty = cls in (mtlreg.DirtyModelRegressor, mtlreg.DirtyModelRegressorCV)
    return {"ridge": 0.05} | ({"norm": "l2"} if dirty else {})


def shuffled(y, n_parts):
    order = np.random.default_rng(n_parts).permutation(len(y))
    return np.array_split(order, n_parts)


@pytest.mark.parametrize("options", [{}, {"fit_intercept": False, "normalize_y": True}])
@pytest.mark.parametrize("cls", one_of_a_kind(REGRESSORS), ids=lambda c: c.__name__)
def test_fits_are_those_of_the_rows(cls, options):
    X, y, columns = table()
    model = cls(tol=EXACT, **unique_of(cls), **options)
    whole = clone(model).fit(X, y, **columns)
    for n_parts in (1, 3, 7):
        stats = in_parts(X, y, shuffled(y, n_parts), **columns)
        assert stats.has_rows
        assert_alike(clone(model).fit_statistics(stats), whole)


@pytest.mark.parametrize("cls", one_of_a_kind(CV_REGRESSORS), ids=lambda c: c.__name__)
def test_searches_by_folds(cls):
    X, y, columns = table()
    tasks = columns["tasks"]
    fold = np.random.default_rng(1).integers(3, size=len(y))
    folds = [in_parts(X, y, [fold == k], **columns) for k in range(3)]
    several = np.array([len(set(fold[tasks == t])) > 1 for t in range(42)])
    tested = np.where(several[tasks], fold, -1)
    splits = [tuple(map(np.flatnonzero, (tested != k, tested == k))) for k in range(3)]
    search = cls(alphas=3, tol=EXACT, **unique_of(cls))
    streamed = clone(search).fit_statistics(folds)
    search.set_params(cv=splits).fit(X, y, **columns)
    np.testing.assert_allclose(streamed.score_path_, search.score_path_, rtol=1e-7)
    assert_alike(streamed, search)


def test_tasks_that_have_rows_in_no_other_fold_are_not_tested():
    X, y, columns = table()
    folds = [columns["tasks"] % 2 == k for k in range(2)]
    stats = [in_parts(X, y, [fold], **columns) for fold in folds]
    with pytest.raises(ValueError, match="fold 0 have no rows of a task"):
        mtlreg.GroupLassoRegressorCV().fit_statistics(stats)


def test_what_needs_sums_gets_them():
    X, y, columns = table()
    stats = in_parts(X, y, shuffled(y, 3), **columns)
    model = mtlreg.MeanRegularizedRegressorCV(
        cv="reml", task_weight="proportional", tol=EXACT
    )
    whole = clone(model).fit(X, y, **columns)
    streamed = clone(model).fit_statistics(stats)
    np.testing.assert_allclose(streamed.noise_variance_, whole.noise_variance_, 1e-6)
    # the rows that stand for sums are none to judge the noise by
    model = mtlreg.MeanRegularizedRegressor(tol=EXACT).fit_statistics(stats)
    with pytest.raises(AttributeError, match="need the rows"):
        _ = model.coef_std_
    before = model.coef_
    model.update_tasks(stats.restrict(tasks=[2, 41]))
    np.testing.assert_allclose(model.coef_, before, rtol=0, atol=1e-9)


def test_attributes_are_those_of_sums():
    X, y, columns = table()
    tasks = columns["tasks"]
    alone = [in_parts(X, y, [tasks == t], tasks=tasks) for t in range(42)]
    for stats in (
        in_parts(X, y, shuffled(y, 1), tasks=tasks),
        in_parts(X, y, shuffled(y, 30), tasks=tasks),
        in_parts(sp.csr_array(X), y, shuffled(y, 2), tasks=tasks),
        sum(alone, TaskStatistics()),
    ):
        assert stats.has_rows
        np.testing.assert_array_equal(stats.tasks_, np.arange(42))
        np.testing.assert_array_equal(stats.n_rows_, np.bincount(tasks))
        for t in (0, 3, 40, 41):
            x, z = X[tasks == t], y[tasks == t]
            left = x - x.mean(axis=0)
            np.testing.assert_allclose(stats.gram_[t], left.T @ left, atol=1e-9)
            np.testing.assert_allclose(stats.cross_[t], left.T @ z, atol=1e-9)
            np.testing.assert_allclose(stats.feature_means_[t], x.mean(axis=0))


def test_rows_become_sums_as_they_get_many():
    X, y, columns = table(sizes=())
    for k in range(1, 8):
        stats = in_parts(X, y, shuffled(y, 2), tasks=columns["tasks"])
        for _ in range(1, k):
            stats.update(X, y, tasks=columns["tasks"])
        # a task has 2.5 rows of 11 numbers k times, and 100 as sums
        assert stats.has_rows == (2 * 2.5 * k * 11 <= 100)
    more = stats + in_parts(X, y, shuffled(y, 2), tasks=columns["tasks"])
    assert not more.has_rows
    np.testing.assert_array_equal(more.n_rows_, 8 * np.bincount(columns["tasks"]))


def test_rows_of_tasks_with_sums_are_added_to_these():
    X, y, columns = table(n_few=40, sizes=(60, 60))
    early = columns["tasks"] < 10
    for t in (40, 41):
        early[np.flatnonzero(columns["tasks"] == t)[:5]] = True
    few, many = (in_parts(X, y, [rows], **columns) for rows in (early, ~early))
    assert few.has_rows
    np.testing.assert_array_equal(few.n_rows_[-2:], 5)
    exact = in_parts(X, y, [slice(None)], **columns)
    for stats in (
        few + many,
        many + few,
        many.update(
            X[early],
            y[early],
            **{name: values[early] for name, values in columns.items()},
        ),
    ):
        assert stats.has_rows
        for name in ("tasks_", "n_rows_", *SUMS):
            np.testing.assert_allclose(
                getattr(stats, name), getattr(exact, name), atol=1e-9
            )
        assert len(stats.rows().data.y) == exact.n_rows_[:40].sum() + 2 * 11


@pytest.mark.parametrize("labels", ["dates", "names", "large integers"])
def test_labels(tmp_path, labels):
    X, y, columns = table()
    codes = np.arange(42)
    labels = {
        "dates": np.datetime64("2026-01-01") + codes,
        "names": np.array([f"{k:02}" for k in codes], dtype=object),
        "large integers": np.array([2**70 + k for k in codes.tolist()], dtype=object),
    }[labels]
    stats = in_parts(X, y, shuffled(y, 4), tasks=labels[columns["tasks"]])
    stats.save(tmp_path / "stats.npz")
    found = TaskStatistics.load(tmp_path / "stats.npz") + stats
    np.testing.assert_array_equal(found.tasks_, labels)
    np.testing.assert_array_equal(found.n_rows_, 2 * np.bincount(columns["tasks"]))


def test_copies_are_apart():
    X, y, columns = table()
    stats = in_parts(X, y, shuffled(y, 3), **columns)
    others = [copy.copy(stats), pickle.loads(pickle.dumps(stats)), stats + stats]
    before = [[getattr(one, name).copy() for name in SUMS] for one in others]
    stats.update(X, y, **columns)
    for one, known in zip(others, before, strict=True):
        for name, values in zip(SUMS, known, strict=True):
            np.testing.assert_array_equal(getattr(one, name), values)


def test_some_tasks_and_features():
    X, y, columns = table()
    stats = in_parts(X, y, shuffled(y, 3), **columns)
    model = mtlreg.GroupLassoRegressor(tol=EXACT, ridge=0.05)
    for tasks in ([1, 3, 41], [1, 3], [41]):
        rows = np.isin(columns["tasks"], tasks)
        part = stats.restrict(tasks=tasks, features=[2, 7, 0, 1, 3, 4])
        given = {name: values[rows] for name, values in columns.items()}
        whole = clone(model).fit(X[rows][:, [2, 7, 0, 1, 3, 4]], y[rows], **given)
        assert_alike(clone(model).fit_statistics(part), whole)
    with pytest.raises(ValueError, match="tasks is empty"):
        stats.restrict(tasks=[])


@pytest.mark.parametrize("sizes", [(), (30, 50)])
def test_files(tmp_path, sizes):
    X, y, columns = table(sizes=sizes)
    stats = in_parts(X, y, shuffled(y, 3), **columns)
    stats.save(tmp_path / "stats.npz")
    found = TaskStatistics.load(tmp_path / "stats.npz")
    assert found.has_rows
    for name in ("tasks_", "n_rows_", *SUMS):
        np.testing.assert_array_equal(getattr(found, name), getattr(stats, name))
    found.update(X, y, **columns)
    np.testing.assert_array_equal(found.n_rows_, 2 * stats.n_rows_)
    with np.load(tmp_path / "stats.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "shapes.npz", **arrays | {"kept_y": np.ones(3)})
    with pytest.raises(ValueError, match="holds no TaskStatistics"):
        TaskStatistics.load(tmp_path / "shapes.npz")


def test_files_of_the_version_without_rows(tmp_path):
    X, y, columns = table(n_few=0)
    stats = in_parts(X, y, shuffled(y, 3), **columns)
    stats.save(tmp_path / "stats.npz")
    with np.load(tmp_path / "stats.npz") as file:
        arrays = {k: v for k, v in file.items() if not k.startswith("kept_")}
    np.savez(tmp_path / "old.npz", **arrays | {"version": 1})
    found = TaskStatistics.load(tmp_path / "old.npz")
    for name in ("tasks_", "n_rows_", *SUMS):
        np.testing.assert_array_equal(getattr(found, name), getattr(stats, name))


def test_memory_is_that_of_the_rows(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 60))
    y, tasks = X[:, 0] + rng.normal(size=6000), rng.permutation(np.arange(6000) % 2000)
    parts, path = np.array_split(np.arange(6000), 10), tmp_path / "stats.npz"
    models = [
        cls(tol=1e-3)
        for cls in (mtlreg.MeanRegularizedRegressor, mtlreg.GroupLassoRegressor)
    ]
    peak, stats = peak_of(lambda: in_parts(X, y, parts, tasks=tasks))
    # the sums take 20 times as much as the rows; these are there once, and once more
    # where parts become one
    assert peak <= 2.2 * X.nbytes
    halves = [in_parts(X, y, parts[k::2], tasks=tasks) for k in range(2)]
    merged, _ = peak_of(lambda: (halves[0] + halves[1]).n_rows_)
    stored, _ = peak_of(lambda: stats.save(path))
    loaded, _ = peak_of(lambda: TaskStatistics.load(path))
    assert max(merged, stored, loaded) <= 2.2 * X.nbytes
    assert path.stat().st_size <= 1.1 * X.nbytes
    for model in models:
        model.fit_statistics(stats)  # compiled
        # what a fit of the rows in memory takes too
        assert peak_of(lambda: model.fit_statistics(stats))[0] <= 10 * X.nbytes  # noqa: B023


def test_sums_are_refused_where_rows_are_not(monkeypatch):
    X, y, columns = table(sizes=())
    monkeypatch.setattr(memory, "memory", lambda: 5e4)
    stats = in_parts(X, y, shuffled(y, 3), **columns)
    mtlreg.GroupLassoRegressor().fit_statistics(stats)
    with pytest.raises(MemoryError, match="40 tasks"):
        _ = stats.gram_
    # too many for rows, of which none that are refused are taken in
    with pytest.raises(MemoryError, match="tasks x 9 features"):
        _ = [stats.update(X, y, **columns) for _ in range(20)]
    sizes = np.bincount(columns["tasks"])
    np.testing.assert_array_equal(stats.n_rows_, stats.n_rows_[0] * sizes)


def test_sums_as_rows():
    X, y, columns = table(n_few=0, sizes=(30, 5, 1, 8))
    X[:, 3] *= 1e-6
    X[:, 4] *= 1e6
    X[:, 5] = 7.0
    y[columns["tasks"] == 3] = 2.5
    stats = TaskStatistics().update(X, y, **columns)
    part = stats.part
    data = sums_as_rows(part)
    again = type(part).of_data(data, centred=True)
    np.testing.assert_allclose(again.weight, part.weight)
    np.testing.assert_allclose(again.means, part.means)
    np.testing.assert_allclose(again.targets, part.targets)
    size = np.sqrt(np.einsum("jjt->jt", part.gram))
    within = np.maximum(size[:, None] * size, 1e-30)
    assert np.abs((again.gram - part.gram) / within).max() <= 1e-9
    # what is constant stays so to the bit
    rows = data.y[data.offsets[3] : data.offsets[4]]
    assert np.all(rows == rows[0])
    assert np.all(data.X[:, 5] == 7.0)
