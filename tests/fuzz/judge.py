"""The objective and a dual bound in extended precision, written without mtlreg.

    F(A, b) = sum_t sum_i v_ti loss(y_ti, x_ti . a_t + b_t) + penalty(A)

with v_ti = c_t w_ti / W_t. With the residuals theta_ti = -v_ti loss'(z_ti) at the best
intercepts (and slopes that nothing penalises), G = X' theta and
s = min(1, 1 / polar(G)), a lower bound of min F is

    - sum_ti v_ti loss*(-s theta_ti / v_ti) - penalty*(s G)

where penalty* is 0 for a gauge.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tests.fuzz.numerics import LONG

EPS = np.finfo(np.float64).eps
# of a sum of a few dozen products: what each may be off, in units of rounding
SUMS = 8
RANK = LONG(1e-12)
NEWTON_STEPS = 60


class Task(NamedTuple):
    """Rows of positive weight of a task, longdouble."""

    X: np.ndarray
    y: np.ndarray
    v: np.ndarray


class SquaredLoss:
    kappa = 1.0

    @staticmethod
    def value(y, z):
        return (y - z) ** 2 / 2

    @staticmethod
    def slope(y, z):
        return z - y

    @staticmethod
    def bend(y, z):
        return np.ones_like(z)

    @staticmethod
    def conjugate(y, q):
        return q * (q / 2 + y)

    @staticmethod
    def into_domain(y, q):
        return LONG(1)


class LogisticLoss:
    """Targets -1 and 1."""

    kappa = 0.25

    @staticmethod
    def value(y, z):
        return np.logaddexp(LONG(0), -y * z)

    @staticmethod
    def slope(y, z):
        return -y * np.exp(-np.logaddexp(LONG(0), y * z))

    @staticmethod
    def bend(y, z):
        return np.exp(-np.logaddexp(LONG(0), z) - np.logaddexp(LONG(0), -z))

    @staticmethod
    def conjugate(y, q):
        p = np.clip(-q * y, 0, 1)
        return _xlogx(p) + _xlogx(1 - p)

    @staticmethod
    def into_domain(y, q):
        """Return the largest factor <= 1 that takes q to a finite conjugate."""
        p = -q * y
        # only a point that is feasible at factor 0 can be shrunk: below 0 nothing is
        return LONG(0) if p.min() < 0 else 1 / max(LONG(1), p.max())


def _xlogx(p):
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0)


LOSSES = {"squared": SquaredLoss, "logistic": LogisticLoss}


class Verdict(NamedTuple):
    """What is known of coefficients A: all but the rounding in longdouble.

    Attributes
    ----------
    objective : longdouble
        F(A, b) at the best intercepts.
    intercept : ndarray of shape (n_tasks,)
        These.
    gap : longdouble
        F minus the dual bound.
    rounding : longdouble
        What float64 arithmetic may make of a gap here.
    """

    objective: np.longdouble
    intercept: np.ndarray
    gap: np.longdouble
    rounding: np.longdouble


@dataclass(frozen=True)
class Judge:
    """A problem.

    Attributes
    ----------
    tasks : list of Task
    loss : {"squared", "logistic"}
    penalty : penalty of `tests.fuzz.penalties`
    fit_intercept : bool
    """

    tasks: list
    loss: str
    penalty: object
    fit_intercept: bool

    @classmethod
    def of_rows(cls, rows, scale, loss, penalty, fit_intercept):
        """Return the problem of (X_t, y_t, w_t) and c_t."""
        tasks = []
        for (X, y, w), c in zip(rows, scale, strict=True):
            held = w > 0
            X, y, w = (np.asarray(part[held], dtype=LONG) for part in (X, y, w))
            tasks.append(Task(X, y, LONG(c) * w / w.sum()))
        judge = cls(tasks, loss, penalty, fit_intercept)
        roots = [
            np.sqrt(v / v.sum())[:, None] * X
            for X, (_, _, v) in zip(judge.centred, tasks, strict=True)
        ]
        return replace(judge, penalty=penalty.of_design(roots))

    @property
    def kappa(self):
        """The largest curvature of the loss."""
        return self._loss.kappa

    @property
    def _loss(self):
        return LOSSES[self.loss]

    @cached_property
    def centred(self):
        """X_t minus its weighted means; of itself where there is no intercept."""
        found = []
        for X, _, v in self.tasks:
            for _ in range(2 if self.fit_intercept else 0):
                X = X - v @ X / v.sum()
            found.append(X)
        return found

    @cached_property
    def levels(self):
        """Levels of the targets, without which nothing of them cancels."""
        found = np.zeros(len(self.tasks), dtype=LONG)
        if self.loss == "squared" and self.fit_intercept:
            for t, (_, y, v) in enumerate(self.tasks):
                found[t] = v @ y / v.sum()
        return found

    @cached_property
    def targets(self):
        """y_t minus its level."""
        return [y - m for (_, y, _), m in zip(self.tasks, self.levels, strict=True)]

    @cached_property
    def free_basis(self):
        """Orthonormal columns: sqrt(v) times what slopes that are free predict."""
        own, common = self.penalty.free(self.tasks[0].X.shape[1])
        rows = [
            np.sqrt(v)[:, None] * X
            for X, (_, _, v) in zip(self.centred, self.tasks, strict=True)
        ]
        ends = np.cumsum([0, *map(len, rows)])
        columns = []
        for part in self.penalty.parts(len(rows)).T:
            alike = [X[:, common] * held for X, held in zip(rows, part, strict=True)]
            columns.append(np.concatenate(alike))
        for t, part in enumerate(rows):
            block = np.zeros((ends[-1], own.sum()), dtype=LONG)
            block[ends[t] : ends[t + 1]] = part[:, own]
            columns.append(block)
        return orthonormal(np.concatenate(columns, axis=1))

    def combine(self, A):
        """Return the coefficients of a variable, blocks of which A is the sum or A."""
        A = np.asarray(A, dtype=LONG)
        return A.sum(axis=0) if self.penalty.has_blocks else A

    def objective(self, A, b):
        """Return F(A, b)."""
        matrix = self.combine(A)
        data = sum(
            v @ self._loss.value(y, X @ matrix[:, t] + b[t])
            for t, (X, y, v) in enumerate(self.tasks)
        )
        return data + self.penalty.value(np.asarray(A, dtype=LONG))

    def predictions(self, A):
        """Return z at the best intercepts, less the levels of y, and these."""
        A = self.combine(A)
        z, b = [], np.zeros(len(self.tasks), dtype=LONG)
        for t, (X, _, v) in enumerate(self.tasks):
            z.append(self.centred[t] @ A[:, t])
            if self.fit_intercept:
                rest = self._level(self.targets[t], z[t], v)
                mean = v @ (X - self.centred[t]) / v.sum()
                b[t] = self.levels[t] + rest - mean @ A[:, t]
                z[t] = z[t] + rest
        return z, b

    def _level(self, y, z, v):
        """Return the best constant to add to predictions z."""
        if self.loss == "squared":
            level = v @ (y - z) / v.sum()
            return level + v @ (y - z - level) / v.sum()
        low, high = -LONG(50) - np.abs(z).max(), LONG(50) + np.abs(z).max()
        level = LONG(0)
        for _ in range(3 * NEWTON_STEPS):
            slope = v @ self._loss.slope(y, z + level)
            low, high = (low, level) if slope > 0 else (level, high)
            step = level - slope / (v @ self._loss.bend(y, z + level))
            following = step if low < step < high else (low + high) / 2
            if following == level:
                break
            level = following
        return level

    def residuals(self, z):
        """Return theta, at the best predictions that free slopes allow near z."""
        y, v = np.concatenate(self.targets), np.concatenate([t.v for t in self.tasks])
        z, ends = (
            np.concatenate(z),
            np.cumsum([len(task.y) for task in self.tasks])[:-1],
        )
        if not self.free_basis.shape[1]:
            return np.split(-v * self._loss.slope(y, z), ends)
        if self.loss == "logistic":
            z = self._newton(y, z, v)
        theta = -v * self._loss.slope(y, z)
        root = np.sqrt(v)
        for _ in range(2):
            theta = np.concatenate(self._without_means(np.split(theta, ends)))
            share = theta / root
            theta = root * (share - self.free_basis @ (self.free_basis.T @ share))
        return np.split(theta, ends)

    def gradient(self, theta):
        """Return G = X' theta."""
        parts = zip(self.centred, theta, strict=True)
        return np.stack([X.T @ part for X, part in parts], 1)

    def _without_means(self, theta):
        if not self.fit_intercept:
            return theta
        return [
            part - v * (part.sum() / v.sum())
            for part, (_, _, v) in zip(theta, self.tasks, strict=True)
        ]

    def _newton(self, y, z, v):
        """Return z moved along the free slopes and intercepts to the least loss."""
        images = [self.free_basis / np.sqrt(v)[:, None]]
        if self.fit_intercept:
            sizes = [len(task.y) for task in self.tasks]
            images.append(np.repeat(np.eye(len(sizes), dtype=LONG), sizes, axis=0))
        images = np.hstack(images)
        for _ in range(NEWTON_STEPS):
            # far out of the bend nothing is left
            bend = np.maximum(v * self._loss.bend(y, z), EPS**4 * v)
            basis = orthonormal(np.sqrt(bend)[:, None] * images)
            target = v * self._loss.slope(y, z) / np.sqrt(bend)
            step = basis @ (basis.T @ target) / np.sqrt(bend)
            before, factor = v @ self._loss.value(y, z), LONG(1)
            while factor > EPS and v @ self._loss.value(y, z - factor * step) > before:
                factor /= 2
            if not np.all(np.isfinite(step)) or factor <= EPS:
                break
            z = z - factor * step
        return z

    def null_objective(self):
        """Return F0, where only what nothing penalises is fitted."""
        shape = self.tasks[0].X.shape[1], len(self.tasks)
        shape = (2, *shape) if self.penalty.has_blocks else shape
        z, _ = self.predictions(np.zeros(shape))
        y, v = np.concatenate(self.targets), np.concatenate([t.v for t in self.tasks])
        if not self.free_basis.shape[1]:
            return v @ self._loss.value(y, np.concatenate(z))
        if self.loss == "squared":
            theta = np.concatenate(self.residuals(z))
            return np.sum(theta**2 / v) / 2
        return v @ self._loss.value(y, self._newton(y, np.concatenate(z), v))

    def scale(self):
        """Return S, the loss of zeros; of the centred target if it is squared."""
        total = LONG(0)
        for (_, y, v), level in zip(self.tasks, self.levels, strict=True):
            total += v @ self._loss.value(y - level, np.zeros_like(y))
            if level != 0:
                total += 16 * EPS**2 * (v @ y**2)
        return total

    def verdict(self, A):
        """Return the `Verdict` on A of shape (n_features, n_tasks), or its blocks."""
        A = np.asarray(A, dtype=LONG)
        z, b = self.predictions(A)
        triples = list(zip(self.targets, z, (t.v for t in self.tasks), strict=True))
        objective = self.penalty.value(A)
        objective += sum(v @ self._loss.value(y, part) for y, part, v in triples)
        theta = self.residuals(z)
        shrink = min(
            self._loss.into_domain(y, -part / v)
            for (y, _, v), part in zip(triples, theta, strict=True)
        )
        theta = [shrink * part for part in theta]
        G = self.gradient(theta)
        s = self.penalty.dual_scale(G)
        dual = -self.penalty.conjugate(s * G)
        for (y, _, v), part in zip(triples, theta, strict=True):
            dual -= v @ self._loss.conjugate(y, -s * part / v)
        gap = objective - dual
        return Verdict(objective, b, gap, self._rounding(A, z, theta, G, s, gap))

    def _rounding(self, A, z, theta, G, s, gap):
        """Return what errors of float64 in z and in G make of the gap."""
        unit, total = SUMS * EPS, 16 * EPS * self.scale()
        sizes = np.abs(A).sum(axis=0) if self.penalty.has_blocks else np.abs(A)
        dG, energy = np.zeros_like(G), LONG(0)
        for t, ((X, y, v), part) in enumerate(zip(self.tasks, theta, strict=True)):
            size = np.abs(X) + np.abs(X - self.centred[t])
            dz = size @ sizes[:, t] + np.abs(z[t])
            if self.loss == "squared":
                dz = dz + np.abs(y) + abs(v @ y) / v.sum()
            dz = unit * dz
            part = np.maximum(np.abs(part), v * np.abs(self._loss.slope(y, z[t])))
            total += 2 * part @ dz + self.kappa * (v @ dz**2)
            dG[:, t] = unit * (part @ size) + v * dz @ np.abs(self.centred[t])
            energy += np.sum(part**2 / v)
        return total + self.penalty.rounding(A, G, dG, s, energy, gap)


def orthonormal(columns):
    """Return an orthonormal basis of the span of some columns, by Gram-Schmidt."""
    basis = np.zeros((len(columns), 0), dtype=LONG)
    for column in columns.T:
        size = np.sqrt(column @ column)
        for _ in range(2):
            column = column - basis @ (basis.T @ column)
        left = np.sqrt(column @ column)
        if left > RANK * size and left > 0:
            basis = np.column_stack([basis, column / left])
    return basis
