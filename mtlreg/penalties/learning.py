"""Penalties that learn something of fits of single tasks before they are used."""

from dataclasses import replace

from mtlreg.penalties.mean import MeanRegularization


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


def learned(penalty, A, kept):
    """Return the penalty with what there is to learn.

    Parameters
    ----------
    penalty : Penalty
        Of all tasks.
    A : ndarray of shape (n_features, n_kept)
        The coefficients of each task by itself.
    kept : ndarray of bool, shape (n_tasks,)
        The tasks that have such.
    """
    if penalty.learns:
        return penalty.learned(A, kept)
    parts = {n: learned(p, A, kept) for n, p in penalty._penalties() if learns(p)}
    return replace(penalty, **parts) if parts else penalty
