"""What a comparison found: a table, its conclusion, its details and a picture."""

import textwrap

import matplotlib
import numpy as np

from _comparison.conclusion import conclusion
from _comparison.methods import METHODS, SEPARATE
from _comparison.nested import INNER

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LEGEND = """\
# Does it help to fit many tasks together?

A task is what gets a linear fit of its own: the rows of one sensor, of one school. The
methods:

- separate fits: a ridge or logistic regression for each task
- pooled fit: one for the rows of all tasks; pooled, task dummies: the same with an
  intercept for each task
- gradient boosting: trees for the rows of all tasks, the task a category
- mtlreg: a linear fit for each task, fitted together: they share their mean
  (MeanRegularized), which features count (GroupLasso), a subspace of few directions
  (TraceNorm), or some of the features that count (DirtyModel)

The columns:

- error, AUC: mean over the tasks and over {folds} parts of the rows, each predicted by
  fits to the other parts; every method chooses its strengths within those
- against {SEPARATE}, better in: the change, and the number of parts that are better
- seconds: all fits, on one thread; the first run compiles, which counts too

Differences are called chance where they are no more than the parts differ among
themselves (corrected t-test, 95 %).
"""
DETAILS = """\
- sd: standard deviation over the parts, of the score and of its difference to that of
  {SEPARATE}
- tasks: range from the 10 % to the 90 % quantile of the scores of the single tasks
- strengths: chosen for each part by {INNER}-fold cross-validation in the others, for
  the smallest squared error or log-loss; alpha, alpha/alpha_mean (one number: they are
  equal, the fits independent), alpha_shared/alpha_specific, C, or the number of trees
- gap: largest duality gap of the fits, relative to the objective without features;
  above {tol:g} where a fit stopped short
"""


def legend(folds):
    """Return what was compared, and how to read the tables."""
    return LEGEND.format(folds=folds, SEPARATE=SEPARATE)


def write(compared, options):
    """Write tables, details and picture; return a sentence that says where."""
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "comparison.md": [legend(options.folds)]
        + [section(*found) for found in compared],
        "details.md": [details(*found) for found in compared]
        + [DETAILS.format(tol=options.tol, SEPARATE=SEPARATE, INNER=INNER)],
    }
    for name, parts in files.items():
        (out / name).write_text("\n".join(parts), encoding="utf-8")
    draw(compared, out / "comparison.png")
    return (
        f"Written to {out}: comparison.md, this text; details.md, strengths, gaps and "
        "spreads; comparison.png, every task in a picture"
    )


def section(table, results):
    """Return heading, table and conclusion of a table."""
    measure = "AUC (1: best, 0.5: chance)" if table.classifier else unit(table)
    header = ["method", measure, f"against {SEPARATE}", "better in", "seconds"]
    best = max(results, key=lambda m: table.sign * results[m].fold_scores.mean())
    rows = []
    for method, result in by_method(results):
        score = f"{result.fold_scores.mean():{'.3f' if table.classifier else '#.4g'}}"
        rows.append(
            [
                f"mtlreg {method.name}" if method.shares else method.name,
                f"**{score}**" if method.name == best else score,
                *versus(table, result, results[SEPARATE]),
                f"{result.seconds:.1f}",
            ]
        )
    lines = [*heading(table, results), "", *markdown(header, rows), ""]
    return "\n".join([*lines, wrap(f"Conclusion: {conclusion(table, results)}"), ""])


def details(table, results):
    """Return what the section leaves out."""
    header = ["method", "score", "sd", "sd of difference", "tasks", "strengths", "gap"]
    rows = [
        [
            method.name,
            f"{result.fold_scores.mean():.4f}",
            f"{result.fold_scores.std(ddof=1):.4f}",
            f"{(result.fold_scores - results[SEPARATE].fold_scores).std(ddof=1):.4f}",
            "{:.3f} to {:.3f}".format(*task_range(result.task_scores)),
            ", ".join(map(strengths_cell, result.strengths)),
            f"{result.gap:.0e}" if np.isfinite(result.gap) else "-",
        ]
        for method, result in by_method(results)
    ]
    return "\n".join([f"## {table.name}", "", *markdown(header, rows), ""])


def by_method(results):
    """Return the methods with a result, in their order."""
    return [(m, results[m.name]) for m in METHODS if m.name in results]


def heading(table, results):
    """Return the lines that say what the table is and what was done to it."""
    kind = "Classification" if table.classifier else "Regression"
    size = f"{len(table.y)} rows, {table.n_features} features, {table.n_tasks} tasks"
    low, high = table.sizes.min(), table.sizes.max()
    rows = f"of {low} rows" if low == high else f"of {low} to {high} rows"
    lines = [f"{table.about} {kind} of {table.target}: {size} {rows}.".strip()]
    n_rows = 2 * len(results[SEPARATE].scores)
    small = table.sizes < n_rows
    scored = np.isfinite(results[SEPARATE].task_scores)
    one_class = ~small & ~scored
    if small.any():
        lines.append(f"- tasks of fewer than {n_rows} rows, not scored: {small.sum()}")
    if one_class.any():
        lines.append(f"- tasks of one class only, not scored: {one_class.sum()}")
    if not scored.all():
        lines.append(
            f"- tasks that are scored: {scored.sum()} of {table.n_tasks}; the others "
            "are used in training"
        )
    lines += [f"- {note}" for note in table.notes]
    return [f"## {table.name}", "", *map(wrap, lines)]


def wrap(line):
    return textwrap.fill(line, 88, subsequent_indent="  " * line.startswith("- "))


def unit(table):
    if table.task_column is None:
        return "error (RMSE / sd of target)"
    return f"error (RMSE, unit of {table.target})"


def markdown(header, rows):
    """Return the lines of a Markdown table."""
    rows = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]


def versus(table, result, separate):
    """Return the cells that compare a method with separate fits, fold by fold."""
    if result is separate:
        return "", ""
    difference = result.fold_scores - separate.fold_scores
    wins = np.sum(table.sign * difference > 0)
    if table.classifier:
        change = f"{difference.mean():+z.3f}"
    else:
        change = f"{100 * difference.mean() / separate.fold_scores.mean():+z.1f} %"
    return change, f"{wins} of {len(difference)}"


def strengths_cell(strengths):
    return "/".join(dict.fromkeys(f"{value:.2g}" for value in strengths.values()))


def task_range(scores):
    """Return the 10 % and the 90 % quantile over the tasks."""
    return np.nanquantile(scores, [0.1, 0.9])


def draw(compared, path):
    """Draw how much better than by separate fits each task does."""
    figure, axes = plt.subplots(
        1,
        len(compared),
        figsize=(2.0 + 3.6 * len(compared), 3.4),
        squeeze=False,
        layout="constrained",
    )
    names = [m.name for m in reversed(METHODS) if m.name != SEPARATE]
    names = [name for name in names if any(name in found for _, found in compared)]
    for axis, (table, results) in zip(axes[0], compared, strict=True):
        axis.axvline(0, color="0.6", linewidth=1)
        for height, name in enumerate(names):
            if name in results:
                gain = results[name].task_scores - results[SEPARATE].task_scores
                draw_tasks(axis, height, table.sign * gain[np.isfinite(gain)])
        axis.set_xlabel("AUC higher by" if table.classifier else "error lower by")
        axis.set_title(f"{table.name}: {table.n_tasks} tasks", fontsize="medium")
        axis.set_yticks(range(len(names)), names if axis is axes[0, 0] else [])
        axis.set_ylim(-0.6, len(names) - 0.4)
        axis.spines[["top", "right"]].set_visible(False)
        axis.locator_params(axis="x", nbins=5)
    figure.suptitle(
        f"Each task against {SEPARATE} (diamond: mean, bar: 80 % of the tasks)",
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
