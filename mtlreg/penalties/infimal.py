"""Models in which A is a sum of two blocks with a penalty each."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mtlreg.penalties.base import Gauge, Penalty


@dataclass(frozen=True)
class InfimalSum(Gauge):
    """``first(B) + second(S)`` on the stacked blocks (B, S) of ``A = B + S``.

    Parameters
    ----------
    first, second : Penalty
        Two gauges on one block each.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import L1, InfimalSum, TraceNorm
    >>> penalty = InfimalSum(TraceNorm(1.0), L1(0.5))
    >>> penalty.value(np.stack([np.eye(2), np.ones((2, 2))]))
    4.0
    """

    first: Penalty
    second: Penalty

    strengths: ClassVar[tuple[str, ...]] = ()
    n_blocks = 2

    def __post_init__(self):
        for part in (self.first, self.second):
            if not part.is_gauge or part.n_blocks != 1:
                raise ValueError(
                    f"InfimalSum takes two gauges on one block each, got {part!r}"
                )

    def value(self, A):
        return self.first.value(A[0]) + self.second.value(A[1])

    def prox(self, A, step, out=None):
        if out is None:
            out = np.empty(A.shape, dtype=np.result_type(A, np.float32))
        self.first.prox(A[0], step, out=out[0])
        self.second.prox(A[1], step, out=out[1])
        return out

    def polar(self, G):
        return max(self.first.polar(G), self.second.polar(G))

    def absent_task(self, A):
        parts = zip((self.first, self.second), A, strict=True)
        return np.stack([part.absent_task(block) for part, block in parts])

    def scaled(self, factor):
        return InfimalSum(self.first.scaled(factor), self.second.scaled(factor))
