"""How many threads the linear algebra libraries may take while a problem is solved."""

import threading
from collections import Counter
from contextlib import contextmanager, nullcontext

import numpy as np
import scipy.linalg  # noqa: F401  (its library has to be there to be found)
from threadpoolctl import ThreadpoolController

from mtlreg.problem import costs


def largest_product(n_rows, n_features, n_targets=1):
    """Return the multiply-adds of the largest product that a solve makes.

    Parameters
    ----------
    n_rows : int
        Of the task with the most.
    n_features : int
    n_targets : int
        Tasks that share these rows.
    """
    return float(n_rows) * n_features * max(min(n_rows, n_features), n_targets)


def held_threads(work, n_jobs=1):
    """Return a context in which the libraries take no more threads than pay.

    One where the largest product is small, else what ``n_jobs`` such contexts at once
    leave to each. Of contexts that overlap, in one thread or in several, the smallest
    number counts; at the end of the last the libraries have theirs again.

    Parameters
    ----------
    work : float
        Of `largest_product`.
    n_jobs : int
    """
    if work < costs.THREADED_WORK:
        return _LIBRARIES.at_most(1)
    return nullcontext() if n_jobs == 1 else _LIBRARIES.share(n_jobs)


class _Libraries:
    """The thread pools of the process, whose sizes are no thread's own."""

    def __init__(self):
        self._lock = threading.Lock()
        self._asked = Counter()
        self._pools = None
        self._before = []

    @contextmanager
    def at_most(self, n_threads):
        """Limit the threads of every library."""
        self._ask(n_threads, 1)
        try:
            yield
        finally:
            self._ask(n_threads, -1)

    def share(self, n_jobs):
        """Limit them to an equal part of what the largest library has."""
        with self._lock:
            self._find()
            most = max(self._before, default=1)
        return self.at_most(max(1, most // n_jobs))

    def _find(self):
        if self._pools is None:
            controller = ThreadpoolController().select(user_api="blas")
            self._pools = controller.lib_controllers
        if not self._asked:
            self._before = [pool.num_threads for pool in self._pools]

    def _ask(self, n_threads, change):
        with self._lock:
            self._find()
            now = min(self._asked, default=np.inf)
            self._asked[n_threads] += change
            self._asked += Counter()  # drops what nobody asks for
            then = min(self._asked, default=np.inf)
            for pool, most in zip(self._pools, self._before, strict=True):
                if min(then, most) != min(now, most):
                    _resize(pool, int(min(then, most)))


def _resize(pool, n_threads):
    # since threadpoolctl 3.8 pools listen to the first thread that sets a number,
    # which need not be the one that is the last to give it back
    release = getattr(pool, "clear_controlling_thread", lambda force: None)
    release(force=True)
    pool.set_num_threads(n_threads)
    release(force=True)


_LIBRARIES = _Libraries()
