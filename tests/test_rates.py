"""How the flags of the transfer report are judged by benchmarks/transfer.py."""

import importlib
import pathlib

import numpy as np

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


def test_flags_are_judged_by_the_true_gains(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    judge = importlib.import_module("_reports").judge
    # only the last task is hurt; the flags of the first sample are wrong by half
    flags = np.array([[True, False, True], [False, False, False]])
    rows = [
        (
            np.array([0.2, 0.1, -0.3]),
            np.array([0.2, 0.1, -0.3]) + shift,
            np.full(3, 0.2),
            np.where(flagged, 0.01, 0.5),
            flagged,
        )
        for flagged, shift in zip(flags, (0.1, -0.1), strict=True)
    ]
    line, missed = judge("kind", rows, 0.1)
    assert line == [
        "kind",
        "1",
        "-0.30 to +0.20",
        "2.0",
        "0.250",
        "0.500",
        "1.00",
        "0.250",
        "0.500",
        "0.500",
    ]
    # 0.25 and no more than chance over 0.1
    assert not missed
    line, missed = judge("kind", rows[:1] * 9, 0.1)
    assert line[-3] == "0.500"
    assert missed == ["kind: false discovery rate 0.500"]
