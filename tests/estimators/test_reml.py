"""Strengths by restricted maximum likelihood, against `mixedlm` and written out."""

import warnings

import mixedlm
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from mtlreg import MeanRegularizedRegressor, MeanRegularizedRegressorCV
from tests.estimators.cases import draw

SEARCH_ATTRIBUTES = ["alphas_", "score_path_", "cv_results_", "ratio_", "mse_path_"]


def reml(**params):
    given = {"cv": "reml", "task_weight": "proportional"} | params
    return MeanRegularizedRegressorCV(**given)


def by_mixedlm(table, target, features, group):
    """The diagonal model: criterion, fixed effects, variances, deviations by label."""
    terms = " + ".join(["1", *features])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = mixedlm.lmer(f"{target} ~ {terms} + ({terms} || {group})", data=table)
    names = ["(Intercept)", *features]
    fixed = np.array([found.fixef()[name] for name in names])
    covariance = np.zeros(0)
    for block in found.VarCorr().groups.values():
        covariance = np.append(covariance, list(block.variance.values()))
    deviations = np.column_stack(
        [np.asarray(found.ranef()[group][name], dtype=float) for name in names]
    )
    return found.REMLcrit(), fixed, covariance, found.sigma, deviations


def assert_like_mixedlm(est, expected):
    criterion, fixed, variances, sigma, deviations = expected
    assert -2 * est.log_likelihood_ == pytest.approx(criterion, abs=1e-5)
    np.testing.assert_allclose(est.intercept_.mean(), fixed[0], rtol=1e-5)
    np.testing.assert_allclose(est.mean_coef_[: len(fixed) - 1], fixed[1:], rtol=1e-5)
    assert np.sqrt(est.noise_variance_) == pytest.approx(sigma, rel=1e-5)
    assert est.intercept_variance_ == pytest.approx(variances[0], rel=1e-5, abs=1e-8)
    slopes = np.atleast_1d(est.task_variance_)[: len(fixed) - 1]
    np.testing.assert_allclose(slopes, variances[1:], rtol=1e-5, atol=1e-8)
    own = est.intercept_ - est.intercept_.mean()
    scale = np.abs(deviations).max() + np.abs(fixed).max()
    np.testing.assert_allclose(own, deviations[:, 0], atol=1e-6 * scale)
    both = (est.coef_ - est.mean_coef_)[:, : len(fixed) - 1]
    np.testing.assert_allclose(both, deviations[:, 1:], atol=1e-6 * scale)


def test_sleepstudy():
    """As lme4 prints it, too: Bates, Maechler, Bolker, Walker (2015), section 5."""
    table = mixedlm.load_sleepstudy()
    est = reml(task_column="Subject")
    est.fit(table[["Days", "Subject"]], table["Reaction"])
    assert_like_mixedlm(est, by_mixedlm(table, "Reaction", ["Days"], "Subject"))
    assert -2 * est.log_likelihood_ == pytest.approx(1743.6693, abs=5e-5)
    found = [est.intercept_variance_, est.task_variance_, est.noise_variance_]
    np.testing.assert_allclose(np.sqrt(found), [25.0513, 5.9882, 25.5653], atol=5e-5)
    assert est.intercept_[0] == pytest.approx(252.9178, abs=5e-5)
    assert est.coef_[0, 0] == pytest.approx(19.79078, abs=5e-5)
    assert not est.singular_
    assert est.dual_gap_ < 1e-15 * np.sum(table["Reaction"] ** 2)


@pytest.mark.parametrize("name", ["dyestuff", "dyestuff2"])
def test_dyestuff(name):
    """Random intercepts alone, with a column that says nothing; one is singular."""
    table = getattr(mixedlm, f"load_{name}")()
    est = reml().fit(np.zeros((30, 1)), table["Yield"], tasks=table["Batch"])
    assert_like_mixedlm(est, by_mixedlm(table, "Yield", [], "Batch"))
    assert est.singular_ == (name == "dyestuff2")


def random_table(seed):
    """Rows of a few tasks, some of whose effects do not vary; small enough to judge."""
    rng = np.random.default_rng(seed)
    d, n_tasks = rng.integers(1, 4), rng.integers(3, 15)
    tasks = np.repeat(np.arange(n_tasks), rng.integers(2, 12, n_tasks))
    X = rng.normal(size=(len(tasks), d)) + rng.choice([0.0, 3.0])
    own = rng.normal(size=(n_tasks, d + 1)) * rng.choice([0.0, 0.1, 1.0, 5.0], d + 1)
    y = 1 + X.sum(axis=1) + own[tasks, 0] + np.sum(X * own[tasks, 1:], axis=1)
    table = pd.DataFrame(X, columns=[f"x{j}" for j in range(d)])
    table["y"], table["task"] = y + rng.normal(size=len(y)), [f"{t:02}" for t in tasks]
    return table, list(table.columns[:d])


@pytest.mark.parametrize(
    "seeds", [range(40), pytest.param(range(40, 340), marks=pytest.mark.slow)]
)
def test_the_criterion_is_never_above_that_of_mixedlm(seeds):
    singular = 0
    for seed in seeds:
        table, features = random_table(seed)
        if len(table) <= len(features) + 2:
            continue
        criterion, *_ = by_mixedlm(table, "y", features, "task")
        est = reml(per_feature=True, task_column="task")
        est.fit(table[[*features, "task"]], table["y"])
        assert -2 * est.log_likelihood_ <= criterion + 1e-6, seed
        assert np.isfinite(est.coef_).all()
        singular += est.singular_
    assert 0 < singular < len(seeds)


@pytest.mark.parametrize("per_feature", [False, True])
def test_the_fit_is_that_of_the_strengths(per_feature):
    X, y, tasks = draw(n=120, n_tasks=8)
    est = reml(per_feature=per_feature, tol=1e-10).fit(X, y, tasks=tasks)
    unit = 8 / 120
    np.testing.assert_allclose(
        np.asarray(est.alpha_) * est.task_variance_, unit * est.noise_variance_
    )
    assert np.shape(est.alpha_) == ((4,) if per_feature else ())
    if not per_feature:
        plain = MeanRegularizedRegressor(
            est.alpha_,
            alpha_mean=est.alpha_mean_,
            alpha_intercept=est.alpha_intercept_,
            task_weight="proportional",
            tol=1e-10,
        ).fit(X, y, tasks=tasks)
        np.testing.assert_allclose(est.coef_, plain.coef_, rtol=1e-8)
        np.testing.assert_allclose(est.intercept_, plain.intercept_, rtol=1e-8)


def test_a_variance_of_0_pools_the_slopes():
    rng = np.random.default_rng(0)
    tasks = np.repeat(np.arange(12), 6)
    # the same rows and noise in every task
    X = np.tile(rng.normal(size=(6, 2)), (12, 1))
    noise = np.tile(rng.normal(size=6), 12)
    y = X @ [1.0, -1.0] + rng.normal(size=12)[tasks] + noise
    est = reml().fit(X, y, tasks=tasks)
    assert est.singular_
    assert est.alpha_ == np.inf
    assert est.task_variance_ == 0
    assert np.ptp(est.coef_, axis=0).max() == 0
    options = {"alpha_mean": 0.0, "alpha_intercept": est.alpha_intercept_}
    plain = MeanRegularizedRegressor(np.inf, task_weight="proportional", **options)
    plain.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, plain.coef_, rtol=1e-8)
    np.testing.assert_allclose(est.intercept_, plain.intercept_, rtol=1e-8)


def test_tables_in_other_forms_give_the_same():
    X, Y, _ = draw(n=40, n_tasks=5, layout="columns")
    Y[::7, 1] = Y[::5, 3] = np.nan
    est = reml().fit(X, Y)
    rows, tasks = np.nonzero(np.isfinite(Y))
    for table in (X[rows], sp.csr_array(X[rows])):
        other = reml().fit(table, Y[rows, tasks], tasks=tasks)
        np.testing.assert_allclose(other.coef_, est.coef_, rtol=1e-6)
        assert other.log_likelihood_ == pytest.approx(est.log_likelihood_, rel=1e-9)
    moved = reml().fit(X, 3.0 * Y + 2.0**30)
    assert moved.noise_variance_ == pytest.approx(9 * est.noise_variance_, rel=1e-5)
    assert moved.alpha_ == pytest.approx(est.alpha_, rel=1e-4)
    single = reml().fit(X.astype(np.float32), Y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, est.coef_, rtol=1e-3, atol=1e-4)


def test_weights_divide_the_noise_variance():
    X, y, tasks = draw(n=120, n_tasks=8)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 120)
    weight[::10] = 0.0
    est = reml().fit(X, y, weight, tasks=tasks)
    twice = reml().fit(X, y, 2 * weight, tasks=tasks)
    assert twice.noise_variance_ == pytest.approx(2 * est.noise_variance_, rel=1e-6)
    assert twice.task_variance_ == pytest.approx(est.task_variance_, rel=1e-6)
    assert twice.log_likelihood_ == pytest.approx(est.log_likelihood_, rel=1e-9)
    held = weight > 0
    fewer = reml().fit(X[held], y[held], weight[held], tasks=tasks[held])
    np.testing.assert_allclose(fewer.coef_, est.coef_, rtol=1e-9)


def test_without_intercepts_there_are_slopes_alone():
    X, y, tasks = draw(n=120, n_tasks=8)
    est = reml(fit_intercept=False).fit(X, y, tasks=tasks)
    assert not est.intercept_.any()
    assert est.alpha_intercept_ == est.intercept_variance_ == 0
    options = {"alpha_mean": 0.0, "task_weight": "proportional", "tol": 1e-10}
    plain = MeanRegularizedRegressor(est.alpha_, fit_intercept=False, **options)
    plain.fit(X, y, tasks=tasks)
    np.testing.assert_allclose(est.coef_, plain.coef_, rtol=1e-8)


def test_another_search_leaves_nothing_behind():
    X, y, tasks = draw(n=120, n_tasks=8)
    est = reml().fit(X, y, tasks=tasks)
    assert not any(hasattr(est, name) for name in SEARCH_ATTRIBUTES)
    est.set_params(cv=3, alphas=3).fit(X, y, tasks=tasks)
    assert all(hasattr(est, name) for name in SEARCH_ATTRIBUTES)
    assert not hasattr(est, "noise_variance_")
    before = dict(vars(est))
    with pytest.raises(ValueError, match="constant targets"):
        est.set_params(cv="reml", task_weight="proportional").fit(
            X, np.ones(120), tasks=tasks
        )
    assert {k: v for k, v in vars(est).items() if k.endswith("_")} == {
        k: v for k, v in before.items() if k.endswith("_")
    }


def test_unseen_tasks_get_the_common_coefficients():
    X, y, tasks = draw(n=120, n_tasks=8)
    est = reml(unseen_task="mean").fit(X, y, tasks=tasks)
    found = est.predict(X[:3], tasks=[99, 99, 99])
    expected = X[:3] @ est.mean_coef_ + est.intercept_.mean()
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("params", "remedy"),
    [
        ({"task_weight": "equal"}, "set task_weight='proportional', or use cv=5"),
        ({"task_weight": np.ones(3)}, "set task_weight='proportional', or use cv=5"),
        ({"scoring": "r2"}, "leave it out, or use cv=5"),
        ({"cv": 3, "per_feature": True}, "per_feature=True is for cv='reml'"),
        ({"per_feature": 1}, "per_feature must be"),
    ],
)
def test_refused_parameters(params, remedy):
    X, y, tasks = draw()
    with pytest.raises(ValueError, match=remedy):
        reml(**params).fit(X, y, tasks=tasks)


def test_refused_tables():
    X, y, tasks = draw()
    with pytest.raises(ValueError, match="one task only; use cv=5"):
        reml().fit(X, y)
    with pytest.raises(ValueError, match="more rows than the 5 common coefficients"):
        reml().fit(X[:5], y[:5], tasks=[0, 0, 1, 1, 1])
    with pytest.raises(ValueError, match="constant targets"):
        reml().fit(X, np.full(len(y), 3.0), tasks=tasks)
    exact = np.einsum(
        "ij,ij->i", X, np.random.default_rng(0).normal(size=(3, 4))[tasks]
    )
    with pytest.raises(ValueError, match="finds no noise"):
        reml().fit(X, exact, tasks=tasks)


@pytest.mark.parametrize(
    "option",
    [
        {"ridge": 0.1},
        {"positive": True},
        {"normalize_y": True},
        {"feature_weight": [1.0, 2.0, np.inf, 1.0]},
        {"feature_weight": {"x0": 2.0}},
    ],
)
def test_options_that_the_mixed_model_has_not(option):
    X, y, tasks = draw("regressor")
    model = MeanRegularizedRegressorCV(cv="reml", task_weight="proportional", **option)
    with pytest.raises(ValueError, match="is for the mixed model as it is"):
        model.fit(X, y, tasks=tasks)
