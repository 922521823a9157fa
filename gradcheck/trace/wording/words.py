"""Name the values of the loss and their derivatives by the user's own names."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from types import CodeType

import numpy as np

from gradcheck.trace.adjoints.quantities import (
    ADJOINT,
    BEND,
    CONTRIBUTION,
    NO_OTHER,
    PRODUCT,
    SLOPE,
    TANGENT,
)
from gradcheck.trace.record.graph import latest_first, never_leaves, users_of
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.record.places import Call, Place
from gradcheck.trace.record.sources import parsed, returns_of, text_of
from gradcheck.trace.wording.operand_text import operand_text
from gradcheck.user.blocks import BARE

UNTELLING = (
    *("<module>", "<lambda>", "forward", "backward", "__call__", "loss", "cost", "predict"),
    *("apply", "compute", "updateOutput", "training_step", "lines_of_the_script"),
)
"""Functions whose names do not say what they compute."""

PLACES, LONG = 3, 60
"""How many uses of a value a message names at most, and how many characters of each."""

NOT_USERS = (BARE, "data", "args")
"""Structures that are named by gradcheck, not by the user."""

SHORT = 40
"""Expressions longer than this do not serve as names."""


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

    @cached_property
    def codes(self) -> frozenset[CodeType]:
        """The functions in which values are computed that the loss is made of."""
        return frozenset(call.code for call in self.calls)

    @cached_property
    def calls(self) -> frozenset[Call]:
        """The calls in which values are computed that the loss is made of, and not 0 times.

        A loss after an update is made of the gradient as well, times a learning rate of 0.
        """
        made_of = latest_first(
            self.nodes, [self.loss], lambda node: node.operands if np.any(node.value) else ()
        )
        return frozenset(call for node in made_of for call in node.chain)

    def names_apart(self, *indices: int) -> list[str]:
        """Return the names of values, and what tells them apart if they share their names."""
        nodes, names = [self.nodes[one] for one in indices], [*map(self.name, indices)]
        lines = [
            f"{name} of line {one.place.line if one.place else 0}"
            for name, one in zip(names, nodes, strict=True)
        ]
        made = [
            f"{name} that {one.operation} makes" for name, one in zip(names, nodes, strict=True)
        ]
        return next((told for told in (names, lines) if len(set(told)) == len(told)), made)

    def name(self, index: int) -> str:
        """Return the user's name of a value, or a description if it has none."""
        if index == self.loss:
            return "the loss"
        node = self.nodes[index]
        if index in self.parameters and not node.is_leaf:  # a parameter that is read as an entry
            text = node.source
            return text if text.endswith("]") else _name_given(node) or self.parameters[index]
        if node.is_leaf:
            name = self.parameters.get(index, node.name) or BARE
            if name.partition("[")[0] not in NOT_USERS:
                return name
            return self._given.get(index, name.removeprefix("data['").removesuffix("']"))
        is_inside = never_leaves(self.nodes, index, self._users[index])
        while self._is_result_of_helper(node):
            node = replace(node, chain=node.chain[1:])
        place = node.place
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
        """Describe a quantity: `dL/dA1`, `the slope of tanh at Z1`."""
        if kind == ADJOINT:
            return "1" if node == self.loss else _derivative(self.name(self._named_sum(node)))
        if kind == PRODUCT:
            return f"{self.quantity(ADJOINT, other)} times {self.name(node)}"
        if kind == CONTRIBUTION:
            whole = _derivative(self.name(node))
            return f"the part of {whole} that comes through {self.name(other)}"
        if kind == SLOPE:
            name = self.nodes[node].operation
            factors = {*self.nodes[node].operands} - {other}
            if name == "multiply" and len(factors) == 1 and other in self.nodes[node].operands:
                return self.name(factors.pop())
            by = self.name(node)
            if name in ("tanh", "exp", "sin", "cos", "sqrt", "log"):
                by = name
            elif self._made_by_helper(node, other):
                *owner, function = self.nodes[node].chain[0].code.co_qualname.split(".")
                if function not in UNTELLING and not function.startswith("<"):
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
        """Say how to compute an adjoint or contribution from the uses of its value, or ''."""
        if kind not in (ADJOINT, CONTRIBUTION):
            return ""
        users = self._users[node] if other == NO_OTHER else [other]
        made = node
        while len(users) == 1 and self._only_moves(node, made, users[0]):
            made = users[0]
            users = self._users[made]
        users = [user for user in users if self.nodes[user].is_float and user <= self.loss]
        all_places = list(dict.fromkeys(self.nodes[user].place for user in users))
        places = [place for place in all_places if place is not None]
        if not places or len(places) < len(all_places) or len(places) > PLACES:
            return ""
        uses = ", ".join(f"`{place.source[:LONG]}` (line {place.line})" for place in places)
        if len(users) == 1 and users[0] != self.loss and not self.name(users[0]).startswith("the "):
            return f"bring {self.quantity(ADJOINT, users[0])} back through {uses}"
        return f"bring back what arrives at {uses}"

    def _only_moves(self, node: int, made: int, user: int) -> bool:
        """True if an operation only lays a value out anew, or adds a term without a new name."""
        operation, name = self.nodes[user].operation, self.name(user)
        is_same = name.startswith("`") or name == self.name(self._named_sum(node))
        is_added = operation == "add" or (
            operation == "subtract" and self.nodes[user].operands[0] == made
        )
        return operation in MOVES or (is_added and is_same)

    def _named_sum(self, index: int) -> int:
        """Return the named sum of which an unnamed value is a term: `X @ W` of `Z = X @ W + b`."""
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
        """The names of leaves in the functions that use them, if a name has no other value."""
        values: dict[str, set[int]] = {}
        for node in self.nodes:
            for position, argument in enumerate(node.arguments if node.place else ()):
                if isinstance(argument, Reference) and node.place:
                    text = operand_text(node.place.source, position)
                    if isinstance(text, ast.Name | ast.Attribute):
                        values.setdefault(ast.unparse(text), set()).add(argument.index)
        given = {name: indices.pop() for name, indices in values.items() if len(indices) == 1}
        return {index: name for name, index in sorted(given.items(), reverse=True)}

    def _is_result_of_helper(self, node: Node) -> bool:
        """True if a value has a local name in a function that returns it and has several callers.

        Such a name stands for another value in every call.
        """
        if len(node.chain) < 2 or not node.place:
            return False
        name, code = assigned_name(node.place), node.chain[0].code
        if not name.isidentifier() or len(self._callers[code]) < 2:
            return False
        returned = (one.value for one in returns_of(code))
        return any(isinstance(value, ast.Name) and value.id == name for value in returned)

    @cached_property
    def _callers(self) -> dict[CodeType, set[Place]]:
        """The places at which each function is called by another one."""
        callers: dict[CodeType, set[Place]] = defaultdict(set)
        for chain in {node.chain for node in self.nodes}:
            for inner, outer in pairwise(chain):
                callers[inner.code].add(outer.place)
        return callers

    @cached_property
    def _users(self) -> list[list[int]]:
        return users_of(self.nodes)

    def _made_by_helper(self, end: int, begin: int) -> bool:
        """True if `end` is computed in another function than `begin`, and not in its caller."""
        inner, outer = self.nodes[end].chain, self.nodes[begin].chain
        return bool(inner) and all(inner[0].code is not call.code for call in outer)


def _derivative(name: str) -> str:
    return f"dL/d({name})" if name.startswith("the ") else f"dL/d{name}"


def _name_given(node: Node) -> str:
    """Return the name assigned to a value, or to the result of the helper that returns it.

    Empty if the call reads the name as well, which then has several values:
    `out = layer.forward(out)`.
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
    """True if an expression is the whole value of a `return` or lambda."""
    return (place.line, place.column, place.end_column) in _returned(text_of(place.file))


@lru_cache(maxsize=64)
def _returned(text: str) -> frozenset[tuple[int, int, int]]:
    values = (
        node.value if isinstance(node, ast.Return) else node.body
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Return | ast.Lambda)
    )
    return frozenset((v.lineno, v.col_offset, v.end_col_offset or 0) for v in values if v)


def assigned_name(place: Place) -> str:
    """Return the target of the assignment whose whole right side is an expression, or ''."""
    for first, second, name in _assignments(text_of(place.file)).get(place.line, ()):
        if (first, second) == (place.column, place.end_column):
            return name
    return ""


@lru_cache(maxsize=64)
def _assignments(text: str) -> dict[int, list[tuple[int, int, str]]]:
    targets: dict[int, list[tuple[int, int, str]]] = {}
    for statement in ast.walk(parsed(text)):
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            columns = (statement.col_offset, statement.end_col_offset or 0)
            targets.setdefault(statement.lineno, []).append((*columns, statement.target.id))
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            continue
        pairs = [(statement.targets[0], statement.value)]
        target, value = pairs[0]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=False))
        for left, right in pairs:
            if isinstance(left, ast.Name | ast.Attribute | ast.Subscript):
                columns = (right.col_offset, right.end_col_offset or 0)
                targets.setdefault(right.lineno, []).append((*columns, ast.unparse(left)))
    return targets
