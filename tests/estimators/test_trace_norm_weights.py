"""Weights of features in the trace norm, which is no sum over features."""

import numpy as np
import pytest
import scipy.sparse as sp

from mtlreg import PenalizedRegressor, TraceNormRegressor
from mtlreg.penalties import L1, InfimalSum, Ridge, TraceNorm
from tests.estimators.cases import KINDS, draw, make
from tests.estimators.naive import NaiveProblem

WEIGHT = np.array([0.5, 3.0, 1.0, 2.0])


@pytest.mark.parametrize("sparse", [None, "csr", "csc"])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_in_the_trace_norm(kind, sparse):
    """The norm is that of ``diag(w) A``, and so is what the certificate is of."""
    X, Y, _ = draw(kind, n=80, layout="columns")
    given = X if sparse is None else sp.csr_array(X).asformat(sparse)
    est = make("trace", kind, 0.5, feature_weight=WEIGHT, tol=1e-9, warm_start=True)
    est.fit(given, Y)
    loss, alpha = NaiveProblem(est, X, Y).loss, est.alpha

    def objective(coef, intercept):
        norm = np.linalg.svd(WEIGHT[:, None] * coef.T, compute_uv=False).sum()
        return loss(coef, intercept) + alpha * norm

    F, rng = objective(est.coef_, est.intercept_), np.random.default_rng(0)
    for _ in range(30):
        moved = est.coef_ + 0.01 * rng.normal(size=est.coef_.shape)
        assert objective(moved, est.intercept_) >= F - est.dual_gap_
    other = make("trace", kind, 0.5, tol=1e-9).fit(X / WEIGHT, Y)
    bound = est.dual_gap_ + other.dual_gap_
    assert abs(objective(other.coef_ / WEIGHT, other.intercept_) - F) <= bound
    assert est.rank_ == other.rank_ == np.linalg.matrix_rank(est.coef_)
    # a start is brought to the same units
    assert est.fit(given, Y).n_iter_ <= 2


def test_weights_of_a_sum_with_a_trace_norm():
    X, Y, _ = draw(n=80, layout="columns")
    penalty = InfimalSum(TraceNorm(0.05), L1(0.03))
    est = PenalizedRegressor(penalty, feature_weight=WEIGHT, tol=1e-9).fit(X, Y)
    other = PenalizedRegressor(penalty, tol=1e-9).fit(X / WEIGHT, Y)
    blocks = other.blocks_ / WEIGHT
    np.testing.assert_allclose(est.blocks_, blocks, rtol=0, atol=2e-3)


def test_weights_that_the_trace_norm_refuses():
    X, y, tasks = draw()
    model = TraceNormRegressor(feature_weight=[1, 2, 3, np.inf])
    with pytest.raises(ValueError, match="leave one out of X to exclude it"):
        model.fit(X, y, tasks=tasks)


def test_what_the_trace_norm_takes_no_weights_with():
    X, y, tasks = draw()
    model = TraceNormRegressor(feature_weight=WEIGHT, ridge=0.1)
    with pytest.raises(ValueError, match="do not go together for TraceNorm"):
        model.fit(X, y, tasks=tasks)
    # nor the ridge of a penalty, which would be weighted
    ridged = InfimalSum(TraceNorm(0.05), L1(0.03), ridge=0.1)
    for penalty in (ridged, Ridge(TraceNorm(0.05), 0.1)):
        model = PenalizedRegressor(penalty, feature_weight=WEIGHT)
        with pytest.raises(ValueError, match=r"and ridge=0\.1 do not go together"):
            model.fit(X, y, tasks=tasks)
