"""Collect the numbers behind the pictures from the blocks of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_entries, scale_of
from gradcheck.pictures.drawing import MOST_BLOCKS
from gradcheck.pictures.model import (
    HeatMap,
    LayerPicture,
    Pictures,
    Scatter,
    SlopeRatio,
    SlopeTest,
    StepCurve,
)
from gradcheck.pictures.slope_test import of_point
from gradcheck.recognition.network_view import NetworkView, delta_from_gradient
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError

MOST_CELLS = 48
MOST_POINTS = 300
MOST_WRONG = 100
STEPS = tuple(10.0**power for power in np.arange(-12.0, -0.9, 0.5))
"""Steps up to 0.1: further away, an iteration of the user may not end."""
CURVE_SECONDS = 0.05
"""Time limit of the evaluations for the step curve, which is otherwise left out."""

TELLING = 1e-6
"""Smallest right delta, relative to the largest, that the user's delta is divided by."""


@dataclass(frozen=True)
class Sketch:
    """The material for the pictures of a check, which are made only on request.

    Attributes:
        scale: the largest derivative of all blocks.
        step_curve: the curve of the user's own loss, which can be evaluated only during the check;
            None if the recognised network's loss is used instead, or the evaluations take too long.
        seed: the seed for the choice of points in scatter plots.
        slope_test: carries out the slope test, if the user's functions are unchanged.
    """

    view: NetworkView | None
    blocks: tuple[Block, ...]
    scale: float
    step_curve: StepCurve | None
    seed: int
    slope_test: Callable[[], SlopeTest | None] = lambda: None

    @classmethod
    def of(cls, point: Point, view: NetworkView | None, seed: int) -> Sketch:
        """Return the sketch of a compared point."""
        curve = None if view is not None else _own_step_curve(point)
        slopes = partial(of_point, point, seed)
        return cls(view, point.blocks, point.scale, curve, seed, slopes)

    def pictures(self) -> Pictures:
        """Make all pictures that can be drawn."""
        compared = [
            block
            for block in self.blocks
            if block.worst is not None and block.gradient.value is not None
        ][:MOST_BLOCKS]
        matrices = [block for block in compared if min(_as_matrix(block.shape)) > 1]
        rng = np.random.default_rng(self.seed)
        drawn = (_scatter(block, self.scale, rng) for block in compared)
        scatters = tuple(scatter for scatter in drawn if scatter.numeric)
        heat_maps = tuple(_heat_map(block, self.scale) for block in matrices)
        view = self.view
        return Pictures(
            inputs=None if view is None else view.placed[0].n_in,
            layers=() if view is None else _layers(view, self.blocks),
            heat_maps=heat_maps,
            scatters=scatters,
            step_curve=self.step_curve if view is None else _step_curve(self.blocks, view.loss),
            slope_ratios=() if view is None else _slope_ratios(view, self.blocks),
            slope_test=self.slope_test(),
        )


def _as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    if not shape:
        return (1, 1)
    return (int(np.prod(shape[:-1], dtype=int)), shape[-1])


def _layers(view: NetworkView, blocks: Sequence[Block]) -> tuple[LayerPicture, ...]:
    return tuple(
        LayerPicture(
            placed.layer.number,
            placed.n_out,
            activation.name,
            tuple((blocks[index].name, blocks[index].verdict) for index in placed.layer.blocks),
        )
        for placed, activation in zip(view.placed, view.activations, strict=True)
    )


def _heat_map(block: Block, overall: float) -> HeatMap:
    shape = _as_matrix(block.shape)
    scale = scale_of(block.numeric, block.analytic, overall) or 1.0
    errors = np.full(shape[0] * shape[1], -1.0)
    distance = block.numeric.estimates.distance(block.analytic) / scale
    errors[block.numeric.entries] = np.where(np.isfinite(distance), distance, np.inf)
    cell = (-(-shape[0] // MOST_CELLS), -(-shape[1] // MOST_CELLS))
    padded = np.full((-(-shape[0] // cell[0]) * cell[0], -(-shape[1] // cell[1]) * cell[1]), -1.0)
    padded[: shape[0], : shape[1]] = errors.reshape(shape)
    tiled = padded.reshape(len(padded) // cell[0], cell[0], -1, cell[1])
    largest = tiled.max(axis=(1, 3))
    index = () if block.worst is None else block.worst.index
    row, column = divmod(int(np.ravel_multi_index(index, block.shape)), shape[1])
    return HeatMap(
        block.name,
        shape,
        tuple(tuple(None if value < 0 else float(value) for value in line) for line in largest),
        cell,
        (row // cell[0], column // cell[1]),
        index,
    )


def _scatter(block: Block, overall: float, rng: np.random.Generator) -> Scatter:
    """Return the entries with the largest errors, and others at random."""
    analytic = block.analytic
    verdict = judge_entries(analytic, block.numeric, block.precision, None, overall)
    wrong = verdict.wrong & (not block.excused)
    count = len(analytic)
    chosen = rng.choice(count, min(count, MOST_POINTS), replace=False)
    if wrong.any():
        furthest = np.argpartition(verdict.error, -min(count, MOST_WRONG))[-MOST_WRONG:]
        chosen = np.union1d(chosen, furthest)
    chosen = np.sort(chosen)
    numeric = block.numeric.estimates.value[chosen]
    is_finite = np.isfinite(numeric) & np.isfinite(analytic[chosen])
    return Scatter(
        block.name,
        tuple(numeric[is_finite].tolist()),
        tuple(analytic[chosen][is_finite].tolist()),
        tuple(wrong[chosen][is_finite].tolist()),
    )


def _own_step_curve(point: Point) -> StepCurve | None:
    """Return the step curve of the user's loss, if a gradient is wrong and the loss is fast."""
    worst = _worst_block(point.blocks)
    too_slow = 2 * len(STEPS) * point.noise.seconds > CURVE_SECONDS
    if worst is None or point.blocks[worst].verdict == "ok" or too_slow:
        return None
    try:
        return _step_curve(point.blocks, point.problem.loss)
    except (UserCodeError, KeyboardInterrupt):  # leave out the picture, keep the report
        return None


def _step_curve(
    blocks: Sequence[Block], loss: Callable[[Sequence[Array]], float]
) -> StepCurve | None:
    """Return central differences of the entry with the largest error, at many step sizes."""
    index = _worst_block(blocks)
    block = None if index is None else blocks[index]
    if index is None or block is None or block.worst is None or not block.worst.numeric:
        return None
    entry = int(np.ravel_multi_index(block.worst.index, block.shape))
    values = [block.value.copy() for block in blocks]
    cell, start = values[index].flat, block.value.flat[entry]
    slopes = np.full(len(STEPS), np.nan)
    for row, step in enumerate(STEPS):
        distance = (start + step) - (start - step)
        if not distance:
            return None
        cell[entry] = start + step
        above = loss(values)
        cell[entry] = start - step
        slopes[row] = (above - loss(values)) / distance
    if not np.all(np.isfinite(slopes)):
        return None
    size = abs(block.worst.numeric)
    return StepCurve(
        block.name,
        block.worst.index,
        STEPS,
        tuple((np.abs(slopes - block.worst.numeric) / size).tolist()),
        tuple((np.abs(slopes - block.worst.analytic) / size).tolist()),
    )


def _worst_block(blocks: Sequence[Block]) -> int | None:
    """Return the index of the block with the largest relative error; failed blocks go first."""
    errors = [
        (block.failed, block.max_rel_error or 0.0, index)
        for index, block in enumerate(blocks)
        if block.worst is not None
    ]
    return max(errors)[2] if errors else None


def _slope_ratios(view: NetworkView, blocks: Sequence[Block]) -> tuple[SlopeRatio, ...]:
    """Return the user's delta over the right one, in layers whose weight gradient implies it.

    The penalty is subtracted from the gradient first: it is no part of delta.
    """
    values = [block.value for block in blocks]
    trace, penalties = view.trace(values), view.penalties(values)
    ratios = []
    for placed, activation in zip(view.placed, view.activations, strict=True):
        number = placed.layer.number
        block = placed.layer.weight
        gradient = blocks[block].gradient.value
        bias = placed.layer.bias
        if blocks[block].verdict != "wrong" or gradient is None:
            continue
        if bias is not None and blocks[bias].verdict == "ok":
            continue  # delta is right; the product with the activations is wrong
        arrays = list(values)
        arrays[block] = gradient - penalties[block]
        delta = delta_from_gradient(trace.activations[number - 1], placed.weights(arrays))
        if delta is None:
            continue
        right = trace.deltas[number - 1]
        large = np.abs(right) > TELLING * np.abs(right).max(initial=0.0)
        z, ratio = trace.pre_activations[number - 1][large], delta[large] / right[large]
        step = max(1, len(z) // MOST_POINTS)
        ratios.append(
            SlopeRatio(
                number, activation.name, tuple(z[::step].tolist()), tuple(ratio[::step].tolist())
            )
        )
    return tuple(ratios)
