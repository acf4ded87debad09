"""What several threads of the linear algebra gain alone, and lose beside others.

    python benchmarks/threads.py

The time of a product with all threads over that with one, on the machine as it is and
beside one process a core that computes. The limit of `mtlreg.problem.threads` comes
from it.
"""

import contextlib
import os
import subprocess
import sys
import time

import numpy as np
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from mtlreg import MeanRegularizedClassifier
from mtlreg.problem import costs
from mtlreg.problem.threads import largest_product

SHAPES = [(300, 50), (1000, 100), (2000, 200), (5000, 300), (20_000, 300), (5000, 1000)]
ROUNDS = 5
SECONDS = 0.2  # of products, in a round


def main():
    print("| what | multiply-adds | alone | beside others |")
    print("| --- | ---: | ---: | ---: |")
    jobs = [(f"X'X, {n} x {d}", largest_product(n, d), gram(n, d)) for n, d in SHAPES]
    jobs.append(("eigenvalues, 500 x 500", 4 * 500**3, eigenvalues(500)))
    alone = [slowdown(job, all_threads) for *_, job in jobs] + [held_fit()]
    with busy_machine():
        beside = [slowdown(job, all_threads) for *_, job in jobs] + [held_fit()]
    jobs.append(("MeanRegularizedClassifier, digits", largest_product(1797, 64), None))
    for (name, work, _), first, second in zip(jobs, alone, beside, strict=True):
        print(f"| {name} | {work:.1e} | {first:.2f} | {second:.2f} |")


def gram(n, d):
    X = np.random.default_rng(0).normal(size=(n, d))
    return lambda: X.T @ X


def eigenvalues(d):
    X = np.random.default_rng(0).normal(size=(d, d))
    S = X @ X.T
    return lambda: np.linalg.eigvalsh(S)


def held_fit():
    """Return the time of a fit whose threads are not held over that of one held."""
    X, y = load_digits(return_X_y=True)
    return slowdown(lambda: MeanRegularizedClassifier().fit(X / 16, y), not_held)


@contextlib.contextmanager
def all_threads():
    with threadpool_limits(os.cpu_count(), user_api="blas"):
        yield


@contextlib.contextmanager
def not_held():
    limit, costs.THREADED_WORK = costs.THREADED_WORK, 0.0
    try:
        with all_threads():
            yield
    finally:
        costs.THREADED_WORK = limit


def slowdown(job, with_threads):
    """Return the median ratio of a job with many threads to the same with one."""
    ratios = []
    for _ in range(ROUNDS):
        with threadpool_limits(1, user_api="blas"):
            one = mean_time(job)
        with with_threads():
            ratios.append(mean_time(job) / one)
    return float(np.median(ratios))


def mean_time(job):
    job()
    start, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() < start + SECONDS:
        job()
        count += 1
    return (time.perf_counter() - start) / count


@contextlib.contextmanager
def busy_machine():
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    main()
