"""Golden values: known optimal objectives, structures and test errors.

    MTLREG_DATA=folder python benchmarks/golden.py

Fits the public estimators on split 0 of School and on the Multiple Features digits,
computes the objectives again from ``coef_`` and ``intercept_``, and compares with the
values of an independent reference solver; the error rates of the digits are also those
of a public run of another package. Prints a Markdown table; exit status 1 on a miss.
"""

import argparse
import functools
import sys
import time
from typing import NamedTuple

import numpy as np
from _data import (
    Progress,
    blocks,
    data_fit,
    load_data,
    load_school,
    markdown,
    penalty_value,
    row_counts,
    standardise,
    task_metrics,
)
from sklearn.base import clone

from mtlreg import (
    DirtyModelRegressor,
    GroupLassoRegressor,
    MeanRegularizedRegressor,
    TraceNormRegressor,
)

OBJECTIVE_RTOL = 1e-7
PRECISION = {"tol": 1e-10, "max_iter": 100_000}
STRUCTURES = {
    "rank": np.linalg.matrix_rank,
    "rows": lambda A: np.count_nonzero(A.any(axis=1)),
    "non-zeros": np.count_nonzero,
}


class Case(NamedTuple):
    """A fit and what is known of it.

    Attributes
    ----------
    name : str
    model : estimator
    objective : float
        The optimal F, to a relative `OBJECTIVE_RTOL`.
    test : tuple of (str, float, int, float), optional
        Name, value, decimals and tolerance of the error on the test rows.
    structure : tuple of (str, int), optional
        A key of `STRUCTURES` and its value at the optimum.
    n_rows : int, optional
        Digits only: training rows of each digit.
    """

    name: str
    model: object
    objective: float
    test: tuple[str, float, int, float] = ()
    structure: tuple[str, int] = ()
    n_rows: int = 0


class Row(NamedTuple):
    """One comparison of the table."""

    case: str
    quantity: str
    expected: str
    found: str
    ok: bool


def rmse(value, tolerance=0.5e-5):
    """Return the test error of School, by default right to the last decimal."""
    return "rmse_task", value, 5, tolerance


def error_rate(percent):
    """Return the test error of the digits, right to the last decimal."""
    return "errors in %", percent, 2, 0.5e-2


# F = 1/2 sum_t ||y_t - X_t a_t - b_t||^2 + penalty(A). The features of School are
# mostly dummy variables, dependent or constant inside a school, so that for some
# penalties many A have the least F: they predict the training rows alike, but differ in
# their zeros, and some of them in test rows with a value that is new to the school.
# What depends on that choice holds where entries of constant columns are 0 and rows of
# collinear features are treated alike.
SCHOOL = [
    Case("L2,1 above alpha_max: A = 0", GroupLassoRegressor(1e6), 818844.430312),
    Case(
        "trace 400",
        TraceNormRegressor(400.0),
        553556.450847,
        rmse(9.88149),
        ("rank", 14),
    ),
    Case(
        "trace 800",
        TraceNormRegressor(800.0),
        598508.503324,
        rmse(9.81150),
        ("rank", 11),
    ),
    Case(
        "L2,1 400",
        GroupLassoRegressor(400.0),
        572310.038353,
        rmse(9.95407),
        ("rows", 18),
    ),
    Case(
        "L1 80",
        GroupLassoRegressor(80.0, l1_ratio=1.0),
        614740.357997,
        rmse(10.10839),
        ("non-zeros", 800),
    ),
    Case(
        "L1/Linf 1600",
        GroupLassoRegressor(1600.0, norm="linf"),
        542130.609315,
        rmse(10.0628, 1e-3),
    ),
    Case(
        "dirty L1/Linf 1200 + L1 100",
        DirtyModelRegressor(1200.0, 100.0),
        529946.633223,
        rmse(10.092, 1e-3),
    ),
    Case(
        "mean-regularised 100",
        MeanRegularizedRegressor(100.0, alpha_mean=0.0),
        524510.512383,
        rmse(9.81589),
    ),
    Case(
        "mean-regularised 300",
        MeanRegularizedRegressor(300.0, alpha_mean=0.0),
        543687.205151,
        rmse(9.78577),
    ),
]

# F = 1/(2N) ||Y - X A||_F^2 + penalty(A), N rows in all
DIGITS = [
    Case(f"{name}, n = {n}", model, objective, error_rate(percent), n_rows=n)
    for name, model, values in [
        (
            "L1/Linf 0.01",
            GroupLassoRegressor(0.01, norm="linf"),
            [(0.1065352885, 10.26), (0.1309685824, 5.11), (0.1476785659, 3.44)],
        ),
        (
            "L1/Linf 0.02",
            GroupLassoRegressor(0.02, norm="linf"),
            [(0.1654220944, 9.37), (0.1858128329, 5.50), (0.1991215112, 3.75)],
        ),
        (
            "L1 0.001",
            GroupLassoRegressor(0.001, l1_ratio=1.0),
            [(0.0613779204, 11.84), (0.0877429325, 5.44), (0.1076831766, 2.56)],
        ),
    ]
    for n, (objective, percent) in zip((10, 20, 40), values, strict=True)
]


@functools.cache
def school_split():
    """Return (X, y, tasks) of the training and of the test rows of split 0."""
    X, y, tasks, splits = load_school()
    train = splits[0]
    X = standardise(X, train)
    return [(X[rows], y[rows], tasks[rows]) for rows in (train, ~train)]


@functools.cache
def digits_table():
    """Return X, every one of its six tables divided by its maximum, and the labels."""
    data = load_data("mfeat_digits")
    prefix = np.array([name.rstrip("0123456789_") for name in data["feature_names"]])
    X = data["X"].copy()
    for table in np.unique(prefix):
        X[:, prefix == table] /= X[:, prefix == table].max()
    return X, data["label"]


def check_school(case):
    """Fit a case of `SCHOOL`; return its rows of the table."""
    (X, y, tasks), (X_test, y_test, tasks_test) = school_split()
    weight = row_counts(tasks)
    model = clone(case.model).set_params(task_weight=weight, **PRECISION)
    model.fit(X, y, tasks=tasks)
    prediction = model.predict(X_test, tasks=tasks_test)
    loss = data_fit(
        blocks(X, y, tasks),
        model.coef_,
        model.intercept_,
        task_weight=list(weight.values()),
    )
    error = task_metrics(y_test, prediction, tasks_test)["rmse_task"]
    return compare(case, model, loss + penalty_value(model), error)


def check_digits(case):
    """Fit a case of `DIGITS`; return its rows of the table."""
    X, label = digits_table()
    Y = (label[:, None] == np.arange(10)).astype(float)
    rank_in_class = np.cumsum(Y, axis=0)[np.arange(len(Y)), label]
    train = rank_in_class <= case.n_rows
    model = clone(case.model).set_params(fit_intercept=False, **PRECISION)
    model.fit(X[train], Y[train])
    found = np.argmax(model.predict(X[~train]), axis=1)
    loss = data_fit(blocks(X[train], Y[train]), model.coef_, model.intercept_)
    percent = 100 * np.mean(found != label[~train])
    return compare(case, model, loss + penalty_value(model), percent)


def compare(case, model, objective, error):
    """Return the rows of the table for a fitted case."""
    ok = abs(objective - case.objective) <= OBJECTIVE_RTOL * case.objective
    digits = 6 if case.objective > 1 else 10
    expected, found = f"{case.objective:.{digits}f}", f"{objective:.{digits}f}"
    rows = [Row(case.name, "F", expected, found, ok)]
    if case.structure:
        kind, number = case.structure
        count = int(STRUCTURES[kind](model.coef_.T))
        rows.append(Row(case.name, kind, str(number), str(count), count == number))
    if case.test:
        kind, value, digits, tolerance = case.test
        ok = abs(error - value) <= tolerance
        expected = f"{value:.{digits}f}"
        if tolerance > 10**-digits:
            expected = f"{value:g} +- {tolerance:g}"
        rows.append(Row(case.name, kind, expected, f"{error:.{digits}f}", ok))
    return rows


def main(arguments=None):
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Compare fits with known optimal objectives and test errors.",
        epilog="MTLREG_DATA names the folder of the data sets.",
    )
    parser.parse_args(arguments)
    checks = [(check_school, case) for case in SCHOOL]
    checks += [(check_digits, case) for case in DIGITS]
    progress = Progress(len(checks))
    start, rows = time.perf_counter(), []
    for check, case in checks:
        rows += check(case)
        progress.step(case.name)
    print(
        markdown(
            ["fit", "quantity", "expected", "found", "ok"],
            [[*row[:4], "yes" if row.ok else "NO"] for row in rows],
        )
    )
    misses = sum(not row.ok for row in rows)
    seconds = time.perf_counter() - start
    print(f"\n{len(rows)} values, {misses} missed, {seconds:.0f} s")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
