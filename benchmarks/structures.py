"""Every model on tasks of every structure: whether it finds its own, where it loses.

    python benchmarks/structures.py [--quick] [--only STRUCTURE ...] [--models STEM ...]
                                    [--repetitions 10] [--out DIR]

The tasks are those of `mtlreg.datasets`, the models all stems of the package, and a
ridge for each task or for the rows of all. Strengths are chosen by cross-validation, on
the same folds. The error is the squared distance of the coefficients from the true
ones, which of the uncorrelated features here is the squared error of predictions of new
rows beyond the noise. The sweep goes from tasks that are equal to tasks that have
nothing to do with each other. Prints Markdown, and writes it and a picture to a folder.
"""

import argparse
import pathlib
import warnings

import matplotlib
import numpy as np
from _data import Progress, markdown

from mtlreg.datasets import make_multitask_regression
from mtlreg.datasets.structures import STRUCTURES
from mtlreg.estimators import STEMS

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SEPARATE, POOLED = "separate", "pooled"
# of mean regularisation: a ridge for each task
RIDGE = {"ratios": [1.0], "intercept_ratios": [0.0]}
CORE = ["MeanRegularized", "GroupLasso", "TraceNorm", "DirtyModel"]
# by stem: the structure that it supposes
OWN = {
    "MeanRegularized": "mean",
    "GroupLasso": "group",
    "TraceNorm": "low_rank",
    "DirtyModel": "dirty",
    "GraphRegularized": "graph",
    "FusedGroupLasso": "fused",
    "RobustLowRank": "low_rank_outliers",
    "RobustGroupLasso": "group_outliers",
    "SparseLowRank": "low_rank_sparse",
    "CommonDeviation": "common",
    "RobustMean": "outliers",
    "TreeGroupLasso": "tree",
    "Clustered": "clusters",
    "TaskRelationship": "related",
}
# what a user says of the tasks: an order, true or not, and a tree where it is known
SAID = {
    "GraphRegularized": lambda data: {"graph": "chain"},
    "TreeGroupLasso": lambda data: {"tree": data.get("tree", "ward")},
    "RobustMean, design": lambda data: {"metric": "design"},
}
SWEEP = [SEPARATE, POOLED, "MeanRegularized", "RobustMean", "RobustMean, design"]
SHARES = [0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0]
SIZES = {"n_tasks": 30, "n_samples": 30, "n_features": 20, "rank": 2}
SMALL = {"n_tasks": 5, "n_samples": 12, "n_features": 6, "rank": 1}
CLEAR = 2.0  # standard errors beyond which a difference is one


def main(argv=None):
    """Run what is asked for; return the errors by structure and share, and model."""
    options = read_options(argv)
    search = {"alphas": 20, "cv": 3, "tol": 1e-4}
    sizes = SIZES
    if options.quick:
        search, sizes = {"alphas": 4, "cv": 2, "tol": 1e-3}, SMALL
    models = [SEPARATE, POOLED, *options.models]
    swept = [name for name in SWEEP if name.partition(",")[0] in models]
    found = {}
    with warnings.catch_warnings():
        # strengths at the end of a grid, and of the smallest ones fits that fall short
        warnings.simplefilter("ignore", UserWarning)
        progress = Progress(len(options.only) + len(SHARES))
        for name in options.only:
            tables = [
                make_multitask_regression(structure=name, random_state=k, **sizes)
                for k in range(options.repetitions)
            ]
            found[name] = errors(models, tables, search)
            progress.step(name)
        for share in SHARES:
            tables = [alike(share, k, **sizes) for k in range(options.repetitions)]
            found[share] = errors(swept, tables, search)
            progress.step(f"sweep, {share}")
    parts = [table(found, options.only), remarks(found, options.only)]
    text = "\n\n".join([*parts, sweep_table(found, swept)]) + "\n"
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "structures.md").write_text(text, encoding="utf-8")
    draw(found, options.only, options.out / "structures.png")
    return found


def read_options(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny tables")
    parser.add_argument("--only", nargs="+", choices=STRUCTURES, default=[*STRUCTURES])
    parser.add_argument("--models", nargs="+", choices=STEMS, default=[*STEMS])
    parser.add_argument("--repetitions", type=int, default=10, help="at least 2")
    results = pathlib.Path(__file__).parent / "results"
    parser.add_argument("--out", type=pathlib.Path, default=results)
    options = parser.parse_args(argv)
    if options.repetitions < 2:
        parser.error(f"--repetitions must be at least 2, got {options.repetitions}")
    return options


def errors(models, tables, search):
    """Return {model: mean squared errors of the coefficients, one a table}."""
    return {
        name: np.array([error(name, data, search) for data in tables])
        for name in models
    }


def error(name, data, search):
    """Return the mean over the tasks of the squared distance of their coefficients."""
    if name in (SEPARATE, POOLED):
        model = STEMS["MeanRegularized"][2](**RIDGE, **search)
    else:
        said = SAID[name](data) if name in SAID else {}
        model = STEMS[name.partition(",")[0]][2](**said, **search)
    model.fit(data.X, data.y, tasks=None if name == POOLED else data.tasks)
    return np.sum((model.coef_ - data.coef) ** 2) / len(data.coef)


def alike(share, seed, **sizes):
    """Return tasks with a share of their coefficients' variance of their own."""
    options = {"structure": "outliers", "random_state": seed, "noise": 0.0}
    data = make_multitask_regression(**sizes, **options)
    rng = np.random.default_rng(seed)
    own = rng.normal(size=data.coef.shape)
    data.coef = np.sqrt(1 - share) * data.shared_coef + np.sqrt(share) * own
    data.y = np.sum(data.X * data.coef[data.tasks], axis=1)
    data.y += data.intercept[data.tasks] + rng.normal(size=len(data.y))
    return data


def against(found, name, other):
    """Return the ratio of two mean errors, and the paired standard error of it."""
    ratio = found[name].mean() / found[other].mean()
    spread = np.std(found[name] - ratio * found[other], ddof=1)
    return ratio, spread / np.sqrt(len(found[name])) / found[other].mean()


def best_of(found, names):
    return min(names, key=lambda name: found[name].mean())


def table(found, structures):
    """Return the table of all models."""
    header = ["structure", "best error", *found[structures[0]]]
    rows = []
    for structure in structures:
        row = found[structure]
        best = best_of(row, row)
        cells = []
        for name in row:
            ratio, deviation = against(row, name, best)
            cell = f"{ratio:.2f}" + (f" ± {deviation:.2f}" if name != best else "")
            cells.append(f"**{cell}**" if OWN.get(name) == structure else cell)
        rows.append([structure, f"{row[best].mean():.3g}", *cells])
    about = "Errors over that of the best; bold where the structure is the model's."
    return f"{about}\n\n{markdown(header, rows)}"


def remarks(found, structures):
    """Return a line for each model: its own structure, and where it loses most."""
    lines = []
    for name, own in OWN.items():
        rows = {s: found[s] for s in structures if name in found[s]}
        parts = []
        if own in rows:
            others = [core for core in CORE if core in rows[own] and core != name]
            ratios = [against(rows[own], name, other) for other in others]
            cells = [
                f"{ratio:.2f} ± {deviation:.2f} of {other}"
                for (ratio, deviation), other in zip(ratios, others, strict=True)
            ]
            parts.append(f"on {own} {', '.join(cells)}")
        lost = []
        for structure, row in rows.items():
            best = best_of(row, row)
            ratio, deviation = against(row, name, best)
            if structure != own and ratio - 1 > CLEAR * deviation:
                lost.append((ratio, f"{structure} ({ratio:.1f} times {best})"))
        worst = [text for _, text in sorted(lost, reverse=True)[:3]]
        parts += [f"loses on {', '.join(worst)}"] if worst else []
        lines += [f"- {name}: {'; '.join(parts)}"] if parts else []
    return "\n".join(lines)


def sweep_table(found, swept):
    """Return the table from equal to unrelated tasks."""
    rows = []
    for share in SHARES:
        row = found[share]
        base = best_of(row, [SEPARATE, POOLED])
        cells = ["{:.2f} ± {:.2f}".format(*against(row, name, base)) for name in swept]
        rows.append([f"{share:g}", base, f"{row[base].mean():.3g}", *cells])
    about = "Errors over that of the better ridge, by the share that is a task's own."
    header = ["share", "better", "its error", *swept]
    return f"{about}\n\n{markdown(header, rows)}"


def draw(found, structures, path):
    """Write the picture of both tables."""
    figure, axes = plt.subplots(1, 2, figsize=(15, 7), width_ratios=[3, 2])
    models = list(found[structures[0]])
    means = np.array([[found[s][m].mean() for m in models] for s in structures])
    ratios = means / means.min(axis=1, keepdims=True)
    axes[0].imshow(np.log2(ratios), cmap="Greys", vmin=0, vmax=3, aspect="auto")
    for (i, j), ratio in np.ndenumerate(ratios):
        own = OWN.get(models[j]) == structures[i]
        color = "C3" if own else "white" if ratio > 3 else "black"
        weight = "bold" if own else "normal"
        style = {"ha": "center", "va": "center", "color": color, "weight": weight}
        axes[0].text(j, i, f"{ratio:.2f}", **style)
    axes[0].set_xticks(range(len(models)), models, rotation=45, ha="right")
    axes[0].set_yticks(range(len(structures)), structures)
    axes[0].set_title("error over that of the best; red: its own structure")
    for name in found[SHARES[0]]:
        parts = np.array([found[share][name] for share in SHARES])
        spread = parts.std(axis=1, ddof=1) / np.sqrt(parts.shape[1])
        axes[1].errorbar(SHARES, parts.mean(axis=1), spread, label=name)
    axes[1].set_xscale("symlog", linthresh=SHARES[1])
    axes[1].set_yscale("log")
    axes[1].set_xlabel("share of the coefficients that is a task's own")
    axes[1].set_title("error, from equal to unrelated tasks")
    axes[1].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
