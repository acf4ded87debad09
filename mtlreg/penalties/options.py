"""Options of every penalty: what each of them makes of a penalty."""

from mtlreg.penalties.positive import Positive
from mtlreg.penalties.ridge import Ridge
from mtlreg.penalties.weighted import Weighted

OPTIONS = {"feature_weight": Weighted, "positive": Positive, "ridge": Ridge}
"""The penalty that is made of another one with each option, innermost first."""


def with_options(penalty, **options):
    """Return a penalty with options, each None where it is off.

    Parameters
    ----------
    penalty : Penalty
    **options
        ``feature_weight``, ``positive`` and ``ridge``, as `Weighted`, `Positive` and
        `Ridge` take them, one of which is made of the penalty, unless this takes the
        option in itself.

    Returns
    -------
    Penalty
        The one given where all options are off.

    Raises
    ------
    ValueError
        Where a penalty does not go together with an option.

    Examples
    --------
    >>> from mtlreg.penalties import L1, MeanRegularization, with_options
    >>> with_options(L1(0.5), ridge=0.1)
    Ridge(penalty=L1(alpha=0.5), ridge=0.1)
    >>> with_options(MeanRegularization(0.5, 0.0), ridge=0.1)
    MeanRegularization(alpha=0.5, alpha_mean=0.0, ridge=0.1)
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise TypeError(f"options are {list(OPTIONS)}, got {unknown}")
    given = {name: value for name, value in options.items() if value is not None}
    for name in reversed(OPTIONS):
        absorbed = penalty.absorb(name, given[name]) if name in given else None
        if absorbed is not None:
            penalty = absorbed
            del given[name]
    for name, kind in OPTIONS.items():
        if name in given:
            penalty = kind(penalty, given[name])
    return penalty
