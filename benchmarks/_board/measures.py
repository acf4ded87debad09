"""Peak memory, float32 and growth of mtlreg, each measured in a process of its own.

    python -m _board.measures WHAT

Peak memory is the growth of the resident set over that of the process with its data, in
a process of its own for each problem. Before, half of the problem is fitted: what is
imported and compiled, and up to 3 MB of pages and buffers that linear algebra takes at
its first large call and keeps, are no memory of the fit. Every large array is a map of
its own, and what is free is handed back: else memory that other work has left would
hide the fit's, or holes would count. Needs glibc and the /proc of Linux.
"""

import ctypes
import dataclasses
import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np

from _board import growth, problems
from _board.clock import timed
from _board.judge import Judge
from _board.peers import Mtlreg

SIZED = ("wide", "tall", "sparse", "own", "trace-shared", "dirty-own-linf", "mean-own")
TOL = 1e-6
_ARITHMETIC = 4  # tasks an entry of X serves, from which on arithmetic bounds
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
TITLES = {
    "memory": "Peak memory",
    "precision": "Single precision",
    "growth": "Growth in n, d and T",
}


def lines(part, environment):
    """Return the Markdown lines of a part.

    Parameters
    ----------
    part : str
        A key of `TITLES`.
    environment : dict
        Of the processes to start.
    """
    if part != "memory":
        return _run(part, environment)
    found = [
        "Peak of a fit beyond its data; allowed: data + statistics + 8 times A.",
        "",
        "| problem | data MB | statistics MB | A MB | peak MB | allowed MB | |",
        "| --- |" + " ---: |" * 6,
    ]
    for name in SIZED:
        sizes = _run(name, environment)
        ok = sizes["peak"] <= sizes["allowed"]
        cells = [sizes[key] for key in ("data", "statistics", "A", "peak", "allowed")]
        text = " | ".join(f"{cell:.1f}" for cell in cells)
        found.append(f"| {name} | {text} | {'ok' if ok else 'MISS'} |")
    return found


def _run(what, environment):
    command = [sys.executable, "-m", "_board.measures", what]
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def peak(name):
    """Return the sizes of a problem and the peak of one fit of it, in MB."""
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, 2**16)
    problem = problems.make(name)
    half = _half(problem)
    Mtlreg(half).solve(Judge(half).largest_strength() / 10, TOL)
    lam = Judge(problem).largest_strength() / 10
    X = problem.X
    data = X.nbytes if isinstance(X, np.ndarray) else X.data.nbytes * 1.5
    data += problem.y.nbytes
    d, n_tasks = problem.shape
    rows = len(problem.y) / (1 if problem.shared else n_tasks)
    grams = 8 * d**2 * (1 if problem.shared else n_tasks) if rows >= d else 0
    peer = Mtlreg(problem)
    libc.malloc_trim(0)
    _reset_peak()
    before = _status("VmRSS")
    peer.solve(lam, TOL)
    sizes = {
        "data": data,
        "statistics": grams,
        "A": 8 * d * n_tasks,
        "peak": _status("VmHWM") - before,
    }
    sizes["allowed"] = sizes["data"] + sizes["statistics"] + 8 * sizes["A"]
    return {key: value / 2**20 for key, value in sizes.items()}


def _half(problem):
    """Return the problem of half of the rows, or tasks where they have their own."""
    offsets = problem.offsets
    if problem.shared:
        n = len(problem.y) // 2
    else:
        offsets = offsets[: problem.n_tasks // 2 + 1]
        n = offsets[-1]
    return dataclasses.replace(
        problem, X=problem.X[:n], y=problem.y[:n], offsets=offsets
    )


def precision():
    """Return the lines on float64 against float32.

    The target holds where bandwidth bounds. By the rates that `growth` measures, to
    read an entry of X takes as long as some four multiply-adds: bandwidth bounds where
    an entry serves fewer tasks. One X for 20 tasks is bound by arithmetic, most of
    which is float64 in both, as certificates are.
    """
    found = [
        "Time in float64 over that in float32, tol 1e-5, alpha_max/10.",
        "",
        "| problem | tasks an entry of X serves | float64 ms | float32 ms | ratio "
        "| target 1.3 |",
        "| --- |" + " ---: |" * 4 + " --- |",
    ]
    for name in ("own", "linf-own", "wide", "tall"):
        problem = problems.make(name)
        lam = Judge(problem).largest_strength() / 10
        peers = [
            Mtlreg(dataclasses.replace(problem, X=X, y=problem.y.astype(X.dtype)))
            for X in (problem.X, problem.X.astype(np.float32))
        ]
        for peer in peers:
            peer.solve(lam, 1e-5)
        runs = [[timed(peer.solve, lam, 1e-5)[0] for peer in peers] for _ in range(7)]
        double, single = 1e3 * np.median(runs, axis=0)
        served = problem.n_tasks if problem.shared else 1
        verdict = "ok" if double >= 1.3 * single else "MISS"
        verdict = verdict if served < _ARITHMETIC else "bound by arithmetic"
        found.append(
            f"| {name} | {served} | {double:.3g} | {single:.3g} "
            f"| {double / single:.2f} | {verdict} |"
        )
    return found


def _reset_peak():
    """Make the peak of the resident set start from now."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")


def _status(key):
    """Return bytes from the status of this process."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024 * int(line.split()[1])
    raise KeyError(key)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    wholes = {"precision": precision, "growth": growth.lines}
    what = sys.argv[1]
    print(json.dumps(wholes[what]() if what in wholes else peak(what)))
