"""Scorers by task: in searches, behind pipelines, with metadata."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn import metrics as reference
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import UndefinedMetricWarning, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mtlreg import GroupLassoClassifier, GroupLassoRegressor, metrics
from mtlreg.metrics import task_auc, task_log_loss, task_r2, task_rmse, task_scorer
from mtlreg.model_selection import TaskKFold
from tests.estimators.cases import FEATURES, draw, school_table

SCORERS = [name for name in metrics.__all__ if name != "task_scorer"]
LOSSES = {"task_rmse", "task_rrmse", "task_nmse", "task_amse", "task_log_loss"}
CLASSES = {"task_auc", "task_log_loss", "task_accuracy"}


def weights():
    """Weights of the 60 rows of the tables, some 0."""
    return np.random.default_rng(5).integers(0, 4, 60).astype(float)


def table_and_fit(name, library="pandas"):
    classes = name in CLASSES
    table, y, column = school_table(library, "classifier" if classes else "regressor")
    if classes:
        y = np.array(["no", "yes"])[y.astype(int)]
    estimator = (GroupLassoClassifier if classes else GroupLassoRegressor)(
        task_column=column
    )
    return table, y, column, estimator.fit(table, y)


def response(name, estimator, X):
    if name == "task_auc":
        return estimator.decision_function(X)
    if name == "task_log_loss":
        return estimator.predict_proba(X)[:, 1]
    return estimator.predict(X)


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
def test_scorer_reads_the_column(name, library):
    table, y, column, estimator = table_and_fit(name, library)
    labels = school_table("pandas", "r")[0]["school"]
    sign, w = (-1 if name in LOSSES else 1), weights()
    metric = getattr(metrics, name)
    z = response(name, estimator, table)
    for scorer in (
        task_scorer(name, task_column=column),
        task_scorer(metric, task_column=column),
    ):
        found = scorer(estimator, table, y)
        assert found == sign * metric(y, z, tasks=labels)
        found = scorer(estimator, table, y, sample_weight=w)
        assert found == sign * metric(y, z, tasks=labels, sample_weight=w)
        assert found == scorer(estimator, table, y, w)


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("routing", [True, False])
def test_scorer_in_a_search_over_a_pipeline(name, routing):
    table, y, column, estimator = table_and_fit(name)
    numbers = ColumnTransformer(
        [("numbers", StandardScaler(), FEATURES)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    pipeline = make_pipeline(numbers, clone(estimator)).set_output(transform="pandas")
    prefix = type(estimator).__name__.lower()
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(
            pipeline,
            {f"{prefix}__alpha": [0.01, 0.1, 10.0]},
            scoring=task_scorer(name, task_column=column),
            cv=TaskKFold(4, task_column=column, random_state=0),
            error_score="raise",
        ).fit(table, y)
        z = response(name, search, table)
    assert search.best_params_[f"{prefix}__alpha"] < 10
    sign = -1 if name in LOSSES else 1
    expected = sign * getattr(metrics, name)(y, z, tasks=table["school"])
    assert search.score(table, y) == expected


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_scorer_where_the_pipeline_drops_the_column(library):
    table, y, column = school_table(library, "regressor")
    pipeline = make_pipeline(
        ColumnTransformer([("numbers", "passthrough", FEATURES)]), Ridge()
    )
    scoring = {
        "rmse": task_scorer("task_rmse", task_column=column),
        "r2": task_scorer("task_r2", task_column=column, multioutput="size_weighted"),
    }
    folds = TaskKFold(4, task_column=column, random_state=0)
    result = cross_validate(
        pipeline, table, y, cv=folds, scoring=scoring, return_estimator=True
    )
    labels = np.asarray(table[column])
    for k, (_, test) in enumerate(folds.split(table, y)):
        rows = table.iloc[test] if library == "pandas" else table[test]
        z = result["estimator"][k].predict(rows)
        rmse = task_rmse(y[test], z, tasks=labels[test])
        assert result["test_rmse"][k] == -rmse


@pytest.mark.parametrize("name", SCORERS)
def test_scorer_of_columns(name):
    classes = name in CLASSES
    X, y, _ = draw("classifier" if classes else "regressor", layout="columns")
    y[::5, 0] = np.nan
    estimator = (GroupLassoClassifier if classes else GroupLassoRegressor)().fit(X, y)
    z = estimator.predict_proba(X) if name == "task_log_loss" else estimator.predict(X)
    z = estimator.decision_function(X) if name == "task_auc" else z
    sign = -1 if name in LOSSES else 1
    expected = sign * getattr(metrics, name)(y, z)
    assert task_scorer(name)(estimator, X, y) == expected
    folds = TaskKFold(3, random_state=0)
    scores = cross_val_score(
        clone(estimator), X, y, cv=folds, scoring=task_scorer(name), error_score="raise"
    )
    assert np.isfinite(scores).all()


def test_scorer_of_the_forests_of_scikit_learn():
    X, y, _ = draw("classifier", layout="columns", n_tasks=2)
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    p = np.column_stack([q[:, 1] for q in forest.predict_proba(X)])
    assert task_scorer("task_auc")(forest, X, y) == task_auc(y, p)
    assert task_scorer("task_log_loss")(forest, X, y) == -task_log_loss(y, p)
    forest = RandomForestRegressor(10, random_state=0).fit(X, y)
    assert task_scorer("task_rmse")(forest, X, y) == -task_rmse(y, forest.predict(X))


def test_scorer_knows_the_classes_of_the_estimator():
    X = np.arange(8.0)[:, None] + [[0.0, 1.0]]
    y = np.array(["no", "yes"] * 4)
    model = LogisticRegression().fit(X, y)
    p = model.predict_proba(X[:1])[0, 0]
    score = task_scorer("task_log_loss")(model, X[:1], y[:1])
    assert score == pytest.approx(np.log(p))
    assert task_scorer("task_log_loss", labels=["yes", "no"])(model, X[:1], y[:1]) == (
        pytest.approx(np.log(1 - p))
    )


def test_tasks_and_weights_are_routed():
    X, y, tasks = draw()
    w = weights() + 0.5
    folds = TaskKFold(3, random_state=0)
    with config_context(enable_metadata_routing=True):
        scorer = task_scorer("task_rmse").set_score_request(sample_weight=True)
        params = {"tasks": tasks, "groups": tasks, "sample_weight": w}
        for estimator in (
            GroupLassoRegressor().set_fit_request(sample_weight=True),
            Ridge().set_fit_request(sample_weight=True),
        ):
            options = {"cv": folds, "params": params, "return_estimator": True}
            result = cross_validate(
                estimator, X, y, scoring=scorer, error_score="raise", **options
            )
            for k, (_, test) in enumerate(folds.split(X, y, tasks)):
                model, given = result["estimator"][k], {}
                if isinstance(model, GroupLassoRegressor):
                    given["tasks"] = tasks[test]
                z = model.predict(X[test], **given)
                rmse = task_rmse(y[test], z, tasks=tasks[test], sample_weight=w[test])
                assert result["test_score"][k] == -rmse


def test_weights_must_be_requested():
    table, y, column, estimator = table_and_fit("task_rmse")
    scorer = task_scorer("task_rmse", task_column=column)
    with config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            cross_validate(
                clone(estimator).set_fit_request(sample_weight=True),
                table,
                y,
                scoring=scorer,
                params={"sample_weight": np.ones(len(y))},
            )
        with pytest.raises(TypeError, match=r"takes no \['groups'\]"):
            scorer.set_score_request(groups=True)
        requests = scorer.get_metadata_routing().score.requests
    assert requests == {"sample_weight": None, "tasks": False}


def test_weights_of_a_search_without_routing():
    table, y, column, estimator = table_and_fit("task_rmse")
    w = weights() + 0.5
    results = []
    for given in ({}, {"sample_weight": w}):
        search = GridSearchCV(
            clone(estimator),
            {"alpha": [0.1]},
            scoring={"rmse": task_scorer("task_rmse", task_column=column)},
            refit="rmse",
            cv=TaskKFold(3, task_column=column, random_state=0),
            error_score="raise",
        ).fit(table, y, **given)
        results.append(search.cv_results_["mean_test_rmse"][0])
    assert results[0] != results[1]


@pytest.mark.parametrize("name", SCORERS)
def test_scorer_is_plain(name):
    scorer = task_scorer(name, task_column="school")
    assert repr(scorer) == f"task_scorer('{name}', task_column='school')"
    table, y, _, estimator = table_and_fit(name)
    copied = pickle.loads(pickle.dumps(scorer))
    assert repr(copied) == repr(scorer)
    assert copied(estimator, table, y) == scorer(estimator, table, y)
    assert repr(clone(scorer, safe=False)) == repr(scorer)


def test_repr_of_options():
    scorer = task_scorer(task_r2, multioutput="size_weighted")
    assert repr(scorer) == "task_scorer('task_r2', multioutput='size_weighted')"


@pytest.mark.parametrize(
    ("metric", "given", "error", "message"),
    [
        ("rmse", {}, ValueError, "metric='rmse' is not a metric of mtlreg.metrics"),
        (reference.r2_score, {}, ValueError, "sklearn.metrics.make_scorer"),
        (3, {}, ValueError, "metric=3 is not"),
        ("task_r2", {"task_column": 1.5}, TypeError, "task_column=1.5"),
        ("task_r2", {"tasks": [0]}, ValueError, r"takes no \['tasks'\]"),
        ("task_r2", {"sample_weight": 1}, ValueError, "come with each call"),
        ("task_r2", {"labels": [0, 1]}, ValueError, r"takes no \['labels'\]"),
        ("task_r2", {"multioutput": "raw_values"}, ValueError, "returns one number"),
    ],
)
def test_refused_scorers(metric, given, error, message):
    with pytest.raises(error, match=message):
        task_scorer(metric, **given)


def test_refused_calls():
    table, y, column, estimator = table_and_fit("task_r2")
    with pytest.raises(ValueError, match="task_log_loss needs predict_proba"):
        task_scorer("task_log_loss")(estimator, table, y > 0)
    with pytest.raises(ValueError, match="'scool' is not a column of X"):
        task_scorer("task_r2", task_column="scool")(estimator, table, y)
    with pytest.raises(ValueError, match="both given"):
        task_scorer("task_r2", task_column=column)(
            estimator, table, y, tasks=table[column]
        )


def test_undefined_tasks_of_a_fold_are_named():
    table, y, column, estimator = table_and_fit("task_auc")
    y = np.where(table[column] == "n", "no", y)
    scorer = task_scorer("task_auc", task_column=column)
    with pytest.warns(UndefinedMetricWarning, match=r"\['n'\] are left out"):
        score = scorer(estimator, table, y)
    assert 0.5 < score <= 1.0
