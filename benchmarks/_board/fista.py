"""Two general solvers in plain numpy, written for the board as a measure.

Both are accelerated proximal gradient (Beck and Teboulle 2009, eq. 4.1) and yield their
iterates, so that the clock can stop them at the first one that is good enough: they pay
for no stopping test.

- `textbook`: constant step 1/L and adaptive restart (O'Donoghue and Candes 2015), on
  the rows of X or on Gram matrices; singular values through an eigendecomposition.
- `line_search`: the scheme of the older multi-task toolboxes (MALSAR, for one):
  backtracking from L = 1, no restart, products task by task, a full SVD as prox of the
  trace norm.
"""

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import svds
from scipy.special import expit

from _board.judge import Judge


class Rows:
    """Gradient of the loss from the rows of X.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem):
        self.y, self.squared = problem.y, problem.loss == "squared"
        self._linear = Judge(problem)
        matrices = [problem.X] if problem.shared else [X for X, _ in problem.parts()]
        curvature = 1.0 if self.squared else 0.25
        self.lipschitz = curvature * max(_largest_eigenvalue(X) for X in matrices)

    def gradient(self, A):
        z = self._linear.image(A)
        if self.squared:
            return self._linear.adjoint(z - self.y)
        return self._linear.adjoint(-self.y * expit(-self.y * z))


class Gram:
    """Gradient of the squared loss from ``X_t'X_t`` and ``X_t'y_t``.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem):
        self.shared = problem.shared
        if self.shared:
            self.K = problem.X.T @ problem.X
            self.Q = problem.X.T @ problem.y
        else:
            parts = problem.parts()
            self.K = np.stack([X.T @ X for X, _ in parts])
            self.Q = np.stack([X.T @ y for X, y in parts])
        self.lipschitz = float(np.linalg.eigvalsh(self.K).max())

    def gradient(self, A):
        if self.shared:
            return self.K @ A - self.Q
        columns = np.ascontiguousarray(A.T)[:, :, None]
        return ((self.K @ columns)[:, :, 0] - self.Q).T


def gram_pays(problem):
    """Return whether Gram matrices are worth a try: rows enough, squared loss."""
    if problem.loss != "squared" or issparse(problem.X):
        return False
    n = len(problem.y) if problem.shared else np.diff(problem.offsets).mean()
    return problem.X.shape[1] <= 2 * n


def textbook(problem, smooth, lam, start=None):
    """Yield the iterates of FISTA with a constant step and adaptive restart.

    Parameters
    ----------
    problem : Problem
    smooth : Rows or Gram
    lam : float
    start : ndarray, optional
        Where to begin; zeros by default.
    """
    penalty = problem.penalty
    lipschitz = penalty.n_blocks * smooth.lipschitz
    A = _zeros(problem) if start is None else start
    Y, momentum = A, 1.0
    while True:
        G = smooth.gradient(_combine(Y))
        following = penalty.prox(Y - G / lipschitz, lam / lipschitz)
        move = following - A
        if np.vdot(Y - following, move) > 0:
            momentum = 1.0
        grown = 0.5 * (1 + np.sqrt(1 + 4 * momentum**2))
        Y = following + (momentum - 1) / grown * move
        A, momentum = following, grown
        yield A


def line_search(problem, lam):
    """Yield the iterates of FISTA with backtracking from L = 1, without restart."""
    penalty = problem.penalty
    prox = getattr(penalty, "prox_svd", penalty.prox)
    smooth = _TaskByTask(problem)
    A = Y = _zeros(problem)
    lipschitz, momentum = 1.0, 1.0
    while True:
        value, G = smooth.value_and_gradient(_combine(Y))
        while True:
            following = prox(Y - G / lipschitz, lam / lipschitz)
            move = following - Y
            bound = value + np.sum(G * move) + 0.5 * lipschitz * np.sum(move**2)
            reached = smooth.value(_combine(following))
            if reached <= bound + 1e-12 * abs(value):
                break
            lipschitz *= 2
        grown = 0.5 * (1 + np.sqrt(1 + 4 * momentum**2))
        Y = following + (momentum - 1) / grown * (following - A)
        A, momentum = following, grown
        yield A


class _TaskByTask:
    """Value and gradient of the loss, one task after the other."""

    def __init__(self, problem):
        self._parts = problem.parts()
        self._squared = problem.loss == "squared"

    def value(self, A):
        pairs = zip(self._parts, A.T, strict=True)
        return sum(self._value(X @ a, y) for (X, y), a in pairs)

    def value_and_gradient(self, A):
        value, G = 0.0, np.empty_like(A)
        for t, (X, y) in enumerate(self._parts):
            z = X @ A[:, t]
            value += self._value(z, y)
            G[:, t] = X.T @ (z - y if self._squared else -y * expit(-y * z))
        return value, G

    def _value(self, z, y):
        if self._squared:
            return 0.5 * float(np.sum((z - y) ** 2))
        return float(np.logaddexp(0, -y * z).sum())


def _zeros(problem):
    blocks = (2,) if problem.penalty.n_blocks == 2 else ()
    return np.zeros((*blocks, *problem.shape))


def _combine(A):
    return A.sum(axis=0) if A.ndim == 3 else A


def _largest_eigenvalue(X):
    """Return the largest eigenvalue of X'X."""
    if issparse(X):
        start = np.random.default_rng(0).normal(size=min(X.shape))
        sigma = svds(X, k=1, tol=1e-4, v0=start, return_singular_vectors=False)
        return 1.01 * float(sigma[0]) ** 2
    K = X @ X.T if X.shape[0] < X.shape[1] else X.T @ X
    return float(np.linalg.eigvalsh(K)[-1])
