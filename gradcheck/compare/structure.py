"""The numeric gradient of a loss that is recognised as a network's, tied to the user's own loss.

The engine evaluates our formulas, not the user's function. So that no verdict rests on them alone,
the two are compared: the losses at random points and where single parameters move far, and a
sample of literal perturbations in every block through the user's own loss, the entries that the
engine calls wrong among them. Where anything disagrees, the engine is not used.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point, Tie
from gradcheck.compare.verdict import BOUND_FACTOR, judge_entries, scale_of
from gradcheck.numeric.gradient import (
    RESOLUTION_LIMIT,
    BlockGradient,
    NumericGradient,
)
from gradcheck.numeric.groups import are_special
from gradcheck.numeric.structured import choose_tier, structured_gradient
from gradcheck.recognition.dense import as_blocks, dense_network
from gradcheck.recognition.identify import Identity
from gradcheck.recognition.network_view import NetworkView
from gradcheck.recognition.probes import TOLERANCE, Losses
from gradcheck.sampling import Indices
from gradcheck.user.calls import UserCodeError
from gradcheck.user.evaluation import Effort

SAMPLE = 6
WORST = 4
SMALLEST = 2
FAR = (2.0, -0.5)
SAME_GRADIENT = 30.0
"""By how much more two gradients may differ, relatively, than two losses that agree."""

CALLS_PER_BLOCK = 60
"""About as many evaluations of the user's loss the comparison takes."""


def measure_by_structure(
    point: Point, identity: Identity, effort: Effort, rng: np.random.Generator
) -> Point:
    """The point with the numeric gradient of every entry, if the network is the user's.

    Args:
        point: with the gradients.
        identity: the network that was recognised.
        effort: the seconds that the literal tier may take, and who is told.
        rng: chooses what is compared.

    Returns:
        The point, measured and tied; or not tied, with what the attempt cost; or, interrupted,
        with what came of the perturbations of the user's own loss.

    Raises:
        UserCodeError: the loss raised at a perturbed entry.
    """
    view, losses = identity.view, identity.losses
    network = None if view is None else dense_network(view, point.values)
    if view is None or losses is None or network is None or not _pays(point):
        return point
    mismatch = _mismatch(view, losses, point)
    allowed = max(TOLERANCE, 50 * point.noise.relative)
    far, calls = _agrees_far(point, view, allowed, rng)
    point = replace(point, evaluations=point.evaluations + calls)
    if not (far and mismatch <= allowed):
        return point
    tier = choose_tier(network, effort.budget)
    weights = sum(block.size for block in point.blocks)
    try:
        gradients = structured_gradient(network, tier, effort.begin("weights", weights))
    except KeyboardInterrupt:
        return replace(point, interrupted=True)
    engine = as_blocks(view, point.values, gradients, RESOLUTION_LIMIT)
    widened = tuple(_widened(numeric, SAME_GRADIENT * mismatch) for numeric in engine)
    measured = point.measured(NumericGradient(widened, 0))
    sample = point.perturb([_sample(block, rng) for block in measured.blocks], rng)
    if sample.interrupted:
        return point.measured(sample)
    pairs = list(zip(measured.blocks, sample.blocks, strict=True))
    if not all(_agree(block.numeric, own) for block, own in pairs):
        return replace(point, evaluations=point.evaluations + sample.evaluations)
    confirmed = tuple(_confirmed(_as_stated(block, own), own) for block, own in pairs)
    calls += sample.evaluations
    tie = Tie(tier, 1 + len(losses.points) + calls)
    return replace(point.measured(NumericGradient(confirmed, sample.evaluations)), tie=tie)


def _pays(point: Point) -> bool:
    """Whether there are so many entries that the engine with its tie is quicker than the loss."""
    return sum(block.size for block in point.blocks) > CALLS_PER_BLOCK * len(point.blocks)


def _mismatch(view: NetworkView, losses: Losses, point: Point) -> float:
    """How far the losses are apart, relatively, at the point and at those of the recognition."""
    apart = [point.noise.relative]
    asked = ((point.values, point.center), *zip(losses.points, losses.values, strict=True))
    for values, loss in asked:
        apart.append(abs(view.loss(values) - loss) / max(abs(loss), 1e-300))
    return float(np.max(apart)) if np.all(np.isfinite(apart)) else np.inf


def _agrees_far(
    point: Point, view: NetworkView, allowed: float, rng: np.random.Generator
) -> tuple[bool, int]:
    """Whether the losses are the same where one entry of a block moves far, and the calls."""
    calls = 0
    for index, block in enumerate(point.blocks):
        for step in FAR:
            moved = list(point.values)
            moved[index] = block.value.copy()
            moved[index].flat[rng.integers(block.size)] += step
            values = point.problem.parameters.rounded(moved)
            try:
                loss = point.problem.loss(values)
            except UserCodeError:
                continue
            calls += 1
            if np.isfinite(loss) and not abs(view.loss(values) - loss) <= allowed * abs(loss):
                return False, calls
    return True, calls


def _sample(block: Block, rng: np.random.Generator) -> Indices:
    """The entries to perturb through the user's loss: some at random, and those furthest off.

    A loss may treat a weight as special that is small (it is pruned), the largest (it is clipped),
    or that has the value of another.
    """
    count = len(block.numeric.entries)
    values = block.value.reshape(-1)
    sizes = np.abs(values)
    smallest = np.argpartition(sizes, min(count, SMALLEST) - 1)[:SMALLEST]
    chosen = np.union1d(smallest, rng.choice(count, min(count, SAMPLE), replace=False))
    repeated = rng.permutation(np.flatnonzero(are_special(sizes)))[:SMALLEST]
    chosen = np.union1d(chosen, [np.argmin(values), np.argmax(values), *repeated])
    if block.gradient.comparable:
        far = block.numeric.estimates.distance(block.analytic)
        furthest = np.argpartition(far, -min(WORST, count))[-WORST:]
        chosen = np.union1d(chosen, furthest)
    return np.sort(chosen)


def _agree(engine: BlockGradient, own: BlockGradient) -> bool:
    """Whether the user's loss gives the engine's derivatives, within the bounds of both."""
    one, other = engine.estimates[own.entries], own.estimates
    smooth = ~(one.kink | other.kink)
    apart = np.abs(one.value - other.value)
    return bool(np.all(apart[smooth] <= BOUND_FACTOR * (one.bound + other.bound)[smooth]))


def _as_stated(block: Block, own: BlockGradient) -> Block:
    """The block, with no bound below those of the user's own loss, which tie the engine to it.

    An error that only the engine sees is one of the engine's network, which may not be theirs.
    """
    bounds = own.estimates.bound[np.isfinite(own.estimates.bound) & ~own.estimates.kink]
    estimates = block.numeric.estimates
    bound = np.fmax(estimates.bound, float(bounds.max(initial=0.0)))
    return replace(block, numeric=replace(block.numeric, estimates=replace(estimates, bound=bound)))


def _confirmed(block: Block, own: BlockGradient) -> BlockGradient:
    """The engine's gradient, with a bound as wide as the user's loss shows, if that shows no error.

    What the engine calls wrong by less than that is not called wrong on its word alone.
    """
    engine, claim = block.numeric, block.claim
    analytic = claim.gradient[own.entries]
    if not len(analytic) or np.isnan(analytic).any():
        return engine
    sampled = engine[own.entries]
    overall = scale_of(engine, claim.gradient, 0.0)
    wrong = judge_entries(analytic, sampled, claim.precision, None, overall).wrong
    shown = judge_entries(analytic, own, claim.precision, None, overall).wrong
    doubtful = wrong & ~shown & ~own.estimates.kink
    if wrong.any() and not (wrong & shown).any() and doubtful.any():
        return _widened(engine, 0.0, float(np.max(own.estimates.bound[doubtful])))
    return engine


def _widened(numeric: BlockGradient, share: float, more: float = 0.0) -> BlockGradient:
    """The gradient with a share of its largest derivative, and more, added to every bound."""
    estimates = numeric.estimates
    if not estimates.value.size:
        return numeric
    largest = max(float(np.nanmax(estimates.value)), -float(np.nanmin(estimates.value)))
    bound = estimates.bound + (share * largest + more)
    return replace(numeric, estimates=replace(estimates, bound=bound))
