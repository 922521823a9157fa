"""The literal tier: central differences for every weight and bias by itself.

The weights into one unit are moved together, in arrays of (sample, weight). The changes of the
samples' losses are summed, so that samples that do not change add no rounding errors.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.numeric.dense import Batch, Change
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.lines import CHUNK_NUMBERS, onwards


def moves_of(columns: Array, step: float) -> tuple[Array, Array]:
    """The movement of each weight, (weights,), and of z in every sample with it, (n, weights).

    A weight moves by the step divided by its largest factor, so that z moves by at most the step.
    `columns` holds the factors of each weight, (n, weights); ones for a bias.
    """
    largest = np.abs(columns).max(axis=0, initial=0.0)
    steps = step / np.where(largest == 0, 1.0, largest)
    return steps, columns * steps


def one_sided_slopes(
    batch: Batch, layer: int, unit: int, steps: Array, moves: Array
) -> tuple[Array, Array]:
    """The slopes of the loss to the right and to the left along weights into one unit."""
    count = len(steps)
    total = _prepared(batch, layer, unit)
    right, left = np.empty(count), np.empty(count)
    at_once = max(1, CHUNK_NUMBERS // _numbers_at_once(batch, layer))
    for first in range(0, count, at_once):
        here = slice(first, first + at_once)
        right[here] = total(moves[:, here])
        left[here] = total(-moves[:, here])
    per_step = batch.network.scale / steps
    return right * per_step, -left * per_step


def literal_slopes(batch: Batch, layer: int, columns: Array, step: float) -> Iterator[Array]:
    """The central differences along the weights into every unit of a layer, (weights,) each."""
    steps, moves = moves_of(columns, step)
    for unit in range(len(batch.network.layers[layer].bias)):
        right, left = one_sided_slopes(batch, layer, unit, steps, moves)
        yield (right + left) / 2


def literal_seconds(batch: Batch) -> float:
    """The approximate seconds of the literal tier for the samples of a batch."""
    layers = batch.network.layers
    seconds = 0.0
    for index, layer in enumerate(layers):
        weights = layer.weights.size + len(layer.bias)
        numbers = 1 + sum(len(further.bias) for further in layers[index + 1 :])
        products = sum(further.weights.size for further in layers[index + 2 :])
        numbers, products = len(batch.inputs) * numbers, len(batch.inputs) * products
        seconds += 2 * weights * (NUMBER_SECONDS * numbers + PRODUCT_SECONDS * products)
    return seconds


NUMBER_SECONDS = 3.5e-9
PRODUCT_SECONDS = 2.5e-11
"""Measured seconds for one number of a changed layer, and for one multiplication of a product."""


def _numbers_at_once(batch: Batch, layer: int) -> int:
    """The most numbers that are held at once for one weight."""
    layers = batch.network.layers
    above = layers[min(layer + 1, len(layers) - 1) :]
    alone = len(above) == 1 and batch.network.separable
    return len(batch.inputs) * (1 if alone else max(len(wider.bias) for wider in above))


def _prepared(batch: Batch, layer: int, unit: int) -> Change:
    """The change of the loss for changes of one unit's z: (n, weights) -> (weights,)."""
    layers = batch.network.layers
    last = len(layers) - 1
    if layer == last:
        return lambda d: _at_output(batch, unit, d)
    z, a = (array[:, unit, None] for array in (batch.pre_activation(layer), batch.output(layer)))
    change = layers[layer].change(z, a, 1)
    weights = layers[layer + 1].weights[unit]

    def total(d: Array) -> Array:
        moved = change(d)
        if layer + 1 < last:
            return np.asarray(
                onwards(batch, layer + 1, moved.T[..., None] * weights)[0].sum(axis=1)
            )
        if not batch.network.separable:
            return np.asarray(batch.all_outputs(moved * weights[:, None, None]).sum(axis=0))
        # one output at a time gives long rows, on which numpy is fast
        losses = np.zeros(d.shape[1])
        for output, weight in zip(batch.each_output, weights, strict=True):
            losses += output(moved * weight)
        return losses

    return total


def _at_output(batch: Batch, unit: int, d: Array) -> Array:
    """The change of the loss for changes of one output's z, (n, weights) -> (weights,)."""
    if batch.network.separable:
        return batch.each_output[unit](d)
    moved = np.zeros((batch.targets.shape[1], *d.shape))
    moved[unit] = d
    return np.asarray(batch.all_outputs(moved).sum(axis=0))
