"""Memory, precision and growth of mtlreg: what ``board.py --memory`` measures.

    python -m _board.memory WHAT

Peak memory is the growth of the resident set over that of the process with its data and
everything imported and compiled, in a process of its own for each problem. Needs the
/proc of Linux.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np

from _board import problems
from _board.clock import timed
from _board.judge import Judge
from _board.peers import Mtlreg
from _board.penalties import L21, Trace

SIZED = ("wide", "tall", "sparse", "own", "trace-shared", "dirty-own-linf", "mean-own")
BASE = {"n": 300, "d": 4000, "n_tasks": 16}
TRACE_BASE = {"n": 500, "d": 300, "n_tasks": 60}
FACTORS = (0.5, 1.0, 2.0)
TOL = 1e-6


def lines(environment):
    """Return the Markdown lines of the three tables.

    Parameters
    ----------
    environment : dict
        Of the processes to start.
    """
    memory = ["| problem | data MB | statistics MB | A MB | peak MB | allowed MB | |"]
    memory.append("| --- |" + " ---: |" * 6)
    for name in SIZED:
        found = _run(name, environment)
        ok = found["peak"] <= found["allowed"]
        cells = [found[key] for key in ("data", "statistics", "A", "peak", "allowed")]
        text = " | ".join(f"{cell:.1f}" for cell in cells)
        memory.append(f"| {name} | {text} | {'ok' if ok else 'MISS'} |")
    ratio = _run("precision", environment)["ratio"]
    growth = _run("growth", environment)
    return [
        "Peak of a fit beyond its data; allowed: data + statistics + 8 times A.",
        "",
        *memory,
        "",
        f"float64 over float32 on wide /10: {ratio:.2f} (target 1.3).",
        "",
        *growth["lines"],
    ]


def _run(what, environment):
    command = [sys.executable, "-m", "_board.memory", what]
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def peak(name):
    """Return the sizes of a problem and the peak of one fit of it, in MB."""
    small = problems.own(20, 10, 3, problems.rows(3))
    problem = problems.make(name)
    if problem.shared:
        X, y = np.random.default_rng(0).normal(size=(20, 10)), problem.y[:20]
        small = (X, np.ascontiguousarray(y), None)
    tiny = problems.Problem(name, *small, problem.penalty)
    Mtlreg(tiny).solve(Judge(tiny).largest_strength() / 10, TOL)
    lam = Judge(problem).largest_strength() / 10
    X = problem.X
    data = X.nbytes if isinstance(X, np.ndarray) else X.data.nbytes * 1.5
    data += problem.y.nbytes
    d, n_tasks = problem.shape
    rows = len(problem.y) / (1 if problem.shared else n_tasks)
    grams = 8 * d**2 * (1 if problem.shared else n_tasks) if rows >= d else 0
    peer = Mtlreg(problem)
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


def precision():
    """Return the time in float64 over that in float32 on wide."""
    problem = problems.make("wide")
    lam = Judge(problem).largest_strength() / 10
    seconds = []
    for dtype in (np.float64, np.float32):
        X, y = problem.X.astype(dtype), problem.y.astype(dtype)
        peer = Mtlreg(problems.Problem("wide", X, y, None, L21()))
        peer.solve(lam, 1e-5)
        seconds.append(np.median([timed(peer.solve, lam, 1e-5)[0] for _ in range(5)]))
    return {"ratio": seconds[0] / seconds[1]}


def growth():
    """Return a table of times at half, once and twice each size."""
    found = ["| penalty | size | x 0.5 | x 1 | x 2 |", "| --- | --- |" + " ---: |" * 3]
    cases = (("L21", L21(), BASE, problems.rows(40)),)
    cases += (("trace", Trace(), TRACE_BASE, problems.low_rank(5)),)
    for label, penalty, base, coefficients in cases:
        for size in base:
            times = []
            for factor in FACTORS:
                sizes = base | {size: round(factor * base[size])}
                arrays = problems.shared(**sizes, coefficients=coefficients)
                problem = problems.Problem("growth", *arrays, penalty)
                lam = Judge(problem).largest_strength() / 20
                peer = Mtlreg(problem)
                peer.solve(lam, TOL)
                runs = [timed(peer.solve, lam, TOL)[0] for _ in range(3)]
                times.append(f"{np.median(runs):.3g}")
            found.append(f"| {label} | {size} | {' | '.join(times)} |")
    return {"lines": ["Seconds at tol 1e-6, alpha_max/20:", "", *found]}


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
    measures = {"precision": precision, "growth": growth}
    what = sys.argv[1]
    print(json.dumps(measures[what]() if what in measures else peak(what)))
