"""Entries in the reverse order along some axes, as a kernel has them on the way back."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Compared, made_of, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.operand_text import operand_text

SLIDES = split_names("convolve correlate convolve2d correlate2d")
MOST_AXES = 4


def turned_round_cause(compared: Compared) -> Cause | None:
    """Return the cause if the right value is the wrong one, turned round along some axes."""
    actual, expected = compared.actual, compared.expected
    shape = actual[0].shape
    if len(shape) > MOST_AXES or actual[0].size < 2 or expected[0].shape != shape:
        return None
    turning = [node for node in made_of(compared) if _turns_round(node)]
    for axes in _some_axes(len(shape)):
        if same([np.flip(value, axes) for value in actual], expected):
            along = _along(axes, len(shape))
            if any(same(actual, one.values) for one in compared.known.quantities):
                words = "it has to be turned round on the way back"
                return Cause(fault.REVERSED, words, f"turn it round: `[{along}]`")
            fix = "leave `[::-1]` out" if turning else f"turn it round: `[{along}]`"
            slides = any(one.operation in SLIDES for one in made_of(compared))
            of_kernel = any(compared.is_parameter(one) for node in turning for one in node.operands)
            kind = fault.REVERSED if slides or of_kernel else fault.TURNED
            return Cause(kind, "its entries are in the reverse order", fix)
    return _along_other_axes(compared, turning)


def _along_other_axes(compared: Compared, turning: Sequence[Node]) -> Cause | None:
    """Return the cause if an array is turned along other axes than the right ones."""
    for node in turning:
        values = compared.state.at(node.operands[0])
        if values[0].shape != compared.expected[0].shape:
            continue
        for axes in _some_axes(values[0].ndim):
            if same([np.flip(value, axes) for value in values], compared.expected):
                whole = operand_text(node.source, 0)
                text = "" if whole is None else ast.unparse(whole)
                along = f"{text}[{_along(axes, values[0].ndim)}]"
                return Cause(fault.REVERSED, "it is turned along other axes", f"write `{along}`")
    return None


def _some_axes(dimensions: int) -> list[tuple[int, ...]]:
    return [axes for number in (1, 2) for axes in combinations(range(dimensions), number)]


def _along(axes: Sequence[int], dimensions: int) -> str:
    """Return the subscript that turns an array round along some of its axes."""
    return ", ".join("::-1" if axis in axes else ":" for axis in range(dimensions))


def _turns_round(node: Node) -> bool:
    """Whether an operation turns the entries round."""
    keys = [part if isinstance(part, tuple) else (part,) for part in node.arguments[1:2]]
    steps = [one.step for key in keys for one in key if isinstance(one, slice)]
    return node.operation in ("flip", "fliplr", "flipud", "rot90") or -1 in steps
