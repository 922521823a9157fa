"""Gradients that are right only at the point at which they were asked first.

A cache that is filled at the first call, or a parameter that is read from a global instead of the
argument, gives the right gradient at the user's point and the same one everywhere else. A gradient
that is held ready and only returned is meant for one point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck.compare.followed import ask_trace
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_block
from gradcheck.trace import computed_blocks
from gradcheck.user.problem import Problem

NEARBY = 0.01
FEW = 3
"""Entries per block that are measured at the other point."""


def beside_the_first(
    point: Point, unmoved: Sequence[str], rng: np.random.Generator
) -> Problem | None:
    """The problem at a nearby point where an unmoved gradient is wrong that is right at this one.

    Args:
        point: the user's point, compared.
        unmoved: the names of blocks whose gradient was the same at another point, which is right
            for a loss that is linear in the block.
        rng: draws the nearby point.

    Returns:
        None if the gradient is wrong here already, or right there too, or not computed in a call.
        A layer's backward pass is not given the point, and may hold what it needs of it.
    """
    problem = point.problem
    if point.failed or point.interrupted or problem.step is not None or problem.layer is not None:
        return None
    unmoved = [one.name for one in point.blocks if one.name in unmoved and one.verdict == "ok"]
    computed = ask_trace(
        point, lambda subject: computed_blocks(subject, point.values), lambda _: frozenset()
    )
    if computed.isdisjoint(unmoved):
        return None
    (own,) = rng.spawn(1)  # so that what is drawn later does not depend on this
    entries = [
        np.sort(own.permutation(block.size)[: FEW if block.name in unmoved else 0])
        for block in point.blocks
    ]
    nearby = point.beside(NEARBY, own, entries)
    if nearby is None or not any(
        judge_block(one, None, nearby.scale).failed for one in nearby.blocks
    ):
        return None
    return replace(problem, parameters=replace(problem.parameters, values=nearby.values))
