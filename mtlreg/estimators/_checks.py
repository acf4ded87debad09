"""Checks of parameters, and where a warning points."""

import inspect
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_scalar


def check_real(value, name, *, minimum, strict=False, infinite=False):
    """Raise unless ``value`` is a number >= (or >, if strict) ``minimum``.

    And finite, unless it may be infinite.
    """
    boundaries = "neither" if strict else "left"
    _check_no_bool(value, name)
    check_scalar(value, name, Real, min_val=minimum, include_boundaries=boundaries)
    if np.isnan(float(value)) or not (infinite or np.isfinite(float(value))):
        raise ValueError(f"{name} must be finite, got {value!r}")


def check_flag(value, name):
    """Raise ValueError unless ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")


def check_strength(value, name, *, infinite=False):
    """Raise unless ``value`` is a number > 0, the strength of a penalty.

    And finite, unless it may be infinite.
    """
    if isinstance(value, Real) and not isinstance(value, bool) and value == 0:
        raise ValueError(
            f"{name} == {value!r}, must be > 0: for a ridge alone, give ridge= beside "
            f"a {name} that is next to nothing, such as 1e-9"
        )
    check_real(value, name, minimum=0.0, strict=True, infinite=infinite)


def check_count(value, name):
    """Raise unless ``value`` is an integer >= 1."""
    _check_no_bool(value, name)
    check_scalar(value, name, Integral, min_val=1)


def as_numbers(values, name):
    """Return numbers as a float64 array; raise TypeError for strings and booleans."""
    given = np.asarray(values, dtype=object)  # where none of them has become a number
    wrong = {kind for kind in set(map(type, given.ravel().tolist())) if _no_real(kind)}
    for value in given.ravel() if wrong else ():
        if type(value) in wrong:
            raise TypeError(f"{name} must hold numbers, got {value!r}")
    return given.astype(np.float64)


def _check_no_bool(value, name):
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")


def _no_real(kind):
    return issubclass(kind, bool) or not issubclass(kind, Real)


def has_labels(weights):
    """Return whether they belong to labels: of a dict, or of a series by its index."""
    return hasattr(weights, "keys")


def check_choice(value, name, choices):
    """Raise ValueError unless ``value`` is one of the strings in ``choices``."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")


def levels_to_caller():
    """Return the ``stacklevel`` at which a warning points at the caller of mtlreg."""
    frame, level = inspect.currentframe().f_back, 1
    # scikit-learn's callbacks wrap fit, and joblib calls the folds
    passed = ("mtlreg.", "sklearn.callback.", "joblib.")
    while frame is not None and frame.f_globals["__name__"].startswith(passed):
        frame, level = frame.f_back, level + 1
    return level
