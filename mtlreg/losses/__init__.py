"""Losses: convex functions of a linear prediction."""

from mtlreg.losses.base import Loss
from mtlreg.losses.logistic import Logistic
from mtlreg.losses.squared import Squared

LOSSES = {"squared": Squared, "logistic": Logistic}

__all__ = ["LOSSES", "Logistic", "Loss", "Squared"]
