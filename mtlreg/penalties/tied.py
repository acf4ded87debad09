"""A gauge and a quadratic that ties the tasks."""

from dataclasses import dataclass, replace

from mtlreg.penalties.base import PenaltyGap, Quadratic
from mtlreg.penalties.derived import Derived
from mtlreg.penalties.factored import as_array


@dataclass(frozen=True)
class Tied(Derived):
    """``penalty(A) + quadratic(A)``: few features, and tasks that are tied.

    The quadratic is no strength: `scaled` leaves it as it is, and so does a path. A
    task that is left out by `restrict` costs none of the gauge.

    Parameters
    ----------
    penalty : Penalty
        A gauge on one block that penalises every feature.
    quadratic : Quadratic
        Such as `GraphRegularization` or `MeanRegularization`.

    References
    ----------
    Zhou, Yuan, Liu, Ye (2011), A multi-task learning formulation for predicting disease
    progression: a chain of tasks, and features in common.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import L21, MeanRegularization, Tied
    >>> penalty = Tied(L21(1.0), MeanRegularization(2.0, 0.0))
    >>> penalty.value(np.array([[3.0, 4.0], [0.0, 0.0]]))
    5.5
    """

    quadratic: Quadratic

    row_separable = False

    def __post_init__(self):
        super().__post_init__()
        name = type(self).__name__
        if not self.penalty.is_gauge or self.penalty.free_rows is not None:
            raise ValueError(
                f"{name} takes a gauge that penalises every feature, got {self.penalty}"
            )
        if getattr(self.quadratic, "curvature", None) is None:
            raise ValueError(
                f"{name} takes a quadratic of known curvature beside the gauge, such "
                f"as MeanRegularization, got {self.quadratic}"
            )

    def absorb(self, option, value):
        if option == "ridge":
            return replace(self, quadratic=self.quadratic.absorb(option, value))
        raise ValueError(
            f"{type(self).__name__} has no {option}: give it to the gauge that it is "
            f"made of, which may be Positive or Weighted"
        )

    @property
    def smooth(self):
        return self.quadratic

    @property
    def ignores_basis(self):
        return self.penalty.ignores_basis and self.quadratic.ignores_basis

    def value(self, A):
        return self.penalty.value(A) + self.quadratic.value(as_array(A))

    def prox(self, A, step, out=None):
        return self.penalty.prox(A, step, out=out)

    def factored_prox(self, A, step):
        return self.penalty.factored_prox(A, step)

    def tangent(self, A, step):
        return self.penalty.tangent(A, step)

    def polar(self, G):
        return self.penalty.polar(G)

    def gap(self, A, G, value=None):
        # with D = G - QA, s of the polar of D, and s G - s D = s QA as the dual point
        # of the quadratic, it leaves (1 - s)^2 of its value
        matrix = as_array(A)
        bent = self.quadratic.value(matrix)
        level = (self.value(A) if value is None else value) - bent
        inner = self.penalty.gap(A, G - self.quadratic.gradient(matrix), level)
        rest = inner.rest + (1.0 - inner.scale) ** 2 * bent
        return PenaltyGap(rest, inner.size + bent, inner.scale, inner.polars)

    def inside(self, A):
        return self.quadratic.inside(self.penalty.inside(A))

    def priors(self, A, ties=None):
        (prior,), (drawn,) = super().priors(A), self.quadratic.priors(A, ties)
        return [drawn.drawing(prior)]

    def with_task(self, place, ties=None):
        quadratic = self.quadratic.with_task(place, ties)
        return replace(self, penalty=self.penalty.with_task(place), quadratic=quadratic)

    def absent_task(self, A):
        return self.quadratic.absent_task(A)

    def with_absent(self, A, kept):
        return self.quadratic.with_absent(A, kept)

    def attributes(self, A, blocks):
        parts = self.penalty, self.quadratic
        first, second = (part.attributes(A, blocks) for part in parts)
        return first | second
