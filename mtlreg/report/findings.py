"""What models and baselines score on a table, and the fits to all of its rows."""

import contextlib
import warnings
from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from mtlreg.inspection import TransferReport, transfer_report
from mtlreg.inspection.baselines import BASELINES
from mtlreg.report.pipelines import SHARES, search
from mtlreg.report.tables import Table


@dataclass(frozen=True)
class Findings:
    """Scores of all models on the same folds, and their fits to all rows.

    Attributes
    ----------
    table : Table
    reports : dict of TransferReport
        By stem, with the same baselines.
    fits : dict of Pipeline
        By stem.
    caveats : tuple of str
        Of what the folds and the fits warned.
    """

    table: Table
    reports: dict[str, TransferReport]
    fits: dict[str, Pipeline]
    caveats: tuple[str, ...]

    @property
    def best(self):
        """Stem of the best mean score over the tasks."""
        return max(self.reports, key=lambda stem: mean_score(self.reports[stem]))

    def scores(self):
        """Return names and reports of models and baselines, the best one first.

        A baseline has a report too, as if it were the model.
        """
        found, first = [*self.reports.items()], self.reports[self.best]
        for name in first.baselines:
            losses = first.losses | {"model": first.losses[name]}
            found.append((f"{name} fits", replace(first, losses=losses)))
        return sorted(found, key=lambda row: -mean_score(row[1]))


def mean_score(report):
    """Return the mean score over the tasks that have one."""
    scores = report.scores["model"]
    return float(np.mean(scores[np.isfinite(scores)]))


def n_steps():
    """Return how often `examine` announces a step."""
    return 2 * len(SHARES)


def examine(table, *, folds, n_repeats, n_strengths, tol, seed, announce):
    """Score all models against all baselines, and fit them.

    Parameters
    ----------
    table : Table
    folds, n_repeats : int
        Of the outer cross-validation.
    n_strengths : int
        Size of the grid of each strength.
    tol : float
        Tolerance of every fit.
    seed : int
        Of the folds.
    announce : callable
        Is told every step before it is taken, see `n_steps`.

    Returns
    -------
    Findings

    Raises
    ------
    ValueError
        If no task can be scored.
    """
    if table.n_tasks < 2:
        raise ValueError(
            f"{table.tasks_from} has one task only: there is nothing to share. Name "
            f"another --task"
        )
    if table.sizes.max() < folds:
        raise ValueError(
            f"no task of {table.tasks_from} has {folds} rows, one for each of the "
            f"folds: the largest has {table.sizes.max()}. Use fewer --folds, or other "
            f"tasks"
        )
    if not (table.by_task().nunique() > 1).any():
        raise ValueError(
            f"the target {table.target!r} does not vary inside any task of "
            f"{table.tasks_from}: name another --target or --task"
        )
    X, y = table.X, table.named_targets()
    reports, fits, caveats = {}, {}, []
    for stem in SHARES:
        model = search(table, stem, n_strengths, tol)
        announce(f"{stem}: scores in {folds * n_repeats} folds")
        with noting(caveats):
            reports[stem] = transfer_report(
                model,
                X,
                y,
                cv=folds,
                n_repeats=n_repeats,
                random_state=seed,
                # their folds are the same for all models: once, then the cheapest
                baselines=["pooled"] if reports else [*BASELINES],
            )
        announce(f"{stem}: fit to all rows")
        with noting(caveats, f"{stem}: ", ConvergenceWarning):
            fits[stem] = model.fit(X, y)
    first = next(iter(reports.values()))
    reports = {
        stem: replace(
            report,
            losses=first.losses | {"model": report.losses["model"]},
            baselines=first.baselines,
        )
        for stem, report in reports.items()
    }
    return Findings(table, reports, fits, tuple(dict.fromkeys(caveats)))


@contextlib.contextmanager
def noting(caveats, prefix="", category=UserWarning):
    """Append what is warned of to a list, and leave other warnings out.

    The page has of its own what fits warn of other than that they did not converge.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", category)
        yield
    caveats += [f"{prefix}{warning.message}" for warning in caught]
