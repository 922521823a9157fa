"""The numeric gradient of any loss: central differences of every entry, and more where needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.block import differentiate
from gradcheck.numeric.estimate import ONE_SIDED, Array, Indices, Pair, one_sided
from gradcheck.numeric.first import Along
from gradcheck.numeric.gradient import BlockGradient, Claim, NumericGradient, limit_of
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.numeric.noise import Noise
from gradcheck.numeric.steps import Measure
from gradcheck.numeric.storage import stored

EntryLosses = Callable[[int, Indices, Array], Array]
"""(block, flat indices, values) -> the losses with one entry at a time set to its value."""


def numeric_gradient(
    losses: EntryLosses,
    point: Sequence[NDArray[np.floating]],
    center: float,
    noise: Noise,
    entries: Sequence[Indices],
    claims: Sequence[Claim],
    rng: np.random.Generator,
) -> NumericGradient:
    """Central differences with error bounds for the given entries of every block.

    The arrays of `point` have the types in which the loss sees them; moved entries are rounded to
    these types. There is one array of entries and one claim per block.
    """
    counter = _Counter(losses)
    largest = [(claim.gradient, claim.largest) for claim in claims]
    sizes = [abs(float(claimed[index])) for claimed, index in largest if index is not None]
    reference = max(sizes, default=0.0)
    blocks: list[BlockGradient] = []
    interrupted = False
    for block, (values, chosen, claim) in enumerate(zip(point, entries, claims, strict=True)):
        flat = values.ravel().astype(np.float64, copy=False)
        measure = _measure(counter, block, flat, values.dtype, center)
        of_block = noise.levels(block)
        limit = limit_of(noise.relative * of_block.rough / noise.level, noise.known)
        along = Along(measure, center, of_block, flat, claim, limit, reference, rng)
        gradient = BlockGradient.of_nothing(limit)
        if len(chosen) and not interrupted:
            try:
                gradient = differentiate(along, chosen)
            except KeyboardInterrupt:
                interrupted = True
        blocks.append(gradient)
    if any(block.coarse for block in blocks):
        blocks = [_undecided(*pair) for pair in zip(blocks, claims, strict=True)]
    return NumericGradient(tuple(blocks), counter.calls, interrupted)


def _undecided(block: BlockGradient, claim: Claim) -> BlockGradient:
    """The block of a loss with a coarsely rounded term, where no disagreement proves an error."""
    if block.coarse or not block.count:
        return block
    estimates = block.estimates
    off = estimates.distance(claim.gradient[block.entries])
    disagrees = off > BOUND_FACTOR * (estimates.bound + claim.precision * block.shares)
    bound = np.where(disagrees, np.inf, estimates.bound)
    return replace(block, estimates=replace(estimates, bound=bound), coarse=True)


class _Counter:
    def __init__(self, losses: EntryLosses) -> None:
        self.losses = losses
        self.calls = 0

    def __call__(self, block: int, entries: Indices, moved: Array) -> Array:
        self.calls += len(entries)
        return self.losses(block, entries, moved)


def _measure(
    losses: EntryLosses, block: int, flat: Array, dtype: np.dtype[Any], center: float
) -> Measure:
    def rounded(moved: Array) -> Array:
        return stored(moved, dtype).astype(np.float64, copy=False)

    def measure(entries: Indices, steps: Array) -> Pair:
        start = flat[entries]
        above, below = rounded(start + steps), rounded(start - steps)
        up_and_down = np.column_stack([above, below]).ravel()
        values = losses(block, np.repeat(entries, 2), up_and_down)
        pair = Pair((above - below) / 2, values[0::2], values[1::2])
        sides = np.isfinite(pair.plus).astype(int) - np.isfinite(pair.minus)
        edge = np.flatnonzero(sides)
        if not len(edge):
            return pair
        rows, start = entries[edge], start[edge]
        near, far = (rounded(start + sides[edge] * size * steps[edge]) for size in ONE_SIDED)
        at_near, at_far = losses(block, rows, near), losses(block, rows, far)
        pair.put(
            edge,
            one_sided(
                pair.step[edge], near - start, at_near - center, far - start, at_far - center
            ).shifted(center),
        )
        return replace(pair, edge=sides != 0)

    return measure
