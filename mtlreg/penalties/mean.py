"""Mean regularisation: every task is drawn to the mean of the tasks."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import prox_row
from mtlreg.penalties.base import (
    Quadratic,
    RowSeparable,
    check_strengths,
)
from mtlreg.penalties.positive import PositiveMean
from mtlreg.penalties.prior import TaskPrior
from mtlreg.penalties.task_matrix import TaskMatrix
from mtlreg.penalties.weighted import check_weight


class MeanRow(NamedTuple):
    """What compiled solvers see of `MeanRegularization`."""

    alpha: float
    alpha_mean: float


@prox_row.register(MeanRow)
def _prox_row(params, j, row, step, scratch):
    # m / (1 + step alpha_mean) + (v - m) / (1 + step alpha) with m the mean of v
    mean = 0.0
    for t in range(row.size):
        mean += row[t] / row.size
    centre = mean / (1.0 + step * params.alpha_mean)
    for t in range(row.size):
        row[t] = centre + (row[t] - mean) / (1.0 + step * params.alpha)


class MeanRows(NamedTuple):
    """The same where strengths differ from feature to feature."""

    alpha: np.ndarray
    alpha_mean: np.ndarray


@prox_row.register(MeanRows)
def _prox_row_of_its_own(params, j, row, step, scratch):
    prox_row(MeanRow(params.alpha[j], params.alpha_mean[j]), j, row, step, scratch)


@dataclass(frozen=True, eq=False)
class MeanRegularization(Quadratic, RowSeparable):
    """``alpha/2 sum_t ||a_t - m||^2 + alpha_mean/2 T ||m||^2``, m the mean of the a_t.

    Parameters
    ----------
    alpha : float or ndarray of shape (n_features,)
        Strength of the deviations, > 0, or one for every feature; with inf there are
        none, and an array may hold 0 where alpha_mean is 0: nothing is penalised then.
    alpha_mean : float or ndarray of shape (n_features,)
        Strength of the mean, >= 0; 0 leaves it free, and inf, where alpha is too,
        leaves 0 of a feature.
    ridge : float or ndarray of shape (n_features,), default=0.0
        >= 0: what is added to both, and is no strength: `scaled` leaves it as it is.

    References
    ----------
    Evgeniou, Pontil (2004), Regularized multi-task learning, eq. 6 (lemma 2.2).

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import MeanRegularization
    >>> MeanRegularization(1.0, 0.0).prox(np.array([[1.0, 3.0]]), step=1.0)
    array([[1.5, 2.5]])
    """

    alpha: float | np.ndarray
    alpha_mean: float | np.ndarray
    ridge: float | np.ndarray = 0.0

    strengths: ClassVar[tuple[str, ...]] = ("alpha", "alpha_mean")

    def __post_init__(self):
        _check_strength(self, "alpha")
        _check_strength(self, "alpha_mean")
        _check_strength(self, "ridge")

    def absorb(self, option, value):
        if option == "ridge":
            # ridge/2 ||A||^2 is the penalty with both strengths equal to it
            return replace(self, ridge=self.ridge + value)
        if option == "feature_weight":
            return self._weighted(check_weight(value, type(self).__name__))
        return PositiveMean(self, value)

    def _weighted(self, weight):
        with np.errstate(over="ignore"):
            squares = weight**2
        excluded, free = np.isinf(squares), weight == 0
        # also of a mean that is free, or of no deviations
        finite = np.where(excluded | free, 1.0, squares)
        strengths = (finite * getattr(self, name) for name in self.strengths)
        alpha, alpha_mean = (np.where(excluded, np.inf, s) for s in strengths)
        if not np.all(alpha > 0):
            raise ValueError(
                f"feature_weight holds {weight[~free].min()}, whose square times alpha="
                f"{self.alpha} is no number > 0: give a larger weight, or 0 for none"
            )
        alpha, alpha_mean = (np.where(free, 0.0, s) for s in (alpha, alpha_mean))
        return replace(self, alpha=alpha, alpha_mean=alpha_mean)

    def inside(self, A):
        if not self._tied:
            return A
        tied, excluded = (_column(s == np.inf) for s in self.task_matrix)
        found = np.where(tied, self._split(A)[0].astype(A.dtype), A)
        found = np.where(excluded, np.zeros_like(A), found)
        return A if np.array_equal(found, A) else found

    @property
    def by_feature(self):
        names = (*self.strengths, "ridge")
        return tuple(name for name in names if np.ndim(getattr(self, name)))

    @property
    def ignores_basis(self):
        return not self.by_feature

    @property
    def row_params(self):
        if not self.by_feature:
            return MeanRow(*self.task_matrix)
        both = np.broadcast_arrays(*self.task_matrix)
        return MeanRows(*map(np.ascontiguousarray, both))

    @cached_property
    def task_matrix(self):
        return TaskMatrix(self.alpha + self.ridge, self.alpha_mean + self.ridge)

    @cached_property
    def _tied(self):
        """Whether some alpha is inf."""
        return bool(np.any(self.alpha == np.inf))

    @cached_property
    def _uniform(self):
        """Whether no strength differs by feature."""
        return not self.by_feature

    @cached_property
    def _columns(self):
        """Both strengths, so that they multiply the rows of a matrix."""
        return tuple(map(_column, self.task_matrix))

    @cached_property
    def _divisors(self):
        """The same with inf in place of 0: what is free adds nothing to a conjugate."""
        return tuple(np.where(np.equal(s, 0), np.inf, s) for s in self.task_matrix)

    @property
    def curvature(self):
        finite = [np.where(np.equal(s, np.inf), 0.0, s) for s in self.task_matrix]
        return float(max(map(np.max, finite)))

    def value(self, A):
        mean, deviation = self._split(A)
        spread, shift = self._squares(deviation), A.shape[1] * self._squares(mean)
        alpha, alpha_mean = self.task_matrix
        spread, shift = self._times(alpha, spread), self._times(alpha_mean, shift)
        return 0.5 * float(spread.sum() + shift.sum())

    def gradient(self, A):
        (mean, deviation), (alpha, alpha_mean) = self._split(A), self._columns
        return self._times(alpha, deviation) + self._times(alpha_mean, mean)

    def conjugate(self, G):
        return self._conjugate(*self._split(G))

    def divergence(self, A, G):
        # part by part: the rounding of alpha (A - m) is much to a small alpha_mean
        if self.inside(A) is not A:
            return np.inf
        (mean, deviation), (mean_A, deviation_A) = self._split(G), self._split(A)
        alpha, alpha_mean = self._columns
        return self._conjugate(
            mean - self._times(alpha_mean, mean_A),
            deviation - self._times(alpha, deviation_A),
        )

    def _conjugate(self, mean, deviation):
        alpha, alpha_mean = self._divisors
        n_tasks = deviation.shape[1]
        spread, shift = self._squares(deviation), n_tasks * self._squares(mean)
        return 0.5 * float((spread / alpha).sum() + (shift / alpha_mean).sum())

    def absent_task(self, A):
        return A.mean(axis=1)

    def prior(self, A):
        # alpha/2 ||a - (1 - alpha_mean / alpha) m||^2 and what is fixed
        spread, mean = (np.broadcast_to(s, len(A)) for s in self.task_matrix)
        finite = (spread > 0) & (spread < np.inf)
        share = np.divide(mean, spread, out=np.zeros(len(A)), where=finite)
        return TaskPrior.of_features((1.0 - share) * A.mean(axis=1), spread)

    def attributes(self, A, blocks):
        return {"mean_coef_": A.mean(axis=1)}

    def free_directions(self, n_tasks):
        return np.ones((n_tasks, int(np.any(self._only_mean_is_free))))

    @property
    def free_features(self):
        return self._only_mean_is_free if self.by_feature else None

    @property
    def _only_mean_is_free(self):
        spread, mean = self.task_matrix
        return (mean == 0) & (spread > 0)

    @property
    def free_rows(self):
        free = self.task_matrix.spread == 0
        return free if np.any(free) else None

    def _split(self, A):
        """Return the row means (n_features, 1) and deviations from them, in float64."""
        exact = np.asarray(A, dtype=np.float64)
        if self._tied:
            # exact where all entries of a row are the same
            first = exact[:, :1]
            mean = first + (exact - first).mean(axis=1, keepdims=True)
        else:
            mean = np.add.reduce(exact, axis=1, keepdims=True) / exact.shape[1]
        return mean, exact - mean

    def _squares(self, matrix):
        """Return the squares of the rows, or of all where they count alike, summed."""
        if self._uniform:
            return np.vdot(matrix, matrix)
        return np.einsum("jt,jt->j", matrix, matrix)

    def _times(self, strength, values):
        """Return the product with a column, in which inf times 0 is 0."""
        if self._tied:
            return np.where(values == 0.0, 0.0, strength) * values
        return strength * values


def _column(strength):
    """Return a strength so that it multiplies the rows of a matrix."""
    return strength[:, None] if np.ndim(strength) else strength


def _check_strength(penalty, name):
    """Make a strength a float or an array of them, or raise ValueError."""
    value = getattr(penalty, name)
    allow_zero = ("alpha_mean", "ridge")
    if np.ndim(value) == 0 and not (name == "alpha" and value == np.inf):
        check_strengths(penalty, allow_zero, names=(name,))
        return
    values = np.array(value, dtype=np.float64)
    bound, inside = "finite and >= 0", (values >= 0) & (values < np.inf)
    if name == "alpha":
        bound, inside = "> 0, or 0 where alpha_mean is", values > 0
        if values.ndim:
            inside |= (values == 0) & np.equal(penalty.alpha_mean, 0)
    elif name == "alpha_mean":
        bound += ", or inf where alpha is"
        inside |= (values == np.inf) & (penalty.alpha == np.inf)
    if not np.all(inside):
        kind = type(penalty).__name__
        raise ValueError(f"{name} of {kind} must be {bound}, got {value}")
    object.__setattr__(penalty, name, values if values.ndim else float(values))
