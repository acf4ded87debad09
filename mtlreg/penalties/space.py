"""What Newton's method asks of the space in which a prox moves."""


class Space:
    """Coordinates of a tangent space, with ``resolvent`` as that of `FixedRank`."""

    def preconditioner(self, sigma):
        """Return x -> (z, w), with z near ``(H + N)^-1 x`` and ``(sigma + N) z = w``.

        Parameters
        ----------
        sigma : float
            The mean curvature of H.
        """
        solve = self.resolvent(sigma)
        return lambda x: (solve(x), x)
