"""Shared lines: the loss along one pre-activation serves every weight that moves it.

A change h of weight j into a unit moves the unit's z in sample n by d = h a_nj: the loss of sample
n is the same function of d for all these weights. Four evaluations of this function give its odd
part, c1 d + c3 d^3, and the derivative by weight j is the sum over n of c1 a_nj.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.dense import Array, Batch
from gradcheck.numeric.propagation import Mask, along_lines

STEP = 1e-11
RATIO = 3.0
"""The ratio of outer to inner step; not a power of two, so that both are rounded differently."""

CHUNK_NUMBERS = 2**16
"""How many numbers are processed at once: 512 KiB, so that a few such arrays fit in a cache."""

STRAIGHT = 1e-10
FINER = 1e-2
TRIES = 3
PILOTS = 8


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


def _lines(batch: Batch, layer: int, units: np.ndarray, step: float) -> Lines:
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
