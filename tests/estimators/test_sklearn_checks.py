"""scikit-learn's own checks: all of them, none expected to fail."""

import pytest
from sklearn.utils.estimator_checks import (
    check_supervised_y_2d,
    parametrize_with_checks,
)

from tests.estimators.cases import CV_ESTIMATORS, ESTIMATORS


@parametrize_with_checks(
    [cls() for cls in ESTIMATORS]
    + [cls(tol=1e-10) for cls in ESTIMATORS]
    + [cls(alphas=5, cv=3) for cls in CV_ESTIMATORS]
)
def test_sklearn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", CV_ESTIMATORS, ids=lambda c: c.__name__)
def test_y_in_a_column_with_default_parameters(cls):
    check_supervised_y_2d(cls.__name__, cls())


@pytest.mark.nightly
@parametrize_with_checks([cls() for cls in CV_ESTIMATORS])
def test_sklearn_check_with_default_parameters(estimator, check):
    check(estimator)
