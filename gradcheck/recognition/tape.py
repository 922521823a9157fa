"""The tape of the user's loss: which of its values hold parameters, and which depend on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.recognition.placed import Positions
from gradcheck.trace import subject_of_problem
from gradcheck.trace.adjoints.movements import positions_through
from gradcheck.trace.adjoints.points import trace_loss
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.user.problem import Problem

DATA = Reference | np.ndarray | np.number | int | float

MOST_VALUES = 2**16
"""The most values that are recorded, which takes about a second."""


@dataclass(frozen=True)
class LossTape:
    """The recorded computation of the loss at the user's point.

    Attributes:
        nodes: the values that the loss computed.
        starts: by the index of a block's leaf node, the position of the block's first entry in the
            concatenation of all blocks.
        whole: whether the record is complete.
    """

    nodes: list[Node]
    starts: Mapping[int, int]
    whole: bool
    _origins: dict[int, Positions | None] = field(default_factory=dict)

    @cached_property
    def dependent(self) -> frozenset[int]:
        """The indices of the nodes that depend on a parameter."""
        indices: set[int] = set(self.starts)
        for node in self.nodes:
            if not indices.isdisjoint(node.operands):
                indices.add(node.index)
        return frozenset(indices)

    @cached_property
    def users(self) -> Mapping[int, list[Node]]:
        """The nodes that use a node, by its index."""
        users: dict[int, list[Node]] = {}
        for node in self.nodes:
            for operand in node.operands:
                users.setdefault(operand, []).append(node)
        return users

    def value(self, argument: Any) -> NDArray[Any]:
        """The value of an argument of an operation."""
        if isinstance(argument, Reference):
            return self.nodes[argument.index].value
        return np.asarray(argument)

    def depends(self, argument: Any) -> bool:
        """Whether an argument depends on a parameter."""
        return isinstance(argument, Reference) and argument.index in self.dependent

    def origin(self, argument: Any) -> Positions | None:
        """The positions of the parameters that an argument consists of; None if it is computed."""
        if not self.depends(argument):
            return None
        index = argument.index
        if index not in self._origins:
            self._origins[index] = self._origin(self.nodes[index])
        return self._origins[index]

    def _origin(self, node: Node) -> Positions | None:
        if node.index in self.starts:
            start = self.starts[node.index]
            return np.arange(start, start + node.value.size, dtype=np.int32).reshape(
                node.value.shape
            )
        if node.operation not in MOVES:
            return None
        positions, starts = positions_through(node, {i: self.nodes[i].value for i in node.operands})
        if positions is None:
            return None
        table = [np.array([-1], dtype=np.int32)]
        for operand, _ in starts:
            origin = self.origin(Reference(operand))
            if origin is None and operand in self.dependent:
                return None
            if origin is None:
                origin = np.full(self.nodes[operand].value.size, -1, dtype=np.int32)
            table.append(origin.reshape(-1))
        return np.asarray(np.concatenate(table)[positions])

    def constants(self) -> Iterator[NDArray[Any]]:
        """Yields the arrays that do not depend on parameters, the last used first.

        Arguments of operations on parameters come before all others; those that a loop takes for
        one sample after the other are stacked.
        """
        together: dict[object, list[NDArray[Any]]] = {}
        for node in self.nodes:
            if node.index in self.dependent:
                for position, argument in enumerate(_flat(node.arguments)):
                    if isinstance(argument, DATA) and not self.depends(argument):
                        key = (node.place, node.name, position)
                        together.setdefault(key, []).append(self.value(argument))
        for values in reversed(together.values()):
            if len({value.shape for value in values}) == 1:
                yield values[0] if len(values) == 1 else np.stack(values)
        yield from (
            node.value
            for node in reversed(self.nodes)
            if node.index in self.users and node.index not in self.dependent
        )


def follow(problem: Problem) -> LossTape | None:
    """Records the tape of the loss at the user's point; None if the loss raises an exception."""
    parameters = problem.parameters
    trace = trace_loss(subject_of_problem(problem), parameters.values, MOST_VALUES)
    if trace.error is not None:
        return None
    leaves, loss = trace.indices[0]
    sizes = (value.size for value in parameters.values)
    first = dict(zip(parameters.names, accumulate(sizes, initial=0), strict=False))
    starts = {
        index: first[name] if parameters.vector is None else 0
        for name, index in leaves.items()
        if isinstance(index, int)
    }
    if parameters.vector is None:
        values = dict(zip(parameters.names, parameters.values, strict=True))
        for name, index in leaves.items():
            if isinstance(index, int) and trace.nodes[index].value.shape == values[name].shape:
                trace.nodes[index] = replace(trace.nodes[index], value=values[name])  # no copy
    return LossTape(trace.nodes, starts, whole=not trace.leaks and isinstance(loss, int))


def _flat(argument: Any) -> Iterator[Any]:
    if type(argument) in (list, tuple):
        for item in argument:
            yield from _flat(item)
    else:
        yield argument
