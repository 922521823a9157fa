"""What a change of some units' pre-activations makes of the loss, sample by sample.

All is done in differences: only the units that change are walked on from, the layer above gets a
product of rank one, and the layers beyond it one matrix product for all changes at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.dense import Array, Batch

Units = NDArray[np.intp]
Mask = NDArray[np.bool_]


def along_lines(batch: Batch, layer: int, units: Units, steps: Array) -> tuple[Array, Mask]:
    """The change of every sample's loss when one unit's z moves by a step.

    Args:
        batch: the samples, n.
        layer: whose units move, counted from 0.
        units: which, (U,).
        steps: by how much, (S,).

    Returns:
        The changes, (S, U, n), and whether a kink is crossed on the way, (S, U, n).
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
        batch: the samples, n.
        layer: the layer, counted from 0.
        d: (..., n, units).

    Returns:
        The changes, (..., n), and where a kink is crossed, or None where there is none to cross.
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
    """The changes when single outputs' z move, (S, U, n)."""
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
