"""mtlreg and the general numpy solvers; what a competitor is.

Each solves ``F = sum of losses + lam Omega`` in its own scaling, driven by a control: a
tolerance or a number of iterations. What it needs in a layout of its own is prepared
outside the clock; mtlreg gets the arrays as they are, and all its validation is inside
the clock.
"""

import importlib.util
import itertools

import numpy as np

from _board import fista
from _board.penalties import (
    L1,
    L21,
    Chain,
    Clusters,
    Columns,
    ElasticNet,
    Fused,
    Halves,
    L1Linf,
    Mean,
    SquaredTrace,
    Sum,
    Trace,
)

DECADES = tuple(10.0**-k for k in np.arange(2.0, 15.5, 0.5))
COUNTS = tuple(round(2 ** (k / 2)) for k in range(6, 40))
MANY = 1_000_000  # iterations: the tolerance is what stops


# stem and strengths of sums, by their parts
SUMS = {
    (L21, L1): ("DirtyModel", "alpha_shared", "alpha_specific"),
    (L1Linf, L1): ("DirtyModel", "alpha_shared", "alpha_specific"),
    (L21, Columns): ("RobustGroupLasso", "alpha_shared", "alpha_outlier"),
    (Trace, Columns): ("RobustLowRank", "alpha_shared", "alpha_outlier"),
    (Trace, L1): ("SparseLowRank", "alpha_low_rank", "alpha_sparse"),
}


class Competitor:
    """One way to solve one problem.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    name, module : str
        What the report calls it and the module that has to import.
    package : bool
        Whether it counts in the comparison with packages.
    controls : tuple
        The ladder, from loose to tight.
    by_tolerance : bool
        Whether the controls are tolerances, or else numbers of iterations.
    times_own, limit : float
        Times of mtlreg that a call of it may take, and seconds.
    """

    name = module = ""
    package = True
    controls = DECADES
    by_tolerance = True
    times_own, limit = 10, 12.0

    def __init__(self, problem):
        self.problem = problem

    @classmethod
    def variants(cls, problem):
        """Return the settings to try, [] where the problem is not for it."""
        return [cls(problem)] if cls.accepts(problem) else []

    @classmethod
    def accepts(cls, problem):
        return True

    @classmethod
    def installed(cls):
        return not cls.module or importlib.util.find_spec(cls.module) is not None

    def solve(self, lam, control):
        """Return the fitted object; this call is on the clock."""
        raise NotImplementedError

    def matrix(self, fitted):
        """Return A (d, T), or the blocks (2, d, T) of a sum."""
        return np.asarray(fitted.coef_).T

    def iterations(self, fitted):
        """Return how many iterations were made, or None."""
        count = getattr(fitted, "n_iter_", None)
        return None if count is None else int(np.max(count))


class Mtlreg(Competitor):
    """The public estimators, solver="auto", validation included."""

    name = module = "mtlreg"
    package = False
    limit = 60.0

    def estimator(self, lam, tol, **options):
        """Return the unfitted estimator of the problem."""
        import mtlreg

        stem, strengths = self._stem(lam)
        kind = "Regressor" if self.problem.loss == "squared" else "Classifier"
        settings = {"fit_intercept": False, "max_iter": MANY, "tol": tol} | options
        if not self.problem.shared:
            settings["task_weight"] = "proportional"
        return getattr(mtlreg, stem + kind)(**strengths, **settings)

    def _stem(self, lam):
        # F of mtlreg is F of the board times T over the number of rows and tasks
        size = self.problem.y.size
        alpha = float(lam * self.problem.n_tasks / size)
        match self.problem.penalty:
            case L21():
                return "GroupLasso", {"alpha": alpha}
            case ElasticNet(ratio=ratio):
                return "GroupLasso", {"alpha": alpha, "ridge": alpha * ratio}
            case L1Linf():
                return "GroupLasso", {"alpha": alpha, "norm": "linf"}
            case Trace():
                return "TraceNorm", {"alpha": alpha}
            case Mean(ratio=ratio):
                strengths = {"alpha": alpha, "alpha_mean": alpha * ratio}
                return "MeanRegularized", strengths
            case Chain(ratio=ratio):
                strengths = {"alpha": alpha, "ridge": alpha * ratio}
                return "GraphRegularized", strengths | {"graph": "chain"}
            case SquaredTrace():
                return "TaskRelationship", {"alpha": alpha}
            case Clusters(k=k, eta=eta):
                return "Clustered", {"alpha": alpha, "n_clusters": k, "eta": eta}
            case Fused(group=group, entries=entries):
                others = {"alpha_group": alpha * group, "alpha_sparse": alpha * entries}
                return "FusedGroupLasso", {"alpha_fused": alpha} | others
            case Halves():
                tree = np.zeros((2 * self.problem.n_tasks - 1, self.problem.n_tasks))
                nodes = self.problem.penalty.nodes(0, self.problem.n_tasks)
                for row, node in zip(tree, nodes, strict=True):
                    row[node] = 1
                return "TreeGroupLasso", {"alpha": alpha, "tree": tree.astype(bool)}
            case Sum(first=first, second=second, ratio=ratio):
                stem, leading, other = SUMS[type(first), type(second)]
                strengths = {leading: alpha, other: float(alpha / ratio)}
                if stem == "DirtyModel":
                    strengths["norm"] = "l2" if isinstance(first, L21) else "linf"
                return stem, strengths

    def fit(self, estimator):
        if self.problem.shared:
            return estimator.fit(self.problem.X, self.problem.y)
        return estimator.fit(self.problem.X, self.problem.y, tasks=self._tasks)

    def __init__(self, problem):
        super().__init__(problem)
        self._tasks = None if problem.shared else problem.tasks

    def solve(self, lam, control):
        return self.fit(self.estimator(lam, control))

    def matrix(self, fitted):
        if isinstance(self.problem.penalty, Sum):
            return np.stack([fitted.shared_coef_.T, fitted.specific_coef_.T])
        return fitted.coef_.T

    def path(self, lams, control):
        """Return the coefficients along decreasing strengths, warm started."""
        from mtlreg import regularization_path

        estimator = self.estimator(lams[0], control)
        leading = estimator.get_params()[estimator._strengths[0]]
        found = regularization_path(
            estimator,
            self.problem.X,
            self.problem.y,
            tasks=self._tasks,
            alphas=leading * lams / lams[0],
        )
        yield from found.coef.swapaxes(1, 2)


class Textbook(Competitor):
    """FISTA with a constant step and restart in numpy, stopped by the judge."""

    name = "textbook"
    package = False
    controls = COUNTS

    def __init__(self, problem, smooth=fista.Rows):
        super().__init__(problem)
        self._smooth = smooth
        self.label = smooth.__name__.lower()

    @classmethod
    def variants(cls, problem):
        kinds = [fista.Rows]
        if fista.gram_pays(problem):
            kinds.append(fista.Gram)
        return [cls(problem, kind) for kind in kinds]

    def iterates(self, lam):
        """Yield the iterates; the constants are computed on the clock."""
        return fista.textbook(self.problem, self._smooth(self.problem), lam)

    def solve(self, lam, control):
        return next(itertools.islice(self.iterates(lam), control - 1, None))

    def matrix(self, fitted):
        return fitted

    def legs(self, lams):
        """Return ``leg(lam, start)``, the iterates of one point of a path."""
        smooth = self._smooth(self.problem)

        def leg(lam, start):
            return fista.textbook(self.problem, smooth, lam, start)

        return leg


class LineSearch(Textbook):
    """FISTA with line search, the scheme of the older toolboxes, in numpy."""

    name = "malsar-style"
    legs = None
    times_own, limit = 25, 60.0  # the target is a ratio of 20

    @classmethod
    def variants(cls, problem):
        # the toolbox has no L1/Linf penalty on its own
        return [] if isinstance(problem.penalty, L1Linf) else [cls(problem)]

    def iterates(self, lam):
        return fista.line_search(self.problem, lam)
