"""The parts of the docstrings that every estimator shares."""

_PARTS = {
    "parameters": """fit_intercept : bool, default=True
    Whether every task has an intercept b_t, which is never penalised.
task_column : str or int, optional
    The column of X that says which task a row belongs to: a str is a name, an int a
    position (negative counts from the end). It is no feature.
unseen_task : {"error", "mean"}, default="error"
    What `predict` does with a task that `fit` has not seen: refuse it, or use the
    unweighted mean of ``coef_`` and ``intercept_`` over the tasks.
task_weight : {"equal", "proportional"}, dict or array-like, default="equal"
    The c_t of the objective: 1, so that the mean loss of every task counts the same;
    ``T W_t / sum_t W_t``, so that every row counts the same; or positive numbers, by
    task (a dict, or a pandas series by its index; extra keys are ignored) or in the
    order of ``tasks_``.
max_iter : int, default=10_000
    Most iterations of the solver.
tol : float, default=1e-6
    Stop when the duality gap is at most ``tol F0``, with F0 the objective at A = 0 and
    the best intercepts (float32 data: at most ``2e-6 F0`` is asked for).
warm_start : bool, default=False
    Start from the coefficients of the previous fit if tasks and features are the same.
solver : {"auto", "fista", "bcd", "direct"}, default="auto"
    "fista": accelerated proximal gradient, for every model; "bcd": block coordinate
    descent over features, for group lasso and dirty models; "direct": linear systems,
    for mean regularisation, one for the squared loss and Newton's method otherwise;
    "auto": the fastest that applies.""",
    "search": """The strength is chosen from a grid: every fold is fitted along it, each
fit started from the last, and scored on the rows it leaves out. The strength with the
best mean over the folds then serves a fit of all rows. A warning tells of a best
strength or ratio at an end of its grid, unless the model hardly changes beyond it: at
`mtlreg.alpha_max`, or at the ends of the default ratios.""",
    "cv_parameters": """alphas : int or array-like of shape (n_alphas,), default=100
    Leading strengths to choose from (they are sorted, largest first), or the size of
    the grid of `mtlreg.alpha_grid`, one for each ratio.
eps : float, default=1e-3
    Smallest over largest strength of that grid.
cv : int, cross-validation generator or iterable of (train, test), optional
    By default 5 folds, and with an int as many, of `mtlreg.model_selection.TaskKFold`
    with ``random_state=0``.
scoring : str or callable, optional
    A metric of `mtlreg.metrics` or scorer of scikit-learn, by name, or a callable
    ``scorer(estimator, X, y)``. By default minus ``sum_t c_t L_t / sum_t c_t`` over
    the tasks with rows that are left out, L_t their mean squared error or log-loss and
    c_t as ``task_weight`` says: the mean of the tasks for "equal", the mean over all
    rows for "proportional".
selection : {"min", "one_se"}, default="min"
    The strength with the best mean score, the larger one of two; or the largest, at the
    ratio of that one, whose mean score is within a standard error of it (Breiman,
    Friedman, Olshen, Stone (1984), Classification and regression trees, section 3.4).
n_jobs : int, optional
    Folds that are fitted at the same time, in threads; -1: as many as processors.""",
    "mse": """mse_path_ : ndarray of shape (n_ratios, n_alphas, n_folds)
    Mean squared errors, ``-score_path_``; only without ``scoring``.""",
    "cv_attributes": """alphas_ : ndarray of shape (n_alphas,) or (n_ratios, n_alphas)
    Leading strengths, decreasing; a row for each ratio if there are several.
score_path_ : ndarray of shape (n_ratios, n_alphas, n_folds)
    Scores; more is better.
task_score_path_ : ndarray of shape (n_ratios, n_alphas, n_folds, n_tasks)
    Minus the mean loss of each task, whatever the scoring; NaN where a fold leaves out
    no row of the task.
cv_results_ : dict
    The scores as a table with a row for each pair of ratio and strength, which pandas
    takes; its names are those of `sklearn.model_selection.GridSearchCV`.""",
    "attributes": """coef_ : ndarray of shape (n_tasks, n_features)
    Slopes, one row a task; without the task column.
intercept_ : ndarray of shape (n_tasks,)
    Intercepts, 0 without ``fit_intercept``.
tasks_ : ndarray of shape (n_tasks,)
    Sorted task labels, names of the columns of a 2-D y, or the classes.
n_iter_ : int
    Iterations of the solver, at least 1.
dual_gap_ : float
    Duality gap at ``coef_`` and ``intercept_`` in the units of F: F is at most that
    much above its minimum.
coef_feature_names_ : ndarray of shape (n_features,)
    Names of the columns of ``coef_``.
n_features_in_ : int
    Number of columns of X, the task column included.
feature_names_in_ : ndarray of str
    Names of the columns of X, if they are all strings.""",
    "classes": """classes_ : ndarray of shape (n_classes,) or (n_tasks, 2)
    Class labels: one pair for all tasks; more than two for a 1-D y without tasks,
    which has a one-vs-rest task a class; a pair a column for a 2-D y.""",
    "rows": """The rows of X belong to tasks in one of three ways: ``task_column`` names
a column of X; ``fit`` and ``predict`` take the labels as ``tasks=``; or y is 2-D, a
column a task, all with the same X (NaN: not observed). The objective, for tasks
t = 1..T with weights w_ti of W_t in all, is::

    F(A, b) = sum_t (c_t / W_t) sum_i w_ti loss(y_ti, x_ti . a_t + b_t) + penalty(A)

with a_t the t-th row of ``coef_``, b_t of ``intercept_``, and""",
    "squared": "``loss(y, z) = 1/2 (y - z)^2``.",
    "logistic": "``loss(y, z) = log(1 + exp(-y z))``, y in {-1, 1}.",
    "one_class": """A task (or column of y) with one class has no finite optimum with an
intercept. It is left out of the problem: its slopes are what the penalty makes of a
task without data, its intercept is ``log((k + 1/2) / (W - k + 1/2))`` with k of its
weight W in the second class, and a warning names it.""",
}


_COMMON, _, _AFTER = _PARTS["parameters"].partition("warm_start : ")
_PARTS["cv_model_parameters"] = _COMMON + _AFTER[_AFTER.index("solver : ") :]


def document(cls):
    """Fill the ``%(part)s`` of the docstring of a class with the shared parts."""
    lines = []
    for line in cls.__doc__.splitlines():
        text = line.lstrip()
        name = text.removeprefix("%(").removesuffix(")s")
        if text == f"%({name})s":
            indent = line[: len(line) - len(text)]
            part = _PARTS[name].splitlines()
            lines.extend((indent + inner).rstrip() for inner in part)
        else:
            lines.append(line)
    cls.__doc__ = "\n".join(lines)
    return cls
