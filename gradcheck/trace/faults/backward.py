"""The user's backward pass as a table: what each expression made, right or wrong, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck.finding import BackwardStep
from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION, SLOPE, VALUE
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.causes.kinds import ORDER, constant, multiple_of
from gradcheck.trace.fault import Fault
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.names import CONSTANT, MOVES, WRITES
from gradcheck.trace.record.nodes import OUTPUT, RAISED, Node
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.words import assigned_name

RIGHT, WRONG, INHERITED, UNKNOWN = "right", "wrong", "inherited", "unknown"

MOST = 40
"""How many rows there are at most."""

FORWARD = "forward value"
LOOPS = ("for ", "while ")
NOTHING = CONSTANT | {OUTPUT}

Row = tuple[Place, BackwardStep]


def backward_steps(
    search: Followed, before: State, after: State, faults: Sequence[Fault]
) -> tuple[BackwardStep, ...]:
    """The rows, in the order of execution; `after` is with all faults mended that were found.

    What is wrong changes once the faults are mended; where that does not mend all, what a wrong
    block is made of is right only if it is exactly a known quantity.
    """
    table = _Table(search, before, after, faults)
    found = [row for members in _expressions(before) for row in table.rows(members)]
    for fault, place in table.unplaced:
        found.insert(_position(found, place), (place, _of_fault(fault, place)))
    rows = [row for _, row in found]
    if len(rows) > MOST:
        rows = [row for row in rows if row.verdict != RIGHT or row.actual not in ("", FORWARD)]
    wrong = next((number for number, row in enumerate(rows) if row.verdict == WRONG), None)
    if wrong is not None:
        rows[wrong] = replace(rows[wrong], first=True)
    start = max(0, min((wrong or 0) - MOST // 2, len(rows) - MOST))
    return tuple(rows[start : start + MOST])


def _expressions(state: State) -> list[list[Node]]:
    """The values of whole expressions, those of the passes of a loop together."""
    groups: dict[object, list[Node]] = {}
    for node in state.tape[state.start :]:
        if node.is_leaf or not node.operands or node.place is None or not node.is_float:
            continue
        if node.place.source.startswith(LOOPS) or node.operation in NOTHING:
            continue
        users = [state.tape[user].place for user in state.consumers[node.index]]
        if not any(user and user != node.place and user.covers(node.place) for user in users):
            groups.setdefault((node.chain, node.name), []).append(node)
    live = state.live if state.outputs else -1
    return [
        members for members in groups.values() if any(live >> node.index & 1 for node in members)
    ]


def _of_fault(fault: Fault, place: Place) -> BackwardStep:
    """The row of a fault that is no expression: a plain assignment, the head of a loop."""
    return BackwardStep(
        place.location,
        fault.expression,
        () if fault.actual_value is None else fault.actual_value.shape,
        "" if fault.actual == fault.expression else fault.actual,
        fault.expected,
        WRONG,
    )


def _position(found: Sequence[Row], place: Place) -> int:
    """Where a line stands among the others of its function."""
    for number, (other, _) in enumerate(found):
        is_same = (other.file, other.function) == (place.file, place.function)
        if is_same and other.line >= place.line:
            return number
    return len(found)


class _Table:
    """Makes the rows."""

    def __init__(
        self, search: Followed, before: State, after: State, faults: Sequence[Fault]
    ) -> None:
        self._search, self._before, self._after = search, before, after
        self._faults = [(fault, fault.place) for fault in faults if fault.place is not None]
        first = [members[0] for members in _expressions(before)]
        self.unplaced = [
            (fault, place)
            for fault, place in self._faults
            if not any(_is_about(place, node) for node in first)
        ]
        self._doubtful = before.outputs_made_of(after.wrong()) if before.outputs else -1

    def rows(self, members: Sequence[Node]) -> list[Row]:
        """The row of an expression; none where it only moves what is no gradient."""
        node, place = members[0], members[0].place
        fault = next((one for one, at in self._faults if _is_about(at, node)), None)
        changed = [number for number, one in enumerate(members) if self._changes(one)]
        shown = members[changed[0] if changed else -1]
        actual, kind = self._said(shown, self._before)
        is_gradient = kind in (ADJOINT, CONTRIBUTION) and node.operation not in WRITES
        if place is None or (node.operation in MOVES and fault is None and not is_gradient):
            return []
        verdict, expected = self._verdict(members, shown, kind), ""
        if fault is not None or node.name.startswith(RAISED):
            verdict = WRONG
        if verdict in (WRONG, INHERITED):
            expected = self._said(shown, self._after)[0]
            actual = "" if verdict == INHERITED else actual
        name = assigned_name(place)
        expression = f"{name} = {place.source}" if name else place.source
        if fault is not None and _is_value(fault, shown):
            actual, expected = fault.actual, fault.expected
        row = BackwardStep(
            place.location,
            expression,
            shown.value.shape,
            FORWARD if name and actual == name else "" if actual in expression else actual,
            expected,
            verdict,
            passes=len(members),
            wrong_pass=changed[0] + 1 if changed and verdict != RIGHT else None,
        )
        return [(place, row)]

    def _verdict(self, members: Sequence[Node], shown: Node, kind: str | None) -> str:
        """What an expression is of which no fault speaks."""
        is_mended = any(one.index in self._after.mended for one in members)
        if is_mended and self.unplaced:  # it is right, and the wrong thing for what is made of it
            return WRONG if kind is None else RIGHT
        if any(map(self._changes, members)):
            return INHERITED
        return UNKNOWN if self._doubtful >> shown.index & 1 and kind is None else RIGHT

    def _changes(self, node: Node) -> bool:
        """Whether mending the faults makes another value of it."""
        pairs = zip(self._before.values, self._after.values, strict=True)
        return any(
            one[node.index] is not other[node.index]
            and not np.allclose(one[node.index], other[node.index], self._search.tolerance, 0)
            for one, other in pairs
        )

    def _said(self, node: Node, state: State) -> tuple[str, str | None]:
        """What a value is, in words, and of which kind; the kind only where no constant is off."""
        values = [*map(np.asarray, state.at(node.index))]
        found = []
        for quantity in self._search.known.explaining(values):
            how = multiple_of(values, quantity.values)
            if how is not None:
                exact = abs(how[0] - 1) < 1e-9
                rank = (quantity.kind == SLOPE) + 2 * (not exact and quantity.kind != ADJOINT)
                found.append(
                    (rank, not exact, how[1], ORDER.index(quantity.kind), how[0], quantity)
                )
        if not found:
            return "", None
        _, inexact, turned, _, factor, quantity = min(found, key=lambda one: one[:4])
        words = self._search.words.quantity(*quantity.key) + ", transposed" * turned
        if inexact:
            return f"{constant(factor)} times {words}", None
        is_unnamed = quantity.kind == VALUE and words.startswith("`")
        return FORWARD if is_unnamed else words, quantity.kind


def _is_about(place: Place, node: Node) -> bool:
    """Whether a fault's place is that of an expression, of a part of it, or of its statement."""
    own = node.place
    is_loop = place.source.startswith(LOOPS)
    return own is not None and not is_loop and (own.covers(place) or place.covers(own))


def _is_value(fault: Fault, node: Node) -> bool:
    """Whether a fault speaks of this value; else it is of what that is made of."""
    value = fault.actual_value
    return value is not None and value.shape == node.value.shape and np.allclose(value, node.value)
