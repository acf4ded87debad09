"""The problems, the judge and the competitors of the speed board, for benchopt."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2]))

from _board import packages, penalties, problems
from _board.judge import Judge

__all__ = ["Judge", "packages", "penalties", "problems"]
