"""Random problems: data in every layout, an estimator, and who judges its fits."""

import re
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

import mtlreg
from tests.fuzz import penalties, rows
from tests.fuzz.judge import Judge
from tests.fuzz.options import WithOptions

LAYOUTS = ["single", "tasks", "column", "columns", "multiclass"]
# positive coefficients are of these alone
SIGNED = ["GroupLasso", "DirtyModel", "MeanRegularized", "TreeGroupLasso"]
# weights of features of these may be 0 or inf
BY_ROWS = [*SIGNED, "GraphRegularized", "FusedGroupLasso", "CommonDeviation"]
STEMS = [*BY_ROWS, "TraceNorm", "TaskRelationship", "Clustered"]
STEMS += ["RobustLowRank", "SparseLowRank", "RobustGroupLasso", "RobustMean"]
# of two strengths, with the ratios to draw from: beyond both ends one part is 0
TWO_PARTS = {
    "DirtyModel": [0.7, 1.0, 1.2, 1.5, 2.5],
    "RobustLowRank": [0.9, 1.1, 1.3, 1.5, 3.0],
    "SparseLowRank": [0.9, 1.3, 2.0, 4.0],
    "RobustGroupLasso": [0.3, 0.7, 1.0, 1.5, 3.0],
    "CommonDeviation": [0.3, 0.7, 1.0, 1.5, 3.0],
}


@dataclass
class Drawn:
    """Data and an unfitted estimator.

    Attributes
    ----------
    model : estimator
    X, y : array
        As they are given to ``fit``.
    keywords : dict
        The other arguments of ``fit``.
    layout : str
        Of `LAYOUTS`.
    matrix : ndarray of shape (n_rows, n_features)
        X, dense and without a column of tasks.
    codes : ndarray of shape (n_rows,)
        Positions of the tasks of the rows, 0 where all tasks have them.
    targets : ndarray of shape (n_rows, n_tasks)
        What the loss compares with, -1 and 1 for classes. One column where rows have
        tasks.
    weights : ndarray of the shape of targets
        0 also where nothing is observed.
    """

    model: object
    X: object
    y: np.ndarray
    keywords: dict
    layout: str
    matrix: np.ndarray
    codes: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    @property
    def loss(self):
        return "logistic" if "Classifier" in type(self.model).__name__ else "squared"

    @property
    def n_tasks(self):
        own_rows = self.layout in ("tasks", "column")
        return int(self.codes.max()) + 1 if own_rows else self.targets.shape[1]

    @property
    def shrinks(self):
        """Whether intercepts have a penalty."""
        return getattr(self.model, "alpha_intercept", 0.0) > 0

    def y_scale(self):
        """Return the units of the targets of the tasks, 1 unless they are their own."""
        found = np.ones(self.n_tasks)
        if getattr(self.model, "normalize_y", False):
            for t, (_, y, w) in enumerate(self.rows()):
                y, w = y[w > 0].astype(np.longdouble), w[w > 0]
                size = np.sqrt(w @ (y - w @ y / w.sum()) ** 2 / w.sum())
                found[t] = size if np.ptp(y) > 0 else 1.0
        return found

    def variable(self, coef, intercept):
        """Return A and b as `judge` takes them, of coefficients and intercepts.

        Of models that have blocks, these are to be given instead of their sum.
        """
        scale = self.y_scale()
        # intercepts are as precise as they are given
        A, b = np.asarray(coef, float).swapaxes(-1, -2) / scale, intercept / scale
        b = b.astype(intercept.dtype)
        return (np.vstack([A, b]), 0 * b) if self.shrinks else (A, b)

    def rows(self, keep=slice(None)):
        """Return (X_t, y_t, w_t) of every task, of the rows in a mask."""
        X, codes = self.matrix[keep], self.codes[keep]
        y, w = self.targets[keep], self.weights[keep]
        if self.layout in ("tasks", "column"):
            return [
                (X[codes == t], y[codes == t, 0], w[codes == t, 0])
                for t in range(self.n_tasks)
            ]
        return [(X, y[:, t], w[:, t]) for t in range(self.n_tasks)]

    def kept(self, keep=slice(None)):
        """Return a mask of the tasks that have an optimum."""
        if self.loss == "squared" or not self.model.fit_intercept or self.shrinks:
            return np.ones(self.n_tasks, dtype=bool)
        return np.array([len(np.unique(y[w > 0])) == 2 for _, y, w in self.rows(keep)])

    def scale(self, kept, keep=slice(None)):
        """Return the c_t of the tasks in a mask."""
        weight = self.model.task_weight
        if isinstance(weight, dict):
            return np.array([weight[k] for k in sorted(weight)])[kept]
        if weight == "equal":
            return np.ones(kept.sum())
        totals = np.array([w.sum() for _, _, w in self.rows(keep)])[kept]
        return len(totals) * totals / totals.sum()

    def judge(self, model=None, keep=slice(None)):
        """Return the `Judge` of fits of a model, and the mask of its tasks."""
        kept = self.kept(keep)
        rows = [
            part for part, known in zip(self.rows(keep), kept, strict=True) if known
        ]
        model = self.model if model is None else model
        penalty = penalty_of(model).restrict(kept)
        intercept = model.fit_intercept and not self.shrinks
        if self.shrinks:
            rows = [(np.column_stack([X, np.ones(len(X))]), y, w) for X, y, w in rows]
        units = self.y_scale()[kept].astype(np.longdouble)
        rows = [(X, y / unit, w) for (X, y, w), unit in zip(rows, units, strict=True)]
        scale = self.scale(kept, keep)
        return Judge.of_rows(rows, scale, self.loss, penalty, intercept), kept

    def take(self, mask):
        """Return X, y and keywords of the rows in a mask."""
        X = sp.csr_array(self.X)[mask] if sp.issparse(self.X) else self.X[mask]
        keywords = {name: value[mask] for name, value in self.keywords.items()}
        return X, self.y[mask], keywords


def stem_of(model):
    """Return the name of an estimator without its kind."""
    return re.sub("(Regressor|Classifier)$", "", type(model).__name__)


def penalty_of(model):
    """Return the penalty of an estimator that is not cross-validated."""
    kind = (vars(penalties) | vars(rows))[stem_of(model)]
    own = {name: getattr(model, name) for name in kind.__dataclass_fields__}
    weight, signs = model.feature_weight, np.atleast_1d(model.positive)
    shrunken = getattr(model, "alpha_intercept", 0.0)
    plain = weight is None and not signs.any() and not shrunken
    if plain and ("ridge" in own or not model.ridge):
        return kind(**own)
    if "ridge" in own:
        own["ridge"] = 0.0
    weight = np.ones(1) if weight is None else np.asarray(weight)
    return WithOptions(kind(**own), model.ridge, weight, signs, shrunken)


def draw(rng, stem=None, *, tame=False):
    """Return random data and an estimator.

    Parameters
    ----------
    rng : Generator
    stem : str, optional
        Of `STEMS`, by default a random one.
    tame : bool
        Whether to leave out what makes predictions ill defined or float64 blunt.
    """
    classify = rng.random() < 0.4
    layout = str(rng.choice(LAYOUTS if classify else LAYOUTS[:-1]))
    n_tasks = 1 if layout == "single" else int(rng.integers(2, 7))
    n_tasks = max(n_tasks, 3) if layout == "multiclass" else n_tasks
    own = layout in ("tasks", "column")
    d = int(rng.choice([1, 2, 3, 5, 8, 12, 30]))
    low = 8 if tame else (1 if own and not classify else 8)
    sizes = rng.integers(low, 26, n_tasks if own else 1)
    if layout == "multiclass":
        sizes = sizes + 5 * n_tasks
    codes = np.repeat(np.arange(len(sizes)), sizes)
    codes = codes[rng.permutation(len(codes))]
    X = draw_features(rng, len(codes), d, tame)
    dtype = np.float64
    if not tame and rng.random() < 0.12 and np.abs(X).max() < 1e4:
        dtype = np.float32
    X = X.astype(dtype)
    y, targets = draw_targets(
        rng, X.astype(float), codes, n_tasks, layout, classify, tame
    )
    if dtype == np.float32 and not classify:
        y = y.astype(dtype)
        targets = y.reshape(len(y), -1).astype(float)
    given, weights = draw_weights(rng, layout, targets, tame)
    keywords = {} if given is None else {"sample_weight": given}
    matrix, given_X, task_column = X, X, None
    if layout == "tasks":
        keywords["tasks"] = np.array([f"t{code}" for code in codes])
    if rng.random() < 0.25:
        given_X = sp.csr_array(X)
    if layout == "column":
        task_column = 0
        given_X = np.column_stack([codes.astype(dtype), X])
        if rng.random() < 0.25:
            given_X = sp.csc_array(given_X)
    labels = [f"t{t}" for t in range(n_tasks)] if layout == "tasks" else range(n_tasks)
    weight = rng.choice(["equal", "proportional", "dict"], p=[0.5, 0.25, 0.25])
    if weight == "dict" and layout in ("multiclass", "single"):
        weight = "equal"
    if weight == "dict":
        weight = dict(zip(labels, 10 ** rng.uniform(-1, 1, n_tasks), strict=True))
    stem = stem or str(rng.choice(STEMS))
    model = draw_model(rng, stem, classify, n_tasks).set_params(
        fit_intercept=bool(rng.random() < 0.75),
        task_column=task_column,
        task_weight=weight if isinstance(weight, dict) else str(weight),
    )
    return Drawn(
        *(model, given_X, y, keywords, layout, matrix.astype(float)),
        *(codes if own else 0 * codes, targets, weights),
    )


def draw_options(rng, drawn):
    """Give a model what it takes of the options that every model has."""
    model, d = drawn.model, drawn.matrix.shape[1]
    stem, choice = stem_of(model), rng.integers(1, 8)
    ridge, weighted, signed = (bool(choice & bit) for bit in (1, 2, 4))
    mean, signed = stem == "MeanRegularized", signed and stem in SIGNED
    ridge = ridge and (stem in BY_ROWS or not weighted)
    weight, signs = 10 ** rng.uniform(-1, 1, d), rng.random(d) < 0.5
    if weighted and d > 1 and stem in BY_ROWS:
        kind = rng.choice(["inf", "0", "both", "neither"])
        some = rng.permutation(d)
        weight[some[0]] = np.inf if kind in ("inf", "both") else weight[some[0]]
        if kind in ("0", "both"):
            weight[some[1 : 1 + d // 3 + 1]] = 0.0
            signs &= weight > 0
    if mean and model.alpha_mean == 0 and signed:
        ridge = True
    # of the size of the mean curvature, or next to nothing beside it
    size = np.mean(np.var(drawn.matrix, axis=0)) * 10 ** rng.uniform(-6, 1)
    model.set_params(
        ridge=float(size) if ridge else 0.0,
        feature_weight=weight if weighted else None,
        positive=signs if signed else False,
    )
    if mean and model.fit_intercept and rng.random() < 0.3:
        model.set_params(alpha_intercept=float(10 ** rng.uniform(-2, 1)))
    if drawn.loss == "squared":
        double = drawn.matrix.astype(np.float32).astype(float) != drawn.matrix
        model.set_params(normalize_y=bool(double.any() and rng.random() < 0.3))
    elif rng.random() < 0.3:
        draw_class_weight(rng, drawn)


def draw_class_weight(rng, drawn):
    """Give a classifier weights of classes, which multiply those of the targets."""
    labels = np.unique(drawn.y[~np.isnan(drawn.y)]).tolist()
    given = {label: float(10 ** rng.uniform(-1, 1)) for label in labels}
    drawn.model.set_params(class_weight=given)
    y = np.where(np.isnan(drawn.y), labels[0], drawn.y)
    factor = np.array([given[label] for label in y.ravel()]).reshape(len(y), -1)
    drawn.weights = drawn.weights * factor


def draw_features(rng, n, d, tame):
    """Return rows with offsets, scales, equal and constant columns."""
    X = rng.normal(size=(n, d))
    kind = rng.integers(4)
    if kind == 1:
        X = 0.3 * X + rng.normal(size=(n, 1))
    elif kind == 2:
        X = X * (rng.random((n, d)) < 0.4)
    elif kind == 3:
        X = 1 / (1 + np.exp(-X))
    X = X * 10 ** rng.uniform(-1, 1)
    if tame:
        return X
    if rng.random() < 0.25:
        X = X * 10 ** rng.uniform(-3, 3, d)
    if rng.random() < 0.35:
        X = X + float(rng.choice([1, 100, 1e4, 1e6, 1e8])) * rng.choice([-1, 1])
    if d > 2 and rng.random() < 0.15:
        X[:, 1] = X[:, 0]
    if d > 2 and rng.random() < 0.15:
        X[:, 2] = float(rng.choice([0, 1, 1e5]))
    return X


def draw_targets(rng, X, codes, n_tasks, layout, classify, tame):
    """Return y as it is given, and the targets (n_rows, n_tasks or 1)."""
    n, d = X.shape
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)
    coef = rng.normal(size=(d, 1)) + 0.5 * rng.normal(size=(d, n_tasks))
    coef = coef * (rng.random((d, 1)) < 0.6)
    noise = float(rng.choice([0.1, 1.0] if tame else [0.0, 0.1, 1.0, 5.0]))
    Z = X @ coef + noise * rng.normal(size=(n, n_tasks)) + rng.normal(size=n_tasks)
    if layout == "multiclass":
        # every class has a row
        Z[rng.permutation(n)[:n_tasks], np.arange(n_tasks)] = np.inf
        y = np.argmax(Z, axis=1)
        return y, np.where(y[:, None] == np.arange(n_tasks), 1.0, -1.0)
    if layout in ("tasks", "column"):
        Z = Z[np.arange(n), codes][:, None]
    if not classify:
        factor, offset = 10 ** rng.uniform(-3, 3), 0.0
        if rng.random() < 0.3 and not tame:
            offset = float(rng.choice([10, 1e4, 1e8])) * factor
        Z = factor * Z + offset
        if layout == "columns" and rng.random() < 0.5:
            hide(rng, Z)
        return (Z if layout == "columns" else Z[:, 0]), Z
    level = np.median(Z, axis=0)
    labels = (Z - level > 0).astype(float)
    if layout == "columns":
        # every column has both classes
        labels[0], labels[1] = 0, 1
        if rng.random() < 0.5:
            hide(rng, labels[2:])
        return labels, np.where(np.isnan(labels), np.nan, 2 * labels - 1)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if tame or rng.random() < 0.9:
            half = len(rows) // 4
            labels[rows[:half]], labels[rows[half : 2 * half]] = 0, 1
    return labels[:, 0], 2 * labels - 1


def hide(rng, Z):
    """Make some cells NaN, none of the first two rows where Z has more."""
    hidden = rng.random(Z.shape) < float(rng.choice([0.02, 0.3, 0.6]))
    hidden[:4] = False
    Z[hidden] = np.nan


def draw_weights(rng, layout, targets, tame):
    """Return weights as they are given, and as they are for every target."""
    kinds = ["none", "rows"] + ["cells"] * (layout == "columns")
    kind = str(rng.choice(kinds))
    observed = ~np.isnan(targets)
    if kind == "none":
        return None, observed * 1.0
    shape = targets.shape if kind == "cells" else (len(targets),)
    positive = tame or layout == "multiclass" or rng.random() < 0.5
    choices = [0.5, 1, 2, 3] if positive else [0, 0.5, 1, 3, 100]
    given = rng.choice(choices, size=shape)
    given[:4] = 1.0
    full = given if given.ndim == 2 else given[:, None] * np.ones(targets.shape)
    return given, np.where(observed, full, 0.0)


def draw_model(rng, stem, classify, n_tasks):
    """Return an estimator with strengths of the right ratio, not the right size."""
    model = getattr(mtlreg, stem + ("Classifier" if classify else "Regressor"))()
    model.set_params(**{model._strengths[0]: 1.0})
    if stem in TWO_PARTS:
        leading, other = model._strengths
        ratio = float(rng.choice(TWO_PARTS[stem]))
        model.set_params(**{leading: ratio, other: 1.0})
    if stem in ("GroupLasso", "DirtyModel"):
        model.set_params(norm=str(rng.choice(["l2", "linf"])))
    if stem == "GroupLasso":
        model.set_params(l1_ratio=float(rng.choice([0, 0, 0.3, 0.8, 1])))
    elif stem == "MeanRegularized":
        model.set_params(alpha_mean=float(rng.choice([0, 0.01, 1, 10])))
    elif stem == "FusedGroupLasso":
        group, sparse = rng.permutation([0.0, 0.1, 1.0])[:2].tolist()
        model.set_params(alpha_group=group, alpha_sparse=sparse)
    elif stem == "CommonDeviation" and rng.random() < 0.5:
        model.set_params(specific_weight=10 ** rng.uniform(-1, 0.5, n_tasks))
    elif stem == "RobustMean":
        metric = str(rng.choice(["identity", "design"]))
        model.set_params(ridge=float(rng.choice([0, 0, 1e-3, 0.1])), metric=metric)
    elif stem == "TreeGroupLasso":
        model.set_params(tree="flat" if rng.random() < 0.3 else draw_tree(rng, n_tasks))
    elif stem == "Clustered":
        k = int(rng.integers(n_tasks + 1)) or None
        model.set_params(n_clusters=k, eta=float(rng.choice([0.01, 0.1, 1])))
    elif stem == "GraphRegularized":
        weights = np.triu(rng.random((n_tasks, n_tasks)), 1)
        weights *= rng.random(weights.shape) < 0.5
        graph = [weights + weights.T, "chain", "complete"][rng.integers(3)]
        model.set_params(graph=graph, ridge=float(rng.choice([0, 1e-3, 0.01, 0.1])))
    return model


def draw_tree(rng, n_tasks):
    """Return nodes as rows of a mask: single tasks, and random branches."""
    nodes, groups = [np.eye(n_tasks) > 0], [rng.permutation(n_tasks)]
    while groups:
        group = groups.pop()
        nodes.append(np.isin(np.arange(n_tasks), group)[None])
        cut = int(rng.integers(1, max(len(group), 2)))
        groups += [
            part for part in (group[:cut], group[cut:]) if 1 < len(part) < len(group)
        ]
    return np.concatenate(nodes)


def at_factor(model, factor):
    """Return the strengths of a model times a factor, by name."""
    return {name: float(factor * getattr(model, name)) for name in model._strengths}
