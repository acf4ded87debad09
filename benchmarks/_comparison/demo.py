"""The tables of the demo: real ones of scikit-learn, and some from a stated model."""

import numpy as np
from sklearn.datasets import load_diabetes, load_digits

from mtlreg.datasets import make_multitask_classification, make_multitask_regression
from mtlreg.report.tables import make_table


def demo_tables(full):
    return [sensors(), assays(), schools(), diabetes(), digits(full)]


def sensors():
    data = make_multitask_regression(
        n_tasks=30,
        n_samples=25,
        n_features=20,
        structure="low_rank",
        rank=2,
        as_frame=True,
        random_state=0,
    )
    return make_table(
        "sensors (generated)",
        data.frame.rename(columns={"task": "sensor", "target": "reading"}),
        ["reading"],
        "sensor",
        False,
        "Each sensor mixes the same two hidden signals in proportions of its own: its "
        "true slopes combine two vectors that all sensors have in common.",
    )


def assays():
    data = make_multitask_classification(
        n_tasks=10,
        n_samples=50,
        n_features=30,
        structure="group",
        n_informative=4,
        as_frame=True,
        random_state=0,
    )
    return make_table(
        "assays (generated)",
        data.frame.rename(columns={"task": "assay", "target": "active"}),
        ["active"],
        "assay",
        False,
        "Every assay depends on the same 4 of 30 features, but on each of them by an "
        "amount and with a sign of its own.",
    )


def schools():
    data = make_multitask_regression(
        n_tasks=60,
        n_samples=np.random.default_rng(0).integers(8, 60, size=60),
        n_features=15,
        structure="mean",
        noise=3.0,
        as_frame=True,
        random_state=0,
    )
    return make_table(
        "schools (generated)",
        data.frame.rename(columns={"task": "school", "target": "mark"}),
        ["mark"],
        "school",
        False,
        "Schools much alike: the true slopes of each are those common to all, of size "
        "1, plus its own deviations, of size 0.3, under noise of size 3.",
    )


def diabetes():
    data = load_diabetes(as_frame=True, scaled=False)
    sex = data.frame["sex"].map({1.0: "1", 2.0: "2"})
    return make_table(
        "diabetes (real)",
        data.frame.assign(sex=sex).rename(columns={"target": "progression"}),
        ["progression"],
        "sex",
        False,
        "How diabetes went on in a year, from age, body mass index, blood pressure and "
        "six blood values; women and men are the two tasks.",
    )


def digits(full):
    X, y = load_digits(return_X_y=True, as_frame=True)
    frame = X.assign(digit=y)
    return make_table(
        "digits (real)",
        frame if full else frame.sample(200, random_state=0),
        ["digit"],
        None,
        True,
        "Handwritten digits of 8 x 8 pixels; telling a digit from the nine others is a "
        "task, all on the same images.",
    )
