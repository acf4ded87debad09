"""First calls in fresh processes: imports, cold and warm first fits.

    python -m _board.first_calls KIND

Run with a kind it makes one first fit of that kind and prints seconds as JSON; the
board starts it twice for each kind, with an empty and then with the filled folder of
compiled code, NUMBA_CACHE_DIR.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

KINDS = {
    "GroupLassoRegressor": {"alpha": 0.2},
    "GroupLassoRegressor linf": {"alpha": 0.2, "norm": "linf"},
    "TraceNormRegressor": {"alpha": 0.2},
    "DirtyModelRegressor": {},
    "MeanRegularizedRegressor": {},
    "GroupLassoClassifier": {"alpha": 0.01},
    "TraceNormClassifier": {"alpha": 0.01},
}
COLD, WARM, IMPORT = 6.0, 0.5, 0.3  # the targets in seconds


def lines(environment, kinds=tuple(KINDS)):
    """Return the Markdown lines of the table of first calls.

    Parameters
    ----------
    environment : dict
        Of the processes to start.
    kinds : sequence of str
        Keys of `KINDS`.
    """
    found = [
        "| estimator | cold s | warm s | second fit ms | |",
        "| --- |" + " ---: |" * 4,
    ]
    imports = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            fresh = environment | {"NUMBA_CACHE_DIR": folder}
            cold, warm = _run(kind, fresh), _run(kind, fresh)
        ok = cold["first"] <= COLD and warm["first"] <= WARM
        imports.append(warm["import"])
        found.append(
            f"| {kind} | {cold['first']:.2f} | {warm['first']:.3f} "
            f"| {1e3 * warm['second']:.2g} | {'ok' if ok else 'MISS'} |"
        )
    added = min(imports)
    verdict = "ok" if added <= IMPORT else "MISS"
    return [
        f"Targets: cold {COLD:g} s, warm {WARM:g} s beyond the imports.",
        "",
        *found,
        "",
        f"`import mtlreg` takes {added:.2f} s beyond scikit-learn's linear models, "
        f"without coverage, which numba would import (target {IMPORT:g}): {verdict}.",
    ]


def _run(kind, environment):
    command = [sys.executable, "-m", "_board.first_calls", kind]
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def _first_call(kind):
    """Time the imports and the first two fits of a small problem in this process."""
    import numpy as np
    import sklearn.linear_model  # noqa: F401

    # a test tool, which numba imports where it is installed, and takes a tenth of a
    # second for
    sys.modules["coverage"] = None
    start = time.perf_counter()
    import mtlreg

    imported = time.perf_counter() - start
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(200, 10)), np.repeat(np.arange(5), 40)
    y = X[:, 0] + 0.1 * rng.normal(size=200)
    name = kind.split()[0]
    if name.endswith("Classifier"):
        y = (y > 0).astype(int)
    model = getattr(mtlreg, name)(**KINDS[kind])
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        model.fit(X, y, tasks=tasks)
        seconds.append(time.perf_counter() - start)
    return {"import": imported, "first": seconds[0], "second": seconds[1]}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(json.dumps(_first_call(sys.argv[1])))
