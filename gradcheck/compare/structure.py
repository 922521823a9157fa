"""The numeric gradient of a loss that is recognised as a network's, tied to the user's own loss.

The engine evaluates our formulas, not the user's function. So that no verdict rests on them alone,
the two are compared: the losses at random points and where single parameters move far, and a
sample of literal perturbations in every block through the user's own loss, the entries that the
engine calls wrong among them. Where anything disagrees, the engine is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.verdict import SAFETY, judge_entries, scale_of
from gradcheck.numeric.blackbox import (
    RESOLUTION_LIMIT,
    BlockGradient,
    Claim,
    NumericGradient,
)
from gradcheck.numeric.noise import Noise
from gradcheck.numeric.structured import choose_tier, structured_gradient
from gradcheck.recognition.dense import as_blocks, dense_network
from gradcheck.recognition.identify import Identity
from gradcheck.recognition.network_view import NetworkView
from gradcheck.recognition.probes import TOLERANCE, Losses
from gradcheck.sampling import Indices
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.evaluation import Effort, gradient_of_loss
from gradcheck.user.gradients import Gradients
from gradcheck.user.problem import Problem

SAMPLE = 6
WORST = 4
SMALLEST = 2
FAR = (2.0, -0.5)
SAME_GRADIENT = 30.0
"""By how much more two gradients may differ, relatively, than two losses that agree."""

CALLS_PER_BLOCK = 60
"""About as many evaluations of the user's loss the comparison takes."""


@dataclass(frozen=True)
class Tie:
    """How the engine's network was compared with the user's loss.

    Attributes:
        tier: "literal" or "shared lines".
        evaluations: how many evaluations of the user's loss agree with it: at points far apart,
            and with single entries moved by little and by much.
    """

    tier: str
    evaluations: int


def pays(problem: Problem) -> bool:
    """Whether there are so many entries that the engine with its tie is quicker than the loss."""
    values = problem.parameters.values
    return sum(value.size for value in values) > CALLS_PER_BLOCK * len(values)


def numeric_by_structure(
    problem: Problem,
    identity: Identity,
    values: tuple[Array, ...],
    center: float,
    noise: Noise,
    claims: Sequence[Claim],
    gradients: Gradients,
    effort: Effort,
    rng: np.random.Generator,
) -> tuple[NumericGradient, Tie | None]:
    """The numeric gradient of every entry, if the network is the user's.

    Args:
        problem: what is checked.
        identity: the network that was recognised.
        values: the point.
        center: the user's loss there.
        noise: its precision.
        claims: the analytic gradients.
        gradients: the same, after the gates.
        effort: the seconds that the literal tier may take, and who is told.
        rng: chooses what is compared.

    Returns:
        The gradient and how it was tied; or one without blocks, that says what the attempt cost;
        or, interrupted, what came of the literal perturbations.

    Raises:
        UserCodeError: the loss raised at a perturbed entry.
    """
    view, losses = identity.view, identity.losses
    network = None if view is None else dense_network(view, values)
    if view is None or losses is None or network is None or not pays(problem):
        return NumericGradient((), 0), None
    mismatch = _mismatch(view, losses, values, center, noise)
    allowed = max(TOLERANCE, 50 * noise.relative)
    far, calls = _agrees_far(problem, view, values, allowed, rng)
    if not (far and mismatch <= allowed):
        return NumericGradient((), calls), None
    tier = choose_tier(network, effort.budget)
    weights = sum(value.size for value in values)
    try:
        found = structured_gradient(network, tier, effort.begin("weights", weights))
    except KeyboardInterrupt:
        return NumericGradient((), calls, interrupted=True), None
    blocks = tuple(
        _widened(block, SAME_GRADIENT * mismatch)
        for block in as_blocks(view, values, found, RESOLUTION_LIMIT)
    )
    sample = [
        _sample(block, value, claim, gradient.comparable, rng)
        for block, value, claim, gradient in zip(
            blocks, values, claims, gradients.blocks, strict=True
        )
    ]
    literal = gradient_of_loss(problem, values, center, noise, sample, claims, rng)
    calls += literal.evaluations
    if literal.interrupted:
        return replace(literal, evaluations=calls), None
    if not all(map(_agree, blocks, literal.blocks)):
        return NumericGradient((), calls), None
    blocks = tuple(map(_confirmed, map(_as_stated, blocks, literal.blocks), literal.blocks, claims))
    tie = Tie(tier, 1 + len(losses.points) + calls)
    return NumericGradient(blocks, calls), tie


def _mismatch(
    view: NetworkView, losses: Losses, values: tuple[Array, ...], center: float, noise: Noise
) -> float:
    """How far the losses are apart, relatively, at the point and at those of the recognition."""
    apart = [noise.relative]
    for point, theirs in ((values, center), *zip(losses.points, losses.values, strict=True)):
        apart.append(abs(view.loss(point) - theirs) / max(abs(theirs), 1e-300))
    return float(np.max(apart)) if np.all(np.isfinite(apart)) else np.inf


def _agrees_far(
    problem: Problem,
    view: NetworkView,
    values: tuple[Array, ...],
    allowed: float,
    rng: np.random.Generator,
) -> tuple[bool, int]:
    """Whether the losses are the same where one entry of a block moves far, and the calls."""
    calls = 0
    for block, value in enumerate(values):
        for step in FAR:
            moved = list(values)
            moved[block] = value.copy()
            moved[block].flat[rng.integers(value.size)] += step
            point = problem.parameters.rounded(moved)
            try:
                theirs = problem.loss(point)
            except UserCodeError:
                continue
            calls += 1
            ours = view.loss(point)
            if np.isfinite(theirs) and not abs(ours - theirs) <= allowed * abs(theirs):
                return False, calls
    return True, calls


def _sample(
    block: BlockGradient, value: Array, claim: Claim, comparable: bool, rng: np.random.Generator
) -> Indices:
    """The entries to perturb through the user's loss: some at random, and those furthest off.

    The smallest are special: a loss may take them for 0, or they are.
    """
    count = len(block.entries)
    smallest = np.argpartition(np.abs(value.reshape(-1)), min(count, SMALLEST) - 1)[:SMALLEST]
    chosen = np.union1d(smallest, rng.choice(count, min(count, SAMPLE), replace=False))
    if comparable:
        far = block.estimates.distance(claim.gradient)
        furthest = np.argpartition(far, -min(WORST, count))[-WORST:]
        chosen = np.union1d(chosen, furthest)
    return np.sort(chosen)


def _agree(block: BlockGradient, literal: BlockGradient) -> bool:
    """Whether the user's loss gives the engine's derivatives, within the bounds of both."""
    ours, theirs = block.estimates[literal.entries], literal.estimates
    smooth = ~(ours.kink | theirs.kink)
    apart = np.abs(ours.value - theirs.value)
    return bool(np.all(apart[smooth] <= SAFETY * (ours.bound + theirs.bound)[smooth]))


def _as_stated(block: BlockGradient, literal: BlockGradient) -> BlockGradient:
    """The block, with no bound below those of the literal sample: what ties it to the user's loss.

    An error that only the engine sees is one of the engine's network, which may not be theirs.
    """
    sample = literal.estimates
    bounds = sample.bound[np.isfinite(sample.bound) & ~sample.kink]
    bound = np.fmax(block.estimates.bound, float(bounds.max(initial=0.0)))
    return replace(block, estimates=replace(block.estimates, bound=bound))


def _confirmed(block: BlockGradient, literal: BlockGradient, claim: Claim) -> BlockGradient:
    """The block, with a bound as wide as the user's loss shows, if it does not show an error.

    What the engine calls wrong by less than that is not called wrong on its word alone.
    """
    analytic = claim.gradient[literal.entries]
    if not len(analytic) or np.isnan(analytic).any():
        return block
    ours = block.at(literal.entries)
    overall = scale_of(block, claim.gradient, 0.0)
    wrong = judge_entries(analytic, ours, claim.precision, None, overall).wrong
    shown = judge_entries(analytic, literal, claim.precision, None, overall).wrong
    doubtful = wrong & ~shown & ~literal.estimates.kink
    if wrong.any() and not (wrong & shown).any() and doubtful.any():
        return _widened(block, 0.0, float(np.max(literal.estimates.bound[doubtful])))
    return block


def _widened(block: BlockGradient, share: float, more: float = 0.0) -> BlockGradient:
    """The block with a share of its largest derivative, and more, added to every bound."""
    estimates = block.estimates
    if not estimates.value.size:
        return block
    largest = max(float(np.nanmax(estimates.value)), -float(np.nanmin(estimates.value)))
    bound = estimates.bound + (share * largest + more)
    return replace(block, estimates=replace(estimates, bound=bound))
