"""Trees of tasks from lists of labels, linkage matrices and arrays of nodes."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from mtlreg.inputs.trees import read_tree

TASKS = np.array(["a", "b", "c", "d"], dtype=object)
INNER = np.array([[0, 1, 0, 1], [1, 1, 0, 1], [1, 1, 1, 1]], dtype=bool)


def nodes(tree, tasks=TASKS):
    return read_tree(tree, tasks).T


@pytest.mark.parametrize(
    "tree",
    [[["a", ["d", "b"]], "c"], ("c", (["b", "d"], "a")), [[[["a"], ["b", "d"]], "c"]]],
)
def test_every_list_is_a_node_after_those_in_it(tree):
    found = nodes(tree)
    np.testing.assert_array_equal(found[:4], np.eye(4))
    np.testing.assert_array_equal(found[4:], INNER)


def test_linkage_of_vectors_in_the_order_of_the_tasks():
    points = np.array([[3.0], [1.0], [9.0], [0.0]])
    np.testing.assert_array_equal(nodes(linkage(points, "single"))[4:], INNER)
    np.testing.assert_array_equal(nodes(np.empty((0, 4)), TASKS[:1]), [[True]])


def test_nodes_as_an_array_and_no_groups():
    np.testing.assert_array_equal(nodes(INNER), INNER)
    found = nodes("flat")
    np.testing.assert_array_equal(found[:4], np.eye(4))
    np.testing.assert_array_equal(found[4:], [[True] * 4])


def test_labels_are_not_only_strings():
    found = nodes([[2020, 2022], 2021], np.array([2020, 2021, 2022]))
    np.testing.assert_array_equal(found[3:], [[1, 0, 1], [1, 1, 1]])


def test_a_deep_tree_needs_no_deep_stack():
    tree = [0]
    for task in range(1, 3000):
        tree = [tree, task]
    assert nodes(tree, np.arange(3000)).shape == (5999, 3000)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (["a", ["b", "x"], "c", "d"], r"no tasks \['x'\] .* leave them out"),
        ([["a", "b"], ["c"]], r"lacks the tasks \['d'\]: give each a place"),
        ([["a", "b"], ["b", "c", "d"]], r"tasks \['b'\] more than once"),
        (["a", [], "b", "c", "d"], "empty list: leave it out"),
        ("star", "tree must be 'flat', 'ward', nested lists"),
        (None, "tree must be"),
        (np.ones((2, 3), dtype=bool), r"3 columns, but there are 4 tasks"),
        (INNER[:1], r"no node with the tasks \['a', 'c'\]: add a row"),
        (np.ones((4, 4)), r"shape \(4, 4\), but a linkage of 4 tasks has \(3, 4\)"),
        (np.zeros((3, 4)), "no linkage matrix: each row must"),
    ],
)
def test_what_is_no_tree_of_the_tasks(tree, message):
    with pytest.raises(ValueError, match=message):
        read_tree(tree, TASKS)
