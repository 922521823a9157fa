"""Trace the user's own computation to find the expressions at fault; differences judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import without_units
from gradcheck.compare.followed import ask_trace
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_entries
from gradcheck.diagnose.evidence import error_if_right, largest_error
from gradcheck.diagnose.excuses import allowing_both
from gradcheck.trace import ROUNDS, Fault, Search, find_faults, targets_of
from gradcheck.trace.fault import LOSS_CHANGED

SECONDS = 8.0
"""The time limit of the search."""

NUDGES = (0.3, 0.1, 0.3, 0.05, 0.01, 0.01, 1e-3, 1e-3)
"""The distances of the further points at which both functions are traced, in a block's spread.

The near ones are for functions that do something else further off, as a sigmoid by masks does.
"""


class Judge:
    """Accepts mended gradients that agree with the numeric one in more entries than before."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self._right = self._agreeing({})

    def __call__(self, mended: Mapping[str, NDArray[Any]]) -> bool:
        """True if more entries agree, and all that did before; the next call must agree in more.

        The analytic gradient is taken for blocks that are not in `mended`.
        """
        after = self._agreeing(mended)
        lost = any(np.any(old & ~new) for old, new in zip(self._right, after, strict=True))
        gained = any(np.any(new & ~old) for old, new in zip(self._right, after, strict=True))
        accepted = gained and not lost
        if accepted:
            self._right = after
        return accepted

    def _agreeing(self, mended: Mapping[str, NDArray[Any]]) -> list[NDArray[np.bool_]]:
        """Return a mask for each block: where perturbed entries agree, and if its shape does."""
        masks = []
        for block in self._point.blocks:
            value = mended.get(block.name, block.gradient.value)
            if value is None or not without_units(np.shape(value), block.shape):
                masks.append(np.zeros(block.numeric.count + 1, dtype=bool))
                continue
            analytic = np.asarray(value, dtype=np.float64).reshape(-1)[block.numeric.entries]
            judged = judge_entries(
                analytic, block.numeric, block.precision, None, self._point.scale
            )
            masks.append(np.append(~judged.wrong, np.shape(value) == block.shape))
        return masks


def follow(
    point: Point,
    rng: np.random.Generator,
    along: tuple[tuple[str, int], ...] = (),
    rounds: int = ROUNDS,
) -> Search:
    """Search for the faults of the gradient at a point, nearest to the loss first.

    Args:
        point: a compared point with a block that failed.
        rng: draws the further points.
        along: the entries of the parameters (block, index) that belong to columns of a Jacobian.
        rounds: how many faults are searched for, beside those of an engine.
    """
    parameters = point.problem.parameters
    nearby = [parameters.nudged(point.values, size, rng) for size in NUDGES]
    held = any(block.held for block in point.blocks)
    raised = any(block.verdict == "raised" for block in point.blocks)
    verdicts = ("raised",) if raised else ("wrong", "shape", "missing")
    wrong = [block.name for block in point.blocks if block.verdict in verdicts]
    search = ask_trace(
        point,
        lambda subject: find_faults(
            replace(subject, along=along, fixed=targets_of if held else None),
            [point.values, *nearby],
            wrong,
            None if raised else Judge(allowing_both(point)),
            SECONDS,
            rounds,
        ),
        lambda reason: Search(unfollowed=reason),
    )
    if point.problem.layer and search.doubt is not None and search.doubt.kind == LOSS_CHANGED:
        return replace(search, doubt=None)  # a layer has no loss: the slope is another function's
    return replace(search, faults=tuple(_measured(fault, point) for fault in search.faults))


def _measured(fault: Fault, point: Point) -> Fault:
    """Add the largest relative error that the blocks of a fault have once it is mended."""
    names = point.problem.parameters.names
    errors = [
        error_if_right(point, names.index(name), np.asarray(fault.mended[name]))
        for name in fault.blocks
        if name in fault.mended
    ]
    error = largest_error(errors) if len(errors) == len(fault.blocks) else None
    return replace(fault, error_after_fix=error)
