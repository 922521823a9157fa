"""What a user's loss may sum over outputs and samples, as a table to try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.differences import (
    Change,
    log_difference,
    relu_difference,
    summed,
)
from gradcheck.network.losses import FUSED, LOSSES, Fused, Terms, TermsChange
from gradcheck.recognition.functions import UNITS, AnyActivation

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """What a loss sums over outputs and samples.

    Attributes:
        name: in words.
        terms: (a, y) -> one term per output and sample.
        derivative: (a, y) -> the derivative of each term with respect to its a.
        change: (a, y) -> (d -> the terms at a + d minus those at a, to full relative accuracy).
        key: the name in the core's table of losses, for what is fused with an activation.
        of_probabilities: whether the outputs must lie between 0 and 1.
        eps: what is added before a log is taken.
        plain: the same without it.
        kinked: whether the terms have a kink where a = y.
    """

    name: str
    terms: Callable[[Array, Array], Array]
    derivative: Callable[[Array, Array], Array]
    change: TermsChange
    key: str = ""
    of_probabilities: bool = False
    eps: float = 0.0
    plain: Distance | None = None
    kinked: bool = False

    def suits(self, activation: AnyActivation) -> bool:
        """Whether the outputs of an activation can be compared by it."""
        return (
            not self.of_probabilities
            or "softmax" in activation.name
            or (activation.name == "sigmoid")
        )

    def fused(self, activation: AnyActivation) -> Fused | None:
        """The loss and the output activation taken together, where they cancel."""
        return FUSED.get((activation.name, self.key))

    def total(self, activation: AnyActivation, z: Array, a: Array, y: Array) -> float:
        """The sum of all terms."""
        fused = self.fused(activation)
        terms = self.terms(a, y) if fused is None else fused.terms(z, y, UNITS)
        return float(terms.sum())

    def totals(self, activation: AnyActivation, z: Array, a: Array, y: Array) -> Array:
        """The sums of all terms at several points, (P,); z and a are (P, m, K)."""
        fused = self.fused(activation)
        if fused is None:
            return np.asarray(self.terms(a, y).sum(axis=(1, 2)))
        return np.array([fused.terms(one, y, UNITS).sum() for one in z])

    def changes(
        self, activation: AnyActivation, z: Array, a: Array, y: Array, unit_axis: int
    ) -> Change:
        """What more in the output layer's z changes of the terms, summed over the units."""
        fused = self.fused(activation)
        if fused is not None:
            return fused.change(z, a, y, unit_axis)
        outputs, terms = activation.change(z, a, unit_axis), self.change(a, y)
        return lambda d: summed(terms(outputs(d)), unit_axis)

    def delta(self, activation: AnyActivation, z: Array, a: Array, y: Array) -> Array:
        """The derivative of the sum with respect to z."""
        fused = self.fused(activation)
        if fused is not None:
            return fused.delta(z, a, y, UNITS)
        return activation.pull_back(z, a, self.derivative(a, y), UNITS)


def _of_the_core(name: str) -> tuple[Terms, Terms, TermsChange]:
    loss = LOSSES[name]
    return loss.terms, loss.derivative, loss.change


def _absolute_change(a: Array, y: Array) -> Change:
    """|e + d| - |e|, as |e| is 2 relu(e) - e."""
    relu = relu_difference(a - y)
    return lambda d: np.asarray(2 * relu(d) - d)


def _huber_change(a: Array, y: Array) -> Change:
    """With c the clipped error: the Huber loss is c e - c^2 / 2."""
    error = a - y
    clipped = np.clip(error, -1, 1)

    def change(d: Array) -> Array:
        grown = np.clip(error + d, -1, 1) - clipped
        return np.asarray(clipped * d + grown * (error + d - clipped - grown / 2))

    return change


def _log_cosh_change(a: Array, y: Array) -> Change:
    """The log of cosh(d) + tanh(e) sinh(d)."""
    slope = np.tanh(a - y)
    return lambda d: np.asarray(np.log1p(2 * np.sinh(d / 2) ** 2 + slope * np.sinh(d)))


def _fourth_power_change(a: Array, y: Array) -> Change:
    e = a - y
    return lambda d: np.asarray(d * (4 * e**3 + d * (6 * e**2 + d * (4 * e + d))))


def _binary_plus_change(a: Array, y: Array, eps: float) -> Change:
    one, other = log_difference(a + eps, 0), log_difference(1 - a + eps, 0)
    return lambda d: np.asarray(-y * one(d) - (1 - y) * other(-d))


def _categorical_plus_change(a: Array, y: Array, eps: float) -> Change:
    log = log_difference(a + eps, 0)
    return lambda d: np.asarray(-y * log(d))


SQUARED = Distance("squared error", *_of_the_core("squared_error_sum"))
BINARY = Distance(
    "binary cross-entropy",
    *_of_the_core("binary_cross_entropy"),
    "binary_cross_entropy",
    of_probabilities=True,
)
CATEGORICAL = Distance(
    "cross-entropy",
    *_of_the_core("categorical_cross_entropy"),
    "categorical_cross_entropy",
    of_probabilities=True,
)
ABSOLUTE = Distance(
    "absolute error",
    lambda a, y: np.asarray(np.abs(a - y)),
    lambda a, y: np.asarray(np.sign(a - y)),
    _absolute_change,
    kinked=True,
)


def _binary_plus(eps: float) -> Distance:
    return Distance(
        f"binary cross-entropy (log(a + {eps:g}))",
        lambda a, y: np.asarray(-y * np.log(a + eps) - (1 - y) * np.log(1 - a + eps)),
        lambda a, y: np.asarray((1 - y) / (1 - a + eps) - y / (a + eps)),
        partial(_binary_plus_change, eps=eps),
        of_probabilities=True,
        eps=eps,
        plain=BINARY,
    )


def _categorical_plus(eps: float) -> Distance:
    return Distance(
        f"cross-entropy (log(a + {eps:g}))",
        lambda a, y: np.asarray(-y * np.log(a + eps)),
        lambda a, y: np.asarray(-y / (a + eps)),
        partial(_categorical_plus_change, eps=eps),
        of_probabilities=True,
        eps=eps,
        plain=CATEGORICAL,
    )


EPSILONS = (1e-8, 1e-9, 1e-7, 1e-10, 1e-12, 1e-15, 1e-6, 1e-5)

DISTANCES: tuple[Distance, ...] = (
    SQUARED,
    BINARY,
    CATEGORICAL,
    ABSOLUTE,
    *(make(eps) for eps in EPSILONS for make in (_binary_plus, _categorical_plus)),
    Distance(
        "log-cosh",
        lambda a, y: np.asarray(np.logaddexp(a - y, y - a)),
        lambda a, y: np.asarray(np.tanh(a - y)),
        _log_cosh_change,
    ),
    Distance(
        "Huber loss (delta 1)",
        lambda a, y: np.where(np.abs(a - y) <= 1, (a - y) ** 2 / 2, np.abs(a - y) - 0.5),
        lambda a, y: np.clip(a - y, -1, 1),
        _huber_change,
    ),
    Distance(
        "fourth power",
        lambda a, y: np.asarray((a - y) ** 4),
        lambda a, y: np.asarray(4 * (a - y) ** 3),
        _fourth_power_change,
    ),
)
"""Distances of outputs and targets, the most usual first."""
