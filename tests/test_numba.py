"""The kernel cache, seen from fresh processes that run a copy of the package."""

import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys

import numba
import numpy as np
import pytest

import mtlreg
from mtlreg._numba import _build_prox_rows, source_digest
from mtlreg.penalties import L21

pytestmark = pytest.mark.slow

# a prox, as many fits as asked for, and what became of every compiled function
SCRIPT = """
import json, sys
import numpy as np
import mtlreg
from numba.core import event, types
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher
from mtlreg.problem.data import MultiTaskData
from mtlreg.losses import Squared
from mtlreg.penalties import L21, Dirty, SparseGroup, TraceNorm
from mtlreg.problem import Problem
from mtlreg.solvers import FISTA, choose_solver

class TextListener(event.Listener):
    found = []

    def on_start(self, event):
        if types.unicode_type in event.data["args"]:
            self.found.append(str(event.data["dispatcher"]))

    def on_end(self, event):
        pass

event.register("numba:compile", TextListener())
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(20, 4)), rng.normal(size=(20, 3))
data, solutions = MultiTaskData(X, Y, np.ones((20, 3))), []
penalties = [L21(0.1), SparseGroup(0.1, 0.5), Dirty(0.14, 0.1), TraceNorm(0.1)]
for penalty in penalties[: int(sys.argv[1])]:
    problem = Problem(data, Squared(), penalty, np.ones(3))
    for solver in (FISTA(), choose_solver(problem, 10_000, 1e-6)):
        solutions.append(solver.solve(problem))
prox = L21(2.5).prox(np.array([[3.0, 4.0]]), 1.0)
kernels = {
    id(value): value
    for name, module in sys.modules.items() if name.split(".")[0] == "mtlreg"
    for value in vars(module).values() if isinstance(value, Dispatcher)
}.values()
print(json.dumps({
    "file": mtlreg.__file__,
    "prox": prox.tolist(),
    "converged": [solution.converged for solution in solutions],
    "hits": sum(sum(k.stats.cache_hits.values()) for k in kernels),
    "signatures": sum(len(k.signatures) for k in kernels),
    "kept": sum(len(k.signatures) for k in kernels if type(k._cache) is not NullCache),
    "text": TextListener.found,
}))
"""


# a penalty from outside the package, as a user may write it
STRANGER = """
from typing import NamedTuple
import numpy as np
from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties import L1

class StrangerRow(NamedTuple):
    alpha: float

@prox_row.register(StrangerRow)
def _prox(params, j, row, step, scratch):
    for t in range(row.size):
        row[t] = np.sign(row[t]) * max(abs(row[t]) - step * params.alpha, 0.0)

@solve_row.register(StrangerRow)
def _solve(params, j, z, curvature, row, scratch):
    for t in range(row.size):
        size = abs(z[t]) - params.alpha
        row[t] = np.sign(z[t]) * size / curvature[t] if size > 0.0 else 0.0

class Stranger(L1):
    row_params = property(lambda self: StrangerRow(float(self.alpha)))
"""

# the prox of penalties by name, and with "fits" fits of them by coordinate descent
STRANGE = """
import json, sys
import numpy as np
from mtlreg.problem.data import MultiTaskData
from mtlreg.losses import Squared
from mtlreg.penalties import L1
from mtlreg.problem import Problem
from mtlreg.solvers import BCD

if "Stranger" in sys.argv:
    from stranger import Stranger

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(20, 4)), rng.normal(size=(20, 3))
data = MultiTaskData(X, Y, np.ones((20, 3)))
kinds = [globals()[name] for name in ("Stranger", "L1") if name in sys.argv]
solutions = [
    BCD().solve(Problem(data, Squared(), kind(0.1), np.ones(3)))
    for kind in kinds if "fits" in sys.argv
]
print(json.dumps({
    "prox": [kind(1.0).prox(np.array([[3.0, -0.5]]), 1.0).tolist() for kind in kinds],
    "converged": [solution.converged for solution in solutions],
}))
"""


def run(script, *args, folder, **variables):
    """Run a script in a new process that imports from ``folder`` first."""
    away = ("NUMBA_", "XDG_CACHE_HOME")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(away)}
    package = str(pathlib.Path(mtlreg.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", script, *args],
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join([str(folder), package]),
            # a module that is edited twice in a second is read again
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Copy:
    """A copy of the package, and processes that run it."""

    def __init__(self, folder):
        self.folder = folder
        self.package = folder / "mtlreg"
        shutil.copytree(
            pathlib.Path(mtlreg.__file__).parent,
            self.package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def run(self, n_fits, **variables):
        """Run the script in a new process and return what it reports."""
        report = run(SCRIPT, str(n_fits), folder=self.folder, **variables)
        assert pathlib.Path(report["file"]).parent == self.package
        return report


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def first(copy, cache):
    """What the first process reports, with an empty cache."""
    return copy.run(4, NUMBA_CACHE_DIR=str(cache))


def compiled_files(cache):
    return sorted(path.name for path in cache.rglob("*.nbc"))


def test_the_first_process_compiles_and_keeps(first, cache):
    assert first["prox"] == [[1.5, 2.0]]
    assert all(first["converged"])
    assert first["hits"] == 0
    assert len(compiled_files(cache)) == first["kept"] > 0


def test_no_kernel_compiles_functions_of_text(first):
    """As the copy of an array does in a kernel, for its error message, in seconds."""
    assert first["text"] == []


def test_a_second_process_compiles_nothing(copy, cache, first):
    files = compiled_files(cache)
    second = copy.run(4, NUMBA_CACHE_DIR=str(cache))
    # all that this process runs came from the cache, with what it calls in it
    assert second["hits"] == second["signatures"] == first["kept"]
    assert second["prox"] == first["prox"]
    assert compiled_files(cache) == files


def test_a_kernel_edited_in_another_file_is_never_stale(tmp_path):
    """The row kernel is called by one of another file, the one that numba watches."""
    edited = Copy(tmp_path)
    folder = str(tmp_path / "cache")
    assert edited.run(0, NUMBA_CACHE_DIR=folder)["prox"] == [[1.5, 2.0]]
    path = edited.package / "penalties" / "l21.py"
    source = path.read_text()
    changed = source.replace("shrink * row[t]", "0.5 * shrink * row[t]")
    assert changed != source
    path.write_text(changed)
    report = edited.run(0, NUMBA_CACHE_DIR=folder)
    assert report["prox"] == [[0.75, 1.0]]


def test_without_a_writable_cache_folder_everything_works(tmp_path):
    """Files in the place of folders, which also stop a user who may write anywhere."""
    copy = Copy(tmp_path)
    for folder in [copy.package, *copy.package.rglob("*")]:
        if folder.is_dir():
            (folder / "__pycache__").write_text("")
    report = copy.run(1, HOME=os.devnull, XDG_CACHE_HOME=os.devnull)
    assert report["kept"] == 0
    assert all(report["converged"])
    assert report["signatures"] > 0
    assert report["prox"] == [[1.5, 2.0]]


def test_types_from_outside_never_enter_the_cache(tmp_path):
    module, cache = tmp_path / "stranger.py", tmp_path / "cache"
    module.write_text(STRANGER)

    def found(*args):
        return run(STRANGE, *args, folder=tmp_path, NUMBA_CACHE_DIR=str(cache))

    for _ in range(2):
        report = found("Stranger", "L1", "fits")
        assert report["prox"] == [[[2.0, 0.0]]] * 2
        assert report["converged"] == [True, True]
    assert compiled_files(cache)
    assert not [p for p in cache.rglob("*.nb?") if b"stranger" in p.read_bytes()]

    changed = STRANGER.replace(
        "row[t] = np.sign(row[t])", "row[t] = 3 * np.sign(row[t])"
    )
    assert changed != STRANGER
    module.write_text(changed)
    assert found("Stranger")["prox"] == [[[6.0, 0.0]]]

    # what the package has kept beside a stranger is read where there is none
    module.unlink()
    files = compiled_files(cache)
    report = found("L1", "fits")
    assert report["prox"] == [[[2.0, 0.0]]]
    assert report["converged"] == [True]
    assert compiled_files(cache) == files


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


VERSION = pickle.dumps(numba.__version__)  # what an index begins by

DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "of another kind": lambda path: path.write_bytes(VERSION + pickle.dumps(1)),
    "of a lost class": lambda path: path.write_bytes(VERSION + b"cnowhere\nGone\n."),
    "a folder": replace_by_folder,
}


def hits_of_prox(cache, monkeypatch):
    """Run a new kernel on a folder of files, in both precisions; return the hits."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(cache))
    prox_rows = _build_prox_rows(source_digest())
    for dtype in (np.float32, np.float64):
        rows = np.array([[3.0, 4.0]], dtype=dtype)
        prox_rows(L21(2.5).row_params, rows, 1.0, np.empty(2, dtype=dtype))
        assert rows.tolist() == [[1.5, 2.0]]
    return sum(prox_rows.stats.cache_hits.values())


@pytest.fixture
def warm(tmp_path, monkeypatch):
    """A cache that holds the kernel of the prox for two precisions."""
    assert hits_of_prox(tmp_path, monkeypatch) == 0
    assert hits_of_prox(tmp_path, monkeypatch) == len(compiled_files(tmp_path)) == 2
    return tmp_path


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_compiled_afresh(damage, kind, warm, monkeypatch):
    for path in list(warm.rglob(f"*.{kind}")):
        DAMAGES[damage](path)
    assert hits_of_prox(warm, monkeypatch) == 0
    mended = 0 if damage == "a folder" else 2
    assert hits_of_prox(warm, monkeypatch) == mended


def test_code_for_other_types_is_not_run(warm, monkeypatch):
    """As two processes leave it that give one number to their files."""
    first, second = sorted(warm.rglob("*.nbc"))
    first.write_bytes(second.read_bytes())
    assert hits_of_prox(warm, monkeypatch) == 1
