"""Penalties of the board: value, polar or conjugate, and proximal operator in numpy.

They share no code with mtlreg: the judge and the textbook solvers rest on them alone.
All act on A of shape (n_features, n_tasks); `Sum` acts on the stacked blocks (B, S).
"""

import numba
import numpy as np


class L21:
    """``sum_j ||A_j||_2`` over the rows of A."""

    n_blocks = 1

    def value(self, A):
        return float(np.linalg.norm(A, axis=1).sum())

    def polar(self, G):
        return float(np.linalg.norm(G, axis=1).max())

    def prox(self, V, step):
        norms = np.linalg.norm(V, axis=1, keepdims=True)
        return V * np.maximum(1 - step / np.maximum(norms, 1e-300), 0)


class ElasticNet:
    """``sum_j ||A_j||_2 + ratio/2 ||A||_F^2``.

    Parameters
    ----------
    ratio : float
        Strength of the ridge over that of the norms.
    """

    n_blocks = 1

    def __init__(self, ratio):
        self.ratio, self._norms = ratio, L21()

    def value(self, A):
        return self._norms.value(A) + 0.5 * self.ratio * float(np.vdot(A, A))

    def polar(self, G):
        """Return the strength from which on A = 0 is optimal."""
        return self._norms.polar(G)

    def conjugate(self, G):
        excess = np.maximum(np.linalg.norm(G, axis=1) - 1, 0)
        return 0.5 * float(excess @ excess) / self.ratio

    def prox(self, V, step):
        return self._norms.prox(V, step) / (1 + step * self.ratio)


class L1Linf:
    """``sum_j max_t |A_jt|``."""

    n_blocks = 1

    def value(self, A):
        return float(np.abs(A).max(axis=1).sum())

    def polar(self, G):
        return float(np.abs(G).sum(axis=1).max())

    def prox(self, V, step):
        return V - _project_l1_ball(V, step)


class L1:
    """``sum_jt |A_jt|``."""

    n_blocks = 1

    def value(self, A):
        return float(np.abs(A).sum())

    def polar(self, G):
        return float(np.abs(G).max())

    def prox(self, V, step):
        return np.sign(V) * np.maximum(np.abs(V) - step, 0)


class Columns:
    """``sum_t ||a_t||_2`` over the columns of A."""

    n_blocks = 1

    def __init__(self):
        self._rows = L21()

    def value(self, A):
        return self._rows.value(A.T)

    def polar(self, G):
        return self._rows.polar(G.T)

    def prox(self, V, step):
        return self._rows.prox(V.T, step).T


class Trace:
    """Sum of the singular values of A."""

    n_blocks = 1

    def value(self, A):
        return float(np.linalg.svd(A, compute_uv=False).sum())

    def polar(self, G):
        return float(np.linalg.norm(G, 2))

    def prox(self, V, step):
        """Shrink the singular values, through the smaller Gram matrix of V."""
        if V.shape[0] < V.shape[1]:
            return self.prox(V.T, step).T
        squares, Q = np.linalg.eigh(V.T @ V)
        sigma = np.sqrt(np.maximum(squares, 0))
        kept = sigma > step
        Q = Q[:, kept]
        return (V @ (Q * (1 - step / sigma[kept]))) @ Q.T

    def prox_svd(self, V, step):
        """Shrink the singular values of a full decomposition."""
        U, sigma, W = np.linalg.svd(V, full_matrices=False)
        return (U * np.maximum(sigma - step, 0)) @ W


class Sum:
    """``first(B) + second(S) / ratio`` of the stacked blocks (B, S), A = B + S.

    Parameters
    ----------
    first, second : penalty
    ratio : float
        Strength of the first block over that of the second one.
    """

    n_blocks = 2

    def __init__(self, first, second, ratio):
        self.first, self.second, self.ratio = first, second, ratio

    def value(self, A):
        return self.first.value(A[0]) + self.second.value(A[1]) / self.ratio

    def polar(self, G):
        return max(self.first.polar(G), self.ratio * self.second.polar(G))

    def prox(self, V, step):
        first = self.first.prox(V[0], step)
        return np.stack([first, self.second.prox(V[1], step / self.ratio)])


class Fused:
    """``sum_jt |A_j,t+1 - A_jt| + group sum_j ||A_j||_2 + entries ||A||_1``.

    Parameters
    ----------
    group, entries : float
        Strengths of these over that of the changes.
    """

    n_blocks = 1

    def __init__(self, group, entries):
        self.group, self.entries = group, entries
        self._rows, self._single = L21(), L1()

    def value(self, A):
        found = float(np.abs(np.diff(A, axis=1)).sum())
        found += self.group * self._rows.value(A)
        return found + self.entries * self._single.value(A)

    def polar(self, G):
        return _least_step(self, G, self._rows.polar(G) / self.group)

    def prox(self, V, step):
        V = np.array(V)
        _fuse_rows(V, step)
        return self._rows.prox(
            self._single.prox(V, step * self.entries), step * self.group
        )


class Halves:
    """``sum_v sqrt(n_v) sum_j ||A_jv||_2`` over the halves of the tasks, theirs, ....

    The nodes v are all tasks, their first and second half, the halves of these, and so
    on to the n_v = 1 single tasks.
    """

    n_blocks = 1

    def nodes(self, first, last):
        """Yield the nodes of the tasks from first to before last, children first."""
        if last - first > 1:
            middle = (first + last) // 2
            yield from self.nodes(first, middle)
            yield from self.nodes(middle, last)
        yield slice(first, last)

    def _weighted(self, n_tasks):
        for node in self.nodes(0, n_tasks):
            yield node, (node.stop - node.start) ** 0.5

    def value(self, A):
        rows = ((weight, A[:, v]) for v, weight in self._weighted(A.shape[1]))
        return float(sum(w * np.linalg.norm(part, axis=1).sum() for w, part in rows))

    def polar(self, G):
        return _least_step(self, G, np.abs(G).max())

    def prox(self, V, step):
        V = np.array(V)
        for v, weight in self._weighted(V.shape[1]):
            V[:, v] = L21().prox(V[:, v], step * weight)
        return V


def _least_step(penalty, G, high):
    """Return the smallest step whose prox of G is 0, from above; high is one."""
    low = 0.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if penalty.prox(G, middle).any():
            low = middle
        else:
            high = middle
    return high


class SquaredTrace:
    """Half the square of the sum of the singular values of A."""

    n_blocks = 1

    def value(self, A):
        return 0.5 * float(np.linalg.svd(A, compute_uv=False).sum()) ** 2

    def conjugate(self, G):
        return 0.5 * float(np.linalg.norm(G, 2)) ** 2

    def prox(self, V, step):
        """Shrink the singular values by step times the sum of what is left of them."""

        def shrink(sigma):
            sums = np.cumsum(sigma)
            sums /= 1 + step * np.arange(1, len(sigma) + 1)
            # the sum of as many as are left is the largest of these
            return np.maximum(sigma - step * sums.max(), 0)

        return _of_singular_values(V, shrink)


class Clusters:
    """``eta (1 + eta) / 2 min_M trace(A (eta I + M)^-1 A')``, trace(M) = k.

    Parameters
    ----------
    k : int
    eta : float
    """

    n_blocks = 1

    def __init__(self, k, eta):
        self.k, self.eta = k, eta

    def _shares(self, sigma, eta):
        """Return the eigenvalues of M at falling singular values, clip(c s - eta)."""
        last = max(sigma[self.k - 1], 1e-300)
        low, high = eta / last, (1 + eta) / last
        for _ in range(100):
            c = 0.5 * (low + high)
            shares = np.clip(c * sigma - eta, 0, 1)
            low, high = (c, high) if shares.sum() < self.k else (low, c)
        return shares

    def value(self, A):
        sigma = np.linalg.svd(A, compute_uv=False)
        held = self.eta + self._shares(sigma, self.eta)
        return 0.5 * self.eta * (1 + self.eta) * float(np.sum(sigma**2 / held))

    def conjugate(self, G):
        squares = np.linalg.svd(G, compute_uv=False) ** 2
        found = self.eta * squares.sum() + squares[: self.k].sum()
        return 0.5 * float(found) / (self.eta * (1 + self.eta))

    def prox(self, V, step):
        moved = step * self.eta * (1 + self.eta)

        def shrink(sigma):
            held = self.eta + self._shares(sigma, self.eta + moved)
            return sigma * held / (held + moved)

        return _of_singular_values(V, shrink)


class Chain:
    """``1/2 sum_t ||a_t+1 - a_t||^2 + ratio/2 ||A||_F^2``.

    Parameters
    ----------
    ratio : float
        Strength of the ridge over that of the differences.
    """

    n_blocks = 1

    def __init__(self, ratio):
        self.ratio = ratio

    def _spectrum(self, n_tasks):
        differences = np.diff(np.eye(n_tasks), axis=0)
        return np.linalg.eigh(differences.T @ differences)

    def value(self, A):
        changes = np.sum(np.diff(A, axis=1) ** 2)
        return 0.5 * float(changes + self.ratio * np.sum(A**2))

    def conjugate(self, G):
        values, U = self._spectrum(G.shape[1])
        return 0.5 * float(np.sum((G @ U) ** 2 / (values + self.ratio)))

    def prox(self, V, step):
        values, U = self._spectrum(V.shape[1])
        return (V @ U / (1 + step * (values + self.ratio))) @ U.T


class Mean:
    """``1/2 sum_t ||a_t - m||^2 + ratio/2 T ||m||^2`` with m the mean of the a_t.

    Parameters
    ----------
    ratio : float
        Strength of the mean over that of the deviations.
    """

    n_blocks = 1

    def __init__(self, ratio):
        self.ratio = ratio

    def value(self, A):
        return 0.5 * self._weigh(A, 1.0, self.ratio)

    def conjugate(self, G):
        return 0.5 * self._weigh(G, 1.0, 1 / self.ratio)

    def prox(self, V, step):
        m = V.mean(axis=1, keepdims=True)
        return m / (1 + step * self.ratio) + (V - m) / (1 + step)

    def _weigh(self, A, deviations, mean):
        m = A.mean(axis=1, keepdims=True)
        squares = A.shape[1] * float(np.sum(m**2))
        return deviations * float(np.sum((A - m) ** 2)) + mean * squares


def _of_singular_values(V, shrink):
    """Return V with other singular values, through its smaller Gram matrix."""
    if V.shape[0] < V.shape[1]:
        return _of_singular_values(V.T, shrink).T
    squares, Q = np.linalg.eigh(V.T @ V)
    sigma = np.sqrt(np.maximum(squares, 0))[::-1]
    share = np.divide(shrink(sigma), sigma, out=np.zeros_like(sigma), where=sigma > 0)
    return (V @ (Q[:, ::-1] * share)) @ Q[:, ::-1].T


@numba.njit(cache=True)
def _fuse_rows(V, level):
    """Replace rows by ``argmin ||a - v||^2 / 2 + level sum |a_t+1 - a_t|``.

    Condat (2013), algorithm 1, as slopes of a string in a tube around the sums of v.
    """
    n = V.shape[1]
    sums = np.zeros(n + 1)
    for j in range(len(V)):
        for t in range(n):
            sums[t + 1] = sums[t] + V[j, t]
        start, height = 0, 0.0
        while start < n:
            least, most = np.inf, -np.inf
            least_at, most_at, end = start, start, start
            for k in range(start + 1, n + 1):
                radius = level if k < n else 0.0
                above = (sums[k] + radius - height) / (k - start)
                below = (sums[k] - radius - height) / (k - start)
                if below > least:
                    end, slope, height = least_at, least, sums[least_at] + level
                    break
                if above < most:
                    end, slope, height = most_at, most, sums[most_at] - level
                    break
                if above <= least:
                    least, least_at = above, k
                if below >= most:
                    most, most_at = below, k
                end, slope = k, above
            for t in range(start, end):
                V[j, t] = slope
            start = end


def _project_l1_ball(V, radius):
    """Project every row of V onto the L1 ball, by sorting."""
    sizes = np.abs(V)
    ordered = -np.sort(-sizes, axis=1)
    excess = np.cumsum(ordered, axis=1) - radius
    counts = np.arange(1, V.shape[1] + 1)
    last = np.maximum((ordered * counts > excess).sum(axis=1), 1)
    cut = excess[np.arange(len(V)), last - 1] / last
    return np.sign(V) * np.maximum(sizes - np.maximum(cut, 0)[:, None], 0)
