"""Files of arrays with the name and the version of their format."""

import zipfile

import numpy as np

# what numpy raises of a file that is no archive, cut short or of other arrays
_DAMAGES = KeyError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile
_INTEGERS = ":integers"  # at the end of the name of an array of integers as strings


def write_archive(path, name, version, arrays):
    """Write arrays to an npz file; those of objects have to be strings or integers.

    Parameters
    ----------
    path : str or path
    name, version
        As in `read_archive`.
    arrays : dict
    """
    plain = dict(_plain(key, np.asarray(array)) for key, array in arrays.items())
    with open(path, "wb") as raw:  # numpy would add a suffix to a path
        np.savez(raw, format=name, version=version, **plain)


def _plain(key, array):
    """Return the name and the array of a file for one that may be of objects."""
    if array.dtype.kind != "O":
        return key, array
    values = array.tolist()
    if values and not isinstance(values[0], str):
        # integers that no type of numpy holds
        return key + _INTEGERS, np.array([str(value) for value in values])
    plain = np.array(values, dtype=str)
    if plain.tolist() != values:
        raise ValueError(
            f"{key} holds strings that end in NUL, which files do not keep"
        )
    return key, plain


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
            arrays, found = dict(file), int(file["version"])
    except FileNotFoundError:
        raise
    except _DAMAGES as error:
        raise ValueError(
            f"{path} holds no {kind}, or is damaged ({error}); write it again by "
            f"{kind}.save"
        ) from error
    if found > version:
        raise ValueError(
            f"{path} has version {found} of the format, this mtlreg reads up to "
            f"{version}; use a newer one"
        )
    return {
        key.removesuffix(_INTEGERS): _given(key, array) for key, array in arrays.items()
    }


def _given(key, array):
    """Return the array that `_plain` was given."""
    if array.dtype.kind != "U" or not array.ndim:
        return array
    kind = int if key.endswith(_INTEGERS) else str
    return np.array([kind(value) for value in array.tolist()], dtype=object)
