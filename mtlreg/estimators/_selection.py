"""Which strengths of a search are best, the table of their scores, and grid ends."""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from mtlreg.estimators._checks import levels_to_caller

_ROUNDING = 1e-10  # relative difference of scores that are equal


@dataclass(frozen=True)
class Grid:
    """The strengths that a search tries.

    Attributes
    ----------
    models : list of estimator
        With strengths that are to be multiplied, one for each ratio.
    units : ndarray of shape (n_ratios, 1)
        What a strength of 1 is in leading strengths.
    alphas : ndarray of shape (n_ratios, n_alphas)
        The strengths, in these units, largest first.
    tops : ndarray of shape (n_ratios,)
        Beyond which there is nothing to gain.
    smaller : str
        What makes the smallest strength smaller.
    shape : tuple of int
        Of A, (n_features, n_tasks).
    """

    models: list
    units: np.ndarray
    alphas: np.ndarray
    tops: np.ndarray
    smaller: str
    shape: tuple

    @property
    def factors(self):
        """What the strengths of the models are multiplied by."""
        return self.alphas * self.units

    def found(self, ratio, index):
        """Return what is reported of a point, by name."""
        at = ratio, index
        return self.models[ratio]._found(self.factors[at], self.alphas[at])

    def model(self, ratio, index):
        """Return the model at a point."""
        model = self.models[ratio]
        return model.set_params(**model._at_factor(self.factors[ratio, index]))


class Scores(NamedTuple):
    """The scores of a search; more is better.

    Attributes
    ----------
    means : ndarray of shape (n_ratios, n_alphas)
    folds : ndarray of shape (n_ratios, n_alphas, n_folds)
    tasks : ndarray of shape (n_ratios, n_alphas, n_folds, n_tasks)
    shares : ndarray of shape (n_folds,)
        Weights of the folds in standard errors.
    """

    means: np.ndarray
    folds: np.ndarray
    tasks: np.ndarray
    shares: np.ndarray

    def select(self, selection):
        """Return the positions of the ratio and the strength to choose.

        Of equal scores that of the largest strength, which comes first.
        """
        means, n_folds = self.means, self.folds.shape[2]
        ratio, index = np.unravel_index(np.argmax(self._best), means.shape)
        if selection == "one_se" and n_folds > 1:
            error = self.standard_error(ratio)[index]
            index = np.argmax(means[ratio] >= means[ratio, index] - error)
        return int(ratio), int(index)

    def table(self, grid, with_folds):
        """Return them as a table, a column an entry, in the manner of a grid search."""
        points = []
        for ratio, model in enumerate(grid.models):
            given = model.get_params(deep=False).items()
            fixed = {name: value for name, value in given if name == model._ratio}
            n_alphas = grid.alphas.shape[1]
            points += [grid.found(ratio, index) | fixed for index in range(n_alphas)]
        flat, means = self.folds.reshape(-1, self.folds.shape[2]), self.means.ravel()
        table = {f"param_{k}": np.array([p[k] for p in points]) for k in points[0]}
        table |= {
            "params": points,
            "mean_test_score": means,
            "std_test_score": np.sqrt(self._variance(flat)),
            "rank_test_score": rankdata(-means, method="min").astype(int),
        }
        if with_folds:
            table |= {f"split{k}_test_score": column for k, column in enumerate(flat.T)}
        return table

    def warn_of_ends(self, grid, ratios):
        """Tell where the best is at an end of a grid beyond which it may be better.

        Parameters
        ----------
        grid : Grid
        ratios : ndarray of shape (n_ratios,), or list of None
        """
        rows, columns = np.nonzero(self._best)
        row = rows[0]
        model, strengths = grid.models[row], grid.alphas[row]
        _warn_of_end(
            model._searched()[0],
            strengths,
            strengths[columns[rows == row]],
            (0.0, grid.tops[row]),
            (grid.smaller, "extend alphas"),
        )
        if ratios[0] is not None:
            remedies = (f"extend {model._ratio}",) * 2
            limits = model._ratio_limits(grid.shape)
            _warn_of_end("ratio", ratios, np.asarray(ratios)[rows], limits, remedies)

    @property
    def _best(self):
        """Which mean scores are as good as the best.

        What is rounding next to those of the largest strengths tells nothing: two
        ratios may lead to one model.
        """
        best, first = self.means.max(), np.abs(self.means[:, 0]).min()
        return self.means >= best - _ROUNDING * max(abs(best), first)

    def standard_error(self, ratio):
        """Return that of the weighted mean at every strength, NaN of a single fold.

        It is ``std(ddof=1) / sqrt(n)`` where the folds weigh the same.
        """
        left = np.sum((self.shares / self.shares.sum()) ** 2)
        if len(self.shares) < 2:
            return np.full(self.means.shape[1], np.nan)
        return np.sqrt(self._variance(self.folds[ratio]) * left / (1 - left))

    def _variance(self, scores):
        """Return the weighted mean square around the mean of scores (..., n_folds)."""
        means = np.average(scores, axis=-1, weights=self.shares)
        squares = (scores - means[..., None]) ** 2
        return np.average(squares, axis=-1, weights=self.shares)


def _warn_of_end(name, grid, best, limits, remedies):
    """Warn if the best values are one end of a grid that is inside the limits."""
    smallest, largest = np.min(grid), np.max(grid)
    if smallest == largest:
        return
    inside = (1 + _ROUNDING) * limits[0], (1 - _ROUNDING) * limits[1]
    if np.max(best) == smallest > inside[0]:
        end, value, remedy = "smallest", smallest, remedies[0]
    elif np.min(best) == largest < inside[1]:
        end, value, remedy = "largest", largest, remedies[1]
    else:
        return
    warnings.warn(
        f"the best {name}={value:.3g} is the {end} of its grid, and others beyond "
        f"it may score better: {remedy}",
        UserWarning,
        stacklevel=levels_to_caller(),
    )
