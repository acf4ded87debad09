"""School, the ten standard splits: cross-validated test errors of the estimators.

    MTLREG_DATA=folder python benchmarks/school.py

In every training part the strength is chosen by 5-fold cross-validation with folds
drawn inside each school; the features are standardised by the rows of each fit. The
objective is the plain sum over rows, 1/2 sum_t ||y_t - X_t a_t - b_t||^2 + penalty(A).
Prints a Markdown table beside the values to expect; exit status 1 on a miss.
"""

import argparse
import sys
import time
from typing import NamedTuple

import numpy as np
from _data import Progress, load_school, markdown, row_counts, standardise, task_metrics
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import StratifiedKFold

from mtlreg import GroupLassoRegressor, MeanRegularizedRegressor, TraceNormRegressor

N_SPLITS = 10
METRICS = ("rmse_task", "ev_overall", "ev_within")
TOLERANCE = 0.02
TOL = 1e-5
BASELINE = "independent ridge"
MIN_WINS = 9


class Method(NamedTuple):
    """A row of the table whose strength is chosen by cross-validation.

    Attributes
    ----------
    name : str
    model : estimator
    parameters : tuple of str
        The parameters of the estimator that are set to the strength.
    strengths : tuple of float
        From the largest down.
    expected : tuple of float
        The mean over the splits of the `METRICS`.
    target : float
        What ``rmse_task`` may be at most, with `MIN_WINS` wins against `BASELINE`.
    """

    name: str
    model: object
    parameters: tuple[str, ...]
    strengths: tuple[float, ...]
    expected: tuple[float, ...]
    target: float = np.inf


class Reference(NamedTuple):
    """A row of the table without a strength: least squares on the named columns."""

    name: str
    slopes: bool
    own_intercepts: bool
    expected: tuple[float, ...]
    target: float = np.inf


METHODS = [
    Method(
        BASELINE,
        MeanRegularizedRegressor(),
        ("alpha", "alpha_mean"),
        (100.0, 30.0, 10.0, 3.0),
        (10.255, 0.343, 0.235),
    ),
    Method(
        "L1",
        GroupLassoRegressor(l1_ratio=1.0),
        ("alpha",),
        (80.0, 40.0, 20.0),
        (10.199, 0.348, 0.242),
    ),
    Method(
        "L2,1",
        GroupLassoRegressor(),
        ("alpha",),
        (800.0, 400.0, 200.0),
        (10.075, 0.361, 0.257),
        target=10.10,
    ),
    Method(
        "trace norm",
        TraceNormRegressor(),
        ("alpha",),
        (1600.0, 800.0, 400.0),
        (9.917, 0.378, 0.277),
        target=9.94,
    ),
    Method(
        "mean-regularised",
        MeanRegularizedRegressor(alpha_mean=0.0),
        ("alpha",),
        (1000.0, 300.0, 100.0, 30.0),
        (9.888, 0.382, 0.282),
        target=9.91,
    ),
    Reference("task means", False, True, (11.869,)),
    Reference("common slopes, own intercepts", True, True, (9.929,)),
    Reference("one model for all", True, False, (10.203,)),
]


def predictions(method, strengths, X, y, tasks, train, test):
    """Yield the predictions of the rows ``test`` for one strength after the other."""
    X = standardise(X, train)
    model = clone(method.model).set_params(
        task_weight=row_counts(tasks[train]), tol=TOL, warm_start=True
    )
    for strength in strengths:
        model.set_params(**dict.fromkeys(method.parameters, strength))
        model.fit(X[train], y[train], tasks=tasks[train])
        yield model.predict(X[test], tasks=tasks[test])


def choose_strength(method, X, y, tasks, rows, seed):
    """Return the strength of the smallest cross-validated ``rmse_task``."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    errors = np.zeros(len(method.strengths))
    for inner, held_out in folds.split(rows, tasks[rows]):
        train, test = rows[inner], rows[held_out]
        found = predictions(method, method.strengths, X, y, tasks, train, test)
        for k, prediction in enumerate(found):
            errors[k] += task_metrics(y[test], prediction, tasks[test])["rmse_task"]
    return method.strengths[np.argmin(errors)]


def least_squares(reference, X, y, tasks, train, test):
    """Return the predictions of least squares with slopes or intercepts of tasks."""
    own = (tasks[:, None] == np.unique(tasks)).astype(float)
    parts = [standardise(X, train)] * reference.slopes + [
        own
    ] * reference.own_intercepts
    columns = np.hstack(parts)
    model = LinearRegression(fit_intercept=not reference.own_intercepts)
    return model.fit(columns[train], y[train]).predict(columns[test])


def run(method, split, seed):
    """Return the test `METRICS` of one split and the strength that was chosen."""
    X, y, tasks, splits = load_school()
    train, test = np.flatnonzero(splits[split]), np.flatnonzero(~splits[split])
    strength = None
    if isinstance(method, Reference):
        prediction = least_squares(method, X, y, tasks, train, test)
    else:
        strength = choose_strength(method, X, y, tasks, train, seed)
        [prediction] = predictions(method, [strength], X, y, tasks, train, test)
    found = task_metrics(y[test], prediction, tasks[test])
    return [found[name] for name in METRICS], strength


def run_all(n_jobs, seed):
    """Return {method name: metrics (10, 3)} and {method name: strengths}."""
    jobs = [(method, split) for method in METHODS for split in range(N_SPLITS)]
    progress = Progress(len(jobs))
    found = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(run)(method, split, seed) for method, split in jobs
    )
    metrics = {method.name: [] for method in METHODS}
    strengths = {method.name: [] for method in METHODS}
    for (method, split), (values, strength) in zip(jobs, found, strict=True):
        metrics[method.name].append(values)
        strengths[method.name].append(strength)
        progress.step(f"{method.name}, split {split}")
    return {name: np.array(values) for name, values in metrics.items()}, strengths


def judge(method, metrics, baseline):
    """Return the cells of a row of the table, and what it misses, in words."""
    mean, misses = metrics.mean(axis=0), []
    error, difference = metrics[:, 0], metrics[:, 0] - baseline
    wins = int(np.sum(difference < 0))
    away = np.abs(mean[: len(method.expected)] - method.expected)
    if away.max() > TOLERANCE:
        misses.append(f"{method.name}: {away.max():.3f} from the expected value")
    if np.isfinite(method.target):
        if mean[0] > method.target:
            misses.append(f"{method.name}: {mean[0]:.3f} above {method.target}")
        if wins < MIN_WINS:
            misses.append(f"{method.name}: {wins} wins of {N_SPLITS}")
    spread = (
        ["", ""]
        if method.name == BASELINE
        else [
            f"{difference.mean():+.3f} +- {difference.std(ddof=1):.3f}",
            f"{wins}/{N_SPLITS}",
        ]
    )
    cells = [
        method.name,
        f"{mean[0]:.3f} +- {error.std(ddof=1):.3f}",
        f"{mean[1]:.3f}",
        f"{mean[2]:.3f}",
        *spread,
        " / ".join(f"{value:.3f}" for value in method.expected),
        f"{away[0]:.3f}",
        f"{method.target:.2f}" if np.isfinite(method.target) else "",
        "NO" if misses else "yes",
    ]
    return cells, misses


def main(arguments=None):
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Cross-validated test errors on the ten standard splits of School.",
        epilog="MTLREG_DATA names the folder of the data sets.",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the inner folds")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args(arguments)
    load_school()
    start = time.perf_counter()
    metrics, strengths = run_all(options.jobs, options.seed)
    seconds = time.perf_counter() - start
    baseline = metrics[BASELINE][:, 0]
    judged = [judge(method, metrics[method.name], baseline) for method in METHODS]
    header = ["method", "rmse_task", "EV overall", "EV within", "minus ridge", "wins"]
    header += ["expected", "rmse away", "target", "ok"]
    print(markdown(header, [cells for cells, _ in judged]), end="\n\n")
    for method in METHODS:
        if isinstance(method, Method):
            print(f"{method.name}: strengths {strengths[method.name]}")
    misses = [miss for _, found in judged for miss in found]
    print("\n".join(misses) if misses else "\nno misses", end=", ")
    print(f"{seconds:.0f} s")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
