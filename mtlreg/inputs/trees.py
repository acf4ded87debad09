"""Trees of tasks, by label or as a linkage matrix, become arrays of their nodes."""

import numpy as np
from scipy.cluster.hierarchy import is_valid_linkage

from mtlreg.inputs.labels import positions
from mtlreg.penalties.tree import flat_groups, linked_groups

_FORMS = (
    "'flat', 'ward', nested lists of labels, a linkage matrix of scipy or an array of "
    "booleans like tree_"
)


def read_tree(tree, tasks):
    """Return which tasks are in which node of a tree, (n_tasks, n_nodes).

    The single tasks come first, and a node before that which it lies in.

    Parameters
    ----------
    tree : str, list or array
        "flat": the tasks and the root; nested lists of labels; a linkage matrix of
        shape (n_tasks - 1, 4) as scipy has it; or the nodes, (n_nodes, n_tasks) of
        bool.
    tasks : ndarray of shape (n_tasks,)
        The labels.
    """
    if isinstance(tree, str) and tree == "flat":
        return flat_groups(len(tasks))
    if isinstance(tree, (list, tuple)):
        return _of_lists(tree, tasks)
    nodes = np.asarray(tree)
    if nodes.ndim != 2 or nodes.dtype.kind not in "biuf":
        raise ValueError(f"tree must be {_FORMS}, got {tree!r}")
    if nodes.dtype == bool:
        return _of_nodes(nodes, tasks)
    return _of_linkage(nodes.astype(np.float64), tasks)


def _of_nodes(nodes, tasks):
    if nodes.shape[1] != len(tasks):
        raise ValueError(
            f"tree has {nodes.shape[1]} columns, but there are {len(tasks)} tasks: "
            f"give a row for each node, with one entry for each of tasks_"
        )
    missing = tasks[~nodes.any(axis=0)]
    if missing.size:
        raise ValueError(
            f"tree has no node with the tasks {missing[:10].tolist()}: add a row for "
            f"the root, True for all tasks"
        )
    return nodes.T


def _of_linkage(links, tasks):
    if links.shape != (len(tasks) - 1, 4):
        raise ValueError(
            f"tree has the shape {links.shape}, but a linkage of {len(tasks)} tasks "
            f"has {(len(tasks) - 1, 4)}: link one vector for each of tasks_, in this "
            f"order, as scipy.cluster.hierarchy.linkage does"
        )
    if len(links) and not is_valid_linkage(links):
        raise ValueError(
            "tree is no linkage matrix: each row must hold two clusters that are there "
            "before and in no other, a distance >= 0 and the number of tasks, as that "
            "of scipy.cluster.hierarchy.linkage"
        )
    return linked_groups(links, len(tasks))


def _of_lists(tree, tasks):
    labels, members = [], []  # of each list the range of its labels, inner lists first
    path = [(0, iter(tree))]
    while path:
        start, rest = path[-1]
        for item in rest:
            if isinstance(item, (list, tuple)):
                path.append((len(labels), iter(item)))
                break
            labels.append(item)
        else:
            path.pop()
            if start == len(labels):
                raise ValueError("tree holds an empty list: leave it out")
            members.append((start, len(labels)))
    places = positions(labels, tasks, "tree")
    found, counts = np.unique(places, return_counts=True)
    if np.any(counts > 1):
        twice = tasks[found[counts > 1]].tolist()
        raise ValueError(
            f"tree holds the tasks {twice[:10]} more than once: give each one place"
        )
    missing = np.delete(tasks, found)
    if missing.size:
        raise ValueError(
            f"tree lacks the tasks {missing[:10].tolist()}: give each a place, such as "
            f"in the outermost list"
        )
    # a list of a single item is this item
    inner = list(dict.fromkeys(pair for pair in members if pair[1] - pair[0] > 1))
    groups = np.eye(len(tasks), len(tasks) + len(inner), dtype=bool)
    for i, (start, end) in enumerate(inner):
        groups[places[start:end], len(tasks) + i] = True
    return groups
