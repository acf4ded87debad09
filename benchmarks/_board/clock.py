"""The clock: climbs each competitor's ladder, then times the rungs that count.

Both accuracies come from one ladder per competitor and row, and what counts is the
loosest rung that the judge accepts. Rungs are half a decade of tolerance or a factor
sqrt(2) of iterations apart; the ladder is climbed by two, or further where the last gap
makes rungs hopeless, and then walked back while a call takes less than 3 s. It begins
where the competitor's last row ended. The numpy solvers run on and are looked at, off
the clock, whenever their iterations have grown by a factor of sqrt(2).
"""

import gc
import time
import warnings
from dataclasses import dataclass, field

import numpy as np

TARGETS = (1e-4, 1e-8)
REPEATED = 3.0  # seconds; as many repeats of a call are made as fit
LEAST = 3.0  # seconds that a call may take, whatever mtlreg took
PATIENCE = 2  # times the limit of a call: all calls that look for the right rung


@dataclass
class Record:
    """What is known of a competitor on a row.

    Attributes
    ----------
    seconds : dict
        Target -> list of times of the first rung that the judge accepts.
    control : dict
        Target -> that rung.
    iterations, passes : dict
        Target -> iterations and passes over X of that rung, where known.
    solver : dict
        Target -> seconds of mtlreg's solver alone, on the rows that have a target.
    best_gap : float
        The smallest relative gap of all runs.
    spent, cap : float
        Seconds for all its runs, and the limit of a single one.
    missed : float
        Seconds of its longest run that misses the tightest target.
    exhausted : bool
        Whether its whole ladder was climbed.
    note : str
        Why it failed, if it did.
    """

    name: str
    package: bool
    label: str = ""
    seconds: dict = field(default_factory=dict)
    control: dict = field(default_factory=dict)
    iterations: dict = field(default_factory=dict)
    passes: dict = field(default_factory=dict)
    solver: dict = field(default_factory=dict)
    best_gap: float = np.inf
    spent: float = 0.0
    cap: float = 0.0
    missed: float = 0.0
    exhausted: bool = False
    note: str = ""

    def see(self, gap, seconds):
        """Take note of a run."""
        self.spent += seconds
        self.best_gap = min(self.best_gap, gap)
        if gap > min(TARGETS):
            self.missed = max(self.missed, seconds)

    def accept(self, target, seconds, control, iterations):
        """Take a run as the one that counts at a target."""
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

    @property
    def least(self):
        """Seconds that a target which is not reached counts as.

        A tighter setting takes longer than the longest run that missed; where no
        setting is left, the limit counts.
        """
        return max(self.missed, self.cap) if self.exhausted else self.missed


def cap_of(peer, cap, own):
    """Return the limit of a call in seconds, given mtlreg's own time or None."""
    if own is None:
        return peer.limit
    return min(cap, peer.limit, max(LEAST, peer.times_own * own))


def timed(function, *args):
    """Return the seconds of a call and what it returned."""
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        result = function(*args)
        return time.perf_counter() - start, result


def climb(peer, lam, judge, cap, hints=None):
    """Return the `Record` of a competitor driven by tolerances or iterations.

    Parameters
    ----------
    peer : Competitor
    lam : float
    judge : Judge
    cap : float
        Seconds: a run that misses and takes longer is the last.
    hints : dict, optional
        Target -> rung to begin with, the one that a similar row needed.
    """
    record = Record(peer.name, peer.package, getattr(peer, "label", ""), cap=cap)
    runs, hints, last = {}, hints or {}, len(peer.controls) - 1

    def gap(index):
        if index not in runs:
            control = peer.controls[index]
            seconds, fitted = timed(peer.solve, lam, control)
            found = judge.gap(peer.matrix(fitted), lam)
            record.see(found, seconds)
            runs[index] = found, seconds, control, peer.iterations(fitted)
        return runs[index][0]

    index = 0
    for target in TARGETS:
        if hints.get(target) in peer.controls:
            index = max(index, peer.controls.index(hints[target]))
        while gap(index) > target:
            if runs[index][1] > cap or record.spent > PATIENCE * cap:
                return record
            if index == last:
                record.exhausted = True
                return record
            index = min(last, index + _jump(peer, target, gap(index)))
        while index > 0 and (index - 1 in runs or runs[index][1] <= REPEATED):
            if gap(index - 1) > target:
                break
            index -= 1
        record.accept(target, *runs[index][1:])
    return record


def _jump(peer, target, gap):
    """Return how many rungs to go up: two, or where the tolerance would be too loose
    by half a decade, if the gap fell like it.
    """
    if not peer.by_tolerance or not 0 < gap < np.inf:
        return 2
    return max(2, int(2 * np.log10(gap / target)) - 1)


def follow(peer, lam, judge, cap):
    """Return the `Record` of a numpy solver, which is stopped by the judge."""
    record = Record(peer.name, peer.package, peer.label, cap=cap)
    iterates = None
    count, look, seconds = 0, 1, 0.0
    while not record.done and seconds < cap:
        start = time.perf_counter()
        if iterates is None:
            iterates = peer.iterates(lam)
        A = next(iterates)
        seconds += time.perf_counter() - start
        count += 1
        if count >= look:
            look = int(np.ceil(count * np.sqrt(2)))
            record.best_gap = min(record.best_gap, judge.gap(A, lam))
            for target in TARGETS:
                if record.best_gap <= target and target not in record.control:
                    record.accept(target, seconds, count, count)
    record.see(record.best_gap, seconds)
    return record


def survey(peer, lam, judge, cap, hints=None):
    """Return the `Record` of a competitor, with what went wrong if something did."""
    try:
        if hasattr(peer, "iterates"):
            return follow(peer, lam, judge, cap)
        return climb(peer, lam, judge, cap, hints)
    except Exception as error:
        return failure(peer, error)


def failure(peer, error):
    """Return the `Record` of a competitor that raised."""
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    return Record(peer.name, peer.package, note=text[:120])


def repeats_of(seconds, most):
    """Return how often a call is made again: where only once, its time stands."""
    count = min(most, int(REPEATED / seconds))
    return count if count > 1 else 0


def repeat(entries, lam, judge, most):
    """Time the rungs that count again, all competitors in turn.

    Parameters
    ----------
    entries : list of (competitor, Record)
    lam : float
    judge : Judge
    most : int
        Times to run; fewer where `repeats_of` says so, and none where another variant
        of the competitor takes less than half the time.
    """
    calls = []
    for peer, record in entries:
        rivals = [other for _, other in entries if other.name == record.name]
        for control in dict.fromkeys(record.control.values()):
            target = _targets(record, control)[0]
            seconds = record.seconds[target][0]
            best = min(r.seconds[target][0] for r in rivals if target in r.seconds)
            if seconds <= 2 * best:
                calls.append((peer, record, control, repeats_of(seconds, most)))
    times = {}
    for turn in range(most):
        for index, (peer, record, control, count) in enumerate(calls):
            if turn >= count:
                continue
            seconds, fitted = timed(peer.solve, lam, control)
            gap = judge.gap(peer.matrix(fitted), lam)
            if gap <= min(_targets(record, control)):
                times.setdefault(index, []).append(seconds)
    for index, seconds in times.items():
        _, record, control, _ = calls[index]
        for target in _targets(record, control):
            record.seconds[target] = seconds


def _targets(record, control):
    return [t for t in TARGETS if record.control.get(t) == control]
