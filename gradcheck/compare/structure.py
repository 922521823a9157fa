"""The numeric gradient of a loss recognised as a network's, confirmed by the user's own loss.

The engine evaluates the formulas of the recognised network, not the user's function. So that no
verdict rests on them alone, both are compared: the losses at random points and where single
parameters move far; and the derivatives of the user's loss, along a direction in every block and
for some of the entries that the engine calls wrong. If anything disagrees, the engine is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
from gradcheck.numeric.gradient import BlockGradient, NumericGradient
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.numeric.structured import (
    LITERAL,
    SHARED_LINES,
    choose_tier,
    seconds_of,
    structured_gradient,
)
from gradcheck.recognition.dense import as_blocks, dense_network
from gradcheck.recognition.identify import Identity
from gradcheck.recognition.losses import POINTS, TOLERANCE, Losses
from gradcheck.recognition.network_view import NetworkView
from gradcheck.sampling import Indices
from gradcheck.user.calls import UserCodeError
from gradcheck.user.evaluation import Effort

AS_EXACT = 2e-8
"""The error bound at a second point, as a share of the largest derivative."""

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
    engine = as_blocks(view, point.values, gradients, SAME_GRADIENT * mismatch)
    del gradients  # they may be large
    return _tied(point, point.measured(NumericGradient(engine, 0)), chosen, tier, calls, rng)


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


def _tied(
    point: Point,
    measured: Point,
    chosen: Sequence[Chosen],
    tier: str,
    calls: int,
    rng: np.random.Generator,
) -> Point:
    """The measured point if the user's loss has the same derivatives, else the point before."""
    is_exact = all(kind == np.float64 for kind in point.problem.parameters.storage)
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
    confirmed = tuple(
        _confirmed(_as_stated(block, several), several[0])
        for block, several in zip(measured.blocks, shown, strict=True)
    )
    tie = Tie(tier, 1 + POINTS + calls + spent)
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
        moved = [value.copy() for value in point.values]
        for value in moved:
            value.flat[rng.integers(value.size)] += step
        values = point.problem.parameters.rounded(moved)
        try:
            loss = point.problem.loss(values)
        except UserCodeError:
            continue
        calls += 1
        if np.isfinite(loss) and not abs(view.loss(values) - loss) <= allowed * abs(loss):
            return False, calls
    return True, calls


def _suspects(block: Block, chosen: Chosen) -> Indices:
    """The entries that the engine calls wrong and that the user's loss is to confirm one by one.

    They are taken from the worst entries and from those that a loss may treat as special.
    """
    if not block.gradient.comparable or not block.size:
        return chosen.entries[:0]
    worst: Indices = chosen.special[:0]
    for part in slices_of(block.size):
        rows = np.arange(part.start, part.stop)
        worst = _furthest(block, np.append(worst, rows))
    rows = np.union1d(worst, _furthest(block, chosen.special))
    claim, numeric = block.claim, block.numeric[rows]
    return rows[judge_entries(claim.gradient[rows], numeric, claim.precision, None, 0.0).wrong]


def _furthest(block: Block, rows: Indices) -> Indices:
    """Of the given entries, those with the largest error as the engine sees it."""
    off = block.numeric.estimates[rows].distance(block.analytic[rows])
    return rows[np.argpartition(off, -min(WORST, len(off)))[-WORST:]]


def _agree(engine: BlockGradient, direct: BlockGradient) -> bool:
    """Whether the user's loss gives the engine's derivatives, within the bounds of both."""
    ours, theirs = engine.estimates[direct.entries], direct.estimates
    smooth = ~(ours.kink | theirs.kink)
    apart = np.abs(ours.value - theirs.value)
    return bool(np.all(apart[smooth] <= BOUND_FACTOR * (ours.bound + theirs.bound)[smooth]))


def _as_stated(block: Block, shown: Sequence[BlockGradient]) -> Block:
    """The block, with no bound below those of the user's own loss, which confirm the engine.

    An error that only the engine can see may be an error of the recognised network.
    """
    smooth = [direct.estimates.bound[~direct.estimates.kink] for direct in shown]
    bounds = np.concatenate([bound[np.isfinite(bound)] for bound in smooth])
    estimates, least = block.numeric.estimates, float(bounds.max(initial=0.0))
    if np.max(estimates.bound, initial=0.0) <= least:
        bound = np.broadcast_to(least, estimates.bound.shape)
    else:
        bound = np.fmax(estimates.bound, least)
    return replace(block, numeric=replace(block.numeric, estimates=replace(estimates, bound=bound)))


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
