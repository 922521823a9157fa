"""The numbers of an update that may be, or hold, its learning rate."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from gradcheck.script.words import RATE, name_of


class Operands(ast.NodeTransformer):
    """Marks the literals of an update, and what is named like a rate.

    Args:
        literal: makes the mark of a literal.
        use: makes the mark of a name.
    """

    def __init__(self, literal: Callable[[ast.Constant], Any], use: Callable[[Any], Any]) -> None:
        self._literal = literal
        self._use = use

    def visit_Constant(self, node: ast.Constant) -> Any:
        """A number of the text."""
        return self._literal(node)

    def visit_Name(self, node: Any) -> Any:
        """A variable, an attribute, or a key that is text."""
        is_rate = RATE.match(name_of(node)) and isinstance(node.ctx, ast.Load)
        return self._use(node) if is_rate else node

    visit_Attribute = visit_Name  # noqa: N815

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """An entry, whose index is none of them."""
        key = node.slice
        is_text = isinstance(key, ast.Constant) and isinstance(key.value, str)
        return self.visit_Name(node) if is_text else node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """A call: what it is called with."""
        node.args = [self.visit(one) for one in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node
