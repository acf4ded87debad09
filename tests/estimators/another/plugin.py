"""Puts a stem and a penalty into the registries, with an oracle each.

As if their files lay in the package: ``pytest -p tests.estimators.another.plugin``.
"""

import importlib.util
import pathlib
import sys
from dataclasses import dataclass

from mtlreg.estimators import STEMS
from mtlreg.penalties import L1, L21, PENALTIES
from tests.estimators.oracles import STEM_ORACLES, StemOracle
from tests.oracles import PENALTY_ORACLES, PenaltyOracle, expression, polar


@dataclass(frozen=True)
class TaskGroups(L21):
    """A penalty of its own type.

    Parameters
    ----------
    alpha : float

    Examples
    --------
    >>> TaskGroups(2.0).alpha
    2.0
    """


def pytest_configure(config):
    # before the tests are collected, whose cases are made then
    PENALTIES["taskgroups"] = TaskGroups
    PENALTY_ORACLES["taskgroups"] = PenaltyOracle(
        lambda penalty, A: expression(L21(penalty.alpha), A),
        lambda penalty, G: polar(L21(penalty.alpha), G),
        {"taskgroups": TaskGroups(1.3)},
    )
    stem = loaded_as("mtlreg.estimators.task_lasso", "task_lasso.py")
    STEMS["TaskLasso"] = (
        stem.TaskLassoRegressor,
        stem.TaskLassoClassifier,
        stem.TaskLassoRegressorCV,
        stem.TaskLassoClassifierCV,
    )
    STEM_ORACLES["TaskLasso"] = StemOracle(
        penalty=lambda est: L1(est.alpha),
        parameters="alpha=0.1",
        attributes="support_",
        cases={"tasklasso": {}},
    )


def loaded_as(name, file):
    """A file of this folder as a module of the package."""
    path = pathlib.Path(__file__).with_name(file)
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
