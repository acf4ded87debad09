"""Where the tasks of a fit lie, for the level of one more."""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import RidgeCV

# of the regression of levels on means, over the number of tasks, the strongest first
_STRENGTHS = np.logspace(3, -3, 13)
# second derivative of a loss, below which rows say nothing
_FLATTEST = 1e-6


class Levels(NamedTuple):
    """The levels of tasks whose intercepts are free, and what tells of them.

    The level of a task is its prediction at the mean of its rows. Slopes that are alike
    within a task, as of what its rows have in common, are lost to free intercepts; a
    regression of the levels on the means of the features finds them (Mundlak 1978).

    Attributes
    ----------
    known : ndarray of bool, shape (n_tasks,)
        Whether a task was in the fit.
    means : ndarray of shape (n_known, n_features)
        Of the features of the rows of each.
    blur : ndarray of shape (n_features,)
        The variance of the mean of rows of a task, times the sum of their weights.
    weight : ndarray of shape (n_known,)
        The sums of the weights of the tasks.
    """

    known: np.ndarray
    means: np.ndarray
    blur: np.ndarray
    weight: np.ndarray

    @classmethod
    def of_fit(cls, fit, of_row):
        """Return that of a fit with free intercepts.

        Parameters
        ----------
        fit : Fit
        of_row : float
            The mean weight of a row.
        """
        problem = fit.problem
        means, blur = problem.means.T, of_row * problem.within.mean(axis=1)
        if fit.units is not None:
            means, blur = means * fit.units, blur * fit.units**2
        return cls(fit.kept, means, blur, fit.totals[fit.kept])

    def expected(self, coef, intercept, centre):
        """Return the expected level at 0 of a task with the slopes ``centre``.

        Parameters
        ----------
        coef : ndarray of shape (n_tasks, n_features)
        intercept : ndarray of shape (n_tasks,)
        centre : ndarray of shape (n_features,)
        """
        return float(self._beyond(coef, intercept, centre).mean())

    def at(self, mean, weight, noise, loss, fitted):
        """Return the level to expect at the mean of the rows of a task, and its spread.

        The spread is what is left of the differences of levels without the noise of
        their rows, and no less than the standard error of their variance.

        Parameters
        ----------
        mean : ndarray of shape (n_features,)
        weight : float
            The sum of their weights.
        noise : float
            As ``blur``, of targets over what a loss bends.
        loss : Loss
        fitted : tuple of (coef, intercept, centre)
            As in `expected`.
        """
        beyond = self._beyond(*fitted)
        own = beyond + self.means @ fitted[2]
        ones = np.ones(len(own))
        bends = np.maximum(loss.hessian(own, ones, ones), _FLATTEST)
        level, square = self._regression(mean, weight, beyond)
        least = square * np.sqrt(2.0 / (len(own) - 1))
        noise = noise * np.mean(1.0 / (bends * self.weight))
        return mean @ fitted[2] + level, np.sqrt(max(square - noise, least))

    def _regression(self, mean, weight, beyond):
        """Return the mean of numbers of the tasks, as it is expected at a mean of rows.

        And the mean square by which the tasks miss theirs, each left out.
        """
        level, square = beyond.mean(), beyond.var(ddof=1)
        between = self.means.var(axis=0, ddof=1)
        rounding = np.finfo(np.float64).eps * np.abs(self.means).max(axis=0)
        held = between > rounding**2 * len(beyond)
        if len(beyond) < 3 or not held.any() or not square > 0:
            return level, square
        between = between[held]
        unit, middle = np.sqrt(between), self.means[:, held].mean(axis=0)
        strengths = len(beyond) * _STRENGTHS
        model = RidgeCV(strengths, store_cv_results=True)
        model.fit((self.means[:, held] - middle) / unit, beyond)
        errors = model.cv_results_[:, np.flatnonzero(strengths == model.alpha_)[0]]
        # of few rows the mean is not yet that of the task
        blur = self.blur[held]
        true = np.maximum(between - blur * np.mean(1.0 / self.weight), 0.0)
        share = np.divide(true, true + blur / weight, out=true, where=true > 0)
        moved = share * (mean[held] - middle) / unit
        return level + float(model.coef_ @ moved), errors.mean()

    def _beyond(self, coef, intercept, centre):
        """Return the levels of the tasks beyond what the slopes ``centre`` say."""
        moved = coef[self.known] - centre
        return intercept[self.known] + np.einsum("tj,tj->t", moved, self.means)
