"""The finished part of the value that a function would have returned, had it not raised.

It is read from the return statement and the function's variables. An entry counts as finished if no
remaining statement writes to it, and only the return statement uses the object that holds it.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.user.calls import Raised

Scope = Mapping[str, Any]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

CHANGING = {"append", "clear", "extend", "fill", "insert", "pop", "reverse", "sort", "update"}
"""Methods that change their object."""


def returned_so_far(raised: Raised) -> Any:
    """The structure that would have been returned, with None for unfinished entries."""
    for location, scope in zip(raised.frames, raised.locals, strict=False):
        stopped = _Stopped.at(location.file, location.line, scope)
        if stopped is None:
            return None
        made = stopped.of(stopped.returned)
        if not _is_empty(made):
            return made
        if not stopped.hands_through:
            return None
    return None


def is_settled(raised: Raised, holder: Any, attribute: str) -> bool:
    """Whether no remaining statement writes to an object's attribute."""
    for location, scope in zip(raised.frames, raised.locals, strict=False):
        stopped = _Stopped.at(location.file, location.line, scope)
        if stopped is None or stopped.may_write(holder, attribute):
            return False
    return True


def _is_empty(made: Any) -> bool:
    if isinstance(made, Mapping):
        made = list(made.values())
    if isinstance(made, list | tuple):
        return all(map(_is_empty, made))
    return made is None


@dataclass(frozen=True)
class _Stopped:
    """A function that stopped at a line, with its variables."""

    function: Function
    line: int
    scope: Scope
    file: ast.Module

    @classmethod
    def at(cls, file: str, line: int, scope: Scope) -> _Stopped | None:
        try:
            tree = ast.parse("".join(linecache.getlines(file)))
        except (SyntaxError, ValueError):
            return None
        around = [
            node
            for node in ast.walk(tree)
            if isinstance(node, Function) and node.lineno <= line <= (node.end_lineno or 0)
        ]
        innermost = max(around, key=lambda node: (node.lineno, node.col_offset), default=None)
        return None if innermost is None else cls(innermost, line, scope, tree)

    def may_write(self, holder: Any, attribute: str) -> bool:
        """Whether a remaining statement may change an attribute, by any use except in a return.

        In a loop, functions that it calls may add to the attribute again.
        """
        for statement in self._to_come:
            for node in ast.walk(statement):
                if not isinstance(node, ast.Attribute) or node.attr != attribute:
                    continue
                owner = _value(node.value, self.scope)
                adds = isinstance(statement, ast.AugAssign)
                if adds or (
                    (owner is None or owner is holder) and not isinstance(statement, ast.Return)
                ):
                    return True
        return bool(self._loops) and any(
            isinstance(node, ast.AugAssign)
            and any(isinstance(n, ast.Attribute) and n.attr == attribute for n in ast.walk(node))
            for node in ast.walk(self.file)
        )

    @property
    def hands_through(self) -> bool:
        """Whether the function returns the result of the call that raised, unchanged."""
        value = self.returned
        if isinstance(value, ast.Name):
            stores = [
                statement.value
                for statement in self._to_come
                if isinstance(statement, ast.Assign)
                and any(isinstance(t, ast.Name) and t.id == value.id for t in statement.targets)
            ]
            value = stores[0] if len(stores) == 1 else None
        calls = [] if value is None else [n for n in ast.walk(value) if isinstance(n, ast.Call)]
        return len(calls) == 1 and calls[0] is value

    @cached_property
    def returned(self) -> ast.expr | None:
        """The expression of the only remaining return statement, or None."""
        if isinstance(self.function, ast.Lambda):
            return self.function.body
        values = [node.value for node in self._to_come if isinstance(node, ast.Return)]
        return values[0] if len(values) == 1 else None

    @cached_property
    def _loops(self) -> list[ast.For | ast.While]:
        """The loops in which the function stopped."""
        return [
            node
            for node in ast.walk(self.function)
            if isinstance(node, ast.For | ast.While)
            and node.lineno <= self.line <= (node.end_lineno or 0)
        ]

    @cached_property
    def _to_come(self) -> list[ast.stmt]:
        """The remaining statements: unfinished ones, and those that a loop repeats."""
        first = min([self.line, *(loop.lineno for loop in self._loops)])
        return [
            node
            for node in ast.walk(self.function)
            if isinstance(node, ast.stmt)
            and node is not self.function
            and (node.end_lineno or 0) >= first
            and not isinstance(node, ast.If | ast.With | ast.Try)
        ]

    def of(self, value: ast.expr | None) -> Any:
        """The value of a returned expression, with None for unfinished parts."""
        if isinstance(value, ast.Tuple | ast.List):
            return [self.of(item) for item in value.elts]
        if isinstance(value, ast.Dict):
            return {
                key.value: self.of(item)
                for key, item in zip(value.keys, value.values, strict=True)
                if isinstance(key, ast.Constant)
            }
        if isinstance(value, ast.Name) and self._is_left_alone(value.id):
            return self._settled(self.scope.get(value.id))
        return None

    def _is_left_alone(self, name: str) -> bool:
        """Whether the remaining statements only read or write items of a variable, or return it."""
        nodes = [node for statement in self._to_come for node in ast.walk(statement)]
        harmless: set[int] = set()
        for node in nodes:
            if isinstance(node, ast.Return):
                harmless.update(map(id, ast.walk(node)))
            elif (
                isinstance(node, ast.Subscript)
                or (isinstance(node, ast.Attribute) and node.attr not in CHANGING)
                or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript))
            ):
                harmless.add(id(node.value))
        uses = (node for node in nodes if isinstance(node, ast.Name) and node.id == name)
        return all(id(node) in harmless for node in uses)

    def _settled(self, holder: Any) -> Any:
        if isinstance(holder, np.ndarray):
            untouched = not self._writes_into(holder, None)
            return holder if untouched and np.any(holder) else None
        if isinstance(holder, float | np.floating):
            return holder if holder else None
        if isinstance(holder, Mapping):
            return {
                key: None if self._writes_into(holder, key) else self._settled(item)
                for key, item in holder.items()
            }
        if isinstance(holder, list | tuple):
            return [
                None if self._writes_into(holder, index) else self._settled(item)
                for index, item in enumerate(holder)
            ]
        return None

    def _writes_into(self, holder: Any, key: Any) -> bool:
        """Whether a remaining statement may write to an entry of a container or an array."""
        for statement in self._to_come:
            for target in _targets(statement):
                while isinstance(target, ast.Subscript):
                    is_it = _value(target.value, self.scope) is holder
                    if is_it and self._may_meet(statement, target.slice, key):
                        return True
                    target = target.value
        return False

    def _may_meet(self, statement: ast.stmt, index: ast.expr, key: Any) -> bool:
        """Whether a statement that writes to an index may write to the entry `key`.

        An assignment inside the loop in which the function stopped writes to another entry in each
        iteration.
        """
        if key is None:
            return True
        if isinstance(index, ast.Constant):
            return bool(index.value == key)
        inside = any(
            loop.lineno < statement.lineno <= (loop.end_lineno or 0) for loop in self._loops
        )
        return not inside or not isinstance(statement, ast.Assign)


def _targets(statement: ast.stmt) -> Iterator[ast.expr]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        yield statement.target
    for node in ast.walk(statement):
        if isinstance(node, ast.keyword) and node.arg == "out":
            yield ast.Subscript(node.value, ast.Slice())


def _value(node: ast.expr, scope: Scope) -> Any:
    """The value of a name, attribute or item in a scope; None if it is unknown."""
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, scope), "__dict__", {}).get(node.attr)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant | ast.Name):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(node.slice, ast.Name):
            key = scope.get(node.slice.id)
        try:
            return _value(node.value, scope)[key]
        except (TypeError, KeyError, IndexError):
            return None
    return None
