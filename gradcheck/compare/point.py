"""One point: where the user's functions are asked, and what is known of every block there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from gradcheck.arrays import copies
from gradcheck.compare.block import Block
from gradcheck.errors import UsageError
from gradcheck.numeric.blackbox import numeric_gradient
from gradcheck.numeric.gradient import NumericGradient
from gradcheck.numeric.noise import Noise
from gradcheck.sampling import EVALUATIONS_PER_ENTRY, Indices
from gradcheck.user.blocks import Array
from gradcheck.user.calls import Raised, UserCodeError
from gradcheck.user.evaluation import ALONE, Effort, Refused, entry_losses
from gradcheck.user.gradients import Gradient, Gradients, ask_gradients
from gradcheck.user.problem import Problem

TIE_STEP = 1e-4
NEAR = 1e-3
"""A slope of the loss along a gradient that is as near to what that says tells that it is right."""


@dataclass(frozen=True)
class Tie:
    """How the network that gave a numeric gradient was compared with the user's loss.

    So many evaluations agree: at points far apart, with single entries moved by little and by much.
    """

    tier: str
    evaluations: int


@dataclass(frozen=True)
class Point:
    """What is known at one point; every stage of a check returns it with more.

    Attributes:
        problem: what is checked, with what was learnt of how it must be called.
        center: the loss here.
        blocks: one per parameter, in the user's order.
        surplus: the names of what the gradient returned for no parameter.
        tie: how the user's loss was compared with the network whose structure gave the numeric
            gradient; None where that came from their loss alone.
        evaluations: how often the loss was evaluated for the numeric gradient.
        interrupted: whether the user stopped it; the blocks that were not done have no entries.
        edges: the entries that cannot be moved without the loss raising, and what it raises.
    """

    problem: Problem
    center: float
    noise: Noise
    blocks: tuple[Block, ...]
    surplus: tuple[str, ...] = ()
    raised: Raised | None = None
    tie: Tie | None = None
    evaluations: int = field(default=0)
    interrupted: bool = field(default=False)
    edges: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, problem: Problem, values: Sequence[Array], center: float, noise: Noise) -> Point:
        """A point of which nothing is known but the loss."""
        pairs = zip(problem.parameters.names, values, strict=True)
        blocks = tuple(Block(name, value.shape, value=value) for name, value in pairs)
        return cls(problem, center, noise, blocks)

    @property
    def values(self) -> tuple[Array, ...]:
        """The parameters, in the shapes of the blocks."""
        return tuple(block.value for block in self.blocks)

    @property
    def failed(self) -> bool:
        """Whether the gradient of any block is known to be wrong."""
        return any(block.failed for block in self.blocks)

    @property
    def unstable(self) -> tuple[str, ...]:
        """The names of the blocks of which a second call gave another gradient."""
        return tuple(block.name for block in self.blocks if not block.stable)

    @cached_property
    def scale(self) -> float:
        """The largest derivative of all blocks."""
        largest = [block.numeric.largest for block in self.blocks]
        return max(largest, default=0.0)

    def with_blocks(self, blocks: Iterable[Block]) -> Point:
        """The point with other blocks."""
        return replace(self, blocks=tuple(blocks))

    def with_gradients(self, gradients: Gradients) -> Point:
        """The point with what the user's gradient function returned here."""
        pairs = zip(self.blocks, _settle_ties(self.problem, self.values, gradients), strict=True)
        point = self.with_blocks(replace(block, gradient=gradient) for block, gradient in pairs)
        return replace(point, surplus=gradients.surplus)

    def ask_gradient(self) -> Point:
        """The point with the user's gradient after the gates, and what it raised if it did."""
        gradients, raised = ask_gradients(self.problem, self.values)
        return replace(self.with_gradients(gradients), raised=raised)

    def nudged(self, size: float, rng: np.random.Generator) -> Point | None:
        """A point nearby, blocks moved by a share of their spread; None without a finite loss."""
        values = self.problem.parameters.nudged(self.values, size, rng)
        center = self.problem.loss(values)
        if not np.isfinite(center):
            return None
        return Point.at(self.problem, values, center, self.noise)

    def beside(
        self,
        size: float,
        rng: np.random.Generator,
        entries: Sequence[Indices] | None = None,
        share: float = 1.0,
    ) -> Point | None:
        """A point nearby with the user's gradient there; None where the functions give none.

        The entries, per block, are measured; the gradient is divided by `share`.
        """
        try:
            moved = self.nudged(size, rng)
            if moved is None:
                return None
            nearby = moved.ask_gradient()
            nearby = nearby.with_blocks(
                replace(block.divided(share), precision=here.precision)
                for block, here in zip(nearby.blocks, self.blocks, strict=True)
            )
            if entries is not None:
                nearby = nearby.measured(nearby.perturb(entries, rng))
        except (UserCodeError, UsageError):
            return None
        return None if nearby.interrupted else nearby

    def perturb(
        self, entries: Sequence[Indices], rng: np.random.Generator, effort: Effort = ALONE
    ) -> NumericGradient:
        """Finite differences of the user's own loss, for some entries of every block."""
        expected = EVALUATIONS_PER_ENTRY * sum(map(len, entries))
        refused: Refused = {}
        seconds = self.noise.seconds
        numeric = numeric_gradient(
            entry_losses(self.problem, self.values, effort, seconds, expected, refused),
            self.problem.parameters.stored(self.values),
            self.center,
            self.noise,
            entries,
            [block.claim for block in self.blocks],
            rng,
        )
        edges = {}
        for (block, entry), error in refused.items():
            known = numeric.blocks[block].known
            if entry not in known:
                edges[self.problem.parameters.entry_name(block, entry)] = error.raised
        if edges and not any(len(block.known) for block in numeric.blocks):
            raise UserCodeError(next(iter(edges.values())))
        said = {name: raised.summary_and_place for name, raised in edges.items()}
        return replace(numeric, edges=said)

    def measured(self, numeric: NumericGradient) -> Point:
        """The point with a numeric gradient, and what it took added."""
        pairs = zip(self.blocks, numeric.blocks, strict=True)
        return replace(
            self.with_blocks(replace(block, numeric=measured) for block, measured in pairs),
            evaluations=self.evaluations + numeric.evaluations,
            edges={**self.edges, **numeric.edges},
            interrupted=self.interrupted or numeric.interrupted,
        )


def _settle_ties(
    problem: Problem, values: Sequence[Array], gradients: Gradients
) -> tuple[Gradient, ...]:
    """The gradient of every block, summed over its places where these were given parts of one.

    The loss tells: along the gradient its slope is nearer to that of the whole, or of the sum.
    """
    blocks = list(gradients.blocks)
    for block in gradients.alike:
        places = sum(leaf.block == block for leaf in problem.parameters.leaves)
        gradient = blocks[block].value
        if gradient is not None:
            slope = slope_along(problem, values, block, gradient)
            if abs(slope - 1) > abs(slope - places):
                blocks[block] = replace(blocks[block], value=places * gradient)
    return tuple(blocks)


def slope_along(problem: Problem, values: Sequence[Array], block: int, gradient: Array) -> float:
    """The loss's slope in about the direction of an analytic gradient, as a multiple of its word.

    In the very direction of a part of the gradient, the loss rises as that part says.
    """
    direction = gradient * np.random.default_rng(0).uniform(0.5, 1.5, gradient.shape)
    length = float(np.linalg.norm(direction))
    step = TIE_STEP * max(1.0, float(np.linalg.norm(values[block]))) * direction / length
    losses = []
    for sign in (1.0, -1.0):
        moved = copies(values)
        moved[block] += sign * step
        losses.append(problem.loss_or_nan(moved))
    return (losses[0] - losses[1]) / (2 * float(np.sum(step * gradient)))
