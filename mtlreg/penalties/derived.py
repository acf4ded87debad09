"""Penalties that are made of another one."""

from dataclasses import dataclass, replace
from typing import ClassVar

from mtlreg.penalties.base import Penalty
from mtlreg.penalties.on_face import AtRest, OnFace


@dataclass(frozen=True)
class Derived(Penalty):
    """A penalty of one block that is made of another, and is of its kind.

    Its strengths are those of the other; an option of its own is none of them.

    Parameters
    ----------
    penalty : Penalty
        With a polar.
    """

    penalty: Penalty

    strengths: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self):
        if not self.penalty.has_polar or self.penalty.n_blocks != 1:
            raise ValueError(
                f"{type(self).__name__} takes a gauge on one block, got {self.penalty}"
            )

    @property
    def has_polar(self):
        return self.penalty.has_polar

    @property
    def row_separable(self):
        return self.penalty.row_separable

    @property
    def has_tangent(self):
        return self.penalty.has_tangent

    def tangent(self, A, step):
        return (OnFace if self.has_tangent else AtRest)(self, A, step)

    @property
    def free_rows(self):
        return self.penalty.free_rows

    def free_directions(self, n_tasks):
        return self.penalty.free_directions(n_tasks)

    def split(self, A):
        return self.penalty.split(A)

    @property
    def of_magnitudes(self):
        return self.penalty.of_magnitudes

    def inside(self, A):
        return self.penalty.inside(A)

    def absent_task(self, A):
        return self.penalty.absent_task(A)

    def with_absent(self, A, kept):
        return self.penalty.with_absent(A, kept)

    def attributes(self, A, blocks):
        return self.penalty.attributes(A, blocks)

    def priors(self, A, ties=None):
        return self.penalty.priors(A, ties)

    def with_task(self, place, ties=None):
        return replace(self, penalty=self.penalty.with_task(place, ties))

    def ties(self, n_tasks):
        """As `RowPenalty.ties`."""
        return self.penalty.ties(n_tasks)

    def scaled(self, factor):
        return replace(self, penalty=self.penalty.scaled(factor))
