"""Tables to compare on: from files of a table or of arrays, or those of the demo."""

import numpy as np
import pandas as pd

from mtlreg.report.tables import make_table, present, read_file, read_frame


def read_tables(options):
    """Return the tables that the options ask for."""
    if options.table:
        frame = read_file(options.table, read_frame)
        targets, task = options.target, options.task
        name = options.table.stem
    elif options.npz:
        arrays = read_file(options.npz, read_arrays)
        frame, targets, task = frame_of_arrays(arrays, options.target, options.task)
        name = options.npz.stem
    else:
        from _comparison.demo import demo_tables

        return demo_tables(options.full)
    frame = frame.drop(columns=present(frame, options.drop))
    return [make_table(name, frame, targets, task, options.classes)]


def read_arrays(path):
    with path.open("rb") as file:
        arrays = np.load(file)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ValueError("not a .npz file")
        return dict(arrays)


def frame_of_arrays(arrays, target, task):
    """Return a frame of the arrays, its target columns and its task column."""
    target = target[0] if target else "Y" if "Y" in arrays else "y"
    y = arrays.get(target)
    if y is None or "X" not in arrays:
        raise ValueError(f"the file needs arrays X and {target}, has {sorted(arrays)}")
    X = arrays["X"]
    if X.ndim != 2 or y.ndim not in (1, 2) or len(X) != len(y):
        raise ValueError(
            f"X must be 2-D and {target} 1-D or 2-D with as many rows, got shapes "
            f"{X.shape} and {y.shape}"
        )
    columns = {f"x{j}": x for j, x in enumerate(X.T)}
    if y.ndim == 2:
        Y = {f"{target}{t}": y_t for t, y_t in enumerate(y.T)}
        return pd.DataFrame(columns | Y), list(Y), None
    task = task or ("tasks" if "tasks" in arrays else None)
    if task is not None:
        if task not in arrays or arrays[task].shape != y.shape:
            raise ValueError(f"{task} must be an array of shape {y.shape}, as {target}")
        columns |= {task: arrays[task]}
    return pd.DataFrame(columns | {target: y}), [target], task
