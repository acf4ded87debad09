"""What callers, pickles and readers rely on: signatures, defaults, documented names."""

import dataclasses
import inspect
import pickle

import numpy as np
import pytest

from tests.estimators.cases import (
    BY_RULE,
    CV_ESTIMATORS,
    ESTIMATORS,
    OF_ITS_OWN,
    OTHERWISE,
    draw,
    is_classifier,
    oracle_of,
)
from tests.estimators.test_docstrings import names_in, section

OPTIONS = (
    "ridge=0.0, feature_weight=None, positive=False, fit_intercept=True, "
    "task_column=None, unseen_task='error', task_weight='equal', "
    "max_iter=10000, tol=1e-06, warm_start=False, solver='auto'"
)
CV_OPTIONS = (
    "alphas=100, eps=0.001, cv=None, scoring=None, selection='min', n_jobs=None, "
    "ridge=0.0, feature_weight=None, positive=False, fit_intercept=True, "
    "task_column=None, unseen_task='error', task_weight='equal', "
    "max_iter=10000, tol=1e-06, solver='auto'"
)
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


def signature_of(cls):
    oracle = oracle_of(cls)
    ridge = f"ridge={oracle.ridge}"
    of_kind = "class_weight=None" if is_classifier(cls) else "normalize_y=False"
    if cls in CV_ESTIMATORS:
        options = CV_OPTIONS.replace("eps=0.001", f"eps={oracle.eps}")
        own = [oracle.search_parameters, OF_ITS_OWN.get(cls), options, of_kind]
        own = [part and part.replace("ridge=0.0", ridge) for part in own]
        return f"(*, {', '.join(filter(None, own))})"
    own = oracle.parameters
    options = f"{OPTIONS}, {of_kind}".replace("ridge=0.0", ridge)
    return f"({own}, {options})" if "*" in own else f"({own}, *, {options})"


def attributes_of(cls):
    own = "classes_" if is_classifier(cls) else "y_scale_"
    oracle, names = oracle_of(cls), [*COMMON, own]
    if cls in CV_ESTIMATORS:
        names += [*CV_ATTRIBUTES, *["mse_path_"] * (not is_classifier(cls))]
    beside = OTHERWISE.get(cls, [])
    names += [name for name in beside if name in BY_RULE]
    if cls in CV_ESTIMATORS:
        names += oracle.chosen.split()
    rest = [name for name in beside if name not in BY_RULE]
    return names + oracle.attributes.split() + rest


@pytest.fixture(params=[*ESTIMATORS, *CV_ESTIMATORS], ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def test_signature(cls):
    assert str(inspect.signature(cls)) == signature_of(cls)
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
