"""The table of benchmarks/structures.py, on a tiny structure."""

import importlib
import pathlib

import numpy as np
import pytest
from matplotlib.image import imread

from mtlreg.datasets import make_multitask_regression
from mtlreg.datasets.structures import STRUCTURES
from mtlreg.estimators import STEMS

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("structures")


def test_quick_run(script, tmp_path, capsys):
    arguments = ["--quick", "--only", "low_rank", "--repetitions", "2"]
    arguments += ["--models", "TraceNorm", "MeanRegularized", "--out", str(tmp_path)]
    found = script.main(arguments)
    models = {script.SEPARATE, script.POOLED, "TraceNorm", "MeanRegularized"}
    assert set(found["low_rank"]) == models
    assert all(np.all(found["low_rank"][name] > 0) for name in models)
    assert set(found) == {"low_rank", *script.SHARES}
    equal, unrelated = found[0.0], found[1.0]
    assert equal["pooled"].mean() < equal["separate"].mean()
    assert unrelated["separate"].mean() < unrelated["pooled"].mean()
    text = (tmp_path / "structures.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    row = found["low_rank"]
    best = script.best_of(row, row)
    ratio, deviation = script.against(row, "pooled", best)
    assert f"| {ratio:.2f} ± {deviation:.2f} |" in text
    assert "- TraceNorm: on low_rank" in text
    assert imread(tmp_path / "structures.png").std() > 0


def test_ratios_are_paired(script):
    other = np.array([1.0, 2.0, 6.0])
    ratio, deviation = script.against({"a": 3 * other, "b": other}, "a", "b")
    np.testing.assert_allclose([ratio, deviation], [3.0, 0.0], atol=1e-15)
    ratio, deviation = script.against({"a": other[::-1], "b": other}, "a", "b")
    # differences -5, 0, 5
    np.testing.assert_allclose([ratio, deviation], [1.0, 5 / 3**0.5 / 3])


def test_tasks_from_equal_to_unrelated(script):
    for share in (0.0, 0.5, 1.0):
        data = script.alike(share, 0, **script.SIZES)
        # 20 features: their mean variance over 30 tasks is known to share / 12
        spread = data.coef.var(axis=0, ddof=1).mean()
        assert abs(spread - share) <= share / 4 + 1e-15
        z = np.sum(data.X * data.coef[data.tasks], axis=1) + data.intercept[data.tasks]
        # 900 draws: known to 1 / 42
        assert abs((data.y - z).std() - 1) < 0.12


def test_every_stem_has_its_structure(script):
    assert set(script.OWN) == set(STEMS)
    assert set(script.OWN.values()) <= set(STRUCTURES)


def test_the_error_is_that_of_the_coefficients(script):
    data = make_multitask_regression(**script.SMALL, noise=0.0, random_state=0)
    search = {"alphas": [1e-8, 1e-7], "cv": 2, "tol": 1e-12}
    assert script.error("separate", data, search) < 1e-6
    assert script.error("pooled", data, search) > 0.1


def test_one_repetition_is_refused(script, capsys):
    with pytest.raises(SystemExit):
        script.main(["--repetitions", "1"])
    assert "at least 2, got 1" in capsys.readouterr().err
