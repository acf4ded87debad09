"""Deviations by several groupings at once, against normal equations in full."""

import inspect
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mtlreg import (
    CrossedMeanRegularizedRegressor,
    GroupLassoClassifier,
    MeanRegularizedRegressor,
)
from tests.estimators.test_docstrings import names_in, section

DESIGNS = ["crossed", "nested", "three"]
# alpha, alpha_mean, alpha_intercept, fit_intercept
STRENGTHS = {
    "one": (0.1, 0.001, None, True),
    "several": ([0.1, 0.03, 0.5], 0.2, [0.3, 0.05, 0.1], True),
    "free intercepts": ([0.1, 0.3, 0.1], 0.0, [0.2, 0.0, 0.1], True),
    "common slopes": ([np.inf, 0.3, 0.2], 0.0, [0.05, np.inf, 0.1], True),
    "no intercept": ([0.02, 0.3, 0.1], 0.01, None, False),
}


def draw(design="crossed", seed=0, n=150, d=3):
    """A table with the columns of labels first and last, its target and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[:, 0] += 1.0
    product = np.append(rng.integers(0, 12, n - 12), np.arange(12))
    store = product // 3 if design == "nested" else rng.integers(0, 5, n)
    columns = [store, product]
    if design == "three":
        columns.append(rng.integers(0, 4, n))
    table = np.column_stack([store, X, *columns[1:]]).astype(float)
    y = 2.0 + X @ rng.normal(size=d) + rng.normal(size=n)
    for labels in columns:
        effects = rng.normal(size=(labels.max() + 1, d + 1))
        y += np.sum(effects[labels, :d] * X, axis=1) + effects[labels, d]
    return table, y, rng.uniform(0.5, 2.0, n)


def columns_of(table, d=3):
    return [0, *range(d + 1, table.shape[1])]


def make(table, strengths, **options):
    alpha, alpha_mean, alpha_intercept, fit_intercept = strengths
    columns = columns_of(table)
    alpha, alpha_intercept = (
        value[: len(columns)] if isinstance(value, list) else value
        for value in (alpha, alpha_intercept)
    )
    return CrossedMeanRegularizedRegressor(
        columns,
        alpha,
        alpha_mean=alpha_mean,
        alpha_intercept=alpha_intercept,
        fit_intercept=fit_intercept,
        **options,
    )


def spread(value, n_columns):
    values = [value] * n_columns if np.ndim(value) == 0 else list(value)
    return np.array(values, dtype=float)


class Dense:
    """The objective as the docstring has it, with a column for each coefficient.

    Without the constraint that deviations have the sum 0, but for a basis of what has.
    """

    def __init__(self, table, y, weight, est):
        self.columns = columns = columns_of(table)
        X = np.delete(table, columns, axis=1)
        n, self.d = X.shape
        self.intercept = est.fit_intercept
        self.rows = np.column_stack([X, np.ones(n)]) if self.intercept else X
        self.q = self.rows.shape[1]
        self.y, self.v = y, weight / weight.sum()
        alpha = spread(est.alpha, len(columns))
        own = est.alpha if est.alpha_intercept is None else est.alpha_intercept
        own = spread(own, len(columns))
        parts, penalty = [self.rows], [np.append(np.full(self.d, est.alpha_mean), 0.0)]
        penalty[0] = penalty[0][: self.q]
        self.bases = [np.eye(self.q)]
        for k, column in enumerate(columns):
            labels, codes = np.unique(table[:, column], return_inverse=True)
            T = len(labels)
            part = np.zeros((n, T, self.q))
            part[np.arange(n), codes] = self.rows
            centred = np.linalg.svd(np.eye(T) - 1 / T)[0][:, : T - 1]
            strength = np.append(np.full(self.d, alpha[k]), own[k])[: self.q]
            basis = np.kron(centred, np.diag(np.where(strength < np.inf, 1.0, 0.0)))
            parts.append(part.reshape(n, -1) @ basis)
            finite = np.where(strength < np.inf, strength, 1.0)
            penalty.append(np.tile(finite / T, T - 1))
            self.bases.append(basis)
        self.design, self.penalty = np.hstack(parts), np.concatenate(penalty)

    def solve(self):
        """Return the minimum, and the coefficients of each part."""
        weighted = self.v[:, None] * self.design
        H = self.design.T @ weighted + np.diag(self.penalty)
        # what does not exist has a column of zeros
        found = np.linalg.lstsq(H, weighted.T @ self.y, rcond=1e-13)[0]
        left = self.y - self.design @ found
        value = 0.5 * (self.v @ left**2 + self.penalty @ found**2)
        ends = np.cumsum([basis.shape[1] for basis in self.bases])[:-1]
        pairs = zip(self.bases, np.split(found, ends), strict=True)
        parts = [(basis @ part).reshape(-1, self.q) for basis, part in pairs]
        return value, parts

    def parts_of(self, est):
        """The coefficients of an estimator in the same form."""
        common = np.append(est.common_coef_, est.common_intercept_)[None, : self.q]
        parts = [common]
        for column in self.columns:
            both = np.column_stack([est.coef_[column], est.intercept_[column]])
            parts.append(both[:, : self.q])
        return parts


def value_and_gap(dense, est, table):
    """The objective at fitted coefficients and a lower bound, by Fenchel's duality."""
    alpha = spread(est.alpha, len(dense.columns))
    own = est.alpha if est.alpha_intercept is None else est.alpha_intercept
    own = spread(own, len(dense.columns))
    left = dense.y - est.predict(table)
    value = 0.5 * dense.v @ left**2
    value += 0.5 * est.alpha_mean * np.sum(est.common_coef_**2)
    theta, free = dense.v * left, dense.rows[:, dense.d :]
    if est.alpha_mean == 0:
        free = dense.rows
    for k, column in enumerate(dense.columns):
        if dense.intercept and own[k] == 0:
            labels = np.unique(table[:, column])
            free = np.column_stack([free, table[:, [column]] == labels])
    # a dual point: nothing is left of it along what is free
    inside, *_ = np.linalg.lstsq(
        np.sqrt(dense.v)[:, None] * free, theta / np.sqrt(dense.v), rcond=1e-12
    )
    theta = theta - dense.v * (free @ inside)
    dual = theta @ dense.y - 0.5 * np.sum(theta**2 / dense.v)
    if est.alpha_mean > 0:
        along = dense.rows[:, : dense.d].T @ theta
        dual -= 0.5 * np.sum(along**2) / est.alpha_mean
    for k, column in enumerate(dense.columns):
        labels = np.unique(table[:, column])
        G = (table[:, [column]] == labels).T @ (theta[:, None] * dense.rows)
        G -= G.mean(axis=0)
        strength = np.append(np.full(dense.d, alpha[k]), own[k])[: dense.q]
        both = np.column_stack([est.coef_[column], est.intercept_[column]])
        both, T = both[:, : dense.q], len(labels)
        held = (strength > 0) & (strength < np.inf)
        value += 0.5 * np.sum(strength[held] * np.mean(both[:, held] ** 2, axis=0))
        assert not both[:, strength == np.inf].any()
        dual -= 0.5 * np.sum(T / strength[held] * np.sum(G[:, held] ** 2, axis=0))
    return value, value - dual


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("case", STRENGTHS)
@pytest.mark.parametrize("kind", [np.asarray, sp.csc_array, sp.csr_matrix])
def test_the_minimiser_is_that_of_the_normal_equations(design, case, kind):
    table, y, weight = draw(design)
    est = make(table, STRENGTHS[case], tol=0.0).fit(kind(table), y, weight)
    dense = Dense(table, y, weight, est)
    value, parts = dense.solve()
    for found, expected in zip(dense.parts_of(est), parts, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-8)
    predicted = est.predict(kind(table))
    np.testing.assert_allclose(predicted, est.predict(table), atol=1e-12)
    assert value_and_gap(dense, est, table)[0] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("case", STRENGTHS)
def test_the_certificate(case, tol):
    table, y, weight = draw("three", seed=1)
    est = make(table, STRENGTHS[case], tol=tol).fit(table, y, weight)
    dense = Dense(table, y, weight, est)
    value, gap = value_and_gap(dense, est, table)
    # as a difference the gap is known to the rounding of the objective
    assert est.dual_gap_ == pytest.approx(gap, abs=1e-12 * value)
    minimum = dense.solve()[0]
    assert value - minimum <= est.dual_gap_ + 1e-12 * value
    pooled = clone(est).set_params(alpha=np.inf)
    if est.alpha_intercept is not None:
        own = spread(est.alpha_intercept, len(dense.columns))
        pooled.set_params(alpha_intercept=np.where(own > 0, np.inf, 0.0))
    null = value_and_gap(dense, pooled.fit(table, y, weight), table)[0]
    assert 0 <= est.dual_gap_ <= tol * null * (1 + 1e-12)
    for column in est.coef_:
        for part in (est.coef_[column], est.intercept_[column]):
            np.testing.assert_allclose(part.sum(axis=0), 0.0, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.01, 1.0, np.inf])
@pytest.mark.parametrize("alpha_mean", [0.0, 0.02, 3.0])
@pytest.mark.parametrize("alpha_intercept", [0.0, 0.1, np.inf])
def test_one_column_is_mean_regularisation(alpha, alpha_mean, alpha_intercept):
    table, y, weight = draw()
    table = table[:, 1:]
    options = {"alpha_mean": alpha_mean, "alpha_intercept": alpha_intercept}
    est = CrossedMeanRegularizedRegressor(3, alpha, tol=0.0, **options)
    est.fit(table, y, weight)
    twin = MeanRegularizedRegressor(
        alpha, task_column=3, task_weight="proportional", tol=1e-15, **options
    ).fit(table, y, weight)
    np.testing.assert_array_equal(est.tasks_[3], twin.tasks_)
    np.testing.assert_allclose(est.common_coef_, twin.mean_coef_, atol=1e-8)
    np.testing.assert_allclose(
        est.common_coef_ + est.coef_[3], twin.coef_, rtol=0, atol=1e-8
    )
    np.testing.assert_allclose(
        est.common_intercept_ + est.intercept_[3], twin.intercept_, rtol=0, atol=1e-8
    )


def test_without_intercepts_one_column_is_mean_regularisation():
    table, y, weight = draw()
    table = table[:, 1:]
    est = CrossedMeanRegularizedRegressor([-1], fit_intercept=False, tol=0.0)
    twin = MeanRegularizedRegressor(
        task_column=-1, task_weight="proportional", fit_intercept=False, tol=1e-15
    )
    found, expected = (e.fit(table, y, weight).predict(table) for e in (est, twin))
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert est.common_intercept_ == 0
    assert not est.intercept_[-1].any()


def test_slopes_that_the_data_do_not_determine_are_the_shortest():
    table, y, _ = draw(d=2)
    # twice the feature of the position 1, and 5
    table = np.column_stack([table[:, :2], 2 * table[:, 1] + 5.0, table[:, 2:]])
    est = CrossedMeanRegularizedRegressor([0, 4], alpha_mean=0.0, tol=0.0)
    m = est.fit(table, y).common_coef_
    assert m[1] == pytest.approx(2 * m[0], abs=1e-10)
    left = y - est.predict(table)
    assert left.mean() == pytest.approx(0.0, abs=1e-10)


def test_weights_are_copies_and_zero_drops_a_row():
    table, y, _ = draw()
    rng = np.random.default_rng(2)
    weight = rng.integers(0, 3, len(y)).astype(float)
    weight[np.unique(table[:, -1], return_index=True)[1]] = 1.0
    weight[np.unique(table[:, 0], return_index=True)[1]] = 2.0
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    est = make(table, STRENGTHS["several"], tol=0.0)
    found = clone(est).fit(table, y, weight).predict(table)
    expected = clone(est).fit(table[rows], y[rows]).predict(table)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_labels_that_are_unseen_in_one_column_go_by_the_rest():
    table, y, _ = draw()
    est = make(table, STRENGTHS["one"]).fit(table, y)
    new = table[:4].copy()
    new[:, 0] = [77, new[1, 0], 77, new[3, 0]]
    new[:, -1] = [new[0, -1], 99, 99, new[3, -1]]
    with pytest.raises(ValueError, match=r"1 task\(s\) not seen in fit .*0\): \[77\]"):
        est.predict(new)
    est.set_params(unseen_task="mean")
    X, (store, product) = new[:, 1:-1], new[:, [0, -1]].T.astype(int)
    expected = X @ est.common_coef_ + est.common_intercept_
    for column, labels, seen in [(0, store, [1, 3]), (4, product, [0, 3])]:
        for i in seen:
            t = est.tasks_[column].tolist().index(labels[i])
            expected[i] += X[i] @ est.coef_[column][t] + est.intercept_[column][t]
    np.testing.assert_allclose(est.predict(new), expected, rtol=1e-12)


def as_frame(table, library):
    columns = {f"x{j}": table[:, j] for j in range(1, 4)}
    store = [f"s{label:.0f}" for label in table[:, 0]]
    columns |= {"store": store, "product": table[:, -1].astype(int)}
    return library.DataFrame(columns)


@pytest.mark.parametrize("library", [pd, pl])
def test_tables_by_name(library):
    table, y, weight = draw()
    frame = as_frame(table, library)
    est = CrossedMeanRegularizedRegressor(["store", "product"]).fit(frame, y, weight)
    twin = CrossedMeanRegularizedRegressor([0, 4]).fit(table, y, weight)
    np.testing.assert_allclose(est.predict(frame), twin.predict(table), rtol=1e-12)
    assert list(est.coef_) == list(est.intercept_) == ["store", "product"]
    assert est.tasks_["store"].tolist() == [f"s{k}" for k in range(5)]
    assert est.tasks_["product"].tolist() == list(range(12))
    assert est.coef_feature_names_.tolist() == ["x1", "x2", "x3"]
    assert est.feature_names_in_.tolist() == list(frame.columns)
    assert est.n_features_in_ == 5
    assert not hasattr(twin, "feature_names_in_")
    with pytest.raises(ValueError, match="not a column of X"):
        clone(est).set_params(task_column=["shop", "product"]).fit(frame, y)
    with pytest.raises(ValueError, match=r"integers \(task_column 'store'\) here"):
        est.predict(as_frame(table, pd).assign(store=1))


def test_float32_and_read_only_tables_are_taken_as_they_are():
    table, y, weight = draw()
    single = table.astype(np.float32)
    for array in (single, y, weight):
        array.flags.writeable = False
    est = CrossedMeanRegularizedRegressor([0, -1]).fit(single, y, weight)
    twin = clone(est).fit(single.astype(np.float64), y, weight)
    np.testing.assert_array_equal(est.coef_[0], twin.coef_[0])
    assert est.coef_[0].dtype == np.float64


def test_as_scikit_learn_has_it():
    table, y, weight = draw()
    est = make(table, STRENGTHS["several"])
    before = dict(vars(est))
    with pytest.raises(NotFittedError):
        est.predict(table)
    assert est.fit(table, y, weight) is est
    assert {name: vars(est)[name] for name in before} == before
    twin = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(twin.predict(table), est.predict(table))
    assert not hasattr(clone(est), "coef_")
    again = clone(est).fit(table[:, ::-1], y).fit(table, y, weight)
    np.testing.assert_equal(vars(again), vars(est))
    assert est.score(table, y) > 0.5
    with pytest.raises(ValueError, match="y"):
        est.fit(table, y[:-1])
    np.testing.assert_equal(vars(est), vars(twin))


def test_searches_and_pipelines():
    table, y, _ = draw("nested", n=400)
    est = CrossedMeanRegularizedRegressor([0, -1], unseen_task="mean")
    grid = {"alpha": [0.1, [0.01, 1e3], (1e3, 0.01), np.array([1e3, 1e3])]}
    search = GridSearchCV(est, grid, cv=3).fit(table, y)
    by_hand = max(
        cross_val_score(est.set_params(alpha=alpha), table, y, cv=3).mean()
        for alpha in grid["alpha"]
    )
    assert search.best_score_ == pytest.approx(by_hand)
    assert search.predict(table).shape == y.shape
    assert cross_val_predict(est, table, y).shape == y.shape
    pipeline = make_pipeline(FunctionTransformer(), est)
    np.testing.assert_array_equal(
        pipeline.fit(table, y).predict(table), est.fit(table, y).predict(table)
    )


def test_the_docstring_names_every_parameter_and_attribute():
    cls = CrossedMeanRegularizedRegressor
    parameters = inspect.signature(cls).parameters
    assert names_in(section(cls.__doc__, "Parameters")) == list(parameters)
    frame = as_frame(draw()[0], pd)
    est = cls(["store", "product"]).fit(frame, draw()[1])
    fitted = {name for name in vars(est) if name.endswith("_")}
    assert fitted == set(names_in(section(cls.__doc__, "Attributes")))
    for name in ("fit", "predict"):
        method = getattr(cls, name)
        documented = names_in(section(method.__doc__, "Parameters"))
        assert documented == [p for p in inspect.signature(method).parameters][1:]


def test_too_few_iterations_are_told_of():
    table, y, _ = draw()
    est = make(table, STRENGTHS["one"], tol=1e-10, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations the duality gap"):
        est.fit(table, y)
    assert est.n_iter_ == 2
    assert est.dual_gap_ > 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"task_column": []}, r"task_column=\[\] must name the columns"),
        ({"task_column": None}, "task_column=None must name the columns"),
        ({"task_column": [0, -5]}, r"\[0, -5\] has a column twice"),
        ({"task_column": [0, 9]}, "task_column=9 is not a position"),
        ({"task_column": ["store", 0]}, "'store' is a name, but X has no column names"),
        ({"task_column": [0, 1, 2, 3, 4]}, "0 feature"),
        ({"alpha": 0.0}, "alpha == 0"),
        ({"alpha": [0.1, -1.0]}, r"alpha\[1\] == -1"),
        ({"alpha": [0.1, np.nan]}, r"alpha\[1\] must be finite"),
        ({"alpha": [0.1, 0.2, 0.3]}, "has 3 strengths, but task_column has 2 columns"),
        ({"alpha_mean": -1.0}, "alpha_mean"),
        ({"alpha_intercept": [0.0, 0.0]}, "leaves the intercepts of several"),
        ({"alpha_intercept": 0}, "leaves the intercepts of several"),
        ({"alpha_intercept": [0.1]}, "alpha_intercept=.* has 1 strengths"),
        ({"alpha_intercept": 0.1, "fit_intercept": False}, "there are none"),
        ({"fit_intercept": 1}, "fit_intercept must be True or False"),
        ({"unseen_task": "zero"}, "unseen_task must be one of"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1.0}, "tol"),
        ({"alpha": 1e-300}, "alpha is so small"),
    ],
)
def test_parameters_that_cannot_be(parameters, message):
    table, y, _ = draw()
    est = CrossedMeanRegularizedRegressor(**{"task_column": [0, -1]} | parameters)
    before = dict(vars(est))
    with pytest.raises(ValueError, match=message):
        est.fit(table, y)
    assert vars(est) == before


def test_types_that_cannot_be():
    table, y, _ = draw()
    for parameters in (
        {"task_column": [0, 1.5]},
        {"alpha": ["0.1", 1]},
        {"alpha": "a"},
    ):
        est = CrossedMeanRegularizedRegressor(**{"task_column": [0, -1]} | parameters)
        with pytest.raises(TypeError, match=next(iter(parameters))):
            est.fit(table, y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y, w: (X, np.column_stack([y, y]), w), "is 2-D"),
        (lambda X, y, w: (X, None, w), "the target y is None"),
        (lambda X, y, w: (X, y[1:], w), "inconsistent numbers of samples"),
        (lambda X, y, w: (X, np.where(y > 0, np.nan, y), w), "NaN"),
        (lambda X, y, w: (X + 0.5, y, w), "non-integer floats"),
        (lambda X, y, w: (X * [1, np.nan, 1, 1, 1], y, w), "NaN"),
        (lambda X, y, w: (X * [1, 1, 1, 1, np.nan], y, w), "missing task labels"),
        (lambda X, y, w: (X, y, -w), "negative"),
        (
            lambda X, y, w: (X, y, w * (X[:, 0] > 0)),
            r"task\(s\) \[0\] have no observed",
        ),
        (lambda X, y, w: (X, 1e200 * y, w), "overflow"),
        (lambda X, y, w: (X * [1, 1e200, 1, 1, 1], y, w), "overflow"),
        (lambda X, y, w: (X, 1e-200 * y, w), "underflow"),
        (lambda X, y, w: (X * [1, *[1e-200] * 3, 1], y, w), "underflow"),
    ],
)
def test_data_that_cannot_be(change, message):
    X, y, weight = change(*draw())
    with pytest.raises(ValueError, match=message):
        CrossedMeanRegularizedRegressor([0, -1]).fit(X, y, weight)


@pytest.mark.parametrize("alpha_intercept", [0.1, [0.0, 0.1]])
@pytest.mark.parametrize("labels", ["one", "those of the other", "one for every row"])
def test_groupings_that_tell_little(labels, alpha_intercept):
    """The minimum is that of the normal equations, which have many solutions then."""
    table, y, weight = draw()
    first = {"one": 3.0, "those of the other": table[:, 4]}
    table[:, 0] = first.get(labels, np.arange(len(table)))
    strengths = 0.1, 0.001, alpha_intercept, True
    est = make(table, strengths, tol=0.0).fit(table, y, weight)
    dense = Dense(table, y, weight, est)
    found, gap = value_and_gap(dense, est, table)
    assert found == pytest.approx(dense.solve()[0], rel=1e-12, abs=1e-15 * np.sum(y**2))
    assert est.dual_gap_ == pytest.approx(gap, abs=1e-12 * np.var(y))
    if labels == "one":
        assert not est.coef_[0].any()
        assert not est.intercept_[0].any()


def test_several_columns_are_for_the_estimator_that_takes_them():
    table, y, _ = draw()
    for cls in (MeanRegularizedRegressor, GroupLassoClassifier):
        with pytest.raises(TypeError, match="for CrossedMeanRegularizedRegressor"):
            cls(task_column=[0, 4]).fit(table, y > 0)
        with pytest.raises(TypeError, match=r"\(int\) or None\.$"):
            cls(task_column=0.5).fit(table, y > 0)


@pytest.mark.parametrize("scale", [1e-120, 1e120])
def test_targets_in_any_units(scale):
    table, y, _ = draw()
    est = CrossedMeanRegularizedRegressor([0, -1])
    expected = clone(est).fit(table, y).predict(table)
    found = clone(est).fit(table, scale * y).predict(table)
    np.testing.assert_allclose(found / scale, expected, rtol=1e-9)


def test_targets_far_from_zero_and_constant_ones():
    table, y, _ = draw()
    est = CrossedMeanRegularizedRegressor([0, -1], tol=0.0)
    expected = clone(est).fit(table, y).predict(table)
    found = clone(est).fit(table, y + 1e6).predict(table)
    np.testing.assert_allclose(found - 1e6, expected, atol=1e-7)
    constant = clone(est).fit(table, np.full(len(y), 0.1))
    np.testing.assert_allclose(constant.predict(table), 0.1, rtol=1e-12)
    assert constant.dual_gap_ <= 1e-30


def test_coefficients_as_a_frame_and_in_a_few_lines():
    table, y, _ = draw()
    names = ["store", "a", "b", "c", "product"]
    X = pd.DataFrame(table, columns=names)
    model = CrossedMeanRegularizedRegressor(["store", "product"]).fit(X, y)
    frame = model.coef_frame()
    assert frame.index.names == ["task_column", "task"]
    assert list(frame.columns) == list(model.coef_feature_names_)
    for column, coef in model.coef_.items():
        part = frame.loc[column]
        assert list(part.index) == list(model.tasks_[column])
        np.testing.assert_array_equal(part, coef)
    text = model.summary()
    for column, labels in model.tasks_.items():
        assert f"tasks of {column!r}" in text
        assert f"{len(labels)}: " in text
    assert f"{model.dual_gap_:.3g}" in text
    assert "alpha=0.1" in text
    with pytest.raises(NotFittedError):
        clone(model).summary()
