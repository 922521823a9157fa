"""Causes in an operation of the backward pass: a product, another value, another number."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT, SLOPE, VALUE
from gradcheck.trace.causes import updated_causes
from gradcheck.trace.causes.compared import (
    Arrays,
    Compared,
    is_activation,
    product,
    same,
    transposed,
)
from gradcheck.trace.causes.factor_causes import power_cause
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.wording.operand_text import operand_text
from gradcheck.trace.wording.words import Words

MATRIX_PRODUCTS = ("matmul", "dot", "outer", "einsum", "tensordot", "inner")
PRODUCTS = ("matmul", "dot", "multiply")


def same_code_cause(compared: Compared) -> Cause | None:
    """Return the cause if the loss runs the same instruction with another number."""
    node, made = compared.state.tape[compared.node], compared.computed_by_the_loss
    if made is None or not node.chain or node.chain[:1] != made.chain[:1]:
        return None
    for position, pair in enumerate(zip(node.arguments, made.arguments, strict=False)):
        here, there = pair
        if all(isinstance(one, int | float | np.number) for one in pair) and here != there:
            text = operand_text(node.source, position)
            name = "a number" if text is None else f"`{ast.unparse(text)}`"
            words = f"with {name} = {there:.6g} in the loss, with {here:.6g} here"
            return Cause(fault.OTHER_FORMULA, words, f"give it {there:.6g}, as the loss does")
    return None


def other_argument_cause(compared: Compared) -> Cause | None:
    """Return the cause if a function of the loss is called with one argument that is another."""
    node, made = compared.state.tape[compared.operand], compared.made_in_its_pass
    if made is None or compared.is_use or made.chain[:1] != node.chain[:1]:
        return None
    shared = [
        *takewhile(lambda pair: pair[0] == pair[1], zip(node.chain, made.chain, strict=False))
    ]
    if len(shared) == len(node.chain):
        return None
    others = _given_otherwise(node, made, len(shared), compared)
    wanted = {_written(compared.loss_nodes[one], compared.words) for one in others}
    if len(wanted) != 1:
        return None
    call, name = node.chain[len(shared)].place, wanted.pop()
    words = f"`{call.source}` is called with something else in the place of {name}"
    return Cause(fault.OTHER_OPERAND, words, f"call it with {name}, as the loss does")


def _given_otherwise(node: Node, made: Node, depth: int, compared: Compared) -> Iterator[int]:
    """Yield what a function is given in the loss where its call in the gradient has other values.

    The operations of the function are followed back, side by side, to what comes from outside.
    """
    tape, nodes = compared.state.tape, compared.loss_nodes
    pending = [(node.index, made.index)]
    while pending:
        here, there = (one[at] for one, at in zip((tape, nodes), pending.pop(), strict=True))
        for given, wanted in _pairs(here.arguments, there.arguments):
            if given is None:
                yield wanted
            elif same(compared.state.at(given), compared.values(wanted)):
                continue
            elif tape[given].chain[:depth] == nodes[wanted].chain[:depth] != ():
                pending.append((given, wanted))
            else:
                yield wanted


def _written(node: Node, words: Words) -> str:
    """Return a part of an array as the loss writes it, and the name of anything else."""
    is_part = node.operation == "getitem" and node.place is not None
    return f"`{node.source}`" if is_part else words.name(node.index)


def _pairs(here: Any, there: Any) -> Iterator[tuple[int | None, int]]:
    """Yield the values that two operations are given side by side; None for one not followed."""
    if isinstance(there, Reference):
        yield here.index if isinstance(here, Reference) else None, there.index
    elif isinstance(here, tuple | list) and isinstance(there, tuple | list):
        for pair in zip(here, there, strict=False):
            yield from _pairs(*pair)


def product_cause(compared: Compared) -> Cause | None:
    """Return the cause if an elementwise product stands for a matrix product, or the reverse."""
    node = compared.state.tape[compared.node]
    operands = list(node.operands)
    if node.operation not in PRODUCTS or len(operands) != 2:
        return None
    first, second = (compared.state.at(index) for index in operands)
    elementwise = node.operation == "multiply"
    if (
        not elementwise
        and first[0].shape == second[0].shape
        and same(product(first, second), compared.expected)
    ):
        return Cause(fault.MATRIX_PRODUCT, "the elementwise product belongs here")
    pairs = [*itertools.product((first, transposed(first)), (second, transposed(second)))]
    if elementwise:
        pairs += [(right, left) for left, right in pairs]
    if not any(_is_matrix_product(left, right, compared.expected) for left, right in pairs):
        return None
    if elementwise:
        return Cause(fault.ELEMENTWISE, "a matrix product belongs here")
    return Cause(fault.TRANSPOSED, "an operand is to be transposed", "transpose the operand")


def _is_matrix_product(left: Arrays, right: Arrays, expected: Arrays) -> bool:
    shape, other = left[0].shape, right[0].shape
    if len(shape) < 2 or len(other) != len(shape) or shape[:-2] != other[:-2]:
        return False
    if shape[-1] != other[-2]:
        return False
    return same([a @ b for a, b in zip(left, right, strict=True)], expected)


def forward_cause(compared: Compared) -> Cause | None:
    """Return the cause if the gradient computes a value itself, and not as the loss does."""
    made = compared.computed_by_the_loss
    if made is None or made.is_leaf or made.operation in MOVES:
        return None  # another part of the data, or of a parameter
    updated = updated_causes.before(compared)
    if updated is not None:
        return updated_causes.updated(compared.words, updated)
    where = f", line {made.place.line}," if made.place else ""
    words = f"the loss{where} computes it so, and the gradient otherwise"
    fix = f"compute {compared.words.name(made.index)} as the loss does"
    return Cause(fault.OTHER_FORMULA, words, fix)


def user_of(compared: Compared) -> Node:
    """Return the operation that uses the wrong value, after transposes and reshapes."""
    tape, consumers = compared.state.tape, compared.state.consumers
    node = tape[compared.node]
    while node.operation in MOVES and len(consumers[node.index]) == 1:
        node = tape[consumers[node.index][0]]
    return node


def value_cause(compared: Compared) -> Cause | None:
    """Return the cause if a function of a value, or an updated or other parameter, replaces it."""
    candidate = compared.candidate
    if candidate is None or candidate.kind != VALUE:
        return None
    words, belongs = compared.words, candidate.node
    fix = f"use {words.name(belongs)}"
    in_product = user_of(compared).operation in MATRIX_PRODUCTS
    # in a sigmoid of two branches, 1 - a has the same slope as the output a
    sigmoid_slopes = [value * (1 - value) for value in compared.expected]
    for quantity in () if in_product else compared.known.of_kind(SLOPE):
        begin, end = quantity.other, quantity.node
        if not is_activation(compared, begin, end):
            continue
        inputs, outputs = compared.values(begin), compared.values(end)
        for kind, given, wanted in (
            (fault.SLOPE_AT_OUTPUT, outputs, inputs),
            (fault.SLOPE_AT_INPUT, inputs, outputs),
        ):
            is_wanted = same(wanted, compared.expected) or same(quantity.values, sigmoid_slopes)
            if same(given, compared.actual) and is_wanted:
                ends = (end, begin) if given is outputs else (begin, end)
                name, right = words.names_apart(*ends)
                return Cause(kind, f"{name} is used where {right} belongs", f"use {right}")
    if updated_causes.is_updated(compared, belongs):
        return updated_causes.updated(words, belongs)
    if not compared.is_use:
        return None
    beyond = None if in_product else compared.adjoints(belongs)
    arrives = beyond is not None and any(
        same(compared.actual, one.values) for one in compared.known.of_kind(ADJOINT)
    )
    for quantity in compared.known.of_kind(SLOPE) if arrives else ():
        slope = quantity.values
        fits = slope[0].shape == compared.actual[0].shape
        if fits and same(product(compared.actual, slope), beyond or ()):
            used = f"a slope is taken at what arrives, and not at {words.name(belongs)}"
            return Cause(fault.SLOPE_ELSEWHERE, used, fix)
    parameter = compared.parameters.get(belongs)
    if parameter is not None and compared.actual[0].shape == compared.expected[0].shape:
        power = power_cause(compared, belongs, compared.actual, compared.expected)
        if power is not None:
            return power
    if parameter is not None:
        return Cause(fault.OTHER_WEIGHTS, f"it should be {parameter}", fix)
    if in_product and compared.factor == 1:
        return Cause(fault.OTHER_INPUT, *_belonging(compared, belongs))
    return None


def operand_cause(compared: Compared) -> Cause | None:
    """Return the cause if a value of the loss is used in the place of another one."""
    candidate = compared.candidate
    if candidate is None or candidate.kind != VALUE or compared.factor != 1 or not compared.is_use:
        return None
    if not any(same(compared.actual, one.values) for one in compared.known.of_kind(VALUE)):
        return None
    user, used = user_of(compared), compared.state.tape[compared.operand]
    wanted, name = compared.loss_nodes[candidate.node], compared.words.name(candidate.node)
    is_read = bool(user.place and used.place and user.place.covers(used.place))  # there, unnamed
    is_part = is_read and used.operation == wanted.operation == "getitem" and "[" not in name
    if is_part and same(compared.state.at(used.operands[0]), compared.values(wanted.operands[0])):
        return Cause(fault.OTHER_INDEX, f"another part of {name} belongs here", "take that part")
    kind = fault.SLOPE_ELSEWHERE if user.value.dtype == bool else fault.OTHER_OPERAND
    return Cause(kind, *_belonging(compared, candidate.node))


def _belonging(compared: Compared, belongs: int) -> tuple[str, str]:
    """Return the words on the value that belongs in a place, and what to write there."""
    name, tape = compared.words.name(belongs), compared.state.tape
    places = [tape[index].place for index in (compared.operand, compared.node)]
    written = rf"(?<![\w.]){re.escape(name.strip('`'))}(?![\w(\[]|\.(?!T\b))"
    wanted = compared.values(belongs)
    at_hand = any(same(compared.state.at(one), wanted) for one in tape[compared.operand].operands)
    if at_hand or not any(place and re.search(written, place.source) for place in places):
        return f"{name} belongs here", f"use {name}"
    lines = {
        compared.loss_nodes[one.node].line
        for one in compared.known.of_kind(VALUE)
        if same(compared.actual, one.values)
    }
    line = compared.loss_nodes[belongs].line
    # what is written has another value by now
    is_elsewhere = lines and line not in lines | {0}
    other = f"{name} of line {line}" if is_elsewhere else f"{name} of another pass"
    return f"{other} belongs here", f"keep {other} until here, and use it"
