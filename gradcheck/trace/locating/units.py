"""What is replaced together, and the replacements that make wrong outputs right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.candidates import Candidate
from gradcheck.trace.locating.state import Replacement, State, Values

NODE = "value"
USE = "use"
CALL = "call"
SERIES = "series"
USES = "uses over a loop"
EVERYWHERE = "everywhere"

RANK = {CALL: 2, USE: 1, USES: 1, SERIES: 2, NODE: 3, EVERYWHERE: 4}
"""Which of two that begin at the same operation is tried first."""


@dataclass(frozen=True)
class Unit:
    """What is replaced together.

    Attributes:
        kind: one of the above.
        position: when it is tried.
        nodes: the values; empty for uses.
        uses: the uses; empty for values.
        outer: for the uses of a call, how many calls up that is.
    """

    kind: str
    position: float
    nodes: tuple[int, ...] = ()
    uses: tuple[Edge, ...] = ()
    outer: int = 0

    @property
    def first(self) -> int:
        """The first operation that sees the replacement."""
        return self.nodes[0] if self.nodes else self.uses[0][0]

    @property
    def replaced(self) -> list[int]:
        """The values that are replaced, one for every member."""
        return list(self.nodes) if self.nodes else [operand for _, operand in self.uses]

    @property
    def is_series(self) -> bool:
        """Whether its members get different values."""
        return self.kind in (SERIES, USES)

    def split(self, entries: NDArray[np.float64], present: Values) -> list[NDArray[np.float64]]:
        """Entries along the last axis for each member, in the shape of its present value."""
        parts, start = [], 0
        for index in self.replaced:
            size, shape = present[index].size, present[index].shape
            part = entries[..., start : start + size]
            parts.append(part.reshape((*entries.shape[:-1], *shape)))
            start += size if self.is_series or self.nodes else 0
        return parts


QUANTITY = "quantity"
OWN = "own value times a constant"
ZERO = "nothing"
REST = "what right terms leave of a quantity"

ByPoint = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class Mend:
    """A replacement that makes wrong outputs right at all points, and spoils no right one.

    Attributes:
        how: QUANTITY, OWN, ZERO or REST.
        factor: the constant that the replacement is multiplied by.
        outputs: the names of the outputs that it makes right.
        candidate: what replaces it, if that is a quantity.
        actual: the values that are replaced, by point, one after the other.
        expected: what replaces them, times the factor.
    """

    unit: Unit
    how: str
    factor: float
    outputs: frozenset[str]
    candidate: Candidate | None
    actual: ByPoint
    expected: ByPoint
    replacements: tuple[Replacement, ...]

    @property
    def passes(self) -> int:
        """How many values are replaced: one in every pass of a loop, or one."""
        is_several = self.unit.is_series or len(self.unit.nodes) > 1
        return len(self.unit.replaced) if is_several else 1


def in_pass(values: ByPoint, number: int, shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """What a mend replaces, or puts in its place, in one pass of a loop."""
    size = math.prod(shape)
    return [np.ravel(value)[number * size :][:size].reshape(shape) for value in values]


def in_order(mend: Mend, state: State) -> Mend:
    """The mend with each pass of a loop given its own value, where the passes add up.

    Their sum is right in any order; what is right already tells the order.
    """
    nodes = mend.unit.nodes
    if not mend.unit.is_series or not nodes:
        return mend
    actual, *turned = (
        np.reshape(value, (len(nodes), -1))[::step]
        for value, step in ((mend.actual[0], 1), *((value, -1) for value in mend.expected))
    )
    agreeing = [
        np.count_nonzero(np.isclose(actual, turned[0][::step], 1e-6, 0)) for step in (-1, 1)
    ]
    if agreeing[1] <= agreeing[0]:
        return mend
    replacements = tuple(
        Replacement(
            {
                index: np.reshape(part, state.tape[index].value.shape)
                for index, part in zip(nodes, at_point, strict=True)
            }
        )
        for at_point in turned
    )
    if mend.outputs & state.mend(replacements).wrong():
        return mend
    expected = [np.ravel(at_point) for at_point in turned]
    return replace(mend, expected=expected, replacements=replacements)
