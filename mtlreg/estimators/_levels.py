"""Where the tasks of a fit lie, for the level and the slopes of one more."""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import RidgeCV

# of the regression of levels on means, over the number of tasks, the strongest first
_STRENGTHS = np.logspace(3, -3, 13)
# second derivative of a loss, below which rows say nothing
_FLATTEST = 1e-6
# mean of targets of -1 and 1
_SUREST = 1.0 - 1e-12


class Levels(NamedTuple):
    """The levels of tasks, and what tells of those that are free.

    The level of a task is its prediction at the mean of its rows. Slopes that are alike
    within a task, as of what its rows have in common, are lost to free intercepts; a
    regression of the levels on the means of the features finds them (Mundlak 1978).

    Where the expected target is no linear function of predictions, the mean of linear
    models is surer than tasks are of one that is not known. What is expected are means
    of targets then, with rows taken to be normal.

    Attributes
    ----------
    known : ndarray of bool, shape (n_tasks,)
        Whether a task was in the fit.
    means : ndarray of shape (n_known, n_features)
        Of the features of the rows of each, or 0 where intercepts are shrunken.
    within : ndarray of shape (n_features,)
        The mean squares of the features in a task, about these.
    of_row : float
        The mean weight of a row.
    weight : ndarray of shape (n_known,)
        The sums of the weights of the tasks.
    """

    known: np.ndarray
    means: np.ndarray
    within: np.ndarray
    of_row: float
    weight: np.ndarray

    @classmethod
    def of_fit(cls, fit, of_row):
        """Return that of a fit.

        Parameters
        ----------
        fit : Fit
        of_row : float
            The mean weight of a row.
        """
        problem, d = fit.problem, len(fit.read.feature_names)
        means, within = problem.means, problem.within.mean(axis=1)[:d]
        means = np.zeros((d, problem.shape[-1])) if means is None else means[:d]
        units = 1.0 if fit.units is None else fit.units[:d]
        given = means.T * units, within * units**2, of_row, fit.totals[fit.kept]
        return cls(fit.kept, *given)

    def factors(self, loss, coef, intercept):
        """Return what makes a mean of the tasks predict means of their targets.

        The slopes ``sum_t k_t a_t / T`` have the mean over tasks, and over rows that
        are normal with the means and variances of the features, of the derivative of
        the expected target by each of these; with the intercepts, it has its mean.

        Parameters
        ----------
        loss : Loss
            Of targets that are -1 and 1; for a quadratic one all k_t would be 1.
        coef : ndarray of shape (n_tasks, n_features)
        intercept : ndarray of shape (n_tasks,)

        Returns
        -------
        factors : ndarray of shape (n_tasks,)
            The k_t.
        intercept : ndarray of shape (n_tasks,)
        """
        known = self.known
        middle = self.means.mean(axis=0)
        variance = self.within + self.means.var(axis=0)
        damped = loss.damping(coef**2 @ variance)
        z, ones = damped * (intercept + coef @ middle), np.ones(len(coef))
        target = 2.0 * float(loss.inverse_link(z[known]).mean()) - 1.0
        level = loss.constant(np.clip(target, -_SUREST, _SUREST))
        factors = damped * loss.hessian(z, ones, ones) / loss.hessian(level, 1.0, 1.0)
        mean = (factors[:, None] * coef)[known].mean(axis=0)
        undamped = float(loss.damping(-(mean**2 @ variance)))
        factors, mean = undamped * factors, undamped * mean
        level = level / loss.damping(mean**2 @ variance) - mean @ middle
        return factors, intercept + (level - intercept[known].mean())

    def expected(self, loss, coef, intercept, centre, unknown):
        """Return the expected level at 0 of a task with the slopes ``centre``.

        Parameters
        ----------
        loss : Loss
        coef : ndarray of shape (n_tasks, n_features)
        intercept : ndarray of shape (n_tasks,)
        centre : ndarray of shape (n_features,)
        unknown : float
            The share of how far tasks differ that is not known of this one.
        """
        return float(self._beyond(loss, coef, intercept, centre, unknown).mean())

    def at(self, mean, weight, noise, fitted):
        """Return the level to expect at the mean of the rows of a task, and its spread.

        The spread is what is left of the differences of levels without the noise of
        their rows, and no less than the standard error of their variance.

        Parameters
        ----------
        mean : ndarray of shape (n_features,)
        weight : float
            The sum of their weights.
        noise : float
            The variance of the mean of targets over what a loss bends, times the sum
            of the weights.
        fitted : tuple of (loss, coef, intercept, centre, unknown)
            As in `expected`.
        """
        beyond = self._beyond(*fitted)
        loss, _, _, centre, _ = fitted
        own = beyond + self.means @ centre
        ones = np.ones(len(own))
        bends = np.maximum(loss.hessian(own, ones, ones), _FLATTEST)
        level, square = self._regression(mean, weight, beyond)
        least = square * np.sqrt(2.0 / (len(own) - 1))
        noise = noise * np.mean(1.0 / (bends * self.weight))
        return mean @ centre + level, np.sqrt(max(square - noise, least))

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
        blur = self.of_row * self.within[held]
        true = np.maximum(between - blur * np.mean(1.0 / self.weight), 0.0)
        share = np.divide(true, true + blur / weight, out=true, where=true > 0)
        moved = share * (mean[held] - middle) / unit
        return level + float(model.coef_ @ moved), errors.mean()

    def _beyond(self, loss, coef, intercept, centre, unknown):
        """Return the levels of the tasks beyond what the slopes ``centre`` say.

        With these, if all is unknown, they have the same mean of expected targets.
        """
        coef, means = coef[self.known], self.means
        level = intercept[self.known] + np.einsum("tj,tj->t", coef, means)
        own, shared = (loss.damping(a**2 @ self.within) for a in (coef, centre))
        return level + unknown * (own / shared - 1.0) * level - means @ centre
