"""What an update adds to a gradient: weight decay, and the share of a moving average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.compare.block import CLEAR, Block
from gradcheck.compare.followed import ask_trace
from gradcheck.compare.memory import FEWEST_ENTRIES
from gradcheck.compare.point import Point
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.trace import decayed_blocks, penalised_blocks
from gradcheck.user.blocks import Array
from gradcheck.user.steps import Step, decayed, moved

TRIES, ELSEWHERE, NUDGE, SEVERAL = 5, 2, 0.5, 8
ALONG_WEIGHTS = 1e-3
"""A gradient that is nearer to its weights than this does not tell decay from a factor."""

SHARE = 4
"""Of more wrong blocks than so many times those that it explains, decay explains some by chance."""

FACTORS = (1.0, 0.5, 2.0)
"""What a gradient may be multiplied by without being another's: the factors of a square."""


def less_update(point: Point, rng: np.random.Generator) -> Point:
    """The point of a step, less what the step is found to add to the gradient.

    Its problem then knows of it; the point of anything else than a step is left as it is.
    """
    step = point.problem.step
    if step is None or step.share != 1.0 or step.decay:
        return point
    share = _find_share(step, point)
    if share != 1.0:
        point = point.with_blocks(block.divided(share) for block in point.blocks)
        step = replace(step, share=share)
    decayed = _told_decay(point, share, rng)
    if decayed is not None:
        decay, indices = decayed
        indices = _and_wrong_ones(point, indices)
        spared = {index: _spared(point.blocks[index]) for index in indices}
        spared = {index: entries for index, entries in spared.items() if np.any(entries)}
        step = replace(step, decay=dict.fromkeys(indices, decay), spared=spared)
        point = point.with_blocks(
            _without_decay(block, step, index) if index in indices else block
            for index, block in enumerate(point.blocks)
        )
    if step is point.problem.step:
        return point
    return replace(point, problem=replace(point.problem, step=step), tie=None)


def _find_share(step: Step, point: Point) -> float:
    """The share of the gradient in what a step implies: 1, or 1 - mu in a moving average.

    The velocity mu v + (1 - mu) g is told where a division by 1 - mu makes a block agree, and none
    agrees without it. Of a learning rate that varies, it is what is left of the one given. What
    weight decay adds is no disagreement.
    """
    momentum = max(step.momentum.values(), default=0.0)

    def agreeing(share: float) -> int:
        return sum(_agrees(block, share) for block in point.blocks)

    if step.varies:
        finest = sorted(point.blocks, key=_coarseness)  # of equal ones, `max` takes the first
        shares = [ratio for block in finest for ratio in _ratios(block) if 0 < ratio <= 1]
        share = max(shares, key=agreeing, default=1.0)
    else:
        share = 1 - momentum
    return share if share != 1.0 and agreeing(share) and not agreeing(1.0) else 1.0


def _agrees(block: Block, share: float) -> bool:
    """Whether a block is right once it is divided by a share, but for weight decay."""
    if block.gradient.verdict != "ok" or not block.numeric.count:
        return False
    off = _Off.of(0, block.divided(share))
    decay = None if off is None or not off.tells else off.decay
    return off is None or (decay is not None and decay > 0 and off.is_decayed_by(decay))


def _coarseness(block: Block) -> float:
    """The error bound of the numeric gradient of a block, relative to its largest entry."""
    bound = float(np.max(block.numeric.estimates.bound, initial=0.0))
    return bound / block.numeric.largest if block.numeric.largest else np.inf


def _ratios(block: Block) -> list[float]:
    """By what the gradient of a block is less than the numeric one, without decay and with it."""
    if block.gradient.verdict != "ok" or not block.numeric.count:
        return []
    numeric = block.numeric.estimates.value
    weights = block.value.reshape(-1)[block.numeric.entries]
    terms = (numeric[:, None], np.stack([numeric, weights], axis=1))
    return [float(np.linalg.lstsq(one, block.analytic, rcond=None)[0][0]) for one in terms]


def _told_decay(
    point: Point, share: float, rng: np.random.Generator
) -> tuple[float, tuple[int, ...]] | None:
    """The weight decay of a step and the blocks that it shrinks, also beside a wrong factor.

    Of a squared error many take half the gradient, and decay it.
    """
    step = point.problem.step
    is_right = all(_Off.of(index, block) is None for index, block in enumerate(point.blocks))
    if step is None or is_right:  # twice a right gradient of few entries may look decayed
        return None
    for factor in FACTORS:
        whole = point.with_blocks(block.divided(factor) for block in point.blocks)
        decayed = _find_decay(step.learning_rate, whole)
        if decayed is not None and _is_decay(whole, share * factor, *decayed, rng):
            return decayed[0] * factor, decayed[1]
    return None


def _find_decay(learning_rate: float, point: Point) -> tuple[float, tuple[int, ...]] | None:
    """The weight decay c of a step, and the blocks that it shrinks; None where there is none.

    The implied gradient is then n + c W with one c > 0 for all blocks that are not n.
    """
    offs = [_Off.of(index, block) for index, block in enumerate(point.blocks)]
    wrong = [off for off in offs if off is not None]
    found = []
    for off in wrong:
        decay = off.decay
        if decay is None or not 0 < decay * learning_rate < 1:
            continue
        blocks = [other for other in wrong if other.is_decayed_by(decay)]
        entries = sum(len(other.weights) for other in blocks)
        by_chance = entries < FEWEST_ENTRIES and SHARE * len(blocks) < len(wrong)
        if off in blocks and not by_chance:  # of as many, the one that leaves least
            left = max(other.left_by(decay) for other in blocks)
            found.append((-len(blocks), left, decay, tuple(other.index for other in blocks)))
    return min(found)[2:] if found else None


def _is_decay(
    point: Point, share: float, decay: float, indices: Sequence[int], rng: np.random.Generator
) -> bool:
    """Whether what shrinks these blocks is decay: no wrong factor, and no penalty made too large.

    A few entries do not tell a factor from decay, nor does a gradient along its weights, such as
    after the first step away from zeros; at other points they do.
    """
    if {point.blocks[index].name for index in indices} & _told(point, penalised_blocks):
        return False
    offs = [_Off.of(index, point.blocks[index]) for index in indices]
    entries = sum(point.blocks[index].size for index in indices)
    if entries >= FEWEST_ENTRIES and not any(off and off.is_along_weights for off in offs):
        return True
    told = 0
    for _ in range(TRIES):
        there = _decays_nearby(point, share, decay, indices, rng)
        if there is False:
            return False
        told += there is True
    return told >= ELSEWHERE


def _told(point: Point, ask: Callable[..., frozenset[str]]) -> frozenset[str]:
    """The blocks of which the trace says something; none where it cannot follow."""
    nothing = frozenset[str]()
    return ask_trace(point, lambda subject: ask(subject, point.values), lambda _: nothing)


def _and_wrong_ones(point: Point, indices: Sequence[int]) -> tuple[int, ...]:
    """The blocks that decay explains, and those that decay as well and have another error too.

    What shrinks a block that the loss penalises is a part of its gradient.
    """
    wrong = [
        index
        for index, block in enumerate(point.blocks)
        if index not in indices and _Off.of(index, block) is not None
    ]
    too = _told(point, decayed_blocks) if wrong else frozenset()
    too -= _told(point, penalised_blocks) if too else too
    return (*indices, *(index for index in wrong if point.blocks[index].name in too))


def _decays_nearby(
    point: Point, share: float, decay: float, indices: Sequence[int], rng: np.random.Generator
) -> bool | None:
    """Whether the blocks have the same decay at a point beside this one; None if it cannot tell."""
    entries = [
        block.numeric.entries if index in indices else block.numeric.entries[:0]
        for index, block in enumerate(point.blocks)
    ]
    nearby = point.beside(NUDGE, rng, entries, share)
    if nearby is None:
        return None
    for index in indices:
        off, known = (_Off.of(index, one.blocks[index]) for one in (nearby, point))
        if off is None or off.decay is None or known is None:
            return None
        lowest, highest = decay - known.leeway, decay + known.leeway
        if not off.is_decayed_by(min(max(off.decay, lowest), highest)):
            return False
        here = point.blocks[index].value.reshape(-1)[point.blocks[index].numeric.entries]
        # a constant error would be off by as much as the decay has changed
        if not np.all(np.abs(decay * (off.weights - here)) > CLEAR * off.bound):
            return None
    return True


@dataclass(frozen=True, eq=False)
class _Off:
    """A block that is not the numeric gradient, by its perturbed entries.

    Attributes:
        weights: its values; 0 for those that the step leaves as they are.
        difference: analytic minus numeric.
        bound: how far these may be from the truth.
    """

    index: int
    weights: Array
    difference: Array
    bound: Array
    numeric: Array

    @classmethod
    def of(cls, index: int, block: Block) -> _Off | None:
        """The block, if it is off."""
        if block.gradient.verdict != "ok" or not block.numeric.count:
            return None
        numeric = block.numeric.estimates.value
        difference = block.analytic - numeric
        bound = BOUND_FACTOR * (block.numeric.estimates.bound + block.precision)
        if not np.all(np.isfinite(difference)) or not np.any(np.abs(difference) > bound):
            return None
        weights = moved(block.value.reshape(-1)[block.numeric.entries], block.analytic)
        weights = np.where(_spared(block)[block.numeric.entries], 0.0, weights)
        return cls(index, weights, difference, bound, numeric)

    @property
    def decay(self) -> float | None:
        """The c of the c W that is nearest to what the block is off by; None where W is 0."""
        square = float(self.weights @ self.weights)
        return float(self.weights @ self.difference / square) if square else None

    @property
    def leeway(self) -> float:
        """By how much that c may be another: small weights say little of it."""
        return float(np.linalg.norm(self.bound) / np.linalg.norm(self.weights))

    @property
    def is_along_weights(self) -> bool:
        """Whether n is a multiple of W, so that c W may as well be a wrong factor."""
        square = float(self.weights @ self.weights)
        if len(self.weights) < FEWEST_ENTRIES or not square:
            return False
        left = self.numeric - (self.weights @ self.numeric / square) * self.weights
        return float(left @ left) <= ALONG_WEIGHTS**2 * float(self.numeric @ self.numeric)

    @property
    def tells(self) -> bool:
        """Whether the block alone can tell decay from a wrong factor."""
        return len(self.weights) >= FEWEST_ENTRIES and not self.is_along_weights

    def is_decayed_by(self, decay: float) -> bool:
        """Whether c W is all that the block is off by."""
        return self.left_by(decay) <= 1

    def left_by(self, decay: float) -> float:
        """What c W leaves of what the block is off by, in bounds."""
        return float(np.max(np.abs(self.difference - decay * self.weights) / self.bound))


def _spared(block: Block) -> NDArray[np.bool_]:
    """The entries, flat, of one vector of all parameters that are right as they are.

    Decay leaves the biases in it alone. Nothing is known of entries that were not perturbed, and a
    few wrong ones are a multiple of their weights by chance.
    """
    if block.value.ndim != 1 or block.numeric.count < block.size:
        return np.zeros(block.size, dtype=bool)
    bound = BOUND_FACTOR * (block.numeric.estimates.bound + block.precision)
    spared = np.zeros(block.size, dtype=bool)
    off = np.abs(block.analytic - block.numeric.estimates.value)
    if np.count_nonzero(off > bound) >= SEVERAL:
        spared[block.numeric.entries] = off <= bound
    return spared


def _without_decay(block: Block, step: Step, index: int) -> Block:
    value = block.gradient.value
    if value is None:
        return block
    less = value - decayed(step, index, block.value, value)
    return replace(block, gradient=replace(block.gradient, value=less))
