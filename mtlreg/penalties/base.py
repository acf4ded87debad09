"""The contract of a penalty: a function of the task matrix that never sees data."""

from abc import ABC, abstractmethod
from dataclasses import replace
from numbers import Real
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import prox_rows


class Penalty(ABC):
    """Convex penalty on the task matrix A of shape (n_features, n_tasks).

    A penalty is a frozen dataclass that owns its strengths. The variable of a solver is
    A itself, or ``n_blocks`` stacked matrices whose `combine` is A.

    Attributes
    ----------
    strengths : tuple of str
        The fields that multiply the penalty; `scaled` scales them all.
    is_gauge : bool
        Whether the penalty is positively homogeneous; then it has a `polar`. A penalty
        that is not is quadratic, with `gradient` and `conjugate`.
    row_separable : bool
        Whether the penalty is a sum over rows of A, each with an exact prox.
    n_blocks : int
        Number of stacked blocks of the variable.
    ignores_basis : bool
        Whether ``value(Q A) = value(A)`` for every Q with ``Q'Q = I``, and no more for
        a projection of A.
    has_tangent : bool
        Whether `tangent` and `factored_prox` are there, and `factor_strength`.
    factor_strength : float or None
        Of a penalty that is ``min s/2 (||L||_F^2 + ||R||_F^2)`` over ``A = L R'``, the
        strength s.
    """

    strengths: ClassVar[tuple[str, ...]] = ("alpha",)
    is_gauge = True
    row_separable = False
    n_blocks = 1
    ignores_basis = False
    has_tangent = False
    factor_strength: float | None = None

    @abstractmethod
    def value(self, A):
        """Return the penalty at A, strengths included."""

    @abstractmethod
    def prox(self, A, step, out=None):
        """Return ``argmin_Z value(Z) + ||Z - A||_F^2 / (2 step)``.

        Parameters
        ----------
        A : ndarray of shape (n_features, n_tasks)
            Not written to, unless it is ``out``.
        step : float
            Positive.
        out : ndarray like A, optional
            Where to write the result; C-contiguous.
        """

    def factored_prox(self, A, step):
        """Return the prox as `Factored`, with orthogonal columns and A's precision."""
        raise NotImplementedError(f"{type(self).__name__} has no factors")

    def tangent(self, A, step):
        """Return the prox with the space it moves in, see `FixedRank`."""
        raise NotImplementedError(f"{type(self).__name__} has no tangent spaces")

    def polar(self, G):
        """Return the smallest s with ``<G, A> <= s value(A)`` for every A."""
        raise NotImplementedError(f"{type(self).__name__} is no gauge")

    def gradient(self, A):
        """Return Q A of a quadratic penalty ``1/2 <A, Q A>``."""
        raise NotImplementedError(f"{type(self).__name__} is not quadratic")

    def conjugate(self, G):
        """Return ``1/2 <G, Q^-1 G>`` on what the penalty sees of G.

        The component of G along the `free_directions` is left out.
        """
        raise NotImplementedError(f"{type(self).__name__} is not quadratic")

    def divergence(self, A, G):
        """Return ``value(A) + conjugate(G) - <A, G>`` of a quadratic penalty.

        It is ``conjugate(G - Q A)``, which is >= 0 and does not cancel.
        """
        return self.conjugate(G - self.gradient(A))

    def free_directions(self, n_tasks):
        """Return the task patterns that are not penalised, (n_tasks, k).

        With C the patterns, ``value(A + M C') = value(A)`` for every M.
        """
        return np.zeros((n_tasks, 0))

    def absent_task(self, A):
        """Return the column that a task without data gets beside the tasks of A."""
        return np.zeros(A.shape[0], dtype=A.dtype)

    def combine(self, blocks):
        """Return A for the variable of a solver, the sum of its blocks."""
        return blocks if self.n_blocks == 1 else blocks.sum(axis=0)

    def scaled(self, factor):
        """Return the same penalty with every strength multiplied by ``factor``."""
        return replace(self, **{s: factor * getattr(self, s) for s in self.strengths})


class Face(NamedTuple):
    """The face of a row penalty at A: the moves along which it is smooth there.

    All are arrays of the shape and precision of A. Entries that are neither free nor
    tied stay as they are.
    """

    free: np.ndarray  # 1 for an entry that moves on its own, else 0
    tied: np.ndarray  # a unit vector a row: the direction of entries that move as one
    slope: np.ndarray  # its projection to the face is the gradient of the penalty
    bend: np.ndarray  # the Hessian of a row is diag(bend) - direction direction'
    direction: np.ndarray
    ratio: np.ndarray  # the slope over the entry

    def project(self, V):
        """Return the projection of V to the face."""
        along = np.sum(self.tied * V, axis=1, keepdims=True)
        return self.free * V + self.tied * along

    def curve(self, V):
        """Return the Hessian of the penalty times V."""
        along = np.sum(self.direction * V, axis=1, keepdims=True)
        return self.bend * V - self.direction * along


class RowPenalty(Penalty):
    """Penalty that is a sum over the rows of A.

    The prox of a row is compiled: a subclass returns its hyper-parameters as a
    NamedTuple in `row_params` and registers a kernel for its type with
    `mtlreg._numba.prox_row.register`. Kernels for types from outside the package are
    compiled anew in every process, and never enter its cache.
    """

    row_separable = True

    @property
    @abstractmethod
    def row_params(self):
        """The NamedTuple that compiled solvers receive; it selects the row kernel."""

    def ties(self, n_tasks):
        """Return whether it draws entries of a row of ``n_tasks`` to one magnitude."""
        return False

    def row_polars(self, G):
        """Return the polar of every row of G, (n_features,); of gauges only."""
        raise NotImplementedError(f"{type(self).__name__} is no gauge")

    def face(self, A):
        """Return the `Face` at A, no row of which is 0; of gauges only."""
        raise NotImplementedError(f"{type(self).__name__} is no gauge")

    def retract(self, A, moved):
        """Return a point near ``moved`` that has not passed the end of the face of A.

        There entries reach 0 or the magnitude of those that are tied.
        """
        return moved

    def polar(self, G):
        return float(np.max(self.row_polars(G), initial=0.0))

    def prox(self, A, step, out=None):
        if out is None:
            out = np.array(A, order="C", dtype=np.result_type(A, np.float32))
        elif out is not A:
            out[...] = A
        scratch = np.empty(out.shape[1], dtype=out.dtype)
        prox_rows(self.row_params, out, float(step), scratch)
        return out


def check_strengths(penalty, allow_zero=()):
    """Raise ValueError unless the strengths are finite and > 0 (or 0 where allowed).

    They become floats: a NumPy scalar of another precision would bring all that it
    multiplies to its own.
    """
    for name in penalty.strengths:
        value = getattr(penalty, name)
        bound = "0 or more" if name in allow_zero else "more than 0"
        if (
            not isinstance(value, Real)
            or not np.isfinite(value)
            or value < 0
            or (value == 0 and name not in allow_zero)
        ):
            raise ValueError(
                f"{name} of {type(penalty).__name__} must be a finite number, {bound}; "
                f"got {value!r}"
            )
        object.__setattr__(penalty, name, float(value))


def sorted_magnitudes(G):
    """Return ``|G|`` in float64 with every row in decreasing order."""
    return -np.sort(-np.abs(np.asarray(G, dtype=np.float64)), axis=-1)


def linear_face(A, slope):
    """Return the `Face` of a penalty that is linear in the entries of A that are not 0.

    Parameters
    ----------
    A : ndarray of shape (n_features, n_tasks)
    slope : float or ndarray like A
        What the penalty grows by with the magnitude of an entry.
    """
    zero = np.zeros_like(A)
    free = A != 0
    ratio = np.divide(slope, np.abs(A), out=np.zeros_like(A), where=free)
    return Face(free.astype(A.dtype), zero, slope * np.sign(A), zero, zero, ratio)


def norm_face(A, members, alpha):
    """Return the `Face` of ``alpha_j`` times the norm of some entries of a row.

    Parameters
    ----------
    A : ndarray of shape (n_features, n_tasks)
    members : ndarray of bool like A
    alpha : float or ndarray of shape (n_features, 1)
    """
    part = np.where(members, A, 0)
    # in units of the largest, against overflow
    largest = np.max(np.abs(part), axis=1, keepdims=True)
    unit = part / np.where(largest > 0, largest, 1)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    unit /= np.where(length > 0, length, 1)
    size = length * largest
    bend = np.divide(alpha, size, out=np.zeros_like(size), where=size > 0)
    free = members.astype(A.dtype)
    zero = np.zeros_like(A)
    bend = bend * free
    return Face(free, zero, alpha * unit, bend, np.sqrt(bend) * unit, bend)


def tied_face(A, tied, alpha):
    """Return the `Face` of ``alpha_j`` times the magnitude that some entries share.

    All others are free and cost nothing.

    Parameters
    ----------
    A : ndarray of shape (n_features, n_tasks)
    tied : ndarray of bool like A
        Entries of one magnitude in a row.
    alpha : float or ndarray of shape (n_features, 1)
    """
    signs = np.where(tied, np.sign(A), 0).astype(A.dtype)
    count = np.maximum(np.sum(tied, axis=1, keepdims=True), 1).astype(A.dtype)
    zero = np.zeros_like(A)
    free = (~tied).astype(A.dtype)
    slope = alpha * signs / count
    ratio = np.divide(slope, A, out=np.zeros_like(A), where=tied)
    return Face(free, signs / np.sqrt(count), slope, zero, zero, ratio)
