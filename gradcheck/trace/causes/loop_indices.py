"""An index in a loop that should be another name of the loop's, as `x[i, i]` for `x[i, j]`."""

from __future__ import annotations

import ast
import copy
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, combinations_with_replacement, product
from typing import Any

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Compared, made_of
from gradcheck.trace.causes.index_causes import agrees_at, subscript_text
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import repetitions
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.loops import indices_in, names_in

ITEMS = ("getitem", "setitem")

OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
"""What the names of an index are combined by."""

FEWEST, MOST_PASSES = 2, 2000
"""Passes of a loop that tell its names apart, and that are not too many to compute anew."""

Numbers = Mapping[str, int]
"""The values of the texts that a pass of a loop uses as indices."""


def loop_index_cause(passes: Sequence[Compared]) -> Cause | None:
    """Return the cause if values are right with another name of the loop's as one index."""
    passes, tried = [*map(_as_written_last, passes)], set()
    for node in made_of(passes[0]):
        if node.name not in ITEMS or node.place is None or node.place in tried:
            continue
        tried.add(node.place)
        subscript, key = expression_of(node.source), _key_of(node)
        indices = [ast.unparse(one) for one in indices_in(subscript)]
        if not isinstance(subscript, ast.Subscript) or len(indices) != len(key):
            continue
        numbers = _numbers_by_pass(node, passes[0].state.tape)
        renamed = _renamed_cause(passes, node, subscript, numbers)
        if renamed is not None:
            return renamed
        for axis in (at for at, one in enumerate(key) if type(one) is int):
            for text, values in _others(indices[axis], numbers):
                if passes[0].deadline.has_passed:
                    return None
                if all(_agrees(one, node, axis, values) for one in passes):
                    return _of_index(node, subscript, indices, axis, text)
    return None


def _as_written_last(compared: Compared) -> Compared:
    """Return what is compared with an array after all writes, of which the last may be right."""
    state, index = compared.state, compared.operand
    while len(users := state.consumers[index]) == 1 and state.tape[users[0]].name == "setitem":
        if state.tape[users[0]].operands[0] != index:
            break
        index = users[0]
    return compared if index == compared.operand else replace(compared, operand=index)


def _renamed_cause(
    passes: Sequence[Compared], node: Node, subscript: ast.Subscript, numbers: Mapping[int, Numbers]
) -> Cause | None:
    """Return the cause if two names are exchanged in the indices, as in `x[2 * i + l, 2 * j + k]`.

    One name may also stand for another in one of the indices.
    """
    done = "read" if node.name == "getitem" else "written"
    for names, indices in _renamed(indices_in(subscript), numbers):
        if passes[0].deadline.has_passed:
            return None
        keys = {at: tuple(_number(one, known) for one in indices) for at, known in numbers.items()}
        if any(None in key for key in keys.values()):
            continue
        if all(agrees_at(one, node, partial(_key_in, keys)) for one in passes):
            right = subscript_text(subscript, [*map(ast.unparse, indices)])
            words = f"`{node.source}` is {done} where `{right}` belongs: {names}"
            return Cause(fault.OTHER_INDEX, words, f"write `{right}`", node.index)
    return None


def _renamed(
    indices: Sequence[ast.expr], numbers: Mapping[int, Numbers]
) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield indices with two of their names exchanged, or one in a sum or product replaced."""
    shared = _shared(numbers)
    own = [names_in(one) for one in indices]
    for first, second in combinations(sorted(set().union(*own) & shared), 2):
        names = f"{first} and {second} are exchanged"
        yield names, [_with_names(one, {first: second, second: first}) for one in indices]
    known = sorted(text for text in shared if text.isidentifier())
    for axis, index in enumerate(indices):
        for name, other in product(sorted(own[axis]), known):
            if isinstance(index, ast.BinOp) and other not in own[axis]:
                changed = _with_names(index, {name: other})
                yield f"{other}, not {name}", [*indices[:axis], changed, *indices[axis + 1 :]]


def _key_in(keys: Mapping[int, tuple[int | None, ...]], node: Node) -> tuple[Any, ...]:
    return keys.get(node.index, _key_of(node))


def _with_names(index: ast.expr, others: Mapping[str, str]) -> ast.expr:
    changed = copy.deepcopy(index)
    for node in ast.walk(changed):
        if isinstance(node, ast.Name):
            node.id = others.get(node.id, node.id)
    return changed


def _number(index: ast.expr, numbers: Numbers) -> int | None:
    """Return the value of an index by those of its names; None if one is not known."""
    if isinstance(index, ast.Constant) and type(index.value) is int:
        return index.value
    if isinstance(index, ast.BinOp) and type(index.op) in OPERATORS:
        first, second = (_number(one, numbers) for one in (index.left, index.right))
        if first is None or second is None:
            return None
        return OPERATORS[type(index.op)](first, second)
    return numbers.get(ast.unparse(index))


def _of_index(
    node: Node, subscript: ast.Subscript, indices: list[str], axis: int, text: str
) -> Cause:
    done = "read" if node.name == "getitem" else "written"
    words = f"`{node.source}` is {done} at {indices[axis]}, and {text} belongs there"
    indices[axis] = text
    fix = f"write `{subscript_text(subscript, indices)}`"
    return Cause(fault.OTHER_INDEX, words, fix, node.index)


def _agrees(compared: Compared, node: Node, axis: int, values: Mapping[int, int]) -> bool:
    def other(one: Node) -> tuple[object, ...]:
        key = _key_of(one)
        return (*key[:axis], values.get(one.index, key[axis]), *key[axis + 1 :])

    return agrees_at(compared, node, other)


def _others(own: str, numbers: Mapping[int, Numbers]) -> Iterator[tuple[str, dict[int, int]]]:
    """Yield other texts for an index, and what they are by pass: names, then sums of two."""
    shared = _shared(numbers)
    for text in sorted(shared):
        yield from _if_other(own, text, {at: one[text] for at, one in numbers.items()}, numbers)
    names = sorted(text for text in shared if text.isidentifier())
    for first, second in combinations_with_replacement(names, 2):
        sums = {at: one[first] + one[second] for at, one in numbers.items()}
        text = f"2 * {first}" if first == second else f"{first} + {second}"
        yield from _if_other(own, text, sums, numbers)


def _shared(numbers: Mapping[int, Numbers]) -> set[str]:
    """Return the texts whose numbers every pass tells."""
    return set.intersection(*(set(one) for one in numbers.values())) if numbers else set()


def _if_other(
    own: str, text: str, values: dict[int, int], numbers: Mapping[int, Numbers]
) -> Iterator[tuple[str, dict[int, int]]]:
    if any(numbers[at].get(own) != value for at, value in values.items()):
        yield text, values


def _numbers_by_pass(node: Node, tape: Sequence[Node]) -> dict[int, Numbers]:
    """Return the numbers that the passes of a loop around a read or write use as indices."""
    passes = repetitions(tape, node.index)
    if not FEWEST <= len(passes) <= MOST_PASSES:
        return {}
    ends = [2 * passes[0] - passes[1], *passes, 2 * passes[-1] - passes[-2]]
    return {
        at: _numbers_near(at, tape[max(0, before + 1) : after])
        for before, at, after in zip(ends, passes, ends[2:], strict=False)
    }


def _numbers_near(at: int, around: Sequence[Node]) -> Numbers:
    """Return the numbers of the indices around an operation, of each text the nearest.

    Those of its own statement, which a write ends, are nearest, and the next ones then; a condition
    may have read others before, to no effect.
    """
    here = next(one for one in around if one.index == at)
    ends = [one.index for one in around if one.name == "setitem"]
    statement = sum(end < at for end in ends)

    def distance(node: Node) -> tuple[int, bool, int]:
        off = sum(end < node.index for end in ends) - statement
        return abs(off), off < 0, abs(node.index - at)

    items = (one for one in around if one.name in ITEMS and one.chain)
    beside = (one for one in items if one.chain[1:] == here.chain[1:])
    numbers: dict[str, int] = {}
    for node in sorted(beside, key=distance):
        if node.chain[0].code is not here.chain[0].code:
            continue
        indices = indices_in(expression_of(node.source))
        for text, number in zip(indices, _key_of(node), strict=False):
            start = number.start if isinstance(number, slice) else number
            lower = text.lower if isinstance(text, ast.Slice) else text
            if type(start) is int and lower is not None:
                numbers.setdefault(ast.unparse(lower), start)
    for written, total in list(numbers.items()):  # `i + j` tells `j` by `i`
        first, _, second = written.partition(" + ")
        for known, other in ((first, second), (second, first)):
            if known in numbers and other.isidentifier():
                numbers.setdefault(other, total - numbers[known])
    return numbers


def _key_of(node: Node) -> tuple[object, ...]:
    key = node.arguments[1]
    return key if isinstance(key, tuple) else (key,)
