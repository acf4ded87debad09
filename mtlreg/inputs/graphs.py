"""Graphs of tasks, by label or as an array, become arrays of weights."""

import numpy as np

from mtlreg.inputs.labels import positions
from mtlreg.penalties.graph import check_graph


def read_graph(graph, tasks):
    """Return the weights of the edges, a symmetric array in the order of the tasks.

    Parameters
    ----------
    graph : str, array, list or networkx graph
        "chain"; a symmetric array; a list of ``(task, task)`` or ``(task, task,
        weight)``; or a graph whose nodes are labels, and whose edges may have a
        "weight". A weight is 1 if it is left out.
    tasks : ndarray of shape (n_tasks,)
        The labels.
    """
    if isinstance(graph, str) and graph == "chain":
        steps = np.ones(max(len(tasks) - 1, 0))
        return np.diag(steps, 1) + np.diag(steps, -1)
    if hasattr(graph, "edges"):
        return _of_networkx(graph, tasks)
    if isinstance(graph, (list, tuple)):
        return _of_edges(graph, tasks)
    if hasattr(graph, "columns"):
        raise ValueError(
            "graph is a data frame, the labels of which are not read: give its values "
            "in the order of tasks_ as an array, or a list of (task, task, weight)"
        )
    graph = graph.toarray() if hasattr(graph, "toarray") else graph
    if np.ndim(graph) != 2 or np.asarray(graph).dtype.kind not in "biuf":
        raise ValueError(
            f"graph must be 'complete', 'chain', a square array of numbers, a list of "
            f"(task, task, weight) or a networkx graph, got {graph!r}"
        )
    return check_graph(graph, "graph", tasks)


def _of_networkx(graph, tasks):
    if graph.is_directed():
        raise ValueError(
            "graph has directed edges, but a penalty ties both tasks alike: give "
            "graph.to_undirected()"
        )
    positions(list(graph.nodes), tasks, "graph")
    return _of_edges(list(graph.edges(data="weight", default=1)), tasks)


def _of_edges(edges, tasks):
    for edge in edges:
        if not isinstance(edge, (list, tuple)) or len(edge) not in (2, 3):
            raise ValueError(
                f"graph must hold pairs (task, task) or (task, task, weight), got "
                f"{edge!r}"
            )
    ends = [end for edge in edges for end in edge[:2]]
    places = positions(ends, tasks, "graph").reshape(-1, 2)
    weights = np.zeros((len(tasks), len(tasks)))
    seen = set()
    for edge, (s, t) in zip(edges, places.tolist(), strict=True):
        weight = edge[2] if len(edge) == 3 else 1.0
        pair = f"the tasks {edge[0]!r} and {edge[1]!r}"
        if s == t:
            raise ValueError(f"graph ties a task to itself, {pair}: leave that out")
        if frozenset((s, t)) in seen:
            raise ValueError(f"graph has {pair} twice: give each pair one weight")
        if not _is_weight(weight):
            raise ValueError(
                f"graph has the weight {weight!r} for {pair}: give a finite number >= 0"
            )
        seen.add(frozenset((s, t)))
        weights[s, t] = weights[t, s] = weight
    return weights


def _is_weight(weight):
    try:
        return 0 <= float(weight) < np.inf and not isinstance(weight, str)
    except (TypeError, ValueError):
        return False
