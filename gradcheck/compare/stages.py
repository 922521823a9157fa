"""The comparison at one point, stage after stage: analytic gradient, numeric gradient, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.adaptive import undecided_if_no_gradient
from gradcheck.compare.block import Block
from gradcheck.compare.kinks import beside_kinks
from gradcheck.compare.point import Point
from gradcheck.compare.precision import with_precision, with_stability
from gradcheck.compare.structure import measure_by_structure, measured_again
from gradcheck.compare.updates import less_update
from gradcheck.compare.verdict import judge_block, judge_entries
from gradcheck.numeric.estimate import Indices
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.numeric.groups import rows_up_to
from gradcheck.numeric.screening import Screened, Screening, screen
from gradcheck.recognition.identify import Identity
from gradcheck.user.blocks import Array
from gradcheck.user.evaluation import ALONE, Effort

SCREENED_ALONG = 3
"""How many random directions test the entries that are not perturbed one by one."""


@dataclass(frozen=True)
class Plan:
    """How to compare the gradients at a point.

    Attributes:
        entries: the flat indices to perturb, one array per block.
        rtol: a relative error that the user accepts on top of the bound, or None.
        screening: whether random directions test the other entries.
        identity: the recognised network, if it may be used to measure all entries.
        again: the network that the loss was tied to at another point, or None.
        effort: the time, the processes and the progress bar.
        is_second: whether a point near this one was compared before.
    """

    entries: Sequence[Indices]
    rtol: float | None = None
    screening: bool = False
    identity: Identity | None = None
    again: Identity | None = None
    effort: Effort = ALONE
    is_second: bool = False


def compare(point: Point, plan: Plan, rng: np.random.Generator) -> Point:
    """Compares the user's gradient with finite differences at a point."""
    point = with_precision(point, rng)
    point = with_stability(point)
    point = _measured(point, plan, rng)
    lessened = less_update(point, rng)
    if lessened is not point and not point.interrupted:
        # entries that differed by the decay alone were only measured well enough to show that
        point = _measured(lessened, plan, rng)
    point, scale = _on_the_scale_of_both_parts(point), point.scale
    point = point.with_blocks(judge_block(block, plan.rtol, scale) for block in point.blocks)
    return point if plan.is_second else undecided_if_no_gradient(point)


def _on_the_scale_of_both_parts(point: Point) -> Point:
    """Judges real and imaginary parts on one scale, so that a part that is rounding is small."""
    halves, blocks = point.problem.parameters.halves, list(point.blocks)
    for real, imag in halves:
        largest = max(blocks[real].numeric.largest, blocks[imag].numeric.largest)
        for part in (real, imag):
            numeric = replace(blocks[part].numeric, outside=largest)
            blocks[part] = replace(blocks[part], numeric=numeric)
    return point.with_blocks(blocks) if halves else point


def _measured(point: Point, plan: Plan, rng: np.random.Generator) -> Point:
    """The point with its numeric gradient, where gradients that are right beside a kink count."""
    point = _measure(point, plan, rng)
    return point if point.interrupted else beside_kinks(point, rng, plan.effort.evaluations)


def _measure(point: Point, plan: Plan, rng: np.random.Generator) -> Point:
    """The point with its numeric gradient: by the network's structure if possible, else by loss."""
    if plan.again is not None:
        again = measured_again(point, plan.again, plan.entries)
        if again is not None:
            return again
    if plan.identity is not None:
        point = measure_by_structure(point, plan.identity, plan.effort, rng)
        if point.tie is not None or point.interrupted:
            return point
    point = point.measured(point.perturb(plan.entries, rng, plan.effort))
    if plan.screening and not point.interrupted:
        point = screen_the_rest(point, rng)
    return point


def screen_the_rest(point: Point, rng: np.random.Generator) -> Point:
    """Screens the remaining entries of every block, and perturbs the suspects one by one."""
    calls = 0

    def loss(values: Sequence[Array]) -> float:
        nonlocal calls
        calls += 1
        return point.problem.loss_or_nan(point.problem.parameters.rounded(values))

    screening = Screening(loss, point.values, point.center, point.noise.level, SCREENED_ALONG, rng)

    def screened(index: int, block: Block) -> Screened | None:
        if block.gradient.verdict != "ok" or block.numeric.count == block.size:
            return None
        wrong = judge_entries(block.analytic, block.numeric, block.precision, None, 0.0).wrong
        if 2 * np.count_nonzero(wrong) > block.numeric.count:  # nothing would be found out
            return None
        left = np.ones(block.size, dtype=bool)
        left[block.numeric.entries] = False
        rest = rows_up_to(block.size)[left]
        del left
        return screen(screening, index, rest, block.claim)

    point = point.with_blocks(
        replace(block, screened=screened(index, block)) for index, block in enumerate(point.blocks)
    )
    suspects = [
        np.array(sorted(block.screened.suspects) if block.screened else [], dtype=np.intp)
        for block in point.blocks
    ]
    more = point.perturb(suspects, rng)
    merged = tuple(
        _merged(block.numeric, other)
        for block, other in zip(point.blocks, more.blocks, strict=True)
    )
    evaluations = more.evaluations + calls
    return point.measured(replace(more, blocks=merged, evaluations=evaluations))


def _merged(first: BlockGradient, second: BlockGradient) -> BlockGradient:
    if not second.count:
        return first
    entries = np.concatenate([first.entries, second.entries])
    share = np.concatenate([first.shares, second.shares])
    both = replace(
        first, measured=entries, share=share, estimates=first.estimates.and_of(second.estimates)
    )
    return both[np.argsort(entries)]
