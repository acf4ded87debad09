"""Standard deviations of what mean regularisation of least squares estimates."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators._options import given_weights
from mtlreg.inputs.read import UNSEEN, read_predict_input
from mtlreg.problem import costs
from mtlreg.sequences.posterior import Posterior

_CHUNK = 2**20  # entries of rows that are treated at once


class WithUncertainty:
    """What a regressor needs for standard deviations.

    They are of the mixed model whose best linear unbiased prediction the fit is, see
    `MeanRegularizedRegressorCV`, given its strengths and the variance of the noise:
    that these are estimated is not in them. A strength alpha stands for deviations of
    the variance ``s2 / alpha`` and a row for noise of the variance ``s2 W_t / (c_t
    w_ti)``; s2 is the weighted sum of squared residuals over the rows less the trace of
    the matrix that maps targets to fits, or of ``cv="reml"``. A direction in which no
    row of any task varies counts as known.

    Attributes
    ----------
    coef_std_ : ndarray of shape (n_tasks, n_features)
        Standard deviations of ``coef_``.
    mean_coef_std_ : ndarray of shape (n_features,)
        Those of the mean of which the slopes of the tasks are deviations.
    reliability_ : ndarray of shape (n_tasks,)
        The share of its own data in the intercept of a task, 1 where it is free and 0
        where there is one for all: what actuaries call credibility.
    """

    def _solve(self, fit, start, context, inputs):
        super()._solve(fit, start, context, inputs)
        self._posterior = None
        if fit.read.data is not None and self._has_posterior():
            A = fit.variable(self.coef_.T[None], self.intercept_)
            free = fit.problem.term.fit_intercept
            given = fit.problem, fit.read.data, A, free, fit.units
            self._posterior = _Later(lambda: Posterior.of_problem(*given))
            if _n_bytes(fit.read.data.X) > costs.KEPT_BYTES:
                self._posterior.settle()

    def _forget_deviations(self):
        self._posterior = None

    def _has_posterior(self):
        weight = self.feature_weight
        free = weight is not None and np.any(given_weights(weight) == 0)
        return not (self.normalize_y or np.any(self.positive) or free)

    def _known_posterior(self, error=AttributeError):
        check_is_fitted(self)
        posterior = None if self._posterior is None else self._posterior.settle()
        if posterior is not None:
            return posterior
        if not self._has_posterior():
            why = (
                "standard deviations are of coefficients of any sign, each with a "
                "penalty, and of targets in one unit: set normalize_y=False, "
                "positive=False and feature_weight to numbers > 0"
            )
        elif self._posterior is None:
            why = "standard deviations need the rows of all tasks: use fit to have them"
        else:
            why = (
                f"{type(self).__name__} keeps no covariances of {len(self.tasks_)} "
                f"tasks with {self.coef_.shape[1]} features each, which take more than "
                f"{costs.KEPT_BYTES >> 20} MB; use fewer features to have them"
            )
        raise error(why)

    @property
    def coef_std_(self):
        return self._known_posterior().coefficient_deviations(self.coef_.shape[1])

    @property
    def mean_coef_std_(self):
        return self._known_posterior().mean_deviations(self.coef_.shape[1])

    @property
    def reliability_(self):
        return self._known_posterior().reliability

    def _deviations(self, X, tasks, noise):
        posterior = self._known_posterior(ValueError)
        X, codes = read_predict_input(self, X, tasks)
        n_tasks = len(self.tasks_)
        shape = (X.shape[0], n_tasks)
        if codes is None:
            codes = np.broadcast_to(np.arange(n_tasks), shape)
        codes = np.maximum(codes, UNSEEN)  # of no known task either
        codes = codes.reshape(X.shape[0], -1)
        out = np.empty(codes.shape)
        step = max(1, _CHUNK // (codes.shape[1] * (X.shape[1] + 1)))
        for start in range(0, len(codes), step):
            part = slice(start, start + step)
            rows = X[part].toarray() if sp.issparse(X) else X[part]
            out[part] = posterior.of_rows(rows, codes[part], noise)
        by_column = self._layout == "columns"
        return np.sqrt(out) if by_column else np.sqrt(out[:, 0])


class _Later:
    """What is made when somebody asks: a fit that nobody asks costs nothing more.

    Until then it holds the rows; a copy or a pickle holds what was made.

    Parameters
    ----------
    make : callable
    """

    def __init__(self, make):
        self._make, self._made = make, None

    def settle(self):
        """Return it."""
        if self._make is not None:
            self._made, self._make = self._make(), None
        return self._made

    def __getstate__(self):
        return {"_make": None, "_made": self.settle()}

    def __eq__(self, other):
        return isinstance(other, _Later) and self.settle() == other.settle()

    def __hash__(self):
        return hash(type(self))


def _n_bytes(X):
    return X.data.nbytes + X.indices.nbytes if sp.issparse(X) else X.nbytes
