"""Gradients that are right but for a small number by which the loss keeps its log finite.

A loss -log(p + 1e-8) and the gradient p - y differ by some 1e-8 / p, and one that clips p by
about 1e-8. The number is there to keep the loss finite, and nobody means it to be differentiated.
How far the two are apart is known from the user's own computation, done again without the number;
only that much is excused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.followed import ask_trace
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_block, judge_entries, scale_of
from gradcheck.numeric.gradient import NumericGradient
from gradcheck.trace import without_guards
from gradcheck.user.blocks import Array

LARGEST_ERROR = 1e-2


def excuse(point: Point, rng: np.random.Generator) -> Point:
    """The point, with the blocks right that are the gradient of the loss without that number.

    Args:
        point: compared.
        rng: for what is measured again.
    """
    if not any(map(_is_slightly_off, point.blocks)):
        return point
    found = _derivatives(point)
    if found is None:
        return point
    own, bare = found
    shifts = [
        bare[block.name] - own[block.name] if _is_of(own, block, point.scale) else None
        for block in point.blocks
    ]
    lessened = _measured_again(point.with_blocks(map(_less, point.blocks, shifts)), shifts, rng)
    return replace(
        point.with_blocks(
            block if shift is None else _excused(block, less, shift, point.scale)
            for block, less, shift in zip(point.blocks, lessened.blocks, shifts, strict=True)
        ),
        evaluations=lessened.evaluations,
    )


def allowing_both(point: Point, most: float = LARGEST_ERROR) -> Point:
    """The measured point, where the derivatives of the loss without that number are right too.

    And what lies between. Of a block of which the two differ by `most` of its size, that is not so.
    """
    found = _derivatives(point)
    if found is None:
        return point
    own, bare = found
    shifts = [
        bare[block.name] - own[block.name] if block.name in own else None for block in point.blocks
    ]
    return point.with_blocks(
        block if shift is None else _widened(block, shift.reshape(-1)[block.numeric.entries], most)
        for block, shift in zip(point.blocks, shifts, strict=True)
    )


def _widened(block: Block, shift: Array, most: float) -> Block:
    estimates, numeric = block.numeric.estimates, block.numeric
    if not np.max(np.abs(shift), initial=0.0) < most * (numeric.largest or 1.0):
        return block
    lower = np.minimum(estimates.lower, estimates.lower + shift)
    upper = np.maximum(estimates.upper, estimates.upper + shift)
    both = replace(estimates, lower=lower, upper=upper)
    return replace(block, numeric=replace(numeric, estimates=both))


def _derivatives(point: Point) -> tuple[Mapping[str, Array], Mapping[str, Array]] | None:
    """The gradient of the loss as it is, and without that number; None where it has none."""
    return ask_trace(point, lambda to: without_guards(to, point.values), lambda _: None)


def _is_slightly_off(block: Block) -> bool:
    """Whether a block is not right, and by no more than may be excused."""
    return (
        block.verdict in ("wrong", "inconclusive")
        and block.gradient.verdict == "ok"
        and block.max_rel_error is not None
        and block.max_rel_error < LARGEST_ERROR
    )


def _is_of(own: Mapping[str, Array], block: Block, overall: float) -> bool:
    """Whether a block that is slightly off has this gradient, by finite differences."""
    if block.name not in own or not _is_slightly_off(block):
        return False
    derivatives = own[block.name].reshape(-1)[block.numeric.entries]
    return not judge_entries(derivatives, block.numeric, block.precision, None, overall).wrong.any()


def _less(block: Block, shift: Array | None) -> Block:
    """The block with its gradient less what the number makes it differ by."""
    if shift is None or block.gradient.value is None:
        return block
    return replace(block, gradient=replace(block.gradient, value=block.gradient.value - shift))


def _measured_again(
    point: Point, shifts: Sequence[Array | None], rng: np.random.Generator
) -> Point:
    """The point, with the entries measured again that the number left without a bound."""
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
    """The block, right if it is so less the shift; what is excused counts into its resolution."""
    judged = judge_block(less, None, overall)
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
        error_bound=judged.error_bound,
        resolution=None if judged.resolution is None else judged.resolution + most / scale,
    )
