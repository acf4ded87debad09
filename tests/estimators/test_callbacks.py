"""scikit-learn's callbacks: progress, scores, early stops."""

import warnings
from itertools import product

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mtlreg import (
    GroupLassoRegressor,
    MeanRegularizedRegressor,
    regularization_path,
)
from tests.estimators.cases import (
    EACH_KIND,
    KINDS,
    draw,
    make,
    penalty_of,
    school_table,
    with_optimum,
)
from tests.estimators.naive import NaiveProblem

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")


class Recorder:
    """Remembers every gap check, and asks to stop at the one of number ``stop``."""

    def __init__(self, stop=None):
        self.stop = stop
        self.order, self.inputs, self.models = [], [], []

    def setup(self, estimator, context):
        self.order.append("setup")

    def teardown(self, estimator, context):
        self.order.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.inputs.append((context.task_name, X, y, metadata))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "gap check":
            self.models.append(fitted_estimator)
        else:
            self.order.append("end")
            self.final = fitted_estimator
        return len(self.models) == self.stop


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_every_gap_check_is_reported(penalty, kind):
    X, y, tasks = draw(kind)
    options = {"solver": "fista"} | with_optimum(penalty)
    plain = make(penalty, kind, 0.1, **options).fit(X, y, tasks=tasks)
    recorder = Recorder()
    est = make(penalty, kind, 0.1, **options).set_callbacks(recorder)
    assert est.fit(X, y, tasks=tasks) is est
    assert recorder.order == ["setup", "end", "teardown"]
    assert est.n_iter_ == plain.n_iter_
    checks = [m.n_iter_ for m in recorder.models]
    if (of := penalty_of(plain)).has_tangent and not of.row_separable:
        # and one after every Newton step
        assert checks[:2] == [1, 10]
        assert checks == sorted(set(checks))
        assert checks[-1] == est.n_iter_
    else:
        # one before the first iteration, then one every ten
        assert checks == [1, *range(10, est.n_iter_ + 1, 10)]
    naive = NaiveProblem(est, X, y, None, tasks)
    for model in recorder.models:
        naive.estimator = model
        assert naive.gap() == pytest.approx(model.dual_gap_, rel=1e-6)
    for model in (est, recorder.models[-1], recorder.final):
        np.testing.assert_array_equal(model.coef_, plain.coef_)
        assert model.dual_gap_ == plain.dual_gap_
        assert model.score(X, y, tasks=tasks) == plain.score(X, y, tasks=tasks)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_early_stop(penalty, kind):
    X, y, tasks = draw(kind)
    options = {"solver": "fista", "tol": 1e-12} | with_optimum(penalty)
    est = make(penalty, kind, 0.1, **options)
    est.set_callbacks(Recorder(stop=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        est.fit(X, y, tasks=tasks)
    assert est.n_iter_ == 10
    naive = NaiveProblem(est, X, y, None, tasks)
    assert est.dual_gap_ > 1e-12 * naive.null_value()
    assert naive.gap() == pytest.approx(est.dual_gap_, rel=1e-6)


def test_the_direct_solve_is_reported():
    X, y, tasks = draw()
    recorder = Recorder()
    est = MeanRegularizedRegressor().set_callbacks(recorder).fit(X, y, tasks=tasks)
    (model,) = recorder.models
    np.testing.assert_array_equal(model.coef_, est.coef_)
    assert model.dual_gap_ == est.dual_gap_


@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
@pytest.mark.parametrize("kind", KINDS)
def test_hooks_get_what_fit_got(library, kind):
    table, y, column = school_table(library, kind)
    weight = np.ones(len(y))
    recorder = Recorder()
    est = make("l21", kind, task_column=column).set_callbacks(recorder)
    est.fit(table, y, weight)
    assert {name for name, *_ in recorder.inputs} == {"fit", "gap check"}
    for _, X, target, metadata in recorder.inputs:
        assert X is table
        assert target is y
        assert metadata.keys() == {"sample_weight"}
        assert metadata["sample_weight"] is weight
    for model in recorder.models:
        assert model.predict(table).shape == y.shape


def test_labels_are_metadata():
    X, y, tasks = draw()
    recorder = Recorder()
    GroupLassoRegressor().set_callbacks(recorder).fit(X, y, tasks=tasks)
    assert all(metadata["tasks"] is tasks for *_, metadata in recorder.inputs)
    columns = draw(layout="columns")
    recorder = Recorder()
    GroupLassoRegressor().set_callbacks(recorder).fit(*columns[:2])
    assert all(metadata == {} for *_, metadata in recorder.inputs)


@pytest.mark.parametrize(
    ("layout", "kind"),
    [*product(["single", "columns"], KINDS), ("multiclass", "classifier")],
)
def test_hooks_can_predict_in_every_layout(layout, kind):
    X, y, _ = draw(kind, layout="single" if layout == "single" else "columns")
    if layout == "multiclass":
        y = np.argmax(draw(layout="columns")[1], axis=1)
    recorder = Recorder()
    est = make("trace", kind, 0.1).set_callbacks(recorder).fit(X, y)
    for model in recorder.models:
        assert model.predict(X).shape == y.shape
        assert model.transform(X).shape == (len(X), model.rank_)
    assert recorder.models[-1].score(X, y) == est.score(X, y)


@pytest.mark.parametrize("kind", KINDS)
def test_progress_bar(kind, capsys):
    table, y, _ = school_table("pandas", kind)
    est = make("l21", kind, task_column="school")
    est.set_callbacks(callback.ProgressBar()).fit(table, y)
    assert type(est).__name__ in capsys.readouterr().out


def test_progress_bar_of_a_search(capsys):
    table, y, _ = school_table("pandas", "regressor")
    pipeline = make_pipeline(
        FunctionTransformer(), GroupLassoRegressor(task_column="school")
    )
    grid = {"grouplassoregressor__alpha": [0.1, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=2)
    with warnings.catch_warnings():
        # FunctionTransformer has no callbacks of its own
        warnings.filterwarnings("ignore", "The estimator FunctionTransformer")
        search.set_callbacks(callback.ProgressBar(max_propagation_depth=None))
        search.fit(table, y)
    assert "GroupLassoRegressor" in capsys.readouterr().out
    assert search.best_estimator_.score(table, y) > 0.5


@pytest.mark.parametrize("scoring", ["r2", ["r2", "neg_mean_squared_error"]])
def test_scoring_monitor(scoring):
    table, y, _ = school_table("pandas", "regressor")
    monitor = callback.ScoringMonitor(scoring=scoring)
    est = GroupLassoRegressor(0.05, task_column="school", solver="fista")
    est.set_callbacks(monitor).fit(table, y)
    log = monitor.get_logs(select="most_recent").data_as_pandas
    checks = log[log["task_name"] == "gap check"]
    assert len(checks) == 1 + -(-est.n_iter_ // 10)
    assert checks["r2"].iloc[-1] == est.score(table, y)
    assert checks["r2"].iloc[-1] > checks["r2"].iloc[0]


@pytest.mark.parametrize("kind", KINDS)
def test_callbacks_change_nothing(kind):
    X, y, tasks = draw(kind)
    est = make("l21", kind, 0.1).fit(X, y, tasks=tasks)
    names = set(vars(est))
    est.set_callbacks(Recorder()).fit(X, y, tasks=tasks)
    assert set(vars(est)) == names | {"_skl_callbacks"}
    est.set_callbacks()
    assert set(vars(est)) == names


def test_zeros_need_no_gap_check():
    X, y, tasks = draw()
    recorder = Recorder()
    est = GroupLassoRegressor(1e6).set_callbacks(recorder).fit(X, y, tasks=tasks)
    assert recorder.order == ["setup", "end", "teardown"]
    assert not recorder.models
    assert not est.coef_.any()


class PathRecorder(Recorder):
    """Remembers the points of a path."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "point":
            self.models.append(fitted_estimator)
        else:
            self.order.append(context.task_name)
        return len(self.models) == self.stop


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", ["l21", "mean"])
def test_every_point_of_a_path_is_reported(penalty, kind):
    X, y, tasks = draw(kind)
    recorder = PathRecorder()
    est = make(penalty, kind).set_callbacks(recorder)
    path = regularization_path(est, X, y, tasks=tasks, alphas=4)
    assert recorder.order == ["setup", "regularization_path", "teardown"]
    assert not hasattr(est, "coef_")
    np.testing.assert_array_equal([m.coef_ for m in recorder.models], path.coef)
    np.testing.assert_array_equal([m.dual_gap_ for m in recorder.models], path.gap)
    assert recorder.models[0].predict(X, tasks=tasks).shape == y.shape


@pytest.mark.parametrize(("stop", "n_ratios", "n_points"), [(2, 1, 2), (7, 2, 3)])
def test_a_path_that_is_stopped_keeps_its_points(stop, n_ratios, n_points):
    X, y, tasks = draw()
    options = {"alphas": 3, "tasks": tasks, "ratios": [1.0, 0.1, 0.5]}
    whole = regularization_path(MeanRegularizedRegressor(), X, y, **options)
    est = MeanRegularizedRegressor().set_callbacks(PathRecorder(stop=stop))
    path = regularization_path(est, X, y, **options)
    assert path.coef.shape[:2] == path.alphas.shape == (n_ratios, n_points)
    np.testing.assert_array_equal(path.ratios, [1.0, 0.1, 0.5][:n_ratios])
    np.testing.assert_array_equal(path.coef, whole.coef[:n_ratios, :n_points])
