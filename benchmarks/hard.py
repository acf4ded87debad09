"""Hard problems: slow, badly scaled or many tasks, and what they may cost.

    [MTLREG_DATA=folder] python benchmarks/hard.py [--only NAME ...] [--list]

Iterations and gap of one fit, against a largest number and ``tol F0``; where the time
counts, the median of a few processor times over that of a reference in the same
process, one thread of BLAS. Prints a Markdown table; exit status 1 on a miss.
"""

import argparse
import itertools
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from _data import Progress, blocks, data_fit, load_school, markdown
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import mtlreg
from mtlreg.penalties import L1, InfimalSum

REPEATS, LONG = 5, 3.0
SINGLE_FIT = 7
MANY_TASKS = 33
HEADER = ["problem", "iterations", "at most", "gap / target", "seconds"]
HEADER += ["over", "ratio", "at most", "met"]


class Fit(NamedTuple):
    """An unfitted estimator and the data that it is to be fitted to.

    With ``alphas`` it is that many points of a path, whose iterations are added.
    """

    model: object
    X: np.ndarray
    y: np.ndarray
    tasks: np.ndarray | None = None
    alphas: int | None = None

    def run(self):
        if self.alphas is None:
            return self.model.fit(self.X, self.y, tasks=self.tasks)
        data = {"X": self.X, "y": self.y, "tasks": self.tasks}
        path = mtlreg.regularization_path(
            self.model, **data, alphas=self.alphas, eps=0.01
        )
        return SimpleNamespace(
            n_iter_=int(path.n_iter.sum()),
            dual_gap_=float(path.gap.max()),
            tol=self.model.tol,
        )


class LowRankPlusEntries(mtlreg.TraceNormRegressor):
    """Low rank plus single entries that cost so much that there are none."""

    def _penalty(self, read):
        return InfimalSum(super()._penalty(read), L1(1.1 * self.alpha))


@dataclass(frozen=True)
class Hard:
    """A hard problem.

    Attributes
    ----------
    name : str
    shows : str
        What is hard about it, in one line.
    build : callable
        Returns the `Fit`.
    iterations : int, optional
        The most there may be.
    certified : bool
        Whether the fit has to reach its target, or only to end early and say so.
    reference : callable, optional
        Takes the `Fit`, returns what its time is divided by, and a name for that.
    ratio : float, optional
        The largest ratio of times.
    needs_data : bool
        Whether it reads a data set.
    """

    name: str
    shows: str
    build: Callable
    iterations: int | None = None
    certified: bool = True
    reference: Callable | None = None
    ratio: float | None = None
    needs_data: bool = False


def raw_school():
    """Return School as it is: dummies, shares and years."""
    X, y, tasks, _ = load_school()
    return X, y, tasks


def raw_columns(n_tasks=40, n_features=24):
    """Return rows of dummies and of positive columns with scales of 1 to 400."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(20, 120, n_tasks)
    tasks, half = np.repeat(np.arange(n_tasks), sizes), n_features // 2
    dummies = rng.random((len(tasks), half)) < rng.uniform(0.1, 0.5, half)
    level = 2 + 0.5 * rng.normal(size=(n_tasks, half))[tasks]
    measures = np.abs(level + rng.normal(size=level.shape))
    X = np.hstack([dummies, measures * np.geomspace(1, 400, half)])
    coef = rng.normal(size=(n_features, 3)) @ rng.normal(size=(3, n_tasks))
    signal = np.sum((X - X.mean(axis=0)) / X.std(axis=0) * coef.T[tasks], axis=1)
    noise = 4 * rng.normal(size=len(tasks)) + 3 * rng.normal(size=n_tasks)[tasks]
    return X, 20 + signal + noise, tasks


def trace(table, divisor):
    return at_share(mtlreg.TraceNormRegressor(1.0), divisor, *table())


def trace_wide():
    """Return 20 rows of four tasks with 100,000 features."""
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(4), 5)
    X = rng.normal(size=(20, 100_000))
    left = rng.normal(size=(X.shape[1], 2)) * (rng.random((X.shape[1], 1)) < 1e-3)
    coef = left @ rng.normal(size=(2, 4))
    y = np.sum(X * coef.T[tasks], axis=1) + rng.normal(size=20)
    return at_share(mtlreg.TraceNormRegressor(1.0), 100, X, y, tasks)


def binary(n_tasks, n_rows, n_features, seed, noise=0.0):
    """Return rows of correlated features 0 and 1 and balanced classes of each task.

    Without noise the features separate them, if there are more than rows.
    """
    rng = np.random.default_rng(seed)
    shape = n_tasks * n_rows, n_features
    factors = rng.normal(size=(shape[0], 2)) @ rng.normal(size=(2, n_features))
    X = (factors + 0.5 * rng.normal(size=shape) > 0).astype(float)
    margin = X @ rng.normal(size=n_features) + noise * rng.logistic(size=len(X))
    margin = margin.reshape(n_tasks, n_rows)
    y = (margin > np.median(margin, axis=1, keepdims=True)).astype(int)
    y[:, 0], y[:, 1] = 1, 0
    return X, y.ravel(), np.repeat(np.arange(n_tasks), n_rows)


def dirty_logistic():
    model = mtlreg.DirtyModelClassifier(0.002, 0.002, tol=1e-10)
    return Fit(model, *binary(4, 60, 20, seed=13, noise=0.1))


def l1_separable():
    model = mtlreg.GroupLassoClassifier(1.0, l1_ratio=1.0, tol=1e-7)
    return at_share(model, 1e4, *binary(1, 10, 20, seed=4))


def separable(model, n_tasks=10, n_rows=20, n_features=20):
    """Return correlated rows far from 0, a plane between the classes of a task."""
    rng = np.random.default_rng(0)
    tasks = np.arange(n_tasks * n_rows) % n_tasks
    X = 100 + rng.normal(size=(len(tasks), 1))
    X = X + 0.3 * rng.normal(size=(len(tasks), n_features))
    y = (own_signal(rng, X - X.mean(axis=0), tasks) > 0).astype(int)
    return at_share(model.set_params(fit_intercept=False), 500, X, y, tasks)


def own_signal(rng, X, tasks):
    """Return predictions by coefficients that tasks share in part."""
    shape = (X.shape[1], tasks.max() + 1)
    coef = rng.normal(size=(shape[0], 1)) + 0.5 * rng.normal(size=shape)
    return np.sum(X * coef.T[tasks], axis=1)


def float32_mean_100():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(200, 20)) + 100).astype(np.float32)
    Z = X @ (coef := rng.normal(size=(20, 3))) - 100 * coef.sum(axis=0)
    model = mtlreg.GroupLassoClassifier(1.0, l1_ratio=1.0, fit_intercept=False)
    return at_share(model, 100, X, (Z > 0).astype(int))


def direct_scales():
    """Return columns of which one is 1e8 times larger, one as much smaller."""
    X, y, tasks = plain_tasks(10, 8, 20)
    X[:, 0] *= 1e8
    X[:, 1] *= 1e-8
    return Fit(mtlreg.MeanRegularizedRegressor(1.0, solver="direct"), X, y, tasks)


def direct_constant_duplicated():
    """Return columns of which two are equal and one is constant, no intercept."""
    X, y, tasks = plain_tasks(3, 8, 20)
    X[:, 1], X[:, 2] = X[:, 0], 1e6
    model = mtlreg.MeanRegularizedRegressor(
        1e-4, alpha_mean=1e-4, solver="direct", fit_intercept=False
    )
    return Fit(model, X + 100, y, tasks)


def mean_50000_tasks():
    X, y, tasks = plain_tasks(50_000, 4, 1)
    return Fit(mtlreg.MeanRegularizedRegressor(), X, y, tasks)


def leave_one_out(cv="loo"):
    model = mtlreg.MeanRegularizedRegressorCV(alphas=10, cv=cv)
    return Fit(model, *plain_tasks(2_000, 10, 3))


def many_tasks(model):
    return at_share(model, 10, *plain_tasks(5_000, 4, 20))


def plain_tasks(n_tasks, n_rows, n_features):
    """Return Gaussian rows of tasks that share their coefficients in part."""
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(n_tasks), n_rows)
    X = rng.normal(size=(len(tasks), n_features))
    y = own_signal(rng, X, tasks) + tasks % 7 + rng.normal(size=len(tasks))
    return X, y, tasks


def at_share(model, divisor, X, y, tasks=None):
    """Return the fit of a model with its strengths at alpha_max over a number."""
    largest = mtlreg.alpha_max(model, X, y, tasks=tasks) / divisor
    names = [name for name in model.get_params() if name.startswith("alpha")]
    leading = getattr(model, names[0])
    strengths = {name: largest * getattr(model, name) / leading for name in names}
    return Fit(model.set_params(**strengths), X, y, tasks)


def school_like(alphas=None):
    """Return 139 tasks with rows of their own and coefficients of rank 3."""
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(139), rng.integers(20, 250, 139))
    X = rng.normal(size=(len(tasks), 28)) @ (np.eye(28) + 0.15)
    coef = rng.normal(size=(28, 3)) @ rng.normal(size=(3, 139))
    signal = np.sum(X * coef.T[tasks], axis=1)
    y = signal + 2 * signal.std() * rng.normal(size=len(tasks))
    model = LowRankPlusEntries(1.0, tol=1e-8)
    return at_share(model, 30, X, y, tasks)._replace(alphas=alphas)


def one_table(alphas=None):
    """Return 50 tasks with the same 1,000 rows of 200 features."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 200)) @ (
        np.eye(200) + 0.02 * rng.normal(size=(200, 200))
    )
    signal = X @ rng.normal(size=(200, 4)) @ rng.normal(size=(4, 50))
    y = signal + 2 * signal.std() * rng.normal(size=signal.shape)
    model = LowRankPlusEntries(1.0, tol=1e-8)
    return at_share(model, 30, X, y)._replace(alphas=alphas)


def low_rank_alone(fit):
    model = mtlreg.TraceNormRegressor(**fit.model.get_params())
    return fit._replace(model=model).run, "low rank"


def gram_product(_):
    X = np.random.default_rng(0).normal(size=(20_000, 300))
    return lambda: X.T @ X, "X'X of 20,000 x 300"


def five_folds(_):
    return leave_one_out(cv=5).run, "cv=5"


def _trace_problems():
    tables = {"trace-raw-school": raw_school, "trace-raw-columns": raw_columns}
    for name, table in tables.items():
        for divisor in (10, 100, 1000):
            yield Hard(
                f"{name}-{divisor}",
                f"trace norm on columns as they are, alpha_max / {divisor}",
                partial(trace, table, divisor),
                iterations=500,
                needs_data=table is raw_school,
            )


def _sum_problems():
    tables = {"tasks": school_like, "table": one_table}
    for (name, table), alphas in itertools.product(tables.items(), (None, 20)):
        yield Hard(
            f"low-rank-plus-entries-{name}" + ("-path" if alphas else ""),
            "low rank plus entries that are all 0"
            + (f", path of {alphas} points" if alphas else ""),
            partial(table, alphas),
            reference=low_rank_alone,
            ratio=2,
        )


PROBLEMS = [
    *_trace_problems(),
    *_sum_problems(),
    Hard(
        "trace-wide",
        "trace norm, 100,000 features of 20 rows with tasks",
        trace_wide,
        iterations=500,
    ),
    Hard(
        "dirty-logistic",
        "dirty model at tol=1e-10, correlated features 0 and 1",
        dirty_logistic,
        iterations=2_000,
    ),
    Hard(
        "l1-logistic-separable",
        "L1 at tol=1e-7 and alpha_max / 10,000, ten separable rows of 20 features",
        l1_separable,
        iterations=2_000,
    ),
    Hard(
        "linf-logistic-separable",
        "L1/Linf at alpha_max / 500, ten separable tasks",
        lambda: separable(mtlreg.GroupLassoClassifier(1.0, norm="linf")),
    ),
    Hard(
        "dirty-logistic-separable",
        "dirty model at alpha_max / 500, ten separable tasks",
        lambda: separable(mtlreg.DirtyModelClassifier(np.sqrt(2), 1.0)),
    ),
    Hard(
        "float32-mean-100",
        "float32, features of mean 100 and no intercept: ends early and says so",
        float32_mean_100,
        iterations=1_000,
        certified=False,
    ),
    Hard(
        "direct-scales",
        "the direct solver on columns scaled by 1e8 and 1e-8",
        direct_scales,
        iterations=1,
    ),
    Hard(
        "direct-constant-duplicated",
        "the direct solver on constant and equal columns",
        direct_constant_duplicated,
        iterations=1,
    ),
    Hard(
        "mean-50000-tasks",
        "mean regularisation, 50,000 tasks of 4 rows with one feature",
        mean_50000_tasks,
        reference=gram_product,
        ratio=SINGLE_FIT,
    ),
    Hard(
        "loo-2000-tasks",
        "leave-one-out of 2,000 tasks of 10 rows with 3 features",
        leave_one_out,
        reference=five_folds,
        ratio=2,
    ),
    Hard(
        "dirty-5000-tasks",
        "dirty model, 5,000 tasks of 4 rows with 20 features",
        lambda: many_tasks(mtlreg.DirtyModelRegressor(np.sqrt(2), 1.0)),
        reference=gram_product,
        ratio=MANY_TASKS,
    ),
    Hard(
        "group-5000-tasks",
        "group lasso, 5,000 tasks of 4 rows with 20 features",
        lambda: many_tasks(mtlreg.GroupLassoRegressor(1.0)),
        reference=gram_product,
        ratio=MANY_TASKS,
    ),
]


def null_objective(fit):
    """Return F at A = 0 and the best intercepts."""
    loss = "logistic" if hasattr(fit.model, "classes_") else "squared"
    y = fit.y if loss == "squared" else np.where(fit.y > 0, 1.0, -1.0)
    # one column of ones for X: the loss of constants needs no other
    tasks = None if y.ndim == 2 else fit.tasks
    parts = blocks(np.zeros((len(y), 1)), y.astype(np.float64), tasks)
    intercept = np.zeros(len(parts))
    if fit.model.fit_intercept:
        mean = np.array([target.mean() for _, target in parts])
        intercept = mean if loss == "squared" else 2 * np.arctanh(mean)
    return data_fit(parts, np.zeros((len(parts), 1)), intercept, loss=loss)


def processor_time(function, repeats=REPEATS):
    """Return the median processor time of a function that was called before."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return float(np.median(times))


def measure(hard):
    """Return the cells of a problem, and whether its targets are met."""
    fit = hard.build()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        start = time.process_time()
        model = fit.run()
        first = time.process_time() - start
    said = any(issubclass(w.category, ConvergenceWarning) for w in caught)
    # float32 is never asked for less
    tol = max(model.tol, 2e-6 if fit.X.dtype == np.float32 else 0.0)
    gap = model.dual_gap_ / (tol * null_objective(fit))
    met = gap <= 1 and not said if hard.certified else gap <= 1 or said
    if hard.iterations is not None:
        met &= model.n_iter_ <= hard.iterations
    cells = [hard.name, str(model.n_iter_), str(hard.iterations or ""), f"{gap:.2g}"]
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        seconds = processor_time(fit.run) if first < LONG else first
        cells.append(f"{seconds:.2g}")
        if hard.reference is None:
            return [*cells, "", "", ""], bool(met)
        function, name = hard.reference(fit)
        function()
        ratio = seconds / processor_time(function)
    met &= ratio <= hard.ratio
    return [*cells, name, f"{ratio:.1f}", f"{hard.ratio:g}"], bool(met)


def main(problems, description, arguments=None):
    """Print the table of the problems; return the exit status."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog="MTLREG_DATA names the folder of the data sets.",
    )
    names = [hard.name for hard in problems]
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=names, default=names
    )
    parser.add_argument("--list", action="store_true", help="say what there is")
    options = parser.parse_args(arguments)
    if options.list:
        rows = [[hard.name, hard.shows] for hard in problems]
        print(markdown(["problem", "what it shows"], rows))
        return 0
    chosen = [hard for hard in problems if hard.name in options.only]
    skipped = [h.name for h in chosen if h.needs_data and not data_is_there()]
    chosen = [hard for hard in chosen if hard.name not in skipped]
    progress, rows, missed = Progress(len(chosen)), [], 0
    with threadpool_limits(1):
        for hard in chosen:
            cells, met = measure(hard)
            rows.append([*cells, "yes" if met else "NO"])
            missed += not met
            progress.step("  ".join(rows[-1]))
    print(markdown(HEADER, rows))
    if skipped:
        print(f"\nMTLREG_DATA is unset, which {', '.join(skipped)} need: left out")
    print(f"\n{len(rows)} problems, {missed} missed")
    return 1 if missed else 0


def data_is_there():
    return bool(os.environ.get("MTLREG_DATA"))


if __name__ == "__main__":
    what = "Fit the hard problems; hold iterations, gaps and times to limits."
    sys.exit(main(PROBLEMS, what))
