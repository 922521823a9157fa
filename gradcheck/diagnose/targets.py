"""Accept gradients of a loss whose targets are constants, as in temporal-difference learning.

A target such as r + gamma * max Q(s') is made from the parameters and is not differentiated: the
update is no gradient of the loss that is printed, and is meant so. Only values that the user calls
targets, advantages or baselines are held, and only if more gradients are right with them held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.followed import ask_trace
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_block
from gradcheck.diagnose.excuses import confirms
from gradcheck.trace import with_targets_held
from gradcheck.user.blocks import Array


def hold_targets(point: Point) -> Point:
    """Judge a compared point with its targets held, if more blocks are right with them held."""
    failed = [block for block in point.blocks if block.failed]
    if not failed or any(block.verdict != "wrong" for block in failed):
        return point
    found = _derivatives(point)
    if found is None:
        return point
    whole, held, names = found
    judged = [
        _judged(block, whole[block.name], held[block.name], names, point.scale)
        if block.name in whole and block.verdict in ("ok", "wrong")
        else block
        for block in point.blocks
    ]
    before, after = (sum(block.failed for block in blocks) for blocks in (point.blocks, judged))
    return point.with_blocks(judged) if after < before else point


def with_targets(point: Point) -> Point:
    """Return a measured point with its targets held, without judging it."""
    found = _derivatives(point)
    if found is None:
        return point
    whole, held, _ = found
    return point.with_blocks(
        _moved(block, whole[block.name], held[block.name]) if block.name in whole else block
        for block in point.blocks
    )


def _derivatives(
    point: Point,
) -> tuple[Mapping[str, Array], Mapping[str, Array], tuple[str, ...]] | None:
    """Return the gradients of the loss as it is and with its targets held, and their names."""
    return ask_trace(point, lambda to: with_targets_held(to, point.values), lambda _: None)


def _moved(block: Block, whole: Array, held: Array) -> Block:
    entries, estimates = block.numeric.entries, block.numeric.estimates
    shift = (held - whole).reshape(-1)[entries]
    moved = {name: getattr(estimates, name) + shift for name in ("value", "lower", "upper")}
    return replace(block, numeric=replace(block.numeric, estimates=replace(estimates, **moved)))


def _judged(
    block: Block, whole: Array, held: Array, names: tuple[str, ...], overall: float
) -> Block:
    """Return the block, judged with the targets held; unchanged where it does not depend on them.

    Nor is it changed where differences do not confirm the derivatives that were followed.
    """
    if np.array_equal(whole, held) or not confirms(block, whole, overall):
        return block
    return replace(judge_block(_moved(block, whole, held), None, overall), held=names)
