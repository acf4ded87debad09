"""Accelerated proximal gradient."""

from dataclasses import dataclass

import numpy as np

from mtlreg.penalties.factored import as_array
from mtlreg.problem.terms import PenalisedTerm
from mtlreg.solvers._accelerated import accelerated
from mtlreg.solvers._semismooth import Semismooth
from mtlreg.solvers.base import GapCheck, Solver


@dataclass(frozen=True)
class FISTA(Solver):
    """Accelerated proximal gradient with adaptive restart, for every problem.

    The step is 1/L with L the exact Lipschitz constant of the gradient (or its Lanczos
    value times 1.01); whenever the curvature along a step turns out larger than L, L
    grows and the step is taken again. The momentum restarts when it points uphill.

    Where the penalty has tangent spaces (the trace norm, and sums A = B + S of it and
    of sums over rows), L starts at the mean curvature of the data term, and
    Newton steps take over once the rank or the face has settled, or at once from a
    start that is given: on the matrices of one rank, and where that fails, or features
    of unequal scales make it slow, on the factors of A. There a product with the
    Hessian counts as an iteration, and every step is checked.

    Where rows are far fewer than features, and the penalty knows no basis of these,
    iterates stay in the span of the rows.

    Parameters
    ----------
    max_iter : int, default=10_000
    tol : float, default=1e-6
        Stop when the duality gap is at most ``tol F0``.
    check_every : int, default=10
        Iterations from one gap check to the next.

    References
    ----------
    Beck, Teboulle (2009), A fast iterative shrinkage-thresholding algorithm, eq. 4.1;
    the restart: O'Donoghue, Candes (2015), Adaptive restart for accelerated gradient
    schemes, eq. 12 (gradient scheme).

    Examples
    --------
    >>> import numpy as np
    >>> from mtlreg.problem import MultiTaskData
    >>> from mtlreg.losses import Squared
    >>> from mtlreg.penalties import L21
    >>> from mtlreg.problem import Problem
    >>> from mtlreg.solvers import FISTA
    >>> X = np.array([[1.0], [-1.0]])
    >>> Y = np.array([[3.0, 4.0], [-3.0, -4.0]])
    >>> data = MultiTaskData(X, Y, np.ones((2, 2)))
    >>> problem = Problem(data, Squared(), L21(1.0), np.ones(2))
    >>> FISTA(tol=1e-12).solve(problem).A.round(6)
    array([[2.4, 3.2]])
    """

    check_every: int = 10

    _PATIENCE = 20  # checks without progress before float32 iterates become float64

    def refuses(self, loss, penalty):
        return None

    def merit(self, problem, A, Z):
        if _takes_newton(problem.penalty):
            # Newton steps shrink the slope, of which the objective tells little
            return problem.certificate(A, Z).gap
        return super().merit(problem, A, Z)

    def _solve(self, problem, init, image, monitor):
        # iterates, and gaps on the way, on the statistics of the data where they pay,
        # or in the span of few rows
        estimate = problem.on_statistics() or problem.in_span()
        check = GapCheck(problem, self.tol, monitor, estimate)
        inner = estimate or problem
        A = inner.null_point()
        if init is not None:
            A[...] = inner.coordinates(init)
        if check(0, A, None if estimate else image):
            return check.solution()
        iteration, points = 0, self._points(inner, A, 0, check, warm=init is not None)
        while iteration < self.max_iter:
            iteration, A, Z = next(points)
            if check(iteration, A, Z, last=iteration >= self.max_iter):
                break
            if A.dtype != np.float64 and check.stalled(self._PATIENCE):
                # rounding of the gradient keeps the gap up, go on from here in float64
                exact = as_array(A).astype(np.float64)
                points = self._points(inner, exact, iteration, check)
        return check.solution()

    def _points(self, problem, A, iteration, check, warm=False):
        """Yield (iteration, A, Z) at the iterates to check, the last at max_iter.

        Of a sum, one block alone moves as long as the other may stay 0.
        """
        penalty = problem.penalty
        sole = penalty.sole(A, -check.certificate.gradient)
        if sole is not None:
            part = problem.with_penalty(penalty.only(sole))
            moves = self._moves(part, A[sole], iteration, warm)
            for iteration, block, Z in moves:
                A = penalty.alone(block, sole)
                yield iteration, A, Z
                if penalty.sole(A, -check.certificate.gradient) != sole:
                    break
            warm = False  # the steps so far were those of another problem
        yield from self._moves(problem, as_array(A), iteration, warm)

    def _moves(self, problem, A, iteration, warm):
        """Yield what `_points` does, for all blocks of a problem."""
        term, smooth = problem.term, problem.penalty.smooth
        if smooth is None:
            yield from self._steps(problem, term, A, iteration, warm)
            return
        both = PenalisedTerm(term, smooth)
        for found in self._steps(problem, both, A, iteration, warm):
            iteration, A, Z = found
            yield iteration, A, both.split(Z)[0]

    def _steps(self, problem, term, A, iteration, warm):
        """Yield what `_points` does, with images by a term."""
        penalty = problem.penalty
        newton = lipschitz = Z = None
        bend = 0.0 if penalty.smooth is None else penalty.smooth.curvature
        # the largest eigenvalue of a Hessian is at most its trace
        traces = problem.loss.curvature * problem.square_norms.sum(axis=0)
        most = float(penalty.n_blocks * (traces.max() + bend))
        if _takes_newton(penalty):
            # steps that are spread over the tasks seldom bend like the worst task
            curvature = problem.loss.curvature * problem.square_norms.mean()
            lipschitz = float(curvature) + bend
            newton = Semismooth(problem, term, lipschitz)
        if warm and newton is not None:
            newton.begin(A)
            for A, Z in newton.steps(iteration, self.max_iter):
                yield newton.iteration, A, Z
            iteration = newton.iteration
        steps = accelerated(term, penalty, as_array(A), lipschitz, most)
        while True:
            for _ in range(min(self.check_every, self.max_iter - iteration)):
                A, Z, lipschitz = next(steps)
                iteration += 1
            yield iteration, A, Z
            if newton is None or not newton.ready(as_array(A), Z, lipschitz):
                continue
            for A, Z in newton.steps(iteration, self.max_iter):
                steps = None  # which would go on from elsewhere
                yield newton.iteration, A, Z
            iteration = newton.iteration
            steps = steps or accelerated(term, penalty, as_array(A), lipschitz, most)


def _takes_newton(penalty):
    """Return whether Newton steps take over: sums over rows have `BCD` for that."""
    return penalty.has_tangent and not penalty.row_separable
