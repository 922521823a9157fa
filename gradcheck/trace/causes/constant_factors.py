"""Constant factors: those of a loss, such as means, and one that an expression has too much."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace import fault
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import USE, Mend
from gradcheck.trace.record.graph import constant_of
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import expression_of, numbers_in
from gradcheck.trace.wording.operand_text import operand_text

CLOSE = 1e-6

SCALES = ("multiply", "divide")

DROP = "leave the"

LARGEST_WRITTEN = 10
"""The largest number that people write for another by mistake."""


def is_about(ratio: float, number: float) -> bool:
    """True if a factor is a number, up to rounding."""
    return abs(ratio - number) < CLOSE * number


def written_factor(node: Node, ratio: float) -> str:
    """Describe the number in the text of a product that is the factor; empty if there is none."""
    for _, number, divides in numbers_in(node.source):
        if number not in (0, 1) and is_about(1 / ratio if divides else ratio, number):
            return f"{'division by' if divides else 'factor'} {number}"
    return ""


def other_number(node: Node, ratio: float) -> Cause | None:
    """Return the cause if another small whole number is a factor in the text of a product."""
    for number, divides in _numbers_of(expression_of(node.source)):
        wanted = number * ratio if divides else number / ratio
        is_whole = number > 1 and float(number).is_integer() and is_about(wanted, round(wanted))
        if is_whole and 1 < wanted < LARGEST_WRITTEN:
            words = f"{number:g} stands where {round(wanted)} belongs"
            return Cause(fault.SCALE, words, f"write {round(wanted)} for {number:g}")
    return None


def _numbers_of(text: ast.expr | None, divides: bool = False) -> Iterator[tuple[float, bool]]:
    """Yield the numbers by which a product is multiplied or divided as a whole."""
    if isinstance(text, ast.UnaryOp):
        yield from _numbers_of(text.operand, divides)
    elif isinstance(text, ast.BinOp) and isinstance(text.op, ast.Mult | ast.Div):
        yield from _numbers_of(text.left, divides)
        yield from _numbers_of(text.right, divides != isinstance(text.op, ast.Div))
    elif isinstance(text, ast.Constant) and isinstance(text.value, int | float):
        yield text.value, divides


def other_way_round(node: Node, tape: Sequence[Node], ratio: float) -> tuple[str, str] | None:
    """Return the constant of a product that has to be a divisor, or the reverse, and the code.

    None if that is not right; the code is empty where it cannot be written.
    """
    if node.operation not in SCALES or node.place is None:
        return None
    divides, expression = node.operation == "divide", expression_of(node.source)
    for position, argument in enumerate(node.arguments):
        number = abs(constant_of(argument, tape) or 0.0)
        is_able = number not in (0, 1) and (position == 1 or not divides)
        if not is_able or not is_about(1 / ratio if divides else ratio, number**2):
            continue
        code = ""
        if isinstance(expression, ast.BinOp) and position == 1:
            other = ast.BinOp(expression.left, [ast.Div(), ast.Mult()][divides], expression.right)
            code = f"write `{ast.unparse(other)}`"
        return called(number, operand_text(node.source, position)), code
    return None


def named_number(node: Node) -> str:
    """Return the name of the number that a value is multiplied with or divided by, or ''."""
    for position, argument in enumerate(node.arguments[:2]):
        if isinstance(argument, Reference) or (node.operation == "divide" and not position):
            continue
        text = operand_text(node.source, position)
        if isinstance(text, ast.Name | ast.Attribute):
            return f"`{ast.unparse(text)}`"
    return ""


def is_half(node: Node) -> bool:
    """True if a product has a half in its text."""
    return bool(written_factor(node, 2) or written_factor(node, 0.5))


def divisors_of(nodes: Sequence[Node]) -> set[int]:
    """Return the integers that the loss divides by, including those of means.

    Left out are a two in the source, and any number in the source that divides whole arrays.
    """
    divisors: set[float] = set()
    for node in nodes:
        bare = {number for _, number, _ in numbers_in(node.source)}
        name = node.operation
        if name == "mean" and node.operands and node.value.size:
            divisors.add(nodes[node.operands[0]].value.size / node.value.size)
        numbers: list[float] = []
        if name == "divide" and len(node.arguments) == 2:
            numbers = [constant_of(node.arguments[1], nodes) or 0.0]
        if name == "multiply":
            constants = (constant_of(side, nodes) for side in node.arguments)
            numbers = [1 / constant for constant in constants if constant]
        for number in numbers:
            is_bare = number in bare or (number and 1 / number in bare)
            if not is_bare or (number != 2 and node.value.size == 1):
                divisors.add(number)
    return {round(n) for n in divisors if 1 < n < np.inf and abs(n - round(n)) < CLOSE * n}


def has_axis(nodes: Sequence[Node], whole: int, length: int) -> bool:
    """True if some array has `whole` entries and an axis of this length."""
    return any(node.value.size == whole and length in node.value.shape for node in nodes)


def kept_share(nodes: Sequence[Node], ratio: float) -> float | None:
    """Return the share of units that a dropout keeps and divides by, if it is the factor."""
    for node in nodes:
        if node.operation not in SCALES or len(node.arguments) != 2:
            continue
        operands = map(nodes.__getitem__, node.operands)
        scaled = (node, *(one for one in operands if one.operation in SCALES))
        given = (item for one in scaled for item in one.arguments)
        arrays = (nodes[one.index].value if isinstance(one, Reference) else one for one in given)
        masks = [item for item in arrays if isinstance(item, np.ndarray) and _is_mask(item)]
        scalars = [nodes[one].value for one in node.operands if nodes[one].value.size == 1]
        numbers = [float(one.reshape(())) for one in scalars if one.dtype.kind == "f"]
        numbers += [constant_of(item, nodes) or 0.0 for item in node.arguments]
        numbers += [float(np.max(mask)) for mask in masks]
        for number in numbers if masks else ():
            kept = 1 / number if number > 1 else number
            if 0 < kept < 1 and (is_about(ratio, kept) or is_about(1 / ratio, kept)):
                return kept
    return None


def _is_mask(value: NDArray[Any]) -> bool:
    levels = np.unique(value) if value.size > 1 else np.empty(0)
    return len(levels) == 2 and float(levels[0]) == 0


def constant_to_drop(mend: Mend, state: State, place: Place) -> str:
    """Return how to drop the size or number that an expression has as a surplus constant."""
    made = state.tape[mend.unit.first]
    name = made.operation
    is_made_here = bool(mend.unit.nodes) and made.place == place
    for position, argument in enumerate(made.arguments if is_made_here else ()):
        constant, text = constant_of(argument, state.tape), operand_text(place.source, position)
        divides = name == "divide" and position == 1
        if not constant or text is None or not (divides or name == "multiply"):
            continue
        if np.isclose(constant if divides else 1 / constant, mend.factor, 1e-9):
            return _dropped(divides, ast.unparse(text), place.source)
    return "" if _is_around_use(mend, state, place) else _number_to_drop(place.source, mend.factor)


def _is_around_use(mend: Mend, state: State, place: Place) -> bool:
    """True if the operation that a wrong operand is given to, right in itself, is in the place."""
    user = state.tape[mend.unit.first].place if mend.unit.kind == USE else None
    return user is not None and place != user and place.covers(user)


def _dropped(divides: bool, constant: str, expression: str) -> str:
    what = "division by" if divides else "factor"
    constant = constant if constant.replace(".", "").isdigit() else f"`{constant}`"
    return f"{DROP} {what} {constant} out of `{expression}`"


def _number_to_drop(expression: str, factor: float) -> str:
    for product, number, divides in numbers_in(expression):
        if np.isclose(number if divides else 1 / (number or np.nan), factor, 1e-9):
            return _dropped(divides, str(number), ast.unparse(product))
    return ""


def called(number: float, text: ast.expr | None) -> str:
    """Return the name of a constant, or the number."""
    if number > 0 and isinstance(text, ast.UnaryOp) and isinstance(text.op, ast.USub):
        text = text.operand
    return f"`{ast.unparse(text)}`" if text is not None and has_name(text) else f"{number:.6g}"


def has_name(text: ast.expr) -> bool:
    """True if an expression is no number written out."""
    named = ast.Name, ast.Attribute, ast.Subscript, ast.Call
    return any(isinstance(one, named) for one in ast.walk(text))


def constant_in_loss(
    nodes: Sequence[Node],
    ratio: float,
    constants: Container[float],
    made: Node,
    own: Sequence[tuple[int, float]],
    is_named: bool = False,
) -> Cause | None:
    """Return the cause if a constant of the loss is missing, used twice, or another stands there.

    Args:
        nodes: the tape of the loss.
        ratio: the wrong value over the right one.
        constants: the numbers that the wrong value was scaled by on the way.
        made: the operation that made it.
        own: the position and the value of the constants of that operation.
        is_named: whether only what the loss multiplies by, and has a name for, is looked at.
    """
    for node in nodes:
        name = node.operation
        if name not in SCALES or node.place is None:
            continue
        for position, argument in enumerate(node.arguments):
            number = abs(constant_of(argument, nodes) or 0.0)
            if number in (0, 1):
                continue
            is_call = isinstance(expression_of(node.source), ast.Call)  # which does it within
            text = None if is_call else operand_text(node.source, position)
            constant = called(number, text)
            if is_named and (name == "divide" or not constant.startswith("`")):
                continue
            does = "divides" if name == "divide" else "multiplies"
            which = f"the loss {does} by {constant} (line {node.place.line})"
            left_out, twice = (number, 1 / number) if name == "divide" else (1 / number, number)
            if is_about(ratio, left_out):
                return Cause(fault.SCALE, f"{which}, and this does not", f"{name} by {constant}")
            if is_about(ratio, twice) and number in constants:
                words = f"{which}, and this does so once more"
                return Cause(fault.SCALE, words, f"{name} by {constant} once")
            for at, other in own if name == made.operation else ():
                text = operand_text(made.source, at)
                if text is None or not has_name(text) or number == other:
                    continue
                if is_about(ratio, number / other if name == "divide" else other / number):
                    words = f"{which}, and this by `{ast.unparse(text)}`"
                    fix = f"write {constant} for `{ast.unparse(text)}`"
                    return Cause(fault.SCALE, words, fix)
    return None
