"""Options of every penalty: what each of them makes of a penalty."""

from mtlreg.penalties.ridge import Ridge

OPTIONS = {"ridge": Ridge}
"""The penalty that is made of another one with each option, innermost first."""


def with_options(penalty, **options):
    """Return a penalty with options, each None where it is off.

    Parameters
    ----------
    penalty : Penalty
    **options
        ``ridge``: the penalty is `Ridge` of it, or one that has a ridge of its own.

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
    for name, kind in OPTIONS.items():
        value = options.pop(name, None)
        if value is not None:
            penalty = penalty.absorb(name, value) or kind(penalty, value)
    if options:
        raise TypeError(f"options are {list(OPTIONS)}, got {list(options)}")
    return penalty
