"""Checks of parameters, and where a warning points."""

import inspect
from numbers import Real

import numpy as np
from sklearn.utils import check_scalar


def check_real(value, name, *, minimum, strict=False):
    """Raise unless ``value`` is a finite number >= (or >, if strict) ``minimum``."""
    boundaries = "neither" if strict else "left"
    check_scalar(value, name, Real, min_val=minimum, include_boundaries=boundaries)
    if not np.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")


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
