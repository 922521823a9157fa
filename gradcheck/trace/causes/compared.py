"""A wrong value of the gradient beside the right one, and the quantities of the loss around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.quantities import CONTRIBUTION, SLOPE, VALUE, Quantity, slopes_around
from gradcheck.trace.locating.candidates import Candidate, Candidates
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.trial import Deadline
from gradcheck.trace.record.graph import before_moves, carried, latest_first, made_from, repetitions
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.scope import names_at
from gradcheck.trace.wording.words import Words

Array = NDArray[Any]
Arrays = Sequence[Array]

TOLERANCE = 1e-6
STEP = 1e-6

ARITHMETIC = (MOVES - {"where", "select", "choose"}) | {
    *("add", "subtract", "negative", "multiply", "divide", "true_divide", "reciprocal"),
    *("power", "square", "sqrt"),
}
"""Operations that make no activation by themselves."""

DEEPEST = 12
"""The number of operations before the wrong value for which another one is tried."""

FEWEST = 8
"""The number of entries needed to recognise a slope as a function of its input."""


@dataclass(frozen=True)
class Followed:
    """The subject of one search.

    Attributes:
        points: both functions, traced at each point.
        known: the quantities of the loss, to be looked up.
        candidates: the quantities that can replace values.
        words: names the values of the loss.
        tolerance: the relative error of right values.
        deadline: the end of the search.
    """

    points: tuple[Point, ...]
    known: Known
    candidates: Candidates
    words: Words
    tolerance: float
    deadline: Deadline


@dataclass(frozen=True)
class Compared:
    """A wrong value and the right one, at all points.

    Attributes:
        points: both functions, traced at each point.
        state: the tape of the gradient.
        known: the quantities of the loss.
        words: names the values of the loss.
        node: the operation of the gradient that is wrong, or uses the wrong value.
        operand: the wrong value.
        is_use: True if the value is right for something else, and used in the wrong place.
        candidate: the right quantity; None if only a constant or nothing is known.
        factor: the constant by which the right quantity is multiplied.
        actual: the wrong value, by point.
        expected: the right value, by point.
        deadline: the end of the search.
    """

    points: Sequence[Point]
    state: State
    known: Known
    words: Words
    node: int
    operand: int
    is_use: bool
    candidate: Candidate | None
    factor: float
    actual: Arrays
    expected: Arrays
    deadline: Deadline

    @property
    def loss_nodes(self) -> Sequence[Node]:
        """The tape of the loss at the first point."""
        return self.points[0].loss_nodes

    @property
    def parameters(self) -> Mapping[int, str]:
        """The names of the blocks, by the index of their values in the loss."""
        return {index: name for name, index in self.points[0].parameters.items()}

    @property
    def computed_by_the_loss(self) -> Node | None:
        """The value of the loss that is wanted as it is where the gradient computes another."""
        one = self.candidate
        is_other = one is None or one.kind != VALUE or self.is_use or self.factor != 1
        return None if one is None or is_other else self.loss_nodes[one.node]

    @cached_property
    def made_in_its_pass(self) -> Node | None:
        """The value of the loss that is wanted as it is, in the pass of a loop that makes it."""
        one = self.candidate
        if one is None or one.kind != VALUE or self.factor != 1:
            return None
        passes = repetitions(self.loss_nodes, one.node)
        made = (index for index in passes if same(self.values(index), self.expected))
        return next(map(self.loss_nodes.__getitem__, made), None)

    @cached_property
    def leading(self) -> Sequence[int]:
        """The values that the wrong one is computed from, and itself, in order."""
        made = latest_first(self.state.tape, [self.operand])
        return sorted(node.index for node in made)

    def values(self, node: int) -> Arrays:
        """Return a value of the loss, by point."""
        return [point.loss_nodes[node].value for point in self.points]

    def adjoints(self, node: int) -> Arrays | None:
        """Return the adjoint of a value of the loss times `factor`, by point; None without one."""
        adjoints = [point.derivatives.of_nodes.get(node) for point in self.points]
        if any(value is None for value in adjoints):
            return None
        return [self.factor * np.asarray(value) for value in adjoints]

    def is_parameter(self, operand: int) -> bool:
        """True if a value of the gradient is a parameter, possibly transposed or reshaped."""
        values = self.state.at(before_moves(self.state.tape, operand))
        return any(same(values, self.values(parameter)) for parameter in self.parameters)

    @cached_property
    def derived_by(self) -> list[int]:
        """The values of the loss whose adjoint is the expected value."""
        return [
            index
            for index in self.points[0].derivatives.of_nodes
            if (adjoint := self.adjoints(index)) is not None and same(adjoint, self.expected)
        ]

    @cached_property
    def slopes(self) -> list[tuple[Quantity, Arrays]]:
        """The slopes that are a factor of the expected value, with the other factor, an adjoint."""
        known = self.known.of_kind(SLOPE)
        wanted = self.candidate
        is_part = wanted is not None and wanted.kind == CONTRIBUTION
        begins = {
            *self.derived_by,
            *(repetitions(self.loss_nodes, wanted.node) if wanted and is_part else ()),
        }
        pairs = [
            (quantity, arriving)
            for quantity in (*known, *self.around)
            if quantity.other in begins
            for arriving in self.arriving(quantity.node)
            if same(product(arriving, quantity.values), self.expected)
        ]
        return sorted(pairs, key=lambda pair: pair[0].node)

    @cached_property
    def around(self) -> list[Quantity]:
        """The slopes of functions of these values that are computed beside the loss."""
        return list(slopes_around(self.points, self.derived_by))

    def arriving(self, node: int) -> Iterator[Arrays]:
        """Yield the adjoint of a value of the loss, or what the gradient may use in its place.

        A cross-entropy of scores does not depend on the sigmoid. The gradient then has an operand
        of the wrong value, or that itself, in the place of an adjoint.
        """
        adjoint = self.adjoints(node)
        if adjoint is not None:
            yield adjoint
            return
        for operand in (*self.state.tape[self.operand].operands, self.operand):
            values = self.state.at(operand)
            if values[0].shape == self.expected[0].shape:
                yield values

    def parts(self, node: int) -> dict[int, Arrays]:
        """Return the contribution of each use of a value to its adjoint, by operation."""
        users = self.points[0].derivatives.users.get(node, [])
        return {
            user: [
                self.factor * np.asarray(point.derivatives.of_edges.get((user, node), 0.0))
                for point in self.points
            ]
            for user in users
        }

    def text_of(self, values: Arrays) -> str:
        """Return the name of a value in the function at fault; empty if it is not in scope."""
        place = self.state.tape[self.node].place
        if place is None:
            return ""
        scope = names_at(self.state, self.node, place, self.points[0].gradient.tape.names)
        texts = (text for text, index in scope.items() if same(values, self.state.at(index)))
        return min(texts, key=lambda text: (not text.isidentifier(), len(text)), default="")

    def along(self, begin: int, end: int, inputs: Arrays) -> Iterator[Array]:
        """Yield by point the slope of the user's elementwise function at inputs, by differences."""
        for value, point in zip(inputs, self.points, strict=True):
            present = [node.value for node in point.loss_nodes]
            above, below = (
                carried(point.loss_nodes, present, {begin: moved}, end)[end]
                for moved in (value + STEP, value - STEP)
            )
            yield (above - below) / (2 * STEP)


def same(one: Arrays, other: Iterable[Array], tolerance: float = TOLERANCE) -> bool:
    """True if arrays agree at all points, to rounding; entries that are not finite are ignored."""
    for a, b in zip(one, other, strict=True):
        if np.shape(a) != np.shape(b):
            return False
        finite = np.isfinite(a) & np.isfinite(b)
        size = float(np.max(np.abs(b), initial=0.0, where=finite))
        if not finite.any() or not np.all(np.abs(a - b)[finite] <= tolerance * size):
            return False
    return True


def product(one: Arrays, other: Arrays) -> Arrays:
    """Return the product at each point, NaN where the shapes do not fit."""
    try:
        return [a * b for a, b in zip(one, other, strict=True)]
    except ValueError:
        return [np.full(a.shape, np.nan) for a in one]


def quotient(one: Arrays, other: Arrays) -> Arrays:
    """Return the quotient at each point, NaN where the divisor is 0."""
    with np.errstate(all="ignore"):
        return [np.where(b != 0, a / b, np.nan) for a, b in zip(one, other, strict=True)]


def less(one: Arrays, other: Arrays) -> Arrays:
    """Return the difference at each point."""
    return [a - b for a, b in zip(one, other, strict=True)]


def transposed(values: Arrays) -> Arrays:
    """Return the transpose at each point, of stacked matrices too; vectors stay as they are."""
    return [value.swapaxes(-1, -2) if value.ndim > 1 else value for value in values]


def made_of(compared: Compared) -> Iterator[Node]:
    """Yield the operations that the wrong value depends on, the last first."""
    made = latest_first(compared.state.tape, [compared.operand])
    return islice((node for node in made if not node.is_leaf), DEEPEST)


def agrees(compared: Compared, changed: Node, change: Callable[[Node], Node]) -> bool:
    """True if the value is right at all points with one operation changed."""
    index = changed.index
    return agrees_with(compared, lambda nodes: {index: change(nodes[index])})


def agrees_with(compared: Compared, changed: Callable[[Sequence[Node]], dict[int, Node]]) -> bool:
    """True if the value is right at all points with some operations of the tape changed."""
    state, made = compared.state, compared.operand
    for nodes, present, wanted in zip(state.nodes, state.values, compared.expected, strict=True):
        try:
            values = carried(nodes, present, changed(nodes), made, compared.leading)
        except (ValueError, TypeError, IndexError):
            return False
        value = values.get(made, present[made])
        if not np.all(np.isfinite(value)) or not same([value], [wanted]):
            return False
    return True


def is_activation(compared: Compared, begin: int, end: int) -> bool:
    """True if a value of the loss is computed from another by more than arithmetic and powers."""
    nodes = compared.loss_nodes
    between = made_from(nodes, begin, end) - {begin}
    later = takewhile(lambda node: node.index > begin, latest_first(nodes, [end]))
    made = {node.operation for node in later if node.index in between}
    return not made <= ARITHMETIC
