"""Estimators that choose the strengths of their penalty by cross-validation."""

import functools
import operator
import warnings
from contextlib import contextmanager
from functools import partial
from numbers import Real
from typing import ClassVar, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn import get_config
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
from mtlreg.estimators._selection import Grid, Scores
from mtlreg.estimators._splits import (
    make_folds,
    make_splitter,
    read_splits,
    statistics_folds,
)
from mtlreg.estimators.base import (
    MultiTaskLinearModel,
    fit_metadata,
    restores_on_failure,
)
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.declarations import Search
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.strengths import check_grid, grid_below, largest_strength
from mtlreg.inputs.kept import stack_rows
from mtlreg.problem.threads import held_threads
from mtlreg.sequences.parts import with_untested
from mtlreg.sequences.path import solve_path
from mtlreg.statistics import TaskStatistics

_BATCH = 16  # points of a path that are scored together, where they are small
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
        leading = self._model_class._strengths[:1]
        return self._model_class(**own | dict.fromkeys(leading, 1.0))

    def _ratio_grid(self, shape):
        """Return the ratios of strengths to try; [None] where there is one strength."""
        name = self._model_class._ratio
        if name is None:
            return [None]
        return self._model()._ratio_grid(getattr(self, name), shape)

    def _models(self, shape):
        """Return a model with a leading strength of 1 for every ratio."""
        models = []
        for ratio in self._ratio_grid(shape):
            model = self._model()
            if ratio is not None:
                model.set_params(**model._at_ratio(float(ratio)))
            models.append(model)
        return models

    def _check_parameters(self):
        for model in self._models((2, 2)):
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
        read = self._read(X, y, sample_weight, tasks)
        self._forget()
        given = _Data(X, y, sample_weight, tasks, params)
        fit, start = self._choose(given, read, context, inputs)
        self._solve(fit, start, context, inputs)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=dict, **inputs
        )
        return self

    def _choose(self, given, read, context, inputs):
        """Return the fit of all rows at the strengths to choose, and where it starts.

        The start is None or a variable of the solver.
        """
        chosen = self._search(self._plan(given, read), read, context, inputs)
        return Fit(chosen, read, chosen._whole_penalty(read), warn=False), None

    def _search(self, plan, read, context, inputs):
        """Return the model with the strengths to choose, and record their scores."""
        models = self._models(_shape(read))
        with held_threads(read.data.work, effective_n_jobs(self.n_jobs)):
            grid, jobs = self._prepare(plan, read, models)
            scores = self._run(jobs, grid.alphas.size, context, inputs)
            del jobs  # which may hold all rows
        return self._record(grid, scores)

    def _strengths_below(self, largest, fit):
        """Return the strengths to try, largest first."""
        if not np.ndim(self.alphas):
            # where all coefficients are 0 at any strength, one scale is as good
            return grid_below(largest or 1.0, fit.problem, int(self.alphas), self.eps)
        alphas = check_grid(self.alphas, "alphas")
        found = fit.problem.penalty.has_polar and alphas[-1] >= largest
        if found and not fit.problem.null_point().any():
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
        """Return the strengths to try and the jobs that score them."""
        centred = self._of_centred_rows(models[0])
        # where all fits have all tasks nothing is told of some
        warn = not all(model._shrinks_intercepts() for model in models)
        whole = Fit(centred, read, centred._whole_penalty(read), warn=warn)
        grid = self._grid(whole, models)
        return grid, self._jobs(plan, whole, models, grid.factors)

    def _grid(self, whole, models):
        """Return the strengths to try of a fit of all rows."""
        centred = list(map(self._of_centred_rows, models))
        penalties = [model._whole_penalty(whole.read) for model in centred]
        fits = list(map(whole.with_penalty, centred, penalties))
        found = np.ndim(self.alphas) or any(f.problem.alpha_factor for f in fits)
        if not (found or fits[0].problem.null_point().any()):
            warnings.warn(
                "no feature varies with y: all coefficients are 0 at any strength",
                UserWarning,
                stacklevel=levels_to_caller(),
            )
        units = np.array([fit.model._unit(fit.problem) for fit in fits])
        tops = [largest_strength(fit.problem, fit.model) for fit in fits] / units
        below = map(self._strengths_below, tops, fits)
        automatic = not np.ndim(self.alphas) and fits[0].problem.penalty.has_polar
        smaller = f"decrease eps={self.eps:g}" if automatic else "extend alphas"
        alphas, shape = np.stack(list(below)), _shape(whole.read)
        return Grid(models, units[:, None], alphas, tops, smaller, shape)

    def _of_centred_rows(self, model):
        """Return the model whose grid a model has: that with free intercepts."""
        return model

    def _jobs(self, plan, whole, models, factors):
        """Return functions that score some folds each.

        Parameters
        ----------
        plan : object
            Of `_plan`.
        whole : Fit
            Of all rows.
        models : list of estimator
            One for each ratio.
        factors : ndarray of shape (n_ratios, n_alphas)
            What their strengths are multiplied by.

        Returns
        -------
        list of callable
            They return the scores of their folds together (n_ratios, n_alphas), of
            each (n_ratios, n_alphas, n_folds), of the tasks (..., n_tasks), the weights
            of the folds in standard errors (n_folds,), and how many fits did not
            converge.
        """
        splits, by_scorer = plan
        folds = make_folds(whole, splits, factors.size)
        given = models, factors, by_scorer, whole.read.tasks
        return [
            partial(self._score_fold, fold, split[1], *given)
            for fold, split in zip(folds, splits, strict=True)
        ]

    def _run(self, jobs, n_points, context, inputs):
        """Return the `Scores`, of the first folds only if a callback stops the run."""
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
        return Scores(np.mean(means, axis=0), *joined, np.concatenate(shares))

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

    def _score_fold(self, fold, test, models, factors, by_scorer, tasks):
        """Return what a job of `_jobs` does, for one fold."""
        held_out = fold.held_out(models[0])
        error_factor = models[0]._loss().error_factor
        by_loss = LossScore(error_factor, held_out.weight, self.task_weight, tasks)
        scores = np.empty(factors.shape)
        task_scores = np.empty((*factors.shape, len(held_out.weight)))
        n_short = 0
        for ratio, fit in enumerate(fold.fits(models)):
            waiting, batch = [], _batch_size(fit)
            path = solve_path(fit.problem, fit.solver, factors[ratio])
            for index, point in enumerate(path):
                n_short += not point.solution.converged
                waiting.append(fold.coefficients(fit, point.solution))
                if by_scorer is not None:
                    model = fitted_model(self, fit, point.solution)
                    model.set_params(**model._at_factor(factors[ratio, index]))
                    scores[ratio, index] = by_scorer.of_model(model, test)
                if len(waiting) == batch or index + 1 == factors.shape[1]:
                    here = ratio, slice(index + 1 - len(waiting), index + 1)
                    coef, intercept = map(np.stack, zip(*waiting, strict=True))
                    losses = held_out.losses(coef, intercept)
                    task_scores[here] = by_loss.of_tasks(losses)
                    if by_scorer is None:
                        scores[here] = by_loss.of_all(losses)
                    waiting = []
        alone = scores[:, :, None], task_scores[:, :, None], np.ones(1)
        return scores, *alone, n_short

    def _record(self, grid, scores):
        """Set the attributes of cross-validation; return the model that was chosen."""
        bad = np.argwhere(~np.isfinite(scores.folds))
        if len(bad):
            ratio, index, fold = bad[0]
            raise ValueError(
                f"the score is {scores.folds[ratio, index, fold]} in fold {fold} at "
                f"{grid.models[0]._searched()[0]}={grid.alphas[ratio, index]:.3g}; "
                f"give a scoring that is defined on every test part, or larger ones"
            )
        # before the model that is chosen gets its strengths
        self.cv_results_ = scores.table(grid, with_folds=not isinstance(self.cv, str))
        ratio, index = scores.select(self.selection)
        for name, value in grid.found(ratio, index).items():
            setattr(self, f"{name}_", value)
        ratios = self._ratio_grid(grid.shape)
        if ratios[0] is not None:
            self.ratios_ = np.asarray(ratios, dtype=np.float64)
            # the models of all ratios may come several times
            self.ratio_ = float(ratios[ratio % len(ratios)])
        self.alphas_ = grid.alphas[0] if len(grid.alphas) == 1 else grid.alphas
        self.score_path_, self.task_score_path_ = scores.folds, scores.tasks
        self._scores = scores
        scores.warn_of_ends(grid, np.resize(ratios, len(grid.models)))
        return grid.model(ratio, index)

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

    def _fit_of_statistics(self, stats, context, inputs):
        stats = _checked_folds(stats)
        whole = functools.reduce(operator.add, stats)
        self._check_statistics(whole)
        if whole.has_rows:
            return self._fit_of_folds(stats, whole, context, inputs), None
        read, whole = self._read_statistics(whole)
        parts = [one.aligned(read.tasks) for one in stats]
        if read.y_scale is not None:
            parts = [part.with_targets_over(read.y_scale) for part in parts]
        if not self.fit_intercept:
            parts = [part.about_zero() for part in parts]
        n_folds = len(parts)
        parts = with_untested(parts)
        _check_tested([part.weight.any() for part in parts[:n_folds]])
        self._forget()
        models = self._models(_shape(read))
        centred = self._of_centred_rows(models[0])
        fit = Fit.of_statistics(centred, read, centred._whole_penalty(read), whole)
        grid = self._grid(fit, models)
        jobs = [
            partial(
                self._score_fold, fold, None, models, grid.factors, None, read.tasks
            )
            for fold in statistics_folds(fit, parts, n_folds)
        ]
        scores = self._run(jobs, grid.alphas.size, context, inputs)
        chosen = self._record(grid, scores)
        penalty = chosen._whole_penalty(read)
        return Fit.of_statistics(chosen, read, penalty, whole), None

    def _fit_of_folds(self, stats, whole, context, inputs):
        """Return the fit of statistics that keep rows, with the folds as masks."""
        rows, fold = stack_rows([one.rows() for one in stats])
        n_folds, n_tasks = len(stats), len(rows.tasks)
        task = np.repeat(np.arange(n_tasks), rows.sizes)
        held = np.zeros((n_folds, n_tasks), dtype=bool)
        held[fold, task] = True
        # a task with rows in one fold alone is never tested
        fold[np.count_nonzero(held, axis=0)[task] == 1] = n_folds
        _check_tested(np.bincount(fold, minlength=n_folds)[:n_folds] > 0)
        read = self._read_rows(rows, whole)
        self._forget()
        splits = [(fold != k, fold == k) for k in range(n_folds)]
        chosen = self._search((splits, None), read, context, inputs)
        return self._fit_of_rows(chosen, read)

    def _check_for_statistics(self):
        super()._check_for_statistics()
        for name in ("cv", "scoring"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is for rows; leave it out: the "
                    f"folds are those of the statistics, scored by their errors"
                )

    def _record(self, *found):
        chosen = super()._record(*found)
        if self.scoring is None and chosen._loss().quadratic:
            self.mse_path_ = -self.score_path_
        return chosen


class ClassifierCV(CrossValidatedModel, MultiTaskClassifier):
    """Base of the classifiers with cross-validation."""


def _checked_folds(stats):
    """Return the statistics of the folds as a list, or raise ValueError."""
    folds = [stats] if isinstance(stats, TaskStatistics) else list(stats)
    if len(folds) < 2:
        raise ValueError(
            f"stats holds {len(folds)} TaskStatistics; give one for each of two folds "
            f"at least"
        )
    return folds


def _check_tested(tested):
    """Raise ValueError where nothing is tested in a fold."""
    for number, any_tested in enumerate(tested):
        if not any_tested:
            raise ValueError(
                f"the statistics of fold {number} have no rows of a task that has rows "
                f"in another fold too; spread the rows of every task over the folds"
            )


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


def _shape(read):
    """Return that of A, (n_features, n_tasks)."""
    return len(read.feature_names), len(read.tasks)
