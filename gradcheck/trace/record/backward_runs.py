"""Note what the functions that go back through an operation change: closures, and `backward`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType, ModuleType
from typing import Any

from gradcheck.trace.record.nodes import BackwardRun, Tape
from gradcheck.trace.record.recording import node_of
from gradcheck.trace.record.storage import Traced

BACKWARD = re.compile(r"(?i)back|grad|adjoint")
"""Names of methods that go back through an operation."""

MOST_ITEMS = 8
"""The items of a list that are looked at, as of an operation's operands."""


@dataclass(frozen=True)
class _Values:
    """The numbers that an object holds: those of the tape by index, and others."""

    traced: Mapping[str, int]
    plain: Mapping[str, float]


class BackwardRuns:
    """The runs that are under way, by the id of their frames."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._begun: dict[int, tuple[int, dict[int, _Values]]] = {}

    def begin(self, frame: FrameType) -> None:
        """Note what the objects hold that a function refers to when it begins."""
        held = {id(value): self._values(value) for _, value in _objects(frame)}
        self._begun[id(frame)] = len(self._tape.nodes), held

    def end(self, frame: FrameType) -> None:
        """Note the run of a function that ends, if it has changed an object."""
        begun = self._begun.pop(id(frame), None)
        if begun is None:
            return
        begin, held = begun
        named, nothing = _named(frame), _Values({}, {})
        after = {name: self._values(value) for name, value in named.items()}
        before = {name: held.get(id(value), nothing) for name, value in named.items()}
        if after != before:
            run = BackwardRun(
                frame.f_code,
                begin,
                len(self._tape.nodes),
                {name: values.traced for name, values in before.items()},
                {name: values.traced for name, values in after.items()},
                {name: values.plain for name, values in before.items()},
                {name: id(value) for name, value in named.items()},
            )
            self._tape.backward_runs.append(run)

    def _values(self, value: Any) -> _Values:
        own = vars(value).items()
        return _Values(
            {name: node_of(self._tape, one) for name, one in own if isinstance(one, Traced)},
            {name: one for name, one in own if type(one) in (int, float)},
        )


def goes_back(code: CodeType) -> bool:
    """Whether a function may go back through an operation: a closure, or a method of that name."""
    is_method = code.co_argcount > 0 and code.co_varnames[0] == "self"
    return bool(code.co_freevars) or (is_method and bool(BACKWARD.search(code.co_name)))


def _named(frame: FrameType) -> dict[str, Any]:
    """Return the objects that a function refers to, by name; local names come before others."""
    objects = list(_objects(frame))
    local = {id(value) for name, value in objects if name.isidentifier()}
    return {name: value for name, value in objects if name.isidentifier() or id(value) not in local}


def _objects(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Yield the objects with attributes that a function refers to, and the names for them."""
    values, free = frame.f_locals, frame.f_code.co_freevars
    named = [(name, values[name]) for name in free or values if name in values]
    if not free:
        named += _held_by(values["self"])
    yield from ((name, value) for name, value in named if _has_attributes(value))


def _held_by(owner: Any) -> Iterator[tuple[str, Any]]:
    for attribute, value in getattr(owner, "__dict__", {}).items():
        if type(value) in (list, tuple):
            items = enumerate(value[:MOST_ITEMS])
            yield from ((f"self.{attribute}[{at}]", item) for at, item in items)
        else:
            yield f"self.{attribute}", value


def _has_attributes(value: Any) -> bool:
    if isinstance(value, Traced | ModuleType):
        return False
    return isinstance(getattr(value, "__dict__", None), dict)
