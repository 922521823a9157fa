"""Losses: a new one is one row of `LOSSES`.

A loss is a sum of terms over outputs and samples, times a factor, over a divisor. The terms and
their derivatives are with respect to the outputs a; where the output activation and the loss
cancel (`FUSED`), both are computed from the pre-activation z, so that no log of 0 is ever taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.differences import (
    Change,
    binary_difference,
    categorical_difference,
    log_difference,
)

Array = NDArray[np.float64]
Terms = Callable[[Array, Array], Array]
TermsChange = Callable[[Array, Array], Change]
"""(a, y) -> (d -> the terms at a + d minus those at a, to full relative accuracy)."""

DIVISORS: Mapping[str, Callable[[int, int], int]] = MappingProxyType(
    {
        "sum": lambda batch_size, outputs: 1,
        "samples": lambda batch_size, outputs: batch_size,
        "elements": lambda batch_size, outputs: batch_size * outputs,
    }
)
"""What a loss is divided by, from m and K."""


@dataclass(frozen=True)
class Loss:
    """A loss as data.

    Attributes:
        name: as in the table.
        terms: (a, y) -> one term per output and sample, of their shape.
        derivative: (a, y) -> the derivative of each term with respect to its a.
        change: (a, y) -> (d -> the terms at a + d minus those at a).
        factor: what the sum of the terms is multiplied by.
        divisor: what it is divided by, a key of `DIVISORS`.
    """

    name: str
    terms: Terms
    derivative: Terms
    change: TermsChange
    factor: float
    divisor: str

    def scale(self, batch_size: int, outputs: int) -> float:
        """The factor of the sum of all terms, from m and K."""
        return self.factor / DIVISORS[self.divisor](batch_size, outputs)


@dataclass(frozen=True)
class Fused:
    """A loss and its output activation taken together.

    Attributes:
        terms: (z, y, unit axis) -> the terms, accurate where the activation saturates.
        delta: (z, a, y, unit axis) -> their sum's derivative with respect to z, where the slope of
            the activation has cancelled.
        change: (z, a, y, unit axis) -> (d -> what d more in z changes of the terms, summed over
            the units).
    """

    terms: Callable[[Array, Array, int], Array]
    delta: Callable[[Array, Array, Array, int], Array]
    change: Callable[[Array, Array, Array, int], Change]


def _square(outputs: Array, targets: Array) -> Array:
    return np.asarray((outputs - targets) ** 2)


def _square_derivative(outputs: Array, targets: Array) -> Array:
    return np.asarray(2 * (outputs - targets))


def _square_change(outputs: Array, targets: Array) -> Change:
    """The form d (2 (a - y) + d)."""
    twice = 2 * (outputs - targets)

    def change(d: Array) -> Array:
        terms = d + twice
        terms *= d
        return terms

    return change


def _log(probability: Array) -> Array:
    """The log of p, clipped at the smallest normal number of its type: never the log of 0."""
    return np.log(np.maximum(probability, np.finfo(probability.dtype).tiny))


def _over(targets: Array, probability: Array) -> Array:
    """The derivative of y `_log`(p), y / p; 0 where p is clipped, as that is flat."""
    smallest = np.finfo(probability.dtype).tiny
    return np.where(probability > smallest, targets / np.maximum(probability, smallest), 0)


def _binary(outputs: Array, targets: Array) -> Array:
    return np.asarray(-targets * _log(outputs) - (1 - targets) * _log(1 - outputs))


def _binary_derivative(outputs: Array, targets: Array) -> Array:
    return np.asarray(_over(1 - targets, 1 - outputs) - _over(targets, outputs))


def _categorical(outputs: Array, targets: Array) -> Array:
    return np.asarray(-targets * _log(outputs))


def _categorical_derivative(outputs: Array, targets: Array) -> Array:
    return np.asarray(-_over(targets, outputs))


def _binary_change(outputs: Array, targets: Array) -> Change:
    smallest = float(np.finfo(outputs.dtype).tiny)
    one, other = log_difference(outputs, smallest), log_difference(1 - outputs, smallest)
    return lambda d: np.asarray(-targets * one(d) - (1 - targets) * other(-d))


def _categorical_change(outputs: Array, targets: Array) -> Change:
    log = log_difference(outputs, float(np.finfo(outputs.dtype).tiny))
    return lambda d: np.asarray(-targets * log(d))


def _binary_from_logits(pre_activation: Array, targets: Array, unit_axis: int) -> Array:
    """-y log s(z) - (1 - y) log s(-z) = log(1 + exp(-|z|)) + max(z, 0) - y z."""
    return np.asarray(
        np.log1p(np.exp(-np.abs(pre_activation)))
        + (np.maximum(pre_activation, 0) - targets * pre_activation)
    )


def _binary_delta(z: Array, outputs: Array, targets: Array, unit_axis: int) -> Array:
    """The error a - y, with no digit lost where a is nearly 1: for y = 1 it is -s(-z)."""
    small = np.exp(-np.abs(z))
    complement = np.where(z >= 0, small / (1 + small), 1 / (1 + small))
    return np.asarray((1 - targets) * outputs - targets * complement)


def _categorical_from_logits(pre_activation: Array, targets: Array, unit_axis: int) -> Array:
    """-y_i log a_i with log a_i = z_i - log(sum_k exp(z_k))."""
    shifted, _, others = _without_largest(pre_activation, unit_axis)
    total = np.log1p(others.sum(axis=unit_axis, keepdims=True))
    return np.asarray(targets * (total - shifted))


def _categorical_delta(z: Array, outputs: Array, targets: Array, unit_axis: int) -> Array:
    """The outputs times sum(y), minus y: a - y where the targets of a sample sum to 1.

    Written as a_i sum_{k != i} y_k - y_i sum_{k != i} a_k, so that no digit is lost where one
    output is nearly 1.
    """
    _, largest, others = _without_largest(z, unit_axis)
    rest = others.sum(axis=unit_axis, keepdims=True)
    other_outputs = np.where(largest, rest, 1 + rest - others) / (1 + rest)
    other_targets = targets.sum(axis=unit_axis, keepdims=True) - targets
    return np.asarray(outputs * other_targets - targets * other_outputs)


def _without_largest(
    pre_activation: Array, unit_axis: int
) -> tuple[Array, NDArray[np.bool_], Array]:
    """Logits minus their maximum, where that is (once a sample), and exp of the others."""
    winner = pre_activation.argmax(axis=unit_axis, keepdims=True)
    largest = np.zeros(pre_activation.shape, dtype=bool)
    np.put_along_axis(largest, winner, True, axis=unit_axis)
    shifted = pre_activation - np.take_along_axis(pre_activation, winner, axis=unit_axis)
    return shifted, largest, np.where(largest, 0.0, np.exp(shifted))


_SQUARE = (_square, _square_derivative, _square_change)
_BINARY = (_binary, _binary_derivative, _binary_change)
_CATEGORICAL = (_categorical, _categorical_derivative, _categorical_change)

_ROWS = (
    Loss("squared_error_sum", *_SQUARE, 1.0, "sum"),
    Loss("half_squared_error_sum", *_SQUARE, 0.5, "sum"),
    Loss("squared_error_mean", *_SQUARE, 1.0, "samples"),
    Loss("half_squared_error_mean", *_SQUARE, 0.5, "samples"),
    Loss("squared_error_mean_all", *_SQUARE, 1.0, "elements"),
    Loss("half_squared_error_mean_all", *_SQUARE, 0.5, "elements"),
    Loss("binary_cross_entropy", *_BINARY, 1.0, "samples"),
    Loss("categorical_cross_entropy", *_CATEGORICAL, 1.0, "samples"),
)

LOSSES: Mapping[str, Loss] = MappingProxyType({row.name: row for row in _ROWS})
"""All losses by name."""

FUSED: Mapping[tuple[str, str], Fused] = MappingProxyType(
    {
        ("sigmoid", "binary_cross_entropy"): Fused(
            _binary_from_logits,
            _binary_delta,
            lambda z, a, y, axis: binary_difference(z, y, axis),
        ),
        ("softmax", "categorical_cross_entropy"): Fused(
            _categorical_from_logits,
            _categorical_delta,
            lambda z, a, y, axis: categorical_difference(a, y, axis),
        ),
    }
)
"""What is computed from the pre-activation, by (output activation, loss)."""
