"""Mixed models against dense matrices of all rows, and against minimisers of these."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from mtlreg.problem.data import MultiTaskData
from mtlreg.sequences import mixed_model
from mtlreg.sequences.folds import take_rows
from mtlreg.sequences.mixed_model import TaskFactors, restricted_maximum
from tests.problems import LAYOUTS, random_data

EPS = np.finfo(float).eps
RATIOS = [[0.3, 0.2, 0.1], [0.0, 0.2, 0.0], [0.0, 0.0, 0.0], [10.0, 1e3, 1e-3]]
both_intercepts = pytest.mark.parametrize("intercept", [True, False])
every_ratios = pytest.mark.parametrize("ratios", RATIOS)


def dense_tasks(data, intercept):
    """Z_t, y_t and w_t of every task, of its rows of positive weight."""
    X = data.X.toarray() if sp.issparse(data.X) else data.X
    Z = np.column_stack([np.ones(len(X)), X]) if intercept else X
    if data.offsets is None:
        parts = [(Z, y, w) for y, w in zip(data.y.T, data.weight.T, strict=True)]
    else:
        edges = zip(data.offsets[:-1], data.offsets[1:], strict=True)
        parts = [(Z[a:b], data.y[a:b], data.weight[a:b]) for a, b in edges]
    return [(Z[w > 0], y[w > 0], w[w > 0]) for Z, y, w in parts]


class Dense:
    """The criterion, and what goes with it, by the covariance of all rows."""

    def __init__(self, data, intercept, ratios):
        parts = dense_tasks(data, intercept)
        self.Z = [Z for Z, _, _ in parts]
        Z, y = np.concatenate(self.Z), np.concatenate([y for _, y, _ in parts])
        V = [np.diag(1 / w) + (Z * ratios) @ Z.T for Z, _, w in parts]
        inverse = [np.linalg.inv(block) for block in V]
        half = np.concatenate([v @ Z for v, Z in zip(inverse, self.Z, strict=True)])
        self.S = Z.T @ half
        self.mean = np.linalg.solve(self.S, half.T @ y)
        left = np.split(y - Z @ self.mean, np.cumsum([len(v) for v in V])[:-1])
        square = sum(r @ v @ r for r, v in zip(left, inverse, strict=True))
        freedom = len(y) - Z.shape[1]
        self.noise = square / freedom
        self.criterion = (
            freedom * (np.log(self.noise) + 1 + np.log(2 * np.pi))
            + sum(np.linalg.slogdet(block)[1] for block in V)
            + np.linalg.slogdet(self.S)[1]
        )
        pulls = [Z.T @ v @ r for Z, v, r in zip(self.Z, inverse, left, strict=True)]
        self.coefficients = self.mean[:, None] + ratios[:, None] * np.array(pulls).T


def draw(seed=0, n_tasks=6, d=2):
    data = random_data("squared", "stacked-dense", seed=seed, n_tasks=n_tasks, d=d)
    return take_rows(data, data.weight > 0)


@both_intercepts
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [True, False])
def test_models_are_those_of_all_rows(layout, intercept, weighted):
    data = random_data("squared", layout, n_tasks=5, d=2, weighted=weighted)
    for ratios in RATIOS:
        used = np.array(ratios[: 2 + intercept])
        model = TaskFactors.of_data(data, intercept).at(used)
        expected = Dense(data, intercept, used)
        assert -2 * model.log_likelihood == pytest.approx(expected.criterion, 1e-10)
        assert model.noise == pytest.approx(expected.noise, 1e-10)
        np.testing.assert_allclose(
            model.coefficients, expected.coefficients, rtol=1e-9, atol=1e-9
        )


@every_ratios
def test_derivatives_are_differences(ratios):
    factors, at = TaskFactors.of_data(draw(), True), np.array(ratios)
    gradient, hessian = factors.at(at).derivatives()
    for j in range(len(at)):
        # to one side, as ratios end at 0: halves of second derivatives are taken off
        step = 1e-5 * max(at[j], 1e-3)
        moved = at.copy()
        moved[j] += step
        other = factors.at(moved)
        rise = (other.criterion - factors.at(at).criterion) / step
        rounding = 100 * EPS * abs(other.criterion) / step
        third = abs(hessian[j, j]) * 1e-3
        expected = gradient[j] + 0.5 * step * hessian[j, j]
        assert rise == pytest.approx(expected, abs=rounding + step * third)
        bent = (other.derivatives()[0] - gradient) / step
        scale = np.sqrt(np.abs(hessian[j, j] * np.diag(hessian))).max()
        np.testing.assert_allclose(bent, hessian[j], atol=1e-2 * scale)


@pytest.mark.parametrize("groups", [[0, 1, 1], [0, 1, 2], [0, 0, 0]])
@pytest.mark.parametrize("seed", range(6))
def test_the_maximum_is_that_of_a_search(groups, seed):
    """From several starts, without derivatives, on the covariance of all rows."""
    data, groups = draw(seed), np.array(groups)
    model = restricted_maximum(TaskFactors.of_data(data, True), groups)

    def criterion(roots):
        return Dense(data, True, roots[groups] ** 2).criterion

    n = groups.max() + 1
    found = [
        minimize(criterion, np.full(n, start), method="Nelder-Mead", tol=1e-10)
        for start in (0.03, 0.3, 3.0)
    ]
    best = min(result.fun for result in found)
    assert -2 * model.log_likelihood <= best + 1e-8
    assert -2 * model.log_likelihood >= best - 1e-6


def test_variances_of_0_are_reached_and_left():
    """Tasks that are alike have none, whatever the start; others leave 0."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = X @ [1.0, 2.0] + np.tile([1.0, -1.0], 40)
    data = MultiTaskData(X, y, np.ones(80), np.arange(0, 81, 8))
    factors = TaskFactors.of_data(data, True)
    model = restricted_maximum(factors, np.array([0, 1, 2]))
    assert np.any(model.ratios == 0)
    gradient, _ = model.derivatives()
    assert np.all(gradient[model.ratios == 0] >= 0)
    shifted = MultiTaskData(
        X, y + np.repeat(rng.normal(size=10), 8), np.ones(80), data.offsets
    )
    zero = TaskFactors.of_data(shifted, True).at(np.zeros(3))
    left = mixed_model._maximum(zero.factors, np.array([0, 1, 1]), zero)
    assert left.ratios[0] > 0.1
    assert left.criterion < zero.criterion - 1


def test_columns_that_say_nothing_change_nothing():
    data = draw()
    plain = restricted_maximum(TaskFactors.of_data(data, True), np.array([0, 1, 2]))
    wide = np.column_stack([data.X, np.zeros(len(data.y))])
    other = MultiTaskData(wide, data.y, data.weight, data.offsets)
    model = restricted_maximum(TaskFactors.of_data(other, True), np.array([0, 1, 2, 3]))
    np.testing.assert_allclose(model.ratios[:3], plain.ratios, rtol=1e-6)
    assert model.ratios[3] == model.mean[3] == 0
    assert model.log_likelihood == pytest.approx(plain.log_likelihood, 1e-12)


def test_a_column_twice_is_one_with_both_variances():
    data = draw()
    plain = restricted_maximum(TaskFactors.of_data(data, True), np.array([0, 1, 1]))
    twice = np.column_stack([data.X, data.X])
    other = MultiTaskData(twice, data.y, data.weight, data.offsets)
    groups = np.array([0, 1, 1, 1, 1])
    model = restricted_maximum(TaskFactors.of_data(other, True), groups)
    np.testing.assert_allclose(2 * model.ratios[1], plain.ratios[1], rtol=1e-5)
    np.testing.assert_allclose(model.mean[[1, 2]], plain.mean[1:] / 2, rtol=1e-6)
    sums = model.coefficients[1:3] + model.coefficients[3:]
    np.testing.assert_allclose(sums, plain.coefficients[1:], rtol=1e-5, atol=1e-6)


def test_large_offsets_of_the_target_lose_no_digits():
    data = draw()
    plain = restricted_maximum(TaskFactors.of_data(data, True), np.array([0, 1, 1]))
    moved = MultiTaskData(data.X, data.y + 2.0**33, data.weight, data.offsets)
    factors = TaskFactors.of_data(moved, True, origin=2.0**33)
    model = restricted_maximum(factors, np.array([0, 1, 1]))
    np.testing.assert_allclose(model.ratios, plain.ratios, rtol=1e-5)


def test_without_noise_there_is_no_maximum():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = np.einsum("ij,ij->i", X, np.repeat(rng.normal(size=(10, 2)), 6, axis=0))
    factors = TaskFactors.of_data(
        MultiTaskData(X, y, np.ones(60), np.arange(0, 61, 6)), True
    )
    with pytest.raises(ValueError, match="fitted exactly"):
        restricted_maximum(factors, np.array([0, 1, 1]))


def test_many_tasks_start_from_few(monkeypatch):
    """The same maximum, by fewer models of all tasks."""
    data = draw(n_tasks=60)
    counts = []
    at = TaskFactors.at

    def counted(self, ratios):
        counts[-1] += self.right.shape[1] == 60
        return at(self, ratios)

    monkeypatch.setattr(TaskFactors, "at", counted)
    models = []
    for few in (60, 12):
        monkeypatch.setattr(mixed_model, "_FEW", few)
        counts.append(0)
        factors = TaskFactors.of_data(data, True)
        models.append(restricted_maximum(factors, np.array([0, 1, 1])))
    np.testing.assert_allclose(models[1].ratios, models[0].ratios, rtol=1e-5)
    assert counts[1] < counts[0]
