"""A function that is edited: its text, its tree, and the values of its expressions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from gradcheck.mending.guarded import guarded
from gradcheck.mending.pieces import Definition, Piece, apply, offsets, span
from gradcheck.mending.scope import NOT_NUMBERS, Value, Values
from gradcheck.mending.written import continues, written_as_in

Node = TypeVar("Node", bound=ast.AST)

CALLED = re.compile(rb"[\w\])]\($")
"""The opening bracket of a call, and not one around an expression."""

LIBRARY_ATTRIBUTES = ("T", "shape", "size", "ndim", "dtype")
NAMED = ast.Name | ast.Attribute | ast.Subscript
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Edit(NamedTuple):
    """One change of a file's text, from byte `start` to byte `end`.

    `weight` says how unnatural it is: the search begins with the smallest. `line` counts from 1.
    """

    path: str
    start: int
    end: int
    replacement: bytes
    weight: float
    line: int
    words: str


@dataclass(frozen=True)
class Context:
    """A function in which edits are searched.

    Attributes:
        path: the path of its file.
        text: the text of its file.
        definition: its definition in the file's tree.
        functions: the names of the user's functions that it can call.
        known: the values of its expressions that are known, lists included.
        of_loss: whether the loss runs it as well.
        pointed: the lines that the diagnosis points at.
        only_pointed: whether all other lines are ignored.
    """

    path: str
    text: bytes
    definition: Piece
    functions: tuple[str, ...]
    known: Values
    of_loss: bool
    pointed: frozenset[int]
    only_pointed: bool = False

    @cached_property
    def values(self) -> Values:
        """The values of the names, attributes and items in it that are arrays or numbers."""
        return {
            text: value
            for text, value in self.known.items()
            if value.kind not in NOT_NUMBERS
            and isinstance(ast.parse(text, mode="eval").body, NAMED)
        }

    @cached_property
    def library(self) -> str | None:
        """The name of numpy in the file."""
        match = re.search(rb"import numpy as (\w+)|import (numpy)\b", self.text)
        return (match[1] or match[2]).decode("utf-8") if match else None

    @property
    def newline(self) -> bytes:
        """The line ending of the file."""
        return b"\r\n" if b"\r\n" in self.text else b"\n"

    @cached_property
    def tree(self) -> ast.Module:
        """The tree of the whole file."""
        return ast.parse(self.text.decode())

    @cached_property
    def starts(self) -> list[int]:
        """Where every line begins, in bytes."""
        return offsets(self.text)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The parent of every node of the definition."""
        return {
            child: parent
            for parent in ast.walk(self.definition)
            for child in ast.iter_child_nodes(parent)
        }

    @cached_property
    def _guarded(self) -> list[tuple[int, int]]:
        return [self.span(node) for node in guarded(self.definition)]

    def is_guarded(self, edit: Edit) -> bool:
        """True if an edit touches a statement that reaches beyond arrays."""
        return any(start < edit.end and edit.start < end for start, end in self._guarded)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the start and end of a node, in bytes."""
        return span(self.starts, node)

    def source(self, node: ast.expr | ast.stmt) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end].decode("utf-8")

    def rewritten(self, span: tuple[int, int], parts: Mapping[Any, str]) -> str:
        """Return the text from one byte to another, with nodes in it replaced."""
        first, last = span
        changes = [(self.span(node), text.encode()) for node, text in parts.items()]
        inside = [(start - first, end - first, text) for (start, end), text in changes]
        return apply(self.text[first:last], inside).decode("utf-8")

    def indent(self, statement: ast.stmt) -> bytes:
        """Return the text before a statement on its line."""
        return self.text[self.starts[statement.lineno - 1] : self.span(statement)[0]]

    def with_operator(self, node: ast.BinOp, symbol: str, weight: float) -> Edit:
        """Return the edit that puts another operator, which binds as tightly, between operands."""
        after_left, right = self.span(node.left)[1], self.span(node.right)[0]
        first, last = self.span(node)
        between = self.text[after_left:right].decode().replace(OPERATORS[type(node.op)], symbol, 1)
        before, after = self.text[first:after_left].decode(), self.text[right:last].decode()
        return self.replaced(node, f"{before}{between}{after}", weight)

    def replaced(self, node: ast.expr | ast.stmt, by: str, weight: float) -> Edit:
        """Return the edit that replaces a node by another text."""
        start, end = self.span(node)
        by = written_as_in(self.text, by)
        words = f"{self.source(node)}  ->  {by}"
        return Edit(self.path, start, end, by.encode("utf-8"), weight, node.lineno, words)

    def whole_replaced(self, node: ast.expr, by: str, weight: float) -> Edit:
        """Return the edit that replaces a whole expression, with the brackets around it."""
        edit = self.replaced(node, by, weight)
        before, after = self.text[: edit.start], self.text[edit.end :]
        bracketed = before.endswith(b"(") and after.startswith(b")")
        if by.startswith("(") and bracketed and not CALLED.search(before[-2:]):
            return edit._replace(start=edit.start - 1, end=edit.end + 1)
        return edit

    def fitted(self, node: ast.expr, by: str, weight: float) -> Edit:
        """Return the edit that replaces any expression by a text, in brackets if needed."""
        whole = node
        while isinstance(above := self.parents.get(whole), ast.expr):
            whole = above
        first, last = self.span(whole)
        by = written_as_in(self.text, by)
        edit = self.whole_replaced(node, f"({by})", weight)
        before = self.text[min(first, edit.start) : edit.start].decode()
        after = self.text[edit.end : max(last, edit.end)].decode()
        bare, bracketed = (f"({before}{text}{after})" for text in (by, f"({by})"))
        try:
            is_same = ast.dump(ast.parse(bare)) == ast.dump(ast.parse(bracketed))
            needs_none = is_same or continues(self.parents.get(node), node, by)
        except SyntaxError:  # `1.T`
            needs_none = False
        text, words = by if needs_none else f"({by})", f"{self.source(node)}  ->  {by}"
        return edit._replace(replacement=text.encode("utf-8"), words=words)

    @cached_property
    def counters(self) -> frozenset[str]:
        """The names that count the passes of loops, and so are no sizes."""
        counters = set()
        for loop in ast.walk(self.definition):
            match loop:
                case ast.For(ast.Name(name), ast.Call(ast.Name("range"))):
                    counters.add(name)
                case ast.For(ast.Tuple([ast.Name(name), *_]), ast.Call(ast.Name("enumerate"))):
                    counters.add(name)
        return frozenset(counters)

    def is_made_later(self, text: str, node: ast.expr) -> bool:
        """True if a name or attribute is first assigned at a node's line or after it."""
        return self._made_at.get(text, 0) >= node.lineno

    @cached_property
    def _made_at(self) -> dict[str, int]:
        """The first line that assigns each name and attribute that is not read before it."""
        stored: dict[str, int] = {}
        read: dict[str, int] = {}
        for node in ast.walk(self.definition):
            if isinstance(node, ast.Name | ast.Attribute):
                lines, text = stored if isinstance(node.ctx, ast.Store) else read, ast.unparse(node)
                lines[text] = min(node.lineno, lines.get(text, node.lineno))
        return {text: line for text, line in stored.items() if read.get(text, line) >= line}

    def value(self, node: ast.expr) -> Value | None:
        """Return the value of an expression, if it is known."""
        if node not in self._looked_up:
            known = self.known
            self._looked_up[node] = known.get(ast.unparse(node)) or known.get(self.source(node))
        return self._looked_up[node]

    def is_array(self, node: ast.expr) -> bool:
        """True if an expression is known to be an array."""
        value = self.value(node)
        return value is not None and value.kind == "array"

    @cached_property
    def _looked_up(self) -> dict[ast.expr, Value | None]:
        return {}

    def atoms(self) -> Iterator[ast.expr]:
        """Yield the names, attributes and items that are read as arrays or numbers."""
        for node in self.nodes:
            if not isinstance(node, NAMED) or not isinstance(node.ctx, ast.Load):
                continue
            value, parent = self.value(node), self.parents.get(node)
            is_number = value is not None and value.kind not in NOT_NUMBERS
            if is_number and not _is_property(node) and not self._is_part(node, parent):
                yield node

    def _is_part(self, node: ast.expr, parent: ast.AST | None) -> bool:
        """True if a node is the owner of an attribute or item that has a value."""
        if not isinstance(parent, ast.Attribute | ast.Subscript) or parent.value is not node:
            return False
        return self.value(parent) is not None and not _is_property(parent)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the function's body, but for those of functions inside of it."""
        body = self.definition.body
        nodes: list[ast.AST] = [*body] if isinstance(body, list) else [body]
        for node in nodes:  # the list grows during the loop
            if not isinstance(node, Definition):
                nodes += ast.iter_child_nodes(node)
        return [
            node
            for node in nodes
            if not (self.only_pointed and isinstance(node, ast.expr | ast.stmt))
            or any(node.lineno <= line <= (node.end_lineno or 0) for line in self.pointed)
        ]

    def all_of(self, kind: type[Node]) -> Iterator[Node]:
        """Return the nodes of one kind."""
        return (node for node in self.nodes if isinstance(node, kind))

    def wholes(self) -> Iterator[ast.expr]:
        """Yield the expressions that statements assign or return, and the items of those."""
        if isinstance(self.definition, ast.Lambda):
            yield from _parts(self.definition.body)
        for node in self.nodes:
            value = getattr(node, "value", None)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) and value is not None:
                yield from _parts(value)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                yield from node.value.args  # grads.append(...)
            elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple | ast.List):
                yield from _parts(node.iter)

    def blocks(self) -> Iterator[list[ast.stmt]]:
        """Yield the lists of consecutive statements."""
        for node in [self.definition, *self.nodes]:
            for name in ("body", "orelse"):
                block = getattr(node, name, None)
                if isinstance(block, list) and len(block) > 1 and isinstance(block[0], ast.stmt):
                    yield block


def _is_property(node: ast.AST) -> bool:
    """True for a property of arrays, as `x.T`, and for an item of one, as `x.shape[0]`."""
    if isinstance(node, ast.Subscript):
        return getattr(node.value, "attr", "") == "shape"
    return isinstance(node, ast.Attribute) and node.attr in LIBRARY_ATTRIBUTES


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    if isinstance(value, ast.Tuple | ast.List):
        for item in value.elts:
            yield from _parts(item)
    elif isinstance(value, ast.Dict):
        for item in value.values:
            yield from _parts(item)
    else:
        yield value
        if isinstance(value, ast.ListComp):
            yield value.elt
        if isinstance(value, ast.Call):
            if value.args and isinstance(value.args[0], ast.Tuple | ast.List):
                yield from _parts(value.args[0])  # np.array([...])
            for keyword in value.keywords:
                if not isinstance(keyword.value, ast.Constant):
                    yield keyword.value
