"""Docstrings of estimators, composed of what every class of theirs documents once."""

import functools
import inspect
import re

from sklearn.base import ClassifierMixin

_OBJECTIVE = """\
The rows of X belong to tasks in one of three ways: ``task_column`` names a column of X;
``fit`` and ``predict`` take the labels as ``tasks=``; or y is 2-D, a column a task, all
with the same X (NaN: not observed). The objective, for tasks t = 1..T with weights w_ti
of W_t in all, is::

    F(A, b) = sum_t (c_t / W_t) sum_i w_ti loss(y_ti, x_ti . a_t + b_t) + penalty(A)

with a_t the t-th row of ``coef_``, b_t of ``intercept_``, and
"""
_SQUARED = "``loss(y, z) = 1/2 (y - z)^2``.\n"
_LOGISTIC = "``loss(y, z) = log(1 + exp(-y z))``, y in {-1, 1}.\n"
_ANY_LOSS = "the ``loss`` one of `mtlreg.losses`.\n"
_SEARCH = """\
The strength is chosen from a grid: every fold is fitted along it, each fit started from
the last, and scored on the rows it leaves out. The strength with the best mean over the
folds then serves a fit of all rows. A warning tells of a best strength or ratio at an
end of its grid, unless the model hardly changes beyond it: at `mtlreg.alpha_max`, or at
the ends of the default ratios."""
_ONE_CLASS = """\
A task (or column of y) with one class has no finite optimum with an intercept. It is
left out of the problem: its slopes are what the penalty makes of a task without data,
its intercept is ``log((k + 1/2) / (W - k + 1/2))`` with k of its weight W in the second
class, and a warning names it."""

_TITLE = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)


def compose(cls, model, stem):
    """Return the docstring of an estimator, in the order of its signature.

    Parameters
    ----------
    cls : type
        Its own docstring has the first paragraphs and the section Examples. Its bases
        give Parameters and Attributes, and it may do so itself.
    model : type
        The estimator of which the strengths of the stem are chosen; else ``cls``.
    stem : type
        Its docstring has the penalty, References, its own Parameters and Attributes,
        and in "Search parameters" what these are with cross-validation.
    """
    own, of_stem, searched = _sections(cls), _sections(stem), model is not cls
    read = [_sections(base) for base in reversed(cls.__mro__[1:])]
    if searched:
        read.append({"Attributes": _chosen(stem)})
        read.append(_sections(model))
        for base in reversed(stem.__mro__):
            read.append({"Parameters": _sections(base).get("Search parameters", "")})
    read.append(own)
    parameters, attributes = {}, {}
    for sections in read:
        parameters |= _entries(sections.get("Parameters", ""))
        attributes |= _entries(sections.get("Attributes", ""))
    classifier = issubclass(cls, ClassifierMixin)
    loss = _LOGISTIC if classifier else _SQUARED
    if "loss" in parameters:
        loss = _ANY_LOSS
    text = [own[""], _OBJECTIVE + loss + of_stem[""]]
    text += [_SEARCH] * searched + [_ONE_CLASS] * classifier
    in_order = [parameters[name] for name in inspect.signature(cls).parameters]
    for title, body in {
        "Parameters": "\n".join(in_order),
        "Attributes": "\n".join(attributes.values()),
        "References": of_stem.get("References"),
        "Examples": own["Examples"],
    }.items():
        if not body:
            continue
        text.append(f"{title}\n{'-' * len(title)}\n{body}")
    return "\n\n".join(text) + "\n"


def _sections(cls):
    """Return the text of a class before its sections, and each of these, by title."""
    if cls.__module__.startswith("sklearn.") or not cls.__doc__:
        return {}
    return _split(cls.__doc__)


@functools.cache  # most are read by every estimator that is imported
def _split(docstring):
    text, *rest = _TITLE.split(inspect.cleandoc(docstring))
    bodies = map(str.strip, rest[1::2])
    return {"": text.strip()} | dict(zip(rest[::2], bodies, strict=True))


def _entries(section):
    """Return the entries of a section by the names that they describe."""
    found = re.split(r"\n(?=\S)", section) if section else []
    return {entry.split(" : ")[0]: entry for entry in found}


def _chosen(stem):
    """Return the attributes with the strengths that are chosen, as a section."""
    searched = stem._searched()
    names = ", ".join(f"{name}_" for name in searched)
    strengths = "strengths" if len(searched) > 1 else "strength"
    if stem._ratio is None:
        return f"{names} : float\n    The {strengths} that was chosen."
    return f"""{names}, ratio_ : float
    The {strengths} and the one of ``{stem._ratio}`` that were chosen.
ratios_ : ndarray of shape (n_ratios,)
    Those there were to choose from."""
