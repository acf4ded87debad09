"""Mixed models of tasks: restricted likelihood, predictions and their covariances."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from mtlreg._numba import njit_sums
from mtlreg.problem import costs
from mtlreg.sequences.parts import PartStatistics
from mtlreg.solvers.components import reduce_tasks, triangles

_LANES = 32  # tasks in step, so that arithmetic is vectorised over them
_EPS = np.finfo(np.float64).eps
_STARTS = (1e-2, 1.0, 1e2)  # ratios of variances, in units of the Gram matrices
_LARGEST = 1e16  # ratio beyond which there is no noise
_LONGEST = 3.0  # step of the logarithm of a ratio
_LAST_FALL = 1e-7  # of the criterion, after which a step of Newton's method is exact
_MAX_STEPS, _HALVINGS = 200, 30
_FEW = 256  # tasks that lead near the maximum of very many


@njit_sums
def _curve(matrices, residuals, root, image, spread, slope, curve, moved, outer):
    # with M = M_t, h = h_t and Q = M root root' M: slope = sum diag(M - Q) and
    # sum h_i^2, curve = sum M_ij^2 - 2 M_ij Q_ij and sum h_i M_ij h_j,
    # moved_i = sum h_i M_i, outer_i = sum M_i M_i'
    q, n_tasks = residuals.shape
    for first in range(0, n_tasks, _LANES):
        lanes = min(_LANES, n_tasks - first)
        for a in range(q):
            for c in range(root.shape[1]):
                for i in range(lanes):
                    image[a, c, i] = 0.0
                for b in range(q):
                    for i in range(lanes):
                        image[a, c, i] += matrices[a, b, first + i] * root[b, c]
        for a in range(q):
            for b in range(a + 1):
                for i in range(lanes):
                    spread[i] = 0.0
                for c in range(root.shape[1]):
                    for i in range(lanes):
                        spread[i] += image[a, c, i] * image[b, c, i]
                total = both = bent = pulled = other = 0.0
                for i in range(lanes):
                    m = matrices[a, b, first + i]
                    inner = m - spread[i]
                    total += inner
                    both += m * (inner - spread[i])
                    pulled += residuals[a, first + i] * m
                    other += residuals[b, first + i] * m
                    bent += residuals[a, first + i] * m * residuals[b, first + i]
                curve[0, a, b] += both
                curve[1, a, b] += bent
                moved[a, b] += pulled
                if a != b:
                    moved[b, a] += other
                else:
                    slope[0, a] += total
            for i in range(lanes):
                slope[1, a] += residuals[a, first + i] ** 2
            for b in range(q):
                for c in range(b + 1):
                    total = 0.0
                    for i in range(lanes):
                        total += matrices[a, b, first + i] * matrices[a, c, first + i]
                    outer[a, b, c] += total


def _check_size(n_features, n_tasks, intercept):
    size = n_features + intercept
    if 8 * size**2 * n_tasks > costs.MOST_BYTES:
        raise ValueError(
            f"mixed models need a matrix of {size} x {size} numbers for every task, "
            f"too much for {n_tasks} tasks; use cv=5"
        )


def counts_of(data):
    """Return the rows of positive weight of each task, and their log-weights' sums."""
    used = data.weight > 0
    logarithms = np.log(data.weight, out=np.zeros_like(data.weight), where=used)
    return data.cells.sum(used.astype(np.float64)), data.cells.sum(logarithms)


@dataclass(frozen=True)
class TaskFactors:
    """What a mixed model sees of its tasks: ``||R_t a - u_t||^2`` plus a constant.

    It is the weighted sum of squares ``sum_i w_ti (y_ti - z_ti . a)^2`` with z_ti the
    row (1, x_ti), or x_ti without an intercept.

    Attributes
    ----------
    factor : ndarray of shape (q, q, n_tasks)
        The upper triangles R_t.
    right : ndarray of shape (q, n_tasks)
        The u_t.
    left : ndarray of shape (n_tasks,)
        The constants.
    n_rows : ndarray of shape (n_tasks,)
        Rows of positive weight.
    log_weight : float
        Sum of the logarithms of their weights.
    basis : ndarray of shape (q, p)
        Orthonormal, of what the rows of all tasks span.
    """

    factor: np.ndarray
    right: np.ndarray
    left: np.ndarray
    n_rows: np.ndarray
    log_weight: float
    basis: np.ndarray

    @classmethod
    def of_data(cls, data, intercept, origin=0.0):
        """Return the factors of all rows.

        Parameters
        ----------
        data : MultiTaskData
        intercept : bool
        origin : float
            What is to be taken off the targets.

        Raises
        ------
        ValueError
            If there are too many features for it.
        """
        _check_size(data.X.shape[1], len(data.cells.total(data.weight)), intercept)
        part = PartStatistics.of_data(data, centred=intercept)
        return cls.of_statistics(part, *counts_of(data), intercept, origin)

    @classmethod
    def of_statistics(cls, part, n_rows, log_weights, intercept, origin=0.0):
        """Return the factors of the rows that statistics are of.

        Parameters
        ----------
        part : PartStatistics
            Centred with an intercept.
        n_rows, log_weights : ndarray of shape (n_tasks,)
            As of `counts_of`.
        intercept, origin
            As in `of_data`.
        """
        d, n_tasks = part.means.shape
        _check_size(d, n_tasks, intercept)
        q, first = d + intercept, int(intercept)
        gram = part.gram if part.gram.ndim == 3 else part.gram[:, :, None]
        gram = np.broadcast_to(gram, (d, d, n_tasks))
        factor, right = np.zeros((q, q, n_tasks)), np.zeros((q, n_tasks))
        triangles(gram, part.cross, factor, right)
        if intercept:
            root = np.sqrt(part.weight)
            factor[0, 0], factor[0, 1:] = root, root * part.means
            right[0] = root * (part.targets - origin)
        explained = np.sum(right[first:] ** 2, axis=0)
        left = np.maximum(part.square - explained, 0.0)
        log_weight = float(np.sum(log_weights))
        return cls(factor, right, left, n_rows, log_weight, _row_space(factor))

    def some(self):
        """Return the factors of `_FEW` tasks from the first to the last."""
        n_tasks = self.right.shape[1]
        tasks = np.linspace(0, n_tasks - 1, _FEW).astype(np.intp)
        factor, right = self.factor[:, :, tasks], self.right[:, tasks]
        held = self.left[tasks], self.n_rows[tasks], self.log_weight
        return TaskFactors(factor, right, *held, _row_space(factor))

    @property
    def freedom(self):
        """Rows less what the mean takes of them."""
        return float(self.n_rows.sum()) - self.basis.shape[1]

    @property
    def units(self):
        """The mean over the tasks of the diagonals of their Gram matrices, (q,)."""
        return np.einsum("kjt,kjt->j", self.factor, self.factor) / self.right.shape[1]

    def at(self, ratios):
        """Return the `MixedModel` with these ratios of variances to that of the noise.

        Parameters
        ----------
        ratios : ndarray of shape (q,)
        """
        matrices, vectors, sums, tops, totals = reduce_tasks(
            self.factor, self.right, ratios
        )
        inner = self.basis.T @ sums @ self.basis
        unit = np.sqrt(np.diag(inner))
        lower = cholesky(inner / np.outer(unit, unit), lower=True)
        # root root' is the inverse of the sum of the M_t
        root = solve_triangular(lower, (self.basis / unit).T, lower=True).T
        mean = root @ (root.T @ tops)
        freedom = self.freedom
        square = float(self.left.sum() + max(totals[1] - mean @ tops, 0.0))
        log_sum = 2.0 * float(np.sum(np.log(np.diag(lower) * unit)))
        with np.errstate(divide="ignore"):
            criterion = freedom * np.log(square / freedom) + totals[0] + log_sum
        return MixedModel(
            self, ratios, mean, square / freedom, criterion, matrices, vectors, root
        )


@dataclass(frozen=True)
class MixedModel:
    """The model ``y_ti = z_ti . (m + u_t) + e_ti`` at given ratios of variances.

    ``e_ti ~ N(0, s2 / w_ti)`` and ``u_t ~ N(0, s2 D)`` with D the diagonal matrix of
    the ratios, some of which may be 0. With ``V_t = W_t^-1 + Z_t D Z_t'`` all that it
    takes is of the size of R_t::

        M_t = Z_t' V_t^-1 Z_t = R_t'(I + R_t D R_t')^-1 R_t
        r_t = Z_t' V_t^-1 y_t = R_t'(I + R_t D R_t')^-1 u_t
        m = [sum_t M_t]^-1 sum_t r_t,  u_t = D h_t,  h_t = r_t - M_t m

    Attributes
    ----------
    factors : TaskFactors
    ratios : ndarray of shape (q,)
    mean : ndarray of shape (q,)
        The m, of least norm where the rows do not determine it.
    noise : float
        The s2 that is best for the ratios.
    criterion : float
        -2 times the restricted log-likelihood of ratios and s2 but for a constant,
        ``(n - p) log s2 + sum_t log|I + R_t D R_t'| + log|sum_t M_t|``.
    matrices, vectors : ndarrays of shape (q, q, n_tasks) and (q, n_tasks)
        The M_t and r_t.
    root : ndarray of shape (q, p)
        ``root root'`` is the inverse of the sum of the M_t.
    """

    factors: TaskFactors
    ratios: np.ndarray
    mean: np.ndarray
    noise: float
    criterion: float
    matrices: np.ndarray
    vectors: np.ndarray
    root: np.ndarray

    @property
    def log_likelihood(self):
        """The restricted log-likelihood, as mixed models report it."""
        freedom = self.factors.freedom
        constant = freedom * (1.0 + np.log(2.0 * np.pi)) - self.factors.log_weight
        return -0.5 * float(self.criterion + constant)

    @property
    def singular(self):
        """Whether a variance is 0 that the data could tell from it."""
        return bool(np.any((self.ratios == 0) & (self.factors.units > 0)))

    @property
    def residuals(self):
        """The h_t, (q, n_tasks)."""
        return self.vectors - np.tensordot(self.mean, self.matrices, 1)

    @property
    def coefficients(self):
        """The ``m + u_t``, (q, n_tasks)."""
        return self.mean[:, None] + self.ratios[:, None] * self.residuals

    def derivatives(self):
        """Return gradient (q,) and Hessian (q, q) of the criterion by the ratios."""
        q = len(self.ratios)
        residuals, root = self.residuals, np.ascontiguousarray(self.root)
        scratch = np.empty((q, root.shape[1], _LANES)), np.empty(_LANES)
        slope, curve = np.zeros((2, q)), np.zeros((2, q, q))
        moved, outer = np.zeros((q, q)), np.zeros((q, q, q))
        arrays = *scratch, slope, curve, moved, outer
        _curve(self.matrices, residuals, root, *arrays)
        curve = np.tril(curve) + np.tril(curve, -1).swapaxes(1, 2)
        outer = np.tril(outer) + np.tril(outer, -1).swapaxes(1, 2)
        # tr(P V_i P V_j) and y'P V_i P V_j P y with P that of the restricted likelihood
        inner = root.T @ outer @ root
        traces = curve[0] + np.einsum("iab,jab->ij", inner, inner)
        pulled = moved @ root
        squares = curve[1] - pulled @ pulled.T
        shares = slope[1] / self.noise
        gradient = slope[0] - shares
        hessian = 2.0 * squares / self.noise - traces
        return gradient, hessian - np.outer(shares, shares) / self.factors.freedom


def restricted_maximum(factors, groups):
    """Return the `MixedModel` whose variances are of maximal restricted likelihood.

    Newton's method in the logarithms of the ratios, from the best of a few starts; a
    ratio becomes 0 where the criterion falls all the way there, and leaves 0 where it
    falls from there.

    Parameters
    ----------
    factors : TaskFactors
    groups : ndarray of int, shape (q,)
        Which variance a column has: those of a group share one.

    Returns
    -------
    MixedModel

    Raises
    ------
    ValueError
        If the tasks are fitted without noise: the likelihood has no maximum.

    References
    ----------
    Patterson, Thompson (1971), Recovery of inter-block information when block sizes are
    unequal. Harville (1977), Maximum likelihood approaches to variance component
    estimation and to related problems.
    """
    model = None
    if factors.right.shape[1] > 4 * _FEW:
        few = factors.some()
        if few.freedom > 0:
            # fewer steps on all tasks are left from where these lead
            model = _maximum(few, groups)
            model = model and factors.at(model.ratios)
    model = _maximum(factors, groups, model)
    if model is None:
        raise ValueError(
            "reml finds no noise: the tasks are fitted exactly, and the variances have "
            "no estimate; use cv=5"
        )
    return model


def _maximum(factors, groups, model=None):
    """Return the model of `restricted_maximum` or None, perhaps from a given one."""
    members = np.arange(groups.max() + 1)[:, None] == groups
    units = members @ factors.units / members.sum(axis=1)
    unit = np.divide(1.0, units, out=np.zeros_like(units), where=units > 0)
    if model is None:
        starts = [factors.at((start * unit)[groups]) for start in _STARTS]
        model = min(starts, key=lambda start: start.criterion)
    for _ in range(_MAX_STEPS):
        at = np.array([model.ratios[group][0] for group in members])
        if model.noise <= 0.0 or np.any(at * units > _LARGEST):
            return None
        gradient, hessian = model.derivatives()
        gradient, hessian = members @ gradient, members @ hessian @ members.T
        candidates, fall = _steps(at, gradient, hessian, unit)
        last = fall <= _LAST_FALL
        # of so short a step nothing but rounding makes the criterion larger
        tried = candidates[:1] if last else candidates
        lower = _first_lower(factors, model, tried, groups)
        model = lower or model
        if last or lower is None:
            break
    return model


def _steps(at, gradient, hessian, unit):
    """Return ratios to try in turn, and the fall of the criterion that is expected."""
    inside = at > 0
    slope = (at * gradient)[inside]
    curve = (np.outer(at, at) * hessian)[np.ix_(inside, inside)]
    curve[np.diag_indices_from(curve)] += slope
    values, vectors = np.linalg.eigh(curve)
    values = np.maximum(np.abs(values), 1e-8 * np.abs(values).max(initial=1e-8))
    move = -vectors @ ((vectors.T @ slope) / values)
    fall = -0.5 * float(move @ slope)
    move *= min(1.0, _LONGEST / max(np.abs(move).max(initial=0.0), _LONGEST))
    bend = np.diag(hessian)
    with np.errstate(divide="ignore", invalid="ignore"):
        newton = np.where(bend > 0, gradient / bend, np.inf)
    leaves = ~inside & (gradient * unit < -_LAST_FALL)
    # a start of its own, where the criterion is as good as linear
    start = np.where(leaves, np.minimum(-newton, unit), 0.0)
    start = np.where(leaves & (bend <= 0), unit, start)
    ends = inside & (gradient > 0) & (newton >= at)
    candidates = []
    for halvings in range(_HALVINGS):
        share = 0.5**halvings
        moved = share * start
        moved[inside] = at[inside] * np.exp(share * move)
        if ends.any() and not halvings:
            candidates.append(np.where(ends, 0.0, moved))
        candidates.append(moved)
    fall += 0.5 * float(np.sum(np.abs(gradient * start)))
    return candidates, np.inf if ends.any() else fall


def _first_lower(factors, model, candidates, groups):
    """Return the model at the first ratios at which the criterion is lower, or None."""
    for ratios in candidates:
        found = factors.at(ratios[groups])
        if found.criterion < model.criterion:
            return found
    return None


def _row_space(factor):
    """Return an orthonormal basis of what the rows of all R_t span, (q, p)."""
    q = len(factor)
    pooled = np.tensordot(factor, factor, ((0, 2), (0, 2)))
    unit = np.sqrt(np.diag(pooled))
    unit = np.where(unit > 0, unit, 1.0)
    values, vectors = np.linalg.eigh(pooled / np.outer(unit, unit))
    held = values > 10 * q * _EPS * values[-1]
    if held.all():
        return np.eye(q)
    null, _ = np.linalg.qr(vectors[:, ~held] / unit[:, None])
    return np.linalg.svd(np.eye(q) - null @ null.T)[0][:, : held.sum()]
