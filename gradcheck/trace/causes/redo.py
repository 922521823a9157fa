"""Operations of a gradient done otherwise: on other operands, or by another function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gradcheck.trace.causes.compared import Array
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.nodes import Node, Reference

RESULT = -1
"""The position of an operation's result, beside those of its operands."""

Redo = Callable[[Node], Node]
Trial = tuple[Cause, Mapping[int, Redo]]
"""A cause, and by index how an operation is done otherwise: one in each pass of a loop."""


def with_function(function: Callable[..., Any], node: Node) -> Node:
    """Return the operation done by another function, over the same axes."""
    kept = {name: value for name, value in node.keywords.items() if name in ("axis", "keepdims")}
    return replace(node, function=function, keywords=kept)


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
