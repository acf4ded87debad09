"""Duality gaps on real data: is ``dual_gap_`` what it says?

    MTLREG_DATA=folder python benchmarks/certificates.py [--data NAME ...] [--quick]

Every fit with the default ``tol`` is held against a long run of the same problem. With
F computed again from ``coef_`` and ``intercept_`` and F0 = F(A = 0, best intercepts),
a fit passes if

- ``dual_gap_`` is at least F - min F, up to 1e-12 F0, and
- ``dual_gap_`` is at most ``tol F0``, or the fit gave a ConvergenceWarning.

min F lies between the reference's F minus its gap and its F. The table shows the
largest F - min F that this leaves; where it is above ``dual_gap_`` but the smallest is
not, the verdict is "open". Any other warning fails, too. Prints a Markdown table, also
to results/certificates.md beside this file; exit status 1 unless every fit passes.
"""

import argparse
import collections
import functools
import pathlib
import sys
import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from _data import (
    Progress,
    blocks,
    data_fit,
    exact_mean_regularised,
    load_data,
    load_school,
    markdown,
    penalty_value,
    standardise,
)
from joblib import Parallel, delayed
from sklearn.base import clone

import mtlreg

ROUNDING = 1e-12
REFERENCE = {"tol": 1e-12, "max_iter": 100_000}
QUICK_REFERENCE = {"tol": 1e-10, "max_iter": 20_000}
RESULTS = pathlib.Path(__file__).parent / "results" / "certificates.md"
HEADER = ["data", "model", "strength", "n_iter", "gap / F0", "F - min F, / F0"]
HEADER += ["reference gap / F0", "warning", "verdict"]


class Table(NamedTuple):
    """Data of one problem; ``tasks`` is None for columns of y or for classes."""

    X: object
    y: np.ndarray
    tasks: np.ndarray | None
    loss: str = "squared"

    def parts(self):
        """Return the list of (X_t, y_t), the classes as -1 and 1."""
        if self.loss == "squared":
            return blocks(self.X, self.y, self.tasks)
        if self.tasks is None:
            labels = self.y[:, None] == np.unique(self.y)
            return blocks(self.X, np.where(labels, 1.0, -1.0))
        return blocks(self.X, np.where(self.y > 0, 1.0, -1.0), self.tasks)


def school():
    X, y, tasks, _ = load_school()
    return Table(standardise(X), y, tasks)


def parkinsons(target):
    data = load_data("parkinsons")
    return Table(standardise(data["X"]), data[target], data["tasks"])


def targets(name):
    data = load_data(name)
    X = np.where(np.isnan(data["X"]), np.nanmedian(data["X"], axis=0), data["X"])
    return Table(standardise(X), data["Y"], None)


def landmine():
    data = load_data("landmine")
    return Table(standardise(data["X"]), data["y"], data["tasks"], "logistic")


def newsgroups(name):
    data = load_data(f"newsgroup_{name}")
    X = sp.csr_array(
        (data["X_data"], data["X_indices"], data["X_indptr"]),
        shape=tuple(data["X_shape"]),
    )
    return Table(X, data["y"], data["tasks"], "logistic")


def digits(name):
    data = load_data(name)
    return Table(standardise(data["X"]), data["label"], None, "logistic")


TABLES = {
    "school": school,
    "parkinsons-total": functools.partial(parkinsons, "y"),
    "parkinsons-motor": functools.partial(parkinsons, "y_motor"),
    "rf1": functools.partial(targets, "rf1"),
    "atp1d": functools.partial(targets, "atp1d"),
    "landmine": landmine,
    "newsgroup-comp-sci": functools.partial(newsgroups, "comp_sci"),
    "newsgroup-rec-talk": functools.partial(newsgroups, "rec_talk"),
    "usps": functools.partial(digits, "usps_kang"),
    "mfeat": functools.partial(digits, "mfeat_digits"),
}
# stem, strengths at their ratio (the leading one first), other parameters
MODELS = {
    "L2,1": ("GroupLasso", {"alpha": 1.0}, {}),
    "L1/Linf": ("GroupLasso", {"alpha": 1.0}, {"norm": "linf"}),
    "L1": ("GroupLasso", {"alpha": 1.0}, {"l1_ratio": 1.0}),
    "sparse L2,1": ("GroupLasso", {"alpha": 1.0}, {"l1_ratio": 0.5}),
    "sparse L1/Linf": ("GroupLasso", {"alpha": 1.0}, {"l1_ratio": 0.5, "norm": "linf"}),
    "trace": ("TraceNorm", {"alpha": 1.0}, {}),
    "dirty L1/Linf": (
        "DirtyModel",
        {"alpha_shared": np.sqrt(2), "alpha_specific": 1.0},
        {"norm": "linf"},
    ),
    "dirty L2,1": (
        "DirtyModel",
        {"alpha_shared": np.sqrt(2), "alpha_specific": 1.0},
        {"norm": "l2"},
    ),
    "mean-regularised": ("MeanRegularized", {"alpha": 1.0}, {}),
}
STRENGTHS = ("alpha_max / 2", "alpha_max / 10", "alpha_max / 100")
MEAN_STRENGTHS = ("grid 25 %", "grid 50 %", "grid 75 %")


def make_model(name, strength, table):
    """Return the estimator of `MODELS` at a strength, unfitted."""
    stem, ratio, options = MODELS[name]
    squared = table.loss == "squared"
    model = getattr(mtlreg, stem + ("Regressor" if squared else "Classifier"))()
    model.set_params(**ratio, **options)
    if stem == "MeanRegularized":
        if squared:
            model.set_params(alpha_mean=0.0)
        grid = mtlreg.alpha_grid(model, table.X, table.y, tasks=table.tasks, n_alphas=5)
        return model.set_params(alpha=grid[1 + MEAN_STRENGTHS.index(strength)])
    largest = mtlreg.alpha_max(model, table.X, table.y, tasks=table.tasks)
    leading = next(iter(ratio.values()))
    factor = largest / leading / float(strength.split("/")[1])
    return model.set_params(**{key: factor * value for key, value in ratio.items()})


def null_objective(parts, loss):
    """Return F at A = 0 and the best intercepts."""
    mean = np.array([y.mean() for _, y in parts])
    intercept = mean if loss == "squared" else 2 * np.arctanh(mean)
    coef = np.zeros((len(parts), parts[0][0].shape[1]))
    return data_fit(parts, coef, intercept, loss=loss)


def fit(model, table, parts):
    """Fit; return F, the gap and the names of the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(table.X, table.y, tasks=table.tasks)
    loss = data_fit(parts, model.coef_, model.intercept_, loss=table.loss)
    names = {warning.category.__name__ for warning in caught}
    return loss + penalty_value(model), model.dual_gap_, names


def reference_run(model, table, parts, options):
    """Return F and the gap of a long run that goes on from the fitted model.

    Mean-regularised least squares have an exact solution instead.
    """
    if isinstance(model, mtlreg.MeanRegularizedRegressor):
        exact = clone(model)
        exact.coef_, exact.intercept_ = exact_mean_regularised(parts, model.alpha)
        loss = data_fit(parts, exact.coef_, exact.intercept_)
        return loss + penalty_value(exact), 0.0
    model.set_params(solver="auto", warm_start=True, **options)
    F, gap, _ = fit(model, table, parts)
    return F, gap


def verdict(gap, smallest, largest, target, warned):
    """Return the verdict on a gap; all numbers are relative to F0.

    Parameters
    ----------
    gap : float
    smallest, largest : float
        Bounds of F - min F.
    target : float
        The ``tol`` of the fit.
    warned : set of str
        Names of the warnings of the fit.
    """
    if warned - {"ConvergenceWarning"}:
        return "OTHER WARNING"
    if smallest > gap + ROUNDING:
        return "GAP TOO SMALL"
    if not (gap <= target * (1 + ROUNDING) or warned):
        return "GAP ABOVE TOL"
    return "ok" if largest <= gap + ROUNDING else "open"


def certify(data, name, strength, solver, reference):
    """Return the cells of a row of the table."""
    table = TABLES[data]()
    parts = table.parts()
    model = make_model(name, strength, table)
    null = null_objective(parts, table.loss)
    tol = model.tol
    F, gap, warned = fit(model.set_params(solver=solver), table, parts)
    n_iter = model.n_iter_
    best, best_gap = reference_run(model, table, parts, reference)
    smallest, largest = (F - best) / null, (F - best + best_gap) / null
    return [
        data,
        name,
        strength,
        str(n_iter),
        f"{gap / null:.1e}",
        f"{largest:.1e}",
        f"{best_gap / null:.1e}" if best_gap else "exact",
        ", ".join(sorted(warned)),
        verdict(gap / null, smallest, largest, tol, warned),
    ]


def parse(arguments):
    parser = argparse.ArgumentParser(
        description="Hold dual_gap_ against long runs, on real data.",
        epilog="MTLREG_DATA names the folder of the data sets.",
    )
    for flag, known in (("--data", TABLES), ("--models", MODELS)):
        parser.add_argument(
            flag,
            nargs="+",
            metavar="NAME",
            choices=known,
            default=list(known),
            help=", ".join(known),
        )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one strength each (alpha_max / 10, grid 50 %%), shorter reference runs",
    )
    parser.add_argument(
        "--solver",
        choices=("auto", "fista"),
        default="auto",
        help="of the fits that are checked; the long runs always take 'auto'",
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Print the table; return the exit status."""
    options = parse(arguments)
    reference = QUICK_REFERENCE if options.quick else REFERENCE
    cases = [
        (data, name, strength)
        for data in options.data
        for name in options.models
        for strength in (MEAN_STRENGTHS if "mean" in name else STRENGTHS)
        if not options.quick or strength in ("alpha_max / 10", "grid 50 %")
    ]
    found = Parallel(n_jobs=options.jobs, return_as="generator")(
        delayed(certify)(*case, options.solver, reference) for case in cases
    )
    progress, counts = Progress(len(cases)), collections.Counter()
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", encoding="utf-8") as file:

        def emit(text):
            print(text, flush=True)
            print(text, file=file, flush=True)

        emit(markdown(HEADER, []))
        for case, cells in zip(cases, found, strict=True):
            emit(markdown(cells, []).splitlines()[0])
            progress.step(", ".join(case))
            counts[cells[-1]] += 1
        emit("\n" + ", ".join(f"{name}: {n}" for name, n in counts.items()))
    return 0 if set(counts) <= {"ok"} else 1


if __name__ == "__main__":
    sys.exit(main())
