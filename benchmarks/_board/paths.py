"""Path rows: 50 strengths from alpha_max down to alpha_max/100, warm started.

A package's path is good enough when its worst point is; textbook FISTA goes on from one
strength to the next as soon as the judge, off the clock, accepts the point.
"""

import time

import numpy as np

from _board.clock import (
    LONG,
    TARGETS,
    Record,
    cap_of_others,
    climb,
    failure,
    timed,
)

N_STRENGTHS = 50
DEPTH = 100


class _PathJudge:
    """The worst relative gap over the points of a path."""

    def __init__(self, judge):
        self._judge = judge

    def gap(self, coefficients, lams):
        pairs = zip(coefficients, lams, strict=True)
        return max(self._judge.gap(A, lam) for A, lam in pairs)


class _PathPeer:
    """A competitor whose problem is the whole path; tolerances from 1e-4 on."""

    def __init__(self, peer):
        self.peer, self.name, self.package = peer, peer.name, peer.package
        self.controls, self.stride = peer.controls[4:], peer.stride

    def solve(self, lams, control):
        return list(self.peer.path(lams, control))

    def matrix(self, fitted):
        return fitted

    def iterations(self, fitted):
        return None


def measure(peers, largest, judge, cap, repeats, own=None):
    """Return the records of all competitors that can do a path.

    Parameters
    ----------
    peers : list of Competitor
    largest : float
        alpha_max.
    judge : Judge
    cap : float
        Seconds for all runs of a competitor.
    repeats : int
        Runs of a path that takes less than five seconds.
    own : float, optional
        Seconds of mtlreg where they are known already.
    """
    lams = largest * np.geomspace(1, 1 / DEPTH, N_STRENGTHS)
    records = []
    able = [
        peer for peer in peers if getattr(peer, "legs", getattr(peer, "path", None))
    ]
    for peer in able:
        share = cap_of_others(cap, own) / sum(p.name == peer.name for p in able)
        try:
            if getattr(peer, "legs", None):
                records.append(_walk(peer, lams, judge, share))
            else:
                records.append(_climb(peer, lams, judge, share, repeats))
            records[-1].cap = share
            if peer.name == "mtlreg":
                own = records[-1].longest
        except Exception as error:
            records.append(failure(peer, error))
    return records


def _climb(peer, lams, judge, cap, repeats):
    path = _PathPeer(peer)
    record = climb(path, lams, _PathJudge(judge), cap)
    for target, control in record.control.items():
        if record.seconds[target][0] <= LONG:
            runs = [timed(path.solve, lams, control)[0] for _ in range(repeats)]
            record.seconds[target] = runs
    return record


def _walk(peer, lams, judge, cap):
    """Follow a numpy solver along the path, once for each target."""
    record = Record(peer.name, peer.package, peer.label)
    for target in TARGETS:
        seconds, iterations, worst = _one_walk(peer, lams, judge, target, cap)
        record.spent += seconds
        record.best_gap = min(record.best_gap, worst)
        if worst > target:
            break
        record.seconds[target] = [seconds]
        record.control[target] = record.iterations[target] = iterations
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
