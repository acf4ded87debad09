"""What people do with estimators: pipelines, searches, inspection, routing."""

import pathlib
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import Ridge
from sklearn.metrics import get_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from mtlreg import (
    DirtyModelRegressor,
    GroupLassoClassifier,
    GroupLassoRegressor,
    TraceNormRegressor,
)
from tests.estimators.cases import (
    CLASSIFIERS,
    ESTIMATORS,
    FEATURES,
    REGRESSORS,
    draw,
    is_classifier,
    school_table,
)
from tests.estimators.forms import form
from tests.estimators.tools import TOOLS

FOLDS = KFold(5, shuffle=True, random_state=0)
ALPHAS = [0.01, 0.1, 1.0, 10.0]
PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "workflows.md").read_text()
FORMS = ["name", "position", "tasks=", "2-D y"]


def read_page():
    """What the page says of every tool by form, and the errors behind its letters."""
    lines = [
        line.strip("| ").split(" | ") for line in PAGE.split("\n") if line[:1] == "|"
    ]
    (_, *forms), _, *rows = lines
    assert [name.strip("`") for name in forms] == FORMS
    errors = dict(re.findall(r"^- \*\*(\w)\*\* `(.*?)`", PAGE, re.MULTILINE))
    return {tool: dict(zip(FORMS, cells, strict=True)) for tool, *cells in rows}, errors


CELLS, ERRORS = read_page()


def test_the_page_has_every_tool():
    assert list(CELLS) == list(TOOLS)
    letters = {cell[4:] for row in CELLS.values() for cell in row.values()}
    assert letters >= set(ERRORS)


@pytest.mark.filterwarnings(
    "ignore:X does not have valid feature names:UserWarning",
    "ignore:X has feature names:UserWarning",
)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("tool", TOOLS)
def test_tools(tool, name):
    use, kind = TOOLS[tool]
    cell, data = CELLS[tool][name], form(name, kind)
    with config_context(enable_metadata_routing=name == "tasks="):
        if cell.startswith("no, "):
            with pytest.raises(Exception, match=re.escape(ERRORS[cell[4:]])):
                use(data)
            return
        found, expected = (np.asarray(values) for values in use(data))
    assert cell.startswith("yes")
    if found.dtype == object:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return request.param


def scaled_pipeline(estimator, library):
    """Scale all columns but the task."""
    numbers = [("numbers", StandardScaler(), FEATURES)]
    columns = ColumnTransformer(
        numbers, remainder="passthrough", verbose_feature_names_out=False
    )
    return make_pipeline(columns, estimator).set_output(transform=library)


def frame_type(library):
    return pd.DataFrame if library == "pandas" else pl.DataFrame


def test_grid_search_of_a_pipeline(library):
    table, y, _ = school_table(library, "regressor")
    pipeline = scaled_pipeline(GroupLassoRegressor(task_column="school"), library)
    search = GridSearchCV(
        pipeline,
        {"grouplassoregressor__alpha": ALPHAS},
        scoring="neg_root_mean_squared_error",
        cv=FOLDS,
    ).fit(table, y)
    errors = -search.cv_results_["mean_test_score"]
    assert np.isfinite(errors).all()
    assert search.best_params_["grouplassoregressor__alpha"] < 10.0
    assert errors.min() < 0.5 * np.std(y)
    predicted = search.predict(table)
    assert r2_score(y, predicted) > 0.9
    held_out = cross_val_predict(search.best_estimator_, table, y, cv=FOLDS)
    rmse = np.sqrt(np.mean((y - held_out) ** 2))
    assert rmse == pytest.approx(errors.min(), rel=0.1)
    assert search.score(table, y) == pytest.approx(
        -np.sqrt(np.mean((y - predicted) ** 2))
    )


def test_both_libraries_give_the_same_search():
    results = []
    for library in ("pandas", "polars"):
        table, y, _ = school_table(library, "regressor")
        pipeline = scaled_pipeline(GroupLassoRegressor(task_column="school"), library)
        grid = {"grouplassoregressor__alpha": ALPHAS}
        search = GridSearchCV(pipeline, grid, cv=FOLDS).fit(table, y)
        results.append(search.cv_results_["mean_test_score"])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_scorers_and_folds(cls, library):
    table, y, _ = school_table(library, "classifier" if is_classifier(cls) else "r")
    names = ["r2", "neg_mean_squared_error"]
    if is_classifier(cls):
        y = np.array(["no", "yes"])[y.astype(int)]
        names = ["accuracy", "neg_log_loss", "roc_auc"]
    est = cls(task_column="school")
    scores = cross_validate(est, table, y, cv=FOLDS, scoring=names, error_score="raise")
    for name in names:
        assert np.isfinite(scores[f"test_{name}"]).all()
    assert scores[f"test_{names[0]}"].mean() > 0.5


@pytest.mark.parametrize("cls", CLASSIFIERS, ids=lambda cls: cls.__name__)
def test_held_out_probabilities(cls, library):
    table, y, _ = school_table(library, "classifier")
    est = cls(task_column="school")
    p = cross_val_predict(est, table, y, cv=FOLDS, method="predict_proba")
    assert p.shape == (60, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)


def test_folds_may_lose_a_task():
    table, y, _ = school_table("pandas", "regressor")
    table = table.sort_values("school", ignore_index=True)
    est = GroupLassoRegressor(task_column="school")
    with pytest.raises(ValueError, match="not seen in fit"):
        cross_val_score(est, table, y, cv=3, error_score="raise")
    est.set_params(unseen_task="mean", task_weight={"n": 1.0, "s": 2.0, "w": 1.0})
    scores = cross_val_score(est, table, y, cv=3, error_score="raise")
    assert np.isfinite(scores).all()


def test_inspection_of_a_pipeline():
    table, y, _ = school_table("pandas", "regressor")
    pipeline = scaled_pipeline(GroupLassoRegressor(task_column="school"), "pandas")
    pipeline.fit(table, y)
    found = permutation_importance(pipeline, table, y, n_repeats=3, random_state=0)
    assert found.importances_mean.shape == (5,)
    assert found.importances_mean.max() > 0.1
    assert found.importances_mean[2] > 0  # of the task column itself
    curve = partial_dependence(pipeline, table, ["a"], grid_resolution=5)
    slope = pipeline[-1].coef_[:, 0].mean() / pipeline[0].transformers_[0][1].scale_[0]
    rise = np.diff(curve["average"][0]) / np.diff(curve["grid_values"][0])
    # tasks are of one size, so that the average is that of their slopes
    np.testing.assert_allclose(rise, slope, rtol=1e-10)


def test_inspection_of_the_estimator_on_polars():
    table, y, _ = school_table("polars", "regressor")
    est = GroupLassoRegressor(task_column="school").fit(table, y)
    options = {"n_repeats": 3, "random_state": 0}
    # scikit-learn shuffles an array of a polars frame, and says that names are lost
    nameless = r"X does not have valid feature names, but GroupLassoRegressor"
    with pytest.warns(UserWarning, match=nameless):
        found = permutation_importance(est, table, y, **options)
    twin = GroupLassoRegressor(task_column="school").fit(table.to_pandas(), y)
    same = permutation_importance(twin, table.to_pandas(), y, **options)
    np.testing.assert_allclose(found.importances, same.importances, rtol=1e-12)
    # its partial_dependence reads no polars frame at all, only the array of one
    with pytest.warns(UserWarning, match=nameless):
        curve = partial_dependence(est, table.to_numpy(), [0], grid_resolution=5)
    rise = np.diff(curve["average"][0]) / np.diff(curve["grid_values"][0])
    np.testing.assert_allclose(rise, est.coef_[:, 0].mean(), rtol=1e-10)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_routed_tasks(cls):
    X, y, tasks = draw("classifier" if is_classifier(cls) else "regressor")
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), cls())
        pipeline.fit(X, y, tasks=tasks)
        predicted = pipeline.predict(X, tasks=tasks)
        assert pipeline.score(X, y, tasks=tasks) > 0.8
        scores = cross_validate(
            pipeline, X, y, cv=FOLDS, params={"tasks": tasks}, error_score="raise"
        )["test_score"]
    plain = cls().fit(StandardScaler().fit_transform(X), y, tasks=tasks)
    np.testing.assert_array_equal(
        predicted, plain.predict(StandardScaler().fit_transform(X), tasks=tasks)
    )
    assert scores.mean() > 0.5


def test_routed_tasks_in_a_search():
    X, y, tasks = draw()
    with config_context(enable_metadata_routing=True):
        grid = {"grouplassoregressor__alpha": ALPHAS}
        pipeline = make_pipeline(StandardScaler(), GroupLassoRegressor())
        search = GridSearchCV(pipeline, grid, cv=FOLDS, error_score="raise")
        search.fit(X, y, tasks=tasks)
    assert search.best_score_ > 0.8
    assert search.best_estimator_[-1].tasks_.tolist() == [0, 1, 2]


def test_tasks_of_one_step_without_routing():
    X, y, tasks = draw()
    pipeline = make_pipeline(StandardScaler(), GroupLassoRegressor())
    pipeline.fit(X, y, grouplassoregressor__tasks=tasks)
    assert pipeline.predict(X, tasks=tasks).shape == y.shape


def test_set_output(library):
    table, y, _ = school_table(library, "regressor")
    est = TraceNormRegressor(0.01, task_column="school").fit(table, y)
    plain = est.transform(table)
    est.set_output(transform=library)
    found = est.transform(table)
    assert isinstance(found, frame_type(library))
    assert list(found.columns) == est.get_feature_names_out().tolist()
    np.testing.assert_array_equal(found.to_numpy(), plain)
    if library == "pandas":
        assert found.index.equals(table.index)
    # the task column passes by, and the subspace feeds another model
    both = ColumnTransformer(
        [("subspace", est, ["a", "b", "school", "c", "d"])], remainder="drop"
    )
    chain = make_pipeline(both, Ridge()).fit(table, y)
    assert chain.score(table, y) > 0


def test_a_name_changed_by_a_column_transformer(library):
    table, y, _ = school_table(library, "regressor")
    columns = ColumnTransformer(
        [("scale", StandardScaler(), FEATURES)], remainder="passthrough"
    )
    pipeline = make_pipeline(columns, DirtyModelRegressor(task_column="school"))
    pipeline.set_output(transform=library).fit(table, y)
    names = [f"scale__{name}" for name in FEATURES]
    assert pipeline[-1].coef_feature_names_.tolist() == names
    assert pipeline.predict(table).shape == y.shape
    # without names only the position is left
    arrays = make_pipeline(columns, DirtyModelRegressor(task_column=-1))
    arrays.set_output(transform="default").fit(table, y)
    np.testing.assert_allclose(arrays[-1].coef_, pipeline[-1].coef_, rtol=1e-12)


def test_ensembles(library):
    table, y, _ = school_table(library, "regressor")
    parts = [(cls.__name__, cls(task_column="school")) for cls in REGRESSORS]
    for ensemble in (VotingRegressor(parts), StackingRegressor(parts, cv=FOLDS)):
        ensemble.fit(table, y)
        assert ensemble.score(table, y) > 0.8
        assert ensemble.predict(table).shape == y.shape


def test_workers():
    table, y, _ = school_table("pandas", "regressor")
    grid = {"alpha": [0.01, 0.1]}
    est = GroupLassoRegressor(task_column="school")
    alone = GridSearchCV(est, grid, cv=FOLDS).fit(table, y)
    shared = GridSearchCV(est, grid, cv=FOLDS, n_jobs=2).fit(table, y)
    found, expected = (s.cv_results_["mean_test_score"] for s in (shared, alone))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_representations(cls):
    X, y, tasks = draw("classifier" if is_classifier(cls) else "regressor")
    est = cls(tol=1e-3)
    assert repr(est) == f"{cls.__name__}(tol=0.001)"
    for model in (est, est.fit(X, y, tasks=tasks)):
        html = estimator_html_repr(model)
        assert cls.__name__ in html
        assert "task_weight" in html
        assert model._repr_mimebundle_()["text/plain"] == repr(est)


@pytest.mark.parametrize("cls", REGRESSORS, ids=lambda cls: cls.__name__)
def test_search_with_missing_targets(cls):
    X, Y, _ = draw(layout="columns")
    Y[np.random.default_rng(0).uniform(size=Y.shape) < 0.3] = np.nan
    name = cls._strengths[0]
    search = GridSearchCV(cls(), {name: [0.01, 0.1]}, cv=FOLDS, error_score="raise")
    search.fit(X, Y)
    assert 0.5 < search.best_score_ < 1
    assert search.predict(X).shape == Y.shape


def test_search_over_columns_of_classes():
    X, Y, _ = draw("classifier", layout="columns")
    grid = {"alpha": [0.01, 0.1]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = GridSearchCV(
            GroupLassoClassifier(), grid, cv=FOLDS, error_score="raise"
        ).fit(X, Y)
    assert search.best_score_ > 0.7
    for scorer in ("accuracy", "f1_macro"):
        assert 0 < get_scorer(scorer)(search.best_estimator_, X, Y) <= 1
