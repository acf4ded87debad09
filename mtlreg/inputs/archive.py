"""Files of arrays with the name and the version of their format."""

import zipfile

import numpy as np


def write_archive(path, name, version, arrays):
    """Write arrays to an npz file; those of objects have to be strings or integers.

    Parameters
    ----------
    path : str or path
    name, version
        As in `read_archive`.
    arrays : dict
    """
    arrays = {key: np.asarray(array) for key, array in arrays.items()}
    plain = {
        key: np.array(array.tolist()) if array.dtype.kind == "O" else array
        for key, array in arrays.items()
    }
    np.savez(path, format=name, version=version, **plain)


def read_archive(path, name, version):
    """Return the arrays of an npz file, or raise ValueError where it is none.

    Parameters
    ----------
    path : str or path
    name : str
        Of the format, which the file says in ``format``.
    version : int
        The newest that is known.

    Returns
    -------
    dict
        Strings as objects.
    """
    kind = name.rpartition(".")[2]
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            if str(file["format"]) != name:
                raise KeyError(str(file["format"]))
            arrays = dict(file)
    except FileNotFoundError:
        raise
    except (KeyError, EOFError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} holds no {kind}, or is damaged ({error}); write it again by "
            f"{kind}.save"
        ) from error
    if int(arrays["version"]) > version:
        raise ValueError(
            f"{path} has version {int(arrays['version'])} of the format, this mtlreg "
            f"reads up to {version}; use a newer one"
        )
    return {
        key: array.astype(object) if array.dtype.kind == "U" and array.ndim else array
        for key, array in arrays.items()
    }
