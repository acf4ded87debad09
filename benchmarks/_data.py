"""What the benchmarks share: data sets, metrics, objectives and Markdown tables.

Nothing here uses the numerical code of mtlreg, so that its results are checked against
formulas written a second time.
"""

import os
import pathlib
import sys
import time
from typing import NamedTuple

import numpy as np


def load_data(name):
    """Return the arrays of a data set as a dict; MTLREG_DATA names its folder."""
    folder = os.environ.get("MTLREG_DATA")
    if not folder:
        sys.exit(
            "MTLREG_DATA is unset: set it to the folder that holds the data sets "
            "(school.npz, mfeat_digits.npz, ...)"
        )
    path = pathlib.Path(folder) / f"{name}.npz"
    if not path.is_file():
        sys.exit(f"there is no {name}.npz in the folder that MTLREG_DATA names")
    with np.load(path) as arrays:
        return dict(arrays)


def load_school():
    """Return X (27 features, without the constant one), y, tasks and the ten splits."""
    data = load_data("school")
    return data["X"][:, :-1], data["y"], data["tasks"], data["splits_train"]


def standardise(X, rows=slice(None)):
    """Return X with mean 0 and standard deviation 1 (ddof 0) over ``rows``."""
    scale = X[rows].std(axis=0)
    return (X - X[rows].mean(axis=0)) / np.where(scale > 0, scale, 1.0)


def task_split(tasks, n_train, seed, classes=None):
    """Return a mask of ``n_train(n_t)`` random training rows of every task.

    With ``classes`` of 0 and 1 a task is drawn again until both parts hold a 1.
    """
    rng, train = np.random.default_rng(seed), np.zeros(len(tasks), dtype=bool)
    for label in np.unique(tasks):
        rows = np.flatnonzero(tasks == label)
        n = n_train(len(rows))
        while True:
            order = rng.permutation(rows)
            parts = order[:n], order[n:]
            if classes is None or all(classes[part].any() for part in parts):
                break
        train[parts[0]] = True
    return train


def row_counts(tasks):
    """Return {task: n_t}; as ``task_weight`` it makes F a plain sum over all rows."""
    labels, counts = np.unique(tasks, return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def task_metrics(y, prediction, tasks):
    """Return the error averaged over tasks and two shares of explained variance.

    Parameters
    ----------
    y, prediction, tasks : ndarray of shape (n_rows,)

    Returns
    -------
    dict
        ``rmse_task``, the mean over tasks of the root mean squared error;
        ``ev_overall`` and ``ev_within``, one minus the squared error over the squared
        deviations from the mean of all rows and from the means of the tasks.
    """
    residual = y - prediction
    labels = np.unique(tasks)
    own_mean = np.empty(len(y))
    rmse = np.empty(len(labels))
    for k, label in enumerate(labels):
        rows = tasks == label
        own_mean[rows] = y[rows].mean()
        rmse[k] = np.sqrt(np.mean(residual[rows] ** 2))
    error = np.sum(residual**2)
    return {
        "rmse_task": rmse.mean(),
        "ev_overall": 1 - error / np.sum((y - y.mean()) ** 2),
        "ev_within": 1 - error / np.sum((y - own_mean) ** 2),
    }


def blocks(X, y, tasks=None):
    """Return the list of (X_t, y_t), from rows of tasks or from the columns of y."""
    if tasks is None:
        return [(X, column) for column in y.T]
    return [(X[tasks == label], y[tasks == label]) for label in np.unique(tasks)]


def data_fit(parts, coef, intercept, *, task_weight=None, loss="squared"):
    """Return ``sum_t c_t mean_i loss(y_ti, x_ti . a_t + b_t)``.

    Parameters
    ----------
    parts : list of (X_t, y_t)
        The targets of the logistic loss are -1 and 1.
    coef : ndarray of shape (n_tasks, n_features)
    intercept : ndarray of shape (n_tasks,)
    task_weight : sequence of n_tasks numbers, optional
        The c_t, by default 1.
    loss : {"squared", "logistic"}
    """
    c = np.ones(len(parts)) if task_weight is None else task_weight
    total = 0.0
    for c_t, (X, y), a, b in zip(c, parts, coef, intercept, strict=True):
        z = X @ a + b
        if loss == "squared":
            total += c_t * np.mean((y - z) ** 2) / 2
        else:
            total += c_t * np.mean(np.logaddexp(0.0, -y * z))
    return total


def penalty_value(model):
    """Return the penalty of a fitted estimator, by the formula of its docstring."""
    A = model.coef_.T
    stem = type(model).__name__.removesuffix("Regressor").removesuffix("Classifier")
    if stem == "MeanRegularized":
        mean = A.mean(axis=1, keepdims=True)
        deviation = model.alpha * np.sum((A - mean) ** 2)
        return (deviation + model.alpha_mean * A.shape[1] * np.sum(mean**2)) / 2
    if stem == "TraceNorm":
        return model.alpha * np.linalg.svd(A, compute_uv=False).sum()
    if stem == "GroupLasso":
        groups, entries = row_norms(A, model.norm).sum(), np.abs(A).sum()
        return model.alpha * ((1 - model.l1_ratio) * groups + model.l1_ratio * entries)
    B, S = model.shared_coef_.T, model.specific_coef_.T
    np.testing.assert_allclose(B + S, A, rtol=1e-12, atol=1e-14 * np.abs(A).max())
    shared = model.alpha_shared * row_norms(B, model.norm).sum()
    return shared + model.alpha_specific * np.abs(S).sum()


def row_norms(A, norm):
    """Return the ``"l2"`` or ``"linf"`` norms of the rows of A."""
    return np.linalg.norm(A, ord={"l2": 2, "linf": np.inf}[norm], axis=1)


def exact_mean_regularised(parts, alpha):
    """Return coef and intercept of mean-regularised least squares, a free mean.

    With the centred X_t = U S V' and the mean m at hand, the deviation of a task is the
    ridge solution for the residual y_t - X_t m. What that leaves of F is least squares
    in m, 1/2 ||R_t (y_t - X_t m)||^2 with R_t = n_t^(-1/2) (I + U (D - I) U') and D the
    square root of n_t alpha / (S^2 + n_t alpha).
    """
    stacked, spectra = [], []
    for X, y in parts:
        n, X, y = len(y), X - X.mean(axis=0), y - y.mean()
        U, s, Vt = np.linalg.svd(X, full_matrices=False)
        shrink = np.sqrt(n * alpha / (s**2 + n * alpha)) - 1
        rows = np.column_stack([X, y])
        stacked.append((rows + U @ (shrink[:, None] * (U.T @ rows))) / np.sqrt(n))
        spectra.append((U, s / (s**2 + n * alpha), Vt, X, y))
    stacked = np.concatenate(stacked)
    m = np.linalg.lstsq(stacked[:, :-1], stacked[:, -1])[0]
    coef = np.array(
        [m + Vt.T @ (r * (U.T @ (y - X @ m))) for U, r, Vt, X, y in spectra]
    )
    means = [(X.mean(axis=0), y.mean()) for X, y in parts]
    return coef, np.array([y - x @ a for (x, y), a in zip(means, coef, strict=True)])


def markdown(header, rows):
    """Return a Markdown table of strings."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Target(NamedTuple):
    """A bound, the largest or the smallest value that will do."""

    quantity: str
    found: float
    bound: float
    at_least: bool = False

    @property
    def met(self):
        return self.found >= self.bound if self.at_least else self.found <= self.bound

    def cells(self):
        sign = ">=" if self.at_least else "<="
        bound = f"{sign} {self.bound:g}"
        return [self.quantity, f"{self.found:.5g}", bound, "yes" if self.met else "NO"]


class Progress:
    """Counts steps on stderr, with the seconds since the start.

    Parameters
    ----------
    total : int
    """

    def __init__(self, total):
        self.total, self.done = total, 0
        self._start = time.perf_counter()

    def step(self, text):
        """Say that one more step, described by ``text``, is done."""
        self.done += 1
        seconds = time.perf_counter() - self._start
        print(
            f"[{self.done}/{self.total}] {seconds:.0f} s  {text}",
            file=sys.stderr,
            flush=True,
        )
