"""Attributes that belong to one penalty, and the subspace of the trace norm."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.extmath import svd_flip

from mtlreg import GroupLassoRegressor, TraceNormRegressor, alpha_max
from mtlreg.datasets import make_multitask_regression
from tests.estimators.cases import KINDS, STEMS, draw, school_table, table_of


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def estimator(kind):
    """Unfitted estimator of a stem and parameters, of this kind."""
    return lambda stem, *args, **kw: STEMS[stem][KINDS.index(kind)](*args, **kw)


def low_rank(kind, n_tasks=6, d=8):
    data = make_multitask_regression(
        n_tasks=n_tasks, n_features=d, structure="low_rank", rank=2, random_state=0
    )
    y = data.y if kind == "regressor" else (data.y > 0).astype(int)
    return data.X, y, data.tasks


def test_mean_coef(estimator, kind):
    X, y, tasks = draw(kind)
    est = estimator("MeanRegularized").fit(X, y, tasks=tasks)
    assert est.mean_coef_.shape == (4,)
    np.testing.assert_allclose(est.mean_coef_, est.coef_.mean(axis=0), rtol=1e-13)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("l1_ratio", [0, 0.4, 1])
def test_support(estimator, kind, norm, l1_ratio):
    X, y, tasks = draw(kind, d=12)
    est = estimator("GroupLasso", l1_ratio=l1_ratio, norm=norm)
    est.set_params(alpha=alpha_max(est, X, y, tasks=tasks) / 3).fit(X, y, tasks=tasks)
    assert est.support_.dtype == bool
    assert est.support_.shape == (12,)
    np.testing.assert_array_equal(est.support_, (est.coef_ != 0).any(axis=0))
    assert 0 < est.support_.sum() < 12
    if l1_ratio == 0 and norm == "l2":
        assert (est.coef_[:, est.support_] != 0).all()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_parts_of_the_dirty_model(estimator, kind, norm):
    X, y, tasks = draw(kind, d=6)
    est = estimator("DirtyModel", norm=norm)
    largest = alpha_max(est, X, y, tasks=tasks)
    est.set_params(alpha_shared=largest / 4, alpha_specific=largest / 5.6)
    est.fit(X, y, tasks=tasks)
    assert est.shared_coef_.shape == est.specific_coef_.shape == (3, 6)
    both = est.shared_coef_ + est.specific_coef_
    np.testing.assert_allclose(both, est.coef_, rtol=1e-14, atol=1e-15)
    # the shared part clips every feature at one level: what is cut is the rest
    level = np.abs(est.shared_coef_).max(axis=0)
    clipped = np.clip(est.coef_, -level, level)
    np.testing.assert_allclose(est.shared_coef_, clipped, rtol=1e-14)
    assert est.shared_coef_.any()


def test_subspace(estimator, kind):
    X, y, tasks = low_rank(kind)
    est = estimator("TraceNorm")
    est.set_params(alpha=alpha_max(est, X, y, tasks=tasks) / 4).fit(X, y, tasks=tasks)
    assert isinstance(est.rank_, int)
    assert 0 < est.rank_ == np.linalg.matrix_rank(est.coef_) < 6
    C = est.components_
    assert C.shape == (est.rank_, 8)
    np.testing.assert_allclose(C @ C.T, np.eye(est.rank_), rtol=0, atol=1e-12)
    np.testing.assert_allclose(est.coef_ @ C.T @ C, est.coef_, rtol=0, atol=1e-12)
    # ordered by singular value, signs as svd_flip
    sigma = np.linalg.norm(est.coef_ @ C.T, axis=0)
    assert np.all(np.diff(sigma) < 0)
    np.testing.assert_array_equal(svd_flip(None, C, u_based_decision=False)[1], C)
    np.testing.assert_allclose(est.transform(X), X @ C.T, rtol=1e-12)
    expected = (est.transform(X) @ C @ est.coef_.T)[np.arange(len(X)), tasks]
    found = est.predict(X, tasks=tasks)
    if kind == "regressor":
        expected = expected + est.intercept_[tasks]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_an_empty_subspace(estimator, kind):
    X, y, tasks = low_rank(kind)
    est = estimator("TraceNorm")
    est.set_params(alpha=alpha_max(est, X, y, tasks=tasks)).fit(X, y, tasks=tasks)
    assert est.rank_ == 0
    assert est.components_.shape == (0, 8)
    assert est.transform(X).shape == (len(X), 0)
    assert est.get_feature_names_out().tolist() == []


@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
def test_transform_takes_the_task_column_out(estimator, kind, library):
    table, y, column = school_table(library, kind)
    est = estimator("TraceNorm", 0.01, task_column=column).fit(table, y)
    X = draw(kind)[0]
    found = est.transform(table)
    np.testing.assert_allclose(found, X @ est.components_.T, rtol=1e-12)
    # it does not look at labels: an unseen one is no error
    other = table_of(library, X, ["new"] * len(X))
    np.testing.assert_array_equal(est.transform(other), found)


@pytest.mark.parametrize("layout", ["single", "rows", "columns"])
def test_transform_in_every_layout(estimator, kind, layout):
    X, y, tasks = draw(kind, layout=layout)
    est = estimator("TraceNorm", 0.01)
    with pytest.raises(NotFittedError):
        est.transform(X)
    est.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.transform(X), X @ est.components_.T, rtol=1e-12)
    both = clone(est).fit_transform(X, y, tasks=tasks)
    np.testing.assert_array_equal(both, est.transform(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_of_the_subspace(library):
    table, y, column = school_table(library, "regressor")
    est = TraceNormRegressor(0.01, task_column=column).fit(table, y)
    names = [f"tracenormregressor{k}" for k in range(est.rank_)]
    assert est.get_feature_names_out().tolist() == names
    est.set_output(transform=library)
    found = est.transform(table)
    assert isinstance(found, pd.DataFrame if library == "pandas" else pl.DataFrame)
    assert list(found.columns) == names


@pytest.mark.parametrize("solver", ["auto", "fista"])
def test_coef_feature_names(solver):
    X, y, tasks = draw()
    est = GroupLassoRegressor(solver=solver)
    plain = est.fit(X, y, tasks=tasks).coef_feature_names_
    assert plain.tolist() == ["x0", "x1", "x2", "x3"]
    frame = pd.DataFrame(X, columns=[*"abcd"])
    named = est.fit(frame, y, tasks=tasks).coef_feature_names_
    assert named.tolist() == [*"abcd"]
    for position in (0, 4, -1):
        table = np.insert(X, position % 5, tasks, axis=1)
        est = GroupLassoRegressor(task_column=position).fit(table, y)
        names = [f"x{j}" for j in range(5) if j != position % 5]
        assert est.coef_feature_names_.tolist() == names
