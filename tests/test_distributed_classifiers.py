"""Classifiers of chunks, in rounds: as in memory, certified, and few of them."""

import copy
import itertools
import pickle

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from dask.callbacks import Callback
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import mtlreg
from mtlreg import distributed
from mtlreg.distributed import ChunkError
from mtlreg.losses import Logistic
from mtlreg.penalties import L21
from tests.estimators.cases import CV_CLASSIFIERS, PENALTIES, draw, make
from tests.estimators.naive import NaiveProblem

EXACT = 1e-12
BOUNDS = [0, 50, 50, 51, 160, 240]  # one without rows, one with a single one
NAMES = list("abcd")


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads"):
        yield


class Rounds(Callback):
    """Counts the passes over the chunks."""

    def __init__(self):
        super().__init__()
        self.n = 0

    def _start(self, graph):
        self.n += 1


def in_chunks(columns, bounds=BOUNDS):
    load = dask.delayed(lambda part: part)
    parts = list(itertools.pairwise(bounds))
    return {
        name: [load(values[first:last]) for first, last in parts]
        for name, values in columns.items()
    }


def rows(layout="rows", kinds=("no", "yes"), n=240, seed=0):
    X, y, tasks = draw("classifier", n, n_tasks=5, layout=layout, seed=seed)
    y = np.array(kinds)[y.astype(int)]
    weight = np.random.default_rng(seed).uniform(0.2, 2.0, size=n)
    given = {"X": X, "y": y, "sample_weight": weight}
    return given if tasks is None else given | {"tasks": tasks}


def excess(model, exact, given):
    """By how much the objective of one model is above that of another."""
    X, y, w = (given.get(name) for name in ("X", "y", "sample_weight"))
    # of the blocks of each, which are the optimal ones of their sum
    found, best = (NaiveProblem(m, X, y, w, given.get("tasks")) for m in (model, exact))
    return found.objective() - best.objective(), found.null_value()


def assert_as_in_memory(found, whole, atol=1e-5):
    # of objectives within 1e-12 of the optimum
    np.testing.assert_allclose(found.coef_, whole.coef_, atol=atol)
    np.testing.assert_allclose(found.intercept_, whole.intercept_, atol=atol)
    for name in ("classes_", "tasks_", "coef_feature_names_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
        assert getattr(found, name).dtype == getattr(whole, name).dtype
    assert set(vars(found)) == set(vars(whole))
    assert found.n_features_in_ == whole.n_features_in_


@pytest.mark.parametrize("penalty", PENALTIES)
def test_objectives_are_within_the_gap_in_few_rounds(penalty):
    given = rows()
    model = make(penalty, "classifier", 0.3, tol=1e-8)
    exact = clone(model).set_params(tol=EXACT).fit(**given)
    with Rounds() as rounds:
        distributed.fit(model, **in_chunks(given))
    above, null_value = excess(model, exact, given)
    rounding = 1e-14 * null_value
    assert above <= model.dual_gap_ + rounding
    assert above >= -exact.dual_gap_ - rounding
    assert model.dual_gap_ <= 1e-8 * null_value
    assert set(vars(model)) == set(vars(exact))
    # the labels, the null model, which is a fit where a center is free, a step each,
    # and where one is cut short another
    assert model.n_iter_ + 3 <= rounds.n <= 18


GROUP, MEAN = mtlreg.GroupLassoClassifier, mtlreg.MeanRegularizedClassifier


@pytest.mark.parametrize(
    "model",
    [
        GROUP(0.02, fit_intercept=False),
        GROUP(0.02, task_weight="proportional", class_weight="balanced"),
        GROUP(0.02, class_weight={"yes": 3.0}, ridge=0.1),
        GROUP(0.02, feature_weight=[1.0, 2.0, np.inf, 0.5], positive=True),
        GROUP(0.02, feature_weight=[1.0, 0.0, np.inf, 0.5]),
        GROUP(0.02, feature_weight=[1.0, 0.0, 1.0, 0.5], ridge=0.1),
        MEAN(0.1, alpha_mean=0.0),
        MEAN(np.inf),
        MEAN(0.1, alpha_intercept=0.5, feature_weight=[1.0, 0.0, 2.0, 1.0]),
        MEAN(0.1, alpha_intercept=np.inf),
        mtlreg.TraceNormClassifier(0.02, feature_weight=[1, 2, 0.5, 3]),
        mtlreg.RobustMeanClassifier(0.02, metric="design"),
        mtlreg.RobustMeanClassifier(0.02, metric="design", fit_intercept=False),
    ],
    ids=str,
)
def test_options(model):
    given = rows()
    model = clone(model).set_params(tol=EXACT)
    streamed = distributed.fit(clone(model), **in_chunks(given))
    assert_as_in_memory(streamed, model.fit(**given))


@pytest.mark.parametrize("class_weight", [None, "balanced", {0.0: 3.0}])
def test_several_targets_and_sparse_rows(class_weight):
    given = rows("columns", (0.0, 1.0))
    gone = np.random.default_rng(1).random(given["y"].shape) < 0.2
    given["y"] = np.where(gone, np.nan, given["y"])
    given["X"] = sp.csr_array(np.where(np.abs(given["X"]) > 0.5, given["X"], 0.0))
    model = mtlreg.GroupLassoClassifier(0.01, tol=EXACT, class_weight=class_weight)
    streamed = distributed.fit(clone(model), **in_chunks(given))
    assert_as_in_memory(streamed, model.fit(**given))


@pytest.mark.parametrize("class_weight", [None, "balanced", {"p": 3.0}])
def test_a_task_for_each_of_several_classes(class_weight):
    given = rows("single")
    kinds = np.digitize(given["X"] @ [1.0, -1.0, 0.5, 0.0], [-0.5, 0.5])
    given["y"] = np.array(["q", "p", "r"], dtype=object)[kinds]
    model = mtlreg.GroupLassoClassifier(0.01, tol=EXACT, class_weight=class_weight)
    streamed = distributed.fit(clone(model), **in_chunks(given))
    assert_as_in_memory(streamed, model.fit(**given))
    X = given["X"]
    np.testing.assert_allclose(
        streamed.predict_proba(X), model.predict_proba(X), atol=1e-4
    )


def test_columns_of_strings_and_one_number_for_all_weights():
    given = rows("columns")
    given |= {"y": given["y"].astype(object), "sample_weight": 2.0}
    given["y"][::7, 1] = None
    weight = given.pop("sample_weight")
    model = mtlreg.GroupLassoClassifier(0.01, tol=EXACT)
    streamed = distributed.fit(clone(model), **in_chunks(given), sample_weight=weight)
    assert_as_in_memory(streamed, model.fit(**given, sample_weight=weight))


def test_frames_and_arrays():
    given = rows()
    frame = pd.DataFrame(given["X"], columns=NAMES)
    frame = frame.assign(target=given["y"], school=given["tasks"])
    chunks = dd.from_pandas(frame, npartitions=6)
    model = mtlreg.GroupLassoClassifier(0.02, task_column="school", tol=EXACT)
    streamed = distributed.fit(
        clone(model), chunks.drop(columns="target"), chunks.target
    )
    assert_as_in_memory(streamed, model.fit(frame.drop(columns="target"), frame.target))
    assert streamed.feature_names_in_.tolist() == [*NAMES, "school"]
    single = given["X"].astype(np.float32)
    arrays = {"X": single, "y": given["y"] == "yes", "tasks": given["tasks"]}
    arrays = {
        name: da.from_array(part, chunks=(70, *part.shape[1:]))
        for name, part in arrays.items()
    }
    model = mtlreg.GroupLassoClassifier(0.02, tol=EXACT)
    streamed = distributed.fit(clone(model), **arrays)
    given |= {"X": single.astype(float), "y": given["y"] == "yes"}
    del given["sample_weight"]
    assert_as_in_memory(streamed, model.fit(**given))


@pytest.mark.parametrize("penalty", ["mean", "l21"])
def test_tasks_with_one_class(penalty):
    given = rows()
    given["y"] = np.where(given["tasks"] == 2, "no", given["y"])
    model = make(penalty, "classifier", 0.3, tol=EXACT)
    with pytest.warns(UserWarning, match=r"one class only in the tasks \[2\]"):
        streamed = distributed.fit(clone(model), **in_chunks(given))
    with pytest.warns(UserWarning, match="one class only"):
        model.fit(**given)
    assert_as_in_memory(streamed, model)


def test_chunks_that_have_some_tasks_and_classes_only():
    given = rows()
    order = np.lexsort([given["tasks"], given["y"]])
    given = {name: part[order] for name, part in given.items()}
    model = mtlreg.GroupLassoClassifier(0.02, tol=EXACT)
    for bounds in ([0, 240], np.linspace(0, 240, 24).astype(int)):
        streamed = distributed.fit(clone(model), **in_chunks(given, bounds))
        assert_as_in_memory(streamed, clone(model).fit(**given))


def test_warm_starts_along_a_path():
    given = rows()
    model = mtlreg.GroupLassoClassifier(0.02, tol=1e-8, warm_start=True)
    chunks = in_chunks(given)
    distributed.fit(model, **chunks)
    cold = model.n_iter_
    distributed.fit(model, **chunks)
    assert model.n_iter_ == 1 < cold
    distributed.fit(model.set_params(alpha=0.018), **chunks)
    fresh = clone(model).set_params(warm_start=False)
    distributed.fit(fresh, **chunks)
    assert model.n_iter_ < fresh.n_iter_
    exact = clone(fresh).set_params(tol=EXACT).fit(**given)
    assert excess(model, exact, given)[0] <= model.dual_gap_ + 1e-14


def test_the_null_model_is_exact():
    given = rows()
    model = mtlreg.GroupLassoClassifier(tol=1e-6)
    model.set_params(alpha=mtlreg.alpha_max(model, **given))
    with Rounds() as rounds:
        distributed.fit(model, **in_chunks(given))
    assert not model.coef_.any()
    assert model.dual_gap_ <= 1e-14
    assert rounds.n == 3


def test_a_fit_that_stops_short_says_so():
    model = mtlreg.GroupLassoClassifier(0.02, tol=1e-10, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations the duality gap"):
        distributed.fit(model, **in_chunks(rows()))
    assert model.n_iter_ == 2
    assert 0 < model.dual_gap_ < np.inf


class Bounded(Logistic):
    """``log(1 + exp(-y z)) + z^2 / 200``."""

    curvature = 0.26

    def pointwise(self, z, y):
        return super().pointwise(z, y) + 0.005 * z**2

    def gradient(self, z, y, v):
        return super().gradient(z, y, v) + 0.01 * v * z

    def hessian(self, z, y, v):
        return super().hessian(z, y, v) + 0.01 * v

    def derivatives(self, z, y, v):
        return self.gradient(z, y, v), self.hessian(z, y, v)

    def divergence(self, z, u, y, v, scale=1.0):
        # the conjugate of a sum is at most that of its terms at any two parts of u
        return super().divergence(z, scale * u - 0.01 * v * z, y, v)


def test_any_loss_of_two_classes():
    given = rows()
    model = mtlreg.PenalizedClassifier(
        L21(0.02), loss=Bounded(), tol=1e-8, fit_intercept=False
    )
    exact = clone(model).set_params(tol=1e-11).fit(**given)
    distributed.fit(model, **in_chunks(given))
    y, w, tasks = (given[name] for name in ("y", "sample_weight", "tasks"))
    y, v = np.where(y == "yes", 1.0, -1.0), w / np.bincount(tasks, w)[tasks]

    def objective(coef):
        loss = Bounded().value(np.sum(given["X"] * coef[tasks], axis=1), y, v)
        return loss + L21(0.02).value(coef.T)

    above = objective(model.coef_) - objective(exact.coef_)
    assert -exact.dual_gap_ <= above <= model.dual_gap_ <= 1e-8 * 5 * np.log(2)


def change(name, X, y, tasks):
    """A chunk with a fault."""
    if name == "NaN":
        X.loc[3, "b"] = np.nan
    elif name == "raises":
        raise OSError("no such disk")
    elif name == "columns":
        X = X[list("abdc")]
    elif name == "classes":
        y = (y == "yes").astype(int)
    elif name == "no class":
        y = y.where(y == "yes")
    elif name == "labels":
        tasks = tasks.astype(str)
    elif name == "lengths":
        y = y[:7]
    return X, y, tasks


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NaN", "chunk 2: .*NaN"),
        ("raises", "chunk 2 cannot be computed: .*no such disk"),
        ("columns", "chunk 2 is not like chunk 0: the features here are"),
        ("classes", r"chunk 2 is not like chunk 0: the classes are numbers here"),
        ("no class", "chunk 2: .*y contains NaN"),
        ("labels", "chunk 2 is not like chunk 0: task labels are strings"),
        ("lengths", "chunk 2: "),
    ],
)
def test_a_bad_chunk_is_named(name, message):
    @dask.delayed(nout=3)
    def load(number):
        given = rows(n=40, seed=number)
        X, y = pd.DataFrame(given["X"], columns=NAMES), pd.Series(given["y"])
        return change(name if number == 2 else "", X, y, pd.Series(given["tasks"]))

    X, y, tasks = map(list, zip(*(load(number) for number in range(4)), strict=True))
    model = mtlreg.GroupLassoClassifier().fit(np.eye(4), [0, 1, 0, 1])
    before = copy.deepcopy(vars(model))
    with pytest.raises(ChunkError, match=message):
        distributed.fit(model, X, y, tasks=tasks)
    assert pickle.dumps(vars(model)) == pickle.dumps(before)


def test_a_chunk_that_fails_in_a_later_round():
    given, reads = rows(), []

    @dask.delayed(pure=False)
    def load(part, number):
        reads.append(number)
        if number == 3 and reads.count(3) > 4:
            raise OSError("the disk is gone")
        return part

    chunks = in_chunks(given)
    chunks["X"] = [load(part, number) for number, part in enumerate(chunks["X"])]
    model = mtlreg.GroupLassoClassifier(0.02)
    with pytest.raises(ChunkError, match=r"chunk 3 cannot be computed: .*disk is"):
        distributed.fit(model, **chunks)
    assert not hasattr(model, "coef_")


def test_what_is_refused():
    given = rows()
    chunks = in_chunks(given)
    for cls in CV_CLASSIFIERS:
        with pytest.raises(ValueError, match="fit the classifier at each strength"):
            distributed.fit(cls(), **chunks)
    model = mtlreg.GroupLassoClassifier()
    with pytest.raises(ValueError, match="alpha"):
        distributed.fit(mtlreg.GroupLassoClassifier(alpha=-1), **chunks)
    with pytest.raises(
        ValueError, match="'direct' solves mean regularisation and graphs only"
    ):
        distributed.fit(mtlreg.GroupLassoClassifier(solver="direct"), **chunks)
    with pytest.raises(ValueError, match="all chunks are empty"):
        distributed.fit(model, **in_chunks(given, [0, 0, 0]))
    with pytest.raises(ValueError, match="one class only"):
        distributed.fit(model, **chunks | in_chunks({"y": np.full(240, "no")}))
    third = np.where(np.arange(240) == 99, "maybe", given["y"])
    with pytest.raises(ValueError, match="3 classes"):
        distributed.fit(model, **chunks | in_chunks({"y": third}))
    none = given["sample_weight"] * (given["tasks"] != 1)
    with pytest.raises(ValueError, match=r"task\(s\) \[1\] have no observed target"):
        distributed.fit(model, **chunks | in_chunks({"sample_weight": none}))
    assert not hasattr(model, "coef_")


def test_callbacks_see_certified_points_and_may_stop():
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")
    from tests.estimators.test_callbacks import Recorder

    given = rows()
    chunks, recorder = in_chunks(given), Recorder()
    model = mtlreg.GroupLassoClassifier(0.02, tol=1e-8)
    exact = clone(model).set_params(tol=EXACT).fit(**given)
    distributed.fit(model.set_callbacks(recorder), **chunks)
    assert [one.n_iter_ for one in recorder.models][-1] == model.n_iter_ >= 4
    for one in recorder.models:
        assert excess(one, exact, given)[0] <= one.dual_gap_ + 1e-14
    # no warning of a fit that was told to stop
    recorder = Recorder(stop=2)
    distributed.fit(clone(model).set_callbacks(recorder), **chunks)
    assert len(recorder.models) == 2
