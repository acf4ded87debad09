"""The problems of the board, float64, seeded, signal to noise ratio 3.

Every problem is the plain sum over rows, in which every competitor's scaling can be
expressed::

    F(A) = sum_t sum_i loss(y_ti, x_ti . a_t) + lam Omega(A)

and nobody fits an intercept, so that everybody minimises the same F on the same arrays:

- generated problems are drawn without offsets;
- School: 27 features standardised over all rows and the constant one, which is a
  feature like the others here;
- landmine: 9 standardised features and a constant one likewise;
- newsgroup: the term counts as they are, no constant (the classes are balanced).

The strength lam is a fraction of alpha_max, the smallest strength at which A = 0 is
optimal; for mean regularisation, where there is none, of the mean curvature
``sum_t ||X_t||_F^2 / (T d)``.

The signal to noise ratio is ``||signal|| / ||noise||`` over all tasks; logistic targets
are the signs of signal plus noise.
"""

import os
import pathlib
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.signal import lfilter

from _board.penalties import (
    L1,
    L21,
    Chain,
    Clusters,
    Columns,
    ElasticNet,
    Fused,
    Halves,
    L1Linf,
    Mean,
    SquaredTrace,
    Sum,
    Trace,
)

SNR = 3.0
SEED = 20


@dataclass(frozen=True)
class Problem:
    """Data, loss and penalty of one problem.

    Attributes
    ----------
    name : str
    X : ndarray or csc_array of shape (n_rows, n_features)
        One X for all tasks, or the rows of all tasks one below the other.
    y : ndarray of shape (n_rows, n_tasks) or (n_rows,)
    offsets : ndarray of shape (n_tasks + 1,) or None
        Where the rows of each task begin and end; None for a shared X.
    penalty : penalty
    loss : {"squared", "logistic"}
        y is +1 or -1 for the logistic loss.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    offsets: np.ndarray | None
    penalty: object
    loss: str = "squared"

    @property
    def shared(self):
        """Whether all tasks have the same X."""
        return self.offsets is None

    @property
    def n_tasks(self):
        return self.y.shape[1] if self.shared else len(self.offsets) - 1

    @property
    def shape(self):
        """Shape of A."""
        return self.X.shape[1], self.n_tasks

    @property
    def tasks(self):
        """Label of every row, (n_rows,), of a problem whose X is not shared."""
        return np.repeat(np.arange(self.n_tasks), np.diff(self.offsets))

    def parts(self):
        """Return the list of (X_t, y_t), views of the arrays."""
        if self.shared:
            return [(self.X, np.ascontiguousarray(column)) for column in self.y.T]
        pairs = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [(self.X[a:b], self.y[a:b]) for a, b in pairs]

    def blocks(self):
        """Return the block-diagonal matrix of the tasks, (n_rows, d T) in CSC.

        Column ``j T + t`` is feature j of task t, so that a row of A is contiguous.
        """
        matrix = sp.block_diag([X for X, _ in self.parts()], format="csc")
        order = np.arange(matrix.shape[1]).reshape(self.n_tasks, -1).T.ravel()
        return sp.csc_matrix(matrix[:, order])


def save(problem, path):
    """Write the arrays of a problem to an npz file."""
    arrays = {"y": problem.y}
    if not problem.shared:
        arrays["offsets"] = problem.offsets
    if sp.issparse(problem.X):
        X = problem.X
        arrays |= {"data": X.data, "indices": X.indices, "indptr": X.indptr}
        arrays["shape"] = np.array(X.shape)
    else:
        arrays["X"] = problem.X
    np.savez(path, **arrays)


def load(name, path):
    """Read the problem ``name`` from a file written by `save`."""
    with np.load(path) as file:
        arrays = dict(file)
    X = arrays.get("X")
    if X is None:
        parts = tuple(arrays[key] for key in ("data", "indices", "indptr"))
        X = sp.csc_array(parts, shape=tuple(arrays["shape"]))
    _, penalty, loss = TABLE[name]
    return Problem(name, X, arrays["y"], arrays.get("offsets"), penalty, loss)


def make(name):
    """Return the problem ``name``; KeyError, FileNotFoundError where it is not there.

    Parameters
    ----------
    name : str
        A key of `TABLE`.
    """
    build, penalty, loss = TABLE[name]
    X, y, offsets = build()
    if loss == "logistic":
        y = np.where(y > 0, 1.0, -1.0)
    return Problem(name, X, y, offsets, penalty, loss)


def tiny(problem):
    """Return a small problem of the same kind, for the first calls."""
    if problem.shared:
        X, y, offsets = shared(20, 10, 3, rows(3))
    else:
        X, y, offsets = own(20, 10, 3, rows(3))
    X = sp.csc_array(X) if sp.issparse(problem.X) else X
    y = np.sign(y) if problem.loss == "logistic" else y
    return Problem("tiny", X, y, offsets, problem.penalty, problem.loss)


def shared(n, d, n_tasks, coefficients, correlation=0.0, density=None):
    """Return X, Y and no offsets of a problem with one X for all tasks."""
    rng = np.random.default_rng(SEED)
    X = _sparse(rng, n, d, density) if density else rng.normal(size=(n, d))
    if correlation:
        innovation = np.sqrt(1 - correlation**2)
        X[:, 1:] *= innovation
        X = np.ascontiguousarray(lfilter([1.0], [1.0, -correlation], X, axis=1))
    return X, _noisy(rng, X @ coefficients(rng, d, n_tasks)), None


def own(n, d, n_tasks, coefficients):
    """Return stacked rows, y and offsets of tasks with n rows of their own each."""
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(n_tasks * n, d))
    A = coefficients(rng, d, n_tasks)
    signal = np.einsum("tij,jt->ti", X.reshape(n_tasks, n, d), A).ravel()
    return X, _noisy(rng, signal), n * np.arange(n_tasks + 1)


def rows(k):
    """Coefficients with k non-zero rows, as a function of (rng, d, n_tasks)."""

    def draw(rng, d, n_tasks):
        A = np.zeros((d, n_tasks))
        A[rng.choice(d, k, replace=False)] = rng.normal(size=(k, n_tasks))
        return A

    return draw


def low_rank(rank):
    """Coefficients of a given rank."""

    def draw(rng, d, n_tasks):
        return rng.normal(size=(d, rank)) @ rng.normal(size=(rank, n_tasks))

    return draw


def dirty(k, per_task):
    """Coefficients with k shared rows and some entries of each task's own."""
    return with_entries(rows(k), per_task)


def with_entries(shared, per_task):
    """Coefficients of another kind plus some entries of each task's own."""

    def draw(rng, d, n_tasks):
        A = shared(rng, d, n_tasks)
        for t in range(n_tasks):
            A[rng.choice(d, per_task, replace=False), t] += rng.normal(size=per_task)
        return A

    return draw


def with_outliers(shared, k):
    """Coefficients of another kind, but for k tasks with some of their own."""

    def draw(rng, d, n_tasks):
        A = shared(rng, d, n_tasks)
        A[:, rng.choice(n_tasks, k, replace=False)] += 3 * rng.normal(size=(d, k))
        return A

    return draw


def clusters(k):
    """Coefficients that scatter around k means."""

    def draw(rng, d, n_tasks):
        means = rng.normal(size=(d, k))[:, rng.integers(k, size=n_tasks)]
        return means + 0.3 * rng.normal(size=(d, n_tasks))

    return draw


def changes(k):
    """Coefficients with k non-zero rows, which change once along the tasks."""

    def draw(rng, d, n_tasks):
        A = np.zeros((d, n_tasks))
        for j in rng.choice(d, k, replace=False):
            first = rng.integers(1, n_tasks)
            A[j, :first], A[j, first:] = rng.normal(size=2)
        return A

    return draw


def branches(k):
    """Coefficients with k non-zero rows, each in one half of the tasks alone."""

    def draw(rng, d, n_tasks):
        A, half = np.zeros((d, n_tasks)), n_tasks // 2
        for j in rng.choice(d, k, replace=False):
            first = half * rng.integers(2)
            A[j, first : first + half] = rng.normal(size=half)
        return A

    return draw


def along_chain(rng, d, n_tasks):
    """Coefficients that drift from one task to the next."""
    return np.cumsum(0.3 * rng.normal(size=(d, n_tasks)), axis=1)


def around_mean(rng, d, n_tasks):
    """Coefficients that scatter around a common mean."""
    return rng.normal(size=(d, 1)) + 0.5 * rng.normal(size=(d, n_tasks))


def school():
    """Return School, 27 standardised features and a constant one."""
    data = _data("school")
    X = np.column_stack([_standardise(data["X"][:, :-1]), np.ones(len(data["y"]))])
    return _by_task(X, data["y"].astype(np.float64), data["tasks"])


def landmine():
    """Return landmine, 9 standardised features and a constant one."""
    data = _data("landmine")
    X = np.column_stack([_standardise(data["X"]), np.ones(len(data["y"]))])
    return _by_task(X, data["y"], data["tasks"])


def newsgroup():
    """Return the newsgroups comp vs sci, two tasks of sparse term counts."""
    data = _data("newsgroup_comp_sci")
    parts = tuple(data[key] for key in ("X_data", "X_indices", "X_indptr"))
    X = sp.csr_array(parts, shape=tuple(data["X_shape"]))
    X, y, offsets = _by_task(X, data["y"], data["tasks"])
    return X.tocsc(), y, offsets


def _noisy(rng, signal):
    noise = rng.normal(size=signal.shape)
    return signal + noise * np.linalg.norm(signal) / (SNR * np.linalg.norm(noise))


def _sparse(rng, n, d, density):
    """Return a CSC array with the same number of normal entries in every column."""
    per_column = round(n * density)
    indices = [np.sort(rng.choice(n, per_column, replace=False)) for _ in range(d)]
    indices = np.concatenate(indices).astype(np.int32)
    indptr = (per_column * np.arange(d + 1)).astype(np.int32)
    return sp.csc_array((rng.normal(size=indices.size), indices, indptr), shape=(n, d))


def _data(name):
    folder = os.environ.get("MTLREG_DATA")
    if not folder:
        raise FileNotFoundError("MTLREG_DATA is unset: it names the data sets' folder")
    with np.load(pathlib.Path(folder) / f"{name}.npz") as arrays:
        return dict(arrays)


def _standardise(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


def _by_task(X, y, tasks):
    order = np.argsort(tasks, kind="stable")
    starts = np.unique(tasks[order], return_index=True)[1]
    return X[order], y[order], np.append(starts, len(y))


# name: data, penalty, loss
TABLE = {
    "wide": (lambda: shared(300, 5000, 20, rows(50)), L21(), "squared"),
    "tall": (lambda: shared(20_000, 300, 20, rows(30)), L21(), "squared"),
    "correlated": (
        lambda: shared(100, 20_000, 50, rows(50), correlation=0.95),
        L21(),
        "squared",
    ),
    "sparse": (
        lambda: shared(5000, 20_000, 10, rows(100), density=0.005),
        L21(),
        "squared",
    ),
    "own": (lambda: own(100, 1000, 50, rows(50)), L21(), "squared"),
    "school": (school, L21(), "squared"),
    "elastic-tall": (
        lambda: shared(600, 300, 10, rows(30)),
        ElasticNet(1.0),
        "squared",
    ),
    "elastic-wide": (
        lambda: shared(300, 2000, 20, rows(50)),
        ElasticNet(1.0),
        "squared",
    ),
    "linf-own": (lambda: own(100, 1000, 50, rows(50)), L1Linf(), "squared"),
    "linf-school": (school, L1Linf(), "squared"),
    "trace-shared": (lambda: shared(1000, 500, 100, low_rank(5)), Trace(), "squared"),
    "trace-own": (lambda: own(100, 200, 50, low_rank(5)), Trace(), "squared"),
    "trace-school": (school, Trace(), "squared"),
    "dirty-own-l2": (
        lambda: own(100, 500, 20, dirty(20, 5)),
        Sum(L21(), L1(), np.sqrt(20) / 2),
        "squared",
    ),
    "dirty-own-linf": (
        lambda: own(100, 500, 20, dirty(20, 5)),
        Sum(L1Linf(), L1(), 20 / 4),
        "squared",
    ),
    "dirty-school": (school, Sum(L1Linf(), L1(), 139 / 4), "squared"),
    "mean-own": (lambda: own(200, 100, 100, around_mean), Mean(0.01), "squared"),
    "mean-school": (school, Mean(0.01), "squared"),
    "graph-own": (lambda: own(200, 100, 100, along_chain), Chain(0.01), "squared"),
    "fused-own": (lambda: own(100, 500, 20, changes(30)), Fused(0.5, 0.5), "squared"),
    "tree-own": (lambda: own(100, 500, 20, branches(30)), Halves(), "squared"),
    "relationship-own": (
        lambda: own(100, 200, 50, low_rank(5)),
        SquaredTrace(),
        "squared",
    ),
    "clustered-own": (
        lambda: own(100, 200, 50, clusters(3)),
        Clusters(3, 0.1),
        "squared",
    ),
    "robust-low-rank-own": (
        lambda: own(100, 200, 50, with_outliers(low_rank(5), 3)),
        Sum(Trace(), Columns(), 1.1),
        "squared",
    ),
    "sparse-low-rank-own": (
        lambda: own(100, 200, 50, with_entries(low_rank(5), 5)),
        Sum(Trace(), L1(), 10_000**0.25),
        "squared",
    ),
    "robust-group-own": (
        lambda: own(100, 500, 20, with_outliers(rows(20), 2)),
        Sum(L21(), Columns(), 0.25),
        "squared",
    ),
    "logistic-group-own": (lambda: own(100, 1000, 50, rows(50)), L21(), "logistic"),
    "logistic-trace-own": (lambda: own(100, 200, 50, low_rank(5)), Trace(), "logistic"),
    "logistic-landmine": (landmine, L21(), "logistic"),
    "logistic-newsgroup": (newsgroup, L21(), "logistic"),
}

FRACTIONS = (10, 50)
PATHS = ("wide", "tall", "school", "trace-shared")
