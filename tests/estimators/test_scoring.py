"""Which scores the CV estimators compare: ``scoring``, weights and tasks of scorers."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn import metrics as reference
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score

from mtlreg import (
    GroupLassoClassifierCV,
    GroupLassoRegressor,
    GroupLassoRegressorCV,
    MeanRegularizedClassifierCV,
)
from mtlreg.metrics import (
    task_accuracy,
    task_auc,
    task_log_loss,
    task_r2,
    task_rmse,
    task_scorer,
)
from tests.estimators.cases import KINDS, draw, school_table
from tests.estimators.loops import (
    SPLITS,
    N,
    double_loop,
    grid_of,
    integer_weights,
    multiclass,
    plain_at,
    punched,
    search_of,
)

SEARCHES = {"regressor": GroupLassoRegressorCV, "classifier": GroupLassoClassifierCV}


def by_rows(metric, sign=1):
    return lambda y, z, w, tasks: sign * metric(y, z, sample_weight=w)


def by_tasks(metric, sign=1, **kwargs):
    return lambda y, z, w, tasks: (
        sign * metric(y, z, tasks=tasks, sample_weight=w, **kwargs)
    )


# scoring: what it is worth at targets, responses, weights and tasks
SCORES = {
    "regressor": {
        "r2": by_rows(reference.r2_score),
        "neg_mean_absolute_error": by_rows(reference.mean_absolute_error, -1),
        "task_rmse": by_tasks(task_rmse, -1),
        task_scorer("task_r2", multioutput="size_weighted"): by_tasks(
            task_r2, multioutput="size_weighted"
        ),
    },
    "classifier": {
        "roc_auc": by_rows(reference.roc_auc_score),
        "accuracy": by_rows(reference.accuracy_score),
        "task_auc": by_tasks(task_auc),
        task_scorer("task_accuracy"): by_tasks(task_accuracy),
    },
}
BY_DECISION = ("roc_auc", "task_auc")
every_score = pytest.mark.parametrize(
    ("kind", "scoring"),
    [(kind, scoring) for kind in KINDS for scoring in SCORES[kind]],
    ids=str,
)


def looped(search, kind, scoring, X, y, weight, tasks, labels):
    """Scores of the explicit loop, the metric called by hand."""
    metric = SCORES[kind][scoring]

    def score(fitted, test, keywords):
        respond = fitted.predict
        if scoring in BY_DECISION:
            respond = fitted.decision_function
        z = respond(X.iloc[test] if hasattr(X, "iloc") else X[test], **keywords)
        w = None if weight is None else weight[test]
        return metric(y[test], z, w, None if labels is None else labels[test])

    return double_loop(search, X, y, SPLITS, weight, tasks, score)


@every_score
@pytest.mark.parametrize("form", ["tasks", "column", "columns of y"])
@pytest.mark.parametrize("weighted", [False, True])
def test_scorers_see_what_is_left_out(kind, scoring, form, weighted):
    weight = 0.5 + integer_weights() if weighted else None
    X, y, tasks = draw(kind, layout="rows" if form == "tasks" else "columns")
    column, labels, asked = None, tasks, scoring
    if form == "column":
        X, y, column = school_table("pandas", kind)
        labels = X[column].to_numpy()
        if not isinstance(scoring, str):
            asked = task_scorer(scoring._name, task_column=column, **scoring._kwargs)
    search = search_of(SEARCHES[kind], l1_ratio=0.5, scoring=asked, task_column=column)
    search.fit(X, y, weight, tasks=tasks)
    loop = looped(search, kind, scoring, X, y, weight, tasks, labels)
    np.testing.assert_allclose(search.score_path_, loop.scores, rtol=1e-6)
    # the scores of the tasks stay losses
    np.testing.assert_allclose(search.task_score_path_, loop.task_scores, rtol=1e-6)
    assert not hasattr(search, "mse_path_")
    assert search.alpha_ == search.alphas_[loop.best[1]]


@pytest.mark.parametrize(
    ("kind", "scoring"),
    [("regressor", "r2"), ("classifier", "roc_auc"), ("classifier", "neg_log_loss")],
)
def test_scores_are_those_of_cross_val_score(kind, scoring):
    table, y, column = school_table("pandas", kind)
    search = search_of(SEARCHES[kind], scoring=scoring, task_column=column)
    search.fit(table, y)
    for found, (ratio, alphas) in zip(search.score_path_, grid_of(search), strict=True):
        for scores, alpha in zip(found, alphas, strict=True):
            plain = plain_at(search, alpha, ratio)
            expected = cross_val_score(plain, table, y, cv=SPLITS, scoring=scoring)
            np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.mark.parametrize("scoring", ["roc_auc_ovr", "accuracy", "neg_log_loss"])
def test_scorers_of_many_classes(scoring):
    X, _, _ = draw(layout="columns")
    search = search_of(MeanRegularizedClassifierCV, scoring=scoring)
    search.fit(X, multiclass())
    plain = plain_at(search, search.alpha_, search.ratio_)
    scores = cross_val_score(plain, X, multiclass(), cv=SPLITS, scoring=scoring)
    best = np.isclose(search.ratios_, search.ratio_), search.alphas_[0] == search.alpha_
    found = search.score_path_[np.ix_(*best)][0, 0]
    np.testing.assert_allclose(found, scores, rtol=1e-6)


def test_scorers_by_task_leave_missing_targets_out():
    X, Y, _ = draw(layout="columns")
    Y = punched(Y)
    search = search_of(GroupLassoRegressorCV, scoring="task_rmse").fit(X, Y)
    loop = looped(search, "regressor", "task_rmse", X, Y, None, None, None)
    np.testing.assert_allclose(search.score_path_, loop.scores, rtol=1e-6)


@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_callable_is_given_fitted_models_and_the_rows_of_X(library, kind):
    table, y, column = school_table(library, kind)
    seen = []

    def scorer(estimator, X, target):
        seen.append(estimator)
        assert type(X) is type(table)
        assert X.shape == (20, 5)
        assert estimator.predict(X).shape == target.shape == (20,)
        assert np.isfinite(estimator.score(X, target))
        return float(np.mean(target == estimator.predict(X)))

    search = search_of(SEARCHES[kind], scoring=scorer, task_column=column, tol=1e-4)
    search.fit(table, y)
    assert len(seen) == search.score_path_.size
    points = [(ratio, alpha) for ratio, row in grid_of(search) for alpha in row]
    for number, estimator in enumerate(seen):
        plain = plain_at(search, 1.0)
        assert type(estimator) is type(plain)
        assert (estimator.l1_ratio, estimator.alpha) == points[number % len(points)]
        assert vars(estimator).keys() == vars(plain.fit(table, y)).keys()
        np.testing.assert_array_equal(estimator.tasks_, search.tasks_)


@pytest.mark.parametrize("kind", KINDS)
def test_a_callable_may_leave_tasks_and_weights_to_the_search(kind):
    X, y, tasks = draw(kind)
    weight = integer_weights()
    given = []

    def scorer(estimator, X, y, sample_weight=None):
        given.append((X, sample_weight))
        return -np.mean((estimator.predict(X) - y) ** 2)

    search = search_of(SEARCHES[kind], scoring=scorer).fit(X, y, weight, tasks=tasks)
    tests = [test for _, test in SPLITS for _ in range(len(given) // len(SPLITS))]
    for (rows, w), test in zip(given, tests, strict=True):
        np.testing.assert_array_equal(rows, X[test])
        np.testing.assert_array_equal(w, weight[test])
    plain = search_of(SEARCHES[kind], scoring=lambda e, X, y: scorer(e, X, y))
    plain.fit(X, y, weight, tasks=tasks)
    assert given[-1][1] is None
    np.testing.assert_array_equal(plain.score_path_, search.score_path_)


CONTAINERS = {
    "lists": (np.ndarray.tolist, np.ndarray.tolist),
    "pandas": (pd.DataFrame, lambda values: pd.Series(values, index=np.arange(N) + 7)),
    "polars": (pl.DataFrame, pl.Series),
    "csr": (sparse.csr_array, np.array),
    "coo": (sparse.coo_array, np.array),
    "bsr": (sparse.bsr_array, np.array),
    "dia": (sparse.dia_array, np.array),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_scorers_of_any_container(name):
    table, column = CONTAINERS[name]
    X, y, tasks = draw()
    plain, other = (
        search_of(GroupLassoRegressorCV, scoring="r2", tol=1e-6) for _ in range(2)
    )
    plain.fit(X, y, integer_weights(), tasks=tasks)
    other.fit(table(X), column(y), column(integer_weights()), tasks=column(tasks))
    np.testing.assert_allclose(other.score_path_, plain.score_path_, rtol=1e-6)


@pytest.mark.parametrize("scoring", [None, "r2", "task_rmse"])
def test_one_weight_for_all_rows_is_none(scoring):
    X, y, tasks = draw()
    search = search_of(GroupLassoRegressorCV, scoring=scoring, tol=1e-6)
    expected = search.fit(X, y, tasks=tasks).score_path_
    found = search.fit(X, y, 2.0, tasks=tasks).score_path_
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_scorers_that_take_no_weights_get_none():
    X, y, tasks = draw()
    scorer = reference.make_scorer(reference.max_error, greater_is_better=False)
    search = search_of(GroupLassoRegressorCV, scoring=scorer)
    weighted = search.fit(X, y, integer_weights() + 1.0, tasks=tasks)
    assert np.all(weighted.score_path_ < 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_of_rows_that_count_alike_is_minus_their_mean_loss(kind):
    X, y, tasks = draw(kind)
    params = {"task_weight": "proportional"}
    search = search_of(SEARCHES[kind], **params).fit(X, y, tasks=tasks)
    scoring = {"regressor": "neg_mean_squared_error", "classifier": "neg_log_loss"}
    named = search_of(SEARCHES[kind], scoring=scoring[kind], **params)
    named.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(search.score_path_, named.score_path_, rtol=1e-10)
    assert hasattr(search, "mse_path_") == (kind == "regressor")
    if kind == "regressor":
        np.testing.assert_array_equal(search.mse_path_, -search.score_path_)


def test_weights_choose():
    # in the rows that count the feature is noise, in the others it is the target
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 1))
    y = np.where(np.arange(N) % 2 == 0, X[:, 0], rng.normal(size=N))
    weight = np.where(np.arange(N) % 2 == 0, 1e-6, 1.0)
    for scoring in (None, "neg_mean_squared_error", "task_rmse"):
        search = GroupLassoRegressorCV(alphas=10, cv=SPLITS, scoring=scoring)
        assert search.fit(X, y).coef_[0, 0] > 0.3
        assert abs(search.fit(X, y, weight).coef_[0, 0]) < 0.1


def test_a_requested_weight_is_all_that_a_scorer_gets():
    X, y, tasks = draw()
    weight = integer_weights()
    plain = search_of(GroupLassoRegressorCV, scoring="r2", tol=1e-6)
    with_weights = plain.fit(X, y, weight, tasks=tasks).score_path_
    with config_context(enable_metadata_routing=True):
        scores = {}
        for asked in (True, False):
            scorer = reference.get_scorer("r2").set_score_request(sample_weight=asked)
            search = search_of(GroupLassoRegressorCV, scoring=scorer, tol=1e-6)
            scores[asked] = search.fit(X, y, weight, tasks=tasks).score_path_
        by_task = task_scorer("task_rmse").set_score_request(sample_weight=True)
        routed = search_of(GroupLassoRegressorCV, scoring=by_task, tol=1e-6)
        routed.fit(X, y, weight, tasks=tasks)
    np.testing.assert_array_equal(scores[True], with_weights)
    assert np.all(scores[False] != with_weights)
    named = search_of(GroupLassoRegressorCV, scoring="task_rmse", tol=1e-6)
    named.fit(X, y, weight, tasks=tasks)
    np.testing.assert_array_equal(routed.score_path_, named.score_path_)


def test_scores_of_a_grid_search():
    table, y, column = school_table("pandas", "regressor")
    search = search_of(GroupLassoRegressorCV, scoring="r2", task_column=column)
    search.set_params(l1_ratio=0.5).fit(table, y)
    grid = GridSearchCV(
        plain_at(search, 1.0, 0.5),
        {"alpha": search.alphas_},
        cv=SPLITS,
        scoring="r2",
    ).fit(table, y)
    assert grid.best_params_ == {"alpha": search.alpha_}
    for name in ("mean_test_score", "std_test_score", "rank_test_score"):
        found, expected = search.cv_results_[name], grid.cv_results_[name]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ("r3", "'scoring' parameter.*'r3'"),
        (["r2"], r"scoring must be one name or callable, got \['r2'\]"),
        ({"a": "r2"}, "scoring must be one name or callable"),
        ("task_auc", "task_auc needs decision_function.*GroupLassoRegressor does not"),
    ],
)
def test_refused_scoring(scoring, message):
    X, y, tasks = draw()
    search = GroupLassoRegressorCV(alphas=2, cv=3, scoring=scoring)
    before = dict(vars(search))
    with pytest.raises(ValueError, match=message):
        search.fit(X, y, tasks=tasks)
    assert vars(search) == before


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ("nmse", r"'nmse' is not known, did you mean 'task_nmse'\?.*'task_rmse'"),
        ("taskrmse", r"did you mean 'task_rmse'\?"),
        ("r_2", r"did you mean 'r2'\?"),
        ("xyz", "'xyz' is not known: use a metric of mtlreg.metrics"),
    ],
)
def test_unknown_names_are_told_like_ones(scoring, message):
    X, y, tasks = draw()
    with pytest.raises(ValueError, match=message):
        GroupLassoRegressorCV(scoring=scoring).fit(X, y, tasks=tasks)


# accuracy_score counts NaN among the classes before it refuses it
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize("kind", KINDS)
def test_scorers_that_take_no_missing_targets_name_one_that_does(kind):
    X, Y, _ = draw(kind, layout="columns")
    scoring, instead = {
        "regressor": ("r2", "task_r2"),
        "classifier": ("accuracy", "task_accuracy"),
    }[kind]
    search = search_of(SEARCHES[kind], scoring=scoring, tol=1e-4)
    with pytest.raises(ValueError, match=f"not observed .*scoring='{instead}'"):
        search.fit(X, punched(Y))
    search.set_params(scoring=instead).fit(X, punched(Y))


def test_unseen_tasks_in_scorers_name_the_folds_that_keep_them():
    table, y, column = school_table("pandas", "regressor")
    model = GroupLassoRegressor(task_column=column)
    folds, groups = GroupKFold(3), table[column]
    with pytest.raises(ValueError, match=r"not seen in fit.*TaskKFold"):
        cross_val_score(model, table, y, cv=folds, groups=groups, error_score="raise")


@pytest.mark.parametrize("labels", [None, "classes"])
def test_auc_of_many_classes_is_the_mean_of_each_against_the_rest(labels):
    X, y = draw(layout="columns")[0], np.array(["p", "q", "r"])[multiclass()]
    search = search_of(MeanRegularizedClassifierCV, scoring="task_auc")
    search.fit(X, y)
    plain = plain_at(search, search.alpha_, search.ratio_).fit(X, y)
    z = plain.decision_function(X)
    w = integer_weights()
    found = task_auc(
        y,
        z,
        sample_weight=w,
        multioutput="raw_values",
        labels=None if labels is None else plain.classes_,
    )
    expected = [
        reference.roc_auc_score(y == k, column, sample_weight=w)
        for k, column in zip(plain.classes_, z.T, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    best = [
        np.mean(
            [
                reference.roc_auc_score(y[test] == k, column)
                for k, column in zip(
                    plain.classes_,
                    plain.fit(X[train], y[train]).decision_function(X[test]).T,
                    strict=True,
                )
            ]
        )
        for train, test in SPLITS
    ]
    ratio = search.ratios_.tolist().index(search.ratio_)
    index = search.alphas_[ratio].tolist().index(search.alpha_)
    np.testing.assert_allclose(search.score_path_[ratio, index], best, rtol=1e-12)


def test_auc_of_many_classes_refuses_what_does_not_match():
    y, z = np.array([0, 1, 2, 1]), np.eye(4)[:, :3]
    with pytest.raises(
        ValueError, match=r"has shape \(4, 3\), but there are 2 classes"
    ):
        task_auc(y[[0, 1, 1, 1]], z)
    with pytest.raises(ValueError, match=r"y_true holds \[2\], which is not among"):
        task_auc(y, z, labels=[0, 1, 3])
    with pytest.raises(ValueError, match="of more classes, use task_accuracy or"):
        task_log_loss(y, z)
