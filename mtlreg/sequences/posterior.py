"""Covariances of what mean regularisation estimates, as of a mixed model."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from mtlreg.problem import costs
from mtlreg.problem.rows import append_ones
from mtlreg.sequences.leave_one_out import quadratic_forms
from mtlreg.solvers.components import reduce_tasks, triangles
from mtlreg.solvers.pooling import pseudo_inverse


@dataclass(frozen=True, eq=False)
class Posterior:
    """The covariances, in units of the noise, of the coefficients given the data.

    Mean regularisation of least squares with weights v is a mixed model: noise of
    variance ``s2 / v_ti``, deviations of variances ``s2 / alpha`` around a mean m that
    is free at ``alpha_mean = 0`` and else of variance ``s2 (1 / alpha_mean - 1 / alpha)
    / T``. With M_t of `reduce_tasks`, D = 1 / alpha and E the inverse of the variance
    of m::

        Cov(m) = s2 [sum_t M_t + E]^-1
        Cov(a_t) = s2 (D - D M_t D) + (I - D M_t) Cov(m) (I - M_t D)

    of the errors of prediction. Shrunken intercepts are a last feature of ones. Free
    ones are solved for first: the rest is in rows about the means of the tasks, and s2
    over the weight of a task is the variance of its mean.

    Attributes
    ----------
    grams : ndarray of shape (q, q, n_tasks) or None
        The H_t.
    rows : ndarray of shape (n_tasks, m, q) or None
        In their place the B_t with ``B_t'B_t = H_t`` where these take less.
    square : float
        The sum of the squared residuals under v.
    n_rows : int
        Rows of positive weight.
    ratios, pull : ndarrays of shape (q,)
        The diagonals of D and E.
    means : ndarray of shape (n_features, n_tasks) or None
        Of the features, where intercepts are free.
    totals : ndarray of shape (n_tasks,)
        Sums of v.
    units : ndarray of shape (n_tasks + 1,)
        The inverse of what a row of weight 1 weighs in v, last that of a new task.
    """

    grams: np.ndarray | None
    rows: np.ndarray | None
    square: float
    n_rows: int
    ratios: np.ndarray
    pull: np.ndarray
    means: np.ndarray | None
    totals: np.ndarray
    units: np.ndarray

    @classmethod
    def of_problem(cls, problem, data, A, free, units=None):
        """Return the posterior of a solution, or None where it takes too much.

        Parameters
        ----------
        problem : Problem
            Of the squared loss, with a penalty that has a `task_matrix`.
        data : MultiTaskData
            Its rows.
        A : ndarray of shape (q, n_tasks)
        free : bool
            Whether intercepts are free.
        units : ndarray of shape (q,), optional
            What the features are divided by in the problem, if intercepts are shrunken.
        """
        design, (q, n_tasks) = problem.design, A.shape
        used = design.v > 0
        sizes = design.cells.sum(used.astype(np.float64)).astype(np.intp)
        few = int(sizes.max())
        if 8 * q * min(few, q) * n_tasks > costs.KEPT_BYTES:
            return None
        means = design.means.copy() if free else None
        grams = rows = None
        if few < q:
            rows = _rows_of_tasks(data.X, design, used, sizes, means)
        else:
            grams = np.empty((q, q, n_tasks))
            design.grams(grams)
            if units is not None:
                grams *= (units[:, None] * units)[:, :, None]
        term = problem.term
        square = 2.0 * term.value(term.image(A.astype(np.float64)))
        strengths = problem.penalty.task_matrix
        alpha, alpha_mean = (
            np.broadcast_to(s, q).astype(np.float64) for s in strengths
        )
        if units is not None:
            alpha, alpha_mean = alpha * units**2, alpha_mean * units**2
        fixed = alpha_mean == np.inf
        share = np.divide(alpha_mean, alpha, out=np.ones(q), where=~fixed)
        with np.errstate(divide="ignore"):
            # inf where tasks are on their own, which no mean ties, and where it is 0
            pull = n_tasks * alpha_mean / (1.0 - share)
        totals, weights = design.task_weights, data.cells.total(data.weight)
        units = np.append(weights / totals, weights.sum() / totals.sum())
        n_rows = int(sizes.sum())
        return cls(grams, rows, square, n_rows, 1.0 / alpha, pull, means, totals, units)

    def __eq__(self, other):
        names = [field.name for field in fields(self)]
        return isinstance(other, Posterior) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in names
        )

    def __hash__(self):
        return hash((self.square, self.n_rows))

    def __getstate__(self):
        # without what was computed on the way
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _hessians(self):
        """The H_t, (n_tasks, q, q)."""
        if self.rows is not None:
            return self.rows.swapaxes(1, 2) @ self.rows
        return np.ascontiguousarray(np.moveaxis(self.grams, 2, 0))

    @cached_property
    def _matrices(self):
        """The M_t, (n_tasks, q, q)."""
        grams = np.moveaxis(self._hessians, 0, 2)
        factor, right = np.zeros(grams.shape), np.zeros(grams.shape[1:])
        triangles(grams, np.zeros(right.shape), factor, right)
        matrices = reduce_tasks(factor, right, self.ratios)[0]
        return np.ascontiguousarray(np.moveaxis(matrices, 2, 0))

    @cached_property
    def common(self):
        """Cov(m), (q, q); 0 along what no row of any task determines."""
        sums = self._matrices.sum(axis=0)
        tied = np.flatnonzero(self.pull < np.inf)
        square = np.ix_(tied, tied)
        system = sums[square] + np.diag(self.pull[tied])
        unit = np.sqrt(np.abs(np.diag(system)))
        unit = np.where(unit > 0, unit, 1.0)
        out = np.zeros(sums.shape)
        out[square] = pseudo_inverse(system / np.outer(unit, unit))
        out[square] /= np.outer(unit, unit)
        return out

    @cached_property
    def by_task(self):
        """The Cov(a_t), (n_tasks, q, q)."""
        root, eye = np.sqrt(self.ratios), np.eye(len(self.ratios))
        # D - D M D = D^1/2 (I + D^1/2 H D^1/2)^-1 D^1/2, which does not cancel
        scales = np.outer(root, root)
        own = np.linalg.inv(eye + self._hessians * scales) * scales
        share = eye - self.ratios[:, None] * self._matrices
        return own + share @ self.common @ share.swapaxes(1, 2)

    @property
    def reliability(self):
        """The shares ``(D M_t)_qq`` of the own data in the intercepts, (n_tasks,)."""
        if self.means is not None:
            return np.ones(len(self.totals))
        return self.ratios[-1] * self._matrices[:, -1, -1]

    @cached_property
    def noise(self):
        """The s2: weighted squared residuals over what the fit leaves of the rows.

        That are the rows less the trace of the matrix that maps targets to fits.
        """
        matrices = self._matrices
        # tr(H_t C_t) with H_t (I + D H_t)^-1 = M_t
        own = np.einsum("tjj,j->", matrices, self.ratios)
        share = matrices - matrices @ (self.ratios[:, None] * matrices)
        used = float(own + np.sum(share.sum(axis=0) * self.common))
        used += len(self.totals) if self.means is not None else 0
        if self.n_rows - used <= 1e-8 * self.n_rows:
            raise ValueError(
                "the fit leaves no degrees of freedom for the variance of the noise: "
                "increase alpha and alpha_mean, or fit more rows"
            )
        return self.square / (self.n_rows - used)

    def coefficient_deviations(self, n_features):
        """Return the standard deviations of the slopes, (n_tasks, n_features)."""
        variances = np.einsum("tjj->tj", self.by_task)[:, :n_features]
        return np.sqrt(self.noise * variances)

    def mean_deviations(self, n_features):
        """Return those of the mean of the slopes, (n_features,)."""
        return np.sqrt(self.noise * np.diag(self.common)[:n_features])

    def of_rows(self, X, codes, noise):
        """Return the variances of the means at rows, or of new observations there.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        codes : ndarray of int, shape (n, m)
            Tasks; -1: one without data.
        noise : bool
        """
        unseen = codes < 0
        if self.means is not None and unseen.any():
            raise ValueError(
                "free intercepts say nothing of a task that fit has not seen: fit with "
                "alpha_intercept > 0, or cv='reml', for its standard deviations"
            )
        Z, m = X.astype(np.float64), codes.shape[1]
        if Z.shape[1] < len(self.ratios):
            Z = np.column_stack([Z, np.ones(len(Z))])
        Z, tasks = np.repeat(Z, m, axis=0), codes.ravel()
        if self.means is not None:
            Z -= self.means.T[tasks]
        other = self.common + np.diag(self.ratios)
        # the last is that of code -1
        every = np.concatenate([self.by_task, other[None]])
        out = quadratic_forms(every, tasks % len(every), Z)
        if self.means is not None:
            out += 1.0 / self.totals[tasks]
        if noise:
            out += self.units[tasks]
        return self.noise * out.reshape(codes.shape)


def _rows_of_tasks(X, design, used, sizes, means):
    """Return the rows of every task by the roots of v, filled up with rows of zeros."""
    X = X.toarray() if sp.issparse(X) else X
    X = X.astype(np.float64)
    if X.shape[1] < design.n_features:
        X = append_ones(X)
    n_tasks = len(sizes)
    if design.cells.offsets is None:
        tasks, rows = np.nonzero(used.T)
    else:
        rows = np.flatnonzero(used)
        tasks = np.repeat(np.arange(n_tasks), np.diff(design.cells.offsets))[rows]
    starts = np.cumsum(sizes) - sizes
    held = X[rows] if means is None else X[rows] - means.T[tasks]
    v = design.v[rows] if design.v.ndim == 1 else design.v[rows, tasks]
    out = np.zeros((n_tasks, int(sizes.max()), X.shape[1]))
    out[tasks, np.arange(len(tasks)) - starts[tasks]] = np.sqrt(v)[:, None] * held
    return out
