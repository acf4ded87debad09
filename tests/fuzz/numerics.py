"""Matrices, graphs and rows in extended precision."""

import numpy as np

LONG = np.longdouble
HALVINGS = 120


def row_norms(A, norm):
    """Return the "l1", "l2" or "linf" norms of the rows."""
    A = np.abs(A)
    if norm == "l2":
        return np.sqrt(np.sum(A**2, axis=1))
    return A.sum(axis=1) if norm == "l1" else A.max(axis=1)


def directions(G, level, free):
    """Return a basis (k, n_features, n_tasks) of matrices of two masks of entries.

    Those of a row in ``level`` have one absolute value and the signs of G, those in
    ``free`` any value.
    """
    found = []
    for j, (row, own) in enumerate(zip(level & ~free, free, strict=True)):
        rows = [np.sign(G[j]) * row] if row.any() else []
        rows += list(np.eye(len(own))[own])
        found += [np.eye(len(G))[:, [j]] * row for row in rows]
    return np.array(found).reshape(-1, *G.shape)


def singular_values(A):
    """Return the singular values, by one-sided Jacobi rotations."""
    columns = np.array(A if A.shape[0] >= A.shape[1] else A.T, dtype=LONG)
    for _ in range(40):
        worst = LONG(0)
        for i in range(columns.shape[1]):
            for j in range(i):
                p, q = columns[:, j], columns[:, i]
                a, b, c = p @ p, q @ q, p @ q
                if c == 0 or abs(c) <= np.finfo(LONG).eps * np.sqrt(a * b):
                    continue
                worst = max(worst, abs(c) / np.sqrt(a * b))
                tau = (b - a) / (2 * c)
                tangent = (1 if tau >= 0 else -1) / (abs(tau) + np.hypot(1, tau))
                cosine = 1 / np.sqrt(1 + tangent**2)
                columns[:, j], columns[:, i] = (
                    cosine * (p - tangent * q),
                    cosine * (q + tangent * p),
                )
        if worst == 0:
            break
    return np.sqrt(np.sum(columns**2, axis=0))


def fuse(z, level):
    """Return ``argmin ||a - z||^2 / 2 + level sum |a_t+1 - a_t|``.

    These are the slopes of the shortest string from end to end in a tube of the radius
    ``level`` around the sums of z.
    """
    n = len(z)
    sums = np.concatenate([[LONG(0)], np.cumsum(z)])
    radius = np.full(n + 1, level, dtype=LONG)
    radius[[0, -1]] = 0
    upper, lower = sums + radius, sums - radius
    a, start, height = np.empty(n, dtype=LONG), 0, LONG(0)
    while start < n:
        steps = np.arange(1, n - start + 1)
        above = (upper[start + 1 :] - height) / steps
        below = (lower[start + 1 :] - height) / steps
        least, most = np.minimum.accumulate(above), np.maximum.accumulate(below)
        crossed = np.flatnonzero(most > least)
        if not len(crossed):
            end, slope = n, above[-1]
        elif below[crossed[0]] > least[crossed[0] - 1]:
            slope = least[crossed[0] - 1]
            end = start + 1 + int(np.argmin(above[: crossed[0]]))
            height = upper[end]
        else:
            slope = most[crossed[0] - 1]
            end = start + 1 + int(np.argmax(below[: crossed[0]]))
            height = lower[end]
        a[start:end], start = slope, end
    return a


def components(graph):
    """Return the indicators of the connected components, (n_tasks, n_components)."""
    reached = np.eye(len(graph), dtype=bool) | (graph > 0)
    for _ in range(len(graph)):
        reached = reached @ reached
    return np.unique(reached, axis=0).T.astype(LONG)


def project(G, parts):
    """Return the rows of G without their means over each of some parts."""
    return G - (G @ parts / parts.sum(axis=0)) @ parts.T


def without(graph, gone):
    """Return the graph without a task, and the shares of its neighbours in its value.

    Where it costs least it is their mean, which ties them by a star that becomes a
    mesh.
    """
    tied = np.delete(graph[gone], gone)
    shares = tied / (tied.sum() or 1)
    rest = np.delete(np.delete(graph, gone, axis=0), gone, axis=1)
    rest = rest + np.outer(tied, shares)
    np.fill_diagonal(rest, 0)
    return rest, shares


def solve(Q, B):
    """Return the X with Q X = B of a positive definite Q, by elimination."""
    Q, B = np.array(Q, dtype=LONG), np.array(B, dtype=LONG)
    for k in range(len(Q)):
        B[k], Q[k] = B[k] / Q[k, k], Q[k] / Q[k, k]
        for i in range(len(Q)):
            if i != k:
                B[i], Q[i] = B[i] - Q[i, k] * B[k], Q[i] - Q[i, k] * Q[k]
    return B
