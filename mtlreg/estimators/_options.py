"""Options that every estimator has, as its penalty takes them."""

import numpy as np

from mtlreg.estimators._checks import check_real


def check_options(model):
    """Raise unless what can be told of the options without data is valid."""
    check_real(model.ridge, "ridge", minimum=0.0)
    if np.asarray(model.positive).dtype != bool:
        raise ValueError(
            f"positive must be True or False, or hold one of them for every feature; "
            f"got {model.positive!r}"
        )


def read_options(model, read):
    """Return the options of `mtlreg.penalties.with_options`, None where off.

    Parameters
    ----------
    model : MultiTaskLinearModel
    read : FitInput
    """
    return {
        "ridge": float(model.ridge) or None,
        "positive": _signs(model.positive, read),
    }


def _signs(positive, read):
    which = np.asarray(positive)
    if not which.any():
        return None
    if which.ndim == 0:
        return True
    _check_length(which, "positive", read)
    return which


def _check_length(values, name, read):
    """Raise ValueError unless there is one for every feature."""
    names = read.feature_names
    if values.shape != names.shape:
        raise ValueError(
            f"{name} has shape {values.shape}, but there are {len(names)} features "
            f"without a task column; give one entry for each of coef_feature_names_"
        )
