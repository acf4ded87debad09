"""Compilation: one set of numba options, and a cache that is never stale."""

import contextlib
import functools
import hashlib
import pathlib

import numba
from numba.core import sigutils, types
from numba.core.caching import FunctionCache
from numba.extending import is_jitted, overload

_SUMS = {"reassoc", "contract"}  # may be vectorised, and a NaN stays one


@functools.cache
def source_digest():
    """Digest of every source file of the package, the salt of the kernel cache.

    numba refreshes a cached kernel when its own file changes, but not when a kernel
    that it calls in another file does, not even across an upgrade of the package.
    """
    digest = hashlib.sha256()
    root = pathlib.Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _KernelCache(FunctionCache):
    """numba's cache, without types from outside the package and without its errors.

    An index names the classes of all NamedTuples that its kernel was called with. One
    from outside would be imported by every process, and its kernel never be refreshed.
    """

    def load_overload(self, sig, target_context):
        args, _ = sigutils.normalize_signature(sig)
        if not all(map(_is_own, args)):
            return None
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling may raise
            # a file is cut short or not of this cache; the index starts afresh
            with contextlib.suppress(Exception):
                self.flush()
            return None
        # another process may have given the file to other types in the meantime
        return found if found is None or found.signature.args == args else None

    def save_overload(self, sig, data):
        if all(map(_is_own, data.signature.args)):
            # such as a full disk: the kernel is there, and the next process compiles
            with contextlib.suppress(Exception):
                super().save_overload(sig, data)


def _is_own(kind):
    """Whether the NamedTuples in a numba type are classes of this package."""
    owner = getattr(kind, "instance_class", None)
    if owner is not None and owner.__module__.split(".")[0] != __package__:
        return False
    return all(map(_is_own, kind)) if isinstance(kind, types.BaseTuple) else True


def njit(function, fastmath=False):
    """Compile ``function`` without the GIL, cached where a folder is writable.

    A kernel that calls a kernel of another file must be built inside a function that
    takes `source_digest()` and mention it: numba's cache key contains the values that a
    closure refers to, so any edit of the package makes such a kernel compile anew.
    """
    kernel = numba.njit(nogil=True, error_model="numpy", fastmath=fastmath)(function)
    if is_jitted(kernel):  # unless NUMBA_DISABLE_JIT is set
        # numba raises where it finds no writable cache directory
        with contextlib.suppress(RuntimeError):
            kernel._cache = _KernelCache(function)
    return kernel


def njit_sums(function):
    """As `njit`, for sums that may be taken in any order."""
    return njit(function, fastmath=_SUMS)


def njit_part(function):
    """As `njit_sums`, for the parts of kernels, which are cached with these alone."""
    return numba.njit(nogil=True, error_model="numpy", fastmath=_SUMS)(function)


def chosen_by_type(stub):
    """Make ``stub`` a function whose kernel the type of its first argument selects.

    The first argument is a NamedTuple; ``stub.register(type)`` decorates the plain
    function that is the kernel for a type. Callable from Python and from kernels, and
    unlike a kernel passed as an argument it keeps its callers in the disk cache.
    """
    kernels = {}

    @functools.wraps(stub)
    def call(params, *args):
        return kernels[type(params)](params, *args)

    # params is a numba type here; a tuple type knows the NamedTuple it stands for
    @overload(call, strict=False)
    def compiled(params, *args):
        return kernels.get(getattr(params, "instance_class", None))

    def register(params_type):
        def keep(function):
            kernels[params_type] = function
            return function

        return keep

    call.register = register
    return call


@chosen_by_type
def prox_row(params, j, row, step, scratch):
    """Replace row j by its prox: ``argmin_z h_j(z) + ||z - row||^2 / (2 step)``.

    ``params`` is the NamedTuple of a row penalty, the sum of the ``h_j``; ``scratch``
    is a buffer of the row's dtype, of its length at least.
    """


@chosen_by_type
def solve_row(params, j, z, curvature, row, scratch):
    """Set row j to ``argmin_a sum_t (curvature_t a_t^2 / 2 - z_t a_t) + h_j(a)``.

    ``params`` is the NamedTuple of a row penalty, the sum of the ``h_j``; what ``row``
    held before is where an iterative kernel starts. ``z`` and ``curvature`` may be
    overwritten. ``scratch`` is a buffer of four times the row's length. A task of
    curvature 0 has ``z_t = 0`` and gets 0.
    """


def _build_prox_rows(salt):
    @njit
    def prox_rows(params, matrix, step, scratch):
        salt  # noqa: B018  (in the cache key, see njit)
        for j in range(matrix.shape[0]):
            prox_row(params, j, matrix[j], step, scratch)

    return prox_rows


prox_rows = _build_prox_rows(source_digest())
"""``prox_rows(params, matrix, step, scratch)``: `prox_row` on every row, in place."""


def _build_polar_rows(salt):
    @njit
    def polar_rows(params, matrix, polars, buffers):
        salt  # noqa: B018  (in the cache key, see njit)
        row, scratch = buffers[0], buffers[1]
        for j in range(matrix.shape[0]):
            level = polars[j]
            while level > 0.0:
                inner, square = 0.0, 0.0
                for t in range(row.size):
                    row[t] = matrix[j, t]
                prox_row(params, j, row, level, scratch)
                for t in range(row.size):
                    inner += row[t] * matrix[j, t]
                    square += row[t] * row[t]
                if square == 0.0:
                    break
                following = level * (inner / (inner - square))
                # the rest is rounding
                done = not following > level * (1.0 + 1e-15)
                level = max(level, following)
                if done:
                    break
            polars[j] = level

    return polar_rows


polar_rows = _build_polar_rows(source_digest())
"""``polar_rows(params, matrix, polars, buffers)``: of every row, by `prox_row`.

The polar of a row g is the least s with ``prox(g, s) = 0``. Where P is not 0 there,
``<g, P> / h(P)``, with ``h(P) = <g - P, P> / s``, is more than s and no more than the
polar: Newton's method on the distance of g from s times the dual ball, which is convex
in s. ``polars`` holds a lower bound of each, > 0 unless g is 0, and gets the polars,
``buffers`` is (2, n_tasks).
"""
