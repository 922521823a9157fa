"""The entries that were not perturbed one by one: tested along random directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.numeric.estimate import Estimates
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.numeric.screening import Screened, Screening, screen
from gradcheck.sampling import Indices
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError

DIRECTIONS = 3


def screen_the_rest(point: Point, rng: np.random.Generator) -> Point:
    """Screens what was left out of every block, and perturbs the suspects one by one."""
    calls = 0

    def loss(values: Sequence[Array]) -> float:
        nonlocal calls
        calls += 1
        try:
            return point.problem.loss(point.problem.parameters.rounded(values))
        except UserCodeError:
            return float("nan")

    screening = Screening(loss, point.values, point.center, point.noise.level, DIRECTIONS, rng)

    def screened(index: int, block: Block) -> Screened | None:
        if block.gradient.verdict != "ok" or len(block.numeric.entries) == block.size:
            return None
        left = np.ones(block.size, dtype=bool)
        left[block.numeric.entries] = False
        kind: Any = np.int32 if block.size < 2**31 else np.intp
        rest: Indices = np.arange(block.size, dtype=kind)[left]
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


def _merged(one: BlockGradient, other: BlockGradient) -> BlockGradient:
    if not len(other.entries):
        return one
    order = np.argsort(np.concatenate([one.entries, other.entries]))
    pairs = (
        (getattr(one.estimates, name), getattr(other.estimates, name))
        for name in ("value", "bound", "lower", "upper", "kink")
    )
    return replace(
        one,
        entries=np.concatenate([one.entries, other.entries])[order],
        share=np.concatenate([one.shares, other.shares])[order],
        estimates=Estimates(*(np.concatenate(pair)[order] for pair in pairs)),
    )
