"""What an update adds to a gradient: momentum and weight decay, recognised as what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.verdict import BOUND_FACTOR
from gradcheck.numeric.blackbox import BlockGradient, NumericGradient
from gradcheck.user.blocks import BARE, Array, path_name
from gradcheck.user.gradients import Gradient, Gradients, read_gradients
from gradcheck.user.problem import Problem

ROUNDING = 1e-6
FEWEST_ENTRIES = 3
ALONG_WEIGHTS = 1e-3
"""A gradient that is nearer to its weights than this does not tell decay from a factor."""


def find_momentum(problem: Problem) -> dict[str, float]:
    """The mu of every parameter whose update goes on with its last one, by name.

    At one point, what a step with momentum implies is i_(t+1) = mu i_t + g, so that the
    differences from call to call shrink by mu, whatever the velocity was at first; Nesterov's form
    does the same (Sutskever et al. 2013).

    Raises:
        UserCodeError: the step raised.
        UsageError: it cannot be read.
    """
    parameters = problem.parameters
    calls = [
        read_gradients(problem.gradient(parameters.values), parameters).blocks for _ in range(3)
    ]
    found = {}
    for block, gradients in enumerate(zip(*calls, strict=True)):
        values = [gradient.value for gradient in gradients if gradient.verdict == "ok"]
        if len(values) < len(calls):
            continue
        rounding = _cancellation(problem, parameters.values[block])
        momentum = _momentum([value for value in values if value is not None], rounding)
        if momentum is not None:
            leaf = next(leaf for leaf in parameters.leaves if leaf.block == block)
            found[path_name(leaf.path)] = momentum
    if parameters.vector is not None and found:
        return {BARE: next(iter(found.values()))}
    common = float(np.median(list(found.values()))) if found else 0.0
    return {
        name: common if abs(value - common) <= ROUNDING else value for name, value in found.items()
    }


def _momentum(implied: Sequence[Array], rounding: float) -> float | None:
    first, second = (implied[1] - implied[0]).ravel(), (implied[2] - implied[1]).ravel()
    size = float(np.max(np.abs(implied[0]), initial=0.0))
    if not np.max(np.abs(first), initial=0.0) > ROUNDING * size + 10 * rounding:
        return None
    ratio = float(first @ second / (first @ first))
    left = float(np.max(np.abs(second - ratio * first)))
    fits = left <= ROUNDING * max(size, float(np.max(np.abs(first)))) + 10 * rounding
    return ratio if fits and ROUNDING < ratio < 1 - ROUNDING else None


def _cancellation(problem: Problem, value: Array) -> float:
    """What the rounding of the parameters does to (old - new) / learning_rate."""
    rate = 1.0 if problem.step is None else problem.step.learning_rate
    return float(np.finfo(np.float64).eps) * float(np.max(np.abs(value), initial=0.0)) / rate


def settle_step(
    problem: Problem,
    values: Sequence[Array],
    gradients: Gradients,
    precision: tuple[float, ...],
    numeric: NumericGradient,
) -> tuple[Problem, Gradients, tuple[float, ...]]:
    """What a step implies, less what it is found to add; the problem then knows of it.

    Args:
        problem: what is checked; anything but a step is left as it is.
        values: the point.
        gradients: what was implied there.
        precision: the rounding error of every block.
        numeric: the numeric gradient.
    """
    step = problem.step
    if step is None or step.share != 1.0 or step.decay:
        return problem, gradients, precision
    share = _find_share(max(step.momentum.values(), default=0.0), gradients, precision, numeric)
    if share != 1.0:
        gradients = _divided(gradients, share)
        precision = tuple(rounding / share for rounding in precision)
        step = replace(step, share=share)
    decayed = _find_decay(step.learning_rate, values, gradients, precision, numeric)
    if decayed is not None:
        gradients = _without_decay(gradients, values, *decayed)
        step = replace(step, decay=dict.fromkeys(decayed[1], decayed[0]))
    return replace(problem, step=step), gradients, precision


def _find_share(
    momentum: float,
    gradients: Gradients,
    precision: Sequence[float],
    numeric: NumericGradient,
) -> float:
    """The share of the gradient in a step's velocity: 1, or 1 - mu in a moving average.

    The velocity mu v + (1 - mu) g is told where a division by 1 - mu makes a block agree, and none
    agrees without it.
    """
    if not momentum:
        return 1.0
    share = 1 - momentum

    def agreeing(factor: float) -> int:
        count = 0
        for gradient, measured, rounding in zip(
            gradients.blocks, numeric.blocks, precision, strict=True
        ):
            if gradient.verdict == "ok" and gradient.value is not None and len(measured.entries):
                claimed = gradient.value.ravel()[measured.entries] / factor
                bound = BOUND_FACTOR * (measured.estimates.bound + rounding / factor)
                count += bool(np.all(measured.estimates.distance(claimed) <= bound))
        return count

    return share if agreeing(share) and not agreeing(1.0) else 1.0


def _divided(gradients: Gradients, share: float) -> Gradients:
    """The gradients divided by a number."""
    return replace(
        gradients,
        blocks=tuple(
            gradient if gradient.value is None else replace(gradient, value=gradient.value / share)
            for gradient in gradients.blocks
        ),
    )


def _find_decay(
    learning_rate: float,
    values: Sequence[Array],
    gradients: Gradients,
    precision: Sequence[float],
    numeric: NumericGradient,
) -> tuple[float, tuple[int, ...]] | None:
    """The weight decay c of a step, and the blocks that it shrinks; None where there is none.

    The implied gradient is then n + c W with one c > 0 for all blocks that are not n.
    """
    offs = [
        _Off.of(block, values[block], gradient, measured, rounding)
        for block, (gradient, measured, rounding) in enumerate(
            zip(gradients.blocks, numeric.blocks, precision, strict=True)
        )
    ]
    wrong = [off for off in offs if off is not None]
    best: tuple[float, tuple[int, ...]] | None = None
    for off in wrong:
        decay = off.decay
        if decay is None or not 0 < decay * learning_rate < 1:
            continue
        blocks = tuple(other.block for other in wrong if other.is_decayed_by(decay))
        if off.block in blocks and (best is None or len(blocks) > len(best[1])):
            best = decay, blocks
    return best


@dataclass(frozen=True)
class _Off:
    """A block that is not the numeric gradient, by its perturbed entries.

    Attributes:
        block: its index.
        weights: its values.
        difference: analytic minus numeric.
        bound: how far these may be from the truth.
        numeric: the numeric gradient.
    """

    block: int
    weights: Array
    difference: Array
    bound: Array
    numeric: Array

    @classmethod
    def of(
        cls,
        block: int,
        values: Array,
        gradient: Gradient,
        measured: BlockGradient,
        rounding: float,
    ) -> _Off | None:
        """The block, if it is off."""
        if gradient.verdict != "ok" or gradient.value is None or not len(measured.entries):
            return None
        difference = gradient.value.ravel()[measured.entries] - measured.estimates.value
        bound = BOUND_FACTOR * (measured.estimates.bound + rounding)
        if not np.all(np.isfinite(difference)) or not np.any(np.abs(difference) > bound):
            return None
        weights = values.ravel()[measured.entries]
        return cls(block, weights, difference, bound, measured.estimates.value)

    @property
    def decay(self) -> float | None:
        """The c of c W, where the block can tell it from a wrong factor: n is not c W too."""
        square = float(self.weights @ self.weights)
        if len(self.weights) < FEWEST_ENTRIES or not square:
            return None
        left = self.numeric - (self.weights @ self.numeric / square) * self.weights
        if float(left @ left) <= ALONG_WEIGHTS**2 * float(self.numeric @ self.numeric):
            return None
        return float(self.weights @ self.difference / square)

    def is_decayed_by(self, decay: float) -> bool:
        """Whether c W is all that the block is off by."""
        return bool(np.all(np.abs(self.difference - decay * self.weights) <= self.bound))


def _without_decay(
    gradients: Gradients, values: Sequence[Array], decay: float, blocks: Sequence[int]
) -> Gradients:
    """The gradients less c W in the blocks that a step shrinks."""
    changed: list[Gradient] = list(gradients.blocks)
    for block in blocks:
        value = changed[block].value
        if value is not None:
            changed[block] = replace(changed[block], value=value - decay * values[block])
    return replace(gradients, blocks=tuple(changed))
