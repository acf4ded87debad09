"""Penalties of coefficients that are not negative."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from mtlreg._numba import prox_row, solve_row
from mtlreg.penalties.base import RowSeparable
from mtlreg.penalties.derived import Derived


class PositiveRow(NamedTuple):
    """What compiled solvers see of `Positive`, of a row that it is about."""

    inner: NamedTuple


class PositiveMeanRow(NamedTuple):
    """What they see of `PositiveMean`, of a row that it is about."""

    alpha: float
    alpha_mean: float


class PositiveMeanRows(NamedTuple):
    """The same where strengths differ from feature to feature."""

    alpha: np.ndarray
    alpha_mean: np.ndarray


class SomeRows(NamedTuple):
    """Rows of two kinds."""

    chosen: NamedTuple
    others: NamedTuple
    which: np.ndarray  # of bool, by row


@prox_row.register(PositiveRow)
def _prox_row(params, j, row, step, scratch):
    for t in range(row.size):
        row[t] = max(row[t], 0.0)
    prox_row(params.inner, j, row, step, scratch)


@solve_row.register(PositiveRow)
def _solve_row(params, j, z, curvature, row, scratch):
    for t in range(row.size):
        z[t] = max(z[t], 0.0)
    solve_row(params.inner, j, z, curvature, row, scratch)


@prox_row.register(PositiveMeanRow)
def _prox_mean_row(params, j, row, step, scratch):
    # a_t = (v_t + pull m)_+ / bend with m the mean of the a_t, see `_positive_means`
    bend = 1.0 + step * params.alpha
    pull = step * (params.alpha - params.alpha_mean)
    mean = 0.0
    for _ in range(row.size + 1):
        total = 0.0
        moving = 0
        for t in range(row.size):
            if row[t] + pull * mean > 0.0:
                total += row[t]
                moving += 1
        rest = row.size - moving
        ties = step * (rest * params.alpha + moving * params.alpha_mean)
        following = total / (row.size + ties)
        if not following > mean:
            break
        mean = following
    for t in range(row.size):
        row[t] = max(row[t] + pull * mean, 0.0) / bend


@prox_row.register(PositiveMeanRows)
def _prox_mean_row_of_its_own(params, j, row, step, scratch):
    alpha, alpha_mean = params.alpha[j], params.alpha_mean[j]
    if alpha < np.inf:
        prox_row(PositiveMeanRow(alpha, alpha_mean), j, row, step, scratch)
    else:
        for t in range(row.size):
            row[t] = 0.0


@prox_row.register(SomeRows)
def _prox_some_rows(params, j, row, step, scratch):
    if params.which[j]:
        prox_row(params.chosen, j, row, step, scratch)
    else:
        prox_row(params.others, j, row, step, scratch)


@solve_row.register(SomeRows)
def _solve_some_rows(params, j, z, curvature, row, scratch):
    if params.which[j]:
        solve_row(params.chosen, j, z, curvature, row, scratch)
    else:
        solve_row(params.others, j, z, curvature, row, scratch)


@dataclass(frozen=True, eq=False)
class Positive(Derived):
    """The penalty where A is not negative, and infinity elsewhere.

    Parameters
    ----------
    penalty : Penalty
        A gauge on one block that is a sum over rows, `of_magnitudes`.
    positive : True or ndarray of bool, shape (n_features,), default=True
        The features whose coefficients may not be negative; True: all.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import L1, Positive
    >>> Positive(L1(0.5)).prox(np.array([[2.0, -2.0]]), step=1.0)
    array([[1.5, 0. ]])
    """

    positive: Any = True

    def __post_init__(self):
        self._check_penalty()
        if self.positive is True:
            self._check_free(True)
            return
        which = np.asarray(self.positive)
        if which.dtype != bool or which.ndim != 1:
            raise ValueError(
                f"positive of {type(self).__name__} must be True, or hold True or "
                f"False for every feature; got {self.positive!r}"
            )
        object.__setattr__(self, "positive", which)
        self._check_free(which)

    def _check_free(self, which):
        # the dual point would have to leave them a gradient >= 0, entry by entry
        free = self.penalty.free_rows
        if free is not None and np.any(which & free):
            raise ValueError(
                "positive is not for a feature without a penalty, of which no residual "
                "gives a certificate: give it a small feature_weight such as 1e-4 in "
                "the place of 0, or positive=False"
            )

    def _check_penalty(self):
        super().__post_init__()
        if not (self.penalty.of_magnitudes and self.penalty.row_separable):
            raise ValueError(
                f"positive needs a penalty of the magnitudes of a row, which "
                f"{type(self.penalty).__name__} is not: set positive=False, or use "
                f"another penalty, such as that of a group lasso"
            )

    @property
    def by_feature(self):
        return () if self.positive is True else ("positive",)

    @property
    def is_gauge(self):
        return self.penalty.is_gauge

    @property
    def row_params(self):
        if self.positive is True:
            return self._signed_row
        return SomeRows(self._signed_row, self.penalty.row_params, self.positive)

    @property
    def _signed_row(self):
        return PositiveRow(self.penalty.row_params)

    def _cut(self, A):
        """Return A, and 0 in place of entries that may not be negative but are."""
        positive = np.maximum(A, 0)
        if self.positive is True:
            return positive
        return np.where(self.positive[:, None], positive, A)

    def inside(self, A):
        cut = self._cut(self.penalty.inside(A))
        return A if np.array_equal(cut, A) else cut

    def value(self, A):
        return self.penalty.value(A) if self.inside(A) is A else np.inf

    prox = RowSeparable.prox

    def polar(self, G):
        return self.penalty.polar(self._cut(G))

    def row_polars(self, G):
        """As `RowPenalty.row_polars`."""
        return self.penalty.row_polars(self._cut(G))

    def gap(self, A, G, value=None):
        return self._slack_gap(A, G, self._cut(G), value)

    def _slack_gap(self, A, G, larger, value):
        """Return the gap by a matrix that is not below G: the rest is slack."""
        value = self.value(A) if value is None else value
        inner = self.penalty.gap(A, larger, value)
        slack = inner.scale * float(np.vdot(A, larger - G))
        return inner._replace(rest=inner.rest + slack if value < np.inf else np.inf)

    def face(self, A):
        """As `RowPenalty.face`: entries that are 0 stay there."""
        face = self.penalty.face(A)
        if face is None:
            return None
        moves = A != 0
        if self.positive is not True:
            moves |= ~self.positive[:, None]
        return face._replace(free=face.free * moves)

    def retract(self, A, moved):
        """As `RowPenalty.retract`."""
        return self._cut(self.penalty.retract(A, moved))


@dataclass(frozen=True, eq=False)
class PositiveMean(Positive):
    """Mean regularisation where A is not negative, and infinity elsewhere.

    Parameters
    ----------
    penalty : MeanRegularization
        Nothing of it is free where there are signs.
    positive : True or ndarray of bool, shape (n_features,), default=True
        The features whose coefficients may not be negative; True: all.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import MeanRegularization, PositiveMean
    >>> PositiveMean(MeanRegularization(1.0, 1.0)).prox(np.array([[1.0, -3.0]]), 1.0)
    array([[0.5, 0. ]])
    """

    def _check_penalty(self):
        pass

    def _check_free(self, which):
        spread, mean = self.penalty.task_matrix
        sizes = {np.size(values) for values in (which, spread, mean)} - {1}
        if len(sizes) > 1:
            raise ValueError(
                f"positive of {type(self).__name__} has {np.size(which)} entries, but "
                f"the strengths are of {np.size(spread)} and {np.size(mean)} features: "
                f"give it one entry for every feature"
            )
        if np.any(which & (spread == np.inf) & (mean < np.inf)):
            raise ValueError(
                "positive needs deviations of finite strength: set alpha to less than "
                "inf"
            )
        if np.any(which & (mean == 0)):
            raise ValueError(
                "positive needs a mean that is penalised: set alpha_mean or ridge to "
                "more than 0, feature_weight too"
            )

    def absorb(self, option, value):
        if option == "positive":
            return None
        return replace(self, penalty=self.penalty.absorb(option, value))

    @property
    def _signed_row(self):
        strengths = self.penalty.task_matrix
        if strengths.uniform and np.ndim(strengths.mean) == 0:
            return PositiveMeanRow(*strengths)
        both = np.broadcast_arrays(*strengths)
        return PositiveMeanRows(*map(np.ascontiguousarray, both))

    def free_directions(self, n_tasks):
        return self.penalty.free_directions(n_tasks)

    @property
    def free_features(self):
        return self.penalty.free_features

    def _attained(self, G):
        """Return the gradient at the matrix that attains the conjugate of G.

        It is G where that matrix is not 0, and ``(alpha_mean - alpha) m`` elsewhere.
        """
        strengths = [np.broadcast_to(s, len(G)) for s in self.penalty.task_matrix]
        # nothing is attained where a feature is excluded
        rows = np.broadcast_to(self.positive, len(G)) & (strengths[0] < np.inf)
        alpha, alpha_mean = (s[rows, None] for s in strengths)
        exact = np.array(G, dtype=np.float64)
        least = (alpha_mean - alpha) * _positive_means(exact[rows], alpha, alpha_mean)
        exact[rows] = np.maximum(exact[rows], least)
        return exact

    def conjugate(self, G):
        return self.penalty.conjugate(self._attained(G))

    def gap(self, A, G, value=None):
        # 1/2 (A - P)'Q(A - P) + <A, Q P - G> with P the matrix that attains it
        return self._slack_gap(A, G, self._attained(G), value)


def _positive_means(G, alpha, alpha_mean):
    """Return the means of the rows of ``argmax_{A >= 0} <A, G> - penalty(A)``.

    Of a row it is ``a_t = (g_t + (alpha - alpha_mean) m)_+ / alpha`` with m their mean,
    the root of ``mean a(m) - m``: convex, piecewise linear and decreasing in m, so that
    Newton's method goes up to it from 0. With n of the entries above 0, it steps to
    their ``sum g_t / (alpha (T - n) + alpha_mean n)``.
    """
    mean, n_tasks = np.zeros((len(G), 1)), G.shape[1]
    for _ in range(n_tasks + 1):
        above = G + (alpha - alpha_mean) * mean > 0
        n = np.count_nonzero(above, axis=1, keepdims=True)
        total = np.sum(np.where(above, G, 0.0), axis=1, keepdims=True)
        following = total / (alpha * (n_tasks - n) + alpha_mean * n)
        if not np.any(following > mean):
            break
        mean = np.maximum(following, mean)
    return mean
