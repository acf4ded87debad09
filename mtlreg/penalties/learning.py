"""Penalties that learn something of the rows of a fit before they are used."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtlreg.penalties.mean import MeanRegularization


@dataclass(frozen=True)
class Training:
    """What there is to learn of the rows of a fit, each on demand.

    Attributes
    ----------
    kept : ndarray of bool, shape (n_tasks,)
        The tasks that have something to say.
    coefficients : callable
        Returns those of each of these by itself, (n_features, n_kept).
    spectra : callable
        Returns the eigenvalues, (n_kept, n_features), and eigenvectors of the Gram
        matrix of a row of each, as `TaskMetrics.of_spectra` takes them.
    """

    kept: np.ndarray
    coefficients: Callable
    spectra: Callable


def learns(penalty):
    """Return whether a penalty, or one that it is made of, is to be `learned`."""
    return penalty.learns or any(learns(part) for _, part in penalty._penalties())


def single_tasks(curvature):
    """Return the penalty of the fits that are learned of: a ridge for each task.

    Parameters
    ----------
    curvature : float
        The mean of that of the data term, of which it is a tenth.
    """
    ridge = 0.1 * curvature or 1.0
    return MeanRegularization(ridge, ridge)


def learned(penalty, training):
    """Return the penalty with what there is to learn.

    Parameters
    ----------
    penalty : Penalty
        Of all tasks.
    training : Training
    """
    if penalty.learns:
        return penalty.learned(training)
    parts = {n: learned(p, training) for n, p in penalty._penalties() if learns(p)}
    return replace(penalty, **parts) if parts else penalty
