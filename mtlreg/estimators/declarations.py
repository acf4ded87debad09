"""What a stem of estimators declares, and how its four classes come of it."""

import inspect
from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtlreg.estimators._checks import check_strength
from mtlreg.estimators._docs import compose
from mtlreg.estimators._options import read_options, units_of_weights
from mtlreg.estimators.strengths import check_ratios
from mtlreg.penalties import with_options


@dataclass(eq=False, repr=False)
class Stem:
    """Base of the stems: a subclass names its strengths, its penalty and its options.

    Its docstring begins with the penalty, as the docstrings of its estimators have it.

    Parameters
    ----------
    ridge : float, default=0.0
        Of ``ridge/2 ||A||_F^2``, which is added to the penalty: >= 0. It is no
        strength: `mtlreg.alpha_max` does not depend on it, and paths and searches leave
        it as it is.
    feature_weight : array-like of shape (n_features,) or dict, optional
        Of each feature (by its name in a dict, or in a pandas series by its index; 1
        for those that are left out), 0 or more: the penalty is that of
        ``diag(feature_weight) A``, so that 0 leaves a feature without a penalty in all
        tasks, and inf excludes it, with coefficients of 0. The ridge is not weighted.
        The trace norm takes finite weights of more than 0, without a ridge.
    positive : bool or array-like of bool, shape (n_features,), default=False
        Whether coefficients may not be negative, or those of which features: in both
        parts of a sum, and for no trace norm or changes between tasks.
    fit_intercept : bool, default=True
        Whether every task has an intercept b_t, which is never penalised.
    task_column : str or int, optional
        The column of X that says which task a row belongs to: a str is a name, an int a
        position (negative counts from the end). It is no feature.
    unseen_task : {"error", "mean"}, default="error"
        What `predict` does with a task that `fit` has not seen: refuse it, or use the
        unweighted mean of ``coef_`` and ``intercept_`` over the tasks. A label that is
        missing (None, NaN) is always taken, and is a task that is not known: what the
        penalty expects of one, as `fit_new_task` without rows.
    task_weight : {"equal", "proportional"}, dict or array-like, default="equal"
        The c_t of the objective: 1, so that the mean loss of every task counts the
        same; ``T W_t / sum_t W_t``, so that every row counts the same; or positive
        numbers, by task (a dict, or a pandas series by its index; extra keys are
        ignored) or in the order of ``tasks_``.
    max_iter : int, default=10_000
        Most iterations of the solver.
    tol : float, default=1e-6
        Stop when the duality gap is at most ``tol F0``, with F0 the objective at A = 0
        and the best intercepts (float32 data: at most ``2e-6 F0`` is asked for).
    warm_start : bool, default=False
        Start from the coefficients of the previous fit if tasks and features are the
        same.
    solver : {"auto", "fista", "bcd", "direct"}, default="auto"
        "fista": accelerated proximal gradient, for every model; "bcd": block coordinate
        descent over features, for group lasso, fused and dirty models; "direct":
        linear systems, for mean regularisation, one for the squared loss and Newton's
        method otherwise, and for graphs with the squared loss; "auto": the fastest
        that applies.
    """

    _: KW_ONLY
    ridge: float = 0.0
    feature_weight: Any = None
    positive: Any = False
    fit_intercept: bool = True
    task_column: str | int | None = None
    unseen_task: str = "error"
    task_weight: Any = "equal"
    max_iter: int = 10_000
    tol: float = 1e-6
    warm_start: bool = False
    solver: str = "auto"

    # the leading one first
    _strengths: ClassVar[tuple[str, ...]] = ("alpha",)
    # the parameter of a search that has the ratios: an option of the stem as well, such
    # as l1_ratio, or ratios of strengths, which `_at_ratio` then reads; None: no ratio
    _ratio: ClassVar[str | None] = None
    # its default where it is no option
    _default_ratios: ClassVar[Any] = None
    # of searches, where they are not those of `Search`; "Search parameters" say so
    _search_defaults: ClassVar[dict[str, Any]] = {}

    def _whole_penalty(self, read):
        """Return the penalty with the options that all stems have.

        Parameters
        ----------
        read : FitInput
        """
        penalty = self._penalty(read)
        return with_options(penalty, **self._penalty_options(penalty, read))

    def _penalty_options(self, penalty, read):
        """Return the options of the penalty by name, as `read_options` does."""
        return read_options(self, penalty, read)

    @abstractmethod
    def _penalty(self, read):
        """Return the penalty at the strengths of the parameters, without options.

        Parameters
        ----------
        read : FitInput
            Which tasks and features there are, and what they are called.
        """

    @classmethod
    def _searched(cls):
        """Return the names of what a search chooses, the leading strength first."""
        return cls._strengths

    def _strength_names(self):
        """Return the names of what holds the strengths of a fit."""
        return self._strengths

    def _leading(self):
        """Return the leading strength, which stands for all."""
        return float(getattr(self, self._strengths[0]))

    def _at_factor(self, factor):
        """Return the parameters with all strengths times a factor, by name."""
        return {name: float(factor * getattr(self, name)) for name in self._strengths}

    def _shrinks_intercepts(self):
        """Return whether the penalty has the intercepts as the last row of A."""
        return False

    def _units(self, read, penalty):
        """Return what columns of X are divided by in the problem, or None.

        Those of the features of a `FitInput`, and last of ones if the intercepts are
        shrunken. The penalty has its options, and perhaps more tasks.
        """
        return units_of_weights(self, penalty, read)

    def _unit(self, problem):
        """Return what the strength 1 of a search is in leading strengths."""
        return 1.0

    def _found(self, factor, alpha):
        """Return what a search reports of its strength alpha, a factor of those here.

        By name.
        """
        return self._at_factor(factor)

    def _check_strengths(self):
        """Raise unless the parameters of the penalty are valid."""
        for name in self._strengths:
            check_strength(getattr(self, name), name)

    def _at_ratio(self, ratio):
        """Return the parameters at another ratio, by name."""
        if self._ratio is None:
            raise ValueError(f"ratios must be None: {type(self).__name__} has no ratio")
        return {self._ratio: ratio}

    def _ratio_grid(self, ratios, shape):
        """Return the ratios that a search tries; an option may be a single one.

        Parameters
        ----------
        ratios : object
            As the search has them.
        shape : tuple of int
            That of A, (n_features, n_tasks).
        """
        single = hasattr(self, self._ratio) and np.ndim(ratios) == 0
        return check_ratios([ratios] if single else ratios, self._ratio)

    def _ratio_limits(self, shape):
        """Return the ratios below and above which the model hardly changes.

        Parameters
        ----------
        shape : tuple of int
            As `_ratio_grid` takes it.
        """
        return 0.0, np.inf


@dataclass(eq=False, repr=False, init=False)
class Search:
    """The options of cross-validation, which stand in for strengths.

    Parameters
    ----------
    alphas : int or array-like of shape (n_alphas,), default=100
        Leading strengths to choose from (they are sorted, largest first), or the size
        of the grid of `mtlreg.alpha_grid`, one for each ratio.
    eps : float, default=1e-3
        Smallest over largest strength of that grid.
    cv : int, cross-validation generator or iterable of (train, test), optional
        By default 5 folds, and with an int as many, of
        `mtlreg.model_selection.TaskKFold` with ``random_state=0``.
    scoring : str or callable, optional
        A metric of `mtlreg.metrics` or scorer of scikit-learn, by name, or a callable
        ``scorer(estimator, X, y)``. By default minus ``sum_t c_t L_t / sum_t c_t`` over
        the tasks with rows that are left out, L_t their weighted mean squared error or
        log-loss and c_t as ``task_weight`` says: the mean of the tasks for "equal", the
        mean over all rows for "proportional".
    selection : {"min", "one_se"}, default="min"
        The strength with the best mean score, the larger one of two; or the largest, at
        the ratio of that one, whose mean score is within a standard error of it
        (Breiman, Friedman, Olshen, Stone (1984), Classification and regression trees,
        section 3.4).
    n_jobs : int, optional
        Folds that are fitted at the same time, in threads; -1: as many as processors.

    Attributes
    ----------
    alphas_ : ndarray of shape (n_alphas,) or (n_ratios, n_alphas)
        Leading strengths, decreasing; a row for each ratio if there are several.
    score_path_ : ndarray of shape (n_ratios, n_alphas, n_folds)
        Scores; more is better.
    task_score_path_ : ndarray of shape (n_ratios, n_alphas, n_folds, n_tasks)
        Minus the mean loss of each task, whatever the scoring; NaN where a fold leaves
        out no row of the task.
    cv_results_ : dict
        The scores as a table with a row for each pair of ratio and strength, which
        pandas takes; its names are those of `sklearn.model_selection.GridSearchCV`.
    """

    alphas: Any = 100
    eps: float = 1e-3
    cv: Any = None
    scoring: Any = None
    selection: str = "min"
    n_jobs: int | None = None

    if TYPE_CHECKING:
        # which parameters there are depends on the stem
        def __init__(self, **parameters: Any) -> None: ...

    def _strength_names(self):
        """As `Stem._strength_names`."""
        return [f"{name}_" for name in self._model_class._searched()]


class _NoFields:
    """Hides that a base is a dataclass.

    Who hashes or copies dataclasses by their fields would miss what `fit` has set.
    """

    def __get__(self, instance, owner=None):
        raise AttributeError("estimators are no dataclasses")


def estimator(cls):
    """Give a class the explicit signature and the docstring that its stem declares.

    The stem is the first base of the class, or of its ``_model_class`` where strengths
    are chosen by cross-validation. Its own parameters come first, then those that the
    class itself annotates, those of `Search`, if any, and of `Stem`, whose defaults a
    stem may change. A default of the stem gives way to one of the class itself.
    """
    model = getattr(cls, "_model_class", cls)
    stem, searched = model.__bases__[0], model is not cls
    common = {k: _defaults(stem)[k] for k in _defaults(Stem)} | cls._options
    own = {k: v for k, v in _defaults(stem).items() if k not in common}
    own = {k: vars(model).get(k, v) for k, v in own.items()}
    positional = {f.name for f in fields(stem) if not f.kw_only}
    if searched:
        if stem._ratio is None and len(stem._strengths) > 1:
            raise TypeError(
                f"{stem.__name__} has several strengths: name the parameter for their "
                f"ratios in _ratio, and read it in _at_ratio"
            )
        own = {k: v for k, v in own.items() if k not in stem._strengths}
        if stem._ratio is not None:
            own = {stem._ratio: own.get(stem._ratio, stem._default_ratios)} | own
        own |= {name: vars(cls)[name] for name in inspect.get_annotations(cls)}
        own |= _defaults(Search) | stem._search_defaults
        del common["warm_start"]
        positional -= set(stem._strengths)
    # a dataclass's __init__ stores what it is given, and errors name the parameters
    cls.__init__ = make_dataclass(
        cls.__qualname__,
        [
            (name, Any, field(default=default, kw_only=name not in positional))
            for name, default in (own | common).items()
        ],
        repr=False,
        eq=False,
    ).__init__
    cls.__init__.__annotations__ = {}
    cls.__dataclass_fields__ = _NoFields()
    cls.__doc__ = compose(cls, model, stem)
    return cls


def _defaults(declared):
    return {f.name: f.default for f in fields(declared)}
