"""One sentence for each table: which method to use, and why."""

import numpy as np
from scipy import stats

from _comparison.methods import BOOSTING, DUMMIES, METHODS, POOLED, SEPARATE, kind

SHARES = {method.name: method.shares for method in METHODS if method.shares}
PLAIN = [SEPARATE, POOLED, DUMMIES]
ENOUGH = 10  # rows for each feature with which a linear fit needs little help


def conclusion(table, results):
    """Return which method to use and why, in one sentence.

    Of those that the best one does not beat by more than chance it is the best of the
    plain ones, or else the best that shares, or else boosting.
    """
    scores = {name: table.sign * r.fold_scores for name, r in results.items()}
    ranked = sorted(scores, key=lambda name: -scores[name].mean())
    best = ranked[0]
    as_good = [name for name in ranked if not beats(scores[best], scores[name])]
    for names, say in [(PLAIN, no_need), (SHARES, need), ([BOOSTING], not_linear)]:
        for name in as_good:
            if name in names:
                return say(table, results, name, ranked, as_good)


def no_need(table, results, choice, ranked, as_good):
    one = ("logistic" if table.classifier else "ridge") + " regression"
    use = {
        SEPARATE: f"separate fits, one {one} for each task",
        POOLED: f"one {one} for all tasks",
        DUMMIES: f"one {one} with task dummies",
    }[choice]
    text = f"mtlreg is not needed here: use {use}"
    if choice != SEPARATE and SEPARATE not in as_good:
        text += f", whose {gain(table, results, choice, SEPARATE)}"
        why = "one set of slopes serves all tasks"
    elif choice != SEPARATE:
        why = "a set of slopes for each task gains nothing by more than chance"
    elif few_rows(table):
        why = "what the tasks have in common is too little to help"
    else:
        why = f"{rows(table)} do without help from other tasks"
    text += f", because {why}; "
    if choice == ranked[0]:
        return f"{text}no method has a better score."
    return f"{text}{ranked[0]} is better by no more than chance."


def need(table, results, choice, ranked, as_good):
    model = choice + kind(table.classifier) + "CV"
    text = f"sharing helps: use {model}, whose tasks share {SHARES[choice]}; its "
    other = next(name for name in ranked if name not in SHARES)
    if other in as_good:
        text += gain(table, results, choice, SEPARATE)
        text += f", and {other} is no different by more than chance"
    elif other == SEPARATE:
        text += gain(table, results, choice, SEPARATE)
    else:
        text += gain(table, results, choice, SEPARATE, other)
        text += ", the best without mtlreg"
    why = "are few" if few_rows(table) else "still leave the slopes uncertain"
    text += f", because {rows(table)} {why}"
    if DUMMIES in results:
        text += " and one set of slopes does not serve all tasks"
    return f"{text}."


def not_linear(table, results, choice, ranked, as_good):
    linear = next(name for name in ranked if name != BOOSTING)
    return (
        f"use gradient boosting; its {gain(table, results, BOOSTING, linear)}, the "
        "best of the linear methods, because the features do not act linearly, and no "
        "sharing makes up for that."
    )


def gain(table, results, name, *others):
    """Return how much better the one is than the others, in words."""
    score, *scores = (results[n].fold_scores.mean() for n in (name, *others))
    if table.classifier:
        change = [f"{s:.3f} with {n}" for s, n in zip(scores, others, strict=True)]
        return f"AUC is {score:.3f} instead of {' and '.join(change)}"
    lower = [100 * (1 - score / s) for s in scores]
    change = [
        f"{s:.0f} % lower than with {n}" for s, n in zip(lower, others, strict=True)
    ]
    return f"error is {' and '.join(change)}"


def few_rows(table):
    return np.median(table.sizes) < ENOUGH * table.n_features


def rows(table):
    return f"{np.median(table.sizes):.0f} rows a task for {table.n_features} features"


def beats(a, b):
    """Return whether scores a of the folds are above b by more than chance.

    The corrected resampled t-test: training parts overlap, so that the mean difference
    of k folds varies by (1 / k + n_test / n_train) times their variance [1]_.

    References
    ----------
    .. [1] Nadeau and Bengio (2003). Inference for the generalization error. Machine
       Learning, 52, 239-281.
    """
    difference = a - b
    k = len(difference)
    error = difference.std(ddof=1) * np.sqrt(1 / k + 1 / (k - 1))
    return difference.mean() > stats.t.ppf(0.975, k - 1) * error
