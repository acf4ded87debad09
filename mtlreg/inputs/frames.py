"""Tables of any library: their columns, and the one that names the task."""

import copy
import difflib
import numbers

import narwhals.stable.v2 as nw
import numpy as np
from scipy import sparse


def as_frame(X, name="X"):
    """A narwhals DataFrame, or None for what is no data frame."""
    if isinstance(X, np.ndarray):
        return None
    try:
        frame = nw.from_native(X, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"{name}: {error}. Rename these columns.") from error
    if isinstance(frame, nw.LazyFrame):
        raise ValueError(f"{name} is a lazy frame. Pass {name}.collect().")
    return frame if isinstance(frame, nw.DataFrame) else None


def column_names(y):
    """Names of the columns of a frame (strings as objects), or None."""
    frame = as_frame(y, "y")
    if frame is None:
        return None
    plain = all(isinstance(name, int) for name in frame.columns)
    return np.fromiter(frame.columns, dtype=np.int64 if plain else object)


def value_kinds(values, name="X"):
    """What the columns of a table, series or array-like hold, as letters.

    M for dates, times and durations, U for strings and categories, n for the rest.
    """
    frame = as_frame(values, name)
    if frame is not None:
        return set(map(_kind, frame.schema.values()))
    if not (isinstance(values, np.ndarray) or sparse.issparse(values)):
        values = nw.from_native(values, series_only=True, pass_through=True)
    if not hasattr(values, "dtype"):
        values = np.asarray(values)
    return {_kind(values.dtype)}


def _kind(dtype):
    if isinstance(dtype, np.dtype):
        return {"m": "M", "M": "M", "S": "U", "U": "U", "T": "U"}.get(dtype.kind, "n")
    if dtype.is_temporal():
        return "M"
    return "U" if dtype in (nw.String, nw.Categorical, nw.Enum) else "n"


def check_sparse(X, name="X"):
    """Refuse indices outside a sparse matrix, with which scipy leaves its memory."""
    fault = None
    if sparse.issparse(X) and X.format == "coo":
        for places, size in zip(X.coords, X.shape, strict=True):
            if places.size and not 0 <= places.min() <= places.max() < size:
                fault = f"its indices must lie in 0 to {size - 1}"
    elif sparse.issparse(X) and hasattr(X, "check_format"):
        try:
            copy.copy(X).check_format(full_check=True)  # which sets attributes
        except ValueError as error:
            fault = str(error)
    if fault:
        raise ValueError(
            f"{name} is no valid {X.format} matrix: {fault}. Build it anew from rows, "
            "columns and values."
        )


def check_task_column(column):
    """Refuse what is neither a name nor a position."""
    is_bool = isinstance(column, (bool, np.bool_))
    if is_bool or not isinstance(column, (str, numbers.Integral)):
        several = (
            " Several columns of labels are for CrossedMeanRegularizedRegressor."
            if isinstance(column, list | tuple | np.ndarray)
            else ""
        )
        raise TypeError(
            f"task_column={column!r} must be a column's name (str), its position (int) "
            f"or None.{several}"
        )


def read_column(X, column):
    """The values in the task column of any table."""
    check_task_column(column)
    frame = as_frame(X)
    names = None if frame is None else frame.columns
    table, shape = _as_table(X, frame)
    return _values(table, frame, task_position(column, names, shape[1]))


def split_columns(X, frame, columns, names):
    """Labels in the task columns, the other columns, and positions of the former."""
    X, shape = _as_table(X, frame)
    positions = [task_position(column, names, shape[1]) for column in columns]
    rest = [j for j in range(shape[1]) if j not in positions]
    if len(set(positions)) < len(positions):
        raise ValueError(
            f"task_column={columns!r} has a column twice: positions {positions}. Name "
            "each once."
        )
    if not rest:
        raise ValueError(
            f"X has 0 feature(s) beside the task column "
            f"{' and '.join(map(repr, columns))} (shape={shape}) while a minimum of 1 "
            "is required. Give X more columns."
        )
    values = [_values(X, frame, position) for position in positions]
    if frame is not None:
        return values, frame[:, rest].to_native(), positions
    if sparse.issparse(X):
        return values, X[:, rest], positions
    return values, np.delete(X, positions, axis=1), positions


def _as_table(X, frame):
    """X as a frame, CSR or dense array, and its shape."""
    if frame is None and sparse.issparse(X):
        check_sparse(X)
        X = sparse.csr_array(X)
    elif frame is None and not hasattr(X, "__array__"):
        X = np.array(X, dtype=object)
    elif frame is None:
        X = np.asarray(X)
    shape = X.shape if frame is None else frame.shape
    if len(shape) != 2:
        raise ValueError(
            f"Expected 2D array, got X of shape {shape}. Reshape your data: one row "
            "per sample, one column per feature and one for the task."
        )
    return X, shape


def _values(X, frame, position):
    if frame is not None:
        return frame[:, position].to_native()
    if sparse.issparse(X):
        return X[:, [position]].toarray().ravel()
    return X[:, position]


def task_position(column, names, n_columns):
    if not isinstance(column, str):
        if not -n_columns <= column < n_columns:
            raise ValueError(
                f"task_column={column} is not a position in X with {n_columns} columns."
                f" Use {-n_columns} to {n_columns - 1}."
            )
        return int(column) % n_columns
    if names is None:
        raise ValueError(
            f"task_column={column!r} is a name, but X has no column names. Use an "
            "integer position (-1: the last column), pass a data frame, or let the "
            "steps before keep names with set_output(transform='pandas')."
        )
    names = list(names)
    if column in names:
        return names.index(column)
    texts = [name for name in names if isinstance(name, str)]
    renamed = [name for name in texts if name.endswith(f"__{column}")]
    if len(renamed) == 1:
        return names.index(renamed[0])
    close = renamed or difflib.get_close_matches(column, texts) or names[:10]
    raise ValueError(
        f"task_column={column!r} is not a column of X. Name one of its columns, for "
        f"example {listed(close)}, or give an integer position. If a step before drops "
        "it, keep it there: ColumnTransformer(..., remainder='passthrough')."
    )


def listed(values, most=10):
    """The first values, as an error message shows them."""
    if isinstance(values, np.ndarray):
        values = values.astype(str if values.dtype.kind == "M" else object).tolist()
    more = ", ..." if len(values) > most else ""
    return f"[{', '.join(repr(value) for value in values[:most])}{more}]"


def check_rows(n_rows, **lengths):
    for name, values in lengths.items():
        if values is not None and len(values) != n_rows:
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: X has "
                f"{n_rows} rows, {name} has {len(values)}. Pass one row of {name} per "
                "row of X."
            )


def count_rows(X):
    """Return the number of rows of any table, None of what is none."""
    frame = as_frame(X)
    shape = getattr(X if frame is None else frame, "shape", None)
    if shape is None:
        return len(X) if hasattr(X, "__len__") else None
    return shape[0] if len(shape) else None
