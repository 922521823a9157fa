"""Units of values that are replaced together, and mends: replacements that make outputs right."""

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
"""Of units that begin at the same operation, those with a lower rank are tried first."""


@dataclass(frozen=True)
class Unit:
    """Values, or uses of values, that are replaced together.

    Attributes:
        kind: one of the constants above.
        position: the place in the order of trial, as a position on the tape.
        nodes: the values; empty for uses.
        uses: the uses; empty for values.
        outer: for the uses within a call, the number of calls between it and the operations.
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
        """The index of the replaced value of each member."""
        return list(self.nodes) if self.nodes else [operand for _, operand in self.uses]

    @property
    def is_series(self) -> bool:
        """True if the members get different values."""
        return self.kind in (SERIES, USES)

    def split(self, entries: NDArray[np.float64], present: Values) -> list[NDArray[np.float64]]:
        """Split the last axis of `entries` into a part for each member, in its present shape."""
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
    """A replacement that makes wrong outputs right at all points, and no right one wrong.

    Attributes:
        unit: the values or uses that are replaced.
        how: QUANTITY, OWN, ZERO or REST.
        factor: the constant by which the replacing values are multiplied.
        outputs: the names of the outputs that become right.
        candidate: the replacing quantity, if it is one.
        actual: the replaced values, flat, by point.
        expected: the replacing values times the factor, flat, by point.
        replacements: the replacement at each point.
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
        """The number of replaced values: one in each pass of a loop, or one."""
        is_several = self.unit.is_series or len(self.unit.nodes) > 1
        return len(self.unit.replaced) if is_several else 1


def in_pass(values: ByPoint, number: int, shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Return the part of a mend's actual or expected values that belongs to one pass of a loop."""
    size = math.prod(shape)
    return [np.ravel(value)[number * size :][:size].reshape(shape) for value in values]


def in_order(mend: Mend, state: State) -> Mend:
    """Reverse the passes of a mend if its values then agree better with the actual ones.

    If the passes only add up, their sum is right in any order; entries that are already right tell
    the order.
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
