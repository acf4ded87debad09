"""Updates of single tasks around what all of them share."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from mtlreg import MeanRegularizedRegressor, MeanRegularizedRegressorCV
from mtlreg.problem import problem as problems
from mtlreg.statistics import TaskStatistics

EXACT = 1e-12
FREE = {"feature_weight": [1.0, 0.0, np.inf, 2.0]}
OPTIONS = [
    {},
    {"alpha_mean": 0.5},
    {"fit_intercept": False},
    {"alpha_intercept": 0.3},
    {"alpha": np.inf, "alpha_intercept": np.inf},
    {"task_weight": "proportional"},
    {"task_weight": {0: 1.0, 1: 2.0, 2: 3.0, 3: 0.5, 4: 1.0, 9: 2.0}},
    {"normalize_y": True, "ridge": 0.2},
    FREE,
    FREE | {"alpha_intercept": 0.1},
]
every_option = pytest.mark.parametrize("options", OPTIONS, ids="-".join)


def table(n=240, d=4, n_tasks=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + rng.normal(size=d)
    tasks = rng.permutation(np.arange(n) % n_tasks)
    slopes = rng.normal(size=d) + 0.5 * rng.normal(size=(n_tasks, d))
    y = np.sum(X * slopes[tasks], axis=1) + tasks + 0.5 * rng.normal(size=n)
    return X, y, tasks, rng.uniform(0.2, 2.0, size=n)


@every_option
def test_a_task_with_its_rows_stays_as_it_is(options):
    X, y, tasks, weight = table()
    model = MeanRegularizedRegressor(tol=EXACT, **options)
    model.fit(X, y, weight, tasks=tasks)
    before = copy.deepcopy(model)
    rows = np.isin(tasks, [3, 1])
    given = X[rows], y[rows], weight[rows]
    assert model.update_tasks(*given, tasks=tasks[rows]) is model
    # the joint fit is that of its dual gap, the update exact
    for name in ("coef_", "intercept_", "y_scale_"):
        first, second = getattr(model, name), getattr(before, name)
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-10)
        others = [0, 2, 4]
        np.testing.assert_array_equal(first[others], second[others])
    np.testing.assert_array_equal(model.mean_coef_, before.mean_coef_)
    np.testing.assert_array_equal(model.tasks_, before.tasks_)


@every_option
def test_other_rows_and_a_new_task(options):
    X, y, tasks, weight = table()
    model = MeanRegularizedRegressor(**options).fit(X, y, weight, tasks=tasks)
    scale = model.y_scale_
    m = (model.coef_ / scale[:, None]).mean(axis=0)
    b = (model.intercept_ / scale).mean()
    others = model.coef_[[0, 1, 3, 4]].copy()
    Z, z, labels, v = table(n=14, n_tasks=2, seed=1)
    labels = np.array([2, 9])[labels]
    model.update_tasks(Z, z, v, tasks=labels)
    assert model.tasks_.tolist() == [0, 1, 2, 3, 4, 9]
    np.testing.assert_array_equal(model.coef_[[0, 1, 3, 4]], others)
    assert model.predict(Z, tasks=labels).shape == (14,)
    for label, place in ((2, 2), (9, 5)):
        rows = labels == label
        w = v[rows] / v[rows].sum()
        if options.get("task_weight") == "proportional":
            w = v[rows] / (weight.sum() / 5)
        elif "task_weight" in options:
            w *= options["task_weight"][label]
        unit = 1.0
        if "normalize_y" in options:
            unit = np.sqrt(np.cov(z[rows], aweights=v[rows], ddof=0))
        assert model.y_scale_[place] == pytest.approx(unit)
        coef, intercept = _minimum(Z[rows], z[rows] / unit, w, m, b, model)
        np.testing.assert_allclose(model.coef_[place], unit * coef, atol=1e-9)
        np.testing.assert_allclose(model.intercept_[place], unit * intercept, atol=1e-9)


def _minimum(X, y, w, m, b, model):
    """The normal equations of a task, in which the mean is fixed, strengths as 1e14."""
    d = len(m)
    weight = np.append(np.ones(d), 1.0)
    if model.feature_weight is not None:
        weight[:d] = model.feature_weight
    largest = 1e14
    strengths = np.append(np.full(d, model.alpha), model.alpha_intercept) * weight**2
    means = np.append(np.full(d, model.alpha_mean), 0.0) * weight**2
    strengths[:d] += model.ridge
    means[:d] += model.ridge
    if not model.fit_intercept:
        strengths[d], b = np.inf, 0.0
    strengths, means = (np.minimum(part, largest) for part in (strengths, means))
    pull = (strengths - means) * np.append(m, b)
    Z = np.append(X, np.ones((len(X), 1)), axis=1)
    found = np.linalg.solve((w * Z.T) @ Z + np.diag(strengths), (w * y) @ Z + pull)
    return found[:d], found[d]


@pytest.mark.parametrize("cv", [3, "reml"])
def test_searches(cv):
    X, y, tasks, _ = table()
    search = MeanRegularizedRegressorCV(
        alphas=5, cv=cv, task_weight="proportional", tol=EXACT
    )
    before = search.fit(X, y, tasks=tasks).coef_.copy()
    rows = tasks == 2
    again = pickle.loads(pickle.dumps(search))
    again.update_tasks(X[rows], y[rows], tasks=tasks[rows])
    np.testing.assert_allclose(again.coef_, before, atol=1e-9)
    again.update_tasks(X[rows][:5], y[rows][:5], tasks=tasks[rows][:5])
    assert np.abs(again.coef_[2] - before[2]).max() > 1e-3
    with pytest.raises(AttributeError, match="need the rows of all tasks"):
        _ = again.coef_std_


def test_statistics_and_columns():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    frame = pd.DataFrame(Y, columns=["q", "r", "p"])
    model = MeanRegularizedRegressor(tol=EXACT).fit(X, frame)
    before = model.coef_.copy()
    model.update_tasks(X, frame[["p", "q"]])
    np.testing.assert_allclose(model.coef_, before, atol=1e-10)
    more = pd.DataFrame({"a": Y[:, 0], "p": Y[:, 2]})
    model.update_tasks(TaskStatistics().update(X, more))
    assert model.tasks_.tolist() == ["q", "r", "p", "a"]
    np.testing.assert_allclose(model.coef_[:3], before, atol=1e-10)
    np.testing.assert_allclose(model.coef_[3], before[0], atol=1e-10)
    assert model.predict(X).shape == (40, 4)


def test_a_column_of_tasks_in_single_precision():
    X, y, tasks, _ = table()
    frame = pd.DataFrame(X.astype(np.float32), columns=list("abcd"))
    frame = frame.assign(task=np.char.add("t", tasks.astype(str)))
    model = MeanRegularizedRegressor(task_column="task").fit(frame, y)
    before, kind = model.coef_.copy(), model.coef_.dtype
    rows = tasks == 4
    model.update_tasks(frame[rows], y[rows])
    assert model.coef_.dtype == kind
    np.testing.assert_allclose(model.coef_, before, atol=1e-2)


def test_the_other_tasks_are_not_solved_for(monkeypatch):
    X, y, tasks, _ = table(n=4000, n_tasks=1000)
    model = MeanRegularizedRegressor().fit(X, y, tasks=tasks)
    shapes, init = [], problems.StatisticsProblem.__init__

    def seen(self, statistics, *args, **kwargs):
        shapes.append(statistics.moments.shape)
        init(self, statistics, *args, **kwargs)

    monkeypatch.setattr(problems.StatisticsProblem, "__init__", seen)
    rows = tasks == 7
    model.update_tasks(X[rows], y[rows], tasks=tasks[rows])
    assert shapes == [(4, 1)]


def test_targets_that_the_shared_part_explains():
    X, _, tasks, _ = table()
    y = X @ [1e3, -2.0, 0.5, 0.0] + 1e6
    model = MeanRegularizedRegressor(alpha_mean=0.0).fit(X, y, tasks=tasks)
    rows = tasks == 0
    model.update_tasks(X[rows], y[rows], tasks=tasks[rows])
    np.testing.assert_allclose(model.coef_[0], [1e3, -2.0, 0.5, 0.0], atol=1e-6)
    assert 0 <= model.dual_gap_ <= 1e-6 * np.var(y)


def bad_updates():
    X, y, tasks, _ = table(n=20)
    stats = TaskStatistics().update(X, y, tasks=tasks)
    by_order = MeanRegularizedRegressor(task_weight=[1.0, 2.0, 1.0, 1.0, 1.0])
    positive = MeanRegularizedRegressor(positive=True)
    plain = MeanRegularizedRegressor()
    yield "other columns", plain, (X[:, :3], y), {"tasks": tasks}, "features here"
    yield "other labels", plain, (X, y), {"tasks": tasks.astype(str)}, "labels are"
    yield "no labels", plain, (X, y), {}, "labels are"
    yield "two ways", plain, (stats, y), {}, "leave out y"
    yield "no rows", plain, (TaskStatistics(),), {}, "empty"
    yield "no targets", plain, (X,), {"tasks": tasks}, "y"
    yield "signs", positive, (X, y), {"tasks": tasks}, "positive=False"
    yield "weights in order", by_order, (X, y), {"tasks": tasks}, "in a dict"
    by_task = MeanRegularizedRegressor(task_weight=dict.fromkeys(range(5), 1.0))
    yield "no weight", by_task, (X, y), {"tasks": tasks + 1}, "no entry"


@pytest.mark.parametrize(
    ("model", "given", "named", "message"),
    [case[1:] for case in bad_updates()],
    ids=[case[0] for case in bad_updates()],
)
def test_a_bad_update_changes_nothing(model, given, named, message):
    X, y, tasks, _ = table()
    model.fit(X, y, tasks=tasks)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.update_tasks(*given, **named)
    assert all(vars(model)[name] is before[name] for name in before)
