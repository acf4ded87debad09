"""The kernel cache, seen from fresh processes that run a copy of the package."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import mtlreg

pytestmark = pytest.mark.slow

# a prox, as many fits as asked for, and what became of every compiled function
SCRIPT = """
import json, sys
import numpy as np
import mtlreg
from numba.core import event, types
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher
from mtlreg.design import MultiTaskData
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
        away = ("NUMBA_", "XDG_CACHE_HOME")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(away)}
        done = subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", "-c", SCRIPT, str(n_fits)],
            env={**kept, "PYTHONPATH": str(self.folder), **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
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
