"""Norms of the columns of A, each in the metric of a matrix of its task."""

import numpy as np

from mtlreg._numba import njit
from mtlreg.penalties.on_face import AtRest
from mtlreg.penalties.prior import TaskPrior

_EPS = np.finfo(np.float64).eps
# of a column, off the directions of its metric: it may have been rounded to float32
_ROUNDING = 4.0 * np.finfo(np.float32).eps


@njit
def _shrink(values, threshold, W):
    # rows w of W become argmin_s ||s - w||^2 / 2 + threshold (sum values s^2)^(1/2), 0
    # where a value is 0: w r / (r + threshold values) with r the norm of the result,
    # sum values w^2 / (r + threshold values)^2 = 1, in units of the largest value and
    # entry; Newton's method on one over the root of that sum rises to r from the left
    for t in range(W.shape[0]):
        flattest, largest = 0.0, 0.0
        for i in range(W.shape[1]):
            if values[t, i] > 0.0:
                flattest = max(flattest, values[t, i])
                largest = max(largest, abs(W[t, i]))
            else:
                W[t, i] = 0.0
        if largest == 0.0:
            continue
        tau = threshold * np.sqrt(flattest) / largest
        dual, square = 0.0, 0.0
        for i in range(W.shape[1]):
            if values[t, i] > 0.0:
                value, w = values[t, i] / flattest, W[t, i] / largest
                dual += w * w / value
                square += w * w * value
        if np.sqrt(dual) <= tau:
            for i in range(W.shape[1]):
                W[t, i] = 0.0
            continue
        r = max(np.sqrt(square) - tau, 0.0)
        for _ in range(50):
            squares, slope = 0.0, 0.0
            for i in range(W.shape[1]):
                if values[t, i] > 0.0:
                    value, w = values[t, i] / flattest, W[t, i] / largest
                    below = r + tau * value
                    share = value * (w / below) * (w / below)
                    squares += share
                    slope += share / below
            change = (np.sqrt(squares) - 1.0) * squares / slope
            r = max(r + change, 0.0)
            if abs(change) <= 1e-15 * r:
                break
        for i in range(W.shape[1]):
            if values[t, i] > 0.0:
                W[t, i] *= r / (r + tau * (values[t, i] / flattest))


class TaskMetrics:
    """The norms ``(a_t' H_t a_t)^(1/2)`` of the columns of A, for H_t >= 0 of tasks.

    By eigenvalues and eigenvectors. Columns lie in the range of their H_t: what is off
    it is rounding, or has an infinite norm.

    Parameters
    ----------
    values : ndarray of shape (n_tasks, k)
        The eigenvalues > 0, and 0 where a task has fewer.
    vectors : ndarray of shape (n_tasks, n_features, k) or (1, n_features, k)
        Their eigenvectors in columns, perhaps the same for all tasks.
    """

    def __init__(self, values, vectors):
        self.values, self.vectors = values, vectors

    @classmethod
    def of_matrices(cls, matrices):
        """Return those of the H_t, (n_tasks, n_features, n_features).

        Raises
        ------
        ValueError
            Where these are no symmetric matrices >= 0.
        """
        H = np.asarray(matrices)
        square = H.ndim == 3 and H.shape[1] == H.shape[2] and H.dtype.kind in "iuf"
        if not (square and np.all(np.isfinite(H))):
            raise ValueError(
                f"metric must be 'identity', 'design', or finite numbers of the shape "
                f"(n_tasks, n_features, n_features); got {matrices!r}"
            )
        H = H.astype(np.float64)
        sizes = np.abs(H).max(axis=(1, 2), initial=0.0)
        apart = np.abs(H - H.swapaxes(1, 2)).max(axis=(1, 2), initial=0.0)
        values, vectors = np.linalg.eigh(H)
        least = values.min(axis=1, initial=0.0)
        wrong = np.maximum(apart, -least) > 100 * H.shape[1] * _EPS * sizes
        if wrong.any():
            raise ValueError(
                f"metric must hold symmetric matrices without negative eigenvalues; "
                f"that of the task in the place {np.flatnonzero(wrong)[0]} is none"
            )
        return cls(*_of_rank(np.where(values > _least(values), values, 0.0), vectors))

    @classmethod
    def of_spectra(cls, values, vectors, kept):
        """Return those of the H_t of some tasks; those of the others are 0.

        Parameters
        ----------
        values : ndarray of shape (n_kept, n_features)
            Eigenvalues in rising order, 0 where they are rounding.
        vectors : ndarray of shape (n_features, n_kept or 1, n_features)
            As ``vectors[:, t]``, those of a task in its columns.
        kept : ndarray of bool, shape (n_tasks,)
        """
        values, vectors = _of_rank(values, np.moveaxis(vectors, 1, 0))
        if not kept.all():
            few, values = values, np.zeros((len(kept), values.shape[1]))
            values[kept] = few
            if len(vectors) > 1:
                few, vectors = vectors, np.zeros((len(kept), *vectors.shape[1:]))
                vectors[kept] = few
        return cls(values, vectors)

    def __repr__(self):
        n_features = self.vectors.shape[1]
        return f"<{len(self.values)} matrices of {n_features} features>"

    def __eq__(self, other):
        return isinstance(other, TaskMetrics) and all(
            np.array_equal(mine, vars(other)[name]) for name, mine in vars(self).items()
        )

    def check_shape(self, n_features, n_tasks):
        """Raise ValueError unless there is a matrix of such a size for every task."""
        shape = len(self.values), *self.vectors.shape[1:2]
        if shape != (n_tasks, n_features):
            raise ValueError(
                f"metric has {shape[0]} matrices of {shape[1]} features, but there are "
                f"{n_tasks} tasks and {n_features} features; give it one for each task"
            )

    def matrices(self):
        """Return the H_t, (n_tasks, n_features, n_features)."""
        return (self.vectors * self.values[:, None]) @ self.vectors.swapaxes(1, 2)

    def restrict(self, features=None, tasks=None):
        """Return those of some features and tasks."""
        values, vectors = self.values, self.vectors
        if tasks is not None:
            values = values[tasks]
            vectors = vectors[tasks] if len(vectors) > 1 else vectors
        if features is None:
            return TaskMetrics(values, vectors)
        H = TaskMetrics(values, vectors).matrices()
        return self.of_matrices(H[:, features][:, :, features])

    def coordinates(self, A):
        """Return the columns of A along the eigenvectors, (n_tasks, k), in float64."""
        A = np.asarray(A, dtype=np.float64)
        if len(self.vectors) == 1:
            return np.ascontiguousarray(A.T @ self.vectors[0])
        rows = np.ascontiguousarray(A.T)
        return (rows[:, None] @ self.vectors)[:, 0]

    def columns(self, coordinates):
        """Return the A of some coordinates, that of `coordinates` in the range."""
        C = np.where(self.values > 0, coordinates, 0.0)
        if len(self.vectors) == 1:
            return self.vectors[0] @ C.T
        return np.ascontiguousarray((self.vectors @ C[:, :, None])[:, :, 0].T)

    def inside(self, A):
        """Return A if its columns are in the ranges, else the nearest that are."""
        if np.all(np.count_nonzero(self.values, axis=1) == len(A)):
            return A
        exact = np.asarray(A, dtype=np.float64)
        nearest = self.columns(self.coordinates(exact))
        off, size = _lengths(exact - nearest), _lengths(exact)
        if np.all(off <= _ROUNDING * size):
            return A
        return nearest.astype(np.result_type(A, np.float32), copy=False)

    def norms(self, A):
        """Return the norms of the columns of A, of those in the ranges."""
        return np.linalg.norm(np.sqrt(self.values) * self.coordinates(A), axis=1)

    def dual_norms(self, G):
        """Return the least s_t with ``<g_t, a> <= s_t ||a||`` for a in the ranges."""
        C, held = self.coordinates(G), self.values > 0
        C = np.divide(C, np.sqrt(self.values), out=np.zeros_like(C), where=held)
        return np.linalg.norm(C, axis=1)

    def prox(self, A, threshold):
        """Return the prox of the sum of the norms times a threshold, in float64."""
        W = self.coordinates(A)
        _shrink(self.values, float(threshold), W)
        return self.columns(W)

    def space(self, penalty, W, step):
        """Return the `tangent` of a penalty, alpha times the sum of the norms."""
        return MetricSpace(penalty, self, W, step)

    def mean(self):
        """Return the mean of the H_t as that of every task."""
        if len(self.vectors) == 1:
            values, vectors = np.mean(self.values, axis=0), self.vectors[0]
        else:
            values, vectors = np.linalg.eigh(np.mean(self.matrices(), axis=0))
        held = values > _least(values)
        values = np.broadcast_to(values[held], (len(self.values), held.sum()))
        return TaskMetrics(values, vectors[None, :, held])

    def prior(self, A, alpha):
        """Return that of a task as far off 0 as the columns of A are on average.

        In the metric that is the mean of theirs.
        """
        mean, centre = self.mean(), np.zeros(len(A))
        size = np.mean(mean.norms(A))
        if not size > 0:
            return TaskPrior.of_features(centre, np.full(len(A), np.inf))
        precision = alpha / size * mean.values[0]
        return TaskPrior.of_subspace(centre, mean.vectors[0], precision, np.inf)


class MetricSpace(AtRest):
    """The prox of `TaskMetrics` times alpha, and the moves of columns that are not 0.

    Their coordinates are those along the eigenvectors of each. Near such a column a,
    of the norm n, the norm is smooth in the range of H: its Hessian is
    ``H / n - H a (H a)' / n^3``.

    Parameters
    ----------
    penalty : Penalty
    metrics : TaskMetrics
    W : ndarray of shape (n_features, n_tasks)
    step : float
    """

    def __init__(self, penalty, metrics, W, step):
        super().__init__(penalty, W, step)
        tasks = np.flatnonzero(self.A.any(axis=0))
        self._tasks, self._metrics = tasks, metrics.restrict(tasks=tasks)
        values = self._metrics.values
        self._free = values > 0
        self.dimension = np.count_nonzero(self._free)
        unit = np.sqrt(values) * self._metrics.coordinates(self.A[:, tasks])
        norms = np.linalg.norm(unit, axis=1, keepdims=True)
        self._unit, self._bend = unit / norms, penalty.alpha * values / norms
        # alpha H a / n has digits that the difference of W and A has lost
        slopes = penalty.alpha * np.sqrt(values) * self._unit
        slopes -= self._metrics.coordinates(self.subgradient[:, tasks])
        self.subgradient[:, tasks] += self._metrics.columns(slopes)

    def coordinates(self, B):
        return self._metrics.coordinates(B[:, self._tasks])[self._free]

    def matrix(self, x):
        out = np.zeros(self.A.shape)
        out[:, self._tasks] = self._metrics.columns(self._table(x))
        return out

    def retract(self, moved):
        """Return the columns, but for 0 where they have turned away from those of A."""
        before = self._metrics.coordinates(self.A[:, self._tasks])
        after = self._metrics.coordinates(moved[:, self._tasks])
        turned = np.sum(self._metrics.values * before * after, axis=1) <= 0
        out = moved.copy()
        out[:, self._tasks[turned]] = 0
        return out

    def _table(self, x):
        table = np.zeros(self._free.shape)
        table[self._free] = x
        return table

    def resolvent(self, sigma):
        """Return x -> ``(sigma + N)^-1 x`` in coordinates, as `OnFace` does."""
        unit, bend = self._unit, self._bend
        scale = 1.0 / (sigma + bend)
        across = scale * np.sqrt(bend) * unit
        # one less the sum of bend unit^2 scale, whose unit^2 sum up to one
        rest = np.sum(sigma * scale * unit**2, axis=1, keepdims=True)

        def apply(x):
            V = self._table(x)
            along = np.sum(across * V, axis=1, keepdims=True) / rest
            return (scale * V + across * along)[self._free]

        return apply


def _of_rank(values, vectors):
    """Return eigenvalues and vectors without those that are 0 in every task."""
    held = np.any(values > 0, axis=0)
    kept = values[:, held], vectors[:, :, held]
    return tuple(map(np.ascontiguousarray, kept))


def _least(values):
    """Return what eigenvalues (..., n_features) of one matrix are more than, or 0."""
    largest = values.max(axis=-1, keepdims=True, initial=0.0)
    return 10 * values.shape[-1] * _EPS * largest


def _lengths(A):
    return np.linalg.norm(A, axis=0)
