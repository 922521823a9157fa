"""Confirms a network's derivatives with the user's own loss, along a direction in every block.

A direction moves several entries of a block together. Among them are those that a loss may treat as
special: the smallest (pruned), the largest (clipped), and those that share their value with
another. If one of their derivatives differs, so does the derivative along the direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.arrays import slices_of
from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.numeric.blackbox import EntryLosses, numeric_gradient
from gradcheck.numeric.estimate import Estimates, Indices
from gradcheck.numeric.first import STATED
from gradcheck.numeric.gradient import BlockGradient, Claim, NumericGradient
from gradcheck.numeric.groups import FEW, groups_of, length_of, special_sizes
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.numeric.loss_lines import random_signs
from gradcheck.numeric.steps import MUCH_SMALLER, first_length
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError

SAMPLE = 6
SMALLEST = 2
LEAST_MOVE, LARGEST_MOVE = 1.0, 2.0
SMALL = 1e-3
FINE = 2.5e-9
"""The aim for the rounding error of a derivative along a direction, relative to the largest."""

LONGER = 1e3
TRIES = 3
SHOWN = 10.0
SHORTEST = 1e-9
_ENDS = np.array([1.0, -1.0])


@dataclass(frozen=True)
class Direction:
    """Entries of a block that move together.

    Attributes:
        moves: the movement of each entry for a step of 1.
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
        repeated: some that are 0 or as large as another, unless this holds for all entries.
        special: the repeated, the smallest, and the least and greatest.
        entries: the special ones and some random ones.
    """

    repeated: Indices
    special: Indices
    entries: Indices


def chosen_of(block: Block, rng: np.random.Generator) -> Chosen:
    """Chooses the entries of a block by which the user's loss is to confirm the network."""
    flat = block.value.reshape(-1)
    ordered = np.abs(flat)
    ordered.sort()
    least, sizes = ordered[:SMALLEST][-1], special_sizes(ordered)
    del ordered  # it may be large
    parts = slices_of(len(flat))
    smallest, alike = (
        np.concatenate([part.start + np.flatnonzero(holds(np.abs(flat[part]))) for part in parts])
        for holds in (lambda size: size <= least, lambda size: np.isin(size, sizes))
    )
    repeated = rng.permutation(alike[: len(alike) % len(flat)])[:SMALLEST]  # none if all are alike
    smallest = smallest[:SMALLEST]
    ends = np.array([np.argmin(block.value), np.argmax(block.value)])
    special = np.unique(np.concatenate([smallest, repeated, ends]))
    drawn = rng.choice(block.size, min(block.size, SAMPLE), replace=False)
    return Chosen(repeated, special, np.union1d(special, drawn))


def directions_of(
    point: Point, chosen: Sequence[Chosen], rng: np.random.Generator
) -> list[Direction]:
    """One direction for every block, or several if its parameters differ much in size."""
    directions = []
    for index, block in enumerate(point.blocks):
        entries = chosen[index].entries
        entries = entries[~block.numeric.at(entries).estimates.kink]
        flat = block.value.reshape(-1)  # no array of all sizes is made: the block may be large
        least = SMALL * max(flat.max(initial=0.0), -flat.min(initial=0.0))
        groups = [np.arange(len(entries))] if len(entries) else []
        small = np.count_nonzero((flat < least) & (flat > -least))
        if FEW * len(flat) < small < len(flat):
            groups = groups_of(np.abs(flat[entries]))
        for rows in groups:
            together = entries[rows]
            moves = _moves(len(together), rng)
            directions.append(Direction(index, together, moves, length_of(np.abs(flat[together]))))
    return directions


def measured_along(
    point: Point, directions: Sequence[Direction], rng: np.random.Generator
) -> NumericGradient:
    """The derivatives of the user's own loss along directions, one block for each.

    Two evaluations are enough for a derivative that agrees with the network's.
    """
    tried = [_quickly(point, direction) for direction in directions]
    pairs = zip(directions, tried, strict=True)
    rest = [direction for direction, (quick, _) in pairs if quick is None]
    rough = tuple(point.noise.levels(direction.block).rough for direction in rest)
    more = numeric_gradient(
        _losses(point, rest),
        [np.array([direction.length]) for direction in rest],
        point.center,
        replace(point.noise, rough=rough),
        [np.arange(1)] * len(rest),
        [_claim(point, direction) for direction in rest],
        rng,
    )
    slow = iter(more.blocks)
    blocks = tuple(next(slow) if quick is None else quick for quick, _ in tried)
    calls = sum(count for _, count in tried)
    return replace(more, blocks=blocks, evaluations=more.evaluations + calls)


def _quickly(point: Point, direction: Direction) -> tuple[BlockGradient | None, int]:
    """The derivative along a direction if it equals the network's up to rounding; and the calls.

    The truncation error at a large step, which grows with its square, gives the next step.
    """
    claim, rough = _claim(point, direction), point.noise.levels(direction.block).rough
    expected, losses = float(claim.gradient[0]), _losses(point, [direction])
    scale = point.blocks[direction.block].numeric.largest
    step = least = first_length(point.noise.relative, direction.length)
    if scale:
        step = float(np.clip(rough / (FINE * scale), least, LONGER * least))
    for calls in range(2, 2 * TRIES + 1, 2):
        plus, minus = losses(0, np.zeros(2, np.intp), direction.length + _ENDS * step)
        slope = (plus - minus) / (2 * step)
        apart, rounding = abs(slope - expected), rough / step
        if apart <= STATED * rounding + claim.precision:
            bound = STATED * rounding + apart
            estimates = Estimates.smooth(np.array([slope]), np.array([bound]))
            return BlockGradient(np.arange(1), estimates, step), calls
        step *= float(np.clip(np.cbrt(rounding / (2 * apart)), MUCH_SMALLER, 1.0))
        if not step >= least:
            break
    return None, calls


def agree_along(point: Point, directions: Sequence[Direction], own: NumericGradient) -> bool:
    """Whether the user's loss gives the network's derivatives, within the bounds of both."""
    for direction, numeric in zip(directions, own.blocks, strict=True):
        claim, estimates = _claim(point, direction), numeric.estimates
        apart = estimates.distance(claim.gradient)
        if not np.all(apart <= BOUND_FACTOR * (estimates.bound + claim.precision)):
            return False
    return True


def agree_nearby(
    point: Point, chosen: Sequence[Chosen], rng: np.random.Generator
) -> tuple[bool, int]:
    """Whether they agree at a small step for entries that are 0 or repeat a value; and the calls.

    A loss may treat such values as special, which a larger step does not show.
    """
    calls = 0
    for index, block in enumerate(point.blocks):
        entries, engine = chosen[index].repeated, block.numeric
        entries = entries[~engine.at(entries).estimates.kink]
        if not len(entries):
            continue
        rough, length = point.noise.levels(index).rough, length_of(np.abs(block.value))
        step = max(SHOWN * rough / (engine.limit * (engine.largest or 1.0)), SHORTEST * length)
        direction = Direction(index, entries, _moves(len(entries), rng), 0.0)
        plus, minus = _losses(point, [direction])(0, np.zeros(2, np.intp), _ENDS * step)
        calls += 2
        gap = abs(plus + minus - 2 * point.center) / step
        claim = _claim(point, direction)
        bound = STATED * rough / step + gap / 2 + claim.precision
        if not abs((plus - minus) / (2 * step) - claim.gradient[0]) <= BOUND_FACTOR * bound:
            return False, calls
    return True, calls


def _moves(count: int, rng: np.random.Generator) -> Array:
    return random_signs((count,), rng) * rng.uniform(LEAST_MOVE, LARGEST_MOVE, count)


def _claim(point: Point, direction: Direction) -> Claim:
    """The network's derivative along a direction, (1,), and its bound."""
    moves, numeric = direction.moves, point.blocks[direction.block].numeric
    estimates = numeric.at(direction.entries).estimates
    return Claim(np.array([moves @ estimates.value]), float(np.abs(moves) @ estimates.bound))


def _losses(point: Point, directions: Sequence[Direction]) -> EntryLosses:
    """The losses along directions; each is treated as a block of one entry, with value `length`."""
    moved_loss = point.problem.entry_loss(point.values)
    starts = [point.values[each.block].reshape(-1)[each.entries] for each in directions]

    def losses(number: int, entries: Indices, moved: Array) -> Array:
        direction, values = directions[number], np.empty(len(moved))
        for row, distance in enumerate(moved - direction.length):
            there = starts[number] + distance * direction.moves
            try:
                values[row] = moved_loss(direction.block, direction.entries, there)
            except UserCodeError:
                values[row] = np.nan
        return values

    return losses
