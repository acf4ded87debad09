"""Penalties and losses as objects: the generic pair and its searches."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit, kl_div, logit
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import mtlreg
from mtlreg import (
    PenalizedClassifier,
    PenalizedClassifierCV,
    PenalizedRegressor,
    PenalizedRegressorCV,
    alpha_grid,
    alpha_max,
    regularization_path,
)
from mtlreg.datasets import make_multitask_classification, make_multitask_regression
from mtlreg.losses import Loss, Squared
from mtlreg.losses.base import ratio
from mtlreg.penalties import (
    L1,
    L21,
    Dirty,
    InfimalSum,
    L1Linf,
    MeanRegularization,
    Penalty,
    Quadratic,
    SparseGroup,
    TraceNorm,
)

STEMS = {
    "GroupLasso": (L21(0.1), {"alpha": 0.1}),
    "TraceNorm": (TraceNorm(0.1), {"alpha": 0.1}),
    "DirtyModel": (Dirty(0.14, 0.1), {"alpha_shared": 0.14, "alpha_specific": 0.1}),
    "MeanRegularized": (MeanRegularization(0.1, 0.01), {"alpha_mean": 0.01}),
}
SUM = InfimalSum(TraceNorm(0.5), L1(0.3))


@pytest.fixture(scope="module")
def table():
    return make_multitask_regression(
        n_tasks=4, n_samples=30, n_features=6, n_informative=3, random_state=0
    )


@pytest.fixture(scope="module")
def classes():
    return make_multitask_classification(
        n_tasks=4, n_samples=40, n_features=6, n_informative=3, random_state=0
    )


@dataclass(frozen=True)
class Ridges(Quadratic):
    """``1/2 sum_t weight_t ||a_t||^2``, a strength for every task."""

    alpha: float
    weight: np.ndarray

    by_task = ("weight",)

    @property
    def _strengths(self):
        return self.alpha * self.weight

    def value(self, A):
        return 0.5 * float(np.sum(self._strengths * A**2))

    def gradient(self, A):
        return self._strengths * A

    def conjugate(self, G):
        return 0.5 * float(np.sum(G**2 / self._strengths))

    def prox(self, A, step, out=None):
        return np.divide(A, 1.0 + step * self._strengths, out=out)


@dataclass(frozen=True)
class SquaredL1(Penalty):
    """``alpha/2 (sum_jt |A_jt|)^2``, neither a gauge nor quadratic."""

    alpha: float

    def value(self, A):
        return 0.5 * self.alpha * float(np.sum(np.abs(A))) ** 2

    def conjugate(self, G):
        return 0.5 * float(np.max(np.abs(G), initial=0.0)) ** 2 / self.alpha

    def prox(self, A, step, out=None):
        # soft thresholds at step alpha s, s the sum of what is left
        sizes = np.sort(np.abs(A).ravel())[::-1]
        sums = np.cumsum(sizes) / (1 + step * self.alpha * np.arange(1, A.size + 1))
        level = step * self.alpha * np.max(sums, initial=0.0)
        shrunk = np.sign(A) * np.maximum(np.abs(A) - level, 0.0)
        return shrunk if out is None else np.copyto(out, shrunk) or out


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("kind", ["Regressor", "Classifier"])
def test_a_stem_is_a_preset_of_the_pair(stem, kind, table, classes):
    penalty, strengths = STEMS[stem]
    data = table if kind == "Regressor" else classes
    named = getattr(mtlreg, stem + kind)(**strengths)
    generic = getattr(mtlreg, "Penalized" + kind)(penalty)
    for model in (named, generic):
        model.fit(data.X, data.y, tasks=data.tasks)
    fitted = {k: v for k, v in vars(named).items() if k.endswith("_")}
    for name, value in fitted.items():
        assert np.array_equal(getattr(generic, name), value), name


def test_blocks_add_up_and_warm_starts_take_them(table):
    model = PenalizedRegressor(SUM, warm_start=True, tol=1e-8)
    model.fit(table.X, table.y, tasks=table.tasks)
    cold, coef, before = model.n_iter_, model.coef_, model.blocks_
    assert np.allclose(before.sum(axis=0), coef, rtol=0, atol=1e-12)
    assert all(block.any() for block in before)
    model.fit(table.X, table.y, tasks=table.tasks)
    assert model.n_iter_ == 1 < cold
    assert np.array_equal(model.blocks_, before)


def test_attributes_of_another_penalty_go(table):
    model = PenalizedRegressor(SUM, warm_start=True)
    model.fit(table.X, table.y, tasks=table.tasks)
    model.set_params(penalty=L21(0.1)).fit(table.X, table.y, tasks=table.tasks)
    assert not hasattr(model, "blocks_")
    assert model.support_.any()
    model.set_params(penalty=TraceNorm(0.1)).fit(table.X, table.y, tasks=table.tasks)
    assert not hasattr(model, "support_")
    assert model.rank_ > 0


def test_a_failing_fit_leaves_everything(table):
    model = PenalizedRegressor(SUM).fit(table.X, table.y, tasks=table.tasks)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="X"):
        model.fit(np.full_like(table.X, np.inf), table.y, tasks=table.tasks)
    assert vars(model).keys() == before.keys()


def test_parameters_reach_into_penalties():
    model = PenalizedRegressor(SUM)
    params = model.get_params()
    assert params["penalty__first__alpha"] == 0.5
    copied = clone(model)
    copied.set_params(penalty__first__alpha=2.0, penalty__second=L21(0.7))
    assert copied.penalty == InfimalSum(TraceNorm(2.0), L21(0.7))
    assert model.penalty == SUM == InfimalSum(TraceNorm(0.5), L1(0.3))


def test_set_params_drops_what_was_computed():
    penalty = SparseGroup(1.0, 0.5)
    A = np.array([[3.0, -4.0]])
    assert penalty.value(A) == 0.5 * 5 + 0.5 * 7
    penalty.set_params(l1_ratio=0.25)
    assert penalty.value(A) == 0.75 * 5 + 0.25 * 7


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha": -1.0}, "alpha of L21 must be a finite number, more than 0"),
        ({"beta": 1.0}, "'beta' is no parameter of L21"),
        ({"alpha__x": 1.0}, "set_params"),
    ],
)
def test_set_params_refuses_and_changes_nothing(params, message):
    penalty = L21(0.1)
    with pytest.raises((ValueError, AttributeError), match=message):
        penalty.set_params(**params)
    assert penalty == L21(0.1)


def test_grid_search_over_a_field_of_the_penalty(table):
    X, y = table.X, table.y
    strengths = [0.5, 0.05]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), PenalizedRegressor(L1Linf(1.0))),
        {"penalizedregressor__penalty__alpha": strengths},
        cv=3,
    ).fit(X, y)
    scores = [
        GridSearchCV(
            make_pipeline(StandardScaler(), PenalizedRegressor(L1Linf(alpha))),
            {"penalizedregressor__fit_intercept": [True]},
            cv=3,
        )
        .fit(X, y)
        .best_score_
        for alpha in strengths
    ]
    assert np.array_equal(search.cv_results_["mean_test_score"], scores)
    assert scores[0] != scores[1]


def test_a_search_in_shares_of_alpha_max(table):
    X, y, tasks = table.X, table.y, table.tasks
    shares = [0.5, 0.1, 0.02]
    search = PenalizedRegressorCV(L21(3.0), alphas=shares, tol=1e-8)
    search.fit(X, y, tasks=tasks)
    largest = alpha_max(mtlreg.GroupLassoRegressor(), X, y, tasks=tasks)
    named = mtlreg.GroupLassoRegressorCV(
        alphas=largest * np.array(shares), tol=1e-8
    ).fit(X, y, tasks=tasks)
    assert np.array_equal(search.alphas_, shares)
    assert np.allclose(search.score_path_, named.score_path_, rtol=1e-6)
    assert np.array_equal(search.mse_path_, -search.score_path_)
    assert search.alpha_factor_ in shares
    assert np.isclose(search.penalty_.alpha, named.alpha_, rtol=1e-12)
    assert search.penalty == L21(3.0)
    assert search.cv_results_["params"][0] == {"alpha_factor": 0.5}
    fitted = PenalizedRegressor(search.penalty_, tol=1e-8).fit(X, y, tasks=tasks)
    assert np.allclose(fitted.coef_, search.coef_, rtol=0, atol=1e-6)


def test_the_grid_of_a_search_ends_at_alpha_max(table):
    search = PenalizedRegressorCV(SUM, alphas=4, eps=0.01)
    search.fit(table.X, table.y, tasks=table.tasks)
    assert np.allclose(search.alphas_, np.geomspace(1, 0.01, 4))
    assert search.blocks_.shape == (2, 4, 6)


def test_a_search_of_a_quadratic_multiplies_it(table):
    X, y, tasks = table.X, table.y, table.tasks
    search = PenalizedRegressorCV(MeanRegularization(2.0, 0.2), alphas=[1.0, 0.01])
    named = mtlreg.MeanRegularizedRegressorCV(
        ratios=[0.1], intercept_ratios=[0.0], alphas=[2.0, 0.02]
    )
    search.fit(X, y, tasks=tasks)
    named.fit(X, y, tasks=tasks)
    assert np.allclose(search.score_path_, named.score_path_, rtol=1e-9)


def test_strengths_are_factors(table):
    X, y, tasks = table.X, table.y, table.tasks
    model = PenalizedRegressor(SUM, tol=1e-8)
    largest = alpha_max(model, X, y, tasks=tasks)
    assert (
        not PenalizedRegressor(SUM.scaled(largest)).fit(X, y, tasks=tasks).n_iter_ > 1
    )
    grid = alpha_grid(model, X, y, tasks=tasks, n_alphas=3, eps=0.1)
    assert np.allclose(grid, largest * np.geomspace(1, 0.1, 3))
    path = regularization_path(model, X, y, tasks=tasks, alphas=grid)
    assert not path.coef[0].any()
    single = clone(model).set_params(penalty=SUM.scaled(grid[-1]))
    single.fit(X, y, tasks=tasks)
    assert np.allclose(path.coef[-1], single.coef_, rtol=0, atol=1e-3)


def test_arrays_by_task_follow_the_tasks(classes):
    X, y, tasks = classes.X, classes.y.copy(), classes.tasks
    labels = np.unique(tasks)
    y[tasks == labels[1]] = 1  # one class: left out of the problem
    weight = np.array([1.0, 50.0, 2.0, 4.0])
    model = PenalizedClassifier(Ridges(0.1, weight), tol=1e-10)
    with pytest.warns(UserWarning, match="one class only"):
        model.fit(X, y, tasks=tasks)
    for position in (0, 2, 3):
        rows = tasks == labels[position]
        alone = PenalizedClassifier(Ridges(0.1, weight[[position]]), tol=1e-10)
        alone.fit(X[rows], y[rows])
        assert np.allclose(model.coef_[position], alone.coef_[0], rtol=0, atol=1e-5)
    assert not model.coef_[1].any()


def test_arrays_by_task_follow_the_tasks_of_a_fold(table):
    X, y, tasks = table.X, table.y, table.tasks
    weight = np.array([1.0, 10.0, 2.0, 4.0])
    first = tasks == np.unique(tasks)[0]
    # the first task is not in the training part
    search = PenalizedRegressorCV(
        Ridges(0.1, weight), alphas=[1.0, 0.1], cv=[(~first, first)], unseen_task="mean"
    )
    search.fit(X, y, tasks=tasks)
    rest = PenalizedRegressor(Ridges(0.1, weight[1:]), unseen_task="mean")
    rest.fit(X[~first], y[~first], tasks=tasks[~first])
    error = np.mean((rest.predict(X[first], tasks=tasks[first]) - y[first]) ** 2)
    assert np.isclose(search.mse_path_[0, 0, 0], error, rtol=1e-3)


def test_any_convex_penalty_with_a_conjugate(table):
    X, y, tasks = table.X, table.y, table.tasks
    model = PenalizedRegressor(SquaredL1(0.05), tol=1e-9)
    model.fit(X, y, tasks=tasks)
    # at the optimum it is a lasso of strength alpha |A|_1
    lasso = PenalizedRegressor(L1(0.05 * np.abs(model.coef_).sum()), tol=1e-9)
    lasso.fit(X, y, tasks=tasks)
    assert 0 < np.count_nonzero(lasso.coef_) < lasso.coef_.size
    assert np.allclose(model.coef_, lasso.coef_, rtol=0, atol=1e-3)


def test_a_loss_as_an_object(table):
    models = [
        PenalizedRegressor(L21(0.1), loss=loss) for loss in ("squared", Squared())
    ]
    first, second = (m.fit(table.X, table.y, tasks=table.tasks) for m in models)
    assert np.array_equal(first.coef_, second.coef_)


class Shares(Loss):
    """The Kullback-Leibler divergence of shares, for 0 and 1 the logistic loss."""

    curvature = 0.25

    def pointwise(self, z, y):
        return kl_div(y, expit(z)) + kl_div(1 - y, expit(-z))

    def value(self, z, y, v):
        return float(np.sum(v * self.pointwise(z, y)))

    def gradient(self, z, y, v):
        return v * (expit(z) - y)

    def hessian(self, z, y, v):
        return v * expit(z) * expit(-z)

    def conjugate(self, u, y, v):
        zero = np.zeros_like(y)
        more = self.pointwise(zero, y + ratio(u, v)) - self.pointwise(zero, y)
        return float(np.sum(v * more))

    def divergence(self, z, u, y, v, scale=1.0):
        return float(np.sum(v * self.pointwise(z, y + ratio(scale * u, v))))

    def constant(self, mean):
        return logit(mean)

    def check_target(self, y):
        if not np.all((y >= 0) & (y <= 1)):
            raise ValueError("y must hold shares")

    def inverse_link(self, z):
        return expit(z)


def test_a_loss_from_outside(classes):
    X, tasks = classes.X, classes.tasks
    y = (classes.y == np.max(classes.y)).astype(float)
    share = PenalizedRegressor(L21(0.05), loss=Shares(), tol=1e-8)
    share.fit(X, y, tasks=tasks)
    known = PenalizedClassifier(L21(0.05), tol=1e-8).fit(X, y, tasks=tasks)
    assert np.allclose(share.coef_, known.coef_, rtol=0, atol=1e-6)
    p = known.predict_proba(X, tasks=tasks)[:, 1]
    assert np.allclose(share.predict(X, tasks=tasks), p, rtol=0, atol=1e-6)
    searches = [
        PenalizedRegressorCV(L21(1.0), loss=Shares(), alphas=4, tol=1e-8),
        PenalizedClassifierCV(L21(1.0), alphas=4, tol=1e-8),
    ]
    first, second = (search.fit(X, y, tasks=tasks) for search in searches)
    assert np.allclose(first.alphas_, second.alphas_)
    assert not hasattr(first, "mse_path_")
    # folds by class serve one of them, and folds by rows the other
    shares = first.predict(X, tasks=tasks)
    assert np.all((shares > 0) & (shares < 1))
    with pytest.raises(ValueError, match="y must hold shares"):
        share.fit(X, y + 0.5, tasks=tasks)


def test_a_loss_from_outside_has_tasks_without_an_optimum(classes):
    X, tasks = classes.X, classes.tasks
    y = (classes.y == np.max(classes.y)).astype(float)
    first = tasks == np.unique(tasks)[0]
    y[first] = 1.0
    model = PenalizedRegressor(L21(0.05), loss=Shares())
    with pytest.warns(UserWarning, match="has no finite optimum in the tasks"):
        model.fit(X, y, tasks=tasks)
    assert not model.coef_[0].any()
    # one more target, of the mean of the tasks
    means = np.array([y[tasks == task].mean() for task in np.unique(tasks)])
    n_rows = np.count_nonzero(first)
    share = (n_rows + means.mean()) / (n_rows + 1)
    assert np.allclose(model.predict(X[first], tasks=tasks[first]), share)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (PenalizedRegressor("l21"), TypeError, "penalty must be an object .* 'l21'"),
        (PenalizedRegressor(L21), TypeError, "penalty must be an object"),
        (PenalizedRegressorCV(L21), TypeError, "penalty must be an object"),
        (PenalizedRegressorCV(L21(1.0), loss="huber"), ValueError, "loss must be one"),
        (PenalizedRegressor(L21(1.0), loss="huber"), ValueError, "loss must be one of"),
        (
            PenalizedRegressor(L21(1.0), loss="logistic"),
            ValueError,
            "loss='logistic' is for targets that are -1 and 1",
        ),
        (
            PenalizedClassifier(L21(1.0), loss="squared"),
            ValueError,
            "loss='squared' is for targets that are numbers",
        ),
        (
            PenalizedRegressor(L21(1.0), solver="direct"),
            ValueError,
            "mean regularisation and graphs only, not L21",
        ),
    ],
)
def test_refusals(model, error, message, table):
    with pytest.raises(error, match=message):
        model.fit(table.X, table.y, tasks=table.tasks)
    assert not hasattr(model, "coef_")


def test_pickles(table):
    search = PenalizedRegressorCV(SUM, alphas=3).fit(
        table.X, table.y, tasks=table.tasks
    )
    again = pickle.loads(pickle.dumps(search))
    assert np.array_equal(
        again.predict(table.X, tasks=table.tasks),
        search.predict(table.X, tasks=table.tasks),
    )


@parametrize_with_checks(
    [
        PenalizedRegressor(L21(0.1)),
        PenalizedRegressor(SUM),
        PenalizedClassifier(Dirty(0.14, 0.1)),
        PenalizedRegressorCV(TraceNorm(0.1), alphas=5, cv=3),
        PenalizedClassifierCV(L1Linf(0.1), alphas=5, cv=3),
    ]
)
def test_sklearn_check(estimator, check):
    check(estimator)
