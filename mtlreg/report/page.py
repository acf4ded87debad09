"""The page itself: HTML that needs nothing but itself."""

import base64
import io
from html import escape

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from mtlreg.inspection.transfer_gains import in_words
from mtlreg.plotting import (
    CoefficientDisplay,
    TaskSimilarityDisplay,
    TransferGainDisplay,
)
from mtlreg.report.findings import mean_score
from mtlreg.report.pipelines import SHARES, code, kinds, strengths

_MOST = 40  # tasks and features that are listed
_KINDS = {
    "numbers": "number",
    "dates": "date",
    "categories": "category",
    "texts": "text",
}

# the policy forbids a browser to load anything, whatever is on the page
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
 max-width: 52rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }}
h1, h2 {{ line-height: 1.2 }}
h2 {{ margin-top: 2.5rem; border-bottom: 1px solid #ccc }}
.box {{ overflow-x: auto; margin: 1rem 0 }}
.tall {{ max-height: 40rem; overflow-y: auto }}
table {{ border-collapse: collapse; overflow-wrap: normal; white-space: nowrap;
 font-variant-numeric: tabular-nums }}
th, td {{ padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right }}
th:first-child, td:first-child, :nth-child(2):last-child {{ text-align: left }}
.best {{ font-weight: bold }}
pre {{ overflow-x: auto; background: #f4f4f4; padding: .8rem; font-size: .85rem;
 overflow-wrap: normal }}
figure {{ margin: 1.5rem 0 }}
img {{ max-width: 100%; height: auto }}
figcaption, .small {{ color: #444; font-size: .9rem }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def page(findings, path):
    """Return the page of findings on the table of a file."""
    table, best = findings.table, findings.best
    fit, report = findings.fits[best], findings.reports[best]
    by = "" if table.task_column is None else f" by {table.task_column}"
    title = f"{table.target}{by}: does sharing help?"
    parts = [
        f"<p>{escape(_verdict(findings))}</p>",
        "<h2>The data</h2>",
        *_data(table, path),
        "<h2>Scores</h2>",
        *_scores(findings),
        f"<h2>What sharing does: {best}</h2>",
        _box(report._repr_html_()),
        _picture(
            TransferGainDisplay.from_report(report),
            "Gain of every task on a fit of its own, the least at the bottom, with one "
            "standard error to both sides.",
        ),
        f"<h2>The fit: {best}</h2>",
        f"<p>Its tasks share {SHARES[best]}. On all rows:</p>",
        f"<pre>{escape(fit[-1].summary())}</pre>",
        _picture(
            CoefficientDisplay.from_estimator(fit[-1]),
            "Coefficients by task, each of a feature in its standard deviations."
            + f" Brighter: {_second_class(table)} is likelier." * table.classifier,
        ),
        _picture(
            TaskSimilarityDisplay.from_estimator(fit[-1]),
            "How alike the coefficients of the tasks are. They are estimates: that "
            "tasks look alike is no proof that sharing helps.",
        ),
        "<h2>The code</h2>",
        "<p>This reads the file and fits the same model, as a pipeline of scikit-learn "
        "that predicts rows as they come in the file.</p>",
        f"<pre><code>{escape(code(table, path, fit[-1]))}</code></pre>",
    ]
    return _PAGE.format(title=escape(title), body="\n".join(parts))


def _verdict(findings):
    """Say in two sentences what came out."""
    name, first = findings.scores()[0]
    best = findings.reports[findings.best]
    gain, error = best.mean_gain()
    score, does = best.score, in_words(gain, error)
    by = f"{score} {gain:+.3f}, standard error {error:.3f}"
    return (
        f"Best on rows left out: {name}, a mean {score} of {mean_score(first):.3f} "
        f"over the tasks. Of the models that share, {findings.best} is the best; it "
        f"{does} a fit for each task alone ({by})."
    )


def _data(table, path):
    """Yield the section on rows, tasks and features."""
    low, high = table.sizes.min(), table.sizes.max()
    rows = f"{low} rows" if low == high else f"{low} to {high} rows"
    what = "two classes" if table.classifier else "numbers"
    holder = "The target holds" if len(table.targets) == 1 else "The targets hold"
    yield (
        f"<p>{escape(path.name)}: {len(table.y)} rows of {table.n_tasks} tasks, "
        f"{rows} each (median {np.median(table.sizes):g}), with "
        f"{table.n_features} features. {holder} {what}.</p>"
    )
    if table.notes:
        notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
        yield f"<ul>{notes}</ul>"
    names = [
        (name, _KINDS[kind]) for kind, held in kinds(table).items() for name in held
    ]
    rows = [
        (
            name,
            kind,
            table.frame[name].nunique(),
            f"{table.frame[name].isna().mean():.1%}",
        )
        for name, kind in names[:_MOST]
    ]
    yield _table(["feature", "kind", "values", "missing"], rows)
    yield _more(len(names), "features")
    told = table.by_task().agg(["size", "mean", "std"])
    told = told.sort_values("size", kind="stable")
    header = ["task", "rows", "mean target", "deviation"]
    if table.classifier:
        header = ["task", "rows", f"share of {_second_class(table)}"]
    listed = [
        (task, f"{n:.0f}", f"{mean:.4g}", "" if np.isnan(std) else f"{std:.4g}")
        for task, n, mean, std in told.head(_MOST).itertuples()
    ]
    yield _table(header, [row[: len(header)] for row in listed])
    yield _more(len(told), "tasks, those of fewest rows first")


def _scores(findings):
    """Yield the section that sets models and baselines beside each other."""
    table, any_report = findings.table, findings.reports[findings.best]
    score = any_report.score
    n_splits = len(any_report.losses["model"])
    zero = "independent fits"
    yield (
        f"<p>{score} on rows that were left out, the mean over the tasks: 1 is "
        f"perfect, 0 is as good as the best constant of the task. Each of {n_splits} "
        f"training parts, the same for all, chooses the strengths anew. The gain is "
        f"that on {zero}, a ridge for each task, with its standard error; pooled fits "
        f"are a ridge for all rows.</p>"
    )
    rows = []
    for name, report in findings.scores():
        gain, error = report.mean_gain()
        same = name == zero
        rows.append(
            (
                name,
                f"{mean_score(report):.3f}",
                "" if same else f"{gain:+.3f} ± {error:.3f}",
                "" if same else report.n_gaining,
            )
        )
    header = ["model", score, "gain", "tasks that gain"]
    yield _table(header, rows, best=findings.best)
    yield (
        "<p class='small'>The model in bold was chosen by these scores, so that its "
        "own flatters a little.</p>"
    )
    chosen = [
        (stem, ", ".join(f"{k} {v:.3g}" for k, v in strengths(fit[-1]).items()))
        for stem, fit in findings.fits.items()
    ]
    header = ["model", "strengths that it chooses on all rows"]
    yield _table(header, chosen, best=findings.best)
    if count := int((table.by_task().nunique() == 1).sum()):
        yield (
            f"<p class='small'>{count} of {table.n_tasks} tasks have no score: their "
            f"target does not vary.</p>"
        )
    for caveat in findings.caveats:
        yield f"<p class='small'>Note: {escape(caveat)}</p>"


def _second_class(table):
    """Return the class that has the code 1, if it is the same in all targets."""
    found = set()
    for name in table.targets:
        values = table.frame[name].dropna()
        if not pd.api.types.is_numeric_dtype(values):
            values = values.astype(object).map(str)
        found.add(values.max())
    return found.pop() if len(found) == 1 else "the second class"


def _table(header, rows, best=None):
    """Return a table in a box that scrolls."""
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    lines = []
    for row in rows:
        mark = " class='best'" if best is not None and row[0] == best else ""
        cells = "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
        lines.append(f"<tr{mark}>{cells}</tr>")
    return _box(
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def _box(html):
    return f"<div class='box tall'>{html}</div>"


def _more(count, what):
    if count <= _MOST:
        return ""
    return f"<p class='small'>{_MOST} of {count} {what}.</p>"


def _picture(display, caption):
    """Return a display as an image inside the page, and close its figure."""
    file = io.BytesIO()
    display.figure_.savefig(file, format="png", dpi=130)
    plt.close(display.figure_)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return (
        f"<figure><img alt='{escape(caption)}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
