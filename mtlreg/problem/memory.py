"""The memory of the machine, and what does not fit into it."""

import contextlib
import functools
import os
import pathlib

from mtlreg.problem import costs

_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


@functools.cache
def memory():
    """Return the bytes of memory that there are for this process, inf if unknown."""
    found = float("inf")
    # where there is somebody to ask
    with contextlib.suppress(AttributeError, OSError, ValueError):
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in map(pathlib.Path, _LIMITS):
        if path.exists() and (limit := path.read_text().strip()).isdigit():
            found = min(found, int(limit))
    return found


def has_room(n_tasks, n_features):
    """Return whether there is room for a fit of statistics of so many tasks."""
    needed = 8 * n_tasks * (n_features + 1) ** 2
    return costs.STATISTICS_COPIES * needed <= memory()


def check_room(n_tasks, n_features):
    """Raise MemoryError where a fit of statistics of so many tasks has no room."""
    if not has_room(n_tasks, n_features):
        needed, there = 8 * n_tasks * (n_features + 1) ** 2, memory()
        raise MemoryError(
            f"the sums of {n_tasks:,} tasks x {n_features:,} features take "
            f"{needed / 1e9:,.1f} GB, and a fit {costs.STATISTICS_COPIES} times that, "
            f"but there are {there / 1e9:,.1f} GB of memory: leave features out, or "
            f"treat some of the tasks at a time"
        )
