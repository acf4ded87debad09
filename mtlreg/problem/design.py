"""The linear map from task parameters to predictions."""

import copy
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, eigsh

from mtlreg.problem import costs
from mtlreg.problem.grams import (
    column_kernels,
    gram_columns,
    gram_tasks,
    inner_products,
    kernel_tasks,
    weighted_gram,
    weighted_kernels,
)
from mtlreg.problem.rows import (
    BATCH_ENTRIES,
    CONSTANT,
    adjoint64,
    adjoint_tasks,
    block_diagonal,
    centre_sparse,
    centre_tasks,
    column_moments,
    equal_tasks,
    nonzero_rows,
    predict_tasks,
    product64,
    promotes,
    sparse_moments,
    sparse_task_moments,
    take_columns,
    task_moments,
)


class Design(ABC):
    """The map A -> (X_t - 1 xbar_t') a_t, one column of A a task.

    With an intercept xbar_t is the weighted mean of the rows of task t: the intercept
    of the centred problem is then independent of A up to the curvature of the loss,
    whatever the offsets of the features. Dense rows are centred once, in a copy, unless
    no mean is larger than the deviation of its column; of sparse rows those columns
    whose mean is far larger. Any other means are subtracted from the products. In
    products with float64 dense rows of float32 are centred anew, without the rounding
    of the copy.

    Parameters
    ----------
    data : MultiTaskData
    v : ndarray of the shape of ``data.y``
        Weights ``c_t w_ti / W_t`` of the objective.
    centred : bool
        Whether there is an intercept.

    Attributes
    ----------
    means : ndarray of shape (n_features, n_tasks)
        xbar_t in the units of X; 0 without centring.
    shift : ndarray like means, or None
        What is left to subtract from the products.
    square_norms : ndarray of shape (n_features, n_tasks)
        ``sum_i v_ti (x_tij - xbar_tj)^2``, 0 where the column is constant in the task.
    """

    def __init__(self, data, v, centred):
        self.v = v
        self.centred = centred
        self.cells = data.cells
        self.n_features = data.X.shape[1]
        self.dtype = data.X.dtype
        self.task_weights = self.cells.total(v)
        self.n_tasks = self.task_weights.size
        shape = self.n_features, self.n_tasks
        self.X, means, shift, squares = self._centre(data)
        self.shift = None if shift is None else np.broadcast_to(shift, shape)
        self._narrow_shift = shift
        self._given = None
        if promotes(self.X, means):  # the rows as given, and what centres the copy
            centre = means if shift is None else means - shift
            centre = centre[:, :1] if self.cells.offsets is None else centre
            self._given = data.X, np.ascontiguousarray(centre.T)
        self.means = np.broadcast_to(means, shape)
        norms = self._square_norms(means, squares)
        weights = self.task_weights
        alike = norms.shape[1] == 1 and np.all(weights == weights[0])
        norms = norms * (weights[:1] if alike else weights)
        self.square_norms = np.broadcast_to(norms, shape)
        dead = self.square_norms == 0
        self._dead = dead if dead.any() else None

    @abstractmethod
    def _centre(self, data):
        """Return X (a copy where columns are centred), the means, the shift and the
        weighted mean squares of the stored columns about their means, all (d, T), or
        (d, 1) where they are those of every task.
        """

    @abstractmethod
    def _product(self, A, features=None):
        """Return ``X_t a_t`` of the centred rows for every task, of some features."""

    @abstractmethod
    def _adjoint(self, R):
        """Return ``X_t' r_t`` of the centred rows for every task, a (d, T) array."""

    @abstractmethod
    def rows(self, t):
        """Return the stored rows of positive weight of task t and their weights v."""

    @abstractmethod
    def select(self, values, t):
        """Return the cells of an array that belong to ``rows(t)``."""

    @abstractmethod
    def grams(self, out, weight=None, features=None):
        """Write the `gram` of every task to ``out``, (k, k, n_tasks).

        Parameters
        ----------
        out : ndarray
        weight : ndarray over cells, optional
        features : ndarray of int, shape (k,), optional
        """

    @abstractmethod
    def _largest_by_task(self):
        """Return what `largest_eigenvalues` does, of rows that are not all the same."""

    def predict(self, A):
        """Return the predictions without intercept, an array over cells.

        They are computed in the precision of A, also where X is float32.
        """
        used = np.flatnonzero(nonzero_rows(A))
        if len(used) < self._gathered_share * len(A):
            Z = self._product(A[used], used)
        else:
            Z = self._product(A)
        if self.shift is not None:
            Z -= self.cells.spread(np.einsum("jt,jt->t", self._narrow_shift, A))
        return Z

    def adjoint(self, R):
        """Return ``(X_t - 1 xbar_t')' r_t``, shape (n_features, n_tasks), like R.

        The entry of a feature that is constant within a task is exactly 0.
        """
        G = self._adjoint(R)
        if self.shift is not None:
            G -= self._narrow_shift * self.cells.sum(R)
        if self._dead is not None:
            G[self._dead] = 0.0
        return G

    def _square_norms(self, means, squares):
        """Return the norms of the centred columns over the weight of the task."""
        norms = np.maximum(squares, 0.0)
        scale = norms + means**2
        norms[norms <= CONSTANT * scale] = 0.0
        # an overflow is no constant column
        norms[~np.isfinite(scale)] = np.inf
        return norms

    def exact_rows(self):
        """Return the stored rows, in float64 without the rounding of their copy."""
        if self.X.dtype == np.float64 or sp.issparse(self.X):
            return self.X.astype(np.float64, copy=False)
        X, centre = self._given
        if len(centre) > 1:
            centre = np.repeat(centre, np.diff(self.cells.offsets), axis=0)
        return X - centre

    def exact(self):
        """Return the design with `exact_rows`, for what has to be true in float64."""
        if self.X.dtype == np.float64 or sp.issparse(self.X) or self._given is None:
            return self
        other = copy.copy(self)
        other.X, other._given = self.exact_rows(), None
        return other

    @cached_property
    def columns(self):
        """The stored rows by columns, a csc_array, where X is sparse."""
        return sp.csc_array(self.X)

    def gram(self, t, weight=None, features=None):
        """Return ``sum_i v_i (x_i - xbar)(x_i - xbar)'`` of task t, shape (d, d).

        The entries of a feature that is constant within the task are exactly 0.

        Parameters
        ----------
        t : int
        weight : ndarray, optional
            Weights of the rows of positive weight of task t in the place of v; the
            rows are centred by their mean under these.
        features : ndarray of int, optional
            Only these features.
        """
        rows, v = self.rows(t)
        # dense rows may be stored centred by their mean under v
        centred = weight is None and not sp.issparse(rows) and self.shift is None
        v = v if weight is None else weight
        gram, sums = weighted_gram(rows, v, features)
        total = np.sum(v)
        if self.centred and not centred and total > 0:
            gram -= np.outer(sums, sums / total)
        if self._dead is not None:
            dead = self._dead[:, t] if features is None else self._dead[features, t]
            gram[dead] = 0.0
            gram[:, dead] = 0.0
        return gram

    def _clear_dead(self, grams, features):
        """Set the entries of features that are constant in a task to 0."""
        if self._dead is not None:
            dead = self._dead[features]
            grams[dead[:, None] | dead] = 0.0

    def largest_eigenvalues(self):
        """Return an upper bound of the largest eigenvalue of each H_t, (n_tasks,).

        Exact up to rounding where the rows or the features of a task are at most 1000;
        else the Lanczos value times 1.01, which a solver has to safeguard.
        """
        if self.same_rows:
            first = self._largest_eigenvalue(0) / self.task_weights[0]
            return first * self.task_weights
        return self._largest_by_task()

    def _largest_eigenvalue(self, t):
        rows, v = self.rows(t)
        if not rows.size or not self.square_norms[:, t].any():
            return 0.0
        if min(rows.shape) <= costs.DENSE_SPECTRUM:
            wide = rows.shape[0] < rows.shape[1]
            if wide:
                inner = inner_products(rows)
                matrix = weighted_kernels(inner, v[:, None], self.centred)[0]
            else:
                matrix = self.gram(t)
            return max(float(np.linalg.eigvalsh(matrix)[-1]), 0.0)
        mean = rows.T @ v / np.sum(v) if self.centred else np.zeros(rows.shape[1])

        def hessian(a):
            a = a.ravel()
            r = v * (rows @ a - mean @ a)
            return rows.T @ r - mean * np.sum(r)

        d = rows.shape[1]
        operator = LinearOperator((d, d), matvec=hessian, dtype=np.float64)
        # a start in feature space, so that a row of weight 2 and two rows agree
        start = np.random.default_rng(0).normal(size=d)
        value = eigsh(operator, k=1, v0=start, tol=1e-3, return_eigenvectors=False)[0]
        return 1.01 * float(value)


class SharedDesign(Design):
    """One X for all tasks; cells are an array (n_rows, n_tasks).

    Sparse rows are kept by columns.
    """

    # of rows of A, below which it pays to gather their columns (measured)
    _gathered_share = 0.5

    def _centre(self, data):
        X, v = data.X, self.v
        units = v / self.task_weights
        first = units[:, :1]
        # up to the rounding of sums of weights, which is slower to see
        self.same_rows = bool(np.all(units == first)) or np.allclose(
            units, first, rtol=1e-12, atol=0.0
        )
        units = first if self.same_rows else units
        centre, moments = centre_tasks, column_moments
        if sp.issparse(X):
            X, centre, moments = sp.csc_array(X), centre_sparse, sparse_moments
        if not self.centred:
            means, squares = moments(X, units)
            return X, np.zeros_like(means), None, squares
        one = np.array([0, X.shape[0]])
        X, means, shift, squares = centre(X, units.mean(axis=1), one)
        if self.same_rows:
            return X, means, shift, squares
        # what the means of the tasks, not as rounded, differ from the common centre by
        left, squares = moments(X, units)
        common = means if shift is None else means - shift
        if shift is None and promotes(X, units):
            left = adjoint64(data.X, common.T, units)
        squares -= left**2
        doubtful = np.nonzero((squares <= 1e-8 * left**2) & (left != 0))
        if len(doubtful[0]):
            squares[doubtful] = _square_deviations(X, units, left, *doubtful)
        return X, common + left, left, squares

    def _product(self, A, features=None):
        if promotes(self.X, A):
            return product64(*(take_columns(part, features) for part in self._given), A)
        return (take_columns(self.X, features) @ A).astype(A.dtype, copy=False)

    def _adjoint(self, R):
        if promotes(self.X, R):
            return adjoint64(*self._given, R)
        # for dense rows twice as fast as X' R
        G = self.X.T @ R if sp.issparse(self.X) else (R.T @ self.X).T
        return G.astype(R.dtype, copy=False)

    def rows(self, t):
        held = self.v[:, t] > 0
        if held.all():
            return self.X, self.v[:, t]
        return self.X[held], self.v[held, t]

    def select(self, values, t):
        return values[self.v[:, t] > 0, t]

    def grams(self, out, weight=None, features=None):
        weight = self.v if weight is None else weight
        columns = np.ascontiguousarray(weight.T)
        bits = columns.view(np.dtype((np.void, columns.strides[0])))[:, 0]
        # tasks with the same weights have the same Gram matrix
        _, first, which = np.unique(bits, return_index=True, return_inverse=True)
        if len(first) <= costs.FEW_WEIGHTS:
            for number, t in enumerate(first):
                gram = self.gram(t, self.select(weight, t), features)
                out[:, :, which == number] = gram[:, :, None]
            return
        features = np.arange(self.n_features) if features is None else features
        all_apart = len(first) == self.n_tasks
        apart = weight if all_apart else weight[:, first]
        grams = out if all_apart else np.empty((*out.shape[:2], len(first)), out.dtype)
        gram_columns(self.X, apart, features, self.centred, grams)
        if not all_apart:
            np.take(grams, which, axis=2, out=out)
        self._clear_dead(out, features)

    def _largest_by_task(self):
        n, d = self.X.shape
        if min(n, d) > costs.DENSE_SPECTRUM or self.n_tasks <= costs.FEW_WEIGHTS:
            return np.array([self._largest_eigenvalue(t) for t in range(self.n_tasks)])
        found, live = np.empty(self.n_tasks), self.square_norms > 0
        for part, kernels in column_kernels(self.X, self.v, self.centred, live):
            found[part] = np.linalg.eigvalsh(kernels)[:, -1]
        return np.maximum(found, 0.0)


class StackedDesign(Design):
    """Every task has rows of its own; cells are an array (n_rows,)."""

    same_rows = False

    def _centre(self, data):
        X, offsets = data.X, data.offsets
        units = self.v / self.cells.spread(self.task_weights)
        self._blocks, self._gathered_share = None, 1 / 32
        if not sp.issparse(X):
            if self.centred:
                return centre_tasks(X, units, offsets)
            means, squares = task_moments(X, units, offsets)
            return X, np.zeros_like(means), None, squares
        codes, self._gathered_share = self.cells.spread(np.arange(self.n_tasks)), 0.0
        if self.centred:
            X, *moments = centre_sparse(X, units, offsets)
        else:
            means, squares = sparse_task_moments(X, units, codes, self.n_tasks)
            moments = np.zeros_like(means), None, squares
        self._blocks = block_diagonal(X, codes, self.n_tasks)
        return X, *moments

    def _product(self, A, features=None):
        columns = np.ascontiguousarray(A.T)
        if self._blocks is not None:
            return (self._blocks @ columns.ravel()).astype(A.dtype, copy=False)
        given = self._given if promotes(self.X, A) else (self.X,)
        X, *centre = (take_columns(part, features) for part in given)
        return predict_tasks(X, self.cells.offsets, columns, *centre)

    def _adjoint(self, R):
        if self._blocks is not None:
            G = (self._blocks.T @ R).astype(R.dtype, copy=False)
            G = G.reshape(self.n_tasks, self.n_features)
        else:
            X, *centre = self._given if promotes(self.X, R) else (self.X,)
            G = adjoint_tasks(X, self.cells.offsets, R, *centre)
        return np.ascontiguousarray(G.T)

    def grams(self, out, weight=None, features=None):
        weight = self.v if weight is None else weight
        features = np.arange(self.n_features) if features is None else features
        gram_tasks(self.X, self.cells.offsets, weight, features, self.centred, out)
        self._clear_dead(out, features)

    def _largest_by_task(self):
        d, found = self.n_features, np.empty(self.n_tasks)
        live = self.square_norms.T > 0
        for tasks, rows in equal_tasks(self.cells.offsets, d):
            if len(tasks) > 1:
                weight = self.v[rows]
                kernels = kernel_tasks(self.X, rows, weight, self.centred, live[tasks])
                found[tasks] = np.linalg.eigvalsh(kernels)[:, -1]
            else:
                found[tasks] = self._largest_eigenvalue(tasks[0])
        return np.maximum(found, 0.0)

    def rows(self, t):
        part = self._part(t)
        return self.X[part], self.v[part]

    def select(self, values, t):
        return values[self._part(t)]

    def _part(self, t):
        return slice(*self.cells.offsets[t : t + 2])


def _square_deviations(X, units, means, columns, tasks):
    """Return mean squares of columns, each of a task, from differences to means."""
    found, step = [], max(1, BATCH_ENTRIES // len(units))
    for start in range(0, len(columns), step):
        pairs = columns[start : start + step], tasks[start : start + step]
        rest = take_columns(X, pairs[0]).astype(np.float64)
        rest = rest.toarray() if sp.issparse(rest) else rest
        rest -= means[pairs]
        share = units[:, pairs[1]]
        mean, square = np.sum(share * rest, axis=0), np.sum(share * rest**2, axis=0)
        found.append(np.maximum(square - mean**2, 0.0))
    return np.concatenate(found)


def make_design(data, v, centred):
    """Return the `Design` of the layout of ``data``."""
    layout = SharedDesign if data.offsets is None else StackedDesign
    return layout(data, v, centred)
