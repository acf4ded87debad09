"""Models in which A is a sum of two blocks with a penalty each."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mtlreg.penalties.base import (
    Gauge,
    Penalty,
    PenaltyGap,
    check_number,
)
from mtlreg.penalties.factored import Blocks, as_array, square
from mtlreg.penalties.mean import MeanRegularization
from mtlreg.penalties.options import with_options
from mtlreg.penalties.ridge import Ridge
from mtlreg.penalties.space import Space

_EVEN = 1 + 16 * np.finfo(np.float64).eps  # a ratio of polars that are the same


@dataclass(frozen=True)
class InfimalSum(Gauge):
    """``first(B) + second(S) + ridge/2 ||A||_F^2`` on the stacked blocks of A = B + S.

    One block alone is solved for as long as the polar of its penalty is the larger one
    (or that of the other is at most 1, and its block stays 0), so that nothing is lost
    where the other block is 0 at the optimum since its norm is nowhere below. Then both
    move: Newton steps go along the spaces that their penalties know of; a block whose
    penalty knows of none has to be 0 for them.

    Estimators report the blocks as ``shared_coef_`` and ``specific_coef_``, and of each
    what its penalty says of it, but for the ``support_`` of the second one.

    Parameters
    ----------
    first, second : Penalty
        Two gauges on one block each.
    ridge : float, default=0.0
        Of the sum of the blocks, >= 0. It ties them to each other, so that `prox`
        leaves it to the smooth term of a solver. It is no strength: `scaled` leaves it
        as it is, and so does a path.

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
    ridge: float = 0.0

    strengths: ClassVar[tuple[str, ...]] = ()
    n_blocks = 2

    def __post_init__(self):
        for part in self.parts:
            if not part.is_gauge or part.n_blocks != 1:
                raise ValueError(
                    f"InfimalSum takes two gauges on one block each, got {part!r}"
                )
        check_number(self, "ridge", allow_zero=True)

    def absorb(self, option, value):
        if option == "ridge":
            return replace(self, ridge=self.ridge + value)
        others = value
        if option == "feature_weight":
            # what nothing penalises is in one block
            others = np.where(np.equal(value, 0), np.inf, value)
        first = with_options(self.first, **{option: value})
        second = with_options(self.second, **{option: others})
        return replace(self, first=first, second=second)

    @property
    def parts(self):
        """The penalties of the blocks."""
        return self.first, self.second

    @property
    def is_gauge(self):
        return self.ridge == 0

    @property
    def smooth(self):
        # both strengths the same: of the whole matrix
        return MeanRegularization(self.ridge, self.ridge) if self.ridge else None

    @property
    def ridge_of_free_rows(self):
        return self.ridge

    @property
    def free_rows(self):
        free = [part.free_rows for part in self.parts if part.free_rows is not None]
        return np.logical_or.reduce(free) if free else None

    def free_directions(self, n_tasks):
        return np.hstack([part.free_directions(n_tasks) for part in self.parts])

    def move_free(self, A, shift):
        first = self.first.free_rows
        if first is None:
            patterns = self.first.free_directions(shift.shape[1])
            first = np.full(len(shift), patterns.size > 0)
        return A + np.stack([np.where(rows, shift.T, 0).T for rows in (first, ~first)])

    @property
    def ignores_basis(self):
        return all(part.ignores_basis for part in self.parts)

    @property
    def has_tangent(self):
        return any(part.has_tangent for part in self.parts)

    def value(self, A):
        value = self.first.value(A[0]) + self.second.value(A[1])
        if self.ridge:
            value += 0.5 * self.ridge * square(self.combine(A))
        return value

    def prox(self, A, step, out=None):
        if out is None:
            out = np.empty(A.shape, dtype=np.result_type(A, np.float32))
        self.first.prox(A[0], step, out=out[0])
        self.second.prox(A[1], step, out=out[1])
        return out

    def factored_prox(self, A, step):
        found = zip(self.parts, A, strict=True)
        return Blocks(*(part.factored_prox(block, step) for part, block in found))

    def tangent(self, A, step):
        return BlockSpaces(self.parts, A, step)

    def penalised(self, G):
        for part in self.parts:
            G = part.penalised(G)
        return G

    def polar(self, G):
        G = self.penalised(G)
        return max(self.first.polar(G), self.second.polar(G))

    def gap(self, A, G, value=None):
        if not self.ridge:
            return super().gap(A, G, value)
        # with D = G - rA, s of the polar of D and s G - s D, or G - s D, as the dual
        # point of the ridge, it leaves r/2 (1 - s)^2 ||A||^2 or, and the gap of the
        # data term is not scaled then, (1 - s)^2 ||D||^2 / 2r beside that of the gauges
        r, matrix = self.ridge, self.combine(A)
        bent = 0.5 * r * square(matrix)
        level = (self.value(A) if value is None else value) - bent
        whole = G - r * matrix
        D = self.penalised(whole)
        inner = super().gap(A, D, level)
        # no gauge has a part in what is free
        free, short = whole - D, 1.0 - inner.scale
        with np.errstate(over="ignore"):
            scaled = square(inner.scale * free - short * r * matrix) / (2 * r)
            whole = square(free + short * D) / (2 * r)
        scale = 1.0 if whole < scaled else inner.scale
        rest = inner.rest + min(scaled, whole)
        return PenaltyGap(rest, inner.size + bent, scale, inner.polars)

    def inside(self, A):
        blocks = np.stack([p.inside(b) for p, b in zip(self.parts, A, strict=True)])
        return A if np.array_equal(blocks, A) else blocks

    def priors(self, A, ties=None):
        self.check_ties(ties)
        found = [
            part.priors(block)[0] for part, block in zip(self.parts, A, strict=True)
        ]
        # that of the sum is shared out as if the blocks were orthogonal
        return [prior.with_ridge(self.ridge) for prior in found]

    def with_absent(self, A, kept):
        parts = zip(self.parts, A, strict=True)
        return np.stack([part.with_absent(block, kept) for part, block in parts])

    def combine(self, blocks):
        first, second = blocks
        if not second.any():
            return first
        return as_array(first) + as_array(second) if first.any() else second

    def sole(self, A, G):
        D = G - self.ridge * as_array(self.combine(A)) if self.ridge else G
        D = self.penalised(D)
        for k, (part, other) in enumerate([self.parts, self.parts[::-1]]):
            free = other.free_rows is not None or other.free_directions(1).size
            if not free and not A[1 - k].any():
                level = other.polar(D)
                if level <= 1 or level <= _EVEN * part.polar(D):
                    return k
        return None

    def only(self, k):
        """Return the penalty of the k-th block where the other one is 0."""
        part = self.parts[k]
        return Ridge(part, self.ridge) if self.ridge else part

    def alone(self, block, k):
        """Return the blocks of which ``block``, the k-th, is the only one."""
        blocks = [np.zeros(block.shape, block.dtype)] * 2
        blocks[k] = block
        return Blocks(*blocks)

    def attributes(self, A, blocks):
        pairs = zip(self.parts, blocks, strict=True)
        shared, specific = (part.attributes(block, [block]) for part, block in pairs)
        # which features are used is asked of the first block alone
        specific.pop("support_", None)
        return specific | shared | coefficients_of(blocks)

    def scaled(self, factor):
        first, second = (part.scaled(factor) for part in self.parts)
        return replace(self, first=first, second=second)


class BlockSpaces(Space):
    """The prox of both blocks, and the product of the spaces they move in.

    Parameters
    ----------
    parts : pair of Penalty
    W : ndarray of shape (2, n_features, n_tasks)
    step : float

    Attributes
    ----------
    A, iterate, value, subgradient, dimension
        As those of `FixedRank`, of stacked blocks; the dimension is 0 where a block
        that is not 0 has a penalty without spaces.
    """

    def __init__(self, parts, W, step):
        found = zip(parts, W, strict=True)
        self._spaces = [part.tangent(block, step) for part, block in found]
        first, second = self._spaces
        self.A = np.stack([first.A, second.A])
        self.iterate = Blocks(first.iterate, second.iterate)
        self.value = first.value + second.value
        self.subgradient = np.stack([first.subgradient, second.subgradient])
        known = [
            part.has_tangent or not block.any()
            for part, block in zip(parts, self.A, strict=True)
        ]
        self.dimension = first.dimension + second.dimension if all(known) else 0
        self.kinked = first.kinked and second.kinked

    def coordinates(self, B):
        """Return those of both blocks of B, or of B for both, one after the other."""
        blocks = zip(self._spaces, np.broadcast_to(B, self.A.shape), strict=True)
        return np.concatenate([space.coordinates(block) for space, block in blocks])

    def matrix(self, x):
        """Return the blocks of the coordinates x."""
        return Blocks(*self._each([space.matrix for space in self._spaces], x))

    def retract(self, moved):
        pairs = zip(self._spaces, moved, strict=True)
        return np.stack([space.retract(block) for space, block in pairs])

    def resolvent(self, sigma):
        """Return x -> ``(sigma + N)^-1 x`` in coordinates."""
        maps = [space.resolvent(sigma) for space in self._spaces]
        return lambda x: np.concatenate(self._each(maps, x))

    def preconditioner(self, sigma):
        """As that of `Space`: a sweep over both blocks and back.

        H has both in common, so that where the spaces do not differ the mean curvature
        couples them fully: (symmetric) Gauss-Seidel steps for it take far fewer
        products with H than each block for itself.
        """
        first, second = self._spaces
        one, two = first.resolvent(sigma), second.resolvent(sigma)

        def apply(x):
            x, y = np.split(x, [first.dimension])
            w = y - sigma * second.coordinates(as_array(first.matrix(one(x))))
            z = two(w)
            v = x - sigma * first.coordinates(as_array(second.matrix(z)))
            return np.concatenate([one(v), z]), np.concatenate([v, w])

        return apply

    def _each(self, maps, x):
        halves = np.split(x, [self._spaces[0].dimension])
        return [apply(half) for apply, half in zip(maps, halves, strict=True)]


def coefficients_of(blocks, names=("shared_coef_", "specific_coef_")):
    """Return what estimators report of the parts of A, by name."""
    transposed = (np.ascontiguousarray(block.T) for block in blocks)
    return dict(zip(names, transposed, strict=True))
