"""Which values and operations belong to one run of an engine's backward function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

from gradcheck.arrays import mapped
from gradcheck.trace.locating.engines import Run
from gradcheck.trace.record.nodes import Node, Reference, operands_of
from gradcheck.trace.record.places import Chain


@dataclass(frozen=True)
class Layout:
    """The values of a run, by their indices on the tape.

    Attributes:
        run: the run.
        given: the values that it is given: those of the operands, what arrives, and others.
        forward: the operations that make the output.
        outside: the number of calls outside of the function that makes the output, and outside of
            the one that goes back.
        numbers: the arguments that are numbers, and not the same in all runs: the index of the
            operation, and the position among its arguments.
    """

    run: Run
    given: tuple[int | None, ...]
    forward: tuple[int, ...]
    outside: tuple[int, int]
    numbers: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, run: Run, nodes: Sequence[Node]) -> Layout | None:
        """Return the layout of a run; None if its function does not make the output."""
        if run.output is None:
            return None
        code, made = run.recorded.code, nodes[run.output].chain
        around = next((one.code for one in made if _belong_together(one.code, code)), None)
        if around is None and run.is_step and made:
            around = made[0].code
        outer, outside = _outside(made, around), _outside(nodes[run.recorded.begin].chain, code)
        operands = [one.value for one in run.added]
        if outer is None and run.output in operands:
            outer = ()
        if outer is None or outside is None or len(set(operands)) < len(operands):
            return None
        given: list[int | None] = [*operands, run.arriving]
        known, forward = set(given), set[int]()
        pending = [run.output, *_used(run, nodes)]
        while pending:
            index = pending.pop()
            if index in known:
                continue
            known.add(index)
            if around is not None and _outside(nodes[index].chain, around) == outer:
                forward.add(index)
                pending += nodes[index].operands
            else:
                given.append(index)
        return cls(run, tuple(given), tuple(sorted(forward)), (len(outer), len(outside)))

    @cached_property
    def backward(self) -> range:
        """The operations of the backward function."""
        return range(self.run.recorded.begin, self.run.recorded.end)

    @cached_property
    def places(self) -> dict[Any, int]:
        """The position of each value on the tape of the small check."""
        members = (*self.given, *self.numbers, *self.forward, *self.backward)
        return {index: at for at, index in enumerate(members) if index is not None}

    def at(self, place: int) -> int:
        """Return the index of the operation at a place on the tape of the small check."""
        place -= len(self.given) + len(self.numbers)
        count = len(self.forward)
        return self.forward[place] if place < count else self.backward[place - count]

    def arguments(self, node: Node) -> list[Any]:
        """Return the arguments of an operation; a gradient from before a sum is left out."""
        old = {one.old for one in self.run.added}
        own = enumerate(node.arguments)
        return [0.0 if (node.index, at) in old else argument for at, argument in own]

    def signature(self, nodes: Sequence[Node]) -> tuple[Any, ...]:
        """Return what is the same for runs that do the same operations."""

        def shown(argument: Any) -> Any:
            if isinstance(argument, Reference):
                return "value", self.places[argument.index]
            return "number" if isinstance(argument, int | float) else repr(argument)

        given = (
            tuple(one.texts for one in self.run.added),
            tuple(index is None for index in self.given),
        )
        made = []
        for node in (nodes[index] for index in (*self.forward, *self.backward)):
            arguments = mapped(shown, [self.arguments(node), dict(node.keywords)])
            made.append((node.name, node.chain[:1], node.value.dtype.kind, repr(arguments)))
        return (*given, self.places[self.run.output], *made)


def _belong_together(forward: CodeType, backward: CodeType) -> bool:
    """True if a function defines another one, or both are methods of one class."""
    owner, _, _ = backward.co_qualname.rpartition(".")
    is_method = owner != "" and not owner.endswith("<locals>")
    return backward in forward.co_consts or (
        is_method and forward.co_qualname.rpartition(".")[0] == owner
    )


def _used(run: Run, nodes: Sequence[Node]) -> Iterator[int]:
    """Yield the values that the operations of a run use, without gradients from before."""
    old = {one.old for one in run.added}
    for node in nodes[run.recorded.begin : run.recorded.end]:
        for at, argument in enumerate(node.arguments):
            if (node.index, at) not in old:
                yield from (one for one in operands_of([argument]) if one < run.recorded.begin)
        yield from (one for one in operands_of(dict(node.keywords)) if one < run.recorded.begin)


def _outside(chain: Chain, code: CodeType | None) -> Chain | None:
    """Return the calls outside of a function, the innermost first; None if it is not called."""
    depth = next((depth for depth, call in enumerate(chain) if call.code is code), None)
    return None if depth is None else chain[depth + 1 :]
