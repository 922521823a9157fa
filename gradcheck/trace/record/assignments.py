"""Record plain assignments such as `dxhat = dout`, which are no operations but name a value.

The assignments of each function are found in its source. While the function runs, the assigned
value is read as soon as the next line begins.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from gradcheck.trace.record.backward_runs import BackwardRuns, goes_back, updates_of
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.nodes import HANDED, PLAIN, RETURNED, Assignment, Tape
from gradcheck.trace.record.places import Place, arguments_of
from gradcheck.trace.record.recording import is_noted, node_of
from gradcheck.trace.record.sources import parsed, text_of
from gradcheck.trace.record.storage import Traced
from gradcheck.user.calls import is_users_file
from gradcheck.user.objects import attributes


@contextmanager
def assignments_noted(tape: Tape) -> Iterator[None]:
    """Record plain assignments of this thread, unless a debugger uses the trace hook."""
    if sys.gettrace() is not None:
        yield
        return
    tape.hook = _Watch(tape).entered
    sys.settrace(tape.hook)
    try:
        yield
    finally:
        tape.hook = None
        sys.settrace(None)


class _Code(NamedTuple):
    """What is known of a code object, which is kept alive, so that its id is unique."""

    code: CodeType
    has_names: bool
    goes_back: bool
    updates: frozenset[int]
    given: tuple[str, ...]


class _Watch:
    """The trace hooks of one run."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.last: dict[int, int] = {}
        self.files: dict[str, Statements] = {}
        self.codes: dict[int, _Code] = {}
        self.backward_runs = BackwardRuns(tape)

    def statements(self, file: str) -> Statements:
        """Return the plain assignments of a file, which is read once per run."""
        if file not in self.files:
            self.files[file] = plain_assignments(text_of(file))
        return self.files[file]

    def entered(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        known = self.codes.get(id(code)) or self._read(code)
        for name in known.given:
            self._note(frame, code.co_firstlineno, name, (0, 0), HANDED)
        has_lines = known.has_names or bool(known.updates)
        if known.goes_back:
            self.backward_runs.begin(frame)
            frame.f_trace_lines = has_lines
        return self.line if has_lines or known.goes_back else None

    def _read(self, code: CodeType) -> _Code:
        if is_users_file(code.co_filename):
            known = _Code(
                code, self._has_any(code), goes_back(code), updates_of(code), arguments_of(code)
            )
        else:
            known = _Code(code, False, False, frozenset(), ())
        self.codes[id(code)] = known
        return known

    def _has_any(self, code: CodeType) -> bool:
        statements = self.statements(code.co_filename)
        return any(first in statements for _, _, first in code.co_lines())

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        previous = self.last.pop(id(frame), None)
        if previous is not None:
            for named in self.statements(frame.f_code.co_filename)[previous]:
                self._note(frame, previous, *named)
        self.backward_runs.go_on(frame, event, self.codes[id(frame.f_code)].updates)
        if event == "line" and frame.f_lineno in self.statements(frame.f_code.co_filename):
            self.last[id(frame)] = frame.f_lineno
        return self.line

    def _note(
        self, frame: FrameType, line: int, target: str, columns: tuple[int, int], how: str
    ) -> None:
        code = frame.f_code
        name, *steps = target.split(".")
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        for step in steps:  # of the object itself: a property would be run
            value = attributes(value).get(step)
        is_followed = isinstance(value, Traced) and self.tape.open
        if is_followed and (how != HANDED or is_noted(self.tape, value)):
            place = Place(code.co_filename, line, line, *columns, code.co_name)
            node, position = node_of(self.tape, value), len(self.tape.nodes)
            callers = self.tape.calls.callers_of(frame)
            self.tape.names.append(Assignment(node, place, target, code, position, how, callers))


NAMED = re.compile(r"\w+(\.\w+)*")

Statements = dict[int, list[tuple[str, tuple[int, int], str]]]
"""By line, for each name that a value gets without an operation: it, its columns, and how."""


@lru_cache(maxsize=64)
def plain_assignments(text: str) -> Statements:
    """Return the plain assignments, loops and unpackings of a source text."""
    return grouped(
        (at.lineno, (name, (at.col_offset, at.end_col_offset or 0), how))
        for statement in ast.walk(parsed(text))
        for name, at, how in _named(statement)
    )


def _named(statement: ast.AST) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    """Yield the names that values have after a statement, their places, and how they got them.

    A value that is put into a dict or a list has the name that it had.
    """
    if isinstance(statement, ast.Dict):
        yield from ((one.id, one, PLAIN) for one in statement.values if isinstance(one, ast.Name))
    elif isinstance(statement, ast.Return) and statement.value is not None:
        value = statement.value
        for one in value.elts if isinstance(value, ast.Tuple) else [value]:
            if NAMED.fullmatch(text := ast.unparse(one)):
                yield text, one, RETURNED
    elif isinstance(statement, ast.For):
        parts = (one for one in ast.walk(statement.target) if isinstance(one, ast.Name))
        yield from ((one.id, one, HANDED) for one in parts)
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Tuple) and not isinstance(statement.value, ast.Tuple):
                parts = (one for one in ast.walk(target) if isinstance(one, ast.Name))
                yield from ((one.id, one, HANDED) for one in parts)
            if isinstance(target, ast.Subscript) and isinstance(statement.value, ast.Name):
                yield statement.value.id, statement.value, PLAIN
            if isinstance(target, ast.Name) and isinstance(statement.value, ast.List | ast.Tuple):
                parts = (one for one in statement.value.elts if isinstance(one, ast.Name))
                yield from ((one.id, one, PLAIN) for one in parts)
            for name, value in _pairs(target, statement.value):
                if isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
                    yield name.id, statement, PLAIN


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.Name, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target, value
    elif (
        isinstance(target, ast.Tuple)
        and isinstance(value, ast.Tuple)
        and len(target.elts) == len(value.elts)
    ):
        for inner, part in zip(target.elts, value.elts, strict=True):
            yield from _pairs(inner, part)
