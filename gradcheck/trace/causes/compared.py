"""A wrong value of the gradient beside the right one, and what is known of the loss around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.quantities import CONTRIBUTION, SLOPE, Quantity, slopes_around
from gradcheck.trace.locating.candidates import Candidate, Candidates
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.trial import Deadline
from gradcheck.trace.record.graph import before_moves, carried, latest_first, made_from
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
"""What makes no activation by itself."""

DEEPEST = 12
"""So many operations back from the wrong value another operation is tried."""

FEWEST = 8
"""Entries from which on a slope can be told to be a function of its input."""


@dataclass(frozen=True)
class Followed:
    """What one search works on.

    Both functions at each point; what is known, what can replace values, and what is called how;
    the relative error of what is right; when it is to end.
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
        points: both functions.
        state: the tape of the gradient.
        known: the quantities of the loss.
        words: names them.
        node: the operation of the gradient that is wrong, or uses what is wrong.
        operand: the value that is wrong.
        is_use: whether the value is right for something else, and used in the wrong place.
        candidate: what it should be; None where only a constant or nothing is known.
        factor: the constant that this is multiplied by.
        actual: the wrong value, by point.
        expected: the right one.
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

    @property
    def loss_nodes(self) -> Sequence[Node]:
        """The tape of the loss at the first point."""
        return self.points[0].loss_nodes

    @property
    def parameters(self) -> Mapping[int, str]:
        """The names of the blocks, by their values of the loss."""
        return {index: name for name, index in self.points[0].parameters.items()}

    def values(self, node: int) -> Arrays:
        """A value of the loss, by point."""
        return [point.loss_nodes[node].value for point in self.points]

    def adjoints(self, node: int) -> Arrays | None:
        """What the derivative by a value of the loss is, times the constant; None without one."""
        found = [point.derivatives.of_nodes.get(node) for point in self.points]
        if any(value is None for value in found):
            return None
        return [self.factor * np.asarray(value) for value in found]

    def is_parameter(self, operand: int) -> bool:
        """Whether a value of the gradient is a parameter, turned or reshaped."""
        values = self.state.at(before_moves(self.state.tape, operand))
        return any(same(values, self.values(parameter)) for parameter in self.parameters)

    @cached_property
    def derived_by(self) -> list[int]:
        """The values of the loss whose derivative is wanted."""
        return [
            index
            for index in self.points[0].derivatives.of_nodes
            if (found := self.adjoints(index)) is not None and same(found, self.expected)
        ]

    @cached_property
    def slopes(self) -> list[tuple[Quantity, Arrays]]:
        """The slopes along which what is wanted is made, with what arrives; the shortest first."""
        known = self.known.of_kind(SLOPE)
        wanted = self.candidate
        is_part = wanted is not None and wanted.kind == CONTRIBUTION
        begins = {*self.derived_by, *([wanted.node] if wanted is not None and is_part else [])}
        found = [
            (quantity, arriving)
            for quantity in (*known, *self.around)
            if quantity.other in begins
            for arriving in self.arriving(quantity.node)
            if same(product(arriving, quantity.values), self.expected)
        ]
        return sorted(found, key=lambda pair: pair[0].node)

    @cached_property
    def around(self) -> list[Quantity]:
        """The slopes of what the loss makes of these values and goes round."""
        return [one for begin in self.derived_by for one in slopes_around(self.points, begin)]

    def arriving(self, node: int) -> Iterator[Arrays]:
        """What the derivative by a value of the loss can be.

        Where the loss goes round the value, as a cross-entropy of scores does, it is what the
        gradient has in its place: an operand of what is wrong, or that itself.
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
        """What each use of a value of the loss contributes to its derivative, by the user."""
        users = self.points[0].derivatives.users.get(node, [])
        return {
            user: [
                self.factor * np.asarray(point.derivatives.of_edges.get((user, node), 0.0))
                for point in self.points
            ]
            for user in users
        }

    def text_of(self, values: Arrays) -> str:
        """What the function at fault calls some values; empty where it does not have them."""
        place = self.state.tape[self.node].place
        if place is None:
            return ""
        assignments = [a for a in self.points[0].gradient.tape.assignments if not a.returned]
        scope = names_at(self.state, self.node, place, assignments)
        texts = (text for text, index in scope.items() if same(values, self.state.at(index)))
        return min(texts, key=lambda text: (not text.isidentifier(), len(text)), default="")

    def along(self, begin: int, end: int, inputs: Arrays) -> Iterator[Array]:
        """The derivative of the user's own elementwise function at other inputs, by differences."""
        for value, point in zip(inputs, self.points, strict=True):
            known = [node.value for node in point.loss_nodes]
            above, below = (
                carried(point.loss_nodes, known, {begin: moved}, end)[end]
                for moved in (value + STEP, value - STEP)
            )
            yield (above - below) / (2 * STEP)


def same(one: Arrays, other: Iterable[Array], tolerance: float = TOLERANCE) -> bool:
    """Whether arrays are the same at all points, to rounding; where one is nan nothing is asked."""
    for a, b in zip(one, other, strict=True):
        if np.shape(a) != np.shape(b):
            return False
        known = np.isfinite(a) & np.isfinite(b)
        size = float(np.max(np.abs(b), initial=0.0, where=known))
        if not known.any() or not np.all(np.abs(a - b)[known] <= tolerance * size):
            return False
    return True


def product(one: Arrays, other: Arrays) -> Arrays:
    """The product at every point."""
    return [a * b for a, b in zip(one, other, strict=True)]


def quotient(one: Arrays, other: Arrays) -> Arrays:
    """The quotient at every point, nan where nothing is divided by."""
    with np.errstate(all="ignore"):
        return [np.where(b != 0, a / b, np.nan) for a, b in zip(one, other, strict=True)]


def less(one: Arrays, other: Arrays) -> Arrays:
    """The difference at every point."""
    return [a - b for a, b in zip(one, other, strict=True)]


def transposed(values: Arrays) -> Arrays:
    """The transpose at every point, of each of several matrices; vectors stay as they are."""
    return [value.swapaxes(-1, -2) if value.ndim > 1 else value for value in values]


def roughness(used: Arrays, inputs: Arrays) -> float:
    """How much a slope changes from input to near input, by what it does from any to any."""
    if any(value.shape != of.shape for value, of in zip(used, inputs, strict=True)):
        return np.inf
    y = np.concatenate([np.ravel(value) for value in used])
    x = np.concatenate([np.ravel(value) for value in inputs])
    known = np.isfinite(y) & np.isfinite(x)
    x, y = x[known], y[known]
    if len(y) < FEWEST or not np.ptp(y):
        return np.inf
    along = np.abs(np.diff(y[np.argsort(x)])).sum()
    shuffled = np.abs(np.subtract.outer(y, y)).mean() * (len(y) - 1)
    return float(along / shuffled)


def made_of(compared: Compared) -> Iterator[Node]:
    """The operations that make the wrong value, the last first."""
    made = latest_first(compared.state.tape, [compared.operand])
    return islice((node for node in made if not node.is_leaf), DEEPEST)


def agrees(compared: Compared, changed: Node, change: Callable[[Node], Node]) -> bool:
    """Whether the value is right, at all points, with an operation changed."""
    index = changed.index
    return agrees_with(compared, lambda nodes: {index: change(nodes[index])})


def agrees_with(compared: Compared, changed: Callable[[Sequence[Node]], dict[int, Node]]) -> bool:
    """Whether the value is right, at all points, with some of the operations of a tape changed."""
    state, made = compared.state, compared.operand
    for nodes, known, wanted in zip(state.nodes, state.values, compared.expected, strict=True):
        try:
            values = carried(nodes, known, changed(nodes), made)
        except (ValueError, TypeError, IndexError):
            return False
        if not same([values.get(made, known[made])], [wanted]):
            return False
    return True


def is_activation(compared: Compared, begin: int, end: int) -> bool:
    """Whether a value of the loss is made from another by more than arithmetic and powers."""
    nodes = compared.loss_nodes
    between = made_from(nodes, begin, end) - {begin}
    later = takewhile(lambda node: node.index > begin, latest_first(nodes, [end]))
    made = {node.operation for node in later if node.index in between}
    return not made <= ARITHMETIC
