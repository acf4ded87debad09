"""Public docstrings: numpydoc sections that match the signature and the attributes.

That their examples run is the business of pytest's doctest.
"""

import inspect
import re

import pytest

import mtlreg
from mtlreg import datasets, losses, metrics, penalties, solvers
from mtlreg.model_selection import TaskKFold
from tests.estimators.cases import (
    CLASSIFIERS,
    CV_ESTIMATORS,
    ESTIMATORS,
    OTHERWISE,
    draw,
    is_classifier,
)

FUNCTIONS = [
    value
    for module in (mtlreg, datasets, metrics)
    for name in module.__all__
    if inspect.isfunction(value := getattr(module, name)) and name != "task_scorer"
]
PARTS = [
    *penalties.PENALTIES.values(),
    *losses.LOSSES.values(),
    *solvers.SOLVERS.values(),
    TaskKFold,
]
METHODS = [
    pytest.param(cls, name, id=f"{cls.__name__}.{name}")
    for cls in [*ESTIMATORS, *CV_ESTIMATORS]
    for name in [
        *["fit", "predict", "score", "transform"],
        *["decision_function", "predict_proba", "predict_log_proba"],
    ]
    if "mtlreg" in getattr(getattr(cls, name, None), "__module__", "")
]


def section(doc, title):
    """The lines below a section's title, without indentation, or None."""
    doc = inspect.cleandoc(doc)
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[^\n]*\n---|\Z)", doc, re.M | re.S)
    return found and found.group(1).splitlines()


def names_in(lines):
    """Names that a section of Parameters or Attributes describes."""
    heads = [line for line in lines if line and not line.startswith(" ")]
    names = [name for head in heads for name in head.split(" : ")[0].split(",")]
    return [name.strip().lstrip("*") for name in names]


def parameters_of(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


@pytest.mark.parametrize("name", mtlreg.__all__)
def test_everything_public_has_a_docstring(name):
    value = getattr(mtlreg, name)
    if name != "__version__":
        doc = inspect.cleandoc(value.__doc__)
        assert len(doc.splitlines()[0]) < 80
        assert doc.splitlines()[0].endswith(".")
        assert section(doc, "Examples")


@pytest.mark.parametrize(
    "cls", [*ESTIMATORS, *CV_ESTIMATORS], ids=lambda cls: cls.__name__
)
def test_estimator(cls):
    doc = cls.__doc__
    assert "%(" not in doc
    assert names_in(section(doc, "Parameters")) == parameters_of(cls)
    X, y, tasks = draw("classifier" if is_classifier(cls) else "regressor")
    # a search of few strengths has the attributes of a long one
    short = {"alphas": 3} if cls in CV_ESTIMATORS else {}
    est = cls(**short).fit(X, y, tasks=tasks)
    fitted = {name for name in vars(est) if name.endswith("_")}
    documented = names_in(section(doc, "Attributes"))
    assert len(documented) == len(set(documented))
    otherwise = {"feature_names_in_", *OTHERWISE.get(cls, [])}
    assert fitted | otherwise == set(documented)
    assert ">>>" in "\n".join(section(doc, "Examples"))
    assert section(doc, "References")
    assert "F(A, b) = " in doc
    assert "penalty" in doc
    for line in inspect.cleandoc(doc).splitlines():
        assert len(line) <= 88


@pytest.mark.parametrize(
    "cls", [*ESTIMATORS, *CV_ESTIMATORS], ids=lambda cls: cls.__name__
)
def test_documented_defaults(cls):
    lines = section(cls.__doc__, "Parameters")
    for name, parameter in inspect.signature(cls).parameters.items():
        (head,) = [line for line in lines if line.startswith(f"{name} : ")]
        if parameter.default is None:
            assert head.endswith("optional")
        else:
            stated = head.split("default=")[1].replace('"', "'")
            assert eval(stated) == parameter.default  # a literal of our own


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_method(cls, name):
    method = getattr(cls, name)
    documented = names_in(section(method.__doc__, "Parameters"))
    assert documented == parameters_of(method)
    assert section(method.__doc__, "Returns")


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_function(function):
    documented = names_in(section(function.__doc__, "Parameters"))
    assert documented == parameters_of(function)
    for title in ("Returns", "Raises", "Examples"):
        assert section(function.__doc__, title), title


@pytest.mark.parametrize("cls", PARTS, ids=lambda cls: cls.__name__)
def test_part(cls):
    if parameters_of(cls):
        documented = names_in(section(cls.__doc__, "Parameters"))
        assert documented == parameters_of(cls)
    assert section(cls.__doc__, "Examples")


def test_sections_are_found():
    doc = """Title.

    Parameters
    ----------
    first, second : int
        Text: with a colon.
    third

    Returns
    -------
    int
    """
    assert names_in(section(doc, "Parameters")) == ["first", "second", "third"]
    assert section(doc, "Examples") is None
    everywhere, of_classes = len(ESTIMATORS) + len(CV_ESTIMATORS), len(CLASSIFIERS)
    others = sum(hasattr(cls, "transform") for cls in [*ESTIMATORS, *CV_ESTIMATORS])
    assert len(METHODS) == 3 * everywhere + 2 * 3 * of_classes + others
    assert others
