"""Arrays that join the right parts in another order than the right one."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Arrays, Compared, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.sources import expression_of

JOINED = ("concatenate", "hstack", "vstack")


def order_cause(compared: Compared) -> Cause | None:
    """Return the cause if an array joins the right parts in another order."""
    node = compared.state.tape[compared.operand]
    if compared.is_use or node.operation not in JOINED:
        return None
    parts = [compared.state.at(one) for one in node.operands]
    order = right_order(parts, compared.expected)
    return None if order is None else in_order(node, order)


def right_order(parts: Sequence[Arrays], expected: Arrays) -> list[int] | None:
    """Return the order in which parts make an array; None if there is none but their own."""
    axis = _joined_along([part[0].shape for part in parts], expected[0].shape)
    order: list[int] = []
    start = 0
    while axis is not None and len(order) < len(parts):
        rest = (one for one in range(len(parts)) if one not in order)
        fitting = next((one for one in rest if _begins(parts[one], expected, start, axis)), None)
        if fitting is None:
            return None
        order.append(fitting)
        start += parts[fitting][0].shape[axis]
    return None if order == sorted(order) else order


def in_order(node: Node, order: Sequence[int]) -> Cause:
    """Return the cause of an array whose parts belong in another order."""
    numbers = ", ".join(str(one + 1) for one in order)
    written = expression_of(node.source)
    call = written if isinstance(written, ast.Call) and written.args else None
    listed = None if call is None else call.args[0]
    fix = f"join them in the order {numbers}, counted from 1 as they stand now"
    if call and isinstance(listed, ast.List | ast.Tuple) and len(listed.elts) == len(order):
        listed.elts = [listed.elts[one] for one in order]
        fix = f"write `{ast.unparse(call)}`"
    return Cause(fault.PARTS_EXCHANGED, "its parts are right, and joined in another order", fix)


def _joined_along(parts: Sequence[tuple[int, ...]], whole: tuple[int, ...]) -> int | None:
    """Return the axis along which arrays of these shapes make the whole; None if there is none."""
    if any(len(part) != len(whole) for part in parts):
        return None
    for axis, length in enumerate(whole):
        others = whole[:axis] + whole[axis + 1 :]
        is_along = all(part[:axis] + part[axis + 1 :] == others for part in parts)
        if is_along and sum(part[axis] for part in parts) == length:
            return axis
    return None


def _begins(part: Arrays, whole: Arrays, start: int, axis: int) -> bool:
    """True if a part is what an array has from an index along an axis on."""
    place = (slice(None),) * axis + (slice(start, start + part[0].shape[axis]),)
    return same(part, [one[place] for one in whole])
