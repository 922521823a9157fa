"""Excuse gradients that ignore a guard: a small number that keeps the log of a loss finite.

The derivative of -log(p + 1e-8) and the gradient p - y differ by some 1e-8 / p; with a clipped p
they differ by about 1e-8. A guard keeps the loss finite and is not meant to be differentiated. The
user's own computation, repeated without the guard, gives the exact difference (`shift`), and only
that much is excused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.compare.block import SLIGHT, Block
from gradcheck.compare.followed import ask_trace
from gradcheck.compare.point import Point
from gradcheck.compare.stages import screen_the_rest
from gradcheck.compare.verdict import judge_block, judge_entries, scale_of
from gradcheck.numeric.gradient import NumericGradient
from gradcheck.trace import without_guards
from gradcheck.user.blocks import Array

LITTLE = 1e-6
"""How far a gradient of guarded numbers may be from that of bare ones, in largest entries."""


def excuse(point: Point, rng: np.random.Generator) -> Point:
    """Accept the blocks that are right for the loss without its guards, if any is off by little.

    Args:
        point: a compared point.
        rng: for entries that have to be measured again.
    """
    if not any(block.is_slightly_off for block in point.blocks):
        return point
    derivatives = _derivatives(point)
    if derivatives is None:
        return point
    guarded, bare = derivatives
    shifts = [
        bare[block.name] - guarded[block.name] if _is_of(guarded, block, point.scale) else None
        for block in point.blocks
    ]
    lessened = point.with_blocks(map(_less, point.blocks, shifts))
    if any(block.screened and block.screened.suspects for block in lessened.blocks):
        lessened = screen_the_rest(lessened, rng)
    lessened = _measured_again(lessened, shifts, rng)
    return replace(
        point.with_blocks(
            block if shift is None else _excused(block, less, shift, point.scale)
            for block, less, shift in zip(point.blocks, lessened.blocks, shifts, strict=True)
        ),
        evaluations=lessened.evaluations,
    )


def allowing_both(point: Point, most: float = SLIGHT) -> Point:
    """Widen the bounds of a measured point to contain the derivatives without guards as well.

    A block for which the two differ by `most` of its largest entry keeps its bounds.
    """
    derivatives = _derivatives(point)
    if derivatives is None:
        return point
    guarded, bare = derivatives
    shifts = [
        bare[block.name] - guarded[block.name] if block.name in guarded else None
        for block in point.blocks
    ]
    return point.with_blocks(
        block if shift is None else _widened(block, shift.reshape(-1)[block.numeric.entries], most)
        for block, shift in zip(point.blocks, shifts, strict=True)
    )


def _widened(block: Block, shift: Array, most: float) -> Block:
    if not np.max(np.abs(shift), initial=0.0) < most * (block.numeric.largest or 1.0):
        return block
    return _beside(block, shift)


def _beside(block: Block, shift: Array) -> Block:
    """Return the block with bounds that contain the shifted ones as well."""
    estimates, numeric = block.numeric.estimates, block.numeric
    lower = np.minimum(estimates.lower, estimates.lower + shift)
    upper = np.maximum(estimates.upper, estimates.upper + shift)
    both = replace(estimates, lower=lower, upper=upper)
    return replace(block, numeric=replace(numeric, estimates=both))


def _derivatives(point: Point) -> tuple[Mapping[str, Array], Mapping[str, Array]] | None:
    """Return the gradients of the loss with and without its guards; None if it has none."""
    return ask_trace(point, lambda to: without_guards(to, point.values), lambda _: None)


def _is_of(guarded: Mapping[str, Array], block: Block, overall: float) -> bool:
    """True for a wrong block if finite differences confirm the traced derivatives."""
    return block.is_off and block.name in guarded and confirms(block, guarded[block.name], overall)


def confirms(block: Block, followed: Array, overall: float) -> bool:
    """Whether the finite differences of a block agree with derivatives that were followed."""
    entries = followed.reshape(-1)[block.numeric.entries]
    return not judge_entries(entries, block.numeric, block.precision, None, overall).wrong.any()


def _less(block: Block, shift: Array | None) -> Block:
    """Subtract the effect of the guards from the analytic gradient of a block."""
    if shift is None or block.gradient.value is None:
        return block
    return replace(block, gradient=replace(block.gradient, value=block.gradient.value - shift))


def _measured_again(
    point: Point, shifts: Sequence[Array | None], rng: np.random.Generator
) -> Point:
    """Measure again the entries of shifted blocks for which the guards left no finite bound."""
    rows = [
        np.flatnonzero(~np.isfinite(block.numeric.estimates.bound) & (shift is not None))
        for block, shift in zip(point.blocks, shifts, strict=True)
    ]
    if not any(map(len, rows)):
        return point
    again = point.perturb(
        [block.numeric.entries[row] for block, row in zip(point.blocks, rows, strict=True)], rng
    )
    if again.interrupted:
        return point
    numeric = tuple(
        replace(block.numeric, estimates=block.numeric.estimates.put(row, new.estimates))
        for block, row, new in zip(point.blocks, rows, again.blocks, strict=True)
    )
    return point.measured(NumericGradient(numeric, again.evaluations))


def _excused(block: Block, less: Block, shift: Array, overall: float) -> Block:
    """Accept a block if it is right less the shift, which is added to its resolution.

    The gradient may be computed of guarded numbers, and differ from both by as much, if little.
    """
    most = float(np.max(np.abs(shift), initial=0.0))
    beside = min(most, LITTLE * (less.numeric.largest or 0.0))
    little = np.full(less.numeric.entries.shape, beside)
    judged = judge_block(_beside(_beside(less, little), -little), None, overall)
    if judged.verdict != "ok":
        return block
    numeric = less.numeric
    scale = scale_of(numeric, block.analytic, overall, block.precision)
    most = float(np.max(np.abs(shift.reshape(-1)[numeric.entries]) / numeric.shares, initial=0.0))
    return replace(
        block,
        verdict="ok",
        wrong_entries=0,
        excused=True,
        numeric=numeric,
        screened=less.screened,
        error_bound=judged.error_bound,
        resolution=None if judged.resolution is None else judged.resolution + most / scale,
    )
