"""Known optimal objectives and test errors, by the checks of benchmarks/golden.py.

The quick ones; the script itself runs all of them.
"""

import importlib
import pathlib

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


def load_benchmark(name):
    """Import a script of the benchmarks, which see their own folder first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module(name)


golden = load_benchmark("golden")
SMALL_DIGITS = [case for case in golden.DIGITS if case.n_rows == 10]


def missed(rows):
    return [row for row in rows if not row.ok]


@pytest.mark.data
@pytest.mark.parametrize("case", golden.SCHOOL, ids=lambda case: case.name)
def test_school(case):
    assert not missed(golden.check_school(case))


@pytest.mark.data
@pytest.mark.parametrize("case", SMALL_DIGITS, ids=lambda case: case.name)
def test_digits(case):
    assert not missed(golden.check_digits(case))


@pytest.mark.data
@pytest.mark.parametrize("factor", [1 - 2e-7, 1 + 2e-7])
def test_another_objective_is_missed(factor):
    case = golden.SCHOOL[-1]
    case = case._replace(objective=factor * case.objective)
    assert [row.quantity for row in missed(golden.check_school(case))] == ["F"]


def test_without_data_the_script_says_what_to_set(monkeypatch):
    monkeypatch.delenv("MTLREG_DATA", raising=False)
    golden.school_split.cache_clear()
    with pytest.raises(SystemExit, match="MTLREG_DATA is unset: set it to the folder"):
        golden.main([])
