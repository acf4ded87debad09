"""The optimisation problem: smooth term plus penalty, and its certificate.

The objective, for tasks t = 1..T with rows (x_ti, y_ti) and weights w_ti >= 0::

    F(A, b) = sum_t (c_t / W_t) sum_i w_ti loss(y_ti, x_ti . a_t + b_t) + penalty(A)

with W_t the sum of the weights of task t. Solvers work on A alone: the intercepts b are
optimal for the A at hand, and this module alone moves them back to the units of X.
"""

import copy
from dataclasses import replace
from functools import cached_property

import numpy as np

from mtlreg.losses import Squared
from mtlreg.problem.certificate import ROUNDING, Certificate, nonnegative
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.free import FreeMoves, NullModel
from mtlreg.problem.span import Span, span_pays
from mtlreg.problem.statistics import Statistics, statistics_pay
from mtlreg.problem.terms import DataTerm, StatisticsTerm
from mtlreg.problem.threads import held_threads, largest_product

_EPS = np.finfo(np.float64).eps
# squares from here to the inverse keep their digits in sums
_LEAST_SQUARE = np.finfo(np.float64).tiny / _EPS
_FLOAT32_TOL = 2e-6  # what can be certified of an A in single precision


class Problem:
    """Data term plus penalty.

    The variable of a solver has the shape ``shape``: A itself, or the stacked blocks of
    the penalty. All certificates are computed in float64.

    Parameters
    ----------
    data : MultiTaskData
    loss : Loss
    penalty : Penalty
    task_scale : ndarray of shape (n_tasks,)
        The weights c_t > 0 of the tasks.
    fit_intercept : bool

    Attributes
    ----------
    null_value : float
        F0, the objective of the null model: A = 0, or what the directions that nothing
        penalises make of it, and the best intercepts.
    alpha_factor : float
        What the strengths of a penalty with a polar are to be multiplied by for A = 0
        to become optimal; inf for any other, unless A = 0 is optimal as it stands.
    work : float
        Multiply-adds of the largest product, see `mtlreg.problem.threads`.
    has_rows : bool
        Whether there are rows, in ``design``, or only statistics of them.

    Raises
    ------
    ValueError
        If squares of the features, the targets or what is made of them overflow or
        underflow.
    """

    has_rows = True

    def __init__(self, data, loss, penalty, task_scale, fit_intercept=True):
        self.loss, self.work = loss, data.work
        held = held_threads(self.work)
        with held, np.errstate(over="ignore", invalid="ignore"):
            self.term = DataTerm(data, loss, task_scale, fit_intercept)
            self.design = self.term.design
            self.dtype = self.design.dtype
            self.square_norms = self.design.square_norms
            self.means = self.design.means if fit_intercept else None
            self._origin = self.term.origin
            self.task_scale = self.design.task_weights
            self.scale = self.term.scale
            self._check_underflow(data)
            self._statistics, self._span, self._null_models = {}, {}, {}
            self._set_penalty(penalty)

    def with_penalty(self, penalty):
        """Return the problem of the same data with another penalty."""
        other = copy.copy(self)
        other._set_penalty(penalty)
        return other

    def in_double_precision(self):
        """Return the same problem with coefficients and intercepts in float64."""
        other = copy.copy(self)
        other.dtype, other._at_zero = np.dtype(np.float64), None
        return other

    def _set_penalty(self, penalty):
        self.penalty = penalty
        d, n_tasks = self.square_norms.shape
        penalty.check_shape(d, n_tasks)
        blocks = () if penalty.n_blocks == 1 else (penalty.n_blocks,)
        self.shape = (*blocks, d, n_tasks)
        self._moves = FreeMoves(
            (d, n_tasks),
            penalty.free_directions(n_tasks),
            penalty.free_features,
            penalty.free_rows,
            penalty.ridge_of_free_rows,
        )
        if self._moves.key not in self._null_models:
            self._check_overflow(self.square_norms.sum())  # before it is solved for
            null = self._null_models[self._moves.key] = self._null_model()
            self._check_overflow(null.value, null.square)
        self._null = self._null_models[self._moves.key]
        self.null_value = self._null.value
        G, unit, conjugate = self._null.G, self._null.unit, None
        if penalty.has_polar:
            self.alpha_factor = unit * penalty.polar(G / unit)
        else:
            conjugate = penalty.conjugate(G)
            positive = conjugate > 0 or penalty.conjugate(G / unit) > 0
            self.alpha_factor = np.inf if positive else 0.0
        self._at_zero = None
        if not self.is_null:
            self._check_range(conjugate)

    def _check_overflow(self, *sizes):
        """Raise ValueError where squares overflow."""
        if not np.all(np.isfinite(sizes)):
            raise ValueError(
                "X or y holds values so large that their squares overflow; "
                "rescale the features and the target"
            )

    def _check_underflow(self, data):
        """Raise ValueError where nothing is left of the squares of X or y."""
        lost = self.scale < _LEAST_SQUARE and data.y.any()
        if not lost and self.square_norms.max(initial=0.0) < _LEAST_SQUARE:
            # but for columns that are constant
            lost = 0 < abs(data.X).max() < np.sqrt(_LEAST_SQUARE)
        if lost:
            raise ValueError(
                "X or y holds values so small that their squares underflow; "
                "rescale the features and the target"
            )

    def _check_range(self, conjugate):
        """Raise ValueError where squares of what is to be computed lose their digits.

        With x and y the root mean squares of the largest feature and the target, G is
        of the size x y, A of y / x. As F <= F0, a gauge of strength lam allows for an A
        of y^2 / lam, and its optimum has a G of lam. What a penalty of curvature q
        leaves of its gradient in rounding is q times that of A.
        """
        x2 = float(np.square(self.column_norms.max(initial=0.0)))
        y2 = float(self.scale)
        a2 = y2 / x2 if x2 > 0 else np.inf
        squares = [x2, y2, x2 * y2, a2]
        if self.penalty.has_polar:
            lam2 = self._null.square / self.alpha_factor / self.alpha_factor
            squares += [lam2, y2 / lam2 * y2 if lam2 > 0 else np.inf]
            largest = max(squares)
        else:
            first = np.zeros(self.shape)
            first[..., 0] = 1.0
            q = 2.0 * self.penalty.value(self.penalty.inside(first)) / self.shape[-2]
            largest = max(*squares, q * x2, q * a2 * q, conjugate)
        if not _LEAST_SQUARE <= min(squares) <= largest <= 1 / _LEAST_SQUARE:
            raise ValueError(
                f"squares underflow or overflow: the largest feature is of the size "
                f"{np.sqrt(x2):.2g}, the target of {np.sqrt(y2):.2g}, the penalty is "
                f"{self.penalty}; rescale the features and the target, or choose other "
                f"strengths"
            )

    def _null_model(self):
        return NullModel.of_rows(self.term, self._moves)

    @cached_property
    def column_norms(self):
        """Norms of the features, of each in the task where it is largest."""
        # of one column where the tasks share them
        columns = slice(None) if self.square_norms.strides[1] else slice(1)
        return np.sqrt(self.square_norms[:, columns].max(axis=1))

    @property
    def within(self):
        """Mean squares of the features in each task, about what ``means`` is."""
        return self.square_norms / self.task_scale

    def spectra(self):
        """Return eigenvalues and vectors of the H_t over c_t, see `Statistics`."""
        return self.term.spectra(self.task_scale)

    @property
    def is_null(self):
        """Whether A = 0, or the null model, is the optimum."""
        return self.alpha_factor <= 1 + 4 * _EPS

    def on_statistics(self, n_products=100):
        """Return the problem on the statistics of the data, or None where they slow.

        Parameters
        ----------
        n_products : int
            Iterations or gap checks over which building them has to pay.
        """
        if not self.loss.quadratic:
            return None
        if "built" not in self._statistics:
            if not statistics_pay(self.design, n_products):
                return None
            zero = np.broadcast_to(0.0, self.term.y.shape)
            value, G = self._null.value, self._null.G
            if self._moves.any():  # then the null model is not A = 0
                value = self.term.value(zero)
                G = -self.design.adjoint(self.term.slopes(zero))
            statistics = Statistics.of_design(self.design, G)
            self._statistics["built"] = statistics, value, self.term.intercept(zero)
        statistics, value, targets = self._statistics["built"]
        return StatisticsProblem(
            statistics,
            self.penalty,
            value,
            square_norms=self.square_norms,
            means=self.means,
            targets=targets,
            origin=self._origin,
            task_scale=self.task_scale,
            scale=self.scale,
            dtype=self.dtype,
        )

    def in_span(self, n_products=100):
        """Return the `SpanProblem`, or None where it slows or is another problem.

        Parameters
        ----------
        n_products : int
            Iterations over which building it has to pay.
        """
        if not self.penalty.ignores_basis or self._moves.any():
            return None
        if "built" not in self._span:
            pays = span_pays(self.design, n_products)
            self._span["built"] = SpanProblem(self) if pays else None
        built = self._span["built"]
        return built and built.with_penalty(self.penalty)

    def lift(self, A):
        """Return a variable of this problem in coordinates of the features."""
        return A

    def coordinates(self, A):
        """Return what a variable in coordinates of the features is in this problem."""
        return A

    def null_point(self):
        """Return the variable of the null model."""
        A = np.zeros(self.shape, dtype=self.dtype)
        if not self._moves.any():
            return A
        A = self.penalty.move_free(A, self._null.shift.astype(self.dtype))
        return self.penalty.inside(A)  # which rounding may have left

    def gap_target(self, tol):
        """Return the gap to stop at: ``tol F0``, but nothing below the rounding."""
        tol = max(tol, _FLOAT32_TOL) if self.dtype == np.float32 else tol
        return max(tol * self.null_value, 16 * _EPS * self.scale)

    def objective(self, A, Z=None):
        """Return F at the variable A, of the image Z, with its best intercepts."""
        exact = np.asarray(A, dtype=np.float64)
        matrix = self.penalty.combine(exact)
        Z = self.term.image(matrix) if Z is None else Z
        return self.term.value_at(matrix, Z) + self.penalty.value(exact)

    def certificate(self, A, Z=None, value=None):
        """Return the `Certificate` of the variable A.

        With theta the residual at the optimum over everything that nothing penalises,
        G = X'theta and the s of `Penalty.gap` the gap is the sum of two terms >= 0::

            sum [v loss(z) + v loss*(-s theta / v) + s theta z]
                + [penalty(A) + penalty*(s G) - s <A, G>]

        For a gauge s is min(1, 1 / polar(G)) and its conjugate 0; for a quadratic
        penalty 1/2 <A, Q A>, with s = 1, the second term is 1/2 ||G - Q A||^2 in the
        metric of Q^-1.

        Parameters
        ----------
        A : ndarray of shape ``shape``
        Z : ndarray, optional
            The image of A, where it is at hand in float64.
        value : float, optional
            penalty(A) of a gauge, or an upper bound of it, where it is at hand.
        """
        exact = np.asarray(A, dtype=np.float64)
        if not self._moves.any() and not exact.any():
            return self._certificate_at_zero()
        matrix = self.penalty.combine(exact)
        if Z is None or Z.dtype != np.float64:
            Z = self.term.image(matrix)
        if self._moves.ridge:  # any dual point will do
            slopes = self.term.slopes(Z)
        else:
            slopes, _ = self._null.free.optimum(Z)
        return self._certify(exact, Z, slopes, self.design.adjoint(slopes), value)

    def at_point(self, certificate, Z):
        """Return the certificate of a point with the slopes and the gradient there.

        Parameters
        ----------
        certificate : Certificate
        Z : ndarray
            The image of the point.
        """
        if not self._moves.any() or self._moves.ridge:
            return certificate
        slopes = self.term.slopes(Z)
        return replace(certificate, slopes=slopes, gradient=self.design.adjoint(slopes))

    def _certificate_at_zero(self):
        if self._at_zero is None:
            zero, null, G = np.zeros(self.shape), self._null, -self._null.G
            slopes = self.term.slopes(null.Z)
            if self.loss.quadratic and self.dtype == np.float64:
                # the dual point is s times the residual, whose square is 2 F0
                matrix = self.penalty.combine(zero)
                rest, s, polars = self._penalty_gap(zero, matrix, G)
                b, rounding = self._intercept(matrix, self.term.intercept(null.Z))
                gap = (1 - s) ** 2 * null.value + rest + self._rounding_loss(rounding)
                self._at_zero = Certificate(gap, b, slopes, G, polars, 0.0, null.value)
            else:
                self._at_zero = self._certify(zero, null.Z, slopes, G)
        return self._at_zero

    def _certify(self, A, Z, slopes, gradient, value=None):
        """Return the certificate of A from the dual point and its adjoint -G."""
        matrix = self.penalty.combine(A)
        b, rounding = self._intercept(matrix, self.term.intercept(Z))
        rest, s, polars = self._penalty_gap(A, matrix, gradient, value)
        z = self.term.predictions(Z, rounding)
        cells = z, slopes, self.term.y, self.term.v
        gap = self.loss.divergence(*cells, scale=s) + rest
        loss = None if self.loss.binary else self.loss.value(z, *cells[2:])
        return Certificate(gap, b, slopes, gradient, polars, loss=loss)

    def _penalty_gap(self, A, matrix, gradient, value=None):
        """Return the second term of the gap, s, and the polars of the rows."""
        rest, size, s, polars = self.penalty.gap(A, -gradient, value)
        return nonnegative(rest, size, (matrix, gradient)), s, polars

    def _intercept(self, A, best):
        """Return b in the units and precision of X, and by how much it is rounded.

        Parameters
        ----------
        A : ndarray of shape (n_features, n_tasks)
        best : ndarray of shape (n_tasks,)
            The best intercepts in the coordinates of the data term.
        """
        moved = best
        if self.means is not None:
            moved = best - np.einsum("jt,jt->t", self.means, A)
        b = (self._origin + moved).astype(self.dtype)
        return b, (b - self._origin) - moved

    def _rounding_loss(self, rounding):
        """Return by how much the squared loss grows where b is rounded."""
        return 0.5 * float((self.task_scale * rounding) @ rounding)


class StatisticsProblem(Problem):
    """The problem of the squared loss on sufficient statistics, without the rows.

    Gaps and values are good to rounding of F0.

    Parameters
    ----------
    statistics : Statistics
    penalty : Penalty
    null_value : float
        ``1/2 sum v (y - b)^2`` at the best intercepts b of A = 0.
    square_norms : ndarray of shape (n_features, n_tasks)
        Of the features, as in `Design`.
    means : ndarray of shape (n_features, n_tasks), or None
        Of the features, None without an intercept.
    targets : ndarray of shape (n_tasks,)
        The intercepts at A = 0, less ``origin``.
    origin : ndarray of shape (n_tasks,)
        What was taken off the targets of the tasks.
    task_scale : ndarray of shape (n_tasks,)
        The weights c_t > 0 of the tasks.
    scale : float
        As in `DataTerm`.
    dtype : dtype
        Of the coefficients.
    """

    has_rows = False

    def __init__(
        self,
        statistics,
        penalty,
        null_value,
        *,
        square_norms,
        means,
        targets,
        origin,
        task_scale,
        scale,
        dtype,
    ):
        self.loss = Squared()
        self.dtype, self.scale = np.dtype(dtype), scale
        self.term = StatisticsTerm(statistics, null_value)
        self._value_at_zero = null_value
        self.square_norms = square_norms
        d, n_tasks = square_norms.shape
        self.work = largest_product(d, d, n_tasks)
        self.means, self._targets, self._origin = means, targets, origin
        self.task_scale = task_scale
        self._null_models = {}
        self._set_penalty(penalty)

    def _null_model(self):
        return NullModel.of_statistics(self.term, self._moves)

    def on_statistics(self, n_products=100):
        return None

    def in_span(self, n_products=100):
        return None

    def at_point(self, certificate, Z):
        return replace(certificate, gradient=self.term.gradient(Z))

    def _certificate_at_zero(self):
        zero = np.zeros(self.shape)
        return self.certificate(zero, self.term.image(self.penalty.combine(zero)))

    def certificate(self, A, Z=None, value=None):
        exact = np.asarray(A, dtype=np.float64)
        matrix = self.penalty.combine(exact)
        if Z is None or Z.dtype != np.float64:
            Z = self.term.image(matrix)
        gradient, lower, hidden = self.term.gradient(Z), 0.0, 0.0
        if self._moves.any() and not self._moves.ridge:
            shift, image = self._null.free.optimum(gradient)
            gradient = gradient + image
            # the dual point is that of the optimum over what nothing penalises
            lower = 0.5 * max(float(np.vdot(shift, image)), 0.0)
            known = self.square_norms, self._value_at_zero
            hidden = self._null.free.hidden(gradient, matrix + shift, *known)
            lower = lower if hidden < np.inf else np.inf
        gap, s, polars = self._penalty_gap(exact, matrix, gradient, value)
        gap += lower + hidden
        loss = nonnegative(
            self.term.value_at(matrix, Z) - lower,
            2 * self._value_at_zero,
            (matrix, matrix, self.square_norms),
            len(matrix) * ROUNDING,
        )
        b, rounding = self._intercept(matrix, self._targets)
        gap += self._rounding_loss(rounding)
        gap = gap + (1 - s) ** 2 * loss if loss < np.inf else np.inf
        return Certificate(gap, b, None, gradient, polars, hidden, loss + lower)


class SpanProblem(Problem):
    """The problem in coordinates of what its rows span, see `Span`; in float64.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem):
        design, term = problem.design, problem.term
        self._basis = Span(design)
        data = MultiTaskData(self._basis.rows, term.y, design.v, design.cells.offsets)
        scale, intercept = design.task_weights, term.fit_intercept
        super().__init__(data, problem.loss, problem.penalty, scale, intercept)

    def on_statistics(self, n_products=100):
        return None

    def in_span(self, n_products=100):
        return None

    def lift(self, A):
        return self._basis.lift(A)

    def coordinates(self, A):
        return self._basis.coordinates(A)
