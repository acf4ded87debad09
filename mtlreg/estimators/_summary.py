"""Fitted coefficients as a data frame, and a fit in a few lines of text."""

from numbers import Real

import numpy as np

from mtlreg.inputs.frames import listed

_MOST_LABELS = 6


def coef_frame(model):
    """Return what `MultiTaskLinearModel.coef_frame` does."""
    frames = {
        part: _frame(model, values, model.tasks_)
        for part, values in parts_of(model).items()
    }
    if len(frames) == 1:
        return frames["coef"]
    return _pandas().concat(frames, axis=1, names=["part"])


def crossed_coef_frame(model):
    """Return what `CrossedMeanRegularizedRegressor.coef_frame` does."""
    frames = {
        column: _frame(model, model.coef_[column], labels)
        for column, labels in model.tasks_.items()
    }
    return _pandas().concat(frames, names=["task_column"])


def _frame(model, values, labels):
    pd = _pandas()
    columns = pd.Index(model.coef_feature_names_, name="feature")
    return pd.DataFrame(values, pd.Index(labels, name="task"), columns)


def _pandas():
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "coef_frame needs pandas, which is not installed: install it, or read "
            "coef_, tasks_ and coef_feature_names_"
        ) from error
    return pandas


def parts_of(model):
    """Return ``coef_`` and the parts that it is the sum of, by name without "_coef_".

    A fitted part is an attribute of that shape whose name ends so; beside a single one
    it is the vector that all tasks have.
    """
    shape, parts, vectors = model.coef_.shape, {}, {}
    for name, values in vars(model).items():
        if name.endswith("_coef_"):
            kind = parts if values.shape == shape else vectors
            kind[name.removesuffix("_coef_")] = np.broadcast_to(values, shape)
    if len(parts) == 1:
        parts |= vectors
    return {"coef": model.coef_} | parts


def summary(model):
    """Return what `MultiTaskLinearModel.summary` does."""
    totals, n_rows = model._learned.totals, model._learned.n_rows
    # of a problem that is not convex there is no dual gap
    what, gap = "dual gap", getattr(model, "dual_gap_", None)
    if gap is None:
        what, gap = "optimality", model.optimality_
    lines = [
        ("tasks", _labels(model.tasks_)),
        ("rows", _rows(n_rows, totals)),
        ("features", str(model.coef_.shape[1])),
        ("strengths", ", ".join(_strengths(model))),
        *_found(model),
        (what, _reached(gap, model)),
    ]
    return _text(model, lines)


def crossed_summary(model):
    """Return what `CrossedMeanRegularizedRegressor.summary` does."""
    strengths = ("alpha", "alpha_mean", "alpha_intercept")
    values = ((name, getattr(model, name)) for name in strengths)
    lines = [
        *((f"tasks of {column!r}", _labels(t)) for column, t in model.tasks_.items()),
        ("features", str(len(model.coef_feature_names_))),
        ("strengths", ", ".join(f"{n}={v}" for n, v in values if v is not None)),
        ("dual gap", _reached(model.dual_gap_, model)),
    ]
    return _text(model, lines)


def _labels(labels):
    return f"{len(labels)}: {listed(labels, _MOST_LABELS)[1:-1]}"


def _reached(gap, model):
    return f"{gap:.3g} (iterations: {model.n_iter_})"


def _text(model, lines):
    width = max(len(name) for name, _ in lines) + 2
    text = [f"  {name:<{width}}{value}" for name, value in lines if value]
    return "\n".join([type(model).__name__, *text])


def _rows(n_rows, totals):
    """Say how many rows there were, if it is known, and how much they weigh."""
    low, high = totals.min(), totals.max()
    weight = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    weight = f"weight {weight} a task"
    return f"{n_rows}, {weight}" if n_rows else weight


def _strengths(model):
    """Say what the strengths are; those that a search has chosen end with "_"."""
    for name in model._strength_names():
        value = getattr(model, name)
        yield f"{name}={value:.4g}" if isinstance(value, Real) else f"{name}={value}"


def _found(model):
    """Say what the penalty has found, as far as it reports it."""
    found, (n_tasks, n_features) = vars(model), model.coef_.shape
    for name, what in (("support_", "support"), ("rank_", "rank")):
        if name in found:
            held = int(np.sum(found[name]))
            of = n_features if what == "support" else min(n_tasks, n_features)
            yield what, f"{held} of {of}"
    if "outlier_tasks_" in found:
        outliers = model.tasks_[found["outlier_tasks_"]]
        labels = f": {listed(outliers, _MOST_LABELS)[1:-1]}" if len(outliers) else ""
        yield "outliers", f"{len(outliers)} of {n_tasks} tasks{labels}"
    if "task_clusters_" in found:
        sizes = np.bincount(found["task_clusters_"])
        yield "clusters", f"{len(sizes)} of {', '.join(map(str, sizes))} tasks"
    for part, values in parts_of(model).items():
        if part != "coef":
            used = np.count_nonzero(values)
            yield part, f"{used} of {values.size} coefficients are not 0"
