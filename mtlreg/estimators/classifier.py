"""What the classifiers share: the logistic loss, decisions and probabilities."""

import functools
from typing import ClassVar

import numpy as np
from scipy.special import expit, log_expit, log_softmax
from sklearn.base import ClassifierMixin

from mtlreg.estimators._callbacks import with_callbacks
from mtlreg.estimators._chunks import ChunkedFit
from mtlreg.estimators.base import MultiTaskLinearModel, restores_on_failure
from mtlreg.inputs.parts import READ
from mtlreg.inputs.targets import read_score_target, weigh_classes
from mtlreg.losses import Logistic


class MultiTaskClassifier(ClassifierMixin, MultiTaskLinearModel):
    """Base of the classifiers.

    Parameters
    ----------
    class_weight : dict or "balanced", optional
        Weights of the classes, which multiply those of the rows in the objective and in
        the default scores of cross-validation: by class, 1 for those that are not
        named; or "balanced", so that both classes of a task weigh the same in it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or (n_tasks, 2)
        Class labels: one pair for all tasks; more than two for a 1-D y without tasks,
        which has a one-vs-rest task a class; a pair a column for a 2-D y.
    """

    __metadata_request__decision_function: ClassVar = {"tasks": True}
    __metadata_request__predict_proba: ClassVar = {"tasks": True}
    __metadata_request__predict_log_proba: ClassVar = {"tasks": True}

    _options: ClassVar[dict] = {"class_weight": None}

    def _loss(self):
        return Logistic()

    def _check_parameters(self):
        super()._check_parameters()
        given = self.class_weight
        balanced = isinstance(given, str) and given == "balanced"
        if not (given is None or isinstance(given, dict) or balanced):
            raise ValueError(
                f"class_weight must be None, 'balanced' or a dict of weights by class, "
                f"got {given!r}"
            )

    def _read(self, X, y, sample_weight, tasks):
        return self._weigh(super()._read(X, y, sample_weight, tasks))

    def _read_new_task(self, X, y, task, sample_weight):
        read = super()._read_new_task(X, y, task, sample_weight)
        return read if read.data is None else self._weigh(read)

    def _weigh(self, read):
        """Return a `FitInput` with the weights of the classes."""
        given = self.class_weight
        return read if given is None else weigh_classes(read, given)

    @restores_on_failure
    @with_callbacks
    def _fit_chunks(self, labels, rounds):
        """Fit rows that stay where they are, as `fit` would.

        Parameters
        ----------
        labels : mtlreg.inputs.parts.Labels
            Of all rows.
        rounds : callable
            ``rounds(read, shares)`` returns what asks the rows, see `ChunkedFit`; read
            is the `FitInput` of the labels.

        Returns
        -------
        self
        """
        context = self._init_callback_context(max_subtasks=None)
        inputs = {"X": None, "y": None, "metadata": {}}
        context.call_on_fit_task_begin(estimator=self, **inputs)
        table = labels.read()
        read = self._weigh(table)
        for name in READ:
            vars(self).pop(name, None)
        vars(self).update(labels.known)
        ask = functools.partial(rounds, table)
        penalty = self._whole_penalty(read)
        fit = ChunkedFit(self, read, penalty, table.data.weight, ask)
        start = self._start(fit)
        self._forget()
        self._solve(fit, start, context, inputs)
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=dict, **inputs
        )
        return self

    def decision_function(self, X, *, tasks=None):
        """Return the log-odds of the second class, or of every class.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)
        tasks : array-like of shape (n_samples,), optional
            Task labels, if and only if `fit` took them. One that is missing (None, NaN)
            stands for a task that is not known, see `fit_new_task`.

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a 2-D y, or
        (n_samples, n_classes) with more than two classes

        Raises
        ------
        ValueError
            For a task that `fit` has not seen, unless ``unseen_task="mean"``.
        """
        return self._linear_prediction(X, tasks)

    def predict(self, X, *, tasks=None):
        """Return the likelier class.

        Parameters
        ----------
        X, tasks
            As in `decision_function`.

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_tasks) after a 2-D y
        """
        z = self.decision_function(X, tasks=tasks)
        if self._layout == "multiclass":
            return self.classes_[np.argmax(z, axis=1)]
        if self._layout == "columns":
            return np.where(z > 0, self.classes_[:, 1], self.classes_[:, 0])
        return self.classes_[(z > 0).astype(np.intp)]

    def predict_proba(self, X, *, tasks=None):
        """Return the probabilities of the classes.

        Parameters
        ----------
        X, tasks
            As in `decision_function`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; with more than two classes the one-vs-rest
            sigmoids divided by their sum. After a 2-D y of shape (n_samples, n_tasks):
            the probability of ``classes_[t, 1]``.
        """
        z = self.decision_function(X, tasks=tasks)
        if self._layout == "multiclass":
            return np.exp(_log_proba(z))
        if self._layout == "columns":
            return expit(z)
        return np.stack([expit(-z), expit(z)], axis=1)

    def predict_log_proba(self, X, *, tasks=None):
        """Return the logarithm of `predict_proba`, without underflow.

        Parameters
        ----------
        X, tasks
            As in `decision_function`.

        Returns
        -------
        ndarray of the shape of `predict_proba`
        """
        z = self.decision_function(X, tasks=tasks)
        if self._layout == "multiclass":
            return _log_proba(z)
        if self._layout == "columns":
            return log_expit(z)
        return np.stack([log_expit(-z), log_expit(z)], axis=1)

    def score(self, X, y, sample_weight=None, *, tasks=None):
        """Return the accuracy: over all rows, or the mean of the columns of a 2-D y.

        Parameters
        ----------
        X, y, sample_weight, tasks
            As in `fit`. Cells of a 2-D y that are not observed do not count; a column
            without any is left out of the mean.

        Returns
        -------
        float
        """
        predicted = self.predict(X, tasks=tasks)
        y, weight = read_score_target(self, y, sample_weight, predicted.shape)
        hits = np.where(weight > 0, predicted == y, False)
        if predicted.ndim == 1:
            return float(np.average(hits, weights=weight))
        total = weight.sum(axis=0)
        scores = np.sum(weight * hits, axis=0)[total > 0] / total[total > 0]
        return float(np.mean(scores))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # with a decision_function the checks and scorers of scikit-learn agree on a
        # 2-D y only if it is declared as multilabel
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = False
        return tags


def _log_proba(z):
    """Return ``log (p_k / sum_l p_l)`` with p the sigmoids of z, without underflow."""
    return log_softmax(log_expit(z), axis=1)
