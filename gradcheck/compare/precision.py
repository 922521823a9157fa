"""The rounding error of the analytic gradient, measured on the user's code.

A backward pass that is backward stable returns the exact gradient at parameters that differ by a
few rounding errors. The gradient is therefore evaluated again at such parameters: its change is the
size of its rounding error (Higham 2002, Accuracy and Stability of Numerical Algorithms, 1.5).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.arrays import copies, largest_difference
from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.errors import UsageError
from gradcheck.numeric import storage
from gradcheck.numeric.estimate import largest_of
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.numeric.loss_lines import random_signs
from gradcheck.user.blocks import Array
from gradcheck.user.gradients import Gradient, ask_gradients

NUDGES = 2
ROUNDINGS = 4.0
LARGEST_AMPLIFICATION = 1e6
COARSEST = 2.5e-4
"""The rounding error is at most this share of the block's largest entry, unless the whole gradient
is rounding: then it changes by its own size and is negligible against the gradient nearby."""

NEARBY = 1e-3
AWAY = 0.1
AT_AN_EDGE = 100.0


def epsilon_of(point: Point) -> float:
    """The relative rounding error of the type in which the user's functions compute.

    Code that computes its loss in float32 computes its gradient in float32, whatever type it
    returns, so the noise of the loss counts too; and the type in which a step stores parameters.
    """
    epsilons = [block.gradient.epsilon for block in point.blocks]
    if point.problem.step is not None:
        stored = point.problem.parameters.dtypes
        epsilons += [storage.epsilon_of(dtype) for dtype in stored if dtype.kind == "f"]
    return max([*epsilons, min(point.noise.relative, 1e-6)])


def with_precision(point: Point, rng: np.random.Generator) -> Point:
    """The point with the rounding error of every block's analytic gradient."""
    epsilon = epsilon_of(point)
    moved = [0.0] * len(point.blocks)
    for _ in range(NUDGES):
        movements = _movements(point, ROUNDINGS * epsilon, rng)
        moved = [max(pair) for pair in zip(moved, movements, strict=True)]
    given = [block.gradient.value for block in point.blocks]
    sizes = [0.0 if value is None else largest_of(value) for value in given]
    roundings = [
        ROUNDINGS * (movement + epsilon * size) for movement, size in zip(moved, sizes, strict=True)
    ]
    moves = [0.0] * len(sizes)
    if any(0 < rounding >= size for size, rounding in zip(sizes, roundings, strict=True)):
        moves = _movements(point, NEARBY, rng)
    most = max(min(LARGEST_AMPLIFICATION * epsilon, COARSEST), ROUNDINGS * epsilon)
    linear, step = ROUNDINGS * epsilon / NEARBY, point.problem.step
    blocks = []
    for block, size, rounding, movement, move in zip(
        point.blocks, sizes, roundings, moved, moves, strict=True
    ):
        # a gradient that changes much for a few roundings, but not more for larger steps, jumps
        away = AWAY / NEARBY * move if movement <= AT_AN_EDGE * linear * move else 0.0
        tiny = LARGEST_AMPLIFICATION * epsilon * max(away, *sizes)
        largest = tiny if size <= min(rounding, tiny) else most * size
        precision = min(rounding, largest)
        if step is not None:  # the rounding of the new parameters, in (old - new) / learning_rate
            precision += step.roundings * step.cancellation(block.value, block.gradient.epsilon)
        blocks.append(replace(block, precision=precision))
    return point.with_blocks(blocks)


def with_stability(point: Point) -> Point:
    """Calls the gradient again: the point, where every block says whether its gradient repeats."""
    again = point.with_gradients(*ask_gradients(point.problem, copies(point.values), keep=True))
    pairs = list(zip(point.blocks, again.blocks, strict=True))
    differ = [_differ(one, other.gradient, BOUND_FACTOR * one.precision) for one, other in pairs]
    if not any(differ):
        return point
    return point.with_blocks(
        replace(block, stable=not other) for block, other in zip(point.blocks, differ, strict=True)
    )


def _differ(block: Block, other: Gradient, rounding: float) -> bool:
    """Whether two calls at the same point gave gradients that differ by more than rounding."""
    first = block.gradient
    if first.verdict != other.verdict:
        return True
    if first.value is None or other.value is None or first.verdict == "nonfinite":
        return False
    if first.value.shape != other.value.shape:
        return True
    return largest_difference(first.value, other.value) > rounding


def _movements(point: Point, size: float, rng: np.random.Generator) -> list[float]:
    """The largest change of the gradient of every block if all parameters change by this share."""
    try:
        nudged, _ = ask_gradients(  # the point is held nowhere else: it may be large
            point.problem, [_nudged(value, size, rng) for value in point.values], keep=True
        )
    except UsageError:
        return [0.0] * len(point.blocks)
    return [
        largest_difference(after.value, block.gradient.value)
        if block.gradient.value is not None
        and after.value is not None
        and block.gradient.verdict == after.verdict == "ok"
        else 0.0
        for block, after in zip(point.blocks, nudged.blocks, strict=True)
    ]


def _nudged(value: Array, size: float, rng: np.random.Generator) -> Array:
    nudged = np.asarray(np.multiply(random_signs(value.shape, rng), size, dtype=np.float64))
    nudged += 1
    nudged *= value
    return nudged
