"""Cases by kind and seed, and how they end."""

import re
import traceback

import numpy as np

from tests.fuzz.search import cv_case
from tests.fuzz.trial import Failure, Outcome, fit_case, options_case

CASES = {"fit": fit_case, "cv": cv_case, "options": options_case}


def run(kind, seed, stem=None):
    """Return the `Outcome` of a case, of one stem or of a random one."""
    try:
        return CASES[kind](np.random.default_rng([seed, len(kind)]), stem)
    except Failure as failure:
        return Outcome("FAILURE", str(failure))
    except ValueError as error:
        # one that numpy raises of itself is a crash
        if not traceback.extract_tb(error.__traceback__)[-1].line.startswith("raise"):
            return Outcome("FAILURE", f"ValueError: {str(error)[:120]}")
        message = re.sub(r"[-+0-9.e]*\d[-+0-9.e]*", "#", str(error))
        return Outcome("refused", re.sub(r"\[.*?\]", "[...]", message)[:70])
    except Exception as error:
        return Outcome("FAILURE", f"{type(error).__name__}: {str(error)[:120]}")
