"""Shared lines: the loss along one pre-activation serves every weight that moves it.

A change h of weight j into a unit moves the unit's z in sample n by d = h a_nj: the loss of sample
n is the same function of d for all these weights. Four evaluations of this function give its odd
part, c1 d + c3 d^3, and the derivative by weight j is the sum over n of c1 a_nj.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.dense import Batch
from gradcheck.numeric.estimate import Array, Indices, Mask

STEP = 1e-11

RATIO = 3.0
"""The ratio of outer to inner step; not a power of two, so that both are rounded differently."""

CHUNK_NUMBERS = 2**16
"""How many numbers are processed at once: 512 KiB, so that a few such arrays fit in a cache."""

STRAIGHT = 1e-10
FINER = 1e-2
TRIES = 3
PILOTS = 8


def along_lines(batch: Batch, layer: int, units: Indices, steps: Array) -> tuple[Array, Mask]:
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


def _of_output_units(batch: Batch, units: Indices, moved: Array) -> Array:
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


@dataclass(frozen=True)
class Lines:
    """The lines of one layer.

    Attributes:
        slopes: the numeric dL/dz of every unit and sample, (units, n).
        spread: the difference of the slopes with the two steps, (units, n).
        crossed: where a line crosses a kink, (units, n).
    """

    slopes: Array
    spread: Array
    crossed: Mask


def shared_lines(batch: Batch, layer: int, step: float) -> Lines:
    """The lines of all units of a layer; layers are counted from 0."""
    units = np.arange(len(batch.network.layers[layer].bias))
    return _lines(batch, layer, units, step)


def choose_step(batch: Batch, layer: int) -> float:
    """A step at which the lines of a few units are straight to the required precision.

    The rounding error does not grow as the step shrinks, so that a smaller step has no drawback.
    """
    count = len(batch.network.layers[layer].bias)
    units = np.unique(np.linspace(0, count - 1, PILOTS).astype(np.intp))
    step = STEP
    for _ in range(TRIES):
        pilot = _lines(batch, layer, units, step)
        smooth = ~pilot.crossed
        largest = float(np.max(np.abs(pilot.slopes), initial=0.0, where=smooth))
        if float(np.max(pilot.spread, initial=0.0, where=smooth)) <= STRAIGHT * largest:
            return step
        step *= FINER
    return step / FINER


def _lines(batch: Batch, layer: int, units: Indices, step: float) -> Lines:
    steps = step * np.array([1.0, -1.0, RATIO, -RATIO])
    samples, scale = len(batch.inputs), batch.network.scale
    at_once = max(1, CHUNK_NUMBERS // (len(steps) * samples * batch.network.widest_above))
    slopes = np.empty((len(units), samples))
    spread = np.empty((len(units), samples))
    crossed = np.empty((len(units), samples), dtype=bool)
    for first in range(0, len(units), at_once):
        here = slice(first, first + at_once)
        changes, over = along_lines(batch, layer, units[here], steps)
        inner = scale * (changes[0] - changes[1]) / (2 * step)
        outer = scale * (changes[2] - changes[3]) / (2 * RATIO * step)
        slopes[here] = inner + (inner - outer) / (RATIO**2 - 1)
        spread[here] = np.abs(inner - outer)
        crossed[here] = over.any(axis=0)
    return Lines(slopes, spread, crossed)
