"""Growth in n, d and T: measured seconds beside those of the cost model.

The model counts multiply-adds and bytes, and turns them into seconds by two constants
of the machine, the rates of a large matrix product and of a copy, measured at the
start:

    seconds = multiply-adds / rate + bytes / bandwidth

``docs/cost.md`` explains the counts. They leave out what does not grow, and short
vectors reach neither rate: the quotient of measured and model lies above 1, mostly less
so for larger sizes.
"""

import time

import numpy as np

from _board import problems
from _board.judge import Judge
from _board.passes import passes
from _board.peers import Mtlreg
from _board.penalties import L21, Trace

FACTORS = (0.5, 1.0, 2.0)
TOL = 1e-6
FRACTION = 20  # alpha_max over the strength of a fit
WEAK = 1000  # the same where iterations are timed, so that there are enough
ITERATIONS = (5, 65)  # what the second takes more is the time of 60
REPEATS = 7
_BYTES = 8  # of a number


def iteration_on_statistics(n, d, n_tasks, own):
    """Return multiply-adds and bytes of an iteration: H_t a_t of every task."""
    grams = n_tasks if own else 1
    return d * d * n_tasks, _BYTES * (grams * d * d + 8 * d * n_tasks)


def fit_on_rows(n, d, n_tasks, found):
    """Return those of a group lasso fit: passes, and epochs on the support.

    An epoch multiplies each column of the support twice with the residuals.
    """
    X, support = n * d, found["support"]
    epochs = found["n_iter"] * 2 * n * support * n_tasks
    moved = found["passes"] * (X + (n + d) * n_tasks) + found["n_iter"] * n * support
    return found["passes"] * X * n_tasks + epochs, _BYTES * moved


def fit_on_statistics(n, d, n_tasks, found):
    """Return those of a trace norm fit: the Gram matrix, then iterations without X.

    An iteration multiplies with the Gram matrix, forms ``A'A`` and A times its
    eigenvectors, and decomposes ``A'A``, for about ten times its size cubed.
    """
    T = n_tasks
    building = n * d * (d + T)
    one = d * d * T + 2 * d * T**2 + 10 * T**3
    moved = found["passes"] * n * d + found["n_iter"] * (d * d + 10 * d * T)
    return building + found["n_iter"] * one, _BYTES * moved


FITS = {
    "L21 on rows": (
        {"n": 300, "d": 4000, "n_tasks": 16},
        L21(),
        problems.rows(40),
        fit_on_rows,
    ),
    "trace on statistics": (
        {"n": 1000, "d": 300, "n_tasks": 60},
        Trace(),
        problems.low_rank(5),
        fit_on_statistics,
    ),
}
ITERATED = {
    "shared": ({"n": 4000, "d": 200, "n_tasks": 40}, problems.shared),
    "own": ({"n": 400, "d": 60, "n_tasks": 40}, problems.own),
}


def lines():
    """Return the Markdown lines of both tables."""
    rate, bandwidth = _machine()

    def seconds(madds, moved):
        return madds / rate + moved / bandwidth

    found = [
        f"Model: multiply-adds over {rate / 1e9:.0f} G/s plus bytes over "
        f"{bandwidth / 1e9:.0f} GB/s; in brackets measured over model.",
        "",
        "| | size | x 0.5 | x 1 | x 2 |",
        "| --- | --- |" + " ---: |" * 3,
    ]
    for label, (base, make) in ITERATED.items():
        for size, points in _points(base):
            cells = [
                _iteration(sizes, make, label == "own", seconds) for sizes in points
            ]
            head = f"iteration on statistics, {label} X, µs"
            found.append(f"| {head} | {size} | {' | '.join(cells)} |")
    for label, (base, penalty, coefficients, model) in FITS.items():
        for size, points in _points(base):
            cells = [
                _fit(sizes, penalty, coefficients, model, seconds) for sizes in points
            ]
            found.append(f"| fit, {label}, ms | {size} | {' | '.join(cells)} |")
    return found


def _points(base):
    for size in base:
        yield size, [base | {size: round(f * base[size])} for f in FACTORS]


def _machine():
    """Return multiply-adds per second of a product and bytes per second of a copy."""
    A = np.random.default_rng(0).normal(size=(1000, 1000))
    x = np.zeros(4_000_000)
    rate = A.size * len(A) / _least(A.__matmul__, A)
    out = np.zeros_like(x)
    return rate, 2 * x.nbytes / _least(np.copyto, out, x)


def _least(function, *args):
    """Return the least seconds of the processor for a call."""
    return min(_seconds(function, *args) for _ in range(REPEATS))


def _seconds(function, *args):
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def _competitor(make, sizes, penalty, coefficients, fraction):
    arrays = make(**sizes, coefficients=coefficients)
    problem = problems.Problem("growth", *arrays, penalty)
    return Mtlreg(problem), Judge(problem).largest_strength() / fraction


def _iteration(sizes, make, own, seconds):
    """Return the cell of an iteration of FISTA, which are all alike."""
    peer, lam = _competitor(make, sizes, L21(), problems.rows(20), WEAK)
    few, many = (
        peer.estimator(lam, 1e-15, solver="fista", max_iter=most) for most in ITERATIONS
    )
    count = peer.fit(many).n_iter_ - peer.fit(few).n_iter_
    # in turns, as the machine is not always as fast
    times = [
        [_seconds(peer.fit, few), _seconds(peer.fit, many)] for _ in range(REPEATS)
    ]
    measured = np.diff(np.min(times, axis=0)).item() / count
    return _cell(measured, seconds(*iteration_on_statistics(**sizes, own=own)), 1e6)


def _fit(sizes, penalty, coefficients, model, seconds):
    """Return the cell of a fit at solver="auto"."""
    peer, lam = _competitor(problems.shared, sizes, penalty, coefficients, FRACTION)
    fitted = peer.solve(lam, TOL)
    found = {
        "n_iter": fitted.n_iter_,
        "support": int(np.any(fitted.coef_ != 0, axis=0).sum()),
        "passes": passes(peer, lam, TOL),
    }
    measured = _least(peer.solve, lam, TOL)
    return _cell(measured, seconds(*model(**sizes, found=found)), 1e3)


def _cell(measured, predicted, unit):
    quotient = measured / predicted
    return f"{unit * measured:.3g} / {unit * predicted:.3g} ({quotient:.1f})"
