"""What scikit-learn's tools make of an estimator, beside the same made by hand.

A tool is a function of a `Form` of the data: it uses the tool, and returns what this
gives and what the estimator gives without it.
"""

import io
import pickle

import joblib
import numpy as np
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import (
    RFE,
    RFECV,
    SelectFromModel,
    SequentialFeatureSelector,
)
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import (
    PartialDependenceDisplay,
    partial_dependence,
    permutation_importance,
)
from sklearn.linear_model import LinearRegression, RANSACRegressor
from sklearn.metrics import (
    PredictionErrorDisplay,
    RocCurveDisplay,
    mean_squared_error,
    roc_auc_score,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    LearningCurveDisplay,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    ValidationCurveDisplay,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from mtlreg import TraceNormRegressor
from mtlreg.inspection import feature_importance
from tests.estimators.cases import FEATURES
from tests.estimators.forms import FOLDS, Form

ALPHAS = [0.01, 10.0]
TOOLS = {}  # by what the page calls it: its function, and the kind of estimators


def tool(name, kind="regressor"):
    def register(function):
        TOOLS[name] = function, kind
        return function

    return register


@tool("`clone`, pickle, joblib")
def copies(data):
    model, buffer = data.fit(), io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    again = data.fit(estimator=model), pickle.loads(pickle.dumps(model))
    found = [data.predict(one) for one in (*again, joblib.load(buffer))]
    return found, [data.predict(model)] * 3


@tool("`Pipeline`, `ColumnTransformer`")
def pipeline(data):
    numbers = FEATURES if data.column == "school" else slice(0, 4)
    scale = ColumnTransformer(
        [("", StandardScaler(), numbers)], remainder="passthrough"
    )
    steps = Pipeline([("scale", scale), ("model", data.estimator())])
    if data.column == "school":
        steps.set_output(transform="pandas")
    steps.fit(data.X, data.y, **data.metadata)
    found = data.predict(steps), data.score(steps)
    other = Form(scale.fit_transform(data.X), data.y, data.metadata, data.column)
    model = other.fit()
    return np.append(*found), np.append(other.predict(model), other.score(model))


def scored(function, data, *args, **options):
    """What a function of the model selection gives, with an error where it fails."""
    options = {"cv": FOLDS, "error_score": "raise"} | options
    return function(data.estimator(), data.X, data.y, *args, **options)


@tool("`cross_val_score`, `cross_validate`")
def cross_validation(data):
    one, other = (
        scored(function, data, params=data.metadata)
        for function in (cross_val_score, cross_validate)
    )
    return [one, other["test_score"]], [data.by_folds()] * 2


@tool('the same with `scoring="neg_mean_squared_error"` and its like')
def scoring(data):
    options = {"params": data.metadata, "scoring": "neg_mean_squared_error"}
    return scored(cross_val_score, data, **options), [
        -mean_squared_error(data.of(test)[1], data.predict(data.fit(train), test))
        for train, test in FOLDS.split(data.X)
    ]


@tool("`cross_val_predict`")
def held_out(data):
    found = cross_val_predict(
        data.estimator(), data.X, data.y, cv=FOLDS, params=data.metadata
    )
    expected = np.empty_like(data.y)
    for train, test in FOLDS.split(data.X):
        expected[test] = data.predict(data.fit(train), test)
    return found, expected


@tool("`learning_curve`, `LearningCurveDisplay`")
def growing(data):
    options = {"train_sizes": [0.5, 1.0]}
    _, _, found = scored(learning_curve, data, params=data.metadata, **options)
    display = scored(
        LearningCurveDisplay.from_estimator,
        data,
        fit_params=data.metadata,
        ax=Figure().subplots(),
        **options,
    )
    return [found[1], display.test_scores[1]], [data.by_folds()] * 2


@tool("`validation_curve`, `ValidationCurveDisplay`")
def strengths(data):
    options = {"param_name": "alpha", "param_range": ALPHAS}
    _, found = scored(validation_curve, data, params=data.metadata, **options)
    display = scored(
        ValidationCurveDisplay.from_estimator,
        data,
        fit_params=data.metadata,
        ax=Figure().subplots(),
        **options,
    )
    expected = [data.by_folds(data.estimator(alpha=alpha)) for alpha in ALPHAS]
    return [found, display.test_scores], [expected] * 2


@tool("`permutation_test_score`")
def permuted_targets(data):
    found, _, _ = permutation_test_score(
        data.estimator(),
        data.X,
        data.y,
        cv=FOLDS,
        n_permutations=1,
        params=data.metadata,
    )
    return found, np.mean(data.by_folds())


def searched(data, search):
    search.fit(data.X, data.y, **data.metadata)
    found = search.best_score_, data.score(search)
    best = data.estimator(**search.best_params_)
    return found, [np.mean(data.by_folds(best)), data.score(data.fit(estimator=best))]


@tool("`GridSearchCV`")
def grid_search(data):
    search = GridSearchCV(
        data.estimator(), {"alpha": ALPHAS}, cv=FOLDS, error_score="raise"
    )
    return searched(data, search)


@tool("`GridSearchCV.predict`")
def predict_of_search(data):
    search = GridSearchCV(data.estimator(), {"alpha": [0.01]}, cv=FOLDS)
    search.fit(data.X, data.y, **data.metadata)
    expected = data.fit(estimator=data.estimator(alpha=0.01))
    return data.predict(search), data.predict(expected)


@tool("`RandomizedSearchCV`")
def random_search(data):
    search = RandomizedSearchCV(
        data.estimator(), {"alpha": ALPHAS}, n_iter=2, cv=FOLDS, error_score="raise"
    )
    return searched(data, search)


@tool("`HalvingGridSearchCV`")
def halving(data):
    search = HalvingGridSearchCV(
        data.estimator(),
        {"alpha": ALPHAS},
        cv=FOLDS,
        min_resources=len(data.y),
        error_score="raise",
    )
    return searched(data, search)


@tool("`TransformedTargetRegressor`")
def transformed(data):
    model = TransformedTargetRegressor(
        data.estimator(), func=np.cbrt, inverse_func=lambda z: z**3
    )
    model.fit(data.X, data.y, **data.metadata)
    return data.predict(model), data.predict(data.fit(y=np.cbrt(data.y))) ** 3


@tool("`VotingRegressor`")
def voting(data):
    parts = [("weak", data.estimator()), ("strong", data.estimator(alpha=10.0))]
    model = VotingRegressor(parts).fit(data.X, data.y, **data.metadata)
    by_hand = [data.predict(data.fit(estimator=part)) for _, part in parts]
    return data.predict(model), np.mean(by_hand, axis=0)


@tool("`StackingRegressor`")
def stacking(data):
    parts = [("part", data.estimator())]
    model = StackingRegressor(parts, LinearRegression(), cv=FOLDS)
    model.fit(data.X, data.y, **data.metadata)
    fold, _ = held_out(data)
    last = LinearRegression().fit(fold[:, None], data.y)
    return data.predict(model), last.predict(data.predict(data.fit())[:, None])


@tool("`StackingRegressor`, the last estimator, `passthrough=True`")
def last_of_a_stack(data):
    first = LinearRegression()
    if data.column == "school":
        numbers = ColumnTransformer([("", "passthrough", FEATURES)])
        first = make_pipeline(numbers, first)
    model = StackingRegressor(
        [("first", first)], data.estimator(), cv=FOLDS, passthrough=True
    )
    model.fit(data.X, data.y, **data.metadata)
    folds = cross_val_predict(first, data.X, data.y, cv=FOLDS)
    Z = np.column_stack([folds, data.X])
    last = Form(Z, data.y, data.metadata, data.column).fit()
    Z[:, 0] = clone(first).fit(data.X, data.y).predict(data.X)
    return data.predict(model), last.predict(Z)


def mean_of_parts(data, model):
    """The mean of what the estimators of a bag give, fitted by hand."""
    parts = [
        (data.other_features(columns), rows)
        for columns, rows in zip(
            model.estimators_features_, model.estimators_samples_, strict=True
        )
    ]
    return np.mean([part.predict(part.fit(rows)) for part, rows in parts], axis=0)


@tool("`BaggingRegressor`")
def bagging(data):
    model = BaggingRegressor(data.estimator(), 3, random_state=0)
    model.fit(data.X, data.y, **data.metadata)
    bags = [data.predict(data.fit(rows)) for rows in model.estimators_samples_]
    return data.predict(model), np.mean(bags, axis=0)


@tool("`BaggingRegressor(max_features=0.5)`")
def bagging_of_features(data):
    model = BaggingRegressor(data.estimator(), 3, max_features=0.5, random_state=0)
    model.fit(data.X, data.y, **data.metadata)
    return data.predict(model), mean_of_parts(data, model)


@tool("`AdaBoostRegressor`")
def boosting(data):
    model = AdaBoostRegressor(data.estimator(), n_estimators=1, random_state=0)
    model.fit(data.X, data.y, **data.metadata)
    rows = np.random.RandomState(0).choice(48, size=48, p=np.full(48, 1 / 48))
    return data.predict(model), data.predict(data.fit(rows))


@tool("`RANSACRegressor`")
def consensus(data):
    model = RANSACRegressor(
        data.estimator(), min_samples=30, random_state=0, max_trials=3
    )
    model.fit(data.X, data.y, **data.metadata)
    return data.predict(model), data.predict(data.fit(model.inlier_mask_))


@tool("`MultiOutputRegressor`")
def outputs(data):
    Y = data.y if data.y.ndim > 1 else np.column_stack([data.y, data.y**2])
    model = MultiOutputRegressor(data.estimator()).fit(data.X, Y, **data.metadata)
    alone = [data.predict(data.fit(y=column)) for column in Y.T]
    return data.predict(model), np.column_stack(alone)


@tool("`RegressorChain`")
def chain(data):
    Y = data.y if data.y.ndim > 1 else np.column_stack([data.y, data.y**2])
    model = RegressorChain(data.estimator()).fit(data.X, Y, **data.metadata)
    found, expected = data.predict(model), np.empty_like(Y)
    for j, target in enumerate(Y.T):
        link = data.estimator().fit(np.column_stack([data.X, Y[:, :j]]), target)
        expected[:, j] = link.predict(np.column_stack([data.X, expected[:, :j]]))
    return found, expected


def selected(data, **options):
    own = data.estimator(alpha=1.6)
    model = SelectFromModel(own, **options).fit(data.X, data.y, **data.metadata)
    used = data.fit(estimator=own).coef_.any(axis=0)
    assert 0 < used.sum() < 4
    kept = data.other_features(np.flatnonzero(used))
    return model.transform(data.X), kept.X


@tool("`SelectFromModel`")
def select(data):
    return selected(data)


@tool("`SelectFromModel(importance_getter=feature_importance)`")
def select_by_importance(data):
    return selected(data, importance_getter=feature_importance)


@tool("`RFE`")
def eliminate(data):
    model = RFE(data.estimator(), n_features_to_select=2 + (data.column is not None))
    model.fit(data.X, data.y, **data.metadata)
    features = [0, 1, 2, 3]
    while len(features) > 2:
        part = data.other_features(features)
        features.pop(np.argmin((part.fit().coef_ ** 2).sum(axis=0)))
    part = data.other_features(features)
    return data.predict(model), part.predict(part.fit())


@tool("`RFECV`")
def eliminate_by_folds(data):
    model = RFECV(data.estimator(), cv=FOLDS, min_features_to_select=2)
    model.fit(data.X, data.y, **data.metadata)
    part = data.other_features(np.flatnonzero(model.support_[:4]))
    return data.predict(model), part.predict(part.fit())


@tool("`SequentialFeatureSelector`")
def sequential(data):
    model = SequentialFeatureSelector(
        data.estimator(), n_features_to_select=1, cv=FOLDS
    )
    model.fit(data.X, data.y, **data.metadata)
    scores = [np.mean(data.other_features([j]).by_folds()) for j in range(4)]
    return model.get_support(), np.arange(4) == np.argmax(scores)


@tool("`permutation_importance`")
def importance(data):
    model, score = data.fit(), data.score(data.fit())
    found = permutation_importance(
        model, data.X, data.y, n_repeats=1, random_state=0
    ).importances[:, 0]
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max + 1)
    expected = []
    for j in range(data.X.shape[1]):
        X, order = data.X.copy(), np.arange(48)
        np.random.RandomState(seed).shuffle(order)
        values = np.asarray(X)[order, j]
        if data.column == "school":
            X.isetitem(j, values)
        else:
            X[:, j] = values
        expected.append(score - model.score(X, data.y))
    return found, expected


@tool("`partial_dependence`, `PartialDependenceDisplay`")
def dependence(data):
    model, options = data.fit(), {"grid_resolution": 5}
    curve = partial_dependence(model, data.X, [0], **options)
    display = PartialDependenceDisplay.from_estimator(
        model, data.X, [0], target=0, ax=Figure().subplots(), **options
    )
    (drawn,) = display.pd_results
    rises = np.diff([curve["average"], drawn["average"]])
    steps = np.diff(curve["grid_values"][0])
    slopes = model.coef_[:, 0] if data.y.ndim > 1 else [model.coef_[:, 0].mean()]
    expected = np.outer(slopes, steps)
    return rises, [expected, expected]


@tool("`FrozenEstimator`")
def frozen(data):
    model = FrozenEstimator(data.fit())
    return data.predict(model.fit(data.X, data.y)), data.predict(data.fit())


@tool("`FeatureUnion`")
def union(data):
    own = TraceNormRegressor(0.01, task_column=data.column)
    both = FeatureUnion([("a", own)])
    found = both.fit(data.X, data.y, **data.metadata).transform(data.X)
    return found, data.fit(estimator=own).transform(data.X)


@tool("`OneVsRestClassifier`", "classifier")
def one_vs_rest(data):
    y = data.y if data.y.ndim > 1 else data.y + np.arange(48) % 2
    model = OneVsRestClassifier(data.estimator()).fit(data.X, y, **data.metadata)
    each = y.T if y.ndim > 1 else [(y == k).astype(int) for k in range(3)]
    alone = [data.predict(data.fit(y=one), method="decision_function") for one in each]
    found = np.array(alone).T
    return data.predict(model), found > 0 if y.ndim > 1 else found.argmax(axis=1)


@tool("`OneVsOneClassifier`", "classifier")
def one_vs_one(data):
    model = OneVsOneClassifier(data.estimator()).fit(data.X, data.y, **data.metadata)
    return data.predict(model), data.predict(data.fit())


@tool("`CalibratedClassifierCV`", "classifier")
def calibrated(data):
    model = CalibratedClassifierCV(data.estimator(), cv=FOLDS, ensemble=False)
    model.fit(data.X, data.y, **data.metadata)
    found = data.predict(model, method="predict_proba")[:, 1]
    order = np.argsort(data.predict(data.fit(), method="decision_function"))
    return np.argsort(found), order


def above(data, model):
    """The predictions of a threshold, and the same by hand."""
    model.fit(data.X, data.y, **data.metadata)
    chance = data.predict(data.fit(), method="predict_proba")[:, 1]
    threshold = getattr(model, "best_threshold_", 0.3)
    return data.predict(model), (chance >= threshold).astype(float)


@tool("`FixedThresholdClassifier`", "classifier")
def fixed_threshold(data):
    return above(data, FixedThresholdClassifier(data.estimator(), threshold=0.3))


@tool("`TunedThresholdClassifierCV`", "classifier")
def tuned_threshold(data):
    model = TunedThresholdClassifierCV(data.estimator(), cv=FOLDS)
    return above(data, model)


@tool("`SelfTrainingClassifier`", "classifier")
def self_training(data):
    y = data.y.astype(int)
    y[::4] = -1
    model = SelfTrainingClassifier(data.estimator(), max_iter=1)
    model.fit(data.X, y, **data.metadata)
    known = np.flatnonzero(model.transduction_ != -1)
    by_hand = data.fit(known, y=model.transduction_[known])
    return data.predict(model), data.predict(by_hand)


@tool("`PredictionErrorDisplay`")
def errors_display(data):
    display = PredictionErrorDisplay.from_estimator(
        data.fit(), data.X, data.y, subsample=None, ax=Figure().subplots()
    )
    return display.y_pred, data.predict(data.fit())


@tool("`RocCurveDisplay`", "classifier")
def roc_display(data):
    display = RocCurveDisplay.from_estimator(
        data.fit(), data.X, data.y, ax=Figure().subplots()
    )
    decisions = data.predict(data.fit(), method="decision_function")
    return display.roc_auc, roc_auc_score(data.y, decisions)
