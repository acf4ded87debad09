"""What the models of the family cost over the plain models that they extend.

    python benchmarks/family.py [--only NAME ...] [--list]

A fit at tol=1e-6 of tasks with rows of their own, over one of the plain model on the
same data: the median of a few processor times in one process, one thread of BLAS.
Prints a Markdown table; exit status 1 on a miss.
"""

import sys

import numpy as np
from hard import Fit, Hard, at_share, main

import mtlreg
from mtlreg.datasets import make_multitask_regression


def drawn(structure, n_tasks, n_rows, n_features):
    """Return X, y and tasks of a structure."""
    data = make_multitask_regression(
        n_tasks=n_tasks,
        n_samples=n_rows,
        n_features=n_features,
        structure=structure,
        random_state=0,
    )
    return data.X, data.y, data.tasks


def graph():
    model = mtlreg.GraphRegularizedRegressor(0.1, graph="chain", solver="direct")
    return Fit(model, *drawn("graph", 100, 200, 100))


def mean(fit):
    model = mtlreg.MeanRegularizedRegressor(0.1, alpha_mean=0.001, solver="direct")
    return fit._replace(model=model).run, "mean regularisation"


def relationship():
    data = drawn("low_rank", 50, 100, 200)
    # the strength at which the trace norm at alpha_max / 10 is the optimum
    plain = at_share(mtlreg.TraceNormRegressor(1.0), 10, *data)
    size = np.linalg.norm(plain.run().coef_, "nuc")
    model = mtlreg.TaskRelationshipRegressor(plain.model.alpha / size)
    return Fit(model, *data)


def trace_of_same_optimum(fit):
    size = np.linalg.norm(fit.run().coef_, "nuc")
    model = mtlreg.TraceNormRegressor(fit.model.alpha * size)
    return fit._replace(model=model).run, "trace norm of the same optimum"


def trace_of_equal_rank(fit):
    """Return a fit by the trace norm alone whose rank is that of the common part."""
    rank, alpha = fit.run().rank_, fit.model.get_params()[fit.model._strengths[0]]
    low, high = alpha / 100, alpha * 100
    for _ in range(50):
        alpha = np.sqrt(low * high)
        plain = fit._replace(model=mtlreg.TraceNormRegressor(alpha))
        found = plain.run().rank_
        if found == rank:
            break
        low, high = (alpha, high) if found > rank else (low, alpha)
    return plain.run, f"trace norm of rank {found} for {rank}"


def group_lasso(fit):
    plain = at_share(mtlreg.GroupLassoRegressor(1.0), 10, fit.X, fit.y, fit.tasks)
    return plain.run, "group lasso at alpha_max / 10"


def at_tenth(model, structure):
    return lambda: at_share(model, 10, *drawn(structure, 50, 100, 200))


SIZE = "50 tasks of 100 rows with 200 features"
# name, what it shows, fit, reference, largest ratio
LIMITS = [
    ("graph", "a chain of 100 tasks of 200 rows, directly", graph, mean, 2),
    ("task-relationship", SIZE, relationship, trace_of_same_optimum, 1.5),
    (
        "robust-low-rank",
        f"{SIZE}, alpha_max / 10",
        at_tenth(mtlreg.RobustLowRankRegressor(), "low_rank_outliers"),
        trace_of_equal_rank,
        3,
    ),
    (
        "sparse-low-rank",
        f"{SIZE}, alpha_max / 10",
        at_tenth(mtlreg.SparseLowRankRegressor(), "low_rank_sparse"),
        trace_of_equal_rank,
        3,
    ),
    (
        "robust-mean",
        f"{SIZE}, alpha_max / 10",
        at_tenth(mtlreg.RobustMeanRegressor(), "outliers"),
        group_lasso,
        10,
    ),
]
PROBLEMS = [
    Hard(name, shows, build, reference=reference, ratio=ratio)
    for name, shows, build, reference, ratio in LIMITS
]


if __name__ == "__main__":
    sys.exit(main(PROBLEMS, "Hold times over those of plain models to limits."))
