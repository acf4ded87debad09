"""Estimators that choose the strengths of their penalty by cross-validation."""

import warnings
from contextlib import contextmanager
from functools import partial
from numbers import Real
from typing import ClassVar, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy.stats import rankdata
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from mtlreg.estimators._callbacks import with_callbacks
from mtlreg.estimators._checks import check_choice, check_count, levels_to_caller
from mtlreg.estimators._fit import Fit
from mtlreg.estimators._scoring import (
    LossScore,
    ScorerScore,
    fitted_model,
    make_scorer,
    scorer_metadata,
)
from mtlreg.estimators._splits import make_folds, make_splitter, read_splits
from mtlreg.estimators.base import (
    MultiTaskLinearModel,
    fit_metadata,
    restores_on_failure,
)
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.declarations import Search
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.strengths import check_grid, grid_below, largest_strength
from mtlreg.inputs.read import read_fit_input
from mtlreg.problem.threads import held_threads
from mtlreg.sequences.path import solve_path

_BATCH = 16  # points of a path that are scored together, where they are small
_ROUNDING = 1e-10  # relative difference of scores that are equal
_SELECTIONS = ["min", "one_se"]


class CrossValidatedModel(Search, MultiTaskLinearModel):
    """Base of the CV estimators: a subclass names the model whose strengths it sets."""

    # the model without cross-validation
    _model_class: ClassVar[type]
    # what ``cv`` may be beside splitters and numbers
    _named_cv: ClassVar[tuple[str, ...]] = ()

    def _model(self):
        """Return the model with a leading strength of 1, before it has a ratio."""
        known = self._model_class._get_param_names()
        own = {k: v for k, v in self.get_params(deep=False).items() if k in known}
        return self._model_class(**own | {self._model_class._strengths[0]: 1.0})

    def _ratio_grid(self, n_tasks):
        """Return the ratios of strengths to try; [None] where there is one strength."""
        name = self._model_class._ratio
        if name is None:
            return [None]
        return self._model()._ratio_grid(getattr(self, name), n_tasks)

    def _models(self, n_tasks):
        """Return a model with a leading strength of 1 for every ratio."""
        models = []
        for ratio in self._ratio_grid(n_tasks):
            model = self._model()
            if ratio is not None:
                model.set_params(**model._at_ratio(float(ratio)))
            models.append(model)
        return models

    def _check_parameters(self):
        for model in self._models(2):
            model._check_parameters()
        if np.ndim(self.alphas):
            check_grid(self.alphas, "alphas")
        else:
            check_count(self.alphas, "alphas")
        check_choice(self.selection, "selection", _SELECTIONS)
        if isinstance(self.cv, str) and self.cv not in self._named_cv:
            raise ValueError(
                f"cv={self.cv!r} is not known to {type(self).__name__}: use a number "
                f"of folds, a splitter such as mtlreg.model_selection.TaskKFold or "
                f"sklearn.model_selection.LeaveOneOut, or a list of (train, test)"
            )

    @restores_on_failure
    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, tasks=None, **params):
        """Choose the strengths by cross-validation, then fit all rows.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_tasks)
            NaN in a 2-D y: not observed.
        sample_weight : float or array-like, shape (n_samples,) or that of y, optional
            Weights >= 0, of fits and scores.
        tasks : array-like of shape (n_samples,), optional
            Task labels; not together with ``task_column`` or a 2-D y.
        **params
            ``groups`` for the splitter; with metadata routing, what splitter and scorer
            request.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument or a parameter is not as described, or a fold cannot be
            fitted or scored; the estimator is then as it was before.
        """
        self._check_parameters()
        metadata = fit_metadata(sample_weight, tasks) | params
        inputs = {"X": X, "y": y, "metadata": metadata}
        context = self._init_callback_context(max_subtasks=None)
        context.call_on_fit_task_begin(estimator=self, **inputs)
        read = read_fit_input(
            self, X, y, sample_weight, tasks, classifier=is_classifier(self)
        )
        plan = self._plan(_Data(X, y, sample_weight, tasks, params), read)
        models = self._models(len(read.tasks))
        with held_threads(read.data.work, effective_n_jobs(self.n_jobs)):
            alphas, tops, jobs = self._prepare(plan, read, models)
            found = self._run(jobs, alphas.size, context, inputs)
            del jobs  # which may hold all rows
        chosen = self._record(models, alphas, *found)
        self._warn_of_ends(models, alphas, tops, found)
        self._solve(Fit(chosen, read, warn=False), None, context, inputs)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=dict, **inputs
        )
        return self

    def _grid(self, fit, largest):
        """Return the leading strengths to try, largest first."""
        if not np.ndim(self.alphas):
            # where all coefficients are 0 at any strength, one scale is as good
            return grid_below(largest or 1.0, fit.problem, int(self.alphas), self.eps)
        alphas = check_grid(self.alphas, "alphas")
        if fit.problem.penalty.is_gauge and alphas[-1] >= largest:
            warnings.warn(
                f"every strength in alphas is at least alpha_max={largest:.3g}, "
                f"where all coefficients are 0; give smaller ones",
                UserWarning,
                stacklevel=levels_to_caller(),
            )
        return alphas

    def _plan(self, given, read):
        """Return the folds as masks, and how they are scored."""
        by_scorer, params = self._score(given)
        splitter = make_splitter(self.cv)
        return read_splits(splitter, given.X, given.y, read, params), by_scorer

    def _prepare(self, plan, read, models):
        """Return the strengths (n_ratios, n_alphas), limits to them, and the jobs."""
        whole = Fit(models[0], read)
        fits = [whole.with_penalty(model) for model in models]
        if not (np.ndim(self.alphas) or any(f.problem.alpha_factor for f in fits)):
            warnings.warn(
                "no feature varies with y: all coefficients are 0 at any strength",
                UserWarning,
                stacklevel=levels_to_caller(),
            )
        tops = [largest_strength(fit.problem, fit.model) for fit in fits]
        alphas = np.stack([self._grid(*pair) for pair in zip(fits, tops, strict=True)])
        return alphas, tops, self._jobs(plan, whole, models, alphas)

    def _jobs(self, plan, whole, models, alphas):
        """Return functions that score some folds each.

        Parameters
        ----------
        plan : object
            Of `_plan`.
        whole : Fit
            Of all rows.
        models : list of estimator
            With a leading strength of 1, one for each ratio.
        alphas : ndarray of shape (n_ratios, n_alphas)

        Returns
        -------
        list of callable
            They return the scores of their folds together (n_ratios, n_alphas), of
            each (n_ratios, n_alphas, n_folds), of the tasks (..., n_tasks), the weights
            of the folds in standard errors (n_folds,), and how many fits did not
            converge.
        """
        splits, by_scorer = plan
        folds = make_folds(whole, splits, alphas.size)
        given = models, alphas, by_scorer, whole.read.tasks
        return [
            partial(self._score_fold, fold, split[1], *given)
            for fold, split in zip(folds, splits, strict=True)
        ]

    def _run(self, jobs, n_points, context, inputs):
        """Return mean scores, those of folds and tasks, and weights of folds.

        All of them of the first folds only, if a callback stops the run.
        """
        run = Parallel(n_jobs=self.n_jobs, prefer="threads", return_as="generator")
        results = run(delayed(job)() for job in jobs)
        done, n_short = [], 0
        with _quietly_closing(results):
            for _ in jobs:
                step = context.subcontext(task_name="fold")
                step.call_on_fit_task_begin(estimator=self, **inputs)
                *found, short = next(results)
                done.append(found)
                n_short += short
                if step.call_on_fit_task_end(estimator=self, **inputs):
                    break
        if n_short:
            warnings.warn(
                f"{n_short} of {n_points * len(done)} fits of cross-validation did not "
                f"reach tol={self.tol:g}: scale the features, or increase max_iter="
                f"{self.max_iter}, tol or the smallest strength",
                ConvergenceWarning,
                stacklevel=levels_to_caller(),
            )
        means, scores, task_scores, shares = zip(*done, strict=True)
        joined = [np.concatenate(part, axis=2) for part in (scores, task_scores)]
        return np.mean(means, axis=0), *joined, np.concatenate(shares)

    def _score(self, given):
        """Return the scorer's score or None, and the parameters of the splitter."""
        scorer = None if self.scoring is None else make_scorer(self, self.scoring)
        # a number is the weight of all rows: no scorer needs it
        weight = given.sample_weight
        weight = None if isinstance(weight, Real) else weight
        metadata = fit_metadata(weight, given.tasks)
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **metadata, **given.params)
            split_params = routed.splitter.split
            scorer_params = {} if scorer is None else routed.scorer.score
        else:
            split_params = given.params
            unknown = sorted(set(split_params) - {"groups"})
            if unknown:
                raise TypeError(
                    f"fit takes no {unknown} unless metadata routing is enabled"
                )
            scorer_params = {} if scorer is None else scorer_metadata(scorer, metadata)
        if scorer is None:
            return None, split_params
        by_scorer = ScorerScore(scorer, given.X, given.y, scorer_params, given.tasks)
        return by_scorer, split_params

    def _score_fold(self, fold, test, models, alphas, by_scorer, tasks):
        """Return what a job of `_jobs` does, for one fold."""
        held_out = fold.held_out(models[0])
        by_loss = LossScore(
            self._error_per_loss, held_out.weight, self.task_weight, tasks
        )
        scores = np.empty(alphas.shape)
        task_scores = np.empty((*alphas.shape, len(held_out.weight)))
        n_short = 0
        for ratio, fit in enumerate(fold.fits(models)):
            waiting, batch = [], _batch_size(fit)
            path = solve_path(fit.problem, fit.solver, alphas[ratio])
            for index, point in enumerate(path):
                n_short += not point.solution.converged
                waiting.append(fold.coefficients(fit, point.solution))
                if by_scorer is not None:
                    model = fitted_model(self, fit, point.solution)
                    model.set_params(**scaled_strengths(model, alphas[ratio, index]))
                    scores[ratio, index] = by_scorer.of_model(model, test)
                if len(waiting) == batch or index + 1 == alphas.shape[1]:
                    here = ratio, slice(index + 1 - len(waiting), index + 1)
                    coef, intercept = map(np.stack, zip(*waiting, strict=True))
                    losses = held_out.losses(coef, intercept)
                    task_scores[here] = by_loss.of_tasks(losses)
                    if by_scorer is None:
                        scores[here] = by_loss.of_all(losses)
                    waiting = []
        alone = scores[:, :, None], task_scores[:, :, None], np.ones(1)
        return scores, *alone, n_short

    def _record(self, models, alphas, means, scores, task_scores, shares):
        """Set the attributes of cross-validation; return the model that was chosen."""
        leading = models[0]._strengths[0]
        bad = np.argwhere(~np.isfinite(scores))
        if len(bad):
            ratio, index, fold = bad[0]
            raise ValueError(
                f"the score is {scores[ratio, index, fold]} in fold {fold} at "
                f"{leading}={alphas[ratio, index]:.3g}; give a scoring that is defined "
                f"on every test part, or larger ones"
            )
        # before the model that is chosen gets its strengths
        with_folds = not isinstance(self.cv, str)
        self.cv_results_ = _results(models, alphas, means, scores, shares, with_folds)
        ratio, index = _select(means, scores, shares, self.selection)
        chosen = models[ratio]
        chosen.set_params(**scaled_strengths(chosen, alphas[ratio, index]))
        for name in chosen._strengths:
            setattr(self, f"{name}_", getattr(chosen, name))
        ratios = self._ratio_grid(task_scores.shape[3])
        if ratios[0] is not None:
            self.ratios_ = np.asarray(ratios, dtype=np.float64)
            self.ratio_ = float(ratios[ratio])
        self.alphas_ = alphas[0] if len(alphas) == 1 else alphas
        self.score_path_, self.task_score_path_ = scores, task_scores
        return chosen

    def _warn_of_ends(self, models, alphas, tops, found):
        """Tell where the best is at an end of a grid beyond which it may be better.

        Parameters
        ----------
        models, alphas
            As in `_jobs`.
        tops : list of float
            The largest strength of each ratio that makes sense.
        found : tuple
            Of `_run`.
        """
        means, _, task_scores, _ = found
        rows, columns = np.nonzero(_best(means))
        row = rows[0]
        automatic = not np.ndim(self.alphas) and models[row]._penalty().is_gauge
        smaller = f"decrease eps={self.eps:g}" if automatic else "extend alphas"
        strengths, n_tasks = alphas[row], task_scores.shape[3]
        leading = models[row]._strengths[0]
        self._warn_of_end(
            leading,
            strengths,
            strengths[columns[rows == row]],
            (0.0, tops[row]),
            (smaller, "extend alphas"),
        )
        ratios = self._ratio_grid(n_tasks)
        if ratios[0] is not None:
            remedies = (f"extend {self._model_class._ratio}",) * 2
            limits = models[row]._ratio_limits(n_tasks)
            best = np.asarray(ratios)[rows]
            self._warn_of_end("ratio", ratios, best, limits, remedies)

    def _warn_of_end(self, name, grid, best, limits, remedies):
        """Warn if the best values are one end of a grid that is inside the limits."""
        smallest, largest = np.min(grid), np.max(grid)
        if smallest == largest:
            return
        inside = (1 + _ROUNDING) * limits[0], (1 - _ROUNDING) * limits[1]
        if np.max(best) == smallest > inside[0]:
            end, value, remedy = "smallest", smallest, remedies[0]
        elif np.min(best) == largest < inside[1]:
            end, value, remedy = "largest", largest, remedies[1]
        else:
            return
        warnings.warn(
            f"the best {name}={value:.3g} is the {end} of its grid, and others beyond "
            f"it may score better: {remedy}",
            UserWarning,
            stacklevel=levels_to_caller(),
        )

    def get_metadata_routing(self):
        """Return what splitter and scorer request of the arguments of `fit`.

        Returns
        -------
        MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        if not isinstance(self.cv, str):
            mapping = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=make_splitter(self.cv), method_mapping=mapping)
        if self.scoring is not None:
            mapping = MethodMapping().add(caller="fit", callee="score")
            router.add(scorer=make_scorer(self, self.scoring), method_mapping=mapping)
        return router


class RegressorCV(CrossValidatedModel, MultiTaskRegressor):
    """Base of the regressors with cross-validation.

    Attributes
    ----------
    mse_path_ : ndarray of shape (n_ratios, n_alphas, n_folds)
        Mean squared errors, ``-score_path_``; only without ``scoring``.
    """

    def _record(self, *found):
        chosen = super()._record(*found)
        if self.scoring is None:
            self.mse_path_ = -self.score_path_
        return chosen


class ClassifierCV(CrossValidatedModel, MultiTaskClassifier):
    """Base of the classifiers with cross-validation."""


@contextmanager
def _quietly_closing(results):
    """Close a generator of joblib, which would warn of the work it had begun."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()


class _Data(NamedTuple):
    """What ``fit`` was given."""

    X: object
    y: object
    sample_weight: object
    tasks: object
    params: dict


def _batch_size(fit):
    """Return how many points may wait, an eighth of the data at most."""
    n_tasks = len(fit.read.tasks)
    return int(np.clip(fit.read.rows.size // (8 * n_tasks), 1, _BATCH))


def scaled_strengths(model, factor):
    """Return the strengths of a model times a factor, by name."""
    return {name: float(factor * getattr(model, name)) for name in model._strengths}


def _select(means, scores, shares, selection):
    """Return the positions of the ratio and the strength to choose.

    Of equal scores that of the largest strength, which comes first.
    """
    n_folds = scores.shape[2]
    ratio, index = np.unravel_index(np.argmax(_best(means)), means.shape)
    if selection == "one_se" and n_folds > 1:
        error = _standard_error(scores[ratio, index], shares)
        index = np.argmax(means[ratio] >= means[ratio, index] - error)
    return int(ratio), int(index)


def _best(means):
    """Return which mean scores are as good as the best."""
    best = means.max()
    return means >= best - _ROUNDING * abs(best)


def _standard_error(scores, shares):
    """Return that of the weighted mean; without weights ``std(ddof=1) / sqrt(n)``."""
    left = np.sum((shares / shares.sum()) ** 2)
    return np.sqrt(_variance(scores, shares) * left / (1 - left))


def _variance(scores, shares):
    """Return the weighted mean square of scores (..., n_folds) around their mean."""
    means = np.average(scores, axis=-1, weights=shares)
    return np.average((scores - means[..., None]) ** 2, axis=-1, weights=shares)


def _results(models, alphas, means, scores, shares, with_folds):
    """Return the table of scores, a column an entry, in the manner of a grid search."""
    points = []
    for model, row in zip(models, alphas, strict=True):
        given = model.get_params(deep=False).items()
        fixed = {name: value for name, value in given if name == model._ratio}
        points += [scaled_strengths(model, alpha) | fixed for alpha in row]
    flat, means = scores.reshape(-1, scores.shape[2]), means.ravel()
    table = {f"param_{name}": np.array([p[name] for p in points]) for name in points[0]}
    table |= {
        "params": points,
        "mean_test_score": means,
        "std_test_score": np.sqrt(_variance(flat, shares)),
        "rank_test_score": rankdata(-means, method="min").astype(int),
    }
    if with_folds:
        table |= {f"split{k}_test_score": column for k, column in enumerate(flat.T)}
    return table
