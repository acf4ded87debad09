"""One fit: drawn, made and judged."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import mtlreg
from tests.fuzz.draw import at_factor, draw, draw_options, penalty_of, stem_of
from tests.fuzz.judge import EPS, SUMS

SLACK = 1e-6
FLOAT32_TOL = 2e-6
# of a strength of a penalty without alpha_max, over the mean curvature
CURVATURES = (-3, 3)


class Outcome(NamedTuple):
    """How a case ended: "ok", "warned", "refused" or "FAILURE", and why."""

    kind: str
    detail: str = ""


class Failure(Exception):
    """Something that must not be."""


def fit_case(rng, stem=None):
    """Fit at a random strength, cold, warm or along a path, and judge the fit."""
    return fit_and_judge(rng, draw(rng, stem))


def options_case(rng, stem=None):
    """As `fit_case`, of a model with options."""
    drawn = draw(rng, stem)
    draw_options(rng, drawn)
    return fit_and_judge(rng, drawn)


def fit_and_judge(rng, drawn):
    """Return the `Outcome` of a fit at a random strength."""
    model, (X, y, keywords) = drawn.model, (drawn.X, drawn.y, drawn.keywords)
    factor = strength(rng, drawn)
    before = {name: np.copy(value) for name, value in keywords.items()} | {
        "y": y.copy()
    }
    options = {
        "tol": float(rng.choice([1e-3, 1e-4, 1e-6, 1e-6, 1e-8, 1e-10])),
        "max_iter": 2000,
        "solver": solver(rng, drawn),
    }
    model.set_params(**at_factor(model, factor), **options)
    modes = ["cold", "cold", "cold", "warm", "path"]
    if penalty_of(model).has_blocks:
        modes.remove("path")  # it has their sum alone, of which there is no value
    mode = str(rng.choice(modes))
    with Recorded() as heard:
        if mode == "path":
            return path_case(rng, drawn, heard)
        if mode == "warm":
            near = float(rng.choice([0.1, 0.8, 1.5, 10.0]))
            strengths = at_factor(model, 1.0)
            model.set_params(warm_start=True, **at_factor(model, near))
            model.fit(X, y, **keywords)
            heard.clear()
            model.set_params(**strengths)
        model.fit(X, y, **keywords)
    for name, value in (keywords | {"y": y}).items():
        if not np.array_equal(before[name], value, equal_nan=value.dtype.kind == "f"):
            raise Failure(f"fit wrote into {name}")
    short = heard.not_converged()
    check_fit(
        *(drawn, model, coefficients(model), model.intercept_, model.dual_gap_, short)
    )
    check_predictions(drawn, model)
    return Outcome("warned" if short else "ok")


def strength(rng, drawn):
    """Return a random factor for the strengths of the model."""
    given = {"X": drawn.X, "y": drawn.y, **drawn.keywords}
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        if not penalty_of(drawn.model).is_gauge:
            top = mtlreg.alpha_grid(drawn.model, **given, n_alphas=3)[1]
            return top * 10 ** rng.uniform(*CURVATURES)
        largest = mtlreg.alpha_max(drawn.model, **given)
        leading = next(iter(at_factor(drawn.model, 1.0).values()))
    if not largest > 0:
        raise ValueError("alpha_max is 0")
    return largest / leading / float(rng.choice([1.01, 1.5, 3, 10, 100, 1000]))


def solver(rng, drawn):
    """Return a solver that the model can have."""
    choices = ["auto", "auto", "auto", "fista"]
    signed = np.any(drawn.model.positive)
    quadratic = stem_of(drawn.model) in ("MeanRegularized", "GraphRegularized")
    if quadratic and not signed and drawn.loss == "squared":
        choices.append("direct")
    return str(rng.choice(choices))


def path_case(rng, drawn, heard):
    """Judge two points of a path."""
    strengths = at_factor(drawn.model, 1.0)
    leading = next(iter(strengths.values()))
    path = mtlreg.regularization_path(
        drawn.model,
        *(drawn.X, drawn.y),
        **drawn.keywords,
        alphas=leading * np.geomspace(20, 1, 5),
    )
    short = heard.not_converged()
    for k in (int(rng.integers(4)), 4):
        model = clone(drawn.model)
        model.set_params(**at_factor(model, path.alphas[k] / leading))
        check_fit(drawn, model, path.coef[k], path.intercept[k], path.gap[k], short)
    return Outcome("warned" if short else "ok")


def coefficients(model):
    """Return those of a fit, by block where there are blocks."""
    return getattr(model, "blocks_", model.coef_)


class Recorded:
    """Records warnings; any but those that a fit may give is a failure."""

    def __enter__(self):
        self._context = warnings.catch_warnings(record=True)
        self._caught = self._context.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *error):
        return self._context.__exit__(*error)

    def clear(self):
        self._caught.clear()

    def not_converged(self):
        """Return whether a fit said so."""
        found = False
        for warning in self._caught:
            if issubclass(warning.category, ConvergenceWarning):
                found = True
            elif "one class only" not in str(warning.message):
                raise Failure(f"{warning.category.__name__}: {warning.message}"[:150])
        return found


def check_fit(drawn, model, coef, intercept, claimed, short):
    """Raise `Failure` unless coefficients and their gap are what they should be.

    Parameters
    ----------
    drawn : Drawn
    model : estimator
        With the strengths that were fitted.
    coef, intercept : ndarray
        As `coefficients` gives the first.
    claimed : float
        The gap.
    short : bool
        Whether the fit has warned that it did not converge.
    """
    if not (np.all(np.isfinite(coef)) and np.all(np.isfinite(intercept))):
        raise Failure("coefficients that are not finite")
    judge, kept = drawn.judge(model)
    A, b = (part[..., kept] for part in drawn.variable(coef, intercept))
    verdict = judge.verdict(A)
    rounding = float(verdict.rounding)
    tol = max(model.tol, FLOAT32_TOL if coef.dtype == np.float32 else 0.0)
    target = max(tol * judge.null_objective(), 16 * EPS * judge.scale())
    if not claimed >= 0:
        raise Failure(f"dual_gap_ is {claimed}")
    if not short and claimed > target * (1 + SLACK) + rounding:
        raise Failure(f"no warning: dual_gap_ {claimed:.3g} above {target:.3g}")
    # where classes are nearly apart along what is free, the Newton steps of the judge
    # may end far off, at a bound that says no more than that F is positive
    lost = judge.loss == "logistic" and judge.free_basis.shape[1] > 0
    lost = lost and verdict.gap > 0.5 * verdict.objective
    most = max(target, claimed) * (1 + SLACK) + rounding
    if not short and judge.penalty.has_dual and verdict.gap > most and not lost:
        raise Failure(
            f"gap {verdict.gap:.3g} found, {claimed:.3g} claimed, target {target:.3g}, "
            f"rounding {rounding:.2g}"
        )
    check_intercept(judge, A, b, verdict)
    check_left_out(drawn, model, coef, intercept, kept)
    better = clone(model).set_params(
        tol=max(1e-12, 1e-4 * model.tol), max_iter=2000, warm_start=False, solver="auto"
    )
    with warnings.catch_warnings(action="ignore"):
        better.fit(drawn.X, drawn.y, **drawn.keywords)
    found = drawn.variable(coefficients(better), better.intercept_)[0]
    best = judge.verdict(found[..., kept])
    excess = verdict.objective - best.objective
    if excess > claimed + rounding + float(best.rounding):
        raise Failure(
            f"FALSE CERTIFICATE: F is {excess:.3g} above another fit, {claimed:.3g} "
            f"claimed, rounding {rounding:.2g}"
        )


def check_intercept(judge, A, intercept, verdict):
    """Raise `Failure` unless the intercepts are the best up to their rounding."""
    if not judge.fit_intercept:
        if np.any(intercept != 0):
            raise Failure("intercepts without an intercept")
        return
    found = judge.objective(A, intercept) - verdict.objective
    unit, A = SUMS * np.finfo(intercept.dtype).eps, judge.combine(A)
    allowed = verdict.rounding
    for t, (X, y, v) in enumerate(judge.tasks):
        size = abs(intercept[t]) + v @ (np.abs(X) @ np.abs(A[:, t])) / v.sum()
        if judge.loss == "squared":
            size = size + abs(v @ y) / v.sum()
        allowed += v.sum() * (unit * size) ** 2
    if found > allowed:
        raise Failure(f"F falls by {found:.3g} with other intercepts, {allowed:.2g}")


def check_left_out(drawn, model, coef, intercept, kept):
    """Raise `Failure` unless tasks with one class have their own prediction."""
    for t in np.flatnonzero(~kept):
        _, y, w = drawn.rows()[t]
        k, total = w[y > 0].sum(), w.sum()
        expected = np.log((k + 0.5) / (total - k + 0.5))
        if abs(intercept[t] - expected) > 1e-6 * (1 + abs(expected)):
            raise Failure(f"a task of one class has intercept {intercept[t]}")
    A = coef.swapaxes(-1, -2)
    if not kept.all() and not penalty_of(model).settled(A, kept):
        raise Failure("a task of one class has coefficients of its own")


def check_predictions(drawn, model):
    """Raise `Failure` unless predictions are ``X coef + intercept``."""
    X, coef, b = drawn.matrix, model.coef_.astype(float), model.intercept_.astype(float)
    unit = SUMS * np.finfo(model.coef_.dtype).eps
    blocks = getattr(model, "blocks_", coef[None]).astype(float)
    if np.any(np.abs(blocks.sum(axis=0) - coef) > unit * np.abs(blocks).sum(axis=0)):
        raise Failure("coefficients that are not the sum of their blocks")
    keywords = {k: v for k, v in drawn.keywords.items() if k == "tasks"}
    z, size = X @ coef.T + b, np.abs(X) @ np.abs(coef).T + np.abs(b)
    if drawn.layout in ("tasks", "column"):
        rows = np.arange(len(X)), drawn.codes
        z, size = z[rows], size[rows]
    elif drawn.layout == "single":
        z, size = z[:, 0], size[:, 0]
    decision = drawn.loss == "logistic"
    found = getattr(model, "decision_function" if decision else "predict")(
        drawn.X, **keywords
    )
    if found.shape != z.shape or np.any(np.abs(found - z) > unit * size):
        raise Failure("predictions are not X coef + intercept")
