"""Propagates a change of some pre-activations to the loss of every sample.

Only differences are propagated: those of the units that change, a product of rank one in the layer
above, and one matrix product for all changes at once in each further layer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.dense import Array, Batch

Units = NDArray[np.intp]
Mask = NDArray[np.bool_]


def along_lines(batch: Batch, layer: int, units: Units, steps: Array) -> tuple[Array, Mask]:
    """The change of every sample's loss when the z of one unit moves by a step.

    Args:
        batch: the n samples.
        layer: the layer of the units, counted from 0.
        units: the units that move, one at a time, (U,).
        steps: the steps, (S,).

    Returns:
        The changes, (S, U, n), and where a kink is crossed, (S, U, n).
    """
    z, a = (batch.pre_activation(layer), batch.output(layer))
    moved = steps[:, None, None]
    margin = batch.margins[layer]
    shape = (len(steps), len(units), len(z))
    crossed = np.zeros(shape, dtype=bool)
    if margin is not None:
        crossed |= np.abs(moved) > margin.T[units]
    if layer == len(batch.network.layers) - 1:
        return _of_output_units(batch, units, moved), crossed
    change = batch.network.layers[layer].change(z.T[units], a.T[units], 0)(
        np.broadcast_to(moved, shape)
    )
    weights = batch.network.layers[layer + 1].weights[units]
    changes, further = onwards(batch, layer + 1, change[..., None] * weights[:, None, :])
    return changes, crossed if further is None else crossed | further


def onwards(batch: Batch, layer: int, d: Array) -> tuple[Array, Mask | None]:
    """The change of every sample's loss when the z of a whole layer move by d.

    Args:
        batch: the n samples.
        layer: the layer, counted from 0.
        d: the changes of z, (..., n, units).

    Returns:
        The changes, (..., n), and where a kink is crossed, (..., n); None if there are no kinks.
    """
    layers = batch.network.layers
    crossed = _crossed(batch, layer, d)
    while layer < len(layers) - 1:
        change = batch.changes[layer](d)
        layer += 1
        weights = layers[layer].weights
        d = (change.reshape(-1, len(weights)) @ weights).reshape(*d.shape[:-1], weights.shape[1])
        further = _crossed(batch, layer, d)
        crossed = further if crossed is None else crossed if further is None else crossed | further
    return batch.loss_change(d), crossed


def _of_output_units(batch: Batch, units: Units, moved: Array) -> Array:
    """The changes of the losses when the z of single outputs move, (S, U, n)."""
    samples, outputs = batch.targets.shape
    if batch.network.separable:
        d = np.broadcast_to(moved[..., None], (len(moved), len(units), samples, 1))
        return batch.loss_change_of(lambda array: array.T[units][..., None], -1)(d)
    d = moved[..., None] * np.eye(outputs)[units][:, None, :]
    return batch.loss_change(np.repeat(d, samples, axis=2))


def _crossed(batch: Batch, layer: int, d: Array) -> Mask | None:
    """Where any unit of a layer crosses a kink, (..., n)."""
    margin = batch.margins[layer]
    if margin is None:
        return None
    if max(float(d.max()), -float(d.min())) <= float(margin.min()):
        return np.zeros(d.shape[:-1], dtype=bool)
    return np.asarray((np.abs(d) > margin).any(axis=-1))
