"""What the values of the loss are called: by the user's own names for them."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from gradcheck.trace.adjoints.quantities import (
    ADJOINT,
    BEND,
    CONTRIBUTION,
    NO_OTHER,
    PRODUCT,
    SLOPE,
    TANGENT,
)
from gradcheck.trace.record.graph import never_leaves, users_of
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import parsed, text_of
from gradcheck.trace.wording.operand_text import operand_text
from gradcheck.user.blocks import BARE

UNTELLING = (
    *("<module>", "<lambda>", "forward", "backward", "__call__", "loss", "cost", "predict"),
    *("apply", "compute", "updateOutput"),
)
"""Functions whose names say nothing of what they compute."""

PLACES, LONG = 3, 60
"""At most so many uses of a value are told, and so much of each."""

NOT_USERS = (BARE, "data")
"""Structures that have no name of the user's."""

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
        if index == self.loss:
            return "the loss"
        node = self.nodes[index]
        if index in self.parameters and not node.is_leaf:  # an entry that is read by itself
            own = node.source
            return own if own.endswith("]") else _name_given(node) or self.parameters[index]
        if node.is_leaf:
            own = self.parameters.get(index, node.name) or BARE
            is_users = own.partition("[")[0] not in NOT_USERS
            return (
                own
                if is_users
                else self._given.get(index, own.removeprefix("data['").removesuffix("']"))
            )
        place, is_inside = node.place, never_leaves(self.nodes, index, self._users[index])
        assigned = "" if is_inside else _name_given(node)
        if assigned:
            return assigned
        if node.operation in MOVES and len(node.operands) == 1:
            return self.name(node.operands[0])
        if place is not None and 0 < len(place.source) <= SHORT:
            within = f"the {node.operation} in " if is_inside else ""
            return f"{within}`{place.source}`"
        return f"the {node.operation} at line {place.line}" if place else node.operation

    def quantity(self, kind: str, node: int, other: int = NO_OTHER) -> str:
        """A quantity in words: `dL/dA1`, `the slope of tanh at Z1`."""
        if kind == ADJOINT:
            name = self.name(self._named_sum(node))
            return (
                "1"
                if node == self.loss
                else f"dL/d({name})"
                if name.startswith("the ")
                else f"dL/d{name}"
            )
        if kind == PRODUCT:
            return f"{self.quantity(ADJOINT, other)} times {self.name(node)}"
        if kind == CONTRIBUTION:
            return f"the part of dL/d{self.name(node)} that comes through {self.name(other)}"
        if kind == SLOPE:
            name = self.nodes[node].operation
            by = self.name(node)
            if name in ("tanh", "exp", "sin", "cos", "sqrt", "log"):
                by = name
            elif self._made_by_helper(node, other):
                *owner, function = self.nodes[node].chain[0].code.co_qualname.split(".")
                if function not in UNTELLING:
                    by = function
                elif owner and owner[-1] != "<locals>" and self.nodes[other].chain:
                    by = owner[-1]
            return f"the slope of {by} at {self.name(self._named_sum(other))}"
        if kind == BEND:
            return f"the second derivative of the loss by {self.name(node)}"
        if kind == TANGENT:
            return f"d{self.name(node).removeprefix('the ')}/d{self.name(other)}"
        return self.name(node)

    def way_back(self, kind: str, node: int, other: int) -> str:
        """How a derivative comes about: what the loss makes of its value, and where."""
        if kind not in (ADJOINT, CONTRIBUTION):
            return ""
        users = self._users[node] if other == NO_OTHER else [other]
        made = node
        while len(users) == 1 and self._only_moves(node, made, users[0]):
            made = users[0]
            users = self._users[made]
        users = [one for one in users if self.nodes[one].is_float and one <= self.loss]
        places = list(dict.fromkeys(self.nodes[one].place for one in users))
        known = [place for place in places if place is not None]
        if not known or len(known) < len(places) or len(known) > PLACES:
            return ""
        told = ", ".join(f"`{one.source[:LONG]}` (line {one.line})" for one in known)
        if len(users) == 1 and users[0] != self.loss and not self.name(users[0]).startswith("the "):
            return f"bring {self.quantity(ADJOINT, users[0])} back through {told}"
        return f"bring back what arrives at {told}"

    def _only_moves(self, node: int, made: int, user: int) -> bool:
        """Whether what is made of a value is the same with another layout, or a term added."""
        name = self.nodes[user].operation
        told = self.name(user)
        is_same = told.startswith("`") or told == self.name(self._named_sum(node))
        is_added = name == "add" or (name == "subtract" and self.nodes[user].operands[0] == made)
        return name in MOVES or (is_added and is_same)

    def _named_sum(self, index: int) -> int:
        """The value that has a name, of which a value without one is a term: X @ W of X @ W + b."""
        node = self.nodes[index]
        users = self._users[index]
        if node.is_leaf or len(users) != 1 or (node.place and assigned_name(node.place)):
            return index
        added = self.nodes[users[0]]
        if added.operation != "add" or added.value.shape != node.value.shape:
            return index
        end = self._named_sum(users[0])
        place = self.nodes[end].place
        return end if place and assigned_name(place) else index

    @cached_property
    def _given(self) -> dict[int, str]:
        """What functions call the leaves that they use, where they call nothing else so."""
        found: dict[str, set[int]] = {}
        for node in self.nodes:
            for position, argument in enumerate(node.arguments if node.place else ()):
                if isinstance(argument, Reference) and node.place:
                    text = operand_text(node.place.source, position)
                    if isinstance(text, ast.Name | ast.Attribute):
                        found.setdefault(ast.unparse(text), set()).add(argument.index)
        given = {name: uses.pop() for name, uses in found.items() if len(uses) == 1}
        return {index: name for name, index in sorted(given.items(), reverse=True)}

    @cached_property
    def _users(self) -> list[list[int]]:
        return users_of(self.nodes)

    def _made_by_helper(self, end: int, begin: int) -> bool:
        """Whether a value comes out of a function that was given the other."""
        one, other = self.nodes[end].chain, self.nodes[begin].chain
        return bool(one) and (not other or one[0].code is not other[0].code)


def _name_given(node: Node) -> str:
    """The name of a value where it is made, or where the helper that returns it is called.

    A name that this call reads as well is that of several values: `out = layer.forward(out)`.
    """
    places = [call.place for call in node.chain]
    for place, made in zip(places, [None, *places], strict=False):
        if made is not None and not _is_returned(made):
            break
        name = assigned_name(place)
        if name:
            is_read = made is not None and re.search(rf"\b{re.escape(name)}\b", place.source)
            return "" if is_read else name
    return ""


def _is_returned(place: Place) -> bool:
    """Whether an expression is all that its function returns."""
    return (place.line, place.column, place.end_column) in _returned(text_of(place.file))


@lru_cache(maxsize=64)
def _returned(text: str) -> frozenset[tuple[int, int, int]]:
    values = (
        one.value if isinstance(one, ast.Return) else one.body
        for one in ast.walk(parsed(text))
        if isinstance(one, ast.Return | ast.Lambda)
    )
    return frozenset(
        (one.lineno, one.col_offset, one.end_col_offset or 0) for one in values if one is not None
    )


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
