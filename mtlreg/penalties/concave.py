"""Penalties of rows that flatten out: they are not convex, and have convex bounds."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mtlreg.penalties.base import Penalty, check_number, check_strengths
from mtlreg.penalties.l21 import L21, row_norms
from mtlreg.penalties.options import with_options
from mtlreg.penalties.weighted import check_weight

SHAPES = ("log", "mcp")


@dataclass(frozen=True, eq=False)
class ConcaveL21(Penalty):
    """``sum_j f(w_j ||A_j||_2) + ridge/2 ||A||_F^2`` with f concave.

    It has the slope alpha at 0. With ``eps = gamma alpha``, "log" is ``f(r) = alpha eps
    log(1 + r / eps)``, and "mcp" ``f(r) = alpha (r - r^2 / (2 eps))`` up to ``r =
    eps``, from where on it is constant. It is not convex: what solves it iterates on
    the `majorant` at a point, which is no less than it, and the same there.

    Parameters
    ----------
    alpha : float
        Strength, > 0.
    shape : {"log", "mcp"}
    gamma : float, default=3.0
        > 0; the larger, the nearer to ``alpha sum_j w_j ||A_j||_2``.
    feature_weight : ndarray of shape (n_features,), optional
        The w_j, as those of `Weighted`.
    positive : True or ndarray of bool, shape (n_features,), optional
        As that of `Positive`.
    ridge : float, default=0.0

    References
    ----------
    Candes, Wakin, Boyd (2008), Enhancing sparsity by reweighted l1 minimization;
    Breheny, Huang (2015), Group descent algorithms for nonconvex penalized linear and
    logistic regression models with grouped predictors.
    """

    alpha: float
    shape: str
    gamma: float = 3.0
    feature_weight: Any = None
    positive: Any = None
    ridge: float = 0.0

    has_polar = True
    row_separable = True

    def __post_init__(self):
        check_strengths(self)
        check_number(self, "gamma")
        check_number(self, "ridge", allow_zero=True)
        if self.shape not in SHAPES:
            raise ValueError(f"shape must be one of {SHAPES}, got {self.shape!r}")
        if self.shape == "mcp" and self.positive is not None:
            raise ValueError(
                "shape='mcp' leaves large rows without a penalty, where positive has "
                "no certificate: set positive=False or shape='log'"
            )

    def absorb(self, option, value):
        if option == "ridge":
            value = self.ridge + value
        elif option == "feature_weight":
            value = check_weight(value, type(self).__name__)
        return replace(self, **{option: value})

    @property
    def by_feature(self):
        held = {name: getattr(self, name) for name in ("feature_weight", "positive")}
        return tuple(name for name, value in held.items() if np.ndim(value))

    def _norms(self, A):
        norms, weight = row_norms(A), self.feature_weight
        if weight is None:
            return norms
        # an excluded row is 0, where the penalty is finite
        return np.where(np.isinf(weight), 0.0, weight) * norms

    def value(self, A):
        if self.inside(A) is not A:
            return np.inf
        r, eps = self._norms(A), self.gamma * self.alpha
        if self.shape == "log":
            costs = eps * np.log1p(r / eps)
        else:
            cut = np.minimum(r, eps)
            costs = cut - cut**2 / (2 * eps)
        return self.alpha * float(np.sum(costs)) + self.ridge / 2 * float(np.sum(A**2))

    def _of_weights(self, weight):
        """Return the convex penalty of norms with these weights."""
        return with_options(
            L21(self.alpha),
            feature_weight=weight,
            positive=self.positive,
            ridge=self.ridge or None,
        )

    @property
    def start(self):
        """The majorant at A = 0."""
        return self._of_weights(self.feature_weight)

    def majorant(self, A):
        """Return a convex penalty that touches this one at A, but for a constant."""
        share = self._norms(A) / (self.gamma * self.alpha)
        slope = 1 / (1 + share) if self.shape == "log" else np.maximum(1 - share, 0.0)
        weight = 1.0 if self.feature_weight is None else self.feature_weight
        return self._of_weights(weight * np.where(np.isinf(weight), 1.0, slope))

    def priors(self, A, ties=None):
        return self.majorant(A).priors(A, ties)

    def prox(self, A, step, out=None):
        raise NotImplementedError(
            "ConcaveL21 is not convex, so that its prox need not be one point: solve "
            "its problem by that of its majorants, mtlreg.solvers.reweighted"
        )

    def polar(self, G):
        """Return the polar of the start: from it on, A = 0 is where fits end."""
        return self.start.polar(G)

    def gap(self, A, G, value=None):
        """Return the gap of the majorant at A."""
        return self.majorant(A).gap(A, G)

    def inside(self, A):
        return self.start.inside(A)

    @property
    def free_rows(self):
        return self.start.free_rows

    @property
    def ridge_of_free_rows(self):
        return self.ridge

    def attributes(self, A, blocks):
        return L21(self.alpha).attributes(A, blocks)
