"""Engines: objects with a value and a gradient, and functions that go back through operations.

Each operation of a small automatic differentiation has an object for its output, and a function
that adds to the gradients of its operands: a closure that it defines, or a method of the object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.record.graph import grouped, latest_first
from gradcheck.trace.record.names import SUMS
from gradcheck.trace.record.nodes import BackwardRun, Node, Reference

LONGEST = 60
"""The maximum number of operations of a run."""


@dataclass(frozen=True)
class Added:
    """What a run adds to the gradient of an operand.

    Attributes:
        texts: the operand's value as the function refers to it, such as `self.data`; by several
            names if several operands are one.
        owner: the id of the operand, an object.
        value: the index of its value.
        name: the operand's gradient as the function refers to it, such as `self.grad`.
        before: the index of that at the beginning of the run; None if it was not computed.
        left_over: the number that it had when the judged call first came to it, such as 0.
        gradient: the index of that at the end of the run.
        terms: the uses of what is added, and whether each is subtracted; empty if the gradient is
            overwritten.
        rest: the sum of numbers that are added as well.
        old: the operation that adds to the gradient from before, and the position of that in its
            arguments; None if the gradient is overwritten.
    """

    texts: tuple[str, ...]
    owner: int
    value: int
    name: str
    before: int | None
    left_over: float
    gradient: int
    terms: tuple[tuple[Edge, bool], ...]
    rest: float
    old: tuple[int, int] | None


@dataclass(frozen=True)
class Run:
    """One run of a backward function, and what it does.

    Attributes:
        recorded: the run as it was recorded.
        owner: the id of the output, an object; an operand may have the same value.
        output: the index of the output's value; None if that is a constant, as where a unit is off.
        value_text: the output's value as the function refers to it, such as `out.data`.
        text: the output's gradient likewise, `out.grad`.
        arriving: the index of the output's gradient; None if that was not computed.
        number: the output's gradient if it was not computed, such as 1.
        added: what it adds, by operand.
        is_step: whether it is a step of a loop through all operations, and none of one operation's
            own backward function.
        use: of a step, the last operation that uses the operand, of those in the function that
            makes the output, and as which argument; None if that is not known.
    """

    recorded: BackwardRun
    owner: int
    output: int | None
    value_text: str
    text: str
    arriving: int | None
    number: float
    added: tuple[Added, ...]
    is_step: bool = False
    use: tuple[int, int] | None = None

    def operation(self, nodes: Sequence[Node]) -> Any:
        """Return what is the same for all runs that go back through one operation."""
        if not self.is_step:
            return self.recorded.code
        use, position = self.use or (None, None)
        made = [nodes[index].chain[:1] for index in (self.output, use) if index is not None]
        return (self.recorded.code, position, *made)

    @property
    def loses_a_part(self) -> bool:
        """Whether an operand that is used twice is given one of the two parts alone."""
        return any(len(one.texts) > 1 and one.old is None for one in self.added)

    def adding(self, text: str, value: float) -> Iterator[tuple[Edge, NDArray[Any]]]:
        """Yield the uses of what is added to an operand's gradient, with values that add up."""
        for added in (one for one in self.added if text in one.texts):
            left = value - added.rest
            for edge, is_taken_off in added.terms:
                yield edge, np.asarray(-left if is_taken_off else left)
                left = 0.0


def runs_of(point: Point) -> list[Run]:
    """Return the runs of backward functions that the judged call of a gradient makes."""
    whole = [one for one in point.gradient.tape.backward_runs if one.begin >= point.start]
    first: dict[tuple[int, str], float] = {}
    for each in (each for one in whole for each in (*one.steps, one)):
        for name, values in each.numbers.items():
            for attribute, number in values.items():
                first.setdefault((each.objects[name], attribute), number)
    runs: list[Run] = []
    for one in whole:
        steps = [_understood(step, point.nodes, first, is_step=True) for step in one.steps]
        own = steps if any(steps) else [_understood(one, point.nodes, first)]
        runs += (run for run in own if run is not None)
    return runs


def _understood(
    recorded: BackwardRun,
    nodes: Sequence[Node],
    first: Mapping[tuple[int, str], float],
    is_step: bool = False,
) -> Run | None:
    """Return what a run does, or None if it adds to no gradients of single operands."""
    changed = [
        (name, attribute)
        for name, values in recorded.after.items()
        for attribute, index in values.items()
        if index != recorded.before.get(name, {}).get(attribute)
    ]
    gradients = {attribute for _, attribute in changed}
    if len(gradients) != 1 or recorded.end - recorded.begin > LONGEST:
        return None
    (gradient,) = gradients
    operands = [name for name, _ in changed]
    found = _output(recorded, operands, gradient, nodes) or _constant(recorded, operands, gradient)
    if found is None:
        return None
    output, value = found
    after, owners = recorded.after, recorded.objects
    added = []
    for owner, names in grouped((owners[name], name) for name in operands).items():
        index, name = after[names[0]].get(value), f"{names[0]}.{gradient}"
        if index is not None and index < recorded.begin:
            before, end = recorded.before[names[0]].get(gradient), after[names[0]][gradient]
            number = recorded.numbers[names[0]].get(gradient)
            sums = _sum(recorded, nodes, end, number if before is None else Reference(before))
            texts = tuple(f"{name}.{value}" for name in names)
            left_over = first.get((owner, gradient), 0.0)
            added.append(Added(texts, owner, index, name, before, left_over, end, *sums))
    made, arriving = after[output].get(value), after[output].get(gradient)
    own = f"{output}.{value}", f"{output}.{gradient}"
    arrives = recorded.numbers[output].get(gradient, 1.0)
    if not added:
        return None
    use = _use(nodes, made, added[0].value) if is_step and made is not None else None
    return Run(recorded, owners[output], made, *own, arriving, arrives, tuple(added), is_step, use)


def _use(nodes: Sequence[Node], output: int, operand: int) -> tuple[int, int] | None:
    """Return the last operation that uses an operand in the function that makes the output."""
    for made in islice(latest_first(nodes, [output]), LONGEST):
        positions = made.positions(operand)
        if positions and made.chain[1:] == nodes[output].chain[1:]:
            return made.index, positions[0]
    return None


def _output(
    recorded: BackwardRun, operands: Sequence[str], gradient: str, nodes: Sequence[Node]
) -> tuple[str, str] | None:
    """Return the name of the output and the attribute for values, if the operands make it."""
    others = [
        (index, name, attribute)
        for name, values in recorded.after.items()
        for attribute, index in values.items()
        if name not in operands and attribute != gradient and index < recorded.begin
    ]
    for index, name, attribute in sorted(others):  # the loss, far away, is made of all operands
        every = (recorded.after[one].get(attribute) for one in operands)
        given = {one for one in every if one is not None}
        lowest = min(given, default=index + 1)
        for made in latest_first(nodes, [index]):
            if made.index in given:
                return name, attribute
            if made.index < lowest:
                break
    return None


def _constant(
    recorded: BackwardRun, operands: Sequence[str], gradient: str
) -> tuple[str, str] | None:
    """Return the same if the output's value is a constant."""
    of_operands = {attribute for name in operands for attribute in recorded.after[name]}
    for name, values in recorded.numbers.items():
        has_gradient = gradient in values or gradient in recorded.after[name]
        attributes = [one for one in values if one in of_operands and one != gradient]
        if name not in operands and has_gradient and attributes:
            return name, attributes[0]
    return None


def _sum(
    recorded: BackwardRun, nodes: Sequence[Node], end: int, old: Any
) -> tuple[tuple[tuple[Edge, bool], ...], float, tuple[int, int] | None]:
    """Return the uses of what is added to an `old` gradient, other numbers, and where that is."""
    terms: list[tuple[Edge, bool]] = []
    rest = 0.0
    at: int | None = end
    while at is not None and at >= recorded.begin and nodes[at].operation in SUMS:
        arguments = nodes[at].arguments
        is_taken_off = nodes[at].operation == "subtract"
        for position in (0,) if is_taken_off else (0, 1):
            own = arguments[position]
            if isinstance(own, Reference | int | float) and own == old:
                added = arguments[1 - position]
                found = (at, position)
                break
        else:
            added, found = arguments[1], None
        if isinstance(added, Reference):
            terms.append(((at, added.index), is_taken_off))
        else:
            rest += -added if is_taken_off else added
        if found is not None:
            return tuple(terms), rest, found
        at = arguments[0].index if isinstance(arguments[0], Reference) else None
    return (), 0.0, None
