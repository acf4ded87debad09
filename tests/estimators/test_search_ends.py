"""The best strength or ratio at an end of its grid: told, unless nothing is beyond."""

import warnings

import numpy as np
import pytest

from mtlreg import (
    DirtyModelRegressorCV,
    GroupLassoRegressorCV,
    MeanRegularizedRegressorCV,
    alpha_grid,
    alpha_max,
)
from mtlreg.estimators._selection import Scores
from tests.estimators.cases import (
    CV_ESTIMATORS,
    draw,
    oracle_of,
    penalty_of,
    plain_of,
)
from tests.estimators.loops import N, kind_of, plain_at

pytestmark = pytest.mark.filterwarnings("error:the best")
# at the strongest penalty all is 0, not but what is free
SHRUNKEN = [
    cls
    for cls in CV_ESTIMATORS
    if not penalty_of(plain_of(cls)()).free_directions(3).size
]
every_search = pytest.mark.parametrize("cls", SHRUNKEN, ids=lambda c: c.__name__)


def search_of(cls=GroupLassoRegressorCV, **params):
    """A search of one ratio, at which a norm of rows is the only one."""
    return cls(**{"cv": 3, "tol": 1e-4} | oracle_of(cls).one_ratio | params)


def at_one_ratio(cls, alpha):
    """The plain estimator of such a search."""
    ratios = [None, *oracle_of(cls).one_ratio.values()][-1]
    return plain_at(search_of(cls), alpha, ratios and ratios[0])


def largest_of(cls, X, y, tasks):
    """The first strength of the automatic grid."""
    return alpha_grid(at_one_ratio(cls, 1.0), X, y, tasks=tasks, n_alphas=1)[0]


@every_search
def test_the_smallest_and_the_largest_strength(cls):
    X, y, tasks = draw(kind_of(cls))
    top = largest_of(cls, X, y, tasks)
    name = cls._model_class._strengths[0]
    # targets that X explains: the weakest of strong penalties is the best
    gauge = penalty_of(plain_of(cls)()).is_gauge
    high = (top if gauge else 0.01 * top) * np.array([0.9, 0.8, 0.7])
    match = rf"the best {name}=\S+ is the smallest of its grid.*: extend alphas"
    with pytest.warns(UserWarning, match=match) as caught:
        search = search_of(cls, alphas=high).fit(X, y, tasks=tasks)
    assert [w.filename for w in caught] == [__file__]
    assert getattr(search, f"{name}_") == high[-1]
    # and targets that it does not: the strongest of weak ones
    y = np.random.default_rng(1).permutation(y)
    low = 1e-3 * top * np.array([1.0, 0.5, 0.25])
    match = rf"the best {name}=\S+ is the largest of its grid.*: extend alphas"
    with pytest.warns(UserWarning, match=match):
        search = search_of(cls, alphas=low).fit(X, y, tasks=tasks)
    assert getattr(search, f"{name}_") == low[0]


def test_an_automatic_grid_names_eps():
    X, y, tasks = draw()
    with pytest.warns(
        UserWarning, match=r"is the smallest of its grid.*decrease eps=0"
    ):
        search_of(alphas=5, eps=0.5).fit(X, y, tasks=tasks)
    match = r"is the smallest of its grid.*extend alphas"
    with pytest.warns(UserWarning, match=match):
        # whose grid has its own ends
        search_of(MeanRegularizedRegressorCV).fit(X, X[:, 0], tasks=tasks)


def test_one_standard_error_looks_at_the_best():
    X, y, tasks = draw()
    search = search_of(alphas=50, eps=0.1, selection="one_se")
    with pytest.warns(UserWarning, match="is the smallest of its grid"):
        search.fit(X, y, tasks=tasks)
    assert search.alpha_ > search.alphas_[-1]


@every_search
def test_nothing_is_beyond_the_strength_where_all_is_zero(cls):
    X, y, tasks = draw(kind_of(cls))
    y = np.random.default_rng(0).permutation(y)
    top = largest_of(cls, X, y, tasks)
    alphas = alpha_grid(
        at_one_ratio(cls, 0.3),
        X,
        y,
        tasks=tasks,
        n_alphas=3,
    )
    for given in (4, [2 * top, 0.1 * top, 0.01 * top], alphas):
        search = search_of(cls, alphas=given).fit(X, y, tasks=tasks)
        assert getattr(search, f"{cls._model_class._strengths[0]}_") >= 0.99 * top


def test_no_end_inside_a_grid_or_of_one_point():
    X, y, tasks = draw()
    top = alpha_max(plain_at(search_of(), 1.0, 0), X, y, tasks=tasks)
    search_of(alphas=top * np.array([0.5, 0.01, 1e-6])).fit(X, y, tasks=tasks)
    search_of(alphas=[0.5 * top]).fit(X, y, tasks=tasks)


def shared_slopes():
    """Tasks of one slope vector and strong noise."""
    X, _, tasks = draw(n=90)
    y = X @ [1.0, -2.0, 3.0, 1.0] + 3.0 * np.random.default_rng(0).normal(size=90)
    return X, y, tasks


@pytest.mark.parametrize(
    ("ratios", "end"),
    [([1.0, 0.5, 0.2], "smallest"), ([0.1, 0.001, 1.0], None), ([1e-4, 1.0], None)],
)
def test_ratios_of_mean_regularisation(ratios, end):
    X, y, tasks = shared_slopes()
    search = MeanRegularizedRegressorCV(ratios=ratios, alphas=20, tol=1e-4)
    if end is None:
        search.fit(X, y, tasks=tasks)
    else:
        match = rf"the best ratio=0.2 is the {end} of its grid.*: extend ratios"
        with pytest.warns(UserWarning, match=match):
            search.fit(X, y, tasks=tasks)
    assert search.ratio_ == min(ratios)


@pytest.mark.parametrize(
    ("ratios", "warned"), [([0.6, 0.8], "0.8"), ([0.6, 1.0], ""), ([1.0, 0.0], "")]
)
def test_shares_of_the_l1_norm(ratios, warned):
    # features of single tasks
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(N, 6)), np.arange(N) % 3
    y = 2.0 * X[np.arange(N), tasks] + 0.5 * rng.normal(size=N)
    search = search_of(l1_ratio=ratios, alphas=30)
    if warned:
        match = rf"the best ratio={warned} is the largest of its grid.*extend l1_ratio"
        with pytest.warns(UserWarning, match=match):
            search.fit(X, y, tasks=tasks)
    else:
        search.fit(X, y, tasks=tasks)
    assert search.ratio_ == max(ratios)


def test_the_default_ratios_of_the_dirty_model_span_it():
    rng = np.random.default_rng(0)
    X, tasks = rng.normal(size=(N, 6)), np.arange(N) % 3
    y = 2.0 * X[np.arange(N), tasks] + 0.5 * rng.normal(size=N)
    search = search_of(DirtyModelRegressorCV, ratios=None, alphas=30)
    search.fit(X, y, tasks=tasks)
    assert search.ratio_ == search.ratios_[-1]
    search.set_params(ratios=search.ratios_[:2].tolist())
    with pytest.warns(UserWarning, match=r"the best ratio=1.73 is the largest"):
        search.fit(X, y, tasks=tasks)


def test_leave_one_out_is_told_too():
    X, y, tasks = draw()
    search = search_of(MeanRegularizedRegressorCV, cv="loo", alphas=[1e4, 1e3])
    with pytest.warns(UserWarning, match="the best alpha=1e.03 is the smallest"):
        search.fit(X, y, tasks=tasks)


def test_equal_scores_are_at_no_end():
    X, y, tasks = draw()
    top = alpha_max(plain_at(search_of(), 1.0, 0), X, y, tasks=tasks)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search_of(alphas=[3 * top, 2 * top], l1_ratio=[0.2, 0.1]).fit(X, y, tasks=tasks)
    assert not any("the best" in str(w.message) for w in caught)


def test_ratios_that_lead_to_one_model_are_equal():
    # all but 0 beside the scores of no features, as where y is fitted exactly
    folds = np.array([[[-0.3], [-4e-4]], [[-0.3], [-4e-4 + 1e-11]]])
    scores = Scores(folds[..., 0], folds, folds[..., None], np.ones(1))
    assert scores.select("best") == (0, 1)
    better = folds + np.array([[[0.0], [0.0]], [[0.0], [1e-7]]])
    scores = Scores(better[..., 0], better, better[..., None], np.ones(1))
    assert scores.select("best") == (1, 1)
