"""School, Parkinsons, Landmine and targets in several units: test errors.

    MTLREG_DATA=folder python benchmarks/protocols.py [--only school ...] [--quick]

Every strength is chosen by a ``...RegressorCV`` or ``...ClassifierCV`` inside the
training part, with 5 folds drawn inside each task. Features are standardised by the
rows of the training part, and every row counts the same (``"proportional"``). The
regressions choose by the error that they report, Landmine by the default log-loss: of
40 rows a task, most test parts hold no positive one, and so no AUC. The targets in
several units (rf1, atp1d) are as they come, beside a ridge regression of each.

Prints Markdown, of values beside those to expect and of targets; exit status 1 on a
miss. "best" strengths are those of the smallest error on the test part itself. Chosen
strengths are medians over the splits, in units of the plain sum of losses over rows.
"""

import argparse
import pathlib
import sys
import warnings
from typing import NamedTuple

import numpy as np
from _data import (
    Progress,
    Target,
    load_data,
    load_school,
    markdown,
    standardise,
    task_metrics,
    task_split,
)
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, RidgeCV

from mtlreg import (
    DirtyModelRegressorCV,
    GroupLassoRegressorCV,
    MeanRegularizedClassifierCV,
    MeanRegularizedRegressorCV,
    TraceNormRegressorCV,
)
from mtlreg.metrics import task_auc, task_rrmse
from mtlreg.model_selection import TaskKFold

TOL = 1e-5
METRICS = ("rmse_task", "ev_overall", "ev_within")
RIDGE = "independent ridge"
INDEPENDENT = {"ratios": [1.0], "intercept_ratios": [0.0]}
# training rows and how many splits; the margin over the pooled model at 40 rows is
# less than the standard error of five
LANDMINE_ROWS = {40: 30, 80: 5, 160: 5, 300: 5}


UNITS = {"atp1d": 250, "rf1": 400}  # training rows
OWN_RIDGES, NORMALISED = "ridge of each target", "L2,1, normalize_y"


class Method(NamedTuple):
    """A row of a table.

    Attributes
    ----------
    name : str
    model : estimator
        One that cross-validates, or `LeastSquares`.
    expected : tuple of float
        Means over the splits, of the `METRICS` or of one error for each column.
    strengths : tuple of float, optional
        Of the plain sum of squares, 1/2 sum_t ||y_t - X_t a_t - b_t||^2 + penalty(A),
        to choose from; by default a grid of the estimator's own.
    """

    name: str
    model: object
    expected: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()


class Outcome(NamedTuple):
    """What a split tells about a method.

    Attributes
    ----------
    values : list of float
        Errors or scores.
    strengths : tuple of float
        Those that were chosen.
    share : float
        The leading one over the largest of its grid.
    """

    values: list[float]
    strengths: tuple[float, ...] = ()
    share: float = 0.0


class LeastSquares(NamedTuple):
    """Least squares with common slopes, an intercept of each task, or both."""

    slopes: bool
    own_intercepts: bool

    def predict(self, X, y, tasks, train):
        own = (tasks[:, None] == np.unique(tasks)).astype(float)
        columns = np.hstack([X] * self.slopes + [own] * self.own_intercepts)
        model = LinearRegression(fit_intercept=not self.own_intercepts)
        return model.fit(columns[train], y[train]).predict(columns[~train])


SCHOOL = [
    Method(
        RIDGE,
        MeanRegularizedRegressorCV(**INDEPENDENT),
        (10.255, 0.343, 0.235),
        (100, 30, 10, 3),
    ),
    Method(
        "L1",
        GroupLassoRegressorCV(l1_ratio=1.0),
        (10.199, 0.348, 0.242),
        (80, 40, 20),
    ),
    Method("L2,1", GroupLassoRegressorCV(), (10.075, 0.361, 0.257), (800, 400, 200)),
    Method(
        "trace norm", TraceNormRegressorCV(), (9.917, 0.378, 0.277), (1600, 800, 400)
    ),
    Method(
        "mean-regularised",
        MeanRegularizedRegressorCV(ratios=[0.0], intercept_ratios=[0.0]),
        (9.888, 0.382, 0.282),
        (1000, 300, 100, 30),
    ),
    Method("mean-regularised, own grid", MeanRegularizedRegressorCV()),
    Method("group lasso, own grid", GroupLassoRegressorCV(l1_ratio=[0.0, 0.5])),
    Method("trace norm, own grid", TraceNormRegressorCV()),
    Method("dirty model, own grid", DirtyModelRegressorCV()),
    Method("task means", LeastSquares(False, True), (11.869,)),
    Method("common slopes, own intercepts", LeastSquares(True, True), (9.929,)),
    Method("one model for all", LeastSquares(True, False), (10.203,)),
]
SCHOOL_TARGETS = {"mean-regularised": 9.91, "trace norm": 9.94, "L2,1": 10.10}
SCHOOL_WINS = 0.9

PARKINSONS = [
    Method(RIDGE, MeanRegularizedRegressorCV(**INDEPENDENT), (0.993, 1.092)),
    Method("mean-regularised", MeanRegularizedRegressorCV(), (0.995, 1.094)),
    Method("trace norm", TraceNormRegressorCV(), (0.986, 1.081)),
    Method("L2,1", GroupLassoRegressorCV(), (0.979, 1.075)),
    Method("L1", GroupLassoRegressorCV(l1_ratio=1.0), (0.981, 1.077)),
    Method("one model for all", LeastSquares(True, False), (6.85, 8.63)),
]
PARKINSONS_COLUMNS = {"motor": "y_motor", "total": "y"}
PARKINSONS_TARGETS = {
    ("L2,1", "motor"): 0.985,
    ("trace norm", "motor"): 0.992,
    ("L2,1", "total"): 1.082,
}

LANDMINE = [
    Method(
        "single-task logistic",
        MeanRegularizedClassifierCV(**INDEPENDENT),
        (0.693, 0.729, 0.759, 0.765),
    ),
    Method(
        "pooled logistic",
        MeanRegularizedClassifierCV(**INDEPENDENT),
        (0.727, 0.733, 0.739, 0.743),
    ),
    Method(
        "mean-regularised logistic",
        MeanRegularizedClassifierCV(),
        (0.740, 0.745, 0.764, 0.773),
    ),
]


def fit(method, X, y, tasks, train, seed, **parameters):
    """Return a clone of the method's model, fitted to the rows of a mask.

    Without tasks it is one model of all rows.
    """
    model = clone(method.model).set_params(
        task_weight="proportional",
        cv=TaskKFold(5, random_state=seed),
        tol=TOL,
        **parameters,
    )
    with warnings.catch_warnings():
        # a task of few positive rows has none in some training part
        warnings.filterwarnings("ignore", "the target has one class only")
        return model.fit(X[train], y[train], tasks=tasks)


def outcome(values, model, train):
    """Return what a split tells about a method: values, and what was chosen."""
    names = model._model_class._strengths
    rows_per_task = train.sum() / len(model.tasks_)
    strengths = tuple(rows_per_task * getattr(model, f"{name}_") for name in names)
    return Outcome(
        values, strengths, getattr(model, f"{names[0]}_") / model.alphas_.max()
    )


def regression(methods, X, y, tasks, train, seed, options):
    """Return {method: Outcome} of one split."""
    X, found = standardise(X, train), {}
    scale = len(np.unique(tasks)) / train.sum()
    scoring = None if options.default_scoring else "task_rmse"

    def metrics(prediction):
        values = task_metrics(y[~train], prediction, tasks[~train])
        return [values[name] for name in METRICS]

    for method in methods:
        if isinstance(method.model, LeastSquares):
            prediction = method.model.predict(X, y, tasks, train)
            found[method.name] = Outcome(metrics(prediction))
            continue
        alphas = scale * np.array(method.strengths)
        grid = {"alphas": alphas if len(alphas) else options.alphas}
        model = fit(method, X, y, tasks[train], train, seed, scoring=scoring, **grid)
        prediction = model.predict(X[~train], tasks=tasks[~train])
        found[method.name] = outcome(metrics(prediction), model, train)
    return found


def school_split(split, options):
    X, y, tasks, splits = load_school()
    return regression(SCHOOL, X, y, tasks, splits[split], split, options)


def parkinsons_split(split, options):
    data = load_data("parkinsons")
    X, tasks = data["X"], data["tasks"]
    train = task_split(tasks, lambda n: round(0.75 * n), split)
    return {
        column: regression(PARKINSONS, X, data[name], tasks, train, split, options)
        for column, name in PARKINSONS_COLUMNS.items()
    }


def landmine_split(split, options):
    """Return {number of training rows: {method: Outcome}}."""
    data, found = load_data("landmine"), {}
    y, tasks = data["y"], data["tasks"]
    for n_rows, n_splits in LANDMINE_ROWS.items():
        if split >= n_splits:
            continue
        train = task_split(tasks, lambda size, n=n_rows: n, split, classes=y)
        X, found[n_rows] = standardise(data["X"], train), {}
        for method in LANDMINE:
            pooled = method.name.startswith("pooled")
            here, there = (None, None) if pooled else (tasks[train], tasks[~train])
            model = fit(method, X, y, here, train, split, alphas=options.alphas)
            score = model.decision_function(X[~train], tasks=there)
            auc = task_auc(y[~train], score, tasks=tasks[~train])
            found[n_rows][method.name] = outcome([auc], model, train)
    return found


def units_split(split, options):
    """Return {data set: {method: Outcome}}, of the mean over the targets of RRMSE."""
    found = {}
    for name, n_rows in UNITS.items():
        data = load_data(name)
        complete = ~np.isnan(data["X"]).any(axis=1)
        X, Y = data["X"][complete], data["Y"][complete]
        train = np.zeros(len(X), dtype=bool)
        order = np.random.default_rng(split).permutation(len(X))
        train[order[:n_rows]] = True
        # a column may be constant in the training part
        X = standardise(X[:, np.ptp(X[train], axis=0) > 0], train)
        search = {"alphas": options.alphas, "tol": 1e-4}
        ridges = [RidgeCV(np.geomspace(1e-3, 1e5, 33)) for _ in Y.T]
        models = {
            "L2,1": GroupLassoRegressorCV(**search),
            NORMALISED: GroupLassoRegressorCV(normalize_y=True, **search),
        }
        predictions = {
            method: model.fit(X[train], Y[train]).predict(X[~train])
            for method, model in models.items()
        }
        predictions[OWN_RIDGES] = np.column_stack(
            [
                ridge.fit(X[train], y[train]).predict(X[~train])
                for ridge, y in zip(ridges, Y.T, strict=True)
            ]
        )
        reference = Y[train].mean(axis=0)
        found[name] = {
            method: Outcome([task_rrmse(Y[~train], values, reference=reference)])
            for method, values in predictions.items()
        }
    return found


def report_units(results):
    rows, targets = [], []
    for name in UNITS:
        part = [result[name] for result in results]
        ridge = first_metric(part, OWN_RIDGES)
        for method in part[0]:
            error = first_metric(part, method)
            wins = f"{np.sum(error < ridge)}/{len(part)}"
            versus = (
                ["", ""]
                if method == OWN_RIDGES
                else [mean_and_sd(error - ridge, "+"), wins]
            )
            rows.append([name, method, mean_and_sd(error), *versus])
        error = first_metric(part, NORMALISED)
        targets.append(
            Target(f"{name}, {NORMALISED}: RRMSE", error.mean(), ridge.mean())
        )
    return markdown(["data", "method", "RRMSE", "minus ridge", "wins"], rows), targets


def mean_and_sd(values, sign=""):
    return f"{np.mean(values):{sign}.3f} +- {np.std(values, ddof=1):.3f}"


def first_metric(results, name):
    return np.array([result[name].values[0] for result in results])


def report_school(results):
    """Return the table and the targets of all splits."""
    header = ["method", "rmse_task", "EV overall", "EV within", "minus ridge", "wins"]
    header += ["expected", "strength"]
    ridge, rows, targets = first_metric(results, RIDGE), [], []
    for method in SCHOOL:
        name = method.name
        values = np.array([result[name].values for result in results])
        error, means = values[:, 0], values.mean(axis=0)
        wins = np.sum(error < ridge)
        versus = [mean_and_sd(error - ridge, "+"), f"{wins}/{len(results)}"]
        rows.append(
            [name, mean_and_sd(error)]
            + [f"{mean:.3f}" for mean in means[1:]]
            + (["", ""] if name == RIDGE else versus)
            + [numbers(method.expected), chosen(results, name)]
        )
        if name in SCHOOL_TARGETS:
            targets.append(Target(f"{name}: rmse_task", means[0], SCHOOL_TARGETS[name]))
            share = wins / len(results)
            targets.append(Target(f"{name}: share of wins", share, SCHOOL_WINS, True))
    return markdown(header, rows), targets


def report_parkinsons(results):
    header, rows, targets = ["method"], [], []
    for column in PARKINSONS_COLUMNS:
        header += [f"{column} rmse_task", "minus ridge", "wins", "best", "strength"]
    for method in PARKINSONS:
        rows.append([method.name])
        for k, column in enumerate(PARKINSONS_COLUMNS):
            part = [result[column] for result in results]
            error, ridge = (first_metric(part, n) for n in (method.name, RIDGE))
            versus = [mean_and_sd(error - ridge, "+")]
            versus += [f"{np.sum(error < ridge)}/{len(results)}"]
            rows[-1] += [mean_and_sd(error)]
            rows[-1] += ["", ""] if method.name == RIDGE else versus
            rows[-1] += [f"{method.expected[k]:.3f}", chosen(part, method.name)]
            bound = PARKINSONS_TARGETS.get((method.name, column))
            if bound is not None:
                quantity = f"{column}, {method.name}: rmse_task"
                targets.append(Target(quantity, error.mean(), bound))
            if method.name == "mean-regularised":
                # the grid is centred where the pull to the mean equals the curvature
                # and ends a thousand times higher, where the slopes are pooled
                largest = max(result[method.name].share for result in part)
                quantity = f"{column}, {method.name}: alpha over the largest"
                targets.append(Target(quantity, largest, 1e-3))
    return markdown(header, rows), targets


def report_landmine(results):
    header = ["method"]
    for n_rows in LANDMINE_ROWS:
        header += [f"AUC, {n_rows} rows", "best", "strength"]
    rows, means = [], {}
    for method in LANDMINE:
        rows.append([method.name])
        for k, n_rows in enumerate(LANDMINE_ROWS):
            part = [result[n_rows] for result in results if n_rows in result]
            auc = first_metric(part, method.name)
            means[method.name.split("-")[0].split()[0], n_rows] = auc.mean()
            rows[-1] += [mean_and_sd(auc), f"{method.expected[k]:.3f}"]
            rows[-1] += [chosen(part, method.name)]
    gain = means["mean", 40] - means["single", 40]
    over_pooled = means["mean", 40] - means["pooled", 40]
    targets = [
        Target("40 rows: multi-task minus single", gain, 0.035, True),
        Target("40 rows: multi-task minus pooled", over_pooled, 0.005, True),
        Target("160 rows: multi-task AUC", means["mean", 160], 0.760, True),
    ]
    return markdown(header, rows), targets


def numbers(values):
    return " / ".join(f"{value:.3f}" for value in values)


def chosen(results, name):
    """Return the medians of the strengths over the splits."""
    strengths = np.array([result[name].strengths for result in results])
    return " / ".join(f"{median:.3g}" for median in np.median(strengths, axis=0))


PROTOCOLS = {
    "school": (school_split, report_school, 10, 100),
    "parkinsons": (parkinsons_split, report_parkinsons, 10, 30),
    "landmine": (landmine_split, report_landmine, 30, 30),
    "units": (units_split, report_units, 10, 30),
}


def run(name, options):
    """Return the report of a protocol, and whether no target is missed."""
    split, report, n_splits, options.alphas = PROTOCOLS[name]
    if options.quick:
        n_splits, options.alphas = 2, 10
    progress, results = Progress(n_splits), []
    jobs = (delayed(split)(number, options) for number in range(n_splits))
    for found in Parallel(n_jobs=options.jobs, return_as="generator")(jobs):
        results.append(found)
        progress.step(name)
    table, targets = report(results)
    text = f"## {name}, {n_splits} splits\n\n{table}\n"
    if options.quick:
        return text, True
    header = ["quantity", "found", "target", "met"]
    text += f"\n{markdown(header, [target.cells() for target in targets])}\n"
    return text, all(target.met for target in targets)


def main(arguments=None):
    """Print and write the tables; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="MTLREG_DATA names the folder of the data sets.",
    )
    parser.add_argument("--only", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument(
        "--quick", action="store_true", help="2 splits, 10 strengths, no targets"
    )
    parser.add_argument("--default-scoring", action="store_true", help="no task_rmse")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=pathlib.Path, help="file for the tables")
    options = parser.parse_args(arguments)
    texts, met = zip(*(run(name, options) for name in options.only), strict=True)
    print("\n".join(texts))
    if options.out:
        options.out.write_text("\n".join(texts), encoding="utf-8")
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
