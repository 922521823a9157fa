"""The numeric gradient of a loss recognised as a network's, confirmed by the user's own loss.

The engine evaluates the formulas of the recognised network, not the user's function. So that no
verdict rests on them alone, both are compared: the losses at random points and where single
parameters move far; and the derivatives of the user's loss, along a direction in every block and
for some of the entries that the engine calls wrong. If anything disagrees, the engine is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.arrays import slices_of
from gradcheck.compare.block import Block
from gradcheck.compare.directions import (
    Chosen,
    agree_along,
    agree_nearby,
    chosen_of,
    directions_of,
    measured_along,
)
from gradcheck.compare.point import Point, Tie
from gradcheck.compare.verdict import judge_entries, scale_of
from gradcheck.network.kernels import wake
from gradcheck.numeric.estimate import Indices
from gradcheck.numeric.gradient import BlockGradient, NumericGradient
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.numeric.structured import (
    LITERAL,
    SHARED_LINES,
    LayerGradient,
    choose_tier,
    seconds_of,
    structured_gradient,
)
from gradcheck.recognition.dense import as_blocks, bounds_of, dense_network
from gradcheck.recognition.identify import Identity
from gradcheck.recognition.losses import POINTS, TOLERANCE, Losses
from gradcheck.recognition.network_view import NetworkView
from gradcheck.user.calls import UserCodeError
from gradcheck.user.evaluation import Effort

AS_EXACT = 2e-8
"""The error bound at a second point, as a share of the largest derivative."""

WIDEST = float(np.finfo(np.float64).max)
"""A bound of entries whose bounds are not needed."""

LONG = 2.0
"""Seconds of the literal tier from which compiling pays."""

WORST = 2
FAR = (2.0, -0.5, 2.0, -0.5)
SAME_GRADIENT = 30.0
"""How many times the relative difference of two losses that of their gradients may be."""

CALLS_PER_BLOCK = 60
"""With at most this many entries per block, perturbing the user's loss is as quick."""


def measure_by_structure(
    point: Point, identity: Identity, effort: Effort, rng: np.random.Generator
) -> Point:
    """Measures every entry by the network's structure, if the user's loss confirms the network.

    Returns:
        The measured point with its `tie`; or the point without one, with the evaluations counted,
        if the network is not confirmed or the user interrupts.
    """
    view, losses = identity.view, identity.losses
    network = None if view is None else dense_network(view, point.values)
    few = sum(block.size for block in point.blocks) <= CALLS_PER_BLOCK * len(point.blocks)
    if view is None or losses is None or network is None or few:
        return point
    mismatch = _mismatch(view, losses, point)
    allowed = max(TOLERANCE, 50 * point.noise.relative)
    far, calls = _agrees_far(point, view, allowed, rng)
    point = replace(point, evaluations=point.evaluations + calls)
    if not (far and mismatch <= allowed):
        return point
    tier = choose_tier(network, effort.budget)
    if tier == LITERAL and seconds_of(network) > LONG:
        wake()
    weights = sum(block.size for block in point.blocks)
    chosen = [chosen_of(block, rng) for block in point.blocks]
    try:
        gradients = structured_gradient(network, tier, effort.begin("weights", weights))
    except KeyboardInterrupt:
        return replace(point, interrupted=True)
    engine = Engine(view, gradients, SAME_GRADIENT * mismatch)
    return _tied(point, engine, chosen, Tie(tier, 1 + POINTS + calls), rng)


def measured_again(point: Point, identity: Identity, entries: Sequence[Indices]) -> Point | None:
    """Measures a second point by a confirmed network; None if the loss differs from it there."""
    view = identity.view
    network = None if view is None else dense_network(view, point.values)
    if view is None or network is None:
        return None
    apart = abs(view.loss(point.values) - point.center)
    if not apart <= max(TOLERANCE, 50 * point.noise.relative) * abs(point.center):
        return None
    gradients = structured_gradient(network, SHARED_LINES)
    engine = as_blocks(view, point.values, gradients, AS_EXACT)
    blocks = tuple(gradient[rows] for gradient, rows in zip(engine, entries, strict=True))
    return point.measured(NumericGradient(blocks, 0))


@dataclass(frozen=True)
class Engine:
    """The gradients of a network's layers; `apart` is how far off they may be, relatively."""

    view: NetworkView
    gradients: Sequence[LayerGradient]
    apart: float

    def measured(self, point: Point, least: float | Sequence[float]) -> Point:
        """The point measured by the network, with no bound below `least`."""
        blocks = as_blocks(self.view, point.values, self.gradients, self.apart, least)
        return point.measured(NumericGradient(blocks, 0))

    def sampled(self, point: Point, chosen: Sequence[Chosen]) -> Point:
        """The point with the chosen entries and the worst alone; all would take memory."""
        blocks = [
            replace(block.numeric[rows], outside=block.numeric.largest)
            for block, rows in _with_worst(self.measured(point, WIDEST), chosen)
        ]
        bounds = bounds_of(self.view, point.values, self.gradients)
        for index, block in enumerate(blocks):
            bound = bounds.pop(index)[block.entries] + self.apart * block.largest
            blocks[index] = replace(block, estimates=replace(block.estimates, bound=bound))
        return point.measured(NumericGradient(tuple(blocks), 0))


def _tied(
    point: Point, engine: Engine, chosen: Sequence[Chosen], tie: Tie, rng: np.random.Generator
) -> Point:
    """The measured point if the user's loss has the same derivatives, else the point before.

    `tie` holds what confirmed the network until now.
    """
    is_exact = all(kind == np.float64 for kind in point.problem.parameters.storage)
    measured = engine.sampled(point, chosen)
    directions = directions_of(measured, chosen, rng) if is_exact else []
    along = measured_along(measured, directions, rng)
    agree, nearby = agree_nearby(measured, chosen, rng) if is_exact else (True, 0)
    spent, stopped, sample = along.evaluations + nearby, along.interrupted, None
    if agree and not stopped and agree_along(measured, directions, along):
        alone = [
            _suspects(block, selected) if is_exact else selected.entries
            for block, selected in zip(measured.blocks, chosen, strict=True)
        ]
        sample = point.perturb(alone, rng)
        spent, stopped = spent + sample.evaluations, sample.interrupted
    pairs = zip(measured.blocks, sample.blocks, strict=True) if sample and not stopped else []
    agree = all(_agree(block.numeric, direct) for block, direct in pairs)
    if sample is None or stopped or not agree:
        return replace(point, evaluations=point.evaluations + spent, interrupted=stopped)
    shown = [[direct] for direct in sample.blocks]
    for direction, direct in zip(directions, along.blocks, strict=True):
        shown[direction.block].append(direct)
    whole = engine.measured(point, [_stated(several) for several in shown])
    confirmed = tuple(
        _confirmed(block, direct) for block, direct in zip(whole.blocks, sample.blocks, strict=True)
    )
    tie = replace(tie, evaluations=tie.evaluations + spent)
    return replace(point.measured(NumericGradient(confirmed, spent)), tie=tie)


def _mismatch(view: NetworkView, losses: Losses, point: Point) -> float:
    """The largest relative difference of the losses, at this point and those of recognition."""
    apart = abs(view.loss(point.values) - point.center) / max(abs(point.center), 1e-300)
    return max(point.noise.relative, losses.off, apart) if np.isfinite(apart) else np.inf


def _agrees_far(
    point: Point, view: NetworkView, allowed: float, rng: np.random.Generator
) -> tuple[bool, int]:
    """Whether the losses agree where one entry of every block moves far; and the calls made."""
    calls = 0
    for step in FAR:
        values = list(point.values)
        for block, value in enumerate(values):
            values[block] = value.copy()
            values[block].flat[rng.integers(value.size)] += step
        values = list(point.problem.parameters.rounded(values))
        try:
            loss = point.problem.loss(values)
        except UserCodeError:
            continue
        calls += 1
        if np.isfinite(loss) and not abs(view.loss(values) - loss) <= allowed * abs(loss):
            return False, calls
        del values, value  # they may be large
    return True, calls


def _with_worst(point: Point, chosen: Sequence[Chosen]) -> Iterator[tuple[Block, Indices]]:
    """Yields every block with its chosen entries, and those furthest from the gradient."""
    for block, selected in zip(point.blocks, chosen, strict=True):
        worst: Indices = selected.special[:0]
        if block.gradient.comparable:
            for part in slices_of(block.size):
                rows = np.arange(part.start, part.stop)
                worst = _furthest(block, np.append(worst, rows))
        yield block, np.union1d(selected.entries, worst)


def _suspects(block: Block, chosen: Chosen) -> Indices:
    """The entries that the engine calls wrong and that the user's loss is to confirm one by one.

    They are taken from the worst entries and from those that a loss may treat as special.
    """
    if not block.gradient.comparable or not block.size:
        return chosen.entries[:0]
    furthest = (_furthest(block, rows) for rows in (block.numeric.entries, chosen.special))
    rows = np.union1d(*furthest)
    claim, numeric = block.claim, block.numeric.at(rows)
    return rows[judge_entries(claim.gradient[rows], numeric, claim.precision, None, 0.0).wrong]


def _furthest(block: Block, entries: Indices) -> Indices:
    """Of the given entries, those with the largest error as the engine sees it."""
    off = block.numeric.at(entries).estimates.distance(block.claim.gradient[entries])
    return entries[np.argpartition(off, -min(WORST, len(off)))[-WORST:]]


def _agree(engine: BlockGradient, direct: BlockGradient) -> bool:
    """Whether the user's loss gives the engine's derivatives, within the bounds of both."""
    ours, theirs = engine.at(direct.entries).estimates, direct.estimates
    smooth = ~(ours.kink | theirs.kink)
    apart = np.abs(ours.value - theirs.value)
    return bool(np.all(apart[smooth] <= BOUND_FACTOR * (ours.bound + theirs.bound)[smooth]))


def _stated(shown: Sequence[BlockGradient]) -> float:
    """The largest bound of the user's own loss, which confirms the engine in a block.

    An error that only the engine can see may be an error of the recognised network.
    """
    smooth = [direct.estimates.bound[~direct.estimates.kink] for direct in shown]
    bounds = np.concatenate([bound[np.isfinite(bound)] for bound in smooth])
    return float(bounds.max(initial=0.0))


def _confirmed(block: Block, direct: BlockGradient) -> BlockGradient:
    """The engine's gradient; its bound is widened if the user's loss confirms no wrong entry.

    The added bound is that of the user's loss: smaller errors rest on the engine alone.
    """
    engine, claim = block.numeric, block.claim
    analytic = claim.gradient[direct.entries]
    if not len(analytic) or np.isnan(analytic).any():
        return engine
    sampled = engine[direct.entries]
    overall = scale_of(engine, claim.gradient, 0.0)
    wrong = judge_entries(analytic, sampled, claim.precision, None, overall).wrong
    shown = judge_entries(analytic, direct, claim.precision, None, overall).wrong
    doubtful = wrong & ~shown & ~direct.estimates.kink
    if wrong.any() and not (wrong & shown).any() and doubtful.any():
        more = float(np.max(direct.estimates.bound[doubtful]))
        wider = replace(engine.estimates, bound=engine.estimates.bound + more)
        return replace(engine, estimates=wider)
    return engine
