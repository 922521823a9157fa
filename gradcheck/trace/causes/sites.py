"""The passes of a loop in which a wrong value is made or used, with the values at hand there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.trace.causes.compared import Arrays, same
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import Mend, Unit, in_pass
from gradcheck.trace.record.graph import evaluate
from gradcheck.trace.record.nodes import Assignment
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.scope import Operand, names_at, operands_of_expression

PASSES, LARGE = 4, 50_000
"""The maximum number of passes of a loop in which it must fit, and of entries of an array."""


@dataclass(frozen=True)
class Site:
    """A wrong value in one pass of a loop, with the right one and their difference, by point.

    `node` makes or uses the value. `scope` has the values that the function has there, by their
    texts; `uses` has the operands of the wrong expression: text, operation and value.
    """

    node: int
    scope: dict[str, int]
    uses: list[Operand]
    actual: Arrays
    expected: Arrays
    differs: Arrays


def sites_of(
    mend: Mend, state: State, place: Place, wrong: str, names: Sequence[Assignment], is_made: bool
) -> Iterator[Site]:
    """Yield a site for some passes: where the values are made, or where they are used."""
    members, unit, count = mend.unit.replaced, mend.unit, mend.passes
    shape = state.values[0][members[0]].shape
    size = int(np.prod(shape))
    if size > LARGE or any(value.size != count * size for value in mend.expected):
        return
    for number in sorted({*np.linspace(0, count - 1, PASSES).astype(int).tolist()}):
        node = members[number] if is_made else unit.uses[number][0]
        expected = in_pass(mend.expected, number, shape)
        # computed again: the values from earlier passes are right by now
        actual = [
            evaluate(nodes[node], values) if is_made else values[members[number]]
            for nodes, values in zip(state.nodes, state.values, strict=True)
        ]
        if np.any(expected[0]) and not same(actual, expected):
            at = None if is_made else _returning(state, members[number], place, names)
            scope = names_at(state, node if at is None else at, place, names)
            if not is_made:  # a helper that returns it has it at hand
                scope.setdefault(wrong, members[number])
            uses = operands_of_expression(state, node, place) if is_made else []
            differs = [~np.isclose(*pair, 1e-9, 0) for pair in zip(actual, expected, strict=True)]
            yield Site(node, scope, uses, actual, expected, differs)


def _returning(state: State, operand: int, place: Place, names: Sequence[Assignment]) -> int | None:
    """Return the last operation before a helper returns a value at a place; None elsewhere."""
    there = (one for one in names if one.returned and one.node == operand and one.place == place)
    returned = next(there, None)
    if returned is None:
        return None
    before = reversed(state.tape[: returned.position])
    inside = (node for node in before if any(call.code is returned.code for call in node.chain))
    return next((node.index for node in inside), None)


def are_made_for(unit: Unit, state: State, place: Place) -> bool:
    """True if the values of a unit of uses are computed at a place for these uses alone."""
    users = {user for user, _ in unit.uses}
    made = [state.tape[index] for index in unit.replaced]
    return all(
        one.place == place and not one.is_leaf and users.issuperset(state.consumers[one.index])
        for one in made
    )
