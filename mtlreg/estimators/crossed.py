"""Mean regularisation by several groupings of the rows at once."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from mtlreg.estimators._checks import (
    check_choice,
    check_count,
    check_flag,
    check_real,
    levels_to_caller,
)
from mtlreg.estimators._summary import crossed_coef_frame, crossed_summary
from mtlreg.estimators.base import restores_on_failure
from mtlreg.inputs.groupings import read_crossed_fit, read_crossed_predict
from mtlreg.problem.crossed import CrossedProblem
from mtlreg.problem.rows import predict_rows
from mtlreg.solvers.crossed import minimise_crossed


class CrossedMeanRegularizedRegressor(RegressorMixin, BaseEstimator):
    """Ridge regression towards a mean, with deviations by several groupings at once.

    Each row has a label in every one of several columns of X, such as a store and a
    product: crossed, where labels of one column meet many of another, or nested. Its
    slopes and intercept are common ones plus a deviation for each of its labels. The
    objective, for rows i with weights w_i of W in all, and T_k labels in column k, is::

        F = 1/(2 W) sum_i w_i (y_i - z_i)^2 + alpha_mean/2 ||m||^2
            + sum_k alpha_k / (2 T_k) sum_l ||u_kl||^2
            + sum_k alpha_intercept_k / (2 T_k) sum_l v_kl^2
        z_i = x_i . m + b + sum_k (x_i . u_kl + v_kl),  l the label of row i in column k

    with m = ``common_coef_``, b = ``common_intercept_``, u_kl the rows of
    ``coef_[column]`` and v_kl the entries of ``intercept_[column]``, whose sums over
    the labels of a column are 0. Every row counts the same, and a strength is that of
    the mean square over labels. With one column that is the objective of
    `MeanRegularizedRegressor` with ``task_weight="proportional"``, over the number of
    tasks: the same strengths have the same minimiser. At ``alpha_mean=0`` it is the
    best linear unbiased prediction of a mixed model with independent deviations, of
    variance ``T_k / (W alpha_k)`` times that of the noise.

    Parameters
    ----------
    task_column : str, int or list of these
        The columns of X with the labels, which are no features: a str is a name, an int
        a position (negative counts from the end).
    alpha : float or sequence of float, one for each column, default=0.1
        Strengths of the deviations of the slopes, > 0; ``np.inf``: there are none.
    alpha_mean : float, default=0.001
        Strength of the common slopes, >= 0; 0 leaves them free: where the data do not
        determine them, they are those of least norm.
    alpha_intercept : float or sequence of float, one for each column, optional
        Strengths of the deviations of the intercepts, >= 0; by default those of the
        slopes. ``np.inf``: there are none. 0 leaves the intercepts of a column free,
        but of one only: the data do not tell free ones of two columns apart.
        An intercept is a prediction at ``x = 0``: let that be a point in the midst of
        the data.
    fit_intercept : bool, default=True
        Whether there are intercepts; the common one is never penalised.
    unseen_task : {"error", "mean"}, default="error"
        What `predict` does with a label that `fit` has not seen in its column: refuse
        it, or go by the rest, with a deviation of 0 for this column, as it always does
        where a label is missing (None, NaN).
    max_iter : int, default=10_000
        Most iterations of conjugate gradients.
    tol : float, default=1e-6
        Stop when the duality gap is at most ``tol F0``, with F0 the objective of the
        best model without deviations that are penalised.

    Attributes
    ----------
    coef_ : dict of ndarray of shape (n_labels, n_features)
        For every column as ``task_column`` names it, the deviations of the slopes of
        its labels; in float64.
    intercept_ : dict of ndarray of shape (n_labels,)
        The same of the intercepts, 0 without ``fit_intercept``.
    common_coef_ : ndarray of shape (n_features,)
        Common slopes.
    common_intercept_ : float
        Common intercept.
    tasks_ : dict of ndarray of shape (n_labels,)
        The sorted labels of every column.
    n_iter_ : int
        Iterations of conjugate gradients, at least 1.
    dual_gap_ : float
        Duality gap: F is at most that much above its minimum.
    coef_feature_names_ : ndarray of shape (n_features,)
        Names of the features, without the columns of labels.
    n_features_in_ : int
        Number of columns of X, those with labels included.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if they are all strings.

    References
    ----------
    Hestenes, Stiefel (1952), Methods of conjugate gradients for solving linear systems.

    Bates, Maechler, Bolker, Walker (2015), Fitting linear mixed-effects models using
    lme4.

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg import CrossedMeanRegularizedRegressor
    >>> rng = np.random.default_rng(0)
    >>> x, store, product = rng.normal(size=300), *rng.integers(0, 10, (2, 300))
    >>> y = (1 + 0.1 * store - 0.2 * product) * x + store
    >>> X = np.column_stack([x, store, product])
    >>> model = CrossedMeanRegularizedRegressor([1, 2], alpha=[0.01, 0.02]).fit(X, y)
    >>> model.coef_[1].shape
    (10, 1)
    >>> model.score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        task_column,
        alpha=0.1,
        *,
        alpha_mean=0.001,
        alpha_intercept=None,
        fit_intercept=True,
        unseen_task="error",
        max_iter=10_000,
        tol=1e-6,
    ):
        self.task_column = task_column
        self.alpha = alpha
        self.alpha_mean = alpha_mean
        self.alpha_intercept = alpha_intercept
        self.fit_intercept = fit_intercept
        self.unseen_task = unseen_task
        self.max_iter = max_iter
        self.tol = tol

    @restores_on_failure
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : float or array-like of shape (n_samples,), optional
            Weights >= 0. Weight k is the same as k copies of the row.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X, y, the weights or a parameter is not as described; the estimator is
            then as it was before.
        """
        columns, alpha, alpha_intercept = self._check_parameters()
        read = read_crossed_fit(self, X, y, sample_weight, columns)
        d, intercept = len(read.feature_names), bool(self.fit_intercept)
        strengths = np.repeat(alpha[:, None], d + intercept, axis=1)
        if intercept:
            strengths[:, -1] = alpha_intercept
        problem = CrossedProblem(
            read.X,
            read.y,
            read.weight,
            read.codes,
            strengths,
            float(self.alpha_mean),
            intercept,
        )
        solution = minimise_crossed(problem, int(self.max_iter), float(self.tol))
        m, b, slopes, intercepts = problem.coefficients(solution.A)
        self.coef_ = dict(zip(columns, slopes, strict=True))
        self.intercept_ = dict(zip(columns, intercepts, strict=True))
        self.common_coef_, self.common_intercept_ = m, b
        self.tasks_ = read.tasks
        self.coef_feature_names_ = read.feature_names
        self.n_iter_, self.dual_gap_ = solution.n_iter, solution.gap
        if not solution.converged:
            target = problem.gap_target(self.tol)
            warnings.warn(
                f"{type(self).__name__} did not converge: after {solution.n_iter} "
                f"iterations the duality gap is {solution.gap:.3g}, the target is "
                f"{target:.3g} (tol={self.tol:g}). Scale the features, or increase "
                f"max_iter={self.max_iter}, tol, or alpha={self.alpha}.",
                ConvergenceWarning,
                stacklevel=levels_to_caller(),
            )
        return self

    def _check_parameters(self):
        """Return the columns, and their strengths of slopes and intercepts."""
        columns = self.task_column
        if isinstance(columns, str | Integral):
            columns = [columns]
        if not isinstance(columns, list | tuple | np.ndarray) or len(columns) == 0:
            raise ValueError(
                f"task_column={self.task_column!r} must name the columns of X that "
                f"hold labels; give a list of names or positions"
            )
        columns = list(columns)
        alpha = _strengths(self.alpha, "alpha", columns, strict=True)
        alpha_intercept = alpha
        if self.alpha_intercept is not None:
            if not self.fit_intercept:
                raise ValueError(
                    f"alpha_intercept={self.alpha_intercept!r} shrinks intercepts, but "
                    f"there are none: set fit_intercept=True or alpha_intercept=None"
                )
            alpha_intercept = _strengths(
                self.alpha_intercept, "alpha_intercept", columns, strict=False
            )
            if np.count_nonzero(alpha_intercept == 0) > 1:
                raise ValueError(
                    f"alpha_intercept={self.alpha_intercept!r} leaves the intercepts "
                    f"of several of the columns {columns} free, which the data do not "
                    f"tell apart; give all of them but one a strength > 0"
                )
        check_real(self.alpha_mean, "alpha_mean", minimum=0.0)
        check_flag(self.fit_intercept, "fit_intercept")
        check_choice(self.unseen_task, "unseen_task", ["error", "mean"])
        check_count(self.max_iter, "max_iter")
        check_real(self.tol, "tol", minimum=0.0)
        return columns, alpha, alpha_intercept

    def predict(self, X):
        """Predict the target.

        Parameters
        ----------
        X : {array-like, frame, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            For a label that `fit` has not seen, unless ``unseen_task="mean"``.
        """
        check_is_fitted(self)
        X, codes = read_crossed_predict(self, X)
        z = X @ self.common_coef_ + self.common_intercept_
        for column, places in codes.items():
            # what is not there, -1, is the last row
            coef = np.pad(self.coef_[column], ((0, 1), (0, 0)))
            intercept = np.append(self.intercept_[column], 0.0)
            places = np.where(places < 0, len(coef) - 1, places)
            z += predict_rows(X, coef, intercept, places)
        return z

    def coef_frame(self):
        """Return the deviations of the slopes as a data frame, a row a label.

        Returns
        -------
        pandas.DataFrame of shape (n_labels of all columns, n_features)
            The entries of ``coef_``, with the columns of labels and their labels as the
            two levels of its index, "task_column" and "task". The slopes of a row are
            ``common_coef_`` plus those of each of its labels.

        Raises
        ------
        ImportError
            If there is no pandas.
        """
        check_is_fitted(self)
        return crossed_coef_frame(self)

    def summary(self):
        """Return the fit in a few lines of text.

        Returns
        -------
        str
            The labels of every column, features, strengths, the dual gap.
        """
        check_is_fitted(self)
        return crossed_summary(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _strengths(value, name, columns, *, strict):
    """Return a strength for each column, from one for all or a sequence of them."""
    single = np.ndim(value) == 0
    values = [value] * len(columns) if single else list(value)
    if len(values) != len(columns):
        raise ValueError(
            f"{name}={value!r} has {len(values)} strengths, but task_column has "
            f"{len(columns)} columns; give one for each, or one for all"
        )
    for k, strength in enumerate(values):
        place = name if single else f"{name}[{k}]"
        check_real(strength, place, minimum=0.0, strict=strict, infinite=True)
    return np.array(values, dtype=np.float64)
