"""Small random problems, and their objective and certificate written out naively."""

import sys
from dataclasses import dataclass, replace

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mtlreg.losses import LOSSES
from mtlreg.penalties import (
    L1,
    L21,
    PENALTIES,
    ColumnL2,
    CompleteGraph,
    Consensus,
    Dirty,
    FusedGroup,
    GraphRegularization,
    InfimalSum,
    L1Linf,
    MeanRegularization,
    Penalty,
    Positive,
    SparseGroup,
    Tied,
    TraceNorm,
    TreeGroup,
    Weighted,
    with_options,
)
from mtlreg.problem import Problem
from mtlreg.problem.data import MultiTaskData
from tests import oracles

PENALTY_CASES = {
    name: penalty
    for key in PENALTIES
    for name, penalty in oracles.PENALTY_ORACLES[key].cases.items()
}
# of three tasks
CHAIN = np.array([[0.0, 0.5, 0.0], [0.5, 0.0, 2.0], [0.0, 2.0, 0.0]])
PAIR = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
# two tasks in a branch, the third one without a node of its own
BRANCH = np.array([[1, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]], dtype=bool)
# of four features
WEIGHT = np.array([0.5, 2.0, 1.0, np.inf])
FREE = np.array([2.0, 0.0, 1.0, np.inf])
SIGNS = np.array([True, False, True, True])
WEIGHTED_CASES = {
    f"weighted-{name}": with_options(penalty, feature_weight=weight, **options)
    for name, penalty, weight, options in [
        ("l21", L21(1.3), WEIGHT, {}),
        ("sparse-linf", SparseGroup(1.2, 0.6, "linf"), WEIGHT[::-1], {"ridge": 0.2}),
        ("dirty", Dirty(1.2, 0.9, "l2"), WEIGHT, {"positive": True}),
        ("sum", InfimalSum(L1Linf(1.5), L1(0.9)), WEIGHT, {}),
        ("signs", L1(0.7), WEIGHT, {"positive": SIGNS, "ridge": 0.3}),
        ("mean", MeanRegularization(0.3, 0.05), WEIGHT, {}),
        ("mean-free", MeanRegularization(0.3, 0.0), WEIGHT, {}),
        ("mean-ridge", MeanRegularization(0.3, 0.0), WEIGHT, {"ridge": 0.1}),
        ("positive-mean", MeanRegularization(0.3, 0.05), WEIGHT, {"positive": True}),
        ("0-l21", L21(1.3), FREE, {}),
        ("0-sparse-linf", SparseGroup(1.2, 0.6, "linf"), FREE, {"ridge": 0.2}),
        ("0-dirty", Dirty(1.2, 0.9, "l2"), FREE, {}),
        ("0-sum", InfimalSum(L1Linf(1.5), L1(0.9)), FREE, {}),
        ("0-sum-ridge", InfimalSum(L1Linf(1.5), L1(0.9)), FREE, {"ridge": 0.2}),
        ("0-signs", L1(0.7), FREE, {"positive": SIGNS}),
        ("0-mean", MeanRegularization(0.3, 0.05), FREE, {}),
        ("0-mean-free", MeanRegularization(0.3, 0.0), FREE, {}),
        ("0-mean-all", MeanRegularization(0.3, 0.0), np.minimum(FREE, 3.0), {}),
        ("0-mean-ridge", MeanRegularization(0.3, 0.0), FREE, {"ridge": 0.1}),
        ("tree", TreeGroup(0.8, BRANCH), WEIGHT, {}),
        ("signs-tree", TreeGroup(0.8, BRANCH), WEIGHT, {"positive": True}),
        ("0-tree", TreeGroup(0.8, BRANCH), FREE, {"ridge": 0.2}),
        ("graph", GraphRegularization(0.3, CHAIN), WEIGHT, {"ridge": 0.1}),
        ("0-graph", GraphRegularization(0.3, PAIR), FREE, {}),
    ]
}
# of four features in three tasks, the last of which sees two directions
ROOTS = np.random.default_rng(0).normal(size=(3, 6, 4))
ROOTS[2, 2:] = 0.0
IN_METRIC = ColumnL2(0.7, ROOTS.swapaxes(1, 2) @ ROOTS)
WEIGHTED_CASES |= {
    "robust-mean": InfimalSum(Consensus(), ColumnL2(0.7)),
    "robust-mean-ridge": InfimalSum(Consensus(), ColumnL2(0.7), ridge=0.2),
    "metric": IN_METRIC,
    "robust-mean-metric": InfimalSum(Consensus(), IN_METRIC),
    "robust-mean-metric-ridge": InfimalSum(Consensus(), IN_METRIC, ridge=0.2),
}
TIED_CASES = {
    "l1-chain": Tied(L1(0.7), GraphRegularization(0.5, CHAIN)),
    "l21-chain-ridge": Tied(L21(1.3), GraphRegularization(0.5, CHAIN, ridge=0.2)),
    "fused-mean": Tied(FusedGroup(0.6, 0.5, 0.3), MeanRegularization(0.4, 0.1)),
    "trace-complete": Tied(TraceNorm(0.8), CompleteGraph(0.6)),
    "positive-mean": Tied(Positive(L21(1.3)), MeanRegularization(0.4, 0.0)),
    "weighted": Tied(Weighted(L1(0.7), WEIGHT), CompleteGraph(0.5)),
}
GAUGE_CASES = {k: p for k, p in PENALTY_CASES.items() if p.is_gauge}
LAYOUTS = ["shared-dense", "shared-sparse", "stacked-dense", "stacked-sparse"]


@dataclass(frozen=True)
class Case:
    """The arguments of a `Problem`, and naive answers about it."""

    data: MultiTaskData
    loss: object
    penalty: Penalty
    task_scale: np.ndarray
    fit_intercept: bool = True

    def problem(self):
        return Problem(
            self.data, self.loss, self.penalty, self.task_scale, self.fit_intercept
        )

    def scaled(self, fraction):
        """The same case at a fraction of alpha_max; as it is if there is none."""
        if not self.penalty.has_polar:
            return self
        factor = fraction * self.problem().alpha_factor
        if factor == 0:
            return self  # 0 at any strength, where signs have it so
        return replace(self, penalty=self.penalty.scaled(factor))

    def tasks(self):
        """(X_t, y_t, v_t) of every task: float64, dense, rows of positive weight."""
        data, n_tasks = self.data, len(self.task_scale)
        X = data.X.toarray() if sp.issparse(data.X) else data.X
        X = X.astype(np.float64)
        for t in range(n_tasks):
            if data.offsets is None:
                Xt, y, w = X, data.y[:, t], data.weight[:, t]
            else:
                rows = slice(data.offsets[t], data.offsets[t + 1])
                Xt, y, w = X[rows], data.y[rows], data.weight[rows]
            held = w > 0
            v = self.task_scale[t] * w / w.sum()
            yield Xt[held], y[held], v[held]

    def objective(self, A, b):
        """F(A, b) as it is written down; A may be stacked blocks."""
        oracle, matrix = oracles.loss_oracle(self.loss), _combined(A)
        F = oracles.value(self.penalty, np.asarray(A, dtype=np.float64))
        for t, (X, y, v) in enumerate(self.tasks()):
            F += v @ oracle.value(y, X @ matrix[:, t] + b[t])
        return F

    def null_value(self):
        """F0 without free directions: the best constant predictions of every task."""
        d = self.data.X.shape[1]
        A, b = np.zeros((d, len(self.task_scale))), np.zeros(len(self.task_scale))
        if self.fit_intercept:
            for t, (_, y, v) in enumerate(self.tasks()):
                b[t] = self.loss.constant(v @ y / v.sum())
        blocks = self.penalty.n_blocks
        return self.objective(A if blocks == 1 else np.stack([A] * blocks), b)

    def gap(self, A, b):
        """F(A, b) minus the dual objective at the scaled residual, from scratch."""
        oracle, matrix = oracles.loss_oracle(self.loss), _combined(A)
        tasks = list(self.tasks())
        z = [X @ matrix[:, t] + b[t] for t, (X, _, _) in enumerate(tasks)]
        theta = self._free_residuals(z, tasks)
        G = np.stack([X.T @ r for (X, _, _), r in zip(tasks, theta, strict=True)], 1)
        s, dual = 1.0, 0.0
        if self.penalty.has_polar:
            s, bent = ridge_dual(self.penalty, np.asarray(matrix, float), G)
            dual -= bent
        else:
            dual -= oracles.conjugate(self.penalty, G)
        for (_, y, v), r in zip(tasks, theta, strict=True):
            dual -= v @ oracle.conjugate(y, -s * r / v)
        return self.objective(A, b) - dual

    def _free_residuals(self, z, tasks):
        """Return theta at the optimum over the slopes that are not penalised.

        What is left of its component along the images N of these and the intercepts is
        projected out in the 1/v metric.
        """
        oracle, N = oracles.loss_oracle(self.loss), self._free_images(tasks)
        n_constants = len(tasks) if self.fit_intercept else 0
        return free_residuals(oracle, z, tasks, N, N.shape[1] > n_constants)

    def _free_images(self, tasks):
        """One column per free slope and per intercept, tasks below each other."""
        n_tasks = len(tasks)
        patterns = self.penalty.free_directions(n_tasks)
        free = self.penalty.free_features
        free = slice(None) if free is None else free
        constants = np.eye(n_tasks) if self.fit_intercept else np.zeros((n_tasks, 0))
        own = self.penalty.free_rows
        if self.penalty.ridge_of_free_rows:
            patterns = patterns[:, :0]
        if own is None or self.penalty.ridge_of_free_rows:
            own = np.zeros(self.data.X.shape[1], dtype=bool)
        return np.vstack(
            [
                np.hstack(
                    [
                        np.kron(X[:, free], patterns[t]),
                        np.kron(X[:, own], np.eye(n_tasks)[t]),
                        np.tile(constants[t], (len(X), 1)),
                    ]
                )
                for t, (X, _, _) in enumerate(tasks)
            ]
        )

    def cvxpy_optimum(self):
        """The minimiser (A, b) by CVXPY."""
        oracle = oracles.loss_oracle(self.loss)
        shape = (self.data.X.shape[1], len(self.task_scale))
        blocks = [cp.Variable(shape) for _ in range(self.penalty.n_blocks)]
        A = sum(blocks)
        b = cp.Variable(shape[1]) if self.fit_intercept else cp.Constant([0] * shape[1])
        many = len(blocks) > 1
        F = oracles.expression(self.penalty, blocks if many else blocks[0])
        for t, (X, y, v) in enumerate(self.tasks()):
            F += v @ oracle.expression(y, X @ A[:, t] + b[t])
        oracles.minimise(F)
        found = [block.value for block in blocks]
        # where it is finite, by rounding
        found = self.penalty.inside(np.stack(found) if many else found[0])
        return found, b.value


def ridge_dual(penalty, A, G):
    """Return s and the conjugate of the ridge, of the better of two dual points."""
    r, gauge = getattr(penalty, "ridge", 0.0), penalty
    if r == 0:
        return 1 / max(1.0, oracles.polar(gauge, G)), 0.0
    D = G - r * A
    s = 1 / max(1.0, oracles.polar(gauge, D))
    free = np.zeros(len(G), bool) if gauge.free_rows is None else gauge.free_rows
    patterns = gauge.free_directions(G.shape[1])
    alone = np.where(free[:, None], D, D @ patterns @ np.linalg.pinv(patterns))
    # where there is a ridge alone, its conjugate at s G
    first = A + alone / r
    if gauge.n_blocks == 1:
        P = gauge.penalty.prox(G / r, 1 / r)
    else:
        P = (G - s * (D - alone)) / r
    found = [
        (r * s**2 / 2 * np.sum(point**2) - s * np.sum(A * G), s, point)
        for s, point in [(s, first), (1.0, P)]
    ]
    _, s, point = min(found, key=lambda each: each[0])
    return s, r * s**2 / 2 * np.sum(point**2)


def free_residuals(oracle, z, tasks, N, moves=True):
    """Return theta at the optimum over the images N; see `Case`."""
    z, y, v = (np.concatenate(p) for p in (z, *list(zip(*tasks, strict=True))[1:]))
    ends = np.cumsum([len(y) for _, y, _ in tasks])[:-1]
    for _ in range(20 if moves else 0):
        bend, slope = v * oracle.bend(y, z), v * oracle.slope(y, z)
        z = z - N @ _least_squares(N, slope / bend, bend)
    theta = -v * oracle.slope(y, z)
    return np.split(theta - v * (N @ _least_squares(N, theta / v, v)), ends)


def _combined(A):
    return A.sum(axis=0) if A.ndim == 3 else A


def _least_squares(N, target, weight):
    root = np.sqrt(weight)
    return np.linalg.lstsq(root[:, None] * N, root * target, rcond=1e-12)[0]


def random_data(
    loss, layout, *, seed=0, n_tasks=3, d=4, n=14, weighted=True, dtype=np.float64
):
    """Data of a loss in a layout; ``weighted`` gives weights 0 to 3 and some 0.5.

    The first two rows of a task have weight 1 and, if there are classes, one of each.
    """
    rng = np.random.default_rng(seed)
    rows, kind = layout.split("-")
    sizes = n + rng.integers(0, 5, n_tasks) if rows == "stacked" else [n]
    shape = (sum(sizes),) if rows == "stacked" else (n, n_tasks)
    X = rng.normal(size=(sum(sizes), d)) + 2 * rng.normal(size=d)
    coef = rng.normal(size=(d, 1)) + 0.5 * rng.normal(size=(d, n_tasks))
    coef[-1] = 0
    if kind == "sparse":
        X *= rng.random(X.shape) < 0.6
    X = X.astype(dtype)
    centred = X - X.mean(axis=0)
    offsets = np.concatenate([[0], np.cumsum(sizes)]) if rows == "stacked" else None
    Z = centred @ coef
    if rows == "stacked":
        Z = Z[np.arange(len(Z)), np.repeat(np.arange(n_tasks), sizes)]
    Z = Z + rng.logistic(size=shape)
    starts = offsets[:-1] if rows == "stacked" else np.array([0])
    Z[starts], Z[starts + 1] = 1.0, -1.0
    y = oracles.LOSS_ORACLES[loss].target(Z)
    weight = np.ones(shape)
    if weighted:
        weight = rng.choice([0.0, 0.5, 1.0, 2.0, 3.0], size=shape)
        weight[starts] = weight[starts + 1] = 1.0
    X = sp.csr_array(X) if kind == "sparse" else X
    return MultiTaskData(X, np.where(weight > 0, y, 0.0), weight, offsets)


def random_case(
    loss, penalty, layout, *, fraction=0.2, intercept=True, scale=None, **options
):
    """A `Case` at a fraction of alpha_max, by default of unequal tasks.

    ``loss`` and ``penalty`` are names (of `PENALTY_CASES` and `WEIGHTED_CASES`);
    ``scale`` is the vector c.
    """
    data = random_data(loss, layout, **options)
    n_tasks = options.get("n_tasks", 3)
    scale = np.linspace(0.5, 2.0, n_tasks) if scale is None else scale
    held = (PENALTY_CASES | WEIGHTED_CASES)[penalty]
    case = Case(data, LOSSES[loss](), held, scale, intercept)
    return case.scaled(fraction)


def counted(function):
    """Return how many calls of Python functions there are in a call."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    function()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls
