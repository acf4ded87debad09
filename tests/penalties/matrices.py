"""Random matrices, and the penalties of each kind as parameters of a test."""

import numpy as np
import pytest

from mtlreg.penalties import Quadratic
from tests.problems import GAUGE_CASES, PENALTY_CASES

QUADRATIC_CASES = {k: p for k, p in PENALTY_CASES.items() if isinstance(p, Quadratic)}
ROW_CASES = {k: p for k, p in PENALTY_CASES.items() if p.row_separable}
SINGLE_CASES = {k: p for k, p in PENALTY_CASES.items() if p.n_blocks == 1}

every_penalty = pytest.mark.parametrize("name", PENALTY_CASES)
every_gauge = pytest.mark.parametrize("name", GAUGE_CASES)
every_quadratic = pytest.mark.parametrize("name", QUADRATIC_CASES)
every_row_penalty = pytest.mark.parametrize("name", ROW_CASES)
every_single_penalty = pytest.mark.parametrize("name", SINGLE_CASES)


def matrix(penalty, d, n_tasks, rng, scale=1.0):
    """A random variable of a penalty, with ties, zeros and rows of all sizes."""
    blocks = () if penalty.n_blocks == 1 else (penalty.n_blocks,)
    A = rng.normal(size=(*blocks, d, n_tasks)) * rng.choice([0.3, 1, 4], (d, 1))
    A[rng.random(A.shape) < 0.2] = 0
    ties = rng.random(A.shape) < 0.3
    A[ties] = np.round(A[ties])
    return scale * A


def parts_of(penalty, A):
    """The penalty on its only block, or the two penalties on theirs."""
    if penalty.n_blocks == 1:
        return [(penalty, A)]
    return [(penalty.first, A[0]), (penalty.second, A[1])]
