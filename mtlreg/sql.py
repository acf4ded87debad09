"""Statistics of tables in a database: the sums of every task by one query."""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import narwhals.stable.v2 as nw
import numpy as np

from mtlreg.inputs.frames import listed
from mtlreg.statistics import TaskStatistics

__all__ = ["TaskQuery"]


@dataclass(frozen=True)
class TaskQuery:
    """The query whose result has what the squared loss needs of a table.

    It reads the table twice: for means of every task, and for sums about these, so that
    no digits are lost to large means. The result has a row for each task and d(d+9)/2
    columns or so for d features. Standard SQL: a column is cast to ``DOUBLE
    PRECISION``, weights need ``LN``.

    Parameters
    ----------
    table : str
        What may follow ``FROM``: the name of a table, or a query in parentheses with an
        alias; it goes into the query as it is.
    features : sequence of str
        Columns, in the order of ``coef_``.
    target, task : str
        Columns.
    sample_weight : str, optional
        Column of weights >= 0.

    Examples
    --------
    >>> import sqlite3
    >>> import pandas as pd
    >>> from mtlreg import GroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.sql import TaskQuery
    >>> data = make_multitask_regression(as_frame=True, n_features=3, random_state=0)
    >>> base = sqlite3.connect(":memory:")
    >>> _ = data.X.assign(target=data.y).to_sql("visits", base)
    >>> query = TaskQuery("visits", list(data.X.columns[:-1]), "target", "task")
    >>> stats = query.read(pd.read_sql(query.sql, base))
    >>> model = GroupLassoRegressor(task_column="task").fit_statistics(stats)
    >>> model.coef_.shape
    (10, 3)
    """

    table: str
    features: tuple[str, ...]
    target: str
    task: str
    sample_weight: str | None = None

    def __post_init__(self):
        if isinstance(self.features, str) or not len(self.features):
            raise ValueError(
                f"features must be names of columns, got {self.features!r}"
            )
        object.__setattr__(self, "features", tuple(self.features))

    @property
    def _columns(self):
        return [*self.features, self.target]

    @property
    def _pairs(self):
        return list(combinations_with_replacement(range(len(self._columns)), 2))

    @property
    def sql(self):
        """The text of the query."""
        places = range(len(self._columns))
        values = ", ".join(
            f"CAST({_quoted(name)} AS DOUBLE PRECISION) AS z{j}"
            for j, name in enumerate(self._columns)
        )
        weight, where, logarithm, times = "1", "", "0", ""
        if self.sample_weight is not None:
            column, times = _quoted(self.sample_weight), "w * "
            weight, logarithm = f"CAST({column} AS DOUBLE PRECISION)", "LN(w)"
            # a weight that is missing is no weight of 0
            where = f" WHERE {column} <> 0 OR {column} IS NULL"
        # missing where any of the columns is
        known = " + ".join(f"z{j}" for j in places) + f" + {logarithm}"
        centres = ", ".join(f"AVG(z{j}) AS c{j}" for j in places)
        about = ", ".join(f"z{j} - c{j} AS d{j}, c{j}" for j in places)
        found = [
            "COUNT(*) AS n_rows",
            "COUNT(known) AS n_known",
            "SUM(w) AS weight",
            f"SUM({logarithm}) AS log_weight",
            *(f"MIN(c{j}) AS c{j}, SUM({times}d{j}) AS s{j}" for j in places),
            *(f"SUM({times}d{i} * d{j}) AS p{i}_{j}" for i, j in self._pairs),
        ]
        return (
            f"WITH given AS (SELECT {_quoted(self.task)} AS task, {weight} AS w, "
            f"{values} FROM {self.table}{where}), "
            f"centre AS (SELECT task AS label, {centres} FROM given GROUP BY task), "
            f"about AS (SELECT task, w, {known} AS known, {about} FROM given "
            f"LEFT JOIN centre ON task = label) "
            f"SELECT task, {', '.join(found)} FROM about GROUP BY task"
        )

    def read(self, result):
        """Make statistics of the result.

        Parameters
        ----------
        result : data frame
            Of any library, with the columns that ``sql`` names.

        Returns
        -------
        mtlreg.statistics.TaskStatistics
            With ``task_column``: they are for frames with the columns ``features`` and
            ``task``.

        Raises
        ------
        ValueError
            If a label, a feature, a target or a weight is missing in the table, or is
            no number that is finite.
        """
        frame = nw.from_native(result, eager_only=True)

        def column(name):
            return frame[name].cast(nw.Float64).to_numpy()

        tasks, n_rows = frame["task"], column("n_rows")
        short = column("n_known") < n_rows
        if short.any():
            labels = np.array(tasks.to_list(), dtype=object)[short]
            raise ValueError(
                f"task(s) {listed(labels)} have rows in which a label, a feature, the "
                f"target or the weight is missing; leave them out of the table"
            )
        width = len(self._columns)
        products = np.empty((len(n_rows), width, width))
        for i, j in self._pairs:
            products[:, i, j] = products[:, j, i] = column(f"p{i}_{j}")
        shift, sums = (
            np.stack([column(f"{kind}{j}") for j in range(width)], axis=1)
            for kind in "cs"
        )
        return TaskStatistics.from_sums(
            tasks.to_native(),
            n_rows,
            sums,
            products,
            shift=shift,
            weight=column("weight"),
            log_weight=column("log_weight"),
            feature_names=self.features,
            task_column=self.task,
        )


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'
