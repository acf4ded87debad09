"""Cross-validated estimators and paths: their speed against what they replace.

    MTLREG_DATA=folder python benchmarks/cross_validation.py [--quick]

Processor time on one thread, both sides in one process and in turns, medians; memory by
tracemalloc. Prints a Markdown table of ratios beside the targets; exit status 1 on a
miss. ``--quick`` leaves out the grid searches on School.
"""

import argparse
import itertools
import sys
import time
import tracemalloc
import warnings

import numpy as np
from _board import problems
from _data import load_school, markdown, standardise
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLassoCV
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

import mtlreg
from mtlreg.model_selection import TaskKFold

STEMS = ("GroupLasso", "TraceNorm", "DirtyModel", "MeanRegularized")
FASTER = {"tall": 5.0, "wide": 1.5}
PATH_LIMITS = {"GroupLasso": 5.0, "TraceNorm": 8.0}
SEARCH = 10.0
MEMORY = 2.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    parts = [path_rows, shared_rows, memory_rows]
    if not options.quick:
        parts.append(search_rows)
    table, missed = [], 0
    with threadpool_limits(1):
        for *row, met in itertools.chain.from_iterable(part() for part in parts):
            table.append([*row, "yes" if met else "NO"])
            missed += not met
            print(*table[-1], sep="  ", file=sys.stderr, flush=True)
    print(markdown(["what", "figure", "target", "met"], table))
    return 1 if missed else 0


def school():
    """Return the standardised School table, task labels as the last column, and y."""
    X, y, tasks, _ = load_school()
    return np.column_stack([standardise(X), tasks]), y


def path_rows():
    """A path of 100 points to alpha_max / 100 against single fits."""
    X, y = school()
    for stem, limit in PATH_LIMITS.items():
        model = getattr(mtlreg, f"{stem}Regressor")(tol=1e-4, task_column=-1)
        alphas = mtlreg.alpha_grid(model, X, y, eps=0.01)
        last = clone(model).set_params(alpha=alphas[-1])
        path, fit = medians(
            lambda model=model: mtlreg.regularization_path(model, X, y, eps=0.01),
            lambda last=last: last.fit(X, y),
        )
        yield at_most(f"{stem} path of School, over its last fit", path / fit, limit)
    model = mtlreg.TraceNormRegressor(tol=1e-6, task_column=-1)
    path, cold = medians(
        lambda: mtlreg.regularization_path(model, X, y, alphas=alphas),
        lambda: [clone(model).set_params(alpha=a).fit(X, y) for a in alphas],
        repeats=1,
    )
    yield at_most("TraceNorm path at tol 1e-6, over 100 fits", path / cold, 1 / 3)


def shared_rows():
    """`GroupLassoRegressorCV` against `MultiTaskLassoCV`, one X for all tasks."""
    for name, limit in FASTER.items():
        problem = problems.make(name)
        X, Y = problem.X, problem.y
        alphas = mtlreg.alpha_grid(mtlreg.GroupLassoRegressor(), X, Y)
        splits = list(TaskKFold(5, random_state=0).split(X, Y))
        ours = mtlreg.GroupLassoRegressorCV(alphas=alphas, cv=splits, tol=1e-4)
        # its gap is relative to the sum of squares, ours to half of it
        theirs = MultiTaskLassoCV(alphas=alphas, cv=splits, tol=5e-5, max_iter=100_000)
        slow, fast = medians(
            lambda theirs=theirs, X=X, Y=Y: theirs.fit(X, Y),
            lambda ours=ours, X=X, Y=Y: ours.fit(X, Y),
            repeats=1,
        )
        same = ours.alpha_ == theirs.alpha_
        yield at_least(
            f"{name}, faster than MultiTaskLassoCV", slow / fast, limit, same
        )


def search_rows():
    """Each estimator against a grid search over the same points, folds and scores."""
    X, y = school()
    cv = TaskKFold(5, task_column=-1, random_state=0)
    for stem in STEMS:
        search = getattr(mtlreg, f"{stem}RegressorCV")(task_column=-1, cv=cv)
        points = search.fit(X, y).cv_results_["params"]
        grid = GridSearchCV(
            getattr(mtlreg, f"{stem}Regressor")(task_column=-1),
            [{name: [value] for name, value in point.items()} for point in points],
            cv=cv,
            scoring="neg_mean_squared_error",
        )
        slow, fast = medians(
            lambda grid=grid: grid.fit(X, y),
            lambda search=search: search.fit(X, y),
            repeats=1,
        )
        best = points[np.argmax(search.cv_results_["mean_test_score"])]
        what = f"School, {stem}, faster than GridSearchCV"
        yield at_least(what, slow / fast, SEARCH, grid.best_params_ == best)


def memory_rows():
    """Peak memory of a fit beyond its input and statistics, in sizes of the data."""
    for name in FASTER:
        problem = problems.make(name)
        X, Y = problem.X, problem.y
        search = mtlreg.GroupLassoRegressorCV(alphas=10, eps=0.1, tol=1e-4).fit(X, Y)
        tracemalloc.start()
        search.fit(X, Y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        n, d = X.shape
        # of the five test parts, and merged before and after each
        statistics = 3 * 5 * 8 * d * d if n > d else 0
        ratio = (peak - statistics) / (X.nbytes + Y.nbytes)
        yield at_most(f"{name}, memory but for statistics, over data", ratio, MEMORY)


def medians(first, second, repeats=3):
    """Return the median processor times of two functions, called in turns."""
    times = []
    for function in (first, second) * repeats:
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return np.median(times[::2]), np.median(times[1::2])


def at_most(what, ratio, limit):
    return what, f"{ratio:.2f}", f"at most {limit:.2g}", ratio <= limit


def at_least(what, ratio, limit, same_choice):
    figure = f"{ratio:.1f}" + ("" if same_choice else ", another strength chosen")
    return what, figure, f"at least {limit:.2g}", ratio >= limit


if __name__ == "__main__":
    sys.exit(main())
