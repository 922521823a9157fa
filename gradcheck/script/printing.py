"""Marks in the numbers that a script prints beside the name of a loss."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from gradcheck.script.marks import PRINTED
from gradcheck.script.parts import called_losses
from gradcheck.script.words import joins_text, may_be_loss, name_of

FORMATTED = "format", "str", "round"


def printed(
    node: Any,
    is_loss: bool,
    see: Callable[[str, str, Any, Any], Any],
    visit: Callable[[Any], Any],
) -> Any:
    """Return a printed expression with marks, by `see`, at numbers that may be a loss.

    Args:
        node: the expression.
        is_loss: whether the text around it mentions a loss.
        see: marks an expression.
        visit: what is done with other parts.
    """

    def within(part: Any) -> Any:
        return printed(part, is_loss, see, visit)

    is_loss = is_loss or bool(called_losses(node))
    if isinstance(node, ast.JoinedStr):
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                part.value = within(part.value)
    elif isinstance(node, ast.BinOp) and joins_text(node):
        node.left, node.right = within(node.left), within(node.right)
    elif isinstance(node, ast.Tuple):
        node.elts = [within(one) for one in node.elts]
    elif isinstance(node, ast.Call) and name_of(node.func) in FORMATTED:
        node.args = [within(one) for one in node.args]
    elif isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.BinOp) and (
        is_loss or may_be_loss(name_of(node.func if isinstance(node, ast.Call) else node))
    ):
        return see(PRINTED, ast.unparse(node), node, node)
    elif not isinstance(node, ast.Constant):
        return visit(node)
    return node
