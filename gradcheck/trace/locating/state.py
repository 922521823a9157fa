"""The gradient's tape and its values at all points, with the mends so far, and partial reruns."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import or_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.differences import Replaced
from gradcheck.trace.adjoints.movements import Movements
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.outputs import Output, outputs_of, provenance
from gradcheck.trace.record.graph import bits_of, evaluate, masks_of, users_of
from gradcheck.trace.record.nodes import OUTPUT, Node

Values = list[NDArray[Any]]


@dataclass(frozen=True)
class Replacement:
    """New values for nodes, or for single uses of nodes, at one point.

    The new value of a use is seen by that operation only.
    """

    nodes: Mapping[int, NDArray[Any]] = field(default_factory=dict)
    uses: Mapping[Edge, NDArray[Any]] = field(default_factory=dict)

    @property
    def starts(self) -> list[int]:
        """The first nodes that see a new value."""
        return [*self.nodes, *(consumer for consumer, _ in self.uses)]


@dataclass(frozen=True)
class State:
    """The tape of the gradient at all points.

    Attributes:
        nodes: the tape, by point; mended values are leaves.
        values: by point and node.
        outputs: the parts of the gradients that are judged.
        start: the position on the tape at which the judged call began.
        mended: the nodes with replaced values.
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
        """For each value, as bits, the values that it is computed from, and itself."""
        return masks_of(self.tape)

    def at(self, index: int) -> list[NDArray[Any]]:
        """Return a value, by point."""
        return [values[index] for values in self.values]

    def outputs_made_of(self, names: Container[str]) -> int:
        """Return, as bits, the values from which the outputs of these names are computed."""
        masks = (self.above[output.node] for output in self.outputs if output.name in names)
        return reduce(or_, masks, 0)

    @cached_property
    def makes_right_entries(self) -> int:
        """The values from which right entries of the wrong outputs are computed, as bits."""
        right: set[int] = set()
        wrong = self.wrong()
        for output in self.outputs:
            part, true = output.part(self.values[0][output.node]), output.true[0]
            if output.name in wrong and part.shape == true.shape:
                origins = np.ravel(output.part(provenance(self.tape, output.node))).astype(int)
                off = np.abs(np.ravel(part - true)) > output.tolerance * output.scale[0]
                right |= set(origins[~off].tolist()) - set(origins[off].tolist())
        return reduce(or_, (self.above[index] for index in right), 0)

    def writes_to(self, names: Container[str]) -> list[Node]:
        """Return the user's assignments to entries of arrays that the named outputs depend on.

        One whose value has been put right is none.
        """
        above = self.outputs_made_of(names)
        writes = (one for one in self.tape if one.name == "setitem" and one.chain and one.function)
        return [node for node in writes if above >> node.index & 1]

    @cached_property
    def live(self) -> int:
        """The values that any output depends on, as bits."""
        return self.outputs_made_of({output.name for output in self.outputs})

    @cached_property
    def live_consumers(self) -> list[list[int]]:
        """The operations that use each value and on which any output depends."""
        is_live = bits_of(self.live, len(self.tape))
        return [[user for user in users if is_live[user]] for users in self.consumers]

    def below(self, starts: Iterable[int], unused: bool = False) -> list[int]:
        """Return the starts and all values between them and an output, in order.

        With `unused`, also return the values made of them that no output depends on.
        """
        consumers = self.consumers if unused else self.live_consumers
        reached = set(starts)
        pending = list(reached)
        while pending:
            new = [user for user in consumers[pending.pop()] if user not in reached]
            reached.update(new)
            pending += new
        return sorted(reached)

    def is_only_compared(self, users: Iterable[int]) -> bool:
        """True if what these operations use reaches the outputs through comparisons alone."""
        pending = [user for user in users if self.live >> user & 1]
        seen, is_compared = set(pending), False
        while pending:
            user = pending.pop()
            if self.tape[user].value.dtype == bool:
                is_compared = True
                continue
            if self.tape[user].name == OUTPUT:
                return False
            new = {one for one in self.consumers[user] if self.live >> one & 1} - seen
            seen |= new
            pending += new
        return is_compared

    @cached_property
    def movements(self) -> tuple[Movements, ...]:
        """By point, the cache of the origins of moved entries."""
        return tuple({} for _ in self.nodes)

    def run(self, point: int, replacement: Replacement, order: Iterable[int]) -> Values | None:
        """Return all values after executing `order` again with replacements; None if it raises."""
        try:
            return self._run(point, replacement, order)
        except Exception:  # the user's functions may be among them
            return None

    def _run(self, point: int, replacement: Replacement, order: Iterable[int]) -> Values:
        values = list(self.values[point])
        nodes = self.nodes[point]
        for index, value in replacement.nodes.items():
            values[index] = value
        uses: dict[int, dict[int, NDArray[Any]]] = {}
        for (consumer, operand), value in replacement.uses.items():
            uses.setdefault(consumer, {})[operand] = value
        for index in order:
            node = nodes[index]
            if index not in replacement.nodes and not node.is_leaf:
                used = Replaced(values, uses[index]) if index in uses else values
                values[index] = evaluate(node, used)
        return values

    def mended_by(
        self, replacements: Sequence[Replacement], wrong: frozenset[str]
    ) -> frozenset[str]:
        """Return the wrong outputs that become right at all points; none if a right one is lost.

        None as well if they are to be 0, and others that are not stay wrong.
        """
        order = self.below(replacements[0].starts)
        changed = set(order)
        affected = [output for output in self.outputs if output.node in changed]
        mended = wrong
        for point, replacement in enumerate(replacements):
            values = self.run(point, replacement, order)
            if values is None:
                return frozenset()
            right = {out.name for out in affected if out.is_right(point, values[out.node])}
            mended &= right
            if not mended or any(output.name not in right | wrong for output in affected):
                return frozenset()
        return mended if self.are_nothing(wrong) or not self.are_nothing(mended) else frozenset()

    def are_nothing(self, names: frozenset[str]) -> bool:
        """Whether these outputs are to be 0: whatever makes an adjoint 0 mends them."""
        return all(output.is_nothing for output in self.outputs if output.name in names)

    def wrong(self) -> frozenset[str]:
        """Return the names of the outputs that are wrong at the first point."""
        return frozenset(
            output.name
            for output in self.outputs
            if not output.is_right(0, self.values[0][output.node])
        )

    def misshapen(self) -> frozenset[str]:
        """Return the names of the outputs that have another shape than their blocks."""
        return frozenset(
            output.name
            for output in self.outputs
            if not output.has_shape(self.values[0][output.node])
        )

    def mend(self, replacements: Sequence[Replacement]) -> State:
        """Return the state with the replacements, one for each point, made permanent.

        Values that no output depends on may be what belongs in a wrong place: they change as well.
        """
        order, every = (self.below(replacements[0].starts, unused) for unused in (False, True))
        values = tuple(
            self.run(point, each, every) or self._run(point, each, order)
            for point, each in enumerate(replacements)
        )
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
    """Return the state with nothing mended; blocks that are not `wrong` must stay as they are."""
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
    """Take the present values of an output for the right ones."""
    values = tuple(output.part(point.nodes[output.node].value) for point in points)
    return replace(output, true=values)
