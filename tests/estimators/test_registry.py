"""The registries of stems, and what another stem or penalty costs in the tests."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import mtlreg
from mtlreg.estimators import STEMS
from tests.estimators.cases import PENALTIES, make, penalty_of
from tests.estimators.oracles import STEM_ORACLES

ROOT = pathlib.Path(__file__).parents[2]
ENDS = ["Regressor", "Classifier", "RegressorCV", "ClassifierCV"]


@pytest.mark.parametrize("stem", STEMS)
def test_the_classes_of_a_stem(stem):
    assert [cls.__name__ for cls in STEMS[stem]] == [stem + end for end in ENDS]
    plain, searches = STEMS[stem][:2], STEMS[stem][2:]
    assert tuple(cls._model_class for cls in searches) == plain


def test_every_estimator_is_of_a_stem_or_of_any_penalty():
    public = {name for name in mtlreg.__all__ if re.search(r"(or|er)(CV)?$", name)}
    known = {cls.__name__ for classes in STEMS.values() for cls in classes}
    # of several columns of labels; in closed form
    alone = {"CrossedMeanRegularizedRegressor"}
    alone |= {"ReducedRankRegressor", "ReducedRankRegressorCV"}
    assert public == known | {f"Penalized{end}" for end in ENDS} | alone


def test_every_stem_has_an_oracle_and_a_case():
    assert STEM_ORACLES.keys() == STEMS.keys()
    assert {stem for stem, _ in PENALTIES.values()} == STEMS.keys()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_oracle_states_the_penalty_of_the_estimator(penalty):
    est = make(penalty, "regressor", 3.0)
    assert penalty_of(est) == est._penalty(None)


CONTRACTS = ["contract", "signatures", "docstrings", "parameters", "certificates"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [
        (
            "tasklasso",
            {
                tuple(f"estimators/test_{part}.py" for part in CONTRACTS): 230,
                ("estimators/test_search.py",): 15,
            },
        ),
        ("taskgroups", {("penalties", "problem/test_problem.py"): 90}),
    ],
)
def test_another_one_costs_its_oracle(name, least):
    plugin = "tests.estimators.another.plugin"
    found = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rp", "-p", "no:cacheprovider"),
            *("-p", plugin, "-k", name),
            *(str(ROOT / "tests" / file) for files in least for file in files),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    passed = re.findall(r"^PASSED tests/(\S+?)::", found.stdout, re.M)
    for files, number in least.items():
        assert sum(path.startswith(files) for path in passed) >= number, files
