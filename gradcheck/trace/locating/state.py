"""The gradient's values at all points, as far as they are mended, and doing parts of it again."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import or_
from typing import Any

from numpy.typing import NDArray

from gradcheck.trace.adjoints.operations import Movements
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.outputs import Output, outputs_of
from gradcheck.trace.record.graph import evaluate, masks_of, users_of
from gradcheck.trace.record.nodes import Node

Values = list[NDArray[Any]]


@dataclass(frozen=True)
class Replacement:
    """Other values for nodes, or for single uses of them, at one point.

    Of a use, only that operation sees the other value.
    """

    nodes: Mapping[int, NDArray[Any]] = field(default_factory=dict)
    uses: Mapping[Edge, NDArray[Any]] = field(default_factory=dict)

    @property
    def starts(self) -> list[int]:
        """The nodes from which on values change."""
        return [*self.nodes, *(consumer for consumer, _ in self.uses)]


@dataclass(frozen=True)
class State:
    """The tape of the gradient at all points.

    Attributes:
        nodes: by point; what has been mended is a leaf.
        values: by point and node.
        outputs: the parts of the gradients that are judged.
        start: where on the tape the judged call began.
        mended: the nodes that have got other values.
    """

    nodes: tuple[Sequence[Node], ...]
    values: tuple[Values, ...]
    outputs: tuple[Output, ...]
    start: int
    mended: frozenset[int] = frozenset()

    @property
    def points(self) -> range:
        """The numbers of the points."""
        return range(len(self.nodes))

    @property
    def tape(self) -> Sequence[Node]:
        """The nodes at the first point, where the structure is read."""
        return self.nodes[0]

    @cached_property
    def consumers(self) -> list[list[int]]:
        """The operations that use each value."""
        return users_of(self.tape)

    @cached_property
    def above(self) -> list[int]:
        """The values that each value is made of, and itself, as bits."""
        return masks_of(self.tape)

    def at(self, index: int) -> list[NDArray[Any]]:
        """A value, by point."""
        return [values[index] for values in self.values]

    def outputs_made_of(self, names: Container[str]) -> int:
        """The values that outputs of these names are made of, as bits."""
        masks = (self.above[one.node] for one in self.outputs if one.name in names)
        return reduce(or_, masks, 0)

    def writes_to(self, names: Container[str]) -> list[Node]:
        """The statements of the user's that write entries of what outputs are made of."""
        above = self.outputs_made_of(names)
        writes = (one for one in self.tape if one.name == "setitem" and one.chain)
        return [one for one in writes if above >> one.index & 1]

    @cached_property
    def live(self) -> int:
        """The values that any output is made of, as bits."""
        return self.outputs_made_of({output.name for output in self.outputs})

    def below(self, starts: Iterable[int]) -> list[int]:
        """What some output is made of and changes when the starts do, in order, with them."""
        live = self.live
        reached = set(starts)
        pending = list(reached)
        while pending:
            for user in self.consumers[pending.pop()]:
                if user not in reached and live >> user & 1:
                    reached.add(user)
                    pending.append(user)
        return sorted(reached)

    @cached_property
    def movements(self) -> tuple[Movements, ...]:
        """By point, where entries come from, as far as it was asked for."""
        return tuple({} for _ in self.nodes)

    def run(self, point: int, replacement: Replacement, order: Iterable[int]) -> Values | None:
        """The values with replacements, done again in the order given; None if that raises."""
        try:
            return self._run(point, replacement, order)
        except Exception:  # the user's functions may be among them
            return None

    def _run(self, point: int, replacement: Replacement, order: Iterable[int]) -> Values:
        values = list(self.values[point])
        nodes = self.nodes[point]
        for index, value in replacement.nodes.items():
            values[index] = value
        uses: dict[int, list[tuple[int, NDArray[Any]]]] = {}
        for (consumer, operand), value in replacement.uses.items():
            uses.setdefault(consumer, []).append((operand, value))
        for index in order:
            node = nodes[index]
            if index in replacement.nodes or node.is_leaf:
                continue
            if index not in uses:
                values[index] = evaluate(node, values)
                continue
            kept = [(operand, values[operand]) for operand, _ in uses[index]]
            for operand, value in uses[index]:
                values[operand] = value
            values[index] = evaluate(node, values)
            for operand, value in kept:
                values[operand] = value
        return values

    def mended_by(
        self, replacements: Sequence[Replacement], wrong: frozenset[str]
    ) -> frozenset[str]:
        """The wrong outputs that become right at all points; none if it spoils a right one."""
        order = self.below(replacements[0].starts)
        changed = set(order)
        hit = [output for output in self.outputs if output.node in changed]
        mended = wrong
        for point, replacement in enumerate(replacements):
            done = self.run(point, replacement, order)
            if done is None:
                return frozenset()
            right = {output.name for output in hit if output.is_right(point, done[output.node])}
            mended &= right
            if not mended or any(output.name not in right | wrong for output in hit):
                return frozenset()
        return mended

    def wrong(self) -> frozenset[str]:
        """The names of the outputs that are wrong at the first point."""
        return frozenset(
            output.name
            for output in self.outputs
            if not output.is_right(0, self.values[0][output.node])
        )

    def mend(self, replacements: Sequence[Replacement]) -> State:
        """The state with replacements put in for good."""
        order = self.below(replacements[0].starts)
        values = tuple(self._run(point, one, order) for point, one in enumerate(replacements))
        fixed = frozenset(replacements[0].starts)
        nodes = tuple(
            [
                replace(node, function=None, operands=()) if node.index in fixed else node
                for node in tape
            ]
            for tape in self.nodes
        )
        return State(nodes, values, self.outputs, self.start, self.mended | fixed)


def state_of(points: Sequence[Point], tolerance: float, wrong: Sequence[str]) -> State:
    """Where nothing is mended yet; what the blocks that are not wrong are, they must stay."""
    outputs = tuple(
        output if output.block in wrong else _as_it_is(output, points)
        for output in outputs_of(points, tolerance)
    )
    return State(
        tuple(point.nodes for point in points),
        tuple([node.value for node in point.nodes] for point in points),
        outputs,
        points[0].start,
    )


def _as_it_is(output: Output, points: Sequence[Point]) -> Output:
    """An output that the numbers call right: it must stay as it is."""
    values = tuple(output.part(point.nodes[output.node].value) for point in points)
    return replace(output, true=values)
