"""A network's derivatives, seen through the user's own loss: along a direction in every block.

A direction moves some entries of a block together, those that a loss may treat as special among
them: the smallest (it is pruned), the largest (it is clipped), one that has the value of another.
One of them that differs changes the derivative along it by as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.arrays import slices_of
from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.numeric.blackbox import EntryLosses, numeric_gradient
from gradcheck.numeric.estimate import Estimates
from gradcheck.numeric.first import STATED
from gradcheck.numeric.gradient import BlockGradient, Claim, NumericGradient
from gradcheck.numeric.groups import FEW, groups_of, length_of, special_sizes
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.numeric.loss_lines import random_signs
from gradcheck.numeric.steps import MUCH_SMALLER, first_length
from gradcheck.sampling import Indices
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError

SAMPLE = 6
SMALLEST = 2
LEAST_MOVE, LARGEST_MOVE = 1.0, 2.0
SMALL = 1e-3
FINE = 2.5e-9
"""The rounding of the derivatives along a direction, as a share of the largest."""

LONGER = 1e3
TRIES = 3
SHOWN = 10.0
SHORTEST = 1e-9
_ENDS = np.array([1.0, -1.0])


@dataclass(frozen=True)
class Direction:
    """Entries of a block that move together.

    Attributes:
        moves: how far each moves, by the step.
        length: the size of the parameters, or 1.
    """

    block: int
    entries: Indices
    moves: Array
    length: float


@dataclass(frozen=True)
class Chosen:
    """Entries of a block, as flat indices.

    Attributes:
        repeated: some that are 0, or have the size of another, among others that are neither.
        special: these, the smallest, and the ends.
        entries: these, and some at random.
    """

    repeated: Indices
    special: Indices
    entries: Indices


def chosen_of(block: Block, rng: np.random.Generator) -> Chosen:
    """The entries of a block through which the network is tied to the loss."""
    flat = block.value.reshape(-1)
    ordered = np.abs(flat)
    ordered.sort()
    least, sizes = ordered[:SMALLEST][-1], special_sizes(ordered)
    del ordered  # it may be large
    parts = slices_of(len(flat))
    smallest, alike = (
        np.concatenate([part.start + np.flatnonzero(is_one(np.abs(flat[part]))) for part in parts])
        for is_one in (lambda size: size <= least, lambda size: np.isin(size, sizes))
    )
    repeated = rng.permutation(alike[: len(alike) % len(flat)])[:SMALLEST]  # all are not special
    smallest = smallest[:SMALLEST]
    ends = np.array([np.argmin(block.value), np.argmax(block.value)])
    special = np.unique(np.concatenate([smallest, repeated, ends]))
    drawn = rng.choice(block.size, min(block.size, SAMPLE), replace=False)
    return Chosen(repeated, special, np.union1d(special, drawn))


def directions_of(
    point: Point, chosen: Sequence[Chosen], rng: np.random.Generator
) -> list[Direction]:
    """One direction for every block, or several where its parameters are of very different size."""
    found = []
    for index, block in enumerate(point.blocks):
        entries = chosen[index].entries
        entries = entries[~block.numeric.estimates.kink[entries]]
        flat = block.value.reshape(-1)  # of all sizes no copy is made: it may be large
        least = SMALL * max(flat.max(initial=0.0), -flat.min(initial=0.0))
        groups = [np.arange(len(entries))] if len(entries) else []
        small = np.count_nonzero((flat < least) & (flat > -least))
        if FEW * len(flat) < small < len(flat):
            groups = groups_of(np.abs(flat[entries]))
        for rows in groups:
            together = entries[rows]
            moves = _moves(len(together), rng)
            found.append(Direction(index, together, moves, length_of(np.abs(flat[together]))))
    return found


def measured_along(
    point: Point, directions: Sequence[Direction], rng: np.random.Generator
) -> NumericGradient:
    """The derivatives of the user's own loss along directions, a block for each.

    Two evaluations settle one that agrees with what is known.
    """
    tried = [_quickly(point, one) for one in directions]
    rest = [one for one, (found, _) in zip(directions, tried, strict=True) if found is None]
    noise = replace(point.noise, rough=tuple(point.noise.levels(one.block).rough for one in rest))
    more = numeric_gradient(
        _losses(point, rest),
        [np.array([one.length]) for one in rest],
        point.center,
        noise,
        [np.arange(1)] * len(rest),
        [_claim(point, one) for one in rest],
        rng,
    )
    others = iter(more.blocks)
    blocks = tuple(next(others) if found is None else found for found, _ in tried)
    calls = sum(count for _, count in tried)
    return replace(more, blocks=blocks, evaluations=more.evaluations + calls)


def _quickly(point: Point, one: Direction) -> tuple[BlockGradient | None, int]:
    """The derivative along a direction, where it is the known one but for rounding; the calls.

    What it is off by at a large step tells the next one, as it grows with the square.
    """
    claim, rough = _claim(point, one), point.noise.levels(one.block).rough
    known, losses = float(claim.gradient[0]), _losses(point, [one])
    scale = point.blocks[one.block].numeric.largest
    step = least = first_length(point.noise.relative, one.length)
    if scale:
        step = float(np.clip(rough / (FINE * scale), least, LONGER * least))
    for calls in range(2, 2 * TRIES + 1, 2):
        plus, minus = losses(0, np.zeros(2, np.intp), one.length + _ENDS * step)
        slope = (plus - minus) / (2 * step)
        apart, rounding = abs(slope - known), rough / step
        if apart <= STATED * rounding + claim.precision:
            bound = STATED * rounding + apart
            estimates = Estimates.smooth(np.array([slope]), np.array([bound]))
            return BlockGradient(np.arange(1), estimates, step), calls
        step *= float(np.clip(np.cbrt(rounding / (2 * apart)), MUCH_SMALLER, 1.0))
        if not step >= least:
            break
    return None, calls


def agree_along(point: Point, directions: Sequence[Direction], own: NumericGradient) -> bool:
    """Whether the user's loss gives the derivatives that are known, within the bounds of both."""
    for one, numeric in zip(directions, own.blocks, strict=True):
        claim, estimates = _claim(point, one), numeric.estimates
        apart = estimates.distance(claim.gradient)
        if not np.all(apart <= BOUND_FACTOR * (estimates.bound + claim.precision)):
            return False
    return True


def agree_nearby(
    point: Point, chosen: Sequence[Chosen], rng: np.random.Generator
) -> tuple[bool, int]:
    """The same at a small step, where an entry is 0, or has the value of another; and the calls.

    A loss may treat such a value as special, and a larger step does not show it.
    """
    calls = 0
    for index, block in enumerate(point.blocks):
        entries, engine = chosen[index].repeated, block.numeric
        entries = entries[~engine.estimates.kink[entries]]
        if not len(entries):
            continue
        rough, length = point.noise.levels(index).rough, length_of(np.abs(block.value))
        step = max(SHOWN * rough / (engine.limit * (engine.largest or 1.0)), SHORTEST * length)
        one = Direction(index, entries, _moves(len(entries), rng), 0.0)
        plus, minus = _losses(point, [one])(0, np.zeros(2, np.intp), _ENDS * step)
        calls += 2
        gap = abs(plus + minus - 2 * point.center) / step
        claim = _claim(point, one)
        bound = STATED * rough / step + gap / 2 + claim.precision
        if not abs((plus - minus) / (2 * step) - claim.gradient[0]) <= BOUND_FACTOR * bound:
            return False, calls
    return True, calls


def _moves(count: int, rng: np.random.Generator) -> Array:
    return random_signs((count,), rng) * rng.uniform(LEAST_MOVE, LARGEST_MOVE, count)


def _claim(point: Point, one: Direction) -> Claim:
    numeric: BlockGradient = point.blocks[one.block].numeric
    estimates = numeric.estimates[one.entries]
    return Claim(
        np.array([one.moves @ estimates.value]), float(np.abs(one.moves) @ estimates.bound)
    )


def _losses(point: Point, directions: Sequence[Direction]) -> EntryLosses:
    """The losses with the entries of a direction moved, as one entry's that is its length."""
    moved_loss = point.problem.entry_loss(point.values)
    starts = [point.values[one.block].reshape(-1)[one.entries] for one in directions]

    def losses(number: int, entries: Indices, moved: Array) -> Array:
        one = directions[number]
        found = np.empty(len(moved))
        for row, distance in enumerate(moved - one.length):
            try:
                found[row] = moved_loss(
                    one.block, one.entries, starts[number] + distance * one.moves
                )
            except UserCodeError:
                found[row] = np.nan
        return found

    return losses
