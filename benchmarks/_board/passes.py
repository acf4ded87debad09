"""Inside a fit of mtlreg: how often it reads X for a product, and its solver's time.

One pass is a product of all of X, with A, with residuals or with itself. Products of
some columns or of one task count as their share. What block coordinate descent reads of
the columns of its working set, which it copies, does not count, nor do the checks of
the input.
"""

import functools
import statistics
import time
from unittest import mock

_RUNS = 5


def passes(peer, lam, control):
    """Return the passes over X of one fit.

    Parameters
    ----------
    peer : Mtlreg
    lam, control : float
    """
    from mtlreg.problem import design as design_module
    from mtlreg.problem.design import Design, SharedDesign, StackedDesign

    counts = []

    def product(design, A, features=None):
        counts.append(1.0 if features is None else len(features) / design.n_features)

    def adjoint(design, R):
        counts.append(1.0)

    def gram(design, t, weight=None, features=None):
        one_of = 1 if design.cells.offsets is None else design.n_tasks
        product(design, None, features)
        counts[-1] /= one_of

    def grams(X, offsets, weight, features, centred, out):
        counts.append(len(features) / X.shape[1])

    def columns(X, weight, features, centred, out):
        counts.append(weight.shape[1] * len(features) / X.shape[1])

    def largest(design):
        # by the Gram matrices of tall rows, which are counted, or the kernels of wide
        stacked = design.cells.offsets is not None
        n_rows = design.X.shape[0] / (design.n_tasks if stacked else 1)
        if n_rows < design.n_features:
            counts.append(1.0 if stacked or design.same_rows else design.n_tasks)

    counted = [(Design, "gram", gram), (Design, "largest_eigenvalues", largest)]
    for layout in (SharedDesign, StackedDesign):
        counted += [(layout, "_product", product), (layout, "_adjoint", adjoint)]
    counted.append((design_module, "gram_tasks", grams))
    counted.append((design_module, "gram_columns", columns))
    patches = [
        mock.patch.object(kind, name, _counting(getattr(kind, name), note))
        for kind, name, note in counted
    ]
    for patch in patches:
        patch.start()
    try:
        peer.solve(lam, control)
    finally:
        for patch in patches:
            patch.stop()
    return sum(counts)


def solver_seconds(peer, lam, control):
    """Return the median time of the solver alone, without validation and centring.

    Parameters
    ----------
    peer : Mtlreg
    lam, control : float
    """
    from mtlreg.solvers import Solver

    seconds, solve = [], Solver.solve

    def timed(*args, **kwargs):
        start = time.perf_counter()
        solution = solve(*args, **kwargs)
        seconds.append(time.perf_counter() - start)
        return solution

    with mock.patch.object(Solver, "solve", timed):
        for _ in range(_RUNS):
            peer.solve(lam, control)
    return statistics.median(seconds)


def _counting(method, note):
    @functools.wraps(method)
    def counted(*args, **kwargs):
        note(*args, **kwargs)
        return method(*args, **kwargs)

    return counted
