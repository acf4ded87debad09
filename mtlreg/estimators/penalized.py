"""Any penalty and any loss: what the stems name, the user gives as objects."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from sklearn.base import is_classifier

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import (
    ClassifierCV,
    CrossValidatedModel,
    RegressorCV,
)
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.losses import LOSSES, Loss
from mtlreg.penalties import Penalty


class _OwnLoss:
    """The loss that a parameter names or is, and the targets that are in its domain."""

    def _loss(self):
        if isinstance(self.loss, Loss):
            return self.loss
        if not (isinstance(self.loss, str) and self.loss in LOSSES):
            raise ValueError(
                f"loss must be one of {sorted(LOSSES)} or an object that derives from "
                f"mtlreg.losses.Loss, got {self.loss!r}"
            )
        return LOSSES[self.loss]()

    def _read(self, X, y, sample_weight, tasks):
        read = super()._read(X, y, sample_weight, tasks)
        self._loss().check_target(read.data.y[read.data.weight > 0])
        return read

    def _read_new_task(self, *given):
        read = super()._read_new_task(*given)
        if read.data is not None:
            self._loss().check_target(read.data.y)
        return read


@dataclass(eq=False, repr=False)
class _Penalized(_OwnLoss, Stem):
    """The penalty on A = ``coef_.T`` is an object: one of `mtlreg.penalties`, a sum of
    two as `mtlreg.penalties.InfimalSum`, or one of your own that derives from
    `mtlreg.penalties.Penalty`. Its fields are parameters of the estimator, as
    ``penalty__alpha``. What `mtlreg.alpha_max` and `mtlreg.regularization_path` call
    the leading strength is a factor of the penalty.

    Parameters
    ----------
    penalty : Penalty
        It is not changed.

    Search parameters
    -----------------
    penalty : Penalty
        Whose strengths are all multiplied by what is chosen; it is not changed.
    alphas : int or array-like of shape (n_alphas,), default=100
        Factors of the penalty to choose from (they are sorted, largest first): for a
        gauge, relative to that with which all coefficients are 0, `mtlreg.alpha_max`;
        or how many there are in a grid.

    Attributes
    ----------
    blocks_ : ndarray of shape (n_blocks, n_tasks, n_features)
        Of a penalty that splits ``coef_`` into a sum, its parts.

    Notes
    -----
    A penalty has attributes of its own beside these, such as ``support_`` of sums over
    rows, see `mtlreg.penalties.Penalty.attributes`.
    """

    penalty: Any
    _: KW_ONLY
    loss: Any = None

    _strengths: ClassVar = ()

    @classmethod
    def _searched(cls):
        return ("alpha_factor",)

    def _strength_names(self):
        return ("penalty",)

    def _leading(self):
        return 1.0

    def _at_factor(self, factor):
        return {"penalty": self.penalty.scaled(float(factor))}

    def _unit(self, problem):
        return (problem.penalty.has_polar and problem.alpha_factor) or 1.0

    def _found(self, factor, alpha):
        return {"alpha_factor": float(alpha)}

    def _check_strengths(self):
        if not isinstance(self.penalty, Penalty):
            raise TypeError(
                f"penalty must be an object that derives from mtlreg.penalties.Penalty,"
                f" such as mtlreg.penalties.L21(alpha=0.1); got {self.penalty!r}"
            )
        loss, binary = self._loss(), is_classifier(self)
        if loss.binary != binary:
            kinds = "-1 and 1", "numbers"
            raise ValueError(
                f"loss={self.loss!r} is for targets that are {kinds[not loss.binary]}, "
                f"those of a {type(self).__name__} are {kinds[not binary]}"
            )

    def _penalty(self, read):
        return self.penalty


class _PenalizedSearch(_OwnLoss, CrossValidatedModel):
    """What both searches share.

    Attributes
    ----------
    penalty_ : Penalty
        The penalty with the strengths that were chosen.
    """

    def _record(self, grid, scores):
        chosen = super()._record(grid, scores)
        self.penalty_ = chosen.penalty
        return chosen


@estimator
class PenalizedRegressor(_Penalized, MultiTaskRegressor):
    """Linear regression of many tasks with any penalty, of the package or your own.

    Parameters
    ----------
    loss : {"squared"} or Loss, default="squared"
        Data term; an object of your own derives from `mtlreg.losses.Loss`. Predictions
        are its ``inverse_link``.

    Examples
    --------
    >>> from mtlreg import PenalizedRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.penalties import L1, InfimalSum, TraceNorm
    >>> data = make_multitask_regression(structure="low_rank", random_state=0)
    >>> model = PenalizedRegressor(InfimalSum(TraceNorm(0.5), L1(0.4)))
    >>> model.fit(data.X, data.y, tasks=data.tasks).blocks_.shape
    (2, 10, 20)
    >>> model.set_params(penalty__first__alpha=0.2).penalty.first
    TraceNorm(alpha=0.2)
    """

    loss = "squared"


@estimator
class PenalizedClassifier(_Penalized, MultiTaskClassifier):
    """Linear classification of many tasks with any penalty, ours or your own.

    Parameters
    ----------
    loss : {"logistic"} or Loss, default="logistic"
        Data term; an object of your own derives from `mtlreg.losses.Loss` and is
        ``binary``. Probabilities are ``1 / (1 + exp(-z))`` whatever it is.

    Examples
    --------
    >>> from mtlreg import PenalizedClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> from mtlreg.penalties import SparseGroup
    >>> data = make_multitask_classification(random_state=0)
    >>> model = PenalizedClassifier(SparseGroup(0.05, l1_ratio=0.5))
    >>> model.fit(data.X, data.y, tasks=data.tasks).support_.shape
    (20,)
    """

    loss = "logistic"


@estimator
class PenalizedRegressorCV(_PenalizedSearch, RegressorCV):
    """`PenalizedRegressor` with a factor of its penalty by cross-validation.

    Examples
    --------
    >>> from mtlreg import PenalizedRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.penalties import L1Linf
    >>> data = make_multitask_regression(noise=0.3, random_state=0)
    >>> model = PenalizedRegressorCV(L1Linf(1.0), alphas=10)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 10, 5)
    """

    _model_class = PenalizedRegressor


@estimator
class PenalizedClassifierCV(_PenalizedSearch, ClassifierCV):
    """`PenalizedClassifier` with a factor of its penalty by cross-validation.

    Examples
    --------
    >>> from mtlreg import PenalizedClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> from mtlreg.penalties import L21
    >>> data = make_multitask_classification(random_state=0)
    >>> model = PenalizedClassifierCV(L21(1.0), alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 10, 5)
    """

    _model_class = PenalizedClassifier
