"""The user's backward pass as a table: the value of each expression in order, right or wrong."""

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
"""The largest number of rows."""

FORWARD = "forward value"
LOOPS = ("for ", "while ")
NOTHING = CONSTANT | {OUTPUT}

Row = tuple[Place, BackwardStep]


def backward_steps(
    search: Followed, before: State, after: State, faults: Sequence[Fault]
) -> tuple[BackwardStep, ...]:
    """Return the rows in the order of execution.

    In the state `after` all faults are mended that were found: wrong values differ from those in
    `before`. Values that a block depends on which is still wrong then are right only if they are
    exactly known quantities.
    """
    table = _Table(search, before, after, faults)
    placed = [row for members in _expressions(before) for row in table.rows(members)]
    for fault, place in table.unplaced:
        placed.insert(_position(placed, place), (place, _of_fault(fault, place)))
    rows = [row for _, row in placed]
    if len(rows) > MOST:
        rows = [row for row in rows if row.verdict != RIGHT or row.actual not in ("", FORWARD)]
    wrong = next((number for number, row in enumerate(rows) if row.verdict == WRONG), None)
    if wrong is not None:
        rows[wrong] = replace(rows[wrong], first=True)
    start = max(0, min((wrong or 0) - MOST // 2, len(rows) - MOST))
    return tuple(rows[start : start + MOST])


def _expressions(state: State) -> list[list[Node]]:
    """Return the values of whole expressions; those of the passes of a loop are one group."""
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
    """Return the row of a fault that is not an expression, as an assignment or loop header."""
    return BackwardStep(
        place.location,
        fault.expression,
        () if fault.actual_value is None else fault.actual_value.shape,
        "" if fault.actual == fault.expression else fault.actual,
        fault.expected,
        WRONG,
    )


def _position(rows: Sequence[Row], place: Place) -> int:
    """Return the position at which the row of a place is inserted, by the lines of its function."""
    for number, (other, _) in enumerate(rows):
        is_same = (other.file, other.function) == (place.file, place.function)
        if is_same and other.line >= place.line:
            return number
    return len(rows)


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
        """Return the row of an expression; none if it only moves data other than a gradient."""
        node, place = members[0], members[0].place
        fault = next((fault for fault, at in self._faults if _is_about(at, node)), None)
        changed = [number for number, member in enumerate(members) if self._changes(member)]
        shown = members[changed[0] if changed else -1]
        actual, kind = self._described(shown, self._before)
        is_gradient = kind in (ADJOINT, CONTRIBUTION) and node.operation not in WRITES
        if place is None or (node.operation in MOVES and fault is None and not is_gradient):
            return []
        verdict, expected = self._verdict(members, shown, kind), ""
        if fault is not None or node.name.startswith(RAISED):
            verdict = WRONG
        if verdict in (WRONG, INHERITED):
            expected = self._described(shown, self._after)[0]
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
        """Return the verdict on an expression that is not the place of a fault."""
        is_mended = any(member.index in self._after.mended for member in members)
        if is_mended and self.unplaced:  # it is a right value, but used in the wrong place
            return WRONG if kind is None else RIGHT
        if any(map(self._changes, members)):
            return INHERITED
        return UNKNOWN if self._doubtful >> shown.index & 1 and kind is None else RIGHT

    def _changes(self, node: Node) -> bool:
        """True if mending the faults changes a value."""
        pairs = zip(self._before.at(node.index), self._after.at(node.index), strict=True)
        return any(
            before is not after and not np.allclose(before, after, self._search.tolerance, 0)
            for before, after in pairs
        )

    def _described(self, node: Node, state: State) -> tuple[str, str | None]:
        """Describe a value as a quantity; with the kind of it, unless a constant is off."""
        values = [*map(np.asarray, state.at(node.index))]
        ranked = []
        for quantity in self._search.known.explaining(values):
            how = multiple_of(values, quantity.values)
            if how is not None:
                exact = abs(how[0] - 1) < 1e-9
                rank = (quantity.kind == SLOPE) + 2 * (not exact and quantity.kind != ADJOINT)
                key = rank, not exact, how[1], ORDER.index(quantity.kind)
                ranked.append((key, how[0], quantity))
        if not ranked:
            return "", None
        (_, inexact, turned, _), factor, quantity = min(ranked, key=lambda item: item[0])
        words = self._search.words.quantity(*quantity.key) + ", transposed" * turned
        if inexact:
            return f"{constant(factor)} times {words}", None
        is_unnamed = quantity.kind == VALUE and words.startswith("`")
        return FORWARD if is_unnamed else words, quantity.kind


def _is_about(place: Place, node: Node) -> bool:
    """True if a fault's place is an expression, a part of it, or its statement."""
    at = node.place
    is_loop = place.source.startswith(LOOPS)
    return at is not None and not is_loop and (at.covers(place) or place.covers(at))


def _is_value(fault: Fault, node: Node) -> bool:
    """True if a value is the one that a fault calls wrong, and not computed from it."""
    value = fault.actual_value
    return value is not None and value.shape == node.value.shape and np.allclose(value, node.value)
