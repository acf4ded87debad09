"""Penalties of graphs: tasks are drawn to their neighbours."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.sparse.csgraph import connected_components

from mtlreg.penalties.base import Quadratic, check_number, check_strengths
from mtlreg.penalties.mean import MeanRegularization
from mtlreg.penalties.prior import TaskPrior
from mtlreg.penalties.weighted import check_weight


@dataclass(frozen=True, eq=False)
class CompleteGraph(MeanRegularization):
    """`GraphRegularization` with an edge of weight 1/T between every two of T tasks.

    It is mean regularisation, ``alpha/2 sum_t ||a_t - m||^2`` with m the mean of the
    a_t, of which no matrix of T x T numbers is made.

    Parameters
    ----------
    alpha, alpha_mean, ridge
        As in `MeanRegularization`.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import CompleteGraph
    >>> CompleteGraph(1.0).value(np.array([[1.0, 3.0]]))
    1.0
    """

    alpha_mean: float | np.ndarray = 0.0

    def attributes(self, A, blocks):
        n_tasks = A.shape[1]
        return {"graph_": (1.0 - np.eye(n_tasks)) / n_tasks}


@dataclass(frozen=True, eq=False)
class GraphRegularization(Quadratic):
    """``alpha/2 sum w_st ||a_s - a_t||^2 + ridge/2 ||A||_F^2``, over the pairs s < t.

    With L the Laplacian of the graph it is ``1/2 trace(A (alpha L + ridge I) A')``.
    Without a ridge the mean of each connected component is free.

    Parameters
    ----------
    alpha : float or ndarray of shape (n_features,)
        Strength, > 0, or one for every feature: 0 penalises nothing but the ridge, and
        inf leaves 0 of the feature.
    graph : ndarray of shape (n_tasks, n_tasks)
        The w_st, >= 0 and symmetric; the diagonal is 0.
    ridge : float, default=0.0
        >= 0, no strength: `scaled` leaves it as it is. A task that is left out by
        `restrict` costs none.

    References
    ----------
    Evgeniou, Micchelli, Pontil (2005), Learning multiple tasks with kernel methods,
    section 3.1.3; the graph of some tasks: Doerfler, Bullo (2013), Kron reduction of
    graphs with applications to electrical networks.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.penalties import GraphRegularization
    >>> penalty = GraphRegularization(1.0, np.array([[0.0, 0.5], [0.5, 0.0]]))
    >>> penalty.prox(np.array([[1.0, 3.0]]), step=1.0).round(12)
    array([[1.5, 2.5]])
    """

    alpha: float | np.ndarray
    graph: np.ndarray
    ridge: float = 0.0

    strengths: ClassVar[tuple[str, ...]] = ("alpha",)
    by_task: ClassVar[tuple[str, ...]] = ("graph",)

    row_separable = True

    def __post_init__(self):
        check_number(self, "ridge", allow_zero=True)
        if np.ndim(self.alpha) == 0:
            check_strengths(self)
        else:
            alpha = np.array(self.alpha, dtype=np.float64)
            if not np.all(alpha >= 0):
                raise ValueError(
                    f"alpha of {type(self).__name__} must hold numbers >= 0, got "
                    f"{self.alpha}"
                )
            object.__setattr__(self, "alpha", alpha)
        graph = check_graph(self.graph, f"graph of {type(self).__name__}")
        object.__setattr__(self, "graph", graph)

    def absorb(self, option, value):
        if option == "ridge":
            return replace(self, ridge=self.ridge + value)
        if option == "feature_weight":
            return self._weighted(check_weight(value, type(self).__name__))
        raise ValueError(
            f"{type(self).__name__} has no signs: set positive=False, or let the graph "
            f"be complete, which is mean regularisation"
        )

    def _weighted(self, weight):
        with np.errstate(over="ignore", under="ignore"):
            alpha = weight**2 * self.alpha
        lost = (alpha == 0) & (weight > 0)
        if lost.any():
            raise ValueError(
                f"feature_weight holds {weight[lost].min()}, whose square times alpha="
                f"{self.alpha} is no number > 0: give a larger weight, or 0 for none"
            )
        return replace(self, alpha=alpha)

    @property
    def by_feature(self):
        return ("alpha",) if np.ndim(self.alpha) else ()

    @property
    def ignores_basis(self):
        return not self.by_feature

    @property
    def task_spectrum(self):
        if self.by_feature:
            return None
        return self._curvature[0], self._spectrum[1]

    def inside(self, A):
        excluded = np.equal(self.alpha, np.inf)
        if not np.any(excluded) or not A[excluded].any():
            return A
        return np.where(excluded[:, None], np.zeros_like(A), A)

    def prox(self, A, step, out=None):
        # (I + step Q)^-1 in the eigenvectors of Q
        vectors = self._spectrum[1]
        shrunken = (np.asarray(A, dtype=np.float64) @ vectors) / (
            1.0 + step * self._curvature
        )
        result = shrunken @ vectors.T
        if out is None:
            return result.astype(np.result_type(A, np.float32), copy=False)
        out[...] = result
        return out

    @cached_property
    def _components(self):
        return connected_components(self.graph > 0, directed=False)

    @cached_property
    def _spectrum(self):
        """Eigenvalues and vectors of the Laplacian; the mean of a component has 0."""
        values, vectors = np.zeros(len(self.graph)), np.zeros_like(self.graph)
        n_components, member_of = self._components
        for component in range(n_components):
            held = np.flatnonzero(member_of == component)
            found, U = np.linalg.eigh(laplacian(self.graph[np.ix_(held, held)]))
            found[0], U[:, 0] = 0.0, len(held) ** -0.5
            values[held], vectors[np.ix_(held, held)] = found, U
        return values, vectors

    @cached_property
    def _curvature(self):
        """The eigenvalues of Q of every feature, or in one row those of all."""
        alpha = np.atleast_1d(self.alpha)[:, None]
        excluded = alpha == np.inf
        q = np.where(excluded, 0.0, alpha) * self._spectrum[0] + self.ridge
        return np.where(excluded, np.inf, q)

    @property
    def curvature(self):
        return float(np.max(self._curvature, where=self._curvature < np.inf, initial=0))

    def _coordinates(self, A):
        """Return A in the eigenvectors, in float64."""
        exact = np.asarray(A, dtype=np.float64)
        values, vectors = self._spectrum
        means = exact @ vectors[:, values == 0]
        # which are no part of the differences, however large they are
        found = (exact - means @ vectors[:, values == 0].T) @ vectors
        found[:, values == 0] = means
        return found

    def _times(self, coordinates):
        """Return the product with the eigenvalues of Q, in which inf times 0 is 0."""
        return np.where(coordinates == 0.0, 0.0, self._curvature) * coordinates

    def value(self, A):
        coordinates = self._coordinates(A)
        return 0.5 * float(np.vdot(coordinates, self._times(coordinates)))

    def gradient(self, A):
        return self._times(self._coordinates(A)) @ self._spectrum[1].T

    def conjugate(self, G):
        return self._conjugate(self._coordinates(G))

    def divergence(self, A, G):
        if self.inside(A) is not A:
            return np.inf
        return self._conjugate(self._coordinates(G) - self._times(self._coordinates(A)))

    def _conjugate(self, coordinates):
        q = self._curvature
        return 0.5 * float(np.sum(coordinates**2 / np.where(q == 0, np.inf, q)))

    def restrict(self, features=None, tasks=None):
        """As `Penalty.restrict`.

        The tasks that are left out are where they cost least, so that two others that
        are tied through them are tied with each other.
        """
        part = super().restrict(features)
        if tasks is None:
            return part
        kept = np.arange(len(self.graph))[tasks]
        gone = np.setdiff1d(np.arange(len(self.graph)), kept)
        through = self.graph[np.ix_(kept, gone)] @ self._shares(kept, gone)
        graph = self.graph[np.ix_(kept, kept)] + through
        np.fill_diagonal(graph, 0.0)
        return replace(part, graph=(graph + graph.T) / 2)

    def _shares(self, kept, gone):
        """Return what each column that is gone is a mean of, (n_gone, n_kept)."""
        L, (_, member_of) = laplacian(self.graph), self._components
        inverse = np.linalg.pinv(L[np.ix_(gone, gone)], hermitian=True)
        found = np.maximum(inverse @ self.graph[np.ix_(gone, kept)], 0.0)
        return np.where(member_of[gone][:, None] == member_of[kept], found, 0.0)

    def with_absent(self, A, kept):
        full = np.empty((len(A), len(kept)), dtype=A.dtype)
        places = np.flatnonzero(kept), np.flatnonzero(~kept)
        full[:, kept], full[:, ~kept] = A, A @ self._shares(*places).T
        return full

    def attributes(self, A, blocks):
        return {"graph_": self.graph.copy()}

    def priors(self, A, ties=None):
        # alpha/2 sum_t w_t ||a - a_t||^2 + ridge/2 ||a||^2
        ties = self._ties(ties)
        total = ties.sum()
        mean = A @ ties / total if total > 0 else A.mean(axis=1)
        pull = np.broadcast_to(total * np.asarray(self.alpha), len(A))
        precision = pull + self.ridge
        held = (precision > 0) & (precision < np.inf)
        share = np.divide(pull, precision, out=np.ones(len(A)), where=held)
        return [TaskPrior.of_features(share * mean, precision)]

    def with_task(self, place, ties=None):
        ties = self._ties(ties)
        graph = np.insert(self.graph, place, ties, axis=0)
        column = np.insert(ties, place, 0.0)
        return replace(self, graph=np.insert(graph, place, column, axis=1))

    def _ties(self, ties):
        """Return the weights of edges to a task, by default the mean weight to all."""
        if ties is None:
            return np.full(len(self.graph), self.graph.mean())
        return ties

    def free_directions(self, n_tasks):
        values, vectors = self._spectrum
        return vectors[:, values == 0][:, : None if np.any(self._only_means) else 0]

    @property
    def free_features(self):
        return self._only_means if self.by_feature else None

    @property
    def _only_means(self):
        """Which features cost nothing where all tasks of a component are alike."""
        return (self.ridge == 0) & (self.alpha > 0) & np.isfinite(self.alpha)

    @property
    def free_rows(self):
        free = np.equal(self.alpha, 0) & (self.ridge == 0)
        return free if np.any(free) else None


def laplacian(graph):
    """Return the matrix L with ``x'Lx = sum over s < t of w_st (x_s - x_t)^2``."""
    return np.diag(graph.sum(axis=1)) - graph


def check_graph(graph, name, tasks=None):
    """Return a symmetric array of weights as floats, or raise ValueError.

    Parameters
    ----------
    graph : array-like of shape (n_tasks, n_tasks)
    name : str
        What it is called in messages.
    tasks : ndarray of shape (n_tasks,), optional
        The labels, positions by default.
    """
    weights = np.array(graph, dtype=np.float64)
    n_tasks = len(weights) if tasks is None else len(tasks)
    if weights.shape != (n_tasks, n_tasks):
        raise ValueError(
            f"{name} has the shape {weights.shape}, but there are {n_tasks} tasks; "
            f"give a row and a column for each of tasks_, in this order"
        )
    labels = np.arange(n_tasks) if tasks is None else tasks
    for wrong, what in [
        (~(np.isfinite(weights) & (weights >= 0)), "hold finite weights >= 0"),
        (weights != weights.T, "be symmetric"),
        (np.diag(np.diag(weights) != 0), "have 0 on its diagonal"),
    ]:
        if wrong.any():
            s, t = np.argwhere(wrong)[0]
            raise ValueError(
                f"{name} must {what}, but has {weights[s, t]} for the tasks "
                f"{labels[s]!r} and {labels[t]!r}, and {weights[t, s]} the other way "
                f"round: change these"
            )
    return weights
