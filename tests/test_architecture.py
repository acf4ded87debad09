"""Layers, exports and sizes of the source, read from the files themselves."""

import ast
import importlib
import pathlib
import re
import sys

import pytest

from mtlreg.losses import LOSSES
from mtlreg.penalties import PENALTIES
from mtlreg.problem import costs

ROOT = pathlib.Path(__file__).parents[1]

ALONE = "datasets"
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted((ROOT / "mtlreg").rglob("*.py"))
}


def read_picture(text):
    """The layers of CONTRIBUTING.md, from the bottom up, and its captions of files."""
    section = text.partition("## Layers")[2].partition("\n## ")[0]
    items = re.split(r"\n(?=\d+\. | +- |\n)", section)
    items = [re.sub(r"\s+", " ", item).strip() for item in items]
    layers = [
        {
            name.strip("/").removesuffix(".py")
            for name in re.findall(r"`([\w/.]+)`", item)
        }
        for item in items
        if re.match(r"\d", item)
    ]
    found = [re.findall(r"`([\w/]+\.py)`: (.*?)(?= `|$)", item) for item in items]
    return layers, {f"mtlreg/{name}": text for pairs in found for name, text in pairs}


# from the bottom up: a module imports from the groups before its own, and from itself
LAYERS, CAPTIONS = read_picture((ROOT / "CONTRIBUTING.md").read_text())
LAYERS += [{"__init__"}]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
CORE = {name for name in RANK if RANK[name] <= RANK["sequences"]}
CORE_DEPENDENCIES = {
    *("numpy", "scipy", "numba", "threadpoolctl", "mtlreg"),
    *sys.stdlib_module_names,
}


def part_of(module):
    """First name below mtlreg: "mtlreg.penalties.l1" is a part of "penalties"."""
    return module.split(".")[1] if "." in module else "__init__"


def imported_modules(source):
    """Every module that ``source`` imports, wherever in the file and in dotted form."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "mtlreg":
            for alias in node.names:
                is_part = alias.name in {*RANK, ALONE}
                yield f"mtlreg.{alias.name}" if is_part else "mtlreg"
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def import_faults(module, source):
    """What is wrong with the imports of ``module``, in words."""
    part = part_of(module)
    if part not in {*RANK, ALONE}:
        return [f"{part} has no layer"]
    faults = []
    for name in imported_modules(source):
        package = name.split(".")[0]
        if name.startswith("."):
            faults.append(f"{name} is relative")
        elif part in CORE and package not in CORE_DEPENDENCIES:
            faults.append(f"{name} is no dependency of the core")
        elif package == "mtlreg" and not may_import(part, part_of(name)):
            faults.append(f"{name} stands above or beside {part}")
    return faults


def may_import(part, other):
    if part == other:
        return True
    return ALONE not in (part, other) and RANK.get(other, len(LAYERS)) < RANK[part]


def calls_print(source):
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        for node in ast.walk(ast.parse(source))
    )


every_module = pytest.mark.parametrize("module", SOURCES)


@every_module
def test_imports_point_downwards(module):
    assert not import_faults(module, SOURCES[module].read_text())


def test_the_picture_shows_every_file_by_its_first_line():
    found = {
        path.relative_to(ROOT).as_posix(): ast.get_docstring(
            ast.parse(path.read_text())
        )
        for path in SOURCES.values()
        if path.name != "__init__.py"
    }
    assert {k: v.partition("\n")[0] for k, v in found.items()} == CAPTIONS


def test_files_of_a_folder_import_those_above_them():
    order = {name: rank for rank, name in enumerate(CAPTIONS)}
    for module, path in SOURCES.items():
        here = path.relative_to(ROOT).as_posix()
        for name in imported_modules(path.read_text()):
            other = name.replace(".", "/") + ".py"
            if here in order and other in order and part_of(module) == part_of(name):
                assert order[other] < order[here], f"{other} stands below {here}"


def test_the_page_on_costs_has_every_number():
    page = (ROOT / "docs" / "cost.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\S+) \|", page, re.MULTILINE)
    numbers = {name: v for name, v in vars(costs).items() if name.isupper()}
    assert {name: eval(value) for name, value in rows} == numbers


@every_module
def test_no_module_prints(module):
    assert not calls_print(SOURCES[module].read_text())


@every_module
def test_every_file_is_short_enough(module):
    assert len(SOURCES[module].read_text().splitlines()) <= 500


@every_module
def test_exports_resolve(module):
    imported = importlib.import_module(module.removesuffix(".__init__"))
    names = getattr(imported, "__all__", [])
    assert all(isinstance(name, str) for name in names)
    assert [name for name in names if not hasattr(imported, name)] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mtlreg.problem.design", "from mtlreg.solvers import FISTA"),
        ("mtlreg.losses.squared", "import mtlreg.penalties.l1"),
        ("mtlreg.penalties.l1", "def f():\n    from mtlreg import problem"),
        ("mtlreg.solvers.fista", "from mtlreg import alpha_max"),
        ("mtlreg.inputs.read", "import mtlreg"),
        ("mtlreg.inputs.read", "import mtlreg.helpers"),
        ("mtlreg.sequences.path", "from sklearn.utils import Bunch"),
        ("mtlreg.problem.data", "import narwhals.stable.v2 as nw"),
        ("mtlreg.solvers.fista", "from .base import solve"),
        ("mtlreg.estimators.base", "from mtlreg.datasets import make"),
        ("mtlreg.datasets", "from mtlreg.problem import MultiTaskData"),
        ("mtlreg.helpers", ""),
    ],
)
def test_forbidden_imports_are_found(module, source):
    assert len(import_faults(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "mtlreg.problem.terms",
            "import scipy.sparse\nfrom mtlreg.losses import Squared",
        ),
        ("mtlreg.penalties.dirty", "from mtlreg.penalties.l1 import L1"),
        ("mtlreg.estimators.base", "from sklearn.base import BaseEstimator"),
        ("mtlreg.__init__", "from mtlreg.estimators import DirtyModelRegressor"),
        ("mtlreg.datasets", "import pandas"),
    ],
)
def test_allowed_imports_pass(module, source):
    assert import_faults(module, source) == []


def test_print_is_found():
    assert calls_print("if True:\n    print(1)")
    assert not calls_print("def print_report():\n    return 'print(1)'")


# what every model goes through, so that a new one changes nothing there
COMMON = ["solvers", "sequences", "inputs", "problem"]
COMMON += [f"estimators/{name}.py" for name in ("_fit", "_selection", "_splits")]
COMMON += [f"estimators/{name}.py" for name in ("base", "cross_validation", "paths")]
COMMON += [f"estimators/{name}.py" for name in ("strengths", "declarations")]


def test_what_all_models_share_names_no_penalty_and_no_loss():
    models = {cls.__name__ for cls in [*PENALTIES.values(), *LOSSES.values()]}
    found = set()
    for name, path in SOURCES.items():
        place = path.relative_to(ROOT / "mtlreg").as_posix()
        if any(place == part or place.startswith(f"{part}/") for part in COMMON):
            tree = ast.walk(ast.parse(path.read_text()))
            names = {node.id for node in tree if isinstance(node, ast.Name)}
            found |= {(name, model) for model in models & names}
    # statistics are those of the squared loss, several groupings are for it alone
    only = ["mtlreg.problem.problem", "mtlreg.problem.crossed"]
    assert found == {(name, "Squared") for name in only}
