"""Takes the numbers that are drawn later, while the user's functions are still at hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.compare.comparison import Comparison
from gradcheck.compare.verdict import Block, judge_entries, scale_of
from gradcheck.diagnose.engine import Diagnosis
from gradcheck.numeric.blackbox import BlockGradient
from gradcheck.preflight import Preflight
from gradcheck.recognition.network_view import NetworkView, delta_from_gradient
from gradcheck.report.pictures import (
    HeatMap,
    LayerPicture,
    Pictures,
    Scatter,
    SlopeRatio,
    StepCurve,
)
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError

MOST_CELLS = 48
MOST_POINTS = 300
MOST_WRONG = 100
MOST_BLOCKS = 24
STEPS = tuple(10.0**power for power in np.arange(-12.0, 0.1, 0.5))
CURVE_SECONDS = 0.05
"""The V curve is left out where its evaluations would take longer."""

TELLING = 1e-6
"""A delta that is smaller than this share of the largest has no ratio to speak of."""


@dataclass(frozen=True)
class _Compared:
    """A block with the derivatives that were compared, its claimed ones and the numeric ones."""

    block: Block
    claimed: Array
    measured: BlockGradient
    precision: float


def take_pictures(
    ready: Preflight, comparison: Comparison, diagnosis: Diagnosis, rng: np.random.Generator
) -> Pictures:
    """All that can be drawn of a check.

    Args:
        ready: how the functions behave.
        comparison: at the user's point.
        diagnosis: of it, with the network where one is known.
        rng: chooses the points of scatters.
    """
    compared = [
        _Compared(block, gradient.value.reshape(-1)[measured.entries], measured, precision)
        for block, gradient, measured, precision in zip(
            comparison.blocks,
            comparison.gradients.blocks,
            comparison.numeric.blocks,
            comparison.precision,
            strict=True,
        )
        if block.worst is not None and gradient.value is not None
    ][:MOST_BLOCKS]
    matrices = [found for found in compared if min(_as_matrix(found.block.shape)) > 1]
    view = diagnosis.view
    return Pictures(
        inputs=None if view is None else view.placed[0].n_in,
        layers=() if view is None else _layers(view, comparison),
        heat_maps=tuple(_heat_map(found, comparison.scale) for found in matrices),
        scatters=tuple(_scatter(found, comparison.scale, rng) for found in compared),
        step_curve=_step_curve(ready, comparison, view),
        slope_ratios=() if view is None else _slope_ratios(view, comparison),
    )


def _as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    if not shape:
        return (1, 1)
    return (int(np.prod(shape[:-1], dtype=int)), shape[-1])


def _layers(view: NetworkView, comparison: Comparison) -> tuple[LayerPicture, ...]:
    return tuple(
        LayerPicture(
            placed.layer.number,
            placed.n_out,
            activation.name,
            tuple(
                (comparison.blocks[block].name, comparison.blocks[block].verdict)
                for block in placed.layer.blocks
            ),
        )
        for placed, activation in zip(view.placed, view.activations, strict=True)
    )


def _heat_map(compared: _Compared, overall: float) -> HeatMap:
    block, claimed, measured = compared.block, compared.claimed, compared.measured
    shape = _as_matrix(block.shape)
    scale = scale_of(measured, claimed, overall) or 1.0
    errors = np.full(shape[0] * shape[1], -1.0)
    distance = measured.estimates.distance(claimed) / scale
    errors[measured.entries] = np.where(np.isfinite(distance), distance, np.inf)
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


def _scatter(compared: _Compared, overall: float, rng: np.random.Generator) -> Scatter:
    """The entries furthest off, and others at random."""
    claimed, measured = compared.claimed, compared.measured
    judged = judge_entries(claimed, measured, compared.precision, None, overall)
    count = len(claimed)
    chosen = rng.choice(count, min(count, MOST_POINTS), replace=False)
    if judged.wrong.any():
        furthest = np.argpartition(judged.error, -min(count, MOST_WRONG))[-MOST_WRONG:]
        chosen = np.union1d(chosen, furthest)
    chosen = np.sort(chosen)
    numeric = measured.estimates.value[chosen]
    kept = np.isfinite(numeric) & np.isfinite(claimed[chosen])
    return Scatter(
        compared.block.name,
        tuple(numeric[kept].tolist()),
        tuple(claimed[chosen][kept].tolist()),
        tuple(judged.wrong[chosen][kept].tolist()),
    )


def _step_curve(
    ready: Preflight, comparison: Comparison, view: NetworkView | None
) -> StepCurve | None:
    """Central differences of the entry furthest off, at steps from tiny to large.

    The loss is that of the network where one is known; the user's own is only asked again where
    something is wrong with it, and it is quick.
    """
    worst = _worst_block(comparison)
    block = None if worst is None else comparison.blocks[worst]
    if worst is None or block is None or block.worst is None or not block.worst.numeric:
        return None
    entry = int(np.ravel_multi_index(block.worst.index, block.shape))
    values = [value.copy() for value in comparison.values]
    cell, start = values[worst].flat, comparison.values[worst].flat[entry]
    if view is not None:
        loss = view.loss
    elif ready.noise is None or block.verdict == "ok" or _too_slow(ready.noise.seconds):
        return None
    else:
        loss = ready.problem.loss
    slopes: list[float] = []
    try:
        for step in STEPS:
            cell[entry] = start + step
            above = loss(values)
            cell[entry] = start - step
            slopes.append((above - loss(values)) / ((start + step) - (start - step)))
    except (UserCodeError, ZeroDivisionError):
        return None
    found = np.array(slopes)
    if not np.all(np.isfinite(found)):
        return None
    size = abs(block.worst.numeric)
    return StepCurve(
        block.name,
        block.worst.index,
        STEPS,
        tuple((np.abs(found - block.worst.numeric) / size).tolist()),
        tuple((np.abs(found - block.worst.analytic) / size).tolist()),
    )


def _too_slow(seconds: float) -> bool:
    return 2 * len(STEPS) * seconds > CURVE_SECONDS


def _worst_block(comparison: Comparison) -> int | None:
    """The block whose worst entry is furthest off, relatively; one that is wrong, if any is."""
    errors = [
        (block.failed, block.max_rel_error or 0.0, index)
        for index, block in enumerate(comparison.blocks)
        if block.worst is not None
    ]
    return max(errors)[2] if errors else None


def _slope_ratios(view: NetworkView, comparison: Comparison) -> tuple[SlopeRatio, ...]:
    """The user's delta over the right one, in wrong layers whose weights' gradient tells it."""
    trace = view.trace(comparison.values)
    found = []
    for placed, activation in zip(view.placed, view.activations, strict=True):
        number = placed.layer.number
        block = placed.layer.weight
        gradient = comparison.gradients.blocks[block].value
        bias = placed.layer.bias
        if comparison.blocks[block].verdict != "wrong" or gradient is None:
            continue
        if bias is not None and comparison.blocks[bias].verdict == "ok":
            continue  # delta is right, and the product alone is off
        arrays = list(comparison.values)
        arrays[block] = gradient
        delta = delta_from_gradient(trace.activations[number - 1], placed.weights(arrays))
        if delta is None:
            continue
        right = trace.deltas[number - 1]
        clear = np.abs(right) > TELLING * np.abs(right).max(initial=0.0)
        z, ratio = trace.pre_activations[number - 1][clear], delta[clear] / right[clear]
        step = max(1, len(z) // MOST_POINTS)
        found.append(
            SlopeRatio(
                number, activation.name, tuple(z[::step].tolist()), tuple(ratio[::step].tolist())
            )
        )
    return tuple(found)
