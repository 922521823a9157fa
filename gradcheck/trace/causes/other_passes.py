"""Values of the pass before or after, which a loop takes by a wrong index."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Compared, same
from gradcheck.trace.causes.redo import Redo, Trial, taking
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.loops import indices_in
from gradcheck.trace.wording.operand_text import operand_text

FEWEST = 3
"""The fewest passes of a loop that can show from which pass a value was to be taken."""

MOVED = ("T", "transpose", "reshape", "copy", "view")

Use = tuple[int, int]
"""An operation and the value that it uses, by their indices."""


def other_pass_cause(compared: Compared) -> Cause | None:
    """Return the cause if a loop uses what the pass before or after it has to use."""
    tape, operand = compared.state.tape, compared.operand
    if not compared.is_use or not np.any(compared.expected[0]):
        return None
    use = _first_use((compared.node, operand), tape)
    series = _series(operand, tape)
    at = series.index(operand)
    for other in (at - 1, at + 1) if len(series) >= FEWEST else ():
        if 0 <= other < len(series) and same(compared.state.at(series[other]), compared.expected):
            taken = _first_use((compared.node, series[other]), tape)[1]
            return _cause(tape[compared.node], use, taken, tape)
    return None


def at_other_passes(nodes: Sequence[Node], compared: Compared) -> Iterator[Trial]:
    """Yield the operands of one operation in all passes, each as it is in the next or the last."""
    tape = compared.state.tape
    for position in range(len(nodes[0].arguments) if len(nodes) >= FEWEST else 0):
        operands = [node.arguments[position : position + 1] for node in nodes]
        if not all(one and isinstance(one[0], Reference) for one in operands):
            continue
        pairs = zip(nodes, operands, strict=True)
        uses = [_first_use((node.index, one[0].index), tape) for node, one in pairs]
        series = _series(uses[0][1], tape)
        if len(series) < FEWEST or any(value not in series for _, value in uses):
            continue
        for shift in (-1, 1):
            changes: dict[int, Redo] = {}
            taken: list[tuple[Use, int]] = []
            for use in uses:
                other, at = series.index(use[1]) + shift, _position(use, tape)
                if at is not None and 0 <= other < len(series):
                    changes[use[0]] = partial(taking, at, series[other])
                    taken.append((use, series[other]))
            if len(taken) > 1:
                yield _cause(nodes[0], *taken[0], tape), changes


def _first_use(use: Use, tape: Sequence[Node]) -> Use:
    """Return the first use of a value that is used with its entries moved only."""
    user, value = use
    while tape[value].operation in MOVED and len(tape[value].operands) == 1:
        user, value = value, tape[value].operands[0]
    return user, value


def _series(value: int, tape: Sequence[Node]) -> list[int]:
    """Return what the same place makes in all passes; `x, y = z` gives several names at once."""
    if isinstance(expression_of(tape[value].source), ast.Tuple):
        return [value]
    return [one.index for one in tape if one.in_loop == tape[value].in_loop]


def _position(use: Use, tape: Sequence[Node]) -> int | None:
    """Return the position of an operand; None if it is in a list."""
    arguments = enumerate(tape[use[0]].arguments)
    return next((at for at, one in arguments if getattr(one, "index", None) == use[1]), None)


def _cause(node: Node, use: Use, taken: int, tape: Sequence[Node]) -> Cause:
    """Return the cause of a use of one value where another of its series was to be taken."""
    read = tape[use[1]].operation == "getitem" and expression_of(tape[use[1]].source)
    position = _position(use, tape)
    text = read or (None if position is None else operand_text(tape[use[0]].source, position))
    steps = _steps(tape[use[1]], tape[taken]) if read else [1 if taken > use[1] else -1]
    indices = indices_in(text or None)
    name = f"`{ast.unparse(text)}`" if text else "the operand"
    words = f"{name} in `{node.source}` is that of another pass of the loop"
    fix = f"take that of the pass {'after' if sum(steps) > 0 else 'before'}, as the loss runs"
    are_numbers = not any(
        isinstance(one, ast.Constant) and isinstance(one.value, str) for one in indices
    )
    are_stepped = len(steps) == len(indices) and any(steps) and are_numbers
    if isinstance(text, ast.Subscript) and are_stepped:
        right = map(_moved, indices, steps)
        fix = f"write `{ast.unparse(text.value)}[{', '.join(right)}]` for {name}"
    return Cause(fault.OTHER_INDEX, words, fix, node.index)


def _steps(read: Node, other: Node) -> list[int]:
    """Return how far the indices are from each other at which two parts are read."""
    keys = (one.arguments[1] for one in (read, other))
    pairs = zip(*(key if isinstance(key, tuple) else (key,) for key in keys), strict=False)
    whole = (int, np.integer)
    return [int(b - a) if isinstance(a, whole) and isinstance(b, whole) else 0 for a, b in pairs]


def _moved(index: ast.expr, step: int) -> str:
    """Return the text of an index plus a number: `t + 1` and -1 make `t`."""
    if isinstance(index, ast.BinOp) and isinstance(index.right, ast.Constant):
        signs = {ast.Add: 1, ast.Sub: -1}
        sign = signs.get(type(index.op))
        if sign is not None and isinstance(index.right.value, int):
            return _moved(index.left, step + sign * index.right.value)
    text = ast.unparse(index)
    return f"{text} {'+' if step > 0 else '-'} {abs(step)}" if step else text
