"""One more task for a fit, from few rows, inside what its tasks share."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss

from mtlreg import (
    CommonDeviationRegressor,
    DirtyModelRegressor,
    GraphRegularizedRegressor,
    GroupLassoClassifier,
    GroupLassoRegressor,
    GroupLassoRegressorCV,
    MeanRegularizedClassifier,
    MeanRegularizedRegressor,
    MeanRegularizedRegressorCV,
    PenalizedRegressor,
    RobustMeanRegressor,
    SparseLowRankRegressor,
    TaskRelationshipRegressor,
    TraceNormClassifier,
    TraceNormRegressor,
    alpha_max,
)
from mtlreg.datasets import make_multitask_regression
from mtlreg.estimators._new_tasks import Inside
from mtlreg.penalties import (
    L1,
    L21,
    GraphRegularization,
    InfimalSum,
    SquaredClusterNorm,
    SquaredTraceNorm,
    Tied,
    TraceNorm,
    TreeGroup,
)
from tests.estimators.cases import (
    ESTIMATORS,
    draw,
    is_classifier,
    school_table,
)

EXACT = 1e-11


def few(n=12, kind="regressor", seed=5):
    """Rows of a new task."""
    X, y, _ = draw(kind, n=n, n_tasks=1, layout="single", seed=seed)
    return X, y


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_every_estimator(cls):
    kind = "classifier" if is_classifier(cls) else "regressor"
    table, y, column = school_table("pandas", kind)
    model = cls(task_column=column).fit(table, y)
    before = copy.deepcopy(vars(model))
    X, target = few(kind=kind)
    rows = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    rows.insert(2, "school", "r")
    empty = model.fit_new_task(rows[:0], target[:0], task="r")
    found = model.fit_new_task(rows, target)
    for other in (empty, found):
        assert other is not model
        assert other.tasks_.tolist() == ["n", "r", "s", "w"]
        assert other.tasks_.dtype == model.tasks_.dtype
        held = [0, 2, 3]
        np.testing.assert_array_equal(other.coef_[held], model.coef_)
        np.testing.assert_array_equal(other.intercept_[held], model.intercept_)
        for name, value in vars(other).items():
            old = before[name]
            if not name.startswith("_") and np.shape(value) != np.shape(old):
                assert 4 in np.shape(value), name
        if hasattr(other, "shared_coef_"):
            both = other.shared_coef_ + other.specific_coef_
            np.testing.assert_allclose(both, other.coef_, atol=1e-12)
        assert 0 <= other.dual_gap_ <= 1e-4
    np.testing.assert_equal(vars(model), before)
    both = [np.append(m.coef_[1], m.intercept_[1]) for m in (found, empty)]
    assert np.abs(both[0] - both[1]).max() > 1e-3
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(rows), found.predict(rows))
    # another one starts where this one did
    more = found.fit_new_task(rows.assign(school="z"), target)
    np.testing.assert_allclose(more.coef_[4], found.coef_[1], rtol=1e-7, atol=1e-9)


def test_as_an_update_where_both_are_the_same_problem():
    """Means and shrunken intercepts: at the strengths of the fit, of as many rows."""
    X, y, tasks = draw()
    Z, z = few(n=20)
    for options in (
        {"fit_intercept": False},
        {"fit_intercept": False, "alpha_mean": 0.3, "ridge": 0.1},
        {"alpha_intercept": 0.4},
        {"alpha_intercept": 0.4, "feature_weight": [1.0, 2.0, np.inf, 0.5]},
        {"alpha": np.inf, "alpha_intercept": 0.3},
        {"fit_intercept": False, "feature_weight": [1.0, 0.0, 3.0, 1.0]},
    ):
        model = MeanRegularizedRegressor(tol=EXACT, **options).fit(X, y, tasks=tasks)
        found = model.fit_new_task(Z, z, task=7, alpha=1.0)
        model.update_tasks(Z, z, tasks=np.full(20, 7))
        np.testing.assert_allclose(found.coef_, model.coef_, atol=1e-8)
        np.testing.assert_allclose(found.intercept_, model.intercept_, atol=1e-8)


def root(A):
    """The square root of A A', which has its least value outside of the columns too."""
    U, sigma, _ = np.linalg.svd(A)
    values = np.pad(sigma, (0, len(A) - len(sigma)))
    return (U * np.where(values > 1e-9, values, sigma[sigma > 1e-9].min())) @ U.T


@pytest.mark.parametrize("cls", [TraceNormRegressor, TraceNormClassifier])
def test_a_subspace(cls):
    """The minimum over slopes a of a data term and alpha/2 (a - m)'D^-1 (a - m)."""
    kind = "classifier" if is_classifier(cls) else "regressor"
    X, y, tasks = draw(kind, d=6)
    model = cls(0.05, fit_intercept=False, tol=EXACT).fit(X, y, tasks=tasks)
    Z, z, _ = draw(kind, n=15, d=6, n_tasks=1, layout="single", seed=3)
    found = model.fit_new_task(Z, z, task=9, alpha=0.5)
    A = model.coef_.T
    m = A.mean(axis=1)
    inverse = np.linalg.inv(root(A - m[:, None]))
    v = np.full(15, 1 / 20)

    def objective(a):
        if kind == "regressor":
            losses = 0.5 * (z - Z @ a) ** 2
        else:
            losses = np.logaddexp(0, -np.where(z > 0, 1, -1) * (Z @ a))
        return v @ losses + 0.5 * 0.05 / 2 * (a - m) @ inverse @ (a - m)

    best = minimize(objective, m, tol=1e-14)
    np.testing.assert_allclose(found.coef_[3], best.x, atol=1e-5)
    assert found.rank_ == model.rank_
    np.testing.assert_array_equal(found.components_, model.components_)


@pytest.mark.parametrize(
    "penalty",
    [TraceNorm(0.3), L21(0.3), SquaredTraceNorm(0.3), SquaredClusterNorm(0.3, 3)],
    ids=str,
)
def test_what_all_tasks_have_does_not_say_how_they_deviate(penalty):
    rng = np.random.default_rng(0)
    A, common = rng.normal(size=(5, 8)), 30.0 * rng.normal(size=5)
    (first,), (second,) = (penalty.priors(B) for B in (A, A + common[:, None]))
    np.testing.assert_allclose(second.centre, first.centre + common, rtol=1e-12)
    costs = []
    for prior in (first, second):
        F = sparse.csr_array(prior.factor).toarray()
        costs.append(F / prior.precision @ F.T)
    np.testing.assert_allclose(costs[1], costs[0], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("alpha_of_fit", [1.5, 6.0])
def test_a_strength_that_ten_rows_choose_is_no_worse_than_that_of_the_fit(alpha_of_fit):
    """Where the fit has one that suits, and where it has four times that.

    The least of 13 losses is mostly chance; how far the tasks of the fit deviate says
    more.
    """
    data = make_multitask_regression(
        n_tasks=70, n_samples=60, structure="mean", noise=2.0, random_state=0
    )
    old, errors = data.tasks < 30, []
    model = MeanRegularizedRegressor(alpha_of_fit)
    model.fit(data.X[old], data.y[old], tasks=data.tasks[old])
    for task in range(30, 70):
        rows = np.flatnonzero(data.tasks == task)[:10]
        for alpha in (None, 1.0):
            given = data.X[rows], data.y[rows]
            found = model.fit_new_task(*given, task=task, alpha=alpha)
            errors.append(np.sum((found.coef_[30] - data.coef[task]) ** 2))
    chosen, fixed = np.reshape(errors, (-1, 2)).T
    assert np.any(chosen != fixed)
    assert chosen.mean() <= (1.0 if alpha_of_fit < 2 else 0.96) * fixed.mean()


def test_features_and_entries_of_its_own():
    """Rows by their norms; the second part of the dirty model is a lasso of its own."""
    X, y, tasks = draw(d=8)
    Z, z, _ = draw(n=15, d=8, n_tasks=1, layout="single", seed=3)
    model = GroupLassoRegressor(0.3, fit_intercept=False, tol=EXACT)
    model.fit(X, y, tasks=tasks)
    found = model.fit_new_task(Z, z, task=9, alpha=2.0)
    held, m = model.support_, model.coef_.mean(axis=0)
    assert 0 < held.sum() < 8
    norms = np.linalg.norm(model.coef_ - m, axis=0)
    hessian = Z.T @ Z / 20
    hessian[held, held] += 2.0 * 0.3 / norms[held]
    part = np.ix_(held, held)
    step = np.linalg.solve(hessian[part], (Z.T @ (z - Z @ m) / 20)[held])
    np.testing.assert_allclose(found.coef_[3, held], m[held] + step, atol=1e-7)
    assert not found.coef_[3, ~held].any()
    model = DirtyModelRegressor(0.9, 0.5, fit_intercept=False, tol=EXACT)
    model.fit(X, y, tasks=tasks)
    found = model.fit_new_task(Z, z, task=9, alpha=1.0)
    own = found.specific_coef_[3]
    slopes = Z.T @ (z - Z @ found.coef_[3]) / 20
    # optimal for the L1 norm, but for a ridge that is next to nothing
    assert 0 < np.count_nonzero(own) < 8
    np.testing.assert_allclose(
        slopes[own != 0], 0.5 * np.sign(own[own != 0]), rtol=2e-3
    )
    assert np.all(np.abs(slopes) <= 0.5 * (1 + 2e-3))


def test_the_mean_is_expected_but_for_its_shrinkage():
    X, y, tasks = draw()
    for ratio, share in ((0.0, 1.0), (0.4, 0.6), (1.0, 0.0)):
        model = MeanRegularizedRegressor(0.1, alpha_mean=0.1 * ratio)
        found = model.fit(X, y, tasks=tasks).fit_new_task(None, None, task=9)
        np.testing.assert_allclose(found.coef_[3], share * model.mean_coef_, rtol=1e-9)


def test_neighbours():
    X, y, tasks = draw(n=100, n_tasks=5)
    model = GraphRegularizedRegressor(
        0.3, graph="chain", ridge=0.02, fit_intercept=False, tol=EXACT
    ).fit(X, y, tasks=tasks)
    Z, z = few(n=15)
    found = model.fit_new_task(Z, z, task=9, alpha=1.0, neighbours={4: 1.0, 3: 0.5})
    Q = Z.T @ Z / 20 + (0.3 * 1.5 + 0.02) * np.eye(4)
    pull = 0.3 * (model.coef_[4] + 0.5 * model.coef_[3])
    expected = np.linalg.solve(Q, Z.T @ z / 20 + pull)
    np.testing.assert_allclose(found.coef_[5], expected, atol=1e-7)
    np.testing.assert_array_equal(found.graph_[5], [0, 0, 0, 0.5, 1.0, 0])
    np.testing.assert_array_equal(found.graph_, found.graph_.T)
    np.testing.assert_array_equal(found.graph_[:5, :5], model.graph_)
    first = model.fit_new_task(Z, z, task=-1, neighbours=[0])
    np.testing.assert_array_equal(first.graph_[0], [0, 1, 0, 0, 0, 0])
    assert first.tasks_.tolist() == [-1, 0, 1, 2, 3, 4]
    alike = model.fit_new_task(None, None, task=9)
    share = 0.3 * model.graph_.sum() / 5
    mean = share / (share + 0.02) * model.coef_.mean(axis=0)
    np.testing.assert_allclose(alike.coef_[5], mean, rtol=1e-9)


@pytest.mark.parametrize("cls", [MeanRegularizedRegressor, TraceNormRegressor])
def test_the_origin_of_features_and_targets_does_not_matter(cls):
    X, y, tasks = draw()
    Z, z = few(n=6)
    shift = np.array([10.0, -30.0, 5.0, 0.0])
    first = cls(0.05, tol=EXACT).fit(X, y, tasks=tasks)
    moved = cls(0.05, tol=EXACT).fit(X + shift, y + 100.0, tasks=tasks)
    one = first.fit_new_task(Z, z, task=8, alpha=0.7)
    two = moved.fit_new_task(Z + shift, z + 100.0, task=8, alpha=0.7)
    np.testing.assert_allclose(two.coef_[3], one.coef_[3], atol=1e-6)
    labels = np.full(6, 8)
    here, there = one.predict(Z, tasks=labels), two.predict(Z + shift, tasks=labels)
    np.testing.assert_allclose(there, here + 100.0, atol=1e-5)


def test_levels_are_drawn_to_those_of_the_tasks():
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(30), 40)
    levels, X = rng.normal(size=30), rng.normal(size=(1200, 2))
    y = X @ [1.0, 2.0] + levels[tasks] + rng.normal(size=1200)
    model = GroupLassoRegressor(0.01).fit(X, y, tasks=tasks)
    row = np.zeros((1, 2))
    far = [
        model.fit_new_task(row, [v], task=99, alpha=1.0).intercept_[30]
        for v in (0, 100.0)
    ]
    # levels differ by as much as rows do: half of what a row says is chance
    np.testing.assert_allclose(far[1] - far[0], 50.0, atol=12.0)
    same = y - levels[tasks]
    model = MeanRegularizedRegressor(np.inf, alpha_intercept=np.inf)
    model.fit(X, same, tasks=tasks)
    found = model.fit_new_task(X[:5], same[:5] + 50, task=99)
    np.testing.assert_allclose(found.intercept_[30], model.intercept_[0], rtol=1e-9)


@pytest.mark.parametrize("options", [{}, {"alpha_intercept": 0.3}])
def test_a_fit_of_statistics(options):
    X, y, tasks = draw()
    given = few(n=8)
    models = [MeanRegularizedRegressor(0.5, tol=EXACT, **options) for _ in range(2)]
    models[0].fit(X, y, tasks=tasks)
    models[1].partial_fit(X, y, tasks=tasks)
    for rows in (given, (None, None)):
        found = [m.fit_new_task(*rows, task=9) for m in models]
        np.testing.assert_allclose(*(m.coef_ for m in found), atol=1e-8)
        np.testing.assert_allclose(*(m.intercept_ for m in found), atol=1e-8)


@pytest.mark.parametrize("weight", [1.0, 0.01])
def test_what_is_alike_in_a_task_tells_of_its_level(weight):
    rng = np.random.default_rng(0)
    tasks, kind = np.repeat(np.arange(40), 30), rng.normal(size=41)
    X = rng.normal(size=(1200, 3))
    X[:, 2] = kind[tasks]
    y = X @ [1.0, 2.0, 0.0] + 5 * kind[tasks] + rng.normal(size=1200)
    for cls in (GroupLassoRegressor, TraceNormRegressor):
        model = cls(0.01).fit(X, y, sample_weight=weight, tasks=tasks)
        row = np.array([[0.3, -0.2, 2.0]])
        given = {"task": 99, "sample_weight": weight, "alpha": 1.0}
        found = model.fit_new_task(row, [9.9], **given)
        np.testing.assert_allclose(found.predict(row, tasks=[99]), 9.9, atol=0.3)
        # but it is no slope within a task, which no row has told
        np.testing.assert_allclose(found.coef_[40, 2], 0.0, atol=1e-6)
        # whatever the rows weigh
        means = model._learned.levels.means
        np.testing.assert_allclose(means[:, 2], kind[:40], atol=1e-9)


def sure_and_unsure(middle, n_tasks=60, n=400):
    """Rows of tasks whose slopes differ, and how sure they are with them."""
    rng = np.random.default_rng(0)
    sure = np.arange(n_tasks) % 2 == 0
    slopes = np.where(sure[:, None], [5.0, 0.0], [0.5, 1.0])
    slopes = slopes + rng.normal(scale=0.3, size=slopes.shape)
    levels = np.where(sure, -4.0, -1.0)
    tasks = np.repeat(np.arange(n_tasks), n)
    X = rng.normal(size=(len(tasks), 2)) + middle
    z = np.einsum("ij,ij->i", X, slopes[tasks]) + levels[tasks]
    return X, (rng.random(len(z)) < expit(z)).astype(int), tasks


@pytest.mark.parametrize(
    ("options", "middle"), [({}, 0.5), ({"alpha_intercept": 1e-6}, 0.0)]
)
def test_few_rows_of_a_class_expect_the_mean_probability(options, middle):
    X, y, tasks = sure_and_unsure(middle)
    old = tasks < 50
    model = MeanRegularizedClassifier(1e-4, alpha_mean=0.0, **options)
    model.fit(X[old], y[old], tasks=tasks[old])
    pooled = LogisticRegression(C=np.inf).fit(X[old], y[old])
    Z, z, labels = X[~old], y[~old], np.full(np.count_nonzero(~old), 99)
    # nothing may deviate, so that all is as the row of each class leaves it
    one, other = (Z[[np.flatnonzero(z == k)[0]]] for k in (0, 1))
    rows = np.vstack([one, other])
    held = model.fit_new_task(rows, [0, 1], task=99, alpha=1e8)
    np.testing.assert_allclose(held.coef_[-1], pooled.coef_[0], rtol=0.1)
    mean = model.coef_.mean(axis=0)
    assert np.linalg.norm(mean - pooled.coef_[0]) > 0.5 * np.linalg.norm(mean)
    expected = log_loss(z, pooled.predict_proba(Z))
    found = log_loss(z, held.predict_proba(Z, tasks=labels))
    assert found < 1.02 * expected
    without = model.fit_new_task(None, None, task=99)
    assert log_loss(z, without.predict_proba(Z, tasks=labels)) > 1.05 * expected
    # of many rows a task is known
    every = tasks == 55
    more = model.fit_new_task(X[every], y[every], task=99, alpha=1.0)
    joint = MeanRegularizedClassifier(1e-4, alpha_mean=0.0, **options)
    both = old | every
    joint.fit(X[both], y[both], tasks=tasks[both])
    np.testing.assert_allclose(more.coef_[-1], joint.coef_[-1], atol=0.05)


@pytest.mark.parametrize("cls", [GroupLassoRegressor, TraceNormRegressor])
def test_few_rows_are_drawn_to_slopes_without_shrinkage(cls):
    X, y, tasks = draw(n=400, n_tasks=5)
    y = y + X @ [3.0, -2.0, 0.0, 0.0]
    model = cls(alpha_max(cls(), X, y, tasks=tasks) / 3, tol=EXACT)
    model.fit(X, y, tasks=tasks)
    slopes, grams = np.zeros((5, 4)), np.zeros((5, 4, 4))
    for k, task in enumerate(model.tasks_):
        rows = tasks == task
        Z = X[rows] - X[rows].mean(axis=0)
        rest = y[rows] - model.predict(X[rows], tasks=tasks[rows])
        slopes[k], grams[k] = Z.T @ rest / len(rest), Z.T @ Z / len(rest)
    bends = np.diagonal(grams, axis1=1, axis2=2)
    slope, used = slopes.sum(axis=0), model.coef_.any(axis=0)
    step = used * slope / bends.sum(axis=0)
    step *= slope @ step / (step @ grams.sum(axis=0) @ step)
    length = (step * bends.sum(axis=0))[used] / slope[used]
    np.testing.assert_allclose(length, length[0])
    mean = model.coef_.mean(axis=0)
    chance = (model.coef_ + length[0] * slopes / bends).var(axis=0) / 4
    kept = np.maximum(1 - chance / (mean + step) ** 2, 0.0)
    assert np.count_nonzero(step) == np.count_nonzero(used)
    assert kept.max() > 0.9
    assert kept.min() == 0.0
    # rows say next to nothing against so large a factor
    found = model.fit_new_task(X[:2], y[:2], task=9, alpha=1e8)
    np.testing.assert_allclose(found.coef_[-1], mean + kept * step, atol=1e-5)
    without = model.fit_new_task(None, None, task=9)
    np.testing.assert_allclose(without.coef_[-1], mean)


def test_shrinkage_tells_nothing_of_tasks_that_share_no_mean():
    rng = np.random.default_rng(0)
    tasks, X = np.repeat(np.arange(4), 500), rng.normal(size=(2000, 3))
    y = X[:, 0] * np.array([2.0, -2.0, 2.0, -2.0])[tasks] + rng.normal(size=2000)
    model = TraceNormRegressor(0.1).fit(X, y, tasks=tasks)
    assert model._learned.shrunken[0] == 0
    # of classes the bends of the loss are those at the fit
    rare = (y + 2 * X[:, 1] > 2).astype(int)
    model = TraceNormClassifier(0.05).fit(X, rare, tasks=tasks)
    more = model._learned.shrunken
    assert more[1] > 0.1 * model.coef_[:, 1].mean()
    assert abs(more[0]) < 0.05 * more[1]


def test_a_lasso_beside_another_part_is_as_in_the_fit():
    X, y, tasks = draw(n=100, n_tasks=5)
    Z, z = few(n=20)
    beside = SparseLowRankRegressor(alpha_low_rank=0.03, alpha_sparse=0.02)
    alone = CommonDeviationRegressor(0.02)
    # with a large factor of all strengths, or of those that are not of a lasso
    for model, found in ((beside, [False, True]), (alone, [False, False])):
        model.fit(X, y, tasks=tasks)
        data = model._read_new_task(Z, z, 9, None).data
        given = model, model._learned, model._learned.priors(None), data
        for alpha, some in zip((1.0, None), found, strict=True):
            specific = Inside(*given, alpha).solve(1e6)[0][1]
            assert np.any(np.abs(specific) > 1e-4) == some


def test_a_lasso_of_single_coefficients_keeps_its_strength():
    X, y, tasks = draw(n=100, n_tasks=5)
    Z, z = few(n=20)
    for model, same in (
        (CommonDeviationRegressor(0.05), True),
        (GroupLassoRegressor(0.05), False),
    ):
        model.fit(X, y, tasks=tasks)
        learned = model._learned
        data = model._read_new_task(Z, z, 9, None).data
        given = model, learned, learned.priors(None), data
        found = [Inside(*given, alpha).solve(1.0)[0] for alpha in (None, 1.0)]
        assert np.array_equal(*found) == same


def joint_and_others(structure, model, n, seed):
    """Squared errors of the new task: of the new fit, the joint one, others without."""
    data = make_multitask_regression(
        n_tasks=21, n_samples=160, structure=structure, noise=2.0, random_state=seed
    )
    rows = [np.flatnonzero(data.tasks == task) for task in range(21)]
    rest = np.concatenate([of_task[:60] for of_task in rows[:20]])
    new, test = rows[20][:n], rows[20][60:]
    both = np.append(rest, new)
    Z, z, labels = data.X[test], data.y[test], data.tasks[test]
    model.fit(data.X[rest], data.y[rest], tasks=data.tasks[rest])
    found = model.fit_new_task(data.X[new], data.y[new], task=20)
    errors = [np.mean((found.predict(Z, tasks=labels) - z) ** 2)]
    model.fit(data.X[both], data.y[both], tasks=data.tasks[both])
    errors.append(np.mean((model.predict(Z, tasks=labels) - z) ** 2))
    for rows in (new, both):
        ridge = RidgeCV(np.logspace(-2, 4, 20)).fit(data.X[rows], data.y[rows])
        errors.append(np.mean((ridge.predict(Z) - z) ** 2))
    return errors


def nightly(*values):
    """Parameters of a test that takes ten seconds."""
    return pytest.param(*values, marks=pytest.mark.nightly)


@pytest.mark.parametrize(
    ("structure", "model"),
    [
        ("mean", MeanRegularizedRegressor(1.5)),
        ("group", GroupLassoRegressor(0.8)),
        nightly("low_rank", TraceNormRegressor(0.8)),
        nightly("low_rank", TaskRelationshipRegressor(0.01)),
        nightly("dirty", DirtyModelRegressor(0.9, 0.3)),
    ],
    ids=str,
)
def test_accuracy(structure, model):
    """All rows: as the joint fit. Few: better than without the tasks, or as one."""
    given = structure, model.set_params(tol=1e-5)
    found = np.array([joint_and_others(*given, 60, seed) for seed in range(12)])
    new, joint, _, _ = found.mean(axis=0)
    assert new <= 1.01 * joint
    several = [(n, seed) for n in (10, 20) for seed in range(8)]
    found = np.array([joint_and_others(*given, n, seed) for n, seed in several])
    for other in (2, 3):
        gain = found[:, other] - found[:, 0]
        assert gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)), other


def test_rows_of_one_class_and_one_row():
    X, y, tasks = draw("classifier")
    Z, _ = few(kind="classifier")
    for cls in (MeanRegularizedClassifier, GroupLassoClassifier):
        model = cls(0.02).fit(X, np.where(y > 0, "yes", "no"), tasks=tasks)
        first = model.fit_new_task(Z, ["yes"] * 12, task=5)
        second = model.fit_new_task(Z, ["no"] * 12, task=5)
        labels = np.full(12, 5)
        low, high = (m.predict_proba(Z, tasks=labels)[:, 1] for m in (second, first))
        assert np.all(low < high)
        # rows of one class say nothing of the strength but what their features do
        read = model._read_new_task(Z, ["yes"] * 12, 5, None)
        learned = model._learned
        priors = learned.priors(None, model._loss())
        slopes, *_ = Inside(model, learned, priors, read.data).solve(1.0)
        np.testing.assert_array_equal(first.coef_[3], slopes[0])
        assert model.fit_new_task(Z[:1], ["yes"], task=5).coef_.shape == (4, 4)
        with pytest.raises(ValueError, match="those of the fit are"):
            model.fit_new_task(Z, ["maybe"] * 12, task=5)
    alone = MeanRegularizedClassifier().fit(X, y, tasks=np.zeros(60, dtype=int))
    with pytest.raises(ValueError, match="one task in the fit"):
        alone.fit_new_task(Z, np.ones(12), task=5)
    assert alone.fit_new_task(Z, np.arange(12) % 2, task=5).coef_.shape == (2, 4)


def test_weights_and_units():
    X, y, tasks = draw()
    Z, z = few(n=8)
    model = MeanRegularizedRegressor(0.5, normalize_y=True, tol=EXACT)
    model.fit(X, y, tasks=tasks)
    twice = np.repeat(np.arange(8), 2)
    one = model.fit_new_task(Z, z, task=7, sample_weight=np.full(8, 2.0), alpha=1.0)
    two = model.fit_new_task(Z[twice], z[twice], task=7, alpha=1.0)
    np.testing.assert_allclose(one.coef_[3], two.coef_[3], atol=1e-9)
    assert one.y_scale_[3] == pytest.approx(z.std())
    none = model.fit_new_task(
        np.vstack([Z, Z]),
        [*z, *-z],
        task=7,
        alpha=1.0,
        sample_weight=[1.0] * 8 + [0.0] * 8,
    )
    plain = model.fit_new_task(Z, z, task=7, alpha=1.0)
    np.testing.assert_allclose(none.coef_[3], plain.coef_[3], atol=1e-9)
    scaled = MeanRegularizedRegressor(0.5, normalize_y=True, tol=EXACT)
    scaled.fit(X, 50 * y, tasks=tasks)
    same = scaled.fit_new_task(Z[:1], 50 * z[:1], task=7)
    base = model.fit_new_task(Z[:1], z[:1], task=7)
    np.testing.assert_allclose(same.coef_[3], 50 * base.coef_[3], rtol=1e-6)


def test_searches_and_sums_of_parts():
    X, y, tasks = draw()
    Z, z = few()
    for search in (
        GroupLassoRegressorCV(alphas=4, cv=3),
        MeanRegularizedRegressorCV(alphas=4, cv=3),
        MeanRegularizedRegressorCV(cv="reml", task_weight="proportional"),
    ):
        search.fit(X, y, tasks=tasks)
        found = search.fit_new_task(Z, z, task=1000)
        if search.cv == 3:
            scores = found.task_score_path_
            assert scores.shape[-1] == 4
            assert np.isnan(scores[..., 3]).all()
            np.testing.assert_array_equal(scores[..., :3], search.task_score_path_)
        with pytest.raises(AttributeError):
            _ = found.coef_std_
        assert found.summary().count("1000") == 1
        assert found.coef_frame().shape == (4, 4)
    model = PenalizedRegressor(InfimalSum(TraceNorm(0.5), L1(0.4)))
    found = model.fit(X, y, tasks=tasks).fit_new_task(Z, z, task=-3)
    assert found.blocks_.shape == (2, 4, 4)
    np.testing.assert_allclose(found.blocks_.sum(axis=0), found.coef_, atol=1e-12)
    np.testing.assert_array_equal(found.blocks_[:, 1:], model.blocks_)
    one = MeanRegularizedRegressorCV(alphas=3, cv=3).fit(X, y, tasks=tasks)
    one.update_tasks(Z, z, tasks=np.full(len(z), 9))
    assert one.task_score_path_.shape[-1] == 4


def test_single_precision_and_sparse_rows():
    X, y, tasks = draw()
    Z, z = few()
    dense = TraceNormRegressor(0.05).fit(X, y, tasks=tasks)
    whole = dense.fit_new_task(Z, z, task=4)
    part = dense.fit_new_task(sparse.csr_array(Z), z, task=4)
    np.testing.assert_allclose(part.coef_, whole.coef_, atol=1e-9)
    short = TraceNormRegressor(0.05).fit(X.astype(np.float32), y, tasks=tasks)
    found = short.fit_new_task(Z.astype(np.float32), z, task=4)
    assert found.coef_.dtype == np.float32
    np.testing.assert_allclose(found.coef_, whole.coef_, atol=1e-2)


def bad_calls():
    X, y, tasks = draw()
    Z, z = few()
    fitted = TraceNormRegressor().fit(X, y, tasks=tasks)
    table, target, column = school_table("pandas", "regressor")
    named = TraceNormRegressor(task_column=column).fit(table, target)
    columns = TraceNormRegressor().fit(X, np.c_[y, y])
    positive = GroupLassoRegressor(positive=True).fit(X, y, tasks=tasks)
    single = GroupLassoRegressor().fit(X, y)
    yield "known", fitted, (Z, z), {"task": 1}, "known already"
    yield "no label", fitted, (Z, z), {}, "task=None names no task"
    yield "missing", fitted, (Z, z), {"task": np.nan}, "missing task labels"
    yield "odd", fitted, (Z, z), {"task": 1.5}, "non-integer"
    yield "kind", fitted, (Z, z), {"task": "a"}, "convert it to"
    yield "several", fitted, (Z, z), {"task": [7, 8]}, "one label"
    yield "columns", fitted, (Z[:, :3], z), {"task": 7}, "3 features"
    yield "length", fitted, (Z, z[1:]), {"task": 7}, "y has 11"
    yield "no y", fitted, (Z, None), {"task": 7}, "y=None"
    yield "no X", fitted, (None, z), {"task": 7}, "X has no rows"
    yield "2-D y", fitted, (Z, np.c_[z, z]), {"task": 7}, "2-D"
    yield "weight", fitted, (Z, z), {"task": 7, "sample_weight": 0 * z}, "weight"
    yield "alpha", fitted, (Z, z), {"task": 7, "alpha": 0.0}, "alpha == 0.0"
    yield "no graph", fitted, (Z, z), {"task": 7, "neighbours": [1]}, "a graph"
    yield "stranger", fitted, (Z, z), {"task": 7, "neighbours": [5]}, "are no tasks"
    yield "two tasks", named, (table, target), {}, "rows of 3 tasks"
    one = table[table.school == "s"].assign(school="t")
    yield (
        "two labels",
        named,
        (one, target[: len(one)]),
        {"task": "u"},
        "leave out task",
    )
    yield "2-D fit", columns, (Z, z), {"task": 7}, "without tasks="
    yield "no tasks", single, (Z, z), {"task": 7}, "without tasks="
    yield "signs", positive, (Z, z), {"task": 7}, "positive=False"


@pytest.mark.parametrize(
    ("model", "given", "named", "message"),
    [case[1:] for case in bad_calls()],
    ids=[case[0] for case in bad_calls()],
)
def test_bad_calls(model, given, named, message):
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit_new_task(*given, **named)
    assert all(vars(model)[name] is before[name] for name in before)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        TraceNormRegressor().fit_new_task(None, None, task=3)


def test_a_task_deviates_from_a_robust_mean_on_evidence():
    rng = np.random.default_rng(0)
    center, far = rng.normal(size=5), rng.normal(size=(2, 5))
    slopes = np.vstack([np.tile(center, (10, 1)), center + 2 * far])
    tasks = np.repeat(np.arange(12), 40)
    X = rng.normal(size=(480, 5))
    y = np.sum(X * slopes[tasks], axis=1) + rng.normal(size=480)
    model = RobustMeanRegressor(1.0).fit(X, y, tasks=tasks)
    assert model.outlier_tasks_.tolist() == [False] * 10 + [True] * 2
    Z = rng.normal(size=(30, 5))
    for own, deviates in ((0.0, False), (2.0, True)):
        z = Z @ (center + own * rng.normal(size=5)) + rng.normal(size=30)
        found = model.fit_new_task(Z, z, task=99)
        assert bool(found.outlier_tasks_[12]) is deviates
        np.testing.assert_array_equal(found.outlier_tasks_[:12], model.outlier_tasks_)
        alike = np.allclose(found.coef_[12], found.center_coef_, rtol=1e-12)
        assert alike is not deviates


def test_a_gauge_beside_a_graph_and_a_shape_that_flattens_out():
    X, y, tasks = draw(n=100, d=6, n_tasks=5)
    Z, z, _ = draw(n=15, d=6, n_tasks=1, layout="single", seed=3)
    chain = np.diag(np.ones(4), 1) + np.diag(np.ones(4), -1)
    penalty = Tied(L21(0.4), GraphRegularization(0.3, chain, ridge=0.02))
    model = PenalizedRegressor(penalty, fit_intercept=False, tol=EXACT)
    model.fit(X, y, tasks=tasks)
    found = model.fit_new_task(Z, z, task=9, alpha=1.0, neighbours=[4])
    norms = np.linalg.norm(model.coef_ - model.coef_.mean(axis=0), axis=0)
    m = model.coef_[4] * 0.3 / 0.32
    assert norms.all()
    Q = Z.T @ Z / 20 + np.diag(0.4 / norms + 0.32)
    expected = m + np.linalg.solve(Q, Z.T @ (z - Z @ m) / 20)
    np.testing.assert_allclose(found.coef_[5], expected, atol=1e-7)
    assert found.graph_.shape == (6, 6)
    model = GroupLassoRegressor(0.3, shape="log", fit_intercept=False).fit(
        X, y, tasks=tasks
    )
    found = model.fit_new_task(Z, z, task=9, alpha=1.0)
    m = model.coef_.mean(axis=0)
    slopes = 0.3 / (1 + np.linalg.norm(model.coef_, axis=0) / (3.0 * 0.3))
    Q = Z.T @ Z / 20 + np.diag(slopes / np.linalg.norm(model.coef_ - m, axis=0))
    expected = m + np.linalg.solve(Q, Z.T @ (z - Z @ m) / 20)
    np.testing.assert_allclose(found.coef_[5], expected, atol=1e-7)
    assert found.optimality_ >= 0


def test_a_tree_has_no_place_for_a_new_task():
    X, y, tasks = draw()
    groups = np.array([[True, True], [True, True], [False, True]])
    model = PenalizedRegressor(TreeGroup(0.1, groups)).fit(X, y, tasks=tasks)
    with pytest.raises(ValueError, match="no entry for a new task"):
        model.fit_new_task(*few(), task=5)
