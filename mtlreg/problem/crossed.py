"""Least squares with deviations by several groupings of the rows, and its certificate.

For rows i of weights v_i of sum 1, each with a label l_k(i) in every grouping k::

    F = 1/2 sum_i v_i (y_i - z_i)^2 + sum_k 1/2 mean_l <u_kl, alpha_k u_kl>
            + alpha_mean/2 ||m||^2
    z_i = x_i . m + b + sum_k x_i . u_kl,   l = l_k(i)

where the deviations u_kl of the slopes, and of the intercept as a last entry, have the
sum 0 over the labels of a grouping, and a strength alpha_k for each entry. The variable
of a solver are deviations alone, in units ``sqrt(n_labels / alpha_k)`` in which their
penalty is half their square: at an infinite strength these units are 0. The slopes m
and the intercepts that nothing penalises are optimal for the deviations at hand.
"""

import numpy as np
import scipy.sparse as sp

from mtlreg.losses import Squared
from mtlreg.problem.certificate import Certificate
from mtlreg.problem.curvature import pooled_gram
from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.grams import gram_tasks
from mtlreg.problem.pseudo_inverse import inverse_and_null
from mtlreg.problem.rows import append_ones, block_diagonal
from mtlreg.problem.terms import DataTerm
from mtlreg.problem.threads import held_threads, largest_product

_EPS = np.finfo(np.float64).eps
_STEPS = 4  # to what is optimal beside the deviations
_LEAST_SQUARE = np.finfo(np.float64).tiny / _EPS


class CrossedProblem:
    """Deviations by several groupings, least squares.

    Parameters
    ----------
    X : ndarray (C-contiguous) or csr_array of shape (n_rows, n_features)
    y, weight : ndarrays of shape (n_rows,)
        float64; weights > 0.
    codes : list of ndarray of int, shape (n_rows,)
        The label of every row, a grouping after the other, from 0; each label has rows.
    strengths : ndarray of shape (n_groupings, n_features + fit_intercept)
        Of the slopes, and as the last one of the intercept; 0 only there and of one
        grouping at most, whose intercepts are free; inf: there are no deviations.
    alpha_mean : float
        >= 0; with 0 the m of least norm.
    fit_intercept : bool

    Attributes
    ----------
    shape : tuple
        Of the variable: all labels by slopes and intercept.
    null_value : float
        F0, the objective without deviations but for free intercepts.
    dtype : dtype
        float64, whatever that of X.
    work : float
        Multiply-adds of the largest product, see `mtlreg.problem.threads`.

    Raises
    ------
    ValueError
        If squares of the features or targets, or what is made of them, overflow or
        underflow.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, X, y, weight, codes, strengths, alpha_mean, fit_intercept=True):
        X = X.astype(np.float64, copy=False)
        sizes = np.array([labels.max() + 1 for labels in codes])
        free = np.flatnonzero(fit_intercept & (strengths[:, -1] == 0))
        offsets = np.array([0, len(y)])
        if free.size:
            # the rows of one free intercept after those of another
            order = np.argsort(codes[free[0]], kind="stable")
            X, y, weight = X[order], y[order], weight[order]
            codes = [labels[order] for labels in codes]
            counts = np.bincount(codes[free[0]])
            offsets = np.concatenate([[0], np.cumsum(counts)])
        self._free, self._alpha_mean = free, alpha_mean
        self.starts = np.concatenate([[0], np.cumsum(sizes)])
        self._sizes, n_labels = sizes, int(self.starts[-1])
        data = MultiTaskData(X, y, weight, offsets)
        self.work = largest_product(*X.shape)
        held = held_threads(self.work)
        with held, np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            share = data.cells.total(weight) / np.sum(weight)
            self._term = DataTerm(data, Squared(), share, fit_intercept)
            self._design = self._term.design
            units = np.sqrt(sizes[:, None] / strengths)
            units[free, -1] = 0.0
            self._units = np.repeat(units, sizes, axis=0)
            self.shape = self._units.shape
            self._rows = append_ones(X) if fit_intercept else X
            self._codes = codes
            stored = _as_sparse(self._rows)
            self._blocks = [
                block_diagonal(stored, labels + start, n_labels)
                for labels, start in zip(codes, self.starts, strict=False)
            ]
            gram = pooled_gram(self._design)
            gram[np.diag_indices_from(gram)] += alpha_mean
            self._check_range(X, y, gram)
            self._inverse, null, _ = inverse_and_null(gram)
            # of the slopes that the data do not determine
            self._null = np.linalg.qr(null[:, null.any(axis=0)])[0]
            theta, m = self._residual(self._term.y)
            self.null_value = self._half_square(theta) + 0.5 * alpha_mean * float(m @ m)

    def _check_range(self, X, y, gram):
        """Raise ValueError where squares overflow, or nothing is left of them."""
        scale, largest = self._term.scale, abs(X).max()
        # of the Hessian, along a gradient
        curve = 1.0 + np.square(largest * self._units.max())
        most = np.array([np.abs(gram).sum(), curve * curve]) * (1.0 + scale)
        if not np.all(most <= 1 / _LEAST_SQUARE):
            raise ValueError(
                "X or y holds values so large, or alpha is so small, that squares "
                "overflow; rescale the features and the target, or increase alpha"
            )
        lost = scale < _LEAST_SQUARE and np.any(y)
        if lost or 0 < largest < np.sqrt(_LEAST_SQUARE):
            raise ValueError(
                "X or y holds values so small that their squares underflow; "
                "rescale the features and the target"
            )

    def gap_target(self, tol):
        """Return the gap to stop at: ``tol F0``, but nothing below the rounding."""
        return max(tol * self.null_value, 16 * _EPS * self._term.scale)

    def certificate(self, W, Z=None, value=None):
        """Return the `Certificate` of the deviations W.

        With theta the weighted residual at the optimum over all else, the gap is half
        the square of the gradient by W, and over alpha_mean that by m; or F, where more
        than rounding is left of that by free slopes, so that 0 alone is a dual point.
        """
        rest = self._term.y - self._image(W)
        theta, m = self._residual(rest)
        gradient = W - self._adjoint(theta)
        gap = 0.5 * float(np.vdot(gradient, gradient))
        left = self._along(theta) - self._alpha_mean * m
        if self._alpha_mean > 0:
            gap += 0.5 * float(left @ left) / self._alpha_mean
        elif np.any(np.abs(left) > self._noise(theta)):
            gap = self._half_square(theta) + 0.5 * float(np.vdot(W, W))
        return Certificate(gap, self._intercept(rest, m), -theta, gradient)

    def hessian(self, W):
        """Return the product of the Hessian, at the best of all else, with W."""
        theta, _ = self._residual(self._image(W), refined=False)
        return W + self._adjoint(theta)

    def coefficients(self, W):
        """Return what the deviations W, and the best of all else, are in units of X.

        Returns
        -------
        m : ndarray of shape (n_features,)
        b : float
        slopes : list of ndarray of shape (n_labels, n_features), one a grouping
        intercepts : list of ndarray of shape (n_labels,)
        """
        rest = self._term.y - self._image(W)
        _, m = self._residual(rest)
        m -= self._null @ (self._null.T @ m)
        b, d = self._intercept(rest, m), len(m)
        parts = np.split(W * self._units, self.starts[1:-1])
        slopes = [np.ascontiguousarray(part[:, :d]) for part in parts]
        intercepts = [
            part[:, d].copy() if self._term.fit_intercept else np.zeros(len(part))
            for part in parts
        ]
        for k in self._free:
            intercepts[k] = b - b.mean()
        return m, float(b.mean()), slopes, intercepts

    def grams(self, k):
        """Return ``sum_i v_i x_i x_i'`` of the labels of a grouping, in the units of W.

        Of rows less the mean of their label where its intercept is free.

        Returns
        -------
        ndarray of shape (n_labels, q, q)
        """
        q, d, n_labels = self.shape[1], self._design.n_features, self._sizes[k]
        out = np.zeros((q, q, n_labels))
        if k in self._free:
            own = np.empty((d, d, n_labels))
            self._design.grams(own)
            out[:d, :d] = own
        else:
            order = np.argsort(self._codes[k], kind="stable")
            offsets = np.concatenate([[0], np.cumsum(np.bincount(self._codes[k]))])
            rows, v = self._rows[order], self._term.v[order]
            gram_tasks(rows, offsets, v, np.arange(q), False, out)
        units = self._units[self.starts[k]]
        # one after the other, as their product may overflow
        return np.moveaxis(out, 2, 0) * units[:, None] * units

    def squares(self):
        """Return the diagonals of the `grams` of all groupings, of the shape of W."""
        v = self._term.v
        sums = sum(block.power(2).T @ v for block in self._blocks)
        return sums.reshape(self.shape) * self._units * self._units

    def centred(self, W):
        """Return W less its means over the labels of a grouping."""
        means = np.add.reduceat(W, self.starts[:-1]) / self._sizes[:, None]
        return W - np.repeat(means, self._sizes, axis=0)

    def _image(self, W):
        u = (W * self._units).ravel()
        return sum(block @ u for block in self._blocks)

    def _adjoint(self, theta):
        G = sum(block.T @ theta for block in self._blocks)
        return self.centred(G.reshape(self.shape) * self._units)

    def _along(self, theta):
        """Return the derivative by m of what has the derivatives theta."""
        return self._design.adjoint(theta).sum(axis=1)

    def _residual(self, z, refined=True):
        """Return the weighted residual of z after its best m and intercepts, and m."""
        term, theta = self._term, self._term.v * z
        m = np.zeros(self._design.n_features)
        # each takes the rounding of the last off, which is much if features are alike
        for _ in range(_STEPS if refined else 1):
            if term.fit_intercept:
                mean = term.cells.sum(theta) / self._design.task_weights
                theta -= term.v * term.cells.spread(mean)
            move = self._inverse @ (self._along(theta) - self._alpha_mean * m)
            A = np.repeat(move[:, None], self._design.n_tasks, axis=1)
            theta -= term.v * self._design.predict(A)
            m += move
        return theta, m

    def _intercept(self, rest, m):
        """Return the best intercepts, (1,) or one a label where they are free.

        Of what the deviations leave of the targets.
        """
        term = self._term
        if not term.fit_intercept:
            return np.zeros(1)
        best = term.cells.sum(term.v * rest) / self._design.task_weights
        return term.origin + best - m @ self._design.means

    def _noise(self, theta):
        """Bound the rounding of what is left of a gradient by the common slopes."""
        squares = self._design.square_norms.sum(axis=1)
        return 16 * _EPS * np.sqrt(squares * 2.0 * self._half_square(theta))

    def _half_square(self, theta):
        return 0.5 * float(np.sum(theta**2 / self._term.v))


def _as_sparse(rows):
    """Return rows as a csr_array, dense ones with all their entries."""
    if sp.issparse(rows):
        return rows
    n, q = rows.shape
    indices = np.tile(np.arange(q), n)
    return sp.csr_array((rows.ravel(), indices, q * np.arange(n + 1)), rows.shape)
