"""What is replaced together: a value, a use of one, all uses in a call, and these over a loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.state import Values

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
