"""Options that every estimator has, as its penalty takes them."""

import numpy as np

from mtlreg.estimators._checks import as_numbers, check_real, given_values, has_labels


def check_options(model):
    """Raise unless what can be told of the options without data is valid."""
    check_real(model.ridge, "ridge", minimum=0.0)
    if np.asarray(model.positive).dtype != bool:
        raise ValueError(
            f"positive must be True or False, or hold one of them for every feature; "
            f"got {model.positive!r}"
        )
    weight = model.feature_weight
    if weight is not None:
        numbers = given_weights(weight)
        bad = ~(numbers >= 0)
        if np.any(bad):
            raise ValueError(
                f"feature_weight must hold numbers > 0, 0 for a feature without a "
                f"penalty, or inf to exclude one; got {numbers[bad][0]}"
            )
        if numbers.ndim != 1:
            raise ValueError(
                f"feature_weight must be one number for each feature, or a dict by "
                f"the names of features; got shape {numbers.shape}"
            )


def given_weights(weight):
    """Return the numbers in a `feature_weight`, by name or not."""
    return as_numbers(given_values(weight), "feature_weight")


def read_options(model, penalty, read):
    """Return the options of `mtlreg.penalties.with_options`, None where off.

    Parameters
    ----------
    model : MultiTaskLinearModel
    penalty : Penalty
        Of the model, without options.
    read : FitInput
    """
    by_rows = _is_sum_over_rows(penalty)
    return {
        "ridge": float(model.ridge) or None,
        "positive": _signs(model.positive, read),
        "feature_weight": _weights(model.feature_weight, read) if by_rows else None,
    }


def units_of_weights(model, penalty, read):
    """Return what to divide columns of X by for the weights of features, or None.

    A penalty that is no sum over rows has no prox of ``diag(w) A``, so that its problem
    is posed in this matrix: on the columns of X over w.

    Parameters
    ----------
    model, read
        As in `read_options`.
    penalty : Penalty
        Of the model, with its options.
    """
    if model.feature_weight is None or _is_sum_over_rows(penalty):
        return None
    weight = _weights(model.feature_weight, read)
    name = type(getattr(penalty, "penalty", penalty)).__name__
    bad = ~((weight > 0) & (weight < np.inf))
    if bad.any():
        raise ValueError(
            f"feature_weight of {name}, which is no sum over features, must be > 0 and "
            f"finite, got {weight[bad][0]}: give a small weight to a feature that is "
            f"not to be penalised, and leave one out of X to exclude it"
        )
    ridge = getattr(penalty, "ridge", 0.0)
    if ridge > 0:
        raise ValueError(
            f"feature_weight and ridge={ridge} do not go together for {name}, "
            f"which is no sum over features: set ridge=0 or feature_weight=None"
        )
    return weight


def _is_sum_over_rows(penalty):
    """Return whether it is one over the rows of A, or of blocks of which each is."""
    parts = getattr(penalty, "parts", (penalty,))
    return all(part.row_separable for part in parts)


def _signs(positive, read):
    which = np.asarray(positive)
    if not which.any():
        return None
    if which.ndim == 0:
        return True
    _check_length(which, "positive", read)
    return which


def _weights(feature_weight, read):
    """Return the weights of all features; those that a dict does not name have 1."""
    if feature_weight is None:
        return None
    if has_labels(feature_weight):
        feature_weight = dict(feature_weight.items())
        names = read.feature_names.tolist()
        unknown = sorted(set(feature_weight) - set(names), key=str)
        if unknown:
            raise ValueError(
                f"feature_weight has no features {unknown[:10]} to weigh: the names "
                f"are like {names[:3]}, see coef_feature_names_"
            )
        feature_weight = [feature_weight.get(name, 1.0) for name in names]
    weight = as_numbers(feature_weight, "feature_weight")
    _check_length(weight, "feature_weight", read)
    if np.all(np.isinf(weight)):
        raise ValueError(
            "feature_weight excludes all features: give one of them a finite weight"
        )
    return weight


def _check_length(values, name, read):
    """Raise ValueError unless there is one for every feature."""
    names = read.feature_names
    if values.shape != names.shape:
        raise ValueError(
            f"{name} has shape {values.shape}, but there are {len(names)} features "
            f"without a task column; give one entry for each of coef_feature_names_"
        )
