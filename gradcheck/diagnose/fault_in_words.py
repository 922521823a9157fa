"""Describe a fault in sentences: the message, the fix and the evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.diagnose.rules.gradient_clipped import is_clip
from gradcheck.trace import Fault
from gradcheck.trace.causes.compared import same
from gradcheck.trace.fault import (
    CONSTANT_FACTOR,
    EXTRA_TERM,
    TERM_MISSING,
    TRANSPOSED,
    WRONG_OPERAND,
    WRONG_SHAPE,
    WRONG_VALUE,
)
from gradcheck.trace.wording.misfits import turned
from gradcheck.words import listed, verb

PUT_RIGHT = "with that put right, the gradient"

UNTELLING = (WRONG_VALUE, WRONG_OPERAND)
"""Kinds of faults whose names say only that something is wrong."""


def message_of(fault: Fault) -> str:
    """Return the sentence on what is wrong."""
    what = (
        f"`{fault.expression}`"
        if fault.expression
        else f"what is returned for {listed(fault.blocks)}"
    )
    if fault.cause is not None and (fault.cause.name == fault.kind or fault.cause.node is not None):
        return fault.cause.words
    if is_clip(fault):
        return f"{what} cuts off {fault.expected or 'the gradient'}"
    if fault.kind == EXTRA_TERM and fault.entry is not None and fault.cause is None:
        is_part = fault.entry.expression != fault.expression
        within = f" in `{fault.expression}`" if is_part else ""
        return f"`{fault.entry.expression}`{within} is one term too many"
    if fault.cause is not None and EXTRA_TERM in (fault.kind, fault.cause.name):
        return f"{what} is wrong: {fault.cause.words}"
    operand = _turned_operand(fault)
    if operand is not None:
        return f"{operand[0]} is transposed: `{operand[1]}` is wanted"
    shapes = _shapes(fault)
    if shapes is not None:
        return f"{what} has the shape {shapes[0]}; {fault.expected} has {shapes[1]}"
    part = _part(fault)
    within = f", in {what}" if part else ""
    if fault.cause is not None and "belongs" in fault.cause.words:  # names the expected value
        words = fault.cause.words
        if words.strip("`").startswith(part or fault.expression):
            return words + within
        is_now = fault.actual if fault.is_something else "wrong"
        return f"{f'`{part}`' if part else what} is {is_now}{within}: {words}"
    if part:
        what = f"`{part}` in {what}"
    if fault.cause is not None and fault.cause.words and fault.expected.endswith(" times that"):
        return f"{what} is wrong: {fault.cause.words}"
    if fault.cause is not None:
        is_redundant = not fault.cause.words or (
            fault.cause.words.startswith("this is not ")
            and fault.expected.endswith(fault.cause.words.removeprefix("this is not "))
        )
        why = "" if is_redundant else f": {fault.cause.words}"
    else:
        why = "" if fault.kind in UNTELLING else f": {fault.kind}"
    if fault.expected == f"-1 times {fault.actual}":
        return f"{what} is {fault.actual}, and has the wrong sign"
    if fault.expected and fault.actual.endswith(f" times {fault.expected}"):
        return f"{what} is {fault.actual}{why}"
    if fault.expected and fault.is_something:
        return f"{what} is {fault.actual}; {fault.expected} is wanted here{why}"
    if fault.expected:
        return f"{what} is wrong; {fault.expected} is wanted here{why}"
    return f"{what} is wrong{why}"


def _part(fault: Fault) -> str:
    """Return the text of the wrong operand within the expression; empty for the whole of it."""
    if fault.entry is None or fault.kind not in (WRONG_OPERAND, CONSTANT_FACTOR):
        return ""
    part = fault.entry.expression
    whole = fault.expression.replace('"', "'")
    return part if part != fault.expression and part.replace('"', "'") in whole else ""


def _shapes(fault: Fault) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the shapes of a gradient and of its block, if a wrong shape is all that is known."""
    actual, expected = fault.actual_value, fault.expected_value
    is_shape = fault.kind == WRONG_SHAPE and fault.cause is None
    return (
        (actual.shape, expected.shape)
        if is_shape and actual is not None and expected is not None
        else None
    )


def _summed(fault: Fault) -> str:
    """Return how to sum a gradient that has the shape of a product along which it is broadcast."""
    actual, expected = fault.actual_value, fault.expected_value
    if actual is None or expected is None or actual.ndim != expected.ndim:
        return ""
    sizes = zip(actual.shape, expected.shape, strict=True)
    axes = tuple(axis for axis, (size, one) in enumerate(sizes) if size > one == 1)
    if not axes or not same([np.sum(actual, axis=axes, keepdims=True)], [expected]):
        return ""
    return f"sum it with axis={axes[0] if len(axes) == 1 else axes}, keepdims=True: "


def _turned_operand(fault: Fault) -> tuple[str, str] | None:
    """Return what is written, and the right text, if an operand has to be transposed."""
    entry, actual, expected = fault.entry, fault.actual_value, fault.expected_value
    if entry is None or entry.expression == fault.expression or fault.cause is None:
        return None
    if actual is None or expected is None or fault.cause.name != TRANSPOSED:
        return None
    whole, part = fault.expression.replace('"', "'"), entry.expression.replace('"', "'")
    if part not in whole or not same([actual.T], [expected]):
        return None
    if turned(whole) == part:
        return f"`{fault.expression}`", turned(fault.expression)
    return f"`{part}` in `{fault.expression}`", turned(part)


def fix_of(fault: Fault) -> str:
    """Return the sentence on what to write."""
    operand = _turned_operand(fault)
    fix = fault.fix or ("" if fault.cause is None else fault.cause.fix)
    text = _part(fault) or fault.expression
    what = f"`{text}`" if text else "it"
    if fault.cause is not None and fault.cause.name == TERM_MISSING and fix == fault.cause.fix:
        where = "to" if fix.startswith("add") else "from"
        return fix if f" {where} `" in fix else f"{fix} {where} {what}"
    if operand is not None or fix:
        return fix if operand is None else f"write `{operand[1]}` there"
    if is_clip(fault):
        return f"clip in the update, and check the gradient without {what}"
    if fault.kind == EXTRA_TERM and fault.entry is not None:
        return f"leave `{fault.entry.expression}` out"
    if fault.kind == CONSTANT_FACTOR and fault.factor == -1 and text:
        return f"change the sign of {what}"
    if fault.kind == CONSTANT_FACTOR and text:
        return f"multiply {what} by {fault.factor:.6g}"
    if _shapes(fault) is not None:
        entries = f"an entry for each entry of {listed(fault.blocks)}, in the same shape"
        return f"{_summed(fault) or 'return '}{entries}"
    if "dL/d" not in fault.expected or fault.kind not in UNTELLING:
        return f"let {what} be {fault.expected}" if fault.expected else f"look at {what}"
    if fault.is_something:
        return f"turn it into {fault.expected}"
    return f"find out what {what} lacks{fault.ratios}"


def evidence_of(fault: Fault) -> list[str]:
    """Return the lines of evidence: right values before the fault, and one entry, both numbers."""
    lines = []
    if fault.before:
        lines.append(f"right before it: {', '.join(map(str, reversed(fault.before)))}")
    if (entry := fault.entry) is not None:
        where = f"[{', '.join(map(str, entry.index))}]" if entry.index else ""
        of_shape = f", of shape {entry.shape}" if entry.shape else ""
        in_pass = f"in pass {entry.number} of {entry.passes}, " if entry.passes > 1 else ""
        lines.append(
            f"{in_pass}`{entry.expression}`{where} is {entry.actual + 0.0:.6g} and should be "
            f"{entry.expected + 0.0:.6g}{of_shape}"
        )
    if fault.mended:
        lines.append(put_right(fault.blocks))
    return lines


def put_right(blocks: Sequence[str]) -> str:
    """Return the sentence on the blocks that a change makes right."""
    return (
        f"{PUT_RIGHT}{verb(blocks, '', 's')} of {listed(blocks)} {verb(blocks, 'agrees', 'agree')} "
        "with finite differences"
    )
