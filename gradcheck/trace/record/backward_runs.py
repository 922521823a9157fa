"""Note what the functions that go back through an operation change: closures, and `backward`."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import CodeType, FrameType, ModuleType
from typing import Any

from gradcheck.trace.record.nodes import BackwardRun, Tape
from gradcheck.trace.record.recording import node_of
from gradcheck.trace.record.sources import parsed, text_of
from gradcheck.trace.record.storage import Traced
from gradcheck.user.objects import attributes

BACKWARD = re.compile(r"(?i)back|grad|adjoint")
"""Names of methods that go back through an operation."""

MOST_ITEMS = 8
"""The items of a list that are looked at, as of an operation's operands."""


@dataclass(frozen=True)
class _Values:
    """The numbers that an object holds: those of the tape by index, and others."""

    traced: Mapping[str, int]
    plain: Mapping[str, float]


_Begun = tuple[int, dict[int, _Values]]
"""The number of operations at the beginning of a run, and what objects hold there, by their ids."""


class BackwardRuns:
    """The runs that are under way, by the id of their frames."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._begun: dict[int, _Begun] = {}
        self._under_way: dict[int, _Begun] = {}
        self._steps: dict[int, list[BackwardRun]] = {}

    def begin(self, frame: FrameType) -> None:
        """Note what the objects hold that a function refers to when it begins."""
        self._begun[id(frame)] = self._noted(_objects(frame))

    def go_on(self, frame: FrameType, event: str, updates: Container[int]) -> None:
        """Note the step of a loop that ends, and the one that begins; at last the whole run."""
        step = self._under_way.pop(id(frame), None)
        if step is not None:
            run = self._run(frame, step, _named(_locals(frame)))
            self._steps.setdefault(id(frame), []).extend(() if run is None else (run,))
        if event == "line" and frame.f_lineno in updates:
            self._under_way[id(frame)] = self._noted(_locals(frame))
        if event == "return":
            self._end(frame)

    def _end(self, frame: FrameType) -> None:
        begun, steps = self._begun.pop(id(frame), None), self._steps.pop(id(frame), [])
        run = None if begun is None else self._run(frame, begun, _named(_objects(frame)))
        if run is None and steps:
            run = BackwardRun(frame.f_code, steps[0].begin, steps[-1].end, {}, {}, {}, {})
        if run is not None:
            self._tape.backward_runs.append(replace(run, steps=tuple(steps)))

    def _noted(self, objects: Iterable[tuple[str, Any]]) -> _Begun:
        return len(self._tape.nodes), {id(value): self._values(value) for _, value in objects}

    def _run(self, frame: FrameType, begun: _Begun, named: Mapping[str, Any]) -> BackwardRun | None:
        """Return a run that ends; None if it has changed no object."""
        begin, held = begun
        nothing = _Values({}, {})
        after = {name: self._values(value) for name, value in named.items()}
        before = {name: held.get(id(value), nothing) for name, value in named.items()}
        if after == before:
            return None
        return BackwardRun(
            frame.f_code,
            begin,
            len(self._tape.nodes),
            {name: values.traced for name, values in before.items()},
            {name: values.traced for name, values in after.items()},
            {name: values.plain for name, values in before.items()},
            {name: id(value) for name, value in named.items()},
        )

    def _values(self, value: Any) -> _Values:
        own = attributes(value).items()
        return _Values(
            {name: node_of(self._tape, one) for name, one in own if isinstance(one, Traced)},
            {name: one for name, one in own if type(one) in (int, float)},
        )


def updates_of(code: CodeType) -> frozenset[int]:
    """Return the lines of loops that update attributes, of a closure or a function of that name.

    In such a loop one function goes back through all operations, by slopes that these have kept.
    """
    if not code.co_freevars and not BACKWARD.search(code.co_name):
        return frozenset()
    own = {line for _, _, line in code.co_lines() if line is not None}
    return _updates(text_of(code.co_filename)) & own


@lru_cache(maxsize=64)
def _updates(text: str) -> frozenset[int]:
    """Return the lines in which loops of a source text update the attributes of variables."""
    return frozenset(
        one.lineno
        for loop in ast.walk(parsed(text))
        if isinstance(loop, ast.For)
        for one in ast.walk(loop)
        if isinstance(one, ast.Assign | ast.AugAssign)
        for target in (one.targets if isinstance(one, ast.Assign) else [one.target])
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
    )


def goes_back(code: CodeType) -> bool:
    """Whether a function may go back through an operation: a closure, or a method of that name."""
    is_method = code.co_argcount > 0 and code.co_varnames[0] == "self"
    return bool(code.co_freevars) or (is_method and bool(BACKWARD.search(code.co_name)))


def _named(objects: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return objects by their names; local names come before others."""
    every = list(objects)
    local = {id(value) for name, value in every if name.isidentifier()}
    return {name: value for name, value in every if name.isidentifier() or id(value) not in local}


def _locals(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Yield the objects with attributes that the variables of a function hold, and their names."""
    yield from ((name, value) for name, value in frame.f_locals.items() if _has_attributes(value))


def _objects(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Yield the objects with attributes that a function refers to, and the names for them."""
    values, free = frame.f_locals, frame.f_code.co_freevars
    if free:
        named = [(name, values[name]) for name in free if name in values]
    else:
        named = [*values.items(), *_held_by(values["self"])]
    yield from ((name, value) for name, value in named if _has_attributes(value))


def _held_by(owner: Any) -> Iterator[tuple[str, Any]]:
    for attribute, value in attributes(owner).items():
        if type(value) in (list, tuple):
            items = enumerate(value[:MOST_ITEMS])
            yield from ((f"self.{attribute}[{at}]", item) for at, item in items)
        else:
            yield f"self.{attribute}", value


def _has_attributes(value: Any) -> bool:
    if isinstance(value, Traced | ModuleType):
        return False
    return isinstance(getattr(value, "__dict__", None), dict) or hasattr(value, "__slots__")
