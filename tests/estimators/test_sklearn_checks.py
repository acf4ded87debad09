"""scikit-learn's own checks: all of them, none expected to fail."""

import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import (
    check_class_weight_classifiers,
    check_supervised_y_2d,
    parametrize_with_checks,
)

from mtlreg import MeanRegularizedClassifierCV
from tests.estimators.cases import (
    CV_ESTIMATORS,
    ESTIMATORS,
    one_of_a_kind,
    penalty_of,
)


def run(check, estimator):
    with warnings.catch_warnings():
        if check.func is check_class_weight_classifiers and of_two_blocks(estimator):
            # weights of 1e3 and 1e-4, for which it sets max_iter=1000
            warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


def of_two_blocks(estimator):
    plain = getattr(estimator, "_model_class", type(estimator))
    return penalty_of(plain()).n_blocks == 2


def short(cls):
    """A search of few strengths, and of two ratios where each is tried with two."""
    search = cls(alphas=3, eps=0.1, cv=3)
    if hasattr(search, "intercept_ratios"):
        search.set_params(ratios=[0.1, 1.0])
    return search


@parametrize_with_checks(
    [cls() for cls in ESTIMATORS]
    + [cls(tol=1e-10) for cls in one_of_a_kind(ESTIMATORS)]
    + [short(cls) for cls in one_of_a_kind(CV_ESTIMATORS)]
)
def test_sklearn_check(estimator, check):
    run(check, estimator)


@pytest.mark.parametrize(
    "cls",
    [
        # the longest of all searches: eight pairs of ratios, without a closed form
        pytest.param(
            cls, marks=pytest.mark.nightly if cls is MeanRegularizedClassifierCV else ()
        )
        for cls in one_of_a_kind(CV_ESTIMATORS)
    ],
    ids=lambda c: c.__name__,
)
def test_y_in_a_column_with_default_parameters(cls):
    check_supervised_y_2d(cls.__name__, cls())


@pytest.mark.nightly
@parametrize_with_checks([cls() for cls in CV_ESTIMATORS])
def test_sklearn_check_with_default_parameters(estimator, check):
    run(check, estimator)
