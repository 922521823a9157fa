"""Cross-entropies, with their logs, and the forms fused with a sigmoid or softmax.

If the output activation and the loss cancel, both are computed from the pre-activation z, so that
no log of 0 is ever taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.differences import (
    Change,
    Difference,
    binary_difference,
    categorical_difference,
    log_difference,
)
from gradcheck.network.layouts import Array

Terms = Callable[[Array, Array], Array]
TermsChange = Callable[[Array, Array], Change]
"""(a, y) -> (d -> the terms at a + d minus those at a, to full relative accuracy)."""

TermsForms = tuple[Terms, Terms, TermsChange]
"""The terms, their derivative and their change."""


@dataclass(frozen=True)
class Log:
    """The log of probabilities, in the form that a loss uses.

    Attributes:
        value: p -> log p.
        over: (y, p) -> the derivative of y log p with respect to p.
        change: p -> (d -> log(p + d) - log p).
    """

    value: Callable[[Array], Array]
    over: Terms
    change: Difference

    @classmethod
    def plus(cls, eps: float) -> Log:
        """The log of p + eps."""
        return cls(
            lambda p: np.log(p + eps),
            lambda y, p: np.asarray(y / (p + eps)),
            lambda p: log_difference(p + eps, 0),
        )


@dataclass(frozen=True)
class Fused:
    """A loss fused with its output activation.

    Attributes:
        terms: (z, y, unit axis) -> the terms, accurate where the activation saturates.
        delta: (z, a, y, unit axis) -> the derivative of their sum with respect to z, in which the
            slope of the activation has cancelled.
        change: (z, a, y, unit axis) -> the `Change` of the terms with z, summed over the units.
    """

    terms: Callable[[Array, Array, int], Array]
    delta: Callable[[Array, Array, Array, int], Array]
    change: Callable[[Array, Array, Array, int], Change]


def _log(probability: Array) -> Array:
    """The log of p, where p is clipped at the smallest normal number of its type."""
    return np.log(np.maximum(probability, np.finfo(probability.dtype).tiny))


def _over(targets: Array, probability: Array) -> Array:
    """The derivative of y `_log`(p): y / p, and 0 where p is clipped, since the log is flat."""
    smallest = np.finfo(probability.dtype).tiny
    return np.where(probability > smallest, targets / np.maximum(probability, smallest), 0)


CLIPPED = Log(_log, _over, lambda p: log_difference(p, float(np.finfo(p.dtype).tiny)))


def binary(log: Log) -> TermsForms:
    """A binary cross-entropy, -y log a - (1 - y) log(1 - a)."""

    def change(a: Array, y: Array) -> Change:
        of_a, of_rest = log.change(a), log.change(1 - a)
        return lambda d: np.asarray(-y * of_a(d) - (1 - y) * of_rest(-d))

    return (
        lambda a, y: np.asarray(-y * log.value(a) - (1 - y) * log.value(1 - a)),
        lambda a, y: np.asarray(log.over(1 - y, 1 - a) - log.over(y, a)),
        change,
    )


def categorical(log: Log) -> TermsForms:
    """A categorical cross-entropy, -y log a."""

    def change(a: Array, y: Array) -> Change:
        of_a = log.change(a)
        return lambda d: np.asarray(-y * of_a(d))

    return (
        lambda a, y: np.asarray(-y * log.value(a)),
        lambda a, y: np.asarray(-log.over(y, a)),
        change,
    )


def _binary_from_logits(pre_activation: Array, targets: Array, unit_axis: int) -> Array:
    """-y log s(z) - (1 - y) log s(-z) = log(1 + exp(-|z|)) + max(z, 0) - y z."""
    return np.asarray(
        np.log1p(np.exp(-np.abs(pre_activation)))
        + (np.maximum(pre_activation, 0) - targets * pre_activation)
    )


def _binary_delta(z: Array, outputs: Array, targets: Array, unit_axis: int) -> Array:
    """The error a - y, with no digit lost if a is nearly 1: for y = 1 it is -s(-z)."""
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

    Written as a_i sum_{k != i} y_k - y_i sum_{k != i} a_k, so that no digit is lost if one output
    is nearly 1.
    """
    _, largest, others = _without_largest(z, unit_axis)
    rest = others.sum(axis=unit_axis, keepdims=True)
    other_outputs = np.where(largest, rest, 1 + rest - others) / (1 + rest)
    other_targets = targets.sum(axis=unit_axis, keepdims=True) - targets
    return np.asarray(outputs * other_targets - targets * other_outputs)


def _without_largest(
    pre_activation: Array, unit_axis: int
) -> tuple[Array, NDArray[np.bool_], Array]:
    """Logits minus their maximum; the mask of one maximum per sample; exp of the others."""
    units = [1] * pre_activation.ndim
    units[unit_axis] = -1
    positions = np.arange(pre_activation.shape[unit_axis]).reshape(units)
    largest = positions == pre_activation.argmax(axis=unit_axis, keepdims=True)
    shifted = pre_activation - pre_activation.max(axis=unit_axis, keepdims=True)
    return shifted, largest, np.where(largest, 0.0, np.exp(shifted))


AFTER_SIGMOID = Fused(
    _binary_from_logits, _binary_delta, lambda z, a, y, axis: binary_difference(z, y, axis)
)
AFTER_SOFTMAX = Fused(
    _categorical_from_logits,
    _categorical_delta,
    lambda z, a, y, axis: categorical_difference(a, y, axis),
)
