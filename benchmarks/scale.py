"""Tables beyond memory and beyond one machine: what the statistics of them cost.

    OPENBLAS_NUM_THREADS=1 python benchmarks/scale.py

1. Rows streamed in batches: the time of TaskStatistics.update over that of the products
   X_t'X_t alone, of the same batches sorted by task, and the peak memory on the way.
2. Very many tasks of five rows: the time of a mean-regularised fit over that of reading
   the table from a file and sorting it by task.
3. Chunks on one and two processes of a cluster; from the seconds of a chunk, a merge
   and a task as measured, and the bytes of a reduction, the time on more of them, by a
   formula and by a simulation of the schedule.
4. Classifiers of chunks: rounds until the duality gap is at most tol F0, bytes of what
   a chunk answers, and the time that it takes over that of statistics.

Times are those of the processor, of the third part those that pass.
"""

import argparse
import functools
import heapq
import itertools
import math
import operator
import pathlib
import pickle
import resource
import tempfile
import time

import dask
import numpy as np
import pandas as pd
from dask.callbacks import Callback
from distributed import Client, LocalCluster
from sklearn.base import clone

from mtlreg import (
    DirtyModelClassifier,
    GroupLassoClassifier,
    GroupLassoRegressor,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    TraceNormClassifier,
    alpha_max,
)
from mtlreg.distributed import fit
from mtlreg.inputs.parts import PartRows
from mtlreg.losses import Logistic
from mtlreg.sequences.chunks import Question, answer
from mtlreg.statistics import TaskStatistics

MERGED = 4  # statistics a task of the reduction merges, as in mtlreg.distributed
TASKS = 5  # of the scheduler for a chunk: reading, X, y and labels of it, statistics
BANDWIDTH = 1e9  # bytes a second between workers, assumed


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--groups", type=int, default=1000, help="tasks of the stream")
    parser.add_argument("--batch", type=int, default=250_000, help="rows of a batch")
    parser.add_argument("--tasks", type=int, default=1_000_000, help="of five rows")
    parser.add_argument("--chunks", type=int, default=64, help="0: no cluster")
    parser.add_argument("--asked", type=int, default=4, help="chunks of classifiers")
    args = parser.parse_args()
    stream(args.rows, args.features, args.groups, args.batch)
    many_tasks(args.tasks)
    if args.chunks:
        cluster(args.chunks)
    if args.asked:
        classifiers(args.asked)


def spent(job):
    start = time.process_time()
    found = job()
    return time.process_time() - start, found


def passed(job, rounds=15):
    """Return the median of the seconds that a job takes."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        job()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def peak():
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def batch_of(rng, n_rows, n_features, n_groups):
    X = rng.standard_normal((n_rows, n_features))
    groups = rng.integers(n_groups, size=n_rows)
    return X, X[:, 0] + rng.standard_normal(n_rows), groups


def stream(n_rows, n_features, n_groups, size):
    rng, stats = np.random.default_rng(0), TaskStatistics()
    warm = batch_of(rng, 10 * n_groups, n_features, n_groups)
    TaskStatistics().update(*warm[:2], tasks=warm[2])
    update, products, early, done = 0.0, 0.0, None, 0
    while done < n_rows:
        X, y, groups = batch_of(rng, min(size, n_rows - done), n_features, n_groups)
        update += spent(lambda: stats.update(X, y, tasks=groups))[0]  # noqa: B023
        order = np.argsort(groups, kind="stable")
        bounds = np.searchsorted(groups[order], np.arange(n_groups + 1))
        X = X[order]
        products += spent(lambda: products_alone(X, bounds))[0]  # noqa: B023
        done += len(X)
        early = peak() if early is None and done >= n_rows / 5 else early
    print(
        f"stream of {n_rows:,} rows x {n_features} features x {n_groups:,} tasks: "
        f"update {update:.2f} s, products alone {products:.2f} s, ratio "
        f"{update / products:.2f}; peak memory {early:.0f} MB after a fifth, "
        f"{peak():.0f} MB at the end"
    )


def products_alone(X, bounds):
    for first, last in itertools.pairwise(bounds):
        part = X[first:last]
        _ = part.T @ part


def many_tasks(n_tasks, size=5, n_features=3):
    rng = np.random.default_rng(0)
    X, y, tasks = batch_of(rng, size * n_tasks, n_features, n_tasks)
    names = list("abc")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "table.parquet"
        table = pd.DataFrame(X, columns=names).assign(y=y, task=tasks)
        table.to_parquet(path)
        reading, table = spent(lambda: pd.read_parquet(path))
    sorting, _ = spent(lambda: table.sort_values("task", kind="stable"))
    X, y, tasks = table[names].to_numpy(), table["y"].to_numpy(), table["task"]
    model = MeanRegularizedRegressor()
    for rows in (slice(1000), slice(None)):  # the first is to compile
        given = X[rows], y[rows]
        in_memory, _ = spent(lambda: model.fit(*given, tasks=tasks[rows]))  # noqa: B023
        stats = TaskStatistics()
        update, _ = spent(lambda: stats.update(*given, tasks=tasks[rows]))  # noqa: B023
        solving, _ = spent(lambda: model.fit_statistics(stats))  # noqa: B023
    known = reading + sorting
    print(
        f"{n_tasks:,} tasks x {size} rows x {n_features} features: reading "
        f"{reading:.2f} s, sorting {sorting:.2f} s; fit {in_memory:.2f} s, ratio "
        f"{in_memory / known:.2f}; statistics {update:.2f} s and their fit "
        f"{solving:.2f} s, ratio {(update + solving) / known:.2f}; peak memory "
        f"{peak():.0f} MB"
    )


def chunk(number, n_rows=100_000, n_features=30, n_groups=200):
    return batch_of(np.random.default_rng(number), n_rows, n_features, n_groups)


def statistics_of(number):
    X, y, groups = chunk(number)
    return TaskStatistics().update(X, y, tasks=groups)


def cluster(n_chunks):
    statistics_of(0)
    parts = [statistics_of(number) for number in range(MERGED)]
    seconds = passed(lambda: statistics_of(0))
    merging = passed(lambda: functools.reduce(operator.add, parts))
    size = len(pickle.dumps(parts[0]))
    measured = {}
    for n_workers in (1, 2):
        local = LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
        )
        with local, Client(local) as client:
            load = dask.delayed(chunk, nout=3)
            model = GroupLassoRegressor()
            for numbers in (range(n_workers), range(n_chunks)):  # the first warms up
                X, y, groups = map(
                    list, zip(*[load(number) for number in numbers], strict=True)
                )
                start = time.perf_counter()
                fit(model, X, y, tasks=groups)
                measured[n_workers] = time.perf_counter() - start
            start = time.perf_counter()
            client.gather(client.map(operator.neg, range(1000)))
            a_task = (time.perf_counter() - start) / 1000
    print(
        f"{n_chunks} chunks of 100,000 rows x 30 features x 200 tasks: "
        + ", ".join(f"{n} worker(s) {t:.1f} s" for n, t in measured.items())
        + f"; a chunk {seconds:.3f} s, a merge of {MERGED} {merging:.4f} s, "
        f"{size / 1e6:.1f} MB each, a task of the scheduler {a_task * 1e3:.2f} ms"
    )
    print("\n| workers | chunks | rows | formula, s | simulated, s | reduced, MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for n_workers in (1, 2, 10, 100, 1000):
        # more workers have more and larger chunks
        n, larger = (n_chunks, 1) if n_workers < 10 else (10_000, 10)
        given = n, n_workers, larger * seconds, merging, size / BANDWIDTH, a_task
        print(
            f"| {n_workers} | {n:,} | {n * larger * 100_000:,} | "
            f"{by_formula(*given):.1f} | {simulated(*given):.1f} | "
            f"{n * MERGED / (MERGED - 1) * size / 1e6:.0f} |"
        )


class Rounds(Callback):
    """Counts the passes over the chunks."""

    def __init__(self):
        super().__init__()
        self.n = 0

    def _start(self, graph):
        self.n += 1


def chunk_of_classes(number, n_rows=50_000, n_features=30, n_groups=200):
    X, _, groups = chunk(number, n_rows, n_features, n_groups)
    slopes = np.random.default_rng(0).standard_normal((n_groups, n_features))
    slopes = np.where(np.arange(n_features) < 10, 0.5 + 0.3 * slopes, 0.0)
    noise = np.random.default_rng([0, number]).logistic(size=n_rows)
    return X, np.sum(X * slopes[groups], axis=1) + noise > 1, groups


def classifiers(n_chunks):
    part = PartRows().read(*chunk_of_classes(0))
    read = part.labels().read()
    shares = 1 / read.data.weight.sum(axis=0) + np.zeros((2, 1))
    data, d = part.data(read, shares), len(read.feature_names)
    null = np.zeros((len(read.tasks), d)), np.zeros(len(read.tasks))
    end = np.full_like(null[0], 0.1), null[1]
    asked = Question(*end, null, tuple(0.25**k for k in range(12)), (null[1], 1.0))
    replied = answer(data, Logistic(), True, asked)
    answering = passed(lambda: answer(data, Logistic(), True, asked))
    X, y, groups = chunk_of_classes(0)
    alone = passed(lambda: TaskStatistics().update(X, y + 0.0, tasks=groups))
    print(
        f"\nchunks of {len(y):,} rows x {d} features x {len(read.tasks)} tasks: an "
        f"answer {answering:.3f} s and {len(pickle.dumps(replied)) / 1e6:.2f} MB, "
        f"{answering / alone:.1f} times the statistics of the chunk"
    )
    parts = [chunk_of_classes(number) for number in range(n_chunks)]
    columns = zip(*parts, strict=True)
    whole = dict(zip(("X", "y", "tasks"), map(np.concatenate, columns), strict=True))
    load = dask.delayed(chunk_of_classes, nout=3)
    chunks = [load(number) for number in range(n_chunks)]
    X, y, groups = map(list, zip(*chunks, strict=True))
    print("\n| classifier | strength | rounds, tol 1e-4 | 1e-6 | 1e-8 |")
    print("| --- | --- | ---: | ---: | ---: |")
    for cls, share in itertools.product(
        (GroupLassoClassifier, TraceNormClassifier, DirtyModelClassifier),
        (10, 100, 1000),
    ):
        model = cls()
        factor = alpha_max(model, **whole) / model._leading() / share
        model.set_params(**model._at_factor(factor))
        tell_rounds(model, f"alpha_max / {share}", X, y, groups)
    for alpha in (1.0, 0.01):
        model = MeanRegularizedClassifier(alpha)
        tell_rounds(model, f"alpha {alpha}", X, y, groups)


def tell_rounds(model, strength, X, y, groups):
    found = []
    for tol in (1e-4, 1e-6, 1e-8):
        with dask.config.set(scheduler="threads"), Rounds() as rounds:
            fit(clone(model).set_params(tol=tol), X, y, tasks=groups)
        found.append(str(rounds.n))
    print(f"| {type(model).__name__} | {strength} | {' | '.join(found)} |", flush=True)


def by_formula(n_chunks, n_workers, chunk, merge, transfer, a_task):
    """Return the seconds of chunks in turn, merges in turn, and the last few levels.

    Or of the scheduler, where it is slower.
    """
    n_merges = math.ceil((n_chunks - 1) / (MERGED - 1))
    levels = math.ceil(math.log(n_chunks, MERGED))
    step = merge + (MERGED - 1) * transfer * (n_workers > 1)
    work = math.ceil(n_chunks / n_workers) * chunk + n_merges / n_workers * step
    return max(work, (TASKS * n_chunks + n_merges) * a_task) + levels * step


def simulated(n_chunks, n_workers, chunk, merge, transfer, a_task):
    """Return the seconds of a schedule, in which the scheduler is one more worker."""
    free = [(0.0, worker) for worker in range(n_workers)]
    heapq.heapify(free)
    scheduler, running, order = 0.0, [], 0
    waiting = [(0, number, chunk, TASKS) for number in range(n_chunks - 1, -1, -1)]
    levels, width = [n_chunks], n_chunks
    while width > 1:
        width = math.ceil(width / MERGED)
        levels.append(width)
    left = {
        (level, number): min(MERGED, levels[level - 1] - MERGED * number)
        for level in range(1, len(levels))
        for number in range(levels[level])
    }
    now = 0.0
    while True:
        while waiting and free and free[0][0] <= now:
            level, number, seconds, n_tasks = waiting.pop()
            _, worker = heapq.heappop(free)
            scheduler = max(scheduler, now) + n_tasks * a_task
            order += 1
            heapq.heappush(running, (scheduler + seconds, order, worker, level, number))
        if not running:
            return now
        now, _, worker, level, number = heapq.heappop(running)
        heapq.heappush(free, (now, worker))
        above = level + 1, number // MERGED
        if above in left:
            left[above] -= 1
            if not left[above]:
                moved = (MERGED - 1) * transfer * (n_workers > 1)
                waiting.append((*above, merge + moved, 1))


if __name__ == "__main__":
    main()
