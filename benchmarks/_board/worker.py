"""One problem in one process: every competitor that imports here, in turns.

Started by board.py with the number of threads pinned in the environment; writes what
it measured as JSON.
"""

import argparse
import gc
import importlib.metadata
import json
import pathlib
import time

import numpy as np

from _board import paths, problems
from _board.clock import TARGETS, Record, cap_of, failure, repeat, survey, timed
from _board.fista import gram_pays
from _board.judge import Judge
from _board.packages import COMPETITORS
from _board.passes import passes, solver_seconds

WARM_UP = 1e-6  # tolerance of the first fit of mtlreg on a row


def main():
    options = _options()
    if options.data is not None and options.data.exists():
        problem = problems.load(options.problem, options.data)
    else:
        problem = problems.make(options.problem)
        if options.data is not None:
            problems.save(problem, options.data)
    chosen = [kind for kind in COMPETITORS if kind.name in options.peers]
    judge = Judge(problem)
    largest = judge.largest_strength()
    peers, failed = _prepare(problem, chosen)
    rows, hints = [], [{} for _ in peers]
    for fraction in options.fractions:
        own = options.own.get(str(fraction))
        found = _row(peers, largest / fraction, judge, options, own, hints)
        rows.append(_report(problem, str(fraction), found + failed))
        hints = [record.control for record in found]
    if options.path:
        own = options.own.get("path")
        found = paths.measure(peers, largest, judge, options, own, hints)
        rows.append(_report(problem, "path", found + failed))
    statistics = _statistics_time(problem)
    for row in rows:
        row["statistics"] = statistics
    options.out.write_text(json.dumps(rows))


def _options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--problem", required=True)
    parser.add_argument("--peers", nargs="+", required=True)
    parser.add_argument("--fractions", nargs="*", type=int, default=[])
    parser.add_argument("--path", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cap", type=float, default=60.0)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--own", type=json.loads, default={}, help="mtlreg's seconds")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    return parser.parse_args()


def _prepare(problem, kinds):
    """Return the competitors, warmed up on a tiny problem, and who failed."""
    tiny = problems.tiny(problem)
    strength = 0.5 * Judge(tiny).largest_strength()
    peers, failed = [], []
    for kind in kinds:
        if not kind.installed():
            failed.append(Record(kind.name, kind.package, note="not installed"))
            continue
        try:
            for peer in kind.variants(tiny):
                peer.solve(strength, peer.controls[4])
            peers += kind.variants(problem)
        except Exception as error:
            failed.append(failure(kind, error))
    gc.collect()
    gc.freeze()  # what is there now need not be looked through before every call
    return peers, failed


def _row(peers, lam, judge, options, own, hints):
    """Return the records of one strength, in the order of the competitors."""
    entries = []
    for peer, known in zip(peers, hints, strict=True):
        if peer.name == "mtlreg":
            # which of its kernels run, and are compiled, depends on the strength
            timed(peer.solve, lam, WARM_UP)
        record = survey(peer, lam, judge, cap_of(peer, options.cap, own), known)
        if peer.name == "mtlreg":
            own = record.longest
            for target, control in record.control.items():
                record.passes[target] = passes(peer, lam, control)
                if peer.problem.name.endswith("school"):
                    record.solver[target] = solver_seconds(peer, lam, control)
        entries.append((peer, record))
    repeat(entries, lam, judge, options.repeats)
    return [record for _, record in entries]


def _report(problem, strength, records):
    """Return a row as plain numbers; of several variants the best at each target."""
    named = {}
    for record in records:
        named.setdefault(record.name, []).append(record)
    return {
        "problem": problem.name,
        "strength": strength,
        "peers": [_best(group) for group in named.values()],
    }


def _best(group):
    best = {
        "name": group[0].name,
        "package": group[0].package,
        "gap": min(record.best_gap for record in group),
        "spent": sum(record.spent for record in group),
        "least": min(record.least for record in group),
        "note": group[0].note,
        "version": _version(group[0].name),
        "reached": {},
    }
    for target in TARGETS:
        there = [record for record in group if target in record.seconds]
        if there:
            record = min(there, key=lambda r: np.median(r.seconds[target]))
            best["reached"][str(target)] = {
                "seconds": float(np.median(record.seconds[target])),
                "runs": len(record.seconds[target]),
                "control": record.control[target],
                "iterations": record.iterations[target],
                "label": record.label,
                "passes": record.passes.get(target),
                "solver": record.solver.get(target),
            }
    return best


def _version(name):
    """Return the version of the package of a competitor, or None."""
    (kind,) = (kind for kind in COMPETITORS if kind.name == name)
    held = importlib.metadata.packages_distributions().get(kind.module)
    return importlib.metadata.version(held[0]) if held else None


def _statistics_time(problem):
    """Return the least seconds of the products X'X and X'y, or None where unneeded."""
    if not gram_pays(problem):
        return None
    parts = [(problem.X, problem.y)] if problem.shared else problem.parts()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        for X, y in parts:
            X.T @ X
            X.T @ y
        seconds.append(time.perf_counter() - start)
    return float(min(seconds))


if __name__ == "__main__":
    main()
