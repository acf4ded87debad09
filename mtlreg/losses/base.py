"""The contract of a loss: a function of predictions that never sees X."""

import functools
from abc import ABC, abstractmethod

import numpy as np

_CHUNK = 2**14  # cells whose temporaries stay in the cache
_SHORTEST = 1e-8  # length of a Newton step whose square is rounding


def sum_in_chunks(method):
    """Make a method that sums over cells take a limited number of them at a time.

    Its arguments are arrays over cells, of one shape; what is named is passed on.
    """

    @functools.wraps(method)
    def summed(self, *cells, **named):
        if cells[0].size <= _CHUNK:
            return method(self, *cells, **named)
        n_rows, *rest = cells[0].shape
        step = max(1, _CHUNK // int(np.prod(rest)))
        chunks = (slice(start, start + step) for start in range(0, n_rows, step))
        return sum(
            method(self, *(part[rows] for part in cells), **named) for rows in chunks
        )

    return summed


class Loss(ABC):
    """Convex loss of a linear prediction, summed over cells with weights ``v``.

    A cell is one observed target of one task. Predictions ``z``, targets ``y`` and
    weights ``v`` are arrays of one shape (the rows of stacked tasks, or rows by tasks);
    a cell of weight 0 takes no part. A perfect prediction has loss 0.

    Attributes
    ----------
    curvature : float
        ``sup_z`` of the second derivative of the loss; the gradient of ``value`` is
        Lipschitz with this constant in the metric of ``v``.
    quadratic : bool
        Whether the second derivative is constant.
    binary : bool
        Whether the targets are -1 and 1, as classifiers have them.
    unbounded : str
        What targets have that make the best constant prediction infinite, for messages.
    error_factor : float
        What the mean loss is multiplied by to be the error that scores report, such as
        2 for the mean squared error.
    """

    curvature: float
    quadratic = False
    binary = False
    unbounded = "no finite optimum"
    error_factor = 1.0

    @abstractmethod
    def pointwise(self, z, y):
        """Return ``loss(y, z)`` of every cell."""

    @abstractmethod
    def value(self, z, y, v):
        """Return ``sum v loss(y, z)``."""

    @abstractmethod
    def gradient(self, z, y, v):
        """Return ``v loss'(y, z)``, the derivative by ``z``, an array like ``z``."""

    @abstractmethod
    def hessian(self, z, y, v):
        """Return ``v loss''(y, z)``, an array like ``z``."""

    def derivatives(self, z, y, v):
        """Return `gradient` and `hessian`, where they cost less together."""
        return self.gradient(z, y, v), self.hessian(z, y, v)

    @abstractmethod
    def conjugate(self, u, y, v):
        """Return ``sum v loss*(y, u / v)``, the Fenchel conjugate of ``value``."""

    @abstractmethod
    def divergence(self, z, u, y, v, scale=1.0):
        """Return ``value(z) + conjugate(u) - <u, z>`` as a sum of terms >= 0.

        It is 0 exactly at ``u = gradient(z)``; unlike the three parts it does not
        cancel near there. With a ``scale``, u stands for that times u.
        """

    @abstractmethod
    def constant(self, mean):
        """Return the best constant prediction for targets of the weighted ``mean``."""

    def bounded(self, y, v, cells):
        """Return which tasks have a finite best constant prediction; True for all."""
        return np.isfinite(self.constant(cells.sum(v * y) / cells.sum(v)))

    def shrunken_constant(self, y, v, cells):
        """Return a finite constant for every task that is near the best, (n_tasks,).

        By default that of the task and one more target, the mean of the tasks.
        """
        sums, weights = cells.sum(v * y), cells.sum(v)
        return self.constant((sums + np.mean(sums / weights)) / (weights + 1.0))

    @abstractmethod
    def check_target(self, y):
        """Raise ValueError unless every target is in the domain of the loss."""

    @abstractmethod
    def inverse_link(self, z):
        """Return the expected target at prediction ``z``."""

    def damping(self, variance):
        """Return what brings a mean over normal predictions down to one prediction.

        ``inverse_link(damping(s^2) z)`` is about the mean of ``inverse_link`` over
        predictions of the mean z and the variance s^2; 1 where that is linear. Of
        predictions that it has damped, with ``-s^2`` of theirs, it is the inverse.
        """
        return np.ones_like(variance)

    def fit_intercept(self, z, y, v, cells, start=None):
        """Return the intercepts b (n_tasks,) that minimise ``value(z + b)``.

        Newton's method on every task at once, kept inside a bracket: the best constant
        b_0 of the task satisfies ``b_0 - max z <= b <= b_0 - min z``, because ``loss'``
        grows with the prediction. Stops when the slope is rounding error, or after a
        step so short that it will be.

        Parameters
        ----------
        z, y, v : ndarray
            Predictions without intercept, targets, weights.
        cells : Cells
            Sums over the cells of a task.
        start : ndarray of shape (n_tasks,), optional
            Where to start, such as the optimum of a nearby ``z``.
        """
        constant = self.constant(cells.sum(v * y) / cells.sum(v))
        lower, upper = constant - cells.max(z), constant - cells.min(z)
        b = np.clip(constant if start is None else start, lower, upper)
        for _ in range(100):
            slopes, bends = self.derivatives(z + cells.spread(b), y, v)
            slope = cells.sum(slopes)
            noise = 4 * np.finfo(float).eps * cells.sum(np.abs(slopes))
            if np.all(np.abs(slope) <= noise):
                break
            lower = np.where(slope < 0, b, lower)
            upper = np.where(slope > 0, b, upper)
            bend = cells.sum(bends)
            with np.errstate(over="ignore"):  # then it is not inside the bracket
                newton = b - slope / np.where(bend > 0, bend, np.inf)
            done = np.abs(slope) <= noise
            inside = (newton > lower) & (newton < upper) & (bend > 0)
            short = inside & (np.abs(newton - b) <= _SHORTEST)
            moved = np.where(inside, newton, 0.5 * (lower + upper))
            before, b = b, np.where(done, b, moved)
            if np.all(done | short) or np.array_equal(b, before):
                break
        return b


def ratio(u, v):
    """Return ``u / v``, and 0 in the cells of weight 0."""
    if v.all():
        return u / v
    return np.divide(u, v, out=np.zeros_like(u, dtype=float), where=v > 0)
