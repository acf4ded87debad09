"""The CV estimators as estimators: choice, attributes, splitters, workflows."""

import gc
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mtlreg import (
    DirtyModelRegressorCV,
    GroupLassoClassifierCV,
    GroupLassoRegressorCV,
    MeanRegularizedRegressorCV,
    TraceNormRegressorCV,
    alpha_grid,
)
from mtlreg.estimators._selection import Scores
from mtlreg.model_selection import TaskKFold
from tests.estimators.cases import (
    CV_ESTIMATORS,
    FEATURES,
    draw,
    oracle_of,
    school_table,
)
from tests.estimators.loops import (
    SPLITS,
    N,
    integer_weights,
    kind_of,
    plain_at,
    search_of,
)

every_search = pytest.mark.parametrize("cls", CV_ESTIMATORS, ids=lambda c: c.__name__)
GROUPS = np.arange(N) % 6


def fast(cls=GroupLassoRegressorCV, **params):
    return search_of(cls, **{"tol": 1e-6} | params)


def fitted(search, weight=None, kind="regressor", **params):
    X, y, tasks = draw(kind)
    return search.fit(X, y, weight, tasks=tasks, **params)


def chosen(scores, selection):
    means, shares = scores.mean(axis=2), np.ones(scores.shape[2])
    return Scores(means, scores, scores[..., None], shares).select(selection)


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([[1, 2, 3]], (0, 2)),
        ([[3, 3, 3]], (0, 0)),
        ([[1, 3, 3]], (0, 1)),
        ([[1, 2], [2, 2]], (0, 1)),
        ([[1, 1], [2, 1]], (1, 0)),
    ],
)
def test_the_best_mean_is_chosen_of_equals_the_first(means, expected):
    noise = np.array([-1.0, 0.0, 1.0])
    assert chosen(np.array(means, float)[:, :, None] + noise, "min") == expected


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        # the standard error of three scores 1 apart is 1 / sqrt(3) = 0.577
        ([[2.0, 2.5, 3.0]], (0, 1)),
        ([[2.0, 2.42, 3.0]], (0, 2)),
        ([[2.43, 2.0, 3.0, 2.9]], (0, 0)),
        # at the ratio of the best
        ([[9.0, 0.0, 0.0], [8.0, 8.9, 9.1]], (1, 1)),
    ],
)
def test_one_standard_error_by_hand(means, expected):
    noise = np.array([-1.0, 0.0, 1.0])
    scores = np.array(means)[:, :, None] + noise
    assert chosen(scores, "one_se") == expected
    # of one fold there is no standard error
    assert chosen(scores[:, :, 1:2], "one_se") == chosen(scores, "min")


@every_search
def test_one_standard_error_of_a_fit(cls):
    best, simple = (
        fitted(fast(cls, selection=s), kind=kind_of(cls)) for s in ("min", "one_se")
    )
    np.testing.assert_array_equal(best.score_path_, simple.score_path_)
    means = best.score_path_.mean(axis=2)
    ratio, index = np.unravel_index(means.argmax(), means.shape)
    error = best.score_path_[ratio, index].std(ddof=1) / np.sqrt(3)
    within = means[ratio] >= means[ratio, index] - error
    leading = f"{cls._model_class._strengths[0]}_"
    alphas = np.atleast_2d(best.alphas_)[ratio]
    assert getattr(simple, leading) == alphas[within].max()
    assert getattr(best, leading) == alphas[index]
    assert getattr(simple, "ratio_", None) == getattr(best, "ratio_", None)


def test_equal_scores_choose_the_largest_strength():
    # no feature is of use: all points at or above alpha_max score alike
    X, y, tasks = draw()
    top = alpha_grid(plain_at(fast(), 1.0), X, y, tasks=tasks, n_alphas=1)[0]
    search = fast(l1_ratio=0.0, alphas=[3 * top, 2 * top, 4 * top])
    with pytest.warns(UserWarning, match="every strength in alphas is at least alpha_"):
        search.fit(X, y, tasks=tasks)
    assert search.alpha_ == 4 * top
    assert not search.coef_.any()


@every_search
def test_attributes(cls):
    search = fitted(fast(cls), kind=kind_of(cls))
    ratios = search.get_params().get(cls._model_class._ratio)
    n = 1 if ratios is None else 2
    assert search.score_path_.shape == (n, 3, 3)
    assert search.task_score_path_.shape == (n, 3, 3, 3)
    assert search.alphas_.shape == ((2, 3) if n == 2 else (3,))
    assert np.all(np.diff(search.alphas_) < 0)
    assert hasattr(search, "ratio_") == hasattr(search, "ratios_") == (n == 2)
    if n == 2:
        np.testing.assert_array_equal(search.ratios_, ratios)
        assert search.ratio_ in ratios
    assert hasattr(search, "mse_path_") == (kind_of(cls) == "regressor")
    if hasattr(search, "mse_path_"):
        np.testing.assert_array_equal(search.mse_path_, -search.score_path_)
        assert np.all(search.mse_path_ >= 0)
    overall = search.task_score_path_.mean(axis=3)
    np.testing.assert_allclose(search.score_path_, overall, rtol=1e-12)
    for name in ("coef_", "intercept_", "tasks_", "n_iter_", "dual_gap_"):
        assert hasattr(search, name)


def test_strengths_of_every_stem():
    mean = fitted(fast(MeanRegularizedRegressorCV))
    assert mean.alpha_mean_ == pytest.approx(mean.ratio_ * mean.alpha_, rel=1e-15)
    dirty = fitted(fast(DirtyModelRegressorCV))
    assert dirty.alpha_shared_ == pytest.approx(dirty.ratio_ * dirty.alpha_specific_)
    assert not hasattr(dirty, "alpha_")
    assert fitted(fast(TraceNormRegressorCV)).alpha_ > 0
    lasso = fitted(fast())
    assert (lasso.ratios_.tolist(), lasso.alpha_ > 0) == ([0.5, 0.0], True)


@pytest.mark.parametrize(("norm", "largest"), [("linf", 3.0), ("l2", np.sqrt(3.0))])
def test_default_ratios_of_the_dirty_model(norm, largest):
    search = fitted(fast(DirtyModelRegressorCV, ratios=None, norm=norm))
    expected = largest ** np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(search.ratios_, expected)
    X, y, _ = draw(layout="single")
    single = fast(DirtyModelRegressorCV, ratios=None, norm=norm).fit(X, y)
    np.testing.assert_array_equal(single.ratios_, [1.0])


@every_search
def test_the_default_grid_is_that_of_alpha_grid(cls):
    X, y, tasks = draw(kind_of(cls))
    search = fast(cls, alphas=4, eps=0.1).fit(X, y, integer_weights(), tasks=tasks)
    ratios = getattr(search, "ratios_", [None])
    for ratio, alphas in zip(ratios, np.atleast_2d(search.alphas_), strict=True):
        expected = alpha_grid(
            plain_at(search, 1.0, ratio),
            X,
            y,
            integer_weights(),
            tasks=tasks,
            n_alphas=4,
            eps=0.1,
        )
        np.testing.assert_allclose(alphas, expected, rtol=1e-12)


@every_search
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_the_refit_is_the_plain_estimator_at_the_choice(cls, layout):
    X, y, tasks = draw(kind_of(cls), layout=layout)
    search = fast(cls).fit(X, y, integer_weights(), tasks=tasks)
    strengths = {n: getattr(search, f"{n}_") for n in cls._model_class._strengths}
    plain = plain_at(search, 1.0, getattr(search, "ratio_", None))
    plain.set_params(**strengths).fit(X, y, integer_weights(), tasks=tasks)
    np.testing.assert_array_equal(search.coef_, plain.coef_)
    np.testing.assert_array_equal(search.intercept_, plain.intercept_)
    assert (search.n_iter_, search.dual_gap_) == (plain.n_iter_, plain.dual_gap_)
    keywords = {} if tasks is None else {"tasks": tasks}
    found, expected = (est.predict(X, **keywords) for est in (search, plain))
    np.testing.assert_array_equal(found, expected)
    assert search.score(X, y, **keywords) == plain.score(X, y, **keywords)
    extra = vars(plain).keys() - plain.get_params().keys()
    assert extra <= vars(search).keys()


@every_search
def test_results_are_a_table(cls):
    search = fitted(fast(cls), kind=kind_of(cls))
    table = pd.DataFrame(search.cv_results_)
    flat = search.score_path_.reshape(-1, 3)
    assert len(table) == len(flat)
    splits = table[[f"split{k}_test_score" for k in range(3)]].to_numpy()
    np.testing.assert_array_equal(splits, flat)
    np.testing.assert_allclose(table["mean_test_score"], flat.mean(axis=1))
    np.testing.assert_allclose(table["std_test_score"], flat.std(axis=1))
    best = table["rank_test_score"].to_numpy().argmin()
    assert table["rank_test_score"][best] == 1
    for name in cls._model_class._strengths:
        column = table[f"param_{name}"]
        assert column[best] == getattr(search, f"{name}_")
        assert [p[name] for p in table["params"]] == column.tolist()
    first = f"param_{cls._model_class._strengths[0]}"
    np.testing.assert_array_equal(table[first], np.ravel(search.alphas_))
    # and the parameters are those of the model
    search._model_class(**table["params"][0])
    # a ratio that is an option, and no quotient of strengths
    option = cls._model_class._ratio
    if option in search._model_class().get_params():
        ratios = oracle_of(cls).points[option]
        assert table[f"param_{option}"].tolist() == np.repeat(ratios, 3).tolist()


def scores_of(cv, **params):
    return fitted(fast(cv=cv), **params).score_path_


def test_the_default_is_five_folds_by_task():
    X, y, tasks = draw()
    expected = list(TaskKFold(5, random_state=0).split(X, y, tasks))
    for cv in (None, 5, np.int64(5), TaskKFold(5, random_state=0)):
        np.testing.assert_array_equal(scores_of(cv), scores_of(expected))
    assert scores_of(None).shape == (2, 3, 5)
    assert not np.array_equal(scores_of(3), scores_of(TaskKFold(3, random_state=1)))


def test_classes_are_dealt_to_the_default_folds():
    X, y, tasks = draw("classifier")
    expected = list(TaskKFold(4, random_state=0).split(X, y, tasks))
    found, by_hand = (
        fitted(fast(GroupLassoClassifierCV, cv=cv), kind="classifier").score_path_
        for cv in (4, expected)
    )
    np.testing.assert_array_equal(found, by_hand)


@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
def test_default_folds_of_a_column(library):
    table, y, column = school_table(library, "regressor")
    labels = np.asarray(table[column] if library != "object" else table[:, column])
    splitters = [
        4,
        TaskKFold(4, task_column=column, random_state=0),
        list(TaskKFold(4, random_state=0).split(table, y, labels)),
    ]
    found = [fast(cv=cv, task_column=column).fit(table, y) for cv in splitters]
    for search in found[1:]:
        np.testing.assert_array_equal(search.score_path_, found[0].score_path_)


@pytest.mark.parametrize("layout", ["columns", "single"])
def test_default_folds_without_labels(layout):
    X, y, _ = draw(layout=layout)
    groups = np.zeros(N) if layout == "single" else None
    expected = list(TaskKFold(4, random_state=0).split(X, y, groups))
    found, by_hand = (fast(cv=cv).fit(X, y).score_path_ for cv in (4, expected))
    np.testing.assert_array_equal(found, by_hand)


@pytest.mark.parametrize(
    "splitter",
    [
        KFold(3),
        ShuffleSplit(2, random_state=0),
        PredefinedSplit(np.where(np.arange(N) < 12, -1, np.arange(N) % 2)),
    ],
    ids=repr,
)
def test_splitters_of_scikit_learn(splitter):
    splits = list(splitter.split(draw()[0]))
    found = scores_of(splitter)
    np.testing.assert_array_equal(found, scores_of(splits))
    np.testing.assert_array_equal(found, scores_of(iter(splits)))
    masks = [[np.isin(np.arange(N), part) for part in split] for split in splits]
    np.testing.assert_array_equal(found, scores_of(masks))
    negative = [(train - N, test - N) for train, test in splits]
    np.testing.assert_array_equal(found, scores_of(negative))


def test_groups_reach_the_splitter():
    splits = list(GroupKFold(3).split(draw()[0], groups=GROUPS))
    expected = scores_of(splits)
    np.testing.assert_array_equal(scores_of(GroupKFold(3), groups=GROUPS), expected)
    with config_context(enable_metadata_routing=True):
        found = scores_of(GroupKFold(3), groups=GROUPS)
    np.testing.assert_array_equal(found, expected)


def test_groups_replace_the_tasks_of_the_default_folds():
    X, y, _ = draw()
    splits = list(TaskKFold(3, random_state=0).split(X, y, GROUPS))
    np.testing.assert_array_equal(scores_of(3, groups=GROUPS), scores_of(splits))


def table_search(**params):
    return fast(task_column="school", cv=3, **params)


@pytest.mark.parametrize("routing", [False, True])
def test_nested(routing):
    table, y, _ = school_table("pandas", "regressor")
    folds = TaskKFold(3, task_column="school", random_state=1)
    with config_context(enable_metadata_routing=routing):
        scores = cross_val_score(
            table_search(), table, y, cv=folds, error_score="raise"
        )
    by_hand = [
        table_search().fit(table.iloc[train], y[train]).score(table.iloc[test], y[test])
        for train, test in folds.split(table, y)
    ]
    np.testing.assert_array_equal(scores, by_hand)
    assert scores.min() > 0.8


def test_nested_groups_and_tasks_are_routed():
    X, y, tasks = draw()
    with config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            fast(cv=GroupKFold(2)),
            X,
            y,
            cv=SPLITS,
            params={"tasks": tasks, "groups": GROUPS},
            error_score="raise",
        )
    by_hand = []
    for train, test in SPLITS:
        search = fast(cv=GroupKFold(2))
        search.fit(X[train], y[train], tasks=tasks[train], groups=GROUPS[train])
        by_hand.append(search.score(X[test], y[test], tasks=tasks[test]))
    np.testing.assert_array_equal(scores, by_hand)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_behind_a_column_transformer(library):
    table, y, _ = school_table(library, "regressor")
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), FEATURES)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    pipeline = make_pipeline(columns, table_search())
    pipeline.set_output(transform=library).fit(table, y)
    assert pipeline.score(table, y) > 0.9
    assert pipeline[-1].coef_feature_names_.tolist() == FEATURES


def test_grid_search_over_another_parameter():
    table, y, _ = school_table("pandas", "regressor")
    grid = {"task_weight": ["equal", "proportional"], "fit_intercept": [True, False]}
    search = GridSearchCV(table_search(), grid, cv=SPLITS, error_score="raise")
    search.fit(table, y)
    assert search.best_estimator_.alpha_ > 0
    assert search.best_params_["fit_intercept"]


@every_search
def test_clone_pickle_and_set_params(cls):
    X, y, tasks = draw(kind_of(cls))
    search = fast(cls)
    assert not search.__sklearn_is_fitted__()
    before = search.get_params()
    search.fit(X, y, tasks=tasks)
    assert all(search.get_params()[name] is value for name, value in before.items())
    copied = clone(search)
    assert not copied.__sklearn_is_fitted__()
    same = copied.fit(X, y, tasks=tasks)
    restored = pickle.loads(pickle.dumps(search))
    for other in (same, restored):
        np.testing.assert_array_equal(other.coef_, search.coef_)
        np.testing.assert_array_equal(other.score_path_, search.score_path_)
    search.set_params(alphas=2, cv=SPLITS[:2]).fit(X, y, tasks=tasks)
    assert search.score_path_.shape[1:] == (2, 2)


@every_search
def test_workers_change_nothing(cls):
    alone, shared = (fitted(fast(cls, n_jobs=n), kind=kind_of(cls)) for n in (1, 2))
    np.testing.assert_array_equal(alone.score_path_, shared.score_path_)
    np.testing.assert_array_equal(alone.task_score_path_, shared.task_score_path_)
    np.testing.assert_array_equal(alone.coef_, shared.coef_)


def short_fits(cv, n_jobs=None):
    """A search that falls short, and how many fits of how many it says do."""
    search = fast(TraceNormRegressorCV, max_iter=1, tol=1e-12, n_jobs=n_jobs, cv=cv)
    with pytest.warns(ConvergenceWarning) as caught:
        fitted(search)
    texts = [str(w.message) for w in caught if w.category is ConvergenceWarning]
    # one of all folds, and one of the fit of all rows
    assert len(texts) == 2
    assert all(w.filename == __file__ for w in caught)
    said = re.match(r"(\d+) of (\d+) fits of cross-validation did not reach", texts[0])
    return search, *map(int, said.groups())


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_fits_that_fall_short_are_counted_once(n_jobs):
    search, n_short, n_fits = short_fits(SPLITS, n_jobs)
    assert n_short == sum(short_fits([split])[1] for split in SPLITS) > 3
    assert n_fits == 9
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        fitted(search.set_params(max_iter=10_000, tol=1e-6))


class Recorder:
    """Remembers the tasks that end, and stops (or fails) after a fold."""

    def __init__(self, stop=None):
        self.stop, self.ended, self.begun = stop, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.begun.append((context.task_name, X, y, metadata))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.ended.append((context.task_name, context.task_id))
        folds = [name for name, _ in self.ended if name == "fold"]
        if folds and self.stop is RuntimeError:
            raise RuntimeError("between folds")
        return context.task_name == "fold" and len(folds) == self.stop


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_folds_are_reported(n_jobs):
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")
    X, y, tasks = draw()
    recorder = Recorder()
    search = fast(n_jobs=n_jobs).set_callbacks(recorder)
    search.fit(X, y, tasks=tasks)
    folds = [number for name, number in recorder.ended if name == "fold"]
    assert folds == sorted(folds)
    assert len(folds) == 3
    names = [name for name, _ in recorder.ended]
    assert names[:3] == ["fold"] * 3
    assert names[-1] == "fit"
    assert set(names[3:-1]) == {"gap check"}
    for _, given, target, metadata in recorder.begun:
        assert given is X
        assert target is y
        assert metadata["tasks"] is tasks
    np.testing.assert_array_equal(search.score_path_, scores_of(SPLITS))


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("k", [1, 2])
def test_an_early_stop_keeps_the_folds_so_far(k, n_jobs):
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")
    X, y, tasks = draw()
    search = fast(n_jobs=n_jobs).set_callbacks(Recorder(stop=k))
    search.fit(X, y, tasks=tasks)
    assert search.score_path_.shape == (2, 3, k)
    assert search.task_score_path_.shape == (2, 3, k, 3)
    np.testing.assert_array_equal(search.score_path_, scores_of(SPLITS)[:, :, :k])
    loop = scores_of(SPLITS[:k])
    np.testing.assert_allclose(search.score_path_, loop, rtol=1e-2)
    assert search.score(X, y, tasks=tasks) > 0.5
    assert f"split{k}_test_score" not in search.cv_results_


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_callback_that_fails_between_folds(n_jobs):
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")
    X, y, tasks = draw()
    search = fast(n_jobs=n_jobs, cv=10).set_callbacks(Recorder(stop=RuntimeError))
    before = dict(vars(search))
    with pytest.raises(RuntimeError, match="between folds"):
        search.fit(X, y, tasks=tasks)
    assert vars(search) == before
    # no generator is left behind that would complain
    gc.collect()
