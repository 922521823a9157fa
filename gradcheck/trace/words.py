"""What the values of the loss are called: by the user's own names for them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from gradcheck.trace.names import MOVES
from gradcheck.trace.nodes import Node
from gradcheck.trace.operations import base_name
from gradcheck.trace.places import Place
from gradcheck.trace.quantities import ADJOINT, CONTRIBUTION, PRODUCT, SLOPE
from gradcheck.trace.sources import parsed, text_of

UNTELLING = ("<module>", "<lambda>", "forward", "__call__", "loss", "cost", "predict")
"""Functions whose names say nothing of what they compute."""

PLACES, LONG = 3, 60
"""At most so many uses of a value are told, and so much of each."""

SHORT = 40
"""Expressions longer than this are not names."""


@dataclass(frozen=True)
class Words:
    """Names the values of a loss.

    Attributes:
        nodes: the tape of the loss.
        loss: the index of the loss.
        parameters: the names of the blocks, by index.
    """

    nodes: Sequence[Node]
    loss: int
    parameters: dict[int, str]

    def name(self, index: int) -> str:
        """The user's name of a value."""
        if index in self.parameters:
            return self.parameters[index]
        if index == self.loss:
            return "the loss"
        node = self.nodes[index]
        if node.is_leaf:
            return node.name or "params"
        place = node.place
        if place is not None:
            assigned = assigned_name(place)
            if assigned:
                return assigned
        if base_name(node) in MOVES and len(node.operands) == 1:
            return self.name(node.operands[0])
        if place is not None and 0 < len(place.source) <= SHORT:
            return f"`{place.source}`"
        return f"the {base_name(node)} at line {place.line}" if place else base_name(node)

    def quantity(self, kind: str, node: int, other: int | None) -> str:
        """A quantity in words: `dL/dA1`, `the slope of tanh at Z1`."""
        if kind == ADJOINT:
            return f"dL/d{self.name(self._named_sum(node))}"
        if kind == PRODUCT and other is not None:
            return f"{self.quantity(ADJOINT, other, None)} times {self.name(node)}"
        if kind == CONTRIBUTION and other is not None:
            return f"the part of dL/d{self.name(node)} that comes through {self.name(other)}"
        if kind == SLOPE and other is not None:
            name = base_name(self.nodes[node])
            function = self.nodes[node].place
            by = self.name(node)
            if name in ("tanh", "exp", "sin", "cos", "sqrt", "log"):
                by = name
            elif (
                function is not None
                and function.function not in UNTELLING
                and self._made_by_helper(node, other)
            ):
                by = function.function
            return f"the slope of {by} at {self.name(self._named_sum(other))}"
        return self.name(node)

    def way_back(self, kind: str, node: int, other: int | None) -> str:
        """How a derivative comes about: what the loss makes of its value, and where."""
        if kind not in (ADJOINT, CONTRIBUTION):
            return ""
        users = self._users.get(node, []) if other is None else [other]
        while len(users) == 1 and base_name(self.nodes[users[0]]) in (*MOVES, "add"):
            users = self._users.get(users[0], [])
        users = [one for one in users if self.nodes[one].is_float and one <= self.loss]
        places = list(dict.fromkeys(self.nodes[one].place for one in users))
        known = [place for place in places if place is not None]
        if not known or len(known) < len(places) or len(known) > PLACES:
            return ""
        told = ", ".join(f"`{one.source[:LONG]}` (line {one.line})" for one in known)
        if len(users) == 1 and users[0] != self.loss:
            return f"bring {self.quantity(ADJOINT, users[0], None)} back through {told}"
        return f"bring back what arrives at {told}"

    def _named_sum(self, index: int) -> int:
        """The value that has a name, of which a value without one is a term: X @ W of X @ W + b."""
        node = self.nodes[index]
        users = self._users.get(index, [])
        if node.is_leaf or len(users) != 1 or (node.place and assigned_name(node.place)):
            return index
        added = self.nodes[users[0]]
        if base_name(added) != "add" or added.value.shape != node.value.shape:
            return index
        end = self._named_sum(users[0])
        place = self.nodes[end].place
        return end if place and assigned_name(place) else index

    @cached_property
    def _users(self) -> dict[int, list[int]]:
        users: dict[int, list[int]] = {}
        for node in self.nodes:
            for operand in node.operands:
                users.setdefault(operand, []).append(node.index)
        return users

    def _made_by_helper(self, end: int, begin: int) -> bool:
        """Whether a value comes out of a function that was given the other."""
        one, other = self.nodes[end].chain, self.nodes[begin].chain
        return bool(one) and (not other or one[0].code is not other[0].code)


def assigned_name(place: Place) -> str:
    """The name that an expression's value is assigned to, if that is the whole right side."""
    for first, second, name in _assignments(text_of(place.file)).get(place.line, ()):
        if (first, second) == (place.column, place.end_column):
            return name
    return ""


@lru_cache(maxsize=64)
def _assignments(text: str) -> dict[int, list[tuple[int, int, str]]]:
    found: dict[int, list[tuple[int, int, str]]] = {}
    for statement in ast.walk(parsed(text)):
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            continue
        pairs = [(statement.targets[0], statement.value)]
        target, value = pairs[0]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=False))
        for left, right in pairs:
            if isinstance(left, ast.Name | ast.Attribute | ast.Subscript):
                columns = (right.col_offset, right.end_col_offset or 0)
                found.setdefault(right.lineno, []).append((*columns, ast.unparse(left)))
    return found
