"""Compare multi-task estimators with independent fits and with one pooled model.

Without a table: scikit-learn's digits (ten one-vs-rest tasks), linnerud (three targets
of the same rows), and a generated table of schools. The CV estimators choose their
strengths inside the training part of an outer fold, on the same folds for all.
"""

import argparse
import contextlib
import itertools
import pathlib
import sys
from zipfile import BadZipFile

import matplotlib
import numpy as np
import pandas as pd
from _comparison import INDEPENDENT, METHODS, Table, compare, n_steps
from sklearn.datasets import load_digits, load_linnerud

from mtlreg.datasets import make_multitask_regression

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LEGEND = """\
- score: mean over the tasks on the test part, as mean +- sd over the {folds} outer
  folds; "rmse / sd": every target in units of its training standard deviation
- difference: score minus that of independent fits, fold by fold, and the folds won
- tasks: range from the 10 % to the 90 % quantile of the scores of the single tasks
- strengths: chosen in each outer fold by {folds}-fold cross-validation inside its
  training part, for the smallest squared error or log-loss; alpha, alpha/alpha_mean
  (one number: they are equal, the fits independent), or alpha_shared/alpha_specific
- gap: largest duality gap of the fits to the training parts, relative to the objective
  without features; above {tol:g} where a fit stopped short
- seconds: all fits, those of the cross-validation included, and predictions
"""


def main(argv=None):
    """Run the comparison; return one ``(table, results)`` for each table."""
    parser, options = read_options(argv)
    sections, compared = [], []
    try:
        for table in read_tables(options):
            with progress(n_steps(table, options.folds)) as announce:
                results = compare(
                    table,
                    folds=options.folds,
                    n_strengths=options.strengths,
                    tol=options.tol,
                    seed=options.seed,
                    announce=announce,
                )
            compared.append((table, results))
            sections.append(markdown(table, results))
            print(sections[-1])
    except ValueError as error:
        parser.error(str(error))
    legend = LEGEND.format(folds=options.folds, tol=options.tol)
    print(legend)
    options.out.mkdir(parents=True, exist_ok=True)
    report = options.out / "comparison.md"
    report.write_text("\n".join([*sections, legend]), encoding="utf-8")
    picture = options.out / "comparison.png"
    draw(compared, picture)
    print(f"Written: {report} and {picture}")
    return compared


def read_options(argv):
    """Return the parser, for its errors, and the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--table", metavar="FILE", type=pathlib.Path, help="CSV, Parquet"
    )
    source.add_argument(
        "--npz",
        metavar="FILE",
        type=pathlib.Path,
        help="arrays X, y and tasks, or X and a 2-D Y (NaN: not observed)",
    )
    parser.add_argument(
        "--target",
        metavar="COL",
        nargs="+",
        help="target of --table, several: one task each; array of --npz if not Y or y",
    )
    parser.add_argument("--task", metavar="COL", help="column (array) of task labels")
    parser.add_argument(
        "--drop", metavar="COL", nargs="+", default=[], help="columns to leave out"
    )
    parser.add_argument(
        "--classes",
        action="store_true",
        help="the numbers in the target are classes (two values always are)",
    )
    parser.add_argument(
        "--full", action="store_true", help="more rows, folds, strengths"
    )
    parser.add_argument("--folds", type=at_least_two, help="default: 3, with --full 5")
    parser.add_argument("--strengths", type=at_least_two, help="default: 20 or 50")
    parser.add_argument("--tol", type=float, default=1e-6, help="of every fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=pathlib.Path,
        default=pathlib.Path(__file__).parent / "results",
        help="where the table and the picture go",
    )
    options = parser.parse_args(argv)
    if options.table and not options.target:
        parser.error("--table needs --target, the column to predict")
    if options.target and not (options.table or options.npz):
        parser.error("--target needs --table or --npz")
    defaults = {"folds": (3, 5), "strengths": (20, 50)}
    for name, values in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, values[options.full])
    return parser, options


def at_least_two(text):
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2, got {text}")
    return number


def read_tables(options):
    """Return the tables that the options ask for."""
    if options.table:
        frame = read_file(options.table, read_frame)
        targets, task = options.target, options.task
        name = options.table.stem
    elif options.npz:
        arrays = read_file(options.npz, read_arrays)
        frame, targets, task = frame_of_arrays(arrays, options.target, options.task)
        name = options.npz.stem
    else:
        return [digits(None if options.full else 300), linnerud(), schools()]
    frame = frame.drop(columns=present(frame, options.drop))
    return [make_table(name, frame, targets, task, options.classes)]


def digits(n_rows):
    X, y = load_digits(return_X_y=True, as_frame=True)
    frame = (
        X.assign(digit=y).sample(n_rows, random_state=0)
        if n_rows
        else X.assign(digit=y)
    )
    return make_table("digits", frame, ["digit"], None, True)


def linnerud():
    data = load_linnerud(as_frame=True)
    return make_table("linnerud", data.frame, data.target_names, None, False)


def schools():
    n_samples = np.random.default_rng(0).integers(8, 60, size=60)
    data = make_multitask_regression(
        n_tasks=60,
        n_samples=n_samples,
        n_features=15,
        structure="mean",
        noise=3.0,
        as_frame=True,
        random_state=0,
    )
    return make_table("schools (generated)", data.frame, ["target"], "task", False)


def read_file(path, reader):
    """Return what the reader reads, or raise a ValueError that names the file."""
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    try:
        return reader(path)
    except (OSError, EOFError, ValueError, ImportError, BadZipFile) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def read_frame(path):
    if path.suffix in {".parquet", ".pq"}:
        return pd.read_parquet(path)
    if ".csv" in path.suffixes:
        return pd.read_csv(path)
    raise ValueError("neither .csv nor .parquet")


def read_arrays(path):
    with path.open("rb") as file:
        arrays = np.load(file)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ValueError("not a .npz file")
        return dict(arrays)


def frame_of_arrays(arrays, target, task):
    """Return a frame of the arrays, its target columns and its task column."""
    target = target[0] if target else "Y" if "Y" in arrays else "y"
    y = arrays.get(target)
    if y is None or "X" not in arrays:
        raise ValueError(f"the file needs arrays X and {target}, has {sorted(arrays)}")
    X = arrays["X"]
    if X.ndim != 2 or y.ndim not in (1, 2) or len(X) != len(y):
        raise ValueError(
            f"X must be 2-D and {target} 1-D or 2-D with as many rows, got shapes "
            f"{X.shape} and {y.shape}"
        )
    columns = {f"x{j}": x for j, x in enumerate(X.T)}
    if y.ndim == 2:
        Y = {f"{target}{t}": y_t for t, y_t in enumerate(y.T)}
        return pd.DataFrame(columns | Y), list(Y), None
    task = task or ("tasks" if "tasks" in arrays else None)
    if task is not None:
        if task not in arrays or arrays[task].shape != y.shape:
            raise ValueError(f"{task} must be an array of shape {y.shape}, as {target}")
        columns |= {task: arrays[task]}
    return pd.DataFrame(columns | {target: y}), [target], task


def present(frame, columns):
    """Return the columns, or raise a ValueError unless the frame has them all."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"no column {missing}; there are {list(frame.columns)[:50]}")
    return list(columns)


def make_table(name, frame, targets, task, classes):
    """Return the Table of a frame: which columns are targets, tasks and features."""
    labels = [task] if task else []
    present(frame, [*targets, *labels])
    if len(targets) > 1 and task:
        raise ValueError(
            "several targets are the tasks: leave either them or --task out"
        )
    needed = labels + (targets if len(targets) == 1 else [])
    complete = frame[needed].notna().all(axis=1)
    if not complete.all():
        left_out = f"{(~complete).sum()} rows without {' or '.join(needed)}"
        print(f"{name}: left out {left_out}", file=sys.stderr)
    frame = frame[complete]
    y, classifier = read_target(frame[targets], task, classes)
    features = read_features(frame.drop(columns=[*targets, *labels]))
    return Table(name, features.join(frame[labels]), y, task, classifier)


def read_target(targets, task, classes):
    """Return y, with classes as 0 and 1, and whether it holds classes."""
    numeric = targets.dtypes.map(pd.api.types.is_numeric_dtype)
    text = targets.loc[:, ~numeric]
    targets = targets.assign(**text.astype(object).map(str, na_action="ignore"))
    values = [np.unique(targets[name].dropna()) for name in targets]
    for name, found in zip(targets, values, strict=True):
        if len(found) < 2:
            raise ValueError(f"target {name!r} has one value only: {found.tolist()}")
    most = max(len(found) for found in values)
    if len(values) == 1 and task is None:
        if most == 2 or (numeric.all() and not classes):
            raise ValueError(
                "one target without tasks: name --task, or several --target columns, "
                "or --classes if its values are classes (each is then a task)"
            )
        return (targets.to_numpy() == values[0]).astype(float), True
    if most == 2:
        y = np.where(targets.isna(), np.nan, targets == [found[1] for found in values])
    elif numeric.all() and not classes:
        y = targets.to_numpy(dtype=float, na_value=np.nan)
    else:
        name = targets.columns[np.argmax(~numeric) if not classes else 0]
        raise ValueError(
            f"target {name!r} holds neither numbers nor two classes; with --classes "
            f"--task and with several targets, every target needs two classes"
        )
    return (y[:, 0] if y.shape[1] == 1 else y), most == 2


def read_features(X):
    """Return numbers as float64 and categories as strings."""
    if X.shape[1] == 0:
        raise ValueError("no column is left for the features")
    if not (X.nunique() > 1).any():
        raise ValueError("there is no feature that varies")
    columns = {}
    for name, column in X.items():
        if pd.api.types.is_numeric_dtype(column):
            columns[name] = column.astype(float)
        elif pd.api.types.is_datetime64_any_dtype(column):
            raise ValueError(f"column {name!r} holds times: leave it out with --drop")
        else:
            columns[name] = column.astype(object).fillna("missing").astype(str)
    return pd.DataFrame(columns)


def markdown(table, results):
    """Return a heading and a Markdown table, a row for each method, "-" if left out."""
    kind = "classification" if table.classifier else "regression"
    better = "higher" if table.classifier else "lower"
    header = ["estimator", f"{table.metric} ({better} is better)"]
    header += ["difference", "wins", "tasks", "strengths", "gap", "seconds"]
    best = max(results, key=lambda m: table.sign * results[m].fold_scores.mean())
    rows = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for name in (method.name for method in METHODS):
        if name not in results:
            rows.append([name] + ["-"] * (len(header) - 1))
            continue
        result = results[name]
        score = mean_and_sd(result.fold_scores)
        rows.append(
            [
                name,
                f"**{score}**" if name == best else score,
                *versus(table, result, results[INDEPENDENT]),
                "{:.3f} to {:.3f}".format(*task_range(result.task_scores)),
                ", ".join(map(strengths_cell, result.strengths)),
                f"{result.gap:.0e}",
                f"{result.seconds:.1f}",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    size = f"{len(table.y)} rows, {table.n_features} features, {table.n_tasks} tasks"
    return "\n".join([f"## {table.name}", "", f"{kind}: {size}", "", *lines, ""])


def mean_and_sd(values, sign=""):
    return f"{values.mean():{sign}.4f} +- {values.std(ddof=1):.4f}"


def versus(table, result, independent):
    """Return the cells that compare a method with independent fits, fold by fold."""
    if result is independent:
        return "", ""
    difference = result.fold_scores - independent.fold_scores
    wins = np.sum(table.sign * difference > 0)
    return mean_and_sd(difference, "+"), f"{wins}/{len(difference)}"


def strengths_cell(strengths):
    return "/".join(dict.fromkeys(f"{value:.2g}" for value in strengths.values()))


def task_range(scores):
    """Return the 10 % and the 90 % quantile over the tasks."""
    return np.nanquantile(scores, [0.1, 0.9])


def draw(compared, path):
    """Draw how much better than by independent fits each task does."""
    figure, axes = plt.subplots(
        1,
        len(compared),
        figsize=(2.0 + 3.6 * len(compared), 3.4),
        squeeze=False,
        layout="constrained",
    )
    names = [m.name for m in reversed(METHODS) if m.name != INDEPENDENT]
    names = [name for name in names if any(name in found for _, found in compared)]
    for axis, (table, results) in zip(axes[0], compared, strict=True):
        axis.axvline(0, color="0.6", linewidth=1)
        for height, name in enumerate(names):
            if name in results:
                gain = results[name].task_scores - results[INDEPENDENT].task_scores
                draw_tasks(axis, height, table.sign * gain[np.isfinite(gain)])
        change = "higher" if table.classifier else "lower"
        axis.set_xlabel(f"{table.metric} {change} by")
        axis.set_title(f"{table.name}: {table.n_tasks} tasks", fontsize="medium")
        axis.set_yticks(range(len(names)), names if axis is axes[0, 0] else [])
        axis.set_ylim(-0.6, len(names) - 0.4)
        axis.spines[["top", "right"]].set_visible(False)
        axis.locator_params(axis="x", nbins=5)
    figure.suptitle(
        f"Each task against {INDEPENDENT} (diamond: mean, bar: 80 % of the tasks)",
        fontsize="medium",
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_tasks(axis, height, gain):
    """Draw a dot for each task, its mean and the range of 80 % of the tasks."""
    spread = np.random.default_rng(0).uniform(-0.18, 0.18, len(gain))
    axis.plot(gain, height + spread, "o", color="C0", alpha=0.4, markersize=4, mew=0)
    axis.hlines(height, *task_range(gain), color="black", linewidth=1.5)
    axis.plot(gain.mean(), height, "D", color="black", markersize=5)


@contextlib.contextmanager
def progress(n_steps):
    """Yield a function that tells of every step on stderr before it is taken."""
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        Console = None
    steps = itertools.count()
    if Console is None or not sys.stderr.isatty():
        yield lambda text: print(f"[{next(steps)}/{n_steps}] {text}", file=sys.stderr)
        return
    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=False) as bar:
        job = bar.add_task("", total=n_steps)
        yield lambda text: bar.update(job, completed=next(steps), description=text)


if __name__ == "__main__":
    main()
