"""Statistics of a part of the rows of a table, and of folds that are merged."""

from dataclasses import dataclass, replace

import numpy as np

from mtlreg.problem.data import MultiTaskData
from mtlreg.problem.design import make_design
from mtlreg.problem.memory import check_room
from mtlreg.problem.problem import StatisticsProblem
from mtlreg.problem.rows import CONSTANT
from mtlreg.problem.statistics import Statistics
from mtlreg.problem.terms import rounding_of_means
from mtlreg.sequences.folds import task_totals


@dataclass(frozen=True)
class PartStatistics:
    """What the squared loss needs of a part of the rows, for each task.

    Attributes
    ----------
    weight : ndarray of shape (n_tasks,)
        Sums W_t of the weights.
    means : ndarray of shape (n_features, n_tasks)
        Weighted means of the features; 0 if nothing is centred.
    targets : ndarray of shape (n_tasks,)
        Those of the targets.
    gram : ndarray of shape (n_features, n_features, n_tasks), or without the last axis
        ``sum_i w_ti (x_i - mean_t)(x_i - mean_t)'``; one matrix where tasks have the
        same rows and weights.
    cross : ndarray of shape (n_features, n_tasks)
        ``sum_i w_ti (x_i - mean_t)(y_ti - target_t)``.
    square : ndarray of shape (n_tasks,)
        ``sum_i w_ti (y_ti - target_t)^2``.
    origin : ndarray of shape (n_tasks,) or float
        What was taken off the targets, for no digits of them to be lost.
    """

    weight: np.ndarray
    means: np.ndarray
    targets: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    square: np.ndarray
    origin: np.ndarray | float = 0.0

    @classmethod
    def of_data(cls, data, centred, origin=0.0):
        """Return the statistics of ``data``, in which tasks may have no rows.

        Parameters
        ----------
        data : MultiTaskData
            Whose targets are less than those of the problem by ``origin``.
        centred : bool
            Whether there is an intercept.
        origin : ndarray of shape (n_tasks,) or float
        """
        weight, d = task_totals(data), data.X.shape[1]
        common = one_gram(data)
        held = np.flatnonzero(weight > 0)
        check_room(1 if common else len(weight), d)
        means, cross = np.zeros((2, d, len(weight)))
        targets, square = np.zeros((2, len(weight)))
        gram = np.zeros((d, d) if common else (d, d, len(weight)))
        if held.size:
            part = _tasks_with_rows(data, held)
            design = make_design(part, part.weight, centred)
            means[:, held] = design.means if centred else 0.0
            if centred:
                targets[held] = part.cells.sum(part.weight * part.y) / weight[held]
            rest = part.y - part.cells.spread(targets[held])
            cross[:, held] = design.adjoint(part.weight * rest)
            square[held] = part.cells.sum(part.weight * rest**2)
            design = design.exact()
            if common:
                gram[:] = design.gram(0)
            else:
                whole = held.size == len(weight)
                grams = gram if whole else np.empty((d, d, held.size))
                design.grams(grams)
                if not whole:
                    gram[:, :, held] = grams
        return cls(weight, means, targets, gram, cross, square, origin)

    @classmethod
    def empty(cls, n_tasks, n_features, origin=0.0):
        """Return the statistics of no rows, or raise MemoryError."""
        check_room(n_tasks, n_features)
        both, gram = (n_features, n_tasks), (n_features, n_features, n_tasks)
        shapes = n_tasks, both, n_tasks, gram, both, n_tasks
        return cls(*map(np.zeros, shapes), origin)

    @classmethod
    def of_sums(cls, weight, sums, products, shift):
        """Return the statistics of sums about any point of z = (x, y).

        What then is left of a variable within rounding of its squares is none.

        Parameters
        ----------
        weight : ndarray of shape (n_tasks,)
        sums : ndarray of shape (n_tasks, n_features + 1)
            ``sum_i w_ti (z_i - shift_t)``.
        products : ndarray of shape (n_tasks, n_features + 1, n_features + 1)
            ``sum_i w_ti (z_i - shift_t)(z_i - shift_t)'``.
        shift : ndarray that broadcasts to ``sums``
        """
        moved = sums / weight[:, None]
        left = products - sums[:, :, None] * moved[:, None]
        before, after = (
            np.diagonal(part, axis1=1, axis2=2) for part in (products, left)
        )
        none = after <= 16 * np.finfo(np.float64).eps * before
        left[none[:, :, None] | none[:, None]] = 0.0
        left = np.ascontiguousarray(np.moveaxis(left, 0, 2))
        means = np.ascontiguousarray((shift + moved).T)
        return cls(
            weight, means[:-1], means[-1], left[:-1, :-1], left[:-1, -1], left[-1, -1]
        )

    def is_of(self, n_features, n_tasks):
        """Return whether all arrays have the shapes of so many features and tasks."""
        both, gram = (n_features, n_tasks), (n_features, n_features)
        of_tasks = self.weight, self.targets, self.square
        return (
            self.means.shape == self.cross.shape == both
            and self.gram.shape in [gram, (*gram, n_tasks)]
            and all(part.shape == (n_tasks,) for part in of_tasks)
        )

    def merge(self, other, n_tasks=None, places=(slice(None), slice(None))):
        """Return the statistics of both parts together, perhaps among more tasks.

        Beside the parts and what is returned there is nothing of the size of these.

        Parameters
        ----------
        other : PartStatistics
        n_tasks : int, optional
        places : tuple of ndarray of int, optional
            Of the tasks of both parts among those of the result.
        """
        if self.gram.ndim == other.gram.ndim == 2:
            share = _share(self.weight, other.weight)
            between = self.weight * share
            moved, lifted = other.means - self.means, other.targets - self.targets
            return PartStatistics(
                self.weight + other.weight,
                self.means + share * moved,
                self.targets + share * lifted,
                self.gram + other.gram + between[0] * np.outer(*2 * [moved[:, 0]]),
                self.cross + other.cross + between * moved * lifted,
                self.square + other.square + between * lifted**2,
                self.origin,
            )
        n_tasks = len(self.weight) if n_tasks is None else n_tasks
        whole = PartStatistics.empty(n_tasks, len(self.means), self.origin)
        for part, held in zip((self, other), places, strict=True):
            whole.add(part, held)
        return whole

    def add(self, part, held):
        """Add a part of the tasks at some places in place."""
        share = _share(self.weight[held], part.weight)
        between = self.weight[held] * share
        moved = part.means - self.means[:, held]
        lifted = part.targets - self.targets[held]
        gram = part.gram if part.gram.ndim == 3 else part.gram[:, :, None]
        for j in range(len(moved)):
            self.gram[j][:, held] += gram[j] + between * moved[j] * moved
        self.weight[held] += part.weight
        self.means[:, held] += share * moved
        self.targets[held] += share * lifted
        self.cross[:, held] += part.cross + between * moved * lifted
        self.square[held] += part.square + between * lifted**2

    def restrict(self, features=None, tasks=None):
        """Return the statistics of some features and tasks.

        Parameters
        ----------
        features, tasks : ndarray of int or bool, optional
            In the order that they are to have.
        """
        features = slice(None) if features is None else features
        tasks = slice(None) if tasks is None else tasks
        gram = self.gram[features][:, features]
        gram = gram[:, :, tasks] if gram.ndim == 3 else gram
        both = [part[features][:, tasks] for part in (self.means, self.cross)]
        weight, targets, square = (
            part[tasks] for part in (self.weight, self.targets, self.square)
        )
        origin = self.origin[tasks] if np.ndim(self.origin) else self.origin
        return PartStatistics(weight, both[0], targets, gram, both[1], square, origin)

    def among(self, n_tasks, places):
        """Return the same as statistics of more tasks, the others without rows.

        Parameters
        ----------
        n_tasks : int
        places : ndarray of int
            Of the tasks among them.
        """

        check_room(n_tasks, len(self.means))

        def spread(part):
            whole = np.zeros((*part.shape[:-1], n_tasks))
            whole[..., places] = part
            return whole

        gram = self.gram
        if gram.ndim == 2:
            gram = np.repeat(gram[:, :, None], len(self.weight), axis=2)
        parts = self.weight, self.means, self.targets, gram, self.cross, self.square
        return PartStatistics(*map(spread, parts))

    def about_zero(self):
        """Return the statistics about 0 in place of the means, for no intercepts."""
        weight, means, targets = self.weight, self.means, self.targets
        if self.gram.ndim == 2:
            apart = weight[0] * np.outer(means[:, 0], means[:, 0])
        else:
            apart = weight * means[:, None] * means
        return PartStatistics(
            weight,
            np.zeros_like(means),
            np.zeros_like(targets),
            self.gram + apart,
            self.cross + weight * means * targets,
            self.square + weight * targets**2,
        )

    def around(self, slopes):
        """Return the statistics of the targets less ``x . slopes``.

        Their squares are no smaller than they were, as their rounding is not.

        Parameters
        ----------
        slopes : ndarray of shape (n_features,)
        """
        moved = self.plus(-np.tile(slopes[:, None], len(self.weight)), 0.0)
        return replace(moved, square=np.maximum(moved.square, self.square))

    @property
    def varies(self):
        """Whether the targets are more than one number and its rounding."""
        around = self.targets + self.origin - self.mean_target
        variance = np.average(
            self.square / self.weight + around**2, weights=self.weight
        )
        return bool(variance > CONSTANT * self.mean_target**2)

    def deviations(self):
        """Return the weighted standard deviations of the targets, 1 where they are 0.

        Those that are rounding of the mean count as 0.
        """
        variance = self.square / self.weight
        varied = variance > CONSTANT * self.targets**2
        return np.sqrt(np.where(varied, variance, 1.0))

    def with_targets_over(self, scale):
        """Return the statistics with the targets of each task divided by a number."""
        return replace(
            self,
            targets=self.targets / scale,
            cross=self.cross / scale,
            square=self.square / scale**2,
        )

    def plus(self, A, b):
        """Return the statistics with ``x . a_t + b_t`` added to the targets.

        Parameters
        ----------
        A : ndarray of shape (n_features, n_tasks)
        b : ndarray of shape (n_tasks,)
        """
        image = Statistics(self.gram, self._multiples(), None).multiply(A)
        return replace(
            self,
            targets=self.targets + np.sum(self.means * A, axis=0) + b,
            cross=self.cross + image,
            square=self.square + np.sum(A * (image + 2.0 * self.cross), axis=0),
        )

    @property
    def mean_target(self):
        """The weighted mean of all targets."""
        return float(np.average(self.targets + self.origin, weights=self.weight))

    def with_ones(self, origin):
        """Return the statistics with a last feature of ones, of rows not centred.

        Parameters
        ----------
        origin : float
            What is taken off the targets.
        """
        d, n_tasks = self.means.shape
        target = self.targets + self.origin - origin
        means = np.concatenate([self.means, np.ones((1, n_tasks))])
        gram = self.gram if self.gram.ndim == 3 else self.gram[:, :, None]
        whole = self.weight * means[:, None] * means
        whole[:d, :d] += gram
        cross = self.weight * means * target
        cross[:d] += self.cross
        square = self.square + self.weight * target**2
        zero = np.zeros(means.shape), np.zeros(n_tasks)
        return PartStatistics(self.weight, *zero, whole, cross, square)

    def in_units(self, units):
        """Return the statistics of features that are divided by numbers."""
        part = Statistics(self.gram, self._multiples(), self.cross).in_units(units)
        means = self.means / units[:, None]
        return replace(self, means=means, gram=part.gram, cross=part.moments)

    def problem(self, penalty, task_scale, dtype):
        """Return the problem of these rows with the squared loss.

        Parameters
        ----------
        penalty : Penalty
        task_scale : ndarray of shape (n_tasks,)
            The weights c_t > 0 of the tasks.
        dtype : dtype
            Of the coefficients.
        """
        scale = task_scale / self.weight
        common = self.gram.ndim == 2
        norms = Statistics(self.gram, self._multiples(), None).diagonal()
        dead = norms <= CONSTANT * (norms + self.weight * self.means**2)
        gram = self.gram if common else self.gram * scale
        if dead.any():
            gram = gram.copy()
            both = dead[:, 0] if common else dead
            gram[both[:, None] | both[None, :]] = 0.0
        variation = 0.5 * float(np.sum(scale * self.square))
        moments = np.where(dead, 0.0, self.cross * scale)
        return StatisticsProblem(
            Statistics(gram, scale if common else None, moments),
            penalty,
            variation,
            square_norms=np.where(dead, 0.0, norms) * scale,
            means=self.means,
            targets=self.targets,
            origin=np.broadcast_to(self.origin, self.weight.shape),
            task_scale=task_scale,
            scale=variation + rounding_of_means(task_scale, self.targets + self.origin),
            dtype=dtype,
        )

    def losses(self, coef, intercept):
        """Return what `HeldOutRows.losses` does, good to rounding of ``square``.

        Of statistics that are not centred for intercepts of 0 only.
        """
        out = np.empty(intercept.shape)
        statistics = Statistics(self.gram, self._multiples(), None)
        for point, (a, b) in enumerate(zip(coef, intercept, strict=True)):
            A = np.ascontiguousarray(a.T, dtype=np.float64)
            image = statistics.multiply(A)
            left = self.targets - np.sum(self.means * A, axis=0) - (b - self.origin)
            inner = np.sum(A * (image - 2.0 * self.cross), axis=0)
            out[point] = 0.5 * (self.square + inner + self.weight * left**2)
        return np.maximum(out, 0.0)

    def _multiples(self):
        return np.ones(len(self.weight)) if self.gram.ndim == 2 else None


def _share(weight, other):
    """Return the shares of other weights in the sums, 0 where both are."""
    whole = weight + other
    return np.divide(other, whole, out=np.zeros_like(whole), where=whole > 0)


def one_gram(data):
    """Return whether all tasks have the same rows with the same weights."""
    return data.offsets is None and bool(np.all(data.weight == data.weight[:, :1]))


def with_untested(parts):
    """Return the parts of a table, and a last one of rows that are never tested.

    These are the rows of a task that has them in one part alone, where the others have
    nothing of it to be trained on.

    Parameters
    ----------
    parts : list of PartStatistics
        With an origin of 0.

    Returns
    -------
    list of PartStatistics
    """
    places = np.array([part.weight > 0 for part in parts])
    alone = np.count_nonzero(places, axis=0) == 1
    if not alone.any():
        return parts
    tested, rest = [], None
    for part, held in zip(parts, places & alone, strict=True):
        if held.any():
            rest = _merged(rest, _of_tasks(part, held))
            part = _of_tasks(part, ~held)
        tested.append(part)
    return [*tested, rest]


def _of_tasks(part, held):
    """Return the statistics of some tasks, as if the others had no rows."""
    places = np.flatnonzero(held)
    return part.restrict(tasks=places).among(len(held), places)


def training_statistics(parts, n_folds):
    """Return, for each of the first parts, a function that merges all the others.

    By merges alone, as a difference of sums would lose features that vary in one part.

    Parameters
    ----------
    parts : list of PartStatistics
        The test parts of the folds, and perhaps rows that are in none.
    n_folds : int

    Returns
    -------
    list of callables
        ``f() -> PartStatistics``, the training part of a fold.
    """
    after = [None] * len(parts)
    for k in range(len(parts) - 2, -1, -1):
        after[k] = _merged(parts[k + 1], after[k + 1])
    before, found = None, []
    for k in range(n_folds):
        found.append(lambda left=before, right=after[k]: _merged(left, right))
        before = _merged(before, parts[k])
    return found


def _merged(first, second):
    if first is None or second is None:
        return first or second
    return first.merge(second)


def _tasks_with_rows(data, held):
    if data.offsets is None:
        return MultiTaskData(data.X, data.y[:, held], data.weight[:, held])
    return replace(data, offsets=np.append(data.offsets[held], data.offsets[-1]))
