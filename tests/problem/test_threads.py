"""Threads of the linear algebra libraries: held where they cost more than they gain."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mtlreg import GroupLassoRegressorCV, MeanRegularizedClassifier
from mtlreg.losses import Squared
from mtlreg.penalties import TraceNorm
from mtlreg.problem import Problem, costs
from mtlreg.problem.threads import held_threads, largest_product
from mtlreg.solvers import FISTA
from tests.problems import random_data

SMALL, LARGE = 0.0, np.inf


def n_threads():
    # of all libraries; some that tests bring along know one thread only
    return max(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")


@pytest.fixture(autouse=True)
def _four_threads():
    # whatever the machine has: a library takes what it is told
    with threadpool_limits(4, user_api="blas"):
        yield
        assert n_threads() == 4


def test_small_products_get_one_thread():
    with held_threads(SMALL):
        assert n_threads() == 1
    assert n_threads() == 4


def test_large_products_keep_theirs():
    with held_threads(LARGE):
        assert n_threads() == 4


@pytest.mark.parametrize(("n_jobs", "left"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_jobs_share_the_threads(n_jobs, left):
    with held_threads(LARGE, n_jobs):
        assert n_threads() == left
        with held_threads(SMALL):
            assert n_threads() == 1
        assert n_threads() == left


def test_an_exception_gives_them_back():
    with pytest.raises(KeyError), held_threads(SMALL):
        raise KeyError
    assert n_threads() == 4


def test_fewer_threads_are_never_made_more():
    with threadpool_limits(1, user_api="blas"), held_threads(LARGE, n_jobs=2):
        assert n_threads() == 1


def test_contexts_that_overlap_in_threads_give_back_what_was():
    entered, leave = threading.Event(), threading.Event()

    def other():
        with held_threads(SMALL):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with held_threads(SMALL):
        thread.start()
        assert entered.wait(10)
    assert n_threads() == 1
    leave.set()
    thread.join()
    assert n_threads() == 4


def test_work_is_that_of_the_smaller_gram_matrix_or_of_all_targets():
    assert largest_product(100, 10) == largest_product(10, 100) == 1e4
    assert largest_product(100, 10, n_targets=50) == 5e4


def test_a_solve_holds_the_threads_of_a_small_problem(monkeypatch):
    data = random_data("squared", "shared-dense")
    problem = Problem(data, Squared(), TraceNorm(0.01), np.ones(3))
    seen = []

    def look(*_):
        seen.append(n_threads())
        return False

    FISTA().solve(problem, monitor=look)
    assert set(seen) == {1}
    monkeypatch.setattr(costs, "THREADED_WORK", 0.0)
    seen.clear()
    FISTA().solve(problem, monitor=look)
    assert set(seen) == {4}


@pytest.mark.parametrize("cls", [MeanRegularizedClassifier, GroupLassoRegressorCV])
def test_no_product_of_a_small_fit_finds_many_threads(cls, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    y = (X[:, 0] + rng.normal(size=60) > 0).astype(float)
    seen = []
    kept = Problem._set_penalty
    monkeypatch.setattr(
        Problem,
        "_set_penalty",
        lambda *args: seen.append(n_threads()) or kept(*args),
    )
    cls().fit(X, y, tasks=np.repeat([0, 1, 2], 20))
    assert set(seen) == {1}
