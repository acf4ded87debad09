"""What shrunken intercepts are worth: searches, REML and ridge with task dummies.

    MTLREG_DATA=folder python benchmarks/intercepts.py [--only tenth ...] [--splits 10]

- ``tenth``: School with a tenth of the rows of each school, at least 2, for training.
- ``school``: the ten standard splits of School, three quarters for training.
- ``generated``: tables of 30 tasks, whose intercepts have several deviations.
- ``landmine``: 30 rows of each of 29 tasks, both classes in both parts.

Features are standardised on the training part, and strengths are chosen inside it.
Prints Markdown: means over the splits, for regressions of the root mean squared error
over rows, of its square averaged over tasks, and of the seconds of processor time;
exit status 1 where a target is missed.
"""

import argparse
import sys
import time
import warnings

import mixedlm
import numpy as np
import pandas as pd
from _data import (
    Progress,
    Target,
    load_data,
    load_school,
    markdown,
    standardise,
    task_split,
)
from joblib import Parallel, delayed
from scipy.linalg import qr
from sklearn.linear_model import RidgeCV
from sklearn.metrics import log_loss

from mtlreg import MeanRegularizedClassifierCV, MeanRegularizedRegressorCV
from mtlreg.metrics import task_auc

DUMMIES, DEFAULT = "ridge with task dummies", "nothing set"
PROPORTIONAL, REML = "proportional", "REML"
RANDOM = "random intercepts alone"
FREE, SHRUNKEN = "free intercepts", "shrunken intercepts"
SEARCHES = {
    DEFAULT: {},
    PROPORTIONAL: {"task_weight": "proportional"},
    FREE: {"intercept_ratios": [0.0]},
    SHRUNKEN: {"intercept_ratios": [0.1]},
    REML: {"task_weight": "proportional", "cv": "reml"},
}
LEVEL = 1e-3  # share of an error that is no difference
LANDMINE_ALPHAS = 30


def with_dummies(X, tasks):
    return np.hstack([X, tasks[:, None] == np.unique(tasks)])


def by_random_intercepts(X, y, tasks, train):
    """Return the predictions of a mixed model with common slopes."""
    # a column that the others determine has no coefficient of its own
    _, _, order = qr(X[train], mode="economic", pivoting=True)
    X = X[:, np.sort(order[: np.linalg.matrix_rank(X[train])])]
    names = [f"x{j}" for j in range(X.shape[1])]
    table = pd.DataFrame(X, columns=names).assign(y=y, task=tasks.astype(str))
    formula = f"y ~ {' + '.join(names)} + (1 | task)"
    model = mixedlm.lmer(formula, data=table[train].reset_index(drop=True))
    fixed, ranef = model.fixef(), model.ranef()["task"]["(Intercept)"]
    labels = np.unique(table["task"][train])
    own = dict(zip(labels, np.asarray(ranef, dtype=float), strict=True))
    slopes = np.array([fixed[name] for name in names])
    return fixed["(Intercept)"] + X @ slopes + table["task"].map(own).to_numpy()


def regressions(X, y, tasks, train):
    """Return {method: (rmse over rows, mean square over tasks, seconds)} of a split."""
    X, test, found = standardise(X, train), ~train, {}
    for name in (DUMMIES, RANDOM, *SEARCHES):
        start = time.process_time()
        if name == DUMMIES:
            Z = with_dummies(X, tasks)
            model = RidgeCV(np.geomspace(1e-2, 1e4, 25)).fit(Z[train], y[train])
            prediction = model.predict(Z[test])
        elif name == RANDOM:
            prediction = by_random_intercepts(X, y, tasks, train)[test]
        else:
            model = MeanRegularizedRegressorCV(**SEARCHES[name])
            model.fit(X[train], y[train], tasks=tasks[train])
            prediction = model.predict(X[test], tasks=tasks[test])
        seconds = time.process_time() - start
        squares = (y[test] - prediction) ** 2
        by_task = [squares[tasks[test] == label].mean() for label in np.unique(tasks)]
        found[name] = np.sqrt(squares.mean()), np.sqrt(np.mean(by_task)), seconds
    return found


def tenth(seed):
    X, y, tasks, _ = load_school()
    train = task_split(tasks, lambda n: max(2, round(n / 10)), seed)
    return regressions(X, y, tasks, train)


def school(seed):
    X, y, tasks, splits = load_school()
    return regressions(X, y, tasks, splits[seed])


def generated(seed):
    """Return the same of tables, by the deviation of the intercepts."""
    found = {}
    for number, deviation in enumerate((0.0, 0.3, 1.0, 5.0)):
        rng = np.random.default_rng([seed, number])
        tasks = np.repeat(np.arange(30), 60)
        X = rng.normal(size=(len(tasks), 8))
        slopes = rng.normal(size=8) + 0.3 * rng.normal(size=(30, 8))
        y = np.sum(X * slopes[tasks], axis=1) + rng.normal(size=len(tasks))
        y += deviation * rng.normal(size=30)[tasks]
        train = task_split(tasks, lambda n: 10, seed)
        found[f"deviation {deviation:g}"] = regressions(X, y, tasks, train)
    return found


def landmine(seed):
    """Return {method: (AUC, log-loss, seconds)} of a split."""
    data, found = load_data("landmine"), {}
    y, tasks = data["y"], data["tasks"]
    train = task_split(tasks, lambda n: 30, seed, classes=y)
    X, test = standardise(data["X"], train), ~train
    for name in (DEFAULT, FREE, SHRUNKEN):
        start = time.process_time()
        model = MeanRegularizedClassifierCV(alphas=LANDMINE_ALPHAS, **SEARCHES[name])
        model.fit(X[train], y[train], tasks=tasks[train])
        seconds = time.process_time() - start
        given = {"tasks": tasks[test]}
        auc = task_auc(y[test], model.decision_function(X[test], **given), **given)
        loss = log_loss(y[test], model.predict_proba(X[test], **given))
        found[name] = auc, loss, seconds
    return found


def mean_of(results):
    """Return {method: means over the splits}."""
    return {name: np.mean([r[name] for r in results], axis=0) for name in results[0]}


def no_worse(means, name, other, where):
    bound = means[other][0] * (1 + LEVEL)
    return Target(f"{where}: {name}, level with {other}", means[name][0], bound)


def report_regressions(results, where):
    means = mean_of(results)
    rows = [
        [name, *(f"{value:.3f}" for value in means[name][:2]), f"{means[name][2]:.2f}"]
        for name in means
    ]
    header = [where, "RMSE of rows", "of tasks", "seconds"]
    pairs = [(DEFAULT, DUMMIES)]
    pairs += [(REML, other) for other in (DUMMIES, RANDOM, DEFAULT)]
    return markdown(header, rows), [no_worse(means, *pair, where) for pair in pairs]


def report_generated(results, where):
    tables, targets = [], []
    for name in results[0]:
        table, _ = report_regressions([result[name] for result in results], name)
        means = mean_of([result[name] for result in results])
        tables.append(table)
        targets += [no_worse(means, DEFAULT, other, name) for other in (DUMMIES, FREE)]
    return "\n\n".join(tables), targets


def report_landmine(results, where):
    means = mean_of(results)
    rows = [[name, *(f"{value:.3f}" for value in means[name])] for name in means]
    shrunken, free = means[SHRUNKEN], means[FREE]
    targets = [
        Target("landmine: AUC, shrunken above free", shrunken[0], free[0], True),
        Target("landmine: log-loss, shrunken below free", shrunken[1], free[1]),
    ]
    return markdown([where, "AUC", "log-loss", "seconds"], rows), targets


TABLES = {
    "tenth": (tenth, report_regressions),
    "school": (school, report_regressions),
    "generated": (generated, report_generated),
    "landmine": (landmine, report_landmine),
}


def quietly(split, seed):
    with warnings.catch_warnings():
        # of tasks of one class in a fold, and of the best at an end of a grid
        warnings.simplefilter("ignore", UserWarning)
        return split(seed)


def main(arguments=None):
    """Print the tables; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args(arguments)
    targets = []
    for name in options.only:
        (split, report), results = TABLES[name], []
        progress = Progress(options.splits)
        jobs = (delayed(quietly)(split, seed) for seed in range(options.splits))
        for found in Parallel(n_jobs=options.jobs, return_as="generator")(jobs):
            results.append(found)
            progress.step(name)
        table, bounds = report(results, name)
        targets += bounds
        print(f"{table}\n", flush=True)
    header = ["quantity", "found", "target", "met"]
    print(markdown(header, [target.cells() for target in targets]))
    return int(not all(target.met for target in targets))


if __name__ == "__main__":
    sys.exit(main())
