"""The contract of a penalty: a function of the task matrix that never sees data."""

import copy
from abc import ABC, abstractmethod
from dataclasses import fields, replace
from numbers import Real
from typing import ClassVar, NamedTuple

import numpy as np

from mtlreg._numba import prox_rows
from mtlreg.penalties.on_face import AtRest, OnFace
from mtlreg.penalties.prior import ExpectsTasks, prior_of_rows
from mtlreg.penalties.task_matrix import TaskMatrix


class PenaltyGap(NamedTuple):
    """What a penalty adds to the duality gap."""

    rest: float  # penalty(A) + penalty*(s G) - s <A, G>, >= 0 but for rounding
    size: float  # of what it is made of, beside the products of A and G
    scale: float  # s, by which the dual point is to be multiplied
    polars: np.ndarray | None = None  # of the rows of G, where s comes of them


class Penalty(ExpectsTasks, ABC):
    """Convex penalty on the task matrix A of shape (n_features, n_tasks).

    A penalty is a frozen dataclass that owns its strengths. The variable of a solver is
    A itself, or ``n_blocks`` stacked matrices whose `combine` is A. This base serves
    any penalty with a `conjugate`; `Gauge` and `Quadratic` are the usual kinds.

    Attributes
    ----------
    strengths : tuple of str
        The fields that multiply the penalty; `scaled` scales them all.
    by_feature, by_task : tuple of str
        The fields that are None or an array with an entry for every feature, or every
        task, along its first axis.
    is_gauge : bool
        Whether the penalty is positively homogeneous, see `Gauge`.
    has_polar : bool
        Whether it has a ``polar``, the factor of its strengths from which on A = 0 is
        optimal where G is minus the gradient of the data term, as gauges do.
    row_separable : bool
        Whether the penalty is a sum over rows of A, each with an exact prox.
    of_magnitudes : bool
        Whether it depends on the magnitudes of the entries of A alone, and grows with
        each.
    n_blocks : int
        Number of stacked blocks of the variable.
    strictly_convex : bool
        Whether it is known that there is one optimum, whatever the data.
    ignores_basis : bool
        Whether ``value(Q A) = value(A)`` for every Q with ``Q'Q = I``, and no more for
        a projection of A.
    has_tangent : bool
        Whether `tangent` has the moves along which the penalty is smooth.
    factor_strength : float or None
        Of a penalty that is ``min s/2 (||L||_F^2 + ||R||_F^2)`` over ``A = L R'``, the
        strength s.
    task_matrix : TaskMatrix or None
        Q of a penalty that is ``1/2 trace(A Q A')`` and ties tasks through their mean,
        or is a sum over features of such.
    task_spectrum : pair of ndarrays or None
        Eigenvalues and eigenvectors of the matrix Q of a penalty ``1/2 trace(A Q A')``,
        one for all features.
    free_features : ndarray of bool or None
        The features that have the `free_directions`; None: all.
    free_rows : ndarray of bool or None
        The features that nothing penalises in any task, but for the ridge below; None:
        there are none. `value` does not depend on their rows, and what G has there is
        left out of ``polar``, `conjugate` and `gap`, where there is no ridge.
    ridge_of_free_rows : float
        Of a penalty with a polar, the s of ``s/2 ||A_j||^2``, its value for such a row,
        and of ``s/2 ||M C'||^2`` for a move along the `free_directions`.
    smooth : Quadratic or None
        A part, of the sum of the blocks, that is left to the data term of solvers.
    """

    strengths: ClassVar[tuple[str, ...]] = ("alpha",)
    by_feature: ClassVar[tuple[str, ...]] = ()
    by_task: ClassVar[tuple[str, ...]] = ()
    is_gauge = False
    has_polar = False
    row_separable = False
    of_magnitudes = False
    n_blocks = 1
    strictly_convex = False
    ignores_basis = False
    has_tangent = False
    factor_strength: float | None = None
    task_matrix: TaskMatrix | None = None
    task_spectrum: tuple[np.ndarray, np.ndarray] | None = None
    free_features: np.ndarray | None = None
    free_rows: np.ndarray | None = None
    ridge_of_free_rows = 0.0
    smooth: "Quadratic | None" = None
    learns = False  # see `mtlreg.penalties.learning`
    # of a penalty that is not convex, see `mtlreg.solvers.reweighted`
    start: "Penalty | None" = None

    @abstractmethod
    def value(self, A):
        """Return the penalty at A, strengths included."""

    @abstractmethod
    def prox(self, A, step, out=None):
        """Return ``argmin_Z value(Z) + ||Z - A||_F^2 / (2 step)``.

        What is `smooth` is left out.

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
        """Return the prox in A's precision, in the form in which products cost least.

        `Factored` have orthogonal columns.
        """
        return self.prox(A, step)

    def tangent(self, A, step):
        """Return the prox with the space it moves in, see `FixedRank`."""
        return AtRest(self, A, step)

    def conjugate(self, G):
        """Return the Fenchel conjugate ``sup_A <A, G> - value(A)``, 0 at 0.

        The component of G along the `free_directions` is left out.
        """
        raise NotImplementedError(f"{type(self).__name__} has no conjugate")

    def gap(self, A, G, value=None):
        """Return what A and the dual point of ``G = X'theta`` leave of the duality gap.

        Parameters
        ----------
        A : ndarray
            The variable, in float64.
        G : ndarray of shape (n_features, n_tasks)
        value : float, optional
            The penalty at A, or a bound of it, where it is at hand.

        Returns
        -------
        PenaltyGap
        """
        value = self.value(A) if value is None else value
        conjugate = self.conjugate(G)
        rest = value + conjugate - float(np.vdot(self.combine(A), G))
        return PenaltyGap(rest, value + conjugate, 1.0)

    def free_directions(self, n_tasks):
        """Return the task patterns that are not penalised, (n_tasks, k).

        With C the patterns, ``value(A + M C') = value(A)`` for every M, whose rows are
        0 but for the `free_features`.
        """
        return np.zeros((n_tasks, 0))

    def penalised(self, G):
        """Return G less what it has along moves that are free."""
        free = self.free_rows
        return G if free is None else np.where(free[:, None], 0.0, G)

    def move_free(self, A, shift):
        """Return the variable A after a move of the task matrix that costs nothing."""
        return A + shift

    def split(self, A):
        """Return the parts whose sum the task matrix is: the blocks of the variable A.

        Returns
        -------
        sequence of ndarrays of shape (n_features, n_tasks)
        """
        return A.reshape(-1, *A.shape[-2:])

    def attributes(self, A, blocks):
        """Return what estimators report of the optimum beside ``coef_``, by name.

        Parameters
        ----------
        A : ndarray of shape (n_features, n_tasks)
            In the units of the target.
        blocks : sequence of ndarrays of shape (n_features, n_tasks)
            The parts of `split`, likewise.
        """
        return {}

    def combine(self, blocks):
        """Return A for the variable of a solver, the sum of its blocks."""
        return blocks if self.n_blocks == 1 else blocks.sum(axis=0)

    def sole(self, A, G):
        """Return which block is to move while the other one stays 0, or None.

        For a penalty that names one, ``only(k)`` is the penalty of the k-th block where
        the other one is 0, and ``alone(block, k)`` makes a variable of it.

        Parameters
        ----------
        A : ndarray
            The variable.
        G : ndarray of shape (n_features, n_tasks)
            Minus the gradient of the data term.
        """
        return None

    def scaled(self, factor):
        """Return the same penalty with every strength multiplied by ``factor``."""
        return replace(self, **{s: factor * getattr(self, s) for s in self.strengths})

    def restrict(self, features=None, tasks=None):
        """Return the penalty of some rows and columns of A.

        It is ``self`` where no array is held, by the penalty or by those it is made of.

        Parameters
        ----------
        features, tasks : ndarray of int or bool, optional
            Which; all if left out.
        """
        kept = {}
        for names, some in ((self.by_feature, features), (self.by_task, tasks)):
            for name in names:
                if some is not None and getattr(self, name) is not None:
                    kept[name] = np.asarray(getattr(self, name))[some]
        for name, part in self._penalties():
            if (restricted := part.restrict(features, tasks)) is not part:
                kept[name] = restricted
        return replace(self, **kept) if kept else self

    def check_shape(self, n_features, n_tasks):
        """Raise ValueError unless its arrays have as many entries as A asks for."""
        sizes = (self.by_feature, n_features), (self.by_task, n_tasks)
        for (names, size), kind in zip(sizes, ("feature", "task"), strict=True):
            for name in names:
                held = getattr(self, name)
                if held is not None and np.shape(held)[:1] != (size,):
                    raise ValueError(
                        f"{name} of {type(self).__name__} has the shape "
                        f"{np.shape(held)}, but there are {size} {kind}s; give it one "
                        f"entry for each {kind}"
                    )
        for _, part in self._penalties():
            part.check_shape(n_features, n_tasks)

    def inside(self, A):
        """Return A, or the nearest variable where the penalty is finite."""
        return A

    def absorb(self, option, value):
        """Return the penalty with an option that it takes in itself, or None.

        See `mtlreg.penalties.with_options`, which makes another penalty of it for None.

        Parameters
        ----------
        option : {"ridge", "positive", "feature_weight"}
        value : object
            Of the option, as `mtlreg.penalties.with_options` takes it.
        """
        return None

    def _penalties(self):
        """Return the names and values of the fields that are penalties themselves."""
        held = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, part) for name, part in held if isinstance(part, Penalty)]

    def __eq__(self, other):
        return type(self) is type(other) and all(
            np.array_equal(value, getattr(other, name))
            for name, value in self.get_params(deep=False).items()
        )

    def __hash__(self):
        return hash(type(self))

    def __getstate__(self):
        # without what was computed on the way
        return self.get_params(deep=False)

    def __sklearn_clone__(self):
        return copy.deepcopy(self)

    def get_params(self, deep=True):
        """Return the fields by name, as the parameters of a scikit-learn estimator."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in list(found.items()) if deep else ():
            if hasattr(value, "get_params"):
                nested = value.get_params().items()
                found |= {f"{name}__{key}": inner for key, inner in nested}
        return found

    def set_params(self, **params):
        """Set fields by name, or those of nested penalties as ``first__alpha``.

        This changes the penalty in place, as `sklearn.base.clone` and grid searches
        expect it of what they have copied; all else that it is used for leaves it as
        it is.

        Raises
        ------
        ValueError
            For a name that is not there, or a value that is not valid; the penalty is
            then as it was before.
        """
        changed = {}
        for key, value in params.items():
            name, _, rest = key.partition("__")
            known = [field.name for field in fields(self)]
            if name not in known:
                raise ValueError(
                    f"{name!r} is no parameter of {type(self).__name__}: use one of "
                    f"{known}"
                )
            if rest:
                inner = changed.get(name, getattr(self, name))
                value = copy.copy(inner).set_params(**{rest: value})
            changed[name] = value
        valid = replace(self, **changed)
        vars(self).clear()
        vars(self).update(vars(valid))
        return self


class Gauge(Penalty):
    """Penalty that is positively homogeneous, ``value(s A) = s value(A)``, s >= 0."""

    is_gauge = True
    has_polar = True

    @abstractmethod
    def polar(self, G):
        """Return the smallest s with ``<G, A> <= s value(A)`` for every A."""

    def gap(self, A, G, value=None):
        G = self.penalised(G)
        polar, polars = self._polars(G)
        value = self.value(A) if value is None else value
        scale = 1 / max(1.0, polar)
        rest = value - scale * float(np.vdot(self.combine(A), G))
        return PenaltyGap(rest, value, scale, polars)

    def _polars(self, G):
        """Return the polar, and those of the rows where it is the largest of them."""
        return self.polar(G), None


class Quadratic(Penalty):
    """Penalty ``1/2 <A, Q A>``."""

    curvature: float | None = None  # the largest finite eigenvalue of Q

    @abstractmethod
    def gradient(self, A):
        """Return Q A."""

    def divergence(self, A, G):
        """Return ``value(A) + conjugate(G) - <A, G>``.

        It is ``conjugate(G - Q A)``, which is >= 0 and does not cancel.
        """
        return self.conjugate(G - self.gradient(A))

    def gap(self, A, G, value=None):
        return PenaltyGap(self.divergence(A, G), 0.0, 1.0)


class RowSeparable(Penalty):
    """Penalty that is a sum over the rows of A.

    The prox of a row is compiled: a subclass returns its hyper-parameters and arrays as
    a NamedTuple in `row_params` and registers a kernel for its type with
    `mtlreg._numba.prox_row.register`, and with `solve_row.register` one for block
    coordinate descent. Kernels for types from outside the package are compiled anew in
    every process, and never enter its cache.
    """

    row_separable = True

    @property
    @abstractmethod
    def row_params(self):
        """The NamedTuple that compiled solvers receive; it selects the row kernel."""

    def prox(self, A, step, out=None):
        if out is None:
            out = np.array(A, order="C", dtype=np.result_type(A, np.float32))
        elif out is not A:
            out[...] = A
        scratch = np.empty(out.shape[1], dtype=out.dtype)
        prox_rows(self.row_params, out, float(step), scratch)
        return out


class RowPenalty(Gauge, RowSeparable):
    """Gauge that is a sum over the rows of A.

    Beside the prox of a row it has a kernel `mtlreg._numba.solve_row`, with which
    `mtlreg.solvers.BCD` solves for a row exactly.
    """

    @abstractmethod
    def row_polars(self, G):
        """Return the polar of every row of G, (n_features,)."""

    def prior(self, A):
        return prior_of_rows(self, A)

    def polar(self, G):
        return float(np.max(self.row_polars(G), initial=0.0))

    def _polars(self, G):
        polars = self.row_polars(G)
        return float(np.max(polars, initial=0.0)), polars

    def attributes(self, A, blocks):
        return {"support_": np.any(A != 0, axis=1)}

    @property
    def has_tangent(self):
        return type(self).face is not RowPenalty.face

    def tangent(self, A, step):
        return (OnFace if self.has_tangent else AtRest)(self, A, step)

    def ties(self, n_tasks):
        """Return whether it draws entries of a row of ``n_tasks`` to one magnitude."""
        return False

    def face(self, A):
        """Return the `Face` at A, no row of which is 0, for Newton's method.

        None, as by default, is to do without: epochs are all that there is then.
        """
        return None

    def retract(self, A, moved):
        """Return a point near ``moved`` that has not passed the end of the face of A.

        There entries reach 0 or the magnitude of those that are tied. A step that has
        passed it is shortened where the objective does not fall.
        """
        return moved


def check_strengths(penalty, allow_zero=(), names=None):
    """Raise ValueError unless the strengths are finite and > 0 (or 0 where allowed).

    They become floats: a NumPy scalar of another precision would bring all that it
    multiplies to its own.
    """
    for name in penalty.strengths if names is None else names:
        check_number(penalty, name, name in allow_zero)


def check_number(penalty, name, allow_zero=False):
    """As `check_strengths`, for one field, whether it is a strength or not."""
    value = getattr(penalty, name)
    bound = "0 or more" if allow_zero else "more than 0"
    if (
        not isinstance(value, Real)
        or not np.isfinite(value)
        or value < 0
        or (value == 0 and not allow_zero)
    ):
        raise ValueError(
            f"{name} of {type(penalty).__name__} must be a finite number, {bound}; "
            f"got {value!r}"
        )
    object.__setattr__(penalty, name, float(value))
