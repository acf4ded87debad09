"""Regularisation by a graph of the tasks."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

from mtlreg.estimators.classifier import MultiTaskClassifier
from mtlreg.estimators.cross_validation import ClassifierCV, RegressorCV
from mtlreg.estimators.declarations import Stem, estimator
from mtlreg.estimators.regressor import MultiTaskRegressor
from mtlreg.inputs.graphs import read_graph
from mtlreg.penalties import CompleteGraph, GraphRegularization


@dataclass(eq=False, repr=False)
class _GraphRegularized(Stem):
    """The penalty, over the edges of a graph of the tasks, each once, is::

        alpha/2 sum_{s, t} w_st ||a_s - a_t||^2 + ridge/2 ||A||_F^2

    Without a ridge the mean over each connected component is free, and so is a task
    without an edge. A task of one class, which has no optimum of its own, costs no
    ridge: its slopes are the mean of its neighbours by the weights, and two tasks that
    are tied through it are so in the problem of the others.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the differences along the edges, > 0.
    graph : str, array, list or networkx graph, default="complete"
        "complete": every pair, with the weight 1/T, which is mean regularisation of the
        strengths ``alpha + ridge`` and ``alpha_mean = ridge``, and supposes no order of
        the tasks; "chain": each of ``tasks_`` with the next one, such as years; a
        symmetric array of weights in the order of ``tasks_``; a list of pairs ``(task,
        task)`` or ``(task, task, weight)`` by label; or a networkx graph of labels.
        Weights are >= 0, by default 1; pairs that are left out have none.
    ridge : float, default=0.001
        Of ``ridge/2 ||A||_F^2``: >= 0. With 0 the classes of each component, and of
        each task without an edge, must overlap. It is no strength: paths and searches
        leave it as it is.

    Attributes
    ----------
    graph_ : ndarray of shape (n_tasks, n_tasks)
        The weights w_st, symmetric, in the order of ``tasks_``.

    References
    ----------
    Evgeniou, Micchelli, Pontil (2005), Learning multiple tasks with kernel methods,
    section 3.1.3.
    """

    alpha: float = 0.1
    _: KW_ONLY
    graph: Any = "complete"
    ridge: float = 0.001

    def _penalty(self, read):
        if isinstance(self.graph, str) and self.graph == "complete":
            return CompleteGraph(self.alpha)
        return GraphRegularization(self.alpha, read_graph(self.graph, read.tasks))


@estimator
class GraphRegularizedRegressor(_GraphRegularized, MultiTaskRegressor):
    """Ridge regression of every task towards its neighbours in a graph of the tasks.

    Examples
    --------
    >>> from mtlreg import GraphRegularizedRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(
    ...     n_tasks=3, structure="mean", random_state=0
    ... )
    >>> model = GraphRegularizedRegressor(alpha=1.0, graph="chain")
    >>> model.fit(data.X, data.y, tasks=data.tasks).graph_
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """


@estimator
class GraphRegularizedClassifier(_GraphRegularized, MultiTaskClassifier):
    """Logistic regression of every task towards its neighbours in a graph of tasks.

    Examples
    --------
    >>> from mtlreg import GraphRegularizedClassifier
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(
    ...     n_tasks=4, structure="mean", random_state=0
    ... )
    >>> model = GraphRegularizedClassifier(graph=[(0, 1), (2, 3, 0.5)])
    >>> model.fit(data.X, data.y, tasks=data.tasks).graph_[2]
    array([0. , 0. , 0. , 0.5])
    """


@estimator
class GraphRegularizedRegressorCV(RegressorCV):
    """`GraphRegularizedRegressor` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import GraphRegularizedRegressorCV
    >>> from mtlreg.datasets import make_multitask_regression
    >>> data = make_multitask_regression(n_tasks=5, random_state=0)
    >>> model = GraphRegularizedRegressorCV(graph="chain", alphas=[0.01, 0.1, 1.0])
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 3, 5)
    """

    _model_class = GraphRegularizedRegressor


@estimator
class GraphRegularizedClassifierCV(ClassifierCV):
    """`GraphRegularizedClassifier` with strengths by cross-validation.

    Examples
    --------
    >>> from mtlreg import GraphRegularizedClassifierCV
    >>> from mtlreg.datasets import make_multitask_classification
    >>> data = make_multitask_classification(n_tasks=5, random_state=0)
    >>> model = GraphRegularizedClassifierCV(graph="chain", alphas=[0.01, 0.1, 1.0])
    >>> model.fit(data.X, data.y, tasks=data.tasks).score_path_.shape
    (1, 3, 5)
    """

    _model_class = GraphRegularizedClassifier
