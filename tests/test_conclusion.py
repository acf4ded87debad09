"""What the comparison of benchmarks/compare.py concludes from its scores."""

import importlib
import pathlib

import numpy as np
import pandas as pd
import pytest

from mtlreg.report.tables import Table

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
NOISE = np.array([0.02, -0.01, 0.0, 0.01, -0.02])
NAMES = ["separate fits", "pooled fit", "pooled, task dummies", "gradient boosting"]
NAMES += ["MeanRegularized", "TraceNorm"]


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return lambda name: importlib.import_module(f"_comparison.{name}")


@pytest.fixture
def conclude(parts):
    """Return the conclusion from the mean errors of the methods in `NAMES`."""

    def conclude(*errors, n_rows=20, classifier=False):
        X = pd.DataFrame({"x": np.zeros(2 * n_rows), "y": 0.0, "task": [0, 1] * n_rows})
        table = Table("a", X, X["y"].to_numpy(), "task", classifier)
        results = {}
        for name, error in zip(NAMES, errors, strict=True):
            # a part that is hard is hard for all methods
            folds = error + 10 * NOISE + np.roll(NOISE, NAMES.index(name))
            scores = list(1 - folds[:, None] if classifier else folds[:, None])
            results[name] = parts("nested").Result(scores)
        return parts("conclusion").conclusion(table, results)

    return conclude


def test_a_method_that_shares_wins(conclude):
    text = conclude(2.0, 3.0, 1.5, 1.6, 1.4, 1.0, n_rows=10)
    assert text == (
        "sharing helps: use TraceNormRegressorCV, whose tasks share a subspace; its "
        "error is 50 % lower than with separate fits and 33 % lower than with pooled, "
        "task dummies, the best without mtlreg, because 10 rows a task for 2 features "
        "are few and one set of slopes does not serve all tasks."
    )


def test_many_rows_are_not_called_few(conclude):
    text = conclude(2.0, 3.0, 2.5, 2.6, 1.4, 1.0)
    assert "20 rows a task for 2 features still leave the slopes uncertain" in text


def test_sharing_and_boosting_tie(conclude):
    text = conclude(2.0, 2.0, 2.0, 0.99, 2.0, 1.0)
    assert "use TraceNormRegressorCV" in text
    assert "gradient boosting is no different by more than chance" in text


def test_task_dummies_win(conclude):
    text = conclude(2.0, 1.5, 1.0, 1.2, 1.1, 1.2)
    assert text == (
        "mtlreg is not needed here: use one ridge regression with task dummies, whose "
        "error is 50 % lower than with separate fits, because one set of slopes serves "
        "all tasks; no method has a better score."
    )


def test_a_tie_goes_to_the_plain_method(conclude):
    text = conclude(2.0, 1.5, 1.0, 1.2, 0.999, 1.2)
    assert "use one ridge regression with task dummies" in text
    assert text.endswith("MeanRegularized is better by no more than chance.")


@pytest.mark.parametrize(
    ("n_rows", "why"),
    [(10, "what the tasks have in common is too little"), (20, "do without help")],
)
def test_separate_fits_win(conclude, n_rows, why):
    text = conclude(0.2, 0.3, 0.3, 0.3, 0.2, 0.3, n_rows=n_rows, classifier=True)
    assert "use separate fits, one logistic regression for each task" in text
    assert why in text


def test_nothing_is_told_from_chance(conclude):
    text = conclude(1.001, 1.002, 1.0, 1.003, 1.0, 1.0)
    assert "a set of slopes for each task gains nothing by more than chance" in text


def test_boosting_wins(conclude):
    text = conclude(2.0, 2.0, 2.0, 1.0, 1.6, 1.8)
    assert text.startswith(
        "use gradient boosting; its error is 38 % lower than with MeanRegularized, the "
        "best of the linear methods"
    )


def test_chance_is_the_corrected_t_test(parts):
    a, b = np.array([1.0, 2.0, 4.0]), np.zeros(3)
    # mean 7 / 3, variance 7 / 3, quantile 4.303 of two degrees of freedom
    limit = 4.302653 * np.sqrt(7 / 3 * (1 / 3 + 1 / 2))
    shift = limit - 7 / 3
    assert parts("conclusion").beats(a + shift + 1e-4, b)
    assert not parts("conclusion").beats(a + shift - 1e-4, b)
