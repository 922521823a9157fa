"""Where in the user's source a gradient, or the delta it is made from, is assigned.

A line is only given where one assignment alone fits.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Any

from gradcheck.diagnose.assignments import Assignment, Code, names_in, only
from gradcheck.diagnose.returned import returned_gradient
from gradcheck.user.blocks import Leaf
from gradcheck.user.names import derived_names
from gradcheck.user.objects import Position
from gradcheck.user.problem import Problem

LIBRARIES = {"np", "numpy", "self", "math", "len", "range", "sum"}


class Sources:
    """The user's functions that their gradient reaches, read once."""

    def __init__(self, problem: Problem) -> None:
        self._code = Code.of(problem)
        self._order = _order(problem)
        self._counts = Counter(leaf.path[:-1] for leaf in problem.parameters.leaves)

    def of_gradient(
        self, leaf: Leaf, update: bool = False, penalty: bool = False
    ) -> Assignment | None:
        """Where the gradient of a block is assigned, if that is certain.

        Args:
            leaf: the place of the block.
            update: the block itself is what is assigned, as in a step.
            penalty: something is added to the gradient there.
        """
        own_names = _own_names(leaf)
        names = {derived for name in own_names for derived in derived_names(name)}
        count = self._counts[leaf.path[:-1]]
        matching = [
            one
            for one in self._code.assignments
            if (_matches(one.target, leaf, names, count) and not one.is_empty)
            or (update and one.updates and _matches(one.target, leaf, own_names, count))
        ]
        matching = [one for one in matching if not _is_in_loop(one.target)] or matching
        updates = [one for one in matching if one.updates]
        if penalty and len(updates) == 1:
            return updates[0]
        if update:
            matching = updates or matching
        return only(matching) or returned_gradient(self._code, leaf, names | own_names, self._order)

    def of_delta(self, weight: Leaf, bias: Leaf | None) -> Assignment | None:
        """Where the delta is assigned that makes the gradients of a layer."""
        product = self.of_gradient(weight)
        if product is None:
            return None
        names = names_in(product.value)
        total = None if bias is None else self.of_gradient(bias)
        if total is not None:
            names &= names_in(total.value)
        made = self._operands(names, product)
        return _single([one for one in made if one.is_product] or made)

    def of_upstream(self, delta: Assignment) -> Assignment:
        """Where what arrives at a layer is assigned, if not in the line of its delta."""
        made = self._operands(names_in(delta.value), delta)
        return _single([one for one in made if one.is_matrix_product]) or delta

    def _operands(self, names: AbstractSet[str], used: Assignment) -> list[Assignment]:
        """The last assignments of these names down to the line that uses them."""
        last = [
            self._code.last(name, used.function, used.location.line) for name in names - LIBRARIES
        ]
        return [one for one in last if one is not None]


def _single(assignments: list[Assignment]) -> Assignment | None:
    return assignments[0] if len(assignments) == 1 else None


def _order(problem: Problem) -> list[Any]:
    """What a returned tuple holds gradients of: a layer's inputs, or the items of a list."""
    if problem.layer is not None:
        return list(problem.layer.names)
    return list(dict.fromkeys(leaf.path[0] for leaf in problem.parameters.leaves if leaf.path))


def _own_names(leaf: Leaf) -> set[str]:
    """What a block is called: the last name of its path, and its name as a whole."""
    texts = [step for step in leaf.path if isinstance(step, str)]
    return {*(texts[-1:]), *({leaf.name} if leaf.name.isidentifier() else set())}


def _matches(target: ast.expr, leaf: Leaf, names: AbstractSet[str], count: int) -> bool:
    """Whether an assignment's target is the gradient of a block, one of so many in its list."""
    if leaf.path and isinstance(leaf.path[-1], Position):
        if not isinstance(target, ast.Subscript) or _identifier(target.value) not in names:
            return False
        index = _constant(target.slice)
        position = leaf.path[-1].index
        return index is None or index in (position, position - count)
    key = _constant(target.slice) if isinstance(target, ast.Subscript) else None
    if isinstance(key, str):
        return key in names or key in _own_names(leaf)
    return _identifier(target) in names


def _constant(index: ast.expr) -> object:
    """The value of an index that is written out, or None."""
    try:
        return ast.literal_eval(index)
    except ValueError:
        return None


def _is_in_loop(target: ast.expr) -> bool:
    """Whether the item that is assigned depends on a variable: `dw[i]`."""
    return isinstance(target, ast.Subscript) and _constant(target.slice) is None


def _identifier(target: ast.expr) -> str | None:
    if isinstance(target, ast.Name):
        return target.id
    return target.attr if isinstance(target, ast.Attribute) else None
