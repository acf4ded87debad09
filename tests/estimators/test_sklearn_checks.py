"""scikit-learn's own checks: all of them, none expected to fail."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.estimators.cases import CV_ESTIMATORS, ESTIMATORS


@parametrize_with_checks(
    [cls() for cls in ESTIMATORS]
    + [cls(tol=1e-10) for cls in ESTIMATORS]
    + [cls(alphas=5, cv=3) for cls in CV_ESTIMATORS]
)
def test_sklearn_check(estimator, check):
    check(estimator)
