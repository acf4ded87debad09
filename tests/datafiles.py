"""The published data sets, found through the environment variable MTLREG_DATA alone."""

import os
import pathlib

import numpy as np
import pytest


def data_folder():
    """Folder of the data sets; skips the running test where none is named."""
    folder = os.environ.get("MTLREG_DATA")
    if not folder:
        pytest.skip("MTLREG_DATA is unset: it names the folder of the data sets")
    return pathlib.Path(folder)


def load_data(name):
    """Arrays of the data set ``name`` as a dict, e.g. ``load_data("school")["X"]``."""
    with np.load(data_folder() / f"{name}.npz") as arrays:
        return dict(arrays)
