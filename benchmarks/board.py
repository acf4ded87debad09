"""The speed board: mtlreg and every peer that imports, at the same certified accuracy.

    python benchmarks/board.py [--quick] [--problem NAME ...] [--peers NAME ...]
                               [--peer-python PATH] [--parts PART ...] [--out FILE]

Every problem runs in a process of its own with one thread; inside it the competitors
take turns, and the median of five runs counts, of fewer where a run takes longer than
0.6 s. All solutions are judged by the same code, which shares nothing with mtlreg, by
the relative gap (P - D) / P. A call may take ten times what mtlreg took, at least 3 s
and at most 12 s; the longest call that misses a target is what the target counts as.
Nothing is installed: peers that do not import are listed as missing. ``make peers``
builds the second interpreter of ``--peer-python``, for the peers that need older
packages.

``--parts``: rows (single strengths), paths, calls (first calls in a fresh process),
memory, precision (float32), growth (in n, d and T); all of them by default.

``--quick``: twelve problems at alpha_max/10 only, without malsar-style, skglm, adelie
and celer, the path on school only, three runs instead of five, 1.5 s for a call of a
peer, first calls of one estimator.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from _board import first_calls, measures, report
from _board.problems import FRACTIONS, PATHS, TABLE

HERE = pathlib.Path(__file__).resolve().parent
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
NEED_DATA = ("school", "landmine", "newsgroup")
LOCAL = ("mtlreg", "scikit-learn", "skglm", "spams", "textbook", "malsar-style")
ELSEWHERE = ("adelie", "celer")
QUICK = ("mtlreg", "scikit-learn", "spams", "textbook")
QUICK_PROBLEMS = ("wide", "tall", "sparse", "own", "school", "linf-school")
QUICK_PROBLEMS += ("trace-shared", "trace-own", "dirty-own-linf", "mean-own")
QUICK_PROBLEMS += ("logistic-group-own", "logistic-landmine")
QUICK_PATHS = ("school",)
PARTS = ("rows", "paths", "calls", "memory", "precision", "growth")
QUICK_PARTS = PARTS[:3]


def main():
    options = _options()
    rows, remarks, sections = [], [], []
    started = time.perf_counter()

    def document():
        seconds = time.perf_counter() - started
        text = report.document(rows, remarks, sections, seconds, options)
        if options.out is not None:
            options.out.write_text(text + "\n")
        return text

    for name in options.problem if {"rows", "paths"} & set(options.parts) else ():
        if name.split("-")[-1] in NEED_DATA and not os.environ.get("MTLREG_DATA"):
            remarks.append(f"{name}: left out, MTLREG_DATA is unset")
            continue
        begin = time.perf_counter()
        found, failures = run_problem(name, options)
        rows += found
        remarks += failures
        seconds = time.perf_counter() - begin
        print(f"{name}: {seconds:.0f} s", file=sys.stderr, flush=True)
        document()  # what is measured outlives a run that is cut short
    environment = _environment()
    if "calls" in options.parts:
        kinds = list(first_calls.KINDS)[: 1 if options.quick else None]
        lines = first_calls.lines(environment, kinds)
        sections.append(("First calls in a fresh process", lines))
    for part in options.parts:
        if part in measures.TITLES:
            lines = measures.lines(part, environment)
            sections.append((measures.TITLES[part], lines))
    print(document())


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
    arguments += map(str, options.fractions if "rows" in options.parts else ())
    if name in paths and "paths" in options.parts:
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
    """Return the environment of a child process: one thread, this folder's modules.

    Modules are kept as bytecode, as those that an installer put there are.
    """
    threads = {f"{name}_NUM_THREADS": "1" for name in THREADS}
    environment = os.environ | threads | {"PYTHONPATH": str(HERE)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--problem", nargs="+", choices=list(TABLE))
    parser.add_argument("--peers", nargs="+", choices=[*LOCAL, *ELSEWHERE])
    parser.add_argument("--peer-python", type=pathlib.Path)
    parser.add_argument("--fractions", nargs="*", type=int, help="alpha_max / these")
    parser.add_argument("--parts", nargs="+", choices=PARTS)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--cap", type=float, help="most seconds for any call")
    parser.add_argument("--out", type=pathlib.Path, help="a Markdown file")
    options = parser.parse_args()
    quick = options.quick
    options.problem = options.problem or list(QUICK_PROBLEMS if quick else TABLE)
    if options.peers is None:
        options.peers = list(QUICK if quick else LOCAL + ELSEWHERE)
    if options.fractions is None:
        options.fractions = list(FRACTIONS[:1] if quick else FRACTIONS)
    options.parts = options.parts or list(QUICK_PARTS if quick else PARTS)
    options.repeats = options.repeats or (3 if quick else 5)
    options.cap = options.cap or (1.5 if quick else 60.0)
    options.elsewhere = []
    if options.peer_python is not None:
        options.elsewhere = [peer for peer in options.peers if peer in ELSEWHERE]
    return options


if __name__ == "__main__":
    main()
