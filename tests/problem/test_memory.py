"""The memory of the machine, and statistics that do not fit into it."""

import copy
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.problem import memory
from mtlreg.statistics import TaskStatistics


def rows(n_tasks, d, size=2):
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(size * n_tasks, d)), np.arange(size * n_tasks) % n_tasks
    return X, X[:, 0], tasks


def test_the_memory_of_this_machine_is_known():
    assert 2**28 < memory.memory() < 2**60


@pytest.mark.parametrize(
    "kind", [np.asarray, pytest.param(sp.csr_array, marks=pytest.mark.slow)]
)
def test_statistics_without_room_are_refused(monkeypatch, kind):
    monkeypatch.setattr(memory, "memory", lambda: 1e8)
    # with more rows than features, that sums are made of them
    X, y, tasks = rows(1000, 50, size=51)
    early = tasks < 150
    parts = [
        TaskStatistics().update(kind(X[held]), y[held], tasks=tasks[held])
        for held in (early, ~early)
    ]
    stats, other = parts
    before, size = copy.deepcopy(stats), other.gram_.nbytes
    message = r"1,000 tasks x 50 features take 0\.0 GB, .* 0\.1 GB .*: leave features"
    with pytest.raises(MemoryError, match=message):
        stats.update(kind(X), y, tasks=tasks)
    with pytest.raises(MemoryError, match=message):
        TaskStatistics().update(kind(X), y, tasks=tasks)
    tracemalloc.start()
    with pytest.raises(MemoryError, match="leave features"):
        stats.merge(other)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * size
    np.testing.assert_array_equal(stats.tasks_, before.tasks_)
    np.testing.assert_array_equal(stats.gram_, before.gram_)


def test_targets_of_one_table_have_one_matrix(monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 1e8)
    X, _, _ = rows(20, 300)
    Y = np.random.default_rng(0).normal(size=(40, 200))
    stats = TaskStatistics().update(X, Y)
    assert stats.part.gram.shape == (300, 300)
    Y[0, 0] = np.nan
    tracemalloc.start()
    with pytest.raises(MemoryError, match="200 tasks x 300 features"):
        TaskStatistics().update(X, Y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6
