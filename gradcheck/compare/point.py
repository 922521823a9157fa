"""One point at which the user's functions are evaluated, and the results for every block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import starmap

import numpy as np

from gradcheck.arrays import copies
from gradcheck.compare.block import Block
from gradcheck.errors import UsageError
from gradcheck.numeric.blackbox import numeric_gradient
from gradcheck.numeric.estimate import Indices
from gradcheck.numeric.gradient import BlockGradient, NumericGradient
from gradcheck.numeric.noise import Noise
from gradcheck.sampling import EVALUATIONS_PER_ENTRY
from gradcheck.user.blocks import Array
from gradcheck.user.calls import Raised, UserCodeError
from gradcheck.user.evaluation import ALONE, Effort, Refused, entry_losses
from gradcheck.user.gradients import Gradient, Gradients, ask_gradients
from gradcheck.user.problem import Problem
from gradcheck.user.steps import Step

TIE_STEP = 1e-4
SECONDS, SPARED = 3.0, 500
"""If so many evaluations for every block take longer, evaluations are spared."""

NEAR = 1e-3
"""A slope of the loss along a gradient that is as near to what that says tells that it is right."""


@dataclass(frozen=True)
class Tie:
    """The tier of a network that gave a numeric gradient, and the evaluations that confirm it.

    Network and user's loss agree at points far apart and where single entries move.
    """

    tier: str
    evaluations: int


@dataclass(frozen=True)
class Point:
    """All results at one point; every stage of a check returns the point with more of them.

    Attributes:
        problem: the functions to check, and how they must be called.
        center: the loss at this point.
        blocks: one per parameter, in the user's order.
        surplus: the names of returned gradients that belong to no parameter.
        raised: the exception of the gradient function, if it raised one.
        tie: how the user's loss confirmed the network whose structure gave the numeric gradient;
            None if the numeric gradient came from the user's loss alone.
        evaluations: the number of evaluations of the loss for the numeric gradient.
        interrupted: whether the user stopped the check; blocks not yet measured have no entries.
        jump: the height of the jumps of the loss near the point if it was taken for noise, else 0.
        edges: the entries that cannot be moved without an exception in the loss, and the exception.
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
    jump: float = field(default=0.0)
    edges: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, problem: Problem, values: Sequence[Array], center: float, noise: Noise) -> Point:
        """A point of which only the loss is known."""
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
    def is_slow(self) -> bool:
        """Whether evaluations of the loss are so slow that they are spared."""
        return SPARED * self.noise.seconds * len(self.blocks) > SECONDS

    @property
    def unstable(self) -> tuple[str, ...]:
        """The names of the blocks for which a second call gave a different gradient."""
        return tuple(block.name for block in self.blocks if not block.stable)

    @cached_property
    def scale(self) -> float:
        """The largest derivative of all blocks."""
        largest = [block.numeric.largest for block in self.blocks]
        return max(largest, default=0.0)

    def with_blocks(self, blocks: Iterable[Block]) -> Point:
        """The point with other blocks."""
        return replace(self, blocks=tuple(blocks))

    def with_gradients(self, gradients: Gradients, raised: Raised | None = None) -> Point:
        """The point with the gradients that the user's function returned here, or raised."""
        pairs = zip(self.blocks, _settle_ties(self.problem, self.values, gradients), strict=True)
        blocks = tuple(replace(block, gradient=gradient) for block, gradient in pairs)
        return replace(self, blocks=blocks, surplus=gradients.surplus, raised=raised)

    def ask_gradient(self) -> Point:
        """Calls the user's gradient function; the point with its gradients or its exception."""
        return self.with_gradients(*ask_gradients(self.problem, self.values))

    def nudged(self, size: float, rng: np.random.Generator) -> Point | None:
        """A nearby point, blocks moved by a share of their spread; None without a finite loss."""
        return self.moved_to(self.problem.parameters.nudged(self.values, size, rng))

    def moved_to(self, values: Sequence[Array]) -> Point | None:
        """The point at other parameters, of which only the loss is known; None if not finite."""
        center = self.problem.loss(values)
        if not np.isfinite(center):
            return None
        return Point.at(self.problem, values, center, self.noise)

    def asked_at(self, values: Sequence[Array], share: float = 1.0) -> Point | None:
        """The point at other parameters with the user's gradient, divided by `share`.

        It is judged with the precision that it has here. None if the loss is not finite.
        """
        moved = self.moved_to(values)
        if moved is None:
            return None
        asked = moved.ask_gradient()
        return asked.with_blocks(
            replace(block.divided(share), precision=here.precision)
            for block, here in zip(asked.blocks, self.blocks, strict=True)
        )

    def beside(
        self,
        size: float,
        rng: np.random.Generator,
        entries: Sequence[Indices] | None = None,
        share: float = 1.0,
    ) -> Point | None:
        """A nearby point with the user's gradient, divided by `share`; None if a function fails.

        The numeric gradient is measured for `entries`, one array of flat indices per block.
        """
        try:
            nearby = self.asked_at(self.problem.parameters.nudged(self.values, size, rng), share)
            if nearby is None:
                return None
            if entries is not None:
                nearby = nearby.measured(nearby.perturb(entries, rng))
        except (UserCodeError, UsageError):
            return None
        return None if nearby.interrupted else nearby

    def perturb(
        self, entries: Sequence[Indices], rng: np.random.Generator, effort: Effort = ALONE
    ) -> NumericGradient:
        """Finite differences of the user's own loss, for some entries of every block."""
        count = sum(map(len, entries))
        seconds, expected = self.noise.seconds, EVALUATIONS_PER_ENTRY * count
        each = effort.evaluations / max(count, 1)
        refused: Refused = {}
        numeric = numeric_gradient(
            entry_losses(self.problem, self.values, effort, seconds, expected, refused),
            self.problem.parameters.stored(self.values),
            self.center,
            self.noise,
            entries,
            [replace(block.claim, each=each, spared=self.is_slow) for block in self.blocks],
            rng,
        )
        edges = {}
        for (block, entry), error in refused.items():
            if entry not in numeric.blocks[block].known:
                edges[self.problem.parameters.entry_name(block, entry)] = error.raised
        if edges and not any(len(block.known) for block in numeric.blocks):
            raise UserCodeError(next(iter(edges.values())))
        summaries = {name: raised.summary_and_place for name, raised in edges.items()}
        pairs = zip(numeric.blocks, self.blocks, strict=True)
        blocks = tuple(starmap(partial(_with_cancellation, self.problem.step), pairs))
        return replace(numeric, blocks=blocks, edges=summaries)

    def measured(self, numeric: NumericGradient) -> Point:
        """The point with a numeric gradient; the evaluations are added up."""
        pairs = zip(self.blocks, numeric.blocks, strict=True)
        return replace(
            self,
            blocks=tuple(replace(block, numeric=measured) for block, measured in pairs),
            evaluations=self.evaluations + numeric.evaluations,
            edges={**self.edges, **numeric.edges},
            interrupted=self.interrupted or numeric.interrupted,
        )


def _with_cancellation(step: Step | None, numeric: BlockGradient, block: Block) -> BlockGradient:
    """Adds the rounding of new parameters to the bounds where parameters differ much in size.

    A large parameter is rounded more coarsely, however small its derivative is.
    """
    if step is None or numeric.share is None:
        return numeric
    per_unit = step.roundings * step.cancellation(np.ones(1), block.gradient.epsilon)
    rounding = per_unit * np.abs(block.value.reshape(-1)[numeric.entries])
    bound = numeric.estimates.bound + rounding
    return replace(numeric, estimates=replace(numeric.estimates, bound=bound))


def _settle_ties(
    problem: Problem, values: Sequence[Array], gradients: Gradients
) -> tuple[Gradient, ...]:
    """The gradient of every block; for tied parameters, decides between one part and their sum.

    If equal arrays were returned for the places of a block, each is either the whole gradient or
    one part of it; the slope of the loss along the gradient decides.
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
    """The slope of the loss in about the direction of an analytic gradient, over the implied slope.

    Exactly along a part of the true gradient, the loss would rise as that part implies. nan for a
    gradient of another shape than its block.
    """
    if gradient.shape != values[block].shape:
        return float("nan")
    direction = gradient * np.random.default_rng(0).uniform(0.5, 1.5, gradient.shape)
    length = float(np.linalg.norm(direction))
    step = TIE_STEP * max(1.0, float(np.linalg.norm(values[block]))) * direction / length
    losses = []
    for sign in (1.0, -1.0):
        moved = copies(values)
        moved[block] += sign * step
        losses.append(problem.loss_or_nan(moved))
    return (losses[0] - losses[1]) / (2 * float(np.sum(step * gradient)))
