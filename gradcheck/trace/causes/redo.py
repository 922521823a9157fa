"""Operations of a gradient done otherwise: on other operands, or by another function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.trace.causes.compared import Array, Compared
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.wording.operand_text import operand_text

KEPT = ("axis", "keepdims", "norm")
"""Keywords that hold for another function as well."""

RESULT = -1
"""The position of an operation's result, beside those of its operands."""

Redo = Callable[[Node], Node]
Trial = tuple[Cause, Mapping[int, Redo]]
"""A cause, and by index how an operation is done otherwise: one in each pass of a loop."""

Part = tuple[int, Array, str]
"""An operand: its position, value and text."""


def with_function(function: Callable[..., Any], node: Node) -> Node:
    """Return the operation done by another function, with the same axes and norm."""
    kept = {name: value for name, value in node.keywords.items() if name in KEPT}
    return replace(node, function=function, keywords=kept)


def with_transpose(node: Node) -> Node:
    """Return a triangular solve with the transpose of the matrix, or with itself where that was."""
    is_turned = node.keywords.get("trans", 0) in (1, "T")
    return replace(node, keywords={**node.keywords, "trans": 0 if is_turned else 1})


def on_operand(change: Callable[[Any], Any], position: int, node: Node) -> Node:
    """Return the operation on one operand changed."""
    function = node.function

    def done(*operands: Any, **keywords: Any) -> Any:
        changed = [change(one) if at == position else one for at, one in enumerate(operands)]
        return None if function is None else function(*changed, **keywords)

    return replace(node, function=done)


def together(
    combine: Callable[..., Any],
    layout: Callable[[Array], Array],
    position: int,
    other: int | Array,
    node: Node,
) -> Node:
    """Return the operation with an operand, or its result, combined with another value."""
    function = node.function

    def done(*operands: Any, **keywords: Any) -> Any:
        *own, last = operands
        if function is None:
            return None
        if position == RESULT:
            return combine(function(*own, **keywords), layout(last))
        own[position] = combine(own[position], layout(last))
        return function(*own, **keywords)

    argument, operands = _as_argument(other)
    return replace(
        node,
        function=done,
        arguments=(*node.arguments, argument),
        operands=(*node.operands, *operands),
    )


def taking(position: int, other: int | Array, node: Node) -> Node:
    """Return the operation with another value as an operand."""
    arguments = list(node.arguments)
    arguments[position], operands = _as_argument(other)
    return replace(node, arguments=tuple(arguments), operands=(*node.operands, *operands))


def _as_argument(value: int | Array) -> tuple[Any, tuple[int, ...]]:
    """Return what stands for a value, given by its index or itself, and its index if it has one."""
    return (Reference(value), (value,)) if isinstance(value, int) else (value, ())


def parts_of(node: Node, compared: Compared) -> list[Part]:
    """Return the operands, or numbers in a sum, that may lack something: position, value, text."""
    is_sum, parts = node.operation in ("add", "subtract"), []
    for position, argument in enumerate(node.arguments[:2]):
        is_value = isinstance(argument, Reference)
        if is_value and _is_made_for(argument.index, node, compared):
            continue
        if is_value or (is_sum and isinstance(argument, int | float)):
            value = np.asarray(resolve(argument, compared.state.values[0]))
            parts.append((position, value, f"`{text_at(node, position)}`"))
    return parts


def _is_made_for(operand: int, node: Node, compared: Compared) -> bool:
    """True if another line of the function makes an operand for this use alone, and wrongly.

    What the operand lacks is then to be written there, where it is tried in its turn.
    """
    state = compared.state
    made = state.tape[operand]
    if made.place is None or node.place is None or made.place.line == node.place.line:
        return False
    return (
        made.chain[1:] == node.chain[1:]
        and state.consumers[operand] == [node.index]
        and not compared.known.explaining(state.at(operand))
    )


def text_at(node: Node, position: int) -> str:
    """Return the text of an operand; `...` if it has none."""
    part = operand_text(node.source, position)
    return "..." if part is None else ast.unparse(part)
