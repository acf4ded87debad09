"""Pictures without a screen, which are closed after each test."""

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def _no_screen():
    with mpl.rc_context():
        plt.switch_backend("Agg")
        yield
        plt.close("all")
