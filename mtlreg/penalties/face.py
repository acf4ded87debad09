"""The moves along which a row penalty is smooth at a point."""

from typing import NamedTuple

import numpy as np


class Face(NamedTuple):
    """The face of a row penalty at A: the moves along which it is smooth there.

    All are arrays of the shape and precision of A. Entries that are neither free nor
    tied stay as they are.
    """

    free: np.ndarray  # 1 for an entry that moves on its own, else 0
    tied: np.ndarray  # a unit vector a row: the direction of entries that move as one
    slope: np.ndarray  # its projection to the face is the gradient of the penalty
    bend: np.ndarray  # the Hessian of a row is diag(bend) - direction direction'
    direction: np.ndarray
    ratio: np.ndarray  # the slope over the entry

    def project(self, V):
        """Return the projection of V to the face."""
        along = np.sum(self.tied * V, axis=1, keepdims=True)
        return self.free * V + self.tied * along

    def curve(self, V):
        """Return the Hessian of the penalty times V."""
        along = np.sum(self.direction * V, axis=1, keepdims=True)
        return self.bend * V - self.direction * along


def linear_face(A, slope):
    """Return the `Face` of a penalty that is linear in the entries of A that are not 0.

    Parameters
    ----------
    A : ndarray of shape (n_features, n_tasks)
    slope : float or ndarray like A
        What the penalty grows by with the magnitude of an entry.
    """
    zero = np.zeros_like(A)
    free = A != 0
    ratio = np.divide(slope, np.abs(A), out=np.zeros_like(A), where=free)
    return Face(free.astype(A.dtype), zero, slope * np.sign(A), zero, zero, ratio)


def norm_face(A, members, alpha):
    """Return the `Face` of ``alpha_j`` times the norm of some entries of a row.

    Parameters
    ----------
    A : ndarray of shape (n_features, n_tasks)
    members : ndarray of bool like A
    alpha : float or ndarray of shape (n_features, 1)
    """
    part = np.where(members, A, 0)
    # in units of the largest, against overflow
    largest = np.max(np.abs(part), axis=1, keepdims=True)
    unit = part / np.where(largest > 0, largest, 1)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    unit /= np.where(length > 0, length, 1)
    size = length * largest
    bend = np.divide(alpha, size, out=np.zeros_like(size), where=size > 0)
    free = members.astype(A.dtype)
    zero = np.zeros_like(A)
    bend = bend * free
    return Face(free, zero, alpha * unit, bend, np.sqrt(bend) * unit, bend)


def tied_face(A, tied, alpha):
    """Return the `Face` of ``alpha_j`` times the magnitude that some entries share.

    All others are free and cost nothing.

    Parameters
    ----------
    A : ndarray of shape (n_features, n_tasks)
    tied : ndarray of bool like A
        Entries of one magnitude in a row.
    alpha : float or ndarray of shape (n_features, 1)
    """
    signs = np.where(tied, np.sign(A), 0).astype(A.dtype)
    count = np.maximum(np.sum(tied, axis=1, keepdims=True), 1).astype(A.dtype)
    zero = np.zeros_like(A)
    free = (~tied).astype(A.dtype)
    slope = alpha * signs / count
    ratio = np.divide(slope, A, out=np.zeros_like(A), where=tied)
    return Face(free, signs / np.sqrt(count), slope, zero, zero, ratio)
