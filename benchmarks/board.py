"""The speed board: mtlreg and every peer that imports, at the same certified accuracy.

    python benchmarks/board.py [--quick] [--problem NAME ...] [--peers NAME ...]
                               [--peer-python PATH] [--memory] [--out FILE]

Every problem runs in a process of its own with one thread; inside it the competitors
take turns, and the median of five runs counts (a run longer than five seconds is made
once). All solutions are judged by the same code, which shares nothing with mtlreg, by
the relative gap (P - D) / P. A competitor has 60 s for all its runs on a row, or 25
times what mtlreg took, but at least 5 s, if that is less. Nothing is installed: peers
that do not import are listed as missing. ``make peers`` builds the second interpreter
of ``--peer-python``, for the peers that need older packages.

``--quick``: the same problems at alpha_max/10 only, without malsar-style, skglm, adelie
and celer, paths on wide and school only, three runs instead of five, 4 s instead of 60,
first calls of one estimator.
``--memory`` measures peak memory, float32 and growth in d, T and n instead.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from _board import first_calls, memory, report
from _board.problems import FRACTIONS, PATHS, TABLE

HERE = pathlib.Path(__file__).resolve().parent
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
NEED_DATA = ("school", "landmine", "newsgroup")
LOCAL = ("mtlreg", "scikit-learn", "skglm", "spams", "textbook", "malsar-style")
ELSEWHERE = ("adelie", "celer")
QUICK = ("mtlreg", "scikit-learn", "spams", "textbook")
QUICK_PATHS = ("wide", "school")


def main():
    options = _options()
    if options.memory:
        print("\n".join(memory.lines(_environment())))
        return
    rows, remarks = [], []
    started = time.perf_counter()
    for name in options.problem:
        if name.split("-")[-1] in NEED_DATA and not os.environ.get("MTLREG_DATA"):
            remarks.append(f"{name}: left out, MTLREG_DATA is unset")
            continue
        begin = time.perf_counter()
        found, failures = run_problem(name, options)
        rows += found
        remarks += failures
        seconds = time.perf_counter() - begin
        print(f"{name}: {seconds:.0f} s", file=sys.stderr, flush=True)
        # what is measured outlives a run that is cut short
        _write(report.document(rows, remarks, [], _since(started), options), options)
    kinds = list(first_calls.KINDS)[: 1 if options.quick else None]
    calls = first_calls.lines(_environment(), kinds) if options.first_calls else []
    text = report.document(rows, remarks, calls, _since(started), options)
    print(text)
    _write(text, options)


def _since(started):
    return time.perf_counter() - started


def _write(text, options):
    if options.out is not None:
        options.out.write_text(text + "\n")


def run_problem(name, options):
    """Run one problem in its own process, and the other interpreter's peers after it.

    Returns
    -------
    rows : list of dict
    remarks : list of str
        What failed as a whole.
    """
    paths = QUICK_PATHS if options.quick else PATHS
    arguments = ["--problem", name, "--repeats", str(options.repeats)]
    arguments += ["--cap", str(options.cap), "--fractions"]
    arguments += map(str, options.fractions)
    if name in paths and options.paths:
        arguments.append("--path")
    here = [peer for peer in options.peers if peer not in options.elsewhere]
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "problem.npz"
        if options.elsewhere:
            arguments += ["--data", str(data)]
        rows, remarks = _work(sys.executable, here, arguments, folder)
        if options.elsewhere and data.exists():
            arguments += ["--own", json.dumps(_own_seconds(rows))]
            more, failures = _work(
                options.peer_python, options.elsewhere, arguments, folder
            )
            remarks += failures
            for row, extra in zip(rows, more, strict=False):
                row["peers"] += extra["peers"]
    return rows, [f"{name}: {remark}" for remark in remarks]


def _own_seconds(rows):
    """Return the longest time of mtlreg to a target on each row."""
    found = {}
    for row in rows:
        times = [report.time_of(row, "mtlreg", target) for target in report.TARGETS]
        reached = [time[0] for time in times if time and time[1]]
        if reached:
            found[row["strength"]] = max(reached)
    return found


def _work(python, peers, arguments, folder):
    """Return the rows that a worker process measured, and its failure if it failed."""
    out = pathlib.Path(folder) / f"{peers[0]}.json"
    command = [str(python), "-m", "_board.worker", "--out", str(out), *arguments]
    command += ["--peers", *peers]
    done = subprocess.run(
        command, env=_environment(), stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode or not out.exists():
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return [], [f"the process of {', '.join(peers)} ended: {reason}"]
    return json.loads(out.read_text()), []


def _environment():
    """Return the environment of a child process: one thread, this folder's modules."""
    threads = {f"{name}_NUM_THREADS": "1" for name in THREADS}
    return os.environ | threads | {"PYTHONPATH": str(HERE)}


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--problem", nargs="+", choices=list(TABLE), default=list(TABLE)
    )
    parser.add_argument("--peers", nargs="+", choices=[*LOCAL, *ELSEWHERE])
    parser.add_argument("--peer-python", type=pathlib.Path)
    parser.add_argument("--fractions", nargs="*", type=int, help="alpha_max / these")
    parser.add_argument("--no-paths", dest="paths", action="store_false")
    parser.add_argument("--no-first-calls", dest="first_calls", action="store_false")
    parser.add_argument("--memory", action="store_true", help="measure only this")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--cap", type=float, help="seconds for a peer on a row")
    parser.add_argument("--out", type=pathlib.Path, help="a Markdown file")
    options = parser.parse_args()
    quick = options.quick
    if options.peers is None:
        options.peers = list(QUICK if quick else LOCAL + ELSEWHERE)
    if options.fractions is None:
        options.fractions = list(FRACTIONS[:1] if quick else FRACTIONS)
    options.repeats = options.repeats or (3 if quick else 5)
    options.cap = options.cap or (4.0 if quick else 60.0)
    options.elsewhere = []
    if options.peer_python is not None:
        options.elsewhere = [peer for peer in options.peers if peer in ELSEWHERE]
    return options


if __name__ == "__main__":
    main()
