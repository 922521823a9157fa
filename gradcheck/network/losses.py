"""Losses: a new one is one row of `LOSSES`.

A loss is a sum of terms over outputs and samples, times a factor, over a divisor. The terms and
their derivatives are with respect to the outputs a, y are the targets; where the output activation
and the loss cancel (`FUSED`), both are computed from the pre-activation z, and no log of 0 is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.activations import sigmoid, softplus

Array = NDArray[np.floating[Any]]
Terms = Callable[[Array, Array], Array]

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
        factor: what the sum of the terms is multiplied by.
        divisor: what it is divided by, a key of `DIVISORS`.
    """

    name: str
    terms: Terms
    derivative: Terms
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
    """

    terms: Callable[[Array, Array, int], Array]
    delta: Callable[[Array, Array, Array, int], Array]


def _square(outputs: Array, targets: Array) -> Array:
    return np.asarray((outputs - targets) ** 2)


def _square_derivative(outputs: Array, targets: Array) -> Array:
    return np.asarray(2 * (outputs - targets))


def _log(probability: Array) -> Array:
    """The log of p, clipped at the smallest normal number of its type: never the log of 0."""
    return np.log(np.maximum(probability, np.finfo(probability.dtype).tiny))


def _over(targets: Array, probability: Array) -> Array:
    """y / p, the derivative of y `_log`(p): 0 where p is clipped."""
    smallest = np.finfo(probability.dtype).tiny
    return np.where(probability > smallest, targets / np.maximum(probability, smallest), 0)


def _binary(outputs: Array, targets: Array) -> Array:
    return np.asarray(-targets * _log(outputs) - (1 - targets) * _log(1 - outputs))


def _binary_derivative(outputs: Array, targets: Array) -> Array:
    return _over(1 - targets, 1 - outputs) - _over(targets, outputs)


def _categorical(outputs: Array, targets: Array) -> Array:
    return np.asarray(-targets * _log(outputs))


def _categorical_derivative(outputs: Array, targets: Array) -> Array:
    return -_over(targets, outputs)


def _binary_from_logits(pre_activation: Array, targets: Array, unit_axis: int) -> Array:
    """-y log s(z) - (1 - y) log s(-z) with -log s(z) = log(1 + exp(-z))."""
    return np.asarray(
        targets * softplus(-pre_activation) + (1 - targets) * softplus(pre_activation)
    )


def _binary_delta(pre_activation: Array, outputs: Array, targets: Array, unit_axis: int) -> Array:
    """The schoolbook a - y, with 1 - a = s(-z), so that no digit is lost where a is nearly 1."""
    return np.asarray((1 - targets) * outputs - targets * sigmoid(-pre_activation))


def _categorical_from_logits(pre_activation: Array, targets: Array, unit_axis: int) -> Array:
    """-y_i log a_i with log a_i = z_i - log sum_k exp(z_k), counted from the largest z."""
    shifted = pre_activation - pre_activation.max(axis=unit_axis, keepdims=True)
    with np.errstate(under="ignore"):
        others = _sum_without_largest(np.exp(shifted), unit_axis)
        return np.asarray(targets * (np.log1p(others) - shifted))


def _categorical_delta(
    pre_activation: Array, outputs: Array, targets: Array, unit_axis: int
) -> Array:
    """a_i sum(y) - y_i: the schoolbook a - y where the targets of a sample sum to 1.

    Written as a_i times the other targets - y_i (1 - a_i), with the largest output's 1 - a_i as
    the sum of the other outputs, so that no digit is lost where it is nearly 1.
    """
    complement = 1 - outputs
    largest = outputs.argmax(axis=unit_axis, keepdims=True)
    others = _sum_without_largest(outputs, unit_axis)
    np.put_along_axis(complement, largest, others, axis=unit_axis)
    other_targets = targets.sum(axis=unit_axis, keepdims=True) - targets
    return np.asarray(outputs * other_targets - targets * complement)


def _sum_without_largest(values: Array, unit_axis: int) -> Array:
    rest = values.copy()
    np.put_along_axis(rest, values.argmax(axis=unit_axis, keepdims=True), 0, axis=unit_axis)
    return np.asarray(rest.sum(axis=unit_axis, keepdims=True))


_ROWS = (
    Loss("squared_error_sum", _square, _square_derivative, 1.0, "sum"),
    Loss("half_squared_error_sum", _square, _square_derivative, 0.5, "sum"),
    Loss("squared_error_mean", _square, _square_derivative, 1.0, "samples"),
    Loss("half_squared_error_mean", _square, _square_derivative, 0.5, "samples"),
    Loss("squared_error_mean_all", _square, _square_derivative, 1.0, "elements"),
    Loss("half_squared_error_mean_all", _square, _square_derivative, 0.5, "elements"),
    Loss("binary_cross_entropy", _binary, _binary_derivative, 1.0, "samples"),
    Loss("categorical_cross_entropy", _categorical, _categorical_derivative, 1.0, "samples"),
)

LOSSES: Mapping[str, Loss] = MappingProxyType({row.name: row for row in _ROWS})
"""All losses by name."""

FUSED: Mapping[tuple[str, str], Fused] = MappingProxyType(
    {
        ("sigmoid", "binary_cross_entropy"): Fused(_binary_from_logits, _binary_delta),
        ("softmax", "categorical_cross_entropy"): Fused(
            _categorical_from_logits, _categorical_delta
        ),
    }
)
"""What is computed from the pre-activation, by (output activation, loss)."""
