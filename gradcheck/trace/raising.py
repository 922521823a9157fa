"""A gradient that raises: the tape up to there tells where the shapes went wrong.

The operation that failed has its operands on the tape. The fault is the first value on the way to
it that no quantity of the loss explains although all that it is made of is explained; where all
operands are explained, it is the failing operation itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.explain import Known
from gradcheck.trace.fault import RAISES, WRONG_SHAPE, Fault, Step
from gradcheck.trace.kinds import named
from gradcheck.trace.nodes import Node
from gradcheck.trace.points import Point
from gradcheck.trace.words import Words


@dataclass(frozen=True)
class Raised:
    """The gradients at all points, up to the operation that failed.

    Attributes:
        points: both functions, at each point.
        known: the quantities of the loss.
        words: names them.
    """

    points: Sequence[Point]
    known: Known
    words: Words

    @property
    def nodes(self) -> Sequence[Node]:
        """The tape of the gradient at the first point."""
        return self.points[0].nodes

    def words_of(self, index: int) -> str:
        """What a value is; empty where nothing explains it."""
        node = self.nodes[index]
        values = [point.nodes[index].value for point in self.points]
        if node.is_leaf or not node.is_float or not any(np.any(value) for value in values):
            return node.name
        for form in _forms(values):
            words = named(self.known.explaining(form), self.words)
            if words:
                return words
        return ""


def _forms(values: Sequence[NDArray[Any]]) -> list[list[NDArray[Any]]]:
    """The values, and without their first or last row or column."""
    forms = [list(values)]
    for axis in range(values[0].ndim):
        if values[0].shape[axis] > 1:
            for kept in (slice(1, None), slice(None, -1)):
                index = (slice(None),) * axis + (kept,)
                forms.append([value[index] for value in values])
    return forms


def raising_fault(raised: Raised) -> Fault | None:
    """The fault of a gradient that raised; None where no operation of numpy's failed."""
    failed = raised.points[0].gradient.tape.failed
    if failed is None:
        return None
    culprit = _first_unexplained(raised, failed)
    node = raised.nodes[culprit] if culprit is not None else failed
    kind = RAISES if culprit is None else WRONG_SHAPE
    places = [call.place for call in node.chain]
    expression = places[0].source if places else ""
    operands = [
        f"{raised.words_of(i) or 'a value'} {raised.nodes[i].value.shape}" for i in node.operands
    ]
    shape = f" {node.value.shape}" if culprit is not None else ""
    failing = failed.place
    also = tuple(places[1:3])
    if failing is not None and culprit is not None:
        also = (failing, *also)
    return Fault(
        kind,
        places[0] if places else None,
        also,
        expression,
        f"{expression}{shape}, made of {' and '.join(operands)}",
        "",
        "",
        node.value if culprit is not None else None,
        None,
        1.0,
        None,
        None,
        _right_operands(raised, node),
        tuple(raised.points[0].true),
        {},
    )


def _first_unexplained(raised: Raised, failed: Node) -> int | None:
    """The value that is unexplained, while all that it is made of is explained."""
    pending = list(failed.operands)
    found: int | None = None
    seen: set[int] = set()
    while pending:
        index = pending.pop(0)
        if index in seen or raised.words_of(index):
            continue
        seen.add(index)
        found = index if found is None else min(found, index)
        pending += raised.nodes[index].operands
    return found


def _right_operands(raised: Raised, node: Node) -> tuple[Step, ...]:
    steps = []
    for index in node.operands:
        words, place = raised.words_of(index), raised.nodes[index].place
        if words and place is not None:
            steps.append(Step(place, words))
    return tuple(steps)
