"""One table out of one table per task."""

import narwhals.stable.v2 as nw
import numpy as np
from scipy import sparse

from mtlreg.inputs.frames import as_frame, check_sparse, check_task_column
from mtlreg.inputs.labels import as_1d, is_missing, label_array, label_kind, unify


def stack_tasks(Xs, ys, *, sample_weights=None, task_column=None):
    """Put the data of all tasks below each other, with the task of every row.

    Parameters
    ----------
    Xs : list or dict of T matrices, each of shape (n_rows_t, n_features)
        Arrays, data frames of one library with the same columns, or sparse matrices.
        The keys of a dict are the task labels; a list numbers the tasks from 0.
    ys : list or dict of T arrays or series, each of shape (n_rows_t,)
        A dict has the keys of ``Xs``.
    sample_weights : list or dict of T arrays, each of shape (n_rows_t,), default=None
    task_column : str or int, default=None
        If given, the labels become a column of ``X`` instead of ``tasks``: the name of
        a new last column of frames, the position in the new array otherwise (-1: the
        last).

    Returns
    -------
    X : array, frame or csr_array of shape (sum of n_rows_t, n_features)
        With ``task_column`` one column more.
    y : ndarray of shape (sum of n_rows_t,)
    tasks : ndarray of shape (sum of n_rows_t,), or None with ``task_column``
    sample_weight : ndarray of shape (sum of n_rows_t,)
        Only with ``sample_weights``.

    Raises
    ------
    ValueError
        If there is no task, keys or numbers of tasks, rows or features differ, kinds
        of matrices are mixed, or ``task_column`` cannot be put into X.
    TypeError
        If ``task_column`` is neither a name nor a position.

    Examples
    --------
    >>> from mtlreg import stack_tasks
    >>> Xs = {"north": [[1.0, 2.0], [3.0, 4.0]], "south": [[5.0, 6.0]]}
    >>> ys = {"north": [1.0, 2.0], "south": [3.0]}
    >>> X, y, tasks = stack_tasks(Xs, ys)
    >>> X.shape, y, tasks
    ((3, 2), array([1., 2., 3.]), array(['north', 'north', 'south'], dtype=object))
    """
    labels = list(Xs) if isinstance(Xs, dict) else list(range(len(Xs)))
    if not labels:
        raise ValueError("Xs is empty: pass the rows of at least one task.")
    Xs = _in_order(Xs, labels, "Xs")
    frames = [
        as_frame(X, f"Xs[{label!r}]") for X, label in zip(Xs, labels, strict=True)
    ]
    stack = _stack_arrays if frames[0] is None else _stack_frames
    X, sizes = stack(Xs if frames[0] is None else frames, labels)
    tasks = np.repeat(label_array(labels, "the keys of Xs"), sizes)
    y = _stack_columns(ys, labels, sizes, "ys")
    if task_column is not None:
        insert = _insert_position if frames[0] is None else _insert_name
        X, tasks = insert(X, tasks, task_column), None
    X = X.to_native() if isinstance(X, nw.DataFrame) else X
    if sample_weights is None:
        return X, y, tasks
    return X, y, tasks, _stack_columns(sample_weights, labels, sizes, "sample_weights")


def _in_order(values, labels, name):
    """Values of a list or dict in the order of ``labels``."""
    if isinstance(values, dict):
        if set(values) != set(labels):
            raise ValueError(
                f"the keys of {name} are {list(values)}, but those of Xs are {labels}. "
                "Pass the same tasks in both."
            )
        return [values[label] for label in labels]
    if len(values) != len(labels):
        raise ValueError(
            f"{name} has {len(values)} tasks, but Xs has {len(labels)}. Pass one array "
            "per task."
        )
    return list(values)


def _stack_columns(values, labels, sizes, name):
    parts = []
    values = _in_order(values, labels, name)
    for label, size, value in zip(labels, sizes, values, strict=True):
        part = as_1d(value, f"{name}[{label!r}]")
        if len(part) != size:
            raise ValueError(
                f"Xs[{label!r}] has {size} rows, but {name}[{label!r}] has {len(part)}."
                " Pass one value per row."
            )
        parts.append(part if is_missing(part).any() else unify(part, name))
    kinds = {"n" if part.dtype.kind in "iuf" else part.dtype.kind for part in parts}
    if len(kinds) > 1:  # concatenating would turn numbers into strings
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)


def _stack_frames(frames, labels):
    first = frames[0]
    for label, frame in zip(labels, frames, strict=True):
        if frame is None or frame.implementation != first.implementation:
            raise ValueError(
                f"Xs[{label!r}] is not a frame of the same library as Xs[{labels[0]!r}]"
                ". Convert all of them to one kind."
            )
        if frame.columns != first.columns:
            raise ValueError(
                f"Xs[{label!r}] has the columns {frame.columns}, but Xs[{labels[0]!r}] "
                f"has {first.columns}. Give all tasks the same columns in one order."
            )
    uneven = [
        name
        for name, dtype in first.schema.items()
        if any(frame.schema[name] != dtype for frame in frames)
        and all(frame.schema[name].is_numeric() for frame in frames)
    ]
    if uneven:
        wide = nw.col(*uneven).cast(nw.Float64)
        frames = [frame.with_columns(wide) for frame in frames]
    stacked = nw.concat(frames, how="vertical")
    return nw.maybe_reset_index(stacked), [len(frame) for frame in frames]


def _stack_arrays(Xs, labels):
    is_sparse = sparse.issparse(Xs[0])
    Xs = [X if sparse.issparse(X) else np.asarray(X) for X in Xs]
    for label, X in zip(labels, Xs, strict=True):
        check_sparse(X, f"Xs[{label!r}]")
        if sparse.issparse(X) != is_sparse or X.dtype.names is not None:
            raise ValueError(
                f"Xs[{label!r}] is not of the same kind as Xs[{labels[0]!r}]: pass all "
                "tasks as arrays, all as frames or all as sparse matrices."
            )
        if X.ndim != 2 or X.shape[1:] != Xs[0].shape[1:]:
            raise ValueError(
                f"Xs[{label!r}] has shape {X.shape}, but Xs[{labels[0]!r}] has shape "
                f"{Xs[0].shape}. Pass 2-D matrices with the same number of columns."
            )
    sizes = [X.shape[0] for X in Xs]
    if is_sparse:
        return sparse.csr_array(sparse.vstack(Xs, format="csr")), sizes
    return np.concatenate(Xs), sizes


def _insert_name(frame, tasks, name):
    if not isinstance(name, str):
        raise ValueError(
            f"task_column={name!r}: frames need the name (str) of the new column."
        )
    if name in frame.columns:
        raise ValueError(
            f"task_column={name!r} is already a column of Xs. Take it out of Xs or "
            "choose another name."
        )
    values = tasks.tolist() if tasks.dtype.kind == "O" else tasks
    column = nw.new_series(name, values, backend=frame.implementation)
    return frame.with_columns(column)


def _insert_position(X, tasks, position):
    check_task_column(position)
    n_columns = X.shape[1] + 1
    if isinstance(position, str) or not -n_columns <= position < n_columns:
        raise ValueError(
            f"task_column={position!r}: arrays have no column names. Give the position "
            f"of the new column, {-n_columns} to {n_columns - 1} (-1: the last)."
        )
    position = int(position) % n_columns
    exact = label_kind(tasks) == "integers" and tasks.dtype.kind == "i"
    if sparse.issparse(X):
        if not exact or np.abs(tasks).max() > 2**53:
            raise ValueError(
                f"task_column={position}: a sparse X holds numbers only, but the task "
                f"labels are {label_kind(tasks)}. Number the tasks, or use tasks."
            )
        column = sparse.csr_array(tasks[:, None])
        parts = [X[:, :position], column, X[:, position:]]
        return sparse.csr_array(sparse.hstack(parts, format="csr"))
    if not exact or X.dtype.kind not in "iuf" or _changed(tasks, X.dtype):
        X, tasks = X.astype(object), np.array([*tasks, None], dtype=object)[:-1]
    return np.insert(X, position, tasks, axis=1)


def _changed(tasks, dtype):
    return not np.array_equal(tasks.astype(dtype).astype(np.int64), tasks)
