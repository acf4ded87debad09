"""What callers, pickles and readers rely on: signatures, defaults, documented names."""

import dataclasses
import inspect
import pickle
from typing import NamedTuple

import numpy as np
import pytest

from tests.estimators.cases import CV_ESTIMATORS, ESTIMATORS, draw, is_classifier
from tests.estimators.test_docstrings import names_in, section


class Stem(NamedTuple):
    """Signatures without and with cross-validation, attributes of both and of each."""

    signature: str
    cv_signature: str
    attributes: str
    chosen: str


OPTIONS = (
    "fit_intercept=True, task_column=None, unseen_task='error', task_weight='equal', "
    "max_iter=10000, tol=1e-06, warm_start=False, solver='auto'"
)
CV_OPTIONS = (
    "alphas=100, eps=0.001, cv=None, scoring=None, selection='min', n_jobs=None, "
    "fit_intercept=True, task_column=None, unseen_task='error', task_weight='equal', "
    "max_iter=10000, tol=1e-06, solver='auto'"
)
STEMS = {
    "MeanRegularized": Stem(
        f"(alpha=0.1, *, alpha_mean=0.001, {OPTIONS})",
        f"(*, ratios=(0.01, 0.1, 1.0), {CV_OPTIONS})",
        "mean_coef_",
        "alpha_ alpha_mean_ ratio_ ratios_",
    ),
    "GroupLasso": Stem(
        f"(alpha=0.1, *, l1_ratio=0.0, norm='l2', {OPTIONS})",
        f"(*, l1_ratio=0.0, norm='l2', {CV_OPTIONS})",
        "support_",
        "alpha_ ratio_ ratios_",
    ),
    "TraceNorm": Stem(
        f"(alpha=0.1, *, {OPTIONS})",
        f"(*, {CV_OPTIONS})",
        "rank_ components_",
        "alpha_",
    ),
    "DirtyModel": Stem(
        f"(alpha_shared=0.14, alpha_specific=0.1, *, norm='linf', {OPTIONS})",
        f"(*, ratios=None, norm='linf', {CV_OPTIONS})",
        "shared_coef_ specific_coef_",
        "alpha_shared_ alpha_specific_ ratio_ ratios_",
    ),
}
COMMON = [
    "coef_",
    "intercept_",
    "tasks_",
    "n_iter_",
    "dual_gap_",
    "coef_feature_names_",
    "n_features_in_",
    "feature_names_in_",
]
CV_ATTRIBUTES = ["alphas_", "score_path_", "task_score_path_", "cv_results_"]


def stem_of(cls):
    """The stem and whether it is the one with cross-validation."""
    name = cls.__name__.removesuffix("CV")
    name = name.removesuffix("Regressor").removesuffix("Classifier")
    return STEMS[name], cls in CV_ESTIMATORS


def attributes_of(cls):
    stem, with_cv = stem_of(cls)
    names = [*COMMON, "classes_" if is_classifier(cls) else "y_scale_"]
    if with_cv:
        names += [*CV_ATTRIBUTES, *["mse_path_"] * (not is_classifier(cls))]
        names += stem.chosen.split()
    return names + stem.attributes.split()


@pytest.fixture(params=[*ESTIMATORS, *CV_ESTIMATORS], ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def test_signature(cls):
    stem, with_cv = stem_of(cls)
    expected = stem.cv_signature if with_cv else stem.signature
    own = "class_weight=None" if is_classifier(cls) else "normalize_y=False"
    assert str(inspect.signature(cls)) == f"{expected[:-1]}, {own})"
    parameters = inspect.signature(cls).parameters
    assert cls().get_params() == {name: p.default for name, p in parameters.items()}
    assert vars(cls()) == cls().get_params()


def test_order_in_the_docstring(cls):
    assert list(inspect.signature(cls).parameters) == names_in(
        section(cls.__doc__, "Parameters")
    )
    assert names_in(section(cls.__doc__, "Attributes")) == attributes_of(cls)


def test_pickles_name_the_public_class_and_hold_the_state(cls):
    module, name = cls.__module__, cls.__qualname__
    assert module.startswith("mtlreg.estimators.")
    assert module.rsplit(".", 1)[1].replace("_", "") in name.lower()
    X, y, tasks = draw("classifier" if is_classifier(cls) else "regressor")
    est = cls(**{"alphas": 4} if cls in CV_ESTIMATORS else {})
    assert vars(pickle.loads(pickle.dumps(est))) == vars(est)
    est.fit(X, y, tasks=tasks)
    twin = pickle.loads(pickle.dumps(est))
    assert type(twin) is cls
    np.testing.assert_equal(vars(twin), vars(est))
    found, expected = (e.predict(X, tasks=tasks) for e in (twin, est))
    np.testing.assert_array_equal(found, expected)


def test_an_estimator_is_no_dataclass(cls):
    # what takes objects by their fields (hashes, copies) would miss the fitted state
    assert not dataclasses.is_dataclass(cls)
