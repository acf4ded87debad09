"""Fits of chunks by Dask: as in memory, whatever happens to workers and chunks."""

import copy
import gc
import itertools
import os
import pathlib
import pickle
import signal
import time

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.sparse as sp
from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin
from sklearn.base import clone

import mtlreg
from mtlreg import distributed
from mtlreg.distributed import ChunkError
from mtlreg.losses import Squared
from mtlreg.penalties import L21
from mtlreg.statistics import TaskStatistics
from tests.datafiles import load_data
from tests.estimators.cases import CV_REGRESSORS, REGRESSORS, one_of_a_kind
from tests.test_statistics import EXACT, assert_alike, table

NAMES = list("abcd")


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """A client of three processes, which a test may kill.

    One more than a test of lost workers kills: on a busy machine a dead one does not
    always come back.
    """
    options = {
        "distributed.scheduler.allowed-failures": 2,
        "distributed.scheduler.no-workers-timeout": "60s",
        # a busy machine answers late, after which workers fail to start or are given up
        "distributed.comm.timeouts.connect": "120s",
        "distributed.comm.timeouts.tcp": "120s",
    }
    local = {"dashboard_address": ":0", "silence_logs": 50, "memory_limit": 0}
    # not what other runs on the machine lock and purge
    local["local_directory"] = str(tmp_path_factory.mktemp("workers"))
    with (
        dask.config.set(options),
        LocalCluster(n_workers=3, threads_per_worker=1, **local) as cluster,
        Client(cluster, timeout=120) as client,
    ):
        assert len(workers()) == 3
        yield client
        last = workers()
    _, left = psutil.wait_procs(last, timeout=30)
    assert not left
    assert not workers()


def workers():
    """The processes that this one has started, without Python's own."""
    ours = psutil.Process().children(recursive=True)
    return [one for one in ours if "spawn_main" in str(one.cmdline())]


@pytest.fixture
def cluster(processes):
    """The same, for a test that ends within minutes."""

    def stop(*_):
        raise TimeoutError("the cluster takes too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(180)
    yield processes
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def threads(request):
    """Threads of this process, where a test asks for no cluster."""
    scheduler = None if "cluster" in request.fixturenames else "threads"
    with dask.config.set(scheduler=scheduler):
        yield


def delayed_chunks(values, bounds):
    load = dask.delayed(lambda part: part)
    parts = itertools.pairwise(bounds)
    return [load(values[first:last]) for first, last in parts]


def in_chunks(columns, bounds):
    return {name: delayed_chunks(part, bounds) for name, part in columns.items()}


def rows(**options):
    X, y, tasks, weight = table(**options)
    return {"X": X, "y": y, "tasks": tasks, "sample_weight": weight}


BOUNDS = [0, 50, 50, 51, 160, 240]  # one without rows, one with a single one


@pytest.mark.parametrize("cls", one_of_a_kind(REGRESSORS), ids=lambda c: c.__name__)
def test_lists_of_chunks(cls):
    given = rows()
    model = cls(tol=EXACT)
    streamed = distributed.fit(clone(model), **in_chunks(given, BOUNDS))
    assert_alike(streamed, model.fit(**given))


@pytest.mark.parametrize("n_chunks", [1, 2, 4, 5, 23])
def test_any_number_of_chunks(n_chunks):
    given = rows()
    order = np.random.default_rng(n_chunks).permutation(len(given["y"]))
    given = {name: part[order] for name, part in given.items()}
    bounds = np.linspace(0, len(order), n_chunks + 1).astype(int)
    model = mtlreg.GroupLassoRegressor(tol=EXACT)
    streamed = distributed.fit(clone(model), **in_chunks(given, bounds))
    assert_alike(streamed, model.fit(**given))


@pytest.mark.parametrize("known", [True, False])
def test_arrays(known):
    given = rows()
    sizes = {"X": ((40, 0, 200), (1, 3))}
    if known:
        sizes["y"] = ((70, 70, 100),)
    arrays = {
        name: da.from_array(part, chunks=sizes.get(name, ((40, 0, 200),)))
        for name, part in given.items()
    }
    if not known:
        # sizes that only the chunks know
        used = given["y"] < 2
        mask = da.from_array(used, chunks=((40, 0, 200),))
        arrays = {name: array[mask] for name, array in arrays.items()}
        given = {name: part[used] for name, part in given.items()}
    model = mtlreg.GroupLassoRegressor(tol=EXACT)
    streamed = distributed.fit(clone(model), **arrays)
    assert_alike(streamed, model.fit(**given))


@pytest.mark.parametrize("by_column", [True, False])
def test_data_frames(by_column):
    X, y, tasks, _ = table()
    frame = pd.DataFrame(X, columns=NAMES).assign(target=y, school=tasks)
    chunks = dd.from_pandas(frame, npartitions=6)
    if by_column:
        model = mtlreg.GroupLassoRegressor(task_column="school", tol=EXACT)
        streamed = distributed.fit(
            clone(model), chunks.drop(columns="target"), chunks.target
        )
        model.fit(frame.drop(columns="target"), frame.target)
        np.testing.assert_array_equal(
            streamed.feature_names_in_, model.feature_names_in_
        )
        np.testing.assert_allclose(
            streamed.predict(frame.drop(columns="target")),
            model.predict(frame.drop(columns="target")),
            atol=1e-7,
        )
    else:
        model = mtlreg.GroupLassoRegressor(tol=EXACT)
        streamed = distributed.fit(
            clone(model), chunks[NAMES], chunks.target, tasks=chunks.school
        )
        model.fit(frame[NAMES], frame.target, tasks=frame.school)
    assert_alike(streamed, model)


def test_several_targets_sparse_rows_and_one_weight():
    rng = np.random.default_rng(0)
    X, Y = sp.random_array((80, 5), density=0.5, rng=rng), rng.normal(size=(80, 3))
    Y[rng.random(Y.shape) < 0.2] = np.nan
    X = X.tocsr()
    model = mtlreg.GroupLassoRegressor(tol=EXACT)
    parts = [slice(0, 30), slice(30, 80)]
    chunks = [dask.delayed(X[part].tocoo()) for part in parts]
    targets = [dask.delayed(Y[part]) for part in parts]
    streamed = distributed.fit(clone(model), chunks, targets, sample_weight=2.0)
    assert_alike(streamed, model.fit(X, Y, sample_weight=2.0))
    search = mtlreg.GroupLassoRegressorCV(alphas=4, tol=EXACT)
    distributed.fit(search, chunks, targets, n_folds=3)
    assert search.score_path_.shape[-1] == 3


def folds_of(given, n_folds, index=None):
    """The folds of rows by the hash, one row at a time."""
    mask = 2**64 - 1
    folds = []
    for position in range(len(given["y"])) if index is None else index:
        z = position * 0x9E3779B97F4A7C15 & mask
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        folds.append((z ^ z >> 31) % n_folds)
    return np.array(folds)


@pytest.mark.parametrize("cls", one_of_a_kind(CV_REGRESSORS), ids=lambda c: c.__name__)
def test_searches(cls):
    given = rows()
    folds = folds_of(given, 4)
    assert set(np.bincount(folds) > 40) == {True}
    splits = [
        (np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(4)
    ]
    search = cls(alphas=5, tol=EXACT)
    whole = clone(search).set_params(cv=splits).fit(**given)
    found = []
    for sizes in [(240,), (100, 20, 120)]:
        arrays = {
            name: da.from_array(part, chunks=(sizes, *part.shape[1:]))
            for name, part in given.items()
        }
        found.append(distributed.fit(clone(search), **arrays, n_folds=4))
        np.testing.assert_allclose(found[-1].score_path_, whole.score_path_, rtol=1e-7)
        assert_alike(found[-1], whole)
    chunks = in_chunks(given, BOUNDS)
    numbers = np.repeat(np.arange(5), np.diff(BOUNDS))
    index = [
        (int(number) << 32) + row - BOUNDS[number] for row, number in enumerate(numbers)
    ]
    folds = folds_of(given, 3, index)
    splits = [
        (np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(3)
    ]
    listed = distributed.fit(clone(search), **chunks, n_folds=3)
    assert_alike(listed, clone(search).set_params(cv=splits).fit(**given))


def test_folds_by_labels_of_rows():
    X, y, tasks, _ = table()
    frame = pd.DataFrame(X, columns=NAMES).assign(target=y, school=tasks)
    # rows of one label stay together, however the frame is cut
    frame.index = np.repeat(np.arange(120), 2)
    search = mtlreg.GroupLassoRegressorCV(task_column="school", alphas=4, tol=EXACT)
    found = [
        distributed.fit(clone(search), part.drop(columns="target"), part.target)
        for part in (dd.from_pandas(frame, npartitions=n) for n in (2, 7))
    ]
    assert_alike(*found)
    np.testing.assert_allclose(found[0].score_path_, found[1].score_path_, rtol=1e-8)


def bad_chunks():
    def frame(number, change):
        X, y, tasks, _ = table(n=40, seed=number)
        X, y = pd.DataFrame(X, columns=NAMES), pd.Series(y)
        return (*change(X, y), pd.Series(tasks))

    def nan(X, y):
        X.loc[3, "b"] = np.nan
        return X, y

    def raises(X, y):
        raise OSError("no such disk")

    yield "NaN", frame, nan, "chunk 5: .*NaN"
    yield "NaN in y", frame, lambda X, y: (X, y.where(y > y.min())), "chunk 5: .*NaN"
    yield "raises", frame, raises, "chunk 5 cannot be computed: .*no such disk"
    other = "chunk 5 is not like chunk 4: the features here are"
    yield "columns", frame, lambda X, y: (X[list("abdc")], y), other
    yield "fewer", frame, lambda X, y: (X[list("abc")], y), other
    text = "chunk 5: .*(string|float|number)"
    yield "text", frame, lambda X, y: (X.assign(b="much"), y), text
    yield "lengths", frame, lambda X, y: (X, y[:7]), "chunk 5: "


@pytest.mark.parametrize("by_folds", [False, True])
@pytest.mark.parametrize(
    ("frame", "change", "message"),
    [case[1:] for case in bad_chunks()],
    ids=[case[0] for case in bad_chunks()],
)
def test_a_bad_chunk_is_named(frame, change, message, by_folds):
    load = dask.delayed(frame, nout=3)
    chunks = [
        load(number, change if number == 5 else lambda X, y: (X, y))
        for number in range(7)
    ]
    X, y, tasks = map(list, zip(*chunks, strict=True))
    model = mtlreg.GroupLassoRegressorCV(alphas=3)
    if not by_folds:
        model = mtlreg.GroupLassoRegressor().fit(np.eye(4), np.arange(4.0))
    before = copy.deepcopy(vars(model))
    with pytest.raises(ChunkError, match=message):
        distributed.fit(model, X, y, tasks=tasks)
    assert pickle.dumps(vars(model)) == pickle.dumps(before)


def test_labels_of_another_kind():
    given = rows()
    chunks = in_chunks(given, [0, 80, 160, 240])
    chunks["tasks"][1] = dask.delayed(given["tasks"][80:160].astype(str))
    with pytest.raises(ChunkError, match=r"chunk 1 is not like chunk 0: .*strings"):
        distributed.fit(mtlreg.GroupLassoRegressor(), **chunks)
    # another precision of the numbers is none
    chunks = in_chunks(given, [0, 80, 160, 240])
    single = given["X"][80:160].astype(np.float32)
    chunks["X"][1] = dask.delayed(single)
    given["X"][80:160] = single
    model = mtlreg.GroupLassoRegressor(tol=EXACT)
    assert_alike(distributed.fit(clone(model), **chunks), model.fit(**given))


def test_arguments_that_are_refused():
    given = rows()
    chunks = in_chunks(given, BOUNDS)
    model = mtlreg.GroupLassoRegressor()
    with pytest.raises(ValueError, match="squared loss are fitted in chunks"):
        distributed.fit(mtlreg.CrossedMeanRegularizedRegressor("a"), **chunks)
    with pytest.raises(ValueError, match="X must be a dask array"):
        distributed.fit(model, **given)
    with pytest.raises(ValueError, match="y has 4 chunks and X has 5"):
        distributed.fit(model, chunks["X"], chunks["y"][1:])
    with pytest.raises(ValueError, match="alpha"):
        distributed.fit(mtlreg.GroupLassoRegressor(alpha=-1), **chunks)
    search = mtlreg.GroupLassoRegressorCV(cv=5)
    with pytest.raises(ValueError, match="cv=5 is for rows"):
        distributed.fit(search, **chunks)
    with pytest.raises(ValueError, match="n_folds"):
        distributed.fit(search.set_params(cv=None), **chunks, n_folds=1)
    with pytest.raises(ValueError, match="are empty"):
        distributed.fit(model, **in_chunks(given, [0, 0, 0]))
    assert not hasattr(model, "coef_")


class Huberised(Squared):
    quadratic = False


def test_statistics_are_for_the_squared_loss():
    model = mtlreg.PenalizedRegressor(L21(0.1), loss=Huberised())
    X, y, tasks, _ = table()
    with pytest.raises(ValueError, match="those of the squared loss"):
        model.fit_statistics(TaskStatistics().update(X, y, tasks=tasks))
    with pytest.raises(ValueError, match="those of the squared loss"):
        distributed.fit(model, **in_chunks(rows(), BOUNDS))


@pytest.mark.data
@pytest.mark.parametrize("n_chunks", [1, 7, 139])
def test_school(n_chunks):
    data = load_data("school")
    X = data["X"][:, :-1].astype(float)
    given = {
        "X": (X - X.mean(axis=0)) / X.std(axis=0),
        "y": data["y"].astype(float),
        "tasks": data["tasks"],
    }
    order = np.random.default_rng(n_chunks).permutation(len(X))
    mixed = {name: part[order] for name, part in given.items()}
    bounds = np.linspace(0, len(X), n_chunks + 1).astype(int)
    model = mtlreg.GroupLassoRegressor(tol=1e-11)
    streamed = distributed.fit(clone(model), **in_chunks(mixed, bounds))
    assert_alike(streamed, model.fit(**given))


def load(number, folder, n_deaths, victim):
    """A chunk that kills a worker so many times: itself, or the other one."""
    given = rows(n=60, seed=number)
    if number == 9:
        for death in range(n_deaths):
            try:
                pathlib.Path(folder, str(death)).touch(exist_ok=False)
            except FileExistsError:
                continue
            others = [
                int(path.stem)
                for path in pathlib.Path(folder).glob("*.pid")
                if int(path.stem) != os.getpid()
            ]
            pid = others[0] if victim == "other" and others else os.getpid()
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)
    pathlib.Path(folder, f"{os.getpid()}.pid").touch()
    return tuple(given.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_deaths", "victim"), [(0, None), (1, "itself"), (2, "itself"), (1, "other")]
)
def test_workers_may_die(cluster, tmp_path, n_deaths, victim):
    read = dask.delayed(load, nout=4)
    chunks = [read(number, str(tmp_path), n_deaths, victim) for number in range(10)]
    columns = dict(zip(rows(n=10), map(list, zip(*chunks, strict=True)), strict=True))
    search = mtlreg.GroupLassoRegressorCV(alphas=4, tol=EXACT)
    found = distributed.fit(clone(search), **columns)
    assert len([p for p in tmp_path.iterdir() if p.suffix == ""]) == n_deaths
    with dask.config.set(scheduler="synchronous"):
        folder = tmp_path / "again"
        folder.mkdir()
        chunks = [read(number, str(folder), 0, None) for number in range(10)]
        columns = dict(zip(columns, map(list, zip(*chunks, strict=True)), strict=True))
        alone = distributed.fit(clone(search), **columns)
    np.testing.assert_allclose(found.coef_, alone.coef_, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.score_path_, alone.score_path_, rtol=1e-10)


def test_a_task_that_kills_names_the_chunk_that_needs_it():
    def named(key, parts, origins=()):
        return distributed._failed(parts, origins, KilledWorker(key, None, 2))

    # Dask has the chunks of an array in one graph
    parts = da.zeros((240, 4), chunks=(60, 4)).to_delayed().ravel().tolist()
    leaves = [dask.delayed(abs)(part) for part in parts]
    assert [named(part.key, leaves) for part in parts] == [0, 1, 2, 3]
    assert named(leaves[2].key, leaves) == 2
    # what is held is made of tasks that are not in the graph of a round
    held = [dask.delayed(0) for _ in parts]
    assert named(parts[3].key, held, leaves) == 3
    # what all chunks need is of none
    shared = dask.delayed(1)
    both = [dask.delayed(max)(part, shared) for part in parts]
    assert named(shared.key, both) is None
    assert named("unknown", both) is None


def known_tasks(client):
    return client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))


@pytest.mark.slow
def test_rows_are_held_no_longer_than_a_fit_lasts(cluster):
    given = rows()
    given["y"] = given["X"][:, 0] > given["X"][:, 1]
    chunks, before = in_chunks(given, BOUNDS), known_tasks(cluster)
    model = mtlreg.GroupLassoClassifier(0.02)
    distributed.fit(model, **chunks)
    chunks["X"][3] = dask.delayed(given["X"][51:160] * np.nan)
    with pytest.raises(ChunkError, match=r"chunk 3: .*NaN"):
        distributed.fit(model, **chunks)
    for _ in range(50):
        # an error refers to the frames that it went through, and these to it
        gc.collect()
        if known_tasks(cluster) <= before:
            break
        time.sleep(0.2)
    assert known_tasks(cluster) <= before


class KillAt(WorkerPlugin):
    """Kills workers that begin a task of a kind after some, so many times in all."""

    def __init__(self, kind, after, n_deaths, folder):
        self.kind, self.left, self.n_deaths, self.folder = kind, after, n_deaths, folder

    def transition(self, key, start, finish, **_):
        if finish != "executing" or not str(key).startswith(self.kind):
            return
        self.left -= 1
        for death in range(self.n_deaths if self.left < 0 else 0):
            try:
                pathlib.Path(self.folder, f"death {death}").touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)


def load_classes(number, folder):
    """A chunk, whose reading is noted."""
    given = rows(n=60, seed=number)
    pathlib.Path(folder, f"{number} {time.monotonic_ns()}").touch()
    return given["X"], np.where(given["y"] > 2, "yes", "no"), given["tasks"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "after", "n_deaths"),
    [
        ("none", 0, 0),
        ("_chunk_answer", 7, 2),
        ("_merge", 3, 1),
    ],
)
def test_workers_may_die_between_rounds(cluster, tmp_path, kind, after, n_deaths):
    read = dask.delayed(load_classes, nout=3)
    folders = [tmp_path / name for name in ("cluster", "alone")]
    models = [mtlreg.GroupLassoClassifier(0.02, tol=1e-9) for _ in folders]
    for folder, model in zip(folders, models, strict=True):
        folder.mkdir()
        chunks = [read(number, str(folder)) for number in range(9)]
        X, y, tasks = map(list, zip(*chunks, strict=True))
        if folder.name == "alone":
            with dask.config.set(scheduler="synchronous"):
                distributed.fit(model, X, y, tasks=tasks)
            continue
        plugin = KillAt(kind, after, n_deaths, str(folder))
        cluster.register_plugin(plugin, name="deaths")
        try:
            distributed.fit(model, X, y, tasks=tasks)
        finally:
            cluster.unregister_worker_plugin("deaths")
    found, alone = models
    np.testing.assert_allclose(found.coef_, alone.coef_, rtol=0, atol=1e-10)
    assert found.n_iter_ == alone.n_iter_
    noted = [path.name for path in folders[0].iterdir()]
    assert sum(name.startswith("death") for name in noted) == n_deaths
    # chunks are read once, and again where a lost worker held them: what answers for
    # a chunk holds it, what merges answers may hold none
    reads = len(noted) - n_deaths
    assert 9 + (kind == "_chunk_answer") <= reads <= 9 * (1 + n_deaths)


@pytest.mark.slow
def test_faults_on_a_cluster(cluster, tmp_path):
    given = rows()
    chunks = in_chunks(given, BOUNDS)
    chunks["X"][3] = dask.delayed(given["X"][51:160] * np.nan)
    model = mtlreg.GroupLassoRegressor(tol=EXACT)
    with pytest.raises(ChunkError, match=r"chunk 3: .*NaN"):
        distributed.fit(model, **chunks)
    # every worker dies of a chunk: which it was, Dask knows but for what waited there
    read = dask.delayed(load, nout=4)
    parts = [read(number, str(tmp_path), 99, "itself") for number in (7, 8, 9)]
    X, y, tasks, _ = map(list, zip(*parts, strict=True))
    with pytest.raises(ChunkError, match=r"chunk \d cannot be computed: Killed"):
        distributed.fit(model, X, y, tasks=tasks)
    assert not hasattr(model, "coef_")
    # what the cluster holds already
    kept = dask.persist(in_chunks(given, BOUNDS))[0]
    streamed = distributed.fit(clone(model), **kept)
    assert_alike(streamed, model.fit(**given))
