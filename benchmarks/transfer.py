"""New tasks from few rows, and whether the report on sharing is right.

    MTLREG_DATA=folder python benchmarks/transfer.py [--repetitions 20] [--only mean]
    python benchmarks/transfer.py --part rates [--repetitions 200] [--out FILE]
    MTLREG_DATA=folder python benchmarks/transfer.py --part school

The first one has `fit_new_task` beside what does without the other tasks. Generated
data of each structure have 20 tasks with 60 rows, and one more of which some rows are
known and 100 are predicted. School and Landmine: the tasks are dealt into five groups,
those of a group are new to a fit of the others, each by itself, and what is not known
of a task is predicted. "single" is a ridge or logistic regression of the known rows of
the new task, "pooled" one of these and all others, with strengths by cross-validation
on the same grid; "joint" is the model itself, fitted to all rows at the strengths that
were chosen without the new task.

Prints Markdown: the mean error (squared error, or log-loss) over new tasks, and in the
last columns the differences of `fit_new_task` to the others with their standard errors.
Exit status 1 where it does not beat "single" and "pooled" on average over 5, 10 and 20
rows, or is more than 1 % worse than "joint" with all rows.

"rates" draws rows of the same tasks again and again: how often does `transfer_report`
flag tasks that sharing does not hurt, and miss those that it does? Exit status 1 where
false discoveries are clearly more than their stated rate. "school" has its report in
ten splits; exit status 1 without a clear gain on independent ridges.
"""

import argparse
import pathlib
import sys
import warnings

import _reports
import numpy as np
from _data import Progress, load_data, load_school, markdown, standardise
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import log_loss, mean_squared_error

from mtlreg import (
    DirtyModelRegressorCV,
    GraphRegularizedRegressorCV,
    GroupLassoRegressorCV,
    MeanRegularizedClassifierCV,
    MeanRegularizedRegressorCV,
    TaskRelationshipRegressorCV,
    TraceNormClassifierCV,
    TraceNormRegressorCV,
)
from mtlreg.datasets import make_multitask_regression

ROWS = (0, 5, 10, 20)
FEW = (5, 10, 20)
STRENGTHS = np.logspace(-3, 4, 30)
OTHERS = ("single", "pooled", "joint")
WORSE = 1.01

GENERATED = {
    "mean": MeanRegularizedRegressorCV,
    "graph": GraphRegularizedRegressorCV,
    "group": GroupLassoRegressorCV,
    "low_rank": TraceNormRegressorCV,
    "relationship": TaskRelationshipRegressorCV,
    "dirty": DirtyModelRegressorCV,
}
STRUCTURE = {"graph": "mean", "relationship": "low_rank"}
TABLES = {
    "school, mean": MeanRegularizedRegressorCV,
    "school, trace norm": TraceNormRegressorCV,
    "school, group lasso": GroupLassoRegressorCV,
    "landmine, mean": MeanRegularizedClassifierCV,
    "landmine, trace norm": TraceNormClassifierCV,
}


def baseline(X, y, classes):
    """Return a function that predicts by a regression of some rows."""
    if classes and len(np.unique(y)) == 1:
        share = (y.sum() + 0.5) / (len(y) + 1)
        return lambda Z: np.full(len(Z), share)
    if classes:
        folds = int(min(5, np.bincount(y.astype(int)).min()))
        if folds < 2:
            share = y.mean()
            return lambda Z: np.full(len(Z), share)
        model = LogisticRegressionCV(
            Cs=10,
            cv=folds,
            scoring="neg_log_loss",
            max_iter=2000,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        ).fit(X, y)
        return lambda Z: model.predict_proba(Z)[:, 1]
    return RidgeCV(STRENGTHS).fit(X, y).predict


def outcomes(search, plain, rest, new, counts, progress):
    """Return errors by the number of known rows and method, of one new task.

    Parameters
    ----------
    search, plain : estimator
        Fitted to the rest, and with its strengths.
    rest, new : tuple of (X, y, tasks)
    counts : sequence of int
        Known rows; the last number is all that may be known.
    progress : callable
    """
    X, y, tasks = new
    known, classes = counts[-1], hasattr(search, "predict_proba")
    Z, target = X[known:], y[known:]

    def error(prediction):
        if classes:
            return log_loss(target, prediction, labels=[0, 1])
        return mean_squared_error(target, prediction)

    def of_model(model):
        labels = tasks[known:]
        if classes:
            return error(model.predict_proba(Z, tasks=labels)[:, 1])
        return error(model.predict(Z, tasks=labels))

    found = {}
    for n in counts:
        part = X[:n], y[:n]
        errors = {"new task": of_model(search.fit_new_task(*part, task=tasks[0]))}
        both = [np.concatenate([a[:n], b]) for a, b in zip(new, rest, strict=True)]
        errors["pooled"] = error(baseline(*both[:2], classes)(Z))
        if n:
            errors["single"] = error(baseline(*part, classes)(Z))
            errors["joint"] = of_model(plain.fit(*both[:2], tasks=both[2]))
        found[n] = errors
    progress()
    return found


def at_strengths(search):
    """Return the model without cross-validation at the strengths of a search."""
    model = search._model_class
    names = [*search.get_params(), *model._searched()]
    known = {name: getattr(search, f"{name}_", None) for name in model._searched()}
    given = {
        name: known.get(name, getattr(search, name, None))
        for name in names
        if name in model().get_params()
    }
    return model(**given)


def generated(name, seed, progress):
    """Return the outcomes of one repetition."""
    structure, T = STRUCTURE.get(name, name), 20
    data = make_multitask_regression(
        n_tasks=T + 1,
        n_samples=160,
        n_features=20,
        structure=structure,
        noise=2.0,
        random_state=seed,
    )
    rows = [np.flatnonzero(data.tasks == task) for task in range(T + 1)]
    kept = np.concatenate([of_task[:60] for of_task in rows[:T]])
    rest, new = (
        (data.X[part], data.y[part], data.tasks[part]) for part in (kept, rows[T])
    )
    search = GENERATED[name](alphas=20, tol=1e-5)
    search.fit(*rest[:2], tasks=rest[2])
    given = search, at_strengths(search), rest, new, (*ROWS, 60), progress
    return relabelled(outcomes(*given), 60)


def relabelled(found, every):
    """Return outcomes in which the last number of rows is called "all"."""
    return {("all" if n == every else n): errors for n, errors in found.items()}


def load(name):
    """Return X, y and tasks of a table."""
    if name.startswith("school"):
        X, y, tasks, _ = load_school()
        return standardise(X), y, tasks
    data = load_data("landmine")
    return standardise(data["X"]), (data["y"] > 0).astype(int), data["tasks"]


def of_table(name, progress):
    """Return the outcomes of all tasks, a fifth of which is new at a time."""
    X, y, tasks = load(name)
    labels = np.unique(tasks)
    rng, found = np.random.default_rng(0), []
    group = rng.permutation(np.arange(len(labels)) % 5)
    for fold in range(5):
        out = labels[group == fold]
        kept = ~np.isin(tasks, out)
        rest = X[kept], y[kept], tasks[kept]
        search = TABLES[name](task_weight="proportional", alphas=20, tol=1e-5)
        search.fit(*rest[:2], tasks=rest[2])
        plain = at_strengths(search).set_params(warm_start=False)
        for label in out:
            rows = rng.permutation(np.flatnonzero(tasks == label))
            known = int(0.75 * len(rows))
            if known <= max(ROWS):
                progress()
                continue
            new = X[rows], y[rows], tasks[rows]
            given = search, plain, rest, new, (*ROWS, known), progress
            found.append(relabelled(outcomes(*given), known))
    return found


def rows_of(name, found):
    """Return lines of the table, and what misses a target."""
    lines, missed, few = [], [], {other: [] for other in OTHERS}
    for n in found[0]:
        errors = {
            method: np.array([one[n][method] for one in found])
            for method in found[0][n]
        }
        line = [name, str(n)]
        line += [
            f"{errors[m].mean():.4g}" if m in errors else ""
            for m in ("new task", *OTHERS)
        ]
        for other in OTHERS:
            if other not in errors:
                line.append("")
                continue
            gain = errors[other] - errors["new task"]
            se = gain.std(ddof=1) / np.sqrt(len(gain))
            line.append(f"{gain.mean():.3g} ({se:.2g})")
            if n in FEW:
                few[other].append(gain.mean())
        lines.append(line)
        if n == "all" and errors["new task"].mean() > WORSE * errors["joint"].mean():
            missed.append(f"{name}: all rows, more than 1 % worse than joint")
    missed += [
        f"{name}: few rows, not better than {other}"
        for other in ("single", "pooled")
        if not np.mean(few[other]) > 0
    ]
    return lines, missed


def run(name, repetitions):
    """Return the outcomes of all new tasks."""
    if name in GENERATED:
        shown = Progress(repetitions)
        return [
            generated(name, seed, lambda: shown.step(name))
            for seed in range(repetitions)
        ]
    shown = Progress(len(np.unique(load(name)[2])))
    return of_table(name, lambda: shown.step(name))


def new_tasks(chosen, repetitions, write):
    """Write the table of `fit_new_task`, and return what misses a target."""
    lines, missed = [], []
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)
    for name in chosen:
        more, wrong = rows_of(name, run(name, repetitions))
        lines, missed = lines + more, missed + wrong
    header = ["data", "rows", "new task", *OTHERS, *(f"{o}, more" for o in OTHERS)]
    write(markdown(header, lines))
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--part", choices=["new", "rates", "school"], default="new")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--only", nargs="+", choices=[*GENERATED, *TABLES])
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()

    def write(text):
        if options.out is None:
            print(text, flush=True)
        else:
            options.out.write_text(text)

    if options.part == "new":
        chosen = options.only or [*GENERATED, *TABLES]
        missed = new_tasks(chosen, options.repetitions or 20, write)
    elif options.part == "rates":
        missed = _reports.rates(options.repetitions or 200, write)
    else:
        missed = _reports.school(write)
    for text in missed:
        print(f"MISSED {text}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
