"""Chooses the step of a group of entries by trials on a few of them.

The step of least error for D(h) is h (R / 2T)^(1/3), with R and T the rounding and the truncation
error measured at h (the rule of FiniteDifferences.jl). While the truncation error is below the
rounding error, the step grows until the rounding error is small enough or the step is the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.numeric.estimate import Array, Indices, Mask, Pair, bends, median_of
from gradcheck.numeric.noise import ROUNDING

Measure = Callable[[Indices, Array], Pair]
"""The loss on both sides of the given entries, at one step for each."""

PILOTS = 6
TRIES = 6
GOOD_RESOLUTION = 1e-8
LARGEST_STEP = 1e-2
LARGEST_LENGTH = 1e3
FIRST_RELATIVE_NOISE = 1e-6
SMALLEST_STEP = 1e3 * ROUNDING
MUCH_SMALLER = 1e-2
FAR_FROM, BLIND = 1e3, 0.1
HALF_PRECISION = 2e-3
"""A plateau narrower than this share of a parameter may come from rounding it to float16."""


@dataclass(frozen=True)
class GroupStep:
    """A step of a group of entries, and the errors measured on a few of them.

    Attributes:
        step: the step.
        rounding: the error of the derivatives due to the noise of the loss.
        truncation: the largest truncation error, measured as |D(h) - D(2h)|.
        pair: the losses of the tried entries at this step.
        quantum: the first change of a loss that is constant at smaller steps, else 0.
    """

    step: float
    rounding: float
    truncation: float
    pair: Pair
    quantum: float = 0.0

    @property
    def error(self) -> float:
        """The total error of the derivatives."""
        return self.rounding + self.truncation


def pilots_of(rows: Indices, claimed: Array, count: int, rng: np.random.Generator) -> Indices:
    """A few rows on which to try the step: those with the largest claims, and random ones."""
    if len(rows) <= count:
        return rows
    size = np.nan_to_num(np.abs(claimed[rows]))
    half = max(1, count // 2)
    largest = np.argpartition(size, -half)[-half:]
    others = rng.choice(len(rows), count - half, replace=False)
    return rows[np.union1d(largest, others)]


def first_length(relative: float, length: float) -> float:
    """The initial step, from the relative noise and the size of the parameters."""
    return float(np.cbrt(min(relative, FIRST_RELATIVE_NOISE))) * min(length, LARGEST_LENGTH)


def choose_step(
    measure: Measure,
    entries: Indices,
    claimed: Array,
    center: float,
    noise: float,
    length: float,
    usual: float,
) -> GroupStep:
    """The step at which rounding and truncation balance on a few entries.

    `length` is the largest |x| of the group, or 1; `usual` is the step of a group of larger
    parameters, with which the search begins, or 0.
    """
    step = first_length(noise / max(abs(center), noise), length)
    if usual:
        step = min(usual, MUCH_SMALLER * length)
    step = max(step, SMALLEST_STEP * length)
    largest_step = LARGEST_STEP * max(1.0, length)
    pairs: list[tuple[float, Pair, Pair]] = []
    tried: list[GroupStep] = []
    quantum = 0.0
    for _ in range(TRIES):
        inner, outer = (measure(entries, np.full(len(entries), k * step)) for k in (1, 2))
        pairs.append((step, inner, outer))
        before, every = quantum, [pair for _, *both in pairs for pair in both]
        quantum = max(quantum, _quantum(every, center, length, claimed != 0))
        nu = max(noise, quantum)
        if quantum > before:  # earlier steps were judged as for a smooth loss
            tried = [_tried(*trial, center, nu) for trial in pairs]
            last = min(tried, key=lambda trial: trial.error)
        else:
            last = _tried(step, inner, outer, center, nu)
            tried.append(last)
        step = _next_step(last, largest_step)
        if any(abs(np.log(step / trial.step)) < np.log(2) for trial in tried):
            break
    other = usual or first_length(noise / max(abs(center), noise), 1.0)
    best = min(tried, key=lambda trial: (trial.error, trial.step))
    if other > FAR_FROM * best.step and np.inf > best.error > BLIND * _largest(best.pair):
        # the parameter may be tiny against the length scale of the loss, so its size is no guide
        inner, outer = (measure(entries, np.full(len(entries), k * other)) for k in (1, 2))
        tried.append(_tried(other, inner, outer, center, noise))
        best = min(tried, key=lambda trial: (trial.error, trial.step))
    best = best if np.isfinite(best.error) else tried[-1]
    return replace(best, quantum=quantum) if quantum else best


def _tried(step: float, inner: Pair, outer: Pair, center: float, noise: float) -> GroupStep:
    """The step with its rounding and truncation errors."""
    rounding = median_of(noise / inner.step)
    truncation = _typical_truncation(inner, outer, center, noise)
    return GroupStep(step, rounding, truncation, inner)


def _next_step(tried: GroupStep, largest: float) -> float:
    """The step to try next; the same step if it is good."""
    step, rounding, truncation = tried.step, tried.rounding, tried.truncation
    scale = _largest(tried.pair)
    if not np.isfinite(truncation):
        return MUCH_SMALLER * step
    if truncation > 4 * rounding:
        return step * float(np.clip(np.cbrt(rounding / (2 * truncation)), MUCH_SMALLER, 1.0))
    if rounding <= GOOD_RESOLUTION * scale or step >= largest:
        return step
    more = rounding / (GOOD_RESOLUTION * scale) if scale else 10.0
    return min(float(np.clip(more, 10, 1e3)) * step, largest)


def _largest(pair: Pair) -> float:
    return float(np.nanmax(np.abs(pair.central()), initial=0.0))


def _typical_truncation(inner: Pair, outer: Pair, center: float, noise: float) -> float:
    """The largest truncation error of the entries that are not near a kink."""
    truncation = np.abs(inner.central() - outer.central())
    smooth = np.isfinite(truncation) & ~bends(inner, outer, center, noise)
    return float(np.max(truncation[smooth], initial=0.0)) if smooth.any() else np.inf


def _quantum(pairs: Sequence[Pair], center: float, length: float, claimed: Mask) -> float:
    """The size of the first change of a loss that is constant at smaller steps; 0 if it is not.

    Only entries with a nonzero claim count: the loss of an inactive unit is constant as well.
    """
    if not claimed.any():
        return 0.0
    order = sorted(pairs, key=lambda pair: float(pair.step[0]))
    steps = np.array([float(pair.step[0]) for pair in order])
    moves = np.array([pair.largest_move(center) for pair in order])[:, claimed]
    if np.all(moves):
        return 0.0
    quanta = []
    for column in moves.T:
        flat = np.flatnonzero((column == 0) & (steps < HALF_PRECISION * length))
        after = column[flat[-1] + 1 :] if len(flat) else column[:0]
        after = after[np.isfinite(after) & (after > 0)]
        quanta.append(float(after[0]) if len(after) else 0.0)
    return float(np.median(quanta))
