"""A vector that all tasks have in common, and deviations of single tasks from it."""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import njit_part, prox_row, solve_row
from mtlreg.penalties.base import RowPenalty, check_strengths
from mtlreg.penalties.consensus import common_column
from mtlreg.penalties.face import linear_face, tied_face
from mtlreg.penalties.prior import TaskPrior
from mtlreg.penalties.roots import step_inside

_TIE = 64 * np.finfo(np.float64).eps  # of sums of weights that are the same


class CommonRow(NamedTuple):
    """What compiled solvers see of `CommonDeviation`."""

    common: float
    specific: float
    weight: np.ndarray  # by task; none: 1 / sqrt(n_tasks)


@njit_part
def _cap(params, t, n_tasks):
    if params.weight.size:
        return params.specific * params.weight[t]
    return params.specific / np.sqrt(n_tasks)


@njit_part
def _find_common(params, z, curvature, step):
    # the b nearest to 0 with |sum_t clip(z_t - b curvature_t, -c_t, c_t)| <= radius;
    # the sum is piecewise linear and decreasing: Newton's method inside a bracket
    radius = step * params.common
    total = 0.0
    upper = 0.0
    for t in range(z.size):
        cap = step * _cap(params, t, z.size)
        total += min(max(z[t], -cap), cap)
        if curvature[t] > 0.0:
            upper = max(upper, abs(z[t]) / curvature[t])
    if abs(total) <= radius:
        return 0.0
    sign = 1.0 if total > 0.0 else -1.0
    lower = 0.0
    b = 0.0
    while True:
        total = -radius
        bend = 0.0
        for t in range(z.size):
            cap = step * _cap(params, t, z.size)
            left = sign * z[t] - b * curvature[t]
            total += min(max(left, -cap), cap)
            bend += curvature[t] if abs(left) < cap else 0.0
        if total > 0.0:
            lower = b
        else:
            upper = b
        following = step_inside(b, total / bend if bend > 0.0 else np.inf, lower, upper)
        if following == b:
            return sign * b
        b = following


@prox_row.register(CommonRow)
def _prox_row(params, j, row, step, scratch):
    # v - p with p the projection of v onto {|sum_t p_t| <= r, |p_t| <= c_t}, that is
    # p_t = clip(v_t - b, -c_t, c_t)
    for t in range(row.size):
        scratch[t] = 1.0
    b = _find_common(params, row, scratch, step)
    for t in range(row.size):
        cap = step * _cap(params, t, row.size)
        if row[t] - b > cap:
            row[t] -= cap
        elif row[t] - b < -cap:
            row[t] += cap
        else:
            row[t] = b


@solve_row.register(CommonRow)
def _solve_row(params, j, z, curvature, row, scratch):
    # z - curvature a is the g in {|sum_t g_t| <= common, |g_t| <= c_t} nearest to z in
    # the metric of 1 / curvature: g_t = clip(z_t - b curvature_t, -c_t, c_t)
    b = _find_common(params, z, curvature, 1.0)
    for t in range(row.size):
        cap = _cap(params, t, row.size)
        left = z[t] - b * curvature[t]
        if left > cap:
            row[t] = (z[t] - cap) / curvature[t]
        elif left < -cap:
            row[t] = (z[t] + cap) / curvature[t]
        else:
            row[t] = b


@dataclass(frozen=True, eq=False)
class CommonDeviation(RowPenalty):
    """``min_b alpha_common ||b||_1 + alpha_specific sum_t r_t ||a_t - b||_1``.

    It is a gauge of A that is a sum over rows, so the variable is A; `split` gives b
    and the deviations from it. An entry without data is b.

    Parameters
    ----------
    alpha_common, alpha_specific : float
        Strengths, > 0.
    specific_weight : ndarray of shape (n_tasks,), optional
        The r_t, > 0. By default 1 over the root of the number of tasks.

    References
    ----------
    Gross, Tibshirani (2016), Data shared lasso: a novel tool to discover uplift.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import CommonDeviation
    >>> penalty = CommonDeviation(1.0, 1.0)
    >>> common, specific = penalty.split(np.array([[1.0, 1.0, 1.0, 5.0]]))
    >>> common, specific
    (array([[1., 1., 1., 1.]]), array([[0., 0., 0., 4.]]))
    """

    alpha_common: float
    alpha_specific: float
    specific_weight: np.ndarray | None = None

    strengths: ClassVar[tuple[str, ...]] = ("alpha_common", "alpha_specific")
    by_task: ClassVar[tuple[str, ...]] = ("specific_weight",)

    def __post_init__(self):
        check_strengths(self)
        if self.specific_weight is None:
            return
        weight = np.array(self.specific_weight, dtype=np.float64)
        if weight.ndim != 1 or not np.all((weight > 0) & (weight < np.inf)):
            raise ValueError(
                f"specific_weight of {type(self).__name__} must hold a finite number "
                f"> 0 for every task, got {self.specific_weight!r}"
            )
        object.__setattr__(self, "specific_weight", weight)

    @property
    def row_params(self):
        held = self.specific_weight
        weight = np.empty(0) if held is None else held
        return CommonRow(self.alpha_common, self.alpha_specific, weight)

    def _weights(self, n_tasks):
        """Return the r_t."""
        if self.specific_weight is None:
            return np.full(n_tasks, 1 / np.sqrt(max(n_tasks, 1)))
        return self.specific_weight

    def _common(self, A):
        """Return the b nearest to 0 of every row, (n_features,), an entry of it or 0.

        It is a median of the entries by the r_t and of 0 by the ratio of strengths: the
        first entry up to which there is half of the weight, if that is above 0 or, of
        -A, below.
        """
        weight = self._weights(A.shape[1])
        total = weight.sum()
        least = (1 - _TIE) * total - self._ratio
        if least <= 0:
            return np.zeros(len(A), dtype=A.dtype)
        order, rows = np.argsort(A, axis=1), np.arange(len(A))
        ascending = np.take_along_axis(A, order, axis=1)
        upto = np.cumsum(weight[order], axis=1)
        first = np.argmax(2 * upto >= least, axis=1)
        from_top = total - upto + weight[order]
        last = np.argmax(2 * from_top[:, ::-1] >= least, axis=1)
        above, below = ascending[rows, first], ascending[rows, -1 - last]
        return np.maximum(above, 0) + np.minimum(below, 0)

    @property
    def _ratio(self):
        # of Python's floats, which overflow to inf in silence
        return self.alpha_common / self.alpha_specific

    def value(self, A):
        exact = np.asarray(A, dtype=np.float64)
        b = self._common(exact)
        specific = np.abs(exact - b[:, None]) @ self._weights(A.shape[1])
        common = self.alpha_common * float(np.abs(b).sum())
        return common + self.alpha_specific * float(specific.sum())

    def row_polars(self, G):
        exact = np.asarray(G, dtype=np.float64)
        common = np.abs(exact.sum(axis=1)) / self.alpha_common
        shares = np.abs(exact) / self._weights(G.shape[1])
        specific = shares.max(axis=1, initial=0.0) / self.alpha_specific
        return np.maximum(common, specific)

    def split(self, A):
        """Return b for every task, and the deviations from it.

        Parameters
        ----------
        A : ndarray of shape (n_features, n_tasks)

        Returns
        -------
        common, specific : ndarrays like A
            They add up to A, and no other split of A costs less.
        """
        common = np.repeat(self._common(A)[:, None], A.shape[1], axis=1)
        return common, A - common

    def priors(self, A, ties=None):
        self.check_ties(ties)
        common, specific = self.split(A)
        strength = self.alpha_specific * self._weights(A.shape[1]).mean()
        sizes = np.full(len(A), np.abs(specific).mean())
        return [
            TaskPrior.of_features(common[:, 0], np.full(len(A), np.inf)),
            TaskPrior.of_entries(strength, sizes),
        ]

    def with_task(self, place, ties=None):
        self.check_ties(ties)
        weight = self.specific_weight
        if weight is not None:
            weight = np.insert(weight, place, weight.mean())
        return replace(self, specific_weight=weight)

    def absent_task(self, A):
        return self._common(A)

    def attributes(self, A, blocks):
        common, specific = blocks
        own = np.ascontiguousarray(specific.T)
        return {"common_coef_": common_column(common), "specific_coef_": own}

    def face(self, A):
        b = self._common(A)[:, None]
        tied = (b != 0) & (b == A)
        caps = self.alpha_specific * self._weights(A.shape[1]).astype(A.dtype)
        # what |b| costs beside the deviations, which it makes less or more
        level = self.alpha_common - np.sign(b) * (np.sign(A - b) @ caps)[:, None]
        shared = tied_face(A, tied, level.astype(A.dtype))
        specific = linear_face(A - b, caps)
        return shared._replace(
            free=specific.free,
            slope=shared.slope + specific.slope,
            ratio=np.abs(shared.ratio) + specific.ratio,
        )

    def retract(self, A, moved):
        b = self._common(A)[:, None]
        sign = np.sign(b)
        tied = (b != 0) & (b == A)
        end = sign * np.max(np.where(tied, moved * sign, 0), axis=1, keepdims=True)
        return np.where(np.sign(A - b) * (moved - end) > 0, moved, end)

    def ties(self, n_tasks):
        # beyond that, b is 0
        return self._ratio < self._weights(n_tasks).sum()
