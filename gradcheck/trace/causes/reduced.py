"""Causes: a value whose entries were to be added up, or averaged, is used as it is."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.operations import ELEMENTWISE
from gradcheck.trace.causes.compared import Compared
from gradcheck.trace.causes.redo import Trial
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.operand_text import operand_text


def reduced(nodes: Sequence[Node], compared: Compared) -> Iterator[Trial]:
    """Yield the sums and means of what an operation makes: of all entries, and along each axis."""
    first = nodes[0]
    if first.operation not in ELEMENTWISE or first.value.size < 2:
        return
    dimensions = first.value.ndim
    for axis in (*(range(dimensions) if dimensions > 1 else ()), None):
        for name, function in (("sum", np.sum), ("mean", np.mean)):
            over = partial(function, axis=axis, keepdims=axis is not None)
            done = {one.index: partial(_after, over) for one in nodes}
            yield reduced_cause(first, name, axis), done


def _after(change: Callable[[Any], Any], node: Node) -> Node:
    """Return the operation followed by a change of its result."""
    function = node.function

    def done(*operands: Any, **keywords: Any) -> Any:
        return None if function is None else change(function(*operands, **keywords))

    return replace(node, function=done)


def reduced_cause(node: Node, name: str, axis: int | None) -> Cause:
    """Return the cause if the entries of what an operation makes are not summed or averaged."""
    along = "" if axis is None else f" along axis {axis}"
    words = f"`{node.source}` is used entry by entry, and its {name} is to be taken{along}"
    factors = [operand_text(node.source, position) for position in range(2)]
    if node.operation == "multiply" and name == "sum" and node.value.ndim == 1 and all(factors):
        left, right = (ast.unparse(one) for one in factors if one is not None)
        return Cause(fault.ELEMENTWISE, words, f"write `{left} @ {right}`", node.index)
    options = "" if axis is None else f", axis={axis}, keepdims=True"
    return Cause(fault.WRONG_AXIS, words, f"write `np.{name}({node.source}{options})`", node.index)
