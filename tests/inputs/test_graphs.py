"""Graphs of tasks: all forms are one array, and what is wrong is named."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mtlreg.inputs.graphs import read_graph

TASKS = np.array(["a", "b", "c"], dtype=object)
CHAIN = np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1)


class Network:
    """As networkx has its graphs."""

    def __init__(self, edges, nodes="", directed=False):
        self._edges, self._directed = edges, directed
        self.nodes = list(nodes)

    def is_directed(self):
        return self._directed

    @property
    def edges(self):
        return lambda data, default: [
            (s, t, weight.get(data, default)) for s, t, weight in self._edges
        ]


@pytest.mark.parametrize(
    "graph",
    [
        "chain",
        CHAIN,
        CHAIN.astype(np.int64),
        sparse.csr_array(CHAIN),
        [("a", "b"), ("c", "b", 1)],
        (["b", "a", 1.0], ("b", "c", np.float32(1))),
        Network([("a", "b", {}), ("b", "c", {"weight": 1.0})], nodes="abc"),
    ],
    ids=lambda graph: type(graph).__name__,
)
def test_all_forms_are_one(graph):
    found = read_graph(graph, TASKS)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, CHAIN)


def test_labels_of_any_kind():
    weights = read_graph([(7.0, 3, 0.5)], np.array([3, 5, 7]))
    assert weights[0, 2] == weights[2, 0] == 0.5
    days = np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[s]")
    assert read_graph([tuple(pd.to_datetime(days))], days)[0, 1] == 1
    assert not read_graph([], TASKS).any()
    assert not read_graph([("a", "b", 0)], TASKS).any()
    assert read_graph("chain", TASKS[:1]).shape == (1, 1)


WRONG = CHAIN.copy()
WRONG[0, 2] = 3.0


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ([("a", "x"), ("y", "b")], r"no tasks \['x', 'y'\] .* leave them out"),
        ([(0, 1)], r"no tasks \[0, 1\] .*tasks_ is like \['a', 'b', 'c'\]"),
        ([("a", None)], "graph has missing task labels"),
        ([("a", "b"), ("b", "a", 2.0)], "the tasks 'b' and 'a' twice"),
        ([("a", "a")], "ties a task to itself, the tasks 'a' and 'a'"),
        ([("a", "b", -1.0)], "weight -1.0 for the tasks 'a' and 'b': give a finite"),
        ([("a", "b", np.inf)], "weight inf"),
        ([("a", "b", "2")], "weight '2'"),
        (["ab"], r"pairs \(task, task\) or .* got 'ab'"),
        ([("a",)], r"pairs \(task, task\)"),
        (CHAIN[:2, :2], r"shape \(2, 2\), but there are 3 tasks; give a row"),
        (-CHAIN, "finite weights >= 0, but has -1.0 for the tasks 'a' and 'b'"),
        (CHAIN * np.nan, "finite weights >= 0, but has nan"),
        (WRONG, "symmetric, but has 3.0 for the tasks 'a' and 'c', and 0.0 the other"),
        (np.eye(3), "0 on its diagonal, but has 1.0 for the tasks 'a' and 'a'"),
        (pd.DataFrame(CHAIN), "a data frame, the labels of which are not read"),
        ("ring", "must be 'complete', 'chain', .* got 'ring'"),
        (np.array([["a", "b"]]), "must be 'complete'"),
        (Network([("a", "b", {})], directed=True), r"give graph.to_undirected\(\)"),
        (Network([], nodes="xa"), r"no tasks \['x'\]"),
        (Network([("a", "b", {"weight": -2})]), "weight -2"),
    ],
)
def test_what_is_wrong_is_named(graph, message):
    with pytest.raises(ValueError, match=message):
        read_graph(graph, TASKS)
