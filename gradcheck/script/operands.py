"""Mark the operands of an update that may be, or contain, its learning rate."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence, Set
from typing import Any

from gradcheck.script.words import RATE, is_update, name_of


class Operands(ast.NodeTransformer):
    """Marks the literals of an update, and names that look like a rate or are among `rates`.

    `literal` and `use` return the mark of a literal and of a name.
    """

    def __init__(
        self, literal: Callable[[ast.Constant], Any], use: Callable[[Any], Any], rates: Set[str]
    ) -> None:
        self._literal = literal
        self._use = use
        self.rates = rates

    def visit_Constant(self, node: ast.Constant) -> Any:
        """Mark a literal."""
        return self._literal(node)

    def visit_Name(self, node: Any) -> Any:
        """Mark a variable, an attribute, or an item with a string key."""
        is_rate = RATE.match(name_of(node)) or ast.unparse(node) in self.rates
        return self._use(node) if is_rate and isinstance(node.ctx, ast.Load) else node

    visit_Attribute = visit_Name  # noqa: N815

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """Mark an item with a string key; leave other items and their indices unmarked."""
        key = node.slice
        is_text = isinstance(key, ast.Constant) and isinstance(key.value, str)
        return self.visit_Name(node) if is_text else node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """Mark the arguments of a call."""
        node.args = [self.visit(one) for one in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node


def local_rates(body: Sequence[ast.stmt]) -> set[str]:
    """Return variables assigned once, to a literal or its quotient, that scale an update."""
    parts = [part for statement in body for part in ast.walk(statement)]
    assigned = Counter(
        part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    )
    numbers = {
        part.targets[0].id
        for part in parts
        if isinstance(part, ast.Assign)
        and isinstance(part.targets[0], ast.Name)
        and _is_number(part.value)
    }
    factors = {
        side.id
        for update in filter(is_update, parts)
        for product in ast.walk(update)
        if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult)
        for side in (product.left, product.right)
        if isinstance(side, ast.Name)
    }
    return {name for name in numbers & factors if assigned[name] == 1}


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        node = node.left
    return isinstance(node, ast.Constant) and isinstance(node.value, float)
