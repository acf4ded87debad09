"""The board as Markdown: times, ratios, targets."""

import datetime
import importlib.metadata
import itertools
import os
import pathlib
import platform
import sys

import numpy as np

from _board.clock import LEAST, REPEATED, TARGETS
from _board.peers import LineSearch

PACKAGES = ("numpy", "scipy", "numba", "mtlreg")
LEASTS = (("best package", 1.5), ("textbook", 1.0), ("malsar-style", 20.0))


def document(rows, remarks, sections, seconds, options):
    """Return the whole report.

    Parameters
    ----------
    rows : list of dict
        What the workers measured.
    remarks : list of str
        What went wrong.
    sections : list of (str, list of str)
        Title and lines of what else was measured.
    seconds : float
        Wall time of the run.
    options : argparse.Namespace
    """
    lines = ["# Speed board", "", *_setting(rows, seconds, options), ""]
    if rows:
        for target in TARGETS:
            lines += [f"## Relative gap {target:g}", "", *table(rows, target), ""]
        lines += ["## Targets", "", *_targets(rows), ""]
    for title, found in sections:
        lines += [f"## {title}", "", *found, ""]
    lines += ["## Failures and best gaps", "", *_failures(rows, remarks), ""]
    return "\n".join(lines).rstrip()


def _setting(rows, seconds, options):
    peers = {peer["name"]: peer["version"] for row in rows for peer in row["peers"]}
    versions = {name: _version(name) for name in PACKAGES} | peers
    named = ", ".join(f"{name} {v}" for name, v in versions.items() if v)
    today = datetime.datetime.now(datetime.UTC).date()
    return [
        f"{_cpu()}, one thread, Python {platform.python_version()}; {named}; {today}; "
        f"{seconds / 60:.1f} minutes for",
        "",
        f"    python benchmarks/board.py{_command()}",
        "",
        f"Seconds, median of {options.repeats} runs, of fewer where a run takes longer "
        f"than {REPEATED / options.repeats:g} s. A call may take ten times what mtlreg "
        f"took (malsar-style {LineSearch.times_own}, on paths three), at least "
        f"{min(LEAST, options.cap):g} s and at most {min(12, options.cap):g} s "
        f"(malsar-style {min(60, options.cap):g}, on paths {min(24, options.cap):g}). "
        "`>`: not reached; the number is the longest call that missed, or the limit "
        "where no tighter setting was left, and counts as the time. `-`: not for this "
        "problem or not installed. Ratios are times over mtlreg's; the best package is "
        "among all columns but textbook and malsar-style. passes: products of mtlreg "
        "with all of X.",
    ]


def _command():
    """Return the arguments of the run; of paths elsewhere only the last part."""
    words = [
        pathlib.Path(word).name if os.path.isabs(word) else word for word in sys.argv
    ]
    return "".join(f" {word}" for word in words[1:])


def table(rows, target):
    """Return the lines of the table at one accuracy."""
    names = list(dict.fromkeys(p["name"] for row in rows for p in row["peers"]))
    head = ["problem", *names, "best package / mtlreg", "textbook / mtlreg", "n_iter"]
    head.append("passes")
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for row in rows:
        peers = {peer["name"]: peer for peer in row["peers"]}
        cells = [f"{row['problem']} {_strength(row)}"]
        cells += [_seconds(peers.get(name), target) for name in names]
        cells += [_ratio(best_package(row, target), row, target)]
        cells += [_ratio(time_of(row, "textbook", target), row, target)]
        own = peers.get("mtlreg", {}).get("reached", {}).get(str(target), {})
        cells.append(str(own.get("iterations") or "-"))
        cells.append(f"{own['passes']:.1f}" if own.get("passes") else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def time_of(row, name, target):
    """Return (seconds, reached) of a competitor, or None where it did not run.

    What was not reached counts as `Record.least`.
    """
    for peer in row["peers"]:
        if peer["name"] == name:
            found = peer["reached"].get(str(target))
            if found:
                return found["seconds"], True
            return None if peer["note"] else (peer["least"], False)
    return None


def best_package(row, target):
    """Return (seconds, reached) of the fastest package, or None without any."""
    names = [peer["name"] for peer in row["peers"] if peer["package"]]
    times = [time for name in names if (time := time_of(row, name, target))]
    return min(times, default=None)


def _ratio(other, row, target):
    own = time_of(row, "mtlreg", target)
    if other is None or own is None or not own[1]:
        return "-"
    sign = "" if other[1] else "> "
    return f"{sign}{other[0] / own[0]:.3g}"


def _seconds(peer, target):
    if peer is None or (peer["note"] and not peer["reached"]):
        return "-" if peer is None or peer["note"] == "not installed" else "failed"
    found = peer["reached"].get(str(target))
    if found is None:
        return "> " + _number(peer["least"])
    label = f" {found['label']}" if found["label"] else ""
    return _number(found["seconds"]) + label


def _number(seconds):
    return f"{seconds:.2g}" if seconds < 0.1 else f"{seconds:.3g}"


def _strength(row):
    return "path" if row["strength"] == "path" else f"/{row['strength']}"


def _targets(rows):
    verdicts, cells = [], []
    for row in rows:
        for target in TARGETS:
            others = (
                best_package(row, target),
                *(time_of(row, name, target) for name, _ in LEASTS[1:]),
            )
            found = [
                _verdict(other, row, target, least)
                for other, (_, least) in zip(others, LEASTS, strict=True)
            ]
            verdicts.append(found)
            head = f"{row['problem']} {_strength(row)} | {target:g}"
            cells.append(f"| {head} | {' | '.join(found)} |")
    names = [f"{name} >= {least:g}" for name, least in LEASTS]
    lines = []
    for name, found in zip(names, zip(*verdicts, strict=True), strict=True):
        reached = sum(text.startswith("ok") for text in found)
        lines.append(
            f"- {name}: {reached} of {sum(text != '-' for text in found)} row and gap"
        )
    lines += [*_means(rows), *_statistics(rows), *_solver_times(rows), ""]
    lines += [f"| row | gap | {' | '.join(names)} |", "| --- |" + " ---: |" * 4, *cells]
    return lines


def _verdict(other, row, target, least):
    text = _ratio(other, row, target)
    if text == "-":
        own = time_of(row, "mtlreg", target)
        return "MISS (not reached)" if own and not own[1] else "-"
    value = float(text.removeprefix("> "))
    return f"{'ok' if value >= least else 'MISS'} {text}"


def _means(rows):
    lines = []
    for name, least, target in (
        ("packages", 4, 1e-8),
        ("textbook", 2, 1e-4),
        ("textbook", 2, 1e-8),
    ):
        ratios = []
        for row in rows:
            own = time_of(row, "mtlreg", target)
            other = (
                best_package(row, target)
                if name == "packages"
                else time_of(row, name, target)
            )
            if own and other:
                ratios.append(other[0] / own[0])
        if ratios:
            mean = float(np.exp(np.mean(np.log(ratios))))
            verdict = "ok" if mean >= least else "MISS"
            lines.append(
                f"- geometric mean over {len(ratios)} rows at gap {target:g}, {name}: "
                f"{mean:.3g} (target {least}): {verdict}"
            )
    return lines


def _statistics(rows):
    """Return how mtlreg's times compare with the products that build the statistics."""
    lines = []
    for row in rows:
        own = time_of(row, "mtlreg", 1e-8)
        if row["statistics"] and own and own[1] and row["strength"] != "path":
            ratio = own[0] / row["statistics"]
            verdict = ""
            if row["problem"] == "tall":
                verdict = " (target 1.5): " + ("ok" if ratio <= 1.5 else "MISS")
            lines.append(
                f"- {row['problem']} {_strength(row)}: {1e3 * own[0]:.3g} ms, "
                f"{ratio:.3g} times the {1e3 * row['statistics']:.3g} ms of X'X and X'y"
                f"{verdict}"
            )
    return lines


def _solver_times(rows):
    """Return the time of the solver alone where that has a target."""
    lines = []
    for row, target in itertools.product(rows, TARGETS):
        (own,) = (peer for peer in row["peers"] if peer["name"] == "mtlreg")
        found = own["reached"].get(str(target), {})
        if found.get("solver"):
            lines.append(
                f"- {row['problem']} {_strength(row)}, gap {target:g}: solver "
                f"{1e3 * found['solver']:.3g} ms (target: below 10 ms) of the "
                f"{1e3 * found['seconds']:.3g} ms of the fit: "
                + ("ok" if found["solver"] < 0.01 else "MISS")
            )
    return lines


def _failures(rows, remarks):
    lines = [f"- {remark}" for remark in remarks]
    missing = {
        peer["name"]
        for row in rows
        for peer in row["peers"]
        if peer["note"] == "not installed"
    }
    if missing:
        lines.append(f"- not installed: {', '.join(sorted(missing))}")
    for row in rows:
        for peer in row["peers"]:
            if peer["note"] == "not installed" or len(peer["reached"]) == len(TARGETS):
                continue
            reason = peer["note"] or f"best gap {peer['gap']:.2g}"
            where = f"{row['problem']} {_strength(row)}"
            lines.append(
                f"- {where}: {peer['name']}: {reason} after {peer['spent']:.3g} s"
            )
    return lines or ["None."]


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu():
    try:
        with open("/proc/cpuinfo") as file:
            names = [line for line in file if line.startswith("model name")]
        return f"{names[0].split(':')[1].strip()}, {len(names)} cores"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
