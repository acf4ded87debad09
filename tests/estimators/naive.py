"""F and its dual written out in plain numpy, from public parameters alone.

No numbers here are those of the package: one loop over tasks, the duality gap as primal
minus dual, penalties and polars by their oracles.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import block_diag
from scipy.special import entr, expit, logit

from mtlreg.penalties import with_options
from tests import oracles
from tests.estimators.cases import penalty_of
from tests.problems import free_residuals, ridge_dual

TOL = 1e-10


class NaiveProblem:
    """The problem that ``estimator`` states about its data.

    Parameters
    ----------
    estimator : fitted estimator
        Of its fitted attributes only ``tasks_``, ``classes_`` are used.
    X, y, sample_weight, tasks
        As in ``fit``; X dense and without a task column.
    """

    def __init__(self, estimator, X, y, sample_weight=None, tasks=None):
        self.estimator = estimator
        self.logistic = hasattr(estimator, "classes_")
        self.blocks = self._blocks(np.asarray(X, float), y, sample_weight, tasks)
        self.kept = np.array([self._has_optimum(y, w) for _, y, w in self.blocks])
        c = task_scale(estimator, self.blocks, self.kept)
        self.blocks = [
            (Z[w > 0], y[w > 0], c_t * w[w > 0] / w.sum())
            for (Z, y, w), c_t in zip(self.blocks, c, strict=True)
        ]

    def _blocks(self, X, y, weight, tasks):
        """Rows, targets (classes: -1, 1) and weights of every task."""
        labels, y = self.estimator.tasks_, np.asarray(y)
        weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
        if tasks is not None:
            members = [np.asarray(tasks) == label for label in labels]
            cells = [(X[m], y[m], weight[m]) for m in members]
        elif y.ndim == 2:
            weight = np.broadcast_to(weight.reshape(len(y), -1), y.shape)
            held = ~np.isnan(y)
            cells = [(X[h], y[h, t], weight[h, t]) for t, h in enumerate(held.T)]
        else:
            cells = [(X, y, weight)] * len(labels)
        if not self.logistic:
            return cells
        second = np.broadcast_to(self._second_classes(), len(labels))
        return [
            (Z, np.where(target == positive, 1.0, -1.0), w)
            for (Z, target, w), positive in zip(cells, second, strict=True)
        ]

    def _second_classes(self):
        classes = self.estimator.classes_
        if classes.ndim == 2:
            return classes[:, 1]
        return classes if len(classes) > 2 else classes[1]

    def _has_optimum(self, y, w):
        free = self.logistic and self.estimator.fit_intercept
        return not free or len(np.unique(y[w > 0])) == 2

    def _solvable(self):
        return [b for b, kept in zip(self.blocks, self.kept, strict=True) if kept]

    def grams(self):
        """The weighted mean of the squares of the centred rows of every task."""
        found = []
        for X, _, v in self._solvable():
            Z = X - v @ X / v.sum() if self.estimator.fit_intercept else X
            found.append((v / v.sum() * Z.T) @ Z)
        return np.array(found)

    def _penalty(self):
        """That of the estimator, in the metric of these rows if it asks for that."""
        penalty = penalty_of(self.estimator)
        if getattr(self.estimator, "metric", "identity") == "identity":
            return penalty
        return replace(penalty, second=replace(penalty.second, metric=self.grams()))

    def loss(self, coef, intercept):
        """The data term at coef (n_tasks, n_features)."""
        total = 0.0
        for t in np.flatnonzero(self.kept):
            X, y, v = self.blocks[t]
            z = X @ coef[t].astype(float) + intercept[t]
            pointwise = np.logaddexp(0, -y * z) if self.logistic else (y - z) ** 2 / 2
            total += v @ pointwise
        return total

    def objective(self, coef=None, intercept=None):
        """F, by default at the fitted coefficients."""
        est, penalty = self.estimator, self._penalty()
        held = est.coef_ if coef is None else coef
        intercept = est.intercept_ if intercept is None else intercept
        A = held[self.kept].T.astype(float)
        if penalty.n_blocks == 1:
            cost = oracles.value(penalty, A)
        elif coef is None:
            blocks = est.blocks_[:, self.kept].astype(float)
            cost = oracles.value(penalty, blocks.swapaxes(1, 2))
        else:
            cost = oracles.infimum(penalty, A)
        return self.loss(held, intercept) + cost + est.ridge / 2 * np.sum(A**2)

    def null_value(self):
        """F(0, best intercept), or at the best center that nothing else penalises."""
        if self._has_center():
            return self._pooled()
        total = 0.0
        for _, y, v in self._solvable():
            mean = v @ y / v.sum() if self.estimator.fit_intercept else 0.0
            if self.logistic:
                p = (1 + mean) / 2
                total += v.sum() * (entr(p) + entr(1 - p))
            else:
                total += v @ (y - mean) ** 2 / 2
        return total

    def _has_center(self):
        penalty = self._penalty()
        return penalty.is_gauge and penalty.free_directions(1).size > 0

    def _images(self):
        """Those of the center and of the intercepts, tasks below each other."""
        blocks = self._solvable()
        N = np.vstack([X for X, _, _ in blocks])
        if not self.estimator.fit_intercept:
            return N
        return np.hstack([N, block_diag(*(np.ones((len(y), 1)) for _, y, _ in blocks))])

    def _oracle(self):
        return oracles.LOSS_ORACLES["logistic" if self.logistic else "squared"]

    @np.errstate(over="ignore")
    def _pooled(self):
        """The least loss of one vector for all tasks, with its ridge, by Newton."""
        N, oracle, blocks = self._images(), self._oracle(), self._solvable()
        y, v = (np.concatenate(part) for part in list(zip(*blocks, strict=True))[1:])
        d = blocks[0][0].shape[1]
        bend = self.estimator.ridge * len(blocks) * (np.arange(N.shape[1]) < d)

        def value(x):
            return v @ oracle.value(y, N @ x) + bend @ x**2 / 2

        x = np.zeros(N.shape[1])
        for _ in range(60):
            z = N @ x
            slope = N.T @ (v * oracle.slope(y, z)) + bend * x
            H = (N.T * (v * oracle.bend(y, z))) @ N + np.diag(bend)
            step, least = np.linalg.pinv(H, hermitian=True) @ slope, value(x)
            tries = (x - 0.5**k * step for k in range(40))
            x = next((tried for tried in tries if value(tried) < least), x)
        # nothing is left where classes are apart: gaps stop at the rounding of the loss
        rounding = 16 * np.finfo(float).eps * value(np.zeros_like(x)) / TOL
        return max(value(x), rounding if self.logistic else 0.0)

    def gap(self):
        """F minus the dual objective at the scaled residual of the fitted model."""
        est = self.estimator
        blocks, z = self._solvable(), []
        for t in np.flatnonzero(self.kept):
            X = self.blocks[t][0]
            z.append(X @ est.coef_[t].astype(float) + est.intercept_[t])
        theta = self._residuals(z, blocks)
        G = np.stack(
            [X.T @ u for (X, _, _), u in zip(blocks, theta, strict=True)], axis=1
        )
        s, ridge = 1.0, float(est.ridge) or None
        penalty = with_options(self._penalty(), ridge=ridge)
        if penalty.has_polar:
            A = est.coef_[self.kept].T.astype(float)
            s, conjugate = ridge_dual(penalty, A, G)
        else:
            conjugate = oracles.conjugate(penalty, G)
        dual = 0.0
        for (_, y, v), u in zip(blocks, theta, strict=True):
            if self.logistic:
                a = s * u * y / v
                dual += v @ (entr(a) + entr(1 - a))
            else:
                dual += s * u @ y - np.sum((s * u) ** 2 / v) / 2
        return self.objective() - (dual - conjugate)

    def _residuals(self, z, blocks):
        """Minus the slopes of the loss, at the best center where that is free."""
        if self._has_center() and not self.estimator.ridge:
            return free_residuals(self._oracle(), z, blocks, self._images())
        return [
            v * (y * expit(-y * u) if self.logistic else y - u)
            for u, (_, y, v) in zip(z, blocks, strict=True)
        ]


def task_scale(estimator, blocks, kept):
    """The c_t of the objective."""
    rule = estimator.task_weight
    totals = np.array([w.sum() for _, _, w in blocks])
    if isinstance(rule, str):
        if rule == "equal":
            return np.ones(len(blocks))
        return kept.sum() * totals / totals[kept].sum()
    if isinstance(rule, dict):
        return [rule[label] for label in estimator.tasks_.tolist()]
    return rule


def logit_intercept(positive, total):
    """The intercept of a task of one class, (k + 1/2) / (W + 1) in log odds."""
    return logit((positive + 0.5) / (total + 1))


def assert_as_good(est, coef, intercept, X, y, weight=None, tasks=None):
    """Another solution of the problem of a fitted estimator is the same.

    Objectives agree to 2 tol F0 and fitted values of regressors to 2 sqrt(2 tol F0);
    both sides have been solved at tol = TOL.
    """
    naive = NaiveProblem(est, X, y, weight, tasks)
    null = naive.null_value()
    found, other = naive.objective(), naive.objective(coef, intercept)
    # the least cost of blocks of another solution is CVXPY's, see `oracles.minimise`
    accuracy = 0 if penalty_of(est).n_blocks == 1 else 1e-8 * found
    assert abs(found - other) <= 2 * TOL * null + accuracy
    if hasattr(est, "classes_"):
        return
    distance = 0.0
    for t, (Z, _, v) in enumerate(naive.blocks):
        apart = Z @ (est.coef_[t] - coef[t]) + est.intercept_[t] - intercept[t]
        distance += v @ apart**2
    assert np.sqrt(distance) <= 2 * np.sqrt(2 * TOL * null)
