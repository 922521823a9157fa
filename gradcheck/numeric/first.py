"""The first step of every entry of a block: two evaluations, at the step of its group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.estimate import Array, Estimates, Indices, Pair
from gradcheck.numeric.gradient import Claim
from gradcheck.numeric.groups import groups_of, length_of
from gradcheck.numeric.noise import ROUNDING, NoiseLevels
from gradcheck.numeric.steps import (
    LARGEST_LENGTH,
    PILOTS,
    GroupStep,
    Measure,
    choose_step,
    pilots_of,
)

STATED = 3.0
"""The roundings that agreement states: an entry that is opened is judged by about as many."""


@dataclass(frozen=True)
class Along:
    """What is needed to differentiate along the entries of one block.

    Attributes:
        noise: its precision when the block moves.
        values: the block, flat.
        limit: the bound that is small enough, as a share of the scale.
        reference: the largest derivative claimed of any block.
        rng: chooses the entries that the step is tried on.
        lines: of which function each entry is a derivative, where there are several, flat.
        pilots: chooses the rows that the step is tried on.
        relative: the noise of a value by its size, where the centre does not tell; 0 elsewhere.
    """

    measure: Measure
    center: float
    noise: NoiseLevels
    values: Array
    claim: Claim
    limit: float
    reference: float
    rng: np.random.Generator
    lines: Indices | None = None
    pilots: Callable[[Indices, Array, int, np.random.Generator], Indices] = pilots_of
    relative: float = 0.0


@dataclass(frozen=True)
class FirstStep:
    """What the first step of some entries says, (n,) each where not said otherwise.

    Attributes:
        sizes: |x|.
        lengths: the largest |x| of the group of each, or 1.
        pair: the losses.
        own: the rounding of these as they are represented.
        rough: the largest error of a loss that was seen.
        estimates: the derivatives, with the bound that agreement states.
        quantum: the steps in which the loss moves, where it is a staircase; a number.
        step: that of the largest parameters; a number.
    """

    sizes: Array
    lengths: Array
    pair: Pair
    own: Array
    rough: Array
    estimates: Estimates
    quantum: float
    step: float

    @property
    def rounding(self) -> Array:
        """What the error of the losses can do to the derivatives."""
        return np.asarray(self.rough / self.pair.step)

    @property
    def truncation(self) -> Array:
        """The largest |D(h) - D(2h)| that was seen; D(h) is off by a third of it."""
        return np.asarray(self.estimates.bound - STATED * self.rounding)


def first_step(along: Along, entries: Indices) -> FirstStep:
    """Moves all entries up and down, each by the step of its group."""
    sizes = np.abs(along.values[entries])
    groups = groups_of(sizes)
    steps = _steps_of(along, entries, sizes, groups)
    pair, truncation = _pair_of(along, entries, groups, steps)
    quantum = max(step.quantum for _, step in steps)
    lengths = np.empty(len(entries))
    for group in groups:
        lengths[group] = length_of(sizes[group])
    with np.errstate(all="ignore"):
        losses = np.fmax(np.abs(pair.plus), np.abs(pair.minus))
        own = ROUNDING * np.where(np.isfinite(losses), losses, 0.0)
        rough = np.fmax(max(along.noise.rough, quantum), own)
        estimates = Estimates.smooth(pair.central(), STATED * rough / pair.step + truncation)
    step = steps[0][1].step
    return FirstStep(sizes, lengths, pair, own, rough, estimates, quantum, step)


def _steps_of(
    along: Along, entries: Indices, sizes: Array, groups: Sequence[Indices]
) -> list[tuple[Indices, GroupStep]]:
    """The step of every group, and the rows that it was tried on.

    That of the largest parameters is where the others begin.
    """
    found: list[tuple[Indices, GroupStep]] = []
    noise, usual = along.noise.rough, 0.0
    claimed = along.claim.gradient[entries]
    for group in groups:
        rows = along.pilots(group, claimed, PILOTS // 2 if found else PILOTS, along.rng)
        length = length_of(sizes[group])
        begin = usual or float(np.cbrt(along.relative)) * min(length, LARGEST_LENGTH)
        step = choose_step(
            along.measure, entries[rows], claimed[rows], along.center, noise, length, begin
        )
        noise, usual = max(noise, step.quantum), usual or step.step
        found.append((rows, step))
    return found


def _pair_of(
    along: Along,
    entries: Indices,
    groups: Sequence[Indices],
    steps: Sequence[tuple[Indices, GroupStep]],
) -> tuple[Pair, Array]:
    """The losses on both sides of all entries, and the truncation; those of pilots are known."""
    pair = Pair(*(np.empty(len(entries)) for _ in range(3)))
    truncation, step = np.empty(len(entries)), np.empty(len(entries))
    known = [(rows, chosen.pair) for rows, chosen in steps]
    rest = np.ones(len(entries), dtype=bool)
    for group, (rows, chosen) in zip(groups, steps, strict=True):
        step[group], truncation[group] = chosen.step, chosen.truncation
        rest[rows] = False
    others = np.flatnonzero(rest)
    if len(others):
        known.append((others, along.measure(entries[others], step[others])))
    for rows, one in known:
        pair.put(rows, one)
    return pair, truncation
