"""The memory of the machine, and statistics that do not fit into it."""

import copy
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg.problem import memory
from mtlreg.statistics import TaskStatistics


def rows(n_tasks, d):
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(2 * n_tasks, d)), np.arange(2 * n_tasks) % n_tasks
    return X, X[:, 0], tasks


def test_the_memory_of_this_machine_is_known():
    assert 2**28 < memory.memory() < 2**60


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_statistics_without_room_are_refused(monkeypatch, kind):
    monkeypatch.setattr(memory, "memory", lambda: 1e9)
    X, y, tasks = rows(300, 300)
    stats = TaskStatistics().update(kind(X[:50]), y[:50], tasks=tasks[:50])
    before = copy.deepcopy(stats)
    other = TaskStatistics().update(kind(X[50:300]), y[50:300], tasks=tasks[50:300])
    message = r"300 tasks x 300 features take 0\.2 GB, .* 1\.0 GB .*: leave features"
    tracemalloc.start()
    with pytest.raises(MemoryError, match=message):
        stats.update(kind(X[50:]), y[50:], tasks=tasks[50:])
    with pytest.raises(MemoryError, match=message):
        TaskStatistics().update(kind(X), y, tasks=tasks)
    with pytest.raises(MemoryError, match="leave features"):
        stats.merge(other)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1e9
    np.testing.assert_array_equal(stats.tasks_, before.tasks_)
    np.testing.assert_array_equal(stats.gram_, before.gram_)


def test_targets_of_one_table_have_one_matrix(monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 1e8)
    X, _, _ = rows(20, 300)
    Y = np.random.default_rng(0).normal(size=(40, 200))
    stats = TaskStatistics().update(X, Y)
    assert stats.part.gram.shape == (300, 300)
    Y[0, 0] = np.nan
    with pytest.raises(MemoryError, match="200 tasks x 300 features"):
        TaskStatistics().update(X, Y)
