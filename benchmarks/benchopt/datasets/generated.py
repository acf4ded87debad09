"""Generated tasks with a few common features, one X for all or rows of their own."""

from benchmark_utils import problems
from benchopt import BaseDataset


class Dataset(BaseDataset):
    name = "generated"
    parameters = {
        "layout": ["shared", "own"],
        "n, d, n_tasks": [(100, 500, 10)],
        "n_informative": [20],
    }

    def get_data(self):
        make = getattr(problems, self.layout)
        coefficients = problems.rows(self.n_informative)
        X, y, offsets = make(self.n, self.d, self.n_tasks, coefficients)
        return {"X": X, "y": y, "offsets": offsets}
