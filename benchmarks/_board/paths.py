"""Path rows: 50 strengths from alpha_max down to alpha_max/100, warm started.

A package's path is good enough when its worst point is; textbook FISTA goes on from one
strength to the next as soon as the judge, off the clock, accepts the point.
"""

import time

import numpy as np

from _board.clock import (
    LEAST,
    TARGETS,
    Record,
    climb,
    failure,
    repeats_of,
    timed,
)

N_STRENGTHS = 50
DEPTH = 100
FIRST = 4  # rung of the ladder to begin with
TIMES_OWN, LIMIT = 3, 24.0  # times of mtlreg that a path may take, and seconds


class _PathJudge:
    """The worst relative gap over the points of a path."""

    def __init__(self, judge):
        self._judge = judge

    def gap(self, coefficients, lams):
        pairs = zip(coefficients, lams, strict=True)
        return max(self._judge.gap(A, lam) for A, lam in pairs)


class _PathPeer:
    """A competitor whose problem is the whole path."""

    def __init__(self, peer):
        self.peer, self.name, self.package = peer, peer.name, peer.package
        self.controls = peer.controls[FIRST:]
        self.by_tolerance = peer.by_tolerance

    def solve(self, lams, control):
        return list(self.peer.path(lams, control))

    def matrix(self, fitted):
        return fitted

    def iterations(self, fitted):
        return None


def measure(peers, largest, judge, options, own, hints):
    """Return the records of all competitors that can do a path.

    Parameters
    ----------
    peers : list of Competitor
    largest : float
        alpha_max.
    judge : Judge
    options : argparse.Namespace
        cap: seconds for a path of a competitor; repeats: most runs of a path.
    own : float or None
        Seconds of mtlreg where they are known already.
    hints : list of dict
        For every competitor target -> control that a single strength needed.
    """
    lams = largest * np.geomspace(1, 1 / DEPTH, N_STRENGTHS)
    records = []
    for peer, known in zip(peers, hints, strict=True):
        if not (getattr(peer, "legs", None) or getattr(peer, "path", None)):
            continue
        cap = peer.limit
        if own is not None:
            cap = min(options.cap, LIMIT, max(LEAST, TIMES_OWN * own))
        try:
            if getattr(peer, "legs", None):
                records.append(_walk(peer, lams, judge, cap))
            else:
                path = _PathPeer(peer)
                records.append(climb(path, lams, _PathJudge(judge), cap, known))
                _repeat(path, lams, records[-1], options.repeats)
            if peer.name == "mtlreg":
                own = records[-1].longest
        except Exception as error:
            records.append(failure(peer, error))
    return records


def _repeat(path, lams, record, most):
    for target, control in record.control.items():
        count = repeats_of(record.seconds[target][0], most)
        if count:
            runs = [timed(path.solve, lams, control)[0] for _ in range(count)]
            record.seconds[target] = runs


def _walk(peer, lams, judge, cap):
    """Follow a numpy solver along the path, once for each target."""
    record = Record(peer.name, peer.package, peer.label, cap=cap)
    for target in TARGETS:
        seconds, iterations, worst = _one_walk(peer, lams, judge, target, cap)
        record.see(worst, seconds)
        if worst > target:
            break
        record.accept(target, seconds, iterations, iterations)
    return record


def _one_walk(peer, lams, judge, target, cap):
    start = time.perf_counter()
    leg = peer.legs(lams)
    spent = time.perf_counter() - start
    A, total, worst = np.zeros(judge.problem.shape), 0, 0.0
    for lam in lams:
        iterates = leg(lam, A)
        count, look, gap = 0, 1, np.inf
        while gap > target:
            if spent > cap:
                return spent, total, np.inf
            start = time.perf_counter()
            A = next(iterates)
            spent += time.perf_counter() - start
            count += 1
            if count >= look:
                gap, look = judge.gap(A, lam), int(np.ceil(count * np.sqrt(2)))
        total += count
        worst = max(worst, gap)
    return spent, total, worst
