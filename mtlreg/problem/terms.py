"""The data-fitting part of the objective, on rows or on sufficient statistics."""

from functools import cached_property

import numpy as np
from scipy.linalg import norm  # neither underflows nor overflows

from mtlreg.penalties.factored import apply_factored, as_array
from mtlreg.problem.curvature import (
    compressed_grams,
    few_rows,
    pooled_gram,
    pooling_pays,
    shifted_inverse,
    spectrum,
)
from mtlreg.problem.design import make_design
from mtlreg.problem.memory import check_room
from mtlreg.problem.statistics import Statistics

_EPS = np.finfo(np.float64).eps
_STEPS = 3  # of Newton's method by which intercepts are followed
_SHORT = 0.1  # length of a step after which the next is far shorter
_SHORTEST = 1e-6  # length of a step whose square is rounding


def rounding_of_means(task_scale, means):
    """Return the squared loss, in units of eps, that rounding the means leaves."""
    return _EPS * float(np.sum(task_scale * means**2))


def _length(array):
    return norm(array.ravel(), check_finite=False)


class DataTerm:
    """The data-fitting part of F, minimised over the intercepts, as a function of A.

    Its gradient at A needs only the linear image ``Z = X A``, so that a solver can
    extrapolate images instead of multiplying again. Where intercepts move a quadratic
    loss along with its targets, these are centred too: so no digits of them are lost,
    however far from 0 they are.

    Parameters
    ----------
    data : MultiTaskData
    loss : Loss
    task_scale : ndarray of shape (n_tasks,)
        The weights c_t > 0 of the tasks.
    fit_intercept : bool

    Attributes
    ----------
    y : ndarray over cells
        The targets less ``origin``, and 0 where the weight is 0.
    origin : ndarray of shape (n_tasks,)
        The weighted means of the targets where these are centred, else 0.
    scale : float
        ``sum v loss(y, 0)``, and what the rounding of ``origin`` leaves of it.
    """

    def __init__(self, data, loss, task_scale, fit_intercept):
        self.loss = loss
        self.cells = data.cells
        self.y = data.y
        self.origin = np.zeros(len(task_scale))
        total = self.cells.total(data.weight)
        if fit_intercept and loss.quadratic:
            self.origin = self.cells.sum(data.weight * data.y) / total
            self.y = data.y - self.cells.spread(self.origin)
            self.y[data.weight == 0] = 0.0
        self.v = data.weight * self.cells.spread(task_scale / total)
        self.fit_intercept = fit_intercept
        self.design = make_design(data, self.v, fit_intercept)
        zero = np.broadcast_to(0.0, self.y.shape)
        self.scale = loss.value(zero, self.y, self.v)
        self.scale += rounding_of_means(task_scale, self.origin)
        self._last_image, self._last_intercept = None, None
        self._followed = None  # of gradients alone, so that a look changes no iterate

    def image(self, A):
        """Return the predictions without intercept, an array over cells.

        A may be an array or `Factored`.
        """
        if self.design.same_rows:
            return apply_factored(self.design.predict, A)
        return self.design.predict(as_array(A))

    def intercept(self, Z):
        """Return the best intercepts at the image Z, less the `origin`."""
        if not self.fit_intercept:
            return np.zeros(self.design.n_tasks)
        if Z is not self._last_image:
            self._last_intercept = self.loss.fit_intercept(
                Z, self.y, self.v, self.cells, start=self._last_intercept
            )
            self._last_image = Z
        return self._last_intercept

    def predictions(self, Z, rounding=0.0):
        """Return the image Z with its best intercepts, not to be written to.

        The intercepts are off by the ``rounding`` of each task.
        """
        if not self.fit_intercept:
            return Z
        return Z + self.cells.spread(self.intercept(Z) + rounding)

    def slopes(self, Z):
        """Return ``v loss'`` at the image Z with its best intercepts, minus theta."""
        return self.loss.gradient(self.predictions(Z), self.y, self.v)

    def gradient(self, Z):
        """Return the gradient by A at the image Z, in the precision of Z."""
        slopes = self._followed_slopes(Z)
        return self.design.adjoint(slopes.astype(Z.dtype, copy=False))

    def _followed_slopes(self, Z):
        """Return the slopes, with the intercepts followed from the last call.

        The last step of Newton's method is so short that the slopes are linear in it.
        """
        if self.loss.quadratic or not self.fit_intercept:
            return self.slopes(Z)
        cells = (self.y, self.v)
        b = self._followed
        for _ in range(_STEPS if b is not None else 0):
            slopes, bends = self.loss.derivatives(Z + self.cells.spread(b), *cells)
            slope, bend = self.cells.sum(slopes), self.cells.sum(bends)
            size = np.abs(slope)
            if not np.all(size <= _SHORT * bend):
                break
            move = -slope / np.where(bend > 0, bend, 1.0)
            b = b + move
            if np.all(size <= _SHORTEST * bend):
                self._followed = b
                return slopes + bends * self.cells.spread(move)
        b = self.loss.fit_intercept(Z, *cells, self.cells, start=self._followed)
        self._followed = b
        return self.loss.gradient(Z + self.cells.spread(b), *cells)

    def value(self, Z):
        """Return the loss at the image Z with its best intercepts."""
        return self.loss.value(self.predictions(Z), self.y, self.v)

    def value_at(self, A, Z):
        """Return the loss at A with the image Z, as `StatisticsTerm` does."""
        return self.value(Z)

    def value_and_gradient(self, A):
        """Return the loss at A with its best intercepts, and the gradient by A."""
        Z = self.image(A)
        return self.value(Z), self.gradient(Z)

    def bent(self, Z):
        """Return the derivative of the slopes at the image Z, by A, as a function.

        Of a direction D it is ``w (X_t - 1 m_t') d_t`` with ``w = v loss''``, and with
        m_t the mean of the rows of task t under w, or 0 without an intercept.
        """
        w = self._bends(Z)
        total = self.cells.sum(w)
        share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)

        def product(D):
            bent = w * self.image(D)
            if self.fit_intercept:
                bent -= w * self.cells.spread(share * self.cells.sum(bent))
            return bent

        return product

    def _bends(self, Z):
        """Return ``v loss''`` at the image Z."""
        return self.loss.hessian(self.predictions(Z), self.y, self.v)

    def hessian(self, Z):
        """Return the Hessian at the image Z as a function of a direction."""
        bent = self.bent(Z)
        return lambda D: self.design.adjoint(bent(D))

    def pooled_spectrum(self, n_products):
        """Return eigenvalues and vectors of the mean over tasks of bounds of Hessians.

        Or its diagonal without vectors (None), where so many products with the Hessian
        take less time than the matrix.
        """
        share = self.loss.curvature / self.design.n_tasks
        if not pooling_pays(self.design, n_products):
            return share * self.design.square_norms.sum(axis=1), None
        values, vectors = self._pooled_spectrum
        return share * values, vectors

    @cached_property
    def _pooled_spectrum(self):
        return spectrum(pooled_gram(self.design))

    def compressed_hessian(self, U, Z):
        """Return ``U'H_t U`` with the Hessians H_t at the image Z, (n_tasks, r, r)."""
        weight = None if self.loss.quadratic else self._bends(Z)
        return compressed_grams(self.design, U, weight)

    def spectra(self, scale):
        """Return eigenvalues and vectors of the H_t over numbers, see `Statistics`."""
        return self._statistics.spectra_over(scale)

    @cached_property
    def _statistics(self):
        shape = self.design.n_features, self.design.n_tasks
        check_room(*shape[::-1])
        return Statistics.of_design(self.design, np.zeros(shape))

    def shifted_inverse(self, R, shift, Z):
        """Return the inverse of ``P -> H(P R') R + shift P`` with H the Hessian at Z.

        Or None where that costs much, or the mean of the Hessians tells as much.
        """
        if not few_rows(self.design):
            return None
        return shifted_inverse(self.design, R, shift, self._bends(Z))

    @cached_property
    def lipschitz(self):
        """A Lipschitz constant of the gradient, ``kappa max_t lambda_max(H_t)``."""
        return self.loss.curvature * float(np.max(self.design.largest_eigenvalues()))

    def bends_more(self, lipschitz, move, before, after):
        """Return whether the term curves more along a move than a constant allows.

        Parameters
        ----------
        lipschitz : float
        move : ndarray
            Of the variable.
        before, after : ndarrays over cells
            Images at its two ends; their rounding is allowed for.
        """
        curve = _length(self._root * (after - before))
        most = np.sqrt(lipschitz) * _length(move)
        if not curve > most:
            return False
        rounding = 8 * np.finfo(before.dtype).eps
        return curve > most + rounding * _length(self._root * before)

    @cached_property
    def _root(self):
        return np.sqrt(self.loss.curvature * self.v)


class StatisticsTerm:
    """The same function as `DataTerm` for the squared loss, through its statistics.

    The image of A is here ``H_t a_t``, a column a task.

    Parameters
    ----------
    statistics : Statistics
    null_value : float
        Value at A = 0.
    """

    def __init__(self, statistics, null_value):
        self.statistics = statistics
        self._null_value = null_value

    def image(self, A):
        """Return the ``H_t a_t``."""
        return self.statistics.multiply(A)

    def gradient(self, Z):
        """Return the gradient by A at the image Z."""
        return Z - self.statistics.moments

    def value_at(self, A, Z):
        """Return the value at A with the image Z."""
        linear = np.vdot(self.statistics.moments, A)
        return self._null_value + 0.5 * float(np.vdot(A, Z)) - float(linear)

    def hessian(self, Z):
        """Return the Hessian as a function of a direction, whatever Z."""
        return self.statistics.multiply

    def pooled_spectrum(self, n_products):
        """As in `DataTerm`."""
        return self._pooled_spectrum

    @cached_property
    def _pooled_spectrum(self):
        return spectrum(self.statistics.mean())

    def compressed_hessian(self, U, Z):
        """As in `DataTerm`, whatever Z."""
        return self.statistics.compressed(U)

    def spectra(self, scale):
        """As in `DataTerm`."""
        return self.statistics.spectra_over(scale)

    def shifted_inverse(self, R, shift, Z):
        """As in `DataTerm`."""
        return None

    @cached_property
    def lipschitz(self):
        """The Lipschitz constant of the gradient."""
        return self.statistics.largest_eigenvalue()

    def bends_more(self, lipschitz, move, before, after):
        """As in `DataTerm`."""
        length = _length(move)
        if not length > 0:
            return False
        unit = move / length
        curve = np.vdot(unit if unit.ndim == 2 else unit.sum(axis=0), after - before)
        if not curve > lipschitz * length:
            return False
        rounding = 8 * np.finfo(before.dtype).eps
        return curve > lipschitz * length + rounding * _length(before)


class PenalisedTerm:
    """A term and a quadratic penalty, of all that proximal gradient asks for.

    Its image of A is that of the term followed by A, flat: as one more table of cells.

    Parameters
    ----------
    term : DataTerm or StatisticsTerm
    quadratic : Quadratic
    """

    def __init__(self, term, quadratic):
        self._term, self._quadratic = term, quadratic

    def image(self, A):
        """Return the image of A, an array or `Factored`."""
        Z, A = self._term.image(A), as_array(A)
        self._shapes = Z.shape, A.shape
        return np.concatenate([Z.ravel(), A.ravel()])

    def split(self, Z):
        """Return the image by the term, and A."""
        first, second = self._shapes
        size = np.prod(first, dtype=np.intp)
        return Z[:size].reshape(first), Z[size:].reshape(second)

    def gradient(self, Z):
        """Return the gradient by A at the image Z."""
        Z, A = self.split(Z)
        bent = self._quadratic.gradient(A).astype(Z.dtype, copy=False)
        return self._term.gradient(Z) + bent

    def value_at(self, A, Z):
        """Return the value at A with the image Z."""
        Z, _ = self.split(Z)
        return self._term.value_at(A, Z) + self._quadratic.value(as_array(A))

    def hessian(self, Z):
        """Return the Hessian at the image Z as a function of a direction."""
        product = self._term.hessian(self.split(Z)[0])
        return lambda D: product(D) + self._quadratic.gradient(as_array(D))

    @property
    def lipschitz(self):
        """A Lipschitz constant of the gradient."""
        return self._term.lipschitz + self._quadratic.curvature

    def bends_more(self, lipschitz, move, before, after):
        """As in `DataTerm`, less what the quadratic bends."""
        length = _length(move)
        if not length > 0:
            return False
        unit = move / length
        whole = unit if unit.ndim == 2 else unit.sum(axis=0)
        rest = lipschitz - 2.0 * self._quadratic.value(whole)
        ends = [self.split(Z)[0] for Z in (before, after)]
        return rest < 0 or self._term.bends_more(rest, move, *ends)
