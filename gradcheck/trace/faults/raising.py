"""Find the fault of a gradient that raises: the operation at which the shapes go wrong.

The operands of the operation that failed are on the tape. The fault is the first value on the way
to it that is not a known quantity of the loss, while all its operands are; if all operands of the
failed operation are known, it is that operation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT, VALUE
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.causes.kinds import named
from gradcheck.trace.fault import Cause, Fault, Step
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.reshaped import adds_in_place, in_another_shape, is_multiple
from gradcheck.trace.record.nodes import RAISED, Node, Reference
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.loops import indices_in, loop_of_index
from gradcheck.trace.wording.misfits import (
    Misfit,
    Operand,
    bracketed,
    products_of,
    with_a_line_less,
)
from gradcheck.trace.wording.operand_text import operand_text

BEYOND = re.compile(
    r"index (?P<index>-?\d+) is out of bounds for axis (?P<axis>\d+) with size (?P<size>\d+)"
)


def _words_of(search: Followed, index: int) -> str:
    """Describe a value of the gradient as a known quantity; empty if it is none."""
    node = search.points[0].nodes[index]
    values = [point.nodes[index].value for point in search.points]
    if node.is_leaf or not node.is_float or not any(np.any(value) for value in values):
        return node.name
    for form in _forms(values):
        explained = search.known.explaining(form)
        whole = [known for known in explained if known.values[0].size == form[0].size]
        words = named(whole or explained, search.words)
        if words:
            return words if whole else f"a row or column of {words}"
    return ""


def _forms(values: Sequence[NDArray[Any]]) -> list[list[NDArray[Any]]]:
    """Return the values, and those without their first or last row or column."""
    forms = [list(values)]
    for axis in range(values[0].ndim):
        if values[0].shape[axis] > 1:
            for part in (slice(1, None), slice(None, -1)):
                index = (slice(None),) * axis + (part,)
                forms.append([value[index] for value in values])
    return forms


def raising_fault(search: Followed, blocks: Sequence[str]) -> tuple[Fault, Misfit] | None:
    """Return the fault of a gradient that raised; None if no traced operation failed."""
    gradient = search.points[0].gradient
    failed = gradient.tape.failed
    if failed is None:
        return None
    if not isinstance(gradient.error, ValueError):
        outside = _beyond_the_end(search, failed, gradient.error, tuple(blocks))
        return None if outside is None else (outside, _misfit(search, failed, False))
    reshaped = in_another_shape(search, failed)
    culprit = reshaped[0] if reshaped else _first_unexplained(search, failed)
    node = search.points[0].nodes[culprit] if culprit is not None else failed
    same_line = node.place and node.line == failed.line
    misfit = _misfit(search, node, culprit is not None)
    if reshaped:
        fitting = bracketed(misfit.code) + reshaped[1]
        misfit = replace(misfit, fitting=fitting, fitting_words=reshaped[2])
    elif same_line and failed.name != f"{RAISED} setitem":
        misfit = _misfit(search, failed, False)
    blamed = Blame.at(node.chain)
    expression, also = blamed.expression, blamed.also
    operands = [f"{item.words or 'a value'} {item.value.shape}" for item in misfit.operands]
    shape = f" {node.value.shape}" if culprit is not None else ""
    if failed.place is not None and culprit is not None and not same_line:
        also = (failed.place, *also)
    shown = Fault(
        fault.RAISES if culprit is None else fault.WRONG_SHAPE,
        blamed.place,
        also,
        expression,
        f"{expression}{shape}, made of {' and '.join(operands)}",
        misfit.fitting_words,
        node.value if culprit is not None else None,
        before=_right_operands(search, node),
        blocks=tuple(blocks),
        fix=_as_number(expression, node.value) if failed.name == f"{RAISED} setitem" else "",
    )
    return shown, misfit


def _as_number(expression: str, value: NDArray[Any]) -> str:
    """Return how an array of one number is put into an entry, which numpy 2.4 no longer does."""
    is_one = value.size == 1 and value.ndim > 0
    return f"write `{expression}.item()`: an entry takes a number, and no array" if is_one else ""


def _beyond_the_end(
    search: Followed, failed: Node, error: BaseException | None, blocks: tuple[str, ...]
) -> Fault | None:
    """Return the fault of a loop whose index goes beyond the end of an axis."""
    match = BEYOND.search(str(error)) if isinstance(error, IndexError) else None
    if match is None or failed.place is None:
        return None
    head = loop_of_index(failed.place, int(match["axis"]))
    if head is not None and _fits_beside(search, failed, int(match["axis"]), int(match["index"])):
        return None
    if head is None:
        return None
    words = f"goes to {match['index']}, where axis {match['axis']} has {match['size']}"
    cause = Cause(fault.OTHER_INDEX, words)
    return Fault(fault.RAISES, head, (failed.place,), head.source, blocks=blocks, cause=cause)


def _fits_beside(search: Followed, failed: Node, axis: int, beyond: int) -> bool:
    """Whether another array of the same line has an entry at the index that goes beyond one."""
    name, nodes = ast.dump(indices_in(expression_of(failed.source))[axis]), search.points[0].nodes
    for node in nodes:
        if node.line == failed.line and node.place and node.operands:
            of = nodes[node.operands[0]].value.shape
            written = zip(indices_in(expression_of(node.source)), of, strict=False)
            if any(ast.dump(one) == name and beyond < length for one, length in written):
                return True
    return False


def _misfit(search: Followed, node: Node, has_value: bool) -> Misfit:
    """Describe an operation, with a product of its operands that is a known quantity."""
    source = node.source
    operands = [
        Operand(
            ast.unparse(written) if written is not None else _words_of(search, index) or "a value",
            _words_of(search, index),
            search.points[0].nodes[index].value,
        )
        for index, written in _written_operands(node, source)
    ]
    fitting, words = "", ""
    if len(operands) == 2:
        fitting, words = _fitting(search, operands)
    return Misfit(
        node.operation.removeprefix(f"{RAISED} "),
        _unparsed(source),
        tuple(operands),
        node.value.shape if has_value else None,
        fitting,
        words,
    )


def _written_operands(node: Node, source: str) -> Iterator[tuple[int, ast.expr | None]]:
    """Yield the operands of an operation, also those in a list, each with its expression."""
    for position, argument in enumerate(node.arguments):
        written = operand_text(source, position)
        if isinstance(argument, Reference):
            yield argument.index, written
        elif isinstance(argument, list | tuple):
            items = written.elts if isinstance(written, ast.List | ast.Tuple) else []
            for number, item in enumerate(argument):
                if isinstance(item, Reference):
                    yield item.index, items[number] if number < len(items) else None


def _fitting(search: Followed, operands: Sequence[Operand]) -> tuple[str, str]:
    """Return a product of two operands that is an adjoint or value of the loss, and its name."""
    left, right = operands
    multiple: tuple[str, str] | None = None
    pairs = [((left.code, left.value), (right.code, right.value))]
    pairs += [(part, pairs[0][1]) for part in with_a_line_less(left.code, left.value)]
    pairs += [(pairs[0][0], part) for part in with_a_line_less(right.code, right.value)]
    for (left_code, a), (right_code, b) in pairs:
        for code, value in products_of(left_code, right_code, a, b):
            for quantity in search.known.of_kind(ADJOINT, VALUE) if value.shape else ():
                wanted = quantity.values[0]
                if wanted.shape == value.shape and np.allclose(
                    wanted, value, 1e-6, 1e-9 * np.max(np.abs(value))
                ):
                    return code, named([quantity], search.words)
                if not multiple and quantity.kind == ADJOINT and is_multiple([value], [wanted]):
                    multiple = code, named([quantity], search.words)
    return multiple or ("", "")


def _unparsed(source: str) -> str:
    try:
        return ast.unparse(ast.parse(source))
    except SyntaxError:
        return source


def _first_unexplained(search: Followed, failed: Node) -> int | None:
    """Return the first unexplained value on the way to a failed operation, or None.

    What it adds to in place may be a part of a sum, as no derivative is.
    """
    pending = list(failed.operands)[1 if adds_in_place(failed) else 0 :]
    first: int | None = None
    seen: set[int] = set()
    while pending:
        index = pending.pop(0)
        if index in seen or _words_of(search, index):
            continue
        seen.add(index)
        first = index if first is None else min(first, index)
        pending += search.points[0].nodes[index].operands
    return first


def _right_operands(search: Followed, node: Node) -> tuple[Step, ...]:
    steps = []
    for index in node.operands:
        words, place = _words_of(search, index), search.points[0].nodes[index].place
        if words and place is not None:
            steps.append(Step(place, words))
    return tuple(steps)
