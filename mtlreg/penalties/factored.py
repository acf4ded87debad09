"""Matrices of low rank by their factors, and blocks of a sum."""

from typing import NamedTuple

import numpy as np


class Factored(NamedTuple):
    """The matrix ``left right'``; products with it can cost less than with an array."""

    left: np.ndarray  # (n_features, r)
    right: np.ndarray  # (n_tasks, r)

    @property
    def dtype(self):
        return self.left.dtype

    @property
    def array(self):
        """The matrix, C-contiguous."""
        return self.left @ self.right.T

    def any(self):
        """Return whether there are columns, for a matrix that is not 0."""
        return self.rank > 0

    @property
    def shape(self):
        return len(self.left), len(self.right)

    @property
    def square(self):
        """The sum of the squares of the entries."""
        left, right = (factor.T @ factor for factor in self)
        return float(np.vdot(left, right))

    @property
    def rank(self):
        """Number of columns of the factors."""
        return self.left.shape[1]

    @property
    def balanced(self):
        """The same matrix, the columns of both factors scaled to equal norms."""
        left, right = (np.linalg.norm(factor, axis=0) for factor in self)
        scale = np.sqrt(right / left)
        return Factored(self.left * scale, self.right / scale)


class Blocks(NamedTuple):
    """The blocks of a sum, each an array or `Factored`."""

    first: np.ndarray | Factored
    second: np.ndarray | Factored

    @property
    def dtype(self):
        return self.first.dtype

    @property
    def array(self):
        """The stacked blocks."""
        return np.stack([as_array(block) for block in self])


def apply_factored(multiply, A):
    """Return ``multiply(A)`` for a map that acts on columns, of a matrix or factors.

    Parameters
    ----------
    multiply : callable
        ``M -> X M`` for matrices M of any number of columns.
    A : ndarray or Factored
    """
    if isinstance(A, Factored) and 2 * A.left.shape[1] < len(A.right):
        return multiply(A.left) @ A.right.T
    return multiply(as_array(A))


def square(A):
    """Return the sum of the squares of the entries, of a matrix or factors."""
    if isinstance(A, Factored):
        return A.square
    exact = np.asarray(A, dtype=np.float64)
    return float(np.vdot(exact, exact))


def as_array(A):
    """Return a matrix, factors or blocks as an array."""
    return A if isinstance(A, np.ndarray) else A.array
