"""The first step of every entry of a block: two evaluations with the step of its group."""

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
"""The rounding errors in the bound of the first step; later bounds hold about as many."""


@dataclass(frozen=True)
class Along:
    """The data needed to differentiate along the entries of one block.

    Attributes:
        noise: the noise of the loss when the block moves.
        values: the block, flat.
        limit: the largest bound, relative to the scale, with which an entry can be right.
        reference: the largest analytic derivative of any block.
        rng: draws the entries on which a step is tried.
        lines: for several functions, the number of the function of each entry, flat.
        pilots: chooses the rows on which a step is tried.
        relative: the relative noise, if the size of the centre does not give it; else 0.
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
    """The results of the first step of some entries, (n,) each unless called a number.

    Attributes:
        sizes: |x|.
        lengths: the largest |x| in the group of the entry, or 1.
        pair: the losses on both sides.
        own: the rounding errors of these losses as they are represented.
        rough: the largest error of a loss, by all levels of noise.
        estimates: the derivatives, with bounds of rounding and truncation.
        quantum: the height of the steps of the loss if it is a staircase, else 0; a number.
        step: the step of the largest parameters; a number.
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
        """The error of the derivatives that comes from the errors of the losses."""
        return np.asarray(self.rough / self.pair.step)

    @property
    def truncation(self) -> Array:
        """The largest |D(h) - D(2h)| of the group; the error of D(h) is a third of it."""
        return np.asarray(self.estimates.bound - STATED * self.rounding)


def first_step(along: Along, entries: Indices) -> FirstStep:
    """Evaluates the loss on both sides of all entries, each with the step of its group."""
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
        represented = ROUNDING * np.where(np.isfinite(losses), losses, 0.0)
        rough = np.fmax(max(along.noise.rough, quantum), represented)
        estimates = Estimates.smooth(pair.central(), STATED * rough / pair.step + truncation)
    step = steps[0][1].step
    return FirstStep(sizes, lengths, pair, represented, rough, estimates, quantum, step)


def _steps_of(
    along: Along, entries: Indices, sizes: Array, groups: Sequence[Indices]
) -> list[tuple[Indices, GroupStep]]:
    """The step of every group, and the rows on which it was tried.

    The search of each begins with the step of the group of the largest parameters.
    """
    steps: list[tuple[Indices, GroupStep]] = []
    noise, usual = along.noise.rough, 0.0
    claimed = along.claim.gradient[entries]
    for group in groups:
        count = PILOTS // 2 if steps or along.claim.spared else PILOTS
        rows = along.pilots(group, claimed, count, along.rng)
        length = length_of(sizes[group])
        begin = usual or float(np.cbrt(along.relative)) * min(length, LARGEST_LENGTH)
        step = choose_step(
            along.measure, entries[rows], claimed[rows], along.center, noise, length, begin
        )
        noise, usual = max(noise, step.quantum), usual or step.step
        steps.append((rows, step))
    return steps


def _pair_of(
    along: Along,
    entries: Indices,
    groups: Sequence[Indices],
    steps: Sequence[tuple[Indices, GroupStep]],
) -> tuple[Pair, Array]:
    """The losses on both sides of all entries, and the truncation; pilots are not repeated."""
    step, plus, minus, truncation = (np.empty(len(entries)) for _ in range(4))
    pair = Pair(step.copy(), plus, minus)
    measured = [(rows, chosen.pair) for rows, chosen in steps]
    rest = np.ones(len(entries), dtype=bool)
    for group, (rows, chosen) in zip(groups, steps, strict=True):
        step[group], truncation[group] = chosen.step, chosen.truncation
        rest[rows] = False
    others = np.flatnonzero(rest)
    if len(others):
        measured.append((others, along.measure(entries[others], step[others])))
    for rows, losses in measured:
        pair.put(rows, losses)
    return pair, truncation
