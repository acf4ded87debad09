"""Scorers that know the tasks of the rows they are given."""

import inspect

from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from mtlreg.inputs.frames import check_task_column
from mtlreg.inputs.labels import task_labels
from mtlreg.metrics._classification import task_accuracy, task_auc, task_log_loss
from mtlreg.metrics._regression import (
    task_amse,
    task_explained_variance,
    task_nmse,
    task_r2,
    task_rmse,
    task_rrmse,
)

_SCORES = (task_accuracy, task_auc, task_explained_variance, task_r2)
_LOSSES = (task_amse, task_log_loss, task_nmse, task_rmse, task_rrmse)
_METRICS = {metric.__name__: metric for metric in _SCORES + _LOSSES}
_METHODS = {
    "task_auc": ("decision_function", "predict_proba"),
    "task_log_loss": ("predict_proba",),
}


def task_scorer(metric, *, task_column=None, **kwargs):
    """Make a scorer of a metric by task, for ``scoring=`` of any search.

    The scorer is called as ``scorer(estimator, X, y, sample_weight=None, tasks=None)``
    and greater is better: errors and losses change their sign. `task_auc` is given the
    estimator's decisions or probabilities, `task_log_loss` its probabilities, both
    with its ``classes_`` as labels, and the other metrics its predictions.

    Parameters
    ----------
    metric : str or callable
        A metric of `mtlreg.metrics`, or its name.
    task_column : str or int, optional
        Column of X that holds the task labels, name or position. X is what the scorer
        is given, so that a pipeline behind it may change or drop the column. Without
        it a 1-D y is one task, unless ``tasks`` are given; a 2-D y has its own.
    **kwargs
        Further arguments of the metric, such as ``multioutput="size_weighted"``.

    Returns
    -------
    callable
        Under metadata routing it requests ``tasks``, which it passes on to an estimator
        that takes them in `predict`, and can be told to request ``sample_weight``:
        ``scorer.set_score_request(sample_weight=True)``.

    Raises
    ------
    ValueError
        If the metric is not one of `mtlreg.metrics`, or takes no such argument.
    TypeError
        If ``task_column`` is neither a name nor a position.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from mtlreg import MeanRegularizedRegressor
    >>> from mtlreg.datasets import make_multitask_regression
    >>> from mtlreg.metrics import task_scorer
    >>> from mtlreg.model_selection import TaskKFold
    >>> data = make_multitask_regression(as_frame=True, random_state=0)
    >>> scores = cross_val_score(
    ...     MeanRegularizedRegressor(task_column="task"),
    ...     data.X,
    ...     data.y,
    ...     cv=TaskKFold(5, task_column="task", random_state=0),
    ...     scoring=task_scorer("task_rmse", task_column="task"),
    ... )
    >>> print(-scores.mean().round(1))
    1.4
    """
    name = getattr(metric, "__name__", metric)
    if not isinstance(name, str) or name not in _METRICS:
        raise ValueError(
            f"metric={metric!r} is not a metric of mtlreg.metrics: use one of "
            f"{list(_METRICS)}, or sklearn.metrics.make_scorer for other functions."
        )
    if task_column is not None:
        check_task_column(task_column)
    known = set(inspect.signature(_METRICS[name]).parameters)
    known -= {"y_true", "y_pred", "y_score", "y_proba", "tasks", "sample_weight"}
    if not known.issuperset(kwargs):
        raise ValueError(
            f"task_scorer({name!r}) takes no {sorted(set(kwargs) - known)}; it takes "
            f"{sorted(known)} and task_column. Tasks and weights come with each call."
        )
    if kwargs.get("multioutput") == "raw_values":
        raise ValueError(
            "a scorer returns one number, but multioutput='raw_values' gives one per "
            "task; use 'uniform_average' or 'size_weighted'"
        )
    return TaskScorer(name, task_column, kwargs)


class TaskScorer:
    """What `task_scorer` makes.

    Parameters
    ----------
    name : str
        Of the metric.
    task_column : str, int or None
    kwargs : dict
    """

    def __init__(self, name, task_column, kwargs):
        self._name = name
        self._task_column = task_column
        self._kwargs = kwargs
        self._requests = {"sample_weight": None, "tasks": task_column is None}

    def __call__(self, estimator, X, y, sample_weight=None, *, tasks=None):
        """Return the score of the estimator's predictions for X.

        Parameters
        ----------
        estimator : fitted estimator
        X, y, sample_weight
            As in the `score` of the estimator.
        tasks : array-like of shape (n_samples,), optional
            Task labels; not together with ``task_column``.

        Returns
        -------
        float
        """
        response = self._respond(estimator, X, tasks)
        if self._task_column is not None:
            if tasks is not None:
                raise ValueError(
                    f"tasks= and task_column={self._task_column!r} are both given. "
                    "Pass the labels once."
                )
            tasks = task_labels(X, self._task_column)
        kwargs = self._kwargs
        if self._name in _METHODS:
            kwargs = {"labels": getattr(estimator, "classes_", None)} | kwargs
        value = _METRICS[self._name](
            y, response, tasks=tasks, sample_weight=sample_weight, **kwargs
        )
        return value if _METRICS[self._name] in _SCORES else -value

    def _respond(self, estimator, X, tasks):
        methods = _METHODS.get(self._name, ("predict",))
        found = [method for method in methods if hasattr(estimator, method)]
        if not found:
            raise ValueError(
                f"{self._name} needs {' or '.join(methods)}, which "
                f"{type(estimator).__name__} does not have. Use task_accuracy, or an "
                "estimator that has it."
            )
        metadata = {}
        if tasks is not None and hasattr(estimator, "get_metadata_routing"):
            routing = get_routing_for_object(estimator)
            if routing.consumes(found[0], ["tasks"]):
                metadata["tasks"] = tasks
        return getattr(estimator, found[0])(X, **metadata)

    def set_score_request(self, **requests):
        """Say which metadata the scorer requests.

        Parameters
        ----------
        **requests : bool, str or None
            For ``sample_weight`` and ``tasks``: whether, or under which alias.

        Returns
        -------
        self
        """
        unknown = sorted(set(requests) - set(self._requests))
        if unknown:
            raise TypeError(
                f"{self!r} takes no {unknown}; it can request {list(self._requests)}"
            )
        self._requests = self._requests | requests
        return self

    def get_metadata_routing(self):
        """Return the requested metadata.

        Returns
        -------
        MetadataRequest
        """
        request = MetadataRequest(owner=self)
        for param, alias in self._requests.items():
            request.score.add_request(param=param, alias=alias)
        return request

    def _accept_sample_weight(self):
        # searches of scikit-learn ask their scorers, so that weights score too
        return True

    def __repr__(self):
        given = {"task_column": self._task_column} | self._kwargs
        shown = [f", {k}={v!r}" for k, v in given.items() if v is not None]
        return f"task_scorer({self._name!r}{''.join(shown)})"
