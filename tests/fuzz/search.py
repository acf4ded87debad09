"""One cross-validation: every score again by a fit of its own."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import mtlreg
from mtlreg.model_selection import TaskKFold
from tests.fuzz.draw import TWO_PARTS, at_factor, draw, stem_of
from tests.fuzz.judge import EPS, LOSSES
from tests.fuzz.trial import (
    Failure,
    Outcome,
    check_fit,
    check_predictions,
    coefficients,
    strength,
)

TOL, MAX_ITER = 1e-10, 5_000
# what fits of this tolerance may differ in held-out scores, in units of these: fitted
# values differ by sqrt(2 tol F0) at most, those of rows that were held out by more
SPREAD = 30 * np.sqrt(2 * TOL)
# by how much more at most: squared errors of about 2 F0 of two fits, each of which is
# REACH sqrt(2 tol F0) off, then differ by 4 sqrt(tol) REACH of it
REACH = 10
SAME = 1e-9
# by stem: those to choose from, one or two of them
RATIOS = {
    "GroupLasso": [0.2, 0.9],
    "MeanRegularized": [0.01, 1.0],
    "FusedGroupLasso": [0.1, 1.0],
    "DirtyModel": [1.2, 2.0],
    "RobustLowRank": [1.2, 1.6],
    "SparseLowRank": [1.5, 3.0],
    "RobustGroupLasso": [0.6, 1.3],
    "CommonDeviation": [0.7, 1.3],
}


def cv_case(rng, stem=None):
    """Run a search over few strengths; compare its scores, its choice and its fit."""
    drawn = draw(rng, stem, tame=True)
    model, keywords = drawn.model, drawn.keywords
    stem = stem_of(model)
    model.set_params(tol=TOL, max_iter=MAX_ITER, solver="auto")
    factor = strength(rng, drawn)
    leading = next(iter(at_factor(model, factor).values()))
    alphas = leading * np.geomspace(10, 0.1, int(rng.integers(2, 6)))
    ratios = draw_ratios(rng, stem, model)
    search = getattr(mtlreg, type(model).__name__ + "CV")(
        alphas=alphas, tol=TOL, max_iter=MAX_ITER
    )
    shared = set(search.get_params()) & set(model.get_params())
    search.set_params(**{name: getattr(model, name) for name in shared})
    if stem in RATIOS:
        name = "l1_ratio" if stem == "GroupLasso" else "ratios"
        search.set_params(**{name: ratios})
    cv, splits = draw_folds(rng, drawn, type(model).__name__)
    search.set_params(cv=cv)
    models = [at_ratio(model, stem, ratio) for ratio in ratios]
    if stem == "MeanRegularized" and model.fit_intercept and drawn.n_tasks > 1:
        shares = [0.0, 0.5][: int(rng.integers(1, 3))]
        search.set_params(intercept_ratios=shares)
        models = [
            clone(base).set_params(alpha_intercept=share)
            for share in shares
            for base in models
        ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(drawn.X, drawn.y, **keywords)
    short = any(issubclass(w.category, ConvergenceWarning) for w in caught)
    check_warnings(caught, search)
    if not np.all(np.isfinite(search.score_path_)):
        raise Failure("scores that are not finite")
    fits, own_short = search_fits(drawn, models, np.sort(alphas)[::-1], splits)
    if not (short or own_short) and determined(drawn, fits, splits):
        own, means = fold_scores(drawn, fits, splits, pooled=cv == "loo")
        compare(search, own, means)
        check_choice(search, means, models, np.sort(alphas)[::-1])
    chosen = clone(model).set_params(
        **{name: getattr(search, f"{name}_") for name in at_factor(model, 1.0)}
    )
    if stem == "GroupLasso":
        chosen.set_params(l1_ratio=search.ratio_ if len(ratios) > 1 else ratios[0])
    drawn.model = chosen
    coef = coefficients(search)
    check_fit(drawn, chosen, coef, search.intercept_, search.dual_gap_, short)
    check_predictions(drawn, search)
    return Outcome("warned" if short or own_short else "ok")


def draw_ratios(rng, stem, model):
    """Return one or two ratios of strengths, or [None] where there is one strength."""
    n = int(rng.integers(1, 3))
    if stem == "GroupLasso" and n == 1:
        return [float(model.l1_ratio)]
    return RATIOS.get(stem, [None])[:n]


def at_ratio(model, stem, ratio):
    """Return a copy of a model with a leading strength of 1, at a ratio."""
    leading, *others = model._strengths
    if stem == "GroupLasso":
        others = ["l1_ratio"]
    elif stem == "MeanRegularized":
        others = ["alpha_mean"]
    elif stem in TWO_PARTS:
        ratio = 1.0 / ratio
    return clone(model).set_params(**{leading: 1.0}, **dict.fromkeys(others, ratio))


def draw_folds(rng, drawn, name):
    """Return what ``cv`` is to be, and its folds as masks."""
    n = len(drawn.y)
    kind = rng.random()
    if name == "MeanRegularizedRegressor" and kind < 0.3:
        rows = np.flatnonzero(drawn.weights.any(axis=1))
        return "loo", [(np.arange(n) != i, np.arange(n) == i) for i in rows]
    groups = drawn.y if drawn.layout == "multiclass" else drawn.codes
    if kind < 0.6:
        given = None if drawn.layout == "columns" else drawn.codes
        folds = TaskKFold(3, random_state=0).split(np.zeros(n), drawn.y, given)
        masks = [tuple(_mask(part, n) for part in fold) for fold in folds]
        return 3, masks
    # every group in every part, in shares that differ
    fold = np.empty(n, dtype=int)
    for group in np.unique(groups):
        rows = rng.permutation(np.flatnonzero(groups == group))
        fold[rows] = rng.integers(0, 3, len(rows))
        fold[rows[:3]] = np.arange(min(3, len(rows)))
    masks = [(fold != k, fold == k) for k in range(3)]
    return [tuple(np.flatnonzero(mask) for mask in pair) for pair in masks], masks


def _mask(rows, n):
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def check_warnings(caught, search):
    """Raise `Failure` where there is a warning that has no reason."""
    grid = np.atleast_2d(search.alphas_)
    leading = getattr(search, f"{search._model_class._strengths[0]}_")
    at_end = np.any(np.isin(leading, grid[:, [0, -1]])) or hasattr(search, "ratios_")
    for warning in caught:
        text = str(warning.message)
        known = issubclass(warning.category, ConvergenceWarning)
        known |= "one class only" in text or "alpha_max" in text
        if not known and not (at_end and issubclass(warning.category, UserWarning)):
            raise Failure(f"{warning.category.__name__}: {text}"[:150])


def search_fits(drawn, models, alphas, splits):
    """Fit every model at every strength to each training part.

    Returns
    -------
    fits : list of list of estimator
        Of the points of the grid, by fold.
    short : bool
        Whether one of them fell short.
    """
    points = [(base, alpha) for base in models for alpha in alphas]
    parts = [drawn.take(train) for train, _ in splits]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fits = [
            [
                clone(base).set_params(**at_factor(base, alpha)).fit(X, y, **keywords)
                for X, y, keywords in parts
            ]
            for base, alpha in points
        ]
    if any(len(model.tasks_) < drawn.n_tasks for models in fits for model in models):
        raise ValueError("a class is in one test part alone")
    short = any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return fits, short


def fold_scores(drawn, fits, splits, pooled):
    """Return scores (n_points, n_folds), and of all folds (n_points,).

    A score is ``- sum_t c_t L_t / sum_t c_t`` over the tasks with held-out rows, twice
    that for the squared loss; that of all folds is their mean, or of all rows together
    if they are ``pooled``.
    """
    scores, means = [], []
    for models in fits:
        sums = np.zeros((2, len(splits), drawn.n_tasks))
        for k, (model, (_, test)) in enumerate(zip(models, splits, strict=True)):
            for t, (X, y, w) in enumerate(drawn.rows(test)):
                held = w > 0
                z = X[held] @ model.coef_[t] + model.intercept_[t]
                loss = LOSSES[drawn.loss].value(y[held], z)
                sums[:, k, t] = w[held] @ loss, w[held].sum()
        scores.append([score(drawn, *part) for part in sums.transpose(1, 0, 2)])
        together = score(drawn, *sums.sum(axis=1))
        means.append(together if pooled else np.mean(scores[-1]))
    return np.array(scores, dtype=float), np.array(means, dtype=float)


def score(drawn, losses, weight):
    """Return the score of one test part from sums of losses and weights by task."""
    held = weight > 0
    c = drawn.model.task_weight
    if isinstance(c, dict):
        c = np.array([c[key] for key in sorted(c)])
    else:
        c = np.ones(len(weight)) if c == "equal" else weight
    means = losses[held] / weight[held]
    factor = 2.0 if drawn.loss == "squared" else 1.0
    return -factor * (c[held] @ means) / c[held].sum()


def determined(drawn, fits, splits):
    """Return whether there is one optimum, as far as scores tell.

    A score is only that of an optimum where held-out predictions do not move far while
    fitted ones hardly do. Where entries of a row are tied the optima may be a polytope:
    they lie on the face of a dual point, which is known up to the gap. A center that
    nothing penalises is one of many where there are no more rows than features.
    """
    if getattr(drawn.model, "metric", "identity") == "design":
        sizes = [np.sum(w > 0) for train, _ in splits for *_, w in drawn.rows(train)]
        if min(sizes) <= drawn.X.shape[1] + 1:
            return False
    if stem_of(drawn.model) == "RobustMean" and drawn.model.ridge == 0:
        n_features = drawn.X.shape[1]
        if any(np.count_nonzero(train) <= n_features + 1 for train, _ in splits):
            return False
    if getattr(drawn.model, "norm", "l2") != "linf":
        return True
    return all(
        reach(drawn, model, *split) <= REACH
        for models in fits
        for model, split in zip(models, splits, strict=True)
    )


def reach(drawn, model, train, test):
    """Return by how much held-out predictions move, over fitted ones, along the face.

    It is inf where a direction of the face moves no fitted value: the loss does not
    tell then which of its points is the optimum.
    """
    judge, kept = drawn.judge(model, train)
    z, _ = judge.predictions(model.coef_[kept].T)
    G = judge.gradient(judge.residuals(z))
    parts = zip(judge.centred, judge.tasks, strict=True)
    squares = np.stack([task.v @ X**2 for X, task in parts], 1)
    # residuals are as near as this to those of all optima, in the metric 1/v
    near = np.sqrt(2 * judge.kappa * max(model.dual_gap_, 0.0))
    face = judge.penalty.face(G, near * np.sqrt(squares))
    fitted, held = [], []
    left_out = [
        part for part, known in zip(drawn.rows(test), kept, strict=True) if known
    ]
    for t, (task, (X, _, w)) in enumerate(zip(judge.tasks, left_out, strict=True)):
        moves = face[:, :, t].T
        fitted.append(np.sqrt(task.v)[:, None] * (judge.centred[t] @ moves))
        mean = task.v @ (task.X - judge.centred[t]) / task.v.sum()
        share = np.sqrt(task.v.sum() * w / max(w.sum(), EPS))
        held.append(share[:, None] * ((X - mean) @ moves))
    fitted, held = (np.concatenate(part).astype(float) for part in (fitted, held))
    _, sigma, Vt = np.linalg.svd(fitted, full_matrices=False)
    if not len(face):
        return 0.0
    if len(sigma) < len(face) or sigma[-1] <= EPS * len(fitted) * sigma[0]:
        return np.inf
    return np.linalg.norm(held @ (Vt.T / sigma), 2)


def compare(search, own, means):
    """Raise `Failure` unless the scores of a search are those of the direct fits."""
    # of single rows some are predicted almost exactly, whatever the strength
    allowed = np.maximum(np.abs(own).max(axis=0), np.abs(means).max())
    found = search.score_path_.reshape(own.shape)
    found = np.column_stack([found, search.cv_results_["mean_test_score"]])
    allowed = SPREAD * np.append(allowed, np.abs(means).max())
    own = np.column_stack([own, means])
    bad = np.abs(found - own) > allowed
    if bad.any():
        point, fold = np.argwhere(bad)[0]
        raise Failure(
            f"score {found[point, fold]:.6g} of point {point} in fold {fold}, direct "
            f"fits have {own[point, fold]:.6g} ({bad.sum()} of {bad.size} differ)"
        )


def check_choice(search, own, models, alphas):
    """Raise `Failure` unless the best mean score is chosen, of equals the first."""
    means = search.cv_results_["mean_test_score"]
    points = [(m, alpha) for m in models for alpha in alphas]
    names = list(at_factor(models[0], 1.0))
    chosen = [getattr(search, f"{name}_") for name in names]
    same = np.array(
        [
            np.allclose(chosen, list(at_factor(m, alpha).values()), rtol=SAME)
            for m, alpha in points
        ]
    )
    if not same.any():
        raise Failure("the strengths that were chosen are not in the grid")
    # ratios of the group lasso share their strengths
    best = means[same].max()
    if best < means.max() - SAME * abs(means.max()):
        raise Failure(f"score {best:.6g} is chosen, the best is {means.max():.6g}")
    if own[same].max() < own.max() - 2 * SPREAD * np.abs(own).max():
        raise Failure("direct fits have a better strength")
