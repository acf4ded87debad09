"""School: 139 tasks, 28 features; MTLREG_DATA names the folder of school.npz."""

import os

from benchmark_utils import problems
from benchopt import BaseDataset


class Dataset(BaseDataset):
    name = "school"

    def skip(self):
        if not os.environ.get("MTLREG_DATA"):
            return True, "MTLREG_DATA is unset: it names the folder of the data sets"
        return False, None

    def get_data(self):
        X, y, offsets = problems.school()
        return {"X": X, "y": y, "offsets": offsets}
