"""Generated multi-task data with known coefficients, for examples and tests."""

from mtlreg.datasets.generators import (
    make_multitask_classification,
    make_multitask_regression,
)

__all__ = ["make_multitask_classification", "make_multitask_regression"]
