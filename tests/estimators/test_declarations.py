"""A stem that is declared outside mtlreg: all four classes follow from it."""

import inspect
import pickle
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone

from mtlreg import alpha_max
from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.penalties import L1, InfimalSum, TraceNorm
from tests.estimators.cases import draw
from tests.estimators.test_docstrings import names_in, section


class _WithLargest(InfimalSum):
    def attributes(self, A, blocks):
        return {"largest_": float(np.max(np.abs(A)))}


@dataclass(eq=False, repr=False)
class _SparseLowRank(Stem):
    """The penalty on A = ``coef_.T``, split into L + S, is::

        min over L + S = A of  alpha_rank ||L||_* + alpha_entry ||S||_1

    Parameters
    ----------
    alpha_rank : float, default=0.3
        Strength of the low rank.
    alpha_entry : float, default=0.2
        Strength of the entries.
    label : str, default="plain"
        Of no effect.

    Search parameters
    -----------------
    ratios : array-like of shape (n_ratios,), default=(1.5,)
        ``alpha_rank / alpha_entry`` to choose from.

    Attributes
    ----------
    largest_ : float
        The largest coefficient.
    blocks_ : ndarray of shape (2, n_tasks, n_features)
        The low-rank part and the entries.

    References
    ----------
    None.
    """

    alpha_rank: float = 0.3
    _: KW_ONLY
    alpha_entry: float = 0.2
    label: str = "plain"

    _strengths: ClassVar = ("alpha_rank", "alpha_entry")
    _ratio: ClassVar = "ratios"
    _default_ratios: ClassVar = (1.5,)

    def _at_ratio(self, ratio):
        return {"alpha_entry": self.alpha_rank / ratio}

    def _penalty(self, read):
        return _WithLargest(TraceNorm(self.alpha_rank), L1(self.alpha_entry))


@estimator
class SparseLowRankRegressor(_SparseLowRank, MultiTaskRegressor):
    """Low rank plus entries.

    Examples
    --------
    >>> SparseLowRankRegressor(0.5).alpha_entry
    0.2
    """


@estimator
class SparseLowRankClassifier(_SparseLowRank, MultiTaskClassifier):
    """Low rank plus entries, for classes.

    Examples
    --------
    >>> SparseLowRankClassifier(label="own")
    SparseLowRankClassifier(label='own')
    """


@estimator
class SparseLowRankRegressorCV(RegressorCV):
    """`SparseLowRankRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> SparseLowRankRegressorCV().ratios
    (1.5,)
    """

    _model_class = SparseLowRankRegressor


@estimator
class SparseLowRankClassifierCV(ClassifierCV):
    """`SparseLowRankClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> SparseLowRankClassifierCV(label="own").get_params()["label"]
    'own'
    """

    _model_class = SparseLowRankClassifier


PLAIN = [SparseLowRankRegressor, SparseLowRankClassifier]
SEARCHES = [SparseLowRankRegressorCV, SparseLowRankClassifierCV]


@pytest.mark.parametrize("cls", [*PLAIN, *SEARCHES])
def test_signature_and_docstring(cls):
    names = list(inspect.signature(cls).parameters)
    first = ["alpha_rank", "alpha_entry", "label", "ridge"]
    if cls in SEARCHES:
        first = ["ratios", "label", "alphas", "eps"]
        assert not {"alpha_rank", "alpha_entry", "warm_start"} & set(names)
    assert names[:4] == first
    assert names_in(section(cls.__doc__, "Parameters")) == names
    assert "alpha_rank ||L||_*" in cls.__doc__
    assert ("log(1 + exp(" in cls.__doc__) == ("classes_ : " in cls.__doc__)
    assert ("logistic" in str(cls()._loss()).lower()) == ("classes_ : " in cls.__doc__)
    assert vars(clone(cls(tol=0.1))) == vars(cls(tol=0.1))


@pytest.mark.parametrize("cls", PLAIN)
def test_fit(cls):
    X, y, tasks = draw("classifier" if cls is PLAIN[1] else "regressor")
    largest = alpha_max(cls(), X, y, tasks=tasks)
    zero = cls(largest, alpha_entry=largest / 1.5).fit(X, y, tasks=tasks)
    assert not zero.coef_.any()
    est = cls(largest / 3, alpha_entry=largest / 4.5).fit(X, y, tasks=tasks)
    assert est.largest_ == np.abs(est.coef_).max() > 0
    twin = pickle.loads(pickle.dumps(est))
    np.testing.assert_equal(vars(twin), vars(est))
    with pytest.raises(ValueError, match="alpha_entry == -1"):
        cls(alpha_entry=-1.0).fit(X, y, tasks=tasks)


@pytest.mark.parametrize("cls", SEARCHES)
def test_search(cls):
    X, y, tasks = draw("classifier" if cls is SEARCHES[1] else "regressor")
    search = cls(ratios=[1.0, 2.0], alphas=3, eps=0.1, cv=3).fit(X, y, tasks=tasks)
    documented = set(names_in(section(cls.__doc__, "Attributes")))
    fitted = {name for name in vars(search) if name.endswith("_")}
    assert documented == fitted | {"feature_names_in_"}
    assert search.alpha_entry_ == pytest.approx(search.alpha_rank_ / search.ratio_)
    assert "param_alpha_entry" in search.cv_results_


def test_several_strengths_need_a_ratio():
    @dataclass(eq=False, repr=False)
    class _Two(_SparseLowRank):
        _ratio: ClassVar = None

    class Two(_Two, MultiTaskRegressor):
        pass

    class TwoCV(RegressorCV):
        _model_class = Two

    with pytest.raises(TypeError, match="_Two has several strengths"):
        estimator(TwoCV)
