"""Statistics of tasks whose rows come in batches, which are added in place."""

import numpy as np

from mtlreg._numba import njit_sums
from mtlreg.problem.memory import check_room
from mtlreg.sequences.parts import PartStatistics

_ROWS = 128  # that are multiplied with themselves at a time
_FIRST_ROWS = 32  # whose mean the others are taken about
_FEW_ROWS = 12  # of which loops are faster than a call of a library


@njit_sums
def _add(X, y, weight, rows, offsets, places, sums, block, gram, product):
    # z = (x, y) about its mean in the first rows of the task in this batch, to which
    # it is moved from the first of these, so that a constant is exactly 0; a last
    # column of ones gives the sums of z
    total_of, means, squares, counts = sums
    d = X.shape[1]
    origin, shift, left = np.empty(d + 1), np.empty(d + 1), np.empty(d + 1)
    for batch in range(places.size):
        t, first, last = places[batch], offsets[batch], offsets[batch + 1]
        i = rows[first]
        for j in range(d):
            origin[j] = X[i, j]
        origin[d] = y[i]
        shift[:] = 0.0
        part = 0.0
        for k in range(first, min(first + _FIRST_ROWS, last)):
            i = rows[k]
            w = weight[i]
            part += w
            for j in range(d):
                shift[j] += w * (X[i, j] - origin[j])
            shift[d] += w * (y[i] - origin[d])
        for j in range(d + 1):
            origin[j] += shift[j] / part
        total, logarithms = 0.0, 0.0
        left[:] = 0.0
        for start in range(first, last, _ROWS):
            n = min(_ROWS, last - start)
            for k in range(n):
                i = rows[start + k]
                w = weight[i]
                total += w
                for j in range(d):
                    block[k, j] = X[i, j] - origin[j]
                block[k, d] = y[i] - origin[d]
                block[k, d + 1] = 1.0
                if w != 1.0:
                    logarithms += np.log(w)
                    root = np.sqrt(w)
                    for j in range(d + 2):
                        block[k, j] *= root
            if n <= _FEW_ROWS:
                product[:] = 0.0
                for k in range(n):
                    for j in range(d + 2):
                        for p in range(j + 1):
                            product[j, p] += block[k, j] * block[k, p]
            else:
                np.dot(block[:n].T, block[:n], product)
            for j in range(d + 1):
                left[j] += product[d + 1, j]
                for p in range(j + 1):
                    if start == first:
                        gram[j, p] = product[j, p]
                    else:
                        gram[j, p] += product[j, p]
        # merged about the means, as two parts are
        whole = total_of[t] + total
        share = total / whole
        for j in range(d + 1):
            origin[j] += left[j] / total
            shift[j] = origin[j] - means[t, j]
        for j in range(d + 1):
            for p in range(j + 1):
                within = gram[j, p] - left[j] * left[p] / total
                squares[t, j, p] += within + total_of[t] * share * shift[j] * shift[p]
            means[t, j] += share * shift[j]
        total_of[t] = whole
        counts[0, t] += last - first
        counts[1, t] += logarithms


class TaskSums:
    """Sums about the means of z = (x, y), a task after the other in memory.

    Parameters
    ----------
    weight : ndarray of shape (n_tasks,)
    means : ndarray of shape (n_tasks, n_features + 1)
    squares : ndarray of shape (n_tasks, n_features + 1, n_features + 1)
        Of which the lower triangles count.
    counts : ndarray of shape (2, n_tasks)
        Rows, and sums of the logarithms of their weights.
    """

    def __init__(self, weight, means, squares, counts):
        self._arrays = weight, means, squares, counts

    @classmethod
    def empty(cls, n_tasks, n_features):
        """Return the sums of no rows, or raise MemoryError."""
        check_room(n_tasks, n_features)
        width = n_features + 1
        shapes = (n_tasks,), (n_tasks, width), (n_tasks, width, width), (2, n_tasks)
        return cls(*map(np.zeros, shapes))

    @classmethod
    def of_part(cls, part, counts):
        """Return the sums of a `PartStatistics`."""
        found = cls.empty(len(part.weight), len(part.means))
        weight, means, squares, own = found._arrays
        weight[:], own[:] = part.weight, counts
        means[:, :-1], means[:, -1] = part.means.T, part.targets
        gram = part.gram if part.gram.ndim == 3 else part.gram[:, :, None]
        squares[:, :-1, :-1] = np.moveaxis(gram, 2, 0)
        squares[:, -1, :-1], squares[:, -1, -1] = part.cross.T, part.square
        return found

    def part(self):
        """Return the sums as a `PartStatistics`, and the counts."""
        weight, means, squares, counts = self._arrays
        d = means.shape[1] - 1
        gram = np.empty((d, d, len(weight)))
        for j in range(d):
            gram[j, : j + 1] = gram[: j + 1, j] = squares[:, j, : j + 1].T
        means, last = means.T.copy(), squares[:, -1].T.copy()
        part = weight.copy(), means[:-1], means[-1], gram, last[:-1], last[-1]
        return PartStatistics(*part), counts.copy()

    def among(self, n_tasks, places):
        """Return the same as sums of more tasks, the others without rows.

        Parameters
        ----------
        n_tasks : int
        places : ndarray of int
            Of the tasks among them.
        """
        wider = TaskSums.empty(n_tasks, self._arrays[1].shape[1] - 1)
        *sums, counts = wider._arrays
        for whole, part in zip(sums, self._arrays, strict=False):
            whole[places] = part
        counts[:, places] = self._arrays[-1]
        return wider

    def add(self, data, rows, places):
        """Add rows in place.

        Parameters
        ----------
        data : MultiTaskData
            Dense, of which some rows count.
        rows : ndarray of int
            Which they are, in the order of ``data.offsets``; every task has some.
        places : ndarray of int
            The tasks of these.
        """
        width = data.X.shape[1] + 2
        buffers = np.empty((_ROWS, width)), *np.empty((2, width, width))
        y, weight = map(np.ascontiguousarray, (data.y, data.weight))
        _add(data.X, y, weight, rows, data.offsets, places, self._arrays, *buffers)
