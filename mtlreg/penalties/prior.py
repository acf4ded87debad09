"""What the tasks of a fit say of one more: where it lies, and what it costs there."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

# times its size is what an entry is counted in that costs its magnitude: the square of
# which then costs next to nothing
WIDE = 100.0


@dataclass(frozen=True)
class TaskPrior:
    """A task is ``centre + factor w``, and costs ``sum_k p_k/2 w_k^2 + l_k |w_k|``.

    Parameters
    ----------
    centre : ndarray of shape (n_features,)
    factor : ndarray or csr_array of shape (n_features, k)
    precision : ndarray of shape (k,)
        The p_k >= 0; what has 0 is free.
    magnitude : ndarray of shape (k,)
        The l_k >= 0; where they are more than 0, w is of the size ``1 / WIDE``, and
        elsewhere of the size 1.
    optional : bool
        Whether most tasks are the centre, so that it takes evidence for one to deviate.
    unseen : ndarray of shape (n_features,) or None
        Where the centre is for a task of which nothing is known, if elsewhere.
    """

    centre: np.ndarray
    factor: np.ndarray | sp.csr_array
    precision: np.ndarray
    magnitude: np.ndarray
    optional: bool = False
    unseen: np.ndarray | None = None

    @classmethod
    def of_features(cls, centre, precision):
        """Return that of ``1/2 sum_j precision_j (a_j - centre_j)^2``.

        Parameters
        ----------
        centre, precision : ndarrays of shape (n_features,)
            A precision of inf leaves the centre of the feature, 0 leaves it free.
        """
        free = precision == 0
        scale = 1.0 / np.sqrt(np.where(free, 1.0, precision))
        factor, held = _diagonal(scale)
        return cls(centre, factor, np.where(free, 0.0, 1.0)[held], np.zeros(len(held)))

    @classmethod
    def of_entries(cls, strength, sizes):
        """Return that of ``strength ||a||_1``, of entries that are of some sizes.

        Parameters
        ----------
        strength : float
        sizes : ndarray of shape (n_features,)
            With 0 an entry is 0.
        """
        factor, held = _diagonal(WIDE * sizes)
        magnitude = strength * WIDE * sizes[held]
        precision = strength * sizes[held]
        return cls(np.zeros(len(sizes)), factor, precision, magnitude)

    @classmethod
    def of_subspace(cls, centre, directions, precision, outside=None):
        """Return that of a subspace around a centre.

        Parameters
        ----------
        centre : ndarray of shape (n_features,)
        directions : ndarray of shape (n_features, k)
            Orthonormal columns.
        precision : ndarray of shape (k,)
            Of what is along each, > 0.
        outside : float, optional
            Of what is along no direction, no less than any; by default the largest of
            these, as that of what is seldom seen, or inf where there are none.
        """
        if outside is None:
            outside = np.max(precision, initial=0.0) or np.inf
        # covariances add up
        more = 1.0 / precision - 1.0 / outside
        held = more > 0
        factor, k = directions[:, held] * np.sqrt(more[held]), np.count_nonzero(held)
        inside = cls(np.zeros(len(centre)), factor, np.ones(k), np.zeros(k))
        rest = cls.of_features(centre, np.full(len(centre), outside))
        return rest.beside(inside)

    def beside(self, other):
        """Return that of the sum of both."""
        pairs = (self.precision, other.precision), (self.magnitude, other.magnitude)
        factors = [sp.csr_array(prior.factor) for prior in (self, other)]
        factor = sp.csr_array(sp.hstack(factors))
        centre = self.centre + other.centre
        return TaskPrior(centre, factor, *map(np.concatenate, pairs))

    def over(self, weight):
        """Return that of ``diag(weight)^-1 a``, 0 where a weight is 0 or inf.

        Parameters
        ----------
        weight : ndarray of shape (n_features,)
        """
        held = (weight > 0) & (weight < np.inf)
        share = np.divide(1.0, weight, out=np.zeros(len(weight)), where=held)
        factor = sp.diags_array(share) @ self.factor
        factor = sp.csr_array(factor) if sp.issparse(factor) else factor
        return replace(self, centre=share * self.centre, factor=factor)

    def with_ridge(self, ridge):
        """Return that of a task that costs ``1/2 sum_j ridge_j (a - centre)_j^2`` more.

        The columns of the factor are taken to be orthogonal in this metric.

        Parameters
        ----------
        ridge : float or ndarray of shape (n_features,)
        """
        squares = self.factor * self.factor
        more = squares.T @ np.broadcast_to(ridge, len(self.centre))
        return replace(self, precision=self.precision + more)

    def drawing(self, other):
        """Return another one around the centre of this one, which costs both.

        Where this one is `of_features`.
        """
        covariance = (self.factor * self.factor) @ (self.precision > 0)
        held = covariance > 0
        ridge = np.divide(1.0, covariance, out=np.zeros(len(held)), where=held)
        return replace(other, centre=self.centre).with_ridge(ridge)

    def towards_unseen(self, share):
        """Return that with the centre moved by a share of the way to ``unseen``."""
        if self.unseen is None:
            return self
        return replace(self, centre=self.centre + share * (self.unseen - self.centre))

    def at_centre(self):
        """Return that of a task which does not deviate."""
        factor, none = self.factor[:, :0], np.zeros(0)
        return replace(self, factor=factor, precision=none, magnitude=none)


class ExpectsTasks:
    """What a penalty says of tasks without data, and of those that its fit has not."""

    def absent_task(self, A):
        """Return what a task without data gets, an array like A but for its last axis.

        A is the variable, of the other tasks; where it matters which task it is,
        `with_absent` is overridden.
        """
        return np.zeros(A.shape[:-1], dtype=A.dtype)

    def with_absent(self, A, kept):
        """Return the variable of all tasks, those without data by `absent_task`.

        Parameters
        ----------
        A : ndarray
            The variable of the others, optimal for `restrict` to these.
        kept : ndarray of bool, shape (n_tasks,)
        """
        full = np.empty((*A.shape[:-1], len(kept)), dtype=A.dtype)
        full[..., kept] = A
        full[..., ~kept] = self.restrict(tasks=kept).absent_task(A)[..., None]
        return full

    def of_new_tasks(self):
        """Return what a fitted model keeps: what `priors` and `with_task` ask for."""
        parts = {name: part.of_new_tasks() for name, part in self._penalties()}
        kept = all(parts[name] is part for name, part in self._penalties())
        return self if kept else replace(self, **parts)

    def prior(self, A):
        """Return the `TaskPrior` of one more task, with what these share held fixed.

        That is the mean of the tasks, and for what deviates from it the quadratic that
        touches the penalty at the deviations D of these, which is ``1/2 <D, Q D>`` and
        a constant. By default Q is a multiple of the identity.

        Parameters
        ----------
        A : ndarray of shape (n_features, n_tasks)
            In float64.
        """
        # of a gauge ``s/2 ||A||^2 + value/2`` with ``s ||A||^2`` its value
        mean, D = about_mean(A)
        square = float(np.vdot(D, D))
        level = (1.0 if self.is_gauge else 2.0) * self.value(D)
        precision = level / square if square > 0 else np.inf
        return TaskPrior.of_features(mean, np.full(len(A), precision))

    def priors(self, A, ties=None):
        """Return the `TaskPrior` of each part of `split` of one more task.

        Parameters
        ----------
        A : ndarray
            The variable, in float64.
        ties : ndarray of shape (n_tasks,), optional
            The weights of edges to the tasks, for a penalty of a graph.
        """
        self.check_ties(ties)
        return [self.prior(A)]

    def with_task(self, place, ties=None):
        """Return the penalty of one more task.

        Parameters
        ----------
        place : int
            Of the new task among those that follow it.
        ties : ndarray of shape (n_tasks,), optional
            As in `priors`.
        """
        self.check_ties(ties)
        held = [name for name in self.by_task if getattr(self, name) is not None]
        if held:
            raise ValueError(
                f"{held[0]} of {type(self).__name__} has no entry for a new task: fit "
                f"anew with its rows"
            )
        return self

    def check_ties(self, ties):
        """Raise ValueError where ties are given that the penalty has no use for."""
        if ties is not None:
            raise ValueError(
                f"neighbours are for a penalty of a graph that has weights, which "
                f"{type(self).__name__} is not: leave them out"
            )


def prior_of_rows(penalty, A):
    """Return the `Penalty.prior` of a gauge that is a sum over rows.

    Of a row it is the one with the precision ``value(D_j) / ||D_j||^2``: a feature that
    no task uses stays unused.
    """
    mean, D = about_mean(A)
    precision = np.full(len(A), np.inf)
    for j in np.flatnonzero(D.any(axis=1)):
        row, here = D[[j]], penalty.restrict(features=[j])
        largest = np.abs(row).max()
        row = row / largest
        precision[j] = here.value(row) / float(np.vdot(row, row)) / largest
    return TaskPrior.of_features(mean, precision)


def about_mean(A):
    """Return the mean of the tasks, and how they deviate from it.

    A single task says nothing of that: it stands for a deviation from 0.
    """
    mean = A.mean(axis=1)
    return mean, A - mean[:, None] if A.shape[1] > 1 else A


def _diagonal(scale):
    """Return the columns of diag(scale) that are not 0, and which these are."""
    held = np.flatnonzero(scale)
    places, shape = (held, np.arange(len(held))), (len(scale), len(held))
    return sp.csr_array((scale[held], places), shape=shape), held
