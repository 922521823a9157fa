"""A gradient that raises: the tape up to there tells where the shapes went wrong.

The operation that failed has its operands on the tape. The fault is the first value on the way to
it that no quantity of the loss explains although all that it is made of is explained; where all
operands are explained, it is the failing operation itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT, VALUE
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.causes.kinds import named
from gradcheck.trace.fault import Cause, Fault, Step
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.record.nodes import RAISED, Node, Reference
from gradcheck.trace.wording.loops import loop_of_index
from gradcheck.trace.wording.misfits import Misfit, Operand, products_of, with_a_line_less
from gradcheck.trace.wording.operand_text import operand_text

BEYOND = re.compile(
    r"index (?P<index>-?\d+) is out of bounds for axis (?P<axis>\d+) with size (?P<size>\d+)"
)


def _words_of(search: Followed, index: int) -> str:
    """What a value of the gradient is; empty where nothing explains it."""
    node = search.points[0].nodes[index]
    values = [point.nodes[index].value for point in search.points]
    if node.is_leaf or not node.is_float or not any(np.any(value) for value in values):
        return node.name
    for form in _forms(values):
        found = search.known.explaining(form)
        whole = [one for one in found if one.values[0].size == form[0].size]
        words = named(whole or found, search.words)
        if words:
            return words if whole else f"a row or column of {words}"
    return ""


def _forms(values: Sequence[NDArray[Any]]) -> list[list[NDArray[Any]]]:
    """The values, and without their first or last row or column."""
    forms = [list(values)]
    for axis in range(values[0].ndim):
        if values[0].shape[axis] > 1:
            for kept in (slice(1, None), slice(None, -1)):
                index = (slice(None),) * axis + (kept,)
                forms.append([value[index] for value in values])
    return forms


def raising_fault(search: Followed, blocks: Sequence[str]) -> tuple[Fault, Misfit] | None:
    """The fault of a gradient that raised; None where no operation of numpy's failed."""
    gradient = search.points[0].gradient
    failed = gradient.tape.failed
    if failed is None:
        return None
    if not isinstance(gradient.error, ValueError):
        outside = _beyond_the_end(failed, gradient.error, tuple(blocks))
        return None if outside is None else (outside, _misfit(search, failed, False))
    culprit = _first_unexplained(search, failed)
    node = search.points[0].nodes[culprit] if culprit is not None else failed
    same_line = node.place and failed.place and node.place.line == failed.place.line
    misfit = _misfit(search, node, culprit is not None)
    if same_line and failed.name != f"{RAISED} setitem":
        misfit = _misfit(search, failed, False)
    blamed = Blame.at(node.chain)
    expression, also = blamed.expression, blamed.also
    operands = [f"{one.words or 'a value'} {one.value.shape}" for one in misfit.operands]
    shape = f" {node.value.shape}" if culprit is not None else ""
    if failed.place is not None and culprit is not None:
        also = (failed.place, *also)
    found = Fault(
        fault.RAISES if culprit is None else fault.WRONG_SHAPE,
        blamed.place,
        also,
        expression,
        f"{expression}{shape}, made of {' and '.join(operands)}",
        misfit.fitting_words,
        node.value if culprit is not None else None,
        before=_right_operands(search, node),
        blocks=tuple(blocks),
    )
    return found, misfit


def _beyond_the_end(
    failed: Node, error: BaseException | None, blocks: tuple[str, ...]
) -> Fault | None:
    """The loop whose number went beyond the end of an axis."""
    found = BEYOND.search(str(error)) if isinstance(error, IndexError) else None
    if found is None or failed.place is None:
        return None
    head = loop_of_index(failed.place, int(found["axis"]))
    if head is None:
        return None
    words = f"goes to {found['index']}, where axis {found['axis']} has {found['size']}"
    cause = Cause(fault.OTHER_INDEX, words)
    return Fault(fault.RAISES, head, (failed.place,), head.source, blocks=blocks, cause=cause)


def _misfit(search: Followed, node: Node, has_value: bool) -> Misfit:
    """The operation in words, with a product of its operands that is a known quantity."""
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
    """The operands of an operation, each with its expression; also those in a list."""
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
    """A product of two operands that is an adjoint or a value of the loss, and what it is."""
    left, right = operands
    pairs = [((left.code, left.value), (right.code, right.value))]
    pairs += [(less, pairs[0][1]) for less in with_a_line_less(left.code, left.value)]
    pairs += [(pairs[0][0], less) for less in with_a_line_less(right.code, right.value)]
    for (one, a), (other, b) in pairs:
        for code, value in products_of(one, other, a, b):
            for quantity in search.known.of_kind(ADJOINT, VALUE) if value.shape else ():
                its = quantity.values[0]
                if its.shape != value.shape:
                    continue
                if np.allclose(its, value, 1e-6, 1e-9 * np.max(np.abs(value))):
                    return code, named([quantity], search.words)
    return "", ""


def _unparsed(source: str) -> str:
    try:
        return ast.unparse(ast.parse(source))
    except SyntaxError:
        return source


def _first_unexplained(search: Followed, failed: Node) -> int | None:
    """The value that is unexplained, while all that it is made of is explained."""
    pending = list(failed.operands)
    found: int | None = None
    seen: set[int] = set()
    while pending:
        index = pending.pop(0)
        if index in seen or _words_of(search, index):
            continue
        seen.add(index)
        found = index if found is None else min(found, index)
        pending += search.points[0].nodes[index].operands
    return found


def _right_operands(search: Followed, node: Node) -> tuple[Step, ...]:
    steps = []
    for index in node.operands:
        words, place = _words_of(search, index), search.points[0].nodes[index].place
        if words and place is not None:
            steps.append(Step(place, words))
    return tuple(steps)
