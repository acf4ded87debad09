"""Models of some rows: what they keep up to date."""

import numpy as np
import pytest

from mtlreg.design import MultiTaskData
from mtlreg.losses import Squared
from mtlreg.penalties import L21
from mtlreg.solvers import BCD, _columns
from tests.problems import Case, random_data
from tests.solvers.combinations import every_layout


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("kept", ["gradient", "residual"])
@every_layout
def test_a_model_of_a_squared_loss_is_the_data_term(
    layout, kept, weighted, fit_intercept, monkeypatch
):
    by_gram = kept == "gradient"
    monkeypatch.setattr(_columns._Block, "gram_pays", lambda block: by_gram)
    data = random_data("squared", layout, weighted=weighted)
    case = Case(data, Squared(), L21(1.0), np.array([1.0, 0.7, 1.5]), fit_intercept)
    problem = case.scaled(0.2).problem()
    start = np.zeros(problem.shape)
    start[0] = 0.3
    rows, certificate = np.array([0, 2, 3]), problem.certificate(start)
    model = _columns.make_model(problem, rows, start, certificate)
    model.solve(1e-12, 1e-12, 3, certificate.gap, 0.1)
    A = np.zeros(problem.shape)
    A[rows] = model.A
    assert kept in model.columns._fields
    assert np.any(start != A)
    found = problem.objective(A)
    assert model.objective() == pytest.approx(found, rel=1e-12)
    gradient = problem.certificate(A).gradient[rows]
    np.testing.assert_allclose(model.gradient(), gradient, rtol=0, atol=1e-10)


def test_the_first_working_set_has_no_more_rows_than_are_wanted(monkeypatch):
    # of 120 rows only two leave 0; the columns of the others are orthogonal to y
    X = np.kron(np.eye(120), [[1.0], [-1.0]])
    Y = X[:, :2] @ np.array([[3.0, 4.0], [5.0, 12.0]])
    data = MultiTaskData(X, Y, np.ones(Y.shape))
    problem = Case(data, Squared(), L21(0.01), np.ones(2)).problem()
    sizes, make = [], BCD._model

    def model(self, inner, rows, *rest):
        sizes.append(len(rows))
        return make(self, inner, rows, *rest)

    monkeypatch.setattr(BCD, "_model", model)
    assert BCD(tol=1e-10).solve(problem).converged
    assert sizes == [10]
