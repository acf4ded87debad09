"""Group lasso over the branches of a tree of the tasks."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.inputs.trees import read_tree
from mtlreg.penalties import TreeGroup


@dataclass(eq=False, repr=False)
class _TreeGroupLasso(Stem):
    """The penalty on A = ``coef_.T``, over the nodes v of a tree of the tasks, is::

        alpha sum_j sum_v w_v ||A_jv||_2

    with A_jv the coefficients of feature j in the tasks of the node: single tasks,
    groups of them and, as the root, all tasks. So a feature is used by the tasks of
    some branches, and by no other.

    Parameters
    ----------
    alpha : float, default=0.05
        Strength of the penalty, > 0; see `mtlreg.alpha_max` for its scale.
    tree : str, list or array, default="flat"
        "flat": no groups but the single tasks and the root; nested lists of labels,
        such as ``[["a", "b"], ["c", "d"], "e"]``, of which each list is a node; a
        linkage matrix of shape (n_tasks - 1, 4), as `scipy.cluster.hierarchy.linkage`
        makes it of one vector for each of ``tasks_``; an array of nodes like ``tree_``;
        or "ward": Ward's linkage of the coefficients of each task fitted by itself,
        with a ridge of a tenth of the mean variance of a feature. It is learned of the
        rows of a fit alone, in cross-validation of those of each training part.
    node_weight : "size" or array-like of shape (n_nodes,), default="size"
        The w_v, >= 0, for the rows of ``tree_``; some node of each task must have more
        than 0. "size": the square root of the number of tasks in the fit, where two
        nodes of the same tasks are one. A tree with a weight for its root alone is
        the group lasso.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_features,)
        Whether some task uses the feature.
    tree_ : ndarray of bool, shape (n_nodes, n_tasks)
        The tasks of each node: first the single tasks, then the groups, each before
        the one that it lies in. Of an array of nodes, these.

    References
    ----------
    Kim, Xing (2012), Tree-guided group lasso for multi-response regression with
    structured sparsity, with an application to eQTL mapping, there with weights by the
    heights of the tree.
    """

    alpha: float = 0.05
    _: KW_ONLY
    tree: Any = "flat"
    node_weight: Any = "size"

    def _penalty(self, read):
        named = self.tree if isinstance(self.tree, str) else None
        plain = isinstance(self.node_weight, str) and named == "flat"
        learned = named == "ward"
        groups = None if plain or learned else read_tree(self.tree, read.tasks)
        return TreeGroup(self.alpha, groups, self.node_weight, ward=learned)


@estimator
class TreeGroupLassoRegressor(_TreeGroupLasso, MultiTaskRegressor):
    """Group lasso in which features are used by the branches of a tree of the tasks.

    Examples
    --------
    >>> from mtlreg import TreeGroupLassoRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=4, random_state=0)
    >>> model = TreeGroupLassoRegressor(alpha=0.2, tree=[[0, 1], [2, 3]])
    >>> model.fit(data.X, data.y, tasks=data.tasks).tree_[4:].astype(int)
    array([[1, 1, 0, 0],
           [0, 0, 1, 1],
           [1, 1, 1, 1]])
    """


@estimator
class TreeGroupLassoClassifier(_TreeGroupLasso, MultiTaskClassifier):
    """Logistic group lasso with features of the branches of a tree of the tasks.

    Examples
    --------
    >>> from mtlreg import TreeGroupLassoClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=4, random_state=0)
    >>> model = TreeGroupLassoClassifier(alpha=0.01, tree="ward")
    >>> model.fit(data.X, data.y, tasks=data.tasks).tree_.shape
    (7, 4)
    """


@estimator
class TreeGroupLassoRegressorCV(RegressorCV):
    """`TreeGroupLassoRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import TreeGroupLassoRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=5, random_state=0)
    >>> model = TreeGroupLassoRegressorCV(tree="ward", alphas=10, eps=0.01)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 10, 5)
    """

    _model_class = TreeGroupLassoRegressor


@estimator
class TreeGroupLassoClassifierCV(ClassifierCV):
    """`TreeGroupLassoClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import TreeGroupLassoClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, random_state=0)
    >>> model = TreeGroupLassoClassifierCV(alphas=5, eps=0.1)
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 5, 5)
    """

    _model_class = TreeGroupLassoClassifier
