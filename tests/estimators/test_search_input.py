"""Bad grids, folds and arguments of the CV estimators: errors, warnings, restored."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut

from mtlreg import (
    DirtyModelRegressorCV,
    GroupLassoClassifierCV,
    GroupLassoRegressorCV,
    MeanRegularizedRegressorCV,
)
from tests.estimators.cases import CV_ESTIMATORS, CV_REGRESSORS, draw
from tests.estimators.loops import SPLITS, N, double_loop, kind_of, search_of

every_search = pytest.mark.parametrize("cls", CV_ESTIMATORS, ids=lambda c: c.__name__)
ROWS = np.arange(N)
TASKS = draw()[2]


def small(cls=GroupLassoRegressorCV, **params):
    return search_of(cls, **{"tol": 1e-6} | params)


def assert_refused(search, message, X, y, error=ValueError, **params):
    """``fit`` raises, and leaves an unfitted and a fitted search as they were."""
    given, kind = search.get_params(), kind_of(type(search))
    for _ in range(2):
        before = dict(vars(search))
        held = {k: np.copy(v) for k, v in before.items() if k.endswith("path_")}
        with pytest.raises(error, match=message):
            search.fit(X, y, **params)
        assert vars(search).keys() == before.keys()
        assert all(vars(search)[name] is value for name, value in before.items())
        for name, value in held.items():
            np.testing.assert_array_equal(getattr(search, name), value)
        table, target, tasks = draw(kind)
        search.set_params(**small(type(search)).get_params())
        search.fit(table, target, tasks=tasks).set_params(**given)


GRIDS = [
    ({"alphas": []}, "alphas must hold at least one number"),
    ({"alphas": [[0.1]]}, "alphas must hold"),
    ({"alphas": [0.1, 0.0]}, "alphas must be finite and more than 0, got 0.0"),
    ({"alphas": [0.1, -1.0]}, "alphas must be finite and more than 0, got -1.0"),
    ({"alphas": [0.1, np.nan]}, "alphas must be finite and more than 0, got nan"),
    ({"alphas": [np.inf]}, "alphas must be finite and more than 0, got inf"),
    ({"alphas": 0}, "alphas == 0, must be >= 1"),
    ({"alphas": 3, "eps": 1.5}, "eps == 1.5, must be < 1"),
    ({"selection": "max"}, r"selection must be one of \['min', 'one_se'\], got 'max'"),
    ({"cv": "kfold"}, "cv='kfold' is not known to .*CV: use a number of folds"),
    ({"cv": 1}, "n_splits must be an integer >= 2, got 1"),
    ({"cv": 61}, "n_splits=61 is greater than the number of rows"),
    ({"cv": KFold(61)}, "n_splits=61 greater than the number of samples"),
    ({"tol": -1.0}, "tol == -1.0"),
    ({"unseen_task": "ignore"}, "unseen_task must be one of"),
]


@every_search
@pytest.mark.parametrize(("params", "message"), GRIDS)
def test_refused_parameters(cls, params, message):
    X, y, tasks = draw(kind_of(cls))
    before = small(cls, **params)
    names = vars(before).copy()
    with pytest.raises(ValueError, match=message):
        before.fit(X, y, tasks=tasks)
    assert vars(before) == names


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (small(l1_ratio=[0.5, 1.5]), "l1_ratio must be at most 1, got 1.5"),
        (small(l1_ratio=[]), "l1_ratio must hold at least one"),
        (small(l1_ratio=[-0.5]), "l1_ratio must be finite and 0 or more, got -0.5"),
        (small(DirtyModelRegressorCV, ratios=[]), "ratios must hold"),
        (small(MeanRegularizedRegressorCV, ratios=[np.nan]), "ratios must be finite"),
        (small(MeanRegularizedRegressorCV, ratios=[-1.0]), "ratios must be finite and"),
    ],
)
def test_refused_ratios(search, message):
    X, y, tasks = draw()
    assert_refused(search, message, X, y, tasks=tasks)


@pytest.mark.parametrize("alphas", [2.5, None, "many"])
def test_alphas_of_another_type(alphas):
    X, y, tasks = draw()
    search = small(alphas=alphas)
    assert_refused(
        search, "alphas must be an instance of int", X, y, TypeError, tasks=tasks
    )


@pytest.mark.parametrize("value", ["0.1", True, None])
@pytest.mark.parametrize("name", ["alphas", "l1_ratio"])
def test_strengths_that_are_no_numbers(name, value):
    X, y, tasks = draw()
    search = small(**{name: [0.5, value]})
    message = f"{name} must hold numbers, got"
    assert_refused(search, message, X, y, TypeError, tasks=tasks)


@pytest.mark.parametrize("params", [{"l1_ratio": "0.5"}, {"alphas": True}])
def test_one_value_that_is_no_number(params):
    X, y, tasks = draw()
    message = f"{next(iter(params))} must .* number"
    assert_refused(small(**params), message, X, y, TypeError, tasks=tasks)


def test_strengths_are_sorted():
    X, y, tasks = draw()
    up, down = (
        small(alphas=a).fit(X, y, tasks=tasks) for a in ([0.1, 0.3, 1], [1, 0.3, 0.1])
    )
    np.testing.assert_array_equal(up.alphas_, [[1.0, 0.3, 0.1]] * 2)
    np.testing.assert_array_equal(up.score_path_, down.score_path_)


@pytest.mark.parametrize("cls", CV_REGRESSORS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("layout", ["rows", "columns", "single"])
def test_a_constant_target_is_fitted_with_a_warning(cls, layout):
    X, y, tasks = draw(layout=layout)
    y = np.zeros_like(y) + 0.1 + (0.0 if tasks is None else tasks)
    search = small(cls, alphas=4)
    with pytest.warns(UserWarning, match="no feature varies with y: all coeff") as w:
        search.fit(X, y, tasks=tasks)
    assert len(w) == 1
    assert w[0].filename == __file__
    assert not search.coef_.any()
    keywords = {} if tasks is None else {"tasks": tasks}
    np.testing.assert_allclose(search.predict(X, **keywords), y, rtol=1e-12)


def test_features_that_are_constant_are_fitted_with_a_warning():
    X, y, tasks = draw("classifier")
    with pytest.warns(UserWarning, match="no feature varies with y"):
        search = small(GroupLassoClassifierCV).fit(X**0, y, tasks=tasks)
    assert not search.coef_.any()


FOLDS = [
    ([], "cv yields no fold"),
    (
        [(ROWS[:40], ROWS[40:]), (ROWS[:40], ROWS[:0])],
        "the test part of fold 1 is empty",
    ),
    ([(ROWS[:0], ROWS[40:])], "the training part of fold 0 is empty"),
    (
        [SPLITS[0], (ROWS[:42], ROWS[40:])],
        r"2 row\(s\) are in the training and in the test part of fold 1, such as 40",
    ),
    ([(np.r_[ROWS[:40], 3], ROWS[40:])], "fold 0 holds rows more than once"),
    ([SPLITS[0], (ROWS[:40], [50, 50, 51])], "fold 1 holds rows more than once"),
    ([SPLITS[0], (ROWS[:40], [50, 99])], "fold 1 of cv does not fit X: index 99"),
    ([(ROWS[:40] < 20, ROWS[40:])], "fold 0 of cv does not fit X: boolean index"),
    (
        [SPLITS[0], (ROWS[TASKS != 1], ROWS[TASKS == 1])],
        r"task\(s\) \[1\] have no rows .* in the training part of fold 1.*TaskKFold",
    ),
    (GroupKFold(3), "groups.*not be None"),
]


@pytest.mark.parametrize(("cv", "message"), FOLDS)
def test_refused_folds(cv, message):
    X, y, tasks = draw()
    assert_refused(small(cv=cv), message, X, y, tasks=tasks)


def test_rows_of_weight_0_train_no_task():
    X, y, tasks = draw()
    train, test = SPLITS[0]
    weight = np.ones(N)
    weight[train[tasks[train] == 2]] = 0.0
    message = r"task\(s\) \[2\] have no rows of positive weight.*fold 0"
    assert_refused(
        small(cv=[(train, test)]), message, X, y, sample_weight=weight, tasks=tasks
    )
    weight = np.ones(N)
    weight[test] = 0.0
    message = "the test part of fold 0 has no observed target of positive weight"
    assert_refused(
        small(cv=[(train, test)]), message, X, y, sample_weight=weight, tasks=tasks
    )


def test_columns_without_targets_in_a_training_part():
    X, Y, _ = draw(layout="columns")
    Y[SPLITS[1][0], 2] = np.nan
    message = r"task\(s\) \[2\] have no rows .*training part of fold 1"
    assert_refused(small(), message, X, Y)


@every_search
@pytest.mark.parametrize("rule", ["equal", "proportional", [0.5, 1.0, 3.0]], ids=str)
def test_unseen_tasks_are_scored_with_the_mean_where_that_is_allowed(cls, rule):
    X, y, tasks = draw(kind_of(cls))
    splits = [(ROWS[tasks != k], ROWS[tasks == k]) for k in (1, 2)]
    search = search_of(cls, cv=splits, unseen_task="mean", task_weight=rule)
    search.fit(X, y, tasks=tasks)
    if isinstance(rule, list):
        rule = dict(enumerate(rule))
    loop = double_loop(search.set_params(task_weight=rule), X, y, splits, None, tasks)
    np.testing.assert_allclose(search.score_path_, loop.scores, rtol=1e-6)
    np.testing.assert_allclose(search.task_score_path_, loop.task_scores, rtol=1e-6)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_fold_with_one_class_in_a_task_is_named(n_jobs):
    X, y, tasks = draw("classifier")
    train, _ = SPLITS[1]
    y[train[tasks[train] == 2]] = 1.0
    y[SPLITS[1][1][tasks[SPLITS[1][1]] == 2][0]] = 0.0
    search = search_of(GroupLassoClassifierCV, n_jobs=n_jobs)
    message = r"one class only in the tasks \[2\] in the training part of fold 1"
    with pytest.warns(UserWarning, match=message) as caught:
        search.fit(X, y, tasks=tasks)
    told = [w for w in caught if "the best" not in str(w.message)]
    assert len(told) == 1
    if n_jobs is None:
        assert told[0].filename == __file__
    with pytest.warns(UserWarning, match=r"one class only in the tasks \[2\]"):
        loop = double_loop(search, X, y, SPLITS, None, tasks)
    np.testing.assert_allclose(search.score_path_, loop.scores, rtol=1e-6)


def test_a_fold_with_one_class_in_all_tasks():
    X, y, tasks = draw("classifier")
    y[:] = 0.0
    y[SPLITS[1][1]] = np.arange(20) % 2
    message = "one class only in every task in the training part of fold 1"
    assert_refused(small(GroupLassoClassifierCV), message, X, y, tasks=tasks)


def test_scores_that_are_not_finite():
    X, y, tasks = draw()
    calls = []

    def scorer(estimator, X, y):
        calls.append(estimator)
        wrong = estimator.alpha == 0.3 and np.array_equal(X, draw()[0][SPLITS[2][1]])
        return np.nan if wrong else 0.0

    search = small(alphas=[1.0, 0.3], scoring=scorer)
    assert_refused(search, "the score is nan in fold 2 at alpha=0.3", X, y, tasks=tasks)


def test_r2_of_single_rows():
    X, y, tasks = draw()
    search = small(cv=LeaveOneOut(), scoring="r2", alphas=[1.0])
    with (
        pytest.warns(UserWarning, match=r"R\^2 score is not well-defined"),
        pytest.raises(ValueError, match="the score is nan in fold 0 at alpha"),
    ):
        search.fit(X, y, tasks=tasks)
    search.set_params(scoring=None).fit(X, y, tasks=tasks)
    assert search.score_path_.shape == (2, 1, N)
    assert np.isnan(search.task_score_path_).sum() == 2 * 2 * N


def test_unknown_arguments_of_fit():
    X, y, tasks = draw()
    weights = np.ones(N)
    message = r"fit takes no \['weights'\] unless metadata routing is enabled"
    assert_refused(small(), message, X, y, TypeError, tasks=tasks, weights=weights)
    with config_context(enable_metadata_routing=True):
        message = "unexpected argument.*'weights'"
        assert_refused(small(), message, X, y, TypeError, tasks=tasks, weights=weights)


def test_an_interrupted_search_is_as_before():
    X, y, tasks = draw()

    def scorer(estimator, X, y):
        raise KeyboardInterrupt("by the user")

    search = small(scoring=scorer)
    assert_refused(search, "by the user", X, y, KeyboardInterrupt, tasks=tasks)
