"""The board as Markdown: times, ratios, targets."""

import datetime
import importlib.metadata
import platform

import numpy as np

from _board.clock import TARGETS

PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "skglm", "spams-bin", "mtlreg")


def document(rows, remarks, calls, seconds, options):
    """Return the whole report.

    Parameters
    ----------
    rows : list of dict
        What the workers measured.
    remarks, calls : list of str
        What went wrong, and the table of first calls.
    seconds : float
        Wall time of the run.
    options : argparse.Namespace
    """
    lines = ["# Speed board", "", *_setting(seconds, options), ""]
    for target in TARGETS:
        lines += [f"## Relative gap {target:g}", "", *table(rows, target), ""]
    lines += ["## Targets", "", *_targets(rows), ""]
    if calls:
        lines += ["## First calls in a fresh process", "", *calls, ""]
    lines += ["## Failures and best gaps", "", *_failures(rows, remarks), ""]
    return "\n".join(lines).rstrip()


def _setting(seconds, options):
    versions = [f"{name} {v}" for name in PACKAGES if (v := _version(name))]
    today = datetime.datetime.now(datetime.UTC).date()
    return [
        f"{_cpu()}, one thread, Python {platform.python_version()}; "
        f"{', '.join(versions)}; {today}; {seconds / 60:.1f} minutes"
        f"{' (--quick)' if options.quick else ''}.",
        "",
        f"Seconds, median of {options.repeats} (a run above 5 s: once). `>`: not "
        f"reached with {options.cap:g} s, or 25 times what mtlreg took (5 s at "
        f"least), for all runs of a peer on a row; `-`: not for "
        f"this problem or not installed. Ratios are times over mtlreg's; the best "
        f"package is among all columns but textbook and malsar-style.",
    ]


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
    lines = ["| row | gap | best package >= 1.5 | textbook >= 1 | malsar-style >= 20 |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        for target in TARGETS:
            others = (
                (best_package(row, target), 1.5),
                (time_of(row, "textbook", target), 1.0),
                (time_of(row, "malsar-style", target), 20.0),
            )
            cells = [_verdict(other, row, target, least) for other, least in others]
            head = f"{row['problem']} {_strength(row)} | {target:g}"
            lines.append(f"| {head} | {' | '.join(cells)} |")
    lines += ["", *_means(rows), "", *_statistics(rows)]
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
            if row["problem"].endswith("school"):
                verdict = " (target: below 10 ms): "
                verdict += "ok" if own[0] < 0.01 else "MISS"
            lines.append(
                f"- {row['problem']} {_strength(row)}: {1e3 * own[0]:.3g} ms, "
                f"{ratio:.3g} times the {1e3 * row['statistics']:.3g} ms of X'X and X'y"
                f"{verdict}"
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
