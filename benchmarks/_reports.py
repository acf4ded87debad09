"""What `transfer_report` says of tasks of which the truth is known, and of School."""

import numpy as np
from _data import Progress, load_school, markdown, standardise
from sklearn.base import clone

from mtlreg import (
    GroupLassoRegressorCV,
    MeanRegularizedRegressorCV,
    TraceNormRegressorCV,
)
from mtlreg.inspection import transfer_report

N_TASKS, N_ROWS, N_FEATURES, NOISE, OWN = 10, 60, 20, 5.0, 0.1
CLEAR = 2.0  # standard errors
# one strength of sharing for all tasks, so that it can hurt
MODEL = MeanRegularizedRegressorCV(
    alphas=10, ratios=[0.001], intercept_ratios=[0.0], cv=3
)
RIDGE = clone(MODEL).set_params(ratios=[1.0])
SCHOOL = [MeanRegularizedRegressorCV, TraceNormRegressorCV, GroupLassoRegressorCV]


def cells():
    """Return the coefficients of the tasks of each kind, (n_tasks, n_features)."""
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=N_FEATURES), rng.normal(size=(N_TASKS, N_FEATURES))
    alike, half = shared + OWN * own, N_TASKS // 2
    sign = np.where(np.arange(N_TASKS) < N_TASKS - 2, 1.0, -1.0)
    return {
        "everywhere": alike,
        "nowhere": own,
        "in one of two clusters": np.concatenate([alike[:half], own[half:]]),
        "but for two of the opposite sign": sign[:, None] * alike,
    }


def sample(coef, seed):
    """Return the report of one sample of rows, and the gains there truly are.

    The features are independent with variance 1, so that the risk of a task is that of
    its coefficients; a gain is a difference of risks over the variance of the target.
    """
    rng = np.random.default_rng(seed)
    tasks = np.repeat(np.arange(N_TASKS), N_ROWS)
    X = rng.normal(size=(len(tasks), N_FEATURES))
    y = np.sum(X * coef[tasks], axis=1) + NOISE * rng.normal(size=len(tasks))
    report = transfer_report(MODEL, X, y, tasks=tasks, baselines="independent")
    risks = []
    for model in (RIDGE, MODEL):
        found = clone(model).fit(X, y, tasks=tasks)
        risks.append(np.sum((found.coef_ - coef) ** 2, axis=1) + found.intercept_**2)
    variance = NOISE**2 + np.sum(coef**2, axis=1)
    return report, (risks[0] - risks[1]) / variance


def rates(repetitions, write):
    """Sample rows of the same tasks again and again, and judge the flags.

    A task is hurt where its true gain, the mean over all samples, is below 0.

    Parameters
    ----------
    repetitions : int
    write : callable
        Takes the text of what is known so far.

    Returns
    -------
    list of str
        What misses a target.
    """
    kinds, shown = cells(), Progress(repetitions)
    found = {kind: [] for kind in kinds}
    for seed in range(repetitions):
        for kind, coef in kinds.items():
            report, gain = sample(coef, seed)
            told, error, p = report.gains()
            found[kind].append((gain, told, error, p, report.negative_transfer))
        shown.step("transfer_report")
        if seed + 1 == repetitions or (seed + 1) % 20 == 0:
            judged = [judge(kind, rows, report.level) for kind, rows in found.items()]
            write(told_rates([cells for cells, _ in judged], seed + 1, report.level))
    return [text for _, missed in judged for text in missed]


def judge(kind, rows, level):
    """Return the line of one kind of tasks, and what misses a target."""
    gain, told, error, p, flagged = map(np.array, zip(*rows, strict=True))
    truth = gain.mean(axis=0)
    hurt = truth < 0
    false = (flagged & ~hurt).sum(axis=1)
    proportion = false / np.maximum(flagged.sum(axis=1), 1)
    rate, family = proportion.mean(), np.mean(false > 0)
    spread = proportion.std(ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else 0.0
    parts = (~hurt, hurt)
    line = [
        kind,
        str(hurt.sum()),
        " to ".join(f"{value:+.2f}" for value in (truth.min(), truth.max())),
        f"{np.mean(error) / np.mean(told.std(axis=0)):.1f}",
        *(share(p[:, part] <= level) for part in parts),
        f"{flagged.sum(axis=1).mean():.2f}",
        f"{rate:.3f}",
        f"{family:.3f}",
        share(flagged[:, hurt]),
    ]
    over = rate > level + CLEAR * spread
    return line, [f"{kind}: false discovery rate {rate:.3f}"] * bool(over)


def share(events):
    """Return the share of events as text."""
    return f"{events.mean():.3f}" if events.size else "-"


def told_rates(lines, repetitions, level):
    """Return the text of all kinds of tasks."""
    header = [
        "sharing helps",
        "tasks it hurts",
        "true gains",
        "error over spread",
        f"p <= {level:g}, others",
        f"p <= {level:g}, hurt",
        "flags",
        "false discoveries",
        "any false flag",
        "hurt and flagged",
    ]
    about = (
        f"{repetitions} samples of {N_TASKS} tasks with {N_ROWS} rows and {N_FEATURES} "
        f"features, noise of variance {NOISE**2:g}; false discovery rate {level:g}."
    )
    return f"{about}\n\n{markdown(header, lines)}\n"


def school(write):
    """Report on School in its ten splits; return what misses a target."""
    X, y, tasks, training = load_school()
    splits = [(np.flatnonzero(part), np.flatnonzero(~part)) for part in training]
    lines, missed, shown = [], [], Progress(len(SCHOOL))
    for stem in SCHOOL:
        model = stem(task_weight="proportional")
        report = transfer_report(model, standardise(X), y, tasks=tasks, cv=splits)
        gains = {name: report.mean_gain(name) for name in report.baselines}
        cells = [f"{gain:+.4f} ({error:.4f})" for gain, error in gains.values()]
        count = f"{report.n_gaining} of {len(report.tasks)}"
        name = stem.__name__.removesuffix("RegressorCV")
        lines.append([name, *cells, count, str(report.negative_transfer.sum())])
        gain, error = report.mean_gain()
        if not gain > CLEAR * error:
            missed.append(f"School, {name}: no clear gain on independent ridges")
        shown.step(name)
    header = [
        "School",
        *(f"gain on {name}" for name in report.baselines),
        "gain",
        "flags",
    ]
    write(f"{markdown(header, lines)}\n")
    return missed
