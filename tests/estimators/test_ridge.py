"""Options of every model: ridge, weights and signs of features."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LogisticRegression,
    MultiTaskElasticNet,
)
from sklearn.linear_model import Ridge as SklearnRidge

from mtlreg import (
    GroupLassoClassifier,
    GroupLassoRegressor,
    GroupLassoRegressorCV,
    MeanRegularizedRegressor,
    MeanRegularizedRegressorCV,
    PenalizedClassifier,
    PenalizedRegressor,
    TraceNormRegressor,
    TraceNormRegressorCV,
    alpha_grid,
    alpha_max,
    regularization_path,
)
from mtlreg.penalties import (
    L1,
    L21,
    InfimalSum,
    MeanRegularization,
    Positive,
    Ridge,
    TraceNorm,
)
from tests.estimators.cases import (
    GAUGES,
    KINDS,
    by_rows,
    draw,
    make,
    school_table,
)
from tests.estimators.naive import NaiveProblem

CLOSE = {"rtol": 0, "atol": 1e-8}
TOL = 1e-15  # of the squared loss: coefficients go with its root


def near(est, ridge=None):
    """How far two fits may be apart where F grows by ``ridge/2`` of a square."""
    return max(2 * np.sqrt(2 * est.dual_gap_ / (ridge or est.ridge)), 1e-8)


def assert_same(est, coef, intercept, X, y):
    """Objectives agree to 1e-8, and coefficients as far as the certificate tells."""
    naive = NaiveProblem(est, X, y)
    other = naive.objective(np.atleast_2d(coef), np.atleast_1d(intercept))
    assert naive.objective() == pytest.approx(other, rel=1e-8)
    assert naive.objective() <= other + est.dual_gap_ + 1e-12 * other
    coef = np.atleast_2d(coef)
    np.testing.assert_allclose(est.coef_, coef, rtol=0, atol=near(est))
    assert near(est) <= 1e-5


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("alpha", [0.02, 0.4])
@pytest.mark.parametrize("l1_ratio", [0.3, 0.9])
def test_multi_task_elastic_net(alpha, l1_ratio, fit_intercept):
    X, Y, _ = draw(n=50, d=12, n_tasks=5, layout="columns")
    ridge, options = alpha * (1 - l1_ratio), {"fit_intercept": fit_intercept}
    est = GroupLassoRegressor(alpha * l1_ratio, ridge=ridge, tol=TOL, **options)
    other = MultiTaskElasticNet(alpha, l1_ratio=l1_ratio, tol=1e-14, **options)
    est.fit(X, Y)
    other.set_params(max_iter=100_000).fit(X, Y)
    intercept = np.broadcast_to(other.intercept_, 5)
    assert_same(est, other.coef_, intercept, X, Y)


@pytest.mark.parametrize("penalty", ["l21", "l1", "l1linf", "dirty-linf", "trace"])
def test_one_task_is_the_elastic_net(penalty):
    X, y, _ = draw(layout="single", d=10)
    est = make(penalty, "regressor", ridge=0.3, tol=TOL).fit(X, y)
    if penalty == "trace":
        # the norm of the only column, where a ridge of another strength does as much
        level = 0.3 + 0.1 / np.linalg.norm(est.coef_[0])
        other = SklearnRidge(level * len(y)).fit(X, y)
    else:
        other = ElasticNet(0.4, l1_ratio=0.25, tol=1e-14, max_iter=100_000).fit(X, y)
    assert_same(est, other.coef_, other.intercept_, X, y)


def test_elastic_net_logistic_regression():
    X, y, _ = draw("classifier", layout="single", d=6, n=200)
    est = GroupLassoClassifier(0.03, ridge=0.02, fit_intercept=False, tol=1e-15)
    est.fit(X, y)
    other = LogisticRegression(
        solver="saga", C=1 / (0.05 * 200), l1_ratio=0.6, fit_intercept=False, tol=1e-12
    )
    other.set_params(max_iter=100_000).fit(X, y)
    assert_same(est, other.coef_, other.intercept_, X, y)


@pytest.mark.parametrize("solver", ["direct", "fista"])
def test_mean_regularisation_with_a_ridge(solver):
    X, y, tasks = draw(n=90, d=5)
    fit = {"solver": solver, "tol": TOL}
    est = MeanRegularizedRegressor(0.2, alpha_mean=0.0, ridge=0.5, **fit)
    other = MeanRegularizedRegressor(0.7, alpha_mean=0.5, **fit)
    for model in (est, other):
        model.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, other.coef_, **CLOSE)
    # as that of a path does, where the strengths alone change
    path = regularization_path(est, X, y, tasks=tasks, alphas=[0.2, 0.1])
    np.testing.assert_allclose(path.coef[0], est.coef_, **CLOSE)
    lower = other.set_params(alpha=0.6).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(path.coef[1], lower.coef_, rtol=0, atol=near(lower, 0.5))
    alone = SklearnRidge(0.5 * np.sum(tasks == 0)).fit(X[tasks == 0], y[tasks == 0])
    free = MeanRegularizedRegressor(1e-9, ridge=0.5, alpha_mean=1e-9, **fit)
    free.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(free.coef_[0], alone.coef_, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", GAUGES)
def test_alpha_max_is_that_without_a_ridge(penalty, kind):
    X, y, tasks = draw(kind, n=120)
    plain, est = make(penalty, kind), make(penalty, kind, ridge=0.7)
    largest = alpha_max(est, X, y, tasks=tasks)
    assert largest == alpha_max(plain, X, y, tasks=tasks)
    grid = alpha_grid(est, X, y, tasks=tasks, n_alphas=3, eps=0.1)
    path = regularization_path(est, X, y, tasks=tasks, alphas=grid)
    assert not path.coef[0].any()
    lead = est._strengths[0]
    ratio = grid[2] / getattr(est, lead)
    at_end = {name: ratio * getattr(est, name) for name in est._strengths}
    est.set_params(**at_end).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(path.coef[2], est.coef_, rtol=0, atol=0.02)
    shorter = np.linalg.norm(est.coef_)
    plain.set_params(**at_end).fit(X, y, tasks=tasks)
    assert 0 < shorter < np.linalg.norm(plain.coef_)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("search", [GroupLassoRegressorCV, TraceNormRegressorCV])
def test_folds_have_the_ridge(search, layout):
    """On statistics of the folds too, which a shared X has."""
    X, y, tasks = draw(n=120, d=3, layout=layout)
    est = search(alphas=[0.1, 0.05], ridge=0.4, cv=3, tol=1e-10)
    est.fit(X, y, tasks=tasks)
    model = est._model_class(est.alpha_, ridge=0.4, tol=1e-10).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, model.coef_, rtol=0, atol=1e-6)
    plain = search(alphas=[0.1, 0.05], cv=3, tol=1e-10).fit(X, y, tasks=tasks)
    assert np.all(est.score_path_ < plain.score_path_)


def test_the_generic_estimator_has_the_options():
    X, y, tasks = draw(n=90)
    options = {"tol": TOL, "ridge": 0.3}
    for penalty, other in [
        (L21(0.1), GroupLassoRegressor(**options)),
        (TraceNorm(0.1), TraceNormRegressor(**options)),
        (MeanRegularization(0.1, 0.001), MeanRegularizedRegressor(**options)),
        (Ridge(L21(0.1), 0.2), GroupLassoRegressor(**options)),
    ]:
        rest = 0.1 if isinstance(penalty, Ridge) else 0.3
        est = PenalizedRegressor(penalty, tol=TOL, ridge=rest).fit(X, y, tasks=tasks)
        other.fit(X, y, tasks=tasks)
        atol = near(other)
        np.testing.assert_allclose(est.coef_, other.coef_, rtol=0, atol=atol)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_ridge_of_a_sum_is_that_of_its_only_block(kind, layout):
    X, y, tasks = draw(kind, n=90, layout=layout)
    penalized = {"regressor": PenalizedRegressor, "classifier": PenalizedClassifier}
    for first, name in [(L21(0.1), "l21"), (TraceNorm(0.1), "trace")]:
        for blocks in [(first, L1(50.0)), (L1(50.0), first)]:
            model = penalized[kind](InfimalSum(*blocks), ridge=0.3, tol=1e-12)
            est = model.fit(X, y, tasks=tasks)
            other = make(name, kind, tol=1e-12, ridge=0.3)
            other.set_params(alpha=0.1).fit(X, y, tasks=tasks)
            atol = near(est) + near(other)
            np.testing.assert_allclose(est.coef_, other.coef_, rtol=0, atol=atol)
            np.testing.assert_array_equal(
                est.blocks_.any(axis=(1, 2)), [part is first for part in blocks]
            )


def test_the_ridge_of_a_sum_is_no_strength():
    X, y, tasks = draw(n=90)
    model = PenalizedRegressor(InfimalSum(TraceNorm(0.1), L1(0.08), ridge=0.1))
    plain = PenalizedRegressor(InfimalSum(TraceNorm(0.1), L1(0.08)), ridge=0.1)
    for est in (model, plain):
        est.fit(X, y, tasks=tasks)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    free = clone(plain).set_params(ridge=0.0)
    sizes = [np.sum(est.coef_**2) for est in (plain, free.fit(X, y, tasks=tasks))]
    assert sizes[0] < 0.95 * sizes[1]
    largest = alpha_max(plain, X, y, tasks=tasks)
    assert largest == pytest.approx(alpha_max(free, X, y, tasks=tasks))
    path = regularization_path(plain, X, y, tasks=tasks, alphas=5)
    point = clone(plain).set_params(penalty=model.penalty.scaled(path.alphas[-1]))
    point.set_params(ridge=0.0).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(path.coef[-1], point.coef_, rtol=0, atol=5e-3)


@pytest.mark.parametrize("ridge", [-0.1, np.nan, np.inf])
def test_a_ridge_is_checked(ridge):
    X, y, tasks = draw()
    for est in (GroupLassoRegressor(ridge=ridge), GroupLassoRegressorCV(ridge=ridge)):
        with pytest.raises(ValueError, match="ridge"):
            est.fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="ridge of Ridge must be"):
        Ridge(L1(0.1), ridge)
    with pytest.raises(ValueError, match="takes a gauge on one block"):
        Ridge(MeanRegularization(0.1, 0.1), 0.1)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("penalty", ["l21", "l1", "sparse-linf", "dirty-l2"])
def test_one_positive_task_is_the_positive_lasso(penalty, fit_intercept):
    X, y, _ = draw(layout="single", d=10)
    options = {"positive": True, "fit_intercept": fit_intercept}
    est = make(penalty, "regressor", tol=TOL, **options).fit(X, y)
    other = Lasso(0.1, tol=1e-14, max_iter=100_000, **options).fit(X, y)
    np.testing.assert_allclose(est.coef_[0], other.coef_, **CLOSE)
    assert np.any(make(penalty, "regressor").fit(X, y).coef_ < 0)


def test_positive_ridge():
    X, y, _ = draw(layout="single", d=10)
    est = MeanRegularizedRegressor(0.2, alpha_mean=0.2, positive=True, tol=TOL)
    other = SklearnRidge(0.2 * len(y), positive=True, tol=1e-14, max_iter=10**6)
    est.fit(X, y)
    other.fit(X, y)
    np.testing.assert_allclose(est.coef_[0], other.coef_, rtol=0, atol=near(est, 0.2))
    # the same by a ridge next to a penalty that is next to nothing
    est = GroupLassoRegressor(1e-12, ridge=0.2, positive=True, tol=TOL).fit(X, y)
    assert_same(est, other.coef_, other.intercept_, X, y)
    assert est.n_iter_ < 100


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [*GAUGES, "mean"])
def test_signs_of_some_features(penalty, kind):
    X, y, tasks = draw(kind, n=150)
    which = np.array([True, False, True, False])
    if not by_rows(penalty) or penalty in ("fused", "common"):
        with pytest.raises(ValueError, match="set positive=False, or use another"):
            make(penalty, kind, positive=which).fit(X, y, tasks=tasks)
        return
    plain = make(penalty, kind, 0.1).fit(X, y, tasks=tasks)
    X *= -np.sign(plain.coef_.sum(axis=0))
    est = make(penalty, kind, 0.1, positive=which, tol=1e-10).fit(X, y, tasks=tasks)
    assert np.all(est.coef_[:, which] >= 0)
    assert np.any(est.coef_[:, ~which] < 0)
    plain = make(penalty, kind, 0.1).fit(X, y, tasks=tasks)
    assert np.any(plain.coef_[:, which] < 0)
    # where the solution without signs has them, they change nothing
    X[:, which] *= -np.sign(plain.coef_[:, which].sum(axis=0))
    loose = make(penalty, kind, 2.0, tol=1e-10).fit(X, y, tasks=tasks)
    which &= np.all(loose.coef_ >= 0, axis=0)
    est = make(penalty, kind, 2.0, tol=1e-10, positive=which).fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, loose.coef_, rtol=0, atol=1e-3)


def test_a_warm_start_may_have_the_wrong_signs():
    X, y, tasks = draw(n=90)
    for est in (GroupLassoRegressor(), MeanRegularizedRegressor()):
        est.set_params(warm_start=True).fit(X, -y, tasks=tasks)
        est.set_params(positive=True).fit(X, y, tasks=tasks)
        fresh = type(est)(positive=True).fit(X, y, tasks=tasks)
        assert np.any(est.coef_)
        np.testing.assert_allclose(est.coef_, fresh.coef_, rtol=0, atol=0.02)


def test_signs_of_both_blocks():
    X, y, tasks = draw(n=90)
    est = PenalizedRegressor(InfimalSum(L21(0.2), L1(0.15)), positive=True)
    est.fit(X, y, tasks=tasks)
    assert np.all(est.blocks_ >= 0)
    assert np.any(est.blocks_, axis=(1, 2)).all()


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_searches_and_paths_keep_the_signs(layout):
    X, y, tasks = draw(n=120, layout=layout)
    est = GroupLassoRegressorCV(alphas=5, cv=3, positive=True).fit(X, y, tasks=tasks)
    assert np.all(est.coef_ >= 0)
    model = GroupLassoRegressor(positive=True)
    largest = alpha_max(model, X, y, tasks=tasks)
    assert largest < alpha_max(GroupLassoRegressor(), X, y, tasks=tasks)
    path = regularization_path(model, X, y, tasks=tasks, alphas=8)
    assert path.alphas[0] == pytest.approx(largest)
    assert not path.coef[0].any()
    assert np.any(path.coef[1])
    assert np.all(path.coef >= 0)


def test_positive_is_checked():
    X, y, tasks = draw()
    for positive, message in [
        (1, "positive must be True or False"),
        ([True, False], r"positive has shape \(2,\), but there are 4 features"),
    ]:
        with pytest.raises(ValueError, match=message):
            GroupLassoRegressor(positive=positive).fit(X, y, tasks=tasks)
    model = MeanRegularizedRegressor(positive=True, solver="direct")
    with pytest.raises(ValueError, match="use 'fista'"):
        model.fit(X, y, tasks=tasks)
    model.set_params(solver="auto", alpha_mean=0.0)
    with pytest.raises(ValueError, match="set alpha_mean or ridge to more than 0"):
        model.fit(X, y, tasks=tasks)
    assert np.all(model.set_params(ridge=0.1).fit(X, y, tasks=tasks).coef_ >= 0)
    with pytest.raises(ValueError, match="cv='loo' is for coefficients of any sign"):
        MeanRegularizedRegressorCV(cv="loo", positive=True).fit(X, y, tasks=tasks)
    for wrong in (False, np.zeros((2, 2), dtype=bool), [0, 1]):
        with pytest.raises(ValueError, match="positive of Positive must be"):
            Positive(L1(0.1), wrong)


WEIGHT = np.array([0.5, 3.0, 1.0, 2.0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [*GAUGES, "mean"])
def test_weights_are_other_units_of_features(penalty, kind):
    X, y, tasks = draw(kind, n=150)
    est = make(penalty, kind, feature_weight=WEIGHT, tol=1e-10)
    est.fit(X, y, tasks=tasks)
    other = make(penalty, kind, tol=1e-10).fit(X / WEIGHT, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, other.coef_ / WEIGHT, rtol=0, atol=2e-4)
    np.testing.assert_allclose(est.intercept_, other.intercept_, rtol=0, atol=1e-3)
    if penalty == "mean":
        if kind == "regressor":
            np.testing.assert_allclose(est.coef_, other.coef_ / WEIGHT, **CLOSE)
        return
    largest = [
        alpha_max(est, X, y, tasks=tasks),
        alpha_max(other, X / WEIGHT, y, tasks=tasks),
    ]
    assert largest[0] == pytest.approx(largest[1], rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_positive_mean_regularisation(kind):
    X, y, tasks = draw(kind, n=150)
    weight = np.array([0.5, 3.0, np.inf, 2.0])
    est = make("mean", kind, feature_weight=weight, positive=True, tol=1e-10)
    est.fit(X, y, tasks=tasks)
    kept = np.isfinite(weight)
    other = make("mean", kind, positive=True, tol=1e-10)
    other.fit(X[:, kept] / weight[kept], y, tasks=tasks)
    expected = other.coef_ / weight[kept]
    assert np.all(est.coef_ >= 0)
    assert np.any(est.coef_[:, kept] == 0)
    assert np.any(est.coef_[:, kept] > 0)
    assert not est.coef_[:, ~kept].any()
    np.testing.assert_allclose(est.coef_[:, kept], expected, rtol=0, atol=2e-4)
    # a feature of weight 0 may have any sign
    free = {"feature_weight": [0, 1, 1, 2], "positive": [False, True, True, True]}
    est.set_params(**free, tol=1e-8).fit(X, y, tasks=tasks)
    assert np.all(est.coef_[:, 1:] >= 0)
    assert np.any(est.coef_[:, 0] < 0)
    est.set_params(positive=True, ridge=0.1).fit(X, y, tasks=tasks)
    assert np.all(est.coef_ >= 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [*GAUGES, "mean"])
def test_an_excluded_feature_might_as_well_not_be_there(penalty, kind):
    if not by_rows(penalty):
        return
    X, y, tasks = draw(kind, n=150)
    est = make(penalty, kind, feature_weight=[1, np.inf, 1, 2], tol=1e-10)
    est.fit(X, y, tasks=tasks)
    kept = [0, 2, 3]
    other = make(penalty, kind, feature_weight=[1, 1, 2], tol=1e-10)
    other.fit(X[:, kept], y, tasks=tasks)
    assert not est.coef_[:, 1].any()
    np.testing.assert_allclose(est.coef_[:, kept], other.coef_, rtol=0, atol=2e-4)
    # also where the last fit used it
    again = make(penalty, kind, warm_start=True).fit(X, y, tasks=tasks)
    assert again.coef_[:, 1].any()
    again.set_params(feature_weight=[1, np.inf, 1, 2]).fit(X, y, tasks=tasks)
    assert not again.coef_[:, 1].any()
    assert again.coef_.any()


def test_weights_by_name():
    table, y, column = school_table("pandas", "regressor")
    fits = [
        GroupLassoRegressor(task_column=column, feature_weight=weight).fit(table, y)
        for weight in ({"b": 2.0, "d": np.inf}, [1.0, 2.0, 1.0, np.inf])
    ]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    model = GroupLassoRegressor(task_column=column, feature_weight={"e": 1.0})
    with pytest.raises(ValueError, match=r"has no features \['e'\] to weigh"):
        model.fit(table, y)


@pytest.mark.parametrize("penalty", ["l21", "mean", "dirty-linf"])
def test_paths_exclude_features(penalty):
    X, y, _ = draw(n=120, layout="columns")
    model = make(penalty, "regressor", feature_weight=[1, 2, 1, np.inf])
    path = regularization_path(model, X, y, alphas=4)
    assert not path.coef[:, :, 3].any()
    assert path.coef[-1, :, :3].all()


SEARCHES = {
    "l21": GroupLassoRegressorCV,
    "mean": MeanRegularizedRegressorCV,
    "trace": TraceNormRegressorCV,
}


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("n", [30, 300])
@pytest.mark.parametrize("penalty", SEARCHES)
def test_searches_and_paths_keep_the_weights(penalty, n, layout):
    X, y, tasks = draw(n=n, layout=layout)
    alphas = {"alphas": [0.3, 0.1, 0.03]}
    model = make(penalty, "regressor", tol=1e-9)
    other = regularization_path(model, X / WEIGHT, y, tasks=tasks, **alphas)
    model.set_params(feature_weight=WEIGHT)
    path = regularization_path(model, X, y, tasks=tasks, **alphas)
    np.testing.assert_allclose(path.coef, other.coef / WEIGHT, rtol=0, atol=1e-3)
    search = SEARCHES[penalty](cv=3, tol=1e-9, **alphas)
    other = clone(search).fit(X / WEIGHT, y, tasks=tasks)
    search.set_params(feature_weight=WEIGHT).fit(X, y, tasks=tasks)
    atol = 1e-4 * np.abs(other.score_path_).max()
    np.testing.assert_allclose(search.score_path_, other.score_path_, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, -1.0, 1.0, 1.0], "must hold numbers > 0, .* got -1.0"),
        ({0: np.nan}, "must hold numbers > 0, .* got nan"),
        ([1.0, 2.0], r"feature_weight has shape \(2,\), but there are 4 features"),
        (2.0, r"one number for each feature, or a dict .* got shape \(\)"),
        ([np.inf] * 4, "excludes all features"),
    ],
)
def test_weights_are_checked(weight, message):
    X, y, tasks = draw()
    for cls in (GroupLassoRegressor, GroupLassoRegressorCV, MeanRegularizedRegressor):
        with pytest.raises(ValueError, match=message):
            cls(feature_weight=weight).fit(X, y, tasks=tasks)


MEANS = {
    "plain": {},
    "free": {"alpha_mean": 0.0},
    "ridge": {"ridge": 0.3},
    "shrunken": {"alpha_intercept": 0.4},
    "shrunken-ridge": {"alpha_intercept": 0.4, "ridge": 0.3},
    "one": {"alpha_intercept": np.inf, "alpha_mean": 0.0},
    "pooled": {"alpha": np.inf},
    "none": {"fit_intercept": False},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("name", MEANS)
def test_solvers_of_a_weighted_mean_agree(name, layout, kind):
    """Excluded features are as good as not there, and intercepts are not weighted."""
    X, y, tasks = draw(kind, n=150, layout=layout)
    options = MEANS[name] | {"tol": 1e-13}
    weight, kept = np.array([0.5, np.inf, 1.0, 2.0]), [0, 2, 3]
    fits = [
        make("mean", kind, feature_weight=weight, solver=solver, **options)
        for solver in ("direct", "fista")
    ]
    for est in fits:
        est.fit(X, y, tasks=tasks)
        assert not est.coef_[:, 1].any()
    rest, columns = options | {"feature_weight": weight[kept]}, X[:, kept]
    if not options.get("ridge"):
        rest, columns = options, columns / weight[kept]
    other = make("mean", kind, **rest).fit(columns, y, tasks=tasks)
    coef = other.coef_ if "feature_weight" in rest else other.coef_ / weight[kept]
    for est in fits:
        np.testing.assert_allclose(est.coef_[:, kept], coef, rtol=0, atol=1e-5)
        np.testing.assert_allclose(est.intercept_, other.intercept_, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["plain", "shrunken", "one", "pooled", "none"])
def test_standard_deviations_of_a_weighted_mean(name):
    X, y, tasks = draw(n=60)
    weight, kept = np.array([0.5, np.inf, 1.0, 2.0]), [0, 2, 3]
    options = {"alpha": 0.5, "alpha_mean": 0.1} | MEANS[name]
    est = MeanRegularizedRegressor(feature_weight=weight, **options)
    other = MeanRegularizedRegressor(**options)
    est.fit(X, y, tasks=tasks)
    other.fit(X[:, kept] / weight[kept], y, tasks=tasks)
    for attribute in ("coef_std_", "mean_coef_std_"):
        found, expected = getattr(est, attribute), getattr(other, attribute)
        assert not found[..., 1].any()
        np.testing.assert_allclose(
            found[..., kept], expected / weight[kept], rtol=1e-7, atol=1e-12
        )
    np.testing.assert_allclose(est.reliability_, other.reliability_, rtol=1e-9)
    for labels in (tasks, np.full(len(X), 99)):
        if name not in ("shrunken", "one") and labels is not tasks:
            continue
        for model in (est, other):
            model.set_params(unseen_task="mean")
        _, found = est.predict(X, tasks=labels, return_std=True)
        columns = X[:, kept] / weight[kept]
        _, expected = other.predict(columns, tasks=labels, return_std=True)
        np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_what_does_not_go_with_weights():
    X, y, tasks = draw()
    weight = np.append(WEIGHT[1:], np.inf)
    search = MeanRegularizedRegressorCV(feature_weight=weight, cv="loo")
    with pytest.raises(ValueError, match="features with weights between 0 and inf"):
        search.fit(X, y, tasks=tasks)


@pytest.mark.parametrize("penalty", [*GAUGES, "mean"])
def test_a_strength_of_0_is_refused_and_the_option_named(penalty):
    X, y, tasks = draw()
    est = make(penalty, "regressor")
    lead = est._strengths[0]
    est.set_params(**{lead: 0.0})
    with pytest.raises(ValueError, match=rf"{lead} == 0.0, must be > 0: .* ridge="):
        est.fit(X, y, tasks=tasks)
    # what it says works
    est.set_params(**dict.fromkeys(est._strengths, 1e-9), ridge=0.3, tol=1e-10)
    est.fit(X, y, tasks=tasks)
    for t in range(3):
        rows = tasks == t
        alone = SklearnRidge(0.3 * rows.sum()).fit(X[rows], y[rows])
        np.testing.assert_allclose(est.coef_[t], alone.coef_, rtol=0, atol=1e-4)


def test_what_is_off_makes_no_penalty():
    off = GroupLassoRegressor(ridge=0, positive=[False] * 3)
    for est in (GroupLassoRegressor(), off):
        assert type(est._whole_penalty(None)) is L21
