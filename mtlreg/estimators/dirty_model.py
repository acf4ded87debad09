"""The dirty model."""

from typing import ClassVar

import numpy as np

from mtlreg.estimators._checks import check_choice, check_real
from mtlreg.estimators._docs import document
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import CrossValidatedModel
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.estimators.strengths import check_ratios
from mtlreg.penalties import Dirty
from mtlreg.penalties.sparse_group import NORMS


class _DirtyModel:
    """The parameters of the dirty model."""

    _strengths: ClassVar[tuple[str, ...]] = ("alpha_shared", "alpha_specific")

    def __init__(
        self,
        alpha_shared=0.14,
        alpha_specific=0.1,
        *,
        norm="linf",
        fit_intercept=True,
        task_column=None,
        unseen_task="error",
        task_weight="equal",
        max_iter=10_000,
        tol=1e-6,
        warm_start=False,
        solver="auto",
    ):
        self.alpha_shared = alpha_shared
        self.alpha_specific = alpha_specific
        self.norm = norm
        self.fit_intercept = fit_intercept
        self.task_column = task_column
        self.unseen_task = unseen_task
        self.task_weight = task_weight
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver

    def _check_strengths(self):
        check_real(self.alpha_shared, "alpha_shared", minimum=0.0, strict=True)
        check_real(self.alpha_specific, "alpha_specific", minimum=0.0, strict=True)
        check_choice(self.norm, "norm", list(NORMS))

    def _at_ratio(self, ratio):
        if ratio <= 0:
            raise ValueError(f"ratios of the dirty model must be > 0, got {ratio}")
        return {"alpha_specific": self.alpha_shared / ratio}

    def _penalty(self):
        return Dirty(self.alpha_shared, self.alpha_specific, self.norm)

    def _penalty_attributes(self, A):
        shared, specific = self._penalty().split(A)
        return {
            "shared_coef_": np.ascontiguousarray(shared.T),
            "specific_coef_": np.ascontiguousarray(specific.T),
        }


@document
class DirtyModelRegressor(_DirtyModel, MultiTaskRegressor):
    """Features shared by all tasks plus features of single tasks: a dirty model.

    %(rows)s
    %(squared)s
    The penalty on A = ``coef_.T``, split into B + S, is::

        min over B + S = A of  alpha_shared sum_j ||B_j||_q + alpha_specific ||S||_1

    with q = inf or 2. Three regimes: ``alpha_specific > alpha_shared`` makes S zero,
    ``alpha_shared > T alpha_specific`` (q = 2: ``sqrt(T) alpha_specific``) makes B
    zero, and in between both are used.

    Parameters
    ----------
    alpha_shared : float, default=0.14
        Strength of the shared block B, > 0.
    alpha_specific : float, default=0.1
        Strength of the block S of single entries, > 0.
    norm : {"linf", "l2"}, default="linf"
        Norm q of a row of B.
    %(parameters)s

    Attributes
    ----------
    %(attributes)s
    shared_coef_, specific_coef_ : ndarrays of shape (n_tasks, n_features)
        B and S, transposed: ``coef_`` is their sum. Of all optimal splits the one that
        clips every row of A at the lowest level.

    References
    ----------
    Jalali, Ravikumar, Sanghavi, Ruan (2010), A dirty model for multi-task learning,
    eq. 1.

    Examples
    --------
    >>> from mtlreg import DirtyModelRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     n_tasks=5, structure="dirty", random_state=0
    ... )
    >>> model = DirtyModelRegressor(alpha_shared=0.7, alpha_specific=0.5)
    >>> model.fit(data.X, data.y, tasks=data.tasks).shared_coef_.shape
    (5, 20)
    """


@document
class DirtyModelClassifier(_DirtyModel, MultiTaskClassifier):
    """Binary tasks with shared features plus features of single tasks: a dirty model.

    %(rows)s
    %(logistic)s
    The penalty on A = ``coef_.T``, split into B + S, is::

        min over B + S = A of  alpha_shared sum_j ||B_j||_q + alpha_specific ||S||_1

    with q = inf or 2. Three regimes: ``alpha_specific > alpha_shared`` makes S zero,
    ``alpha_shared > T alpha_specific`` (q = 2: ``sqrt(T) alpha_specific``) makes B
    zero, and in between both are used.

    %(one_class)s

    Parameters
    ----------
    alpha_shared : float, default=0.14
        Strength of the shared block B, > 0.
    alpha_specific : float, default=0.1
        Strength of the block S of single entries, > 0.
    norm : {"linf", "l2"}, default="linf"
        Norm q of a row of B.
    %(parameters)s

    Attributes
    ----------
    %(attributes)s
    %(classes)s
    shared_coef_, specific_coef_ : ndarrays of shape (n_tasks, n_features)
        B and S, transposed: ``coef_`` is their sum. Of all optimal splits the one that
        clips every row of A at the lowest level.

    References
    ----------
    Jalali, Ravikumar, Sanghavi, Ruan (2010), A dirty model for multi-task learning,
    eq. 1, there with the squared loss.

    Examples
    --------
    >>> from mtlreg import DirtyModelClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(
    ...     n_tasks=5, structure="dirty", random_state=0
    ... )
    >>> model = DirtyModelClassifier(alpha_shared=0.03, alpha_specific=0.02)
    >>> model.fit(data.X, data.y, tasks=data.tasks).specific_coef_.shape
    (5, 20)
    """


class _DirtyModelCV(CrossValidatedModel):
    """The parameters of the dirty model with cross-validation."""

    def __init__(
        self,
        *,
        ratios=None,
        norm="linf",
        alphas=100,
        eps=1e-3,
        cv=None,
        scoring=None,
        selection="min",
        n_jobs=None,
        fit_intercept=True,
        task_column=None,
        unseen_task="error",
        task_weight="equal",
        max_iter=10_000,
        tol=1e-6,
        solver="auto",
    ):
        self.ratios = ratios
        self.norm = norm
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.n_jobs = n_jobs
        self.fit_intercept = fit_intercept
        self.task_column = task_column
        self.unseen_task = unseen_task
        self.task_weight = task_weight
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver

    def _ratio_grid(self, n_tasks):
        if self.ratios is not None:
            return check_ratios(self.ratios, "ratios")
        return self._default_ratios(n_tasks)

    def _ratio_limits(self, n_tasks):
        # one step from the models with one block
        return self._default_ratios(n_tasks)[[0, -1]]

    def _default_ratios(self, n_tasks):
        # from the ratio where S is zero to the one where B is
        largest = n_tasks if self.norm == "linf" else np.sqrt(n_tasks)
        return np.geomspace(1.0, largest, 5)[1:-1] if n_tasks > 1 else np.ones(1)


@document
class DirtyModelRegressorCV(_DirtyModelCV, MultiTaskRegressor):
    """`DirtyModelRegressor` with strengths by cross-validation.

    %(rows)s
    %(squared)s
    The penalty on A = ``coef_.T``, split into B + S, is::

        min over B + S = A of  alpha_shared sum_j ||B_j||_q + alpha_specific ||S||_1

    %(search)s

    Parameters
    ----------
    ratios : array-like of shape (n_ratios,), optional
        ``alpha_shared / alpha_specific`` to choose from. By default three, evenly on a
        logarithmic scale, between 1 and T (``norm="l2"``: the root of T), where both
        blocks are used.
    norm : {"linf", "l2"}, default="linf"
        Norm q of a row of B.
    %(cv_parameters)s
    %(cv_model_parameters)s

    Attributes
    ----------
    %(attributes)s
    %(cv_attributes)s
    %(mse)s
    alpha_shared_, alpha_specific_, ratio_ : float
        The strengths that were chosen, and the first over the second.
    ratios_ : ndarray of shape (n_ratios,)
        Those there were to choose from.
    shared_coef_, specific_coef_ : ndarrays of shape (n_tasks, n_features)
        B and S, transposed.

    References
    ----------
    Jalali, Ravikumar, Sanghavi, Ruan (2010), A dirty model for multi-task learning,
    eq. 1.

    Examples
    --------
    >>> from mtlreg import DirtyModelRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(structure="dirty", random_state=0)
    >>> model = DirtyModelRegressorCV(alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 10, 5)
    """

    _model_class = DirtyModelRegressor


@document
class DirtyModelClassifierCV(_DirtyModelCV, MultiTaskClassifier):
    """`DirtyModelClassifier` with strengths by cross-validation.

    %(rows)s
    %(logistic)s
    The penalty on A = ``coef_.T``, split into B + S, is::

        min over B + S = A of  alpha_shared sum_j ||B_j||_q + alpha_specific ||S||_1

    %(search)s

    %(one_class)s

    Parameters
    ----------
    ratios : array-like of shape (n_ratios,), optional
        ``alpha_shared / alpha_specific`` to choose from. By default three, evenly on a
        logarithmic scale, between 1 and T (``norm="l2"``: the root of T), where both
        blocks are used.
    norm : {"linf", "l2"}, default="linf"
        Norm q of a row of B.
    %(cv_parameters)s
    %(cv_model_parameters)s

    Attributes
    ----------
    %(attributes)s
    %(classes)s
    %(cv_attributes)s
    alpha_shared_, alpha_specific_, ratio_ : float
        The strengths that were chosen, and the first over the second.
    ratios_ : ndarray of shape (n_ratios,)
        Those there were to choose from.
    shared_coef_, specific_coef_ : ndarrays of shape (n_tasks, n_features)
        B and S, transposed.

    References
    ----------
    Jalali, Ravikumar, Sanghavi, Ruan (2010), A dirty model for multi-task learning,
    eq. 1.

    Examples
    --------
    >>> from mtlreg import DirtyModelClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(structure="dirty", random_state=0)
    >>> model = DirtyModelClassifierCV(alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (3, 10, 5)
    """

    _model_class = DirtyModelClassifier
