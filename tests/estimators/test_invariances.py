"""What must not change a fit: layout, order, copies, containers, precision, scales.

Both sides are solved at tol = 1e-10; see `assert_as_good` for how they are compared.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mtlreg import GroupLassoRegressor
from tests.estimators.cases import (
    EACH_KIND,
    FEATURES,
    KINDS,
    draw,
    has_one_block,
    is_gauge,
    make,
)
from tests.estimators.naive import TOL, NaiveProblem, assert_as_good


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_all_three_forms_agree(penalty, kind):
    X, Y, _ = draw(kind, layout="columns")
    shared = make(penalty, kind, 0.3, tol=TOL).fit(X, Y)
    n_tasks = Y.shape[1]
    rows, y = np.tile(X, (n_tasks, 1)), Y.T.ravel()
    labels = np.repeat(np.arange(n_tasks), len(X))
    stacked = make(penalty, kind, 0.3, tol=TOL).fit(rows, y, tasks=labels)
    assert_as_good(stacked, shared.coef_, shared.intercept_, rows, y, tasks=labels)
    table = np.column_stack([labels, rows])
    column = make(penalty, kind, 0.3, tol=TOL, task_column=0).fit(table, y)
    np.testing.assert_array_equal(column.coef_, stacked.coef_)
    np.testing.assert_array_equal(column.intercept_, stacked.intercept_)
    assert column.dual_gap_ == stacked.dual_gap_


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_missing_cells_are_missing_rows(penalty, kind):
    X, Y, _ = draw(kind, layout="columns")
    hidden = np.random.default_rng(0).uniform(size=Y.shape) < 0.3
    Y[hidden] = np.nan
    shared = make(penalty, kind, 0.3, tol=TOL).fit(X, Y)
    i, labels = np.nonzero(~hidden)
    rows, y = X[i], Y[~hidden]
    stacked = make(penalty, kind, 0.3, tol=TOL).fit(rows, y, tasks=labels)
    assert_as_good(stacked, shared.coef_, shared.intercept_, rows, y, tasks=labels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_order_and_names_of_tasks_do_not_matter(penalty, kind):
    X, y, tasks = draw(kind)
    est = make(penalty, kind, 0.3, tol=TOL).fit(X, y, tasks=tasks)
    # of those that have an order, from the other end
    in_order = penalty == "fused"
    names = ["zeta", "mu", "alpha"] if in_order else ["zeta", "alpha", "mu"]
    names = np.array(names, dtype=object)
    order = np.random.default_rng(0).permutation(len(y))
    other = make(penalty, kind, 0.3, tol=TOL)
    other.fit(X[order], y[order], tasks=names[tasks][order])
    assert other.tasks_.tolist() == ["alpha", "mu", "zeta"]
    back = np.argsort(np.argsort(names))
    coef, intercept = other.coef_[back], other.intercept_[back]
    assert_as_good(est, coef, intercept, X, y, tasks=tasks)
    found = other.predict(X, tasks=names[tasks])
    expected = est.predict(X, tasks=tasks)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_columns_and_features_in_another_order(penalty, kind):
    X, Y, _ = draw(kind, layout="columns")
    est = make(penalty, kind, 0.3, tol=TOL).fit(X, Y)
    other = make(penalty, kind, 0.3, tol=TOL).fit(X[:, ::-1], Y[:, ::-1])
    coef, intercept = other.coef_[::-1, ::-1], other.intercept_[::-1]
    assert_as_good(est, coef, intercept, X, Y)


@pytest.mark.parametrize("rule", ["equal", "proportional"])
@pytest.mark.parametrize("layout", ["rows", "columns", "single"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_weight_k_is_k_copies(penalty, kind, layout, rule):
    X, y, tasks = draw(kind, n=40, layout=layout)
    weight = np.random.default_rng(0).integers(0, 4, size=40)
    copies = np.repeat(np.arange(40), weight)
    copied = None if tasks is None else tasks[copies]
    options = {"task_weight": rule} | ({} if has_one_block(penalty) else {"tol": TOL})
    by_weight = make(penalty, kind, 0.3, **options)
    by_copies = make(penalty, kind, 0.3, **options)
    by_weight.fit(X, y, weight, tasks=tasks)
    by_copies.fit(X[copies], y[copies], tasks=copied)
    if not has_one_block(penalty):
        # rounding may end a Newton step of both blocks one product sooner
        solution = by_copies.coef_, by_copies.intercept_
        assert_as_good(by_weight, *solution, X, y, weight, tasks)
        return
    assert by_weight.n_iter_ == by_copies.n_iter_
    for name in ("coef_", "intercept_"):
        found, expected = getattr(by_weight, name), getattr(by_copies, name)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", ["mean", "l21", "trace"])
def test_scale_of_the_weights_does_not_matter(penalty, kind, layout):
    X, y, tasks = draw(kind, layout=layout)
    weight = np.random.default_rng(0).uniform(0.1, 1, size=y.shape)
    one, other = (make(penalty, kind, 0.3) for _ in range(2))
    one.fit(X, y, weight, tasks=tasks)
    other.fit(X, y, 1024 * weight, tasks=tasks)
    np.testing.assert_array_equal(other.coef_, one.coef_)
    one.fit(X, y, tasks=tasks)
    other.fit(X, y, 7.5, tasks=tasks)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", ["mean", "l21", "trace"])
def test_weights_of_cells(penalty, kind):
    X, Y, _ = draw(kind, layout="columns")
    weight = np.random.default_rng(0).uniform(0.1, 1, size=Y.shape)
    hidden = np.random.default_rng(1).uniform(size=Y.shape) < 0.2
    one = make(penalty, kind, 0.3).fit(X, np.where(hidden, np.nan, Y), weight)
    other = make(penalty, kind, 0.3).fit(X, Y, np.where(hidden, 0.0, weight))
    np.testing.assert_array_equal(other.coef_, one.coef_)
    np.testing.assert_array_equal(other.intercept_, one.intercept_)
    # a weight a row is the same weight in every column
    row = weight[:, 0]
    one.fit(X, Y, row)
    other.fit(X, Y, np.repeat(row[:, None], 3, axis=1))
    np.testing.assert_array_equal(other.coef_, one.coef_)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_dense_is_sparse(penalty, kind, layout, fit_intercept):
    X, y, tasks = draw(kind, n=80, d=6, layout=layout)
    X[np.abs(X) < 0.7] = 0.0
    options = {"fit_intercept": fit_intercept, "tol": TOL}
    dense = make(penalty, kind, 0.3, **options).fit(X, y, tasks=tasks)
    coo = sparse.coo_array(X)
    est = make(penalty, kind, 0.3, **options).fit(coo.tocsr(), y, tasks=tasks)
    assert_as_good(est, dense.coef_, dense.intercept_, X, y, tasks=tasks)
    np.testing.assert_allclose(
        est.predict(coo, tasks=tasks), est.predict(X, tasks=tasks), rtol=1e-12
    )


@pytest.mark.parametrize("mean", [1e2, 1e4, 1e8])
@pytest.mark.parametrize("layout", ["rows", "columns", "missing"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_shift_of_sparse_columns(penalty, kind, layout, mean):
    X, y, tasks = draw(kind, d=6, layout="columns" if layout == "missing" else layout)
    if layout == "missing":
        y[np.random.default_rng(0).uniform(size=y.shape) < 0.3] = np.nan
    X[np.abs(X) < 0.7] = 0.0
    shift = mean * np.array([1, 0, -0.3, 0, 0, 2])
    far = X + shift
    X = far - shift  # what rounding has left
    one = make(penalty, kind, 0.3, tol=TOL).fit(X, y, tasks=tasks)
    other = make(penalty, kind, 0.3, tol=TOL)
    other.fit(sparse.csr_array(far), y, tasks=tasks)
    intercept = other.intercept_ + other.coef_ @ shift
    assert_as_good(one, other.coef_, intercept, X, y, tasks=tasks)
    null = NaiveProblem(one, X, y, None, tasks).null_value()
    assert other.dual_gap_ <= TOL * null * (1 + 1e-9)
    # by rounding the gap may be small enough a check later
    assert other.n_iter_ <= 2 * one.n_iter_ + 10


@pytest.mark.parametrize("kind", KINDS)
def test_every_sparse_format(kind):
    X, y, tasks = draw(kind)
    X[np.abs(X) < 0.7] = 0.0
    coo = sparse.coo_array(X)
    est = make("l21", kind, 0.3).fit(coo.tocsr(), y, tasks=tasks)
    wide = coo.tocsr()
    wide.indices, wide.indptr = wide.indices.astype(int), wide.indptr.astype(int)
    tables = [wide]
    for fmt in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia"):
        tables += [coo.asformat(fmt), sparse.csr_matrix(X).asformat(fmt)]
    for table in tables:
        twin = make("l21", kind, 0.3).fit(table, y, tasks=tasks)
        np.testing.assert_array_equal(twin.coef_, est.coef_)
        found = twin.predict(table, tasks=tasks)
        np.testing.assert_allclose(found, twin.predict(X, tasks=tasks), rtol=1e-12)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_float32_is_float64_to_its_tolerance(penalty, kind, layout):
    X, y, tasks = draw(kind, n=80, layout=layout)
    X = X.astype(np.float32)
    single = make(penalty, kind, 0.3).fit(X, y, tasks=tasks)
    double = make(penalty, kind, 0.3, tol=TOL).fit(X.astype(float), y, tasks=tasks)
    assert single.coef_.dtype == np.float32
    naive = NaiveProblem(double, X.astype(float), y, None, tasks)
    above = naive.objective(single.coef_, single.intercept_) - naive.objective()
    assert -TOL * naive.null_value() <= above <= 2e-6 * naive.null_value()


@pytest.mark.parametrize("scale", [1e-3, 1e4])
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_scale_of_y(penalty, scale):
    X, y, tasks = draw()
    one = make(penalty, "regressor", 0.3, tol=TOL).fit(X, y, tasks=tasks)
    strength = 0.3 * scale if is_gauge(penalty) else 0.3
    other = make(penalty, "regressor", strength, tol=TOL)
    other.fit(X, scale * y, tasks=tasks)
    coef, intercept = other.coef_ / scale, other.intercept_ / scale
    assert_as_good(one, coef, intercept, X, y, tasks=tasks)
    null = NaiveProblem(one, X, y, None, tasks).null_value()
    assert other.dual_gap_ <= TOL * scale**2 * null * (1 + 1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_scale_of_X(penalty, kind, scale):
    X, y, tasks = draw(kind)
    one = make(penalty, kind, 0.3, tol=TOL).fit(X, y, tasks=tasks)
    strength = 0.3 * (scale if is_gauge(penalty) else scale**2)
    other = make(penalty, kind, strength, tol=TOL).fit(scale * X, y, tasks=tasks)
    assert_as_good(one, other.coef_ * scale, other.intercept_, X, y, tasks=tasks)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_shift_of_X(penalty, kind, layout):
    X, y, tasks = draw(kind, layout=layout)
    one = make(penalty, kind, 0.3, tol=TOL).fit(X, y, tasks=tasks)
    shift = np.array([1e3, -1e4, 0.0, 50.0])
    other = make(penalty, kind, 0.3, tol=TOL).fit(X + shift, y, tasks=tasks)
    intercept = other.intercept_ + other.coef_ @ shift
    assert_as_good(one, other.coef_, intercept, X, y, tasks=tasks)
    # by rounding the gap may be small enough a check later
    assert other.n_iter_ <= one.n_iter_ + 10


# such as seconds since 1970
@pytest.mark.parametrize("offset", [1e8, -1.7e9])
@pytest.mark.parametrize("layout", ["rows", "columns", "missing", "sparse"])
@pytest.mark.parametrize("penalty", [*EACH_KIND, "mean-free"])
def test_shift_of_y(penalty, layout, offset):
    X, y, tasks = draw(layout="columns" if layout == "missing" else layout[:7])
    if layout == "missing":
        y[np.random.default_rng(0).uniform(size=y.shape) < 0.3] = np.nan
    X = X * (X > 0) if layout == "sparse" else X
    given = sparse.csr_array(X) if layout == "sparse" else X
    far = y + offset
    y = far - offset  # what rounding has left
    free = {"alpha_mean": 0.0} if penalty == "mean-free" else {}
    name = "mean" if free else penalty
    one, other = (
        make(name, "regressor", 0.3, tol=TOL, **free).fit(given, target, tasks=tasks)
        for target in (y, far)
    )
    intercept = other.intercept_ - offset
    assert_as_good(one, other.coef_, intercept, X, y, tasks=tasks)
    # a Newton step more where rounding drops one
    assert other.n_iter_ <= 2 * one.n_iter_ + 10
    rounding = 4 * np.finfo(float).eps * abs(offset)
    null = NaiveProblem(one, X, y, None, tasks).null_value()
    assert other.dual_gap_ <= 2 * TOL * null + 3 * rounding**2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", EACH_KIND)
def test_task_weights_scale_with_the_strengths(penalty, kind):
    X, y, tasks = draw(kind)
    c = np.array([0.5, 1.0, 3.0])
    one = make(penalty, kind, 0.3, tol=TOL, task_weight=c).fit(X, y, tasks=tasks)
    other = make(penalty, kind, 0.3 * 8, tol=TOL, task_weight=8 * c)
    other.fit(X, y, tasks=tasks)
    # F is 8 times that of the first
    assert_as_good(one, other.coef_, other.intercept_, X, y, tasks=tasks)
    null = NaiveProblem(other, X, y, None, tasks).null_value()
    assert null == pytest.approx(
        8 * NaiveProblem(one, X, y, None, tasks).null_value(), rel=1e-13
    )
    assert other.dual_gap_ <= TOL * null * (1 + 1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_forms_of_task_weight(kind, layout):
    X, y, tasks = draw(kind, n=70, layout=layout)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=y.shape)
    if layout == "rows":
        totals = np.bincount(tasks, weights=weight)
    else:
        totals = weight.sum(axis=0)
    share = 3 * totals / totals.sum()

    def fit(rule):
        est = make("l21", kind, 0.3, task_weight=rule)
        return est.fit(X, y, weight, tasks=tasks).coef_

    by_name = fit("proportional")
    extra = {9: -1.0, 7: np.nan}  # tasks that are not in this fold
    for rule in (share, list(share), dict(enumerate(share)) | extra):
        np.testing.assert_allclose(fit(rule), by_name, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(fit(np.ones(3)), fit("equal"))
    np.testing.assert_array_equal(fit({2: 1, 1: 1, 0: 1}), fit("equal"))
    assert not np.allclose(by_name, fit("equal"))


def test_task_weight_by_name():
    X, y, tasks = draw()
    names = np.array(["z", "a", "m"], dtype=object)
    # an array follows tasks_, which is sorted; a dict goes by the label
    by_array = GroupLassoRegressor(task_weight=[2.0, 3.0, 1.0])
    by_dict = GroupLassoRegressor(task_weight={"z": 1.0, "a": 2.0, "m": 3.0})
    by_array.fit(X, y, tasks=names[tasks])
    by_dict.fit(X, y, tasks=names[tasks])
    np.testing.assert_array_equal(by_array.coef_, by_dict.coef_)
    doubled = GroupLassoRegressor(0.2, task_weight=[4.0, 6.0, 2.0])
    doubled.fit(X, y, tasks=names[tasks])
    np.testing.assert_allclose(doubled.coef_, by_dict.coef_, rtol=0, atol=1e-12)


def test_names_of_columns_key_the_task_weights():
    X, Y, _ = draw(layout="columns")
    frame = pd.DataFrame(Y, columns=FEATURES[:3])
    weights = {"c": 3.0, "a": 1.0, "b": 2.0}
    est = GroupLassoRegressor(task_weight=weights).fit(X, frame)
    plain = GroupLassoRegressor(task_weight=[1.0, 2.0, 3.0]).fit(X, Y)
    assert est.tasks_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(est.coef_, plain.coef_)
