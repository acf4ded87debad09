"""Checks of parameters, and where a warning points."""

import inspect
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_scalar

from mtlreg.inputs.labels import encode, label_array


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


def given_values(weights):
    """Return the weights of labels, or others, without the labels."""
    return list(dict(weights.items()).values()) if has_labels(weights) else weights


def numbers_of_tasks(values, name, tasks):
    """Return a parameter of numbers > 0, by task or in the order of ``tasks``.

    Raises TypeError or ValueError unless there is one for each of the tasks.
    """
    if has_labels(values):
        numbers = _by_label(values, name, tasks)
    else:
        if np.ma.is_masked(values):
            values = values.astype(np.float64).filled(np.nan)
        numbers = as_numbers(values, name)
        if numbers.shape != tasks.shape:
            raise ValueError(
                f"{name} has shape {numbers.shape}, but there are {len(tasks)} "
                f"tasks; give one weight for each of tasks_, or a dict by task"
            )
    bad = ~(np.isfinite(numbers) & (numbers > 0))
    if bad.any():
        raise ValueError(
            f"{name} must be finite and > 0, got {numbers[bad][0]} for task "
            f"{tasks[bad][0]!r}"
        )
    return numbers


def _by_label(weights, name, tasks):
    keys = list(weights.keys())
    weights = dict(weights.items())
    if len(weights) < len(keys):
        raise ValueError(
            f"{name} has {len(keys)} entries for {len(weights)} different labels; "
            f"give every task one weight"
        )
    labels = tasks.tolist()
    if all(label in weights for label in labels):
        return as_numbers([weights[label] for label in labels], name)
    # dates have many types, of which only the labels themselves are made one
    keys = label_array(list(weights), f"the keys of {name}")
    order = np.argsort(keys)
    codes = encode(tasks, keys[order])
    if np.any(codes < 0):
        raise ValueError(
            f"{name} has no entry for the tasks {tasks[codes < 0][:10].tolist()} "
            f"(its keys are like {keys[:3].tolist()}); give every task a weight"
        )
    values = list(weights.values())
    return as_numbers([values[k] for k in order[codes]], name)


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
