"""The clock: climbs each competitor's ladder, then times the rungs that count.

Both accuracies come from one ladder per competitor and row, and what counts is its
first rung that the judge accepts. Tolerances are half a decade apart; rungs that the
last gap makes hopeless are left out. The numpy solvers run on and are looked at, off
the clock, whenever their iterations have grown by a factor of sqrt(2).
"""

import gc
import time
import warnings
from dataclasses import dataclass, field

import numpy as np

TARGETS = (1e-4, 1e-8)
LONG = 5.0  # seconds; a run longer than this is run once
SLOWEST = 25  # times mtlreg's own time: all that is asked of a competitor


@dataclass
class Record:
    """What is known of a competitor on a row.

    Attributes
    ----------
    seconds : dict
        Target -> list of times of the first rung that the judge accepts.
    control : dict
        Target -> that rung.
    best_gap : float
        The smallest relative gap of all runs.
    spent, cap : float
        Seconds for all its runs, and what they were limited to.
    note : str
        Why it failed, if it did.
    """

    name: str
    package: bool
    label: str = ""
    seconds: dict = field(default_factory=dict)
    control: dict = field(default_factory=dict)
    iterations: dict = field(default_factory=dict)
    best_gap: float = np.inf
    spent: float = 0.0
    cap: float = 0.0
    note: str = ""

    def accept(self, gap, seconds, control, iterations):
        """Take note of a run; the targets that it reaches first are its own."""
        self.best_gap = min(self.best_gap, gap)
        for target in TARGETS:
            if gap <= target and target not in self.control:
                self._set(target, seconds, control, iterations)

    def improve(self, target, gap, seconds, control, iterations):
        """Take a looser rung instead, which is good enough as well."""
        self.best_gap = min(self.best_gap, gap)
        self._set(target, seconds, control, iterations)

    def _set(self, target, seconds, control, iterations):
        self.seconds[target] = [seconds]
        self.control[target] = control
        self.iterations[target] = iterations

    @property
    def longest(self):
        """The time to the tightest target that is reached, or None."""
        return max((times[0] for times in self.seconds.values()), default=None)

    @property
    def done(self):
        return len(self.control) == len(TARGETS)


def cap_of_others(cap, own):
    """Return the seconds for a competitor on a row, given mtlreg's own or None."""
    return cap if own is None else min(cap, max(LONG, SLOWEST * own))


def timed(function, *args):
    """Return the seconds of a call and what it returned."""
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        result = function(*args)
        return time.perf_counter() - start, result


def climb(peer, lam, judge, cap):
    """Return the `Record` of a competitor driven by tolerances or iterations."""
    record = Record(peer.name, peer.package, getattr(peer, "label", ""))

    def run(index):
        control = peer.controls[index]
        seconds, fitted = timed(peer.solve, lam, control)
        record.spent += seconds
        gap = judge.gap(peer.matrix(fitted), lam)
        return gap, seconds, control, peer.iterations(fitted)

    index, below = 0, -1
    while index < len(peer.controls):
        missing = set(TARGETS) - set(record.control)
        outcome = run(index)
        record.accept(*outcome)
        better = missing & set(record.control)
        for back in range(index - 1, below, -1):
            if not better or record.spent + outcome[1] > cap:
                break
            earlier = run(back)
            better = {target for target in better if earlier[0] <= target}
            for target in better:
                record.improve(target, *earlier)
        if record.done or record.spent + 1.5 * outcome[1] > cap:
            break
        index, below = index + _jump(peer, record, outcome[0]), index
    return record


def _jump(peer, record, gap):
    """Return how many rungs to go up: where the gap would be, if it were the control's.

    Never beyond half a decade short of it; one that overshoots walks back.
    """
    if peer.stride == 1 or not 0 < gap < np.inf:
        return peer.stride
    target = max(t for t in TARGETS if t not in record.control)
    return max(peer.stride, int(2 * np.log10(gap / target)) - 1)


def follow(peer, lam, judge, cap):
    """Return the `Record` of a numpy solver, which is stopped by the judge."""
    record = Record(peer.name, peer.package, peer.label)
    iterates = None
    count, look = 0, 1
    while not record.done and record.spent < cap:
        start = time.perf_counter()
        if iterates is None:
            iterates = peer.iterates(lam)
        A = next(iterates)
        record.spent += time.perf_counter() - start
        count += 1
        if count >= look:
            look = int(np.ceil(count * np.sqrt(2)))
            record.accept(judge.gap(A, lam), record.spent, count, count)
    return record


def survey(peer, lam, judge, cap):
    """Return the `Record` of a competitor, with what went wrong if something did."""
    try:
        walk = follow if hasattr(peer, "iterates") else climb
        record = walk(peer, lam, judge, cap)
        record.cap = cap
        return record
    except Exception as error:
        return failure(peer, error)


def failure(peer, error):
    """Return the `Record` of a competitor that raised."""
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    return Record(peer.name, peer.package, note=text[:120])


def repeat(entries, lam, judge, repeats):
    """Time the rungs that count again, all competitors in turn.

    Parameters
    ----------
    entries : list of (competitor, Record)
    lam : float
    judge : Judge
    repeats : int
        Times to run; the survey's own time counts only for long runs.
    """
    short = [
        (peer, record, control)
        for peer, record in entries
        for control in dict.fromkeys(record.control.values())
        if record.seconds[_targets(record, control)[0]][0] <= LONG
    ]
    times = {}
    for _ in range(repeats):
        for index, (peer, record, control) in enumerate(short):
            seconds, fitted = timed(peer.solve, lam, control)
            gap = judge.gap(peer.matrix(fitted), lam)
            if gap <= min(_targets(record, control)):
                times.setdefault(index, []).append(seconds)
    for index, seconds in times.items():
        _, record, control = short[index]
        for target in _targets(record, control):
            record.seconds[target] = seconds


def _targets(record, control):
    return [t for t in TARGETS if record.control.get(t) == control]
