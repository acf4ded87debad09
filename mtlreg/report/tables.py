"""Tables of rows that belong to tasks: read from a file, with columns made ready."""

from dataclasses import dataclass
from functools import cached_property
from zipfile import BadZipFile

import numpy as np
import pandas as pd

PARQUET = {".parquet", ".pq"}  # suffixes
MAX_CATEGORIES = 30  # of a column; more different texts are encoded by their parts


@dataclass(frozen=True)
class Table:
    """A table whose rows, or whose targets, belong to tasks.

    Parameters
    ----------
    name : str
    X : DataFrame of shape (n_rows, n_features), with the task column if there is one
        Numbers as float64, categories as strings.
    y : ndarray of shape (n_rows,), or (n_rows, n_tasks) with NaN where not observed
        Classes are 0 and 1.
    task_column : str or None
        None: the tasks are the columns of y.
    classifier : bool
    target : str
        What y is, for the reader.
    about : str
        What the rows and tasks are, a sentence.
    notes : tuple of str
        What was done to the columns, a sentence each.
    frame : DataFrame of n_rows rows, or None
        The columns as they were read, the target and those left out too.
    targets : tuple of str
        Columns of the frame that y was made of.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    task_column: str | None
    classifier: bool
    target: str = "y"
    about: str = ""
    notes: tuple[str, ...] = ()
    frame: pd.DataFrame | None = None
    targets: tuple[str, ...] = ()

    @cached_property
    def codes(self):
        """Task of every row, shape (n_rows,), or None with a 2-D y."""
        if self.task_column is None:
            return None
        return pd.factorize(self.X[self.task_column])[0]

    @cached_property
    def sizes(self):
        """Number of targets of each task, shape (n_tasks,)."""
        if self.task_column is None:
            return np.isfinite(self.y).sum(axis=0)
        return np.bincount(self.codes)

    @property
    def n_tasks(self):
        return len(self.sizes)

    @property
    def n_features(self):
        return self.X.shape[1] - (self.task_column is not None)

    @property
    def tasks_from(self):
        """What says the tasks, for the reader."""
        if self.task_column is None:
            return "the targets"
        return f"column {self.task_column!r}"

    def named_targets(self):
        """Return y, with the names of its columns where it has several."""
        return pd.DataFrame(self.y, columns=self.targets) if self.y.ndim > 1 else self.y

    def by_task(self):
        """Return the targets that are observed, grouped by task."""
        if self.task_column is not None:
            return pd.Series(self.y).groupby(self.X[self.task_column].to_numpy())
        cells = self.named_targets().melt().dropna()
        return cells.groupby("variable", sort=False)["value"]

    @property
    def sign(self):
        """1 if a higher score is better, otherwise -1."""
        return 1 if self.classifier else -1


def read_file(path, reader):
    """Return what the reader reads, or raise a ValueError that names the file."""
    try:
        return reader(path)
    except (OSError, EOFError, ValueError, ImportError, BadZipFile) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def read_frame(path):
    if path.suffix in PARQUET:
        return pd.read_parquet(path)
    if ".csv" in path.suffixes:
        return pd.read_csv(path)
    raise ValueError("neither .csv nor .parquet")


def present(frame, columns):
    """Return the columns, or raise a ValueError unless the frame has them all."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"no column {missing}; there are {list(frame.columns)[:50]}")
    return list(columns)


def make_table(name, frame, targets, task, classes, about=""):
    """Return the Table of a frame: which columns are targets, tasks and features."""
    labels = [task] if task else []
    present(frame, [*targets, *labels])
    if task in targets:
        raise ValueError(
            f"column {task!r} is the target and the task: name two columns"
        )
    if len(set(targets)) < len(targets):
        raise ValueError(f"a target is named twice: {targets}")
    if len(targets) > 1 and task:
        raise ValueError(
            "several targets are the tasks: leave either them or --task out"
        )
    needed = labels + (targets if len(targets) == 1 else [])
    complete = frame[needed].notna().all(axis=1)
    notes = []
    if not complete.all():
        notes.append(f"left out {(~complete).sum()} rows without {' or '.join(needed)}")
    # an index of a file may have rows of the same name
    frame = frame[complete].reset_index(drop=True)
    y, classifier = read_target(frame[targets], task, classes)
    features = read_features(frame.drop(columns=[*targets, *labels]), notes)
    X = features.join(frame[labels])
    target = targets[0] if len(targets) == 1 else f"{len(targets)} targets"
    return Table(
        name, X, y, task, classifier, target, about, tuple(notes), frame, tuple(targets)
    )


def read_target(targets, task, classes):
    """Return y, with classes as 0 and 1, and whether it holds classes."""
    numeric = targets.dtypes.map(pd.api.types.is_numeric_dtype)
    text = targets.loc[:, ~numeric]
    targets = targets.assign(**text.astype(object).map(str, na_action="ignore"))
    values = [np.unique(targets[name].dropna()) for name in targets]
    for name, found in zip(targets, values, strict=True):
        if len(found) < 2:
            raise ValueError(
                f"target {name!r} has one value only: {found.tolist()}; name another "
                f"--target"
            )
        if numeric[name] and np.isinf(found.astype(float)).any():
            raise ValueError(
                f"target {name!r} has infinite values: leave them empty in the file"
            )
    most = max(len(found) for found in values)
    if len(values) == 1 and task is None:
        if most == 2 or (numeric.all() and not classes):
            raise ValueError(
                "one target without tasks: name --task, or several --target columns, "
                "or --classes if its values are classes (each is then a task)"
            )
        return (targets.to_numpy() == values[0]).astype(float), True
    if most == 2:
        y = np.where(targets.isna(), np.nan, targets == [found[1] for found in values])
    elif numeric.all() and not classes:
        y = targets.to_numpy(dtype=float, na_value=np.nan)
    else:
        name = targets.columns[np.argmax(~numeric) if not classes else 0]
        raise ValueError(
            f"target {name!r} holds neither numbers nor two classes; with --classes "
            f"--task and with several targets, every target needs two classes"
        )
    return (y[:, 0] if y.shape[1] == 1 else y), most == 2


def read_features(X, notes):
    """Return numbers as float64 and categories as strings; say what was changed."""
    if X.shape[1] == 0:
        raise ValueError("no column is left for the features")
    if not (X.nunique() > 1).any():
        raise ValueError("there is no feature that varies")
    columns = {}
    for name, column in X.items():
        if column.isna().all():
            notes.append(f"left out column {name!r}: it is empty")
        elif pd.api.types.is_numeric_dtype(column):
            columns[name] = column.astype(float)
            if np.isinf(columns[name]).any():
                raise ValueError(
                    f"column {name!r} has infinite values: leave them empty in the "
                    f"file, or --drop it"
                )
        elif (times := read_times(column)) is not None:
            start = times.min()
            columns[name] = (times - start) / pd.Timedelta(days=1)
            notes.append(f"column {name!r} holds dates: taken as days since {start:%F}")
        else:
            text = column.astype(object).fillna("missing").astype(str)
            if (n_values := text.nunique()) > MAX_CATEGORIES:
                notes.append(
                    f"column {name!r} holds {n_values} different texts: encoded by the "
                    "parts of words that they share"
                )
            columns[name] = text
    return pd.DataFrame(columns)


def read_times(column):
    """Return a column of dates, or of texts that are ISO dates, in UTC; else None."""
    if not pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype(object).map(str, na_action="ignore")
        if not column.dropna().str.match(r"\d{4}-\d\d").all():
            return None  # nor numbers of four digits, which are years to pandas
    try:
        return pd.to_datetime(column, format="ISO8601", utc=True)
    except ValueError:
        return None
